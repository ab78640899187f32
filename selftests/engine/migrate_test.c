// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: migrate_test
 *
 * A vCPU's thread is moved between processors while the guest computes with
 * all its registers, segment bases and vector registers filled with
 * patterns: none may change, and the guest must get on.  Then a processor
 * goes offline and comes back under the running guest.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define MOVES		100
#define MOVE_US		5000
#define COUNTER		0xe000
#define BAD		0xe008
#define CPU1		"/sys/devices/system/cpu/cpu1/online"

/* Fills registers, then compares for ever; counts rounds and mismatches. */
KU_CODE64(patterns,
	  "mov $0x1111111111111111, %rbx\n"
	  "mov $0x2222222222222222, %rbp\n"
	  "mov $0x3333333333333333, %r12\n"
	  "mov $0x4444444444444444, %r15\n"
	  "movq %rbx, %xmm0\n"
	  "movq %r15, %xmm15\n"
	  "mov $0xc0000100, %ecx\n"	/* FS base */
	  "mov $0x5000, %eax\n"
	  "xor %edx, %edx\n"
	  "wrmsr\n"
	  "mov $0xc0000102, %ecx\n"	/* KERNEL_GS_BASE */
	  "mov $0x6000, %eax\n"
	  "wrmsr\n"
	  "movq $0x77, 0x5008\n"
	  "movq $0x88, 0x6008\n"
	  "1: mov $0x1111111111111111, %rax\n"
	  "cmp %rax, %rbx\n jne 9f\n"
	  "movq %xmm0, %rsi\n"
	  "cmp %rax, %rsi\n jne 9f\n"
	  "add %rax, %rax\n"
	  "cmp %rax, %rbp\n jne 9f\n"
	  "add %rbx, %rax\n"
	  "cmp %rax, %r12\n jne 9f\n"
	  "add %rbx, %rax\n"
	  "cmp %rax, %r15\n jne 9f\n"
	  "movq %xmm15, %rsi\n"
	  "cmp %rax, %rsi\n jne 9f\n"
	  "cmpq $0x77, %fs:8\n jne 9f\n"
	  "swapgs\n"
	  "cmpq $0x88, %gs:8\n"
	  "swapgs\n jne 9f\n"
	  "incq 0xe000\n"
	  "jmp 1b\n"
	  "9: incq 0xe008\n"
	  "jmp 9b\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static atomic_int left;		/* exit reason that ended the guest, -1 while it runs */
static atomic_bool stop;

static void ignore(int sig)
{
	(void)sig;
}

static void *run_vcpu(void *unused)
{
	int reason;

	do {
		reason = ku_run(vcpu);
	} while (!stop && (reason == -4 || reason == KVM_EXIT_INTR));
	left = reason;
	return unused;
}

static uint64_t word(uint64_t gpa)
{
	return *(volatile uint64_t *)ku_ptr(vm, gpa);
}

static bool gets_on(void)
{
	uint64_t before = word(COUNTER);
	int i;

	for (i = 0; i < 100 && word(COUNTER) == before; i++)
		usleep(20000);
	return word(COUNTER) != before;
}

static void pin(pthread_t thread, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(thread, sizeof(set), &set);
}

static bool set_online(bool on)
{
	return ku_write_file(CPU1, on ? "1" : "0");
}

static void test_moves(pthread_t thread, int cpus)
{
	bool on = true;
	int i;

	if (cpus < 2) {
		ktap_skip("moved between processors", "one processor only");
		ktap_skip("gets on after it", "one processor only");
		return;
	}
	for (i = 0; i < MOVES; i++) {
		pin(thread, i & 1);
		usleep(MOVE_US);
	}
	on = gets_on();
	ktap_ok(left == -1 && !word(BAD), "moved %d times: nothing changed", MOVES);
	ktap_ok(on, "and the guest gets on");
}

static void test_hotplug(pthread_t thread, int cpus)
{
	bool on;

	if (cpus < 2 || access(CPU1, W_OK)) {
		ktap_skip("a processor goes offline", "no processor can");
		ktap_skip("and comes back", "no processor can");
		return;
	}
	pin(thread, 1);
	on = gets_on();
	on &= set_online(false);
	on &= gets_on();
	ktap_ok(on && left == -1 && !word(BAD), "a processor goes offline under the guest");
	on = set_online(true);
	pin(thread, 1);
	on &= gets_on();
	ktap_ok(on && left == -1 && !word(BAD), "and comes back");
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	struct sigaction action = { .sa_handler = ignore };
	pthread_t thread;

	ku_open();
	ktap_plan(6);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, patterns, patterns_end - patterns);
	ku_vcpu_long(vcpu, KU_CODE);
	sigaction(SIGUSR1, &action, NULL);
	left = -1;
	pthread_create(&thread, NULL, run_vcpu, NULL);
	ktap_ok(gets_on(), "the guest runs");
	test_moves(thread, cpus);
	test_hotplug(thread, cpus);
	stop = true;
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	ktap_ok(left == -4 || left == KVM_EXIT_INTR, "a signal ends it: %d", (int)left);
	ktap_exit();
}
