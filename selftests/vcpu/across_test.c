// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: across_test
 *
 * Accesses across two pages of which one cannot be had: a page fault at the first byte that cannot, and nothing
 * is left of the instruction, also no dirty bit of the other page (SDM Vol. 3A 4.8).  That last is the emulator's only:
 * where the processor has the first page's fault, shadow paging brings it as it must be for the write.
 */
#include <stdio.h>
#include <string.h>

#include "ktap.h"
#include "traps.h"

#define WHERE	0x600000000ull	/* two pages of addresses; the access begins two bytes before the second */
#define AT	(WHERE + KU_PAGE - 2)
#define WORD	0x11223344

KU_CODE64(move, "mov %eax, (%rbx)\n hlt\n");
KU_CODE64(add, "orl $0x55555555, (%rbx)\n hlt\n");
KU_CODE64(swap, "xchg %eax, (%rbx)\n hlt\n");
KU_CODE64(compare, "lock cmpxchg %ecx, (%rbx)\n hlt\n");
KU_CODE64(shift, "shll $3, (%rbx)\n hlt\n");
KU_CODE64(load, "mov (%rbx), %eax\n hlt\n");

static const struct {
	const char *name, *code, *end;
	bool writes;
} rows[] = {
	{ "MOV to memory", move, move_end, true },
	{ "OR", add, add_end, true },
	{ "XCHG", swap, swap_end, true },
	{ "LOCK CMPXCHG", compare, compare_end, true },
	{ "SHL", shift, shift_end, true },
	{ "MOV from memory", load, load_end, false },
};

/* The two pages' memory is one after the other. */
static uint64_t map(struct traps *t, uint64_t first, uint64_t second)
{
	uint64_t gpa = ku_page(t->vm), next = ku_page(t->vm);
	uint32_t word = WORD;

	ku_map(t->vm, t->vm->cr3, WHERE, gpa, first);
	ku_map(t->vm, t->vm->cr3, WHERE + KU_PAGE, next, second);
	memcpy(ku_ptr(t->vm, gpa + KU_PAGE - 2), &word, 2);
	memcpy(ku_ptr(t->vm, next), (char *)&word + 2, 2);
	return gpa;
}

static int run(struct traps *t, unsigned int row, struct trap_frame *f)
{
	struct kvm_regs regs;

	traps_code(t, rows[row].code, rows[row].end);
	regs = ku_get_regs(t->vcpu);
	regs.rax = WORD;
	regs.rcx = 0x99999999;
	regs.rbx = AT;
	ku_set_regs(t->vcpu, &regs);
	return traps_run(t, f);
}

static bool is_clean(struct traps *t, uint64_t gva)
{
	return !(*ku_pte(t->vm, t->vm->cr3, gva, 1) & KU_PTE_D);
}

static bool is_emulated(void)
{
	FILE *f = fopen("/sys/module/umbra/parameters/force_emulation", "r");
	bool on = f && fgetc(f) == 'Y';

	if (f)
		fclose(f);
	return on;
}

/* @bad: the page, 0 or 1, that is not there. */
static void test_absent(unsigned int row, unsigned int bad)
{
	struct traps t = traps_new();
	const uint64_t there = KU_PTE_P | KU_PTE_W;
	uint64_t gpa = map(&t, bad ? there : 0, bad ? 0 : there);
	uint64_t cr2 = bad ? WHERE + KU_PAGE : AT;
	uint32_t word = 0;
	struct trap_frame f;
	int vector = run(&t, row, &f);

	memcpy(&word, ku_ptr(t.vm, gpa + KU_PAGE - 2), 2);
	ktap_ok(vector == 14 && f.rip == KU_CODE && ku_get_sregs(t.vcpu).cr2 == cr2 &&
		word == (WORD & 0xffff), "%s, page %u absent: #PF there", rows[row].name, bad);
	if (is_emulated() || !bad || !rows[row].writes)
		ktap_ok(is_clean(&t, WHERE) && is_clean(&t, WHERE + KU_PAGE), "%s: no page is dirty",
			rows[row].name);
	else
		ktap_skip(rows[row].name, "shadow paging brings the first page for the write");
	traps_free(&t);
}

static void test_present(unsigned int row)
{
	struct traps t = traps_new();
	bool dirty = rows[row].writes;

	map(&t, KU_PTE_P | KU_PTE_W, KU_PTE_P | KU_PTE_W);
	ktap_ok(run(&t, row, NULL) == TRAP_NONE && is_clean(&t, WHERE) != dirty &&
		is_clean(&t, WHERE + KU_PAGE) != dirty, "%s, both there: %s", rows[row].name,
		dirty ? "dirty" : "clean");
	traps_free(&t);
}

int main(void)
{
	const unsigned int n = sizeof(rows) / sizeof(rows[0]);
	unsigned int i;

	ktap_plan(5 * n);
	for (i = 0; i < n; i++) {
		test_present(i);
		test_absent(i, 0);
		test_absent(i, 1);
	}
	ktap_exit();
}
