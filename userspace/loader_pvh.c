// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: PVH: an ELF kernel with a 32-bit entry in a note
 *
 * The x86/HVM direct boot ABI: the note XEN_ELFNOTE_PHYS32_ENTRY names the
 * entry; EBX points to struct hvm_start_info, with a memory map and modules.
 * Linux, Xen-aware BSDs and several unikernels carry it.
 */
#include "elf_image.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "bytes.h"

#define NOTE_PHYS32_ENTRY	18
#define NOTE_OWNER		"Xen"

/* struct hvm_start_info, version 1. */
#define SI_MAGIC		0x336ec578
#define SI_VERSION		4
#define SI_NR_MODULES		12
#define SI_MODLIST		16
#define SI_CMDLINE		24
#define SI_RSDP			32
#define SI_MEMMAP		40
#define SI_MEMMAP_ENTRIES	48
#define SI_SIZE			56

#define MODLIST_ENTRY_SIZE	32
#define MEMMAP_ENTRY_SIZE	24
#define MAX_MODULES		16

static uint64_t align4(uint64_t value)
{
	return (value + 3) & ~3ull;
}

/* Find the entry in one note segment; its bytes are inside the file. */
static bool find_in_notes(const struct image *image, const struct elf_segment *notes,
			  uint32_t *entry)
{
	uint64_t at = 0;

	/* Each round advances by at least a note header. */
	while (notes->file_size - at >= sizeof(Elf32_Nhdr)) {
		const uint8_t *note = image->data + notes->offset + at;
		uint64_t name_size = get32(note), desc_size = get32(note + 4);
		uint64_t desc = sizeof(Elf32_Nhdr) + align4(name_size);
		uint64_t size = desc + align4(desc_size);

		if (desc + desc_size > notes->file_size - at)
			return false;
		if (get32(note + 8) == NOTE_PHYS32_ENTRY &&
		    name_size == sizeof(NOTE_OWNER) && desc_size >= 4 &&
		    !memcmp(note + sizeof(Elf32_Nhdr), NOTE_OWNER, sizeof(NOTE_OWNER))) {
			*entry = get32(note + desc);
			return true;
		}
		if (size > notes->file_size - at)
			return false;
		at += size;
	}
	return false;
}

static bool find_entry(const struct image *image, const struct elf_image *elf,
		       uint32_t *entry)
{
	unsigned int i;

	for (i = 0; i < elf->nr_segments; i++)
		if (elf->segment[i].type == PT_NOTE &&
		    find_in_notes(image, &elf->segment[i], entry))
			return true;
	return false;
}

static bool probe(const struct image *image)
{
	struct complaint ignored;
	struct elf_image elf;
	uint32_t entry;

	return elf_probe(image) && !elf_decode(image, &elf, &ignored) &&
	       find_entry(image, &elf, &entry);
}

static int place_cmdline(struct load *load, uint8_t *info)
{
	const char *cmdline = load->cmdline ? load->cmdline : LOADER_DEFAULT_CMDLINE;
	uint64_t gpa;

	if (loader_place_low(load, cmdline, strlen(cmdline) + 1, "command line", &gpa))
		return -1;
	put64(info + SI_CMDLINE, gpa);
	return 0;
}

static int place_modules(struct load *load, uint8_t *info)
{
	uint8_t list[MAX_MODULES * MODLIST_ENTRY_SIZE] = { 0 };
	uint64_t gpa;
	unsigned int i;

	if (!load->nr_modules)
		return 0;
	if (load->nr_modules > MAX_MODULES)
		return complain(&load->complaint, "%s: more than %u modules (-i)",
				load->module[MAX_MODULES].name, MAX_MODULES);
	for (i = 0; i < load->nr_modules; i++) {
		if (loader_place_module(load, i, MEMORY_HOLE, &gpa))
			return -1;
		put64(list + i * MODLIST_ENTRY_SIZE, gpa);
		put64(list + i * MODLIST_ENTRY_SIZE + 8, load->module[i].size);
	}
	if (loader_place_low(load, list, load->nr_modules * MODLIST_ENTRY_SIZE,
			     "module list", &gpa))
		return -1;
	put64(info + SI_MODLIST, gpa);
	put32(info + SI_NR_MODULES, load->nr_modules);
	return 0;
}

static int place_memory_map(struct load *load, uint8_t *info)
{
	const struct memory *memory = load->memory;
	uint8_t map[MEMORY_MAX_RANGES * MEMMAP_ENTRY_SIZE] = { 0 };
	uint64_t gpa;
	unsigned int i;

	for (i = 0; i < memory->nr_ranges; i++) {
		uint8_t *entry = map + i * MEMMAP_ENTRY_SIZE;

		put64(entry, memory->range[i].gpa);
		put64(entry + 8, memory->range[i].size);
		put32(entry + 16, memory->range[i].type);
	}
	if (loader_place_low(load, map, memory->nr_ranges * MEMMAP_ENTRY_SIZE,
			     "memory map", &gpa))
		return -1;
	put64(info + SI_MEMMAP, gpa);
	put32(info + SI_MEMMAP_ENTRIES, memory->nr_ranges);
	return 0;
}

static int load_pvh(struct load *load)
{
	uint8_t info[SI_SIZE] = { 0 };
	struct elf_image elf;
	uint32_t entry;

	if (elf_decode(load->kernel, &elf, &load->complaint))
		return -1;
	if (!find_entry(load->kernel, &elf, &entry))
		return complain(&load->complaint, "%s: no PVH entry note", load->kernel->name);
	if (!elf_covers_gpa(&elf, entry))
		return complain(&load->complaint, "%s: corrupt: the PVH entry %#x is in no segment",
				load->kernel->name, entry);
	put32(info, SI_MAGIC);
	put32(info + SI_VERSION, 1);
	put64(info + SI_RSDP, load->rsdp);
	if (elf_place(load, &elf) || place_cmdline(load, info) ||
	    place_modules(load, info) || place_memory_map(load, info) ||
	    loader_place_low(load, info, sizeof(info), "hvm_start_info", &load->entry.rbx))
		return -1;
	return loader_enter_protected(load, entry);
}

const struct loader loader_pvh = {
	.name = "pvh",
	.what = "ELF kernel with a PVH entry",
	.probe = probe,
	.load = load_pvh,
};
