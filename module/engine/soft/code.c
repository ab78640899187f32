// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest code and its translations
 *
 * Decides what a vCPU can run next, makes the translations that are missing,
 * and throws away those that are no longer true.  A translation is true while
 * two things hold for each page it was made from:
 *
 *   the bytes     the frame is write-protected; a write to it, by whomever in
 *		   the guest, is noticed (code_written)
 *   the mapping   the shadow entry for the address is marked; when the MMU
 *		   drops or changes it, we are told (code_unmapped)
 *
 * Both arrive from any vCPU's thread, so they only leave a note in the VM's log and
 * kick; each vCPU reads the log before it enters the guest again, when it is
 * surely not executing in its cache.  A new CR3 is a new mapping, too: kernels
 * share the upper half between address spaces, so it is enough to compare the
 * level-4 entries that lead to translated code.
 *
 * What userspace writes to guest memory is seen by nobody.  Who replaces code
 * sets registers as well (a loader, a debugger), and that makes us compare.
 */
#include "soft_internal.h"

#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/vmalloc.h>

#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "umbra/trace.h"

/* With more code pages than this all translations are made anew instead of compared. */
#define MAX_HASHED	256

/* Writes into a page until all that was made of it goes: those by which one instruction is patched. */
#define MAX_WRITES	4

static unsigned int top_index(u64 gva)
{
	return (gva >> 39) & 511;
}

static void no_pages(struct soft_vcpu *soft)
{
	soft->nr_pages = 0;
	soft->nr_tops = 0;
	memset(soft->page_hash, 0xff, sizeof(soft->page_hash));
	memset(soft->gfn_hash, 0xff, sizeof(soft->gfn_hash));
}

/* The first translation is near. */
static int create_cache(struct soft_vcpu *soft)
{
	struct soft_area *area = &soft->area;
	struct soft_tc_config config = {
		.size = SOFT_TC_SIZE,
		.va = SOFT_HOLE + SOFT_TC_OFFSET,
		.vdata_va = SOFT_HOLE + SOFT_VDATA_OFFSET,
		.vif_va = SOFT_HOLE + SOFT_VIF_OFFSET,
		.window_va = SOFT_HOLE + SOFT_WINDOW_OFFSET,
		.near = SOFT_NEAR,
		.span = umbra_soft_area_span,
		.unspan = umbra_soft_area_unspan,
		.span_ctx = area,
		.swapgs = true,
		.rdtsc = true,
		.serialize = true,
		.services = true,
	};
	int err = 0;

	if (!area->meta)
		err = umbra_soft_area_cache(area);
	if (!err && !soft->pages)
		soft->pages = __vmalloc(SOFT_NR_PAGES * sizeof(*soft->pages),
					GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!soft->copy)
		soft->copy = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (err || !soft->pages || !soft->copy)
		return -ENOMEM;
	no_pages(soft);
	umbra_soft_area_room(area, &config);
	config.targets = area->targets;
	config.meta = area->meta;
	return soft_tc_create(&config, &soft->tc);
}

/* The vCPU's counters, from those of its cache. */
static void count(struct umbra_vcpu *vcpu)
{
	struct soft_tc_stats stats;

	soft_tc_stats(to_soft(vcpu)->tc, &stats);
	vcpu->stat.tc_blocks = stats.translations;
	vcpu->stat.tc_insns = stats.insns;
	vcpu->stat.tc_links = stats.links;
	vcpu->stat.tc_drops = stats.drops;
	vcpu->stat.tc_flushes = stats.flushes;
}

/* Nothing is watched any more. */
static void release_pages(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	unsigned int i;

	for (i = 0; i < soft->nr_pages; i++)
		umbra_mmu_code_release(vcpu->vm->mmu, soft->pages[i].gfn);
	no_pages(soft);
}

/* No translations any more. */
static void flush(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	release_pages(vcpu);
	soft->va = 0;
	if (soft->tc)
		soft_tc_flush(soft->tc);
}

/**
 * umbra_soft_code_destroy() - the end of a vCPU's translations
 * @vcpu: the vCPU
 */
void umbra_soft_code_destroy(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	release_pages(vcpu);
	vfree(soft->pages);
	free_page((unsigned long)soft->copy);
	soft->pages = NULL;
	soft->copy = NULL;
}

/* The records of pages, found by address and by frame. */

