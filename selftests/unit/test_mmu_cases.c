// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the shadow MMU, case by case
 *
 * What random accesses seldom or never hit: each case is a few accesses of
 * a simulated processor to an address space of four tables.
 */
#include <linux/kvm.h>

#include "test_mmu_code.h"
#include "test_mmu_cpu.h"
#include "test_mmu_gen.h"

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

/* What the guest gave back may be used at once; where writes are logged the first one faults. */
static bool invlpg_gives_back(bool logs)
{
	struct vcpu *v = &vcpus[0];
	struct tlb_entry t;

	unsync_start(v);
	if (frame_for(v, 0, true) != 20)
		FAIL("setting up");
	put_entry(3, 0, 20ull << 12 | (PTE_ALL & ~(u64)PTE_W));
	umbra_mmu_invlpg(v->ctx, 0);
	if (!shadow_walk(v, 0, UMBRA_VIEW_NATIVE, &t) || t.w)
		FAIL("not read-only");
	if (logs)
		fake_slot(20)->flags |= KVM_MEM_LOG_DIRTY_PAGES;
	put_entry(3, 0, 20ull << 12 | PTE_ALL);
	umbra_mmu_invlpg(v->ctx, 0);
	if (!shadow_walk(v, 0, UMBRA_VIEW_NATIVE, &t) || t.w == logs)
		FAIL(logs ? "writable, and not logged" : "still read-only");
	if (logs)
		fake_slot(20)->flags &= ~KVM_MEM_LOG_DIRTY_PAGES;
	/* A frame that holds a table in step is never given. */
	put_entry(3, 0, 2ull << 12 | (PTE_ALL & ~(u64)PTE_W));
	umbra_mmu_invlpg(v->ctx, 0);
	if (frame_for(v, 0, false) != 2)
		FAIL("another frame");
	put_entry(3, 0, 2ull << 12 | PTE_ALL);
	umbra_mmu_invlpg(v->ctx, 0);
	if (!shadow_walk(v, 0, UMBRA_VIEW_NATIVE, &t) || t.w)
		FAIL("a table in step is writable");
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

/* The guest writes an entry of the table, by its mapping of it, flushes, and uses the entry. */
static void restless_round(struct vcpu *v, int i)
{
	if (frame_for(v, 0x1000, true) != 3)
		FAIL("the table is not writable");
	put_entry(3, 0, (u64)(20 + i % 3) << 12 | PTE_ALL);
	umbra_mmu_flush(v->ctx, true);
	if (frame_for(v, 0, false) != 20 + i % 3)
		FAIL("stale after flush %d", i);
}

/* What gets out of step all the time is left so, flushes are heard all the same, and it ends. */
static bool restless_is_heard(void)
{
	struct vcpu *v = &vcpus[0];
	int i;

	unsync_start(v);
	for (i = 0; i < 60; i++) {
		restless_round(v, i);
		check_all();
	}
	if (fake.mmu->stats.unsync > 10)
		FAIL("out of step %llu times", fake.mmu->stats.unsync);
	for (i = 0; i < 60; i++)
		umbra_mmu_flush(v->ctx, true);
	if (fake.mmu->nr_unsync)
		FAIL("never at rest");
	for (i = 60; i < 70; i++)
		restless_round(v, i);
	/* No longer small. */
	for (i = 2; i < 14; i++) {
		put_entry(3, i, 30ull << 12 | PTE_ALL);
		frame_for(v, (u64)i << 12, false);
	}
	umbra_mmu_flush(v->ctx, true);
	if (fake.mmu->nr_unsync)
		FAIL("a table of many entries is not at rest");
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

#define AT(i)	((u64)(i) << 12)

/* A single access of umbra_mmu_accesses_now(). */
struct access {
	struct vcpu *v;
	gva_t gva;
	u64 *word;
	bool write;
};

static bool do_access(void *arg)
{
	struct access *a = arg;

	return umbra_mmu_access_now(a->v->ctx, a->gva, a->word, 8, a->write);
}

static bool access_now(struct vcpu *v, gva_t gva, u64 *word, bool write)
{
	struct access a = { v, gva, word, write };

	return umbra_mmu_accesses_now(v->ctx, do_access, &a);
}

/* Several accesses by one table: what that has not, is not there. */
static bool do_row(void *arg)
{
	struct vcpu *v = arg;
	u64 a = 0, b = 0, word = 0x5678;

	return umbra_mmu_access_now(v->ctx, AT(64) + 8, &a, 8, false) &&
	       !umbra_mmu_access_now(v->ctx, AT(300), &b, 8, false) &&
	       !umbra_mmu_access_now(v->ctx, AT(128), &word, 8, true) &&
	       !umbra_mmu_access_now(v->ctx, AT(64) + (1ull << 21), &b, 8, false) &&
	       umbra_mmu_access_now(v->ctx, AT(64) + 16, &word, 8, true) &&
	       umbra_mmu_access_now(v->ctx, AT(64) + 16, &b, 8, false) && b == word;
}

/* By frames that entries map, and by nothing else; what the host takes back is not touched. */
static bool now_goes_by_frames(void)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_fault_info info;
	enum umbra_verdict verdict;
	u64 word = 0x1234, got = 0;

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 64, 22ull << 12 | PTE_ALL);
	put_entry(3, 128, 3ull << 12 | PTE_ALL);
	if (frame_for(v, 0, true) != 20 ||
	    umbra_mmu_fault_now(v->ctx, AT(64), 0, false, &info, &verdict))
		FAIL("decided by a table that nothing maps");
	if (frame_for(v, AT(128), false) != 3 ||
	    !umbra_mmu_fault_now(v->ctx, AT(64), 0, false, &info, &verdict) ||
	    verdict != UMBRA_VERDICT_RETRY)
		FAIL("not filled");
	if (!umbra_mmu_fault_now(v->ctx, AT(200), 0, false, &info, &verdict) ||
	    verdict != UMBRA_VERDICT_GUEST || info.fault.addr != AT(200))
		FAIL("not the guest's");
	if (!access_now(v, AT(64) + 8, &word, true) ||
	    !fake_read(NULL, AT(22) + 8, 8, &got) || got != word)
		FAIL("not written");
	got = 0;
	if (!access_now(v, AT(64) + 8, &got, false) || got != word)
		FAIL("not read");
	if (!umbra_mmu_accesses_now(v->ctx, do_row, v))
		FAIL("not one after the other");
	if (access_now(v, AT(128), &word, true) || access_now(v, AT(300), &got, false) ||
	    access_now(v, AT(65) - 4, &got, false))
		FAIL("a table, what is not there, or two pages");
	fake_move_begin(22);
	if (access_now(v, AT(64), &got, false))
		FAIL("the host has taken it back");
	fake_move_end(22);
	fake_move_begin(3);
	if (umbra_mmu_fault_now(v->ctx, AT(201), 0, false, &info, &verdict))
		FAIL("the host has taken the table back");
	fake_move_end(3);
	check_all();
	stop();
	return !failure;
}

