// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: timer_test
 *
 * Timers fire at their time, never early: the local APIC's in its three modes,
 * with every divider, in xAPIC and x2APIC mode; the PIT through the PIC, and
 * what a guest reads from both.  Upper bounds are generous, because the machine
 * may be busy; lower bounds are not.
 */
#include "irq_guest.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define APIC_HZ		1000000000ull	/* what KVM's APIC timer counts */
#define PIT_HZ		1193182ull
#define TICK_US		20000ull
#define LATE_US		2000000ull

#define CPUID1_ECX_DEADLINE	(1u << 24)

/* Clocks differ by less than this: 0.5 %, and 100 us. */
static uint64_t early(struct ku_vcpu *vcpu, uint64_t us)
{
	return ig_ticks(vcpu, us - us / 200) - ig_ticks(vcpu, 100);
}

/* Did entry @n of the log come @us after @start, give or take what is allowed? */
static bool came_after(struct ku_vcpu *vcpu, unsigned int n, uint64_t start, uint64_t us)
{
	uint64_t took = ig_log(vcpu)->entry[n].tsc - start;
	bool good = took >= early(vcpu, us) && took < ig_ticks(vcpu, us + LATE_US);

	if (!good)
		ktap_note("entry %u: %llu ticks, wanted %llu", n, (unsigned long long)took,
			  (unsigned long long)ig_ticks(vcpu, us));
	return good;
}

/* The APIC by MMIO or by MSR. */
static bool x2apic;

static void apic_write(struct ku_vcpu *vcpu, uint32_t reg, uint32_t val)
{
	if (x2apic)
		ig_wrmsr(vcpu, MSR_X2APIC(reg), val);
	else
		ig_apic_write(vcpu, reg, val);
}

static uint32_t apic_read(struct ku_vcpu *vcpu, uint32_t reg)
{
	return x2apic ? ig_rdmsr(vcpu, MSR_X2APIC(reg)) : ig_apic_read(vcpu, reg);
}

static uint32_t count_of(uint64_t us, unsigned int divisor)
{
	return us * (APIC_HZ / 1000000) / divisor;
}

static void test_oneshot(struct ku_vcpu *vcpu, const char *mode)
{
	struct ig_log *log = ig_log(vcpu);
	uint64_t start;
	uint32_t first, second;

	ig_log_clear(vcpu);
	apic_write(vcpu, APIC_TDCR, 0xb);
	apic_write(vcpu, APIC_LVTT, 0x40);
	start = ig_rdtsc(vcpu);
	apic_write(vcpu, APIC_TMICT, count_of(TICK_US, 1));
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x40 &&
		came_after(vcpu, 0, start, TICK_US), "%s one-shot: fires in time", mode);
	ktap_ok(ig_wait(vcpu, 2, ig_ticks(vcpu, 2 * TICK_US)) == 1, "%s one-shot: once", mode);
	ktap_ok(!apic_read(vcpu, APIC_TMCCT), "%s one-shot: the count stays 0", mode);
	ktap_ok(apic_read(vcpu, APIC_TMICT) == count_of(TICK_US, 1),
		"%s one-shot: the initial count stays", mode);

	apic_write(vcpu, APIC_TMICT, 0xffffffff);
	first = apic_read(vcpu, APIC_TMCCT);
	start = ig_rdtsc(vcpu);
	ig_wait(vcpu, 2, ig_ticks(vcpu, 1000));
	second = apic_read(vcpu, APIC_TMCCT);
	ktap_ok(first - second >= count_of(950, 1) && second, "%s: the count goes down", mode);
	apic_write(vcpu, APIC_TMICT, 0);
	ktap_ok(!apic_read(vcpu, APIC_TMCCT), "%s: an initial count of 0 stops", mode);
}

static void test_periodic(struct ku_vcpu *vcpu, const char *mode)
{
	struct ig_log *log = ig_log(vcpu);
	uint64_t start;
	uint32_t count;

	ig_log_clear(vcpu);
	apic_write(vcpu, APIC_LVTT, LVTT_PERIODIC | 0x41);
	start = ig_rdtsc(vcpu);
	apic_write(vcpu, APIC_TMICT, count_of(TICK_US, 1));
	ig_wait(vcpu, 5, ig_ticks(vcpu, 5 * TICK_US + LATE_US));
	apic_write(vcpu, APIC_LVTT, LVTT_PERIODIC | LVT_MASKED | 0x41);
	ig_window(vcpu);
	ktap_ok(log->count >= 5 && came_after(vcpu, 0, start, TICK_US) &&
		came_after(vcpu, 4, start, 5 * TICK_US), "%s periodic: five ticks", mode);
	count = log->count;
	ig_wait(vcpu, count + 1, ig_ticks(vcpu, 3 * TICK_US));
	ktap_ok(log->count == count, "%s periodic: masked", mode);
	ktap_ok(apic_read(vcpu, APIC_TMCCT), "%s periodic: counts on while masked", mode);
	apic_write(vcpu, APIC_TMICT, 0);
}

