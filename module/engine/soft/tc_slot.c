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
 * The branch has the RIP in RCX and jumps by FS:[ECX * 8].  An address of 32 bits (67
 * prefix) is within 4 GiB of the FS base whatever RCX is, and all that the guest sees there is
 * targets[], every 512 KiB again: the page tables do what would take an AND, and with
 * it the guest's flags or one more register.
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
	memcpy(tc->c.buf + at, &rel, sizeof(rel));
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
	u32 i = first_of(tc, slot);

	if (!(b->flags & TC_BLOCK_SLOT))
		return;
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
	u32 i;

	for (i = 0; i < SOFT_TC_TARGETS; i++)
		tc->c.targets[i] = tc_va(tc, tc->miss);
}
