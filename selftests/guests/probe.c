// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: probe
 *
 * probe PART...: run these parts, one after the other, each in a process of
 * its own, so that one that dies is one bad result.
 */
#include "probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void trace(void)
{
	probe_trace(false);
}

/* Where the processor's breakpoints work. */
static void watch(void)
{
	probe_trace(true);
}

static const struct {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "threads", probe_threads },
	{ "tlb", probe_tlb },
	{ "fpu", probe_fpu },
	{ "trace", trace },
	{ "watch", watch },
	{ "segments", probe_segments },
	{ "bpf", probe_bpf },
	{ "clock", probe_clock },
};

void probe_say(bool good, const char *name, const char *fmt, ...)
{
	char why[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (good)
		printf("ok %s\n", name);
	else
		printf("not ok %s: %s\n", name, why);
	fflush(stdout);
}

static void run_part(const char *name, void (*run)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (!pid) {
		alarm(60);
		run();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	probe_say(status == 0, name, "ended with status %#x", status);
}

int main(int argc, char **argv)
{
	unsigned long i;
	int arg;

	if (argc == 5 && !strcmp(argv[1], "kexec"))
		probe_kexec(argv + 2);
	for (arg = 1; arg < argc; arg++)
		for (i = 0; i < sizeof(parts) / sizeof(*parts); i++)
			if (!strcmp(argv[arg], parts[i].name))
				run_part(parts[i].name, parts[i].run);
	return 0;
}
