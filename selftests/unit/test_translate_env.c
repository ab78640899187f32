// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a world for translated code: the hole and the monitor
 *
 * The monitor lives in a signal handler on its own stack.  It takes the
 * registers from the signal frame, does what the engine would do, and puts them
 * back; the end of the guest is a return to env_run() by a longjmp made of
 * registers.
 */
#include <asm/prctl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <ucontext.h>
#include <unistd.h>

#include "test_translate_env.h"

#define X86_TF		0x100ull

struct soft_tc *tc;
struct soft_vdata *vdata;
struct soft_vif *vif;
struct soft_tc_config tc_config;
bool no_expect;
unsigned int fetch_limit;

static struct run *current;
static u64 end_stack;
static u8 *code_end;
static int targets_fd;
static u64 span_at[1024];
static unsigned int nr_spans;
bool no_spans;

/* gregs in the order of ModRM */
static const int greg[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

/* Into the guest with all registers, and back with none but the stack's. */
void env_enter(struct guest *g, u64 *save);
void env_leave(void);
asm(".text\n"
	"env_enter:\n"
	"	push %rbx\n	push %rbp\n	push %r12\n"
	"	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rsi)\n"
	"	pxor %xmm0, %xmm0\n	pxor %xmm1, %xmm1\n	pxor %xmm2, %xmm2\n"
	"	pxor %xmm3, %xmm3\n	pxor %xmm4, %xmm4\n	pxor %xmm5, %xmm5\n"
	"	pxor %xmm6, %xmm6\n	pxor %xmm7, %xmm7\n	pxor %xmm8, %xmm8\n"
	"	pxor %xmm9, %xmm9\n	pxor %xmm10, %xmm10\n	pxor %xmm11, %xmm11\n"
	"	pxor %xmm12, %xmm12\n	pxor %xmm13, %xmm13\n	pxor %xmm14, %xmm14\n"
	"	pxor %xmm15, %xmm15\n"
	"	mov %rdi, %rsp\n"
	"	lea 17*8(%rsp), %rsp\n"
	"	popfq\n"
	"	lea -18*8(%rsp), %rsp\n"
	"	pop %rax\n	pop %rcx\n	pop %rdx\n	pop %rbx\n"
	"	lea 8(%rsp), %rsp\n"
	"	pop %rbp\n	pop %rsi\n	pop %rdi\n"
	"	pop %r8\n	pop %r9\n	pop %r10\n	pop %r11\n"
	"	pop %r12\n	pop %r13\n	pop %r14\n	pop %r15\n"
	"	ud2\n"
	"env_leave:\n"
	"	cld\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbp\n	pop %rbx\n"
	"	ret\n");

/*
 * Translated code has an FS base of its own, and C code has its thread's data there: the
 * handler comes and goes with the right one.  ARCH_SET_FS is 0x1002, arch_prctl() 158.
 */
void env_signal(int sig, siginfo_t *info, void *context);
u64 env_host_fs, env_next_fs;
asm(".text\n"
	"env_signal:\n"
	"	push %rdi\n	push %rsi\n	push %rdx\n"
	"	mov env_host_fs, %rsi\n"
	"	mov $0x1002, %edi\n	mov $158, %eax\n	syscall\n"
	"	pop %rdx\n	pop %rsi\n	pop %rdi\n"
	"	sub $8, %rsp\n"
	"	call env_handler\n"
	"	mov env_next_fs, %rsi\n"
	"	mov $0x1002, %edi\n	mov $158, %eax\n	syscall\n"
	"	add $8, %rsp\n"
	"	ret\n");
static_assert(ARCH_SET_FS == 0x1002 && SYS_arch_prctl == 158);

void *env_map(u64 addr, u64 len)
{
	void *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)addr) {
		perror("mmap");
		exit(1);
	}
	return p;
}

static void get_regs(const ucontext_t *uc, struct guest *g)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		g->gpr[i] = uc->uc_mcontext.gregs[greg[i]];
	g->rip = uc->uc_mcontext.gregs[REG_RIP];
	g->flags = uc->uc_mcontext.gregs[REG_EFL];
}

