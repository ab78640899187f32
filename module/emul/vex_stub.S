/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: one instruction each, VEX
 *
 * As simd_stub.S, for VEX: OP ymm0, ymm1, ymm2, or OP ymm0, ymm2 where the
 * instruction has no third operand (VEX.vvvv is then 1111).  What does not exist
 * with a prefix is UD2; by length and W vex.c tells.
 *
 * void emul_vex_run(const void *stub, struct emul_simd *s)
 *		     RDI	       RSI
 */
#include "simd_stub.h"

	.text

function emul_vex_run
	push	%rbx
	mov	%rsi, %rbx
	vmovdqu	S_A(%rbx), %ymm0
	vmovdqu	S_B(%rbx), %ymm1
	vmovdqu	S_C(%rbx), %ymm2
	vldmxcsr S_MXCSR(%rbx)
	call_stub
	pushfq
	pop	%rcx
	mov	%ecx, S_FLAGS(%rbx)
	vstmxcsr S_MXCSR(%rbx)
	vmovdqu	%ymm0, S_A(%rbx)
	/* legacy SSE code is slow while upper halves are in use */
	vzeroupper
	/* nobody else has asked for these exceptions */
	pushq	$0x1f80
	ldmxcsr	(%rsp)
	pop	%rcx
	pop	%rbx
	leave_stub
function_end emul_vex_run

/* C4, RXB and map, W vvvv L pp, opcode, ModRM */
.macro stub_vex map w l pp two
	.balign	16
	endbr64
	.byte	0xc4, 0xe0 | \map
	.byte	(\w << 7) | 0x70 | ((\two) << 3) | (\l << 2) | \pp
	.byte	op, 0xc2
.endm

/* Map 0F, opcodes 10..FF; those with an immediate are elsewhere. */
.macro stubs_vex_0f pp l
	.set	op, 0x10
	.rept	0xf0
	.set	two, (op == 0x12) | (op == 0x16) | (op == 0x2e) | (op == 0x2f) | \
		     (op >= 0x51 && op <= 0x53 && \pp < 2) | (op == 0x5a && \pp < 2) | \
		     (op == 0x5b) | (op == 0xe6)
	.if (\pp < 2 && (op == 0x14 || op == 0x15 || op == 0x2e || op == 0x2f || \
			  (op >= 0x54 && op <= 0x57))) || \
	    (\pp >= 2 && op == 0x12) || (\pp == 2 && op == 0x16) || \
	    op == 0x51 || ((\pp & 1) == 0 && (op == 0x52 || op == 0x53)) || \
	    (op >= 0x58 && op <= 0x5f && (op != 0x5b || \pp != 3)) || \
	    ((\pp & 1) && (op == 0x7c || op == 0x7d || op == 0xd0)) || \
	    (\pp != 0 && op == 0xe6) || \
	    (\pp == 1 && ((op >= 0x60 && op <= 0x6d) || (op >= 0x74 && op <= 0x76) || \
			  (op >= 0xd1 && op <= 0xfe && op != 0xd6 && op != 0xd7 && \
			   op != 0xe7 && op != 0xf0 && op != 0xf7)))
	stub_vex 1, 0, \l, \pp, (two != 0) & 1
	leave_stub
	.else
	stub_none
	.endif
	.set	op, op + 1
	.endr
.endm

/* Map 0F38 with 66, opcodes 00..DF. */
.macro stubs_vex_38 w l
	.set	op, 0
	.rept	0xe0
	.set	two, (op >= 0x0e && op <= 0x0f) | (op == 0x13) | (op >= 0x17 && op <= 0x25) | \
		     (op >= 0x30 && op <= 0x35) | (op == 0x41) | (op >= 0x58 && op <= 0x5a) | \
		     (op >= 0x78 && op <= 0x79) | (op == 0xdb)
	.if op <= 0x0f || op == 0x13 || (op >= 0x16 && op <= 0x19) || \
	    (op >= 0x1c && op <= 0x1e) || (op >= 0x20 && op <= 0x25) || \
	    op == 0x28 || op == 0x29 || op == 0x2b || (op >= 0x30 && op <= 0x41) || \
	    (op >= 0x45 && op <= 0x47) || op == 0x58 || op == 0x59 || op == 0x78 || \
	    op == 0x79 || (op >= 0x96 && op <= 0xbf && (op & 0xf) >= 6) || op >= 0xdb
	stub_vex 2, \w, \l, 1, (two != 0) & 1
	leave_stub
	.else
	stub_none
	.endif
	.set	op, op + 1
	.endr
.endm

/* VCMPPS and its kin, by predicate. */
.macro stubs_vex_cmp pp l
	.set	op, 0xc2
	.set	predicate, 0
	.rept	32
	stub_vex 1, 0, \l, \pp, 0
	.byte	predicate
	leave_stub
	.set	predicate, predicate + 1
	.endr
.endm

/* VDPPS xmm, VDPPS ymm, VDPPD, VCVTPS2PH from xmm, from ymm; the latter rounds by MXCSR. */
.macro stub_vex_3a pp_l_vvvv opcode modrm imm
	.balign	16
	endbr64
	.byte	0xc4, 0xe3, \pp_l_vvvv, \opcode, \modrm, \imm
	leave_stub
.endm

stub_table emul_stubs_vex_3a 16
	stub_vex_3a 0x71, 0x40, 0xc2, 0xff
	stub_vex_3a 0x75, 0x40, 0xc2, 0xff
	stub_vex_3a 0x71, 0x41, 0xc2, 0x33
	stub_vex_3a 0x79, 0x1d, 0xd0, 0x04
	stub_vex_3a 0x7d, 0x1d, 0xd0, 0x04
function_end emul_stubs_vex_3a

stub_table emul_stubs_vex_0f 16
	stubs_vex_0f 0, 0
	stubs_vex_0f 0, 1
	stubs_vex_0f 1, 0
	stubs_vex_0f 1, 1
	stubs_vex_0f 2, 0
	stubs_vex_0f 2, 1
	stubs_vex_0f 3, 0
	stubs_vex_0f 3, 1
function_end emul_stubs_vex_0f

stub_table emul_stubs_vex_38 16
	stubs_vex_38 0, 0
	stubs_vex_38 0, 1
	stubs_vex_38 1, 0
	stubs_vex_38 1, 1
function_end emul_stubs_vex_38

stub_table emul_stubs_vex_cmp 16
	stubs_vex_cmp 0, 0
	stubs_vex_cmp 0, 1
	stubs_vex_cmp 1, 0
	stubs_vex_cmp 1, 1
	stubs_vex_cmp 2, 0
	stubs_vex_cmp 2, 1
	stubs_vex_cmp 3, 0
	stubs_vex_cmp 3, 1
function_end emul_stubs_vex_cmp

	/* for objtool: more than one function in each */
	STACK_FRAME_NON_STANDARD emul_stubs_vex_3a
	STACK_FRAME_NON_STANDARD emul_stubs_vex_0f
	STACK_FRAME_NON_STANDARD emul_stubs_vex_38
	STACK_FRAME_NON_STANDARD emul_stubs_vex_cmp
