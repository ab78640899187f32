// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: taking shadow pages and entries away
 *
 * What a processor may still have in its TLB decides the order: unlink, flush,
 * free.  Zapping a page therefore has two steps.  Prepare empties it, unlinks
 * it and puts it on a list; commit flushes every vCPU once for the whole list,
 * then frees.  A page that is held as a root stays until its last holder lets
 * go; a vCPU that translates by it is told to load another root before it runs
 * the guest again.
 *
 * A single leaf entry that the guest itself took back (it wrote its table) is
 * dropped without a flush: like a real TLB, ours may be stale until the guest
 * flushes.  But the entry is gone from the reverse map, so nobody who later
 * wants the frame back from the guest would find it; mmu->stale_tlb remembers
 * that such a translation may live on, and whoever must be sure that a frame is
 * not in use (the host taking a page away, the start of shadowing a table, the
 * dirty log) calls umbra_flush_stale(), which flushes when that is set, even
 * when the reverse map was empty.
 */
#include "mmu_internal.h"
#include "mmu_trace.h"
#include "spte.h"

/**
 * umbra_flush_remote() - every vCPU drops all its translations
 * @mmu: the VM's
 *
 * Context: MMU lock held for writing.
 */
void umbra_flush_remote(struct umbra_mmu *mmu)
{
	lockdep_assert_held_write(&mmu->lock);
	mmu->stale_tlb = false;
	mmu->stale_large = false;
	mmu->stats.remote_flush++;
	mmu->ops->flush_remote(mmu->vm);
}

/**
 * umbra_flush_stale() - flush if some TLB may know what the tables no longer say
 * @mmu: the VM's
 * @must: the caller changed an entry
 *
 * Context: MMU lock held for writing.
 */
void umbra_flush_stale(struct umbra_mmu *mmu, bool must)
{
	if (must || mmu->stale_tlb)
		umbra_flush_remote(mmu);
}

static void unlink_parents(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	u64 *sptep;

	while ((sptep = umbra_chain_first(&sp->parents))) {
		struct umbra_sp *parent = umbra_host_owner(sptep);

		umbra_page_drop_entry(mmu, parent, sptep - parent->spt);
	}
}

/**
 * umbra_zap_prepare() - empty, unlink and unhash a shadow page
 * @mmu: the VM's
 * @sp: valid shadow page
 * @doomed: list for umbra_zap_commit()
 *
 * Context: MMU lock held for writing until after umbra_zap_commit().
 */
void umbra_zap_prepare(struct umbra_mmu *mmu, struct umbra_sp *sp, struct list_head *doomed)
{
	unsigned int i;

	lockdep_assert_held_write(&mmu->lock);
	if (WARN_ON_ONCE(sp->invalid))
		return;
	trace_umbra_sp_zap(sp->gfn, sp->role.word);
	mmu->stats.sp_zapped++;
	for (i = 0; i < UMBRA_SPT_ENTRIES && sp->present; i++)
		if (umbra_spte_present(sp->spt[i]))
			umbra_page_drop_entry(mmu, sp, i);
	unlink_parents(mmu, sp);
	umbra_sync_forget(mmu, sp);
	hlist_del_init(&sp->hash);
	list_move(&sp->link, doomed);
	if (atomic_read(&sp->active) && sp->role.level == 4)
		umbra_code_unmapped(mmu, UMBRA_CODE_TOP, 0);
	if (!sp->role.direct)
		mmu->indirect--;
	WRITE_ONCE(sp->invalid, true);
	if (sp->roots)
		/* Pairs with root_stands(): who has seen the number sees the flag. */
		smp_store_release(&mmu->root_seq, mmu->root_seq + 1);
}

/**
 * umbra_zap_commit() - flush, then free what was prepared
 * @mmu: the VM's
 * @doomed: list of invalid shadow pages; empty on return
 *
 * Roots leave the list but are freed by their last holder.
 *
 * Context: MMU lock held for writing.
 */
void umbra_zap_commit(struct umbra_mmu *mmu, struct list_head *doomed)
{
	struct umbra_sp *sp, *tmp;
	bool reload = false;

	if (list_empty(doomed))
		return;
	list_for_each_entry(sp, doomed, link)
		if (atomic_read(&sp->active))
			reload = true;
	if (reload)
		mmu->ops->reload_roots(mmu->vm);
	umbra_flush_remote(mmu);
	list_for_each_entry_safe(sp, tmp, doomed, link) {
		list_del_init(&sp->link);
		if (!sp->roots)
			umbra_page_free(mmu, sp);
	}
}

/**
 * umbra_zap_all() - drop every shadow page
 * @mmu: the VM's
 *
 * Pages that are made meanwhile, while the lock is dropped to let others run,
 * are zapped as well; the loop is bounded by the pages that there are at the
 * start and the bound on those made.
 *
 * Context: MMU lock held for writing; may drop and retake it.
 */
void umbra_zap_all(struct umbra_mmu *mmu)
{
	unsigned long budget = mmu->nr_pages + mmu->max_pages;
	struct list_head doomed;
	unsigned int batch;

	INIT_LIST_HEAD(&doomed);
	while (!list_empty(&mmu->pages) && budget) {
		for (batch = 0; batch < 64 && !list_empty(&mmu->pages); batch++)
			umbra_zap_prepare(mmu, list_last_entry(&mmu->pages, struct umbra_sp, link),
					  &doomed);
		umbra_zap_commit(mmu, &doomed);
		budget -= min_t(unsigned long, budget, batch);
		cond_resched_rwlock_write(&mmu->lock);
	}
}

