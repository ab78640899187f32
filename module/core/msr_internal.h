/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: model-specific registers
 */
#ifndef UMBRA_MSR_INTERNAL_H
#define UMBRA_MSR_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_msr_read() - RDMSR or KVM_GET_MSRS
 * @vcpu: the vCPU
 * @index: MSR
 * @val: result
 * @host: userspace asks
 *
 * Context: vCPU mutex held.
 * Return: 0 or -EINVAL: no such MSR (#GP).
 */
int umbra_msr_read(struct umbra_vcpu *vcpu, u32 index, u64 *val, bool host);

/* WRMSR or KVM_SET_MSRS, likewise; SRCU read side held. */
int umbra_msr_write(struct umbra_vcpu *vcpu, u32 index, u64 val, bool host);

/* Does the guest's access reach a register at all? */
bool umbra_msr_exists(u32 index, bool write);

/* Power-on values. */
void umbra_msr_reset(struct umbra_vcpu *vcpu);

#endif
