// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: power-on, INIT, and the parts of a vCPU
 *
 * Puts a vCPU together - engine data, MMU context, FPU image, machine-check
 * banks, local APIC - and gives its registers the values of SDM Vol. 3A table
 * 9-1.
 */
#include "reset_internal.h"

#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <asm/apicdef.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/tsc.h>

#include "clock_internal.h"
#include "cpuid_internal.h"
#include "cr_internal.h"
#include "emulate_internal.h"
#include "event_internal.h"
#include "fpu_internal.h"
#include "ioctl_internal.h"
#include "mce_internal.h"
#include "mp_internal.h"
#include "msr_internal.h"
#include "soft_tlb_internal.h"
#include "msr_user_internal.h"
#include "umbra/irqchip.h"

#define ATTR_DATA	(UMBRA_SEG_P | UMBRA_SEG_S | 3)		/* read, write, accessed */
#define ATTR_CODE	(UMBRA_SEG_P | UMBRA_SEG_S | 11)	/* execute, read, accessed */
#define ATTR_LDT	(UMBRA_SEG_P | 2)
#define ATTR_TSS16_BUSY	(UMBRA_SEG_P | 3)

#define CR0_RESET	(X86_CR0_CD | X86_CR0_NW | X86_CR0_ET)
#define DR6_RESET	0xffff0ff0ull
#define DR7_RESET	0x400ull
#define EDX_RESET	0x600	/* family 6 when CPUID says nothing */

static void reset_segments(struct umbra_regs *regs)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_SREG; i++)
		regs->seg[i] = (struct umbra_seg){ .attr = ATTR_DATA, .limit = 0xffff };
	regs->seg[UMBRA_CS] = (struct umbra_seg){
		.sel = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attr = ATTR_CODE,
	};
	regs->seg[UMBRA_LDTR].attr = ATTR_LDT;
	regs->seg[UMBRA_TR].attr = ATTR_TSS16_BUSY;
	regs->gdtr = (struct umbra_dtr){ .limit = 0xffff };
	regs->idtr = (struct umbra_dtr){ .limit = 0xffff };
	regs->cpl = 0;
}

static void reset_regs(struct umbra_vcpu *vcpu, bool init)
{
	const struct kvm_cpuid_entry2 *leaf1 = umbra_cpuid_find(vcpu, 1, 0);
	struct umbra_regs *regs = &vcpu->regs;
	u64 cr0 = CR0_RESET;

	if (init)
		cr0 = (regs->cr0 & (X86_CR0_CD | X86_CR0_NW)) | X86_CR0_ET;
	else
		regs->xcr0 = XFEATURE_MASK_FP;

	memset(regs->gpr, 0, sizeof(regs->gpr));
	regs->gpr[UMBRA_RDX] = leaf1 ? leaf1->eax : EDX_RESET;
	regs->rip = 0xfff0;
	regs->rflags = X86_EFLAGS_FIXED;
	regs->int_shadow = 0;
	reset_segments(regs);
	regs->cr0 = cr0;
	regs->cr2 = 0;
	regs->cr3 = 0;
	regs->cr4 = 0;
	regs->cr8 = 0;
	regs->efer = 0;
	memset(regs->dr, 0, sizeof(regs->dr));
	regs->dr6 = DR6_RESET;
	regs->dr7 = DR7_RESET;
	if (!init) {
		regs->star = 0;
		regs->lstar = 0;
		regs->cstar = 0;
		regs->sfmask = 0;
		regs->kernel_gs_base = 0;
		regs->sysenter_cs = 0;
		regs->sysenter_esp = 0;
		regs->sysenter_eip = 0;
	}
	regs->avail = UMBRA_REGS_ALL;
	regs->dirty = UMBRA_REGS_ALL;
}

void umbra_vcpu_reset(struct umbra_vcpu *vcpu, bool init)
{
	umbra_regs_get(vcpu, init ? UMBRA_REGS_ALL : 0);
	reset_regs(vcpu, init);
	umbra_event_clear(vcpu);
	vcpu->complete = NULL;
	vcpu->io.n = 0;
	if (!init) {
		umbra_msr_reset(vcpu);
		umbra_fpu_reset(vcpu);
	}
	if (vcpu->lapic)
		umbra_lapic_reset(vcpu, init);
	umbra_paging_changed(vcpu);
	umbra_flush_all(vcpu);
	umbra_cpuid_runtime(vcpu);
}

static void power_on(struct umbra_vcpu *vcpu)
{
	vcpu->regs.avail = UMBRA_REGS_ALL;
	vcpu->irq_queued = -1;
	vcpu->mp_state = !umbra_has_lapic(vcpu->vm) || umbra_is_bsp(vcpu) ?
			 KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_UNINITIALIZED;
	vcpu->apic_base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE |
			  (umbra_is_bsp(vcpu) ? MSR_IA32_APICBASE_BSP : 0);
	umbra_cpuid_changed(vcpu);
	umbra_vcpu_reset(vcpu, false);
	umbra_clock_reset(vcpu);
}

int umbra_vcpu_arch_create(struct umbra_vcpu *vcpu)
{
	struct umbra_vm *vm = vcpu->vm;
	int err;

	err = umbra_emulate_create(vcpu);
	if (err)
		return err;
	err = umbra_fpu_create(vcpu);
	if (err)
		goto free_emul;
	err = umbra_soft_tlb_create(vcpu);
	if (err)
		goto free_fpu;
	err = umbra_mce_create(vcpu);
	if (err)
		goto free_tlb;
	vcpu->mmu = umbra_mmu_ctx_create(vm->mmu);
	if (IS_ERR_OR_NULL(vcpu->mmu)) {
		err = vcpu->mmu ? PTR_ERR(vcpu->mmu) : -ENOMEM;
		goto free_mce;
	}
	err = vm->engine->vcpu_create(vcpu);
	if (err)
		goto free_mmu;
	if (umbra_has_lapic(vm)) {
		err = umbra_lapic_create(vcpu);
		if (err)
			goto free_engine;
	}
	power_on(vcpu);
	return 0;

free_engine:
	vm->engine->vcpu_destroy(vcpu);
free_mmu:
	umbra_mmu_ctx_destroy(vcpu->mmu);
free_mce:
	umbra_mce_destroy(vcpu);
free_tlb:
	umbra_soft_tlb_destroy(vcpu);
free_fpu:
	umbra_fpu_destroy(vcpu);
free_emul:
	umbra_emulate_destroy(vcpu);
	return err;
}

void umbra_vcpu_arch_destroy(struct umbra_vcpu *vcpu)
{
	if (vcpu->lapic)
		umbra_lapic_destroy(vcpu);
	vcpu->vm->engine->vcpu_destroy(vcpu);
	umbra_mmu_ctx_destroy(vcpu->mmu);
	umbra_mce_destroy(vcpu);
	umbra_soft_tlb_destroy(vcpu);
	umbra_fpu_destroy(vcpu);
	umbra_emulate_destroy(vcpu);
	kvfree(vcpu->cpuid);
	vcpu->cpuid = NULL;
}

int umbra_vm_arch_create(struct umbra_vm *vm)
{
	spin_lock_init(&vm->clock_lock);
	vm->tsc_khz = tsc_khz;
	vm->clock_offset = -ktime_get_boottime_ns();
	return 0;
}

void umbra_vm_arch_destroy(struct umbra_vm *vm)
{
	umbra_msr_filter_free(vm);
}
