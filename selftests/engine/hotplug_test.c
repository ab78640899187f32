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

#include "user_loop.h"
#include "ktap.h"

#define ONLINE		"/sys/devices/system/cpu/cpu1/online"
#define ROUNDS		5
#define PATIENCE	120		/* seconds */
#define COUNT		0x6000

/* It counts; x87 and SSE in use. */
KU_CODE64(entry, "mov $0x80000, %esp\n incq 0x6000\n" UL_AGAIN);

KU_CODE64(user, "mov $1000, %ecx\n movq %rcx, %xmm5\n 1: dec %ecx\n jnz 1b\n"
	  "movq %xmm5, %rax\n cmp $1000, %eax\n je 2f\n hlt\n 2: ud2\n");

static struct ku_vcpu *vcpu;

static uint64_t count(void)
{
	return *(volatile uint64_t *)ku_ptr(vcpu->vm, COUNT);
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
	bool good = ku_write_file(ONLINE, on ? "1" : "0");

	if (!good)
		ktap_note("%s: %s", ONLINE, strerror(errno));
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
	vcpu = ul_new(entry, entry_end - entry, user, user_end - user);
	pthread_create(&thread, NULL, ul_run, vcpu);
	for (i = 0; i < ROUNDS; i++) {
		moved &= move_to(thread, 1);
		there &= goes_on();
		off &= set_online(false);
		away &= goes_on();
		on &= set_online(true);
	}
	ul_stop(vcpu);
	pthread_join(thread, &ended);
	ktap_ok(moved, "the vCPU moves to CPU 1");
	ktap_ok(there, "and runs there");
	ktap_ok(off, "CPU 1 goes");
	ktap_ok(away, "the vCPU runs elsewhere");
	ktap_ok(on, "CPU 1 comes back");
	ktap_ok(ended == vcpu, "the guest does not notice");
	ktap_exit();
}
