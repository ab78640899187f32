// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: near control transfer
 *
 * Jcc, JMP, CALL, RET, LOOP, JCXZ: within the code segment.  Far transfers are in
 * transfer.c.
 */
#include "emul_internal.h"

/**
 * emul_condition() - evaluate a condition code
 * @e: the emulation
 * @cc: low four bits of Jcc, SETcc, CMOVcc
 */
bool emul_condition(const struct umbra_emul *e, unsigned int cc)
{
	u64 f = e->r.rflags;
	static const u16 any_of[8] = {
		X86_EFLAGS_OF, X86_EFLAGS_CF, X86_EFLAGS_ZF,
		X86_EFLAGS_CF | X86_EFLAGS_ZF, X86_EFLAGS_SF, X86_EFLAGS_PF,
		0, X86_EFLAGS_ZF,
	};
	bool less = !(f & X86_EFLAGS_SF) != !(f & X86_EFLAGS_OF);
	bool v = f & any_of[cc >> 1];

	if (cc >= 12)
		v |= less;
	return v != (cc & 1);
}

/**
 * emul_jump() - set RIP within the current code segment
 * @e: the emulation
 * @target: offset; cut to @opsize
 * @opsize: bytes
 *
 * Return: OK or #GP(0) outside the limit or not canonical.
 */
int emul_jump(struct umbra_emul *e, u64 target, unsigned int opsize)
{
	target &= emul_mask(opsize);
	if (emul_mode64(e)) {
		if (!emul_canonical(e, target))
			return emul_gp(e);
	} else if (target > e->r.seg[UMBRA_CS].limit) {
		return emul_gp(e);
	}
	e->r.rip = target;
	return UMBRA_EMUL_OK;
}

static int jump_rel(struct umbra_emul *e, struct emul_insn *in)
{
	return emul_jump(e, e->r.rip + in->dst.val, in->opsize);
}

int emul_op_jcc(struct umbra_emul *e, struct emul_insn *in)
{
	if (!emul_condition(e, in->opcode & 0xf))
		return UMBRA_EMUL_OK;
	return jump_rel(e, in);
}

int emul_op_jmp(struct umbra_emul *e, struct emul_insn *in)
{
	return jump_rel(e, in);
}

int emul_op_jmp_ind(struct umbra_emul *e, struct emul_insn *in)
{
	return emul_jump(e, in->dst.val, in->opsize);
}

/*
 * A target that is no good leaves the stack as it was, but a stack that is no
 * good comes first.
 */
static int call_to(struct umbra_emul *e, struct emul_insn *in, u64 target)
{
	u64 m = emul_mask(emul_stack_size(e));
	u64 ip = e->r.rip;
	int ret, probe;

	ret = emul_jump(e, target, in->opsize);
	if (likely(!ret))
		return emul_push(e, ip, in->opsize);
	probe = emul_probe(e, UMBRA_SS, (e->r.gpr[UMBRA_RSP] - in->opsize) & m, in->opsize);
	return probe ? probe : emul_jump(e, target, in->opsize);
}

int emul_op_call(struct umbra_emul *e, struct emul_insn *in)
{
	return call_to(e, in, e->r.rip + in->dst.val);
}

int emul_op_call_ind(struct umbra_emul *e, struct emul_insn *in)
{
	return call_to(e, in, in->dst.val);
}

int emul_op_ret(struct umbra_emul *e, struct emul_insn *in)
{
	u64 target;
	int ret;

	ret = emul_pop(e, &target, in->opsize);
	if (ret)
		return ret;
	if (in->dst.type == EMUL_OT_IMM)
		emul_sp_set(e, e->r.gpr[UMBRA_RSP] + (in->dst.val & 0xffff));
	return emul_jump(e, target, in->opsize);
}

static bool loop_count(struct umbra_emul *e, struct emul_insn *in)
{
	u64 n = emul_gpr(e, UMBRA_RCX, in->adsize) - 1;

	emul_gpr_set(e, UMBRA_RCX, in->adsize, n);
	return n & emul_mask(in->adsize);
}

int emul_op_loop(struct umbra_emul *e, struct emul_insn *in)
{
	return loop_count(e, in) ? jump_rel(e, in) : UMBRA_EMUL_OK;
}

int emul_op_loope(struct umbra_emul *e, struct emul_insn *in)
{
	if (loop_count(e, in) && (e->r.rflags & X86_EFLAGS_ZF))
		return jump_rel(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_loopne(struct umbra_emul *e, struct emul_insn *in)
{
	if (loop_count(e, in) && !(e->r.rflags & X86_EFLAGS_ZF))
		return jump_rel(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_jcxz(struct umbra_emul *e, struct emul_insn *in)
{
	if (emul_gpr(e, UMBRA_RCX, in->adsize))
		return UMBRA_EMUL_OK;
	return jump_rel(e, in);
}
