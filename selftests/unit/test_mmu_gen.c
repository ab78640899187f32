// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: random paging states, tables, addresses and accesses: implementation
 */
#include "test_mmu_gen.h"

/* Few entries of each table are ever used, so that addresses share them. */
static const unsigned int used_index[] = { 0, 1, 2, 255, 256, 511 };

#define USED	ARRAY_SIZE(used_index)

bool gen_friendly;

struct umbra_paging gen_paging(enum umbra_mode mode)
{
	struct umbra_paging p = { .maxphyaddr = 36 + below(10) };

	p.cr0 = 1 | (chance(75) ? 1ull << 16 : 0) | (mode ? 1ull << 31 : 0);
	p.cr3 = (u64)below(GEN_TABLES) << 12 | (chance(20) ? below(32) << 3 & 0x18 : 0);
	p.cr4 = (chance(70) ? 1 << 4 : 0) | (chance(50) ? 1 << 20 : 0) | (chance(50) ? 1 << 21 : 0);
	p.efer = chance(70) ? 1 << 11 : 0;
	if (mode == UMBRA_MODE_PAE || mode == UMBRA_MODE_LONG)
		p.cr4 |= 1 << 5;
	if (mode == UMBRA_MODE_LONG)
		p.efer |= 1 << 8 | 1 << 10;
	for (int i = 0; i < 4; i++)
		p.pdptr[i] = (u64)below(GEN_TABLES) << 12 | chance(85);
	p.features = below(16);
	return p;
}

gfn_t gen_table(void)
{
	return chance(8) ? FAKE_BIG + below(4) : below(GEN_TABLES);
}

u64 gen_entry(const struct umbra_paging *p, bool leaf)
{
	u64 e = (u64)(leaf ? below(FAKE_SMALL) : gen_table()) << 12;
	bool wide = umbra_role_mode(p) != UMBRA_MODE_32BIT;

	if (gen_friendly && leaf)
		e = (u64)(chance(90) ? below(88) : FAKE_BIG + below(UMBRA_LARGE_PAGES)) << 12;
	e |= chance(gen_friendly ? 98 : 92) | chance(gen_friendly ? 88 : 75) << 1;
	e |= chance(gen_friendly ? 85 : 75) << 2 | chance(50) << 5 | chance(50) << 6;
	e |= chance(20) << 8 | chance(10) << 3 | chance(10) << 4 | (u64)below(8) << 9;
	if (wide && (p->efer & 1 << 11) && chance(gen_friendly ? 6 : 20))
		e |= 1ull << 63;
	if (chance(gen_friendly ? 1 : 3))
		e |= 1ull << (wide ? 12 + below(52) : 12 + below(20));
	if (chance(gen_friendly ? 16 : 8)) {
		e |= 1 << 7;
		/* Aligned for a large page, mostly. */
		if (chance(80))
			e = (e & ~0x3ff000ull) | (chance(85) ? (u64)FAKE_BIG << 12 : 0);
	}
	return e;
}

void gen_tables(const struct umbra_paging *p)
{
	unsigned int size = umbra_role_mode(p) == UMBRA_MODE_32BIT ? 4 : 8;

	for (int t = 0; t < GEN_TABLES; t++) {
		bool leaf = chance(40);

		memset(fake.page[t].frame, 0, 4096);
		for (unsigned int i = 0; i < USED; i++) {
			u64 e = gen_entry(p, leaf);

			memcpy(fake.page[t].frame + used_index[i] * size, &e, size);
			if (size == 4)
				memcpy(fake.page[t].frame + (used_index[i] + 512) * size, &e, size);
		}
	}
}

u64 gen_gva(const struct umbra_paging *p)
{
	enum umbra_mode mode = umbra_role_mode(p);
	u64 gva = below(4096);

	if (mode == UMBRA_MODE_UNPAGED)
		return gva | (u64)(chance(70) ? below(FAKE_SMALL + 4) : FAKE_BIG + below(UMBRA_LARGE_PAGES)) << 12;
	if (mode == UMBRA_MODE_32BIT) {
		gva |= (u64)(used_index[below(USED)] + 512 * below(2)) << 12;
		gva |= (u64)(used_index[below(USED)] + 512 * below(2)) << 22;
		return gva;
	}
	gva |= (u64)used_index[below(USED)] << 12 | (u64)used_index[below(USED)] << 21;
	if (mode == UMBRA_MODE_PAE)
		return gva | (u64)below(4) << 30;
	gva |= (u64)used_index[below(USED)] << 30 | (u64)used_index[below(USED)] << 39;
	return gva & 1ull << 47 ? gva | 0xffff000000000000ull : gva;
}

struct model_access gen_access(void)
{
	struct model_access a = { 0 };

	a.user = chance(40);
	if (gen_friendly)
		a.ac = !a.user && chance(70);
	if (chance(20))
		a.fetch = true;
	else
		a.write = chance(45);
	if (!gen_friendly)
		a.ac = !a.user && chance(30);
	return a;
}
