// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: local APIC: messages
 *
 * Interrupt messages of I/O APIC, MSI, other processors and the own local
 * vector table: which local APICs are meant (SDM Vol. 3A 11.6.2), which of them
 * wins where one is enough (11.6.2.4), and what acceptance does (11.8.1).
 *
 * Nothing here takes a lock: messages come from timer and wake-up callbacks.
 */
#include "lapic_internal.h"

#define XAPIC_BROADCAST		0xffu
#define X2APIC_BROADCAST	0xffffffffu
#define DFR_MODEL_SHIFT		28
#define DFR_FLAT		0xf
#define DFR_CLUSTER		0x0

static u32 apic_id(const struct umbra_lapic *lapic)
{
	u32 id = lapic_reg(lapic, APIC_ID);

	return lapic_x2apic(lapic) ? id : id >> 24;
}

/* x2APIC clusters: SDM Vol. 3A 11.12.10.2. */
static bool match_x2apic_logical(u32 ldr, u32 dest)
{
	return ldr >> 16 == dest >> 16 && (u16)(ldr & dest);
}

/* Flat and cluster model: SDM Vol. 3A 11.6.2.2. */
static bool match_xapic_logical(const struct umbra_lapic *lapic, u32 dest)
{
	u32 ldr = lapic_reg(lapic, APIC_LDR) >> 24;

	switch (lapic_reg(lapic, APIC_DFR) >> DFR_MODEL_SHIFT) {
	case DFR_FLAT:
		return ldr & dest;
	case DFR_CLUSTER:
		return ldr >> 4 == dest >> 4 && (ldr & dest & 0xf);
	default:
		return false;
	}
}

/* Is @lapic meant by the destination field of @msg? */
static bool match_dest(const struct umbra_lapic *lapic, const struct umbra_vcpu *sender,
		       const struct umbra_irq_msg *msg)
{
	bool x2apic = lapic_x2apic(lapic);
	u32 dest = msg->dest;

	/*
	 * Devices have eight bits to name all processors with, whatever mode
	 * those are in (KVM api.rst, KVM_CAP_X2APIC_API).
	 */
	if (x2apic && !sender && dest == XAPIC_BROADCAST &&
	    !(lapic->vcpu->vm->x2apic_flags & KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK))
		return true;
	if (dest == (x2apic ? X2APIC_BROADCAST : XAPIC_BROADCAST))
		return true;
	if (!msg->logical)
		return dest == apic_id(lapic);
	if (x2apic)
		return match_x2apic_logical(lapic_reg(lapic, APIC_LDR), dest);
	return match_xapic_logical(lapic, dest);
}

static bool is_meant(const struct umbra_vcpu *vcpu, const struct umbra_vcpu *sender,
		     const struct umbra_irq_msg *msg)
{
	if (!vcpu->lapic || !lapic_enabled(vcpu->lapic))
		return false;
	switch (msg->shorthand) {
	case UMBRA_DSH_SELF:
		return vcpu == sender;
	case UMBRA_DSH_ALL:
		return true;
	case UMBRA_DSH_OTHERS:
		return vcpu != sender;
	default:
		return match_dest(vcpu->lapic, sender, msg);
	}
}

/* Returns 1 accepted, 0 coalesced or refused. */
static int accept_fixed(struct umbra_lapic *lapic, const struct umbra_irq_msg *msg)
{
	if (!lapic_sw_enabled(lapic) || (msg->level && !msg->assert))
		return 0;
	if (msg->vector < LAPIC_FIRST_VECTOR) {
		umbra_lapic_error(lapic, ESR_RECV_ILLEGAL);
		return 0;
	}
	/* A level that repeats is not lost: it is still there after EOI. */
	return umbra_lapic_request(lapic, msg->vector, msg->level) || msg->level;
}

static int accept(struct umbra_lapic *lapic, const struct umbra_irq_msg *msg)
{
	switch (msg->mode) {
	case UMBRA_DM_FIXED:
	case UMBRA_DM_LOWEST:
		return accept_fixed(lapic, msg);
	case UMBRA_DM_NMI:
		umbra_vcpu_nmi(lapic->vcpu);
		return 1;
	case UMBRA_DM_INIT:
		/* INIT level de-assert only synchronizes arbitration IDs of old. */
		if (msg->level && !msg->assert)
			return 0;
		umbra_vcpu_init(lapic->vcpu);
		return 1;
	case UMBRA_DM_STARTUP:
		umbra_vcpu_sipi(lapic->vcpu, msg->vector);
		return 1;
	default:
		/*
		 * SMI: no SMM is offered.  ExtINT: the PIC's output is looked at
		 * through LVT0, nothing is stored here.
		 */
		return 0;
	}
}

