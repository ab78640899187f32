// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random programs: the generator
 *
 * Bytes are written by hand: what matters here are the forms that the translator
 * treats differently, above all memory operands relative to RIP.
 */
#include <string.h>

#include "test_translate_gen.h"
#include "xorshift.h"

#define FUNCTIONS	6
#define R15		15

static u64 state = 88172645463325252ull;

/* The program being written. */
static struct {
	u64 base;
	u8 *p;
	u64 starts[FUNCTIONS];
	u8 *fix_jump[64];
	unsigned int fix_skip[64];
	unsigned int fixes;
	bool with_popf;
	unsigned int pushed;
} g;

u64 gen_random(void)
{
	state = xorshift(state);
	return state;
}

u64 gen_below(u64 n)
{
	return gen_random() % n;
}

void gen_seed(u64 seed)
{
	state = seed * 0x9e3779b97f4a7c15ull + 88172645463325252ull;
}

static void b1(u8 v)
{
	*g.p++ = v;
}

static void b4(u32 v)
{
	memcpy(g.p, &v, 4);
	g.p += 4;
}

static void b8(u64 v)
{
	memcpy(g.p, &v, 8);
	g.p += 8;
}

/* A register that may be written: not RSP, not R15. */
static u8 any_reg(void)
{
	u8 r = gen_below(14);

	return r >= 4 ? r + 1 : r;
}

static u64 data_address(void)
{
	return g.base + GEN_DATA + (gen_below(GEN_DATA_SIZE - 64) & ~15ull);
}

/*
 * ModRM and what follows for a memory operand in the data; @tail bytes of
 * immediate come after it.
 */
static void mem(u8 reg, unsigned int tail)
{
	u64 addr = data_address();

	switch (gen_below(4)) {
	case 0:		/* [r15 + disp32] */
		b1(0x80 | (reg & 7) << 3 | 7);
		b4(addr - g.base - GEN_DATA);
		return;
	case 1:		/* [r15 + disp8] */
		b1(0x40 | (reg & 7) << 3 | 7);
		b1(gen_below(8) * 16);
		return;
	}
	b1((reg & 7) << 3 | 5);
	b4(addr - ((u64)g.p + 4 + tail));
}

/* REX with B set: [r15]; RIP-relative does not care.  X is noise there, too. */
static u8 rex_mem(u8 reg, bool wide)
{
	return 0x41 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0);
}

static u8 rex_reg(u8 reg, u8 rm, bool wide)
{
	return 0x40 | (wide ? 8 : 0) | (reg >= 8 ? 4 : 0) | (rm >= 8 ? 1 : 0);
}

static void alu_reg(void)
{
	u8 reg = any_reg(), rm = any_reg(), op = gen_below(8) * 8;
	unsigned int kind = gen_below(4);

	if (kind == 3)
		b1(0x66);
	b1(rex_reg(reg, rm, kind == 1));
	b1(op | (kind == 2 ? 0 : 1) | gen_below(2) * 2);
	b1(0xc0 | (reg & 7) << 3 | (rm & 7));
}

static void alu_mem(void)
{
	u8 reg = any_reg(), op = gen_below(8) * 8;
	bool store = gen_below(2);

	if (store && op != 0x38 && !gen_below(4))
		b1(0xf0);
	b1(rex_mem(reg, gen_below(2)));
	b1(op | (store ? 1 : 3));
	mem(reg, 0);
}

static void alu_imm_mem(void)
{
	bool byte = gen_below(2);

	b1(rex_mem(0, gen_below(2)));
	b1(byte ? 0x83 : 0x81);
	mem(gen_below(8), byte ? 1 : 4);
	if (byte)
		b1(gen_random());
	else
		b4(gen_random());
}

static void mov_mem(void)
{
	static const u8 ops[] = { 0x88, 0x89, 0x8a, 0x8b, 0x86, 0x87, 0x84, 0x85 };
	u8 reg = any_reg();

	b1(rex_mem(reg, gen_below(2)));
	b1(ops[gen_below(sizeof(ops))]);
	mem(reg, 0);
}

