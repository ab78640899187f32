// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: XSAVE against the processor
 *
 * XSAVE, XSAVEOPT, XSAVEC and XRSTOR with random state, masks and areas: the
 * emulator against the same instruction here, which has to leave the same memory
 * and the same state, or to fault as well.  What a processor may decide for itself
 * is left out: whether a component in its initial configuration is in use.
 *
 *   test_emul_xsave [ROUNDS [SEED]]
 */
#include <asm/processor-flags.h>
#include <cpuid.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_env.h"
#include "xorshift.h"

#define CODE_AT		0x1000
#define AREA_AT		0x4000
#define AREA_SIZE	4096
#define LEGACY		0x3ull	/* components of the legacy area */
#define BV_AT		512

enum op { XSAVE, XSAVEOPT, XSAVEC, XRSTOR, OPS };

static const struct { const char *name; u8 insn[4]; } ops[OPS] = {
	{ "XSAVE", { 0x48, 0x0f, 0xae, 0x26 } },	/* all at [RSI] */
	{ "XSAVEOPT", { 0x48, 0x0f, 0xae, 0x36 } },
	{ "XSAVEC", { 0x48, 0x0f, 0xc7, 0x26 } },
	{ "XRSTOR", { 0x48, 0x0f, 0xae, 0x2e } },
};

static u8 own[AREA_SIZE] __aligned(64), state[AREA_SIZE] __aligned(64);
static u8 area[AREA_SIZE] __aligned(64), result[AREA_SIZE] __aligned(64);
static u64 features, rng_state;
static u8 *area_mem;
static struct env v;
static sigjmp_buf faulted;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static u64 below(u64 n)
{
	return rng() % n;
}

static u64 fault_addr;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	fault_addr = (uintptr_t)info->si_addr;
	siglongjmp(faulted, 1);
}

static void noise(u8 *mem, unsigned int len)
{
	while (len--)
		*mem++ = rng();
}

/* Any component may be random or initial. */
static void random_state(u8 *image)
{
	u32 mxcsr = below(2) ? 0x1f80 : rng() & 0xffbf;
	u16 fcw = 0x37f;
	unsigned int i;

	memset(image, 0, AREA_SIZE);
	if (below(2)) {
		noise(image + 32, 128);
		for (i = 0; i < 8; i++)
			memset(image + 32 + 16 * i + 10, 0, 6);
		fcw = (rng() & 0xf00) | 0x7f;
		image[4] = rng();
	}
	memcpy(image, &fcw, 2);
	memcpy(image + 24, &mxcsr, 4);
	memcpy(image + 28, &v.mxcsr_mask, 4);
	if (below(2))
		noise(image + 160, 256);
	for (i = 2; i < 63; i++)
		if (features >> i & 1 && below(2))
			noise(image + v.xcomponent[i].offset, v.xcomponent[i].size);
	memcpy(image + BV_AT, &features, 8);
}

/* Between two states of the test's own; the compiler knows of none of it. */
static bool run_native(enum op op, u64 rfbm)
{
	u32 lo = rfbm, hi = rfbm >> 32;
	bool good = false;

	asm volatile("xsave64 %0" : "+m" (own) : "a" (-1), "d" (-1) : "memory");
	if (!sigsetjmp(faulted, 1)) {
		asm volatile("xrstor64 %0" : : "m" (state), "a" (-1), "d" (-1) : "memory");
		switch (op) {
		case XSAVE:
			asm volatile("xsave64 %0" : "+m" (area) : "a" (lo), "d" (hi) : "memory");
			break;
		case XSAVEOPT:
			asm volatile("xsaveopt64 %0" : "+m" (area) : "a" (lo), "d" (hi) : "memory");
			break;
		case XSAVEC:
			asm volatile("xsavec64 %0" : "+m" (area) : "a" (lo), "d" (hi) : "memory");
			break;
		default:
			asm volatile("xrstor64 %0" : : "m" (area), "a" (lo), "d" (hi) : "memory");
			break;
		}
		asm volatile("xsave64 %0" : "+m" (result) : "a" (-1), "d" (-1) : "memory");
		good = true;
	}
	asm volatile("xrstor64 %0" : : "m" (own), "a" (-1), "d" (-1) : "memory");
	return good;
}

