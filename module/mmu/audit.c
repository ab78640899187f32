// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the invariants, checked
 *
 * Documentation/mmu.rst numbers what always holds while the MMU lock is free.
 * The numbers here are the same.  An audit looks at everything and takes
 * time; it is for tests, for debug builds, and for a moment of doubt.
 */
#include "mmu_internal.h"
#include "spte.h"

/* 0 while all is well, then the number of the first invariant found broken. */
struct audit {
	struct umbra_mmu *mmu;
	unsigned int broken;
};

static void check(struct audit *a, unsigned int number, bool good)
{
	if (!good && !a->broken)
		a->broken = number;
}

struct membership {
	const u64 *sptep;
	unsigned int times;
};

static void count_member(u64 *sptep, void *arg)
{
	struct membership *m = arg;

	m->times += sptep == m->sptep;
}

static bool member_once(const struct umbra_chain *chain, const u64 *sptep)
{
	struct membership m = { sptep, 0 };

	umbra_chain_for_each(chain, count_member, &m);
	return m.times == 1;
}

static const struct umbra_chain *chain_of(const struct umbra_mmu_slot *slot, gfn_t gfn,
					  unsigned int level)
{
	return level == 1 ? &slot->rmap[gfn - slot->base_gfn] :
			    &slot->large_rmap[umbra_rmap_large_index(slot, gfn)];
}

/* 3: a leaf is in the chain of its frame, once, in one slot. */
static bool leaf_is_mapped_back(const struct audit *a, const struct umbra_sp *sp,
				unsigned int index)
{
	gfn_t gfn = umbra_sp_entry_gfn(sp, index);
	struct umbra_mmu_slot *slot;
	unsigned int times = 0;

	list_for_each_entry(slot, &a->mmu->slots, link)
		if (gfn >= slot->base_gfn && gfn - slot->base_gfn < slot->npages)
			times += member_once(chain_of(slot, gfn, sp->role.level), &sp->spt[index]);
	return times == 1;
}

static void audit_leaf(struct audit *a, const struct umbra_sp *sp, unsigned int index)
{
	u64 spte = sp->spt[index];
	gfn_t gfn = umbra_sp_entry_gfn(sp, index);
	bool nowp_write = (spte & PTE_W) && !(spte & PTE_U) && !sp->role.wp;

	unsigned int i;

	check(a, 3, leaf_is_mapped_back(a, sp, index));
	for (i = 0; (spte & PTE_W) && i < umbra_level_pages(sp->role.level); i++) {
		check(a, 5, !umbra_page_protected(a->mmu, gfn + i));
		check(a, 5, !umbra_code_frame(a->mmu, gfn + i));
	}
	check(a, 10, sp->role.level <= 2 && !(spte & PTE_PS) == (sp->role.level == 1));
	check(a, 6, !(spte & PTE_W) || (sp->role.access & UMBRA_AX_W) || nowp_write);
	check(a, 6, !(spte & PTE_U) || (sp->role.access & UMBRA_AX_U));
	check(a, 6, (spte & PTE_NX) || (sp->role.access & UMBRA_AX_X));
	check(a, 7, !(spte & (PTE_G | PTE_PWT | PTE_PCD)));
	check(a, 7, (spte & PTE_ADDR & a->mmu->encryption_mask) == a->mmu->encryption_mask);
	check(a, 7, !(spte & PTE_W) || ((spte & SPTE_HOST_W) && (spte & PTE_D)));
	check(a, 13, !(spte & SPTE_CODE) || sp->code);
	if (sp->role.view == UMBRA_VIEW_KERNEL)
		check(a, 11, (spte & (PTE_U | PTE_NX)) == (PTE_U | PTE_NX));
}

static const struct umbra_mmu_ctx *owner(const struct umbra_mmu *mmu, const struct umbra_sp *sp)
{
	const struct umbra_mmu_ctx *ctx;

	list_for_each_entry(ctx, &mmu->ctxs, link)
		if (ctx->id == sp->role.owner)
			return ctx;
	return NULL;
}

/* A page that is not held gets its entry when it is. */
static void audit_hole(struct audit *a, const struct umbra_sp *sp, unsigned int index)
{
	const struct umbra_mmu_ctx *ctx = owner(a->mmu, sp);

	if (sp->roots)
		check(a, 12, ctx && sp->spt[index] == ctx->views[sp->role.view].hole);
}

static void audit_link(struct audit *a, const struct umbra_sp *sp, unsigned int index)
{
	const struct umbra_sp *child = umbra_spte_child(a->mmu, sp->spt[index]);

	if (!child) {
		check(a, 4, false);
		return;
	}
	check(a, 4, !child->invalid && sp->role.level == child->role.level + 1);
	check(a, 4, member_once(&child->parents, &sp->spt[index]));
	check(a, 6, !(child->role.access & ~sp->role.access) || !sp->role.wp);
	check(a, 7, !(sp->spt[index] & (PTE_G | PTE_PS | PTE_NX)));
}

