// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the tool's image loaders
 *
 * Correct images load and say the right entry state; every truncation is
 * refused with one line that names the file; corrupt headers never make a
 * loader read or write where it must not.
 */
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "ktap.h"
#include "test_loader_build.h"

#define LOW_LIMIT 0x9fc00

static const uint8_t *at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	return memory_at(memory, gpa, size);
}

static bool one_line(const struct load *load, const char *name)
{
	const char *text = load->complaint.text;

	return text[0] && !strchr(text, '\n') && strstr(text, name);
}

static bool low_page(uint64_t gpa)
{
	return gpa >= 0x1000 && gpa < LOW_LIMIT && gpa % 4096 == 0;
}

static void test_bzimage(void)
{
	struct image image = build_bzimage(true);
	struct image initrd = build_copy(&image, 5000);
	const uint8_t *zero, *code;
	struct memory memory;
	struct load load;
	uint64_t cmdline, gpa;

	ktap_ok(loader_for(&image, &load.complaint) == &loader_bzimage, "a bzImage is known as one");
	if (!ktap_ok(!build_load(&loader_bzimage, &image, &initrd, &memory, &load),
		     "bzImage loads"))
		ktap_bail("%s", load.complaint.text);
	ktap_ok(load.entry.mode == ENTRY_LONG && load.entry.rip == TEST_BZ_PREF + 0x200,
		"64-bit entry at +0x200");
	code = at(&memory, TEST_BZ_PREF, TEST_BZ_CODE);
	ktap_ok(!memcmp(code, image.data + (TEST_BZ_SETUP_SECTS + 1) * 512, TEST_BZ_CODE),
		"the code is where the header prefers it");
	zero = at(&memory, load.entry.rsi, 4096);
	ktap_ok(low_page(load.entry.rsi) && !memcmp(zero + 0x202, "HdrS", 4),
		"RSI has the zero page with the setup header");
	cmdline = get32(zero + 0x228);
	ktap_ok(low_page(cmdline) && !strcmp((char *)at(&memory, cmdline, 8), "one two"),
		"the command line is there");
	gpa = get32(zero + 0x218);
	ktap_ok(get32(zero + 0x21c) == 5000 && gpa % 4096 == 0 &&
		gpa >= TEST_BZ_PREF + TEST_BZ_INIT_SIZE &&
		!memcmp(at(&memory, gpa, 5000), initrd.data, 5000),
		"the initrd is there, above the kernel's init_size");
	ktap_ok(zero[0x1e8] == memory.nr_ranges && get64(zero + 0x2d0 + 8) == LOW_LIMIT &&
		get64(zero + 0x070) == 0xe0000, "memory map and ACPI root are there");
	memory_destroy(&memory);
	image_free(&image);
	image_free(&initrd);
}

static void test_bzimage_limits(void)
{
	struct image image = build_bzimage(false);
	struct image initrd = { .name = "big", .data = calloc(1, 60 << 20), .size = 60 << 20 };
	struct memory memory;
	struct load load;

	ktap_ok(!build_load(&loader_bzimage, &image, NULL, &memory, &load) &&
		load.entry.mode == ENTRY_PROTECTED && load.entry.rip == TEST_BZ_PREF,
		"without a 64-bit entry the 32-bit one is used");
	memory_destroy(&memory);
	ktap_ok(build_load(&loader_bzimage, &image, &initrd, &memory, &load) &&
		one_line(&load, "big"), "an initrd that does not fit is named");
	memory_destroy(&memory);
	put32(image.data + 0x238, 6);
	ktap_ok(build_load(&loader_bzimage, &image, NULL, &memory, &load) &&
		one_line(&load, "-a"), "a command line that is too long is refused");
	memory_destroy(&memory);
	put32(image.data + 0x238, 100);
	put32(image.data + 0x260, 256 << 20);
	ktap_ok(build_load(&loader_bzimage, &image, NULL, &memory, &load) &&
		one_line(&load, "bz"), "too little memory for the kernel is refused");
	memory_destroy(&memory);
	image_free(&image);
	image_free(&initrd);
}

