// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: AVX-512
 *
 * EVEX forms: as of VEX the very instruction is executed (evex_stub.S), always on 512 bits
 * and under a mask that has the elements which count.  What the mask leaves out, the length,
 * the fields of memory operands (broadcasts, faults that are suppressed, the scale of a
 * displacement) and embedded rounding are done here (SDM Vol. 2A, 2.7).  A row says
 * what exists; moves under a mask are in evex_move.c.
 */
#include "simd_internal.h"

#define PP(n)	(1 << (n))
#define NP	PP(EMUL_PP_NONE)
#define P66	PP(EMUL_PP_66)
#define PF3	PP(EMUL_PP_F3)
#define PF2	PP(EMUL_PP_F2)
#define W0	BIT(0)
#define W1	BIT(1)
#define WW	(W0 | W1)

/* Forms. */
#define TWO	BIT(0)	/* no operand in EVEX.vvvv */
#define FP	BIT(1)	/* heeds MXCSR */
#define TO_MASK	BIT(2)	/* the result is an opmask */
#define SCALAR	BIT(3)
#define NO_BC	BIT(4)	/* no broadcast */
#define COUNT	BIT(5)	/* the memory operand is 16 bytes, whatever the mask says */
#define WIG	BIT(6)	/* EVEX.W is ignored */
#define INDEX	BIT(7)	/* EVEX.vvvv indexes one vector */
#define INDEX_A	BIT(8)	/* the destination indexes two */
#define INDEX_B	BIT(9)	/* EVEX.vvvv indexes two */
#define WHOLE	BIT(11)	/* reads all of its memory operand */
#define NO_L0	BIT(12)	/* not with 128 bits */
#define DAZ	BIT(13)	/* heeds MXCSR, raises nothing */
#define BLEND	BIT(10)	/* what the mask leaves out comes from EVEX.vvvv */

/**
 * struct evex_row - opcodes
 * @map: EVEX.mmm
 * @first: opcode
 * @last: opcode
 * @pp: mandatory prefixes, a bit each
 * @w: EVEX.W, a bit each
 * @form: bits above
 * @size: bytes of an element that a mask's bit takes; 0: by EVEX.W
 * @from: bytes of it in the source; 0: the same
 * @to: bytes of it in the result; 0: the same
 */
struct evex_row {
	u8 map, first, last, pp, w;
	u16 form;
	u8 size, from, to;
};

