// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: events of a vCPU
 *
 * An event waits in one of four places: vcpu->event (its delivery began and was
 * interrupted by an exit), vcpu->exception (raised by core or the emulator),
 * nmi_queued, and the interrupt controllers (or irq_queued, when userspace has
 * them).  Before each entry one of them goes to the engine; after each exit the
 * engine gives back what did not arrive.  How it is delivered is the engine's;
 * where no hardware does it, soft.c delivers before the guest goes on.
 */
#include "event_internal.h"

#include <asm/debugreg.h>
#include <asm/irq_vectors.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "guest_debug_internal.h"
#include "ioctl_internal.h"
#include "umbra/irqchip.h"
#include "umbra/soft.h"
#include "umbra/trace.h"

/* General detect (SDM Vol. 3B 17.2.4): off while the handler runs. */
#define DR7_GD	BIT_ULL(13)

/* Classes of exceptions, SDM Vol. 3A 6.15, table 6-4. */
enum fault_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE_FAULT, CLASS_DOUBLE };

static enum fault_class classify(u8 vector)
{
	switch (vector) {
	case DE_VECTOR:
	case TS_VECTOR:
	case NP_VECTOR:
	case SS_VECTOR:
	case GP_VECTOR:
		return CLASS_CONTRIBUTORY;
	case PF_VECTOR:
		return CLASS_PAGE_FAULT;
	case DF_VECTOR:
		return CLASS_DOUBLE;
	default:
		return CLASS_BENIGN;
	}
}

/* SDM Vol. 3A 6.15, table 6-5: does @second during delivery of @first become #DF? */
static bool makes_double_fault(enum fault_class first, enum fault_class second)
{
	if (first == CLASS_CONTRIBUTORY)
		return second == CLASS_CONTRIBUTORY;
	if (first == CLASS_PAGE_FAULT)
		return second == CLASS_CONTRIBUTORY || second == CLASS_PAGE_FAULT;
	return false;
}

/* What the exception leaves in CR2 and DR6 (SDM Vol. 3A 6.15, 17.2.3). */
static void deliver_payload(struct umbra_vcpu *vcpu, u8 vector, u64 addr)
{
	struct umbra_regs *regs;

	if (vector == PF_VECTOR) {
		regs = umbra_regs_mut(vcpu, UMBRA_REGS_CR);
		regs->cr2 = addr;
	} else if (vector == DB_VECTOR) {
		regs = umbra_regs_mut(vcpu, UMBRA_REGS_DR);
		regs->dr6 = (regs->dr6 & ~(u64)DR_TRAP_BITS) | DR6_RESERVED | addr;
		regs->dr7 &= ~DR7_GD;
	}
}

static struct umbra_event exception_of(const struct umbra_fault *fault)
{
	return (struct umbra_event){
		.kind = UMBRA_EVENT_EXCEPTION,
		.vector = fault->vector,
		.has_error = fault->has_error,
		.error_code = fault->error_code,
	};
}

static void set_exception(struct umbra_vcpu *vcpu, const struct umbra_fault *fault)
{
	vcpu->exception = exception_of(fault);
	vcpu->exception_addr = fault->addr;
	/*
	 * With KVM_CAP_EXCEPTION_PAYLOAD userspace can see, and take away, an
	 * exception whose effects on CR2 and DR6 have not happened yet.
	 */
	vcpu->exception_payload = vcpu->vm->exception_payload &&
				  (fault->vector == PF_VECTOR || fault->vector == DB_VECTOR);
	if (!vcpu->exception_payload)
		deliver_payload(vcpu, fault->vector, fault->addr);
	/* Faults push RF = 1 in the saved flags (SDM Vol. 3A 6.8.3); traps do not. */
	if (fault->vector != DB_VECTOR && fault->vector != BP_VECTOR && fault->vector != OF_VECTOR)
		umbra_regs_mut(vcpu, UMBRA_REGS_GPR)->rflags |= X86_EFLAGS_RF;
}

/* Get (@set < 0) or set NMI blocking. */
static bool nmi_masked(struct umbra_vcpu *vcpu, int set)
{
	if (!umbra_soft_events(vcpu))
		return vcpu->vm->engine->nmi_masked(vcpu, set);
	if (set >= 0)
		vcpu->nmi_masked = set;
	return vcpu->nmi_masked;
}

/*
 * What was on its way is lost to the fault that its delivery met: a software interrupt comes
 * again, because RIP still points at it; an interrupt or an NMI, which the
 * processor has acknowledged and keeps nowhere, does not (SDM Vol. 3C 31.7.1.1:
 * the VMM reflects the fault, and nothing else).  NMIs are blocked since their delivery
 * began (27.3.1 there), up to the IRET of the fault's handler.
 */
