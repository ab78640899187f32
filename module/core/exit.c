// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: exits
 *
 * One table says for each neutral exit reason its name, its counter and its
 * handler.  Most privileged instructions go to the emulator, which knows their
 * checks; the exits that happen all the time have a shorter way.
 */
#include "exit_internal.h"

#include <asm/kvm.h>
#include <asm/processor-flags.h>

#include "cpuid_internal.h"
#include "cr_internal.h"
#include "emulate_internal.h"
#include "event_internal.h"
#include "guest_debug_internal.h"
#include "io_internal.h"
#include "msr_internal.h"
#include "soft_tlb_internal.h"
#include "msr_user_internal.h"
#include "umbra/soft.h"
#include "umbra/trace.h"
#include "work_internal.h"

/* A page fault that comes back this often without any other exit makes no progress. */
#define FAULT_LIMIT	100000

typedef int (*exit_fn)(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

/* To userspace. */

int umbra_exit_internal(struct umbra_vcpu *vcpu, u32 suberror, const u64 *data, unsigned int n)
{
	struct kvm_run *run = vcpu->run;
	unsigned int i;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	run->internal.suberror = suberror;
	run->internal.ndata = n;
	for (i = 0; i < n; i++)
		run->internal.data[i] = data[i];
	return 0;
}

int umbra_exit_emulation(struct umbra_vcpu *vcpu, const u8 *insn, unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_INTERNAL_ERROR;
	memset(&run->emulation_failure, 0, sizeof(run->emulation_failure));
	run->emulation_failure.suberror = KVM_INTERNAL_ERROR_EMULATION;
	/* Three words of data: flags, then length and bytes. */
	run->emulation_failure.ndata = 3;
	run->emulation_failure.flags = KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES;
	len = min_t(unsigned int, len, sizeof(run->emulation_failure.insn_bytes));
	run->emulation_failure.insn_size = len;
	memset(run->emulation_failure.insn_bytes, 0x90,
	       sizeof(run->emulation_failure.insn_bytes));
	memcpy(run->emulation_failure.insn_bytes, insn, len);
	return 0;
}

int umbra_exit_shutdown(struct umbra_vcpu *vcpu)
{
	vcpu->run->exit_reason = KVM_EXIT_SHUTDOWN;
	return 0;
}

/* Handlers. */

static int exit_nothing(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	return 1;
}

static int exit_emulate(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
}

/* The same fault at the same instruction, again and again, with nothing between. */
static bool is_endless(struct umbra_vcpu *vcpu, u64 gva)
{
	if (vcpu->fault_rip != vcpu->regs.rip || vcpu->fault_gva != gva) {
		vcpu->fault_rip = vcpu->regs.rip;
		vcpu->fault_gva = gva;
		vcpu->fault_repeat = 0;
		return false;
	}
	return ++vcpu->fault_repeat > FAULT_LIMIT;
}

/*
 * The fault hit the delivery of an event, not an instruction: there is nothing
 * to emulate.  A stack or descriptor table that is also a page table stops
 * being shadowed; a device there is a broken guest.
 */
static int fault_in_delivery(struct umbra_vcpu *vcpu, gpa_t gpa, bool write)
{
	u64 data[4] = { vcpu->event.vector | (u64)vcpu->event.kind << 8, UMBRA_EXIT_PAGE_FAULT,
			write, gpa };

	if (write && umbra_mmu_unprotect(vcpu->vm->mmu, gpa_to_gfn(gpa)))
		return 1;
	return umbra_exit_internal(vcpu, KVM_INTERNAL_ERROR_DELIVERY_EV, data, ARRAY_SIZE(data));
}

/* The emulator will come by this page. */
static void set_hint(struct umbra_vcpu *vcpu, const struct umbra_fault *fault, gpa_t gpa)
{
	vcpu->hint = (struct umbra_hint){
		.valid = true,
		.gva = fault->addr & UMBRA_PAGE_MASK,
		.gpa = gpa & UMBRA_PAGE_MASK,
	};
	if (fault->error_code & UMBRA_PF_W)
		vcpu->hint.acc |= UMBRA_ACC_WRITE;
	if (fault->error_code & UMBRA_PF_U)
		vcpu->hint.acc |= UMBRA_ACC_USER;
}

static int host_error(struct umbra_vcpu *vcpu, int err)
{
	/* A signal: the loop sees it. */
	if (err == -EINTR || err == -EAGAIN || err == -ERESTARTSYS)
		return 1;
	return err;
}

/* AC does not excuse what the processor itself does at CPL 3. */
static bool ac_counts(struct umbra_vcpu *vcpu)
{
	return (vcpu->regs.rflags & X86_EFLAGS_AC) && umbra_regs_get(vcpu, UMBRA_REGS_SEG)->cpl < 3;
}

/*
 * DOC: what follows from a verdict
 *
 * The MMU says whose fault it is and knows no vCPU; here that becomes an action.
 * An emulator that is called gets a hint: the translation of the page that
 * faulted, so that it does not walk again.
 */
static int exit_page_fault(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	struct umbra_fault_info info = {};
	enum umbra_verdict verdict;
	u64 gva = exit->fault.addr;

	verdict = umbra_mmu_fault(vcpu->mmu, gva, exit->fault.error_code, ac_counts(vcpu), &info);
	trace_umbra_guest_fault(gva, exit->fault.error_code, verdict, info.gpa);
	switch (verdict) {
	case UMBRA_VERDICT_RETRY:
		vcpu->stat.pf_retry++;
		if (unlikely(is_endless(vcpu, gva))) {
			u64 data[2] = { gva, exit->fault.error_code };

			return umbra_exit_internal(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON,
						   data, ARRAY_SIZE(data));
		}
		return 1;
	case UMBRA_VERDICT_GUEST:
		vcpu->stat.pf_guest++;
		umbra_queue_fault(vcpu, &info.fault);
		return 1;
	case UMBRA_VERDICT_MMIO:
		vcpu->stat.pf_mmio++;
		vcpu->mmio_rip = vcpu->regs.rip;
		if (vcpu->event.kind)
			return fault_in_delivery(vcpu, info.gpa, false);
		set_hint(vcpu, &exit->fault, info.gpa);
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	case UMBRA_VERDICT_WRITE:
		vcpu->stat.pf_write++;
		if (vcpu->event.kind)
			return fault_in_delivery(vcpu, info.gpa, true);
		set_hint(vcpu, &exit->fault, info.gpa);
		return umbra_emulate_insn(vcpu, info.gpa);
	default:
		/* The address is the guest's by its tables, and the engine's in truth. */
		if (info.error == -EOPNOTSUPP)
			return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
		return host_error(vcpu, info.error);
	}
}

/* By the guest's own tables the instruction may be right. */
static int exit_judge(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	int ret;

	vcpu->otherwise = &exit->fault;
	ret = umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	vcpu->otherwise = NULL;
	return ret;
}

static int exit_exception(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	if (exit->fault.vector == DB_VECTOR || exit->fault.vector == BP_VECTOR) {
		if (!umbra_debug_exception(vcpu, &exit->fault))
			return 0;
	}
	umbra_queue_fault(vcpu, &exit->fault);
	return 1;
}

/* CPUID is 0F A2; a prefix before it is for the emulator. */
static int exit_cpuid(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	struct umbra_regs *regs = &vcpu->regs;
	u8 insn[2] = {};
	u32 reg[4];

	if (exit->insn_len != 2 &&
	    (umbra_fetch(vcpu, insn, 2) != 2 || insn[0] != 0x0f || insn[1] != 0xa2))
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);

	umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
	reg[UMBRA_EAX] = regs->gpr[UMBRA_RAX];
	reg[UMBRA_ECX] = regs->gpr[UMBRA_RCX];
	umbra_cpuid_read(vcpu, reg);
	regs->gpr[UMBRA_RAX] = reg[UMBRA_EAX];
	regs->gpr[UMBRA_RBX] = reg[UMBRA_EBX];
	regs->gpr[UMBRA_RCX] = reg[UMBRA_ECX];
	regs->gpr[UMBRA_RDX] = reg[UMBRA_EDX];
	return umbra_skip_insn(vcpu, 2);
}

