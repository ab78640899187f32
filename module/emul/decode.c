// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: instruction decoder
 *
 * Bytes to struct emul_insn, by direct table look-up and without looking at
 * any register: the same bytes in the same mode always give the same result,
 * so that a translator can keep it.
 *
 *   [prefixes] [REX | VEX | XOP | EVEX] [0F [38|3A]] opcode
 *   [ModRM [SIB] [disp]] [imm]              SDM Vol. 2A, 2.1; at most 15 bytes
 *
 * Which encodings exist is in decode_tables.c (one-byte and 0F maps),
 * decode_sse.c (0F38, 0F3A) and decode_ext.c (VEX, XOP, EVEX).  Privilege,
 * CPUID features and LOCK are judged by emulate.c.
 */
#include "emul_internal.h"

/* Where the decoder stands in the bytes. */
struct cursor {
	const u8 *buf;
	unsigned int len;	/* bytes there are */
	unsigned int pos;
	unsigned int flags;	/* EMUL_DECODE_* */
};

/* What a byte in front of the opcode is; 0: an opcode. */
enum {
	PFX_NONE, PFX_SEG, PFX_OSZ, PFX_ASZ, PFX_LOCK, PFX_REP, PFX_REX,
};

static const u8 prefix_kind[256] = {
	[0x26] = PFX_SEG, [0x2e] = PFX_SEG, [0x36] = PFX_SEG, [0x3e] = PFX_SEG,
	[0x40 ... 0x4f] = PFX_REX,
	[0x64] = PFX_SEG, [0x65] = PFX_SEG,
	[0x66] = PFX_OSZ, [0x67] = PFX_ASZ,
	[0xf0] = PFX_LOCK, [0xf2] = PFX_REP, [0xf3] = PFX_REP,
};

/*
 * Running out of bytes: with all 15 there the instruction is too long, which
 * is #GP; with fewer, the caller may come back with more.
 */
static int short_of(const struct cursor *c, unsigned int n)
{
	if (c->pos + n > UMBRA_INSN_MAX)
		return -E2BIG;
	return c->pos + n > c->len ? -ENODATA : 0;
}

static int take_u8(struct cursor *c, u8 *out)
{
	int ret = short_of(c, 1);

	if (!ret)
		*out = c->buf[c->pos++];
	return ret;
}

/* Little-endian number of @n bytes, sign-extended. */
static int take_num(struct cursor *c, unsigned int n, u64 *out)
{
	unsigned int i;
	u64 v = 0;
	int ret = short_of(c, n);

	if (ret)
		return ret;
	for (i = 0; i < n; i++)
		v |= (u64)c->buf[c->pos + i] << (8 * i);
	c->pos += n;
	*out = n == 8 ? v : (u64)((s64)(v << (64 - 8 * n)) >> (64 - 8 * n));
	return 0;
}

static u8 seg_of_prefix(u8 b)
{
	if (b >= 0x64)
		return b == 0x64 ? UMBRA_FS : UMBRA_GS;
	return UMBRA_ES + (b - 0x26) / 8;
}

/* In 64-bit mode ES, CS, SS and DS overrides are ignored (SDM Vol. 1, 3.3.7). */
static void note_seg(struct emul_insn *in, u8 b)
{
	u8 seg = seg_of_prefix(b);

	if (in->mode != 64 || seg >= UMBRA_FS)
		in->seg = seg;
}

/*
 * Prefixes up to the first opcode byte, which is left in @op.  A REX prefix
 * counts only where it is the last (SDM Vol. 2A, 2.2.1).
 */
static int take_prefixes(struct cursor *c, struct emul_insn *in, u8 *op)
{
	int ret;
	u8 b;

	for (;;) {
		ret = take_u8(c, &b);
		if (ret)
			return ret;
		switch (prefix_kind[b]) {
		case PFX_SEG:
			note_seg(in, b);
			break;
		case PFX_OSZ:
			in->osz = true;
			break;
		case PFX_ASZ:
			in->asz = true;
			break;
		case PFX_LOCK:
			in->lock = true;
			break;
		case PFX_REP:
			in->rep = b;
			break;
		case PFX_REX:
			if (in->mode != 64) {
				*op = b;
				return 0;
			}
			in->rex = b & 0xf;
			in->has_rex = true;
			continue;
		default:
			*op = b;
			return 0;
		}
		in->rex = 0;
		in->has_rex = false;
	}
}

