/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the body of the walker
 *
 * Included by walk.c once for each format of guest tables, with
 *
 *   WALK(name)	the function names of this width
 *   WALK_PTE	type of an entry
 *   WALK_BITS	bits of the linear address that index a table
 *   WALK_TOP	level of the first table in memory
 *
 * It reads what the processor would read, in the processor's order (SDM Vol.
 * 3A, 4.6 and 4.7): at each level first P, then the reserved bits; the
 * permissions only at the end, over all levels together.
 */

static bool WALK(is_leaf)(const struct umbra_walk_env *env, u64 pte, unsigned int level)
{
	if (level == 1)
		return true;
	if (level == 4 || !(pte & PTE_PS))
		return false;
	return env->mode != UMBRA_MODE_32BIT || env->pse;
}

static gfn_t WALK(leaf_gfn)(u64 pte, unsigned int level, gva_t gva)
{
	unsigned int shift = UMBRA_PAGE_SHIFT + (level - 1) * WALK_BITS;
	u64 offset_mask = BIT_ULL(shift) - 1;
	gpa_t base = pte & PTE_ADDR & ~offset_mask;

	/* A 4 MiB page: bits 20..13 of the entry are bits 39..32 of the address. */
	if (sizeof(WALK_PTE) == 4 && level == 2)
		base |= (pte & GENMASK_ULL(20, 13)) << 19;
	return gpa_to_gfn(base | (gva & offset_mask));
}

/* One descent.  Return: 0, UMBRA_WALK_FAULT, or a host error. */
static int WALK(descend)(struct umbra_mmu *mmu, const struct umbra_walk_env *env, gva_t gva,
			 gfn_t table, struct umbra_walk *walk)
{
	unsigned int access = UMBRA_AX_ALL;
	unsigned int level, index;
	bool leaf;
	u64 pte;
	int ret;

	walk->top = WALK_TOP;
	for (level = WALK_TOP; ; level--) {
		index = gva >> (UMBRA_PAGE_SHIFT + (level - 1) * WALK_BITS);
		index &= BIT(WALK_BITS) - 1;
		walk->level = level;
		walk->table[level] = table;
		walk->table_access[level] = access;
		walk->pte_gpa[level] = gfn_to_gpa(table) + index * sizeof(WALK_PTE);
		ret = umbra_host_read_pte(mmu, walk->pte_gpa[level], sizeof(WALK_PTE), false,
					  &pte);
		if (ret == -ENOENT)
			return absent(walk);
		if (ret)
			return ret;
		walk->pte[level] = pte;
		if (!(pte & PTE_P))
			return absent(walk);
		leaf = WALK(is_leaf)(env, pte, level);
		if (pte & env->rsvd[leaf][level])
			return reserved(walk);
		access &= umbra_pte_access(pte);
		if (leaf)
			break;
		table = gpa_to_gfn(pte & PTE_ADDR);
	}
	walk->access = access;
	walk->dirty = pte & PTE_D;
	walk->gfn = WALK(leaf_gfn)(pte, level, gva);
	return 0;
}

#undef WALK
#undef WALK_PTE
#undef WALK_BITS
#undef WALK_TOP
