// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the soft engine
 *
 * No hardware support: guest user code and guest kernel code both run at CPL 3,
 * user code as it is, kernel code from a translation cache.  What the cache
 * does not run - other modes than 64-bit, single steps, odd segments - core
 * emulates.  This file is the table of operations and the life of VMs and
 * vCPUs; switch.S and run.c are the world switch, area.c the memory that it lives
 * in, host.c what it owes the host, segs.c descriptors, code.c the life of
 * translations, exits.c what stopped the guest.
 *
 * All registers are in vcpu->regs between two runs; nothing has to be pulled or
 * pushed.  Events go into the guest by core's own delivery.
 */
#define pr_fmt(fmt) "umbra: soft: " fmt

#include "soft_internal.h"

#include <linux/mm.h>
#include <linux/slab.h>

#include <asm/processor-flags.h>

static int vm_create(struct umbra_vm *vm, struct umbra_mmu_config *config)
{
	struct soft_vm *sv = kzalloc(sizeof(*sv), GFP_KERNEL_ACCOUNT);

	if (!sv)
		return -ENOMEM;
	spin_lock_init(&sv->lock);
	vm->engine_data = sv;
	config->pae_roots = false;
	config->levels = pgtable_l5_enabled() ? 5 : 4;
	config->two_views = true;
	config->hole = SOFT_HOLE_INDEX;
	return 0;
}

static void vm_destroy(struct umbra_vm *vm)
{
	kfree(vm->engine_data);
	vm->engine_data = NULL;
}

static int vcpu_create(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = kzalloc(sizeof(*soft), GFP_KERNEL_ACCOUNT);
	int err;

	if (!soft)
		return -ENOMEM;
	soft->cpu = -1;
	soft->segs_stale = true;
	vcpu->engine_data = soft;
	err = umbra_soft_area_create(&soft->area);
	if (err) {
		kfree(soft);
		vcpu->engine_data = NULL;
		return err;
	}
	umbra_mmu_ctx_set_hole(vcpu->mmu, umbra_soft_area_entry(&soft->area, true),
			       umbra_soft_area_entry(&soft->area, false));
	return 0;
}

static void vcpu_destroy(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	if (!soft)
		return;
	umbra_soft_code_destroy(vcpu);
	umbra_soft_area_destroy(&soft->area);
	kfree(soft);
	vcpu->engine_data = NULL;
}

static void pull(struct umbra_vcpu *vcpu, u32 mask)
{
	vcpu->regs.avail |= mask;
}

static void push(struct umbra_vcpu *vcpu)
{
	const u32 segs = UMBRA_REGS_SEG | UMBRA_REGS_TABLE | UMBRA_REGS_SYSCALL;

	to_soft(vcpu)->segs_stale |= !!(vcpu->regs.dirty & segs);
	vcpu->regs.dirty = 0;
}

static void set_root(struct umbra_vcpu *vcpu, hpa_t root, bool flush)
{
	/* Every entry loads CR3 and thereby drops all translations. */
	to_soft(vcpu)->root = root;
}

static void flush_tlb(struct umbra_vcpu *vcpu)
{
}

static void flush_gva(struct umbra_vcpu *vcpu, gva_t gva)
{
}

static void want_window(struct umbra_vcpu *vcpu, u32 mask)
{
	/* run.c looks at vcpu->want. */
}

static void configure(struct umbra_vcpu *vcpu)
{
}

/* PAUSE runs as it is.  HLT at CPL 3 is #GP, whatever anybody wants. */
static u32 can_disable(void)
{
	return KVM_X86_DISABLE_EXITS_PAUSE;
}

static void set_tsc_offset(struct umbra_vcpu *vcpu, u64 offset)
{
	/* run.c and the translations use vcpu->tsc_offset. */
}

const struct umbra_engine umbra_engine_soft = {
	.name			= "soft",
	.guests_at_cpl3		= true,

	.probe			= umbra_soft_probe,
	.enable			= umbra_soft_enable,
	.disable		= umbra_soft_disable,
	.can_disable		= can_disable,
	.vm_create		= vm_create,
	.vm_destroy		= vm_destroy,
	.vcpu_create		= vcpu_create,
	.vcpu_destroy		= vcpu_destroy,
	.load			= umbra_soft_load,
	.put			= umbra_soft_put,
	.pull			= pull,
	.push			= push,
	.set_root		= set_root,
	.flush_tlb		= flush_tlb,
	.flush_gva		= flush_gva,
	.want_window		= want_window,
	.configure		= configure,
	.set_tsc_offset		= set_tsc_offset,
	.must_emulate		= umbra_soft_must_emulate,
	.prepare		= umbra_soft_prepare,
	.run			= umbra_soft_run,
	.handle_host_event	= umbra_soft_handle_host_event,
	.code_changed		= umbra_soft_code_changed,
	.show			= umbra_soft_show,
};
