// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: GSI routing
 *
 * Where a global system interrupt goes: pins of PIC and I/O APIC, or a message
 * (KVM api.rst, KVM_SET_GSI_ROUTING).  The table is immutable; a new one
 * replaces it under vm->irq_lock, readers hold vm->srcu, which works in
 * interrupt context.
 */
#include "irqchip_internal.h"

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "umbra/vcpu.h"

#define NR_CHIPS	3
#define NO_GSI		0xffff

/**
 * struct route - one destination of a GSI
 * @gsi: which
 * @type: KVM_IRQ_ROUTING_IRQCHIP or KVM_IRQ_ROUTING_MSI
 * @chip: KVM_IRQCHIP_*
 * @pin: pin of the chip
 * @msi: message
 */
struct route {
	u32 gsi;
	u32 type;
	union {
		struct {
			u32 chip;
			u32 pin;
		};
		struct kvm_irq_routing_msi msi;
	};
};

/**
 * struct routes - the table
 * @gsi_of_pin: GSI routed to a pin of a chip, NO_GSI none
 * @nr_gsi: GSIs from here on have no route
 * @first: for each GSI its first entry in @route; one more closes the last
 * @route: sorted by GSI
 */
struct routes {
	u16 gsi_of_pin[NR_CHIPS][UMBRA_IOAPIC_PINS];
	u32 nr_gsi;
	u32 *first;
	struct route route[];
};

static struct routes *routes_of(struct umbra_vm *vm)
{
	return srcu_dereference_check(*(struct routes __rcu **)&vm->routes, &vm->srcu,
				      lockdep_is_held(&vm->irq_lock));
}

/* Address and data of an MSI: SDM Vol. 3A 11.11. */
static int parse_msi(struct umbra_vm *vm, u32 address_lo, u32 address_hi, u32 data,
		     struct umbra_irq_msg *msg)
{
	bool wide = vm->x2apic_flags & KVM_X2APIC_API_USE_32BIT_IDS;

	if (wide && address_hi & 0xff)
		return -EINVAL;
	*msg = (struct umbra_irq_msg){
		.dest = (address_lo >> 12 & 0xff) | (wide ? address_hi & ~0xffu : 0),
		.logical = address_lo & BIT(2),
		.redirect = address_lo & BIT(3),
		.vector = data & 0xff,
		.mode = data >> 8 & 7,
		.level = data & BIT(15),
		.assert = true,
	};
	return 0;
}

static int send_msi(struct umbra_vm *vm, u32 address_lo, u32 address_hi, u32 data)
{
	struct umbra_irq_msg msg;
	int err = parse_msi(vm, address_lo, address_hi, data, &msg);

	return err ?: umbra_msg_deliver(vm, NULL, &msg);
}

/**
 * umbra_msi_send() - KVM_SIGNAL_MSI
 * @vm: the VM
 * @msi: address and data
 *
 * Context: any.
 * Return: >0 delivered, 0 blocked by the guest, -EINVAL.
 */
int umbra_msi_send(struct umbra_vm *vm, const struct kvm_msi *msi)
{
	int ret;

	if (!umbra_has_lapic(vm) || msi->flags)
		return -EINVAL;
	ret = send_msi(vm, msi->address_lo, msi->address_hi, msi->data);
	return ret == -1 ? 0 : ret;
}

static int drive(struct umbra_vm *vm, const struct route *route, unsigned int source,
		 int level)
{
	if (route->type == KVM_IRQ_ROUTING_MSI)
		return level ? send_msi(vm, route->msi.address_lo, route->msi.address_hi,
					route->msi.data) : -1;
	if (route->chip == KVM_IRQCHIP_IOAPIC)
		return umbra_ioapic_set(vm->irqchip, source, route->pin, level);
	return umbra_pic_set(vm->irqchip, source,
			     route->pin + (route->chip == KVM_IRQCHIP_PIC_SLAVE ? 8 : 0), level);
}

/**
 * umbra_irq_set() - change the level of a GSI
 * @vm: the VM
 * @source: UMBRA_IRQ_SOURCE_*
 * @gsi: global system interrupt
 * @level: 1 or 0
 *
 * Context: any, also hard interrupt.
 * Return: >0 delivered, 0 coalesced, <0 masked or ignored.
 */
int umbra_irq_set(struct umbra_vm *vm, unsigned int source, u32 gsi, int level)
{
	struct routes *routes;
	int idx, ret = -1, one;
	u32 i;

	idx = srcu_read_lock(&vm->srcu);
	routes = routes_of(vm);
	if (routes && gsi < routes->nr_gsi) {
		gsi = array_index_nospec(gsi, routes->nr_gsi);
		for (i = routes->first[gsi]; i < routes->first[gsi + 1]; i++) {
			one = drive(vm, &routes->route[i], source, !!level);
			if (one >= 0)
				ret = max(ret, 0) + one;
		}
	}
	srcu_read_unlock(&vm->srcu, idx);
	return ret;
}