static void put_regs(ucontext_t *uc, const struct guest *g)
{
	unsigned int i;

	for (i = 0; i < 16; i++)
		uc->uc_mcontext.gregs[greg[i]] = g->gpr[i];
	uc->uc_mcontext.gregs[REG_RIP] = g->rip;
	uc->uc_mcontext.gregs[REG_EFL] = g->flags;
}

void env_unspill(struct guest *g, const struct soft_where *w)
{
	static const u8 reg[SOFT_NR_SPILL] = { 0, 1, 2, 4 };
	unsigned int i;

	for (i = 0; i < SOFT_NR_SPILL; i++)
		if (w->spilled & 1 << i)
			g->gpr[reg[i]] = vdata->spill[i];
	if (w->r11)
		g->gpr[11] = vdata->r11;
}

int env_fetch(void *ctx, u64 gva, u8 *buf, unsigned int len)
{
	if (fetch_limit && gva >> 12 == fetch_limit)
		return 0;
	memcpy(buf, (void *)gva, len);
	return len;
}

static void finish(ucontext_t *uc)
{
	uc->uc_mcontext.gregs[REG_RSP] = end_stack;
	uc->uc_mcontext.gregs[REG_RIP] = (u64)env_leave;
	uc->uc_mcontext.gregs[REG_EFL] = 0x202;
}

/* Go on at a guest RIP: where that is. */
u64 env_place(struct run *run, u64 rip)
{
	u64 va = 0;
	int ret = soft_tc_translate(tc, rip, env_fetch, NULL, &va);

	if (ret == -ENOSPC) {
		soft_tc_flush(tc);
		ret = soft_tc_translate(tc, rip, env_fetch, NULL, &va);
	}
	if (ret) {
		run->problem = "translate";
		return 0;
	}
	return va;
}

/* Few instructions need a monitor here; true: it was done. */
static bool emulate(struct run *run, struct guest *g, const u8 *code)
{
	u64 flags;

	switch (code[0]) {
	case 0x9d:
		memcpy(&flags, (void *)g->gpr[4], 8);
		g->flags = (g->flags & ~GUEST_FLAGS) | (flags & GUEST_FLAGS);
		vif->iff = flags & 0x200;
		g->gpr[4] += 8;
		g->rip += 1;
		return true;
	case 0x0f:
		if (code[1] != 0xa2)
			return false;
		asm("cpuid" : "+a"(g->gpr[0]), "=b"(g->gpr[3]), "+c"(g->gpr[1]),
		    "=d"(g->gpr[2]));
		g->rip += 2;
		return true;
	}
	return false;
}

/* An exit of translated code. Return: false: it is none, or the end. */
static bool monitor(struct run *run, struct guest *g, const struct soft_where *w)
{
	if (w->exit == SOFT_MIDDLE || w->exit == SOFT_BOUNDARY)
		return false;
	env_unspill(g, w);
	switch (w->exit) {
	case SOFT_CHAIN:
		run->chains++;
		g->rip = w->target;
		break;
	case SOFT_MISS:
		run->misses++;
		g->rip = vdata->rip;
		if (!no_expect && soft_tc_expect(tc, g->rip) == -ENOSPC)
			soft_tc_flush(tc);
		break;
	case SOFT_CALLOUT:
		run->callouts++;
		g->rip = w->rip;
		if (!emulate(run, g, (u8 *)w->rip))
			return false;
		break;
	default:
		return false;
	}
	g->rip = env_place(run, g->rip);
	vdata->r11 = g->gpr[11];
	return g->rip;
}

static bool in_cache(u64 va)
{
	return va - HOLE_TC < tc_config.size;
}

static void ended(struct run *run, struct guest *g, int sig, u64 addr)
{
	if (sig != SIGSEGV || *(u8 *)g->rip != 0xf4) {
		run->signal = sig;
		run->fault_addr = addr;
	}
	g->flags &= GUEST_FLAGS;
	run->g = *g;
}

static void note_step(struct run *run, const struct guest *g)
{
	run->guest_steps++;
	run->g = *g;
	run->g.flags &= GUEST_FLAGS;
	if (run->on_step)
		run->on_step(run);
}

