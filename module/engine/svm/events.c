// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: events into the guest
 *
 * An event goes through the VMCB's EVENTINJ field (APM 15.20): the processor
 * delivers it through the guest's IDT as it enters.  When something stops the
 * delivery (a shadow page of the IDT or the stack is missing) the exit names
 * the event in EXITINTINFO, and core gets it back to try again.  A request to
 * hear when interrupts become possible is a virtual interrupt whose delivery is
 * intercepted (APM 15.21.4).
 *
 * What INT n, INT3 and INTO push is the next instruction's RIP.  Processors
 * with next-RIP save take it from the VMCB; for others RIP is moved before the
 * entry and moved back if the delivery did not happen.
 */
#include "svm_internal.h"

#include <asm/processor-flags.h>

#define VECTOR_BP	3
#define VECTOR_OF	4
#define VECTOR_NMI	2

static const u32 injected_types[] = {
	[UMBRA_EVENT_INTR]	= SVM_EVTINJ_TYPE_INTR,
	[UMBRA_EVENT_NMI]	= SVM_EVTINJ_TYPE_NMI,
	[UMBRA_EVENT_EXCEPTION]	= SVM_EVTINJ_TYPE_EXEPT,
	[UMBRA_EVENT_SOFT]	= SVM_EVTINJ_TYPE_SOFT,
};

/* Pushes the RIP behind the instruction, not of it. */
static bool is_soft(const struct umbra_event *event)
{
	return event->kind == UMBRA_EVENT_SOFT ||
	       (event->kind == UMBRA_EVENT_EXCEPTION &&
		(event->vector == VECTOR_BP || event->vector == VECTOR_OF));
}

/**
 * umbra_svm_inject() - deliver @event at the next entry
 * @vcpu: the vCPU
 * @event: what
 *
 * An NMI masks further ones until the guest's IRET.
 * Context: the vCPU's thread.
 */
void umbra_svm_inject(struct umbra_vcpu *vcpu, const struct umbra_event *event)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;
	u32 inj;

	if (WARN_ON_ONCE(event->kind == UMBRA_EVENT_NONE ||
			 event->kind > UMBRA_EVENT_SOFT || svm->pending.kind))
		return;
	inj = event->vector | injected_types[event->kind] | SVM_EVTINJ_VALID;
	/* Real mode knows no error codes; VMRUN refuses one there. */
	if (event->has_error && (vcpu->regs.cr0 & X86_CR0_PE)) {
		inj |= SVM_EVTINJ_VALID_ERR;
		control->event_inj_err = event->error_code;
	}
	if (event->kind == UMBRA_EVENT_NMI) {
		inj = (inj & ~SVM_EVTINJ_VEC_MASK) | VECTOR_NMI;
		umbra_svm_mask_nmi(svm, true);
	}
	control->event_inj = inj;
	svm->pending = *event;
}

/**
 * umbra_svm_prepare_event() - right before the entry: the RIP to push
 * @vcpu: the vCPU
 *
 * Context: interrupts off; VMCB.RIP is set already.
 */
void umbra_svm_prepare_event(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u64 next;

	if (!is_soft(&svm->pending))
		return;
	next = vcpu->regs.rip + svm->pending.insn_len;
	if (umbra_svm_caps.nrips)
		svm->vmcb->control.next_rip = next;
	else
		svm->vmcb->save.rip = next;
}

/* EXITINTINFO in neutral words. */
static void decode_interrupted(const struct vmcb_control_area *control, struct umbra_event *event)
{
	u32 info = control->exit_int_info;

	event->vector = info & SVM_EXITINTINFO_VEC_MASK;
	event->insn_len = 0;
	event->has_error = info & SVM_EXITINTINFO_VALID_ERR;
	event->error_code = event->has_error ? control->exit_int_info_err : 0;
	switch (info & SVM_EXITINTINFO_TYPE_MASK) {
	case SVM_EXITINTINFO_TYPE_INTR:
		event->kind = UMBRA_EVENT_INTR;
		break;
	case SVM_EXITINTINFO_TYPE_NMI:
		event->kind = UMBRA_EVENT_NMI;
		break;
	case SVM_EXITINTINFO_TYPE_EXEPT:
		event->kind = UMBRA_EVENT_EXCEPTION;
		break;
	case SVM_EXITINTINFO_TYPE_SOFT:
		event->kind = UMBRA_EVENT_SOFT;
		break;
	default:
		event->kind = UMBRA_EVENT_NONE;
		break;
	}
}

