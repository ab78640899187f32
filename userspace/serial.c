// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: 16550A serial port
 *
 * Bytes leave at once: the transmitter is always empty, baud rates mean
 * nothing.  Received bytes wait in the FIFO; who feeds it asks for room first,
 * so nothing is lost.  Register names are the data sheet's (National
 * Semiconductor PC16550D, section 8).
 */
#include "serial.h"

/* Offsets; the first two change their meaning with LCR_DLAB. */
enum { DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = IIR };

#define IER_RX		0x01
#define IER_TX		0x02
#define IER_LINE	0x04
#define IER_MASK	0x0f

#define IIR_NONE	0x01
#define IIR_TX		0x02
#define IIR_RX		0x04
#define IIR_LINE	0x06
#define IIR_FIFO	0xc0

#define FCR_ENABLE	0x01
#define FCR_CLEAR_RX	0x02

#define LCR_DLAB	0x80

#define MCR_DTR		0x01
#define MCR_RTS		0x02
#define MCR_OUT1	0x04
#define MCR_OUT2	0x08
#define MCR_LOOP	0x10

#define LSR_READY	0x01
#define LSR_OVERRUN	0x02
#define LSR_BREAK	0x10
#define LSR_TX_EMPTY	0x60

#define MSR_CTS		0x10
#define MSR_DSR		0x20
#define MSR_RI		0x40
#define MSR_DCD		0x80

/**
 * serial_init() - power-on state
 * @serial: with interrupt line and callbacks filled in
 */
void serial_init(struct serial *serial)
{
	pthread_mutex_init(&serial->lock, NULL);
	serial->dll = 1;
	serial->tx_empty = true;
}

/* Highest pending cause, in the order of the data sheet's table. */
static uint8_t cause(const struct serial *serial)
{
	if (serial->ier & IER_LINE && serial->errors)
		return IIR_LINE;
	if (serial->ier & IER_RX && serial->count)
		return IIR_RX;
	if (serial->ier & IER_TX && serial->tx_empty)
		return IIR_TX;
	return IIR_NONE;
}

static void update_irq(struct serial *serial)
{
	/* On a PC, OUT2 connects the interrupt to the bus. */
	irq_line_set(&serial->irq, cause(serial) != IIR_NONE && serial->mcr & MCR_OUT2);
}

static unsigned int capacity(const struct serial *serial)
{
	return serial->fifo_on ? SERIAL_FIFO_SIZE : 1;
}

static void push(struct serial *serial, uint8_t byte)
{
	if (serial->count >= capacity(serial)) {
		serial->errors |= LSR_OVERRUN;
		return;
	}
	serial->fifo[(serial->head + serial->count++) % SERIAL_FIFO_SIZE] = byte;
}

/**
 * serial_room() - how many bytes can be received now
 * @serial: the port
 *
 * Context: any thread.
 * Return: bytes.
 */
size_t serial_room(struct serial *serial)
{
	size_t room = 0;

	pthread_mutex_lock(&serial->lock);
	if (serial->count < capacity(serial) && !(serial->mcr & MCR_LOOP))
		room = capacity(serial) - serial->count;
	pthread_mutex_unlock(&serial->lock);
	return room;
}

/**
 * serial_receive() - bytes arrive on the line
 * @serial: the port
 * @bytes: @count of them, at most serial_room()
 * @count: bytes beyond the room are lost with an overrun error
 *
 * Context: any thread.
 */
