// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: stolen time
 *
 * struct kvm_steal_time (Documentation/virt/kvm/x86/msr.rst) is a line of guest
 * memory a vCPU.  The scheduler counts how long a thread was ready to run and
 * did not; a guest that knows this charges it to nobody.
 *
 * The count is compared at each entry and written when it grew.  "preempted" stays
 * 0: a thread that loses its CPU in the middle of something cannot write to memory
 * that may have to be paged in.
 */
#include "steal_internal.h"

#include <linux/kvm_para.h>
#include <linux/sched/stat.h>

#include "clock_internal.h"
#include "umbra/compat.h"
#include "umbra/vm.h"

static gpa_t area(const struct umbra_vcpu *vcpu)
{
	return vcpu->steal_msr & KVM_STEAL_VALID_BITS;
}

u32 umbra_steal_features(void)
{
	return sched_info_on() ? BIT(KVM_FEATURE_STEAL_TIME) : 0;
}

int umbra_steal_set(struct umbra_vcpu *vcpu, u64 val)
{
	if (val & KVM_STEAL_RESERVED_MASK || (val && !sched_info_on()))
		return -EINVAL;
	vcpu->steal_msr = val;
	vcpu->steal_due = val & KVM_MSR_ENABLED;
	return 0;
}

void umbra_steal_thread(struct umbra_vcpu *vcpu)
{
	vcpu->steal_seen = umbra_run_delay();
}

static noinline void write_area(struct umbra_vcpu *vcpu, u64 more)
{
	const unsigned int len = offsetofend(struct kvm_steal_time, preempted);
	struct kvm_steal_time st;

	if (umbra_guest_read(vcpu->vm, area(vcpu), &st, len))
		return;
	st.steal += more;
	st.preempted = 0;
	umbra_pv_write(vcpu->vm, area(vcpu), &st, len, &st.version);
}

void umbra_steal_update(struct umbra_vcpu *vcpu)
{
	u64 delay;

	if (likely(!(vcpu->steal_msr & KVM_MSR_ENABLED)))
		return;
	delay = umbra_run_delay();
	if (likely(delay == vcpu->steal_seen && !vcpu->steal_due))
		return;
	vcpu->steal_due = false;
	write_area(vcpu, delay - vcpu->steal_seen);
	vcpu->steal_seen = delay;
}