static u16 *page_bucket(struct soft_vcpu *soft, u64 gva)
{
	return &soft->page_hash[hash_64(gva >> PAGE_SHIFT, SOFT_PAGE_BITS)];
}

static u16 *gfn_bucket(struct soft_vcpu *soft, gfn_t gfn)
{
	return &soft->gfn_hash[hash_64(gfn, SOFT_PAGE_BITS)];
}

/* The link that leads to record @i. */
static u16 *link_to(struct soft_vcpu *soft, unsigned int i)
{
	u16 *link = page_bucket(soft, soft->pages[i].gva);

	while (*link != i)
		link = &soft->pages[*link].next;
	return link;
}

static u16 *gfn_link_to(struct soft_vcpu *soft, unsigned int i)
{
	u16 *link = gfn_bucket(soft, soft->pages[i].gfn);

	while (*link != i)
		link = &soft->pages[*link].next_gfn;
	return link;
}

/* The entry above a page with a record. */
static struct soft_top *top_of(struct soft_vcpu *soft, u64 gva)
{
	struct soft_top *top = soft->tops;

	while (top->index != top_index(gva))
		top++;
	return top;
}

static void put_page_record(struct soft_vcpu *soft, const struct soft_code_page *page)
{
	u16 *head = page_bucket(soft, page->gva), *gfn_head = gfn_bucket(soft, page->gfn);
	struct soft_code_page *record = &soft->pages[soft->nr_pages];

	*record = *page;
	record->next = *head;
	record->next_gfn = *gfn_head;
	*head = soft->nr_pages;
	*gfn_head = soft->nr_pages++;
	top_of(soft, page->gva)->pages++;
}

/* The last record takes the place of the one that goes. */
static void take_page_record(struct soft_vcpu *soft, unsigned int i)
{
	unsigned int last = soft->nr_pages - 1;
	struct soft_top *top = top_of(soft, soft->pages[i].gva);

	/* What each process has of its own is not looked at for the sake of code that is gone. */
	if (!--top->pages)
		*top = soft->tops[--soft->nr_tops];
	*link_to(soft, i) = soft->pages[i].next;
	*gfn_link_to(soft, i) = soft->pages[i].next_gfn;
	if (i != last) {
		*link_to(soft, last) = i;
		*gfn_link_to(soft, last) = i;
		soft->pages[i] = soft->pages[last];
	}
	soft->nr_pages = last;
}

static const struct soft_code_page *find_page(struct soft_vcpu *soft, u64 page)
{
	unsigned int i = *page_bucket(soft, page);

	while (i != SOFT_NO_PAGE && soft->pages[i].gva != page)
		i = soft->pages[i].next;
	return i == SOFT_NO_PAGE ? NULL : &soft->pages[i];
}

/* The log. */

/**
 * umbra_soft_code_changed() - what translations were made from changed
 * @vm: the VM
 * @what: bytes or mappings
 * @gpa: where, if it is certain bytes, or the mapping of a certain frame
 * @len: how many bytes, within a frame
 *
 * Context: any, MMU lock may be held.
 */
void umbra_soft_code_changed(struct umbra_vm *vm, enum umbra_code_change what, gpa_t gpa,
			     unsigned int len)
{
	struct soft_change change = { .gpa = gpa, .len = len };
	struct soft_vm *sv = vm->engine_data;
	unsigned long flags;

	spin_lock_irqsave(&sv->lock, flags);
	switch (what) {
	case UMBRA_CODE_BYTES:
		sv->written[sv->head++ % SOFT_LOG] = change;
		break;
	case UMBRA_CODE_LEAF:
		sv->leaf[sv->leaf_head++ % SOFT_LOG] = change;
		break;
	case UMBRA_CODE_MAPPINGS:
		sv->maps++;
		break;
	case UMBRA_CODE_TOP:
		sv->tops++;
		break;
	}
	/* Pairs with check_code(). */
	smp_store_release(&sv->changes, sv->changes + 1);
	spin_unlock_irqrestore(&sv->lock, flags);
	umbra_vm_request(vm, UMBRA_REQ_EVENT, false);
}

static void forget_page(struct umbra_vcpu *vcpu, unsigned int i)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_code_page *page = &soft->pages[i];

	soft_tc_drop(soft->tc, page->gva, PAGE_SIZE);
	umbra_mmu_code_release(vcpu->vm->mmu, page->gfn);
	take_page_record(soft, i);
	soft->va = 0;
}

