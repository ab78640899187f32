// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fault_test
 *
 * A page fault may be dealt with between two entries, without a way out.  The guest's handler
 * finds the address and the error code all the same, once a fault; an interrupt that waits
 * meanwhile comes at its own time; and a guest that does nothing but fault is stopped by a
 * signal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define TESTS		15
#define PORT		0x217
#define VECTOR		0x40
#define PF		14
#define ON_PF		0x9000
#define ON_IRQ		0xa000
#define VIRT		0xffff900000000000ull
#define ROUNDS		2000

/* A frame begins with its entry, R9. */
#define VALUE		(KU_PTE_P | KU_PTE_W | KU_PTE_A | KU_PTE_D)

/*
 * R12 counts.  CR2 is to be R13, the error code R14; RBX counts what is not so.  The entry at R8
 * becomes R9.
 */
KU_CODE64(on_pf,
	  "inc %r12d\n mov %cr2, %rax\n cmp %rax, %r13\n je 1f\n inc %ebx\n"
	  "1: pop %rax\n cmp %rax, %r14\n je 2f\n inc %ebx\n"
	  "2: mov %r9, (%r8)\n iretq\n");

/* Says where it came. */
KU_CODE64(on_irq, "mov $0x217, %edx\n mov (%rsp), %eax\n out %eax, %dx\n iretq\n");

/* RDI: a page; RCX: rounds; R10: what its entry begins each with. */
KU_CODE64(touch,
	  "xor %ebx, %ebx\n xor %r12d, %r12d\n"
	  "1: mov %r10, (%r8)\n invlpg (%rdi)\n mov %rdi, %r13\n xor %r14d, %r14d\n"
	  "test $1, %r10b\n jz 2f\n inc %r14d\n"
	  "2: or $2, %r14d\n mov %r9, (%rdi)\n mov (%rdi), %rax\n cmp %rax, %r9\n je 3f\n inc %ebx\n"
	  "3: dec %ecx\n jnz 1b\n"
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n mov %r12d, %eax\n out %eax, %dx\n"
	  "hlt\n");

/* At 0x8000: a fault with interrupts off; then they are on. */
KU_CODE64(held,
	  "xor %ebx, %ebx\n xor %r12d, %r12d\n mov (%rdi), %rax\n"
	  "sti\n nop\n nop\n cli\n"
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n mov %r12d, %eax\n out %eax, %dx\n"
	  "hlt\n");
#define HELD_RIP	(KU_CODE + 2 + 3 + 3 + 1 + 1)

/* At 0x8000: a fault in STI's shadow. */
KU_CODE64(shadow, "sti\n mov (%rdi), %rax\n nop\n hlt\n");
#define SHADOW_RIP	(KU_CODE + 1)

/* The handler leaves all as it is. */
KU_CODE64(endless, "1: mov (%rdi), %rax\n jmp 1b\n");

/*
 * User code: RCX pages from RDI on, in the first of which it counts down.  R12 counts faults, RBX
 * what is not so.
 */
KU_CODE64(user_touch,
	  "xor %ebx, %ebx\n xor %r12d, %r12d\n mov %rsp, %rbp\n mov $0x1234567, %esi\n"
	  "1: stc\n mov %rcx, (%rdi)\n jnc 3f\n cmp %rcx, (%r13)\n jne 3f\n"
	  "cmp %rsp, %rbp\n jne 3f\n cmp $0x1234567, %rsi\n jne 3f\n"
	  "2: add $0x1000, %rdi\n dec %ecx\n jnz 1b\n ud2\n"
	  "3: inc %ebx\n jmp 2b\n");
/* The entry of the page, of those from R8 on, becomes R9. */
KU_CODE64(on_user_pf,
	  "inc %r12d\n pop %rax\n cmp $6, %rax\n je 1f\n inc %ebx\n"
	  "1: mov %cr2, %rax\n cmp %rax, %rdi\n je 2f\n inc %ebx\n"
	  "2: sub %r13, %rax\n shr $9, %rax\n mov %r9, (%r8, %rax)\n iretq\n");
KU_CODE64(on_ud,
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n mov %r12d, %eax\n out %eax, %dx\n"
	  "hlt\n");
#define UD		6
#define ON_UD		0xb000
#define USER_VIRT	0x40000000ull
#define USER_PAGES	400

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void setup(const char *code, size_t size, uint64_t entry)
{
	struct kvm_regs regs;
	uint64_t *pte;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, code, size);
	ku_load_at(vm, ON_PF, on_pf, on_pf_end - on_pf);
	ku_load_at(vm, ON_IRQ, on_irq, on_irq_end - on_irq);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_gate(vm, PF, ON_PF, 0, 0);
	ku_gate(vm, VECTOR, ON_IRQ, 0, 0);
	ku_map(vm, vm->cr3, VIRT, ku_page(vm), VALUE);
	pte = ku_pte(vm, vm->cr3, VIRT, 1);
	regs = ku_get_regs(vcpu);
	regs.rdi = VIRT;
	regs.r8 = (uint8_t *)pte - (uint8_t *)ku_ptr(vm, 0);
	regs.r9 = *pte;
	/* The same, with the bits of @entry instead. */
	regs.r10 = (*pte & ~VALUE) | entry;
	regs.r13 = VIRT;
	regs.rcx = ROUNDS;
	*pte = regs.r10;
	ku_set_regs(vcpu, &regs);
}

