// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: exit codes
 *
 * The VMCB's exit code (APM appendix C) in core's neutral words.  One table
 * says what each code is; a few kinds bring details along.  Lengths of
 * instructions are given where the processor saves the next RIP; else the
 * emulator finds them.
 */
#define pr_fmt(fmt) "umbra: svm: " fmt

#include "svm_internal.h"

#include <linux/printk.h>
#include <linux/ptrace.h>
#include <linux/ratelimit.h>

#include <asm/mce.h>
#include <asm/segment.h>

#define EXIT_CODE_EXC(n)	(SVM_EXIT_EXCP_BASE + (n))
#define VECTOR_DB		1
#define VECTOR_PF		14
#define VECTOR_MC		18

/* Exceptions that push an error code. */
#define WITH_ERROR (BIT(8) | GENMASK(14, 10) | BIT(17) | BIT(21) | BIT(29) | BIT(30))

#define R(name) UMBRA_EXIT_##name

/* 0 is UMBRA_EXIT_NONE and means "not in the table": UNKNOWN. */
static const u8 reasons[] = {
	[SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15]	 = R(CR),
	[SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15] = R(CR),
	[SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15]	 = R(DR),
	[SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15] = R(DR),
	[SVM_EXIT_EXCP_BASE ... SVM_EXIT_LAST_EXCP]	 = R(EXCEPTION),
	[SVM_EXIT_INTR]		= R(INTR),
	[SVM_EXIT_NMI]		= R(NMI),
	[SVM_EXIT_SMI]		= R(INTR),	/* taken by the host at STGI */
	[SVM_EXIT_INIT]		= R(INTR),
	[SVM_EXIT_VINTR]	= R(IRQ_WINDOW),
	[SVM_EXIT_CR0_SEL_WRITE] = R(CR),
	[SVM_EXIT_IDTR_READ ... SVM_EXIT_TR_WRITE] = R(DESC),
	[SVM_EXIT_RDTSC]	= R(INSN),
	[SVM_EXIT_RDPMC]	= R(INSN),
	[SVM_EXIT_PUSHF]	= R(INSN),
	[SVM_EXIT_POPF]		= R(INSN),
	[SVM_EXIT_CPUID]	= R(CPUID),
	[SVM_EXIT_RSM]		= R(INSN),
	[SVM_EXIT_SWINT]	= R(INSN),
	[SVM_EXIT_INVD]		= R(INSN),
	[SVM_EXIT_PAUSE]	= R(PAUSE),
	[SVM_EXIT_HLT]		= R(HLT),
	[SVM_EXIT_INVLPG]	= R(INVLPG),
	[SVM_EXIT_INVLPGA]	= R(INSN),	/* #UD: the guest has no SVM */
	[SVM_EXIT_IOIO]		= R(IO),
	[SVM_EXIT_MSR]		= R(MSR),
	[SVM_EXIT_TASK_SWITCH]	= R(TASK_SWITCH),
	[SVM_EXIT_SHUTDOWN]	= R(SHUTDOWN),
	[SVM_EXIT_VMRUN]	= R(INSN),
	[SVM_EXIT_VMMCALL]	= R(HYPERCALL),
	[SVM_EXIT_VMLOAD ... SVM_EXIT_RDTSCP] = R(INSN),
	[SVM_EXIT_ICEBP]	= R(INSN),
	[SVM_EXIT_WBINVD ... SVM_EXIT_RDPRU] = R(INSN),
	[SVM_EXIT_INVPCID]	= R(INVLPG),
};

