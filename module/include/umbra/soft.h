/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: guest code without a processor for it
 *
 * What core does in place of an engine: it executes a stretch of guest code by
 * the emulator and delivers events through the guest's IDT by itself.  Three
 * have use for it: the force_emulation parameter, an engine that cannot run
 * code of every mode (must_emulate in its table), and an engine that has no
 * hardware to deliver events (delivers_events is false).
 *
 * Where events are delivered in software, core also keeps NMI blocking and
 * judges what the guest can take; where a stretch is emulated, the engine is not
 * asked for anything.
 */
#ifndef UMBRA_SOFT_H
#define UMBRA_SOFT_H

#include "umbra/vcpu.h"

/* Instructions between two looks at what the host wants; slots can change only then. */
#define UMBRA_EMULATE_BATCH	4096

/* Core delivers this vCPU's events, and keeps its NMI blocking. */
static inline bool umbra_soft_events(const struct umbra_vcpu *vcpu)
{
	return vcpu->vm->force_emulation || !vcpu->vm->engine->delivers_events;
}

/* The code at the guest's RIP is not for the engine. */
static inline bool umbra_must_emulate(struct umbra_vcpu *vcpu)
{
	const struct umbra_engine *engine = vcpu->vm->engine;

	if (vcpu->vm->force_emulation)
		return true;
	return engine->must_emulate && engine->must_emulate(vcpu);
}

/**
 * umbra_emulate_run() - execute guest code in software
 * @vcpu: the vCPU; umbra_event_prepare() was called
 * @max: at most so many instructions (a batch of a REP counts as one)
 *
 * Ends early at a request, a signal, when the thread should be rescheduled, when
 * an event waits that the guest can take now, when the vCPU halts, when
 * something may have changed that decides on events, and when the engine can go
 * on by itself.  Without any of these no lock is taken and no FPU state loaded
 * between two instructions.
 *
 * Context: vCPU thread, SRCU read side held, registers all available; may sleep.
 * Return: 1: go round the run loop; 0: to userspace, kvm_run is filled; negative
 * errno.
 */
int umbra_emulate_run(struct umbra_vcpu *vcpu, unsigned int max);

/**
 * umbra_event_deliver_soft() - deliver an event through the guest's IDT
 * @vcpu: the vCPU
 * @event: what; RIP is moved by its insn_len first
 *
 * A fault on the way is queued and merges as SDM Vol. 3A 6.15 says: an exception
 * becomes #DF or a shutdown, an INT n is executed again, an interrupt is lost
 * as it is on a processor.  An NMI blocks further ones until IRET.
 *
 * Context: vCPU thread, SRCU read side held; may sleep.
 * Return: 1: delivered, or vcpu->exception has the fault, or a shutdown is
 * requested; 0: to userspace, kvm_run is filled; negative errno.
 */
int umbra_event_deliver_soft(struct umbra_vcpu *vcpu, const struct umbra_event *event);

/**
 * umbra_fault_now() - deliver the exception that waits, where nothing may be waited for
 * @vcpu: the vCPU; vcpu->exception has it, with an error code, and no payload waits
 *
 * Context: the vCPU's thread; interrupts may be off; two views.
 * Return: true: delivered; false: the run loop has to, nothing has happened.
 */
bool umbra_fault_now(struct umbra_vcpu *vcpu);

/* Which UMBRA_TAKE_* the guest can take now, where core delivers. */
u32 umbra_soft_can_take(const struct umbra_vcpu *vcpu);

#endif