/**
 * umbra_routing_gsi() - the GSI that is routed to a pin
 * @vm: the VM
 * @chip: KVM_IRQCHIP_*
 * @pin: pin of the chip
 *
 * Context: SRCU read side held.
 * Return: the GSI or -1.
 */
int umbra_routing_gsi(struct umbra_vm *vm, unsigned int chip, unsigned int pin)
{
	struct routes *routes = routes_of(vm);

	if (!routes || routes->gsi_of_pin[chip][pin] == NO_GSI)
		return -1;
	return routes->gsi_of_pin[chip][pin];
}

static bool is_user_eoi(struct umbra_vm *vm, const struct route *route, u8 vector)
{
	struct umbra_irq_msg msg;

	if (route->type != KVM_IRQ_ROUTING_MSI ||
	    parse_msi(vm, route->msi.address_lo, route->msi.address_hi, route->msi.data, &msg))
		return false;
	return msg.level && msg.vector == vector;
}

/**
 * umbra_routing_user_eoi() - does userspace's I/O APIC wait for this EOI?
 * @irqchip: split
 * @vector: whose service ended
 *
 * Context: any.
 * Return: true when one of the reserved routes sends @vector level triggered.
 */
bool umbra_routing_user_eoi(struct umbra_irqchip *irqchip, u8 vector)
{
	struct umbra_vm *vm = irqchip->vm;
	int idx = srcu_read_lock(&vm->srcu);
	struct routes *routes = routes_of(vm);
	bool found = false;
	u32 i;

	for (i = 0; routes && i < routes->first[routes->nr_gsi] && !found; i++)
		found = routes->route[i].gsi < irqchip->reserved_pins &&
			is_user_eoi(vm, &routes->route[i], vector);
	srcu_read_unlock(&vm->srcu, idx);
	return found;
}

/* Building a table: decode each entry, sort, index. */

static int decode_pin(const struct kvm_irq_routing_entry *entry, struct route *route)
{
	u32 pins;

	if (entry->flags)
		return -EINVAL;
	switch (entry->u.irqchip.irqchip) {
	case KVM_IRQCHIP_PIC_MASTER:
	case KVM_IRQCHIP_PIC_SLAVE:
		pins = UMBRA_PIC_PINS / 2;
		break;
	case KVM_IRQCHIP_IOAPIC:
		pins = UMBRA_IOAPIC_PINS;
		break;
	default:
		return -EINVAL;
	}
	if (entry->u.irqchip.pin >= pins)
		return -EINVAL;
	route->chip = entry->u.irqchip.irqchip;
	route->pin = entry->u.irqchip.pin;
	return 0;
}

static int decode(struct umbra_vm *vm, const struct kvm_irq_routing_entry *entry,
		  struct route *route)
{
	struct umbra_irq_msg msg;

	if (entry->gsi >= UMBRA_MAX_GSI)
		return -EINVAL;
	route->gsi = entry->gsi;
	route->type = entry->type;
	switch (entry->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		return vm->split_irqchip ? -EINVAL : decode_pin(entry, route);
	case KVM_IRQ_ROUTING_MSI:
		/* KVM_CAP_MSI_DEVID is not offered: no flag is known. */
		if (entry->flags)
			return -EINVAL;
		route->msi = entry->u.msi;
		return parse_msi(vm, route->msi.address_lo, route->msi.address_hi,
				 route->msi.data, &msg);
	default:
		return -EINVAL;
	}
}

static int compare(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if (x->gsi != y->gsi)
		return x->gsi < y->gsi ? -1 : 1;
	return 0;
}

/* A GSI is one message, or at most one pin of each chip. */
static bool conflict(const struct route *a, const struct route *b)
{
	return a->type == KVM_IRQ_ROUTING_MSI || b->type == KVM_IRQ_ROUTING_MSI ||
	       a->chip == b->chip;
}

static int check_conflicts(const struct routes *routes)
{
	u32 gsi, i, k;

	for (gsi = 0; gsi < routes->nr_gsi; gsi++) {
		/* No more than one of each chip, so that this ends early. */
		if (routes->first[gsi + 1] - routes->first[gsi] > NR_CHIPS)
			return -EINVAL;
		for (i = routes->first[gsi]; i < routes->first[gsi + 1]; i++)
			for (k = i + 1; k < routes->first[gsi + 1]; k++)
				if (conflict(&routes->route[i], &routes->route[k]))
					return -EINVAL;
	}
	return 0;
}

static void index_routes(struct routes *routes, unsigned int nr)
{
	u32 gsi, i = 0;

	for (gsi = 0; gsi <= routes->nr_gsi; gsi++) {
		while (i < nr && routes->route[i].gsi < gsi)
			i++;
		routes->first[gsi] = i;
	}
	memset(routes->gsi_of_pin, 0xff, sizeof(routes->gsi_of_pin));
	for (i = 0; i < nr; i++)
		if (routes->route[i].type == KVM_IRQ_ROUTING_IRQCHIP)
			routes->gsi_of_pin[routes->route[i].chip][routes->route[i].pin] =
				routes->route[i].gsi;
}

