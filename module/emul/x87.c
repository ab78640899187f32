// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: floating-point control
 *
 * FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FWAIT, FXSAVE, FXRSTOR, LDMXCSR,
 * STMXCSR, EMMS, all on the legacy area that the fx callback moves; and the way to
 * environments (x87_env.c) and arithmetic (x87_arith.c).
 */
#include "x87_internal.h"

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

/* ST(n) lies n behind the top: another top finds the same registers elsewhere. */
static void set_top(u8 *fx, unsigned int top)
{
	unsigned int turn = (top - (fx_u16(fx, FX_FSW) >> 11)) & 7, n;
	u8 old[128];

	memcpy(old, fx + FX_ST(0), sizeof(old));
	for (n = 0; n < 8; n++)
		memcpy(fx + FX_ST(n), old + 16 * ((n + turn) & 7), 16);
	fx_put_u16(fx, FX_FSW, (fx_u16(fx, FX_FSW) & ~FSW_TOP) | top << 11);
}

/**
 * emul_fx_control() - new control and status words
 * @fx: FXSAVE area
 * @fcw: control word; reserved bits are mended
 * @fsw: status word; ES and B follow from what @fcw does not mask
 */
void emul_fx_control(u8 *fx, u16 fcw, u16 fsw)
{
	set_top(fx, fsw >> 11 & 7);
	fx_put_u16(fx, FX_FCW, (fcw & 0x1f7f) | 0x40);
	fsw &= ~(FSW_ES | FSW_BUSY);
	fx_put_u16(fx, FX_FSW, fsw);
	if (fx_unmasked(fx))
		fx_put_u16(fx, FX_FSW, fsw | FSW_ES | FSW_BUSY);
}

/**
 * emul_fx_init() - what FNINIT does
 * @fx: FXSAVE area
 */
void emul_fx_init(u8 *fx)
{
	set_top(fx, 0);
	memset(fx, 0, FX_MXCSR);
	fx_put_u16(fx, FX_FCW, FCW_INIT);
}

static int do_init(struct umbra_emul *e, u8 *fx)
{
	emul_fx_init(fx);
	return e->ops->fx(e, fx, true);
}

/* The emulator moves up to 64 bytes at once. */
#define PIECE	32u

/**
 * emul_fx_store() - write an image of floating-point state to the memory operand
 * @e: the emulation
 * @in: its instruction
 * @image: bytes
 * @len: how many
 *
 * Return: as emul_write(); a fault may leave the beginning written.
 */
int emul_fx_store(struct umbra_emul *e, struct emul_insn *in, const u8 *image, unsigned int len)
{
	unsigned int at;
	int ret = UMBRA_EMUL_OK;

	for (at = 0; at < len && !ret; at += PIECE)
		ret = emul_write(e, in->mem.seg, in->mem.ea + at, image + at,
				 min(len - at, PIECE));
	return ret;
}

/**
 * emul_fx_load() - read an image of floating-point state from the memory operand
 * @e: the emulation
 * @in: its instruction
 * @image: result
 * @len: bytes
 *
 * Return: as emul_read().
 */
int emul_fx_load(struct umbra_emul *e, struct emul_insn *in, u8 *image, unsigned int len)
{
	unsigned int at;
	int ret = UMBRA_EMUL_OK;

	for (at = 0; at < len && !ret; at += PIECE)
		ret = emul_read(e, in->mem.seg, in->mem.ea + at, image + at,
				min(len - at, PIECE), 0);
	return ret;
}

static int do_clex(struct umbra_emul *e, u8 *fx)
{
	fx_put_u16(fx, FX_FSW, fx_u16(fx, FX_FSW) & ~FSW_CLEX);
	return e->ops->fx(e, fx, true);
}

static int do_ldcw(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	u16 fcw;
	int ret;

	ret = emul_read(e, in->mem.seg, in->mem.ea, &fcw, 2, 0);
	if (ret)
		return ret;
	emul_fx_control(fx, fcw, fx_u16(fx, FX_FSW));
	return e->ops->fx(e, fx, true);
}

