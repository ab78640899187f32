// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: operands
 *
 * From an encoded operand to a value and back: effective addresses, the checks
 * of segmentation (SDM Vol. 3A 5.3-5.5; Vol. 1, 3.3.7 for 64-bit mode), the
 * alignment check, and the callbacks that move bytes.  Paging is the owner's.
 */
#include "emul_internal.h"

/**
 * emul_effective_address() - offset of the memory operand in its segment
 * @e: the emulation; the working RIP is that of the next instruction
 * @in: the instruction; mem.ea is set
 *
 * Return: the offset, cut to the address size.
 */
u64 emul_effective_address(struct umbra_emul *e, struct emul_insn *in)
{
	const struct emul_mem *m = &in->mem;
	u64 ea = m->disp;

	if (m->base == EMUL_RIP_REG)
		ea += e->r.rip;
	else if (m->base != EMUL_NO_REG)
		ea += e->r.gpr[m->base];
	if (m->index != EMUL_NO_REG)
		ea += e->r.gpr[m->index] << m->scale;
	in->mem.ea = ea & emul_mask(in->adsize);
	return in->mem.ea;
}

/**
 * emul_misaligned() - whether the memory operand is not aligned
 * @e: the emulation
 * @in: the instruction, effective address done
 * @len: alignment in bytes, a power of two
 *
 * Such an operand of SSE or XSAVE is #GP(0), whatever else is wrong with it.
 */
bool emul_misaligned(const struct umbra_emul *e, const struct emul_insn *in, unsigned int len)
{
	u64 base = e->r.seg[in->mem.seg].base;

	if (in->mode == 64 && in->mem.seg < UMBRA_FS)
		base = 0;
	return (base + in->mem.ea) & (len - 1);
}

static int seg_fault(struct umbra_emul *e, unsigned int seg)
{
	return emul_fault(e, seg == UMBRA_SS ? EMUL_SS : EMUL_GP, 0);
}

static int linear64(struct umbra_emul *e, unsigned int seg, u64 off,
		    unsigned int len, gva_t *gva)
{
	u64 addr = off;

	if (seg == UMBRA_FS || seg == UMBRA_GS)
		addr += e->r.seg[seg].base;
	if (!emul_canonical(e, addr) || !emul_canonical(e, addr + len - 1))
		return seg_fault(e, seg);
	*gva = addr;
	return UMBRA_EMUL_OK;
}

/* Does the segment's type allow the access? (SDM Vol. 3A 5.5) */
static bool type_allows(const struct umbra_seg *s, unsigned int acc)
{
	if (!(s->attr & UMBRA_SEG_P))
		return false;
	if (!(s->attr & 8))
		return !(acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW)) ||
		       (s->attr & 2);
	if (acc & UMBRA_ACC_FETCH)
		return true;
	return !(acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW)) && (s->attr & 2);
}

/*
 * Expand-down data segments are valid above the limit (SDM Vol. 3A 5.3).
 */
static bool limit_allows(const struct umbra_seg *s, u64 off, unsigned int len)
{
	u64 last = off + len - 1;

	if ((s->attr & 0xc) == 4 && (s->attr & UMBRA_SEG_S))
		return off > s->limit &&
		       last <= (s->attr & UMBRA_SEG_DB ? 0xffffffffu : 0xffffu);
	return last <= s->limit;
}

/**
 * emul_linear() - segment and offset to linear address, with all checks
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset, already cut to the address size
 * @len: bytes accessed, at least 1
 * @acc: UMBRA_ACC_WRITE, _RMW or _FETCH decide the type check
 * @gva: result
 *
 * Return: OK, or FAULT with #SS(0) for the stack segment, else #GP(0).
 */
int emul_linear(struct umbra_emul *e, unsigned int seg, u64 off,
		unsigned int len, unsigned int acc, gva_t *gva)
{
	const struct umbra_seg *s = &e->r.seg[seg];

	if (emul_mode64(e))
		return linear64(e, seg, off, len, gva);
	if (!emul_real_or_v86(e) && !type_allows(s, acc))
		return seg_fault(e, seg);
	if (!limit_allows(s, off, len))
		return seg_fault(e, seg);
	*gva = (u32)(s->base + off);
	return UMBRA_EMUL_OK;
}

/* What the access is, for the owner's page-level checks. */
static unsigned int acc_of(const struct umbra_emul *e)
{
	unsigned int acc = 0;

	if (e->r.cpl == 3)
		acc |= UMBRA_ACC_USER;
	if (e->r.rflags & X86_EFLAGS_AC)
		acc |= UMBRA_ACC_AC;
	return acc;
}

/*
 * #AC(0) for user accesses that are not aligned to @unit (SDM Vol. 3A 6.15,
 * interrupt 17): CR0.AM, RFLAGS.AC and CPL 3 together.
 */
