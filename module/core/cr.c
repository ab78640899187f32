// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: control registers
 *
 * What MOV to CR, WRMSR of EFER and XSETBV may do (SDM Vol. 2B "MOV", Vol. 3A
 * 2.5, 4.1, 9.8.5; APM Vol. 2, 3.1), and which of it concerns translations.
 * Each writer judges first and changes afterwards.  Who asked - emulator, MSR
 * table, ioctl - is not this file's business, and the page tables are the
 * MMU's.
 */
#include "cr_internal.h"

#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "cpuid_internal.h"
#include "soft_tlb_internal.h"
#include "umbra/irqchip.h"
#include "umbra/trace.h"

static u32 paging_features(struct umbra_vcpu *vcpu)
{
	return vcpu->paging_features;
}

void umbra_paging_changed(struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);
	struct umbra_paging paging = {
		.cr0 = regs->cr0,
		.cr3 = regs->cr3,
		.cr4 = regs->cr4,
		.efer = regs->efer,
		.maxphyaddr = vcpu->maxphyaddr,
		.features = paging_features(vcpu),
	};

	memcpy(paging.pdptr, vcpu->pdptr, sizeof(paging.pdptr));
	umbra_mmu_set_paging(vcpu->mmu, &paging);
	vcpu->hint.valid = false;
	umbra_soft_tlb_flush(vcpu);
}

void umbra_flush_all(struct umbra_vcpu *vcpu)
{
	umbra_mmu_flush(vcpu->mmu, true);
	umbra_soft_tlb_flush(vcpu);
	vcpu->vm->engine->flush_tlb(vcpu);
	vcpu->stat.tlb_flush++;
}

/* As umbra_paging_changed(): another address space in long mode. */
static void space_changed(struct umbra_vcpu *vcpu, u64 cr3)
{
	umbra_mmu_set_cr3(vcpu->mmu, cr3);
	vcpu->hint.valid = false;
	umbra_soft_tlb_flush(vcpu);
}

/* PAE paging outside long mode: CR3 names four pointers that are loaded at once. */
static bool is_pae(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

static int load_pdptrs(struct umbra_vcpu *vcpu, u64 cr3)
{
	u64 pdptr[4];
	int err;

	err = umbra_mmu_load_pdptrs(vcpu->mmu, cr3, vcpu->maxphyaddr, pdptr);
	/* A table outside memory reads as ones: reserved bits. */
	if (err)
		return -EINVAL;
	memcpy(vcpu->pdptr, pdptr, sizeof(pdptr));
	return 0;
}

static bool cr0_consistent(u64 cr0)
{
	if (cr0 >> 32)
		return false;
	if ((cr0 & X86_CR0_NW) && !(cr0 & X86_CR0_CD))
		return false;
	return !(cr0 & X86_CR0_PG) || (cr0 & X86_CR0_PE);
}

/* PG goes on: into long mode or into legacy paging (SDM Vol. 3A 9.8.5). */
static int enable_paging(struct umbra_vcpu *vcpu, u64 *efer)
{
	const struct umbra_regs *regs = &vcpu->regs;

	if (!(regs->efer & EFER_LME)) {
		if (regs->cr4 & X86_CR4_PAE)
			return load_pdptrs(vcpu, regs->cr3);
		return 0;
	}
	if (!(regs->cr4 & X86_CR4_PAE))
		return -EINVAL;
	if (regs->seg[UMBRA_CS].attr & UMBRA_SEG_L)
		return -EINVAL;
	*efer |= EFER_LMA;
	return 0;
}

static int disable_paging(struct umbra_vcpu *vcpu, u64 *efer)
{
	const struct umbra_regs *regs = &vcpu->regs;

	if (umbra_in_64bit(regs) || (regs->cr4 & X86_CR4_PCIDE))
		return -EINVAL;
	*efer &= ~(u64)EFER_LMA;
	return 0;
}

int umbra_cr0_write(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR | UMBRA_REGS_SEG);
	u64 changed, efer = regs->efer;
	int err = 0;

	if (!cr0_consistent(val))
		return -EINVAL;
	val = (val & UMBRA_CR0_BITS) | X86_CR0_ET;
	changed = val ^ regs->cr0;

	if (changed & val & X86_CR0_PG)
		err = enable_paging(vcpu, &efer);
	else if (changed & X86_CR0_PG)
		err = disable_paging(vcpu, &efer);
	else if ((changed & (X86_CR0_CD | X86_CR0_NW)) &&
		 is_pae(val, regs->cr4, efer))
		err = load_pdptrs(vcpu, regs->cr3);
	if (err)
		return err;

	umbra_regs_mut(vcpu, UMBRA_REGS_CR);
	regs->cr0 = val;
	regs->efer = efer;
	if (changed & (X86_CR0_PG | X86_CR0_WP | X86_CR0_PE))
		umbra_paging_changed(vcpu);
	/* SDM Vol. 3A 4.10.4.1: a change of PG invalidates everything; PE for our own sake. */
	if (changed & (X86_CR0_PG | X86_CR0_PE))
		umbra_flush_all(vcpu);
	return 0;
}

/*
 * DOC: a load of CR3
 *
 * Judged first (reserved bits, in PAE mode the four pointers), then done.  No page
 * table is read and none is made: the new root is looked for when the
 * guest is entered again, by umbra_mmu_load().
 */
