// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the virtual machine control block
 *
 * What the processor runs with, made from what the guest believes it runs
 * with.  struct umbra_regs holds the guest's view; the VMCB the real thing:
 *
 *   CR0   guest's | PG | WP, without CD and NW.  Without nested paging there is
 *	   always paging, also for a guest in real mode (APM 15.18)
 *   CR3   the shadow root
 *   CR4   guest's | PAE | host's MCE; SMEP, SMAP, PKE only while the guest itself
 *	   pages (the MMU maps an unpaged guest's memory as user pages)
 *   EFER  guest's | SVME | NXE; LME and LMA both or none, as the guest's LMA
 *
 * Accesses of the guest to what differs are intercepted.
 */
#include "svm_internal.h"

#include <linux/kvm.h>

#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

/* The bits that exist in CR0; the others must be zero at VMRUN. */
#define CR0_BITS	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
			 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
			 X86_CR0_PG)

/* CR4 bits that may be the guest's own; no LA57, PCIDE, VMXE, SMXE, CET. */
#define CR4_PASSED	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | \
			 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | \
			 X86_CR4_FSGSBASE | X86_CR4_OSXSAVE | CR4_PAGED)
#define CR4_PAGED	(X86_CR4_SMEP | X86_CR4_SMAP | X86_CR4_PKE)

/* Exits that are wanted always.  CR0 reads, VINTR, IRET and what waits come and go. */
static const u8 intercepts[] = {
	INTERCEPT_CR0_WRITE, INTERCEPT_CR3_READ, INTERCEPT_CR3_WRITE,
	INTERCEPT_CR4_READ, INTERCEPT_CR4_WRITE,
	INTERCEPT_CR8_READ, INTERCEPT_CR8_WRITE,
	INTERCEPT_INTR, INTERCEPT_NMI, INTERCEPT_SMI, INTERCEPT_INIT,
	INTERCEPT_RDPMC, INTERCEPT_CPUID, INTERCEPT_RSM, INTERCEPT_INVD,
	INTERCEPT_INVLPGA,
	INTERCEPT_IOIO_PROT, INTERCEPT_MSR_PROT, INTERCEPT_TASK_SWITCH,
	INTERCEPT_FERR_FREEZE, INTERCEPT_SHUTDOWN,
	INTERCEPT_VMRUN, INTERCEPT_VMMCALL, INTERCEPT_VMLOAD, INTERCEPT_VMSAVE,
	INTERCEPT_STGI, INTERCEPT_CLGI, INTERCEPT_SKINIT,
	INTERCEPT_WBINVD, INTERCEPT_XSETBV,
	INTERCEPT_RDPRU,
};

/*
 * #PF is the MMU's.  #MC belongs to the host.  #DB and #AC are intercepted
 * because their delivery can itself raise them again for ever, with no
 * interrupt in between: a guest could hang the processor (CVE-2015-5307,
 * CVE-2015-8104).  Core gives them back to the guest.
 */
#define EXCEPTIONS	(BIT(14) | BIT(18) | BIT(1) | BIT(17))

/**
 * umbra_svm_configure() - intercepts that depend on what userspace asked for
 * @vcpu: the vCPU
 *
 * Guest debugging wants #BP, and breakpoint registers of its own.
 * Context: the vCPU's thread.
 */
void umbra_svm_configure(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	u32 exceptions = EXCEPTIONS | vcpu->intercept_exceptions;

	if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		exceptions |= BIT(3);
	svm->vmcb->control.intercepts[INTERCEPT_EXCEPTION] = exceptions;
	svm->vmcb->control.msrpm_base_pa =
		umbra_svm_msrpm_hpa(rcu_access_pointer(vcpu->vm->msr_filter));
	svm_changed(svm, SVM_CLEAN_INTERCEPTS | SVM_CLEAN_PERM);
	umbra_svm_push_dr(vcpu);
}

