// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: smoke_test
 *
 * The shortest way through the ABI: a guest in real mode and one in long
 * mode add two numbers and say the sum on a port.  When this fails, look at
 * nothing else first.
 */
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

KU_CODE16(add16,
	  "mov $0x217, %dx\n"
	  "add %bl, %al\n"
	  "out %al, %dx\n"
	  "hlt\n");

KU_CODE64(add64,
	  "mov $0x217, %edx\n"
	  "add %rbx, %rax\n"
	  "push %rax\n"
	  "pop %rax\n"
	  "out %eax, %dx\n"
	  "hlt\n");

static void test_version(void)
{
	int dev = ku_open();

	ktap_ok(ioctl(dev, KVM_GET_API_VERSION, 0ul) == KVM_API_VERSION,
		"KVM_GET_API_VERSION is %d", KVM_API_VERSION);
	ktap_ok(ku_check(dev, KVM_CAP_USER_MEMORY) > 0, "KVM_CAP_USER_MEMORY");
}

static void test_guest(const char *name, const char *code, size_t size,
		       bool lm, uint32_t sum)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	struct kvm_regs regs;

	ku_load(vm, code, size);
	if (lm)
		ku_vcpu_long(vcpu, KU_CODE);
	else
		ku_vcpu_real(vcpu, KU_CODE);
	regs = ku_get_regs(vcpu);
	regs.rax = 2;
	regs.rbx = sum - 2;
	ku_set_regs(vcpu, &regs);
	ktap_ok(ku_run_out(vcpu, 0x217) == sum, "%s: sum on the port", name);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(true, "%s: HLT", name);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

int main(void)
{
	close(ku_open());
	ktap_plan(6);
	test_version();
	test_guest("real mode", add16, add16_end - add16, false, 7);
	test_guest("long mode", add64, add64_end - add64, true, 0x12345678);
	ktap_exit();
}
