// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: coalesced MMIO and port writes
 *
 * Writes to registered zones go into a ring that userspace reads at its next
 * exit for another reason.  The ring is the third page of every vCPU's mapping;
 * there is one a VM.  A full ring sends the write to userspace as usual.
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "core_internal.h"
#include "ioctl_internal.h"

/**
 * struct umbra_coalesced - the ring of a VM and its zones
 * @lock: writers of the ring: vCPUs
 * @ring: page shared with userspace; only @ring->first is userspace's
 * @zones: under slots_lock
 */
struct umbra_coalesced {
	spinlock_t lock;
	struct kvm_coalesced_mmio_ring *ring;
	struct list_head zones;
};

/**
 * struct coalesced_zone - one registered range
 * @dev: on the bus
 * @kind: which bus
 * @coalesced: the ring
 * @link: in umbra_coalesced.zones
 */
struct coalesced_zone {
	struct umbra_iodev dev;
	enum umbra_bus_kind kind;
	struct umbra_coalesced *coalesced;
	struct list_head link;
};

/* How many entries the page holds after its two indices. */
#define ENTRIES	KVM_COALESCED_MMIO_MAX

static int zone_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		      unsigned int len, const void *data)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);
	struct kvm_coalesced_mmio_ring *ring = zone->coalesced->ring;
	struct kvm_coalesced_mmio *entry;
	int ret = -EOPNOTSUPP;
	u32 last;

	if (len > sizeof(entry->data))
		return -EOPNOTSUPP;
	spin_lock(&zone->coalesced->lock);
	/* Userspace can write the page: an index is used only within bounds. */
	last = READ_ONCE(ring->last);
	if (last >= ENTRIES || (last + 1) % ENTRIES == READ_ONCE(ring->first))
		goto unlock;
	entry = &ring->coalesced_mmio[last];
	entry->phys_addr = addr;
	entry->len = len;
	memcpy(entry->data, data, len);
	entry->pio = zone->kind == UMBRA_BUS_PIO;
	/* Userspace finds the entry before the index. */
	smp_store_release(&ring->last, (last + 1) % ENTRIES);
	ret = 0;
unlock:
	spin_unlock(&zone->coalesced->lock);
	return ret;
}

static void zone_release(struct umbra_iodev *dev)
{
	struct coalesced_zone *zone = container_of(dev, struct coalesced_zone, dev);

	list_del(&zone->link);
	kfree(zone);
}

static const struct umbra_iodev_ops zone_ops = {
	.write = zone_write,
	.release = zone_release,
};

static struct umbra_coalesced *create(void)
{
	struct umbra_coalesced *c = kzalloc(sizeof(*c), GFP_KERNEL_ACCOUNT);

	if (!c)
		return NULL;
	c->ring = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!c->ring) {
		kfree(c);
		return NULL;
	}
	spin_lock_init(&c->lock);
	INIT_LIST_HEAD(&c->zones);
	return c;
}

/* The ring is made when someone first wants it, and stays.  Makers race for it. */
static struct umbra_coalesced *get(struct umbra_vm *vm)
{
	/* Pairs with the cmpxchg() below: whoever sees the ring sees it made. */
	struct umbra_coalesced *c = smp_load_acquire(&vm->coalesced), *other;

	if (c)
		return c;
	c = create();
	if (!c)
		return NULL;
	other = cmpxchg(&vm->coalesced, NULL, c);
	if (!other)
		return c;
	free_page((unsigned long)c->ring);
	kfree(c);
	return other;
}

/**
 * umbra_coalesced_page() - the ring, for a page fault on a vCPU's mapping
 * @vm: the VM
 *
 * Return: the page or NULL without memory.
 */
struct page *umbra_coalesced_page(struct umbra_vm *vm)
{
	struct umbra_coalesced *c = get(vm);

	return c ? virt_to_page(c->ring) : NULL;
}

/**
 * umbra_coalesced_free() - end of the ring
 * @vm: no users; its buses are gone and with them the zones
 */
void umbra_coalesced_free(struct umbra_vm *vm)
{
	if (!vm->coalesced)
		return;
	free_page((unsigned long)vm->coalesced->ring);
	kfree(vm->coalesced);
}

static int check_zone(const struct kvm_coalesced_mmio_zone *args)
{
	return args->pio > 1 ? -EINVAL : 0;
}

static enum umbra_bus_kind kind_of(const struct kvm_coalesced_mmio_zone *args)
{
	return args->pio ? UMBRA_BUS_PIO : UMBRA_BUS_MMIO;
}

/* KVM_REGISTER_COALESCED_MMIO: slots_lock held. */
long umbra_ioctl_register_coalesced_mmio(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_coalesced_mmio_zone *args = arg;
	struct umbra_coalesced *c;
	struct coalesced_zone *zone;
	int err;

	err = check_zone(args);
	if (err)
		return err;
	c = get(vm);
	zone = c ? kzalloc(sizeof(*zone), GFP_KERNEL_ACCOUNT) : NULL;
	if (!zone)
		return -ENOMEM;
	zone->dev.ops = &zone_ops;
	zone->dev.base = args->addr;
	zone->dev.len = args->size;
	zone->kind = kind_of(args);
	zone->coalesced = c;
	err = umbra_bus_add(vm, zone->kind, &zone->dev);
	if (err) {
		kfree(zone);
		return err;
	}
	list_add_tail(&zone->link, &c->zones);
	return 0;
}

/* Does @zone hold all of the given range? */
static bool holds(const struct coalesced_zone *zone, const struct kvm_coalesced_mmio_zone *args)
{
	return zone->kind == kind_of(args) && args->addr >= zone->dev.base &&
	       args->addr + args->size <= zone->dev.base + zone->dev.len;
}

/* KVM_UNREGISTER_COALESCED_MMIO: slots_lock held.  All zones that hold the range go. */
long umbra_ioctl_unregister_coalesced_mmio(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_coalesced_mmio_zone *args = arg;
	struct coalesced_zone *zone, *next;
	int err;

	err = check_zone(args);
	if (err || !vm->coalesced)
		return err;
	list_for_each_entry_safe(zone, next, &vm->coalesced->zones, link)
		if (holds(zone, args))
			umbra_bus_del(vm, zone->kind, &zone->dev);
	return 0;
}
