/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the world switch of the soft engine
 *
 * Two address spaces, and a third between them.  Code that changes CR3 must be
 * mapped at one address before and after; the host's tables are not ours to
 * change, so a copy of the top of them, the intermediate address space, holds the
 * host's kernel half and the hole:
 *
 *   host CR3           intermediate CR3           shadow root (guest)
 *   module text  --->  module text, C code
 *                      jump into the hole  --->  hole
 *                                                IRETQ to CPL 3
 *                                                exception, SYSCALL
 *                      hole                <---  hole
 *                      jump to module text
 *   module text  <---  C code
 *
 * Between two of a run's switches the intermediate address space stays (run.c).  In the hole the processor has its own IDT, GDT and TSS.  IDT first on the way
 * in and last on the way out: from the moment on at which the host's tables
 * may be out of reach, every vector has a handler here.
 *
 * An NMI or machine check can arrive at every single instruction.  From the
 * guest it is an exit like others.  In the switcher its handler only takes
 * note, and the C caller raises it again in the host; IRETQ ends the NMI
 * blocking in between.  Before LIDT and after the last one the host's own
 * handler runs, in an address space that has all that it needs.
 *
 * SYSCALL of guest user code, and SYSRET and IRET of translated guest kernel code (it
 * executes a SYSCALL of its own there), change between the two views in here,
 * without the host, where C code has prepared that (soft_frame.fast):
 *
 *   user view, guest code                     kernel view, translation
 *        SYSCALL  --->  registers, flags  --->  translation of LSTAR
 *                  <---  validated         <---  SYSCALL (service)
 *
 * Everything that C code would have to know or to judge is an exit: @fast does not allow
 * it, or a check here fails before anything of the guest has changed.
 *
 * Called with interrupts off: the only other events are exceptions of our own
 * making, each of them a bug, that end the run as SOFT_VEC_FATAL.
 */
#include <linux/linkage.h>

#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>
#include <asm/unwind_hints.h>

#include "switch.h"

#if defined(X86_FEATURE_CLEAR_CPU_BUF)
#define FEATURE_VERW	X86_FEATURE_CLEAR_CPU_BUF
#endif

#define FRAME(off)	(umbra_soft_blob + SOFT_FRAME_OFFSET + (off))(%rip)
#define OWN_TSS_BUSY	(umbra_soft_blob + SOFT_GDT_OFFSET + SOFT_SEL_TSS + 5)(%rip)
#define OWN_ACCESS(sel)	(umbra_soft_blob + SOFT_GDT_OFFSET + ((sel) & ~7) + SOFT_DESC_ACCESS)(%rip)
#define VDATA(off)	(umbra_soft_blob + SOFT_OWN_VDATA_OFFSET + (off))(%rip)
#define VIF		(umbra_soft_blob + SOFT_OWN_VIF_OFFSET)(%rip)
#define HOST_TSS_BUSY	(umbra_soft_blob + SOFT_GDT_OFFSET + SOFT_SEL_HOST_TSS + 5)(%rip)

	.code64
	.text

/* Of the guest's registers, in C code's order (enum umbra_gpr). */
#define GPR(n)	(8 * (n))

/* void umbra_soft_switch(struct soft_frame *frame, u64 *gpr) */
SYM_FUNC_START(umbra_soft_switch)
	/* Step 1: what the C caller expects back. */
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	mov	%rsp, SF_HOST_RSP(%rdi)
	mov	%rsi, SF_HOST_GPR(%rdi)

	/* Step 2: buffers that a guest could sample (MDS).  Changes flags only. */
#ifdef FEATURE_VERW
	ALTERNATIVE "jmp .Lno_verw", "", FEATURE_VERW
	verw	verw_sel(%rip)
