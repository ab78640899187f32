// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: roots
 *
 * A guest goes back and forth between a few address spaces, so a context
 * holds on to the roots that it used last, and translates by one of them, the
 * active one.  A held root is never freed, but it may be zapped; its invalid
 * flag tells, and mmu->root_seq that there is something to be told.  Both are read
 * without the lock before each entry: whoever zaps the active root asks all vCPUs to
 * load again (ops->reload_roots) after that, and a vCPU looks for the request after
 * it has its root and before it enters the guest.
 *
 * In long mode a root is one shadow page of level 4; below a 5-level root it is two
 * of them, one for each half of the address space, made from the same guest
 * table.  An address that is not canonical for the guest then finds nothing.
 * Everywhere else a root is four shadow pages of level 2, one for each GiB.  What
 * is above the shadow pages belongs to the context and is rewritten at each change:
 *
 *   config.pae_roots         l3 (PAE pointers, below 4 GiB) -> 4 directories
 *   else, legacy modes   (l5 ->) l4 -> l3 -> 4 directories
 *   long mode             l5 [0] -> low level 4, [511] -> high level 4
 *
 * Guests with 2 levels of 4-byte entries have one directory of 1024 entries
 * for the four: each shadow directory is a quadrant of it.  Guests without
 * paging get four direct directories.
 *
 * With two views a context holds roots of both, and has an active one of each: the
 * engine goes back and forth without asking.  Level-4 pages are then the
 * context's own (role.owner), for the engine's entry in them.  Where the guest comes
 * back to an address space, all of its roots that are held become active at once.
 */
#include "mmu_internal.h"
#include "spte.h"

static unsigned int nr_slots(const struct umbra_mmu_ctx *ctx)
{
	if (ctx->env.mode != UMBRA_MODE_LONG)
		return UMBRA_NR_LEGACY_ROOTS;
	return ctx->mmu->config.levels == 5 ? 2 : 1;
}

/* The frame for root page @i of the paging state; false when the guest has none. */
static bool root_gfn(const struct umbra_mmu_ctx *ctx, unsigned int i, gfn_t *gfn)
{
	switch (ctx->env.mode) {
	case UMBRA_MODE_UNPAGED:
		*gfn = (gfn_t)i << 18;
		return true;
	case UMBRA_MODE_PAE:
		*gfn = gpa_to_gfn(ctx->env.pdptr[i] & PTE_ADDR);
		return ctx->env.pdptr[i] & PTE_P;
	case UMBRA_MODE_32BIT:
	case UMBRA_MODE_LONG:
		break;
	}
	*gfn = gpa_to_gfn(ctx->env.root);
	return true;
}

static bool root_fits(const struct umbra_mmu_ctx *ctx, enum umbra_view view,
		      const struct umbra_root *root)
{
	const struct umbra_sp *sp;
	unsigned int i;
	gfn_t gfn;

	if (!root->valid || root->role.word != ctx->views[view].role.word)
		return false;
	for (i = 0; i < nr_slots(ctx); i++) {
		sp = root->sp[i];
		if (!root_gfn(ctx, i, &gfn)) {
			if (sp)
				return false;
			continue;
		}
		if (!sp || sp->gfn != gfn || READ_ONCE(sp->invalid))
			return false;
	}
	return true;
}

/*
 * The active root fitted when it was loaded, and paging is what it was.  Has any root been
 * zapped since, and was it this one?
 */
static bool root_stands(const struct umbra_mmu_ctx *ctx, struct umbra_view_state *v)
{
	/* Pairs with umbra_zap_prepare(): flags that it has set are seen below. */
	u64 seq = smp_load_acquire(&ctx->mmu->root_seq);
	unsigned int i;

	if (!v->loaded)
		return false;
	if (likely(v->seq == seq))
		return true;
	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++)
		if (v->active->sp[i] && READ_ONCE(v->active->sp[i]->invalid))
			return false;
	v->seq = seq;
	return true;
}

/* The engine's entry, if @sp has it.  MMU lock held for writing. */
static void set_hole(struct umbra_mmu *mmu, struct umbra_sp *sp, u64 entry)
{
	unsigned int hole = mmu->config.hole;

	if (umbra_page_is_hole(mmu, sp, hole))
		WRITE_ONCE(sp->spt[hole], entry);
}

