// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the memory of a random guest
 *
 * Descriptors that are mostly good, gates to the page of HLT, and page tables of all three
 * kinds: the low 512 KiB map to themselves, except that data pages have random permissions and
 * targets; more linear addresses lead there through other entries of the upper levels.
 */
#include "guest_fuzz.h"

#include <string.h>

/* Pages that one root takes, whatever its kind: the top and up to five below it. */
#define ROOT_PAGES	6u

#define P	1u
#define W	2u
#define U	4u
#define A	0x20u
#define D	0x40u
#define PS	0x80u
#define NX	(1ull << 63)

static void put64(uint8_t *mem, uint64_t at, uint64_t val)
{
	memcpy(mem + at, &val, 8);
}

static void put32(uint8_t *mem, uint64_t at, uint32_t val)
{
	memcpy(mem + at, &val, 4);
}

/* A descriptor of a segment or system object (SDM Vol. 3A, 3.4.5). */
static uint64_t descriptor(uint32_t base, uint32_t limit, unsigned int type, unsigned int flags)
{
	return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)type << 40 |
	       (uint64_t)(limit >> 16 & 15) << 48 | (uint64_t)flags << 52 |
	       (uint64_t)(base >> 24) << 56;
}

uint64_t image_descriptor(const uint8_t *mem, unsigned int index)
{
	uint64_t val;

	memcpy(&val, mem + IMAGE_GDT + 8 * index, 8);
	return val;
}

/* Bases are 0 and limits 4 GiB: what else a limit does, QEMU's TCG does not check. */
static void make_gdt(struct rng *r, uint8_t *mem)
{
	static const uint8_t segments[][3] = {
		{ GDT_CODE64, 0x9b, 0xa }, { GDT_DATA, 0x93, 0xc }, { GDT_CODE32, 0x9b, 0xc },
		{ GDT_UCODE32, 0xfb, 0xc }, { GDT_UDATA, 0xf3, 0xc }, { GDT_UCODE64, 0xfb, 0xa },
		{ GDT_CODE16, 0x9b, 0x8 }, { GDT_UCODE16, 0xfb, 0x8 }, { GDT_DATA16, 0x93, 0x8 },
		{ GDT_UDATA16, 0xf3, 0x8 }, { GDT_CONFORMING, 0x9f, 0xc }, { GDT_ABSENT, 0x13, 0xc },
		{ GDT_RODATA, 0x91, 0xc }, { GDT_EXECONLY, 0x99, 0xc },
	};
	unsigned int i;

	for (i = 0; i < sizeof(segments) / 3; i++)
		put64(mem, IMAGE_GDT + 8 * segments[i][0],
		      descriptor(0, 0xfffff, segments[i][1], segments[i][2]));
	put64(mem, IMAGE_GDT + 8 * GDT_TSS64, descriptor(IMAGE_TSS64, 0x7ff, 0x8b, 0));
	put64(mem, IMAGE_GDT + 8 * GDT_TSS64_HIGH, 0);
	put64(mem, IMAGE_GDT + 8 * GDT_TSS32, descriptor(IMAGE_TSS32, 0x7ff, 0x8b, 0));
	put64(mem, IMAGE_GDT + 8 * GDT_LDT, descriptor(IMAGE_LDT, 0xff, 0x82, 0));
	put64(mem, IMAGE_GDT + 8 * GDT_LDT_HIGH, 0);
	put64(mem, IMAGE_GDT + 8 * GDT_GATE,
	      (IMAGE_HANDLERS + 0x300) | (chance(r, 50) ? GDT_CODE64 : GDT_CODE32) * 8 << 16 |
	      0xecull << 40);
	put64(mem, IMAGE_GDT + 8 * GDT_GATE_HIGH, 0);
	for (i = GDT_RANDOM; i < GDT_COUNT; i++) {
		uint64_t d = descriptor(0, 0xfffff, 0x80 | below(r, 128), 8 | below(r, 8));

		/* No task switches: neither Umbra nor long mode has any. */
		if (!(d >> 44 & 1))
			d &= ~(15ull << 40);
		/* Code that is not accessed yet: TCG does not note that it is, but for data. */
		if ((d >> 43 & 3) == 3)
			d |= 1ull << 40;
		/* L of data counts for nothing, but TCG's stack is at 0 then. */
		if ((d >> 43 & 3) == 2)
			d &= ~(1ull << 53);
		/* L and D both are reserved (SDM Vol. 3A 5.2.1), which TCG finds out with the next VMRUN. */
		if ((d >> 53 & 3) == 3)
			d &= ~(1ull << 54);
		put64(mem, IMAGE_GDT + 8 * i, d);
	}
	for (i = 0; i < 32; i++)
		put64(mem, IMAGE_LDT + 8 * i, descriptor(0, 0xfffff, 0x91 | below(r, 8) << 1 |
							 below(r, 4) << 5, 0xc));
}

