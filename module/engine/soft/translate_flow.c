// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, branches and exits
 *
 * Direct branches become chains (tc_chain.c).  Indirect ones have their target in
 * R11 and jump through a table (tc_slot.c).  RET, the most frequent of all, is two instructions
 * in near code:
 *
 *	pop r11				; the only one that may fault for the guest
 *	jmp fs:[r11 * 8]
 *
 * and six where the block that is found has to compare:
 *
 *	pop r11
 *	jmp fs:[r11d * 8]
 *   prologue:
 *	mov [vdata.spill.rcx], rcx
 *	lea rcx, [r11 - RIP]
 *	jrcxz over
 *	mov rcx, [vdata.spill.rcx]
 *	jmp next prologue, or miss
 *   over:
 *	mov rcx, [vdata.spill.rcx]
 *
 * None of them touches a flag.
 */

/*
 * DOC: translator, R11
 *
 * For this R11 has to be free.  Compilers take it last, so that kernels hardly have it, and no
 * function expects it to survive a call: it is in vdata.r11, until an instruction comes that
 * has to do with it.  In front of that it is loaded, and stays in the register up to the next
 * CALL, RET or indirect branch, in front of which it is stored:
 *
 *	away: vdata ---- an instruction that names R11 ---> home: register
 *	            <--- CALL, RET, indirect JMP ---------
 *
 * Direct jumps take it along as it is.  So a guest RIP may have two blocks, for who
 * comes with it in the register (TC_BLOCK_HOME), as in a loop that uses it, and for all others.
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
	*c = (struct tc_chain){ .target = target, .to = TC_NONE, .home = b->home };
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
 * @home: with R11 in the register
 */
void emit_follow(struct tc_build *b, u64 rip, bool home)
{
	if (b->nr_follow == FOLLOW_MAX)
		return;
	if (home)
		b->follow_home |= BIT(b->nr_follow);
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
	emit_follow(b, ret, false);
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
	emit_r11_away(b, 0);
	emit_push_return(b);
	emit_mark(b, 0, 0);
	b->goes_on = true;
	b->next = next_rip(b) + b->in.imm;
}

/*
 * Go where R11 says: JMP FS:[R11 * 8 - SOFT_TC_NEAR_DISP], or FS:[R11D * 8], which is always within
 * the window.
 */
static void emit_dispatch(struct tc_build *b)
{
	bool near = tc_is_near(b->tc, b->rip);

	emit_u8(b, 0x64);
	if (!near)
		emit_u8(b, 0x67);
	emit_bytes(b, (u8 []){ 0x42, 0xff, 0x24, 0xdd }, 4);
	emit_u32(b, near ? (u32)-SOFT_TC_NEAR_DISP : 0);
}

/**
 * emit_ret() - translate RET
 * @b: the block
 */
void emit_ret(struct tc_build *b)
{
	struct tc_block *block = &b->tc->blocks[b->block];
	u16 bytes = b->in.opcode == 0xc2 ? b->in.imm : 0;

	if (b->home) {
		emit_r11_away(b, 0);
		/* The operand ends the instruction. */
		block->ret = b->pos - 4 - block->entry;
	}
	/* POP R11 */
	emit_bytes(b, (u8 []){ 0x41, 0x5b }, 2);
	emit_mark(b, TC_MARK_MIDDLE, 0);
	if (bytes) {
		emit_bytes(b, (u8 []){ 0x48, 0x8d, 0xa4, 0x24 }, 4);
		emit_u32(b, bytes);
	}
	emit_dispatch(b);
}

/* MOV R11, reg */
static void emit_copy_register(struct tc_build *b, u8 reg)
{
	emit_bytes(b, (u8 []){ 0x49 | (reg >= 8 ? UMBRA_REX_R : 0), 0x89,
			       0xc0 | (reg & 7) << 3 | (UMBRA_R11 & 7) }, 3);
}

/**
 * emit_indirect() - translate JMP or CALL through a register or memory
 * @b: the block
 * @call: CALL; nothing is done before its push
 */
void emit_indirect(struct tc_build *b, bool call)
{
	if (b->home)
		emit_r11_away(b, 0);
	else if (tc_uses_r11(&b->in, b->code))
		emit_load(b, UMBRA_R11, VDATA(b, r11));
	if (b->in.mod != 3)
		emit_load_operand(b);
	else if (b->in.rm != UMBRA_R11)
		emit_copy_register(b, b->in.rm);
	if (call)
		emit_push_return(b);
	emit_mark(b, TC_MARK_MIDDLE, 0);
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
	block->out_r11 = !b->home;
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

/*
 * RCX = R11 - @rip.  It is zero where they are the same.
 */
static void emit_difference(struct tc_build *b, u64 rip, bool far)
{
	if (!far) {
		emit_bytes(b, (u8 []){ 0x49, 0x8d, 0x8b }, 3);
		emit_u32(b, -rip);
		return;
	}
	emit_bytes(b, (u8 []){ 0x48, 0xb9 }, 2);
	emit_u64(b, -rip);
	emit_bytes(b, (u8 []){ 0x4a, 0x8d, 0x0c, 0x19 }, 4);
}

static void emit_compare(struct tc_build *b, u64 rip, bool far)
{
	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_difference(b, rip, far);
	emit_bytes(b, (u8 []){ 0xe3, 12 }, 2);
	emit_reload(b, SOFT_SPILL_RCX);
	emit_mark(b, TC_MARK_MIDDLE, 0);
	/* To the next prologue; where that is comes later. */
	emit_u8(b, X86_JMP);
	emit_u32(b, b->tc->miss - (b->pos + 4));
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_reload(b, SOFT_SPILL_RCX);
}

/**
 * emit_prologue() - emit where an indirect branch comes in
 * @b: the block
 * @block: its record, or that of the prologue alone
 * @compare: it is for targets[], whatever the RIP
 *
 * The real R11 says where the branch leads.
 */
void emit_prologue(struct tc_build *b, struct tc_block *block, bool compare)
{
	u64 rip = block->rip;
	bool far = !tc_sext32(rip) || !tc_sext32(-rip);

	block->start = b->pos;
	block->flags |= TC_BLOCK_PROLOGUE;
	/* Nobody else's RIP leads there. */
	if (!compare && tc_span_entry(b->tc, rip)) {
		block->flags |= TC_BLOCK_SPAN;
		return;
	}
	if (far)
		block->flags |= TC_BLOCK_LONG;
	emit_mark(b, TC_MARK_MIDDLE, 0);
	emit_compare(b, rip, far);
	emit_mark(b, 0, 0);
}
