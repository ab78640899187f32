// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: KVM_RUN
 *
 * The loop of a vCPU's thread: do what others requested, choose an event, load
 * the shadow root, enter the guest, handle the exit - until userspace has to
 * know, a signal comes, or the VM dies.
 *
 * Around one entry:
 *
 *   preemption off     guest FPU state is in the processor (fpu.c)
 *     interrupts off   vcpu->mode = IN_GUEST; requests and host work are looked
 *                      at once more: whoever leaves one later sends an interrupt
 *       engine->run()  SRCU is not held: slots may change under a running guest
 *     interrupts on    the host handles what ended the guest's turn
 *   preemption on      the exit is handled; everything may sleep
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vtime.h>

#include "clock_internal.h"
#include "cr_internal.h"
#include "emulate_internal.h"
#include "event_internal.h"
#include "exit_internal.h"
#include "fpu_internal.h"
#include "halt_internal.h"
#include "ioctl_internal.h"
#include "look_internal.h"
#include "mp_internal.h"
#include "soft_tlb_internal.h"
#include "steal_internal.h"
#include "sync_internal.h"
#include "umbra/compat.h"
#include "umbra/fail.h"
#include "umbra/irqchip.h"
#include "umbra/soft.h"
#include "umbra/trace.h"
#include "work_internal.h"

/* Do what other threads asked for.  Returns as exit handlers do. */
static int handle_requests(struct umbra_vcpu *vcpu)
{
	if (likely(!READ_ONCE(vcpu->requests)))
		return 1;
	if (test_bit(UMBRA_REQ_DEAD, &vcpu->requests))
		return -EIO;
	if (umbra_take_request(vcpu, UMBRA_REQ_SHUTDOWN))
		return umbra_exit_shutdown(vcpu);
	/* What the shadow has lost or may not be written in it: soft_tlb.c has nothing of that. */
	if (umbra_take_request(vcpu, UMBRA_REQ_FLUSH_TLB)) {
		vcpu->vm->engine->flush_tlb(vcpu);
		vcpu->stat.tlb_flush++;
	}
	if (umbra_take_request(vcpu, UMBRA_REQ_CLOCK))
		umbra_clock_update(vcpu);
	if (umbra_take_request(vcpu, UMBRA_REQ_CONFIGURE))
		vcpu->vm->engine->configure(vcpu);
	if (umbra_take_request(vcpu, UMBRA_REQ_LOOK))
		umbra_look_answer(vcpu);
	/* These only make the loop come round: it looks at what they announce anyway. */
	umbra_take_request(vcpu, UMBRA_REQ_LOAD_MMU);
	umbra_take_request(vcpu, UMBRA_REQ_EVENT);
	umbra_take_request(vcpu, UMBRA_REQ_NMI);
	umbra_linger();
	return 1;
}

static int load_root(struct umbra_vcpu *vcpu)
{
	bool fresh;
	hpa_t root;
	int err;

	if (vcpu->vm->two_views)
		umbra_mmu_set_view(vcpu->mmu, vcpu->regs.cpl == 3 ? UMBRA_VIEW_USER :
				   UMBRA_VIEW_KERNEL);
	err = umbra_mmu_load(vcpu->mmu, &root, &fresh);
	if (!err)
		vcpu->vm->engine->set_root(vcpu, root, fresh);
	return err;
}

/* Last look, with interrupts off and the mode published: may the guest run? */
static bool must_not_enter(struct umbra_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) || umbra_work_pending();
}

/* Slots stay from here on, and what the emulator remembers of them is true. */
static int lock_slots(struct umbra_vcpu *vcpu)
	__acquires(&vcpu->vm->srcu)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);

	if (vcpu->soft_tlb)
		umbra_soft_tlb_check(vcpu);
	return idx;
}

/* The guest runs.  Interrupts off; SRCU not held. */
static void run_guest(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	const struct umbra_engine *engine = vcpu->vm->engine;

	if (vcpu->regs.dirty)
		engine->push(vcpu);
	umbra_entry_note(vcpu);
	umbra_fpu_guest_xcr0(vcpu);
	vtime_account_guest_enter();
	engine->run(vcpu, exit);
	umbra_fpu_host_xcr0(vcpu);
}

/*
 * DOC: one entry
 *
 * From interrupts off to interrupts on; SRCU not held.  Return: false: the guest did
 * not run, for a request came first (Documentation/locking.rst, requests and kicks).
 */
static bool enter_once(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	const struct umbra_engine *engine = vcpu->vm->engine;
	bool entered = false;

	local_irq_disable();
	/* A full barrier: the mode is seen before the requests are looked at. */
	smp_store_mb(vcpu->mode, UMBRA_IN_GUEST);
	umbra_linger();
	if (!must_not_enter(vcpu)) {
		umbra_linger();
		run_guest(vcpu, exit);
		entered = true;
	}
	/* What the guest did is seen before the mode. */
	smp_store_release(&vcpu->mode, UMBRA_OUTSIDE);
	if (entered)
		engine->handle_host_event(vcpu, exit);
	local_irq_enable();
	if (entered) {
		/* The tick that ended the guest's turn is charged to the guest. */
		local_irq_disable();
		vtime_account_guest_exit();
		local_irq_enable();
	}
	return entered;
}