/* Other tables below @table, which the guest has just linked: one of level 1 at 7. */
static void other_tables(int table)
{
	for (; table < 7; table++)
		put_entry(table, 0, (u64)(table + 1) << 12 | PTE_ALL);
	put_entry(7, 66, 24ull << 12 | PTE_ALL);
	put_entry(7, 67, 21ull << 12 | PTE_ALL);
	put_entry(7, 128, 7ull << 12 | PTE_ALL);
}

/* A table that faults have gone down to, and have read, is left when the way changes. */
static bool way_ends_with_its_tables(int level)
{
	struct vcpu *v = &vcpus[0];
	struct umbra_fault_info info;
	enum umbra_verdict verdict;

	views_start(v, two_views, PTE_ALL);
	for (int i = 64; i < 67; i++)
		put_entry(3, i, 22ull << 12 | PTE_ALL);
	put_entry(3, 128, 3ull << 12 | PTE_ALL);
	if (frame_for(v, AT(128), false) != 3 || frame_for(v, AT(64), false) != 22 ||
	    !umbra_mmu_fault_now(v->ctx, AT(65), 0, false, &info, &verdict))
		FAIL("setting up");
	/* The root is in use; of the other level the old table ends as well. */
	other_tables(level ? 7 : 5);
	put_entry(level, 0, (level ? 7ull : 5ull) << 12 | PTE_ALL);
	umbra_mmu_wrote(fake.mmu, (u64)level << 12, 8);
	if (level)
		umbra_mmu_unprotect(fake.mmu, 3);
	umbra_mmu_invlpg(v->ctx, AT(66));
	if (frame_for(v, AT(66), false) != 24 || frame_for(v, AT(128), false) != 7)
		FAIL("level %d: by the table before", level);
	if (!umbra_mmu_fault_now(v->ctx, AT(67), 0, false, &info, &verdict) ||
	    verdict != UMBRA_VERDICT_RETRY || frame_for(v, AT(67), false) != 21)
		FAIL("level %d: the table before was read", level);
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
	struct umbra_fault_info info;

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 20ull << 12 | PTE_ALL);
	code_translate(v->ctx, &v->paging, 0);
	/* The supervisor reads its code, and the page after it. */
	load(v, UMBRA_VIEW_KERNEL);
	umbra_mmu_fault(v->ctx, 0, UMBRA_PF_P, false, &info);
	umbra_mmu_fault(v->ctx, 0x1000, 0, false, &info);
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

