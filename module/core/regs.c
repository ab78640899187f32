// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: registers for userspace
 *
 * KVM_GET/SET_REGS and _SREGS between the ABI's layout and struct umbra_regs.
 * What a guest could not set by itself is refused (KVM api.rst 4.11 - 4.14).
 */
#include <asm/kvm.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "cpuid_internal.h"
#include "cr_internal.h"
#include "ioctl_internal.h"
#include "mp_internal.h"
#include "umbra/irqchip.h"

/* Flags that exist (SDM Vol. 1 3.4.3). */
#define RFLAGS_BITS	0x3f7fd7ull

UMBRA_VCPU_IOCTL(get_regs)
{
	const struct umbra_regs *r = umbra_regs_get(vcpu, UMBRA_REGS_GPR);
	struct kvm_regs *k = arg;

	k->rax = r->gpr[UMBRA_RAX];
	k->rbx = r->gpr[UMBRA_RBX];
	k->rcx = r->gpr[UMBRA_RCX];
	k->rdx = r->gpr[UMBRA_RDX];
	k->rsi = r->gpr[UMBRA_RSI];
	k->rdi = r->gpr[UMBRA_RDI];
	k->rsp = r->gpr[UMBRA_RSP];
	k->rbp = r->gpr[UMBRA_RBP];
	k->r8 = r->gpr[UMBRA_R8];
	k->r9 = r->gpr[UMBRA_R9];
	k->r10 = r->gpr[UMBRA_R10];
	k->r11 = r->gpr[UMBRA_R11];
	k->r12 = r->gpr[UMBRA_R12];
	k->r13 = r->gpr[UMBRA_R13];
	k->r14 = r->gpr[UMBRA_R14];
	k->r15 = r->gpr[UMBRA_R15];
	k->rip = r->rip;
	k->rflags = r->rflags;
	/* A step that userspace takes is not the guest's. */
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		k->rflags &= ~(u64)X86_EFLAGS_TF;
	return 0;
}

UMBRA_VCPU_IOCTL(set_regs)
{
	struct umbra_regs *r = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
	const struct kvm_regs *k = arg;

	vcpu->user_sets++;
	r->gpr[UMBRA_RAX] = k->rax;
	r->gpr[UMBRA_RBX] = k->rbx;
	r->gpr[UMBRA_RCX] = k->rcx;
	r->gpr[UMBRA_RDX] = k->rdx;
	r->gpr[UMBRA_RSI] = k->rsi;
	r->gpr[UMBRA_RDI] = k->rdi;
	r->gpr[UMBRA_RSP] = k->rsp;
	r->gpr[UMBRA_RBP] = k->rbp;
	r->gpr[UMBRA_R8] = k->r8;
	r->gpr[UMBRA_R9] = k->r9;
	r->gpr[UMBRA_R10] = k->r10;
	r->gpr[UMBRA_R11] = k->r11;
	r->gpr[UMBRA_R12] = k->r12;
	r->gpr[UMBRA_R13] = k->r13;
	r->gpr[UMBRA_R14] = k->r14;
	r->gpr[UMBRA_R15] = k->r15;
	r->rip = k->rip;
	r->rflags = (k->rflags & RFLAGS_BITS) | X86_EFLAGS_FIXED;
	if (vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP)
		r->rflags |= X86_EFLAGS_TF;
	/* Whatever was being raised belonged to the old place. */
	vcpu->exception.kind = UMBRA_EVENT_NONE;
	return 0;
}

static void get_segment(struct kvm_segment *k, const struct umbra_seg *s)
{
	*k = (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->sel,
		.type = s->attr & UMBRA_SEG_TYPE,
		.present = !!(s->attr & UMBRA_SEG_P),
		.dpl = (s->attr & UMBRA_SEG_DPL) >> UMBRA_SEG_DPL_SHIFT,
		.db = !!(s->attr & UMBRA_SEG_DB),
		.s = !!(s->attr & UMBRA_SEG_S),
		.l = !!(s->attr & UMBRA_SEG_L),
		.g = !!(s->attr & UMBRA_SEG_G),
		.avl = !!(s->attr & UMBRA_SEG_AVL),
		.unusable = !(s->attr & UMBRA_SEG_P),
	};
}

static void set_segment(struct umbra_seg *s, const struct kvm_segment *k)
{
	s->sel = k->selector;
	s->base = k->base;
	s->limit = k->limit;
	s->attr = (k->type & UMBRA_SEG_TYPE) | (k->dpl & 3) << UMBRA_SEG_DPL_SHIFT;
	if (k->s)
		s->attr |= UMBRA_SEG_S;
	if (k->present && !k->unusable)
		s->attr |= UMBRA_SEG_P;
	if (k->avl)
		s->attr |= UMBRA_SEG_AVL;
	if (k->l)
		s->attr |= UMBRA_SEG_L;
	if (k->db)
		s->attr |= UMBRA_SEG_DB;
	if (k->g)
		s->attr |= UMBRA_SEG_G;
}

