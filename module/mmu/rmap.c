// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the reverse map
 *
 * Two questions have to be answered backwards: which shadow entries map this
 * frame (to write-protect it, or to take it away when the host wants it back),
 * and which entries link this shadow table (to take the table away).  Both
 * answers are a chain: nearly always a single entry, kept in the chain's own
 * word; a list of blocks when there are more.
 *
 * Entries of 2 MiB are in chains of their own, one for each such frame; whoever
 * asks after a frame of 4 KiB looks at both.
 *
 * A frame's chain is in its slot.  Chains of 4 KiB entries change while the MMU lock is
 * only held for reading: then each is under one of a few locks, found by the frame.  Everything
 * else here, links too, belongs to who holds the MMU lock for writing, and nobody else is
 * there then.
 *
 * During a change of slots two of them may
 * cover a frame for a moment; an entry is in the chain of the slot that the
 * fault saw, so looking backwards tries both.
 */
#include "mmu_internal.h"
#include "spte.h"

/**
 * umbra_rmap_init() - the locks of the reverse map
 * @mmu: a new VM's
 *
 * Context: any.
 */
void umbra_rmap_init(struct umbra_mmu *mmu)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_RMAPS; i++)
		spin_lock_init(&mmu->rmap[i].lock);
}

static struct umbra_rmap *rmap_of(struct umbra_mmu *mmu, gfn_t gfn)
{
	return &mmu->rmap[gfn % UMBRA_NR_RMAPS];
}

static struct umbra_chain_block *chain_blocks(const struct umbra_chain *chain)
{
	return chain->val & 1 ? (struct umbra_chain_block *)(chain->val & ~1ul) : NULL;
}

/*
 * Blocks that chains have let go of are kept: guests map and unmap a page by turns that
 * their own supervisor maps as well.
 */
#define SPARE_BLOCKS	(256 / UMBRA_NR_RMAPS)

static struct umbra_chain_block *take_block(struct umbra_pools *pools, struct umbra_rmap *rmap)
{
	struct umbra_chain_block *block = rmap->spares;

	if (!block)
		return umbra_pool_take(&pools->block);
	rmap->spares = block->next;
	rmap->nr_spares--;
	return block;
}

static void put_block(struct umbra_rmap *rmap, struct umbra_chain_block *block)
{
	if (rmap->nr_spares == SPARE_BLOCKS) {
		umbra_host_free(block);
		return;
	}
	block->next = rmap->spares;
	rmap->spares = block;
	rmap->nr_spares++;
}

static void free_spares(struct umbra_rmap *rmap)
{
	struct umbra_chain_block *block;

	while ((block = rmap->spares)) {
		rmap->spares = block->next;
		umbra_host_free(block);
	}
	rmap->nr_spares = 0;
}

/**
 * umbra_chain_free_spares() - give back the blocks that are kept
 * @mmu: the VM's
 *
 * Context: MMU lock held for writing, or nobody else sees the MMU.
 */
void umbra_chain_free_spares(struct umbra_mmu *mmu)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_RMAPS; i++)
		free_spares(&mmu->rmap[i]);
}

static bool chain_push(struct umbra_pools *pools, struct umbra_rmap *rmap,
		       struct umbra_chain *chain, u64 *sptep)
{
	struct umbra_chain_block *first = chain_blocks(chain);

	if (!first || first->n == UMBRA_CHAIN_BLOCK) {
		struct umbra_chain_block *block = take_block(pools, rmap);

		if (!block)
			return false;
		block->next = first;
		block->n = 0;
		chain->val = (unsigned long)block | 1;
		first = block;
	}
	first->sptep[first->n++] = sptep;
	return true;
}

/**
 * umbra_chain_add() - add a member
 * @pools: gives at most one block
 * @rmap: has some first
 * @chain: the chain
 * @sptep: not a member yet
 *
 * Context: MMU lock held for writing, or that of @rmap.
 * Return: false when the pool was empty; nothing is changed then.
 */
bool umbra_chain_add(struct umbra_pools *pools, struct umbra_rmap *rmap,
		     struct umbra_chain *chain, u64 *sptep)
{
	u64 *only;

	if (!chain->val) {
		chain->val = (unsigned long)sptep;
		return true;
	}
	if (!(chain->val & 1)) {
		only = (u64 *)chain->val;
		chain->val = 0;
		if (!chain_push(pools, rmap, chain, only)) {
			chain->val = (unsigned long)only;
			return false;
		}
	}
	return chain_push(pools, rmap, chain, sptep);
}

/* The last member of the first block fills the hole. */
static void block_remove(struct umbra_rmap *rmap, struct umbra_chain *chain, u64 **hole)
{
	struct umbra_chain_block *first = chain_blocks(chain);

	*hole = first->sptep[--first->n];
	if (first->n)
		return;
	chain->val = first->next ? (unsigned long)first->next | 1 : 0;
	put_block(rmap, first);
}

/**
 * umbra_chain_remove() - remove a member
 * @rmap: gets blocks that become free
 * @chain: the chain
 * @sptep: the member
 *
 * Context: as umbra_chain_add().
 * Return: false when it was no member.
 */
