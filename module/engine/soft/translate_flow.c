// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, branches and exits
 *
 * Direct branches become chains (tc_chain.c).  Indirect ones have their target in
 * RCX and jump through a table (tc_slot.c).  RET, the most frequent of all, is four instructions
 * in near code:
 *
 *	mov [vdata.spill.rcx], rcx
 *	pop rcx				; the only one that may fault for the guest
 *	jmp fs:[rcx * 8]
 *   prologue:
 *	mov rcx, [vdata.spill.rcx]
 *
 * and six where the prologue has to compare:
 *
 *	mov [vdata.spill.rcx], rcx
 *	pop rcx
 *	jmp fs:[ecx * 8]
 *   prologue:
 *	lea rcx, [rcx - RIP]
 *	jrcxz over
 *	lea rcx, [rcx + RIP]
 *	jmp next prologue, or miss
 *   over:
 *	mov rcx, [vdata.spill.rcx]
 *
 * None of them touches a flag.
 */
#include "translate_internal.h"

#define X86_HLT		0xf4
#define X86_JMP		0xe9

/**
 * tc_new_chain() - a direct branch out of the block
 * @b: the block
 * @target: guest RIP
 *
 * Return: its record, which leads nowhere yet.
 */
struct tc_chain *tc_new_chain(struct tc_build *b, u64 target)
{
	struct tc_block *block = &b->tc->blocks[b->block];
	struct tc_chain *c = &b->tc->chains[b->tc->nr_chains++];

	block->nr_chains++;
	*c = (struct tc_chain){ .target = target, .to = TC_NONE };
	return c;
}

/**
 * emit_chain() - emit an exit to a guest RIP
 * @b: the block
 * @target: guest RIP
 * @link: it may become a jump; not so after STI
 */
void emit_chain(struct tc_build *b, u64 target, bool link)
{
	struct tc_chain *c = tc_new_chain(b, target);

	if (!link)
		c->to = TC_AFTER_STI;
	c->stub = b->pos;
	c->patch = b->pos + 1;
	emit_u8(b, X86_HLT);
	emit_u32(b, 0);
}

/**
 * emit_follow() - note a guest RIP that is run next, almost for sure
 * @b: the block
 * @rip: guest RIP
 */
void emit_follow(struct tc_build *b, u64 rip)
{
	if (b->nr_follow < FOLLOW_MAX)
		b->follow[b->nr_follow++] = rip;
}

static u64 next_rip(const struct tc_build *b)
{
	return b->rip + b->in.len;
}

/**
 * emit_jcc() - translate Jcc: to an exit that comes after the block
 * @b: the block
 */
void emit_jcc(struct tc_build *b)
{
	struct tc_chain *c = tc_new_chain(b, next_rip(b) + b->in.imm);

	emit_u8(b, 0x0f);
	emit_u8(b, 0x80 | (b->in.opcode & 0xf));
	c->patch = b->pos;
	emit_u32(b, 0);
}

/**
 * emit_late_exits() - emit the exits of Jcc
 * @b: the block where they go
 * @first: the first chain that may be a Jcc's
 * @nr: how many chains
 */
void emit_late_exits(struct tc_build *b, u32 first, u32 nr)
{
	struct tc_chain *c = &b->tc->chains[first];
	u32 i, rel;

	for (i = 0; i < nr; i++, c++) {
		if (c->stub)
			continue;
		c->stub = b->pos;
		rel = c->stub - (c->patch + 4);
		memcpy(b->out + c->patch, &rel, sizeof(rel));
		emit_u8(b, X86_HLT);
	}
}

/**
 * emit_loop() - translate LOOPcc or JRCXZ
 * @b: the block
 *
 * They reach 127 bytes only: over a jump to the exit next to it.
 */
void emit_loop(struct tc_build *b)
{
	if (b->in.asz)
		emit_u8(b, 0x67);
	emit_bytes(b, (u8 []){ b->in.opcode, 2 }, 2);
	emit_mark(b, TC_MARK_MIDDLE, 0);
	emit_bytes(b, (u8 []){ 0xeb, 5 }, 2);
	/* Its exit is inside: the block cannot be copied. */
	b->fixups++;
	emit_mark(b, 0, 0);
	emit_chain(b, next_rip(b) + b->in.imm, true);
}

/*
 * Push the guest's return address.  Where PUSH cannot, it is stored below the
 * stack pointer first: that can be done again after a fault.
 */
static void emit_push_return(struct tc_build *b)
{
	u64 ret = next_rip(b);

	tc_set_expected(b->tc, ret);
	emit_follow(b, ret);
	if (tc_sext32(ret)) {
		emit_u8(b, 0x68);
		emit_u32(b, ret);
		return;
	}
	emit_bytes(b, (u8 []){ 0xc7, 0x44, 0x24, 0xf8 }, 4);
	emit_u32(b, ret);
	emit_bytes(b, (u8 []){ 0xc7, 0x44, 0x24, 0xfc }, 4);
	emit_u32(b, ret >> 32);
	emit_bytes(b, (u8 []){ 0x48, 0x8d, 0x64, 0x24, 0xf8 }, 5);
}

/**
 * emit_call() - translate a direct CALL
 * @b: the block
 */
void emit_call(struct tc_build *b)
{
	emit_push_return(b);
	emit_mark(b, 0, 0);
	b->goes_on = true;
	b->next = next_rip(b) + b->in.imm;
}

/*
 * Go where RCX says, which is spilled: JMP FS:[RCX * 8], or FS:[ECX * 8], which is always
 * within the window.
 */
