/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a virtual processor and its thread
 */
#ifndef UMBRA_TOOL_VCPU_H
#define UMBRA_TOOL_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>

#include "complaint.h"
#include "loader.h"
#include "vm.h"

/**
 * struct vcpu - a virtual processor
 * @vm: its VM
 * @index: its number and APIC id
 * @fd: the vCPU
 * @run: page shared with the device
 * @thread: runs it; no other thread uses @run while it lives
 * @started: @thread is there to be joined
 */
struct vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
};

int vcpu_create(struct vm *vm, unsigned int index, const struct kvm_cpuid2 *supported,
		struct complaint *complaint);
int vcpu_set_entry(struct vcpu *vcpu, const struct entry *entry,
		   struct complaint *complaint);
int vcpu_start(struct vcpu *vcpu, struct complaint *complaint);
void vcpu_join(struct vcpu *vcpu);
void vcpu_dump(struct vcpu *vcpu);

#endif