/*
 * A kernel patches an instruction here and there: only what was made of those bytes goes, and the
 * page stays watched.  Each write to it is emulated then, so that after some more the page goes.
 */
static void drop_bytes(struct umbra_vcpu *vcpu, unsigned int i, const struct soft_change *change)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_code_page *page = &soft->pages[i];

	if (change->len == PAGE_SIZE || ++page->writes > MAX_WRITES) {
		forget_page(vcpu, i);
		return;
	}
	page->hashed = false;
	soft_tc_drop(soft->tc, page->gva | (change->gpa & ~PAGE_MASK), change->len);
	soft->va = 0;
}

/* Where a page's address leads now; if still to its frame, it stays. */
static void verify_page(struct umbra_vcpu *vcpu, unsigned int i, const struct soft_change *unused)
{
	const struct soft_code_page *page = &to_soft(vcpu)->pages[i];
	struct umbra_fault fault;
	gpa_t gpa;

	/* Nearly all: the guest's tables are not asked. */
	if (umbra_mmu_code_stands(vcpu->mmu, page->gva, page->gfn))
		return;
	if (umbra_mmu_code_map(vcpu->mmu, page->gva, &gpa, &fault) || gpa_to_gfn(gpa) != page->gfn)
		forget_page(vcpu, i);
}

static void verify(struct umbra_vcpu *vcpu)
{
	unsigned int i;

	for (i = to_soft(vcpu)->nr_pages; i-- > 0;)
		verify_page(vcpu, i, NULL);
}

/* What @visit does, which may forget the page, to all pages of a frame that changed. */
static __always_inline void visit_frame(struct umbra_vcpu *vcpu, const struct soft_change *change,
					void (*visit)(struct umbra_vcpu *vcpu, unsigned int i,
						      const struct soft_change *change))
{
	struct soft_vcpu *soft = to_soft(vcpu);
	gfn_t gfn = gpa_to_gfn(change->gpa);
	unsigned int i, next, n;

	for (i = *gfn_bucket(soft, gfn); i != SOFT_NO_PAGE; i = next) {
		next = soft->pages[i].next_gfn;
		n = soft->nr_pages;
		if (soft->pages[i].gfn == gfn)
			visit(vcpu, i, change);
		/* The last record is in the place of one that went. */
		if (soft->nr_pages < n && next == soft->nr_pages)
			next = i;
	}
}

/**
 * struct log - one of the two logs
 * @head: how many entries there were so far
 * @changes: the last SOFT_LOG of them
 * @seen: what this vCPU has heard of
 */
struct log {
	const u64 *head;
	const struct soft_change *changes;
	u64 *seen;
};

/* The oldest change that this vCPU has not heard of.  False: none. */
static bool next_change(struct soft_vm *sv, const struct log *log, struct soft_change *change,
			bool *lost)
{
	bool more;

	spin_lock_irq(&sv->lock);
	*lost = *log->head - *log->seen > SOFT_LOG;
	if (*lost)
		*log->seen = *log->head;
	more = *log->seen != *log->head;
	if (more)
		*change = log->changes[(*log->seen)++ % SOFT_LOG];
	spin_unlock_irq(&sv->lock);
	return more;
}

static void read_written(struct umbra_vcpu *vcpu, struct soft_vm *sv)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct log log = { &sv->head, sv->written, &soft->seen };
	struct soft_change change;
	bool lost = false;

	if (likely(READ_ONCE(sv->head) == soft->seen))
		return;
	while (next_change(sv, &log, &change, &lost))
		visit_frame(vcpu, &change, drop_bytes);
	if (lost)
		flush(vcpu);
}

static void read_unmapped(struct umbra_vcpu *vcpu, struct soft_vm *sv)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct log log = { &sv->leaf_head, sv->leaf, &soft->seen_leaf };
	struct soft_change change;
	bool lost = false;

	if (likely(READ_ONCE(sv->leaf_head) == soft->seen_leaf))
		return;
	while (next_change(sv, &log, &change, &lost))
		visit_frame(vcpu, &change, verify_page);
	if (lost)
		verify(vcpu);
}

