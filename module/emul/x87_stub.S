/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: one x87 instruction each
 *
 * A stub for each encoding of D8..DF, 16 bytes from each other: the register
 * forms by opcode and ModRM, the memory forms by opcode and ModRM.reg with
 * their operand at RAX. Encodings that do not exist, and those that x87.c does
 * itself, are there as well and never called.
 *
 * void emul_x87_run(const void *stub, void *fx, void *mem, u64 *flags)
 *		     RDI	       RSI       RDX        RCX
 */
#include "umbra/stub.h"

	.text

#define STATUS	0x8d5	/* OF SF ZF AF PF CF */

function emul_x87_run
	push	%rbx
	push	%r12
	mov	%rsi, %rbx
	mov	%rcx, %r12
	mov	%rdx, %rax
	fxrstor64 (%rbx)
	pushfq
	pop	%rdx
	and	$~STATUS, %rdx
	or	(%r12), %rdx
	push	%rdx
	popfq
	call_stub
	pushfq
	popq	(%r12)
	fxsave64 (%rbx)
	/* what is pending is the guest's, and nobody else has asked for exceptions */
	fninit
	pushq	$0x1f80
	ldmxcsr	(%rsp)
	pop	%rcx
	pop	%r12
	pop	%rbx
	leave_stub
function_end emul_x87_run

.macro stub_x87 opcode, modrm
	.balign	16
	endbr64
	.byte	\opcode, \modrm
	leave_stub
.endm

stub_table emul_x87_stubs_reg 16
	.set	opcode, 0xd8
	.rept	8
	.set	modrm, 0xc0
	.rept	64
	stub_x87 opcode, modrm
	.set	modrm, modrm + 1
	.endr
	.set	opcode, opcode + 1
	.endr
function_end emul_x87_stubs_reg

stub_table emul_x87_stubs_mem 16
	.set	opcode, 0xd8
	.rept	8
	.set	modrm, 0
	.rept	8
	stub_x87 opcode, modrm
	.set	modrm, modrm + 8
	.endr
	.set	opcode, opcode + 1
	.endr
function_end emul_x87_stubs_mem

	/* for objtool: more than one function in each */
	STACK_FRAME_NON_STANDARD emul_x87_stubs_reg
	STACK_FRAME_NON_STANDARD emul_x87_stubs_mem
	STACK_FRAME_NON_STANDARD emul_x87_run