void serial_receive(struct serial *serial, const uint8_t *bytes, size_t count)
{
	pthread_mutex_lock(&serial->lock);
	while (count--)
		push(serial, *bytes++);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

/**
 * serial_break() - a break arrives on the line
 * @serial: the port
 *
 * Context: any thread.
 */
void serial_break(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	push(serial, 0);
	serial->errors |= LSR_BREAK;
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

static uint8_t read_data(struct serial *serial)
{
	uint8_t byte = 0;

	if (serial->count) {
		byte = serial->fifo[serial->head];
		serial->head = (serial->head + 1) % SERIAL_FIFO_SIZE;
		serial->count--;
	}
	return byte;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t id = cause(serial);

	/* Reading acknowledges this cause, and only this one. */
	if (id == IIR_TX)
		serial->tx_empty = false;
	return id | (serial->fifo_on ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct serial *serial)
{
	uint8_t value = LSR_TX_EMPTY | serial->errors;

	if (serial->count)
		value |= LSR_READY;
	serial->errors = 0;
	return value;
}

static uint8_t read_msr(const struct serial *serial)
{
	uint8_t mcr = serial->mcr, value = 0;

	if (!(mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	/* In loopback the outputs come back at the inputs. */
	value |= mcr & MCR_RTS ? MSR_CTS : 0;
	value |= mcr & MCR_DTR ? MSR_DSR : 0;
	value |= mcr & MCR_OUT1 ? MSR_RI : 0;
	value |= mcr & MCR_OUT2 ? MSR_DCD : 0;
	return value;
}

static uint8_t read_register(struct serial *serial, unsigned int offset)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (offset) {
	case DATA:
		return dlab ? serial->dll : read_data(serial);
	case IER:
		return dlab ? serial->dlm : serial->ier;
	case IIR:
		return read_iir(serial);
	case LCR:
		return serial->lcr;
	case MCR:
		return serial->mcr;
	case LSR:
		return read_lsr(serial);
	case MSR:
		return read_msr(serial);
	default:
		return serial->scr;
	}
}

static uint32_t serial_read(void *device, uint16_t port, unsigned int size)
{
	unsigned int offset = port % SERIAL_PORTS;
	struct serial *serial = device;
	bool was_full, has_room;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&serial->lock);
	was_full = serial->count >= capacity(serial);
	value = read_register(serial, offset);
	has_room = serial->count < capacity(serial);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	if (was_full && has_room)
		serial->room(serial->opaque);
	return value;
}

static void write_data(struct serial *serial, uint8_t value)
{
	serial->tx_empty = false;
	update_irq(serial);
	if (serial->mcr & MCR_LOOP)
		push(serial, value);
	else
		serial->send(serial->opaque, value);
	serial->tx_empty = true;
}

static void write_ier(struct serial *serial, uint8_t value)
{
	/* Enabling the transmitter interrupt raises it when it is empty. */
	if (value & ~serial->ier & IER_TX)
		serial->tx_empty = true;
	serial->ier = value & IER_MASK;
}

static void write_fcr(struct serial *serial, uint8_t value)
{
	bool on = value & FCR_ENABLE;

	if (on != serial->fifo_on || (on && value & FCR_CLEAR_RX))
		serial->count = 0;
	serial->fifo_on = on;
}

static void write_register(struct serial *serial, unsigned int offset, uint8_t value)
{
	bool dlab = serial->lcr & LCR_DLAB;

	switch (offset) {
	case DATA:
		if (dlab)
			serial->dll = value;
		else
			write_data(serial, value);
		break;
	case IER:
		if (dlab)
			serial->dlm = value;
		else
			write_ier(serial, value);
		break;
	case FCR:
		write_fcr(serial, value);
		break;
	case LCR:
		serial->lcr = value;
		break;
	case MCR:
		serial->mcr = value & 0x1f;
		break;
	case SCR:
		serial->scr = value;
		break;
	}
}

static void serial_write(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	unsigned int offset = port % SERIAL_PORTS;
	struct serial *serial = device;

	(void)size;
	pthread_mutex_lock(&serial->lock);
	write_register(serial, offset, value);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	/* These may have emptied the FIFO, made it larger, or left loopback. */
	if (offset == FCR || offset == MCR)
		serial->room(serial->opaque);
}

const struct port_ops serial_ports = {
	.width = 1,
	.read = serial_read,
	.write = serial_write,
};
