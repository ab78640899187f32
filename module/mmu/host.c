// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the host behind the shadow MMU
 *
 * Guest memory is user memory of the caller.  A frame is looked up when the
 * guest touches it, and the reference taken for that is dropped as soon as the
 * shadow entry is in place: from then on the MMU notifier is what keeps the
 * entry honest.  Nothing is pinned.
 *
 * Frames without a struct page (VM_PFNMAP, VM_IO: device memory that the caller
 * mapped) are refused with -EFAULT: they would need a memory type of their own.
 */
#include <linux/io.h>
#include <linux/kvm.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/swap.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "umbra/compat.h"
#include "umbra/fail.h"
#include "mmu_internal.h"

static struct umbra_memslot *find_slot(struct umbra_mmu *mmu, gpa_t gpa)
{
	return umbra_memslots_find(mmu->ops->slots(mmu->vm), gpa_to_gfn(gpa));
}

static void __user *slot_user_address(const struct umbra_memslot *slot, gpa_t gpa)
{
	hva_t hva = umbra_memslot_hva(slot, gpa_to_gfn(gpa)) | (gpa & ~UMBRA_PAGE_MASK);

	return (void __user *)(unsigned long)hva;
}

static int read_user_pte(const void __user *from, unsigned int size, u64 *pte)
{
	u32 narrow;
	int ret;

	if (umbra_fail_lookup())
		return -EFAULT;
	if (size == sizeof(u64))
		return get_user(*pte, (const u64 __user *)from);
	ret = get_user(narrow, (const u32 __user *)from);
	*pte = narrow;
	return ret;
}

/**
 * umbra_host_read_pte() - read an entry of a guest table
 * @mmu: the VM's
 * @gpa: where it is, aligned to @size
 * @size: 4 or 8 bytes
 * @atomic: do not sleep
 * @pte: result
 *
 * Context: SRCU read side of the slots, current->mm is the VM's; with @atomic
 * also under the MMU lock.
 * Return: 0; -ENOENT: no slot; -EFAULT.
 */
int umbra_host_read_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, bool atomic,
			u64 *pte)
{
	struct umbra_memslot *slot = find_slot(mmu, gpa);
	int ret;

	if (!slot)
		return -ENOENT;
	if (!atomic)
		return read_user_pte(slot_user_address(slot, gpa), size, pte);
	pagefault_disable();
	ret = read_user_pte(slot_user_address(slot, gpa), size, pte);
	pagefault_enable();
	return ret;
}

static int cmpxchg_user_32(u32 __user *to, u32 old, u32 new_val)
{
	if (!access_ok(to, sizeof(*to)))
		return -EFAULT;
	return __try_cmpxchg_user(to, &old, new_val, fault);
}

static int cmpxchg_user_64(u64 __user *to, u64 old, u64 new_val)
{
	if (!access_ok(to, sizeof(*to)))
		return -EFAULT;
	return __try_cmpxchg_user(to, &old, new_val, fault);
}

/**
 * umbra_host_cmpxchg_pte() - change an entry of a guest table
 * @mmu: the VM's
 * @gpa: where it is, aligned to @size
 * @size: 4 or 8 bytes
 * @old: what is there
 * @new_val: what shall be there
 *
 * Context: SRCU read side of the slots, current->mm is the VM's; may sleep.
 * Return: 0; 1: @old is not there any more; -ENOENT: no slot; -EROFS; -EFAULT.
 */
int umbra_host_cmpxchg_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, u64 old,
			   u64 new_val)
{
	struct umbra_memslot *slot = find_slot(mmu, gpa);
	void __user *to;
	int ret;

	if (!slot)
		return -ENOENT;
	if (slot->flags & KVM_MEM_READONLY)
		return -EROFS;
	if (umbra_fail_lookup())
		return -EFAULT;
	to = slot_user_address(slot, gpa);
	ret = size == sizeof(u64) ? cmpxchg_user_64(to, old, new_val) :
				    cmpxchg_user_32(to, old, new_val);
	if (!ret)
		mmu->ops->mark_dirty(mmu->vm, slot, gpa_to_gfn(gpa));
	return ret < 0 ? -EFAULT : ret;
}

