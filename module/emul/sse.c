// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: vector loads and stores
 *
 * The SSE, AVX and AVX-512 moves that compilers and memcpy() use on page tables
 * and devices.  Vector registers stay with the owner: the xmm callback copies
 * them.  No arithmetic.
 */
#include "simd_internal.h"

#define MXCSR_MM	BIT(17)
#define XCR0_SSE_AVX	6ull
#define XCR0_AVX512	0xe6ull

/**
 * emul_vec_check() - are vector instructions there? (SDM Vol. 2A 2.4 and Vol. 3A 13.1)
 * @e: the emulation
 * @in: one of them
 *
 * Return: OK, FAULT or UNHANDLED.
 */
int emul_vec_check(struct umbra_emul *e, const struct emul_insn *in)
{
	u64 need = in->enc == EMUL_ENC_EVEX ? XCR0_AVX512 : XCR0_SSE_AVX;

	if (!e->ops->xmm)
		return emul_unhandled(e, "vector registers");
	if (in->enc == EMUL_ENC_LEGACY)
		return emul_fpu_check(e, true);
	if (!(e->features & UMBRA_EMUL_F_AVX) ||
	    !(e->r.cr4 & X86_CR4_OSXSAVE) || (e->r.xcr0 & need) != need)
		return emul_ud(e);
	return e->r.cr0 & X86_CR0_TS ? emul_fault_noerr(e, EMUL_NM) :
				       UMBRA_EMUL_OK;
}

/**
 * emul_evex_check() - are opmask registers there, and the vectors that go with them?
 * @e: the emulation
 * @in: one of their instructions
 *
 * Return: as emul_vec_check().
 */
int emul_evex_check(struct umbra_emul *e, const struct emul_insn *in)
{
	int ret = emul_vec_check(e, in);

	if (ret)
		return ret;
	if ((e->r.xcr0 & XCR0_AVX512) != XCR0_AVX512)
		return emul_ud(e);
	/* XCR0 has its state, so that some of it is offered; which is not known here. */
	if (!(e->features & UMBRA_EMUL_F_AVX512))
		return emul_unhandled(e, "AVX-512 without all of F, BW, DQ and VL");
	return UMBRA_EMUL_OK;
}

/**
 * emul_vec_misaligned() - is the memory operand of a legacy instruction #GP?
 * @e: the emulation
 * @in: the instruction: no move, the operand has 16 bytes
 *
 * Not with MXCSR.MM (APM Vol. 2, misaligned exception mask).
 */
bool emul_vec_misaligned(struct umbra_emul *e, const struct emul_insn *in)
{
	u8 fx[512];
	u32 mxcsr;

	if (!emul_misaligned(e, in, 16))
		return false;
	if (!e->ops->fx || e->ops->fx(e, fx, false))
		return true;
	memcpy(&mxcsr, fx + 24, 4);
	return !(mxcsr & MXCSR_MM);
}

/**
 * emul_vec_source() - the operand in ModRM.rm
 * @e: the emulation
 * @in: the instruction
 * @buf: result; at least 16 bytes
 * @len: bytes of a memory operand; the legacy form wants 16 aligned
 *
 * Return: OK or what an access returned.
 */
int emul_vec_source(struct umbra_emul *e, struct emul_insn *in, u8 *buf, unsigned int len)
{
	if (in->mod == 3)
		return e->ops->xmm(e, in->rm, buf, max(len, 16u), false);
	if (in->enc == EMUL_ENC_LEGACY && len == 16 && emul_vec_misaligned(e, in))
		return emul_gp(e);
	return emul_read(e, in->mem.seg, in->mem.ea, buf, len, 0);
}

/**
 * emul_vec_put() - a result; VEX clears what is above it, legacy forms keep that
 * @e: the emulation
 * @in: the instruction
 * @reg: where
 * @vec: what
 * @len: its bytes
 *
 * Return: OK or what the callback returned.
 */
int emul_vec_put(struct umbra_emul *e, const struct emul_insn *in, unsigned int reg, const u8 *vec,
		 unsigned int len)
{
	u8 buf[64] = { 0 };

	memcpy(buf, vec, len);
	return e->ops->xmm(e, reg, buf, in->enc == EMUL_ENC_VEX ? 64 : len, true);
}

static int get_vec(struct umbra_emul *e, unsigned int reg, void *buf,
		   unsigned int len)
{
	return e->ops->xmm(e, reg, buf, len, false);
}

/*
 * VEX and EVEX forms clear the register above what they write; legacy forms
 * keep it (SDM Vol. 1, 14.1).  @buf holds 64 bytes.
 */
static int put_vec(struct umbra_emul *e, const struct emul_insn *in,
		   unsigned int reg, u8 *buf, unsigned int len)
{
	if (in->enc == EMUL_ENC_LEGACY)
		return e->ops->xmm(e, reg, buf, len, true);
	memset(buf + len, 0, 64 - len);
	return e->ops->xmm(e, reg, buf, 64, true);
}