static int store_u16(struct umbra_emul *e, struct emul_insn *in, u16 v)
{
	return emul_write(e, in->mem.seg, in->mem.ea, &v, 2);
}

static int pending(struct umbra_emul *e)
{
	if (!(e->r.cr0 & X86_CR0_NE))
		return emul_unhandled(e, "FERR# interrupt");
	return emul_fault_noerr(e, EMUL_MF);
}

/*
 * The instructions that do not wait: FNSTENV, FNSTCW, FNSAVE, FNSTSW, FNCLEX,
 * FNINIT and three that do nothing (SDM Vol. 1, 8.3.12).
 */
static bool waits(const struct emul_insn *in)
{
	if (in->mod != 3) {
		switch (in->opcode << 4 | ((in->modrm >> 3) & 7)) {
		case 0xd96:
		case 0xd97:
		case 0xdd6:
		case 0xdd7:
			return false;
		}
		return true;
	}
	return !(in->opcode == 0xdb && in->modrm >= 0xe0 && in->modrm <= 0xe4) &&
	       !(in->opcode == 0xdf && in->modrm == 0xe0);
}

static int x87_mem(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	if (emul_x87_is_env(in))
		return emul_x87_env(e, in, fx);
	switch (in->opcode << 4 | ((in->modrm >> 3) & 7)) {
	case 0xd95:
		return do_ldcw(e, in, fx);
	case 0xd97:
		return store_u16(e, in, fx_u16(fx, FX_FCW));
	case 0xdd7:
		return store_u16(e, in, fx_u16(fx, FX_FSW));
	}
	return emul_x87_arith(e, in, fx);
}

static int x87_reg(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	switch (in->opcode << 8 | in->modrm) {
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
	return emul_x87_arith(e, in, fx);
}

int emul_op_x87(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE] __aligned(16);
	int ret;

	ret = emul_fpu_check(e, false);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	if (waits(in) && fx_unmasked(fx))
		return pending(e);
	return in->mod == 3 ? x87_reg(e, in, fx) : x87_mem(e, in, fx);
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
	return fx_unmasked(fx) ? pending(e) : UMBRA_EMUL_OK;
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
	if (fx_unmasked(fx))
		return pending(e);
	set_top(fx, 0);
	fx[FX_FTW] = 0xff;
	return UMBRA_EMUL_OK;
}

/**
 * emul_mmx_peek() - read an MMX register, before a store that may fault
 * @e: the emulation
 * @reg: 0..7
 * @val: result
 *
 * emul_mmx_get() follows when nothing can fault any more: then x87 registers become MMX's.
 */
int emul_mmx_peek(struct umbra_emul *e, unsigned int reg, u64 *val)
{
	u8 fx[FX_SIZE];
	int ret = mmx_begin(e, fx);

	memcpy(val, fx + FX_ST(reg), 8);
	return ret;
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

/* XMM8 and up are there in 64-bit mode only.  What is behind them stays untouched. */
static unsigned int fx_len(const struct emul_insn *in)
{
	return in->mode == 64 ? 416 : 288;
}

int emul_op_fxsave(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	int ret;

	ret = fx_address(e, in);
	if (!ret)
		ret = fx_get(e, fx);
	return ret ? ret : emul_fx_store(e, in, fx, fx_len(in));
}

int emul_op_fxrstor(struct umbra_emul *e, struct emul_insn *in)
{
	u8 fx[FX_SIZE];
	u32 mxcsr, mask;
	int ret;

	ret = fx_address(e, in);
	if (!ret)
		ret = fx_get(e, fx);
	if (ret)
		return ret;
	memcpy(&mask, fx + FX_MXCSR_MASK, 4);
	ret = emul_fx_load(e, in, fx, fx_len(in));
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
