// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one page fault
 *
 * The guest touched an address that its shadow tables do not map, or not for
 * this access.  Whose fault is it?  The steps, each with its own function:
 *
 *   1. judge_walk     walk the guest's tables: a fault there is the guest's
 *   2. find_memory    no slot: MMIO; a write to a read-only slot: emulate
 *   3. shadow_access  what of the guest's permissions the shadow may show
 *   4. host page      the caller's frame; the host may have to swap it in
 *   5. fill           under the MMU lock: walk the shadow tables, make what is
 *                     missing, set the entry; or find that the frame is
 *                     itself a shadowed table, whose writes are emulated
 *
 * Most faults find their leaf table in place and need much less: quick.c is
 * asked first.  Pages of devices are remembered (device.c).
 *
 * Steps 1 to 4 hold no lock, so 5 asks again what may have changed: the host's
 * mapping by invalidate_seq, the guest's entries by reading them once more after
 * their tables are write-protected.  When in doubt the verdict is RETRY: the
 * guest runs, faults again, and the walk sees the new state.
 */
#include <linux/kvm.h>

#include "mmu_internal.h"
#include "mmu_trace.h"
#include "spte.h"

/**
 * struct fill - a fault on its way through the steps
 * @gva: linear address
 * @view: whose shadow is filled
 * @acc: UMBRA_ACC_*
 * @write: a write
 * @code: umbra_mmu_code_map(): leave marks on the way
 * @mapped: result: the entry is in place
 * @walk: the guest's tables' word on it
 * @access: UMBRA_AX_* for the shadow entry
 * @guest_access: what the guest's tables give, as the view shows it: the access of a direct table,
 *	which may hold entries of several slots, and both sorts of entries that
 *	CR0.WP = 0 makes
 * @slot: memory behind it
 * @page: the caller's frame
 * @seq: umbra_invalidate_read() before @page was looked up
 */
struct fill {
	gva_t gva;
	enum umbra_view view;
	unsigned int acc;
	bool write;
	bool code;
	bool mapped;
	struct umbra_walk walk;
	unsigned int access;
	unsigned int guest_access;
	struct umbra_memslot *slot;
	struct umbra_host_page page;
	unsigned long seq;
};

/**
 * umbra_fault_describe() - the #PF that a walk found
 * @fault: filled
 * @gva: CR2
 * @error_code: error code
 *
 * Context: any.
 */
void umbra_fault_describe(struct umbra_fault *fault, gva_t gva, u32 error_code)
{
	memset(fault, 0, sizeof(*fault));
	fault->vector = PF_VECTOR;
	fault->has_error = true;
	fault->error_code = error_code;
	fault->addr = gva;
}

static enum umbra_verdict host_error(struct umbra_fault_info *info, int error)
{
	if (error == -EAGAIN)
		return UMBRA_VERDICT_RETRY;
	info->error = error;
	return UMBRA_VERDICT_ERROR;
}

/* Step 1.  Return: RETRY: go on. */
static enum umbra_verdict judge_walk(struct umbra_mmu_ctx *ctx, struct fill *f,
				     struct umbra_fault_info *info, bool *done)
{
	int ret = umbra_walk(ctx->mmu, &ctx->env, f->gva, f->acc, &f->walk);

	*done = ret != 0;
	if (!ret)
		return UMBRA_VERDICT_RETRY;
	if (ret != UMBRA_WALK_FAULT)
		return host_error(info, ret);
	umbra_fault_describe(&info->fault, f->gva, f->walk.error_code);
	return UMBRA_VERDICT_GUEST;
}

/* Step 2.  Return: RETRY: go on. */
static enum umbra_verdict find_memory(struct umbra_mmu_ctx *ctx, struct fill *f)
{
	f->slot = umbra_memslots_find(ctx->mmu->ops->slots(ctx->mmu->vm), f->walk.gfn);
	if (!f->slot)
		return UMBRA_VERDICT_MMIO;
	if (f->write && (f->slot->flags & KVM_MEM_READONLY))
		return UMBRA_VERDICT_WRITE;
	return UMBRA_VERDICT_RETRY;
}

/* What the guest's tables give at some level, as the view shows it. */
static unsigned int seen_access(const struct umbra_mmu_ctx *ctx, const struct fill *f,
				unsigned int access)
{
	return umbra_role_view_access(ctx->views[f->view].role, access);
}

