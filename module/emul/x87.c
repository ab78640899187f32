// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: floating-point control
 *
 * What kernels do to the FPU besides computing: FNINIT, FNCLEX, FLDCW, FNSTCW,
 * FNSTSW, FWAIT, FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, EMMS, all on the legacy area
 * that the fx callback moves.  Arithmetic stops the emulator.
 *
 *   0 FCW  2 FSW  4 FTW (abridged)  6 FOP  8 FIP  16 FDP  24 MXCSR  32 ST…
 *                                              SDM Vol. 1, 10.5.1
 */
#include "emul_internal.h"

#define FX_SIZE		512
#define FX_FCW		0
#define FX_FSW		2
#define FX_FTW		4
#define FX_MXCSR	24
#define FX_MXCSR_MASK	28
#define FX_ST(n)	(32 + 16 * (n))

#define FSW_ES		BIT(7)
#define FSW_TOP		0x3800
#define FSW_CLEX	0x80ff	/* busy, summary, stack fault, exceptions */
#define FCW_INIT	0x37f

/**
 * emul_fpu_check() - may the guest use the FPU now?
 * @e: the emulation
 * @sse: an SSE instruction, else x87 or MMX
 *
 * Return: OK, #UD or #NM (SDM Vol. 3A 2.5, CR0.EM, CR0.TS; CR4.OSFXSR).
 */
int emul_fpu_check(struct umbra_emul *e, bool sse)
{
	if (sse && ((e->r.cr0 & X86_CR0_EM) || !(e->r.cr4 & X86_CR4_OSFXSR)))
		return emul_ud(e);
	if (e->r.cr0 & (sse ? X86_CR0_TS : X86_CR0_TS | X86_CR0_EM))
		return emul_fault_noerr(e, EMUL_NM);
	return UMBRA_EMUL_OK;
}

static int fx_get(struct umbra_emul *e, u8 *fx)
{
	if (!e->ops->fx)
		return emul_unhandled(e, "floating-point state");
	return e->ops->fx(e, fx, false);
}

static u16 fx_u16(const u8 *fx, unsigned int at)
{
	u16 v;

	memcpy(&v, fx + at, 2);
	return v;
}

static void fx_put_u16(u8 *fx, unsigned int at, u16 v)
{
	memcpy(fx + at, &v, 2);
}

static int do_init(struct umbra_emul *e, u8 *fx)
{
	memset(fx, 0, FX_MXCSR);
	fx_put_u16(fx, FX_FCW, FCW_INIT);
	return e->ops->fx(e, fx, true);
}

static int do_clex(struct umbra_emul *e, u8 *fx)
{
	fx_put_u16(fx, FX_FSW, fx_u16(fx, FX_FSW) & ~FSW_CLEX);
	return e->ops->fx(e, fx, true);
}

/* An unmasked pending exception raises FSW.ES after a new control word. */
static int do_ldcw(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	u16 fsw = fx_u16(fx, FX_FSW), fcw;
	int ret;

	ret = emul_read(e, in->mem.seg, in->mem.ea, &fcw, 2, 0);
	if (ret)
		return ret;
	fcw = (fcw & 0x1f7f) | 0x40;
	fsw &= ~(FSW_ES | 0x8000);
	if (fsw & ~fcw & 0x3f)
		fsw |= FSW_ES | 0x8000;
	fx_put_u16(fx, FX_FCW, fcw);
	fx_put_u16(fx, FX_FSW, fsw);
	return e->ops->fx(e, fx, true);
}

static int store_u16(struct umbra_emul *e, struct emul_insn *in, u16 v)
{
	return emul_write(e, in->mem.seg, in->mem.ea, &v, 2);
}

/* The control instructions among D9, DB, DD and DF; NULL reason: handled. */
static int x87_control(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	unsigned int op = in->opcode << 8 | in->modrm;

	if (in->mod != 3) {
		switch (in->opcode << 4 | ((in->modrm >> 3) & 7)) {
		case 0xd95: return do_ldcw(e, in, fx);
		case 0xd97: return store_u16(e, in, fx_u16(fx, FX_FCW));
		case 0xdd7: return store_u16(e, in, fx_u16(fx, FX_FSW));
		}
	}
	switch (op) {
	case 0xd9d0:		/* FNOP */
	case 0xdbe0:		/* FNENI, FNDISI, FNSETPM: nothing since the 387 */
	case 0xdbe1:
	case 0xdbe4:
		return UMBRA_EMUL_OK;
	case 0xdbe2:
		return do_clex(e, fx);
	case 0xdbe3:
		return do_init(e, fx);
	case 0xdfe0:
		emul_gpr_set(e, UMBRA_RAX, 2, fx_u16(fx, FX_FSW));
		return UMBRA_EMUL_OK;
	}
	return emul_unhandled(e, "x87 instruction");
}

int emul_op_x87(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	int ret;

	ret = emul_fpu_check(e, false);
	if (!ret)
		ret = fx_get(e, fx);
	return ret ? ret : x87_control(e, in, fx);
}

/* FWAIT heeds CR0.TS only together with CR0.MP. */
int emul_op_fwait(struct umbra_emul *e, struct emul_insn *in)
{
	u64 both = X86_CR0_MP | X86_CR0_TS;
	u8 fx[FX_SIZE];
	int ret;

	if ((e->r.cr0 & both) == both)
		return emul_fault_noerr(e, EMUL_NM);
	ret = fx_get(e, fx);
	if (ret)
		return ret;
	if (!(fx_u16(fx, FX_FSW) & FSW_ES))
		return UMBRA_EMUL_OK;
	if (!(e->r.cr0 & X86_CR0_NE))
		return emul_unhandled(e, "FERR# interrupt");
	return emul_fault_noerr(e, EMUL_MF);
}

