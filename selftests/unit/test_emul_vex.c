// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: VEX instructions against the processor
 *
 * Every opcode of the maps 0F, 0F38 and 0F3A with every mandatory prefix, length
 * and W, with and without a register in VEX.vvvv, from registers and from memory: the
 * emulator against the same bytes in a page of code.  Registers, flags and MXCSR
 * must come out the same, and what does not exist here must not be emulated there.
 * Everything that the processor does must be emulated.
 *
 *   test_emul_vex [ROUNDS [SEED]]
 */
#include <cpuid.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_page.h"

static struct page_test t;

/* A source that may be a general register: one that is compared. */
static bool reads_gpr(unsigned int map, u8 op)
{
	return map == 1 ? op == 0x2a || op == 0x6e || op == 0x92 || op == 0xc4 : op == 0x20 || op == 0x22;
}

/* BMI, from F0 up, has other tests; its destination may be any register. */
static bool is_vector(unsigned int map, u8 op)
{
	return map == 1 || op < 0xf0;
}

/* All forms of an opcode; R, B and the registers at random. */
static void opcode(unsigned int map, u8 op, struct page_count *c)
{
	unsigned int form, len;
	u8 insn[8];

	for (form = 0; form < 64; form++) {
		bool memory = form & 32, third = form & 16;
		u8 rb = page_rng() & 0xa0;
		u8 vvvv = third ? 15 - page_below(15) : 15;

		insn[0] = 0xc4;
		insn[1] = 0x40 | rb | (memory || reads_gpr(map, op) ? 0x20 : 0) | map;
		insn[2] = (form & 8 ? 0x80 : 0) | vvvv << 3 | (form & 4) | (form & 3);
		insn[3] = op;
		insn[4] = memory ? (page_rng() & 0x38) | 6 : 0xc0 | (page_rng() & 0x3f);
		insn[5] = page_rng();
		len = page_has_imm(map, op) ? 6 : 5;
		/* A general register as the destination must not be one that the page needs. */
		insn[4] &= ~0x20;
		if (!memory)
			insn[4] &= ~4;
		page_one(&t, insn, len, c);
	}
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 10;
	unsigned int map, a = 0, b = 0, c = 0, d;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;

	__get_cpuid_count(7, 0, &a, &b, &c, &d);
	if (!(b & bit_AVX2))
		ktap_skip_all("this processor has no AVX2");
	t.unmask = true;
	page_setup(&t, seed);
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
