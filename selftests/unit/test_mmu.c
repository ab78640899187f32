// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the shadow MMU against a model
 *
 * Three simulated processors run random accesses through the shadow tables,
 * each with a TLB that forgets only what it must.  Between (and, by the fake
 * host, in the middle of) their faults the guest edits its tables, loads
 * control registers, the host moves frames, slots come and go, the dirty log is
 * taken.  After every step:
 *
 *  - the numbered invariants hold (umbra_mmu_audit);
 *  - what the shadow tables give is what the model of the guest's tables gives,
 *    to the same frame, with A and D set; every fault is the model's fault;
 *  - no TLB reaches a frame that the host took back, or may write to a table
 *    that is shadowed, or writes unlogged where writes are logged;
 *  - every access is settled after a few faults.
 */
#include <linux/kvm.h>

#include "ktap.h"
#include "test_mmu_code.h"
#include "test_mmu_fake.h"
#include "test_mmu_gen.h"
#include "test_mmu_model.h"
#include "x86_bits.h"

#define NVCPUS		3
#define NTLB		24
#define MAX_PAGES	90
#define TRIES		24

struct tlb_entry {
	bool valid, w, u, x;
	enum umbra_view view;
	u64 page;	/* gva >> 12 */
	u64 hpa;
};

struct vcpu {
	struct umbra_mmu_ctx *ctx;
	struct umbra_paging paging;
	struct tlb_entry tlb[NTLB];
	bool reload[UMBRA_NR_VIEWS], busy;
	hpa_t root[UMBRA_NR_VIEWS];
};

static struct vcpu vcpus[NVCPUS];
static struct umbra_mmu_config config;
static u8 guest_maxphyaddr;	/* all processors have the same CPUID */
static u32 guest_features;
static u64 hole_table[2][512] __attribute__((aligned(4096)));	/* what the engine has in its hole: nothing */
static bool pending_edit;	/* the guest changed tables and has not flushed yet */
static u64 exact_gva;		/* but this address was, by INVLPG; 0: none */
static bool disturbed;		/* something happened inside the current fault */
static unsigned int moving[4], nmoving;
static bool logged[FAKE_GFNS];
static struct umbra_memslot *moody;	/* the slot that comes and goes */
static const char *failure;
static struct {
	unsigned long accesses, tlb_hits, guest, mmio, write, filled, nested, invlpg;
} seen;

#define FAIL(...)							\
	do {								\
		if (!failure) {						\
			failure = "x";					\
			ktap_note(__VA_ARGS__);				\
		}							\
	} while (0)

static void clear_tlb(struct vcpu *v)
{
	memset(v->tlb, 0, sizeof(v->tlb));
}

static void clear_tlb_view(struct vcpu *v, enum umbra_view view)
{
	for (int i = 0; i < NTLB; i++)
		if (v->tlb[i].view == view)
			v->tlb[i].valid = false;
}

static void clear_all_tlbs(void)
{
	for (int i = 0; i < NVCPUS; i++)
		clear_tlb(&vcpus[i]);
}

static void on_dirty(gfn_t gfn)
{
	logged[gfn] = true;
}

static int frame_gfn(u64 hpa)
{
	for (int i = 0; i < FAKE_GFNS; i++)
		if ((u64)(uintptr_t)fake.page[i].frame == hpa)
			return i;
	return -1;
}

/* Are some writes to the frame emulated? */
static bool shadowed(gfn_t gfn)
{
	bool is;

	spin_lock(&fake.mmu->lock);
	is = umbra_page_shadowed(fake.mmu, gfn) || umbra_code_frame(fake.mmu, gfn);
	spin_unlock(&fake.mmu->lock);
	return is;
}

/* Shadowed, and in step: writes must be noticed. */
static bool guarded(gfn_t gfn)
{
	bool is;

	spin_lock(&fake.mmu->lock);
	is = umbra_page_protected(fake.mmu, gfn);
	spin_unlock(&fake.mmu->lock);
	return is;
}

static void check_holes(void);

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

static void check_all(void)
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

/* The processor. */

static bool smep(const struct vcpu *v)
{
	return (v->paging.cr0 >> 31 & 1) && (v->paging.cr4 >> 20 & 1);
}

static bool smap(const struct vcpu *v)
{
	return (v->paging.cr0 >> 31 & 1) && (v->paging.cr4 >> 21 & 1);
}

static bool long_mode(const struct vcpu *v)
{
	return (v->paging.efer & 1 << 10) && v->paging.cr0 >> 31;
}

/* For whom an access is made: with two views the guest's supervisor has its own. */
static enum umbra_view view_of(struct model_access a)
{
	if (!config.two_views)
		return UMBRA_VIEW_NATIVE;
	return a.user ? UMBRA_VIEW_USER : UMBRA_VIEW_KERNEL;
}

/* CR0.WP = 1 and EFER.NXE = 1 always; with two views always at CPL 3. */
static bool permits(const struct vcpu *v, const struct tlb_entry *t, struct model_access a)
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
static bool shadow_walk(struct vcpu *v, u64 gva, enum umbra_view view, struct tlb_entry *t)
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

