// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: extras_test
 *
 * Smaller parts of the ABI: the bound of the shadow pages, the highest vCPU id,
 * triple faults as events, instructions that need not exit, and the older form
 * of KVM_SET_CPUID.
 */
#include <signal.h>
#include <sys/time.h>

#include "abi_check.h"

KU_CODE64(touch,
	  "mov $0x200000, %rbx\n"
	  "1: movl $0x5a, (%rbx)\n"
	  "add $0x1000, %rbx\n"
	  "cmp $0x400000, %rbx\n"
	  "jb 1b\n"
	  "hlt\n");
KU_CODE64(cpuid, "mov $0x40000001, %eax\n xor %ecx, %ecx\n cpuid\n hlt\n");
KU_CODE64(halt, "hlt\n");
KU_CODE64(ud, "nop\n ud2\n");

static struct ku_vcpu *start(struct ku_vm *vm, const char *code, const char *end)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);

	ku_vcpu_cpuid(vcpu);
	ku_load(vm, code, end - code);
	ku_vcpu_long(vcpu, KU_CODE);
	return vcpu;
}

static void test_mmu_pages(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu;

	fails(ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 1), EINVAL, "too few shadow pages");
	ktap_ok(!ioctl(vm->fd, KVM_SET_NR_MMU_PAGES, 64), "64 shadow pages");
	ktap_ok(ioctl(vm->fd, KVM_GET_NR_MMU_PAGES, 0) == 64, "KVM_GET_NR_MMU_PAGES");
	vcpu = start(vm, touch, touch_end);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(*(uint32_t *)ku_ptr(vm, 0x3ff000) == 0x5a, "a guest runs with them");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static int enable(struct ku_vm *vm, uint32_t what, uint64_t arg)
{
	struct kvm_enable_cap cap = { .cap = what, .args = { arg } };

	return ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
}

static void test_vcpu_ids(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	int most = ku_check(vm->dev, KVM_CAP_MAX_VCPU_ID);
	int fd;

	fails(enable(vm, KVM_CAP_MAX_VCPU_ID, most + 1), EINVAL, "ids beyond what there are");
	ktap_ok(!enable(vm, KVM_CAP_MAX_VCPU_ID, 8), "ids up to 7");
	fails(enable(vm, KVM_CAP_MAX_VCPU_ID, 9), EINVAL, "another bound");
	fails(ioctl(vm->fd, KVM_CREATE_VCPU, 8ul), EINVAL, "a vCPU beyond the bound");
	fd = ioctl(vm->fd, KVM_CREATE_VCPU, 7ul);
	ktap_ok(fd >= 0, "one below");
	close(fd);
	ku_vm_free(vm);
}

static void test_triple_fault(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = start(vm, halt, halt_end);
	struct kvm_vcpu_events ev;

	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ktap_ok(!(ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT), "no triple fault unless asked for");
	ev.flags = KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	ev.triple_fault.pending = 1;
	fails(ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), EINVAL, "nor to be set");
	ktap_ok(!enable(vm, KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1), "KVM_CAP_X86_TRIPLE_FAULT_EVENT");
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), "a pending one is set");
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ktap_ok((ev.flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) && ev.triple_fault.pending,
		"and reads back");
	ktap_ok(ku_run(vcpu) == KVM_EXIT_SHUTDOWN, "it shuts the vCPU down");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

/* What a debugger finds after the guest has shut down. */
static void test_shutdown(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = start(vm, ud, ud_end);
	struct kvm_sregs sregs = ku_get_sregs(vcpu);

	sregs.idt.limit = 0;
	ku_set_sregs(vcpu, &sregs);
	ktap_ok(ku_run(vcpu) == KVM_EXIT_SHUTDOWN, "an exception without an IDT shuts down");
	if (is_umbra())
		ktap_ok(ku_get_regs(vcpu).rip == KU_CODE + 1 &&
			ku_get_sregs(vcpu).cr3 == sregs.cr3, "the registers are still there");
	else
		ktap_skip("the registers are still there", "KVM on AMD's processors resets them");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A HLT that does not exit sleeps in the guest until this process's timer ends KVM_RUN. */
static void test_halt_stays(struct ku_vm *vm)
{
	struct itimerval soon = { .it_value.tv_usec = 100000, .it_interval.tv_usec = 100000 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval never = { 0 };
	struct ku_vcpu *vcpu;
	int ret, err;

	ktap_ok(!enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT),
		"HLT shall not exit");
	vcpu = start(vm, halt, halt_end);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ret = ioctl(vcpu->fd, KVM_RUN, 0ul);
	err = errno;
	setitimer(ITIMER_REAL, &never, NULL);
	ktap_ok(ret == -1 && err == EINTR && vcpu->run->exit_reason == KVM_EXIT_INTR,
		"nor does it");
	ku_vcpu_free(vcpu);
}

static void test_exits(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	int can = ku_check(vm->dev, KVM_CAP_X86_DISABLE_EXITS);
	struct ku_vcpu *vcpu;

	ktap_ok(can & KVM_X86_DISABLE_EXITS_PAUSE, "PAUSE need not exit");
	fails(enable(vm, KVM_CAP_X86_DISABLE_EXITS, 1 << 20), EINVAL, "an unknown exit");
	if (can & KVM_X86_DISABLE_EXITS_HLT) {
		test_halt_stays(vm);
	} else {
		fails(enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_HLT), EINVAL,
		      "HLT, which must exit");
		vcpu = start(vm, halt, halt_end);
		ku_run_to(vcpu, KVM_EXIT_HLT);
		ktap_ok(true, "and does");
		ku_vcpu_free(vcpu);
	}
	if (is_umbra())
		fails(enable(vm, KVM_CAP_X86_DISABLE_EXITS, KVM_X86_DISABLE_EXITS_PAUSE), EINVAL,
		      "after the first vCPU");
	else
		ktap_skip("after the first vCPU", "KVM of 6.1 takes it and may not heed it");
	ku_vm_free(vm);
}

static void test_cpuid(void)
{
	struct {
		struct kvm_cpuid head;
		struct kvm_cpuid_entry e[2];
	} table = {
		.head.nent = 2,
		.e = { { .function = 0x80000001, .edx = 1u << 29 },
		       { .function = 0x40000001, .eax = 0x11, .ebx = 0x22, .ecx = 0x33, .edx = 0x44 } },
	};
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = start(vm, cpuid, cpuid_end);
	struct kvm_regs regs;

	ktap_ok(!ioctl(vcpu->fd, KVM_SET_CPUID, &table), "KVM_SET_CPUID");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.rax == 0x11 && regs.rbx == 0x22 && regs.rcx == 0x33 && regs.rdx == 0x44,
		"the guest reads it");
	table.head.nent = 100000;
	fails(ioctl(vcpu->fd, KVM_SET_CPUID, &table), E2BIG, "too many");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

int main(void)
{
	ktap_plan(4 + 5 + 6 + 2 + 5 + 3);
	test_mmu_pages();
	test_vcpu_ids();
	test_triple_fault();
	test_shutdown();
	test_exits();
	test_cpuid();
	ktap_exit();
}
