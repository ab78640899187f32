// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: steal_test
 *
 * What a guest is told of the time that others had its processor, and KVM's
 * MSRs for a guest whose CPUID does not offer them.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ktap.h"
#include "traps.h"

#define MSR_STEAL	0x4b564d03u
#define MSR_CLOCK	0x4b564d01u
#define ENABLED		1u
#define AREA_GPA	0x9040u

KU_CODE64(wrmsr, "wrmsr\n hlt\n");
KU_CODE64(halt, "hlt\n");

/* Documentation/virt/kvm/x86/msr.rst */
struct area {
	uint64_t steal;
	uint32_t version, flags;
	uint8_t preempted, pad[3];
	uint32_t more[11];
};

static int set_msr(struct ku_vcpu *vcpu, uint32_t index, uint64_t data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = index, .data = data } };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &m);
}

/* The guest's own WRMSR: the exception, or TRAP_NONE. */
static int guest_wrmsr(struct traps *t, uint32_t index, uint64_t data)
{
	struct kvm_regs regs;

	traps_code(t, wrmsr, wrmsr_end);
	regs = ku_get_regs(t->vcpu);
	regs.rcx = index;
	regs.rax = (uint32_t)data;
	regs.rdx = data >> 32;
	ku_set_regs(t->vcpu, &regs);
	return traps_run(t, NULL);
}

static void test_area(void)
{
	struct traps t = traps_new();
	volatile struct area *area = ku_ptr(t.vm, AREA_GPA);
	uint32_t version;

	ktap_ok(guest_wrmsr(&t, MSR_STEAL, AREA_GPA | 0x20 | ENABLED) == 13,
		"an area that is not aligned: #GP");
	ktap_ok(set_msr(t.vcpu, MSR_STEAL, AREA_GPA | 0x20 | ENABLED) == 0, "for userspace, too");
	area->steal = 1000;
	ktap_ok(guest_wrmsr(&t, MSR_STEAL, AREA_GPA | ENABLED) == TRAP_NONE, "an area");
	version = area->version;
	ktap_ok(version && !(version & 1), "it has an even version");
	ktap_ok(area->steal >= 1000 && !area->flags && !area->preempted,
		"time is added to what is there");
	ktap_ok(guest_wrmsr(&t, MSR_STEAL, 0) == TRAP_NONE, "no area any more");
	memset((void *)area, 0xa5, sizeof(*area));
	usleep(20000);
	traps_code(&t, halt, halt_end);
	traps_run(&t, NULL);
	ktap_ok(area->version == 0xa5a5a5a5, "nothing is written to it then");
	traps_free(&t);
}

/* CPUID without any of KVM's features. */
static void hide_features(struct ku_vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} table = { .head.nent = 256 };
	unsigned int i;

	if (ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, &table))
		ktap_bail("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	for (i = 0; i < table.head.nent; i++)
		if (table.e[i].function == 0x40000001)
			table.e[i].eax = 0;
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &table))
		ktap_bail("KVM_SET_CPUID2: %s", strerror(errno));
}

static void test_enforced(void)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	struct traps t = traps_new();

	hide_features(t.vcpu);
	ktap_ok(guest_wrmsr(&t, MSR_CLOCK, 0) == TRAP_NONE &&
		guest_wrmsr(&t, MSR_STEAL, 0) == TRAP_NONE,
		"a guest without the CPUID bits has the MSRs");
	ktap_ok(!ioctl(t.vcpu->fd, KVM_ENABLE_CAP, &cap), "unless CPUID is enforced");
	ktap_ok(guest_wrmsr(&t, MSR_CLOCK, 0) == 13 && guest_wrmsr(&t, MSR_STEAL, 0) == 13,
		"then: #GP");
	cap.cap = KVM_CAP_SPLIT_IRQCHIP;
	ktap_ok(ioctl(t.vcpu->fd, KVM_ENABLE_CAP, &cap) && errno == EINVAL,
		"a VM's capability on a vCPU: EINVAL");
	traps_free(&t);
	t = traps_new();
	cap.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID;
	ioctl(t.vcpu->fd, KVM_ENABLE_CAP, &cap);
	ktap_ok(guest_wrmsr(&t, MSR_CLOCK, 0) == TRAP_NONE &&
		guest_wrmsr(&t, MSR_STEAL, 0) == TRAP_NONE, "with the bits it has them");
	traps_free(&t);
}

int main(void)
{
	ktap_plan(7 + 5);
	test_area();
	test_enforced();
	ktap_exit();
}
