/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: REP INS and REP OUTS on userspace's ports
 */
#ifndef UMBRA_PIO_STRING_INTERNAL_H
#define UMBRA_PIO_STRING_INTERNAL_H

#include "umbra/vcpu.h"

/* Execute the REP INS or REP OUTS at RIP; returns as exit handlers do. */
int umbra_pio_string_run(struct umbra_vcpu *vcpu, bool in);

/*
 * Userspace is back from an MMIO access: was it the store of an element?  Then it is
 * umbra_pio_string_run() that goes on.
 */
bool umbra_pio_string_stored(struct umbra_vcpu *vcpu);

/* One element, from the emulator; returns enum umbra_emul_result. */
int umbra_pio_string_in(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val);
int umbra_pio_string_out(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val);

/* The elements go to, or are asked of, userspace.  Returns 0. */
int umbra_pio_string_to_user(struct umbra_vcpu *vcpu);

#endif
