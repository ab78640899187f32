// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: elements of vectors
 *
 * Insertion and extraction of single elements and bit fields, moves under a mask, and what an
 * immediate chooses of the instruction itself: rounding, carry-less products, AES
 * (SDM Vol. 2, each instruction's page).  Of VEX a lane of 128 bits is what the legacy form
 * works on.
 */
#include "simd_internal.h"

/* Is it there?  No third operand: VEX.vvvv must be 1111. */
static int begin(struct umbra_emul *e, const struct emul_insn *in, u64 sse, u64 avx, bool third)
{
	bool vex = in->enc == EMUL_ENC_VEX;

	if (!e->ops->fpu || !e->ops->xmm || !e->ops->fx || in->vl > 1)
		return emul_unhandled(e, "vector arithmetic");
	if ((e->features & (vex ? avx : sse)) != (vex ? avx : sse) ||
	    (vex && !third && in->vvvv))
		return emul_ud(e);
	return emul_vec_check(e, in);
}

/* PEXTRB, PEXTRW, PEXTRD, PEXTRQ, EXTRACTPS */
static int extract(struct umbra_emul *e, struct emul_insn *in)
{
	static const u8 sizes[] = { 1, 2, 4, 4 };
	unsigned int size = sizes[in->opcode - 0x14], at;
	u8 vec[16];
	u64 val = 0;
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_SSE41, UMBRA_EMUL_F_AVX, false);
	if (!ret && in->vl)
		ret = emul_ud(e);
	if (!ret)
		ret = e->ops->xmm(e, in->reg, vec, 16, false);
	if (ret)
		return ret;
	if (in->opcode == 0x16 && emul_vec_wide(in))
		size = 8;
	at = in->src2.val * size & 15;
	memcpy(&val, vec + at, size);
	if (in->mod != 3)
		return emul_write(e, in->mem.seg, in->mem.ea, &val, size);
	emul_gpr_set(e, in->rm, 8, val);
	return UMBRA_EMUL_OK;
}

/* INSERTPS: from, to and what is cleared are in the immediate. */
static void insert_single(u8 *vec, const u8 *from, u8 imm)
{
	unsigned int i;

	memcpy(vec + 4 * (imm >> 4 & 3), from, 4);
	for (i = 0; i < 4; i++)
		if (imm >> i & 1)
			memset(vec + 4 * i, 0, 4);
}

/* PINSRB, INSERTPS, PINSRD, PINSRQ */
static int insert(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->opcode == 0x20 ? 1 : in->opcode == 0x22 && emul_vec_wide(in) ? 8 : 4;
	bool single = in->opcode == 0x21;
	u8 imm = in->src2.val, vec[16], from[16];
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_SSE41, UMBRA_EMUL_F_AVX, true);
	if (!ret && in->vl)
		ret = emul_ud(e);
	if (!ret && in->mod != 3)
		ret = emul_read(e, in->mem.seg, in->mem.ea, from, size, 0);
	else if (!ret && single)
		ret = e->ops->xmm(e, in->rm, from, 16, false);
	else if (!ret)
		memcpy(from, &e->r.gpr[in->rm], 8);
	if (!ret)
		ret = e->ops->xmm(e, in->enc == EMUL_ENC_VEX ? emul_vvvv(in) : in->reg, vec, 16,
				  false);
	if (ret)
		return ret;
	if (single)
		insert_single(vec, from + (in->mod == 3 ? 4 * (imm >> 6) : 0), imm);
	else
		memcpy(vec + (imm * size & 15), from, size);
	return emul_vec_put(e, in, in->reg, vec, 16);
}

/* Bytes from the first element that the mask takes to behind the last one: *@first is where. */
static unsigned int extent(const u8 *mask, unsigned int len, unsigned int size,
			   unsigned int *first)
{
	unsigned int at, end = 0;

	*first = len;
	for (at = 0; at < len; at += size) {
		if (!(mask[at + size - 1] >> 7))
			continue;
		*first = min(*first, at);
		end = at + size;
	}
	return end;
}

/* A fault at a later element must find no earlier one stored: both ends are tried first. */
static int probe(struct umbra_emul *e, struct emul_insn *in, unsigned int first, unsigned int end,
		 unsigned int size)
{
	u64 from = in->mem.ea + first, last = in->mem.ea + end - size;
	int ret;

	if (((from ^ (last + size - 1)) & ~0xfffull) == 0)
		return UMBRA_EMUL_OK;
	ret = emul_probe(e, in->mem.seg, from, size);
	return ret ? ret : emul_probe(e, in->mem.seg, last, size);
}

