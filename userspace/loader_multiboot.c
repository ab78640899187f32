// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: Multiboot 1
 *
 * A header in the first 8 KiB says how to load the image: as ELF, or by the
 * addresses in the header itself (the "a.out kludge", which 64-bit kernels use
 * because Multiboot knows no 64-bit ELF).  Entry is 32-bit, EAX holds a magic
 * number, EBX points to the information structure (Multiboot Specification
 * 0.6.96, 3.1-3.3).
 */
#include "elf_image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

#define SEARCH_SIZE		8192
#define HEADER_MAGIC		0x1badb002
#define BOOT_MAGIC		0x2badb002

/* Header. */
#define MH_FLAGS		4
#define MH_CHECKSUM		8
#define MH_HEADER_ADDR		12
#define MH_LOAD_ADDR		16
#define MH_LOAD_END_ADDR	20
#define MH_BSS_END_ADDR		24
#define MH_ENTRY_ADDR		28
#define MH_SIZE			12
#define MH_SIZE_ADDRESSES	32

#define MH_REQUIREMENTS		0x0000ffff
#define MH_KNOWN		0x00000007	/* page align, memory, video */
#define MH_ADDRESSES		0x00010000

/* Information structure. */
#define MI_FLAGS		0
#define MI_MEM_LOWER		4
#define MI_MEM_UPPER		8
#define MI_CMDLINE		16
#define MI_MODS_COUNT		20
#define MI_MODS_ADDR		24
#define MI_MMAP_LENGTH		44
#define MI_MMAP_ADDR		48
#define MI_LOADER_NAME		64
#define MI_SIZE			120

#define MI_HAS_MEMORY		0x001
#define MI_HAS_CMDLINE		0x004
#define MI_HAS_MODS		0x008
#define MI_HAS_MMAP		0x040
#define MI_HAS_LOADER_NAME	0x200

#define MODULE_SIZE		16
#define MMAP_ENTRY_SIZE		24
#define MAX_MODULES		16
#define MAX_STRING		2048

static bool find_header(const struct image *image, uint64_t *offset)
{
	for (*offset = 0; *offset <= SEARCH_SIZE - MH_SIZE; *offset += 4) {
		const uint8_t *header = image->data + *offset;

		if (!image_has(image, *offset, MH_SIZE))
			return false;
		if (get32(header) == HEADER_MAGIC &&
		    get32(header) + get32(header + MH_FLAGS) + get32(header + MH_CHECKSUM) == 0)
			return true;
	}
	return false;
}

static bool probe(const struct image *image)
{
	uint64_t offset;

	return find_header(image, &offset);
}

/* The part of the file that the header's addresses describe. */
struct kludge {
	uint64_t offset;
	uint64_t gpa;
	uint64_t file_size;
	uint64_t size;
	uint64_t entry;
};

static int decode_kludge(struct load *load, uint64_t header_offset, struct kludge *kludge)
{
	const struct image *image = load->kernel;
	const uint8_t *header = image->data + header_offset;
	uint64_t header_gpa, load_end, bss_end;

	if (!image_has(image, header_offset, MH_SIZE_ADDRESSES))
		return complain(&load->complaint, "%s: truncated Multiboot header", image->name);
	header_gpa = get32(header + MH_HEADER_ADDR);
	kludge->gpa = get32(header + MH_LOAD_ADDR);
	kludge->entry = get32(header + MH_ENTRY_ADDR);
	load_end = get32(header + MH_LOAD_END_ADDR);
	bss_end = get32(header + MH_BSS_END_ADDR);
	if (kludge->gpa > header_gpa || header_gpa - kludge->gpa > header_offset)
		return complain(&load->complaint, "%s: corrupt Multiboot header (load_addr %#" PRIx64 ")",
				image->name, kludge->gpa);
	kludge->offset = header_offset - (header_gpa - kludge->gpa);
	/* 0 means: to the end of the file, and no bss. */
	kludge->file_size = load_end ? load_end - kludge->gpa : image->size - kludge->offset;
	if ((load_end && load_end <= kludge->gpa) ||
	    !image_has(image, kludge->offset, kludge->file_size))
		return complain(&load->complaint, "%s: truncated or corrupt: the Multiboot header says %"
				PRIu64 " bytes to load", image->name, kludge->file_size);
	kludge->size = kludge->file_size;
	if (bss_end && bss_end < kludge->gpa + kludge->file_size)
		return complain(&load->complaint, "%s: corrupt Multiboot header (bss_end_addr %#" PRIx64 ")",
				image->name, bss_end);
	if (bss_end)
		kludge->size = bss_end - kludge->gpa;
	if (kludge->entry < kludge->gpa || kludge->entry - kludge->gpa >= kludge->size)
		return complain(&load->complaint, "%s: corrupt Multiboot header (entry_addr %#" PRIx64 ")",
				image->name, kludge->entry);
	return 0;
}

static int place_by_header(struct load *load, uint64_t header_offset, uint64_t *entry)
{
	struct kludge kludge = { 0 };

	if (decode_kludge(load, header_offset, &kludge))
		return -1;
	if (loader_place(load, kludge.gpa, NULL, kludge.size, "kernel"))
		return -1;
	memcpy(memory_at(load->memory, kludge.gpa, kludge.size),
	       load->kernel->data + kludge.offset, kludge.file_size);
	*entry = kludge.entry;
	return 0;
}