static void test_elf(bool is_64)
{
	struct image image = build_elf(is_64, false, true);
	struct memory memory;
	struct load load;
	const uint8_t *bss;
	unsigned int i, dirty = 0;

	ktap_ok(loader_for(&image, &load.complaint) == &loader_elf &&
		!build_load(&loader_elf, &image, NULL, &memory, &load), "ELF%d loads",
		is_64 ? 64 : 32);
	ktap_ok(load.entry.mode == (is_64 ? ENTRY_LONG : ENTRY_PROTECTED) &&
		load.entry.rip == TEST_ELF_GPA + 0x10, "a virtual entry becomes physical");
	bss = at(&memory, TEST_ELF_GPA + TEST_ELF_FILE_SIZE, TEST_ELF_SIZE - TEST_ELF_FILE_SIZE);
	for (i = 0; i < TEST_ELF_SIZE - TEST_ELF_FILE_SIZE; i++)
		dirty += bss[i] != 0;
	ktap_ok(!memcmp(at(&memory, TEST_ELF_GPA, TEST_ELF_FILE_SIZE), image.data + 0x100,
			TEST_ELF_FILE_SIZE) && !dirty, "the segment is there, its bss is zero");
	memory_destroy(&memory);
	image_free(&image);
}

static void test_pvh(bool is_64)
{
	struct image image = build_elf(is_64, true, false);
	struct image initrd = build_copy(&image, 300);
	struct memory memory;
	struct load load;
	const uint8_t *info;

	ktap_ok(loader_for(&image, &load.complaint) == &loader_pvh &&
		!build_load(&loader_pvh, &image, &initrd, &memory, &load), "PVH in ELF%d loads",
		is_64 ? 64 : 32);
	ktap_ok(load.entry.mode == ENTRY_PROTECTED && load.entry.rip == TEST_ELF_GPA + 0x20,
		"the entry is the note's");
	info = at(&memory, load.entry.rbx, 56);
	ktap_ok(get32(info) == 0x336ec578 && get32(info + 12) == 1 &&
		get64(at(&memory, get64(info + 16), 32) + 8) == 300 &&
		get32(info + 48) == memory.nr_ranges && get64(info + 32) == 0xe0000,
		"EBX has hvm_start_info with module and memory map");
	memory_destroy(&memory);
	image_free(&image);
	image_free(&initrd);
}

static void test_multiboot(bool kludge)
{
	struct image image = build_multiboot(kludge);
	struct image module = build_copy(&image, 200);
	struct memory memory;
	struct load load;
	const uint8_t *info, *mods;

	ktap_ok(loader_for(&image, &load.complaint) == &loader_multiboot &&
		!build_load(&loader_multiboot, &image, &module, &memory, &load),
		"Multiboot %s loads", kludge ? "by addresses" : "by ELF");
	ktap_ok(load.entry.mode == ENTRY_PROTECTED && load.entry.rax == 0x2badb002 &&
		load.entry.rip == (kludge ? TEST_MB_GPA + 0x80 : TEST_ELF_GPA + 0x10),
		"entry state");
	info = at(&memory, load.entry.rbx, 120);
	mods = at(&memory, get32(info + 24), 16);
	ktap_ok(get32(info + 20) == 1 && get32(mods + 4) - get32(mods) == 200 &&
		strstr((char *)at(&memory, get32(info + 16), 16), "one two"),
		"module and command line");
	ktap_ok(get32(info + 4) == 639 && get32(info + 8) == 63 * 1024 &&
		get32(info + 44) == memory.nr_ranges * 24, "memory sizes and map");
	memory_destroy(&memory);
	image_free(&image);
	image_free(&module);
}

static void test_flat(void)
{
	struct image image = build_copy(&(struct image){ .data = (uint8_t *)"\xeb\xfe", .size = 2 }, 2);
	struct load load = { .kernel = &image, .flat_gpa = 0x7c00, .flat_entry = 0x7c01 };
	struct memory memory;

	image.name = "raw";
	memory_create(&memory, TEST_MEMORY, &load.complaint);
	load.memory = &memory;
	ktap_ok(!loader_flat.load(&load) && load.entry.rip == 0x7c01 &&
		load.entry.mode == ENTRY_REAL && at(&memory, 0x7c00, 1)[0] == 0xeb, "flat loads");
	load.flat_entry = 0x7c02;
	ktap_ok(loader_flat.load(&load) && one_line(&load, "--entry"),
		"an entry outside the image is refused");
	load.flat_gpa = load.flat_entry = 0x9fbff;
	ktap_ok(loader_flat.load(&load) && one_line(&load, "raw"),
		"a place outside RAM is refused");
	memory_destroy(&memory);
	image_free(&image);
}