static void lose_event(struct umbra_vcpu *vcpu)
{
	if (vcpu->event.kind == UMBRA_EVENT_NMI)
		nmi_masked(vcpu, 1);
	vcpu->event.kind = UMBRA_EVENT_NONE;
}

/**
 * umbra_queue_fault() - raise an exception in the guest
 * @vcpu: the vCPU
 * @fault: what
 *
 * Merges with an exception that is being delivered; any other event whose
 * delivery met @fault is lost.
 *
 * Context: vCPU thread.
 */
void umbra_queue_fault(struct umbra_vcpu *vcpu, const struct umbra_fault *fault)
{
	struct umbra_event *first = NULL;

	if (vcpu->exception.kind)
		first = &vcpu->exception;
	else if (vcpu->event.kind == UMBRA_EVENT_EXCEPTION)
		first = &vcpu->event;

	if (first) {
		enum fault_class class = classify(first->vector);
		enum fault_class second = classify(fault->vector);
		struct umbra_fault df = { .vector = DF_VECTOR, .has_error = true };

		/* INT3 whose delivery faults has not been executed (SDM Vol. 3A 6.5). */
		if (first->moved)
			umbra_regs_mut(vcpu, UMBRA_REGS_GPR)->rip -= first->moved;
		first->kind = UMBRA_EVENT_NONE;
		if (class == CLASS_DOUBLE && second != CLASS_BENIGN) {
			umbra_request(vcpu, UMBRA_REQ_SHUTDOWN);
			return;
		}
		if (makes_double_fault(class, second)) {
			deliver_payload(vcpu, fault->vector, fault->addr);
			set_exception(vcpu, &df);
			return;
		}
	}
	if (!first)
		lose_event(vcpu);
	set_exception(vcpu, fault);
}

void umbra_queue_trap(struct umbra_vcpu *vcpu, const struct umbra_fault *trap, unsigned int len)
{
	umbra_queue_fault(vcpu, trap);
	vcpu->exception.moved = len;
}

void umbra_queue_gp(struct umbra_vcpu *vcpu)
{
	struct umbra_fault gp = { .vector = GP_VECTOR, .has_error = true };

	umbra_queue_fault(vcpu, &gp);
}

/* Not inline: who finishes an instruction has no use for the frame. */
noinline void umbra_queue_db(struct umbra_vcpu *vcpu, u64 dr6)
{
	struct umbra_fault db = { .vector = DB_VECTOR, .addr = dr6 };

	umbra_queue_fault(vcpu, &db);
}

int umbra_after_insn(struct umbra_vcpu *vcpu, bool tf)
{
	if (!tf)
		return 1;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		return umbra_debug_exit(vcpu, DB_VECTOR, DR_STEP);
	umbra_queue_db(vcpu, DR_STEP);
	return 1;
}

int umbra_skip_insn(struct umbra_vcpu *vcpu, unsigned int len)
{
	struct umbra_regs *regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
	u64 rip = regs->rip + len;
	bool tf = umbra_debug_stepping(vcpu) || (regs->rflags & X86_EFLAGS_TF);

	/* Outside 64-bit mode EIP wraps; crossing 4 GiB is rare, so look only then. */
	if (unlikely((rip ^ regs->rip) >> 32)) {
		umbra_regs_get(vcpu, UMBRA_REGS_SEG | UMBRA_REGS_CR);
		if (!(regs->efer & EFER_LMA) || !(regs->seg[UMBRA_CS].attr & UMBRA_SEG_L))
			rip = (u32)rip;
	}
	regs->rip = rip;
	regs->int_shadow = 0;
	regs->rflags &= ~(u64)X86_EFLAGS_RF;
	return umbra_after_insn(vcpu, tf);
}

/* Userspace has (part of) the interrupt controllers: KVM_INTERRUPT is for it. */
static bool user_irqs(struct umbra_vcpu *vcpu)
{
	return !umbra_has_lapic(vcpu->vm) || vcpu->vm->split_irqchip;
}

static bool irq_pending(struct umbra_vcpu *vcpu)
{
	if (user_irqs(vcpu) && vcpu->irq_queued >= 0)
		return true;
	return vcpu->lapic && umbra_irq_pending(vcpu);
}

static int irq_ack(struct umbra_vcpu *vcpu)
{
	int vector = vcpu->irq_queued;

	if (user_irqs(vcpu) && vector >= 0) {
		vcpu->irq_queued = -1;
		return vector;
	}
	return umbra_irq_ack(vcpu);
}

