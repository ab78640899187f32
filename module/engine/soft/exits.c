// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what an exit of the soft engine means
 *
 * Exceptions of guest user code are the guest's own, but for page faults, which
 * the MMU judges, and those by which a privileged or sensitive instruction
 * makes itself known: #GP and its like go to the emulator, which executes the
 * instruction by the guest's own tables or finds the same fault.
 *
 * In translated code the address says more than the vector.  At an exit point
 * stands HLT, which is #GP.  Everywhere else an exception belongs to the guest
 * instruction that the code at that address stands for.  Exits that come from
 * outside, interrupts and NMIs, may find the translation of an instruction
 * half done; then the rest is single-stepped, so that core only ever sees the
 * guest between two instructions:
 *
 *   INTR exit -> in the middle? -> TF, no IF -> #DB -> still? … -> boundary
 */
#define pr_fmt(fmt) "umbra: soft: " fmt

#include "soft_internal.h"

#include <linux/printk.h>

#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/trapnr.h>

#define FIRST_EXTERNAL	32

/* The longest translation of one instruction, in host instructions, and more. */
#define MAX_STEPS	128

static void set_fault(struct umbra_exit *exit, enum umbra_exit_reason reason, u8 vector,
		      bool has_error, u32 error, u64 addr)
{
	exit->reason = reason;
	exit->fault = (struct umbra_fault){
		.vector = vector,
		.has_error = has_error,
		.error_code = error,
		.addr = addr,
	};
}

static bool has_error_code(u64 vector)
{
	/* SDM Vol. 3A, table 6-1. */
	return vector == X86_TRAP_DF || (vector >= X86_TRAP_TS && vector <= X86_TRAP_PF) ||
	       vector == X86_TRAP_AC;
}

/* Interrupts, NMIs and machine checks of the host.  Return: it was one. */
static bool host_event(struct soft_vcpu *soft, struct umbra_exit *exit)
{
	u64 vector = soft->area.frame->vector;

	if (vector == X86_TRAP_NMI || vector == X86_TRAP_MC) {
		/* The external interrupt that is being stepped for stays. */
		if (soft->host_vector) {
			*(vector == X86_TRAP_NMI ? &soft->area.frame->nmi :
			  &soft->area.frame->mce) = 1;
			return true;
		}
		exit->reason = UMBRA_EXIT_NMI;
	} else if (vector >= FIRST_EXTERNAL && vector < 256) {
		exit->reason = UMBRA_EXIT_INTR;
	} else {
		return false;
	}
	soft->host_vector = vector;
	return true;
}

static bool fatal(struct soft_vcpu *soft, struct umbra_exit *exit)
{
	const struct soft_frame *frame = soft->area.frame;

	if (likely(frame->vector != SOFT_VEC_FATAL))
		return false;
	pr_warn_ratelimited("exception %llu in the switcher at %llx, error code %llx\n",
			    frame->fatal_vector, frame->fatal_rip, frame->error);
	exit->reason = UMBRA_EXIT_ERROR;
	exit->hw_reason = frame->fatal_vector;
	return true;
}

/*
 * Host entries that are global survive the change of CR3; at the same address
 * they fault at CPL 3 until they are dropped.  A fault without a translation
 * has none to drop.
 */
static void drop_host_translation(u64 gva, u64 error)
{
	if (error & UMBRA_PF_P)
		asm volatile("invlpg (%0)" : : "r"(gva) : "memory");
}

static void page_fault(struct soft_vcpu *soft, struct umbra_exit *exit, u64 keep)
{
	const struct soft_frame *frame = soft->area.frame;

	drop_host_translation(frame->cr2, frame->error);
	set_fault(exit, UMBRA_EXIT_PAGE_FAULT, X86_TRAP_PF, true, frame->error & keep, frame->cr2);
}

/* A fault for which guest state, not the processor, is the authority. */
static void judge(struct umbra_exit *exit, u64 vector, u64 error)
{
	set_fault(exit, UMBRA_EXIT_JUDGE, vector, has_error_code(vector), error, 0);
}

/*
 * #NM is the guest's own while it has set CR0.TS.  Else the real bit is there for what must be #UD
 * (run.c), and x87 and the like are executed by the emulator.  So is all of it without CR0.MP, for which
 * FWAIT may be right in spite of TS.
 */