static int read_user_row(const u64 __user *from, u64 *row)
{
	unsigned int i;

	if (umbra_fail_lookup() || !user_read_access_begin(from, UMBRA_ROW_SIZE))
		return -EFAULT;
	for (i = 0; i < UMBRA_ROW_SIZE / sizeof(u64); i++)
		unsafe_get_user(row[i], from + i, failed);
	user_read_access_end();
	return 0;
failed:
	user_read_access_end();
	return -EFAULT;
}

/**
 * umbra_host_read_row() - read a few entries of a guest table without sleeping
 * @mmu: the VM's
 * @hva: the caller's address of UMBRA_ROW_SIZE bytes, aligned to that
 * @row: result
 *
 * Context: MMU lock held.
 * Return: 0; -EFAULT: it is not there right now, or current->mm is not the VM's.
 */
int umbra_host_read_row(struct umbra_mmu *mmu, hva_t hva, u64 *row)
{
	int ret;

	if (current->mm != mmu->mm)
		return -EFAULT;
	pagefault_disable();
	ret = read_user_row((const u64 __user *)(unsigned long)hva, row);
	pagefault_enable();
	return ret;
}

static void found(struct umbra_host_page *out, struct page *page, bool writable)
{
	out->page = page;
	out->hpa = page_to_phys(page);
	out->writable = writable;
}

/* As many of @n pages from @hva on as are there and may be had without sleeping. */
static int get_pages_now(unsigned long hva, int n, bool write, struct page **pages)
{
	if (umbra_fail_lookup())
		return 0;
	return get_user_pages_fast_only(hva, n, write ? FOLL_WRITE : 0, pages);
}

static int get_page_slow(unsigned long hva, bool write, struct page **page)
{
	if (umbra_fail_lookup())
		return -EFAULT;
	/* Not the fast form: it does not know FOLL_HWPOISON. */
	return get_user_pages_unlocked(hva, 1, page, FOLL_HWPOISON | (write ? FOLL_WRITE : 0));
}

/**
 * umbra_host_get_page() - the caller's frame behind a guest frame
 * @slot: the slot that holds @gfn
 * @gfn: guest frame
 * @write: the guest writes: break copy-on-write, make it writable
 * @try_write: would be mapped writable if it is writable anyway
 * @out: result; a reference is held
 *
 * Context: current->mm is the VM's; may sleep.
 * Return: 0, -EFAULT, -EHWPOISON, -EINTR (the task is dying), -EAGAIN.
 */
int umbra_host_get_page(struct umbra_memslot *slot, gfn_t gfn, bool write, bool try_write,
			struct umbra_host_page *out)
{
	unsigned long hva = umbra_memslot_hva(slot, gfn);
	struct page *page;
	int ret;

	if ((write || try_write) && get_pages_now(hva, 1, true, &page) == 1) {
		found(out, page, true);
		return 0;
	}
	if (!write && get_pages_now(hva, 1, false, &page) == 1) {
		found(out, page, false);
		return 0;
	}
	ret = get_page_slow(hva, write, &page);
	if (ret == 1) {
		found(out, page, write);
		return 0;
	}
	return ret ? ret : -EFAULT;
}

/**
 * umbra_host_get_pages_now() - frames that are there, without sleeping
 * @slot: the slot that holds them all
 * @gfn: first guest frame
 * @n: how many, at most %UMBRA_PREFETCH
 * @write: only if they are writable
 * @out: results; a reference is held on each
 *
 * Context: current->mm is the VM's; MMU lock held.
 * Return: how many from the first on were found.
 */
unsigned int umbra_host_get_pages_now(struct umbra_memslot *slot, gfn_t gfn, unsigned int n,
				      bool write, struct umbra_host_page *out)
{
	struct page *pages[UMBRA_PREFETCH];
	int i, got;

	got = get_pages_now(umbra_memslot_hva(slot, gfn), n, write, pages);
	for (i = 0; i < got; i++)
		found(&out[i], pages[i], write);
	return got > 0 ? got : 0;
}

