// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: simulated processors for the shadow MMU: implementation
 *
 * Also says what no processor may be able to do, whatever happened.
 */
#include <linux/kvm.h>

#include "test_mmu_code.h"
#include "test_mmu_cpu.h"

struct vcpu vcpus[NVCPUS];
struct umbra_mmu_config config;
u8 guest_maxphyaddr;
u32 guest_features;
unsigned int moving[4], nmoving;
bool logged[FAKE_GFNS];
struct umbra_memslot *moody, *big;
const char *failure;
static u64 hole_table[2][512] __attribute__((aligned(4096)));	/* what the engine has in its hole: nothing */

const struct umbra_mmu_config pae_roots = { .pae_roots = true, .levels = 4 };
const struct umbra_mmu_config four_levels = { .levels = 4 };
const struct umbra_mmu_config five_levels = { .levels = 5 };
const struct umbra_mmu_config two_views = { .levels = 4, .two_views = true, .hole = 256 };
const struct umbra_mmu_config two_views_five = {
	.levels = 5, .two_views = true, .hole = 256
};

void clear_tlb(struct vcpu *v)
{
	memset(v->tlb, 0, sizeof(v->tlb));
}

static void clear_tlb_view(struct vcpu *v, enum umbra_view view)
{
	for (int i = 0; i < NTLB; i++)
		if (v->tlb[i].view == view)
			v->tlb[i].valid = false;
}

void clear_all_tlbs(void)
{
	for (int i = 0; i < NVCPUS; i++)
		clear_tlb(&vcpus[i]);
}

static void on_dirty(gfn_t gfn)
{
	logged[gfn] = true;
}

int frame_gfn(u64 hpa)
{
	u64 offset = hpa - (u64)(uintptr_t)fake.big;

	if (offset < UMBRA_LARGE_SIZE)
		return FAKE_BIG + offset / 4096;
	for (int i = 0; i < FAKE_SMALL; i++)
		if ((u64)(uintptr_t)fake.page[i].frame == hpa)
			return i;
	return -1;
}

/* Are some writes to the frame emulated? */
bool shadowed(gfn_t gfn)
{
	bool is;

	write_lock(&fake.mmu->lock);
	is = umbra_page_shadowed(fake.mmu, gfn) || umbra_code_frame(fake.mmu, gfn);
	write_unlock(&fake.mmu->lock);
	return is;
}

/* Shadowed, and in step: writes must be noticed. */
bool guarded(gfn_t gfn)
{
	bool is;

	write_lock(&fake.mmu->lock);
	is = umbra_page_protected(fake.mmu, gfn) || umbra_code_frame(fake.mmu, gfn);
	write_unlock(&fake.mmu->lock);
	return is;
}

static bool smep(const struct vcpu *v)
{
	return (v->paging.cr0 >> 31 & 1) && (v->paging.cr4 >> 20 & 1);
}

bool smap(const struct vcpu *v)
{
	return (v->paging.cr0 >> 31 & 1) && (v->paging.cr4 >> 21 & 1);
}

bool long_mode(const struct vcpu *v)
{
	return (v->paging.efer & 1 << 10) && v->paging.cr0 >> 31;
}

/* For whom an access is made: with two views the guest's supervisor has its own. */
enum umbra_view view_of(struct model_access a)
{
	if (!config.two_views)
		return UMBRA_VIEW_NATIVE;
	return a.user ? UMBRA_VIEW_USER : UMBRA_VIEW_KERNEL;
}

/* CR0.WP = 1 and EFER.NXE = 1 always; with two views always at CPL 3. */
bool permits(const struct vcpu *v, const struct tlb_entry *t, struct model_access a)
{
	if (config.two_views)
		a.user = true;
	if (a.user && !t->u)
		return false;
	if (a.fetch)
		return t->x && !(!a.user && t->u && smep(v));
	if (!a.user && t->u && smap(v) && !a.ac)
		return false;
	return !a.write || t->w;
}

static u64 *table_entry(u64 table, u64 gva, int level)
{
	return (u64 *)(uintptr_t)table + (gva >> (12 + 9 * (level - 1)) & 511);
}

