/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the shadow MMU's own structures
 *
 * Everything that changes is guarded by one lock, mmu->lock, unless a field says
 * otherwise.  Nothing that sleeps is done under it: memory is taken from
 * per-vCPU pools that are filled before, and guest memory is read under it only
 * without sleeping.
 *
 * It is a reader-writer lock.  Held for writing it guards all.  Held for
 * reading it keeps the structure as it is: which shadow pages there are, how they are
 * linked, which are unsync, which frames are protected, slots and invalidations.
 * Most page faults change none of that, but one entry of one table of
 * level 1.  They hold it for reading and that table's own lock, umbra_sp.lock;
 * a frame's chain of 4 KiB entries is under one of umbra_mmu.rmap then.
 * Address spaces have their own tables, so their faults pass side by side.
 * Documentation/locking.rst has the table of what is under what.
 */
#ifndef UMBRA_MMU_INTERNAL_H
#define UMBRA_MMU_INTERNAL_H

#include "umbra/memslot.h"
#include "umbra/mmu.h"

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/rwlock.h>
#include <linux/spinlock.h>
#else
#include "hosted_shim.h"
#endif

#include "host.h"
#include "role.h"
#include "walk.h"

#define UMBRA_SPT_ENTRIES	512
#define UMBRA_HASH_BITS		12
#define UMBRA_CODE_BITS		9
#define UMBRA_NR_RMAPS		64
#define UMBRA_NR_ROOTS		16	/* address spaces that a vCPU keeps at hand, each view for itself */
#define UMBRA_NR_LEGACY_ROOTS	4	/* page directories of a legacy address space */
#define UMBRA_NEAR_BITS		6	/* roots that are found without a search, see root.c */

/**
 * struct umbra_chain - a set of pointers to shadow entries
 * @val: 0: empty; bit 0 clear: the only member; bit 0 set: a list of blocks
 */
struct umbra_chain {
	unsigned long val;
};

#define UMBRA_CHAIN_BLOCK	6	/* a cache line */

/**
 * struct umbra_chain_block - part of a chain with several members
 * @next: next block, full; only the first block of a list may have room
 * @n: members in this block, not 0
 * @sptep: the members
 */
struct umbra_chain_block {
	struct umbra_chain_block *next;
	unsigned long n;
	u64 *sptep[UMBRA_CHAIN_BLOCK];
};

/**
 * struct umbra_rmap - a part of the reverse map, of some frames
 * @lock: guards their chains of 4 KiB entries and the following
 * @spares: blocks for chains, see rmap.c
 * @nr_spares: how many
 */
struct umbra_rmap {
	spinlock_t lock;
	unsigned int nr_spares;
	struct umbra_chain_block *spares;
};

/**
 * struct umbra_sp - a shadow page
 * @hash: in mmu->hash while valid
 * @link: in mmu->pages while valid, then in the list of those to be freed
 * @role: with @gfn the key
 * @gfn: direct: first frame mapped; else the guest table's frame
 * @spt: the table that the processor sees
 * @gptes: by entry, the guest entry that a leaf was made from; NULL when direct
 * @parents: the entries that link this table
 * @present: how many entries are present
 * @roots: how many contexts hold it as a root
 * @active: how many of them translate by it now; changes also while the MMU lock is held
 *	for reading
 * @writes: guest writes to the table since it was last used for a fill
 * @used: a fault went through it since reclaim last looked
 * @lock: level 1: guards @spt, @gptes and @present while the MMU lock is held for reading
 * @unsync: the guest writes to its table unnoticed, see sync.c; level 1 only
 * @unsync_link: in mmu->unsync or mmu->restless while @unsync
 * @restless: unsync for long, in mmu->restless, see sync.c
 * @outs: how often it got out of step, up to a limit
 * @quiet: @restless: flushes since an entry was found changed
 * @looked: a group of entries to begin with: one was there last time
 * @table: the kernel's address of the guest's table, while @table_seq is mmu->invalidate_seq
 * @table_seq: see umbra_now_table()
 * @code: on the way to translated code, see code.c; never unsync again
 * @invalid: out of the hash; never to be used for anything new.  Read without
 *	the lock by umbra_mmu_load(), see there
 */