/*
 * The entry of 2 MiB that maps @address, or an empty one.  With interrupts off no page
 * table is freed: that waits for an IPI, or for RCU.
 */
static pmd_t large_entry(struct mm_struct *mm, unsigned long address)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, address));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (pgd_none(pgd))
		return __pmd(0);
	p4d = READ_ONCE(*p4d_offset(&pgd, address));
	if (p4d_none(p4d) || !p4d_present(p4d))
		return __pmd(0);
	pud = READ_ONCE(*pud_offset(&p4d, address));
	if (pud_none(pud) || !pud_present(pud) || pud_leaf(pud))
		return __pmd(0);
	pmd = READ_ONCE(*pmd_offset(&pud, address));
	return pmd_present(pmd) && pmd_leaf(pmd) ? pmd : __pmd(0);
}

/**
 * umbra_host_is_large() - does the caller map 2 MiB at once?
 * @mmu: the VM's
 * @slot: the slot that holds the 2 MiB
 * @gfn: a frame of it
 * @page: the host's frame of @gfn
 *
 * What is found holds until the host announces an invalidation.
 *
 * Context: MMU lock held, no invalidation of the range under way.
 * Return: true when one entry maps it, writable if @page is.
 */
bool umbra_host_is_large(struct umbra_mmu *mmu, const struct umbra_memslot *slot, gfn_t gfn,
			 const struct umbra_host_page *page)
{
	unsigned long flags;
	pmd_t pmd;

	local_irq_save(flags);
	pmd = large_entry(mmu->mm, umbra_memslot_hva(slot, gfn));
	local_irq_restore(flags);
	if (pmd_none(pmd) || (page->writable && !pmd_write(pmd)))
		return false;
	return PFN_PHYS(pmd_pfn(pmd)) == (page->hpa & ~(hpa_t)(PMD_SIZE - 1));
}

/**
 * umbra_host_put_page() - drop the reference to a frame
 * @out: umbra_host_get_page()
 * @mapped: a shadow entry maps it now
 *
 * The host learns here that the guest uses the page and may write to it; when
 * it wants to know again, it invalidates the mapping first.
 *
 * Context: any.
 */
void umbra_host_put_page(struct umbra_host_page *out, bool mapped)
{
	if (mapped && !PageReserved(out->page)) {
		if (out->writable)
			SetPageDirty(out->page);
		mark_page_accessed(out->page);
	}
	put_page(out->page);
}

/**
 * umbra_host_alloc() - zeroed memory
 * @size: bytes, at most a page
 *
 * Context: may sleep.
 * Return: the memory or NULL.
 */
void *umbra_host_alloc(size_t size)
{
	return kzalloc(size, GFP_KERNEL_ACCOUNT);
}

/**
 * umbra_host_free() - free umbra_host_alloc() memory
 * @ptr: the memory or NULL
 *
 * Context: any, also under the MMU lock.
 */
void umbra_host_free(void *ptr)
{
	kfree(ptr);
}

/**
 * umbra_host_alloc_array() - zeroed memory of any size
 * @n: elements
 * @size: bytes of each
 *
 * Context: may sleep.
 * Return: the memory or NULL.
 */
