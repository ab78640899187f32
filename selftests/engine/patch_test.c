// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: patch_test
 *
 * A guest kernel that patches an instruction of a page from which it executes others: each
 * patch is seen at once, and for the first few no other translation of the page goes.
 */
#include "kvm_util.h"
#include "ktap.h"

#define TARGET	0xa000
#define OTHER	(TARGET + 0x400)
#define FEW	3
#define MANY	60

/* RCX: rounds.  Each adds what both functions say to RBX and counts up what the first one says. */
KU_CODE64(rounds,
	  "1: mov $0xa000, %edx\n call *%rdx\n add %rax, %rbx\n"
	  "mov $0xa400, %edx\n call *%rdx\n add %rax, %rbx\n"
	  "incb 0xa001\n dec %ecx\n jnz 1b\n hlt\n");
KU_CODE64(target, "mov $1, %eax\n ret\n");
KU_CODE64(other, "mov $0x1000, %eax\n ret\n");

static void test(unsigned int n)
{
	uint64_t want = (uint64_t)n * 0x1000 + n * (n + 1) / 2, before, drops;
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	struct kvm_regs regs;

	ku_load(vm, rounds, rounds_end - rounds);
	ku_load_at(vm, TARGET, target, target_end - target);
	ku_load_at(vm, OTHER, other, other_end - other);
	ku_vcpu_long(vcpu, KU_CODE);
	regs = ku_get_regs(vcpu);
	regs.rcx = n;
	regs.rbx = 0;
	ku_set_regs(vcpu, &regs);
	before = ku_counter(vcpu->fd, "tc_drops");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	drops = ku_counter(vcpu->fd, "tc_drops") - before;
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.rbx == want, "%u patches: the sum is %#llx", n, regs.rbx);
	if (n == FEW)
		ktap_ok(drops <= n, "%llu blocks dropped", (unsigned long long)drops);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

int main(void)
{
	ktap_plan(3);
	test(FEW);
	test(MANY);
	ktap_exit();
}
