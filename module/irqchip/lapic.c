// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: local APIC
 *
 * One for each vCPU of a VM with an in-kernel irqchip: xAPIC by MMIO and
 * x2APIC by MSR (SDM Vol. 3A chapter 11).  Here: creation, reset, the base
 * address MSR, CR8, and the state that userspace saves.  The registers, the
 * priorities, the messages and the timer have files of their own.
 */
#include "lapic_internal.h"

#include <linux/slab.h>

/* Version 14h: integrated APIC; six local vectors. */
#define LVR			(0x14 | (LAPIC_NR_LVT - 1) << 16)
#define SPIV_RESET		0xff
#define CPUID1_ECX_X2APIC	BIT(21)
#define CPUID1_ECX_DEADLINE	BIT(24)
#define BASE_RESERVED		0x2ffull
#define DEFAULT_MAXPHYADDR	36

static bool cpuid_has(struct umbra_vcpu *vcpu, u32 ecx_bit)
{
	const struct kvm_cpuid_entry2 *entry = umbra_cpuid_find(vcpu, 1, 0);

	return entry && entry->ecx & ecx_bit;
}

/* SDM Vol. 3A 11.12.10.2: the x2APIC logical ID follows from the ID. */
static u32 x2apic_ldr(u32 id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

static void set_xapic_id(struct umbra_lapic *lapic)
{
	lapic_set_reg(lapic, APIC_ID, lapic->vcpu->id << 24);
}

static void set_x2apic_id(struct umbra_lapic *lapic)
{
	lapic_set_reg(lapic, APIC_ID, lapic->vcpu->id);
	lapic_set_reg(lapic, APIC_LDR, x2apic_ldr(lapic->vcpu->id));
}

/*
 * Directed EOI is for I/O APICs with an EOI register: ours has none, one in
 * userspace may.
 */
static void set_version(struct umbra_lapic *lapic)
{
	u32 version = LVR;

	if (lapic->vcpu->vm->split_irqchip && cpuid_has(lapic->vcpu, CPUID1_ECX_X2APIC))
		version |= APIC_LVR_DIRECTED_EOI;
	lapic_set_reg(lapic, APIC_LVR, version);
}

/**
 * umbra_lapic_lvt0_changed() - LVT0 was written
 * @lapic: the APIC
 *
 * The PIT needs to know whether anybody takes its tick as an NMI (the NMI
 * watchdog of old, through LVT0 in NMI mode).
 * Context: vCPU thread.
 */
void umbra_lapic_lvt0_changed(struct umbra_lapic *lapic)
{
	u32 lvt0 = lapic_reg(lapic, APIC_LVT0);
	bool nmi = LVT_DM(lvt0) == UMBRA_DM_NMI && !(lvt0 & APIC_LVT_MASKED);

	if (nmi == lapic->lvt0_nmi)
		return;
	lapic->lvt0_nmi = nmi;
	atomic_add(nmi ? 1 : -1, &lapic->vcpu->vm->irqchip->lvt0_nmi);
}

/**
 * umbra_lapic_takes_pic() - does the PIC's output reach this vCPU?
 * @vcpu: the vCPU
 *
 * Through LVT0 in ExtINT mode, or directly when the APIC is off.
 * Context: any.
 * Return: true when it does.
 */
bool umbra_lapic_takes_pic(struct umbra_vcpu *vcpu)
{
	u32 lvt0;

	if (!vcpu->lapic)
		return false;
	if (!lapic_enabled(vcpu->lapic))
		return true;
	lvt0 = lapic_reg(vcpu->lapic, APIC_LVT0);
	return !(lvt0 & APIC_LVT_MASKED) && LVT_DM(lvt0) == UMBRA_DM_EXTINT;
}

/**
 * umbra_lapic_pit_tick() - the PIT's output on LINT0
 * @vcpu: the vCPU
 *
 * Context: any.
 */
void umbra_lapic_pit_tick(struct umbra_vcpu *vcpu)
{
	if (vcpu->lapic && READ_ONCE(vcpu->lapic->lvt0_nmi))
		umbra_lapic_local(vcpu->lapic, APIC_LVT0);
}

static void reset_registers(struct umbra_lapic *lapic)
{
	bool bsp = lapic->vcpu->id == lapic->vcpu->vm->bsp_id;
	unsigned int i;

	for (i = 0; i < KVM_APIC_REG_SIZE; i += 0x10)
		if (i != APIC_ID && (i != APIC_LDR || !lapic_x2apic(lapic)))
			lapic_set_reg(lapic, i, 0);
	for (i = 0; i < LAPIC_NR_LVT; i++)
		lapic_set_reg(lapic, LAPIC_LVT(i), APIC_LVT_MASKED);
	/*
	 * Firmware would do this: virtual wire mode.  KVM does it for guests
	 * without one (KVM_X86_QUIRK_LINT0_REENABLED), and clients rely on it.
	 */
	if (bsp)
		lapic_set_reg(lapic, APIC_LVT0, UMBRA_DM_EXTINT << 8);
	lapic_set_reg(lapic, APIC_DFR, 0xffffffff);
	lapic_set_reg(lapic, APIC_SPIV, SPIV_RESET);
	set_version(lapic);
}

/**
 * umbra_lapic_reset() - power-on or INIT
 * @vcpu: the vCPU
 * @init: by INIT, which keeps the APIC's base, mode and ID (SDM Vol. 3A 11.4.7.3)
 *
 * Context: vCPU thread, or the vCPU is not yet known to others.
 */
void umbra_lapic_reset(struct umbra_vcpu *vcpu, bool init)
{
	struct umbra_lapic *lapic = vcpu->lapic;

	umbra_lapic_timer_stop(lapic);
	if (!init) {
		lapic->base = APIC_DEFAULT_PHYS_BASE | MSR_IA32_APICBASE_ENABLE;
		if (vcpu->id == vcpu->vm->bsp_id)
			lapic->base |= MSR_IA32_APICBASE_BSP;
		set_xapic_id(lapic);
	}
	reset_registers(lapic);
	atomic_set(&lapic->esr, 0);
	lapic->user_eoi = -1;
	umbra_lapic_lvt0_changed(lapic);
	umbra_lapic_recount(lapic);
}

/**
 * umbra_lapic_base() - read IA32_APIC_BASE
 * @vcpu: the vCPU
 *
 * Return: the MSR.
 */
u64 umbra_lapic_base(struct umbra_vcpu *vcpu)
{
	return vcpu->lapic->base;
}

/* Enable and x2APIC bits: SDM Vol. 3A 11.12.5 has no way from off or x2APIC straight across. */
static bool transition_legal(u64 old, u64 base)
{
	bool was_on = old & MSR_IA32_APICBASE_ENABLE, on = base & MSR_IA32_APICBASE_ENABLE;
	bool was_x2 = old & X2APIC_ENABLE, x2 = base & X2APIC_ENABLE;

	if (was_x2 && on && !x2)
		return false;
	return was_on || !x2;
}

static bool base_valid(struct umbra_vcpu *vcpu, u64 base)
{
	unsigned int bits = vcpu->maxphyaddr ?: DEFAULT_MAXPHYADDR;
	u64 reserved = BASE_RESERVED | ~GENMASK_ULL(bits - 1, 0);

	if (!cpuid_has(vcpu, CPUID1_ECX_X2APIC))
		reserved |= X2APIC_ENABLE;
	if (base & reserved)
		return false;
	return !(base & X2APIC_ENABLE) || base & MSR_IA32_APICBASE_ENABLE;
}

/**
 * umbra_lapic_set_base() - write IA32_APIC_BASE
 * @vcpu: the vCPU
 * @base: the MSR
 * @host: userspace writes; it may make any transition
 *
 * Context: vCPU thread.
 * Return: 0, or -EINVAL: #GP.
 */
int umbra_lapic_set_base(struct umbra_vcpu *vcpu, u64 base, bool host)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	u64 old = lapic->base;

	if (!base_valid(vcpu, base) || (!host && !transition_legal(old, base)))
		return -EINVAL;
	WRITE_ONCE(lapic->base, base);
	if (~old & base & X2APIC_ENABLE)
		set_x2apic_id(lapic);
	else if (~old & base & MSR_IA32_APICBASE_ENABLE)
		set_xapic_id(lapic);
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}

