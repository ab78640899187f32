// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: multiplication and division
 *
 * One-operand forms work on AX, DX:AX, EDX:EAX or RDX:RAX.  SF, ZF, AF and PF
 * after a multiplication and all status flags after a division are undefined;
 * they are left alone.
 */
#include "emul_internal.h"

/* The double-width accumulator: AH:AL for bytes, else rDX:rAX. */
static void put_wide(struct umbra_emul *e, unsigned int size, u64 lo, u64 hi)
{
	if (size == 1) {
		emul_gpr_set(e, UMBRA_RAX, 2, (lo & 0xff) | (hi & 0xff) << 8);
		return;
	}
	emul_gpr_set(e, UMBRA_RAX, size, lo);
	emul_gpr_set(e, UMBRA_RDX, size, hi);
}

static void set_mul_flags(struct umbra_emul *e, bool overflow)
{
	emul_flag_put(e, X86_EFLAGS_CF, overflow);
	emul_flag_put(e, X86_EFLAGS_OF, overflow);
}

static void mul_wide(u64 a, u64 b, unsigned int size, u64 *lo, u64 *hi)
{
	if (size == 8) {
		unsigned __int128 p = (unsigned __int128)a * b;

		*lo = p;
		*hi = p >> 64;
		return;
	}
	*lo = (a * b) & emul_mask(size);
	*hi = (a * b) >> (8 * size);
}

/* Signed: the unsigned product, less what the signs added too much. */
static void imul_wide(u64 a, u64 b, unsigned int size, u64 *lo, u64 *hi)
{
	u64 m = emul_mask(size);

	mul_wide(a & m, b & m, size, lo, hi);
	if (a & emul_sign(size))
		*hi -= b;
	if (b & emul_sign(size))
		*hi -= a;
	*hi &= m;
}

static bool fits_signed(u64 lo, u64 hi, unsigned int size)
{
	return hi == (lo & emul_sign(size) ? emul_mask(size) : 0);
}

int emul_op_mul(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 lo, hi;

	mul_wide(emul_gpr(e, UMBRA_RAX, size), in->dst.val, size, &lo, &hi);
	put_wide(e, size, lo, hi);
	set_mul_flags(e, hi);
	return UMBRA_EMUL_OK;
}

int emul_op_imul1(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 lo, hi;

	imul_wide(emul_gpr(e, UMBRA_RAX, size), in->dst.val, size, &lo, &hi);
	put_wide(e, size, lo, hi);
	set_mul_flags(e, !fits_signed(lo, hi, size));
	return UMBRA_EMUL_OK;
}

static void imul_short(struct umbra_emul *e, struct emul_insn *in, u64 a,
		       u64 b)
{
	u64 hi;

	imul_wide(a, b, in->dst.size, &in->dst.val, &hi);
	set_mul_flags(e, !fits_signed(in->dst.val, hi, in->dst.size));
}

/* IMUL r, r/m */
int emul_op_imul(struct umbra_emul *e, struct emul_insn *in)
{
	imul_short(e, in, in->dst.val, in->src.val);
	return UMBRA_EMUL_OK;
}

/* IMUL r, r/m, imm */
int emul_op_imul2(struct umbra_emul *e, struct emul_insn *in)
{
	imul_short(e, in, in->src.val, in->src2.val);
	return UMBRA_EMUL_OK;
}

/* MULX: the high half wins when both destinations are the same. */
int emul_op_mulx(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 lo, hi;

	mul_wide(emul_gpr(e, UMBRA_RDX, size), in->src2.val, size, &lo, &hi);
	emul_gpr_set(e, in->src.reg, size, lo);
	emul_gpr_set(e, in->dst.reg, size, hi);
	return UMBRA_EMUL_OK;
}

/*
 * hi:lo / d, for hi < d: schoolbook, a bit at a time.  The kernel has no
 * 128-bit division, and none of our guests' hot paths needs one.
 */
static u64 div_128(u64 hi, u64 lo, u64 d, u64 *rem)
{
	unsigned int i;
	bool top;

	for (i = 0; i < 64; i++) {
		top = hi >> 63;
		hi = hi << 1 | lo >> 63;
		lo <<= 1;
		if (top || hi >= d) {
			hi -= d;
			lo |= 1;
		}
	}
	*rem = hi;
	return lo;
}

/* Unsigned division of hi:lo; false: #DE. */
static bool div_wide(u64 hi, u64 lo, u64 d, unsigned int size, u64 *quo,
		     u64 *rem)
{
	u64 n;

	if (hi >= d)
		return false;
	if (size == 8) {
		*quo = div_128(hi, lo, d, rem);
		return true;
	}
	n = hi << (8 * size) | lo;
	*quo = n / d;
	*rem = n % d;
	return true;
}

static void get_wide(const struct umbra_emul *e, unsigned int size, u64 *lo,
		     u64 *hi)
{
	if (size == 1) {
		*lo = e->r.gpr[UMBRA_RAX] & 0xff;
		*hi = e->r.gpr[UMBRA_RAX] >> 8 & 0xff;
		return;
	}
	*lo = emul_gpr(e, UMBRA_RAX, size);
	*hi = emul_gpr(e, UMBRA_RDX, size);
}

int emul_op_div(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 lo, hi, quo, rem;

	get_wide(e, size, &lo, &hi);
	if (!div_wide(hi, lo, in->dst.val, size, &quo, &rem))
		return emul_fault_noerr(e, EMUL_DE);
	put_wide(e, size, quo, rem);
	return UMBRA_EMUL_OK;
}

/* Two's complement of a double-width number. */
static void neg_wide(u64 *lo, u64 *hi, unsigned int size)
{
	u64 m = emul_mask(size);

	*lo = -*lo & m;
	*hi = (~*hi + !*lo) & m;
}

/* Division of magnitudes, then the signs: the remainder takes the dividend's. */
int emul_op_idiv(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int size = in->dst.size;
	u64 sign = emul_sign(size);
	u64 lo, hi, quo, rem;
	u64 d = in->dst.val;
	bool neg_n, neg_d;

	get_wide(e, size, &lo, &hi);
	neg_n = hi & sign;
	neg_d = d & sign;
	if (neg_n)
		neg_wide(&lo, &hi, size);
	if (neg_d)
		d = -d & emul_mask(size);
	if (!div_wide(hi, lo, d, size, &quo, &rem))
		return emul_fault_noerr(e, EMUL_DE);
	if (neg_n != neg_d) {
		if (quo > sign)
			return emul_fault_noerr(e, EMUL_DE);
		quo = -quo;
	} else if (quo >= sign) {
		return emul_fault_noerr(e, EMUL_DE);
	}
	put_wide(e, size, quo, neg_n ? -rem : rem);
	return UMBRA_EMUL_OK;
}
