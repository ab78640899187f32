// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random use of the system's registers and tables
 *
 * Short sequences: control and debug registers, MSRs, segment registers, flags, entries of page
 * tables followed by a flush.
 */
#include "guest_gen_internal.h"

void control_register(struct gen *g)
{
	static const uint8_t regs[] = { 0, 0, 2, 3, 3, 4, 4, 8 };
	unsigned int cr = regs[below(g->r, sizeof(regs))];
	unsigned int gpr = below(g->r, 4);

	if (g->bits == 64 && cr == 8)
		put(g, 0x44, 1);
	else if (cr == 8)
		cr = 2;
	PUT(g, 0x0f, 0x20, 0xc0 | (cr & 7) << 3 | gpr);
	if (!chance(g->r, 70))
		return;
	/* change one bit, or the page tables, and write it back */
	if (cr == 3 && g->s->paging != PAGING_NONE && chance(g->r, 60))
		mov_reg_imm(g, gpr, image_root(g->s->paging, below(g->r, IMAGE_ROOTS)));
	else if (cr != 3 && g->bits != 16 && !g->stepping)
		PUT(g, 0x0f, 0xba, 0xf8 | gpr, below(g->r, cr == 4 ? 24 : 32));
	define_flags(g);
	if (cr == 8)
		put(g, 0x44, 1);
	PUT(g, 0x0f, 0x22, 0xc0 | (cr & 7) << 3 | gpr);
}

void debug_register(struct gen *g)
{
	unsigned int dr = below(g->r, 8), gpr = below(g->r, 4);

	PUT(g, 0x0f, 0x21, 0xc0 | dr << 3 | gpr);
	if (dr != 7 && chance(g->r, 50))
		PUT(g, 0x0f, 0x23, 0xc0 | dr << 3 | gpr);
}

/* NXE only where it counts: without PAE, stock KVM has bit 4 in the error codes of fetches. */
static uint64_t some_efer(struct gen *g)
{
	return below(g->r, 0x1000) & (g->s->paging < PAGING_PAE ? 0x7ff : 0xfff);
}

void msr(struct gen *g)
{
	static const uint32_t extra[] = { 0x10, 0x1b, 0x277, 0xfe, 0x2ff, 0xc0000103, 0xc001001f,
					  0x8b, 0x17, 0x40000000 };
	uint32_t index = machine_msrs[below(g->r, machine_msr_count)];
	bool write = chance(g->r, 60);
	uint64_t high;

	if (chance(g->r, 10))
		index = extra[5 * write + below(g->r, 5)];
	if (index == 0x10 || index == 0x1b)
		return;
	mov_reg_imm(g, 1, index);
	if (!write) {
		PUT(g, 0x0f, 0x32);
		return;
	}
	/* SYSENTER_ESP and EIP have 32 bits for stock KVM, where the maker is AMD. */
	high = index == 0x175 || index == 0x176 ? 0 : below(g->r, 0x10000) - 0x8000;
	/* Canonical: TCG's WRMSR takes the others where they are passed through, VMLOAD changes them. */
	mov_reg_imm(g, 2, chance(g->r, 70) ? 0 : high);
	mov_reg_imm(g, 0, index == 0xc0000080 ? some_efer(g) :
		    index == 0x174 ? below(g->r, 0x10000) :	/* TCG forgets the rest */
		    chance(g->r, 50) ? image_pointer(g->r, g->s->mode, g->s->paging) :
		    rng_next(g->r));
	PUT(g, 0x0f, 0x30);
}

void segment_load(struct gen *g)
{
	mov_reg_imm(g, 0, below(g->r, GDT_COUNT) * 8 + below(g->r, 8));
	if (chance(g->r, 80)) {
		PUT(g, 0x8e, 0xc0 | below(g->r, 8) << 3);
		return;
	}
	if (unwanted_two(g, 0))
		return;
	/* SLDT to LTR, VERR, VERW; LAR, LSL */
	if (chance(g->r, 50))
		PUT(g, 0x0f, 0x00, 0xc0 | below(g->r, 6) << 3);
	else if (chance(g->r, 50))
		put_lar(g);
	else
		PUT(g, 0x0f, 0x03, 0xc0 | below(g->r, 8) << 3);
}

/* Flags for POPF and IRET. */
uint64_t random_flags(struct gen *g)
{
	struct rng *r = g->r;
	uint64_t flags = rng_next(r) & 0xcd5;

	if (chance(r, 30))
		flags |= 1 << 9;
	if (chance(r, 20))
		flags |= below(r, 4) << 12;
	if (chance(r, 5))
		flags |= 1 << 8;
	if (chance(r, 5))
		flags |= rng_next(r) & 0x254000;
	g->stepping |= flags >> 8 & 1;
	return flags | 2;
}

void flags_instruction(struct gen *g)
{
	static const uint8_t ops[] = { 0x9c, 0x9d, 0xfa, 0xfb, 0xfc, 0xfd, 0x9e, 0x9f, 0xf5, 0xf8, 0xf9 };
	unsigned int op = ops[below(g->r, sizeof(ops))];

	if (op == 0x9d) {
		push_imm(g, random_flags(g));
		if (chance(g->r, 20))
			put(g, 0x66, 1);
	}
	put(g, op, 1);
}

/* An entry of the page tables gets another value, and the TLB is told. */
void page_table_write(struct gen *g)
{
	struct rng *r = g->r;
	bool wide = g->s->paging != PAGING_32;
	uint64_t page = below(r, 6), gpa;
	unsigned int size = wide ? 8 : 4;

	if (g->bits != (g->s->paging == PAGING_LONG ? 64 : 32) || g->user ||
	    g->s->regs.rflags & 0x100)
		return;
	/* image_root() is the top; the tables of the root follow it */
	gpa = image_root(g->s->paging, g->s->root) + 0x1000 * page;
	gpa &= ~0xfffull;
	gpa += size * (chance(r, 50) ? IMAGE_DATA / 4096 + below(r, 16) : below(r, 8));
	mov_reg_imm(g, 6, gpa);
	mov_reg_imm(g, 0, image_entry(r, IMAGE_DATA + 0x1000 * below(r, 16), wide, true));
	if (g->bits == 64)
		put(g, 0x48, 1);
	/* MOV, or XOR without its flags: what the entry was depends on who set accessed bits when. */
	PUT(g, chance(r, 50) ? 0x89 : 0x31, 0x06);
	define_flags(g);
	PUT(g, 0x0f, 0x20, 0xdb, 0x0f, 0x22, 0xdb);	/* CR3 to itself */
}
