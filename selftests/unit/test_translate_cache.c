// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache: links, drops, full
 *
 * The cache as its owner sees it: which branches are linked, what a drop takes
 * away and what is left, pages, a cache that is too small, slots of targets[]
 * that many blocks share.
 */
#include <sys/mman.h>

#include "ktap.h"
#include "tc_internal.h"
#include "test_translate_code.h"
#include "test_translate_env.h"
#include "test_translate_gen.h"

#define CODE	0x20000000ull
#define FAR	0x30000000ull
#define STACK	0x20010800ull

static bool good;

static void fresh(void)
{
	good = true;
	env_fresh(CODE);
	fetch_limit = 0;
}

static struct run go(u64 rip)
{
	struct run run = { .mode = RUN_TRANSLATED };

	run.g.gpr[4] = STACK;
	run.g.rip = rip;
	env_run(&run);
	CHECK(!run.problem && !run.signal);
	return run;
}

static u64 translate(u64 rip)
{
	u64 va = 0;
	int ret = soft_tc_translate(tc, rip, env_fetch, NULL, &va);

	return ret ? 0 : va;
}

/* xor eax, eax; jmp 1f; 1: inc eax; cmp eax, 3; jb 1b; hlt */
static void put_loop(void)
{
	PUT(CODE, 0x31, 0xc0, 0xe9, 0xf9, 0x00, 0x00, 0x00);
	PUT(CODE + 0x100, 0xff, 0xc0, 0x83, 0xf8, 0x03, 0x72, 0xf9, 0xf4);
}

static bool links(void)
{
	struct run run;

	fresh();
	put_loop();
	run = go(CODE);
	CHECK(run.g.gpr[0] == 3);
	CHECK(run.chains == 1);
	CHECK(env_stats().blocks == 2 && env_stats().links == 2);
	run = go(CODE);
	CHECK(run.chains == 0 && run.g.gpr[0] == 3);
	/* the other order: the target is there first */
	fresh();
	put_loop();
	CHECK(translate(CODE + 0x100) && translate(CODE));
	run = go(CODE);
	CHECK(run.chains == 0 && run.g.gpr[0] == 3);
	return good;
}

static bool drops(void)
{
	struct soft_where w;
	struct run run;
	u64 va;

	fresh();
	put_loop();
	go(CODE);
	va = soft_tc_lookup(tc, CODE + 0x100);
	CHECK(va && !soft_tc_where(tc, va, &w) && !w.dropped);
	CHECK(soft_tc_drop(tc, CODE + 0x108, 0x100) == 0);
	CHECK(soft_tc_drop(tc, CODE + 7, 0xf9) == 0);
	CHECK(soft_tc_drop(tc, CODE + 0x107, 1) == 1);
	CHECK(!soft_tc_lookup(tc, CODE + 0x100) && soft_tc_lookup(tc, CODE));
	CHECK(!soft_tc_where(tc, va, &w) && w.dropped && w.rip == CODE + 0x100);
	CHECK(env_stats().blocks == 1 && env_stats().drops == 1);
	/* mov eax, 7; hlt */
	PUT(CODE + 0x100, 0xb8, 7, 0, 0, 0, 0xf4);
	run = go(CODE);
	CHECK(run.chains == 1 && run.g.gpr[0] == 7);
	run = go(CODE);
	CHECK(run.chains == 0 && run.g.gpr[0] == 7);
	CHECK(soft_tc_drop(tc, 0, ~0ull) == 2);
	CHECK(env_stats().blocks == 0);
	run = go(CODE);
	CHECK(run.g.gpr[0] == 7);
	return good;
}

static bool link_by_hand(void)
{
	struct soft_where w;
	u64 from, to;

	fresh();
	put_loop();
	from = translate(CODE) + 2;
	CHECK(!soft_tc_where(tc, from, &w) && w.exit == SOFT_CHAIN &&
	      w.target == CODE + 0x100);
	to = translate(CODE + 0x102);
	soft_tc_link(tc, from, to);
	CHECK(!soft_tc_where(tc, from, &w) && w.exit == SOFT_CHAIN);
	to = translate(CODE + 0x100);
	soft_tc_link(tc, from, to);
	CHECK(!soft_tc_where(tc, from, &w) && w.exit == SOFT_BOUNDARY &&
	      w.rip == CODE + 0x100);
	return good;
}