static bool judge_fpu(const struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	const struct umbra_regs *regs = &vcpu->regs;
	bool own = (regs->cr0 & (X86_CR0_TS | X86_CR0_EM)) == X86_CR0_TS && (regs->cr4 & X86_CR4_OSFXSR);

	if (own && regs->cr0 & X86_CR0_MP)
		return false;
	judge(exit, own ? X86_TRAP_NM : X86_TRAP_UD, 0);
	return true;
}

/**
 * umbra_soft_exit_user() - guest user code stopped
 * @vcpu: the vCPU; registers are back
 * @exit: filled
 */
void umbra_soft_exit_user(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	const struct soft_frame *frame = soft->area.frame;

	exit->hw_reason = frame->vector;
	if (fatal(soft, exit) || host_event(soft, exit))
		return;
	switch (frame->vector) {
	case SOFT_VEC_SYSCALL:
	case SOFT_VEC_SYSCALL32:
		/* The processor put RIP and RFLAGS where the emulator will. */
		vcpu->regs.rip -= 2;
		exit->reason = UMBRA_EXIT_INSN;
		break;
	case X86_TRAP_PF:
		/*
		 * The processor reads on behalf of CPL 3 nothing but the engine's tables, which
		 * are there; QEMU's TCG does so for LRET and IRET, and SMAP hits it
		 * (errata.rst, Test bed).
		 */
		if (unlikely(!(frame->error & UMBRA_PF_U)))
			exit->reason = UMBRA_EXIT_INSN;
		else
			page_fault(soft, exit, ~0ull);
		break;
	case X86_TRAP_GP:
	case X86_TRAP_NP:
	case X86_TRAP_SS:
	case X86_TRAP_UD:
	case X86_TRAP_TS:
		judge(exit, frame->vector, frame->error);
		break;
	case X86_TRAP_DB:
		set_fault(exit, UMBRA_EXIT_EXCEPTION, X86_TRAP_DB, false, 0, soft->dr6);
		break;
	case X86_TRAP_NM:
		if (judge_fpu(vcpu, exit))
			break;
		fallthrough;
	default:
		set_fault(exit, UMBRA_EXIT_EXCEPTION, frame->vector,
			  has_error_code(frame->vector), frame->error, 0);
		break;
	}
}

/* Kernel: translated code. */

/* Registers that the translation borrowed, back from where it put them. */
static void unspill(struct umbra_vcpu *vcpu, const struct soft_where *w)
{
	static const u8 gpr_of[SOFT_NR_SPILL] = {
		[SOFT_SPILL_RAX] = UMBRA_RAX,
		[SOFT_SPILL_RCX] = UMBRA_RCX,
		[SOFT_SPILL_RDX] = UMBRA_RDX,
		[SOFT_SPILL_RSP] = UMBRA_RSP,
	};
	const u64 *spill = to_soft(vcpu)->area.vdata->spill;
	unsigned int i;

	for (i = 0; w->spilled >> i; i++)
		if (w->spilled & BIT(i))
			vcpu->regs.gpr[gpr_of[i]] = spill[i];
	if (w->r11)
		vcpu->regs.gpr[UMBRA_R11] = to_soft(vcpu)->area.vdata->r11;
}

/* May the code go on where it stopped, with the guest's registers and nothing else? */
static u64 same_place(const struct soft_vcpu *soft, const struct soft_where *w)
{
	if (w->dropped || w->spilled || (w->r11 && w->begun))
		return 0;
	return soft->area.frame->rip;
}

/* The guest is between two instructions: at @rip, which is translated at @va or nowhere. */
static void at_boundary(struct umbra_vcpu *vcpu, u64 rip, u64 va)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	vcpu->regs.rip = rip;
	soft->rip = rip;
	soft->va = va;
}

/*
 * A breakpoint was met by an instruction that will be started again, and would meet it again.
 * The emulator executes it, and reports what it meets.
 */
static void watched_again(const struct soft_where *w, struct umbra_exit *exit)
{
	exit->reason = UMBRA_EXIT_INSN;
	exit->insn_len = w->len;
}

/*
 * DOC: to the next boundary
 *
 * Stopped from outside, or single-stepped.  Return: the guest has to go on to
 * reach a boundary.
 */
