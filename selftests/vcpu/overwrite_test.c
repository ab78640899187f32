// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: overwrite_test
 *
 * A repeated string instruction that writes over itself.  Whether its next element is still one of
 * it nobody says (SDM Vol. 3A 12.1.3), but it is one or the other: elements that the
 * registers count as done are in memory, no others are, and the vCPU goes on at the
 * instruction, which is another now, or behind it.
 */
#include <string.h>

#include "ktap.h"
#include "traps.h"

#define COUNT	64u	/* elements of a byte */
#define BEFORE	8u	/* of them, before the instruction's first byte in the direction of travel */
#define HLT	0xf4

KU_CODE64(stos, ".fill 64, 1, 0x90\n .byte 0xf2, 0xaa\n .fill 96, 1, 0xf4\n");
KU_CODE64(rstos, ".fill 64, 1, 0x90\n .byte 0xf3, 0xaa\n .fill 96, 1, 0xf4\n");
KU_CODE64(movs, ".fill 64, 1, 0x90\n .byte 0xf3, 0xa4\n .fill 96, 1, 0xf4\n");

#define INSN	(KU_CODE + 64)
#define INSN_LEN 2u
#define SOURCE	(KU_CODE + 0x800)

static const struct {
	const char *name, *code, *end;
	bool down;
} rows[] = {
	{ "REPNE STOSB", stos, stos_end, false },
	{ "REPNE STOSB, downwards", stos, stos_end, true },
	{ "REP STOSB", rstos, rstos_end, false },
	{ "REP MOVSB", movs, movs_end, false },
	{ "REP MOVSB, downwards", movs, movs_end, true },
};

static void test_row(unsigned int row)
{
	struct traps t = traps_new();
	bool down = rows[row].down;
	uint64_t at = down ? INSN + INSN_LEN - 1 + BEFORE : INSN - BEFORE, done, i;
	struct kvm_regs regs;
	bool stored = true, itself;

	traps_code(&t, rows[row].code, rows[row].end);
	memset(ku_ptr(t.vm, SOURCE - COUNT), HLT, 2 * COUNT);
	regs = ku_get_regs(t.vcpu);
	regs.rip = INSN;
	regs.rax = HLT;
	regs.rcx = COUNT;
	regs.rsi = SOURCE;
	regs.rdi = at;
	regs.rflags |= down ? 1u << 10 : 0;
	ku_set_regs(t.vcpu, &regs);
	ku_run_to(t.vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(t.vcpu);
	done = COUNT - regs.rcx;
	for (i = 0; i < COUNT && stored; i++) {
		uint64_t gpa = down ? at - i : at + i;
		uint8_t was = rows[row].code[gpa - KU_CODE];

		stored = *(uint8_t *)ku_ptr(t.vm, gpa) == (i < done ? HLT : was);
	}
	/* Downwards the opcode goes first, and the prefix stays. */
	itself = regs.rip == INSN + 1 + down && done > BEFORE;
	ktap_ok(itself || (regs.rip == INSN + INSN_LEN + 1 && done == COUNT),
		"%s: goes on at what it has become, or behind", rows[row].name);
	ktap_note("rip %#llx, %llu elements", (unsigned long long)regs.rip, (unsigned long long)done);
	ktap_ok(stored && regs.rdi == (down ? at - done : at + done),
		"%s: what is counted is stored, nothing else", rows[row].name);
	traps_free(&t);
}

int main(void)
{
	const unsigned int n = sizeof(rows) / sizeof(rows[0]);
	unsigned int i;

	ktap_plan(2 * n);
	for (i = 0; i < n; i++)
		test_row(i);
	ktap_exit();
}
