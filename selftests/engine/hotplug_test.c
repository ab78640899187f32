// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: hotplug_test
 *
 * The CPU that a vCPU runs on is taken from the host, and comes back: the vCPU goes on elsewhere, and
 * returns, with all that the engine had prepared for the one CPU made anew for the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define ONLINE		"/sys/devices/system/cpu/cpu1/online"
#define ROUNDS		5
#define PATIENCE	120		/* seconds */
#define COUNT		0x6000
#define STOP		0x7000
#define ENTRY		0x9000

/* User code by IRET, back by #UD, and counts; x87 and SSE in use. */
KU_CODE64(kernel, "push $0x6b\n push $0x60000\n push $2\n push $0x73\n push $0xa000\n iretq\n");

KU_CODE64(entry,
	  "mov $0x80000, %esp\n incq 0x6000\n cmpb $0, 0x7000\n jne 2f\n"
	  "push $0x6b\n push $0x60000\n push $2\n push $0x73\n push $0xa000\n iretq\n"
	  "2: hlt\n");

KU_CODE64(user, "mov $1000, %ecx\n movq %rcx, %xmm5\n 1: dec %ecx\n jnz 1b\n"
	  "movq %xmm5, %rax\n cmp $1000, %eax\n je 2f\n hlt\n 2: ud2\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void setup(void)
{
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, kernel, kernel_end - kernel);
	ku_load_at(vm, ENTRY, entry, entry_end - entry);
	ku_load_at(vm, 0xa000, user, user_end - user);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	ku_gate(vm, 6, ENTRY, 0, 0);
	ku_vcpu_user_gdt(vcpu);
}

static void *run(void *arg)
{
	int got;

	do
		got = ku_run(arg);
	while (got == -EINTR);
	return got == KVM_EXIT_HLT ? arg : NULL;
}

static uint64_t count(void)
{
	return *(volatile uint64_t *)ku_ptr(vm, COUNT);
}

/* The guest gets further. */
static bool goes_on(void)
{
	uint64_t before = count();
	int i;

	for (i = 0; i < PATIENCE * 100 && count() < before + 20; i++)
		usleep(10000);
	return count() >= before + 20;
}

static bool set_online(bool on)
{
	int fd = open(ONLINE, O_WRONLY);
	bool good = fd >= 0 && write(fd, on ? "1" : "0", 1) == 1;

	if (!good)
		ktap_note("%s: %s", ONLINE, strerror(errno));
	close(fd);
	return good;
}

static bool move_to(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return !pthread_setaffinity_np(thread, sizeof(set), &set);
}

int main(void)
{
	bool moved = true, off = true, there = true, on = true, away = true;
	pthread_t thread;
	void *ended;
	int i;

	ku_open();
	if (access(ONLINE, W_OK))
		ktap_skip_all("there is no second CPU that could go");
	ktap_plan(6);
	setup();
	pthread_create(&thread, NULL, run, vcpu);
	for (i = 0; i < ROUNDS; i++) {
		moved &= move_to(thread, 1);
		there &= goes_on();
		off &= set_online(false);
		away &= goes_on();
		on &= set_online(true);
	}
	*(volatile char *)ku_ptr(vm, STOP) = 1;
	pthread_join(thread, &ended);
	ktap_ok(moved, "the vCPU moves to CPU 1");
	ktap_ok(there, "and runs there");
	ktap_ok(off, "CPU 1 goes");
	ktap_ok(away, "the vCPU runs elsewhere");
	ktap_ok(on, "CPU 1 comes back");
	ktap_ok(ended == vcpu, "the guest does not notice");
	ktap_exit();
}
