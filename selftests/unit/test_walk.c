// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guest page walker against a model
 *
 * Random tables in a few frames, random control registers, random accesses:
 * translation, fault, error code, and the accessed and dirty bits left in
 * memory must be those of the model.
 */
#include "ktap.h"
#include "test_mmu_fake.h"
#include "test_mmu_model.h"
#include "test_mmu_gen.h"

#define ROUNDS		2000
#define ACCESSES	60

static struct umbra_mmu_config config = { .pae_roots = true, .levels = 4 };

/* All other frames are zero, and stay so. */
static bool same_memory(u8 (*copy)[4096])
{
	for (int i = 0; i < GEN_TABLES; i++)
		if (memcmp(copy[i], fake.page[i].frame, 4096))
			return false;
	return true;
}

static bool copy_read(void *arg, u64 gpa, unsigned int size, u64 *val)
{
	u8 (*copy)[4096] = arg;

	*val = 0;
	if (!fake_mem(gpa))
		return false;
	if (gpa >> 12 < GEN_TABLES)
		memcpy(val, &copy[gpa >> 12][gpa & 4095], size);
	return true;
}

static void copy_write(void *arg, u64 gpa, unsigned int size, u64 val)
{
	u8 (*copy)[4096] = arg;

	memcpy(&copy[gpa >> 12][gpa & 4095], &val, size);
}

static u8 copy[FAKE_SMALL][4096];

static bool one_access(const struct umbra_paging *p)
{
	struct model_mem mem = { copy_read, copy_write, copy };
	struct model_access a = gen_access();
	struct model_result r;
	struct umbra_walk_env env;
	struct umbra_walk walk;
	u64 gva = gen_gva(p);
	unsigned int acc = 0;
	bool bad = false;
	int ret;

	for (int i = 0; i < GEN_TABLES; i++)
		memcpy(copy[i], fake.page[i].frame, 4096);
	a.effects = true;
	acc |= a.write ? (chance(20) ? UMBRA_ACC_RMW : UMBRA_ACC_WRITE) : 0;
	acc |= a.user ? UMBRA_ACC_USER : 0;
	acc |= a.fetch ? UMBRA_ACC_FETCH : 0;
	acc |= a.ac ? UMBRA_ACC_AC : 0;
	if (!a.user && !a.ac && chance(20))
		acc |= UMBRA_ACC_AC | UMBRA_ACC_IMPLICIT;
	if (a.write && chance(20)) {
		struct model_access read = a;
		struct model_result ignored;

		/* May it be written?  The entries were accessed, as by a read, but nothing is dirty. */
		acc |= UMBRA_ACC_PROBE;
		a.effects = false;
		read.write = false;
		model_translate(p, &mem, gva, a, &r);
		if (r.ok)
			model_translate(p, &mem, gva, read, &ignored);
	} else {
		model_translate(p, &mem, gva, a, &r);
	}
	umbra_walk_prepare(&env, p);
	ret = umbra_walk(fake.mmu, &env, gva, acc, &walk);
	if (r.ok)
		bad = ret || walk.gfn != r.gpa >> 12 ||
		      !!(walk.access & UMBRA_AX_W) != r.w || !!(walk.access & UMBRA_AX_U) != r.u ||
		      !!(walk.access & UMBRA_AX_X) != r.x;
	else
		bad = ret != UMBRA_WALK_FAULT || walk.error_code != r.error_code;
	bad = bad || !same_memory(copy);
	if (bad)
		ktap_note("mode %d gva %llx w%d u%d f%d: model ok=%d err=%x gpa=%llx, walker %d err=%x gfn=%llx",
			  umbra_role_mode(p), gva, a.write, a.user, a.fetch, r.ok, r.error_code,
			  r.gpa, ret, walk.error_code, walk.gfn);
	return !bad;
}

static bool random_walks(enum umbra_mode mode)
{
	bool good = true;

	for (int i = 0; i < ROUNDS && good; i++) {
		struct umbra_paging p = gen_paging(mode);

		gen_tables(&p);
		for (int k = 0; k < ACCESSES && good; k++)
			good = one_access(&p);
	}
	return good;
}

/* Peeking changes nothing and asks for no permission. */
static bool peek_has_no_effect(void)
{
	struct umbra_mmu_ctx *ctx = umbra_mmu_ctx_create(fake.mmu);
	bool good = true;

	for (int i = 0; i < 300 && good; i++) {
		struct umbra_paging p = gen_paging(1 + below(3));
		struct model_mem mem = { fake_read, fake_write, NULL };
		struct model_access a = { .effects = false, .ac = true };
		struct model_result r;
		bool w, u;
		u64 gva, gpa;

		gen_tables(&p);
		p.cr4 &= ~(3ull << 20);
		umbra_mmu_set_paging(ctx, &p);
		for (int k = 0; k < GEN_TABLES; k++)
			memcpy(copy[k], fake.page[k].frame, 4096);
		gva = gen_gva(&p);
		gpa = umbra_mmu_peek(ctx, gva, &w, &u);
		model_translate(&p, &mem, gva, a, &r);
		good = r.ok ? gpa == r.gpa && w == r.w && u == r.u : gpa == UMBRA_INVALID_GPA;
		good = good && same_memory(copy);
	}
	umbra_mmu_ctx_destroy(ctx);
	return good;
}

static bool pdptrs_checked(void)
{
	struct umbra_mmu_ctx *ctx = umbra_mmu_ctx_create(fake.mmu);
	u64 bad_bits[] = { 1 << 1, 1 << 2, 1 << 5, 1 << 8, 1ull << 40, 1ull << 63 };
	u64 v[4] = { 0x1001, 0x2001 | 1 << 9, 0, 0x3001 | 1 << 3 }, got[4] = { 7 };
	bool good;

	memcpy(fake.page[5].frame + 0x20, v, 32);
	good = !umbra_mmu_load_pdptrs(ctx, 0x5020, 40, got) && !memcmp(v, got, 32);
	for (unsigned int i = 0; i < 6; i++) {
		v[2] = bad_bits[i];
		memcpy(fake.page[5].frame + 0x20, v, 32);
		good = good && !umbra_mmu_load_pdptrs(ctx, 0x5020, 40, got);
		v[2] |= 1;
		memcpy(fake.page[5].frame + 0x20, v, 32);
		good = good && umbra_mmu_load_pdptrs(ctx, 0x5020, 40, got) == -EINVAL;
	}
	good = good && umbra_mmu_load_pdptrs(ctx, 0x80000000, 40, got) == -EFAULT;
	umbra_mmu_ctx_destroy(ctx);
	return good;
}

int main(void)
{
	struct umbra_memslot *slot;

	ktap_plan(6);
	fake_reset();
	fake.mmu = umbra_mmu_create(NULL, &fake_ops, &config);
	slot = fake_add_slot(0, FAKE_SMALL - 8, 0);
	ktap_ok(random_walks(UMBRA_MODE_UNPAGED), "unpaged");
	ktap_ok(random_walks(UMBRA_MODE_32BIT), "32-bit tables");
	ktap_ok(random_walks(UMBRA_MODE_PAE), "PAE tables");
	ktap_ok(random_walks(UMBRA_MODE_LONG), "4-level tables");
	ktap_ok(peek_has_no_effect(), "peek has no effect");
	ktap_ok(pdptrs_checked(), "PAE pointers are checked");
	fake_del_slot(slot);
	umbra_mmu_stop(fake.mmu);
	umbra_mmu_destroy(fake.mmu);
	fake_free();
	ktap_exit();
}
