// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random ways to go on elsewhere
 *
 * Far returns with good frames, system calls and returns from them, interrupts, loops that end and jumps;
 * all come back to the code that follows, mostly.
 */
#include "guest_gen_internal.h"

#include <string.h>

static unsigned int code_selector(struct gen *g)
{
	static const uint8_t codes[] = { GDT_CODE64, GDT_CODE32, GDT_UCODE32, GDT_UCODE64, GDT_CODE16,
					 GDT_UCODE16, GDT_CONFORMING, GDT_GATE };
	unsigned int n = codes[below(g->r, sizeof(codes))];
	unsigned int rpl = n == GDT_UCODE32 || n == GDT_UCODE64 || n == GDT_UCODE16 ? 3 : 0;

	return n * 8 + (chance(g->r, 90) ? rpl : below(g->r, 4));
}

void push_imm(struct gen *g, uint64_t val)
{
	put(g, 0x68, 1);
	put(g, val, g->bits == 16 ? 2 : 4);
}

/* Where the next instruction is, for a jump to it. */
static uint64_t next_rip(const struct gen *g)
{
	return g->s->code_gpa + g->s->code_len - g->base;
}

/* Code goes on in segment @cs, if there is one. */
static void enter_segment(struct gen *g, unsigned int cs)
{
	unsigned int n = cs / 8;

	if (g->s->mode == MODE_REAL || g->s->mode == MODE_V86) {
		g->base = 16 * cs;
		return;
	}
	g->user |= (cs & 3) == 3;
	if (n == GDT_CODE32 || n == GDT_UCODE32 || n == GDT_CONFORMING)
		g->bits = 32;
	else if (n == GDT_CODE64 || n == GDT_UCODE64)
		g->bits = g->s->paging == PAGING_LONG ? 64 : 16;
	else
		g->bits = 16;
}

/* IRET or RETF with a frame that is mostly good, to the code that follows. */
void far_return(struct gen *g)
{
	bool iret = chance(g->r, 60);
	unsigned int cs = code_selector(g), data = (cs & 3) == 3 ? GDT_UDATA : GDT_DATA;
	unsigned int place, size = g->bits == 16 ? 2 : 4;
	uint32_t target;

	/* To rings 1 and 2, too, or SS may be null, which TCG takes on the way to 32-bit code (SDM Vol. 2A, IRET). */
	if (g->bits == 64 || cs & 3) {
		push_imm(g, data * 8 + (cs & 3));
		push_imm(g, IMAGE_STACK + 0x1000 + below(g->r, 0x200) * 8);
	}
	if (iret)
		push_imm(g, random_flags(g));
	push_imm(g, cs);
	put(g, 0x68, 1);
	place = g->s->code_len;
	put(g, 0, size);
	if (g->bits == 64)
		put(g, 0x48, 1);
	put(g, iret ? 0xcf : 0xcb, 1);
	enter_segment(g, cs);
	target = next_rip(g);
	memcpy(g->s->code + place, &target, size);
}

/* SYSRET or SYSEXIT to the code that follows. */
static void system_return(struct gen *g, unsigned int op)
{
	bool to64 = g->bits == 64 && chance(g->r, 70);
	unsigned int place;
	uint32_t target;

	/* Not what memory may have put there: of VIF, VIP, VM and RF TCG does the opposite (state_make()). */
	if (op == 7 && g->bits == 64) {
		PUT(g, 0x49, 0xbb);
		put(g, random_flags(g) & ~0x1b0000ull, 8);
	}
	mov_reg_imm(g, op == 7 ? 1 : 2, 0);
	place = g->s->code_len - (g->bits == 64 ? 8 : 4);
	if (to64)
		put(g, 0x48, 1);
	PUT(g, 0x0f, op);
	target = g->s->code_gpa + g->s->code_len;
	memcpy(g->s->code + place, &target, sizeof(target));
	enter_segment(g, 8 * (to64 ? GDT_UCODE64 : GDT_UCODE32) + 3);
}

void system_call(struct gen *g)
{
	static const uint8_t calls[] = { 0x05, 0x07, 0x34, 0x35 };
	unsigned int op = calls[below(g->r, has_sysenter(g) ? 4 : 2)];

	if (op == 7 && !has_sysret(g))
		return;
	if (op == 7 || op == 0x35)
		system_return(g, op);
	else
		PUT(g, 0x0f, op);
}

void interrupt_instruction(struct gen *g)
{
	if (chance(g->r, 70))
		PUT(g, 0xcd, below(g->r, 256));
	else
		put(g, 0xcc + 2 * below(g->r, 2), 1);
}

/* Small loops that end. */
void loop(struct gen *g)
{
	mov_reg_imm(g, 1, 1 + below(g->r, 200));
	PUT(g, 0x40 + (g->bits == 64 ? 0x8 : 0));
	if (g->bits == 64)
		PUT(g, 0xff, 0xc3, 0xe2, 0xfb);
	else
		PUT(g, 0x43, 0xe2, 0xfc);
}

void indirect_jump(struct gen *g)
{
	unsigned int distance = below(g->r, 6), place;
	/*
	 * Where there is a HLT, mostly: what else is there may be an instruction that is left out, or
	 * one that leaves flags undefined.  Offsets of 16 bits do not reach it.
	 */
	uint64_t target = image_pointer(g->r, g->s->mode, g->s->paging) & ~(IMAGE_LANDING - 1ull);
	bool astray = g->bits != 16 && chance(g->r, 10);

	mov_reg_imm(g, 3, target);
	place = g->s->code_len - (g->bits == 64 ? 8 : 4);
	PUT(g, 0xff, chance(g->r, 50) ? 0xd3 : 0xe3);
	while (distance--)
		put(g, 0x90, 1);
	target = next_rip(g);
	if (!astray)
		memcpy(g->s->code + place, &target, g->bits == 64 ? 8 : 4);
}
