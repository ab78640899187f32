/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: starting and stopping processors
 */
#ifndef UMBRA_MP_INTERNAL_H
#define UMBRA_MP_INTERNAL_H

#include "umbra/vcpu.h"

/* The boot processor starts by itself, the others wait for INIT and SIPI. */
static inline bool umbra_is_bsp(const struct umbra_vcpu *vcpu)
{
	return vcpu->id == vcpu->vm->bsp_id;
}

/**
 * umbra_mp_accept() - act on INIT and SIPI that have arrived
 * @vcpu: the vCPU
 *
 * Context: vCPU mutex held.
 */
void umbra_mp_accept(struct umbra_vcpu *vcpu);

#endif