static struct tlb_entry *tlb_find(struct vcpu *v, u64 gva, enum umbra_view view)
{
	for (int i = 0; i < NTLB; i++)
		if (v->tlb[i].valid && v->tlb[i].page == gva >> 12 && v->tlb[i].view == view)
			return &v->tlb[i];
	return NULL;
}

static void must_reload(struct vcpu *v)
{
	memset(v->reload, true, sizeof(v->reload));
}

static void load(struct vcpu *v, enum umbra_view view)
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

/* Return: translation that permits the access, by TLB or tables; NULL: a fault. */
static struct tlb_entry *processor_access(struct vcpu *v, u64 gva, struct model_access a,
					  bool *from_tlb, bool *present)
{
	enum umbra_view view = view_of(a);
	struct tlb_entry *t = tlb_find(v, gva, view);
	static struct tlb_entry walked;

	if (config.two_views)
		umbra_mmu_set_view(v->ctx, view);
	if (v->reload[view])
		load(v, view);
	if (t && t->valid && permits(v, t, a) && chance(80)) {
		*from_tlb = true;
		return t;
	}
	if (t)
		t->valid = false;
	*from_tlb = false;
	*present = shadow_walk(v, gva, view, &walked);
	if (!*present || !permits(v, &walked, a))
		return NULL;
	t = &v->tlb[below(NTLB)];
	*t = walked;
	return t;
}

/* The guest. */

static void random_op(void);

static void model_now(struct vcpu *v, u64 gva, struct model_access a, bool effects,
		      struct model_result *r)
{
	struct model_mem mem = { fake_read, fake_write, NULL };

	a.effects = effects;
	model_translate(&v->paging, &mem, gva, a, r);
}

static void guest_flush_all(void)
{
	for (int i = 0; i < NVCPUS; i++) {
		umbra_mmu_flush(vcpus[i].ctx, true);
		clear_tlb(&vcpus[i]);
	}
	pending_edit = false;
}

static u64 random_data(const struct vcpu *v, gfn_t gfn)
{
	return gfn < GEN_TABLES ? gen_entry(&v->paging, chance(40)) : rnd();
}

/* Bytes changed by the guest at @gpa. */
static void edited(gpa_t gpa)
{
	if (gpa_to_gfn(gpa) >= GEN_TABLES)
		return;
	pending_edit = true;
	exact_gva = 0;
	if (chance(50))
		guest_flush_all();
}

static void do_write(struct vcpu *v, const struct tlb_entry *t, u64 gva)
{
	int gfn = frame_gfn(t->hpa);
	u64 data;

	if (gfn < 0)
		return;
	data = random_data(v, gfn);
	memcpy((u8 *)(uintptr_t)t->hpa + (gva & 4088), &data, 8);
	edited(gfn_to_gpa(gfn));
}

static void emulate_write(struct vcpu *v, gpa_t gpa)
{
	u64 data = random_data(v, gpa_to_gfn(gpa));
	unsigned int len = chance(80) ? 8 : 4;

	gpa &= ~7ull;
	if (!fake_mem(gpa) || (fake_slot(gpa_to_gfn(gpa))->flags & KVM_MEM_READONLY))
		return;
	memcpy(fake_mem(gpa), &data, len);
	umbra_mmu_wrote(fake.mmu, gpa, len);
	edited(gpa);
}

/* As the guest would: tables that are out of step are written unnoticed. */
static void guest_store(gpa_t gpa, u64 data)
{
	bool noticed = guarded(gpa_to_gfn(gpa)) || !shadowed(gpa_to_gfn(gpa));

	memcpy(fake_mem(gpa), &data, 8);
	if (noticed)
		umbra_mmu_wrote(fake.mmu, gpa, 8);
}

static void settle_moves(void)
{
	while (nmoving)
		fake_move_end(moving[--nmoving]);
}

/* A and D cannot be set in tables in read-only memory. */
static bool read_only_tables(const struct vcpu *v, u64 gva)
{
	struct umbra_walk_env env;
	struct umbra_memslot *slot;
	struct umbra_walk walk;

	umbra_walk_prepare(&env, &v->paging);
	umbra_walk(fake.mmu, &env, gva, UMBRA_ACC_PEEK, &walk);
	for (int level = walk.top; walk.top && level >= walk.level; level--) {
		slot = fake_slot(walk.table[level]);
		/* Others may have changed the tables since. */
		if (!slot || slot->flags & KVM_MEM_READONLY)
			return true;
	}
	return false;
}

static void check_success(struct vcpu *v, u64 gva, struct model_access a,
			  const struct tlb_entry *t, bool from_tlb)
{
	struct model_result r;
	bool nowp = !(v->paging.cr0 & 1 << 16);

	if (pending_edit && gva != exact_gva)
		return;
	model_now(v, gva, a, false, &r);
	/*
	 * With CR0.WP = 0 a user page written by the supervisor is a supervisor
	 * page for a while, out of the reach of SMAP: the one deviation.
	 */
	if (!r.ok && nowp && smap(v) && !a.user)
		return;
	if (!r.ok) {
		FAIL("gva %llx w%d u%d f%d: the shadow allows what the guest forbids (tlb %d)", gva,
		     a.write, a.user, a.fetch, from_tlb);
		return;
	}
	if (fake.page[r.gpa >> 12].frame != (u8 *)(uintptr_t)t->hpa)
		FAIL("gva %llx leads to the wrong frame (tlb %d)", gva, from_tlb);
	if (from_tlb || read_only_tables(v, gva))
		return;
	if (a.write && !r.dirty)
		FAIL("gva %llx written, but not dirty", gva);
	if (!r.accessed)
		FAIL("gva %llx used, but not accessed", gva);
}

