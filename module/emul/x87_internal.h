/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the legacy floating-point area
 *
 * Between x87.c, x87_env.c, x87_arith.c and x87_stub.S: the FXSAVE area in its
 * 64-bit form (SDM Vol. 1, 10.5.1).
 *
 *   0 FCW  2 FSW  4 FTW (abridged)  6 FOP  8 FIP  16 FDP  24 MXCSR  32 ST…
 */
#ifndef UMBRA_EMUL_X87_INTERNAL_H
#define UMBRA_EMUL_X87_INTERNAL_H

#include "emul_internal.h"

#define FX_SIZE		512
#define FX_FCW		0
#define FX_FSW		2
#define FX_FTW		4
#define FX_FOP		6
#define FX_FIP		8
#define FX_FDP		16
#define FX_MXCSR	24
#define FX_MXCSR_MASK	28
#define FX_ST(n)	(32 + 16 * (n))

#define FSW_EXCEPTIONS	0x3f	/* IE DE ZE OE UE PE; the masks of FCW lie alike */
#define FSW_PE		BIT(5)
#define FSW_ES		BIT(7)
#define FSW_TOP		0x3800
#define FSW_BUSY	BIT(15)
#define FSW_CLEX	0x80ff	/* busy, summary, stack fault, exceptions */
#define FCW_INIT	0x37f
#define MXCSR_INIT	0x1f80

static inline u16 fx_u16(const u8 *fx, unsigned int at)
{
	u16 v;

	memcpy(&v, fx + at, 2);
	return v;
}

static inline void fx_put_u16(u8 *fx, unsigned int at, u16 v)
{
	memcpy(fx + at, &v, 2);
}

/* Exceptions of @fx that FCW does not mask: the next waiting instruction is #MF. */
static inline u16 fx_unmasked(const u8 *fx)
{
	return fx_u16(fx, FX_FSW) & ~fx_u16(fx, FX_FCW) & FSW_EXCEPTIONS;
}

void emul_fx_control(u8 *fx, u16 fcw, u16 fsw);
void emul_fx_init(u8 *fx);
int emul_fx_store(struct umbra_emul *e, struct emul_insn *in, const u8 *image, unsigned int len);
int emul_fx_load(struct umbra_emul *e, struct emul_insn *in, u8 *image, unsigned int len);
bool emul_x87_is_env(const struct emul_insn *in);
int emul_x87_env(struct umbra_emul *e, struct emul_insn *in, u8 *fx);
int emul_x87_arith(struct umbra_emul *e, struct emul_insn *in, u8 *fx);

#define EMUL_X87_STUB_SIZE	16

extern const u8 emul_x87_stubs_reg[], emul_x87_stubs_mem[];

void emul_x87_run(const void *stub, void *fx, void *mem, u64 *flags);

#endif
