// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random instructions
 *
 * All opcodes of the one-byte and the 0F map, with random prefixes and operands of the right
 * length.
 *
 * Flags that the manuals leave undefined differ from processor to processor: behind an
 * instruction that leaves some comes a CMP that defines them all.
 */
#include "guest_gen_internal.h"

/*
 * Operands by opcode: m ModRM, b ModRM and imm8, z ModRM and imm16/32, n none, i imm8,
 * Z imm16/32, V imm16/32/64, j rel8, J rel16/32, P far pointer, o moffs, w imm16,
 * e ENTER, f group 3, - prefix or not wanted (INT1: QEMU's TCG has none).
 */
static const char *const one_byte[16] = {
	"mmmmiZnnmmmmiZn-", "mmmmiZnnmmmmiZnn", "mmmmiZ-nmmmmiZ-n", "mmmmiZ-nmmmmiZ-n",
	"nnnnnnnnnnnnnnnn", "nnnnnnnnnnnnnnnn", "nnmm----Zzibnnnn", "jjjjjjjjjjjjjjjj",
	"bzbbmmmmmmmmmmmm", "nnnnnnnnnnPnnnnn", "oooonnnniZnnnnnn", "iiiiiiiiVVVVVVVV",
	"bbwnmmbzenwnninn", "mmmmiinnmmmmmmmm", "jjjjiiiiJJPjnnnn", "----nnffnnnnnnmm",
};

static const char *const two_byte[16] = {
	"mmmm-nnnnn-n-m--", "mmmmmmmmmmmmmmmm", "mmmm----mmmmmmmm", "n-n-nn----------",
	"mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "bbbbmmmn----m-mm",
	"JJJJJJJJJJJJJJJJ", "mmmmmmmmmmmmmmmm", "nn-mbm--nn-mbmmm", "mmmmmmmmm-bmmmmm",
	"mmbmbbbmnnnnnnnn", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmmm", "mmmmmmmmmmmmmmm-",
};

/* CMP AL,AL: all flags are defined again. */
void define_flags(struct gen *g)
{
	PUT(g, 0x38, 0xc0);
}

static bool leaves_flags_one(unsigned int op)
{
	switch (op) {
	case 0x27: case 0x2f: case 0x37: case 0x3f:	/* DAA, DAS, AAA, AAS */
	case 0x69: case 0x6b:				/* IMUL */
	case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3:
	case 0xd4: case 0xd5:				/* AAM, AAD */
	case 0xf6: case 0xf7:
		return true;
	}
	return false;
}

static bool leaves_flags_two(unsigned int op)
{
	switch (op) {
	case 0xa3: case 0xab: case 0xb3: case 0xbb: case 0xba:
	case 0xa4: case 0xa5: case 0xac: case 0xad:
	case 0xaf: case 0xbc: case 0xbd: case 0xb8:
		return true;
	}
	return false;
}

/* Where LOCK may stand; in front of others QEMU's TCG ignores it. */
static bool can_lock(bool two, unsigned int op)
{
	if (!two)
		return (op < 0x38 && (op & 7) < 2) || (op >= 0x80 && op <= 0x83) || op == 0x86 ||
		       op == 0x87 || op == 0xf6 || op == 0xf7 || op >= 0xfe;
	return op == 0xab || op == 0xb3 || op == 0xbb || op == 0xb0 || op == 0xb1 || op == 0xc0 ||
	       op == 0xc1;
}

/* With F3 these are POPCNT, TZCNT, LZCNT; stock KVM's emulator has BSF and BSR in any case. */
static bool is_bit_count(bool two, unsigned int op)
{
	return two && (op == 0xb8 || op == 0xbc || op == 0xbd);
}

/*
 * SYSENTER and SYSEXIT are #UD in long mode on AMD's processors.  But QEMU's TCG has them in
 * compatibility mode, and stock KVM emulates SYSEXIT when it sees the #UD.
 */
bool has_sysenter(const struct gen *g)
{
	return g->s->mode < MODE_COMPAT16;
}

