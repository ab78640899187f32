// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, traces
 *
 * A block whose CALL, JMP or end leads to another one for sure needs no jump if that one
 * comes right behind it.  So blocks are made in traces:
 *
 *   A: ... push return address
 *   B: ... jcc exit 1
 *   C: ... ret
 *   exit 1: hlt
 *
 * Each is a block with a record of its own, but for the exits of all their Jcc, which come last.
 * What is not translated yet becomes a part of the trace; of what is, the trace gets a copy
 * that nothing else leads to, if the code is short and says nothing relative to where it is.
 *
 * That A leads to B is a chain as any other (tc_chain.c), whose exit would be where B begins.
 * As long as B is there nothing has to be written for it.  When B is dropped its first
 * bytes become the exit: nobody else may run them any more.
 *
 * Where a trace may lead, and where its CALLs will return to, is translated
 * with it, some blocks far: each would otherwise cost an exit to the monitor.
 */
#include "translate_internal.h"

/* Blocks of a trace. */
#define TRACE_MAX	8

/* Code of a block that is copied, at most. */
#define COPY_MAX	192

/* The exit that a block's first bytes become. */
#define EXIT_BYTES	5

static struct tc_block *current_block(const struct tc_build *b)
{
	return &b->tc->blocks[b->block];
}

/* A block at b->pos. */
static void block_begin(struct tc_build *b, u64 rip, bool home)
{
	struct soft_tc *tc = b->tc;

	b->block = tc->nr_blocks;
	b->run = b->pos;
	b->home = home;
	b->mark[0] = home ? 0 : TC_MARK_R11;
	b->mark[1] = 0;
	b->rip = rip;
	b->insns = 0;
	b->fixups = 0;
	b->after_sti = false;
	b->goes_on = false;
	*current_block(b) = (struct tc_block){
		.rip = rip, .start = b->pos, .entry = b->pos,
		.marks = tc->nr_marks, .chains = tc->nr_chains, .in = TC_NONE,
		.slot_next = TC_NONE, .thunk = TC_NONE, .glue = TC_NONE,
		.flags = home ? TC_BLOCK_HOME : 0,
	};
}

static void build_begin(struct tc_build *b, u64 rip, bool home)
{
	struct soft_tc *tc = b->tc;

	b->first = tc->nr_blocks;
	b->out = tc_code(tc, tc->used) - tc->used;
	b->pos = tc->used;
	block_begin(b, rip, home);
}

static void block_end(struct tc_build *b)
{
	struct tc_block *block = current_block(b);

	emit_mark_close(b);
	block->end = b->pos;
	block->nr_marks = b->tc->nr_marks - block->marks;
	b->tc->nr_blocks++;
}

/* All of the block is there but what leads on. */
static void body_end(struct tc_build *b)
{
	struct tc_block *block = current_block(b);

	emit_mark_close(b);
	block->body_marks = b->tc->nr_marks - block->marks;
	block->guest_len = b->rip - block->rip;
	block->body = b->pos - block->entry;
	if (b->goes_on)
		block->flags |= TC_BLOCK_GOES_ON;
	if (!(block->flags & TC_BLOCK_CALLOUT) && b->fixups == (block->ret != 0))
		block->flags |= TC_BLOCK_PLAIN;
}

/* Is what comes next a block of the trace? */
static bool in_trace(const struct tc_build *b)
{
	const struct tc_block *block = &b->tc->blocks[b->first];
	u32 i;

	for (i = b->first; i <= b->block; i++, block++)
		if (block->rip == b->next && tc_is_home(block) == b->home)
			return true;
	return false;
}

/* Is there room for one more block behind this one, and are this one's bytes enough for an exit? */
static bool may_grow(const struct tc_build *b)
{
	const struct soft_tc *tc = b->tc;

	return !tc->c.single && b->pos - current_block(b)->entry >= EXIT_BYTES &&
	       b->block - b->first + 1 < TRACE_MAX && tc_has_room(tc) &&
	       b->pos - tc->used <= TC_TRACE_BYTES - TC_BLOCK_BYTES - TC_TRACE_EXITS;
}

/* The marks of the body of @from, and what the open one is behind it. */
static void copy_marks(struct tc_build *b, const struct tc_block *from)
{
	struct soft_tc *tc = b->tc;
	const u8 *m = tc->marks + from->marks, *end = m + from->body_marks;
	u32 pos;

	for (pos = from->start; pos < from->entry; m += 2)
		pos += m[0] & TC_MARK_LEN;
	memcpy(tc->marks + tc->nr_marks, m, end - m);
	tc->nr_marks += end - m;
	if (from->body_marks < from->nr_marks && end[1] & 0xf)
		memcpy(b->mark, end, 2);
}

