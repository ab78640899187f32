/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: how a row of the opcode tables is written
 *
 *   X(handler, flags, operands…)   executed by emul_op_handler()
 *   N(flags, operands…)            decoded only; stops the emulator
 *   T(REG, table)                  sub-table by ModRM.reg, PP, MOD, RM, MODE, W
 *
 * Operand names are those of SDM Vol. 2D, appendix A.2.  A row of zeroes is an
 * encoding that does not exist.
 */
#ifndef UMBRA_EMUL_ROWS_INTERNAL_H
#define UMBRA_EMUL_ROWS_INTERNAL_H

#include "emul_internal.h"

#define X(fn, fl, ...) \
	{ .exec = emul_op_##fn, .flags = OPF_VALID | (fl), .op = { __VA_ARGS__ } }
#define XF(fn, fe, fl, ...) \
	{ .exec = emul_op_##fn, .flags = OPF_VALID | (fl), \
	  .op = { __VA_ARGS__ }, .feat = 1 + FEAT_##fe }
#define N(fl, ...) \
	{ .flags = OPF_VALID | (fl), .op = { __VA_ARGS__ } }
#define T(kind, tab) \
	{ .sub = (tab), .flags = OPF_SUB_##kind }

/* Numbers of the UMBRA_EMUL_F_* bits. */
enum {
	FEAT_LM, FEAT_SYSCALL, FEAT_BMI1, FEAT_BMI2, FEAT_MOVBE, FEAT_FSGSBASE,
	FEAT_RDTSCP, FEAT_RDPID, FEAT_INVPCID, FEAT_CX16, FEAT_ADX, FEAT_SMAP,
	FEAT_AVX, FEAT_LZCNT, FEAT_POPCNT, FEAT_SERIALIZE, FEAT_AMD,
	FEAT_RDRAND, FEAT_RDSEED, FEAT_MOVDIR, FEAT_XGETBV1, FEAT_XSAVEOPT, FEAT_XSAVEC,
};

static_assert(UMBRA_EMUL_F_SERIALIZE == 1ull << FEAT_SERIALIZE);
static_assert(UMBRA_EMUL_F_XSAVEC == 1ull << FEAT_XSAVEC);

/* Short flag names. */
#define M	OPF_MODRM
#define ST	OPF_STORE
#define LD	OPF_LOAD
#define RMW	OPF_RMW
#define LK	OPF_LOCK
#define NO64	OPF_NO64
#define O64	OPF_ONLY64
#define D64	OPF_D64
#define F64	OPF_F64
#define PRIV	OPF_PRIV
#define PROT	OPF_PROT
#define MEM	(OPF_MODRM | OPF_MEM)
#define REG	(OPF_MODRM | OPF_REG)
#define PN	OPF_NP
#define P6	OPF_66
#define P3	OPF_F3
#define P2	OPF_F2
#define PALL	(PN | P6 | P3 | P2)

/* Operands. */
#define Eb	(OPK_E | OPZ_B)
#define Ew	(OPK_E | OPZ_W)
#define Ed	(OPK_E | OPZ_D)
#define Ev	(OPK_E | OPZ_V)
#define Ey	(OPK_E | OPZ_Y)
#define Emw	(OPK_E | OPZ_MW)
#define En	(OPK_E | OPZ_N)
#define Gb	(OPK_G | OPZ_B)
#define Gw	(OPK_G | OPZ_W)
#define Gd	(OPK_G | OPZ_D)
#define Gv	(OPK_G | OPZ_V)
#define Gy	(OPK_G | OPZ_Y)
#define By	(OPK_B | OPZ_Y)
#define Mm	(OPK_M | OPZ_V)
#define Mb	(OPK_M | OPZ_B)
#define Mp	(OPK_M | OPZ_P)
#define Ib	(OPK_I | OPZ_B)
#define Iw	(OPK_I | OPZ_W)
#define Iz	(OPK_I | OPZ_Z)
#define Iv	(OPK_I | OPZ_V)
#define Isb	(OPK_I | OPZ_SB)
#define Ap	(OPK_I | OPZ_P)
#define Jb	(OPK_J | OPZ_B)
#define Jz	(OPK_J | OPZ_Z)
#define Ob	(OPK_O | OPZ_B)
#define Ov	(OPK_O | OPZ_V)
#define Sw	OPK_S
#define SR(n)	(OPK_S | (UMBRA_##n + 1))
#define rAL	(OPK_A | OPZ_B)
#define rAX	(OPK_A | OPZ_V)
#define rAXz	(OPK_A | OPZ_Z)
#define rCL	(OPK_X | OPZ_B)
#define rDX	(OPK_X | OPZ_W)
#define one	OPK_X
#define Zb	(OPK_Z | OPZ_B)
#define Zv	(OPK_Z | OPZ_V)
#define Zy	(OPK_Z | OPZ_Y)
#define Cn	(OPK_C | OPZ_N)
#define Dn	(OPK_D | OPZ_N)
#define Vx	(OPK_V | OPZ_X)
#define Vq	(OPK_V | OPZ_Q)
#define Vss	(OPK_V | OPZ_D)
#define Wx	(OPK_W | OPZ_X)
#define Wq	(OPK_W | OPZ_Q)
#define Wss	(OPK_W | OPZ_D)
#define Pq	(OPK_V | OPZ_MM)
#define Qq	(OPK_W | OPZ_MM)

#endif