static void settle_pp(struct emul_insn *in)
{
	if (in->rep)
		in->pp = in->rep == 0xf3 ? EMUL_PP_F3 : EMUL_PP_F2;
	else
		in->pp = in->osz ? EMUL_PP_66 : EMUL_PP_NONE;
}

/* VEX, XOP and EVEX exclude these prefixes (SDM Vol. 2A, 2.3.2-2.3.4, 2.7.11). */
static bool ext_prefix_clash(const struct emul_insn *in)
{
	return in->lock || in->rep || in->osz || in->has_rex;
}

static void set_ext_rex(struct emul_insn *in, u8 inv_rxb, u8 w)
{
	/* outside 64-bit mode the register bits are fixed and general registers have no W */
	in->vec_w = w;
	if (in->mode == 64)
		in->rex = (~inv_rxb & 7) | (w ? EMUL_REX_W : 0);
}

/*
 *   C5  R vvvv L pp                       VEX, two bytes
 */
static int take_vex2(struct cursor *c, struct emul_insn *in)
{
	u8 b;
	int ret = take_u8(c, &b);

	if (ret)
		return ret;
	in->enc = EMUL_ENC_VEX;
	in->map = 1;
	set_ext_rex(in, (b >> 7) << 2 | 3, 0);
	in->vvvv = ~(b >> 3) & 0xf;
	in->vl = (b >> 2) & 1;
	in->pp = b & 3;
	return 0;
}

/*
 *   C4  R X B mmmmm  W vvvv L pp          VEX, three bytes; 8F: XOP
 */
static int take_vex3(struct cursor *c, struct emul_insn *in, u8 enc)
{
	int ret;
	u8 b1, b2;

	ret = take_u8(c, &b1);
	if (ret)
		return ret;
	ret = take_u8(c, &b2);
	if (ret)
		return ret;
	in->enc = enc;
	in->map = b1 & 0x1f;
	set_ext_rex(in, b1 >> 5, b2 >> 7);
	in->vvvv = ~(b2 >> 3) & 0xf;
	in->vl = (b2 >> 2) & 1;
	in->pp = b2 & 3;
	if (enc == EMUL_ENC_VEX)
		return in->map >= 1 && in->map <= 3 ? 0 : -EINVAL;
	return in->map >= 8 && in->map <= 10 ? 0 : -EINVAL;
}

/*
 *   62  R X B R' 0 mmm   W vvvv 1 pp   z L'L b V' aaa      EVEX
 */
static int take_evex(struct cursor *c, struct emul_insn *in)
{
	u8 b[3];
	unsigned int i;
	int ret;

	for (i = 0; i < 3; i++) {
		ret = take_u8(c, &b[i]);
		if (ret)
			return ret;
	}
	in->enc = EMUL_ENC_EVEX;
	in->map = b[0] & 7;
	set_ext_rex(in, b[0] >> 5, b[1] >> 7);
	in->evex_r = in->mode == 64 && !(b[0] & 0x10);
	in->vvvv = ~(b[1] >> 3) & 0xf;
	if (in->mode == 64 && !(b[2] & 8))
		in->vvvv |= 0x10;
	in->pp = b[1] & 3;
	in->vl = (b[2] >> 5) & 3;
	in->evex_b = b[2] & 0x10;
	in->evex_z = b[2] & 0x80;
	in->aaa = b[2] & 7;
	if ((b[0] & 8) || !(b[1] & 4))
		return -EINVAL;
	return in->map && in->map != 4 && in->map != 7 ? 0 : -EINVAL;
}

/*
 * C4, C5 and 62 are LES, LDS and BOUND outside 64-bit mode unless the next
 * byte would be a ModRM with mod 3; 8F is POP unless the field that is ModRM.reg
 * there is not 0.  Return: 1 it is an extended encoding, 0 not, or -errno.
 */
static int take_ext(struct cursor *c, struct emul_insn *in, u8 op)
{
	int ret;

	ret = short_of(c, 1);
	if (ret)
		return ret;
	if (op == 0x8f ? (c->buf[c->pos] & 0x1f) < 8 :
	    in->mode != 64 && (c->buf[c->pos] & 0xc0) != 0xc0)
		return 0;
	if (ext_prefix_clash(in))
		return -EINVAL;
	if (op == 0xc5)
		ret = take_vex2(c, in);
	else if (op == 0x62)
		ret = take_evex(c, in);
	else
		ret = take_vex3(c, in, op == 0xc4 ? EMUL_ENC_VEX :
							EMUL_ENC_XOP);
	if (ret)
		return ret;
	ret = take_u8(c, &in->opcode);
	if (ret)
		return ret;
	in->op = emul_ext_row(in);
	return in->op ? 1 : -EINVAL;
}

