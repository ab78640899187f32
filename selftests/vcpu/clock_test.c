// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: clock_test
 *
 * kvmclock and the TSC as the guest and userspace see them: they go forward,
 * agree with this process's clocks, and can be set.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "ktap.h"
#include "traps.h"

#define MSR_TSC		0x10u
#define MSR_CLOCK	0x4b564d01u
#define PAGE_GPA	0x9000u
#define WALL_GPA	0x9100u
#define SECOND		1000000000ull

/* The pvclock ABI (Documentation/virt/kvm/x86/msr.rst). */
struct clock_page {
	uint32_t version, pad;
	uint64_t tsc, ns;
	uint32_t mul;
	int8_t shift;
	uint8_t flags, pad2[2];
};

struct wall {
	uint32_t version, sec, nsec;
};

KU_CODE64(rdtsc, "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n hlt\n");
/* Switch the clock on, read the TSC. */
KU_CODE64(enable, "mov $0x4b564d01, %ecx\n mov $0x9001, %eax\n xor %edx, %edx\n wrmsr\n"
		  "mov $0x4b564d00, %ecx\n mov $0x9100, %eax\n wrmsr\n"
		  "rdtsc\n shl $32, %rdx\n or %rdx, %rax\n hlt\n");

static uint64_t run_tsc(struct traps *t, const char *code, const char *end)
{
	traps_code(t, code, end);
	if (traps_run(t, NULL) != TRAP_NONE)
		ktap_bail("the guest took an exception");
	return ku_get_regs(t->vcpu).rax;
}

static uint64_t to_ns(const struct clock_page *p, uint64_t tsc)
{
	uint64_t delta = tsc - p->tsc;

	delta = p->shift < 0 ? delta >> -p->shift : delta << p->shift;
	return p->ns + (delta >> 32) * p->mul + (((delta & 0xffffffff) * p->mul) >> 32);
}

static uint64_t get_clock(struct traps *t)
{
	struct kvm_clock_data clock = {};

	if (ioctl(t->vm->fd, KVM_GET_CLOCK, &clock))
		ktap_bail("KVM_GET_CLOCK: %s", strerror(errno));
	return clock.clock;
}

static void test_page(struct traps *t)
{
	struct clock_page *page = ku_ptr(t->vm, PAGE_GPA);
	struct wall *wall = ku_ptr(t->vm, WALL_GPA);
	uint64_t before, after, guest, tsc, now = time(NULL);

	before = get_clock(t);
	tsc = run_tsc(t, enable, enable_end);
	after = get_clock(t);
	ktap_ok(page->version && !(page->version & 1), "the page has an even version");
	guest = to_ns(page, tsc);
	if (!ktap_ok(guest >= before && guest <= after, "the guest's time is KVM_GET_CLOCK's"))
		ktap_note("%llu <= %llu <= %llu", (unsigned long long)before,
			  (unsigned long long)guest, (unsigned long long)after);
	usleep(20000);
	tsc = run_tsc(t, rdtsc, rdtsc_end);
	ktap_ok(to_ns(page, tsc) > guest + 15000000, "it goes forward");
	now -= guest / SECOND;
	ktap_ok(wall->sec >= now - 2 && wall->sec <= now + 2 && wall->nsec < SECOND,
		"the wall clock is the time at its zero");
}

static void test_set(struct traps *t)
{
	struct kvm_clock_data clock = { .clock = 1000 * SECOND };
	struct clock_page *page = ku_ptr(t->vm, PAGE_GPA);
	uint64_t tsc, guest;

	ktap_ok(!ioctl(t->vm->fd, KVM_SET_CLOCK, &clock), "KVM_SET_CLOCK");
	guest = get_clock(t);
	ktap_ok(guest >= 1000 * SECOND && guest < 1060 * SECOND, "KVM_GET_CLOCK goes on from there");
	tsc = run_tsc(t, rdtsc, rdtsc_end);
	guest = to_ns(page, tsc);
	ktap_ok(guest >= 1000 * SECOND && guest < 1060 * SECOND, "so does the guest's page");
	clock.flags = 0x80000000;
	ktap_ok(ioctl(t->vm->fd, KVM_SET_CLOCK, &clock) && errno == EINVAL,
		"unknown flag: EINVAL");
}

static int set_msr(struct traps *t, uint32_t index, uint64_t data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry e;
	} m = { .head.nmsrs = 1, .e = { .index = index, .data = data } };

	return ioctl(t->vcpu->fd, KVM_SET_MSRS, &m);
}

