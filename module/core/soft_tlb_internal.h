/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: translations for emulated accesses
 *
 * A TLB for the emulator and the delivery of events: linear page to the caller's
 * address, so that an access to memory needs neither a page walk nor a search
 * for its slot.  It is in use in the run loop, and is flushed by what flushes a
 * processor's.
 */
#ifndef UMBRA_SOFT_TLB_INTERNAL_H
#define UMBRA_SOFT_TLB_INTERNAL_H

#include "umbra/vcpu.h"

#define SOFT_TLB_ENTRIES	256

/* What a translation was checked for; each kind has entries of its own. */
enum soft_tlb_kind { SOFT_TLB_FETCH, SOFT_TLB_READ, SOFT_TLB_WRITE, SOFT_TLB_KINDS };

/**
 * struct umbra_soft_tlb - translations of one vCPU
 * @epoch: entries of another epoch are void; for the lower and the upper half of all addresses,
 *	so that a kernel can flush its processes' pages and keep its own
 * @generation: of the slots that @e points into
 * @e: @tag is the page with the UMBRA_ACC_* bits it was checked for
 */
struct umbra_soft_tlb {
	u64 epoch[2];
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

/* SRCU was taken: are the slots those of before? */
void umbra_soft_tlb_check(struct umbra_vcpu *vcpu);

/* Drop everything. */
static inline void umbra_soft_tlb_flush(struct umbra_vcpu *vcpu)
{
	struct umbra_soft_tlb *tlb = vcpu->soft_tlb;

	if (!tlb)
		return;
	tlb->epoch[0]++;
	tlb->epoch[1]++;
}

/* Drop at least @gva, and the rest of its large page, if it is in one. */
static inline void umbra_soft_tlb_flush_gva(struct umbra_vcpu *vcpu, gva_t gva)
{
	if (vcpu->soft_tlb)
		vcpu->soft_tlb->epoch[gva >> 63]++;
}

/**
 * umbra_soft_tlb_fill() - remember a translation
 * @vcpu: the vCPU
 * @gva: linear address
 * @acc: UMBRA_ACC_* that were checked
 * @gpa: what it is
 *
 * Memory only.
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
