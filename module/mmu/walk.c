// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guest's page tables, read as the processor reads them
 *
 * The processor never sees the guest's page tables, so everything that it
 * would do with them is done here: find the page, decide whether the guest gets
 * a fault and with which error code, and set accessed and dirty bits.  The
 * descent is in walk_width.h, compiled for each format of tables.
 *
 * Knows guest memory by umbra_host_read_pte() and umbra_host_cmpxchg_pte()
 * only, and nothing of shadow pages.  Five-level tables are not walked; CPUID
 * does not offer them.
 *
 * No lock is held during a walk; other vCPUs change the tables meanwhile.  A
 * walk sees each entry once, and an accessed or dirty bit goes in by a
 * compare-and-exchange against the value that was judged.  Whoever builds
 * something lasting from a walk has to read the entries again (see fault.c).
 */
#include "walk.h"
#include "host.h"
#include "x86_bits.h"

/* A walk starts over when an entry changed under it, but not for ever. */
#define WALK_TRIES	16

static int absent(struct umbra_walk *walk)
{
	walk->error_code = 0;
	return UMBRA_WALK_FAULT;
}

static int reserved(struct umbra_walk *walk)
{
	walk->error_code = UMBRA_PF_P | UMBRA_PF_RSVD;
	return UMBRA_WALK_FAULT;
}

#define WALK(name)	name##_32bit
#define WALK_PTE	u32
#define WALK_BITS	10
#define WALK_TOP	2
#include "walk_width.h"

#define WALK(name)	name##_pae
#define WALK_PTE	u64
#define WALK_BITS	9
#define WALK_TOP	2
#include "walk_width.h"

#define WALK(name)	name##_long
#define WALK_PTE	u64
#define WALK_BITS	9
#define WALK_TOP	4
#include "walk_width.h"

static u64 bits(unsigned int high, unsigned int low)
{
	return high < low ? 0 : GENMASK_ULL(high, low);
}

/**
 * umbra_walk_pdptr_reserved() - reserved bits of a PAE page-directory pointer
 * @maxphyaddr: guest physical address width in bits
 *
 * SDM Vol. 3A, 4.4.1.
 *
 * Context: any.
 * Return: the mask.
 */
u64 umbra_walk_pdptr_reserved(u8 maxphyaddr)
{
	return bits(63, maxphyaddr) | bits(8, 5) | bits(2, 1);
}

/* SDM Vol. 3A, 4.3 and table 4-2: bit 21, and what exceeds the physical width. */
static void reserve_32bit(struct umbra_walk_env *env, const struct umbra_paging *paging)
{
	unsigned int width = 32;

	if (paging->features & UMBRA_PAGING_PSE36)
		width = min_t(unsigned int, paging->maxphyaddr, 40);
	env->rsvd[1][2] = bits(21, width - 19);
}

static void reserve_64bit(struct umbra_walk_env *env, const struct umbra_paging *paging)
{
	bool lm = env->mode == UMBRA_MODE_LONG;
	u64 always = bits(lm ? 51 : 62, paging->maxphyaddr);
	unsigned int level;

	if (!env->nx)
		always |= PTE_NX;
	for (level = 1; level <= UMBRA_MAX_LEVEL; level++) {
		env->rsvd[0][level] = always;
		env->rsvd[1][level] = always;
	}
	env->rsvd[1][2] |= bits(20, 13);
	env->rsvd[1][3] |= bits(29, 13);
	if (!(paging->features & UMBRA_PAGING_1G))
		env->rsvd[1][3] |= PTE_PS;
	env->rsvd[0][4] |= PTE_PS;
	if (paging->features & UMBRA_PAGING_AMD)
		env->rsvd[0][4] |= PTE_G;	/* APM Vol. 2, 5.3.3: must be zero */
}

/**
 * umbra_walk_root() - where the tables of 4 levels begin
 * @paging: the state
 *
 * Context: any.
 * Return: the guest physical address of the uppermost.
 */
gpa_t umbra_walk_root(const struct umbra_paging *paging)
{
	return paging->cr3 & PTE_ADDR & ~bits(63, paging->maxphyaddr);
}

/**
 * umbra_walk_prepare() - facts of a paging state
 * @env: filled
 * @paging: the state
 *
 * Context: any.
 */
void umbra_walk_prepare(struct umbra_walk_env *env, const struct umbra_paging *paging)
{
	memset(env, 0, sizeof(*env));
	env->mode = umbra_role_mode(paging);
	env->nx = env->mode != UMBRA_MODE_32BIT && (paging->efer & EFER_NX);
	env->wp = paging->cr0 & X86_CR0_WP;
	env->smep = paging->cr4 & X86_CR4_SMEP;
	env->smap = paging->cr4 & X86_CR4_SMAP;
	env->pse = paging->cr4 & X86_CR4_PSE;
	memcpy(env->pdptr, paging->pdptr, sizeof(env->pdptr));

	switch (env->mode) {
	case UMBRA_MODE_UNPAGED:
		break;
	case UMBRA_MODE_32BIT:
		env->root = paging->cr3 & GENMASK_ULL(31, 12);
		reserve_32bit(env, paging);
		break;
	case UMBRA_MODE_PAE:
		reserve_64bit(env, paging);
		break;
	case UMBRA_MODE_LONG:
		env->root = umbra_walk_root(paging);
		reserve_64bit(env, paging);
		break;
	}
}

static int descend(struct umbra_mmu *mmu, const struct umbra_walk_env *env, gva_t gva,
		   struct umbra_walk *walk)
{
	u64 pdptr;