.Lno_verw:
#endif

	/* Step 3: the guest's registers.  The hole needs RSP, and RAX until the end. */
	mov	GPR(4)(%rsi), %rax
	mov	%rax, SF_RSP(%rdi)
	mov	GPR(0)(%rsi), %rax
	mov	%rax, SF_SAVE_RAX(%rdi)
	mov	SF_HOLE_ENTRY(%rdi), %rax
	mov	GPR(1)(%rsi), %rcx
	mov	GPR(2)(%rsi), %rdx
	mov	GPR(3)(%rsi), %rbx
	mov	GPR(5)(%rsi), %rbp
	mov	GPR(7)(%rsi), %rdi
	mov	GPR(8)(%rsi), %r8
	mov	GPR(9)(%rsi), %r9
	mov	GPR(10)(%rsi), %r10
	mov	GPR(11)(%rsi), %r11
	mov	GPR(12)(%rsi), %r12
	mov	GPR(13)(%rsi), %r13
	mov	GPR(14)(%rsi), %r14
	mov	GPR(15)(%rsi), %r15
	mov	GPR(6)(%rsi), %rsi

	/* Step 4: into the hole. */
	ANNOTATE_RETPOLINE_SAFE
	call	*%rax

	/*
	 * The way back, in the intermediate address space; the engine's tables are
	 * active.  Not by a return: RSP is in the hole.  RAX is the frame in the
	 * kernel's mapping, all other registers are the guest's.
	 */
SYM_INNER_LABEL(umbra_soft_resume, SYM_L_GLOBAL)
	endbr64

	/* Step 1: the guest's registers. */
	mov	%rdi, SF_SAVE_RDI(%rax)
	mov	SF_HOST_GPR(%rax), %rdi
	mov	%rcx, GPR(1)(%rdi)
	mov	%rdx, GPR(2)(%rdi)
	mov	%rbx, GPR(3)(%rdi)
	mov	%rbp, GPR(5)(%rdi)
	mov	%rsi, GPR(6)(%rdi)
	mov	%r8, GPR(8)(%rdi)
	mov	%r9, GPR(9)(%rdi)
	mov	%r10, GPR(10)(%rdi)
	mov	%r11, GPR(11)(%rdi)
	mov	%r12, GPR(12)(%rdi)
	mov	%r13, GPR(13)(%rdi)
	mov	%r14, GPR(14)(%rdi)
	mov	%r15, GPR(15)(%rdi)
	mov	SF_SAVE_RAX(%rax), %rcx
	mov	%rcx, GPR(0)(%rdi)
	mov	SF_RSP(%rax), %rcx
	mov	%rcx, GPR(4)(%rdi)
	mov	SF_SAVE_RDI(%rax), %rcx
	mov	%rcx, GPR(7)(%rdi)
	mov	%rax, %rdi

	/* Step 2: segments by the host's GDT; its TSS was loaded in the hole. */
	lgdt	SF_HOST_GDTR(%rdi)
	lldt	SF_HOST_LDT(%rdi)
	mov	$__KERNEL_DS, %eax
	mov	%eax, %ss
	mov	SF_HOST_DS(%rdi), %ds
	mov	SF_HOST_ES(%rdi), %es
	mov	SF_HOST_FS(%rdi), %fs
	mov	SF_HOST_GS(%rdi), %gs

	/* Step 3: bases: per-CPU data is there again. */
	mov	SF_HOST_FSBASE(%rdi), %rax
	wrfsbase %rax
	mov	SF_HOST_GSBASE(%rdi), %rax
	wrgsbase %rax

	/* Step 4: the stack as before the call, then the host's IDT: from here its handlers run. */
	mov	SF_HOST_RSP(%rdi), %rsp
	lidt	SF_HOST_IDTR(%rdi)

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(umbra_soft_switch)

/* void umbra_soft_away(struct soft_frame *frame) */
SYM_FUNC_START(umbra_soft_away)
	/* Step 1: the host's tables, selectors and bases, for the way back of every switch. */
	sgdt	SF_HOST_GDTR(%rdi)
	sidt	SF_HOST_IDTR(%rdi)
	str	SF_HOST_TR(%rdi)
	sldt	SF_HOST_LDT(%rdi)
	mov	%ds, SF_HOST_DS(%rdi)
	mov	%es, SF_HOST_ES(%rdi)
	mov	%fs, SF_HOST_FS(%rdi)
	mov	%gs, SF_HOST_GS(%rdi)
	rdfsbase %rax
	mov	%rax, SF_HOST_FSBASE(%rdi)
	rdgsbase %rax
	mov	%rax, SF_HOST_GSBASE(%rdi)

	/* Step 2: its address space. */
	mov	%cr3, %rax
	or	SF_CR3_KEEP(%rdi), %rax
	mov	%rax, SF_HOST_CR3(%rdi)
	mov	SF_IM_CR3(%rdi), %rax
	mov	%rax, %cr3
	RET
