/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the SVM world switch
 *
 * void umbra_svm_enter(u64 *gpr, hpa_t vmcb_hpa, hpa_t host_hpa)
 *			RDI	  RSI		  RDX
 *
 * From host to guest and back.  gpr[] is indexed as ModRM numbers registers;
 * RAX and RSP travel in the VMCB instead.  Who moves what (APM 15.5, 15.6):
 *
 *   VMRUN/#VMEXIT   CS SS DS ES GDTR IDTR CR0 CR2 CR3 CR4 EFER DR6 DR7
 *		     RFLAGS RIP RSP RAX, CPL; the host's in its save area
 *   VMLOAD/VMSAVE   FS GS TR LDTR with hidden parts, KERNEL_GS_BASE, STAR,
 *		     LSTAR, CSTAR, SFMASK, SYSENTER_CS/ESP/EIP
 *   this code       all other general registers
 *   debug.c	     DR0..DR3
 *   core	     FPU, XCR0
 *
 * Called with interrupts off; returns with interrupts off and GIF set.
 * Everything between CLGI and STGI runs with the global interrupt flag clear:
 * no interrupt, NMI, SMI or debug trap can see the mixture of the two worlds
 * (APM 15.17).  An NMI that ended the guest's run is taken at the STGI.
 */
#include <linux/linkage.h>

#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

/*
 * The kernel decides at boot which of these the processor needs; what it uses
 * itself is not exported to modules everywhere, so the steps are written out.
 */
#if defined(X86_FEATURE_CLEAR_CPU_BUF_VM)
#define FEATURE_VERW	X86_FEATURE_CLEAR_CPU_BUF_VM
#elif defined(X86_FEATURE_CLEAR_CPU_BUF)
#define FEATURE_VERW	X86_FEATURE_CLEAR_CPU_BUF
#endif
#ifdef X86_FEATURE_IBPB_ON_VMEXIT
#define FEATURE_IBPB	X86_FEATURE_IBPB_ON_VMEXIT
#else
#define FEATURE_IBPB	X86_FEATURE_ENTRY_IBPB
#endif

#define GPR_RCX		(1 * 8)
#define GPR_RDX		(2 * 8)
#define GPR_RBX		(3 * 8)
#define GPR_RBP		(5 * 8)
#define GPR_RSI		(6 * 8)
#define GPR_RDI		(7 * 8)
#define GPR_R8		(8 * 8)
#define GPR_R9		(9 * 8)
#define GPR_R10		(10 * 8)
#define GPR_R11		(11 * 8)
#define GPR_R12		(12 * 8)
#define GPR_R13		(13 * 8)
#define GPR_R14		(14 * 8)
#define GPR_R15		(15 * 8)

	.code64
	.text

SYM_FUNC_START(umbra_svm_enter)
	/* Step 1: keep what the C caller expects back. */
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx

	/* Step 2: keep what the way back needs; the stack survives, RSP is host state. */
	push	%rdx				/* host_hpa */
	push	%rdi				/* gpr */

	/*
	 * Step 3: from here nothing interrupts.  With virtual interrupt masking the
	 * host's RFLAGS.IF at VMRUN decides whether physical interrupts end the run
	 * (APM 15.21.1), so it is set; GIF still holds them off on this side.  Set
	 * early: QEMU's TCG would hand STI's interrupt shadow on to the guest, whose
	 * own STI then casts none.
	 */
	clgi
	sti

	/*
	 * Step 4: put the host's VMLOAD state away.  Every time, though it seldom
	 * changes: LDT, TLS and the per-CPU GS base then never go stale, for the
	 * price of one instruction.
	 */
	mov	%rdx, %rax
	vmsave	%rax

	/* Step 5: the guest's VMLOAD state.  GS is the guest's now: no per-CPU data. */
	mov	%rsi, %rax
	vmload	%rax

	/* Step 6: the guest's general registers, the pointer last. */
	mov	GPR_RCX(%rdi), %rcx
	mov	GPR_RDX(%rdi), %rdx
	mov	GPR_RBX(%rdi), %rbx
	mov	GPR_RBP(%rdi), %rbp
	mov	GPR_RSI(%rdi), %rsi
	mov	GPR_R8(%rdi), %r8
	mov	GPR_R9(%rdi), %r9
	mov	GPR_R10(%rdi), %r10
	mov	GPR_R11(%rdi), %r11
	mov	GPR_R12(%rdi), %r12
	mov	GPR_R13(%rdi), %r13
	mov	GPR_R14(%rdi), %r14
	mov	GPR_R15(%rdi), %r15
	mov	GPR_RDI(%rdi), %rdi

	/* Step 7: buffers that a guest could sample (MDS, TSA). Changes flags only. */
#ifdef FEATURE_VERW
	ALTERNATIVE "jmp .Lno_verw", "", FEATURE_VERW
	verw	verw_sel(%rip)
.Lno_verw:
#endif

	/* Step 8: run. */
	vmrun	%rax
	cli

	/* Step 9: RAX (the VMCB's address), RSP and RIP are the host's again. */
	vmsave	%rax

	/* Step 10: the host's VMLOAD state: GS and per-CPU data work again. */
	mov	8(%rsp), %rax			/* host_hpa */
	vmload	%rax

	/* Step 11: the guest's general registers. */
	mov	(%rsp), %rax			/* gpr */
	mov	%rcx, GPR_RCX(%rax)
	mov	%rdx, GPR_RDX(%rax)
	mov	%rbx, GPR_RBX(%rax)
	mov	%rbp, GPR_RBP(%rax)
	mov	%rsi, GPR_RSI(%rax)
	mov	%rdi, GPR_RDI(%rax)
	mov	%r8, GPR_R8(%rax)
	mov	%r9, GPR_R9(%rax)
	mov	%r10, GPR_R10(%rax)
	mov	%r11, GPR_R11(%rax)
	mov	%r12, GPR_R12(%rax)
	mov	%r13, GPR_R13(%rax)
	mov	%r14, GPR_R14(%rax)
	mov	%r15, GPR_R15(%rax)

	/* Step 12: returns must not be predicted by what the guest left behind. */
	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	ALTERNATIVE "jmp .Lno_ibpb", "", FEATURE_IBPB
	mov	$MSR_IA32_PRED_CMD, %ecx
	mov	$PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
.Lno_ibpb:
	CALL_UNTRAIN_RET

	/* Step 13: nor may guest values reach a speculating load. */
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%ebx, %ebx
	xor	%ebp, %ebp
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	xor	%r12d, %r12d
	xor	%r13d, %r13d
	xor	%r14d, %r14d
	xor	%r15d, %r15d

	/* Step 14: the host is whole: pending NMIs come now, interrupts when IF is set. */
	stgi

	/* Step 15: back to C. */
	add	$16, %rsp
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(umbra_svm_enter)

	/* VERW clears buffers only in its form with a memory operand. */
	.section .rodata
verw_sel:
	.word	__KERNEL_DS

	.section .note.GNU-stack, "", @progbits
