// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: syscall_test
 *
 * SYSCALL, SYSRET and IRET between guest user and guest kernel: registers,
 * flags and selectors on both sides, and everything that may change between
 * two of them: LSTAR, EFER, the code at LSTAR, the GDT, single steps, an
 * interrupt that waits; and the one of 32-bit code.  The soft engine does the plain ones without an exit,
 * and that is counted.
 */
#include <cpuid.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x217
#define ENTRY		0x9000
#define ENTRY2		0x9800
#define USER		0xa000
#define WITH_ERROR	0xb000
#define WITHOUT_ERROR	0xb100
#define ON_IRQ		0xb200
#define VECTOR		0x40
#define LOOPS		2000
#define CR4_FSGSBASE	(1ull << 16)
#define STACK		"0x70000"

#define MSR_LSTAR	0xc0000082u
#define MSR_CSTAR	0xc0000083u
#define COMPAT_CS	0x63
#define SFMASK		0x47700		/* TF, IF, DF, IOPL, NT, AC */
#define FLAGS		0x240ed7u	/* CF ... OF, IF, AC, ID */

/* To user code, by SYSRET with flags R9D; without the kernel's data segments. */
KU_CODE64(start,
	  "xor %eax, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %fs\n mov %eax, %gs\n"
	  "mov $0xa000, %ecx\n"
	  "mov %r9d, %r11d\n"
	  "sysretq\n");

/* EAX says what: 0 comes back, by SYSRET or (EBX) by IRET; 0x77 reports. */
KU_CODE64(entry,
	  "cmp $0x77, %eax\n je 7f\n"
	  "cmp $0x55, %eax\n je 1f\n"
	  "cmp $0x56, %eax\n je 2f\n"
	  "cmp $0x57, %eax\n je 3f\n"
	  "cmp $0x58, %eax\n je 4f\n"
	  "cmp $0x59, %eax\n je 5f\n"
	  "cmp $0x5a, %eax\n je 6f\n"
	  "mov %r11, %r15\n"
	  "counter: inc %r14\n"
	  "test %ebx, %ebx\n jnz 9f\n"
	  "sysretq\n"
	  "1: mov %rcx, %r8\n mov $0xc0000080, %ecx\n rdmsr\n"	/* no EFER.SCE */
	  "and $-2, %eax\n wrmsr\n mov %r8, %rcx\n jmp 9f\n"
	  "2: mov %rcx, %r8\n mov $0xc0000082, %ecx\n"		/* another LSTAR */
	  "mov $0x9800, %eax\n xor %edx, %edx\n wrmsr\n mov %r8, %rcx\n jmp 9f\n"
	  "3: movb $0xce, counter + 2(%rip)\n jmp 9f\n"		/* DEC R14 */
	  "4: andb $0x7f, 0x575\n jmp 9f\n"			/* user CS not present */
	  "5: mov $1, %ecx\n shl $47, %rcx\n jmp 9f\n"		/* no address */
	  "6: mov $0x217, %edx\n out %eax, %dx\n sysretq\n"
	  "7: mov %cs, %r9\n mov %ss, %r10\n mov %ds, %esi\n"
	  "pushfq\n pop %rdi\n"
	  "mov $0x217, %edx\n out %eax, %dx\n hlt\n"
	  "9: mov %rsp, %r8\n mov $" STACK ", %esp\n"
	  "push $0x6b\n push %r8\n push %r11\n push $0x73\n push %rcx\n iretq\n");

KU_CODE64(entry2, "mov $0x99, %eax\n mov $0x217, %edx\n out %eax, %dx\n hlt\n");

KU_CODE64(with_error, "pop %rax\n mov $0x217, %edx\n out %eax, %dx\n hlt\n");

KU_CODE64(without_error,
	  "mov (%rsp), %rax\n mov $0x217, %edx\n out %eax, %dx\n hlt\n");

KU_CODE64(on_irq, "inc %r13\n mov 8(%rsp), %r12\n iretq\n");

KU_CODE64(user_loop,
	  "mov $0x6b, %eax\n mov %eax, %ds\n"
	  "mov $2000, %ebp\n"
	  "1: xor %eax, %eax\n syscall\n dec %ebp\n jnz 1b\n"
	  "mov $0x77, %eax\n syscall\n");

