/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a virtual machine on the device
 *
 * The device node, the VM's file descriptor, its vCPUs, and why it stopped.
 * Nothing here knows which devices the machine has.
 */
#ifndef UMBRA_TOOL_VM_H
#define UMBRA_TOOL_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "complaint.h"
#include "memory.h"
#include "ports.h"

#define VM_DEFAULT_DEVICE "/dev/umbra"

struct vcpu;

/**
 * struct vm_stop - why the VM stopped; the first reason counts
 * @lock: guards everything below but @happened
 * @happened: set last, read without the lock
 * @status: exit status of the tool
 * @normal: the guest or the user wanted it
 * @reason: one line
 * @cpu: index of the vCPU that stopped it, -1 for none
 */
struct vm_stop {
	pthread_mutex_t lock;
	atomic_bool happened;
	int status;
	bool normal;
	char reason[400];
	int cpu;
};

/**
 * struct vm - the VM
 * @device: path of the device node
 * @device_fd: the node
 * @fd: the VM
 * @stop_fd: eventfd, readable once the VM has stopped
 * @run_size: bytes of a vCPU's shared page
 * @vcpu: @nr_vcpus of them
 * @nr_vcpus: number of vCPUs
 * @ports: the devices behind I/O ports
 * @stop: why it stopped
 */
struct vm {
	const char *device;
	int device_fd;
	int fd;
	int stop_fd;
	size_t run_size;
	struct vcpu *vcpu;
	unsigned int nr_vcpus;
	struct ports ports;
	struct vm_stop stop;
};

int vm_open_device(const char *path, struct complaint *complaint);
int vm_create(struct vm *vm, const char *device, const char *engine,
	      struct complaint *complaint);
int vm_add_memory(struct vm *vm, const struct memory *memory, struct complaint *complaint);
int vm_has(const struct vm *vm, unsigned int cap);
void vm_set_irq(void *vm, unsigned int gsi, bool level);
void vm_stop(struct vm *vm, int cpu, int status, bool normal, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
bool vm_stopped(const struct vm *vm);

#endif