/* Without EFER.SCE it is #UD, but TCG looks first whether it may be executed here (APM Vol. 3, SYSRET). */
bool has_sysret(const struct gen *g)
{
	return g->s->sregs.efer & 1 || (!g->user && g->s->mode != MODE_REAL);
}

/* Answers that belong to the host, or to the moment. */
bool unwanted_two(struct gen *g, unsigned int op)
{
	if (op == 0x34 || op == 0x35)
		return !has_sysenter(g);
	if (op == 7)
		return !has_sysret(g) || g->bits == 64;	/* see system_return() */
	/* SLDT to VERW, SGDT to SMSW, LAR, LSL, CPUID: in user code of the soft engine the host answers. */
	if (op <= 3 || op == 0xa2)
		return g->user && !g->lim->user_answers;
	/*
	 * WRMSR to a number below 64 may be to KVM's clock, for which stock KVM takes any address; msr() has it.  RDTSC, RDPMC,
	 * RDMSR of them; group 9 has RDRAND, RDSEED and RDPID; group 15 XSAVE; EMMS and MMX
	 */
	return (op >= 0x30 && op <= 0x33) || op == 0xc7 || op == 0xae;
}

/*
 * A control or debug register that there is: of others nobody says whether #UD comes before
 * the #GP of user code.
 */
static unsigned int known_register(struct gen *g, unsigned int op)
{
	static const uint8_t control[] = { 0, 2, 3, 4 }, debug[] = { 0, 1, 2, 3, 6, 7 };

	if (g->rex)
		*g->rex &= ~4;
	/* Written to DR6 and DR7, TCG keeps bits that are always 0 (SDM Vol. 3B 17.2.6). */
	return op & 1 ? debug[below(g->r, op == 0x23 ? 4 : 6)] : control[below(g->r, 4)];
}

/* MOV; the other seven are #UD, but MOV to TCG. */
static void put_group_11(struct gen *g, unsigned int op)
{
	put_modrm(g, 0, -1);
	put(g, small_number(g), op & 1 ? imm_size(g) : 1);
}

/* MOVNTPS, MOVLPS, MOVHPS, MOVNTQ, LDDQU, MOVLPD, MOVHPD: with a register #UD, but not in QEMU's TCG. */
static bool needs_memory(const struct gen *g, unsigned int op)
{
	if (g->data16 && !g->rep && (op == 0x12 || op == 0x16))
		return true;
	return op == 0x13 || op == 0x17 || op == 0x2b || op == 0xe7 || op == 0xf0;
}

/*
 * SHLD and SHRD; of 16 bits by more they leave a result that is undefined (SDM Vol. 2B).  With an immediate not
 * relative to RIP: TCG forgets that one more byte comes before the next instruction.
 */
static void put_double_shift(struct gen *g, unsigned int op)
{
	bool imm = !(op & 1);

	put_modrm(g, -1, imm && g->bits == 64 ? 1 + (int)below(g->r, 3) : -1);
	if (imm)
		put(g, below(g->r, g->osize == 2 ? 17 : 256), 1);
}

/*
 * Shifts and rotates.  RCL and RCR of registers only: TCG changes CF and other flags before it
 * finds that memory cannot be reached or written, and when that has been mended begins again with them.
 */
static void put_shift(struct gen *g, unsigned int op)
{
	unsigned int reg = below(g->r, 8);

	put_modrm(g, reg, (reg & 6) == 2 ? 3 : -1);
	if (op < 0xd0)
		put(g, below(g->r, 256), 1);
}

/* Group 8: BT to BTC; the first four are #UD, but TCG reads the operand first. */
static void put_group_8(struct gen *g)
{
	unsigned int reg = below(g->r, 8);

	put_modrm(g, reg, reg < 4 ? 3 : -1);
	put(g, below(g->r, 256), 1);
}

