/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: stubs of vector instructions
 *
 * Between simd.c and simd_stub.S.
 */
#ifndef UMBRA_EMUL_SIMD_INTERNAL_H
#define UMBRA_EMUL_SIMD_INTERNAL_H

#include "emul_internal.h"

/**
 * struct emul_simd - what a stub works on; simd_stub.S knows the layout
 * @a: xmm0 or mm0: first operand and result
 * @b: xmm1 or mm1: second operand
 * @mxcsr: in and out
 * @flags: RFLAGS behind the instruction
 * @gpr: rax, in and out
 */
struct emul_simd {
	u8 a[16];
	u8 b[16];
	u32 mxcsr;
	u32 flags;
	u64 gpr;
};

static_assert(offsetof(struct emul_simd, mxcsr) == 32);
static_assert(offsetof(struct emul_simd, gpr) == 40);

#define EMUL_STUB_SIZE	16

extern const u8 emul_stubs_0f[], emul_stubs_38[], emul_stubs_cmp[], emul_stubs_cvt[];

void emul_simd_run(const void *stub, struct emul_simd *s);
void emul_simd_run_mmx(const void *stub, struct emul_simd *s);

#endif