/* An address that is no multiple of four is one; where the structure would cross a page, there is no clock. */
static void test_address(struct traps *t)
{
	unsigned char *odd = (unsigned char *)ku_ptr(t->vm, PAGE_GPA) + 0x202;
	unsigned char *last = (unsigned char *)ku_ptr(t->vm, PAGE_GPA) + 0x1000 - 28;
	struct clock_page copy;
	unsigned int i, written = 0;
	uint64_t tsc;

	ktap_ok(set_msr(t, MSR_CLOCK, (PAGE_GPA + 0x202) | 1) == 1, "a clock at a misaligned address");
	tsc = run_tsc(t, rdtsc, rdtsc_end);
	memcpy(&copy, odd, sizeof(copy));
	ktap_ok(copy.version && !(copy.version & 1) && copy.tsc <= tsc, "is one");
	memset(last, 0, 64);
	ktap_ok(set_msr(t, MSR_CLOCK, (PAGE_GPA + 0x1000 - 28) | 1) == 1, "one that would cross a page");
	run_tsc(t, rdtsc, rdtsc_end);
	for (i = 0; i < 64; i++)
		written |= last[i];
	ktap_ok(!written, "is not written");
	set_msr(t, MSR_CLOCK, PAGE_GPA | 1);
}

static void test_tsc(struct traps *t)
{
	int khz = ioctl(t->vcpu->fd, KVM_GET_TSC_KHZ, 0ul);
	uint64_t a, b, second = (uint64_t)khz * 1000;

	ktap_ok(khz > 0, "KVM_GET_TSC_KHZ: %d", khz);
	a = run_tsc(t, rdtsc, rdtsc_end);
	usleep(20000);
	b = run_tsc(t, rdtsc, rdtsc_end);
	ktap_ok(b - a > second / 1000 * 15 && b - a < second * 60, "the TSC runs at that rate");
	ktap_ok(set_msr(t, MSR_TSC, b + 3600 * second) == 1, "TSC set by an hour");
	a = run_tsc(t, rdtsc, rdtsc_end);
	ktap_ok(a >= b + 3600 * second && a < b + 3660 * second, "the guest sees it");
	ktap_ok(!ioctl(t->vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)khz), "its own rate again");
}

static int tsc_attr(struct ku_vcpu *vcpu, unsigned long cmd, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(vcpu->fd, cmd, &attr);
}

/* The guest's TSC is this process's plus the offset, whoever set it. */
static bool tsc_follows(struct traps *t, uint64_t offset)
{
	uint64_t before = __rdtsc(), tsc, after;

	tsc = run_tsc(t, rdtsc, rdtsc_end);
	after = __rdtsc();
	return tsc - offset >= before && tsc - offset <= after;
}

static void test_offset(struct traps *t)
{
	struct kvm_device_attr other = { .group = KVM_VCPU_TSC_CTRL, .attr = 77 };
	uint64_t offset = 0, day = 24 * 3600 * SECOND;

	ktap_ok(!tsc_attr(t->vcpu, KVM_HAS_DEVICE_ATTR, NULL), "the TSC offset is an attribute");
	ktap_ok(!tsc_attr(t->vcpu, KVM_GET_DEVICE_ATTR, &offset) && tsc_follows(t, offset),
		"the guest's TSC is the host's plus what it reads as");
	ktap_ok(!tsc_attr(t->vcpu, KVM_SET_DEVICE_ATTR, &day) && tsc_follows(t, day),
		"so it is with an offset that was set");
	offset = -day;
	ktap_ok(!tsc_attr(t->vcpu, KVM_SET_DEVICE_ATTR, &offset) && tsc_follows(t, -day),
		"also with a negative one");
	ktap_ok(ioctl(t->vcpu->fd, KVM_HAS_DEVICE_ATTR, &other) && errno == ENXIO &&
		ioctl(t->vcpu->fd, KVM_SET_DEVICE_ATTR, &other) && errno == ENXIO &&
		ioctl(t->vcpu->fd, KVM_GET_DEVICE_ATTR, &other) && errno == ENXIO,
		"another attribute: ENXIO");
	ktap_ok(tsc_attr(t->vcpu, KVM_SET_DEVICE_ATTR, NULL) && errno == EFAULT &&
		tsc_attr(t->vcpu, KVM_GET_DEVICE_ATTR, NULL) && errno == EFAULT,
		"no value: EFAULT");
	ktap_ok(tsc_follows(t, -day), "the errors changed nothing");
}

static void test_ctrl(struct traps *t)
{
	struct clock_page *page = ku_ptr(t->vm, PAGE_GPA);
	struct traps other = traps_new();

	ktap_ok(!ioctl(t->vcpu->fd, KVM_KVMCLOCK_CTRL, 0ul), "KVM_KVMCLOCK_CTRL");
	run_tsc(t, rdtsc, rdtsc_end);
	ktap_ok(page->flags & 2, "the page says that the guest was stopped");
	ktap_ok(ioctl(other.vcpu->fd, KVM_KVMCLOCK_CTRL, 0ul) && errno == EINVAL,
		"without a clock: EINVAL");
	traps_free(&other);
}

int main(void)
{
	struct traps t = traps_new();

	ktap_plan(4 + 4 + 4 + 5 + 7 + 3);
	test_page(&t);
	test_set(&t);
	test_address(&t);
	test_tsc(&t);
	test_offset(&t);
	test_ctrl(&t);
	traps_free(&t);
	ktap_exit();
}
