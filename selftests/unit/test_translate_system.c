// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator: sensitive instructions
 *
 * What runs in line on virtual state, what exits and as what, where the guest
 * is when one of them is interrupted or faults.  Each snippet ends with HLT.
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "umbra/regs.h"
#include "ktap.h"
#include "test_translate_env.h"

#define CODE	0x20000000ull
#define STACK	0x20010800ull
#define CF	0x1ull

static bool good;

static void put_code(const void *code, unsigned int n)
{
	soft_tc_drop(tc, CODE, 4096);
	memset((void *)CODE, 0xcc, 4096);
	memcpy((void *)CODE, code, n);
	((u8 *)CODE)[n] = 0xf4;
}

/* Run a snippet; all registers are told apart, all flags are set. */
static struct run snippet(const void *code, unsigned int n)
{
	struct run run = { .mode = RUN_TRANSLATED };
	unsigned int i;

	put_code(code, n);
	for (i = 0; i < 16; i++)
		run.g.gpr[i] = 0x1111111111111111ull * i;
	run.g.gpr[UMBRA_RSP] = STACK;
	run.g.rip = CODE;
	run.g.flags = 0x8d5;
	env_run(&run);
	CHECK(!run.problem && !run.signal);
	CHECK(run.g.rip == CODE + n);
	return run;
}

#define SNIPPET(...) \
	snippet((u8 []){ __VA_ARGS__ }, sizeof((u8 []){ __VA_ARGS__ }))

/* Everything but the registers in @mask and the flags is as it was. */
static void check_kept(const struct run *run, unsigned int mask)
{
	unsigned int i;

	CHECK(run->g.flags == 0x8d5);
	for (i = 0; i < 16; i++)
		if (i != UMBRA_RSP && !(mask & 1 << i))
			CHECK(run->g.gpr[i] == 0x1111111111111111ull * i);
}

static bool interrupt_flag(void)
{
	struct run run;

	good = true;
	vif->iff = 0x200;
	run = SNIPPET(0xfa);
	check_kept(&run, 0);
	CHECK(vif->iff == 0);
	run = SNIPPET(0xfb);
	check_kept(&run, 0);
	CHECK(vif->iff == 0x200);
	return good;
}

static u64 top_of_stack(void)
{
	return *(u64 *)(STACK - 8);
}

static bool pushf(void)
{
	struct run run;

	good = true;
	vif->iff = 0x200;
	run = SNIPPET(0x9c);
	check_kept(&run, 0);
	CHECK(run.g.gpr[UMBRA_RSP] == STACK - 8);
	CHECK(top_of_stack() == (0x8d5 | 0x202));
	run = SNIPPET(0xfa, 0x9c, 0x58);
	check_kept(&run, BIT(UMBRA_RAX));
	CHECK(run.g.gpr[UMBRA_RSP] == STACK);
	CHECK(run.g.gpr[UMBRA_RAX] == (0x8d5 | 2));
	run = SNIPPET(0xfb, 0xfd, 0xfa, 0x9c, 0xfc);
	CHECK(top_of_stack() == (0xcd5 | 2));
	vif->iff = 0x200;
	return good;
}

/* PUSHF onto a page that is not there: nothing has happened. */
static bool pushf_faults(void)
{
	struct run run = { .mode = RUN_TRANSLATED };
	unsigned int i;

	good = true;
	for (vif->iff = 0; vif->iff <= 0x200; vif->iff += 0x200) {
		put_code((u8 []){ 0x9c }, 1);
		for (i = 0; i < 16; i++)
			run.g.gpr[i] = 0x1111111111111111ull * i;
		run.g.gpr[UMBRA_RSP] = 0x8000;
		run.g.rip = CODE;
		run.g.flags = 0x8d5;
		env_run(&run);
		CHECK(run.signal && !run.problem);
		CHECK(run.g.rip == CODE && run.g.gpr[UMBRA_RSP] == 0x8000);
		check_kept(&run, 0);
	}
	vif->iff = 0x200;
	return good;
}

