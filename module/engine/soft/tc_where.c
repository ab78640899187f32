// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache, what an address means
 *
 * A trap, a fault or an interrupt comes with an address in the cache.  Here it
 * becomes a guest RIP and what state the guest's instruction is in.
 */
#include "tc_internal.h"

/* The run of host code at offset @off of the block, by its marks. */
static void read_marks(struct soft_tc *tc, const struct tc_block *b, u32 off,
		       struct soft_where *w)
{
	const u8 *m = tc->marks + b->marks, *end = m + b->nr_marks;
	u32 pos = b->start, first = pos;

	w->rip = b->rip;
	for (; m < end; m += 2) {
		if (m[1] & 0xf) {
			w->rip += w->len;
			first = pos;
			w->len = m[1] & 0xf;
			w->spilled = 0;
			w->after_sti = m[1] & TC_MARK_STI;
		} else {
			w->spilled = m[1] >> 4;
		}
		w->r11 = m[0] & TC_MARK_R11;
		w->exit = m[0] & TC_MARK_MIDDLE ? SOFT_MIDDLE : SOFT_BOUNDARY;
		w->begun = off > first;
		pos += m[0] & TC_MARK_LEN;
		if (off < pos)
			return;
	}
}

/*
 * The chain whose exit is at offset @off of the block.  Where a dropped block began it is that of
 * the block in front of it, whatever of its own has been there.
 */
static const struct tc_chain *chain_at(struct soft_tc *tc, const struct tc_block *b, u32 off)
{
	u32 i;

	if (b->flags & TC_BLOCK_DROPPED && b->glue != TC_NONE && tc->chains[b->glue].stub == off)
		return &tc->chains[b->glue];
	for (i = b->chains; i < b->chains + b->nr_chains; i++)
		if (tc->chains[i].stub == off)
			return &tc->chains[i];
	return NULL;
}

/* An exit to another block, or the jump that it became. */
static bool read_chain(struct soft_tc *tc, const struct tc_block *b, u32 off,
		       struct soft_where *w)
{
	const struct tc_chain *c = chain_at(tc, b, off);

	if (!c)
		return false;
	w->exit = tc->c.buf[off] == 0xf4 ? SOFT_CHAIN : SOFT_BOUNDARY;
	w->rip = c->target;
	w->target = c->target;
	w->after_sti = c->to == TC_AFTER_STI;
	w->r11 = !c->home;
	if (w->exit == SOFT_CHAIN) {
		tc->chain_rip = c->target;
		tc->chain_home = c->home;
	}
	return true;
}

static void read_common(struct soft_tc *tc, u32 off, struct soft_where *w)
{
	w->exit = off == tc->miss_hlt ? SOFT_MISS : SOFT_MIDDLE;
	w->r11 = true;
}

/*
 * The exit of a block that ends with one, by the index that stands behind the
 * instruction: nothing has to be searched for.  Whatever is there, the record decides.
 */
static bool read_callout(struct soft_tc *tc, u64 off, struct soft_where *w)
{
	const struct tc_block *b;
	u32 i, n;

	if (off >= tc->used)
		return false;
	/* HLT or SYSCALL */
	n = tc->c.buf[off] == 0xf4 ? 1 : 2;
	if (tc->used - off < n + sizeof(i))
		return false;
	memcpy(&i, tc->c.buf + off + n, sizeof(i));
	if (i >= tc->nr_blocks)
		return false;
	b = &tc->blocks[i];
	if (!(b->flags & TC_BLOCK_CALLOUT) || b->callout != off)
		return false;
	w->exit = SOFT_CALLOUT;
	w->op = b->op;
	w->arg = b->arg;
	w->rip = b->rip + b->out_rip;
	w->len = b->out_mark & 0xf;
	w->after_sti = b->out_mark & TC_MARK_STI;
	w->spilled = b->out_spilled;
	w->r11 = b->out_r11;
	w->dropped = b->flags & TC_BLOCK_DROPPED;
	return true;
}

/**
 * soft_tc_where() - what an address of the cache means
 * @tc: the cache
 * @va: address where the guest stopped
 * @w: result
 *
 * Return: 0; -ENOENT: no code there.
 */
int soft_tc_where(struct soft_tc *tc, u64 va, struct soft_where *w)
{
	const struct tc_block *b;
	u64 off = va - tc->c.va;
	u32 i;

	memset(w, 0, sizeof(*w));
	if (off <= tc->miss_hlt) {
		read_common(tc, off, w);
		return 0;
	}
	if (read_callout(tc, off, w))
		return 0;
	i = tc_block_at(tc, va);
	if (i == TC_NONE)
		return -ENOENT;
	b = &tc->blocks[i];
	w->dropped = b->flags & TC_BLOCK_DROPPED;
	if (read_chain(tc, b, off, w))
		return 0;
	read_marks(tc, b, off, w);
	return 0;
}