struct umbra_sp {
	struct hlist_node hash;
	struct list_head link;
	union umbra_role role;
	gfn_t gfn;
	u64 *spt;
	u64 *gptes;
	struct umbra_chain parents;
	u16 present;
	struct list_head unsync_link;
	u32 roots;
	atomic_t active;
	spinlock_t lock;
	u8 writes;
	bool used;
	bool unsync;
	bool restless;
	u8 outs, quiet;
	u16 looked;
	const u64 *table;
	unsigned long table_seq;
	bool code;
	bool invalid;
};

/**
 * struct umbra_mmu_slot - what the shadow MMU knows of a slot
 * @link: in mmu->slots
 * @base_gfn: first frame
 * @npages: 4 KiB pages
 * @hva: caller's address
 * @gone: umbra_mmu_slot_gone() was called: nothing new may be mapped from it
 * @rmap: by page, the leaf entries of 4 KiB that map it
 * @large_rmap: by frame of 2 MiB that begins in the slot or before it, the leaf
 *	entries that map it whole
 */
struct umbra_mmu_slot {
	struct list_head link;
	gfn_t base_gfn;
	u64 npages;
	hva_t hva;
	bool gone;
	struct umbra_chain *rmap;
	struct umbra_chain *large_rmap;
};

/* 4 KiB frames in one of 2 MiB. */
#define UMBRA_LARGE_PAGES	512
#define UMBRA_LARGE_SHIFT	21
#define UMBRA_LARGE_SIZE	((u64)UMBRA_LARGE_PAGES << UMBRA_PAGE_SHIFT)

#define UMBRA_POOL_SIZE		24

/**
 * struct umbra_pool - objects taken before the lock, used under it
 * @n: how many there are
 * @obj: the objects
 */
struct umbra_pool {
	unsigned int n;
	void *obj[UMBRA_POOL_SIZE];
};

/**
 * struct umbra_pools - pools of a vCPU; its thread's only
 * @sp: struct umbra_sp
 * @table: pages for umbra_sp.spt and .gptes
 * @block: struct umbra_chain_block
 * @mmu: the VM's
 */
struct umbra_pools {
	struct umbra_pool sp, table, block;
	struct umbra_mmu *mmu;
};

/**
 * struct umbra_mmu - the shadow MMU of a VM
 * @vm: the owner's, for @ops
 * @ops: upcalls
 * @config: what the engine demands
 * @ctxs: every struct umbra_mmu_ctx
 * @all_link: in the list of all VMs, see shrink.c
 * @encryption_mask: set in the address of every entry; constant
 * @lock: guards all that follows and every shadow page, see above
 * @rmap: by frame: what guards chains in umbra_mmu_slot.rmap while @lock is held for reading
 * @hash: shadow pages by gfn
 * @pages: valid shadow pages, the longest unused at the tail
 * @nr_pages: shadow pages that exist, also invalid ones
 * @max_pages: bound for @nr_pages
 * @wanted_pages: bound that userspace set, 0 none
 * @spares: memory of former shadow pages for new ones, see page.c
 * @nr_spares: how many
 * @root_seq: grows when a page is zapped that some context holds as a root; read without
 *	the lock
 * @path_seq: grows when a way down through the tables ends, or has to be marked again
 * @indirect: valid shadow pages of guest tables; 0 makes umbra_mmu_wrote() cheap
 * @unsync: shadow pages that are unsync, but for those in
 * @restless: those that stay so, see sync.c
 * @nr_restless: how many
 * @nr_unsync: how many in both; 0 is read without the lock, see umbra_sync_all()
 * @code: frames with translated code, by gfn
 * @nr_code: how many; 0 makes umbra_mmu_wrote() cheap
 * @now: whoever holds the lock may not touch the caller's memory, see now.c
 * @slots: struct umbra_mmu_slot of every slot that is or may become visible
 * @total_slot_pages: sum of their lengths
 * @stale_tlb: some TLB may still hold a translation whose entry was dropped
 *	without a flush, see zap.c; may be set while @lock is held for reading
 * @stale_large: the same of an entry of 2 MiB
 * @invalidate_count: host invalidations under way
 * @invalidate_seq: host invalidations completed
 * @invalidate_start: lowest address of those under way
 * @invalidate_end: behind the highest
 * @generation: grows when slots change
 * @stats: counters; those that readers of @lock count may lose some
 * @notifier: host.c
 * @mm: the caller's address space
 */
