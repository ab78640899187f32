// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: EVEX instructions against the processor
 *
 * As test_emul_vex: every opcode of the maps 0F, 0F38 and 0F3A with every mandatory
 * prefix, length and W, and with masks, zeroing, broadcasts, rounding, displacements of
 * one byte and the upper sixteen registers at random.  What the emulator does not know is counted.
 *
 *   test_emul_evex [ROUNDS [SEED]]
 */
#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_page.h"

static struct page_test t;

/* A displacement may go back by the length of a vector. */
static void prepare(struct page_test *test)
{
	if (test->operand < 64)
		test->operand += 64;
}

/* A source or destination in a general register: not tried here. */
static bool has_gpr(unsigned int map, u8 op)
{
	switch (map) {
	case 1:
		return (op >= 0x2a && op <= 0x2f) || op == 0x6e || op == 0x7e || op == 0xc4 ||
		       op == 0xc5 || (op >= 0x78 && op <= 0x7b);
	case 2:
		return (op >= 0x7a && op <= 0x7c) || (op >= 0x90 && op <= 0x93) ||
		       (op >= 0xa0 && op <= 0xa3) || op == 0xc6 || op == 0xc7;
	}
	return (op >= 0x14 && op <= 0x17) || (op >= 0x20 && op <= 0x22);
}

static bool is_wanted(unsigned int map, u8 op)
{
	return !has_gpr(map, op);
}

static void opcode(unsigned int map, u8 op, struct page_count *c)
{
	unsigned int form, n;
	u8 insn[10];

	for (form = 0; form < 64; form++) {
		bool memory = form & 32, third = form & 16;
		bool b = !page_below(4), z = !page_below(3);
		u8 vvvv = third ? page_rng() & 31 : 31;

		insn[0] = 0x62;
		insn[1] = (page_rng() & (memory ? 0x90 : 0xf0)) | (memory ? 0x60 : 0) | map;
		insn[2] = (form & 8 ? 0x80 : 0) | (vvvv & 15) << 3 | 4 | (form & 3);
		insn[3] = (z ? 0x80 : 0) | (b ? page_below(4) : page_below(3)) << 5 |
			  (b ? 0x10 : 0) | (vvvv & 16 ? 8 : 0) | (page_below(3) ? page_below(8) : 0);
		insn[4] = op;
		insn[5] = memory ? 0x46 | (page_rng() & 0x38) : 0xc0 | (page_rng() & 0x3f);
		n = 6;
		if (memory)
			insn[n++] = page_below(3) - 1;
		if (page_has_imm(map, op))
			insn[n++] = page_rng();
		page_one(&t, insn, n, c);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 5;
	unsigned int map;

	t.unmask = true;
	t.prepare = prepare;
	page_setup(&t, argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull);
	if (!t.avx512)
		ktap_skip_all("this processor has no AVX-512");
	ktap_plan(3);
	for (map = 1; map <= 3; map++) {
		struct page_count sum = page_map(map, rounds, is_wanted, opcode);

		ktap_ok(!sum.wrong,
			"map %u: %lu run, %lu fault, %lu wrong, %lu not emulated", map,
			sum.run, sum.absent, sum.wrong, sum.missing);
	}
	page_cleanup(&t);
	ktap_exit();
}