static bool is_pae(u64 cr0, u64 cr4, u64 efer)
{
	return (cr0 & X86_CR0_PG) && (cr4 & X86_CR4_PAE) && !(efer & EFER_LMA);
}

/* All but the interrupt. */
static void read_sregs(struct umbra_vcpu *vcpu, struct kvm_sregs *k)
{
	const struct umbra_regs *r = umbra_regs_get(vcpu, UMBRA_REGS_ALL);

	memset(k, 0, sizeof(*k));
	get_segment(&k->cs, &r->seg[UMBRA_CS]);
	get_segment(&k->ds, &r->seg[UMBRA_DS]);
	get_segment(&k->es, &r->seg[UMBRA_ES]);
	get_segment(&k->fs, &r->seg[UMBRA_FS]);
	get_segment(&k->gs, &r->seg[UMBRA_GS]);
	get_segment(&k->ss, &r->seg[UMBRA_SS]);
	get_segment(&k->tr, &r->seg[UMBRA_TR]);
	get_segment(&k->ldt, &r->seg[UMBRA_LDTR]);
	k->gdt.base = r->gdtr.base;
	k->gdt.limit = r->gdtr.limit;
	k->idt.base = r->idtr.base;
	k->idt.limit = r->idtr.limit;
	k->cr0 = r->cr0;
	k->cr2 = r->cr2;
	k->cr3 = r->cr3;
	k->cr4 = r->cr4;
	k->cr8 = umbra_cr8_read(vcpu);
	k->efer = r->efer;
	k->apic_base = vcpu->lapic ? umbra_lapic_base(vcpu) : vcpu->apic_base;
}

UMBRA_VCPU_IOCTL(get_sregs)
{
	struct kvm_sregs *k = arg;

	read_sregs(vcpu, k);
	if (vcpu->event.kind == UMBRA_EVENT_INTR)
		k->interrupt_bitmap[vcpu->event.vector / 64] |=
			BIT_ULL(vcpu->event.vector % 64);
	return 0;
}

/* Up to the interrupt bitmap both structs are the same. */
#define SREGS_COMMON	offsetof(struct kvm_sregs, interrupt_bitmap)

/* KVM_GET_SREGS2: with the PAE pointers that the processor holds, not those in memory. */
UMBRA_VCPU_IOCTL(get_sregs2)
{
	struct kvm_sregs2 *k2 = arg;
	struct kvm_sregs k;

	BUILD_BUG_ON(offsetof(struct kvm_sregs2, flags) != SREGS_COMMON);
	read_sregs(vcpu, &k);
	memset(k2, 0, sizeof(*k2));
	memcpy(k2, &k, SREGS_COMMON);
	if (!is_pae(k.cr0, k.cr4, k.efer))
		return 0;
	memcpy(k2->pdptrs, vcpu->pdptr, sizeof(k2->pdptrs));
	k2->flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	return 0;
}

static int set_apic_base(struct umbra_vcpu *vcpu, u64 base)
{
	if (vcpu->lapic)
		return umbra_lapic_set_base(vcpu, base, true);
	vcpu->apic_base = base;
	return 0;
}

static void set_segments(struct umbra_regs *r, const struct kvm_sregs *k)
{
	set_segment(&r->seg[UMBRA_CS], &k->cs);
	set_segment(&r->seg[UMBRA_DS], &k->ds);
	set_segment(&r->seg[UMBRA_ES], &k->es);
	set_segment(&r->seg[UMBRA_FS], &k->fs);
	set_segment(&r->seg[UMBRA_GS], &k->gs);
	set_segment(&r->seg[UMBRA_SS], &k->ss);
	set_segment(&r->seg[UMBRA_TR], &k->tr);
	set_segment(&r->seg[UMBRA_LDTR], &k->ldt);
	r->gdtr = (struct umbra_dtr){ .base = k->gdt.base, .limit = k->gdt.limit };
	r->idtr = (struct umbra_dtr){ .base = k->idt.base, .limit = k->idt.limit };
	if (!(r->cr0 & X86_CR0_PE))
		r->cpl = 0;
	else if (r->rflags & X86_EFLAGS_VM)
		r->cpl = 3;
	else
		r->cpl = (r->seg[UMBRA_SS].attr & UMBRA_SEG_DPL) >> UMBRA_SEG_DPL_SHIFT;
}

/* At most one interrupt is on its way; the lowest vector when several are named. */
static void set_interrupt(struct umbra_vcpu *vcpu, const struct kvm_sregs *k)
{
	unsigned int i;

	if (umbra_has_lapic(vcpu->vm) && !vcpu->vm->split_irqchip)
		return;
	for (i = 0; i < ARRAY_SIZE(k->interrupt_bitmap); i++)
		if (k->interrupt_bitmap[i]) {
			vcpu->irq_queued = i * 64 + __ffs64(k->interrupt_bitmap[i]);
			return;
		}
}