/* One turn of the guest.  False: it did not run, look again at requests and work. */
static bool enter(struct umbra_vcpu *vcpu, struct umbra_exit *exit, int *idx)
{
	const struct umbra_engine *engine = vcpu->vm->engine;
	bool entered;

	umbra_fpu_enter(vcpu);
	vcpu->cpu = smp_processor_id();
	engine->load(vcpu, vcpu->cpu);
	/* A guest that runs for long holds up no change of slots: those flush it. */
	srcu_read_unlock(&vcpu->vm->srcu, *idx);
	entered = enter_once(vcpu, exit);
	*idx = lock_slots(vcpu);
	engine->put(vcpu);
	umbra_fpu_leave(vcpu);
	/* Returns what was being delivered; without an entry, what was to be. */
	umbra_event_cancel(vcpu);
	return entered;
}

/* One round in software.  SRCU is let go between two rounds, as around an entry. */
static int emulate_step(struct umbra_vcpu *vcpu, int *idx)
{
	int ret;

	srcu_read_unlock(&vcpu->vm->srcu, *idx);
	*idx = lock_slots(vcpu);
	umbra_regs_get(vcpu, UMBRA_REGS_ALL);
	ret = umbra_event_prepare(vcpu);
	if (ret <= 0)
		return ret;
	ret = umbra_emulate_run(vcpu, UMBRA_EMULATE_BATCH);
	/* Returns what was to be delivered by an engine that does not run. */
	umbra_event_cancel(vcpu);
	return ret;
}

/* Return: 1: enter the guest; 0: emulate an instruction instead; negative errno. */
static int prepare_engine(struct umbra_vcpu *vcpu)
{
	const struct umbra_engine *engine = vcpu->vm->engine;

	return engine->prepare ? engine->prepare(vcpu) : 1;
}

/* What engines need not set.  The rest belongs to a reason, and is set along with it. */
static void begin_exit(struct umbra_exit *exit)
{
	exit->reason = UMBRA_EXIT_NONE;
	exit->insn_len = 0;
	exit->msr_write = false;
	exit->hw_reason = 0;
	memset(&exit->io, 0, sizeof(exit->io));
	exit->op.known = false;
}

/* One round of the loop for a vCPU that may run. */
static int run_step(struct umbra_vcpu *vcpu, int *idx)
{
	struct umbra_exit exit;
	int err;

	begin_exit(&exit);
	if (vcpu->lapic)
		umbra_lapic_sync_timer(vcpu);
	umbra_steal_update(vcpu);
	if (unlikely(umbra_must_emulate(vcpu)))
		return emulate_step(vcpu, idx);
	err = umbra_event_prepare(vcpu);
	if (err <= 0)
		return err;
	umbra_linger();
	err = load_root(vcpu) ?: prepare_engine(vcpu);
	if (err <= 0) {
		umbra_event_cancel(vcpu);
		return err ?: umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	}
	if (!enter(vcpu, &exit, idx))
		return 1;
	umbra_exit_note(vcpu, &exit);
	return umbra_exit_handle(vcpu, &exit);
}

/* One round for a vCPU that waits. */
static int wait_step(struct umbra_vcpu *vcpu, int *idx)
{
	srcu_read_unlock(&vcpu->vm->srcu, *idx);
	umbra_halt_wait(vcpu);
	*idx = lock_slots(vcpu);
	if (vcpu->mp_state == KVM_MP_STATE_HALTED && umbra_event_wakes(vcpu))
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	return 1;
}

/* Userspace waits for the moment to call KVM_INTERRUPT. */
static bool irq_window_open(struct umbra_vcpu *vcpu)
{
	if (likely(!vcpu->run->request_interrupt_window))
		return false;
	if (umbra_has_lapic(vcpu->vm) && !vcpu->vm->split_irqchip)
		return false;
	return umbra_event_ready_for_user_irq(vcpu);
}

/* With a split irqchip userspace's I/O APIC waits for the end of some interrupts. */
static bool eoi_for_user(struct umbra_vcpu *vcpu)
{
	int vector;

	if (likely(!vcpu->vm->split_irqchip) || !vcpu->lapic)
		return false;
	vector = umbra_lapic_take_eoi(vcpu);
	if (vector < 0)
		return false;
	vcpu->run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	vcpu->run->eoi.vector = vector;
	return true;
}

/* Signals, rescheduling and task work.  Returns as exit handlers do. */
static int host_work(struct umbra_vcpu *vcpu, int *idx)
{
	int err;

	if (likely(!umbra_work_pending()))
		return 1;
	srcu_read_unlock(&vcpu->vm->srcu, *idx);
	err = umbra_work_handle();
	*idx = lock_slots(vcpu);
	if (!err)
		return 1;
	vcpu->run->exit_reason = KVM_EXIT_INTR;
	vcpu->stat.signal_exits++;
	return -EINTR;
}

