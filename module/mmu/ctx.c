// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation state of a vCPU
 *
 * What the guest set in its control registers, prepared for walks and for
 * roles, and the questions that the owner asks about it: where does this
 * address lead, what happens when the guest flushes.
 */
#include "mmu_internal.h"
#include "x86_bits.h"

static void free_table(u64 *table)
{
	if (table)
		umbra_host_free_table(table);
}

/* Tables above the shadow pages.  Return: 0 or -ENOMEM. */
static int make_top(const struct umbra_mmu *mmu, struct umbra_top *top)
{
	bool low = mmu->config.pae_roots, five = mmu->config.levels == 5;

	top->l3 = umbra_host_alloc_table(low);
	if (!low)
		top->l4 = umbra_host_alloc_table(false);
	if (five)
		top->l5 = umbra_host_alloc_table(false);
	return top->l3 && (low || top->l4) && (!five || top->l5) ? 0 : -ENOMEM;
}

static bool id_in_use(const struct umbra_mmu *mmu, unsigned int id)
{
	const struct umbra_mmu_ctx *ctx;

	list_for_each_entry(ctx, &mmu->ctxs, link)
		if (ctx->id == id)
			return true;
	return false;
}

/* Return: 0, or -ENOMEM when all identifiers are in use. */
static int enlist(struct umbra_mmu_ctx *ctx)
{
	struct umbra_mmu *mmu = ctx->mmu;
	unsigned int id;

	write_lock(&mmu->lock);
	for (id = 1; id <= UMBRA_MAX_OWNER && id_in_use(mmu, id); id++)
		;
	if (id <= UMBRA_MAX_OWNER) {
		ctx->id = id;
		list_add(&ctx->link, &mmu->ctxs);
	}
	write_unlock(&mmu->lock);
	return ctx->id ? 0 : -ENOMEM;
}

static void set_roles(struct umbra_mmu_ctx *ctx)
{
	enum umbra_view view;

	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		struct umbra_view_state *v = &ctx->views[view];

		v->role = umbra_role_base(&ctx->paging, view);
		v->role.owner = ctx->mmu->config.two_views ? ctx->id : 0;
		v->loaded = false;
	}
	umbra_walk_prepare(&ctx->env, &ctx->paging);
}

/**
 * umbra_mmu_ctx_create() - translation state of a new vCPU
 * @mmu: the VM's
 *
 * Starts as after reset: paging off.
 *
 * Context: process context, may sleep.
 * Return: the state or NULL when memory is short.
 */
struct umbra_mmu_ctx *umbra_mmu_ctx_create(struct umbra_mmu *mmu)
{
	struct umbra_mmu_ctx *ctx = umbra_host_alloc(sizeof(*ctx));
	enum umbra_view view;
	int ret;

	if (!ctx)
		return NULL;
	ctx->mmu = mmu;
	ctx->pools.mmu = mmu;
	ctx->view = mmu->config.two_views ? UMBRA_VIEW_KERNEL : UMBRA_VIEW_NATIVE;
	ctx->paging.maxphyaddr = 36;
	ret = enlist(ctx);
	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		ctx->views[view].known = UMBRA_INVALID_HPA;
		if (!ret && umbra_view_exists(mmu, view))
			ret = make_top(mmu, &ctx->views[view].top);
	}
	if (ret) {
		umbra_mmu_ctx_destroy(ctx);
		return NULL;
	}
	umbra_device_forget(ctx);
	set_roles(ctx);
	return ctx;
}

/**
 * umbra_mmu_ctx_destroy() - the end of a vCPU
 * @ctx: its state, or NULL
 *
 * Context: process context; the vCPU does not run, its MMU still exists.
 */
