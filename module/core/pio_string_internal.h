/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: REP INS and REP OUTS on userspace's ports
 */
#ifndef UMBRA_PIO_STRING_INTERNAL_H
#define UMBRA_PIO_STRING_INTERNAL_H

#include "umbra/vcpu.h"

/* One element, from the emulator; returns enum umbra_emul_result. */
int umbra_pio_string_in(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val);
int umbra_pio_string_out(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val);

/**
 * umbra_pio_string_goes_on() - settle what such an instruction has left
 * @vcpu: the emulator has just executed elements of it
 * @ret: what came of it, as exit handlers return; it may become an exit to userspace
 *
 * Return: true when the instruction has to go on before anything else happens.
 */
bool umbra_pio_string_goes_on(struct umbra_vcpu *vcpu, int *ret);

/* The elements go to, or are asked of, userspace.  Returns 0. */
int umbra_pio_string_to_user(struct umbra_vcpu *vcpu);

#endif
