// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the SVM engine
 *
 * AMD-V with nested paging off: guest code of every privilege level runs
 * directly, under the shadow page tables that the MMU gives; the processor
 * says by an exit code why it stopped.  This file is the table of operations
 * and the life of the engine's part of VMs and vCPUs.  Everything else has a
 * file of its own: hw.c the processors, vmcb.c the control block, run.c and
 * enter.S one entry, exits.c what an exit means, events.c and nmi.c what goes
 * into the guest, tlb.c address-space numbers, perm.c permission maps,
 * debug.c debug registers.
 */
#define pr_fmt(fmt) "umbra: svm: " fmt

#include "svm_internal.h"

#include <linux/mm.h>
#include <linux/slab.h>

#include <asm/io.h>

/*
 * The processor runs a guest that is not in long mode in legacy mode with PAE
 * paging: a 32-bit CR3 and three levels.  In long mode VMCB.CR4 is the guest's
 * own, so roots have four levels whatever the host uses.
 */
static int vm_create(struct umbra_vm *vm, struct umbra_mmu_config *config)
{
	config->pae_roots = true;
	config->levels = 4;
	config->two_views = false;
	return 0;
}

static void vm_destroy(struct umbra_vm *vm)
{
}

static int vcpu_create(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = kzalloc(sizeof(*svm), GFP_KERNEL_ACCOUNT);

	if (!svm)
		return -ENOMEM;
	svm->vmcb = (struct vmcb *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb) {
		kfree(svm);
		return -ENOMEM;
	}
	svm->vmcb_hpa = virt_to_phys(svm->vmcb);
	svm->cpu = -1;
	vcpu->engine_data = svm;
	umbra_svm_vmcb_init(vcpu);
	return 0;
}

static void vcpu_destroy(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (!svm)
		return;
	free_page((unsigned long)svm->vmcb);
	kfree(svm);
	vcpu->engine_data = NULL;
}

/* MWAIT only where it ends by the APIC timer's interrupt in any state of the processor. */
static u32 can_disable(void)
{
	u32 exits = KVM_X86_DISABLE_EXITS_HLT | KVM_X86_DISABLE_EXITS_PAUSE;

	if (boot_cpu_has(X86_FEATURE_MWAIT) && boot_cpu_has(X86_FEATURE_ARAT) &&
	    !boot_cpu_has_bug(X86_BUG_MONITOR))
		exits |= KVM_X86_DISABLE_EXITS_MWAIT;
	return exits;
}

static void set_tsc_offset(struct umbra_vcpu *vcpu, u64 offset)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->control.tsc_offset = offset;
	svm_changed(svm, SVM_CLEAN_INTERCEPTS);
}

const struct umbra_engine umbra_engine_svm = {
	.name			= "svm",
	.delivers_events	= true,
	.probe			= umbra_svm_probe,
	.enable			= umbra_svm_enable,
	.disable		= umbra_svm_disable,
	.can_disable		= can_disable,
	.vm_create		= vm_create,
	.vm_destroy		= vm_destroy,
	.vcpu_create		= vcpu_create,
	.vcpu_destroy		= vcpu_destroy,
	.load			= umbra_svm_load,
	.put			= umbra_svm_put,
	.pull			= umbra_svm_pull,
	.push			= umbra_svm_push,
	.set_root		= umbra_svm_set_root,
	.flush_tlb		= umbra_svm_flush_tlb,
	.flush_gva		= umbra_svm_flush_gva,
	.inject			= umbra_svm_inject,
	.cancel_event		= umbra_svm_cancel_event,
	.can_take		= umbra_svm_can_take,
	.want_window		= umbra_svm_want_window,
	.nmi_masked		= umbra_svm_nmi_masked,
	.configure		= umbra_svm_configure,
	.set_tsc_offset		= set_tsc_offset,
	.run			= umbra_svm_run,
	.handle_host_event	= umbra_svm_handle_host_event,
};