bool umbra_chain_remove(struct umbra_rmap *rmap, struct umbra_chain *chain, u64 *sptep)
{
	struct umbra_chain_block *block;
	unsigned int i;

	if (!(chain->val & 1)) {
		if (!chain->val || (u64 *)chain->val != sptep)
			return false;
		chain->val = 0;
		return true;
	}
	for (block = chain_blocks(chain); block; block = block->next) {
		for (i = 0; i < block->n; i++) {
			if (block->sptep[i] != sptep)
				continue;
			block_remove(rmap, chain, &block->sptep[i]);
			return true;
		}
	}
	return false;
}

/**
 * umbra_chain_first() - some member, for loops that empty a chain
 * @chain: the chain
 *
 * Context: as umbra_chain_add().
 * Return: a member or NULL.
 */
u64 *umbra_chain_first(const struct umbra_chain *chain)
{
	struct umbra_chain_block *first = chain_blocks(chain);

	return first ? first->sptep[first->n - 1] : (u64 *)chain->val;
}

/**
 * umbra_chain_for_each() - visit every member
 * @chain: the chain; must not change meanwhile
 * @visit: called for each
 * @arg: passed to @visit
 *
 * Context: as umbra_chain_add().
 */
void umbra_chain_for_each(const struct umbra_chain *chain,
			  void (*visit)(u64 *sptep, void *arg), void *arg)
{
	struct umbra_chain_block *block = chain_blocks(chain);
	unsigned int i;

	if (!block && chain->val)
		visit((u64 *)chain->val, arg);
	for (; block; block = block->next)
		for (i = 0; i < block->n; i++)
			visit(block->sptep[i], arg);
}

/**
 * umbra_sp_entry_gfn() - the frame that a leaf entry maps
 * @sp: shadow page
 * @index: entry
 *
 * Context: MMU lock held, the entry does not change.
 * Return: the first 4 KiB frame of it.
 */
gfn_t umbra_sp_entry_gfn(const struct umbra_sp *sp, unsigned int index)
{
	/* The low bits of the address in a large page's entry are others (PAT). */
	if (sp->gptes)
		return gpa_to_gfn(READ_ONCE(sp->gptes[index]) & PTE_ADDR) &
		       ~(umbra_level_pages(sp->role.level) - 1);
	return sp->gfn + index * umbra_level_pages(sp->role.level);
}

static bool slot_has(const struct umbra_mmu_slot *slot, gfn_t gfn)
{
	return gfn >= slot->base_gfn && gfn - slot->base_gfn < slot->npages;
}

/**
 * umbra_rmap_large_index() - which frame of 2 MiB of a slot holds a frame
 * @slot: the slot
 * @gfn: frame in it
 *
 * Context: any.
 * Return: index in @slot->large_rmap.
 */
unsigned int umbra_rmap_large_index(const struct umbra_mmu_slot *slot, gfn_t gfn)
{
	return gfn / UMBRA_LARGE_PAGES - slot->base_gfn / UMBRA_LARGE_PAGES;
}

/*
 * The chain of entries of @level that map @gfn.  One of 4 KiB entries stands while the MMU lock is
 * held for writing, or the lock of its part; others for readers, too.
 */
static struct umbra_chain *chain_of(struct umbra_mmu *mmu, const struct umbra_mmu_slot *slot,
				    gfn_t gfn, unsigned int level)
{
	lockdep_assert(lockdep_is_held_type(&mmu->lock, 0) || level > 1 ||
		       lockdep_is_held(&rmap_of(mmu, gfn)->lock));
	if (level == 1)
		return &slot->rmap[gfn - slot->base_gfn];
	return &slot->large_rmap[umbra_rmap_large_index(slot, gfn)];
}

/**
 * umbra_rmap_slot() - a slot that holds a frame
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: MMU lock held.
 * Return: the slot, not one that is gone; or NULL.
 */
struct umbra_mmu_slot *umbra_rmap_slot(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_mmu_slot *slot;

	list_for_each_entry(slot, &mmu->slots, link)
		if (slot_has(slot, gfn) && !slot->gone)
			return slot;
	return NULL;
}

/**
 * umbra_rmap_add() - a leaf entry maps a frame from now on
 * @pools: gives at most one block
 * @slot: the slot that holds @gfn
 * @sp: shadow page
 * @index: entry in it
 * @gfn: the frame, the first of the entry's; umbra_sp.gptes already says so
 *
 * Context: MMU lock held; for reading: a table of level 1, whose lock is held.
 * Return: false when the pool was empty.
 */
bool umbra_rmap_add(struct umbra_pools *pools, struct umbra_mmu_slot *slot, struct umbra_sp *sp,
		    unsigned int index, gfn_t gfn)
{
	struct umbra_rmap *rmap = rmap_of(pools->mmu, gfn);
	bool done;

	umbra_assert_entries(pools->mmu, sp);
	spin_lock(&rmap->lock);
	done = umbra_chain_add(pools, rmap, chain_of(pools->mmu, slot, gfn, sp->role.level),
			       &sp->spt[index]);
	spin_unlock(&rmap->lock);
	return done;
}

