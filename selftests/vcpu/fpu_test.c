// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fpu_test
 *
 * The guest's vector registers are its own: they survive exits, this process
 * using its own between, another vCPU, and come out and go in by KVM_GET/SET_FPU
 * and _XSAVE.
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

int main(void)
{
	ktap_plan(1 + 1 + 11 + 3);
	test_keep();
	test_own();
	test_ioctls();
	test_xcrs();
	ktap_exit();
}
