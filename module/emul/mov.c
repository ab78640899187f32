// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: moves
 *
 * MOV in all its forms without segment registers as destination, extension,
 * LEA, CMOVcc, SETcc, XLAT, flags to AH and back.  The work is done by loading
 * and storing operands; most handlers only copy.
 */
#include "emul_internal.h"

int emul_op_mov(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = in->src.val;
	return UMBRA_EMUL_OK;
}

int emul_op_movsx(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_sext(in->src.val, in->src.size);
	return UMBRA_EMUL_OK;
}

int emul_op_lea(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = in->mem.ea;
	return UMBRA_EMUL_OK;
}

/* MOVDIR64B: 64 bytes to an aligned address in ES, by the register operand. */
int emul_op_movdir64b(struct umbra_emul *e, struct emul_insn *in)
{
	u64 off = emul_gpr(e, in->dst.reg, in->adsize);
	u8 buf[64];
	gva_t gva;
	int ret;

	ret = emul_linear(e, UMBRA_ES, off, 64, UMBRA_ACC_WRITE, &gva);
	if (ret)
		return ret;
	if (gva & 63)
		return emul_gp(e);
	ret = emul_read(e, in->mem.seg, in->mem.ea, buf, 64, 0);
	return ret ? ret : emul_write(e, UMBRA_ES, off, buf, 64);
}

int emul_op_nop(struct umbra_emul *e, struct emul_insn *in)
{
	return UMBRA_EMUL_OK;
}

/* 0F 0D: a prefetch; AMD has no register form, to Intel it is a NOP. */
int emul_op_prefetch(struct umbra_emul *e, struct emul_insn *in)
{
	if (in->mod == 3 && (e->features & UMBRA_EMUL_F_AMD))
		return emul_ud(e);
	return UMBRA_EMUL_OK;
}

int emul_op_ud(struct umbra_emul *e, struct emul_insn *in)
{
	return emul_ud(e);
}

/* 90: NOP, PAUSE, or XCHG r8, rAX with REX.B. */
int emul_op_nop90(struct umbra_emul *e, struct emul_insn *in)
{
	u64 a, b;

	if (in->rex & EMUL_REX_B) {
		a = emul_gpr(e, UMBRA_RAX, in->opsize);
		b = emul_gpr(e, UMBRA_R8, in->opsize);
		emul_gpr_set(e, UMBRA_RAX, in->opsize, b);
		emul_gpr_set(e, UMBRA_R8, in->opsize, a);
		return UMBRA_EMUL_OK;
	}
	if (in->rep == 0xf3 && e->ops->monitor)
		return e->ops->monitor(e);
	return UMBRA_EMUL_OK;
}

int emul_op_cmov(struct umbra_emul *e, struct emul_insn *in)
{
	/* a 32-bit destination loses its upper half in either case */
	if (emul_condition(e, in->opcode & 0xf))
		in->dst.val = in->src.val;
	return UMBRA_EMUL_OK;
}

int emul_op_setcc(struct umbra_emul *e, struct emul_insn *in)
{
	in->dst.val = emul_condition(e, in->opcode & 0xf);
	return UMBRA_EMUL_OK;
}

/* CBW, CWDE, CDQE */
int emul_op_cbw(struct umbra_emul *e, struct emul_insn *in)
{
	emul_gpr_set(e, UMBRA_RAX, in->opsize,
		     emul_sext(e->r.gpr[UMBRA_RAX], in->opsize / 2));
	return UMBRA_EMUL_OK;
}

/* CWD, CDQ, CQO */
int emul_op_cwd(struct umbra_emul *e, struct emul_insn *in)
{
	bool neg = e->r.gpr[UMBRA_RAX] & emul_sign(in->opsize);

	emul_gpr_set(e, UMBRA_RDX, in->opsize, neg ? ~0ull : 0);
	return UMBRA_EMUL_OK;
}

#define AH_FLAGS	(X86_EFLAGS_SF | X86_EFLAGS_ZF | X86_EFLAGS_AF | \
			 X86_EFLAGS_PF | X86_EFLAGS_CF)

int emul_op_sahf(struct umbra_emul *e, struct emul_insn *in)
{
	u64 ah = e->r.gpr[UMBRA_RAX] >> 8;

	e->r.rflags = (e->r.rflags & ~(u64)AH_FLAGS) | (ah & AH_FLAGS);
	return UMBRA_EMUL_OK;
}

int emul_op_lahf(struct umbra_emul *e, struct emul_insn *in)
{
	u64 ah = (e->r.rflags & AH_FLAGS) | X86_EFLAGS_FIXED;

	e->r.gpr[UMBRA_RAX] = (e->r.gpr[UMBRA_RAX] & ~0xff00ull) | ah << 8;
	return UMBRA_EMUL_OK;
}

int emul_op_xlat(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int seg = in->seg != EMUL_NO_REG ? in->seg : UMBRA_DS;
	u64 off = e->r.gpr[UMBRA_RBX] + (e->r.gpr[UMBRA_RAX] & 0xff);
	u8 v;
	int ret;

	ret = emul_read(e, seg, off & emul_mask(in->adsize), &v, 1, 0);
	if (!ret)
		emul_gpr_set(e, UMBRA_RAX, 1, v);
	return ret;
}
