// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: window_test
 *
 * When events may enter a guest, without interrupt controllers in the
 * kernel: KVM_INTERRUPT and the interrupt window under CLI and STI, NMIs that
 * do not nest and that wait for IRET, and the flags and return addresses that
 * the guest's handlers find.
 */
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x217
#define FROM_HANDLER	0x10000u	/* ORed to what a handler says */
#define FLAG_TF		0x100u
#define FLAG_IF		0x200u
#define VECTOR		0x40

/* Says where it goes on, then the flags that were pushed. */
KU_CODE64(handler,
	  "push %rax\n"
	  "push %rdx\n"
	  "mov $0x217, %edx\n"
	  "mov 0x10(%rsp), %eax\n"
	  "or $0x10000, %eax\n"
	  "out %eax, %dx\n"
	  "mov 0x20(%rsp), %eax\n"
	  "or $0x10000, %eax\n"
	  "out %eax, %dx\n"
	  "pop %rdx\n"
	  "pop %rax\n"
	  "iretq\n");
#define HANDLER		0x9000

/* 0x8000: nop; 8001: sti; 8002: nop (shadow); 8003: nop; 8004: hlt */
KU_CODE64(with_sti, "nop\n sti\n nop\n nop\n hlt\n");

KU_CODE64(nops, "nop\n nop\n nop\n nop\n hlt\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void setup(const char *code, size_t size)
{
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, code, size);
	ku_load_at(vm, HANDLER, handler, handler_end - handler);
	ku_gate(vm, VECTOR, HANDLER, 0, 0);
	ku_gate(vm, 2, HANDLER, 0, 0);
	ku_vcpu_long(vcpu, KU_CODE);
}

static void teardown(void)
{
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static int interrupt(void)
{
	struct kvm_interrupt irq = { .irq = VECTOR };

	return ioctl(vcpu->fd, KVM_INTERRUPT, &irq);
}

/* The handler's two words; checks its return address and flags. */
static void expect_handler(const char *what, uint32_t rip, uint32_t set, uint32_t clear)
{
	uint32_t got_rip = ku_run_out(vcpu, PORT);
	uint32_t flags = ku_run_out(vcpu, PORT);

	ktap_ok(got_rip == (rip | FROM_HANDLER), "%s: returns to %#x", what,
		got_rip & ~FROM_HANDLER);
	ktap_ok((flags & FROM_HANDLER) && (flags & set) == set && !(flags & clear),
		"%s: flags %#x", what, flags & ~FROM_HANDLER);
}

/* The window opens after the instruction behind STI, not before. */
static void test_irq_window(void)
{
	setup(with_sti, with_sti_end - with_sti);
	vcpu->run->request_interrupt_window = 1;
	ktap_ok(ku_run(vcpu) == KVM_EXIT_IRQ_WINDOW_OPEN, "the interrupt window opens");
	ktap_ok(ku_get_regs(vcpu).rip == KU_CODE + 3, "after the instruction behind STI");
	ktap_ok(vcpu->run->ready_for_interrupt_injection && vcpu->run->if_flag,
		"kvm_run says so, too");
	vcpu->run->request_interrupt_window = 0;
	ktap_ok(!interrupt(), "KVM_INTERRUPT");
	expect_handler("interrupt", KU_CODE + 3, FLAG_IF, FLAG_TF);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

/* Two NMIs: the second is held back until the first handler's IRET. */
static void test_nmi_blocking(void)
{
	struct kvm_vcpu_events events;
	uint32_t rip;

	setup(nops, nops_end - nops);
	ktap_ok(!ioctl(vcpu->fd, KVM_NMI), "KVM_NMI");
	rip = ku_run_out(vcpu, PORT);
	ktap_ok(rip == (KU_CODE | FROM_HANDLER), "first NMI: at once");
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	ktap_ok(events.nmi.masked, "NMIs are masked in the handler");
	ioctl(vcpu->fd, KVM_NMI);
	ku_run_out(vcpu, PORT);
	/* Were it nested, it would return to the handler; after the IRET to where the first one did. */
	expect_handler("second NMI", KU_CODE, 0, FLAG_TF | FLAG_IF);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	ktap_ok(!events.nmi.masked && !events.nmi.pending, "and not masked at the end");
	ktap_ok(!(ku_get_regs(vcpu).rflags & FLAG_TF), "RFLAGS.TF is as the guest left it");
	teardown();
}

/* An NMI goes in with IF clear, not into the shadow of STI. */
static void test_nmi_shadow(void)
{
	struct kvm_vcpu_events events;

	setup(nops, nops_end - nops);
	ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &events);
	events.interrupt.shadow = KVM_X86_SHADOW_INT_MOV_SS;
	events.flags = KVM_VCPUEVENT_VALID_SHADOW;
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events), "a MOV SS shadow");
	ioctl(vcpu->fd, KVM_NMI);
	expect_handler("NMI", KU_CODE + 1, 0, FLAG_TF | FLAG_IF);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	teardown();
}

/*
 * The handler's stack is a page that nothing has touched yet: the delivery
 * faults in the shadow, is interrupted, and must be repeated exactly once.
 */
static void test_fresh_stack(void)
{
	struct kvm_regs regs;

	setup(with_sti, with_sti_end - with_sti);
	regs = ku_get_regs(vcpu);
	regs.rsp = ku_page(vm) + KU_PAGE;
	regs.rflags |= FLAG_IF;
	ku_set_regs(vcpu, &regs);
	interrupt();
	expect_handler("stack in an untouched page", KU_CODE, FLAG_IF, FLAG_TF);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(ku_get_regs(vcpu).rsp == regs.rsp, "the stack is balanced");
	teardown();
}

int main(void)
{
	ku_open();
	ktap_plan(19);
	test_irq_window();
	test_nmi_blocking();
	test_nmi_shadow();
	test_fresh_stack();
	ktap_exit();
}
