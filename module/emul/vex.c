// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: AVX, AVX2, FMA
 *
 * The VEX forms of the vector instructions without an immediate, and compares:
 * the very instruction is executed on operands that were fetched, as for SSE
 * (simd.c).  A row of the table says what exists (SDM Vol. 2, each instruction's
 * page); what is not in it stops the emulator.  Instructions with an immediate
 * that selects elements are in lanes.c, moves in sse.c.
 */
#include "simd_internal.h"

#define PP(n)	(1 << (n))
#define NP	PP(EMUL_PP_NONE)
#define P66	PP(EMUL_PP_66)
#define PF3	PP(EMUL_PP_F3)
#define PF2	PP(EMUL_PP_F2)
#define L0	BIT(0)
#define L1	BIT(1)
#define LL	(L0 | L1)
#define W0	BIT(0)
#define W1	BIT(1)
#define WW	(W0 | W1)

/* Forms. */
#define TWO	BIT(0)	/* no operand in VEX.vvvv */
#define FP	BIT(1)	/* heeds MXCSR */
#define FLAGS	BIT(2)	/* writes RFLAGS and no register */
#define LIG	BIT(3)	/* scalar: VEX.L is ignored */
#define REG2	BIT(4)	/* a source in a register is AVX2's */
#define BY_W	BIT(5)	/* reads 4 or 8 bytes by VEX.W */

/* Bytes of a memory operand: fixed, or this part of the vector length. */
enum { VL = 0, HALF = 64, QUARTER, EIGHTH };

#define AVX	UMBRA_EMUL_F_AVX
#define AVX2	UMBRA_EMUL_F_AVX2
#define FMA	UMBRA_EMUL_F_FMA
#define F16C	UMBRA_EMUL_F_F16C
#define AES	(UMBRA_EMUL_F_AES | UMBRA_EMUL_F_AVX)
#define VAES	(UMBRA_EMUL_F_VAES | UMBRA_EMUL_F_AVX)
#define INT	0	/* AVX with 128 bits, AVX2 with 256 */

struct vex_row {
	u8 map, first, last;
	u8 pp, l, w;
	u8 form, bytes;
	u64 feature;
};

