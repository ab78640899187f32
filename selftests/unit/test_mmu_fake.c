// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a fake host for the shadow MMU: implementation of host.h
 */
#include <linux/kvm.h>

#include "test_mmu_fake.h"

struct fake fake;
u64 rnd_state = 1;

u64 rnd(void)
{
	/* xorshift64* (Vigna) */
	rnd_state ^= rnd_state >> 12;
	rnd_state ^= rnd_state << 25;
	rnd_state ^= rnd_state >> 27;
	return (rnd_state * 2685821657736338717ull) >> 20;
}

static u8 *new_frame(void)
{
	u8 *frame = aligned_alloc(4096, 4096);

	memset(frame, 0, 4096);
	return frame;
}

static void new_big(void)
{
	fake.big = aligned_alloc(UMBRA_LARGE_SIZE, UMBRA_LARGE_SIZE);
	memset(fake.big, 0, UMBRA_LARGE_SIZE);
	for (int i = 0; i < UMBRA_LARGE_PAGES; i++)
		fake.page[FAKE_BIG + i].frame = fake.big + i * 4096;
}

void fake_move_big(bool large)
{
	hva_t hva = FAKE_HVA + ((u64)FAKE_BIG << 12);
	u8 *old = fake.big;

	umbra_invalidate_begin(fake.mmu, hva, hva + UMBRA_LARGE_SIZE, true);
	new_big();
	memcpy(fake.big, old, UMBRA_LARGE_SIZE);
	free(old);
	fake.big_large = large;
	fake.big_ro = false;
	umbra_invalidate_end(fake.mmu);
}

void fake_reset(void)
{
	fake_free();
	fake.page_limit = 1 << 20;
	fake.fail_alloc = -1;
	for (int i = 0; i < FAKE_SMALL; i++)
		fake.page[i].frame = new_frame();
	new_big();
	fake.big_large = true;
	fake.slots = calloc(1, sizeof(*fake.slots) + 32 * sizeof(void *));
}

void fake_free(void)
{
	for (int i = 0; i < FAKE_SMALL; i++)
		free(fake.page[i].frame);
	free(fake.big);
	free(fake.slots);
	memset(&fake, 0, sizeof(fake));
	fake.fail_alloc = -1;
}

struct umbra_memslot *fake_slot(gfn_t gfn)
{
	return umbra_memslots_find(fake.slots, gfn);
}

struct umbra_memslot *fake_add_slot(gfn_t first, u64 n, u32 flags)
{
	struct umbra_memslot *slot = calloc(1, sizeof(*slot));
	unsigned int i;

	slot->base_gfn = first;
	slot->npages = n;
	slot->hva = FAKE_HVA + (first << 12);
	slot->flags = flags;
	if (umbra_mmu_slot_init(fake.mmu, slot)) {
		free(slot);
		return NULL;
	}
	for (i = fake.slots->count; i && fake.slots->slot[i - 1]->base_gfn > first; i--)
		fake.slots->slot[i] = fake.slots->slot[i - 1];
	fake.slots->slot[i] = slot;
	fake.slots->count++;
	fake.slots->generation += 2;
	umbra_mmu_slot_new(fake.mmu, slot);
	return slot;
}

void fake_del_slot(struct umbra_memslot *slot)
{
	unsigned int i;

	for (i = 0; fake.slots->slot[i] != slot; i++)
		;
	for (; i + 1 < fake.slots->count; i++)
		fake.slots->slot[i] = fake.slots->slot[i + 1];
	fake.slots->count--;
	fake.slots->generation += 2;
	umbra_mmu_slot_gone(fake.mmu, slot);
	umbra_mmu_slot_free(fake.mmu, slot);
	free(slot);
}

u8 *fake_mem(gpa_t gpa)
{
	if (gpa_to_gfn(gpa) >= FAKE_GFNS || !fake_slot(gpa_to_gfn(gpa)))
		return NULL;
	return fake.page[gpa_to_gfn(gpa)].frame + (gpa & 4095);
}

