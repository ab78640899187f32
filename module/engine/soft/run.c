// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one run of the soft engine
 *
 * prepare() has decided what comes next: guest user code as it is, or
 * translated guest kernel code.  Here the registers go into the frame, the
 * world is switched, and they come back; exits.c says what the exit means.
 * Translated code leaves the cache often for a reason that needs no exit to
 * core (a branch that is not chained yet): then the next entry follows at once.
 *
 * What the real RFLAGS have while guest code runs: IF set, so that the host keeps its
 * interrupts; IOPL 0, so that CLI, STI, POPF, IN and OUT are not the guest's (user code
 * for which PUSHF would tell is emulated: code.c); the arithmetic flags, DF, and in user
 * mode TF, AC, NT and ID are the guest's own.
 */
#include "soft_internal.h"

#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#include "umbra/compat.h"

/* CR4.LASS (SDM Vol. 3A 4.12): CPL 3 would not reach the upper half at all. */
#define CR4_LASS	BIT_ULL(27)

/**
 * struct host_regs - what C code changes around the switch
 * @cr0: CR0
 * @cr4: CR4
 * @efer: EFER, if SYSCALL is #UD for the guest's user code; else 0
 * @dr7: DR7
 * @guest_dr: DR0..3 are the guest's, the host's in soft_vcpu.host_dr
 */
struct host_regs {
	u64 cr0, cr4, efer;
	unsigned long dr7;
	bool guest_dr;
};

