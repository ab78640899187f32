// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: tables that are out of step
 *
 * To trap every write to every page table is right but slow: a fork writes
 * hundreds of entries in a row.  The TLB of a real processor is not told of
 * those writes either; it is told by INVLPG and by CR3 loads.  So a table of
 * the lowest level may become *unsync*: its frame is writable again, the guest
 * writes at full speed, and the shadow page goes stale.  It is brought back
 * into step
 *
 *  - when any vCPU flushes (CR3 load, CR4, INVPCID): all unsync pages;
 *  - on INVLPG: the one entry;
 *  - when the page is found for a new link: an address that was never
 *    translated before needs no flush by the guest.
 *
 * To synchronize is to write-protect the frame again, flush the TLBs that may
 * write to it, and compare each guest entry with the one that the shadow entry
 * was made from.  What lost permissions is restricted, what changed otherwise
 * is dropped and will fault in again.  On INVLPG an entry that only got its W back
 * is given it at once.
 *
 * Upper levels are always in step: a shadow entry there stands for hundreds of
 * pages, and guests write it seldom.
 */
#include <linux/kvm.h>

#include "mmu_internal.h"
#include "spte.h"

/* Pages synchronized at a stretch, with one flush. */
#define BATCH	64

/*
 * DOC: restless tables
 *
 * The table by which a kernel patches its text is written before nearly every flush, and has one
 * or two entries.  To protect it costs a flush of all TLBs here and a fault at the next write.  A
 * small table that got out of step again and again is left so: a flush by the guest compares its
 * few entries, and the frame stays writable, as with INVLPG.  When flushes find it unchanged for
 * long it is synchronized as others are, and when it has grown.
 */
#define RESTLESS	4	/* so often out of step */
#define MAX_RESTLESS	8	/* tables at a time: each is looked at by each flush */
#define QUIET		16	/* flushes without a change */

/* Bits of a guest entry that mean nothing here: PWT, PCD, G and the guest's own. */
#define IGNORED	(PTE_PWT | PTE_PCD | PTE_G | GENMASK_ULL(11, 9))

static void set_unsync(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	lockdep_assert_held_write(&mmu->lock);
	sp->unsync = true;
	if (sp->outs < RESTLESS)
		sp->outs++;
	list_add_tail(&sp->unsync_link, &mmu->unsync);
	WRITE_ONCE(mmu->nr_unsync, mmu->nr_unsync + 1);
	mmu->stats.unsync++;
}

/**
 * umbra_sync_forget() - a page is in step, or ends
 * @mmu: the VM's
 * @sp: shadow page, maybe unsync
 *
 * Context: MMU lock held for writing.
 */
void umbra_sync_forget(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	lockdep_assert_held_write(&mmu->lock);
	if (!sp->unsync)
		return;
	sp->unsync = false;
	mmu->nr_restless -= sp->restless;
	sp->restless = false;
	list_del_init(&sp->unsync_link);
	WRITE_ONCE(mmu->nr_unsync, mmu->nr_unsync - 1);
}

/**
 * umbra_sync_release() - let the guest write to a table unnoticed
 * @mmu: the VM's
 * @gfn: the table's frame
 *
 * Context: MMU lock held for writing.
 * Return: true when all shadow pages of @gfn are unsync now; false when one of
 * them is of an upper level or leads to translated code, and nothing was changed.
 */
bool umbra_sync_release(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct hlist_head *bucket = umbra_page_bucket(mmu, gfn);
	struct umbra_sp *sp;

	hlist_for_each_entry(sp, bucket, hash)
		if (sp->gfn == gfn && !sp->role.direct && (sp->role.level != 1 || sp->code))
			return false;
	hlist_for_each_entry(sp, bucket, hash)
		if (sp->gfn == gfn && !sp->role.direct && !sp->unsync)
			set_unsync(mmu, sp);
	return true;
}

/* Is @now the entry @was but for permissions and D? */
static bool only_permissions(const struct umbra_sp *sp, u64 was, u64 now)
{
	u64 may_change = PTE_W | PTE_U | PTE_D | IGNORED;

	if (sp->role.nx)
		may_change |= PTE_NX;
	return !((was ^ now) & ~may_change);
}

