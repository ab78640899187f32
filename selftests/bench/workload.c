// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the workload of `make bench`
 *
 * One static program: an ordinary process where it runs natively, the first and
 * only process (/init) of a guest.  Arguments are names of lines, all when there is
 * no name, no line for "none"; "timed" among them repeats each line and keeps the
 * best time.  Output:
 *
 *   bench boot 1 TICKS		a guest only: TSC when the first process starts
 *   bench NAME COUNT TICKS	TICKS of the TSC for COUNT repetitions
 *   bench end 0 0		all done; memory is as it was at the end
 *
 * The TSC of the bed counts instructions under -icount, and the host's ticks
 * otherwise; a guest's runs at the same rate.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"

#define TIMED_ROUNDS	3

static uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Several processes, each with its share; the clock starts when all are there. */
static uint64_t run_together(const struct bench_line *line, unsigned int n)
{
	int ready[2], go[2];
	uint64_t start;
	unsigned int i;
	char byte = 0;

	if (pipe(ready) || pipe(go))
		exit(1);
	for (i = 0; i < line->processes; i++) {
		if (fork())
			continue;
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		line->run(n);
		_exit(0);
	}
	for (i = 0; i < line->processes; i++)
		if (read(ready[0], &byte, 1) != 1)
			exit(1);
	start = rdtsc();
	for (i = 0; i < line->processes; i++)
		if (write(go[1], &byte, 1) != 1)
			exit(1);
	for (i = 0; i < line->processes; i++)
		wait(NULL);
	start = rdtsc() - start;
	close(ready[0]);
	close(ready[1]);
	close(go[0]);
	close(go[1]);
	return start;
}

static uint64_t run_once(const struct bench_line *line, unsigned int n)
{
	uint64_t start;

	if (line->processes > 1)
		return run_together(line, n);
	start = rdtsc();
	line->run(n);
	return rdtsc() - start;
}

static void measure(const struct bench_line *line, bool timed)
{
	unsigned int n = line->count * (timed ? line->scale : 1);
	unsigned int rounds = timed ? TIMED_ROUNDS : 1;
	uint64_t best = UINT64_MAX, ticks;

	if (line->prepare && !line->prepare()) {
		printf("bench %s cannot be prepared\n", line->name);
		return;
	}
	/* Once for all that happens only once. */
	run_once(line, line->count / 10 + 1);
	while (rounds--) {
		ticks = run_once(line, n);
		if (ticks < best)
			best = ticks;
	}
	printf("bench %s %u %llu\n", line->name, n * line->processes,
	       (unsigned long long)best);
}

/* The kernel hands on what it did not know of its command line: only names of lines count. */
static bool is_name(const char *word)
{
	size_t i;

	for (i = 0; i < bench_nr_lines; i++)
		if (!strcmp(bench_lines[i].name, word))
			return true;
	return !strcmp(word, "none");
}

static bool wanted(const char *name, char **argv)
{
	bool all = true;

	for (; *argv; argv++) {
		if (!strcmp(*argv, name))
			return true;
		all &= !is_name(*argv);
	}
	return all;
}

static bool has_word(const char *word, char **argv)
{
	for (; *argv; argv++)
		if (!strcmp(*argv, word))
			return true;
	return false;
}

static void begin_guest(uint64_t now)
{
	mkdir("/dev", 0755);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	printf("bench boot 1 %llu\n", (unsigned long long)now);
}

/* The monitor's own exit port; then ACPI, where there is no such port. */
static void end_guest(void)
{
	const struct timespec moment = { .tv_nsec = 300000000 };
	int fd;

	/* For whoever looks at the machine from outside. */
	nanosleep(&moment, NULL);
	fd = open("/dev/port", O_WRONLY);
	if (fd < 0 || pwrite(fd, "", 1, 0xf4) != 1)
		perror("/dev/port");
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	uint64_t now = rdtsc();
	bool timed, guest = getpid() == 1;
	size_t i;

	/* What the line "exec" executes. */
	if (argc == 2 && !strcmp(argv[1], "-"))
		return 0;
	bench_self = argv[0];
	timed = has_word("timed", argv + 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (guest)
		begin_guest(now);
	for (i = 0; i < bench_nr_lines; i++)
		if (wanted(bench_lines[i].name, argv + 1))
			measure(&bench_lines[i], timed);
	printf("bench end 0 0\n");
	if (guest)
		end_guest();
	return 0;
}
