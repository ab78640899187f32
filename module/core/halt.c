// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: waiting
 *
 * A vCPU that executed HLT, or that waits to be started, sleeps in KVM_RUN.
 * Whoever queues something for it leaves a request and kicks it
 * (umbra_vcpu_kick()).
 */
#include "halt_internal.h"

#include <linux/ktime.h>
#include <linux/sched/signal.h>

#include "event_internal.h"
#include "exit_internal.h"
#include "umbra/fail.h"
#include "umbra/irqchip.h"
#include "umbra/trace.h"

int umbra_exit_halt(struct umbra_vcpu *vcpu)
{
	if (umbra_has_lapic(vcpu->vm)) {
		vcpu->mp_state = KVM_MP_STATE_HALTED;
		return 1;
	}
	vcpu->run->exit_reason = KVM_EXIT_HLT;
	return 0;
}

/* Something for the loop to look at. */
static bool has_work(struct umbra_vcpu *vcpu)
{
	/* An interrupt that the guest cannot take does not end a HLT. */
	unsigned long requests = READ_ONCE(vcpu->requests) &
				 ~(BIT(UMBRA_REQ_EVENT) | BIT(UMBRA_REQ_NMI) |
				   BIT(UMBRA_REQ_FLUSH_TLB) | BIT(UMBRA_REQ_LOAD_MMU));

	if (requests || READ_ONCE(vcpu->init_pending))
		return true;
	return vcpu->mp_state == KVM_MP_STATE_HALTED && umbra_event_wakes(vcpu);
}

void umbra_halt_wait(struct umbra_vcpu *vcpu)
{
	u64 start = ktime_get_ns();

	prepare_to_rcuwait(&vcpu->wait);
	for (;;) {
		if (vcpu->lapic)
			umbra_lapic_sync_timer(vcpu);
		set_current_state(TASK_INTERRUPTIBLE);
		umbra_linger();
		if (has_work(vcpu) || signal_pending(current))
			break;
		umbra_linger();
		schedule();
	}
	finish_rcuwait(&vcpu->wait);
	vcpu->stat.halt_wakeup++;
	trace_umbra_halt(vcpu->id, ktime_get_ns() - start);
}
