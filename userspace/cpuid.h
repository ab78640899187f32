/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the guest's CPUID
 */
#ifndef UMBRA_TOOL_CPUID_H
#define UMBRA_TOOL_CPUID_H

#include <linux/kvm.h>

#include "complaint.h"
#include "vm.h"

struct kvm_cpuid2 *cpuid_supported(int device_fd, const char *device,
				   struct complaint *complaint);
const struct kvm_cpuid_entry2 *cpuid_find(const struct kvm_cpuid2 *cpuid,
					  unsigned int function, unsigned int index);
struct kvm_cpuid2 *cpuid_for_cpu(const struct vm *vm, const struct kvm_cpuid2 *supported,
				 unsigned int cpu);

#endif
