// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: gathers against the processor
 *
 * VPGATHERDD and its relatives with indices that stay in memory and with some that do
 * not: destination and mask must be what the processor leaves, also where an element in
 * the middle faults, and the two must fault for the same operands.
 *
 *   test_emul_gather [ROUNDS [SEED]]
 */
#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_page.h"

static struct page_test t;
static unsigned int index_reg, index_size, scale;
static bool leaves;

/* Indices within what is mapped; of @leaves some are behind it. */
static void prepare(struct page_test *test)
{
	unsigned int at;
	s64 index;

	test->operand = PAGE_OPERAND;
	for (at = 0; at < 64; at += index_size) {
		index = (s64)page_below(PAGE_OPERAND) - PAGE_OPERAND / 2;
		if (leaves && !page_below(4))
			index = PAGE_DATA_SIZE + page_below(64);
		index >>= scale;
		if (leaves && !page_below(4))
			index = (PAGE_DATA_SIZE >> scale) + page_below(8);
		memcpy(test->cpu.vec[index_reg] + at, &index, index_size);
	}
}

static void one(u8 op, unsigned int form, struct page_count *c)
{
	unsigned int reg = page_below(16), third = page_below(16);
	u8 insn[7];

	index_reg = page_below(16);
	index_size = op & 1 ? 8 : 4;
	scale = page_below(4);
	insn[0] = 0xc4;
	insn[1] = 0x22 | (reg & 8 ? 0 : 0x80) | (index_reg & 8 ? 0 : 0x40);
	insn[2] = (form & 1 ? 0x80 : 0) | (~third & 15) << 3 | (form & 2 ? 4 : 0) | 1;
	insn[3] = op;
	insn[4] = 0x44 | (reg & 7) << 3;
	insn[5] = scale << 6 | (index_reg & 7) << 3 | 6;
	insn[6] = page_below(32);
	page_one(&t, insn, 7, c);
}

static void test(unsigned long rounds, const char *what)
{
	struct page_count sum = { 0 };
	unsigned long n;
	unsigned int op, form;

	for (n = 0; n < rounds; n++)
		for (op = 0x90; op <= 0x93; op++)
			for (form = 0; form < 4; form++)
				one(op, form, &sum);
	ktap_ok(!sum.wrong && !sum.missing && sum.run > rounds && sum.absent,
		"%s: %lu run, %lu fault, %lu wrong, %lu not emulated", what, sum.run, sum.absent,
		sum.wrong, sum.missing);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;

	t.prepare = prepare;
	page_setup(&t, argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull);
	if (!(t.v.e.features & UMBRA_EMUL_F_AVX2))
		ktap_skip_all("this processor has no AVX2");
	ktap_plan(2);
	test(rounds, "elements in memory");
	leaves = true;
	if (t.v.e.features & UMBRA_EMUL_F_AMD)
		test(rounds, "elements that fault");
	else
		ktap_skip("elements that fault", "what a fault leaves is AMD's");
	page_cleanup(&t);
	ktap_exit();
}