/* Operands that the engine knows spare the emulator.  Privilege was checked before the exit. */
static int exit_invlpg(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	if (!exit->op.known)
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	umbra_mmu_invlpg(vcpu->mmu, exit->op.gva);
	umbra_soft_tlb_flush_gva(vcpu, exit->op.gva);
	vcpu->vm->engine->flush_gva(vcpu, exit->op.gva);
	return umbra_skip_insn(vcpu, exit->insn_len);
}

static int exit_cr(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	struct umbra_regs *regs = &vcpu->regs;
	u64 *gpr = &regs->gpr[exit->op.gpr];
	int err;

	if (!exit->op.known || exit->op.cr != 3)
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	trace_umbra_cr(vcpu->id, exit->op.write, 3, exit->op.write ? *gpr : regs->cr3);
	if (!exit->op.write) {
		umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
		*gpr = umbra_regs_get(vcpu, UMBRA_REGS_CR)->cr3;
		return umbra_skip_insn(vcpu, exit->insn_len);
	}
	err = umbra_cr3_write(vcpu, *gpr);
	if (err == -EINVAL) {
		umbra_queue_gp(vcpu);
		return 1;
	}
	return err ?: umbra_skip_insn(vcpu, exit->insn_len);
}

static int write_msr(struct umbra_vcpu *vcpu);
static int read_msr(struct umbra_vcpu *vcpu);

