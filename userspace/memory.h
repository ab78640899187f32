/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: guest memory
 *
 * Up to two blocks of host memory that back the guest's, with the hole that
 * a PC has below 4 GiB, the map that firmware would report, and a list of
 * what the loaders have put where::
 *
 *	0        0x9fc00  0xa0000  0xe0000  1 MiB      3 GiB      4 GiB
 *	|  RAM   | BIOS   | not    | ACPI   |   RAM    |  devices |  RAM ...
 *	|        | data   | in map | tables |          |          |
 *
 * The first block has no hole at 0xa0000: that memory exists, and a guest
 * may write to the place of a VGA text screen at no cost, but the map does
 * not offer it.
 */
#ifndef UMBRA_TOOL_MEMORY_H
#define UMBRA_TOOL_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "complaint.h"

#define MEMORY_EBDA		0x9fc00ull
#define MEMORY_LOW_END		0xa0000ull
#define MEMORY_FIRMWARE		0xe0000ull
#define MEMORY_HIGH		0x100000ull
#define MEMORY_HOLE		0xc0000000ull
#define MEMORY_ABOVE_HOLE	0x100000000ull

#define MEMORY_MIN_SIZE		(1ull << 20)
#define MEMORY_MAX_SIZE		(1ull << 40)

/* Types of the BIOS memory map (ACPI specification, 15.1 "INT 15H, E820H"). */
enum memory_type {
	MEMORY_RAM = 1,
	MEMORY_RESERVED = 2,
};

struct memory_range {
	uint64_t gpa;
	uint64_t size;
	enum memory_type type;
};

struct memory_block {
	uint64_t gpa;
	uint64_t size;
	uint8_t *host;
};

struct memory_claim {
	uint64_t gpa;
	uint64_t size;
	const char *what;
};

#define MEMORY_MAX_BLOCKS	2
#define MEMORY_MAX_RANGES	8
#define MEMORY_MAX_CLAIMS	160

/**
 * struct memory - a guest's memory
 * @size: bytes that the user asked for
 * @block: what is registered with the device
 * @nr_blocks: how many
 * @range: what the guest is told, ascending
 * @nr_ranges: how many
 * @claim: what lies where, so that two things never overlap
 * @nr_claims: how many
 */
struct memory {
	uint64_t size;
	struct memory_block block[MEMORY_MAX_BLOCKS];
	unsigned int nr_blocks;
	struct memory_range range[MEMORY_MAX_RANGES];
	unsigned int nr_ranges;
	struct memory_claim claim[MEMORY_MAX_CLAIMS];
	unsigned int nr_claims;
};

int memory_create(struct memory *memory, uint64_t size, struct complaint *complaint);
void memory_destroy(struct memory *memory);
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size);
uint64_t memory_low_end(const struct memory *memory);
int memory_claim(struct memory *memory, uint64_t gpa, uint64_t size, const char *what,
		 struct complaint *complaint);
int memory_claim_firmware(struct memory *memory, uint64_t gpa, uint64_t size,
			  const char *what, struct complaint *complaint);
int memory_find(struct memory *memory, uint64_t size, uint64_t align, uint64_t limit,
		const char *what, uint64_t *gpa, struct complaint *complaint);

#endif
