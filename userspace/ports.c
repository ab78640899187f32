// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: dispatch of port accesses
 */
#include "ports.h"

#include <assert.h>
#include <stddef.h>

/**
 * ports_add() - let a device answer at a range
 * @ports: the table
 * @first: first port
 * @count: number of ports
 * @ops: the device's functions
 * @device: handed to them
 *
 * Context: before the first vCPU runs.
 */
void ports_add(struct ports *ports, uint16_t first, uint16_t count,
	       const struct port_ops *ops, void *device)
{
	assert(ports->nr_ranges < PORTS_MAX_RANGES);
	ports->range[ports->nr_ranges++] = (struct port_range){
		.first = first, .count = count, .ops = ops, .device = device,
	};
}

static const struct port_range *find(const struct ports *ports, uint16_t port)
{
	unsigned int i;

	for (i = 0; i < ports->nr_ranges; i++)
		if ((uint16_t)(port - ports->range[i].first) < ports->range[i].count)
			return &ports->range[i];
	return NULL;
}

static uint32_t all_ones(unsigned int size)
{
	return size == 4 ? 0xffffffffu : (1u << (8 * size)) - 1;
}

/* Two halves, each to whoever answers there. */
static uint32_t read_split(const struct ports *ports, uint16_t port, unsigned int size)
{
	unsigned int half = size / 2;

	return ports_read(ports, port, half) |
	       ports_read(ports, port + half, half) << (8 * half);
}

/**
 * ports_read() - IN
 * @ports: the table
 * @port: port number
 * @size: 1, 2 or 4 bytes
 *
 * Return: the value in the low @size bytes.
 */
uint32_t ports_read(const struct ports *ports, uint16_t port, unsigned int size)
{
	const struct port_range *range = find(ports, port);

	if (!range)
		return all_ones(size);
	if (size > range->ops->width)
		return read_split(ports, port, size);
	return range->ops->read(range->device, port, size) & all_ones(size);
}

/**
 * ports_write() - OUT
 * @ports: the table
 * @port: port number
 * @size: 1, 2 or 4 bytes
 * @value: in the low @size bytes
 */
void ports_write(const struct ports *ports, uint16_t port, unsigned int size,
		 uint32_t value)
{
	const struct port_range *range = find(ports, port);
	unsigned int half = size / 2;

	if (!range)
		return;
	if (size > range->ops->width) {
		ports_write(ports, port, half, value & all_ones(half));
		ports_write(ports, port + half, half, value >> (8 * half));
		return;
	}
	range->ops->write(range->device, port, size, value & all_ones(size));
}