static void handle_native(struct run *run, struct guest *g, int sig, ucontext_t *uc)
{
	if (sig == SIGTRAP && run->mode == RUN_NATIVE_STEPS) {
		note_step(run, g);
		/* POPF would end the stepping */
		while (*(u8 *)g->rip == 0x9d) {
			emulate(run, g, (u8 *)g->rip);
			put_regs(uc, g);
			note_step(run, g);
		}
		return;
	}
	ended(run, g, sig, 0);
	finish(uc);
}

static void handle_step(struct run *run, struct guest *g, ucontext_t *uc)
{
	run->host_steps++;
	run->g = *g;
	if (run->on_host_step && run->on_host_step(run, g->rip))
		put_regs(uc, &run->g);
}

static void handle_translated(struct run *run, struct guest *g, int sig,
			      ucontext_t *uc)
{
	struct soft_where w;

	if (sig == SIGTRAP && run->mode == RUN_STEPS) {
		handle_step(run, g, uc);
		return;
	}
	if (soft_tc_where(tc, g->rip, &w)) {
		run->problem = "fault at an address without code";
		finish(uc);
		return;
	}
	/* A branch to where the window ends. */
	if (sig == SIGSEGV && w.exit == SOFT_MIDDLE) {
		vdata->rip = g->gpr[11];
		w.exit = SOFT_MISS;
		w.r11 = true;
		run->strays++;
	}
	if (sig == SIGSEGV && monitor(run, g, &w)) {
		put_regs(uc, g);
		if (run->mode == RUN_STEPS)
			handle_step(run, g, uc);
		return;
	}
	if (w.exit != SOFT_BOUNDARY && w.exit != SOFT_CALLOUT)
		run->problem = "fault in the middle";
	env_unspill(g, &w);
	g->rip = w.rip;
	ended(run, g, sig, 0);
	finish(uc);
}

static void handle(int sig, ucontext_t *uc)
{
	struct run *run = current;
	struct guest g;

	get_regs(uc, &g);
	if (!run) {
		fprintf(stderr, "signal %d at %llx\n", sig, g.rip);
		_exit(1);
	}
	/* the first trap of all: the guest's RIP and RSP have no way in but here */
	if (g.rip == (u64)code_end) {
		g.rip = run->g.rip;
		g.gpr[4] = run->g.gpr[4];
		if (run->mode == RUN_TRANSLATED || run->mode == RUN_STEPS)
			g.rip = env_place(run, g.rip);
		vdata->r11 = g.gpr[11];
		if (run->mode == RUN_NATIVE_STEPS || run->mode == RUN_STEPS)
			g.flags |= X86_TF;
		put_regs(uc, &g);
		if (!g.rip)
			finish(uc);
		if (run->mode == RUN_NATIVE_STEPS)
			note_step(run, &g);
		if (run->mode == RUN_STEPS)
			handle_step(run, &g, uc);
		return;
	}
	if (in_cache(g.rip))
		handle_translated(run, &g, sig, uc);
	else
		handle_native(run, &g, sig, uc);
}

void env_handler(int sig, siginfo_t *info, void *context);
void env_handler(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	handle(sig, uc);
	env_next_fs = in_cache(uc->uc_mcontext.gregs[REG_RIP]) ? HOLE_WINDOW : env_host_fs;
}

static u8 *find_ud2(void)
{
	u8 *p = (u8 *)env_enter;

	while (p[0] != 0x0f || p[1] != 0x0b)
		p++;
	return p;
}

/* Run the guest from run->g until its HLT or its fault. */
void env_run(struct run *run)
{
	struct guest start = run->g;

	run->signal = 0;
	run->problem = NULL;
	start.flags = (start.flags & GUEST_FLAGS) | 0x202;
	current = run;
	env_enter(&start, &end_stack);
	current = NULL;
}

/* Call a C function in the guest; it returns to a HLT. */
u64 env_call(struct run *run, u64 fn, u64 a, u64 b, u64 c)
{
	static u64 stack;
	u8 *end;

	if (!stack) {
		stack = (u64)env_map(0x21000000, 0x100000);
		end = env_map(0x22000000, 0x1000);
		end[0] = 0xf4;
	}
	memset(&run->g, 0, sizeof(run->g));
	run->g.gpr[4] = stack + 0x100000 - 72;
	*(u64 *)run->g.gpr[4] = 0x22000000;
	run->g.gpr[7] = a;
	run->g.gpr[6] = b;
	run->g.gpr[2] = c;
	run->g.rip = fn;
	env_run(run);
	return run->g.gpr[0];
}

