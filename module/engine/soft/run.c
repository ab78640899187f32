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
 * What the real RFLAGS have while guest code runs: IF set, so that the host
 * keeps its interrupts; IOPL 0, so that CLI, STI, POPF, IN and OUT are not the
 * guest's; the arithmetic flags, DF, and in user mode TF, AC, NT and ID are the
 * guest's own.
 */
#include "soft_internal.h"

#include <asm/debugreg.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

/* CR4.LASS (SDM Vol. 3A 4.12): CPL 3 would not reach the upper half at all. */
#define CR4_LASS	BIT_ULL(27)

#define FLAGS_KERNEL	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF |	\
			 X86_EFLAGS_SF | X86_EFLAGS_DF | X86_EFLAGS_OF | X86_EFLAGS_ID)
#define FLAGS_USER	(FLAGS_KERNEL | X86_EFLAGS_TF | X86_EFLAGS_AC | X86_EFLAGS_NT |	\
			 X86_EFLAGS_RF)

/* User addresses end here; breakpoints above could hit the switcher. */
#define USER_END	BIT_ULL(47)

/**
 * struct host_regs - what C code changes around the switch
 * @cr0: CR0
 * @cr4: CR4
 * @dr7: DR7
 * @dr: DR0..3, if the guest's were loaded
 * @guest_dr: they were
 * @cr4_changed: CR4 is not the host's
 */
struct host_regs {
	u64 cr0, cr4;
	unsigned long dr7;
	unsigned long dr[4];
	bool guest_dr;
	bool cr4_changed;
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

/* The guest's breakpoints, for user code and user addresses. */
static void load_guest_dr(struct umbra_vcpu *vcpu, struct host_regs *host)
{
	const struct umbra_regs *regs = &vcpu->regs;
	unsigned long dr7 = regs->dr7 & 0xffff03ff;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (regs->dr[i] >= USER_END)
			dr7 &= ~(3ul << (2 * i));
	if (!(dr7 & 0xff))
		return;
	host->guest_dr = true;
	get_debugreg(host->dr[0], 0);
	get_debugreg(host->dr[1], 1);
	get_debugreg(host->dr[2], 2);
	get_debugreg(host->dr[3], 3);
	set_debugreg(regs->dr[0], 0);
	set_debugreg(regs->dr[1], 1);
	set_debugreg(regs->dr[2], 2);
	set_debugreg(regs->dr[3], 3);
	set_debugreg(DR6_RESERVED, 6);
	set_debugreg(dr7 | 0x400, 7);
}

static void host_save(struct umbra_vcpu *vcpu, struct host_regs *host)
{
	u64 cr4;

	host->guest_dr = false;
	host->cr0 = native_read_cr0();
	if (unlikely(vcpu->regs.cr0 & (X86_CR0_TS | X86_CR0_EM)))
		native_write_cr0(host->cr0 | X86_CR0_TS);
	asm volatile("mov %%cr4, %0" : "=r"(host->cr4));
	cr4 = guest_cr4(vcpu, to_soft(vcpu)->mode == SOFT_USER, host->cr4);
	host->cr4_changed = cr4 != host->cr4;
	if (host->cr4_changed)
		raw_write_cr4(cr4);
	host->dr7 = 0;
	if (unlikely(hw_breakpoint_active())) {
		get_debugreg(host->dr7, 7);
		set_debugreg(0x400, 7);
	}
	if (unlikely((vcpu->regs.dr7 & 0xff) && to_soft(vcpu)->mode == SOFT_USER))
		load_guest_dr(vcpu, host);
}

static void host_restore(struct umbra_vcpu *vcpu, const struct host_regs *host)
{
	if (unlikely(host->guest_dr)) {
		set_debugreg(0x400, 7);
		set_debugreg(host->dr[0], 0);
		set_debugreg(host->dr[1], 1);
		set_debugreg(host->dr[2], 2);
		set_debugreg(host->dr[3], 3);
	}
	if (unlikely(host->dr7))
		set_debugreg(host->dr7, 7);
	if (host->cr4_changed)
		raw_write_cr4(host->cr4);
	if (unlikely(vcpu->regs.cr0 & (X86_CR0_TS | X86_CR0_EM)))
		native_write_cr0(host->cr0);
}

static void switch_worlds(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;

	memcpy(frame->gpr, regs->gpr, sizeof(frame->gpr));
	frame->rsp = regs->gpr[UMBRA_RSP];
	frame->guest_cr3 = soft->root;
	umbra_soft_switch(frame);
	memcpy(regs->gpr, frame->gpr, sizeof(frame->gpr));
	regs->gpr[UMBRA_RSP] = frame->rsp;
}

/* The exception's debug status goes into the exit; nothing stays for the host. */
static void take_dr6(struct soft_vcpu *soft)
{
	unsigned long dr6;

	if (soft->area.frame->vector != X86_TRAP_DB)
		return;
	get_debugreg(dr6, 6);
	set_debugreg(DR6_RESERVED, 6);
	soft->dr6 = dr6 ^ DR6_RESERVED;
}

static void run_user(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, struct umbra_exit *exit)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;