static int take_escape(struct cursor *c, struct emul_insn *in)
{
	int ret;

	ret = take_u8(c, &in->opcode);
	if (ret)
		return ret;
	if (in->opcode != 0x38 && in->opcode != 0x3a) {
		in->map = 2;
		in->op = &emul_map_0f[in->opcode];
		return 0;
	}
	in->map = in->opcode == 0x38 ? 3 : 4;
	ret = take_u8(c, &in->opcode);
	if (ret)
		return ret;
	in->op = in->map == 3 ? &emul_map_0f38[in->opcode] :
				&emul_map_0f3a[in->opcode];
	return 0;
}

static int take_opcode(struct cursor *c, struct emul_insn *in)
{
	int ret;
	u8 b;

	ret = take_prefixes(c, in, &b);
	if (ret)
		return ret;
	settle_pp(in);
	if (b == 0x0f)
		return take_escape(c, in);
	if (b == 0xc4 || b == 0xc5 || b == 0x62 || b == 0x8f) {
		ret = take_ext(c, in, b);
		if (ret)
			return ret < 0 ? ret : 0;
	}
	in->map = 1;
	in->opcode = b;
	in->op = &emul_map_1[b];
	return 0;
}

/* Follow sub-tables; those by ModRM need its byte, which is looked at only. */
static int resolve(struct cursor *c, struct emul_insn *in)
{
	const struct emul_opcode *op = in->op;
	u32 kind;
	u8 m;
	int ret;

	for (kind = op->flags & OPF_SUB; kind; kind = op->flags & OPF_SUB) {
		m = 0;
		if (kind != OPF_SUB_PP && kind != OPF_SUB_MODE &&
		    kind != OPF_SUB_W) {
			ret = short_of(c, 1);
			if (ret)
				return ret;
			m = c->buf[c->pos];
		}
		switch (kind) {
		case OPF_SUB_REG:
			op = &op->sub[(m >> 3) & 7];
			break;
		case OPF_SUB_PP:
			op = &op->sub[in->pp];
			break;
		case OPF_SUB_MOD:
			op = &op->sub[m >= 0xc0];
			break;
		case OPF_SUB_RM:
			op = &op->sub[m & 7];
			break;
		case OPF_SUB_MODE:
			op = &op->sub[in->mode == 64];
			break;
		default:
			op = &op->sub[!!(in->rex & EMUL_REX_W)];
			break;
		}
	}
	in->op = op;
	return 0;
}

/* Rules that depend on prefixes and mode only. */
static bool row_allows(const struct emul_insn *in)
{
	u32 f = in->op->flags;

	if (!(f & OPF_VALID))
		return false;
	if (in->mode == 64 ? f & OPF_NO64 : f & OPF_ONLY64)
		return false;
	if ((f & OPF_PP) && !(f & (1u << (OPF_PP_SHIFT + in->pp))))
		return false;
	if (in->enc == EMUL_ENC_LEGACY)
		return true;
	if (((f & OPF_L0) && in->vl) || ((f & OPF_L1) && in->vl != 1))
		return false;
	if (((f & OPF_W0) && (in->rex & EMUL_REX_W)) ||
	    ((f & OPF_W1) && !(in->rex & EMUL_REX_W)))
		return false;
	return (f & OPF_VVVV) || !in->vvvv;
}

static void settle_sizes(struct emul_insn *in)
{
	u32 f = in->op->flags;

	if (in->mode == 64) {
		in->adsize = in->asz ? 4 : 8;
		if ((f & OPF_F64) && !(in->amd && in->osz))
			in->opsize = 8;
		else if (in->rex & EMUL_REX_W)
			in->opsize = 8;
		else if (in->osz)
			in->opsize = 2;
		else
			in->opsize = f & (OPF_D64 | OPF_F64) ? 8 : 4;
	} else {
		bool def32 = in->mode == 32;

		in->opsize = def32 != in->osz ? 4 : 2;
		in->adsize = def32 != in->asz ? 4 : 2;
	}
}

