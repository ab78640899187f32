// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest code without a processor for it
 *
 * A stretch of instructions by the emulator, and events through the guest's
 * IDT.  The run loop (run.c) decides when; event.c chooses the event.
 */
#include "umbra/soft.h"

#include <asm/processor-flags.h>

#include "emulate_internal.h"
#include "event_internal.h"
#include "exit_internal.h"
#include "io_internal.h"
#include "umbra/trace.h"
#include "work_internal.h"

u32 umbra_soft_can_take(const struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = &vcpu->regs;
	u32 take = 0;

	if (regs->int_shadow)
		return 0;
	if (regs->rflags & X86_EFLAGS_IF)
		take |= UMBRA_TAKE_INTR;
	if (!vcpu->nmi_masked)
		take |= UMBRA_TAKE_NMI;
	return take;
}

/* Something for the loop before the next instruction. */
static bool must_stop(struct umbra_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->requests) || vcpu->look_again || umbra_work_pending())
		return true;
	if (vcpu->exception.kind || vcpu->event.kind || READ_ONCE(vcpu->init_pending))
		return true;
	if (vcpu->mp_state != KVM_MP_STATE_RUNNABLE)
		return true;
	return (vcpu->want && (vcpu->want & umbra_soft_can_take(vcpu))) ||
	       !umbra_must_emulate(vcpu);
}

int umbra_emulate_run(struct umbra_vcpu *vcpu, unsigned int max)
{
	int ret = 1;

	vcpu->look_again = false;
	while (ret > 0 && max-- && !must_stop(vcpu)) {
		ret = umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
		vcpu->emul.keep = true;
	}
	vcpu->emul.keep = false;
	return ret;
}

/* Pushes the RIP behind the instruction, and the gate's DPL counts. */
static bool is_soft(const struct umbra_event *event)
{
	return event->kind == UMBRA_EVENT_SOFT ||
	       (event->kind == UMBRA_EVENT_EXCEPTION &&
		(event->vector == BP_VECTOR || event->vector == OF_VECTOR));
}

/* Delivery of @event raised the fault in vcpu->emul. */
static void fault_on_the_way(struct umbra_vcpu *vcpu, const struct umbra_event *event)
{
	/* In its place: umbra_queue_fault() merges the two. */
	if (event->kind == UMBRA_EVENT_EXCEPTION)
		vcpu->exception = *event;
	else
		vcpu->event = *event;
	umbra_queue_fault(vcpu, &vcpu->emul.fault);
}

static int not_deliverable(struct umbra_vcpu *vcpu, const struct umbra_event *event)
{
	u64 data[2] = { event->vector | (u64)event->kind << 8, umbra_linear_rip(vcpu) };

	pr_debug("umbra: cannot deliver vector %u: %s\n", event->vector,
		 vcpu->emul.reason ?: "its frame or tables are in a device");
	return umbra_exit_internal(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV, data, ARRAY_SIZE(data));
}

/* Return: anything but OK ends the attempt. */
static int access_now(struct umbra_vcpu *vcpu, gva_t gva, void *buf, unsigned int len, bool write)
{
	if (likely(umbra_mmu_access_now(vcpu->mmu, gva, buf, len, write)))
		return UMBRA_EMUL_OK;
	vcpu->missed = gva;
	vcpu->missed_write = write;
	return UMBRA_EMUL_ERROR;
}

static int read_now(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len, unsigned int acc)
{
	return access_now(e->owner, gva, buf, len, false);
}

static int write_now(struct umbra_emul *e, gva_t gva, const void *buf, unsigned int len,
		     unsigned int acc)
{
	return access_now(e->owner, gva, (void *)buf, len, true);
}

static const struct umbra_emul_ops now_ops = {
	.read = read_now,
	.write = write_now,
};

/* All of a delivery's accesses.  The MMU lock is held. */
static bool deliver_now(void *arg)
{
	struct umbra_vcpu *vcpu = arg;
	struct umbra_emul *e = &vcpu->emul;
	const struct umbra_emul_ops *ops = e->ops;
	int ret;

	e->ops = &now_ops;
	ret = umbra_emul_event_plain(e, vcpu->exception.vector, vcpu->exception.error_code);
	e->ops = ops;
	return ret == UMBRA_EMUL_OK;
}

bool umbra_fault_now(struct umbra_vcpu *vcpu)
{
	struct umbra_event *event = &vcpu->exception;

	if (vcpu->exception_payload || vcpu->event.kind || vcpu->want ||
	    !umbra_mmu_accesses_now(vcpu->mmu, deliver_now, vcpu))
		return false;
	trace_umbra_inject(vcpu->id, event->kind, event->vector, event->error_code);
	event->kind = UMBRA_EVENT_NONE;
	vcpu->stat.inject_exception++;
	return true;
}

/*
 * Only the processor reads the guest's IDT, so nothing else would bring it into the kernel view:
 * a fault there, as if the supervisor had touched it.
 */
static noinline void fetch_missed(struct umbra_vcpu *vcpu)
{
	struct umbra_fault_info info;

	umbra_mmu_set_view(vcpu->mmu, UMBRA_VIEW_KERNEL);
	umbra_mmu_fault(vcpu->mmu, vcpu->missed, vcpu->missed_write ? UMBRA_PF_W : 0, false, &info);
	vcpu->missed = 0;
}

int umbra_event_deliver_soft(struct umbra_vcpu *vcpu, const struct umbra_event *event)
{
	struct umbra_regs *regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
	struct umbra_emul *e = &vcpu->emul;
	bool soft = is_soft(event);
	bool has_error;
	u64 rip;
	int ret;

	umbra_regs_get(vcpu, UMBRA_REGS_ALL);
	rip = regs->rip;
	if (soft)
		regs->rip += event->insn_len;
	/* Real mode knows no error codes. */
	has_error = event->has_error && (regs->cr0 & X86_CR0_PE);
	umbra_io_begin(vcpu, UMBRA_INVALID_GPA);
	ret = umbra_emul_interrupt(e, event->vector, soft, has_error, event->error_code);
	umbra_io_end(vcpu);
	if (ret == UMBRA_EMUL_OK) {
		if (unlikely(vcpu->missed))
			fetch_missed(vcpu);
		if (event->kind == UMBRA_EVENT_NMI)
			vcpu->nmi_masked = true;
		return 1;
	}
	regs->rip = rip;
	switch (ret) {
	case UMBRA_EMUL_FAULT:
		fault_on_the_way(vcpu, event);
		return 1;
	case UMBRA_EMUL_ERROR:
		return e->error;
	default:
		return not_deliverable(vcpu, event);
	}
}
