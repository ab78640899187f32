// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: CPUID
 *
 * Offered is what works: each feature word is the host's, cut to the bits in
 * one table, plus what the module supplies itself.  Userspace composes its
 * guest's table from that (KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2); a few
 * bits that mirror control registers are kept up to date here.  What a bit
 * allows - CR4 bits, EFER bits, encodings - is derived when the table is set.
 */
#include "cpuid_internal.h"

#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/cpufeatures.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>

#include "clock_internal.h"
#include "core_internal.h"
#include "cr_internal.h"
#include "fpu_internal.h"
#include "ioctl_internal.h"
#include "steal_internal.h"
#include "umbra/compat.h"
#include "umbra/irqchip.h"
#include "umbra/trace.h"

#define F(name)		BIT(X86_FEATURE_##name & 31)

/**
 * struct feature_word - a register full of feature bits
 * @function: CPUID leaf
 * @index: subleaf
 * @reg: UMBRA_EAX..UMBRA_EDX
 * @host: bits passed on when the host has them
 * @always: bits that the module supplies on any host
 *
 * Not here, on purpose: VMX, SVM (no nesting); PCID, INVPCID, LA57, PKU (not in
 * the shadow MMU); MONITOR, PMU, SMX, MPX, PT, AMX, CET, XSAVES (no state
 * switching); SPEC_CTRL and its like (the MSRs are not switched).
 */
struct feature_word {
	u32 function;
	u32 index;
	u8 reg;
	u32 host;
	u32 always;
};

#define COMMON_EDX							\
	(F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) |	\
	 F(MCE) | F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) |	\
	 F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | F(FXSR))

static const struct feature_word words[] = {
	{ 1, 0, UMBRA_EDX, COMMON_EDX | F(SEP) | F(CLFLUSH) | F(XMM) | F(XMM2) |
	  F(SELFSNOOP), 0 },
	{ 1, 0, UMBRA_ECX, F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) |
	  F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) | F(AES) | F(XSAVE) |
	  F(AVX) | F(F16C) | F(RDRAND), F(X2APIC) | F(HYPERVISOR) },
	{ 7, 0, UMBRA_EBX, F(FSGSBASE) | F(BMI1) | F(AVX2) | F(SMEP) | F(BMI2) |
	  F(ERMS) | F(AVX512F) | F(AVX512DQ) | F(RDSEED) | F(ADX) | F(SMAP) |
	  F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512CD) | F(SHA_NI) |
	  F(AVX512BW) | F(AVX512VL) | F(FDP_EXCPTN_ONLY) | F(ZERO_FCS_FDS),
	  F(TSC_ADJUST) },
	{ 7, 0, UMBRA_ECX, F(AVX512VBMI) | F(UMIP) | F(AVX512_VBMI2) | F(GFNI) |
	  F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) | F(AVX512_BITALG) |
	  F(AVX512_VPOPCNTDQ) | F(MOVDIRI) | F(MOVDIR64B), 0 },
	{ 7, 0, UMBRA_EDX, F(FSRM) | F(AVX512_4VNNIW) | F(AVX512_4FMAPS) |
	  F(AVX512_VP2INTERSECT) | F(MD_CLEAR) | F(SERIALIZE) | F(AVX512_FP16), 0 },
	{ 0xd, 1, UMBRA_EAX, F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1), 0 },
	{ 0x80000001, 0, UMBRA_EDX, COMMON_EDX | F(SYSCALL) | F(NX) | F(MMXEXT) |
	  F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW), 0 },
	{ 0x80000001, 0, UMBRA_ECX, F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) |
	  F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(OSVW) |
	  F(XOP) | F(FMA4) | F(TBM), 0 },
	{ 0x80000008, 0, UMBRA_EBX, F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD), 0 },
};

static u32 *reg_of(struct kvm_cpuid_entry2 *entry, unsigned int reg)
{
	u32 *regs[] = { &entry->eax, &entry->ebx, &entry->ecx, &entry->edx };

	return regs[reg];
}

/* XCR0 features whose state the FPU code switches. */
u64 umbra_cpuid_xcr0(void)
{
	return umbra_fpu_xfeatures();
}

