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

/* Under @mask, a bit an element */
static int load(struct umbra_emul *e, struct emul_insn *in, u8 *to, u64 mask, unsigned int n,
		unsigned int size)
{
	unsigned int i;
	int ret = UMBRA_EMUL_OK;

	if (mask == (n < 64 ? (1ull << n) - 1 : ~0ull))
		return emul_read(e, in->mem.seg, in->mem.ea, to, n * size, 0);
	for (i = 0; i < n && !ret; i++)
		if (mask >> i & 1)
			ret = emul_read(e, in->mem.seg,
					(in->mem.ea + i * size) & emul_mask(in->adsize),
					to + i * size, size, 0);
	return ret;
}

static int store(struct umbra_emul *e, struct emul_insn *in, const u8 *from, u64 mask,
		 unsigned int n, unsigned int size)
{
	u8 taken[64];
	unsigned int i;

	if (mask == (n < 64 ? (1ull << n) - 1 : ~0ull))
		return emul_write(e, in->mem.seg, in->mem.ea, from, n * size);
	for (i = 0; i < n; i++)
		memset(taken + i * size, mask >> i & 1 ? 0xff : 0, size);
	return emul_vec_store(e, in, from, taken, n * size, size);
}

static int move(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = size_of(in), n = is_scalar(in) ? 1 : (16 << in->vl) / size, i;
	unsigned int vvvv = in->mode == 64 ? in->vvvv : in->vvvv & 7;
	bool swap = is_store(in) && in->mod == 3;
	u8 from[64], to[64], result[64] = { 0 };
	u64 mask = ~0ull;
	int ret;

	ret = check(e, in);
	if (!ret && in->aaa)
		ret = emul_mask_get(e, in->aaa, &mask);
	if (ret)
		return ret;
	if (n < 64)
		mask &= (1ull << n) - 1;
	if (in->mod != 3 && in->disp_len == 1)
		emul_evex_scale(in, n * size);
	/* Of nothing the alignment does not count. */
	if (mask && in->mod != 3 && is_aligned(in) && emul_misaligned(e, in, 16 << in->vl))
		return emul_gp(e);
	ret = e->ops->xmm(e, in->dst.reg, to, 64, false);
	if (!ret && is_store(in) && in->mod != 3)
		return store(e, in, to, mask, n, size);
	if (!ret && in->mod != 3)
		ret = load(e, in, from, mask, n, size);
	else if (!ret)
		ret = e->ops->xmm(e, in->src.reg, from, 64, false);
	if (!ret && is_scalar(in) && in->mod == 3)
		ret = e->ops->xmm(e, vvvv, result, 16, false);
	for (i = 0; i < n; i++) {
		if (mask >> i & 1)
			memcpy(result + i * size, (swap ? to : from) + i * size, size);
		else if (in->evex_z)
			memset(result + i * size, 0, size);
		else
			memcpy(result + i * size, (swap ? from : to) + i * size, size);
	}
	return ret ? ret : e->ops->xmm(e, swap ? in->src.reg : in->dst.reg, result, 64, true);
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
