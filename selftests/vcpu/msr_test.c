// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: msr_test
 *
 * The lists of MSRs are exact: what is listed can be read and written back, and
 * the counts that KVM_GET_MSRS and KVM_SET_MSRS return say where they stopped.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define UNKNOWN	0xdeadbeefu

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry e[8];
};

KU_CODE64(rdmsr, "rdmsr\n hlt\n");
KU_CODE64(wrmsr, "wrmsr\n hlt\n");

static struct kvm_msr_list *get_list(int dev, unsigned long cmd)
{
	struct kvm_msr_list probe = { .nmsrs = 0 };
	struct kvm_msr_list *list;

	if (ioctl(dev, cmd, &probe) == 0 || errno != E2BIG)
		ktap_bail("a list of no entries: %s", strerror(errno));
	list = calloc(1, sizeof(*list) + probe.nmsrs * sizeof(list->indices[0]));
	list->nmsrs = probe.nmsrs;
	if (ioctl(dev, cmd, list))
		ktap_bail("a list of %u entries: %s", probe.nmsrs, strerror(errno));
	return list;
}

static int get_one(int fd, uint32_t index, uint64_t *val)
{
	struct msrs m = { .head.nmsrs = 1, .e[0].index = index };
	int n = ioctl(fd, KVM_GET_MSRS, &m);

	*val = m.e[0].data;
	return n;
}

static int set_one(int fd, uint32_t index, uint64_t val)
{
	struct msrs m = { .head.nmsrs = 1, .e[0] = { .index = index, .data = val } };

	return ioctl(fd, KVM_SET_MSRS, &m);
}

static void test_list(struct traps *t)
{
	struct kvm_msr_list *list = get_list(t->vm->dev, KVM_GET_MSR_INDEX_LIST);
	unsigned int i, bad_read = 0, bad_write = 0;
	uint64_t val;

	for (i = 0; i < list->nmsrs; i++) {
		if (get_one(t->vcpu->fd, list->indices[i], &val) != 1) {
			ktap_note("%#x cannot be read", list->indices[i]);
			bad_read++;
		} else if (set_one(t->vcpu->fd, list->indices[i], val) != 1) {
			/* KVM lists MSRs that it does not take back. */
			if (!traps_on_umbra(t->vm->dev))
				continue;
			ktap_note("%#x = %#llx cannot be written back", list->indices[i],
				  (unsigned long long)val);
			bad_write++;
		}
	}
	ktap_ok(!bad_read, "all %u MSRs of the list can be read", list->nmsrs);
	ktap_ok(!bad_write, "and written back");
	free(list);
}

static void test_features(struct traps *t)
{
	struct kvm_msr_list *list = get_list(t->vm->dev, KVM_GET_MSR_FEATURE_INDEX_LIST);
	unsigned int i, bad = 0;
	uint64_t val;

	for (i = 0; i < list->nmsrs; i++)
		bad += get_one(t->vm->dev, list->indices[i], &val) != 1;
	ktap_ok(!bad, "all %u feature MSRs can be read on the device", list->nmsrs);
	ktap_ok(get_one(t->vm->dev, UNKNOWN, &val) == 0, "an unknown one: 0");
	free(list);
}

static void test_counts(struct traps *t)
{
	struct msrs m = {
		.head.nmsrs = 3,
		.e = { { .index = 0x174 }, { .index = UNKNOWN }, { .index = 0x175 } },
	};
	struct kvm_msrs huge = { .nmsrs = 100000 };

	ktap_ok(ioctl(t->vcpu->fd, KVM_GET_MSRS, &m) == 1, "KVM_GET_MSRS stops at an unknown MSR");
	ktap_ok(ioctl(t->vcpu->fd, KVM_SET_MSRS, &m) == 1, "KVM_SET_MSRS, too");
	m.head.nmsrs = 0;
	ktap_ok(ioctl(t->vcpu->fd, KVM_GET_MSRS, &m) == 0, "none asked for: 0");
	ktap_ok(ioctl(t->vcpu->fd, KVM_GET_MSRS, &huge) == -1 && errno == E2BIG,
		"too many: E2BIG");
}