void umbra_mmu_ctx_destroy(struct umbra_mmu_ctx *ctx)
{
	enum umbra_view view;

	if (!ctx)
		return;
	umbra_root_put_all(ctx);
	if (ctx->id) {
		write_lock(&ctx->mmu->lock);
		list_del_init(&ctx->link);
		write_unlock(&ctx->mmu->lock);
	}
	umbra_pools_drain(&ctx->pools);
	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		free_table(ctx->views[view].top.l3);
		free_table(ctx->views[view].top.l4);
		free_table(ctx->views[view].top.l5);
	}
	umbra_host_free(ctx);
}

/* Is it but another address space in long mode?  Roles and walks are the same then. */
static bool only_cr3(const struct umbra_mmu_ctx *ctx, const struct umbra_paging *paging)
{
	const struct umbra_paging *old = &ctx->paging;

	return ctx->env.mode == UMBRA_MODE_LONG && old->cr0 == paging->cr0 &&
	       old->cr4 == paging->cr4 && old->efer == paging->efer &&
	       old->maxphyaddr == paging->maxphyaddr && old->features == paging->features;
}

/**
 * umbra_ctx_set_space() - another address space in long mode
 * @ctx: the vCPU's
 * @cr3: the new value
 *
 * Context: the vCPU's thread; roots have to be loaded.
 */
void umbra_ctx_set_space(struct umbra_mmu_ctx *ctx, u64 cr3)
{
	enum umbra_view view;

	ctx->paging.cr3 = cr3;
	ctx->env.root = umbra_walk_root(&ctx->paging);
	for (view = 0; view < UMBRA_NR_VIEWS; view++)
		ctx->views[view].loaded = false;
}

/**
 * umbra_mmu_set_cr3() - the guest loaded CR3 in long mode, or was made to have
 * @ctx: the vCPU's
 * @cr3: the new value
 *
 * Context: the vCPU's thread; nothing else of the paging state has changed.
 */
void umbra_mmu_set_cr3(struct umbra_mmu_ctx *ctx, u64 cr3)
{
	umbra_device_forget(ctx);
	umbra_ctx_set_space(ctx, cr3);
}

/**
 * umbra_mmu_set_paging() - the guest changed CR0, CR4, EFER or CR3
 * @ctx: the vCPU's
 * @paging: the new state (copied)
 *
 * Context: the vCPU's thread.
 */
void umbra_mmu_set_paging(struct umbra_mmu_ctx *ctx, const struct umbra_paging *paging)
{
	if (only_cr3(ctx, paging)) {
		umbra_mmu_set_cr3(ctx, paging->cr3);
		return;
	}
	umbra_device_forget(ctx);
	ctx->paging = *paging;
	set_roles(ctx);
}

/**
 * umbra_mmu_set_view() - kernel or user view
 * @ctx: the vCPU's
 * @view: the current view from now on
 *
 * Context: the vCPU's thread.
 */
void umbra_mmu_set_view(struct umbra_mmu_ctx *ctx, enum umbra_view view)
{
	if (!WARN_ON_ONCE(!umbra_view_exists(ctx->mmu, view)))
		ctx->view = view;
}

/**
 * umbra_mmu_load_pdptrs() - read the four PAE pointers at @cr3
 * @ctx: the vCPU's
 * @cr3: new CR3
 * @maxphyaddr: guest physical address width
 * @pdptr: result
 *
 * Context: the vCPU's thread, SRCU read side of the slots held, may sleep.
 * Return: 0; -EINVAL when a reserved bit is set (#GP); -EFAULT.
 */
int umbra_mmu_load_pdptrs(struct umbra_mmu_ctx *ctx, u64 cr3, u8 maxphyaddr, u64 pdptr[4])
{
	gpa_t gpa = cr3 & GENMASK_ULL(31, 5);
	u64 reserved = umbra_walk_pdptr_reserved(maxphyaddr);
	u64 copy[4];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		if (umbra_host_read_pte(ctx->mmu, gpa + 8 * i, 8, false, &copy[i]))
			return -EFAULT;
		if ((copy[i] & PTE_P) && (copy[i] & reserved))
			return -EINVAL;
	}
	memcpy(pdptr, copy, sizeof(copy));
	return 0;
}

