// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: opmask registers
 *
 * KMOV, KAND and their relatives (SDM Vol. 2A, K instructions).  The registers are a state
 * component of XSAVE, where the owner's image has them.  There are eight: processors ignore
 * the highest bit of VEX.vvvv, and VEX.R and B.
 */
#include "simd_internal.h"

#define COMPONENT_MASKS	5

static u8 *place(struct umbra_emul *e, unsigned int reg)
{
	struct umbra_xstate x;

	if (!e->ops->xstate || e->ops->xstate(e, &x) || !(x.features & BIT_ULL(COMPONENT_MASKS)))
		return NULL;
	return x.image + x.component[COMPONENT_MASKS].offset + 8 * reg;
}

/**
 * emul_mask_get() - read an opmask register
 * @e: the emulation
 * @reg: 0..7
 * @val: result
 *
 * Return: OK, or UNHANDLED when the owner has none.
 */
int emul_mask_get(struct umbra_emul *e, unsigned int reg, u64 *val)
{
	u8 *at = place(e, reg);

	if (!at)
		return emul_unhandled(e, "opmask registers");
	memcpy(val, at, 8);
	return UMBRA_EMUL_OK;
}

/**
 * emul_mask_put() - write an opmask register
 * @e: the emulation
 * @reg: 0..7
 * @val: value
 *
 * Return: as emul_mask_get().
 */
int emul_mask_put(struct umbra_emul *e, unsigned int reg, u64 val)
{
	u8 *at = place(e, reg);

	if (!at)
		return emul_unhandled(e, "opmask registers");
	memcpy(at, &val, 8);
	return UMBRA_EMUL_OK;
}

/* Bytes, by prefix and VEX.W. */
static unsigned int size_of(const struct emul_insn *in)
{
	static const u8 sizes[2][2] = { { 2, 1 }, { 8, 4 } };

	return sizes[in->vec_w][in->pp == EMUL_PP_66];
}

/* 90, 91: between an opmask register and another or memory */
static int move(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = size_of(in);
	u64 val = 0;
	int ret;

	ret = emul_evex_check(e, in);
	if (!ret && (in->vl || in->vvvv || in->pp > EMUL_PP_66 ||
		     (in->opcode == 0x91 && in->mod == 3)))
		ret = emul_ud(e);
	if (!ret && in->opcode == 0x91)
		ret = emul_mask_get(e, in->reg & 7, &val);
	if (ret)
		return ret;
	if (in->opcode == 0x91)
		return emul_write(e, in->mem.seg, in->mem.ea, &val, size);
	if (in->mod == 3)
		ret = emul_mask_get(e, in->rm & 7, &val);
	else
		ret = emul_read(e, in->mem.seg, in->mem.ea, &val, size, 0);
	return ret ? ret : emul_mask_put(e, in->reg & 7, val & emul_mask(size));
}

/* 92, 93: from and to a general register */
static int move_gpr(struct umbra_emul *e, struct emul_insn *in)
{
	bool f2 = in->pp == EMUL_PP_F2, to = in->opcode == 0x92;
	unsigned int size = !f2 ? (in->pp == EMUL_PP_66 ? 1 : 2) : in->vec_w ? 8 : 4;
	u64 val;
	int ret;

	ret = emul_evex_check(e, in);
	if (!ret && (in->vl || in->vvvv || in->mod != 3 || in->pp == EMUL_PP_F3 ||
		     (!f2 && in->vec_w)))
		ret = emul_ud(e);
	if (ret)
		return ret;
	if (to)
		return emul_mask_put(e, in->reg & 7, e->r.gpr[in->rm] & emul_mask(size));
	ret = emul_mask_get(e, in->rm & 7, &val);
	if (!ret)
		emul_gpr_set(e, in->reg, size == 8 ? 8 : 4, val & emul_mask(size));
	return ret;
}

