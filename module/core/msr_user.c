// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: MSRs that userspace decides about
 *
 * Two things (KVM api.rst, KVM_CAP_X86_USER_SPACE_MSR and _MSR_FILTER): a filter
 * says which MSRs the guest may reach at all, and an access that would be #GP -
 * by the filter, because there is no such MSR, because of the value - may be
 * handed to userspace instead, by reason.
 *
 * The filter is replaced as a whole, under SRCU.  While there is one, the engine
 * passes no MSR through.
 */
#include "msr_user_internal.h"

#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>

#include "emulate_internal.h"
#include "ioctl_internal.h"
#include "msr_internal.h"
#include "umbra/engine.h"

#define RANGE_FLAGS	(KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE)
#define REASONS		(KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | \
			 KVM_MSR_EXIT_REASON_FILTER)
/* Bytes of a bitmap, as in KVM. */
#define MAX_BITMAP	0x600

/**
 * struct filter_range - some MSRs with a bit each
 * @base: first index
 * @n: how many
 * @flags: KVM_MSR_FILTER_READ, _WRITE: the accesses that it is about
 * @bitmap: set: allowed
 */
struct filter_range {
	u32 base, n, flags;
	unsigned long *bitmap;
};

/**
 * struct umbra_msr_filter - which MSRs a guest may reach
 * @allow: those that no range names
 * @n: ranges
 * @range: the first that fits decides
 */
struct umbra_msr_filter {
	bool allow;
	u32 n;
	struct filter_range range[KVM_MSR_FILTER_MAX_RANGES];
};

static void free_filter(struct umbra_msr_filter *filter)
{
	u32 i;

	if (!filter)
		return;
	for (i = 0; i < filter->n; i++)
		kfree(filter->range[i].bitmap);
	kfree(filter);
}

static int copy_range(struct umbra_msr_filter *filter, const struct kvm_msr_filter_range *user)
{
	struct filter_range *range = &filter->range[filter->n];
	size_t size;

	if (!user->nmsrs)
		return 0;
	if (user->flags & ~RANGE_FLAGS)
		return -EINVAL;
	size = BITS_TO_LONGS((u64)user->nmsrs) * sizeof(long);
	if (size > MAX_BITMAP)
		return -EINVAL;
	range->bitmap = memdup_user((__force void __user *)user->bitmap, size);
	if (IS_ERR(range->bitmap))
		return PTR_ERR(range->bitmap);
	range->base = user->base;
	range->n = user->nmsrs;
	range->flags = user->flags;
	filter->n++;
	return 0;
}

static struct umbra_msr_filter *make_filter(const struct kvm_msr_filter *user)
{
	struct umbra_msr_filter *filter = kzalloc(sizeof(*filter), GFP_KERNEL_ACCOUNT);
	unsigned int i;
	int err;

	if (!filter)
		return ERR_PTR(-ENOMEM);
	filter->allow = !(user->flags & KVM_MSR_FILTER_DEFAULT_DENY);
	for (i = 0; i < ARRAY_SIZE(user->ranges); i++) {
		err = copy_range(filter, &user->ranges[i]);
		if (err) {
			free_filter(filter);
			return ERR_PTR(err);
		}
	}
	return filter;
}

/* KVM_X86_SET_MSR_FILTER: vm->lock held. */
UMBRA_VM_IOCTL(x86_set_msr_filter)
{
	const struct kvm_msr_filter *user = arg;
	struct umbra_msr_filter *filter, *old;

	if (user->flags & ~KVM_MSR_FILTER_DEFAULT_DENY)
		return -EINVAL;
	filter = make_filter(user);
	if (IS_ERR(filter))
		return PTR_ERR(filter);
	/* To deny everything is a mistake; to allow everything is no filter. */
	if (!filter->n) {
		bool allow = filter->allow;

		free_filter(filter);
		filter = NULL;
		if (!allow)
			return -EINVAL;
	}
	old = rcu_replace_pointer(vm->msr_filter, filter, lockdep_is_held(&vm->lock));
	umbra_vm_request(vm, UMBRA_REQ_CONFIGURE, false);
	synchronize_srcu(&vm->srcu);
	free_filter(old);
	return 0;
}

void umbra_msr_filter_free(struct umbra_vm *vm)
{
	free_filter(rcu_replace_pointer(vm->msr_filter, NULL, true));
}