/* Let go of the pages of a root.  MMU lock held for writing. */
static void put_root(struct umbra_mmu *mmu, struct umbra_root *root)
{
	struct umbra_sp *sp;
	unsigned int i;

	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++) {
		sp = root->sp[i];
		root->sp[i] = NULL;
		/* Zapped while held: out of all lists, flushed, and now nobody's. */
		if (sp && !--sp->roots && sp->invalid)
			umbra_page_free(mmu, sp);
	}
	root->valid = false;
}

/* Get the pages of a root.  MMU lock held for writing. */
static int get_root(struct umbra_mmu_ctx *ctx, const struct umbra_view_state *v,
		    struct umbra_root *root)
{
	unsigned int i;
	gfn_t gfn;

	umbra_zap_make_room(ctx->mmu);
	root->role = v->role;
	root->valid = true;
	for (i = 0; i < nr_slots(ctx); i++) {
		if (!root_gfn(ctx, i, &gfn))
			continue;
		root->sp[i] = umbra_page_get(ctx->mmu, &ctx->pools, gfn,
					     umbra_role_root(v->role, i));
		if (!root->sp[i]) {
			put_root(ctx->mmu, root);
			return -ENOMEM;
		}
		root->sp[i]->roots++;
		root->link[i] = umbra_spte_make_link(ctx->mmu, root->sp[i]);
		set_hole(ctx->mmu, root->sp[i], v->hole);
	}
	return 0;
}

/* Nothing in it, or something that was zapped. */
static bool root_is_free(const struct umbra_root *root)
{
	unsigned int i;

	for (i = 0; root->valid && i < UMBRA_NR_LEGACY_ROOTS; i++)
		if (root->sp[i] && root->sp[i]->invalid)
			return true;
	return !root->valid;
}

/* Does the context translate by it in a view other than @view? */
static bool active_elsewhere(const struct umbra_mmu_ctx *ctx, enum umbra_view view,
			     const struct umbra_root *root)
{
	enum umbra_view i;

	for (i = 0; i < UMBRA_NR_VIEWS; i++)
		if (i != view && ctx->views[i].active == root)
			return true;
	return false;
}

/* There are more roots than views, so there always is one. */
static struct umbra_root *oldest(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	struct umbra_root *root, *best = NULL;

	for (root = ctx->root; root < ctx->root + UMBRA_NR_ROOTS; root++) {
		if (active_elsewhere(ctx, view, root))
			continue;
		if (root_is_free(root))
			return root;
		if (!best || root->used < best->used)
			best = root;
	}
	return best;
}

static struct umbra_root *find_root(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	struct umbra_root *root;

	for (root = ctx->root; root < ctx->root + UMBRA_NR_ROOTS; root++)
		if (root_fits(ctx, view, root))
			return root;
	return NULL;
}

/* The context translates by @root from now on.  MMU lock held, maybe for reading. */
static void activate(struct umbra_view_state *v, struct umbra_root *root)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++) {
		if (v->active && v->active->sp[i])
			atomic_dec(&v->active->sp[i]->active);
		if (root && root->sp[i])
			atomic_inc(&root->sp[i]->active);
	}
	v->active = root;
}

/* Replace what @root holds.  MMU lock held for writing. */
static int make_root(struct umbra_mmu_ctx *ctx, struct umbra_view_state *v,
		     struct umbra_root *root)
{
	enum umbra_view i;

	if (root == v->active)
		activate(v, NULL);
	put_root(ctx->mmu, root);
	/* A freed page may come back as another root at the same address. */
	for (i = 0; i < UMBRA_NR_VIEWS; i++)
		ctx->views[i].known = UMBRA_INVALID_HPA;
	ctx->mmu->stats.root_miss++;
	return get_root(ctx, v, root);
}

static u64 link_to(const struct umbra_mmu *mmu, const u64 *table)
{
	return PTE_P | PTE_W | PTE_U | PTE_A | mmu->encryption_mask | umbra_host_table_hpa(table);
}