/* 16-bit addressing forms (SDM Vol. 2A, table 2-1). */
static int take_mem16(struct cursor *c, struct emul_insn *in)
{
	static const u8 base[8] = {
		UMBRA_RBX, UMBRA_RBX, UMBRA_RBP, UMBRA_RBP,
		UMBRA_RSI, UMBRA_RDI, UMBRA_RBP, UMBRA_RBX,
	};
	static const u8 index[8] = {
		UMBRA_RSI, UMBRA_RDI, UMBRA_RSI, UMBRA_RDI,
		EMUL_NO_REG, EMUL_NO_REG, EMUL_NO_REG, EMUL_NO_REG,
	};
	unsigned int rm = in->modrm & 7;

	in->mem.base = base[rm];
	in->mem.index = index[rm];
	if (in->mod == 0 && rm == 6) {
		in->mem.base = EMUL_NO_REG;
		in->disp_len = 2;
	} else {
		in->disp_len = in->mod;
	}
	if (in->mem.base == UMBRA_RBP)
		in->mem.seg = UMBRA_SS;
	return 0;
}

static int take_sib(struct cursor *c, struct emul_insn *in)
{
	int ret;
	u8 sib;

	ret = take_u8(c, &sib);
	if (ret)
		return ret;
	in->mem.scale = sib >> 6;
	in->mem.index = ((sib >> 3) & 7) | (in->rex & EMUL_REX_X ? 8 : 0);
	if (in->mem.index == UMBRA_RSP && !(in->op->flags & OPF_VSIB))
		in->mem.index = EMUL_NO_REG;
	if ((sib & 7) == 5 && in->mod == 0) {
		in->mem.base = EMUL_NO_REG;
		in->disp_len = 4;
	} else {
		in->mem.base = (sib & 7) | (in->rex & EMUL_REX_B ? 8 : 0);
	}
	return 0;
}

static int take_mem32(struct cursor *c, struct emul_insn *in)
{
	unsigned int rm = in->modrm & 7;
	int ret;

	if (in->mod)
		in->disp_len = in->mod == 1 ? 1 : 4;
	if (rm == 4) {
		ret = take_sib(c, in);
		if (ret)
			return ret;
	} else if (in->op->flags & OPF_VSIB) {
		return -EINVAL;
	} else if (in->mod == 0 && rm == 5) {
		in->mem.base = in->mode == 64 ? EMUL_RIP_REG : EMUL_NO_REG;
		in->disp_len = 4;
	} else {
		in->mem.base = in->rm;
	}
	if (in->mem.base == UMBRA_RSP || in->mem.base == UMBRA_RBP)
		in->mem.seg = UMBRA_SS;
	return 0;
}

/* EVEX disp8 counts vectors (SDM Vol. 2A, 2.7.5); only full-vector rows run. */
static void scale_disp8(struct emul_insn *in)
{
	if (in->enc == EMUL_ENC_EVEX && in->disp_len == 1)
		in->mem.disp *= 16u << in->vl;
}

static int take_mem(struct cursor *c, struct emul_insn *in)
{
	int ret;

	in->mem.seg = UMBRA_DS;
	if (in->adsize == 2) {
		if (in->op->flags & OPF_VSIB)
			return -EINVAL;
		ret = take_mem16(c, in);
	} else {
		ret = take_mem32(c, in);
	}
	if (ret)
		return ret;
	if (in->seg != EMUL_NO_REG)
		in->mem.seg = in->seg;
	if (!in->disp_len)
		return 0;
	in->disp_off = c->pos;
	ret = take_num(c, in->disp_len, &in->mem.disp);
	scale_disp8(in);
	return ret;
}

static int take_modrm(struct cursor *c, struct emul_insn *in)
{
	u32 f = in->op->flags;
	int ret;

	in->modrm_off = c->pos;
	ret = take_u8(c, &in->modrm);
	if (ret)
		return ret;
	in->mod = f & OPF_MODFREE ? 3 : in->modrm >> 6;
	in->reg = ((in->modrm >> 3) & 7) | (in->rex & EMUL_REX_R ? 8 : 0);
	in->rm = (in->modrm & 7) | (in->rex & EMUL_REX_B ? 8 : 0);
	if (in->mod == 3)
		return f & OPF_MEM ? -EINVAL : 0;
	if (f & OPF_REG)
		return -EINVAL;
	return take_mem(c, in);
}

