// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: sync_test
 *
 * Registers in kvm_run (KVM_CAP_SYNC_REGS), and KVM_GET/SET_SREGS2 with the PAE
 * pointers.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "kvm_util.h"

#define ALL	(KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS)

KU_CODE64(add, "1: add $2, %rax\n hlt\n jmp 1b\n");
KU_CODE32(load, "mov $0x40000000, %ebx\n mov (%ebx), %eax\n hlt\n");

static int run_errno(struct ku_vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_RUN, 0) ? errno : 0;
}

static void test_fields(struct ku_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	run->kvm_valid_regs = 0x80000000;
	ktap_ok(run_errno(vcpu) == EINVAL, "an unknown field to give: EINVAL");
	run->kvm_valid_regs = 0;
	run->kvm_dirty_regs = 0x80000000;
	ktap_ok(run_errno(vcpu) == EINVAL, "an unknown field to take: EINVAL");
	run->kvm_dirty_regs = 0;
}

static void test_give(struct ku_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_sregs sregs;
	struct kvm_vcpu_events events;
	struct kvm_regs regs;

	/* Zeros: KVM leaves padding, and the interrupt bitmap, as they were. */
	memset(&run->s.regs, 0, sizeof(run->s.regs));
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(run->s.regs.regs.rip == 0, "nothing asked for, nothing given");

	run->kvm_valid_regs = ALL;
	ku_run_to(vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(vcpu);
	sregs = ku_get_sregs(vcpu);
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	ktap_ok(!memcmp(&run->s.regs.regs, &regs, sizeof(regs)), "registers as KVM_GET_REGS has them");
	ktap_ok(!memcmp(&run->s.regs.sregs, &sregs, sizeof(sregs)), "as KVM_GET_SREGS has them");
	ktap_ok(!memcmp(&run->s.regs.events, &events, sizeof(events)), "events, too");
}

static void test_take(struct ku_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs = ku_get_regs(vcpu);
	uint64_t cr4;

	run->kvm_valid_regs = ALL;
	run->s.regs.regs.rax = 1000;
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(run->s.regs.regs.rax == regs.rax + 2, "what is not dirty is not taken");

	run->s.regs.regs.rax = 1000;
	run->s.regs.sregs.cr2 = 0x1234;
	run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(run->s.regs.regs.rax == 1002, "registers are taken");
	ktap_ok(ku_get_sregs(vcpu).cr2 == 0x1234, "system registers are taken");
	ktap_ok(!run->kvm_dirty_regs, "the dirty bits go");

	cr4 = run->s.regs.sregs.cr4;
	run->s.regs.sregs.cr4 |= 1ull << 40;
	run->kvm_dirty_regs = KVM_SYNC_X86_SREGS;
	ktap_ok(run_errno(vcpu) == EINVAL, "a CR4 that cannot be: EINVAL");
	ktap_ok(ku_get_sregs(vcpu).cr4 == cr4, "and the old one stays");
	run->kvm_dirty_regs = 0;
	run->kvm_valid_regs = 0;
}

/* A PAE guest whose pointers come by KVM_SET_SREGS2, not from the table that CR3 names. */
static void test_pdptrs(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	uint64_t table = ku_page(vm), dir = ku_page(vm), low = ku_page(vm), data = ku_page(vm);
	struct kvm_sregs2 s = {}, back = {};
	uint64_t *entry;

	ku_vcpu_cpuid(vcpu);
	ku_load(vm, load, load_end - load);
	ku_vcpu_prot(vcpu, KU_CODE);
	/* The table in memory maps nothing at 1 GiB; the pointers given do. */
	entry = ku_ptr(vm, low);
	entry[0] = KU_PTE_P | KU_PTE_W | KU_PTE_PS;
	entry = ku_ptr(vm, dir);
	entry[0] = (data & ~0x1fffffull) | KU_PTE_P | KU_PTE_W | KU_PTE_PS;
	*(uint32_t *)ku_ptr(vm, data & ~0x1fffffull) = 0x5eed;
	entry = ku_ptr(vm, table);
	entry[0] = low | KU_PTE_P;

	ktap_ok(!ioctl(vcpu->fd, KVM_GET_SREGS2, &s) && !s.flags, "no paging: no pointers");
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	ktap_ok(ioctl(vcpu->fd, KVM_SET_SREGS2, &s) && errno == EINVAL,
		"pointers without PAE: EINVAL");
	s.cr3 = table;
	s.cr4 |= 1u << 5 | 1u << 4;
	s.cr0 |= 1u << 31;
	s.pdptrs[0] = low | KU_PTE_P;
	s.pdptrs[1] = dir | KU_PTE_P;
	s.flags = 0x80;
	ktap_ok(ioctl(vcpu->fd, KVM_SET_SREGS2, &s) && errno == EINVAL, "unknown flags: EINVAL");
	s.flags = KVM_SREGS2_FLAGS_PDPTRS_VALID;
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_SREGS2, &s), "KVM_SET_SREGS2");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(ku_get_regs(vcpu).rax == 0x5eed, "the guest runs on the given pointers: %#llx",
		(unsigned long long)ku_get_regs(vcpu).rax);
	ioctl(vcpu->fd, KVM_GET_SREGS2, &back);
	ktap_ok(back.flags == s.flags && back.pdptrs[1] == s.pdptrs[1], "and they read back");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

int main(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);

	ktap_plan(2 + 2 + 4 + 6 + 6);
	ktap_ok(ku_check(vm->dev, KVM_CAP_SYNC_REGS) == ALL, "KVM_CAP_SYNC_REGS");
	ktap_ok(ku_check(vm->dev, KVM_CAP_SREGS2) == 1, "KVM_CAP_SREGS2");
	ku_vcpu_cpuid(vcpu);
	ku_load(vm, add, add_end - add);
	ku_vcpu_long(vcpu, KU_CODE);
	test_fields(vcpu);
	test_give(vcpu);
	test_take(vcpu);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	test_pdptrs();
	ktap_exit();
}
