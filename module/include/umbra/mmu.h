/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the shadow MMU's contract
 *
 * The shadow MMU turns the guest's page tables into tables that the processor
 * may use.  It knows memory slots and paging state; it knows no engine and no
 * emulator, and reaches its owner through struct umbra_mmu_ops only.
 *
 * One struct umbra_mmu a VM holds shadow pages, reverse map and notifier; one
 * struct umbra_mmu_ctx a vCPU holds the paging state, the current role and
 * the cached roots.
 */
#ifndef UMBRA_MMU_H
#define UMBRA_MMU_H

#include "umbra/types.h"
#include "umbra/emul.h"		/* struct umbra_fault and UMBRA_ACC_* only */

struct umbra_mmu;		/* opaque: module/mmu/mmu_internal.h */
struct umbra_mmu_ctx;
struct umbra_memslot;
struct umbra_memslots;

/* Page-fault error code bits (SDM Vol. 3A 4.7). */
#define UMBRA_PF_P		BIT(0)
#define UMBRA_PF_W		BIT(1)
#define UMBRA_PF_U		BIT(2)
#define UMBRA_PF_RSVD		BIT(3)
#define UMBRA_PF_I		BIT(4)
#define UMBRA_PF_PK		BIT(5)

/**
 * enum umbra_view - for whom a root is
 * @UMBRA_VIEW_NATIVE: CPL means what it says (svm, vmx); without
 *	umbra_mmu_config.two_views the only one
 * @UMBRA_VIEW_KERNEL: the guest's supervisor, run at CPL 3: every page is
 *	accessible at CPL 3, writable as the supervisor's rules (CR0.WP) say, and
 *	never executable: the guest's own code is not run in place
 * @UMBRA_VIEW_USER: the guest's user: supervisor pages are not accessible, user
 *	pages are as the guest says
 * @UMBRA_NR_VIEWS: how many there are
 *
 * With two views the processor's faults at CPL 3 all have U set: the engine
 * clears it where the guest's CPL was below 3, before umbra_mmu_fault().  SMAP
 * is not offered to such guests; SMEP is judged by the walk.
 */
enum umbra_view {
	UMBRA_VIEW_NATIVE,
	UMBRA_VIEW_KERNEL,
	UMBRA_VIEW_USER,
	UMBRA_NR_VIEWS,
};

/* What the guest's CPUID offers, as far as page walks depend on it. */
#define UMBRA_PAGING_NX		BIT(0)
#define UMBRA_PAGING_1G		BIT(1)
#define UMBRA_PAGING_PSE36	BIT(2)
#define UMBRA_PAGING_AMD	BIT(3)	/* vendor differences in reserved bits */

/**
 * struct umbra_paging - the part of a vCPU's state that decides translation
 * @cr0: PG, WP
 * @cr3: as the guest wrote it
 * @cr4: PAE, PSE, PGE, PCIDE, SMEP, SMAP, LA57, PKE
 * @efer: LMA, LME, NXE
 * @pdptr: PAE page-directory-pointer entries, loaded at MOV to CR3
 * @maxphyaddr: guest physical address width in bits (CPUID 80000008h)
 * @features: UMBRA_PAGING_*
 *
 * @maxphyaddr and @features are those of all vCPUs of a VM; vCPUs that differ
 * share shadow pages all the same, and see each other's reserved bits.
 */
struct umbra_paging {
	u64 cr0, cr3, cr4, efer;
	u64 pdptr[4];
	u8 maxphyaddr;
	u32 features;
};

/**
 * struct umbra_mmu_config - what the engine's processor state demands
 * @pae_roots: outside long mode (EFER.LMA = 0) roots are 3-level PAE tables
 *	below 4 GiB (hardware guests run such code in legacy mode); else every
 *	root has the host's number of levels
 * @levels: levels of a root that is no PAE root: 4 or 5 (5 when the host runs
 *	LA57 and the engine shares its CR4; the guest's own tables have 4 all the
 *	same).  Of 5 levels the guest's addresses use entries 0 and 511 of the top table,
 *	the others are absent
 * @two_views: the engine asks for kernel and user views, and level-4 tables of
 *	long-mode roots are private to a context
 * @hole: with @two_views: index in the level-4 table, 0 to 511, that belongs to
 *	the engine: see umbra_mmu_ctx_set_hole()
 */