/**
 * umbra_rmap_remove() - a leaf entry maps its frame no more
 * @mmu: the VM's
 * @sp: shadow page
 * @index: entry in it
 *
 * Context: as umbra_rmap_add().
 */
void umbra_rmap_remove(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index)
{
	gfn_t gfn = umbra_sp_entry_gfn(sp, index);
	struct umbra_rmap *rmap = rmap_of(mmu, gfn);
	struct umbra_mmu_slot *slot;
	bool found = false;

	umbra_assert_entries(mmu, sp);
	spin_lock(&rmap->lock);
	list_for_each_entry(slot, &mmu->slots, link) {
		if (slot_has(slot, gfn) &&
		    umbra_chain_remove(rmap, chain_of(mmu, slot, gfn, sp->role.level),
				       &sp->spt[index])) {
			found = true;
			break;
		}
	}
	spin_unlock(&rmap->lock);
	WARN_ON_ONCE(!found);
}

static void protect_entry(u64 *sptep, void *changed)
{
	if (umbra_spte_clear_bits(sptep, PTE_W))
		*(bool *)changed = true;
}

/**
 * umbra_rmap_write_protect() - let no entry that maps a frame allow writing
 * @mmu: the VM's
 * @gfn: the frame
 *
 * An entry of 2 MiB is read-only then for all of it, until the next write faults
 * and finds that it has to be split.
 *
 * Context: MMU lock held for writing; the caller flushes.
 * Return: true when an entry changed.
 */
bool umbra_rmap_write_protect(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_mmu_slot *slot;
	bool changed = false;

	lockdep_assert_held_write(&mmu->lock);
	list_for_each_entry(slot, &mmu->slots, link) {
		if (!slot_has(slot, gfn))
			continue;
		umbra_chain_for_each(chain_of(mmu, slot, gfn, 1), protect_entry, &changed);
		umbra_chain_for_each(chain_of(mmu, slot, gfn, 2), protect_entry, &changed);
	}
	return changed;
}

/**
 * umbra_rmap_peek() - what some entry of 4 KiB says that maps a frame
 * @mmu: the VM's
 * @slot: the slot that holds @gfn
 * @gfn: the frame
 *
 * A member of the chain is the frame's for as long as it is one, but may not be
 * set yet: then there is nothing to be known.
 *
 * Context: MMU lock held.
 * Return: the entry; 0: none.
 */
u64 umbra_rmap_peek(struct umbra_mmu *mmu, const struct umbra_mmu_slot *slot, gfn_t gfn)
{
	struct umbra_rmap *rmap = rmap_of(mmu, gfn);
	u64 *sptep, spte = 0;

	lockdep_assert_held(&mmu->lock);
	spin_lock(&rmap->lock);
	sptep = umbra_chain_first(chain_of(mmu, slot, gfn, 1));
	if (sptep)
		spte = READ_ONCE(*sptep);
	spin_unlock(&rmap->lock);
	return spte;
}

static bool zap_chain(struct umbra_mmu *mmu, struct umbra_chain *chain)
{
	bool found = false;
	u64 *sptep;

	while ((sptep = umbra_chain_first(chain))) {
		struct umbra_sp *sp = umbra_host_owner(sptep);

		umbra_page_drop_entry(mmu, sp, sptep - sp->spt);
		found = true;
	}
	return found;
}

/**
 * umbra_rmap_zap() - drop every entry that maps a page of a slot
 * @mmu: the VM's
 * @slot: the slot
 * @page: relative to the slot
 *
 * Context: MMU lock held for writing; the caller flushes.
 * Return: true when there was one.
 */
bool umbra_rmap_zap(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot, u64 page)
{
	gfn_t gfn = slot->base_gfn + page;
	bool small;

	lockdep_assert_held_write(&mmu->lock);
	small = zap_chain(mmu, chain_of(mmu, slot, gfn, 1));
	return zap_chain(mmu, chain_of(mmu, slot, gfn, 2)) || small;
}

struct young {
	bool clear, young;
};

static void look_young(u64 *sptep, void *arg)
{
	struct young *y = arg;

	if (!(READ_ONCE(*sptep) & PTE_A))
		return;
	y->young = true;
	if (y->clear)
		umbra_spte_clear_bits(sptep, PTE_A);
}

/**
 * umbra_rmap_young() - was a page used lately?
 * @mmu: the VM's
 * @slot: the slot
 * @page: relative to the slot
 * @clear: and forget it
 *
 * Context: MMU lock held.
 * Return: true when some entry has its accessed bit set.
 */
bool umbra_rmap_young(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot, u64 page, bool clear)
{
	gfn_t gfn = slot->base_gfn + page;
	struct umbra_rmap *rmap = rmap_of(mmu, gfn);
	struct young y = { .clear = clear };

	lockdep_assert_held(&mmu->lock);
	spin_lock(&rmap->lock);
	umbra_chain_for_each(chain_of(mmu, slot, gfn, 1), look_young, &y);
	umbra_chain_for_each(chain_of(mmu, slot, gfn, 2), look_young, &y);
	spin_unlock(&rmap->lock);
	return y.young;
}
