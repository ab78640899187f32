// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the instruction that exited
 *
 * Exits that end in the emulator need the instruction's bytes, and the guest's
 * page tables are a long way to them.  The processor has just fetched them by
 * the shadow tables: right after the exit those still lead there, in four
 * reads.  What is missing or odd is left to the emulator's own fetch.
 *
 * While interrupts are off and the vCPU counts as in guest mode nobody frees a
 * shadow page or a frame that it maps: whoever wants to flushes this vCPU
 * first, which waits for an interrupt here.  The walk below leans on the same
 * rule as the processor's.
 */
#include "svm_internal.h"

#include <linux/mm.h>
#include <linux/uaccess.h>

#include <asm/io.h>
#include <asm/msr-index.h>

#define PTE_P		BIT_ULL(0)
#define PTE_PS		BIT_ULL(7)
#define PTE_ADDR	GENMASK_ULL(51, 12)

static bool in_long_mode(const struct vmcb_save_area *save)
{
	return save->efer & EFER_LMA;
}

static bool in_64bit(const struct vmcb_save_area *save)
{
	return in_long_mode(save) && (save->cs.attrib & UMBRA_SEG_L);
}

static u64 linear_rip(const struct vmcb_save_area *save)
{
	if (in_64bit(save))
		return save->rip;
	return (u32)(save->cs.base + save->rip);
}

/* Host physical address behind @gva by the shadow tables. */
static bool walk(const struct vmcb_save_area *save, u64 gva, hpa_t *hpa)
{
	unsigned int level = in_long_mode(save) ? 4 : 3;
	u64 entry = save->cr3 & GENMASK_ULL(51, 5);
	unsigned int shift;
	const u64 *table;

	for (;; level--) {
		shift = 12 + 9 * (level - 1);
		table = __va(entry);
		entry = READ_ONCE(table[(gva >> shift) & 511]);
		if (!(entry & PTE_P))
			return false;
		if (level == 1 || (level < 4 && (entry & PTE_PS)))
			break;
		entry &= PTE_ADDR;
	}
	entry &= PTE_ADDR & ~(BIT_ULL(shift) - 1);
	*hpa = entry | (gva & (BIT_ULL(shift) - 1));
	return true;
}

static void fetch(struct umbra_vcpu *vcpu)
{
	const struct vmcb_save_area *save = &to_svm(vcpu)->vmcb->save;
	struct umbra_insn *insn = &vcpu->insn;
	u64 gva = linear_rip(save);
	unsigned int len = min_t(u64, UMBRA_INSN_MAX, PAGE_SIZE - (gva & ~PAGE_MASK));
	hpa_t hpa;

	if (!walk(save, gva, &hpa) || !pfn_valid(PHYS_PFN(hpa)) ||
	    copy_from_kernel_nofault(insn->bytes, __va(hpa), len))
		return;
	insn->gva = gva;
	insn->len = len;
}

/* Lengths of what exits most, without prefixes; 0: who knows. */
static u8 short_len(const struct umbra_insn *insn)
{
	const u8 *b = insn->bytes;

	if (insn->len < 3)
		return 0;
	if (b[0] == 0xf4)				/* HLT */
		return 1;
	if (b[0] != 0x0f)
		return 0;
	if (b[1] == 0xa2 || b[1] == 0x30 || b[1] == 0x32)	/* CPUID, WRMSR, RDMSR */
		return 2;
	if (b[1] == 0x01 && b[2] == 0xd9)		/* VMMCALL */
		return 3;
	return 0;
}

/* 64-bit INVLPG of a plain register: [REX.B] 0F 01 /7, mod 0. */
static void decode_invlpg(const struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	const u8 *b = vcpu->insn.bytes;
	unsigned int rex = b[0] == 0x41;
	unsigned int rm;

	b += rex;
	rm = b[2] & 7;
	if (vcpu->insn.len < 4 || b[0] != 0x0f || b[1] != 0x01 ||
	    (b[2] & 0xf8) != 0x38 || rm == UMBRA_RSP || rm == UMBRA_RBP)
		return;
	exit->op.known = true;
	exit->op.gva = vcpu->regs.gpr[rm + 8 * rex];
	exit->insn_len = 3 + rex;
}

/* MOV to and from CR: [REX.B] 0F 20 or 22 /r. */
static void decode_cr(const struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	const u8 *b = vcpu->insn.bytes;
	unsigned int rex = b[0] == 0x41;

	b += rex;
	if (vcpu->insn.len < 4 || b[0] != 0x0f || (b[1] & ~2) != 0x20)
		return;
	exit->op.known = true;
	exit->op.write = b[1] & 2;
	exit->op.cr = b[2] >> 3 & 7;
	exit->op.gpr = (b[2] & 7) + 8 * rex;
	exit->insn_len = 3 + rex;
}

/*
 * Of page faults: one that looks like a write to a page table, and one by the
 * instruction whose bytes were wanted last time, as a driver's access to its device.
 */
static bool needs_insn(const struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	const u32 write = UMBRA_PF_P | UMBRA_PF_W;

	switch (exit->reason) {
	case UMBRA_EXIT_PAGE_FAULT:
		return (exit->fault.error_code & write) == write ||
		       vcpu->insn.gva == vcpu->regs.rip;
	case UMBRA_EXIT_IO:
		return exit->io.string;
	case UMBRA_EXIT_CPUID:
		return !exit->insn_len;
	case UMBRA_EXIT_HLT:
	case UMBRA_EXIT_MSR:
	case UMBRA_EXIT_CR:
	case UMBRA_EXIT_DR:
	case UMBRA_EXIT_INVLPG:
	case UMBRA_EXIT_DESC:
	case UMBRA_EXIT_INSN:
	case UMBRA_EXIT_HYPERCALL:
		return true;
	default:
		return false;
	}
}

static noinline void fetch_and_decode(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	fetch(vcpu);
	if (!vcpu->insn.len)
		return;
	if (!exit->insn_len)
		exit->insn_len = short_len(&vcpu->insn);
	if (!in_64bit(&to_svm(vcpu)->vmcb->save))
		return;
	if (exit->reason == UMBRA_EXIT_INVLPG)
		decode_invlpg(vcpu, exit);
	else if (exit->reason == UMBRA_EXIT_CR)
		decode_cr(vcpu, exit);
}

/**
 * umbra_svm_fetch_insn() - bytes, length and operands of the instruction
 * @vcpu: the vCPU
 * @exit: decoded exit; insn_len and op are filled where they are simple
 *
 * Context: interrupts off, right after the exit, vcpu->mode not yet OUTSIDE.
 */
void umbra_svm_fetch_insn(struct umbra_vcpu *vcpu, struct umbra_exit *exit)
{
	if (needs_insn(vcpu, exit))
		fetch_and_decode(vcpu, exit);
}