static bool settle(struct umbra_vcpu *vcpu, const struct soft_where *w, struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	switch (w->exit) {
	case SOFT_MIDDLE:
		vcpu->stat.tc_step++;
		if (++soft->step <= MAX_STEPS) {
			soft->va = soft->area.frame->rip;
			return true;
		}
		exit->reason = UMBRA_EXIT_ERROR;
		exit->hw_reason = w->rip;
		at_boundary(vcpu, w->rip, 0);
		return false;
	case SOFT_CHAIN:
		unspill(vcpu, w);
		at_boundary(vcpu, w->target, 0);
		return false;
	case SOFT_MISS:
		unspill(vcpu, w);
		at_boundary(vcpu, soft->area.vdata->rip, 0);
		return false;
	default:
		unspill(vcpu, w);
		at_boundary(vcpu, w->rip, same_place(soft, w));
		if (w->after_sti && (vcpu->regs.rflags & X86_EFLAGS_IF))
			vcpu->regs.int_shadow = UMBRA_SHADOW_STI;
		if (w->begun && soft->watched && exit->reason == UMBRA_EXIT_NONE)
			watched_again(w, exit);
		return false;
	}
}

/* A branch whose target had no translation when the code was made.  Return: it has now. */
static bool branch(struct umbra_vcpu *vcpu, const struct soft_where *w)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	bool chain = w->exit == SOFT_CHAIN;
	u64 target = chain ? w->target : soft->area.vdata->rip;
	u64 va;

	unspill(vcpu, w);
	/* Chains appear by themselves; the look-up table is told what is used. */
	if (!chain)
		soft_tc_expect(soft->tc, target);
	va = soft_tc_lookup(soft->tc, target);
	at_boundary(vcpu, target, va);
	if (chain)
		vcpu->stat.tc_chain++;
	else
		vcpu->stat.tc_miss++;
	vcpu->stat.tc_hit += va != 0;
	return va;
}

/* IN or OUT.  Breakpoints on ports are the emulator's. */
static void port_exit(struct umbra_vcpu *vcpu, u16 arg, struct umbra_exit *exit)
{
	if (!arg || (vcpu->regs.dr7 & 0xff))
		return;
	exit->reason = UMBRA_EXIT_IO;
	exit->io.size = arg & SOFT_ARG_IO_SIZE;
	exit->io.in = arg & SOFT_ARG_IO_IN;
	exit->io.port = arg & SOFT_ARG_IO_DX ? vcpu->regs.gpr[UMBRA_RDX] :
					       arg >> SOFT_ARG_IO_PORT;
}

/* The address comes from a page that is the guest's to write: any will do for an INVLPG. */
static void invlpg_exit(struct umbra_vcpu *vcpu, u16 arg, struct umbra_exit *exit)
{
	u64 gva = READ_ONCE(to_soft(vcpu)->area.vdata->gva);

	if (!arg || !umbra_canonical(gva, SOFT_VA_BITS))
		return;
	exit->reason = UMBRA_EXIT_INVLPG;
	exit->op.known = true;
	exit->op.gva = gva;
}

static void cr_exit(u16 arg, struct umbra_exit *exit)
{
	if (!arg)
		return;
	exit->reason = UMBRA_EXIT_CR;
	exit->op.known = true;
	exit->op.write = true;
	exit->op.cr = 3;
	exit->op.gpr = arg & SOFT_ARG_GPR;
}

static void callout(struct umbra_vcpu *vcpu, const struct soft_where *w, struct umbra_exit *exit)
{
	vcpu->stat.tc_callout++;
	unspill(vcpu, w);
	at_boundary(vcpu, w->rip, 0);
	if (w->after_sti && (vcpu->regs.rflags & X86_EFLAGS_IF))
		vcpu->regs.int_shadow = UMBRA_SHADOW_STI;
	exit->insn_len = w->len;
	exit->reason = UMBRA_EXIT_INSN;
	switch (w->op) {
	case SOFT_OP_IO:
		port_exit(vcpu, w->arg, exit);
		break;
	case SOFT_OP_INVLPG:
		invlpg_exit(vcpu, w->arg, exit);
		break;
	case SOFT_OP_MOV_CR:
		cr_exit(w->arg, exit);
		break;
	case SOFT_OP_CPUID:
		exit->reason = UMBRA_EXIT_CPUID;
		break;
	case SOFT_OP_HLT:
		exit->reason = UMBRA_EXIT_HLT;
		break;
	case SOFT_OP_RDMSR:
	case SOFT_OP_WRMSR:
		exit->reason = UMBRA_EXIT_MSR;
		exit->msr_write = w->op == SOFT_OP_WRMSR;
		break;
	}
}