/* The address space may be another one. */
static void check_space(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	bool changed = false;
	unsigned int i;
	u64 entry;

	for (i = 0; i < soft->nr_tops; i++) {
		if (umbra_mmu_top_entry(vcpu->mmu, soft->tops[i].index, &entry) &&
		    entry == soft->tops[i].entry)
			continue;
		soft->tops[i].entry = entry;
		changed = true;
	}
	if (changed)
		verify(vcpu);
	/* Where the guest has something of its own the engine must not show itself. */
	if (!umbra_mmu_top_entry(vcpu->mmu, SOFT_HOLE_INDEX, &entry))
		entry = 0;
	soft->hole_taken = entry;
}

/**
 * umbra_soft_same_space() - check_space() as far as can be seen without sleeping
 * @vcpu: the vCPU; its address space is another one, in step, the kernel view's root loaded
 *
 * Context: the vCPU's thread; interrupts may be off.
 * Return: what is above the translations is the same, and the hole is not taken.
 */
bool umbra_soft_same_space(struct umbra_vcpu *vcpu)
{
	const struct soft_vcpu *soft = to_soft(vcpu);
	unsigned int i;
	bool same;
	u64 entry;

	same = umbra_mmu_top_entry_now(vcpu->mmu, SOFT_HOLE_INDEX, &entry) && !entry;
	for (i = 0; same && i < soft->nr_tops; i++)
		same = umbra_mmu_top_entry_now(vcpu->mmu, soft->tops[i].index, &entry) &&
		       entry == soft->tops[i].entry;
	return same;
}

static u32 hash_frame(struct umbra_vcpu *vcpu, gfn_t gfn)
{
	u64 *copy = to_soft(vcpu)->copy, hash = 0;
	unsigned int i;

	if (umbra_guest_read(vcpu->vm, gfn_to_gpa(gfn), copy, PAGE_SIZE))
		memset(copy, 0, PAGE_SIZE);
	/* Against accidents: what the guest itself writes is watched. */
	for (i = 0; i < PAGE_SIZE / sizeof(*copy); i++) {
		hash = (hash ^ copy[i]) * GOLDEN_RATIO_64;
		hash ^= hash >> 32;
	}
	return hash;
}

/*
 * Userspace set registers; it may have put other code into memory before.  Most never do so while
 * there are translations: hashes are taken from the second time on.
 */
static void check_bytes(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	unsigned int i;

	if (!soft->nr_pages)
		return;
	if (!soft->hashing || soft->nr_pages > MAX_HASHED) {
		soft->hashing = true;
		flush(vcpu);
		return;
	}
	for (i = soft->nr_pages; i-- > 0;) {
		const struct soft_code_page *page = &soft->pages[i];

		if (!page->hashed || hash_frame(vcpu, page->gfn) != page->hash)
			forget_page(vcpu, i);
	}
}

/* Not inline: most of the time nothing has changed. */
static noinline void check_changes(struct umbra_vcpu *vcpu, struct soft_vm *sv)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	u64 maps = READ_ONCE(sv->maps), tops = READ_ONCE(sv->tops);

	if (unlikely(vcpu->user_sets != soft->user_sets)) {
		soft->user_sets = vcpu->user_sets;
		check_bytes(vcpu);
		soft->cr3 = ~0ull;
	}
	read_written(vcpu, sv);
	read_unmapped(vcpu, sv);
	if (unlikely(maps != soft->seen_maps)) {
		soft->seen_maps = maps;
		verify(vcpu);
		soft->cr3 = ~0ull;
	}
	/* Few of its entries lead to code; a new process fills in others. */
	if (unlikely(tops != soft->seen_tops)) {
		soft->seen_tops = tops;
		soft->cr3 = ~0ull;
	}
	if (vcpu->regs.cr3 != soft->cr3) {
		soft->cr3 = vcpu->regs.cr3;
		check_space(vcpu);
	}
}

/* What the translations depend on, and who may have changed it. */
static void check_code(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_vm *sv = vcpu->vm->engine_data;
	/* What it counts is seen below; what comes later sends a request. */
	u64 changes = smp_load_acquire(&sv->changes);

	if (likely(changes == soft->seen_changes && vcpu->user_sets == soft->user_sets &&
		   vcpu->regs.cr3 == soft->cr3))
		return;
	soft->seen_changes = changes;
	check_changes(vcpu, sv);
}

