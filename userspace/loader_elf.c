// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: plain ELF kernels
 *
 * A 64-bit file starts in long mode on identity tables, a 32-bit file in flat
 * protected mode.  RSI holds a Linux zero page in both, so that a vmlinux
 * without a PVH note boots too; whoever does not want it does not look.
 */
#include "elf_image.h"

#include <inttypes.h>
#include <string.h>

#include "bytes.h"
#include "linux_boot.h"

#define CMDLINE_MAX 2047

static void fill_boot(struct linux_boot *boot)
{
	memset(boot, 0, sizeof(*boot));
	put16(boot->page + BP_BOOT_FLAG, 0xaa55);
	put32(boot->page + BP_HEADER, BP_HEADER_MAGIC);
	put16(boot->page + BP_VERSION, 0x020f);
	put32(boot->page + BP_ALIGNMENT, 1 << 21);
	boot->cmdline_max = CMDLINE_MAX;
	boot->initrd_limit = 0x80000000;
}

static int load_elf(struct load *load)
{
	struct linux_boot boot;
	struct elf_image elf;
	uint64_t rip;

	if (elf_decode(load->kernel, &elf, &load->complaint))
		return -1;
	if (!elf_entry_gpa(&elf, &rip))
		return complain(&load->complaint, "%s: corrupt: the entry point %#" PRIx64
				" is in no segment", load->kernel->name, elf.entry);
	if (elf_place(load, &elf))
		return -1;
	fill_boot(&boot);
	if (linux_boot_place(load, &boot))
		return -1;
	if (elf.is_64)
		return loader_enter_long(load, rip);
	return loader_enter_protected(load, rip);
}

const struct loader loader_elf = {
	.name = "elf",
	.what = "ELF executable",
	.probe = elf_probe,
	.load = load_elf,
};
