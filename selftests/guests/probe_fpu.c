// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the FPU of many tasks
 *
 * Tasks with different values in x87, SSE and AVX registers take turns on few
 * processors, receive signals whose handlers use the registers too, and sleep.
 * Each finds its own values again.
 */
#include "probe.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TASKS	6
#define ROUNDS	60

struct state {
	uint8_t ymm[16][32];
	uint8_t x87[8][16];
	uint32_t mxcsr;
	uint16_t control;
};

#define EACH(op, n)	op(n, 0) op(n, 1) op(n, 2) op(n, 3) op(n, 4) op(n, 5) op(n, 6)		\
			op(n, 7) op(n, 8) op(n, 9) op(n, 10) op(n, 11) op(n, 12) op(n, 13)	\
			op(n, 14) op(n, 15)
#define LOAD_Y(n, i)	"vmovdqu " #i "*32(%[s]), %%ymm" #i "\n"
#define SAVE_Y(n, i)	"vmovdqu %%ymm" #i ", " #i "*32(%[d])\n"
#define LOAD_X(n, i)	"movdqu " #i "*32(%[s]), %%xmm" #i "\n"
#define SAVE_X(n, i)	"movdqu %%xmm" #i ", " #i "*32(%[d])\n"

/* Load the registers, let others run (SYSCALL @nr), store what is there then. */
#define HOLD(load, save)								\
	asm volatile("fninit\n fldcw %[cw]\n fldt (%[x])\n fldt 16(%[x])\n"		\
		     "ldmxcsr %[mx]\n" EACH(load, 0)					\
		     "mov %[nr], %%eax\n syscall\n"					\
		     "1: dec %[spin]\n jnz 1b\n"					\
		     EACH(save, 0) "stmxcsr %[mo]\n fnstcw %[co]\n"			\
		     "fstpt 16(%[y])\n fstpt (%[y])\n fninit\n"				\
		     : [mo] "=m"(out->mxcsr), [co] "=m"(out->control), [spin] "+r"(spin) \
		     : [s] "r"(in->ymm), [d] "r"(out->ymm), [x] "r"(in->x87),		\
		       [y] "r"(out->x87), [mx] "m"(in->mxcsr), [cw] "m"(in->control),	\
		       [nr] "i"(24)							\
		     : "rax", "rcx", "r11", "memory", "st", "st(1)",			\
		       "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",	\
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15")

static volatile sig_atomic_t handled;

static void hold(const struct state *in, struct state *out, bool avx, long spin)
{
	if (avx)
		HOLD(LOAD_Y, SAVE_Y);
	else
		HOLD(LOAD_X, SAVE_X);
}

static void fill(struct state *s, uint64_t seed, bool avx)
{
	long double a = seed * 1.5L + 1, b = -3.0L * seed - 2;
	unsigned int i, j;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < 16; i++)
		for (j = 0; j < (avx ? 32 : 16); j++)
			s->ymm[i][j] = seed * 31 + i * 7 + j;
	memcpy(s->x87[0], &a, 10);
	memcpy(s->x87[1], &b, 10);
	s->mxcsr = 0x1f80 | (seed & 3) << 13;
	s->control = 0x37f | (seed & 3) << 10;
}

static void on_signal(int sig)
{
	struct state s, t;

	(void)sig;
	fill(&s, 1000 + handled, false);
	memset(&t, 0, sizeof(t));
	hold(&s, &t, false, 1);
	handled++;
}

static int task(uint64_t seed, bool avx)
{
	struct state in, out;
	int i, bad = 0;

	for (i = 0; i < ROUNDS; i++) {
		fill(&in, seed + i * TASKS, avx);
		memset(&out, 0, sizeof(out));
		if (i % 8 == 0)
			alarm(0), raise(SIGUSR2);
		hold(&in, &out, avx, 20000);
		bad += !!memcmp(&in, &out, sizeof(in));
	}
	return bad;
}

static void *thread(void *arg)
{
	return (void *)(long)task((unsigned long)arg, __builtin_cpu_supports("avx"));
}

/* Another one's signals arrive in the middle of hold(). */
static void *pester(void *arg)
{
	pthread_t *threads = arg;
	int i;

	for (i = 0; i < 200; i++) {
		pthread_kill(threads[i % TASKS], SIGUSR2);
		usleep(2000);
	}
	return NULL;
}

void probe_fpu(void)
{
	struct sigaction act = { .sa_handler = on_signal };
	pthread_t threads[TASKS], other;
	long bad = 0, one;
	unsigned long i;
	int status;
	void *ret;

	sigaction(SIGUSR2, &act, NULL);
	for (i = 0; i < 3; i++)
		if (!fork())
			_exit(!!task(50 + i, i & 1 && __builtin_cpu_supports("avx")));
	for (i = 0; i < TASKS; i++)
		pthread_create(&threads[i], NULL, thread, (void *)(i + 1));
	pthread_create(&other, NULL, pester, threads);
	pthread_join(other, NULL);
	for (i = 0; i < TASKS; i++) {
		pthread_join(threads[i], &ret);
		one = (long)ret;
		bad += one;
	}
	probe_say(!bad, "registers of threads", "%ld of %d", bad, TASKS * ROUNDS);
	for (i = 0, bad = 0; i < 3; i++) {
		wait(&status);
		bad += !!status;
	}
	probe_say(!bad, "registers of processes", "%ld of 3", bad);
	probe_say(handled > 0, "handlers ran in between", "%d", (int)handled);
	probe_say(__builtin_cpu_supports("avx2"), "AVX2 is there", "CPUID says no");
}
