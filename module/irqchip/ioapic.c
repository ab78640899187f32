// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: I/O APIC
 *
 * 24 pins and a redirection table that turns each into a message for local
 * APICs (Intel 82093AA data sheet, order number 290566).  Version 11h: without
 * an EOI register, so that the end of a level interrupt arrives from the local
 * APICs, by vector.
 *
 * Delivery is instant, so "delivery status" is always idle.  A message that
 * nobody takes is lost, as on the APIC bus.
 */
#include "irqchip_internal.h"

#include <linux/nospec.h>

#include "umbra/compat.h"
#include "umbra/vcpu.h"

#define BASE		0xfec00000
#define LENGTH		0x100
#define VERSION		0x11

#define STORM_REPEATS	2000
#define STORM_PAUSE_NS	(10 * NSEC_PER_MSEC)

/* MMIO registers, and those behind IOWIN. */
#define IOREGSEL	0x00
#define IOWIN		0x10
#define REG_ID		0x00
#define REG_VERSION	0x01
#define REG_ARB		0x02
#define REG_REDIR	0x10

/* Bits of a redirection entry that software cannot write: delivery status, remote IRR. */
#define REDIR_RO	(BIT_ULL(12) | BIT_ULL(14))
#define REDIR_MASKED	BIT_ULL(16)

static void read_message(const struct kvm_ioapic_state *state, unsigned int pin,
			 struct umbra_irq_msg *msg)
{
	*msg = (struct umbra_irq_msg){
		.dest = state->redirtbl[pin].fields.dest_id,
		.vector = state->redirtbl[pin].fields.vector,
		.mode = state->redirtbl[pin].fields.delivery_mode,
		.logical = state->redirtbl[pin].fields.dest_mode,
		.level = state->redirtbl[pin].fields.trig_mode,
		.assert = true,
	};
}

/* Sends the message of a pin that is high, unless masked or waiting for EOI. */
static int service(struct umbra_irqchip *irqchip, unsigned int pin)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	struct umbra_irq_msg msg;
	int ret;

	if (ioapic->state.redirtbl[pin].fields.mask)
		return -1;
	if (ioapic->state.redirtbl[pin].fields.trig_mode &&
	    ioapic->state.redirtbl[pin].fields.remote_irr)
		return -1;
	read_message(&ioapic->state, pin, &msg);
	ret = umbra_msg_deliver(irqchip->vm, NULL, &msg);
	if (!msg.level)
		ioapic->sent |= BIT(pin);
	else if (ret > 0)
		ioapic->state.redirtbl[pin].fields.remote_irr = 1;
	return ret;
}

/* The pin's level is now @level. */
static int drive(struct umbra_irqchip *irqchip, unsigned int pin, bool level)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	bool was_high = ioapic->state.irr & BIT(pin);

	if (!level) {
		ioapic->state.irr &= ~BIT(pin);
		return 1;
	}
	ioapic->state.irr |= BIT(pin);
	if (!ioapic->state.redirtbl[pin].fields.trig_mode) {
		ioapic->sent &= ~BIT(pin);
		if (was_high)
			return 0;
	}
	return service(irqchip, pin);
}

/**
 * umbra_ioapic_set() - a source drives a pin
 * @irqchip: full
 * @source: UMBRA_IRQ_SOURCE_*
 * @pin: 0..23
 * @level: 1 or 0; the pin is high while any source holds it so
 *
 * Context: any.
 * Return: >0 delivered, 0 coalesced, -1 masked or waiting for EOI.
 */
int umbra_ioapic_set(struct umbra_irqchip *irqchip, unsigned int source, unsigned int pin,
		     int level)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	unsigned long flags;
	int ret;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	__assign_bit(source, &ioapic->source[pin], level);
	ret = drive(irqchip, pin, ioapic->source[pin]);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return ret;
}

static void update_handled(struct umbra_ioapic *ioapic)
{
	DECLARE_BITMAP(handled, 256);
	unsigned int pin;

	bitmap_zero(handled, 256);
	for (pin = 0; pin < UMBRA_IOAPIC_PINS; pin++)
		__set_bit(ioapic->state.redirtbl[pin].fields.vector, handled);
	bitmap_copy(ioapic->handled, handled, 256);
}

static u32 pins_of_vector(const struct umbra_ioapic *ioapic, u8 vector)
{
	unsigned int pin;
	u32 pins = 0;

	for (pin = 0; pin < UMBRA_IOAPIC_PINS; pin++)
		if (ioapic->state.redirtbl[pin].fields.vector == vector)
			pins |= BIT(pin);
	return pins;
}

