/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: one instruction each
 *
 * For each SSE instruction of the form OP xmm, xmm there is a stub OP xmm0, xmm1;
 * OP mm0, mm1; a return.  They lie at 16 bytes from each other, ordered by opcode
 * within a mandatory prefix, so that simd.c finds them by arithmetic.  What is
 * not of this form is UD2 and is never called.
 *
 * void emul_simd_run(const void *stub, struct emul_simd *s)
 * void emul_simd_run_mmx(const void *stub, struct emul_simd *s)
 *			   RDI		       RSI
 */
#include "simd_stub.h"

	.text

function emul_simd_run
	push	%rbx
	mov	%rsi, %rbx
	movdqu	S_A(%rbx), %xmm0
	movdqu	S_B(%rbx), %xmm1
	movdqu	S_C(%rbx), %xmm2
	ldmxcsr	S_MXCSR(%rbx)
	mov	S_GPR(%rbx), %rax
	call_stub
	pushfq
	pop	%rcx
	mov	%ecx, S_FLAGS(%rbx)
	mov	%rax, S_GPR(%rbx)
	stmxcsr	S_MXCSR(%rbx)
	movdqu	%xmm0, S_A(%rbx)
	/* nobody else has asked for these exceptions */
	pushq	$0x1f80
	ldmxcsr	(%rsp)
	pop	%rcx
	pop	%rbx
	leave_stub
function_end emul_simd_run

function emul_simd_run_mmx
	push	%rbx
	mov	%rsi, %rbx
	movq	S_A(%rbx), %mm0
	movq	S_B(%rbx), %mm1
	call_stub
	movq	%mm0, S_A(%rbx)
	emms
	pop	%rbx
	leave_stub
function_end emul_simd_run_mmx

.macro stub_prefix pp
	.balign	16
	endbr64
	.if \pp == 1
	.byte	0x66
	.elseif \pp == 2
	.byte	0xf3
	.elseif \pp == 3
	.byte	0xf2
	.endif
.endm

/* Map 0F, opcodes 10..FF with prefix pp: OP xmm0, xmm1. */
.macro stubs_0f pp
	.set	op, 0x10
	.rept	0xf0
	.if (op == 0x12) || (op >= 0x14 && op <= 0x16) || op == 0x2e || op == 0x2f || \
	    (op >= 0x51 && op <= 0x6d) || (op >= 0x74 && op <= 0x76) || \
	    op == 0x7c || op == 0x7d || (op >= 0xd0 && op <= 0xfe && op != 0xd6 && \
	    op != 0xd7 && op != 0xe7 && op != 0xf0 && op != 0xf7)
	stub_prefix \pp
	.byte	0x0f, op, 0xc1
	leave_stub
	.else
	stub_none
	.endif
	.set	op, op + 1
	.endr
.endm

/* Map 0F38, opcodes 00..41. */
.macro stubs_38 pp
	.set	op, 0
	.rept	0x42
	.if op <= 0x0b || op == 0x17 || (op >= 0x1c && op <= 0x1e) || \
	    (op >= 0x20 && op <= 0x25) || op == 0x28 || op == 0x29 || op == 0x2b || \
	    (op >= 0x30 && op <= 0x35) || (op >= 0x37 && op <= 0x41)
	stub_prefix \pp
	.byte	0x0f, 0x38, op, 0xc1
	leave_stub
	.else
	stub_none
	.endif
	.set	op, op + 1
	.endr
.endm

/* CMPPS and its kin, by predicate. */
.macro stubs_cmp pp
	.set	op, 0
	.rept	8
	stub_prefix \pp
	.byte	0x0f, 0xc2, 0xc1, op
	leave_stub
	.set	op, op + 1
	.endr
.endm

/* 2A: CVTSI2xx xmm0, rax; 2C, 2D: CVTTxx2SI, CVTxx2SI rax, xmm1 */
.macro stub_cvt byte, opcode, modrm
	.balign	16
	endbr64
	.byte	\byte, 0x0f, \opcode, \modrm
	leave_stub
	.balign	16
	endbr64
	.byte	\byte, 0x48, 0x0f, \opcode, \modrm
	leave_stub
.endm

stub_table emul_stubs_0f 16
	stubs_0f 0
	stubs_0f 1
	stubs_0f 2
	stubs_0f 3
function_end emul_stubs_0f

stub_table emul_stubs_38 16
	stubs_38 0
	stubs_38 1
function_end emul_stubs_38

stub_table emul_stubs_cmp 16
	stubs_cmp 0
	stubs_cmp 1
	stubs_cmp 2
	stubs_cmp 3
function_end emul_stubs_cmp

stub_table emul_stubs_cvt 16
	stub_cvt 0xf3, 0x2a, 0xc0
	stub_cvt 0xf3, 0x2c, 0xc1
	stub_cvt 0xf3, 0x2d, 0xc1
	stub_cvt 0xf2, 0x2a, 0xc0
	stub_cvt 0xf2, 0x2c, 0xc1
	stub_cvt 0xf2, 0x2d, 0xc1
function_end emul_stubs_cvt

