// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: making images
 *
 * Written from the formats' specifications, not from the loaders.
 */
#include "test_loader_build.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

static struct image make(const char *name, size_t size)
{
	struct image image = { .name = name, .data = malloc(size), .size = size };
	size_t i;

	for (i = 0; i < size; i++)
		image.data[i] = i * 7 + (i >> 8);
	return image;
}

/* A bzImage of protocol 2.15 with 0x1000 bytes of code. */
struct image build_bzimage(bool has_entry64)
{
	size_t setup = (TEST_BZ_SETUP_SECTS + 1) * 512;
	struct image image = make("bz", setup + TEST_BZ_CODE);
	uint8_t *h = image.data;

	memset(h, 0, setup);
	h[0x1f1] = TEST_BZ_SETUP_SECTS;
	put32(h + 0x1f4, TEST_BZ_CODE / 16);
	put16(h + 0x1fe, 0xaa55);
	h[0x200] = 0xeb;
	h[0x201] = 0x6a;
	memcpy(h + 0x202, "HdrS", 4);
	put16(h + 0x206, 0x020f);
	h[0x211] = 1;
	put32(h + 0x22c, 0x7fffffff);
	put32(h + 0x230, 0x200000);
	h[0x234] = 1;
	put16(h + 0x236, has_entry64 ? 1 : 0);
	put32(h + 0x238, 100);
	put64(h + 0x258, TEST_BZ_PREF);
	put32(h + 0x260, TEST_BZ_INIT_SIZE);
	return image;
}

static void put_word(bool is_64, uint8_t *at, uint64_t value)
{
	if (is_64)
		put64(at, value);
	else
		put32(at, value);
}

#define FIELD(type, name) (is_64 ? offsetof(Elf64_##type, name) : offsetof(Elf32_##type, name))

static void put_segment(bool is_64, uint8_t *ph, uint32_t type, uint64_t offset,
			uint64_t gva, uint64_t gpa, uint64_t file_size, uint64_t size)
{
	put32(ph, type);
	put_word(is_64, ph + FIELD(Phdr, p_offset), offset);
	put_word(is_64, ph + FIELD(Phdr, p_vaddr), gva);
	put_word(is_64, ph + FIELD(Phdr, p_paddr), gpa);
	put_word(is_64, ph + FIELD(Phdr, p_filesz), file_size);
	put_word(is_64, ph + FIELD(Phdr, p_memsz), size);
}

/* Two notes: one of another owner, then the PVH entry. */
static size_t put_notes(uint8_t *at)
{
	memset(at, 0, 44);
	put32(at, 4);
	put32(at + 4, 5);
	put32(at + 8, 18);
	memcpy(at + 12, "GNU", 4);
	put32(at + 24, 4);
	put32(at + 28, 4);
	put32(at + 32, 18);
	memcpy(at + 36, "Xen", 4);
	put32(at + 40, TEST_ELF_GPA + 0x20);
	return 44;
}

/* One loadable segment with bss, optionally a note. */
struct image build_elf(bool is_64, bool has_note, bool virtual_entry)
{
	struct image image = make("elf", 0x100 + TEST_ELF_FILE_SIZE + (has_note ? 44 : 0));
	unsigned int phoff = is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
	unsigned int phsize = is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	uint8_t *e = image.data;
	size_t notes;

	memset(e, 0, 0x100);
	memcpy(e, ELFMAG, SELFMAG);
	e[EI_CLASS] = is_64 ? ELFCLASS64 : ELFCLASS32;
	e[EI_DATA] = ELFDATA2LSB;
	e[EI_VERSION] = 1;
	put16(e + FIELD(Ehdr, e_type), ET_EXEC);
	put16(e + FIELD(Ehdr, e_machine), is_64 ? EM_X86_64 : EM_386);
	put_word(is_64, e + FIELD(Ehdr, e_entry),
		 (virtual_entry ? TEST_ELF_GVA : TEST_ELF_GPA) + 0x10);
	put_word(is_64, e + FIELD(Ehdr, e_phoff), phoff);
	put16(e + FIELD(Ehdr, e_phentsize), phsize);
	put16(e + FIELD(Ehdr, e_phnum), has_note ? 2 : 1);
	put_segment(is_64, e + phoff, PT_LOAD, 0x100, TEST_ELF_GVA, TEST_ELF_GPA,
		    TEST_ELF_FILE_SIZE, TEST_ELF_SIZE);
	if (has_note) {
		notes = put_notes(e + 0x100 + TEST_ELF_FILE_SIZE);
		put_segment(is_64, e + phoff + phsize, PT_NOTE, 0x100 + TEST_ELF_FILE_SIZE,
			    0, 0, notes, notes);
	}
	return image;
}

/* A Multiboot header, with addresses or inside an ELF file's segment. */
struct image build_multiboot(bool kludge)
{
	struct image image = kludge ? make("mb", TEST_MB_FILE_SIZE) : build_elf(false, false, false);
	uint8_t *h = image.data + (kludge ? TEST_MB_HEADER : 0x140);
	uint32_t flags = kludge ? 0x10003 : 0x3;

	put32(h, 0x1badb002);
	put32(h + 4, flags);
	put32(h + 8, -(0x1badb002 + flags));
	if (!kludge)
		return image;
	put32(h + 12, TEST_MB_GPA + TEST_MB_HEADER);
	put32(h + 16, TEST_MB_GPA);
	put32(h + 20, TEST_MB_GPA + TEST_MB_FILE_SIZE);
	put32(h + 24, TEST_MB_GPA + TEST_MB_SIZE);
	put32(h + 28, TEST_MB_GPA + 0x80);
	return image;
}

/* The first size bytes of an image, in a buffer of their own. */
struct image build_copy(const struct image *image, size_t size)
{
	struct image copy = { .name = image->name, .size = size };

	/* malloc(0) may be NULL, which nobody may read either. */
	copy.data = malloc(size);
	memcpy(copy.data, image->data, size);
	return copy;
}

/* Load into fresh memory; the caller destroys the memory. */
int build_load(const struct loader *loader, const struct image *image,
	       const struct image *initrd, struct memory *memory, struct load *load)
{
	struct complaint complaint;

	if (memory_create(memory, TEST_MEMORY, &complaint))
		abort();
	if (memory_claim(memory, 0, 0x500, "BIOS data", &complaint))
		abort();
	*load = (struct load){
		.kernel = image,
		.module = initrd,
		.nr_modules = initrd ? 1 : 0,
		.cmdline = "one two",
		.rsdp = 0xe0000,
		.memory = memory,
	};
	return loader->load(load);
}