/**
 * emul_vec_store() - store the elements that a mask takes
 * @e: the emulation
 * @in: the instruction; where its effective address says
 * @vec: elements
 * @mask: the highest bit of each element takes it
 * @len: bytes of both
 * @size: of an element
 *
 * Return: OK or what an access returned; then no element is stored, except for one on a
 * third page.
 */
int emul_vec_store(struct umbra_emul *e, struct emul_insn *in, const u8 *vec, const u8 *mask,
		   unsigned int len, unsigned int size)
{
	unsigned int at, end = extent(mask, len, size, &at);
	int ret = end ? probe(e, in, at, end, size) : UMBRA_EMUL_OK;

	for (; at < end && !ret; at += size)
		if (mask[at + size - 1] >> 7)
			ret = emul_write(e, in->mem.seg, (in->mem.ea + at) & emul_mask(in->adsize),
					 vec + at, size);
	return ret;
}

/* VMASKMOVPS, VMASKMOVPD, VPMASKMOVD, VPMASKMOVQ: memory is touched where the mask says so. */
static int move_masked(struct umbra_emul *e, struct emul_insn *in)
{
	bool integer = in->opcode >= 0x8c;
	bool store = integer ? in->opcode == 0x8e : in->opcode >= 0x2e;
	unsigned int size = integer ? (in->vec_w ? 8 : 4) : (in->opcode & 1 ? 8 : 4);
	unsigned int len = 16 << in->vl, at, end;
	u8 mask[32], vec[32] = { 0 };
	int ret;

	ret = begin(e, in, 0, integer ? UMBRA_EMUL_F_AVX2 : UMBRA_EMUL_F_AVX, true);
	if (!ret && (in->mod == 3 || (!integer && in->vec_w)))
		ret = emul_ud(e);
	if (!ret)
		ret = e->ops->xmm(e, emul_vvvv(in), mask, len, false);
	if (!ret && store)
		ret = e->ops->xmm(e, in->reg, vec, len, false);
	if (ret)
		return ret;
	if (store)
		return emul_vec_store(e, in, vec, mask, len, size);
	end = extent(mask, len, size, &at);
	for (; at < end && !ret; at += size)
		if (mask[at + size - 1] >> 7)
			ret = emul_read(e, in->mem.seg, in->mem.ea + at, vec + at, size, 0);
	return ret ? ret : emul_vec_put(e, in, in->reg, vec, len);
}

/* ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD */
static int round_to(struct umbra_emul *e, struct emul_insn *in)
{
	bool scalar = in->opcode >= 0x0a, vex = in->enc == EMUL_ENC_VEX;
	unsigned int len = scalar ? (in->opcode & 1 ? 8 : 4) : 16 << in->vl, at;
	const u8 *stub = emul_stubs_round +
			 ((in->opcode - 8) * 16 + (in->src2.val & 15)) * EMUL_STUB_SIZE;
	struct emul_simd s = { .gpr = 0 };
	u8 from[32], vec[32];
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_SSE41, UMBRA_EMUL_F_AVX, scalar);
	if (!ret)
		ret = emul_vec_source(e, in, from, len);
	if (!ret)
		ret = e->ops->xmm(e, vex && scalar ? emul_vvvv(in) : in->reg, vec, 16, false);
	len = max(len, 16u);
	for (at = 0; at < len && !ret; at += 16) {
		memcpy(s.a, vec, 16);
		memcpy(s.b, from + at, 16);
		ret = emul_simd_execute(e, EMUL_RUN_XMM, stub, &s, true);
		memcpy(from + at, s.a, 16);
	}
	return ret ? ret : emul_vec_put(e, in, in->reg, from, scalar ? 16 : len);
}

/* A legacy stub on two operands of 128 bits. */
static int binary(struct umbra_emul *e, struct emul_insn *in, const u8 *stub, struct emul_simd *s)
{
	int ret = emul_simd_execute(e, EMUL_RUN_XMM, stub, s, false);

	return ret ? ret : emul_vec_put(e, in, in->reg, s->a, 16);
}

/* PCLMULQDQ: the immediate chooses a half of each operand. */
static int multiply_carryless(struct umbra_emul *e, struct emul_insn *in)
{
	u8 imm = in->src2.val;
	struct emul_simd s = { .gpr = 0 };
	unsigned int len = 16 << in->vl, at;
	u8 a[32], b[32];
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_PCLMUL, (in->vl ? UMBRA_EMUL_F_VPCLMUL :
						 UMBRA_EMUL_F_PCLMUL) | UMBRA_EMUL_F_AVX, true);
	if (!ret)
		ret = emul_vec_source(e, in, b, len);
	if (!ret)
		ret = e->ops->xmm(e, in->enc == EMUL_ENC_VEX ? emul_vvvv(in) : in->reg, a, len,
				  false);
	for (at = 0; at < len && !ret; at += 16) {
		memcpy(s.a, a + at + (imm & 1 ? 8 : 0), 8);
		memcpy(s.b, b + at + (imm & 0x10 ? 8 : 0), 8);
		ret = emul_simd_execute(e, EMUL_RUN_XMM, emul_stubs_pclmul, &s, false);
		memcpy(a + at, s.a, 16);
	}
	return ret ? ret : emul_vec_put(e, in, in->reg, a, len);
}

