// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: MMX by an immediate, 3DNow!, and between MMX and SSE
 *
 * Shifts, shuffles, insertion and extraction of MMX registers, which an immediate
 * keeps from being stubs' (lanes.c has them for SSE); conversions and moves between
 * the two kinds of registers; stores of the bytes that a mask chooses.  The first
 * access to an MMX register, not the instruction, turns x87 registers into MMX's: a
 * conversion from memory leaves them alone (SDM Vol. 2A, CVTPI2PD).
 */
#include "simd_internal.h"

static int begin(struct umbra_emul *e, u64 feature)
{
	if (!e->ops->fpu || !e->ops->xmm || !e->ops->fx)
		return emul_unhandled(e, "vector arithmetic");
	if ((e->features & feature) != feature || (e->r.cr0 & X86_CR0_EM))
		return emul_ud(e);
	return emul_fpu_check(e, false);
}

/* For instructions with a vector as well */
static int begin_both(struct umbra_emul *e)
{
	int ret = begin(e, 0);

	return ret ? ret : emul_fpu_check(e, true);
}

/* The operand in ModRM.rm */
static int source(struct umbra_emul *e, struct emul_insn *in, u64 *val)
{
	if (in->mod == 3)
		return emul_mmx_get(e, in->rm & 7, val);
	return emul_read(e, in->mem.seg, in->mem.ea, val, 8, 0);
}

/* PSHUFW */
static int shuffle(struct umbra_emul *e, struct emul_insn *in)
{
	u64 from, to = 0;
	unsigned int i;
	int ret;

	ret = begin(e, 0);
	if (!ret)
		ret = source(e, in, &from);
	if (ret)
		return ret;
	for (i = 0; i < 4; i++)
		to |= (from >> 16 * (in->src2.val >> 2 * i & 3) & 0xffff) << 16 * i;
	return emul_mmx_put(e, in->reg & 7, to);
}

/* A stub on a register and @b. */
static int binary(struct umbra_emul *e, unsigned int reg, const u8 *stub, u64 b)
{
	struct emul_simd s = { .gpr = 0 };
	u64 val;
	int ret = emul_mmx_get(e, reg, &val);

	if (ret)
		return ret;
	memcpy(s.a, &val, 8);
	memcpy(s.b, &b, 8);
	ret = emul_simd_execute(e, EMUL_RUN_MMX, stub, &s, false);
	if (ret)
		return ret;
	memcpy(&val, s.a, 8);
	return emul_mmx_put(e, reg, val);
}

/* 71, 72, 73: as in lanes.c, by the stub of the shift by a register */
static int shift(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int kind = in->modrm >> 3 & 7;
	unsigned int op = (kind == 2 ? 0xd0 : kind == 4 ? 0xe0 : 0xf0) + in->opcode - 0x70;
	int ret = begin(e, 0);

	return ret ? ret : binary(e, in->rm & 7, emul_stubs_0f + (op - 0x10) * EMUL_STUB_SIZE,
				  in->src.val & 0xff);
}

/* PINSRW */
static int insert_word(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int at = 16 * (in->src2.val & 3);
	u16 word = e->r.gpr[in->rm];
	u64 val;
	int ret;

	ret = begin(e, 0);
	if (!ret && in->mod != 3)
		ret = emul_read(e, in->mem.seg, in->mem.ea, &word, 2, 0);
	if (!ret)
		ret = emul_mmx_get(e, in->reg & 7, &val);
	if (ret)
		return ret;
	val = (val & ~(0xffffull << at)) | (u64)word << at;
	return emul_mmx_put(e, in->reg & 7, val);
}