/* The exit came in the middle of a delivery.  Not inline: it seldom does. */
static noinline void take_back(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct umbra_event *back = &svm->interrupted;
	struct umbra_event sent = svm->pending;

	decode_interrupted(&svm->vmcb->control, back);
	vcpu->in_flight = true;
	if (back->kind == UMBRA_EVENT_NMI)
		umbra_svm_mask_nmi(svm, false);
	if (!is_soft(back))
		return;
	if (sent.kind == back->kind && sent.vector == back->vector) {
		if (!umbra_svm_caps.nrips)
			vcpu->regs.rip -= sent.insn_len;
		*back = sent;
	} else {
		back->kind = UMBRA_EVENT_NONE;
	}
}

/**
 * umbra_svm_complete_event() - right after the exit: what was not delivered
 * @vcpu: the vCPU; RIP is copied already
 *
 * INT n and INT3 that the guest executed itself are not taken note of: RIP is
 * still at the instruction, which runs again.
 * Context: interrupts off.
 */
void umbra_svm_complete_event(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;

	if (unlikely(control->exit_int_info & SVM_EXITINTINFO_VALID))
		take_back(vcpu);
	else
		svm->interrupted.kind = UMBRA_EVENT_NONE;
	svm->pending.kind = UMBRA_EVENT_NONE;
	control->event_inj = 0;
}

/**
 * umbra_svm_cancel_event() - take back what was not delivered
 * @vcpu: the vCPU
 * @event: result; kind NONE when there is none
 *
 * Either the entry did not happen, or the delivery was interrupted.
 * Context: the vCPU's thread.
 */
void umbra_svm_cancel_event(struct umbra_vcpu *vcpu, struct umbra_event *event)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (unlikely(svm->pending.kind)) {
		*event = svm->pending;
		svm->pending.kind = UMBRA_EVENT_NONE;
		svm->vmcb->control.event_inj = 0;
		if (event->kind == UMBRA_EVENT_NMI)
			umbra_svm_mask_nmi(svm, false);
		return;
	}
	*event = svm->interrupted;
	svm->interrupted.kind = UMBRA_EVENT_NONE;
}

/**
 * umbra_svm_can_take() - what may be injected now
 * @vcpu: the vCPU
 *
 * Return: UMBRA_TAKE_* bits.
 */
u32 umbra_svm_can_take(struct umbra_vcpu *vcpu)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct umbra_regs *regs = &vcpu->regs;
	u32 take = 0;

	if (svm->pending.kind || regs->int_shadow)
		return 0;
	if (regs->rflags & X86_EFLAGS_IF)
		take |= UMBRA_TAKE_INTR;
	if (!svm->nmi_masked)
		take |= UMBRA_TAKE_NMI;
	return take;
}

#define V_WINDOW (V_IRQ_MASK | V_IGN_TPR_MASK | V_INTR_PRIO_MASK)

static void set_irq_window(struct svm_vcpu *svm)
{
	if (svm->vmcb->control.int_ctl & V_IRQ_MASK)
		return;
	svm->vmcb->control.int_ctl |= V_WINDOW;
	svm_intercept(svm, INTERCEPT_VINTR, true);
	svm_changed(svm, SVM_CLEAN_INTR);
}

/**
 * umbra_svm_clear_irq_window() - nobody waits for interrupts to be possible
 * @svm: the vCPU's engine data
 */
void umbra_svm_clear_irq_window(struct svm_vcpu *svm)
{
	if (!(svm->vmcb->control.int_ctl & V_IRQ_MASK))
		return;
	svm->vmcb->control.int_ctl &= ~V_WINDOW;
	svm_intercept(svm, INTERCEPT_VINTR, false);
	svm_changed(svm, SVM_CLEAN_INTR);
}

/**
 * umbra_svm_want_window() - exit as soon as these can be injected
 * @vcpu: the vCPU
 * @mask: UMBRA_TAKE_* bits; replaces an earlier wish
 *
 * Context: the vCPU's thread.
 */
void umbra_svm_want_window(struct umbra_vcpu *vcpu, u32 mask)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (mask & UMBRA_TAKE_INTR)
		set_irq_window(svm);
	else
		umbra_svm_clear_irq_window(svm);
	umbra_svm_want_nmi(vcpu, mask & UMBRA_TAKE_NMI);
}