/* What the guest gives: a page that is not dirty yet is read-only, so that its first write sets D. */
static unsigned int guest_access(const struct umbra_mmu_ctx *ctx, const struct fill *f)
{
	unsigned int access = seen_access(ctx, f, f->walk.access);

	return f->walk.dirty ? access : access & ~UMBRA_AX_W;
}

/*
 * DOC: what the shadow may show
 *
 * Step 3.  Read-only slots and the dirty log want to hear of writes.
 *
 * The processor runs with CR0.WP = 1 whatever the guest has.  When a guest
 * with CR0.WP = 0 writes to a read-only page as supervisor, the page becomes a
 * writable supervisor page for the shadow: the write passes, and a user access
 * faults, whereupon it becomes the user's read-only page again.  SMEP must not
 * be fooled by that.  In the kernel view such a page is writable anyway.
 */
static unsigned int shadow_access(const struct umbra_mmu_ctx *ctx, const struct fill *f)
{
	unsigned int access = f->guest_access;

	if (f->write && !(access & UMBRA_AX_W)) {
		access |= UMBRA_AX_W;
		if ((access & UMBRA_AX_U) && ctx->env.smep)
			access &= ~UMBRA_AX_X;
		access &= ~UMBRA_AX_U;
	}
	if (!f->write && (f->slot->flags & (KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES)))
		access &= ~UMBRA_AX_W;
	return access;
}

/* Do the guest's entries still say what the walk saw?  MMU lock held. */
static bool guest_entry_unchanged(struct umbra_mmu *mmu, const struct fill *f,
				  const struct umbra_sp *sp)
{
	unsigned int level = sp->role.level;
	u64 pte;

	if (sp->role.direct)
		return true;
	if (umbra_host_read_pte(mmu, f->walk.pte_gpa[level],
				umbra_mode_pte_size(sp->role.mode), true, &pte))
		return false;
	return pte == f->walk.pte[level];
}

/* The key of the table below @sp on the way to the page. */
static gfn_t child_key(const struct fill *f, const struct umbra_sp *sp, union umbra_role *role)
{
	unsigned int access;
	unsigned int level = sp->role.level - 1;
	bool direct = sp->role.direct || level < f->walk.level;

	if (direct) {
		*role = umbra_role_child(sp->role, f->gva, f->guest_access, true);
		return f->walk.gfn & ~(umbra_level_pages(level + 1) - 1);
	}
	access = umbra_role_view_access(sp->role, f->walk.table_access[level]);
	*role = umbra_role_child(sp->role, f->gva, access, false);
	return f->walk.table[level];
}

/* Make entry @index of @sp link the table it should.  Return: the table, or NULL. */
static struct umbra_sp *descend(struct umbra_mmu_ctx *ctx, struct fill *f, struct umbra_sp *sp,
				unsigned int index)
{
	struct umbra_mmu *mmu = ctx->mmu;
	u64 spte = READ_ONCE(sp->spt[index]);
	struct umbra_sp *child = NULL;
	union umbra_role role;
	gfn_t gfn = child_key(f, sp, &role);

	if (umbra_spte_link(spte))
		child = umbra_spte_child(mmu, spte);
	if (child && child->gfn == gfn && child->role.word == role.word)
		return child;

	child = umbra_page_get(mmu, &ctx->pools, gfn, role);
	if (!child || !guest_entry_unchanged(mmu, f, sp))
		return NULL;
	if (umbra_spte_present(spte)) {
		umbra_page_drop_entry(mmu, sp, index);
		umbra_flush_remote(mmu);
	}
	return umbra_page_link(mmu, &ctx->pools, sp, index, child) ? child : NULL;
}

/* May the shadow map the 2 MiB around the page by one entry, as far as the fault itself says? */
static bool may_be_large(const struct umbra_mmu_ctx *ctx, const struct fill *f)
{
	const struct umbra_memslot *slot = f->slot;
	gfn_t first = f->walk.gfn & ~(gfn_t)(UMBRA_LARGE_PAGES - 1);
	union umbra_role role = ctx->views[f->view].role;

	/* Guest pages of 4 MiB, and writes that bend CR0.WP = 0, go the long way. */
	if (role.mode == UMBRA_MODE_32BIT || (f->walk.top && f->walk.level == 1))
		return false;
	if (f->walk.top && !role.wp && role.view != UMBRA_VIEW_KERNEL)
		return false;
	if (slot->flags & (KVM_MEM_READONLY | KVM_MEM_LOG_DIRTY_PAGES))
		return false;
	if (((slot->hva >> UMBRA_PAGE_SHIFT) ^ slot->base_gfn) & (UMBRA_LARGE_PAGES - 1))
		return false;
	return first >= slot->base_gfn &&
	       first + UMBRA_LARGE_PAGES <= slot->base_gfn + slot->npages;
}

