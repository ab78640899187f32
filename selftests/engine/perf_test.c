// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: perf_test
 *
 * The host is sampled by its clock while a guest runs, its kernel and its user code: samples
 * come, and each is at an address of the host: of its kernel, or of a program in user mode.
 * No address of the guest and none of an engine's own passes for one of the host's, neither
 * in a sample nor in the chain of its callers.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "user_loop.h"
#include "ktap.h"

#define PAGES		64		/* of the ring; a power of two */
#define ENOUGH		100		/* samples while the guest is at it */
#define PATIENCE	120		/* seconds */
#define KERNEL		0xffff888000000000ull	/* nothing of the host's kernel is below */
#define HOLE		0xffff800000000000ull
/* Guest code is at addresses where no program has any. */
#define GUEST_END	0x100000u

KU_CODE64(entry,
	  "mov $20000, %ecx\n 1: pushf\n pop %rax\n dec %ecx\n jnz 1b\n"
	  "mov $0x80000, %esp\n" UL_AGAIN);

KU_CODE64(user, "mov $20000, %ecx\n 1: dec %ecx\n jnz 1b\n ud2\n");

/* The thread of the vCPU. */
static pid_t tid;

static void *run(void *arg)
{
	__atomic_store_n(&tid, gettid(), __ATOMIC_RELEASE);
	return ul_run(arg);
}

/* The thread @pid on any CPU: its clock, its callers. */
static int sample(pid_t pid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.freq = 1,
		.sample_freq = 1000,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN,
		.disabled = 1,
	};

	return syscall(SYS_perf_event_open, &attr, pid, -1, -1, 0);
}

static bool is_host(uint64_t ip, bool user)
{
	return user ? ip >= GUEST_END && ip < HOLE : ip >= KERNEL;
}

/* PERF_RECORD_SAMPLE: IP, number of callers, callers. */
static bool good_sample(uint16_t misc, const uint64_t *data, size_t words)
{
	bool user = (misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER, good;
	uint64_t i;

	/* Stock KVM tells what is the guest's. */
	if ((misc & PERF_RECORD_MISC_CPUMODE_MASK) > PERF_RECORD_MISC_HYPERVISOR)
		return true;
	good = is_host(data[0], user);
	for (i = 0; i < data[1] && i + 2 < words; i++) {
		if (data[i + 2] >= PERF_CONTEXT_MAX)
			user = data[i + 2] == PERF_CONTEXT_USER;
		else
			good &= is_host(data[i + 2], user) || user;
	}
	if (!good)
		ktap_note("mode %u, IP %#llx", misc, (unsigned long long)data[0]);
	return good;
}

/**
 * struct seen - what was found in the ring
 * @samples: how many
 * @bad: of these, at no address of the host
 */
struct seen {
	unsigned int samples, bad;
};

static void read_ring(struct perf_event_mmap_page *ring, struct seen *seen)
{
	size_t size = PAGES * KU_PAGE, at, i;
	const char *data = (char *)ring + KU_PAGE;
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	static char copy[65536];
	struct perf_event_header h;

	while (ring->data_tail < head) {
		at = ring->data_tail % size;
		memcpy(&h, data + at, sizeof(h));	/* never wraps: all is in units of eight bytes */
		for (i = 0; i < h.size; i++)
			copy[i] = data[(at + i) % size];
		if (h.type == PERF_RECORD_SAMPLE) {
			seen->samples++;
			seen->bad += !good_sample(h.misc, (uint64_t *)(copy + sizeof(h)),
						  (h.size - sizeof(h)) / 8);
		}
		__atomic_store_n(&ring->data_tail, ring->data_tail + h.size, __ATOMIC_RELEASE);
	}
}

int main(void)
{
	struct perf_event_mmap_page *ring;
	struct seen seen = { 0, 0 };
	struct ku_vcpu *vcpu;
	pthread_t thread;
	void *ended;
	int fd, i;

	ku_open();
	vcpu = ul_new(entry, entry_end - entry, user, user_end - user);
	pthread_create(&thread, NULL, run, vcpu);
	while (!__atomic_load_n(&tid, __ATOMIC_ACQUIRE))
		sched_yield();
	fd = sample(tid);
	if (fd < 0)
		ktap_bail("perf_event_open: %s", strerror(errno));
	ktap_plan(3);
	ring = mmap(NULL, (PAGES + 1) * KU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (ring == MAP_FAILED || ioctl(fd, PERF_EVENT_IOC_ENABLE, 0))
		ktap_bail("the ring: %s", strerror(errno));
	for (i = 0; i < PATIENCE * 20 && seen.samples < ENOUGH; i++) {
		usleep(50000);
		read_ring(ring, &seen);
	}
	ul_stop(vcpu);
	pthread_join(thread, &ended);
	ktap_ok(seen.samples >= ENOUGH, "%u samples", seen.samples);
	ktap_ok(!seen.bad, "%u of them at no address of the host", seen.bad);
	ktap_ok(ended == vcpu, "the guest does not notice");
	ktap_exit();
}
