// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: writes to guest tables that are shadowed
 *
 * A guest's write to such a table faults, the owner emulates the instruction,
 * stores the bytes and reports them here; the shadow entries made from the
 * changed guest entries are dropped, and filled again when the guest uses
 * them.  The processor's TLB may keep the old translation, as it may on
 * hardware; the guest flushes where it minds (see zap.c for what that means to
 * us).
 *
 * A frame that is written again and again without being used for translation
 * is either no page table any more or one that is being rebuilt.  Both times it
 * is better to give up shadowing it: writes run at full speed, and if it still
 * is a table, its next use shadows it anew.
 *
 * Frames with translated code are reported in the same way, see code.c.
 */
#include "mmu_internal.h"
#include "spte.h"

/*
 * Writes without a use in between until a table is given up.  One on the way to translated code
 * is needed again at once, and all translations have to be verified when it goes.
 */
#define FLOOD		3
#define FLOOD_CODE	64

/**
 * struct span - shadow entries made from changed guest entries
 * @first: index of the first
 * @n: how many
 */
struct span {
	unsigned int first, n;
};

/* Which entries of @sp come from bytes @offset .. @offset + @len - 1 of its guest table. */
static struct span affected(const struct umbra_sp *sp, unsigned int offset, unsigned int len)
{
	unsigned int size = umbra_mode_pte_size(sp->role.mode);
	unsigned int first = offset / size;
	unsigned int last = (offset + len - 1) / size;
	unsigned int scale = 1, base = 0, per_table = UMBRA_SPT_ENTRIES;
	struct span span = { 0, 0 };

	if (sp->role.mode == UMBRA_MODE_32BIT) {
		/* A 4 MiB entry of a guest directory becomes two of 2 MiB. */
		scale = sp->role.level == 2 ? 2 : 1;
		per_table = UMBRA_SPT_ENTRIES / scale;
		base = sp->role.quadrant * per_table;
	}
	first = max(first, base);
	last = min(last, base + per_table - 1);
	if (first > last)
		return span;
	span.first = (first - base) * scale;
	span.n = (last - first + 1) * scale;
	return span;
}

/*
 * DOC: what a write to a table costs
 *
 * An entry that is gone faults in again.  No TLB is flushed: the guest knows that
 * TLBs remember, and flushes where it minds.  stale_tlb notes the debt for those
 * who need to be certain.
 */
static void drop_span(struct umbra_mmu *mmu, struct umbra_sp *sp, struct span span)
{
	unsigned int i;

	for (i = span.first; i < span.first + span.n; i++) {
		if (!umbra_spte_present(sp->spt[i]))
			continue;
		umbra_page_drop_entry(mmu, sp, i);
		mmu->stale_tlb = true;
		mmu->stats.pte_write_updated++;
	}
}

/* Does some vCPU translate by a root made from the table?  MMU lock held. */
static bool is_current_root(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_sp *sp;

	hlist_for_each_entry(sp, umbra_page_bucket(mmu, gfn), hash)
		if (sp->gfn == gfn && sp->role.level == 4 && atomic_read(&sp->active))
			return true;
	return false;
}

/* One more write.  Return: how many there were since the last use. */
static unsigned int count_write(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	if (atomic_read(&sp->active))
		return 0;
	/* The next fault that passes has to be noticed. */
	if (!sp->writes)
		mmu->path_seq++;
	if (sp->writes < FLOOD_CODE)
		sp->writes++;
	return sp->writes;
}

/**
 * umbra_mmu_wrote() - the monitor changed guest memory
 * @mmu: the VM's
 * @gpa: first byte
 * @len: bytes, within one page
 *
 * Called after the bytes were stored, for every write to guest memory that is
 * made on behalf of the guest.
 *
 * Context: no MMU lock held.
 */
void umbra_mmu_wrote(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	unsigned int offset = gpa & ~UMBRA_PAGE_MASK;
	unsigned int writes = 0;
	struct umbra_sp *sp;
	bool code = false;

	if (WARN_ON_ONCE(!len || offset + len > UMBRA_PAGE_SIZE))
		return;
	/*
	 * Pairs with umbra_page_get() and umbra_mmu_code_protect(): either the page is seen here,
	 * or it is made from the new bytes.
	 */
	smp_mb();
	if (!READ_ONCE(mmu->indirect) && !READ_ONCE(mmu->nr_code))
		return;

	write_lock(&mmu->lock);
	umbra_code_wrote(mmu, gpa, len);
	if (is_current_root(mmu, gfn))
		umbra_code_unmapped(mmu, UMBRA_CODE_TOP, 0);
	hlist_for_each_entry(sp, umbra_page_bucket(mmu, gfn), hash) {
		if (sp->gfn != gfn || sp->role.direct)
			continue;
		mmu->stats.pte_write++;
		drop_span(mmu, sp, affected(sp, offset, len));
		writes = max(writes, count_write(mmu, sp));
		code |= sp->code;
	}
	if (writes >= (code ? FLOOD_CODE : FLOOD) && umbra_zap_gfn(mmu, gfn, false))
		mmu->stats.flood++;
	write_unlock(&mmu->lock);
}

/**
 * umbra_mmu_unprotect() - give up shadowing @gfn as a page table
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: no MMU lock held.
 * Return: true when something was zapped, or will be released by the translator.
 */
bool umbra_mmu_unprotect(struct umbra_mmu *mmu, gfn_t gfn)
{
	bool zapped, code;

	write_lock(&mmu->lock);
	zapped = umbra_zap_gfn(mmu, gfn, false);
	code = umbra_code_wrote(mmu, gfn_to_gpa(gfn), UMBRA_PAGE_SIZE);
	write_unlock(&mmu->lock);
	return zapped || code;
}