/* RDMSR or WRMSR of two bytes, for the first time or after userspace has answered. */
static int do_msr(struct umbra_vcpu *vcpu, bool write)
{
	struct umbra_regs *regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
	u32 index = regs->gpr[UMBRA_RCX];
	u64 val;
	int err;

	if (write) {
		val = (u32)regs->gpr[UMBRA_RAX] | regs->gpr[UMBRA_RDX] << 32;
		err = umbra_msr_guest_write(vcpu, index, val);
	} else {
		err = umbra_msr_guest_read(vcpu, index, &val);
	}
	if (umbra_msr_to_user(vcpu, write ? write_msr : read_msr))
		return 0;
	if (err == -EINVAL) {
		umbra_queue_gp(vcpu);
		return 1;
	}
	if (err)
		return err;
	if (!write) {
		regs->gpr[UMBRA_RAX] = (u32)val;
		regs->gpr[UMBRA_RDX] = val >> 32;
	}
	return umbra_skip_insn(vcpu, 2);
}

static int write_msr(struct umbra_vcpu *vcpu)
{
	return do_msr(vcpu, true);
}

static int read_msr(struct umbra_vcpu *vcpu)
{
	return do_msr(vcpu, false);
}

static int exit_msr(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	if (exit->insn_len != 2)
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	return do_msr(vcpu, exit->msr_write);
}

static int exit_shutdown(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	return umbra_exit_shutdown(vcpu);
}

/* Hardware task switches exist in 32-bit guests only; none that is supported uses them. */
static int exit_task_switch(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	u8 none = 0;

	return umbra_exit_emulation(vcpu, &none, 0);
}

static int exit_invalid(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_FAIL_ENTRY;
	run->fail_entry.hardware_entry_failure_reason = exit->hw_reason;
	run->fail_entry.cpu = raw_smp_processor_id();
	return 0;
}

static int exit_unknown(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	u64 data[2] = { exit->hw_reason, vcpu->regs.rip };

	return umbra_exit_internal(vcpu, KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON, data,
				   ARRAY_SIZE(data));
}

/**
 * struct exit_row - all about one exit reason
 * @name: for traces
 * @stat: offset of the counter in struct umbra_vcpu_stat
 * @handle: what to do
 */
struct exit_row {
	const char *name;
	u16 stat;
	exit_fn handle;
};

