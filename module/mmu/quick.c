// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the quick way through a page fault
 *
 * Most faults are at an address whose neighbours the guest uses already: the
 * shadow tables lead down to level 1, and only the last entry is missing or
 * allows too little.  All that is above is then known without a look at the
 * guest's memory.  Tables of upper levels are in step, so an entry that links a
 * shadow table is the guest's entry, with its accessed bit; and what they
 * all together permit is in the role of the leaf table.  So the guest's own leaf
 * entry decides, one read instead of four.  And the way down is remembered, until a link is
 * dropped anywhere.
 *
 * The host's frame is known likewise: when another entry maps it, its reverse map
 * tells, and an entry that is there has not been taken back by the host.
 *
 * Whatever is not simple is left to the steps of fault.c, and nothing was changed
 * then: other modes than 4-level tables, direct tables, bits to be set in the
 * guest's entry, slots with flags, tables and translated code, frames that the host has
 * to be asked for, CR0.WP = 0 writes, entries that TLBs have to forget.
 *
 * What is left changes one entry and what belongs to it, so that the MMU lock is held for
 * reading, and of the tables only the lock of the one at the bottom.  The guest's entry is
 * read under that: whoever executes INVLPG for it (sync.c) comes before the read, or finds
 * what was made of it.
 */
#include <linux/kvm.h>

#include "mmu_internal.h"
#include "spte.h"

/**
 * struct quick - a fault that may be simple
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @row: the guest's entries of level 1 around it
 * @copy: there, unless they can be read where they are
 * @gpte: its own
 * @leaf: the entry to be set
 */
struct quick {
	gva_t gva;
	unsigned int acc;
	const u64 *row;
	u64 copy[UMBRA_GROUP];
	u64 gpte;
	struct umbra_leaf leaf;
};

/*
 * In the kernel view the role has forgotten what does not matter there: U and X of
 * the upper levels.  In the user's a page of the supervisor cannot be shown.
 */
static bool view_fits(const struct umbra_mmu_ctx *ctx, unsigned int acc)
{
	switch (ctx->view) {
	case UMBRA_VIEW_KERNEL:
		return !(acc & (UMBRA_ACC_USER | UMBRA_ACC_FETCH)) && !ctx->env.smap;
	case UMBRA_VIEW_USER:
		return acc & UMBRA_ACC_USER;
	default:
		return true;
	}
}

/* Down to a table of level 1 that is made from one of the guest's, and remember the way. */
static noinline struct umbra_sp *go_down(struct umbra_mmu_ctx *ctx, struct umbra_sp *root,
					 gva_t gva)
{
	struct umbra_sp *sp, *above;

	for (sp = root; sp && sp->role.level > 1;) {
		above = sp;
		sp = umbra_page_below(ctx->mmu, sp, gva);
		if (sp)
			umbra_page_passed(above);
	}
	if (!sp || sp->role.direct)
		return NULL;
	umbra_page_passed(sp);
	*umbra_path_place(ctx, gva) = (struct umbra_path) {
		.root = root,
		.sp = sp,
		.at = gva >> UMBRA_LARGE_SHIFT,
		.seq = ctx->mmu->path_seq,
	};
	return sp;
}

static __always_inline bool find_table(struct umbra_mmu_ctx *ctx, struct quick *q)
{
	struct umbra_sp *root = umbra_root_for(ctx, ctx->view, q->gva);

	if (!root)
		return false;
	q->leaf.sp = umbra_path_find(ctx, root, q->gva) ?: go_down(ctx, root, q->gva);
	q->leaf.index = umbra_spte_index(q->gva, 1);
	return q->leaf.sp;
}

/* Its neighbours will be asked for as well, and cost next to nothing here. */
static bool copy_entries(struct umbra_mmu *mmu, struct quick *q)
{
	struct umbra_sp *sp = q->leaf.sp;
	const struct umbra_memslot *slot;

	slot = umbra_memslots_find(mmu->ops->slots(mmu->vm), sp->gfn);
	q->row = q->copy;
	return slot && !umbra_sync_read(mmu, sp, umbra_memslot_hva(slot, sp->gfn),
					q->leaf.index & ~(UMBRA_GROUP - 1), q->copy);
}