static void test_divider(struct ku_vcpu *vcpu, const char *mode)
{
	static const uint32_t tdcr[] = { 0xb, 0, 1, 2, 3, 8, 9, 0xa };
	unsigned int i, divisor = 1;
	bool good = true;

	apic_write(vcpu, APIC_LVTT, LVT_MASKED | 0x40);
	for (i = 0; i < 8; i++, divisor *= 2) {
		uint64_t before, ticks;
		uint32_t passed;

		apic_write(vcpu, APIC_TDCR, tdcr[i]);
		before = ig_rdtsc(vcpu);
		apic_write(vcpu, APIC_TMICT, 0xffffffff);
		ig_wait(vcpu, 1000, ig_ticks(vcpu, 2000));
		passed = 0xffffffff - apic_read(vcpu, APIC_TMCCT);
		ticks = ig_rdtsc(vcpu) - before;
		/* All of it lies within what the TSC saw; at least the wait was counted. */
		if (passed < count_of(1900, divisor) ||
		    ig_ticks(vcpu, passed * divisor / 1000) > ticks + ticks / 100) {
			ktap_note("divider %u: %u counts", divisor, passed);
			good = false;
		}
	}
	ktap_ok(good, "%s: eight dividers", mode);
	apic_write(vcpu, APIC_TMICT, 0);
	apic_write(vcpu, APIC_TDCR, 0xb);
}

static void test_halt(struct ku_vcpu *vcpu, const char *mode)
{
	struct ig_log *log = ig_log(vcpu);
	uint64_t start;

	ig_log_clear(vcpu);
	apic_write(vcpu, APIC_LVTT, 0x42);
	start = ig_rdtsc(vcpu);
	apic_write(vcpu, APIC_TMICT, count_of(TICK_US, 1));
	ig_halt(vcpu);
	ktap_ok(log->count == 1 && came_after(vcpu, 0, start, TICK_US), "%s: ends HLT", mode);
}

static void test_deadline(struct ku_vcpu *vcpu, const char *mode)
{
	struct ig_log *log = ig_log(vcpu);
	uint64_t now, armed, ticks = ig_ticks(vcpu, TICK_US);

	ig_log_clear(vcpu);
	ig_wrmsr(vcpu, MSR_DEADLINE, 12345);
	ktap_ok(!ig_rdmsr(vcpu, MSR_DEADLINE), "%s deadline: ignored in other modes", mode);
	apic_write(vcpu, APIC_LVTT, LVTT_DEADLINE | 0x43);
	now = ig_rdtsc(vcpu);
	ig_wrmsr(vcpu, MSR_DEADLINE, now + ticks);
	/* Or it has come already: the look was late. */
	armed = ig_rdmsr(vcpu, MSR_DEADLINE);
	ktap_ok(armed == now + ticks || (!armed && log->count), "%s deadline: armed", mode);
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	ktap_ok(log->count == 1 && log->entry[0].tsc >= now + ticks - ig_ticks(vcpu, 100),
		"%s deadline: fires in time", mode);
	ktap_ok(!ig_rdmsr(vcpu, MSR_DEADLINE), "%s deadline: disarmed after that", mode);
	ig_wrmsr(vcpu, MSR_DEADLINE, 1);
	ig_window(vcpu);
	ig_window(vcpu);
	ktap_ok(log->count == 2, "%s deadline: one in the past fires at once", mode);
	ig_wrmsr(vcpu, MSR_DEADLINE, ig_rdtsc(vcpu) + ticks);
	ig_wrmsr(vcpu, MSR_DEADLINE, 0);
	ktap_ok(ig_wait(vcpu, 3, 2 * ticks) == 2, "%s deadline: 0 disarms", mode);
	ig_wrmsr(vcpu, MSR_DEADLINE, ig_rdtsc(vcpu) + ticks);
	apic_write(vcpu, APIC_LVTT, 0x40);
	ktap_ok(ig_wait(vcpu, 3, 2 * ticks) == 2, "%s deadline: another mode disarms", mode);
	apic_write(vcpu, APIC_LVTT, LVTT_DEADLINE | 0x43);
	ktap_ok(!apic_read(vcpu, APIC_TMCCT), "%s deadline: no count", mode);
	ig_wrmsr(vcpu, MSR_DEADLINE, ig_rdtsc(vcpu) + ticks);
	ig_halt(vcpu);
	ktap_ok(log->count == 3, "%s deadline: ends HLT", mode);
	apic_write(vcpu, APIC_LVTT, LVT_MASKED);
}

