// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the host takes memory back
 *
 * Guest memory is ordinary memory of the caller, and the host may swap, merge,
 * migrate or unmap it at any time.  It says so before (begin) and after (end).
 * On begin all shadow entries of the range are dropped and all TLBs flushed.
 *
 * The difficulty is a fault on another processor that looked the frame up just
 * before begin and installs it just after.  Protocol: the fault reads
 * invalidate_seq before it looks the frame up.  Under the lock it asks
 * umbra_invalidate_retry(): yes while an invalidation of the address is under
 * way, and yes when any has completed since.
 *
 *   begin: count++, zap, flush       | fault: seq = invalidate_seq
 *   (the host changes its tables)    |        look the frame up
 *   end:   seq++, count--            |        lock; count or seq? retry
 *
 * host.c connects this to the kernel's MMU notifier.
 */
#include "mmu_internal.h"

/**
 * umbra_invalidate_begin() - the host is about to change a range of mappings
 * @mmu: the VM's
 * @start: first byte of the range in the caller's memory
 * @end: behind its last byte
 * @may_block: others may run in between
 *
 * Context: no MMU lock held; sleeps only to reschedule and only with @may_block.
 */
void umbra_invalidate_begin(struct umbra_mmu *mmu, hva_t start, hva_t end, bool may_block)
{
	write_lock(&mmu->lock);
	if (!mmu->invalidate_count++) {
		mmu->invalidate_start = start;
		mmu->invalidate_end = end;
	} else {
		mmu->invalidate_start = min(mmu->invalidate_start, start);
		mmu->invalidate_end = max(mmu->invalidate_end, end);
	}
	start = umbra_zap_hva_chunk(mmu, start, end);
	while (start < end) {
		if (may_block)
			cond_resched_rwlock_write(&mmu->lock);
		start = umbra_zap_hva_chunk(mmu, start, end);
	}
	umbra_flush_stale(mmu, false);
	write_unlock(&mmu->lock);
}

/**
 * umbra_invalidate_end() - the host has changed the mappings
 * @mmu: the VM's
 *
 * Context: no MMU lock held.
 */
void umbra_invalidate_end(struct umbra_mmu *mmu)
{
	write_lock(&mmu->lock);
	WRITE_ONCE(mmu->invalidate_seq, mmu->invalidate_seq + 1);
	WARN_ON_ONCE(!mmu->invalidate_count);
	mmu->invalidate_count--;
	write_unlock(&mmu->lock);
}

/**
 * umbra_invalidate_read() - before a frame is looked up
 * @mmu: the VM's
 *
 * Context: any.
 * Return: for umbra_invalidate_retry().
 */
unsigned long umbra_invalidate_read(const struct umbra_mmu *mmu)
{
	unsigned long seq = READ_ONCE(mmu->invalidate_seq);

	/* Pairs with the lock in umbra_invalidate_end(): first the number, then the frame. */
	smp_rmb();
	return seq;
}

/**
 * umbra_invalidate_retry() - is a frame that was looked up still good?
 * @mmu: the VM's
 * @seq: umbra_invalidate_read() before the look
 * @hva: the caller's address of the frame
 *
 * Context: MMU lock held.
 * Return: true when it may be the host's again.
 */
bool umbra_invalidate_retry(const struct umbra_mmu *mmu, unsigned long seq, hva_t hva)
{
	if (mmu->invalidate_count && hva >= mmu->invalidate_start && hva < mmu->invalidate_end)
		return true;
	return mmu->invalidate_seq != seq;
}

/**
 * umbra_invalidate_touches() - does the host change some of a range right now?
 * @mmu: the VM's
 * @start: first byte of the range in the caller's memory
 * @end: behind its last byte
 *
 * Context: MMU lock held.
 * Return: true while an invalidation of some of it is under way.
 */
bool umbra_invalidate_touches(const struct umbra_mmu *mmu, hva_t start, hva_t end)
{
	return mmu->invalidate_count && start < mmu->invalidate_end &&
	       mmu->invalidate_start < end;
}

/**
 * umbra_invalidate_young() - did the guest use a range lately?
 * @mmu: the VM's
 * @start: first byte of the range in the caller's memory
 * @end: behind its last byte
 * @clear: and forget it
 *
 * Without a flush: a translation that stays in a TLB makes a page look older
 * than it is, which costs at worst a fault.
 *
 * Context: no MMU lock held.
 * Return: true when some page was used.
 */
bool umbra_invalidate_young(struct umbra_mmu *mmu, hva_t start, hva_t end, bool clear)
{
	struct umbra_mmu_slot *slot;
	bool young = false;
	hva_t hva, stop;

	read_lock(&mmu->lock);
	list_for_each_entry(slot, &mmu->slots, link) {
		stop = min(end, slot->hva + (slot->npages << UMBRA_PAGE_SHIFT));
		for (hva = max(start, slot->hva); hva < stop; hva += UMBRA_PAGE_SIZE)
			young |= umbra_rmap_young(mmu, slot,
						  (hva - slot->hva) >> UMBRA_PAGE_SHIFT, clear);
	}
	read_unlock(&mmu->lock);
	return young;
}