#define ROW(reason, nm, counter, fn)					\
	[UMBRA_EXIT_##reason] = {					\
		.name = nm,						\
		.stat = offsetof(struct umbra_vcpu_stat, counter),	\
		.handle = fn,						\
	}

static const struct exit_row rows[UMBRA_NR_EXITS] = {
	ROW(NONE,	"none",		exit_other,	 exit_nothing),
	ROW(INTR,	"intr",		exit_intr,	 exit_nothing),
	ROW(NMI,	"nmi",		exit_nmi,	 exit_nothing),
	ROW(PAGE_FAULT,	"page_fault",	exit_page_fault, exit_page_fault),
	ROW(EXCEPTION,	"exception",	exit_exception,	 exit_exception),
	ROW(IO,		"io",		exit_io,	 umbra_io_exit),
	ROW(CPUID,	"cpuid",	exit_cpuid,	 exit_cpuid),
	ROW(HLT,	"hlt",		exit_hlt,	 exit_emulate),
	ROW(MSR,	"msr",		exit_msr,	 exit_msr),
	ROW(CR,		"cr",		exit_cr,	 exit_cr),
	ROW(DR,		"dr",		exit_dr,	 exit_emulate),
	ROW(INVLPG,	"invlpg",	exit_invlpg,	 exit_invlpg),
	ROW(DESC,	"desc",		exit_desc,	 exit_emulate),
	ROW(INSN,	"insn",		exit_insn,	 exit_emulate),
	ROW(JUDGE,	"judge",	exit_insn,	 exit_judge),
	ROW(HYPERCALL,	"hypercall",	exit_hypercall,	 exit_emulate),
	ROW(IRQ_WINDOW,	"irq_window",	exit_irq_window, exit_nothing),
	ROW(NMI_WINDOW,	"nmi_window",	exit_nmi_window, exit_nothing),
	ROW(TASK_SWITCH, "task_switch",	exit_other,	 exit_task_switch),
	ROW(PAUSE,	"pause",	exit_pause,	 exit_emulate),
	ROW(SHUTDOWN,	"shutdown",	exit_other,	 exit_shutdown),
	ROW(INVALID,	"invalid",	exit_other,	 exit_invalid),
	ROW(ERROR,	"error",	exit_other,	 exit_unknown),
	ROW(UNKNOWN,	"unknown",	exit_other,	 exit_unknown),
};

static const struct exit_row *find_row(const struct umbra_exit *exit)
{
	return &rows[exit->reason < UMBRA_NR_EXITS ? exit->reason : UMBRA_EXIT_UNKNOWN];
}

void umbra_exit_note(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	const struct exit_row *row = find_row(exit);

	vcpu->stat.exits++;
	++*(u64 *)((u8 *)&vcpu->stat + row->stat);
	trace_umbra_exit(vcpu->id, vcpu->regs.rip, row->name, exit->hw_reason);
}

/* May the guest go on at once, with nothing to be looked at in between? */
static bool may_go_on(const struct umbra_vcpu *vcpu)
{
	return !READ_ONCE(vcpu->requests) && !umbra_work_pending() && !vcpu->guest_debug &&
	       !(vcpu->regs.rflags & X86_EFLAGS_TF);
}

/* INVLPG with interrupts off. */
static bool invlpg_now(struct umbra_vcpu *vcpu, u64 gva)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	bool done = umbra_mmu_invlpg_now(vcpu->mmu, gva);

	srcu_read_unlock(&vcpu->vm->srcu, idx);
	if (!done)
		return false;
	umbra_soft_tlb_flush_gva(vcpu, gva);
	vcpu->vm->engine->flush_gva(vcpu, gva);
	return true;
}

static bool judge_now(struct umbra_vcpu *vcpu, u64 gva, u32 error_code,
		      struct umbra_fault_info *info, enum umbra_verdict *verdict)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	bool done;

	done = umbra_mmu_fault_now(vcpu->mmu, gva, error_code, ac_counts(vcpu), info, verdict);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return done;
}

/*
 * A page fault that is the shadow's or the guest's, and simple.  Return: go on; else @exit->reason
 * tells whether something was done.
 */