int umbra_msr_user_enable(struct umbra_vm *vm, u64 reasons)
{
	if (reasons & ~(u64)REASONS)
		return -EINVAL;
	vm->msr_user_reasons = reasons;
	return 0;
}

static bool is_allowed(struct umbra_vcpu *vcpu, u32 index, bool write)
{
	struct umbra_msr_filter *filter = srcu_dereference(vcpu->vm->msr_filter, &vcpu->vm->srcu);
	u32 i, flag = write ? KVM_MSR_FILTER_WRITE : KVM_MSR_FILTER_READ;

	/* x2APIC registers cannot be filtered: the processor may do them alone. */
	if (!filter || (index >= APIC_BASE_MSR && index <= APIC_BASE_MSR + 0xff))
		return true;
	for (i = 0; i < filter->n; i++) {
		const struct filter_range *range = &filter->range[i];

		if ((range->flags & flag) && index - range->base < range->n)
			return test_bit(index - range->base, range->bitmap);
	}
	return filter->allow;
}

/* The answer to this very access, which is being made again. */
static bool is_answered(struct umbra_vcpu *vcpu, u32 index, bool write)
{
	struct umbra_msr_user *user = &vcpu->msr_user;
	bool fits = user->answered && user->index == index && user->write == write;

	user->answered = false;
	return fits;
}

static int ask(struct umbra_vcpu *vcpu, u32 index, bool write, u64 val, u32 reason)
{
	struct umbra_msr_user *user = &vcpu->msr_user;
	struct kvm_run *run = vcpu->run;

	if (!(READ_ONCE(vcpu->vm->msr_user_reasons) & reason))
		return -EINVAL;
	user->asked = true;
	user->index = index;
	user->write = write;
	user->rip = umbra_linear_rip(vcpu);
	memset(&run->msr, 0, sizeof(run->msr));
	run->exit_reason = write ? KVM_EXIT_X86_WRMSR : KVM_EXIT_X86_RDMSR;
	run->msr.reason = reason;
	run->msr.index = index;
	run->msr.data = val;
	return UMBRA_MSR_ASKED;
}

static u32 why(u32 index, bool write)
{
	return umbra_msr_exists(index, write) ? KVM_MSR_EXIT_REASON_INVAL :
						KVM_MSR_EXIT_REASON_UNKNOWN;
}

int umbra_msr_guest_read(struct umbra_vcpu *vcpu, u32 index, u64 *val)
{
	int err;

	if (unlikely(is_answered(vcpu, index, false))) {
		*val = vcpu->msr_user.data;
		return vcpu->msr_user.error ? -EINVAL : 0;
	}
	if (!is_allowed(vcpu, index, false))
		return ask(vcpu, index, false, 0, KVM_MSR_EXIT_REASON_FILTER);
	err = umbra_msr_read(vcpu, index, val, false);
	return err == -EINVAL ? ask(vcpu, index, false, 0, why(index, false)) : err;
}

int umbra_msr_guest_write(struct umbra_vcpu *vcpu, u32 index, u64 val)
{
	int err;

	if (unlikely(is_answered(vcpu, index, true)))
		return vcpu->msr_user.error ? -EINVAL : 0;
	if (!is_allowed(vcpu, index, true))
		return ask(vcpu, index, true, val, KVM_MSR_EXIT_REASON_FILTER);
	err = umbra_msr_write(vcpu, index, val, false);
	return err == -EINVAL ? ask(vcpu, index, true, val, why(index, true)) : err;
}

/* Userspace is back: the instruction runs again and finds the answer. */
static int complete_msr(struct umbra_vcpu *vcpu)
{
	struct umbra_msr_user *user = &vcpu->msr_user;
	int ret;

	/* Userspace may have moved the vCPU elsewhere meanwhile. */
	if (umbra_linear_rip(vcpu) != user->rip)
		return 1;
	user->error = READ_ONCE(vcpu->run->msr.error);
	user->data = READ_ONCE(vcpu->run->msr.data);
	user->answered = true;
	ret = user->again(vcpu);
	/* Another instruction than before: the answer was not its own. */
	user->answered = false;
	return ret;
}

bool umbra_msr_to_user(struct umbra_vcpu *vcpu, int (*again)(struct umbra_vcpu *vcpu))
{
	if (likely(!vcpu->msr_user.asked))
		return false;
	vcpu->msr_user.asked = false;
	vcpu->msr_user.again = again;
	vcpu->complete = complete_msr;
	return true;
}
