// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: filling and placing the zero page
 *
 * Memory map, command line, initrd and the ACPI root pointer; the setup header
 * itself belongs to whoever has an image that brings one.
 */
#include "linux_boot.h"

#include <inttypes.h>
#include <string.h>

#include "bytes.h"

#define E820_ENTRY_SIZE 20

static void fill_e820(struct linux_boot *boot, const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->nr_ranges; i++) {
		uint8_t *entry = boot->page + BP_E820_TABLE + i * E820_ENTRY_SIZE;

		put64(entry, memory->range[i].gpa);
		put64(entry + 8, memory->range[i].size);
		put32(entry + 16, memory->range[i].type);
	}
	boot->page[BP_E820_ENTRIES] = memory->nr_ranges;
}

static int place_cmdline(struct load *load, struct linux_boot *boot)
{
	const char *cmdline = load->cmdline ? load->cmdline : LOADER_DEFAULT_CMDLINE;
	size_t length = strlen(cmdline);
	uint64_t gpa;

	if (length > boot->cmdline_max)
		return complain(&load->complaint,
				"-a: the command line has %zu characters, %s takes %" PRIu64,
				length, load->kernel->name, boot->cmdline_max);
	if (loader_place_low(load, cmdline, length + 1, "command line", &gpa))
		return -1;
	put32(boot->page + BP_CMDLINE, gpa);
	return 0;
}

static int place_initrd(struct load *load, struct linux_boot *boot)
{
	uint64_t gpa;

	if (!load->nr_modules)
		return 0;
	if (load->nr_modules > 1)
		return complain(&load->complaint, "%s: a Linux kernel takes one initrd (-i)",
				load->module[1].name);
	if (loader_place_module(load, 0, boot->initrd_limit, &gpa))
		return -1;
	put32(boot->page + BP_RAMDISK_IMAGE, gpa);
	put32(boot->page + BP_RAMDISK_SIZE, load->module[0].size);
	return 0;
}

/**
 * linux_boot_place() - complete the zero page and put it into memory
 * @load: the loading; the kernel has claimed its place already
 * @boot: page with the setup header, and the kernel's limits
 *
 * RSI of the entry state is set, as the boot protocol wants it.
 *
 * Return: 0, or -1 with the loading's complaint.
 */
int linux_boot_place(struct load *load, struct linux_boot *boot)
{
	fill_e820(boot, load->memory);
	put64(boot->page + BP_ACPI_RSDP, load->rsdp);
	boot->page[BP_LOADER_TYPE] = BP_LOADER_UNDEFINED;
	if (place_cmdline(load, boot) || place_initrd(load, boot))
		return -1;
	return loader_place_low(load, boot->page, BP_SIZE, "zero page", &load->entry.rsi);
}
