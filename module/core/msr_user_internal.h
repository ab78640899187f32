/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: MSRs that userspace decides about
 */
#ifndef UMBRA_MSR_USER_INTERNAL_H
#define UMBRA_MSR_USER_INTERNAL_H

#include "umbra/vcpu.h"

/* Not an error: userspace must answer first, kvm_run is filled. */
#define UMBRA_MSR_ASKED		1

/**
 * umbra_msr_guest_read() - RDMSR by the guest
 * @vcpu: the vCPU
 * @index: MSR
 * @val: result
 *
 * Context: vCPU mutex and SRCU read side held.
 * Return: 0; -EINVAL: #GP; %UMBRA_MSR_ASKED: go on with umbra_msr_to_user().
 */
int umbra_msr_guest_read(struct umbra_vcpu *vcpu, u32 index, u64 *val);

/* WRMSR by the guest, likewise. */
int umbra_msr_guest_write(struct umbra_vcpu *vcpu, u32 index, u64 val);

/**
 * umbra_msr_to_user() - is it an MSR that the vCPU leaves to userspace for?
 * @vcpu: the vCPU
 * @again: makes the access again, when userspace has answered; returns as exit
 *	handlers do
 *
 * Return: true after %UMBRA_MSR_ASKED.
 */
bool umbra_msr_to_user(struct umbra_vcpu *vcpu, int (*again)(struct umbra_vcpu *vcpu));

/* KVM_CAP_X86_USER_SPACE_MSR: KVM_MSR_EXIT_REASON_*.  0 or -EINVAL. */
int umbra_msr_user_enable(struct umbra_vm *vm, u64 reasons);

/* The end of the VM's filter. */
void umbra_msr_filter_free(struct umbra_vm *vm);

#endif
