// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: cpuid_test
 *
 * KVM_GET_SUPPORTED_CPUID offers what the processor has and the device can do;
 * the guest reads what KVM_SET_CPUID2 said, with the bits that mirror control
 * registers kept current.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define MAX	256

struct table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 e[MAX];
};

KU_CODE64(cpuid, "cpuid\n hlt\n");
KU_CODE64(osxsave, "mov %cr4, %rax\n bts $18, %rax\n mov %rax, %cr4\n"
		   "mov $1, %eax\n xor %ecx, %ecx\n cpuid\n hlt\n");
KU_CODE64(prefixed, ".byte 0x66\n cpuid\n hlt\n");

static struct kvm_cpuid_entry2 *find(struct table *t, uint32_t fn, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < t->head.nent; i++)
		if (t->e[i].function == fn && t->e[i].index == index)
			return &t->e[i];
	return NULL;
}

static void test_supported(const struct traps *traps, struct table *t)
{
	int dev = traps->vm->dev;
	struct kvm_cpuid_entry2 *e;
	uint32_t a, b, c, d;
	struct table one = { .head.nent = 1 };

	t->head.nent = MAX;
	ktap_ok(!ioctl(dev, KVM_GET_SUPPORTED_CPUID, t) && t->head.nent > 10,
		"KVM_GET_SUPPORTED_CPUID: %u leaves", t->head.nent);
	ktap_ok(ioctl(dev, KVM_GET_SUPPORTED_CPUID, &one) && errno == E2BIG, "room for one: E2BIG");
	e = find(t, 0, 0);
	__cpuid(0, a, b, c, d);
	ktap_ok(e && e->ebx == b && e->ecx == c && e->edx == d, "the host's vendor");
	e = find(t, 1, 0);
	traps_ok_here(traps, e && (e->ecx & 1u << 31), "the hypervisor bit",
		      "KVM leaves it to its client");
	ktap_ok(e && !(e->ecx & (1u << 5 | 1u << 3)), "no VMX, no MONITOR");
	e = find(t, 0x80000001, 0);
	__cpuid(0x80000001, a, b, c, d);
	ktap_ok(e && (e->edx & 1u << 29), "long mode");
	ktap_ok(e && !(e->edx & ~d), "extended features are the host's");
	e = find(t, 0x40000000, 0);
	ktap_ok(e && !memcmp(&e->ebx, "KVMKVMKVM\0\0\0", 12), "KVM's signature");
}

static struct kvm_regs read_cpuid(struct traps *t, const char *code, const char *end,
				  uint32_t eax, uint32_t ecx)
{
	struct kvm_regs regs;

	traps_code(t, code, end);
	regs = ku_get_regs(t->vcpu);
	regs.rax = eax;
	regs.rcx = ecx;
	ku_set_regs(t->vcpu, &regs);
	traps_run(t, NULL);
	return ku_get_regs(t->vcpu);
}

static void test_guest(struct traps *t, struct table *table)
{
	struct kvm_cpuid_entry2 *e = find(table, 0x80000001, 0);
	struct kvm_regs r;

	r = read_cpuid(t, cpuid, cpuid_end, 0x80000001, 0);
	ktap_ok(r.rax == e->eax && r.rcx == e->ecx && r.rdx == e->edx,
		"the guest reads the table");
	r = read_cpuid(t, prefixed, prefixed_end, 0x80000001, 0);
	ktap_ok(r.rax == e->eax && r.rip == KU_CODE + 4, "also with a prefix");
	r = read_cpuid(t, cpuid, cpuid_end, 0x40000000, 0);
	ktap_ok(r.rbx == 0x4b4d564b, "KVM's signature");
	r = read_cpuid(t, cpuid, cpuid_end, 1, 0);
	ktap_ok(!(r.rcx & 1u << 27), "OSXSAVE clear with CR4.OSXSAVE");
	if (find(table, 1, 0)->ecx & 1u << 26) {
		r = read_cpuid(t, osxsave, osxsave_end, 0, 0);
		ktap_ok(r.rcx & 1u << 27, "and set with it");
	} else {
		ktap_skip("and set with it", "no XSAVE here");
	}
}

static void test_set(struct traps *t)
{
	static struct table back, big;

	back.head.nent = 1;
	ktap_ok(ioctl(t->vcpu->fd, KVM_GET_CPUID2, &back) && errno == E2BIG,
		"KVM_GET_CPUID2 with room for one: E2BIG");
	back.head.nent = MAX;
	ktap_ok(!ioctl(t->vcpu->fd, KVM_GET_CPUID2, &back) &&
		back.head.nent > 10, "KVM_GET_CPUID2");
	big.head.nent = 100000;
	ktap_ok(ioctl(t->vcpu->fd, KVM_SET_CPUID2, &big) && errno == E2BIG,
		"a huge table: E2BIG");
}

int main(void)
{
	static struct table table;
	struct traps t = traps_new();

	ktap_plan(8 + 5 + 3);
	test_supported(&t, &table);
	test_guest(&t, &table);
	test_set(&t);
	traps_free(&t);
	ktap_exit();
}
