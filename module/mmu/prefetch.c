// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: neighbours of a fill
 *
 * An exit costs far more than an entry.  When a fault has filled one entry, the
 * entries around it in the same table are filled as well where that is
 * certain to be right and needs nothing that sleeps: the frame is there, the
 * guest entry has its accessed bit (else we would have to set it, for an
 * access that did not happen), and all that the fault checked holds for them
 * too: same table, same slot, same moment.  What the host is about to take back
 * can still be found in its tables, so there are no neighbours meanwhile.
 */
#include <linux/kvm.h>

#include "mmu_internal.h"
#include "spte.h"

/* What a neighbour may have that the fault may have had. */
static unsigned int allowed(struct umbra_mmu *mmu, const struct umbra_prefetch *p, gfn_t gfn,
			    unsigned int access)
{
	if (p->slot->flags & (KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES))
		access &= ~UMBRA_AX_W;
	if ((access & UMBRA_AX_W) && umbra_page_protected(mmu, gfn))
		access &= ~UMBRA_AX_W;
	return access;
}

/* Return: false: no room in the pools, stop. */
static bool install(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p, unsigned int index,
		    gfn_t gfn, unsigned int access, struct umbra_host_page *page)
{
	struct umbra_mmu *mmu = ctx->mmu;
	u64 spte;

	access = allowed(mmu, p, gfn, access);
	spte = umbra_spte_make_leaf(mmu, access, 1, page->hpa, page->writable);
	if (!ctx->pools.block.n ||
	    !umbra_rmap_add(&ctx->pools, p->slot->mmu, p->sp, index, gfn))
		return false;
	p->sp->present++;
	umbra_spte_exchange(&p->sp->spt[index], spte);
	return true;
}

static bool in_slot(const struct umbra_memslot *slot, gfn_t gfn)
{
	return gfn >= slot->base_gfn && gfn - slot->base_gfn < slot->npages;
}

/* Direct: frames follow one another.  Fill from @index up to @end while entries are absent. */
static unsigned int prefetch_run(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p,
				 unsigned int index, unsigned int end)
{
	struct umbra_host_page page[UMBRA_PREFETCH] __uninitialized;
	gfn_t gfn = umbra_sp_entry_gfn(p->sp, index);
	unsigned int i, n, got;
	bool mapped = true;

	for (n = 0; index + n < end && !umbra_spte_present(p->sp->spt[index + n]); n++)
		if (!in_slot(p->slot, gfn + n))
			break;
	if (!n)
		return 1;
	got = umbra_host_get_pages_now(p->slot, gfn, n, p->access & UMBRA_AX_W, page);
	for (i = 0; i < got; i++) {
		mapped = mapped && install(ctx, p, index + i, gfn + i, p->access, &page[i]);
		umbra_host_put_page(&page[i], mapped);
	}
	/* The one after the last found is not there. */
	return got + 1;
}

static void prefetch_direct(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p)
{
	unsigned int index = p->index & ~(UMBRA_PREFETCH - 1);
	unsigned int end = index + UMBRA_PREFETCH;

	while (index < end)
		index += prefetch_run(ctx, p, index, end);
}

/* May the entry be filled without a fault?  It is present, with A.  Its access, or 0. */
static unsigned int usable(const struct umbra_mmu_ctx *ctx, const struct umbra_sp *sp, u64 gpte)
{
	if (gpte & ctx->env.rsvd[0][1])
		return 0;
	/* The user's view of the supervisor's pages is of no use. */
	if (sp->role.view == UMBRA_VIEW_USER && !(gpte & PTE_U))
		return 0;
	/* Nothing that a fetch, a read or a write could want: 0 says do not. */
	return umbra_spte_guest_access(sp, gpte);
}

static bool prefetch_entry(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p,
			   unsigned int index, u64 gpte)
{
	unsigned int access = usable(ctx, p->sp, gpte);
	gfn_t gfn = gpa_to_gfn(gpte & PTE_ADDR);
	struct umbra_host_page page;
	bool mapped;

	if (!access || !in_slot(p->slot, gfn))
		return true;
	if (!umbra_host_get_pages_now(p->slot, gfn, 1, access & UMBRA_AX_W, &page))
		return true;
	WRITE_ONCE(p->sp->gptes[index], gpte);
	mapped = install(ctx, p, index, gfn, access, &page);
	umbra_host_put_page(&page, mapped);
	return mapped;
}

/* The caller's address of the guest table, most likely in the same slot; 0: none. */
static hva_t table_address(struct umbra_mmu *mmu, const struct umbra_prefetch *p)
{
	const struct umbra_memslot *slot = p->slot;

	if (!in_slot(slot, p->sp->gfn))
		slot = umbra_memslots_find(mmu->ops->slots(mmu->vm), p->sp->gfn);
	return slot ? umbra_memslot_hva(slot, p->sp->gfn) : 0;
}

static bool read_group(struct umbra_mmu *mmu, const struct umbra_prefetch *p, unsigned int first,
		       u64 *gpte)
{
	hva_t table = table_address(mmu, p);

	return table && !umbra_sync_read(mmu, p->sp, table, first, gpte);
}

static void prefetch_indirect(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p)
{
	unsigned int first = p->index & ~(UMBRA_GROUP - 1), i;
	const u64 *spt = &p->sp->spt[first];
	u64 copy[UMBRA_GROUP] __uninitialized;
	const u64 *row = p->row;

	if (!row) {
		if (!read_group(ctx->mmu, p, first, copy))
			return;
		row = copy;
	}
	for (i = 0; i < UMBRA_GROUP; i++) {
		u64 gpte;

		/* Most are there, or not the guest's either. */
		if (umbra_spte_present(spt[i]))
			continue;
		gpte = READ_ONCE(row[i]);
		if ((gpte & (PTE_P | PTE_A)) == (PTE_P | PTE_A) &&
		    !prefetch_entry(ctx, p, first + i, gpte))
			return;
	}
}

/**
 * umbra_prefetch() - fill entries around one that was just filled
 * @ctx: the vCPU's
 * @p: the entry
 *
 * Context: MMU lock held since the fault found everything unchanged, for reading with the
 * table's; SRCU read side of the slots held.
 */
void umbra_prefetch(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p)
{
	umbra_assert_entries(ctx->mmu, p->sp);
	if (ctx->mmu->invalidate_count)
		return;
	if (p->sp->role.direct)
		prefetch_direct(ctx, p);
	else
		prefetch_indirect(ctx, p);
}