/* May an entry that only lacks W for the guest's sake have it without a fault? */
static bool may_grant_write(struct umbra_mmu *mmu, u64 spte, u64 gpte)
{
	gfn_t gfn = gpa_to_gfn(gpte & PTE_ADDR);
	struct umbra_memslot *slot;

	/* The host has let go of no frame whose entry is still there. */
	if (!(spte & SPTE_HOST_W))
		return false;
	slot = umbra_memslots_find(mmu->ops->slots(mmu->vm), gfn);
	return slot && !(slot->flags & (KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)) &&
	       !umbra_page_protected(mmu, gfn);
}

/*
 * A leaf gets the permissions that the guest entry gives now.  More than before
 * only with @grant: else what the guest gave more faults in with all checks.
 */
static void adjust_leaf(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index, u64 gpte,
			bool grant)
{
	u64 *sptep = &sp->spt[index];
	u64 old = READ_ONCE(*sptep), spte = old;
	unsigned int access = umbra_spte_guest_access(sp, gpte);

	if (!(access & UMBRA_AX_W))
		spte &= ~(PTE_W | PTE_D);
	else if (grant && may_grant_write(mmu, old, gpte))
		spte |= PTE_W | PTE_D;
	if (!(access & UMBRA_AX_U))
		spte &= ~PTE_U;
	if (!(access & UMBRA_AX_X))
		spte |= PTE_NX;
	WRITE_ONCE(sp->gptes[index], gpte);
	if (spte == old)
		return;
	umbra_spte_exchange(sptep, spte);
	if (umbra_spte_reduces(old, spte))
		WRITE_ONCE(mmu->stale_tlb, true);
}

/* An entry whose guest entry is another one than it was made from. */
static void sync_changed(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index,
			 u64 gpte, bool grant)
{
	u64 was = sp->gptes[index];

	sp->quiet = 0;
	/*
	 * A leaf without U from a user entry is what a supervisor wrote under
	 * CR0.WP = 0: its permissions follow other rules.
	 */
	if (only_permissions(sp, was, gpte) && sp->role.wp) {
		adjust_leaf(mmu, sp, index, gpte, grant);
		return;
	}
	umbra_page_drop_entry(mmu, sp, index);
	WRITE_ONCE(mmu->stale_tlb, true);
}

static inline void sync_entry(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index,
			      u64 gpte, bool grant)
{
	if (umbra_spte_leaf(sp->spt[index]) && ((sp->gptes[index] ^ gpte) & ~IGNORED))
		sync_changed(mmu, sp, index, gpte, grant);
}

/* Absent entries are 0. */
static bool group_is_absent(const u64 *spt)
{
	return !(spt[0] | spt[1] | spt[2] | spt[3] | spt[4] | spt[5] | spt[6] | spt[7]);
}

/* Half a row of a 32-bit table. */
static int read_narrow(struct umbra_mmu *mmu, hva_t hva, u64 *gpte)
{
	unsigned int at = hva & (UMBRA_ROW_SIZE - 1), i;
	u32 row[UMBRA_ROW_SIZE / sizeof(u32)];
	int ret;

	ret = umbra_host_read_row(mmu, hva - at, (u64 *)row);
	for (i = 0; !ret && i < UMBRA_GROUP; i++)
		gpte[i] = row[at / sizeof(u32) + i];
	return ret;
}

static int read_now(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int first, u64 *gpte)
{
	const u64 *table = umbra_now_table(mmu, sp);
	unsigned int i;

	if (!table)
		return -EFAULT;
	for (i = 0; i < UMBRA_GROUP; i++)
		gpte[i] = READ_ONCE(table[first + i]);
	return 0;
}

/**
 * umbra_sync_read() - the guest's entries behind some of a shadow page's
 * @mmu: the VM's
 * @sp: shadow page of a guest table
 * @table: the caller's address of the guest table
 * @first: first entry of @sp, aligned to UMBRA_GROUP
 * @gpte: result: UMBRA_GROUP entries
 *
 * Context: MMU lock held, for reading with the table's.
 * Return: 0 or -EFAULT: they are not there right now.
 */
int umbra_sync_read(struct umbra_mmu *mmu, struct umbra_sp *sp, hva_t table,
		    unsigned int first, u64 *gpte)
{
	if (mmu->now && sp->role.mode != UMBRA_MODE_32BIT)
		return read_now(mmu, sp, first, gpte);
	if (sp->role.mode != UMBRA_MODE_32BIT)
		return umbra_host_read_row(mmu, table + first * sizeof(u64), gpte);
	first += sp->role.quadrant * UMBRA_SPT_ENTRIES;
	return read_narrow(mmu, table + first * sizeof(u32), gpte);
}