/* Legacy modes: point the context's own tables at the four directories.  Return: the upmost. */
static u64 *fill_legacy_top(const struct umbra_mmu *mmu, const struct umbra_top *top,
			    const struct umbra_root *root)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++) {
		const struct umbra_sp *sp = root->sp[i];
		u64 entry = 0;

		/* W, U and A are reserved in a PAE pointer (SDM Vol. 3A, 4.4.1). */
		if (sp && mmu->config.pae_roots)
			entry = umbra_host_table_hpa(sp->spt) | PTE_P;
		else if (sp)
			entry = root->link[i];
		WRITE_ONCE(top->l3[i], entry);
	}
	if (mmu->config.pae_roots)
		return top->l3;
	WRITE_ONCE(top->l4[0], link_to(mmu, top->l3));
	if (mmu->config.levels == 4)
		return top->l4;
	WRITE_ONCE(top->l5[0], link_to(mmu, top->l4));
	WRITE_ONCE(top->l5[UMBRA_SPT_ENTRIES - 1], 0);
	return top->l5;
}

/* Return: the upmost table; @own: it is the context's, at the same address whatever is in it. */
static u64 *fill_top(struct umbra_mmu_ctx *ctx, struct umbra_view_state *v, bool *own)
{
	const struct umbra_mmu *mmu = ctx->mmu;
	const struct umbra_root *root = v->active;

	*own = true;
	if (ctx->env.mode != UMBRA_MODE_LONG)
		return fill_legacy_top(mmu, &v->top, root);
	if (mmu->config.levels == 5) {
		WRITE_ONCE(v->top.l5[0], root->link[0]);
		WRITE_ONCE(v->top.l5[UMBRA_SPT_ENTRIES - 1], root->link[1]);
		return v->top.l5;
	}
	*own = false;
	return root->sp[0]->spt;
}

/* The context translates by its active root in this view.  MMU lock held. */
static void show(struct umbra_mmu_ctx *ctx, struct umbra_view_state *v)
{
	u64 *top;
	bool own;

	top = fill_top(ctx, v, &own);
	/* A 32-bit CR3 has no place for the mask, see umbra_host_check(). */
	v->hpa = umbra_host_table_hpa(top) | ctx->mmu->encryption_mask;
	v->fresh |= own || v->hpa != v->known;
	v->known = v->hpa;
	v->seq = ctx->mmu->root_seq;
	v->active->used = ++ctx->clock;
	v->loaded = true;
}

/* Where the roots of an address space are looked for first: by its frame. */
static struct umbra_root **near_root(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	gfn_t gfn = gpa_to_gfn(ctx->env.root);

	return &ctx->near[view][(gfn ^ gfn >> UMBRA_NEAR_BITS) & (BIT(UMBRA_NEAR_BITS) - 1)];
}

static struct umbra_root *known_root(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	struct umbra_root **near = near_root(ctx, view);

	if (!*near || !root_fits(ctx, view, *near))
		*near = find_root(ctx, view);
	return *near;
}

/*
 * All views change to the address space at once, as far as it is known.  The root of a
 * view in which it is not must not look used any more: writes to its table would be
 * emulated for as long as the guest stays in the other view.  MMU lock held, for reading:
 * pages are counted as active, nothing else of them changes.
 */
static void switch_known(struct umbra_mmu_ctx *ctx, struct umbra_root *const *known)
{
	struct umbra_mmu *mmu = ctx->mmu;
	struct umbra_view_state *v;
	enum umbra_view view;

	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		if (!umbra_view_exists(mmu, view))
			continue;
		v = &ctx->views[view];
		if (v->loaded && v->seq == mmu->root_seq)
			continue;
		if (known[view] != v->active)
			activate(v, known[view]);
		v->loaded = false;
		if (!known[view])
			continue;
		umbra_count(&mmu->stats.root_hit);
		show(ctx, v);
	}
}

/* The roots of every view there is.  Return: none is missing.  MMU lock held. */
static bool find_known(struct umbra_mmu_ctx *ctx, struct umbra_root **known)
{
	enum umbra_view view;
	bool all = true;

	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		if (!umbra_view_exists(ctx->mmu, view))
			continue;
		known[view] = known_root(ctx, view);
		all &= known[view] != NULL;
	}
	return all;
}

