// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: x87 against the processor
 *
 * Every encoding of D8..DF from random states: the emulator against the same bytes in
 * a page of code between FXRSTOR and FXSAVE, with a memory operand in real memory.
 * Registers, tags, control and status words, flags and memory must come out the
 * same, masked or not. What is not compared: FOP, FIP, FDP, which
 * processors keep in different ways; instead FIP has to be the guest's.
 *
 *   test_emul_x87 [ROUNDS [SEED]]
 */
#include <asm/processor-flags.h>
#include <sys/mman.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_env.h"
#include "xorshift.h"

#define CODE_AT		0x1000
#define DATA_AT		0x3000
#define OPERAND		64	/* in the page of data */
#define DATA_SIZE	256
#define FX_STATE	160	/* bytes up to the end of ST7 */

struct native {
	u8 fx[512] __aligned(16);
	u8 data[DATA_SIZE] __aligned(16);
	u64 flags;
	u64 rax;
};

static struct env v;
static u8 *code_mem, *data_mem, *page;
static u64 rng_state;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static u64 below(u64 n)
{
	return rng() % n;
}

/* Extended reals around the values where things go wrong. */
static void random_real(u8 *st)
{
	static const u16 exponents[] = { 0, 1, 0x3ffe, 0x3fff, 0x4000, 0x401e, 0x403e, 0x7ffe, 0x7fff };
	u16 exponent = below(2) ? exponents[below(9)] : 0x3fc0 + below(128);
	u64 significand = rng();

	if (!below(4))
		significand = below(2) ? 1ull << 63 : 0;
	else if (!below(3))
		significand &= ~0ull << below(64);
	if (exponent && below(16))
		significand |= 1ull << 63;
	exponent |= below(2) << 15;
	memcpy(st, &significand, 8);
	memcpy(st + 8, &exponent, 2);
	memset(st + 10, 0, 6);
}

/* Either nothing is pending, or it is what the state says. */
static void random_fx(u8 *fx)
{
	u16 fcw = 0x40 | below(16) << 8 | (below(2) ? 0x3f : below(64)), fsw;
	u32 mxcsr = 0x1f80;
	unsigned int n;

	memset(fx, 0, 512);
	fsw = (below(8) << 11) | (below(16) ? 0 : rng() & 0x477f);
	if (fsw & ~fcw & 0x3f)
		fsw |= 0x8080;
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	fx[4] = below(4) ? 0xff : rng();
	memcpy(fx + 24, &mxcsr, 4);
	for (n = 0; n < 8; n++)
		random_real(fx + 32 + 16 * n);
}

/* Operands of any size: reals, small integers, decimals, environments, noise. */
static void random_data(u8 *data)
{
	static const double doubles[] = { 0.0, -1.0, 0.5, 1e-310, 1e300, 3.0, -7.25, 65536.0 };
	static const float floats[] = { 0.0f, -1.0f, 0.5f, 1e-40f, 1e38f, 3.0f };
	u64 small = below(100) - 50;
	unsigned int n;

	for (n = 0; n < DATA_SIZE; n++)
		data[n] = rng();
	switch (below(6)) {
	case 0:
		memcpy(data + OPERAND, &doubles[below(8)], 8);
		break;
	case 1:
		memcpy(data + OPERAND, &floats[below(6)], 4);
		break;
	case 2:
		memcpy(data + OPERAND, &small, 8);
		break;
	case 3:
		for (n = 0; n < 10; n++)
			data[OPERAND + n] = below(10) | below(10) << 4;
		break;
	case 4:
		random_real(data + OPERAND);
		break;
	}
}

/* RDI: struct native; RSI: operand */
static void put_code(const u8 *insn, unsigned int len)
{
	static const u8 before[] = {
		0x53,				/* push rbx */
		0x48, 0x0f, 0xae, 0x0f,		/* fxrstor64 [rdi] */
		0xff, 0xb7, 0x00, 0x03, 0, 0,	/* push [rdi + 0x300] */
		0x9d,				/* popfq */
		0x48, 0x8b, 0x87, 0x08, 0x03, 0, 0,	/* mov rax, [rdi + 0x308] */
	};
	static const u8 after[] = {
		0x48, 0x89, 0x87, 0x08, 0x03, 0, 0,	/* mov [rdi + 0x308], rax */
		0x9c,				/* pushfq */
		0x8f, 0x87, 0x00, 0x03, 0, 0,	/* pop [rdi + 0x300] */
		0x48, 0x0f, 0xae, 0x07,		/* fxsave64 [rdi] */
		0xdb, 0xe3,			/* fninit */
		0x5b, 0xc3,			/* pop rbx; ret */
	};

	static_assert(offsetof(struct native, flags) == 0x300);
	memcpy(page, before, sizeof(before));
	memcpy(page + sizeof(before), insn, len);
	memcpy(page + sizeof(before) + len, after, sizeof(after));
}

static void run_native(struct native *s)
{
	((void (*)(struct native *, u8 *))page)(s, s->data + OPERAND);
}

static bool exists(const u8 *insn, unsigned int len, struct emul_insn *in)
{
	return !emul_decode(in, insn, len, 64, 0);
}

/* Which words of an environment are pointers, that processors keep differently. */
static void forget_pointers(u8 *data, unsigned int size)
{
	memset(data + OPERAND + 3 * size, 0, 4 * size);
}