/**
 * umbra_lapic_cr8() - read CR8
 * @vcpu: the vCPU
 *
 * Return: task priority class, 0..15.
 */
u64 umbra_lapic_cr8(struct umbra_vcpu *vcpu)
{
	return lapic_reg(vcpu->lapic, APIC_TASKPRI) >> 4 & 0xf;
}

/**
 * umbra_lapic_set_cr8() - write CR8
 * @vcpu: the vCPU
 * @cr8: task priority class, 0..15
 *
 * Context: vCPU thread.
 */
void umbra_lapic_set_cr8(struct umbra_vcpu *vcpu, u64 cr8)
{
	lapic_set_reg(vcpu->lapic, APIC_TASKPRI, (cr8 & 0xf) << 4);
}

/**
 * umbra_lapic_cpuid_changed() - KVM_SET_CPUID2
 * @vcpu: the vCPU
 *
 * Context: vCPU thread.
 */
void umbra_lapic_cpuid_changed(struct umbra_vcpu *vcpu)
{
	vcpu->lapic->deadline_mode = cpuid_has(vcpu, CPUID1_ECX_DEADLINE);
	set_version(vcpu->lapic);
}

/**
 * umbra_lapic_take_eoi() - an EOI that userspace's I/O APIC waits for
 * @vcpu: the vCPU of a VM with a split irqchip
 *
 * Context: vCPU thread.
 * Return: the vector for KVM_EXIT_IOAPIC_EOI, once; or -1.
 */
