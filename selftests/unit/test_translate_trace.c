// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache: traces
 *
 * Blocks that lead to each other without a jump: the code that is there, what is copied and what
 * is not, and above all what is left when one of them is dropped.
 */
#include "ktap.h"
#include "tc_internal.h"
#include "test_translate_env.h"

#define CODE	0x20000000ull
#define OTHER	(CODE + 0x1000)
#define STACK	0x20010800ull

static bool good;

static void fresh(void)
{
	good = true;
	env_fresh(CODE);
}

static struct run go(u64 rip, enum run_mode mode)
{
	struct run run = { .mode = mode };

	run.g.gpr[4] = STACK;
	run.g.rip = rip;
	env_run(&run);
	CHECK(!run.problem && !run.signal);
	return run;
}

static void translate(u64 rip)
{
	u64 va;

	CHECK(!soft_tc_translate(tc, rip, env_fetch, NULL, &va));
}

static const struct tc_block *block_of(u64 rip)
{
	u32 i = tc_find(tc, rip, false);

	CHECK(i != TC_NONE);
	return &tc->blocks[i == TC_NONE ? 0 : i];
}

/* The block in the cache behind another one. */
static const struct tc_block *behind(const struct tc_block *b)
{
	u32 i = tc_block_at(tc, HOLE_TC + b->end);

	CHECK(i != TC_NONE && tc->blocks[i].start == b->end);
	return &tc->blocks[i == TC_NONE ? 0 : i];
}

/* In CODE: lea eax, [rax + 1]; call f; lea eax, [rax + 2]; hlt. */
static void put_caller(u64 at)
{
	u32 rel = OTHER - (at + 8);

	PUT(at, 0x8d, 0x40, 1, 0xe8, 0, 0, 0, 0, 0x8d, 0x40, 2, 0xf4);
	memcpy((void *)(at + 4), &rel, sizeof(rel));
}

/* f: lea eax, [rax + @n]; mov ecx, 7; ret */
static void put_callee(u8 n)
{
	PUT(OTHER, 0x8d, 0x40, n, 0xb9, 7, 0, 0, 0, 0xc3);
}

/* What is called first comes behind its caller, who calls again gets a copy, and none jumps. */
static bool calls(void)
{
	const struct tc_block *caller, *callee, *copy;
	struct run run;

	fresh();
	put_caller(CODE);
	put_caller(CODE + 0x100);
	put_callee(10);
	translate(CODE);
	caller = block_of(CODE);
	callee = block_of(OTHER);
	CHECK(behind(caller) == callee && !(callee->flags & TC_BLOCK_COPY));
	translate(CODE + 0x100);
	caller = block_of(CODE + 0x100);
	copy = behind(caller);
	CHECK(copy != callee && copy->rip == OTHER && copy->flags & TC_BLOCK_COPY);
	CHECK(block_of(OTHER) == callee);
	/* the other block and the copy's are no translations */
	CHECK(env_stats().translations == 5 && env_stats().blocks == 5);
	go(CODE, RUN_TRANSLATED);
	go(CODE + 0x100, RUN_TRANSLATED);
	run = go(CODE, RUN_STEPS);
	/* lea, push; lea, mov, two of the RET; lea, hlt */
	CHECK(run.g.gpr[0] == 13 && run.g.gpr[1] == 7 && run.host_steps <= 8);
	CHECK(!run.chains && !run.misses);
	run = go(CODE + 0x100, RUN_STEPS);
	CHECK(run.g.gpr[0] == 13 && run.g.gpr[1] == 7 && run.host_steps <= 8);
	CHECK(!run.chains && !run.misses);
	return good;
}

