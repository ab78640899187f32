// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: registers in the shared page
 *
 * KVM_CAP_SYNC_REGS: with a bit in kvm_valid_regs KVM_RUN leaves these
 * registers in kvm_run when it returns, with one in kvm_dirty_regs it takes them
 * from there before the guest runs.  That spares the client one ioctl each.
 */
#include "sync_internal.h"

#include "ioctl_internal.h"

#define FIELDS	KVM_SYNC_X86_VALID_FIELDS

static long take_regs(struct umbra_vcpu *vcpu)
{
	struct kvm_regs copy = vcpu->run->s.regs.regs;

	return umbra_ioctl_set_regs(vcpu, &copy, NULL);
}

static long take_sregs(struct umbra_vcpu *vcpu)
{
	struct kvm_sregs copy = vcpu->run->s.regs.sregs;

	return umbra_ioctl_set_sregs(vcpu, &copy, NULL);
}

static long take_events(struct umbra_vcpu *vcpu)
{
	struct kvm_vcpu_events copy = vcpu->run->s.regs.events;

	return umbra_ioctl_set_vcpu_events(vcpu, &copy, NULL);
}

int umbra_sync_take(struct umbra_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 dirty = READ_ONCE(run->kvm_dirty_regs);

	if ((READ_ONCE(run->kvm_valid_regs) | dirty) & ~(u64)FIELDS)
		return -EINVAL;
	if (dirty & KVM_SYNC_X86_REGS) {
		take_regs(vcpu);
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_REGS;
	}
	if (dirty & KVM_SYNC_X86_SREGS) {
		if (take_sregs(vcpu))
			return -EINVAL;
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_SREGS;
	}
	if (dirty & KVM_SYNC_X86_EVENTS) {
		if (take_events(vcpu))
			return -EINVAL;
		run->kvm_dirty_regs &= ~(u64)KVM_SYNC_X86_EVENTS;
	}
	return 0;
}

void umbra_sync_give(struct umbra_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	u64 valid = READ_ONCE(run->kvm_valid_regs);

	if (valid & KVM_SYNC_X86_REGS)
		umbra_ioctl_get_regs(vcpu, &run->s.regs.regs, NULL);
	if (valid & KVM_SYNC_X86_SREGS)
		umbra_ioctl_get_sregs(vcpu, &run->s.regs.sregs, NULL);
	if (valid & KVM_SYNC_X86_EVENTS)
		umbra_ioctl_get_vcpu_events(vcpu, &run->s.regs.events, NULL);
}
