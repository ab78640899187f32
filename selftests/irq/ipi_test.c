// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ipi_test
 *
 * Interrupts between processors: fixed, lowest priority, NMI; all destination
 * shorthands, physical and logical destinations in the flat, cluster
 * and x2APIC models; IPIs to a processor that runs and to one that halts.
 */
#include "irq_guest.h"

#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#define VCPUS		3
#define LATE_US		5000000ull

static struct ku_vm *vm;
static struct ku_vcpu *vcpu[VCPUS];

static void clear_logs(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ig_log_clear(vcpu[i]);
}

/* Bit mask of the vCPUs that got @vector once, and nothing else happened. */
static unsigned int who_got(uint32_t vector)
{
	unsigned int i, mask = 0;

	for (i = 0; i < VCPUS; i++) {
		struct ig_log *log = ig_log(vcpu[i]);

		ig_window(vcpu[i]);
		if (log->count == 1 && log->entry[0].vector == vector)
			mask |= 1u << i;
		else if (log->count)
			mask |= 0x100;
	}
	return mask;
}

/* xAPIC: sends from vCPU 0 and tells who got it. */
static unsigned int send(uint32_t icr, uint32_t dest)
{
	clear_logs();
	ig_apic_write(vcpu[0], APIC_ICR2, dest << 24);
	ig_apic_write(vcpu[0], APIC_ICR, icr);
	return who_got(icr & 0xff);
}

static unsigned int send_x2(uint32_t icr, uint32_t dest)
{
	clear_logs();
	ig_wrmsr(vcpu[0], MSR_X2APIC(APIC_ICR), (uint64_t)dest << 32 | icr);
	return who_got(icr & 0xff);
}

static unsigned int ones(unsigned int mask)
{
	return __builtin_popcount(mask);
}

static void test_physical(void)
{
	ktap_ok(send(0x40, 1) == 2, "physical: to vCPU 1");
	ktap_ok(send(0x41, 0) == 1, "physical: to itself");
	ktap_ok(send(0x42, 0xff) == 7, "physical: broadcast");
	ktap_ok(send(0x43, 9) == 0, "physical: to nobody");
	ktap_ok(send(ICR_SELF | 0x44, 1) == 1, "shorthand: self");
	ktap_ok(send(ICR_ALL | 0x45, 1) == 7, "shorthand: all");
	ktap_ok(send(ICR_OTHERS | 0x46, 1) == 6, "shorthand: all but self");
	ktap_ok(send(ICR_LOWEST | 0x47, 0xff) == 7, "lowest priority: to all is fixed");
	ig_apic_write(vcpu[0], APIC_ICR, ICR_SELF | 0x48);
	ktap_ok(!(ig_apic_read(vcpu[0], APIC_ICR) & 0x1000), "delivery status is idle");
	ig_window(vcpu[0]);
}

static void test_flat(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ig_apic_write(vcpu[i], APIC_LDR, 1u << (24 + i));
	ktap_ok(send(ICR_LOGICAL | 0x50, 4) == 4, "flat: to one");
	ktap_ok(send(ICR_LOGICAL | 0x51, 5) == 5, "flat: to two");
	ktap_ok(send(ICR_LOGICAL | 0x52, 0xff) == 7, "flat: to all");
	ktap_ok(send(ICR_LOGICAL | 0x53, 0x80) == 0, "flat: to nobody");
	i = send(ICR_LOGICAL | ICR_LOWEST | 0x54, 6);
	ktap_ok(i == 2 || i == 4, "flat: lowest priority of two");
}

static void test_cluster(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		ig_apic_write(vcpu[i], APIC_DFR, 0x0fffffff);
	ig_apic_write(vcpu[0], APIC_LDR, 0x11000000);
	ig_apic_write(vcpu[1], APIC_LDR, 0x12000000);
	ig_apic_write(vcpu[2], APIC_LDR, 0x21000000);
	ktap_ok(send(ICR_LOGICAL | 0x55, 0x11) == 1, "cluster: to one");
	ktap_ok(send(ICR_LOGICAL | 0x56, 0x13) == 3, "cluster: to two of a cluster");
	ktap_ok(send(ICR_LOGICAL | 0x57, 0x21) == 4, "cluster: to the other cluster");
	for (i = 0; i < VCPUS; i++) {
		ig_apic_write(vcpu[i], APIC_DFR, 0xffffffff);
		ig_apic_write(vcpu[i], APIC_LDR, 1u << (24 + i));
	}
}