static int place_by_elf(struct load *load, uint64_t *entry)
{
	const struct image *image = load->kernel;
	struct elf_image elf;

	if (!elf_probe(image))
		return complain(&load->complaint,
				"%s: the Multiboot header has no addresses, and it is no ELF file",
				image->name);
	if (elf_decode(image, &elf, &load->complaint))
		return -1;
	if (!elf_entry_gpa(&elf, entry))
		return complain(&load->complaint, "%s: corrupt: the entry point %#" PRIx64
				" is in no segment", image->name, elf.entry);
	return elf_place(load, &elf);
}

static int place_string(struct load *load, const char *first, const char *second,
			const char *what, uint64_t *gpa)
{
	char text[MAX_STRING];
	int length;

	length = snprintf(text, sizeof(text), "%s%s%s", first, second ? " " : "",
			  second ? second : "");
	if (length >= (int)sizeof(text))
		return complain(&load->complaint, "-a: the %s has %d characters, %d is the limit",
				what, length, MAX_STRING - 1);
	return loader_place_low(load, text, length + 1, what, gpa);
}

static int place_modules(struct load *load, uint8_t *info)
{
	uint8_t list[MAX_MODULES * MODULE_SIZE] = { 0 };
	uint64_t gpa, string;
	unsigned int i;

	if (load->nr_modules > MAX_MODULES)
		return complain(&load->complaint, "%s: more than %u modules (-i)",
				load->module[MAX_MODULES].name, MAX_MODULES);
	for (i = 0; i < load->nr_modules; i++) {
		uint8_t *module = list + i * MODULE_SIZE;

		if (loader_place_module(load, i, MEMORY_HOLE, &gpa) ||
		    place_string(load, load->module[i].name, NULL, "module string", &string))
			return -1;
		put32(module, gpa);
		put32(module + 4, gpa + load->module[i].size);
		put32(module + 8, string);
	}
	if (load->nr_modules &&
	    loader_place_low(load, list, load->nr_modules * MODULE_SIZE, "module list", &gpa))
		return -1;
	put32(info + MI_MODS_COUNT, load->nr_modules);
	put32(info + MI_MODS_ADDR, load->nr_modules ? gpa : 0);
	return 0;
}

static int place_mmap(struct load *load, uint8_t *info)
{
	const struct memory *memory = load->memory;
	uint8_t map[MEMORY_MAX_RANGES * MMAP_ENTRY_SIZE];
	uint64_t gpa;
	unsigned int i;

	for (i = 0; i < memory->nr_ranges; i++) {
		uint8_t *entry = map + i * MMAP_ENTRY_SIZE;

		/* The size field does not count itself. */
		put32(entry, MMAP_ENTRY_SIZE - 4);
		put64(entry + 4, memory->range[i].gpa);
		put64(entry + 12, memory->range[i].size);
		put32(entry + 20, memory->range[i].type);
	}
	if (loader_place_low(load, map, memory->nr_ranges * MMAP_ENTRY_SIZE, "memory map", &gpa))
		return -1;
	put32(info + MI_MMAP_LENGTH, memory->nr_ranges * MMAP_ENTRY_SIZE);
	put32(info + MI_MMAP_ADDR, gpa);
	return 0;
}

static int place_strings(struct load *load, uint8_t *info)
{
	uint64_t cmdline, loader_name;

	/* By custom the command line starts with the kernel's own name. */
	if (place_string(load, load->kernel->name, load->cmdline, "command line", &cmdline) ||
	    place_string(load, "umbra", NULL, "loader name", &loader_name))
		return -1;
	put32(info + MI_CMDLINE, cmdline);
	put32(info + MI_LOADER_NAME, loader_name);
	return 0;
}

static int place_info(struct load *load)
{
	uint8_t info[MI_SIZE] = { 0 };

	put32(info + MI_FLAGS, MI_HAS_MEMORY | MI_HAS_CMDLINE | MI_HAS_MODS | MI_HAS_MMAP |
	      MI_HAS_LOADER_NAME);
	put32(info + MI_MEM_LOWER, MEMORY_EBDA >> 10);
	put32(info + MI_MEM_UPPER, (memory_low_end(load->memory) - MEMORY_HIGH) >> 10);
	if (place_modules(load, info) || place_mmap(load, info) || place_strings(load, info))
		return -1;
	return loader_place_low(load, info, sizeof(info), "Multiboot information",
				&load->entry.rbx);
}

static int load_multiboot(struct load *load)
{
	uint64_t header_offset, entry;
	uint32_t flags;

	if (!find_header(load->kernel, &header_offset))
		return complain(&load->complaint, "%s: no Multiboot header in its first 8 KiB",
				load->kernel->name);
	flags = get32(load->kernel->data + header_offset + MH_FLAGS);
	if (flags & MH_REQUIREMENTS & ~MH_KNOWN)
		return complain(&load->complaint, "%s: the Multiboot header demands something unknown (flags %#x)",
				load->kernel->name, flags);
	if (flags & MH_ADDRESSES ? place_by_header(load, header_offset, &entry) :
				   place_by_elf(load, &entry))
		return -1;
	if (place_info(load))
		return -1;
	load->entry.rax = BOOT_MAGIC;
	return loader_enter_protected(load, entry);
}

const struct loader loader_multiboot = {
	.name = "multiboot",
	.what = "Multiboot 1 kernel",
	.probe = probe,
	.load = load_multiboot,
};
