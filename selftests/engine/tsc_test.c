// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: tsc_test
 *
 * The guest's time stamp: where KVM_SET_MSRS puts it, that it never goes back
 * when the vCPU's thread changes its processor, and that TSC_AUX is the
 * guest's in the guest and the host's outside.
 */
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x217
#define MSR_TSC		0x10
#define MSR_TSC_AUX	0xc0000103
#define ROUNDS		200

/* Says the TSC's halves and TSC_AUX. */
KU_CODE64(say_tsc,
	  "1: rdtscp\n"
	  "mov %rdx, %rbx\n"
	  "mov $0x217, %edx\n"
	  "out %eax, %dx\n"
	  "mov %ebx, %eax\n"
	  "out %eax, %dx\n"
	  "mov %ecx, %eax\n"
	  "out %eax, %dx\n"
	  "jmp 1b\n");

static struct ku_vcpu *vcpu;

static bool set_msr(uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = value } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) == 1;
}

static uint64_t guest_tsc(uint32_t *aux)
{
	uint64_t tsc = ku_run_out(vcpu, PORT);

	tsc |= (uint64_t)ku_run_out(vcpu, PORT) << 32;
	*aux = ku_run_out(vcpu, PORT);
	return tsc;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* The host's TSC_AUX holds the processor's number in its low 12 bits. */
static int host_aux(void)
{
	uint32_t lo, hi, aux;

	asm volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	return aux & 0xfff;
}

int main(void)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN), i, backwards = 0, wrong_aux = 0, wrong_host = 0;
	uint64_t tsc, last;
	struct ku_vm *vm;
	uint32_t aux;

	ku_open();
	ktap_plan(6);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, say_tsc, say_tsc_end - say_tsc);
	ku_vcpu_long(vcpu, KU_CODE);

	ktap_ok(set_msr(MSR_TSC, 1ull << 40), "MSR_IA32_TSC is set");
	ktap_ok(set_msr(MSR_TSC_AUX, 0x5a5), "MSR_TSC_AUX is set");
	last = guest_tsc(&aux);
	ktap_ok(last >= 1ull << 40 && last < (1ull << 40) + (60ull << 32),
		"the guest counts from there: %#llx", (unsigned long long)last);
	for (i = 0; i < ROUNDS; i++) {
		pin(i % cpus);
		tsc = guest_tsc(&aux);
		backwards += tsc <= last;
		wrong_aux += aux != 0x5a5;
		wrong_host += host_aux() != i % cpus;
		last = tsc;
	}
	ktap_ok(!backwards, "%d processors, %d rounds: went back %d times", cpus, ROUNDS,
		backwards);
	ktap_ok(!wrong_aux, "the guest's TSC_AUX was wrong %d times", wrong_aux);
	ktap_ok(!wrong_host, "the host's TSC_AUX was wrong %d times", wrong_host);
	ktap_exit();
}