int umbra_cr3_write(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);
	bool lng = regs->efer & EFER_LMA;
	int err;

	if (lng) {
		if (val & umbra_cr3_reserved(vcpu))
			return -EINVAL;
	} else {
		val = (u32)val;
		if (is_pae(regs->cr0, regs->cr4, regs->efer)) {
			err = load_pdptrs(vcpu, val);
			if (err)
				return err;
		}
	}

	umbra_regs_mut(vcpu, UMBRA_REGS_CR);
	regs->cr3 = val;
	if (lng)
		space_changed(vcpu, val);
	else
		umbra_paging_changed(vcpu);
	/* Global translations may stay (SDM Vol. 3A 4.10.4.1). */
	umbra_mmu_flush(vcpu->mmu, false);
	vcpu->vm->engine->flush_tlb(vcpu);
	vcpu->stat.tlb_flush++;
	return 0;
}

bool umbra_cr3_write_now(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);

	if (!(regs->efer & EFER_LMA) || (val & umbra_cr3_reserved(vcpu)) ||
	    !umbra_mmu_switch_now(vcpu->mmu, val))
		return false;
	/* Not dirty: no engine gives the guest's CR3 to the processor. */
	regs->cr3 = val;
	vcpu->hint.valid = false;
	umbra_soft_tlb_flush(vcpu);
	vcpu->vm->engine->flush_tlb(vcpu);
	vcpu->stat.tlb_flush++;
	return true;
}

int umbra_cr4_write(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);
	u64 changed = val ^ regs->cr4;
	int err;

	if (val & vcpu->cr4_reserved)
		return -EINVAL;
	if (regs->efer & EFER_LMA) {
		if (!(val & X86_CR4_PAE) || (changed & X86_CR4_LA57))
			return -EINVAL;
	} else if (is_pae(regs->cr0, val, regs->efer) &&
		   (changed & (X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PGE | X86_CR4_SMEP))) {
		err = load_pdptrs(vcpu, regs->cr3);
		if (err)
			return err;
	}
	/* PCIDE may be set in long mode with PCID 0 only (SDM Vol. 3A 4.10.1). */
	if ((changed & val & X86_CR4_PCIDE) &&
	    (!(regs->efer & EFER_LMA) || (regs->cr3 & X86_CR3_PCID_MASK)))
		return -EINVAL;

	umbra_regs_mut(vcpu, UMBRA_REGS_CR);
	regs->cr4 = val;
	if (changed & (X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PGE | X86_CR4_SMEP |
		       X86_CR4_SMAP | X86_CR4_LA57 | X86_CR4_PCIDE | X86_CR4_PKE)) {
		umbra_paging_changed(vcpu);
		umbra_flush_all(vcpu);
	}
	if (changed & (X86_CR4_OSXSAVE | X86_CR4_PKE))
		umbra_cpuid_runtime(vcpu);
	return 0;
}

int umbra_cr8_write(struct umbra_vcpu *vcpu, u64 val)
{
	if (val & ~0xfull)
		return -EINVAL;
	if (vcpu->lapic)
		umbra_lapic_set_cr8(vcpu, val);
	else
		vcpu->regs.cr8 = val;
	return 0;
}

u64 umbra_cr8_read(struct umbra_vcpu *vcpu)
{
	return vcpu->lapic ? umbra_lapic_cr8(vcpu) : vcpu->regs.cr8;
}

int umbra_efer_write(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);
	u64 changed;

	/* LMA follows LME and PG; writing it has no effect. */
	val = (val & ~(u64)EFER_LMA) | (regs->efer & EFER_LMA);
	changed = val ^ regs->efer;
	if (val & ~vcpu->efer_allowed)
		return -EINVAL;
	if ((changed & EFER_LME) && (regs->cr0 & X86_CR0_PG))
		return -EINVAL;
	if (!changed)
		return 0;

	umbra_regs_mut(vcpu, UMBRA_REGS_CR);
	regs->efer = val;
	if (changed & (EFER_NX | EFER_LME)) {
		umbra_paging_changed(vcpu);
		umbra_flush_all(vcpu);
	}
	return 0;
}

/* SDM Vol. 1 13.3: which combinations XCR0 may hold. */
bool umbra_xcr0_valid(const struct umbra_vcpu *vcpu, u64 val)
{
	if (!(val & XFEATURE_MASK_FP) || (val & ~vcpu->xcr0_allowed))
		return false;
	if ((val & XFEATURE_MASK_YMM) && !(val & XFEATURE_MASK_SSE))
		return false;
	if (val & XFEATURE_MASK_AVX512)
		return (val & XFEATURE_MASK_YMM) &&
		       (val & XFEATURE_MASK_AVX512) == XFEATURE_MASK_AVX512;
	return true;
}

int umbra_xcr0_write(struct umbra_vcpu *vcpu, u64 val)
{
	if (!umbra_xcr0_valid(vcpu, val))
		return -EINVAL;
	vcpu->regs.xcr0 = val;
	umbra_cpuid_runtime(vcpu);
	return 0;
}

bool umbra_crs_valid(const struct umbra_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer)
{
	if (!cr0_consistent(cr0) || (cr4 & vcpu->cr4_reserved))
		return false;
	if (efer & ~(vcpu->efer_allowed | EFER_LMA))
		return false;
	if ((efer & EFER_LME) && (cr0 & X86_CR0_PG))
		return (cr4 & X86_CR4_PAE) && (efer & EFER_LMA) &&
		       !(cr3 & umbra_cr3_reserved(vcpu));
	return !(efer & EFER_LMA);
}
