/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: assembly of freestanding parts
 *
 * How a function begins, returns and calls: the kernel has its own ways, which
 * depend on the mitigations that it was built with; a hosted build has none.  A
 * table of stubs is reached by its address plus an index: it begins where its
 * alignment says, without the padding that the kernel puts before a function.
 */
#ifndef UMBRA_STUB_H
#define UMBRA_STUB_H

#ifdef __ASSEMBLY__

#ifdef __KERNEL__
#include <linux/linkage.h>
#include <linux/objtool.h>
#include <asm/nospec-branch.h>

.macro function name
	SYM_FUNC_START(\name)
.endm

.macro stub_table name align
	.balign	\align
	SYM_START(\name, SYM_L_GLOBAL, SYM_A_NONE)
.endm

.macro function_end name
	SYM_FUNC_END(\name)
.endm

.macro leave_stub
	RET
.endm

.macro call_stub
	CALL_NOSPEC rdi
.endm
#else
.macro function name
	.globl	\name
	.set	\name, .
.endm

.macro stub_table name align
	.balign	\align
	function \name
.endm

.macro function_end name
.endm

.macro leave_stub
	ret
.endm

.macro call_stub
	/* call through RDI */
	.byte	0xff, 0xd7
.endm

.macro STACK_FRAME_NON_STANDARD name
.endm

	.section .note.GNU-stack, "", @progbits
#endif

#endif /* __ASSEMBLY__ */

#endif
