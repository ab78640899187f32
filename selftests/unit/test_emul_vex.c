// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: VEX instructions against the processor
 *
 * Every opcode of the maps 0F, 0F38 and 0F3A with every mandatory prefix, length
 * and W, with and without a register in VEX.vvvv, from registers and from memory: the
 * emulator against the same bytes in a page of code.  Registers, flags and MXCSR
 * must come out the same, and what does not exist here must not be emulated there.
 * What the emulator does not know is counted.  The legacy forms of 0F38 and 0F3A
 * with 66 go the same way.
 *
 *   test_emul_vex [ROUNDS [SEED]]
 */
#include <asm/processor-flags.h>
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_env.h"
#include "xorshift.h"

#define CODE_AT		0x1000
#define DATA_AT		0x3000
#define OPERAND		32	/* in the page of data */
#define DATA_SIZE	128
#define REGS		16

/* At fixed offsets from RDI. */
struct native {
	u8 vec[REGS][32];	/* 0 */
	u64 flags;		/* 0x200 */
	u64 gpr[4];		/* 0x208: RAX RCX RDX RBX */
	u32 mxcsr;		/* 0x228 */
	u8 data[DATA_SIZE] __aligned(64);
};

static struct env v;
static struct native cpu;
static u8 *code_mem, *data_mem, *page;
static u64 rng_state;
static unsigned int operand;
static sigjmp_buf faulted;
static bool running;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static u64 below(u64 n)
{
	return rng() % n;
}

static void on_signal(int sig)
{
	/* A stub of the emulator must not fault. */
	if (!running)
		_exit(1);
	siglongjmp(faulted, sig);
}

/* Floats and doubles of all kinds, masks, short texts, noise. */
static void random_bytes(u8 *mem, unsigned int len)
{
	static const float floats[] = { 0.0f, -1.5f, 1e-40f, 3e38f, 7.0f, -0.0f, 1e20f, -2e9f };
	unsigned int i;

	for (i = 0; i < len; i += 8) {
		u64 val = rng();

		if (!below(3))
			val = 0;
		if (!below(4))
			val = rng() & 0x0303030303030303ull;
		if (!below(3))
			memcpy(&val, &floats[below(8)], 4);
		if (!below(3))
			memcpy((u8 *)&val + 4, &floats[below(8)], 4);
		memcpy(mem + i, &val, 8);
	}
}

static void emit(u8 **at, const void *bytes, unsigned int len)
{
	memcpy(*at, bytes, len);
	*at += len;
}

/* VMOVDQU between ymm @n and [RDI + 32 * n]; @op 6f loads, 7f stores. */
static void emit_move(u8 **at, u8 op, unsigned int n)
{
	u8 insn[] = { 0xc4, n < 8 ? 0xe1 : 0x61, 0x7e, op, 0x87 | (n & 7) << 3, n << 5, n >> 3, 0, 0 };

	emit(at, insn, sizeof(insn));
}

/* MOV between a register and [RDI + 208h + 8 * n]; @op 8b loads, 89 stores. */
static void emit_gpr(u8 **at, u8 op, unsigned int n)
{
	u8 insn[] = { 0x48, op, 0x87 | n << 3, 0x08 + 8 * n, 2, 0, 0 };

	emit(at, insn, sizeof(insn));
}

/* RDI: struct native; RSI: operand */
static void put_code(const u8 *insn, unsigned int len)
{
	static const u8 before[] = {
		0x53,						/* push rbx */
		0x0f, 0xae, 0x97, 0x28, 2, 0, 0,		/* ldmxcsr [rdi + 0x228] */
		0xff, 0xb7, 0x00, 2, 0, 0, 0x9d,		/* push [rdi + 0x200]; popfq */
	};
	static const u8 after[] = {
		0x9c, 0x8f, 0x87, 0x00, 2, 0, 0,		/* pushfq; pop [rdi + 0x200] */
		0x0f, 0xae, 0x9f, 0x28, 2, 0, 0,		/* stmxcsr [rdi + 0x228] */
	};
	static const u8 leave[] = { 0xc5, 0xf8, 0x77, 0x5b, 0xc3 };	/* vzeroupper; pop rbx; ret */
	u8 *at = page;
	unsigned int n;

	emit(&at, before, sizeof(before));
	for (n = 0; n < REGS; n++)
		emit_move(&at, 0x6f, n);
	for (n = 0; n < 4; n++)
		emit_gpr(&at, 0x8b, n);
	emit(&at, insn, len);
	for (n = 0; n < 4; n++)
		emit_gpr(&at, 0x89, n);
	for (n = 0; n < REGS; n++)
		emit_move(&at, 0x7f, n);
	emit(&at, after, sizeof(after));
	emit(&at, leave, sizeof(leave));
}

