// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: raw binaries
 *
 * No header: --flat says where the bytes go, --entry where they start, --mode
 * in which mode.  The stack starts below the image, as boot sectors expect it.
 */
#include "loader.h"

#include <inttypes.h>

#define REAL_MODE_END 0x100000ull

static bool probe(const struct image *image)
{
	/* A raw binary looks like anything: only --flat makes it one. */
	(void)image;
	return false;
}

static int check_entry(struct load *load)
{
	uint64_t offset = load->flat_entry - load->flat_gpa;

	if (load->flat_entry < load->flat_gpa || offset >= load->kernel->size)
		return complain(&load->complaint, "--entry: %#" PRIx64 " is not in %s, which lies at %#"
				PRIx64 " and has %zu bytes", load->flat_entry,
				load->kernel->name, load->flat_gpa, load->kernel->size);
	if (load->flat_mode == ENTRY_REAL && load->flat_entry >= REAL_MODE_END)
		return complain(&load->complaint, "--entry: %#" PRIx64 " is out of real mode's reach",
				load->flat_entry);
	if (load->nr_modules)
		return complain(&load->complaint, "%s: a flat image takes no initrd (-i)",
				load->module[0].name);
	if (load->cmdline)
		return complain(&load->complaint, "-a: a flat image takes no command line");
	return 0;
}

static int load_flat(struct load *load)
{
	const struct image *image = load->kernel;

	if (check_entry(load))
		return -1;
	if (loader_place(load, load->flat_gpa, image->data, image->size, "flat image"))
		return -1;
	load->entry.rsp = load->flat_gpa;
	if (load->flat_mode == ENTRY_PROTECTED)
		return loader_enter_protected(load, load->flat_entry);
	if (load->flat_mode == ENTRY_LONG)
		return loader_enter_long(load, load->flat_entry);
	load->entry.mode = ENTRY_REAL;
	load->entry.rip = load->flat_entry;
	return 0;
}

const struct loader loader_flat = {
	.name = "flat",
	.what = "raw binary",
	.probe = probe,
	.load = load_flat,
};