/* Each address of a trace means what is run there. */
static bool addresses(void)
{
	const struct tc_block *caller;
	struct soft_where w;
	u32 off;

	fresh();
	put_caller(CODE);
	put_caller(CODE + 0x100);
	put_callee(10);
	translate(CODE);
	translate(CODE + 0x100);
	caller = block_of(CODE + 0x100);
	CHECK(!soft_tc_where(tc, HOLE_TC + caller->end - 5, &w) && w.rip == CODE + 0x103 &&
	      w.exit == SOFT_BOUNDARY);
	CHECK(!soft_tc_where(tc, HOLE_TC + caller->end, &w) && w.rip == OTHER &&
	      w.exit == SOFT_BOUNDARY && !w.begun);
	CHECK(!soft_tc_where(tc, HOLE_TC + caller->end + 3, &w) && w.rip == OTHER + 3);
	/* the POP, the jump */
	off = caller->end + 8;
	CHECK(!soft_tc_where(tc, HOLE_TC + off, &w) && w.rip == OTHER + 8 && !w.begun);
	CHECK(w.exit == SOFT_BOUNDARY && !w.spilled && w.r11);
	CHECK(!soft_tc_where(tc, HOLE_TC + off + 2, &w) && w.exit == SOFT_MIDDLE);
	/* for who comes back there: not in the middle of somebody's RET */
	CHECK(soft_tc_resume(tc, OTHER + 3) != 0);
	return good;
}

/* The callee changes: whoever had it behind, or a copy, runs the new one. */
static bool callee_goes(void)
{
	const struct tc_block *callee, *copy;
	struct soft_where w;
	struct run run;
	u64 at[2];
	unsigned int i;

	fresh();
	put_caller(CODE);
	put_caller(CODE + 0x100);
	put_callee(10);
	go(CODE, RUN_TRANSLATED);
	go(CODE + 0x100, RUN_TRANSLATED);
	callee = block_of(OTHER);
	copy = behind(block_of(CODE + 0x100));
	at[0] = HOLE_TC + callee->entry;
	at[1] = HOLE_TC + copy->entry;
	CHECK(soft_tc_drop(tc, OTHER, 1) == 1);
	CHECK(callee->flags & TC_BLOCK_DROPPED && copy->flags & TC_BLOCK_DROPPED);
	for (i = 0; i < 2; i++) {
		CHECK(!soft_tc_where(tc, at[i], &w) && w.exit == SOFT_CHAIN &&
		      w.target == OTHER && w.rip == OTHER);
		CHECK(!soft_tc_where(tc, at[i] + 8, &w) && w.dropped && w.rip == OTHER + 8);
	}
	put_callee(20);
	run = go(CODE, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 23 && run.chains == 1);
	/* both exits are jumps to the new block now */
	for (i = 0; i < 2; i++)
		CHECK(!soft_tc_where(tc, at[i], &w) && w.exit == SOFT_BOUNDARY &&
		      w.rip == OTHER && w.dropped);
	run = go(CODE + 0x100, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 23 && run.chains == 0);
	/* and once more: these are chains as any other */
	CHECK(soft_tc_drop(tc, OTHER, 1) == 1);
	put_callee(30);
	run = go(CODE + 0x100, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 33 && run.chains == 1);
	run = go(CODE, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 33 && run.chains == 0);
	return good;
}

/* The caller goes, before the callee or after it: what is left is in order. */
static bool caller_goes(void)
{
	struct run run;

	fresh();
	put_caller(CODE);
	put_caller(CODE + 0x100);
	put_callee(10);
	go(CODE, RUN_TRANSLATED);
	go(CODE + 0x100, RUN_TRANSLATED);
	/* the call alone, not what it returns to */
	CHECK(soft_tc_drop(tc, CODE, 1) == 1);
	run = go(CODE + 0x100, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 13 && run.chains == 0);
	CHECK(soft_tc_drop(tc, OTHER, 1) == 1);
	put_callee(20);
	run = go(CODE, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 23);
	run = go(CODE + 0x100, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 23);
	CHECK(soft_tc_drop(tc, OTHER, 1) == 1);
	CHECK(soft_tc_drop(tc, CODE, 0x1000) == 4);
	put_callee(30);
	run = go(CODE + 0x100, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 33);
	return good;
}

