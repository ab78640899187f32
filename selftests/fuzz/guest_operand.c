// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: prefixes and operands of random instructions
 */
#include "guest_gen_internal.h"

#include <string.h>

void put(struct gen *g, uint64_t val, unsigned int len)
{
	memcpy(g->s->code + g->s->code_len, &val, len);
	g->s->code_len += len;
}

unsigned int imm_size(struct gen *g)
{
	return g->osize == 2 ? 2 : 4;
}

uint64_t small_number(struct gen *g)
{
	return chance(g->r, 70) ? below(g->r, 64) - 16 : rng_next(g->r);
}

/* ModRM with all that belongs to it; @reg < 0: any. */
void put_modrm(struct gen *g, int reg, int want_mod)
{
	unsigned int mod = want_mod >= 0 ? (unsigned int)want_mod : below(g->r, g->locked ? 3 : 4);
	unsigned int rm = below(g->r, 8);

	if (reg < 0)
		reg = below(g->r, 8);
	put(g, mod << 6 | (reg & 7) << 3 | rm, 1);
	if (mod == 3)
		return;
	if (g->asize == 2) {
		if (mod == 0 && rm == 6)
			put(g, IMAGE_DATA / 2 + below(g->r, 0x1000), 2);
		else if (mod)
			put(g, small_number(g), mod);
		return;
	}
	if (rm == 4) {
		unsigned int sib = below(g->r, 256);

		if (chance(g->r, 60))
			sib = (sib & 0xc7) | 0x20;	/* no index */
		put(g, sib, 1);
		if (mod == 0 && (sib & 7) == 5)
			put(g, image_pointer(g->r, g->s->mode, g->s->paging), 4);
	}
	if (mod == 0 && rm == 5)
		put(g, g->bits == 64 ? below(g->r, 0x100) :
		    image_pointer(g->r, g->s->mode, g->s->paging), 4);
	if (mod == 1)
		put(g, below(g->r, 256), 1);
	else if (mod == 2)
		put(g, small_number(g), 4);
}

/* The same within a group: not CMP; NOT, NEG; INC, DEC.  -1: any. */
int lockable(struct gen *g, unsigned int op)
{
	if (!g->locked)
		return -1;
	if (op >= 0x80 && op <= 0x83)
		return below(g->r, 7);
	if (op == 0xf6 || op == 0xf7)
		return 2 + below(g->r, 2);
	return op >= 0xfe ? (int)below(g->r, 2) : -1;
}

/* The displacement of a jump over as many NOPs. */
static void put_jump(struct gen *g, unsigned int size)
{
	unsigned int distance = below(g->r, 6);

	put(g, distance, size);
	while (distance--)
		put(g, 0x90, 1);
}

void put_operands(struct gen *g, char kind, unsigned int op)
{
	switch (kind) {
	case 'm':
		put_modrm(g, lockable(g, op), -1);
		break;
	case 'b':
		put_modrm(g, lockable(g, op), -1);
		put(g, below(g->r, 256), 1);
		break;
	case 'z':
		put_modrm(g, lockable(g, op), -1);
		put(g, small_number(g), imm_size(g));
		break;
	case 'i':
		put(g, below(g->r, 256), 1);
		break;
	case 'Z':
		put(g, small_number(g), imm_size(g));
		break;
	case 'V':
		put(g, small_number(g), g->osize == 8 ? 8 : imm_size(g));
		break;
	case 'j':
	case 'J':
		put_jump(g, kind == 'j' ? 1 : g->bits == 64 ? 4 : imm_size(g));
		break;
	case 'P':
		put(g, IMAGE_HANDLERS + below(g->r, 0x1000), imm_size(g));
		put(g, below(g->r, GDT_COUNT) * 8 + below(g->r, 4), 2);
		break;
	case 'o':
		put(g, image_pointer(g->r, g->s->mode, g->s->paging), g->asize);
		break;
	case 'w':
		put(g, below(g->r, 64), 2);
		break;
	case 'e':
		put(g, below(g->r, 64), 2);
		put(g, below(g->r, 3), 1);
		break;
	case 'f': {
		unsigned int ext = g->locked ? lockable(g, op) : (int)below(g->r, 8);

		if (ext == 1)
			ext = 0;	/* TEST, too, but #UD to TCG */

		put_modrm(g, ext, -1);
		if (ext < 2)
			put(g, small_number(g), op & 1 ? imm_size(g) : 1);
		break;
	}
	}
}

/* Prefixes; what they do to the sizes. */
void put_prefixes(struct gen *g, bool lock, bool rep)
{
	static const uint8_t segments[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65 };

	g->osize = g->bits == 16 ? 2 : 4;
	g->asize = g->bits / 8;
	g->data16 = chance(g->r, 12);
	if (g->data16) {
		put(g, 0x66, 1);
		g->osize ^= 6;
	}
	if (chance(g->r, 6)) {
		put(g, 0x67, 1);
		g->asize = g->asize == 8 ? 4 : g->asize ^ 6;
	}
	if (chance(g->r, 8))
		put(g, segments[below(g->r, 6)], 1);
	g->rep = rep && chance(g->r, 10);
	if (g->rep)
		put(g, 0xf2 + below(g->r, 2), 1);
	g->rex = NULL;
	g->locked = lock && chance(g->r, 10);
	if (g->locked)
		put(g, 0xf0, 1);
	if (g->bits == 64 && chance(g->r, 50)) {
		unsigned int rex = 0x40 + below(g->r, 16);

		g->rex = g->s->code + g->s->code_len;
		put(g, rex, 1);
		if (rex & 8)
			g->osize = 8;
	}
}

void mov_reg_imm(struct gen *g, unsigned int reg, uint64_t val)
{
	if (g->bits == 64) {
		put(g, 0x48, 1);
		put(g, 0xb8 + reg, 1);
		put(g, val, 8);
		return;
	}
	if (g->bits == 16)
		put(g, 0x66, 1);
	put(g, 0xb8 + reg, 1);
	put(g, val, 4);
}
