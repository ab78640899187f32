// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: shadow pages
 *
 * A shadow page is a table for the processor, made from one guest table (or,
 * direct, from a range of frames).  It is found by (gfn, role), so address
 * spaces that share guest tables share shadow pages.  It need not be linked
 * anywhere: a table that the guest unlinked stays in the hash for a while, and
 * is as good as ever when the guest links it again.
 *
 * As long as a shadow page of a guest table is in the hash and in step with
 * it, no shadow entry allows writing to that guest table: the write would go
 * unnoticed.  Tables of level 1 may be out of step for a while, see sync.c.
 */
#include "mmu_internal.h"
#include "mmu_trace.h"
#include "spte.h"

/**
 * umbra_page_bucket() - where shadow pages of a frame are
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: MMU lock held.
 * Return: the hash bucket.
 */
struct hlist_head *umbra_page_bucket(struct umbra_mmu *mmu, gfn_t gfn)
{
	/* Fibonacci hashing: the high bits of a product with 2^64 / golden ratio. */
	return &mmu->hash[(gfn * 0x9e3779b97f4a7c15ull) >> (64 - UMBRA_HASH_BITS)];
}

/**
 * umbra_page_find() - a shadow page that exists
 * @mmu: the VM's
 * @gfn: direct: first frame mapped; else the guest table's frame
 * @role: role
 *
 * Context: MMU lock held.
 * Return: the shadow page or NULL.
 */
struct umbra_sp *umbra_page_find(struct umbra_mmu *mmu, gfn_t gfn, union umbra_role role)
{
	struct umbra_sp *sp;

	lockdep_assert_held(&mmu->lock);
	hlist_for_each_entry(sp, umbra_page_bucket(mmu, gfn), hash)
		if (sp->gfn == gfn && sp->role.word == role.word)
			return sp;
	return NULL;
}

/**
 * umbra_page_shadowed() - does a frame hold a guest table that is shadowed?
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: MMU lock held.
 * Return: true when it is, in step or not.
 */
bool umbra_page_shadowed(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_sp *sp;

	hlist_for_each_entry(sp, umbra_page_bucket(mmu, gfn), hash)
		if (sp->gfn == gfn && !sp->role.direct)
			return true;
	return false;
}

/**
 * umbra_page_protected() - must writes to a frame be noticed?
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: MMU lock held.
 * Return: true when a shadow page of it is not unsync, or it holds translated code.
 */
bool umbra_page_protected(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_sp *sp;

	hlist_for_each_entry(sp, umbra_page_bucket(mmu, gfn), hash)
		if (sp->gfn == gfn && !sp->role.direct && !sp->unsync)
			return true;
	return umbra_code_frame(mmu, gfn);
}

/**
 * umbra_page_range_protected() - must writes to some of 2 MiB be noticed?
 * @mmu: the VM's
 * @gfn: any frame of it
 *
 * Context: MMU lock held.
 * Return: as umbra_page_protected(), for any frame of the 512.
 */
bool umbra_page_range_protected(struct umbra_mmu *mmu, gfn_t gfn)
{
	unsigned int i;

	gfn &= ~(gfn_t)(UMBRA_LARGE_PAGES - 1);
	if (!mmu->indirect && !mmu->nr_code)
		return false;
	for (i = 0; i < UMBRA_LARGE_PAGES; i++)
		if (umbra_page_protected(mmu, gfn + i))
			return true;
	return false;
}

/* Shadow pages of guest tables that wait to be used again. */
#define SPARES	32

/*
 * Two pages from the allocator, and one of them cleared, cost more than a fault: a
 * page that ends is kept.  Dropping its entries has cleared its table already.
 */