	umbra_soft_segs_user(soft, regs);
	frame->rip = regs->rip;
	frame->rflags = (regs->rflags & FLAGS_USER) | X86_EFLAGS_IF | X86_EFLAGS_FIXED;
	switch_worlds(vcpu, soft);
	take_dr6(soft);
	regs->rip = frame->rip;
	regs->rflags = (frame->rflags & FLAGS_USER) | (regs->rflags & ~(u64)FLAGS_USER);
	regs->int_shadow = 0;
	umbra_soft_segs_back(soft, regs);
	umbra_soft_exit_user(vcpu, exit);
}

static void vdata_in(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct umbra_regs *regs = &vcpu->regs;
	struct soft_area *area = &soft->area;
	bool arm = (vcpu->want & UMBRA_TAKE_INTR) && !(regs->rflags & X86_EFLAGS_IF);

	umbra_soft_segs_kernel(soft, regs);
	area->vif->iff = regs->rflags & X86_EFLAGS_IF;
	area->vdata->kernel_gs_base = regs->kernel_gs_base;
	area->vdata->tsc_offset = vcpu->tsc_offset;
	area->vdata->tsc_aux = vcpu->tsc_aux;
	if (arm != soft->vif_armed) {
		umbra_soft_area_vif(area, !arm);
		soft->vif_armed = arm;
	}
}

static void vdata_out(struct umbra_vcpu *vcpu, struct soft_vcpu *soft)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;

	regs->rflags = (frame->rflags & FLAGS_KERNEL) |
		       (regs->rflags & ~(u64)(FLAGS_KERNEL | X86_EFLAGS_IF | X86_EFLAGS_RF)) |
		       (soft->area.vif->iff & X86_EFLAGS_IF);
	regs->int_shadow = 0;
	regs->kernel_gs_base = soft->area.vdata->kernel_gs_base;
	regs->seg[UMBRA_FS].base = frame->fsbase;
	regs->seg[UMBRA_GS].base = frame->gsbase;
}

static void run_kernel(struct umbra_vcpu *vcpu, struct soft_vcpu *soft, struct umbra_exit *exit)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_regs *regs = &vcpu->regs;

	vdata_in(vcpu, soft);
	soft->step = 0;
	do {
		frame->rip = soft->va;
		frame->cs = SOFT_SEL_KCODE;
		frame->ss = SOFT_SEL_KDATA;
		frame->ds = 0;
		frame->es = 0;
		frame->fs = 0;
		frame->gs = 0;
		frame->rflags = (regs->rflags & FLAGS_KERNEL) | X86_EFLAGS_FIXED |
				(soft->step ? X86_EFLAGS_TF : X86_EFLAGS_IF);
		switch_worlds(vcpu, soft);
		take_dr6(soft);
		vdata_out(vcpu, soft);
	} while (umbra_soft_exit_kernel(vcpu, exit));
}

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
	if (soft->mode == SOFT_USER)
		run_user(vcpu, soft, exit);
	else
		run_kernel(vcpu, soft, exit);
	host_restore(vcpu, &host);
	soft->mode = SOFT_NOTHING;
}