static void copy_chains(struct tc_build *b, const struct tc_block *from)
{
	const struct tc_chain *c = &b->tc->chains[from->chains];
	struct tc_chain *to;
	u32 i, n = from->nr_chains - !!(from->flags & TC_BLOCK_GOES_ON);

	for (i = 0; i < n; i++, c++) {
		to = tc_new_chain(b, c->target);
		to->patch = b->pos + (c->patch - from->entry);
		to->home = c->home;
	}
	if (!(from->flags & TC_BLOCK_GOES_ON))
		return;
	b->goes_on = true;
	b->next = c->target;
	b->home = c->home;
}

/* The new block is the same as @from, elsewhere. */
static void copy_block(struct tc_build *b, const struct tc_block *from)
{
	struct tc_block *block = current_block(b);
	u8 *code = b->out + b->pos;
	u32 rel;

	memcpy(code, tc_code(b->tc, from->entry), from->body);
	if (from->ret) {
		memcpy(&rel, code + from->ret, sizeof(rel));
		rel += from->entry - b->pos;
		memcpy(code + from->ret, &rel, sizeof(rel));
		b->fixups = 1;
	}
	block->ret = from->ret;
	block->flags |= TC_BLOCK_COPY;
	copy_marks(b, from);
	copy_chains(b, from);
	b->pos += from->body;
	b->run = b->pos;
	b->mark[0] = b->home ? 0 : TC_MARK_R11;
	b->rip += from->guest_len;
	body_end(b);
}

/* Indirect branches come with R11 in vdata. */
static bool wants_prologue(const struct tc_build *b, u64 rip)
{
	return !b->home && tc_expected(b->tc, rip);
}

/* What will come behind the block: one to be copied, or one that begins in b->in.  False: neither. */
static bool find_next(struct tc_build *b, struct source *s, u32 *from, int *first)
{
	struct soft_tc *tc = b->tc;
	const struct tc_block *to;

	*from = tc_find(tc, b->next, b->home);
	if (in_trace(b))
		return false;
	if (*from != TC_NONE) {
		to = &tc->blocks[*from];
		return (to->flags & TC_BLOCK_PLAIN) && to->body <= COPY_MAX && may_grow(b);
	}
	/* What has code in front of its entry cannot be behind another. */
	if ((wants_prologue(b, b->next) && !tc_span_entry(tc, b->next)) || !may_grow(b)) {
		emit_follow(b, b->next, b->home);
		return false;
	}
	b->rip = b->next;
	b->insns = 0;
	*first = source_insn(b, s);
	return *first != -ENODATA;
}

/* The block leads on to one right behind it.  Return: that is begun. */
static void glue_next(struct tc_build *b)
{
	struct tc_chain *c = tc_new_chain(b, b->next);
	u32 chain = c - b->tc->chains;

	c->stub = b->pos;
	c->patch = b->pos + 1;
	if (b->mark[1] & 0xf)
		emit_mark_nothing(b);
	block_end(b);
	tc_add_block(b->tc, b->block);
	block_begin(b, b->next, b->home);
	tc_chain_glue(b->tc, chain, b->block);
}

/* One more block of the trace.  False: there is none. */
static bool grow(struct tc_build *b, struct source *s)
{
	int first = 0;
	u32 from;

	if (!b->goes_on)
		return false;
	if (!find_next(b, s, &from, &first)) {
		emit_chain(b, b->next, true);
		return false;
	}
	glue_next(b);
	if (from != TC_NONE) {
		copy_block(b, &b->tc->blocks[from]);
		return true;
	}
	if (wants_prologue(b, b->rip))
		emit_prologue(b, current_block(b), false);
	emit_insns(b, s, first);
	body_end(b);
	b->tc->stats.translations++;
	b->tc->stats.insns += b->insns;
	return true;
}

static void settle_chains(struct soft_tc *tc, u32 first)
{
	u32 i, to;

	for (i = first; i < tc->nr_chains; i++) {
		if (tc->chains[i].to != TC_NONE)
			continue;
		tc_chain_wait(tc, i);
		to = tc_find(tc, tc->chains[i].target, tc->chains[i].home);
		if (to != TC_NONE)
			tc_chain_link(tc, i, to);
	}
}

