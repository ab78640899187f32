// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: moves of AVX-512
 *
 * Moves under a mask: what it leaves out is not touched in memory and cannot fault
 * (SDM Vol. 2A, 2.7.6).  Moves of whole registers without a mask are in sse.c.
 */
#include "simd_internal.h"

/* Bytes of an element, or 0: no such move. */
static unsigned int size_of(const struct emul_insn *in)
{
	unsigned int by_w = in->vec_w ? 8 : 4;

	switch (in->opcode) {
	case 0x10:
	case 0x11:
		return in->vec_w == (in->pp & 1) ? by_w : 0;
	case 0x28:
	case 0x29:
		return in->pp <= EMUL_PP_66 && in->vec_w == (in->pp == EMUL_PP_66) ? by_w : 0;
	case 0x6f:
	case 0x7f:
		if (in->pp == EMUL_PP_F2)
			return in->vec_w ? 2 : 1;
		return in->pp != EMUL_PP_NONE ? by_w : 0;
	}
	return 0;
}

static bool is_scalar(const struct emul_insn *in)
{
	return (in->opcode == 0x10 || in->opcode == 0x11) && in->pp >= EMUL_PP_F3;
}

static bool is_store(const struct emul_insn *in)
{
	return in->opcode == 0x11 || in->opcode == 0x29 || in->opcode == 0x7f;
}

static bool is_aligned(const struct emul_insn *in)
{
	return in->opcode == 0x28 || in->opcode == 0x29 ||
	       (in->opcode >= 0x6f && in->pp == EMUL_PP_66);
}

static int check(struct umbra_emul *e, const struct emul_insn *in)
{
	bool merges = is_scalar(in) && in->mod == 3;
	int ret = emul_evex_check(e, in);

	if (ret)
		return ret;
	if (in->evex_b || (!merges && in->vvvv) || (in->vl == 3 && !is_scalar(in)) ||
	    (in->evex_z && (!in->aaa || (is_store(in) && in->mod != 3))))
		return emul_ud(e);
	return UMBRA_EMUL_OK;
}

/**
 * emul_evex_ones() - a mask that takes all
 * @n: elements, 64 at most
 *
 * Return: a bit each.
 */
u64 emul_evex_ones(unsigned int n)
{
	return n < 64 ? (1ull << n) - 1 : ~0ull;
}

/**
 * emul_evex_load() - read the elements that a mask takes; the rest cannot fault
 * @e: the emulation
 * @in: the instruction; where its effective address says
 * @to: elements
 * @mask: a bit an element
 * @n: elements
 * @size: of an element
 *
 * Return: OK or what an access returned.
 */
int emul_evex_load(struct umbra_emul *e, struct emul_insn *in, u8 *to, u64 mask, unsigned int n,
		   unsigned int size)
{
	unsigned int i;
	int ret = UMBRA_EMUL_OK;

	if (mask == emul_evex_ones(n))
		return emul_read(e, in->mem.seg, in->mem.ea, to, n * size, 0);
	for (i = 0; i < n && !ret; i++)
		if (mask >> i & 1)
			ret = emul_read(e, in->mem.seg,
					(in->mem.ea + i * size) & emul_mask(in->adsize),
					to + i * size, size, 0);
	return ret;
}

/**
 * emul_evex_merge() - what a mask leaves out is as before, or 0
 * @in: the instruction
 * @result: elements
 * @old: what they were
 * @mask: a bit an element
 * @n: elements
 * @size: of an element
 */
void emul_evex_merge(const struct emul_insn *in, u8 *result, const u8 *old, u64 mask,
		     unsigned int n, unsigned int size)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (mask >> i & 1)
			continue;
		if (in->evex_z)
			memset(result + i * size, 0, size);
		else
			memcpy(result + i * size, old + i * size, size);
	}
}

static int store(struct umbra_emul *e, struct emul_insn *in, const u8 *from, u64 mask,
		 unsigned int n, unsigned int size)
{
	u8 taken[64];
	unsigned int i;

	if (mask == emul_evex_ones(n))
		return emul_write(e, in->mem.seg, in->mem.ea, from, n * size);
	for (i = 0; i < n; i++)
		memset(taken + i * size, mask >> i & 1 ? 0xff : 0, size);
	return emul_vec_store(e, in, from, taken, n * size, size);
}

static int move(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = size_of(in), n = is_scalar(in) ? 1 : (16 << in->vl) / size;
	bool swap = is_store(in) && in->mod == 3;
	u8 from[64], to[64], result[64] = { 0 };
	u64 mask = ~0ull;
	int ret;

	ret = check(e, in);
	if (!ret && in->aaa)
		ret = emul_mask_get(e, in->aaa, &mask);
	if (ret)
		return ret;
	mask &= emul_evex_ones(n);
	if (in->mod != 3 && in->disp_len == 1)
		emul_evex_scale(in, n * size);
	/* Of nothing the alignment does not count. */
	if (mask && in->mod != 3 && is_aligned(in) && emul_misaligned(e, in, 16 << in->vl))
		return emul_gp(e);
	ret = e->ops->xmm(e, in->dst.reg, to, 64, false);
	if (!ret && is_store(in) && in->mod != 3)
		return store(e, in, to, mask, n, size);
	if (!ret && in->mod != 3)
		ret = emul_evex_load(e, in, from, mask, n, size);
	else if (!ret)
		ret = e->ops->xmm(e, in->src.reg, from, 64, false);
	if (!ret && is_scalar(in) && in->mod == 3)
		ret = e->ops->xmm(e, emul_vvvv(in), result, 16, false);
	if (ret)
		return ret;
	memcpy(result, swap ? to : from, n * size);
	emul_evex_merge(in, result, swap ? from : to, mask, n, size);
	return e->ops->xmm(e, swap ? in->src.reg : in->dst.reg, result, 64, true);
}

/**
 * emul_evex_move_handler() - who executes a move under a mask
 * @in: the instruction, EVEX
 *
 * Return: the handler, or NULL when it is none.
 */
emul_handler *emul_evex_move_handler(const struct emul_insn *in)
{
	return in->map == 1 && size_of(in) ? move : NULL;
}