SYM_FUNC_END(umbra_soft_away)

/* void umbra_soft_home(struct soft_frame *frame) */
SYM_FUNC_START(umbra_soft_home)
	mov	SF_HOST_CR3(%rdi), %rax
	mov	%rax, %cr3
	RET
SYM_FUNC_END(umbra_soft_home)

/* void umbra_soft_raise(u64 vector) */
SYM_FUNC_START(umbra_soft_raise)
	shl	$4, %rdi
	lea	.Lraise(%rip), %rax
	add	%rdi, %rax
	ANNOTATE_RETPOLINE_SAFE
	jmp	*%rax
SYM_FUNC_END(umbra_soft_raise)

	.balign 16
SYM_CODE_START_LOCAL(raise_table)
.Lraise:
	.set	vec, 0
	.rept	256
	UNWIND_HINT_FUNC
	endbr64
	.byte	0xcd, vec		/* INT vec, never the one-byte forms */
	RET
	.balign 16
	.set	vec, vec + 1
	.endr
SYM_CODE_END(raise_table)

	.section .rodata, "a"
	.balign 8
SYM_DATA_LOCAL(verw_sel, .word __KERNEL_DS)

/*
 * The hole.  Never executed here: copied, position independent, and reached at
 * the hole's address.  It touches its own pages only.
 */
	.balign 4096
SYM_DATA_START(umbra_soft_blob)

/* From umbra_soft_switch(): intermediate address space, the guest's registers but RAX and RSP. */
SYM_INNER_LABEL(umbra_soft_blob_enter, SYM_L_GLOBAL)
	endbr64

	/* Step 1: the engine's tables, IDT first. */
	lidt	FRAME(SF_IDTR)
	lgdt	FRAME(SF_GDTR)
	/* LTR wants a TSS that is not busy, and marks it so. */
	andb	$~2, OWN_TSS_BUSY
	mov	$SOFT_SEL_TSS, %eax
	ltr	%ax
	xor	%eax, %eax
	lldt	%ax

	/* Step 2: the guest's segments; bases after selectors, which reset them. */
	mov	FRAME(SF_DS), %ds
	mov	FRAME(SF_ES), %es
	mov	FRAME(SF_FS), %fs
	mov	FRAME(SF_GS), %gs
	mov	FRAME(SF_FSBASE), %rax
	wrfsbase %rax
	mov	FRAME(SF_GSBASE), %rax
	wrgsbase %rax

	/* Step 3: leave the host's stack before its address space. */
	lea	FRAME(SF_RIP), %rsp
	mov	FRAME(SF_GUEST_CR3), %rax
	mov	%rax, %cr3
	mov	FRAME(SF_SAVE_RAX), %rax
	iretq

/* The other view: mode, access bytes of the engine's descriptors, CR4, CR3.  RAX is lost. */
	.macro CHANGE_VIEW mode, code, data, cr4_from, cr4_to, cr3
	movw	$(\mode | SOFT_MOVED), FRAME(SF_MODE)
	movb	$\code, OWN_ACCESS(SOFT_SEL_KCODE)
	movb	$\data, OWN_ACCESS(SOFT_SEL_KDATA)
	mov	FRAME(\cr4_to), %rax
	cmp	%rax, FRAME(\cr4_from)
	je	.Lsame_cr4\@
	mov	%rax, %cr4
.Lsame_cr4\@:
	mov	FRAME(\cr3), %rax
	mov	%rax, %cr3
	.endm

/*
 * DOC: from user to kernel
 *
 * The processor was told at the entry that SYSCALL leads here.  It switches no stack, so
 * that is done by hand: RSP is the guest's until then, and no exception but those with
 * stacks of their own can come here.
 */
