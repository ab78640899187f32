/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: shadow entries
 *
 * The interface of spte.c, and the atomic steps on a live entry.  An entry of
 * a live table may be read by the processor at any time, which sets A and D
 * in it; so every change of a present entry is one atomic exchange.
 */
#ifndef UMBRA_MMU_SPTE_H
#define UMBRA_MMU_SPTE_H

#include "mmu_internal.h"
#include "x86_bits.h"

/*
 * Bits 9..11 are ignored by the processor:
 *
 *   9  SPTE_LEAF	maps memory (else: links a table)
 *  10  SPTE_HOST_W	the host would allow writing: a clear W is the guest's or ours
 *  11  SPTE_CODE	on the way to translated code, see code.c
 */
#define SPTE_LEAF	BIT_ULL(9)
#define SPTE_HOST_W	BIT_ULL(10)
#define SPTE_CODE	BIT_ULL(11)

static inline bool umbra_spte_present(u64 spte)
{
	return spte & PTE_P;
}

static inline bool umbra_spte_leaf(u64 spte)
{
	return (spte & (PTE_P | SPTE_LEAF)) == (PTE_P | SPTE_LEAF);
}

static inline bool umbra_spte_link(u64 spte)
{
	return (spte & (PTE_P | SPTE_LEAF)) == PTE_P;
}

static inline bool umbra_spte_writable(u64 spte)
{
	return (spte & (PTE_P | PTE_W)) == (PTE_P | PTE_W);
}

static inline hpa_t umbra_spte_hpa(const struct umbra_mmu *mmu, u64 spte)
{
	return spte & PTE_ADDR & ~mmu->encryption_mask;
}

/* The shadow page that a link leads to. */
static inline struct umbra_sp *umbra_spte_child(const struct umbra_mmu *mmu, u64 link)
{
	return umbra_host_owner(umbra_host_table(umbra_spte_hpa(mmu, link)));
}

/* Index of the entry for @gva in a shadow table of @level. */
static inline unsigned int umbra_spte_index(gva_t gva, unsigned int level)
{
	return (gva >> (UMBRA_PAGE_SHIFT + (level - 1) * 9)) & 511;
}

/* The shadow page that the entry of @sp for @gva links, or NULL.  MMU lock held. */
static inline struct umbra_sp *umbra_page_below(const struct umbra_mmu *mmu,
						const struct umbra_sp *sp, gva_t gva)
{
	unsigned int index = umbra_spte_index(gva, sp->role.level);
	u64 spte = sp->spt[index];

	if (!umbra_spte_link(spte) || umbra_page_is_hole(mmu, sp, index))
		return NULL;
	return umbra_spte_child(mmu, spte);
}

/* A fault goes through a table.  Others see it, too: no stores that change nothing. */
static inline void umbra_page_passed(struct umbra_sp *sp)
{
	if (!READ_ONCE(sp->used))
		WRITE_ONCE(sp->used, true);
	if (READ_ONCE(sp->writes))
		WRITE_ONCE(sp->writes, 0);
}

/* 4 KiB frames that an entry of @level covers. */
static inline u64 umbra_level_pages(unsigned int level)
{
	return 1ull << ((level - 1) * 9);
}

/* The first frame of the page of @level around a frame. */
static inline gfn_t umbra_level_gfn(gfn_t gfn, unsigned int level)
{
	return gfn & ~(umbra_level_pages(level) - 1);
}

static inline hpa_t umbra_level_hpa(hpa_t hpa, unsigned int level)
{
	return hpa & ~((umbra_level_pages(level) << UMBRA_PAGE_SHIFT) - 1);
}

/* Replace an entry; what the processor set meanwhile is in the returned value. */
static inline u64 umbra_spte_exchange(u64 *sptep, u64 spte)
{
	return xchg(sptep, spte);
}

bool umbra_spte_clear_bits(u64 *sptep, u64 bits);
u64 umbra_spte_make_leaf(const struct umbra_mmu *mmu, unsigned int access, unsigned int level,
			 hpa_t hpa, bool host_writable);
u64 umbra_spte_make_link(const struct umbra_mmu *mmu, const struct umbra_sp *child);
unsigned int umbra_spte_guest_access(const struct umbra_sp *sp, u64 gpte);
bool umbra_spte_reduces(u64 old, u64 new_spte);

#endif