static void fill_io(const struct vmcb_control_area *control, u64 rip, struct umbra_exit *exit)
{
	u64 info = control->exit_info_1;

	exit->io.port = info >> 16;
	exit->io.in = info & SVM_IOIO_TYPE_MASK;
	exit->io.string = info & SVM_IOIO_STR_MASK;
	exit->io.rep = info & BIT(SVM_IOIO_REP_SHIFT);
	exit->io.size = (info & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
	/* Every processor gives the next RIP here (APM 15.10.2). */
	exit->insn_len = control->exit_info_2 - rip;
}

static void fill_exception(const struct vmcb *vmcb, struct umbra_exit *exit)
{
	unsigned int vector = exit->hw_reason - SVM_EXIT_EXCP_BASE;

	exit->fault = (struct umbra_fault) {
		.vector = vector,
		.has_error = WITH_ERROR & BIT(vector),
		.error_code = WITH_ERROR & BIT(vector) ? vmcb->control.exit_info_1 : 0,
	};
	switch (vector) {
	case VECTOR_DB:
		exit->fault.addr = vmcb->save.dr6;
		break;
	case VECTOR_MC:
		/* The host's; handle_host_event() gives it to the host's handler. */
		exit->reason = UMBRA_EXIT_NMI;
		break;
	}
}

/* Length by the next RIP: only what is plausible. */
static u8 insn_len(const struct vmcb_control_area *control, u64 rip)
{
	u64 len;

	if (!umbra_svm_caps.nrips || !control->next_rip)
		return 0;
	len = control->next_rip - rip;
	return len <= UMBRA_INSN_MAX ? len : 0;
}

/* The processor refused the VMCB: for whoever has to find out why. */
static void report_invalid(const struct vmcb *vmcb)
{
	const struct vmcb_save_area *save = &vmcb->save;

	pr_debug_ratelimited("VMRUN refused: cr0 %llx cr3 %llx cr4 %llx efer %llx\n",
			     save->cr0, save->cr3, save->cr4, save->efer);
	pr_debug_ratelimited("  cs %x attr %x ss attr %x cpl %u rflags %llx rip %llx\n",
			     save->cs.selector, save->cs.attrib, save->ss.attrib, save->cpl,
			     save->rflags, save->rip);
	pr_debug_ratelimited("  dr6 %llx dr7 %llx event %x asid %u\n",
			     save->dr6, save->dr7, vmcb->control.event_inj,
			     vmcb->control.asid);
}

/**
 * umbra_svm_decode_exit() - why the guest stopped
 * @vcpu: the vCPU
 * @exit: hw_reason is set; the rest is filled
 *
 * Context: interrupts off, right after the exit.
 */
void umbra_svm_decode_exit(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb_control_area *control = &svm->vmcb->control;
	u64 code = exit->hw_reason;

	/* The most frequent ones by far. */
	if (likely(code == EXIT_CODE_EXC(VECTOR_PF))) {
		exit->reason = UMBRA_EXIT_PAGE_FAULT;
		exit->fault.vector = VECTOR_PF;
		exit->fault.has_error = true;
		exit->fault.error_code = control->exit_info_1;
		exit->fault.addr = control->exit_info_2;
		return;
	}
	if (unlikely((u32)code == (u32)SVM_EXIT_ERR)) {
		report_invalid(svm->vmcb);
		exit->reason = UMBRA_EXIT_INVALID;
		return;
	}
	if (code == SVM_EXIT_IRET) {
		umbra_svm_iret(vcpu);
		return;
	}
	exit->reason = code < ARRAY_SIZE(reasons) ? reasons[code] : 0;
	switch (exit->reason) {
	case UMBRA_EXIT_NONE:
		exit->reason = UMBRA_EXIT_UNKNOWN;
		break;
	case UMBRA_EXIT_EXCEPTION:
		fill_exception(svm->vmcb, exit);
		break;
	case UMBRA_EXIT_IO:
		fill_io(control, vcpu->regs.rip, exit);
		break;
	case UMBRA_EXIT_IRQ_WINDOW:
		umbra_svm_clear_irq_window(svm);
		break;
	case UMBRA_EXIT_MSR:
		exit->msr_write = control->exit_info_1 & 1;
		fallthrough;
	default:
		exit->insn_len = insn_len(control, vcpu->regs.rip);
		break;
	}
}

/* Not inline: the frame would be made at every exit. */
static noinline void machine_check(void)
{
	struct pt_regs regs = {
		.cs = __USER_CS,
		.flags = X86_EFLAGS_IF,
	};

	do_machine_check(&regs);
}

/**
 * umbra_svm_handle_host_event() - host work after an exit
 * @vcpu: the vCPU
 * @exit: its exit
 *
 * Interrupts, NMIs and SMIs stay pending over the exit and come by themselves;
 * a machine check that was intercepted does not.  The host's handler gets a
 * frame as if user code had been hit: nothing of the kernel was.
 * Context: preemption off.
 */
void umbra_svm_handle_host_event(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	if (unlikely(exit->hw_reason == EXIT_CODE_EXC(VECTOR_MC)))
		machine_check();
}
