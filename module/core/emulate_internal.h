/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the vCPU's use of the emulator
 */
#ifndef UMBRA_EMULATE_INTERNAL_H
#define UMBRA_EMULATE_INTERNAL_H

#include "cr_internal.h"
#include "umbra/vcpu.h"

/**
 * umbra_emulate_insn() - execute the instruction at the guest's RIP in software
 * @vcpu: the vCPU
 * @written: gpa of a shadowed page table that the instruction writes, or
 *	UMBRA_INVALID_GPA.  When the instruction cannot be emulated the table is
 *	no longer shadowed and the guest tries again by itself
 *
 * Context: vCPU thread, SRCU read side held, may sleep.
 * Return: 1: run the guest; 0: to userspace, kvm_run is filled; negative errno.
 */
int umbra_emulate_insn(struct umbra_vcpu *vcpu, gpa_t written);

/**
 * umbra_emulate_resume() - go on with the instruction that waited for userspace
 * @vcpu: the vCPU; umbra_emul_can_resume(), and the log of I/O stands behind the
 *	access that was answered
 * @val: what was read
 *
 * Context and result as umbra_emulate_insn().
 */
int umbra_emulate_resume(struct umbra_vcpu *vcpu, u64 val);

/* vcpu->emul; 0 or -ENOMEM. */
int umbra_emulate_create(struct umbra_vcpu *vcpu);
void umbra_emulate_destroy(struct umbra_vcpu *vcpu);

/* Linear address of the next instruction. */
static inline u64 umbra_linear_rip(struct umbra_vcpu *vcpu)
{
	const struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_SEG | UMBRA_REGS_CR);

	if (umbra_in_64bit(regs))
		return regs->rip;
	return (u32)(regs->seg[UMBRA_CS].base + regs->rip);
}

/**
 * umbra_fetch() - the bytes at the guest's RIP
 * @vcpu: the vCPU
 * @buf: result
 * @len: how many are wanted
 *
 * Return: how many were read; 0 when the first is not accessible.
 */
unsigned int umbra_fetch(struct umbra_vcpu *vcpu, void *buf, unsigned int len);

#endif
