// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the shape of an instruction
 *
 * The decoder's result without what only the emulator understands: the seam
 * through which the translator of the software engine sees the decoder.
 *
 * A translator decodes each instruction of a kernel once, and nearly all are plain: legacy
 * encodings of the one-byte and the 0F map that exist whatever their prefixes are.  For
 * those the lengths of the parts are all that there is to find out.  They are read off the
 * same rows, without operands being made of them; what is not plain, or may go wrong,
 * emul_decode() decides.
 */
#include "umbra/decode.h"

#include "emul_internal.h"

static_assert((int)UMBRA_ENC_VEX == (int)EMUL_ENC_VEX);
static_assert((int)UMBRA_ENC_XOP == (int)EMUL_ENC_XOP);
static_assert((int)UMBRA_ENC_EVEX == (int)EMUL_ENC_EVEX);
static_assert(UMBRA_REX_B == EMUL_REX_B && UMBRA_REX_X == EMUL_REX_X);
static_assert(UMBRA_REX_R == EMUL_REX_R && UMBRA_REX_W == EMUL_REX_W);
static_assert(UMBRA_NO_SEG == EMUL_NO_REG);

/* What a byte in front of the opcode is; 0: an opcode. */
enum {
	PFX_OSZ = BIT(0), PFX_ASZ = BIT(1), PFX_LOCK = BIT(2), PFX_REP = BIT(3),
	PFX_SEG = BIT(4), PFX_REX = BIT(5),
	PFX_NOTHING = BIT(6),	/* ES, CS, SS, DS: ignored (SDM Vol. 1, 3.3.7) */
};

static const u8 prefix_kind[256] = {
	[0x26] = PFX_NOTHING, [0x2e] = PFX_NOTHING, [0x36] = PFX_NOTHING, [0x3e] = PFX_NOTHING,
	[0x40 ... 0x4f] = PFX_REX,
	[0x64] = PFX_SEG, [0x65] = PFX_SEG,
	[0x66] = PFX_OSZ, [0x67] = PFX_ASZ,
	[0xf0] = PFX_LOCK, [0xf2] = PFX_REP, [0xf3] = PFX_REP,
};

/* The immediate that an operand is, if any; two of them, or IMM_ODD, are not plain. */
enum {
	IMM_BYTE = 1, IMM_WORD = 2, IMM_Z = 4, IMM_V = 8,
	IMM_ONE = 0x10,		/* the constant 1 */
	IMM_ODD = 0x20,
};

static const u8 imm_kind[256] = {
	[OPK_I | OPZ_B] = IMM_BYTE, [OPK_I | OPZ_SB] = IMM_BYTE, [OPK_J | OPZ_B] = IMM_BYTE,
	[OPK_I | OPZ_W] = IMM_WORD,
	[OPK_I | OPZ_Z] = IMM_Z, [OPK_J | OPZ_Z] = IMM_Z,
	[OPK_I | OPZ_V] = IMM_V,
	[OPK_I | OPZ_P] = IMM_ODD,
	[OPK_X] = IMM_ONE,
	/* absolute offsets; segment, control and debug registers, not all of which exist */
	[OPK_O ... OPK_X - 1] = IMM_ODD,
};

static_assert(OPK_O < OPK_S && OPK_S < OPK_C && OPK_C < OPK_D && OPK_D < OPK_X);

/* Prefixes of a plain instruction: what follows them is within UMBRA_INSN_MAX bytes then. */
#define PLAIN_PREFIXES	4

/* Rows with these flags, or without OPF_VALID, depend on more. */
#define NOT_PLAIN	(OPF_NO64 | OPF_SUB | OPF_PP | OPF_MODFREE | OPF_VSIB | OPF_CHECK)

/* Prefixes from @i on, other than one REX.  Return: where the opcode is, 0: not plain. */
static noinline unsigned int plain_prefixes(struct umbra_insn *insn, const u8 *buf, unsigned int i)
{
	unsigned int seen = 0;
	u8 kind;

	for (kind = prefix_kind[buf[i]]; kind; kind = prefix_kind[buf[++i]]) {
		if (i == PLAIN_PREFIXES)
			return 0;
		seen |= kind;
		/* It counts only where it is the last (SDM Vol. 2A, 2.2.1). */
		insn->rex = kind == PFX_REX ? buf[i] & 0xf : 0;
		if (kind == PFX_REP)
			insn->rep = buf[i];
		else if (kind == PFX_SEG)
			insn->seg = buf[i] == 0x64 ? UMBRA_FS : UMBRA_GS;
	}
	insn->osz = seen & PFX_OSZ;
	insn->asz = seen & PFX_ASZ;
	insn->lock = seen & PFX_LOCK;
	return i;
}

/* Prefixes and opcode; @pos behind it.  Return: its row, NULL: not plain. */
static const struct emul_opcode *plain_opcode(struct umbra_insn *insn, const u8 *buf,
					      unsigned int *pos)
{
	const struct emul_opcode *row;
	unsigned int i = 0;

	if (prefix_kind[buf[0]] == PFX_REX) {
		insn->rex = buf[0] & 0xf;
		i = 1;
	}
	if (prefix_kind[buf[i]]) {
		i = plain_prefixes(insn, buf, i);
		if (!i)
			return NULL;
	}
	insn->map = 1;
	row = emul_map_1;
	if (buf[i] == 0x0f) {
		i++;
		insn->map = 2;
		row = emul_map_0f;
	}
	insn->opcode = buf[i++];
	row += insn->opcode;
	if ((row->flags & OPF_SUB) == OPF_SUB_REG)
		row = &row->sub[buf[i] >> 3 & 7];
	*pos = i;
	return (row->flags & (NOT_PLAIN | OPF_VALID)) == OPF_VALID ? row : NULL;
}

