// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: loading segment registers
 *
 * Reads descriptors, judges them for the data segments, SS, LDTR and TR
 * (SDM Vol. 3A 3.4, 5.5-5.7; Vol. 2B, MOV), and sets their accessed and busy
 * bits.  CS belongs to transfer.c.
 *
 *   63      56 55  52 51   48 47         40 39                   16 15      0
 *   base 31-24 G DB L AVL lim P DPL S type  base 23-0               limit 15-0
 */
#include "emul_internal.h"

/**
 * emul_desc_to_seg() - unpack a descriptor
 * @d: descriptor
 * @sel: selector it was loaded by
 * @s: result
 */
void emul_desc_to_seg(const struct emul_desc *d, u16 sel, struct umbra_seg *s)
{
	u32 limit = (d->lo & 0xffff) | (d->lo >> 32 & 0xf0000);

	s->sel = sel;
	s->attr = (d->lo >> 40 & 0xff) | (d->lo >> 52 & 0xf) << 8;
	s->limit = s->attr & UMBRA_SEG_G ? limit << 12 | 0xfff : limit;
	s->base = (d->lo >> 16 & 0xffffff) | (d->lo >> 56) << 24;
	if (!(s->attr & UMBRA_SEG_S))
		s->base |= d->hi << 32;
}

static int table_of(struct umbra_emul *e, u16 sel, unsigned int vector,
		    u64 *base, u32 *limit)
{
	const struct umbra_seg *ldt = &e->r.seg[UMBRA_LDTR];

	if (!(sel & 4)) {
		*base = e->r.gdtr.base;
		*limit = e->r.gdtr.limit;
		return UMBRA_EMUL_OK;
	}
	if (!(ldt->attr & UMBRA_SEG_P))
		return emul_fault(e, vector, sel & ~3u);
	*base = ldt->base;
	*limit = ldt->limit;
	return UMBRA_EMUL_OK;
}

/**
 * emul_desc_read() - fetch a descriptor from GDT or LDT
 * @e: the emulation
 * @sel: selector, not null
 * @d: result; hi is filled for system descriptors in long mode
 * @vector: exception outside the table, with the selector as error code
 *
 * @vector may carry the EXT bit of the error code in bit 8.
 */
int emul_desc_read(struct umbra_emul *e, u16 sel, struct emul_desc *d,
		   unsigned int vector)
{
	u32 ext = vector >> 8 & 1, limit, off = sel & ~7u;
	u64 base;
	int ret;

	ret = table_of(e, sel, vector & 0xff, &base, &limit);
	if (ret) {
		e->fault.error_code |= ext;
		return ret;
	}
	if (off + 7 > limit)
		return emul_fault(e, vector & 0xff, (sel & ~3u) | ext);
	d->gva = base + off;
	d->hi = 0;
	ret = emul_read_sys(e, d->gva, &d->lo, 8, 0);
	if (ret || !emul_lma(e) || (d->lo >> 44 & 1))
		return ret;
	if (off + 15 > limit)
		return emul_fault(e, vector & 0xff, (sel & ~3u) | ext);
	return emul_read_sys(e, d->gva + 8, &d->hi, 8, 0);
}

/**
 * emul_desc_set_type() - set bits of a descriptor's type field in memory
 * @e: the emulation
 * @d: descriptor; updated
 * @bits: 1 accessed, 2 busy (TSS)
 */
int emul_desc_set_type(struct umbra_emul *e, struct emul_desc *d, u8 bits)
{
	u8 old = d->lo >> 40, val = old | bits;
	gva_t gva = d->gva + 5;
	bool swapped = true;
	int ret;

	if (old == val)
		return UMBRA_EMUL_OK;
	if (!emul_lma(e))
		gva = (u32)gva;
	if (e->ops->cmpxchg)
		ret = (e->ops->cmpxchg)(e, gva, &old, &val, 1, UMBRA_ACC_WRITE |
				      UMBRA_ACC_IMPLICIT, &swapped);
	else
		ret = emul_write_sys(e, gva, &val, 1);
	if (ret)
		return ret;
	/* somebody rewrote the descriptor meanwhile: take it from the start */
	if (!swapped)
		return EMUL_RETRY;
	d->lo |= (u64)bits << 40;
	return UMBRA_EMUL_OK;
}

/**
 * emul_sreg_set() - put a segment register into the working copy
 * @e: the emulation
 * @sreg: enum umbra_sreg
 * @s: value
 */