static bool keep_spare(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	u64 *spt = sp->spt, *gptes = sp->gptes;

	/* The engine's entry is still in a page that has an owner. */
	if (mmu->nr_spares >= SPARES || !gptes || sp->role.owner)
		return false;
	memset(sp, 0, sizeof(*sp));
	sp->spt = spt;
	sp->gptes = gptes;
	list_add(&sp->link, &mmu->spares);
	mmu->nr_spares++;
	return true;
}

static void free_page_memory(struct umbra_sp *sp)
{
	umbra_host_free_table(sp->spt);
	if (sp->gptes)
		umbra_host_free_table(sp->gptes);
	umbra_host_free(sp);
}

/**
 * umbra_page_free_spares() - give back what is kept for new shadow pages
 * @mmu: the VM's
 *
 * Context: MMU lock held for writing, or nobody else sees the MMU.
 */
void umbra_page_free_spares(struct umbra_mmu *mmu)
{
	struct umbra_sp *sp, *tmp;

	list_for_each_entry_safe(sp, tmp, &mmu->spares, link) {
		list_del_init(&sp->link);
		free_page_memory(sp);
	}
	mmu->nr_spares = 0;
	umbra_chain_free_spares(mmu);
}

static struct umbra_sp *take_spare(struct umbra_mmu *mmu)
{
	struct umbra_sp *sp;

	if (list_empty(&mmu->spares))
		return NULL;
	sp = list_first_entry(&mmu->spares, struct umbra_sp, link);
	list_del_init(&sp->link);
	mmu->nr_spares--;
	return sp;
}

static void begin_page(struct umbra_sp *sp, gfn_t gfn, union umbra_role role)
{
	sp->gfn = gfn;
	sp->role = role;
	spin_lock_init(&sp->lock);
	INIT_LIST_HEAD(&sp->unsync_link);
	umbra_host_set_owner(sp->spt, sp);
}

static struct umbra_sp *new_page(struct umbra_mmu *mmu, struct umbra_pools *pools, gfn_t gfn,
				 union umbra_role role)
{
	struct umbra_sp *sp = role.direct ? NULL : take_spare(mmu);

	if (sp) {
		begin_page(sp, gfn, role);
		return sp;
	}
	sp = umbra_pool_take(&pools->sp);
	if (!sp)
		return NULL;
	sp->spt = umbra_pool_take(&pools->table);
	if (!role.direct)
		sp->gptes = umbra_pool_take(&pools->table);
	if (!sp->spt || (!role.direct && !sp->gptes)) {
		if (sp->spt)
			umbra_host_free_table(sp->spt);
		umbra_host_free(sp);
		return NULL;
	}
	begin_page(sp, gfn, role);
	return sp;
}

/**
 * umbra_page_get() - find or make a shadow page
 * @mmu: the VM's
 * @pools: gives the objects for a new one
 * @gfn: direct: first frame mapped; else the guest table's frame
 * @role: role
 *
 * When this makes the first shadow page of a guest table, the table is
 * write-protected first, and every TLB knows it on return.  Whatever is put
 * into the new page has to be read from the guest's table after this call.
 *
 * Context: MMU lock held for writing; umbra_zap_make_room() was called.
 * Return: the shadow page, or NULL when the pools were empty (a bug).
 */
struct umbra_sp *umbra_page_get(struct umbra_mmu *mmu, struct umbra_pools *pools, gfn_t gfn,
				union umbra_role role)
{
	struct umbra_sp *sp = umbra_page_find(mmu, gfn, role);

	lockdep_assert_held_write(&mmu->lock);
	if (sp) {
		/* To be linked where no TLB flush by the guest is due. */
		umbra_sync_page(mmu, sp);
		return sp;
	}
	sp = new_page(mmu, pools, gfn, role);
	if (!sp)
		return NULL;
	if (!role.direct) {
		mmu->indirect++;
		/* Pairs with umbra_mmu_wrote(): it sees us or we see its bytes. */
		smp_mb();
		umbra_flush_stale(mmu, umbra_rmap_write_protect(mmu, gfn));
	}
	hlist_add_head(&sp->hash, umbra_page_bucket(mmu, gfn));
	list_add(&sp->link, &mmu->pages);
	mmu->nr_pages++;
	umbra_shrink_made();
	mmu->stats.sp_new++;
	mmu->stats.sp_pages = mmu->nr_pages;
	trace_umbra_sp_new(gfn, role.word, role.direct);
	return sp;
}