static const struct evex_row rows[] = {
	{ 1, 0x12, 0x12, PF2, W1, TWO | NO_BC | WHOLE, 8, 0, 0 },
	{ 1, 0x12, 0x12, PF3, W0, TWO | NO_BC | WHOLE, 4, 0, 0 },
	{ 1, 0x16, 0x16, PF3, W0, TWO | NO_BC | WHOLE, 4, 0, 0 },
	{ 1, 0x14, 0x15, NP, W0, WHOLE, 0, 0, 0 },
	{ 1, 0x14, 0x15, P66, W1, WHOLE, 0, 0, 0 },
	{ 1, 0x51, 0x51, NP, W0, TWO | FP, 0, 0, 0 },
	{ 1, 0x51, 0x51, P66, W1, TWO | FP, 0, 0, 0 },
	{ 1, 0x54, 0x57, NP, W0, 0, 0, 0, 0 },
	{ 1, 0x54, 0x57, P66, W1, 0, 0, 0, 0 },
	{ 1, 0x58, 0x59, NP, W0, FP, 0, 0, 0 },
	{ 1, 0x58, 0x59, P66, W1, FP, 0, 0, 0 },
	{ 1, 0x5c, 0x5f, NP, W0, FP, 0, 0, 0 },
	{ 1, 0x5c, 0x5f, P66, W1, FP, 0, 0, 0 },
	{ 1, 0x51, 0x51, PF3, W0, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x51, 0x51, PF2, W1, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x58, 0x59, PF3, W0, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x58, 0x59, PF2, W1, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x5c, 0x5f, PF3, W0, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x5c, 0x5f, PF2, W1, FP | SCALAR, 0, 0, 0 },
	{ 1, 0x5b, 0x5b, P66 | PF3, W0, TWO | FP, 0, 0, 0 },
	{ 1, 0x5b, 0x5b, NP, W0, TWO | FP, 0, 0, 0 },
	{ 1, 0x5a, 0x5a, NP, W0, TWO | FP, 8, 4, 8 },
	{ 1, 0x5a, 0x5a, P66, W1, TWO | FP, 8, 8, 4 },
	{ 1, 0x5b, 0x5b, NP, W1, TWO | FP, 8, 8, 4 },
	{ 1, 0x78, 0x79, NP, W0, TWO | FP, 0, 0, 0 },
	{ 1, 0x78, 0x79, NP, W1, TWO | FP, 8, 8, 4 },
	{ 1, 0x78, 0x7b, P66, W1, TWO | FP, 0, 0, 0 },
	{ 1, 0x78, 0x7b, P66, W0, TWO | FP, 8, 4, 8 },
	{ 1, 0x7a, 0x7a, PF3, W0, TWO | FP, 8, 4, 8 },
	{ 1, 0x7a, 0x7a, PF3, W1, TWO | FP, 0, 0, 0 },
	{ 1, 0x7a, 0x7a, PF2, W0, TWO | FP, 0, 0, 0 },
	{ 1, 0x7a, 0x7a, PF2, W1, TWO | FP, 8, 8, 4 },
	{ 1, 0xe6, 0xe6, P66 | PF2, W1, TWO | FP, 8, 8, 4 },
	{ 1, 0xe6, 0xe6, PF3, W0, TWO | FP, 8, 4, 8 },
	{ 1, 0xe6, 0xe6, PF3, W1, TWO | FP, 0, 0, 0 },
	{ 1, 0x60, 0x60, P66, WW, WIG | NO_BC | WHOLE, 1, 0, 0 },
	{ 1, 0x61, 0x61, P66, WW, WIG | NO_BC | WHOLE, 2, 0, 0 },
	{ 1, 0x62, 0x62, P66, W0, WHOLE, 0, 0, 0 },
	{ 1, 0x63, 0x63, P66, WW, WIG | NO_BC | WHOLE, 1, 0, 0 },
	{ 1, 0x64, 0x64, P66, WW, WIG | NO_BC | TO_MASK, 1, 0, 0 },
	{ 1, 0x65, 0x65, P66, WW, WIG | NO_BC | TO_MASK, 2, 0, 0 },
	{ 1, 0x66, 0x66, P66, W0, TO_MASK, 0, 0, 0 },
	{ 1, 0x67, 0x68, P66, WW, WIG | NO_BC | WHOLE, 1, 0, 0 },
	{ 1, 0x69, 0x69, P66, WW, WIG | NO_BC | WHOLE, 2, 0, 0 },
	{ 1, 0x6a, 0x6a, P66, W0, WHOLE, 0, 0, 0 },
	{ 1, 0x6b, 0x6b, P66, W0, WHOLE, 2, 2, 2 },
	{ 1, 0x6c, 0x6d, P66, W1, WHOLE, 0, 0, 0 },
	{ 1, 0x74, 0x74, P66, WW, WIG | NO_BC | TO_MASK, 1, 0, 0 },
	{ 1, 0x75, 0x75, P66, WW, WIG | NO_BC | TO_MASK, 2, 0, 0 },
	{ 1, 0x76, 0x76, P66, W0, TO_MASK, 0, 0, 0 },
	{ 1, 0xd1, 0xd1, P66, WW, WIG | NO_BC | COUNT, 2, 0, 0 },
	{ 1, 0xd2, 0xd2, P66, W0, NO_BC | COUNT, 0, 0, 0 },
	{ 1, 0xd3, 0xd3, P66, W1, NO_BC | COUNT, 0, 0, 0 },
	{ 1, 0xd4, 0xd4, P66, W1, 0, 0, 0, 0 },
	{ 1, 0xd5, 0xd5, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xd8, 0xd8, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xd9, 0xd9, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xda, 0xda, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xdb, 0xdb, P66, WW, 0, 0, 0, 0 },
	{ 1, 0xdc, 0xdc, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xdd, 0xdd, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xde, 0xde, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xdf, 0xdf, P66, WW, 0, 0, 0, 0 },
	{ 1, 0xe0, 0xe0, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xe1, 0xe1, P66, WW, WIG | NO_BC | COUNT, 2, 0, 0 },
	{ 1, 0xe2, 0xe2, P66, WW, NO_BC | COUNT, 0, 0, 0 },
	{ 1, 0xe3, 0xe5, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xe8, 0xe8, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xe9, 0xea, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xeb, 0xeb, P66, WW, 0, 0, 0, 0 },
	{ 1, 0xec, 0xec, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xed, 0xee, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xef, 0xef, P66, WW, 0, 0, 0, 0 },
	{ 1, 0xf1, 0xf1, P66, WW, WIG | NO_BC | COUNT, 2, 0, 0 },
	{ 1, 0xf2, 0xf2, P66, W0, NO_BC | COUNT, 0, 0, 0 },
	{ 1, 0xf3, 0xf3, P66, W1, NO_BC | COUNT, 0, 0, 0 },
	{ 1, 0xf4, 0xf4, P66, W1, 0, 0, 0, 0 },
	{ 1, 0xf5, 0xf5, P66, WW, WIG | NO_BC | WHOLE, 4, 0, 0 },
	{ 1, 0xf8, 0xf8, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xf9, 0xf9, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xfa, 0xfa, P66, W0, 0, 0, 0, 0 },
	{ 1, 0xfb, 0xfb, P66, W1, 0, 0, 0, 0 },
	{ 1, 0xfc, 0xfc, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 1, 0xfd, 0xfd, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 1, 0xfe, 0xfe, P66, W0, 0, 0, 0, 0 },
	{ 1, 0xc2, 0xc2, NP, W0, FP | TO_MASK, 0, 0, 0 },
	{ 1, 0xc2, 0xc2, P66, W1, FP | TO_MASK, 0, 0, 0 },
	{ 1, 0xc2, 0xc2, PF3, W0, FP | TO_MASK | SCALAR, 0, 0, 0 },
	{ 1, 0xc2, 0xc2, PF2, W1, FP | TO_MASK | SCALAR, 0, 0, 0 },
	{ 2, 0x00, 0x00, P66, WW, WIG | NO_BC | WHOLE, 1, 0, 0 },
	{ 2, 0x04, 0x04, P66, WW, WIG | NO_BC | WHOLE, 2, 0, 0 },
	{ 2, 0x0b, 0x0b, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 2, 0x0c, 0x0c, P66, W0, WHOLE, 0, 0, 0 },
	{ 2, 0x0d, 0x0d, P66, W1, WHOLE, 0, 0, 0 },
	{ 2, 0x10, 0x12, P66, W1, NO_BC, 2, 0, 0 },
	{ 2, 0x13, 0x13, P66, W0, TWO | FP | NO_BC, 4, 2, 4 },
	{ 2, 0x14, 0x15, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x16, 0x16, P66, WW, INDEX | WHOLE | NO_L0, 0, 0, 0 },
	{ 2, 0x1c, 0x1c, P66, WW, WIG | TWO | NO_BC, 1, 0, 0 },
	{ 2, 0x1d, 0x1d, P66, WW, WIG | TWO | NO_BC, 2, 0, 0 },
	{ 2, 0x1e, 0x1e, P66, W0, TWO, 0, 0, 0 },
	{ 2, 0x1f, 0x1f, P66, W1, TWO, 0, 0, 0 },
	{ 2, 0x20, 0x20, P66, WW, WIG | TWO | NO_BC, 2, 1, 2 },
	{ 2, 0x21, 0x21, P66, WW, WIG | TWO | NO_BC, 4, 1, 4 },
	{ 2, 0x22, 0x22, P66, WW, WIG | TWO | NO_BC, 8, 1, 8 },
	{ 2, 0x23, 0x23, P66, WW, WIG | TWO | NO_BC, 4, 2, 4 },
	{ 2, 0x24, 0x24, P66, WW, WIG | TWO | NO_BC, 8, 2, 8 },
	{ 2, 0x25, 0x25, P66, W0, TWO | NO_BC, 8, 4, 8 },
	{ 2, 0x30, 0x30, P66, WW, WIG | TWO | NO_BC, 2, 1, 2 },
	{ 2, 0x31, 0x31, P66, WW, WIG | TWO | NO_BC, 4, 1, 4 },
	{ 2, 0x32, 0x32, P66, WW, WIG | TWO | NO_BC, 8, 1, 8 },
	{ 2, 0x33, 0x33, P66, WW, WIG | TWO | NO_BC, 4, 2, 4 },
	{ 2, 0x34, 0x34, P66, WW, WIG | TWO | NO_BC, 8, 2, 8 },
	{ 2, 0x35, 0x35, P66, W0, TWO | NO_BC, 8, 4, 8 },
	{ 2, 0x26, 0x26, P66 | PF3, W0, NO_BC | TO_MASK, 1, 0, 0 },
	{ 2, 0x26, 0x26, P66 | PF3, W1, NO_BC | TO_MASK, 2, 0, 0 },
	{ 2, 0x27, 0x27, P66 | PF3, WW, TO_MASK, 0, 0, 0 },
	{ 2, 0x28, 0x28, P66, W1, 0, 0, 0, 0 },
	{ 2, 0x29, 0x29, P66, W1, TO_MASK, 0, 0, 0 },
	{ 2, 0x2b, 0x2b, P66, W0, WHOLE, 2, 2, 2 },
	{ 2, 0x2c, 0x2c, P66, WW, FP, 0, 0, 0 },
	{ 2, 0x2d, 0x2d, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 2, 0x36, 0x36, P66, WW, INDEX | WHOLE | NO_L0, 0, 0, 0 },
	{ 2, 0x37, 0x37, P66, W1, TO_MASK, 0, 0, 0 },
	{ 2, 0x38, 0x38, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 2, 0x39, 0x39, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x3a, 0x3a, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 2, 0x3b, 0x3b, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x3c, 0x3c, P66, WW, WIG | NO_BC, 1, 0, 0 },
	{ 2, 0x3d, 0x3d, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x3e, 0x3e, P66, WW, WIG | NO_BC, 2, 0, 0 },
	{ 2, 0x3f, 0x40, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x42, 0x42, P66, WW, TWO | FP, 0, 0, 0 },
	{ 2, 0x43, 0x43, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 2, 0x45, 0x47, P66, WW, 0, 0, 0, 0 },
	{ 2, 0x4c, 0x4c, P66, WW, TWO | DAZ, 0, 0, 0 },
	{ 2, 0x4d, 0x4d, P66, WW, SCALAR | DAZ, 0, 0, 0 },
	{ 2, 0x4e, 0x4e, P66, WW, TWO | DAZ, 0, 0, 0 },
	{ 2, 0x4f, 0x4f, P66, WW, SCALAR | DAZ, 0, 0, 0 },
	{ 2, 0x64, 0x65, P66, WW, BLEND, 0, 0, 0 },
	{ 2, 0x66, 0x66, P66, W0, BLEND | NO_BC, 1, 0, 0 },
	{ 2, 0x66, 0x66, P66, W1, BLEND | NO_BC, 2, 0, 0 },
	{ 2, 0x75, 0x75, P66, W1, INDEX_A | NO_BC | WHOLE, 2, 0, 0 },
	{ 2, 0x76, 0x77, P66, WW, INDEX_A | WHOLE, 0, 0, 0 },
	{ 2, 0x7d, 0x7d, P66, W1, INDEX_B | NO_BC | WHOLE, 2, 0, 0 },
	{ 2, 0x7e, 0x7f, P66, WW, INDEX_B | WHOLE, 0, 0, 0 },
	{ 2, 0x8d, 0x8d, P66, W1, INDEX | NO_BC | WHOLE, 2, 0, 0 },
	{ 2, 0x96, 0x98, P66, WW, FP, 0, 0, 0 },
	{ 2, 0x99, 0x99, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 2, 0x9a, 0x9a, P66, WW, FP, 0, 0, 0 },
	{ 2, 0x9b, 0x9b, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 2, 0x9c, 0x9c, P66, WW, FP, 0, 0, 0 },
	{ 2, 0x9d, 0x9d, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 2, 0x9e, 0x9e, P66, WW, FP, 0, 0, 0 },
	{ 2, 0x9f, 0x9f, P66, WW, FP | SCALAR, 0, 0, 0 },
	{ 3, 0x1e, 0x1f, P66, WW, TO_MASK, 0, 0, 0 },
	{ 3, 0x25, 0x25, P66, WW, 0, 0, 0, 0 },
	{ 3, 0x3e, 0x3f, P66, W0, NO_BC | TO_MASK, 1, 0, 0 },
	{ 3, 0x3e, 0x3f, P66, W1, NO_BC | TO_MASK, 2, 0, 0 },
};

