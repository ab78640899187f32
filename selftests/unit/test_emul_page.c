// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one vector instruction in a page of code
 *
 * See test_emul_page.h.
 */
#include "test_emul_page.h"

#include <asm/processor-flags.h>
#include <cpuid.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "ktap.h"
#include "emul_internal.h"
#include "xorshift.h"

#define CODE_AT		0x1000
#define DATA_END	0x4000
#define DATA_AT		(DATA_END - PAGE_DATA_SIZE)
#define SHOWN		20
#define FX_MXCSR	24
#define EMUL_XM		19

static u64 rng_state;
static u8 *page, *behind, *code_mem, *data_mem;
static volatile sig_atomic_t running, caught;
static const u8 *current;
static unsigned int current_len;

u64 page_rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

u64 page_below(u64 n)
{
	return page_rng() % n;
}

u8 *page_memory(struct page_test *t)
{
	return data_mem;
}

static void show(const char *what, const u8 *insn, unsigned int len)
{
	unsigned int i;

	printf("# %s:", what);
	for (i = 0; i < len; i++)
		printf(" %02x", insn[i]);
	printf("\n");
}

/* What the instruction left is stored by the rest of the page. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	/* A stub of the emulator must not fault. */
	if (!running) {
		show("a stub faults", current, current_len);
		fflush(stdout);
		_exit(1);
	}
	/* Not one of the instruction's: the page itself is wrong. */
	if (caught)
		_exit(2);
	caught = sig;
	uc->uc_mcontext.gregs[REG_RIP] = (u64)behind;
}

/* Floats and doubles of all kinds, masks, short texts, noise. */
static void random_bytes(u8 *mem, unsigned int len)
{
	static const float floats[] = { 0.0f, -1.5f, 1e-40f, 3e38f, 7.0f, -0.0f, 1e20f, -2e9f };
	unsigned int i;

	for (i = 0; i < len; i += 8) {
		u64 val = page_rng();

		if (!page_below(3))
			val = 0;
		if (!page_below(4))
			val = page_rng() & 0x0303030303030303ull;
		if (!page_below(3))
			memcpy(&val, &floats[page_below(8)], 4);
		if (!page_below(3))
			memcpy((u8 *)&val + 4, &floats[page_below(8)], 4);
		memcpy(mem + i, &val, 8);
	}
}

static void emit(u8 **at, const void *bytes, unsigned int len)
{
	memcpy(*at, bytes, len);
	*at += len;
}

/* ModRM for @reg and [RBP + @offset], and the offset */
static void emit_operand(u8 **at, unsigned int reg, u32 offset)
{
	u8 modrm = 0x85 | (reg & 7) << 3;

	emit(at, &modrm, 1);
	emit(at, &offset, 4);
}

/* VMOVDQU or VMOVDQU64; @op 6f loads, 7f stores. */
static void emit_vector(const struct page_test *t, u8 **at, u8 op, unsigned int n)
{
	const u8 vex[] = { 0xc4, n & 8 ? 0x61 : 0xe1, 0x7e, op };
	const u8 evex[] = { 0x62, 0x61 | (n & 8 ? 0 : 0x80) | (n & 16 ? 0 : 0x10), 0xfe, 0x48, op };

	if (t->avx512)
		emit(at, evex, sizeof(evex));
	else
		emit(at, vex, sizeof(vex));
	emit_operand(at, n, offsetof(struct page_regs, vec) + 64 * n);
}

/* KMOVQ; @op 90 loads, 91 stores. */
static void emit_mask(u8 **at, u8 op, unsigned int n)
{
	const u8 insn[] = { 0xc4, 0xe1, 0xf8, op };

	emit(at, insn, sizeof(insn));
	emit_operand(at, n, offsetof(struct page_regs, mask) + 8 * n);
}

/* @op 8b loads, 89 stores. */
static void emit_gpr(u8 **at, u8 op, unsigned int n)
{
	const u8 insn[] = { 0x48, op };

	emit(at, insn, sizeof(insn));
	emit_operand(at, n, offsetof(struct page_regs, gpr) + 8 * n);
}

