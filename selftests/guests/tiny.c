// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: first process of a guest that is emulated
 *
 * A static program of the C library, which has its own ideas of what instructions a
 * processor offers.  It computes, forks, takes a signal, waits; the exit status
 * goes to port 0xf4, where the monitor takes it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXIT_PORT	0xf4
#define BYTES		70000

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	/* Its frame holds all of the vector state: make some. */
	volatile double x = sig;

	signals += x > 0;
}

static double series(int n)
{
	double sum = 0;
	int i;

	for (i = 1; i <= n; i++)
		sum += 1.0 / i;
	return sum;
}

/* Library functions with vector code, across page ends. */
static int memory_works(void)
{
	char *a = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	if (a == MAP_FAILED)
		return 0;
	for (i = 0; i < 300; i++)
		a[i] = 'a' + i % 26;
	memcpy(a + 4090, a, 300);
	memmove(a + 4091, a + 4090, 300);
	return strlen(a + 4091) == 300 && !memcmp(a, a + 4091, 300) && strchr(a, 'z') == a + 25;
}

static int child_works(void)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		kill(getpid(), SIGUSR1);
		_exit(signals == 1 && series(10) > 2.92 && series(10) < 2.93 ? 7 : 1);
	}
	return waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7;
}

int main(void)
{
	int memory, child;

	signal(SIGUSR1, on_signal);
	memory = memory_works();
	child = child_works();
	printf("tiny: sum %.6f memory %d child %d\n", series(100), memory, child);
	fflush(stdout);
	if (iopl(3))
		return 1;
	outb(memory && child ? 42 : 1, EXIT_PORT);
	return 0;
}
