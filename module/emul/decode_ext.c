// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: opcode tables, VEX, XOP and EVEX
 *
 * Rows for what the emulator executes: BMI, and the vector loads and stores
 * that reach page tables and devices.  For the rest only the shape is known:
 * ModRM, vector SIB, immediate.  Whether such an encoding exists is left to the
 * processor that runs it, and to the tables of vex.c and evex.c.
 */
#include "rows_internal.h"

#define V	OPF_VVVV
#define L0	OPF_L0

static const struct emul_opcode plain = N(M | V, Vx, Wx);
static const struct emul_opcode plain_ib = N(M | V, Vx, Wx, Ib);
static const struct emul_opcode plain_id = N(M | V, Vx, OPK_I | OPZ_D);
static const struct emul_opcode vsib = N(MEM | V | OPF_VSIB, Vx, Wx);
static const struct emul_opcode vzero = N(V);

/* VMOVSS, VMOVSD: with a register they have three operands. */
static const struct emul_opcode movss_load[2] = {
	X(vmov_low, M, Vss, Wss), N(M | V, Vx, Wx),
};

static const struct emul_opcode movsd_load[2] = {
	X(vmov_low, M, Vq, Wq), N(M | V, Vx, Wx),
};

static const struct emul_opcode movss_store[2] = {
	X(vmov_low, M, Wss, Vss), N(M | V, Vx, Wx),
};

static const struct emul_opcode movsd_store[2] = {
	X(vmov_low, M, Wq, Vq), N(M | V, Vx, Wx),
};

/* Full-register moves: VEX.vvvv must be 1111. */
static const struct emul_opcode mov_load[4] = {
	X(vmov, M, Vx, Wx), X(vmov, M, Vx, Wx),
	T(MOD, movss_load), T(MOD, movsd_load),
};

static const struct emul_opcode mov_store[4] = {
	X(vmov, M, Wx, Vx), X(vmov, M, Wx, Vx),
	T(MOD, movss_store), T(MOD, movsd_store),
};

static const struct emul_opcode lddqu[4] = {
	N(M | V, Vx, Wx), N(M | V, Vx, Wx), N(M | V, Vx, Wx),
	[3] = X(vmov, MEM, Vx, Wx),
};

/* VMOVLPS, VMOVHPS and their PD forms, to memory. */
static const struct emul_opcode half_store[4] = {
	X(vmov_half, MEM | L0, Wq, Vq), X(vmov_half, MEM | L0, Wq, Vq),
};

static const struct emul_opcode mova_load[4] = {
	X(vmova, M, Vx, Wx), X(vmova, M, Vx, Wx),
};

static const struct emul_opcode mova_store[4] = {
	X(vmova, M, Wx, Vx), X(vmova, M, Wx, Vx),
};

static const struct emul_opcode movnt_store[4] = {
	X(vmova, MEM, Wx, Vx), X(vmova, MEM, Wx, Vx),
};

static const struct emul_opcode movdq_load[4] = {
	[1] = X(vmova, M, Vx, Wx), [2] = X(vmov, M, Vx, Wx),
	[3] = N(M | V, Vx, Wx),
};

static const struct emul_opcode movdq_store[4] = {
	[1] = X(vmova, M, Wx, Vx), [2] = X(vmov, M, Wx, Vx),
	[3] = N(M | V, Vx, Wx),
};

static const struct emul_opcode movntdq[4] = {
	[1] = X(vmova, MEM, Wx, Vx),
};

static const struct emul_opcode movd_to[4] = {
	[1] = X(movd_to, M | L0, Vx, Ey),
};

static const struct emul_opcode movd_from[4] = {
	[1] = X(movd_from, M | L0, Ey, Vx), [2] = X(vmovq, M | L0, Vq, Wq),
};

static const struct emul_opcode movq_store[4] = {
	[1] = X(vmovq, M | L0, Wq, Vq),
};

static const struct emul_opcode *vex1(u8 opcode)
{
	static const struct emul_opcode t10 = T(PP, mov_load);
	static const struct emul_opcode t11 = T(PP, mov_store);
	static const struct emul_opcode t28 = T(PP, mova_load);
	static const struct emul_opcode t29 = T(PP, mova_store);
	static const struct emul_opcode t2b = T(PP, movnt_store);
	static const struct emul_opcode t6e = T(PP, movd_to);
	static const struct emul_opcode t6f = T(PP, movdq_load);
	static const struct emul_opcode t7e = T(PP, movd_from);
	static const struct emul_opcode t7f = T(PP, movdq_store);
	static const struct emul_opcode td6 = T(PP, movq_store);
	static const struct emul_opcode te7 = T(PP, movntdq);
	static const struct emul_opcode tf0 = T(PP, lddqu);
	static const struct emul_opcode t13 = T(PP, half_store);

	switch (opcode) {
	case 0x10: return &t10;
	case 0x11: return &t11;
	case 0x13: case 0x17: return &t13;
	case 0x28: return &t28;
	case 0x29: return &t29;
	case 0x2b: return &t2b;
	case 0x6e: return &t6e;
	case 0x6f: return &t6f;
	case 0x7e: return &t7e;
	case 0x7f: return &t7f;
	case 0xd6: return &td6;
	case 0xe7: return &te7;
	case 0xf0: return &tf0;
	case 0x77: return &vzero;
	case 0x70 ... 0x73:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return &plain_ib;
	}
	return &plain;
}