static u32 hw_error_code(struct model_access a, bool present)
{
	return (present ? UMBRA_PF_P : 0) | (a.write ? UMBRA_PF_W : 0) |
	       (a.user ? UMBRA_PF_U : 0) | (a.fetch ? UMBRA_PF_I : 0);
}

/* Return: the access is settled. */
static bool take_fault(struct vcpu *v, u64 gva, struct model_access a, bool present)
{
	struct umbra_fault_info info;
	struct model_result r;
	enum umbra_verdict verdict;
	bool sure;

	model_now(v, gva, a, false, &r);
	disturbed = false;
	verdict = umbra_mmu_fault(v->ctx, gva, hw_error_code(a, present), a.ac, &info);
	sure = !disturbed;
	if (config.two_views && long_mode(v) && (gva >> 39 & 511) == config.hole &&
	    verdict == UMBRA_VERDICT_ERROR && info.error == -EOPNOTSUPP) {
		if (sure && !r.ok)
			FAIL("gva %llx: the hole hides the guest's own fault", gva);
		return true;
	}
	switch (verdict) {
	case UMBRA_VERDICT_RETRY:
		seen.filled++;
		if (config.two_views && long_mode(v) && (gva >> 39 & 511) == config.hole)
			FAIL("gva %llx: filled in the hole", gva);
		/* The supervisor's code is not run in place, but mapped. */
		if (config.two_views && a.fetch && !a.user)
			return true;
		if (sure && !r.ok)
			FAIL("gva %llx: retry, but it is the guest's fault", gva);
		return false;
	case UMBRA_VERDICT_GUEST:
		seen.guest++;
		if (sure && (r.ok || info.fault.error_code != r.error_code ||
			     info.fault.addr != gva || info.fault.vector != 14))
			FAIL("gva %llx: guest fault %x, model says ok=%d %x", gva,
			     info.fault.error_code, r.ok, r.error_code);
		return true;
	case UMBRA_VERDICT_MMIO:
		seen.mmio++;
		if (sure && (!r.ok || info.gpa != r.gpa || fake_mem(r.gpa)))
			FAIL("gva %llx: MMIO at %llx, model says ok=%d %llx", gva, info.gpa, r.ok,
			     r.gpa);
		return true;
	case UMBRA_VERDICT_WRITE:
		seen.write++;
		if (sure && (!r.ok || !a.write || info.gpa != r.gpa || !fake_mem(r.gpa)))
			FAIL("gva %llx: write at %llx, model says ok=%d %llx", gva, info.gpa, r.ok,
			     r.gpa);
		if (sure && !shadowed(r.gpa >> 12) &&
		    !(fake_slot(r.gpa >> 12)->flags & KVM_MEM_READONLY))
			FAIL("gva %llx: emulation of an ordinary write", gva);
		emulate_write(v, info.gpa);
		return true;
	case UMBRA_VERDICT_ERROR:
		break;
	}
	FAIL("gva %llx: error %d", gva, info.error);
	return true;
}

static void access_memory(struct vcpu *v, u64 gva, struct model_access a)
{
	struct tlb_entry *t;
	bool from_tlb, present = false;

	if (v->busy)
		return;
	v->busy = true;
	seen.accesses++;
	for (int i = 0; i < TRIES && !failure; i++) {
		t = processor_access(v, gva, a, &from_tlb, &present);
		if (t) {
			seen.tlb_hits += from_tlb;
			check_success(v, gva, a, t, from_tlb);
			if (a.write)
				do_write(v, t, gva);
			goto out;
		}
		if (i > 4)
			settle_moves();
		if (take_fault(v, gva, a, present))
			goto out;
	}
	FAIL("gva %llx w%d u%d f%d is not settled", gva, a.write, a.user, a.fetch);
out:
	v->busy = false;
}

/* Operations. */

static void set_paging(struct vcpu *v, const struct umbra_paging *p)
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

/* Processors of a guest mostly agree on the mode, and load CR3 often. */
static void load_cr3(struct vcpu *v)
{
	struct umbra_paging p = v->paging;
	struct umbra_paging fresh = gen_paging(umbra_role_mode(&p));

	p.cr3 = fresh.cr3;
	memcpy(p.pdptr, fresh.pdptr, sizeof(p.pdptr));
	set_paging(v, &p);
}

static void change_mode(void)
{
	struct umbra_paging p = gen_paging(below(4));

	for (int i = 0; i < NVCPUS; i++) {
		struct umbra_paging mine = p;

		if (chance(30))
			mine = gen_paging(chance(60) ? umbra_role_mode(&p) : below(4));
		/* Often the same address space. */
		mine.cr3 = chance(60) ? p.cr3 : (u64)below(GEN_TABLES) << 12;
		set_paging(&vcpus[i], &mine);
	}
	if (chance(50) && !pending_edit) {
		gen_tables(&p);
		for (int t = 0; t < GEN_TABLES; t++)
			for (int at = 0; at < 4096; at += 512)
				umbra_mmu_wrote(fake.mmu, gfn_to_gpa(t) + at, 512);
		pending_edit = true;
		guest_flush_all();
	}
}