/* Two-byte opcodes with memory: MOVZX ..., CMPXCHG, XADD, IMUL, SETcc, CMOVcc, BT, BSF. */
static void two_byte(void)
{
	static const u8 ops[] = { 0xb6, 0xb7, 0xbe, 0xbf, 0xb0, 0xb1, 0xc0, 0xc1,
				  0xaf, 0x90, 0x95, 0x44, 0x4c, 0xa5, 0xad };
	u8 reg = any_reg(), op = ops[gen_below(sizeof(ops))];

	b1(rex_mem(reg, gen_below(2)));
	b1(0x0f);
	b1(op);
	mem(reg, 0);
}

/* F7: TEST, NOT, NEG, MUL, IMUL; DIV may fault, which is fine, and ends it. */
static void group_3(void)
{
	u8 sub = gen_below(40) ? gen_below(6) : 6;

	b1(rex_mem(0, gen_below(2)));
	b1(0xf7);
	mem(sub, sub < 2 ? 4 : 0);
	if (sub < 2)
		b4(gen_random());
}

static void shift_mem(void)
{
	u8 sub = gen_below(8);

	b1(rex_mem(0, gen_below(2)));
	b1(gen_below(2) ? 0xd3 : 0xd1);
	mem(sub == 6 ? 4 : sub, 0);
}

static void lea(void)
{
	u8 reg = any_reg();
	unsigned int kind = gen_below(4);

	if (kind == 0)
		b1(0x66);
	if (kind == 1)
		b1(0x67);
	b1(rex_mem(reg, kind >= 2 && gen_below(2)));
	b1(0x8d);
	mem(reg, 0);
}

/* With 67 the low 32 bits of the address are in the low copy of the data. */
static void addr32(void)
{
	u8 reg = any_reg();

	b1(0x67);
	b1(rex_reg(reg, 0, gen_below(2)));
	b1(gen_below(2) ? 0x8b : 0x89);
	b1((reg & 7) << 3 | 5);
	b4(data_address() - ((u64)g.p + 4));
}

static void push_pop(void)
{
	u8 reg = any_reg();

	switch (gen_below(6)) {
	case 0:
		b1(0x68);
		b4(gen_random());
		g.pushed++;
		return;
	case 1:
		b1(0x41);
		b1(0xff);
		mem(6, 0);
		g.pushed++;
		return;
	case 2:
		if (!g.pushed)
			return;
		b1(0x41);
		b1(0x8f);
		mem(0, 0);
		g.pushed--;
		return;
	case 3:
		b1(0x9c);
		g.pushed++;
		return;
	}
	if (g.pushed && gen_below(2)) {
		g.pushed--;
		b1(rex_reg(0, reg, false));
		b1(0x58 | (reg & 7));
	} else {
		b1(rex_reg(0, reg, false));
		b1(0x50 | (reg & 7));
		g.pushed++;
	}
}

/* POPF with no flag in it that would stop the test. */
static void popf_imm(void)
{
	b1(0x68);
	b4((gen_random() & 0x8d5) | 0x202);
	b1(0x9d);
}

static void flags_op(void)
{
	static const u8 ops[] = { 0xf5, 0xf8, 0xf9, 0x9e, 0x9f, 0x90, 0x98, 0x99 };

	if (g.with_popf && !gen_below(8)) {
		popf_imm();
		return;
	}
	b1(ops[gen_below(sizeof(ops))]);
}

/* SSE and VEX loads, stores and arithmetic on integers. */
static void vector(void)
{
	u8 reg = gen_below(16);

	switch (gen_below(4)) {
	case 0:		/* movdqu xmm, m */
		b1(0xf3);
		b1(rex_mem(reg, false));
		b1(0x0f);
		b1(0x6f);
		mem(reg, 0);
		return;
	case 1:		/* movdqu m, xmm */
		b1(0xf3);
		b1(rex_mem(reg, false));
		b1(0x0f);
		b1(0x7f);
		mem(reg, 0);
		return;
	case 2:		/* pshufd xmm, m, imm8 */
		b1(0x66);
		b1(rex_mem(reg, false));
		b1(0x0f);
		b1(0x70);
		mem(reg, 1);
		b1(gen_random());
		return;
	}
	/* pshufb xmm, m: 0F38 */
	b1(0x66);
	b1(rex_mem(reg, false));
	b1(0x0f);
	b1(0x38);
	b1(0x00);
	mem(reg, 0);
}

