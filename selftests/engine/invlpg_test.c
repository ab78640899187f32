// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: invlpg_test
 *
 * INVLPG and loads of CR3 may be dealt with between two entries, without a way out: the
 * guest sees the new frame or address space all the same, what waits for the instruction's
 * end (a single step, an interrupt that STI holds back) comes there, and a guest that
 * does nothing else is stopped by a signal.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define TESTS		9
#define PORT		0x217
#define VECTOR		0x40
#define HANDLER		0x9000
#define VIRT		0xffff900000000000ull
#define ROUNDS		2000
#define FLAG_TF		0x100u

/* Says where it goes on, without TF. */
KU_CODE64(handler,
	  "mov $0x217, %edx\n mov (%rsp), %eax\n out %eax, %dx\n"
	  "andq $~0x100, 16(%rsp)\n iretq\n");

/*
 * RDI: a page; R8: its entry; R9, R10: two values of it; RCX: rounds.  Each frame begins with
 * its entry.  RBX counts what is not as it should be.
 */
KU_CODE64(remap,
	  "xor %ebx, %ebx\n"
	  "1: mov %r9, (%r8)\n invlpg (%rdi)\n mov (%rdi), %rax\n"
	  "cmp %rax, %r9\n je 2f\n inc %ebx\n"
	  "2: mov %r10, (%r8)\n mov %rdi, %r12\n invlpg 8(%r12)\n mov (%rdi), %rax\n"
	  "cmp %rax, %r10\n je 3f\n inc %ebx\n"
	  "3: dec %ecx\n jnz 1b\n"
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n"
	  "hlt\n");

/*
 * RDI: a page; R9, R10: CR3 of two address spaces, which is where the page's frame has it, too;
 * R8: the page's entry in the first, R11: another value of it, whose frame has R9 as well.
 */
KU_CODE64(spaces,
	  "xor %ebx, %ebx\n"
	  "1: mov %r9, %cr3\n mov (%rdi), %rax\n cmp %rax, %r9\n je 2f\n inc %ebx\n"
	  "2: mov %r10, %cr3\n mov (%rdi), %rax\n cmp %rax, %r10\n je 3f\n inc %ebx\n"
	  "3: mov %cr3, %rax\n cmp %rax, %r10\n je 4f\n inc %ebx\n"
	  "4: test $0xff, %ecx\n jnz 5f\n xchg %r11, (%r8)\n"
	  "5: dec %ecx\n jnz 1b\n"
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n"
	  "hlt\n");

KU_CODE64(endless, "1: invlpg (%rdi)\n jmp 1b\n");

/* At 0x8000 PUSHF, three instructions, POPF; behind it INVLPG at ..step, a NOP. */
KU_CODE64(step,
	  "pushf\n orq $0x100, (%rsp)\n nop\n popf\n invlpg (%rdi)\n nop\n hlt\n");
#define STEP_END	(KU_CODE + 1 + 8 + 1 + 1 + 3)

/* At 0x8000: STI, INVLPG in its shadow, another. */
KU_CODE64(shadow, "sti\n invlpg (%rdi)\n invlpg (%rdi)\n hlt\n");
#define SHADOW_END	(KU_CODE + 1 + 3)

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void setup(const char *code, size_t size)
{
	struct kvm_regs regs;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, code, size);
	ku_load_at(vm, HANDLER, handler, handler_end - handler);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_gate(vm, VECTOR, HANDLER, 0, 0);
	ku_gate(vm, 1, HANDLER, 0, 0);
	ku_map(vm, vm->cr3, VIRT, ku_page(vm), KU_PTE_P | KU_PTE_W);
	regs = ku_get_regs(vcpu);
	regs.rdi = VIRT;
	ku_set_regs(vcpu, &regs);
}

static void teardown(void)
{
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void test_remap(void)
{
	struct kvm_regs regs;
	uint64_t *entry, value[2];
	int i;

	setup(remap, remap_end - remap);
	entry = ku_pte(vm, vm->cr3, VIRT, 1);
	*entry |= KU_PTE_A | KU_PTE_D;
	for (i = 0; i < 2; i++) {
		uint64_t page = ku_page(vm);

		value[i] = (*entry & ~0xffffffffff000ull) | page;
		memcpy(ku_ptr(vm, page), &value[i], sizeof(value[i]));
	}
	regs = ku_get_regs(vcpu);
	regs.r8 = (uint8_t *)entry - (uint8_t *)ku_ptr(vm, 0);
	regs.r9 = value[0];
	regs.r10 = value[1];
	regs.rcx = ROUNDS;
	ku_set_regs(vcpu, &regs);
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "each of %d new frames is seen", 2 * ROUNDS);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

/* A frame that begins with @value. */
static uint64_t page_with(uint64_t value)
{
	uint64_t page = ku_page(vm);

	memcpy(ku_ptr(vm, page), &value, sizeof(value));
	return page;
}

static void test_spaces(void)
{
	struct kvm_regs regs;
	uint64_t *entry, other;

	setup(spaces, spaces_end - spaces);
	other = ku_identity(vm);
	ku_map(vm, vm->cr3, VIRT, page_with(vm->cr3), KU_PTE_P | KU_PTE_W | KU_PTE_A | KU_PTE_D);
	ku_map(vm, other, VIRT, page_with(other), KU_PTE_P | KU_PTE_W | KU_PTE_A | KU_PTE_D);
	entry = ku_pte(vm, vm->cr3, VIRT, 1);
	regs = ku_get_regs(vcpu);
	regs.r8 = (uint8_t *)entry - (uint8_t *)ku_ptr(vm, 0);
	regs.r9 = vm->cr3;
	regs.r10 = other;
	regs.r11 = (*entry & ~0xffffffffff000ull) | page_with(vm->cr3);
	regs.rcx = ROUNDS;
	ku_set_regs(vcpu, &regs);
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "each of %d loads of CR3 is another address space",
		2 * ROUNDS);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

static void test_endless(void)
{
	uint64_t rip;
	int i;

	setup(endless, endless_end - endless);
	for (i = 0; i < 2; i++)
		ktap_ok(ku_run_signalled(vcpu) == EINTR,
			"nothing but INVLPG, a signal: EINTR");
	rip = ku_get_regs(vcpu).rip;
	ktap_ok(rip == KU_CODE || rip == KU_CODE + 3, "RIP is of the loop: %llx",
		(unsigned long long)rip);
	teardown();
}

static void test_step(void)
{
	setup(step, step_end - step);
	ktap_ok(ku_run_out(vcpu, PORT) == STEP_END, "a single step ends behind INVLPG");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

static void test_shadow(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };
	uint32_t rip;

	setup(shadow, shadow_end - shadow);
	ktap_ok(!ioctl(vcpu->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT");
	rip = ku_run_out(vcpu, PORT);
	if (strstr(ku_device(), "kvm"))
		ktap_skip("it comes behind INVLPG", "QEMU's TCG forgets STI's shadow at VMRUN");
	else
		ktap_ok(rip == SHADOW_END, "it comes behind INVLPG in STI's shadow: %x", rip);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(true, "the guest comes to its end");
	teardown();
}

int main(void)
{
	ktap_plan(TESTS);
	test_remap();
	test_spaces();
	test_endless();
	test_step();
	test_shadow();
	ktap_exit();
}
