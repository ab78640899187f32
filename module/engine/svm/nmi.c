// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: NMI blocking
 *
 * Without virtual NMIs the processor does not tell when a guest's NMI handler
 * is done; the engine finds out.  From the injection on IRET is intercepted.
 * The exit comes before the IRET executes, so NMIs stay blocked until RIP has
 * moved on; if an NMI waits, the one instruction is single-stepped to notice
 * at once:
 *
 *              inject               IRET exit               RIP moved
 *   unmasked ----------> masked ----------------> iret_wait -----------> unmasked
 *                        IRET intercepted         step if an NMI waits
 *
 * The same step gets an NMI over the shadow of STI or MOV SS.  While it is on,
 * RFLAGS.TF is the engine's; the guest's own TF is kept and put back.
 */
#include "svm_internal.h"

#include <asm/debugreg.h>
#include <asm/processor-flags.h>

/**
 * umbra_svm_mask_nmi() - enter or leave NMI blocking
 * @svm: the vCPU's engine data
 * @masked: blocked
 */
void umbra_svm_mask_nmi(struct svm_vcpu *svm, bool masked)
{
	svm->nmi_masked = masked;
	svm->iret_wait = false;
	svm_intercept(svm, INTERCEPT_IRET, masked);
}

/**
 * umbra_svm_nmi_masked() - get or set NMI blocking
 * @vcpu: the vCPU
 * @set: <0: get; 0 or 1: set
 *
 * Return: whether NMIs are blocked.
 */
bool umbra_svm_nmi_masked(struct umbra_vcpu *vcpu, int set)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (set >= 0 && svm->nmi_masked != !!set)
		umbra_svm_mask_nmi(svm, set);
	return svm->nmi_masked;
}

/**
 * umbra_svm_want_nmi() - an NMI waits to be possible, or none does
 * @vcpu: the vCPU
 * @want: one waits
 *
 * While the handler runs, the IRET intercept is enough.
 */
void umbra_svm_want_nmi(struct umbra_vcpu *vcpu, bool want)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->step = want && (!svm->nmi_masked || svm->iret_wait);
}

/**
 * umbra_svm_iret() - the guest is about to execute IRET in its NMI handler
 * @vcpu: the vCPU; RIP at the IRET
 */
void umbra_svm_iret(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm_intercept(svm, INTERCEPT_IRET, false);
	svm->iret_wait = true;
	svm->iret_rip = vcpu->regs.rip;
}

/**
 * umbra_svm_step_begin() - right before an entry that steps one instruction
 * @vcpu: the vCPU; VMCB.RFLAGS is set already
 */
void umbra_svm_step_begin(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save_area *save = &svm->vmcb->save;

	svm->step_tf = save->rflags & X86_EFLAGS_TF;
	svm->step_rip = save->rip;
	svm->step_dr6 = save->dr6;
	save->rflags |= X86_EFLAGS_TF;
}

/* The step's #DB and not a breakpoint of the guest's, nor its own single step. */
static bool is_our_trap(const struct svm_vcpu *svm)
{
	return svm_exit_code(svm->vmcb) == SVM_EXIT_EXCP_BASE + 1 &&
	       (svm->vmcb->save.dr6 & DR_STEP) &&
	       !(svm->vmcb->save.dr6 & DR_TRAP_BITS) && !svm->step_tf;
}

/**
 * umbra_svm_step_end() - right after an exit: follow IRET and single step
 * @vcpu: the vCPU; RIP and RFLAGS are copied already
 *
 * An IRET that was stepped has loaded TF from the guest's stack; in all other
 * cases TF is what it was before.
 * Context: interrupts off.
 * Return: true when the exit was the step's own trap.
 */
bool umbra_svm_step_end(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct umbra_regs *regs = &vcpu->regs;
	bool iret = svm->iret_wait && regs->rip != svm->iret_rip;
	bool ours;

	if (iret)
		umbra_svm_mask_nmi(svm, false);
	if (!svm->step)
		return false;
	svm->step = false;
	if (!svm->step_tf && !(iret && regs->rip != svm->step_rip))
		regs->rflags &= ~X86_EFLAGS_TF;
	ours = is_our_trap(svm);
	if (ours) {
		svm->vmcb->save.dr6 = svm->step_dr6;
		svm_changed(svm, SVM_CLEAN_DR);
	}
	return ours;
}
