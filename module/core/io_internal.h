/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: port and memory-mapped I/O
 */
#ifndef UMBRA_IO_INTERNAL_H
#define UMBRA_IO_INTERNAL_H

#include "umbra/vcpu.h"

/* The emulator is about to execute the instruction at linear @rip, for the first time or again. */
static inline void umbra_io_begin(struct umbra_vcpu *vcpu, u64 rip)
{
	struct umbra_io_log *log = &vcpu->io;

	if (log->rip != rip)
		log->n = 0;
	log->rip = rip;
	log->pos = 0;
}

/* It is through, one way or the other: the log is of no more use. */
static inline void umbra_io_end(struct umbra_vcpu *vcpu)
{
	vcpu->io.n = 0;
	vcpu->io.pending = false;
	/* Userspace, or the guest itself, may change code and tables before the next one. */
	vcpu->insn.len = 0;
	vcpu->hint.valid = false;
}

/**
 * umbra_io_access() - one access of the instruction in flight
 * @vcpu: the vCPU
 * @mmio: memory-mapped; else a port
 * @write: from the guest to the device
 * @addr: gpa or port
 * @data: the bytes
 * @len: 1..8
 *
 * Return: UMBRA_EMUL_OK; UMBRA_EMUL_IO: userspace must answer first.
 */
int umbra_io_access(struct umbra_vcpu *vcpu, bool mmio, bool write, u64 addr, void *data,
		    unsigned int len);

/*
 * Is the access already made and in the log?  Then it is a device's, even if
 * userspace has put memory there while it answered.
 */
bool umbra_io_replays(const struct umbra_vcpu *vcpu, bool write, gpa_t gpa, unsigned int len);

/* A port of a device of the module: 0, or -EOPNOTSUPP when it is userspace's. */
int umbra_io_kernel_port(struct umbra_vcpu *vcpu, bool write, u16 port, void *data,
			 unsigned int size);

/* KVM_EXIT_IO for @count elements in the shared page. */
void umbra_io_fill_ports(struct umbra_vcpu *vcpu, bool write, u16 port, unsigned int size,
			 unsigned int count);

/* After UMBRA_EMUL_IO: fill kvm_run.  Returns 0. */
int umbra_io_to_user(struct umbra_vcpu *vcpu);

/* UMBRA_EXIT_IO; returns as exit handlers do. */
int umbra_io_exit(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

#endif
