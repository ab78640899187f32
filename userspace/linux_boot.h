/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what a Linux kernel expects in memory: the "zero page"
 *
 * Shared by bzImage and plain 64-bit ELF kernels.
 */
#ifndef UMBRA_TOOL_LINUX_BOOT_H
#define UMBRA_TOOL_LINUX_BOOT_H

#include <stdint.h>

#include "loader.h"

/* Offsets in struct boot_params (Documentation/x86/zero-page.rst, boot.rst). */
#define BP_ACPI_RSDP		0x070
#define BP_EXT_RAMDISK_IMAGE	0x0c0
#define BP_EXT_RAMDISK_SIZE	0x0c4
#define BP_EXT_CMDLINE		0x0c8
#define BP_E820_ENTRIES		0x1e8
#define BP_SETUP_SECTS		0x1f1
#define BP_SYSSIZE		0x1f4
#define BP_VID_MODE		0x1fa
#define BP_BOOT_FLAG		0x1fe
#define BP_JUMP			0x200
#define BP_HEADER		0x202
#define BP_VERSION		0x206
#define BP_LOADER_TYPE		0x210
#define BP_LOADFLAGS		0x211
#define BP_CODE32_START		0x214
#define BP_RAMDISK_IMAGE	0x218
#define BP_RAMDISK_SIZE		0x21c
#define BP_HEAP_END		0x224
#define BP_CMDLINE		0x228
#define BP_INITRD_MAX		0x22c
#define BP_ALIGNMENT		0x230
#define BP_RELOCATABLE		0x234
#define BP_XLOADFLAGS		0x236
#define BP_CMDLINE_SIZE		0x238
#define BP_PREF_ADDRESS		0x258
#define BP_INIT_SIZE		0x260
#define BP_HEADER_MAX_END	0x290
#define BP_E820_TABLE		0x2d0
#define BP_SIZE			0x1000

#define BP_HEADER_MAGIC		0x53726448	/* "HdrS" */
#define BP_LOADER_UNDEFINED	0xff

struct linux_boot {
	uint8_t page[BP_SIZE];
	uint64_t cmdline_max;
	uint64_t initrd_limit;
};

int linux_boot_place(struct load *load, struct linux_boot *boot);

#endif