/* Return: how many of the group were present. */
static unsigned int sync_group(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int first,
			       hva_t table)
{
	u64 gpte[UMBRA_GROUP];
	unsigned int i, n = 0;

	/* What cannot be read now is as good as changed: not present. */
	if (!table || umbra_sync_read(mmu, sp, table, first, gpte))
		memset(gpte, 0, sizeof(gpte));
	for (i = 0; i < UMBRA_GROUP; i++) {
		if (!umbra_spte_present(sp->spt[first + i]))
			continue;
		n++;
		sync_entry(mmu, sp, first + i, gpte[i], false);
	}
	return n;
}

/* All entries get in step; the page does if the frame is write-protected and all TLBs know. */
static void sync_entries(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	struct umbra_mmu_slot *slot = umbra_rmap_slot(mmu, sp->gfn);
	unsigned int i, first = sp->looked, left = sp->present;
	hva_t table = 0;

	if (slot)
		table = slot->hva + ((sp->gfn - slot->base_gfn) << UMBRA_PAGE_SHIFT);
	for (i = 0; i < UMBRA_SPT_ENTRIES && left; i += UMBRA_GROUP) {
		unsigned int at = (first + i) % UMBRA_SPT_ENTRIES;

		if (group_is_absent(&sp->spt[at]))
			continue;
		left -= sync_group(mmu, sp, at, table);
		sp->looked = at;
	}
}

/*
 * One entry only; the frame stays writable, the guest will flush again when it writes
 * again.  It has just written this one, so it is likely to use what it gave.  The table's
 * lock is held.
 */
static void sync_one(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index)
{
	unsigned int size = umbra_mode_pte_size(sp->role.mode);
	unsigned int guest_index = index + sp->role.quadrant * UMBRA_SPT_ENTRIES;
	u64 gpte = 0;

	if (!umbra_spte_present(sp->spt[index]))
		return;
	/* As in sync_group(): what cannot be read now is as good as not present. */
	if (mmu->now && sp->role.mode != UMBRA_MODE_32BIT) {
		const u64 *table = umbra_now_table(mmu, sp);

		if (table)
			gpte = READ_ONCE(table[index]);
	} else if (umbra_host_read_pte(mmu, gfn_to_gpa(sp->gfn) + guest_index * size, size, true,
				       &gpte)) {
		gpte = 0;
	}
	sync_entry(mmu, sp, index, gpte, true);
}

/**
 * umbra_sync_page() - bring one shadow page into step
 * @mmu: the VM's
 * @sp: shadow page, maybe unsync
 *
 * Context: MMU lock held for writing.
 */
void umbra_sync_page(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	if (!sp->unsync)
		return;
	umbra_flush_stale(mmu, umbra_rmap_write_protect(mmu, sp->gfn));
	sync_entries(mmu, sp);
	umbra_sync_forget(mmu, sp);
}

static bool may_be_restless(const struct umbra_mmu *mmu, const struct umbra_sp *sp)
{
	return sp->outs >= RESTLESS && sp->present <= UMBRA_GROUP &&
	       mmu->nr_restless < MAX_RESTLESS;
}

static void make_restless(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	sp->restless = true;
	sp->quiet = 0;
	mmu->nr_restless++;
	list_move_tail(&sp->unsync_link, &mmu->restless);
	sync_entries(mmu, sp);
}

/* It is one of the others again. */
static void calm(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	sp->restless = false;
	sp->outs = 0;
	mmu->nr_restless--;
	list_move_tail(&sp->unsync_link, &mmu->unsync);
}

static void sync_restless(struct umbra_mmu *mmu)
{
	struct umbra_sp *sp, *tmp;

	list_for_each_entry_safe(sp, tmp, &mmu->restless, unsync_link) {
		if (sp->present > UMBRA_GROUP || sp->quiet >= QUIET) {
			calm(mmu, sp);
			continue;
		}
		sp->quiet++;
		sync_entries(mmu, sp);
	}
}

static void sync_batch(struct umbra_mmu *mmu)
{
	struct umbra_sp *sp, *tmp;
	bool protected = false;
	unsigned int n = 0;

	list_for_each_entry_safe(sp, tmp, &mmu->unsync, unsync_link) {
		if (n++ == BATCH)
			break;
		if (may_be_restless(mmu, sp))
			make_restless(mmu, sp);
		else
			protected |= umbra_rmap_write_protect(mmu, sp->gfn);
	}
	umbra_flush_stale(mmu, protected);
	n = 0;
	list_for_each_entry_safe(sp, tmp, &mmu->unsync, unsync_link) {
		if (n++ == BATCH)
			break;
		sync_entries(mmu, sp);
		umbra_sync_forget(mmu, sp);
	}
}