static void audit_entries(struct audit *a, const struct umbra_sp *sp)
{
	unsigned int i, present = 0;

	for (i = 0; i < UMBRA_SPT_ENTRIES; i++) {
		u64 spte = sp->spt[i];

		if (umbra_page_is_hole(a->mmu, sp, i)) {
			audit_hole(a, sp, i);
			continue;
		}
		if (umbra_spte_leaf(spte))
			audit_leaf(a, sp, i);
		else if (umbra_spte_link(spte))
			audit_link(a, sp, i);
		else
			check(a, 7, !spte);
		present += umbra_spte_present(spte);
	}
	check(a, 2, present == sp->present);
}

/* 1: found by its key, and the only one. */
static void audit_key(struct audit *a, const struct umbra_sp *sp)
{
	struct umbra_sp *other;
	unsigned int times = 0;

	hlist_for_each_entry(other, umbra_page_bucket(a->mmu, sp->gfn), hash)
		times += other->gfn == sp->gfn && other->role.word == sp->role.word;
	check(a, 1, times == 1 && !sp->invalid);
	check(a, 9, !sp->role.direct == !!sp->gptes);
	check(a, 10, !sp->unsync || (sp->role.level == 1 && !sp->role.direct));
	check(a, 10, sp->unsync || !sp->restless);
	check(a, 13, !sp->code || !sp->unsync);
	check(a, 10, sp->unsync == !list_empty(&sp->unsync_link));
	check(a, 4, umbra_host_owner(sp->spt) == sp);
	check(a, 12, umbra_view_exists(a->mmu, sp->role.view));
	check(a, 12, !sp->role.owner == (sp->role.level < 4 || !a->mmu->config.two_views));
}

/* 4, backwards. */
static void audit_parent(u64 *sptep, void *arg)
{
	struct audit *a = arg;
	const struct umbra_sp *parent = umbra_host_owner(sptep);

	check(a, 4, parent && !parent->invalid && umbra_spte_link(*sptep));
}

/* 3, backwards. */
static void audit_chain_member(u64 *sptep, void *arg)
{
	struct audit *a = arg;
	const struct umbra_sp *sp = umbra_host_owner(sptep);

	check(a, 3, sp && !sp->invalid && umbra_spte_leaf(*sptep));
}

static void audit_large_member(u64 *sptep, void *arg)
{
	struct audit *a = arg;

	audit_chain_member(sptep, arg);
	check(a, 3, *sptep & PTE_PS);
}

static void audit_slots(struct audit *a)
{
	struct umbra_mmu_slot *slot;
	u64 page;

	list_for_each_entry(slot, &a->mmu->slots, link) {
		for (page = 0; page < slot->npages; page++)
			umbra_chain_for_each(&slot->rmap[page], audit_chain_member, a);
		page = umbra_rmap_large_index(slot, slot->base_gfn + slot->npages - 1) + 1;
		while (page--)
			umbra_chain_for_each(&slot->large_rmap[page], audit_large_member, a);
	}
}

static void audit_code(struct audit *a)
{
	unsigned long frames = 0;
	unsigned int i;

	for (i = 0; i < BIT(UMBRA_CODE_BITS); i++) {
		struct hlist_node *node = a->mmu->code[i].first;

		for (; node; node = node->next)
			frames++;
	}
	check(a, 14, frames == a->mmu->nr_code);
}

/**
 * umbra_mmu_audit() - check the numbered invariants
 * @mmu: the VM's
 *
 * Context: no MMU lock held; keeps the lock for as long as it takes.
 * Return: 0, or the number of an invariant of Documentation/mmu.rst that does
 * not hold.
 */
unsigned int umbra_mmu_audit(struct umbra_mmu *mmu)
{
	struct audit a = { .mmu = mmu };
	unsigned long pages = 0, indirect = 0;
	unsigned long unsync = 0, restless = 0;
	struct umbra_sp *sp;

	write_lock(&mmu->lock);
	list_for_each_entry(sp, &mmu->pages, link) {
		pages++;
		indirect += !sp->role.direct;
		unsync += sp->unsync;
		restless += sp->restless;
		audit_key(&a, sp);
		audit_entries(&a, sp);
		umbra_chain_for_each(&sp->parents, audit_parent, &a);
	}
	audit_slots(&a);
	audit_code(&a);
	check(&a, 8, pages <= mmu->nr_pages && indirect == mmu->indirect);
	check(&a, 10, unsync == mmu->nr_unsync && restless == mmu->nr_restless);
	write_unlock(&mmu->lock);
	return a.broken;
}