static void raw_write_cr4(u64 cr4)
{
	/* native_write_cr4() insists on bits that stay as they are here, too. */
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

static u64 guest_cr4(const struct umbra_vcpu *vcpu, bool user, u64 host)
{
	u64 cr4 = host & ~CR4_LASS;

	/* Another time than the host's: RDTSC of user code has to trap; translations add the offset. */
	if (user && (vcpu->tsc_offset || (vcpu->regs.cr4 & X86_CR4_TSD)))
		return cr4 | X86_CR4_TSD;
	return cr4 & ~(u64)X86_CR4_TSD;
}

/* The guest has forbidden x87 or SSE (SDM Vol. 3A 2.5): the emulator knows what. */
static bool fpu_traps(const struct umbra_regs *regs)
{
	return (regs->cr0 & (X86_CR0_TS | X86_CR0_EM)) || !(regs->cr4 & X86_CR4_OSFXSR);
}

/* The guest's breakpoints on user addresses; others could hit the switcher. */
static void load_guest_dr(struct umbra_vcpu *vcpu, struct host_regs *host)
{
	const struct umbra_regs *regs = &vcpu->regs;
	struct soft_vcpu *soft = to_soft(vcpu);
	unsigned long dr7 = regs->dr7 & 0xffff03ff;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (regs->dr[i] >= SOFT_USER_END)
			dr7 &= ~(3ul << (2 * i));
	if (!(dr7 & 0xff))
		return;
	host->guest_dr = true;
	soft->host_dr[0] = umbra_read_dr(0);
	soft->host_dr[1] = umbra_read_dr(1);
	soft->host_dr[2] = umbra_read_dr(2);
	soft->host_dr[3] = umbra_read_dr(3);
	set_debugreg(regs->dr[0], 0);
	set_debugreg(regs->dr[1], 1);
	set_debugreg(regs->dr[2], 2);
	set_debugreg(regs->dr[3], 3);
	set_debugreg(DR6_RESERVED, 6);
	set_debugreg(dr7 | 0x400, 7);
}

static void host_save(struct umbra_vcpu *vcpu, struct host_regs *host)
{
	struct soft_frame *frame = to_soft(vcpu)->area.frame;
	bool user = to_soft(vcpu)->mode == SOFT_USER;
	u64 cr4;

	host->guest_dr = false;
	host->cr0 = native_read_cr0();
	if (unlikely(fpu_traps(&vcpu->regs)))
		native_write_cr0(host->cr0 | X86_CR0_TS);
	asm volatile("mov %%cr4, %0" : "=r"(host->cr4));
	frame->cr4_user = guest_cr4(vcpu, true, host->cr4);
	frame->cr4_kernel = guest_cr4(vcpu, false, host->cr4);
	cr4 = user ? frame->cr4_user : frame->cr4_kernel;
	if (cr4 != host->cr4)
		raw_write_cr4(cr4);
	host->efer = 0;
	/* Then there is no way to the kernel but an exit (prepare_fast()). */
	if (unlikely(user && !(vcpu->regs.efer & EFER_SCE)))
		host->efer = umbra_soft_no_syscall();
	host->dr7 = 0;
	if (unlikely(hw_breakpoint_active())) {
		host->dr7 = umbra_read_dr(7);
		set_debugreg(0x400, 7);
	}
	if (unlikely(vcpu->regs.dr7 & 0xff))
		load_guest_dr(vcpu, host);
}

static void host_restore(struct umbra_vcpu *vcpu, const struct host_regs *host)
{
	const struct soft_vcpu *soft = to_soft(vcpu);
	const struct soft_frame *frame = soft->area.frame;

	if (unlikely(host->guest_dr)) {
		set_debugreg(0x400, 7);
		set_debugreg(soft->host_dr[0], 0);
		set_debugreg(soft->host_dr[1], 1);
		set_debugreg(soft->host_dr[2], 2);
		set_debugreg(soft->host_dr[3], 3);
	}
	if (unlikely(host->dr7))
		set_debugreg(host->dr7, 7);
	if (unlikely(host->efer))
		umbra_soft_syscall_again(host->efer);
	/* That of the mode in which the guest stopped. */
	if (host->cr4 != (frame->mode == SOFT_MODE_USER ? frame->cr4_user : frame->cr4_kernel))
		raw_write_cr4(host->cr4);
	if (unlikely(fpu_traps(&vcpu->regs)))
		native_write_cr0(host->cr0);
}

/* The exception's debug status goes into the exit; nothing stays for the host. */
static void take_dr6(struct soft_vcpu *soft)
{
	unsigned long dr6;

	if (soft->area.frame->vector != X86_TRAP_DB)
		return;
	dr6 = umbra_read_dr(6);
	set_debugreg(DR6_RESERVED, 6);
	soft->dr6 = dr6 ^ DR6_RESERVED;
}

/* What translated code reads and writes, whether it runs at once or after a SYSCALL. */
static void vdata_in(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	const struct umbra_regs *regs = &vcpu->regs;
	struct soft_area *area = &soft->area;
	struct soft_vdata *vdata = area->vdata;
	bool arm = (vcpu->want & UMBRA_TAKE_INTR) && !(regs->rflags & X86_EFLAGS_IF);

	area->vif->iff = regs->rflags & X86_EFLAGS_IF;
	vdata->kernel_gs_base = regs->kernel_gs_base;
	vdata->fs_base = regs->seg[UMBRA_FS].base;
	area->frame->user_fsbase = regs->seg[UMBRA_FS].base;
	vdata->tsc_offset = vcpu->tsc_offset;
	vdata->tsc_aux = vcpu->tsc_aux;
	vdata->cr[0] = regs->cr0;
	vdata->cr[2] = regs->cr2;
	vdata->cr[3] = regs->cr3;
	vdata->cr[4] = regs->cr4;
	if (arm != soft->vif_armed) {
		umbra_soft_area_vif(area, !arm);
		soft->vif_armed = arm;
	}
}

/*
 * The descriptors that an IRET to user code would load.  They must be in the page that has
 * the kernel's own: reading them may then fault only where IRET itself would.
 */
static bool find_descs(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	const struct soft_frame *frame = soft->area.frame;
	u64 base = regs->gdtr.base, none = SOFT_HOLE + SOFT_VDATA_OFFSET + VD_DESC;
	u64 cs = base + (frame->to_user.cs & ~7ull), ss = base + (frame->to_user.ss & ~7ull);
	u16 kernel_cs = regs->cpl == 0 ? regs->seg[UMBRA_CS].sel : (u16)frame->kernel_sel;
	u64 own = base + (kernel_cs & ~7ull);
	bool ok = (max(frame->to_user.cs, frame->to_user.ss) | 7) <= regs->gdtr.limit &&
		  !((cs ^ own) & PAGE_MASK) && !((ss ^ own) & PAGE_MASK) && !(base & 7);

	soft->area.vdata->gdt[0] = ok ? cs : none;
	soft->area.vdata->gdt[1] = ok ? ss : none;
	return ok;
}

/* Flags that SYSCALL has to clear for the switcher: translated code has them as 0. */
#define SYSCALL_CLEARS	(X86_EFLAGS_TF | X86_EFLAGS_IF | X86_EFLAGS_IOPL | X86_EFLAGS_NT | \
			 X86_EFLAGS_AC)

