// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the interrupt controllers of a VM
 *
 * Creation and end, and KVM_GET_IRQCHIP / KVM_SET_IRQCHIP.  Also the place where
 * the end of an interrupt, known by chip and pin, finds those who wait for it
 * by GSI: the PIT, which counts ticks that were not served, and resampling
 * irqfds.
 */
#include "irqchip_internal.h"

#include <linux/slab.h>

#include "umbra/vcpu.h"

#define PIT_GSI		0

/**
 * umbra_irqchip_acked() - the guest ended the service of pins
 * @vm: the VM
 * @chip: KVM_IRQCHIP_*
 * @pins: bit mask
 *
 * Context: no lock of a chip held; any.
 */
void umbra_irqchip_acked(struct umbra_vm *vm, unsigned int chip, u32 pins)
{
	struct umbra_pit *pit = smp_load_acquire(&vm->pit); /* umbra_pit_create() */
	unsigned long left = pins;
	unsigned int pin;
	int idx, gsi;

	idx = srcu_read_lock(&vm->srcu);
	for_each_set_bit(pin, &left, UMBRA_IOAPIC_PINS) {
		gsi = umbra_routing_gsi(vm, chip, pin);
		if (gsi < 0)
			continue;
		if (gsi == PIT_GSI && pit)
			umbra_pit_acked(pit);
		umbra_irq_ack_notify(vm, gsi);
	}
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * umbra_irqchip_unmasked() - the guest unmasked pins
 * @vm: the VM
 * @chip: KVM_IRQCHIP_*
 * @pins: bit mask
 *
 * Context: no lock of a chip held; vCPU thread.
 */
void umbra_irqchip_unmasked(struct umbra_vm *vm, unsigned int chip, u32 pins)
{
	struct umbra_pit *pit = smp_load_acquire(&vm->pit); /* umbra_pit_create() */
	unsigned long left = pins;
	unsigned int pin;
	int idx;

	if (!pit)
		return;
	idx = srcu_read_lock(&vm->srcu);
	for_each_set_bit(pin, &left, UMBRA_IOAPIC_PINS)
		if (umbra_routing_gsi(vm, chip, pin) == PIT_GSI)
			umbra_pit_unmasked(pit);
	srcu_read_unlock(&vm->srcu, idx);
}

/* With the routes in place, from here on umbra_has_lapic() is true. */
static int publish(struct umbra_vm *vm, struct umbra_irqchip *irqchip)
{
	int err;

	vm->split_irqchip = !irqchip->full;
	err = irqchip->full ? umbra_routing_default(vm) : umbra_routing_empty(vm);
	if (err)
		vm->split_irqchip = false;
	else
		smp_store_release(&vm->irqchip, irqchip); /* umbra_has_lapic() */
	return err;
}

static struct umbra_irqchip *alloc_irqchip(struct umbra_vm *vm)
{
	struct umbra_irqchip *irqchip = kzalloc(sizeof(*irqchip), GFP_KERNEL_ACCOUNT);

	if (irqchip)
		irqchip->vm = vm;
	return irqchip;
}

static int add_chips(struct umbra_irqchip *irqchip)
{
	struct umbra_vm *vm = irqchip->vm;
	int err;

	mutex_lock(&vm->slots_lock);
	err = umbra_pic_init(irqchip);
	if (!err) {
		err = umbra_ioapic_init(irqchip);
		if (err)
			umbra_pic_exit(irqchip);
	}
	mutex_unlock(&vm->slots_lock);
	irqchip->full = !err;
	return err;
}

static void remove_chips(struct umbra_irqchip *irqchip)
{
	struct umbra_vm *vm = irqchip->vm;

	if (!irqchip->full)
		return;
	mutex_lock(&vm->slots_lock);
	umbra_ioapic_exit(irqchip);
	umbra_pic_exit(irqchip);
	mutex_unlock(&vm->slots_lock);
}

/**
 * umbra_irqchip_create() - KVM_CREATE_IRQCHIP
 * @vm: without vCPUs
 *
 * Context: vm->lock held.
 * Return: 0, -EEXIST, -ENOMEM.
 */
int umbra_irqchip_create(struct umbra_vm *vm)
{
	struct umbra_irqchip *irqchip;
	int err;

	if (vm->irqchip)
		return -EEXIST;
	irqchip = alloc_irqchip(vm);
	if (!irqchip)
		return -ENOMEM;
	err = add_chips(irqchip);
	if (!err)
		err = publish(vm, irqchip);
	if (err) {
		remove_chips(irqchip);
		kfree(irqchip);
	}
	return err;
}

/**
 * umbra_irqchip_create_split() - KVM_CAP_SPLIT_IRQCHIP
 * @vm: without vCPUs
 * @pins: GSIs from 0 on that are pins of userspace's I/O APIC
 *
 * Context: vm->lock held.
 * Return: 0, -EEXIST, -ENOMEM.
 */
int umbra_irqchip_create_split(struct umbra_vm *vm, unsigned int pins)
{
	struct umbra_irqchip *irqchip;
	int err;

	if (vm->irqchip)
		return -EEXIST;
	irqchip = alloc_irqchip(vm);
	if (!irqchip)
		return -ENOMEM;
	irqchip->reserved_pins = pins;
	err = publish(vm, irqchip);
	if (err)
		kfree(irqchip);
	return err;
}

/**
 * umbra_irqchip_destroy() - their end
 * @vm: whose PIT and local APICs are gone; nobody sets lines any more
 *
 * Context: may sleep.
 */
void umbra_irqchip_destroy(struct umbra_vm *vm)
{
	remove_chips(vm->irqchip);
	umbra_routing_free(vm);
	kfree(vm->irqchip);
	WRITE_ONCE(vm->irqchip, NULL);
}

/**
 * umbra_irqchip_get() - KVM_GET_IRQCHIP
 * @vm: with a full irqchip
 * @chip: chip_id says which; the rest is the result
 *
 * Context: vm->lock held.
 * Return: 0, or -EINVAL: no such chip.
 */
int umbra_irqchip_get(struct umbra_vm *vm, struct kvm_irqchip *chip)
{
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		umbra_pic_get_state(vm->irqchip, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		umbra_ioapic_get_state(vm->irqchip, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * umbra_irqchip_set() - KVM_SET_IRQCHIP
 * @vm: with a full irqchip
 * @chip: which and what; any contents are safe
 *
 * Context: vm->lock held.
 * Return: 0, or -EINVAL: no such chip.
 */
int umbra_irqchip_set(struct umbra_vm *vm, const struct kvm_irqchip *chip)
{
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		umbra_pic_set_state(vm->irqchip, chip->chip_id, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		umbra_ioapic_set_state(vm->irqchip, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}