/* A table that is code as well: the walk's accessed bit is a write to it. */
static bool code_sees_accessed_bits(void)
{
	struct vcpu *v = &vcpus[0];

	views_start(v, two_views, PTE_ALL);
	put_entry(3, 1, 3ull << 12 | PTE_ALL);
	put_entry(3, 2, 22ull << 12 | PTE_P);
	code_translate(v->ctx, &v->paging, 0x1000);
	check_all();
	if (frame_for(v, 0x2000, false) != 22 || !code_told_written(3))
		FAIL("not told");
	check_all();
	stop();
	return !failure;
}

/* Writes to a table that leads to code give it up only if there is no end of them. */
static bool code_tables_are_kept(void)
{
	struct vcpu *v = &vcpus[0];
	unsigned int i;
	u64 flood;

	code_setup(v);
	flood = fake.mmu->stats.flood;
	for (i = 0; i < 16; i++) {
		put_entry(3, 8 + i, 22ull << 12 | PTE_ALL);
		umbra_mmu_wrote(fake.mmu, (3 << 12) + 8 * (8 + i), 8);
	}
	if (code_told_unmapped() || fake.mmu->stats.flood != flood)
		FAIL("given up, with code behind it");
	for (; i < 100; i++)
		umbra_mmu_wrote(fake.mmu, (3 << 12) + 8 * (8 + i), 8);
	if (!code_told_unmapped() || fake.mmu->stats.flood != flood + 1)
		FAIL("not given up");
	check_all();
	if (code_copies() != 1)
		FAIL("it does not verify");
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
	load(v, UMBRA_VIEW_KERNEL);
	write_lock(&fake.mmu->lock);
	umbra_page_drop_entry(fake.mmu, v->ctx->views[UMBRA_VIEW_KERNEL].active->sp[0], 0);
	write_unlock(&fake.mmu->lock);
	if (code_told_unmapped())
		FAIL("told without reason");
	umbra_mmu_unprotect(fake.mmu, 0);
	if (!code_told_unmapped())
		FAIL("the current root was zapped");
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

/* The level of the entry that maps @gva in the supervisor's view; 0: none. */
static unsigned int mapped_level(struct vcpu *v, u64 gva)
{
	const u64 *table = (const u64 *)(uintptr_t)v->root[UMBRA_VIEW_NATIVE];

	for (unsigned int level = 4; level; level--) {
		u64 e = table[gva >> (12 + 9 * (level - 1)) & 511];

		if (!(e & PTE_P))
			return 0;
		if (level == 1 || (e & PTE_PS))
			return level;
		table = (const u64 *)(uintptr_t)(e & PTE_ADDR);
	}
	return 0;
}

/* 2 MiB at address 2 MiB, by one guest entry; tables 0 to 2, and 3 for small pages from 0 on. */
static void large_start(struct vcpu *v)
{
	views_start(v, four_levels, PTE_ALL);
	put_entry(2, 1, (u64)FAKE_BIG << 12 | PTE_ALL | PTE_PS);
	if (frame_for(v, 0x200000, true) != FAKE_BIG || frame_for(v, 0x3ff000, true) != FAKE_BIG + 511)
		FAIL("setting up");
	if (mapped_level(v, 0x200000) != 2 || mapped_level(v, 0) == 2)
		FAIL("not mapped by one entry");
}

static bool large_pages_follow_the_host(void)
{
	struct vcpu *v = &vcpus[0];

	large_start(v);
	fake_move_big(false);
	if (mapped_level(v, 0x200000))
		FAIL("still there after the host's invalidation");
	if (frame_for(v, 0x201000, true) != FAKE_BIG + 1 || mapped_level(v, 0x201000) != 1)
		FAIL("the host maps small pages, and we do not");
	fake_move_big(true);
	fake.big_ro = true;
	if (frame_for(v, 0x202000, false) != FAKE_BIG + 2 || mapped_level(v, 0x202000) != 2)
		FAIL("no large page again");
	check_all();
	if (frame_for(v, 0x203000, true) != FAKE_BIG + 3 || fake.big_ro)
		FAIL("copy-on-write");
	check_all();
	stop();
	return !failure;
}

/* Of all that has to notice writes, one frame in the middle. */
static bool large_pages_are_split(void)
{
	struct vcpu *v = &vcpus[0];

	/* A table. */
	large_start(v);
	put_entry(2, 2, (u64)(FAKE_BIG + 7) << 12 | PTE_ALL);
	memcpy(fake.page[FAKE_BIG + 7].frame, fake.page[3].frame, 4096);
	if (frame_for(v, 0x400000, false) != 20 || mapped_level(v, 0x201000) != 2)
		FAIL("a table inside");
	check_all();
	if (frame_for(v, 0x208000, true) != FAKE_BIG + 8 || mapped_level(v, 0x208000) != 1)
		FAIL("not split by a write beside the table");
	check_all();
	stop();
	/* Translated code. */
	large_start(v);
	if (umbra_mmu_code_protect(fake.mmu, FAKE_BIG + 9))
		FAIL("protect");
	check_all();
	if (write_as(v, 0x209000, UMBRA_VIEW_NATIVE) != UMBRA_VERDICT_WRITE ||
	    frame_for(v, 0x208000, true) != FAKE_BIG + 8 || mapped_level(v, 0x208000) != 1)
		FAIL("translated code inside");
	check_all();
	umbra_mmu_code_release(fake.mmu, FAKE_BIG + 9);
	if (frame_for(v, 0x209000, true) != FAKE_BIG + 9 || mapped_level(v, 0x209000) != 2)
		FAIL("not put together again");
	check_all();
	stop();
	/* The dirty log. */
	large_start(v);
	big->flags |= KVM_MEM_LOG_DIRTY_PAGES;
	memset(logged, 0, sizeof(logged));
	if (!umbra_mmu_write_protect(fake.mmu, big, 0, 2))
		FAIL("nothing was writable");
	if (frame_for(v, 0x201000, true) != FAKE_BIG + 1 || !logged[FAKE_BIG + 1] ||
	    logged[FAKE_BIG + 2] || mapped_level(v, 0x201000) != 1)
		FAIL("the dirty log");
	check_all();
	stop();
	return !failure;
}

static bool large_code(void)
{
	struct vcpu *v = &vcpus[0];

	views_start(v, two_views, PTE_ALL);
	put_entry(2, 1, (u64)FAKE_BIG << 12 | PTE_ALL | PTE_PS);
	code_translate(v->ctx, &v->paging, 0x205000);
	check_all();
	code_translate(v->ctx, &v->paging, 0x206000);
	if (!code_copies() || code_told_unmapped())
		FAIL("a second page of the same 2 MiB took the first away");
	put_entry(2, 1, 0);
	umbra_mmu_wrote(fake.mmu, 0x2008, 8);
	if (!code_told_unmapped())
		FAIL("not told");
	check_all();
	stop();
	return !failure;
}

/* What the host takes is made again; a second VM gives its part. */
static bool shrinking(void)
{
	static const struct umbra_mmu_ops *ops = &fake_ops;
	struct vcpu *v = &vcpus[0];
	struct umbra_mmu *other;
	unsigned long had, taken;

	unsync_start(v);
	if (frame_for(v, 0x240000, false) != -1)
		FAIL("setting up");
	had = umbra_shrink_total();
	if (had != fake.mmu->nr_pages || had < 4)
		FAIL("%lu pages in all", had);
	/* The first look finds everything used, and the root is in use. */
	taken = umbra_shrink_some(1000);
	if (!taken || taken >= had)
		FAIL("%lu of %lu pages were taken", taken, had);
	check_all();
	if (frame_for(v, 0, false) != 20)
		FAIL("lost");
	other = umbra_mmu_create(NULL, ops, &four_levels);
	taken = umbra_shrink_some(1);
	if (taken != 1)
		FAIL("with two VMs %lu pages were taken", taken);
	umbra_mmu_stop(other);
	umbra_mmu_destroy(other);
	check_all();
	stop();
	if (umbra_shrink_total())
		FAIL("%lu pages are left", umbra_shrink_total());
	return !failure;
}

/* A bound below what the VM has for itself. */
static bool all_vms_are_bounded(void)
{
	struct vcpu *v = &vcpus[0];
	unsigned long most = 0;

	rnd_state = 99;
	start(four_levels);
	fake.page_limit = 24;
	for (int i = 0; i < 400 && !failure; i++) {
		struct umbra_paging p = gen_paging(UMBRA_MODE_LONG);
		struct umbra_fault_info info;

		gen_tables(&p);
		for (int t = 0; t < GEN_TABLES; t++)
			umbra_mmu_wrote(fake.mmu, (u64)t << 12, 4096);
		set_paging(v, &p);
		for (int k = 0; k < 20; k++) {
			load(v, UMBRA_VIEW_NATIVE);
			umbra_mmu_fault(v->ctx, gen_gva(&p), 0, true, &info);
			most = umbra_shrink_total() > most ? umbra_shrink_total() : most;
		}
		check_all();
	}
	/* Roots that are held stay, and one fault makes a few. */
	if (most > 24 + UMBRA_NR_ROOTS + 4)
		FAIL("%lu pages", most);
	if (most < 20)
		FAIL("only %lu pages: this says nothing", most);
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
	write_lock(&fake.mmu->lock);
	umbra_zap_all(fake.mmu);
	write_unlock(&fake.mmu->lock);
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

int main(void)
{
	ktap_plan(25);
	ktap_ok(invlpg_is_heard(), "out of step: INVLPG");
	ktap_ok(restless_is_heard(), "out of step: all the time");
	ktap_ok(now_goes_by_frames(), "nothing may be waited for");
	ktap_ok(way_ends_with_its_tables(0) && way_ends_with_its_tables(2),
		"tables on the way change");
	ktap_ok(invlpg_gives_back(false) && invlpg_gives_back(true),
		"out of step: INVLPG gives permissions back");
	ktap_ok(flush_is_heard(), "out of step: flush");
	ktap_ok(new_link_is_in_step(), "out of step: new link");
	ktap_ok(kernel_view_obeys_wp(), "two views: the supervisor and CR0.WP");
	ktap_ok(user_view_hides_supervisor(), "two views: the user");
	ktap_ok(invlpg_reaches_lost_roots(), "two views: INVLPG");
	ktap_ok(halves_do_not_alias(), "5 levels: addresses that are not canonical");
	ktap_ok(code_writes_are_told(), "code: writes");
	ktap_ok(code_sees_accessed_bits(), "code: accessed bits");
	ktap_ok(code_remapping_is_told(), "code: remapping");
	ktap_ok(code_tables_are_kept(), "code: writes to tables");
	ktap_ok(code_tables_stay_in_step(), "code: out of step");
	ktap_ok(code_top_entries(), "code: level-4 tables");
	ktap_ok(large_pages_follow_the_host(), "large pages: the host");
	ktap_ok(large_pages_are_split(), "large pages: what splits them");
	ktap_ok(large_code(), "large pages: translated code");
	ktap_ok(shrinking(), "the host takes shadow pages");
	ktap_ok(all_vms_are_bounded(), "a bound for all VMs");
	ktap_ok(creation_survives(false), "creation without memory");
	ktap_ok(creation_survives(true), "creation without memory, two views");
	ktap_ok(faults_survive(), "faults without memory");
	ktap_exit();
}
