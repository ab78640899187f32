// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: local APIC: requests and priorities
 *
 * An accepted interrupt is a bit in IRR.  When its class (vector / 16) is above
 * that of the processor, acknowledging moves it to ISR, and the end of
 * interrupt takes it out of there (SDM Vol. 3A 11.8).
 *
 * Any CPU sets bits in IRR; only the vCPU's thread clears them and touches ISR.
 * To look for interrupts costs one load when there are none: irr_pending.  A
 * sender sets its bit, then irr_pending.  The taker clears irr_pending, then its
 * bit, then looks at IRR again: a bit that this look misses was set later, and
 * so will irr_pending be.
 */
#include "lapic_internal.h"

#include "umbra/fail.h"

#define VECTOR_BIT(v)		((v) & 31)
#define VECTOR_REG(v)		(((v) >> 5) * 0x10)
#define PRIO_CLASS			0xf0

/*
 * 32 bits in each 16 bytes: seen as unsigned long, the upper half is padding
 * that nobody sets.
 */
static unsigned long *vector_word(struct umbra_lapic *lapic, unsigned int bitmap, u8 vector)
{
	return (unsigned long *)(lapic->regs + bitmap + VECTOR_REG(vector));
}

static int highest(const struct umbra_lapic *lapic, unsigned int bitmap)
{
	int i;

	for (i = 7; i >= 0; i--) {
		u32 word = lapic_reg(lapic, bitmap + i * 0x10);

		if (word)
			return i * 32 + fls(word) - 1;
	}
	return -1;
}

/**
 * umbra_lapic_request() - accept an interrupt
 * @lapic: the receiver
 * @vector: 16..255
 * @level: trigger mode
 *
 * Context: any.
 * Return: false when the vector was already requested.
 */
bool umbra_lapic_request(struct umbra_lapic *lapic, u8 vector, bool level)
{
	if (level)
		set_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_TMR, vector));
	else if (test_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_TMR, vector)))
		clear_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_TMR, vector));
	if (test_and_set_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_IRR, vector)))
		return false;
	umbra_linger();
	WRITE_ONCE(lapic->irr_pending, true);
	umbra_linger();
	umbra_request(lapic->vcpu, UMBRA_REQ_EVENT);
	umbra_vcpu_kick(lapic->vcpu);
	return true;
}

/**
 * umbra_lapic_requested() - does an interrupt wait in IRR?
 * @lapic: the APIC
 * @vector: its vector
 *
 * Context: any; false is for good in the vCPU's thread only.
 * Return: true when it does.
 */
bool umbra_lapic_requested(struct umbra_lapic *lapic, u8 vector)
{
	return test_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_IRR, vector));
}

/**
 * umbra_lapic_recount() - IRR and ISR were replaced
 * @lapic: the APIC
 *
 * Context: vCPU thread.
 */
void umbra_lapic_recount(struct umbra_lapic *lapic)
{
	lapic->isr_top = highest(lapic, APIC_ISR);
	WRITE_ONCE(lapic->irr_pending, true);
}

/**
 * umbra_lapic_ppr() - processor priority
 * @lapic: the APIC
 *
 * SDM Vol. 3A 11.8.3.1.
 * Context: vCPU thread; others get a hint.
 * Return: PPR.
 */
u8 umbra_lapic_ppr(const struct umbra_lapic *lapic)
{
	u8 tpr = lapic_reg(lapic, APIC_TASKPRI);
	int top = READ_ONCE(lapic->isr_top);
	u8 isrv = top < 0 ? 0 : top & PRIO_CLASS;

	return (tpr & PRIO_CLASS) >= isrv ? tpr : isrv;
}

/* The vector that could be taken now, or -1. */
static int deliverable(const struct umbra_lapic *lapic)
{
	int vector;

	if (!READ_ONCE(lapic->irr_pending) || !lapic_enabled(lapic))
		return -1;
	vector = highest(lapic, APIC_IRR);
	if (vector < 0 || (vector & PRIO_CLASS) <= (umbra_lapic_ppr(lapic) & PRIO_CLASS))
		return -1;
	return vector;
}

/* From IRR to ISR. */
static void begin_service(struct umbra_lapic *lapic, u8 vector)
{
	WRITE_ONCE(lapic->irr_pending, false);
	umbra_linger();
	clear_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_IRR, vector));
	smp_mb__after_atomic(); /* umbra_lapic_request() */
	if (highest(lapic, APIC_IRR) >= 0)
		WRITE_ONCE(lapic->irr_pending, true);

	__set_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_ISR, vector));
	WRITE_ONCE(lapic->isr_top, vector);
}

/* A level interrupt's end goes to the I/O APICs, unless SVR says that the guest does it. */
static void broadcast_eoi(struct umbra_lapic *lapic, u8 vector)
{
	bool level = test_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_TMR, vector));
	struct umbra_irqchip *irqchip = lapic->vcpu->vm->irqchip;

	if (level && lapic_reg(lapic, APIC_SPIV) & APIC_SPIV_DIRECTED_EOI)
		return;
	if (irqchip->full)
		umbra_ioapic_eoi(irqchip, vector, level);
	else if (level && umbra_routing_user_eoi(irqchip, vector))
		lapic->user_eoi = vector;
}

/**
 * umbra_lapic_eoi() - end of interrupt
 * @lapic: the APIC
 *
 * Context: vCPU thread.
 */
void umbra_lapic_eoi(struct umbra_lapic *lapic)
{
	int vector = lapic->isr_top;

	if (vector < 0)
		return;
	__clear_bit(VECTOR_BIT(vector), vector_word(lapic, APIC_ISR, vector));
	WRITE_ONCE(lapic->isr_top, highest(lapic, APIC_ISR));
	broadcast_eoi(lapic, vector);
}

/* The PIC's output reaches this vCPU and is high. */
static bool pic_pending(struct umbra_vcpu *vcpu)
{
	struct umbra_irqchip *irqchip = vcpu->vm->irqchip;

	return irqchip->full && umbra_pic_pending(irqchip) && umbra_lapic_takes_pic(vcpu);
}

/**
 * umbra_irq_pending() - is there an interrupt that could be taken now
 * @vcpu: the vCPU
 *
 * PIC (ExtINT through LVT0) and local APIC; priority considered, RFLAGS.IF not.
 * Context: any; exact in the vCPU's thread, else a hint.
 * Return: true when umbra_irq_ack() would return a vector.
 */
bool umbra_irq_pending(struct umbra_vcpu *vcpu)
{
	return pic_pending(vcpu) || deliverable(vcpu->lapic) >= 0;
}

/**
 * umbra_irq_ack() - take the interrupt
 * @vcpu: the vCPU
 *
 * Context: vCPU thread.
 * Return: vector, or -1 when there is none.
 */
int umbra_irq_ack(struct umbra_vcpu *vcpu)
{
	int vector;

	if (pic_pending(vcpu))
		return umbra_pic_ack(vcpu->vm->irqchip);
	vector = deliverable(vcpu->lapic);
	if (vector >= 0)
		begin_service(vcpu->lapic, vector);
	return vector;
}
