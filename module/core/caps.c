// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: capabilities
 *
 * KVM_CHECK_EXTENSION and KVM_ENABLE_CAP.  A capability reads more than 0 only
 * for what exists; what is not in the table reads 0 and cannot be enabled.
 */
#include <linux/cpumask.h>
#include <linux/kvm.h>
#include <asm/cpufeature.h>

#include "umbra/irqchip.h"
#include "core_internal.h"
#include "ioctl_internal.h"
#include "msr_user_internal.h"

/**
 * struct cap - what a capability reads
 * @cap: KVM_CAP_*
 * @value: answer
 */
struct cap {
	u32 cap;
	u32 value;
};

static const struct cap caps[] = {
	/* Life and memory. */
	{ KVM_CAP_USER_MEMORY, 1 },
	{ KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
	{ KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
	{ KVM_CAP_SYNC_MMU, 1 },
	{ KVM_CAP_READONLY_MEM, 1 },
	{ KVM_CAP_MMU_SHADOW_CACHE_CONTROL, 1 },
	{ KVM_CAP_NR_MEMSLOTS, UMBRA_MAX_SLOTS },
	{ KVM_CAP_MAX_VCPUS, UMBRA_MAX_VCPUS },
	{ KVM_CAP_MAX_VCPU_ID, UMBRA_MAX_VCPU_ID },
	{ KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE },
	{ KVM_CAP_CHECK_EXTENSION_VM, 1 },
	{ KVM_CAP_ENABLE_CAP_VM, 1 },
	{ KVM_CAP_BINARY_STATS_FD, 1 },
	{ KVM_CAP_IMMEDIATE_EXIT, 1 },
	{ KVM_CAP_INTERNAL_ERROR_DATA, 1 },

	/* Interrupts. */
	{ KVM_CAP_IRQCHIP, 1 },
	{ KVM_CAP_SPLIT_IRQCHIP, 1 },
	{ KVM_CAP_IRQ_ROUTING, UMBRA_MAX_GSI },
	{ KVM_CAP_IRQ_INJECT_STATUS, 1 },
	{ KVM_CAP_SIGNAL_MSI, 1 },
	{ KVM_CAP_IRQFD, 1 },
	{ KVM_CAP_IRQFD_RESAMPLE, 1 },
	{ KVM_CAP_IOEVENTFD, 1 },
	{ KVM_CAP_IOEVENTFD_NO_LENGTH, 1 },
	{ KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
	{ KVM_CAP_COALESCED_MMIO, UMBRA_MMAP_COALESCED },
	{ KVM_CAP_COALESCED_PIO, 1 },
	{ KVM_CAP_IOAPIC_POLARITY_IGNORED, 1 },
	{ KVM_CAP_PIT, 1 },
	{ KVM_CAP_PIT2, 1 },
	{ KVM_CAP_PIT_STATE2, 1 },
	{ KVM_CAP_REINJECT_CONTROL, 1 },
	{ KVM_CAP_SET_BOOT_CPU_ID, 1 },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS |
			      KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK },
	{ KVM_CAP_TSC_DEADLINE_TIMER, 1 },

	/* Processor. */
	{ KVM_CAP_HLT, 1 },
	{ KVM_CAP_NOP_IO_DELAY, 1 },
	{ KVM_CAP_MP_STATE, 1 },
	{ KVM_CAP_EXT_CPUID, 1 },
	{ KVM_CAP_SET_TSS_ADDR, 1 },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
	{ KVM_CAP_USER_NMI, 1 },
	{ KVM_CAP_VCPU_EVENTS, 1 },
	{ KVM_CAP_INTR_SHADOW, KVM_X86_SHADOW_INT_MOV_SS | KVM_X86_SHADOW_INT_STI },
	{ KVM_CAP_EXCEPTION_PAYLOAD, 1 },
	{ KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1 },
	{ KVM_CAP_DEBUGREGS, 1 },
	{ KVM_CAP_SET_GUEST_DEBUG, 1 },
	{ KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
	{ KVM_CAP_SREGS2, 1 },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_VALID_FIELDS },
	{ KVM_CAP_XSAVE, 1 },
	{ KVM_CAP_XSAVE2, sizeof(struct kvm_xsave) },
	{ KVM_CAP_GET_TSC_KHZ, 1 },
	{ KVM_CAP_VCPU_ATTRIBUTES, 1 },
	{ KVM_CAP_GET_MSR_FEATURES, 1 },
	{ KVM_CAP_X86_USER_SPACE_MSR, 1 },
	{ KVM_CAP_X86_MSR_FILTER, 1 },
	{ KVM_CAP_CLOCKSOURCE, 1 },
	{ KVM_CAP_KVMCLOCK_CTRL, 1 },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1 },
	{ KVM_CAP_MCE, 32 },
};

/* What the machine decides; -1: not here. */
static long dynamic_cap(unsigned long cap)
{
	switch (cap) {
	case KVM_CAP_NR_VCPUS:
		return min_t(long, num_online_cpus(), UMBRA_MAX_VCPUS);
	case KVM_CAP_XCRS:
		return boot_cpu_has(X86_FEATURE_XSAVE);
	case KVM_CAP_ADJUST_CLOCK:
		/* The host's TSC is not promised to be stable to the client. */
		return KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	case KVM_CAP_X86_DISABLE_EXITS:
		return umbra_engine_current()->can_disable();
	default:
		return -1;
	}
}

/**
 * umbra_cap_check() - KVM_CHECK_EXTENSION
 * @vm: the VM, or NULL on the device
 * @cap: KVM_CAP_*
 *
 * Return: what the capability reads, 0 for one that is not there.
 */
long umbra_cap_check(struct umbra_vm *vm, unsigned long cap)
{
	long value = dynamic_cap(cap);
	unsigned int i;

	if (value >= 0)
		return value;
	for (i = 0; i < ARRAY_SIZE(caps); i++)
		if (caps[i].cap == cap)
			return caps[i].value;
	return 0;
}

/* KVM_CHECK_EXTENSION on a VM */
long umbra_ioctl_check_extension(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	return umbra_cap_check(vm, umbra_ioctl_value(uarg));
}

static int enable_split_irqchip(struct umbra_vm *vm, u64 pins)
{
	if (pins > UMBRA_MAX_GSI)
		return -EINVAL;
	if (umbra_has_lapic(vm) || vm->nr_vcpus)
		return -EEXIST;
	return umbra_irqchip_create_split(vm, pins);
}

static int enable_x2apic_api(struct umbra_vm *vm, u64 flags)
{
	if (flags & ~(KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return -EINVAL;
	vm->x2apic_flags |= flags;
	return 0;
}

/* Before the first vCPU, whose intercepts depend on it. */
static int disable_exits(struct umbra_vm *vm, u64 exits)
{
	if (exits & ~(u64)vm->engine->can_disable() || vm->nr_vcpus)
		return -EINVAL;
	vm->disabled_exits |= exits;
	return 0;
}

static int enable_manual_dirty(struct umbra_vm *vm, u64 flags)
{
	if (flags & ~(u64)KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE)
		return -EINVAL;
	mutex_lock(&vm->slots_lock);
	vm->manual_dirty = flags;
	mutex_unlock(&vm->slots_lock);
	return 0;
}

/* How far vCPU ids will go; once only, and before the first vCPU. */
static int set_max_vcpu_id(struct umbra_vm *vm, u64 ids)
{
	if (ids > UMBRA_MAX_VCPU_ID)
		return -EINVAL;
	if (vm->max_vcpu_id && vm->max_vcpu_id != ids)
		return -EINVAL;
	vm->max_vcpu_id = ids;
	return 0;
}

/* KVM_ENABLE_CAP on a VM: vm->lock held. */
long umbra_ioctl_enable_cap(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_enable_cap *cap = arg;

	if (cap->flags)
		return -EINVAL;
	switch (cap->cap) {
	case KVM_CAP_SPLIT_IRQCHIP:
		return enable_split_irqchip(vm, cap->args[0]);
	case KVM_CAP_X2APIC_API:
		return enable_x2apic_api(vm, cap->args[0]);
	case KVM_CAP_EXCEPTION_PAYLOAD:
		vm->exception_payload = cap->args[0];
		return 0;
	case KVM_CAP_X86_TRIPLE_FAULT_EVENT:
		vm->triple_fault_event = cap->args[0];
		return 0;
	case KVM_CAP_X86_DISABLE_EXITS:
		return disable_exits(vm, cap->args[0]);
	case KVM_CAP_X86_USER_SPACE_MSR:
		return umbra_msr_user_enable(vm, cap->args[0]);
	case KVM_CAP_MAX_VCPU_ID:
		return set_max_vcpu_id(vm, cap->args[0]);
	case KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2:
		return enable_manual_dirty(vm, cap->args[0]);
	default:
		return -EINVAL;
	}
}

/* KVM_ENABLE_CAP on a vCPU */
long umbra_ioctl_vcpu_enable_cap(struct umbra_vcpu *vcpu, void *arg, void __user *uarg)
{
	const struct kvm_enable_cap *cap = arg;

	if (cap->flags || cap->cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	vcpu->pv_enforced = cap->args[0];
	return 0;
}
