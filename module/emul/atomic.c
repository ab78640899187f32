// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: exchange instructions
 *
 * XCHG, XADD, CMPXCHG, CMPXCHG8B, CMPXCHG16B.  The handlers compute only; with
 * LOCK (and always for XCHG with memory) emulate.c wraps them in a
 * compare-and-exchange loop.
 */
#include "emul_internal.h"

int emul_op_xchg(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->dst.val;

	in->dst.val = in->src.val;
	in->src.val = v;
	return UMBRA_EMUL_OK;
}

/*
 * The source is written first, so that XADD of a register with itself leaves the
 * sum (SDM Vol. 2C, XADD).
 */
int emul_op_xadd(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->dst.val;

	in->dst.val = emul_add(e, v, in->src.val, 0, in->dst.size);
	in->src.val = v;
	if (in->mod == 3 && in->src.reg == in->dst.reg &&
	    in->src.type == in->dst.type)
		in->src.val = in->dst.val;
	return UMBRA_EMUL_OK;
}

/*
 * A failing compare writes the old value back: "the destination operand receives a write cycle without
 * regard to the result" (SDM Vol. 2A, CMPXCHG), which a device sees.
 */
int emul_op_cmpxchg(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 acc = emul_gpr(e, UMBRA_RAX, size);

	emul_sub(e, acc, in->dst.val, 0, size);
	if (acc == in->dst.val) {
		in->dst.val = in->src.val;
		return UMBRA_EMUL_OK;
	}
	if (in->mod == 3)
		in->no_store = true;
	emul_gpr_set(e, UMBRA_RAX, size, in->dst.val);
	return UMBRA_EMUL_OK;
}

static int store_pair(struct umbra_emul *e, struct emul_insn *in,
		      const u64 *old, const u64 *new_val, unsigned int len,
		      bool *swapped)
{
	if (in->lock)
		return emul_cmpxchg_mem(e, in, old, new_val, len, swapped);
	*swapped = true;
	return emul_write(e, in->mem.seg, in->mem.ea, new_val, len);
}

static void gather_pair(const struct umbra_emul *e, unsigned int half,
			unsigned int hi, unsigned int lo, u64 *out)
{
	out[0] = emul_gpr(e, lo, half);
	if (half == 4)
		out[0] |= emul_gpr(e, hi, 4) << 32;
	out[1] = half == 8 ? e->r.gpr[hi] : 0;
}

static void load_acc(struct umbra_emul *e, unsigned int half, const u64 *v)
{
	emul_gpr_set(e, UMBRA_RAX, half, v[0]);
	emul_gpr_set(e, UMBRA_RDX, half, half == 8 ? v[1] : v[0] >> 32);
}

/* CMPXCHG8B, and with REX.W CMPXCHG16B, which must be aligned. */
int emul_op_cmpxchg8b(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int half = in->rex & EMUL_REX_W ? 8 : 4, len = 2 * half;
	u64 old[2] = { 0 }, cmp[2], val[2];
	unsigned int tries;
	bool swapped, same = false;
	gva_t gva;
	int ret;

	if (half == 8) {
		if (!(e->features & UMBRA_EMUL_F_CX16))
			return emul_ud(e);
		ret = emul_linear(e, in->mem.seg, in->mem.ea, len, 0, &gva);
		if (ret)
			return ret;
		if (gva & 15)
			return emul_gp(e);
	}
	gather_pair(e, half, UMBRA_RDX, UMBRA_RAX, cmp);
	gather_pair(e, half, UMBRA_RCX, UMBRA_RBX, val);
	for (tries = 0; tries < 64; tries++) {
		ret = emul_read(e, in->mem.seg, in->mem.ea, old, len,
				UMBRA_ACC_RMW);
		if (ret)
			return ret;
		same = old[0] == cmp[0] && old[1] == cmp[1];
		ret = store_pair(e, in, old, same ? val : old, len, &swapped);
		if (ret)
			return ret;
		if (swapped)
			break;
	}
	if (tries == 64)
		return EMUL_RETRY;
	e->r.rflags &= ~(u64)X86_EFLAGS_ZF;
	if (same)
		e->r.rflags |= X86_EFLAGS_ZF;
	else
		load_acc(e, half, old);
	return UMBRA_EMUL_OK;
}