static u64 get64(const u8 *mem, unsigned int at)
{
	u64 val;

	memcpy(&val, mem + at, 8);
	return val;
}

static void put64(u8 *mem, unsigned int at, u64 val)
{
	memcpy(mem + at, &val, 8);
}

/* What XRSTOR meets: an area as one of the others leaves it, sometimes broken. */
static void random_area(u8 *mem)
{
	u64 comp = rng() & features;
	unsigned int i;

	random_state(mem);
	put64(mem, BV_AT, rng() & features);
	if (below(2)) {
		put64(mem, BV_AT + 8, comp | 1ull << 63);
		put64(mem, BV_AT, rng() & comp);
		noise(mem + 576, AREA_SIZE - 576);
	}
	if (!below(8))
		mem[BV_AT + below(64)] = 1 << below(8);
	if (!below(16))
		mem[26] = 1;	/* a reserved bit of MXCSR */
	for (i = 0; i < 8; i++)
		memset(mem + 32 + 16 * i + 10, 0, 6);
}

static bool initial(const u8 *image, unsigned int i)
{
	static const u8 zeros[4096];
	u8 x87[160];

	if (i == 1)
		return !memcmp(image + 160, zeros, 256);
	if (i)
		return !memcmp(image + v.xcomponent[i].offset, zeros, v.xcomponent[i].size);
	memcpy(x87, image, 160);
	memset(x87 + 24, 0, 8);
	return x87[0] == 0x7f && x87[1] == 3 && !memcmp(x87 + 2, zeros, 158);
}

/* Pointers of the last x87 instruction: processors differ. */
static void forget_pointers(u8 *mem)
{
	memset(mem + 6, 0, 18);
}

static unsigned int place(unsigned int i, u64 comp)
{
	unsigned int at = 576, n;

	if (!(comp >> 63))
		return v.xcomponent[i].offset;
	for (n = 2; n <= i; n++) {
		if (!(comp >> n & 1))
			continue;
		if (v.xcomponent[n].aligned)
			at = (at + 63) & ~63u;
		at += n < i ? v.xcomponent[n].size : 0;
	}
	return at;
}

/* Make the two areas alike where a component is initial. */
static void forget_initial(u8 *mem, u64 rfbm, u64 comp)
{
	u64 bv = get64(mem, BV_AT);
	unsigned int i;

	for (i = 0; i < 63; i++) {
		if (!((rfbm & features) >> i & 1) || !initial(state, i))
			continue;
		bv &= ~BIT_ULL(i);
		if (i > 1)
			memset(mem + place(i, comp), 0, v.xcomponent[i].size);
		else if (i)
			memset(mem + 160, 0, 256);
		else
			memset(mem + 32, 0, 128);
		if (!i)
			memset(mem, 0, 24);
		if (i == 1 && comp)
			memset(mem + 24, 0, 8);
	}
	put64(mem, BV_AT, bv);
}

static const char *compare_areas(u64 rfbm)
{
	u64 comp = get64(area, BV_AT + 8);

	/* Of XSAVE and XSAVEOPT nobody writes this; it is noise then. */
	if (comp != ((rfbm & features) | 1ull << 63))
		comp = 0;
	forget_pointers(area);
	forget_pointers(area_mem);
	forget_initial(area, rfbm, comp);
	forget_initial(area_mem, rfbm, comp);
	return memcmp(area, area_mem, AREA_SIZE) ? "memory" : NULL;
}

