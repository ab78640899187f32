// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: event_test
 *
 * Exceptions, NMIs and interrupts: delivered once, in order, with what the
 * manuals say is pushed; double and triple faults; windows; and the state that
 * KVM_GET_VCPU_EVENTS shows.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define IF	(1u << 9)

KU_CODE64(ud, "ud2\n hlt\n");
KU_CODE64(gp, "mov $0x1234, %eax\n mov %ax, %ds\n hlt\n");
KU_CODE64(gp0, "mov $0xdead, %ecx\n rdmsr\n hlt\n");
KU_CODE64(de, "xor %ecx, %ecx\n mov $1, %eax\n xor %edx, %edx\n div %ecx\n hlt\n");
KU_CODE64(bp, "int3\n hlt\n");
KU_CODE64(int1, ".byte 0xf1\n hlt\n");
KU_CODE64(intn, "int $0x80\n hlt\n");
KU_CODE64(pf, "mov $0x40000000, %rax\n movl $1, (%rax)\n hlt\n");
KU_CODE64(halt, "hlt\n hlt\n hlt\n");
KU_CODE64(sti, "sti\n nop\n nop\n hlt\n");
KU_CODE64(spin, "1: jmp 1b\n");
KU_CODE64(shadow, "sti\n hlt\n hlt\n");
KU_CODE64(iret, "hlt\n iretq\n");

static void test_vectors(void)
{
	static const struct {
		const char *name, *code, *end;
		int vector;
		uint64_t error, skip;	/* @skip: bytes from the code's start to the pushed RIP */
	} rows[] = {
		{ "#UD", ud, ud_end, 6, 0, 0 },
		{ "#GP of a bad selector", gp, gp_end, 13, 0x1234, 5 },
		{ "#GP of an unknown MSR", gp0, gp0_end, 13, 0, 5 },
		{ "#DE", de, de_end, 0, 0, 9 },
		{ "#BP", bp, bp_end, 3, 0, 1 },
		{ "INT n", intn, intn_end, 0x80, 0, 2 },
		{ "#PF", pf, pf_end, 14, 2, 7 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct traps t = traps_new();
		struct trap_frame f;
		int vector;
		bool good;

		traps_code(&t, rows[i].code, rows[i].end);
		vector = traps_run(&t, &f);
		good = vector == rows[i].vector && f.error == rows[i].error &&
		       f.rip == KU_CODE + rows[i].skip && f.rsp == KU_STACK &&
		       f.cs == KU_CS64;
		if (!ktap_ok(good, "%s: vector, error code, RIP, RSP", rows[i].name))
			ktap_note("vector %d error %#llx rip %#llx rsp %#llx", vector,
				  (unsigned long long)f.error, (unsigned long long)f.rip,
				  (unsigned long long)f.rsp);
		traps_free(&t);
	}
}

static void test_cr2(void)
{
	struct traps t = traps_new();
	struct kvm_sregs sregs;

	traps_code(&t, pf, pf_end);
	traps_run(&t, NULL);
	sregs = ku_get_sregs(t.vcpu);
	ktap_ok(sregs.cr2 == 0x40000000, "#PF: CR2");
	traps_free(&t);
}

/* SDM Vol. 3A 6.15: a fault during the delivery of a page fault. */
static void test_double(void)
{
	struct traps t = traps_new();
	struct kvm_regs regs;
	struct trap_frame f;

	/* The stack is not there: #DF, which has a stack of its own. */
	ku_gate(t.vm, 8, TRAPS + 16 * 8, 1, 0);
	traps_code(&t, pf, pf_end);
	regs = ku_get_regs(t.vcpu);
	regs.rsp = 0x50000000;
	ku_set_regs(t.vcpu, &regs);
	ktap_ok(traps_run(&t, &f) == 8 && f.error == 0 && f.rsp == 0x50000000,
		"#PF without a stack is #DF");
	traps_ok_here(&t, ku_get_sregs(t.vcpu).cr2 == 0x50000000 - 8, "CR2 is the second fault's",
		      "KVM leaves the first one's");
	traps_free(&t);

	t = traps_new();
	*ku_pte(t.vm, t.vm->cr3, KU_IDT, 1) = 0;
	traps_code(&t, pf, pf_end);
	ktap_ok(ku_run(t.vcpu) == KVM_EXIT_SHUTDOWN, "without an IDT it is a shutdown");
	traps_free(&t);
}

/* A fault on the way to INT3's handler is that of the INT3: nothing was executed (SDM Vol. 3A 6.5). */
static void test_trap_faults(void)
{
	struct traps t = traps_new();
	struct kvm_regs regs;
	struct trap_frame f;

	ku_gate(t.vm, 14, TRAPS + 16 * 14, 1, 0);
	traps_code(&t, bp, bp_end);
	regs = ku_get_regs(t.vcpu);
	regs.rsp = 0x50000000;
	ku_set_regs(t.vcpu, &regs);
	traps_ok_here(&t, traps_run(&t, &f) == 14 && f.rip == KU_CODE && f.rsp == 0x50000000,
		      "INT3 without a stack: #PF at it", "KVM without next-RIP save is behind it");
	traps_free(&t);
}

/* STI keeps interrupts away for one more instruction, but no single step (SDM Vol. 2B, STI). */
static void test_step_sti(void)
{
	struct traps t = traps_new();
	struct kvm_regs regs;
	struct trap_frame f;
	int vector;

	traps_code(&t, sti, sti_end);
	regs = ku_get_regs(t.vcpu);
	regs.rflags |= 1 << 8;
	ku_set_regs(t.vcpu, &regs);
	vector = traps_run(&t, &f);
	if (traps_on_tcg() && f.rip == KU_CODE + 2)
		ktap_skip("a single step of STI", "TCG lets one more instruction pass");
	else
		ktap_ok(vector == 1 && f.rip == KU_CODE + 1, "a single step of STI is behind it");
	traps_free(&t);
}

/*
 * INT1 (ICEBP) likewise; it leaves nothing in DR6.  Executed by QEMU's TCG it is #UD: there the emulator's
 * is tested only.
 */
static void test_int1(void)
{
	static const char *const names[] = {
		"INT1: #DB behind it", "DR6 as it was", "INT1 without a stack: #PF at it",
		"and with a stack #DB behind it",
	};
	struct traps t = traps_new();
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff0, .dr7 = 0x400 };
	struct kvm_regs regs;
	struct trap_frame f;
	unsigned int i;
	int vector;

	traps_code(&t, int1, int1_end);
	ioctl(t.vcpu->fd, KVM_SET_DEBUGREGS, &debug);
	vector = traps_run(&t, &f);
	if (vector == 6 && traps_on_tcg()) {
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			ktap_skip(names[i], "TCG has no INT1");
		traps_free(&t);
		return;
	}
	ktap_ok(vector == 1 && f.rip == KU_CODE + 1, "%s", names[0]);
	ioctl(t.vcpu->fd, KVM_GET_DEBUGREGS, &debug);
	ktap_ok(debug.dr6 == 0xffff0ff0, "%s", names[1]);
	ku_gate(t.vm, 14, TRAPS + 16 * 14, 1, 0);
	traps_code(&t, int1, int1_end);
	regs = ku_get_regs(t.vcpu);
	regs.rsp = 0x50000000;
	ku_set_regs(t.vcpu, &regs);
	vector = traps_run(&t, &f);
	ktap_ok(vector == 14 && f.rip == KU_CODE && f.rsp == 0x50000000, "%s", names[2]);
	traps_code(&t, int1, int1_end);
	ktap_ok(traps_run(&t, &f) == 1 && f.rip == KU_CODE + 1, "%s", names[3]);
	traps_free(&t);
}