/*
 * DOC: what the switcher may do by itself
 *
 * All that it needs is laid out here once for a run: both roots, the registers and
 * selectors that the guest has on the other side.  prepare_fast() has said which
 * changes of mode are plain, and here the last doubts are removed: a bit that is
 * clear in the end makes the instruction an exit.
 */
static void fast_in(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;
	bool user = soft->mode == SOFT_USER;

	frame->cr3_user = user ? soft->root : soft->other_root;
	frame->cr3_kernel = user ? soft->other_root : soft->root;
	frame->to_kernel.rip = soft->syscall_va;
	frame->to_kernel.cs = SOFT_SEL_KCODE;
	frame->to_kernel.ss = SOFT_SEL_KDATA;
	frame->syscall_keep = SOFT_FLAGS_KERNEL & ~regs->sfmask;
	frame->vflags = regs->rflags & ~(u64)SOFT_FLAGS_USER;
	if ((regs->sfmask & SYSCALL_CLEARS) != SYSCALL_CLEARS)
		soft->fast &= ~SOFT_FAST_SYSCALL;
	if (!soft->can_return)
		soft->fast &= ~(SOFT_FAST_SYSRET | SOFT_FAST_IRET);
	/* With NT set IRET is #GP (SDM Vol. 2A, IRET). */
	if (!soft->descs_found || (!user && (regs->rflags & X86_EFLAGS_NT)))
		soft->fast &= ~SOFT_FAST_IRET;
}

/*
 * DOC: what the table is still good for
 *
 * Descriptors are made anew when something that they are made from has changed (soft.c's
 * push() hears of it), and for the other mode.  The switcher's own changes between the modes
 * leave what is right for both, as long as the segments of SYSRET are in the table (else
 * follow_mode() knows better); if C code has made the same change, it is as little work.
 */
static void segs_in(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	if (!soft->segs_stale && soft->segs_mode == soft->mode)
		return;
	if (!umbra_soft_segs_turn(soft, regs)) {
		umbra_soft_segs_in(soft, regs);
		soft->descs_found = find_descs(soft, regs);
	}
	soft->segs_mode = soft->mode;
	soft->segs_stale = false;
}

static void enter_user(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	const struct umbra_regs *regs = &vcpu->regs;

	frame->rip = regs->rip;
	frame->cs = soft->user_cs;
	frame->ss = soft->user_ss;
	frame->rflags = (regs->rflags & SOFT_FLAGS_USER) | SOFT_FLAGS_ON;
	frame->fast = soft->fast;
}