/* Composing KVM_GET_SUPPORTED_CPUID's answer. */

struct cpuid_list {
	struct kvm_cpuid_entry2 *entry;
	u32 n, max;
};

static struct kvm_cpuid_entry2 *add_leaf(struct cpuid_list *list, u32 function, u32 index,
					 bool indexed)
{
	struct kvm_cpuid_entry2 *e;

	if (list->n == list->max)
		return NULL;
	e = &list->entry[list->n++];
	memset(e, 0, sizeof(*e));
	e->function = function;
	e->index = index;
	if (indexed)
		e->flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

static void zero_leaf(struct kvm_cpuid_entry2 *e)
{
	e->eax = 0;
	e->ebx = 0;
	e->ecx = 0;
	e->edx = 0;
}

static void mask_features(struct kvm_cpuid_entry2 *e)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++) {
		const struct feature_word *w = &words[i];
		u32 *reg;

		if (w->function != e->function || w->index != e->index)
			continue;
		reg = reg_of(e, w->reg);
		*reg = (*reg & w->host) | w->always;
	}
	/*
	 * Guest kernels at CPL 3 have no accesses of another kind than their user
	 * code's; and IRET, what kernels serialize with otherwise, costs an exit there.
	 */
	if (e->function == 7 && e->index == 0 && umbra_engine_current()->guests_at_cpl3) {
		e->ebx &= ~F(SMAP);
		e->edx |= F(SERIALIZE);
	}
}

/* AVX needs its state switched, and AVX-512 all three parts of its own. */
static void mask_by_xcr0(struct kvm_cpuid_entry2 *e)
{
	u64 xcr0 = umbra_cpuid_xcr0();
	bool avx512 = (xcr0 & XFEATURE_MASK_AVX512) == XFEATURE_MASK_AVX512;

	if (e->function == 1) {
		if (!xcr0)
			e->ecx &= ~F(XSAVE);
		if (!(xcr0 & XFEATURE_MASK_YMM))
			e->ecx &= ~(F(AVX) | F(FMA) | F(F16C));
	} else if (e->function == 7 && e->index == 0) {
		if (!(xcr0 & XFEATURE_MASK_YMM)) {
			e->ebx &= ~F(AVX2);
			e->ecx &= ~(F(VAES) | F(VPCLMULQDQ));
		}
		if (!avx512) {
			e->ebx &= ~(F(AVX512F) | F(AVX512DQ) | F(AVX512IFMA) | F(AVX512CD) |
				    F(AVX512BW) | F(AVX512VL));
			e->ecx &= ~(F(AVX512VBMI) | F(AVX512_VBMI2) | F(AVX512_VNNI) |
				    F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ));
			e->edx &= ~(F(AVX512_4VNNIW) | F(AVX512_4FMAPS) |
				    F(AVX512_VP2INTERSECT) | F(AVX512_FP16));
		}
	}
}

/* Deterministic cache parameters (leaf 4): subleaves until type 0. */
static bool add_cache_leaves(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *e;
	u32 i;

	for (i = 0; i < 16; i++) {
		e = add_leaf(list, 4, i, true);
		if (!e)
			return false;
		if (!(e->eax & 0x1f))
			break;
	}
	return true;
}

/* XSAVE layout (leaf 0xD, SDM Vol. 1 13.2). */
static bool add_xsave_leaves(struct cpuid_list *list)
{
	u64 xcr0 = umbra_cpuid_xcr0();
	struct kvm_cpuid_entry2 *e;
	unsigned int i;

	e = add_leaf(list, 0xd, 0, true);
	if (!e)
		return false;
	if (!xcr0) {
		zero_leaf(e);
		return true;
	}
	e->eax = xcr0;
	e->edx = xcr0 >> 32;
	e->ebx = umbra_fpu_area_size(xcr0);
	e->ecx = umbra_fpu_area_size(xcr0);

	e = add_leaf(list, 0xd, 1, true);
	if (!e)
		return false;
	mask_features(e);
	e->ebx = e->eax & (F(XSAVEC)) ? umbra_fpu_compact_size(xcr0) : 0;
	e->ecx = 0;
	e->edx = 0;

	for (i = 2; i < 63; i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		e = add_leaf(list, 0xd, i, true);
		if (!e)
			return false;
		e->ecx &= BIT(1);	/* alignment in the compacted form; never supervisor */
		e->edx = 0;
	}
	return true;
}

