// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: dot products, sums of differences, half floats, SHA, Galois fields
 *
 * Each is executed by a stub with one immediate, and the rest of what an immediate can
 * say is done here, on operands or on the result (SDM Vol. 2, each instruction's
 * page): a product that is left out is one of zeros, a rounding is MXCSR's, the constant
 * of an affine transformation is added at the end.
 */
#include "simd_internal.h"

/* AMD's processors take an operand of SHA at any address. */
static int load_second(struct umbra_emul *e, struct emul_insn *in, struct emul_lanes *o, u64 feature)
{
	if (in->mod != 3 && feature == UMBRA_EMUL_F_SHA && (e->features & UMBRA_EMUL_F_AMD))
		return emul_read(e, in->mem.seg, in->mem.ea, o->b, 16, 0);
	return emul_vec_source(e, in, o->b, o->len);
}

/* Is it there?  Then the operands, that in VEX.vvvv or ModRM.reg first. */
static int begin(struct umbra_emul *e, struct emul_insn *in, struct emul_lanes *o, u64 feature,
		 u64 wide)
{
	const u64 vex = feature | UMBRA_EMUL_F_AVX;
	int ret = emul_lanes_begin(e, in, o, feature, vex, vex | wide);

	if (!ret)
		ret = e->ops->xmm(e, o->vex ? emul_vvvv(in) : in->reg, o->a, o->len, false);
	return ret ? ret : load_second(e, in, o, feature);
}

/* A legacy stub on each lane. */
static int each_lane(struct umbra_emul *e, struct emul_lanes *o, const u8 *stub)
{
	struct emul_simd s = { .gpr = 0 };
	unsigned int at;
	int ret = UMBRA_EMUL_OK;

	for (at = 0; at < o->len && !ret; at += 16) {
		memcpy(s.a, o->a + at, 16);
		memcpy(s.b, o->b + at, 16);
		memcpy(s.c, o->b + at, 16);
		ret = emul_simd_execute(e, EMUL_RUN_XMM, stub, &s, false);
		memcpy(o->a + at, s.a, 16);
	}
	return ret;
}

/* Exceptions of a product that are not masked: then there is no sum with exceptions of its own. */
static int multiply(struct umbra_emul *e, const struct emul_simd *operands, bool vex, bool wide,
		    bool doubles)
{
	unsigned int at = 0x59 - 0x10 + 0xf0 * (vex ? 2 * doubles + wide : doubles);
	struct emul_simd s = *operands;

	if (vex)
		return emul_simd_execute(e, EMUL_RUN_VEX, emul_stubs_vex_0f + at * EMUL_STUB_SIZE,
					 &s, true);
	return emul_simd_execute(e, EMUL_RUN_XMM, emul_stubs_0f + at * EMUL_STUB_SIZE, &s, true);
}

/* DPPS, DPPD: the upper half of the immediate chooses products, the lower one results. */
static int dot(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->opcode & 1 ? 8 : 4, which, i;
	struct emul_simd s = { .gpr = 0 };
	struct emul_lanes o;
	int ret;

	if (in->vl && size == 8)
		return emul_ud(e);
	ret = begin(e, in, &o, in->enc == EMUL_ENC_VEX ? 0 : UMBRA_EMUL_F_SSE41, 0);
	if (ret)
		return ret;
	for (i = 0; i < o.len / size; i++) {
		which = i & (16 / size - 1);
		if (o.imm >> (4 + which) & 1)
			continue;
		memset(o.a + size * i, 0, size);
		memset(o.b + size * i, 0, size);
	}
	memcpy(s.a, o.a, 32);
	memcpy(s.b, o.vex ? o.a : o.b, 32);
	memcpy(s.c, o.b, 32);
	ret = multiply(e, &s, o.vex, in->vl, size == 8);
	if (ret)
		return ret;
	if (o.vex)
		ret = emul_simd_execute(e, EMUL_RUN_VEX, emul_stubs_vex_3a +
					(size == 8 ? 2 : in->vl) * EMUL_STUB_SIZE, &s, true);
	else
		ret = emul_simd_execute(e, EMUL_RUN_XMM, emul_stubs_dot +
					(size == 8) * EMUL_STUB_SIZE, &s, true);
	if (ret)
		return ret;
	for (i = 0; i < o.len / size; i++)
		if (!(o.imm >> (i & (16 / size - 1)) & 1))
			memset(s.a + size * i, 0, size);
	return emul_vec_put(e, in, in->reg, s.a, o.len);
}

/* Eight sums of four differences each, from a byte on that moves along. */
static void sum_differences(u8 *to, const u8 *a, const u8 *b, u8 imm)
{
	unsigned int i, k;
	u8 result[16];

	a += imm & 4;
	b += 4 * (imm & 3);
	for (i = 0; i < 8; i++) {
		u16 sum = 0;

		for (k = 0; k < 4; k++)
			sum += a[i + k] > b[k] ? a[i + k] - b[k] : b[k] - a[i + k];
		memcpy(result + 2 * i, &sum, 2);
	}
	memcpy(to, result, 16);
}

