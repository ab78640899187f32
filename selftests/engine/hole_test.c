// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: hole_test
 *
 * The upper half's first level-4 entry is the guest's like any other, also where an engine has
 * things of its own at these addresses.  A guest maps its memory there and takes it away again
 * while it runs: its kernel reads, writes and executes it, its user code lives there and comes
 * and goes by SYSCALL and SYSRET, another vCPU with the same tables looks on.
 */
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define HOLE		"0xffff800000000000"
#define HOLE_AT		0xffff800000000000ull
#define PORT		0x217
#define ENTRY		0x9000
#define FUNC		0xa000
#define USER		0xb000
#define HANDLER		0xc000		/* #PF */
#define LOOKER		0xd000
#define ROUNDS		300
#define SHARED		0x6000


/*
 * The table of level 4 is at RSI, and its first entry, which maps the low memory, in RBX;
 * R12 has HOLE.  RBP rounds; what is found is counted in R13 (good) and R14 (bad).
 */
#define TABLES		"mov %cr3, %rsi\n mov (%rsi), %rbx\n mov $" HOLE ", %r12\n" \
			"xor %r13d, %r13d\n xor %r14d, %r14d\n"
#define MAP		"mov %rbx, 0x800(%rsi)\n"
#define UNMAP		"movq $0, 0x800(%rsi)\n"
/* One more at @at, through the hole; the low address must see it. */
#define TOUCH(at)	"incq " at "(%r12)\n mov " at "(%r12), %rax\n" \
			"cmp %rax, " at "\n jne 8f\n inc %r13\n"
#define REPORT		"mov $0x217, %edx\n mov %r13d, %eax\n out %eax, %dx\n hlt\n"

KU_CODE64(kernel_cr3,
	  TABLES
	  "1: " MAP TOUCH("0x4000") TOUCH("0x7000") TOUCH("0x200000") TOUCH("0x3ff000")
	  "cmp %rbx, 0x100000(%r12)\n jne 8f\n inc %r13\n"
	  "lea 0xa000(%r12), %rax\n call *%rax\n"
	  UNMAP "mov %rsi, %cr3\n"
	  "dec %ebp\n jnz 1b\n" REPORT
	  "8: inc %r14\n" REPORT);

KU_CODE64(kernel_invlpg,
	  TABLES
	  "1: " MAP TOUCH("0x4000") TOUCH("0x200000")
	  "lea 0xa000(%r12), %rax\n call *%rax\n"
	  UNMAP "invlpg 0x4000(%r12)\n invlpg 0x200000(%r12)\n invlpg 0xa000(%r12)\n"
	  "mov 0x4000(%r12), %rax\n"	/* a page fault, see below */
	  "dec %ebp\n jnz 1b\n" REPORT
	  "8: inc %r14\n" REPORT);

/* Called in the hole. */
KU_CODE64(func, "lea 1f(%rip), %rax\n 1: shr $47, %rax\n cmp $0x1ffff, %rax\n jne 2f\n inc %r13\n 2: ret\n");

/* #PF: over the instruction of eight bytes that reads; R15 counts. */
KU_CODE64(handler,
	  "inc %r15\n mov %cr2, %rax\n sub %r12, %rax\n cmp $0x4000, %rax\n jne 1f\n"
	  "addq $8, 8(%rsp)\n add $8, %rsp\n iretq\n"
	  "1: mov $0x217, %edx\n mov $0xdead, %eax\n out %eax, %dx\n hlt\n");

/* Into user code in the hole, as often as RBP says. */
KU_CODE64(to_user,
	  TABLES MAP
	  "lea 0xb000(%r12), %rcx\n mov $0x202, %r11d\n sysretq\n");

/* SYSCALL comes from the hole; EAX 1: unmap it and go back. */
KU_CODE64(entry,
	  "mov %rcx, %rdx\n shr $47, %rdx\n cmp $0x1ffff, %rdx\n jne 8f\n inc %r13\n"
	  "cmp $1, %eax\n je 1f\n sysretq\n"
	  "1: " UNMAP "mov %rsi, %cr3\n sysretq\n"
	  "8: inc %r14\n" REPORT);

KU_CODE64(user,
	  "1: incq 0x4000(%r12)\n incq 0x100ff8(%r12)\n lea 0x200000(%r12), %rsp\n"
	  "push %rbp\n pop %rax\n cmp %rax, %rbp\n jne 2f\n inc %r13\n"
	  "2: xor %eax, %eax\n syscall\n dec %ebp\n jnz 1b\n"
	  "mov $1, %eax\n syscall\n gone: hlt\n");

extern const char gone[];

/* Two vCPUs: [0x6000] the round, [0x6008] and [0x6010] what the looker has done of it. */
KU_CODE64(mapper,
	  TABLES
	  "mov $1, %edi\n"
	  "1: " MAP "mov %rdi, 0x200000\n mov %rdi, 0x6000\n"
	  "2: pause\n cmp %rdi, 0x6008\n jne 2b\n"
	  UNMAP "mov %rsi, %cr3\n mov %rdi, 0x6018\n"
	  "3: pause\n cmp %rdi, 0x6010\n jne 3b\n"
	  "inc %edi\n dec %ebp\n jnz 1b\n" REPORT);