/* Does the entry map the 2 MiB that it should? */
static bool is_large_already(const struct umbra_mmu *mmu, const struct fill *f,
			     const struct umbra_sp *sp, unsigned int index)
{
	u64 spte = READ_ONCE(sp->spt[index]);

	return umbra_spte_leaf(spte) &&
	       umbra_spte_hpa(mmu, spte) == umbra_level_hpa(f->page.hpa, 2) &&
	       umbra_sp_entry_gfn(sp, index) == umbra_level_gfn(f->walk.gfn, 2);
}

/*
 * Is the entry of @sp, of level 2, to map memory?  Where writes to some of it must be
 * noticed it is not made so; if it is so, it stays until the first write.
 */
static bool want_large(const struct umbra_mmu_ctx *ctx, struct fill *f, const struct umbra_sp *sp)
{
	struct umbra_mmu *mmu = ctx->mmu;
	hva_t hva = umbra_memslot_hva(f->slot, f->walk.gfn) & ~(UMBRA_LARGE_SIZE - 1);

	if (!may_be_large(ctx, f) ||
	    umbra_invalidate_touches(mmu, hva, hva + UMBRA_LARGE_SIZE) ||
	    !umbra_host_is_large(mmu, f->slot, f->walk.gfn, &f->page))
		return false;
	if (!umbra_page_range_protected(mmu, f->walk.gfn))
		return true;
	f->access &= ~UMBRA_AX_W;
	return !f->write && is_large_already(mmu, f, sp, umbra_spte_index(f->gva, 2));
}

/* Return: the table whose entry maps the page, of level 1 or 2. */
static struct umbra_sp *descend_to_leaf(struct umbra_mmu_ctx *ctx, struct fill *f)
{
	struct umbra_sp *sp = umbra_root_for(ctx, f->view, f->gva);
	unsigned int access = f->access;
	u64 *link;

	while (sp) {
		umbra_page_passed(sp);
		if (f->code)
			umbra_code_mark(ctx->mmu, sp);
		if (sp->role.level == 1 || (sp->role.level == 2 && want_large(ctx, f, sp)))
			break;
		f->access = access;
		link = &sp->spt[umbra_spte_index(f->gva, sp->role.level)];
		sp = descend(ctx, f, sp, umbra_spte_index(f->gva, sp->role.level));
		if (f->code && sp)
			umbra_code_mark_link(link);
	}
	return sp;
}

static bool set_leaf(struct umbra_mmu_ctx *ctx, const struct fill *f, struct umbra_sp *sp)
{
	unsigned int level = sp->role.level;
	struct umbra_leaf leaf = {
		.sp = sp,
		.index = umbra_spte_index(f->gva, level),
		.access = f->access,
		.gpte = f->walk.pte[level],
		.gfn = f->walk.gfn,
		.slot = f->slot,
		.hpa = f->page.hpa,
		.host_writable = f->page.writable,
		.code = f->code,
	};

	return umbra_leaf_set(ctx, &leaf);
}

/*
 * DOC: a write that hits a shadowed table
 *
 * A write to a frame that is shadowed as a table: pages of it that nothing
 * uses are most likely history, and go; tables of level 1 may get out of step;
 * else the write is emulated.  To a frame with translated code it always is.
 */
static bool may_write(struct umbra_mmu *mmu, gfn_t gfn)
{
	if (umbra_code_frame(mmu, gfn))
		return false;
	return !umbra_page_protected(mmu, gfn) || umbra_zap_gfn(mmu, gfn, true) ||
	       umbra_sync_release(mmu, gfn);
}

static void fill_neighbours(struct umbra_mmu_ctx *ctx, const struct fill *f, struct umbra_sp *sp)
{
	struct umbra_prefetch p = {
		.sp = sp,
		.index = umbra_spte_index(f->gva, 1),
		.access = f->access,
		.slot = f->slot,
	};

	/* Not while a CR0.WP = 0 write bends the rules for one page. */
	if (!(f->access & ~seen_access(ctx, f, f->walk.access)))
		umbra_prefetch(ctx, &p);
}

