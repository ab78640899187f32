/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: guest register state
 *
 * All architectural state of a vCPU that is not memory, FPU or interrupt
 * controller, in one plain struct.  The engine moves it: pull() fills groups
 * that are not yet available after an exit, and the groups marked dirty are
 * pushed before the next entry.  The emulator works on a copy of it.
 */
#ifndef UMBRA_REGS_H
#define UMBRA_REGS_H

#include "umbra/types.h"

/* Numbers as in ModRM and REX (SDM Vol. 2A, 2.1.5). */
enum umbra_gpr {
	UMBRA_RAX, UMBRA_RCX, UMBRA_RDX, UMBRA_RBX,
	UMBRA_RSP, UMBRA_RBP, UMBRA_RSI, UMBRA_RDI,
	UMBRA_R8, UMBRA_R9, UMBRA_R10, UMBRA_R11,
	UMBRA_R12, UMBRA_R13, UMBRA_R14, UMBRA_R15,
	UMBRA_NR_GPR
};

/* Numbers as in MOV Sreg, then the two system segments. */
enum umbra_sreg {
	UMBRA_ES, UMBRA_CS, UMBRA_SS, UMBRA_DS, UMBRA_FS, UMBRA_GS,
	UMBRA_LDTR, UMBRA_TR,
	UMBRA_NR_SREG
};

/*
 * Attributes, packed as in the VMCB (APM Vol. 2, 15.5.1):
 *
 *   11 10  9   8   7  6 5  4  3  0
 *    G DB  L AVL   P  DPL  S  type
 *
 * An attribute word of 0 (not present) is an unusable segment.
 */
#define UMBRA_SEG_TYPE		0x000f
#define UMBRA_SEG_S		0x0010
#define UMBRA_SEG_DPL_SHIFT	5
#define UMBRA_SEG_DPL		0x0060
#define UMBRA_SEG_P		0x0080
#define UMBRA_SEG_AVL		0x0100
#define UMBRA_SEG_L		0x0200
#define UMBRA_SEG_DB		0x0400
#define UMBRA_SEG_G		0x0800

/* Kinds of flat segments: type, accessed, and size. */
#define UMBRA_SEG_CODE64	(UMBRA_SEG_L | 0xb)
#define UMBRA_SEG_CODE32	(UMBRA_SEG_DB | 0xb)
#define UMBRA_SEG_DATA32	(UMBRA_SEG_DB | 0x3)

/**
 * struct umbra_seg - a segment register with its hidden part
 * @sel: selector
 * @attr: UMBRA_SEG_* bits
 * @limit: last valid offset in bytes (granularity already applied)
 * @base: linear base address
 */
struct umbra_seg {
	u16 sel;
	u16 attr;
	u32 limit;
	u64 base;
};

/**
 * umbra_seg_flat() - a segment as SYSCALL and its kind load it, from no descriptor
 * @sel: selector
 * @dpl: descriptor privilege level
 * @kind: UMBRA_SEG_CODE64, …_CODE32, …_DATA32
 */
static inline struct umbra_seg umbra_seg_flat(u16 sel, unsigned int dpl, u16 kind)
{
	return (struct umbra_seg){
		.sel = sel,
		.attr = UMBRA_SEG_P | UMBRA_SEG_S | UMBRA_SEG_G | kind | dpl << UMBRA_SEG_DPL_SHIFT,
		.limit = 0xffffffff,
	};
}

/**
 * struct umbra_dtr - GDTR or IDTR
 * @base: linear address
 * @limit: last valid offset in bytes
 */
struct umbra_dtr {
	u64 base;
	u16 limit;
};

/*
 * Groups of struct umbra_regs, for the avail and dirty masks.  GPRs, RIP,
 * RFLAGS and the interrupt shadow are always available after an exit.
 */
#define UMBRA_REGS_GPR		BIT(0)	/* gpr[], rip, rflags, int_shadow */
#define UMBRA_REGS_SEG		BIT(1)	/* seg[] except LDTR/TR; cpl */
#define UMBRA_REGS_TABLE	BIT(2)	/* gdtr, idtr, LDTR, TR */
#define UMBRA_REGS_CR		BIT(3)	/* cr0, cr2, cr3, cr4, efer */
#define UMBRA_REGS_DR		BIT(4)	/* dr[], dr6, dr7 */
#define UMBRA_REGS_SYSCALL	BIT(5)	/* star .. sysenter_eip, kernel_gs_base */
#define UMBRA_REGS_ALL		(BIT(6) - 1)

/* int_shadow: the instruction before RIP blocks interrupts for one more. */
#define UMBRA_SHADOW_STI	BIT(0)
#define UMBRA_SHADOW_MOV_SS	BIT(1)

/**
 * struct umbra_regs - architectural state of a vCPU as the guest sees it
 * @gpr: general registers, indexed by enum umbra_gpr
 * @rip: instruction pointer (offset in CS)
 * @rflags: flags; bit 1 always set
 * @int_shadow: UMBRA_SHADOW_* bits
 * @cpl: current privilege level 0..3
 * @seg: segment registers, indexed by enum umbra_sreg
 * @gdtr: global descriptor table
 * @idtr: interrupt descriptor table
 * @cr0: as the guest reads it; what runs on the processor may differ
 * @cr2: page-fault linear address
 * @cr3: as the guest wrote it
 * @cr4: as the guest reads it
 * @cr8: task priority, 4 bits; authoritative only without a local APIC
 * @efer: as the guest reads it
 * @xcr0: XCR0
 * @dr: debug addresses 0..3
 * @dr6: debug status
 * @dr7: debug control
 * @star: SYSCALL selectors
 * @lstar: SYSCALL target, 64-bit
 * @cstar: SYSCALL target, compatibility mode
 * @sfmask: SYSCALL flag mask
 * @kernel_gs_base: the base that SWAPGS swaps in
 * @sysenter_cs: SYSENTER code selector
 * @sysenter_esp: SYSENTER stack
 * @sysenter_eip: SYSENTER target
 * @avail: UMBRA_REGS_* groups that are valid here
 * @dirty: UMBRA_REGS_* groups that the engine must push before entry
 *
 * Guarded by the vCPU's mutex; the engine touches it only from pull, push and
 * run.
 */
struct umbra_regs {
	u64 gpr[UMBRA_NR_GPR];
	u64 rip;
	u64 rflags;
	u8 int_shadow;
	u8 cpl;
	struct umbra_seg seg[UMBRA_NR_SREG];
	struct umbra_dtr gdtr;
	struct umbra_dtr idtr;
	u64 cr0, cr2, cr3, cr4, cr8;
	u64 efer;
	u64 xcr0;
	u64 dr[4], dr6, dr7;
	u64 star, lstar, cstar, sfmask, kernel_gs_base;
	u64 sysenter_cs, sysenter_esp, sysenter_eip;
	u32 avail;
	u32 dirty;
};

#endif
