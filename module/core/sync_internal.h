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

/* Does userspace ask for any of that? */
static inline bool umbra_sync_wanted(const struct umbra_vcpu *vcpu)
{
	return READ_ONCE(vcpu->run->kvm_valid_regs) | READ_ONCE(vcpu->run->kvm_dirty_regs);
}

#endif