/* AESKEYGENASSIST: the immediate is a constant for words 1 and 3. */
static int assist_key(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_simd s = { .gpr = 0 };
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_AES, UMBRA_EMUL_F_AES | UMBRA_EMUL_F_AVX, false);
	if (!ret && in->vl)
		ret = emul_ud(e);
	if (!ret)
		ret = emul_vec_source(e, in, s.b, 16);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_XMM, emul_stubs_aes, &s, false);
	if (ret)
		return ret;
	s.a[4] ^= in->src2.val;
	s.a[12] ^= in->src2.val;
	return emul_vec_put(e, in, in->reg, s.a, 16);
}

/* AESIMC, AESENC, AESENCLAST, AESDEC, AESDECLAST; the VEX forms are in vex.c. */
static int aes_round(struct umbra_emul *e, struct emul_insn *in)
{
	struct emul_simd s = { .gpr = 0 };
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_AES, 0, true);
	if (!ret)
		ret = emul_vec_source(e, in, s.b, 16);
	if (!ret)
		ret = e->ops->xmm(e, in->reg, s.a, 16, false);
	if (ret)
		return ret;
	return binary(e, in, emul_stubs_aes + (in->opcode - 0xda) * EMUL_STUB_SIZE, &s);
}

/*
 * EXTRQ, INSERTQ: a field of bits, length and index in an immediate each or in a register
 * (APM Vol. 4).  The upper half is undefined: processors clear it.
 */
static int field(struct umbra_emul *e, struct emul_insn *in)
{
	bool insert = in->pp == EMUL_PP_F2, imm = in->opcode == 0x78;
	unsigned int reg = imm && !insert ? in->rm : in->reg, len, at;
	u8 from[16], vec[16];
	u64 val, old, mask;
	int ret;

	ret = begin(e, in, UMBRA_EMUL_F_SSE4A, 0, true);
	if (!ret)
		ret = e->ops->xmm(e, in->rm, from, 16, false);
	if (!ret)
		ret = e->ops->xmm(e, reg, vec, 16, false);
	if (ret)
		return ret;
	len = (imm ? in->dst.val : from[insert ? 8 : 0]) & 63;
	at = (imm ? in->src.val : from[insert ? 9 : 1]) & 63;
	mask = len ? (1ull << len) - 1 : ~0ull;
	memcpy(&old, vec, 8);
	memcpy(&val, from, 8);
	val = insert ? (old & ~(mask << at)) | (val & mask) << at : old >> at & mask;
	memset(vec, 0, 16);
	memcpy(vec, &val, 8);
	return emul_vec_put(e, in, reg, vec, 16);
}

static emul_handler *in_38(const struct emul_insn *in)
{
	bool vex = in->enc == EMUL_ENC_VEX;

	switch (in->opcode) {
	case 0x2c ... 0x2f:
	case 0x8c:
	case 0x8e:
		return vex ? move_masked : NULL;
	case 0xdb ... 0xdf:
		return vex ? NULL : aes_round;
	}
	return NULL;
}

static emul_handler *in_3a(const struct emul_insn *in)
{
	switch (in->opcode) {
	case 0x08 ... 0x0b:
		return round_to;
	case 0x14 ... 0x17:
		return extract;
	case 0x20 ... 0x22:
		return insert;
	case 0x44:
		return multiply_carryless;
	case 0xdf:
		return assist_key;
	}
	return NULL;
}

/**
 * emul_elements_handler() - who executes an instruction on single elements
 * @in: the instruction, legacy or VEX
 *
 * Return: the handler, or NULL when it is not one of this file's.
 */
emul_handler *emul_elements_handler(const struct emul_insn *in)
{
	unsigned int map = emul_vec_map(in);

	if (in->enc == EMUL_ENC_LEGACY && map == 2)
		return (in->opcode == 0x78 || in->opcode == 0x79) &&
		       (in->pp == EMUL_PP_66 || in->pp == EMUL_PP_F2) ? field : NULL;
	if (in->pp != EMUL_PP_66)
		return NULL;
	if (map == 3)
		return in_38(in);
	return map == 4 ? in_3a(in) : NULL;
}
