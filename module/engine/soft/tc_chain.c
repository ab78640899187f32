// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache, direct branches
 *
 * A direct branch to a guest RIP leads to an exit until the block of that RIP
 * exists, and then into it.  A chain is always in one list: that of the block it
 * is linked to, or that of the chains that wait for their target.
 *
 *   jump:       exit F4 .. .. .. ..      linked  E9 rel32      (the same bytes)
 *   Jcc:        0F 8x rel32 to the exit  linked  0F 8x rel32 to the block
 *   glued:      the block itself, whose first bytes become an exit when it is dropped
 */
#include "tc_internal.h"

#define X86_HLT		0xf4
#define X86_JMP		0xe9

static u32 *head_of(struct soft_tc *tc, const struct tc_chain *c)
{
	if (c->to != TC_NONE)
		return &tc->blocks[c->to].in;
	return &tc->wait[tc_rip_hash(c->target) & tc->hash_mask];
}

static void list_put(struct soft_tc *tc, u32 index)
{
	struct tc_chain *c = &tc->chains[index];
	u32 *head = head_of(tc, c);

	c->prev = TC_NONE;
	c->next = *head;
	if (c->next != TC_NONE)
		tc->chains[c->next].prev = index;
	*head = index;
}

static void list_take(struct soft_tc *tc, u32 index)
{
	struct tc_chain *c = &tc->chains[index];

	if (c->next != TC_NONE)
		tc->chains[c->next].prev = c->prev;
	if (c->prev != TC_NONE)
		tc->chains[c->prev].next = c->next;
	else
		*head_of(tc, c) = c->next;
}

static bool in_list(const struct tc_chain *c)
{
	return c->to != TC_CUT && c->to != TC_AFTER_STI;
}

static void point(struct soft_tc *tc, const struct tc_chain *c, u32 dest)
{
	u32 rel = dest - (c->patch + 4);

	if (c->stub == c->patch - 1)
		*tc_code(tc, c->stub) = dest == c->stub ? X86_HLT : X86_JMP;
	memcpy(tc_code(tc, c->patch), &rel, sizeof(rel));
}

/**
 * tc_chain_wait() - a new chain waits for its target
 * @tc: the cache
 * @chain: index; its code leads to its exit
 */
void tc_chain_wait(struct soft_tc *tc, u32 chain)
{
	tc->chains[chain].to = TC_NONE;
	list_put(tc, chain);
}

/**
 * tc_chain_glue() - a new chain leads to the block behind it without a jump
 * @tc: the cache
 * @chain: index; its exit would be where the block begins
 * @block: index; one that is being made
 */
void tc_chain_glue(struct soft_tc *tc, u32 chain, u32 block)
{
	tc->chains[chain].to = block;
	list_put(tc, chain);
	tc->blocks[block].glue = chain;
}

/* Its exit is not there: a block is in its place. */
static bool is_glued(const struct soft_tc *tc, u32 chain)
{
	return tc->blocks[tc->chains[chain].to].glue == chain;
}

/**
 * tc_chain_cut() - let a chain exit for good
 * @tc: the cache
 * @chain: index
 */
void tc_chain_cut(struct soft_tc *tc, u32 chain)
{
	struct tc_chain *c = &tc->chains[chain];

	if (!in_list(c))
		return;
	list_take(tc, chain);
	if (c->to != TC_NONE && is_glued(tc, chain))
		tc->blocks[c->to].glue = TC_NONE;
	else
		point(tc, c, c->stub);
	c->to = TC_CUT;
}

/**
 * tc_chain_link() - let a chain lead to a block
 * @tc: the cache
 * @chain: index; one that always exits stays as it is
 * @block: index
 */
void tc_chain_link(struct soft_tc *tc, u32 chain, u32 block)
{
	struct tc_chain *c = &tc->chains[chain];

	if (!in_list(c) || c->to == block || (c->to != TC_NONE && is_glued(tc, chain)))
		return;
	list_take(tc, chain);
	c->to = block;
	list_put(tc, chain);
	point(tc, c, tc->blocks[block].entry);
	tc->stats.links++;
}

/**
 * tc_is_awaited() - does a chain wait for a block at a guest RIP
 * @tc: the cache
 * @rip: guest RIP
 *
 * Return: yes.
 */
bool tc_is_awaited(struct soft_tc *tc, u64 rip)
{
	u32 i = tc->wait[tc_rip_hash(rip) & tc->hash_mask];

	while (i != TC_NONE && tc->chains[i].target != rip)
		i = tc->chains[i].next;
	return i != TC_NONE;
}

/**
 * tc_link_waiting() - link all chains that wait for a new block
 * @tc: the cache
 * @block: index
 */
void tc_link_waiting(struct soft_tc *tc, u32 block)
{
	u64 rip = tc->blocks[block].rip;
	u32 i = tc->wait[tc_rip_hash(rip) & tc->hash_mask], next;

	for (; i != TC_NONE; i = next) {
		next = tc->chains[i].next;
		if (tc->chains[i].target == rip &&
		    tc->chains[i].home == tc_is_home(&tc->blocks[block]))
			tc_chain_link(tc, i, block);
	}
}

/**
 * tc_unlink_all() - let all chains that lead to a block wait again
 * @tc: the cache
 * @block: index
 */
void tc_unlink_all(struct soft_tc *tc, u32 block)
{
	u32 i;

	while ((i = tc->blocks[block].in) != TC_NONE) {
		list_take(tc, i);
		point(tc, &tc->chains[i], tc->chains[i].stub);
		tc_chain_wait(tc, i);
	}
}

/**
 * soft_tc_link() - link an exit to a block
 * @tc: the cache
 * @chain_va: address of a SOFT_CHAIN exit
 * @target_va: entry of the block, as soft_tc_lookup() gives it
 *
 * Needed only by who translates .target at another time than right after the
 * exit: blocks are linked as they appear.  Does nothing where one of the two
 * is gone or does not belong to the other.
 */
void soft_tc_link(struct soft_tc *tc, u64 chain_va, u64 target_va)
{
	u32 from = tc_block_at(tc, chain_va), to = tc_block_at(tc, target_va), i;
	struct tc_block *b;

	if (from == TC_NONE || to == TC_NONE ||
	    tc->blocks[to].flags & (TC_BLOCK_DROPPED | TC_BLOCK_THUNK))
		return;
	b = &tc->blocks[from];
	for (i = b->chains; i < b->chains + b->nr_chains; i++)
		if (tc_va(tc, tc->chains[i].stub) == chain_va &&
		    tc->chains[i].target == tc->blocks[to].rip &&
		    tc->chains[i].home == tc_is_home(&tc->blocks[to]))
			tc_chain_link(tc, i, to);
}
