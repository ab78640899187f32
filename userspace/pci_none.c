// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the absence of PCI
 *
 * Nothing answers at the configuration ports, so that a probe which writes the
 * address port and reads it back sees that there is no bus.
 */
#include "pci_none.h"

static uint32_t read_ones(void *device, uint16_t port, unsigned int size)
{
	(void)device;
	(void)port;
	(void)size;
	return 0xffffffff;
}

static void write_nothing(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	(void)device;
	(void)port;
	(void)size;
	(void)value;
}

const struct port_ops pci_none_ports = {
	.width = 4,
	.read = read_ones,
	.write = write_nothing,
};
