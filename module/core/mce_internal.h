/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: machine-check registers
 */
#ifndef UMBRA_MCE_INTERNAL_H
#define UMBRA_MCE_INTERNAL_H

#include "umbra/vcpu.h"

#define UMBRA_MCE_BANKS		32

/* MSR_IA32_MCG_* and the banks; -EINVAL: #GP. */
int umbra_mce_read(struct umbra_vcpu *vcpu, u32 index, u64 *val, bool host);
int umbra_mce_write(struct umbra_vcpu *vcpu, u32 index, u64 val, bool host);

int umbra_mce_create(struct umbra_vcpu *vcpu);
void umbra_mce_destroy(struct umbra_vcpu *vcpu);

#endif
