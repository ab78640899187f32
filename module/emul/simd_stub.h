/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: assembly of vector stubs
 *
 * What simd_stub.S, vex_stub.S and evex_stub.S have in common.
 */
#ifndef UMBRA_EMUL_SIMD_STUB_H
#define UMBRA_EMUL_SIMD_STUB_H

#ifdef __ASSEMBLY__

#include "umbra/stub.h"

/* struct emul_simd */
#define S_A	0
#define S_B	64
#define S_C	128
#define S_MXCSR	192
#define S_FLAGS	196
#define S_GPR	200
#define S_MASK	208
#define S_RESULT 216

/* The stub of what does not exist. */
.macro stub_none
	.balign	16
	endbr64
	ud2
.endm

#endif /* __ASSEMBLY__ */

#endif