static int add_top(struct umbra_vcpu *vcpu, u64 gva)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	unsigned int i, index = top_index(gva);
	u64 entry;

	for (i = 0; i < soft->nr_tops; i++)
		if (soft->tops[i].index == index)
			return 0;
	if (soft->nr_tops == SOFT_NR_TOPS)
		return -ENOSPC;
	if (!umbra_mmu_top_entry(vcpu->mmu, index, &entry))
		return -EFAULT;
	soft->tops[soft->nr_tops++] = (struct soft_top){ .index = index, .entry = entry };
	return 0;
}

/*
 * From now on we hear of changes to the page, its mapping and its bytes; only
 * then the bytes are read.
 * Return: 0; -ENOSPC: flush; others: no code there.
 */
static int add_page(struct umbra_vcpu *vcpu, u64 gva, gpa_t *gpa)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	u64 page = gva & PAGE_MASK;
	const struct soft_code_page *known = find_page(soft, page);
	struct soft_code_page record = { .gva = page };
	struct umbra_fault fault;
	int err;

	/* As true as the translations that were made of it: it may be in the log by now. */
	if (known) {
		*gpa = gfn_to_gpa(known->gfn) | (gva & ~PAGE_MASK);
		return 0;
	}
	err = umbra_mmu_code_map(vcpu->mmu, gva, gpa, &fault);
	if (err)
		return err;
	if (soft->nr_pages == SOFT_NR_PAGES)
		return -ENOSPC;
	err = add_top(vcpu, gva);
	if (!err)
		err = umbra_mmu_code_protect(vcpu->vm->mmu, gpa_to_gfn(*gpa));
	if (err)
		return err;
	record.gfn = gpa_to_gfn(*gpa);
	record.hashed = soft->hashing && soft->nr_pages < MAX_HASHED;
	if (record.hashed)
		record.hash = hash_frame(vcpu, record.gfn);
	put_page_record(soft, &record);
	return 0;
}

/**
 * struct fetch - fetches on behalf of the translator
 * @vcpu: the vCPU
 * @err: why the last one failed
 * @page: the page that was fetched from last; its address, 1: none
 * @gpa: where it is
 */
struct fetch {
	struct umbra_vcpu *vcpu;
	int err;
	u64 page;
	gpa_t gpa;
};

/*
 * The page is watched since the first fetch from it: what happens to it from then on is
 * in the log, which is read before the translation can run.
 */
static int find_code(struct fetch *f, u64 gva, gpa_t *gpa)
{
	u64 page = gva & PAGE_MASK;
	int err;

	if (f->page != page) {
		err = umbra_canonical(gva, SOFT_VA_BITS) ? add_page(f->vcpu, page, &f->gpa) :
							   -EFAULT;
		f->page = err ? 1 : page;
		if (err)
			return err;
	}
	*gpa = f->gpa | (gva & ~PAGE_MASK);
	return 0;
}

static int fetch_code(void *ctx, u64 gva, u8 *buf, unsigned int len)
{
	struct fetch *f = ctx;
	gpa_t gpa;

	f->err = find_code(f, gva, &gpa);
	if (!f->err)
		f->err = umbra_guest_read(f->vcpu->vm, gpa, buf, len);
	return f->err ? 0 : len;
}

/* More room for translations.  False: there will be none. */
static bool grow(struct soft_vcpu *soft)
{
	struct soft_tc_config config;
	int err = umbra_soft_area_grow(&soft->area);

	/* Some of it may have moved though there was not memory for all. */
	umbra_soft_area_room(&soft->area, &config);
	soft_tc_grow(soft->tc, config.room, config.buf, config.records);
	return !err;
}

static int translate(struct umbra_vcpu *vcpu, u64 rip)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct fetch f = { .vcpu = vcpu, .page = 1 };
	u64 blocks = vcpu->stat.tc_blocks, insns = vcpu->stat.tc_insns;
	int err;

	err = soft_tc_translate(soft->tc, rip, fetch_code, &f, &soft->va);
	while (err == -ENOSPC && grow(soft))
		err = soft_tc_translate(soft->tc, rip, fetch_code, &f, &soft->va);
	if (err == -ENOSPC || f.err == -ENOSPC) {
		flush(vcpu);
		f = (struct fetch){ .vcpu = vcpu, .page = 1 };
		err = soft_tc_translate(soft->tc, rip, fetch_code, &f, &soft->va);
	}
	soft->rip = rip;
	count(vcpu);
	trace_umbra_translate(vcpu->id, rip, err ? 0 : soft->va, vcpu->stat.tc_blocks - blocks,
			      vcpu->stat.tc_insns - insns);
	/* The emulator finds out what is wrong there. */
	return err ? 0 : 1;
}

