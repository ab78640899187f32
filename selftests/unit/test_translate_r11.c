// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache: R11
 *
 * It is in vdata, but where code uses it: how many instructions that takes, that it is the guest's
 * at each boundary, and that each branch finds the block that expects it where it is.
 */
#include <signal.h>

#include "ktap.h"
#include "tc_internal.h"
#include "test_translate_env.h"

#define CODE	0x20000000ull
#define STACK	0x20010800ull
#define R11	11

static bool good;

static void fresh(void)
{
	good = true;
	env_fresh(CODE);
}

/* With 0x1111 in R11; a second time all is there. */
static struct run twice(u64 rip)
{
	struct run run;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		run = (struct run){ .mode = i ? RUN_STEPS : RUN_TRANSLATED };
		run.g.gpr[4] = STACK;
		run.g.gpr[R11] = 0x1111;
		run.g.rip = rip;
		env_run(&run);
		CHECK(!run.problem && !run.signal);
	}
	CHECK(!run.chains && !run.misses);
	return run;
}

/* Who does not use it pays nothing, who sets it nothing but at the next RET. */
static bool costs(void)
{
	struct run run;

	fresh();
	/* call 1f; hlt; 1: ret */
	PUT(CODE, 0xe8, 1, 0, 0, 0, 0xf4, 0xc3);
	run = twice(CODE);
	CHECK(run.host_steps == 4 && run.g.gpr[R11] == 0x1111);
	/* mov rax, r11; add rax, r11; hlt */
	PUT(CODE + 0x100, 0x4c, 0x89, 0xd8, 0x4c, 0x01, 0xd8, 0xf4);
	run = twice(CODE + 0x100);
	CHECK(run.host_steps == 4 && run.g.gpr[0] == 0x2222 && run.g.gpr[R11] == 0x1111);
	/* call 1f; hlt; 1: mov r11d, 5; add r11, r11; ret */
	PUT(CODE + 0x200, 0xe8, 1, 0, 0, 0, 0xf4, 0x41, 0xbb, 5, 0, 0, 0, 0x4d, 0x01, 0xdb, 0xc3);
	run = twice(CODE + 0x200);
	CHECK(run.host_steps == 7 && run.g.gpr[R11] == 10);
	return good;
}

/* What sets it, and what only looks so: it has 0x1111, and a part of that is left. */
static bool sets(void)
{
	static const struct {
		u64 want;
		u8 n, code[8];
	} rows[] = {
		{ 0, 3, { 0x45, 0x31, 0xdb } },				/* xor r11d, r11d */
		{ 0x1111 ^ 0x99, 3, { 0x45, 0x31, 0xc3 } },		/* xor r11d, r8d */
		{ 0x99, 3, { 0x45, 0x8b, 0xd8 } },			/* mov r11d, r8d */
		{ 0x0099, 4, { 0x66, 0x45, 0x8b, 0xd8 } },		/* mov r11w, r8w */
		{ 0x1199, 3, { 0x45, 0x8a, 0xd8 } },			/* mov r11b, r8b */
		{ 0x1112, 4, { 0x4d, 0x8d, 0x5b, 1 } },			/* lea r11, [r11 + 1] */
		{ 0x9a, 4, { 0x4d, 0x8d, 0x58, 1 } },			/* lea r11, [r8 + 1] */
		{ 0x11, 4, { 0x45, 0x0f, 0xb6, 0xdb } },		/* movzx r11d, r11b */
		{ 0x1107, 3, { 0x41, 0xb3, 7 } },			/* mov r11b, 7 */
		{ 7, 6, { 0x41, 0xbb, 7, 0, 0, 0 } },			/* mov r11d, 7 */
		{ 0x1111 * 2, 3, { 0x4d, 0x03, 0xdb } },		/* add r11, r11 */
		{ 0x5678, 2, { 0x41, 0x5b } },				/* pop r11 */
		{ 0x5678, 3, { 0x66, 0x41, 0x5b } },			/* pop r11w */
		{ 0x99, 3, { 0x4d, 0x87, 0xc3 } },			/* xchg r11, r8 */
	};
	struct run run;
	unsigned int i;

	fresh();
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		soft_tc_drop(tc, CODE, 0x1000);
		memcpy((void *)CODE, rows[i].code, rows[i].n);
		*(u8 *)(CODE + rows[i].n) = 0xf4;
		*(u64 *)STACK = 0x5678;
		run = (struct run){ .mode = RUN_TRANSLATED };
		run.g.gpr[4] = STACK;
		run.g.gpr[8] = 0x99;
		run.g.gpr[R11] = 0x1111;
		run.g.rip = CODE;
		env_run(&run);
		CHECK(!run.problem && !run.signal);
		if (run.g.gpr[R11] == rows[i].want)
			continue;
		ktap_note("row %u: %llx", i, run.g.gpr[R11]);
		good = false;
	}
	return good;
}