/* MPSADBW */
static int differences(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes o;
	unsigned int at;
	int ret;

	ret = begin(e, in, &o, in->enc == EMUL_ENC_VEX ? 0 : UMBRA_EMUL_F_SSE41, UMBRA_EMUL_F_AVX2);
	if (ret)
		return ret;
	for (at = 0; at < o.len; at += 16)
		sum_differences(o.a + at, o.a + at, o.b + at, at ? o.imm >> 3 : o.imm);
	return emul_vec_put(e, in, in->reg, o.a, o.len);
}

/* VCVTPS2PH: half as many bytes, to a register or memory */
static int to_halves(struct umbra_emul *e, struct emul_insn *in)
{
	u8 imm = in->src2.val;
	struct emul_simd s = { .rounding = imm & 4 ? 0 : EMUL_ROUND | (imm & 3) };
	unsigned int len = 8 << in->vl;
	u8 before[512];
	int ret;

	if (!e->ops->fpu || !e->ops->xmm || !e->ops->fx || in->vl > 1)
		return emul_unhandled(e, "vector arithmetic");
	if (!(e->features & UMBRA_EMUL_F_F16C) || in->vec_w || in->vvvv)
		return emul_ud(e);
	ret = emul_vec_check(e, in);
	if (!ret)
		ret = e->ops->xmm(e, in->reg, s.c, 2 * len, false);
	if (!ret)
		ret = e->ops->fx(e, before, false);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_VEX,
					emul_stubs_vex_3a + (3 + in->vl) * EMUL_STUB_SIZE, &s, true);
	if (ret)
		return ret;
	if (in->mod == 3)
		return emul_vec_put(e, in, in->rm, s.a, len);
	ret = emul_write(e, in->mem.seg, in->mem.ea, s.a, len);
	/* The flags of a result that is not stored are not set either. */
	if (ret)
		e->ops->fx(e, before, true);
	return ret;
}

/* SHA1NEXTE, SHA1MSG1, SHA1MSG2, SHA256RNDS2, SHA256MSG1, SHA256MSG2, SHA1RNDS4 */
static int hash(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_simd s = { .gpr = 0 };
	bool rounds = in->map == 3 && in->opcode == 0xcb;
	struct emul_lanes o;
	const u8 *stub;
	int ret;

	ret = begin(e, in, &o, UMBRA_EMUL_F_SHA, 0);
	if (ret)
		return ret;
	if (in->map == 4)
		stub = emul_stubs_sha + (6 + (o.imm & 3)) * EMUL_STUB_SIZE;
	else
		stub = emul_stubs_sha + (in->opcode - 0xc8) * EMUL_STUB_SIZE;
	memcpy(s.a, o.a, 16);
	memcpy(s.b, o.b, 16);
	/* Its third operand is XMM0 always: there the stub expects it. */
	if (rounds) {
		memcpy(s.b, o.a, 16);
		memcpy(s.c, o.b, 16);
		ret = e->ops->xmm(e, 0, s.a, 16, false);
	}
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_XMM, stub, &s, false);
	return ret ? ret : emul_vec_put(e, in, in->reg, s.a, 16);
}

/* GF2P8MULB, GF2P8AFFINEQB, GF2P8AFFINEINVQB */
static int galois(struct umbra_emul *e, struct emul_insn *in)
{
	bool affine = emul_vec_map(in) == 4;
	struct emul_lanes o;
	unsigned int i;
	int ret;

	if (in->enc == EMUL_ENC_VEX && in->vec_w != affine)
		return emul_ud(e);
	ret = begin(e, in, &o, UMBRA_EMUL_F_GFNI, 0);
	if (!ret)
		ret = each_lane(e, &o, emul_stubs_galois +
				(affine ? in->opcode - 0xcd : 0) * EMUL_STUB_SIZE);
	if (ret)
		return ret;
	for (i = 0; i < o.len && affine; i++)
		o.a[i] ^= o.imm;
	return emul_vec_put(e, in, in->reg, o.a, o.len);
}

/**
 * emul_products_handler() - who executes one of this file's instructions
 * @in: the instruction, legacy or VEX
 *
 * Return: the handler, or NULL when it is not one of them.
 */
emul_handler *emul_products_handler(const struct emul_insn *in)
{
	unsigned int map = emul_vec_map(in);
	bool legacy = in->enc == EMUL_ENC_LEGACY;

	if (legacy && in->pp == EMUL_PP_NONE)
		return (map == 3 && in->opcode >= 0xc8 && in->opcode <= 0xcd) ||
		       (map == 4 && in->opcode == 0xcc) ? hash : NULL;
	if (in->pp != EMUL_PP_66)
		return NULL;
	if (map == 3)
		return in->opcode == 0xcf ? galois : NULL;
	if (map != 4)
		return NULL;
	switch (in->opcode) {
	case 0x1d:
		return legacy ? NULL : to_halves;
	case 0x40:
	case 0x41:
		return dot;
	case 0x42:
		return differences;
	case 0xce:
	case 0xcf:
		return galois;
	}
	return NULL;
}
