// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: keyboard controller
 *
 * Here for its reset line, and so that drivers which probe for it get answers
 * instead of time-outs: the controller's self-tests pass, and a keyboard
 * acknowledges commands but never sends a key.  There is no mouse port.
 */
#include "i8042.h"

#include <string.h>

#define STATUS_FULL	0x01
#define STATUS_SYSTEM	0x04
#define STATUS_UNLOCKED	0x10

#define COMMAND_IRQ	0x01
#define COMMAND_DISABLE	0x10
#define COMMAND_DEFAULT	0x41	/* interrupt on, translation */

#define OUTPUT_RESET	0x01	/* active low */
#define OUTPUT_A20	0x02

#define KBD_ACK		0xfa

static void update_irq(struct i8042 *i8042)
{
	irq_line_set(&i8042->irq, i8042->count && i8042->command & COMMAND_IRQ);
}

static void push(struct i8042 *i8042, uint8_t byte)
{
	/* A guest that never reads loses answers, as on the real one. */
	if (i8042->count < I8042_QUEUE_SIZE)
		i8042->queue[i8042->count++] = byte;
}

static uint8_t pop(struct i8042 *i8042)
{
	uint8_t byte = i8042->queue[0];

	if (!i8042->count)
		return 0;
	i8042->count--;
	memmove(i8042->queue, i8042->queue + 1, i8042->count);
	/* Each byte has its own edge. */
	irq_line_set(&i8042->irq, false);
	return byte;
}

static void set_output(struct i8042 *i8042, uint8_t value)
{
	i8042->output = value;
	if (!(value & OUTPUT_RESET))
		i8042->reset(i8042->opaque, "the keyboard controller");
}

static void run_command(struct i8042 *i8042, uint8_t command)
{
	switch (command) {
	case 0x20:		/* read the command byte */
		push(i8042, i8042->command);
		break;
	case 0x60:		/* these take a data byte */
	case 0xd1:
	case 0xd2:
	case 0xd3:
	case 0xd4:
		i8042->pending = command;
		break;
	case 0xaa:		/* controller test passes */
		push(i8042, 0x55);
		break;
	case 0xab:		/* keyboard line test passes */
		push(i8042, 0x00);
		break;
	case 0xa9:		/* mouse line test: clock stuck low */
		push(i8042, 0x01);
		break;
	case 0xad:
		i8042->command |= COMMAND_DISABLE;
		break;
	case 0xae:
		i8042->command &= ~COMMAND_DISABLE;
		break;
	case 0xd0:		/* read the output port */
		push(i8042, i8042->output);
		break;
	case 0xf0 ... 0xff:	/* pulse lines whose bits are 0 */
		if (!(command & OUTPUT_RESET))
			i8042->reset(i8042->opaque, "the keyboard controller");
		break;
	}
}

/* A byte for the keyboard itself. */
static void run_keyboard(struct i8042 *i8042, uint8_t byte)
{
	push(i8042, KBD_ACK);
	switch (byte) {
	case 0xff:		/* reset: self-test passed */
		push(i8042, 0xaa);
		break;
	case 0xf2:		/* identify: MF2 keyboard */
		push(i8042, 0xab);
		push(i8042, 0x83);
		break;
	case 0xee:		/* echo answers with itself, not with an ACK */
		i8042->queue[i8042->count - 1] = 0xee;
		break;
	}
}

static void write_data(struct i8042 *i8042, uint8_t value)
{
	uint8_t pending = i8042->pending;

	i8042->pending = 0;
	switch (pending) {
	case 0x60:
		i8042->command = value;
		break;
	case 0xd1:
		set_output(i8042, value);
		break;
	case 0xd2:		/* loop a byte back */
		push(i8042, value);
		break;
	case 0xd3:		/* the mouse's: nobody there */
	case 0xd4:
		break;
	default:
		run_keyboard(i8042, value);
	}
}

static uint32_t i8042_read(void *device, uint16_t port, unsigned int size)
{
	struct i8042 *i8042 = device;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&i8042->lock);
	if (port == I8042_DATA_PORT)
		value = pop(i8042);
	else
		value = STATUS_SYSTEM | STATUS_UNLOCKED | (i8042->count ? STATUS_FULL : 0);
	update_irq(i8042);
	pthread_mutex_unlock(&i8042->lock);
	return value;
}

static void i8042_write(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct i8042 *i8042 = device;

	(void)size;
	pthread_mutex_lock(&i8042->lock);
	if (port == I8042_DATA_PORT)
		write_data(i8042, value);
	else
		run_command(i8042, value);
	update_irq(i8042);
	pthread_mutex_unlock(&i8042->lock);
}

/**
 * i8042_init() - power-on state
 * @i8042: with interrupt line and callback filled in
 */
void i8042_init(struct i8042 *i8042)
{
	pthread_mutex_init(&i8042->lock, NULL);
	i8042->command = COMMAND_DEFAULT;
	i8042->output = OUTPUT_RESET | OUTPUT_A20;
}

const struct port_ops i8042_ports = {
	.width = 1,
	.read = i8042_read,
	.write = i8042_write,
};
