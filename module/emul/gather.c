// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: gathers
 *
 * Elements from addresses of their own (SDM Vol. 2, VPGATHERDD and its relatives).  An
 * element that was loaded drops out of the mask: where a later one faults, destination
 * and mask say how far it came, and the instruction goes on from there.
 */
#include "simd_internal.h"

/**
 * struct gather - a gather on its way
 * @size: of an element, bytes
 * @index_size: of an index, bytes
 * @n: elements
 * @to: destination, and what it was
 * @index: indices
 * @mask: of VEX: the highest bit of an element takes it
 */
struct gather {
	unsigned int size, index_size, n;
	u8 to[32];
	u8 index[32];
	u8 mask[32];
};

static u64 address_of(const struct umbra_emul *e, const struct emul_insn *in,
		      const struct gather *g, unsigned int i)
{
	const struct emul_mem *m = &in->mem;
	u64 index = 0, ea = m->disp;

	memcpy(&index, g->index + i * g->index_size, g->index_size);
	if (m->base != EMUL_NO_REG)
		ea += e->r.gpr[m->base];
	return (ea + (emul_sext(index, g->index_size) << m->scale)) & emul_mask(in->adsize);
}

static int load(struct umbra_emul *e, struct emul_insn *in, struct gather *g)
{
	int ret;

	ret = e->ops->xmm(e, in->reg, g->to, 32, false);
	if (!ret)
		ret = e->ops->xmm(e, in->mem.index, g->index, 32, false);
	if (!ret)
		ret = e->ops->xmm(e, emul_vvvv(in), g->mask, 32, false);
	return ret;
}

/*
 * All elements done: the mask is clear, and so is what lies above them.  Behind a fault
 * AMD's processors leave what they have not come to as it was; the manuals ask no more.
 */
static int store(struct umbra_emul *e, struct emul_insn *in, const struct gather *g, bool done)
{
	static const u8 clear[64];
	unsigned int mask = emul_vvvv(in);
	int ret;

	if (done) {
		ret = e->ops->xmm(e, mask, (void *)clear, 64, true);
		return ret ? ret : emul_vec_put(e, in, in->reg, g->to, g->n * g->size);
	}
	ret = e->ops->xmm(e, mask, (void *)g->mask, 32, true);
	return ret ? ret : e->ops->xmm(e, in->reg, (void *)g->to, 32, true);
}

static int gather(struct umbra_emul *e, struct emul_insn *in)
{
	struct gather g = { .size = in->vec_w ? 8 : 4, .index_size = in->opcode & 1 ? 8 : 4 };
	unsigned int i;
	int ret, end;

	if (!(e->features & UMBRA_EMUL_F_AVX2))
		return emul_ud(e);
	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->reg == in->mem.index || in->reg == emul_vvvv(in) || emul_vvvv(in) == in->mem.index)
		return emul_ud(e);
	g.n = (16 << in->vl) / max(g.size, g.index_size);
	ret = load(e, in, &g);
	if (ret)
		return ret;
	for (i = 0; i < g.n && !ret; i++) {
		if (g.mask[(i + 1) * g.size - 1] >> 7)
			ret = emul_read(e, in->mem.seg, address_of(e, in, &g, i),
					g.to + i * g.size, g.size, 0);
		if (!ret)
			memset(g.mask + i * g.size, 0, g.size);
	}
	/* What waits for userspace is done again from the beginning. */
	if (ret && ret != UMBRA_EMUL_FAULT)
		return ret;
	end = store(e, in, &g, !ret);
	return end ? end : ret;
}

/**
 * emul_gather_handler() - who executes a gather
 * @in: the instruction, VEX
 *
 * Return: the handler, or NULL when it is none.
 */
emul_handler *emul_gather_handler(const struct emul_insn *in)
{
	return in->enc == EMUL_ENC_VEX && in->map == 2 && in->opcode >= 0x90 &&
	       in->opcode <= 0x93 && in->pp == EMUL_PP_66 ? gather : NULL;
}