static u32 can_take(struct umbra_vcpu *vcpu)
{
	if (umbra_soft_events(vcpu))
		return umbra_soft_can_take(vcpu);
	return vcpu->vm->engine->can_take(vcpu);
}

static struct umbra_event take_exception(struct umbra_vcpu *vcpu)
{
	struct umbra_event event = vcpu->exception;

	vcpu->exception.kind = UMBRA_EVENT_NONE;
	if (vcpu->exception_payload)
		deliver_payload(vcpu, event.vector, vcpu->exception_addr);
	vcpu->exception_payload = false;
	vcpu->stat.inject_exception++;
	return event;
}

static struct umbra_event take_interrupt(struct umbra_vcpu *vcpu)
{
	struct umbra_event event = { .kind = UMBRA_EVENT_INTR };
	int vector = irq_ack(vcpu);

	if (vector < 0)
		return (struct umbra_event){ .kind = UMBRA_EVENT_NONE };
	event.vector = vector;
	vcpu->stat.inject_irq++;
	return event;
}

static struct umbra_event take_nmi(struct umbra_vcpu *vcpu)
{
	atomic_dec(&vcpu->nmi_queued);
	vcpu->stat.inject_nmi++;
	return (struct umbra_event){ .kind = UMBRA_EVENT_NMI, .vector = NMI_VECTOR };
}

/*
 * DOC: which event is next
 *
 * The first of: exception, interrupted delivery, NMI, interrupt; else kind NONE.
 */
static struct umbra_event take_event(struct umbra_vcpu *vcpu)
{
	struct umbra_event event;
	u32 can;

	/* Both only where userspace has said so (KVM_SET_VCPU_EVENTS, KVM_SET_GUEST_DEBUG). */
	if (vcpu->exception.kind)
		return take_exception(vcpu);
	if (vcpu->event.kind) {
		event = vcpu->event;
		vcpu->event.kind = UMBRA_EVENT_NONE;
		return event;
	}
	can = umbra_debug_blocks_irq(vcpu) ? 0 : can_take(vcpu);
	if ((can & UMBRA_TAKE_NMI) && atomic_read(&vcpu->nmi_queued))
		return take_nmi(vcpu);
	if ((can & UMBRA_TAKE_INTR) && irq_pending(vcpu))
		return take_interrupt(vcpu);
	return (struct umbra_event){ .kind = UMBRA_EVENT_NONE };
}

/*
 * In software one event follows another at once: what faults on its way, and
 * what comes through a trap gate.  Bounded, because a level-triggered line can
 * go on for ever; the rest waits for the next round.
 */
static int deliver_events(struct umbra_vcpu *vcpu)
{
	unsigned int i;
	int ret = 1;

	for (i = 0; ret > 0 && i < 8; i++) {
		struct umbra_event event = take_event(vcpu);

		if (!event.kind)
			break;
		trace_umbra_inject(vcpu->id, event.kind, event.vector, event.error_code);
		ret = umbra_event_deliver_soft(vcpu, &event);
		if (test_bit(UMBRA_REQ_SHUTDOWN, &vcpu->requests))
			break;
	}
	return ret;
}

static void hand_over(struct umbra_vcpu *vcpu, const struct umbra_event *event)
{
	trace_umbra_inject(vcpu->id, event->kind, event->vector, event->error_code);
	vcpu->in_flight = true;
	vcpu->vm->engine->inject(vcpu, event);
}

static void inject_event(struct umbra_vcpu *vcpu)
{
	struct umbra_event event = take_event(vcpu);

	if (event.kind)
		hand_over(vcpu, &event);
}

void umbra_event_inject_now(struct umbra_vcpu *vcpu, const struct umbra_fault *fault)
{
	struct umbra_regs *regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR | UMBRA_REGS_CR);
	struct umbra_event event = exception_of(fault);

	/* As set_exception() and take_exception(), with nobody to see it in between. */
	regs->cr2 = fault->addr;
	regs->rflags |= X86_EFLAGS_RF;
	vcpu->stat.inject_exception++;
	hand_over(vcpu, &event);
	vcpu->vm->engine->push(vcpu);
}

/* Nothing to be delivered, and nothing that waits: so it is at most entries. */
static bool all_quiet(struct umbra_vcpu *vcpu)
{
	return !vcpu->exception.kind && !vcpu->event.kind && !vcpu->want &&
	       !atomic_read(&vcpu->nmi_queued) && !vcpu->run->request_interrupt_window &&
	       !irq_pending(vcpu);
}

