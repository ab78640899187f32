// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: opcode tables, 0F38 and 0F3A maps; what rows cannot say
 *
 * SDM Vol. 2D appendix A, tables.  x87 and 3DNow! have further
 * opcodes in ModRM and in the immediate; their existence is a bit map here.
 */
#include "rows_internal.h"

#define S(pp)	N(M | (pp), Vx, Wx)
#define SI(pp)	N(M | (pp), Vx, Wx, Ib)

static const struct emul_opcode op_0f38f0[4] = {
	XF(movbe, MOVBE, MEM | ST, Gv, Ev), XF(movbe, MOVBE, MEM | ST, Gv, Ev),
	[3] = X(crc32, M | RMW, Gy, Eb),
};

static const struct emul_opcode op_0f38f1[4] = {
	XF(movbe, MOVBE, MEM | ST, Ev, Gv), XF(movbe, MOVBE, MEM | ST, Ev, Gv),
	[3] = X(crc32, M | RMW, Gy, Ev),
};

static const struct emul_opcode op_0f38f6[4] = {
	X(ud, MEM, Mm), XF(adcx, ADX, M | RMW, Gy, Ey),
	XF(adox, ADX, M | RMW, Gy, Ey),
};

static const struct emul_opcode op_0f38d8_f3[8] = {
	X(ud, MEM, Mm), X(ud, MEM, Mm), X(ud, MEM, Mm), X(ud, MEM, Mm),
};

static const struct emul_opcode op_0f38d8[4] = {
	[2] = T(REG, op_0f38d8_f3),
};

static const struct emul_opcode aes_or_kl[4] = {
	[1] = S(0), [2] = X(ud, MEM, Mm),
};

static const struct emul_opcode op_0f38dc[4] = {
	[1] = S(0), [2] = X(ud, M, Mm),
};

/* MOVDIR64B; ENQCMD and ENQCMDS are never offered. */
static const struct emul_opcode op_0f38f8[4] = {
	[1] = XF(movdir64b, MOVDIR, MEM, Gv, Mm),
	[2] = X(ud, MEM, Mm), [3] = X(ud, MEM, Mm),
};

const struct emul_opcode emul_map_0f38[256] = {
	[0x00 ... 0x0b] = S(PN | P6),
	[0x10] = S(P6),
	[0x14] = S(P6),
	[0x15] = S(P6),
	[0x17] = S(P6),
	[0x1c ... 0x1e] = S(PN | P6),
	[0x20 ... 0x25] = S(P6),
	[0x28] = S(P6),
	[0x29] = S(P6),
	[0x2a] = X(vmova, MEM | P6, Vx, Wx),
	[0x2b] = S(P6),
	[0x30 ... 0x35] = S(P6),
	[0x37] = S(P6),
	[0x38 ... 0x41] = S(P6),
	[0x80] = X(ud, MEM | P6, Mm),
	[0x81] = X(ud, MEM | P6, Mm),
	[0x82] = XF(invpcid, INVPCID, MEM | P6 | PRIV, OPK_G | OPZ_N, Mm),
	[0xc8 ... 0xcd] = S(PN),
	[0xcf] = S(P6),
	[0xd8] = T(PP, op_0f38d8),
	[0xdb] = S(P6),
	[0xdc] = T(PP, op_0f38dc),
	[0xdd] = T(PP, aes_or_kl),
	[0xde] = T(PP, aes_or_kl),
	[0xdf] = T(PP, aes_or_kl),
	[0xf0] = T(PP, op_0f38f0),
	[0xf1] = T(PP, op_0f38f1),
	[0xf5] = X(ud, MEM | P6, Mm),
	[0xf6] = T(PP, op_0f38f6),
	[0xf8] = T(PP, op_0f38f8),
	[0xf9] = XF(mov, MOVDIR, MEM | ST | PN, Ey, Gy),
	[0xfa] = X(ud, REG | P3),
	[0xfb] = X(ud, REG | P3),
};

static const struct emul_opcode op_0f3af0_rm[8] = { X(ud, REG | P3, Ib) };
static const struct emul_opcode op_0f3af0[8] = { T(RM, op_0f3af0_rm) };

const struct emul_opcode emul_map_0f3a[256] = {
	[0x08 ... 0x0e] = SI(P6),
	[0x0f] = SI(PN | P6),
	[0x14 ... 0x17] = SI(P6),
	[0x20 ... 0x22] = SI(P6),
	[0x40 ... 0x42] = SI(P6),
	[0x44] = SI(P6),
	[0x60 ... 0x63] = SI(P6),
	[0xcc] = SI(PN),
	[0xce] = SI(P6),
	[0xcf] = SI(P6),
	[0xdf] = SI(P6),
	[0xf0] = T(REG, op_0f3af0),
};

/* D8..DF: which ModRM.reg exist with memory, and which of C0..FF. */
static const struct {
	u8 mem;
	u64 reg;
} x87_rows[8] = {
	{ 0xff, 0xffffffffffffffffull },	/* D8 */
	{ 0xfd, 0xffff7f33ff01ffffull },	/* D9: D0; E0 E1 E4 E5; E8..EE */
	{ 0xff, 0x00000200ffffffffull },	/* DA: C0..DF; E9 */
	{ 0xaf, 0x00ffff1fffffffffull },	/* DB: C0..DF; E0..E4; E8..F7 */
	{ 0xff, 0xffffffffffffffffull },	/* DC */
	{ 0xdf, 0x0000ffffffffffffull },	/* DD: C0..EF */
	{ 0xff, 0xffffffff02ffffffull },	/* DE: C0..D7; D9; E0..FF */
	{ 0xff, 0x00ffff01ffffffffull },	/* DF: C0..DF; E0; E8..F7 */
};

/* 3DNow! operations, by immediate (APM Vol. 3, A.1.2). */
static bool is_3dnow(u8 op)
{
	switch (op) {
	case 0x0c: case 0x0d: case 0x1c: case 0x1d: case 0x8a: case 0x8e: case 0x90: case 0x94: case 0x96: case 0x97:
	case 0x9a: case 0x9e: case 0xa0: case 0xa4: case 0xa6: case 0xa7:
	case 0xaa: case 0xae: case 0xb0: case 0xb4: case 0xb6: case 0xb7:
	case 0xbb: case 0xbf:
		return true;
	}
	return false;
}

/**
 * emul_row_exists() - the last word on rows with OPF_CHECK
 * @in: fully decoded instruction
 *
 * Return: whether the encoding exists.
 */
bool emul_row_exists(const struct emul_insn *in)
{
	if (in->map == 2)
		return is_3dnow(in->src2.val & 0xff);
	if (in->mod != 3)
		return x87_rows[in->opcode & 7].mem >> ((in->modrm >> 3) & 7) & 1;
	return x87_rows[in->opcode & 7].reg >> (in->modrm & 0x3f) & 1;
}