/*
 * A line that nobody lowers would keep a vCPU in its handler for ever, without
 * a single instruction between two interrupts.  On real hardware the message
 * takes its time.  So after many repeats in a row the next waits for a while.
 */
static bool is_storm(struct umbra_ioapic *ioapic, unsigned int pin)
{
	if (++ioapic->repeats[pin] < STORM_REPEATS)
		return false;
	ioapic->repeats[pin] = 0;
	hrtimer_start(&ioapic->retry, ns_to_ktime(STORM_PAUSE_NS), HRTIMER_MODE_REL_HARD);
	return true;
}

static enum hrtimer_restart retry(struct hrtimer *timer)
{
	struct umbra_ioapic *ioapic = container_of(timer, struct umbra_ioapic, retry);
	struct umbra_irqchip *irqchip = container_of(ioapic, struct umbra_irqchip, ioapic);
	unsigned long flags, high;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	high = ioapic->state.irr;
	for_each_set_bit(pin, &high, UMBRA_IOAPIC_PINS)
		if (ioapic->state.redirtbl[pin].fields.trig_mode)
			service(irqchip, pin);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	return HRTIMER_NORESTART;
}

/* The level interrupt is over; a pin that is still high interrupts again. */
static void end_level(struct umbra_irqchip *irqchip, unsigned int pin, u8 vector)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;

	if (ioapic->state.redirtbl[pin].fields.vector != vector ||
	    !ioapic->state.redirtbl[pin].fields.trig_mode)
		return;
	ioapic->state.redirtbl[pin].fields.remote_irr = 0;
	if (!(ioapic->state.irr & BIT(pin)))
		ioapic->repeats[pin] = 0;
	else if (!is_storm(ioapic, pin))
		service(irqchip, pin);
}

/**
 * umbra_ioapic_eoi() - a local APIC ended the service of a vector
 * @irqchip: full
 * @vector: the vector
 * @level: it was level triggered there (TMR)
 *
 * Whoever drives the line by way of a resampling irqfd is told first and lowers
 * it; then only what is really still high interrupts again.
 * Context: vCPU thread.
 */
void umbra_ioapic_eoi(struct umbra_irqchip *irqchip, u8 vector, bool level)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	unsigned long flags, pins;
	unsigned int pin;

	if (!test_bit(vector, ioapic->handled))
		return;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	pins = pins_of_vector(ioapic, vector);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);

	umbra_irqchip_acked(irqchip->vm, KVM_IRQCHIP_IOAPIC, pins);
	if (!level)
		return;
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	for_each_set_bit(pin, &pins, UMBRA_IOAPIC_PINS)
		end_level(irqchip, pin, vector);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/* Registers. */

static u32 read_window(const struct umbra_ioapic *ioapic)
{
	u32 reg = ioapic->state.ioregsel;
	u32 pin = (reg - REG_REDIR) / 2;

	switch (reg) {
	case REG_ID:
	case REG_ARB:
		return (ioapic->state.id & 0xf) << 24;
	case REG_VERSION:
		return (UMBRA_IOAPIC_PINS - 1) << 16 | VERSION;
	}
	if (reg < REG_REDIR || pin >= UMBRA_IOAPIC_PINS)
		return ~0u;
	pin = array_index_nospec(pin, UMBRA_IOAPIC_PINS);
	return ioapic->state.redirtbl[pin].bits >> (reg & 1 ? 32 : 0);
}

/* Returns true when the write unmasked the pin. */
static bool write_redirection(struct umbra_irqchip *irqchip, unsigned int pin, bool high,
			      u32 val)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	u64 old = ioapic->state.redirtbl[pin].bits, bits;

	if (high)
		bits = (u32)old | (u64)val << 32;
	else
		bits = (old & ~(u64)U32_MAX) | val;
	bits = (bits & ~REDIR_RO) | (old & REDIR_RO);
	ioapic->state.redirtbl[pin].bits = bits;
	/*
	 * Drivers of an I/O APIC without EOI register end a level interrupt by
	 * switching the pin to edge and back.
	 */
	if (!ioapic->state.redirtbl[pin].fields.trig_mode)
		ioapic->state.redirtbl[pin].fields.remote_irr = 0;
	update_handled(ioapic);
	if (ioapic->state.redirtbl[pin].fields.trig_mode && ioapic->state.irr & BIT(pin))
		service(irqchip, pin);
	return (old & REDIR_MASKED) && !(bits & REDIR_MASKED);
}

