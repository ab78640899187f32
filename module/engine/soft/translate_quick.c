// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, instructions that are known at a glance
 *
 * Three of four instructions of a kernel are copied as they are, and all that has to be known of
 * them is how long they are.  For the most frequent forms of those a look at three bytes
 * tells; the decoder, which has to find out all about an instruction, takes some five times
 * as long.  What is not certain here is the decoder's: prefixes but 65, 66 and REX, RIP-relative
 * operands, whatever some maker or some feature makes undefined.
 *
 * SDM Vol. 2A, chapter 2; Vol. 2D, appendix A.
 */
#include "translate_internal.h"

#define KNOWN	0x80	/* at all */
#define MODRM	0x01
#define IMM_8	0x02
#define IMM_Z	0x04	/* two or four bytes, by the operand's size */
#define IMM_V	0x08	/* that, or eight bytes */
#define GROUP	0x10	/* ModRM.reg is in groups[] by the low bits of the opcode */
#define MEMORY	0x20	/* no register form */
#define NO_66	0x40	/* not with that prefix */

#define K	KNOWN
#define KM	(KNOWN | MODRM)
#define KG	(KNOWN | MODRM | GROUP)

/* Rows of ALU instructions: r/m with register both ways, accumulator with immediate. */
#define ALU(row) \
	[row ... (row) + 3] = KM, [(row) + 4] = K | IMM_8, [(row) + 5] = K | IMM_Z

static const u8 one_byte[256] = {
	ALU(0x00), ALU(0x08), ALU(0x10), ALU(0x18), ALU(0x20), ALU(0x28), ALU(0x30), ALU(0x38),
	[0x50 ... 0x5f] = K,			/* PUSH, POP */
	[0x63] = KM | NO_66,			/* MOVSXD */
	[0x68] = K | IMM_Z | NO_66,		/* PUSH */
	[0x69] = KM | IMM_Z,			/* IMUL */
	[0x6a] = K | IMM_8 | NO_66,
	[0x6b] = KM | IMM_8,
	[0x80] = KM | IMM_8,			/* ALU with immediate */
	[0x81] = KM | IMM_Z,
	[0x83] = KM | IMM_8,
	[0x84 ... 0x8b] = KM,			/* TEST, XCHG, MOV */
	[0x8d] = KM | MEMORY,			/* LEA */
	[0x90 ... 0x99] = K,			/* XCHG, CWDE, CDQ */
	[0xa8] = K | IMM_8,			/* TEST */
	[0xa9] = K | IMM_Z,
	[0xb0 ... 0xb7] = K | IMM_8,		/* MOV */
	[0xb8 ... 0xbf] = K | IMM_V,
	[0xc0 ... 0xc1] = KG | IMM_8,		/* shifts */
	[0xc6] = KG | IMM_8,			/* MOV */
	[0xc7] = KG | IMM_Z,
	[0xc9] = K | NO_66,			/* LEAVE */
	[0xd0 ... 0xd3] = KG,			/* shifts */
	[0xf6 ... 0xf7] = KG,			/* NOT, NEG, MUL, DIV */
	[0xfe ... 0xff] = KG,			/* INC, DEC, PUSH */
};

static const u8 two_byte[256] = {
	[0x1f] = KM,				/* NOP */
	[0x40 ... 0x4f] = KM,			/* CMOVcc */
	[0x90 ... 0x9f] = KM,			/* SETcc */
	[0xa3] = KM,				/* BT, BTS */
	[0xab] = KM,
	[0xa4] = KM | IMM_8,			/* SHLD, SHRD */
	[0xa5] = KM,
	[0xac] = KM | IMM_8,
	[0xad] = KM,
	[0xaf] = KM,				/* IMUL */
	[0xb0 ... 0xb1] = KM,			/* CMPXCHG */
	[0xb3] = KM,				/* BTR */
	[0xb6 ... 0xb7] = KM,			/* MOVZX */
	[0xbb] = KM,				/* BTC */
	[0xbe ... 0xbf] = KM,			/* MOVSX */
	[0xc0 ... 0xc1] = KM,			/* XADD */
};

/* Which values of ModRM.reg: shifts but SAL, MOV alone, no TEST, no branches; by opcode % 16. */
static const u8 groups[16] = {
	[0x0 ... 0x3] = 0xbf,
	[0x6] = 0xfc,
	[0x7] = 0xfc,
	[0xe] = 0x03,
	[0xf] = 0x43,
};

static bool in_group(u8 opcode, u8 modrm)
{
	u8 known = groups[opcode & 15];

	/* C6 and C7 share their columns with F6 and F7. */
	if ((opcode & 0xfe) == 0xc6)
		known = 0x01;
	return known >> (modrm >> 3 & 7) & 1;
}

/* Bytes of ModRM and the address behind it; 0: relative to RIP.  Without base SIB takes 4 more. */
#define ADDRESS(row, n, relative) \
	[row ... (row) + 3] = n, [(row) + 4] = (n) + 1, [(row) + 5] = relative, \
	[(row) + 6 ... (row) + 7] = n
