/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: debugging the guest from userspace
 *
 * KVM_SET_GUEST_DEBUG's view of single steps and breakpoints.
 */
#ifndef UMBRA_GUEST_DEBUG_INTERNAL_H
#define UMBRA_GUEST_DEBUG_INTERNAL_H

#include "umbra/vcpu.h"

/* Userspace steps this vCPU. */
static inline bool umbra_debug_stepping(const struct umbra_vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_SINGLESTEP;
}

/* Userspace asked that no interrupt comes in while it steps. */
static inline bool umbra_debug_blocks_irq(const struct umbra_vcpu *vcpu)
{
	return vcpu->guest_debug & KVM_GUESTDBG_BLOCKIRQ;
}

/**
 * umbra_debug_exit() - leave to userspace with KVM_EXIT_DEBUG
 * @vcpu: the vCPU
 * @vector: DB_VECTOR or BP_VECTOR
 * @dr6: DR6 bits of the cause
 *
 * Return: 0.
 */
int umbra_debug_exit(struct umbra_vcpu *vcpu, u8 vector, u64 dr6);

/**
 * umbra_debug_exception() - an intercepted #DB or #BP: is it userspace's?
 * @vcpu: the vCPU
 * @fault: what the guest raised
 *
 * Return: 1 when the guest gets it, 0 after filling KVM_EXIT_DEBUG.
 */
int umbra_debug_exception(struct umbra_vcpu *vcpu, const struct umbra_fault *fault);

#endif