struct umbra_mmu {
	void *vm;
	const struct umbra_mmu_ops *ops;
	struct umbra_mmu_config config;
	struct list_head all_link;
	u64 encryption_mask;
	rwlock_t lock;
	struct umbra_rmap rmap[UMBRA_NR_RMAPS];
	struct list_head ctxs;
	struct hlist_head *hash;
	struct list_head pages;
	unsigned long nr_pages;
	unsigned long max_pages;
	unsigned long wanted_pages;
	struct list_head spares;
	unsigned int nr_spares;
	u64 root_seq;
	u64 path_seq;
	unsigned long indirect;
	struct list_head unsync, restless;
	unsigned int nr_restless;
	unsigned long nr_unsync;
	struct hlist_head *code;
	unsigned long nr_code;
	bool now;
	struct list_head slots;
	u64 total_slot_pages;
	bool stale_tlb;
	bool stale_large;
	unsigned long invalidate_count;
	unsigned long invalidate_seq;
	hva_t invalidate_start, invalidate_end;
	u64 generation;
	struct umbra_mmu_stats stats;
	struct mmu_notifier notifier;
	struct mm_struct *mm;
};

/**
 * struct umbra_root - a root that a context holds
 * @role: umbra_role_base(); with the frames of the pages in @sp the key
 * @valid: something is held
 * @used: umbra_mmu_ctx.clock when it became active
 * @sp: long mode: sp[0], and sp[1] for the high half below a 5-level root; else
 *	the four page directories, NULL where a PAE pointer is not present
 * @link: entries that point to them
 */
struct umbra_root {
	union umbra_role role;
	bool valid;
	u64 used;
	struct umbra_sp *sp[UMBRA_NR_LEGACY_ROOTS];
	u64 link[UMBRA_NR_LEGACY_ROOTS];
};

/**
 * struct umbra_top - tables above the shadow pages; a context's own, for one view
 * @l3: legacy modes: above the four page directories; entries or PAE pointers
 * @l4: legacy modes without config.pae_roots: above @l3
 * @l5: with 5 levels: above @l4, or the level-4 shadow pages of long mode
 */
struct umbra_top {
	u64 *l3, *l4, *l5;
};

/**
 * struct umbra_view_state - what a context has in one view
 * @role: umbra_role_base() of the paging state, with the owner
 * @active: the held root that the vCPU translates by in this view, or NULL.  Changes
 *	under the lock, held for reading at least
 * @loaded: @active is that of the paging state
 * @seq: mmu->root_seq when @active was known not to be zapped
 * @hpa: while @loaded: address of the root
 * @known: address of the root that the processor may have translations of
 * @fresh: umbra_mmu_load() has yet to say that those are none of @hpa's
 * @hole: the engine's entry, see umbra_mmu_ctx_set_hole(); read under the lock
 * @top: tables above the shadow pages
 */
struct umbra_view_state {
	union umbra_role role;
	struct umbra_root *active;
	bool loaded;
	u64 seq;
	hpa_t hpa, known;
	bool fresh;
	u64 hole;
	struct umbra_top top;
};

#define UMBRA_NR_DEVICES	4

/* No page begins there. */
#define UMBRA_NO_DEVICE		((gva_t)1)

/**
 * struct umbra_device - a linear page that leads to no slot; device.c
 * @acc: UMBRA_ACC_* that were checked
 * @gva: page; UMBRA_NO_DEVICE: none
 * @gpa: page
 * @generation: of the slots
 */
struct umbra_device {
	unsigned int acc;
	gva_t gva;
	gpa_t gpa;
	u64 generation;
};

#define UMBRA_NR_PATHS	4

/**
 * struct umbra_path - where the way down through the shadow tables ended
 * @root: the shadow page where it began
 * @sp: the table of level 1, of one of the guest's
 * @at: number of the 2 MiB that it translates
 * @seq: mmu->path_seq then: the way is as it was, and its tables are marked as used
 */
struct umbra_path {
	const struct umbra_sp *root;
	struct umbra_sp *sp;
	u64 at;
	u64 seq;
};

