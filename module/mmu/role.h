/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: roles
 *
 * One frame of guest memory may serve as several page tables at once: at two
 * levels, below parents with different permissions, for a 32-bit and a 64-bit
 * address space.  A shadow page is therefore found by (gfn, role), and two
 * shadow pages with the same key are interchangeable: whatever decides what an
 * entry of the shadow page says, besides the guest's entry, is in the role.
 *
 *  31..19  18..17   16    15    14   13..12  11   10    9     8..6   5..4   3..0
 *  owner   quadrant pse  smap  smep  view    wp   nx  direct access  mode   level
 *                        (with WP=0; smep also in             XUW
 *                        the kernel view)
 */
#ifndef UMBRA_MMU_ROLE_H
#define UMBRA_MMU_ROLE_H

#include "umbra/mmu.h"

/* How the guest translates.  The order is that of the role's mode field. */
enum umbra_mode {
	UMBRA_MODE_UNPAGED,	/* CR0.PG = 0: linear is physical */
	UMBRA_MODE_32BIT,	/* two levels of 4-byte entries */
	UMBRA_MODE_PAE,		/* four pointers, two levels of 8-byte entries */
	UMBRA_MODE_LONG,	/* four levels of 8-byte entries */
};

/* Permissions, as accumulated on a walk. */
#define UMBRA_AX_W		BIT(0)
#define UMBRA_AX_U		BIT(1)
#define UMBRA_AX_X		BIT(2)
#define UMBRA_AX_ALL		(UMBRA_AX_W | UMBRA_AX_U | UMBRA_AX_X)

#define UMBRA_MAX_LEVEL		4

/**
 * union umbra_role - what, besides the guest's entries, decides a shadow page
 * @word: all of it, for comparing
 * @level: 1: maps 4 KiB pages; 4: root of a long-mode space
 * @mode: enum umbra_mode: the format of the guest's entries, and which bits of
 *	them are reserved
 * @access: UMBRA_AX_* that all parents together leave
 * @direct: no guest table behind it: entry n maps gfn + n units.  Below a
 *	large guest page, and while the guest's paging is off
 * @nx: EFER.NXE
 * @wp: CR0.WP
 * @view: enum umbra_view.  What it makes of the guest's permissions is
 *	umbra_role_view_access()
 * @smep: CR4.SMEP, in the kernel view or without CR0.WP
 * @smap_nowp: CR4.SMAP and not CR0.WP
 * @pse: 32-bit mode: CR4.PSE
 * @quadrant: 32-bit mode: a shadow table has half the entries of the guest's
 *	table (512, 8-byte, against 1024), and a shadow directory covers a
 *	quarter of the guest's: which part this is.  Level 4 below a 5-level root:
 *	0: the low half of the linear address space, 1: the high half
 * @owner: level 4 where there are two views: umbra_mmu_ctx.id, because the
 *	engine's entry in it is the context's own; else 0
 */
union umbra_role {
	u32 word;
	struct {
		u32 level : 4;
		u32 mode : 2;
		u32 access : 3;
		u32 direct : 1;
		u32 nx : 1;
		u32 wp : 1;
		u32 view : 2;
		u32 smep : 1;
		u32 smap_nowp : 1;
		u32 pse : 1;
		u32 quadrant : 2;
		u32 owner : 13;
	};
};

#define UMBRA_MAX_OWNER		(BIT(13) - 1)

/*
 * Permissions, as the view of @role shows them.  The supervisor at CPL 3 may
 * touch every page, and write where its CR0.WP lets it; its code is translated,
 * never run where it is.
 */
static inline unsigned int umbra_role_view_access(union umbra_role role, unsigned int access)
{
	if (role.view != UMBRA_VIEW_KERNEL)
		return access;
	return UMBRA_AX_U | (role.wp ? access & UMBRA_AX_W : UMBRA_AX_W);
}

enum umbra_mode umbra_role_mode(const struct umbra_paging *paging);
union umbra_role umbra_role_base(const struct umbra_paging *paging, enum umbra_view view);
union umbra_role umbra_role_root(union umbra_role base, unsigned int slot);
union umbra_role umbra_role_child(union umbra_role parent, gva_t gva,
				  unsigned int access, bool direct);

#endif
