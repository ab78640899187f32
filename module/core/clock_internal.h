/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the guest's clocks
 *
 * TSC and kvmclock.
 */
#ifndef UMBRA_CLOCK_INTERNAL_H
#define UMBRA_CLOCK_INTERNAL_H

#include "umbra/vcpu.h"

/* KVM_FEATURE_* bits of CPUID leaf 40000001h EAX that work. */
u32 umbra_clock_features(void);

/* Power-on: the TSC runs with that of the other vCPUs. */
void umbra_clock_reset(struct umbra_vcpu *vcpu);

/* Set the guest's TSC to @tsc; @host: by KVM_SET_MSRS, which may mean "synchronize". */
void umbra_clock_set_tsc(struct umbra_vcpu *vcpu, u64 tsc, bool host);

/*
 * MSR_KVM_SYSTEM_TIME_NEW and MSR_KVM_WALL_CLOCK_NEW.  Any address is taken, as with KVM; a clock page
 * that would leave its page of memory is not written.
 */
void umbra_clock_set_page(struct umbra_vcpu *vcpu, u64 val);
void umbra_clock_set_wall(struct umbra_vcpu *vcpu, u64 val);

/*
 * Write a structure of guest memory that has a version, which readers compare: @version is in
 * @area, as the guest has it.  SRCU read side held, may sleep.  0 or -EFAULT.
 */
int umbra_pv_write(struct umbra_vm *vm, gpa_t gpa, void *area, unsigned int len, u32 *version);

/* UMBRA_REQ_CLOCK: fill the vCPU's page.  SRCU read side held, may sleep. */
void umbra_clock_update(struct umbra_vcpu *vcpu);

#endif
