// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ptrace
 *
 * What a debugger in the guest does to a process: single steps, breakpoints by
 * INT3, breakpoints and watchpoints by debug registers, registers changed.
 */
#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long watched;

/* Thirteen steps from traced_from to traced_to. */
asm(".text\n.globl traced_from, traced_to\n"
	"traced:\n"
	"int3\n"
	"traced_from:\n"
	"mov $5, %eax\n"
	"1: dec %eax\n"
	"jnz 1b\n"
	"pushf\n"
	"pop %rcx\n"
	"traced_to:\n"
	"nop\n"
	"mov %rdi, (%rsi)\n"
	"ret\n");
extern char traced_from[], traced_to[];
void traced(long value, volatile long *to);

static int wait_stop(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSTOPPED(status) ? WSTOPSIG(status) : status;
}

static uint64_t rip(pid_t pid)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user_regs_struct, rip), 0);
}

static pid_t start(void)
{
	pid_t pid = fork();

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		traced(0x1234, &watched);
		_exit(watched == 0x1234 ? 7 : 8);
	}
	return pid;
}

static void single_step(void)
{
	struct user_regs_struct regs;
	pid_t pid = start();
	int steps = 0, status;

	if (wait_stop(pid) != SIGTRAP || rip(pid) != (uint64_t)traced_from) {
		probe_say(false, "INT3 stops", "at %#lx", rip(pid));
		return;
	}
	while (rip(pid) != (uint64_t)traced_to && steps < 100) {
		ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
		if (wait_stop(pid) != SIGTRAP)
			break;
		steps++;
	}
	/* mov, five times dec and jnz, pushf, pop */
	probe_say(steps == 13, "single steps", "%d", steps);
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	probe_say(regs.rcx & 0x100, "PUSHF shows the trap flag", "%#llx", regs.rcx);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	probe_say(WIFEXITED(status) && WEXITSTATUS(status) == 7, "and it goes on", "%#x", status);
}

static void breakpoint(void)
{
	pid_t pid = start();
	long text;
	int status;

	wait_stop(pid);
	text = ptrace(PTRACE_PEEKTEXT, pid, traced_to, 0);
	ptrace(PTRACE_POKETEXT, pid, traced_to, (text & ~0xffl) | 0xcc);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	probe_say(status == SIGTRAP && rip(pid) == (uint64_t)traced_to + 1, "a breakpoint in code",
		  "%#x at %#lx", status, rip(pid));
	ptrace(PTRACE_POKETEXT, pid, traced_to, text);
	ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rip), traced_to);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	probe_say(WIFEXITED(status) && WEXITSTATUS(status) == 7, "taken away again", "%#x", status);
}

static long set_dr(pid_t pid, int n, unsigned long val)
{
	return ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[n]), val);
}

static void debug_registers(void)
{
	pid_t pid = start();
	unsigned long dr6;
	long err;
	int status;

	wait_stop(pid);
	/* 0: execution; 1: a write of 8 bytes */
	err = set_dr(pid, 0, (unsigned long)traced_to) | set_dr(pid, 1, (unsigned long)&watched);
	err |= set_dr(pid, 7, 1 << 0 | 1 << 2 | 1 << 20 | 2 << 22);
	probe_say(!err, "debug registers are taken", "errno %d", errno);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	probe_say(status == SIGTRAP && rip(pid) == (uint64_t)traced_to, "a breakpoint register",
		  "%#x at %#lx", status, rip(pid));
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	dr6 = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[6]), 0);
	probe_say(status == SIGTRAP && (dr6 & 0xf) == 2 && rip(pid) == (uint64_t)traced_to + 4,
		  "a watchpoint register", "%#x at %#lx, DR6 %#lx", status, rip(pid), dr6);
	ptrace(PTRACE_CONT, pid, 0, 0);
	status = wait_stop(pid);
	probe_say(WIFEXITED(status) && WEXITSTATUS(status) == 7, "and it ends as if nothing was",
		  "%#x", status);
}

void probe_trace(bool watch)
{
	if (watch) {
		debug_registers();
		return;
	}
	single_step();
	breakpoint();
}