/* Values that the guest's WRMSR refuses (#GP) or takes. */
static void test_guest(struct traps *t)
{
	static const struct {
		const char *name;
		uint32_t index;
		uint64_t val;
		bool taken;
		bool direct;	/* the processor's own check, when it is passed through */
	} rows[] = {
		{ "LSTAR canonical", 0xc0000082, 0xffffffff81000000, true, false },
		{ "LSTAR not canonical", 0xc0000082, 0x8000000000000000, false, true },
		{ "FS base not canonical", 0xc0000100, 0x1000000000000000, false, true },
		{ "EFER with a reserved bit", 0xc0000080, 0x80000000d01, false, false },
		{ "EFER.LME cleared under paging", 0xc0000080, 0x401, false, false },
		{ "EFER.SCE set", 0xc0000080, 0xd01, true, false },
		{ "PAT with a type that is none", 0x277, 0x0207040600070406, false, false },
		{ "PAT", 0x277, 0x0007040600070406, true, false },
		{ "MTRRdefType with a reserved bit", 0x2ff, 0x1006, false, false },
		{ "MTRRdefType", 0x2ff, 0xc06, true, false },
		{ "fixed MTRR with a type that is none", 0x250, 2, false, false },
		{ "an MSR that is none", UNKNOWN, 0, false, false },
		{ "IA32_PLATFORM_ID, which is read-only", 0x17, 0, false, false },
		{ "TSC_AUX", 0xc0000103, 7, true, false },
		{ "SYSENTER_CS with bits that are not used", 0x174, 0x100000008, true, false },
	};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kvm_regs regs;
		int vector;

		if (rows[i].direct && traps_on_tcg()) {
			ktap_skip(rows[i].name, "QEMU's TCG checks no canonical addresses");
			continue;
		}
		traps_code(t, wrmsr, wrmsr_end);
		regs = ku_get_regs(t->vcpu);
		regs.rcx = rows[i].index;
		regs.rax = (uint32_t)rows[i].val;
		regs.rdx = rows[i].val >> 32;
		ku_set_regs(t->vcpu, &regs);
		vector = traps_run(t, NULL);
		ktap_ok(vector == (rows[i].taken ? TRAP_NONE : 13), "WRMSR %s: %s",
			rows[i].name, rows[i].taken ? "taken" : "#GP");
	}
}

static void test_read_back(struct traps *t)
{
	struct kvm_regs regs;
	uint64_t val = 0;

	set_one(t->vcpu->fd, 0xc0000102, 0xffff888012345678);
	traps_code(t, rdmsr, rdmsr_end);
	regs = ku_get_regs(t->vcpu);
	regs.rcx = 0xc0000102;
	ku_set_regs(t->vcpu, &regs);
	traps_run(t, NULL);
	regs = ku_get_regs(t->vcpu);
	ktap_ok(regs.rax == 0x12345678 && regs.rdx == 0xffff8880,
		"RDMSR reads what KVM_SET_MSRS wrote");
	get_one(t->vcpu->fd, 0xc0000103, &val);
	ktap_ok(val == 7, "KVM_GET_MSRS reads what WRMSR wrote");
}

/* The supported CPUID with another maker in leaf 0. */
static void set_maker(struct ku_vcpu *vcpu, const char *maker)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid = { .head.nent = 256 };
	unsigned int i;

	if (ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuid))
		ktap_bail("KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	for (i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entry[i].function)
			continue;
		memcpy(&cpuid.entry[i].ebx, maker, 4);
		memcpy(&cpuid.entry[i].edx, maker + 4, 4);
		memcpy(&cpuid.entry[i].ecx, maker + 8, 4);
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid))
		ktap_bail("KVM_SET_CPUID2: %s", strerror(errno));
}

/* What the makers do not agree about. */
static void test_makers(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *amd = ku_vcpu_new(vm, 0), *intel = ku_vcpu_new(vm, 1);
	uint64_t val = 0;

	set_maker(amd, "AuthenticAMD");
	set_maker(intel, "GenuineIntel");
	ktap_ok(set_one(amd->fd, 0xc0000103, 0x500000003) == 1 &&
		get_one(amd->fd, 0xc0000103, &val) == 1 && val == 3,
		"TSC_AUX by AMD: the upper half is dropped");
	ktap_ok(set_one(intel->fd, 0xc0000103, 0x500000003) == 0,
		"TSC_AUX by Intel: the upper half is reserved");
	ktap_ok(get_one(amd->fd, 0, &val) == 1 && !val && get_one(amd->fd, 1, &val) == 1 && !val,
		"the Pentium's machine-check registers read as zero");
	ktap_ok(set_one(amd->fd, 0, 0) == 0 && set_one(amd->fd, 1, 0) == 0, "and cannot be written");
	ku_vcpu_free(amd);
	ku_vcpu_free(intel);
	ku_vm_free(vm);
}

int main(void)
{
	struct traps t = traps_new();

	ktap_plan(2 + 2 + 4 + 15 + 2 + 4);
	test_list(&t);
	test_features(&t);
	test_counts(&t);
	test_guest(&t);
	test_read_back(&t);
	test_makers();
	traps_free(&t);
	ktap_exit();
}