void *umbra_host_alloc_array(size_t n, size_t size)
{
	return __vcalloc(n, size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

/**
 * umbra_host_free_array() - free umbra_host_alloc_array() memory
 * @ptr: the memory or NULL
 *
 * Context: may sleep.
 */
void umbra_host_free_array(void *ptr)
{
	vfree(ptr);
}

/**
 * umbra_host_alloc_table() - one zeroed page
 * @low: below 4 GiB
 *
 * Context: may sleep.
 * Return: the page or NULL.
 */
u64 *umbra_host_alloc_table(bool low)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO;

	return (u64 *)__get_free_page(low ? gfp | __GFP_DMA32 : gfp);
}

/**
 * umbra_host_free_table() - free umbra_host_alloc_table() memory
 * @table: the page
 *
 * Context: any, also under the MMU lock.
 */
void umbra_host_free_table(u64 *table)
{
	free_page((unsigned long)table);
}

/**
 * umbra_host_page_limit() - how many shadow pages all VMs together may have
 *
 * A sixteenth of the host's memory, and as much again for what belongs to them.
 *
 * Context: any.
 * Return: the number.
 */
unsigned long umbra_host_page_limit(void)
{
	return totalram_pages() / 16;
}

static unsigned long count_objects(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long n = umbra_shrink_total();

	return n ? n : SHRINK_EMPTY;
}

static unsigned long scan_objects(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long done = umbra_shrink_some(control->nr_to_scan);

	return done ? done : SHRINK_STOP;
}

static struct shrinker *shadow_shrinker;

/**
 * umbra_mmu_init() - let the host have shadow pages back
 *
 * Context: module init.
 * Return: 0 or -ENOMEM.
 */
int __init umbra_mmu_init(void)
{
	shadow_shrinker = umbra_shrinker_new("umbra-mmu", count_objects, scan_objects);
	return shadow_shrinker ? 0 : -ENOMEM;
}

/**
 * umbra_mmu_exit() - undo umbra_mmu_init()
 *
 * Context: module exit; no VM is left.
 */
void umbra_mmu_exit(void)
{
	umbra_shrinker_free(shadow_shrinker);
}

/**
 * umbra_host_encryption_mask() - what every physical address in a table carries
 *
 * Context: any.
 * Return: the mask, 0 without memory encryption.
 */
u64 umbra_host_encryption_mask(void)
{
	return __sme_set(0);
}

/**
 * umbra_host_check() - can shadow tables be built on this host?
 * @low_roots: PAE roots are needed
 *
 * A PAE root is reached through a 32-bit CR3, which has no place for the
 * encryption bit.
 *
 * Context: any.
 * Return: 0 or -EOPNOTSUPP.
 */
int umbra_host_check(bool low_roots)
{
	if (low_roots && umbra_host_encryption_mask()) {
		pr_info("umbra: shadow paging with memory encryption (SME) is not supported\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static struct umbra_mmu *from_notifier(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct umbra_mmu, notifier);
}

static int notify_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	umbra_invalidate_begin(from_notifier(notifier), range->start, range->end,
			       mmu_notifier_range_blockable(range));
	return 0;
}

static void notify_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	umbra_invalidate_end(from_notifier(notifier));
}

static umbra_young_t notify_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					unsigned long start, unsigned long end)
{
	return umbra_invalidate_young(from_notifier(notifier), start, end, true);
}

static umbra_young_t notify_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
				       unsigned long address)
{
	return umbra_invalidate_young(from_notifier(notifier), address, address + PAGE_SIZE,
				      false);
}

static void notify_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	struct umbra_mmu *mmu = from_notifier(notifier);

	write_lock(&mmu->lock);
	umbra_zap_all(mmu);
	write_unlock(&mmu->lock);
}

static const struct mmu_notifier_ops notifier_ops = {
	.release = notify_release,
	.invalidate_range_start = notify_start,
	.invalidate_range_end = notify_end,
	.clear_flush_young = notify_clear_young,
	.clear_young = notify_clear_young,
	.test_young = notify_test_young,
};

/**
 * umbra_host_watch() - be told when the caller's memory changes
 * @mmu: the VM's; current->mm becomes its memory
 *
 * Context: process context, may sleep.
 * Return: 0, -ENOMEM, -EINTR.
 */
int umbra_host_watch(struct umbra_mmu *mmu)
{
	mmu->mm = current->mm;
	mmu->notifier.ops = &notifier_ops;
	return mmu_notifier_register(&mmu->notifier, mmu->mm);
}

/**
 * umbra_host_unwatch() - undo umbra_host_watch()
 * @mmu: the VM's
 *
 * Context: process context, may sleep.
 */
void umbra_host_unwatch(struct umbra_mmu *mmu)
{
	mmu_notifier_unregister(&mmu->notifier, mmu->mm);
}