/* Walks the shadow tables; false: not present. */
bool shadow_walk(struct vcpu *v, u64 gva, enum umbra_view view, struct tlb_entry *t)
{
	bool lng = long_mode(v);
	int level = lng || !config.pae_roots ? config.levels : 2;
	u64 table = v->root[view];
	u64 *e;

	*t = (struct tlb_entry){ .valid = true, .w = true, .u = true, .x = true,
				 .view = view, .page = gva >> 12 };
	if (!lng)
		gva &= 0xffffffff;
	if (level == 2) {
		u64 pdptr = ((u64 *)(uintptr_t)table)[gva >> 30];

		if (!(pdptr & 1))
			return false;
		if (pdptr & (~PTE_ADDR & ~1ull))
			FAIL("reserved bits in a PAE pointer: %llx", pdptr);
		table = pdptr & PTE_ADDR;
	}
	for (;; level--) {
		e = table_entry(table, gva, level);
		if (!(*e & 1))
			return false;
		t->w = t->w && (*e & 2);
		t->u = t->u && (*e & 4);
		t->x = t->x && !(*e >> 63);
		if (level == 1 || (*e & PTE_PS))
			break;
		table = *e & PTE_ADDR;
	}
	*e |= PTE_A;
	t->hpa = (*e & PTE_ADDR & ~((4096ull << (9 * (level - 1))) - 1)) |
		 (gva & ((4096ull << (9 * (level - 1))) - 1) & ~4095ull);
	return true;
}

struct tlb_entry *tlb_find(struct vcpu *v, u64 gva, enum umbra_view view)
{
	for (int i = 0; i < NTLB; i++)
		if (v->tlb[i].valid && v->tlb[i].page == gva >> 12 && v->tlb[i].view == view)
			return &v->tlb[i];
	return NULL;
}

void must_reload(struct vcpu *v)
{
	memset(v->reload, true, sizeof(v->reload));
}

void load(struct vcpu *v, enum umbra_view view)
{
	bool fresh;
	int ret;

	if (config.two_views)
		umbra_mmu_set_view(v->ctx, view);
	do {
		v->reload[view] = false;
		ret = umbra_mmu_load(v->ctx, &v->root[view], &fresh);
		if (ret)
			FAIL("no root: %d", ret);
		if (fresh)
			clear_tlb_view(v, view);
	} while (v->reload[view]);
}

/* What no processor may be able to do, whatever happened. */
static void check_tlbs(void)
{
	for (int i = 0; i < NVCPUS; i++) {
		for (int k = 0; k < NTLB; k++) {
			struct tlb_entry *t = &vcpus[i].tlb[k];
			int gfn;

			if (!t->valid)
				continue;
			gfn = frame_gfn(t->hpa);
			if (gfn < 0) {
				FAIL("a TLB reaches a frame that the host took back");
				return;
			}
			if (!fake_slot(gfn))
				FAIL("a TLB reaches gfn %d, which has no slot", gfn);
			if (t->w && guarded(gfn))
				FAIL("a TLB may write to gfn %d, which is shadowed", gfn);
			if (t->w && fake_slot(gfn) &&
			    (fake_slot(gfn)->flags & KVM_MEM_READONLY))
				FAIL("a TLB may write to a read-only slot");
			if (t->w && fake_slot(gfn) && !logged[gfn] &&
			    (fake_slot(gfn)->flags & KVM_MEM_LOG_DIRTY_PAGES))
				FAIL("a TLB may write unlogged");
		}
	}
}

/* The engine's entry is in every root that a processor may use. */
static void check_holes(void)
{
	for (int i = 0; i < NVCPUS; i++) {
		for (int view = UMBRA_VIEW_KERNEL; view < UMBRA_NR_VIEWS; view++) {
			struct vcpu *v = &vcpus[i];
			u64 table = v->root[view];

			if (!long_mode(v) || v->reload[view] || !config.two_views)
				continue;
			if (config.levels == 5)
				table = ((u64 *)(uintptr_t)table)[511] & PTE_ADDR;
			if (((u64 *)(uintptr_t)table)[config.hole] !=
			    ((u64)(uintptr_t)hole_table[view - 1] | 3))
				FAIL("the hole of view %d is closed", view);
		}
	}
}

void check_all(void)
{
	unsigned int broken = umbra_mmu_audit(fake.mmu);
	const char *code = code_check();

	if (code)
		FAIL("%s", code);
	if (broken)
		FAIL("invariant %u is broken", broken);
	check_tlbs();
	check_holes();
}

