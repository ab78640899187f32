// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ioctls of interrupts, timers and settings
 *
 * Thin calls into the interrupt controllers, and the settings that must be made
 * before the first vCPU.  What a controller does is module/irqchip's.
 */
#include <linux/err.h>
#include <linux/kvm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "umbra/irqchip.h"
#include "core_internal.h"
#include "ioctl_internal.h"

/* Where Intel processors without unrestricted guests would want their page. */
#define DEFAULT_IDENTITY_MAP	0xfffbc000ull

/* Full controllers, not only local APICs. */
static bool has_full_irqchip(struct umbra_vm *vm)
{
	return umbra_has_lapic(vm) && !vm->split_irqchip;
}

/* KVM_CREATE_IRQCHIP: vm->lock held. */
long umbra_ioctl_create_irqchip(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	if (umbra_has_lapic(vm))
		return -EEXIST;
	if (vm->nr_vcpus)
		return -EINVAL;
	return umbra_irqchip_create(vm);
}

/* KVM_GET_IRQCHIP: vm->lock held. */
long umbra_ioctl_get_irqchip(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	if (!has_full_irqchip(vm))
		return -ENXIO;
	return umbra_irqchip_get(vm, arg);
}

/* KVM_SET_IRQCHIP: vm->lock held. */
long umbra_ioctl_set_irqchip(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	if (!has_full_irqchip(vm))
		return -ENXIO;
	return umbra_irqchip_set(vm, arg);
}

static long create_pit(struct umbra_vm *vm, u32 flags)
{
	if (vm->pit)
		return -EEXIST;
	if (!has_full_irqchip(vm))
		return -ENOENT;
	if (flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	return umbra_pit_create(vm, flags);
}

/* KVM_CREATE_PIT: vm->lock held. */
long umbra_ioctl_create_pit(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	return create_pit(vm, KVM_PIT_SPEAKER_DUMMY);
}

/* KVM_CREATE_PIT2: vm->lock held. */
long umbra_ioctl_create_pit2(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_pit_config *config = arg;

	return create_pit(vm, config->flags);
}

/* KVM_GET_PIT2: vm->lock held. */
long umbra_ioctl_get_pit2(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	return vm->pit ? umbra_pit_get(vm, arg) : -ENXIO;
}

/* KVM_SET_PIT2: vm->lock held. */
long umbra_ioctl_set_pit2(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	return vm->pit ? umbra_pit_set(vm, arg) : -ENXIO;
}

/* KVM_GET_PIT, the older form without flags: vm->lock held. */
long umbra_ioctl_get_pit(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct kvm_pit_state2 state;
	long err;

	if (!vm->pit)
		return -ENXIO;
	err = umbra_pit_get(vm, &state);
	if (!err)
		memcpy(arg, state.channels, sizeof(state.channels));
	return err;
}

/* KVM_SET_PIT: vm->lock held. */
long umbra_ioctl_set_pit(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct kvm_pit_state2 state;
	long err;

	if (!vm->pit)
		return -ENXIO;
	err = umbra_pit_get(vm, &state);
	if (err)
		return err;
	memcpy(state.channels, arg, sizeof(state.channels));
	return umbra_pit_set(vm, &state);
}

/* KVM_REINJECT_CONTROL: vm->lock held. */
long umbra_ioctl_reinject_control(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct kvm_reinject_control control;

	if (copy_from_user(&control, uarg, sizeof(control)))
		return -EFAULT;
	return vm->pit ? umbra_pit_reinject(vm, control.pit_reinject) : -ENXIO;
}

static int set_line(struct umbra_vm *vm, u32 gsi, u32 level)
{
	int idx = srcu_read_lock(&vm->srcu);
	int ret = umbra_irq_set(vm, UMBRA_IRQ_SOURCE_USER, gsi, !!level);

	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/* KVM_IRQ_LINE: no lock held. */
long umbra_ioctl_irq_line(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_irq_level *line = arg;

	set_line(vm, line->irq, line->level);
	return 0;
}

/* KVM_IRQ_LINE_STATUS: no lock held. */
long umbra_ioctl_irq_line_status(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct kvm_irq_level *line = arg;

	line->status = set_line(vm, line->irq, line->level);
	return 0;
}

/* KVM_SIGNAL_MSI: no lock held. */
long umbra_ioctl_signal_msi(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_msi *msi = arg;
	int idx, ret;

	if (msi->flags)
		return -EINVAL;
	idx = srcu_read_lock(&vm->srcu);
	ret = umbra_msi_send(vm, msi);
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/* KVM_SET_GSI_ROUTING: no lock held. */
long umbra_ioctl_set_gsi_routing(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct kvm_irq_routing __user *user = uarg;
	struct kvm_irq_routing_entry *entries = NULL;
	struct kvm_irq_routing head;
	long err;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nr > UMBRA_MAX_GSI || head.flags)
		return -EINVAL;
	if (head.nr) {
		entries = vmemdup_user(user->entries, array_size(sizeof(*entries), head.nr));
		if (IS_ERR(entries))
			return PTR_ERR(entries);
	}
	err = umbra_routing_set(vm, entries, head.nr);
	kvfree(entries);
	return err;
}

/* KVM_SET_TSS_ADDR: vm->lock held.  Three pages below 4 GiB; nobody needs them here. */
long umbra_ioctl_set_tss_addr(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	unsigned long gpa = umbra_ioctl_value(uarg);

	if (gpa > (u32)(-3 * UMBRA_PAGE_SIZE))
		return -EINVAL;
	vm->tss_addr = gpa;
	return 0;
}

/* KVM_SET_IDENTITY_MAP_ADDR: vm->lock held. */
long umbra_ioctl_set_identity_map_addr(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const u64 *gpa = arg;

	if (vm->nr_vcpus)
		return -EINVAL;
	vm->identity_map_addr = *gpa ?: DEFAULT_IDENTITY_MAP;
	return 0;
}

/* KVM_SET_BOOT_CPU_ID: vm->lock held. */
long umbra_ioctl_set_boot_cpu_id(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	if (vm->nr_vcpus)
		return -EBUSY;
	vm->bsp_id = umbra_ioctl_value(uarg);
	return 0;
}