/* A loop with R11 has a block of its own for each way in, and costs nothing inside. */
static bool loops(void)
{
	struct run run;

	fresh();
	/* mov ecx, 100; 1: add eax, 0; add r11, 1; dec ecx; jnz 1b; hlt */
	PUT(CODE, 0xb9, 100, 0, 0, 0, 0x83, 0xc0, 0, 0x49, 0x83, 0xc3, 1, 0xff, 0xc9, 0x75, 0xf5,
	    0xf4);
	run = twice(CODE);
	CHECK(run.g.gpr[R11] == 0x1111 + 100);
	CHECK(run.host_steps <= 1 + 4 * 100 + 1 + 2);
	CHECK(tc_find(tc, CODE + 5, true) != TC_NONE);
	/* Both are made of the same bytes. */
	CHECK(soft_tc_drop(tc, CODE + 5, 1) == 2);
	CHECK(tc_find(tc, CODE + 5, true) == TC_NONE);
	return good;
}

/* Indirect branches by R11, which is what they need for themselves. */
static bool branches(void)
{
	struct run run;

	fresh();
	/* lea r11, [rip + 4]; jmp r11; int3; hlt */
	PUT(CODE, 0x4c, 0x8d, 0x1d, 4, 0, 0, 0, 0x41, 0xff, 0xe3, 0xcc, 0xf4);
	run = twice(CODE);
	CHECK(run.g.gpr[R11] == CODE + 11);
	/* lea r11, [rip + x]; call [r11]; hlt; x: its address; 1: mov eax, 5; ret */
	PUT(CODE + 0x100, 0x4c, 0x8d, 0x1d, 4, 0, 0, 0, 0x41, 0xff, 0x13, 0xf4);
	memcpy((void *)(CODE + 0x10b), &(u64){ CODE + 0x180 }, 8);
	PUT(CODE + 0x180, 0xb8, 5, 0, 0, 0, 0xc3);
	run = twice(CODE + 0x100);
	CHECK(run.g.gpr[0] == 5 && run.g.gpr[R11] == CODE + 0x10b);
	return good;
}

/* A fault in front of a RET, a CALL and an indirect one: R11 is what it was. */
static bool faults(void)
{
	static const struct {
		u8 n, code[12];
	} rows[] = {
		{ 1, { 0xc3 } },				/* ret */
		{ 5, { 0xe8, 1, 0, 0, 0 } },			/* call */
		{ 2, { 0xff, 0xd0 } },				/* call rax */
		{ 3, { 0x41, 0xff, 0xd3 } },			/* call r11 */
		{ 2, { 0x41, 0x53 } },				/* push r11 */
		{ 2, { 0x41, 0x5b } },				/* pop r11 */
		{ 4, { 0xff, 0x64, 0x24, 0 } },			/* jmp [rsp] */
	};
	struct run run;
	unsigned int i, home;

	fresh();
	for (i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		soft_tc_drop(tc, CODE, 0x1000);
		home = i & 1 ? 3 : 0;
		/* add r11, rbx, or nothing */
		PUT(CODE, 0x49, 0x01, 0xdb);
		memcpy((void *)(CODE + home), rows[i / 2].code, rows[i / 2].n);
		run = (struct run){ .mode = RUN_TRANSLATED };
		run.g.gpr[4] = 0x1000;
		run.g.gpr[0] = CODE;
		run.g.gpr[3] = 0x10;
		run.g.gpr[R11] = 0x1111;
		run.g.rip = CODE;
		env_run(&run);
		if (!run.problem && run.signal == SIGSEGV && run.g.rip == CODE + home &&
		    run.g.gpr[R11] == (home ? 0x1121 : 0x1111))
			continue;
		ktap_note("row %u: signal %d at %llx, R11 %llx", i, run.signal, run.g.rip,
			  run.g.gpr[R11]);
		good = false;
	}
	return good;
}

int main(void)
{
	env_init(HOLE_TC_SIZE);
	env_map(CODE, 0x20000);
	ktap_plan(5);
	ktap_ok(costs(), "what it costs");
	ktap_ok(sets(), "instructions that set it");
	ktap_ok(loops(), "a loop");
	ktap_ok(branches(), "branches by R11");
	ktap_ok(faults(), "faults");
	ktap_exit();
}
