// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator
 *
 * Guest code to blocks of the cache, one instruction after the other: fetch,
 * decode, classify, emit.  A block ends where the guest's control goes
 * elsewhere for sure, at an exit, at a page's end, or when it is long enough.
 * It goes on after a conditional branch: not taken, that costs nothing then.
 *
 * Where a block is sure to lead, and where its CALL will return to, is translated
 * with it, some blocks far: each would otherwise cost an exit to the monitor.
 */
#include "translate_internal.h"

/* A block is not continued after a Jcc beyond this many instructions. */
#define INSNS_WITH_JCC	40

/* Guest code is fetched by so many bytes. */
#define SOURCE_BYTES	128

/* Blocks translated in one go, at most. */
#define FOLLOW_MAX	12

/**
 * struct source - guest code as it is fetched
 * @fetch: how
 * @ctx: for @fetch
 * @gva: address of buf[0]
 * @len: bytes there
 * @buf: a piece of one page, and of the next one if an instruction goes on there; what
 *	emit_code() reads behind it comes last
 */
struct source {
	soft_tc_fetch *fetch;
	void *ctx;
	u64 gva;
	unsigned int len;
	u8 buf[SOURCE_BYTES + SOURCE_PAD];
};

static unsigned int left_in_page(u64 gva)
{
	return UMBRA_PAGE_SIZE - (gva & (UMBRA_PAGE_SIZE - 1));
}

/* Bytes at @gva in the buffer, up to the page's end; fetched as needed. */
static unsigned int source_at(struct source *s, u64 gva, const u8 **bytes)
{
	u64 off = gva - s->gva;
	unsigned int want;
	int got;

	if (likely(off < s->len && s->len - off >= 15)) {
		*bytes = s->buf + off;
		return s->len - off;
	}
	want = left_in_page(gva);
	if (off >= s->len || s->len - off < min_t(unsigned int, want, 15)) {
		want = min_t(unsigned int, want, SOURCE_BYTES);
		got = s->fetch(s->ctx, gva, s->buf, want);
		s->gva = gva;
		s->len = got > 0 ? min_t(unsigned int, got, want) : 0;
		off = 0;
	}
	*bytes = s->buf + off;
	return s->len - off;
}

/*
 * An instruction that goes on in the next page, after @have bytes: the buffer
 * gets the rest of what it may be.  Return: all bytes, or 0: cannot be fetched.
 */
static unsigned int source_cross(struct source *s, u64 gva, unsigned int have)
{
	int got;

	memmove(s->buf, s->buf + s->len - have, have);
	s->gva = gva;
	s->len = have;
	got = s->fetch(s->ctx, gva + have, s->buf + have, 15 - have);
	if (got <= 0)
		return 0;
	s->len = min_t(unsigned int, have + got, 15);
	return s->len;
}

/*
 * Decode the instruction at b->rip.  Return: 0; -EINVAL: it has to be
 * emulated; -ENODATA: it cannot be fetched, or not in this block.
 */
static int next_insn(struct tc_build *b, struct source *s)
{
	unsigned int n = source_at(s, b->rip, &b->code);
	int ret;

	if (!n)
		return -ENODATA;
	ret = umbra_insn_decode(&b->in, b->code, n);
	if (ret == -ENODATA && n == left_in_page(b->rip) && !b->insns) {
		n = source_cross(s, b->rip, n);
		if (!n)
			return -ENODATA;
		b->code = s->buf;
		ret = umbra_insn_decode(&b->in, b->code, n);
		if (ret == -ENODATA)
			return ret;
	}
	if (ret && ret != -ENODATA) {
		/* whatever was looked at: changed, it may be valid */
		memset(&b->in, 0, sizeof(b->in));
		b->in.len = min_t(unsigned int, n, 15);
		return -EINVAL;
	}
	return ret;
}

/* Translate the instruction. Return: true: the block ends here. */
static bool emit_insn(struct tc_build *b)
{
	u8 op, action = tc_classify(b->tc, &b->in, &op);

	emit_mark_insn(b);
	if (likely(action == TC_COPY)) {
		if (!emit_copy(b))
			return false;
		op = SOFT_OP_OTHER;
		action = TC_CALLOUT;
	}
	switch (action) {
	case TC_CALLOUT:
		emit_callout(b, op, tc_callout_arg(&b->in, op));
		return true;
	case TC_INVLPG:
		emit_invlpg(b);
		return true;
	case TC_JMP:
		b->follow[b->nr_follow++] = b->rip + b->in.len + b->in.imm;
		emit_chain(b, b->follow[0], true);
		return true;
	case TC_JCC:
		emit_jcc(b);
		return false;
	case TC_LOOP:
		emit_loop(b);
		return false;
	case TC_CALL:
		emit_call(b);
		return true;
	case TC_RET:
		emit_ret(b);
		return true;
	case TC_JMP_IND:
	case TC_CALL_IND:
		emit_indirect(b, action == TC_CALL_IND);
		return true;
	case TC_LEA:
		emit_lea(b);
		return false;
	case TC_SYSRET:
	case TC_IRET:
		emit_service(b, action);
		return true;
	}
	emit_system(b, action);
	b->after_sti = action == TC_STI;
	return false;
}