struct umbra_mmu_config {
	bool pae_roots;
	u8 levels;
	bool two_views;
	u16 hole;
};

/**
 * enum umbra_code_change - what translated code depends on has changed
 * @UMBRA_CODE_BYTES: bytes of a frame
 * @UMBRA_CODE_LEAF: a mapping of a frame
 * @UMBRA_CODE_MAPPINGS: mappings of no certain frames
 * @UMBRA_CODE_TOP: entries of the current level-4 table alone, see umbra_mmu_top_entry()
 */
enum umbra_code_change {
	UMBRA_CODE_BYTES,
	UMBRA_CODE_LEAF,
	UMBRA_CODE_MAPPINGS,
	UMBRA_CODE_TOP,
};

/**
 * struct umbra_mmu_ops - what the shadow MMU asks of the VM
 * @slots: the current set of slots; called under the VM's SRCU read lock or
 *	slots_lock
 * @read_guest: copy from guest memory; 0 or -EFAULT.  May sleep unless @atomic
 * @flush_remote: make every vCPU of the VM drop all its translations before
 *	it next runs guest code, and return when none still uses old ones.  Callable under
 *	the MMU lock (atomic); sends IPIs and waits for vCPUs in guest mode only
 * @reload_roots: every vCPU calls umbra_mmu_load() before its next entry
 * @mark_dirty: log a write to @gfn (dirty bitmap)
 * @code_written: the monitor wrote to a frame under umbra_mmu_code_protect(), at
 *	the guest's behest.  NULL without a translator.  Called under the MMU lock
 *	(atomic, nothing of this header may be called): set a request, kick.
 *	Whoever hears it drops the frame's translations and releases the
 *	frame before its next entry; to keep it, whatever the bytes are now, would
 *	let an instruction that cannot be emulated fault for ever
 * @code_unmapped: a mapping that umbra_mmu_code_map() watched is gone, or may
 *	lead elsewhere: @what says which, of @gfn if it is %UMBRA_CODE_LEAF.  NULL without
 *	a translator.  Called as @code_written, often several times in a row
 */
struct umbra_mmu_ops {
	struct umbra_memslots *(*slots)(void *vm);
	int (*read_guest)(void *vm, gpa_t gpa, void *buf, unsigned int len, bool atomic);
	void (*flush_remote)(void *vm);
	void (*reload_roots)(void *vm);
	void (*mark_dirty)(void *vm, struct umbra_memslot *slot, gfn_t gfn);
	void (*code_written)(void *vm, gpa_t gpa, unsigned int len);
	void (*code_unmapped)(void *vm, enum umbra_code_change what, gfn_t gfn);
};

/**
 * enum umbra_verdict - what a page fault turned out to be
 * @UMBRA_VERDICT_RETRY: the shadow was filled or repaired: run the guest
 * @UMBRA_VERDICT_GUEST: the guest's own fault, to be injected as described
 * @UMBRA_VERDICT_MMIO: no memory behind the gpa: emulate the instruction
 * @UMBRA_VERDICT_WRITE: write to a shadowed page table (or read-only slot):
 *	emulate the instruction
 * @UMBRA_VERDICT_ERROR: host error in umbra_fault_info.error (-EFAULT: the
 *	caller's mapping is gone; -ENOMEM; -EHWPOISON; -EINTR: signal pending;
 *	-EOPNOTSUPP: the guest maps an address in the engine's hole)
 */
enum umbra_verdict {
	UMBRA_VERDICT_RETRY,
	UMBRA_VERDICT_GUEST,
	UMBRA_VERDICT_MMIO,
	UMBRA_VERDICT_WRITE,
	UMBRA_VERDICT_ERROR,
};

/**
 * struct umbra_fault_info - details of a verdict
 * @fault: for GUEST: vector 14, error code and CR2, ready to inject; vector 13
 *	with error code 0 for an address that is not canonical, which 5-level roots
 *	let come here
 * @gpa: for MMIO and WRITE: guest physical address
 * @error: for ERROR: negative errno
 */
struct umbra_fault_info {
	struct umbra_fault fault;
	gpa_t gpa;
	int error;
};

