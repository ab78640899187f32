// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: i8259 interrupt controllers, the chips
 *
 * The pair of 8259A that a PC boots with (Intel 8259A data sheet, order number
 * 231468), with the edge/level registers that PCI chip sets added at ports 4d0h
 * and 4d1h.  A pure state machine: who calls it holds a lock and looks at
 * @rose, @acked and @unmasked afterwards.
 *
 * Wiring that cannot be changed, whatever ICW3 says: the slave hangs on the
 * master's IR2.  Buffered mode and the 8085's vectors do not exist in a PC and
 * are ignored.
 */
#include "i8259_internal.h"

/* Initialization command words that are still awaited (kvm_pic_state.init_state). */
enum { READY, WANT_ICW2, WANT_ICW3, WANT_ICW4 };
#define INIT_SINGLE		0x80	/* with WANT_ICW2: no ICW3 will come */

#define ICW1_IC4		0x01	/* ICW4 follows */
#define ICW1_SNGL		0x02	/* no cascade: no ICW3 */
#define ICW1			0x10
#define ICW2_BASE		0xf8
#define ICW4_AEOI		0x02
#define ICW4_SFNM		0x10

#define OCW3			0x08
#define OCW3_RIS		0x01	/* read ISR, else IRR */
#define OCW3_RR			0x02	/* read register command */
#define OCW3_POLL		0x04
#define OCW3_SMM		0x20
#define OCW3_ESMM		0x40	/* SMM is valid */

#define OCW2_LEVEL		0x07
/* OCW2 bits 7:5, R SL EOI. */
enum {
	AEOI_ROTATE_CLEAR, EOI, OCW2_NOP, EOI_SPECIFIC,
	AEOI_ROTATE_SET, EOI_ROTATE, SET_PRIORITY, EOI_SPECIFIC_ROTATE,
};

#define CASCADE			2
#define SPURIOUS		7

/* Lines that a PC keeps edge triggered: timer, keyboard, cascade; RTC, FPU. */
#define MASTER_ELCR_MASK	0xf8
#define SLAVE_ELCR_MASK		0xde

/* The pin of highest priority in @mask, or -1; priority_add is the highest pin. */
static int top_pin(const struct kvm_pic_state *s, u8 mask)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		unsigned int pin = (s->priority_add + i) & 7;

		if (mask & BIT(pin))
			return pin;
	}
	return -1;
}

/* 0 is the highest; 8 is lower than any pin. */
static unsigned int rank(const struct kvm_pic_state *s, int pin)
{
	return pin < 0 ? 8 : (pin - s->priority_add) & 7;
}

/* Services that hold back what is not above them. */
static u8 blocking(const struct umbra_i8259 *p, const struct kvm_pic_state *s)
{
	u8 isr = s->isr;

	if (s->special_mask)
		isr &= ~s->imr;
	/* The slave may interrupt its own service: "special fully nested". */
	if (s->special_fully_nested_mode && s == &p->pic[0])
		isr &= ~BIT(CASCADE);
	return isr;
}

/* The pin that the chip asks to have served, or -1. */
static int request(const struct umbra_i8259 *p, const struct kvm_pic_state *s)
{
	int pin = top_pin(s, s->irr & ~s->imr);

	if (pin < 0 || rank(s, pin) >= rank(s, top_pin(s, blocking(p, s))))
		return -1;
	return pin;
}

/**
 * umbra_i8259_update() - work out the INT lines after any change
 * @p: the pair
 */
void umbra_i8259_update(struct umbra_i8259 *p)
{
	struct kvm_pic_state *master = &p->pic[0];
	bool was_high = p->output;

	if (request(p, &p->pic[1]) >= 0)
		master->irr |= BIT(CASCADE);
	else
		master->irr &= ~BIT(CASCADE);
	p->output = request(p, master) >= 0;
	if (p->output && !was_high)
		p->rose = true;
}

/**
 * umbra_i8259_reset() - state after power-on
 * @p: the pair
 */
