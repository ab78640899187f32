/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ELF files as boot images
 *
 * What PVH, Multiboot and plain ELF share: the loadable segments, by physical
 * address, of 32- and 64-bit x86 files.
 */
#ifndef UMBRA_TOOL_ELF_IMAGE_H
#define UMBRA_TOOL_ELF_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "loader.h"

#define ELF_MAX_HEADERS 128

/* A program header, of either class. */
struct elf_segment {
	uint32_t type;
	uint64_t offset;
	uint64_t gva;
	uint64_t gpa;
	uint64_t file_size;
	uint64_t size;
};

/**
 * struct elf_image - a decoded file
 * @is_64: ELFCLASS64
 * @entry: e_entry as the file has it
 * @segment: program headers; their file parts are inside the file
 * @nr_segments: how many
 */
struct elf_image {
	bool is_64;
	uint64_t entry;
	struct elf_segment segment[ELF_MAX_HEADERS];
	unsigned int nr_segments;
};

bool elf_probe(const struct image *image);
int elf_decode(const struct image *image, struct elf_image *elf,
	       struct complaint *complaint);
int elf_place(struct load *load, const struct elf_image *elf);
bool elf_entry_gpa(const struct elf_image *elf, uint64_t *gpa);
bool elf_covers_gpa(const struct elf_image *elf, uint64_t gpa);

#endif
