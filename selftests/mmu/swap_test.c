// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: swap_test
 *
 * Guest memory goes to swap and comes back by what the guest does.  First everything at once while the
 * guest stands still, three times over, so that what was read in and then written to has to go out
 * anew.  Then the guest runs in a memory cgroup that has room for a third of it.  Then the host reclaims while
 * the guest runs.  The swap is a compressed one in memory (zram); a kernel without it cannot be asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"
#include "memory_guest.h"

#define PAGES		768u
#define WRITTEN		576u	/* the others vCPUs only read */
#define SWAP_SIZE	"64M"
#define CYCLES		3u
#define ROUNDS		2u
#define RECLAIMS	3u
#define CGROUP		"/sys/fs/cgroup/umbra-swap-test"

/* Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_SWAPPED	(1ull << 62)

static char swap_device[64];

/* A file's first number behind @key, or its first number; -1. */
static long long number_in(const char *path, const char *key)
{
	FILE *file = fopen(path, "r");
	long long val = -1;
	char line[256];

	while (file && val < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			sscanf(line + strlen(key), "%lld", &val);
	if (file)
		fclose(file);
	return val;
}

/* What mkswap writes: the kernel's union swap_header. */
static void make_swap(const char *path)
{
	struct {
		char boot[1024];
		uint32_t version, last_page, bad_pages;
		char rest[4096 - 1024 - 12 - 10];
		char magic[10];
	} __attribute__((packed)) head = { .version = 1 };
	int fd = open(path, O_RDWR);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	_Static_assert(sizeof(head) == 4096, "a page");
	if (size <= 0)
		ktap_bail("%s: %s", path, strerror(errno));
	head.last_page = size / 4096 - 1;
	memcpy(head.magic, "SWAPSPACE2", sizeof(head.magic));
	if (pwrite(fd, &head, sizeof(head), 0) != sizeof(head) || fsync(fd))
		ktap_bail("%s: %s", path, strerror(errno));
	close(fd);
}

static void remove_swap(void)
{
	char path[64];

	swapoff(swap_device);
	snprintf(path, sizeof(path), "%s", strpbrk(swap_device, "0123456789"));
	ku_write_file("/sys/class/zram-control/hot_remove", path);
}

/* A zram device of our own.  Skips where there is none. */
static void add_swap(void)
{
	char path[96];
	long long n;

	if (access("/sys/class/zram-control", F_OK) && system("modprobe -q zram"))
		ktap_skip_all("this kernel has no zram");
	n = number_in("/sys/class/zram-control/hot_add", "");
	if (n < 0)
		ktap_skip_all("zram gives no device: %s", strerror(errno));
	snprintf(swap_device, sizeof(swap_device), "/dev/zram%lld", n);
	snprintf(path, sizeof(path), "/sys/block/zram%lld/disksize", n);
	if (!ku_write_file(path, SWAP_SIZE))
		ktap_bail("%s: %s", path, strerror(errno));
	make_swap(swap_device);
	if (swapon(swap_device, 0))
		ktap_skip_all("swapon: %s", strerror(errno));
	atexit(remove_swap);
}

/* Guest pages that are in swap. */
static unsigned int swapped(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (uintptr_t)mg_page(0) / KU_PAGE * 8;
	static uint64_t entry[PAGES];
	unsigned int i, n = 0;

	if (fd < 0 || pread(fd, entry, sizeof(entry), at) != sizeof(entry))
		ktap_bail("pagemap: %s", strerror(errno));
	close(fd);
	for (i = 0; i < PAGES; i++)
		n += !!(entry[i] & PAGEMAP_SWAPPED);
	return n;
}

/* A page that was used lately stays once, and one that somebody looks at just then. */
static unsigned int page_out(void)
{
	unsigned int tries, n = 0;

	for (tries = 0; tries < 20 && n < PAGES; tries++) {
		madvise(mg_page(0), PAGES * KU_PAGE, MADV_PAGEOUT);
		n = swapped();
	}
	return n;
}

/* Behind the two words a page holds what no compression shortens to nothing, and tells it from others. */
static uint64_t filling(unsigned int page, unsigned int index)
{
	return (page * 512ull + index) * 0x9e3779b97f4a7c15ull;
}

static void fill(void)
{
	unsigned int i, j;

	for (i = 0; i < PAGES; i++)
		for (j = 2; j < 512; j++)
			mg_words(i)[j] = filling(i, j);
}

static bool filled(void)
{
	unsigned int i, j;

	for (i = 0; i < PAGES; i++)
		for (j = 2; j < 512; j++)
			if (mg_words(i)[j] != filling(i, j)) {
				ktap_note("page %u word %u is not what it was", i, j);
				return false;
			}
	return true;
}

/* Out, and in again by the guest, which writes to most of it: the next time that has to go out as well. */
static void test_cycle(unsigned int cycle)
{
	uint64_t lost = mg_lost();
	unsigned int out, left;
	bool good;

	mg_pause();
	out = page_out();
	mg_go();
	good = mg_settle();
	left = swapped();
	ktap_note("%u of %u pages went out; %u after the guest's rounds", out, PAGES, left);
	/* Some may be under way, or locked, each time. */
	good = good && out >= PAGES * 9 / 10 && left < out / 10;
	ktap_ok(good && mg_lost() == lost && mg_agrees(), "swapped out and in by the guest, time %u",
		cycle + 1);
}

static void quit_cgroup(void)
{
	unsigned int tries;

	ku_write_file("/sys/fs/cgroup/cgroup.procs", "0");
	for (tries = 0; tries < 100 && rmdir(CGROUP) && errno == EBUSY; tries++)
		usleep(10000);
}

/* Return: NULL, or why not. */
static const char *enter_cgroup(void)
{
	if (!ku_write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory"))
		return "no memory controller";
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		return "no cgroup";
	if (!ku_write_file(CGROUP "/cgroup.procs", "0"))
		return "the cgroup takes nobody";
	return NULL;
}

/* What the cgroup holds, kernel memory too, when all of the guest is in swap, and room for a third of it. */
static void limit_memory(void)
{
	char text[32];

	mg_pause();
	page_out();
	snprintf(text, sizeof(text), "%lld",
		 number_in(CGROUP "/memory.current", "") + (long long)(PAGES / 3 * KU_PAGE));
	if (!ku_write_file(CGROUP "/memory.max", text))
		ktap_bail("memory.max %s: %s", text, strerror(errno));
	mg_go();
}

/* Every round most pages have to come in and others go out for that. */
static void run_limited(void)
{
	uint64_t lost = mg_lost();
	long long in, out;
	bool good = true;
	unsigned int i;

	limit_memory();
	in = number_in("/proc/vmstat", "pswpin ");
	out = number_in("/proc/vmstat", "pswpout ");
	for (i = 0; i < ROUNDS && good; i++)
		good = mg_agrees();
	in = number_in("/proc/vmstat", "pswpin ") - in;
	out = number_in("/proc/vmstat", "pswpout ") - out;
	ktap_note("%lld pages went out, %lld came in", out, in);
	ktap_ok(good && mg_lost() == lost, "a guest larger than its cgroup sees what it wrote");
	ktap_ok(out > PAGES / 2 && in > PAGES / 2, "and lives from swap");
	ku_write_file(CGROUP "/memory.max", "max");
}

static void run_reclaimed(void)
{
	const char *name = "the host reclaims while the guest runs";
	uint64_t lost = mg_lost();
	long long out = number_in("/proc/vmstat", "pswpout ");
	unsigned int i;

	if (access(CGROUP "/memory.reclaim", F_OK)) {
		ktap_skip(name, "this kernel has no memory.reclaim");
		return;
	}
	/* EAGAIN: it was less than that. */
	for (i = 0; i < RECLAIMS; i++)
		ku_write_file(CGROUP "/memory.reclaim", "64K");
	out = number_in("/proc/vmstat", "pswpout ") - out;
	ktap_note("%lld pages went out", out);
	ktap_ok(mg_agrees() && mg_lost() == lost, "%s", name);
}

static void test_cgroup(const char *reason)
{
	if (!reason) {
		run_limited();
		run_reclaimed();
		return;
	}
	ktap_skip("a limit on memory", "%s", reason);
	ktap_skip("and life from swap", "no limit");
	ktap_skip("reclaim", "no cgroup");
}

int main(void)
{
	const char *reason;
	unsigned int i;

	ku_open();
	add_swap();
	/* Whose memory it is, is settled when it is first touched. */
	reason = enter_cgroup();
	ktap_plan(CYCLES + 4);
	mg_start(PAGES, WRITTEN, false);
	mg_pause();
	fill();
	mg_go();
	for (i = 0; i < CYCLES; i++)
		test_cycle(i);
	test_cgroup(reason);
	mg_pause();
	ktap_ok(filled(), "all pages hold what they held");
	mg_go();
	mg_finish();
	quit_cgroup();
	ktap_exit();
}