static bool add_basic_leaf(struct cpuid_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;

	if (function == 4)
		return add_cache_leaves(list);
	if (function == 0xd)
		return add_xsave_leaves(list);

	e = add_leaf(list, function, 0, function == 7 || function == 0xb);
	if (!e)
		return false;
	switch (function) {
	case 0:
		e->eax = min(e->eax, 0xdu);
		break;
	case 1:
		e->ebx &= 0x0000ff00;	/* CLFLUSH line; APIC id and counts are userspace's */
		mask_features(e);
		mask_by_xcr0(e);
		break;
	case 2:
		break;
	case 6:
		zero_leaf(e);
		e->eax = BIT(2);	/* the APIC timer always runs */
		break;
	case 7:
		e->eax = 0;
		mask_features(e);
		mask_by_xcr0(e);
		break;
	default:
		zero_leaf(e);
		break;
	}
	return true;
}

static bool add_extended_leaf(struct cpuid_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e = add_leaf(list, function, 0, false);

	if (!e)
		return false;
	switch (function) {
	case 0x80000000:
		e->eax = min(e->eax, 0x80000008u);
		break;
	case 0x80000001:
		e->ebx &= 0xf0000000;	/* package type */
		mask_features(e);
		break;
	case 0x80000002 ... 0x80000006:
		break;
	case 0x80000007:
		e->eax = 0;
		e->ebx = 0;
		e->ecx = 0;
		e->edx &= BIT(8);	/* invariant TSC */
		break;
	case 0x80000008:
		/* Without 5-level paging linear addresses have 48 bits; no guest width of its own. */
		e->eax = (e->eax & 0xff) | (48 << 8);
		e->ecx = 0;
		e->edx = 0;
		mask_features(e);
		break;
	default:
		zero_leaf(e);
		break;
	}
	return true;
}

/* The hypervisor's leaves (Documentation/virt/kvm/x86/cpuid.rst). */
static bool add_kvm_leaves(struct cpuid_list *list)
{
	struct kvm_cpuid_entry2 *e = add_leaf(list, KVM_CPUID_SIGNATURE, 0, false);

	if (!e)
		return false;
	e->eax = KVM_CPUID_FEATURES;
	memcpy(&e->ebx, "KVMK", 4);
	memcpy(&e->ecx, "VMKV", 4);
	memcpy(&e->edx, "M\0\0", 4);

	e = add_leaf(list, KVM_CPUID_FEATURES, 0, false);
	if (!e)
		return false;
	zero_leaf(e);
	e->eax = umbra_clock_features() | umbra_steal_features();
	return true;
}

/* False: more leaves than list->max. */
static bool add_all_leaves(struct cpuid_list *list)
{
	u32 basic = min(cpuid_eax(0), 0xdu);
	u32 extended = min(cpuid_eax(0x80000000), 0x80000008u);
	u32 i;

	for (i = 0; i <= basic; i++)
		if (!add_basic_leaf(list, i))
			return false;
	for (i = 0x80000000; i <= extended; i++)
		if (!add_extended_leaf(list, i))
			return false;
	return add_kvm_leaves(list);
}

static long put_list(struct kvm_cpuid2 __user *user, const struct cpuid_list *list)
{
	if (put_user(list->n, &user->nent))
		return -EFAULT;
	if (copy_to_user(user->entries, list->entry, list->n * sizeof(*list->entry)))
		return -EFAULT;
	return 0;
}

/* KVM_GET_SUPPORTED_CPUID: -E2BIG when the caller's array is too small. */
UMBRA_SYSTEM_IOCTL(get_supported_cpuid)
{
	struct kvm_cpuid2 __user *user = uarg;
	struct cpuid_list list = {};
	long ret = -E2BIG;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (!nent)
		return -E2BIG;
	list.max = min_t(u32, nent, UMBRA_MAX_CPUID);
	list.entry = kcalloc(list.max, sizeof(*list.entry), GFP_KERNEL);
	if (!list.entry)
		return -ENOMEM;
	if (add_all_leaves(&list))
		ret = put_list(user, &list);
	kfree(list.entry);
	return ret;
}