static const struct emul_opcode grp17[8] = {
	[1] = XF(blsr, BMI1, M | V | L0 | PN | ST, By, Ey),
	[2] = XF(blsmsk, BMI1, M | V | L0 | PN | ST, By, Ey),
	[3] = XF(blsi, BMI1, M | V | L0 | PN | ST, By, Ey),
};

static const struct emul_opcode vex2_f5[4] = {
	XF(bzhi, BMI2, M | V | L0 | ST, Gy, Ey, By),
	[2] = XF(pext, BMI2, M | V | L0 | ST, Gy, By, Ey),
	[3] = XF(pdep, BMI2, M | V | L0 | ST, Gy, By, Ey),
};

static const struct emul_opcode vex2_f6[4] = {
	[3] = XF(mulx, BMI2, M | V | L0, Gy, By, Ey),
};

static const struct emul_opcode vex2_f7[4] = {
	XF(bextr, BMI1, M | V | L0 | ST, Gy, Ey, By),
	XF(shlx, BMI2, M | V | L0 | ST, Gy, Ey, By),
	XF(sarx, BMI2, M | V | L0 | ST, Gy, Ey, By),
	XF(shrx, BMI2, M | V | L0 | ST, Gy, Ey, By),
};

static const struct emul_opcode *vex2(u8 opcode)
{
	static const struct emul_opcode tf2 =
		XF(andn, BMI1, M | V | L0 | PN | ST, Gy, By, Ey);
	static const struct emul_opcode tf3 = T(REG, grp17);
	static const struct emul_opcode tf5 = T(PP, vex2_f5);
	static const struct emul_opcode tf6 = T(PP, vex2_f6);
	static const struct emul_opcode tf7 = T(PP, vex2_f7);
	static const struct emul_opcode t2a = X(vmova, MEM | P6, Vx, Wx);

	switch (opcode) {
	case 0x2a: return &t2a;
	case 0x90 ... 0x93: return &vsib;
	case 0xf2: return &tf2;
	case 0xf3: return &tf3;
	case 0xf5: return &tf5;
	case 0xf6: return &tf6;
	case 0xf7: return &tf7;
	}
	return &plain;
}

static const struct emul_opcode *vex3(u8 opcode)
{
	static const struct emul_opcode tf0 =
		XF(rorx, BMI2, M | L0 | P2 | ST, Gy, Ey, Ib);

	return opcode == 0xf0 ? &tf0 : &plain_ib;
}

/* Unmasked full-vector moves have rows; of everything else evex.c knows what exists. */
static const struct emul_opcode *evex(const struct emul_insn *in)
{
	bool simple = !in->aaa && !in->evex_b && !in->evex_z && !in->vvvv && in->vl < 3;

	if (in->map == 3)
		return &plain_ib;
	if (in->map == 2) {
		switch (in->opcode) {
		case 0x90 ... 0x93:
		case 0xa0 ... 0xa3:
		case 0xc6:
		case 0xc7:
			return &vsib;
		}
		return &plain;
	}
	if (in->map != 1)
		return &plain;
	switch (in->opcode) {
	case 0x70 ... 0x73:
	case 0xc2:
	case 0xc4 ... 0xc6:
		return &plain_ib;
	case 0x10: case 0x11:
		if (in->pp > EMUL_PP_66)
			return &plain;
		fallthrough;
	case 0x28: case 0x29: case 0x2b:
		return simple && in->vec_w == (in->pp == EMUL_PP_66) ? vex1(in->opcode) : &plain;
	case 0xe7:
		return simple && !in->vec_w ? vex1(in->opcode) : &plain;
	case 0x6f: case 0x7f:
		return simple ? vex1(in->opcode) : &plain;
	}
	return &plain;
}

/**
 * emul_ext_row() - the row of a VEX, XOP or EVEX opcode
 * @in: enc, map, opcode and prefix fields are set
 *
 * Return: the row, never NULL.
 */
const struct emul_opcode *emul_ext_row(const struct emul_insn *in)
{
	switch (in->enc) {
	case EMUL_ENC_VEX:
		if (in->map == 1)
			return vex1(in->opcode);
		return in->map == 2 ? vex2(in->opcode) : vex3(in->opcode);
	case EMUL_ENC_XOP:
		if (in->map == 8)
			return &plain_ib;
		return in->map == 9 ? &plain : &plain_id;
	}
	return evex(in);
}