static u64 read_gs_base(void)
{
	u64 v;

	asm volatile("rdgsbase %0" : "=r"(v));
	return v;
}

static bool swapgs(void)
{
	u64 gs = read_gs_base();
	struct run run;

	good = true;
	vdata->kernel_gs_base = 0x123456789000;
	run = SNIPPET(0x0f, 0x01, 0xf8);
	check_kept(&run, 0);
	CHECK(read_gs_base() == 0x123456789000 && vdata->kernel_gs_base == gs);
	run = SNIPPET(0x0f, 0x01, 0xf8);
	CHECK(read_gs_base() == gs && vdata->kernel_gs_base == 0x123456789000);
	return good;
}

static u64 rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

static u64 edx_eax(const struct run *run)
{
	return run->g.gpr[UMBRA_RDX] << 32 | run->g.gpr[UMBRA_RAX];
}

static bool time_stamp(void)
{
	static const u64 offsets[] = { 0, 1ull << 40, -(1ull << 33), 0xfffffffe };
	const unsigned int rax_rdx = BIT(UMBRA_RAX) | BIT(UMBRA_RDX);
	struct run run;
	unsigned int i;
	u64 before, t;

	good = true;
	vdata->tsc_aux = 0x12345678;
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		vdata->tsc_offset = offsets[i];
		before = rdtsc();
		run = SNIPPET(0x0f, 0x31);
		check_kept(&run, rax_rdx);
		CHECK(run.g.gpr[UMBRA_RAX] >> 32 == 0);
		t = edx_eax(&run) - offsets[i];
		CHECK(t >= before && t <= rdtsc());
		before = rdtsc();
		run = SNIPPET(0x0f, 0x01, 0xf9);
		check_kept(&run, rax_rdx | BIT(UMBRA_RCX));
		t = edx_eax(&run) - offsets[i];
		CHECK(t >= before && t <= rdtsc());
		CHECK(run.g.gpr[UMBRA_RCX] == 0x12345678);
	}
	run = SNIPPET(0xf3, 0x41, 0x0f, 0xc7, 0xf9);
	check_kept(&run, BIT(UMBRA_R9));
	CHECK(run.g.gpr[UMBRA_R9] == 0x12345678);
	run = SNIPPET(0x0f, 0x01, 0xe8);
	check_kept(&run, 0);
	return good;
}

static bool selectors(void)
{
	struct run run;
	unsigned int i;

	good = true;
	for (i = 0; i < 6; i++)
		vdata->sel[i] = 0x8010 + i;
	for (i = 0; i < 6; i++) {
		run = SNIPPET(0x8c, 0xc0 | i << 3 | UMBRA_RBX);
		CHECK(run.g.gpr[UMBRA_RBX] == 0x8010 + i);
		check_kept(&run, BIT(UMBRA_RBX));
		run = SNIPPET(0x49, 0x8c, 0xc0 | i << 3 | 2);
		CHECK(run.g.gpr[UMBRA_R10] == 0x8010 + i);
		run = SNIPPET(0x66, 0x8c, 0xc0 | i << 3 | UMBRA_RDI);
		CHECK(run.g.gpr[UMBRA_RDI] == ((0x7777777777770000ull) | 0x8010) + i);
	}
	return good;
}

static bool control_registers(void)
{
	static const u8 crs[] = { 0, 2, 3, 4 };
	struct run run;
	unsigned int i;

	good = true;
	for (i = 0; i < ARRAY_SIZE(vdata->cr); i++)
		vdata->cr[i] = 0xcccccccc80000000ull + i;
	for (i = 0; i < ARRAY_SIZE(crs); i++) {
		run = SNIPPET(0x0f, 0x20, 0xc0 | crs[i] << 3 | UMBRA_RSI);
		CHECK(run.g.gpr[UMBRA_RSI] == 0xcccccccc80000000ull + crs[i]);
		check_kept(&run, BIT(UMBRA_RSI));
		run = SNIPPET(0x41, 0x0f, 0x20, 0xc0 | crs[i] << 3 | 4);
		CHECK(run.g.gpr[UMBRA_R12] == 0xcccccccc80000000ull + crs[i]);
		check_kept(&run, BIT(UMBRA_R12));
	}
	return good;
}