/* PEXTRW, PMOVMSKB, to a general register */
static int extract(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int i;
	u32 result = 0;
	u64 val;
	int ret;

	ret = begin(e, 0);
	if (!ret)
		ret = emul_mmx_get(e, in->rm & 7, &val);
	if (ret)
		return ret;
	if (in->opcode == 0xc5)
		result = val >> 16 * (in->src2.val & 3) & 0xffff;
	for (i = 0; i < 8 && in->opcode == 0xd7; i++)
		result |= (val >> (8 * i + 7) & 1) << i;
	emul_gpr_set(e, in->reg, 4, result);
	return UMBRA_EMUL_OK;
}

/* PALIGNR */
static int align_right(struct umbra_emul *e, struct emul_insn *in)
{
	u8 both[24] = { 0 };
	u64 low, high;
	int ret;

	ret = begin(e, UMBRA_EMUL_F_SSSE3);
	if (!ret)
		ret = source(e, in, &low);
	if (!ret)
		ret = emul_mmx_get(e, in->reg & 7, &high);
	if (ret)
		return ret;
	memcpy(both, &low, 8);
	memcpy(both + 8, &high, 8);
	memcpy(&low, both + min_t(unsigned int, in->src2.val & 0xff, 16), 8);
	return emul_mmx_put(e, in->reg & 7, low);
}

/* CVTPI2PS, CVTPI2PD */
static int to_floats(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_simd s = { .gpr = 0 };
	u64 val;
	int ret;

	ret = begin_both(e);
	if (!ret)
		ret = source(e, in, &val);
	if (!ret)
		ret = e->ops->xmm(e, in->reg, s.a, 16, false);
	if (ret)
		return ret;
	memcpy(s.b, &val, 8);
	ret = emul_simd_execute(e, EMUL_RUN_XMM, emul_stubs_cvt_mmx + in->pp * EMUL_WIDE_STUB_SIZE,
				&s, true);
	return ret ? ret : e->ops->xmm(e, in->reg, s.a, 16, true);
}

/* CVTTPS2PI, CVTPS2PI, CVTTPD2PI, CVTPD2PI */
static int from_floats(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int which = 2 + (in->opcode - 0x2c) * 2 + in->pp;
	struct emul_simd s = { .gpr = 0 };
	u64 val;
	int ret;

	ret = begin_both(e);
	if (!ret)
		ret = emul_vec_source(e, in, s.b, in->pp == EMUL_PP_66 ? 16 : 8);
	/* #MF comes before what the conversion raises; x87 registers are MMX's even then. */
	if (!ret)
		ret = emul_mmx_get(e, in->reg & 7, &val);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_XMM,
					emul_stubs_cvt_mmx + which * EMUL_WIDE_STUB_SIZE, &s, true);
	if (ret)
		return ret;
	memcpy(&val, s.a, 8);
	return emul_mmx_put(e, in->reg & 7, val);
}

/* MOVQ2DQ */
static int to_vector(struct umbra_emul *e, struct emul_insn *in)
{
	u8 vec[16] = { 0 };
	u64 val;
	int ret;

	ret = begin_both(e);
	if (!ret)
		ret = emul_mmx_get(e, in->rm & 7, &val);
	if (ret)
		return ret;
	memcpy(vec, &val, 8);
	return e->ops->xmm(e, in->reg, vec, 16, true);
}

/* MOVDQ2Q */
static int from_vector(struct umbra_emul *e, struct emul_insn *in)
{
	u8 vec[16];
	u64 val;
	int ret;

	ret = begin_both(e);
	if (!ret)
		ret = e->ops->xmm(e, in->rm, vec, 16, false);
	if (ret)
		return ret;
	memcpy(&val, vec, 8);
	return emul_mmx_put(e, in->reg & 7, val);
}