/* An instruction: its row and what follows from it. */
struct evex {
	const struct evex_row *row;
	unsigned int n;		/* elements */
	unsigned int size, from, to;
	u64 mask;		/* of elements that count */
};

static const struct evex_row *find_row(const struct emul_insn *in)
{
	const struct evex_row *row;
	u8 op = in->opcode;

	/* The three orders of FMA's operands are 10h from each other. */
	if (in->map == 2 && op >= 0xa6 && op <= 0xbf)
		op = (op & 0xf) < 6 ? 0 : (op & 0xf) | 0x90;
	if (in->map == 2 && op == 0 && in->opcode)
		return NULL;
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if (row->map == in->map && op >= row->first && op <= row->last &&
		    row->pp >> in->pp & 1 && row->w >> in->vec_w & 1)
			return row;
	return NULL;
}

/* Rounding or suppression of exceptions in place of a length: scalars or 512 bits then. */
static bool is_rounded(const struct emul_insn *in, const struct evex_row *row)
{
	return in->evex_b && in->mod == 3 && row->form & FP;
}

static int settle(struct umbra_emul *e, const struct emul_insn *in, struct evex *v)
{
	const struct evex_row *row = find_row(in);
	bool rounded = is_rounded(in, row);
	unsigned int len = rounded ? 64 : 16 << in->vl;
	int ret = UMBRA_EMUL_OK;

	v->row = row;
	if ((in->vl == 3 && !rounded && !(row->form & SCALAR)) ||
	    (in->evex_b && !rounded && row->form & (NO_BC | SCALAR)) ||
	    (in->evex_z && (!in->aaa || row->form & TO_MASK)) ||
	    (row->form & TWO && in->vvvv) || (row->form & TO_MASK && in->dst.reg > 7) ||
	    (row->form & NO_L0 && !in->vl))
		return emul_ud(e);
	v->size = row->size ? row->size : in->vec_w ? 8 : 4;
	v->from = row->from ? row->from : v->size;
	v->to = row->to ? row->to : v->size;
	v->n = row->form & SCALAR ? 1 : len / max(v->size, max(v->from, v->to));
	v->mask = emul_evex_ones(v->n);
	if (in->aaa)
		ret = emul_mask_get(e, in->aaa, &v->mask);
	v->mask &= emul_evex_ones(v->n);
	return ret;
}

