/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the guest's FPU and vector state
 */
#ifndef UMBRA_FPU_INTERNAL_H
#define UMBRA_FPU_INTERNAL_H

#include "umbra/vcpu.h"

/* Once, at module load. */
int umbra_fpu_init(void);

/* XCR0 features that are switched for guests; 0 without XSAVE. */
u64 umbra_fpu_xfeatures(void);

/* Bytes of the standard and the compacted format with the features in @xcr0. */
unsigned int umbra_fpu_area_size(u64 xcr0);
unsigned int umbra_fpu_compact_size(u64 xcr0);

int umbra_fpu_create(struct umbra_vcpu *vcpu);
void umbra_fpu_destroy(struct umbra_vcpu *vcpu);
void umbra_fpu_reset(struct umbra_vcpu *vcpu);

/**
 * umbra_fpu_enter() - the guest's state goes into the processor
 * @vcpu: the vCPU
 *
 * Disables preemption until umbra_fpu_leave().
 */
void umbra_fpu_enter(struct umbra_vcpu *vcpu);

/* The guest's state goes back to its image; preemption on. */
void umbra_fpu_leave(struct umbra_vcpu *vcpu);

/* Guest XCR0 around engine->run(); interrupts off. */
void umbra_fpu_guest_xcr0(struct umbra_vcpu *vcpu);
void umbra_fpu_host_xcr0(struct umbra_vcpu *vcpu);

/* Emulator access to the image: vector register @reg, @len bytes; a write may exceed it. */
int umbra_fpu_vector(struct umbra_vcpu *vcpu, unsigned int reg, void *buf, unsigned int len,
		     bool write);
/* The 512-byte legacy area. */
int umbra_fpu_legacy(struct umbra_vcpu *vcpu, void *area, bool write);
/* The whole image, every component of it in use from then on. */
void umbra_fpu_xstate(struct umbra_vcpu *vcpu, struct umbra_xstate *xstate);

#endif