/* Not inline: most of the time all is quiet. */
static noinline int prepare_some(struct umbra_vcpu *vcpu)
{
	u32 want = 0;
	int ret = 1;

	if (umbra_soft_events(vcpu))
		ret = deliver_events(vcpu);
	else
		inject_event(vcpu);
	if (ret <= 0)
		return ret;

	if (atomic_read(&vcpu->nmi_queued))
		want |= UMBRA_TAKE_NMI;
	if (irq_pending(vcpu) ||
	    (vcpu->run->request_interrupt_window && user_irqs(vcpu) && vcpu->irq_queued < 0))
		want |= UMBRA_TAKE_INTR;
	if (umbra_debug_blocks_irq(vcpu))
		want = 0;
	vcpu->want = want;
	if (!vcpu->vm->force_emulation)
		vcpu->vm->engine->want_window(vcpu, want);
	return 1;
}

int umbra_event_prepare(struct umbra_vcpu *vcpu)
{
	/* Then the engine was told so, and need not hear it again. */
	return likely(all_quiet(vcpu)) ? 1 : prepare_some(vcpu);
}

void umbra_event_take_back(struct umbra_vcpu *vcpu)
{
	struct umbra_event event = { .kind = UMBRA_EVENT_NONE };

	vcpu->in_flight = false;
	vcpu->vm->engine->cancel_event(vcpu, &event);
	if (!event.kind)
		return;
	/* An interrupt may be waiting behind this exception, see take_event(). */
	if (vcpu->event.kind && event.kind == UMBRA_EVENT_EXCEPTION)
		vcpu->exception = event;
	else
		vcpu->event = event;
}

bool umbra_event_wakes(struct umbra_vcpu *vcpu)
{
	u32 can;

	if (vcpu->exception.kind || vcpu->event.kind)
		return true;
	if (!atomic_read(&vcpu->nmi_queued) && !irq_pending(vcpu))
		return false;
	can = can_take(vcpu);
	if ((can & UMBRA_TAKE_NMI) && atomic_read(&vcpu->nmi_queued))
		return true;
	return (can & UMBRA_TAKE_INTR) && irq_pending(vcpu);
}

bool umbra_event_ready_for_user_irq(struct umbra_vcpu *vcpu)
{
	if (vcpu->irq_queued >= 0 || vcpu->event.kind || vcpu->exception.kind)
		return false;
	return can_take(vcpu) & UMBRA_TAKE_INTR;
}

void umbra_event_clear(struct umbra_vcpu *vcpu)
{
	vcpu->exception.kind = UMBRA_EVENT_NONE;
	vcpu->event.kind = UMBRA_EVENT_NONE;
	vcpu->irq_queued = -1;
	atomic_set(&vcpu->nmi_queued, 0);
	clear_bit(UMBRA_REQ_SHUTDOWN, &vcpu->requests);
	nmi_masked(vcpu, 0);
}

/* KVM_INTERRUPT: only without an in-kernel PIC (KVM api.rst 4.16). */
UMBRA_VCPU_IOCTL(interrupt)
{
	struct kvm_interrupt *irq = arg;

	if (irq->irq > 255)
		return -EINVAL;
	if (!user_irqs(vcpu))
		return -ENXIO;
	if (vcpu->irq_queued >= 0)
		return -EEXIST;
	vcpu->irq_queued = irq->irq;
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}

UMBRA_VCPU_IOCTL(nmi)
{
	umbra_vcpu_nmi(vcpu);
	return 0;
}

/*
 * Without KVM_CAP_EXCEPTION_PAYLOAD "injected" means both: being delivered, and
 * waiting to be.
 */
static void get_exception(struct umbra_vcpu *vcpu, struct kvm_vcpu_events *ev)
{
	const struct umbra_event *e = &vcpu->exception;

	ev->exception.pending = e->kind && vcpu->vm->exception_payload;
	ev->exception.injected = e->kind && !vcpu->vm->exception_payload;
	if (!e->kind) {
		e = &vcpu->event;
		ev->exception.injected = e->kind == UMBRA_EVENT_EXCEPTION;
	}
	if (e->kind != UMBRA_EVENT_EXCEPTION)
		return;
	ev->exception.nr = e->vector;
	ev->exception.has_error_code = e->has_error;
	ev->exception.error_code = e->error_code;
	if (ev->exception.pending && vcpu->exception_payload) {
		ev->exception_has_payload = 1;
		ev->exception_payload = vcpu->exception_addr;
	}
}

