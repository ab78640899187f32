// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: flush_test
 *
 * A guest maps its IDT, its stack and a page that only an emulator writes to other
 * frames, and flushes: by INVLPG, by a load of CR3.  The next event has to find the
 * handler of the new IDT and leave its frame on the new stack, the next store has
 * to land in the new frame, whoever delivers and stores, and whatever it remembers.
 */
#include <string.h>

#include "kvm_util.h"
#include "ktap.h"

#define TESTS		12
#define PORT		0x217
#define HANDLER_A	0x9000
#define HANDLER_B	0x9100
#define HIGH		0xffff900000000000ull
#define VIRT_IDT	HIGH
#define VIRT_STACK	(HIGH + 0x1000)
#define VIRT_DATA	(HIGH + 0x2000)
#define FRAME_BYTES	40

/* #UD: says who it is and goes on behind the UD2. */
KU_CODE64(handler_a,
	  "mov $0x217, %edx\n mov $0xa, %eax\n out %eax, %dx\n addq $2, (%rsp)\n iretq\n");
KU_CODE64(handler_b,
	  "mov $0x217, %edx\n mov $0xb, %eax\n out %eax, %dx\n addq $2, (%rsp)\n iretq\n");

/*
 * R8, R9, R10: entries of IDT, stack, data; R11, R12, R13: their other values; R14: IDT's
 * first one; RSI: VIRT_IDT, the other pages behind it.
 */
KU_CODE64(code,
	  "ud2\n ud2\n"
	  "mov %ds, 0x2000(%rsi)\n mov %ds, 0x2010(%rsi)\n"
	  "mov %r11, (%r8)\n invlpg (%rsi)\n"
	  "ud2\n"
	  "mov %r12, (%r9)\n invlpg 0x1000(%rsi)\n"
	  "ud2\n"
	  "mov %r13, (%r10)\n invlpg 0x2000(%rsi)\n"
	  "mov %ds, 0x2000(%rsi)\n"
	  "mov %r14, (%r8)\n mov %cr3, %rax\n mov %rax, %cr3\n"
	  "ud2\n"
	  "hlt\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static uint64_t idt[2], stack[2], data[2];

static uint64_t entry_at(uint64_t gva)
{
	return (uint8_t *)ku_pte(vm, vm->cr3, gva, 1) - (uint8_t *)ku_ptr(vm, 0);
}

static uint64_t entry_for(uint64_t gva, uint64_t gpa)
{
	return (*ku_pte(vm, vm->cr3, gva, 1) & ~0xffffffffff000ull) | gpa;
}

static void make_idts(void)
{
	static const uint64_t handler[2] = { HANDLER_A, HANDLER_B };
	int i;

	for (i = 0; i < 2; i++) {
		idt[i] = ku_page(vm);
		stack[i] = ku_page(vm);
		data[i] = ku_page(vm);
		ku_gate(vm, 6, handler[i], 0, 0);
		memcpy(ku_ptr(vm, idt[i]), ku_ptr(vm, KU_IDT), KU_PAGE);
	}
}

static void setup(void)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, code, code_end - code);
	ku_load_at(vm, HANDLER_A, handler_a, handler_a_end - handler_a);
	ku_load_at(vm, HANDLER_B, handler_b, handler_b_end - handler_b);
	ku_vcpu_long(vcpu, KU_CODE);
	make_idts();
	ku_map(vm, vm->cr3, VIRT_IDT, idt[0], KU_PTE_P | KU_PTE_W);
	ku_map(vm, vm->cr3, VIRT_STACK, stack[0], KU_PTE_P | KU_PTE_W);
	ku_map(vm, vm->cr3, VIRT_DATA, data[0], KU_PTE_P | KU_PTE_W);

	sregs = ku_get_sregs(vcpu);
	sregs.idt.base = VIRT_IDT;
	ku_set_sregs(vcpu, &sregs);
	regs = ku_get_regs(vcpu);
	regs.rsp = VIRT_STACK + KU_PAGE;
	regs.rsi = VIRT_IDT;
	regs.r8 = entry_at(VIRT_IDT);
	regs.r9 = entry_at(VIRT_STACK);
	regs.r10 = entry_at(VIRT_DATA);
	regs.r11 = entry_for(VIRT_IDT, idt[1]);
	regs.r12 = entry_for(VIRT_STACK, stack[1]);
	regs.r13 = entry_for(VIRT_DATA, data[1]);
	regs.r14 = entry_for(VIRT_IDT, idt[0]);
	ku_set_regs(vcpu, &regs);
}

static void expect(uint32_t who, const char *what)
{
	uint32_t got = ku_run_out(vcpu, PORT);

	ktap_ok(got == who, "%s: handler %x", what, got);
}

/* The interrupted RSP, in the frame that an event left on a stack. */
static uint64_t pushed_rsp(uint64_t page)
{
	uint64_t frame[FRAME_BYTES / 8];

	memcpy(frame, ku_ptr(vm, page + KU_PAGE - FRAME_BYTES), FRAME_BYTES);
	return frame[3];
}

static uint16_t stored(uint64_t gpa)
{
	uint16_t word;

	memcpy(&word, ku_ptr(vm, gpa), sizeof(word));
	return word;
}

int main(void)
{
	ktap_plan(TESTS);
	setup();
	expect(0xa, "at first");
	expect(0xa, "once more");
	ktap_ok(pushed_rsp(stack[0]) == VIRT_STACK + KU_PAGE, "its frame is on the stack");

	expect(0xb, "another IDT, INVLPG");
	ktap_ok(stored(data[0]) == KU_DS && stored(data[0] + 0x10) == KU_DS,
		"selectors are stored");
	ktap_ok(!pushed_rsp(stack[1]) && !stored(data[1]), "and nothing elsewhere");
	memset(ku_ptr(vm, data[0]), 0, KU_PAGE);

	expect(0xb, "another stack, INVLPG");
	ktap_ok(pushed_rsp(stack[1]) == VIRT_STACK + KU_PAGE, "its frame is there");

	expect(0xa, "the first IDT again, CR3");
	ktap_ok(stored(data[1]) == KU_DS, "another page for data, INVLPG: stored there");
	ktap_ok(!stored(data[0]), "and not where it was");
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(true, "the guest comes to its end");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