static unsigned int size_of(const struct emul_insn *in, u8 kind)
{
	bool wide = in->rex & EMUL_REX_W;

	switch (kind & 0xf) {
	case OPZ_B:
		return 1;
	case OPZ_W:
		return 2;
	case OPZ_D:
		return 4;
	case OPZ_Q:
	case OPZ_MM:
		return 8;
	case OPZ_V:
	case OPZ_SB:
	case OPZ_P:
		return in->opsize;
	case OPZ_Z:
		return in->opsize == 2 ? 2 : 4;
	case OPZ_Y:
		return wide ? 8 : 4;
	case OPZ_DQ:
		return 16;
	case OPZ_N:
		return in->mode == 64 ? 8 : 4;
	case OPZ_X:
		return 16 << in->vl;
	case OPZ_MW:
		return in->mod == 3 ? in->opsize : 2;
	}
	return 0;
}

static void set_gpr(const struct emul_insn *in, struct emul_operand *o, u8 reg)
{
	o->type = EMUL_OT_GPR;
	o->reg = reg;
	if (o->size == 1 && !in->has_rex && reg >= 4 && reg < 8 &&
	    in->enc == EMUL_ENC_LEGACY) {
		o->type = EMUL_OT_GPR_HIGH;
		o->reg = reg - 4;
	}
}

static int take_imm(struct cursor *c, struct emul_insn *in,
		    struct emul_operand *o, u8 kind)
{
	unsigned int n = o->size;
	u8 z = kind & 0xf;
	int ret;

	o->type = EMUL_OT_IMM;
	if (!in->imm_off)
		in->imm_off = c->pos;
	if (z == OPZ_SB || z == OPZ_B)
		n = 1;
	ret = take_num(c, n, &o->val);
	if (ret || z != OPZ_P)
		return ret;
	/* the selector of a far pointer goes where a third operand would */
	in->src2.type = EMUL_OT_IMM;
	in->src2.size = 2;
	ret = take_num(c, 2, &in->src2.val);
	in->src2.val &= 0xffff;
	return ret;
}

static int set_sreg(const struct emul_insn *in, struct emul_operand *o, u8 kind)
{
	o->type = EMUL_OT_SREG;
	o->size = 2;
	o->reg = kind & 0xf ? (kind & 0xf) - 1 : in->reg & 7;
	/* MOV cannot load CS */
	if (in->opcode == 0x8e && in->map == 1 && o->reg == UMBRA_CS)
		return -EINVAL;
	return o->reg > UMBRA_GS ? -EINVAL : 0;
}

/* CR1, CR5.. and DR8.. do not exist; LOCK MOV CR0 is AMD's name for CR8. */
static int set_creg(const struct emul_insn *in, struct emul_operand *o, bool cr)
{
	o->type = cr ? EMUL_OT_CR : EMUL_OT_DR;
	o->reg = in->reg;
	if (!cr)
		return in->reg > 7 ? -EINVAL : 0;
	if (in->lock && in->amd && in->reg == 0)
		o->reg = 8;
	return o->reg == 1 || (o->reg > 4 && o->reg != 8) ? -EINVAL : 0;
}

static void set_fixed(struct emul_operand *o, u8 kind)
{
	switch (kind & 0xf) {
	case 0:		/* the constant 1 */
		o->type = EMUL_OT_IMM;
		o->size = 1;
		o->val = 1;
		break;
	case OPZ_B:
		o->type = EMUL_OT_GPR;
		o->reg = UMBRA_RCX;
		break;
	default:
		o->type = EMUL_OT_GPR;
		o->reg = UMBRA_RDX;
		break;
	}
}

static void set_vec(const struct emul_insn *in, struct emul_operand *o, u8 kind)
{
	bool mmx = (kind & 0xf) == OPZ_MM;
	u8 reg;

	o->type = mmx ? EMUL_OT_MMX : EMUL_OT_VEC;
	if ((kind & 0xf0) == OPK_V) {
		reg = in->reg | (in->evex_r ? 16 : 0);
	} else {
		reg = in->rm;
		if (in->enc == EMUL_ENC_EVEX && (in->rex & EMUL_REX_X))
			reg |= 16;
	}
	o->reg = mmx ? reg & 7 : reg;
}

