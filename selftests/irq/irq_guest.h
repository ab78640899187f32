/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: irq_guest
 *
 * A guest that does one thing at a time: the test calls a function, the vCPU
 * runs the few instructions for it in long mode and comes back by an OUT.  All
 * vectors lead to handlers that note vector and TSC in a log of the vCPU, and
 * end the interrupt when the test wants that.  Interrupts are off but for
 * ig_window(), ig_wait() and ig_halt().
 *
 * Guest memory: code at KU_CODE, handlers at IG_HANDLERS, one page of log for
 * each vCPU from IG_LOG on; the pages of the local APIC and of the I/O APIC are
 * mapped to themselves.
 */
#ifndef SELFTESTS_IRQ_GUEST_H
#define SELFTESTS_IRQ_GUEST_H

#include "kvm_util.h"
#include "ktap.h"

#define IG_HANDLERS	0x10000u	/* 16 bytes for each vector */
#define IG_LOG		0x20000u
#define IG_LOG_MAX	64

#define IG_APIC		0xfee00000ull
#define IG_IOAPIC	0xfec00000ull

/* Local APIC registers, SDM Vol. 3A table 11-1. */
#define APIC_ID		0x20
#define APIC_VERSION	0x30
#define APIC_TPR	0x80
#define APIC_PPR	0xa0
#define APIC_EOI	0xb0
#define APIC_LDR	0xd0
#define APIC_DFR	0xe0
#define APIC_SVR	0xf0
#define APIC_ISR	0x100
#define APIC_TMR	0x180
#define APIC_IRR	0x200
#define APIC_ESR	0x280
#define APIC_ICR	0x300
#define APIC_ICR2	0x310
#define APIC_LVTT	0x320
#define APIC_LVT_PMC	0x340
#define APIC_LVT0	0x350
#define APIC_LVT1	0x360
#define APIC_LVTERR	0x370
#define APIC_TMICT	0x380
#define APIC_TMCCT	0x390
#define APIC_TDCR	0x3e0
#define APIC_SELF_IPI	0x3f0

#define SVR_ENABLE	0x1ff		/* and spurious vector ffh */
#define LVT_MASKED	0x10000
#define LVTT_PERIODIC	0x20000
#define LVTT_DEADLINE	0x40000

#define ICR_LOWEST	0x00100
#define ICR_NMI		0x00400
#define ICR_INIT	0x00500
#define ICR_STARTUP	0x00600
#define ICR_LOGICAL	0x00800
#define ICR_ASSERT	0x04000
#define ICR_LEVEL	0x08000
#define ICR_SELF	0x40000
#define ICR_ALL		0x80000
#define ICR_OTHERS	0xc0000

#define MSR_APIC_BASE	0x1b
#define APIC_BASE_BSP	0x100
#define APIC_BASE_X2	0x400
#define APIC_BASE_ON	0x800
#define MSR_DEADLINE	0x6e0
#define MSR_X2APIC(reg)	(0x800 + ((reg) >> 4))

enum ig_eoi { IG_EOI_NONE, IG_EOI_APIC, IG_EOI_X2APIC };

/* What a handler of the guest noted, first at its log page. */
struct ig_log {
	uint32_t count;		/* entries, also those that did not fit */
	uint32_t eoi;		/* enum ig_eoi */
	uint32_t faulted;	/* the last operation took #GP */
	uint32_t unused;
	struct {
		uint64_t vector;
		uint64_t tsc;
	} entry[IG_LOG_MAX];
};

/* A VM with irqchip and PIT (speaker port too) whose vCPUs are made below. */
struct ku_vm *ig_vm_new(void);

/* Code and handlers into a VM that is set up otherwise. */
void ig_vm_load(struct ku_vm *vm);

/* Asked about other exits in the middle of an operation; true: go on. */
extern bool (*ig_on_exit)(struct ku_vcpu *vcpu, int reason);

/* The tests hang when interrupts do not come: end the program then, before the runner does. */
void ig_timeout(void);

/* A vCPU in long mode, runnable, with all CPUID that the device supports. */
struct ku_vcpu *ig_vcpu_new(struct ku_vm *vm, unsigned long id);
struct ig_log *ig_log(struct ku_vcpu *vcpu);
void ig_log_clear(struct ku_vcpu *vcpu);

/* Single operations. */
uint32_t ig_read(struct ku_vcpu *vcpu, uint64_t gpa);
void ig_write(struct ku_vcpu *vcpu, uint64_t gpa, uint32_t val);
uint64_t ig_rdmsr(struct ku_vcpu *vcpu, uint32_t msr);
void ig_wrmsr(struct ku_vcpu *vcpu, uint32_t msr, uint64_t val);
bool ig_rdmsr_faults(struct ku_vcpu *vcpu, uint32_t msr);
bool ig_wrmsr_faults(struct ku_vcpu *vcpu, uint32_t msr, uint64_t val);
uint8_t ig_in(struct ku_vcpu *vcpu, uint16_t port);
void ig_out(struct ku_vcpu *vcpu, uint16_t port, uint8_t val);
uint64_t ig_rdtsc(struct ku_vcpu *vcpu);
uint64_t ig_read_cr8(struct ku_vcpu *vcpu);
void ig_write_cr8(struct ku_vcpu *vcpu, uint64_t val);

/* Interrupts on for a few instructions: what is deliverable is taken. */
void ig_window(struct ku_vcpu *vcpu);
/* Interrupts on until the log has @count entries or @ticks of the TSC passed; the log's count. */
uint32_t ig_wait(struct ku_vcpu *vcpu, uint32_t count, uint64_t ticks);
/* STI; HLT until one interrupt was taken. */
void ig_halt(struct ku_vcpu *vcpu);

/* Guest TSC ticks of a time in microseconds. */
uint64_t ig_ticks(struct ku_vcpu *vcpu, uint64_t us);

static inline uint32_t ig_apic_read(struct ku_vcpu *vcpu, uint32_t reg)
{
	return ig_read(vcpu, IG_APIC + reg);
}

static inline void ig_apic_write(struct ku_vcpu *vcpu, uint32_t reg, uint32_t val)
{
	ig_write(vcpu, IG_APIC + reg, val);
}

#endif