static int move(struct umbra_emul *e, struct emul_insn *in, unsigned int len,
		bool aligned)
{
	u8 buf[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (aligned && in->mod != 3 && emul_misaligned(e, in, len))
		return emul_gp(e);
	if (in->src.type == EMUL_OT_ADDR)
		ret = emul_read(e, in->mem.seg, in->mem.ea, buf, len, 0);
	else
		ret = get_vec(e, in->src.reg, buf, len);
	if (ret)
		return ret;
	if (in->dst.type == EMUL_OT_ADDR)
		return emul_write(e, in->mem.seg, in->mem.ea, buf, len);
	return put_vec(e, in, in->dst.reg, buf, len);
}

/* MOVUPS, MOVUPD, MOVDQU and relatives */
int emul_op_vmov(struct umbra_emul *e, struct emul_insn *in)
{
	return move(e, in, 16 << in->vl, false);
}

/* MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD, MOVNTDQ, MOVNTDQA */
int emul_op_vmova(struct umbra_emul *e, struct emul_insn *in)
{
	return move(e, in, 16 << in->vl, true);
}

/* MOVSS and MOVSD: a load clears the rest of the XMM register. */
int emul_op_vmov_low(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int len = in->dst.size;
	u8 buf[64] = { 0 };
	int ret;

	if (in->src.type != EMUL_OT_ADDR)
		return move(e, in, len, false);
	ret = emul_vec_check(e, in);
	if (!ret)
		ret = emul_read(e, in->mem.seg, in->mem.ea, buf, len, 0);
	return ret ? ret : put_vec(e, in, in->dst.reg, buf, 16);
}

/* MOVQ xmm: the upper half of the XMM register is cleared in any case. */
int emul_op_vmovq(struct umbra_emul *e, struct emul_insn *in)
{
	u8 buf[64] = { 0 };
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->src.type == EMUL_OT_ADDR)
		ret = emul_read(e, in->mem.seg, in->mem.ea, buf, 8, 0);
	else
		ret = get_vec(e, in->src.reg, buf, 8);
	if (ret)
		return ret;
	if (in->dst.type == EMUL_OT_ADDR)
		return emul_write(e, in->mem.seg, in->mem.ea, buf, 8);
	return put_vec(e, in, in->dst.reg, buf, 16);
}

/*
 * MOVLPS, MOVHPS, MOVLPD, MOVHPD, MOVHLPS, MOVLHPS: one half moves.  Opcodes 16
 * and 17 are the high half; register to register takes the other one.
 */
int emul_op_vmov_half(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int at = in->opcode >= 0x16 ? 8 : 0;
	u8 src[16], dst[64];
	int ret;

	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	if (in->dst.type == EMUL_OT_ADDR) {
		ret = get_vec(e, in->src.reg, src, 16);
		return ret ? ret : emul_write(e, in->mem.seg, in->mem.ea,
					      src + at, 8);
	}
	ret = get_vec(e, in->dst.reg, dst, 16);
	if (ret)
		return ret;
	if (in->src.type == EMUL_OT_ADDR)
		ret = emul_read(e, in->mem.seg, in->mem.ea, dst + at, 8, 0);
	else
		ret = get_vec(e, in->src.reg, src, 16);
	if (ret)
		return ret;
	if (in->src.type != EMUL_OT_ADDR)
		memcpy(dst + at, src + (at ? 0 : 8), 8);
	return put_vec(e, in, in->dst.reg, dst, 16);
}

/* MOVD, MOVQ from a general register or memory */
int emul_op_movd_to(struct umbra_emul *e, struct emul_insn *in)
{
	u8 buf[64] = { 0 };
	int ret;

	if (in->dst.type == EMUL_OT_MMX)
		return emul_mmx_put(e, in->dst.reg, in->src.val);
	ret = emul_vec_check(e, in);
	if (ret)
		return ret;
	memcpy(buf, &in->src.val, in->src.size);
	return put_vec(e, in, in->dst.reg, buf, 16);
}

int emul_op_movd_from(struct umbra_emul *e, struct emul_insn *in)
{
	u8 buf[16];
	int ret;

	in->dst.val = 0;
	if (in->src.type == EMUL_OT_MMX) {
		ret = emul_mmx_peek(e, in->src.reg, &in->dst.val);
		if (!ret)
			ret = emul_store_operand(e, in, &in->dst);
		return ret ? ret : emul_mmx_get(e, in->src.reg, &in->dst.val);
	}
	ret = emul_vec_check(e, in);
	if (!ret)
		ret = get_vec(e, in->src.reg, buf, 8);
	if (ret)
		return ret;
	memcpy(&in->dst.val, buf, in->dst.size);
	return emul_store_operand(e, in, &in->dst);
}

/* MOVQ mm, MOVNTQ */
int emul_op_mmx_mov(struct umbra_emul *e, struct emul_insn *in)
{
	bool load = in->src.type == EMUL_OT_ADDR;
	u64 val;
	int ret;

	/* #UD and #NM come before the faults of memory. */
	ret = emul_mmx_peek(e, load ? in->dst.reg : in->src.reg, &val);
	if (!ret && load)
		ret = emul_read(e, in->mem.seg, in->mem.ea, &val, 8, 0);
	if (ret)
		return ret;
	if (in->dst.type == EMUL_OT_MMX)
		return emul_mmx_put(e, in->dst.reg, val);
	ret = emul_write(e, in->mem.seg, in->mem.ea, &val, 8);
	return ret ? ret : emul_mmx_get(e, in->src.reg, &val);
}
