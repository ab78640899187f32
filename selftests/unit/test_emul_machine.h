/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a machine with descriptor tables, for hand-written cases
 *
 * Linear memory 0..0x3ffff with GDT, IDT and TSS at fixed places, and words to
 * write cases in; part of each program that includes it.
 */
#ifndef TEST_EMUL_MACHINE_H
#define TEST_EMUL_MACHINE_H

#include <asm/processor-flags.h>

#include "ktap.h"
#include "test_emul_env.h"

#define MEM_SIZE	0x40000
#define CODE		0x1000
#define GDT		0x2000
#define IDT		0x3000
#define TSS		0x4000
#define STACK		0x9000	/* of the interrupted code */
#define STACK0		0x8000	/* of ring 0 */
#define DATA		0xa000

/* Selectors of the GDT below. */
#define K_CODE32	0x08
#define K_CODE64	0x10
#define K_DATA		0x18
#define U_CODE32	0x23
#define U_DATA		0x2b
#define U_CODE64	0x33
#define K_TSS		0x40
#define ABSENT		0x50
#define GATE		0x58
#define CODE16		0x68
#define DATA_RO		0x70
#define LDT		0x78

static __maybe_unused struct env v;
static __maybe_unused u8 *mem;
static __maybe_unused bool good;
static __maybe_unused const char *what;

/* Remember the first thing that is wrong in a case. */
static __maybe_unused void expect(bool ok, const char *text)
{
	if (ok || !good)
		return;
	good = false;
	what = text;
}

#define EXPECT(cond)	expect(cond, #cond)

/* A case by hand: EXPECT() says what must hold. */
struct machine_case {
	const char *name;
	void (*fn)(void);
};

/* The whole test: a result each. */
static __maybe_unused void run_cases(const struct machine_case *cases, unsigned int n)
{
	unsigned int i;

	ktap_plan(n);
	for (i = 0; i < n; i++) {
		good = true;
		cases[i].fn();
		if (good)
			ktap_ok(true, "%s", cases[i].name);
		else
			ktap_ok(false, "%s: %s", cases[i].name, what);
	}
	env_init(&v);
}

static __maybe_unused void put64(u64 at, u64 val)
{
	memcpy(mem + at, &val, 8);
}

static __maybe_unused u64 get(u64 at, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, mem + at, len);
	return val;
}

static __maybe_unused void make_gdt(void)
{
	put64(GDT + K_CODE32, 0x00cf9a000000ffffull);
	put64(GDT + K_CODE64, 0x00af9a000000ffffull);
	put64(GDT + K_DATA, 0x00cf92000000ffffull);
	put64(GDT + (U_CODE32 & ~7), 0x00cffa000000ffffull);
	put64(GDT + (U_DATA & ~7), 0x00cff2000000ffffull);
	put64(GDT + (U_CODE64 & ~7), 0x00affa000000ffffull);
	put64(GDT + K_TSS, 0x0000890040000067ull);
	put64(GDT + ABSENT, 0x00cf12000000ffffull);
	put64(GDT + CODE16, 0x00009a000000ffffull);
	put64(GDT + DATA_RO, 0x0000f0000000ffffull);
	put64(GDT + LDT, 0x0000820050000fffull);
	v.regs.gdtr.base = GDT;
	v.regs.gdtr.limit = 0xff;
	v.regs.idtr.base = IDT;
	v.regs.idtr.limit = 0xfff;
	v.regs.seg[UMBRA_TR] = (struct umbra_seg){
		.sel = K_TSS, .attr = UMBRA_SEG_P | 11, .limit = 0x2067,
		.base = TSS,
	};
}

static __maybe_unused void begin(void)
{
	env_init(&v);
	mem = env_map(&v, 0, MEM_SIZE);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RSP] = STACK;
}

static __maybe_unused void begin64(unsigned int cpl)
{
	begin();
	env_flat64(&v, cpl);
	make_gdt();
	put64(TSS + 4, STACK0);
	put64(TSS + 0x24, STACK0 - 0x800);	/* IST1 */
}

static __maybe_unused void begin32(unsigned int cpl)
{
	begin();
	env_flat32(&v, cpl);
	if (cpl)
		v.regs.seg[UMBRA_CS].sel = U_CODE32;
	else
		v.regs.seg[UMBRA_CS].sel = K_CODE32;
	make_gdt();
	put64(TSS + 4, STACK0 | (u64)K_DATA << 32);
}

static __maybe_unused void begin_real(void)
{
	begin();
	env_real(&v);
}

static __maybe_unused void begin_v86(unsigned int iopl)
{
	unsigned int n;

	begin32(3);
	for (n = UMBRA_ES; n <= UMBRA_GS; n++)
		v.regs.seg[n] = (struct umbra_seg){
			.attr = 0xf3, .limit = 0xffff, .sel = 0x10 * n,
			.base = 0x100 * n,
		};
	v.regs.seg[UMBRA_CS].sel = 0;
	v.regs.seg[UMBRA_CS].base = 0;
	v.regs.rflags = X86_EFLAGS_FIXED | X86_EFLAGS_VM | X86_EFLAGS_IF |
			(u64)iopl << X86_EFLAGS_IOPL_BIT;
}

static __maybe_unused int run_bytes(const u8 *bytes, unsigned int len)
{
	memcpy(mem + v.regs.seg[UMBRA_CS].base + v.regs.rip, bytes, len);
	return umbra_emulate(&v.e);
}

#define RUN(...) ({							\
	static const u8 bytes_[] = { __VA_ARGS__ };			\
	run_bytes(bytes_, sizeof(bytes_));				\
})

static __maybe_unused bool faulted(int ret, unsigned int vector, u32 error)
{
	return ret == UMBRA_EMUL_FAULT && v.e.fault.vector == vector &&
	       (!v.e.fault.has_error || v.e.fault.error_code == error) &&
	       v.regs.rip == CODE;
}

static __maybe_unused void gate64(unsigned int vec, u16 sel, u64 off, u8 type, u8 dpl, u8 ist)
{
	u64 lo = (off & 0xffff) | (u64)sel << 16 | (u64)ist << 32 |
		 (u64)(0x80 | dpl << 5 | type) << 40 |
		 (off >> 16 & 0xffff) << 48;

	put64(IDT + 16 * vec, lo);
	put64(IDT + 16 * vec + 8, off >> 32);
}

static __maybe_unused void gate32(unsigned int vec, u16 sel, u32 off, u8 type, u8 dpl)
{
	put64(IDT + 8 * vec, (off & 0xffff) | (u64)sel << 16 |
	      (u64)(0x80 | dpl << 5 | type) << 40 | (u64)(off >> 16) << 48);
}

#endif