/**
 * umbra_page_link() - make an entry point to a table
 * @mmu: the VM's
 * @pools: gives at most one block
 * @parent: shadow page that holds the entry
 * @index: the entry; not present
 * @child: the table
 *
 * No TLB may have translations of two sizes for an address: processors with the
 * erratum behind CVE-2018-12207 end in a machine check.
 *
 * Context: MMU lock held for writing.
 * Return: false when the pool was empty (a bug).
 */
bool umbra_page_link(struct umbra_mmu *mmu, struct umbra_pools *pools, struct umbra_sp *parent,
		     unsigned int index, struct umbra_sp *child)
{
	u64 *sptep = &parent->spt[index];

	lockdep_assert_held_write(&mmu->lock);
	if (!umbra_chain_add(pools, umbra_rmap_of_links(mmu), &child->parents, sptep))
		return false;
	if (mmu->stale_large)
		umbra_flush_remote(mmu);
	parent->present++;
	umbra_spte_exchange(sptep, umbra_spte_make_link(mmu, child));
	return true;
}

/**
 * umbra_page_drop_entry() - make an entry not present
 * @mmu: the VM's
 * @sp: shadow page
 * @index: the entry
 *
 * A table that the entry linked loses this parent, and nothing else: it stays
 * in the hash.  The engine's entry stays where it is: a vCPU may be about to
 * leave the guest through it.
 *
 * Context: MMU lock held; for reading: a leaf of level 1 without a mark, its table's lock is
 * held.  TLBs are the caller's.
 */
void umbra_page_drop_entry(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index)
{
	u64 *sptep = &sp->spt[index];
	u64 old = READ_ONCE(*sptep);

	umbra_assert_entries(mmu, sp);
	if (!umbra_spte_present(old) || umbra_page_is_hole(mmu, sp, index))
		return;
	if (umbra_spte_leaf(old)) {
		umbra_rmap_remove(mmu, sp, index);
		if (old & PTE_PS)
			mmu->stale_large = true;
		if (old & SPTE_CODE)
			umbra_code_unmapped(mmu, old & PTE_PS ? UMBRA_CODE_MAPPINGS :
					    UMBRA_CODE_LEAF, umbra_sp_entry_gfn(sp, index));
	} else {
		struct umbra_sp *child;

		/* Every way goes through a link, also those of a root that ends. */
		mmu->path_seq++;
		child = umbra_spte_child(mmu, old);
		WARN_ON_ONCE(!umbra_chain_remove(umbra_rmap_of_links(mmu), &child->parents,
						 sptep));
		/* Level 4 is told of otherwise, see code.c. */
		if (child->code && sp->role.level < 4)
			umbra_code_unmapped(mmu, UMBRA_CODE_MAPPINGS, 0);
	}
	umbra_spte_exchange(sptep, 0);
	sp->present--;
}

/**
 * umbra_page_free() - give back a zapped page
 * @mmu: the VM's
 * @sp: invalid, empty, without parents and roots; no TLB knows it
 *
 * Context: MMU lock held for writing.
 */
void umbra_page_free(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	lockdep_assert_held_write(&mmu->lock);
	WARN_ON_ONCE(sp->present || sp->roots || sp->parents.val || !sp->invalid);
	mmu->nr_pages--;
	umbra_shrink_freed();
	mmu->stats.sp_pages = mmu->nr_pages;
	umbra_host_set_owner(sp->spt, NULL);
	if (!keep_spare(mmu, sp))
		free_page_memory(sp);
}
