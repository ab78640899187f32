// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a model of x86 address translation: the one loop
 */
#include "test_mmu_model.h"

#define CR0_WP		(1ull << 16)
#define CR0_PG		(1ull << 31)
#define CR4_PSE		(1ull << 4)
#define CR4_PAE		(1ull << 5)
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)
#define EFER_LMA_	(1ull << 10)
#define EFER_NXE_	(1ull << 11)

struct step {
	int low_bit;		/* of the index in the linear address */
	int nbits;
	bool may_be_large;
	bool pointer;		/* PAE pointer from a register */
};

static const struct step steps_32[] = { { 22, 10, true, false }, { 12, 10, false, false } };
static const struct step steps_pae[] = {
	{ 30, 2, false, true }, { 21, 9, true, false }, { 12, 9, false, false }
};
static const struct step steps_long[] = {
	{ 39, 9, false, false }, { 30, 9, true, false }, { 21, 9, true, false },
	{ 12, 9, false, false }
};

static u64 mask(int high, int low)
{
	u64 m = 0;

	for (int i = low; i <= high; i++)
		m |= 1ull << i;
	return m;
}

static u64 reserved_bits(const struct umbra_paging *p, const struct step *s, bool large, bool lng,
			 bool legacy)
{
	u64 r = 0;

	if (legacy) {
		int m = 32;

		if (!large)
			return 0;
		if (p->features & UMBRA_PAGING_PSE36)
			m = p->maxphyaddr > 40 ? 40 : p->maxphyaddr;
		return mask(21, 13) & ~mask(12 + m - 32, 13);
	}
	r |= lng ? mask(51, p->maxphyaddr) : mask(62, p->maxphyaddr);
	if (!(p->efer & EFER_NXE_))
		r |= 1ull << 63;
	if (large) {
		r |= mask(s->low_bit - 1, 13);
		if (s->low_bit == 30 && !(p->features & UMBRA_PAGING_1G))
			r |= 1 << 7;
	}
	if (s->low_bit == 39) {
		r |= 1 << 7;
		if (p->features & UMBRA_PAGING_AMD)
			r |= 1 << 8;
	}
	return r;
}

static bool allowed(const struct umbra_paging *p, struct model_access a,
		    const struct model_result *r)
{
	bool wp = p->cr0 & CR0_WP, smep = p->cr4 & CR4_SMEP, smap = p->cr4 & CR4_SMAP;

	if (a.user && !r->u)
		return false;
	if (a.fetch) {
		if (!r->x)
			return false;
		return a.user || !r->u || !smep;
	}
	if (!a.user && r->u && smap && !a.ac)
		return false;
	if (a.write && !r->w)
		return !a.user && !wp;
	return true;
}

void model_translate(const struct umbra_paging *p, const struct model_mem *mem, u64 gva,
		     struct model_access a, struct model_result *r)
{
	bool lng = p->efer & EFER_LMA_;
	bool legacy = !lng && !(p->cr4 & CR4_PAE);
	bool nx = !legacy && (p->efer & EFER_NXE_);
	const struct step *s = lng ? steps_long : legacy ? steps_32 : steps_pae;
	unsigned int size = legacy ? 4 : 8;
	u64 table = legacy ? p->cr3 & 0xfffff000ull : p->cr3 & mask(p->maxphyaddr - 1, 12);
	u64 where[4], what[4];
	int n = 0;
	u32 what_for = (a.write ? UMBRA_PF_W : 0) | (a.user ? UMBRA_PF_U : 0) |
		       (a.fetch && (nx || (p->cr4 & CR4_SMEP)) ? UMBRA_PF_I : 0);

	*r = (struct model_result){ .w = true, .u = true, .x = true };
	if (!(p->cr0 & CR0_PG)) {
		r->ok = true;
		r->dirty = true;
		r->accessed = true;
		r->gpa = gva & 0xffffffffull;
		return;
	}
	for (;; s++) {
		u64 index = (gva >> s->low_bit) & ((1u << s->nbits) - 1);
		u64 entry, at = table + index * size;
		bool last = s->low_bit == 12, large;

		if (s->pointer) {
			entry = p->pdptr[index];
			if (!(entry & 1))
				goto fault;
			table = entry & mask(51, 12);
			continue;
		}
		if (!mem->read(mem->arg, at, size, &entry))
			goto fault;
		if (!(entry & 1))
			goto fault;
		large = s->may_be_large && (entry >> 7 & 1) && (!legacy || (p->cr4 & CR4_PSE));
		if (entry & reserved_bits(p, s, large, lng, legacy)) {
			what_for |= UMBRA_PF_P | UMBRA_PF_RSVD;
			goto fault;
		}
		r->w = r->w && (entry >> 1 & 1);
		r->u = r->u && (entry >> 2 & 1);
		r->x = r->x && !(nx && (entry >> 63));
		where[n] = at;
		what[n++] = entry;
		table = entry & mask(51, 12);
		if (last || large) {
			u64 offset = mask(s->low_bit - 1, 0);

			r->gpa = (entry & mask(51, s->low_bit)) | (gva & offset);
			if (legacy && large)
				r->gpa |= (entry >> 13 & 0xff) << 32;
			break;
		}
	}
	if (!allowed(p, a, r)) {
		what_for |= UMBRA_PF_P;
		goto fault;
	}
	r->ok = true;
	r->dirty = what[n - 1] >> 6 & 1;
	r->accessed = true;
	for (int i = 0; i < n; i++)
		r->accessed = r->accessed && (what[i] >> 5 & 1);
	for (int i = 0; a.effects && i < n; i++) {
		u64 entry = what[i] | 1 << 5;

		if (i == n - 1 && a.write)
			entry |= 1 << 6;
		if (entry != what[i])
			mem->write(mem->arg, where[i], size, entry);
	}
	return;
fault:
	r->error_code = what_for;
}
