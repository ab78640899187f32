/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: exits
 */
#ifndef UMBRA_EXIT_INTERNAL_H
#define UMBRA_EXIT_INTERNAL_H

#include "umbra/vcpu.h"

/**
 * umbra_exit_handle() - do what the guest's exit asks for
 * @vcpu: the vCPU
 * @exit: from engine->run()
 *
 * Context: vCPU thread, preemption and interrupts on, SRCU read side held.
 * Return: 1: run the guest again; 0: to userspace, kvm_run is filled; negative
 * errno for KVM_RUN.
 */
int umbra_exit_handle(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

/* Count it and trace it. */
void umbra_exit_note(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

/* Ways to userspace; each returns what the handler shall return. */

/* KVM_INTERNAL_ERROR_EMULATION with the instruction's bytes. */
int umbra_exit_emulation(struct umbra_vcpu *vcpu, const u8 *insn, unsigned int len);
/* KVM_EXIT_INTERNAL_ERROR with @suberror and up to 16 words. */
int umbra_exit_internal(struct umbra_vcpu *vcpu, u32 suberror, const u64 *data, unsigned int n);
/* Triple fault. */
int umbra_exit_shutdown(struct umbra_vcpu *vcpu);
/* HLT was executed: wait here, or in userspace when it has the interrupt controllers. */
int umbra_exit_halt(struct umbra_vcpu *vcpu);

#endif