static const struct vex_row rows[] = {
	{ 1, 0x12, 0x12, PF3, LL, WW, TWO, VL, AVX },
	{ 1, 0x12, 0x12, PF2, L0, WW, TWO, 8, AVX },
	{ 1, 0x12, 0x12, PF2, L1, WW, TWO, VL, AVX },
	{ 1, 0x14, 0x15, NP | P66, LL, WW, 0, VL, AVX },
	{ 1, 0x16, 0x16, PF3, LL, WW, TWO, VL, AVX },
	{ 1, 0x2e, 0x2f, NP, LL, WW, TWO | FP | FLAGS | LIG, 4, AVX },
	{ 1, 0x2e, 0x2f, P66, LL, WW, TWO | FP | FLAGS | LIG, 8, AVX },
	{ 1, 0x51, 0x51, NP | P66, LL, WW, TWO | FP, VL, AVX },
	{ 1, 0x52, 0x53, NP, LL, WW, TWO | FP, VL, AVX },
	{ 1, 0x51, 0x53, PF3, LL, WW, FP | LIG, 4, AVX },
	{ 1, 0x51, 0x51, PF2, LL, WW, FP | LIG, 8, AVX },
	{ 1, 0x54, 0x57, NP | P66, LL, WW, 0, VL, AVX },
	{ 1, 0x58, 0x59, NP | P66, LL, WW, FP, VL, AVX },
	{ 1, 0x58, 0x5a, PF3, LL, WW, FP | LIG, 4, AVX },
	{ 1, 0x58, 0x5a, PF2, LL, WW, FP | LIG, 8, AVX },
	{ 1, 0x5a, 0x5a, NP, LL, WW, TWO | FP, HALF, AVX },
	{ 1, 0x5a, 0x5a, P66, LL, WW, TWO | FP, VL, AVX },
	{ 1, 0x5b, 0x5b, NP | P66 | PF3, LL, WW, TWO | FP, VL, AVX },
	{ 1, 0x5c, 0x5f, NP | P66, LL, WW, FP, VL, AVX },
	{ 1, 0x5c, 0x5f, PF3, LL, WW, FP | LIG, 4, AVX },
	{ 1, 0x5c, 0x5f, PF2, LL, WW, FP | LIG, 8, AVX },
	{ 1, 0x60, 0x6d, P66, LL, WW, 0, VL, INT },
	{ 1, 0x74, 0x76, P66, LL, WW, 0, VL, INT },
	{ 1, 0x7c, 0x7d, P66 | PF2, LL, WW, FP, VL, AVX },
	{ 1, 0xc2, 0xc2, NP | P66, LL, WW, FP, VL, AVX },
	{ 1, 0xc2, 0xc2, PF3, LL, WW, FP | LIG, 4, AVX },
	{ 1, 0xc2, 0xc2, PF2, LL, WW, FP | LIG, 8, AVX },
	{ 1, 0xd0, 0xd0, P66 | PF2, LL, WW, FP, VL, AVX },
	{ 1, 0xd1, 0xd3, P66, LL, WW, 0, 16, INT },
	{ 1, 0xd4, 0xd5, P66, LL, WW, 0, VL, INT },
	{ 1, 0xd8, 0xe0, P66, LL, WW, 0, VL, INT },
	{ 1, 0xe1, 0xe2, P66, LL, WW, 0, 16, INT },
	{ 1, 0xe3, 0xe5, P66, LL, WW, 0, VL, INT },
	{ 1, 0xe6, 0xe6, P66 | PF2, LL, WW, TWO | FP, VL, AVX },
	{ 1, 0xe6, 0xe6, PF3, LL, WW, TWO | FP, HALF, AVX },
	{ 1, 0xe8, 0xef, P66, LL, WW, 0, VL, INT },
	{ 1, 0xf1, 0xf3, P66, LL, WW, 0, 16, INT },
	{ 1, 0xf4, 0xf6, P66, LL, WW, 0, VL, INT },
	{ 1, 0xf8, 0xfe, P66, LL, WW, 0, VL, INT },
	{ 2, 0x00, 0x0b, P66, LL, WW, 0, VL, INT },
	{ 2, 0x0c, 0x0d, P66, LL, W0, 0, VL, AVX },
	{ 2, 0x0e, 0x0f, P66, LL, W0, TWO | FLAGS, VL, AVX },
	{ 2, 0x13, 0x13, P66, LL, W0, TWO | FP, HALF, F16C },
	{ 2, 0x16, 0x16, P66, L1, W0, 0, VL, AVX2 },
	{ 2, 0x17, 0x17, P66, LL, WW, TWO | FLAGS, VL, AVX },
	{ 2, 0x18, 0x18, P66, LL, W0, TWO | REG2, 4, AVX },
	{ 2, 0x19, 0x19, P66, L1, W0, TWO | REG2, 8, AVX },
	{ 2, 0x1c, 0x1e, P66, LL, WW, TWO, VL, INT },
	{ 2, 0x20, 0x20, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x21, 0x21, P66, LL, WW, TWO, QUARTER, INT },
	{ 2, 0x22, 0x22, P66, LL, WW, TWO, EIGHTH, INT },
	{ 2, 0x23, 0x23, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x24, 0x24, P66, LL, WW, TWO, QUARTER, INT },
	{ 2, 0x25, 0x25, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x28, 0x29, P66, LL, WW, 0, VL, INT },
	{ 2, 0x2b, 0x2b, P66, LL, WW, 0, VL, INT },
	{ 2, 0x30, 0x30, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x31, 0x31, P66, LL, WW, TWO, QUARTER, INT },
	{ 2, 0x32, 0x32, P66, LL, WW, TWO, EIGHTH, INT },
	{ 2, 0x33, 0x33, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x34, 0x34, P66, LL, WW, TWO, QUARTER, INT },
	{ 2, 0x35, 0x35, P66, LL, WW, TWO, HALF, INT },
	{ 2, 0x36, 0x36, P66, L1, W0, 0, VL, AVX2 },
	{ 2, 0x37, 0x40, P66, LL, WW, 0, VL, INT },
	{ 2, 0x41, 0x41, P66, L0, WW, TWO, VL, AVX },
	{ 2, 0x45, 0x45, P66, LL, WW, 0, VL, AVX2 },
	{ 2, 0x46, 0x46, P66, LL, W0, 0, VL, AVX2 },
	{ 2, 0x47, 0x47, P66, LL, WW, 0, VL, AVX2 },
	{ 2, 0x58, 0x58, P66, LL, W0, TWO, 4, AVX2 },
	{ 2, 0x59, 0x59, P66, LL, W0, TWO, 8, AVX2 },
	{ 2, 0x78, 0x78, P66, LL, W0, TWO, 1, AVX2 },
	{ 2, 0x79, 0x79, P66, LL, W0, TWO, 2, AVX2 },
	{ 2, 0x96, 0x98, P66, LL, WW, FP, VL, FMA },
	{ 2, 0x99, 0x99, P66, LL, WW, FP | LIG | BY_W, 4, FMA },
	{ 2, 0x9a, 0x9a, P66, LL, WW, FP, VL, FMA },
	{ 2, 0x9b, 0x9b, P66, LL, WW, FP | LIG | BY_W, 4, FMA },
	{ 2, 0x9c, 0x9c, P66, LL, WW, FP, VL, FMA },
	{ 2, 0x9d, 0x9d, P66, LL, WW, FP | LIG | BY_W, 4, FMA },
	{ 2, 0x9e, 0x9e, P66, LL, WW, FP, VL, FMA },
	{ 2, 0x9f, 0x9f, P66, LL, WW, FP | LIG | BY_W, 4, FMA },
	{ 2, 0xdb, 0xdb, P66, L0, WW, TWO, VL, AES },
	{ 2, 0xdc, 0xdf, P66, L0, WW, 0, VL, AES },
	{ 2, 0xdc, 0xdf, P66, L1, WW, 0, VL, VAES },
};