/* EVEX.b: one element for all; else what the mask takes, so that the rest cannot fault. */
static int load_memory(struct umbra_emul *e, struct emul_insn *in, const struct evex *v, u8 *to)
{
	bool pack = v->row->size == 2 && (v->row->first == 0x6b || v->row->first == 0x2b);
	unsigned int size = pack ? 4 : v->from, len = v->n * v->from, i;
	int ret = UMBRA_EMUL_OK;

	if (v->row->form & COUNT)
		len = 16;
	/* VMOVDDUP of 128 bits */
	if (in->map == 1 && in->opcode == 0x12 && in->pp == EMUL_PP_F2 && !in->vl)
		len = 8;
	if (in->disp_len == 1)
		emul_evex_scale(in, in->evex_b ? size : len);
	if (in->evex_b) {
		if (v->mask || v->row->form & WHOLE)
			ret = emul_read(e, in->mem.seg, in->mem.ea, to, size, 0);
		for (i = 1; i < len / size && !ret; i++)
			memcpy(to + i * size, to, size);
		return ret;
	}
	if (v->row->form & (WHOLE | COUNT))
		return emul_read(e, in->mem.seg, in->mem.ea, to, len, 0);
	return emul_evex_load(e, in, to, v->mask, v->n, size);
}

/* The stub knows 512 bits: an index of a shorter vector must stay within it. */
static void narrow(const struct evex *v, u8 *index)
{
	unsigned int full = 64 / v->size, i;
	u64 val;

	for (i = 0; i < v->n; i++) {
		val = 0;
		memcpy(&val, index + i * v->size, v->size);
		if (v->row->form & INDEX)
			val &= v->n - 1;
		else
			val = (val & (v->n - 1)) | (val & v->n ? full : 0);
		memcpy(index + i * v->size, &val, v->size);
	}
}

