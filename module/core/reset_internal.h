/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: power-on and INIT
 */
#ifndef UMBRA_RESET_INTERNAL_H
#define UMBRA_RESET_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_vcpu_reset() - the state after power-on or INIT
 * @vcpu: the vCPU
 * @init: by INIT: FPU, MSRs, TSC and the APIC's base survive (SDM Vol. 3A 9.1.1)
 *
 * Context: vCPU mutex held, or the vCPU is not yet published.
 */
void umbra_vcpu_reset(struct umbra_vcpu *vcpu, bool init);

#endif