static bool fits(const struct vex_row *row, const struct emul_insn *in)
{
	u8 op = in->opcode;

	/* The three orders of FMA's operands are 10h from each other. */
	if (row->feature == FMA && op >= 0xa6 && op <= 0xbf)
		op = (op & 0xf) | 0x90;
	return row->map == in->map && op >= row->first && op <= row->last &&
	       row->pp >> in->pp & 1 && row->l >> in->vl & 1;
}

static const struct vex_row *find_row(const struct emul_insn *in)
{
	const struct vex_row *row;

	if (in->vl > 1)
		return NULL;
	for (row = rows; row < rows + ARRAY_SIZE(rows); row++)
		if (fits(row, in))
			return row;
	return NULL;
}

static bool offered(const struct umbra_emul *e, const struct emul_insn *in,
		    const struct vex_row *row)
{
	u64 need = row->feature;

	if (need == INT)
		need = in->vl ? AVX2 : AVX;
	if (row->form & REG2 && in->mod == 3)
		need = AVX2;
	return (e->features & need) == need;
}

static unsigned int bytes_of(const struct vex_row *row, const struct emul_insn *in)
{
	unsigned int len = 16 << in->vl;

	if (row->form & BY_W && in->vec_w)
		return 8;
	switch (row->bytes) {
	case VL:
		return len;
	case HALF:
		return len / 2;
	case QUARTER:
		return len / 4;
	case EIGHTH:
		return len / 8;
	}
	return row->bytes;
}

static const u8 *stub_of(const struct vex_row *row, const struct emul_insn *in)
{
	unsigned int l = row->form & LIG ? 0 : in->vl, w = in->vec_w, n;

	if (in->map == 2)
		return emul_stubs_vex_38 + ((w * 2 + l) * 0xe0 + in->opcode) * EMUL_STUB_SIZE;
	n = in->pp * 2 + l;
	if (in->opcode == 0xc2)
		return emul_stubs_vex_cmp + (n * 32 + (in->src2.val & 31)) * EMUL_STUB_SIZE;
	return emul_stubs_vex_0f + (n * 0xf0 + in->opcode - 0x10) * EMUL_STUB_SIZE;
}

static int load_operands(struct umbra_emul *e, struct emul_insn *in, const struct vex_row *row,
			 struct emul_simd *s)
{
	int ret;

	ret = e->ops->xmm(e, in->dst.reg, s->a, 32, false);
	if (!ret && !(row->form & TWO))
		ret = e->ops->xmm(e, emul_vvvv(in), s->b, 32, false);
	if (ret)
		return ret;
	if (in->src.type != EMUL_OT_ADDR)
		return e->ops->xmm(e, in->src.reg, s->c, 32, false);
	return emul_read(e, in->mem.seg, in->mem.ea, s->c, bytes_of(row, in), 0);
}

static int run_row(struct umbra_emul *e, struct emul_insn *in)
{
	const struct vex_row *row = find_row(in);
	struct emul_simd s = { .gpr = 0 };
	u8 result[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (!(row->w >> in->vec_w & 1) || !offered(e, in, row) ||
	    (row->form & TWO && in->vvvv))
		return emul_ud(e);
	ret = load_operands(e, in, row, &s);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_VEX, stub_of(row, in), &s, row->form & FP);
	if (ret)
		return ret;
	if (row->form & FLAGS) {
		emul_simd_flags(e, &s);
		return UMBRA_EMUL_OK;
	}
	memcpy(result, s.a, 32);
	return e->ops->xmm(e, in->dst.reg, result, 64, true);
}

