// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fpu_test
 *
 * The guest's vector registers are its own: they survive exits, this process
 * using its own between, another vCPU, and come out and go in by KVM_GET/SET_FPU
 * and _XSAVE.  What the guest has forbidden itself, is not executed.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define ROUNDS	20

/* XMM0..2 and an x87 value; after each exit they must be what they were. */
KU_CODE64(keep,
	  "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n"
	  "mov %cr0, %rax\n and $~4, %eax\n or $2, %eax\n mov %rax, %cr0\n"
	  "fninit\n fld1\n fldpi\n"
	  "movq %rdi, %xmm0\n movq %rsi, %xmm1\n pxor %xmm2, %xmm2\n"
	  "mov $0x217, %edx\n"
	  "1: movq %xmm0, %rax\n cmp %rdi, %rax\n jne 2f\n"
	  "movq %xmm1, %rax\n cmp %rsi, %rax\n jne 2f\n"
	  "movq %xmm2, %rax\n test %rax, %rax\n jnz 2f\n"
	  "mov $1, %eax\n out %al, %dx\n jmp 1b\n"
	  "2: mov $2, %eax\n out %al, %dx\n jmp 1b\n");

static void start(struct traps *t, uint64_t seed)
{
	struct kvm_regs regs;

	traps_code(t, keep, keep_end);
	regs = ku_get_regs(t->vcpu);
	regs.rdi = seed;
	regs.rsi = ~seed;
	ku_set_regs(t->vcpu, &regs);
}

/* Leave other values in this thread's registers. */
static void scribble(void)
{
	asm volatile("pcmpeqd %%xmm0, %%xmm0\n pcmpeqd %%xmm1, %%xmm1\n"
		     "pcmpeqd %%xmm2, %%xmm2\n" ::: "xmm0", "xmm1", "xmm2");
}

static void test_keep(void)
{
	struct traps a = traps_new(), b = traps_new();
	unsigned int i, bad = 0;

	start(&a, 0x123456789abcdef0);
	start(&b, 0x0fedcba987654321);
	for (i = 0; i < ROUNDS; i++) {
		bad += ku_run_out(a.vcpu, 0x217) != 1;
		scribble();
		sched_yield();
		bad += ku_run_out(b.vcpu, 0x217) != 1;
		scribble();
	}
	ktap_ok(!bad, "registers of two guests survive %u exits", ROUNDS);
	traps_free(&a);
	traps_free(&b);
}

/* This thread's registers are not the guest's, either. */
static void test_own(void)
{
	struct traps t = traps_new();
	uint64_t in = 0x5555aaaa5555aaaa, out;

	start(&t, 1);
	asm volatile("movq %0, %%xmm7" :: "r" (in) : "xmm7");
	ku_run(t.vcpu);
	asm volatile("movq %%xmm7, %0" : "=r" (out));
	ktap_ok(out == in, "this process keeps its own");
	traps_free(&t);
}

static void test_ioctls(void)
{
	static struct kvm_xsave xsave, again;
	struct traps t = traps_new();
	struct kvm_fpu fpu, back;
	uint64_t xmm0;

	start(&t, 0x1111222233334444);
	ku_run(t.vcpu);
	ioctl(t.vcpu->fd, KVM_GET_FPU, &fpu);
	memcpy(&xmm0, fpu.xmm[0], 8);
	ktap_ok(xmm0 == 0x1111222233334444, "KVM_GET_FPU: XMM0");
	ktap_ok(fpu.fcw == 0x37f && ((fpu.fsw >> 11) & 7) == 6, "x87: two values on the stack");
	ioctl(t.vcpu->fd, KVM_GET_XSAVE, &xsave);
	ktap_ok(!memcmp((char *)&xsave + 160, fpu.xmm[0], 16), "KVM_GET_XSAVE: the same XMM0");
	memset(fpu.xmm[0], 0x77, 16);
	ktap_ok(!ioctl(t.vcpu->fd, KVM_SET_FPU, &fpu), "KVM_SET_FPU");
	ioctl(t.vcpu->fd, KVM_GET_FPU, &back);
	ktap_ok(!memcmp(&fpu.xmm, &back.xmm, sizeof(fpu.xmm)) && back.mxcsr == fpu.mxcsr,
		"reads back");
	ktap_ok(ku_run_out(t.vcpu, 0x217) == 2, "the guest sees it");
	ktap_ok(!ioctl(t.vcpu->fd, KVM_SET_XSAVE, &xsave), "KVM_SET_XSAVE");
	ioctl(t.vcpu->fd, KVM_GET_XSAVE, &again);
	ktap_ok(!memcmp((char *)&xsave + 160, (char *)&again + 160, 256), "reads back");
	ktap_ok(ku_run_out(t.vcpu, 0x217) == 1, "the guest has its value again");
	*(uint64_t *)((char *)&xsave + 512) = 1ull << 62;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_XSAVE, &xsave) && errno == EINVAL,
		"state that is none: EINVAL");
	*(uint64_t *)((char *)&xsave + 512) = 3;
	*(uint32_t *)((char *)&xsave + 24) = 0xffffffff;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_XSAVE, &xsave) && errno == EINVAL,
		"reserved MXCSR bits: EINVAL");
	traps_free(&t);
}