static struct routes *alloc_routes(u32 nr_gsi, unsigned int nr)
{
	struct routes *routes;
	size_t size = struct_size(routes, route, nr);

	/* The index follows the entries in the same allocation. */
	routes = kvzalloc(size + (nr_gsi + 1) * sizeof(u32), GFP_KERNEL_ACCOUNT);
	if (!routes)
		return NULL;
	routes->nr_gsi = nr_gsi;
	routes->first = (void *)routes + size;
	return routes;
}

static struct routes *build(struct umbra_vm *vm, const struct kvm_irq_routing_entry *entries,
			    unsigned int nr)
{
	struct routes *routes;
	u32 nr_gsi = 0;
	unsigned int i;
	int err = 0;

	for (i = 0; i < nr; i++) {
		if (entries[i].gsi >= UMBRA_MAX_GSI)
			return ERR_PTR(-EINVAL);
		nr_gsi = max(nr_gsi, entries[i].gsi + 1);
	}
	routes = alloc_routes(nr_gsi, nr);
	if (!routes)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < nr && !err; i++)
		err = decode(vm, &entries[i], &routes->route[i]);
	if (!err) {
		sort(routes->route, nr, sizeof(routes->route[0]), compare, NULL);
		index_routes(routes, nr);
		err = check_conflicts(routes);
	}
	if (err) {
		kvfree(routes);
		return ERR_PTR(err);
	}
	return routes;
}

/* Takes vm->irq_lock; may sleep. */
static int install(struct umbra_vm *vm, const struct kvm_irq_routing_entry *entries,
		   unsigned int nr)
{
	struct routes *routes, *old;

	routes = build(vm, entries, nr);
	if (IS_ERR(routes))
		return PTR_ERR(routes);
	mutex_lock(&vm->irq_lock);
	old = routes_of(vm);
	rcu_assign_pointer(*(struct routes __rcu **)&vm->routes, routes);
	mutex_unlock(&vm->irq_lock);
	if (old) {
		synchronize_srcu_expedited(&vm->srcu);
		kvfree(old);
	}
	return 0;
}

/**
 * umbra_routing_set() - KVM_SET_GSI_ROUTING
 * @vm: the VM
 * @entries: already copied; replaces the whole table
 * @nr: how many
 *
 * Context: takes vm->irq_lock, may sleep.
 * Return: 0, -EINVAL, -ENOMEM.
 */
int umbra_routing_set(struct umbra_vm *vm, const struct kvm_irq_routing_entry *entries,
		      unsigned int nr)
{
	return umbra_has_lapic(vm) ? install(vm, entries, nr) : -EINVAL;
}

/**
 * umbra_routing_default() - routes of a new full irqchip
 * @vm: whose irqchip is about to be published
 *
 * GSI n goes to I/O APIC pin n and, below 16, to PIC pin n.  That the PIT's
 * GSI 0 arrives at I/O APIC pin 2, as on real boards, is for userspace to say.
 * Return: 0 or -ENOMEM.
 */
int umbra_routing_default(struct umbra_vm *vm)
{
	struct kvm_irq_routing_entry *entries;
	unsigned int pin, nr = 0;
	int err;

	entries = kcalloc(UMBRA_IOAPIC_PINS + UMBRA_PIC_PINS, sizeof(*entries), GFP_KERNEL);
	if (!entries)
		return -ENOMEM;
	for (pin = 0; pin < UMBRA_IOAPIC_PINS; pin++, nr++) {
		entries[nr].gsi = pin;
		entries[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[nr].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
		entries[nr].u.irqchip.pin = pin;
	}
	for (pin = 0; pin < UMBRA_PIC_PINS; pin++, nr++) {
		entries[nr].gsi = pin;
		entries[nr].type = KVM_IRQ_ROUTING_IRQCHIP;
		entries[nr].u.irqchip.irqchip = pin < 8 ? KVM_IRQCHIP_PIC_MASTER :
							  KVM_IRQCHIP_PIC_SLAVE;
		entries[nr].u.irqchip.pin = pin % 8;
	}
	err = install(vm, entries, nr);
	kfree(entries);
	return err;
}

/**
 * umbra_routing_empty() - routes of a new split irqchip: none
 * @vm: whose irqchip is about to be published
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_routing_empty(struct umbra_vm *vm)
{
	return install(vm, NULL, 0);
}

/**
 * umbra_routing_free() - the end of the table
 * @vm: nobody sets lines any more
 */
void umbra_routing_free(struct umbra_vm *vm)
{
	kvfree(rcu_dereference_protected(*(struct routes __rcu **)&vm->routes, true));
	RCU_INIT_POINTER(vm->routes, NULL);
}