static int run_loop(struct umbra_vcpu *vcpu, int *idx)
{
	int ret;

	vcpu->run->exit_reason = KVM_EXIT_UNKNOWN;
	for (;;) {
		ret = handle_requests(vcpu);
		if (ret <= 0)
			return ret;
		if (unlikely(READ_ONCE(vcpu->init_pending)))
			umbra_mp_accept(vcpu);
		if (likely(vcpu->mp_state == KVM_MP_STATE_RUNNABLE))
			ret = run_step(vcpu, idx);
		else
			ret = wait_step(vcpu, idx);
		if (ret <= 0)
			return ret;
		if (eoi_for_user(vcpu))
			return 0;
		if (irq_window_open(vcpu)) {
			vcpu->run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			return 0;
		}
		ret = host_work(vcpu, idx);
		if (ret <= 0)
			return ret;
	}
}

/* What userspace left to be finished, then the loop. */
static int complete_and_run(struct umbra_vcpu *vcpu)
{
	int (*complete)(struct umbra_vcpu *vcpu) = vcpu->complete;
	int idx, ret = 1;

	idx = lock_slots(vcpu);
	if (complete) {
		vcpu->complete = NULL;
		ret = complete(vcpu);
	}
	/* kvm_run still tells of the exit that was completed, as with KVM. */
	if (ret > 0)
		ret = umbra_immediate_exit(vcpu->run) ? -EINTR : run_loop(vcpu, &idx);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return ret;
}

/* The fields of kvm_run that tell the state of interrupts. */
static void fill_run(struct umbra_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->if_flag = !!(vcpu->regs.rflags & X86_EFLAGS_IF);
	run->cr8 = umbra_cr8_read(vcpu);
	run->apic_base = vcpu->lapic ? umbra_lapic_base(vcpu) : vcpu->apic_base;
	run->ready_for_interrupt_injection =
		(umbra_has_lapic(vcpu->vm) && !vcpu->vm->split_irqchip) ||
		umbra_event_ready_for_user_irq(vcpu);
}

/* Whose thread this is, for the tracers and for directed wake-ups. */
static void remember_thread(struct umbra_vcpu *vcpu)
{
	struct pid *old = rcu_dereference_protected(vcpu->thread,
						    lockdep_is_held(&vcpu->mutex));

	if (likely(old == task_pid(current)))
		return;
	umbra_steal_thread(vcpu);
	rcu_assign_pointer(vcpu->thread, get_task_pid(current, PIDTYPE_PID));
	if (old)
		synchronize_rcu();
	put_pid(old);
}

/* KVM_SET_SIGNAL_MASK's mask is in force during KVM_RUN, as with sigtimedwait(). */
static void mask_signals(struct umbra_vcpu *vcpu)
{
	if (vcpu->sigset_active)
		sigprocmask(SIG_SETMASK, &vcpu->sigset, &current->real_blocked);
}

static void unmask_signals(struct umbra_vcpu *vcpu)
{
	if (!vcpu->sigset_active)
		return;
	sigprocmask(SIG_SETMASK, &current->real_blocked, NULL);
	sigemptyset(&current->real_blocked);
}

/* KVM_RUN (KVM api.rst 4.10) */
UMBRA_VCPU_IOCTL(run)
{
	struct kvm_run *run = vcpu->run;
	int ret;

	if (umbra_ioctl_value(uarg))
		return -EINVAL;
	ret = unlikely(umbra_sync_wanted(vcpu)) ? umbra_sync_take(vcpu) : 0;
	if (!ret && !vcpu->lapic && umbra_cr8_write(vcpu, run->cr8))
		ret = -EINVAL;
	if (ret)
		goto out;

	remember_thread(vcpu);
	vcpu->ran = true;
	run->flags = 0;
	mask_signals(vcpu);
	ret = complete_and_run(vcpu);
	unmask_signals(vcpu);
out:
	if (unlikely(umbra_sync_wanted(vcpu)))
		umbra_sync_give(vcpu);
	fill_run(vcpu);
	vcpu->stat.user_exits++;
	trace_umbra_user_exit(vcpu->id, run->exit_reason, ret);
	return ret;
}

/* KVM_SET_SIGNAL_MASK: NULL takes the mask away. */
UMBRA_VCPU_IOCTL(set_signal_mask)
{
	struct kvm_signal_mask __user *user = uarg;
	struct kvm_signal_mask head;
	sigset_t set;

	if (!user) {
		vcpu->sigset_active = false;
		return 0;
	}
	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.len != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, user->sigset, sizeof(set)))
		return -EFAULT;
	sigdelsetmask(&set, sigmask(SIGKILL) | sigmask(SIGSTOP));
	vcpu->sigset = set;
	vcpu->sigset_active = true;
	return 0;
}