struct deadline_state {
	struct kvm_lapic_state lapic;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} msr;
};

/* The registers, and the MSR when the deadline has passed since.  False: it was over before. */
static bool save_across(struct ku_vcpu *vcpu, struct deadline_state *s, uint64_t us)
{
	uint64_t deadline = ig_rdtsc(vcpu) + ig_ticks(vcpu, us);
	const uint32_t *irr = (const uint32_t *)(s->lapic.regs + 0x200 + 2 * 0x10);

	ig_wrmsr(vcpu, MSR_DEADLINE, deadline);
	s->msr.head.nmsrs = 1;
	s->msr.entry[0].index = MSR_DEADLINE;
	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &s->lapic))
		ktap_bail("KVM_GET_LAPIC: %m");
	usleep(2 * us);
	if (ioctl(vcpu->fd, KVM_GET_MSRS, &s->msr) != 1)
		ktap_bail("KVM_GET_MSRS: %m");
	return !(*irr & 1u << (0x43 & 31));
}

/* A client saves one after the other; the vCPU does not run, but its timer does. */
static void test_deadline_saved(struct ku_vcpu *vcpu, const char *mode)
{
	struct ig_log *log = ig_log(vcpu);
	struct deadline_state s;
	uint64_t us = TICK_US;

	apic_write(vcpu, APIC_LVTT, LVTT_DEADLINE | 0x43);
	for (;;) {
		bool across = save_across(vcpu, &s, us);

		if (across || us > LATE_US * 10)
			break;
		us *= 4;
		ig_window(vcpu);
	}
	ig_window(vcpu);
	ig_window(vcpu);
	ig_log_clear(vcpu);
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &s.lapic) ||
	    ioctl(vcpu->fd, KVM_SET_MSRS, &s.msr) != 1)
		ktap_bail("restoring the APIC: %m");
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	ig_window(vcpu);
	ktap_ok(log->count == 1, "%s deadline: not lost while it is saved (%u)", mode, log->count);
	ktap_ok(!ig_rdmsr(vcpu, MSR_DEADLINE), "%s deadline: and not kept", mode);
	apic_write(vcpu, APIC_LVTT, LVT_MASKED);
}

/* KVM leaves it to userspace to offer the mode. */
static void offer_deadline(struct ku_vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[128];
	} cpuid = { .head.nent = 128 };
	unsigned int i;

	if (ioctl(vcpu->vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuid))
		ktap_bail("KVM_GET_SUPPORTED_CPUID: %m");
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == 1)
			cpuid.entry[i].ecx |= CPUID1_ECX_DEADLINE;
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid))
		ktap_bail("KVM_SET_CPUID2: %m");
}

/* PIC: IRQ 0-7 at 20h, automatic EOI, only the timer open. */
static void init_pic(struct ku_vcpu *vcpu)
{
	ig_out(vcpu, 0x20, 0x11);
	ig_out(vcpu, 0x21, 0x20);
	ig_out(vcpu, 0x21, 0x04);
	ig_out(vcpu, 0x21, 0x03);
	ig_out(vcpu, 0x21, 0xfe);
}

static void pit_program(struct ku_vcpu *vcpu, uint8_t control, uint16_t count)
{
	unsigned int channel = control >> 6;

	ig_out(vcpu, 0x43, control);
	ig_out(vcpu, 0x40 + channel, count);
	ig_out(vcpu, 0x40 + channel, count >> 8);
}

static uint16_t pit_read(struct ku_vcpu *vcpu, unsigned int channel)
{
	uint16_t low = ig_in(vcpu, 0x40 + channel);

	return low | ig_in(vcpu, 0x40 + channel) << 8;
}

static uint16_t pit_count(uint64_t us)
{
	return us * PIT_HZ / 1000000;
}