	switch (env->mode) {
	case UMBRA_MODE_32BIT:
		return descend_32bit(mmu, env, gva, gpa_to_gfn(env->root), walk);
	case UMBRA_MODE_PAE:
		pdptr = env->pdptr[(gva >> 30) & 3];
		if (!(pdptr & PTE_P))
			return absent(walk);
		return descend_pae(mmu, env, gva, gpa_to_gfn(pdptr & PTE_ADDR), walk);
	case UMBRA_MODE_LONG:
		return descend_long(mmu, env, gva, gpa_to_gfn(env->root), walk);
	case UMBRA_MODE_UNPAGED:
		break;
	}
	walk->access = UMBRA_AX_ALL;
	walk->dirty = true;
	walk->gfn = gpa_to_gfn(gva & GENMASK_ULL(31, 0));
	return 0;
}

/**
 * umbra_walk_permits() - may a page be accessed?
 * @env: umbra_walk_prepare()
 * @access: UMBRA_AX_* of all levels together
 * @acc: UMBRA_ACC_*
 *
 * SDM Vol. 3A, 4.6.1.  A supervisor access made by the processor itself at CPL 3 is
 * not excused by RFLAGS.AC.
 *
 * Context: any.
 * Return: true when it may.
 */
bool umbra_walk_permits(const struct umbra_walk_env *env, unsigned int access, unsigned int acc)
{
	bool user_page = access & UMBRA_AX_U;
	bool smap_excused = (acc & UMBRA_ACC_AC) && !(acc & UMBRA_ACC_IMPLICIT);

	if (acc & UMBRA_ACC_FETCH) {
		if (!(access & UMBRA_AX_X))
			return false;
		return acc & UMBRA_ACC_USER ? user_page : !(env->smep && user_page);
	}
	if (acc & UMBRA_ACC_USER) {
		if (!user_page)
			return false;
	} else if (env->smap && user_page && !smap_excused) {
		return false;
	}
	if (!(acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW)) || (access & UMBRA_AX_W))
		return true;
	return !(acc & UMBRA_ACC_USER) && !env->wp;
}

/*
 * Set A on the way down and D at its end, where they are missing.
 * Return: 0; 1: an entry changed, walk again; a host error.
 */
static int set_accessed_dirty(struct umbra_mmu *mmu, const struct umbra_walk_env *env,
			      bool write, struct umbra_walk *walk)
{
	unsigned int level;
	u64 want;
	int ret;

	for (level = walk->top; level >= walk->level; level--) {
		want = walk->pte[level] | PTE_A;
		if (write && level == walk->level)
			want |= PTE_D;
		if (want == walk->pte[level])
			continue;
		ret = umbra_host_cmpxchg_pte(mmu, walk->pte_gpa[level],
					     umbra_mode_pte_size(env->mode), walk->pte[level],
					     want);
		/* Tables in read-only memory keep what they have. */
		if (ret == -EROFS)
			continue;
		if (ret)
			return ret;
		umbra_code_touched(mmu, walk->pte_gpa[level],
				   umbra_mode_pte_size(env->mode));
		walk->pte[level] = want;
	}
	if (write)
		walk->dirty = true;
	return 0;
}

/**
 * umbra_walk_attempt() - the bits of an error code that tell what was attempted
 * @env: umbra_walk_prepare()
 * @acc: UMBRA_ACC_*
 *
 * SDM Vol. 3A, 4.7.
 *
 * Context: any.
 * Return: UMBRA_PF_W, _U and _I.
 */
u32 umbra_walk_attempt(const struct umbra_walk_env *env, unsigned int acc)
{
	u32 code = 0;

	if (acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW))
		code |= UMBRA_PF_W;
	if (acc & UMBRA_ACC_USER)
		code |= UMBRA_PF_U;
	if ((acc & UMBRA_ACC_FETCH) && (env->nx || env->smep))
		code |= UMBRA_PF_I;
	return code;
}

static int walk_once(struct umbra_mmu *mmu, const struct umbra_walk_env *env, gva_t gva,
		     unsigned int acc, struct umbra_walk *walk)
{
	int ret;

	memset(walk, 0, sizeof(*walk));
	ret = descend(mmu, env, gva, walk);
	if (ret || (acc & UMBRA_ACC_PEEK) || env->mode == UMBRA_MODE_UNPAGED)
		return ret;
	if (!umbra_walk_permits(env, walk->access, acc)) {
		walk->error_code = UMBRA_PF_P;
		return UMBRA_WALK_FAULT;
	}
	ret = set_accessed_dirty(mmu, env, acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW) &&
				 !(acc & UMBRA_ACC_PROBE), walk);
	return ret == 1 ? -EAGAIN : ret;
}

/**
 * umbra_walk() - translate a linear address as the processor would
 * @mmu: the VM's
 * @env: umbra_walk_prepare()
 * @gva: linear address, canonical
 * @acc: UMBRA_ACC_*
 * @walk: result
 *
 * Sets accessed and dirty bits when the access is permitted; the latter not for UMBRA_ACC_PROBE.
 *
 * Context: SRCU read side of the slots, current->mm is the VM's; may sleep.
 * Return: 0; %UMBRA_WALK_FAULT: @walk->error_code is the guest's; -EFAULT:
 * the caller's memory is gone; -EAGAIN: the tables change all the time.
 */
int umbra_walk(struct umbra_mmu *mmu, const struct umbra_walk_env *env, gva_t gva,
	       unsigned int acc, struct umbra_walk *walk)
{
	unsigned int tries;
	int ret = -EAGAIN;

	for (tries = 0; ret == -EAGAIN && tries < WALK_TRIES; tries++)
		ret = walk_once(mmu, env, gva, acc, walk);
	if (ret == UMBRA_WALK_FAULT)
		walk->error_code |= umbra_walk_attempt(env, acc);
	return ret;
}
