// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: guest_test
 *
 * Guests that break things, on purpose or by bug.  Each of them gets a defined
 * exit, or goes on for as long as its owner lets it; the host does not notice.
 * What the host's log says about it is the test bed's to judge.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "kvm_util.h"
#include "ktap.h"
#include "xorshift.h"

#define OUTSIDE		0x40000000ull	/* no slot there */
#define FAR_OUTSIDE	0x7ffffff000ull	/* none there either, below 2^39 */

KU_CODE64(do_ud2, "ud2\n");

KU_CODE64(jump_rbx, "jmp *%rbx\n");

KU_CODE64(load_rbx, "mov (%rbx), %rax\nhlt\n");

KU_CODE64(load_cr3,
	  "mov %rbx, %cr3\n"
	  "1: jmp 1b\n");

/* The handler of #PF returns without mending anything. */
KU_CODE64(fault_again,
	  "mov (%rbx), %rax\n"
	  "hlt\n");
KU_CODE64(return_from_pf,
	  "add $8, %rsp\n"
	  "iretq\n");

/*
 * rbx: a page of PTEs that map a window at rsi of 512 pages; rdi: 64 bits of
 * state of a linear congruential generator.  Writes PTEs that point all over
 * the place, then touches the window; #PF skips the touch.
 */
KU_CODE64(frenzy,
	  "1: mov $6364136223846793005, %rax\n"
	  "imul %rax, %rdi\n"
	  "add $1442695041, %rdi\n"
	  "mov %rdi, %rax\n"
	  "shr $30, %rax\n"
	  "mov %eax, %ecx\n"
	  "and $511, %ecx\n"
	  "mov %rdi, %rdx\n"
	  "shr $20, %rdx\n"
	  "and $0x3fffe7, %rdx\n"	/* within 4 MiB, no PS, no G bit */
	  "mov %rdx, (%rbx,%rcx,8)\n"
	  "shl $12, %rcx\n"
	  "test $1, %edi\n"
	  "jz 2f\n"
	  "invlpg (%rsi,%rcx)\n"
	  "2: mov (%rsi,%rcx), %rax\n"
	  "test $6, %edi\n"
	  "jnz 1b\n"
	  "mov %cr3, %rax\n"
	  "mov %rax, %cr3\n"
	  "jmp 1b\n");
/* Skips "mov (%rsi,%rcx), %rax", 4 bytes. */
KU_CODE64(skip_touch,
	  "add $8, %rsp\n"
	  "addq $4, (%rsp)\n"
	  "iretq\n");

static void on_alarm(int sig)
{
	(void)sig;
}

/* KVM_RUN is interrupted by a signal every 10 ms. */
static void alarm_on(bool on)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval every = { 0 };

	if (on) {
		every.it_interval.tv_usec = 10000;
		every.it_value.tv_usec = 10000;
	}
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

struct guest {
	struct ku_vm *vm;
	struct ku_vcpu *vcpu;
};

static struct guest start(const char *code, size_t size, uint64_t rbx)
{
	struct guest g;
	struct kvm_regs regs;

	g.vm = ku_vm_new(0);
	g.vcpu = ku_vcpu_new(g.vm, 0);
	ku_load(g.vm, code, size);
	ku_vcpu_long(g.vcpu, KU_CODE);
	regs = ku_get_regs(g.vcpu);
	regs.rbx = rbx;
	ku_set_regs(g.vcpu, &regs);
	return g;
}

static void stop(struct guest g)
{
	ku_vcpu_free(g.vcpu);
	ku_vm_free(g.vm);
}

static void expect(struct guest g, int reason, const char *what)
{
	int got = ku_run(g.vcpu);

	if (!ktap_ok(got == reason, "%s: %s", what, ku_exit_name(reason)))
		ktap_note("exit was %s", ku_exit_name(got));
	stop(g);
}

#define START(code, rbx) start(code, code##_end - code, rbx)

/* An IDT without present gates: #UD, then #NP, makes #DF, then shutdown. */
static void test_triple_fault(void)
{
	expect(START(do_ud2, 0), KVM_EXIT_SHUTDOWN, "no gates: triple fault");
}

static void test_jump_outside(void)
{
	struct guest g = START(jump_rbx, OUTSIDE);

	ku_map(g.vm, g.vm->cr3, OUTSIDE, OUTSIDE, KU_PTE_P | KU_PTE_W);
	expect(g, KVM_EXIT_INTERNAL_ERROR, "jump to where no memory is");
}

