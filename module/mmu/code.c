// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest code that was translated
 *
 * A translation is a copy of guest code, so it is wrong as soon as the code
 * changes.  That can happen in two ways, and the translator is told of both.
 *
 * *The bytes change.*  Frames with translated code are counted here, and are
 * protected like the frame of a page table in step: no entry of any view allows
 * writing, a write is emulated, and umbra_mmu_wrote() tells.  Such a frame may
 * be a page table as well; it then never gets out of step.
 *
 * *The address leads elsewhere.*  umbra_mmu_code_map() maps the page in the kernel
 * view and leaves marks: SPTE_CODE in the leaf and in the links, umbra_sp.code in the
 * tables on the way.  Whatever takes the leaf away, or the link to a marked table, passes
 * umbra_page_drop_entry(), which tells.  A marked table of level 1 stays in step
 * for as long as it exists, so the guest's writes to it are not missed.  An entry that
 * comes back has no mark, so a way on which all of them are still there has not
 * changed (umbra_mmu_code_stands()).
 *
 * The uppermost step is different.  Level-4 pages are a vCPU's own and come and go
 * with address spaces, most of which never ran the code in question, so a mark
 * there would say little.  Which level-4 table is current, and what is in it when it
 * becomes current, is the translator's to look at (umbra_mmu_top_entry()); from then on every
 * write to it and its zapping are told.
 *
 * Marks stay when the translator forgets; then it hears of something that does
 * not concern it.
 */
#include "mmu_internal.h"
#include "spte.h"

/* A frame with translated code. */
struct umbra_code_frame {
	struct hlist_node hash;
	gfn_t gfn;
	unsigned long count;
};

static struct hlist_head *code_bucket(struct umbra_mmu *mmu, gfn_t gfn)
{
	return &mmu->code[gfn & (BIT(UMBRA_CODE_BITS) - 1)];
}

static struct umbra_code_frame *find_frame(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_code_frame *frame;

	lockdep_assert_held(&mmu->lock);
	if (!mmu->nr_code)
		return NULL;
	hlist_for_each_entry(frame, code_bucket(mmu, gfn), hash)
		if (frame->gfn == gfn)
			return frame;
	return NULL;
}

/**
 * umbra_code_frame() - does a frame hold translated code?
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: MMU lock held.
 * Return: true while it is under umbra_mmu_code_protect().
 */
bool umbra_code_frame(struct umbra_mmu *mmu, gfn_t gfn)
{
	return find_frame(mmu, gfn);
}

/**
 * umbra_code_wrote() - bytes of a frame have changed
 * @mmu: the VM's
 * @gpa: first byte
 * @len: bytes, within one page
 *
 * Context: MMU lock held.
 * Return: true when there is translated code in the frame.
 */
bool umbra_code_wrote(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len)
{
	if (!find_frame(mmu, gpa_to_gfn(gpa)))
		return false;
	mmu->stats.code_written++;
	if (mmu->ops->code_written)
		mmu->ops->code_written(mmu->vm, gpa, len);
	return true;
}

/**
 * umbra_code_touched() - a walk changed an entry of a guest table
 * @mmu: the VM's
 * @gpa: the entry
 * @len: its bytes
 *
 * Context: no MMU lock held.
 */
void umbra_code_touched(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len)
{
	/* Pairs with umbra_mmu_code_protect(). */
	smp_mb();
	if (!READ_ONCE(mmu->nr_code))
		return;
	write_lock(&mmu->lock);
	umbra_code_wrote(mmu, gpa, len);
	write_unlock(&mmu->lock);
}

/**
 * umbra_code_unmapped() - a mapping that was watched is gone, or may be
 * @mmu: the VM's
 * @what: LEAF, MAPPINGS or TOP
 * @gfn: the frame, of a LEAF
 *
 * Context: MMU lock held for writing.
 */
void umbra_code_unmapped(struct umbra_mmu *mmu, enum umbra_code_change what, gfn_t gfn)
{
	lockdep_assert_held_write(&mmu->lock);
	if (!mmu->ops->code_unmapped)
		return;
	mmu->stats.code_unmapped++;
	mmu->ops->code_unmapped(mmu->vm, what, gfn);
}

/**
 * umbra_code_mark() - a table is on the way to translated code
 * @mmu: the VM's
 * @sp: shadow page
 *
 * Brings it into step for good.
 *
 * Context: MMU lock held for writing.
 */
