/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what translated code reads and writes
 *
 * The two data pages of a vCPU that the translations of guest-kernel code
 * reach RIP-relative.  The guest runs with both of them writable: what is in
 * here is the guest's own state or scratch of its translations, and the monitor
 * judges each value that it takes from here.
 */
#ifndef UMBRA_SOFT_VDATA_H
#define UMBRA_SOFT_VDATA_H

#include "umbra/types.h"

/* Slots of soft_vdata.spill[], and bits of soft_where.spilled. */
enum soft_spill {
	SOFT_SPILL_RAX,
	SOFT_SPILL_RCX,
	SOFT_SPILL_RDX,
	SOFT_SPILL_RSP,
	SOFT_NR_SPILL
};

/**
 * struct soft_vdata - virtual registers and scratch
 * @spill: the guest's RAX, RCX, RDX, RSP while a translation uses the real one
 * @rip: guest RIP of SOFT_MISS
 * @kernel_gs_base: what SWAPGS exchanges with the real GS base; canonical
 * @tsc_offset: added to the real TSC by RDTSC and RDTSCP
 * @tsc_aux: ECX of RDTSCP, result of RDPID; the upper half is zero
 * @scratch: scratch of RDTSC and RDTSCP
 * @flags: scratch of PUSHF
 * @sel: selectors as the guest reads them, by enum umbra_sreg (ES..GS)
 * @pad: nothing
 * @r11: the guest's R11, where no translation has it in the register; also at a service of the
 *	switcher, whose SYSCALL takes the real one
 * @service: SOFT_SERVICE_*: which
 * @iret: the frame of an IRETQ: RIP, CS, RFLAGS, RSP, SS
 * @desc: descriptors in the guest's GDT at @gdt[]
 * @gdt: where the descriptors of user CS and SS are, or anywhere harmless
 * @gva: operand of an INVLPG that exits
 * @cr: CR0 to CR4 as the guest reads them (CR1: nothing); writing them is an exit
 * @fs_base: the guest's FS base; the real one leads to targets[]
 */
struct soft_vdata {
	u64 spill[SOFT_NR_SPILL];
	u64 rip;
	u64 kernel_gs_base;
	u64 tsc_offset;
	u64 tsc_aux;
	u64 scratch;
	u64 flags;
	u16 sel[6];
	u16 pad[2];
	u64 r11;
	u64 service;
	u64 iret[5];
	u64 desc[2];
	u64 gdt[2];
	u64 gva;
	u64 cr[5];
	u64 fs_base;
};

/**
 * struct soft_vif - the virtual interrupt flag, in a page of its own
 * @iff: 0x200 or 0: RFLAGS.IF as the guest sees it.  The page is read-only
 *	while an interrupt waits for IF, so that STI's store traps
 */
struct soft_vif {
	u16 iff;
};

#endif
