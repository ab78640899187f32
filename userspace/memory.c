// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest memory: blocks, map and claims
 *
 * Memory is private, anonymous and not reserved: a guest costs what it
 * touches.  Whoever puts something there claims the place first; a claim
 * fails where the guest's map offers no RAM or something else lies already.
 */
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

static int add_block(struct memory *memory, uint64_t gpa, uint64_t size,
		     struct complaint *complaint)
{
	struct memory_block *block = &memory->block[memory->nr_blocks];
	void *host = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (host == MAP_FAILED)
		return complain(complaint, "-m: the host gives no %" PRIu64 " MiB: %s",
				size >> 20, strerror(errno));
	*block = (struct memory_block){ .gpa = gpa, .size = size, .host = host };
	memory->nr_blocks++;
	return 0;
}

static void add_range(struct memory *memory, uint64_t gpa, uint64_t end,
		      enum memory_type type)
{
	if (gpa >= end)
		return;
	memory->range[memory->nr_ranges++] = (struct memory_range){
		.gpa = gpa, .size = end - gpa, .type = type,
	};
}

static void draw_map(struct memory *memory, uint64_t low_size, uint64_t high_size)
{
	add_range(memory, 0, MEMORY_EBDA, MEMORY_RAM);
	add_range(memory, MEMORY_EBDA, MEMORY_LOW_END, MEMORY_RESERVED);
	add_range(memory, MEMORY_FIRMWARE, MEMORY_HIGH, MEMORY_RESERVED);
	add_range(memory, MEMORY_HIGH, low_size, MEMORY_RAM);
	add_range(memory, MEMORY_ABOVE_HOLE, MEMORY_ABOVE_HOLE + high_size, MEMORY_RAM);
}

/**
 * memory_create() - get memory for a guest
 * @memory: filled in; memory_destroy() it after success
 * @size: bytes, a multiple of 4 KiB between 1 MiB and 1 TiB
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint and nothing to destroy.
 */
int memory_create(struct memory *memory, uint64_t size, struct complaint *complaint)
{
	uint64_t low_size = size < MEMORY_HOLE ? size : MEMORY_HOLE;
	uint64_t high_size = size - low_size;

	memset(memory, 0, sizeof(*memory));
	if (size < MEMORY_MIN_SIZE || size > MEMORY_MAX_SIZE)
		return complain(complaint, "-m: memory must be between 1M and 1024G");
	if (size % 4096)
		return complain(complaint, "-m: memory must be a multiple of 4K");
	memory->size = size;
	if (add_block(memory, 0, low_size, complaint) ||
	    (high_size && add_block(memory, MEMORY_ABOVE_HOLE, high_size, complaint))) {
		memory_destroy(memory);
		return -1;
	}
	draw_map(memory, low_size, high_size);
	return 0;
}

/**
 * memory_destroy() - give the memory back
 * @memory: created or zeroed
 */
void memory_destroy(struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->nr_blocks; i++)
		munmap(memory->block[i].host, memory->block[i].size);
	memory->nr_blocks = 0;
}

/**
 * memory_at() - host address of guest memory
 * @memory: the guest's memory
 * @gpa: any value
 * @size: bytes, any value
 *
 * Return: the host address, or NULL unless all of [@gpa, @gpa + @size) lies in
 * one block.
 */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < memory->nr_blocks; i++) {
		const struct memory_block *block = &memory->block[i];
		uint64_t offset = gpa - block->gpa;

		if (gpa >= block->gpa && offset <= block->size && size <= block->size - offset)
			return block->host + offset;
	}
	return NULL;
}

/**
 * memory_low_end() - where memory below 4 GiB ends
 * @memory: the guest's memory
 *
 * Return: gpa of the first byte after it.
 */
uint64_t memory_low_end(const struct memory *memory)
{
	return memory->block[0].size;
}

static const struct memory_claim *find_overlap(const struct memory *memory, uint64_t gpa,
					       uint64_t size)
{
	unsigned int i;

	for (i = 0; i < memory->nr_claims; i++) {
		const struct memory_claim *claim = &memory->claim[i];

		if (gpa < claim->gpa + claim->size && claim->gpa < gpa + size)
			return claim;
	}
	return NULL;
}