/* Instructions that wait: KVM_CAP_X86_DISABLE_EXITS leaves them to the guest. */
static void intercept_waits(struct svm_vcpu *svm, u64 disabled)
{
	bool mwait = !(disabled & KVM_X86_DISABLE_EXITS_MWAIT);

	svm_intercept(svm, INTERCEPT_HLT, !(disabled & KVM_X86_DISABLE_EXITS_HLT));
	svm_intercept(svm, INTERCEPT_MONITOR, mwait);
	svm_intercept(svm, INTERCEPT_MWAIT, mwait);
	if (umbra_svm_caps.pause_filter && !(disabled & KVM_X86_DISABLE_EXITS_PAUSE)) {
		svm->vmcb->control.pause_filter_count = 3000;
		svm_intercept(svm, INTERCEPT_PAUSE, true);
	}
}

/**
 * umbra_svm_vmcb_init() - a VMCB that only lacks the guest's registers
 * @vcpu: the vCPU; its VMCB is zeroed
 */
void umbra_svm_vmcb_init(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb_control_area *control = &svm->vmcb->control;
	struct vmcb_save_area *save = &svm->vmcb->save;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(intercepts); i++)
		svm_intercept(svm, intercepts[i], true);
	svm_intercept(svm, INTERCEPT_INVPCID, boot_cpu_has(X86_FEATURE_INVPCID));
	/*
	 * In the guest INVLPG drops the processor's translation of its own ASID.
	 * The MMU must hear of it only if shadow entries may be stale as well.
	 */
	svm_intercept(svm, INTERCEPT_INVLPG, !UMBRA_MMU_IN_STEP);
	/* MOV DR: all sixteen, both directions. */
	control->intercepts[INTERCEPT_DR] = 0x00ff00ff;
	intercept_waits(svm, vcpu->vm->disabled_exits);
	control->iopm_base_pa = umbra_svm_iopm_hpa();
	control->int_ctl = V_INTR_MASKING_MASK;
	save->g_pat = 0x0007040600070406ull;
	save->dr6 = 0xffff0ff0;
	save->dr7 = 0x400;
	umbra_svm_configure(vcpu);
}

/*
 * AMD processors leave more in the hidden parts than the architecture shows:
 * stale bits in unusable segments, a granularity bit that does not fit.
 */
static void pull_seg(struct umbra_seg *seg, const struct vmcb_seg *v)
{
	seg->sel = v->selector;
	seg->base = v->base;
	seg->limit = v->limit;
	seg->attr = v->attrib & 0xfff;
	if (!(seg->attr & UMBRA_SEG_P))
		seg->attr = 0;
	else if (seg->limit > 0xfffff)
		seg->attr |= UMBRA_SEG_G;
}

static void push_seg(struct vmcb_seg *v, const struct umbra_seg *seg)
{
	v->selector = seg->sel;
	v->base = seg->base;
	v->limit = seg->limit;
	v->attrib = seg->attr & 0xfff;
}

static void pull_segs(struct umbra_regs *regs, const struct vmcb_save_area *save)
{
	pull_seg(&regs->seg[UMBRA_ES], &save->es);
	pull_seg(&regs->seg[UMBRA_CS], &save->cs);
	pull_seg(&regs->seg[UMBRA_SS], &save->ss);
	pull_seg(&regs->seg[UMBRA_DS], &save->ds);
	pull_seg(&regs->seg[UMBRA_FS], &save->fs);
	pull_seg(&regs->seg[UMBRA_GS], &save->gs);
	regs->cpl = save->cpl & 3;
	if (regs->seg[UMBRA_SS].attr)
		regs->seg[UMBRA_SS].attr = (regs->seg[UMBRA_SS].attr & ~UMBRA_SEG_DPL) |
					   regs->cpl << UMBRA_SEG_DPL_SHIFT;
}