SYM_INNER_LABEL(umbra_soft_blob_syscall, SYM_L_GLOBAL)
	endbr64
	cmpb	$SOFT_MODE_USER, FRAME(SF_MODE)
	jne	.Lservice
	testb	$SOFT_FAST_SYSCALL, FRAME(SF_FAST)
	jz	.Lslow_syscall
	test	$SOFT_FLAGS_TF, %r11d
	jnz	.Lslow_syscall
	mov	%rsp, FRAME(SF_TO_KERNEL + 24)
	mov	%rax, FRAME(SF_SAVE_RAX)

	/* Step 1: R11 as the guest's, in both its places; RF is clear in it (APM Vol. 3, SYSCALL). */
	and	$(SOFT_FLAGS_USER & ~0x10000 | 2), %r11d
	or	FRAME(SF_VFLAGS), %r11
	mov	%r11, VDATA(VD_R11)

	/* Step 2: what translated code reads: selectors, the interrupt flag. */
	mov	FRAME(SF_KERNEL_SEL), %eax
	mov	%eax, VDATA(VD_SEL_CS)
	mov	%es, VDATA(VD_SEL_ES)
	mov	%ds, VDATA(VD_SEL_DS)
	mov	%fs, VDATA(VD_SEL_FS)
	mov	%gs, VDATA(VD_SEL_GS)
	movw	$0, VIF
	rdfsbase %rax
	mov	%rax, VDATA(VD_FS_BASE)
	mov	%rax, FRAME(SF_USER_FSBASE)
	mov	FRAME(SF_KERNEL_FSBASE), %rax
	wrfsbase %rax

	/* Step 3: the real flags. */
	mov	FRAME(SF_SYSCALL_KEEP), %rax
	and	%r11, %rax
	or	$SOFT_FLAGS_ON, %rax
	mov	%rax, FRAME(SF_TO_KERNEL + 16)

	/* Step 4: the other view and its descriptors. */
	CHANGE_VIEW SOFT_MODE_KERNEL, SOFT_ACCESS_CODE, SOFT_ACCESS_DATA, \
		    SF_CR4_USER, SF_CR4_KERNEL, SF_CR3_KERNEL

	mov	FRAME(SF_SAVE_RAX), %rax
	lea	FRAME(SF_TO_KERNEL), %rsp
	iretq

.Lslow_syscall:
	mov	%rsp, FRAME(SF_RSP)
	lea	FRAME(SF_SS), %rsp
	lea	-8(%rsp), %rsp		/* RSP's place */
	push	%r11			/* RFLAGS */
	push	$0			/* CS: known by the vector */
	push	%rcx			/* RIP */
	push	$0
	push	$SOFT_VEC_SYSCALL
	jmp	.Lsave

/*
 * DOC: from kernel to user
 *
 * A SYSCALL of translated code, in the kernel view.  All that is in soft_vdata is
 * the guest's to write: it is read once and validated, and a guest that jumps here
 * by itself gets what SYSRET or IRETQ would have given it.  RFLAGS in RAX, RIP in
 * RCX; any surprise is .Lslow_service, before which the guest's state is as it was.
 */
	.macro CHECK_RETURN
	test	$~SOFT_FLAGS_RETURN, %rax
	jnz	.Lslow_service
	test	$SOFT_FLAGS_IF, %eax
	jz	.Lslow_service
	/* The lower half: canonical, and nothing of the engine's. */
	mov	%rcx, FRAME(SF_TO_USER)
	cmpl	$0x7fff, FRAME(SF_TO_USER + 4)
	ja	.Lslow_service
	/* FS base: what user code had, or canonical. */
	mov	VDATA(VD_FS_BASE), %rcx
	cmp	%rcx, FRAME(SF_USER_FSBASE)
	je	.Lsame_base\@
	mov	%rcx, FRAME(SF_TO_USER + 16)	/* for a moment */
	shl	$16, %rcx
	sar	$16, %rcx
	cmp	%rcx, FRAME(SF_TO_USER + 16)
	jne	.Lslow_service
	mov	%rcx, FRAME(SF_USER_FSBASE)
.Lsame_base\@:
	.endm

.Lservice:
	mov	%rax, FRAME(SF_SAVE_RAX)
	mov	%rcx, FRAME(SF_RIP)
	cmpb	$SOFT_SERVICE_SYSRET, VDATA(VD_SERVICE)
	jne	.Liret

	testb	$SOFT_FAST_SYSRET, FRAME(SF_FAST)
	jz	.Lslow_service
	mov	%rsp, FRAME(SF_TO_USER + 24)
	mov	VDATA(VD_R11), %eax
	and	$SOFT_FLAGS_SYSRET, %eax
	mov	VDATA(VD_SPILL_RCX), %rcx
	CHECK_RETURN
	jmp	.Lto_user

