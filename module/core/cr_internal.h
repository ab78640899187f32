/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: control registers
 *
 * The rules of CR0, CR3, CR4, CR8, EFER and XCR0: what a write may change and
 * what else changes with it.
 */
#ifndef UMBRA_CR_INTERNAL_H
#define UMBRA_CR_INTERNAL_H

#include "umbra/vcpu.h"

/* CR0 bits that exist; writes to others are ignored (SDM Vol. 3A 2.5). */
#define UMBRA_CR0_BITS							\
	(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS | X86_CR0_ET | \
	 X86_CR0_NE | X86_CR0_WP | X86_CR0_AM | X86_CR0_NW | X86_CR0_CD | \
	 X86_CR0_PG)

/*
 * The guest writes a register.  0; -EINVAL: #GP(0), nothing changed; other
 * negative errno: host error.  vCPU thread, SRCU read side held, may sleep.
 */
int umbra_cr0_write(struct umbra_vcpu *vcpu, u64 val);
int umbra_cr3_write(struct umbra_vcpu *vcpu, u64 val);
int umbra_cr4_write(struct umbra_vcpu *vcpu, u64 val);
int umbra_cr8_write(struct umbra_vcpu *vcpu, u64 val);
int umbra_efer_write(struct umbra_vcpu *vcpu, u64 val);
int umbra_xcr0_write(struct umbra_vcpu *vcpu, u64 val);

u64 umbra_cr8_read(struct umbra_vcpu *vcpu);

/* Would these be accepted together (KVM_SET_SREGS)? */
bool umbra_crs_valid(const struct umbra_vcpu *vcpu, u64 cr0, u64 cr3, u64 cr4, u64 efer);
bool umbra_xcr0_valid(const struct umbra_vcpu *vcpu, u64 val);

/* Tell the MMU of the paging state in vcpu->regs. */
void umbra_paging_changed(struct umbra_vcpu *vcpu);

/* All translations are stale: the guest's and the processor's. */
void umbra_flush_all(struct umbra_vcpu *vcpu);

/* CR3 bits that must be zero in long mode. */
static inline u64 umbra_cr3_reserved(const struct umbra_vcpu *vcpu)
{
	return GENMASK_ULL(63, vcpu->maxphyaddr);
}

/* CR3 with interrupts off; false: umbra_cr3_write() has to be called, nothing was done. */
bool umbra_cr3_write_now(struct umbra_vcpu *vcpu, u64 val);

/* EFER.LMA with a 64-bit code segment; groups SEG and CR available. */
static inline bool umbra_in_64bit(const struct umbra_regs *regs)
{
	return (regs->efer & BIT_ULL(10)) && (regs->seg[UMBRA_CS].attr & UMBRA_SEG_L);
}

#endif