void emul_sreg_set(struct umbra_emul *e, unsigned int sreg,
		   const struct umbra_seg *s)
{
	e->r.seg[sreg] = *s;
	e->r.dirty |= sreg < UMBRA_LDTR ? UMBRA_REGS_SEG : UMBRA_REGS_TABLE;
}

/**
 * emul_sreg_real() - load a segment register in real or virtual-8086 mode
 * @e: the emulation
 * @sreg: enum umbra_sreg
 * @sel: paragraph
 *
 * Real mode keeps limit and size, which protected mode may have set ("unreal"
 * mode); virtual-8086 mode forces them (SDM Vol. 3B 20.1, 20.2.1).
 */
void emul_sreg_real(struct umbra_emul *e, unsigned int sreg, u16 sel)
{
	struct umbra_seg s = e->r.seg[sreg];

	s.sel = sel;
	s.base = (u64)sel << 4;
	if (emul_v86(e)) {
		s.limit = 0xffff;
		s.attr = UMBRA_SEG_P | UMBRA_SEG_DPL | UMBRA_SEG_S | 3;
	} else {
		/* a null selector of protected mode becomes usable again */
		if (!(s.attr & UMBRA_SEG_P))
			s.limit = 0xffff;
		s.attr = (s.attr & (UMBRA_SEG_G | UMBRA_SEG_DB)) |
			 UMBRA_SEG_P | UMBRA_SEG_S | 3;
	}
	emul_sreg_set(e, sreg, &s);
}

/* A null selector: legal for data segments, for SS in 64-bit rings 0..2. */
static int null_check(struct umbra_emul *e, unsigned int sreg, u16 sel,
		      unsigned int cpl, unsigned int vector, u32 ext,
		      struct umbra_seg *out)
{
	if (sreg == UMBRA_SS &&
	    (!emul_mode64(e) || cpl == 3 || (sel & 3) != cpl))
		return emul_fault(e, vector, ext);
	*out = (struct umbra_seg){ .sel = sel };
	if (sreg == UMBRA_SS)
		out->attr = cpl << UMBRA_SEG_DPL_SHIFT;
	return UMBRA_EMUL_OK;
}

static bool stack_type_ok(const struct umbra_seg *s, unsigned int cpl)
{
	return (s->attr & UMBRA_SEG_S) && !(s->attr & EMUL_TYPE_CODE) &&
	       (s->attr & EMUL_TYPE_WRITE) && (s->sel & 3) == cpl &&
	       emul_seg_dpl(s) == cpl;
}

static bool data_type_ok(const struct umbra_seg *s, unsigned int cpl)
{
	unsigned int dpl = emul_seg_dpl(s);

	if (!(s->attr & UMBRA_SEG_S))
		return false;
	if ((s->attr & EMUL_TYPE_CODE) && !(s->attr & EMUL_TYPE_WRITE))
		return false;
	if ((s->attr & EMUL_TYPE_CODE) && (s->attr & EMUL_TYPE_CONFORMING))
		return true;
	return (s->sel & 3u) <= dpl && cpl <= dpl;
}

/**
 * emul_sreg_check() - judge a selector for SS, DS, ES, FS or GS
 * @e: the emulation
 * @sreg: enum umbra_sreg
 * @sel: selector
 * @cpl: privilege level to judge for
 * @vector: #GP, or #TS when the selector comes from a TSS
 * @ext: EXT bit of the error code
 * @out: the segment
 *
 * Sets the accessed bit in the table.  Return: OK, FAULT and so on.
 */
int emul_sreg_check(struct umbra_emul *e, unsigned int sreg, u16 sel,
		    unsigned int cpl, unsigned int vector, u32 ext,
		    struct umbra_seg *out)
{
	u32 err = (sel & ~3u) | ext;
	struct emul_desc d;
	bool ok;
	int ret;

	if (!(sel & ~3))
		return null_check(e, sreg, sel, cpl, vector, ext, out);
	ret = emul_desc_read(e, sel, &d, vector | ext << 8);
	if (ret)
		return ret;
	emul_desc_to_seg(&d, sel, out);
	ok = sreg == UMBRA_SS ? stack_type_ok(out, cpl) :
				data_type_ok(out, cpl);
	if (!ok)
		return emul_fault(e, vector, err);
	if (!(out->attr & UMBRA_SEG_P))
		return emul_fault(e, sreg == UMBRA_SS ? EMUL_SS : EMUL_NP, err);
	ret = emul_desc_set_type(e, &d, EMUL_TYPE_ACCESSED);
	out->attr |= EMUL_TYPE_ACCESSED;
	return ret;
}

/**
 * emul_sreg_load() - load a data segment register or SS, in any mode
 * @e: the emulation
 * @sreg: enum umbra_sreg, not CS
 * @sel: selector
 */