static void push_segs(struct svm_vcpu *svm, const struct umbra_regs *regs)
{
	struct vmcb_save_area *save = &svm->vmcb->save;

	push_seg(&save->es, &regs->seg[UMBRA_ES]);
	push_seg(&save->cs, &regs->seg[UMBRA_CS]);
	push_seg(&save->ss, &regs->seg[UMBRA_SS]);
	push_seg(&save->ds, &regs->seg[UMBRA_DS]);
	push_seg(&save->fs, &regs->seg[UMBRA_FS]);
	push_seg(&save->gs, &regs->seg[UMBRA_GS]);
	save->cpl = regs->cpl;
	/* SS.DPL is the CPL, for some processors the only one (APM 4.8.2, 15.5.1). */
	save->ss.attrib = (save->ss.attrib & ~UMBRA_SEG_DPL) |
			  regs->cpl << UMBRA_SEG_DPL_SHIFT;
	svm_changed(svm, SVM_CLEAN_SEG);
}

/* A loaded TSS is busy, but not every processor's hidden part says so. */
#define TSS_BUSY	0x2

static void pull_tables(struct umbra_regs *regs, const struct vmcb_save_area *save)
{
	pull_seg(&regs->seg[UMBRA_LDTR], &save->ldtr);
	pull_seg(&regs->seg[UMBRA_TR], &save->tr);
	if (regs->seg[UMBRA_TR].attr)
		regs->seg[UMBRA_TR].attr |= TSS_BUSY;
	regs->gdtr.base = save->gdtr.base;
	regs->gdtr.limit = save->gdtr.limit;
	regs->idtr.base = save->idtr.base;
	regs->idtr.limit = save->idtr.limit;
}

static void push_tables(struct svm_vcpu *svm, const struct umbra_regs *regs)
{
	struct vmcb_save_area *save = &svm->vmcb->save;
	u16 tr_attr = save->tr.attrib;

	push_seg(&save->ldtr, &regs->seg[UMBRA_LDTR]);
	push_seg(&save->tr, &regs->seg[UMBRA_TR]);
	/* Pulled and pushed unchanged: keep the processor's own spelling. */
	if ((tr_attr | TSS_BUSY) == save->tr.attrib)
		save->tr.attrib = tr_attr;
	save->gdtr.base = regs->gdtr.base;
	save->gdtr.limit = regs->gdtr.limit;
	save->idtr.base = regs->idtr.base;
	save->idtr.limit = regs->idtr.limit;
	svm_changed(svm, SVM_CLEAN_DT);
}

static u64 real_cr0(u64 cr0)
{
	cr0 &= CR0_BITS & ~(X86_CR0_CD | X86_CR0_NW);
	return cr0 | X86_CR0_PG | X86_CR0_WP | X86_CR0_ET;
}

static u64 real_cr4(u64 cr4, u64 cr0)
{
	cr4 &= CR4_PASSED;
	if (!(cr0 & X86_CR0_PG))
		cr4 &= ~CR4_PAGED;
	return cr4 | X86_CR4_PAE;
}

static u64 real_efer(u64 efer)
{
	u64 real = EFER_SVME | EFER_NX;

	real |= efer & (EFER_SCE | EFER_FFXSR);
	if (efer & EFER_LMA)
		real |= EFER_LMA | EFER_LME;
	return real;
}

static void push_crs(struct svm_vcpu *svm, const struct umbra_regs *regs)
{
	struct vmcb_save_area *save = &svm->vmcb->save;

	save->cr2 = regs->cr2;
	svm_changed(svm, SVM_CLEAN_CR2);
	/* A page fault of the guest changes no other. */
	if (svm->cr0 == regs->cr0 && svm->cr4 == regs->cr4 && svm->efer == regs->efer)
		return;
	svm->cr0 = regs->cr0;
	svm->cr4 = regs->cr4;
	svm->efer = regs->efer;
	save->cr0 = real_cr0(regs->cr0);
	save->cr4 = real_cr4(regs->cr4, regs->cr0) | this_cpu_read(umbra_svm_cpu.cr4_mce);
	save->efer = real_efer(regs->efer);
	/* Reads of CR0 pass while there is nothing to hide. */
	svm_intercept(svm, INTERCEPT_CR0_READ, save->cr0 != (regs->cr0 | X86_CR0_ET));
	svm_changed(svm, SVM_CLEAN_CR);
}

