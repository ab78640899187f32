// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guest's CPUID
 *
 * What the device supports, with the fields that describe one processor among
 * several made true: APIC ids and topology.  The machine is one package with
 * one thread a core; APIC ids are the vCPU numbers.
 */
#include "cpuid.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define FIRST_GUESS	128
#define MOST_ENTRIES	4096

/* Leaf 1. */
#define F1_ECX_TSC_DEADLINE	(1u << 24)
#define F1_ECX_HYPERVISOR	(1u << 31)
#define F1_EDX_HTT		(1u << 28)
/* Leaf 80000001h. */
#define X1_ECX_CMP_LEGACY	(1u << 1)
/* Leaf 0Bh, ECX: kind of level. */
#define LEVEL_THREAD		1u
#define LEVEL_CORE		2u

/* One vCPU's view while it is made. */
struct view {
	unsigned int cpu;
	unsigned int nr_cpus;
	unsigned int id_bits;
	bool tsc_deadline;
};

static struct kvm_cpuid2 *allocate(unsigned int entries)
{
	struct kvm_cpuid2 *cpuid;

	cpuid = calloc(1, sizeof(*cpuid) + entries * sizeof(cpuid->entries[0]));
	if (cpuid)
		cpuid->nent = entries;
	return cpuid;
}

/**
 * cpuid_supported() - ask the device what it supports
 * @device_fd: the device
 * @device: its path
 * @complaint: says why not
 *
 * Return: to be freed by the caller, or NULL with a complaint.
 */
struct kvm_cpuid2 *cpuid_supported(int device_fd, const char *device,
				   struct complaint *complaint)
{
	unsigned int entries;

	for (entries = FIRST_GUESS; entries <= MOST_ENTRIES; entries *= 2) {
		struct kvm_cpuid2 *cpuid = allocate(entries);
		int error;

		if (!cpuid)
			break;
		if (!ioctl(device_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
			return cpuid;
		error = errno;
		free(cpuid);
		if (error == E2BIG)
			continue;
		complain(complaint, "%s: KVM_GET_SUPPORTED_CPUID: %s", device,
			 strerror(error));
		return NULL;
	}
	complain(complaint, "%s: KVM_GET_SUPPORTED_CPUID: no end of entries", device);
	return NULL;
}

/**
 * cpuid_find() - look up a leaf
 * @cpuid: entries
 * @function: EAX
 * @index: ECX, where the leaf depends on it
 *
 * Return: the entry, or NULL.
 */
const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *cpuid,
					  unsigned int function, unsigned int index)
{
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function &&
		    (entry->index == index ||
		     !(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return entry;
	}
	return NULL;
}

static void fix_features(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	entry->ebx &= 0x0000ffff;
	entry->ebx |= view->cpu << 24 | view->nr_cpus << 16;
	entry->ecx |= F1_ECX_HYPERVISOR;
	if (view->tsc_deadline)
		entry->ecx |= F1_ECX_TSC_DEADLINE;
	entry->edx &= ~F1_EDX_HTT;
	if (view->nr_cpus > 1)
		entry->edx |= F1_EDX_HTT;
}

/* Intel's cache leaf: bits 31-26 cores in the package, 25-14 sharers, less 1. */
static void fix_caches(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	if (!(entry->eax & 0x1f))
		return;
	entry->eax &= 0x00003fff;
	entry->eax |= ((1u << view->id_bits) - 1) << 26;
}

/* Extended topology: level 0 a thread, level 1 the cores, then the end. */
static void fix_topology(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = entry->index;
	entry->edx = view->cpu;
	if (entry->index == 0) {
		entry->ebx = 1;
		entry->ecx |= LEVEL_THREAD << 8;
	} else if (entry->index == 1) {
		entry->eax = view->id_bits;
		entry->ebx = view->nr_cpus;
		entry->ecx |= LEVEL_CORE << 8;
	}
}

static void fix_amd_features(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	entry->ecx &= ~X1_ECX_CMP_LEGACY;
	if (view->nr_cpus > 1)
		entry->ecx |= X1_ECX_CMP_LEGACY;
}

/* AMD: bits 15-12 width of the core id, 7-0 cores less 1. */
static void fix_amd_cores(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	entry->ecx = view->id_bits << 12 | (view->nr_cpus - 1);
}

static void fix_amd_caches(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	(void)view;
	entry->eax &= ~0x03ffc000u;
}

static void fix_amd_topology(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	entry->eax = view->cpu;
	entry->ebx = view->cpu & 0xff;
	entry->ecx = 0;
	entry->edx = 0;
}

static void clear_leaf(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	(void)view;
	entry->eax = 0;
	entry->ebx = 0;
	entry->ecx = 0;
	entry->edx = 0;
}

/* Leaves with fields that the device cannot know, or that are only its own. */
static const struct {
	unsigned int function;
	void (*fix)(struct kvm_cpuid_entry2 *entry, const struct view *view);
} fixes[] = {
	{ 0x00000001, fix_features },
	{ 0x00000004, fix_caches },
	{ 0x00000005, clear_leaf },		/* MWAIT */
	{ 0x0000000b, fix_topology },
	{ 0x0000001f, fix_topology },
	{ 0x80000001, fix_amd_features },
	{ 0x80000008, fix_amd_cores },
	{ 0x8000001d, fix_amd_caches },
	{ 0x8000001e, fix_amd_topology },
};

static void fix_entry(struct kvm_cpuid_entry2 *entry, const struct view *view)
{
	unsigned int i;

	for (i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++)
		if (fixes[i].function == entry->function)
			fixes[i].fix(entry, view);
}

static unsigned int bits_for(unsigned int count)
{
	unsigned int bits = 0;

	while ((1u << bits) < count)
		bits++;
	return bits;
}

/**
 * cpuid_for_cpu() - what a vCPU shows its guest
 * @vm: with its number of vCPUs
 * @supported: what the device supports
 * @cpu: index of the vCPU
 *
 * Return: to be freed by the caller, or NULL when out of memory.
 */
struct kvm_cpuid2 *cpuid_for_cpu(const struct vm *vm, const struct kvm_cpuid2 *supported,
				 unsigned int cpu)
{
	struct view view = {
		.cpu = cpu,
		.nr_cpus = vm->nr_vcpus,
		.id_bits = bits_for(vm->nr_vcpus),
		.tsc_deadline = vm_has(vm, KVM_CAP_TSC_DEADLINE_TIMER),
	};
	struct kvm_cpuid2 *cpuid = allocate(supported->nent);
	unsigned int i;

	if (!cpuid)
		return NULL;
	memcpy(cpuid->entries, supported->entries,
	       supported->nent * sizeof(supported->entries[0]));
	for (i = 0; i < cpuid->nent; i++)
		fix_entry(&cpuid->entries[i], &view);
	return cpuid;
}
