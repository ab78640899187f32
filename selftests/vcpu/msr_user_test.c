// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: msr_user_test
 *
 * MSRs that userspace decides about: KVM_X86_SET_MSR_FILTER, and the exits of
 * KVM_CAP_X86_USER_SPACE_MSR by reason.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define NONE		0x4b564dffu	/* no such MSR */
#define FS_BASE		0xc0000100u
#define PAT		0x277u

KU_CODE64(rd, "rdmsr\n nop\n hlt\n");
KU_CODE64(wr, "wrmsr\n nop\n hlt\n");
KU_CODE64(rd_prefixed, ".byte 0x66\n rdmsr\n hlt\n");

static int enable(struct traps *t, uint64_t reasons)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_X86_USER_SPACE_MSR, .args = { reasons } };

	return ioctl(t->vm->fd, KVM_ENABLE_CAP, &cap);
}

static struct traps begin(const char *code, const char *end, uint32_t index, uint64_t val)
{
	struct traps t = traps_new();
	struct kvm_regs regs;

	traps_code(&t, code, end);
	regs = ku_get_regs(t.vcpu);
	regs.rcx = index;
	regs.rax = (uint32_t)val;
	regs.rdx = val >> 32;
	ku_set_regs(t.vcpu, &regs);
	return t;
}

/* Deny one MSR for reading, writing or both. */
static int deny(struct traps *t, uint32_t index, uint32_t flags)
{
	static uint64_t none;
	struct kvm_msr_filter filter = {
		.ranges = { { .flags = flags, .nmsrs = 1, .base = index, .bitmap = (void *)&none } },
	};

	return ioctl(t->vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static bool asked(struct traps *t, int exit, uint32_t reason, uint32_t index)
{
	struct kvm_run *run = t->vcpu->run;

	return run->exit_reason == (uint32_t)exit && run->msr.reason == reason &&
	       run->msr.index == index && !run->msr.error;
}

static void test_arguments(void)
{
	struct traps t = traps_new();
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_DENY };

	ktap_ok(enable(&t, 1ull << 20) && errno == EINVAL, "an unknown reason: EINVAL");
	ktap_ok(ioctl(t.vm->fd, KVM_X86_SET_MSR_FILTER, &filter) && errno == EINVAL,
		"a filter that denies all: EINVAL");
	filter.flags = 0x80;
	ktap_ok(ioctl(t.vm->fd, KVM_X86_SET_MSR_FILTER, &filter) && errno == EINVAL,
		"unknown flags: EINVAL");
	filter.flags = 0;
	filter.ranges[0].nmsrs = 0x8000;
	filter.ranges[0].flags = KVM_MSR_FILTER_READ;
	ktap_ok(ioctl(t.vm->fd, KVM_X86_SET_MSR_FILTER, &filter) && errno == EINVAL,
		"a bitmap that is too large: EINVAL");
	filter.ranges[0].nmsrs = 64;
	filter.ranges[0].bitmap = (void *)16ul;
	ktap_ok(ioctl(t.vm->fd, KVM_X86_SET_MSR_FILTER, &filter) && errno == EFAULT,
		"a bad bitmap: EFAULT");
	filter.ranges[0].nmsrs = 0;
	ktap_ok(!ioctl(t.vm->fd, KVM_X86_SET_MSR_FILTER, &filter), "no filter");
	traps_free(&t);
}

/* Unknown MSRs: #GP, or userspace's answer. */
static void test_unknown(void)
{
	struct traps t = begin(rd, rd_end, NONE, 0);
	struct kvm_regs regs;

	ktap_ok(traps_run(&t, NULL) == 13, "RDMSR of an unknown MSR is #GP");
	traps_free(&t);

	t = begin(rd, rd_end, NONE, 0);
	enable(&t, KVM_MSR_EXIT_REASON_UNKNOWN);
	ku_run(t.vcpu);
	ktap_ok(asked(&t, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NONE),
		"unless userspace wants to know");
	t.vcpu->run->msr.data = 0x1122334455667788;
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE, "userspace answers");
	regs = ku_get_regs(t.vcpu);
	ktap_ok(regs.rax == 0x55667788 && regs.rdx == 0x11223344 && regs.rip == KU_CODE + 4,
		"the guest reads the answer and goes on");
	traps_free(&t);

	t = begin(wr, wr_end, NONE, 0xabcd);
	enable(&t, KVM_MSR_EXIT_REASON_UNKNOWN);
	ku_run(t.vcpu);
	ktap_ok(asked(&t, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NONE) &&
		t.vcpu->run->msr.data == 0xabcd, "WRMSR: userspace sees the value");
	t.vcpu->run->msr.error = 1;
	ktap_ok(traps_run(&t, NULL) == 13, "an error makes it #GP");
	traps_free(&t);

	t = begin(rd_prefixed, rd_prefixed_end, NONE, 0);
	enable(&t, KVM_MSR_EXIT_REASON_UNKNOWN);
	ku_run(t.vcpu);
	ktap_ok(asked(&t, KVM_EXIT_X86_RDMSR, KVM_MSR_EXIT_REASON_UNKNOWN, NONE),
		"an RDMSR with a prefix");
	t.vcpu->run->msr.data = 77;
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE && ku_get_regs(t.vcpu).rax == 77, "is answered, too");
	traps_free(&t);
}

static void test_invalid(void)
{
	struct traps t = begin(wr, wr_end, PAT, 0x0207040600070406);

	enable(&t, KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER);
	ktap_ok(traps_run(&t, NULL) == 13, "a bad value is #GP while only others are wanted");
	traps_free(&t);

	t = begin(wr, wr_end, PAT, 0x0207040600070406);
	enable(&t, KVM_MSR_EXIT_REASON_INVAL);
	ku_run(t.vcpu);
	ktap_ok(asked(&t, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_INVAL, PAT),
		"a bad value goes to userspace");
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE, "which may swallow it");
	traps_free(&t);
}

static void test_filter(uint32_t index, const char *name)
{
	struct traps t = begin(rd, rd_end, index, 0);

	ktap_ok(!deny(&t, index, KVM_MSR_FILTER_READ), "a filter for %s", name);
	ktap_ok(traps_run(&t, NULL) == 13, "%s cannot be read: #GP", name);
	traps_free(&t);

	t = begin(wr, wr_end, index, 0);
	deny(&t, index, KVM_MSR_FILTER_READ);
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE, "but written");
	traps_free(&t);

	t = begin(wr, wr_end, index, 0);
	deny(&t, index, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE);
	enable(&t, KVM_MSR_EXIT_REASON_FILTER);
	ku_run(t.vcpu);
	ktap_ok(asked(&t, KVM_EXIT_X86_WRMSR, KVM_MSR_EXIT_REASON_FILTER, index),
		"a filtered WRMSR goes to userspace");
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE, "and the guest goes on");
	traps_free(&t);

	t = begin(rd, rd_end, index, 0);
	deny(&t, index, KVM_MSR_FILTER_READ);
	deny(&t, NONE, KVM_MSR_FILTER_READ);
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE, "another filter replaces it");
	traps_free(&t);
}

int main(void)
{
	ktap_plan(6 + 8 + 3 + 2 * 6);
	test_arguments();
	test_unknown();
	test_invalid();
	test_filter(PAT, "PAT");
	/* One that the processor may be allowed to do alone. */
	test_filter(FS_BASE, "FS base");
	ktap_exit();
}
