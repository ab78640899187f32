/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: statistics of running VMs in debugfs
 *
 * The binary statistics of the KVM ABI belong to whoever has the VM's file
 * descriptor; other processes find the same counters as files::
 *
 *	/sys/kernel/debug/{umbra,kvm}/PID-FD/NAME
 *	/sys/kernel/debug/{umbra,kvm}/PID-FD/vcpuN/NAME
 */
#ifndef UMBRA_TOOL_STAT_TREE_H
#define UMBRA_TOOL_STAT_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "complaint.h"

#define STAT_MAX_VMS	64
#define STAT_MAX_VALUES	256
#define STAT_NAME_SIZE	64

/**
 * struct stat_vm - a running VM
 * @id: PID-FD
 * @root: the folder above, which tells the module
 * @pid: of its owner
 * @comm: name of its owner
 */
struct stat_vm {
	char id[32];
	const char *root;
	pid_t pid;
	char comm[32];
};

struct stat_value {
	char name[STAT_NAME_SIZE];
	uint64_t value;
	bool from_vcpu;
};

/**
 * struct stat_values - counters at one moment
 * @value: @count of them
 * @count: see @value
 * @ns: when they were read
 */
struct stat_values {
	struct stat_value value[STAT_MAX_VALUES];
	unsigned int count;
	uint64_t ns;
};

int stat_find_vms(struct stat_vm *vms, struct complaint *complaint);
const struct stat_vm *stat_choose(const struct stat_vm *vms, int count, const char *text,
				  struct complaint *complaint);
bool stat_read(const struct stat_vm *vm, struct stat_values *values);
const struct stat_value *stat_find(const struct stat_values *values, const char *name);

#endif
