// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: vcpu_test
 *
 * Making vCPUs, mapping what they share, and what their fds refuse, whatever
 * state the vCPU is in.
 */
#include <setjmp.h>
#include <signal.h>

#include "abi_check.h"

static sigjmp_buf escape;

static void on_bus_error(int sig)
{
	siglongjmp(escape, sig);
}

/* Does the page at @offset of the mapping exist? */
static bool page_there(const char *map, size_t offset)
{
	if (sigsetjmp(escape, 1))
		return false;
	*(volatile const char *)(map + offset);
	return true;
}

static void test_create(int dev)
{
	int vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	int max_id = ioctl(dev, KVM_CHECK_EXTENSION, (long)KVM_CAP_MAX_VCPU_ID);
	int max = ioctl(dev, KVM_CHECK_EXTENSION, (long)KVM_CAP_MAX_VCPUS);
	int first = ioctl(vm, KVM_CREATE_VCPU, 0ul);

	works(first, "KVM_CREATE_VCPU");
	fails(ioctl(vm, KVM_CREATE_VCPU, 0ul), EEXIST, "the same id again");
	fails(ioctl(vm, KVM_CREATE_VCPU, (unsigned long)max_id), EINVAL, "id too large");
	/* Older KVM takes the low half, which exists. */
	fails_either(ioctl(vm, KVM_CREATE_VCPU, 1ul << 40), EINVAL, EEXIST,
		     "id of more than 32 bits");
	works(ioctl(vm, KVM_CREATE_VCPU, max_id - 1ul), "the largest id");
	close(first);
	fails(ioctl(vm, KVM_CREATE_VCPU, 0ul), EEXIST, "an id lives as long as the VM");
	if (max > 1024)
		max = 1024;
	close(vm);

	vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	if (ku_check(dev, KVM_CAP_MAX_VCPUS) > 64) {
		ktap_skip("one vCPU more than can be", "too many here for a test");
	} else {
		int i, good = 0;

		for (i = 0; i < max; i++)
			good += ioctl(vm, KVM_CREATE_VCPU, (long)i) >= 0;
		fails(ioctl(vm, KVM_CREATE_VCPU, (long)i), EINVAL,
		      good == max ? "one vCPU more than can be" : "too few vCPUs");
		for (i = 3; i < 256; i++)
			if (i != vm && i != dev)
				close(i);
	}
	close(vm);
}

static void test_mapping(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	size_t size = vm->run_size;
	char *map, *again;

	signal(SIGBUS, on_bus_error);
	map = mmap(NULL, size + 4 * KU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	ktap_ok(map != MAP_FAILED, "mmap of a vCPU");
	ktap_ok(page_there(map, 0) && page_there(map, KU_PAGE), "kvm_run and port data are there");
	ktap_ok(!page_there(map, size + KU_PAGE), "nothing is behind");
	again = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	map[1] = 42;
	ktap_ok(again[1] == 42, "two mappings show the same");
	map[1] = 0;
	munmap(map, size + 4 * KU_PAGE);
	munmap(again, size);
	signal(SIGBUS, SIG_DFL);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

#define GET(c) { KVM_GET_##c, "KVM_GET_" #c }
#define SET(c) { KVM_SET_##c, "KVM_SET_" #c }

static const struct {
	unsigned long cmd;
	const char *name;
} pointers[] = {
	GET(REGS), SET(REGS), GET(SREGS), SET(SREGS), GET(FPU), SET(FPU),
	GET(XSAVE), SET(XSAVE), GET(XCRS), SET(XCRS), GET(DEBUGREGS), SET(DEBUGREGS),
	GET(VCPU_EVENTS), SET(VCPU_EVENTS), GET(MP_STATE), SET(MP_STATE),
	GET(LAPIC), SET(LAPIC), GET(MSRS), SET(MSRS), SET(CPUID2), GET(CPUID2),
	SET(GUEST_DEBUG), SET(SIGNAL_MASK),
	{ KVM_TRANSLATE, "KVM_TRANSLATE" },
};

#define NR_POINTERS	(sizeof(pointers) / sizeof(pointers[0]))

static void test_pointers(struct ku_vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < NR_POINTERS; i++)
		fails(ioctl(vcpu->fd, pointers[i].cmd, BAD_POINTER), EFAULT, pointers[i].name);
}

static void test_refusals(struct ku_vcpu *vcpu)
{
	fails_either(ioctl(vcpu->fd, _IO(KVMIO, 0x3f), 0), ENOTTY, EINVAL, "an unknown command");
	fails_either(ioctl(vcpu->fd, _IO(0x42, 1), 0), ENOTTY, EINVAL,
		     "a command of another device");
	fails_either(ioctl(vcpu->fd, KVM_CREATE_VCPU, 5), ENOTTY, EINVAL,
		     "KVM_CREATE_VCPU on a vCPU");
	fails(ioctl(vcpu->fd, KVM_RUN, 1), EINVAL, "KVM_RUN with an argument");
}

static void test_no_lapic(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	static struct kvm_lapic_state lapic;

	fails(ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic), EINVAL, "KVM_GET_LAPIC without one");
	fails(ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic), EINVAL, "KVM_SET_LAPIC without one");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

/* What is read can be written back, in a fresh vCPU. */
static void test_round_trips(struct ku_vcpu *vcpu)
{
	static union {
		struct kvm_regs regs;
		struct kvm_sregs sregs;
		struct kvm_fpu fpu;
		struct kvm_xsave xsave;
		struct kvm_xcrs xcrs;
		struct kvm_debugregs debugregs;
		struct kvm_vcpu_events events;
		struct kvm_mp_state mp;
		struct kvm_lapic_state lapic;
		char bytes[8192];
	} a, b;
	static const struct {
		unsigned long get, set;
		const char *name;
	} pairs[] = {
#define PAIR(c) { KVM_GET_##c, KVM_SET_##c, #c }
		PAIR(REGS), PAIR(SREGS), PAIR(FPU), PAIR(XSAVE), PAIR(XCRS),
		PAIR(DEBUGREGS), PAIR(VCPU_EVENTS), PAIR(MP_STATE), PAIR(LAPIC),
	};
	unsigned int i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		bool good;

		memset(&a, 0x5a, sizeof(a));
		memset(&b, 0x5a, sizeof(b));
		good = !ioctl(vcpu->fd, pairs[i].get, &a) && !ioctl(vcpu->fd, pairs[i].set, &a) &&
		       !ioctl(vcpu->fd, pairs[i].get, &b) && !memcmp(&a, &b, sizeof(a));
		ktap_ok(good, "%s: read, written, read the same", pairs[i].name);
	}
}

int main(void)
{
	int dev = ku_open();
	struct ku_vm *vm;
	struct ku_vcpu *vcpu;

	ktap_plan(7 + 4 + NR_POINTERS + 4 + 2 + 9);
	test_create(dev);
	test_mapping();
	vm = ku_vm_new_irqchip(0);
	vcpu = ku_vcpu_new(vm, 0);
	test_pointers(vcpu);
	test_refusals(vcpu);
	test_no_lapic();
	test_round_trips(vcpu);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
