// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: slots, as the shadow MMU sees them
 *
 * Each slot brings the chains of its reverse map.  The list of slots here is
 * under the MMU lock, not SRCU: the host's invalidations come from anywhere
 * and cannot read the published set.  A slot is in the list from before it is
 * visible to guests until after the last translation to it is gone.
 */
#include "mmu_internal.h"

/* KVM's proportion: a fiftieth of guest memory in shadow pages. */
#define PAGES_PER_SHADOW_PAGE	50
#define MIN_SHADOW_PAGES	1024

static void recount(struct umbra_mmu *mmu)
{
	mmu->max_pages = max_t(unsigned long, mmu->total_slot_pages / PAGES_PER_SHADOW_PAGE,
			       MIN_SHADOW_PAGES);
	if (mmu->wanted_pages)
		mmu->max_pages = mmu->wanted_pages;
}

/**
 * umbra_mmu_set_limit() - bound the shadow pages
 * @mmu: the VM's
 * @pages: at most so many, roots in use aside; 0: in proportion to guest memory
 *
 * What is too much goes when the next one is made.
 * Context: may sleep.
 */
void umbra_mmu_set_limit(struct umbra_mmu *mmu, unsigned long pages)
{
	write_lock(&mmu->lock);
	mmu->wanted_pages = pages;
	recount(mmu);
	write_unlock(&mmu->lock);
}

/**
 * umbra_mmu_get_limit() - the bound of the shadow pages
 * @mmu: the VM's
 *
 * Return: pages.
 */
unsigned long umbra_mmu_get_limit(struct umbra_mmu *mmu)
{
	return READ_ONCE(mmu->max_pages);
}

static void free_slot(struct umbra_mmu_slot *mine)
{
	if (mine->rmap)
		umbra_host_free_array(mine->rmap);
	if (mine->large_rmap)
		umbra_host_free_array(mine->large_rmap);
	umbra_host_free(mine);
}

/**
 * umbra_mmu_slot_init() - prepare a slot before it becomes visible
 * @mmu: the VM's
 * @slot: all but @slot->mmu set
 *
 * Context: slots_lock held, may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_mmu_slot_init(struct umbra_mmu *mmu, struct umbra_memslot *slot)
{
	struct umbra_mmu_slot *mine = umbra_host_alloc(sizeof(*mine));
	gfn_t last = slot->base_gfn + slot->npages - 1;

	if (!mine)
		return -ENOMEM;
	mine->base_gfn = slot->base_gfn;
	mine->npages = slot->npages;
	mine->hva = slot->hva;
	mine->rmap = umbra_host_alloc_array(slot->npages, sizeof(*mine->rmap));
	mine->large_rmap = umbra_host_alloc_array(umbra_rmap_large_index(mine, last) + 1,
						  sizeof(*mine->large_rmap));
	if (!mine->rmap || !mine->large_rmap) {
		free_slot(mine);
		return -ENOMEM;
	}

	write_lock(&mmu->lock);
	list_add(&mine->link, &mmu->slots);
	mmu->total_slot_pages += mine->npages;
	recount(mmu);
	write_unlock(&mmu->lock);
	slot->mmu = mine;
	return 0;
}

/* Drop every entry that maps the slot; others may run in between. */
static void sweep(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot)
{
	u64 page;

	for (page = 0; page < slot->npages; page++) {
		if (umbra_rmap_zap(mmu, slot, page))
			mmu->stale_tlb = true;
		if (!(page & 1023))
			cond_resched_rwlock_write(&mmu->lock);
	}
	umbra_flush_stale(mmu, false);
}

/**
 * umbra_mmu_slot_free() - the end of a slot
 * @mmu: the VM's
 * @slot: umbra_mmu_slot_gone() was called, or it never was visible; may have
 *	no MMU data at all
 *
 * Context: slots_lock held (or the VM is dying), may sleep.
 */
void umbra_mmu_slot_free(struct umbra_mmu *mmu, struct umbra_memslot *slot)
{
	struct umbra_mmu_slot *mine = slot->mmu;

	if (!mine)
		return;
	write_lock(&mmu->lock);
	mine->gone = true;
	sweep(mmu, mine);
	list_del_init(&mine->link);
	mmu->total_slot_pages -= mine->npages;
	recount(mmu);
	write_unlock(&mmu->lock);
	free_slot(mine);
	slot->mmu = NULL;
}

/**
 * umbra_mmu_slot_gone() - drop all translations to a slot
 * @mmu: the VM's
 * @slot: already invisible in the published set; still alive
 *
 * Tables that lie in the slot, and entries that lead to them, go as well; and
 * because a slot goes seldom, so does everything else.
 *
 * Context: slots_lock held, may sleep.
 */
void umbra_mmu_slot_gone(struct umbra_mmu *mmu, struct umbra_memslot *slot)
{
	write_lock(&mmu->lock);
	slot->mmu->gone = true;
	mmu->generation++;
	umbra_zap_all(mmu);
	sweep(mmu, slot->mmu);
	write_unlock(&mmu->lock);
}

/**
 * umbra_mmu_slot_new() - a slot appeared or changed
 * @mmu: the VM's
 * @slot: the slot
 *
 * Context: slots_lock held.
 */
void umbra_mmu_slot_new(struct umbra_mmu *mmu, struct umbra_memslot *slot)
{
	write_lock(&mmu->lock);
	mmu->generation++;
	write_unlock(&mmu->lock);
}

/**
 * umbra_mmu_write_protect() - arm the dirty log for pages of a slot
 * @mmu: the VM's
 * @slot: the slot
 * @first: first page, relative to the slot
 * @mask: bit n: page @first + n
 *
 * Context: slots_lock held; the caller flushes once after the last call.
 * Return: true when some entry changed, or may live on in some TLB.
 */
bool umbra_mmu_write_protect(struct umbra_mmu *mmu, struct umbra_memslot *slot, u64 first,
			     u64 mask)
{
	bool changed;
	u64 page;

	write_lock(&mmu->lock);
	changed = mmu->stale_tlb;
	for (page = first; mask && page < slot->npages; page++, mask >>= 1)
		if (mask & 1)
			changed |= umbra_rmap_write_protect(mmu, slot->base_gfn + page);
	write_unlock(&mmu->lock);
	return changed;
}