static void guest_edit(void)
{
	struct vcpu *v = &vcpus[below(NVCPUS)];
	gpa_t gpa = (u64)below(GEN_TABLES) << 12 | (gen_gva(&v->paging) >> 12 & 511) << 3;

	if (!fake_mem(gpa))
		return;
	guest_store(gpa, gen_entry(&v->paging, chance(40)));
	edited(gpa);
}

static void invlpg(u64 gva)
{
	for (int i = 0; i < NVCPUS; i++) {
		umbra_mmu_invlpg(vcpus[i].ctx, gva);
		for (int k = 0; k < NTLB; k++)
			if (vcpus[i].tlb[k].page == gva >> 12)
				vcpus[i].tlb[k].valid = false;
	}
}

/* After INVLPG everywhere, this address is exact, whatever else is pending. */
static void edit_and_invlpg(struct vcpu *v, u64 gva)
{
	struct umbra_walk_env env;
	struct umbra_walk walk;

	umbra_walk_prepare(&env, &v->paging);
	if (pending_edit || v->busy || !(v->paging.cr0 >> 31) ||
	    umbra_walk(fake.mmu, &env, gva, UMBRA_ACC_PEEK, &walk) || walk.level != 1)
		return;
	for (int level = 2; level <= walk.top; level++)
		if (walk.table[level] == walk.table[1])
			return;
	if (fake_slot(walk.table[1])->flags & KVM_MEM_READONLY || env.mode == UMBRA_MODE_32BIT)
		return;
	guest_store(walk.pte_gpa[1], chance(50) ? gen_entry(&v->paging, true) :
		    walk.pte[1] ^ (1ull << below(7)));
	invlpg(gva);
	seen.invlpg++;
	pending_edit = true;
	exact_gva = gva;
	access_memory(v, gva, gen_access());
	exact_gva = 0;
}

static void host_op(void)
{
	gfn_t gfn = below(FAKE_GFNS);

	if (chance(30)) {
		fake.page[gfn].host_ro = true;
		fake_move_begin(gfn);
		fake_move_end(gfn);
	} else if (nmoving < ARRAY_SIZE(moving) && chance(50)) {
		fake_move_begin(gfn);
		moving[nmoving++] = gfn;
	} else if (nmoving) {
		fake_move_end(moving[--nmoving]);
	} else {
		umbra_invalidate_young(fake.mmu, FAKE_HVA, FAKE_HVA + (FAKE_GFNS << 12),
				       chance(50));
	}
}

