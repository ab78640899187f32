// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one thing at a time
 *
 * A program for the guest of `make demo` that does one thing between two reads
 * of addresses without memory.  The demo traces from the first read to the
 * second, so what the trace shows is that thing and the read that ends it
 * (Documentation/tour/).  Everything is prepared, and done once, before.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BEGIN	0xfed90000
#define END	0xfed91000
#define PAGE	4096
#define ROUNDS	5

static volatile unsigned int *begin, *end;

static volatile unsigned int *device(off_t address)
{
	int mem = open("/dev/mem", O_RDWR | O_SYNC);
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, mem, address);

	if (p == MAP_FAILED) {
		perror("/dev/mem");
		exit(1);
	}
	close(mem);
	return p;
}

static void trace(bool on)
{
	(void)*(on ? begin : end);
}

static volatile char *pages(size_t n)
{
	void *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	/* Small pages, also where the guest would take large ones. */
	madvise(p, n * PAGE, MADV_NOHUGEPAGE);
	return p;
}

/* Touch a page for the first time. */
static void fault(void)
{
	volatile char *p = pages(32);

	p[0] = 1;
	printf("touching %p\n", (void *)(p + 16 * PAGE));
	fflush(stdout);
	trace(true);
	p[16 * PAGE] = 1;
	trace(false);
}

/* Take the permission to write from a page, and touch it; then give it back, and touch it. */
static void pte(void)
{
	char *p = (char *)pages(1);
	int i;

	p[0] = 1;
	printf("page %p\n", (void *)p);
	fflush(stdout);
	for (i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS - 1)
			trace(true);
		mprotect(p, PAGE, PROT_READ);
		mprotect(p, PAGE, PROT_READ | PROT_WRITE);
		*(volatile char *)p = 1;
	}
	trace(false);
}

/* Touch a page whose table does not exist yet: the guest writes to an upper table. */
static void table(void)
{
	volatile char *p = pages(4096);

	p[0] = 1;
	p[2048 * PAGE] = 1;
	trace(true);
	p[1024 * PAGE] = 1;
	trace(false);
}

/* Another process answers by a pipe: two switches of the address space. */
static void cr3(void)
{
	int there[2], back[2], i;
	char byte = 1;
	pid_t child;

	if (pipe(there) || pipe(back))
		exit(1);
	child = fork();
	if (!child) {
		close(there[1]);
		while (read(there[0], &byte, 1) == 1)
			if (write(back[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	for (i = 0; i < ROUNDS; i++) {
		if (i == ROUNDS - 1)
			trace(true);
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			exit(1);
	}
	trace(false);
	close(there[1]);
	waitpid(child, NULL, 0);
}

/* Read a register of the I/O APIC. */
static void mmio(void)
{
	volatile unsigned int *p = device(0xfec00000);
	unsigned int value = p[4];

	trace(true);
	value = p[4];
	trace(false);
	printf("it reads 0x%x\n", value);
}

/* Sleep for ten milliseconds: the timer's interrupt ends that. */
static void interrupt(void)
{
	struct timespec ts = { .tv_nsec = 10000000 };

	nanosleep(&ts, NULL);
	trace(true);
	nanosleep(&ts, NULL);
	trace(false);
}

/* The shortest system call there is. */
static void call(void)
{
	syscall(SYS_getppid);
	trace(true);
	syscall(SYS_getppid);
	trace(false);
}

/* Nothing: what the trace shows then belongs to the two reads. */
static void nothing(void)
{
	trace(true);
	trace(false);
}

/* Tell the host that the guest is ready, and give it some time. */
static void wait_for_host(void)
{
	trace(true);
	sleep(15);
	trace(false);
}

static const struct {
	const char *name;
	void (*what)(void);
} things[] = {
	{ "nothing", nothing },
	{ "fault", fault },
	{ "pte", pte },
	{ "table", table },
	{ "cr3", cr3 },
	{ "mmio", mmio },
	{ "interrupt", interrupt },
	{ "call", call },
	{ "wait", wait_for_host },
};

int main(int argc, char **argv)
{
	unsigned int i;

	begin = device(BEGIN);
	end = device(END);
	for (i = 0; argc > 1 && i < sizeof(things) / sizeof(things[0]); i++) {
		if (strcmp(things[i].name, argv[1]))
			continue;
		things[i].what();
		return 0;
	}
	fputs("usage: one nothing | fault | pte | table | cr3 | mmio | interrupt | call | wait\n", stderr);
	return 2;
}
