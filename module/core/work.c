// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the host's work for a thread in KVM_RUN
 *
 * What the kernel does when a thread returns to user mode - reschedule, task
 * work, signals - has to be done before guest mode, too, and the kernel has a
 * function for it.  Older kernels want a struct kvm_vcpu there, only to note a
 * pending signal in it: a sink takes the note.
 */
#include "work_internal.h"

#include <linux/kvm_host.h>
#include <linux/sched/signal.h>

#include "umbra/compat.h"

static struct kvm_run sink_run;
static struct kvm_vcpu __maybe_unused sink = { .run = &sink_run };

bool umbra_work_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

int umbra_work_handle(void)
{
	if (!umbra_work_pending())
		return 0;
	if (signal_pending(current))
		return -EINTR;
	return umbra_xfer_work(&sink) ? -EINTR : 0;
}
