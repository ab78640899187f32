// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the bits of shadow entries
 *
 * Every access and every former value: what an entry says, and whether its
 * change must be told to TLBs.
 */
#include "ktap.h"
#include "test_mmu_fake.h"
#include "spte.h"

static struct umbra_mmu mmu = { .encryption_mask = 0 };

static bool leaf_says_what_it_should(void)
{
	bool good = true;

	for (unsigned int i = 0; i < 32; i++) {
		unsigned int access = i & 7, level = i & 8 ? 2 : 1;
		bool host_w = i & 16;
		u64 e = umbra_spte_make_leaf(&mmu, access, level, 0x12345600000ull, host_w);

		good = good && umbra_spte_leaf(e) && !umbra_spte_link(e) && umbra_spte_present(e);
		good = good && umbra_spte_hpa(&mmu, e) == 0x12345600000ull;
		good = good && umbra_spte_writable(e) == (host_w && (access & UMBRA_AX_W));
		good = good && !!(e & PTE_U) == !!(access & UMBRA_AX_U);
		good = good && !!(e & PTE_NX) == !(access & UMBRA_AX_X);
		good = good && !!(e & PTE_PS) == (level == 2);
		good = good && !(e & (PTE_G | PTE_PWT | PTE_PCD | PTE_A));
		/* The processor sets D itself only where it is clear. */
		good = good && !!(e & PTE_D) == umbra_spte_writable(e);
	}
	return good;
}

static bool encryption_mask_is_kept_apart(void)
{
	struct umbra_mmu sme = { .encryption_mask = 1ull << 47 };
	u64 e = umbra_spte_make_leaf(&sme, UMBRA_AX_ALL, 1, 0x7000, true);

	return (e & 1ull << 47) && umbra_spte_hpa(&sme, e) == 0x7000;
}

static bool reductions_are_told(void)
{
	u64 full = umbra_spte_make_leaf(&mmu, UMBRA_AX_ALL, 1, 0x5000, true);
	u64 other = umbra_spte_make_leaf(&mmu, UMBRA_AX_ALL, 1, 0x6000, true);
	bool good = true;

	for (unsigned int was = 0; was < 8; was++) {
		for (unsigned int is = 0; is < 8; is++) {
			u64 a = umbra_spte_make_leaf(&mmu, was, 1, 0x5000, true);
			u64 b = umbra_spte_make_leaf(&mmu, is, 1, 0x5000, true);
			bool lost = was & ~is & (UMBRA_AX_W | UMBRA_AX_X);
			/* U is no mere permission: SMEP and SMAP forbid by it. */
			bool u = (was ^ is) & UMBRA_AX_U;

			good = good && umbra_spte_reduces(a, b) == (lost || u);
		}
	}
	good = good && umbra_spte_reduces(full, 0) && !umbra_spte_reduces(0, full);
	return good && umbra_spte_reduces(full, other) && !umbra_spte_reduces(full, full | PTE_A);
}

static bool bits_are_cleared(void)
{
	u64 e = umbra_spte_make_leaf(&mmu, UMBRA_AX_ALL, 1, 0x5000, true) | PTE_A;
	u64 was = e;
	bool good = umbra_spte_clear_bits(&e, PTE_W) && e == (was & ~PTE_W);

	good = good && !umbra_spte_clear_bits(&e, PTE_W) && e == (was & ~PTE_W);
	return good && umbra_spte_clear_bits(&e, PTE_A | PTE_W) && e == (was & ~(PTE_W | PTE_A));
}

static bool indices(void)
{
	u64 gva = 0xffff812345678abcull;

	return umbra_spte_index(gva, 1) == 0x78 && umbra_spte_index(gva, 2) == 0x2b &&
	       umbra_spte_index(gva, 3) == 0x8d && umbra_spte_index(gva, 4) == 0x102 &&
	       umbra_level_pages(1) == 1 && umbra_level_pages(3) == 262144;
}

int main(void)
{
	ktap_plan(5);
	ktap_ok(leaf_says_what_it_should(), "leaf entries");
	ktap_ok(encryption_mask_is_kept_apart(), "memory encryption");
	ktap_ok(reductions_are_told(), "reductions");
	ktap_ok(bits_are_cleared(), "clearing bits");
	ktap_ok(indices(), "indices");
	ktap_exit();
}
