/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: I/O port space
 *
 * A table of ranges, each with a device's two functions.  Where nobody answers,
 * the bus floats: reads give all ones, writes are lost.
 */
#ifndef UMBRA_TOOL_PORTS_H
#define UMBRA_TOOL_PORTS_H

#include <stdint.h>

#define PORTS_MAX_RANGES 24

/**
 * struct port_ops - a device as the bus sees it
 * @width: largest access in bytes; wider ones are split, as an ISA bus does
 * @read: @size is 1 ... @width
 * @write: likewise
 *
 * Context: any vCPU thread, several at once; the device locks itself.
 */
struct port_ops {
	unsigned int width;
	uint32_t (*read)(void *device, uint16_t port, unsigned int size);
	void (*write)(void *device, uint16_t port, unsigned int size, uint32_t value);
};

struct port_range {
	uint16_t first;
	uint16_t count;
	const struct port_ops *ops;
	void *device;
};

/**
 * struct ports - who answers where; fixed before the first vCPU runs
 * @range: earlier rows win
 * @nr_ranges: of them
 */
struct ports {
	struct port_range range[PORTS_MAX_RANGES];
	unsigned int nr_ranges;
};

void ports_add(struct ports *ports, uint16_t first, uint16_t count,
	       const struct port_ops *ops, void *device);
uint32_t ports_read(const struct ports *ports, uint16_t port, unsigned int size);
void ports_write(const struct ports *ports, uint16_t port, unsigned int size,
		 uint32_t value);

#endif
