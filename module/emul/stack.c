// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the stack
 *
 * PUSH and POP in their many forms, ENTER, LEAVE, and the helpers that calls,
 * returns and interrupts use.  The width of the stack pointer is that of SS, 64
 * bits in 64-bit mode (SDM Vol. 1, 6.2.3); the operand size is the instruction's.
 */
#include "emul_internal.h"

/**
 * emul_stack_size() - width of the stack pointer in bytes
 * @e: the emulation
 */
unsigned int emul_stack_size(const struct umbra_emul *e)
{
	if (emul_mode64(e))
		return 8;
	if (emul_v86(e))
		return 2;
	return e->r.seg[UMBRA_SS].attr & UMBRA_SEG_DB ? 4 : 2;
}

/**
 * emul_sp_set() - write SP, ESP or RSP by the width of the stack
 * @e: the emulation
 * @sp: value
 */
void emul_sp_set(struct umbra_emul *e, u64 sp)
{
	emul_gpr_set(e, UMBRA_RSP, emul_stack_size(e), sp);
}

/* Item by item, as the processor pushes: the first that faults tells the address. */
static int push_items(struct umbra_emul *e, u64 sp, const void *buf,
		      unsigned int count, unsigned int n)
{
	u64 m = emul_mask(emul_stack_size(e));
	int ret = UMBRA_EMUL_OK;

	while (count-- && !ret)
		ret = emul_write_unit(e, UMBRA_SS, (sp + count * n) & m,
				      (const u8 *)buf + count * n, n, n);
	return ret;
}

/**
 * emul_push_block() - push several items, lowest address first in @buf
 * @e: the emulation
 * @buf: items
 * @count: how many; 64 bytes at most
 * @n: size of one, bytes
 *
 * One write unless the stack wraps within the block or part of it is not there.
 */
int emul_push_block(struct umbra_emul *e, const void *buf, unsigned int count,
		    unsigned int n)
{
	u64 m = emul_mask(emul_stack_size(e));
	unsigned int len = count * n;
	u64 sp = (e->r.gpr[UMBRA_RSP] - len) & m;
	int ret = UMBRA_EMUL_FAULT;

	if (likely(sp + len - 1 <= m && sp + len - 1 >= sp))
		ret = emul_write_unit(e, UMBRA_SS, sp, buf, len, n);
	if (unlikely(ret == UMBRA_EMUL_FAULT))
		ret = push_items(e, sp, buf, count, n);
	if (!ret)
		emul_sp_set(e, sp);
	return ret;
}

/**
 * emul_push() - push one value
 * @e: the emulation
 * @val: value
 * @size: 2, 4 or 8 bytes
 */
int emul_push(struct umbra_emul *e, u64 val, unsigned int size)
{
	return emul_push_block(e, &val, 1, size);
}

/**
 * emul_peek() - read items from above the stack pointer
 * @e: the emulation
 * @at: bytes above it
 * @buf: destination
 * @count: items; 64 bytes at most
 * @n: size of one, bytes
 */
int emul_peek(struct umbra_emul *e, unsigned int at, void *buf,
	      unsigned int count, unsigned int n)
{
	u64 m = emul_mask(emul_stack_size(e));
	u64 sp = (e->r.gpr[UMBRA_RSP] + at) & m;
	unsigned int len = count * n, i;
	int ret = UMBRA_EMUL_OK;

	if (likely(sp + len - 1 <= m && sp + len - 1 >= sp))
		return emul_read_unit(e, UMBRA_SS, sp, buf, len, 0, n);
	for (i = 0; i < count && !ret; i++)
		ret = emul_read_unit(e, UMBRA_SS, (sp + i * n) & m,
				     (u8 *)buf + i * n, n, 0, n);
	return ret;
}

/**
 * emul_pop() - pop one value
 * @e: the emulation
 * @val: result
 * @size: 2, 4 or 8 bytes
 */
int emul_pop(struct umbra_emul *e, u64 *val, unsigned int size)
{
	int ret;

	*val = 0;
	ret = emul_peek(e, 0, val, 1, size);
	if (!ret)
		emul_sp_set(e, e->r.gpr[UMBRA_RSP] + size);
	return ret;
}

int emul_op_push(struct umbra_emul *e, struct emul_insn *in)
{
	return emul_push(e, in->dst.val, in->opsize);
}

/* POP SP keeps what was popped: the store comes after the increment. */
int emul_op_pop(struct umbra_emul *e, struct emul_insn *in)
{
	return emul_pop(e, &in->dst.val, in->opsize);
}

/* An address based on RSP is computed after the increment (SDM Vol. 2B, POP). */
int emul_op_pop_mem(struct umbra_emul *e, struct emul_insn *in)
{
	int ret;

	ret = emul_pop(e, &in->dst.val, in->opsize);
	if (ret)
		return ret;
	emul_effective_address(e, in);
	return emul_store_operand(e, in, &in->dst);
}