void umbra_code_mark(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	lockdep_assert_held_write(&mmu->lock);
	umbra_sync_page(mmu, sp);
	sp->code = true;
}

/**
 * umbra_code_mark_link() - a link is on the way to translated code
 * @sptep: the entry
 *
 * Context: MMU lock held.
 */
void umbra_code_mark_link(u64 *sptep)
{
	u64 spte = READ_ONCE(*sptep);

	if (!(spte & SPTE_CODE))
		umbra_spte_exchange(sptep, spte | SPTE_CODE);
}

/**
 * umbra_code_follow() - where a view's shadow tables lead, by tables in step
 * @ctx: the vCPU's
 * @view: the view
 * @gva: linear address
 * @marked: by marks alone
 * @gfn: result: the frame
 * @table: result: the shadow page that has the leaf
 *
 * Context: MMU lock held for reading: in a table in step an entry that is present maps what it maps.
 * Return: the leaf, or 0.
 */
u64 umbra_code_follow(struct umbra_mmu_ctx *ctx, enum umbra_view view, gva_t gva, bool marked,
		      gfn_t *gfn, struct umbra_sp **table)
{
	struct umbra_sp *sp = umbra_root_for(ctx, view, gva);
	unsigned int level, index;
	u64 spte;

	while (sp) {
		level = sp->role.level;
		index = umbra_spte_index(gva, level);
		/* Pairs with the exchange in umbra_leaf_set(): the guest's entry is there first. */
		spte = smp_load_acquire(&sp->spt[index]);
		if (!umbra_spte_present(spte) || umbra_page_is_hole(ctx->mmu, sp, index) ||
		    sp->unsync || (marked && !(spte & SPTE_CODE)))
			return 0;
		if (umbra_spte_leaf(spte)) {
			*table = sp;
			*gfn = umbra_sp_entry_gfn(sp, index) +
			       ((gva >> UMBRA_PAGE_SHIFT) & (umbra_level_pages(level) - 1));
			return spte;
		}
		sp = umbra_spte_child(ctx->mmu, spte);
	}
	return 0;
}

/**
 * umbra_mmu_code_stands() - is the mapping of a page of code certainly what it was?
 * @ctx: the vCPU's
 * @gva: linear address
 * @gfn: what umbra_mmu_code_map() said
 *
 * Cheap: the guest's tables are not read.
 *
 * Context: the vCPU's thread, no MMU lock held; umbra_mmu_load() in the kernel view was called.
 * Return: true when it is, and is still watched; false: umbra_mmu_code_map() has to be asked.
 */
bool umbra_mmu_code_stands(struct umbra_mmu_ctx *ctx, gva_t gva, gfn_t gfn)
{
	bool two = ctx->mmu->config.two_views, stands = false;
	struct umbra_sp *table;
	gfn_t now;

	read_lock(&ctx->mmu->lock);
	if (ctx->env.mode == UMBRA_MODE_LONG)
		stands = umbra_code_follow(ctx, two ? UMBRA_VIEW_KERNEL : UMBRA_VIEW_NATIVE, gva,
					   true, &now, &table) && now == gfn;
	read_unlock(&ctx->mmu->lock);
	return stands;
}

/**
 * umbra_code_translate() - what is translated already, of two views
 * @ctx: the vCPU's
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: result
 *
 * The entries have the rights of the guest's supervisor (no SMAP is offered to such guests) or
 * user, and allow reading what is accessed and writing what is dirty.  The kernel view forbids
 * all fetches: that the supervisor may fetch is known of marked pages.
 *
 * Context: the vCPU's thread, no MMU lock held.
 * Return: false: the guest's tables have to be walked.
 */
bool umbra_code_translate(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t *gpa)
{
	u64 need = acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW) ? PTE_U | PTE_W : PTE_U;
	bool user = acc & UMBRA_ACC_USER, fetch = acc & UMBRA_ACC_FETCH;
	struct umbra_sp *table;
	gfn_t gfn;
	u64 spte;

	if (!ctx->mmu->config.two_views || ctx->env.mode != UMBRA_MODE_LONG ||
	    (acc & UMBRA_ACC_PEEK))
		return false;
	read_lock(&ctx->mmu->lock);
	spte = umbra_code_follow(ctx, user ? UMBRA_VIEW_USER : UMBRA_VIEW_KERNEL, gva,
				 fetch && !user, &gfn, &table);
	read_unlock(&ctx->mmu->lock);
	if ((spte & need) != need || (user && fetch && (spte & PTE_NX)))
		return false;
	*gpa = gfn_to_gpa(gfn) | (gva & ~UMBRA_PAGE_MASK);
	return true;
}