/**
 * umbra_mmu_flush() - the guest flushed its TLB (CR3 load, CR4, INVPCID)
 * @ctx: the vCPU's
 * @global: also global translations
 *
 * Brings the shadow tables that are out of step back into step.  The caller
 * flushes the processor's TLB.
 *
 * Context: the vCPU's thread, no MMU lock held.
 */
void umbra_mmu_flush(struct umbra_mmu_ctx *ctx, bool global)
{
	umbra_device_forget(ctx);
	umbra_sync_all(ctx->mmu);
}

static void note_invlpg(struct umbra_mmu_ctx *ctx)
{
	umbra_count(&ctx->mmu->stats.invlpg);
	/* All, for it may be part of a large page. */
	umbra_device_forget(ctx);
}

/**
 * umbra_mmu_invlpg_now() - umbra_mmu_invlpg() where nothing may be waited for
 * @ctx: the vCPU's
 * @gva: linear address
 *
 * Context: the vCPU's thread, SRCU read side of the slots held, no MMU lock held;
 * interrupts may be off.
 * Return: false: it would have to wait, and did nothing.
 */
bool umbra_mmu_invlpg_now(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	if (!umbra_sync_gva_now(ctx, gva))
		return false;
	note_invlpg(ctx);
	return true;
}

/**
 * umbra_mmu_invlpg() - the guest executed INVLPG
 * @ctx: the vCPU's
 * @gva: linear address
 *
 * As umbra_mmu_flush(), for one entry.
 *
 * Context: the vCPU's thread, no MMU lock held.
 */
void umbra_mmu_invlpg(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	if (umbra_mmu_invlpg_now(ctx, gva))
		return;
	umbra_sync_gva(ctx, gva);
	note_invlpg(ctx);
}

/**
 * umbra_mmu_translate() - guest page walk on behalf of the emulator
 * @ctx: the vCPU's
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: result
 * @fault: filled on -EFAULT: the #PF the guest gets
 *
 * Context: the vCPU's thread, SRCU read side of the slots held, may sleep.
 * Return: 0; -EFAULT: guest fault; -EIO: the caller's memory is gone;
 * -EAGAIN: the guest's tables change all the time.
 */
int umbra_mmu_translate(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t *gpa,
			struct umbra_fault *fault)
{
	struct umbra_walk walk;
	int ret;

	if (umbra_code_translate(ctx, gva, acc, gpa))
		return 0;
	ret = umbra_walk(ctx->mmu, &ctx->env, gva, acc & ~UMBRA_ACC_PEEK, &walk);
	if (ret == UMBRA_WALK_FAULT) {
		umbra_fault_describe(fault, gva, walk.error_code);
		return -EFAULT;
	}
	if (ret)
		return ret == -EFAULT ? -EIO : ret;
	*gpa = gfn_to_gpa(walk.gfn) | (gva & ~UMBRA_PAGE_MASK);
	return 0;
}

/**
 * umbra_mmu_peek() - like umbra_mmu_translate() without any effect (KVM_TRANSLATE)
 * @ctx: the vCPU's
 * @gva: linear address
 * @writable: result: writable
 * @user: result: user accessible
 *
 * Context: vCPU mutex and SRCU read side of the slots held, may sleep.
 * Return: gpa or UMBRA_INVALID_GPA.
 */
gpa_t umbra_mmu_peek(struct umbra_mmu_ctx *ctx, gva_t gva, bool *writable, bool *user)
{
	struct umbra_walk walk;

	if (umbra_walk(ctx->mmu, &ctx->env, gva, UMBRA_ACC_PEEK, &walk))
		return UMBRA_INVALID_GPA;
	*writable = walk.access & UMBRA_AX_W;
	*user = walk.access & UMBRA_AX_U;
	return gfn_to_gpa(walk.gfn) | (gva & ~UMBRA_PAGE_MASK);
}