static bool page_fault_now(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	u32 error_code = exit->fault.error_code;
	u64 gva = exit->fault.addr;
	struct umbra_fault_info info __uninitialized;
	enum umbra_verdict verdict;

	/* What makes no progress is told by others, and so is a driver's access to its device. */
	if (vcpu->regs.rip == vcpu->mmio_rip || vcpu->exception.kind || vcpu->event.kind ||
	    vcpu->fault_repeat > FAULT_LIMIT / 2)
		return false;
	if (!judge_now(vcpu, gva, error_code, &info, &verdict))
		return false;
	umbra_exit_note(vcpu, exit);
	exit->reason = UMBRA_EXIT_NONE;
	trace_umbra_guest_fault(gva, error_code, verdict, info.gpa);
	if (verdict == UMBRA_VERDICT_RETRY) {
		vcpu->stat.pf_retry++;
		return !is_endless(vcpu, gva);
	}
	vcpu->stat.pf_guest++;
	if (umbra_soft_events(vcpu)) {
		umbra_queue_fault(vcpu, &info.fault);
		return umbra_fault_now(vcpu);
	}
	umbra_event_inject_now(vcpu, &info.fault);
	return true;
}

static bool execute_now(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	if (!exit->op.known)
		return false;
	if (exit->reason == UMBRA_EXIT_INVLPG)
		return invlpg_now(vcpu, exit->op.gva);
	return exit->reason == UMBRA_EXIT_CR && exit->op.write && exit->op.cr == 3 &&
	       umbra_cr3_write_now(vcpu, vcpu->regs.gpr[exit->op.gpr]);
}

/* An instruction.  Return: as page_fault_now(). */
static bool insn_now(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	if (!execute_now(vcpu, exit))
		return false;
	umbra_exit_note(vcpu, exit);
	if (exit->reason == UMBRA_EXIT_CR)
		trace_umbra_cr(vcpu->id, true, 3, vcpu->regs.cr3);
	vcpu->fault_repeat = 0;
	umbra_skip_insn(vcpu, exit->insn_len);
	exit->reason = UMBRA_EXIT_NONE;
	return true;
}

/*
 * DOC: an exit that needs no way out
 *
 * INVLPG, loads of CR3 and page faults are frequent, and what follows from them is mostly little
 * and waits for nobody: the engine asks for it between two entries, with interrupts off, the FPU
 * and all else of the guest still in the processor.  Whatever another thread wants comes as an
 * interrupt, which the guest takes at the entry; what this thread has brought about
 * itself is a request, and looked at here.
 */
bool umbra_exit_inside(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	bool done;

	/* With PREEMPT_RT spinlocks sleep. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !may_go_on(vcpu))
		return false;
	if (exit->reason == UMBRA_EXIT_PAGE_FAULT)
		done = page_fault_now(vcpu, exit);
	else
		done = insn_now(vcpu, exit);
	return done && likely(!READ_ONCE(vcpu->requests));
}

bool umbra_exit_foresee(struct umbra_vcpu *vcpu, struct umbra_exit *exit, u64 gva, u32 error_code)
{
	struct umbra_fault_info info __uninitialized;
	enum umbra_verdict verdict;

	umbra_exit_note(vcpu, exit);
	exit->reason = UMBRA_EXIT_NONE;
	vcpu->fault_repeat = 0;
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !may_go_on(vcpu))
		return false;
	/* What is not the shadow's to mend is left for the fault. */
	judge_now(vcpu, gva, error_code, &info, &verdict);
	return likely(!READ_ONCE(vcpu->requests));
}

void umbra_entry_note(struct umbra_vcpu *vcpu)
{
	trace_umbra_entry(vcpu->id, vcpu->regs.rip);
	vcpu->stat.entries++;
}

int umbra_exit_handle(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	const struct exit_row *row = find_row(exit);

	/* Anything but page faults and host interrupts is progress. */
	if (exit->reason > UMBRA_EXIT_PAGE_FAULT)
		vcpu->fault_repeat = 0;
	return row->handle(vcpu, exit);
}