/* ROUNDPS, ROUNDPD, ROUNDSS, ROUNDSD xmm0, xmm1, by the lower half of the immediate. */
stub_table emul_stubs_round 16
	.irp	op, 8, 9, 10, 11
	.set	mode, 0
	.rept	16
	stub_prefix 1
	.byte	0x0f, 0x3a, \op, 0xc1, mode
	leave_stub
	.set	mode, mode + 1
	.endr
	.endr
function_end emul_stubs_round

stub_table emul_stubs_pclmul 16
	stub_prefix 1
	.byte	0x0f, 0x3a, 0x44, 0xc1, 0
	leave_stub
function_end emul_stubs_pclmul

/* AESKEYGENASSIST with 0, AESIMC, AESENC, AESENCLAST, AESDEC, AESDECLAST */
stub_table emul_stubs_aes 16
	stub_prefix 1
	.byte	0x0f, 0x3a, 0xdf, 0xc1, 0
	leave_stub
	.irp	op, 0xdb, 0xdc, 0xdd, 0xde, 0xdf
	stub_prefix 1
	.byte	0x0f, 0x38, \op, 0xc1
	leave_stub
	.endr
function_end emul_stubs_aes

/*
 * CVTPI2PS, CVTPI2PD; CVTTPS2PI, CVTTPD2PI, CVTPS2PI, CVTPD2PI: the MMX register is in
 * memory, where RBX points to.
 */
stub_table emul_stubs_cvt_mmx 32
	.irp	byte, 0x90, 0x66
	.balign	32
	endbr64
	.byte	\byte, 0x0f, 0x2a, 0x43, S_B
	emms
	leave_stub
	.endr
	.irp	op, 0x2c, 0x2d
	.irp	byte, 0x90, 0x66
	.balign	32
	endbr64
	.byte	\byte, 0x0f, \op, 0xc1
	movq	%mm0, S_A(%rbx)
	emms
	movdqu	S_A(%rbx), %xmm0
	leave_stub
	.endr
	.endr
function_end emul_stubs_cvt_mmx

/* 3DNow!, by the immediate: those of mmx.c */
stub_table emul_stubs_3dnow 16
	.irp	op, 0x0c, 0x0d, 0x1c, 0x1d, 0x8a, 0x8e, 0x90, 0x94, 0x96, 0x97, 0x9a, 0x9e, \
		    0xa0, 0xa4, 0xa6, 0xa7, 0xaa, 0xae, 0xb0, 0xb4, 0xb6, 0xb7, 0xbb, 0xbf
	stub_prefix 0
	.byte	0x0f, 0x0f, 0xc1, \op
	leave_stub
	.endr
function_end emul_stubs_3dnow

/* DPPS, DPPD: all products, all results */
stub_table emul_stubs_dot 16
	stub_prefix 1
	.byte	0x0f, 0x3a, 0x40, 0xc1, 0xff
	leave_stub
	stub_prefix 1
	.byte	0x0f, 0x3a, 0x41, 0xc1, 0x33
	leave_stub
function_end emul_stubs_dot

/*
 * SHA1NEXTE, SHA1MSG1, SHA1MSG2, SHA256RNDS2, SHA256MSG1, SHA256MSG2, and SHA1RNDS4 by
 * immediate.  SHA256RNDS2 works on xmm1 and xmm2, and xmm0.
 */
stub_table emul_stubs_sha 16
	.irp	op, 0xc8, 0xc9, 0xca
	stub_prefix 0
	.byte	0x0f, 0x38, \op, 0xc1
	leave_stub
	.endr
	stub_prefix 0
	.byte	0x0f, 0x38, 0xcb, 0xca
	movaps	%xmm1, %xmm0
	leave_stub
	.irp	op, 0xcc, 0xcd
	stub_prefix 0
	.byte	0x0f, 0x38, \op, 0xc1
	leave_stub
	.endr
	.irp	imm, 0, 1, 2, 3
	stub_prefix 0
	.byte	0x0f, 0x3a, 0xcc, 0xc1, \imm
	leave_stub
	.endr
function_end emul_stubs_sha

/* GF2P8MULB, GF2P8AFFINEQB, GF2P8AFFINEINVQB, the last two with 0 */
stub_table emul_stubs_galois 16
	stub_prefix 1
	.byte	0x0f, 0x38, 0xcf, 0xc1
	leave_stub
	.irp	op, 0xce, 0xcf
	stub_prefix 1
	.byte	0x0f, 0x3a, \op, 0xc1, 0
	leave_stub
	.endr
function_end emul_stubs_galois

	/* for objtool: more than one function in each */
	STACK_FRAME_NON_STANDARD emul_stubs_0f
	STACK_FRAME_NON_STANDARD emul_stubs_38
	STACK_FRAME_NON_STANDARD emul_stubs_cmp
	STACK_FRAME_NON_STANDARD emul_stubs_cvt
	STACK_FRAME_NON_STANDARD emul_stubs_round
	STACK_FRAME_NON_STANDARD emul_stubs_aes
	STACK_FRAME_NON_STANDARD emul_stubs_cvt_mmx
	STACK_FRAME_NON_STANDARD emul_stubs_3dnow
	STACK_FRAME_NON_STANDARD emul_stubs_dot
	STACK_FRAME_NON_STANDARD emul_stubs_sha
	STACK_FRAME_NON_STANDARD emul_stubs_galois