/* The one with the lowest priority, and of those who won least often. */
static bool beats(const struct umbra_lapic *a, const struct umbra_lapic *b)
{
	u8 class_a = umbra_lapic_ppr(a) >> 4, class_b = umbra_lapic_ppr(b) >> 4;

	if (class_a != class_b)
		return class_a < class_b;
	return (s32)(READ_ONCE(a->wins) - READ_ONCE(b->wins)) < 0;
}

static int deliver_lowest(struct umbra_vm *vm, struct umbra_vcpu *sender,
			  const struct umbra_irq_msg *msg)
{
	struct umbra_lapic *best = NULL;
	struct umbra_vcpu *vcpu;
	bool any = false;
	unsigned long i;

	umbra_for_each_vcpu(i, vcpu, vm) {
		if (!is_meant(vcpu, sender, msg))
			continue;
		any = true;
		if (lapic_sw_enabled(vcpu->lapic) && (!best || beats(vcpu->lapic, best)))
			best = vcpu->lapic;
	}
	if (!best)
		return any ? 0 : -1;
	WRITE_ONCE(best->wins, best->wins + 1);
	return accept(best, msg);
}

/*
 * Lowest priority among all by physical destination: the manual forbids it
 * (SDM Vol. 3A 11.6.2.1); all get it then, as with KVM.
 */
static bool one_of_many(const struct umbra_irq_msg *msg)
{
	bool lowest = msg->mode == UMBRA_DM_LOWEST || msg->redirect;

	return lowest && (msg->logical || msg->dest != XAPIC_BROADCAST);
}

/**
 * umbra_msg_deliver() - an interrupt message reaches the local APICs
 * @vm: the VM
 * @sender: the vCPU that sent an IPI, NULL for devices
 * @msg: the message
 *
 * Context: any.
 * Return: how many accepted it; 0 when it was already requested everywhere; -1
 * when nobody was meant.
 */
int umbra_msg_deliver(struct umbra_vm *vm, struct umbra_vcpu *sender,
		      const struct umbra_irq_msg *msg)
{
	struct umbra_vcpu *vcpu;
	unsigned long i;
	int ret = -1;

	if (one_of_many(msg))
		return deliver_lowest(vm, sender, msg);
	umbra_for_each_vcpu(i, vcpu, vm) {
		if (!is_meant(vcpu, sender, msg))
			continue;
		ret = max(ret, 0) + accept(vcpu->lapic, msg);
	}
	return ret;
}

/**
 * umbra_lapic_local() - an entry of the local vector table fires
 * @lapic: the APIC
 * @lvt: APIC_LVTT, APIC_LVT0, ...
 *
 * Context: any.
 * Return: 1 accepted, else 0.
 */
int umbra_lapic_local(struct umbra_lapic *lapic, unsigned int lvt)
{
	u32 entry = lapic_reg(lapic, lvt);
	struct umbra_irq_msg msg = {
		.vector = entry & APIC_VECTOR_MASK,
		.mode = LVT_DM(entry),
		.level = entry & APIC_LVT_LEVEL_TRIGGER,
		.assert = true,
	};

	if (!lapic_enabled(lapic) || entry & APIC_LVT_MASKED)
		return 0;
	return accept(lapic, &msg);
}

/**
 * umbra_lapic_error() - record an error
 * @lapic: the APIC
 * @esr: ESR_* bit
 *
 * An error that waits in ESR interrupts no second time, so that an error
 * interrupt whose own vector is illegal ends here.
 * Context: any.
 */
void umbra_lapic_error(struct umbra_lapic *lapic, u32 esr)
{
	if (!(atomic_fetch_or(esr, &lapic->esr) & esr))
		umbra_lapic_local(lapic, APIC_LVTERR);
}

/**
 * umbra_lapic_send() - the guest wrote ICR
 * @lapic: the sender
 * @icr: low half, SDM Vol. 3A 11.6.1
 * @dest: destination: 8 bits in xAPIC, 32 bits in x2APIC mode
 *
 * Context: vCPU thread.
 */
void umbra_lapic_send(struct umbra_lapic *lapic, u32 icr, u32 dest)
{
	struct umbra_irq_msg msg = {
		.dest = dest,
		.vector = icr & APIC_VECTOR_MASK,
		.mode = LVT_DM(icr),
		.shorthand = (icr >> 18) & 3,
		.logical = icr & APIC_DEST_LOGICAL,
		.assert = icr & APIC_INT_ASSERT,
	};

	/* The trigger mode counts for INIT alone. */
	msg.level = msg.mode == UMBRA_DM_INIT && icr & APIC_INT_LEVELTRIG;
	if (msg.mode <= UMBRA_DM_LOWEST && msg.vector < LAPIC_FIRST_VECTOR) {
		umbra_lapic_error(lapic, ESR_SEND_ILLEGAL);
		return;
	}
	umbra_msg_deliver(lapic->vcpu->vm, lapic->vcpu, &msg);
}
