// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: bit instructions
 *
 * BT and its relatives, scans and counts, BMI1, BMI2, BSWAP, MOVBE, CRC32.  The
 * address of a bit string is settled in emulate.c before the operand is loaded.
 */
#include "emul_internal.h"

static u64 bit_of(struct umbra_emul *e, struct emul_insn *in)
{
	u64 bit = 1ull << (in->src.val & (8 * in->dst.size - 1));

	emul_flag_put(e, X86_EFLAGS_CF, in->dst.val & bit);
	return bit;
}

int emul_op_bt(struct umbra_emul *e, struct emul_insn *in)
{
	bit_of(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_bts(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val |= bit_of(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_btr(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val &= ~bit_of(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_btc(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val ^= bit_of(e, in);
	return UMBRA_EMUL_OK;
}

static unsigned int lowest(u64 v)
{
	unsigned int n = 0;

	for (; !(v & 0xff); v >>= 8)
		n += 8;
	for (; !(v & 1); v >>= 1)
		n++;
	return n;
}

static unsigned int highest(u64 v)
{
	unsigned int n = 0;

	for (; v > 0xff; v >>= 8)
		n += 8;
	for (; v > 1; v >>= 1)
		n++;
	return n;
}

/*
 * A zero source leaves the destination alone (AMD says so, Intel does so),
 * even the upper half of a 64-bit register with a 32-bit operand.  ZF is about
 * the source; the undefined flags are as AMD's processors leave them, which is
 * by the result.
 */
static int scan(struct umbra_emul *e, struct emul_insn *in, u64 index)
{
	emul_logic(e, index, 8);
	emul_flag_put(e, X86_EFLAGS_ZF, !in->src.val);
	if (in->src.val)
		in->dst.val = index;
	else
		in->no_store = true;
	return UMBRA_EMUL_OK;
}

int emul_op_bsf(struct umbra_emul *e, struct emul_insn *in)
{
	return scan(e, in, in->src.val ? lowest(in->src.val) : 0);
}

int emul_op_bsr(struct umbra_emul *e, struct emul_insn *in)
{
	return scan(e, in, in->src.val ? highest(in->src.val) : 0);
}

/* SF, AF and PF are undefined; AMD's processors clear them and keep OF. */
static void count_flags(struct umbra_emul *e, struct emul_insn *in)
{
	e->r.rflags &= ~(u64)(X86_EFLAGS_SF | X86_EFLAGS_AF | X86_EFLAGS_PF);
	emul_flag_put(e, X86_EFLAGS_CF, !in->src.val);
	emul_flag_put(e, X86_EFLAGS_ZF, !in->dst.val);
}

int emul_op_tzcnt(struct umbra_emul *e, struct emul_insn *in)
{
	if (!(e->features & UMBRA_EMUL_F_BMI1))
		return emul_op_bsf(e, in);
	in->dst.val = in->src.val ? lowest(in->src.val) : 8 * in->src.size;
	count_flags(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_lzcnt(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int bits = 8 * in->src.size;

	if (!(e->features & UMBRA_EMUL_F_LZCNT))
		return emul_op_bsr(e, in);
	in->dst.val = in->src.val ? bits - 1 - highest(in->src.val) : bits;
	count_flags(e, in);
	return UMBRA_EMUL_OK;
}

int emul_op_popcnt(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->src.val;
	unsigned int n;

	for (n = 0; v; v &= v - 1)
		n++;
	in->dst.val = n;
	emul_logic(e, 0, 8);
	emul_flag_put(e, X86_EFLAGS_ZF, !n);
	emul_flag_put(e, X86_EFLAGS_PF, false);
	return UMBRA_EMUL_OK;
}

static u64 swap_bytes(u64 v, unsigned int size)
{
	u64 out = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		out = out << 8 | (v >> (8 * i) & 0xff);
	return out;
}

/* With a 16-bit operand the result is undefined; processors clear the word. */
int emul_op_bswap(struct umbra_emul *e, struct emul_insn *in)
{
	if (in->opsize == 2) {
		in->dst.size = 2;
		in->dst.val = 0;
	} else {
		in->dst.val = swap_bytes(in->dst.val, in->dst.size);
	}
	return UMBRA_EMUL_OK;
}

int emul_op_movbe(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = swap_bytes(in->src.val, in->src.size);
	return UMBRA_EMUL_OK;
}

/* CRC32: the Castagnoli polynomial, reflected. */
int emul_op_crc32(struct umbra_emul *e, struct emul_insn *in)
{
	u32 crc = in->dst.val;
	unsigned int i;

	for (i = 0; i < 8 * in->src.size; i++) {
		bool one = (crc ^ in->src.val >> i) & 1;

		crc = crc >> 1 ^ (one ? 0x82f63b78 : 0);
	}
	in->dst.val = crc;
	return UMBRA_EMUL_OK;
}

int emul_op_andn(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_logic(e, ~in->src.val & in->src2.val, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_bextr(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int start = in->src2.val & 0xff;
	unsigned int len = in->src2.val >> 8 & 0xff;
	u64 v = start < 64 ? in->src.val >> start : 0;

	if (len < 64)
		v &= (1ull << len) - 1;
	in->dst.val = emul_logic(e, v, in->dst.size);
	return UMBRA_EMUL_OK;
}

int emul_op_blsr(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->src.val;

	in->dst.val = emul_logic(e, v & (v - 1), in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, !v);
	return UMBRA_EMUL_OK;
}

int emul_op_blsmsk(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->src.val;

	in->dst.val = emul_logic(e, v ^ (v - 1), in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, !v);
	return UMBRA_EMUL_OK;
}

int emul_op_blsi(struct umbra_emul *e, struct emul_insn *in)
{
	u64 v = in->src.val;

	in->dst.val = emul_logic(e, v & -v, in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, v);
	return UMBRA_EMUL_OK;
}

int emul_op_bzhi(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int n = in->src2.val & 0xff, bits = 8 * in->dst.size;
	u64 v = in->src.val;

	if (n < bits)
		v &= (1ull << n) - 1;
	in->dst.val = emul_logic(e, v, in->dst.size);
	emul_flag_put(e, X86_EFLAGS_CF, n >= bits);
	return UMBRA_EMUL_OK;
}

int emul_op_pext(struct umbra_emul *e, struct emul_insn *in)
{
	u64 mask = in->src2.val, out = 0;
	unsigned int k = 0;

	for (; mask; mask &= mask - 1, k++)
		if (in->src.val & mask & -mask)
			out |= 1ull << k;
	in->dst.val = out;
	return UMBRA_EMUL_OK;
}

int emul_op_pdep(struct umbra_emul *e, struct emul_insn *in)
{
	u64 mask = in->src2.val, out = 0;
	unsigned int k = 0;

	for (; mask; mask &= mask - 1, k++)
		if (in->src.val >> k & 1)
			out |= mask & -mask;
	in->dst.val = out;
	return UMBRA_EMUL_OK;
}