/*
 * MMU lock held, for writing if tables may be out of step: they are brought into step.  Return:
 * false: that, or a root, would take more.
 */
static bool switch_locked(struct umbra_mmu_ctx *ctx, u64 cr3, bool alone)
{
	struct umbra_root *known[UMBRA_NR_VIEWS];
	struct umbra_mmu *mmu = ctx->mmu;
	u64 old = ctx->paging.cr3;

	umbra_ctx_set_space(ctx, cr3);
	/* A table may have got out of step before the lock was taken. */
	if ((alone || !mmu->nr_unsync) && umbra_sync_all_now(mmu) && find_known(ctx, known)) {
		switch_known(ctx, known);
		return true;
	}
	umbra_ctx_set_space(ctx, old);
	return false;
}

/* Alone with tables out of step, else beside others that only read. */
static bool switch_space(struct umbra_mmu_ctx *ctx, u64 cr3)
{
	struct umbra_mmu *mmu = ctx->mmu;
	bool known;

	if (READ_ONCE(mmu->nr_unsync)) {
		if (!umbra_now_begin(mmu))
			return false;
		known = switch_locked(ctx, cr3, true);
		umbra_now_end(mmu);
	} else {
		if (!read_trylock(&mmu->lock))
			return false;
		known = switch_locked(ctx, cr3, false);
		read_unlock(&mmu->lock);
	}
	return known;
}

/**
 * umbra_mmu_switch_now() - the guest loads CR3 in long mode, where nothing may be waited for
 * @ctx: the vCPU's
 * @cr3: the new value
 *
 * As umbra_mmu_set_cr3(), umbra_mmu_flush(), and umbra_mmu_load_view() of every view.
 *
 * Context: the vCPU's thread, no MMU lock held; interrupts may be off.
 * Return: false: somebody has the lock, tables are out of step, or a root has to be made;
 * nothing was done but that some tables may be in step.
 */
bool umbra_mmu_switch_now(struct umbra_mmu_ctx *ctx, u64 cr3)
{
	enum umbra_view view;

	if (ctx->env.mode != UMBRA_MODE_LONG || !switch_space(ctx, cr3))
		return false;
	umbra_device_forget(ctx);
	for (view = 0; view < UMBRA_NR_VIEWS; view++)
		ctx->views[view].fresh = false;
	return true;
}

/**
 * umbra_mmu_loaded_root() - the root that was loaded last
 * @ctx: the vCPU's
 * @view: in which view
 *
 * Context: the vCPU's thread, behind umbra_mmu_switch_now().
 * Return: host physical address of the root table.
 */
hpa_t umbra_mmu_loaded_root(const struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	return ctx->views[view].hpa;
}

/* Return: 0 or -ENOMEM. */
static int make_missing(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	struct umbra_view_state *v = &ctx->views[view];
	struct umbra_root *root;
	int ret;

	umbra_shrink_to_limit();
	ret = umbra_pools_fill(&ctx->pools);
	if (ret)
		return ret;
	write_lock(&ctx->mmu->lock);
	root = oldest(ctx, view);
	ret = make_root(ctx, v, root);
	if (!ret) {
		activate(v, root);
		*near_root(ctx, view) = root;
		show(ctx, v);
	}
	write_unlock(&ctx->mmu->lock);
	return ret;
}

/*
 * DOC: another address space
 *
 * Find or make the root for the paging state and make it the active one.
 * Not inline: most of the time the root is there.
 */
static noinline int reload(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	struct umbra_root *known[UMBRA_NR_VIEWS];

	if (ctx->env.mode == UMBRA_MODE_LONG && (ctx->paging.cr4 & X86_CR4_LA57))
		return -EINVAL;
	read_lock(&ctx->mmu->lock);
	find_known(ctx, known);
	switch_known(ctx, known);
	read_unlock(&ctx->mmu->lock);
	return ctx->views[view].loaded ? 0 : make_missing(ctx, view);
}

/**
 * umbra_root_load() - have the root for the paging state in one view
 * @ctx: the vCPU's
 * @view: the view, current or not
 *
 * Context: the vCPU's thread, no MMU lock held, may sleep.
 * Return: 0, -ENOMEM, or -EINVAL for paging that is not supported (LA57).
 */
