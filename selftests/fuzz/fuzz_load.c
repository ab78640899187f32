// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fuzz_load
 *
 * libFuzzer on the tool's image loaders.  The first byte of the input chooses a
 * correct image, which the rest spoils: records of an offset (16 bits) and four bytes to write there;
 * or the rest is the image itself.  Nothing may be read or
 * written outside of the image and the guest's memory, and what is refused gets a complaint.
 */
#include <stdlib.h>
#include <string.h>

#include "test_loader_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORD	6

static struct image choose(unsigned int n)
{
	switch (n % 5) {
	case 0:
		return build_bzimage(n & 8);
	case 1:
		return build_elf(n & 8, n & 16, n & 32);
	case 2:
		return build_multiboot(n & 8);
	case 3:
		return build_elf(true, true, false);
	default:
		return build_elf(false, true, true);
	}
}

/* A correct image, up to eight words of which are others, and perhaps cut. */
static struct image spoilt(const uint8_t *data, size_t size)
{
	struct image whole = choose(data[0] & 0x7f), image;
	unsigned int i;

	for (i = 0; i < 8 && size >= 1 + RECORD * (i + 1); i++) {
		const uint8_t *record = data + 1 + RECORD * i;
		size_t at = record[0] | record[1] << 8;

		if (at + 4 <= whole.size)
			memcpy(whole.data + at, record + 2, 4);
		else if (at && at < whole.size * 2)
			break;
	}
	image = build_copy(&whole, whole.size - (size & 1 ? 0 : size * 37 % whole.size));
	image_free(&whole);
	return image;
}

static struct image itself(const uint8_t *data, size_t size)
{
	struct image image = { .name = "fuzz", .size = size };

	image.data = malloc(size);
	memcpy(image.data, data, size);
	return image;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct loader *const loaders[] = {
		&loader_bzimage, &loader_pvh, &loader_multiboot, &loader_elf, &loader_flat,
	};
	const struct loader *loader;
	struct load load = { 0 };
	struct memory memory = { 0 };
	struct image image;
	unsigned int i;

	if (size < 2)
		return 0;
	image = data[0] & 0x80 ? itself(data + 1, size - 1) : spoilt(data, size);
	loader = loader_for(&image, &load.complaint);
	if (loader && loader->probe(&image)) {
		if (build_load(loader, &image, NULL, &memory, &load) && !load.complaint.text[0])
			abort();
		memory_destroy(&memory);
	}
	/* A format that the user names is not asked whether it is one. */
	for (i = 0; i < 5; i++) {
		if (i != data[0] % 5u)
			continue;
		memset(&memory, 0, sizeof(memory));
		if (build_load(loaders[i], &image, NULL, &memory, &load) && !load.complaint.text[0])
			abort();
		memory_destroy(&memory);
	}
	image_free(&image);
	return 0;
}
