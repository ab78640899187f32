// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: where nothing may be waited for
 *
 * An engine may have an exit dealt with between two entries, with interrupts off and in an
 * address space that has nothing of the caller's memory.  Then the lock is only
 * tried, no other processor is waited for, and no user address is touched: guest
 * memory is reached by the kernel's own mapping of all memory.  Which frame it is tells
 * a shadow entry.  Before the host takes a frame back it drops its entries, under the lock
 * (notifier.c), so that while the lock is held and the entry is there, the frame is the guest's.
 * It also is while the host has taken nothing back since: so a shadow page remembers where the
 * guest's table is.
 *
 * What is not simple is left to those who may wait, and nothing was done then.
 */
#include "mmu_internal.h"
#include "spte.h"

/**
 * umbra_now_end() - undo umbra_now_begin()
 * @mmu: the VM's
 */
void umbra_now_end(struct umbra_mmu *mmu)
	__releases(&mmu->lock)
{
	mmu->now = false;
	write_unlock(&mmu->lock);
}

/* The kernel's address of a frame that some entry of 4 KiB maps, or NULL. */
static const u64 *find_frame(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_mmu_slot *slot = umbra_rmap_slot(mmu, gfn);
	u64 spte = slot && !slot->gone ? umbra_rmap_peek(mmu, slot, gfn) : 0;

	return umbra_spte_present(spte) ? umbra_host_table(umbra_spte_hpa(mmu, spte)) : NULL;
}

/**
 * umbra_now_find_table() - umbra_now_table() by the reverse map
 * @mmu: the VM's
 * @sp: likewise
 *
 * What the host has begun to take back may still have its entry, and is not remembered.
 *
 * Context: as umbra_now_table().
 * Return: as umbra_now_table().
 */
const u64 *umbra_now_find_table(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	const u64 *table = find_frame(mmu, sp->gfn);

	sp->table = mmu->invalidate_count ? NULL : table;
	sp->table_seq = mmu->invalidate_seq;
	return table;
}

/**
 * umbra_mmu_top_entry_now() - umbra_mmu_top_entry() where nothing may be waited for
 * @ctx: the vCPU's
 * @index: 0 to 511
 * @entry: result
 *
 * Context: the vCPU's thread; no MMU lock held; interrupts may be off.
 * Return: false: it would have to wait, or not in long mode.
 */
bool umbra_mmu_top_entry_now(struct umbra_mmu_ctx *ctx, unsigned int index, u64 *entry)
{
	struct umbra_mmu *mmu = ctx->mmu;
	const u64 *table;

	if (ctx->env.mode != UMBRA_MODE_LONG || index >= UMBRA_SPT_ENTRIES ||
	    !umbra_now_begin(mmu))
		return false;
	table = find_frame(mmu, gpa_to_gfn(ctx->env.root));
	*entry = table ? umbra_code_top(READ_ONCE(table[index])) : 0;
	umbra_now_end(mmu);
	return table;
}

/* The kernel view's leaf for an address.  Accesses that follow each other mostly have one table. */
static u64 find_leaf(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	const struct umbra_sp *known = ctx->access_table;
	struct umbra_sp *table;
	gfn_t gfn;
	u64 spte;

	if (known && ctx->access_at == gva / UMBRA_LARGE_SIZE)
		return READ_ONCE(known->spt[umbra_spte_index(gva, 1)]);
	spte = umbra_code_follow(ctx, UMBRA_VIEW_KERNEL, gva, false, &gfn, &table);
	if (spte && table->role.level == 1) {
		ctx->access_table = table;
		ctx->access_at = gva / UMBRA_LARGE_SIZE;
	}
	return spte;
}

/* Where the supervisor's bytes at @gva are, by the kernel view's entries, or NULL. */
static u8 *find_bytes(struct umbra_mmu_ctx *ctx, gva_t gva, bool write)
{
	u64 spte = find_leaf(ctx, gva);

	if (!umbra_spte_present(spte) || (write && !umbra_spte_writable(spte)))
		return NULL;
	/* Of a large page: the frame in it. */
	if (spte & PTE_PS)
		gva &= UMBRA_LARGE_SIZE - 1;
	else
		gva &= ~UMBRA_PAGE_MASK;
	return (u8 *)umbra_host_table(umbra_spte_hpa(ctx->mmu, spte)) + gva;
}

/* Words one by one: what memcpy() does goes by bytes. */
static void copy(void *to, const void *from, unsigned int len)
{
	unsigned int i;

	if (len % sizeof(u64)) {
		memcpy(to, from, len);
		return;
	}
	for (i = 0; i < len / sizeof(u64); i++)
		((u64 *)to)[i] = ((const u64 *)from)[i];
}

/**
 * umbra_mmu_access_now() - a supervisor's access to memory that the guest has used already
 * @ctx: the vCPU's
 * @gva: linear address
 * @buf: bytes
 * @len: how many, all within a page
 * @write: a write
 *
 * An entry that allows writing is of memory where no write has to be noticed.
 *
 * Context: within umbra_mmu_accesses_now().
 * Return: false: nothing was done, and others have to.
 */
bool umbra_mmu_access_now(struct umbra_mmu_ctx *ctx, gva_t gva, void *buf, unsigned int len,
			  bool write)
{
	u8 *at;

	lockdep_assert_held_write(&ctx->mmu->lock);
	if ((gva & ~UMBRA_PAGE_MASK) + len > UMBRA_PAGE_SIZE)
		return false;
	at = find_bytes(ctx, gva, write);
	if (!at)
		return false;
	if (write)
		copy(at, buf, len);
	else
		copy(buf, at, len);
	return true;
}

/**
 * umbra_mmu_accesses_now() - where nothing may be waited for, some accesses by the shadow's entries
 * @ctx: the vCPU's
 * @fn: makes them, by umbra_mmu_access_now()
 * @arg: for it
 *
 * Context: the vCPU's thread; no MMU lock held; interrupts may be off.
 * Return: @fn's; false: that cannot be, @fn was not called.
 */
bool umbra_mmu_accesses_now(struct umbra_mmu_ctx *ctx, bool (*fn)(void *arg), void *arg)
{
	struct umbra_mmu *mmu = ctx->mmu;
	bool ok;

	if (!mmu->config.two_views || ctx->env.mode != UMBRA_MODE_LONG || ctx->env.smap ||
	    !umbra_now_begin(mmu))
		return false;
	ctx->access_table = NULL;
	ok = fn(arg);
	umbra_now_end(mmu);
	return ok;
}