/* An instruction across pages is a block; a drop in either page takes it. */
static bool across_pages(void)
{
	struct soft_where w;
	struct run run;
	u64 va;

	fresh();
	/* nop; mov rax, imm64, six bytes of it in the next page; hlt */
	PUT(CODE + 0xffb, 0x90, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8, 0xf4);
	run = go(CODE + 0xffb);
	CHECK(run.g.gpr[0] == 0x0807060504030201);
	CHECK(run.chains == 2 && env_stats().blocks == 3);
	CHECK(soft_tc_drop(tc, CODE + 0x1000, 1) == 1);
	CHECK(!soft_tc_lookup(tc, CODE + 0xffc) && soft_tc_lookup(tc, CODE + 0xffb));
	run = go(CODE + 0xffb);
	CHECK(run.chains == 1);
	CHECK(soft_tc_drop(tc, CODE, 0x1000) == 2);
	/* the second page cannot be fetched: only that instruction is affected */
	fetch_limit = (CODE >> 12) + 1;
	va = translate(CODE + 0xffb);
	CHECK(va && !soft_tc_where(tc, va + 1, &w) && w.exit == SOFT_CHAIN &&
	      w.rip == CODE + 0xffc);
	CHECK(soft_tc_translate(tc, CODE + 0xffc, env_fetch, NULL, &va) == -EFAULT);
	CHECK(soft_tc_translate(tc, CODE + 0x1000, env_fetch, NULL, &va) == -EFAULT);
	CHECK(env_stats().blocks == 2);
	fetch_limit = 0;
	return good;
}

static unsigned int pages_seen;

static void see_page(void *arg, u64 gva)
{
	pages_seen |= 1 << ((gva - CODE) >> 12);
	if (arg)
		soft_tc_drop(tc, gva, 0x1000);
}

static bool pages(void)
{
	fresh();
	memset((void *)CODE, 0x90, 0x4000);
	translate(CODE);
	translate(CODE + 0x2000);
	pages_seen = 0;
	soft_tc_visit_pages(tc, see_page, NULL);
	CHECK(pages_seen == 5);
	soft_tc_visit_pages(tc, see_page, tc);
	pages_seen = 0;
	soft_tc_visit_pages(tc, see_page, NULL);
	CHECK(pages_seen == 0 && env_stats().blocks == 0);
	return good;
}

/* Blocks have bounds, whatever the code is. */
static bool bounds(void)
{
	struct soft_where w;
	u64 rip, va;

	fresh();
	memset((void *)CODE, 0x90, 0x1000);
	translate(CODE);
	CHECK(env_stats().insns == 63);
	memset((void *)CODE + 0x1000, 0xfb, 0x1000);
	translate(CODE + 0x1000);
	CHECK(env_stats().insns == 63 + 64);
	/* PUSHF is the longest of all, Jcc has the most exits */
	memset((void *)CODE + 0x2000, 0x9c, 0x1000);
	CHECK(translate(CODE + 0x2000));
	for (rip = CODE + 0x3000; rip < CODE + 0x4000; rip += 2)
		PUT(rip, 0x74, 0x10);
	CHECK(translate(CODE + 0x3000));
	CHECK(env_stats().bytes < 4 * 8192);
	CHECK(soft_tc_where(tc, HOLE_TC + env_stats().bytes, &w) == -ENOENT);
	CHECK(soft_tc_where(tc, HOLE_TC - 1, &w) == -ENOENT);
	CHECK(soft_tc_where(tc, CODE, &w) == -ENOENT);
	for (va = HOLE_TC + 16; va < HOLE_TC + env_stats().bytes; va++)
		CHECK(!soft_tc_where(tc, va, &w));
	return good;
}

/*
 * Call twelve functions whose RIPs are equal in the low 16 bits:
 * mov ecx, 1; call; ... ; hlt.  Each is: add eax, ecx; ret.
 */
static bool slots(void)
{
	bool all = true;
	struct run run;
	unsigned int i, n;
	u8 *p;

	for (n = 2; n <= 12; n += 5) {
		no_spans = true;
		fresh();
		p = (u8 *)CODE;
		*p++ = 0x31;
		*p++ = 0xc0;
		for (i = 0; i < n; i++) {
			u32 target = FAR + i * 0x10000;

			PUT(FAR + i * 0x10000, 0x83, 0xc0, i + 1, 0xc3);
			*p++ = 0xb9;
			memcpy(p, &target, 4);
			p += 4;
			*p++ = 0xff;
			*p++ = 0xd1;
		}
		*p = 0xf4;
		run = go(CODE);
		CHECK(run.misses > n && run.g.gpr[0] == n * (n + 1) / 2);
		run = go(CODE);
		CHECK(n > 8 ? run.misses > 0 : run.misses == 0);
		CHECK(run.g.gpr[0] == n * (n + 1) / 2);
		/* one goes, the others stay */
		CHECK(soft_tc_drop(tc, FAR + 0x10000, 0x1000) == 1);
		run = go(CODE);
		CHECK(run.g.gpr[0] == n * (n + 1) / 2);
		CHECK(n > 8 || run.misses == 1);
		all = all && good;
	}
	no_spans = false;
	return all;
}

