/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: waiting
 */
#ifndef UMBRA_HALT_INTERNAL_H
#define UMBRA_HALT_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_halt_wait() - sleep until there is something to do
 * @vcpu: not runnable
 *
 * Returns when an event woke it, a request or INIT/SIPI arrived, or a signal is
 * pending; the caller looks which.
 * Context: vCPU thread, may sleep, SRCU read side not held.
 */
void umbra_halt_wait(struct umbra_vcpu *vcpu);

#endif