static bool read_entry(struct umbra_mmu *mmu, struct quick *q)
{
	unsigned int index = q->leaf.index;

	if (mmu->now) {
		const u64 *table = umbra_now_table(mmu, q->leaf.sp);

		if (!table)
			return false;
		q->row = table + (index & ~(UMBRA_GROUP - 1));
	} else if (!copy_entries(mmu, q)) {
		return false;
	}
	q->gpte = READ_ONCE(q->row[index % UMBRA_GROUP]);
	return true;
}

static enum umbra_verdict guest_fault(const struct umbra_mmu_ctx *ctx, const struct quick *q,
				      u32 present, struct umbra_fault_info *info)
{
	umbra_fault_describe(&info->fault, q->gva,
			     present | umbra_walk_attempt(&ctx->env, q->acc));
	return UMBRA_VERDICT_GUEST;
}

/* Is there nothing to be set in the guest's entry? */
static bool entry_is_plain(const struct quick *q)
{
	u64 want = PTE_A;

	if (q->acc & UMBRA_ACC_WRITE)
		want |= PTE_D;
	return (q->gpte & want) == want;
}

/* What the guest permits, all levels together. */
static unsigned int permitted(const struct quick *q)
{
	return q->leaf.sp->role.access & umbra_pte_access(q->gpte);
}

/* What another entry of level 1 maps the frame by. */
static bool find_mapped(struct umbra_mmu *mmu, struct umbra_leaf *l, bool write)
{
	u64 spte = umbra_rmap_peek(mmu, l->slot->mmu, l->gfn);

	if (!umbra_spte_present(spte))
		return false;
	l->hpa = umbra_spte_hpa(mmu, spte);
	l->host_writable = spte & SPTE_HOST_W;
	return l->host_writable || !write;
}

/* By the host's own tables, if that takes no time. */
static bool ask_host(struct umbra_mmu *mmu, struct umbra_leaf *l, bool write,
		     struct umbra_host_page *page)
{
	bool writable = l->access & UMBRA_AX_W;

	/* Its tables may still show what it is about to take back. */
	if (mmu->invalidate_count)
		return false;
	if (!umbra_host_get_pages_now(l->slot, l->gfn, 1, writable, page) &&
	    (write || !writable ||
	     !umbra_host_get_pages_now(l->slot, l->gfn, 1, false, page)))
		return false;
	l->hpa = page->hpa;
	l->host_writable = page->writable;
	return true;
}

static void neighbours(struct umbra_mmu_ctx *ctx, const struct quick *q)
{
	const struct umbra_leaf *l = &q->leaf;
	struct umbra_prefetch p = {
		.sp = l->sp,
		.index = l->index,
		.access = l->access,
		.slot = l->slot,
		.row = q->row,
	};

	umbra_prefetch(ctx, &p);
}

/* Return: false: nothing was done. */
static bool map_it(struct umbra_mmu_ctx *ctx, struct quick *q)
{
	bool asked, write = q->acc & UMBRA_ACC_WRITE;
	struct umbra_mmu *mmu = ctx->mmu;
	struct umbra_leaf *l = &q->leaf;
	struct umbra_host_page page;
	bool simple, done = false;

	l->gpte = q->gpte;
	l->access = umbra_spte_guest_access(l->sp, q->gpte);
	if (l->slot->flags || l->slot->mmu->gone || (write && !(l->access & UMBRA_AX_W)))
		return false;
	if ((l->access & UMBRA_AX_W) && umbra_page_protected(mmu, l->gfn)) {
		if (write)
			return false;
		l->access &= ~UMBRA_AX_W;
	}
	asked = !find_mapped(mmu, l, write);
	if (asked && !ask_host(mmu, l, write, &page))
		return false;
	simple = !umbra_leaf_needs_flush(mmu, l);
	if (simple)
		done = umbra_leaf_set(ctx, l);
	if (asked)
		umbra_host_put_page(&page, done);
	if (done)
		neighbours(ctx, q);
	return simple;
}