static const u8 *stub_of(const struct emul_insn *in, const struct evex *v)
{
	unsigned int w = v->row->form & WIG ? 0 : in->vec_w;

	if (in->map == 1 && in->opcode == 0xc2)
		return emul_stubs_evex_cmp + (in->pp * 32 + (in->src2.val & 31)) * EMUL_STUB_SIZE;
	return emul_stubs_evex + (((in->map - 1) * 8 + in->pp * 2 + w) * 256 + in->opcode) *
	       EMUL_STUB_SIZE;
}

/* What the mask leaves out is as before, or 0. */
static int finish(struct umbra_emul *e, struct emul_insn *in, const struct evex *v,
		  const struct emul_simd *s, const u8 *old)
{
	u8 result[64] = { 0 };

	if (v->row->form & TO_MASK)
		return emul_mask_put(e, in->reg & 7, s->result & v->mask);
	memcpy(result, s->a, v->row->form & SCALAR ? 16 : v->n * v->to);
	if (in->evex_z || !(v->row->form & BLEND))
		emul_evex_merge(in, result, old, v->mask, v->n, v->to);
	return e->ops->xmm(e, in->dst.reg, result, 64, true);
}

/* VPTERNLOGD, VPTERNLOGQ: the immediate is a table of three bits' function. */
static void choose_logic(struct emul_simd *s, u8 imm)
{
	unsigned int at, i;
	u64 a, b, c, r;

	for (at = 0; at < 64; at += 8) {
		memcpy(&a, s->a + at, 8);
		memcpy(&b, s->b + at, 8);
		memcpy(&c, s->c + at, 8);
		for (r = 0, i = 0; i < 8; i++)
			if (imm >> i & 1)
				r |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
		memcpy(s->a + at, &r, 8);
	}
}

