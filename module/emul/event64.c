// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: events in 64-bit mode, the plain case
 *
 * Nearly every event of a 64-bit guest is alike (SDM Vol. 3A 6.14): a 64-bit gate,
 * a handler in ring 0, a frame of five or six words within a page.  It is delivered
 * here on the registers themselves, without a working copy.  What is not alike is
 * left to interrupt.c, before anything has changed.
 *
 * The guest's tables are read and the frame is written in the same order and with
 * the same rights as there, so that an access that fails is the same answer.
 */
#include "emul_internal.h"

/* A present gate of type 14 or 15: interrupt, trap (SDM Vol. 3A, figure 6-8). */
#define GATE_MASK	0x00009e0000000000ull
#define GATE_PLAIN	0x00008e0000000000ull
#define GATE_TRAP	BIT_ULL(40)

/* 64-bit code, not conforming, DPL 0, present, accessed (SDM Vol. 3A 5.2.1). */
#define CODE_MASK	0x0060fd0000000000ull
#define CODE_PLAIN	0x0020990000000000ull

/**
 * struct plain - an event on its way
 * @e: the emulation
 * @gate: the IDT's entry
 * @code: the handler's code segment
 * @inner: the handler runs in an inner ring
 * @sp: top of its stack
 */
struct plain {
	struct umbra_emul *e;
	u64 gate[2];
	struct emul_desc code;
	bool inner;
	u64 sp;
};

static bool canonical(const struct plain *p, u64 addr)
{
	return umbra_canonical(addr, unlikely(p->e->regs->cr4 & X86_CR4_LA57) ? 57 : 48);
}

static u64 entry_of(const struct plain *p)
{
	return (p->gate[0] & 0xffff) | (p->gate[0] >> 32 & 0xffff0000) | p->gate[1] << 32;
}

static u16 selector_of(const struct plain *p)
{
	return p->gate[0] >> 16;
}

static int read_table(struct plain *p, gva_t gva, void *buf, unsigned int len)
{
	return p->e->ops->read(p->e, gva, buf, len, UMBRA_ACC_IMPLICIT);
}

static int find_handler(struct plain *p, u8 vector)
{
	const struct umbra_regs *regs = p->e->regs;
	u32 off = 16u * vector;
	int ret;

	if (off + 15 > regs->idtr.limit)
		return EMUL_NOT_PLAIN;
	ret = read_table(p, regs->idtr.base + off, p->gate, 16);
	if (ret)
		return ret;
	if ((p->gate[0] & GATE_MASK) != GATE_PLAIN || !canonical(p, entry_of(p)))
		return EMUL_NOT_PLAIN;

	/* Neither null nor of the LDT. */
	off = selector_of(p) & ~7u;
	if (!off || (selector_of(p) & 4) || off + 7 > regs->gdtr.limit)
		return EMUL_NOT_PLAIN;
	ret = read_table(p, regs->gdtr.base + off, &p->code.lo, 8);
	if (ret)
		return ret;
	return (p->code.lo & CODE_MASK) == CODE_PLAIN ? UMBRA_EMUL_OK : EMUL_NOT_PLAIN;
}

/* Offsets in a 64-bit TSS (SDM Vol. 3A, figure 8-11). */
static int find_stack(struct plain *p)
{
	const struct umbra_regs *regs = p->e->regs;
	const struct umbra_seg *tr = &regs->seg[UMBRA_TR];
	unsigned int ist = p->gate[0] >> 32 & 7;
	u32 off = ist ? 0x24 + 8 * (ist - 1) : 4;
	int ret;

	p->inner = regs->cpl;
	p->sp = regs->gpr[UMBRA_RSP];
	if (ist || p->inner) {
		if (off + 7 > tr->limit || !(tr->attr & 8))
			return EMUL_NOT_PLAIN;
		ret = read_table(p, tr->base + off, &p->sp, 8);
		if (ret)
			return ret;
	}
	p->sp &= ~15ull;
	return UMBRA_EMUL_OK;
}

/* What emul_write_unit() asks for when the handler's ring writes. */
static int push_frame(struct plain *p, bool has_error, u32 error_code)
{
	const struct umbra_regs *regs = p->e->regs;
	unsigned int len = has_error ? 48 : 40, acc = UMBRA_ACC_WRITE;
	u64 frame[6] = {
		error_code, regs->rip, regs->seg[UMBRA_CS].sel, regs->rflags,
		regs->gpr[UMBRA_RSP], regs->seg[UMBRA_SS].sel,
	};
	u64 bottom = p->sp - len;
	int ret;

	if (((bottom ^ (p->sp - 1)) & UMBRA_PAGE_MASK) || !canonical(p, bottom))
		return EMUL_NOT_PLAIN;
	if (regs->rflags & X86_EFLAGS_AC)
		acc |= UMBRA_ACC_AC;
	ret = p->e->ops->write(p->e, bottom, has_error ? frame : frame + 1, len, acc);
	p->sp = bottom;
	/* Which word it is that faults is found out there. */
	return ret == UMBRA_EMUL_FAULT ? EMUL_NOT_PLAIN : ret;
}

/* Nothing can fail any more. */
static void enter_handler(struct plain *p)
{
	struct umbra_regs *regs = p->e->regs;

	emul_desc_to_seg(&p->code, selector_of(p) & ~3u, &regs->seg[UMBRA_CS]);
	if (p->inner)
		regs->seg[UMBRA_SS] = (struct umbra_seg){};
	regs->cpl = 0;
	regs->gpr[UMBRA_RSP] = p->sp;
	regs->rip = entry_of(p);
	regs->rflags &= ~(u64)(X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF);
	if (!(p->gate[0] & GATE_TRAP))
		regs->rflags &= ~(u64)X86_EFLAGS_IF;
	regs->int_shadow = 0;
	regs->dirty |= UMBRA_REGS_GPR | UMBRA_REGS_SEG;
}

/**
 * emul_event64() - deliver an event, if it is a plain one
 * @e: the emulation; its working copy is not used and out of step afterwards
 * @vector: 0..255; not INT n
 * @has_error: push @error_code
 * @error_code: error code
 *
 * Return: OK (committed); EMUL_NOT_PLAIN: nothing has happened; what a callback returned.
 */
int emul_event64(struct umbra_emul *e, u8 vector, bool has_error, u32 error_code)
{
	const struct umbra_regs *regs = e->regs;
	struct plain p = { .e = e };
	int ret;

	if (!(regs->efer & EMUL_EFER_LMA) || (regs->dr7 & 0xff) ||
	    (regs->rflags & X86_EFLAGS_VM))
		return EMUL_NOT_PLAIN;
	e->in_step = false;
	e->insn_len = 0;
	e->reason = NULL;
	e->error = 0;
	ret = find_handler(&p, vector);
	if (!ret)
		ret = find_stack(&p);
	if (!ret)
		ret = push_frame(&p, has_error, error_code);
	if (!ret)
		enter_handler(&p);
	return ret;
}
