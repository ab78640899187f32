// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debugfs
 *
 *   /sys/kernel/debug/umbra/<pid>-<fd>/           counters of a VM
 *   /sys/kernel/debug/umbra/<pid>-<fd>/vcpu<id>/  counters of a vCPU
 *   /sys/kernel/debug/umbra/<pid>-<fd>/vcpu<id>/translation  of an engine that translates;
 *	see core/look.c
 *   /sys/kernel/debug/umbra/<pid>-<fd>/mmu_audit  0, or the number of an
 *	invariant of Documentation/mmu.rst that does not hold; reading it checks all
 *
 * One file a counter, for root.  debugfs is a convenience: a directory that
 * cannot be made is simply not there.
 */
#include <linux/debugfs.h>
#include <linux/kernel.h>

#include "umbra/mmu.h"
#include "core_internal.h"
#include "look_internal.h"
#include "stats_internal.h"

static struct dentry *root;

/**
 * umbra_debugfs_init() - the top directory
 */
void umbra_debugfs_init(void)
{
	root = debugfs_create_dir("umbra", NULL);
}

/**
 * umbra_debugfs_exit() - its end
 */
void umbra_debugfs_exit(void)
{
	debugfs_remove(root);
}

static void create_files(struct dentry *dir, const struct umbra_stat_item *items,
			 unsigned int nr, const void *values)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		debugfs_create_u64(items[i].name, 0400, dir, (u64 *)(values + items[i].offset));
}

static int audit_get(void *mmu, u64 *broken)
{
	*broken = umbra_mmu_audit(mmu);
	return 0;
}

DEFINE_DEBUGFS_ATTRIBUTE(audit_fops, audit_get, NULL, "%llu\n");

/**
 * umbra_debugfs_vm() - the directory of a VM
 * @vm: the VM
 * @fd: number of its fd, part of the name
 */
void umbra_debugfs_vm(struct umbra_vm *vm, int fd)
{
	char name[32];

	snprintf(name, sizeof(name), "%d-%d", vm->pid, fd);
	vm->debugfs = debugfs_create_dir(name, root);
	create_files(vm->debugfs, umbra_vm_stat_items, umbra_nr_vm_stat_items,
		     umbra_mmu_stats(vm->mmu));
	debugfs_create_file("mmu_audit", 0400, vm->debugfs, vm->mmu, &audit_fops);
}

/**
 * umbra_debugfs_vcpu() - the directory of a vCPU
 * @vcpu: the vCPU
 */
void umbra_debugfs_vcpu(struct umbra_vcpu *vcpu)
{
	char name[32];

	if (IS_ERR_OR_NULL(vcpu->vm->debugfs))
		return;
	snprintf(name, sizeof(name), "vcpu%u", vcpu->id);
	vcpu->debugfs = debugfs_create_dir(name, vcpu->vm->debugfs);
	create_files(vcpu->debugfs, umbra_vcpu_stat_items, umbra_nr_vcpu_stat_items, &vcpu->stat);
	if (vcpu->vm->engine->show)
		debugfs_create_file("translation", 0600, vcpu->debugfs, vcpu, &umbra_look_fops);
}

/**
 * umbra_debugfs_free() - the end of a VM's directory
 * @vm: the VM; no reader is inside on return
 *
 * Context: may sleep.
 */
void umbra_debugfs_free(struct umbra_vm *vm)
{
	debugfs_remove(vm->debugfs);
}