static void take_log(void)
{
	bool changed;

	if (!moody || !(moody->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return;
	memset(logged + moody->base_gfn, 0, moody->npages);
	changed = umbra_mmu_write_protect(fake.mmu, moody, 0, ~0ull);
	if (changed)
		clear_all_tlbs();
}

static void slot_op(void)
{
	static const u32 kinds[] = { 0, KVM_MEM_READONLY, KVM_MEM_LOG_DIRTY_PAGES };

	for (int i = 0; i < NVCPUS; i++)
		if (vcpus[i].busy)	/* it holds SRCU: the change would wait */
			return;
	if (moody && chance(50)) {
		fake_del_slot(moody);
		moody = NULL;
	} else if (!moody) {
		moody = fake_add_slot(40, 40, kinds[below(3)]);
		memset(logged, 0, sizeof(logged));
	} else if (!(moody->flags & KVM_MEM_READONLY)) {
		moody->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
		take_log();
	}
	fake.mmu->max_pages = config.two_views ? 2 * MAX_PAGES : MAX_PAGES;
}

/* Few addresses, so that they are used again: by TLBs, by other processors, after edits. */
static u64 hot_gva(const struct vcpu *v)
{
	static u64 hot[4][16];
	u64 *gva = &hot[umbra_role_mode(&v->paging)][below(16)];

	if (!*gva || chance(4)) {
		struct model_access a = { .ac = true };
		struct model_result r = { 0 };

		for (int i = 0; i < 12 && !r.ok; i++) {
			*gva = gen_gva(&v->paging);
			model_now((struct vcpu *)v, *gva, a, false, &r);
		}
	}
	return *gva;
}

/* An address that the supervisor can execute, mostly. */
static u64 code_gva(struct vcpu *v)
{
	struct model_access a = { .fetch = true };
	struct model_result r = { 0 };
	u64 gva = 0;

	for (int i = 0; i < 30 && !r.ok; i++) {
		gva = gen_gva(&v->paging);
		model_now(v, gva, a, false, &r);
	}
	return gva;
}

static void random_op(void)
{
	struct vcpu *v = &vcpus[below(NVCPUS)];
	unsigned int what = below(1000);

	if (what < 150 && config.two_views && long_mode(v) && !v->busy)
		code_translate(v->ctx, &v->paging, code_gva(v));
	else if (what < 800)
		access_memory(v, hot_gva(v), gen_access());
	else if (what < 880)
		guest_edit();
	else if (what < 900)
		load_cr3(v);
	else if (what < 950)
		host_op();
	else if (what < 960)
		guest_flush_all();
	else if (what < 962)
		invlpg(gen_gva(&v->paging));
	else if (what < 985)
		edit_and_invlpg(v, hot_gva(v));
	else if (what < 988)
		take_log();
	else if (what < 992)
		umbra_mmu_unprotect(fake.mmu, below(GEN_TABLES));
	else if (what < 995)
		slot_op();
	else if (what < 998 && !v->busy)
		set_paging(v, &v->paging);
}

/* Called by the fake host where the MMU holds no lock: others run. */
static void on_unlocked(void)
{
	static int depth;

	if (depth || !chance(6))
		return;
	depth++;
	disturbed = true;
	seen.nested++;
	random_op();
	disturbed = true;
	depth--;
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

static const struct umbra_mmu_config pae_roots = { .pae_roots = true, .levels = 4 };
static const struct umbra_mmu_config four_levels = { .levels = 4 };
static const struct umbra_mmu_config five_levels = { .levels = 5 };
static const struct umbra_mmu_config two_views = { .levels = 4, .two_views = true, .hole = 256 };
static const struct umbra_mmu_config two_views_five = {
	.levels = 5, .two_views = true, .hole = 256
};

static void start(struct umbra_mmu_config how)
{
	fake_reset();
	memset(vcpus, 0, sizeof(vcpus));
	memset(&seen, 0, sizeof(seen));
	nmoving = 0;
	guest_maxphyaddr = 36 + below(10);
	guest_features = below(16);
	pending_edit = false;
	exact_gva = 0;
	failure = NULL;
	config = how;
	fake.mmu = umbra_mmu_create(NULL, &fake_ops, &config);
	fake_add_slot(0, 40, 0);
	moody = fake_add_slot(40, 40, 0);
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

static void stop(void)
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

static bool run(struct umbra_mmu_config how, bool concurrent, unsigned int steps, u64 seed)
{
	const struct umbra_mmu_stats *s;

	rnd_state = seed;
	gen_friendly = true;
	start(how);
	fake.on_unlocked = concurrent ? on_unlocked : NULL;
	for (unsigned int i = 0; i < steps && !failure; i++) {
		if (i % 400 == 0)
			change_mode();
		random_op();
		check_all();
	}
	s = umbra_mmu_stats(fake.mmu);
	ktap_note("seed %llx: %lu accesses, %lu TLB hits, %lu nested; fills %lu guest %lu mmio %lu write %lu; pages %llu/%llu unsync %llu (%lu invlpg) flood %llu flushes %llu roots %llu/%llu",
		  seed, seen.accesses, seen.tlb_hits, seen.nested, seen.filled, seen.guest, seen.mmio,
		  seen.write, s->sp_new, s->sp_zapped, s->unsync, seen.invlpg, s->flood, s->remote_flush, s->root_hit,
		  s->root_miss);
	if (config.two_views)
		ktap_note("code: %lu copies made, %u left; written %llu unmapped %llu", code_made,
			  code_copies(), s->code_written, s->code_unmapped);
	stop();
	return !failure;
}

/* Tables in frames 0 to 3; page 0 is data, page 1 the leaf table itself. */
#define PTE_ALL		(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

static void put_entry(unsigned int table, unsigned int index, u64 entry)
{
	memcpy(fake.page[table].frame + 8 * index, &entry, 8);
}

/* The frame that the shadow gives for @gva, after as many faults as it takes; -1: none. */
static int frame_for(struct vcpu *v, u64 gva, bool write)
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

static void unsync_start(struct vcpu *v)
{
	struct umbra_paging p = { .cr0 = 1ull << 31 | 1 << 16, .cr4 = 1 << 5,
				  .efer = 1 << 8 | 1 << 10 | 1 << 11 };

	start(pae_roots);
	for (int t = 0; t < 3; t++)
		put_entry(t, 0, (u64)(t + 1) << 12 | PTE_ALL);
	put_entry(3, 0, 20ull << 12 | PTE_ALL);
	put_entry(3, 1, 3ull << 12 | PTE_ALL);
	set_paging(v, &p);
	if (frame_for(v, 0, false) != 20 || frame_for(v, 0x1000, true) != 3)
		FAIL("setting up");
	if (!fake.mmu->nr_unsync)
		FAIL("the leaf table is not unsync");
}

static bool invlpg_is_heard(void)
{
	struct vcpu *v = &vcpus[0];

	unsync_start(v);
	put_entry(3, 0, 22ull << 12 | PTE_ALL);
	umbra_mmu_invlpg(v->ctx, 0);
	if (frame_for(v, 0, false) != 22)
		FAIL("stale after INVLPG");
	check_all();
	stop();
	return !failure;
}

static bool flush_is_heard(void)
{
	struct vcpu *v = &vcpus[0];

	unsync_start(v);
	put_entry(3, 0, 22ull << 12 | PTE_ALL);
	umbra_mmu_flush(vcpus[1].ctx, true);
	if (frame_for(v, 0, false) != 22)
		FAIL("stale after a flush by another vCPU");
	if (fake.mmu->nr_unsync)
		FAIL("still unsync");
	check_all();
	stop();
	return !failure;
}

/* An address that was never translated needs no flush. */
static bool new_link_is_in_step(void)
{
	struct vcpu *v = &vcpus[0];

	unsync_start(v);
	put_entry(3, 0, 23ull << 12 | PTE_ALL);
	put_entry(2, 1, 3ull << 12 | PTE_ALL);
	umbra_mmu_wrote(fake.mmu, 0x2008, 8);
	put_entry(3, 64, 24ull << 12 | PTE_ALL);
	/* The fault that makes the link, at another page; then the page that changed. */
	if (frame_for(v, 0x240000, false) != 24 || frame_for(v, 0x200000, false) != 23)
		FAIL("stale at a new address");
	check_all();
	stop();
	return !failure;
}

static void views_start(struct vcpu *v, struct umbra_mmu_config how, u64 leaf_bits)
{
	struct umbra_paging p = { .cr0 = 1ull << 31 | 1 << 16, .cr4 = 1 << 5,
				  .efer = 1 << 8 | 1 << 10 | 1 << 11 };

	start(how);
	for (int t = 0; t < 3; t++)
		put_entry(t, 0, (u64)(t + 1) << 12 | PTE_ALL);
	put_entry(0, 511, 1ull << 12 | PTE_ALL);
	put_entry(3, 0, 20ull << 12 | leaf_bits);
	set_paging(v, &p);
}

/* What a view's entry for address 0 allows after the supervisor touched it. */
static struct tlb_entry supervisor_leaf(struct vcpu *v, bool write)
{
	struct tlb_entry t = { 0 };

	if (frame_for(v, 0, write) == 20)
		shadow_walk(v, 0, UMBRA_VIEW_KERNEL, &t);
	return t;
}

static bool kernel_view_obeys_wp(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_paging p;
	struct tlb_entry t;

	views_start(v, two_views, PTE_P | PTE_A | PTE_D);
	t = supervisor_leaf(v, false);
	if (!t.valid || !t.u || t.w || t.x)
		FAIL("the supervisor's read-only page: u%d w%d x%d", t.u, t.w, t.x);
	if (frame_for(v, 0, true) != -1)
		FAIL("CR0.WP is not obeyed");
	p = v->paging;
	p.cr0 &= ~(1ull << 16);
	set_paging(v, &p);
	t = supervisor_leaf(v, false);
	if (!t.valid || !t.u || !t.w || t.x)
		FAIL("without CR0.WP: u%d w%d x%d", t.u, t.w, t.x);
	check_all();
	stop();
	return !failure;
}

static bool user_view_hides_supervisor(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_fault_info info;
	struct tlb_entry t;

	views_start(v, two_views, PTE_P | PTE_W | PTE_A | PTE_D);
	if (!supervisor_leaf(v, true).w)
		FAIL("setting up");
	load(v, UMBRA_VIEW_USER);
	if (umbra_mmu_fault(v->ctx, 0, UMBRA_PF_U, false, &info) != UMBRA_VERDICT_GUEST ||
	    info.fault.error_code != (UMBRA_PF_P | UMBRA_PF_U))
		FAIL("the user reads a supervisor page");
	if (shadow_walk(v, 0, UMBRA_VIEW_USER, &t) && t.u)
		FAIL("the user's view shows it");
	check_all();
	stop();
	return !failure;
}

/* A root that no context holds any more is found again when the guest comes back. */
static bool invlpg_reaches_lost_roots(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_paging p;
	struct tlb_entry t;

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 3ull << 12 | PTE_ALL);
	load(v, UMBRA_VIEW_USER);
	for (int i = 0; i < 3; i++) {
		struct umbra_fault_info info;

		umbra_mmu_fault(v->ctx, 0, UMBRA_PF_U, false, &info);
	}
	if (!shadow_walk(v, 0, UMBRA_VIEW_USER, &t) || frame_gfn(t.hpa) != 20)
		FAIL("setting up the user's view");
	/* Others push it out; their roots have no tables below. */
	p = v->paging;
	for (int i = 0; i < UMBRA_NR_ROOTS; i++) {
		v->paging.cr3 = (u64)(21 + i) << 12;
		umbra_mmu_set_paging(v->ctx, &v->paging);
		load(v, UMBRA_VIEW_KERNEL);
	}
	umbra_mmu_set_paging(v->ctx, &p);
	/* The leaf table gets out of step, by way of itself; then the guest changes it. */
	if (frame_for(v, 0x1000, true) != 3 || !fake.mmu->nr_unsync)
		FAIL("the leaf table is not unsync");
	put_entry(3, 0, 22ull << 12 | PTE_ALL);
	umbra_mmu_invlpg(v->ctx, 0);
	load(v, UMBRA_VIEW_USER);
	if (shadow_walk(v, 0, UMBRA_VIEW_USER, &t) && frame_gfn(t.hpa) != 22)
		FAIL("stale in the user's view after INVLPG");
	check_all();
	stop();
	return !failure;
}

/*
 * Translated code at address 0, in frame 20, by way of tables 0 to 3; frame 20
 * is data of the user at 0x1000 as well.
 */
static void code_setup(struct vcpu *v)
{
	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 20ull << 12 | PTE_ALL);
	code_translate(v->ctx, &v->paging, 0);
	if (code_copies() != 1 || code_told_unmapped())
		FAIL("setting up");
}

static enum umbra_verdict write_as(struct vcpu *v, u64 gva, enum umbra_view view)
{
	u32 code = UMBRA_PF_W | (view == UMBRA_VIEW_USER ? UMBRA_PF_U : 0);
	enum umbra_verdict verdict = UMBRA_VERDICT_RETRY;
	struct umbra_fault_info info;
	struct tlb_entry t;

	for (int i = 0; i < 4 && verdict == UMBRA_VERDICT_RETRY; i++) {
		load(v, view);
		if (shadow_walk(v, gva, view, &t) && t.w && t.u)
			return UMBRA_VERDICT_RETRY;
		verdict = umbra_mmu_fault(v->ctx, gva, code, false, &info);
	}
	return verdict;
}

static bool code_writes_are_told(void)
{
	struct vcpu *v = &vcpus[0];

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 20ull << 12 | PTE_ALL);
	if (write_as(v, 0x1000, UMBRA_VIEW_USER) || write_as(v, 0, UMBRA_VIEW_KERNEL))
		FAIL("ordinary memory is not writable");
	code_translate(v->ctx, &v->paging, 0);
	check_all();
	if (write_as(v, 0x1000, UMBRA_VIEW_USER) != UMBRA_VERDICT_WRITE ||
	    write_as(v, 0x1000, UMBRA_VIEW_KERNEL) != UMBRA_VERDICT_WRITE)
		FAIL("translated code can be written");
	umbra_mmu_wrote(fake.mmu, 0x13ff8, 8);
	if (code_told_written(20))
		FAIL("told of another frame");
	umbra_mmu_wrote(fake.mmu, 0x14ff8, 8);
	if (!code_told_written(20))
		FAIL("a write by the monitor is not told");
	check_all();
	if (code_copies() || write_as(v, 0x1000, UMBRA_VIEW_USER) ||
	    write_as(v, 0x1000, UMBRA_VIEW_KERNEL))
		FAIL("not writable after release");
	code_translate(v->ctx, &v->paging, 0);
	if (!umbra_mmu_unprotect(fake.mmu, 20) || !code_told_written(20))
		FAIL("giving up is not told");
	check_all();
	stop();
	return !failure;
}

/* Every step of the way changes once, as the guest would do it. */
static bool code_remapping_is_told(void)
{
	struct vcpu *v = &vcpus[0];

	for (unsigned int table = 0; table < 4; table++) {
		code_setup(v);
		put_entry(table, 0, 0);
		umbra_mmu_wrote(fake.mmu, (u64)table << 12, 8);
		if (!code_told_unmapped())
			FAIL("the entry of table %u", table);
		check_all();
		if (code_copies())
			FAIL("table %u: it still verifies", table);
		stop();
	}
	code_setup(v);
	fake_move_begin(20);
	fake_move_end(20);
	if (!code_told_unmapped())
		FAIL("the host's invalidation");
	check_all();
	if (code_copies() != 1 || code_told_unmapped())
		FAIL("it does not verify");
	umbra_mmu_unprotect(fake.mmu, 2);
	if (!code_told_unmapped())
		FAIL("a table that was zapped");
	check_all();
	fake_del_slot(moody);
	moody = NULL;
	if (!code_told_unmapped())
		FAIL("a slot that went");
	check_all();
	stop();
	return !failure;
}

/* A table that leads to code stays in step, for writes by way of itself too. */
static bool code_tables_stay_in_step(void)
{
	struct vcpu *v = &vcpus[0];

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 3ull << 12 | PTE_ALL);
	if (write_as(v, 0x1000, UMBRA_VIEW_USER) || !fake.mmu->nr_unsync)
		FAIL("the leaf table is not unsync");
	code_translate(v->ctx, &v->paging, 0);
	check_all();
	if (write_as(v, 0x1000, UMBRA_VIEW_USER) != UMBRA_VERDICT_WRITE ||
	    write_as(v, 0x1000, UMBRA_VIEW_KERNEL) != UMBRA_VERDICT_WRITE)
		FAIL("the leaf table can be written");
	check_all();
	stop();
	return !failure;
}

