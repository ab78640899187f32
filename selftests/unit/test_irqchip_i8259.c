// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the interrupt controller pair against a model
 *
 * A second implementation of the 8259A's priority rules, as a search through a
 * list of levels, is driven with the same random lines, commands and
 * acknowledges, and must give the same vectors and registers.
 */
#include "i8259_internal.h"
#include "ktap.h"

#define STEPS	400000

/* One chip, one array element a pin; order[0] is the pin of highest priority. */
struct model_chip {
	bool line[8], asked[8], served[8], masked[8], level[8];
	unsigned int order[8];
	bool special, nested, aeoi, rotate_aeoi;
	u8 base;
};

struct model {
	struct model_chip chip[2];
};

static void rotate_below(struct model_chip *c, unsigned int pin)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		c->order[i] = (pin + 1 + i) % 8;
}

static bool wants(const struct model *m, unsigned int which, unsigned int pin);

/* From the top down: the first that asks, before any that is served. */
static int model_request(const struct model *m, unsigned int which)
{
	const struct model_chip *c = &m->chip[which];
	unsigned int i;

	for (i = 0; i < 8; i++) {
		unsigned int pin = c->order[i];
		bool blocks = c->served[pin];

		if (c->special && c->masked[pin])
			blocks = false;
		if (c->nested && which == 0 && pin == 2)
			blocks = false;
		if (blocks)
			return -1;
		if (wants(m, which, pin))
			return pin;
	}
	return -1;
}

static bool wants(const struct model *m, unsigned int which, unsigned int pin)
{
	const struct model_chip *c = &m->chip[which];
	bool asked = c->asked[pin];

	if (which == 0 && pin == 2)
		asked = model_request(m, 1) >= 0;
	return asked && !c->masked[pin];
}

static void model_line(struct model *m, unsigned int irq, bool level)
{
	struct model_chip *c = &m->chip[irq / 8];
	unsigned int pin = irq % 8;

	if (c->level[pin])
		c->asked[pin] = level;
	else if (level && !c->line[pin])
		c->asked[pin] = true;
	c->line[pin] = level;
}

static void model_serve(struct model_chip *c, unsigned int pin)
{
	if (!c->level[pin])
		c->asked[pin] = false;
	if (!c->aeoi)
		c->served[pin] = true;
	else if (c->rotate_aeoi)
		rotate_below(c, pin);
}

static u8 model_ack(struct model *m)
{
	int pin = model_request(m, 0), slave;

	if (pin < 0)
		return m->chip[0].base + 7;
	if (pin != 2) {
		model_serve(&m->chip[0], pin);
		return m->chip[0].base + pin;
	}
	slave = model_request(m, 1);
	model_serve(&m->chip[0], 2);
	model_serve(&m->chip[1], slave);
	return m->chip[1].base + slave;
}

static int model_top_served(const struct model_chip *c)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		if (c->served[c->order[i]] && !(c->special && c->masked[c->order[i]]))
			return c->order[i];
	return -1;
}

static void model_ocw2(struct model_chip *c, u8 val)
{
	int pin = val & 7;

	switch (val >> 5) {
	case 0:
	case 4:
		c->rotate_aeoi = val >> 7;
		return;
	case 2:
		return;
	case 6:
		rotate_below(c, pin);
		return;
	case 1:
	case 5:
		pin = model_top_served(c);
		break;
	}
	if (pin < 0)
		return;
	c->served[pin] = false;
	if (val & 0x80)
		rotate_below(c, pin);
}

static u8 bits(const bool *at)
{
	unsigned int i;
	u8 val = 0;

	for (i = 0; i < 8; i++)
		val |= at[i] << i;
	return val;
}

static void setup(struct umbra_i8259 *p, struct model *m, u8 icw4, bool level)
{
	unsigned int i, k;

	umbra_i8259_reset(p);
	memset(m, 0, sizeof(*m));
	for (i = 0; i < 2; i++) {
		u16 port = i ? 0xa0 : 0x20;

		umbra_i8259_write(p, port, 0x11);
		umbra_i8259_write(p, port + 1, i ? 0x70 : 0x08);
		umbra_i8259_write(p, port + 1, i ? 2 : 4);
		umbra_i8259_write(p, port + 1, icw4);
		umbra_i8259_write(p, 0x4d0 + i, level ? 0xff : 0);
		m->chip[i].base = i ? 0x70 : 0x08;
		m->chip[i].aeoi = icw4 & 2;
		m->chip[i].nested = icw4 & 0x10;
		rotate_below(&m->chip[i], 7);
		for (k = 0; k < 8; k++)
			m->chip[i].level[k] = (p->pic[i].elcr >> k) & 1;
	}
}

static bool same(struct umbra_i8259 *p, struct model *m)
{
	unsigned int i;

	if (p->output != (model_request(m, 0) >= 0))
		return false;
	for (i = 0; i < 2; i++) {
		struct model_chip *c = &m->chip[i];
		u8 irr = bits(c->asked);

		if (i == 0)
			irr = (irr & ~4) | (model_request(m, 1) >= 0 ? 4 : 0);
		if (p->pic[i].irr != irr || p->pic[i].isr != bits(c->served) ||
		    p->pic[i].imr != bits(c->masked))
			return false;
	}
	return true;
}

