// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: setting a leaf entry
 *
 * The end of every fill: the entry, its place in the reverse map, the counts, and
 * the flushes that are due where something else was there before.
 */
#include <linux/kvm.h>

#include "mmu_internal.h"
#include "mmu_trace.h"
#include "spte.h"

/*
 * A page that maps what it should, but for its permissions: what an entry
 * already allows, and nobody took away, stays; a TLB that missed a grant is
 * repaired by the fault itself.
 */
static u64 merge(u64 old, u64 spte)
{
	if (!((old ^ spte) & (PTE_U | PTE_NX)) && (old & PTE_W))
		spte |= old & (PTE_W | PTE_D | SPTE_HOST_W);
	return spte | (old & (PTE_A | SPTE_CODE));
}

static void change_leaf(struct umbra_mmu *mmu, u64 *sptep, u64 spte)
{
	u64 old = READ_ONCE(*sptep);

	spte = merge(old, spte);
	if (old == spte) {
		umbra_count(&mmu->stats.pf_spurious);
		return;
	}
	umbra_spte_exchange(sptep, spte);
	if (umbra_spte_reduces(old, spte))
		umbra_flush_remote(mmu);
}

/* Does the entry map what it should, whatever it allows? */
static bool maps_it(const struct umbra_mmu *mmu, const struct umbra_leaf *l, u64 spte)
{
	unsigned int level = l->sp->role.level;

	return umbra_spte_leaf(spte) &&
	       umbra_spte_hpa(mmu, spte) == umbra_level_hpa(l->hpa, level) &&
	       umbra_sp_entry_gfn(l->sp, l->index) == umbra_level_gfn(l->gfn, level);
}

/* An entry that is not present, and that no TLB knows as a table's. */
static bool add_leaf(struct umbra_mmu_ctx *ctx, const struct umbra_leaf *l, u64 spte)
{
	unsigned int level = l->sp->role.level;
	struct umbra_mmu *mmu = ctx->mmu;

	/* Not two sizes in one TLB, see umbra_page_link(). */
	if (level > 1)
		umbra_flush_stale(mmu, false);
	if (l->sp->gptes)
		WRITE_ONCE(l->sp->gptes[l->index], l->gpte);
	if (!umbra_rmap_add(&ctx->pools, l->slot->mmu, l->sp, l->index,
			    umbra_level_gfn(l->gfn, level)))
		return false;
	if (level > 1)
		mmu->stats.spte_large++;
	l->sp->present++;
	umbra_spte_exchange(&l->sp->spt[l->index], spte);
	return true;
}

static u64 leaf_entry(const struct umbra_mmu *mmu, const struct umbra_leaf *l)
{
	unsigned int level = l->sp->role.level;
	u64 spte = umbra_spte_make_leaf(mmu, l->access, level, umbra_level_hpa(l->hpa, level),
					l->host_writable);

	return l->code ? spte | SPTE_CODE : spte;
}

/**
 * umbra_leaf_needs_flush() - would umbra_leaf_set() flush TLBs?
 * @mmu: the VM's
 * @l: the entry, of level 1, and what it shall be
 *
 * Context: MMU lock held, and for reading the table's.
 * Return: true when it would, which takes the MMU lock for writing.
 */
bool umbra_leaf_needs_flush(const struct umbra_mmu *mmu, const struct umbra_leaf *l)
{
	u64 old = READ_ONCE(l->sp->spt[l->index]);

	if (!umbra_spte_present(old))
		return false;
	return !maps_it(mmu, l, old) || umbra_spte_reduces(old, merge(old, leaf_entry(mmu, l)));
}

/**
 * umbra_leaf_set() - make an entry map memory
 * @ctx: the vCPU's; its pools are filled
 * @l: the entry and what it shall be
 *
 * Context: MMU lock held; for reading: the entry is of level 1, its table's lock held, and
 * umbra_leaf_needs_flush() said no.  Nothing forbids any of it any more.
 * Return: true when it does; false when the pools were empty (a bug).
 */
bool umbra_leaf_set(struct umbra_mmu_ctx *ctx, const struct umbra_leaf *l)
{
	u64 *sptep = &l->sp->spt[l->index];
	struct umbra_mmu *mmu = ctx->mmu;
	u64 old = READ_ONCE(*sptep);
	u64 spte = leaf_entry(mmu, l);

	umbra_assert_entries(mmu, l->sp);
	if (umbra_spte_writable(spte) && (l->slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		mmu->ops->mark_dirty(mmu->vm, l->slot, l->gfn);
	trace_umbra_spte_set(l->gfn, l->sp->role.level, spte);
	umbra_count(&mmu->stats.spte_set);
	if (umbra_spte_present(old)) {
		if (maps_it(mmu, l, old)) {
			if (l->sp->gptes)
				WRITE_ONCE(l->sp->gptes[l->index], l->gpte);
			change_leaf(mmu, sptep, spte);
			return true;
		}
		umbra_page_drop_entry(mmu, l->sp, l->index);
		umbra_flush_remote(mmu);
	}
	return add_leaf(ctx, l, spte);
}