int umbra_lapic_take_eoi(struct umbra_vcpu *vcpu)
{
	int vector = vcpu->lapic->user_eoi;

	vcpu->lapic->user_eoi = -1;
	return vector;
}

/* The ID's format in struct kvm_lapic_state: see KVM api.rst, KVM_GET_LAPIC. */
static bool shifted_id(const struct umbra_lapic *lapic)
{
	return lapic_x2apic(lapic) &&
	       !(lapic->vcpu->vm->x2apic_flags & KVM_X2APIC_API_USE_32BIT_IDS);
}

/**
 * umbra_lapic_get() - KVM_GET_LAPIC
 * @vcpu: the vCPU
 * @state: result
 *
 * Context: vCPU thread.
 */
void umbra_lapic_get(struct umbra_vcpu *vcpu, struct kvm_lapic_state *state)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	u32 *regs = (u32 *)state->regs;
	u32 count;

	/* A count that ends meanwhile is either still going on or in IRR, and not both. */
	do {
		count = umbra_lapic_timer_count(lapic);
		memcpy(state->regs, lapic->regs, sizeof(state->regs));
	} while (count && !umbra_lapic_timer_count(lapic));
	regs[APIC_TMCCT / 4] = count;
	regs[APIC_PROCPRI / 4] = umbra_lapic_ppr(lapic);
	if (shifted_id(lapic))
		regs[APIC_ID / 4] <<= 24;
}

/**
 * umbra_lapic_set() - KVM_SET_LAPIC
 * @vcpu: the vCPU, whose APIC base is already right
 * @state: any contents are safe
 *
 * Context: vCPU thread.
 * Return: 0, or -EINVAL: not the ID of this x2APIC.
 */
int umbra_lapic_set(struct umbra_vcpu *vcpu, const struct kvm_lapic_state *state)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	const u32 *regs = (const u32 *)state->regs;
	u32 id = regs[APIC_ID / 4];

	if (shifted_id(lapic))
		id >>= 24;
	else if (lapic_x2apic(lapic) && id != vcpu->id)
		return -EINVAL;

	memcpy(lapic->regs, state->regs, sizeof(lapic->regs));
	lapic_set_reg(lapic, APIC_ID, id);
	if (lapic_x2apic(lapic))
		lapic_set_reg(lapic, APIC_LDR, x2apic_ldr(id));
	set_version(lapic);
	umbra_lapic_lvt0_changed(lapic);
	umbra_lapic_timer_restore(lapic, regs[APIC_TMCCT / 4]);
	lapic_set_reg(lapic, APIC_TMCCT, 0);
	umbra_lapic_recount(lapic);
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}

/**
 * umbra_lapic_create() - local APIC of a new vCPU
 * @vcpu: not yet known to others; its VM has an irqchip
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_lapic_create(struct umbra_vcpu *vcpu)
{
	struct umbra_lapic *lapic = kzalloc(sizeof(*lapic), GFP_KERNEL_ACCOUNT);

	if (!lapic)
		return -ENOMEM;
	lapic->vcpu = vcpu;
	umbra_lapic_timer_init(lapic);
	vcpu->lapic = lapic;
	umbra_lapic_reset(vcpu, false);
	return 0;
}

/**
 * umbra_lapic_destroy() - its end
 * @vcpu: nobody sends messages to it any more
 *
 * Context: may sleep.
 */
void umbra_lapic_destroy(struct umbra_vcpu *vcpu)
{
	struct umbra_lapic *lapic = vcpu->lapic;

	if (!lapic)
		return;
	hrtimer_cancel(&lapic->timer.hrtimer);
	if (lapic->lvt0_nmi)
		atomic_dec(&vcpu->vm->irqchip->lvt0_nmi);
	vcpu->lapic = NULL;
	kfree(lapic);
}
