/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: registers in the shared page
 */
#ifndef UMBRA_SYNC_INTERNAL_H
#define UMBRA_SYNC_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_sync_take() - registers that userspace changed in kvm_run
 * @vcpu: the vCPU; kvm_dirty_regs names them, the bits go as they are taken
 *
 * Context: vcpu->mutex held, may sleep.
 * Return: 0 or -EINVAL: unknown fields, a state that cannot be.
 */
int umbra_sync_take(struct umbra_vcpu *vcpu);

/* What kvm_valid_regs names, into kvm_run; likewise. */
void umbra_sync_give(struct umbra_vcpu *vcpu);

#endif