static void emit_state(const struct page_test *t, u8 **at, bool store)
{
	unsigned int n;

	for (n = 0; n < 4 && store; n++)
		emit_gpr(at, 0x89, n);
	for (n = 0; n < (t->avx512 ? 32 : 16); n++)
		emit_vector(t, at, store ? 0x7f : 0x6f, n);
	for (n = 0; n < 8 && t->avx512; n++)
		emit_mask(at, store ? 0x91 : 0x90, n);
	if (store) {
		emit(at, (const u8[]){ 0x9c, 0x8f }, 2);		/* pushfq; pop */
		emit_operand(at, 0, offsetof(struct page_regs, flags));
		return;
	}
	emit(at, (const u8[]){ 0xff }, 1);				/* push */
	emit_operand(at, 6, offsetof(struct page_regs, flags));
	emit(at, (const u8[]){ 0x9d }, 1);				/* popfq */
	for (n = 0; n < 4; n++)
		emit_gpr(at, 0x8b, n);
}

/* RBP: struct page_regs; RSI, RDI: operand */
static void put_code(const struct page_test *t, const u8 *insn, unsigned int len)
{
	/* push rbx; push rbp; mov rbp, rdi; mov rdi, rsi; fxrstor */
	static const u8 enter[] = { 0x53, 0x55, 0x48, 0x89, 0xfd, 0x48, 0x89, 0xf7, 0x0f, 0xae };
	/* fninit; vzeroupper; pop rbp; pop rbx; ret */
	static const u8 leave[] = { 0xdb, 0xe3, 0xc5, 0xf8, 0x77, 0x5d, 0x5b, 0xc3 };
	u8 *at = page;

	emit(&at, enter, sizeof(enter));
	emit_operand(&at, 1, offsetof(struct page_regs, fx));
	emit_state(t, &at, false);
	emit(&at, insn, len);
	behind = at;
	emit_state(t, &at, true);
	emit(&at, (const u8[]){ 0x0f, 0xae }, 2);			/* fxsave */
	emit_operand(&at, 0, offsetof(struct page_regs, fx));
	emit(&at, leave, sizeof(leave));
}

static int run_native(struct page_test *t)
{
	static const u32 mxcsr = 0x1f80;

	caught = 0;
	running = true;
	((void (*)(struct page_regs *, u8 *))page)(&t->cpu, t->data + t->operand);
	running = false;
	asm volatile("ldmxcsr %0" : : "m" (mxcsr));
	return caught;
}

/* What this processor takes in MXCSR (SDM Vol. 1, 11.6.6). */
static u32 mxcsr_mask(void)
{
	static u8 fx[512] __aligned(16);
	u32 mask;

	asm volatile("fxsave %0" : "=m" (fx));
	memcpy(&mask, fx + 28, 4);
	return mask;
}

/* MXCSR, and MMX registers under any x87 tags and top of stack */
static void fill_fx(struct page_test *t)
{
	u32 mxcsr = 0x1f80 | page_below(4) << 13 | page_below(64), mask = mxcsr_mask();
	u16 fcw = 0x37f, fsw = page_below(8) << 11;
	u8 *fx = t->cpu.fx;
	unsigned int n;

	if (!page_below(8))
		mxcsr |= 0x8040;
	if (!page_below(4))
		mxcsr |= mask & 1 << 17;
	if (t->unmask && !page_below(4))
		mxcsr &= ~(page_below(64) << 7);
	memset(fx, 0, 512);
	memcpy(fx, &fcw, 2);
	memcpy(fx + 2, &fsw, 2);
	fx[4] = page_rng();
	memcpy(fx + FX_MXCSR, &mxcsr, 4);
	memcpy(fx + 28, &mask, 4);
	for (n = 0; n < 8; n++)
		random_bytes(fx + 32 + 16 * n, 8);
	memcpy(t->v.fx, fx, 512);
}

static u8 *mask_image(struct page_test *t)
{
	return t->v.ximage + t->v.xcomponent[5].offset;
}

