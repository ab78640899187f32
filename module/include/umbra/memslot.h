/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: memory slots
 *
 * Guest memory is the caller's memory: a slot maps a range of guest frames to
 * a range of the caller's virtual addresses (KVM api.rst,
 * KVM_SET_USER_MEMORY_REGION).  A vCPU or ioctl reads the set of slots under
 * SRCU; a change publishes a new set with a higher generation.
 */
#ifndef UMBRA_MEMSLOT_H
#define UMBRA_MEMSLOT_H

#include "umbra/types.h"

#define UMBRA_MAX_SLOTS		512

struct umbra_mmu_slot;

/**
 * struct umbra_memslot - one range of guest frames
 * @base_gfn: first frame
 * @npages: length in 4 KiB pages, not 0
 * @hva: caller's address of the first page
 * @flags: KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY
 * @id: the caller's slot number
 * @dirty: one bit a page while dirty logging is on, else NULL; set by atomic
 *	bit operations
 * @mmu: the shadow MMU's data on this slot (reverse map); set by
 *	umbra_mmu_slot_init(), freed by umbra_mmu_slot_free(); moves along when
 *	a slot only changes its flags
 */
struct umbra_memslot {
	gfn_t base_gfn;
	u64 npages;
	hva_t hva;
	u32 flags;
	u16 id;
	unsigned long *dirty;
	struct umbra_mmu_slot *mmu;
};

/**
 * struct umbra_memslots - an immutable set of slots, sorted by @base_gfn
 * @generation: grows with each change; bit 0 is set while a change is under way
 * @count: slots in use
 * @slot: sorted ascending, no overlaps
 */
struct umbra_memslots {
	u64 generation;
	unsigned int count;
	struct umbra_memslot *slot[];
};

/**
 * umbra_memslots_find() - the slot that holds @gfn
 * @slots: a set
 * @gfn: guest frame number
 *
 * Context: the caller keeps @slots alive (SRCU or slots_lock).
 * Return: the slot or NULL.
 */
static inline struct umbra_memslot *
umbra_memslots_find(const struct umbra_memslots *slots, gfn_t gfn)
{
	unsigned int lo = 0, hi = slots->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		struct umbra_memslot *slot = slots->slot[mid];

		if (gfn < slot->base_gfn)
			hi = mid;
		else if (gfn - slot->base_gfn >= slot->npages)
			lo = mid + 1;
		else
			return slot;
	}
	return NULL;
}

/**
 * umbra_memslot_hva() - caller's address of a guest frame
 * @slot: the slot that holds @gfn
 * @gfn: guest frame number
 *
 * Return: page-aligned address in the caller's mm.
 */
static inline hva_t umbra_memslot_hva(const struct umbra_memslot *slot, gfn_t gfn)
{
	return slot->hva + ((gfn - slot->base_gfn) << UMBRA_PAGE_SHIFT);
}

#endif
