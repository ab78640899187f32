/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: inside the interrupt controllers
 *
 * How an interrupt travels:
 *
 *   line -> routing -> PIC -----------------------------> LVT0 of a local APIC
 *                  \-> I/O APIC \
 *                   \-> MSI -----+-> message -> local APIC(s) -> IRR -> vCPU
 *   IPI ------------------------/
 *
 * The PIC and the I/O APIC each have a raw spinlock, taken with interrupts
 * off, because lines change in timer and wake-up callbacks.  Local APICs have
 * no lock: others only set bits in IRR and TMR; the rest is the vCPU's thread.
 * No lock is held when the end of an interrupt is told to others
 * (umbra_irqchip_acked()), since they drive lines in turn.
 */
#ifndef UMBRA_IRQCHIP_INTERNAL_H
#define UMBRA_IRQCHIP_INTERNAL_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/spinlock.h>

#include "i8259_internal.h"
#include "umbra/bus.h"
#include "umbra/irqchip.h"
#include "umbra/vm.h"

/**
 * struct umbra_irq_msg - an interrupt message on its way to local APICs
 * @dest: destination field; meaning depends on @logical and the receiver
 * @vector: vector
 * @mode: delivery mode, UMBRA_DM_*
 * @shorthand: UMBRA_DSH_*; the others are for IPIs only
 * @logical: destination mode
 * @level: trigger mode: level, else edge
 * @assert: level of a level-triggered message
 * @redirect: MSI redirection hint: one of the destinations is enough
 */
struct umbra_irq_msg {
	u32 dest;
	u8 vector;
	u8 mode;
	u8 shorthand;
	bool logical;
	bool level;
	bool assert;
	bool redirect;
};

/* SDM Vol. 3A 11.6.1, ICR bits 10:8; the I/O APIC and MSI use the same. */
enum {
	UMBRA_DM_FIXED, UMBRA_DM_LOWEST, UMBRA_DM_SMI, UMBRA_DM_RESERVED,
	UMBRA_DM_NMI, UMBRA_DM_INIT, UMBRA_DM_STARTUP, UMBRA_DM_EXTINT,
};

/* ICR bits 19:18. */
enum { UMBRA_DSH_NONE, UMBRA_DSH_SELF, UMBRA_DSH_ALL, UMBRA_DSH_OTHERS };

/**
 * struct umbra_pic - the i8259 pair in a VM
 * @lock: all below
 * @chip: the chips
 * @source: for each pin, the sources that hold it high
 * @dev: master's, slave's and ELCR ports
 */
struct umbra_pic {
	raw_spinlock_t lock;
	struct umbra_i8259 chip;
	unsigned long source[UMBRA_PIC_PINS];
	struct umbra_iodev dev[3];
};

/**
 * struct umbra_ioapic - the I/O APIC of a VM
 * @lock: all below
 * @state: registers; state.irr is the level of the pins
 * @source: for each pin, the sources that hold it high
 * @sent: edge pins whose interrupt has gone out; they are high but not pending
 * @handled: vectors in the redirection table; read without the lock as a hint
 * @repeats: for each pin, ends of service that found it still high, in a row
 * @retry: sends what a storm made wait
 * @dev: MMIO page
 */
struct umbra_ioapic {
	raw_spinlock_t lock;
	struct kvm_ioapic_state state;
	unsigned long source[UMBRA_IOAPIC_PINS];
	u32 sent;
	DECLARE_BITMAP(handled, 256);
	u16 repeats[UMBRA_IOAPIC_PINS];
	struct hrtimer retry;
	struct umbra_iodev dev;
};

/**
 * struct umbra_irqchip - the interrupt controllers of a VM
 * @vm: whose
 * @full: @pic and @ioapic exist; else only local APICs do
 * @reserved_pins: GSIs of userspace's I/O APIC; split irqchip only
 * @lvt0_nmi: local APICs that take the PIT's tick as an NMI
 * @pic: i8259 pair
 * @ioapic: I/O APIC
 */
struct umbra_irqchip {
	struct umbra_vm *vm;
	bool full;
	unsigned int reserved_pins;
	atomic_t lvt0_nmi;
	struct umbra_pic pic;
	struct umbra_ioapic ioapic;
};

/* irqchip.c: services of pins ended, pins were unmasked (bit masks by pin of @chip). */
void umbra_irqchip_acked(struct umbra_vm *vm, unsigned int chip, u32 pins);
void umbra_irqchip_unmasked(struct umbra_vm *vm, unsigned int chip, u32 pins);

/* pic.c */
int umbra_pic_init(struct umbra_irqchip *irqchip);
void umbra_pic_exit(struct umbra_irqchip *irqchip);
int umbra_pic_set(struct umbra_irqchip *irqchip, unsigned int source, unsigned int pin,
		  int level);
bool umbra_pic_pending(struct umbra_irqchip *irqchip);
int umbra_pic_ack(struct umbra_irqchip *irqchip);
void umbra_pic_get_state(struct umbra_irqchip *irqchip, unsigned int which,
			 struct kvm_pic_state *state);
void umbra_pic_set_state(struct umbra_irqchip *irqchip, unsigned int which,
			 const struct kvm_pic_state *state);

/* ioapic.c */
int umbra_ioapic_init(struct umbra_irqchip *irqchip);
void umbra_ioapic_exit(struct umbra_irqchip *irqchip);
int umbra_ioapic_set(struct umbra_irqchip *irqchip, unsigned int source, unsigned int pin,
		     int level);
void umbra_ioapic_eoi(struct umbra_irqchip *irqchip, u8 vector, bool level);
void umbra_ioapic_get_state(struct umbra_irqchip *irqchip, struct kvm_ioapic_state *state);
void umbra_ioapic_set_state(struct umbra_irqchip *irqchip,
			    const struct kvm_ioapic_state *state);

/* routing.c */
int umbra_routing_default(struct umbra_vm *vm);
int umbra_routing_empty(struct umbra_vm *vm);
void umbra_routing_free(struct umbra_vm *vm);
/* The GSI that is routed to a pin of a chip, or -1; SRCU read side held. */
int umbra_routing_gsi(struct umbra_vm *vm, unsigned int chip, unsigned int pin);
/* Split irqchip: does a level-triggered route of userspace's I/O APIC send @vector? */
bool umbra_routing_user_eoi(struct umbra_irqchip *irqchip, u8 vector);

/* lapic_msg.c */
int umbra_msg_deliver(struct umbra_vm *vm, struct umbra_vcpu *sender,
		      const struct umbra_irq_msg *msg);

/* lapic.c, lapic_prio.c */
bool umbra_lapic_takes_pic(struct umbra_vcpu *vcpu);
void umbra_lapic_pit_tick(struct umbra_vcpu *vcpu);

/* pit.c: GSI 0 was acknowledged, or can be again */
void umbra_pit_acked(struct umbra_pit *pit);
void umbra_pit_unmasked(struct umbra_pit *pit);

#endif