int emul_op_pop_sreg(struct umbra_emul *e, struct emul_insn *in)
{
	u64 sel;
	int ret;

	ret = emul_pop(e, &sel, in->opsize);
	if (ret)
		return ret;
	if (in->dst.reg == UMBRA_SS)
		in->shadow = UMBRA_SHADOW_MOV_SS;
	return emul_sreg_load(e, in->dst.reg, sel);
}

/* All eight registers in one block, DI at the lowest address. */
int emul_op_pusha(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int i, n = in->opsize;
	u8 buf[32];

	for (i = 0; i < 8; i++)
		memcpy(buf + (7 - i) * n, &e->r.gpr[i], n);
	return emul_push_block(e, buf, 8, n);
}

int emul_op_popa(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int i, n = in->opsize;
	u8 buf[32];
	u64 val;
	int ret;

	ret = emul_peek(e, 0, buf, 8, n);
	if (ret)
		return ret;
	for (i = 0; i < 8; i++) {
		if (i == UMBRA_RSP)
			continue;
		val = 0;
		memcpy(&val, buf + (7 - i) * n, n);
		emul_gpr_set(e, i, n, val);
	}
	emul_sp_set(e, e->r.gpr[UMBRA_RSP] + 8 * n);
	return UMBRA_EMUL_OK;
}

int emul_op_pushf(struct umbra_emul *e, struct emul_insn *in)
{
	if (emul_v86(e) && emul_iopl(e) < 3)
		return emul_gp(e);
	return emul_push(e, e->r.rflags & ~(u64)(X86_EFLAGS_RF | X86_EFLAGS_VM),
			 in->opsize);
}

#define POPF_ALWAYS	(EMUL_FLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF | \
			 X86_EFLAGS_NT | X86_EFLAGS_AC | X86_EFLAGS_ID)

/* IOPL changes at CPL 0 only, IF at CPL <= IOPL; others are silently kept. */
int emul_op_popf(struct umbra_emul *e, struct emul_insn *in)
{
	u64 change = POPF_ALWAYS;
	u64 val;
	int ret;

	if (emul_v86(e)) {
		if (emul_iopl(e) < 3)
			return emul_gp(e);
		change |= X86_EFLAGS_IF;
	} else {
		if (!e->r.cpl)
			change |= X86_EFLAGS_IOPL;
		if (e->r.cpl <= emul_iopl(e))
			change |= X86_EFLAGS_IF;
	}
	if (in->opsize == 2)
		change &= 0xffff;
	ret = emul_pop(e, &val, in->opsize);
	if (!ret)
		e->r.rflags = (e->r.rflags & ~change) | (val & change);
	return ret;
}

/* Copies of the enclosing frames' pointers, for nesting levels above 1. */
static int push_display(struct umbra_emul *e, unsigned int n, unsigned int level)
{
	u64 m = emul_mask(emul_stack_size(e));
	u64 bp = e->r.gpr[UMBRA_RBP];
	u64 val;
	int ret;

	for (; level > 1; level--) {
		bp -= n;
		val = 0;
		ret = emul_read(e, UMBRA_SS, bp & m, &val, n, 0);
		if (ret)
			return ret;
		ret = emul_push(e, val, n);
		if (ret)
			return ret;
	}
	return UMBRA_EMUL_OK;
}

/* The new top of stack must be writable, although nothing is written there. */
static int probe_frame(struct umbra_emul *e, unsigned int n)
{
	u64 m = emul_mask(emul_stack_size(e));

	return emul_probe(e, UMBRA_SS, e->r.gpr[UMBRA_RSP] & m, n);
}

int emul_op_enter(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int level = in->src.val & 31, n = in->opsize;
	u64 frame;
	int ret;

	ret = emul_push(e, e->r.gpr[UMBRA_RBP], n);
	if (ret)
		return ret;
	frame = e->r.gpr[UMBRA_RSP];
	if (level) {
		ret = push_display(e, n, level);
		if (!ret)
			ret = emul_push(e, frame, n);
		if (ret)
			return ret;
	}
	emul_gpr_set(e, UMBRA_RBP, n, frame);
	emul_sp_set(e, e->r.gpr[UMBRA_RSP] - (in->dst.val & 0xffff));
	return probe_frame(e, n);
}

int emul_op_leave(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val;
	int ret;

	emul_sp_set(e, e->r.gpr[UMBRA_RBP]);
	ret = emul_pop(e, &val, in->opsize);
	if (!ret)
		emul_gpr_set(e, UMBRA_RBP, in->opsize, val);
	return ret;
}