/* ModRM and SIB; what displacement follows.  Return: false: not plain. */
static bool plain_modrm(struct umbra_insn *insn, const u8 *buf, unsigned int *pos, u32 flags)
{
	u8 m = buf[*pos], rm = m & 7;

	insn->has_modrm = true;
	insn->modrm = m;
	insn->modrm_off = (*pos)++;
	insn->mod = m >> 6;
	insn->reg = (m >> 3 & 7) | (insn->rex & UMBRA_REX_R ? 8 : 0);
	insn->rm = rm | (insn->rex & UMBRA_REX_B ? 8 : 0);
	if (insn->mod == 3)
		return !(flags & OPF_MEM);
	if (flags & OPF_REG)
		return false;
	/* SDM Vol. 2A, table 2-2 */
	insn->rip_relative = (m & 0xc7) == 5;
	if (rm == 4)
		rm = buf[(*pos)++] & 7;
	if (insn->mod)
		insn->disp_len = insn->mod == 1 ? 1 : 4;
	else if (rm == 5)
		insn->disp_len = 4;
	return true;
}

static u8 plain_opsize(const struct umbra_insn *insn, u32 flags)
{
	if (flags & OPF_F64 || insn->rex & UMBRA_REX_W)
		return 8;
	if (insn->osz)
		return 2;
	return flags & OPF_D64 ? 8 : 4;
}

/* Little-endian number of @n bytes, sign-extended. */
static u64 number_at(const u8 *at, unsigned int n)
{
	s32 v32;
	s16 v16;
	u64 v;

	switch (n) {
	case 1:
		return (s8)*at;
	case 2:
		memcpy(&v16, at, sizeof(v16));
		return v16;
	case 4:
		memcpy(&v32, at, sizeof(v32));
		return v32;
	}
	memcpy(&v, at, sizeof(v));
	return v;
}

/* Bytes of the immediate; too many for any instruction: not plain. */
static unsigned int plain_imm(struct umbra_insn *insn, const struct emul_opcode *row)
{
	switch (imm_kind[row->op[0]] | imm_kind[row->op[1]] | imm_kind[row->op[2]]) {
	case 0:
		return 0;
	case IMM_BYTE:
		return 1;
	case IMM_WORD:
		return 2;
	case IMM_Z:
		return insn->opsize == 2 ? 2 : 4;
	case IMM_V:
		return insn->opsize;
	case IMM_ONE:
		insn->imm = 1;
		return 0;
	}
	return UMBRA_INSN_MAX;
}

/* UMBRA_INSN_MAX bytes are there.  Return: false: not plain, @insn is garbage. */
static bool decode_plain(struct umbra_insn *insn, const u8 *buf)
{
	const struct emul_opcode *row;
	unsigned int pos, len, imm;

	/* All but what is set below in any case. */
	memset(insn, 0, offsetof(struct umbra_insn, disp));
	insn->disp = 0;
	insn->imm = 0;
	insn->rip_relative = false;
	insn->seg = UMBRA_NO_SEG;
	row = plain_opcode(insn, buf, &pos);
	if (!row)
		return false;
	insn->opsize = plain_opsize(insn, row->flags);
	if ((row->flags & OPF_MODRM) && !plain_modrm(insn, buf, &pos, row->flags))
		return false;
	imm = plain_imm(insn, row);
	len = pos + insn->disp_len + imm;
	if (len > UMBRA_INSN_MAX)
		return false;
	insn->len = len;
	if (insn->disp_len) {
		insn->disp_off = pos;
		insn->disp = number_at(buf + pos, insn->disp_len);
	}
	if (imm)
		insn->imm = number_at(buf + len - imm, imm);
	insn->undefined = row->exec == emul_op_ud;
	insn->privileged = row->flags & OPF_PRIV;
	return true;
}

static u64 first_imm(const struct emul_insn *in)
{
	if (in->dst.type == EMUL_OT_IMM)
		return in->dst.val;
	if (in->src.type == EMUL_OT_IMM)
		return in->src.val;
	return in->src2.type == EMUL_OT_IMM ? in->src2.val : 0;
}

static noinline int decode_any(struct umbra_insn *insn, const u8 *buf, unsigned int len)
{
	struct emul_insn in;
	int ret;

	ret = emul_decode(&in, buf, len, 64, 0);
	if (ret)
		return ret;
	*insn = (struct umbra_insn){
		.len = in.len,
		.enc = in.enc,
		.map = in.map,
		.opcode = in.opcode,
		.rep = in.rep,
		.osz = in.osz,
		.asz = in.asz,
		.lock = in.lock,
		.rex = in.rex,
		.seg = in.seg,
		.opsize = in.opsize,
		.has_modrm = in.op->flags & OPF_MODRM,
		.modrm = in.modrm,
		.mod = in.mod,
		.reg = in.reg,
		.rm = in.rm,
		.vvvv = in.vvvv,
		.modrm_off = in.modrm_off,
		.disp_off = in.disp_off,
		.disp_len = in.disp_len,
		.disp = in.mem.disp,
		.imm = first_imm(&in),
		.rip_relative = in.mem.base == EMUL_RIP_REG,
		.undefined = in.op->exec == emul_op_ud,
		.privileged = in.op->flags & OPF_PRIV,
	};
	return 0;
}

int umbra_insn_decode(struct umbra_insn *insn, const u8 *buf, unsigned int len)
{
	if (len >= UMBRA_INSN_MAX && decode_plain(insn, buf))
		return 0;
	return decode_any(insn, buf, len);
}