/* Called with the lock held; takes @frame unless the frame is known. */
static void protect(struct umbra_mmu *mmu, gfn_t gfn, struct umbra_code_frame **frame)
{
	struct umbra_code_frame *known = find_frame(mmu, gfn);

	if (known) {
		known->count++;
		return;
	}
	(*frame)->gfn = gfn;
	(*frame)->count = 1;
	hlist_add_head(&(*frame)->hash, code_bucket(mmu, gfn));
	*frame = NULL;
	WRITE_ONCE(mmu->nr_code, mmu->nr_code + 1);
	/* Pairs with umbra_mmu_wrote(): it sees the frame, or the caller its bytes. */
	smp_mb();
	umbra_flush_stale(mmu, umbra_rmap_write_protect(mmu, gfn));
}

/**
 * umbra_mmu_code_protect() - notice writes to a frame
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: no MMU lock held, may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_mmu_code_protect(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_code_frame *frame = umbra_host_alloc(sizeof(*frame));

	if (!frame)
		return -ENOMEM;
	write_lock(&mmu->lock);
	protect(mmu, gfn, &frame);
	write_unlock(&mmu->lock);
	umbra_host_free(frame);
	return 0;
}

static void forget(struct umbra_mmu *mmu, struct umbra_code_frame *frame)
{
	hlist_del_init(&frame->hash);
	WRITE_ONCE(mmu->nr_code, mmu->nr_code - 1);
	umbra_host_free(frame);
}

/**
 * umbra_mmu_code_release() - undo one umbra_mmu_code_protect()
 * @mmu: the VM's
 * @gfn: frame
 *
 * The frame becomes writable when the guest next writes to it.
 *
 * Context: no MMU lock held.
 */
void umbra_mmu_code_release(struct umbra_mmu *mmu, gfn_t gfn)
{
	struct umbra_code_frame *frame;

	write_lock(&mmu->lock);
	frame = find_frame(mmu, gfn);
	if (!WARN_ON_ONCE(!frame) && !--frame->count)
		forget(mmu, frame);
	write_unlock(&mmu->lock);
}

/**
 * umbra_code_forget_all() - the end of a VM
 * @mmu: its shadow MMU; nobody else uses it any more
 *
 * Context: any.
 */
void umbra_code_forget_all(struct umbra_mmu *mmu)
{
	struct umbra_code_frame *frame;
	struct hlist_node *tmp;
	unsigned int i;

	for (i = 0; i < BIT(UMBRA_CODE_BITS); i++)
		hlist_for_each_entry_safe(frame, tmp, &mmu->code[i], hash)
			forget(mmu, frame);
}

/**
 * umbra_code_top() - what matters of an entry of level 4
 * @gpte: the guest's
 *
 * Left out: A, D and what bits 11..9 and 62..52 are ignored for (SDM Vol. 3A, table 4-15).
 *
 * Return: the rest, or 0: not present.
 */
u64 umbra_code_top(u64 gpte)
{
	if (!(gpte & PTE_P))
		return 0;
	return gpte & (PTE_P | PTE_W | PTE_U | PTE_PS | PTE_ADDR | PTE_NX);
}

/**
 * umbra_mmu_top_entry() - an entry of the guest's current level-4 table
 * @ctx: the vCPU's
 * @index: 0 to 511
 * @entry: result
 *
 * Context: the vCPU's thread; SRCU read side of the slots held; may sleep.
 * Return: false: not in long mode, or the caller's memory is gone.
 */
bool umbra_mmu_top_entry(struct umbra_mmu_ctx *ctx, unsigned int index, u64 *entry)
{
	u64 pte;
	int ret;

	if (ctx->env.mode != UMBRA_MODE_LONG || index >= UMBRA_SPT_ENTRIES)
		return false;
	ret = umbra_host_read_pte(ctx->mmu, ctx->env.root + 8 * index, 8, false, &pte);
	/* No slot: what a walk finds there is not present. */
	if (ret && ret != -ENOENT)
		return false;
	*entry = ret ? 0 : umbra_code_top(pte);
	return true;
}