/**
 * struct umbra_mmu_ctx - translation state of a vCPU; its thread's only
 * @mmu: the VM's
 * @link: in mmu->ctxs
 * @id: unique among them, 1 to %UMBRA_MAX_OWNER
 * @paging: as set
 * @view: the current view
 * @env: @paging prepared for walks
 * @pools: objects for use under the lock
 * @root: roots held
 * @near: some of them, by view and address space; each may be another one by now
 * @views: by enum umbra_view
 * @clock: counts changes of a root
 * @access_table: table of level 1 that an access before this one went by, or NULL; see now.c
 * @access_at: number of the 2 MiB that it translates
 * @devices: by the lowest bits of the page's number
 * @paths: ways that faults went lately, see umbra_path_find()
 */
struct umbra_mmu_ctx {
	struct umbra_mmu *mmu;
	struct list_head link;
	unsigned int id;
	struct umbra_paging paging;
	enum umbra_view view;
	struct umbra_walk_env env;
	struct umbra_pools pools;
	struct umbra_root root[UMBRA_NR_ROOTS];
	struct umbra_root *near[UMBRA_NR_VIEWS][1 << UMBRA_NEAR_BITS];
	struct umbra_view_state views[UMBRA_NR_VIEWS];
	u64 clock;
	const struct umbra_sp *access_table;
	u64 access_at;
	struct umbra_device devices[UMBRA_NR_DEVICES];
	struct umbra_path paths[UMBRA_NR_PATHS];
};

static inline struct umbra_path *umbra_path_place(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	return &ctx->paths[(gva >> UMBRA_LARGE_SHIFT) % UMBRA_NR_PATHS];
}

/* The table of level 1 that translates @gva below @root, if that is known, or NULL.  MMU lock held. */
static inline struct umbra_sp *umbra_path_find(struct umbra_mmu_ctx *ctx,
					       const struct umbra_sp *root, gva_t gva)
{
	const struct umbra_path *path = umbra_path_place(ctx, gva);

	return path->seq == ctx->mmu->path_seq && path->root == root &&
	       path->at == gva >> UMBRA_LARGE_SHIFT ? path->sp : NULL;
}

/* Is @view one that this VM has? */
static inline bool umbra_view_exists(const struct umbra_mmu *mmu, enum umbra_view view)
{
	return mmu->config.two_views == (view != UMBRA_VIEW_NATIVE);
}

/**
 * struct umbra_prefetch - a leaf entry that was just filled, and may have neighbours
 * @sp: shadow page of level 1
 * @index: the entry
 * @access: UMBRA_AX_* of it
 * @slot: memory behind it
 * @row: the guest's entries of its group, if they have been read with the locks that are held
 */
struct umbra_prefetch {
	struct umbra_sp *sp;
	unsigned int index;
	unsigned int access;
	struct umbra_memslot *slot;
	const u64 *row;
};

/**
 * struct umbra_leaf - an entry that is to map memory
 * @sp: the shadow page
 * @index: the entry
 * @access: UMBRA_AX_* to give
 * @gpte: the guest entry that it is made from, for umbra_sp.gptes
 * @gfn: the frame, of 4 KiB
 * @slot: memory behind it
 * @hpa: the host's frame of @gfn
 * @host_writable: the caller's mapping is writable
 * @code: leave a mark, see code.c
 */
struct umbra_leaf {
	struct umbra_sp *sp;
	unsigned int index;
	unsigned int access;
	u64 gpte;
	gfn_t gfn;
	struct umbra_memslot *slot;
	hpa_t hpa;
	bool host_writable;
	bool code;
};

/* Neighbours of a fill, itself included: a power of two. */
#define UMBRA_PREFETCH		16

/* Entries of a guest table that are read together: a row, or half a row of a 32-bit table. */
#define UMBRA_GROUP		8

/*
 * May entries of a table be changed?  All of them while the MMU lock is held for writing; for
 * reading, those of a table of level 1 whose lock is held.
 */
static inline void umbra_assert_entries(const struct umbra_mmu *mmu, const struct umbra_sp *sp)
{
	lockdep_assert(lockdep_is_held_type(&mmu->lock, 0) ||
		       (lockdep_is_held_type(&mmu->lock, 1) && lockdep_is_held(&sp->lock)));
}

/* Count what is counted without the MMU lock, or by its readers; one that is lost is no harm. */
static inline void umbra_count(u64 *counter)
{
	WRITE_ONCE(*counter, READ_ONCE(*counter) + 1);
}

