// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fast_test
 *
 * Many changes between guest user and guest kernel, one right after the other, by SYSCALL,
 * SYSRET and IRET in turn: each leaves every register and flag as the manuals say, and the
 * kernel counts all of them.  Meant to be disturbed: engine/nmi-flood runs it under NMIs.
 * An argument says how many rounds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x217
#define ENTRY		0x9000
#define USER		0xa000
#define ROUNDS		5000


/* Registers that nobody changes: a pattern each, looked at after every return. */
#define SET(reg, n)	"mov $0x1111111111111111 * " #n ", %" #reg "\n"
#define LOOK(reg, n)	"mov $0x1111111111111111 * " #n ", %rax\n cmp %rax, %" #reg "\n jne 8f\n"

KU_CODE64(start, "mov $0xa000, %ecx\n mov $0x202, %r11d\n sysretq\n");

/* R14 counts; its lowest bit says how to return.  EAX is what the user code will find. */
KU_CODE64(entry,
	  "inc %r14\n cmp $-0x77, %eax\n je 7f\n cmp $-0x78, %eax\n je 7f\n"
	  "test $1, %r14d\n jnz 1f\n"
	  "lea 1(%rax), %rax\n sysretq\n"
	  "1: mov %rsp, %rdx\n mov $0x70000, %esp\n"
	  "push $0x6b\n push %rdx\n push %r11\n push $0x73\n push %rcx\n"
	  "lea 1(%rax), %rax\n iretq\n"
	  "7: mov $0x217, %edx\n out %eax, %dx\n hlt\n");

/* CF, ZF, SF and OF change from round to round; RBP rounds. */
KU_CODE64(user,
	  SET(rsi, 1) SET(rdi, 2) SET(r8, 3) SET(r9, 4) SET(r10, 5) SET(r12, 6) SET(r13, 7)
	  "1: lea 0x6f000, %rsp\n"
	  "mov %ebp, %eax\n and $0x8c1, %eax\n or $0x202, %eax\n push %rax\n mov %rax, %r15\n popfq\n"
	  "mov %rbp, %rax\n"
	  "syscall\n"
	  "after: pushfq\n pop %rbx\n"
	  "cmp %r15, %rbx\n jne 8f\n cmp %r15, %r11\n jne 8f\n"
	  "lea after(%rip), %rbx\n cmp %rbx, %rcx\n jne 8f\n"
	  "lea -1(%rax), %rax\n cmp %rax, %rbp\n jne 8f\n"
	  "cmp $0x6f000, %rsp\n jne 8f\n"
	  LOOK(rsi, 1) LOOK(rdi, 2) LOOK(r8, 3) LOOK(r9, 4) LOOK(r10, 5) LOOK(r12, 6) LOOK(r13, 7)
	  "dec %rbp\n jnz 1b\n"
	  "mov $-0x77, %eax\n syscall\n"
	  "8: mov $-0x78, %eax\n syscall\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void setup(uint64_t rounds)
{
	struct kvm_regs regs;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, start, start_end - start);
	ku_load_at(vm, ENTRY, entry, entry_end - entry);
	ku_load_at(vm, USER, user, user_end - user);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	ku_vcpu_user_gdt(vcpu);
	ku_vcpu_syscall(vcpu, ENTRY, 0x47700);
	regs = ku_get_regs(vcpu);
	regs.rbp = rounds;
	ku_set_regs(vcpu, &regs);
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : ROUNDS;
	struct kvm_regs regs;
	uint32_t got;

	ku_open();
	ktap_plan(2);
	setup(rounds);
	got = ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	if (!ktap_ok(got == (uint32_t)-0x77, "every register and flag is as it was"))
		ktap_note("%llu rounds before the end: RAX %#llx, RBX %#llx, RCX %#llx, R11 %#llx, R15 %#llx",
			  regs.rbp, regs.rax, regs.rbx, regs.rcx, regs.r11, regs.r15);
	ktap_ok(regs.r14 == rounds + 1, "%llu system calls of %llu", regs.r14,
		(unsigned long long)rounds + 1);
	ktap_exit();
}