/* Only the current level-4 table is watched, and its entries can be compared. */
static bool code_top_entries(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_paging p;
	u64 entry = 1;

	code_setup(v);
	if (!umbra_mmu_top_entry(v->ctx, 511, &entry) ||
	    entry != (1ull << 12 | PTE_P | PTE_W | PTE_U))
		FAIL("entry 511 is %llx", entry);
	if (!umbra_mmu_top_entry(v->ctx, 510, &entry) || entry)
		FAIL("entry 510 is %llx", entry);
	p = v->paging;
	p.cr3 = 21 << 12;
	umbra_mmu_set_paging(v->ctx, &p);
	load(v, UMBRA_VIEW_KERNEL);
	umbra_mmu_wrote(fake.mmu, 0, 8);
	if (code_told_unmapped())
		FAIL("told of a table that is not current");
	umbra_mmu_wrote(fake.mmu, 21 << 12, 8);
	if (!code_told_unmapped())
		FAIL("not told of the current table");
	code_forget(v->ctx);
	check_all();
	stop();
	return !failure;
}

static bool halves_do_not_alias(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_fault_info info;
	struct tlb_entry t;

	views_start(v, two_views_five, PTE_ALL);
	if (frame_for(v, 0, false) != 20 || frame_for(v, 0xffffff8000000000ull, false) != 20)
		FAIL("setting up");
	for (int bit = 47; bit < 57; bit++) {
		u64 gva = 1ull << bit;

		if (shadow_walk(v, gva, UMBRA_VIEW_KERNEL, &t))
			FAIL("%llx is mapped", gva);
		if (umbra_mmu_fault(v->ctx, gva, 0, false, &info) != UMBRA_VERDICT_GUEST ||
		    info.fault.vector != 13 || info.fault.error_code)
			FAIL("%llx is no #GP", gva);
	}
	check_all();
	stop();
	return !failure;
}