/* EMMS, MOVNTI: 66, F2 and F3 make them undefined (SDM Vol. 2: "NP"), but not for TCG. */
static void put_bare(struct gen *g, unsigned int op)
{
	g->asize = g->bits / 8;
	PUT(g, 0x0f, op);
	if (op == 0xc3)
		put_modrm(g, -1, below(g->r, 3));
}

/* LAR to 16 bits: of the others "x is undefined" in the mask 00FxFF00 (SDM Vol. 2A). */
void put_lar(struct gen *g)
{
	if (g->bits != 16)
		put(g, 0x66, 1);
	PUT(g, 0x0f, 0x02, 0xc0 | below(g->r, 64));
}

/* What has to stand in front of an instruction. */
static void prepare(struct gen *g, bool two, unsigned int op)
{
	if (two && (op == 0xa5 || op == 0xad))
		PUT(g, 0xb1, below(g->r, 17));	/* MOV CL, for put_double_shift() */
	/*
	 * SETcc takes the flags from where TCG has them, and forgets them if it then cannot write:
	 * behind two CMC, which change nothing, they are where they stay.
	 */
	if (two && (op & 0xf0) == 0x90)
		PUT(g, 0xf5, 0xf5);
}

/*
 * RET, RETF and IRET in 16-bit code lead anywhere, also into descriptors and vectors, and those are instructions that
 * use what others left undefined; far_return() has a good frame for them.
 */
static bool goes_astray(const struct gen *g, unsigned int op)
{
	return g->bits == 16 && ((op & 0xfe) == 0xc2 || (op & 0xfe) == 0xca || op == 0xcf);
}

/*
 * Far CALL and JMP by memory without REX.W: the offset has 32 bits for AMD's processors (APM Vol. 3, CALL far), of which TCG is
 * one here, but takes 64.
 */
static void keep_far(struct gen *g, uint8_t modrm)
{
	if (g->rex && modrm < 0xc0 && ((modrm >> 3 & 7) == 3 || (modrm >> 3 & 7) == 5))
		*g->rex &= ~8;
}

/* INC to PUSH; 7 is #UD, but TCG reads the operand first.  No jumps where they go astray. */
static int group_5(struct gen *g)
{
	static const uint8_t in_16[] = { 0, 1, 6 };

	return g->bits == 16 ? in_16[below(g->r, 3)] : below(g->r, 7);
}

static void put_group_5(struct gen *g, unsigned int op)
{
	const uint8_t *modrm = g->s->code + g->s->code_len;

	put_modrm(g, g->locked ? lockable(g, op) : group_5(g), -1);
	keep_far(g, *modrm);
}