/* KVM_GET_EMULATED_CPUID */
UMBRA_SYSTEM_IOCTL(get_emulated_cpuid)
{
	struct kvm_cpuid2 __user *user = uarg;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	/* #UD is not intercepted: nothing is emulated that the host lacks. */
	return put_user(0, &user->nent);
}

/* The guest's table. */

const struct kvm_cpuid_entry2 *umbra_cpuid_find(const struct umbra_vcpu *vcpu, u32 function,
						u32 index)
{
	u32 i;

	for (i = 0; i < vcpu->nr_cpuid; i++) {
		const struct kvm_cpuid_entry2 *e = &vcpu->cpuid[i];

		if (e->function == function &&
		    (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return e;
	}
	return NULL;
}

static struct kvm_cpuid_entry2 *find_mut(struct umbra_vcpu *vcpu, u32 function, u32 index)
{
	return (struct kvm_cpuid_entry2 *)umbra_cpuid_find(vcpu, function, index);
}

/* Could the guest be offered @bit here? */
static bool is_supported(u32 function, unsigned int reg, u32 bit)
{
	struct kvm_cpuid_entry2 e;
	struct cpuid_list one = { .entry = &e, .max = 1 };

	add_leaf(&one, function, 0, false);
	mask_features(&e);
	mask_by_xcr0(&e);
	return *reg_of(&e, reg) & bit;
}

/* Before KVM_SET_CPUID2 userspace may set whatever could be offered, as with KVM. */
bool umbra_guest_has(const struct umbra_vcpu *vcpu, u32 function, unsigned int reg, u32 bit)
{
	const struct kvm_cpuid_entry2 *e = umbra_cpuid_find(vcpu, function, 0);

	if (!vcpu->nr_cpuid)
		return is_supported(function, reg, bit);
	return e && (*reg_of((struct kvm_cpuid_entry2 *)e, reg) & bit);
}

bool umbra_guest_has_pv(const struct umbra_vcpu *vcpu, u32 bits)
{
	u32 i;

	for (i = 0; i < vcpu->nr_cpuid; i++) {
		const struct kvm_cpuid_entry2 *e = &vcpu->cpuid[i];

		/* A client that shows another hypervisor first moves KVM's leaves up. */
		if (e->function >= KVM_CPUID_SIGNATURE && e->function < 0x40010000 &&
		    !(e->function & 0xff) && !memcmp(&e->ebx, KVM_SIGNATURE, 12))
			return umbra_guest_has(vcpu, e->function | KVM_CPUID_FEATURES, UMBRA_EAX,
					       bits);
	}
	return false;
}

bool umbra_guest_is_amd(const struct umbra_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = umbra_cpuid_find(vcpu, 0, 0);

	/* "AuthenticAMD", "HygonGenuine" */
	return e ? e->ebx == 0x68747541 || e->ebx == 0x6f677948 :
		   boot_cpu_data.x86_vendor == X86_VENDOR_AMD ||
		   boot_cpu_data.x86_vendor == X86_VENDOR_HYGON;
}

static bool guest_has1c(const struct umbra_vcpu *vcpu, u32 bit)
{
	return umbra_guest_has(vcpu, 1, UMBRA_ECX, bit);
}

static bool guest_has1d(const struct umbra_vcpu *vcpu, u32 bit)
{
	return umbra_guest_has(vcpu, 1, UMBRA_EDX, bit);
}

static bool guest_has7b(const struct umbra_vcpu *vcpu, u32 bit)
{
	return umbra_guest_has(vcpu, 7, UMBRA_EBX, bit);
}

static bool guest_has_ext(const struct umbra_vcpu *vcpu, unsigned int reg, u32 bit)
{
	return umbra_guest_has(vcpu, 0x80000001, reg, bit);
}

/* CR4 bits that every processor with long mode has (SDM Vol. 3A 2.5). */
#define CR4_ALWAYS							\
	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE |	\
	 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE |	\
	 X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

/* The others go by feature; those of features not offered are reserved. */
static u64 cr4_allowed(const struct umbra_vcpu *vcpu)
{
	u64 cr4 = CR4_ALWAYS;

	if (guest_has1c(vcpu, F(XSAVE)) && umbra_cpuid_xcr0())
		cr4 |= X86_CR4_OSXSAVE;
	if (guest_has7b(vcpu, F(FSGSBASE)) && boot_cpu_has(X86_FEATURE_FSGSBASE))
		cr4 |= X86_CR4_FSGSBASE;
	if (guest_has7b(vcpu, F(SMEP)))
		cr4 |= X86_CR4_SMEP;
	if (guest_has7b(vcpu, F(SMAP)))
		cr4 |= X86_CR4_SMAP;
	if (umbra_guest_has(vcpu, 7, UMBRA_ECX, F(UMIP)))
		cr4 |= X86_CR4_UMIP;
	return cr4;
}

static u64 efer_allowed(const struct umbra_vcpu *vcpu)
{
	u64 efer = EFER_SCE;

	if (guest_has_ext(vcpu, UMBRA_EDX, F(LM)))
		efer |= EFER_LME | EFER_LMA;
	if (guest_has_ext(vcpu, UMBRA_EDX, F(NX)))
		efer |= EFER_NX;
	if (guest_has_ext(vcpu, UMBRA_EDX, F(FXSR_OPT)))
		efer |= EFER_FFXSR;
	return efer;
}

static u64 emul_features(const struct umbra_vcpu *vcpu)
{
	static const struct {
		u32 function;
		u8 reg;
		u32 bit;
		u64 feature;
		u16 host;	/* the emulator executes it on the processor, which must have this */
	} map[] = {
		{ 0x80000001, UMBRA_EDX, F(LM), UMBRA_EMUL_F_LM },
		{ 0x80000001, UMBRA_EDX, F(SYSCALL), UMBRA_EMUL_F_SYSCALL },
		{ 7, UMBRA_EBX, F(BMI1), UMBRA_EMUL_F_BMI1 },
		{ 7, UMBRA_EBX, F(BMI2), UMBRA_EMUL_F_BMI2 },
		{ 1, UMBRA_ECX, F(MOVBE), UMBRA_EMUL_F_MOVBE },
		{ 7, UMBRA_EBX, F(FSGSBASE), UMBRA_EMUL_F_FSGSBASE },
		{ 0x80000001, UMBRA_EDX, F(RDTSCP), UMBRA_EMUL_F_RDTSCP },
		{ 7, UMBRA_ECX, F(RDPID), UMBRA_EMUL_F_RDPID },
		{ 7, UMBRA_EBX, F(INVPCID), UMBRA_EMUL_F_INVPCID },
		{ 1, UMBRA_ECX, F(CX16), UMBRA_EMUL_F_CX16 },
		{ 7, UMBRA_EBX, F(ADX), UMBRA_EMUL_F_ADX },
		{ 7, UMBRA_EBX, F(SMAP), UMBRA_EMUL_F_SMAP },
		{ 1, UMBRA_ECX, F(AVX), UMBRA_EMUL_F_AVX, X86_FEATURE_AVX },
		{ 0x80000001, UMBRA_ECX, F(ABM), UMBRA_EMUL_F_LZCNT },
		{ 1, UMBRA_ECX, F(POPCNT), UMBRA_EMUL_F_POPCNT },
		{ 7, UMBRA_EDX, F(SERIALIZE), UMBRA_EMUL_F_SERIALIZE },
		{ 1, UMBRA_ECX, F(RDRAND), UMBRA_EMUL_F_RDRAND },
		{ 7, UMBRA_EBX, F(RDSEED), UMBRA_EMUL_F_RDSEED },
		{ 7, UMBRA_ECX, F(MOVDIRI), UMBRA_EMUL_F_MOVDIR },
		{ 1, UMBRA_ECX, F(XMM3), UMBRA_EMUL_F_SSE3, X86_FEATURE_XMM3 },
		{ 1, UMBRA_ECX, F(SSSE3), UMBRA_EMUL_F_SSSE3, X86_FEATURE_SSSE3 },
		{ 1, UMBRA_ECX, F(XMM4_1), UMBRA_EMUL_F_SSE41, X86_FEATURE_XMM4_1 },
		{ 1, UMBRA_ECX, F(XMM4_2), UMBRA_EMUL_F_SSE42, X86_FEATURE_XMM4_2 },
		{ 7, UMBRA_EBX, F(AVX2), UMBRA_EMUL_F_AVX2, X86_FEATURE_AVX2 },
		{ 1, UMBRA_ECX, F(FMA), UMBRA_EMUL_F_FMA, X86_FEATURE_FMA },
		{ 1, UMBRA_ECX, F(F16C), UMBRA_EMUL_F_F16C, X86_FEATURE_F16C },
		{ 1, UMBRA_ECX, F(AES), UMBRA_EMUL_F_AES, X86_FEATURE_AES },
		{ 1, UMBRA_ECX, F(PCLMULQDQ), UMBRA_EMUL_F_PCLMUL, X86_FEATURE_PCLMULQDQ },
		{ 0x80000001, UMBRA_ECX, F(SSE4A), UMBRA_EMUL_F_SSE4A },
		{ 0x80000001, UMBRA_EDX, F(3DNOW), UMBRA_EMUL_F_3DNOW, X86_FEATURE_3DNOW },
		{ 0x80000001, UMBRA_EDX, F(3DNOWEXT), UMBRA_EMUL_F_3DNOWEXT,
		  X86_FEATURE_3DNOWEXT },
		{ 7, UMBRA_EBX, F(SHA_NI), UMBRA_EMUL_F_SHA, X86_FEATURE_SHA_NI },
		{ 7, UMBRA_ECX, F(GFNI), UMBRA_EMUL_F_GFNI, X86_FEATURE_GFNI },
		{ 7, UMBRA_ECX, F(VAES), UMBRA_EMUL_F_VAES, X86_FEATURE_VAES },
		{ 7, UMBRA_ECX, F(VPCLMULQDQ), UMBRA_EMUL_F_VPCLMUL, X86_FEATURE_VPCLMULQDQ },
	};
	const struct kvm_cpuid_entry2 *entry;
	u64 features = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(map); i++)
		if (umbra_guest_has(vcpu, map[i].function, map[i].reg, map[i].bit) &&
		    (!map[i].host || boot_cpu_has(map[i].host)))
			features |= map[i].feature;
	entry = umbra_cpuid_find(vcpu, 0xd, 1);
	if (entry && entry->eax & F(XGETBV1))
		features |= UMBRA_EMUL_F_XGETBV1;
	if (entry && entry->eax & F(XSAVEOPT))
		features |= UMBRA_EMUL_F_XSAVEOPT;
	if (entry && entry->eax & F(XSAVEC))
		features |= UMBRA_EMUL_F_XSAVEC;
	if (umbra_guest_is_amd(vcpu))
		features |= UMBRA_EMUL_F_AMD;
	if (umbra_guest_has(vcpu, 7, UMBRA_EBX, F(AVX512F)) &&
	    umbra_guest_has(vcpu, 7, UMBRA_EBX, F(AVX512BW)) &&
	    umbra_guest_has(vcpu, 7, UMBRA_EBX, F(AVX512DQ)) &&
	    umbra_guest_has(vcpu, 7, UMBRA_EBX, F(AVX512VL)) &&
	    boot_cpu_has(X86_FEATURE_AVX512BW) && boot_cpu_has(X86_FEATURE_AVX512DQ) &&
	    boot_cpu_has(X86_FEATURE_AVX512VL))
		features |= UMBRA_EMUL_F_AVX512;
	return features;
}

static u32 paging_features(const struct umbra_vcpu *vcpu)
{
	u32 features = 0;

	if (guest_has_ext(vcpu, UMBRA_EDX, F(NX)))
		features |= UMBRA_PAGING_NX;
	if (guest_has_ext(vcpu, UMBRA_EDX, F(GBPAGES)))
		features |= UMBRA_PAGING_1G;
	if (guest_has1d(vcpu, F(PSE36)))
		features |= UMBRA_PAGING_PSE36;
	if (umbra_guest_is_amd(vcpu))
		features |= UMBRA_PAGING_AMD;
	return features;
}

static u8 guest_maxphyaddr(const struct umbra_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = umbra_cpuid_find(vcpu, 0x80000008, 0);
	u8 host = boot_cpu_data.x86_phys_bits;

	if (!vcpu->nr_cpuid)
		return max_t(u8, host, 36);
	if (!e || (e->eax & 0xff) < 32)
		return 36;
	return min_t(u8, e->eax & 0xff, max_t(u8, host, 36));
}

static u64 guest_xcr0(const struct umbra_vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = umbra_cpuid_find(vcpu, 0xd, 0);

	if (!vcpu->nr_cpuid)
		return umbra_cpuid_xcr0();
	if (!e || !guest_has1c(vcpu, F(XSAVE)))
		return 0;
	return (e->eax | (u64)e->edx << 32) & umbra_cpuid_xcr0();
}

void umbra_cpuid_runtime(struct umbra_vcpu *vcpu)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_CR);
	struct kvm_cpuid_entry2 *e = find_mut(vcpu, 1, 0);

	if (e) {
		e->ecx &= ~F(OSXSAVE);
		if (regs->cr4 & X86_CR4_OSXSAVE)
			e->ecx |= F(OSXSAVE);
		if (vcpu->lapic) {
			e->edx &= ~F(APIC);
			if (umbra_lapic_base(vcpu) & MSR_IA32_APICBASE_ENABLE)
				e->edx |= F(APIC);
		}
	}
	e = find_mut(vcpu, 0xd, 0);
	if (e && umbra_cpuid_xcr0())
		e->ebx = umbra_fpu_area_size(regs->xcr0);
	e = find_mut(vcpu, 0xd, 1);
	if (e && (e->eax & F(XSAVEC)))
		e->ebx = umbra_fpu_compact_size(regs->xcr0);
}