/* A JMP takes no code, but is an instruction to go on at. */
static bool jumps(void)
{
	const struct tc_block *b;
	struct run run;
	u64 va;

	fresh();
	/* mov eax, 5; jmp OTHER + 0x80; there: lea eax, [rax + 1]; mov ecx, 7; jmp to itself */
	PUT(CODE, 0xb8, 5, 0, 0, 0, 0xe9, 0x76, 0x10, 0, 0);
	PUT(OTHER + 0x80, 0x8d, 0x40, 1, 0xb9, 7, 0, 0, 0, 0xf4);
	translate(CODE);
	b = block_of(CODE);
	CHECK(b->end - b->start == 5 && behind(b) == block_of(OTHER + 0x80));
	CHECK(b->guest_len == 10);
	va = soft_tc_resume(tc, CODE + 5);
	CHECK(va == HOLE_TC + b->end);
	run = go(CODE, RUN_STEPS);
	CHECK(run.g.gpr[0] == 6 && run.host_steps <= 4 && !run.chains);
	/* what is too short for an exit gets no block behind it: nop; jmp */
	PUT(CODE + 0x200, 0x90, 0xe9, 0x7a, 0x0e, 0, 0);
	translate(CODE + 0x200);
	b = block_of(CODE + 0x200);
	CHECK(b->end - b->start >= 6);
	run = go(CODE + 0x200, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 1 && !run.chains);
	return good;
}

/* A callee that is nothing but a JMP: its exit is where that of its caller will be. */
static bool jump_goes(void)
{
	struct run run;
	unsigned int i;

	fresh();
	put_caller(CODE);
	put_caller(CODE + 0x100);
	/* f: jmp g; g: lea eax, [rax + 10]; ret; h: lea eax, [rax + 20]; ret */
	PUT(OTHER, 0xe9, 0xfb, 0x0f, 0, 0);
	PUT(OTHER + 0x1000, 0x8d, 0x40, 10, 0xc3);
	PUT(OTHER + 0x1100, 0x8d, 0x40, 20, 0xc3);
	translate(OTHER);
	for (i = 0; i < 2; i++) {
		run = go(CODE + 0x100 * i, RUN_TRANSLATED);
		CHECK(run.g.gpr[0] == 13);
	}
	CHECK(soft_tc_drop(tc, OTHER, 1) == 1);
	PUT(OTHER, 0xe9, 0xfb, 0x10, 0, 0);
	for (i = 0; i < 4; i++) {
		run = go(CODE + 0x100 * (i & 1), RUN_TRANSLATED);
		CHECK(run.g.gpr[0] == 23 && run.chains == !i);
	}
	return good;
}

/* Loops end a trace: mov ecx, 3; 1: lea eax, [rax + 2]; lea rcx, [rcx - 1]; jrcxz 2f; jmp 1b. */
static bool loops(void)
{
	struct run run;

	fresh();
	PUT(CODE, 0xb9, 3, 0, 0, 0, 0x8d, 0x40, 2, 0x48, 0x8d, 0x49, 0xff, 0xe3, 2, 0xeb, 0xf5,
	    0xf4);
	run = go(CODE, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 6);
	/* mov eax, 5; 1: jmp 1b, never run */
	PUT(CODE + 0x100, 0xb8, 5, 0, 0, 0, 0xeb, 0xfe);
	translate(CODE + 0x100);
	translate(CODE + 0x105);
	/* xor eax, eax; 1: inc eax; cmp eax, 9; jae 2f; nop; nop; jmp 1b; 2: hlt */
	PUT(CODE + 0x200, 0x31, 0xc0, 0xff, 0xc0, 0x83, 0xf8, 9, 0x73, 4, 0x90, 0x90, 0xeb, 0xf5,
	    0xf4);
	run = go(CODE + 0x200, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 9);
	run = go(CODE + 0x200, RUN_TRANSLATED);
	CHECK(run.g.gpr[0] == 9 && !run.chains);
	return good;
}

int main(void)
{
	env_init(HOLE_TC_SIZE);
	env_map(CODE, 0x20000);
	ktap_plan(7);
	ktap_ok(calls(), "calls");
	ktap_ok(addresses(), "what addresses mean");
	ktap_ok(callee_goes(), "the callee is dropped");
	ktap_ok(caller_goes(), "the caller is dropped");
	ktap_ok(jumps(), "jumps");
	ktap_ok(jump_goes(), "a callee that jumps is dropped");
	ktap_ok(loops(), "loops");
	ktap_exit();
}
