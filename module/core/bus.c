// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: buses of the devices in the module
 *
 * Port and MMIO ranges in an array sorted by address, read under SRCU.  Ranges
 * may overlap (ioeventfds do): each entry also knows how far the ranges up to
 * it reach, so that a search walks back no further than needed.
 *
 * A device leaves the bus without an allocation: its entry is emptied, and the
 * next addition closes the hole.
 *
 * Most accesses are userspace's: a bit for each part of the address space, many parts to
 * a bit, says that there may be a device.
 */
#include <linux/slab.h>
#include <linux/sort.h>

#include "umbra/bus.h"
#include "core_internal.h"

#define MAX_DEVICES	4096

/* Addresses of a part: 16 ports, or a page of memory. */
#define PART_SHIFT_PIO	4
#define PART_SHIFT_MMIO	12
#define NR_PARTS	256

/**
 * struct entry - one range
 * @dev: who answers, NULL after removal
 * @base: first address
 * @reach: largest end address (exclusive) of all ranges up to this one
 */
struct entry {
	struct umbra_iodev *dev;
	gpa_t base;
	gpa_t reach;
};

/**
 * struct umbra_bus - an immutable bus, but for entries that are emptied
 * @parts: parts of the address space, modulo NR_PARTS, with the beginning of an access that
 *	some device may answer
 * @count: entries in @entry
 * @entry: sorted
 */
struct umbra_bus {
	DECLARE_BITMAP(parts, NR_PARTS);
	unsigned int count;
	struct entry entry[];
};

/* A device of length 0 answers accesses of any length that start at its address. */
static gpa_t range_end(const struct umbra_iodev *dev)
{
	return dev->base + (dev->len ?: 1);
}

static bool contains(const struct umbra_iodev *dev, gpa_t addr, unsigned int len)
{
	if (!dev->len)
		return addr == dev->base;
	return addr >= dev->base && addr + len <= dev->base + dev->len;
}

static struct umbra_bus *current_bus(struct umbra_vm *vm, enum umbra_bus_kind kind)
{
	return rcu_dereference_protected(vm->bus[kind], lockdep_is_held(&vm->slots_lock) ||
					 !kref_read(&vm->ref));
}

static int compare_base(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->base == y->base)
		return 0;
	return x->base < y->base ? -1 : 1;
}

static unsigned int part_of(enum umbra_bus_kind kind, gpa_t addr)
{
	return addr >> (kind == UMBRA_BUS_PIO ? PART_SHIFT_PIO : PART_SHIFT_MMIO) & (NR_PARTS - 1);
}

static void mark_parts(struct umbra_bus *bus, enum umbra_bus_kind kind,
		       const struct umbra_iodev *dev)
{
	unsigned int shift = kind == UMBRA_BUS_PIO ? PART_SHIFT_PIO : PART_SHIFT_MMIO;
	gpa_t n = ((range_end(dev) - 1) >> shift) - (dev->base >> shift) + 1;
	gpa_t i;

	for (i = 0; i < min_t(gpa_t, n, NR_PARTS); i++)
		__set_bit(part_of(kind, dev->base + (i << shift)), bus->parts);
}

static void order(struct umbra_bus *bus)
{
	gpa_t reach = 0;
	unsigned int i;

	sort(bus->entry, bus->count, sizeof(bus->entry[0]), compare_base, NULL);
	for (i = 0; i < bus->count; i++) {
		reach = max(reach, range_end(bus->entry[i].dev));
		bus->entry[i].reach = reach;
	}
}

/**
 * umbra_bus_init() - empty buses for a new VM
 * @vm: the VM
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_bus_init(struct umbra_vm *vm)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_BUSES; i++) {
		struct umbra_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL_ACCOUNT);

		if (!bus) {
			umbra_bus_free(vm);
			return -ENOMEM;
		}
		RCU_INIT_POINTER(vm->bus[i], bus);
	}
	return 0;
}

static void release(struct umbra_iodev *dev)
{
	if (dev->ops->release)
		dev->ops->release(dev);
}

/**
 * umbra_bus_free() - release what is still on the buses of a VM that ends
 * @vm: no users
 */
void umbra_bus_free(struct umbra_vm *vm)
{
	unsigned int i, k;

	for (i = 0; i < UMBRA_NR_BUSES; i++) {
		struct umbra_bus *bus = rcu_dereference_protected(vm->bus[i], true);

		for (k = 0; bus && k < bus->count; k++)
			if (bus->entry[k].dev)
				release(bus->entry[k].dev);
		kvfree(bus);
		RCU_INIT_POINTER(vm->bus[i], NULL);
	}
}

