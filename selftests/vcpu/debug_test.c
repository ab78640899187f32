// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debug_test
 *
 * KVM_SET_GUEST_DEBUG: single steps, over instructions that the processor
 * executes and over those that the monitor does, software and hardware
 * breakpoints; and the guest's own single step.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define TF	0x100u

/* Lengths: 1, 2, 1, 2, 2, 3, 1 */
KU_CODE64(steps,
	  "nop\n"
	  "xor %eax, %eax\n"
	  "push %rax\n"
	  "cpuid\n"
	  "out %al, $0x80\n"
	  "mov %cr4, %rax\n"
	  "nop\n"
	  "hlt\n");

KU_CODE64(halt, "hlt\n");
KU_CODE64(breaks, "nop\n nop\n int3\n nop\n hlt\n");

#define TCG_DEBUG	"QEMU's TCG arms no breakpoints at VMRUN"

static int set_debug(struct ku_vcpu *vcpu, struct kvm_guest_debug *dbg)
{
	return ioctl(vcpu->fd, KVM_SET_GUEST_DEBUG, dbg) ? -errno : 0;
}

/* Step once; an OUT to userspace on the way is answered. */
static uint64_t step(struct ku_vcpu *vcpu)
{
	int reason;

	do
		reason = ku_run(vcpu);
	while (reason == KVM_EXIT_IO);
	if (reason != KVM_EXIT_DEBUG) {
		ktap_note("exit: %s", ku_exit_name(reason));
		return 0;
	}
	return vcpu->run->debug.arch.pc - KU_CODE;
}

static void test_steps(void)
{
	static const uint64_t want[] = { 1, 3, 4, 6, 8, 11, 12 };
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
	};
	struct traps t = traps_new();
	unsigned int i;

	traps_code(&t, steps, steps_end);
	ktap_ok(!set_debug(t.vcpu, &dbg), "KVM_GUESTDBG_SINGLESTEP");
	for (i = 0; i < 7; i++) {
		uint64_t at = step(t.vcpu);

		if (at != want[i])
			ktap_note("step %u ends at %llu, should at %llu", i,
				  (unsigned long long)at, (unsigned long long)want[i]);
		traps_ok_here(&t, at == want[i], "a step ends behind its instruction",
			      "KVM loses a step over MOV from CR4 in QEMU's TCG");
	}
	ktap_ok(t.vcpu->run->debug.arch.exception == 1 &&
		(t.vcpu->run->debug.arch.dr6 & 0x4000), "exception 1, DR6.BS");
	ktap_ok(!(ku_get_regs(t.vcpu).rflags & TF), "RFLAGS does not show it");
	dbg.control = 0;
	set_debug(t.vcpu, &dbg);
	traps_ok_here(&t, ku_run(t.vcpu) == KVM_EXIT_HLT &&
		      ku_get_regs(t.vcpu).rip == KU_CODE + 13, "switched off: runs to its HLT",
		      "it had lost a step and is there already");
	traps_free(&t);
}

/* A step over HLT does not wake the guest. */
static void test_halt(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct ku_vm *vm = ku_vm_new_irqchip(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	struct traps t = traps_new();
	struct kvm_mp_state mp;

	traps_code(&t, halt, halt_end);
	set_debug(t.vcpu, &dbg);
	ktap_ok(ku_run(t.vcpu) == KVM_EXIT_HLT && ku_get_regs(t.vcpu).rip == KU_CODE + 1,
		"a step over HLT, userspace's interrupt controller: KVM_EXIT_HLT");
	traps_free(&t);

	ku_load(vm, halt, halt_end - halt);
	ku_vcpu_long(vcpu, KU_CODE);
	set_debug(vcpu, &dbg);
	ktap_ok(step(vcpu) == 1, "the kernel's: KVM_EXIT_DEBUG behind it");
	ktap_ok(!ioctl(vcpu->fd, KVM_GET_MP_STATE, &mp) && mp.mp_state == KVM_MP_STATE_HALTED,
		"and it is halted");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static void test_hw(void)
{
	struct kvm_guest_debug dbg = {
		.control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		.arch.debugreg = { [0] = KU_CODE + 1, [7] = 0x402 },
	};
	struct traps t = traps_new();

	if (traps_on_tcg()) {
		ktap_skip("hardware breakpoints, set", TCG_DEBUG);
		ktap_skip("hardware breakpoints, hit", TCG_DEBUG);
		ktap_skip("hardware breakpoints, off", TCG_DEBUG);
		traps_free(&t);
		return;
	}
	traps_code(&t, breaks, breaks_end);
	ktap_ok(!set_debug(t.vcpu, &dbg), "KVM_GUESTDBG_USE_HW_BP");
	ktap_ok(ku_run(t.vcpu) == KVM_EXIT_DEBUG && t.vcpu->run->debug.arch.pc == KU_CODE + 1 &&
		(t.vcpu->run->debug.arch.dr6 & 1), "stops at the breakpoint");
	dbg.control = 0;
	set_debug(t.vcpu, &dbg);
	ktap_ok(traps_run(&t, NULL) == 3, "switched off: the guest's own INT3 is next");
	traps_free(&t);
}

/* The guest steps itself: a trap behind each instruction, emulated or not. */
static void test_own(void)
{
	static const uint64_t want[] = { 1, 3, 4, 6, 8 };
	unsigned int i;

	for (i = 0; i < 5; i++) {
		struct traps t = traps_new();
		struct kvm_regs regs;
		struct trap_frame f = {};
		int reason;

		traps_code(&t, steps, steps_end);
		regs = ku_get_regs(t.vcpu);
		regs.rip += i ? want[i - 1] : 0;
		regs.rflags |= TF;
		ku_set_regs(t.vcpu, &regs);
		do
			reason = ku_run(t.vcpu);
		while (reason == KVM_EXIT_IO);
		ktap_ok(reason == KVM_EXIT_HLT && traps_which(&t, &f) == 1 && f.rip == KU_CODE + want[i],
			"TF: #DB behind the instruction at %llu",
			(unsigned long long)(i ? want[i - 1] : 0));
		traps_free(&t);
	}
}

int main(void)
{
	ktap_plan(11 + 3 + 3 + 5);
	test_steps();
	test_halt();
	test_hw();
	test_own();
	ktap_exit();
}
