/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: image loaders
 *
 * A loader puts an image into guest memory and says in which state the first
 * processor starts.  It knows files and memory, no device: what it makes is
 * plain data, so all of it is tested without a VM.
 *
 * Every number in an image is foreign.  A loader checks it against the file
 * and against memory before use; a bad one ends in one line that names the
 * file.
 */
#ifndef UMBRA_TOOL_LOADER_H
#define UMBRA_TOOL_LOADER_H

#include <stdbool.h>
#include <stdint.h>

#include "complaint.h"
#include "image.h"
#include "memory.h"

/* Where small boot structures may lie: conventional memory. */
#define LOADER_LOW_LIMIT	MEMORY_EBDA

/* Selectors of the boot GDT; the Linux boot protocol wants just these. */
#define LOADER_CS		0x10
#define LOADER_DS		0x18
#define LOADER_TR		0x20
#define LOADER_GDT_SIZE		0x28

enum entry_mode {
	ENTRY_REAL,		/* CS:IP from rip, paging and protection off */
	ENTRY_PROTECTED,	/* flat 32-bit segments, paging off */
	ENTRY_LONG,		/* 64-bit, the first 4 GiB mapped to themselves */
};

/**
 * struct entry - state in which the first processor starts
 * @mode: paging and segments
 * @rip: gpa of the first instruction
 * @rsp: stack pointer, 0 when the image brings its own
 * @rax: general registers, as the boot protocol wants them; others are 0
 * @rbx: see @rax
 * @rsi: see @rax
 * @gdt: gpa of the boot GDT (not in real mode)
 * @cr3: gpa of the identity tables (long mode only)
 */
struct entry {
	enum entry_mode mode;
	uint64_t rip;
	uint64_t rsp;
	uint64_t rax;
	uint64_t rbx;
	uint64_t rsi;
	uint64_t gdt;
	uint64_t cr3;
};

/**
 * struct load - one loading: what, where, and how it came out
 * @kernel: the image
 * @module: initrd or boot modules, @nr_modules of them
 * @nr_modules: may be 0
 * @cmdline: NULL for the loader's default
 * @rsdp: gpa of the ACPI root pointer
 * @flat_gpa: where a flat image goes
 * @flat_entry: gpa where it starts
 * @flat_mode: mode in which it starts
 * @memory: the guest's; what firmware needs is claimed already
 * @entry: out
 * @complaint: out, when loading failed
 */
struct load {
	const struct image *kernel;
	const struct image *module;
	unsigned int nr_modules;
	const char *cmdline;
	uint64_t rsdp;
	uint64_t flat_gpa;
	uint64_t flat_entry;
	enum entry_mode flat_mode;
	struct memory *memory;
	struct entry entry;
	struct complaint complaint;
};

/**
 * struct loader - an image format
 * @name: for --format
 * @what: for people
 * @probe: is the image of this format?  Reads, judges nothing else.
 * @load: fill memory and entry; 0, or -1 with a complaint
 */
struct loader {
	const char *name;
	const char *what;
	bool (*probe)(const struct image *image);
	int (*load)(struct load *load);
};

/* Serial console for images that take Linux's parameters. */
#define LOADER_DEFAULT_CMDLINE "console=ttyS0,115200"

extern const struct loader loader_bzimage;
extern const struct loader loader_pvh;
extern const struct loader loader_multiboot;
extern const struct loader loader_elf;
extern const struct loader loader_flat;

const struct loader *loader_by_name(const char *name);
const struct loader *loader_for(const struct image *image, struct complaint *complaint);
const char *loader_names(void);

int loader_place(struct load *load, uint64_t gpa, const void *data, uint64_t size,
		 const char *what);
int loader_place_low(struct load *load, const void *data, uint64_t size, const char *what,
		     uint64_t *gpa);
int loader_place_module(struct load *load, unsigned int index, uint64_t limit,
			uint64_t *gpa);
int loader_enter_protected(struct load *load, uint64_t rip);
int loader_enter_long(struct load *load, uint64_t rip);

#endif