int umbra_root_load(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	return likely(root_stands(ctx, &ctx->views[view])) ? 0 : reload(ctx, view);
}

/**
 * umbra_mmu_load_view() - the root for the current paging state
 * @ctx: the vCPU's
 * @view: in which view
 * @root: host physical address of the root table
 * @fresh: set when the processor must not keep translations of an earlier use
 *	of this root, or with two views of the root loaded before in this view
 *
 * Context: the vCPU's thread, no MMU lock held, may sleep.
 * Return: 0, -ENOMEM, or -EINVAL for paging that is not supported (LA57).
 */
int umbra_mmu_load_view(struct umbra_mmu_ctx *ctx, enum umbra_view view, hpa_t *root, bool *fresh)
{
	struct umbra_view_state *v = &ctx->views[view];

	if (unlikely(!root_stands(ctx, v))) {
		int ret = reload(ctx, view);

		if (ret)
			return ret;
	}
	*root = v->hpa;
	*fresh = v->fresh;
	v->fresh = false;
	return 0;
}

/**
 * umbra_mmu_load() - the root for the current paging state and view
 * @ctx: the vCPU's
 * @root: as umbra_mmu_load_view()
 * @fresh: likewise
 *
 * Context: the vCPU's thread, no MMU lock held, may sleep.
 * Return: as umbra_mmu_load_view().
 */
int umbra_mmu_load(struct umbra_mmu_ctx *ctx, hpa_t *root, bool *fresh)
{
	return umbra_mmu_load_view(ctx, ctx->view, root, fresh);
}

/**
 * umbra_root_find() - the shadow page above all that an address leads to
 * @ctx: the vCPU's
 * @view: the view
 * @gva: linear address
 *
 * Unlike umbra_root_for() it need not be held: a root that was let go of is found
 * in the hash when the address space comes back.
 *
 * Context: MMU lock held.
 * Return: a valid shadow page, or NULL: there is none.
 */
struct umbra_sp *umbra_root_find(struct umbra_mmu_ctx *ctx, enum umbra_view view, gva_t gva)
{
	unsigned int i = umbra_root_slot(ctx, gva);
	gfn_t gfn;

	if (!root_gfn(ctx, i, &gfn))
		return NULL;
	return umbra_page_find(ctx->mmu, gfn, umbra_role_root(ctx->views[view].role, i));
}

/**
 * umbra_mmu_ctx_set_hole() - the engine's own entry in the level-4 tables
 * @ctx: the vCPU's
 * @kernel_entry: entry of its kernel views
 * @user_entry: entry of its user views
 *
 * Context: the vCPU's thread, no MMU lock held.
 */
void umbra_mmu_ctx_set_hole(struct umbra_mmu_ctx *ctx, u64 kernel_entry, u64 user_entry)
{
	struct umbra_root *root;
	unsigned int i;

	write_lock(&ctx->mmu->lock);
	ctx->views[UMBRA_VIEW_KERNEL].hole = kernel_entry;
	ctx->views[UMBRA_VIEW_USER].hole = user_entry;
	for (root = ctx->root; root < ctx->root + UMBRA_NR_ROOTS; root++)
		for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++)
			if (root->sp[i])
				set_hole(ctx->mmu, root->sp[i], ctx->views[root->role.view].hole);
	write_unlock(&ctx->mmu->lock);
}

/**
 * umbra_root_put_all() - let go of all roots of a context
 * @ctx: the vCPU's; it does not run any more
 *
 * Context: no MMU lock held.
 */
void umbra_root_put_all(struct umbra_mmu_ctx *ctx)
{
	unsigned int i;

	write_lock(&ctx->mmu->lock);
	for (i = 0; i < UMBRA_NR_VIEWS; i++) {
		activate(&ctx->views[i], NULL);
		ctx->views[i].loaded = false;
	}
	for (i = 0; i < UMBRA_NR_ROOTS; i++)
		put_root(ctx->mmu, &ctx->root[i]);
	write_unlock(&ctx->mmu->lock);
}