/* Module life. */
int umbra_mmu_init(void);
void umbra_mmu_exit(void);

/*
 * VM and vCPU life.  All may sleep; called with no MMU lock held.
 */

/**
 * umbra_mmu_create() - the shadow MMU of a VM
 * @vm: passed back to @ops
 * @ops: upcalls
 * @config: what the engine demands
 *
 * Registers an MMU notifier on current->mm.
 * Context: process context, may sleep.
 * Return: the MMU or ERR_PTR(): -ENOMEM, -EINTR; -EINVAL: @config makes no
 * sense; -EOPNOTSUPP: it asks for what cannot be here (PAE roots with SME).
 */
struct umbra_mmu *umbra_mmu_create(void *vm, const struct umbra_mmu_ops *ops,
				   const struct umbra_mmu_config *config);

/**
 * umbra_mmu_stop() - unregister the notifier and zap everything
 * @mmu: the MMU; no vCPU runs any more.  Slots are freed after this, then umbra_mmu_destroy()
 */
void umbra_mmu_stop(struct umbra_mmu *mmu);
void umbra_mmu_destroy(struct umbra_mmu *mmu);

struct umbra_mmu_ctx *umbra_mmu_ctx_create(struct umbra_mmu *mmu);
void umbra_mmu_ctx_destroy(struct umbra_mmu_ctx *ctx);

/*
 * Translation state of a vCPU.  Called by the vCPU's own thread.
 */

/**
 * umbra_mmu_set_paging() - the guest changed CR0, CR4, EFER or CR3
 * @ctx: the vCPU's
 * @paging: the new state (copied)
 *
 * Recomputes the role; the old root stays cached.  umbra_mmu_load() must
 * follow before the next entry.  With PCIDE, bit 63 of a MOV to CR3 is not part of
 * @paging.cr3.
 */
void umbra_mmu_set_paging(struct umbra_mmu_ctx *ctx, const struct umbra_paging *paging);

/**
 * umbra_mmu_set_cr3() - as umbra_mmu_set_paging(), in long mode and when only CR3 changes
 * @ctx: the vCPU's
 * @cr3: the new value, without bit 63
 */
void umbra_mmu_set_cr3(struct umbra_mmu_ctx *ctx, u64 cr3);

/**
 * umbra_mmu_set_view() - kernel or user view
 * @ctx: the vCPU's
 * @view: %UMBRA_VIEW_KERNEL (as after creation) or %UMBRA_VIEW_USER; needs
 *	umbra_mmu_config.two_views
 *
 * Takes no lock.  The next umbra_mmu_load() gives this view's root, and
 * umbra_mmu_fault() fills this view.  The other view's root stays in use: an
 * engine may go back to it without umbra_mmu_load() until that was asked for
 * (ops->reload_roots) or the paging state changes, and it must then load both again.
 * A flush (ops->flush_remote, or after umbra_mmu_invlpg() and
 * umbra_mmu_flush()) is for the processor's translations of both.
 *
 * Context: the vCPU's thread.
 */
void umbra_mmu_set_view(struct umbra_mmu_ctx *ctx, enum umbra_view view);

/**
 * umbra_mmu_ctx_set_hole() - the engine's own entry in the level-4 tables
 * @ctx: the vCPU's
 * @kernel_entry: page-table entry at umbra_mmu_config.hole of its kernel views
 * @user_entry: the same of its user views
 *
 * Written as they are into all level-4 tables that @ctx has and will have.  The
 * guest's own entry there is never shadowed: a fault on an address behind
 * it that the guest maps ends as %UMBRA_VERDICT_ERROR with -EOPNOTSUPP.  The caller
 * flushes the processor's TLB, and keeps what the entries point to until
 * umbra_mmu_ctx_destroy().
 *
 * Context: the vCPU's thread, no MMU lock held.
 */
void umbra_mmu_ctx_set_hole(struct umbra_mmu_ctx *ctx, u64 kernel_entry, u64 user_entry);

/**
 * umbra_mmu_load_pdptrs() - read the four PAE pointers at @cr3
 * @ctx: the vCPU's
 * @cr3: new CR3
 * @maxphyaddr: guest physical address width
 * @pdptr: result
 *
 * Return: 0; -EINVAL when a reserved bit is set (#GP); -EFAULT.
 */