/* FXSAVE stores registers by their place in the stack, MMX counts from R0. */
static unsigned int mmx_place(const u8 *fx, unsigned int reg)
{
	unsigned int top = fx_u16(fx, FX_FSW) >> 11 & 7;

	return FX_ST((reg - top) & 7);
}

/* Turn the stack so that its top is R0. */
static void mmx_unwind(u8 *fx)
{
	unsigned int n;
	u8 old[128];

	memcpy(old, fx + FX_ST(0), sizeof(old));
	for (n = 0; n < 8; n++)
		memcpy(fx + FX_ST(n), old + mmx_place(fx, n) - FX_ST(0), 16);
}

/*
 * MMX registers are the significands of the x87 registers.  Every MMX instruction
 * sets the top of the stack to 0 and marks all registers valid; a write sets the
 * exponent to all ones (SDM Vol. 3A 12.2).
 */
static int mmx_begin(struct umbra_emul *e, u8 *fx)
{
	int ret;

	if (e->r.cr0 & X86_CR0_EM)
		return emul_ud(e);
	ret = emul_fpu_check(e, false);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	if (fx_u16(fx, FX_FSW) & FSW_ES)
		return emul_fault_noerr(e, EMUL_MF);
	mmx_unwind(fx);
	fx_put_u16(fx, FX_FSW, fx_u16(fx, FX_FSW) & ~FSW_TOP);
	fx[FX_FTW] = 0xff;
	return UMBRA_EMUL_OK;
}

/**
 * emul_mmx_get() - read an MMX register
 * @e: the emulation
 * @reg: 0..7
 * @val: result
 */
int emul_mmx_get(struct umbra_emul *e, unsigned int reg, u64 *val)
{
	u8 fx[FX_SIZE];
	int ret;

	ret = mmx_begin(e, fx);
	if (ret)
		return ret;
	memcpy(val, fx + FX_ST(reg), 8);
	return e->ops->fx(e, fx, true);
}

/**
 * emul_mmx_put() - write an MMX register
 * @e: the emulation
 * @reg: 0..7
 * @val: value
 */
int emul_mmx_put(struct umbra_emul *e, unsigned int reg, u64 val)
{
	u8 fx[FX_SIZE];
	int ret;

	ret = mmx_begin(e, fx);
	if (ret)
		return ret;
	memcpy(fx + FX_ST(reg), &val, 8);
	fx_put_u16(fx, FX_ST(reg) + 8, 0xffff);
	return e->ops->fx(e, fx, true);
}

int emul_op_emms(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	int ret;

	if (e->r.cr0 & X86_CR0_EM)
		return emul_ud(e);
	ret = emul_fpu_check(e, false);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	fx[FX_FTW] = 0;
	return e->ops->fx(e, fx, true);
}

static int fx_address(struct umbra_emul *e, struct emul_insn *in)
{
	gva_t gva;
	int ret;

	if (e->r.cr0 & (X86_CR0_EM | X86_CR0_TS))
		return emul_fault_noerr(e, EMUL_NM);
	ret = emul_linear(e, in->mem.seg, in->mem.ea, FX_SIZE, 0, &gva);
	if (ret)
		return ret;
	return gva & 15 ? emul_gp(e) : UMBRA_EMUL_OK;
}

/* Bytes 464..511 are left to software and not touched by FXSAVE. */
int emul_op_fxsave(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int at, len = in->mode == 64 ? 416 : 288;
	u8 fx[FX_SIZE];
	int ret;

	ret = fx_address(e, in);
	if (!ret)
		ret = fx_get(e, fx);
	for (at = 0; at < len && !ret; at += 32)
		ret = emul_write(e, in->mem.seg, in->mem.ea + at, fx + at, 32);
	return ret;
}

int emul_op_fxrstor(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int at, len = in->mode == 64 ? 416 : 288;
	u8 fx[FX_SIZE];
	u32 mxcsr, mask;
	int ret;

	ret = fx_address(e, in);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	memcpy(&mask, fx + FX_MXCSR_MASK, 4);
	for (at = 0; at < len && !ret; at += 32)
		ret = emul_read(e, in->mem.seg, in->mem.ea + at, fx + at, 32,
				0);
	if (ret)
		return ret;
	memcpy(&mxcsr, fx + FX_MXCSR, 4);
	if (mxcsr & ~(mask ? mask : 0xffbf))
		return emul_gp(e);
	return e->ops->fx(e, fx, true);
}

int emul_op_ldmxcsr(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	u32 val, mask;
	int ret;

	ret = emul_fpu_check(e, true);
	if (!ret)
		ret = emul_read(e, in->mem.seg, in->mem.ea, &val, 4, 0);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	memcpy(&mask, fx + FX_MXCSR_MASK, 4);
	if (val & ~(mask ? mask : 0xffbf))
		return emul_gp(e);
	memcpy(fx + FX_MXCSR, &val, 4);
	return e->ops->fx(e, fx, true);
}

int emul_op_stmxcsr(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	u32 val;
	int ret;

	ret = emul_fpu_check(e, true);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	memcpy(&val, fx + FX_MXCSR, 4);
	in->dst.val = val;
	return UMBRA_EMUL_OK;
}