void image_vectors(uint8_t *mem)
{
	unsigned int v;

	for (v = 0; v < 256; v++)
		put32(mem, 4 * v, IMAGE_HANDLERS + v);
}

static void make_gates(struct rng *r, uint8_t *mem)
{
	unsigned int v;

	for (v = 0; v < 256; v++) {
		uint32_t to = IMAGE_HANDLERS + v;
		uint64_t type = 0x8e + below(r, 2), cs = 8 * (chance(r, 90) ? GDT_CODE32 : GDT_CODE16);
		uint64_t ist = chance(r, 20) ? below(r, 8) : 0;

		if (chance(r, 40))
			type |= 0x60;
		if (v > 32 && chance(r, 5))
			type = (below(r, 256) & 0xf0) | (chance(r, 50) ? 0xe : 0xc);
		put64(mem, IMAGE_IDT32 + 8 * v, to | cs << 16 | type << 40);
		put64(mem, IMAGE_IDT64 + 16 * v,
		      to | 8ull * GDT_CODE64 << 16 | ist << 32 | type << 40);
		put64(mem, IMAGE_IDT64 + 16 * v + 8, 0);
	}
	image_vectors(mem);
	memset(mem + IMAGE_HANDLERS, 0xf4, 0x1000);
}

static void make_tss(struct rng *r, uint8_t *mem)
{
	unsigned int i;

	for (i = 0; i < 0x800; i += 8) {
		put64(mem, IMAGE_TSS64 + i, chance(r, 50) ? 0 : rng_next(r));
		put64(mem, IMAGE_TSS32 + i, chance(r, 50) ? 0 : rng_next(r));
	}
	for (i = 0; i < 3; i++) {
		put64(mem, IMAGE_TSS64 + 4 + 8 * i, IMAGE_STACK + 0x800 + 0x100 * i);
		put32(mem, IMAGE_TSS32 + 4 + 8 * i, IMAGE_STACK + 0x800 + 0x100 * i);
		put32(mem, IMAGE_TSS32 + 8 + 8 * i, 8 * GDT_DATA);
	}
	for (i = 0; i < 7; i++)
		put64(mem, IMAGE_TSS64 + 0x24 + 8 * i, IMAGE_STACK + 0x400 + 0x80 * i);
	/* The map of ports, whose end is the limit. */
	put32(mem, IMAGE_TSS64 + 0x64, 0x100u << 16);
	put32(mem, IMAGE_TSS32 + 0x64, 0x100u << 16);
}

/* A random entry that leads to @gpa; @wide: 8 bytes. */
uint64_t image_entry(struct rng *r, uint64_t gpa, bool wide, bool leaf)
{
	uint64_t e = gpa | P | W | U;

	if (chance(r, leaf ? 20 : 8))
		e &= ~(uint64_t)W;
	if (chance(r, leaf ? 20 : 8))
		e &= ~(uint64_t)U;
	if (chance(r, leaf ? 10 : 4))
		e &= ~(uint64_t)P;
	if (chance(r, 50))
		e |= A | (leaf && chance(r, 50) ? D : 0);
	if (wide && chance(r, leaf ? 10 : 3))
		e |= NX;
	/* Bits for software, and one that is reserved. */
	e |= below(r, 8) << 9;
	if (wide && chance(r, 1))
		e |= 1ull << 51;
	return e;
}

uint64_t image_root(enum paging paging, unsigned int root)
{
	unsigned int kind = paging == PAGING_32 ? 0 : paging == PAGING_PAE ? 1 : 2;

	return IMAGE_TABLES + 0x1000 * ROOT_PAGES * (kind * IMAGE_ROOTS + root);
}

/*
 * The lowest tables: all of the image to itself, data pages anyhow.  What leads
 * to no memory is dirty already: stock KVM remembers an address of MMIO by a read, and does not look
 * at the tables for a write then.
 */
static void make_leaves(struct rng *r, uint8_t *mem, uint64_t table, bool wide)
{
	unsigned int i, data = IMAGE_DATA / 4096, size = wide ? 8 : 4;

	for (i = 0; i < IMAGE_SIZE / 4096 + 8; i++) {
		uint64_t e = 4096ull * i | P | W;

		/* Descriptor tables and handlers are read by user code's faults only. */
		if (i >= IMAGE_CODE / 4096 && i < IMAGE_TABLES / 4096)
			e |= U;
		if (i >= IMAGE_SIZE / 4096)
			e |= A | D;
		if (i >= data && i < data + 16) {
			e = image_entry(r, IMAGE_DATA + 4096 * below(r, 16), wide, true);
			if (chance(r, 6))
				e = (e & (NX | 0xfff)) | (IMAGE_NOWHERE + 4096 * below(r, 4)) |
				    A | D;
		}
		memcpy(mem + table + size * i, &e, size);
	}
}

/*
 * One directory that has the image at its first entry, a large page of it at the second,
 * and at the next two the same leaves by entries of random rights.
 */