static bool long_enough(const struct tc_build *b)
{
	if (b->after_sti)
		return b->insns >= TC_BLOCK_INSNS;
	return b->insns >= (b->tc->blocks[b->block].nr_chains ?
			    INSNS_WITH_JCC : TC_BLOCK_INSNS - 1);
}

/* Instructions up to the end of the block; at least one. */
static int emit_insns(struct tc_build *b, struct source *s)
{
	u64 page = b->rip >> UMBRA_PAGE_SHIFT;
	bool ends;
	int ret;

	while ((b->rip >> UMBRA_PAGE_SHIFT) == page && !long_enough(b)) {
		ret = next_insn(b, s);
		if (ret == -ENODATA)
			break;
		if (ret) {
			emit_mark_insn(b);
			emit_callout(b, SOFT_OP_UNDECODED, 0);
			ends = true;
		} else {
			ends = emit_insn(b);
		}
		b->insns++;
		b->rip += b->in.len;
		if (ends)
			return 0;
	}
	if (!b->insns)
		return -EFAULT;
	b->follow[b->nr_follow++] = b->rip;
	emit_mark(b, 0, 0);
	emit_chain(b, b->rip, !b->after_sti);
	return 0;
}

static void build_begin(struct tc_build *b, struct soft_tc *tc, u64 rip)
{
	struct tc_block *block = &tc->blocks[tc->nr_blocks];

	memset(b, 0, sizeof(*b));
	b->tc = tc;
	b->block = tc->nr_blocks;
	b->out = tc_code(tc, tc->used) - tc->used;
	b->pos = tc->used;
	b->run = tc->used;
	b->rip = rip;
	*block = (struct tc_block){
		.rip = rip, .start = b->pos, .entry = b->pos,
		.marks = tc->nr_marks, .chains = tc->nr_chains, .in = TC_NONE,
		.slot_next = TC_NONE, .thunk = TC_NONE,
	};
}

static void build_end(struct tc_build *b)
{
	struct soft_tc *tc = b->tc;
	struct tc_block *block = &tc->blocks[b->block];

	emit_mark_close(b);
	block->end = b->pos;
	block->nr_marks = tc->nr_marks - block->marks;
	tc->nr_blocks++;
}

/* Undo what a block that has come to nothing took. */
static void build_drop(struct tc_build *b)
{
	struct tc_block *block = &b->tc->blocks[b->block];

	b->tc->nr_marks = block->marks;
	b->tc->nr_chains = block->chains;
}

static void settle_chains(struct tc_build *b)
{
	struct soft_tc *tc = b->tc;
	struct tc_block *block = &tc->blocks[b->block];
	u32 i, to;

	for (i = block->chains; i < block->chains + block->nr_chains; i++) {
		if (tc->chains[i].to == TC_AFTER_STI)
			continue;
		tc_chain_wait(tc, i);
		to = tc_find(tc, tc->chains[i].target);
		if (to != TC_NONE)
			tc_chain_link(tc, i, to);
	}
}

static int translate_block(struct tc_build *b, struct source *s, struct soft_tc *tc,
			   u64 rip)
{
	struct tc_block *block = &tc->blocks[tc->nr_blocks];
	int ret;

	if (!tc_has_room(tc))
		return -ENOSPC;
	build_begin(b, tc, rip);
	if (tc_expected(tc, rip))
		emit_prologue(b, block, false);
	block->entry = b->pos;
	ret = emit_insns(b, s);
	if (ret) {
		build_drop(b);
		return ret;
	}
	emit_late_exits(b);
	block->guest_len = b->rip - rip;
	build_end(b);
	settle_chains(b);
	tc_add_block(tc, b->block);
	tc_commit(tc, b->pos);
	tc->stats.translations++;
	tc->stats.insns += b->insns;
	return 0;
}

/* Translate what comes after the block in @b; what cannot be fetched is left. */
static void follow(struct tc_build *b, struct source *s, struct soft_tc *tc)
{
	u64 queue[FOLLOW_MAX];
	unsigned int n = 0, i, done = 0;

	for (;;) {
		for (i = 0; i < b->nr_follow && n < FOLLOW_MAX; i++)
			queue[n++] = b->follow[i];
		b->nr_follow = 0;
		if (done == n)
			return;
		if (tc_find(tc, queue[done]) == TC_NONE &&
		    translate_block(b, s, tc, queue[done]) == -ENOSPC)
			return;
		done++;
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
	struct tc_build b;
	int ret;

	*va = soft_tc_lookup(tc, rip);
	if (*va)
		return 0;
	ret = translate_block(&b, &s, tc, rip);
	if (ret)
		return ret;
	*va = tc_va(tc, tc->blocks[b.block].entry);
	if (!tc->c.single)
		follow(&b, &s, tc);
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
	emit_store(&b, UMBRA_RCX, VDATA(&b, rip));
	emit_reload(&b, SOFT_SPILL_RCX);
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
	struct tc_build b;

	build_begin(&b, tc, tc->blocks[block].rip);
	tc->blocks[b.block].flags = TC_BLOCK_THUNK;
	/* If it has one already, for its span, that is not what is missing. */
	emit_prologue(&b, &tc->blocks[b.block], tc->blocks[block].flags & TC_BLOCK_PROLOGUE);
	emit_u8(&b, 0xe9);
	emit_u32(&b, tc->blocks[block].entry - (b.pos + 4));
	build_end(&b);
	tc_commit(tc, b.pos);
	return b.block;
}