static int align_check(struct umbra_emul *e, gva_t gva, unsigned int unit)
{
	if (likely(!(e->r.rflags & X86_EFLAGS_AC)) || e->r.cpl != 3 ||
	    !(e->r.cr0 & X86_CR0_AM) || !(gva & (unit - 1)))
		return UMBRA_EMUL_OK;
	return emul_fault(e, EMUL_AC, 0);
}

/* Alignment of an operand by its size; far pointers go by their offset. */
static unsigned int unit_of(unsigned int len)
{
	if (len == 6)
		return 4;
	if (len == 10)
		return 8;
	return len & (len - 1) || len > 32 ? 1 : len;
}

/* Outside 64-bit mode an access may wrap at 4 GiB; do it in two. */
static unsigned int wrap_cut(const struct umbra_emul *e, gva_t gva,
			     unsigned int len)
{
	if (likely(gva + len - 1 <= 0xffffffffu) || emul_mode64(e))
		return len;
	return 0x100000000ull - gva;
}

/**
 * emul_read_unit() - read guest memory by segment and offset
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset
 * @buf: destination
 * @len: 1..64 bytes
 * @acc: UMBRA_ACC_RMW or 0
 * @unit: alignment asked for, a power of two
 */
int emul_read_unit(struct umbra_emul *e, unsigned int seg, u64 off, void *buf,
		   unsigned int len, unsigned int acc, unsigned int unit)
{
	unsigned int cut;
	gva_t gva;
	int ret;

	ret = emul_linear(e, seg, off, len, acc, &gva);
	if (ret)
		return ret;
	ret = align_check(e, gva, unit);
	if (ret)
		return ret;
	acc |= acc_of(e);
	if (emul_watching(e))
		emul_watch_data(e, gva, len, false);
	cut = wrap_cut(e, gva, len);
	ret = e->ops->read(e, gva, buf, cut, acc);
	if (ret || likely(cut == len))
		return ret;
	return e->ops->read(e, 0, (u8 *)buf + cut, len - cut, acc);
}

/**
 * emul_read() - read one operand
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset
 * @buf: destination
 * @len: 1..64 bytes
 * @acc: UMBRA_ACC_RMW or 0
 */
int emul_read(struct umbra_emul *e, unsigned int seg, u64 off, void *buf,
	      unsigned int len, unsigned int acc)
{
	return emul_read_unit(e, seg, off, buf, len, acc, unit_of(len));
}

/**
 * emul_write_unit() - write guest memory by segment and offset
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset
 * @buf: source
 * @len: 1..64 bytes
 * @unit: alignment asked for, a power of two
 */
int emul_write_unit(struct umbra_emul *e, unsigned int seg, u64 off,
		    const void *buf, unsigned int len, unsigned int unit)
{
	unsigned int acc = UMBRA_ACC_WRITE | acc_of(e);
	unsigned int cut;
	gva_t gva;
	int ret;

	ret = emul_linear(e, seg, off, len, UMBRA_ACC_WRITE, &gva);
	if (ret)
		return ret;
	ret = align_check(e, gva, unit);
	if (ret)
		return ret;
	if (emul_watching(e))
		emul_watch_data(e, gva, len, true);
	cut = wrap_cut(e, gva, len);
	ret = e->ops->write(e, gva, buf, cut, acc);
	if (ret || likely(cut == len))
		return ret;
	return e->ops->write(e, 0, (const u8 *)buf + cut, len - cut, acc);
}

/**
 * emul_write() - write one operand
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset
 * @buf: source
 * @len: 1..64 bytes
 */
int emul_write(struct umbra_emul *e, unsigned int seg, u64 off,
	       const void *buf, unsigned int len)
{
	return emul_write_unit(e, seg, off, buf, len, unit_of(len));
}

/**
 * emul_probe() - find the fault that a write would meet
 * @e: the emulation
 * @seg: enum umbra_sreg
 * @off: offset
 * @len: 1..64 bytes
 *
 * For instructions that must not begin what they cannot finish.  A device sees nothing of it.
 */
int emul_probe(struct umbra_emul *e, unsigned int seg, u64 off, unsigned int len)
{
	unsigned int acc = UMBRA_ACC_WRITE | acc_of(e);
	unsigned int cut;
	gva_t gva;
	int ret;

	ret = emul_linear(e, seg, off, len, UMBRA_ACC_WRITE, &gva);
	if (!ret)
		ret = align_check(e, gva, unit_of(len));
	if (ret)
		return ret;
	cut = wrap_cut(e, gva, len);
	ret = e->ops->probe(e, gva, cut, acc);
	if (ret || likely(cut == len))
		return ret;
	return e->ops->probe(e, 0, len - cut, acc);
}