static void set_handlers(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP };
	static u8 stack[1 << 18];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction sa = { .sa_sigaction = env_signal,
				.sa_flags = SA_SIGINFO | SA_ONSTACK };
	unsigned int i;

	syscall(SYS_arch_prctl, ARCH_GET_FS, &env_host_fs);
	sigaltstack(&ss, NULL);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

void env_new_cache(u32 tc_size)
{
	unsigned int i;

	free(tc_config.meta);
	tc_config.size = tc_size;
	tc_config.room = tc_size;
	for (i = 0; i < SOFT_TC_NR_RECORDS; i++) {
		free(tc_config.records[i]);
		tc_config.records[i] = malloc(soft_tc_records_size(tc_size, i));
	}
	tc_config.meta = malloc(soft_tc_meta_size(tc_size));
	if (soft_tc_create(&tc_config, &tc)) {
		fprintf(stderr, "soft_tc_create failed\n");
		exit(1);
	}
}

/* A new cache, and nothing but INT3 to translate. */
void env_fresh(u64 code)
{
	env_new_cache(HOLE_TC_SIZE);
	memset((void *)code, 0xcc, 0x4000);
}

/* targets[], once for the monitor and all over the window for the guest. */
static u64 *map_targets(void)
{
	const u64 size = SOFT_TC_TARGETS * sizeof(u64);
	int fd = memfd_create("targets", 0);
	void *own;
	u64 at;

	if (fd < 0 || ftruncate(fd, size)) {
		perror("memfd");
		exit(1);
	}
	own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (at = HOLE_NEAR; at < HOLE_NEAR + HOLE_NEAR_SIZE; at += size)
		if (mmap((void *)at, size, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
			 0) != (void *)at) {
			perror("mmap");
			exit(1);
		}
	targets_fd = fd;
	return own;
}

/* The tables of spans: at their place in the window. */
static u64 *map_span(void *ctx, u64 rip, bool *fresh)
{
	u64 at = HOLE_NEAR + 8 * (rip & ~(u64)(SOFT_TC_SPAN - 1));
	unsigned int i;

	*fresh = false;
	for (i = 0; i < nr_spans; i++)
		if (span_at[i] == at)
			return (u64 *)at;
	if (no_spans || nr_spans == ARRAY_SIZE(span_at) ||
	    at - HOLE_NEAR >= HOLE_NEAR_SIZE)
		return NULL;
	if (mmap((void *)at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != (void *)at) {
		perror("mmap");
		exit(1);
	}
	span_at[nr_spans++] = at;
	*fresh = true;
	return (u64 *)at;
}

static void unmap_spans(void *ctx)
{
	const u64 size = SOFT_TC_TARGETS * sizeof(u64);

	while (nr_spans) {
		u64 at = span_at[--nr_spans];

		if (mmap((void *)at, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, targets_fd,
			 at & (size - 1)) != (void *)at) {
			perror("mmap");
			exit(1);
		}
	}
}

void env_init(u32 tc_size)
{
	vdata = env_map(HOLE_VDATA, 0x1000);
	vif = env_map(HOLE_VIF, 0x1000);
	vif->iff = 0x200;
	code_end = find_ud2();
	tc_config = (struct soft_tc_config){
		.buf = env_map(HOLE_TC, HOLE_TC_SIZE),
		.va = HOLE_TC,
		.vdata_va = HOLE_VDATA,
		.vif_va = HOLE_VIF,
		.targets = map_targets(),
		.window_va = HOLE_WINDOW,
		.span = map_span,
		.unspan = unmap_spans,
		.rdtsc = true,
		.rdtscp = true,
		.rdpid = true,
		.serialize = true,
	};
	env_new_cache(tc_size);
	set_handlers();
}

struct soft_tc_stats env_stats(void)
{
	struct soft_tc_stats s;

	soft_tc_stats(tc, &s);
	return s;
}