/* A signal leaves RBX and MXCSR as the page had them; setjmp knows of RBX. */
static int run_native(void)
{
	static const u32 mxcsr = 0x1f80;
	int sig;

	running = true;
	sig = sigsetjmp(faulted, 1);
	if (!sig)
		((void (*)(struct native *, u8 *))page)(&cpu, cpu.data + operand);
	running = false;
	asm volatile("ldmxcsr %0" : : "m" (mxcsr));
	return sig;
}

/* What this processor takes in MXCSR (SDM Vol. 1, 11.6.6). */
static u32 mxcsr_mask(void)
{
	static u8 fx[512] __aligned(16);
	u32 mask;

	asm volatile("fxsave %0" : "=m" (fx));
	memcpy(&mask, fx + 28, 4);
	return mask;
}

static void fill(void)
{
	u32 mask = mxcsr_mask();
	unsigned int n;

	memset(v.fx, 0, sizeof(v.fx));
	memset(v.vec, 0, sizeof(v.vec));
	for (n = 0; n < REGS; n++) {
		random_bytes(cpu.vec[n], 32);
		memcpy(v.vec[n], cpu.vec[n], 32);
	}
	for (n = 0; n < 4; n++)
		v.regs.gpr[n] = cpu.gpr[n] = below(2) ? rng() : below(40) - 20;
	cpu.mxcsr = 0x1f80 | below(4) << 13 | below(64);
	memcpy(v.fx + 24, &cpu.mxcsr, 4);
	memcpy(v.fx + 28, &mask, 4);
	random_bytes(cpu.data, DATA_SIZE);
	memcpy(data_mem, cpu.data, DATA_SIZE);
	/* Most instructions want no alignment. */
	operand = below(4) ? OPERAND : 5;
	v.regs.rip = CODE_AT;
	v.regs.rflags = 2 | (rng() & EMUL_FLAGS_STATUS);
	cpu.flags = v.regs.rflags | X86_EFLAGS_IF;
	v.regs.gpr[UMBRA_RSI] = DATA_AT + operand;
}

static const char *compare(void)
{
	static const u8 zeros[32];
	unsigned int n;

	for (n = 0; n < REGS; n++) {
		if (memcmp(v.vec[n], cpu.vec[n], 32))
			return "registers";
		if (memcmp(v.vec[n] + 32, zeros, 32))
			return "above the register";
	}
	for (n = 0; n < 4; n++)
		if (v.regs.gpr[n] != cpu.gpr[n])
			return "general registers";
	if (memcmp(v.fx + 24, &cpu.mxcsr, 4))
		return "MXCSR";
	if (memcmp(data_mem, cpu.data, DATA_SIZE))
		return "memory";
	if ((v.regs.rflags ^ cpu.flags) & EMUL_FLAGS_STATUS)
		return "flags";
	return NULL;
}

static void show(const char *what, const u8 *insn, unsigned int len)
{
	unsigned int i;

	printf("# %s:", what);
	for (i = 0; i < len; i++)
		printf(" %02x", insn[i]);
	printf("\n");
}

struct count { unsigned long run, missing, absent, wrong; };

/* VMCALL and its like have no VEX forms; everything else may be tried here. */
static void one(const u8 *insn, unsigned int len, struct count *c)
{
	const char *why = NULL;
	struct emul_insn in;
	int ret, sig;

	if (emul_decode(&in, insn, len, 64, 0) || in.len != len)
		return;
	fill();
	memcpy(code_mem, insn, len);
	ret = umbra_emulate(&v.e);
	put_code(insn, len);
	sig = run_native();
	if (ret == UMBRA_EMUL_UNHANDLED) {
		if (!sig) {
			if (!c->missing++ || getenv("VERBOSE"))
				show(v.e.reason, insn, len);
		}
		return;
	}
	if (ret == UMBRA_EMUL_FAULT) {
		c->absent++;
		if (sig != (v.e.fault.vector == EMUL_UD ? SIGILL : SIGSEGV))
			why = sig ? "another fault" : "a fault here only";
	} else {
		c->run++;
		why = ret != UMBRA_EMUL_OK ? "an odd end" : sig ? "a fault there only" : compare();
	}
	if (why && c->wrong++ < 20)
		show(why, insn, len);
}

