// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: choosing a loader, and what loaders share
 *
 * The table of formats in the order in which they are tried, placing pieces
 * in memory, and the structures of the entry modes (GDT, identity tables).
 */
#include "loader.h"

#include <inttypes.h>
#include <string.h>

#include "bytes.h"

/*
 * Order matters where an image is of two kinds: a bzImage is also an EFI
 * program, an ELF kernel may carry a PVH note and a Multiboot header.
 */
static const struct loader *const loaders[] = {
	&loader_bzimage,
	&loader_pvh,
	&loader_multiboot,
	&loader_elf,
	&loader_flat,
};

#define NR_LOADERS (sizeof(loaders) / sizeof(loaders[0]))

/* What cannot be booted but is often tried. */
static const struct {
	const char *magic;
	unsigned int size;
	const char *what;
} packed[] = {
	{ "\x1f\x8b", 2, "gzip-compressed; unpack it first (gunzip)" },
	{ "\xfd\x37zXZ", 5, "xz-compressed; unpack it first (unxz)" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd-compressed; unpack it first (unzstd)" },
	{ "BZh", 3, "bzip2-compressed; unpack it first (bunzip2)" },
};

/**
 * loader_by_name() - the loader that --format names
 * @name: any string
 *
 * Return: the loader, or NULL.
 */
const struct loader *loader_by_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < NR_LOADERS; i++)
		if (!strcmp(loaders[i]->name, name))
			return loaders[i];
	return NULL;
}

/**
 * loader_names() - the names that --format takes
 *
 * Return: a string constant.
 */
const char *loader_names(void)
{
	return "bzimage, pvh, multiboot, elf, flat";
}

/**
 * loader_for() - find out an image's format
 * @image: the image
 * @complaint: says what it is not
 *
 * Return: the loader, or NULL with a complaint.
 */
const struct loader *loader_for(const struct image *image, struct complaint *complaint)
{
	unsigned int i;

	for (i = 0; i < NR_LOADERS; i++)
		if (loaders[i]->probe(image))
			return loaders[i];
	for (i = 0; i < sizeof(packed) / sizeof(packed[0]); i++)
		if (image_has(image, 0, packed[i].size) &&
		    !memcmp(image->data, packed[i].magic, packed[i].size)) {
			complain(complaint, "%s: %s", image->name, packed[i].what);
			return NULL;
		}
	complain(complaint, "%s: not a bzImage, PVH, Multiboot or ELF image, or cut short (raw binary: --flat)",
		 image->name);
	return NULL;
}

/**
 * loader_place() - put bytes at a given place
 * @load: the loading
 * @gpa: any value
 * @data: @size bytes, or NULL for zeroes
 * @size: bytes, any value
 * @what: for messages, a string constant
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int loader_place(struct load *load, uint64_t gpa, const void *data, uint64_t size,
		 const char *what)
{
	struct complaint why;
	void *at;

	if (!size)
		return 0;
	if (memory_claim(load->memory, gpa, size, what, &why))
		return complain(&load->complaint, "%s: %s", load->kernel->name, why.text);
	at = memory_at(load->memory, gpa, size);
	/* Fresh memory is zero, and a claim is never taken twice. */
	if (data)
		memcpy(at, data, size);
	return 0;
}

/**
 * loader_place_low() - put a boot structure into conventional memory
 * @load: the loading
 * @data: @size bytes, or NULL for zeroes
 * @size: bytes, not 0
 * @what: for messages, a string constant
 * @gpa: set to its place, page aligned
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int loader_place_low(struct load *load, const void *data, uint64_t size, const char *what,
		     uint64_t *gpa)
{
	struct complaint why;

	if (memory_find(load->memory, size, 4096, LOADER_LOW_LIMIT, what, gpa, &why))
		return complain(&load->complaint, "%s: %s", load->kernel->name, why.text);
	if (data)
		memcpy(memory_at(load->memory, *gpa, size), data, size);
	return 0;
}

/**
 * loader_place_module() - put an initrd or boot module as high as possible
 * @load: the loading
 * @index: of the module
 * @limit: gpa that it must end at or below
 * @gpa: set to its place, page aligned
 *
 * Return: 0, or -1 with the loading's complaint, which names the module's file.
 */
int loader_place_module(struct load *load, unsigned int index, uint64_t limit,
			uint64_t *gpa)
{
	const struct image *module = &load->module[index];
	struct complaint why;

	if (limit > memory_low_end(load->memory))
		limit = memory_low_end(load->memory);
	if (memory_find(load->memory, module->size, 4096, limit, "initrd", gpa, &why))
		return complain(&load->complaint, "%s: %s", module->name, why.text);
	memcpy(memory_at(load->memory, *gpa, module->size), module->data, module->size);
	return 0;
}

/*
 * Descriptors (Intel SDM volume 3, 3.4.5): base 0, limit 4 GiB, present.
 *
 *	63       56 55 54 53 52 51    48 47 46-45 44 43-40 39    16 15     0
 *	| base 31-24|G |DB|L |AV|limit  | P| DPL |S | type|base    | limit  |
 */
#define GDT_CODE32	0x00cf9b000000ffffull
#define GDT_CODE64	0x00af9b000000ffffull
#define GDT_DATA	0x00cf93000000ffffull
#define GDT_TSS_BUSY	0x00008b0000000067ull

static int place_gdt(struct load *load, uint64_t code)
{
	uint8_t gdt[LOADER_GDT_SIZE] = { 0 };

	put64(gdt + LOADER_CS, code);
	put64(gdt + LOADER_DS, GDT_DATA);
	put64(gdt + LOADER_TR, GDT_TSS_BUSY);
	return loader_place_low(load, gdt, sizeof(gdt), "boot GDT", &load->entry.gdt);
}

/**
 * loader_enter_protected() - start in flat 32-bit protected mode
 * @load: the loading
 * @rip: gpa of the first instruction
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int loader_enter_protected(struct load *load, uint64_t rip)
{
	load->entry.mode = ENTRY_PROTECTED;
	load->entry.rip = rip;
	return place_gdt(load, GDT_CODE32);
}

#define IDENTITY_GIBS	4
#define PTE_TABLE	0x3ull		/* present, writable */
#define PTE_2M		0x83ull		/* present, writable, page size */

/* One PML4, one PDPT, a page directory of 2 MiB pages for each GiB. */
static void fill_identity(uint8_t *tables, uint64_t gpa)
{
	unsigned int i;

	put64(tables, (gpa + 4096) | PTE_TABLE);
	for (i = 0; i < IDENTITY_GIBS; i++)
		put64(tables + 4096 + 8 * i, (gpa + 4096 * (2 + i)) | PTE_TABLE);
	for (i = 0; i < IDENTITY_GIBS * 512; i++)
		put64(tables + 2 * 4096 + 8 * i, ((uint64_t)i << 21) | PTE_2M);
}

/**
 * loader_enter_long() - start in 64-bit mode on identity tables
 * @load: the loading
 * @rip: gpa of the first instruction
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int loader_enter_long(struct load *load, uint64_t rip)
{
	const uint64_t size = (2 + IDENTITY_GIBS) * 4096;
	struct entry *entry = &load->entry;

	entry->mode = ENTRY_LONG;
	entry->rip = rip;
	if (place_gdt(load, GDT_CODE64))
		return -1;
	if (loader_place_low(load, NULL, size, "boot page tables", &entry->cr3))
		return -1;
	fill_identity(memory_at(load->memory, entry->cr3, size), entry->cr3);
	return 0;
}
