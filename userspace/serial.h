/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: 16550A serial port
 */
#ifndef UMBRA_TOOL_SERIAL_H
#define UMBRA_TOOL_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "irq_line.h"
#include "ports.h"

#define SERIAL_COM1_PORT	0x3f8
#define SERIAL_COM1_IRQ		4
#define SERIAL_PORTS		8
#define SERIAL_FIFO_SIZE	16

/**
 * struct serial - the port
 * @lock: guards everything below
 * @fifo: received bytes, @count of them from @head on
 * @head: see @fifo
 * @count: see @fifo
 * @ier: interrupt enable register
 * @lcr: line control register
 * @mcr: modem control register
 * @scr: scratch register
 * @dll: divisor, low
 * @dlm: divisor, high
 * @errors: break and overrun bits of the line status, cleared by reading it
 * @fifo_on: FIFOs are enabled
 * @tx_empty: "transmitter empty" waits for the guest
 * @irq: the interrupt
 * @send: called for every byte sent
 * @room: called when there was no room and now there is
 * @opaque: handed to @send and @room
 */
struct serial {
	pthread_mutex_t lock;
	uint8_t fifo[SERIAL_FIFO_SIZE];
	unsigned int head, count;
	uint8_t ier, lcr, mcr, scr, dll, dlm;
	uint8_t errors;
	bool fifo_on;
	bool tx_empty;
	struct irq_line irq;
	void (*send)(void *opaque, uint8_t byte);
	void (*room)(void *opaque);
	void *opaque;
};

extern const struct port_ops serial_ports;

void serial_init(struct serial *serial);
size_t serial_room(struct serial *serial);
void serial_receive(struct serial *serial, const uint8_t *bytes, size_t count);
void serial_break(struct serial *serial);

#endif
