/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: images made for the loaders' tests
 *
 * Small, correct images of every format, in buffers of exactly their size, so
 * that the address sanitizer sees every read beyond them.
 */
#ifndef TEST_LOADER_BUILD_H
#define TEST_LOADER_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image.h"
#include "loader.h"

#define TEST_MEMORY		(64ull << 20)

#define TEST_BZ_SETUP_SECTS	4
#define TEST_BZ_CODE		0x1000
#define TEST_BZ_PREF		0x1000000
#define TEST_BZ_INIT_SIZE	0x200000

#define TEST_ELF_GPA		0x200000
#define TEST_ELF_GVA		0xc0200000
#define TEST_ELF_FILE_SIZE	0x300
#define TEST_ELF_SIZE		0x2000

#define TEST_MB_GPA		0x300000
#define TEST_MB_HEADER		0x40
#define TEST_MB_FILE_SIZE	0x400
#define TEST_MB_SIZE		0x3000

struct image build_bzimage(bool has_entry64);
struct image build_elf(bool is_64, bool has_note, bool virtual_entry);
struct image build_multiboot(bool kludge);
struct image build_copy(const struct image *image, size_t size);
int build_load(const struct loader *loader, const struct image *image,
	       const struct image *initrd, struct memory *memory, struct load *load);

#endif