/**
 * umbra_sync_all() - bring every shadow page into step
 * @mmu: the VM's
 *
 * Pages that other vCPUs make unsync meanwhile may stay so: their writes came
 * after the flush that brought us here.
 *
 * Context: no MMU lock held.
 */
void umbra_sync_all(struct umbra_mmu *mmu)
{
	unsigned long batches;

	/* Whoever has a page to be synchronized for this flush has counted it before it wrote. */
	if (!READ_ONCE(mmu->nr_unsync))
		return;
	write_lock(&mmu->lock);
	sync_restless(mmu);
	for (batches = mmu->nr_unsync / BATCH + 1; batches && !list_empty(&mmu->unsync);
	     batches--) {
		sync_batch(mmu);
		if (batches > 1)
			cond_resched_rwlock_write(&mmu->lock);
	}
	write_unlock(&mmu->lock);
}

/**
 * umbra_sync_all_now() - umbra_sync_all() where nothing may be waited for
 * @mmu: the VM's
 *
 * What is left out of step when it fails is for umbra_sync_all().
 *
 * Context: MMU lock held, for writing unless all is in step; interrupts may be off.
 * Return: false: tables have to be write-protected, and other processors told.
 */
bool umbra_sync_all_now(struct umbra_mmu *mmu)
{
	struct umbra_sp *sp, *tmp;

	if (!mmu->nr_unsync)
		return true;
	lockdep_assert_held_write(&mmu->lock);
	sync_restless(mmu);
	list_for_each_entry_safe(sp, tmp, &mmu->unsync, unsync_link) {
		if (!may_be_restless(mmu, sp))
			return false;
		make_restless(mmu, sp);
	}
	return true;
}

/* The leaf table that translates @gva in one view, or NULL.  MMU lock held. */
static struct umbra_sp *leaf_table(struct umbra_mmu_ctx *ctx, enum umbra_view view, gva_t gva)
{
	struct umbra_sp *sp = umbra_root_for(ctx, view, gva) ?: umbra_root_find(ctx, view, gva);
	struct umbra_sp *known = umbra_path_find(ctx, sp, gva);

	if (known)
		return known;
	while (sp && sp->role.level > 1)
		sp = umbra_page_below(ctx->mmu, sp, gva);
	return sp;
}

/* MMU lock held for reading: one entry of a table changes, and no TLB is flushed. */
static void sync_views(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	struct umbra_mmu *mmu = ctx->mmu;
	enum umbra_view view;
	struct umbra_sp *sp;

	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		if (!umbra_view_exists(mmu, view))
			continue;
		sp = leaf_table(ctx, view, gva);
		if (!sp || !sp->unsync)
			continue;
		spin_lock(&sp->lock);
		sync_one(mmu, sp, umbra_spte_index(gva, 1));
		spin_unlock(&sp->lock);
	}
}

/**
 * umbra_sync_gva() - bring the entry for one address into step
 * @ctx: the vCPU's
 * @gva: linear address
 *
 * In every view: the guest's supervisor executes INVLPG for its users.  The page stays
 * unsync.
 *
 * Context: SRCU read side of the slots held; no MMU lock held.
 */
void umbra_sync_gva(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	struct umbra_mmu *mmu = ctx->mmu;

	if (!READ_ONCE(mmu->nr_unsync))
		return;
	read_lock(&mmu->lock);
	sync_views(ctx, gva);
	read_unlock(&mmu->lock);
}

/**
 * umbra_sync_gva_now() - the same where nothing may be waited for
 * @ctx: the vCPU's
 * @gva: linear address
 *
 * No TLB is flushed here, so no other processor has to answer.
 *
 * Context: SRCU read side of the slots held; no MMU lock held; interrupts may be off.
 * Return: false: somebody has the lock for writing, nothing was done.
 */
bool umbra_sync_gva_now(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	struct umbra_mmu *mmu = ctx->mmu;

	if (!READ_ONCE(mmu->nr_unsync))
		return true;
	if (ctx->env.mode != UMBRA_MODE_LONG || !umbra_now_begin(mmu))
		return false;
	sync_views(ctx, gva);
	umbra_now_end(mmu);
	return true;
}