void umbra_cpuid_changed(struct umbra_vcpu *vcpu)
{
	vcpu->cr4_reserved = ~cr4_allowed(vcpu);
	vcpu->efer_allowed = efer_allowed(vcpu);
	vcpu->xcr0_allowed = guest_xcr0(vcpu);
	vcpu->maxphyaddr = guest_maxphyaddr(vcpu);
	vcpu->emul_features = emul_features(vcpu);
	vcpu->paging_features = paging_features(vcpu);
	umbra_cpuid_runtime(vcpu);
	if (vcpu->lapic)
		umbra_lapic_cpuid_changed(vcpu);
	umbra_paging_changed(vcpu);
	umbra_flush_all(vcpu);
	vcpu->vm->engine->configure(vcpu);
}

/* Leaves beyond the last basic one read as that one on Intel (SDM Vol. 2A, CPUID), as 0 on AMD. */
static const struct kvm_cpuid_entry2 *find_or_last(struct umbra_vcpu *vcpu, u32 function,
						   u32 index)
{
	const struct kvm_cpuid_entry2 *e = umbra_cpuid_find(vcpu, function, index);
	const struct kvm_cpuid_entry2 *zero;

	if (e || umbra_guest_is_amd(vcpu))
		return e;
	zero = umbra_cpuid_find(vcpu, function & 0x80000000, 0);
	if (zero && function <= zero->eax)
		return NULL;
	zero = umbra_cpuid_find(vcpu, 0, 0);
	return zero ? umbra_cpuid_find(vcpu, zero->eax, index) : NULL;
}

