/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: interrupt controllers
 *
 * The PC's interrupt controllers and timer: i8259 pair, I/O APIC, one local
 * APIC a vCPU, i8254, and the GSI routing between them.  They live in the
 * module because stock KVM clients demand it (KVM api.rst,
 * KVM_CREATE_IRQCHIP); every other device lives in userspace.
 */
#ifndef UMBRA_IRQCHIP_H
#define UMBRA_IRQCHIP_H

#include "umbra/types.h"

struct umbra_vm;
struct umbra_vcpu;
struct umbra_irqchip;		/* of a VM */
struct umbra_pit;
struct umbra_lapic;		/* of a vCPU */
struct kvm_irqchip;
struct kvm_pit_state2;
struct kvm_lapic_state;
struct kvm_irq_routing_entry;
struct kvm_msi;

#define UMBRA_IOAPIC_PINS	24
#define UMBRA_MAX_GSI		4096	/* as KVM */

/* Sources of a level, ORed on a line. */
#define UMBRA_IRQ_SOURCE_USER	0	/* KVM_IRQ_LINE */
#define UMBRA_IRQ_SOURCE_PIT	1
#define UMBRA_IRQ_SOURCE_FD	2	/* resampling irqfd */

/* Chips and lines. All return 0 or a negative errno unless said otherwise. */

/* KVM_CREATE_IRQCHIP: -EEXIST, -ENOMEM.  vm->lock held; no vCPU exists yet (-EINVAL checked by core). */
int umbra_irqchip_create(struct umbra_vm *vm);
/* KVM_CAP_SPLIT_IRQCHIP: only local APICs; @pins routes reserved for userspace's I/O APIC. */
int umbra_irqchip_create_split(struct umbra_vm *vm, unsigned int pins);
void umbra_irqchip_destroy(struct umbra_vm *vm);
/* KVM_GET_IRQCHIP / KVM_SET_IRQCHIP: -EINVAL for an unknown chip_id. */
int umbra_irqchip_get(struct umbra_vm *vm, struct kvm_irqchip *chip);
int umbra_irqchip_set(struct umbra_vm *vm, const struct kvm_irqchip *chip);

int umbra_pit_create(struct umbra_vm *vm, u32 flags);
void umbra_pit_destroy(struct umbra_vm *vm);
int umbra_pit_get(struct umbra_vm *vm, struct kvm_pit_state2 *state);
int umbra_pit_set(struct umbra_vm *vm, const struct kvm_pit_state2 *state);
int umbra_pit_reinject(struct umbra_vm *vm, bool reinject);
bool umbra_pit_get_reinject(struct umbra_vm *vm);

/**
 * umbra_irq_set() - change the level of a GSI
 * @vm: the VM
 * @source: UMBRA_IRQ_SOURCE_*
 * @gsi: global system interrupt, routed
 * @level: 1 or 0
 *
 * Context: atomic (irqfd wake-ups), any CPU.
 * Return: >0 delivered, 0 coalesced, <0 masked or ignored (as KVM_IRQ_LINE_STATUS).
 */
int umbra_irq_set(struct umbra_vm *vm, unsigned int source, u32 gsi, int level);

/* KVM_SIGNAL_MSI; atomic.  Returns >0 delivered, 0 blocked, -EINVAL. */
int umbra_msi_send(struct umbra_vm *vm, const struct kvm_msi *msi);

/* KVM_SET_GSI_ROUTING: @entries already copied; -EINVAL, -ENOMEM.  vm->irq_lock taken inside. */
int umbra_routing_set(struct umbra_vm *vm, const struct kvm_irq_routing_entry *entries,
		      unsigned int nr);

/* Called on EOI of @gsi pin for resampling irqfds. */
void umbra_irq_ack_notify(struct umbra_vm *vm, u32 gsi);

/* Local APIC. */
int umbra_lapic_create(struct umbra_vcpu *vcpu);
void umbra_lapic_destroy(struct umbra_vcpu *vcpu);
/* @init: by INIT (keeps APIC base), else power-on. */
void umbra_lapic_reset(struct umbra_vcpu *vcpu, bool init);
void umbra_lapic_get(struct umbra_vcpu *vcpu, struct kvm_lapic_state *state);
int umbra_lapic_set(struct umbra_vcpu *vcpu, const struct kvm_lapic_state *state);
u64 umbra_lapic_base(struct umbra_vcpu *vcpu);
/* MSR_IA32_APICBASE: -EINVAL on reserved bits or illegal transition (unless @host). */
int umbra_lapic_set_base(struct umbra_vcpu *vcpu, u64 base, bool host);
u64 umbra_lapic_cr8(struct umbra_vcpu *vcpu);
void umbra_lapic_set_cr8(struct umbra_vcpu *vcpu, u64 cr8);
/* x2APIC MSRs 0x800..0x8ff: 0 or -EINVAL (#GP). */
int umbra_lapic_msr_read(struct umbra_vcpu *vcpu, u32 msr, u64 *val);
int umbra_lapic_msr_write(struct umbra_vcpu *vcpu, u32 msr, u64 val);
u64 umbra_lapic_deadline(struct umbra_vcpu *vcpu);
void umbra_lapic_set_deadline(struct umbra_vcpu *vcpu, u64 tsc);
/* MMIO page at the APIC base: true when @gpa is inside; off or in x2APIC mode it reads ones. */
bool umbra_lapic_mmio(struct umbra_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data, bool write);
/* Split irqchip: vector of an EOI for KVM_EXIT_IOAPIC_EOI, once; -1 none.  After each exit of the guest. */
int umbra_lapic_take_eoi(struct umbra_vcpu *vcpu);
/* CPUID changed: deadline mode, x2APIC ids, ... */
void umbra_lapic_cpuid_changed(struct umbra_vcpu *vcpu);

/**
 * umbra_irq_pending() - is there an interrupt that could be taken now
 * @vcpu: the vCPU; atomic, may be called by other threads as a hint
 *
 * PIC (ExtINT through LVT0) and local APIC; priority (PPR) considered, RFLAGS.IF not.
 * Return: true when umbra_irq_ack() would return a vector.
 */
bool umbra_irq_pending(struct umbra_vcpu *vcpu);

/* Acknowledge: moves IRR to ISR (or INTA cycle of the PIC); vector or -1.  vCPU's own thread. */
int umbra_irq_ack(struct umbra_vcpu *vcpu);

/* The timer follows the vCPU to its CPU; called before each entry, irqs on. */
void umbra_lapic_sync_timer(struct umbra_vcpu *vcpu);

/* NMI pending bits, INIT and SIPI arrive through vcpu.h: umbra_vcpu_nmi(), umbra_vcpu_init(), umbra_vcpu_sipi(). */

#endif