static void make_directory(struct rng *r, uint8_t *mem, uint64_t dir, uint64_t leaves, bool wide)
{
	uint64_t e[4];
	unsigned int i, size = wide ? 8 : 4;

	e[0] = leaves | P | W | U;
	e[1] = image_entry(r, 0, wide, true) | PS | A | D;
	e[2] = image_entry(r, leaves, wide, false);
	e[3] = image_entry(r, leaves, wide, false);
	for (i = 0; i < 4; i++)
		memcpy(mem + dir + size * i, &e[i], size);
}

static void make_root32(struct rng *r, uint8_t *mem, uint64_t top)
{
	uint32_t high;

	make_leaves(r, mem, top + 0x1000, false);
	make_directory(r, mem, top, top + 0x1000, false);
	high = image_entry(r, top + 0x1000, false, false);
	put32(mem, top + 4 * 0x300, high);
}

static void make_root_pae(struct rng *r, uint8_t *mem, uint64_t top)
{
	make_leaves(r, mem, top + 0x1000, true);
	make_directory(r, mem, top + 0x2000, top + 0x1000, true);
	put64(mem, top, (top + 0x2000) | P);
	put64(mem, top + 8, chance(r, 80) ? (top + 0x2000) | P : 0);
	put64(mem, top + 16, 0);
	put64(mem, top + 24, (top + 0x2000) | P);
}

static void make_root_long(struct rng *r, uint8_t *mem, uint64_t top)
{
	uint64_t upper = top + 0x3000;

	make_leaves(r, mem, top + 0x1000, true);
	make_directory(r, mem, top + 0x2000, top + 0x1000, true);
	put64(mem, upper, (top + 0x2000) | P | W | U);
	put64(mem, upper + 8, image_entry(r, top + 0x2000, true, false));
	put64(mem, top, upper | P | W | U);
	put64(mem, top + 8 * 0x80, image_entry(r, upper, true, false));
	put64(mem, top + 8 * 0x1ff, image_entry(r, upper, true, false));
	put64(mem, upper + 8 * 0x1fe, image_entry(r, top + 0x2000, true, false));
}

void image_make(struct rng *r, uint8_t *mem)
{
	unsigned int i;

	memset(mem, 0, IMAGE_SIZE);
	for (i = IMAGE_DATA; i < IMAGE_STACK + IMAGE_STACK_SIZE; i += 8) {
		/* Who jumps there comes upon a HLT soon, not upon an instruction that is left out. */
		uint64_t val = (rng_next(r) & 0xffffff00ffffff00) | 0xf4000000f4;

		if (chance(r, 40))
			val = IMAGE_DATA + below(r, IMAGE_DATA_SIZE);
		/* Where jumps lead that go astray (indirect_jump()). */
		if (!(i & (IMAGE_LANDING - 1)))
			val = 0xf4f4f4f4f4f4f4f4;
		put64(mem, i, val);
	}
	make_gdt(r, mem);
	make_gates(r, mem);
	make_tss(r, mem);
	for (i = 0; i < IMAGE_ROOTS; i++) {
		make_root32(r, mem, image_root(PAGING_32, i));
		make_root_pae(r, mem, image_root(PAGING_PAE, i));
		make_root_long(r, mem, image_root(PAGING_LONG, i));
	}
}

/* A linear address of data, mostly. */
uint64_t image_pointer(struct rng *r, enum mode in, enum paging paging)
{
	static const uint64_t ways_long[] = {
		0, 0, 0, 0x200000, 0x400000, 0x600000, 0x40000000, 0x400000000000, 0xffffffff80000000,
		0xffffff8000000000,
	};
	static const uint64_t ways32[] = { 0, 0, 0, 0x400000, 0x800000, 0xc00000, 0xc0000000 };
	static const uint64_t ways_pae[] = { 0, 0, 0, 0x200000, 0x400000, 0x600000, 0x40000000,
					     0xc0200000 };
	uint64_t at = IMAGE_DATA + below(r, IMAGE_DATA_SIZE);

	if (in == MODE_REAL || in == MODE_V86)
		return below(r, 0x10000);
	if (in == MODE_PROT16 || in == MODE_COMPAT16)
		return at & 0xffff;
	if (chance(r, 70))
		at &= ~7ull;
	if (chance(r, 5))
		at = IMAGE_DATA + 0x1000 * (1 + below(r, 15)) - below(r, 8);
	switch (paging) {
	case PAGING_32:
		return at + ways32[below(r, 7)];
	case PAGING_PAE:
		return at + ways_pae[below(r, 8)];
	case PAGING_LONG:
		if (in != MODE_LONG)
			return at + ways_long[below(r, 7)];
		if (chance(r, 1))
			return 0x7ffffffffff8 + below(r, 16);	/* where canonical ends */
		return at + ways_long[below(r, 10)];
	default:
		return chance(r, 95) ? at : IMAGE_NOWHERE + below(r, 0x1000);
	}
}
