/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: translations for a stretch of emulated code
 *
 * A TLB for umbra_emulate_run(): linear page to the caller's address, so that an
 * access to memory needs neither a page walk nor a search for its slot.  It is
 * in use only within a stretch, and is flushed by what flushes a processor's.
 */
#ifndef UMBRA_SOFT_TLB_INTERNAL_H
#define UMBRA_SOFT_TLB_INTERNAL_H

#include "umbra/vcpu.h"

#define SOFT_TLB_ENTRIES	256

/* What a translation was checked for; each kind has entries of its own. */
enum soft_tlb_kind { SOFT_TLB_FETCH, SOFT_TLB_READ, SOFT_TLB_WRITE, SOFT_TLB_KINDS };

/**
 * struct umbra_soft_tlb - translations of one vCPU
 * @on: a stretch is being emulated
 * @epoch: entries of another epoch are void
 * @generation: of the slots that @e points into
 * @e: @tag is the page with the UMBRA_ACC_* bits it was checked for
 */
struct umbra_soft_tlb {
	bool on;
	u64 epoch;
	u64 generation;
	struct umbra_soft_entry {
		u64 tag;
		u64 epoch;
		gpa_t gpa;
		hva_t hva;
		struct umbra_memslot *slot;
	} e[SOFT_TLB_KINDS][SOFT_TLB_ENTRIES];
};

/* For VMs whose code core may have to emulate; 0 or -ENOMEM. */
int umbra_soft_tlb_create(struct umbra_vcpu *vcpu);
void umbra_soft_tlb_destroy(struct umbra_vcpu *vcpu);

/* A stretch begins, ends. */
void umbra_soft_tlb_begin(struct umbra_vcpu *vcpu);
void umbra_soft_tlb_end(struct umbra_vcpu *vcpu);

/* Drop everything. */
static inline void umbra_soft_tlb_flush(struct umbra_vcpu *vcpu)
{
	if (vcpu->soft_tlb)
		vcpu->soft_tlb->epoch++;
}

/**
 * umbra_soft_tlb_fill() - remember a translation
 * @vcpu: the vCPU
 * @gva: linear address
 * @acc: UMBRA_ACC_* that were checked
 * @gpa: what it is
 *
 * Memory only; does nothing outside a stretch.
 */
void umbra_soft_tlb_fill(struct umbra_vcpu *vcpu, gva_t gva, unsigned int acc, gpa_t gpa);

/* Is the whole of it memory that the access may have, as far as is known? */
bool umbra_soft_tlb_has(struct umbra_vcpu *vcpu, gva_t gva, unsigned int len, unsigned int acc);

/*
 * Accesses of known pages: false when the long way has to be gone.
 * Context: vCPU thread, SRCU read side held; may sleep.
 */
bool umbra_soft_fetch(struct umbra_vcpu *vcpu, gva_t gva, void *buf, unsigned int len,
		      unsigned int acc);
bool umbra_soft_read(struct umbra_vcpu *vcpu, gva_t gva, void *buf, unsigned int len,
		     unsigned int acc);
bool umbra_soft_write(struct umbra_vcpu *vcpu, gva_t gva, const void *buf, unsigned int len,
		      unsigned int acc);

#endif