int umbra_mmu_load_pdptrs(struct umbra_mmu_ctx *ctx, u64 cr3, u8 maxphyaddr, u64 pdptr[4]);

/**
 * umbra_mmu_load() - the root for the current paging state
 * @ctx: the vCPU's
 * @root: host physical address of the root table
 * @fresh: set when the processor must not keep translations of an earlier use
 *	of this root: the engine flushes.  With two views: when it must not keep those of
 *	the root that was loaded before in the same view
 *
 * Fast when the root is valid.  Context: may sleep.
 * Return: 0, -ENOMEM, -EINVAL (LA57 set).  A CR3 that points nowhere gets an empty root.
 */
int umbra_mmu_load(struct umbra_mmu_ctx *ctx, hpa_t *root, bool *fresh);

/* The same for a view, whichever is the current one. */
int umbra_mmu_load_view(struct umbra_mmu_ctx *ctx, enum umbra_view view, hpa_t *root, bool *fresh);

/*
 * A load of CR3 in long mode with interrupts off: new roots of all views, and the flush.  Then
 * umbra_mmu_loaded_root() gives them, and the processor must not keep translations of an earlier
 * use of them.  False: it cannot be done without waiting, nothing was.
 */
bool umbra_mmu_switch_now(struct umbra_mmu_ctx *ctx, u64 cr3);
hpa_t umbra_mmu_loaded_root(const struct umbra_mmu_ctx *ctx, enum umbra_view view);

/* umbra_mmu_top_entry() with interrupts off; false: it would have to wait. */
bool umbra_mmu_top_entry_now(struct umbra_mmu_ctx *ctx, unsigned int index, u64 *entry);

/*
 * umbra_mmu_fault() with interrupts off and without a look at the caller's memory, if the verdict
 * is RETRY or GUEST.  False: it would have to wait, and did nothing.
 */
bool umbra_mmu_fault_now(struct umbra_mmu_ctx *ctx, gva_t gva, u32 error_code, bool ac,
			 struct umbra_fault_info *info, enum umbra_verdict *verdict);

/*
 * With two views: @fn may access bytes within a page by the kernel view's entries, likewise.  False: @fn's
 * answer, or it was not asked.  Of an access: it needs more than that.
 */
bool umbra_mmu_accesses_now(struct umbra_mmu_ctx *ctx, bool (*fn)(void *arg), void *arg);
bool umbra_mmu_access_now(struct umbra_mmu_ctx *ctx, gva_t gva, void *buf, unsigned int len,
			  bool write);

/**
 * umbra_mmu_flush() - the guest flushed its TLB (CR3 load, CR4, INVPCID)
 * @ctx: the vCPU's
 * @global: also global translations
 *
 * Resynchronizes what is unsync.  The caller flushes the processor's TLB.
 */
void umbra_mmu_flush(struct umbra_mmu_ctx *ctx, bool global);

/**
 * umbra_mmu_invlpg() - the guest executed INVLPG
 * @ctx: the vCPU's
 * @gva: linear address
 */
void umbra_mmu_invlpg(struct umbra_mmu_ctx *ctx, gva_t gva);

/* The same with interrupts off; false: it would have to wait for a lock, and did nothing. */
bool umbra_mmu_invlpg_now(struct umbra_mmu_ctx *ctx, gva_t gva);

/*
 * True if shadow tables were always in step with the guest's: engines could then let INVLPG execute without
 * an exit, for the processor's own flush would be all that it has to do.  Leaf tables may be out of step.
 */
#define UMBRA_MMU_IN_STEP	false

/**
 * umbra_mmu_fault() - triage of a page fault taken while the guest ran
 * @ctx: the vCPU's
 * @gva: CR2
 * @error_code: as the processor pushed it, U already corrected to the guest's
 *	CPL by engines that run guest kernels at CPL 3
 * @ac: RFLAGS.AC is set and CPL < 3: SMAP does not apply.  (An access with U clear at
 *	CPL 3 is made by the processor itself; AC does not excuse it)
 * @info: details
 *
 * Context: may sleep; SRCU read side of the slots held by the caller.
 * Return: the verdict.
 */