static void test_nmi(void)
{
	struct traps t = traps_new();
	struct kvm_vcpu_events ev;
	struct kvm_regs regs;
	struct trap_frame f;

	ku_load_at(t.vm, TRAPS + 2 * 16, iret, iret_end - iret);
	traps_code(&t, halt, halt_end);
	ku_run_to(t.vcpu, KVM_EXIT_HLT);
	ioctl(t.vcpu->fd, KVM_NMI, 0ul);
	ioctl(t.vcpu->fd, KVM_NMI, 0ul);
	ktap_ok(traps_run(&t, &f) == 2 && f.rip == KU_CODE + 1, "NMI is delivered");
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ktap_ok(ev.nmi.masked && ev.nmi.pending == 1, "the second waits: masked %d pending %d",
		ev.nmi.masked, ev.nmi.pending);
	/* IRET unmasks; the second comes before the next instruction. */
	ktap_ok(traps_run(&t, &f) == 2 && f.rip == KU_CODE + 1, "after IRET the second follows");
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ktap_ok(ev.nmi.masked && !ev.nmi.pending, "none waits");
	ku_run_to(t.vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(t.vcpu);
	ktap_ok(regs.rip == KU_CODE + 2, "then the program goes on");
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ktap_ok(!ev.nmi.masked, "unmasked");
	traps_free(&t);
}

static int interrupt(struct ku_vcpu *vcpu, unsigned int vector)
{
	struct kvm_interrupt irq = { .irq = vector };

	return ioctl(vcpu->fd, KVM_INTERRUPT, &irq) ? -errno : 0;
}

/*
 * An interrupt or an NMI whose delivery faults is gone: the processor has it nowhere any more (SDM
 * Vol. 3C 31.7.1.1 tells a monitor to reflect the fault only).  NMIs stay blocked up to an IRET.
 */
static void test_lost(bool nmi)
{
	const char *why = "KVM delivers it after the fault";
	struct traps t = traps_new();
	struct kvm_vcpu_events ev;
	struct kvm_regs regs;
	struct trap_frame f;

	/* The stack is not there; #PF has another. */
	ku_gate(t.vm, 14, TRAPS + 16 * 14, 1, 0);
	traps_code(&t, halt, halt_end);
	regs = ku_get_regs(t.vcpu);
	regs.rsp = 0x50000000;
	regs.rflags |= IF;
	ku_set_regs(t.vcpu, &regs);
	if (nmi)
		ioctl(t.vcpu->fd, KVM_NMI, 0ul);
	else
		interrupt(t.vcpu, 0x45);
	ktap_ok(traps_run(&t, &f) == 14 && f.rip == KU_CODE && f.rsp == 0x50000000,
		"%s without a stack is #PF", nmi ? "an NMI" : "an interrupt");
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	traps_ok_here(&t, !ev.nmi.injected && !ev.nmi.pending && !ev.interrupt.injected,
		      "nothing is left of it", why);
	traps_ok_here(&t, ev.nmi.masked == nmi, "but the blocking of NMIs", why);
	traps_ok_here(&t, traps_run(&t, NULL) == 14, "the handler goes on", why);
	traps_free(&t);
}

static void test_interrupt(void)
{
	struct traps t = traps_new();
	struct trap_frame f;

	traps_code(&t, halt, halt_end);
	ku_run_to(t.vcpu, KVM_EXIT_HLT);
	ktap_ok(!t.vcpu->run->ready_for_interrupt_injection && !t.vcpu->run->if_flag,
		"IF clear: kvm_run says not ready");
	t.vcpu->run->request_interrupt_window = 1;
	traps_code(&t, sti, sti_end);
	ku_run_to(t.vcpu, KVM_EXIT_IRQ_WINDOW_OPEN);
	ktap_ok(ku_get_regs(t.vcpu).rip == KU_CODE + 2, "the window opens behind STI's shadow");
	ktap_ok(t.vcpu->run->ready_for_interrupt_injection && t.vcpu->run->if_flag,
		"kvm_run says ready");
	t.vcpu->run->request_interrupt_window = 0;
	ktap_ok(interrupt(t.vcpu, 0x45) == 0, "KVM_INTERRUPT");
	ktap_ok(traps_run(&t, &f) == 0x45 && f.rip == KU_CODE + 2 && (f.rflags & IF),
		"delivered between the two instructions");
	ktap_ok(interrupt(t.vcpu, 256) == -EINVAL, "vector 256: EINVAL");
	traps_free(&t);
}

/* An interrupt that waits for IF comes in as soon as it is set. */
static void test_window(void)
{
	struct traps t = traps_new();
	struct trap_frame f;

	traps_code(&t, sti, sti_end);
	ktap_ok(interrupt(t.vcpu, 0x30) == 0, "KVM_INTERRUPT with IF clear");
	traps_ok_here(&t, traps_run(&t, &f) == 0x30 && f.rip == KU_CODE + 2,
		      "comes behind STI's shadow", "KVM delivers it at once, with IF clear");
	traps_free(&t);

	/* STI; HLT: the interrupt comes after the HLT, not before it. */
	t = traps_new();
	traps_code(&t, shadow, shadow_end);
	interrupt(t.vcpu, 0x30);
	ku_run_to(t.vcpu, KVM_EXIT_HLT);
	if (ku_get_regs(t.vcpu).rip == KU_CODE + 2)
		ku_run_to(t.vcpu, KVM_EXIT_HLT);
	ktap_ok(ku_get_regs(t.vcpu).rip == TRAPS + 16 * 0x30 + 1, "STI; HLT; interrupt");
	traps_free(&t);
}

static void test_set_events(void)
{
	struct traps t = traps_new();
	struct kvm_vcpu_events ev, back;
	struct trap_frame f;

	traps_code(&t, spin, spin_end);
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.exception.injected = 1;
	ev.exception.nr = 13;
	ev.exception.has_error_code = 1;
	ev.exception.error_code = 0x77;
	ktap_ok(!ioctl(t.vcpu->fd, KVM_SET_VCPU_EVENTS, &ev), "KVM_SET_VCPU_EVENTS");
	ioctl(t.vcpu->fd, KVM_GET_VCPU_EVENTS, &back);
	ktap_ok(back.exception.injected && back.exception.nr == 13 &&
		back.exception.error_code == 0x77, "reads back");
	ktap_ok(traps_run(&t, &f) == 13 && f.error == 0x77, "the exception arrives");
	ev.exception.nr = 32;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_VCPU_EVENTS, &ev) && errno == EINVAL,
		"exception 32: EINVAL");
	ev.exception.injected = 0;
	ev.flags = 0x80000000;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_VCPU_EVENTS, &ev) && errno == EINVAL,
		"unknown flag: EINVAL");
	traps_free(&t);
}

int main(void)
{
	ktap_plan(7 + 1 + 3 + 1 + 4 + 1 + 6 + 2 * 4 + 6 + 3 + 5);
	test_vectors();
	test_cr2();
	test_double();
	test_trap_faults();
	test_int1();
	test_step_sti();
	test_nmi();
	test_lost(true);
	test_lost(false);
	test_interrupt();
	test_window();
	test_set_events();
	ktap_exit();
}