/* LMA goes with LME and PG, CS.L with LMA (as with KVM). */
static bool sregs_valid(struct umbra_vcpu *vcpu, const struct kvm_sregs *k)
{
	if (!umbra_crs_valid(vcpu, k->cr0, k->cr3, k->cr4, k->efer))
		return false;
	if (!(k->efer & EFER_LMA) && k->cs.l)
		return false;
	return !(k->cr8 & ~0xfull);
}

/* PAE pointers from userspace, or from the memory that CR3 names. */
static void set_pdptrs(struct umbra_vcpu *vcpu, const u64 *pdptrs)
{
	int idx;

	if (pdptrs) {
		memcpy(vcpu->pdptr, pdptrs, sizeof(vcpu->pdptr));
		return;
	}
	idx = srcu_read_lock(&vcpu->vm->srcu);
	if (umbra_mmu_load_pdptrs(vcpu->mmu, vcpu->regs.cr3, vcpu->maxphyaddr, vcpu->pdptr))
		memset(vcpu->pdptr, 0, sizeof(vcpu->pdptr));
	srcu_read_unlock(&vcpu->vm->srcu, idx);
}

static int write_sregs(struct umbra_vcpu *vcpu, const struct kvm_sregs *k, const u64 *pdptrs)
{
	struct umbra_regs *r = umbra_regs_get(vcpu, UMBRA_REGS_ALL);

	if (!sregs_valid(vcpu, k))
		return -EINVAL;
	if (set_apic_base(vcpu, k->apic_base))
		return -EINVAL;

	vcpu->user_sets++;
	umbra_regs_mut(vcpu, UMBRA_REGS_SEG | UMBRA_REGS_TABLE | UMBRA_REGS_CR);
	r->cr0 = (k->cr0 & UMBRA_CR0_BITS) | X86_CR0_ET;
	r->cr2 = k->cr2;
	r->cr3 = k->cr3;
	r->cr4 = k->cr4;
	r->efer = k->efer;
	set_segments(r, k);
	umbra_cr8_write(vcpu, k->cr8);

	if (is_pae(r->cr0, r->cr4, r->efer))
		set_pdptrs(vcpu, pdptrs);
	umbra_paging_changed(vcpu);
	umbra_flush_all(vcpu);
	umbra_cpuid_runtime(vcpu);
	/* A boot processor that is put back to its reset vector is meant to run. */
	if (umbra_is_bsp(vcpu) && r->rip == 0xfff0 && k->cs.selector == 0xf000 &&
	    !(r->cr0 & X86_CR0_PE))
		vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}

UMBRA_VCPU_IOCTL(set_sregs)
{
	int err = write_sregs(vcpu, arg, NULL);

	if (!err)
		set_interrupt(vcpu, arg);
	return err;
}

UMBRA_VCPU_IOCTL(set_sregs2)
{
	const struct kvm_sregs2 *k2 = arg;
	struct kvm_sregs k = {};
	bool pdptrs = k2->flags & KVM_SREGS2_FLAGS_PDPTRS_VALID;

	if (k2->flags & ~(u64)KVM_SREGS2_FLAGS_PDPTRS_VALID)
		return -EINVAL;
	if (pdptrs && !is_pae(k2->cr0, k2->cr4, k2->efer))
		return -EINVAL;
	memcpy(&k, k2, SREGS_COMMON);
	return write_sregs(vcpu, &k, pdptrs ? k2->pdptrs : NULL);
}

/* KVM_TRANSLATE: a page walk without effects. */
UMBRA_VCPU_IOCTL(translate)
{
	struct kvm_translation *tr = arg;
	bool writable = false, user = false;
	gpa_t gpa;
	int idx;

	idx = srcu_read_lock(&vcpu->vm->srcu);
	gpa = umbra_mmu_peek(vcpu->mmu, tr->linear_address, &writable, &user);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	tr->physical_address = gpa;
	tr->valid = gpa != UMBRA_INVALID_GPA;
	tr->writeable = 1;
	tr->usermode = 0;
	return 0;
}

UMBRA_VCPU_IOCTL(get_lapic)
{
	if (!vcpu->lapic)
		return -EINVAL;
	umbra_lapic_get(vcpu, arg);
	return 0;
}

UMBRA_VCPU_IOCTL(set_lapic)
{
	if (!vcpu->lapic)
		return -EINVAL;
	return umbra_lapic_set(vcpu, arg);
}

/*
 * KVM_SET_VAPIC_ADDR: QEMU demands it wherever the local APIC is in the kernel.
 * The page would mirror the TPR for guests whose accesses to it userspace has
 * patched; without KVM_TPR_ACCESS_REPORTING nobody ever patches them.
 */
UMBRA_VCPU_IOCTL(set_vapic_addr)
{
	return 0;
}
