// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random code
 *
 * Instructions of all kinds in a row: nothing that runs past its own bytes, few jumps that go back.
 */
#include "guest_gen_internal.h"

#include <string.h>

#include "xorshift.h"

uint64_t rng_next(struct rng *r)
{
	r->state = xorshift(r->state);
	return r->state * 0x2545f4914f6cdd1dull >> 3;
}

uint64_t below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

bool chance(struct rng *r, unsigned int percent)
{
	return below(r, 100) < percent;
}

/* Bytes that one item of code takes at most, and a HLT behind it. */
#define ROOM	64u

static void string_instruction(struct gen *g)
{
	static const uint8_t ops[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf,
				       0x6c, 0x6d, 0x6e, 0x6f };
	unsigned int op = ops[below(g->r, sizeof(ops))];

	if (chance(g->r, 50))
		mov_reg_imm(g, 1, below(g->r, 20));
	put_prefixes(g, false, true);
	/* A prefix must stand before REX, and REX last. */
	if (g->s->code_len && (g->s->code[g->s->code_len - 1] & 0xf0) != 0x40)
		put(g, 0xf2 + below(g->r, 2), 1);
	put(g, op, 1);
}

static void (*const special[])(struct gen *g) = {
	control_register, control_register, debug_register, msr, string_instruction, string_instruction,
	far_return, far_return, segment_load, segment_load, system_call, flags_instruction,
	flags_instruction, interrupt_instruction, page_table_write, page_table_write, loop,
	indirect_jump,
};

/* The rest is HLT: the step ends there, or by #GP in user code. */
void gen_code(struct rng *r, struct step *s, const struct limits *lim)
{
	struct gen g = { .r = r, .s = s, .lim = lim, .user = s->user,
			 .stepping = s->regs.rflags >> 8 & 1, .base = s->sregs.cs.base };
	unsigned int n = 1 + below(r, 8);

	g.bits = s->mode == MODE_LONG ? 64 :
		 s->mode == MODE_PROT32 || s->mode == MODE_COMPAT32 ? 32 : 16;
	g.osize = g.bits == 16 ? 2 : 4;
	g.asize = g.bits / 8;
	memset(s->code, 0xf4, sizeof(s->code));
	s->code_len = 0;
	while (n-- && s->code_len < CODE_MAX - ROOM) {
		unsigned int what = below(r, 100);

		if (what < 35)
			plain_instruction(&g);
		else if (what < 65)
			any_instruction(&g);
		else
			special[below(r, sizeof(special) / sizeof(special[0]))](&g);
	}
	s->code_len = CODE_MAX;
}
