// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: delay, exit status, reset control
 */
#include "misc_ports.h"

#define RESET_CPU	0x04
#define PORT_A_RESET	0x01
#define PORT_A_A20	0x02

static uint32_t read_zero(void *device, uint16_t port, unsigned int size)
{
	(void)device;
	(void)port;
	(void)size;
	return 0;
}

static void write_nothing(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	(void)device;
	(void)port;
	(void)size;
	(void)value;
}

static void write_status(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct misc_ports *misc = device;

	(void)port;
	(void)size;
	misc->exit(misc->opaque, value);
}

/* Bit 2 resets, bit 1 says how thoroughly: all the same here. */
static void write_reset(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct misc_ports *misc = device;

	(void)port;
	(void)size;
	if (value & RESET_CPU)
		misc->reset(misc->opaque, "port 0xcf9");
}

static uint32_t read_system(void *device, uint16_t port, unsigned int size)
{
	(void)device;
	(void)port;
	(void)size;
	return PORT_A_A20;
}

static void write_system(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct misc_ports *misc = device;

	(void)port;
	(void)size;
	if (value & PORT_A_RESET)
		misc->reset(misc->opaque, "port 0x92");
}

const struct port_ops delay_port = { 1, read_zero, write_nothing };
const struct port_ops status_port = { 1, read_zero, write_status };
const struct port_ops reset_port = { 1, read_zero, write_reset };
const struct port_ops system_port = { 1, read_system, write_system };