/* Returns the pin that the write unmasked, or -1. */
static int write_window(struct umbra_irqchip *irqchip, u32 val)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	u32 reg = ioapic->state.ioregsel;
	u32 pin = (reg - REG_REDIR) / 2;

	if (reg == REG_ID)
		ioapic->state.id = (val >> 24) & 0xf;
	if (reg < REG_REDIR || pin >= UMBRA_IOAPIC_PINS)
		return -1;
	pin = array_index_nospec(pin, UMBRA_IOAPIC_PINS);
	return write_redirection(irqchip, pin, reg & 1, val) ? pin : -1;
}

static int ioapic_read(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		       unsigned int len, void *data)
{
	struct umbra_ioapic *ioapic = container_of(dev, struct umbra_ioapic, dev);
	unsigned long flags;
	u32 val = 0;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr & 0xff) {
	case IOREGSEL:
		val = ioapic->state.ioregsel;
		break;
	case IOWIN:
		val = read_window(ioapic);
		break;
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	memset(data, 0, len);
	memcpy(data, &val, min_t(unsigned int, len, sizeof(val)));
	return 0;
}

static int ioapic_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
			unsigned int len, const void *data)
{
	struct umbra_ioapic *ioapic = container_of(dev, struct umbra_ioapic, dev);
	int unmasked = -1;
	unsigned long flags;
	u32 val = 0;

	memcpy(&val, data, min_t(unsigned int, len, sizeof(val)));
	raw_spin_lock_irqsave(&ioapic->lock, flags);
	switch (addr & 0xff) {
	case IOREGSEL:
		ioapic->state.ioregsel = val & 0xff;
		break;
	case IOWIN:
		unmasked = write_window(vcpu->vm->irqchip, val);
		break;
	}
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
	if (unmasked >= 0)
		umbra_irqchip_unmasked(vcpu->vm, KVM_IRQCHIP_IOAPIC, BIT(unmasked));
	return 0;
}

static const struct umbra_iodev_ops ioapic_ops = {
	.read = ioapic_read,
	.write = ioapic_write,
};

/**
 * umbra_ioapic_get_state() - KVM_GET_IRQCHIP
 * @irqchip: full
 * @state: result; an edge that was delivered is not shown as pending
 */
void umbra_ioapic_get_state(struct umbra_irqchip *irqchip, struct kvm_ioapic_state *state)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	unsigned long flags;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	*state = ioapic->state;
	state->irr &= ~ioapic->sent;
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/**
 * umbra_ioapic_set_state() - KVM_SET_IRQCHIP
 * @irqchip: full
 * @state: any contents are safe; pins that are high are driven anew
 */
void umbra_ioapic_set_state(struct umbra_irqchip *irqchip,
			    const struct kvm_ioapic_state *state)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	unsigned long flags, high = state->irr;
	unsigned int pin;

	raw_spin_lock_irqsave(&ioapic->lock, flags);
	ioapic->state = *state;
	ioapic->state.irr = 0;
	ioapic->sent = 0;
	update_handled(ioapic);
	for_each_set_bit(pin, &high, UMBRA_IOAPIC_PINS)
		drive(irqchip, pin, true);
	raw_spin_unlock_irqrestore(&ioapic->lock, flags);
}

/**
 * umbra_ioapic_init() - power on, answer at FEC00000h
 * @irqchip: zeroed
 *
 * Context: vm->slots_lock held.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int umbra_ioapic_init(struct umbra_irqchip *irqchip)
{
	struct umbra_ioapic *ioapic = &irqchip->ioapic;
	unsigned int pin;

	raw_spin_lock_init(&ioapic->lock);
	ioapic->state.base_address = BASE;
	for (pin = 0; pin < UMBRA_IOAPIC_PINS; pin++)
		ioapic->state.redirtbl[pin].fields.mask = 1;
	update_handled(ioapic);
	umbra_hrtimer_setup(&ioapic->retry, retry, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	ioapic->dev = (struct umbra_iodev){
		.ops = &ioapic_ops, .base = BASE, .len = LENGTH,
	};
	return umbra_bus_add(irqchip->vm, UMBRA_BUS_MMIO, &ioapic->dev);
}

/**
 * umbra_ioapic_exit() - answer no more
 * @irqchip: whose I/O APIC was or was not on the bus
 *
 * Context: vm->slots_lock held.
 */
void umbra_ioapic_exit(struct umbra_irqchip *irqchip)
{
	umbra_bus_del(irqchip->vm, UMBRA_BUS_MMIO, &irqchip->ioapic.dev);
	hrtimer_cancel(&irqchip->ioapic.retry);
}
