// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: arithmetic and logic
 *
 * ADD to CMP, INC, DEC, NEG, NOT, TEST, and the flag instructions.  Status flags
 * are computed in C from operands and result (SDM Vol. 1, 3.4.3.1); AF after a
 * logic instruction is undefined and cleared, as processors do.
 */
#include "emul_internal.h"

/* PF is set when the low byte has an even number of ones. */
static u64 parity(u64 v)
{
	v ^= v >> 4;
	return (0x9669 >> (v & 0xf)) & 1 ? X86_EFLAGS_PF : 0;
}

static u64 szp(u64 res, unsigned int size)
{
	u64 f = parity(res);

	if (!(res & emul_mask(size)))
		f |= X86_EFLAGS_ZF;
	if (res & emul_sign(size))
		f |= X86_EFLAGS_SF;
	return f;
}

/**
 * emul_set_szp() - SF, ZF and PF of a result
 * @e: the emulation
 * @res: result
 * @size: bytes
 */
void emul_set_szp(struct umbra_emul *e, u64 res, unsigned int size)
{
	e->r.rflags &= ~(u64)(X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_PF);
	e->r.rflags |= szp(res, size);
}

static void set_status(struct umbra_emul *e, u64 f)
{
	e->r.rflags = (e->r.rflags & ~(u64)EMUL_FLAGS_STATUS) | f;
}

/**
 * emul_add() - a + b + carry, with flags
 * @e: the emulation
 * @a: first operand
 * @b: second operand
 * @carry: 0 or 1
 * @size: bytes
 */
u64 emul_add(struct umbra_emul *e, u64 a, u64 b, unsigned int carry,
	     unsigned int size)
{
	u64 m = emul_mask(size);
	u64 res = (a + b + carry) & m;
	u64 f = szp(res, size);

	a &= m;
	b &= m;
	if (res < a || (carry && res == a))
		f |= X86_EFLAGS_CF;
	if ((a ^ b ^ res) & 0x10)
		f |= X86_EFLAGS_AF;
	if ((a ^ res) & (b ^ res) & emul_sign(size))
		f |= X86_EFLAGS_OF;
	set_status(e, f);
	return res;
}

/**
 * emul_sub() - a - b - borrow, with flags
 * @e: the emulation
 * @a: first operand
 * @b: second operand
 * @borrow: 0 or 1
 * @size: bytes
 */
u64 emul_sub(struct umbra_emul *e, u64 a, u64 b, unsigned int borrow,
	     unsigned int size)
{
	u64 m = emul_mask(size);
	u64 res = (a - b - borrow) & m;
	u64 f = szp(res, size);

	a &= m;
	b &= m;
	if (a < b || (borrow && a == b))
		f |= X86_EFLAGS_CF;
	if ((a ^ b ^ res) & 0x10)
		f |= X86_EFLAGS_AF;
	if ((a ^ b) & (a ^ res) & emul_sign(size))
		f |= X86_EFLAGS_OF;
	set_status(e, f);
	return res;
}

/**
 * emul_logic() - flags of a logic instruction
 * @e: the emulation
 * @res: result
 * @size: bytes
 *
 * Return: @res, cut to @size.
 */
u64 emul_logic(struct umbra_emul *e, u64 res, unsigned int size)
{
	res &= emul_mask(size);
	set_status(e, szp(res, size));
	return res;
}

static unsigned int carry_in(const struct umbra_emul *e)
{
	return e->r.rflags & X86_EFLAGS_CF;
}

int emul_op_add(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_add(e, in->dst.val, in->src.val, 0, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_adc(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_add(e, in->dst.val, in->src.val, carry_in(e),
			       in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_sub(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_sub(e, in->dst.val, in->src.val, 0, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_sbb(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_sub(e, in->dst.val, in->src.val, carry_in(e),
			       in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_cmp(struct umbra_emul *e, struct emul_insn *in)
{
	emul_sub(e, in->dst.val, in->src.val, 0, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_and(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_logic(e, in->dst.val & in->src.val, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_or(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_logic(e, in->dst.val | in->src.val, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_xor(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_logic(e, in->dst.val ^ in->src.val, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_test(struct umbra_emul *e, struct emul_insn *in)
{
	emul_logic(e, in->dst.val & in->src.val, in->dst.size);
	return UMBRA_EMUL_OK;
}

/* INC and DEC leave CF alone. */
int emul_op_inc(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int cf = carry_in(e);

	in->dst.val = emul_add(e, in->dst.val, 1, 0, in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, cf);
	return UMBRA_EMUL_OK;
}

int emul_op_dec(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int cf = carry_in(e);

	in->dst.val = emul_sub(e, in->dst.val, 1, 0, in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, cf);
	return UMBRA_EMUL_OK;
}

int emul_op_neg(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_sub(e, 0, in->dst.val, 0, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_not(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = ~in->dst.val & emul_mask(in->dst.size);
	return UMBRA_EMUL_OK;
}

/* ADCX and ADOX: a chain of carries in one flag only. */
static void add_chain(struct umbra_emul *e, struct emul_insn *in, u64 flag)
{
	u64 m = emul_mask(in->dst.size);
	u64 c = !!(e->r.rflags & flag);
	u64 a = in->dst.val;
	u64 res = (a + in->src.val + c) & m;

	emul_flag_put(e, flag, res < a || (c && res == a));
	in->dst.val = res;
}

int emul_op_adcx(struct umbra_emul *e, struct emul_insn *in)
{
	add_chain(e, in, X86_EFLAGS_CF);
	return UMBRA_EMUL_OK;
}

int emul_op_adox(struct umbra_emul *e, struct emul_insn *in)
{
	add_chain(e, in, X86_EFLAGS_OF);
	return UMBRA_EMUL_OK;
}

int emul_op_clc(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags &= ~(u64)X86_EFLAGS_CF;
	return UMBRA_EMUL_OK;
}

int emul_op_stc(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags |= X86_EFLAGS_CF;
	return UMBRA_EMUL_OK;
}

int emul_op_cmc(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags ^= X86_EFLAGS_CF;
	return UMBRA_EMUL_OK;
}

int emul_op_cld(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags &= ~(u64)X86_EFLAGS_DF;
	return UMBRA_EMUL_OK;
}

int emul_op_std(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags |= X86_EFLAGS_DF;
	return UMBRA_EMUL_OK;
}