static void fill(struct page_test *t)
{
	unsigned int n;

	memset(t->v.vec, 0, sizeof(t->v.vec));
	memset(&t->cpu, 0, sizeof(t->cpu));
	for (n = 0; n < (t->avx512 ? 32 : 16); n++)
		random_bytes(t->cpu.vec[n], t->avx512 ? 64 : 32);
	for (n = 0; n < 8 && t->avx512; n++)
		t->cpu.mask[n] = page_below(4) ? page_rng() : 0;
	for (n = 0; n < 4; n++)
		t->cpu.gpr[n] = page_below(2) ? page_rng() : page_below(40) - 20;
	fill_fx(t);
	random_bytes(t->data, PAGE_DATA_SIZE);
	/* Most instructions want no alignment; some end where memory does. */
	t->operand = page_below(4) ? PAGE_OPERAND : 5;
	/* Of an operand that need not be aligned some instructions read half. */
	if (!page_below(8) && !(t->cpu.fx[FX_MXCSR + 2] & 2))
		t->operand = PAGE_DATA_SIZE - page_below(64) - 1;
	t->cpu.flags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (page_rng() & EMUL_FLAGS_STATUS);
	if (t->prepare)
		t->prepare(t);
	t->v.regs.rip = CODE_AT;
	t->v.regs.rflags = t->cpu.flags & ~X86_EFLAGS_IF;
	t->v.regs.gpr[UMBRA_RSI] = DATA_AT + t->operand;
	t->v.regs.gpr[UMBRA_RDI] = DATA_AT + t->operand;
	memcpy(t->v.vec, t->cpu.vec, sizeof(t->v.vec));
	memcpy(mask_image(t), t->cpu.mask, sizeof(t->cpu.mask));
	memcpy(t->v.regs.gpr, t->cpu.gpr, sizeof(t->cpu.gpr));
	memcpy(data_mem, t->data, PAGE_DATA_SIZE);
}

static const char *compare_fx(const struct page_test *t)
{
	const u8 *a = t->v.fx, *b = t->cpu.fx;
	unsigned int n;

	if (memcmp(a + FX_MXCSR, b + FX_MXCSR, 4))
		return "MXCSR";
	if (memcmp(a, b, 5))
		return "x87 control";
	for (n = 0; n < 8; n++)
		if (memcmp(a + 32 + 16 * n, b + 32 + 16 * n, 10))
			return "MMX registers";
	return NULL;
}

static const char *compare(struct page_test *t)
{
	unsigned int n;

	for (n = 0; n < 32; n++) {
		if (memcmp(t->v.vec[n], t->cpu.vec[n], t->avx512 ? 64 : 32))
			return "registers";
		if (!t->avx512 && memcmp(t->v.vec[n] + 32, t->cpu.vec[n] + 32, 32))
			return "above the register";
	}
	if (memcmp(mask_image(t), t->cpu.mask, sizeof(t->cpu.mask)))
		return "opmask registers";
	for (n = 0; n < 4; n++)
		if (t->v.regs.gpr[n] != t->cpu.gpr[n])
			return "general registers";
	if (memcmp(data_mem, t->data, PAGE_DATA_SIZE))
		return "memory";
	if ((t->v.regs.rflags ^ t->cpu.flags) & EMUL_FLAGS_STATUS)
		return "flags";
	return compare_fx(t);
}

static int signal_of(u8 vector)
{
	switch (vector) {
	case EMUL_UD:
		return SIGILL;
	case EMUL_XM:
	case EMUL_MF:
		return SIGFPE;
	}
	return SIGSEGV;
}

/*
 * With an overflow or underflow that is not masked, PE is about a result of unbounded
 * exponent, which the emulator does not see.
 */
static void settle_precision(struct page_test *t)
{
	u32 ours, theirs;

	memcpy(&ours, t->v.fx + FX_MXCSR, 4);
	memcpy(&theirs, t->cpu.fx + FX_MXCSR, 4);
	if ((ours ^ theirs) == 0x20 && theirs & ~(theirs >> 7) & 0x18)
		memcpy(t->v.fx + FX_MXCSR, &theirs, 4);
}