#define EMUL_FEATURES	(UMBRA_EMUL_F_RDTSCP | UMBRA_EMUL_F_RDPID)
#define CR4_FEATURES	(X86_CR4_FSGSBASE | X86_CR4_SMEP)

/*
 * The cache has code for one set of guest features: what CPUID offers, and what CR4 allows.
 * Also what decides, besides page tables, from where a kernel may fetch: the way to a page of
 * code stands when SMEP or NX comes on, but nothing there may be executed any more.
 *
 * All goes, though little of it would have to: a kernel changes them while it boots, and what ran
 * until then hardly runs again, while its pages are written to and each such write is noticed.
 */
static u64 features_of(const struct umbra_vcpu *vcpu)
{
	return (vcpu->regs.cr4 & CR4_FEATURES) | (vcpu->emul_features & EMUL_FEATURES) |
	       (vcpu->regs.efer & EFER_NX) << 32;
}

static noinline void new_features(struct umbra_vcpu *vcpu, u64 features)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_tc_config config = {
		.swapgs = true,
		.rdtsc = true,
		.rdtscp = features & UMBRA_EMUL_F_RDTSCP,
		.rdpid = features & UMBRA_EMUL_F_RDPID,
		.fsgsbase = features & X86_CR4_FSGSBASE,
		.serialize = true,
	};

	soft->features = features;
	flush(vcpu);
	soft_tc_features(soft->tc, &config);
}

static void check_features(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	u64 features = features_of(vcpu);

	BUILD_BUG_ON((CR4_FEATURES & EMUL_FEATURES) || (CR4_FEATURES | EMUL_FEATURES) >> 32);
	if (unlikely(features != soft->features))
		new_features(vcpu, features);
}

/*
 * Breakpoints that only the emulator meets: on the kernel's half, and on code of
 * the half that is running.  The processor watches data of the user's half
 * (run.c), and ports are the emulator's anyway.
 */
static bool has_kernel_breakpoint(const struct umbra_regs *regs)
{
	unsigned int i, kind;

	for (i = 0; i < ARRAY_SIZE(regs->dr); i++) {
		kind = regs->dr7 >> (16 + 4 * i) & 3;
		if (!(regs->dr7 >> (2 * i) & 3) || kind == 2)
			continue;
		if (regs->dr[i] >= SOFT_USER_END || (!kind && regs->rip < SOFT_USER_END))
			return true;
	}
	return false;
}

/* Guest kernel code that the translator knows. */
static bool can_translate(const struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = &vcpu->regs;

	/* Single steps and breakpoints of guest kernel code are the emulator's. */
	if (regs->rflags & (X86_EFLAGS_TF | X86_EFLAGS_IOPL))
		return false;
	if (unlikely(regs->dr7 & 0xff) && has_kernel_breakpoint(regs))
		return false;
	return regs->seg[UMBRA_CS].attr & UMBRA_SEG_L;
}

/* As far as we know: after a change prepare() looks. */
static bool hole_is_taken(const struct umbra_vcpu *vcpu)
{
	const struct soft_vcpu *soft = to_soft((struct umbra_vcpu *)vcpu);
	const struct soft_vm *sv = vcpu->vm->engine_data;

	return unlikely(soft->hole_taken) && soft->cr3 == vcpu->regs.cr3 &&
	       soft->seen_maps == READ_ONCE(sv->maps) &&
	       soft->seen_tops == READ_ONCE(sv->tops) && soft->user_sets == vcpu->user_sets;
}

/* Nothing may come between the next instruction and an event that waits. */
static bool in_shadow(const struct umbra_vcpu *vcpu)
{
	return vcpu->regs.int_shadow && vcpu->want;
}

/* Core has asked already, and no event was delivered since: the answer was no. */
static bool asked_before(struct umbra_vcpu *vcpu)
{
	const struct soft_vcpu *soft = to_soft(vcpu);

	return soft->asked == vcpu->regs.rip && soft->asked_cpl == vcpu->regs.cpl;
}