/**
 * umbra_zap_gfn() - give up shadowing a guest table
 * @mmu: the VM's
 * @gfn: the table's frame
 * @only_orphans: do nothing unless no shadow page of it is in use: linked, or
 *	the root that some vCPU translates by.  Roots that are only held for
 *	later do not count
 *
 * Context: MMU lock held for writing.
 * Return: true when the frame is not shadowed any more and was before.
 */
bool umbra_zap_gfn(struct umbra_mmu *mmu, gfn_t gfn, bool only_orphans)
{
	struct hlist_head *bucket = umbra_page_bucket(mmu, gfn);
	struct list_head doomed;
	struct hlist_node *tmp;
	struct umbra_sp *sp;
	bool found;

	if (only_orphans)
		hlist_for_each_entry(sp, bucket, hash)
			if (sp->gfn == gfn && !sp->role.direct &&
			    (sp->parents.val || atomic_read(&sp->active)))
				return false;

	INIT_LIST_HEAD(&doomed);
	/* Zapping one page unhashes no other, so @tmp stays valid. */
	hlist_for_each_entry_safe(sp, tmp, bucket, hash)
		if (sp->gfn == gfn && !sp->role.direct)
			umbra_zap_prepare(mmu, sp, &doomed);
	found = !list_empty(&doomed);
	umbra_zap_commit(mmu, &doomed);
	return found;
}

/**
 * umbra_zap_some() - zap what was not used for the longest time
 * @mmu: the VM's
 * @want: how many shadow pages
 *
 * Second chance: a page that a fault used since the last look goes to the head
 * of the list once.  Roots in use are spared.
 *
 * Context: MMU lock held for writing.
 * Return: how many were zapped.
 */
unsigned long umbra_zap_some(struct umbra_mmu *mmu, unsigned long want)
{
	unsigned long looks = 2 * mmu->nr_pages;
	unsigned long done = 0;
	struct list_head doomed;

	INIT_LIST_HEAD(&doomed);
	while (done < want && looks-- && !list_empty(&mmu->pages)) {
		struct umbra_sp *sp = list_last_entry(&mmu->pages, struct umbra_sp, link);

		if (atomic_read(&sp->active) || sp->used) {
			if (sp->used)
				mmu->path_seq++;
			sp->used = false;
			list_move(&sp->link, &mmu->pages);
			continue;
		}
		umbra_zap_prepare(mmu, sp, &doomed);
		done++;
	}
	umbra_zap_commit(mmu, &doomed);
	return done;
}

/* What a fault or a root load may add, with some to spare. */
#define ROOM	16

/**
 * umbra_zap_make_room() - keep the number of shadow pages within its bound
 * @mmu: the VM's
 *
 * Context: MMU lock held for writing; the caller may make %ROOM pages after it.
 */
void umbra_zap_make_room(struct umbra_mmu *mmu)
{
	if (mmu->nr_pages + ROOM <= mmu->max_pages)
		return;
	/* Make more room than needed: one flush serves for all. */
	umbra_zap_some(mmu, mmu->nr_pages + ROOM - mmu->max_pages + mmu->max_pages / 16);
}

/* Pages zapped at a stretch: 16 MiB of the caller's memory. */
#define CHUNK	(4096 * UMBRA_PAGE_SIZE)

static hva_t slot_end(const struct umbra_mmu_slot *slot)
{
	return slot->hva + (slot->npages << UMBRA_PAGE_SHIFT);
}

/* The lowest address from @start on that is in a slot, @end if there is none. */
static hva_t next_in_slot(struct umbra_mmu *mmu, hva_t start, hva_t end)
{
	struct umbra_mmu_slot *slot;
	hva_t lowest = end;

	list_for_each_entry(slot, &mmu->slots, link)
		if (start < slot_end(slot))
			lowest = min(lowest, max(start, slot->hva));
	return lowest;
}

static void zap_slot_part(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot, hva_t start,
			  hva_t end)
{
	u64 page;

	start = max(start, slot->hva);
	end = min(end, slot_end(slot));
	if (start >= end)
		return;
	for (page = (start - slot->hva) >> UMBRA_PAGE_SHIFT;
	     page <= (end - 1 - slot->hva) >> UMBRA_PAGE_SHIFT; page++) {
		if (!umbra_rmap_zap(mmu, slot, page))
			continue;
		mmu->stale_tlb = true;
		mmu->stats.notifier_zap++;
	}
}

/**
 * umbra_zap_hva_chunk() - drop the entries that map some of the caller's memory
 * @mmu: the VM's
 * @start: first byte
 * @end: behind the last byte
 *
 * Does a bounded part of the work from @start on.  The caller may drop the
 * lock between parts, and calls umbra_flush_stale() after the last.
 *
 * Context: MMU lock held for writing.
 * Return: where the next part starts, or @end.
 */
hva_t umbra_zap_hva_chunk(struct umbra_mmu *mmu, hva_t start, hva_t end)
{
	struct umbra_mmu_slot *slot;
	hva_t stop;

	start = next_in_slot(mmu, start, end);
	if (start >= end)
		return end;
	stop = end - start > CHUNK ? start + CHUNK : end;
	list_for_each_entry(slot, &mmu->slots, link)
		zap_slot_part(mmu, slot, start, stop);
	return stop;
}