/* A block that was there before anybody expected it gets its prologue later. */
static bool late_prologue(bool span)
{
	struct soft_where w;
	struct run run;
	u64 *entry;

	no_spans = !span;
	fresh();
	no_spans = false;
	entry = &tc_config.targets[(CODE + 5) & 0xffff];
	if (span)
		entry = (u64 *)(HOLE_NEAR + 8 * (CODE + 5));
	/* call 1f; hlt; 1: mov eax, 5; pop rcx; jmp rcx, which goes to the HLT */
	PUT(CODE, 0xe8, 1, 0, 0, 0, 0xf4, 0xb8, 5, 0, 0, 0, 0x59, 0xff, 0xe1);
	translate(CODE + 5);
	run = go(CODE);
	CHECK(run.misses == 1 && run.g.gpr[0] == 5);
	run = go(CODE);
	CHECK(run.misses == 0 && run.g.gpr[0] == 5);
	CHECK(soft_tc_drop(tc, CODE + 5, 1) == 1);
	CHECK(!soft_tc_where(tc, *entry, &w) &&
	      w.exit == SOFT_MIDDLE);
	run = go(CODE);
	CHECK(run.misses == 1 && run.g.gpr[0] == 5);
	run = go(CODE);
	CHECK(run.misses == 0);
	return good;
}

/*
 * Near RIPs have a table to themselves, so that their prologue has nothing to compare: one
 * with the same low bits finds another.  What is not near has no place in the window, and all the
 * same gets there.
 */
static bool spans(void)
{
	u64 *other = (u64 *)(HOLE_NEAR + 8 * (CODE + 0x10000));
	u64 far = 0x700000123000ull;
	struct soft_where w;
	struct run run;
	u64 va;

	fresh();
	/* call 1f; hlt; 1: ret */
	PUT(CODE, 0xe8, 1, 0, 0, 0, 0xf4, 0xc3);
	go(CODE);
	run = go(CODE);
	CHECK(run.misses == 0 && run.strays == 0);
	va = *(u64 *)(HOLE_NEAR + 8 * (CODE + 5));
	/* the block of the HLT: nothing in front of it */
	CHECK(!soft_tc_where(tc, va, &w) && w.exit == SOFT_CALLOUT && w.r11);
	CHECK(*(u8 *)va == 0xf4);
	CHECK(tc_config.targets[(CODE + 5) & 0xffff] == *other);
	/* mov ecx, 7; push rax; ret, to where RAX says; hlt over there */
	PUT(CODE + 0x100, 0xb9, 7, 0, 0, 0, 0x50, 0xc3);
	*(u8 *)env_map(far & ~0xfffull, 0x1000) = 0xf4;
	run = (struct run){ .mode = RUN_TRANSLATED };
	run.g.gpr[4] = STACK;
	run.g.gpr[0] = far;
	run.g.rip = CODE + 0x100;
	env_run(&run);
	CHECK(!run.problem && !run.signal && run.strays == 1 && run.g.gpr[1] == 7);
	munmap((void *)(far & ~0xfffull), 0x1000);
	return good;
}

/* A near block that has no prologue but for its span gets one for branches from elsewhere. */
static bool near_from_far(void)
{
	u64 far = 0x700000123000ull;
	struct run run = { .mode = RUN_TRANSLATED };
	unsigned int i;
	u8 *p;

	fresh();
	/* call 1f; hlt; 1: ret */
	PUT(CODE, 0xe8, 1, 0, 0, 0, 0xf4, 0xc3);
	run = go(CODE);
	/* mov ecx, 7; jmp rax */
	p = env_map(far & ~0xfffull, 0x1000);
	memcpy(p, (u8 []){ 0xb9, 7, 0, 0, 0, 0xff, 0xe0 }, 7);
	for (i = 0; i < 2; i++) {
		run = (struct run){ .mode = RUN_TRANSLATED };
		run.g.gpr[4] = STACK;
		run.g.gpr[0] = CODE + 5;
		run.g.rip = far;
		env_run(&run);
		CHECK(!run.problem && !run.signal && run.strays == 0 && run.g.gpr[1] == 7);
		CHECK(run.misses == !i);
	}
	munmap(p, 0x1000);
	return good;
}

