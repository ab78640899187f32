// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the lines of the benchmark
 *
 * Each does one thing that costs a virtual machine more than a processor, and
 * as little else as possible.  All memory is in pages of 4 KiB: main() has
 * switched transparent huge pages off.
 */
#include "lines.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE		4096u
#define MIB		(1u << 20)

/* What fork() has to copy the tables of. */
#define RESIDENT	(32 * MIB)

/* Above all memory of the machines that are compared, and nobody's. */
#define MMIO_ADDRESS	0xd0000000

const char *bench_self;

static int zero_fd = -1, port_fd = -1;
static volatile uint32_t *mmio;
static char *resident;
static uint64_t *stream;
static volatile uint64_t sink;

static void fail(const char *what)
{
	perror(what);
	_exit(1);
}

static void *get_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("mmap");
	return memory;
}

static void touch(char *memory, unsigned int pages)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		*(volatile char *)(memory + (size_t)i * PAGE) = 1;
}

static void wait_for(pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child || status)
		fail("waitpid");
}

/* System calls. */

static void run_getppid(unsigned int n)
{
	while (n--)
		syscall(SYS_getppid);
}

static bool prepare_read(void)
{
	zero_fd = open("/dev/zero", O_RDONLY);
	return zero_fd >= 0;
}

static void run_read(unsigned int n)
{
	char byte;

	while (n--)
		if (read(zero_fd, &byte, 1) != 1)
			fail("read");
}

/* Processes. */

static bool prepare_fork(void)
{
	if (!resident)
		resident = get_memory(RESIDENT);
	touch(resident, RESIDENT / PAGE);
	return true;
}

static void run_fork(unsigned int n)
{
	pid_t child;

	while (n--) {
		child = fork();
		if (child < 0)
			fail("fork");
		if (!child)
			_exit(0);
		wait_for(child);
	}
}

static void run_exec(unsigned int n)
{
	pid_t child;

	while (n--) {
		child = fork();
		if (child < 0)
			fail("fork");
		if (!child) {
			execl(bench_self, bench_self, "-", NULL);
			_exit(1);
		}
		wait_for(child);
	}
}

/* A byte to another process and back: two context switches. */
static void run_pipe(unsigned int n)
{
	int there[2], back[2];
	pid_t child;
	char byte = 0;
	unsigned int i;

	if (pipe(there) || pipe(back))
		fail("pipe");
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		for (i = 0; i < n; i++)
			if (read(there[0], &byte, 1) != 1 || write(back[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (i = 0; i < n; i++)
		if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("pipe");
	wait_for(child);
	close(there[0]);
	close(there[1]);
	close(back[0]);
	close(back[1]);
}

/* Memory. */

static void run_touch(unsigned int n)
{
	char *memory = get_memory((size_t)n * PAGE);

	touch(memory, n);
	munmap(memory, (size_t)n * PAGE);
}

static void run_mprotect(unsigned int n)
{
	char *memory = get_memory(PAGE);

	touch(memory, 1);
	while (n--) {
		if (mprotect(memory, PAGE, PROT_READ) ||
		    mprotect(memory, PAGE, PROT_READ | PROT_WRITE))
			fail("mprotect");
		touch(memory, 1);
	}
	munmap(memory, PAGE);
}

/* The child writes to each page that it shares with its parent. */
static void run_cow(unsigned int n)
{
	char *memory = get_memory((size_t)n * PAGE);
	pid_t child;

	touch(memory, n);
	child = fork();
	if (child < 0)
		fail("fork");
	if (!child) {
		touch(memory, n);
		_exit(0);
	}
	wait_for(child);
	munmap(memory, (size_t)n * PAGE);
}

static void run_alu(unsigned int n)
{
	uint64_t a = 1, b = 3;

	while (n--) {
		a = a * 6364136223846793005ull + b;
		b ^= a >> 13;
		b += a << 7;
	}
	sink = a + b;
}

#define STREAM	(8 * MIB)

static bool prepare_stream(void)
{
	if (!stream)
		stream = get_memory(STREAM);
	touch((char *)stream, STREAM / PAGE);
	return true;
}

/* Read and write 64 bytes, and on to the next ones. */
static void run_stream(unsigned int n)
{
	const unsigned int lines = STREAM / 64;
	unsigned int i;

	for (i = 0; i < n; i++) {
		volatile uint64_t *line = stream + (i % lines) * 8;

		line[0] = line[1] + line[2];
		line[3] = line[4] + line[5];
	}
}

/* Exits. */

static void run_cpuid(unsigned int n)
{
	uint32_t eax, ebx, ecx, edx;

	while (n--) {
		eax = 0;
		ecx = 0;
		__asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	}
}

static bool prepare_port(void)
{
	port_fd = open("/dev/port", O_WRONLY);
	return port_fd >= 0;
}

/*
 * By the kernel, for a task of its own would need a TSS with a permission map,
 * which TCG gets wrong in an SVM guest.
 */
static void run_port(unsigned int n)
{
	char byte = 0;

	while (n--)
		if (pwrite(port_fd, &byte, 1, 0x80) != 1)
			fail("port 0x80");
}

static bool prepare_mmio(void)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC);
	void *memory;

	if (fd < 0)
		return false;
	memory = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, MMIO_ADDRESS);
	close(fd);
	mmio = memory;
	return memory != MAP_FAILED;
}

static void run_mmio(unsigned int n)
{
	while (n--)
		sink = *mmio;
}

#define LINE(nm, cnt, scl, nr, prep, fn)				\
	{ .name = nm, .count = cnt, .scale = scl, .processes = nr,	\
	  .prepare = prep, .run = fn }

const struct bench_line bench_lines[] = {
	LINE("getppid",	  2000,	 20, 1, NULL,		run_getppid),
	LINE("read",	  2000,	 20, 1, prepare_read,	run_read),
	LINE("fork",	  20,	 1,  1, prepare_fork,	run_fork),
	LINE("exec",	  20,	 1,  1, prepare_fork,	run_exec),
	LINE("touch",	  8192,	 1,  1, NULL,		run_touch),
	LINE("cow",	  4096,	 1,  1, NULL,		run_cow),
	LINE("mprotect",  1000,	 2,  1, NULL,		run_mprotect),
	LINE("pipe",	  500,	 2,  1, NULL,		run_pipe),
	LINE("fork4",	  5,	 1,  4, prepare_fork,	run_fork),
	LINE("exec4",	  5,	 1,  4, prepare_fork,	run_exec),
	LINE("touch4",	  2048,	 1,  4, NULL,		run_touch),
	LINE("cow4",	  1024,	 1,  4, NULL,		run_cow),
	LINE("mprotect4", 250,	 2,  4, NULL,		run_mprotect),
	LINE("pipe4",	  125,	 2,  4, NULL,		run_pipe),
	LINE("alu",	  1000000, 10, 1, NULL,		run_alu),
	LINE("stream",	  500000, 10, 1, prepare_stream, run_stream),
	LINE("cpuid",	  1000,	 2,  1, NULL,		run_cpuid),
	LINE("port",	  1000,	 2,  1, prepare_port,	run_port),
	LINE("mmio",	  1000,	 2,  1, prepare_mmio,	run_mmio),
};

const size_t bench_nr_lines = sizeof(bench_lines) / sizeof(bench_lines[0]);