void umbra_cpuid_read(struct umbra_vcpu *vcpu, u32 reg[4])
{
	const u32 function = reg[UMBRA_EAX], index = reg[UMBRA_ECX];
	const struct kvm_cpuid_entry2 *e = find_or_last(vcpu, function, index);

	memset(reg, 0, 4 * sizeof(*reg));
	if (e) {
		reg[UMBRA_EAX] = e->eax;
		reg[UMBRA_EBX] = e->ebx;
		reg[UMBRA_ECX] = e->ecx;
		reg[UMBRA_EDX] = e->edx;
	} else if (function == 0xb || function == 0x1f) {
		/* A level that does not exist still tells the x2APIC id. */
		e = umbra_cpuid_find(vcpu, function, 1);
		if (e) {
			reg[UMBRA_ECX] = index & 0xff;
			reg[UMBRA_EDX] = e->edx;
		}
	}
	trace_umbra_cpuid(vcpu->id, function, index, reg);
}

static bool table_valid(const struct kvm_cpuid_entry2 *e, u32 n)
{
	u32 i, bits;

	for (i = 0; i < n; i++) {
		if (e[i].function != 0x80000008)
			continue;
		bits = (e[i].eax >> 8) & 0xff;
		return bits == 48 || bits == 57 || bits == 0;
	}
	return true;
}

