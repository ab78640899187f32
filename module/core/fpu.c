// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guest's FPU and vector state
 *
 * Each vCPU has an image in the standard XSAVE format (SDM Vol. 1 13.4), or in
 * FXSAVE's where the host has no XSAVE.  It is in the processor only between
 * umbra_fpu_enter() and umbra_fpu_leave(), a stretch with preemption off inside
 * kernel_fpu_begin(), so the host's own lazy switching never sees it; and the
 * kernel's struct fpu, whose helpers are not for modules, is not needed.
 *
 * XCR0 is the guest's only while guest code runs: saving and restoring use the
 * host's, with a mask of what guests may have.  PKRU is not in that mask and
 * keeps the host's value; guests are not offered protection keys.
 */
#include "fpu_internal.h"

#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/processor.h>

#include "cr_internal.h"
#include "ioctl_internal.h"
#include "umbra/compat.h"
#include "umbra/soft.h"

#define GUEST_XFEATURES	(XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512)

#define MXCSR_INIT	0x1f80
#define FCW_INIT	0x037f
/* Writable MXCSR bits where FXSAVE reports no mask (SDM Vol. 1 11.6.6). */
#define MXCSR_MASK_OLD	0xffbf

#define LEGACY_SIZE	512
#define HEADER_END	(LEGACY_SIZE + 64)

/* Fixed by umbra_fpu_init(). */
static u64 xfeatures;
static u64 host_xcr0;
/* Emulators (QEMU's TCG) let XSETBV through although it is intercepted. */
static bool xsetbv_leaks;
static u32 mxcsr_mask;
static unsigned int area_size;
static struct umbra_xcomponent component[64];

u64 umbra_fpu_xfeatures(void)
{
	return xfeatures;
}

unsigned int umbra_fpu_area_size(u64 xcr0)
{
	unsigned int i, end = HEADER_END;

	for (i = 2; i < ARRAY_SIZE(component); i++)
		if (xcr0 & xfeatures & BIT_ULL(i))
			end = max(end, component[i].offset + component[i].size);
	return end;
}

unsigned int umbra_fpu_compact_size(u64 xcr0)
{
	unsigned int i, end = HEADER_END;

	for (i = 2; i < ARRAY_SIZE(component); i++) {
		if (!(xcr0 & xfeatures & BIT_ULL(i)))
			continue;
		if (component[i].aligned)
			end = ALIGN(end, 64);
		end += component[i].size;
	}
	return end;
}

static void find_mxcsr_mask(void)
{
	struct fxregs_state fx __aligned(16) = {};

	kernel_fpu_begin();
	asm volatile("fxsave %0" : "+m" (fx));
	kernel_fpu_end();
	mxcsr_mask = fx.mxcsr_mask ?: MXCSR_MASK_OLD;
}

