/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: random paging states, tables, addresses and accesses
 *
 * Biased towards the interesting: most entries are present and lead somewhere
 * in guest memory; tables are shared between levels and address ranges; a few
 * entries have reserved bits, map large pages or lead nowhere.
 */
#ifndef TEST_MMU_GEN_H
#define TEST_MMU_GEN_H

#include "test_mmu_fake.h"
#include "test_mmu_model.h"

#define GEN_TABLES	12	/* frames 0 .. 11 hold tables, of any level */

/* Fewer faults of the guest's own: for tests that want to see pages mapped. */
extern bool gen_friendly;

struct umbra_paging gen_paging(enum umbra_mode mode);
u64 gen_entry(const struct umbra_paging *p, bool leaf);
void gen_tables(const struct umbra_paging *p);
/* Frames that tables are in: a few of the 2 MiB too. */
gfn_t gen_table(void);
static inline bool gen_is_table(gfn_t gfn)
{
	return gfn < GEN_TABLES || (gfn >= FAKE_BIG && gfn < FAKE_BIG + 4);
}
u64 gen_gva(const struct umbra_paging *p);
struct model_access gen_access(void);

#endif