/* The exit that a block of this one instruction ends with; SOFT_BOUNDARY: none. */
static struct soft_where exit_of(const u8 *code, unsigned int n)
{
	struct soft_where w;
	u64 va = 0;

	put_code(code, n);
	CHECK(!soft_tc_translate(tc, CODE, env_fetch, NULL, &va));
	CHECK(!soft_tc_where(tc, va, &w));
	return w;
}

#define OUT(kind, ...) \
	{ SOFT_CALLOUT, SOFT_OP_##kind, sizeof((u8 []){ __VA_ARGS__ }), { __VA_ARGS__ } }
#define IN_LINE(...) \
	{ SOFT_BOUNDARY, 0, sizeof((u8 []){ __VA_ARGS__ }), { __VA_ARGS__ } }

static const struct {
	u8 exit, op, n, code[15];
} exits[] = {
	OUT(CPUID, 0x0f, 0xa2), OUT(HLT, 0xf4), OUT(RDMSR, 0x0f, 0x32),
	OUT(WRMSR, 0x0f, 0x30), OUT(MOV_CR, 0x44, 0x0f, 0x20, 0xc0),
	OUT(MOV_CR, 0xf0, 0x0f, 0x20, 0xc0), OUT(MOV_CR, 0x0f, 0x22, 0xd8), OUT(MOV_DR, 0x0f, 0x21, 0xf8),
	OUT(MOV_DR, 0x0f, 0x23, 0xf8), OUT(IO, 0xe4, 0x60), OUT(IO, 0xee),
	OUT(IO, 0xf3, 0x6c), OUT(IO, 0x66, 0xf3, 0x6f),
	OUT(INVLPG, 0x64, 0x0f, 0x01, 0x38), OUT(INVLPG, 0xf0, 0x0f, 0x01, 0x38), OUT(IRET, 0x48, 0xcf), OUT(IRET, 0xcf),
	OUT(SYSRET, 0x48, 0x0f, 0x07), OUT(POPF, 0x9d), OUT(POPF, 0x66, 0x9d),
	OUT(MOV_SREG, 0x8e, 0xd8), OUT(MOV_SREG, 0x8e, 0x10),
	OUT(MOV_SREG, 0x0f, 0xa1), OUT(MOV_SREG, 0x0f, 0xb2, 0x00),
	OUT(UNDECODED, 0x06), OUT(OTHER, 0x0f, 0x0b), OUT(OTHER, 0xcc),
	OUT(OTHER, 0xcd, 0x80), OUT(OTHER, 0xf1), OUT(OTHER, 0x0f, 0x05),
	OUT(OTHER, 0x0f, 0x06), OUT(OTHER, 0x0f, 0x08), OUT(OTHER, 0x0f, 0x09),
	OUT(OTHER, 0x0f, 0x34), OUT(OTHER, 0x0f, 0x35), OUT(OTHER, 0x0f, 0x33),
	OUT(OTHER, 0x0f, 0x00, 0xc0), OUT(OTHER, 0x0f, 0x00, 0xc8),
	OUT(OTHER, 0x0f, 0x00, 0xe0), OUT(OTHER, 0x0f, 0x00, 0x28),
	OUT(OTHER, 0x0f, 0x02, 0xc0), OUT(OTHER, 0x0f, 0x03, 0xc0),
	OUT(OTHER, 0x0f, 0x01, 0x00), OUT(OTHER, 0x0f, 0x01, 0x08),
	OUT(OTHER, 0x0f, 0x01, 0x10), OUT(OTHER, 0x0f, 0x01, 0x18),
	OUT(OTHER, 0x0f, 0x01, 0xe0), OUT(OTHER, 0x0f, 0x01, 0xf0),
	OUT(OTHER, 0x0f, 0x01, 0xc1), OUT(OTHER, 0x0f, 0x01, 0xc8),
	OUT(OTHER, 0x0f, 0x01, 0xc9), OUT(OTHER, 0x0f, 0x01, 0xca),
	OUT(OTHER, 0x0f, 0x01, 0xcb), OUT(OTHER, 0x0f, 0x01, 0xd1),
	OUT(OTHER, 0x0f, 0x01, 0xd9), OUT(OTHER, 0x0f, 0x01, 0xee),
	OUT(OTHER, 0x0f, 0x01, 0xef), OUT(OTHER, 0x66, 0x0f, 0x38, 0x82, 0x00),
	OUT(OTHER, 0x0f, 0xa0), OUT(OTHER, 0x0f, 0xa8), OUT(OTHER, 0xcb),
	OUT(OTHER, 0x48, 0xcb), OUT(OTHER, 0xca, 0x08, 0x00), OUT(OTHER, 0xff, 0x18),
	OUT(OTHER, 0xff, 0x28), OUT(OTHER, 0x66, 0xe8, 0, 0, 0, 0),
	OUT(OTHER, 0x66, 0xc3), OUT(OTHER, 0x66, 0x9c), OUT(OTHER, 0x8c, 0x18),
	OUT(OTHER, 0x0f, 0xc7, 0x18), OUT(OTHER, 0x0f, 0xc7, 0x28),
	OUT(OTHER, 0xf3, 0x48, 0x0f, 0xae, 0xc0), OUT(OTHER, 0xf3, 0x48, 0x0f, 0xae, 0xd8),
	OUT(OTHER, 0xc7, 0xf8, 0, 0, 0, 0), OUT(OTHER, 0xf0, 0xfa),
	OUT(OTHER, 0x64, 0x8b, 0x00), OUT(OTHER, 0x64, 0xac), OUT(OTHER, 0x64, 0xff, 0x10),
	OUT(OTHER, 0x64, 0xff, 0x20), OUT(OTHER, 0x64, 0xc5, 0xf8, 0x10, 0x00),

	IN_LINE(0x90), IN_LINE(0xf3, 0x90), IN_LINE(0x0f, 0xae, 0xe8),
	IN_LINE(0xf3, 0x0f, 0x1e, 0xfa), IN_LINE(0x0f, 0x01, 0xd0),
	IN_LINE(0x0f, 0xae, 0x38), IN_LINE(0x0f, 0x1f, 0x00), IN_LINE(0xc9),
	IN_LINE(0xf3, 0xa4), IN_LINE(0xd9, 0xee), IN_LINE(0x0f, 0xc7, 0x08),
	IN_LINE(0x0f, 0xc7, 0xf0), IN_LINE(0x0f, 0xae, 0x20), IN_LINE(0x0f, 0xc7, 0x20),
	IN_LINE(0xc5, 0xf8, 0x77), IN_LINE(0x9c), IN_LINE(0xfa), IN_LINE(0x0f, 0x31),
	IN_LINE(0xc3), IN_LINE(0xff, 0xe0), IN_LINE(0xff, 0x10), IN_LINE(0x8c, 0xd8),
	IN_LINE(0x64, 0x8b, 0xc0), IN_LINE(0x65, 0x8b, 0x00), IN_LINE(0x64, 0xff, 0xe0),
	IN_LINE(0x0f, 0x20, 0xd8), IN_LINE(0x0f, 0x20, 0xd0), IN_LINE(0x0f, 0x01, 0x38),
};

#define ARG(arg, ...) { arg, sizeof((u8 []){ __VA_ARGS__ }), { __VA_ARGS__ } }

/* Operands that the monitor need not decode, and those that it has to. */
static const struct {
	u16 arg;
	u8 n, code[15];
} args[] = {
	ARG(1 | SOFT_ARG_IO_IN | 0x6000, 0xe4, 0x60),
	ARG(4 | SOFT_ARG_IO_IN | 0xff00, 0xe5, 0xff),
	ARG(1 | 0x8000, 0xe6, 0x80), ARG(2 | 0x8000, 0x66, 0xe7, 0x80),
	ARG(1 | SOFT_ARG_IO_IN | SOFT_ARG_IO_DX, 0xec),
	ARG(2 | SOFT_ARG_IO_IN | SOFT_ARG_IO_DX, 0x66, 0xed),
	ARG(1 | SOFT_ARG_IO_DX, 0xf3, 0xee), ARG(4 | SOFT_ARG_IO_DX, 0xef),
	ARG(0, 0x6c), ARG(0, 0xf3, 0x6f), ARG(0, 0x48, 0xef), ARG(0, 0xf0, 0xee),
	ARG(SOFT_ARG_CR3 | UMBRA_RAX, 0x0f, 0x22, 0xd8),
	ARG(SOFT_ARG_CR3 | UMBRA_R13, 0x41, 0x0f, 0x22, 0xdd),
	ARG(0, 0x0f, 0x22, 0xc0), ARG(0, 0x0f, 0x22, 0xe0), ARG(0, 0x44, 0x0f, 0x22, 0xc0),
	ARG(0, 0xf0, 0x0f, 0x22, 0xd8), ARG(0, 0x0f, 0x23, 0xd8),
};

static bool operands(void)
{
	struct soft_where w;
	unsigned int i;

	good = true;
	for (i = 0; i < ARRAY_SIZE(args); i++) {
		w = exit_of(args[i].code, args[i].n);
		if (w.exit == SOFT_CALLOUT && w.arg == args[i].arg && w.len == args[i].n)
			continue;
		ktap_note("row %u: exit %u arg %#x len %u", i, w.exit, w.arg, w.len);
		good = false;
	}
	return good;
}

/* The exit that a block of one instruction ends with, once it has run up to there. */
static struct soft_where run_to_exit(const u8 *code, unsigned int n, struct run *run)
{
	struct soft_where w = { .exit = SOFT_BOUNDARY };
	u64 va = 0, end;
	unsigned int i;

	*run = (struct run){ .mode = RUN_TRANSLATED };
	put_code(code, n);
	for (i = 0; i < 16; i++)
		run->g.gpr[i] = 0x1111111111111111ull * i;
	run->g.gpr[UMBRA_RSP] = STACK;
	run->g.rip = CODE;
	run->g.flags = 0x8d5;
	env_run(run);
	CHECK(run->signal && !run->problem && run->g.rip == CODE);
	CHECK(!soft_tc_translate(tc, CODE, env_fetch, NULL, &va));
	for (end = va + 64; va < end && w.exit != SOFT_CALLOUT; va++)
		CHECK(!soft_tc_where(tc, va, &w) && w.rip == CODE);
	return w;
}

static bool invlpg(void)
{
	static const struct {
		u64 gva;
		u8 n, code[10];
	} rows[] = {
		{ 0x3333333333333333, 3, { 0x0f, 0x01, 0x3b } },
		{ 0x1111111111111111, 3, { 0x0f, 0x01, 0x39 } },
		{ 0xcccccccccccccccc, 5,
		  { 0x41, 0x0f, 0x01, 0x3c, 0x24 } },
		{ STACK + 0x10, 5, { 0x0f, 0x01, 0x7c, 0x24, 0x10 } },
		{ 0x5555555555555554 + 0x1111111111111111, 5, { 0x0f, 0x01, 0x7c, 0x0d, 0xff } },
		{ CODE + 7 + 0x12345678, 7, { 0x0f, 0x01, 0x3d, 0x78, 0x56, 0x34, 0x12 } },
		{ 0x33333333, 4, { 0x67, 0x0f, 0x01, 0x3b } },
	};
	struct soft_where w;
	struct run run;
	unsigned int i;

	good = true;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		vdata->gva = 0;
		w = run_to_exit(rows[i].code, rows[i].n, &run);
		check_kept(&run, 0);
		CHECK(w.op == SOFT_OP_INVLPG && w.arg == SOFT_ARG_GVA && w.len == rows[i].n);
		CHECK(!w.spilled);
		if (vdata->gva != rows[i].gva) {
			ktap_note("row %u: %llx, not %llx", i, vdata->gva, rows[i].gva);
			good = false;
		}
	}
	return good;
}