UMBRA_VCPU_IOCTL(get_vcpu_events)
{
	struct kvm_vcpu_events *ev = arg;
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_GPR);

	memset(ev, 0, sizeof(*ev));
	get_exception(vcpu, ev);
	if (vcpu->event.kind == UMBRA_EVENT_INTR || vcpu->event.kind == UMBRA_EVENT_SOFT) {
		ev->interrupt.injected = 1;
		ev->interrupt.nr = vcpu->event.vector;
		ev->interrupt.soft = vcpu->event.kind == UMBRA_EVENT_SOFT;
	}
	if (regs->int_shadow & UMBRA_SHADOW_STI)
		ev->interrupt.shadow |= KVM_X86_SHADOW_INT_STI;
	if (regs->int_shadow & UMBRA_SHADOW_MOV_SS)
		ev->interrupt.shadow |= KVM_X86_SHADOW_INT_MOV_SS;
	ev->nmi.injected = vcpu->event.kind == UMBRA_EVENT_NMI;
	ev->nmi.pending = atomic_read(&vcpu->nmi_queued);
	ev->nmi.masked = nmi_masked(vcpu, -1);
	ev->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	if (vcpu->vm->exception_payload)
		ev->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (vcpu->vm->triple_fault_event) {
		ev->triple_fault.pending = test_bit(UMBRA_REQ_SHUTDOWN, &vcpu->requests);
		ev->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
	return 0;
}

#define EVENTS_FLAGS (KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR | \
		      KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM)

static bool events_valid(const struct umbra_vcpu *vcpu, const struct kvm_vcpu_events *ev)
{
	u32 payload = vcpu->vm->exception_payload ? KVM_VCPUEVENT_VALID_PAYLOAD : 0;
	u32 triple = vcpu->vm->triple_fault_event ? KVM_VCPUEVENT_VALID_TRIPLE_FAULT : 0;

	if (ev->flags & ~(EVENTS_FLAGS | payload | triple))
		return false;
	if ((ev->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (ev->smi.smm || ev->smi.pending || ev->smi.smm_inside_nmi))
		return false;
	if (!ev->exception.injected && !(ev->exception.pending && payload))
		return true;
	return ev->exception.nr <= 31 && ev->exception.nr != NMI_VECTOR;
}

static void put_exception(struct umbra_vcpu *vcpu, const struct kvm_vcpu_events *ev)
{
	bool pending = (ev->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && ev->exception.pending;

	vcpu->exception.kind = UMBRA_EVENT_NONE;
	vcpu->exception_payload = false;
	if (!pending && !ev->exception.injected)
		return;
	vcpu->exception = (struct umbra_event){
		.kind = UMBRA_EVENT_EXCEPTION,
		.vector = ev->exception.nr,
		.has_error = ev->exception.has_error_code,
		.error_code = ev->exception.error_code,
	};
	if (pending && ev->exception_has_payload) {
		vcpu->exception_payload = true;
		vcpu->exception_addr = ev->exception_payload;
	}
}

UMBRA_VCPU_IOCTL(set_vcpu_events)
{
	const struct kvm_vcpu_events *ev = arg;
	struct umbra_regs *regs;

	if (!events_valid(vcpu, ev))
		return -EINVAL;

	vcpu->event.kind = UMBRA_EVENT_NONE;
	if (ev->interrupt.injected)
		vcpu->event = (struct umbra_event){
			.kind = ev->interrupt.soft ? UMBRA_EVENT_SOFT : UMBRA_EVENT_INTR,
			.vector = ev->interrupt.nr,
		};
	else if (ev->nmi.injected)
		vcpu->event = (struct umbra_event){
			.kind = UMBRA_EVENT_NMI, .vector = NMI_VECTOR,
		};
	put_exception(vcpu, ev);
	if (ev->flags & KVM_VCPUEVENT_VALID_SHADOW) {
		regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
		regs->int_shadow = 0;
		if (ev->interrupt.shadow & KVM_X86_SHADOW_INT_STI)
			regs->int_shadow |= UMBRA_SHADOW_STI;
		if (ev->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS)
			regs->int_shadow |= UMBRA_SHADOW_MOV_SS;
	}
	if (ev->flags & KVM_VCPUEVENT_VALID_NMI_PENDING)
		atomic_set(&vcpu->nmi_queued, min_t(int, ev->nmi.pending, 2));
	nmi_masked(vcpu, ev->nmi.masked ? 1 : 0);
	if (ev->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR)
		vcpu->sipi_vector = ev->sipi_vector;
	if (ev->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (ev->triple_fault.pending)
			umbra_request(vcpu, UMBRA_REQ_SHUTDOWN);
		else
			clear_bit(UMBRA_REQ_SHUTDOWN, &vcpu->requests);
	}
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}