/* BMI, from F0 up, has other tests; its destination may be any register. */
static bool has_imm(unsigned int map, u8 op)
{
	return map == 3 || (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
					 (op >= 0xc4 && op <= 0xc6)));
}

/* A source that may be a general register: one that is compared. */
static bool reads_gpr(unsigned int map, u8 op)
{
	return map == 1 ? op == 0x2a || op == 0x6e || op == 0xc4 : op == 0x20 || op == 0x22;
}

/* All forms of an opcode; R, B and the registers at random. */
static void opcode(unsigned int map, u8 op, struct count *c)
{
	unsigned int form, len;
	u8 insn[8];

	for (form = 0; form < 64; form++) {
		bool memory = form & 32, third = form & 16;
		u8 rb = rng() & 0xa0;
		u8 vvvv = third ? 15 - below(15) : 15;

		insn[0] = 0xc4;
		insn[1] = 0x40 | rb | (memory || reads_gpr(map, op) ? 0x20 : 0) | map;
		insn[2] = (form & 8 ? 0x80 : 0) | vvvv << 3 | (form & 4) | (form & 3);
		insn[3] = op;
		insn[4] = memory ? (rng() & 0x38) | 6 : 0xc0 | (rng() & 0x3f);
		insn[5] = rng();
		len = has_imm(map, op) ? 6 : 5;
		/* A general register as the destination must not be one that the page needs. */
		insn[4] &= ~0x20;
		if (!memory)
			insn[4] &= ~4;
		one(insn, len, c);
	}
}

/* 66 REX 0F 38 or 3A; the maps have nothing but vectors below F0, INVEPT and its like aside. */
static void legacy(unsigned int map, u8 op, struct count *c)
{
	unsigned int form;
	u8 insn[8];

	for (form = 0; form < 16; form++) {
		bool memory = form & 8;

		insn[0] = 0x66;
		insn[1] = 0x40 | (form & 4 ? 8 : 0) | (rng() & 4) |
			  (memory || map == 3 ? 0 : rng() & 1);
		insn[2] = 0x0f;
		insn[3] = map == 2 ? 0x38 : 0x3a;
		insn[4] = op;
		insn[5] = memory ? (rng() & 0x38) | 6 : 0xc0 | (rng() & 0x3b);
		insn[6] = rng();
		one(insn, map == 3 ? 7 : 6, c);
	}
}

static void test_legacy(unsigned long rounds)
{
	unsigned int map, op;
	unsigned long n;

	for (map = 2; map <= 3; map++) {
		struct count sum = { 0 };

		for (n = 0; n < rounds; n++)
			for (op = 0; op < 0xf0; op++)
				if (map == 3 || op < 0x80 || op > 0x82)
					legacy(map, op, &sum);
		ktap_ok(!sum.wrong && sum.run > rounds,
			"legacy map %u: %lu run, %lu do not exist, %lu wrong, %lu not emulated",
			map, sum.run, sum.absent, sum.wrong, sum.missing);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 10, n;
	unsigned int map, op, a = 0, b = 0, c = 0, d;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	if (!(b & bit_AVX2))
		ktap_skip_all("this processor has no AVX2");
	env_init(&v);
	code_mem = env_map(&v, CODE_AT, 4096);
	data_mem = env_map(&v, DATA_AT, DATA_SIZE);
	env_flat64(&v, 3);
	v.regs.cr4 |= X86_CR4_OSXSAVE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	v.regs.xcr0 = 7;
	v.e.features = ~0ull;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		ktap_bail("no page of code");
	signal(SIGILL, on_signal);
	signal(SIGSEGV, on_signal);
	signal(SIGFPE, on_signal);
	ktap_plan(5);
	for (map = 1; map <= 3; map++) {
		struct count sum = { 0 };

		for (n = 0; n < rounds; n++)
			for (op = 0; op < 0xf0 || (map == 1 && op < 256); op++)
				opcode(map, op, &sum);
		ktap_ok(!sum.wrong && sum.run > rounds,
			"map %u: %lu run, %lu do not exist, %lu wrong, %lu not emulated", map,
			sum.run, sum.absent, sum.wrong, sum.missing);
	}
	test_legacy(rounds);
	munmap(page, 4096);
	env_init(&v);
	ktap_exit();
}
