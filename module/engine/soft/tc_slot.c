// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache, indirect branches
 *
 * Blocks that indirect branches reach have a prologue, and targets[] leads to
 * one by the low 16 bits of the RIP.  The prologue compares the whole RIP with
 * its own; where they differ it jumps to the prologue of another block of the
 * same slot, the last one to the common SOFT_MISS:
 *
 *   targets[slot] -> prologue of A -> prologue of B -> miss
 *
 * The branch has the RIP in R11 and jumps by FS:[R11D * 8].  An address of 32 bits (67
 * prefix) is within 4 GiB of the FS base whatever R11 is, and all that the guest sees there is
 * targets[], every 512 KiB again: the page tables do what would take an AND, and with
 * it the guest's flags or one more register.
 *
 * That is for all RIPs.  Near ones, which is where a kernel and its modules are, and what unpacks
 * it, have the address to themselves: FS:[R11 * 8 - 2 GiB], all 64 bits of it, is targets[]
 * only until a block in the same span of 512 bytes wants a prologue.  Then the span gets a table
 * of its own, in which nobody else's RIP can be: there is nothing to compare, and the prologue has
 * no code.  A branch in near code that leads elsewhere finds targets[], or no memory at all; the
 * fault is a SOFT_MISS.
 *
 * The newest comes first.  The list is short, so that an interrupt is not
 * kept waiting while the monitor steps through it.
 */
#include "tc_internal.h"

static u64 *slot_of(struct soft_tc *tc, const struct tc_block *b)
{
	return &tc->c.targets[b->rip & (SOFT_TC_TARGETS - 1)];
}

/* First block of a slot; an entry that was overwritten leads nowhere. */
static u32 first_of(struct soft_tc *tc, u64 *slot)
{
	u32 i;

	if (*slot == tc_va(tc, tc->miss))
		return TC_NONE;
	i = tc_block_at(tc, *slot);
	if (i != TC_NONE && !(tc->blocks[i].flags & TC_BLOCK_SLOT))
		i = TC_NONE;
	return i;
}

static u32 prologue_of(struct soft_tc *tc, u32 index)
{
	return index == TC_NONE ? tc->miss : tc->blocks[index].start;
}

/* The jump of a prologue where the RIP is another one. */
static void set_next(struct soft_tc *tc, struct tc_block *b, u32 next)
{
	u32 at = b->start + (b->flags & TC_BLOCK_LONG ? TC_PROLOGUE_LONG_JMP :
							TC_PROLOGUE_JMP);
	u32 rel = prologue_of(tc, next) - (at + 4);

	b->slot_next = next;
	memcpy(tc_code(tc, at), &rel, sizeof(rel));
}

static void trim(struct soft_tc *tc, u32 index)
{
	unsigned int n;
	u32 next;

	for (n = 1; n < TC_SLOT_MAX && index != TC_NONE; n++)
		index = tc->blocks[index].slot_next;
	if (index == TC_NONE)
		return;
	next = tc->blocks[index].slot_next;
	if (next == TC_NONE)
		return;
	tc->blocks[next].flags &= ~TC_BLOCK_SLOT;
	set_next(tc, &tc->blocks[index], TC_NONE);
}

/**
 * tc_span_entry() - where the table of a span has a RIP
 * @tc: the cache
 * @rip: guest RIP
 *
 * Return: the entry, or NULL: its span has no table.
 */
u64 *tc_span_entry(struct soft_tc *tc, u64 rip)
{
	bool fresh;
	u64 *table;

	/* Blocks are made and linked with their neighbours. */
	if (tc->span_table && tc->span_rip == rip - rip % SOFT_TC_SPAN)
		return &tc->span_table[rip % SOFT_TC_SPAN];
	if (!tc->c.span || !tc_is_near(tc, rip))
		return NULL;
	table = tc->c.span(tc->c.span_ctx, rip, &fresh);
	if (!table)
		return NULL;
	if (fresh)
		memset64(table, tc_va(tc, tc->miss), SOFT_TC_SPAN);
	tc->span_rip = rip - rip % SOFT_TC_SPAN;
	tc->span_table = table;
	return &table[rip % SOFT_TC_SPAN];
}

/* A block whose prologue compares nothing: the entry leads to it, or nowhere. */
static void set_span(struct soft_tc *tc, struct tc_block *b, bool on)
{
	u64 *entry = tc_span_entry(tc, b->rip);

	b->flags &= ~TC_BLOCK_SLOT;
	/* It had one when the prologue was made. */
	if (!entry)
		return;
	*entry = tc_va(tc, on ? b->start : tc->miss);
	if (on)
		b->flags |= TC_BLOCK_SLOT;
}

/**
 * tc_slot_add() - let indirect branches find a block
 * @tc: the cache
 * @block: index of a block with a prologue
 */
void tc_slot_add(struct soft_tc *tc, u32 block)
{
	struct tc_block *b = &tc->blocks[block];
	u64 *slot = slot_of(tc, b);

	if (b->flags & TC_BLOCK_SLOT)
		return;
	if (b->flags & TC_BLOCK_SPAN) {
		set_span(tc, b, true);
		return;
	}
	set_next(tc, b, first_of(tc, slot));
	b->flags |= TC_BLOCK_SLOT;
	*slot = tc_va(tc, b->start);
	trim(tc, block);
}

/**
 * tc_slot_remove() - let indirect branches miss a block
 * @tc: the cache
 * @block: index
 */
void tc_slot_remove(struct soft_tc *tc, u32 block)
{
	struct tc_block *b = &tc->blocks[block];
	u64 *slot = slot_of(tc, b);
	u32 i;

	if (!(b->flags & TC_BLOCK_SLOT))
		return;
	if (b->flags & TC_BLOCK_SPAN) {
		set_span(tc, b, false);
		return;
	}
	i = first_of(tc, slot);
	b->flags &= ~TC_BLOCK_SLOT;
	if (i == block) {
		*slot = tc_va(tc, prologue_of(tc, b->slot_next));
		return;
	}
	while (i != TC_NONE && tc->blocks[i].slot_next != block)
		i = tc->blocks[i].slot_next;
	if (i != TC_NONE)
		set_next(tc, &tc->blocks[i], b->slot_next);
}

/**
 * tc_slot_clear() - let indirect branches miss
 * @tc: the cache
 */
void tc_slot_clear(struct soft_tc *tc)
{
	memset64(tc->c.targets, tc_va(tc, tc->miss), SOFT_TC_TARGETS);
}
