// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: local APIC: timer
 *
 * One-shot and periodic countdown of a 1 GHz "bus clock" behind the divider,
 * and TSC-deadline mode (SDM Vol. 3A 11.5.4).  An hrtimer fires in hard
 * interrupt context, whichever CPU that is, and puts the interrupt into IRR by
 * itself: the vCPU's thread need not run for it.
 *
 * The vCPU's thread cancels the hrtimer before it changes what the callback
 * uses, so the two need no lock.
 *
 * Userspace saves registers and the MSR one after the other, and the timer may go
 * off in between.  An end that is not in the IRR it has seen must then be in what
 * it sees next: the deadline stays until its interrupt was taken or the vCPU
 * runs, the count is not 0 before the interrupt is in IRR (umbra_lapic_get()).
 */
#include "lapic_internal.h"

#include <linux/math64.h>
#include <linux/timekeeping.h>

#include "umbra/compat.h"

/* A guest cannot make the host take more interrupts than this from it. */
#define MIN_PERIOD_NS		200000ull
/* Longest single sleep in TSC-deadline mode; the callback looks again. */
#define MAX_SLEEP_NS		(60ull * NSEC_PER_SEC)

static u32 timer_mode(const struct umbra_lapic *lapic)
{
	return lapic_reg(lapic, APIC_LVTT) & LVTT_MODE;
}

static bool is_periodic(const struct umbra_lapic *lapic)
{
	return timer_mode(lapic) == APIC_LVT_TIMER_PERIODIC;
}

static bool is_deadline(const struct umbra_lapic *lapic)
{
	return timer_mode(lapic) == APIC_LVT_TIMER_TSCDEADLINE;
}

/* Divide configuration register: bits 3, 1, 0 (SDM Vol. 3A, figure 11-10). */
static u32 divisor(const struct umbra_lapic *lapic)
{
	u32 tdcr = lapic_reg(lapic, APIC_TDCR);
	u32 value = (tdcr & 3) | (tdcr & 8) >> 1;

	return 1u << ((value + 1) & 7);
}

static u64 count_to_ns(const struct umbra_lapic *lapic, u32 count)
{
	return (u64)count * divisor(lapic);
}

/* From now to the deadline in ns, 0 when it has passed. */
static u64 deadline_ns(const struct umbra_lapic *lapic, u64 deadline)
{
	struct umbra_vcpu *vcpu = lapic->vcpu;
	u64 khz = max(vcpu->tsc_khz, 1u);
	u64 now = umbra_guest_tsc(vcpu);
	u64 longest = khz * (MAX_SLEEP_NS / NSEC_PER_MSEC);

	if (deadline <= now)
		return 0;
	if (deadline - now >= longest)
		return MAX_SLEEP_NS;
	return div64_u64((deadline - now) * NSEC_PER_MSEC, khz) + 1;
}

static enum hrtimer_restart expire_deadline(struct umbra_lapic *lapic)
{
	u64 deadline = lapic->timer.deadline;
	u64 left = deadline_ns(lapic, deadline);

	/* Early: the host's clock is not exactly the guest's TSC, or it was far off. */
	if (left) {
		hrtimer_set_expires(&lapic->timer.hrtimer, ktime_add_ns(ktime_get(), left));
		return HRTIMER_RESTART;
	}
	umbra_lapic_local(lapic, APIC_LVTT);
	/* After the bit in IRR: umbra_lapic_deadline(). */
	smp_store_release(&lapic->timer.fired, true);
	return HRTIMER_NORESTART;
}

static void set_deadline(struct umbra_lapic *lapic, u64 tsc)
{
	WRITE_ONCE(lapic->timer.fired, false);
	WRITE_ONCE(lapic->timer.deadline, tsc);
}

static enum hrtimer_restart expire(struct hrtimer *hrtimer)
{
	struct umbra_lapic_timer *timer = container_of(hrtimer, struct umbra_lapic_timer,
						       hrtimer);
	struct umbra_lapic *lapic = container_of(timer, struct umbra_lapic, timer);

	if (is_deadline(lapic))
		return expire_deadline(lapic);
	umbra_lapic_local(lapic, APIC_LVTT);
	if (!is_periodic(lapic) || !timer->period)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(hrtimer, ns_to_ktime(timer->period));
	WRITE_ONCE(timer->target, ktime_to_ns(hrtimer_get_expires(hrtimer)));
	return HRTIMER_RESTART;
}