/* Put @e in place.  After the first KVM_RUN only the same table again is taken. */
static int replace_table(struct umbra_vcpu *vcpu, struct kvm_cpuid_entry2 *e, u32 nent)
{
	struct kvm_cpuid_entry2 *old = vcpu->cpuid;

	if (vcpu->ran && nent != vcpu->nr_cpuid)
		return -EINVAL;
	vcpu->cpuid = e;
	if (!vcpu->ran)
		return 0;
	/* Bits that follow the registers may differ in what userspace gave. */
	umbra_cpuid_runtime(vcpu);
	if (!memcmp(e, old, nent * sizeof(*e)))
		return 0;
	vcpu->cpuid = old;
	return -EINVAL;
}

static int set_table(struct umbra_vcpu *vcpu, struct kvm_cpuid_entry2 *e, u32 nent)
{
	struct kvm_cpuid_entry2 *old = vcpu->cpuid;

	if (!table_valid(e, nent) || replace_table(vcpu, e, nent)) {
		kvfree(e);
		return -EINVAL;
	}
	vcpu->nr_cpuid = nent;
	kvfree(old);
	umbra_cpuid_changed(vcpu);
	return 0;
}

/* KVM_SET_CPUID2 */
UMBRA_VCPU_IOCTL(set_cpuid2)
{
	struct kvm_cpuid2 __user *user = uarg;
	struct kvm_cpuid_entry2 *e = NULL;
	u32 nent, i;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (nent > UMBRA_MAX_CPUID)
		return -E2BIG;
	if (nent) {
		e = vmemdup_user(user->entries, array_size(nent, sizeof(*e)));
		if (IS_ERR(e))
			return PTR_ERR(e);
	}
	for (i = 0; i < nent; i++)
		memset(e[i].padding, 0, sizeof(e[i].padding));
	return set_table(vcpu, e, nent);
}