static void find_components(void)
{
	unsigned int i;
	u32 ecx, edx;

	for (i = 2; i < ARRAY_SIZE(component); i++) {
		if (!(xfeatures & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &component[i].size, &component[i].offset, &ecx, &edx);
		component[i].aligned = ecx & BIT(1);
	}
}

/**
 * umbra_fpu_init() - learn what state this host can switch
 *
 * Context: module load.
 * Return: 0.
 */
int umbra_fpu_init(void)
{
	find_mxcsr_mask();
	if (boot_cpu_has(X86_FEATURE_XSAVE) && boot_cpu_has(X86_FEATURE_OSXSAVE)) {
		host_xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
		xfeatures = host_xcr0 & GUEST_XFEATURES;
		find_components();
		xsetbv_leaks = boot_cpu_has(X86_FEATURE_HYPERVISOR);
	}
	area_size = umbra_fpu_area_size(xfeatures);
	return 0;
}

int umbra_fpu_create(struct umbra_vcpu *vcpu)
{
	/* A power of two from the slab is aligned to itself; XRSTOR wants 64 bytes. */
	vcpu->fpu = kzalloc(roundup_pow_of_two(area_size), GFP_KERNEL_ACCOUNT);
	return vcpu->fpu ? 0 : -ENOMEM;
}

void umbra_fpu_destroy(struct umbra_vcpu *vcpu)
{
	kfree(vcpu->fpu);
	vcpu->fpu = NULL;
}

static void init_x87(struct fxregs_state *fx)
{
	memset(fx, 0, offsetof(struct fxregs_state, mxcsr));
	memset(fx->st_space, 0, sizeof(fx->st_space));
	fx->cwd = FCW_INIT;
}

void umbra_fpu_reset(struct umbra_vcpu *vcpu)
{
	struct xregs_state *x = vcpu->fpu;

	memset(x, 0, area_size);
	init_x87(&x->i387);
	x->i387.mxcsr = MXCSR_INIT;
	x->header.xfeatures = XFEATURE_MASK_FPSSE;
}

/*
 * XSAVE does not write components in their initial state, but only says so in
 * the header: write them out before anybody reads the image.
 */
static struct xregs_state *plain_image(struct umbra_vcpu *vcpu)
{
	struct xregs_state *x = vcpu->fpu;
	u64 absent = xfeatures & ~x->header.xfeatures;
	unsigned int i;

	if (absent & XFEATURE_MASK_FP)
		init_x87(&x->i387);
	if (absent & XFEATURE_MASK_SSE)
		memset(x->i387.xmm_space, 0, sizeof(x->i387.xmm_space));
	for (i = 2; i < ARRAY_SIZE(component); i++)
		if (absent & BIT_ULL(i))
			memset((u8 *)x + component[i].offset, 0, component[i].size);
	x->header.xfeatures |= XFEATURE_MASK_FPSSE;
	return x;
}

void umbra_fpu_enter(struct umbra_vcpu *vcpu)
{
	struct xregs_state *x = vcpu->fpu;

	/* What it would reset is loaded; but by older AMD processors not all (FIP, FDP). */
	kernel_fpu_begin_mask(static_cpu_has_bug(X86_BUG_FXSAVE_LEAK) ? KFPU_387 : 0);
	if (xfeatures)
		asm volatile("xrstor64 %0"
			     : : "m" (*x), "a" ((u32)xfeatures), "d" ((u32)(xfeatures >> 32))
			     : "memory");
	else
		asm volatile("fxrstor64 %0" : : "m" (x->i387));
}

void umbra_fpu_leave(struct umbra_vcpu *vcpu)
{
	struct xregs_state *x = vcpu->fpu;

	if (xfeatures)
		asm volatile("xsave64 %0"
			     : "+m" (*x)
			     : "a" ((u32)xfeatures), "d" ((u32)(xfeatures >> 32))
			     : "memory");
	else
		asm volatile("fxsave64 %0" : "+m" (x->i387));
	kernel_fpu_end();
}

/*
 * With CR4.OSXSAVE clear the guest cannot see XCR0.  Where its instructions run with the host's
 * CR4, AVX has to be #UD by XCR0 then.
 */
static u64 guest_xcr0(const struct umbra_vcpu *vcpu)
{
	if (vcpu->regs.cr4 & X86_CR4_OSXSAVE)
		return vcpu->regs.xcr0;
	return umbra_soft_events(vcpu) ? XFEATURE_MASK_FP : host_xcr0;
}

static bool differs(const struct umbra_vcpu *vcpu)
{
	return xfeatures && guest_xcr0(vcpu) != host_xcr0;
}

void umbra_fpu_guest_xcr0(struct umbra_vcpu *vcpu)
{
	if (differs(vcpu))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, guest_xcr0(vcpu));
}

/* The guest wrote XCR0 and nobody heard of it: hear of it now. */
static void adopt_xcr0(struct umbra_vcpu *vcpu)
{
	u64 xcr0;

	if (!(vcpu->regs.cr4 & X86_CR4_OSXSAVE))
		return;
	xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	if (likely(xcr0 == (differs(vcpu) ? vcpu->regs.xcr0 : host_xcr0)))
		return;
	xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
	umbra_xcr0_write(vcpu, xcr0);
}

void umbra_fpu_host_xcr0(struct umbra_vcpu *vcpu)
{
	if (unlikely(xsetbv_leaks))
		adopt_xcr0(vcpu);
	if (differs(vcpu))
		xsetbv(XCR_XFEATURE_ENABLED_MASK, host_xcr0);
}

/* For the emulator. */

static void *component_at(struct xregs_state *x, unsigned int i, unsigned int at)
{
	if (!(xfeatures & BIT_ULL(i)))
		return NULL;
	x->header.xfeatures |= BIT_ULL(i);
	return (u8 *)x + component[i].offset + at;
}

/* Where byte @at of a vector register is, and how many follow it there; NULL: nowhere. */
static void *vector_piece(struct xregs_state *x, unsigned int reg, unsigned int at,
			  unsigned int *n)
{
	if (reg >= 16) {
		*n = 64 - at;
		return component_at(x, XFEATURE_Hi16_ZMM, (reg - 16) * 64 + at);
	}
	*n = at < 32 ? 16 : 32;
	if (!at)
		return (u8 *)x->i387.xmm_space + reg * 16;
	return at < 32 ? component_at(x, XFEATURE_YMM, reg * 16) :
			 component_at(x, XFEATURE_ZMM_Hi256, reg * 32);
}

int umbra_fpu_vector(struct umbra_vcpu *vcpu, unsigned int reg, void *buf, unsigned int len,
		     bool write)
{
	struct xregs_state *x = plain_image(vcpu);
	unsigned int at, n;
	void *piece;

	for (at = 0; at < len; at += n) {
		piece = vector_piece(x, reg, at, &n);
		if (!piece)
			return write && at ? 0 : -EINVAL;
		n = min(n, len - at);
		if (write)
			memcpy(piece, (u8 *)buf + at, n);
		else
			memcpy((u8 *)buf + at, piece, n);
	}
	return 0;
}

