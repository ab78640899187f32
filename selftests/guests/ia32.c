// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a 32-bit program
 *
 * Built without a C library (-m32 -nostdlib -static): system calls by INT 80h
 * and by the vDSO (SYSENTER or SYSCALL, what the processor has), a TLS segment in
 * the GDT, segment arithmetic and string instructions, a signal.  Exits with a
 * bit for each thing that went wrong.
 */
#include <asm/ldt.h>
#include <asm/unistd_32.h>
#include <stdint.h>

#define AT_SYSINFO	32
#define SIGUSR1		10

static volatile int handled;
static uint32_t sysinfo;

static long int80(long nr, long a, long b, long c)
{
	long ret;

	asm volatile("int $0x80" : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return ret;
}

static long by_vdso(long nr, long a)
{
	long ret;

	asm volatile("call *%1" : "=a"(ret) : "m"(sysinfo), "a"(nr), "b"(a) : "memory");
	return ret;
}

static void on_signal(int sig)
{
	handled += sig;
}

static int tls(void)
{
	static uint32_t words[4] = { 0x11111111, 0x600dcafe };
	struct user_desc desc = {
		.entry_number = -1, .base_addr = (uint32_t)words, .limit = 0xfff,
		.seg_32bit = 1, .useable = 1,
	};
	uint32_t got, i;

	if (int80(__NR_set_thread_area, (long)&desc, 0, 0))
		return 1;
	asm volatile("mov %0, %%gs" : : "r"(desc.entry_number << 3 | 3));
	for (i = 0; i < 50; i++) {
		int80(__NR_sched_yield, 0, 0, 0);
		asm volatile("mov %%gs:4, %0" : "=r"(got));
		if (got != 0x600dcafe)
			return 1;
	}
	return 0;
}

/* struct old_sigaction */
struct action {
	void (*handler)(int sig);
	unsigned long mask, flags;
	void (*restorer)(void);
};

static int signals(void)
{
	struct action act = { .handler = on_signal };

	if (int80(__NR_sigaction, SIGUSR1, (long)&act, 0))
		return 1;
	int80(__NR_kill, int80(__NR_getpid, 0, 0, 0), SIGUSR1, 0);
	return handled != SIGUSR1;
}

static int strings(void)
{
	static char from[64], to[64];
	char *s = from, *d = to;
	int n = sizeof(from), i, ok;

	for (i = 0; i < n; i++)
		from[i] = i * 3;
	asm volatile("push %%ds\n pop %%es\n cld\n rep movsb"
		     : "+S"(s), "+D"(d), "+c"(n) : : "memory");
	for (i = 0, ok = 1; i < 64; i++)
		ok &= to[i] == (char)(i * 3);
	return !ok;
}

int run(uint32_t *stack);
int run(uint32_t *stack)
{
	uint32_t *p = stack + 1 + stack[0] + 1;
	long pid, bad = 0, i;

	while (*p++)
		;
	for (; p[0]; p += 2)
		if (p[0] == AT_SYSINFO)
			sysinfo = p[1];
	pid = int80(__NR_getpid, 0, 0, 0);
	bad |= (pid <= 1) << 0;
	bad |= !sysinfo << 1;
	for (i = 0; i < 50 && sysinfo; i++)
		bad |= (by_vdso(__NR_getpid, 0) != pid) << 2;
	bad |= tls() << 3;
	bad |= signals() << 4;
	bad |= strings() << 5;
	return bad;
}

asm(".globl _start\n"
	"_start: mov %esp, %eax\n"
	"push %eax\n"
	"call run\n"
	"mov %eax, %ebx\n"
	"mov $1, %eax\n"
	"int $0x80\n");
