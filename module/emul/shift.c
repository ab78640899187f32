// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: shifts and rotates
 *
 * The count is cut to 5 bits, 6 with a 64-bit operand; a count of 0 changes no
 * flag.  OF is defined for a count of 1 only; the same formula is used for all
 * counts, which is what processors do (SDM Vol. 2B, RCL/RCR/ROL/ROR, SAL/SAR/SHL/SHR).
 * AF after a shift is undefined; AMD's processors set it.
 */
#include "emul_internal.h"

static unsigned int count_of(const struct emul_insn *in, u64 count)
{
	return count & (in->dst.size == 8 ? 63 : 31);
}

static bool cf(const struct umbra_emul *e)
{
	return e->r.rflags & X86_EFLAGS_CF;
}

static void set_cf_of(struct umbra_emul *e, bool c, bool o)
{
	emul_flag_put(e, X86_EFLAGS_CF, c);
	emul_flag_put(e, X86_EFLAGS_OF, o);
}

int emul_op_rol(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val), bits = 8 * in->dst.size;
	u64 v = in->dst.val;

	if (!n)
		return UMBRA_EMUL_OK;
	n &= bits - 1;
	if (n)
		v = (v << n | v >> (bits - n)) & emul_mask(in->dst.size);
	in->dst.val = v;
	set_cf_of(e, v & 1, (v & 1) ^ !!(v & emul_sign(in->dst.size)));
	return UMBRA_EMUL_OK;
}

int emul_op_ror(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val), bits = 8 * in->dst.size;
	u64 sign = emul_sign(in->dst.size);
	u64 v = in->dst.val;

	if (!n)
		return UMBRA_EMUL_OK;
	n &= bits - 1;
	if (n)
		v = (v >> n | v << (bits - n)) & emul_mask(in->dst.size);
	in->dst.val = v;
	set_cf_of(e, v & sign, !!(v & sign) ^ !!(v & (sign >> 1)));
	return UMBRA_EMUL_OK;
}

/* Rotates through carry turn bits + 1 positions; a bit at a time is exact. */
int emul_op_rcl(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val), bits = 8 * in->dst.size;
	u64 sign = emul_sign(in->dst.size);
	u64 v = in->dst.val;
	bool c = cf(e), out;

	if (!n)
		return UMBRA_EMUL_OK;
	for (n %= bits + 1; n; n--) {
		out = v & sign;
		v = (v << 1 | c) & emul_mask(in->dst.size);
		c = out;
	}
	in->dst.val = v;
	set_cf_of(e, c, c ^ !!(v & sign));
	return UMBRA_EMUL_OK;
}

int emul_op_rcr(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val), bits = 8 * in->dst.size;
	u64 sign = emul_sign(in->dst.size);
	u64 v = in->dst.val;
	bool c = cf(e), out;

	if (!n)
		return UMBRA_EMUL_OK;
	for (n %= bits + 1; n; n--) {
		out = v & 1;
		v = v >> 1 | (c ? sign : 0);
		c = out;
	}
	in->dst.val = v;
	set_cf_of(e, c, !!(v & sign) ^ !!(v & (sign >> 1)));
	return UMBRA_EMUL_OK;
}

static void shift_flags(struct umbra_emul *e, struct emul_insn *in, bool c,
			bool o)
{
	emul_set_szp(e, in->dst.val, in->dst.size);
	set_cf_of(e, c, o);
	e->r.rflags |= X86_EFLAGS_AF;
}

int emul_op_shl(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val), bits = 8 * in->dst.size;
	u64 sign = emul_sign(in->dst.size);
	u64 v = in->dst.val;
	bool c;

	if (!n)
		return UMBRA_EMUL_OK;
	c = n <= bits && (v >> (bits - n) & 1);
	in->dst.val = v << n & emul_mask(in->dst.size);
	shift_flags(e, in, c, c ^ !!(in->dst.val & sign));
	return UMBRA_EMUL_OK;
}

int emul_op_shr(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val);
	u64 sign = emul_sign(in->dst.size);
	u64 v = in->dst.val;

	if (!n)
		return UMBRA_EMUL_OK;
	in->dst.val = v >> n;
	shift_flags(e, in, v >> (n - 1) & 1,
		    !!(in->dst.val & sign) ^ !!(in->dst.val & (sign >> 1)));
	return UMBRA_EMUL_OK;
}

int emul_op_sar(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src.val);
	s64 v = emul_sext(in->dst.val, in->dst.size);

	if (!n)
		return UMBRA_EMUL_OK;
	in->dst.val = (u64)(v >> n) & emul_mask(in->dst.size);
	shift_flags(e, in, v >> (n - 1) & 1, false);
	return UMBRA_EMUL_OK;
}

/*
 * Double shifts.  A 16-bit operand with a count above 16 is undefined in the
 * manuals; AMD's processors rotate the source then.
 */
int emul_op_shld(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src2.val), bits = 8 * in->dst.size;
	u64 d = in->dst.val, s = in->src.val, v;
	u64 sign = emul_sign(in->dst.size);
	bool c;

	if (!n)
		return UMBRA_EMUL_OK;
	if (n > bits) {
		v = (s << 16 | s) << (n - 16) >> 16;
		c = false;
	} else if (n == bits) {
		v = s;
		c = d & 1;
	} else {
		v = d << n | s >> (bits - n);
		c = d >> (bits - n) & 1;
	}
	in->dst.val = v & emul_mask(in->dst.size);
	shift_flags(e, in, c, c ^ !!(in->dst.val & sign));
	return UMBRA_EMUL_OK;
}

int emul_op_shrd(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src2.val), bits = 8 * in->dst.size;
	u64 d = in->dst.val, s = in->src.val, v;
	u64 sign = emul_sign(in->dst.size);
	bool c;

	if (!n)
		return UMBRA_EMUL_OK;
	if (n > bits) {
		v = (s << 16 | s) >> (n - 16);
		c = false;
	} else if (n == bits) {
		v = s;
		c = d >> (n - 1) & 1;
	} else {
		v = d >> n | s << (bits - n);
		c = d >> (n - 1) & 1;
	}
	in->dst.val = v & emul_mask(in->dst.size);
	shift_flags(e, in, c, !!(in->dst.val & sign) ^
		    !!(in->dst.val & (sign >> 1)));
	return UMBRA_EMUL_OK;
}

/* BMI2: no flags, count cut to the operand's width. */
int emul_op_shlx(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = in->src.val << count_of(in, in->src2.val);
	return UMBRA_EMUL_OK;
}

int emul_op_shrx(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = in->src.val >> count_of(in, in->src2.val);
	return UMBRA_EMUL_OK;
}

int emul_op_sarx(struct umbra_emul *e, struct emul_insn *in)
{
	s64 v = emul_sext(in->src.val, in->src.size);

	in->dst.val = (u64)(v >> count_of(in, in->src2.val));
	return UMBRA_EMUL_OK;
}

int emul_op_rorx(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = count_of(in, in->src2.val), bits = 8 * in->dst.size;
	u64 v = in->src.val;

	in->dst.val = n ? v >> n | v << (bits - n) : v;
	return UMBRA_EMUL_OK;
}
