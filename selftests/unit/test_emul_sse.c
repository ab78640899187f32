// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: MMX and SSE instructions against the processor
 *
 * The legacy vector opcodes of the maps 0F, 0F38 and 0F3A with every mandatory prefix
 * and with REX bits at random, from registers and from memory, as test_emul_vex does it for VEX.
 * Everything that this processor does must be emulated.
 *
 *   test_emul_sse [ROUNDS [SEED]]
 */
#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_page.h"

static const u8 ops_3dnow[] = {
	0x0c, 0x0d, 0x1c, 0x1d, 0x8a, 0x8e, 0x90, 0x94, 0x96, 0x97, 0x9a, 0x9e,
	0xa0, 0xa4, 0xa6, 0xa7, 0xaa, 0xae, 0xb0, 0xb4, 0xb6, 0xb7, 0xbb, 0xbf,
};

static struct page_test t;

/* What of the map is vectors'. */
static bool is_vector(unsigned int map, u8 op)
{
	switch (map) {
	case 1:
		return op == 0x0f || (op >= 0x10 && op <= 0x17) || (op >= 0x28 && op <= 0x2f) ||
		       (op >= 0x50 && op <= 0x7f) || op == 0xc2 || (op >= 0xc4 && op <= 0xc6) ||
		       (op >= 0xd0 && op <= 0xfe);
	case 2:
		/* INVEPT and its like */
		return op < 0xf0 && !(op >= 0x80 && op <= 0x82);
	}
	return op < 0xf0;
}

/* One of the operands may be a general register: one of those that are compared. */
static bool has_gpr(unsigned int map, u8 op)
{
	if (map == 1)
		return op == 0x2a || op == 0x2c || op == 0x2d || op == 0x50 || op == 0x6e ||
		       op == 0x7e || op == 0xc4 || op == 0xc5 || op == 0xd7;
	return map == 3 && ((op >= 0x14 && op <= 0x17) || (op >= 0x20 && op <= 0x22));
}

static void opcode(unsigned int map, u8 op, struct page_count *c)
{
	static const u8 prefixes[] = { 0, 0x66, 0xf3, 0xf2 };
	unsigned int form, n;
	u8 insn[12];

	for (form = 0; form < 16; form++) {
		bool memory = form & 8, gpr = has_gpr(map, op);

		/* VMREAD, VMWRITE */
		if (map == 1 && (op == 0x78 || op == 0x79) && (form & 1) == 0)
			continue;
		n = 0;
		if (form & 3)
			insn[n++] = prefixes[form & 3];
		insn[n++] = 0x40 | (form & 4 ? 8 : 0) | (gpr ? 0 : page_rng() & 5);
		if (memory)
			insn[n - 1] &= ~1;
		insn[n++] = 0x0f;
		if (map > 1)
			insn[n++] = map == 2 ? 0x38 : 0x3a;
		insn[n++] = op;
		insn[n] = memory ? (page_rng() & 0x38) | 6 : 0xc0 | (page_rng() & 0x3f);
		if (gpr)
			insn[n] &= memory ? ~0x20 : ~0x24;
		n++;
		/* EXTRQ and INSERTQ have two. */
		if (map == 1 && op == 0x78) {
			insn[n++] = page_rng();
			insn[n++] = page_rng();
		}
		if (map == 1 && op == 0x0f)
			insn[n++] = ops_3dnow[page_below(sizeof(ops_3dnow))];
		if (page_has_imm(map, op))
			insn[n++] = page_rng();
		page_one(&t, insn, n, c);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 10;
	unsigned int map;

	t.unmask = true;
	page_setup(&t, argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull);
	if (!(t.v.e.features & UMBRA_EMUL_F_AVX))
		ktap_skip_all("this processor has no AVX");
	ktap_plan(3);
	for (map = 1; map <= 3; map++) {
		struct page_count sum = page_map(map, rounds, is_vector, opcode);

		ktap_ok(!sum.wrong && !sum.missing && sum.run > rounds,
			"map %u: %lu run, %lu do not exist, %lu wrong, %lu not emulated", map,
			sum.run, sum.absent, sum.wrong, sum.missing);
	}
	page_cleanup(&t);
	ktap_exit();
}
