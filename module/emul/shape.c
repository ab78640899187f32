// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the shape of an instruction
 *
 * The decoder's result without what only the emulator understands: the seam
 * through which the translator of the software engine sees the decoder.
 */
#include "umbra/decode.h"

#include "emul_internal.h"

static_assert((int)UMBRA_ENC_VEX == (int)EMUL_ENC_VEX);
static_assert((int)UMBRA_ENC_XOP == (int)EMUL_ENC_XOP);
static_assert((int)UMBRA_ENC_EVEX == (int)EMUL_ENC_EVEX);
static_assert(UMBRA_REX_B == EMUL_REX_B && UMBRA_REX_X == EMUL_REX_X);
static_assert(UMBRA_REX_R == EMUL_REX_R && UMBRA_REX_W == EMUL_REX_W);
static_assert(UMBRA_NO_SEG == EMUL_NO_REG);

static u64 first_imm(const struct emul_insn *in)
{
	if (in->dst.type == EMUL_OT_IMM)
		return in->dst.val;
	if (in->src.type == EMUL_OT_IMM)
		return in->src.val;
	return in->src2.type == EMUL_OT_IMM ? in->src2.val : 0;
}

int umbra_insn_decode(struct umbra_insn *insn, const u8 *buf, unsigned int len)
{
	struct emul_insn in;
	int ret;

	ret = emul_decode(&in, buf, len, 64, 0);
	if (ret)
		return ret;
	*insn = (struct umbra_insn){
		.len = in.len,
		.enc = in.enc,
		.map = in.map,
		.opcode = in.opcode,
		.rep = in.rep,
		.osz = in.osz,
		.asz = in.asz,
		.lock = in.lock,
		.rex = in.rex,
		.seg = in.seg,
		.opsize = in.opsize,
		.has_modrm = in.op->flags & OPF_MODRM,
		.modrm = in.modrm,
		.mod = in.mod,
		.reg = in.reg,
		.rm = in.rm,
		.vvvv = in.vvvv,
		.modrm_off = in.modrm_off,
		.disp_off = in.disp_off,
		.disp_len = in.disp_len,
		.disp = in.mem.disp,
		.imm = first_imm(&in),
		.rip_relative = in.mem.base == EMUL_RIP_REG,
		.undefined = in.op->exec == emul_op_ud,
		.privileged = in.op->flags & OPF_PRIV,
	};
	return 0;
}