void settle_moves(void)
{
	while (nmoving)
		fake_move_end(moving[--nmoving]);
}

void set_paging(struct vcpu *v, const struct umbra_paging *p)
{
	if (v->busy)
		return;
	v->paging = *p;
	v->paging.maxphyaddr = guest_maxphyaddr;
	v->paging.features = guest_features;
	if (config.two_views)
		v->paging.cr4 &= ~(1ull << 21);
	umbra_mmu_set_paging(v->ctx, &v->paging);
	code_forget(v->ctx);
	umbra_mmu_flush(v->ctx, true);
	clear_tlb(v);
	must_reload(v);
	load(v, view_of((struct model_access){ .user = chance(50) }));
}

bool switch_now(struct vcpu *v, u64 cr3)
{
	enum umbra_view view;
	bool fresh;
	hpa_t root;

	if (v->busy || !umbra_mmu_switch_now(v->ctx, cr3))
		return false;
	v->paging.cr3 = cr3;
	code_forget(v->ctx);
	clear_tlb(v);
	for (view = 0; view < UMBRA_NR_VIEWS; view++) {
		if ((view != UMBRA_VIEW_NATIVE) != config.two_views)
			continue;
		v->root[view] = umbra_mmu_loaded_root(v->ctx, view);
		v->reload[view] = false;
		if (umbra_mmu_load_view(v->ctx, view, &root, &fresh) || root != v->root[view])
			FAIL("root %llx became %llx", v->root[view], root);
	}
	return true;
}

static void on_reload(void)
{
	static unsigned int known;

	if (known == fake.reloads)
		return;
	known = fake.reloads;
	for (int i = 0; i < NVCPUS; i++)
		must_reload(&vcpus[i]);
}

static void on_flush(void)
{
	on_reload();
	clear_all_tlbs();
}

void start(struct umbra_mmu_config how)
{
	fake_reset();
	memset(vcpus, 0, sizeof(vcpus));
	nmoving = 0;
	guest_maxphyaddr = 36 + below(10);
	guest_features = below(16);
	failure = NULL;
	config = how;
	fake.mmu = umbra_mmu_create(NULL, &fake_ops, &config);
	fake_add_slot(0, 40, 0);
	moody = fake_add_slot(40, 40, 0);
	big = fake_add_slot(FAKE_BIG, UMBRA_LARGE_PAGES, 0);
	fake.mmu->max_pages = config.two_views ? 2 * MAX_PAGES : MAX_PAGES;
	code_start();
	fake.on_flush = on_flush;
	fake.on_dirty = on_dirty;
	for (int i = 0; i < NVCPUS; i++) {
		vcpus[i].ctx = umbra_mmu_ctx_create(fake.mmu);
		must_reload(&vcpus[i]);
		umbra_mmu_ctx_set_hole(vcpus[i].ctx, (uintptr_t)hole_table[0] | 3,
				       (uintptr_t)hole_table[1] | 3);
	}
}

void stop(void)
{
	settle_moves();
	fake.on_unlocked = NULL;
	umbra_mmu_stop(fake.mmu);
	for (int i = 0; i < NVCPUS; i++)
		umbra_mmu_ctx_destroy(vcpus[i].ctx);
	while (fake.slots->count)
		fake_del_slot(fake.slots->slot[0]);
	if (fake.mmu->nr_pages)
		FAIL("%lu pages are left", fake.mmu->nr_pages);
	umbra_mmu_destroy(fake.mmu);
	fake_free();
}

void put_entry(unsigned int table, unsigned int index, u64 entry)
{
	memcpy(fake.page[table].frame + 8 * index, &entry, 8);
}

/* The frame that the shadow gives for @gva, after as many faults as it takes; -1: none. */
int frame_for(struct vcpu *v, u64 gva, bool write)
{
	struct model_access a = { .write = write, .ac = true };
	struct umbra_fault_info info;
	struct tlb_entry t;

	for (int i = 0; i < 8; i++) {
		load(v, view_of(a));
		if (shadow_walk(v, gva, view_of(a), &t) && permits(v, &t, a))
			return frame_gfn(t.hpa);
		if (umbra_mmu_fault(v->ctx, gva, write ? UMBRA_PF_W : 0, true, &info) !=
		    UMBRA_VERDICT_RETRY)
			return -1;
	}
	return -1;
}