static void teardown(void)
{
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void test_touch(const char *what, uint64_t entry)
{
	setup(touch, touch_end - touch, entry);
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "%s: CR2, error code and memory are right", what);
	ktap_ok(ku_run_out(vcpu, PORT) == ROUNDS, "%s: %d faults, one each", what, ROUNDS);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

static void test_held(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };
	uint32_t rip;

	setup(held, held_end - held, 0);
	ktap_ok(!ioctl(vcpu->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT, interrupts off");
	rip = ku_run_out(vcpu, PORT);
	if (strstr(ku_device(), "kvm"))
		ktap_skip("it comes behind STI", "QEMU's TCG forgets STI's shadow at VMRUN");
	else
		ktap_ok(rip == HELD_RIP, "it comes behind STI, not with the fault before: %x", rip);
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "CR2 and error code of the fault are right");
	ktap_ok(ku_run_out(vcpu, PORT) == 1, "one fault");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

static void test_shadow(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };
	uint32_t rip;

	setup(shadow, shadow_end - shadow, 0);
	ktap_ok(!ioctl(vcpu->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT, interrupts off as well");
	rip = ku_run_out(vcpu, PORT);
	if (strstr(ku_device(), "kvm"))
		ktap_skip("the fault comes first", "QEMU's TCG forgets STI's shadow at VMRUN");
	else
		ktap_ok(rip == SHADOW_RIP && ku_get_regs(vcpu).r12 == 1,
			"in STI's shadow the fault comes first, the interrupt behind its handler: %x",
			rip);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

static void test_endless(void)
{
	struct kvm_regs regs;
	int i;

	setup(endless, endless_end - endless, 0);
	regs = ku_get_regs(vcpu);
	regs.r9 = regs.r10;
	ku_set_regs(vcpu, &regs);
	for (i = 0; i < 2; i++)
		ktap_ok(ku_run_signalled(vcpu) == EINTR,
			"nothing but faults, a signal: EINTR");
	teardown();
}

/* The handler comes back to user code, which touches the page that it came for. */
static void test_user(void)
{
	const char *engine = getenv("UMBRA_ENGINE");
	const char *short_way = "the page is there when the handler comes back";
	struct kvm_regs regs;
	uint64_t *pte, faults;
	int i;

	setup(user_touch, user_touch_end - user_touch, 0);
	ku_load_at(vm, ON_PF, on_user_pf, on_user_pf_end - on_user_pf);
	ku_load_at(vm, ON_UD, on_ud, on_ud_end - on_ud);
	ku_gate(vm, UD, ON_UD, 0, 0);
	for (i = 0; i < USER_PAGES; i++)
		ku_map(vm, vm->cr3, USER_VIRT + 0x1000ull * i, 0, 0);
	pte = ku_pte(vm, vm->cr3, USER_VIRT, 1);
	ku_user_segments(vm);
	ku_vcpu_user_gdt(vcpu);
	/* The segments that the engine's quick ways are for. */
	ku_vcpu_syscall(vcpu, ON_UD, 0x47700);
	ku_vcpu_user(vcpu);
	regs = ku_get_regs(vcpu);
	regs.rflags |= 0x200;
	regs.rdi = USER_VIRT;
	regs.r13 = USER_VIRT;
	regs.r8 = (uint8_t *)pte - (uint8_t *)ku_ptr(vm, 0);
	regs.r9 = ku_page(vm) | VALUE | KU_PTE_U;
	regs.rcx = USER_PAGES;
	ku_set_regs(vcpu, &regs);
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "user code: CR2, error code, registers and memory");
	ktap_ok(ku_run_out(vcpu, PORT) == USER_PAGES, "user code: %d faults, one each", USER_PAGES);
	faults = ku_counter(vcpu->fd, "exit_page_fault");
	if (!engine || strcmp(engine, "soft"))
		ktap_skip(short_way, "not this engine's way");
	else
		ktap_ok(faults < USER_PAGES + USER_PAGES / 2, "%s: %llu exits", short_way,
			(unsigned long long)faults);
	teardown();
}

int main(void)
{
	ktap_plan(TESTS);
	test_touch("absent", 0);
	test_touch("read-only", KU_PTE_P | KU_PTE_A);
	test_held();
	test_shadow();
	test_endless();
	test_user();
	ktap_exit();
}