/* An exception of the guest instruction that the code at the address stands for. */
static void kernel_fault(struct umbra_vcpu *vcpu, const struct soft_where *w,
			 struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	const struct soft_frame *frame = soft->area.frame;
	u64 vif = SOFT_HOLE + SOFT_VIF_OFFSET;

	if (unlikely(frame->vector > 255)) {
		/* A SYSCALL that no translation has: the guest jumped into its cache. */
		exit->reason = UMBRA_EXIT_ERROR;
		exit->hw_reason = frame->rip;
		return;
	}
	unspill(vcpu, w);
	/* If the fault is repaired the same code goes on. */
	at_boundary(vcpu, w->rip, same_place(soft, w));
	if (frame->vector == X86_TRAP_PF) {
		/* STI while an interrupt waits: the emulator executes it, shadow and all. */
		if ((frame->cr2 & PAGE_MASK) == vif && soft->vif_armed) {
			exit->reason = UMBRA_EXIT_INSN;
			return;
		}
		/* At CPL 3 the processor says "user"; the guest is in its kernel. */
		page_fault(soft, exit, ~(u64)UMBRA_PF_U);
		return;
	}
	if (frame->vector == X86_TRAP_NM && judge_fpu(vcpu, exit))
		return;
	set_fault(exit, UMBRA_EXIT_EXCEPTION, frame->vector, has_error_code(frame->vector),
		  frame->error, 0);
}

/*
 * DOC: branches to where no table is
 *
 * An indirect branch in near code (tc_slot.c) that leads to other code looks for its target at
 * an address that is not the engine's.  Mostly it faults there; if there happens to be memory of
 * the guest, it jumps to a number that it found in it, and nothing can be executed there: a fault,
 * or whatever else comes first.  Either way the real R11 has the RIP.
 */
static void missed(struct umbra_vcpu *vcpu, struct soft_where *w)
{
	*w = (struct soft_where){ .exit = SOFT_MISS, .r11 = true };
	to_soft(vcpu)->area.vdata->rip = vcpu->regs.gpr[UMBRA_R11];
	unspill(vcpu, w);
}

/* What the guest's state is where it stopped.  Return: false: that cannot be. */
static bool find_out(struct umbra_vcpu *vcpu, struct soft_where *w)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	u64 vector = soft->area.frame->vector;

	if (unlikely(soft_tc_where(soft->tc, soft->area.frame->rip, w))) {
		if (vector > 255)
			return false;
		missed(vcpu, w);
	} else if (w->exit == SOFT_MIDDLE && (vector == X86_TRAP_PF || vector == X86_TRAP_GP)) {
		missed(vcpu, w);
	}
	return true;
}

/**
 * umbra_soft_exit_kernel() - translated guest kernel code stopped
 * @vcpu: the vCPU; registers are back
 * @exit: filled when the guest does not go on at once
 *
 * Return: true: enter again, at soft_vcpu.va.
 */
bool umbra_soft_exit_kernel(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_frame *frame = soft->area.frame;
	struct soft_where w;

	exit->hw_reason = frame->vector;
	if (fatal(soft, exit))
		return false;
	/* The processor put the RIP behind its SYSCALL into RCX, and so into the frame. */
	if (frame->vector == SOFT_VEC_SERVICE)
		frame->rip -= 2;
	if (unlikely(!find_out(vcpu, &w))) {
		pr_warn_ratelimited("guest kernel code outside the translation cache at %llx\n",
				    frame->rip);
		exit->reason = UMBRA_EXIT_ERROR;
		exit->hw_reason = frame->rip;
		return false;
	}
	if (frame->vector == X86_TRAP_DB && (soft->dr6 & DR_TRAP_BITS))
		soft->watched |= soft->dr6 & DR_TRAP_BITS;
	if (host_event(soft, exit) || (frame->vector == X86_TRAP_DB && (soft->step || soft->watched))) {
		if (settle(vcpu, &w, exit))
			return true;
		if (soft->watched && exit->reason == UMBRA_EXIT_NONE)
			set_fault(exit, UMBRA_EXIT_EXCEPTION, X86_TRAP_DB, false, 0, soft->watched);
		return false;
	}
	if (frame->vector == X86_TRAP_GP || frame->vector == SOFT_VEC_SERVICE ||
	    w.exit == SOFT_MISS) {
		if (w.exit == SOFT_CALLOUT) {
			callout(vcpu, &w, exit);
			return false;
		}
		if (w.exit == SOFT_CHAIN || w.exit == SOFT_MISS) {
			/* After stepping the exit is the interrupt's. */
			return branch(vcpu, &w) && !soft->step;
		}
	}
	kernel_fault(vcpu, &w, exit);
	return false;
}