.Liret:
	cmpb	$SOFT_SERVICE_IRET, VDATA(VD_SERVICE)
	jne	.Lslow_service
	testb	$SOFT_FAST_IRET, FRAME(SF_FAST)
	jz	.Lslow_service
	/* To the selectors that are prepared, if the guest's descriptors are flat. */
	mov	VDATA(VD_IRET + 8), %rax
	cmp	%rax, FRAME(SF_TO_USER + 8)
	jne	.Lslow_service
	mov	VDATA(VD_IRET + 32), %rax
	cmp	%rax, FRAME(SF_TO_USER + 32)
	jne	.Lslow_service
	movabs	$SOFT_DESC_CODE, %rax
	cmp	%rax, VDATA(VD_DESC)
	jne	.Lslow_service
	movabs	$SOFT_DESC_DATA, %rax
	cmp	%rax, VDATA(VD_DESC + 8)
	jne	.Lslow_service
	mov	VDATA(VD_IRET + 24), %rcx
	mov	%rcx, FRAME(SF_TO_USER + 24)
	mov	VDATA(VD_IRET + 16), %rax
	mov	VDATA(VD_IRET), %rcx
	CHECK_RETURN

.Lto_user:
	/* Step 1: flags: those that are real, and the others. */
	mov	%eax, %ecx
	and	$SOFT_FLAGS_USER, %ecx
	or	$SOFT_FLAGS_ON, %ecx
	mov	%rcx, FRAME(SF_TO_USER + 16)
	and	$SOFT_FLAGS_VIRTUAL, %eax
	mov	%rax, FRAME(SF_VFLAGS)

	/* Step 2: FS base, and the registers that SYSCALL took, while soft_vdata has them. */
	mov	FRAME(SF_USER_FSBASE), %rcx
	wrfsbase %rcx
	mov	VDATA(VD_SPILL_RCX), %rcx
	mov	VDATA(VD_R11), %r11

	/* Step 3: the other view. */
	CHANGE_VIEW SOFT_MODE_USER, 0, 0, SF_CR4_KERNEL, SF_CR4_USER, SF_CR3_USER

	mov	FRAME(SF_SAVE_RAX), %rax
	lea	FRAME(SF_TO_USER), %rsp
	iretq

/* R11 and RSP are as SYSCALL left them; C code finds the guest's R11 and RCX in soft_vdata. */
.Lslow_service:
	mov	FRAME(SF_SAVE_RAX), %rax
	mov	%rsp, FRAME(SF_RSP)
	mov	%r11, FRAME(SF_RFLAGS)
	movq	$0, FRAME(SF_ERROR)
	movq	$SOFT_VEC_SERVICE, FRAME(SF_VECTOR)
	lea	FRAME(SF_VECTOR), %rsp
	jmp	.Lsave

SYM_INNER_LABEL(umbra_soft_blob_syscall32, SYM_L_GLOBAL)
	endbr64
	mov	%rsp, FRAME(SF_RSP)
	lea	FRAME(SF_SS), %rsp
	lea	-8(%rsp), %rsp
	push	%r11
	push	$0
	push	%rcx
	push	$0
	push	$SOFT_VEC_SYSCALL32
	jmp	.Lsave

/* Every vector but those with stacks of their own. */
.Lcommon:
	testb	$3, 24(%rsp)		/* CS */
	jz	.Lfatal
.Lsave:
	mov	%rax, FRAME(SF_SAVE_RAX)
	cld

	/* What else the guest may have changed, and CR2. */
.Lexit:
	mov	%cr2, %rax
	mov	%rax, FRAME(SF_CR2)
	mov	%ds, FRAME(SF_DS)
	mov	%es, FRAME(SF_ES)
	mov	%fs, FRAME(SF_FS)
	mov	%gs, FRAME(SF_GS)
	rdfsbase %rax
	mov	%rax, FRAME(SF_FSBASE)
	rdgsbase %rax
	mov	%rax, FRAME(SF_GSBASE)

	/*
	 * The host's TSS by the copy of its descriptor, whose busy bit is ours to
	 * clear: the host's GDT is read-only.
	 */
	andb	$~2, HOST_TSS_BUSY
	mov	FRAME(SF_IM_CR3), %rax
	mov	%rax, %cr3
	ltr	FRAME(SF_HOST_TR)
	mov	FRAME(SF_SELF), %rax
	jmp	*FRAME(SF_HOST_RESUME)

