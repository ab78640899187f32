// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: threads, signals, address spaces
 *
 * Threads that hand signals and locks to one another and move between
 * processors; faults that a handler mends; and threads that take a mapping
 * away while others use it, which on several processors is a TLB shootdown.
 */
#include "probe.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS	4
#define ROUNDS	300
#define PAGE	4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long shared;
static volatile sig_atomic_t usr1, alarms;
static sigjmp_buf back;
static void *volatile fault_address;

static void on_usr1(int sig)
{
	(void)sig;
	__atomic_fetch_add(&usr1, 1, __ATOMIC_SEQ_CST);
}

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	fault_address = info->si_addr;
	siglongjmp(back, sig);
}

/* To another processor, where there is one. */
static void move_on(unsigned long to)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(to % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *contend(void *arg)
{
	unsigned long me = (unsigned long)arg, i;

	for (i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&lock);
		shared++;
		pthread_mutex_unlock(&lock);
		if (i % 50 == 0)
			move_on(me + i / 50);
		if (i % 25 == 0)
			pthread_kill(pthread_self(), SIGUSR1);
		sched_yield();
	}
	return NULL;
}

static void locks_and_signals(void)
{
	struct sigaction act = { .sa_handler = on_usr1, .sa_flags = SA_RESTART };
	pthread_t threads[THREADS];
	unsigned long i;

	sigaction(SIGUSR1, &act, NULL);
	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, contend, (void *)i);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	probe_say(shared == THREADS * ROUNDS, "locks", "%ld", shared);
	probe_say(usr1 == THREADS * ROUNDS / 25, "signals", "%d", (int)usr1);
}

/* The signal that a statement ends with; 0 when there is none. */
#define FAULT(statement)				\
	({						\
		int fault_sig = sigsetjmp(back, 1);	\
							\
		if (!fault_sig)				\
			statement;			\
		fault_sig;				\
	})

/* Faults, each of which has to come with its own signal and address. */
static void faults(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	static char stack[16384];
	stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
	char *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0;
	int sig;

	sigaltstack(&alt, NULL);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
	sigaction(SIGTRAP, &act, NULL);
	sig = FAULT(page[12] = 1);
	probe_say(sig == SIGSEGV && fault_address == page + 12, "SIGSEGV", "%d %p", sig,
		  fault_address);
	sig = FAULT(*(volatile char *)0x8000000000000000ul = 1);
	probe_say(sig == SIGSEGV, "not canonical", "%d", sig);
	sig = FAULT(*(volatile char *)0xffff800000100000ul = 1);
	probe_say(sig == SIGSEGV && fault_address == (void *)0xffff800000100000ul,
		  "write to the kernel's half", "%d %p", sig, fault_address);
	sig = FAULT((void)*(volatile char *)0xffff800000004000ul);
	probe_say(sig == SIGSEGV, "read of the kernel's half", "%d", sig);
	sig = FAULT(asm volatile("ud2"));
	probe_say(sig == SIGILL, "SIGILL", "%d", sig);
	sig = FAULT(asm volatile("idivl %1" : : "a"(1), "r"(zero), "d"(0)));
	probe_say(sig == SIGFPE, "SIGFPE", "%d", sig);
	sig = FAULT(asm volatile("int3"));
	probe_say(sig == SIGTRAP, "SIGTRAP", "%d", sig);
	sig = FAULT(asm volatile("cli"));
	probe_say(sig == SIGSEGV, "CLI", "%d", sig);
	sig = FAULT(asm volatile("int $0x81"));
	probe_say(sig == SIGSEGV, "INT of a kernel's gate", "%d", sig);
}

static void interval(void)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } };
	struct timespec until, now;

	sigaction(SIGALRM, &act, NULL);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 20;
	setitimer(ITIMER_REAL, &every, NULL);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while (alarms < 10 && now.tv_sec < until.tv_sec);
	memset(&every, 0, sizeof(every));
	setitimer(ITIMER_REAL, &every, NULL);
	probe_say(alarms >= 10, "timer signals in a loop", "%d", (int)alarms);
}

static void processes(void)
{
	char *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i, status, good = 0;
	pid_t pids[8];

	*page = 1;
	for (i = 0; i < 8; i++) {
		pids[i] = fork();
		if (!pids[i]) {
			*page += i;
			move_on(i);
			_exit(*page == i + 1 ? i : 100);
		}
	}
	for (i = 0; i < 8; i++)
		good += waitpid(pids[i], &status, 0) == pids[i] && WEXITSTATUS(status) == i;
	probe_say(good == 8 && *page == 1, "fork and copy on write", "%d of 8", good);
}

void probe_threads(void)
{
	locks_and_signals();
	faults();
	interval();
	processes();
}

/* Mappings that change under other threads. */

#define SLOTS	8
#define FLIPS	100

static char *area;
static volatile bool enough;
static volatile long bad, touched;
static __thread sigjmp_buf mine;
static __thread volatile bool inside;

static void on_away(int sig)
{
	if (!inside)
		_exit(99);
	siglongjmp(mine, sig);
}

/*
 * A write may only arrive while the page is writable: the changer finds its tag
 * there after it has taken the right to write away.
 */
static void *touch(void *arg)
{
	unsigned long me = (unsigned long)arg;
	volatile unsigned long i;

	for (i = 0; !enough; i++) {
		char *page = area + i % SLOTS * PAGE;

		if (!sigsetjmp(mine, 1)) {
			inside = true;
			*(volatile char *)(page + 64 + me) = (char)i;
			inside = false;
		}
		touched++;
		if (i % 64 == 0)
			move_on(me + i / 64);
	}
	return NULL;
}

static void *change(void *arg)
{
	unsigned long me = (unsigned long)arg, i, j;

	for (i = 0; i < FLIPS; i++) {
		char *page = area + (i * 2 + me) % SLOTS * PAGE;
		char seen[THREADS];

		mprotect(page, PAGE, PROT_READ);
		memcpy(seen, page + 64, THREADS);
		for (j = 0; j < 20; j++)
			if (memcmp(seen, page + 64, THREADS))
				bad++;
		if (i % 3 == 0)
			mmap(page, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		else
			mprotect(page, PAGE, PROT_READ | PROT_WRITE);
		if (i % 16 == 0)
			move_on(i / 16 + me);
	}
	return NULL;
}

void probe_tlb(void)
{
	struct sigaction act = { .sa_handler = on_away, .sa_flags = SA_NODEFER };
	pthread_t users[THREADS], changers[2];
	unsigned long i;

	area = mmap(NULL, SLOTS * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	for (i = 0; i < THREADS; i++)
		pthread_create(&users[i], NULL, touch, (void *)i);
	for (i = 0; i < 2; i++)
		pthread_create(&changers[i], NULL, change, (void *)i);
	for (i = 0; i < 2; i++)
		pthread_join(changers[i], NULL);
	enough = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(users[i], NULL);
	probe_say(!bad, "no write to a read-only page", "%ld", bad);
	probe_say(touched > 0, "pages were in use", "%ld", touched);
}
