// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: vector elements by an immediate
 *
 * Shuffles, blends, shifts by a constant, masks of signs, insertion and extraction: an
 * immediate cannot be a stub's, so these are done here, lane by lane, for SSE as
 * well as for VEX (SDM Vol. 2, each instruction's page).
 */
#include "simd_internal.h"

/**
 * emul_lanes_begin() - is the instruction there, and how long are its operands?
 * @e: the emulation
 * @in: the instruction, legacy or VEX
 * @l: filled, operands with zeros
 * @sse: features that it needs without VEX
 * @narrow: with VEX and 128 bits
 * @wide: with 256 bits
 *
 * Return: OK, FAULT or UNHANDLED.
 */
int emul_lanes_begin(struct umbra_emul *e, const struct emul_insn *in, struct emul_lanes *l,
		     u64 sse, u64 narrow, u64 wide)
{
	u64 need;

	memset(l, 0, sizeof(*l));
	l->vex = in->enc == EMUL_ENC_VEX;
	l->len = l->vex ? 16 << in->vl : 16;
	l->imm = in->src2.val;
	if (!e->ops->fpu || !e->ops->xmm || !e->ops->fx || in->vl > 1)
		return emul_unhandled(e, "vector arithmetic");
	need = !l->vex ? sse : in->vl ? wide : narrow;
	if ((e->features & need) != need)
		return emul_ud(e);
	return emul_vec_check(e, in);
}

static int begin(struct umbra_emul *e, const struct emul_insn *in, struct emul_lanes *l, u64 sse,
		 u64 wide)
{
	return emul_lanes_begin(e, in, l, sse, UMBRA_EMUL_F_AVX, wide);
}

static int load(struct umbra_emul *e, struct emul_insn *in, struct emul_lanes *l)
{
	int ret = e->ops->xmm(e, l->vex ? emul_vvvv(in) : in->reg, l->a, l->len, false);

	return ret ? ret : emul_vec_source(e, in, l->b, l->len);
}

static void shuffle(const struct emul_insn *in, unsigned int imm, u8 *a, const u8 *b)
{
	unsigned int i;
	u8 old[16];

	memcpy(old, a, 16);
	if (in->opcode == 0x70 && in->pp == EMUL_PP_66) {
		for (i = 0; i < 4; i++)
			memcpy(a + 4 * i, b + 4 * (imm >> 2 * i & 3), 4);
	} else if (in->opcode == 0x70) {
		unsigned int half = in->pp == EMUL_PP_F3 ? 8 : 0;

		memcpy(a, b, 16);
		for (i = 0; i < 4; i++)
			memcpy(a + half + 2 * i, b + half + 2 * (imm >> 2 * i & 3), 2);
	} else if (in->pp == EMUL_PP_66) {
		memcpy(a, old + 8 * (imm & 1), 8);
		memcpy(a + 8, b + 8 * (imm >> 1 & 1), 8);
	} else {
		for (i = 0; i < 4; i++)
			memcpy(a + 4 * i, (i < 2 ? old : b) + 4 * (imm >> 2 * i & 3), 4);
	}
}

/* PSHUFD, PSHUFLW, PSHUFHW */
static int shuffle_one(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes l;
	unsigned int at;
	int ret;

	ret = begin(e, in, &l, 0, UMBRA_EMUL_F_AVX2);
	if (!ret && l.vex && in->vvvv)
		ret = emul_ud(e);
	if (!ret)
		ret = emul_vec_source(e, in, l.b, l.len);
	if (ret)
		return ret;
	for (at = 0; at < l.len; at += 16)
		shuffle(in, l.imm, l.a + at, l.b + at);
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* SHUFPS, SHUFPD: the latter has bits of its own for the upper lane. */
static int shuffle_two(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes l;
	unsigned int at;
	int ret;

	ret = begin(e, in, &l, 0, UMBRA_EMUL_F_AVX);
	if (!ret)
		ret = load(e, in, &l);
	if (ret)
		return ret;
	for (at = 0; at < l.len; at += 16)
		shuffle(in, at && in->pp == EMUL_PP_66 ? l.imm >> 2 : l.imm, l.a + at, l.b + at);
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* PALIGNR: bytes of a:b from the immediate on */
static int align_right(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes l;
	unsigned int at;
	u8 both[48];
	int ret;

	ret = begin(e, in, &l, UMBRA_EMUL_F_SSSE3, UMBRA_EMUL_F_AVX2);
	if (!ret)
		ret = load(e, in, &l);
	if (ret)
		return ret;
	for (at = 0; at < l.len; at += 16) {
		memset(both, 0, sizeof(both));
		memcpy(both, l.b + at, 16);
		memcpy(both + 16, l.a + at, 16);
		memcpy(l.a + at, both + min_t(u8, l.imm, 32), 16);
	}
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* BLENDPS, BLENDPD, PBLENDW, VPBLENDD */
static int blend(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->opcode == 0x0d ? 8 : in->opcode == 0x0e ? 2 : 4, i;
	bool integer = in->opcode == 0x0e || in->opcode == 0x02;
	struct emul_lanes l;
	int ret;

	ret = begin(e, in, &l, UMBRA_EMUL_F_SSE41, integer ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (!ret && in->opcode == 0x02 &&
	    (in->vec_w || !(e->features & UMBRA_EMUL_F_AVX2)))
		ret = emul_ud(e);
	if (!ret)
		ret = load(e, in, &l);
	if (ret)
		return ret;
	for (i = 0; i < l.len / size; i++)
		if (l.imm >> (i & 7) & 1)
			memcpy(l.a + i * size, l.b + i * size, size);
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* BLENDVPS, BLENDVPD, PBLENDVB: by the signs of XMM0, of VEX of any register. */
static int blend_by_sign(struct umbra_emul *e, struct emul_insn *in)
{
	static const u8 sizes[] = { 1, 0, 0, 0, 4, 8 }, vex_sizes[] = { 4, 8, 1 };
	unsigned int size = in->enc == EMUL_ENC_VEX ? vex_sizes[in->opcode - 0x4a] :
			    sizes[in->opcode - 0x10];
	unsigned int mask = 0, i;
	struct emul_lanes l;
	u8 sign[32];
	int ret;

	ret = begin(e, in, &l, UMBRA_EMUL_F_SSE41, size == 1 ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (!ret && l.vex && in->vec_w)
		ret = emul_ud(e);
	if (!ret)
		ret = load(e, in, &l);
	if (l.vex)
		mask = l.imm >> 4 & (in->mode == 64 ? 15 : 7);
	if (!ret)
		ret = e->ops->xmm(e, mask, sign, l.len, false);
	if (ret)
		return ret;
	for (i = 0; i < l.len; i += size)
		if (sign[i + size - 1] >> 7)
			memcpy(l.a + i, l.b + i, size);
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* VPERMQ, VPERMPD, VPERMILPS, VPERMILPD */
static int permute(struct umbra_emul *e, struct emul_insn *in)
{
	bool across = in->opcode < 4;
	unsigned int size = in->opcode == 4 ? 4 : 8, i, from;
	struct emul_lanes l;
	int ret;

	ret = begin(e, in, &l, 0, across ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (ret)
		return ret;
	/* The SDM wants W set for VPERMQ; AMD's processors do not ask. */
	if (in->vvvv || (!across && in->vec_w) || (across && !in->vl))
		return emul_ud(e);
	ret = emul_vec_source(e, in, l.b, l.len);
	if (ret)
		return ret;
	for (i = 0; i < l.len / size; i++) {
		if (across)
			from = l.imm >> 2 * i & 3;
		else if (size == 4)
			from = (i & 4) | (l.imm >> 2 * (i & 3) & 3);
		else
			from = (i & 2) | (l.imm >> i & 1);
		memcpy(l.a + i * size, l.b + from * size, size);
	}
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* VPERM2F128, VPERM2I128, VINSERTF128, VINSERTI128 */
static int halves(struct umbra_emul *e, struct emul_insn *in)
{
	bool insert = in->opcode == 0x18 || in->opcode == 0x38;
	u8 old[64], control;
	struct emul_lanes l;
	unsigned int n;
	int ret;

	ret = begin(e, in, &l, 0, in->opcode >= 0x38 ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (ret)
		return ret;
	if (in->vec_w || !in->vl)
		return emul_ud(e);
	ret = e->ops->xmm(e, emul_vvvv(in), l.a, 32, false);
	if (!ret)
		ret = emul_vec_source(e, in, l.b, insert ? 16 : 32);
	if (ret)
		return ret;
	memcpy(old, l.a, 32);
	memcpy(old + 32, l.b, 32);
	if (insert)
		memcpy(l.a + 16 * (l.imm & 1), l.b, 16);
	for (n = 0; !insert && n < 2; n++) {
		control = l.imm >> 4 * n;
		memset(l.a + 16 * n, 0, 16);
		if (!(control & 8))
			memcpy(l.a + 16 * n, old + 16 * (control & 3), 16);
	}
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

/* VEXTRACTF128, VEXTRACTI128 */
static int extract_half(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes l;
	int ret;

	ret = begin(e, in, &l, 0, in->opcode == 0x39 ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (ret)
		return ret;
	if (in->vec_w || !in->vl || in->vvvv)
		return emul_ud(e);
	ret = e->ops->xmm(e, in->reg, l.b, 32, false);
	if (ret)
		return ret;
	if (in->mod != 3)
		return emul_write(e, in->mem.seg, in->mem.ea, l.b + 16 * (l.imm & 1), 16);
	memcpy(l.a, l.b + 16 * (l.imm & 1), 16);
	l.len = 16;
	return emul_vec_put(e, in, in->rm, l.a, l.len);
}

/* PSRLDQ and PSLLDQ move bytes within a lane. */
static void move_bytes(u8 *lane, bool right, unsigned int by)
{
	u8 wide[48] = { 0 };

	memcpy(wide + 16, lane, 16);
	memcpy(lane, right ? wide + 16 + min(by, 16u) : wide + 16 - min(by, 16u), 16);
}

/*
 * 71, 72, 73: shifts by an immediate are those by a register with the immediate
 * in it.
 */
static int shift(struct umbra_emul *e, struct emul_insn *in)
{
	static const u8 kinds[] = { 0x54, 0x54, 0xcc };
	unsigned int kind = (in->modrm >> 3) & 7, at, op;
	struct emul_simd s = { .gpr = 0 };
	struct emul_lanes l;
	int ret;

	ret = begin(e, in, &l, 0, UMBRA_EMUL_F_AVX2);
	if (ret)
		return ret;
	/* Of VEX any kind is decoded. */
	if (in->mod != 3 || !(kinds[in->opcode - 0x71] >> kind & 1))
		return emul_ud(e);
	l.imm = l.vex ? in->src2.val : in->src.val;
	ret = e->ops->xmm(e, in->rm, l.a, l.len, false);
	op = (kind == 2 ? 0xd0 : kind == 4 ? 0xe0 : 0xf0) + in->opcode - 0x70;
	for (at = 0; at < l.len && !ret; at += 16) {
		if (in->opcode == 0x73 && (kind & 1)) {
			move_bytes(l.a + at, kind == 3, l.imm);
			continue;
		}
		memcpy(s.a, l.a + at, 16);
		s.b[0] = l.imm;
		ret = emul_simd_execute(e, EMUL_RUN_XMM,
					emul_stubs_0f + (0xf0 + op - 0x10) * EMUL_STUB_SIZE, &s,
					false);
		memcpy(l.a + at, s.a, 16);
	}
	return ret ? ret : emul_vec_put(e, in, l.vex ? emul_vvvv(in) : in->rm, l.a, l.len);
}

/* PMOVMSKB, MOVMSKPS, MOVMSKPD */
static int sign_mask(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->opcode == 0xd7 ? 1 : in->pp == EMUL_PP_66 ? 8 : 4, i;
	struct emul_lanes l;
	u32 mask = 0;
	int ret;

	ret = begin(e, in, &l, 0, size == 1 ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX);
	if (!ret && l.vex && (in->vvvv || in->mod != 3))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_vec_source(e, in, l.b, l.len);
	if (ret)
		return ret;
	for (i = 0; i < l.len / size; i++)
		mask |= (u32)(l.b[size * i + size - 1] >> 7) << i;
	emul_gpr_set(e, in->reg, 4, mask);
	return UMBRA_EMUL_OK;
}

/* PEXTRW, to a general register */
static int extract_word(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_lanes l;
	u16 val;
	int ret;

	ret = begin(e, in, &l, 0, 0);
	if (!ret && l.vex && (in->vvvv || in->mod != 3 || in->vl))
		ret = emul_ud(e);
	if (!ret)
		ret = emul_vec_source(e, in, l.b, 16);
	if (ret)
		return ret;
	memcpy(&val, l.b + (l.imm & 7) * 2, 2);
	emul_gpr_set(e, in->reg, 4, val);
	return UMBRA_EMUL_OK;
}

/* PINSRW */
static int insert_word(struct umbra_emul *e, struct emul_insn *in)
{
	u16 val = e->r.gpr[in->rm];
	struct emul_lanes l;
	int ret;

	ret = begin(e, in, &l, 0, 0);
	if (!ret && l.vex && in->vl)
		ret = emul_ud(e);
	if (!ret && in->mod != 3)
		ret = emul_read(e, in->mem.seg, in->mem.ea, &val, 2, 0);
	if (!ret)
		ret = e->ops->xmm(e, l.vex ? emul_vvvv(in) : in->reg, l.a, 16, false);
	if (ret)
		return ret;
	memcpy(l.a + (l.imm & 7) * 2, &val, 2);
	return emul_vec_put(e, in, in->reg, l.a, l.len);
}

static emul_handler *in_0f(const struct emul_insn *in)
{
	bool p66 = in->pp == EMUL_PP_66;

	switch (in->opcode) {
	case 0x50:
		return in->pp <= EMUL_PP_66 ? sign_mask : NULL;
	case 0x70:
		return in->pp != EMUL_PP_NONE ? shuffle_one : NULL;
	case 0x71 ... 0x73:
		return p66 ? shift : NULL;
	case 0xc4:
		return p66 ? insert_word : NULL;
	case 0xc5:
		return p66 ? extract_word : NULL;
	case 0xc6:
		return in->pp <= EMUL_PP_66 ? shuffle_two : NULL;
	case 0xd7:
		return p66 ? sign_mask : NULL;
	}
	return NULL;
}

static emul_handler *in_3a(const struct emul_insn *in)
{
	bool vex = in->enc == EMUL_ENC_VEX;

	switch (in->opcode) {
	case 0x00:
	case 0x01:
	case 0x04:
	case 0x05:
		return vex ? permute : NULL;
	case 0x02:
		return vex ? blend : NULL;
	case 0x06:
	case 0x46:
	case 0x18:
	case 0x38:
		return vex ? halves : NULL;
	case 0x0c ... 0x0e:
		return blend;
	case 0x0f:
		return align_right;
	case 0x19:
	case 0x39:
		return vex ? extract_half : NULL;
	case 0x4a ... 0x4c:
		return vex ? blend_by_sign : NULL;
	}
	return NULL;
}

/**
 * emul_lanes_handler() - who executes an instruction with an immediate
 * @in: the instruction, legacy or VEX
 *
 * Return: the handler, or NULL when it is not one of this file's.
 */
emul_handler *emul_lanes_handler(const struct emul_insn *in)
{
	unsigned int map = emul_vec_map(in);

	if (map == 2)
		return in_0f(in);
	if (in->pp != EMUL_PP_66)
		return NULL;
	if (map == 3 && in->enc == EMUL_ENC_LEGACY &&
	    (in->opcode == 0x10 || in->opcode == 0x14 || in->opcode == 0x15))
		return blend_by_sign;
	return map == 4 ? in_3a(in) : NULL;
}