static void test_xcrs(void)
{
	struct traps t = traps_new();
	struct kvm_xcrs xcrs;

	if (ioctl(t.vcpu->fd, KVM_GET_XCRS, &xcrs)) {
		ktap_skip("KVM_GET_XCRS", "no XSAVE here");
		ktap_skip("KVM_SET_XCRS", "no XSAVE here");
		ktap_skip("KVM_SET_XCRS, bad", "no XSAVE here");
	} else {
		ktap_ok(xcrs.nr_xcrs == 1 && xcrs.xcrs[0].value == 1, "XCR0 is 1 after reset");
		xcrs.xcrs[0].value = 3;
		ktap_ok(!ioctl(t.vcpu->fd, KVM_SET_XCRS, &xcrs), "XCR0 = 3");
		xcrs.xcrs[0].value = 2;
		ktap_ok(ioctl(t.vcpu->fd, KVM_SET_XCRS, &xcrs) && errno == EINVAL,
			"XCR0 = 2: EINVAL");
	}
	traps_free(&t);
}

#define CR4_OSFXSR	(1u << 9)
#define CR0_MP		(1u << 1)
#define CR0_EM		(1u << 2)
#define CR0_TS		(1u << 3)
#define CLEAN		0x30000u	/* a page that nobody has written */
#define DIRTY		0x31000u

/* x87 and MMX are allowed, SSE is not: a store of it finds a page that is not dirty. */
KU_CODE64(forbidden, "fninit\n fld1\n fstpl 0x31000\n"
	  "mov $0x1234, %eax\n movd %eax, %mm3\n movd %mm3, 0x31010\n emms\n"
	  "fld1\n fstpl 0x31008\n");
KU_CODE64(store, "movups %xmm0, 0x30000\n hlt\n");

/* With IF set, and data segments of its own, so that it need not be emulated anyway. */
static void to_user(struct traps *t)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	ku_user_segments(t->vm);
	ku_vcpu_user_gdt(t->vcpu);
	ku_vcpu_user(t->vcpu);
	sregs = ku_get_sregs(t->vcpu);
	sregs.ds = sregs.ss;
	sregs.es = sregs.ss;
	sregs.fs = sregs.ss;
	sregs.gs = sregs.ss;
	ku_set_sregs(t->vcpu, &sregs);
	regs = ku_get_regs(t->vcpu);
	regs.rflags |= 0x200;
	ku_set_regs(t->vcpu, &regs);
}

static void forbid(struct traps *t, bool user)
{
	struct kvm_sregs sregs;

	traps_code(t, forbidden, forbidden_end);
	ku_load_at(t->vm, KU_CODE + (forbidden_end - forbidden), store, store_end - store);
	sregs = ku_get_sregs(t->vcpu);
	sregs.cr4 &= ~CR4_OSFXSR;
	ku_set_sregs(t->vcpu, &sregs);
	*ku_pte(t->vm, t->vm->cr3, CLEAN, 1) &= ~KU_PTE_D;
	if (user)
		to_user(t);
}