/*
 * IF is always set while user code runs, and IOPL 0 (run.c).  PUSHF, which cannot be intercepted,
 * would show that where the guest's own are others.
 */
static bool shows_flags(const struct umbra_regs *regs)
{
	return (regs->rflags & (X86_EFLAGS_IF | X86_EFLAGS_IOPL)) != X86_EFLAGS_IF;
}

/* As they were when they last ran, or better: umbra_soft_segs_fit() was true. */
static bool segs_known(const struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	return soft->segs_mode == SOFT_USER && !soft->segs_stale &&
	       !(regs->dirty & (UMBRA_REGS_SEG | UMBRA_REGS_TABLE));
}

/**
 * umbra_soft_must_emulate() - is the code at RIP nothing for this engine
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread.
 * Return: yes.
 */
bool umbra_soft_must_emulate(struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = &vcpu->regs;
	struct soft_vcpu *soft = to_soft(vcpu);

	soft->asked = regs->rip;
	soft->asked_cpl = regs->cpl;
	if (!(regs->efer & EFER_LMA) || vcpu->guest_debug)
		return true;
	if (in_shadow(vcpu))
		return true;
	if (regs->cpl == 0)
		return !can_translate(vcpu) || hole_is_taken(vcpu);
	return regs->cpl != 3 || !umbra_canonical(regs->rip, SOFT_VA_BITS) || shows_flags(regs) ||
	       !(segs_known(soft, regs) || umbra_soft_segs_fit(regs));
}

static int prepare_kernel(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	const struct umbra_regs *regs = &vcpu->regs;
	int err;

	if (unlikely(!soft->tc)) {
		err = create_cache(soft);
		if (err)
			return err;
	}
	check_features(vcpu);
	check_code(vcpu);
	if (soft->hole_taken)
		return 0;
	if (!soft->va || soft->rip != regs->rip) {
		soft->rip = regs->rip;
		soft->va = soft_tc_resume(soft->tc, regs->rip);
	}
	if (!soft->va && !translate(vcpu, regs->rip))
		return 0;
	soft->mode = SOFT_KERNEL;
	return 1;
}

/* The root of the view that core did not load, for the other mode.  False: there is none. */
static bool load_other_root(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	bool user = soft->mode == SOFT_USER, fresh, ok;

	ok = !umbra_mmu_load_view(vcpu->mmu, user ? UMBRA_VIEW_KERNEL : UMBRA_VIEW_USER,
				  &soft->other_root, &fresh);
	/* The kernel view is loaded: translations can be looked at. */
	if (ok && user) {
		check_features(vcpu);
		check_code(vcpu);
		ok = !soft->hole_taken;
	}
	return ok;
}

/*
 * DOC: when no C code is needed
 *
 * May the guest change between user and kernel by itself during the next run?  Not
 * while something waits for a moment that only C code would notice.
 */
static void prepare_fast(struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = &vcpu->regs;
	struct soft_vcpu *soft = to_soft(vcpu);

	soft->fast = 0;
	soft->both = false;
	if (!soft->tc || vcpu->want || (regs->dr7 & 0xff) || !(regs->efer & EFER_SCE))
		return;
	if (!load_other_root(vcpu))
		return;
	soft->both = true;
	soft->fast = SOFT_FAST_SYSRET;
	if (!vcpu->nmi_masked)
		soft->fast |= SOFT_FAST_IRET;
	soft->syscall_va = soft_tc_lookup(soft->tc, regs->lstar);
	if (soft->syscall_va)
		soft->fast |= SOFT_FAST_SYSCALL;
}

/**
 * umbra_soft_prepare() - decide how the vCPU goes on, and get ready for it
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread, SRCU read side held, may sleep.
 * Return: 1: enter the guest; 0: emulate an instruction first; negative errno.
 */
int umbra_soft_prepare(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	int err;

	soft->mode = SOFT_NOTHING;
	if (asked_before(vcpu) ? in_shadow(vcpu) : umbra_soft_must_emulate(vcpu))
		return 0;
	if (vcpu->regs.cpl == 0) {
		err = prepare_kernel(vcpu);
		if (err <= 0)
			return err;
	} else {
		soft->mode = SOFT_USER;
	}
	prepare_fast(vcpu);
	return 1;
}