/* Everything in a cache of 64 KiB, which is full all the time. */
static bool small_cache(void)
{
	const struct code *c;
	u64 want, got;

	fresh();
	env_new_cache(0x10000);
	for (c = codes; c->name; c++) {
		struct run run = { .mode = RUN_TRANSLATED };
		unsigned int i;

		for (i = 0; i < 20; i++) {
			memset((void *)CODE, 0x9c, 0x1000);
			if (!translate(CODE + 64 * i))
				soft_tc_flush(tc);
		}
		want = c->fn(c->arg, 3, 5);
		got = env_call(&run, (u64)c->fn, c->arg, 3, 5);
		CHECK(got == want && !run.problem && !run.signal);
	}
	CHECK(env_stats().flushes > 10);
	return good;
}

/* Inside a block an address is found, unless a branch leads there or it is asked for often. */
static bool resumes(void)
{
	struct soft_where w;
	unsigned int i;
	u64 va;

	fresh();
	/* nop; nop; sti; nop; nop; jz to the second; hlt */
	PUT(CODE, 0x90, 0x90, 0xfb, 0x90, 0x90, 0x74, 0xfa, 0xf4);
	CHECK(!soft_tc_resume(tc, CODE));
	va = translate(CODE);
	CHECK(soft_tc_resume(tc, CODE) == va);
	CHECK(soft_tc_resume(tc, CODE + 2) == va + 2);
	CHECK(!soft_tc_resume(tc, CODE + 3));
	for (i = 0; i < 3; i++) {
		va = soft_tc_resume(tc, CODE + 4);
		CHECK(va && !soft_tc_where(tc, va, &w) && w.rip == CODE + 4 &&
		      w.exit == SOFT_BOUNDARY && !w.spilled && !w.after_sti);
	}
	CHECK(!soft_tc_resume(tc, CODE + 4));
	CHECK(!soft_tc_resume(tc, CODE + 1));
	CHECK(!soft_tc_resume(tc, CODE + 0x100));
	CHECK(!soft_tc_resume(tc, CODE + 0x1000));
	return good;
}

/* What is sure to come is translated with a block: one exit for all of it. */
static bool following(void)
{
	struct run run;

	tc_config.single = false;
	fresh();
	tc_config.single = true;
	/* call 1f; inc eax; jmp 2f; ... 1: mov eax, 5; ret; 2: hlt */
	PUT(CODE, 0xe8, 0xfb, 0, 0, 0, 0xff, 0xc0, 0xe9, 0xf4, 1, 0, 0);
	PUT(CODE + 0x100, 0xb8, 5, 0, 0, 0, 0xc3);
	PUT(CODE + 0x200, 0xf4);
	run = go(CODE);
	CHECK(run.g.gpr[0] == 6 && run.chains == 0 && run.misses == 0);
	CHECK(env_stats().blocks == 4);
	/* what cannot be fetched is not missed */
	fresh();
	PUT(CODE, 0xe9, 0xfb, 0x0f, 0, 0);
	fetch_limit = (CODE >> 12) + 1;
	CHECK(translate(CODE) && env_stats().blocks == 1);
	fetch_limit = 0;
	return good;
}

/* Marks cover a block exactly, and each byte of it means something. */
static void check_block(const struct tc_block *b)
{
	struct soft_where w;
	u32 sum = 0, i;

	for (i = 0; i < b->nr_marks; i += 2)
		sum += tc->marks[b->marks + i] & TC_MARK_LEN;
	CHECK(sum == b->end - b->start);
	CHECK(b->end - b->start <= TC_BLOCK_BYTES && b->nr_marks <= TC_BLOCK_MARKS);
	CHECK(b->nr_chains <= TC_BLOCK_CHAINS);
	for (i = b->start; i < b->end; i++) {
		CHECK(!soft_tc_where(tc, HOLE_TC + i, &w));
		CHECK(w.exit == SOFT_CHAIN || w.rip - b->rip <= b->guest_len ||
		      w.rip == w.target);
	}
}

