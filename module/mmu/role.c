// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: roles: from a guest's paging state to the key of a shadow page
 *
 * Which bits matter and why is told in role.h.  This file knows how the bits
 * follow from control registers and how they change from parent to child; it
 * knows no shadow page.
 */
#include "role.h"
#include "x86_bits.h"

/**
 * umbra_role_mode() - how the guest translates
 * @paging: paging state
 *
 * Context: any.
 * Return: the mode.
 */
enum umbra_mode umbra_role_mode(const struct umbra_paging *paging)
{
	if (!(paging->cr0 & X86_CR0_PG))
		return UMBRA_MODE_UNPAGED;
	if (paging->efer & EFER_LMA)
		return UMBRA_MODE_LONG;
	if (paging->cr4 & X86_CR4_PAE)
		return UMBRA_MODE_PAE;
	return UMBRA_MODE_32BIT;
}

/**
 * umbra_role_base() - the part of a role that all pages of an address space share
 * @paging: paging state
 * @view: for whom
 *
 * SMEP and SMAP need no bit of their own while CR0.WP is set: the processor
 * applies them to the U bit of the shadow entry, which is the guest's.  With
 * CR0.WP = 0 a user page that the guest kernel wrote is mapped as a
 * supervisor page (see umbra_fault_access()), which hides it from both; such
 * entries must not be seen by a context with other settings.  The kernel view
 * has no such entries, but marks where the supervisor may fetch (code.c), and that
 * depends on SMEP.
 *
 * Context: any.
 * Return: the role, with level, access, quadrant and owner 0.
 */
union umbra_role umbra_role_base(const struct umbra_paging *paging, enum umbra_view view)
{
	union umbra_role role = { .word = 0 };
	bool wp = paging->cr0 & X86_CR0_WP;

	role.mode = umbra_role_mode(paging);
	role.view = view;
	if (role.mode == UMBRA_MODE_UNPAGED) {
		role.direct = 1;
		return role;
	}
	role.nx = role.mode != UMBRA_MODE_32BIT && (paging->efer & EFER_NX);
	role.wp = wp;
	if (!wp || view == UMBRA_VIEW_KERNEL)
		role.smep = !!(paging->cr4 & X86_CR4_SMEP);
	if (!wp && view != UMBRA_VIEW_KERNEL)
		role.smap_nowp = !!(paging->cr4 & X86_CR4_SMAP);
	role.pse = role.mode == UMBRA_MODE_32BIT && (paging->cr4 & X86_CR4_PSE);
	return role;
}

/**
 * umbra_role_root() - role of a root
 * @base: umbra_role_base(), with the owner
 * @slot: long mode: 0, or which half below a 5-level root; else which GiB of the
 *	linear address space
 *
 * Outside long mode an address space has four roots, each a page directory.
 *
 * Context: any.
 * Return: the role.
 */
union umbra_role umbra_role_root(union umbra_role base, unsigned int slot)
{
	bool lng = base.mode == UMBRA_MODE_LONG;

	base.access = umbra_role_view_access(base, UMBRA_AX_ALL);
	base.level = lng ? 4 : 2;
	base.quadrant = lng || base.mode == UMBRA_MODE_32BIT ? slot : 0;
	if (!lng)
		base.owner = 0;
	return base;
}

/**
 * umbra_role_child() - role of the table below an entry
 * @parent: role of the shadow page that holds the entry
 * @gva: an address that the entry translates
 * @access: UMBRA_AX_* accumulated down to and including the entry, as the view
 *	shows them
 * @direct: the entry stands for memory, not for a guest table
 *
 * Context: any.
 * Return: the role.
 */
union umbra_role umbra_role_child(union umbra_role parent, gva_t gva,
				  unsigned int access, bool direct)
{
	union umbra_role role = parent;

	role.level--;
	role.access = access;
	role.direct = direct;
	role.quadrant = 0;
	role.owner = 0;
	if (role.mode == UMBRA_MODE_32BIT && !direct)
		role.quadrant = (gva >> 21) & 1;
	return role;
}