/* Count modes: fire in @ns. */
static void start_count(struct umbra_lapic *lapic, u64 ns)
{
	struct umbra_lapic_timer *timer = &lapic->timer;

	WRITE_ONCE(timer->target, ktime_get_ns() + ns);
	hrtimer_start(&timer->hrtimer, ns_to_ktime(timer->target), HRTIMER_MODE_ABS_HARD);
}

static void set_period(struct umbra_lapic *lapic)
{
	u64 period = count_to_ns(lapic, lapic_reg(lapic, APIC_TMICT));

	if (period && is_periodic(lapic))
		period = max(period, MIN_PERIOD_NS);
	lapic->timer.period = period;
}

/**
 * umbra_lapic_write_tmict() - initial count: starts the countdown
 * @lapic: the APIC
 * @val: count, 0 stops
 *
 * Context: vCPU thread.
 */
void umbra_lapic_write_tmict(struct umbra_lapic *lapic, u32 val)
{
	if (is_deadline(lapic))
		return;
	hrtimer_cancel(&lapic->timer.hrtimer);
	lapic_set_reg(lapic, APIC_TMICT, val);
	set_period(lapic);
	if (lapic->timer.period)
		start_count(lapic, lapic->timer.period);
}

/* Until the end of the countdown, in ns; not positive: the end is due. */
static s64 ns_left(const struct umbra_lapic *lapic)
{
	if (is_deadline(lapic) || !lapic->timer.period)
		return 0;
	return READ_ONCE(lapic->timer.target) - ktime_get_ns();
}

/**
 * umbra_lapic_timer_count() - current count register
 * @lapic: the APIC
 *
 * A periodic count begins anew at its end, however late the host's timer is; that
 * of a one-shot is at its end when the interrupt is there.
 * Context: vCPU thread.
 * Return: the count; 0 when stopped, expired or in TSC-deadline mode.
 */
u32 umbra_lapic_timer_count(const struct umbra_lapic *lapic)
{
	s64 left = ns_left(lapic);
	u64 over;

	if (left <= 0) {
		if (is_deadline(lapic) || !lapic->timer.period)
			return 0;
		if (!is_periodic(lapic))
			return hrtimer_active(&lapic->timer.hrtimer);
		div64_u64_rem(-left, lapic->timer.period, &over);
		left = lapic->timer.period - over;
	}
	return div_u64(left, divisor(lapic));
}

/**
 * umbra_lapic_write_tdcr() - divide configuration
 * @lapic: the APIC
 * @val: register value
 *
 * A running countdown keeps its count and goes on at the new speed.
 * Context: vCPU thread.
 */
void umbra_lapic_write_tdcr(struct umbra_lapic *lapic, u32 val)
{
	s64 left;
	u32 count;

	val &= 0xb;
	if (val == lapic_reg(lapic, APIC_TDCR))
		return;
	hrtimer_cancel(&lapic->timer.hrtimer);
	left = ns_left(lapic);
	count = left > 0 ? div_u64(left, divisor(lapic)) : 0;
	lapic_set_reg(lapic, APIC_TDCR, val);
	if (is_deadline(lapic)) {
		if (!lapic->timer.fired)
			umbra_lapic_set_deadline(lapic->vcpu, lapic->timer.deadline);
		return;
	}
	set_period(lapic);
	if (count || (lapic->timer.period && is_periodic(lapic)))
		start_count(lapic, count_to_ns(lapic, count));
}

/**
 * umbra_lapic_write_lvtt() - timer entry of the local vector table
 * @lapic: the APIC
 * @val: already stripped of reserved bits
 *
 * Into or out of TSC-deadline mode disarms the timer (SDM Vol. 3A 11.5.4.1).
 * Context: vCPU thread.
 */
void umbra_lapic_write_lvtt(struct umbra_lapic *lapic, u32 val)
{
	u32 changed = (lapic_reg(lapic, APIC_LVTT) ^ val) & APIC_LVT_TIMER_TSCDEADLINE;

	if (changed)
		umbra_lapic_timer_stop(lapic);
	lapic_set_reg(lapic, APIC_LVTT, val);
}

