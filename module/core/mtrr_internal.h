/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: memory type range registers
 */
#ifndef UMBRA_MTRR_INTERNAL_H
#define UMBRA_MTRR_INTERNAL_H

#include "umbra/vcpu.h"

/* -EINVAL: #GP. */
int umbra_mtrr_read(struct umbra_vcpu *vcpu, u32 index, u64 *val);
int umbra_mtrr_write(struct umbra_vcpu *vcpu, u32 index, u64 val);

#endif