int emul_sreg_load(struct umbra_emul *e, unsigned int sreg, u16 sel)
{
	struct umbra_seg s;
	int ret;

	if (emul_real_or_v86(e)) {
		emul_sreg_real(e, sreg, sel);
		return UMBRA_EMUL_OK;
	}
	ret = emul_sreg_check(e, sreg, sel, e->r.cpl, EMUL_GP, 0, &s);
	if (!ret)
		emul_sreg_set(e, sreg, &s);
	return ret;
}

int emul_op_mov_to_sreg(struct umbra_emul *e, struct emul_insn *in)
{
	if (in->dst.reg == UMBRA_SS)
		in->shadow = UMBRA_SHADOW_MOV_SS;
	return emul_sreg_load(e, in->dst.reg, in->src.val);
}

/*
 * LDS, LES, LSS, LFS, LGS: offset and selector from memory.  AMD has no 64-bit
 * offset here and ignores REX.W.
 */
static int load_far(struct umbra_emul *e, struct emul_insn *in,
		    unsigned int sreg)
{
	unsigned int n = in->opsize;
	u16 sel;
	int ret;

	if (n == 8 && (e->features & UMBRA_EMUL_F_AMD))
		n = 4;
	ret = emul_read_far(e, in, n, &in->dst.val, &sel);
	if (!ret)
		ret = emul_sreg_load(e, sreg, sel);
	if (ret)
		return ret;
	in->dst.size = n;
	return emul_store_operand(e, in, &in->dst);
}

int emul_op_lfar_es(struct umbra_emul *e, struct emul_insn *in)
{
	return load_far(e, in, UMBRA_ES);
}

int emul_op_lfar_ds(struct umbra_emul *e, struct emul_insn *in)
{
	return load_far(e, in, UMBRA_DS);
}

int emul_op_lfar_ss(struct umbra_emul *e, struct emul_insn *in)
{
	return load_far(e, in, UMBRA_SS);
}

int emul_op_lfar_fs(struct umbra_emul *e, struct emul_insn *in)
{
	return load_far(e, in, UMBRA_FS);
}

int emul_op_lfar_gs(struct umbra_emul *e, struct emul_insn *in)
{
	return load_far(e, in, UMBRA_GS);
}

/* LLDT and LTR share all but the types they take. */
static int load_system(struct umbra_emul *e, u16 sel, unsigned int sreg,
		       struct emul_desc *d, struct umbra_seg *s)
{
	unsigned int type;
	int ret;

	if (sel & 4)
		return emul_fault(e, EMUL_GP, sel & ~3u);
	ret = emul_desc_read(e, sel, d, EMUL_GP);
	if (ret)
		return ret;
	emul_desc_to_seg(d, sel, s);
	type = s->attr & (UMBRA_SEG_TYPE | UMBRA_SEG_S);
	if (sreg == UMBRA_LDTR ? type != 2 :
	    type != 9 && (type != 1 || emul_lma(e)))
		return emul_fault(e, EMUL_GP, sel & ~3u);
	/* the second half's type field must be 0 */
	if (d->hi >> 40 & 0x1f)
		return emul_fault(e, EMUL_GP, sel & ~3u);
	if (!(s->attr & UMBRA_SEG_P))
		return emul_fault(e, EMUL_NP, sel & ~3u);
	if (emul_lma(e) && !emul_canonical(e, s->base))
		return emul_fault(e, EMUL_GP, sel & ~3u);
	return UMBRA_EMUL_OK;
}

int emul_op_lldt(struct umbra_emul *e, struct emul_insn *in)
{
	struct umbra_seg s = { .sel = in->dst.val };
	struct emul_desc d;
	int ret;

	if (s.sel & ~3) {
		ret = load_system(e, s.sel, UMBRA_LDTR, &d, &s);
		if (ret)
			return ret;
	}
	emul_sreg_set(e, UMBRA_LDTR, &s);
	return UMBRA_EMUL_OK;
}

int emul_op_ltr(struct umbra_emul *e, struct emul_insn *in)
{
	u16 sel = in->dst.val;
	struct umbra_seg s;
	struct emul_desc d;
	int ret;

	if (!(sel & ~3))
		return emul_gp(e);
	ret = load_system(e, sel, UMBRA_TR, &d, &s);
	if (!ret)
		ret = emul_desc_set_type(e, &d, 2);
	if (ret)
		return ret;
	s.attr |= 2;
	emul_sreg_set(e, UMBRA_TR, &s);
	return UMBRA_EMUL_OK;
}