/* KVM_SET_CPUID: the older form, which knows no subleaves. */
UMBRA_VCPU_IOCTL(set_cpuid)
{
	struct kvm_cpuid __user *user = uarg;
	struct kvm_cpuid_entry2 *e;
	struct kvm_cpuid_entry *in;
	u32 nent, i;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (nent > UMBRA_MAX_CPUID)
		return -E2BIG;
	if (!nent)
		return set_table(vcpu, NULL, 0);
	in = vmemdup_user(user->entries, array_size(nent, sizeof(*in)));
	if (IS_ERR(in))
		return PTR_ERR(in);
	e = kvcalloc(nent, sizeof(*e), GFP_KERNEL_ACCOUNT);
	if (!e) {
		kvfree(in);
		return -ENOMEM;
	}
	for (i = 0; i < nent; i++) {
		e[i].function = in[i].function;
		e[i].eax = in[i].eax;
		e[i].ebx = in[i].ebx;
		e[i].ecx = in[i].ecx;
		e[i].edx = in[i].edx;
	}
	kvfree(in);
	return set_table(vcpu, e, nent);
}

/* KVM_GET_CPUID2 */
UMBRA_VCPU_IOCTL(get_cpuid2)
{
	struct kvm_cpuid2 __user *user = uarg;
	u32 nent;

	if (get_user(nent, &user->nent))
		return -EFAULT;
	if (put_user(vcpu->nr_cpuid, &user->nent))
		return -EFAULT;
	if (nent < vcpu->nr_cpuid)
		return -E2BIG;
	if (vcpu->nr_cpuid &&
	    copy_to_user(user->entries, vcpu->cpuid, vcpu->nr_cpuid * sizeof(*vcpu->cpuid)))
		return -EFAULT;
	return 0;
}
