// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: startup_test
 *
 * INIT and SIPI: how a guest starts its other processors, and what does not
 * start them.
 */
#include "irq_guest.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

#define AP_PAGE		0x30000u	/* of the start-up code, vector 30h */
#define AP_FLAG		0x31000u

/* Real mode: count up, halt for good. */
KU_CODE16(ap_start,
	"mov $0x3100, %ax\n"
	"mov %ax, %ds\n"
	"lock incl 0\n"
	"mov %cs, 4\n"
	"1: cli\n"
	"hlt\n"
	"jmp 1b\n");

/* Memory that the guest changes meanwhile. */
static uint32_t now(uint32_t *at)
{
	return *(volatile uint32_t *)at;
}

static void sleep_ms(unsigned int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static uint32_t wait_for(uint32_t *at, uint32_t value)
{
	unsigned int i;

	for (i = 0; i < 300 && now(at) != value; i++)
		sleep_ms(10);
	return now(at);
}

/* The AP halts for good; a signal ends its thread. */
static void *run_ap(void *arg)
{
	int reason;

	/* KVM comes back with EAGAIN when the vCPU's state changes. */
	do {
		reason = ku_run(arg);
	} while (reason == -EAGAIN);
	if (reason != -EINTR)
		ktap_note("the AP ended with %s", ku_exit_name(reason));
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

static uint32_t mp_state(struct ku_vcpu *vcpu)
{
	struct kvm_mp_state state;

	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &state))
		ktap_bail("KVM_GET_MP_STATE: %m");
	return state.mp_state;
}

static void send(struct ku_vcpu *bsp, uint32_t icr)
{
	ig_apic_write(bsp, APIC_ICR2, 1u << 24);
	ig_apic_write(bsp, APIC_ICR, icr);
}

static void test_startup(struct ku_vm *vm, struct ku_vcpu *bsp, struct ku_vcpu *ap)
{
	uint32_t sipi = ICR_STARTUP | AP_PAGE >> 12;
	uint32_t *flag = ku_ptr(vm, AP_FLAG);
	pthread_t thread;

	ku_load_at(vm, AP_PAGE, ap_start, ap_start_end - ap_start);
	ktap_ok(mp_state(ap) == KVM_MP_STATE_UNINITIALIZED, "a new AP is uninitialized");
	if (pthread_create(&thread, NULL, run_ap, ap))
		ktap_bail("no thread");
	sleep_ms(50);
	send(bsp, sipi);
	sleep_ms(50);
	ktap_ok(now(flag) == 0, "SIPI without INIT is ignored");
	send(bsp, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	send(bsp, ICR_INIT | ICR_LEVEL);
	sleep_ms(50);
	ktap_ok(now(flag) == 0, "INIT alone starts nothing");
	send(bsp, sipi);
	ktap_ok(wait_for(flag, 1) == 1, "SIPI starts it");
	ktap_ok((now(flag + 1) & 0xffff) == AP_PAGE >> 4, "at the page of its vector");
	send(bsp, sipi);
	sleep_ms(50);
	ktap_ok(now(flag) == 1, "a second SIPI is ignored");
	send(bsp, ICR_INIT | ICR_ASSERT);
	send(bsp, sipi);
	ktap_ok(wait_for(flag, 2) == 2, "INIT and SIPI restart it out of HLT");
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	ktap_ok(mp_state(ap) == KVM_MP_STATE_HALTED, "it halts");
}

int main(void)
{
	struct sigaction action = { .sa_handler = nothing };
	struct ku_vm *vm = ig_vm_new();
	struct ku_vcpu *bsp, *ap;

	ktap_plan(8);
	ig_timeout();
	sigaction(SIGUSR1, &action, NULL);
	bsp = ig_vcpu_new(vm, 0);
	ap = ku_vcpu_new(vm, 1);
	ku_vcpu_cpuid(ap);
	/* Only now KVM notices that there is a second local APIC. */
	ig_apic_write(bsp, APIC_SVR, SVR_ENABLE);
	test_startup(vm, bsp, ap);
	ktap_exit();
}