/* SYSRET and IRETQ by the switcher: a SYSCALL that is an exit, with RCX spilled up to it. */
static bool services(void)
{
	static const u8 code[][3] = { { 0x48, 0x0f, 0x07 }, { 0x48, 0xcf } };
	static const u8 op[] = { SOFT_OP_SYSRET, SOFT_OP_IRET };
	struct soft_where w;
	unsigned int i;
	u64 at, end;

	good = true;
	tc_config.services = true;
	env_new_cache(HOLE_TC_SIZE);
	for (i = 0; i < ARRAY_SIZE(op); i++) {
		put_code(code[i], i ? 2 : 3);
		CHECK(!soft_tc_translate(tc, CODE, env_fetch, NULL, &at));
		for (end = at + 256; at < end; at++) {
			CHECK(!soft_tc_where(tc, at, &w));
			if (w.exit == SOFT_CALLOUT)
				break;
			CHECK(w.exit == SOFT_BOUNDARY && w.rip == CODE);
		}
		CHECK(w.op == op[i] && w.rip == CODE && w.spilled == BIT(SOFT_SPILL_RCX));
		CHECK(!memcmp((void *)at, "\x0f\x05", 2));
	}
	return good;
}

/* The guest's FS base is in vdata; what WRFSBASE refuses changes nothing. */
static bool fs_base(void)
{
	struct run run = { .mode = RUN_TRANSLATED };
	unsigned int i;

	good = true;
	tc_config.fsgsbase = true;
	env_new_cache(HOLE_TC_SIZE);
	vdata->fs_base = 0x7edcba9876543210;
	run = SNIPPET(0xf3, 0x48, 0x0f, 0xae, 0xc7);
	CHECK(run.g.gpr[UMBRA_RDI] == 0x7edcba9876543210);
	check_kept(&run, BIT(UMBRA_RDI));
	run = SNIPPET(0xf3, 0x41, 0x0f, 0xae, 0xc5);
	CHECK(run.g.gpr[UMBRA_R13] == 0x76543210);
	check_kept(&run, BIT(UMBRA_R13));
	run = SNIPPET(0xf3, 0x0f, 0xae, 0xd3);
	CHECK(vdata->fs_base == 0x33333333);
	check_kept(&run, 0);
	/* MOV RCX, imm64; WRFSBASE RCX; a call and its return, by the engine's base */
	run = SNIPPET(0x48, 0xb9, 0, 0, 0x56, 0x34, 0x12, 0x7f, 0, 0, 0xf3, 0x48, 0x0f, 0xae, 0xd1,
		      0xe8, 2, 0, 0, 0, 0xeb, 1, 0xc3);
	CHECK(vdata->fs_base == 0x7f1234560000 && run.g.gpr[UMBRA_RCX] == 0x7f1234560000);
	check_kept(&run, BIT(UMBRA_RCX));
	put_code((u8 []){ 0xf3, 0x48, 0x0f, 0xae, 0xd1 }, 5);
	for (i = 0; i < 16; i++)
		run.g.gpr[i] = 0x1111111111111111ull * i;
	run.g.gpr[UMBRA_RSP] = STACK;
	run.g.rip = CODE;
	run.g.flags = 0x8d5;
	env_run(&run);
	CHECK(run.signal && !run.problem && run.g.rip == CODE);
	CHECK(vdata->fs_base == 0x7f1234560000);
	check_kept(&run, 0);
	return good;
}