/* VMCALL and its like have no VEX forms; everything else may be tried here. */
void page_one(struct page_test *t, const u8 *insn, unsigned int len, struct page_count *c)
{
	const char *why = NULL;
	struct emul_insn in;
	int ret, sig;

	if (emul_decode(&in, insn, len, 64, 0) || in.len != len)
		return;
	fill(t);
	current = insn;
	current_len = len;
	memcpy(code_mem, insn, len);
	ret = umbra_emulate(&t->v.e);
	put_code(t, insn, len);
	sig = run_native(t);
	if (ret == UMBRA_EMUL_UNHANDLED) {
		if (!sig && (!c->missing++ || getenv("VERBOSE")))
			show(t->v.e.reason, insn, len);
		return;
	}
	if (ret == UMBRA_EMUL_FAULT) {
		c->absent++;
		settle_precision(t);
		/* Which of two faults comes first is the processor's choice. */
		if (t->v.e.fault.vector == EMUL_XM && sig == SIGSEGV && in.mod != 3)
			return;
		if (sig != signal_of(t->v.e.fault.vector))
			why = sig ? "another fault" : "a fault here only";
		else if (compare(t))
			why = compare(t);
	} else {
		c->run++;
		why = ret != UMBRA_EMUL_OK ? "an odd end" : sig ? "a fault there only" : compare(t);
	}
	if (why && c->wrong++ < SHOWN) {
		show(why, insn, len);
		printf("# MXCSR %08x, there %08x\n", *(u32 *)(t->v.fx + FX_MXCSR),
		       *(u32 *)(t->cpu.fx + FX_MXCSR));
	}
}

/* Does the processor do @insn, whatever CPUID says? */
static bool runs(const u8 *insn, unsigned int len)
{
	u8 *at = page;

	emit(&at, insn, len);
	behind = at;
	emit(&at, (const u8[]){ 0xc3 }, 1);
	caught = 0;
	running = true;
	((void (*)(void))page)();
	running = false;
	return !caught;
}

/**
 * page_features() - what the emulator may offer on this processor
 */
u64 page_features(void)
{
	u64 features = env_host_features();
	u32 a, b = 0, c, d;

	__get_cpuid(0, &a, &b, &c, &d);
	if (b != signature_AMD_ebx)
		features &= ~UMBRA_EMUL_F_AMD;
	if (!runs((const u8[]){ 0x66, 0x0f, 0x79, 0xc1 }, 4))
		features &= ~UMBRA_EMUL_F_SSE4A;
	return features;
}

static void set_signals(void)
{
	static const int signals[] = { SIGILL, SIGSEGV, SIGBUS, SIGFPE };
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);
}

void page_setup(struct page_test *t, u64 seed)
{
	int rwx = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	u8 *data;

	rng_state = seed;
	t->avx512 = env_host_features() & UMBRA_EMUL_F_AVX512;
	env_init(&t->v);
	code_mem = env_map(&t->v, CODE_AT, 4096);
	data_mem = env_map(&t->v, DATA_AT, PAGE_DATA_SIZE);
	env_flat64(&t->v, 3);
	t->v.regs.cr4 |= X86_CR4_OSXSAVE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	t->v.regs.xcr0 = t->avx512 ? 0xe7 : 7;
	t->v.xfeatures = t->v.regs.xcr0;
	t->v.xcomponent[5] = (struct umbra_xcomponent){ .offset = 1088, .size = 64 };
	page = mmap(NULL, 4096, rwx, flags, -1, 0);
	data = mmap(NULL, 8192, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (page == MAP_FAILED || data == MAP_FAILED || mprotect(data + 4096, 4096, PROT_NONE))
		ktap_bail("no page of code or data");
	t->data = data + 4096 - PAGE_DATA_SIZE;
	set_signals();
	t->v.e.features = page_features();
	if (!t->avx512)
		t->v.e.features &= ~UMBRA_EMUL_F_AVX512;
}

void page_cleanup(struct page_test *t)
{
	munmap(page, 4096);
	env_init(&t->v);
}

bool page_has_imm(unsigned int map, u8 op)
{
	return map == 3 || (map == 1 && ((op >= 0x70 && op <= 0x73) || op == 0xc2 ||
					 (op >= 0xc4 && op <= 0xc6)));
}

struct page_count page_map(unsigned int map, unsigned long rounds,
			   bool (*wanted)(unsigned int map, u8 op),
			   void (*opcode)(unsigned int map, u8 op, struct page_count *c))
{
	struct page_count sum = { 0 };
	unsigned long n;
	unsigned int op;

	for (n = 0; n < rounds; n++)
		for (op = 0; op < 256; op++)
			if (wanted(map, op))
				opcode(map, op, &sum);
	return sum;
}
