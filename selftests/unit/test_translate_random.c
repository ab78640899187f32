// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator against the processor: random programs
 *
 * The same program natively and translated: registers, flags, memory, vector
 * registers and faults must come out the same.  Some are single-stepped on
 * both sides: wherever the cache says that the guest is in front of an
 * instruction, it must be there with the registers that it has natively.
 *
 *   test_translate_random [PROGRAMS [SEED]]
 */
#include "ktap.h"
#include "tc_internal.h"
#include "test_translate_env.h"
#include "test_translate_gen.h"

#define LOW	0x20000000ull
#define HIGH	0x510020000000ull
#define SHOWN	10
#define TRACE	20000

struct memory {
	u8 data[GEN_DATA_SIZE];
	u8 stack[GEN_STACK_SIZE];
	u8 low[GEN_DATA_SIZE];
	u8 vec[512] __attribute__((aligned(16)));
};

static struct memory start, native, translated;
static struct guest *trace;
static u64 code;
static unsigned int traced, at, interrupts, resumed, dropped;
static char what[200];
static unsigned int shown;

static void save(u64 base, struct memory *m)
{
	memcpy(m->data, (void *)(base + GEN_DATA), GEN_DATA_SIZE);
	memcpy(m->stack, (void *)(base + GEN_STACK), GEN_STACK_SIZE);
	memcpy(m->low, (void *)(LOW + GEN_DATA), GEN_DATA_SIZE);
}

static void restore(u64 base, const struct memory *m)
{
	memcpy((void *)(LOW + GEN_DATA), m->low, GEN_DATA_SIZE);
	memcpy((void *)(base + GEN_DATA), m->data, GEN_DATA_SIZE);
	memcpy((void *)(base + GEN_STACK), m->stack, GEN_STACK_SIZE);
}

static void fill(void *p, size_t n)
{
	u8 *b = p;

	while (n--)
		*b++ = gen_random();
}

static void random_guest(u64 base, unsigned int offset, struct guest *g)
{
	unsigned int i;

	memset(g, 0, sizeof(*g));
	for (i = 0; i < 16; i++)
		g->gpr[i] = gen_below(3) ? gen_random() : gen_below(5);
	g->gpr[4] = base + GEN_STACK + GEN_STACK_SIZE - 0x200;
	g->gpr[15] = base + GEN_DATA;
	g->rip = base + offset;
	g->flags = gen_random() & GUEST_FLAGS & ~0x400ull;
}

static void complain(const char *text, u64 a, u64 b)
{
	if (!what[0])
		snprintf(what, sizeof(what), "%s: %llx, not %llx", text, a, b);
}

/* What DIV by zero, MUL and shifts leave undefined is the same processor's. */
static bool same(const struct run *n, const struct run *t)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (n->g.gpr[i] != t->g.gpr[i])
			complain("register", t->g.gpr[i], n->g.gpr[i]);
	if (n->g.rip != t->g.rip)
		complain("rip", t->g.rip, n->g.rip);
	if (n->g.flags != t->g.flags)
		complain("flags", t->g.flags, n->g.flags);
	if (n->signal != t->signal)
		complain("signal", t->signal, n->signal);
	if (t->problem)
		snprintf(what, sizeof(what), "%s", t->problem);
	if (memcmp(native.data, translated.data, GEN_DATA_SIZE))
		complain("data", 0, 0);
	if (memcmp(native.low, translated.low, GEN_DATA_SIZE))
		complain("low data", 0, 0);
	/* below RSP is nobody's, and a CALL may have written there */
	i = n->g.gpr[4] & (GEN_STACK_SIZE - 1);
	if (memcmp(native.stack + i, translated.stack + i, GEN_STACK_SIZE - i))
		complain("stack", 0, 0);
	return !what[0];
}

static void record(struct run *run)
{
	if (traced < TRACE)
		trace[traced++] = run->g;
}

static bool equal(const struct guest *a, const struct guest *b)
{
	return a->rip == b->rip && a->flags == b->flags &&
	       !memcmp(a->gpr, b->gpr, sizeof(a->gpr));
}

/*
 * An event: the guest's registers are taken as they are said to be, the scratch
 * of the translation is lost, and the guest comes back by its RIP.  Some of its code
 * may have been written meanwhile, with what was there before.
 */