static bool which_exit(void)
{
	struct soft_where w;
	unsigned int i;

	good = true;
	for (i = 0; i < ARRAY_SIZE(exits); i++) {
		w = exit_of(exits[i].code, exits[i].n);
		if (w.exit != exits[i].exit || w.op != exits[i].op ||
		    w.rip != CODE || (w.len != exits[i].n && w.op != SOFT_OP_UNDECODED)) {
			ktap_note("row %u (%02x %02x): exit %u op %u len %u", i,
				  exits[i].code[0], exits[i].code[1], w.exit, w.op, w.len);
			good = false;
		}
	}
	return good;
}

/* The boundary after STI, and only that one, blocks interrupts. */
static bool shadow(void)
{
	struct soft_where w;
	u64 va = 0;

	good = true;
	put_code((u8 []){ 0xfb, 0x90, 0x90 }, 3);
	CHECK(!soft_tc_translate(tc, CODE, env_fetch, NULL, &va));
	CHECK(!soft_tc_where(tc, va, &w) && w.rip == CODE && !w.after_sti);
	/* a store of nine bytes */
	CHECK(!soft_tc_where(tc, va + 9, &w) && w.rip == CODE + 1 && w.after_sti);
	CHECK(!soft_tc_where(tc, va + 10, &w) && w.rip == CODE + 2 && !w.after_sti);
	/* STI at a page's end: its exit is never linked */
	((u8 *)CODE)[4095] = 0xfb;
	CHECK(!soft_tc_translate(tc, CODE + 4095, env_fetch, NULL, &va));
	CHECK(!soft_tc_where(tc, va + 9, &w) && w.exit == SOFT_CHAIN &&
	      w.target == CODE + 4096 && w.after_sti);
	va += 9;
	soft_tc_translate(tc, CODE + 4096, env_fetch, NULL, &va);
	return good;
}