static void enter_kernel(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;

	frame->rip = soft->va;
	frame->cs = SOFT_SEL_KCODE;
	frame->ss = SOFT_SEL_KDATA;
	frame->rflags = (vcpu->regs.rflags & SOFT_FLAGS_KERNEL) | X86_EFLAGS_FIXED |
			(soft->step ? X86_EFLAGS_TF : X86_EFLAGS_IF);
	frame->fast = soft->step ? 0 : soft->fast;
	if (soft->awaits)
		frame->fast &= ~SOFT_FAST_IRET;
	/* While it is stepped through, a WRFSBASE has the other one for a moment. */
	if (soft->step)
		return;
	frame->fsbase = frame->kernel_fsbase;
	/* Where translations look for it; those that have it in the register find it there. */
	soft->area.vdata->r11 = vcpu->regs.gpr[UMBRA_R11];
}

static void switch_worlds(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;

	if (soft->mode == SOFT_USER)
		enter_user(vcpu, soft);
	else
		enter_kernel(vcpu, soft);
	frame->mode = soft->mode;
	frame->moved = 0;
	frame->guest_cr3 = soft->root;
	umbra_soft_switch(frame, vcpu->regs.gpr);
	vcpu->stat.world_switches++;
}

/*
 * DOC: where the guest is now
 *
 * The guest went back and forth without C code.  Nobody counted how often; that
 * it did at all is enough: state that follows from the mode is made again, and when the
 * mode is the other one, so are the view and its root.
 */
static void follow_mode(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;
	bool user = frame->mode == SOFT_MODE_USER;

	umbra_soft_segs_moved(regs, user);
	regs->rflags = X86_EFLAGS_FIXED | (user ? frame->vflags : 0);
	if (frame->mode == soft->mode)
		return;
	soft->mode = frame->mode;
	soft->segs_mode = soft->mode;
	soft->segs_stale |= !soft->can_return;
	soft->user_cs = frame->to_user.cs;
	soft->user_ss = frame->to_user.ss;
	swap(soft->root, soft->other_root);
	umbra_mmu_set_view(vcpu->mmu, user ? UMBRA_VIEW_USER : UMBRA_VIEW_KERNEL);
}

static void registers_back(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;
	u64 real = SOFT_FLAGS_USER, gs = soft->area.vdata->kernel_gs_base;

	if (frame->moved)
		follow_mode(vcpu, soft);
	if (soft->mode == SOFT_KERNEL) {
		real = SOFT_FLAGS_KERNEL;
		regs->rflags &= ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_RF);
		regs->rflags |= soft->area.vif->iff & X86_EFLAGS_IF;
	} else {
		regs->rip = frame->rip;
	}
	regs->rflags = (frame->rflags & real) | (regs->rflags & ~real);
	regs->int_shadow = 0;
	/* The page is the guest's to write. */
	if (umbra_canonical(gs, SOFT_VA_BITS))
		regs->kernel_gs_base = gs;
	umbra_soft_segs_back(soft, regs);
}

static bool follow_cr3(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;

	if (!umbra_soft_same_space(vcpu))
		return false;
	soft->cr3 = vcpu->regs.cr3;
	soft->area.vdata->cr[3] = vcpu->regs.cr3;
	soft->root = umbra_mmu_loaded_root(vcpu->mmu, UMBRA_VIEW_KERNEL);
	soft->other_root = umbra_mmu_loaded_root(vcpu->mmu, UMBRA_VIEW_USER);
	frame->cr3_kernel = soft->root;
	frame->cr3_user = soft->other_root;
	return true;
}

/* C code has brought the guest into @mode, from whatever: as in follow_mode(), and all of it. */
static void change_mode(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, enum soft_mode mode)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;
	bool user = mode == SOFT_USER;

	if (soft->mode != mode) {
		if (frame->cr4_user != frame->cr4_kernel)
			raw_write_cr4(user ? frame->cr4_user : frame->cr4_kernel);
		swap(soft->root, soft->other_root);
		umbra_mmu_set_view(vcpu->mmu, user ? UMBRA_VIEW_USER : UMBRA_VIEW_KERNEL);
	}
	soft->mode = mode;
	/* host_restore() looks there. */
	frame->mode = mode;
	soft->segs_stale |= !!(regs->dirty & (UMBRA_REGS_SEG | UMBRA_REGS_TABLE |
					      UMBRA_REGS_SYSCALL));
	regs->dirty = 0;
	segs_in(soft, regs);
	vdata_in(vcpu, soft);
	fast_in(vcpu, soft);
}

