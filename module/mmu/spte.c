// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the bits of shadow entries
 *
 * What an entry says is decided in fault.c; how that is written down for the
 * processor is decided here and nowhere else.  Shadow entries are never
 * global: a guest's global page is dropped from the TLB more often than it
 * asked for, but never kept longer.
 */
#include "spte.h"

/**
 * umbra_spte_clear_bits() - take permissions or the accessed bit from a live entry
 * @sptep: the entry
 * @bits: to be cleared
 *
 * Context: MMU lock held.
 * Return: true when one of them was set.
 */
bool umbra_spte_clear_bits(u64 *sptep, u64 bits)
{
	u64 old = READ_ONCE(*sptep);
	u64 seen;

	while (old & bits) {
		seen = cmpxchg64(sptep, old, old & ~bits);
		if (seen == old)
			return true;
		old = seen;
	}
	return false;
}

/**
 * umbra_spte_guest_access() - what a leaf may have of its guest entry
 * @sp: shadow page of level 1 of a guest table
 * @gpte: the guest's entry
 *
 * Without W where D is not set, so that the first write is noticed.
 *
 * Context: any.
 * Return: UMBRA_AX_*.
 */
unsigned int umbra_spte_guest_access(const struct umbra_sp *sp, u64 gpte)
{
	unsigned int access = umbra_role_view_access(sp->role, umbra_pte_access(gpte));

	if (!(gpte & PTE_D))
		access &= ~UMBRA_AX_W;
	return access & sp->role.access;
}

/**
 * umbra_spte_make_leaf() - an entry that maps memory
 * @mmu: the VM's
 * @access: UMBRA_AX_* to give
 * @level: 1, or more for a large page
 * @hpa: host frame, aligned to the page size
 * @host_writable: the caller's mapping is writable; without it W stays clear
 *
 * Dirty is set along with W, so that the processor need not; accessed is the
 * processor's to set: the host's page reclaim looks at it.
 *
 * Context: any.
 * Return: the entry.
 */
u64 umbra_spte_make_leaf(const struct umbra_mmu *mmu, unsigned int access, unsigned int level,
			 hpa_t hpa, bool host_writable)
{
	u64 spte = PTE_P | SPTE_LEAF | hpa | mmu->encryption_mask;

	if (access & UMBRA_AX_U)
		spte |= PTE_U;
	if (!(access & UMBRA_AX_X))
		spte |= PTE_NX;
	if (host_writable)
		spte |= SPTE_HOST_W;
	if (host_writable && (access & UMBRA_AX_W))
		spte |= PTE_W | PTE_D;
	if (level > 1)
		spte |= PTE_PS;
	return spte;
}

/**
 * umbra_spte_make_link() - an entry that points to a shadow table
 * @mmu: the VM's
 * @child: the table's shadow page
 *
 * Gives every permission: those of the upper levels are in the role of the
 * tables below, and so in every leaf.
 *
 * Context: any.
 * Return: the entry.
 */
u64 umbra_spte_make_link(const struct umbra_mmu *mmu, const struct umbra_sp *child)
{
	return PTE_P | PTE_W | PTE_U | PTE_A | umbra_host_table_hpa(child->spt) |
	       mmu->encryption_mask;
}

/**
 * umbra_spte_reduces() - must a TLB forget @old when it becomes @new_spte?
 * @old: former value
 * @new_spte: new value
 *
 * Context: any.
 * Return: true when a processor that still uses @old could do what @new_spte forbids.
 */
bool umbra_spte_reduces(u64 old, u64 new_spte)
{
	if (!umbra_spte_present(old))
		return false;
	if (!umbra_spte_present(new_spte))
		return true;
	if ((old ^ new_spte) & (PTE_ADDR | PTE_U | SPTE_LEAF | PTE_PS))
		return true;
	return ((old & ~new_spte) & PTE_W) || ((new_spte & ~old) & PTE_NX);
}
