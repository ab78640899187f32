// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: decoding and placing ELF files
 *
 * Decode, then do: elf_decode() judges the whole file and touches nothing,
 * elf_place() copies.
 */
#include "elf_image.h"

#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "bytes.h"

/* Where the fields lie in a file of either class. */
struct layout {
	unsigned int header_size;
	unsigned int entry, phoff, phentsize, phnum;
	unsigned int ph_size;
	unsigned int p_offset, p_vaddr, p_paddr, p_filesz, p_memsz;
};

#define LAYOUT(class) {							\
	.header_size = sizeof(Elf##class##_Ehdr),			\
	.entry = offsetof(Elf##class##_Ehdr, e_entry),			\
	.phoff = offsetof(Elf##class##_Ehdr, e_phoff),			\
	.phentsize = offsetof(Elf##class##_Ehdr, e_phentsize),		\
	.phnum = offsetof(Elf##class##_Ehdr, e_phnum),			\
	.ph_size = sizeof(Elf##class##_Phdr),				\
	.p_offset = offsetof(Elf##class##_Phdr, p_offset),		\
	.p_vaddr = offsetof(Elf##class##_Phdr, p_vaddr),		\
	.p_paddr = offsetof(Elf##class##_Phdr, p_paddr),		\
	.p_filesz = offsetof(Elf##class##_Phdr, p_filesz),		\
	.p_memsz = offsetof(Elf##class##_Phdr, p_memsz),		\
}

static const struct layout layout32 = LAYOUT(32);
static const struct layout layout64 = LAYOUT(64);

static uint64_t get_word(bool is_64, const void *at)
{
	return is_64 ? get64(at) : get32(at);
}

/**
 * elf_probe() - is it an ELF file at all?
 * @image: the image
 *
 * Return: true when the magic is there.
 */
bool elf_probe(const struct image *image)
{
	return image_has(image, 0, SELFMAG) && !memcmp(image->data, ELFMAG, SELFMAG);
}

static int check_header(const struct image *image, struct complaint *complaint)
{
	const uint8_t *ident = image->data;
	uint16_t machine, type;

	if (!image_has(image, 0, sizeof(Elf32_Ehdr)))
		return complain(complaint, "%s: truncated ELF header", image->name);
	if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		return complain(complaint, "%s: corrupt ELF header (class %u)",
				image->name, ident[EI_CLASS]);
	if (ident[EI_CLASS] == ELFCLASS64 && !image_has(image, 0, sizeof(Elf64_Ehdr)))
		return complain(complaint, "%s: truncated ELF header", image->name);
	if (ident[EI_DATA] != ELFDATA2LSB)
		return complain(complaint, "%s: not a little-endian ELF file", image->name);
	type = get16(ident + offsetof(Elf32_Ehdr, e_type));
	machine = get16(ident + offsetof(Elf32_Ehdr, e_machine));
	if (machine != EM_386 && machine != EM_X86_64)
		return complain(complaint, "%s: an ELF file for machine %u, not for x86",
				image->name, machine);
	if (type != ET_EXEC && type != ET_DYN)
		return complain(complaint, "%s: an ELF file of type %u, not an executable",
				image->name, type);
	return 0;
}

static int decode_segment(const struct image *image, struct elf_image *elf,
			  const struct layout *layout, uint64_t offset,
			  struct complaint *complaint)
{
	struct elf_segment *segment = &elf->segment[elf->nr_segments];
	const uint8_t *ph = image->data + offset;

	segment->type = get32(ph);
	segment->offset = get_word(elf->is_64, ph + layout->p_offset);
	segment->gva = get_word(elf->is_64, ph + layout->p_vaddr);
	segment->gpa = get_word(elf->is_64, ph + layout->p_paddr);
	segment->file_size = get_word(elf->is_64, ph + layout->p_filesz);
	segment->size = get_word(elf->is_64, ph + layout->p_memsz);
	/* Other kinds than these are not read. */
	if (segment->type != PT_LOAD && segment->type != PT_NOTE)
		return 0;
	if (!image_has(image, segment->offset, segment->file_size))
		return complain(complaint, "%s: truncated or corrupt: program header %u reaches beyond the file",
				image->name, elf->nr_segments);
	if (segment->type == PT_LOAD && segment->file_size > segment->size)
		return complain(complaint, "%s: corrupt: program header %u is larger in the file than in memory",
				image->name, elf->nr_segments);
	return 0;
}

/**
 * elf_decode() - decode and check an ELF file
 * @image: the file; elf_probe() holds
 * @elf: filled in
 * @complaint: says what is wrong with it
 *
 * Return: 0, or -1 with a complaint.
 */
int elf_decode(const struct image *image, struct elf_image *elf,
	       struct complaint *complaint)
{
	const struct layout *layout;
	uint64_t phoff;
	unsigned int i, phnum;

	memset(elf, 0, sizeof(*elf));
	if (check_header(image, complaint))
		return -1;
	elf->is_64 = image->data[EI_CLASS] == ELFCLASS64;
	layout = elf->is_64 ? &layout64 : &layout32;
	elf->entry = get_word(elf->is_64, image->data + layout->entry);
	phoff = get_word(elf->is_64, image->data + layout->phoff);
	phnum = get16(image->data + layout->phnum);
	if (phnum == 0 || phnum > ELF_MAX_HEADERS ||
	    get16(image->data + layout->phentsize) != layout->ph_size)
		return complain(complaint, "%s: corrupt ELF header (%u program headers of %u bytes)",
				image->name, phnum, get16(image->data + layout->phentsize));
	if (!image_has(image, phoff, (uint64_t)phnum * layout->ph_size))
		return complain(complaint, "%s: truncated or corrupt: program headers are beyond the file",
				image->name);
	for (i = 0; i < phnum; i++) {
		if (decode_segment(image, elf, layout, phoff + (uint64_t)i * layout->ph_size,
				   complaint))
			return -1;
		elf->nr_segments++;
	}
	return 0;
}

/**
 * elf_place() - put all loadable segments into memory
 * @load: the loading
 * @elf: its kernel, decoded
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int elf_place(struct load *load, const struct elf_image *elf)
{
	unsigned int i, placed = 0;

	for (i = 0; i < elf->nr_segments; i++) {
		const struct elf_segment *segment = &elf->segment[i];

		if (segment->type != PT_LOAD || !segment->size)
			continue;
		if (loader_place(load, segment->gpa, NULL, segment->size, "ELF segment"))
			return -1;
		memcpy(memory_at(load->memory, segment->gpa, segment->size),
		       load->kernel->data + segment->offset, segment->file_size);
		placed++;
	}
	if (!placed)
		return complain(&load->complaint, "%s: the ELF file has nothing to load",
				load->kernel->name);
	return 0;
}

static bool in_segment(const struct elf_segment *segment, uint64_t start, uint64_t address)
{
	return segment->type == PT_LOAD && address >= start &&
	       address - start < segment->size;
}

/**
 * elf_covers_gpa() - is there something loaded at an address?
 * @elf: the file
 * @gpa: any value
 *
 * Return: true when a loadable segment has it.
 */
bool elf_covers_gpa(const struct elf_image *elf, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < elf->nr_segments; i++)
		if (in_segment(&elf->segment[i], elf->segment[i].gpa, gpa))
			return true;
	return false;
}

/**
 * elf_entry_gpa() - physical address of the entry point
 * @elf: the file
 * @gpa: set on success
 *
 * Kernels that start without paging have a physical entry; where linkers wrote
 * a virtual one, the segment that holds it tells the difference.
 *
 * Return: false when the entry point is in no segment.
 */
bool elf_entry_gpa(const struct elf_image *elf, uint64_t *gpa)
{
	unsigned int i;

	*gpa = elf->entry;
	if (elf_covers_gpa(elf, elf->entry))
		return true;
	for (i = 0; i < elf->nr_segments; i++) {
		const struct elf_segment *segment = &elf->segment[i];

		if (!in_segment(segment, segment->gva, elf->entry))
			continue;
		*gpa = elf->entry - segment->gva + segment->gpa;
		return true;
	}
	return false;
}