/*
 * DOC: filling the shadow
 *
 * Step 5.  MMU lock held.  What the first four steps found may be history by now;
 * whatever cannot be certain ends in RETRY.
 */
static enum umbra_verdict fill_shadow(struct umbra_mmu_ctx *ctx, struct fill *f)
{
	struct umbra_mmu *mmu = ctx->mmu;
	struct umbra_sp *sp;

	if (f->slot->mmu->gone ||
	    umbra_invalidate_retry(mmu, f->seq, umbra_memslot_hva(f->slot, f->walk.gfn)))
		return UMBRA_VERDICT_RETRY;
	umbra_zap_make_room(mmu);
	sp = descend_to_leaf(ctx, f);
	if (!sp)
		return UMBRA_VERDICT_RETRY;
	/* Never of a large page: no write to any of it has to be noticed. */
	if (f->write && !may_write(mmu, f->walk.gfn))
		return UMBRA_VERDICT_WRITE;
	if (!f->write && (f->access & UMBRA_AX_W) && umbra_page_protected(mmu, f->walk.gfn))
		f->access &= ~UMBRA_AX_W;
	if (!guest_entry_unchanged(mmu, f, sp))
		return UMBRA_VERDICT_RETRY;
	f->mapped = set_leaf(ctx, f, sp);
	if (f->mapped && sp->role.level == 1)
		fill_neighbours(ctx, f, sp);
	return UMBRA_VERDICT_RETRY;
}

/* Steps 4 and 5. */
static enum umbra_verdict map_memory(struct umbra_mmu_ctx *ctx, struct fill *f,
				     struct umbra_fault_info *info)
{
	struct umbra_mmu *mmu = ctx->mmu;
	enum umbra_verdict verdict;
	int ret;

	f->guest_access = guest_access(ctx, f);
	f->access = shadow_access(ctx, f);
	umbra_shrink_to_limit();
	ret = umbra_pools_fill(&ctx->pools);
	if (!ret)
		ret = umbra_host_get_page(f->slot, f->walk.gfn, f->write, f->access & UMBRA_AX_W,
					  &f->page);
	if (ret)
		return host_error(info, ret);
	write_lock(&mmu->lock);
	verdict = fill_shadow(ctx, f);
	write_unlock(&mmu->lock);
	umbra_host_put_page(&f->page, verdict == UMBRA_VERDICT_RETRY);
	return verdict;
}

/* Behind the engine's entry of the level-4 table? */
static bool in_hole(const struct umbra_mmu_ctx *ctx, gva_t gva)
{
	const struct umbra_mmu_config *config = &ctx->mmu->config;

	return config->two_views && ctx->env.mode == UMBRA_MODE_LONG &&
	       umbra_spte_index(gva, 4) == config->hole;
}

static enum umbra_verdict not_canonical(struct umbra_fault_info *info)
{
	info->fault.vector = GP_VECTOR;
	info->fault.has_error = true;
	return UMBRA_VERDICT_GUEST;
}

/*
 * DOC: the steps in their order
 *
 * The sequence number is read first: whatever the host takes back from here on
 * is noticed in step 5.
 */
static enum umbra_verdict triage(struct umbra_mmu_ctx *ctx, struct fill *f,
				 struct umbra_fault_info *info)
{
	enum umbra_verdict verdict;
	bool done;

	f->seq = umbra_invalidate_read(ctx->mmu);
	verdict = judge_walk(ctx, f, info, &done);
	if (done)
		return verdict;
	if (in_hole(ctx, f->gva))
		return host_error(info, -EOPNOTSUPP);
	info->gpa = gfn_to_gpa(f->walk.gfn) | (f->gva & ~UMBRA_PAGE_MASK);
	verdict = find_memory(ctx, f);
	if (verdict != UMBRA_VERDICT_RETRY)
		return verdict;
	return map_memory(ctx, f, info);
}

/* Not inline: what it carries along is big, and most faults have no use for it. */
static noinline enum umbra_verdict take_steps(struct umbra_mmu_ctx *ctx, gva_t gva,
					      unsigned int acc, struct umbra_fault_info *info)
{
	struct fill f = {
		.gva = gva,
		.view = ctx->view,
		.acc = acc,
		.write = acc & UMBRA_ACC_WRITE,
	};

	return triage(ctx, &f, info);
}