static bool stores_env(const struct emul_insn *in)
{
	return in->mod != 3 && (in->opcode == 0xd9 || in->opcode == 0xdd) &&
	       ((in->modrm >> 3) & 7) == 6;
}

static const char *compare(const struct emul_insn *in, const struct native *cpu)
{
	u64 fip;

	if (stores_env(in))
		forget_pointers(data_mem, in->opsize == 2 ? 2 : 4);
	memcpy(&fip, v.fx + 8, 8);
	if (memcmp(v.fx, cpu->fx, 5))
		return "control, status or tags";
	if (memcmp(v.fx + 32, cpu->fx + 32, FX_STATE - 32))
		return "registers";
	if (memcmp(data_mem, cpu->data, DATA_SIZE))
		return "memory";
	if ((v.regs.rflags ^ cpu->flags) & EMUL_FLAGS_STATUS)
		return "flags";
	if (v.regs.gpr[UMBRA_RAX] != cpu->rax)
		return "RAX";
	if (fip > CODE_AT + 16 && !(in->mod != 3 && ((in->modrm >> 3) & 7) == 4))
		return "FIP is not the guest's";
	return NULL;
}

static void show(const char *why, const u8 *insn, unsigned int len, const struct native *cpu,
		 const u8 *before)
{
	unsigned int i;

	printf("# %s:", why);
	for (i = 0; i < len; i++)
		printf(" %02x", insn[i]);
	for (i = 0; i < FX_STATE; i++)
		if (v.fx[i] != cpu->fx[i] && (i < 5 || i >= 32))
			printf(" [%u] was %02x, is %02x, should be %02x", i, before[i], v.fx[i], cpu->fx[i]);
	printf("\n");
}

/* A pending exception stops what waits, before anything else happens. */
static bool pending_ok(int ret, const u8 *before)
{
	return ret == UMBRA_EMUL_FAULT && v.e.fault.vector == EMUL_MF && !memcmp(v.fx, before, 512);
}

static bool waits(const struct emul_insn *in)
{
	unsigned int reg = (in->modrm >> 3) & 7;

	if (in->mod != 3)
		return !((in->opcode == 0xd9 && reg >= 6) || (in->opcode == 0xdd && reg >= 6));
	return !(in->opcode == 0xdb && in->modrm >= 0xe0 && in->modrm < 0xe5) && (in->opcode != 0xdf ||
		in->modrm != 0xe0);
}

static const char *one(const u8 *insn, unsigned int len, const struct emul_insn *in)
{
	struct native cpu;
	u8 before[512];
	const char *why;
	int ret;

	random_fx(v.fx);
	memcpy(before, v.fx, 512);
	random_data(data_mem);
	memset(&cpu, 0, sizeof(cpu));
	memcpy(cpu.fx, v.fx, 512);
	memcpy(cpu.data, data_mem, DATA_SIZE);
	v.regs.rip = CODE_AT;
	v.regs.gpr[UMBRA_RAX] = cpu.rax = rng();
	v.regs.rflags = 2 | (rng() & EMUL_FLAGS_STATUS);
	cpu.flags = v.regs.rflags | X86_EFLAGS_IF;
	v.regs.gpr[UMBRA_RSI] = DATA_AT + OPERAND;
	memcpy(code_mem, insn, len);
	ret = umbra_emulate(&v.e);
	if ((before[2] & ~before[0] & 0x3f) && waits(in))
		return pending_ok(ret, before) ? NULL : "no #MF";
	if (ret != UMBRA_EMUL_OK)
		return "not emulated";
	put_code(insn, len);
	run_native(&cpu);
	if (stores_env(in))
		forget_pointers(cpu.data, in->opsize == 2 ? 2 : 4);
	why = compare(in, &cpu);
	if (why)
		show(why, insn, len, &cpu, before);
	return why;
}

/* All encodings of one opcode; the memory forms at [RSI], also with 66. */
static unsigned long opcode(u8 op, unsigned long rounds, unsigned long *run)
{
	unsigned long wrong = 0, n;
	unsigned int form;
	struct emul_insn in;
	u8 insn[3];

	for (n = 0; n < rounds; n++) {
		for (form = 0; form < 64 + 16; form++) {
			unsigned int len = 2, at = 0;

			if (form >= 72) {
				insn[at++] = 0x66;
				len = 3;
			}
			insn[at++] = op;
			insn[at] = form < 64 ? 0xc0 + form : (form & 7) << 3 | 6;
			if (!exists(insn, len, &in))
				continue;
			++*run;
			if (one(insn, len, &in)) {
				if (wrong++ == 20)
					return wrong;
			}
		}
	}
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000, run, wrong;
	unsigned int op;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	env_init(&v);
	code_mem = env_map(&v, CODE_AT, 4096);
	data_mem = env_map(&v, DATA_AT, DATA_SIZE);
	env_flat64(&v, 3);
	v.regs.cr0 |= X86_CR0_NE | X86_CR0_MP;
	v.e.features = ~0ull;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ktap_plan(8);
	for (op = 0xd8; op <= 0xdf; op++) {
		run = 0;
		wrong = page == MAP_FAILED ? 1 : opcode(op, rounds, &run);
		ktap_ok(!wrong && run > rounds, "%02X: %lu instructions, %lu wrong", op, run, wrong);
	}
	munmap(page, 4096);
	env_init(&v);
	ktap_exit();
}