static void test_forbidden(bool user)
{
	const char *who = user ? "user" : "kernel";
	uint64_t at = KU_CODE + (forbidden_end - forbidden), *out;
	struct traps t = traps_new();
	struct kvm_sregs sregs;
	struct trap_frame f;
	int vector;

	forbid(&t, user);
	vector = traps_run(&t, &f);
	ktap_ok(vector == 6 && f.rip == at, "%s: SSE without OSFXSR: vector %d at %#llx of %#llx",
		who, vector, (unsigned long long)f.rip, (unsigned long long)at);
	ktap_ok(!(*ku_pte(t.vm, t.vm->cr3, CLEAN, 1) & KU_PTE_D), "%s: the page stays clean", who);
	out = ku_ptr(t.vm, DIRTY);
	ktap_ok(out[0] == 0x3ff0000000000000 && out[1] == out[0] && (uint32_t)out[2] == 0x1234,
		"%s: x87 and MMX work", who);

	traps_code(&t, store, store_end);
	ku_vcpu_long(t.vcpu, KU_CODE);
	sregs = ku_get_sregs(t.vcpu);
	sregs.cr0 |= CR0_EM;
	ku_set_sregs(t.vcpu, &sregs);
	if (user)
		to_user(&t);
	vector = traps_run(&t, &f);
	ktap_ok(vector == 6 && f.rip == KU_CODE, "%s: SSE with EM: vector %d", who, vector);
	traps_free(&t);
}

KU_CODE64(wait, "fwait\n fld1\n hlt\n");

/* FWAIT heeds CR0.TS with CR0.MP only, other instructions always (SDM Vol. 3A 2.5). */
static void test_wait(bool user, bool mp)
{
	struct traps t = traps_new();
	struct kvm_sregs sregs;
	struct trap_frame f;
	int vector;

	traps_code(&t, wait, wait_end);
	sregs = ku_get_sregs(t.vcpu);
	sregs.cr4 |= CR4_OSFXSR;
	sregs.cr0 = (sregs.cr0 & ~(uint64_t)(CR0_EM | CR0_MP)) | CR0_TS | (mp ? CR0_MP : 0);
	ku_set_sregs(t.vcpu, &sregs);
	if (user)
		to_user(&t);
	vector = traps_run(&t, &f);
	ktap_ok(vector == 7 && f.rip == KU_CODE + !mp, "%s: FWAIT with TS, MP %u: vector %d at %llu",
		user ? "user" : "kernel", mp, vector, (unsigned long long)f.rip - KU_CODE);
	traps_free(&t);
}

#define CR4_OSXSAVE	(1u << 18)

KU_CODE64(store_avx, "vmovups %ymm0, 0x30000\n hlt\n");

/* XCR0 allows AVX, CR4 says whether that counts.  Return: the vector. */
static int run_avx(struct traps *t, bool user, bool on, struct trap_frame *f)
{
	struct kvm_sregs sregs;

	traps_code(t, store_avx, store_avx_end);
	ku_vcpu_long(t->vcpu, KU_CODE);
	sregs = ku_get_sregs(t->vcpu);
	sregs.cr4 = on ? sregs.cr4 | CR4_OSXSAVE : sregs.cr4 & ~CR4_OSXSAVE;
	ku_set_sregs(t->vcpu, &sregs);
	*ku_pte(t->vm, t->vm->cr3, CLEAN, 1) &= ~KU_PTE_D;
	if (user)
		to_user(t);
	return traps_run(t, f);
}

static void test_avx(bool user)
{
	const char *who = user ? "user" : "kernel";
	struct traps t = traps_new();
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 7 };
	struct trap_frame f;
	int vector;

	if (ioctl(t.vcpu->fd, KVM_SET_XCRS, &xcrs)) {
		ktap_skip("AVX without OSXSAVE", "no AVX here");
		ktap_skip("AVX with OSXSAVE", "no AVX here");
	} else {
		vector = run_avx(&t, user, false, &f);
		ktap_ok(vector == 6 && f.rip == KU_CODE &&
			!(*ku_pte(t.vm, t.vm->cr3, CLEAN, 1) & KU_PTE_D),
			"%s: AVX without OSXSAVE: vector %d", who, vector);
		vector = run_avx(&t, user, true, &f);
		ktap_ok(vector != 6 && (*ku_pte(t.vm, t.vm->cr3, CLEAN, 1) & KU_PTE_D),
			"%s: AVX with OSXSAVE: vector %d", who, vector);
	}
	traps_free(&t);
}

int main(void)
{
	ktap_plan(1 + 1 + 11 + 3 + 8 + 4 + 4);
	test_keep();
	test_own();
	test_ioctls();
	test_xcrs();
	test_forbidden(false);
	test_forbidden(true);
	test_wait(false, false);
	test_wait(false, true);
	test_wait(true, false);
	test_wait(true, true);
	test_avx(false);
	test_avx(true);
	ktap_exit();
}
