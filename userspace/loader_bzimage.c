// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: bzImage: the Linux boot protocol without a BIOS
 *
 * The file is real-mode setup code, then protected-mode code::
 *
 *	0      0x1f1            (setup_sects + 1) * 512        end
 *	| boot | setup header   | protected-mode code ... | signature |
 *
 * The setup code is not run: the header is copied into the zero page and the
 * processor enters the protected-mode code, at +0x200 in 64-bit mode where the
 * kernel has that entry, at +0 in 32-bit mode otherwise (boot.rst, "64-bit Boot
 * Protocol", "32-bit Boot Protocol").  Memory testers that follow the protocol
 * boot the same way.
 */
#include "linux_boot.h"

#include <inttypes.h>
#include <string.h>

#include "bytes.h"

#define OLDEST_VERSION		0x0203	/* initrd_addr_max */
#define VERSION_RELOCATABLE	0x0205
#define VERSION_CMDLINE_SIZE	0x0206
#define VERSION_PREF_ADDRESS	0x020a
#define VERSION_XLOADFLAGS	0x020c

#define LOADED_HIGH		0x01
#define XLF_KERNEL_64		0x0001

#define ENTRY64_OFFSET		0x200
#define CMDLINE_MAX_DEFAULT	255

/* What the header says, checked. */
struct bzimage {
	uint16_t version;
	uint64_t setup_size;
	uint64_t code_size;
	uint64_t gpa;
	uint64_t init_size;
	bool has_entry64;
};

static bool probe(const struct image *image)
{
	return image_has(image, BP_HEADER, 4) &&
	       get16(image->data + BP_BOOT_FLAG) == 0xaa55 &&
	       get32(image->data + BP_HEADER) == BP_HEADER_MAGIC;
}

static uint64_t header_end(const struct image *image)
{
	/* The jump over the header tells its end. */
	return BP_HEADER + image->data[BP_JUMP + 1];
}

static int check_size(struct load *load, struct bzimage *bz)
{
	const struct image *image = load->kernel;
	unsigned int sects = image->data[BP_SETUP_SECTS];
	uint64_t units = get32(image->data + BP_SYSSIZE);

	/* 0 means 4, for history's sake. */
	bz->setup_size = ((sects ? sects : 4) + 1) * 512;
	if (image->size <= bz->setup_size)
		return complain(&load->complaint, "%s: truncated: %zu bytes, the setup code has %"
				PRIu64, image->name, image->size, bz->setup_size);
	bz->code_size = image->size - bz->setup_size;
	/* The header counts in units of 16 bytes, rounded up. */
	if (!units || (bz->code_size + 15) / 16 < units)
		return complain(&load->complaint, "%s: truncated: %zu bytes, the header says %"
				PRIu64, image->name, image->size,
				bz->setup_size + units * 16);
	return 0;
}

static int check_version(struct load *load, struct bzimage *bz)
{
	const struct image *image = load->kernel;

	if (!image_has(image, 0, BP_HEADER_MAX_END) || header_end(image) > BP_HEADER_MAX_END)
		return complain(&load->complaint, "%s: corrupt or truncated setup header",
				image->name);
	bz->version = get16(image->data + BP_VERSION);
	if (bz->version < OLDEST_VERSION)
		return complain(&load->complaint,
				"%s: boot protocol %u.%02u is older than 2.03",
				image->name, bz->version >> 8, bz->version & 0xff);
	if (!(image->data[BP_LOADFLAGS] & LOADED_HIGH))
		return complain(&load->complaint,
				"%s: a zImage (loads below 640 KiB), not a bzImage",
				image->name);
	return 0;
}

static bool power_of_two(uint64_t value)
{
	return value && !(value & (value - 1));
}

static int decode_place(struct load *load, struct bzimage *bz)
{
	const uint8_t *header = load->kernel->data;

	bz->gpa = MEMORY_HIGH;
	bz->init_size = bz->code_size;
	if (bz->version < VERSION_PREF_ADDRESS)
		return 0;
	bz->gpa = get64(header + BP_PREF_ADDRESS);
	if (get32(header + BP_INIT_SIZE) > bz->init_size)
		bz->init_size = get32(header + BP_INIT_SIZE);
	if (!header[BP_RELOCATABLE])
		return 0;
	if (!power_of_two(get32(header + BP_ALIGNMENT)) ||
	    bz->gpa % get32(header + BP_ALIGNMENT))
		return complain(&load->complaint, "%s: corrupt setup header (kernel_alignment %#x)",
				load->kernel->name, get32(header + BP_ALIGNMENT));
	return 0;
}

static int decode(struct load *load, struct bzimage *bz)
{
	const uint8_t *header = load->kernel->data;

	if (check_version(load, bz) || check_size(load, bz) || decode_place(load, bz))
		return -1;
	bz->has_entry64 = bz->version >= VERSION_XLOADFLAGS &&
			  get16(header + BP_XLOADFLAGS) & XLF_KERNEL_64;
	if (bz->has_entry64 && bz->code_size <= ENTRY64_OFFSET)
		return complain(&load->complaint, "%s: corrupt: no code at the 64-bit entry",
				load->kernel->name);
	return 0;
}

static void fill_header(struct linux_boot *boot, const struct bzimage *bz,
			const struct image *image)
{
	memset(boot, 0, sizeof(*boot));
	memcpy(boot->page + BP_SETUP_SECTS, image->data + BP_SETUP_SECTS,
	       header_end(image) - BP_SETUP_SECTS);
	put32(boot->page + BP_CODE32_START, bz->gpa);
	put16(boot->page + BP_VID_MODE, 0xffff);
	boot->cmdline_max = CMDLINE_MAX_DEFAULT;
	if (bz->version >= VERSION_CMDLINE_SIZE)
		boot->cmdline_max = get32(image->data + BP_CMDLINE_SIZE);
	/* The field holds the last byte that may be used. */
	boot->initrd_limit = (uint64_t)get32(image->data + BP_INITRD_MAX) + 1;
}

static int load_bzimage(struct load *load)
{
	const struct image *image = load->kernel;
	struct linux_boot boot;
	struct bzimage bz = { 0 };

	if (decode(load, &bz))
		return -1;
	/* All of init_size is the kernel's until it reads the memory map. */
	if (loader_place(load, bz.gpa, NULL, bz.init_size, "kernel"))
		return -1;
	memcpy(memory_at(load->memory, bz.gpa, bz.code_size), image->data + bz.setup_size,
	       bz.code_size);
	fill_header(&boot, &bz, image);
	if (linux_boot_place(load, &boot))
		return -1;
	if (bz.has_entry64)
		return loader_enter_long(load, bz.gpa + ENTRY64_OFFSET);
	return loader_enter_protected(load, bz.gpa);
}

const struct loader loader_bzimage = {
	.name = "bzimage",
	.what = "Linux bzImage",
	.probe = probe,
	.load = load_bzimage,
};