/**
 * umbra_lapic_timer_stop() - disarm in any mode
 * @lapic: the APIC
 *
 * Context: vCPU thread, or nobody else has the vCPU.
 */
void umbra_lapic_timer_stop(struct umbra_lapic *lapic)
{
	hrtimer_cancel(&lapic->timer.hrtimer);
	lapic_set_reg(lapic, APIC_TMICT, 0);
	lapic->timer.period = 0;
	set_deadline(lapic, 0);
}

/**
 * umbra_lapic_timer_restore() - the registers were replaced: go on from there
 * @lapic: the APIC
 * @current_count: what was left
 *
 * TSC-deadline mode goes on when userspace restores the MSR.
 * Context: vCPU thread.
 */
void umbra_lapic_timer_restore(struct umbra_lapic *lapic, u32 current_count)
{
	u64 left = count_to_ns(lapic, current_count);

	hrtimer_cancel(&lapic->timer.hrtimer);
	lapic->timer.period = 0;
	set_deadline(lapic, 0);
	if (is_deadline(lapic))
		return;
	set_period(lapic);
	if (!lapic->timer.period)
		return;
	if (is_periodic(lapic) && !left)
		left = lapic->timer.period;
	if (left)
		start_count(lapic, min(left, lapic->timer.period));
}

/**
 * umbra_lapic_deadline() - read IA32_TSC_DEADLINE
 * @vcpu: the vCPU
 *
 * Context: vCPU thread.
 * Return: the guest TSC that is waited for, or that has passed without the vCPU
 * having run since while its interrupt waits in IRR; 0 when not armed.
 */
u64 umbra_lapic_deadline(struct umbra_vcpu *vcpu)
{
	struct umbra_lapic *lapic = vcpu->lapic;

	if (!is_deadline(lapic))
		return 0;
	/* Pairs with expire_deadline(): then the bit in IRR was there. */
	if (smp_load_acquire(&lapic->timer.fired) &&
	    !umbra_lapic_requested(lapic, lapic_reg(lapic, APIC_LVTT) & 0xff))
		return 0;
	return READ_ONCE(lapic->timer.deadline);
}

/**
 * umbra_lapic_set_deadline() - write IA32_TSC_DEADLINE
 * @vcpu: the vCPU
 * @tsc: guest TSC; one in the past fires at once, 0 disarms; ignored outside
 *	TSC-deadline mode
 *
 * Context: vCPU thread.
 */
void umbra_lapic_set_deadline(struct umbra_vcpu *vcpu, u64 tsc)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	u64 left;

	if (!lapic_enabled(lapic) || !is_deadline(lapic))
		return;
	hrtimer_cancel(&lapic->timer.hrtimer);
	set_deadline(lapic, tsc);
	if (!tsc)
		return;
	left = deadline_ns(lapic, tsc);
	if (left)
		hrtimer_start(&lapic->timer.hrtimer, ktime_add_ns(ktime_get(), left),
			      HRTIMER_MODE_ABS_HARD);
	else
		expire_deadline(lapic);
}

/**
 * umbra_lapic_sync_timer() - the vCPU is about to run here
 * @vcpu: the vCPU
 *
 * An hrtimer fires on the CPU that started it.  It follows the vCPU, so that it
 * interrupts the guest by itself instead of sending an IPI after it.
 * Context: vCPU thread, interrupts on.
 */
void umbra_lapic_sync_timer(struct umbra_vcpu *vcpu)
{
	struct umbra_lapic_timer *timer = &vcpu->lapic->timer;
	int cpu = raw_smp_processor_id();

	if (unlikely(READ_ONCE(timer->fired)))
		set_deadline(vcpu->lapic, 0);
	if (likely(timer->cpu == cpu))
		return;
	timer->cpu = cpu;
	if (hrtimer_cancel(&timer->hrtimer))
		hrtimer_start_expires(&timer->hrtimer, HRTIMER_MODE_ABS_HARD);
}

/**
 * umbra_lapic_timer_init() - set up, not running
 * @lapic: zeroed
 */
void umbra_lapic_timer_init(struct umbra_lapic *lapic)
{
	umbra_hrtimer_setup(&lapic->timer.hrtimer, expire, CLOCK_MONOTONIC,
			    HRTIMER_MODE_ABS_HARD);
}