/* Memory that the guest changes meanwhile. */
static uint32_t now(uint32_t *at)
{
	return *(volatile uint32_t *)at;
}

static void *run_wait(void *arg)
{
	struct ku_vcpu *target = arg;

	ig_wait(target, 1, ig_ticks(target, LATE_US));
	return NULL;
}

static void *run_halt(void *arg)
{
	ig_halt(arg);
	return NULL;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static void to_thread(void *(*run)(void *), const char *what)
{
	uint32_t *count = &ig_log(vcpu[1])->count;
	pthread_t thread;

	clear_logs();
	if (pthread_create(&thread, NULL, run, vcpu[1]))
		ktap_bail("no thread");
	sleep_ms(100);
	ig_apic_write(vcpu[0], APIC_ICR2, 1u << 24);
	ig_apic_write(vcpu[0], APIC_ICR, 0x60);
	pthread_join(thread, NULL);
	ktap_ok(now(count) == 1 && ig_log(vcpu[1])->entry[0].vector == 0x60, "%s", what);
}

static void test_nmi(void)
{
	clear_logs();
	ig_apic_write(vcpu[0], APIC_ICR2, 1u << 24);
	ig_apic_write(vcpu[0], APIC_ICR, ICR_NMI);
	/* Interrupts are off in this operation: an NMI comes all the same. */
	ig_rdtsc(vcpu[1]);
	ktap_ok(ig_log(vcpu[1])->count == 1 && ig_log(vcpu[1])->entry[0].vector == 2, "NMI");
	ig_rdtsc(vcpu[1]);
	ktap_ok(ig_log(vcpu[1])->count == 1, "NMI: once");
	clear_logs();
	ig_apic_write(vcpu[1], APIC_LVT0, 0x400);
	ktap_ok(!ig_log(vcpu[1])->count, "LINT0 in NMI mode alone is no NMI");
	ig_apic_write(vcpu[1], APIC_LVT0, LVT_MASKED);
}

static void test_x2apic(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++) {
		ig_wrmsr(vcpu[i], MSR_APIC_BASE,
			 ig_rdmsr(vcpu[i], MSR_APIC_BASE) | APIC_BASE_X2);
		ig_log(vcpu[i])->eoi = IG_EOI_X2APIC;
	}
	ktap_ok(send_x2(0x70, 2) == 4, "x2APIC physical: to vCPU 2");
	ktap_ok(send_x2(0x71, 0xffffffff) == 7, "x2APIC physical: broadcast");
	ktap_ok(send_x2(0x72, 0xff) == 0, "x2APIC physical: FFh is an ID");
	ktap_ok(send_x2(ICR_LOGICAL | 0x73, 6) == 6, "x2APIC logical: two of cluster 0");
	ktap_ok(send_x2(ICR_LOGICAL | 0x74, 0x10006) == 0, "x2APIC logical: of cluster 1 none");
	ktap_ok(send_x2(ICR_LOGICAL | 0x75, 0xffff) == 7, "x2APIC logical: all of cluster 0");
	ktap_ok(send_x2(ICR_OTHERS | 0x76, 0) == 6, "x2APIC: all but self");
	ktap_ok(ones(send_x2(ICR_LOGICAL | ICR_LOWEST | 0x77, 7)) == 1,
		"x2APIC logical: lowest priority");
}

int main(void)
{
	unsigned int i;

	vm = ig_vm_new();
	ktap_plan(30);
	ig_timeout();
	for (i = 0; i < VCPUS; i++) {
		vcpu[i] = ig_vcpu_new(vm, i);
		ig_apic_write(vcpu[i], APIC_SVR, SVR_ENABLE);
		ig_log(vcpu[i])->eoi = IG_EOI_APIC;
	}
	test_physical();
	test_flat();
	test_cluster();
	to_thread(run_wait, "to a processor that runs");
	to_thread(run_halt, "to a processor that halts");
	test_nmi();
	test_x2apic();
	ktap_exit();
}