bool fake_read(void *arg, u64 gpa, unsigned int size, u64 *val)
{
	u8 *p = fake_mem(gpa);

	*val = 0;
	if (p)
		memcpy(val, p, size);
	return p;
}

void fake_write(void *arg, u64 gpa, unsigned int size, u64 val)
{
	u8 *p = fake_mem(gpa);

	if (p && !(fake_slot(gpa_to_gfn(gpa))->flags & KVM_MEM_READONLY))
		memcpy(p, &val, size);
}

/* The new frame is another piece of memory, so a forgotten translation is a use after free. */
static void move(struct fake_page *page)
{
	u8 *old = page->frame;

	page->frame = new_frame();
	memcpy(page->frame, old, 4096);
	free(old);
}

void fake_move_begin(gfn_t gfn)
{
	hva_t hva = FAKE_HVA + (gfn << 12);

	umbra_invalidate_begin(fake.mmu, hva, hva + 4096, true);
	/* The old frame may be found for as long as the invalidation lasts, or may not. */
	fake.page[gfn].moves = chance(50);
	if (!fake.page[gfn].moves)
		move(&fake.page[gfn]);
}

void fake_move_end(gfn_t gfn)
{
	if (fake.page[gfn].moves)
		move(&fake.page[gfn]);
	fake.page[gfn].moves = false;
	umbra_invalidate_end(fake.mmu);
}

static void unlocked(void)
{
	if (fake.on_unlocked && !fake.mmu->lock.held)
		fake.on_unlocked();
}

/* host.h */

int umbra_host_read_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, bool atomic, u64 *pte)
{
	if (!atomic)
		unlocked();
	/* What is not there right now cannot be read without sleeping. */
	if (atomic && fake.on_unlocked && chance(1))
		return -EFAULT;
	return fake_read(NULL, gpa, size, pte) ? 0 : -ENOENT;
}

int umbra_host_cmpxchg_pte(struct umbra_mmu *mmu, gpa_t gpa, unsigned int size, u64 old,
			   u64 new_val)
{
	u64 now;

	unlocked();
	if (!fake_read(NULL, gpa, size, &now))
		return -ENOENT;
	if (fake_slot(gpa_to_gfn(gpa))->flags & KVM_MEM_READONLY)
		return -EROFS;
	if (now != old)
		return 1;
	fake_write(NULL, gpa, size, new_val);
	return 0;
}

int umbra_host_read_row(struct umbra_mmu *mmu, hva_t hva, u64 *row)
{
	assert(!(hva % UMBRA_ROW_SIZE));
	if (fake.on_unlocked && chance(2))
		return -EFAULT;
	memcpy(row, (u8 *)fake.page[(hva - FAKE_HVA) >> 12].frame + hva % 4096, UMBRA_ROW_SIZE);
	return 0;
}

int umbra_host_get_page(struct umbra_memslot *slot, gfn_t gfn, bool write, bool try_write,
			struct umbra_host_page *out)
{
	struct fake_page *page = &fake.page[gfn];

	assert(slot && gfn < FAKE_GFNS);
	unlocked();
	if (gfn >= FAKE_BIG) {
		if (write && fake.big_ro)
			fake_move_big(fake.big_large);
		page->host_ro = fake.big_ro;
	} else if (write && page->host_ro) {
		fake_move_begin(gfn);
		page->host_ro = false;
		fake_move_end(gfn);
	}
	out->hpa = (hpa_t)(uintptr_t)page->frame;
	out->writable = write || (try_write && !page->host_ro);
	unlocked();
	return 0;
}