static void test_pit_irq(struct ku_vcpu *vcpu)
{
	struct ig_log *log = ig_log(vcpu);
	uint64_t start;
	uint32_t count;

	log->eoi = IG_EOI_NONE;
	init_pic(vcpu);
	ig_log_clear(vcpu);
	start = ig_rdtsc(vcpu);
	pit_program(vcpu, 0x30, pit_count(TICK_US));
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x20 &&
		came_after(vcpu, 0, start, TICK_US), "PIT mode 0: fires in time");
	ktap_ok(ig_wait(vcpu, 2, ig_ticks(vcpu, 2 * TICK_US)) == 1, "PIT mode 0: once");

	ig_log_clear(vcpu);
	start = ig_rdtsc(vcpu);
	pit_program(vcpu, 0x34, pit_count(TICK_US));
	ig_wait(vcpu, 5, ig_ticks(vcpu, 5 * TICK_US + LATE_US));
	ktap_ok(log->count >= 5 && came_after(vcpu, 0, start, TICK_US) &&
		came_after(vcpu, 4, start, 5 * TICK_US), "PIT mode 2: five ticks");

	ig_log_clear(vcpu);
	ig_halt(vcpu);
	ktap_ok(log->count >= 1, "PIT: ends HLT");

	/* Masked for ten ticks, then open: at most the one that waits in IRR. */
	ig_out(vcpu, 0x21, 0xff);
	ig_window(vcpu);
	count = log->count;
	ig_wait(vcpu, count + 1, ig_ticks(vcpu, 3 * TICK_US));
	ktap_ok(log->count == count, "PIT: the PIC masks it");
	pit_program(vcpu, 0x30, 0);
}

/* Ticks that the PIT made since it was programmed at @start. */
static uint32_t ticks_since(struct ku_vcpu *vcpu, uint64_t start)
{
	return (ig_rdtsc(vcpu) - start) / ig_ticks(vcpu, TICK_US);
}

static void test_reinject(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	struct kvm_reinject_control control = { .pit_reinject = 0 };
	struct ig_log *log = ig_log(vcpu);
	unsigned int i;
	uint64_t start;
	bool all = false;

	ig_out(vcpu, 0x21, 0xfe);
	pit_program(vcpu, 0x34, pit_count(TICK_US));
	start = ig_rdtsc(vcpu);
	ig_log_clear(vcpu);
	/* Interrupts are off for twenty ticks, and on afterwards. */
	while (ticks_since(vcpu, start) < 20)
		;
	/* Halting leaves the host a processor to send them from. */
	for (i = 0; i < 150 && !all; i++) {
		ig_halt(vcpu);
		all = log->count + 4 >= ticks_since(vcpu, start);
	}
	ktap_ok(all, "PIT: missed ticks are sent later (%u)", log->count);

	ktap_ok(!ioctl(vm->fd, KVM_REINJECT_CONTROL, &control), "PIT: KVM_REINJECT_CONTROL");
	pit_program(vcpu, 0x34, pit_count(TICK_US));
	start = ig_rdtsc(vcpu);
	ig_log_clear(vcpu);
	while (ticks_since(vcpu, start) < 20)
		;
	ig_wait(vcpu, ~0u, ig_ticks(vcpu, 5 * TICK_US));
	ktap_ok(log->count + 10 <= ticks_since(vcpu, start),
		"PIT: or dropped, when userspace wants that (%u)", log->count);
	pit_program(vcpu, 0x30, 0);
	ig_out(vcpu, 0x21, 0xff);
}

/* The NMI watchdog of old: LINT0 in NMI mode hears the PIT. */
static void test_pit_nmi(struct ku_vcpu *vcpu)
{
	struct ig_log *log = ig_log(vcpu);
	uint32_t lvt0 = ig_apic_read(vcpu, APIC_LVT0);

	ig_log_clear(vcpu);
	ig_apic_write(vcpu, APIC_LVT0, 0x400);
	pit_program(vcpu, 0x30, pit_count(TICK_US));
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	ktap_ok(log->count == 1 && log->entry[0].vector == 2, "PIT: an NMI through LINT0");
	ig_apic_write(vcpu, APIC_LVT0, lvt0);
}

static void test_pit_read(struct ku_vcpu *vcpu)
{
	uint16_t first, second, latched;
	uint8_t status;

	pit_program(vcpu, 0x34, 60000);
	ig_out(vcpu, 0x43, 0x00);
	first = pit_read(vcpu, 0);
	ktap_ok(first && first <= 60000, "PIT: latched count within its period");
	ig_out(vcpu, 0x43, 0x00);
	ig_wait(vcpu, ~0u, ig_ticks(vcpu, 2000));
	second = pit_read(vcpu, 0);
	ig_out(vcpu, 0x43, 0x00);
	latched = pit_read(vcpu, 0);
	ktap_ok(second != latched, "PIT: a latched count stands still");
	ig_out(vcpu, 0x43, 0xe2);
	status = ig_in(vcpu, 0x40);
	ktap_ok((status & 0x3f) == 0x34, "PIT: read-back gives the control word (%#x)", status);
	pit_program(vcpu, 0x14, 0);
	ig_out(vcpu, 0x43, 0xe2);
	ktap_ok((ig_in(vcpu, 0x40) & 0x3f) == 0x14, "PIT: LSB-only access");
	pit_program(vcpu, 0x30, 0);
}