/**
 * emul_read_sys() - read a descriptor table or TSS
 * @e: the emulation
 * @gva: linear address
 * @buf: destination
 * @len: bytes
 * @acc: UMBRA_ACC_RMW or 0
 *
 * Supervisor accesses whatever the CPL (SDM Vol. 3A 4.6.1).
 */
int emul_read_sys(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		  unsigned int acc)
{
	if (!emul_lma(e))
		gva = (u32)gva;
	return e->ops->read(e, gva, buf, len, acc | UMBRA_ACC_IMPLICIT);
}

/**
 * emul_write_sys() - write a descriptor table or TSS
 * @e: the emulation
 * @gva: linear address
 * @buf: source
 * @len: bytes
 */
int emul_write_sys(struct umbra_emul *e, gva_t gva, const void *buf,
		   unsigned int len)
{
	if (!emul_lma(e))
		gva = (u32)gva;
	return e->ops->write(e, gva, buf, len,
			     UMBRA_ACC_WRITE | UMBRA_ACC_IMPLICIT);
}

/**
 * emul_read_far() - read the far pointer in the memory operand
 * @e: the emulation
 * @in: the instruction
 * @n: size of the offset, bytes
 * @off: offset
 * @sel: selector
 */
int emul_read_far(struct umbra_emul *e, struct emul_insn *in, unsigned int n,
		  u64 *off, u16 *sel)
{
	u64 ea = in->mem.ea;
	int ret;

	*off = 0;
	ret = emul_read(e, in->mem.seg, ea, off, n, 0);
	if (ret)
		return ret;
	ea = (ea + n) & emul_mask(in->adsize);
	return emul_read(e, in->mem.seg, ea, sel, 2, 0);
}

/**
 * emul_cmpxchg_mem() - compare and exchange the memory operand
 * @e: the emulation
 * @in: the instruction
 * @old: expected bytes
 * @new_val: new bytes
 * @len: 1, 2, 4, 8 or 16
 * @swapped: result
 */
int emul_cmpxchg_mem(struct umbra_emul *e, struct emul_insn *in,
		     const void *old, const void *new_val, unsigned int len,
		     bool *swapped)
{
	gva_t gva;
	int ret;

	if (!e->ops->cmpxchg)
		return emul_unhandled(e, "locked access without cmpxchg");
	ret = emul_linear(e, in->mem.seg, in->mem.ea, len, UMBRA_ACC_RMW, &gva);
	if (ret)
		return ret;
	if (wrap_cut(e, gva, len) != len)
		return emul_unhandled(e, "locked access wraps at 4 GiB");
	*swapped = false;
	if (emul_watching(e))
		emul_watch_data(e, gva, len, true);
	/* in parentheses: the kernel has a macro of that name */
	return (e->ops->cmpxchg)(e, gva, old, new_val, len,
			       UMBRA_ACC_WRITE | acc_of(e), swapped);
}

/**
 * emul_load_operand() - operand to op->val
 * @e: the emulation
 * @in: the instruction, effective address done
 * @op: operand; vector, address, CR and DR operands are left alone
 * @acc: UMBRA_ACC_RMW or 0, for memory
 */
int emul_load_operand(struct umbra_emul *e, struct emul_insn *in,
		      struct emul_operand *op, unsigned int acc)
{
	switch (op->type) {
	case EMUL_OT_GPR:
		op->val = emul_gpr(e, op->reg, op->size);
		break;
	case EMUL_OT_GPR_HIGH:
		op->val = (e->r.gpr[op->reg] >> 8) & 0xff;
		break;
	case EMUL_OT_SREG:
		op->val = e->r.seg[op->reg].sel;
		break;
	case EMUL_OT_MEM:
		op->val = 0;
		return emul_read(e, in->mem.seg, in->mem.ea, &op->val,
				 op->size, acc);
	}
	return UMBRA_EMUL_OK;
}

/**
 * emul_store_operand() - op->val to the operand
 * @e: the emulation
 * @in: the instruction
 * @op: register or memory operand
 */
int emul_store_operand(struct umbra_emul *e, struct emul_insn *in,
		       const struct emul_operand *op)
{
	switch (op->type) {
	case EMUL_OT_GPR:
		emul_gpr_set(e, op->reg, op->size, op->val);
		break;
	case EMUL_OT_GPR_HIGH:
		e->r.gpr[op->reg] = (e->r.gpr[op->reg] & ~0xff00ull) |
				    (op->val & 0xff) << 8;
		break;
	case EMUL_OT_MEM:
		return emul_write(e, in->mem.seg, in->mem.ea, &op->val,
				  op->size);
	}
	return UMBRA_EMUL_OK;
}
