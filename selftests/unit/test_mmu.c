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

#include "test_mmu_code.h"
#include "test_mmu_cpu.h"
#include "test_mmu_gen.h"

#define TRIES		24

static bool pending_edit;	/* the guest changed tables and has not flushed yet */
static u64 exact_gva;		/* but this address was, by INVLPG; 0: none */
static bool disturbed;		/* something happened inside the current fault */
static struct {
	unsigned long accesses, tlb_hits, guest, mmio, write, filled, nested, invlpg, switched;
} seen;

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
	return gen_is_table(gfn) ? gen_entry(&v->paging, chance(40)) : rnd();
}

/* Bytes changed by the guest at @gpa. */
static void edited(gpa_t gpa)
{
	if (!gen_is_table(gpa_to_gfn(gpa)))
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
		/*
		 * Devices are remembered as by a TLB: until the guest flushes, and a vCPU does
		 * that when it has taken its fault.
		 */
		if (!sure)
			umbra_mmu_invlpg(v->ctx, gva);
		sure &= !pending_edit || gva == exact_gva;
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

/* Processors of a guest mostly agree on the mode, and load CR3 often. */
static void load_cr3(struct vcpu *v)
{
	struct umbra_paging p = v->paging;
	struct umbra_paging fresh = gen_paging(umbra_role_mode(&p));

	p.cr3 = fresh.cr3;
	memcpy(p.pdptr, fresh.pdptr, sizeof(p.pdptr));
	if (chance(50) && switch_now(v, p.cr3))
		seen.switched++;
	else
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
	gpa_t gpa = gen_table() << 12 | (gen_gva(&v->paging) >> 12 & 511) << 3;

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
	gfn_t gfn = below(FAKE_SMALL);

	if (chance(4)) {
		umbra_shrink_some(1 + below(20));
	} else if (chance(6)) {
		if (chance(30))
			fake.big_ro = true;
		fake_move_big(chance(70));
	} else if (chance(30)) {
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

static void take_log_of(struct umbra_memslot *slot)
{
	bool changed = false;

	if (!slot || !(slot->flags & KVM_MEM_LOG_DIRTY_PAGES))
		return;
	memset(logged + slot->base_gfn, 0, slot->npages);
	for (u64 first = 0; first < slot->npages; first += 64)
		changed |= umbra_mmu_write_protect(fake.mmu, slot, first, ~0ull);
	if (changed)
		clear_all_tlbs();
}

static void take_log(void)
{
	take_log_of(moody);
	take_log_of(big);
}

static void slot_op(void)
{
	static const u32 kinds[] = { 0, KVM_MEM_READONLY, KVM_MEM_LOG_DIRTY_PAGES };

	for (int i = 0; i < NVCPUS; i++)
		if (vcpus[i].busy)	/* it holds SRCU: the change would wait */
			return;
	if (chance(30)) {
		big->flags ^= KVM_MEM_LOG_DIRTY_PAGES;
		take_log_of(big);
	} else if (moody && chance(50)) {
		fake_del_slot(moody);
		moody = NULL;
	} else if (!moody) {
		moody = fake_add_slot(40, 40, kinds[below(3)]);
		memset(logged + 40, 0, 40);
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

	if (what < 150 && config.two_views && long_mode(v) && !v->busy) {
		v->busy = true;
		code_translate(v->ctx, &v->paging, code_gva(v));
		v->busy = false;
	} else if (what < 800) {
		access_memory(v, hot_gva(v), gen_access());
	} else if (what < 880) {
		guest_edit();
	} else if (what < 900) {
		load_cr3(v);
	} else if (what < 950) {
		host_op();
	} else if (what < 960) {
		guest_flush_all();
	} else if (what < 962) {
		invlpg(gen_gva(&v->paging));
	} else if (what < 985) {
		edit_and_invlpg(v, hot_gva(v));
	} else if (what < 988) {
		take_log();
	} else if (what < 992) {
		umbra_mmu_unprotect(fake.mmu, gen_table());
	} else if (what < 995) {
		slot_op();
	} else if (what < 998 && !v->busy) {
		set_paging(v, &v->paging);
	}
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

/* Loads of CR3 that umbra_mmu_switch_now() did, in all cases together: it depends on chance. */
static unsigned long switched;

static bool run(struct umbra_mmu_config how, bool concurrent, unsigned int steps, u64 seed)
{
	const struct umbra_mmu_stats *s;

	rnd_state = seed;
	gen_friendly = true;
	memset(&seen, 0, sizeof(seen));
	pending_edit = false;
	exact_gva = 0;
	start(how);
	fake.on_unlocked = concurrent ? on_unlocked : NULL;
	for (unsigned int i = 0; i < steps && !failure; i++) {
		if (i % 400 == 0)
			change_mode();
		random_op();
		check_all();
	}
	s = umbra_mmu_stats(fake.mmu);
	ktap_note("seed %llx: %llu large, %lu accesses, %lu TLB hits, %lu nested; fills %lu guest %lu mmio %lu write %lu; pages %llu/%llu unsync %llu (%lu invlpg) flood %llu flushes %llu roots %llu/%llu",
		  seed, s->spte_large, seen.accesses, seen.tlb_hits, seen.nested, seen.filled, seen.guest, seen.mmio,
		  seen.write, s->sp_new, s->sp_zapped, s->unsync, seen.invlpg, s->flood, s->remote_flush, s->root_hit,
		  s->root_miss);
	if (config.two_views)
		ktap_note("code: %lu copies made, %u left; written %llu unmapped %llu, stood %lu",
			  code_made, code_copies(), s->code_written, s->code_unmapped, code_stood);
	switched += seen.switched;
	/* The short way of verification has to be one. */
	if (config.two_views && steps >= 10000 && !code_stood)
		FAIL("no copy was ever known to stand");
	stop();
	return !failure;
}

int main(int argc, char **argv)
{
	unsigned int steps = argc > 1 ? atoi(argv[1]) : 12000;
	u64 seed = argc > 2 ? strtoull(argv[2], NULL, 16) : 0x5eed;

	ktap_plan(10);
	ktap_ok(run(pae_roots, false, steps, seed), "PAE roots, one after the other");
	ktap_ok(run(four_levels, false, steps, seed + 1), "4-level roots, one after the other");
	ktap_ok(run(pae_roots, true, steps, seed + 2), "PAE roots, concurrent");
	ktap_ok(run(four_levels, true, steps, seed + 3), "4-level roots, concurrent");
	ktap_ok(run(five_levels, true, steps, seed + 4), "5-level roots, concurrent");
	ktap_ok(run(two_views, false, steps, seed + 5), "two views, one after the other");
	ktap_ok(run(two_views, true, steps, seed + 6), "two views, concurrent");
	ktap_ok(run(two_views_five, false, steps, seed + 7), "two views, 5 levels");
	ktap_ok(run(two_views_five, true, steps, seed + 8), "two views, 5 levels, concurrent");
	ktap_ok(switched || steps < 10000, "%lu loads of CR3 were done at once", switched);
	ktap_exit();
}
