// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debug registers
 *
 * The guest's accesses to debug registers exit, so core always knows them.
 * VMRUN and #VMEXIT switch DR6 and DR7; DR0..3 are switched here, and only while
 * breakpoints are armed.  A breakpoint of the guest's never fires in the host:
 * #VMEXIT disarms DR7 (APM 15.6), which is why a host breakpoint must be
 * armed again afterwards.
 *
 * KVM_GUESTDBG_USE_HW_BP puts userspace's breakpoints in the guest's place.
 */
#include "svm_internal.h"

#include <linux/kvm.h>

#include <asm/debugreg.h>

#include "umbra/compat.h"

#define DR7_FIXED	0x400		/* bit 10 reads as one */
#define DR7_ENABLED	0x0ff		/* L0..3, G0..3 */
#define DR7_VALID	0xffff0fffull	/* without GD: MOV DR exits anyway */
#define DR6_VALID	0x0000e00full
#define DR6_FIXED	0xffff0ff0ull

static void write_dr(unsigned int n, u64 val)
{
	switch (n) {
	case 0:
		asm volatile("mov %0, %%db0" : : "r"(val));
		break;
	case 1:
		asm volatile("mov %0, %%db1" : : "r"(val));
		break;
	case 2:
		asm volatile("mov %0, %%db2" : : "r"(val));
		break;
	case 3:
		asm volatile("mov %0, %%db3" : : "r"(val));
		break;
	case 7:
		asm volatile("mov %0, %%db7" : : "r"(val));
		break;
	}
}

/**
 * umbra_svm_push_dr() - debug registers to the VMCB
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread.
 */
void umbra_svm_push_dr(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_save_area *save = &svm->vmcb->save;
	bool user = vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP;
	u64 dr7 = user ? vcpu->debug_dr7 : vcpu->regs.dr7;

	memcpy(svm->dr, user ? vcpu->debug_dr : vcpu->regs.dr, sizeof(svm->dr));
	save->dr7 = (dr7 & DR7_VALID) | DR7_FIXED;
	if (vcpu->regs.avail & UMBRA_REGS_DR)
		save->dr6 = (vcpu->regs.dr6 & DR6_VALID) | DR6_FIXED;
	svm->dr7_live = save->dr7 & DR7_ENABLED;
	svm_changed(svm, SVM_CLEAN_DR);
}

/**
 * umbra_svm_pull_dr() - debug registers from the VMCB
 * @vcpu: the vCPU
 *
 * Only DR6 changes without an exit.  Context: the vCPU's thread.
 */
void umbra_svm_pull_dr(struct umbra_vcpu *vcpu)
{
	vcpu->regs.dr6 = to_svm(vcpu)->vmcb->save.dr6;
}

/**
 * umbra_svm_debug_enter() - the guest's DR0..3, when it uses them
 * @svm: the vCPU's engine data
 * @host: where the host's go
 *
 * Breakpoints of the host are disarmed first: a guest address is not theirs.
 * Context: interrupts off, right before the entry.
 */
void umbra_svm_debug_enter(struct svm_vcpu *svm, u64 host[4])
{
	unsigned int n;

	write_dr(7, DR7_FIXED);
	if (!svm->dr7_live)
		return;
	host[0] = umbra_read_dr(0);
	host[1] = umbra_read_dr(1);
	host[2] = umbra_read_dr(2);
	host[3] = umbra_read_dr(3);
	for (n = 0; n < 4; n++)
		write_dr(n, svm->dr[n]);
}

/**
 * umbra_svm_debug_leave() - the host's breakpoints again
 * @svm: the vCPU's engine data
 * @host: what umbra_svm_debug_enter() kept
 *
 * Context: interrupts off, right after the exit.
 */
void umbra_svm_debug_leave(struct svm_vcpu *svm, const u64 host[4])
{
	unsigned long dr7 = this_cpu_read(cpu_dr7);
	unsigned int n;

	if (svm->dr7_live) {
		for (n = 0; n < 4; n++)
			write_dr(n, host[n]);
	}
	if (dr7)
		write_dr(7, dr7);
}