static void pull_syscall(struct umbra_regs *regs, const struct vmcb_save_area *save)
{
	regs->star = save->star;
	regs->lstar = save->lstar;
	regs->cstar = save->cstar;
	regs->sfmask = save->sfmask;
	regs->kernel_gs_base = save->kernel_gs_base;
	regs->sysenter_cs = save->sysenter_cs;
	regs->sysenter_esp = save->sysenter_esp;
	regs->sysenter_eip = save->sysenter_eip;
}

static void push_syscall(struct vmcb_save_area *save, const struct umbra_regs *regs)
{
	save->star = regs->star;
	save->lstar = regs->lstar;
	save->cstar = regs->cstar;
	save->sfmask = regs->sfmask;
	save->kernel_gs_base = regs->kernel_gs_base;
	save->sysenter_cs = regs->sysenter_cs;
	save->sysenter_esp = regs->sysenter_esp;
	save->sysenter_eip = regs->sysenter_eip;
}

/* What VMRUN would refuse and the masks above do not already prevent (APM 15.5.1). */
static bool state_is_bad(const struct vmcb_save_area *save)
{
	u16 cs = save->cs.attrib;

	if (!(save->efer & EFER_LMA))
		return false;
	return !(save->cr0 & X86_CR0_PE) ||
	       ((cs & UMBRA_SEG_L) && (cs & UMBRA_SEG_DB));
}

/**
 * umbra_svm_pull() - registers from the VMCB
 * @vcpu: the vCPU
 * @mask: UMBRA_REGS_* groups that are wanted
 *
 * General registers are there since the exit.  Of the control registers only
 * CR2 can have changed, every write to the others exits.
 * Context: the vCPU's thread.
 */
void umbra_svm_pull(struct umbra_vcpu *vcpu, u32 mask)
{
	const struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb_save_area *save = &svm->vmcb->save;
	struct umbra_regs *regs = &vcpu->regs;

	if (mask & UMBRA_REGS_SEG)
		pull_segs(regs, save);
	if (mask & UMBRA_REGS_TABLE)
		pull_tables(regs, save);
	if (mask & UMBRA_REGS_CR) {
		regs->cr0 = svm->cr0;
		regs->cr2 = save->cr2;
		regs->cr4 = svm->cr4;
		regs->efer = svm->efer;
	}
	if (mask & UMBRA_REGS_DR)
		umbra_svm_pull_dr(vcpu);
	if (mask & UMBRA_REGS_SYSCALL)
		pull_syscall(regs, save);
	regs->avail |= mask;
}

/**
 * umbra_svm_push() - dirty registers to the VMCB
 * @vcpu: the vCPU
 *
 * General registers go at run().  Context: the vCPU's thread.
 */
void umbra_svm_push(struct umbra_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct umbra_regs *regs = &vcpu->regs;
	u32 dirty = regs->dirty;

	if (!(dirty & ~UMBRA_REGS_GPR)) {
		regs->dirty = 0;
		return;
	}
	if (dirty & UMBRA_REGS_SEG)
		push_segs(svm, regs);
	if (dirty & UMBRA_REGS_TABLE)
		push_tables(svm, regs);
	if (dirty & UMBRA_REGS_CR)
		push_crs(svm, regs);
	if (dirty & UMBRA_REGS_DR)
		umbra_svm_push_dr(vcpu);
	if (dirty & UMBRA_REGS_SYSCALL)
		push_syscall(&svm->vmcb->save, regs);
	if (dirty & (UMBRA_REGS_SEG | UMBRA_REGS_CR))
		svm->bad_state = state_is_bad(&svm->vmcb->save);
	regs->dirty = 0;
}