/* Each allocation fails once: an error, no harm, and it works the next time. */
static bool creation_survives(bool five)
{
	struct umbra_mmu_config c = { .pae_roots = true, .levels = 4 };
	struct umbra_memslot *slot = NULL;
	bool done = false;

	if (five)
		c = two_views_five;
	for (int n = 0; !done && n < 50; n++) {
		struct umbra_mmu_ctx *ctx = NULL;

		fake_reset();
		fake.fail_alloc = n;
		fake.mmu = umbra_mmu_create(NULL, &fake_ops, &c);
		if (IS_ERR(fake.mmu))
			continue;
		slot = fake_add_slot(0, 40, 0);
		if (slot)
			ctx = umbra_mmu_ctx_create(fake.mmu);
		done = ctx;
		umbra_mmu_stop(fake.mmu);
		umbra_mmu_ctx_destroy(ctx);
		if (slot)
			fake_del_slot(slot);
		umbra_mmu_destroy(fake.mmu);
	}
	fake_free();
	return done;
}

/* So that the next fault has to allocate. */
static void drop_pools(void)
{
	umbra_pools_drain(&vcpus[0].ctx->pools);
	spin_lock(&fake.mmu->lock);
	umbra_zap_all(fake.mmu);
	spin_unlock(&fake.mmu->lock);
}