/* Whatever the bytes are, the records are in order; good instructions prevail. */
static bool random_bytes(void)
{
	static const u8 starts[] = { 0x0f, 0x48, 0x41, 0xc4, 0xc5, 0x62, 0x66, 0xf3, 0xff,
				     0x67, 0x9c, 0xfb, 0x74, 0xe2, 0x8b, 0x8d };
	unsigned int i, j, before;
	u8 *p = (u8 *)CODE;

	fresh();
	gen_seed(1);
	for (i = 0; i < 20000 && good; i++) {
		for (j = 0; j < 512; j++)
			p[j] = gen_below(4) ? gen_random() : starts[gen_below(16)];
		soft_tc_drop(tc, CODE, 512);
		before = tc->nr_blocks;
		if (!translate(CODE + gen_below(256))) {
			soft_tc_flush(tc);
			continue;
		}
		CHECK(tc->nr_blocks == before + 1);
		check_block(&tc->blocks[before]);
	}
	return good;
}

/* A small cache that gets room when it is full; what is in it stays and moves. */
static bool grows(void)
{
	void *records[SOFT_TC_NR_RECORDS];
	u32 room, small = 0x10000;
	unsigned int i, n = 0;
	struct run run;
	u64 va;

	fresh();
	tc_config.room = small;
	CHECK(!soft_tc_create(&tc_config, &tc));
	put_loop();
	run = go(CODE);
	CHECK(run.g.gpr[0] == 3);
	/* hlt: a block at each byte */
	memset((void *)(CODE + 0x1000), 0xf4, 0x3000);
	while (!soft_tc_translate(tc, CODE + 0x1000 + n, env_fetch, NULL, &va))
		n++;
	CHECK(n > 100 && n < 0x2000);
	for (room = 2 * small; room <= 4 * small; room += small) {
		for (i = 0; i < SOFT_TC_NR_RECORDS; i++) {
			size_t now = soft_tc_records_size(room, i);

			records[i] = malloc(now);
			memcpy(records[i], tc_config.records[i],
			       soft_tc_records_size(room - small, i));
			memset(tc_config.records[i], 0xdd, soft_tc_records_size(room - small, i));
			free(tc_config.records[i]);
			tc_config.records[i] = records[i];
		}
		soft_tc_grow(tc, room, tc_config.buf, records);
		CHECK(translate(CODE + 0x1000 + n));
	}
	run = go(CODE);
	CHECK(run.g.gpr[0] == 3 && run.chains == 0 && env_stats().flushes == 0);
	CHECK(soft_tc_drop(tc, CODE, 0x1000) == 2);
	CHECK(soft_tc_lookup(tc, CODE + 0x1000 + n));
	tc_config.room = HOLE_TC_SIZE;
	return good;
}

static bool refusals(void)
{
	struct soft_tc_config c;
	struct soft_tc *t;

	fresh();
	c = tc_config;
	c.size = 0x8000;
	CHECK(soft_tc_create(&c, &t) == -EINVAL);
	c = tc_config;
	c.room = c.size + 0x10000;
	CHECK(soft_tc_create(&c, &t) == -EINVAL);
	c = tc_config;
	c.window_va += 0x1000;
	CHECK(soft_tc_create(&c, &t) == -EINVAL);
	c = tc_config;
	c.vdata_va = c.va + (1ull << 32);
	CHECK(soft_tc_create(&c, &t) == -EINVAL);
	return good;
}

int main(void)
{
	unsigned int i;

	env_init(HOLE_TC_SIZE);
	tc_config.single = true;
	env_map(CODE, 0x20000);
	for (i = 0; i < 12; i++)
		env_map(FAR + i * 0x10000, 0x1000);
	ktap_plan(17);
	ktap_ok(links(), "links");
	ktap_ok(link_by_hand(), "links on request");
	ktap_ok(drops(), "drops");
	ktap_ok(across_pages(), "instructions across pages");
	ktap_ok(pages(), "pages with translations");
	ktap_ok(bounds(), "bounds of a block");
	ktap_ok(random_bytes(), "random bytes");
	ktap_ok(resumes(), "going on inside a block");
	ktap_ok(following(), "what comes next is translated along");
	ktap_ok(slots(), "slots that blocks share");
	ktap_ok(late_prologue(false), "a prologue made later");
	ktap_ok(late_prologue(true), "a prologue made later, for a span");
	ktap_ok(spans(), "near targets have a table to themselves");
	ktap_ok(near_from_far(), "from elsewhere to a near target");
	ktap_ok(small_cache(), "a cache that is too small");
	ktap_ok(grows(), "more room for a full cache");
	ktap_ok(refusals(), "what cannot work is refused");
	ktap_exit();
}
