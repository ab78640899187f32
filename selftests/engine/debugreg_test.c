// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debugreg_test
 *
 * Debug registers belong to two worlds.  The guest reads what it wrote, and a
 * breakpoint of this process, set by perf, goes on firing while a guest with
 * breakpoints of its own runs in between.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/umbra.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT	0x217
#define ROUNDS	50

/* Arms a write breakpoint on 0xf000, which is never written, and says DR0 and DR7. */
KU_CODE64(arm,
	  "mov $0x217, %edx\n"
	  "mov $0xf000, %eax\n"
	  "mov %rax, %db0\n"
	  "mov $0xd0402, %eax\n"
	  "mov %rax, %db7\n"
	  "1: xor %eax, %eax\n"
	  "mov %db0, %rax\n"
	  "out %eax, %dx\n"
	  "mov %db7, %rax\n"
	  "out %eax, %dx\n"
	  "jmp 1b\n");

/* Alone in its page: what interpreters watch is coarser than it should be. */
static union {
	volatile uint64_t word;
	char page[4096];
} watched __attribute__((aligned(4096)));

/* A counter of writes to @watched, -1 where there is none. */
static int watch(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(attr),
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)&watched.word,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

/*
 * QEMU 7.2's interpreter loses count of its watchpoints when VMRUN changes DR7
 * under them, and dies.  Umbra disarms first; stock KVM does not.
 */
static bool would_kill_qemu(int dev)
{
	uint32_t eax, ebx, ecx, edx;
	struct umbra_info info;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 31))
		return false;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return !memcmp(&ebx, "TCGT", 4) && ioctl(dev, UMBRA_CHECK, &info) < 0;
}

static uint64_t hits(int fd)
{
	uint64_t count = 0;

	if (read(fd, &count, sizeof(count)) != sizeof(count))
		ktap_bail("reading the counter: %s", strerror(errno));
	return count;
}

int main(void)
{
	struct kvm_debugregs regs;
	struct ku_vcpu *vcpu;
	struct ku_vm *vm;
	bool dr0 = true, dr7 = true;
	int fd, i;

	if (would_kill_qemu(ku_open()))
		ktap_skip_all("stock KVM under QEMU's TCG kills QEMU");
	ktap_plan(5);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, arm, arm_end - arm);
	ku_vcpu_long(vcpu, KU_CODE);

	fd = watch();
	if (fd >= 0) {
		watched.word = 1;
		ktap_ok(hits(fd) == 1, "a breakpoint of the host works");
	} else {
		ktap_skip("a breakpoint of the host works", "perf: %s", strerror(errno));
	}
	for (i = 0; i < ROUNDS; i++) {
		dr0 &= ku_run_out(vcpu, PORT) == 0xf000;
		dr7 &= ku_run_out(vcpu, PORT) == 0xd0402u;
		watched.word = i;
	}
	ktap_ok(dr0, "the guest reads back DR0");
	ktap_ok(dr7, "and DR7");
	if (fd >= 0)
		ktap_ok(hits(fd) == ROUNDS + 1, "%llu hits of the host's breakpoint",
			(unsigned long long)hits(fd));
	else
		ktap_skip("hits of the host's breakpoint", "perf gives none");
	if (ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &regs))
		ktap_bail("KVM_GET_DEBUGREGS: %s", strerror(errno));
	ktap_ok(regs.db[0] == 0xf000 && regs.dr7 == 0xd0402, "KVM_GET_DEBUGREGS: DR0 %#llx, DR7 %#llx", (unsigned long long)regs.db[0],
		(unsigned long long)regs.dr7);
	ktap_exit();
}