static bool faults_survive(void)
{
	struct umbra_fault_info info;
	unsigned int failed = 0, n = 0;
	enum umbra_verdict verdict;
	struct umbra_paging p;
	bool fresh, done;
	int ret;

	rnd_state = 77;
	start(pae_roots);
	for (int i = 0; i < 300 && !failure; i++) {
		p = gen_paging(below(4));
		gen_tables(&p);
		drop_pools();
		umbra_mmu_set_paging(vcpus[0].ctx, &p);
		fake.fail_alloc = n++ % 24;
		do {
			ret = umbra_mmu_load(vcpus[0].ctx, &vcpus[0].root[0], &fresh);
			failed += ret == -ENOMEM;
		} while (ret == -ENOMEM);
		for (done = false; !done;) {
			verdict = umbra_mmu_fault(vcpus[0].ctx, gen_gva(&p), below(8) & 6, true,
						  &info);
			done = verdict != UMBRA_VERDICT_ERROR;
			failed += !done;
			if (!done && info.error != -ENOMEM)
				FAIL("error %d", info.error);
		}
		fake.fail_alloc = -1;
		check_all();
	}
	ktap_note("%u allocations failed", failed);
	stop();
	return !failure && failed > 50;
}

int main(int argc, char **argv)
{
	unsigned int steps = argc > 1 ? atoi(argv[1]) : 20000;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 16) : 0x5eed;

	ktap_plan(23);
	ktap_ok(run(pae_roots, false, steps, seed), "PAE roots, one after the other");
	ktap_ok(run(four_levels, false, steps, seed + 1), "4-level roots, one after the other");
	ktap_ok(run(pae_roots, true, steps, seed + 2), "PAE roots, concurrent");
	ktap_ok(run(four_levels, true, steps, seed + 3), "4-level roots, concurrent");
	ktap_ok(run(five_levels, true, steps, seed + 4), "5-level roots, concurrent");
	ktap_ok(run(two_views, false, steps, seed + 5), "two views, one after the other");
	ktap_ok(run(two_views, true, steps, seed + 6), "two views, concurrent");
	ktap_ok(run(two_views_five, false, steps, seed + 7), "two views, 5 levels");
	ktap_ok(run(two_views_five, true, steps, seed + 8), "two views, 5 levels, concurrent");
	ktap_ok(invlpg_is_heard(), "out of step: INVLPG");
	ktap_ok(flush_is_heard(), "out of step: flush");
	ktap_ok(new_link_is_in_step(), "out of step: new link");
	ktap_ok(kernel_view_obeys_wp(), "two views: the supervisor and CR0.WP");
	ktap_ok(user_view_hides_supervisor(), "two views: the user");
	ktap_ok(invlpg_reaches_lost_roots(), "two views: INVLPG");
	ktap_ok(halves_do_not_alias(), "5 levels: addresses that are not canonical");
	ktap_ok(code_writes_are_told(), "code: writes");
	ktap_ok(code_remapping_is_told(), "code: remapping");
	ktap_ok(code_tables_stay_in_step(), "code: out of step");
	ktap_ok(code_top_entries(), "code: level-4 tables");
	ktap_ok(creation_survives(false), "creation without memory");
	ktap_ok(creation_survives(true), "creation without memory, two views");
	ktap_ok(faults_survive(), "faults without memory");
	ktap_exit();
}
