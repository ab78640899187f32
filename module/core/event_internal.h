/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: events of a vCPU
 *
 * Exceptions, NMIs and interrupts on their way into the guest, and the one
 * helper that everybody who finishes an instruction needs.
 */
#ifndef UMBRA_EVENT_INTERNAL_H
#define UMBRA_EVENT_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_event_prepare() - what the guest takes before it goes on
 * @vcpu: the vCPU
 *
 * Chooses by priority: interrupted delivery or exception, NMI, interrupt; asks
 * for a window for what has to wait.  Must be paired with umbra_event_cancel()
 * after the run, or instead of it.  Where core delivers events (soft.h) they
 * are delivered here.
 * Context: vCPU thread; SRCU read side held; may sleep.
 * Return: 1: go on; 0: to userspace, kvm_run is filled; negative errno.
 */
int umbra_event_prepare(struct umbra_vcpu *vcpu);

/**
 * umbra_event_inject_now() - a page fault is delivered by the next entry of a run()
 * @vcpu: the vCPU; no exception is queued, nothing was being delivered
 * @fault: the page fault
 *
 * For engines that deliver events themselves.  Whatever else waits goes on waiting, as at the
 * entry before.
 * Context: vCPU thread; interrupts may be off.
 */
void umbra_event_inject_now(struct umbra_vcpu *vcpu, const struct umbra_fault *fault);

/* Does what umbra_event_cancel() says. */
void umbra_event_take_back(struct umbra_vcpu *vcpu);

/**
 * umbra_event_cancel() - take back what was not delivered
 * @vcpu: the vCPU
 *
 * Context: vCPU thread, any.
 */
static inline void umbra_event_cancel(struct umbra_vcpu *vcpu)
{
	if (unlikely(vcpu->in_flight))
		umbra_event_take_back(vcpu);
}

/* True when something would be delivered to a halted vCPU: wake it. */
bool umbra_event_wakes(struct umbra_vcpu *vcpu);

/* Userspace's own interrupt controller may inject now. */
bool umbra_event_ready_for_user_irq(struct umbra_vcpu *vcpu);

/* Drop everything that is queued (reset). */
void umbra_event_clear(struct umbra_vcpu *vcpu);

/**
 * umbra_queue_gp() - queue #GP(0)
 * @vcpu: the vCPU
 */
void umbra_queue_gp(struct umbra_vcpu *vcpu);

/**
 * umbra_queue_trap() - queue the exception of an INT1, INT3 or INTO
 * @vcpu: the vCPU; RIP is behind the instruction
 * @trap: the exception
 * @len: the instruction's length in bytes, by which RIP goes back if the delivery faults
 */
void umbra_queue_trap(struct umbra_vcpu *vcpu, const struct umbra_fault *trap, unsigned int len);

/* Queue a #DB with the DR6 bits in @dr6. */
void umbra_queue_db(struct umbra_vcpu *vcpu, u64 dr6);

/**
 * umbra_skip_insn() - complete an instruction that core executed itself
 * @vcpu: the vCPU
 * @len: its length in bytes
 *
 * Moves RIP, ends the interrupt shadow and RFLAGS.RF, and queues the
 * single-step trap if RFLAGS.TF asks for it.
 * Return: 1, or 0 when userspace's single step ends here (KVM_EXIT_DEBUG is
 * filled in).
 */
int umbra_skip_insn(struct umbra_vcpu *vcpu, unsigned int len);

/* The single-step trap after an instruction; returns as umbra_skip_insn(). */
int umbra_after_insn(struct umbra_vcpu *vcpu, bool tf);

#endif