/* While an interrupt waits, STI's store traps, with nothing done. */
static bool sti_traps(void)
{
	struct run run = { .mode = RUN_TRANSLATED };

	good = true;
	put_code((u8 []){ 0xfa, 0xf9, 0xfb, 0x90 }, 4);
	run.g.rip = CODE + 1;
	run.g.gpr[UMBRA_RSP] = STACK;
	mprotect(vif, 4096, PROT_READ);
	env_run(&run);
	mprotect(vif, 4096, PROT_READ | PROT_WRITE);
	CHECK(run.signal && !run.problem);
	CHECK(run.g.rip == CODE + 2 && run.g.flags == CF);
	return good;
}

int main(void)
{
	env_init(HOLE_TC_SIZE);
	env_map(CODE, 0x20000);
	tc_config.single = true;
	tc_config.swapgs = getauxval(AT_HWCAP2) & 2;
	env_new_cache(HOLE_TC_SIZE);
	ktap_plan(14);
	ktap_ok(interrupt_flag(), "CLI and STI");
	ktap_ok(shadow(), "the boundary after STI");
	ktap_ok(sti_traps(), "STI while an interrupt waits");
	ktap_ok(pushf(), "PUSHF");
	ktap_ok(pushf_faults(), "PUSHF that faults");
	if (tc_config.swapgs)
		ktap_ok(swapgs(), "SWAPGS");
	else
		ktap_skip("SWAPGS", "no FSGSBASE here");
	ktap_ok(time_stamp(), "RDTSC, RDTSCP, RDPID, SERIALIZE");
	ktap_ok(selectors(), "MOV from segment registers");
	ktap_ok(control_registers(), "MOV from control registers");
	ktap_ok(which_exit(), "what exits, and as what");
	ktap_ok(operands(), "operands of what exits");
	ktap_ok(invlpg(), "INVLPG has its address");
	ktap_ok(services(), "SYSRET and IRETQ by the switcher");
	if (tc_config.swapgs)
		ktap_ok(fs_base(), "RDFSBASE and WRFSBASE");
	else
		ktap_skip("RDFSBASE and WRFSBASE", "no FSGSBASE here");
	ktap_exit();
}