unsigned int umbra_host_get_pages_now(struct umbra_memslot *slot, gfn_t gfn, unsigned int n,
				      bool write, struct umbra_host_page *out)
{
	unsigned int i;

	assert(fake.mmu->lock.held);
	for (i = 0; i < n; i++) {
		struct fake_page *page = &fake.page[gfn + i];

		if (gfn + i >= FAKE_BIG)
			page->host_ro = fake.big_ro;
		assert(fake_slot(gfn + i) == slot);
		if ((write && page->host_ro) || chance(5))
			break;
		out[i].hpa = (hpa_t)(uintptr_t)page->frame;
		out[i].writable = write;
	}
	return i;
}

bool umbra_host_is_large(struct umbra_mmu *mmu, const struct umbra_memslot *slot, gfn_t gfn,
			 const struct umbra_host_page *page)
{
	assert(fake.mmu->lock.held);
	if (gfn < FAKE_BIG || !fake.big_large || (page->writable && fake.big_ro))
		return false;
	assert(page->hpa == (hpa_t)(uintptr_t)fake.page[gfn].frame);
	return true;
}

void umbra_host_put_page(struct umbra_host_page *page, bool mapped)
{
}

static bool fails(void)
{
	if (fake.fail_alloc < 0)
		return false;
	return fake.fail_alloc-- == 0;
}

void *umbra_host_alloc(size_t size)
{
	return fails() ? NULL : calloc(1, size);
}

void umbra_host_free(void *ptr)
{
	free(ptr);
}

void *umbra_host_alloc_array(size_t n, size_t size)
{
	return fails() ? NULL : calloc(n, size);
}

void umbra_host_free_array(void *ptr)
{
	free(ptr);
}

/* Two pages: the second holds the owner. */
u64 *umbra_host_alloc_table(bool low)
{
	u64 *table = fails() ? NULL : aligned_alloc(4096, 8192);

	if (table)
		memset(table, 0, 8192);
	return table;
}

void umbra_host_free_table(u64 *table)
{
	free(table);
}

hpa_t umbra_host_table_hpa(const u64 *table)
{
	return (hpa_t)(uintptr_t)table;
}

u64 *umbra_host_table(hpa_t hpa)
{
	return (u64 *)(uintptr_t)hpa;
}

void umbra_host_set_owner(u64 *table, struct umbra_sp *sp)
{
	*(struct umbra_sp **)(table + 512) = sp;
}

struct umbra_sp *umbra_host_owner(const u64 *sptep)
{
	const u64 *table = (const u64 *)((uintptr_t)sptep & ~4095ul);

	return *(struct umbra_sp *const *)(table + 512);
}

int umbra_host_watch(struct umbra_mmu *mmu)
{
	return fails() ? -ENOMEM : 0;
}

void umbra_host_unwatch(struct umbra_mmu *mmu)
{
}

unsigned long umbra_host_page_limit(void)
{
	return fake.page_limit;
}

int umbra_host_check(bool low_roots)
{
	return 0;
}

u64 umbra_host_encryption_mask(void)
{
	return 0;
}

/* struct umbra_mmu_ops */

static struct umbra_memslots *op_slots(void *vm)
{
	return fake.slots;
}

static void op_flush(void *vm)
{
	fake.remote_flushes++;
	if (fake.on_flush)
		fake.on_flush();
}

static void op_reload(void *vm)
{
	fake.reloads++;
}

static void op_dirty(void *vm, struct umbra_memslot *slot, gfn_t gfn)
{
	if (fake.on_dirty)
		fake.on_dirty(gfn);
}

static void op_code_written(void *vm, gpa_t gpa, unsigned int len)
{
	if (fake.on_code_written)
		fake.on_code_written(gpa, len);
}

static void op_code_unmapped(void *vm, enum umbra_code_change what, gfn_t gfn)
{
	if (fake.on_code_unmapped)
		fake.on_code_unmapped(what, gfn);
}

const struct umbra_mmu_ops fake_ops = {
	.slots = op_slots,
	.flush_remote = op_flush,
	.reload_roots = op_reload,
	.mark_dirty = op_dirty,
	.code_written = op_code_written,
	.code_unmapped = op_code_unmapped,
};