static void vex(void)
{
	u8 reg = gen_below(16), src = gen_below(16);

	if (!__builtin_cpu_supports("avx"))
		return;
	/* vpaddd / vmovdqu with C4 (B as for r15), X noise for RIP-relative */
	b1(0xc4);
	b1((reg >= 8 ? 0 : 0x80) | 0x40 | 0 | 1);
	if (gen_below(2)) {
		b1((15 - src) << 3 | 1);
		b1(0xfe);
	} else {
		b1(15 << 3 | 2);
		b1(gen_below(2) ? 0x6f : 0x7f);
	}
	mem(reg, 0);
}

static void bmi(void)
{
	u8 reg = 8 + gen_below(7), v = any_reg();

	/* MULX of two of RAX, RCX, RDX leaves no register for an address */
	if (!__builtin_cpu_supports("bmi2"))
		return;
	/* andn, mulx, bzhi */
	b1(0xc4);
	b1((reg >= 8 ? 0 : 0x80) | 0x40 | 2);
	switch (gen_below(3)) {
	case 0:
		b1(0x80 | (15 - v) << 3);
		b1(0xf2);
		break;
	case 1:
		b1(0x80 | (15 - v) << 3 | 3);
		b1(0xf6);
		break;
	default:
		b1(0x80 | (15 - v) << 3);
		b1(0xf5);
	}
	mem(reg, 0);
}

static void string_op(void)
{
	static const u8 ops[] = { 0xa4, 0xa5, 0xaa, 0xa6, 0xae, 0xac };
	u64 n = gen_below(5);

	b1(0x49);			/* lea rdi, [r15 + x] */
	b1(0x8d);
	b1(0xbf);
	b4(0x400 + gen_below(256));
	b1(0x49);			/* lea rsi, [r15 + y] */
	b1(0x8d);
	b1(0xb7);
	b4(0x800 + gen_below(256));
	b1(0xb9);
	b4(n);
	b1(gen_below(2) ? 0xf3 : 0xf2);
	b1(ops[gen_below(sizeof(ops))]);
}

/* A forward jump over a few instructions that follow; fixed when they are there. */
static void jump(void)
{
	static const u8 ignored[] = { 0x2e, 0x3e, 0xf2, 0x48, 0x67 };
	unsigned int kind = gen_below(8);
	u8 *at;

	if (g.fixes == ARRAY_SIZE(g.fix_jump))
		return;
	/* prefixes that branches ignore; LOOP and JRCXZ heed 67 */
	if (!gen_below(4))
		b1(ignored[gen_below(kind ? 5 : 2)]);
	if (kind == 0) {
		if (!gen_below(4))
			b1(0x67);
		b1(0xe0 + gen_below(4));
		at = g.p;
		b1(0);
	} else if (kind == 1) {
		b1(0xe9);
		at = g.p;
		b4(0);
	} else if (kind == 2) {
		b1(0xeb);
		at = g.p;
		b1(0);
	} else if (kind < 6) {
		b1(0x70 + gen_below(16));
		at = g.p;
		b1(0);
	} else {
		b1(0x0f);
		b1(0x80 + gen_below(16));
		at = g.p;
		b4(0);
	}
	g.fix_jump[g.fixes] = at;
	g.fix_skip[g.fixes++] = 1 + gen_below(3);
}

/* By the last byte of the opcode alone: in front of that may be nothing, at the start of the code. */
static bool fix_is_short(const u8 *at)
{
	return at[-1] != 0xe9 && (at[-1] & 0xf0) != 0x80;
}

