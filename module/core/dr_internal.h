/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: debug registers
 */
#ifndef UMBRA_DR_INTERNAL_H
#define UMBRA_DR_INTERNAL_H

#include "umbra/vcpu.h"

/* DR0..DR7 as the guest sees them. */
u64 umbra_dr_read(struct umbra_vcpu *vcpu, unsigned int dr);
/* -EINVAL: #GP(0): upper half of DR6 or DR7. */
int umbra_dr_write(struct umbra_vcpu *vcpu, unsigned int dr, u64 val);

#endif