/*
 * Every shorter file is refused, by detection or by its loader, with its name;
 * but what is missing less than granule bytes does not show.
 */
static void test_truncations(const char *what, struct image image, size_t granule)
{
	unsigned int accepted = 0, nameless = 0;
	struct memory memory;
	struct load load;
	size_t size;

	for (size = 0; size + granule <= image.size; size++) {
		struct image cut = build_copy(&image, size);
		const struct loader *loader = loader_for(&cut, &load.complaint);

		memory.nr_blocks = 0;
		if (loader && !build_load(loader, &cut, NULL, &memory, &load))
			accepted++;
		else if (!one_line(&load, image.name))
			nameless++;
		memory_destroy(&memory);
		image_free(&cut);
	}
	ktap_ok(!accepted, "%s: no truncation is taken (%u were)", what, accepted);
	ktap_ok(!nameless, "%s: each refusal is one line with the name", what);
	image_free(&image);
}

static const uint8_t corrupt_values[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };

/*
 * What can be asked of a loader with a corrupt file: no sanitizer report, and
 * either a complaint or an entry inside memory.
 */
static bool sane(const struct loader *loader, const struct image *image)
{
	struct memory memory;
	struct load load;
	bool good;

	if (build_load(loader, image, NULL, &memory, &load))
		good = one_line(&load, image->name);
	else
		good = memory_at(&memory, load.entry.rip, 1);
	memory_destroy(&memory);
	return good;
}

/* Each byte of the headers takes each value; then pairs of fields at random. */
static void test_corruptions(const char *what, const struct loader *loader,
			     struct image image, size_t headers)
{
	unsigned int bad = 0, round;
	size_t i, v, j;

	for (i = 0; i < headers && i < image.size; i++) {
		uint8_t old = image.data[i];

		for (v = 0; v < sizeof(corrupt_values); v++) {
			image.data[i] = corrupt_values[v];
			bad += !sane(loader, &image);
		}
		image.data[i] = old;
	}
	srand(1);
	for (round = 0; round < 3000; round++) {
		struct image copy = build_copy(&image, image.size);

		for (j = 0; j < 4; j++)
			put32(copy.data + rand() % (headers - 4), (uint32_t)rand() << (rand() % 20));
		bad += !sane(loader, &copy);
		image_free(&copy);
	}
	ktap_ok(!bad, "%s: corrupt headers are survived (%u were not)", what, bad);
	image_free(&image);
}

static void test_foreign(void)
{
	struct image gzip = build_copy(&(struct image){ .data = (uint8_t *)"\x1f\x8b\x08\0", .size = 4 }, 4);
	struct load load;

	gzip.name = "packed";
	ktap_ok(!loader_for(&gzip, &load.complaint) && one_line(&load, "gunzip"),
		"a compressed image is told what to do");
	gzip.data[0] = 'x';
	ktap_ok(!loader_for(&gzip, &load.complaint) && one_line(&load, "packed"),
		"an unknown image is refused");
	image_free(&gzip);
}

int main(void)
{
	ktap_plan(8 + 4 + 3 + 3 + 3 + 3 + 4 + 4 + 3 + 7 * 2 + 6 + 2);
	test_bzimage();
	test_bzimage_limits();
	test_elf(false);
	test_elf(true);
	test_pvh(false);
	test_pvh(true);
	test_multiboot(false);
	test_multiboot(true);
	test_flat();
	test_truncations("bzImage", build_bzimage(true), 16);
	test_truncations("ELF32", build_elf(false, false, false), 1);
	test_truncations("ELF64", build_elf(true, false, true), 1);
	test_truncations("PVH32", build_elf(false, true, false), 1);
	test_truncations("PVH64", build_elf(true, true, false), 1);
	test_truncations("Multiboot", build_multiboot(true), 1);
	test_truncations("Multiboot ELF", build_multiboot(false), 1);
	test_corruptions("bzImage", &loader_bzimage, build_bzimage(true), 0x290);
	test_corruptions("ELF32", &loader_elf, build_elf(false, false, false), 0x100);
	test_corruptions("ELF64", &loader_elf, build_elf(true, false, true), 0x100);
	test_corruptions("PVH", &loader_pvh, build_elf(true, true, false), 0x42c);
	test_corruptions("Multiboot", &loader_multiboot, build_multiboot(true), 0x80);
	test_corruptions("Multiboot ELF", &loader_multiboot, build_multiboot(false), 0x160);
	test_foreign();
	ktap_exit();
}
