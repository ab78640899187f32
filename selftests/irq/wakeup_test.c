// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: wakeup_test
 *
 * No interrupt gets lost on its way to a vCPU, whether that runs, halts or is
 * about to do either: two vCPUs answer each other's IPI a thousand times, and
 * the host sends one MSI after the other.  A kernel with fault injection makes
 * processors linger where the order of two steps is all that keeps one from being
 * lost (umbra/fail.h): there everything is done once more that way.
 */
#include "irq_guest.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ROUNDS		1000u
#define PONG_PAGE	0x40000u
#define PONG_VECTOR	0x80
#define MSI_VECTOR	0x81
#define LINGER_TIMES	"100000000"

/*
 * RBX: count at which to end; R14: count at which the ball is kept, so that none is
 * under way when both have ended; R15: where the count is.
 */
KU_CODE64(pong,
	"pong_handler:	incl (%r15)\n"
	"		mov $0xfee000b0, %ecx\n"
	"		movl $0, (%rcx)\n"
	"		cmp %r14d, (%r15)\n"
	"		jae 3f\n"
	"		mov $0xfee00300, %ecx\n"
	"		movl $0x80, (%rcx)\n"
	"3:		iretq\n"
	"pong_halt:	cli\n"
	"		cmp %ebx, (%r15)\n"
	"		jae 1f\n"
	"		sti\n"
	"		hlt\n"
	"		jmp pong_halt\n"
	"pong_spin:	sti\n"
	"2:		pause\n"
	"		cmp %ebx, (%r15)\n"
	"		jb 2b\n"
	"1:		cli\n"
	"		out %al, $0xe0\n");

extern const char pong_handler[], pong_halt[], pong_spin[];

static struct ku_vm *vm;
static struct ku_vcpu *vcpu[2];

static void prepare(struct ku_vcpu *v, const char *loop)
{
	struct kvm_regs regs = ku_get_regs(v);

	memset(ig_log(v), 0, sizeof(struct ig_log));
	regs.rip = PONG_PAGE + (loop - pong);
	regs.rbx = ROUNDS;
	regs.r14 = v == vcpu[0] ? ROUNDS : ~0u;
	regs.rflags = 2;
	ku_set_regs(v, &regs);
}

static void *run(void *arg)
{
	ku_run_out(arg, 0xe0);
	return NULL;
}

static void start(pthread_t *thread, struct ku_vcpu *v)
{
	if (pthread_create(thread, NULL, run, v))
		ktap_bail("no thread");
}

static void play(const char *first, const char *second, const char *what,
		 const char *how)
{
	pthread_t thread[2];

	/* Each sends to the other; the first ball comes from the first, and the last stays there. */
	ig_apic_write(vcpu[0], APIC_ICR2, 1u << 24);
	ig_apic_write(vcpu[1], APIC_ICR2, 0);
	prepare(vcpu[1], second);
	ig_apic_write(vcpu[0], APIC_ICR, PONG_VECTOR);
	prepare(vcpu[0], first);
	start(&thread[0], vcpu[0]);
	start(&thread[1], vcpu[1]);
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	ktap_ok(ig_log(vcpu[0])->count == ROUNDS && ig_log(vcpu[1])->count == ROUNDS,
		"%s%s: %u and %u", what, how, ig_log(vcpu[0])->count, ig_log(vcpu[1])->count);
}

static uint32_t now(uint32_t *at)
{
	return *(volatile uint32_t *)at;
}

static void from_host(const char *loop, const char *what, const char *how)
{
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = MSI_VECTOR };
	pthread_t thread;
	uint32_t *count;
	unsigned int i;

	prepare(vcpu[0], loop);
	ig_log(vcpu[0])->eoi = IG_EOI_APIC;
	count = &ig_log(vcpu[0])->count;
	start(&thread, vcpu[0]);
	for (i = 0; i < ROUNDS; i++) {
		if (ioctl(vm->fd, KVM_SIGNAL_MSI, &msi) < 0)
			ktap_bail("KVM_SIGNAL_MSI: %m");
		while (now(count) == i)
			sched_yield();
	}
	pthread_join(thread, NULL);
	ktap_ok(now(count) == ROUNDS, "%s%s", what, how);
}

static void play_all(const char *how)
{
	play(pong_halt, pong_halt, "IPIs between processors that halt", how);
	play(pong_spin, pong_spin, "IPIs between processors that run", how);
	play(pong_halt, pong_spin, "IPIs between one that halts and one that runs", how);
	from_host(pong_halt, "MSIs to a processor that halts", how);
	from_host(pong_spin, "MSIs to a processor that runs", how);
}

static bool set_linger(const char *name, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/linger_umbra/%s", name);
	return ku_write_file(path, text);
}

/* How often somebody lingered, counted down from what was written. */
static unsigned int lingered(void)
{
	int fd = open("/sys/kernel/debug/linger_umbra/times", O_RDONLY);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		ktap_bail("linger_umbra/times: %m");
	close(fd);
	return atoi(LINGER_TIMES) - atoi(text);
}

static void play_slowly(void)
{
	unsigned int times;

	if (!set_linger("verbose", "0") || !set_linger("times", LINGER_TIMES) ||
	    !set_linger("probability", "30")) {
		ktap_skip("once more with windows held open",
			  "this kernel has no fault injection (make check-debug has)");
		return;
	}
	play_all(", slowly");
	set_linger("probability", "0");
	times = lingered();
	ktap_ok(times > 10 * ROUNDS, "%u windows were held open", times);
}

int main(void)
{
	unsigned int i;

	vm = ig_vm_new();
	ktap_plan(access("/sys/kernel/debug/linger_umbra", F_OK) ? 6 : 11);
	ig_timeout();
	ku_load_at(vm, PONG_PAGE, pong, pong_end - pong);
	ku_gate(vm, PONG_VECTOR, PONG_PAGE + (pong_handler - pong), 0, 0);
	for (i = 0; i < 2; i++) {
		vcpu[i] = ig_vcpu_new(vm, i);
		ig_apic_write(vcpu[i], APIC_SVR, SVR_ENABLE);
	}
	play_all("");
	play_slowly();
	ku_vm_free(vm);
	ktap_exit();
}
