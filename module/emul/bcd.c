// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: decimal arithmetic
 *
 * DAA, DAS, AAA, AAS, AAM, AAD and SALC, by the pseudo-code of SDM Vol. 2A.
 * They do not exist in 64-bit mode.
 */
#include "emul_internal.h"

static u8 al(const struct umbra_emul *e)
{
	return e->r.gpr[UMBRA_RAX];
}

static void set_al(struct umbra_emul *e, u8 v)
{
	emul_gpr_set(e, UMBRA_RAX, 1, v);
}

static bool low_needs(const struct umbra_emul *e)
{
	return (al(e) & 0xf) > 9 || (e->r.rflags & X86_EFLAGS_AF);
}

/* @sign: +1 for DAA, -1 for DAS. */
static void adjust_packed(struct umbra_emul *e, int sign)
{
	bool old_cf = e->r.rflags & X86_EFLAGS_CF;
	u8 old = al(e), v = old;
	bool c = false, a = low_needs(e);

	if (a) {
		c = old_cf || (sign > 0 ? v > 0xf9 : v < 6);
		v += sign * 6;
	}
	if (old > 0x99 || old_cf) {
		v += sign * 0x60;
		c = true;
	} else if (sign > 0) {
		c = false;
	}
	set_al(e, v);
	emul_set_szp(e, v, 1);
	emul_flag_put(e, X86_EFLAGS_CF, c);
	emul_flag_put(e, X86_EFLAGS_AF, a);
}

int emul_op_daa(struct umbra_emul *e, struct emul_insn *in)
{
	adjust_packed(e, 1);
	return UMBRA_EMUL_OK;
}

int emul_op_das(struct umbra_emul *e, struct emul_insn *in)
{
	adjust_packed(e, -1);
	return UMBRA_EMUL_OK;
}

static void adjust_unpacked(struct umbra_emul *e, u16 by)
{
	bool need = low_needs(e);
	u16 ax = e->r.gpr[UMBRA_RAX];

	if (need)
		ax += by;
	emul_gpr_set(e, UMBRA_RAX, 2, ax & 0xff0f);
	emul_set_szp(e, ax & 0xf, 1);
	emul_flag_put(e, X86_EFLAGS_AF, need);
	emul_flag_put(e, X86_EFLAGS_CF, need);
}

int emul_op_aaa(struct umbra_emul *e, struct emul_insn *in)
{
	adjust_unpacked(e, 0x106);
	return UMBRA_EMUL_OK;
}

int emul_op_aas(struct umbra_emul *e, struct emul_insn *in)
{
	adjust_unpacked(e, -0x106);
	return UMBRA_EMUL_OK;
}

int emul_op_aam(struct umbra_emul *e, struct emul_insn *in)
{
	u8 base = in->dst.val, v = al(e);

	if (!base)
		return emul_fault_noerr(e, EMUL_DE);
	emul_gpr_set(e, UMBRA_RAX, 2, v / base << 8 | v % base);
	emul_logic(e, v % base, 1);
	return UMBRA_EMUL_OK;
}

int emul_op_aad(struct umbra_emul *e, struct emul_insn *in)
{
	u8 ah = e->r.gpr[UMBRA_RAX] >> 8;
	u8 v = emul_add(e, al(e), (u8)(ah * in->dst.val), 0, 1);

	emul_gpr_set(e, UMBRA_RAX, 2, v);
	return UMBRA_EMUL_OK;
}

/* SALC: AL = CF ? FF : 0, undocumented by Intel, present everywhere. */
int emul_op_salc(struct umbra_emul *e, struct emul_insn *in)
{
	set_al(e, e->r.rflags & X86_EFLAGS_CF ? 0xff : 0);
	return UMBRA_EMUL_OK;
}