/* The exits of all Jcc: a part of the only block, or of a record that has nothing else. */
static void end_trace(struct tc_build *b)
{
	struct soft_tc *tc = b->tc;
	u32 chains = tc->blocks[b->first].chains, last = b->block;

	if (last != b->first) {
		block_end(b);
		tc_add_block(tc, last);
		block_begin(b, 0, b->home);
		current_block(b)->flags = TC_BLOCK_THUNK;
		current_block(b)->chains = chains;
		current_block(b)->nr_chains = tc->nr_chains - chains;
	}
	emit_mark(b, 0, 0);
	emit_late_exits(b, chains, tc->nr_chains - chains);
	if (last == b->first || b->pos != current_block(b)->start)
		block_end(b);
	if (last == b->first)
		tc_add_block(tc, last);
	settle_chains(tc, chains);
	tc_commit(tc, b->pos);
}

/* The block at @rip, and what goes with it. */
static int translate_trace(struct tc_build *b, struct source *s, u64 rip, bool home)
{
	struct soft_tc *tc = b->tc;
	int first;

	if (!tc_has_room(tc))
		return -ENOSPC;
	build_begin(b, rip, home);
	first = source_insn(b, s);
	if (first == -ENODATA)
		return -EFAULT;
	if (wants_prologue(b, rip))
		emit_prologue(b, current_block(b), false);
	current_block(b)->entry = b->pos;
	b->fixups = 0;
	emit_insns(b, s, first);
	body_end(b);
	tc->stats.translations++;
	tc->stats.insns += b->insns;
	while (grow(b, s))
		;
	end_trace(b);
	return 0;
}

/* Translate what comes after it; what cannot be fetched is left. */
static void follow(struct tc_build *b, struct source *s)
{
	struct soft_tc *tc = b->tc;
	u64 limit = tc->stats.translations + FOLLOW_MAX;
	unsigned int i;
	bool home;

	for (i = 0; i < b->nr_follow && tc->stats.translations < limit; i++) {
		home = b->follow_home & BIT(i);
		if (tc_find(tc, b->follow[i], home) == TC_NONE &&
		    translate_trace(b, s, b->follow[i], home) == -ENOSPC)
			return;
	}
}

/**
 * soft_tc_translate() - translate the block at a guest RIP
 * @tc: the cache
 * @rip: guest RIP
 * @fetch: reads guest code
 * @ctx: for @fetch
 * @va: address where the guest runs it
 *
 * May translate other blocks, too, which the guest will run after this one;
 * that @fetch fails for one of those is no failure.
 *
 * Return: 0; -EFAULT: the first instruction cannot be fetched; -ENOSPC: the
 * cache is full and wants a flush.
 */
int soft_tc_translate(struct soft_tc *tc, u64 rip, soft_tc_fetch *fetch,
		      void *ctx, u64 *va)
{
	struct source s = { .fetch = fetch, .ctx = ctx, .gva = rip };
	struct tc_build b = { .tc = tc };
	int ret;

	*va = soft_tc_lookup(tc, rip);
	if (*va)
		return 0;
	ret = translate_trace(&b, &s, rip, rip == tc->chain_rip && tc->chain_home);
	if (ret)
		return ret;
	*va = tc_va(tc, tc->blocks[b.first].entry);
	if (!tc->c.single)
		follow(&b, &s);
	return 0;
}

/**
 * tc_emit_common() - emit the code that all blocks share
 * @tc: a cache without blocks
 *
 * That is where an indirect branch ends that finds no block.
 */
void tc_emit_common(struct soft_tc *tc)
{
	struct tc_build b = { .tc = tc, .out = tc_code(tc, 0) };

	tc->miss = b.pos;
	emit_store(&b, UMBRA_R11, VDATA(&b, rip));
	tc->miss_hlt = b.pos;
	emit_u8(&b, 0xf4);
	tc_commit(tc, b.pos);
	tc->fixed = (b.pos + 15) & ~15u;
}

/**
 * tc_emit_thunk() - emit a prologue for a block that has none
 * @tc: the cache, which has room
 * @block: index of the block
 *
 * Return: index of the record of the prologue.
 */
u32 tc_emit_thunk(struct soft_tc *tc, u32 block)
{
	struct tc_build b = { .tc = tc };

	build_begin(&b, tc->blocks[block].rip, false);
	current_block(&b)->flags = TC_BLOCK_THUNK;
	/* What needs none, for its span, is not what is missing. */
	emit_prologue(&b, current_block(&b), true);
	emit_u8(&b, 0xe9);
	emit_u32(&b, tc->blocks[block].entry - (b.pos + 4));
	block_end(&b);
	tc_commit(tc, b.pos);
	return b.block;
}