enum umbra_verdict umbra_mmu_fault(struct umbra_mmu_ctx *ctx, gva_t gva,
				   u32 error_code, bool ac,
				   struct umbra_fault_info *info);

/**
 * umbra_mmu_translate() - guest page walk on behalf of the emulator
 * @ctx: the vCPU's
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: result
 * @fault: filled on -EFAULT: the #PF the guest gets
 *
 * Sets accessed and dirty bits as hardware would.
 * Return: 0; -EFAULT: guest fault; -EIO: the caller's memory is gone; -EAGAIN:
 * the guest's tables change all the time, let it run.
 */
int umbra_mmu_translate(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc,
			gpa_t *gpa, struct umbra_fault *fault);

/**
 * umbra_mmu_peek() - like umbra_mmu_translate() without any effect (KVM_TRANSLATE)
 * @ctx: the vCPU's
 * @gva: linear address
 * @writable: result: writable
 * @user: result: user accessible
 *
 * Return: gpa or UMBRA_INVALID_GPA.
 */
gpa_t umbra_mmu_peek(struct umbra_mmu_ctx *ctx, gva_t gva, bool *writable, bool *user);

/**
 * umbra_mmu_wrote() - guest memory is about to be changed by the monitor
 * @mmu: the VM's
 * @gpa: first byte
 * @len: bytes, within one page
 *
 * Called after the bytes were stored: shadow entries made from them are
 * updated or dropped.
 */
void umbra_mmu_wrote(struct umbra_mmu *mmu, gpa_t gpa, unsigned int len);

/* Bound of the shadow pages (KVM_SET_NR_MMU_PAGES); 0: in proportion to guest memory. */
void umbra_mmu_set_limit(struct umbra_mmu *mmu, unsigned long pages);
unsigned long umbra_mmu_get_limit(struct umbra_mmu *mmu);

/**
 * umbra_mmu_unprotect() - give up shadowing @gfn as a page table
 * @mmu: the VM's
 * @gfn: frame
 *
 * When an instruction that writes a shadowed page cannot be emulated, the
 * page is zapped instead and the guest retries.  For a code frame ops->code_written
 * is called for all of it, so that it is released.
 * Return: true when something was zapped, or will be released.
 */
bool umbra_mmu_unprotect(struct umbra_mmu *mmu, gfn_t gfn);

/*
 * Translated code.  To make a translation that can be trusted:
 *
 *   1. umbra_mmu_load() in the kernel view, so that the address space is the current one;
 *   2. umbra_mmu_code_map(): which frame the code is in; changes of that are told
 *      by ops->code_unmapped from here on;
 *   3. umbra_mmu_code_protect(): writes to the frame are told by
 *      ops->code_written from here on;
 *   4. read the bytes and translate them; before they run, look for requests.
 *
 * After code_unmapped no mapping, or none of the frame that it tells, is sure to be watched any
 * more: a translation is verified by umbra_mmu_code_stands(), or else by umbra_mmu_code_map()
 * again (same frame?), after umbra_mmu_load(), or dropped.
 *
 * The shadow MMU does not watch which level-4 table CR3 names.  When the guest
 * loads CR3 (or changes its paging mode), the engine compares the entries that its
 * translations depend on, see umbra_mmu_top_entry(), after umbra_mmu_load().
 * Changes of the current level-4 table are told by code_unmapped, as such: entries that are
 * what they were lead where they did.
 *
 * What the caller writes to guest memory by itself, behind its own mapping, nobody hears of.
 */

/**
 * umbra_mmu_code_protect() - notice writes to a frame
 * @mmu: the VM's
 * @gfn: frame
 *
 * Counted.  From its return until umbra_mmu_code_release() no vCPU can write to the
 * frame in any view: its writes end as %UMBRA_VERDICT_WRITE, and the monitor's
 * are told by ops->code_written.
 *
 * Context: no MMU lock held, may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_mmu_code_protect(struct umbra_mmu *mmu, gfn_t gfn);

/**
 * umbra_mmu_code_release() - undo one umbra_mmu_code_protect()
 * @mmu: the VM's
 * @gfn: frame
 *
 * Context: no MMU lock held.
 */
void umbra_mmu_code_release(struct umbra_mmu *mmu, gfn_t gfn);