/* An event was delivered to the guest's kernel, from whatever mode.  False: that wants more. */
static bool follow_event(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	bool user = soft->mode == SOFT_USER;

	if ((user && !soft->both) || (vcpu->regs.rflags & (X86_EFLAGS_TF | X86_EFLAGS_IOPL)))
		return false;
	change_mode(vcpu, soft, SOFT_KERNEL);
	soft->va = 0;
	return true;
}

/*
 * DOC: back from the guest's handler of page faults
 *
 * User code that comes back from there touches the page at once, and the shadow has not got it: an
 * exit for certain.  So the IRET is made that exit, and C code executes it, as the switcher would,
 * and has the page filled as for the fault: one change of address space less, and one exception.
 * Whatever the guest has done instead costs it one IRET that is not fast.
 */
static void await_return(struct umbra_vcpu *vcpu, struct soft_vcpu *soft,
			 const struct umbra_fault *fault)
{
	soft->awaits = true;
	soft->awaited_gva = fault->addr;
	soft->awaited_error = fault->error_code;
	soft->awaited_cr3 = vcpu->regs.cr3;
}

/* IRET to user code, if the switcher would have taken it (.Liret there).  False: nothing was done. */
static bool iret_now(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	const struct soft_frame *frame = soft->area.frame;
	const struct soft_vdata *vdata = soft->area.vdata;
	u64 rip = READ_ONCE(vdata->iret[0]), rflags = READ_ONCE(vdata->iret[2]);
	struct umbra_regs *regs = &vcpu->regs;

	if (!(soft->fast & SOFT_FAST_IRET) || vdata->service != SOFT_SERVICE_IRET ||
	    vdata->iret[1] != frame->to_user.cs || vdata->iret[4] != frame->to_user.ss ||
	    vdata->desc[0] != SOFT_DESC_CODE || vdata->desc[1] != SOFT_DESC_DATA)
		return false;
	if ((rflags & ~(u64)SOFT_FLAGS_RETURN) || !(rflags & X86_EFLAGS_IF) ||
	    rip >= SOFT_USER_END || regs->seg[UMBRA_FS].base != vdata->fs_base)
		return false;
	regs->rip = rip;
	regs->gpr[UMBRA_RSP] = READ_ONCE(vdata->iret[3]);
	regs->rflags = rflags | X86_EFLAGS_FIXED;
	regs->int_shadow = 0;
	umbra_soft_segs_moved(regs, true);
	change_mode(vcpu, soft, SOFT_USER);
	return true;
}

/* The IRET that was awaited.  Return: the guest goes on. */
static bool come_back(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, struct umbra_exit *exit)
{
	soft->awaits = false;
	if (soft->awaited_cr3 != vcpu->regs.cr3 || !iret_now(vcpu, soft))
		return false;
	if (!umbra_exit_foresee(vcpu, exit, soft->awaited_gva, soft->awaited_error))
		return false;
	memset(exit, 0, sizeof(*exit));
	umbra_entry_note(vcpu);
	return true;
}

static bool is_awaited(const struct soft_vcpu *soft, const struct umbra_exit *exit)
{
	return soft->awaits && exit->reason == UMBRA_EXIT_INSN &&
	       soft->area.frame->vector == SOFT_VEC_SERVICE;
}