/* pool.c */
int umbra_pools_fill(struct umbra_pools *pools);
void umbra_pools_drain(struct umbra_pools *pools);
void *umbra_pool_take(struct umbra_pool *pool);

/* rmap.c */
void umbra_rmap_init(struct umbra_mmu *mmu);
bool umbra_chain_add(struct umbra_pools *pools, struct umbra_rmap *rmap,
		     struct umbra_chain *chain, u64 *sptep);
bool umbra_chain_remove(struct umbra_rmap *rmap, struct umbra_chain *chain, u64 *sptep);
void umbra_chain_free_spares(struct umbra_mmu *mmu);
u64 *umbra_chain_first(const struct umbra_chain *chain);
void umbra_chain_for_each(const struct umbra_chain *chain,
			  void (*visit)(u64 *sptep, void *arg), void *arg);
gfn_t umbra_sp_entry_gfn(const struct umbra_sp *sp, unsigned int index);
struct umbra_mmu_slot *umbra_rmap_slot(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_rmap_add(struct umbra_pools *pools, struct umbra_mmu_slot *slot, struct umbra_sp *sp,
		    unsigned int index, gfn_t gfn);
void umbra_rmap_remove(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index);
bool umbra_rmap_write_protect(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_rmap_zap(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot, u64 page);
unsigned int umbra_rmap_large_index(const struct umbra_mmu_slot *slot, gfn_t gfn);
u64 umbra_rmap_peek(struct umbra_mmu *mmu, const struct umbra_mmu_slot *slot, gfn_t gfn);
bool umbra_rmap_young(struct umbra_mmu *mmu, struct umbra_mmu_slot *slot, u64 page, bool clear);

/* page.c */
struct umbra_sp *umbra_page_find(struct umbra_mmu *mmu, gfn_t gfn, union umbra_role role);
struct umbra_sp *umbra_page_get(struct umbra_mmu *mmu, struct umbra_pools *pools, gfn_t gfn,
				union umbra_role role);
bool umbra_page_shadowed(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_page_protected(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_page_range_protected(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_page_link(struct umbra_mmu *mmu, struct umbra_pools *pools, struct umbra_sp *parent,
		     unsigned int index, struct umbra_sp *child);
void umbra_page_drop_entry(struct umbra_mmu *mmu, struct umbra_sp *sp, unsigned int index);
void umbra_page_free(struct umbra_mmu *mmu, struct umbra_sp *sp);
void umbra_page_free_spares(struct umbra_mmu *mmu);
struct hlist_head *umbra_page_bucket(struct umbra_mmu *mmu, gfn_t gfn);

/* Where links, which only change with the MMU lock held for writing, have their blocks from. */
static inline struct umbra_rmap *umbra_rmap_of_links(struct umbra_mmu *mmu)
{
	return &mmu->rmap[0];
}

/* Does an entry belong to the engine (umbra_mmu_ctx_set_hole())?  MMU lock held. */
static inline bool umbra_page_is_hole(const struct umbra_mmu *mmu, const struct umbra_sp *sp,
				      unsigned int index)
{
	bool high = mmu->config.hole >= UMBRA_SPT_ENTRIES / 2;

	if (likely(!sp->role.owner) || index != mmu->config.hole)
		return false;
	return mmu->config.levels == 4 || sp->role.quadrant == high;
}

/* code.c */
bool umbra_code_frame(struct umbra_mmu *mmu, gfn_t gfn);
bool umbra_code_wrote(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len);
void umbra_code_unmapped(struct umbra_mmu *mmu, enum umbra_code_change what, gfn_t gfn);
void umbra_code_mark_link(u64 *sptep);
u64 umbra_code_follow(struct umbra_mmu_ctx *ctx, enum umbra_view view, gva_t gva, bool marked,
		      gfn_t *gfn, struct umbra_sp **table);
u64 umbra_code_top(u64 gpte);
bool umbra_code_translate(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t *gpa);
void umbra_code_mark(struct umbra_mmu *mmu, struct umbra_sp *sp);
void umbra_code_forget_all(struct umbra_mmu *mmu);

/* zap.c */
void umbra_flush_remote(struct umbra_mmu *mmu);
void umbra_flush_stale(struct umbra_mmu *mmu, bool must);
void umbra_zap_prepare(struct umbra_mmu *mmu, struct umbra_sp *sp, struct list_head *doomed);
void umbra_zap_commit(struct umbra_mmu *mmu, struct list_head *doomed);
void umbra_zap_all(struct umbra_mmu *mmu);
bool umbra_zap_gfn(struct umbra_mmu *mmu, gfn_t gfn, bool only_orphans);
unsigned long umbra_zap_some(struct umbra_mmu *mmu, unsigned long want);
void umbra_zap_make_room(struct umbra_mmu *mmu);
hva_t umbra_zap_hva_chunk(struct umbra_mmu *mmu, hva_t start, hva_t end);

/* shrink.c */
void umbra_shrink_add(struct umbra_mmu *mmu);
void umbra_shrink_remove(struct umbra_mmu *mmu);
void umbra_shrink_made(void);
void umbra_shrink_freed(void);
unsigned long umbra_shrink_total(void);
unsigned long umbra_shrink_some(unsigned long want);
void umbra_shrink_to_limit(void);

/* fault.c */
void umbra_fault_describe(struct umbra_fault *fault, gva_t gva, u32 error_code);

/* What an error code says of the access: UMBRA_ACC_*. */
static inline unsigned int umbra_fault_acc(u32 error_code, bool ac)
{
	unsigned int acc = 0;

	if (error_code & UMBRA_PF_W)
		acc |= UMBRA_ACC_WRITE;
	if (error_code & UMBRA_PF_U)
		acc |= UMBRA_ACC_USER;
	if (error_code & UMBRA_PF_I)
		acc |= UMBRA_ACC_FETCH;
	if (ac)
		acc |= UMBRA_ACC_AC;
	return acc;
}

/*
 * A 5-level processor finds addresses canonical that the guest's four levels do not
 * reach, and reports a page fault where the guest expects #GP (SDM Vol. 1, 3.3.7.1).
 */
static inline bool umbra_fault_canonical(const struct umbra_mmu_ctx *ctx, gva_t gva)
{
	return ctx->env.mode != UMBRA_MODE_LONG || umbra_canonical(gva, 48);
}

static inline void umbra_count_verdict(struct umbra_mmu *mmu, enum umbra_verdict verdict)
{
	switch (verdict) {
	case UMBRA_VERDICT_RETRY:
		umbra_count(&mmu->stats.pf_fixed);
		break;
	case UMBRA_VERDICT_GUEST:
		umbra_count(&mmu->stats.pf_guest);
		break;
	case UMBRA_VERDICT_MMIO:
		umbra_count(&mmu->stats.pf_mmio);
		break;
	case UMBRA_VERDICT_WRITE:
		umbra_count(&mmu->stats.pf_write);
		break;
	case UMBRA_VERDICT_ERROR:
		break;
	}
}

/* leaf.c */
bool umbra_leaf_needs_flush(const struct umbra_mmu *mmu, const struct umbra_leaf *l);
bool umbra_leaf_set(struct umbra_mmu_ctx *ctx, const struct umbra_leaf *l);

/* quick.c */
bool umbra_quick_fault(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc,
		       struct umbra_fault_info *info, enum umbra_verdict *verdict);

/* device.c */
bool umbra_device_fits(const struct umbra_mmu_ctx *ctx, const struct umbra_device *d, gva_t gva,
		       unsigned int acc, gpa_t *gpa);

static inline struct umbra_device *umbra_device_place(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	return &ctx->devices[(gva >> UMBRA_PAGE_SHIFT) % UMBRA_NR_DEVICES];
}

/*
 * Is it known that a walk would end at @gpa, where there is no slot?  The vCPU's thread;
 * SRCU read side of the slots held.
 */
static inline bool umbra_device_find(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc,
				     gpa_t *gpa)
{
	const struct umbra_device *d = umbra_device_place(ctx, gva);

	return unlikely(d->gva == (gva & UMBRA_PAGE_MASK)) &&
	       umbra_device_fits(ctx, d, gva, acc, gpa);
}

void umbra_device_note(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t gpa);
void umbra_device_forget(struct umbra_mmu_ctx *ctx);

/* prefetch.c */
void umbra_prefetch(struct umbra_mmu_ctx *ctx, const struct umbra_prefetch *p);

/* now.c */

/**
 * umbra_now_begin() - take the lock for writing, if it is free
 * @mmu: the VM's
 *
 * Until umbra_now_end() guest tables are read by frame, see umbra_now_table().  A macro, for
 * sparse to see that the lock is held.
 *
 * Context: no MMU lock held; interrupts may be off.
 * Return: false: it is not.
 */
#define umbra_now_begin(mmu)	(write_trylock(&(mmu)->lock) ? ((mmu)->now = true) : false)

void umbra_now_end(struct umbra_mmu *mmu)
	__releases(&mmu->lock);
const u64 *umbra_now_find_table(struct umbra_mmu *mmu, struct umbra_sp *sp);

/**
 * umbra_now_table() - the guest's table of a shadow page
 * @mmu: the VM's
 * @sp: of long mode or PAE, not direct
 *
 * An entry that maps it told where it is, and the host has taken nothing back since.
 *
 * Context: between umbra_now_begin() and umbra_now_end().
 * Return: its entries, by the kernel's mapping, which the guest may change at any time; NULL:
 * nothing tells where they are.
 */
static inline const u64 *umbra_now_table(struct umbra_mmu *mmu, struct umbra_sp *sp)
{
	if (likely(sp->table && sp->table_seq == mmu->invalidate_seq && !mmu->invalidate_count))
		return sp->table;
	return umbra_now_find_table(mmu, sp);
}

/* sync.c */
int umbra_sync_read(struct umbra_mmu *mmu, struct umbra_sp *sp, hva_t table,
		    unsigned int first, u64 *gpte);
bool umbra_sync_release(struct umbra_mmu *mmu, gfn_t gfn);
void umbra_sync_forget(struct umbra_mmu *mmu, struct umbra_sp *sp);
void umbra_sync_page(struct umbra_mmu *mmu, struct umbra_sp *sp);
void umbra_sync_all(struct umbra_mmu *mmu);
bool umbra_sync_all_now(struct umbra_mmu *mmu);
void umbra_sync_gva(struct umbra_mmu_ctx *ctx, gva_t gva);
bool umbra_sync_gva_now(struct umbra_mmu_ctx *ctx, gva_t gva);

/* ctx.c */
void umbra_ctx_set_space(struct umbra_mmu_ctx *ctx, u64 cr3);

/* root.c */
int umbra_root_load(struct umbra_mmu_ctx *ctx, enum umbra_view view);

/* Which shadow page of a root translates @gva. */
static inline unsigned int umbra_root_slot(const struct umbra_mmu_ctx *ctx, gva_t gva)
{
	if (ctx->env.mode != UMBRA_MODE_LONG)
		return (gva >> 30) & 3;
	return ctx->mmu->config.levels == 5 ? (gva >> 47) & 1 : 0;
}

/**
 * umbra_root_for() - the shadow page where a fill starts
 * @ctx: the vCPU's
 * @view: the view that is filled
 * @gva: linear address
 *
 * Context: MMU lock held.
 * Return: a valid shadow page, or NULL: umbra_mmu_load() has to come first.
 */
static inline struct umbra_sp *umbra_root_for(struct umbra_mmu_ctx *ctx, enum umbra_view view,
					      gva_t gva)
{
	const struct umbra_view_state *v = &ctx->views[view];
	struct umbra_sp *sp;

	if (!v->loaded)
		return NULL;
	sp = v->active->sp[umbra_root_slot(ctx, gva)];
	return sp && !sp->invalid ? sp : NULL;
}

struct umbra_sp *umbra_root_find(struct umbra_mmu_ctx *ctx, enum umbra_view view, gva_t gva);
void umbra_root_put_all(struct umbra_mmu_ctx *ctx);

/* notifier.c */
void umbra_invalidate_begin(struct umbra_mmu *mmu, hva_t start, hva_t end, bool may_block);
void umbra_invalidate_end(struct umbra_mmu *mmu);
unsigned long umbra_invalidate_read(const struct umbra_mmu *mmu);
bool umbra_invalidate_retry(const struct umbra_mmu *mmu, unsigned long seq, hva_t hva);
bool umbra_invalidate_touches(const struct umbra_mmu *mmu, hva_t start, hva_t end);
bool umbra_invalidate_young(struct umbra_mmu *mmu, hva_t start, hva_t end, bool clear);

#endif