/* VPCMPB and its relatives, and those of unsigned elements */
static void compare(struct emul_simd *s, const struct evex *v, bool is_unsigned, u8 imm)
{
	unsigned int i;

	for (i = 0; i < v->n; i++) {
		u64 b = 0, c = 0;
		bool less, yes;

		memcpy(&b, s->b + i * v->size, v->size);
		memcpy(&c, s->c + i * v->size, v->size);
		less = is_unsigned ? b < c :
		       (s64)emul_sext(b, v->size) < (s64)emul_sext(c, v->size);
		/* equal, less, less or equal, never; from 4 on the contrary */
		yes = ((imm & 3) == 0 && b == c) || ((imm & 3) == 1 && less) ||
		      ((imm & 3) == 2 && (less || b == c));
		s->result |= (u64)(yes != !!(imm & 4)) << i;
	}
}

static int compute(struct umbra_emul *e, struct emul_insn *in, const struct evex *v,
		   struct emul_simd *s)
{
	if (in->map != 3)
		return emul_simd_execute(e, EMUL_RUN_EVEX, stub_of(in, v), s,
					 v->row->form & (FP | DAZ));
	if (in->opcode == 0x25)
		choose_logic(s, in->src2.val);
	else
		compare(s, v, !(in->opcode & 1), in->src2.val);
	return UMBRA_EMUL_OK;
}

static int run_row(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_simd s = { .gpr = 0 };
	struct evex v;
	u8 old[64];
	int ret;

	ret = emul_evex_check(e, in);
	if (!ret)
		ret = settle(e, in, &v);
	if (!ret)
		ret = e->ops->xmm(e, in->dst.reg, s.a, 64, false);
	if (!ret && !(v.row->form & TWO))
		ret = e->ops->xmm(e, emul_vvvv(in), s.b, 64, false);
	if (!ret && in->mod == 3)
		ret = e->ops->xmm(e, in->src.reg, s.c, 64, false);
	else if (!ret)
		ret = load_memory(e, in, &v, s.c);
	if (ret)
		return ret;
	memcpy(old, s.a, 64);
	if (v.row->form & (INDEX | INDEX_B))
		narrow(&v, s.b);
	if (v.row->form & INDEX_A)
		narrow(&v, s.a);
	s.mask = v.mask;
	if (v.row->form & DAZ)
		s.rounding = EMUL_QUIET;
	if (is_rounded(in, v.row))
		s.rounding = EMUL_QUIET | EMUL_ROUND | in->vl;
	ret = compute(e, in, &v, &s);
	return ret ? ret : finish(e, in, &v, &s, old);
}

/**
 * emul_evex_scale() - the displacement of one byte counts units of the memory operand
 * @in: the instruction, effective address done for units of the vector length
 * @unit: bytes
 */
void emul_evex_scale(struct emul_insn *in, unsigned int unit)
{
	s64 disp = in->mem.disp;

	in->mem.ea = (in->mem.ea - disp + disp / (16 << in->vl) * unit) & emul_mask(in->adsize);
}

/**
 * emul_evex_handler() - who executes an EVEX row without a handler
 * @in: the instruction
 *
 * Return: the handler, or NULL when nobody does.
 */
emul_handler *emul_evex_handler(const struct emul_insn *in)
{
	return emul_evex_move_handler(in) ?: (find_row(in) ? run_row : NULL);
}