static const char *compare_states(void)
{
	unsigned int i;

	if (memcmp(v.ximage + 24, result + 24, 4))
		return "MXCSR";
	forget_pointers(v.ximage);
	forget_pointers(result);
	if (memcmp(v.ximage, result, 24) || memcmp(v.ximage + 32, result + 32, 128))
		return "x87 state";
	if (memcmp(v.ximage + 160, result + 160, 256))
		return "XMM state";
	for (i = 2; i < 63; i++)
		if (features >> i & 1 &&
		    memcmp(v.ximage + v.xcomponent[i].offset, result + v.xcomponent[i].offset,
			   v.xcomponent[i].size))
			return "state of another component";
	return NULL;
}

static const char *one(enum op op)
{
	u64 rfbm = below(4) ? rng() : ~0ull;
	bool good;
	int ret;

	random_state(state);
	if (op == XRSTOR)
		random_area(area);
	else
		noise(area, AREA_SIZE);
	memcpy(v.ximage, state, AREA_SIZE);
	memcpy(area_mem, area, AREA_SIZE);
	memset(result, 0, AREA_SIZE);
	v.regs.rip = CODE_AT;
	v.regs.gpr[UMBRA_RAX] = (u32)rfbm;
	v.regs.gpr[UMBRA_RDX] = rfbm >> 32;
	v.regs.gpr[UMBRA_RSI] = AREA_AT;
	memcpy(env_at(&v, CODE_AT), ops[op].insn, 4);
	ret = umbra_emulate(&v.e);
	good = run_native(op, rfbm);
	if (!good)
		return ret == UMBRA_EMUL_FAULT && v.e.fault.vector == EMUL_GP ? NULL : "no #GP";
	if (ret != UMBRA_EMUL_OK)
		return "not emulated";
	return op == XRSTOR ? compare_states() : compare_areas(rfbm);
}

/* Outside 64-bit mode half of the registers stays as it is. */
static bool short_mode(void)
{
	const unsigned int high = v.xcomponent[2].offset;
	bool good;

	random_state(v.ximage);
	noise(v.ximage + 160, 256);
	noise(v.ximage + high, 256);
	memset(area_mem, 0xcc, AREA_SIZE);
	memset(area_mem + BV_AT, 0, 64);
	env_flat32(&v, 3);
	v.regs.cr4 |= X86_CR4_OSXSAVE;
	v.regs.rip = CODE_AT;
	v.regs.gpr[UMBRA_RAX] = 7;
	v.regs.gpr[UMBRA_RDX] = 0;
	v.regs.gpr[UMBRA_RSI] = AREA_AT;
	memcpy(env_at(&v, CODE_AT), ops[XSAVE].insn + 1, 3);
	good = umbra_emulate(&v.e) == UMBRA_EMUL_OK &&
	       !memcmp(area_mem + 160, v.ximage + 160, 128) && area_mem[288] == 0xcc &&
	       !memcmp(area_mem + high, v.ximage + high, 128) && area_mem[high + 128] == 0xcc;
	env_flat64(&v, 3);
	v.regs.cr4 |= X86_CR4_OSXSAVE;
	return good;
}

static int fault_of(u64 at)
{
	v.regs.rip = CODE_AT;
	v.regs.gpr[UMBRA_RSI] = at;
	memcpy(env_at(&v, CODE_AT), ops[XSAVE].insn, 4);
	return umbra_emulate(&v.e) == UMBRA_EMUL_FAULT ? v.e.fault.vector : -1;
}

static void test_faults(void)
{
	ktap_ok(fault_of(AREA_AT + 16) == EMUL_GP, "an area that is not aligned is #GP");
	v.regs.cr0 |= X86_CR0_TS;
	ktap_ok(fault_of(AREA_AT) == EMUL_NM, "CR0.TS is #NM");
	v.regs.cr0 &= ~X86_CR0_TS;
	v.regs.cr4 &= ~X86_CR4_OSXSAVE;
	ktap_ok(fault_of(AREA_AT) == EMUL_UD, "without CR4.OSXSAVE it is #UD");
}

