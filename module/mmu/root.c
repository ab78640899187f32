// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: roots
 *
 * A guest goes back and forth between a few address spaces, so a context
 * holds on to the roots that it used last, and translates by one of them, the
 * active one.  A held root is never freed, but it may be zapped; its invalid
 * flag tells.  The flag of the active root is read without the lock before
 * each entry: whoever zaps it asks all vCPUs to load again (ops->reload_roots)
 * after setting it, and a vCPU looks for that request after it has its root and
 * before it enters the guest.
 *
 * In long mode a root is one shadow page of level 4.  Everywhere else it is
 * four shadow pages of level 2, one for each GiB, below a table of pointers
 * that belongs to the context and is rewritten at each change:
 *
 *   config.pae_roots       top (PAE pointers, below 4 GiB) -> 4 directories
 *   otherwise       top2 (level 4) -> top (level 3 entries) -> 4 directories
 *
 * Guests with 2 levels of 4-byte entries have one directory of 1024 entries
 * for the four: each shadow directory is a quadrant of it.  Guests without
 * paging get four direct directories.
 */
#include "mmu_internal.h"
#include "spte.h"

static unsigned int nr_slots(const struct umbra_mmu_ctx *ctx)
{
	return ctx->env.mode == UMBRA_MODE_LONG ? 1 : UMBRA_NR_LEGACY_ROOTS;
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

static bool root_fits(const struct umbra_mmu_ctx *ctx, const struct umbra_root *root)
{
	const struct umbra_sp *sp;
	unsigned int i;
	gfn_t gfn;

	if (!root->valid || root->role.word != ctx->role.word)
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

/* Let go of the pages of a root.  MMU lock held. */
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

/* Get the pages of a root.  MMU lock held. */
static int get_root(struct umbra_mmu_ctx *ctx, struct umbra_root *root)
{
	unsigned int i;
	gfn_t gfn;

	umbra_zap_make_room(ctx->mmu);
	root->role = ctx->role;
	root->valid = true;
	for (i = 0; i < nr_slots(ctx); i++) {
		if (!root_gfn(ctx, i, &gfn))
			continue;
		root->sp[i] = umbra_page_get(ctx->mmu, &ctx->pools, gfn,
					     umbra_role_root(ctx->role, i));
		if (!root->sp[i]) {
			put_root(ctx->mmu, root);
			return -ENOMEM;
		}
		root->sp[i]->roots++;
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

static struct umbra_root *oldest(struct umbra_mmu_ctx *ctx)
{
	struct umbra_root *root, *best = &ctx->root[0];

	for (root = ctx->root; root < ctx->root + UMBRA_NR_ROOTS; root++) {
		if (root_is_free(root))
			return root;
		if (root->used < best->used)
			best = root;
	}
	return best;
}

static struct umbra_root *find_root(struct umbra_mmu_ctx *ctx)
{
	struct umbra_root *root;

	for (root = ctx->root; root < ctx->root + UMBRA_NR_ROOTS; root++)
		if (root_fits(ctx, root))
			return root;
	return NULL;
}

/* The context translates by @root from now on.  MMU lock held. */
static void activate(struct umbra_mmu_ctx *ctx, struct umbra_root *root)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++) {
		if (ctx->active && ctx->active->sp[i])
			ctx->active->sp[i]->active--;
		if (root && root->sp[i])
			root->sp[i]->active++;
	}
	ctx->active = root;
}

/* Replace what @root holds.  MMU lock held. */
static int make_root(struct umbra_mmu_ctx *ctx, struct umbra_root *root)
{
	if (root == ctx->active)
		activate(ctx, NULL);
	put_root(ctx->mmu, root);
	/* A freed page may come back as another root at the same address. */
	ctx->last_hpa = UMBRA_INVALID_HPA;
	ctx->mmu->stats.root_miss++;
	return get_root(ctx, root);
}

/* Point the context's own tables at the four directories.  Return: the root's address. */
static hpa_t fill_top(struct umbra_mmu_ctx *ctx, const struct umbra_root *root)
{
	const struct umbra_mmu *mmu = ctx->mmu;
	unsigned int i;

	for (i = 0; i < UMBRA_NR_LEGACY_ROOTS; i++) {
		const struct umbra_sp *sp = root->sp[i];
		u64 entry = 0;

		/* W, U and A are reserved in a PAE pointer (SDM Vol. 3A, 4.4.1). */
		if (sp && mmu->config.pae_roots)
			entry = umbra_host_table_hpa(sp->spt) | PTE_P;
		else if (sp)
			entry = umbra_spte_make_link(mmu, sp);
		WRITE_ONCE(ctx->top[i], entry);
	}
	if (mmu->config.pae_roots)
		return umbra_host_table_hpa(ctx->top);
	WRITE_ONCE(ctx->top2[0], PTE_P | PTE_W | PTE_U | PTE_A | mmu->encryption_mask |
		   umbra_host_table_hpa(ctx->top));
	return umbra_host_table_hpa(ctx->top2);
}

/*
 * Find or make the root for the paging state and make it the active one.
 * Return: 0 or -ENOMEM.
 */
static int switch_root(struct umbra_mmu_ctx *ctx)
{
	struct umbra_mmu *mmu = ctx->mmu;
	struct umbra_root *root;
	int ret = umbra_pools_fill(&ctx->pools);

	if (ret)
		return ret;
	spin_lock(&mmu->lock);
	root = find_root(ctx);
	if (root) {
		mmu->stats.root_hit++;
	} else {
		root = oldest(ctx);
		ret = make_root(ctx, root);
	}
	if (!ret)
		activate(ctx, root);
	spin_unlock(&mmu->lock);
	return ret;
}

/**
 * umbra_mmu_load() - the root for the current paging state
 * @ctx: the vCPU's
 * @root: host physical address of the root table
 * @fresh: set when the processor must not keep translations of an earlier use
 *	of this root
 *
 * Context: the vCPU's thread, no MMU lock held, may sleep.
 * Return: 0, -ENOMEM, or -EINVAL for paging that is not supported (LA57).
 */
int umbra_mmu_load(struct umbra_mmu_ctx *ctx, hpa_t *root, bool *fresh)
{
	hpa_t hpa;
	int ret;

	if (ctx->env.mode == UMBRA_MODE_LONG && (ctx->paging.cr4 & X86_CR4_LA57))
		return -EINVAL;
	if (ctx->loaded && root_fits(ctx, ctx->active)) {
		*root = ctx->last_hpa;
		*fresh = false;
		return 0;
	}
	ctx->loaded = false;
	ret = switch_root(ctx);
	if (ret)
		return ret;
	ctx->active->used = ++ctx->clock;
	ctx->loaded = true;
	if (ctx->env.mode == UMBRA_MODE_LONG) {
		hpa = umbra_host_table_hpa(ctx->active->sp[0]->spt) | ctx->mmu->encryption_mask;
	} else {
		hpa = fill_top(ctx, ctx->active);
		/* The same address, but maybe other pointers in it. */
		ctx->last_hpa = UMBRA_INVALID_HPA;
	}
	*root = hpa;
	*fresh = hpa != ctx->last_hpa;
	ctx->last_hpa = hpa;
	return 0;
}

/**
 * umbra_root_for() - the shadow page where a fill starts
 * @ctx: the vCPU's
 * @gva: linear address
 *
 * Context: MMU lock held.
 * Return: a valid shadow page, or NULL: umbra_mmu_load() has to come first.
 */
struct umbra_sp *umbra_root_for(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	unsigned int i = ctx->env.mode == UMBRA_MODE_LONG ? 0 : (gva >> 30) & 3;
	struct umbra_sp *sp;

	if (!ctx->loaded)
		return NULL;
	sp = ctx->active->sp[i];
	return sp && !sp->invalid ? sp : NULL;
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

	spin_lock(&ctx->mmu->lock);
	activate(ctx, NULL);
	for (i = 0; i < UMBRA_NR_ROOTS; i++)
		put_root(ctx->mmu, &ctx->root[i]);
	spin_unlock(&ctx->mmu->lock);
	ctx->loaded = false;
}
