// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: system_test
 *
 * The ioctls of the device: version, capabilities, what is refused.  Without
 * one of the required capabilities some stock client does not start.
 */
#include <linux/umbra.h>

#include "abi_check.h"

#define CAP(c) { KVM_CAP_##c, #c }

static const struct {
	int cap;
	const char *name;
} required[] = {
	CAP(USER_MEMORY), CAP(DESTROY_MEMORY_REGION_WORKS),
	CAP(JOIN_MEMORY_REGIONS_WORKS), CAP(INTERNAL_ERROR_DATA),
	CAP(IOEVENTFD), CAP(IOEVENTFD_ANY_LENGTH), CAP(IOEVENTFD_NO_LENGTH),
	CAP(IRQFD), CAP(IRQCHIP), CAP(IRQ_ROUTING), CAP(SIGNAL_MSI),
	CAP(IRQ_INJECT_STATUS), CAP(SPLIT_IRQCHIP), CAP(SET_TSS_ADDR),
	CAP(SET_IDENTITY_MAP_ADDR), CAP(EXT_CPUID), CAP(PIT2), CAP(PIT_STATE2),
	CAP(ADJUST_CLOCK), CAP(MP_STATE), CAP(VCPU_EVENTS), CAP(DEBUGREGS),
	CAP(XSAVE), CAP(XCRS), CAP(MCE), CAP(X86_ROBUST_SINGLESTEP),
	CAP(COALESCED_MMIO), CAP(HLT), CAP(IMMEDIATE_EXIT),
	CAP(TSC_DEADLINE_TIMER), CAP(GET_TSC_KHZ), CAP(USER_NMI),
	CAP(NR_VCPUS), CAP(MAX_VCPUS), CAP(NR_MEMSLOTS), CAP(CHECK_EXTENSION_VM),
	CAP(SYNC_MMU), CAP(READONLY_MEM), CAP(BINARY_STATS_FD),
};

#define NR_REQUIRED	(sizeof(required) / sizeof(required[0]))

static void test_version(int dev)
{
	ktap_ok(ioctl(dev, KVM_GET_API_VERSION, 0ul) == 12, "KVM_GET_API_VERSION is 12");
	fails(ioctl(dev, KVM_GET_API_VERSION, 1ul), EINVAL,
	      "KVM_GET_API_VERSION with an argument");
	fails(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 1ul), EINVAL,
	      "KVM_GET_VCPU_MMAP_SIZE with an argument");
	ktap_ok(ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0ul) >= 2 * (int)KU_PAGE,
		"KVM_GET_VCPU_MMAP_SIZE has kvm_run and the page of port data");
}

static void test_capabilities(int dev)
{
	unsigned int i;

	for (i = 0; i < NR_REQUIRED; i++)
		ktap_ok(ku_check(dev, required[i].cap) > 0, "KVM_CAP_%s", required[i].name);
	ktap_ok(ku_check(dev, 0x7fffffff) == 0, "an unknown capability reads 0");
	ktap_ok(ku_check(dev, KVM_CAP_S390_PSW) == 0, "another machine's capability reads 0");
}

/* Capabilities of things that are not implemented read 0. */
static void test_honesty(int dev)
{
	static const int absent[] = {
		KVM_CAP_NESTED_STATE, KVM_CAP_HYPERV, KVM_CAP_XEN_HVM,
		KVM_CAP_DIRTY_LOG_RING, KVM_CAP_X86_SMM, KVM_CAP_HYPERV_SYNIC,
		KVM_CAP_MSR_PLATFORM_INFO, KVM_CAP_VAPIC,
	};
	unsigned int i, there = 0;

	if (!is_umbra()) {
		ktap_skip("absent capabilities", "stock KVM has them");
		return;
	}
	for (i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		there += ku_check(dev, absent[i]) != 0;
	ktap_ok(!there, "capabilities of what is absent read 0");
}

static void test_refusals(int dev)
{
	fails(ioctl(dev, KVM_CREATE_VM, 0x7ful), EINVAL, "KVM_CREATE_VM of an unknown type");
	fails_either(ioctl(dev, _IO(KVMIO, 0x3f), 0), ENOTTY, EINVAL, "an unknown command");
	fails_either(ioctl(dev, _IO(0x42, 1), 0), ENOTTY, EINVAL,
		     "a command of another device");
	fails_either(ioctl(dev, KVM_RUN, 0), ENOTTY, EINVAL, "KVM_RUN on the device");
	fails_either(ioctl(dev, KVM_CREATE_VCPU, 0), ENOTTY, EINVAL,
		     "KVM_CREATE_VCPU on the device");
}

static void test_check(int dev)
{
	struct umbra_info info;
	long ret;

	memset(&info, 0xee, sizeof(info));
	ret = ioctl(dev, UMBRA_CHECK, &info);
	if (!is_umbra()) {
		ktap_ok(ret < 0, "UMBRA_CHECK is refused by KVM");
		ktap_skip("UMBRA_CHECK names engines", "this is KVM");
		ktap_skip("UMBRA_CHECK with a bad pointer", "this is KVM");
		return;
	}
	ktap_ok(!ret && info.version == UMBRA_ABI_VERSION && !info.flags,
		"UMBRA_CHECK gives version %u", UMBRA_ABI_VERSION);
	ktap_ok(info.engine[0] && strstr(info.engines, info.engine),
		"UMBRA_CHECK names engine %s of: %s", info.engine, info.engines);
	fails(ioctl(dev, UMBRA_CHECK, BAD_POINTER), EFAULT, "UMBRA_CHECK with a bad pointer");
}

static void test_vm_fd(int dev)
{
	int vm = ioctl(dev, KVM_CREATE_VM, 0ul);

	works(vm, "KVM_CREATE_VM");
	ktap_ok(ioctl(vm, KVM_CHECK_EXTENSION, (long)KVM_CAP_USER_MEMORY) == 1,
		"KVM_CHECK_EXTENSION on a VM");
	fails(ioctl(vm, _IO(KVMIO, 0x3f), 0), ENOTTY, "an unknown command on a VM");
	fails(ioctl(vm, KVM_RUN, 0), ENOTTY, "KVM_RUN on a VM");
	fails(ioctl(vm, KVM_GET_API_VERSION, 0), ENOTTY, "KVM_GET_API_VERSION on a VM");
	fails(ioctl(vm, KVM_GET_REGS, BAD_POINTER), ENOTTY, "KVM_GET_REGS on a VM");
	close(vm);
}

int main(void)
{
	int dev = ku_open();

	ktap_plan(4 + NR_REQUIRED + 2 + 1 + 5 + 3 + 6);
	test_version(dev);
	test_capabilities(dev);
	test_honesty(dev);
	test_refusals(dev);
	test_check(dev);
	test_vm_fd(dev);
	ktap_exit();
}