KU_CODE64(user_flags,
	  "xor %eax, %eax\n push $0x240ed7\n popfq\n"
	  "syscall\n pushfq\n pop %rbp\n"
	  "mov $0x77, %eax\n syscall\n");

KU_CODE64(user_pushf, "pushfq\n pop %rbp\n mov $0x77, %eax\n syscall\n");

KU_CODE64(user_no_sce,
	  "mov $0x55, %eax\n syscall\n"
	  "mov $0x1234, %ecx\n mov $0x5678, %r11d\n syscall\n");

KU_CODE64(user_step,
	  "xor %eax, %eax\n push $0x302\n popfq\n"
	  "syscall\n stepped: nop\n nop\n hlt\n");

KU_CODE64(user_call,
	  "mov $20, %ebp\n"
	  "1: xor %eax, %eax\n syscall\n dec %ebp\n jnz 1b\n"
	  "mov %r12d, %eax\n syscall\n"
	  "mov $20, %ebp\n"
	  "2: xor %eax, %eax\n called: syscall\n dec %ebp\n jnz 2b\n"
	  "mov $0x77, %eax\n syscall\n");

/* Every system call adds 0x10 to the FS base, which is read, and used every other time. */
KU_CODE64(fs_entry,
	  "cmp $0x77, %eax\n je 7f\n"
	  "rdfsbase %r13\n add $0x10, %r13\n wrfsbase %r13\n"
	  "test $0x10, %r13b\n jz 1f\n"
	  "mov %r13, %fs:-8\n jmp 2f\n"
	  "1: mov %r13, -8(%r13)\n"
	  "2: test %ebx, %ebx\n jnz 3f\n"
	  "sysretq\n"
	  "3: mov %rsp, %r8\n mov $" STACK ", %esp\n"
	  "push $0x6b\n push %r8\n push %r11\n push $0x73\n push %rcx\n iretq\n"
	  "7: rdfsbase %r13\n"
	  "mov $0x217, %edx\n out %eax, %dx\n hlt\n");

KU_CODE64(fs_user,
	  "mov $0x60010, %eax\n wrfsbase %rax\n"
	  "mov $100, %ebp\n"
	  "1: xor %eax, %eax\n syscall\n"
	  "rdfsbase %r12\n cmp %fs:-8, %r12\n jne 2f\n"
	  "dec %ebp\n jnz 1b\n"
	  "2: mov $0x77, %eax\n syscall\n");

/* A system call of 32-bit user code: CSTAR on AMD's processors, #UD on Intel's. */
KU_CODE64(compat_entry,
	  "mov %cs, %r9\n mov %ss, %r10\n mov $0x217, %edx\n out %eax, %dx\n hlt\n");

KU_CODE64(compat_user,
	  "mov %rsp, %r8\n push $0x63\n push $compat - compat_user + 0xa000\n lretq\n"
	  "compat: mov $0x32, %eax\n mov $0x6e000, %esp\n after: syscall\n");

extern const char stepped[], called[], after[];

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void put_code(void)
{
	ku_load(vm, start, start_end - start);
	ku_load_at(vm, ENTRY, entry, entry_end - entry);
	ku_load_at(vm, ENTRY2, entry2, entry2_end - entry2);
	ku_load_at(vm, WITH_ERROR, with_error, with_error_end - with_error);
	ku_load_at(vm, WITHOUT_ERROR, without_error, without_error_end - without_error);
	ku_load_at(vm, ON_IRQ, on_irq, on_irq_end - on_irq);
	ku_gate(vm, 1, WITHOUT_ERROR, 0, 0);
	ku_gate(vm, 6, WITHOUT_ERROR, 0, 0);
	ku_gate(vm, 11, WITH_ERROR, 0, 0);
	ku_gate(vm, 13, WITH_ERROR, 0, 0);
	ku_gate(vm, VECTOR, ON_IRQ, 0, 0);
}

/* A VM whose user code is @code; EBX: the kernel returns by IRET; R12D: what it is asked for. */
static void setup_flags(const char *code, size_t size, bool iret, uint32_t call, uint32_t flags)
{
	struct kvm_regs regs;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	put_code();
	ku_load_at(vm, USER, code, size);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	ku_vcpu_user_gdt(vcpu);
	ku_vcpu_syscall(vcpu, ENTRY, SFMASK);
	regs = ku_get_regs(vcpu);
	regs.rbx = iret;
	regs.r12 = call;
	regs.r9 = flags;
	ku_set_regs(vcpu, &regs);
}