static void test_channel2(struct ku_vcpu *vcpu)
{
	uint64_t start, limit;
	unsigned int i;
	bool toggles;
	uint8_t port;

	ig_out(vcpu, 0x61, 0);
	ktap_ok(!(ig_in(vcpu, 0x61) & 3), "port 61h: gate and data off");
	ig_out(vcpu, 0x61, 1);
	start = ig_rdtsc(vcpu);
	pit_program(vcpu, 0xb0, pit_count(TICK_US));
	port = ig_in(vcpu, 0x61);
	ktap_ok((port & 3) == 1, "port 61h: gate on");
	ktap_ok(!(port & 0x20) || ig_rdtsc(vcpu) - start > early(vcpu, TICK_US),
		"channel 2 mode 0: output low");
	limit = start + ig_ticks(vcpu, LATE_US);
	while (!(ig_in(vcpu, 0x61) & 0x20) && ig_rdtsc(vcpu) < limit)
		;
	ktap_ok(ig_in(vcpu, 0x61) & 0x20 && ig_rdtsc(vcpu) - start >= early(vcpu, TICK_US),
		"channel 2 mode 0: high in time");
	for (i = 0, toggles = false, port = ig_in(vcpu, 0x61); i < 1000 && !toggles; i++)
		toggles = (ig_in(vcpu, 0x61) ^ port) & 0x10;
	ktap_ok(toggles, "port 61h: refresh toggles");
	ig_out(vcpu, 0x61, 0);
}

static void test_pit_state(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	struct kvm_pit_state2 state, again;
	bool same = true;
	unsigned int i;

	pit_program(vcpu, 0x34, 11932);
	pit_program(vcpu, 0x76, 1000);
	pit_program(vcpu, 0xb6, 0x1234);
	if (ioctl(vm->fd, KVM_GET_PIT2, &state) || ioctl(vm->fd, KVM_SET_PIT2, &state) ||
	    ioctl(vm->fd, KVM_GET_PIT2, &again))
		ktap_bail("KVM_GET_PIT2 or KVM_SET_PIT2: %m");
	ktap_ok(state.channels[0].count == 11932 && state.channels[0].mode == 2 &&
		state.channels[0].rw_mode == 3 && state.channels[0].gate == 1 &&
		state.channels[1].count == 1000 && state.channels[1].mode == 3 &&
		state.channels[2].count == 0x1234 && state.channels[2].mode == 3 &&
		state.channels[2].gate == 0, "KVM_GET_PIT2: what the guest wrote");
	for (i = 0; i < 3; i++) {
		again.channels[i].count_load_time = 0;
		state.channels[i].count_load_time = 0;
		same &= !__builtin_memcmp(&again.channels[i], &state.channels[i],
					  sizeof(state.channels[i]));
	}
	ktap_ok(same && again.flags == state.flags, "KVM_SET_PIT2: the same after a round trip");
	pit_program(vcpu, 0x30, 0);
}

static void test_apic(struct ku_vcpu *vcpu, const char *mode)
{
	ig_log(vcpu)->eoi = x2apic ? IG_EOI_X2APIC : IG_EOI_APIC;
	apic_write(vcpu, APIC_SVR, SVR_ENABLE);
	test_oneshot(vcpu, mode);
	test_periodic(vcpu, mode);
	test_divider(vcpu, mode);
	test_halt(vcpu, mode);
	test_deadline(vcpu, mode);
	test_deadline_saved(vcpu, mode);
}

int main(void)
{
	struct ku_vm *vm = ig_vm_new();
	struct ku_vcpu *vcpu;

	ktap_plan(64);
	ig_timeout();
	vcpu = ig_vcpu_new(vm, 0);
	offer_deadline(vcpu);
	test_apic(vcpu, "xAPIC");
	test_pit_irq(vcpu);
	test_reinject(vm, vcpu);
	test_pit_nmi(vcpu);
	test_pit_read(vcpu);
	test_channel2(vcpu);
	test_pit_state(vm, vcpu);
	ig_wrmsr(vcpu, MSR_APIC_BASE, ig_rdmsr(vcpu, MSR_APIC_BASE) | APIC_BASE_X2);
	x2apic = true;
	test_apic(vcpu, "x2APIC");
	ku_vm_free(vm);
	ktap_exit();
}
