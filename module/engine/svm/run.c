// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one entry
 *
 * From core's "run the guest" to the next exit: what the VMCB needs that
 * changes at every entry goes in, the world switch happens, what core always
 * wants comes out.  Nothing here looks at why the guest stopped.
 */
#define pr_fmt(fmt) "umbra: svm: " fmt

#include "svm_internal.h"

#include <linux/smp.h>

#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

/**
 * umbra_svm_load() - the vCPU thread now runs on this CPU
 * @vcpu: the vCPU
 * @cpu: this CPU
 *
 * Whether it is another one than last time is seen at the entry.
 * Context: preemption off.
 */
void umbra_svm_load(struct umbra_vcpu *vcpu, int cpu)
{
}

/**
 * umbra_svm_put() - it leaves this CPU, or the kernel
 * @vcpu: the vCPU
 *
 * The host's own user code reads TSC_AUX (RDTSCP, RDPID) as the CPU number.
 * Context: preemption off.
 */
void umbra_svm_put(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm->aux_loaded)
		return;
	svm->aux_loaded = false;
	if (svm->aux_guest != svm->aux_host)
		svm_wrmsr(MSR_TSC_AUX, svm->aux_host);
}

/* RDTSCP and RDPID in the guest read MSR_TSC_AUX itself; RDPID has no intercept. */
static void load_tsc_aux(struct svm_vcpu *svm, u64 aux)
{
	if (likely(svm->aux_loaded && svm->aux_guest == aux))
		return;
	if (!svm->aux_loaded) {
		svm->aux_host = svm_rdmsr(MSR_TSC_AUX);
		svm->aux_guest = svm->aux_host;
		svm->aux_loaded = true;
	}
	if (svm->aux_guest != aux)
		svm_wrmsr(MSR_TSC_AUX, aux);
	svm->aux_guest = aux;
}

/* Registers that travel in the VMCB at every entry. */
static void put_regs(struct umbra_vcpu *vcpu, struct vmcb *vmcb)
{
	const struct umbra_regs *regs = &vcpu->regs;

	vmcb->save.rax = regs->gpr[UMBRA_RAX];
	vmcb->save.rsp = regs->gpr[UMBRA_RSP];
	vmcb->save.rip = regs->rip;
	vmcb->save.rflags = regs->rflags | X86_EFLAGS_FIXED;
	vmcb->control.int_state = regs->int_shadow ? SVM_INTERRUPT_SHADOW_MASK : 0;
}

/* And back: these are always available after an exit, other groups on demand. */
static void get_regs(struct umbra_vcpu *vcpu, const struct vmcb *vmcb)
{
	struct umbra_regs *regs = &vcpu->regs;

	regs->gpr[UMBRA_RAX] = vmcb->save.rax;
	regs->gpr[UMBRA_RSP] = vmcb->save.rsp;
	regs->rip = vmcb->save.rip;
	regs->rflags = vmcb->save.rflags;
	/* The processor does not tell STI's shadow from MOV SS's. */
	regs->int_shadow = vmcb->control.int_state & SVM_INTERRUPT_SHADOW_MASK ?
			   UMBRA_SHADOW_STI : 0;
	regs->avail = UMBRA_REGS_GPR;
}

/*
 * A page fault of the very instruction that was to run in a shadow, or a host
 * interrupt before it: it has not run, and the shadow is still on.  Processors
 * say so themselves; QEMU's TCG forgets the shadow at VMRUN.
 */
static void keep_shadow(struct umbra_regs *regs, const struct vmcb *vmcb, u8 shadow, u64 rip)
{
	if (regs->rip != rip)
		return;
	switch (svm_exit_code(vmcb)) {
	case SVM_EXIT_EXCP_BASE + PF_VECTOR:
	case SVM_EXIT_INTR:
	case SVM_EXIT_NMI:
		regs->int_shadow |= shadow;
	}
}