static void setup(const char *code, size_t size, bool iret, uint32_t call)
{
	setup_flags(code, size, iret, call, 0x202);
}

static void teardown(void)
{
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void test_loop(bool iret)
{
	const char *how = iret ? "IRET" : "SYSRET";
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint64_t exits;

	setup(user_loop, user_loop_end - user_loop, iret, 0);
	ktap_ok(ku_run_out(vcpu, PORT) == 0x77, "%s: the loop ends", how);
	exits = ku_counter(vcpu->fd, "exits");
	regs = ku_get_regs(vcpu);
	sregs = ku_get_sregs(vcpu);
	ktap_ok(regs.r14 == LOOPS, "%s: %llu system calls", how, regs.r14);
	ktap_ok(regs.r9 == KU_CS64 && regs.r10 == KU_DS && (uint32_t)regs.rsi == KU_USER_SS,
		"%s: the kernel reads CS %#llx, SS %#llx, DS %#llx", how, regs.r9, regs.r10,
		regs.rsi);
	ktap_ok(sregs.cs.selector == KU_CS64 && sregs.cs.dpl == 0 && sregs.ss.selector == KU_DS &&
		sregs.ds.selector == KU_USER_SS, "%s: so does userspace", how);
	ktap_ok(regs.rcx == USER + (uint64_t)(user_loop_end - user_loop) && regs.r11 == 0x246,
		"%s: RCX %#llx, R11 %#llx", how, regs.rcx, regs.r11);
	ktap_ok(!(regs.rdi & SFMASK), "%s: the kernel's flags %#llx", how, regs.rdi);
	if (!ku_offers_smap(vm) && ku_counter(vcpu->fd, "emulated"))
		ktap_ok(exits < LOOPS / 2, "%s: %llu exits", how, (unsigned long long)exits);
	else
		ktap_skip("exits", "hardware counts otherwise");
	teardown();
}

static void test_flags(bool iret)
{
	struct kvm_regs regs;

	setup(user_flags, user_flags_end - user_flags, iret, 0);
	ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.r15 == FLAGS, "the kernel finds R11 %#llx", regs.r15);
	ktap_ok(regs.rbp == FLAGS, "user code gets flags %#llx back", regs.rbp);
	teardown();
}

/* Whatever the engine needs, user code finds its own IF and IOPL. */
static void test_pushf(uint32_t flags)
{
	struct kvm_regs regs;

	setup_flags(user_pushf, user_pushf_end - user_pushf, false, 0, flags);
	ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.rbp == flags && regs.r11 == flags,
		"of flags %#x PUSHF stores %#llx, SYSCALL %#llx", flags, regs.rbp, regs.r11);
	teardown();
}

static void test_no_sce(void)
{
	uint64_t at = USER + (user_no_sce_end - user_no_sce) - 2;
	struct kvm_regs regs;

	setup(user_no_sce, user_no_sce_end - user_no_sce, false, 0);
	ktap_ok(ku_run_out(vcpu, PORT) == at, "without EFER.SCE SYSCALL is #UD");
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.rcx == 0x1234 && regs.r11 == 0x5678, "and leaves RCX %#llx, R11 %#llx",
		regs.rcx, regs.r11);
	teardown();
}

static void test_step(void)
{
	uint64_t at = USER + (stepped - user_step);
	struct kvm_regs regs;
	uint32_t rip;

	setup(user_step, user_step_end - user_step, false, 0);
	rip = ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	/* Processors differ in whether SYSRET is stepped itself. */
	ktap_ok(rip == at || rip == at + 1, "a step ends at %#x", rip);
	ktap_ok(regs.r14 == 1 && regs.r15 == 0x302, "after the system call, R11 %#llx", regs.r15);
	teardown();
}

/* What the kernel is asked for between two loops, and what is reported then. */
static void test_call(uint32_t call, bool iret, uint32_t expect, uint64_t count, const char *what)
{
	uint32_t got;

	setup(user_call, user_call_end - user_call, iret, call);
	got = ku_run_out(vcpu, PORT);
	ktap_ok(got == expect && ku_get_regs(vcpu).r14 == count, "%s: %#x, %lld system calls", what,
		got, ku_get_regs(vcpu).r14);
	teardown();
}