/* One instruction was written: jumps that end here. */
static void fix_jumps(bool all)
{
	unsigned int i, kept = 0;
	u32 rel;

	for (i = 0; i < g.fixes; i++) {
		u8 *at = g.fix_jump[i];

		if (!all && --g.fix_skip[i]) {
			g.fix_jump[kept] = at;
			g.fix_skip[kept++] = g.fix_skip[i];
			continue;
		}
		if (fix_is_short(at)) {
			*at = g.p - (at + 1);
		} else {
			rel = g.p - (at + 4);
			memcpy(at, &rel, 4);
		}
	}
	g.fixes = kept;
}

/* mov reg, imm64 of a later function; then by register, or by memory. */
static void call(unsigned int self)
{
	unsigned int to;
	u64 slot, target;

	if (self + 1 >= FUNCTIONS)
		return;
	to = self + 1 + gen_below(FUNCTIONS - self - 1);
	target = g.starts[to];
	switch (gen_below(4)) {
	case 0:
		b1(0x48);
		b1(0xb8 | 3);
		b8(target);
		b1(0xff);
		b1(0xd3);
		return;
	case 1:		/* store it in the data, call [rip + x] or [r15 + x] */
		slot = 0x10 + 8 * gen_below(4);
		b1(0x48);
		b1(0xb8);
		b8(target);
		b1(0x49);
		b1(0x89);
		b1(0x47);
		b1(slot);
		if (!gen_below(4))
			b1(0x3e);
		if (gen_below(2)) {
			b1(0xff);
			b1(0x15);
			b4(g.base + GEN_DATA + slot - ((u64)g.p + 4));
		} else {
			b1(0x41);
			b1(0xff);
			b1(0x57);
			b1(slot);
		}
		return;
	case 2:		/* push the address after it, jmp reg */
		b1(0x48);
		b1(0xb8 | 1);
		b8(target);
		b1(0x48);
		b1(0x8d);
		b1(0x05);
		b4(3);
		b1(0x50);
		b1(0xff);
		b1(0xe1);
		return;
	}
	if (!gen_below(4))
		b1(gen_below(2) ? 0x2e : 0x67);
	b1(0xe8);
	b4(target - ((u64)g.p + 4));
}

static void (*const kinds[])(void) = {
	alu_reg, alu_reg, alu_mem, alu_mem, alu_imm_mem, mov_mem, mov_mem, two_byte,
	group_3, shift_mem, lea, addr32, push_pop, push_pop, flags_op, vector, vex,
	bmi, string_op, jump, jump, jump,
};

/* A call inside what is jumped over would be halved: all jumps end before it. */
static void function(unsigned int self, bool last)
{
	unsigned int n = 5 + gen_below(25), i;

	g.pushed = 0;
	g.fixes = 0;
	for (i = 0; i < n; i++) {
		unsigned int pushed = g.pushed;
		u8 *start = g.p;

		if (!gen_below(8)) {
			fix_jumps(true);
			call(self);
			continue;
		}
		kinds[gen_below(ARRAY_SIZE(kinds))]();
		/* what may be jumped over leaves the stack alone */
		if (g.pushed != pushed && g.fixes) {
			g.p = start;
			g.pushed = pushed;
			continue;
		}
		fix_jumps(false);
	}
	fix_jumps(true);
	if (g.pushed) {
		b1(0x48);
		b1(0x8d);
		b1(0xa4);
		b1(0x24);
		b4(g.pushed * 8);
	}
	if (last)
		b1(0xf4);
	else
		b1(0xc3);
}

/**
 * gen_program() - write a random program
 * @base: address of the code
 * @offset: where in it the first function starts
 * @with_popf: POPF may be in it
 */
void gen_program(u64 base, unsigned int offset, bool with_popf)
{
	int i;

	memset((void *)base, 0xcc, GEN_CODE_SIZE);
	g.base = base;
	g.with_popf = with_popf;
	/* backward, so that the starts of later functions are known */
	for (i = FUNCTIONS - 1; i >= 0; i--) {
		g.starts[i] = base + offset + i * 0x700 + (i ? gen_below(64) : 0);
		g.p = (u8 *)g.starts[i];
		function(i, i == 0);
	}
}
