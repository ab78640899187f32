// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: segments of 64-bit programs
 *
 * Selectors that a program loads by itself, segments of its own by
 * modify_ldt(), bases of FS and GS, and a walk through compatibility mode.
 */
#include "probe.h"

#include <asm/ldt.h>
#include <asm/prctl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER32_CS	0x23

static uint32_t ldt_word = 0x600dcafe;

static void own_segment(void)
{
	struct user_desc desc = {
		.entry_number = 0, .limit = 0xfff, .seg_32bit = 1, .useable = 1,
	};
	uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t got = 0;
	uint16_t old;
	long err;
	int i;

	low[0] = ldt_word;
	desc.base_addr = (uintptr_t)low;
	err = syscall(SYS_modify_ldt, 1, &desc, sizeof(desc));
	probe_say(!err, "modify_ldt", "%ld", err);
	if (err)
		return;
	/* Loops and system calls with a segment of the LDT loaded. */
	asm volatile("mov %%fs, %0" : "=r"(old));
	for (i = 0; i < 100; i++) {
		uint64_t base;

		asm volatile("rdfsbase %0\n"
			     "mov %3, %%fs\n"
			     "mov $39, %%eax\n"
			     "syscall\n"
			     "mov %%fs:0, %1\n"
			     "mov %2, %%fs\n"
			     "wrfsbase %0\n"
			     : "=&r"(base), "=&r"(got)
			     : "r"(old), "r"(7)
			     : "rax", "rcx", "r11", "memory");
		if (got != ldt_word)
			break;
	}
	probe_say(got == ldt_word, "a segment of the LDT", "%#x, round %d", got, i);
}

static void null_selectors(void)
{
	uint16_t ds = 1, es = 1;

	asm volatile("mov %2, %%ds\n mov %3, %%es\n mov $24, %%eax\n syscall\n"
		     "mov %%ds, %0\n mov %%es, %1\n mov %4, %%ds\n mov %4, %%es"
		     : "=&r"(ds), "=&r"(es) : "r"(0), "r"(0x2b), "r"(0)
		     : "rax", "rcx", "r11", "memory");
	probe_say(ds == 0 && es == 0x2b, "selectors of DS and ES", "%#x %#x", ds, es);
}

static void bases(void)
{
	uint64_t want = 0x7000000000ull, got, other = 0;

	asm volatile("wrgsbase %1\n mov $24, %%eax\n syscall\n rdgsbase %0"
		     : "=&r"(got) : "r"(want) : "rax", "rcx", "r11", "memory");
	syscall(SYS_arch_prctl, ARCH_GET_GS, &other);
	probe_say(got == want && other == want, "GS base", "%#lx %#lx", got, other);
}

/*
 * CS 0x23 and back to 0x33, as 32-bit emulators do.  By a jump: RETF of user code
 * faults under TCG where SMAP is on.
 */
static void compatibility(void)
{
	static const uint8_t code[] = {
		0xb8, 0x14, 0x00, 0x00, 0x00,	/* mov eax, 20 (getpid) */
		0xcd, 0x80,			/* int 0x80 */
		0x0e,				/* push cs */
		0x5b,				/* pop ebx */
		0xea, 0, 0, 0, 0, 0x33, 0x00,	/* jmp far 0x33:back */
		0x41, 0xff, 0xe4,		/* back: jmp r12, in 64-bit mode */
	};
	/* Not on the stack: RSP changes before it is read. */
	static struct { uint32_t eip, cs; } target;
	uint8_t *low = mmap(NULL, 65536, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint32_t back = (uintptr_t)low + 16;
	uint64_t pid = 0, cs = 0;

	target.eip = (uintptr_t)low;
	target.cs = USER32_CS;
	memcpy(low, code, sizeof(code));
	memcpy(low + 10, &back, sizeof(back));
	asm volatile("mov %%rsp, %%r13\n"
		     "lea 1f(%%rip), %%r12\n"
		     "lea 61440(%2), %%rsp\n"
		     "ljmpl *%3\n"
		     "1: mov %%r13, %%rsp\n"
		     : "=&a"(pid), "=&b"(cs) : "r"(low), "m"(target)
		     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		       "memory");
	probe_say((int)pid == getpid() && (cs & 0xffff) == USER32_CS, "32-bit code in between",
		  "%ld %#lx", (long)pid, cs);
}

void probe_segments(void)
{
	own_segment();
	null_selectors();
	bases();
	compatibility();
}
