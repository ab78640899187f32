// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: strings in vectors
 *
 * PCMPESTRM, PCMPESTRI, PCMPISTRM, PCMPISTRI: every element of one string is
 * compared with every element of the other one, and the immediate says what is made of
 * that (SDM Vol. 1, 14.2.1 to 14.2.4, and Vol. 2B 4.1).  An immediate cannot be a
 * stub's, so it is done element by element.
 */
#include "simd_internal.h"

enum { EQUAL_ANY, RANGES, EQUAL_EACH, EQUAL_ORDERED };

/**
 * struct text - two strings
 * @a: elements of the register operand
 * @b: elements of the other one
 * @n: how many elements fit
 * @na: of them are valid in @a
 * @nb: of them are valid in @b
 */
struct text {
	s32 a[16], b[16];
	unsigned int n, na, nb;
};

static void unpack(s32 *to, const u8 *vec, u8 imm)
{
	unsigned int i;

	for (i = 0; i < 16 >> (imm & 1); i++) {
		u16 word = imm & 1 ? vec[2 * i] | vec[2 * i + 1] << 8 : vec[i];

		to[i] = !(imm & 2) ? word : imm & 1 ? (s16)word : (s8)word;
	}
}

/* Elements before the first that is 0. */
static unsigned int until_null(const s32 *elements, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!elements[i])
			break;
	return i;
}

/* The magnitude of a length in a register; one that is too long means all. */
static unsigned int explicit_length(u64 reg, bool wide, unsigned int n)
{
	s64 len = wide ? (s64)reg : (s32)reg;

	if (len > n || len < -(s64)n)
		return n;
	return len < 0 ? -len : len;
}

static bool any_equal(const struct text *t, unsigned int j)
{
	unsigned int i;

	for (i = 0; i < t->na; i++)
		if (j < t->nb && t->a[i] == t->b[j])
			return true;
	return false;
}

static bool within_range(const struct text *t, unsigned int j)
{
	unsigned int i;

	for (i = 0; i + 1 < t->na; i += 2)
		if (j < t->nb && t->a[i] <= t->b[j] && t->b[j] <= t->a[i + 1])
			return true;
	return false;
}

static bool each_equal(const struct text *t, unsigned int j)
{
	if (j >= t->na || j >= t->nb)
		return j >= t->na && j >= t->nb;
	return t->a[j] == t->b[j];
}

/* Does the first string begin here in the second one? */
static bool ordered(const struct text *t, unsigned int j)
{
	unsigned int i;

	for (i = 0; i < t->na && j + i < t->n; i++)
		if (j + i >= t->nb || t->a[i] != t->b[j + i])
			return false;
	return true;
}

/* IntRes2 of the SDM. */
static u32 aggregate(const struct text *t, u8 imm)
{
	bool (*const kinds[])(const struct text *, unsigned int) = {
		[EQUAL_ANY] = any_equal, [RANGES] = within_range,
		[EQUAL_EACH] = each_equal, [EQUAL_ORDERED] = ordered,
	};
	u32 res = 0;
	unsigned int j;

	for (j = 0; j < t->n; j++)
		res |= (u32)kinds[imm >> 2 & 3](t, j) << j;
	if (imm & 0x10)
		res ^= imm & 0x20 ? (1u << t->nb) - 1 : (1u << t->n) - 1;
	return res;
}

static int put_mask(struct umbra_emul *e, struct emul_insn *in, u32 res, const struct text *t)
{
	unsigned int size = 16 / t->n, i;
	u8 vec[64] = { 0 };

	if (in->src2.val & 0x40) {
		for (i = 0; i < t->n; i++)
			memset(vec + i * size, res >> i & 1 ? 0xff : 0, size);
	} else {
		memcpy(vec, &res, 2);
	}
	return e->ops->xmm(e, 0, vec, in->enc == EMUL_ENC_VEX ? 64 : 16, true);
}

static int put_index(struct umbra_emul *e, struct emul_insn *in, u32 res, const struct text *t)
{
	unsigned int at = t->n;

	if (res)
		at = in->src2.val & 0x40 ? 31 - __builtin_clz(res) : __builtin_ctz(res);
	emul_gpr_set(e, UMBRA_RCX, 8, at);
	return UMBRA_EMUL_OK;
}

static void set_flags(struct umbra_emul *e, u32 res, const struct text *t)
{
	u64 flags = 0;

	if (res)
		flags |= X86_EFLAGS_CF;
	if (t->nb < t->n)
		flags |= X86_EFLAGS_ZF;
	if (t->na < t->n)
		flags |= X86_EFLAGS_SF;
	if (res & 1)
		flags |= X86_EFLAGS_OF;
	e->r.rflags = (e->r.rflags & ~(u64)EMUL_FLAGS_STATUS) | flags;
}

static int load(struct umbra_emul *e, struct emul_insn *in, struct text *t)
{
	bool explicit = in->opcode <= 0x61;
	bool wide = emul_vec_wide(in);
	u8 imm = in->src2.val, a[16], b[16];
	int ret;

	ret = e->ops->xmm(e, in->reg, a, 16, false);
	if (!ret && in->mod == 3)
		ret = e->ops->xmm(e, in->rm, b, 16, false);
	else if (!ret)
		ret = emul_read(e, in->mem.seg, in->mem.ea, b, 16, 0);
	if (ret)
		return ret;
	t->n = 16 >> (imm & 1);
	unpack(t->a, a, imm);
	unpack(t->b, b, imm);
	t->na = explicit ? explicit_length(e->r.gpr[UMBRA_RAX], wide, t->n) :
			   until_null(t->a, t->n);
	t->nb = explicit ? explicit_length(e->r.gpr[UMBRA_RDX], wide, t->n) :
			   until_null(t->b, t->n);
	return UMBRA_EMUL_OK;
}

static int compare(struct umbra_emul *e, struct emul_insn *in)
{
	bool vex = in->enc == EMUL_ENC_VEX;
	u64 need = vex ? UMBRA_EMUL_F_AVX : UMBRA_EMUL_F_SSE42;
	struct text t;
	u32 res;
	int ret;

	if (!e->ops->xmm)
		return emul_unhandled(e, "vector arithmetic");
	if (!(e->features & need) || in->vl || (vex && in->vvvv))
		return emul_ud(e);
	ret = emul_vec_check(e, in);
	if (!ret)
		ret = load(e, in, &t);
	if (ret)
		return ret;
	res = aggregate(&t, in->src2.val);
	set_flags(e, res, &t);
	return in->opcode & 1 ? put_index(e, in, res, &t) : put_mask(e, in, res, &t);
}

/**
 * emul_text_handler() - who executes SSE4.2's string instructions
 * @in: the instruction, legacy or VEX
 *
 * Return: the handler, or NULL when it is none of them.
 */
emul_handler *emul_text_handler(const struct emul_insn *in)
{
	return emul_vec_map(in) == 4 && in->pp == EMUL_PP_66 && in->opcode >= 0x60 && in->opcode <= 0x63 ?
	       compare : NULL;
}