static void test_read_outside(void)
{
	struct guest g = START(load_rbx, OUTSIDE);

	ku_map(g.vm, g.vm->cr3, OUTSIDE, FAR_OUTSIDE, KU_PTE_P | KU_PTE_W);
	expect(g, KVM_EXIT_MMIO, "load where no memory is");
}

static void test_cr3(uint64_t cr3)
{
	char what[64];

	snprintf(what, sizeof(what), "CR3 points to %#llx", (unsigned long long)cr3);
	expect(START(load_cr3, cr3), KVM_EXIT_SHUTDOWN, what);
}

/* CR3 points to a page of noise: whatever happens, it ends or can be ended. */
static void test_cr3_noise(void)
{
	uint64_t x = 88172645463325252ull, *page;
	struct guest g = START(load_cr3, 0);
	struct kvm_regs regs = ku_get_regs(g.vcpu);
	int got, i;

	regs.rbx = ku_page(g.vm);
	ku_set_regs(g.vcpu, &regs);
	page = ku_ptr(g.vm, regs.rbx);
	for (i = 0; i < 512; i++) {
		x = xorshift(x);
		page[i] = x;
	}
	alarm_on(true);
	got = ku_run(g.vcpu);
	alarm_on(false);
	ktap_ok(got == KVM_EXIT_SHUTDOWN || got == -EINTR || got == KVM_EXIT_INTERNAL_ERROR,
		"CR3 points to noise: %s", ku_exit_name(got));
	stop(g);
}

/* The tables map themselves, at every level. */
static void test_recursive(void)
{
	struct guest g = START(load_rbx, 0);
	struct kvm_regs regs = ku_get_regs(g.vcpu);
	uint64_t *top = ku_ptr(g.vm, g.vm->cr3);

	top[511] = g.vm->cr3 | KU_PTE_P | KU_PTE_W;
	regs.rbx = 0xfffffffffffff000ull;
	ku_set_regs(g.vcpu, &regs);
	ku_run_to(g.vcpu, KVM_EXIT_HLT);
	regs = ku_get_regs(g.vcpu);
	ktap_ok((regs.rax & ~0xfffull) == (top[0] & ~0xfffull),
		"a table that maps itself reads as itself");
	stop(g);
}

/* Runs until the alarm rang @times times; anything else is a failure. */
static bool endures(struct guest g, int times)
{
	int got = -EINTR;

	alarm_on(true);
	while (times-- && got == -EINTR)
		got = ku_run(g.vcpu);
	alarm_on(false);
	if (got != -EINTR)
		ktap_note("exit was %s, rip %#llx", ku_exit_name(got),
			  ku_get_regs(g.vcpu).rip);
	return got == -EINTR;
}

static void test_fault_loop(void)
{
	struct guest g = START(fault_again, OUTSIDE);

	ku_load_at(g.vm, KU_CODE + 0x800, return_from_pf,
		   return_from_pf_end - return_from_pf);
	ku_gate(g.vm, 14, KU_CODE + 0x800, 0, 0);
	ktap_ok(endures(g, 20), "a loop on #PF can be interrupted");
	stop(g);
}

static void test_frenzy(void)
{
	struct guest g = START(frenzy, 0);
	struct kvm_regs regs = ku_get_regs(g.vcpu);

	ku_load_at(g.vm, KU_CODE + 0x800, skip_touch, skip_touch_end - skip_touch);
	ku_gate(g.vm, 14, KU_CODE + 0x800, 0, 0);
	regs.rsi = OUTSIDE;
	ku_map(g.vm, g.vm->cr3, OUTSIDE, 0, 0);
	regs.rbx = *ku_pte(g.vm, g.vm->cr3, OUTSIDE, 2) & ~0xfffull;
	regs.rdi = 1;
	ku_set_regs(g.vcpu, &regs);
	ktap_ok(endures(g, 200), "page tables rewritten in a frenzy");
	ktap_ok(ku_get_regs(g.vcpu).rdi != 1, "and the guest got on");
	stop(g);
}

int main(void)
{
	ktap_plan(11);
	test_triple_fault();
	test_jump_outside();
	test_read_outside();
	test_cr3(OUTSIDE);
	test_cr3(FAR_OUTSIDE);
	test_cr3(0xffff000ull);
	test_cr3_noise();
	test_recursive();
	test_fault_loop();
	test_frenzy();
	ktap_exit();
}
