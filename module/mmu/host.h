/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what the shadow MMU takes from the host
 *
 * Everything that needs the kernel's memory management is behind this header:
 * host.c and notifier.c implement it in the module, the unit tests implement
 * it on an array.  All other files of the shadow MMU compile in both places.
 */
#ifndef UMBRA_MMU_HOST_H
#define UMBRA_MMU_HOST_H

#include "umbra/types.h"

#ifdef __KERNEL__
#include <linux/mm.h>
#endif

struct umbra_mmu;
struct umbra_memslot;
struct umbra_sp;
struct page;

/**
 * struct umbra_host_page - a frame of the caller's memory
 * @hpa: host physical address
 * @writable: may be mapped writable
 * @page: the reference that keeps it until umbra_host_put_page()
 */
struct umbra_host_page {
	hpa_t hpa;
	bool writable;
	struct page *page;
};

/*
 * Guest page-table entries of 4 or 8 bytes, read and exchanged as one.
 * Return: 0; -ENOENT: no slot; -EFAULT: the caller's memory is gone (or, with
 * @atomic, not there right now).  cmpxchg also 1: the entry is not @old;
 * -EROFS: read-only slot.
 */
int umbra_host_read_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, bool atomic,
			u64 *pte);
int umbra_host_cmpxchg_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, u64 old,
			   u64 new_val);

/*
 * As many bytes of a guest table as the processor fetches at once, each entry as one.
 * 0, or -EFAULT: not there right now, or not current's memory.
 */
#define UMBRA_ROW_SIZE	64

int umbra_host_read_row(struct umbra_mmu *mmu, hva_t hva, u64 *row);

/*
 * The frame behind @gfn of @slot; with @write it is made writable, else it is
 * found writable only where that costs nothing (@try_write).
 * Return: 0, -EFAULT, -EHWPOISON, -EINTR, -ENOMEM.
 */
int umbra_host_get_page(struct umbra_memslot *slot, gfn_t gfn, bool write, bool try_write,
			struct umbra_host_page *page);
/*
 * @n frames from @gfn on, all in @slot, without sleeping; as many from the
 * first on as are there, writable if @write.  Return: how many.
 */
unsigned int umbra_host_get_pages_now(struct umbra_memslot *slot, gfn_t gfn, unsigned int n,
				      bool write, struct umbra_host_page *page);
/*
 * Does the caller map all 2 MiB around @page, the frame of @gfn, by one entry of its
 * own tables?  Asked under the MMU lock when no invalidation is under way.
 */
bool umbra_host_is_large(struct umbra_mmu *mmu, const struct umbra_memslot *slot, gfn_t gfn,
			 const struct umbra_host_page *page);
/* @mapped: it went into a shadow entry, @page->writable says how. */
void umbra_host_put_page(struct umbra_host_page *page, bool mapped);

/* Memory for the shadow MMU itself, zeroed, accounted to the caller. */
void *umbra_host_alloc(size_t size);
void umbra_host_free(void *ptr);
void *umbra_host_alloc_array(size_t n, size_t size);
void umbra_host_free_array(void *ptr);
/* Tables: one page, aligned; @low: below 4 GiB. */
u64 *umbra_host_alloc_table(bool low);
void umbra_host_free_table(u64 *table);

/* The notifier on the caller's address space. */
int umbra_host_watch(struct umbra_mmu *mmu);
void umbra_host_unwatch(struct umbra_mmu *mmu);

/* How many shadow pages all VMs together may have. */
unsigned long umbra_host_page_limit(void);

/* Can shadow tables be used as the config asks?  0 or -EOPNOTSUPP. */
int umbra_host_check(bool low_roots);
/* Bits that a shadow entry's address carries besides the address (memory encryption). */
u64 umbra_host_encryption_mask(void);

#ifdef __KERNEL__
static inline hpa_t umbra_host_table_hpa(const u64 *table)
{
	return __pa(table);
}

static inline u64 *umbra_host_table(hpa_t hpa)
{
	return __va(hpa);
}

/* A table's page remembers the shadow page that owns it. */
static inline void umbra_host_set_owner(u64 *table, struct umbra_sp *sp)
{
	set_page_private(virt_to_page(table), (unsigned long)sp);
}

static inline struct umbra_sp *umbra_host_owner(const u64 *sptep)
{
	return (struct umbra_sp *)page_private(virt_to_page(sptep));
}
#else
hpa_t umbra_host_table_hpa(const u64 *table);
u64 *umbra_host_table(hpa_t hpa);
void umbra_host_set_owner(u64 *table, struct umbra_sp *sp);
struct umbra_sp *umbra_host_owner(const u64 *sptep);
#endif

#endif
