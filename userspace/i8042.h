/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: i8042 keyboard controller
 */
#ifndef UMBRA_TOOL_I8042_H
#define UMBRA_TOOL_I8042_H

#include <pthread.h>
#include <stdint.h>

#include "irq_line.h"
#include "ports.h"

#define I8042_DATA_PORT		0x60
#define I8042_COMMAND_PORT	0x64
#define I8042_IRQ		1
#define I8042_QUEUE_SIZE	16

/**
 * struct i8042 - the controller and a keyboard on which nobody types
 * @lock: guards everything below
 * @queue: bytes for the guest, @count of them
 * @count: see @queue
 * @command: the command byte (interrupt enables, translation)
 * @output: the output port (A20, reset)
 * @pending: command that waits for its data byte, 0 if none
 * @irq: the keyboard's interrupt
 * @reset: called when the guest pulses the reset line
 * @opaque: handed to @reset
 */
struct i8042 {
	pthread_mutex_t lock;
	uint8_t queue[I8042_QUEUE_SIZE];
	unsigned int count;
	uint8_t command;
	uint8_t output;
	uint8_t pending;
	struct irq_line irq;
	void (*reset)(void *opaque, const char *by);
	void *opaque;
};

extern const struct port_ops i8042_ports;

void i8042_init(struct i8042 *i8042);

#endif
