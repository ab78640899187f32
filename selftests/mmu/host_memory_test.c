// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: host_memory_test
 *
 * Guest memory is the caller's memory: whatever the host does to it, the guest
 * must see it at once, and keep what it wrote.  First one thing at a time, with
 * the guest stopped: discard, replace, fork, write protection, unmapping.  Then
 * a guest that checks its memory for ever while the host forks, pages out,
 * merges, compacts and asks for shadow tables.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x10
#define SLOT_GPA	0x10000000ull
#define PAGES		64u
#define SIZE		(PAGES * 4096u)
#define LARGE_GPA	0x20000000ull
#define LARGE_SIZE	0x200000ul
#define LOAD_PAGES	512u
#define LOAD_SIZE	(LOAD_PAGES * 4096u)
#define LOAD_SECONDS	8

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* Per command: rdi = address; rsi = 0: load, 1: store rax; answer in eax. */
KU_CODE64(agent,
	  "1: test %rsi, %rsi\n"
	  "jnz 2f\n"
	  "mov (%rdi), %rax\n"
	  "jmp 3f\n"
	  "2: mov %rax, (%rdi)\n"
	  "3: out %eax, $0x10\n"
	  "jmp 1b\n");

/*
 * For ever: every page holds the round's number plus its address; check, then
 * write the next.  rdi first page, rsi end, rbx round; leaves with the bad
 * address only.  The round is kept at 0xe000.
 */