static enum umbra_verdict look(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc,
			       struct umbra_fault_info *info)
{
	enum umbra_verdict verdict;

	if (!umbra_quick_fault(ctx, gva, acc, info, &verdict))
		verdict = take_steps(ctx, gva, acc, info);
	if (verdict == UMBRA_VERDICT_MMIO)
		umbra_device_note(ctx, gva, acc, info->gpa);
	return verdict;
}

/**
 * umbra_mmu_fault() - triage of a page fault taken while the guest ran
 * @ctx: the vCPU's
 * @gva: CR2
 * @error_code: as the processor pushed it, U corrected to the guest's CPL
 * @ac: RFLAGS.AC is set and CPL < 3
 * @info: details
 *
 * Context: the vCPU's thread; SRCU read side of the slots held by the caller;
 * may sleep.
 * Return: the verdict.
 */
enum umbra_verdict umbra_mmu_fault(struct umbra_mmu_ctx *ctx, gva_t gva, u32 error_code, bool ac,
				   struct umbra_fault_info *info)
{
	unsigned int acc = umbra_fault_acc(error_code, ac);
	enum umbra_verdict verdict;

	memset(info, 0, sizeof(*info));
	info->gpa = UMBRA_INVALID_GPA;
	umbra_count(&ctx->mmu->stats.pf_taken);
	if (umbra_device_find(ctx, gva, acc, &info->gpa))
		verdict = UMBRA_VERDICT_MMIO;
	else if (!umbra_fault_canonical(ctx, gva))
		verdict = not_canonical(info);
	else
		verdict = look(ctx, gva, acc, info);
	umbra_count_verdict(ctx->mmu, verdict);
	return verdict;
}

/* One attempt to map the page of @f and to mark the way.  Return: 0, -EAGAIN or a result. */
static int map_code(struct umbra_mmu_ctx *ctx, struct fill *f, gpa_t *gpa,
		    struct umbra_fault *fault)
{
	struct umbra_fault_info info = { .gpa = UMBRA_INVALID_GPA };
	int ret = umbra_root_load(ctx, f->view);

	if (ret)
		return ret;
	f->mapped = false;
	switch (triage(ctx, f, &info)) {
	case UMBRA_VERDICT_RETRY:
		*gpa = info.gpa;
		return f->mapped ? 0 : -EAGAIN;
	case UMBRA_VERDICT_GUEST:
		*fault = info.fault;
		return -EFAULT;
	case UMBRA_VERDICT_MMIO:
		*gpa = info.gpa;
		return -ENXIO;
	case UMBRA_VERDICT_ERROR:
		return info.error == -EFAULT ? -EIO : info.error;
	case UMBRA_VERDICT_WRITE:
		break;
	}
	return -EIO;
}

/* Others change tables or take memory back meanwhile, but not for ever. */
#define CODE_TRIES	16

/**
 * umbra_mmu_code_map() - where a fetch by the guest's supervisor leads, and watch it
 * @ctx: the vCPU's
 * @gva: linear address
 * @gpa: result
 * @fault: filled on -EFAULT
 *
 * Context: the vCPU's thread; SRCU read side of the slots held; may sleep.
 * Return: 0; -EFAULT: guest fault; -ENXIO: no memory there; -EOPNOTSUPP: in the hole;
 * -EIO: the caller's memory is gone; -EAGAIN: all is changing; -EINVAL: not in long
 * mode; -ENOMEM, -EINTR, -EHWPOISON.
 */
int umbra_mmu_code_map(struct umbra_mmu_ctx *ctx, gva_t gva, gpa_t *gpa,
		       struct umbra_fault *fault)
{
	struct fill f = {
		.gva = gva,
		.view = ctx->mmu->config.two_views ? UMBRA_VIEW_KERNEL : UMBRA_VIEW_NATIVE,
		.acc = UMBRA_ACC_FETCH,
		.code = true,
	};
	unsigned int tries;
	int ret = -EAGAIN;

	if (ctx->env.mode != UMBRA_MODE_LONG)
		return -EINVAL;
	for (tries = 0; ret == -EAGAIN && tries < CODE_TRIES; tries++)
		ret = map_code(ctx, &f, gpa, fault);
	return ret;
}