/* An exception in the switcher.  Registers are lost; the VM is. */
SYM_INNER_LABEL(umbra_soft_blob_fatal, SYM_L_LOCAL)
.Lfatal:
	mov	(%rsp), %rax
	mov	%rax, FRAME(SF_FATAL_VECTOR)
	mov	8(%rsp), %rax
	mov	%rax, FRAME(SF_ERROR)
	mov	16(%rsp), %rax
	mov	%rax, FRAME(SF_FATAL_RIP)
	movq	$SOFT_VEC_FATAL, FRAME(SF_VECTOR)
	lea	FRAME(SF_VECTOR), %rsp
	cld
	jmp	.Lexit

/*
 * Vectors with stacks of their own: what the processor pushed moves to where
 * other vectors have it.
 */
SYM_INNER_LABEL(umbra_soft_blob_ist, SYM_L_LOCAL)
.List:
	testb	$3, 24(%rsp)
	jz	.Lswitcher
	popq	FRAME(SF_VECTOR)
	popq	FRAME(SF_ERROR)
	popq	FRAME(SF_RIP)
	popq	FRAME(SF_CS)
	popq	FRAME(SF_RFLAGS)
	popq	FRAME(SF_RSP)
	popq	FRAME(SF_SS)
	lea	FRAME(SF_VECTOR), %rsp
	jmp	.Lsave

SYM_INNER_LABEL(umbra_soft_blob_switcher, SYM_L_LOCAL)
.Lswitcher:
	cmpq	$2, (%rsp)
	je	.Lnmi
	cmpq	$18, (%rsp)
	je	.Lmce
	cmpq	$1, (%rsp)
	jne	.Lfatal
SYM_INNER_LABEL(umbra_soft_blob_db, SYM_L_LOCAL)
	/*
	 * #DB: TF or a breakpoint that MOV SS held back until SYSCALL had entered.  One in the
	 * handler of another has overwritten that one's stack: there is no way back.
	 */
	xor	%rsp, 40(%rsp)		/* RSP */
	testq	$~0xfff, 40(%rsp)
	jz	.Lfatal
	xor	%rsp, 40(%rsp)
	lea	16(%rsp), %rsp
	iretq
SYM_INNER_LABEL(umbra_soft_blob_nmi, SYM_L_LOCAL)
.Lnmi:
	movb	$1, FRAME(SF_NMI)
	movb	$0, FRAME(SF_FAST)
	lea	16(%rsp), %rsp
	iretq
SYM_INNER_LABEL(umbra_soft_blob_mce, SYM_L_LOCAL)
.Lmce:
	movb	$1, FRAME(SF_MCE)
	movb	$0, FRAME(SF_FAST)
	lea	16(%rsp), %rsp
	iretq

/*
 * A stub a vector, for the IDT: ENDBR64, error code, vector, jump: 16 bytes.
 * Exceptions that push an error code (SDM Vol. 3A, table 6-1), a bit each:
 */
#define ERROR_CODES	0x60227d00
/* Vectors with stacks of their own. */
#define IST_VECTORS	0x00040106

	.balign 64
SYM_INNER_LABEL(umbra_soft_blob_stubs, SYM_L_GLOBAL)
	.set	vec, 0
	.rept	32
	.balign SOFT_STUB_SIZE
	endbr64
	.if	((ERROR_CODES >> vec) & 1) == 0
	push	$0
	.endif
	push	$vec
	.if	(IST_VECTORS >> vec) & 1
	jmp	.List
	.else
	jmp	.Lcommon
	.endif
	.set	vec, vec + 1
	.endr
	.rept	224
	.balign SOFT_STUB_SIZE
	endbr64
	push	$0
	.byte	0x68				/* PUSH imm32, also where imm8 would do */
	.long	vec
	jmp	.Lcommon
	.set	vec, vec + 1
	.endr
	.balign SOFT_STUB_SIZE
SYM_DATA_END_LABEL(umbra_soft_blob, SYM_L_GLOBAL, umbra_soft_blob_end)