/* VZEROUPPER, VZEROALL */
static int zero_all(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n, count = in->mode == 64 ? 16 : 8, keep = in->vl ? 0 : 16;
	u8 buf[64];
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->vvvv)
		return emul_ud(e);
	for (n = 0; n < count; n++) {
		memset(buf, 0, sizeof(buf));
		ret = e->ops->xmm(e, n, buf, keep, false);
		if (!ret)
			ret = e->ops->xmm(e, n, buf, 64, true);
		if (ret)
			return ret;
	}
	return UMBRA_EMUL_OK;
}

/* VMOVSS, VMOVSD of registers: the rest comes from VEX.vvvv. */
static int merge_low(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int len = in->pp == EMUL_PP_F3 ? 4 : 8;
	bool store = in->opcode == 0x11;
	u8 low[16], buf[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (!ret)
		ret = e->ops->xmm(e, emul_vvvv(in), buf, 16, false);
	if (!ret)
		ret = e->ops->xmm(e, store ? in->reg : in->rm, low, len, false);
	if (ret)
		return ret;
	memcpy(buf, low, len);
	return e->ops->xmm(e, store ? in->rm : in->reg, buf, 64, true);
}

/* VMOVLPS, VMOVHPS, VMOVHLPS, VMOVLHPS and the PD forms, into a register */
static int merge_half(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int at = in->opcode == 0x16 ? 8 : 0;
	u8 src[16], buf[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->vl || (in->mod == 3 && in->pp != EMUL_PP_NONE))
		return emul_ud(e);
	ret = e->ops->xmm(e, emul_vvvv(in), buf, 16, false);
	if (!ret && in->mod == 3)
		ret = e->ops->xmm(e, in->rm, src, 16, false);
	else if (!ret)
		ret = emul_read(e, in->mem.seg, in->mem.ea, src + 8 - at, 8, 0);
	if (ret)
		return ret;
	memcpy(buf + at, src + 8 - at, 8);
	return e->ops->xmm(e, in->reg, buf, 64, true);
}

/* VBROADCASTF128, VBROADCASTI128: from memory only, so there is no stub. */
static int broadcast_half(struct umbra_emul *e, struct emul_insn *in)
{
	u8 buf[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->vl != 1 || in->vvvv || in->mod == 3 || in->vec_w ||
	    (in->opcode == 0x5a && !(e->features & AVX2)))
		return emul_ud(e);
	ret = emul_read(e, in->mem.seg, in->mem.ea, buf, 16, 0);
	if (ret)
		return ret;
	memcpy(buf + 16, buf, 16);
	return e->ops->xmm(e, in->reg, buf, 64, true);
}

/* VLDMXCSR and VSTMXCSR are the legacy forms behind the checks of VEX. */
static int load_mxcsr(struct umbra_emul *e, struct emul_insn *in)
{
	int ret = emul_vec_check(e, in);

	if (!ret && (in->vl || in->vvvv))
		ret = emul_ud(e);
	return ret ? ret : emul_op_ldmxcsr(e, in);
}

static int store_mxcsr(struct umbra_emul *e, struct emul_insn *in)
{
	int ret = emul_vec_check(e, in);

	if (!ret && (in->vl || in->vvvv))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_op_stmxcsr(e, in);
	return ret ? ret : emul_write(e, in->mem.seg, in->mem.ea, &in->dst.val, 4);
}

static emul_handler *control_word(const struct emul_insn *in)
{
	unsigned int op = in->modrm >> 3 & 7;

	if (in->pp != EMUL_PP_NONE || in->mod == 3)
		return NULL;
	return op == 2 ? load_mxcsr : op == 3 ? store_mxcsr : NULL;
}

/**
 * emul_vex_handler() - who executes a VEX row without a handler
 * @in: the instruction
 *
 * Return: the handler, or NULL when nobody does.
 */
emul_handler *emul_vex_handler(const struct emul_insn *in)
{
	if (in->map == 1) {
		switch (in->opcode) {
		case 0x10:
		case 0x11:
			return in->pp >= EMUL_PP_F3 || in->mod != 3 ? merge_low : NULL;
		case 0x12:
		case 0x16:
			if (in->pp <= EMUL_PP_66)
				return merge_half;
			break;
		case 0xae:
			return control_word(in);
		case 0x77:
			return in->pp == EMUL_PP_NONE ? zero_all : NULL;
		}
	}
	if (in->map == 2 && (in->opcode == 0x1a || in->opcode == 0x5a))
		return in->pp == EMUL_PP_66 ? broadcast_half : NULL;
	return find_row(in) ? run_row : NULL;
}