static void emit_dispatch(struct tc_build *b)
{
	emit_u8(b, 0x64);
	if (!tc_is_near(b->tc, b->rip))
		emit_u8(b, 0x67);
	emit_bytes(b, (u8 []){ 0xff, 0x24, 0xcd, 0, 0, 0, 0 }, 7);
}

/**
 * emit_ret() - translate RET
 * @b: the block
 */
void emit_ret(struct tc_build *b)
{
	struct tc_block *block = &b->tc->blocks[b->block];
	u16 bytes = b->in.opcode == 0xc2 ? b->in.imm : 0;

	emit_spill(b, SOFT_SPILL_RCX);
	/* The operand ends the instruction. */
	block->ret = b->pos - 4 - block->entry;
	emit_mark(b, 0, SPILL(RCX));
	emit_u8(b, 0x59);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	if (bytes) {
		emit_bytes(b, (u8 []){ 0x48, 0x8d, 0xa4, 0x24 }, 4);
		emit_u32(b, bytes);
	}
	emit_dispatch(b);
}

/* MOV RCX, reg */
static void emit_copy_register(struct tc_build *b, u8 reg)
{
	emit_bytes(b, (u8 []){ 0x48 | (reg >= 8 ? UMBRA_REX_R : 0), 0x89,
			       0xc0 | (reg & 7) << 3 | UMBRA_RCX }, 3);
}

/**
 * emit_indirect() - translate JMP or CALL through a register or memory
 * @b: the block
 * @call: CALL; nothing is done before its push
 */
void emit_indirect(struct tc_build *b, bool call)
{
	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	if (b->in.mod != 3)
		emit_load_operand(b, UMBRA_RCX);
	else if (b->in.rm != UMBRA_RCX)
		emit_copy_register(b, b->in.rm);
	if (call)
		emit_push_return(b);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_dispatch(b);
}

static void set_callout(struct tc_build *b, u8 op, u16 arg)
{
	struct tc_block *block = &b->tc->blocks[b->block];

	block->callout = b->pos;
	block->flags |= TC_BLOCK_CALLOUT;
	block->op = op;
	block->arg = arg;
	block->out_rip = b->rip - block->rip;
	block->out_mark = b->insn_mark;
	/* Of the open mark, which is the instruction's own or one inside it. */
	block->out_spilled = b->mark[1] & 0xf ? 0 : b->mark[1] >> 4;
}

/**
 * emit_callout() - emit the exit of an instruction that has to be emulated
 * @b: the block
 * @op: enum soft_op
 * @arg: SOFT_ARG_*
 */
void emit_callout(struct tc_build *b, u8 op, u16 arg)
{
	set_callout(b, op, arg);
	emit_u8(b, X86_HLT);
	/* For soft_tc_where(), which has to be quick here. */
	emit_u32(b, b->block);
}

/**
 * emit_service_exit() - emit the same exit by way of the switcher
 * @b: the block
 * @op: enum soft_op
 */
void emit_service_exit(struct tc_build *b, u8 op)
{
	set_callout(b, op, 0);
	emit_bytes(b, (u8 []){ 0x0f, 0x05 }, 2);
	emit_u32(b, b->block);
}

/* RCX += @add, where a disp32 cannot say it, by RDX, which is spilled. */
static void emit_add_long(struct tc_build *b, u64 add)
{
	emit_bytes(b, (u8 []){ 0x48, 0xba }, 2);
	emit_u64(b, add);
	emit_bytes(b, (u8 []){ 0x48, 0x8d, 0x0c, 0x11 }, 4);
}

static void emit_add(struct tc_build *b, u64 add)
{
	emit_bytes(b, (u8 []){ 0x48, 0x8d, 0x89 }, 3);
	emit_u32(b, add);
}

/* To the next prologue; where that is comes later. */
static void emit_next(struct tc_build *b)
{
	emit_u8(b, X86_JMP);
	emit_u32(b, b->tc->miss - (b->pos + 4));
}

static void emit_compare_long(struct tc_build *b, u64 rip)
{
	emit_spill(b, SOFT_SPILL_RDX);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX) | SPILL(RDX));
	emit_add_long(b, -rip);
	emit_bytes(b, (u8 []){ 0xe3, 26 }, 2);
	emit_add_long(b, rip);
	emit_reload(b, SOFT_SPILL_RDX);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_next(b);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX) | SPILL(RDX));
	emit_reload(b, SOFT_SPILL_RDX);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
}

static void emit_compare(struct tc_build *b, u64 rip)
{
	emit_add(b, -rip);
	emit_bytes(b, (u8 []){ 0xe3, 12 }, 2);
	emit_add(b, rip);
	emit_next(b);
}

/**
 * emit_prologue() - emit where an indirect branch comes in
 * @b: the block
 * @block: its record, or that of the prologue alone
 * @compare: it is for targets[], whatever the RIP
 *
 * RCX is spilled, and says where the branch leads.
 */
void emit_prologue(struct tc_build *b, struct tc_block *block, bool compare)
{
	u64 rip = block->rip;

	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	block->start = b->pos;
	block->flags |= TC_BLOCK_PROLOGUE;
	if (!compare && tc_span_entry(b->tc, rip)) {
		block->flags |= TC_BLOCK_SPAN;
	} else if (tc_sext32(rip) && tc_sext32(-rip)) {
		emit_compare(b, rip);
	} else {
		block->flags |= TC_BLOCK_LONG;
		emit_compare_long(b, rip);
	}
	emit_reload(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, 0);
}