static bool is_shift(unsigned int op)
{
	return (op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0;
}

static void operands_one(struct gen *g, unsigned int op)
{
	if (op == 0xd9 || op == 0xdd)
		put_modrm(g, below(g->r, 6), -1);	/* 6: TCG stores the host's last data pointer */
	else if (op == 0x63 && g->bits != 64)
		put_modrm(g, -1, 3);	/* ARPL: TCG writes, and makes dirty, what does not change */
	else if (op == 0x8f)
		put_modrm(g, 0, -1);	/* others are #UD or XOP, but POP to TCG */
	else if (op == 0xff)
		put_group_5(g, op);
	else if ((op & 0xfe) == 0xc6)
		put_group_11(g, op);
	else if (is_shift(op))
		put_shift(g, op);
	else
		put_operands(g, one_byte[op >> 4][op & 15], op);
}

/*
 * An operand of the 0F map is one of MM0 to MM7, by the prefixes that say so: none, for CVTPI2PS and its like no F2 or F3,
 * for MOVQ2DQ and MOVDQ2Q one of them.
 */
static bool is_mmx(const struct gen *g, unsigned int op)
{
	if (op == 0x2a || op == 0x2c || op == 0x2d)
		return !g->rep;
	if (op == 0xd6)
		return g->rep;
	return !g->rep && !g->data16 &&
	       ((op >= 0x60 && op < 0x80) || op == 0xc4 || op == 0xc5 || op >= 0xd1);
}

/*
 * REX.R and REX.B mean nothing to an MMX register (SDM Vol. 2A 2.2.1.2), but TCG makes MM8 to MM15 of them, which are parts of
 * XMM registers and others of its variables.
 */
static void keep_mmx(struct gen *g, uint8_t modrm)
{
	if (g->rex)
		*g->rex &= modrm >= 0xc0 ? ~5 : ~4;
}

/*
 * PUNPCKLBW, PUNPCKLWD and PUNPCKLDQ of MMX registers take four bytes of memory (SDM Vol. 2B), but TCG reads eight.
 */
static bool is_mmx_unpack(const struct gen *g, unsigned int op)
{
	return is_mmx(g, op) && op >= 0x60 && op <= 0x62;
}

static void operands_two(struct gen *g, unsigned int op)
{
	const uint8_t *modrm = g->s->code + g->s->code_len;

	/* RDTSCP and its like are 0F 01 with mod 3 */
	if (op == 1 || needs_memory(g, op))
		put_modrm(g, -1, below(g->r, 3));
	else if ((op & 0xfc) == 0x20)	/* mod counts for nothing (SDM Vol. 2B) */
		put(g, below(g->r, 4) << 6 | known_register(g, op) << 3 | below(g->r, 8), 1);
	else if ((op & 0xf6) == 0xa4)
		put_double_shift(g, op);
	else if (op == 0xba)
		put_group_8(g);
	else if (is_mmx_unpack(g, op))
		put_modrm(g, -1, 3);
	else
		put_operands(g, two_byte[op >> 4][op & 15], op);
	if (is_mmx(g, op))
		keep_mmx(g, *modrm);
	/* LSS, LFS, LGS: the offset has four bytes at most on AMD's processors (APM Vol. 3), eight for TCG. */
	if (g->rex && (op == 0xb2 || op == 0xb4 || op == 0xb5))
		*g->rex &= ~8;
}

void any_instruction(struct gen *g)
{
	unsigned int op = below(g->r, 256);
	bool two = chance(g->r, 35);
	char kind = (two ? two_byte : one_byte)[op >> 4][op & 15];

	if (kind == '-' || (two && unwanted_two(g, op)))
		return;
	if (!two && (op & 0xf8) == 0xd8 && !g->lim->x87)
		return;
	if (!two && ((g->bits == 64 && (op & 0xf0) == 0x40) || goes_astray(g, op)))
		return;
	/* A single step comes before define_flags(). */
	if (g->stepping && (two ? leaves_flags_two(op) : leaves_flags_one(op)))
		return;
	if (two && (op == 0x77 || op == 0xc3)) {
		put_bare(g, op);
		return;
	}
	if (two && op == 2) {
		put_lar(g);
		return;
	}
	prepare(g, two, op);
	put_prefixes(g, can_lock(two, op), !is_bit_count(two, op));
	/* BSWAP of 16 bits is undefined. */
	if (two && (op & 0xf8) == 0xc8 && g->osize == 2)
		op = 0x1f;	/* NOP */
	if (two)
		put(g, 0x0f, 1);
	put(g, op, 1);
	if (two)
		operands_two(g, op);
	else
		operands_one(g, op);
	if (two ? leaves_flags_two(op) : leaves_flags_one(op))
		define_flags(g);
}

/* The plain ones, so that a step also gets somewhere. */
void plain_instruction(struct gen *g)
{
	static const uint8_t ops[] = {
		0x00, 0x01, 0x03, 0x09, 0x11, 0x13, 0x19, 0x21, 0x29, 0x2b, 0x31, 0x39, 0x3b,
		0x85, 0x87, 0x88, 0x89, 0x8a, 0x8b, 0x8d, 0xff, 0xfe, 0x63,
	};
	unsigned int op = ops[below(g->r, sizeof(ops))];

	put_prefixes(g, can_lock(false, op), true);
	put(g, op, 1);
	put_modrm(g, op >= 0xfe ? (int)below(g->r, 2) : -1, op == 0x63 && g->bits != 64 ? 3 : -1);
}