KU_CODE64(looker,
	  TABLES
	  "mov $1, %edi\n"
	  "1: pause\n cmp %rdi, 0x6000\n jne 1b\n"
	  "mov 0x200000(%r12), %rax\n cmp %rax, %rdi\n jne 2f\n inc %r13\n"
	  "2: mov %rdi, 0x6008\n"
	  "3: pause\n cmp %rdi, 0x6018\n jne 3b\n"
	  "mov %rsi, %cr3\n mov %rdi, 0x6010\n"
	  "inc %edi\n dec %ebp\n jnz 1b\n" REPORT);

static struct ku_vm *vm;

static struct ku_vcpu *vcpu_at(unsigned long id, uint64_t rip)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, id);
	struct kvm_regs regs;

	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, rip);
	ku_user_segments(vm);
	ku_vcpu_user_gdt(vcpu);
	ku_vcpu_syscall(vcpu, ENTRY, 0x47700);
	regs = ku_get_regs(vcpu);
	regs.rbp = ROUNDS;
	regs.rsp = KU_STACK - 0x2000 * id;
	ku_set_regs(vcpu, &regs);
	return vcpu;
}

static void setup(const char *code, const char *end)
{
	vm = ku_vm_new(0);
	ku_load(vm, code, end - code);
	ku_load_at(vm, ENTRY, entry, entry_end - entry);
	ku_load_at(vm, FUNC, func, func_end - func);
	ku_load_at(vm, USER, user, user_end - user);
	ku_load_at(vm, HANDLER, handler, handler_end - handler);
	ku_load_at(vm, LOOKER, looker, looker_end - looker);
	ku_gate(vm, 14, HANDLER, 0, 0);
}

static void test_kernel(const char *code, const char *end, unsigned int checks, bool faults)
{
	const char *how = faults ? "INVLPG" : "CR3";
	struct ku_vcpu *vcpu;
	struct kvm_regs regs;
	uint32_t got;

	setup(code, end);
	vcpu = vcpu_at(0, KU_CODE);
	got = ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	ktap_ok(got == ROUNDS * checks && !regs.r14, "kernel, %s: %u of %u seen", how, got,
		ROUNDS * checks);
	ktap_ok(regs.r15 == (faults ? ROUNDS : 0), "kernel, %s: %llu page faults", how, regs.r15);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void test_user(void)
{
	struct ku_vcpu *vcpu;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint64_t *stack;

	setup(to_user, to_user_end);
	/* The fault at the end, at CPL 0 and with a stack that is still there. */
	ku_load_at(vm, HANDLER, "\xf4", 1);
	vcpu = vcpu_at(0, KU_CODE);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(vcpu);
	sregs = ku_get_sregs(vcpu);
	stack = ku_ptr(vm, regs.rsp);
	ktap_ok(regs.r13 == 2 * ROUNDS + 1 && !regs.r14, "user: %llu of %u seen", regs.r13,
		2 * ROUNDS + 1);
	ktap_ok(*(uint64_t *)ku_ptr(vm, 0x4000) == ROUNDS && *(uint64_t *)ku_ptr(vm, 0x100ff8) == ROUNDS,
		"user: what it wrote is there");
	ktap_ok(regs.rip == HANDLER + 1 && stack[0] == 0x14 && stack[2] == KU_USER_CS &&
		stack[1] == HOLE_AT + USER + (gone - user) && sregs.cr2 == stack[1],
		"user: then its code is gone: error %#llx at %#llx, CR2 %#llx", (unsigned long long)stack[0],
		(unsigned long long)stack[1], sregs.cr2);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void *run_looker(void *arg)
{
	ku_run_to(arg, KVM_EXIT_IO);
	return NULL;
}

static void test_two(void)
{
	struct ku_vcpu *one, *two;
	struct kvm_regs regs;
	pthread_t thread;

	setup(mapper, mapper_end);
	one = vcpu_at(0, KU_CODE);
	two = vcpu_at(1, LOOKER);
	pthread_create(&thread, NULL, run_looker, two);
	ku_run_to(one, KVM_EXIT_IO);
	pthread_join(thread, NULL);
	regs = ku_get_regs(two);
	ktap_ok(regs.r13 == ROUNDS, "another vCPU: %llu of %u seen", regs.r13, ROUNDS);
	ku_vcpu_free(one);
	ku_vcpu_free(two);
	ku_vm_free(vm);
}

int main(void)
{
	ku_open();
	ktap_plan(2 * 2 + 3 + 1);
	test_kernel(kernel_cr3, kernel_cr3_end, 6, false);
	test_kernel(kernel_invlpg, kernel_invlpg_end, 3, true);
	test_user();
	test_two();
	ktap_exit();
}