/**
 * umbra_mmu_code_map() - where a fetch by the guest's supervisor leads, and watch it
 * @ctx: the vCPU's
 * @gva: linear address, canonical
 * @gpa: result
 * @fault: filled on -EFAULT: what the guest gets for the fetch
 *
 * Sets accessed bits as the fetch would and maps the page in the kernel view, whatever
 * the current view is.  Called again it does no harm.
 *
 * Context: the vCPU's thread; SRCU read side of the slots held; may sleep.
 * Return: 0; -EFAULT: guest fault; -ENXIO: no memory at @gpa, nothing is watched;
 * -EOPNOTSUPP: in the engine's hole; -EIO: the caller's memory is gone; -EAGAIN: all is
 * changing, let others run; -EINVAL: not in long mode; -ENOMEM, -EINTR, -EHWPOISON.
 */
int umbra_mmu_code_map(struct umbra_mmu_ctx *ctx, gva_t gva, gpa_t *gpa,
		       struct umbra_fault *fault);

/**
 * umbra_mmu_code_stands() - is the mapping of a page of code certainly what it was?
 * @ctx: the vCPU's
 * @gva: linear address, canonical
 * @gfn: what umbra_mmu_code_map() said
 *
 * Cheap: looks at the shadow tables alone.
 *
 * Context: the vCPU's thread, no MMU lock held; umbra_mmu_load() in the kernel view was called.
 * Return: true when it is, and is still watched; false: umbra_mmu_code_map() has to be asked.
 */
bool umbra_mmu_code_stands(struct umbra_mmu_ctx *ctx, gva_t gva, gfn_t gfn);

/**
 * umbra_mmu_top_entry() - an entry of the guest's current level-4 table
 * @ctx: the vCPU's, in long mode
 * @index: 0 to 511
 * @entry: result: what translation depends on: without the accessed bit and those
 *	that the processor ignores; 0 when not present
 *
 * Context: the vCPU's thread; SRCU read side of the slots held; may sleep.
 * Return: false: not in long mode, or the caller's memory is gone.
 */
bool umbra_mmu_top_entry(struct umbra_mmu_ctx *ctx, unsigned int index, u64 *entry);

/*
 * Slots.  Called with the VM's slots_lock held; may sleep.
 */
int umbra_mmu_slot_init(struct umbra_mmu *mmu, struct umbra_memslot *slot);
void umbra_mmu_slot_free(struct umbra_mmu *mmu, struct umbra_memslot *slot);

/**
 * umbra_mmu_slot_gone() - drop all translations to a slot
 * @mmu: the VM's
 * @slot: already invisible in the published set; still alive
 */
void umbra_mmu_slot_gone(struct umbra_mmu *mmu, struct umbra_memslot *slot);

/* A slot appeared or changed: cached MMIO entries are stale. */
void umbra_mmu_slot_new(struct umbra_mmu *mmu, struct umbra_memslot *slot);

/**
 * umbra_mmu_write_protect() - arm the dirty log for pages of a slot
 * @mmu: the VM's
 * @slot: the slot
 * @first: first page, relative to the slot
 * @mask: bit n: page @first + n
 *
 * The caller flushes (flush_remote) once after the last call.
 * Return: true when some entry changed.
 */
bool umbra_mmu_write_protect(struct umbra_mmu *mmu, struct umbra_memslot *slot,
			     u64 first, u64 mask);

/* Counters, read without locks. */
struct umbra_mmu_stats {
	u64 pf_taken, pf_fixed, pf_guest, pf_mmio, pf_write, pf_spurious;
	u64 sp_new, sp_zapped, sp_pages, pte_write, pte_write_updated, flood, unsync,
	    root_hit, root_miss, invlpg, remote_flush, notifier_zap, spte_set,
	    code_written, code_unmapped, spte_large;
};

const struct umbra_mmu_stats *umbra_mmu_stats(struct umbra_mmu *mmu);

/**
 * umbra_mmu_audit() - check the numbered invariants of Documentation/mmu.rst
 * @mmu: the VM's
 *
 * Slow; for tests and debugging.  Any thread, no MMU lock held.
 * Return: 0, or the number of a broken invariant.
 */
unsigned int umbra_mmu_audit(struct umbra_mmu *mmu);

#endif