/* 3DNow!: the operation is in the immediate (APM Vol. 3, A.1.2). */
static int three_d(struct umbra_emul *e, struct emul_insn *in)
{
	static const u8 ops[] = {
		0x0c, 0x0d, 0x1c, 0x1d, 0x8a, 0x8e, 0x90, 0x94, 0x96, 0x97, 0x9a, 0x9e,
		0xa0, 0xa4, 0xa6, 0xa7, 0xaa, 0xae, 0xb0, 0xb4, 0xb6, 0xb7, 0xbb, 0xbf,
	};
	u8 op = in->src2.val;
	bool later = op == 0x0c || op == 0x1c || op == 0x8a || op == 0x8e || op == 0xbb;
	unsigned int i = 0;
	u64 val;
	int ret;

	while (i < ARRAY_SIZE(ops) - 1 && ops[i] != op)
		i++;
	ret = begin(e, later ? UMBRA_EMUL_F_3DNOWEXT : UMBRA_EMUL_F_3DNOW);
	if (!ret)
		ret = source(e, in, &val);
	return ret ? ret : binary(e, in->reg & 7, emul_stubs_3dnow + i * EMUL_STUB_SIZE, val);
}

/* MASKMOVQ, MASKMOVDQU: bytes to DS:rDI, or another segment */
static int store_masked(struct umbra_emul *e, struct emul_insn *in)
{
	bool mmx = in->enc == EMUL_ENC_LEGACY && in->pp == EMUL_PP_NONE;
	u8 mask[16] = { 0 }, vec[16] = { 0 };
	u64 val = 0;
	int ret;

	ret = mmx ? begin(e, 0) : emul_vec_check(e, in);
	if (!ret && (in->vl || in->vvvv))
		ret = emul_ud(e);
	if (!ret && mmx) {
		ret = emul_mmx_get(e, in->rm & 7, &val);
		memcpy(mask, &val, 8);
	} else if (!ret) {
		ret = e->ops->xmm(e, in->rm, mask, 16, false);
	}
	if (!ret && mmx) {
		ret = emul_mmx_get(e, in->reg & 7, &val);
		memcpy(vec, &val, 8);
	} else if (!ret) {
		ret = e->ops->xmm(e, in->reg, vec, 16, false);
	}
	if (ret)
		return ret;
	in->mem.seg = in->seg != EMUL_NO_REG ? in->seg : UMBRA_DS;
	in->mem.ea = emul_gpr(e, UMBRA_RDI, in->adsize);
	return emul_vec_store(e, in, vec, mask, mmx ? 8 : 16, 1);
}

static emul_handler *in_0f(const struct emul_insn *in)
{
	bool none = in->pp == EMUL_PP_NONE;

	switch (in->opcode) {
	case 0x0f:
		return three_d;
	case 0x2a:
		return in->pp <= EMUL_PP_66 ? to_floats : NULL;
	case 0x2c:
	case 0x2d:
		return in->pp <= EMUL_PP_66 ? from_floats : NULL;
	case 0x70:
		return none ? shuffle : NULL;
	case 0x71 ... 0x73:
		return none ? shift : NULL;
	case 0xc4:
		return none ? insert_word : NULL;
	case 0xc5:
	case 0xd7:
		return none ? extract : NULL;
	case 0xd6:
		return in->pp == EMUL_PP_F3 ? to_vector : in->pp == EMUL_PP_F2 ? from_vector : NULL;
	case 0xf7:
		return in->pp <= EMUL_PP_66 ? store_masked : NULL;
	}
	return NULL;
}

/**
 * emul_mmx_handler() - who executes an instruction of MMX and an immediate, or of MMX and SSE
 * @in: the instruction, legacy or VEX
 *
 * Return: the handler, or NULL when it is not one of this file's.
 */
emul_handler *emul_mmx_handler(const struct emul_insn *in)
{
	if (in->enc == EMUL_ENC_VEX)
		return in->map == 1 && in->opcode == 0xf7 && in->pp == EMUL_PP_66 && in->mod == 3 ?
		       store_masked : NULL;
	if (in->map == 4)
		return in->opcode == 0x0f && in->pp == EMUL_PP_NONE ? align_right : NULL;
	return in->map == 2 ? in_0f(in) : NULL;
}
