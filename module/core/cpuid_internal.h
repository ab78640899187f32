/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: CPUID
 *
 * What the guest is told that its processor can do, and what follows for
 * control registers, page walks and the emulator.
 */
#ifndef UMBRA_CPUID_INTERNAL_H
#define UMBRA_CPUID_INTERNAL_H

#include "umbra/vcpu.h"

/* Control-register bits changed: the CPUID bits that show them follow. */
void umbra_cpuid_runtime(struct umbra_vcpu *vcpu);

/* The guest executes CPUID: EAX and ECX in, EAX, EBX, ECX, EDX out. */
void umbra_cpuid_read(struct umbra_vcpu *vcpu, u32 reg[4]);

/* Derive what depends on the table; also for an empty one (power-on). */
void umbra_cpuid_changed(struct umbra_vcpu *vcpu);

/* XCR0 bits that guests may have here. */
u64 umbra_cpuid_xcr0(void);

/* Leaf 1 ECX and so on of the guest, or 0. */
bool umbra_guest_has(const struct umbra_vcpu *vcpu, u32 function, unsigned int reg, u32 bit);

/* KVM's features (leaf 40000001h EAX, or where its signature moved it): any of @bits? */
bool umbra_guest_has_pv(const struct umbra_vcpu *vcpu, u32 bits);

/* Register numbers of umbra_guest_has(). */
enum { UMBRA_EAX, UMBRA_EBX, UMBRA_ECX, UMBRA_EDX };

bool umbra_guest_is_amd(const struct umbra_vcpu *vcpu);

#endif
