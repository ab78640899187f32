/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: walks of the guest's page tables
 *
 * The interface of walk.c: the facts that a walk depends on, prepared once per
 * change of the paging state, and what a walk found.
 */
#ifndef UMBRA_MMU_WALK_H
#define UMBRA_MMU_WALK_H

#include "role.h"
#include "x86_bits.h"

/**
 * struct umbra_walk_env - the paging state, prepared for walks
 * @mode: how the guest translates
 * @nx: bit 63 forbids fetches (else it is reserved)
 * @wp: the supervisor respects W = 0
 * @smep: the supervisor does not fetch from user pages
 * @smap: the supervisor does not touch user pages
 * @pse: 32-bit mode: 4 MiB pages
 * @root: guest physical address of the top table
 * @pdptr: PAE mode: the four pointers
 * @rsvd: reserved bits of an entry at a level; first index 1: it maps a large
 *	page
 */
struct umbra_walk_env {
	enum umbra_mode mode;
	bool nx, wp, smep, smap, pse;
	gpa_t root;
	u64 pdptr[4];
	u64 rsvd[2][UMBRA_MAX_LEVEL + 1];
};

/**
 * struct umbra_walk - what a walk found
 * @top: level of the first table that was read, 0 when unpaged
 * @level: level of the entry that maps the page
 * @access: UMBRA_AX_* of the page
 * @dirty: the entry that maps the page has D set
 * @gfn: frame of @gva, in units of 4 KiB whatever the page's size
 * @table: by level, the frame of the table that was read
 * @table_access: by level, UMBRA_AX_* accumulated above that table
 * @pte_gpa: by level, where the entry is
 * @pte: by level, the entry, with A and D as the walk left them
 * @error_code: when the walk ended with a guest fault
 */
struct umbra_walk {
	u8 top;
	u8 level;
	u8 access;
	bool dirty;
	gfn_t gfn;
	gfn_t table[UMBRA_MAX_LEVEL + 1];
	u8 table_access[UMBRA_MAX_LEVEL + 1];
	gpa_t pte_gpa[UMBRA_MAX_LEVEL + 1];
	u64 pte[UMBRA_MAX_LEVEL + 1];
	u32 error_code;
};

/* Result of a walk, besides 0 and negative host errors. */
#define UMBRA_WALK_FAULT	1	/* the guest's own: umbra_walk.error_code */

/* Internal kind of access, beside UMBRA_ACC_*: no permission checks, no A and D bits. */
#define UMBRA_ACC_PEEK		BIT(31)

/* What one guest entry permits, UMBRA_AX_*; one of 4 bytes has no NX. */
static inline unsigned int umbra_pte_access(u64 pte)
{
	unsigned int access = UMBRA_AX_X;

	if (pte & PTE_W)
		access |= UMBRA_AX_W;
	if (pte & PTE_U)
		access |= UMBRA_AX_U;
	if (pte & PTE_NX)
		access &= ~UMBRA_AX_X;
	return access;
}

gpa_t umbra_walk_root(const struct umbra_paging *paging);
void umbra_walk_prepare(struct umbra_walk_env *env, const struct umbra_paging *paging);
int umbra_walk(struct umbra_mmu *mmu, const struct umbra_walk_env *env, gva_t gva,
	       unsigned int acc, struct umbra_walk *walk);
bool umbra_walk_permits(const struct umbra_walk_env *env, unsigned int access, unsigned int acc);
u32 umbra_walk_attempt(const struct umbra_walk_env *env, unsigned int acc);
u64 umbra_walk_pdptr_reserved(u8 maxphyaddr);
void umbra_code_touched(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len);	/* code.c */

/* Bytes of an entry in the guest's tables. */
static inline unsigned int umbra_mode_pte_size(enum umbra_mode mode)
{
	return mode == UMBRA_MODE_32BIT ? 4 : 8;
}

#endif
