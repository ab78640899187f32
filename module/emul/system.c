// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: descriptor tables
 *
 * LGDT, LIDT, SGDT, SIDT, SLDT, STR, and the instructions that look at
 * descriptors without loading them: LAR, LSL, VERR, VERW, ARPL.
 */
#include "emul_internal.h"

static bool umip(const struct umbra_emul *e)
{
	return (e->r.cr4 & X86_CR4_UMIP) && e->r.cpl && emul_prot(e);
}

/* Limit, then 4 or 8 bytes of base, whatever the operand size. */
static int store_dtr(struct umbra_emul *e, struct emul_insn *in,
		     const struct umbra_dtr *t)
{
	unsigned int n = in->mode == 64 ? 8 : 4;
	u8 buf[10];

	if (umip(e))
		return emul_gp(e);
	memcpy(buf, &t->limit, 2);
	memcpy(buf + 2, &t->base, n);
	return emul_write(e, in->mem.seg, in->mem.ea, buf, 2 + n);
}

int emul_op_sgdt(struct umbra_emul *e, struct emul_insn *in)
{
	return store_dtr(e, in, &e->r.gdtr);
}

int emul_op_sidt(struct umbra_emul *e, struct emul_insn *in)
{
	return store_dtr(e, in, &e->r.idtr);
}

/* With a 16-bit operand the base has 24 bits only. */
static int load_dtr(struct umbra_emul *e, struct emul_insn *in,
		    struct umbra_dtr *t)
{
	unsigned int n = in->mode == 64 ? 8 : 4;
	u64 base = 0;
	u8 buf[10];
	u16 limit;
	int ret;

	ret = emul_read(e, in->mem.seg, in->mem.ea, buf, 2 + n, 0);
	if (ret)
		return ret;
	memcpy(&limit, buf, 2);
	memcpy(&base, buf + 2, n);
	if (in->mode == 64 && !emul_canonical(e, base))
		return emul_gp(e);
	if (in->mode != 64 && in->opsize == 2)
		base &= 0xffffff;
	t->limit = limit;
	t->base = base;
	e->r.dirty |= UMBRA_REGS_TABLE;
	return UMBRA_EMUL_OK;
}

int emul_op_lgdt(struct umbra_emul *e, struct emul_insn *in)
{
	return load_dtr(e, in, &e->r.gdtr);
}

int emul_op_lidt(struct umbra_emul *e, struct emul_insn *in)
{
	return load_dtr(e, in, &e->r.idtr);
}

int emul_op_sldt(struct umbra_emul *e, struct emul_insn *in)
{
	if (umip(e))
		return emul_gp(e);
	in->dst.val = e->r.seg[UMBRA_LDTR].sel;
	return UMBRA_EMUL_OK;
}

int emul_op_str(struct umbra_emul *e, struct emul_insn *in)
{
	if (umip(e))
		return emul_gp(e);
	in->dst.val = e->r.seg[UMBRA_TR].sel;
	return UMBRA_EMUL_OK;
}

/*
 * Read a descriptor for a look only: a selector outside its table is no fault,
 * but a page fault on the table is.
 *
 * Return: OK with *@found, or a result to pass on.
 */
static int look_up(struct umbra_emul *e, u16 sel, struct emul_desc *d,
		   bool *found)
{
	int ret;

	*found = false;
	if (!(sel & ~3))
		return UMBRA_EMUL_OK;
	ret = emul_desc_read(e, sel, d, EMUL_GP);
	if (ret == UMBRA_EMUL_FAULT && e->fault.vector == EMUL_GP)
		return UMBRA_EMUL_OK;
	*found = !ret;
	return ret;
}

static bool visible(const struct umbra_emul *e, const struct umbra_seg *s)
{
	unsigned int dpl = emul_seg_dpl(s);

	if ((s->attr & UMBRA_SEG_S) && (s->attr & EMUL_TYPE_CODE) &&
	    (s->attr & EMUL_TYPE_CONFORMING))
		return true;
	return e->r.cpl <= dpl && (s->sel & 3u) <= dpl;
}

/* System types that LAR and LSL know (SDM Vol. 2A, tables 3-53 and 3-55). */
static bool type_known(const struct umbra_emul *e, const struct umbra_seg *s,
		       bool lsl)
{
	u16 types = lsl ? 0x0a0e : 0x1a3e;

	if (s->attr & UMBRA_SEG_S)
		return true;
	if (emul_lma(e))
		types &= lsl ? 0x0a04 : 0x1a04;
	return types >> (s->attr & UMBRA_SEG_TYPE) & 1;
}

static int lar_lsl(struct umbra_emul *e, struct emul_insn *in, bool lsl)
{
	struct emul_desc d;
	struct umbra_seg s;
	bool found;
	int ret;

	ret = look_up(e, in->src.val, &d, &found);
	if (ret)
		return ret;
	if (found) {
		emul_desc_to_seg(&d, in->src.val, &s);
		found = type_known(e, &s, lsl) && visible(e, &s);
	}
	emul_flag_put(e, X86_EFLAGS_ZF, found);
	in->no_store = !found;
	if (found)
		in->dst.val = lsl ? s.limit : d.lo >> 32 & 0x00ffff00;
	return UMBRA_EMUL_OK;
}

int emul_op_lar(struct umbra_emul *e, struct emul_insn *in)
{
	return lar_lsl(e, in, false);
}

int emul_op_lsl(struct umbra_emul *e, struct emul_insn *in)
{
	return lar_lsl(e, in, true);
}

static int verify(struct umbra_emul *e, struct emul_insn *in, bool write)
{
	struct emul_desc d;
	struct umbra_seg s;
	bool ok;
	int ret;

	ret = look_up(e, in->dst.val, &d, &ok);
	if (ret)
		return ret;
	if (ok) {
		emul_desc_to_seg(&d, in->dst.val, &s);
		ok = (s.attr & UMBRA_SEG_S) && visible(e, &s);
		if (s.attr & EMUL_TYPE_CODE)
			ok = ok && !write && (s.attr & EMUL_TYPE_WRITE);
		else if (write)
			ok = ok && (s.attr & EMUL_TYPE_WRITE);
	}
	emul_flag_put(e, X86_EFLAGS_ZF, ok);
	return UMBRA_EMUL_OK;
}

int emul_op_verr(struct umbra_emul *e, struct emul_insn *in)
{
	return verify(e, in, false);
}

int emul_op_verw(struct umbra_emul *e, struct emul_insn *in)
{
	return verify(e, in, true);
}

/* Written only when it changes something. */
int emul_op_arpl(struct umbra_emul *e, struct emul_insn *in)
{
	bool raise = (in->dst.val & 3) < (in->src.val & 3);

	emul_flag_put(e, X86_EFLAGS_ZF, raise);
	if (!raise)
		return UMBRA_EMUL_OK;
	in->dst.val = (in->dst.val & ~3ull) | (in->src.val & 3);
	return emul_store_operand(e, in, &in->dst);
}