/* Has core a short way for it? */
static bool may_be_inside(const struct umbra_vcpu *vcpu, const struct soft_vcpu *soft,
			  const struct umbra_exit *exit)
{
	const struct soft_frame *frame = soft->area.frame;

	if (exit->reason == UMBRA_EXIT_PAGE_FAULT || is_awaited(soft, exit)) {
		/* Half an instruction, or segments that have to be looked at. */
		if (soft->step || soft->watched || soft->segs_stale)
			return false;
	} else if (exit->reason != UMBRA_EXIT_CR && exit->reason != UMBRA_EXIT_INVLPG) {
		return false;
	}
	/* The host has to hear of its NMIs, the guest of what it could not take before. */
	return !vcpu->want && !frame->nmi && !frame->mce;
}

/* Core deals with the exit, if it can.  Return: the guest goes on. */
static bool go_on(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, struct umbra_exit *exit)
{
	enum umbra_exit_reason reason = exit->reason;
	u64 events = vcpu->stat.inject_exception;
	bool user = soft->mode == SOFT_USER;

	if (!may_be_inside(vcpu, soft, exit))
		return false;
	if (reason == UMBRA_EXIT_INSN)
		return come_back(vcpu, soft, exit);
	if (!umbra_exit_inside(vcpu, exit))
		return false;
	if (vcpu->stat.inject_exception != events) {
		if (user)
			await_return(vcpu, soft, &exit->fault);
		if (!follow_event(vcpu, soft)) {
			memset(exit, 0, sizeof(*exit));
			return false;
		}
	}
	memset(exit, 0, sizeof(*exit));
	if (reason == UMBRA_EXIT_CR && !follow_cr3(vcpu, soft))
		return false;
	if (soft->mode == SOFT_KERNEL && (!soft->va || soft->rip != vcpu->regs.rip)) {
		soft->rip = vcpu->regs.rip;
		soft->va = soft_tc_resume(soft->tc, soft->rip);
		if (!soft->va)
			return false;
	}
	umbra_entry_note(vcpu);
	return true;
}

static bool run_once(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, struct umbra_exit *exit)
{
	switch_worlds(vcpu, soft);
	take_dr6(soft);
	registers_back(vcpu, soft);
	if (soft->mode == SOFT_USER) {
		umbra_soft_exit_user(vcpu, exit);
		return go_on(vcpu, soft, exit);
	}
	return umbra_soft_exit_kernel(vcpu, exit) || go_on(vcpu, soft, exit);
}

/*
 * DOC: away from the host's address space
 *
 * The world is switched from the intermediate address space and back to it, and between two
 * switches of a run C code stays there: a load of CR3 costs more than all that is done
 * meanwhile.  What runs there, with interrupts off, is this file, exits.c, the records of the
 * cache, and what umbra_exit_inside() does.  It may use
 *
 *   the kernel's half	all of it: it is the host's own tables, shared below the top level
 *   guest memory	by the kernel's mapping of all memory only (mmu/now.c)
 *
 * and not the caller's memory: the user half is absent.  NMIs and machine checks have the host's
 * handlers, which take a CR3 with the kernel's half as it is; what they read of user memory, by
 * functions that may fail, they do not find.
 */

/**
 * umbra_soft_run() - run the guest until something has to be done
 * @vcpu: the vCPU
 * @exit: filled
 *
 * Context: interrupts off on entry and return; guest FPU state loaded.
 */
void umbra_soft_run(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct host_regs host;

	exit->reason = UMBRA_EXIT_NONE;
	if (soft->mode == SOFT_NOTHING)
		return;
	host_save(vcpu, &host);
	segs_in(soft, &vcpu->regs);
	vdata_in(vcpu, soft);
	fast_in(vcpu, soft);
	soft->step = 0;
	soft->watched = 0;
	umbra_soft_area_follow(&soft->area);
	umbra_soft_away(soft->area.frame);
	while (run_once(vcpu, soft, exit))
		;
	umbra_soft_home(soft->area.frame);
	host_restore(vcpu, &host);
	soft->mode = SOFT_NOTHING;
}