KU_CODE64(checker,
	  "1: mov %rdi, %rcx\n"
	  "2: lea (%rcx,%rbx), %rax\n"
	  "cmp %rax, (%rcx)\n"
	  "jne 9f\n"
	  "inc %rax\n"
	  "mov %rax, (%rcx)\n"
	  "add $4096, %rcx\n"
	  "cmp %rsi, %rcx\n"
	  "jb 2b\n"
	  "inc %rbx\n"
	  "mov %rbx, 0xe000\n"
	  "jmp 1b\n"
	  "9: mov %ecx, %eax\n"
	  "out %eax, $0x10\n"
	  "jmp 9b\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static uint8_t *memory;

/* Map the slot one to one, and the guest's code is ready. */
static void start(size_t size, const char *code, const char *end)
{
	uint64_t gpa;

	vm = ku_vm_new(0);
	memory = ku_slot_add(vm, 1, SLOT_GPA, size, 0);
	ku_load(vm, code, end - code);
	vcpu = ku_vcpu_new(vm, 0);
	ku_vcpu_long(vcpu, KU_CODE);
	for (gpa = SLOT_GPA; gpa < SLOT_GPA + size; gpa += 4096)
		ku_map(vm, vm->cr3, gpa, gpa, KU_PTE_P | KU_PTE_W);
}

static void finish(void)
{
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

static int command(uint64_t gpa, bool store, uint64_t value, uint32_t *answer)
{
	struct kvm_regs regs = ku_get_regs(vcpu);
	int reason;

	regs.rip = KU_CODE;
	regs.rdi = gpa;
	regs.rsi = store;
	regs.rax = value;
	ku_set_regs(vcpu, &regs);
	reason = ku_run(vcpu);
	*answer = ku_get_regs(vcpu).rax;
	return reason;
}

static bool guest_store(unsigned int page, uint32_t value)
{
	uint32_t answer;

	return command(SLOT_GPA + page * 4096, true, value, &answer) == KVM_EXIT_IO;
}

static bool guest_sees(unsigned int page, uint32_t value)
{
	uint32_t answer;

	return command(SLOT_GPA + page * 4096, false, 0, &answer) == KVM_EXIT_IO &&
	       answer == value;
}

static uint32_t *host(unsigned int page)
{
	return (uint32_t *)(memory + page * 4096);
}

static void test_discard(void)
{
	bool good = guest_store(1, 0x1111) && guest_store(2, 0x2222);

	madvise(host(1), 4096, MADV_DONTNEED);
	good = good && guest_sees(1, 0) && guest_sees(2, 0x2222);
	good = good && guest_store(1, 0x3333) && *host(1) == 0x3333;
	ktap_ok(good, "MADV_DONTNEED");
}

static void test_replace(void)
{
	bool good = guest_store(3, 0x1111) && guest_sees(4, 0);

	mmap(host(3), 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*host(3) = 0x4444;
	*host(4) = 0x5555;
	good = good && guest_sees(3, 0x4444) && guest_sees(4, 0x5555);
	ktap_ok(good, "other memory is mapped there");
}

/* The child has to keep what the page held when it was made. */
static void test_fork(void)
{
	int status = 1, pipefd[2];
	char byte = 0;
	bool good;
	pid_t pid;

	good = guest_store(5, 0x1111) && !pipe(pipefd);
	pid = fork();
	if (!pid) {
		byte = read(pipefd[0], &byte, 1) != 1 || *host(5) != 0x1111;
		_exit(byte);
	}
	good = good && guest_store(5, 0x6666) && *host(5) == 0x6666;
	good = good && write(pipefd[1], &byte, 1) == 1;
	waitpid(pid, &status, 0);
	ktap_ok(good && !status && guest_sees(5, 0x6666), "copy-on-write after fork");
	close(pipefd[0]);
	close(pipefd[1]);
}

static void test_zero_page(void)
{
	/* A read maps the shared page of zeroes, a write must not change that. */
	bool good = guest_sees(6, 0) && guest_sees(7, 0) && guest_store(6, 0x7777);

	ktap_ok(good && guest_sees(7, 0) && *host(7) == 0 && *host(6) == 0x7777, "zero page");
}

static void test_protect(void)
{
	bool good = guest_store(8, 0x1111);
	uint32_t answer;

	mprotect(host(8), 4096, PROT_READ);
	good = good && guest_sees(8, 0x1111);
	good = good && command(SLOT_GPA + 8 * 4096, true, 0x2222, &answer) == -EFAULT;
	good = good && *host(8) == 0x1111;
	mprotect(host(8), 4096, PROT_READ | PROT_WRITE);
	ktap_ok(good && guest_store(8, 0x3333) && *host(8) == 0x3333, "mprotect");
}

static void test_unmap(void)
{
	bool good = guest_store(9, 0x1111);
	uint32_t answer;

	munmap(host(9), 4096);
	good = good && command(SLOT_GPA + 9 * 4096, false, 0, &answer) == -EFAULT;
	mmap(host(9), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ktap_ok(good && guest_sees(9, 0), "munmap, and memory again");
}

static void test_moved(void)
{
	bool good = guest_store(10, 0x1111) && guest_store(11, 0x2222);
	void *away = mremap(host(10), 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, memory + SIZE);

	if (away == MAP_FAILED) {
		/* Behind the slot may be something: anywhere then. */
		away = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		away = mremap(host(10), 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, away);
	}
	mmap(host(10), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	good = good && guest_sees(10, 0) && guest_store(10, 0x3333);
	ktap_ok(good && *(uint32_t *)away == 0x1111 && guest_sees(11, 0x2222), "mremap");
	munmap(away, 4096);
}

/* The host asks its caches for memory; shadow tables are one, and come back. */
static void test_shrink(void)
{
	bool good = guest_store(12, 0x1111) && guest_sees(13, 0);
	const char *name = "the host's caches are asked for memory";
	uint64_t zapped = ku_counter(vm->fd, "sp_zapped"), had = ku_counter(vm->fd, "sp_pages");

	if (!had) {
		ktap_skip(name, "this module does not count shadow pages");
		return;
	}
	ku_write_file("/proc/sys/vm/drop_caches", "2");
	ktap_note("%llu shadow pages before, %llu after", (unsigned long long)had,
		  (unsigned long long)ku_counter(vm->fd, "sp_pages"));
	good = good && ku_counter(vm->fd, "sp_zapped") > zapped && ku_counter(vm->fd, "sp_pages") < had;
	ktap_ok(good && guest_sees(12, 0x1111) && guest_store(13, 0x2222) && *host(13) == 0x2222,
		"%s", name);
}

/* Kilobytes of this process that are mapped by entries of 2 MiB. */
static unsigned long huge_kilobytes(void)
{
	FILE *maps = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kb = 0;
	char line[128];

	while (maps && fgets(line, sizeof(line), maps))
		if (sscanf(line, "AnonHugePages: %lu", &kb) == 1)
			break;
	if (maps)
		fclose(maps);
	return kb;
}

static bool large_store(unsigned int page, uint32_t value)
{
	uint32_t answer;

	return command(LARGE_GPA + page * 4096, true, value, &answer) == KVM_EXIT_IO;
}

static bool large_sees(unsigned int page, uint32_t value)
{
	uint32_t answer;

	return command(LARGE_GPA + page * 4096, false, 0, &answer) == KVM_EXIT_IO &&
	       answer == value;
}

/* 2 MiB of guest memory at an aligned address, by one entry of the guest's tables. */
static uint8_t *large_memory(void)
{
	uint8_t *all = mmap(NULL, 2 * LARGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *mem = (uint8_t *)(((uintptr_t)all + LARGE_SIZE - 1) & ~(LARGE_SIZE - 1));
	struct kvm_userspace_memory_region region = {
		.slot = 2,
		.guest_phys_addr = LARGE_GPA,
		.memory_size = LARGE_SIZE,
		.userspace_addr = (uintptr_t)mem,
	};

	madvise(mem, LARGE_SIZE, MADV_HUGEPAGE);
	memset(mem, 0, LARGE_SIZE);
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		ktap_bail("no slot for large pages");
	ku_map(vm, vm->cr3, LARGE_GPA, LARGE_GPA, 0);
	*ku_pte(vm, vm->cr3, LARGE_GPA, 2) = LARGE_GPA | KU_PTE_P | KU_PTE_W | KU_PTE_PS;
	return mem;
}

static bool large_copy_on_write(const uint8_t *mem)
{
	int status = 1, pipefd[2];
	char byte = 0;
	bool good;
	pid_t pid;

	good = large_store(5, 0x1111) && !pipe(pipefd);
	pid = fork();
	if (!pid) {
		byte = read(pipefd[0], &byte, 1) != 1 || mem[5 * 4096] != 0x11;
		_exit(byte);
	}
	good = good && large_store(5, 0x6666) && large_store(6, 0x7777) && mem[5 * 4096] == 0x66;
	good = good && write(pipefd[1], &byte, 1) == 1;
	waitpid(pid, &status, 0);
	close(pipefd[0]);
	close(pipefd[1]);
	return good && !status && large_sees(5, 0x6666) && large_sees(6, 0x7777);
}

/* The guest and the host both map 2 MiB at once, until the host changes its mind. */
static void test_large(void)
{
	uint8_t *mem = large_memory();
	bool counts = ku_counter(vm->fd, "sp_pages"), huge = huge_kilobytes() >= LARGE_SIZE / 1024;
	uint32_t answer;
	bool good;

	good = large_store(0, 0x1111) && large_store(511, 0x2222) && large_sees(0, 0x1111);
	good = good && mem[511 * 4096] == 0x22;
	ktap_note("2 MiB %sat once; mapped large %llu times", huge ? "" : "not ",
		  (unsigned long long)ku_counter(vm->fd, "spte_large"));
	ktap_ok(good && (!counts || !huge || ku_counter(vm->fd, "spte_large")), "large pages");
	ktap_ok(large_copy_on_write(mem), "large pages: copy-on-write after fork");
	good = large_store(7, 0x1111) && large_store(8, 0x2222);
	madvise(mem + 7 * 4096, 4096, MADV_DONTNEED);
	good = good && large_sees(7, 0) && large_sees(8, 0x2222) && large_store(7, 0x3333);
	ktap_ok(good && mem[7 * 4096] == 0x33, "large pages: MADV_DONTNEED of a part");
	mprotect(mem + 9 * 4096, 4096, PROT_READ);
	good = command(LARGE_GPA + 9 * 4096, true, 0x2222, &answer) == -EFAULT;
	mprotect(mem + 9 * 4096, 4096, PROT_READ | PROT_WRITE);
	ktap_ok(good && large_store(9, 0x3333) && large_store(10, 0x4444) && mem[9 * 4096] == 0x33,
		"large pages: mprotect of a part");
}

static atomic_int ended = -1;
static atomic_bool stopping;

static void *run_checker(void *unused)
{
	int reason;

	do {
		reason = ku_run(vcpu);
	} while (!stopping && (reason == -EINTR || reason == KVM_EXIT_INTR));
	ended = reason;
	return unused;
}

static void ignore(int sig)
{
	(void)sig;
}

static void disturb(unsigned int round)
{
	unsigned int first = (round * 37) % LOAD_PAGES;
	unsigned int n = 1 + round % 100;
	pid_t pid;

	if (first + n > LOAD_PAGES)
		n = LOAD_PAGES - first;
	switch (round % 5) {
	case 0:
		pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		break;
	case 1:
		madvise(memory + first * 4096, n * 4096, MADV_PAGEOUT);
		break;
	case 2:
		madvise(memory, LOAD_SIZE, round & 8 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
		break;
	case 3:
		mprotect(memory + first * 4096, n * 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		break;
	case 4:
		if (round % 250 == 9)
			ku_write_file("/proc/sys/vm/drop_caches", "2");
		else if (round % 50 == 4)
			ku_write_file("/proc/sys/vm/compact_memory", "1");
		else
			madvise(memory + first * 4096, n * 4096, MADV_MERGEABLE);
		break;
	}
}

static uint64_t rounds_done(void)
{
	return *(volatile uint64_t *)ku_ptr(vm, 0xe000);
}

static void test_load(void)
{
	struct kvm_regs regs;
	unsigned int round, i;
	pthread_t thread;
	time_t until;
	bool moving;

	start(LOAD_SIZE, checker, checker_end);
	for (i = 0; i < LOAD_PAGES; i++)
		*(uint64_t *)(memory + i * 4096) = SLOT_GPA + i * 4096;
	regs = ku_get_regs(vcpu);
	regs.rdi = SLOT_GPA;
	regs.rsi = SLOT_GPA + LOAD_SIZE;
	regs.rbx = 0;
	ku_set_regs(vcpu, &regs);
	ku_write_file("/sys/kernel/mm/ksm/run", "1");
	pthread_create(&thread, NULL, run_checker, NULL);
	until = time(NULL) + LOAD_SECONDS;
	/*
	 * A slow host gets more time: the guest has to get on.  In the end it is left alone, and if it
	 * does not then, the runner's patience decides.
	 */
	for (round = 0; ended == -1; round++) {
		if (time(NULL) >= until && (rounds_done() > 3 || time(NULL) >= until + 20))
			break;
		disturb(round);
	}
	while (ended == -1 && rounds_done() <= 3)
		usleep(100000);
	moving = rounds_done() > 3;
	stopping = true;
	while (ended == -1) {
		vcpu->run->immediate_exit = 1;
		pthread_kill(thread, SIGUSR1);
		usleep(10000);
	}
	pthread_join(thread, NULL);
	ku_write_file("/sys/kernel/mm/ksm/run", "2");
	regs = ku_get_regs(vcpu);
	ktap_note("%llu rounds of the guest, %u of the host", (unsigned long long)rounds_done(), round);
	ktap_ok(ended == -EINTR || ended == KVM_EXIT_INTR, "memory is intact under load (%s, at %llx)",
		ended == KVM_EXIT_IO ? "mismatch" : "ended by signal",
		(unsigned long long)regs.rcx);
	ktap_ok(moving, "and the guest gets on");
	finish();
}

int main(void)
{
	struct sigaction sa = { .sa_handler = ignore };

	ku_open();
	sigaction(SIGUSR1, &sa, NULL);
	ktap_plan(14);
	start(SIZE, agent, agent_end);
	test_discard();
	test_replace();
	test_fork();
	test_zero_page();
	test_protect();
	test_unmap();
	test_moved();
	test_shrink();
	test_large();
	finish();
	test_load();
	ktap_exit();
}
