/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: stolen time
 *
 * What a guest is told of the time that its vCPU's thread had to wait for a CPU.
 */
#ifndef UMBRA_STEAL_INTERNAL_H
#define UMBRA_STEAL_INTERNAL_H

#include "umbra/vcpu.h"

/* KVM_FEATURE_* bits of CPUID leaf 40000001h EAX that work. */
u32 umbra_steal_features(void);

/* MSR_KVM_STEAL_TIME; -EINVAL: #GP. */
int umbra_steal_set(struct umbra_vcpu *vcpu, u64 val);

/* Another thread runs the vCPU: its waits begin to count now. */
void umbra_steal_thread(struct umbra_vcpu *vcpu);

/* Before the guest runs: write what is new.  SRCU read side held, may sleep. */
void umbra_steal_update(struct umbra_vcpu *vcpu);

#endif