void umbra_i8259_reset(struct umbra_i8259 *p)
{
	memset(p, 0, sizeof(*p));
	p->pic[0].elcr_mask = MASTER_ELCR_MASK;
	p->pic[1].elcr_mask = SLAVE_ELCR_MASK;
}

/**
 * umbra_i8259_line() - a device drives its line
 * @p: the pair
 * @pin: 0..15
 * @level: high or low
 *
 * Return: 1 taken, 0 already requested, -1 the pin is masked.
 */
int umbra_i8259_line(struct umbra_i8259 *p, unsigned int pin, bool level)
{
	struct kvm_pic_state *s = &p->pic[(pin >> 3) & 1];
	u8 bit = BIT(pin & 7);
	int ret = 1;

	if (!level) {
		s->last_irr &= ~bit;
		if (s->elcr & bit)
			s->irr &= ~bit;
	} else {
		if ((s->elcr & bit) || !(s->last_irr & bit)) {
			ret = !(s->irr & bit);
			s->irr |= bit;
		}
		s->last_irr |= bit;
	}
	umbra_i8259_update(p);
	return s->imr & bit ? -1 : ret;
}

static u16 pair_bit(const struct umbra_i8259 *p, const struct kvm_pic_state *s, int pin)
{
	return s == &p->pic[1] ? BIT(pin + 8) : BIT(pin);
}

static void end_service(struct umbra_i8259 *p, struct kvm_pic_state *s, int pin)
{
	s->isr &= ~BIT(pin);
	p->acked |= pair_bit(p, s, pin);
}

/* INTA cycle or poll: from request to service. */
static void begin_service(struct umbra_i8259 *p, struct kvm_pic_state *s, int pin)
{
	s->isr |= BIT(pin);
	if (!(s->elcr & BIT(pin)))
		s->irr &= ~BIT(pin);
	if (!s->auto_eoi)
		return;
	if (s->rotate_on_auto_eoi)
		s->priority_add = (pin + 1) & 7;
	end_service(p, s, pin);
}

/**
 * umbra_i8259_ack() - both INTA cycles
 * @p: the pair
 *
 * A request that went away in the meantime gives the spurious vector: IR7 of
 * the chip that was asked, without a bit in its ISR.
 * Return: the vector.
 */
u8 umbra_i8259_ack(struct umbra_i8259 *p)
{
	struct kvm_pic_state *s = &p->pic[0];
	int pin = request(p, s);

	if (pin == CASCADE) {
		begin_service(p, s, pin);
		s = &p->pic[1];
		pin = request(p, s);
	}
	if (pin >= 0)
		begin_service(p, s, pin);
	else
		pin = SPURIOUS;
	umbra_i8259_update(p);
	return s->irq_base + pin;
}

/* ICW1 (data sheet, "Initialization command words"). */
static void initialize(struct umbra_i8259 *p, struct kvm_pic_state *s, u8 val)
{
	unsigned int pin;

	for (pin = 0; pin < 8; pin++)
		if (s->isr & BIT(pin))
			end_service(p, s, pin);
	s->last_irr = 0;
	s->irr &= s->elcr;
	s->imr = 0;
	s->priority_add = 0;
	s->special_mask = 0;
	s->read_reg_select = 0;
	s->poll = 0;
	s->init4 = val & ICW1_IC4;
	if (!s->init4) {
		s->auto_eoi = 0;
		s->special_fully_nested_mode = 0;
	}
	s->init_state = WANT_ICW2 | (val & ICW1_SNGL ? INIT_SINGLE : 0);
}

static void write_icw(struct kvm_pic_state *s, u8 val)
{
	u8 after_icw3 = s->init4 ? WANT_ICW4 : READY;

	switch (s->init_state & ~INIT_SINGLE) {
	case WANT_ICW2:
		s->irq_base = val & ICW2_BASE;
		s->init_state = s->init_state & INIT_SINGLE ? after_icw3 : WANT_ICW3;
		break;
	case WANT_ICW3:
		s->init_state = after_icw3;
		break;
	default:
		s->special_fully_nested_mode = !!(val & ICW4_SFNM);
		s->auto_eoi = !!(val & ICW4_AEOI);
		s->init_state = READY;
	}
}