static int take_operand(struct cursor *c, struct emul_insn *in,
			struct emul_operand *o, u8 kind)
{
	o->size = size_of(in, kind);
	switch (kind & 0xf0) {
	case OPK_G:
		set_gpr(in, o, in->reg);
		return 0;
	case OPK_W:
		if (in->mod == 3) {
			set_vec(in, o, kind);
			return 0;
		}
		o->type = EMUL_OT_ADDR;
		return 0;
	case OPK_E:
		if (in->mod == 3) {
			set_gpr(in, o, in->rm);
			return 0;
		}
		o->type = EMUL_OT_MEM;
		return 0;
	case OPK_M:
		o->type = EMUL_OT_ADDR;
		return 0;
	case OPK_I:
	case OPK_J:
		return take_imm(c, in, o, kind);
	case OPK_A:
		o->type = EMUL_OT_GPR;
		o->reg = UMBRA_RAX;
		return 0;
	case OPK_Z:
		set_gpr(in, o, (in->opcode & 7) |
			(in->rex & EMUL_REX_B ? 8 : 0));
		return 0;
	case OPK_O:
		o->type = EMUL_OT_MEM;
		in->mem.seg = in->seg != EMUL_NO_REG ? in->seg : UMBRA_DS;
		in->disp_off = c->pos;
		in->disp_len = in->adsize;
		return take_num(c, in->adsize, &in->mem.disp);
	case OPK_S:
		return set_sreg(in, o, kind);
	case OPK_C:
	case OPK_D:
		return set_creg(in, o, (kind & 0xf0) == OPK_C);
	case OPK_X:
		set_fixed(o, kind);
		return 0;
	case OPK_V:
		set_vec(in, o, kind);
		return 0;
	case OPK_B:
		o->type = EMUL_OT_GPR;
		o->reg = in->vvvv & (in->mode == 64 ? 0xf : 7);
		return 0;
	}
	return 0;
}

static int take_operands(struct cursor *c, struct emul_insn *in)
{
	const u8 *kind = in->op->op;
	int ret;

	if (!kind[0])
		return 0;
	ret = take_operand(c, in, &in->dst, kind[0]);
	if (ret || !kind[1])
		return ret;
	ret = take_operand(c, in, &in->src, kind[1]);
	if (ret || !kind[2])
		return ret;
	return take_operand(c, in, &in->src2, kind[2]);
}

/**
 * emul_decode() - decode one instruction
 * @in: result; valid after 0, partly filled otherwise
 * @buf: code bytes
 * @len: how many there are
 * @mode: 16, 32 or 64
 * @flags: EMUL_DECODE_*
 *
 * Return: 0; -EINVAL: no such encoding (#UD); -ENODATA: @buf ends too early;
 * -E2BIG: longer than 15 bytes (#GP).
 */
int emul_decode(struct emul_insn *in, const u8 *buf, unsigned int len,
		unsigned int mode, unsigned int flags)
{
	struct cursor c = { .buf = buf, .len = len, .flags = flags };
	int ret;

	memset(in, 0, sizeof(*in));
	in->mode = mode;
	in->amd = flags & EMUL_DECODE_AMD;
	in->seg = EMUL_NO_REG;
	in->mem.base = EMUL_NO_REG;
	in->mem.index = EMUL_NO_REG;

	ret = take_opcode(&c, in);
	if (ret)
		return ret;
	ret = resolve(&c, in);
	if (ret)
		return ret;
	if (!row_allows(in))
		return -EINVAL;
	settle_sizes(in);
	if (in->op->flags & OPF_MODRM) {
		ret = take_modrm(&c, in);
		if (ret)
			return ret;
	}
	ret = take_operands(&c, in);
	if (ret)
		return ret;
	in->len = c.pos;
	if ((in->op->flags & OPF_CHECK) && !emul_row_exists(in))
		return -EINVAL;
	return 0;
}

/**
 * umbra_emul_insn_len() - length of the instruction in @buf
 * @buf: code bytes
 * @len: how many there are (1..15)
 * @mode: 16, 32 or 64, with UMBRA_EMUL_MODE_AMD
 *
 * Return: 1..15, or -EINVAL for an invalid encoding, -ENODATA when @buf ends
 * before the instruction does.
 */
int umbra_emul_insn_len(const u8 *buf, unsigned int len, unsigned int mode)
{
	struct emul_insn in;
	int ret;

	ret = emul_decode(&in, buf, len, mode & 0xff,
			  mode & UMBRA_EMUL_MODE_AMD ? EMUL_DECODE_AMD : 0);
	if (ret)
		return ret == -ENODATA ? ret : -EINVAL;
	return in.len;
}