/**
 * umbra_bus_add() - a device begins to answer
 * @vm: the VM
 * @kind: which bus
 * @dev: ops, base and len set
 *
 * Context: vm->slots_lock held; may sleep.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int umbra_bus_add(struct umbra_vm *vm, enum umbra_bus_kind kind, struct umbra_iodev *dev)
{
	struct umbra_bus *old = current_bus(vm, kind), *bus;
	unsigned int i;

	if (old->count >= MAX_DEVICES)
		return -ENOSPC;
	bus = kvzalloc(struct_size(bus, entry, old->count + 1), GFP_KERNEL_ACCOUNT);
	if (!bus)
		return -ENOMEM;
	for (i = 0; i < old->count; i++)
		if (old->entry[i].dev)
			bus->entry[bus->count++] = old->entry[i];
	bus->entry[bus->count++] = (struct entry){ .dev = dev, .base = dev->base };
	order(bus);
	for (i = 0; i < bus->count; i++)
		mark_parts(bus, kind, bus->entry[i].dev);
	rcu_assign_pointer(vm->bus[kind], bus);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
	return 0;
}

/**
 * umbra_bus_del() - a device answers no more
 * @vm: the VM
 * @kind: which bus
 * @dev: as added; nothing happens when it is not there
 *
 * No reader is inside @dev any more on return; its release() has been called.
 * Context: vm->slots_lock held, or the VM has no users left; may sleep.
 */
void umbra_bus_del(struct umbra_vm *vm, enum umbra_bus_kind kind, struct umbra_iodev *dev)
{
	struct umbra_bus *bus = current_bus(vm, kind);
	unsigned int i;

	for (i = 0; i < bus->count; i++) {
		if (bus->entry[i].dev != dev)
			continue;
		WRITE_ONCE(bus->entry[i].dev, NULL);
		synchronize_srcu_expedited(&vm->srcu);
		release(dev);
		return;
	}
}

/* The last entry that starts at or before @addr, plus one. */
static unsigned int search(const struct umbra_bus *bus, gpa_t addr)
{
	unsigned int lo = 0, hi = bus->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (bus->entry[mid].base <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int access_device(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
			 unsigned int len, void *data, bool write)
{
	if (write)
		return dev->ops->write ? dev->ops->write(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
	return dev->ops->read ? dev->ops->read(vcpu, dev, addr, len, data) : -EOPNOTSUPP;
}

static int bus_access(struct umbra_vcpu *vcpu, enum umbra_bus_kind kind, gpa_t addr,
		      unsigned int len, void *data, bool write)
{
	struct umbra_bus *bus = srcu_dereference(vcpu->vm->bus[kind], &vcpu->vm->srcu);
	unsigned int i;

	if (!test_bit(part_of(kind, addr), bus->parts))
		return -EOPNOTSUPP;
	for (i = search(bus, addr); i-- > 0 && bus->entry[i].reach > addr;) {
		struct umbra_iodev *dev = READ_ONCE(bus->entry[i].dev);
		int ret;

		if (!dev || !contains(dev, addr, len))
			continue;
		ret = access_device(vcpu, dev, addr, len, data, write);
		if (ret != -EOPNOTSUPP)
			return ret;
	}
	return -EOPNOTSUPP;
}

/**
 * umbra_bus_may_answer() - may some device have an access that begins there?
 * @vm: the VM
 * @kind: which bus
 * @addr: first address
 *
 * Context: SRCU read side held.
 * Return: false: certainly none.
 */
bool umbra_bus_may_answer(struct umbra_vm *vm, enum umbra_bus_kind kind, gpa_t addr)
{
	const struct umbra_bus *bus = srcu_dereference(vm->bus[kind], &vm->srcu);

	return test_bit(part_of(kind, addr), bus->parts);
}

/**
 * umbra_bus_read() - ask the devices of the module
 * @vcpu: who reads
 * @kind: which bus
 * @addr: first address
 * @len: bytes
 * @data: result
 *
 * Context: vCPU thread, SRCU read side held; may sleep.
 * Return: 0, or -EOPNOTSUPP when nobody answered.
 */
int umbra_bus_read(struct umbra_vcpu *vcpu, enum umbra_bus_kind kind, gpa_t addr,
		   unsigned int len, void *data)
{
	return bus_access(vcpu, kind, addr, len, data, false);
}

/**
 * umbra_bus_write() - tell the devices of the module
 * @vcpu: who writes
 * @kind: which bus
 * @addr: first address
 * @len: bytes
 * @data: what
 *
 * Context: vCPU thread, SRCU read side held; may sleep.
 * Return: 0, or -EOPNOTSUPP when nobody answered.
 */
int umbra_bus_write(struct umbra_vcpu *vcpu, enum umbra_bus_kind kind, gpa_t addr,
		    unsigned int len, const void *data)
{
	return bus_access(vcpu, kind, addr, len, (void *)data, true);
}