#define ADDRESSES(mod, n, relative) \
	ADDRESS(mod, n, relative), ADDRESS((mod) + 0x08, n, relative), \
	ADDRESS((mod) + 0x10, n, relative), ADDRESS((mod) + 0x18, n, relative), \
	ADDRESS((mod) + 0x20, n, relative), ADDRESS((mod) + 0x28, n, relative), \
	ADDRESS((mod) + 0x30, n, relative), ADDRESS((mod) + 0x38, n, relative)

static const u8 address_len[256] = {
	ADDRESSES(0x00, 1, 0),
	ADDRESSES(0x40, 2, 2),
	ADDRESSES(0x80, 5, 5),
	[0xc0 ... 0xff] = 1,
};

/* Opcodes that write the register of ModRM.reg, all of it, and do not read it. */
static bool only_sets(u8 op, bool second)
{
	return second ? (op & 0xf6) == 0xb6 : op == 0x8b || op == 0x8d || op == 0x63;
}

/*
 * What an instruction with a REX prefix has to do with R11: any register field is it with its
 * bit and 3.  A field that is none does no harm.
 */
static enum tc_r11 use_of_r11(u8 rex, u8 op, bool second, const u8 *modrm)
{
	bool reg, rm;

	if (!modrm) {
		if (!(rex & UMBRA_REX_B) || (op & 7) != 3)
			return TC_R11_NOT;
		/* MOV of an immediate, POP */
		return op == 0xbb || op == 0x5b ? TC_R11_SET : TC_R11_USED;
	}
	reg = rex & UMBRA_REX_R && (modrm[0] >> 3 & 7) == 3;
	rm = tc_rm_is_r11(rex, modrm, modrm[0] < 0xc0);
	if (reg && !rm && only_sets(op, second))
		return TC_R11_SET;
	/* XOR with itself */
	if (reg && rm && modrm[0] == 0xdb && !second && (op == 0x31 || op == 0x33))
		return TC_R11_SET;
	return reg || rm ? TC_R11_USED : TC_R11_NOT;
}

static __always_inline unsigned int quick_copy(const u8 *code, enum tc_r11 *r11)
{
	const u8 *at = code, *modrm = NULL;
	bool osz = false, second = false;
	u8 rex = 0, op = *at++, row;
	unsigned int n;

	if (unlikely((op & 0xfc) == 0x64)) {
		if (op == 0x65)
			op = *at++;
		osz = op == 0x66;
		if (osz)
			op = *at++;
	}
	if ((op & 0xf0) == 0x40) {
		rex = op;
		op = *at++;
	}
	row = one_byte[op];
	if (op == 0x0f) {
		op = *at++;
		second = true;
		row = two_byte[op];
	}
	if (!row || (osz && row & NO_66))
		return 0;
	if (row & MODRM) {
		if ((row & GROUP && !in_group(op, *at)) || (row & MEMORY && *at >= 0xc0))
			return 0;
		n = address_len[*at];
		if (!n)
			return 0;
		modrm = at;
		at += n;
		if (*modrm < 0x40 && (*modrm & 7) == 4 && (modrm[1] & 7) == 5)
			at += 4;
	}
	if (row & (IMM_8 | IMM_Z | IMM_V)) {
		if (row & IMM_8)
			at += 1;
		else if (row & IMM_V && rex & UMBRA_REX_W)
			at += 8;
		else
			at += osz && !(rex & UMBRA_REX_W) ? 2 : 4;
	}
	*r11 = TC_R11_NOT;
	if (rex & (UMBRA_REX_R | UMBRA_REX_X | UMBRA_REX_B)) {
		*r11 = use_of_r11(rex, op, second, modrm);
		if (*r11 == TC_R11_SET && osz)
			*r11 = TC_R11_USED;
	}
	return at - code;
}

/**
 * tc_quick_copy() - is it an instruction that is copied as it is
 * @code: its first 15 bytes
 * @r11: what it has to do with R11, if it is one
 *
 * Return: its length; 0: the decoder has to say.
 */
unsigned int tc_quick_copy(const u8 *code, enum tc_r11 *r11)
{
	return quick_copy(code, r11);
}

/**
 * tc_quick_run() - copy such instructions, up to one that is none
 * @b: the block; the instruction before is complete
 * @s: guest code, of which only what is there is looked at
 * @max: how many at most
 *
 * Their marks are made without opening any.
 */
void tc_quick_run(struct tc_build *b, const struct source *s, unsigned int max)
{
	const u8 *code = s->buf + (b->rip - s->gva), *from = code;
	const u8 *last = s->buf + s->len - 15;
	u8 *out = b->out + b->pos, *mark;
	u8 flags = b->home ? 0 : TC_MARK_R11;
	unsigned int n, left = max;
	enum tc_r11 r11;

	if (b->rip - s->gva >= s->len)
		return;
	emit_mark_close(b);
	mark = b->tc->marks + b->tc->nr_marks;
	for (; code <= last && left; left--) {
		n = quick_copy(code, &r11);
		if (!n)
			b->slow_rip = b->rip + (code - from);
		if (!n || (r11 && flags))
			break;
		memcpy(out, code, SOURCE_PAD);
		mark[0] = n | flags;
		mark[1] = n;
		mark += 2;
		code += n;
		out += n;
	}
	b->insns += max - left;
	n = code - from;
	b->rip += n;
	b->pos += n;
	b->run = b->pos;
	b->mark[0] = flags;
	b->mark[1] = 0;
	b->tc->nr_marks = mark - b->tc->marks;
}