static u64 combine(u8 op, u64 a, u64 b, unsigned int size)
{
	switch (op) {
	case 0x41:
		return a & b;
	case 0x42:
		return ~a & b;
	case 0x44:
		return ~b;
	case 0x45:
		return a | b;
	case 0x46:
		return ~(a ^ b);
	case 0x47:
		return a ^ b;
	case 0x4a:
		return a + b;
	}
	/* 4B: KUNPCK; @size is of the result */
	return (a & emul_mask(size / 2)) << 4 * size | (b & emul_mask(size / 2));
}

/* KAND, KANDN, KNOT, KOR, KXNOR, KXOR, KADD, KUNPCK */
static int logic(struct umbra_emul *e, struct emul_insn *in)
{
	bool one = in->opcode == 0x44, unpack = in->opcode == 0x4b;
	unsigned int size = size_of(in);
	u64 a, b;
	int ret;

	/* BW to WD to DQ */
	if (unpack)
		size = in->vec_w ? 8 : in->pp == EMUL_PP_66 ? 2 : 4;
	ret = emul_evex_check(e, in);
	if (!ret && (in->mod != 3 || in->pp > EMUL_PP_66 || in->vl == one ||
		     (one && in->vvvv) || (unpack && in->vec_w && in->pp)))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_mask_get(e, in->vvvv & 7, &a);
	if (!ret)
		ret = emul_mask_get(e, in->rm & 7, &b);
	return ret ? ret : emul_mask_put(e, in->reg & 7, combine(in->opcode, a, b, size) &
					 emul_mask(size));
}

/* KORTEST, KTEST */
static int test(struct umbra_emul *e, struct emul_insn *in)
{
	u64 a, b, m = emul_mask(size_of(in));
	bool zero, carry;
	int ret;

	ret = emul_evex_check(e, in);
	if (!ret && (in->mod != 3 || in->vl || in->vvvv || in->pp > EMUL_PP_66))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_mask_get(e, in->reg & 7, &a);
	if (!ret)
		ret = emul_mask_get(e, in->rm & 7, &b);
	if (ret)
		return ret;
	zero = in->opcode == 0x98 ? !((a | b) & m) : !(a & b & m);
	carry = in->opcode == 0x98 ? ((a | b) & m) == m : !(~a & b & m);
	e->r.rflags &= ~(u64)EMUL_FLAGS_STATUS;
	emul_flag_put(e, X86_EFLAGS_ZF, zero);
	emul_flag_put(e, X86_EFLAGS_CF, carry);
	return UMBRA_EMUL_OK;
}

/* KSHIFTR, KSHIFTL: 30 to 33 of map 0F3A */
static int shift(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = (in->opcode & 1 ? 4 : 1) << in->vec_w, by = in->src2.val & 0xff;
	u64 val;
	int ret;

	ret = emul_evex_check(e, in);
	if (!ret && (in->mod != 3 || in->vl || in->vvvv))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_mask_get(e, in->rm & 7, &val);
	if (ret)
		return ret;
	val &= emul_mask(size);
	if (by >= 8 * size)
		val = 0;
	else
		val = in->opcode >= 0x32 ? val << by : val >> by;
	return emul_mask_put(e, in->reg & 7, val & emul_mask(size));
}

/**
 * emul_opmask_handler() - who executes an instruction on opmask registers
 * @in: the instruction, VEX
 *
 * Return: the handler, or NULL when it is none.
 */
emul_handler *emul_opmask_handler(const struct emul_insn *in)
{
	if (in->enc != EMUL_ENC_VEX)
		return NULL;
	if (in->map == 3)
		return in->opcode >= 0x30 && in->opcode <= 0x33 && in->pp == EMUL_PP_66 ? shift :
											  NULL;
	if (in->map != 1)
		return NULL;
	switch (in->opcode) {
	case 0x41:
	case 0x42:
	case 0x44 ... 0x47:
	case 0x4a:
	case 0x4b:
		return logic;
	case 0x90:
	case 0x91:
		return move;
	case 0x92:
	case 0x93:
		return move_gpr;
	case 0x98:
	case 0x99:
		return test;
	}
	return NULL;
}