/* The table's entries are not changed by others.  Return: false: not simple. */
static noinline bool judge(struct umbra_mmu_ctx *ctx, struct quick *q,
			   struct umbra_fault_info *info, enum umbra_verdict *verdict)
{
	if (!read_entry(ctx->mmu, q))
		return false;
	if (!(q->gpte & PTE_P)) {
		*verdict = guest_fault(ctx, q, 0, info);
		return true;
	}
	if ((q->gpte & ctx->env.rsvd[1][1]) || !view_fits(ctx, q->acc))
		return false;
	if (!umbra_walk_permits(&ctx->env, permitted(q), q->acc)) {
		*verdict = guest_fault(ctx, q, UMBRA_PF_P, info);
		return true;
	}
	if (!entry_is_plain(q))
		return false;
	q->leaf.gfn = gpa_to_gfn(q->gpte & PTE_ADDR);
	info->gpa = gfn_to_gpa(q->leaf.gfn) | (q->gva & ~UMBRA_PAGE_MASK);
	q->leaf.slot = umbra_memslots_find(ctx->mmu->ops->slots(ctx->mmu->vm), q->leaf.gfn);
	*verdict = q->leaf.slot ? UMBRA_VERDICT_RETRY : UMBRA_VERDICT_MMIO;
	return !q->leaf.slot || map_it(ctx, q);
}

/*
 * MMU lock held, for reading or writing.  The rest of @q is set on the way, it is too much to be
 * cleared for each fault.  Return: false: no table of level 1 is linked.
 */
static __always_inline bool begin(struct umbra_mmu_ctx *ctx, struct quick *q, gva_t gva,
				  unsigned int acc)
{
	q->gva = gva;
	q->acc = acc;
	q->leaf.code = false;
	return find_table(ctx, q);
}

/**
 * umbra_mmu_fault_now() - umbra_mmu_fault() where nothing may be waited for
 * @ctx: the vCPU's
 * @gva: CR2
 * @error_code: as for umbra_mmu_fault()
 * @ac: likewise
 * @info: details: the address, and with GUEST the fault; may have been changed also when the
 *	result is false
 * @verdict: RETRY or GUEST
 *
 * Context: the vCPU's thread; SRCU read side of the slots held by the caller; no MMU lock held;
 * interrupts may be off; the caller's memory need not be reachable.
 * Return: false: nothing was done.
 */
bool umbra_mmu_fault_now(struct umbra_mmu_ctx *ctx, gva_t gva, u32 error_code, bool ac,
			 struct umbra_fault_info *info, enum umbra_verdict *verdict)
{
	unsigned int acc = umbra_fault_acc(error_code, ac);
	struct umbra_mmu *mmu = ctx->mmu;
	struct quick q __uninitialized;
	bool done;

	info->gpa = UMBRA_INVALID_GPA;
	if (umbra_device_find(ctx, gva, acc, &info->gpa) || !umbra_fault_canonical(ctx, gva))
		return false;
	/* One block is for the entry, what its neighbours want is seen to there. */
	if (ctx->env.mode != UMBRA_MODE_LONG || !ctx->pools.block.n || !umbra_now_begin(mmu))
		return false;
	done = begin(ctx, &q, gva, acc) && judge(ctx, &q, info, verdict) &&
	       *verdict != UMBRA_VERDICT_MMIO;
	umbra_now_end(mmu);
	if (!done)
		return false;
	umbra_count(&mmu->stats.pf_taken);
	umbra_count_verdict(mmu, *verdict);
	return true;
}

/**
 * umbra_quick_fault() - judge a page fault, and repair it, if it is simple
 * @ctx: the vCPU's
 * @gva: CR2, canonical
 * @acc: UMBRA_ACC_*
 * @info: details; may have been changed also when the result is false
 * @verdict: result
 *
 * Context: as umbra_mmu_fault().
 * Return: false: nothing was done.
 */
bool umbra_quick_fault(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc,
		       struct umbra_fault_info *info, enum umbra_verdict *verdict)
{
	struct umbra_mmu *mmu = ctx->mmu;
	struct quick q __uninitialized;
	bool done;

	if (ctx->env.mode != UMBRA_MODE_LONG || umbra_pools_fill(&ctx->pools))
		return false;
	read_lock(&mmu->lock);
	done = begin(ctx, &q, gva, acc);
	if (done) {
		spin_lock(&q.leaf.sp->lock);
		done = judge(ctx, &q, info, verdict);
		spin_unlock(&q.leaf.sp->lock);
	}
	read_unlock(&mmu->lock);
	return done;
}