/* The service that a non-specific EOI ends, or -1. */
static int nonspecific(const struct kvm_pic_state *s)
{
	return top_pin(s, s->special_mask ? s->isr & ~s->imr : s->isr);
}

static void write_ocw2(struct umbra_i8259 *p, struct kvm_pic_state *s, u8 val)
{
	unsigned int command = val >> 5;
	int pin = val & OCW2_LEVEL;

	switch (command) {
	case AEOI_ROTATE_CLEAR:
	case AEOI_ROTATE_SET:
		s->rotate_on_auto_eoi = command == AEOI_ROTATE_SET;
		return;
	case EOI:
	case EOI_ROTATE:
		pin = nonspecific(s);
		if (pin < 0)
			return;
		fallthrough;
	case EOI_SPECIFIC:
	case EOI_SPECIFIC_ROTATE:
		end_service(p, s, pin);
		if (command & AEOI_ROTATE_SET)
			s->priority_add = (pin + 1) & 7;
		return;
	case SET_PRIORITY:
		s->priority_add = (pin + 1) & 7;
		return;
	}
}

static void write_ocw3(struct kvm_pic_state *s, u8 val)
{
	if (val & OCW3_POLL)
		s->poll = 1;
	if (val & OCW3_RR)
		s->read_reg_select = val & OCW3_RIS;
	if (val & OCW3_ESMM)
		s->special_mask = !!(val & OCW3_SMM);
}

static void write_mask(struct umbra_i8259 *p, struct kvm_pic_state *s, u8 val)
{
	u8 opened = s->imr & ~val;

	s->imr = val;
	p->unmasked |= s == &p->pic[1] ? opened << 8 : opened;
}

static void write_chip(struct umbra_i8259 *p, struct kvm_pic_state *s, bool a0, u8 val)
{
	if (a0 && s->init_state)
		write_icw(s, val);
	else if (a0)
		write_mask(p, s, val);
	else if (val & ICW1)
		initialize(p, s, val);
	else if (val & OCW3)
		write_ocw3(s, val);
	else
		write_ocw2(p, s, val);
}

/* Poll command: the read is an INTA cycle of this chip alone. */
static u8 read_poll(struct umbra_i8259 *p, struct kvm_pic_state *s)
{
	int pin = request(p, s);

	s->poll = 0;
	if (pin < 0)
		return 0;
	begin_service(p, s, pin);
	umbra_i8259_update(p);
	return 0x80 | pin;
}

/**
 * umbra_i8259_read() - IN from one of the ports
 * @p: the pair
 * @port: 20h, 21h, a0h, a1h, 4d0h, 4d1h
 *
 * Return: the byte.
 */
u8 umbra_i8259_read(struct umbra_i8259 *p, u16 port)
{
	struct kvm_pic_state *s;

	if (port >= 0x4d0)
		return p->pic[port & 1].elcr;
	s = &p->pic[port >> 7];
	if (s->poll)
		return read_poll(p, s);
	if (port & 1)
		return s->imr;
	return s->read_reg_select ? s->isr : s->irr;
}

/**
 * umbra_i8259_write() - OUT to one of the ports
 * @p: the pair
 * @port: 20h, 21h, a0h, a1h, 4d0h, 4d1h
 * @val: the byte
 */
void umbra_i8259_write(struct umbra_i8259 *p, u16 port, u8 val)
{
	if (port >= 0x4d0)
		p->pic[port & 1].elcr = val & p->pic[port & 1].elcr_mask;
	else
		write_chip(p, &p->pic[port >> 7], port & 1, val);
	umbra_i8259_update(p);
}