static bool random_step(struct umbra_i8259 *p, struct model *m)
{
	unsigned int which = random() & 1, irq = random() & 15, i;
	u16 port = which ? 0xa0 : 0x20;
	u8 val = random();

	switch (random() % 8) {
	case 0:
	case 1:
	case 2:
		if (irq == 2)
			return true;
		umbra_i8259_line(p, irq, val & 1);
		model_line(m, irq, val & 1);
		return true;
	case 3:
	case 4:
		return umbra_i8259_ack(p) == model_ack(m);
	case 5:
		val &= 0xe7;
		umbra_i8259_write(p, port, val);
		model_ocw2(&m->chip[which], val);
		return true;
	case 6:
		umbra_i8259_write(p, port + 1, val);
		for (i = 0; i < 8; i++)
			m->chip[which].masked[i] = (val >> i) & 1;
		return true;
	default:
		val = random() & 1 ? 0x68 : 0x48;
		umbra_i8259_write(p, port, val);
		m->chip[which].special = val == 0x68;
		return true;
	}
}

static void test_random(u8 icw4, bool level, const char *what)
{
	struct umbra_i8259 p;
	struct model m;
	bool good = true;
	unsigned int i;

	setup(&p, &m, icw4, level);
	srandom(icw4 + 1);
	for (i = 0; i < STEPS && good; i++)
		good = random_step(&p, &m) && same(&p, &m);
	if (!good)
		ktap_note("step %u", i);
	ktap_ok(good, "%s: as the model", what);
}

static void test_line_status(void)
{
	struct umbra_i8259 p;
	struct model m;

	setup(&p, &m, 1, false);
	ktap_ok(umbra_i8259_line(&p, 4, true) == 1 && p.rose, "an edge is taken");
	umbra_i8259_line(&p, 4, false);
	ktap_ok(umbra_i8259_line(&p, 4, true) == 0, "a second one is coalesced");
	umbra_i8259_write(&p, 0x21, 0x10);
	ktap_ok(umbra_i8259_line(&p, 4, false) == -1, "a masked one is refused");
	p.unmasked = 0;
	umbra_i8259_write(&p, 0x21, 0x00);
	ktap_ok(p.unmasked == 0x10, "unmasking is told");
	p.acked = 0;
	umbra_i8259_ack(&p);
	umbra_i8259_write(&p, 0x20, 0x20);
	ktap_ok(p.acked == 0x10, "the end of service is told");
}

static void test_init(void)
{
	struct umbra_i8259 p;

	umbra_i8259_reset(&p);
	umbra_i8259_write(&p, 0x20, 0x12);
	umbra_i8259_write(&p, 0x21, 0x47);
	ktap_ok(p.pic[0].irq_base == 0x40 && !p.pic[0].init_state,
		"single, no ICW4: ready after ICW2");
	umbra_i8259_write(&p, 0x20, 0x13);
	umbra_i8259_write(&p, 0x21, 0x48);
	umbra_i8259_write(&p, 0x21, 0x03);
	ktap_ok(p.pic[0].auto_eoi && !p.pic[0].init_state, "single: ICW4 follows ICW2");
	umbra_i8259_write(&p, 0x21, 0xaa);
	ktap_ok(umbra_i8259_read(&p, 0x21) == 0xaa, "then the mask");
	umbra_i8259_write(&p, 0xa0, 0x10);
	umbra_i8259_write(&p, 0xa1, 0x70);
	umbra_i8259_write(&p, 0xa1, 0x02);
	ktap_ok(!p.pic[1].init_state && !p.pic[1].auto_eoi, "cascade, no ICW4: ready after ICW3");
}

static void test_spurious(void)
{
	struct umbra_i8259 p;
	struct model m;

	setup(&p, &m, 1, true);
	umbra_i8259_line(&p, 5, true);
	umbra_i8259_line(&p, 5, false);
	ktap_ok(umbra_i8259_ack(&p) == 0x0f && !p.pic[0].isr, "a level that fell: spurious IR7");
}

/* Userspace may restore any state: nothing of it may do harm. */
static void test_any_state(void)
{
	struct umbra_i8259 p;
	unsigned int i, k;

	for (i = 0; i < 20000; i++) {
		umbra_i8259_reset(&p);
		for (k = 0; k < sizeof(p.pic); k++)
			((u8 *)p.pic)[k] = random();
		umbra_i8259_update(&p);
		for (k = 0; k < 30; k++) {
			static const u16 ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };

			umbra_i8259_write(&p, ports[random() % 6], random());
			umbra_i8259_read(&p, ports[random() % 6]);
			umbra_i8259_line(&p, random() & 15, random() & 1);
			umbra_i8259_ack(&p);
		}
	}
	ktap_ok(true, "any state, any access");
}

int main(void)
{
	ktap_plan(16);
	test_random(0x01, false, "edge");
	test_random(0x01, true, "level");
	test_random(0x03, false, "automatic EOI");
	test_random(0x11, false, "special fully nested");
	test_random(0x13, true, "all of these");
	test_line_status();
	test_init();
	test_spurious();
	test_any_state();
	ktap_exit();
}