/* Where an XRSTOR faults here whose header is there, but nothing before it: an EPYC at the area's beginning. */
static s64 native_fault(u8 *two_pages, u64 bv)
{
	u8 *at = two_pages + 4096 - BV_AT;

	memset(two_pages + 4096, 0, 4096);
	put64(two_pages + 4096, 0, bv);
	if (!sigsetjmp(faulted, 1)) {
		asm volatile("xrstor64 %0" : : "m" (*(u8 (*)[1024])at), "a" (3), "d" (0) : "memory");
		return -1;
	}
	return fault_addr - (uintptr_t)at;
}

static s64 emulated_fault(u64 bv)
{
	const u64 at = AREA_AT - BV_AT;

	memset(area_mem, 0, AREA_SIZE);
	put64(area_mem, 0, bv);
	v.regs.rip = CODE_AT;
	v.regs.gpr[UMBRA_RAX] = 3;
	v.regs.gpr[UMBRA_RDX] = 0;
	v.regs.gpr[UMBRA_RSI] = at;
	memcpy(env_at(&v, CODE_AT), ops[XRSTOR].insn, 4);
	if (umbra_emulate(&v.e) != UMBRA_EMUL_FAULT || v.e.fault.vector != EMUL_PF)
		return -1;
	return v.e.fault.addr - at;
}

static void test_addresses(void)
{
	u8 *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 bv;

	mprotect(pages, 4096, PROT_NONE);
	for (bv = 0; bv < 4; bv++) {
		s64 here = native_fault(pages, bv), there = emulated_fault(bv);

		ktap_note("at byte %lld here", (long long)here);
		ktap_ok(!there, "XRSTOR of components %llu, no legacy area: #PF at its beginning",
			(unsigned long long)bv);
	}
	munmap(pages, 8192);
}

static void find_features(void)
{
	u32 eax, ebx, ecx, edx, lo, hi;
	unsigned int i;

	asm volatile("xgetbv" : "=a" (lo), "=d" (hi) : "c" (0));
	/* Protection keys are not for guests; the test's own memory has them. */
	features = (lo | (u64)hi << 32) & 0xe7;
	for (i = 2; i < 63; i++) {
		if (!(features >> i & 1))
			continue;
		__cpuid_count(0xd, i, eax, ebx, ecx, edx);
		v.xcomponent[i] = (struct umbra_xcomponent){ ebx, eax, ecx >> 1 & 1 };
	}
	asm volatile("fxsave64 %0" : "+m" (own));
	memcpy(&v.mxcsr_mask, own + 28, 4);
	v.xfeatures = features;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000, n, wrong;
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	unsigned int a = 0, b, c = 0, d, op;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	env_init(&v);
	__get_cpuid(1, &a, &b, &c, &d);
	if (!(c & bit_OSXSAVE))
		ktap_skip_all("this processor has no XSAVE");
	find_features();
	__cpuid_count(0xd, 1, a, b, c, d);
	env_map(&v, CODE_AT, 4096);
	area_mem = env_map(&v, AREA_AT, AREA_SIZE);
	env_flat64(&v, 3);
	v.regs.xcr0 = features;
	v.regs.cr4 |= X86_CR4_OSXSAVE;
	v.e.features = ~0ull;
	sigaction(SIGSEGV, &action, NULL);
	ktap_plan(OPS + 4 + 4);
	for (op = 0; op < OPS; op++) {
		const char *why = NULL;

		if ((op == XSAVEOPT && !(a & 1)) || (op == XSAVEC && !(a & 2))) {
			ktap_skip(ops[op].name, "this processor does not have it");
			continue;
		}
		for (n = wrong = 0; n < rounds; n++) {
			const char *what = one(op);

			wrong += !!what;
			why = why ?: what;
		}
		ktap_ok(!wrong, "%s: %lu of %lu wrong, %s", ops[op].name, wrong, rounds,
			why ?: "none");
	}
	test_addresses();
	test_faults();
	v.regs.cr4 |= X86_CR4_OSXSAVE;
	ktap_ok(short_mode(), "outside 64-bit mode only half of the registers is saved");
	env_init(&v);
	ktap_exit();
}