int umbra_fpu_legacy(struct umbra_vcpu *vcpu, void *area, bool write)
{
	struct xregs_state *x = plain_image(vcpu);
	struct fxregs_state *fx = area;

	if (!write) {
		memcpy(area, &x->i387, LEGACY_SIZE);
		fx->mxcsr_mask = mxcsr_mask;
		return 0;
	}
	if (fx->mxcsr & ~mxcsr_mask)
		return -EINVAL;
	memcpy(&x->i387, area, LEGACY_SIZE);
	return 0;
}

void umbra_fpu_xstate(struct umbra_vcpu *vcpu, struct umbra_xstate *xstate)
{
	struct xregs_state *x = plain_image(vcpu);

	x->header.xfeatures |= xfeatures;
	*xstate = (struct umbra_xstate){
		.image = (u8 *)x,
		.features = xfeatures,
		.mxcsr_mask = mxcsr_mask,
		.component = component,
	};
}

/* KVM_GET_FPU */
UMBRA_VCPU_IOCTL(get_fpu)
{
	const struct fxregs_state *fx = &plain_image(vcpu)->i387;
	struct kvm_fpu *fpu = arg;

	memcpy(fpu->fpr, fx->st_space, sizeof(fpu->fpr));
	fpu->fcw = fx->cwd;
	fpu->fsw = fx->swd;
	fpu->ftwx = fx->twd;
	fpu->last_opcode = fx->fop;
	fpu->last_ip = fx->rip;
	fpu->last_dp = fx->rdp;
	memcpy(fpu->xmm, fx->xmm_space, sizeof(fpu->xmm));
	fpu->mxcsr = fx->mxcsr;
	return 0;
}

/* KVM_SET_FPU.  Reserved MXCSR bits would make XRSTOR fault: they are dropped. */
UMBRA_VCPU_IOCTL(set_fpu)
{
	struct fxregs_state *fx = &plain_image(vcpu)->i387;
	const struct kvm_fpu *fpu = arg;

	memcpy(fx->st_space, fpu->fpr, sizeof(fpu->fpr));
	fx->cwd = fpu->fcw;
	fx->swd = fpu->fsw;
	fx->twd = fpu->ftwx;
	fx->fop = fpu->last_opcode;
	fx->rip = fpu->last_ip;
	fx->rdp = fpu->last_dp;
	memcpy(fx->xmm_space, fpu->xmm, sizeof(fpu->xmm));
	fx->mxcsr = fpu->mxcsr & mxcsr_mask;
	return 0;
}

/* KVM_GET_XSAVE */
UMBRA_VCPU_IOCTL(get_xsave)
{
	BUILD_BUG_ON(sizeof(struct kvm_xsave) < 4096);

	memcpy(arg, plain_image(vcpu), min_t(size_t, area_size, sizeof(struct kvm_xsave)));
	return 0;
}

/* KVM_GET_XSAVE2: KVM_CAP_XSAVE2 says 4096, for there is no dynamic state. */
UMBRA_VCPU_IOCTL(get_xsave2)
{
	struct kvm_xsave *xsave = kzalloc(sizeof(*xsave), GFP_KERNEL);
	long ret;

	if (!xsave)
		return -ENOMEM;
	ret = umbra_ioctl_get_xsave(vcpu, xsave, NULL);
	if (!ret && copy_to_user(uarg, xsave, sizeof(*xsave)))
		ret = -EFAULT;
	kfree(xsave);
	return ret;
}

static bool xsave_valid(const struct xregs_state *x)
{
	if (x->header.xfeatures & ~(xfeatures | XFEATURE_MASK_FPSSE))
		return false;
	if (x->header.xcomp_bv || memchr_inv(x->header.reserved, 0, sizeof(x->header.reserved)))
		return false;
	return !(x->i387.mxcsr & ~mxcsr_mask);
}

/* KVM_SET_XSAVE: -EINVAL for state that the host cannot switch. */
UMBRA_VCPU_IOCTL(set_xsave)
{
	const struct xregs_state *x = arg;

	if (!xsave_valid(x))
		return -EINVAL;
	memcpy(vcpu->fpu, x, min_t(size_t, area_size, sizeof(struct kvm_xsave)));
	plain_image(vcpu);
	return 0;
}

/* KVM_GET_XCRS */
UMBRA_VCPU_IOCTL(get_xcrs)
{
	struct kvm_xcrs *xcrs = arg;

	if (!xfeatures)
		return -EINVAL;
	xcrs->nr_xcrs = 1;
	xcrs->xcrs[0].xcr = XCR_XFEATURE_ENABLED_MASK;
	xcrs->xcrs[0].value = vcpu->regs.xcr0;
	return 0;
}

/* KVM_SET_XCRS */
UMBRA_VCPU_IOCTL(set_xcrs)
{
	const struct kvm_xcrs *xcrs = arg;
	unsigned int i;

	if (!xfeatures || xcrs->nr_xcrs > KVM_MAX_XCRS || xcrs->flags)
		return -EINVAL;
	for (i = 0; i < xcrs->nr_xcrs; i++)
		if (xcrs->xcrs[i].xcr == XCR_XFEATURE_ENABLED_MASK)
			return umbra_xcr0_write(vcpu, xcrs->xcrs[i].value);
	return 0;
}
