/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: inside the local APIC
 *
 * lapic.c       life, base address, saved state
 * lapic_prio.c  IRR, ISR, priorities, acknowledge, end of interrupt
 * lapic_reg.c   registers by MMIO and MSR
 * lapic_msg.c   messages: who is meant, and acceptance
 * lapic_timer.c the timer
 */
#ifndef UMBRA_LAPIC_INTERNAL_H
#define UMBRA_LAPIC_INTERNAL_H

#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <asm/apicdef.h>
#include <asm/msr-index.h>

#include "irqchip_internal.h"
#include "umbra/vcpu.h"

#define LAPIC_PAGE		0x1000
#define LAPIC_NR_LVT		6
#define LAPIC_LVT(i)		(APIC_LVTT + 0x10 * (i))
#define LVTT_MODE		(APIC_LVT_TIMER_PERIODIC | APIC_LVT_TIMER_TSCDEADLINE)
#define LVT_DM(lvt)		(((lvt) >> 8) & 7)

/* Error status register, SDM Vol. 3A 11.5.3. */
#define ESR_SEND_ILLEGAL	BIT(5)
#define ESR_RECV_ILLEGAL	BIT(6)
#define ESR_ILLEGAL_REG		BIT(7)
#define LAPIC_FIRST_VECTOR	16	/* vectors below are illegal in messages */

/**
 * struct umbra_lapic_timer - the APIC timer
 * @hrtimer: fires in hard interrupt context
 * @period: initial count in ns, 0 stopped; not in TSC-deadline mode
 * @target: when @hrtimer fires in count modes, ns of CLOCK_MONOTONIC
 * @deadline: IA32_TSC_DEADLINE, 0 not armed
 * @fired: it has passed, and the vCPU has not run since
 * @cpu: where the vCPU last was when @hrtimer was moved after it
 *
 * The vCPU's thread writes while @hrtimer is cancelled; its callback writes
 * @target and @fired.
 */
struct umbra_lapic_timer {
	struct hrtimer hrtimer;
	u64 period;
	u64 target;
	u64 deadline;
	bool fired;
	int cpu;
};

/**
 * struct umbra_lapic - local APIC of a vCPU
 * @vcpu: whose
 * @regs: registers as KVM_GET_LAPIC shows them.  IRR and TMR: atomic bits,
 *	anybody; the rest: the vCPU's thread, read by others
 * @base: IA32_APIC_BASE
 * @irr_pending: false: IRR is empty.  Set after a bit in IRR, see lapic_prio.c
 * @isr_top: highest vector in service, -1 none
 * @esr: errors since the last write of ESR; anybody
 * @wins: how often lowest-priority arbitration chose this one; a hint
 * @lvt0_nmi: counted in umbra_irqchip.lvt0_nmi
 * @deadline_mode: CPUID offers TSC-deadline mode
 * @user_eoi: vector whose EOI userspace's I/O APIC must hear of, -1 none
 * @timer: APIC timer
 */
struct umbra_lapic {
	struct umbra_vcpu *vcpu;
	u8 regs[KVM_APIC_REG_SIZE] __aligned(16);
	u64 base;
	bool irr_pending;
	int isr_top;
	atomic_t esr;
	u32 wins;
	bool lvt0_nmi;
	bool deadline_mode;
	int user_eoi;
	struct umbra_lapic_timer timer;
};

static inline u32 lapic_reg(const struct umbra_lapic *lapic, unsigned int reg)
{
	return READ_ONCE(*(const u32 *)(lapic->regs + reg));
}

static inline void lapic_set_reg(struct umbra_lapic *lapic, unsigned int reg, u32 val)
{
	WRITE_ONCE(*(u32 *)(lapic->regs + reg), val);
}

static inline bool lapic_enabled(const struct umbra_lapic *lapic)
{
	return READ_ONCE(lapic->base) & MSR_IA32_APICBASE_ENABLE;
}

static inline bool lapic_x2apic(const struct umbra_lapic *lapic)
{
	return READ_ONCE(lapic->base) & X2APIC_ENABLE;
}

static inline bool lapic_sw_enabled(const struct umbra_lapic *lapic)
{
	return lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_APIC_ENABLED;
}

/* lapic.c */
void umbra_lapic_lvt0_changed(struct umbra_lapic *lapic);

/* lapic_prio.c */
bool umbra_lapic_request(struct umbra_lapic *lapic, u8 vector, bool level);
bool umbra_lapic_requested(struct umbra_lapic *lapic, u8 vector);
u8 umbra_lapic_ppr(const struct umbra_lapic *lapic);
void umbra_lapic_eoi(struct umbra_lapic *lapic);
void umbra_lapic_recount(struct umbra_lapic *lapic);

/* lapic_msg.c */
int umbra_lapic_local(struct umbra_lapic *lapic, unsigned int lvt);
void umbra_lapic_send(struct umbra_lapic *lapic, u32 icr, u32 dest);
void umbra_lapic_error(struct umbra_lapic *lapic, u32 esr);

/* lapic_timer.c */
void umbra_lapic_timer_init(struct umbra_lapic *lapic);
void umbra_lapic_timer_stop(struct umbra_lapic *lapic);
void umbra_lapic_timer_restore(struct umbra_lapic *lapic, u32 current_count);
u32 umbra_lapic_timer_count(const struct umbra_lapic *lapic);
void umbra_lapic_write_lvtt(struct umbra_lapic *lapic, u32 val);
void umbra_lapic_write_tmict(struct umbra_lapic *lapic, u32 val);
void umbra_lapic_write_tdcr(struct umbra_lapic *lapic, u32 val);

#endif