static void test_interrupt(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };
	struct kvm_regs regs;

	setup(user_call, user_call_end - user_call, false, 0x5a);
	ktap_ok(ku_run_out(vcpu, PORT) == 0x5a, "the kernel runs with interrupts off");
	/* The window opens in user code, which may be reached without an exit. */
	vcpu->run->request_interrupt_window = 1;
	ku_run_to(vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	vcpu->run->request_interrupt_window = 0;
	ktap_ok(!ioctl(vcpu->fd, KVM_INTERRUPT, &irq), "an interrupt comes");
	ktap_ok(ku_run_out(vcpu, PORT) == 0x77, "the guest goes on");
	regs = ku_get_regs(vcpu);
	ktap_ok(regs.r13 == 1 && regs.r12 == KU_USER_CS && regs.r14 == 40,
		"it has interrupted user code once: CS %#llx", regs.r12);
	teardown();
}

static void test_fs_base(bool iret)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	setup(fs_user, fs_user_end - fs_user, iret, 0);
	ku_load_at(vm, ENTRY2, fs_entry, fs_entry_end - fs_entry);
	ku_set_msr(vcpu, MSR_LSTAR, ENTRY2);
	sregs = ku_get_sregs(vcpu);
	sregs.cr4 |= CR4_FSGSBASE;
	ku_set_sregs(vcpu, &sregs);
	ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	sregs = ku_get_sregs(vcpu);
	ktap_ok(regs.rbp == 0 && regs.r12 == 0x60010 + 100 * 0x10,
		"user code finds the kernel's FS base %#llx", regs.r12);
	ktap_ok(regs.r13 == regs.r12 && sregs.fs.base == regs.r12,
		"so do the kernel, %#llx, and userspace, %#llx", regs.r13, sregs.fs.base);
	teardown();
}

static bool is_intel(void)
{
	uint32_t a, b, c, d;

	__cpuid(0, a, b, c, d);
	return b == signature_INTEL_ebx;
}

static void test_compat(void)
{
	uint64_t at = USER + (after - compat_user);
	struct kvm_regs regs;
	uint64_t *gdt;
	uint32_t got;

	setup(compat_user, compat_user_end - compat_user, false, 0);
	ku_load_at(vm, ENTRY2, compat_entry, compat_entry_end - compat_entry);
	ku_set_msr(vcpu, MSR_CSTAR, ENTRY2);
	gdt = ku_ptr(vm, KU_GDT);
	gdt[COMPAT_CS >> 3] = 0x00cffb000000ffff;
	got = ku_run_out(vcpu, PORT);
	regs = ku_get_regs(vcpu);
	if (is_intel()) {
		ktap_ok(got == (uint32_t)at, "SYSCALL of 32-bit code is #UD: %#x", got);
		ktap_skip("the kernel's side", "Intel's processors have none");
	} else {
		ktap_ok(got == 0x32 && regs.rcx == at + 2, "SYSCALL of 32-bit code, RCX %#llx",
			regs.rcx);
		ktap_ok(regs.r9 == KU_CS64 && regs.r10 == KU_DS && regs.rsp == 0x6e000,
			"the kernel reads CS %#llx, SS %#llx, RSP %#llx", regs.r9, regs.r10,
			regs.rsp);
	}
	teardown();
}

int main(void)
{
	uint64_t at = USER + (called - user_call);

	ktap_plan(2 * 7 + 2 * 2 + 5 + 2 + 2 + 5 + 4 + 2 * 2 + 2);
	test_loop(false);
	test_loop(true);
	test_flags(false);
	test_flags(true);
	test_pushf(0x202);
	test_pushf(0x2);
	test_pushf(0x1202);
	test_pushf(0x2002);
	test_pushf(0x3202);
	test_no_sce();
	test_step();
	test_call(0x55, false, at, 20, "EFER.SCE is cleared");
	test_call(0x56, false, 0x99, 20, "LSTAR is changed");
	test_call(0x57, true, 0x77, 0, "the code at LSTAR is changed");
	test_call(0x58, true, KU_USER_CS & ~7, 20, "user CS is not present any more");
	test_call(0x59, true, 0, 20, "IRET to no address");
	test_interrupt();
	test_fs_base(false);
	test_fs_base(true);
	test_compat();
	ktap_exit();
}