/* Things that stop an entry before it happens. */
static bool refuse(const struct svm_vcpu *svm, const struct svm_cpu *cpu, struct umbra_exit *exit)
{
	if (likely(cpu->on && !svm->bad_state))
		return false;
	if (!cpu->on)
		/* This CPU is going offline and the thread will be moved, or all stops. */
		exit->reason = umbra_svm_stopping() ? UMBRA_EXIT_ERROR : UMBRA_EXIT_NONE;
	else
		exit->reason = UMBRA_EXIT_INVALID;
	exit->hw_reason = U64_MAX;
	return true;
}

static void prepare(struct umbra_vcpu *vcpu, struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	put_regs(vcpu, svm->vmcb);
	umbra_svm_tlb_prepare(svm, cpu, smp_processor_id());
	if (umbra_svm_caps.tsc_aux)
		load_tsc_aux(svm, vcpu->tsc_aux);
	if (unlikely(svm->pending.kind))
		umbra_svm_prepare_event(vcpu);
	if (unlikely(svm->step))
		umbra_svm_step_begin(vcpu);
}

/* Have the guest or the host breakpoints? */
static bool debug_in_use(const struct svm_vcpu *svm)
{
	return svm->dr7_live || this_cpu_read(cpu_dr7);
}

/* Return: core may be asked whether the guest can go on at once. */
static bool run_once(struct umbra_vcpu *vcpu, struct svm_cpu *cpu, struct umbra_exit *exit)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u8 shadow = vcpu->regs.int_shadow;
	struct vmcb *vmcb = svm->vmcb;
	u64 rip = vcpu->regs.rip;
	bool debug;
	u64 host_dr[4] __uninitialized;

	exit->insn_len = 0;
	exit->op.known = false;
	vcpu->insn.len = 0;
	prepare(vcpu, svm, cpu);
	debug = debug_in_use(svm);
	if (unlikely(debug))
		umbra_svm_debug_enter(svm, host_dr);
	umbra_svm_enter(vcpu->regs.gpr, svm->vmcb_hpa, cpu->host_hpa);
	if (unlikely(debug))
		umbra_svm_debug_leave(svm, host_dr);

	vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	vmcb->control.clean = SVM_CLEAN_ALL;
	get_regs(vcpu, vmcb);
	if (unlikely(shadow))
		keep_shadow(&vcpu->regs, vmcb, shadow, rip);
	umbra_svm_complete_event(vcpu);
	exit->hw_reason = svm_exit_code(vmcb);
	if (unlikely(svm->step || svm->iret_wait) && umbra_svm_step_end(vcpu)) {
		exit->reason = UMBRA_EXIT_NMI_WINDOW;
		return false;
	}
	umbra_svm_decode_exit(vcpu, exit);
	umbra_svm_fetch_insn(vcpu, exit);
	return (exit->reason == UMBRA_EXIT_PAGE_FAULT || exit->reason == UMBRA_EXIT_INVLPG ||
		exit->reason == UMBRA_EXIT_CR) &&
	       !svm->step && !svm->interrupted.kind;
}

/* Core deals with the exit, if it can.  Return: enter again. */
static bool go_on(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	bool cr = exit->reason == UMBRA_EXIT_CR;

	if (!umbra_exit_inside(vcpu, exit))
		return false;
	if (cr)
		umbra_svm_set_root(vcpu, umbra_mmu_loaded_root(vcpu->mmu, UMBRA_VIEW_NATIVE), true);
	umbra_entry_note(vcpu);
	return true;
}

/**
 * umbra_svm_run() - enter the guest and come back
 * @vcpu: the vCPU; everything dirty is pushed
 * @exit: filled
 *
 * Context: interrupts and preemption off; guest FPU loaded; vcpu->mutex held.
 */
void umbra_svm_run(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	struct svm_cpu *cpu = this_cpu_ptr(&umbra_svm_cpu);

	exit->reason = UMBRA_EXIT_NONE;
	exit->hw_reason = 0;
	if (unlikely(refuse(to_svm(vcpu), cpu, exit)))
		return;
	while (run_once(vcpu, cpu, exit) && go_on(vcpu, exit))
		;
}