static int claim_in(struct memory *memory, uint64_t gpa, uint64_t size, const char *what,
		    enum memory_type type, struct complaint *complaint)
{
	const struct memory_claim *other;
	bool inside = false;
	unsigned int i;

	for (i = 0; i < memory->nr_ranges; i++) {
		const struct memory_range *range = &memory->range[i];

		if (range->type == type && gpa >= range->gpa && size <= range->size &&
		    gpa - range->gpa <= range->size - size)
			inside = true;
	}
	if (!inside)
		return complain(complaint, "%s at %#" PRIx64 ", %" PRIu64
				" bytes: outside the guest's %" PRIu64 " KiB of memory (-m)",
				what, gpa, size, memory->size >> 10);
	other = find_overlap(memory, gpa, size);
	if (other)
		return complain(complaint, "%s at %#" PRIx64 ", %" PRIu64
				" bytes: overlaps %s at %#" PRIx64,
				what, gpa, size, other->what, other->gpa);
	if (memory->nr_claims == MEMORY_MAX_CLAIMS)
		return complain(complaint, "%s at %#" PRIx64 ": too many pieces to load",
				what, gpa);
	memory->claim[memory->nr_claims++] = (struct memory_claim){
		.gpa = gpa, .size = size, .what = what,
	};
	return 0;
}

/**
 * memory_claim() - take a place in RAM
 * @memory: the guest's memory
 * @gpa: any value
 * @size: bytes, any value; 0 claims nothing
 * @what: for messages; must live as long as the memory
 * @complaint: says what is in the way
 *
 * Return: 0, or -1 with a complaint.
 */
int memory_claim(struct memory *memory, uint64_t gpa, uint64_t size, const char *what,
		 struct complaint *complaint)
{
	if (!size)
		return 0;
	return claim_in(memory, gpa, size, what, MEMORY_RAM, complaint);
}

/**
 * memory_claim_firmware() - take a place in the reserved part below 1 MiB
 * @memory: the guest's memory
 * @gpa: any value
 * @size: bytes
 * @what: for messages; must live as long as the memory
 * @complaint: says what is in the way
 *
 * Return: 0, or -1 with a complaint.
 */
int memory_claim_firmware(struct memory *memory, uint64_t gpa, uint64_t size,
			  const char *what, struct complaint *complaint)
{
	return claim_in(memory, gpa, size, what, MEMORY_RESERVED, complaint);
}

/* Highest free place for size bytes in one range below limit. */
static bool find_in_range(const struct memory *memory, const struct memory_range *range,
			  uint64_t size, uint64_t align, uint64_t limit, uint64_t *gpa)
{
	uint64_t end = range->gpa + range->size;
	const struct memory_claim *other;
	uint64_t at;

	if (end > limit)
		end = limit;
	/* Each round steps below one more claim, so there are few. */
	for (;;) {
		if (end < size)
			return false;
		at = (end - size) & ~(align - 1);
		if (at < range->gpa)
			return false;
		other = find_overlap(memory, at, size);
		if (!other)
			break;
		end = other->gpa;
	}
	*gpa = at;
	return true;
}

/**
 * memory_find() - claim the highest free place in RAM
 * @memory: the guest's memory
 * @size: bytes, not 0
 * @align: a power of two
 * @limit: gpa that the place must end at or below
 * @what: for messages; must live as long as the memory
 * @gpa: set to the place
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int memory_find(struct memory *memory, uint64_t size, uint64_t align, uint64_t limit,
		const char *what, uint64_t *gpa, struct complaint *complaint)
{
	unsigned int i;

	for (i = memory->nr_ranges; i--;) {
		const struct memory_range *range = &memory->range[i];

		if (range->type != MEMORY_RAM)
			continue;
		if (find_in_range(memory, range, size, align, limit, gpa))
			return memory_claim(memory, *gpa, size, what, complaint);
	}
	return complain(complaint, "%s, %" PRIu64 " bytes: no room for it below %#" PRIx64
			" in the guest's %" PRIu64 " KiB of memory (-m)",
			what, size, limit, memory->size >> 10);
}