static bool interrupt(struct run *run, const struct soft_where *w, struct guest *g)
{
	u64 rip;

	if (w->exit != SOFT_BOUNDARY || gen_below(w->spilled ? 3 : 20))
		return false;
	memset(vdata->spill, 0x5a, sizeof(vdata->spill));
	vdata->r11 = g->gpr[11];
	vdata->rip = 0x5a5a5a5a;
	if (!gen_below(4))
		dropped += soft_tc_drop(tc, code + gen_below(GEN_CODE_SIZE), gen_below(128));
	rip = soft_tc_resume(tc, g->rip);
	resumed += rip != soft_tc_lookup(tc, g->rip);
	g->rip = rip && gen_below(2) ? rip : env_place(run, g->rip);
	run->g = *g;
	interrupts++;
	return true;
}

/* A host instruction is about to run: where is the guest? */
static bool check_step(struct run *run, u64 va)
{
	struct guest g = run->g;
	struct soft_where w;
	u64 flags = g.flags;
	unsigned int i;

	if (soft_tc_where(tc, va, &w)) {
		complain("no code", va, 0);
		return false;
	}
	if (w.exit == SOFT_MIDDLE)
		return false;
	env_unspill(&g, &w);
	g.rip = w.exit == SOFT_MISS ? vdata->rip : w.rip;
	g.flags &= GUEST_FLAGS;
	/* a direct jump is at its target as soon as it is reached */
	for (i = at; i < at + 4 && i < traced; i++)
		if (equal(&trace[i], &g)) {
			at = i;
			g.flags = flags;
			return interrupt(run, &w, &g);
		}
	complain("not at a boundary", va, w.rip);
	return false;
}

static bool run_pair(u64 base, unsigned int offset, const struct guest *g, bool steps)
{
	struct run n = { .g = *g, .mode = steps ? RUN_NATIVE_STEPS : RUN_NATIVE,
			 .on_step = record };
	struct run t = { .g = *g, .mode = steps ? RUN_STEPS : RUN_TRANSLATED,
			 .on_host_step = check_step };

	what[0] = 0;
	code = base;
	traced = 0;
	at = 0;
	restore(base, &start);
	env_run(&n);
	save(base, &native);
	restore(base, &start);
	vif->iff = 0x200;
	env_run(&t);
	save(base, &translated);
	return same(&n, &t);
}

/* No branch of a block waits for one that is there: it would exit each time. */
static bool all_linked(void)
{
	const struct tc_block *b;
	u32 i, j;

	for (i = 0; i < tc->nr_blocks; i++) {
		b = &tc->blocks[i];
		if (b->flags & (TC_BLOCK_DROPPED | TC_BLOCK_THUNK))
			continue;
		for (j = b->chains; j < b->chains + b->nr_chains; j++)
			if (tc->chains[j].to == TC_CUT || (tc->chains[j].to == TC_NONE &&
			    tc_find(tc, tc->chains[j].target, tc->chains[j].home) != TC_NONE)) {
				complain("not linked", tc->chains[j].target, b->rip);
				return false;
			}
	}
	return true;
}

static bool one(unsigned int seed, bool steps)
{
	u64 base = seed & 1 ? LOW : HIGH;
	unsigned int offset;
	struct guest g;
	bool good;

	gen_seed(seed);
	offset = gen_below(2) ? 0x7c0 + gen_below(64) : gen_below(0x800);
	gen_program(base, offset, true);
	random_guest(base, offset, &g);
	fill(&start, sizeof(start));
	good = run_pair(base, offset, &g, false) &&
	       run_pair(base, offset, &g, false);
	if (good && steps)
		good = run_pair(base, offset, &g, true);
	good = good && all_linked();
	soft_tc_drop(tc, base, GEN_CODE_SIZE);
	if (soft_tc_lookup(tc, base + offset)) {
		complain("not dropped", base + offset, 0);
		good = false;
	}
	if (!good && shown++ < SHOWN)
		ktap_note("program %u: %s", seed, what);
	return good;
}

static bool many(unsigned int first, unsigned int n, bool steps)
{
	unsigned int i;
	bool good = true;

	for (i = 0; i < n; i++)
		good = one(first + i, steps) && good;
	return good;
}

int main(int argc, char **argv)
{
	unsigned int n = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;
	unsigned int seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;

	env_init(HOLE_TC_SIZE);
	env_map(LOW, 0x30000);
	env_map(HIGH, 0x30000);
	trace = calloc(TRACE, sizeof(*trace));
	ktap_plan(3);
	ktap_ok(many(seed, n, false), "random programs");
	ktap_ok(many(seed + n, n / 10, true), "random programs, step by step");
	ktap_note("%u interrupts, %u inside a block, %u blocks dropped", interrupts, resumed,
		  dropped);
	ktap_ok(interrupts && resumed && dropped, "interrupts in them");
	ktap_exit();
}
