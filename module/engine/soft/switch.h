/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the switcher's data page
 *
 * What C code and the assembly of the world switch share: one page a vCPU, of
 * which the processor uses the upper part as the stack of every exception that
 * interrupts the guest (TSS.RSP0).  The general registers stay where they are until
 * C code's memory is there again:
 *
 *   SF_TOP    ---- RSP0, a multiple of 16
 *             ss, rsp, rflags, cs, rip	by the processor
 *             error code		by the processor or the stub
 *             vector			by the stub
 *   SF_VECTOR ----
 *
 * The page is seen at two addresses: by C in the kernel's own mapping of all
 * memory, by the switcher in the hole, SOFT_FRAME_OFFSET behind its code.
 */
#ifndef UMBRA_SOFT_SWITCH_H
#define UMBRA_SOFT_SWITCH_H

/* Offsets in the hole, see area.c. */
#define SOFT_CODE_OFFSET	0x0000
#define SOFT_CODE_PAGES		4
#define SOFT_FRAME_OFFSET	0x4000
#define SOFT_IDT_OFFSET		0x5000
#define SOFT_GDT_OFFSET		0x6000
#define SOFT_TSS_OFFSET		0x6400
#define SOFT_STACKS_OFFSET	0x7000	/* a page each: #DF, NMI, #DB, #MC */
#define SOFT_OWN_VDATA_OFFSET	0xb000	/* struct soft_vdata, for the switcher itself */
#define SOFT_OWN_VIF_OFFSET	0xc000	/* struct soft_vif, likewise */
#define SOFT_SWITCHER_PAGES	13

/* Selectors in the engine's GDT; the host's own keep their places. */
#define SOFT_SEL_HOST_TSS	0x40
#define SOFT_SEL_TSS		0x80
#define SOFT_SEL_KCODE		0x93	/* 64-bit code, CPL 3: translated guest kernel code */
#define SOFT_SEL_KDATA		0x9b	/* its stack segment */
#define SOFT_GDT_ENTRIES	32

/* Beyond the processor's vectors. */
#define SOFT_VEC_SYSCALL	256	/* SYSCALL in 64-bit mode */
#define SOFT_VEC_SYSCALL32	257	/* SYSCALL in compatibility mode */
#define SOFT_VEC_FATAL		258	/* an exception in the switcher itself */
#define SOFT_VEC_SERVICE	259	/* SYSCALL of translated code that C code has to see to */

/* soft_frame.mode */
#define SOFT_MODE_USER		1	/* guest user code, in the user view */
#define SOFT_MODE_KERNEL	2	/* translated guest kernel code, in the kernel view */
#define SOFT_MOVED		0x100	/* soft_frame.moved, beside it */

/* soft_frame.fast: what the switcher may do by itself */
#define SOFT_FAST_SYSCALL	0x01
#define SOFT_FAST_SYSRET	0x02
#define SOFT_FAST_IRET		0x04

/* soft_vdata.service: which instruction translated code stands at with its SYSCALL */
#define SOFT_SERVICE_SYSRET	1
#define SOFT_SERVICE_IRET	2

/* Flat descriptors, DPL 3, accessed: 64-bit code; writable data. */
#define SOFT_DESC_CODE		0x00affb000000ffff
#define SOFT_DESC_DATA		0x00cff3000000ffff
/* Their access byte, without which a descriptor cannot be loaded. */
#define SOFT_DESC_ACCESS	5
#define SOFT_ACCESS_CODE	0xfb
#define SOFT_ACCESS_DATA	0xf3

/*
 * RFLAGS that are real while guest code runs: CF, PF, AF, ZF, SF, DF, OF, ID; for
 * user code TF, NT, RF, AC as well.  What a fast return to user code may have in its
 * image: these without TF, and IF and bit 1.
 */
#define SOFT_FLAGS_KERNEL	0x200cd5
#define SOFT_FLAGS_USER		0x254dd5
#define SOFT_FLAGS_RETURN	0x254ed7
#define SOFT_FLAGS_VIRTUAL	0x3202	/* of these IF, IOPL, bit 1 */
#define SOFT_FLAGS_SYSRET	0x3c7fd7	/* what SYSRET takes from R11 (SDM Vol. 2B) */
#define SOFT_FLAGS_ON		0x202	/* IF and bit 1, always */
#define SOFT_FLAGS_TF		0x100
#define SOFT_FLAGS_IF		0x200

/* Stubs in the blob are this far apart. */
#define SOFT_STUB_SIZE		16

/* Offsets in struct soft_frame. */
#define SF_HOST_RSP		0x00
#define SF_HOST_CR3		0x08
#define SF_IM_CR3		0x10
#define SF_GUEST_CR3		0x18
#define SF_HOLE_ENTRY		0x20
#define SF_HOST_RESUME		0x28
#define SF_SELF			0x30
#define SF_HOST_FSBASE		0x38
#define SF_HOST_GSBASE		0x40
#define SF_HOST_GDTR		0x48
#define SF_HOST_IDTR		0x58
#define SF_GDTR			0x68
#define SF_IDTR			0x78
#define SF_HOST_TR		0x88
#define SF_HOST_LDT		0x8a
#define SF_HOST_DS		0x8c
#define SF_HOST_ES		0x8e
#define SF_HOST_FS		0x90
#define SF_HOST_GS		0x92
#define SF_DS			0x94
#define SF_ES			0x96
#define SF_FS			0x98
#define SF_GS			0x9a
#define SF_NMI			0x9c
#define SF_MCE			0x9d
#define SF_CR3_KEEP		0xa0
#define SF_FSBASE		0xa8
#define SF_GSBASE		0xb0
#define SF_CR2			0xb8
#define SF_FATAL_VECTOR		0xc0
#define SF_FATAL_RIP		0xc8
#define SF_MODE			0xd0
#define SF_MOVED		0xd1
#define SF_FAST			0xd2
#define SF_KERNEL_SEL		0xd4
#define SF_VFLAGS		0xd8
#define SF_SYSCALL_KEEP		0xe0
#define SF_CR3_USER		0xe8
#define SF_CR3_KERNEL		0xf0
#define SF_CR4_USER		0xf8
#define SF_CR4_KERNEL		0x100
#define SF_SAVE_RAX		0x108
#define SF_TO_KERNEL		0x110	/* RIP, CS, RFLAGS, RSP, SS */
#define SF_TO_USER		0x138
#define SF_KERNEL_FSBASE	0x160
#define SF_USER_FSBASE		0x168
#define SF_HOST_GPR		0x170
#define SF_SAVE_RDI		0x178
#define SF_UNUSED		0x180
#define SF_VECTOR		0x488
#define SF_ERROR		0x490
#define SF_RIP			0x498
#define SF_CS			0x4a0
#define SF_RFLAGS		0x4a8
#define SF_RSP			0x4b0
#define SF_SS			0x4b8
#define SF_TOP			0x4c0

/* Offsets in struct soft_vdata; in struct soft_vif the flag is first. */
#define VD_SPILL_RCX		0x08
#define VD_SEL_CS		0x52
#define VD_SEL_ES		0x50
#define VD_SEL_DS		0x56
#define VD_SEL_FS		0x58
#define VD_SEL_GS		0x5a
#define VD_R11			0x60
#define VD_SERVICE		0x68
#define VD_IRET			0x70	/* RIP, CS, RFLAGS, RSP, SS */
#define VD_DESC			0x98	/* CS, SS */
#define VD_FS_BASE		0xe8

#ifndef __ASSEMBLY__

#include "umbra/types.h"

/* What LGDT and LIDT take, padded to 16 bytes. */
struct soft_dtr {
	u16 limit;
	u64 base;
	u8 pad[6];
} __packed;

/* What IRETQ takes from the stack. */
struct soft_iret {
	u64 rip, cs, rflags, rsp, ss;
};

/**
 * struct soft_frame - the switcher's data page
 * @host_rsp: the C caller's stack
 * @host_cr3: the host's address space
 * @im_cr3: the intermediate address space: the host's kernel half and the hole
 * @guest_cr3: the shadow root
 * @hole_entry: address of the entry code in the hole
 * @host_resume: address in the module where the way back goes on
 * @self: this page in the kernel's mapping of all memory
 * @host_fsbase: the caller's user FS base
 * @host_gsbase: the per-CPU base
 * @host_gdtr: the host's tables, as umbra_soft_away() found them
 * @host_idtr: likewise
 * @gdtr: the engine's tables
 * @idtr: likewise
 * @host_tr: selectors of the host
 * @host_ldt: likewise
 * @host_ds: likewise
 * @host_es: likewise
 * @host_fs: likewise
 * @host_gs: likewise
 * @ds: selectors to load for the guest; after an exit, those it had
 * @es: likewise
 * @fs: likewise
 * @gs: likewise
 * @nmi: an NMI arrived in the switcher: to be raised again
 * @mce: likewise a machine check
 * @pad: nothing
 * @cr3_keep: bit 63 where the host uses PCIDs: the host's translations survive
 * @fsbase: the guest's FS base, in and out
 * @gsbase: the guest's GS base, in and out
 * @cr2: at the exit
 * @fatal_vector: SOFT_VEC_FATAL: what happened in the switcher
 * @fatal_rip: and where
 * @mode: SOFT_MODE_*: what runs; the switcher keeps it
 * @moved: the switcher has changed @mode, see umbra_soft_run()
 * @fast: SOFT_FAST_*: what the switcher may do by itself; an NMI or machine check in the
 *	switcher clears it, so that the next change of mode is an exit, where it is raised
 * @pad2: nothing
 * @kernel_sel: CS and, above, SS that the guest has after SYSCALL
 * @vflags: user code: RFLAGS that are not real: IF, IOPL
 * @syscall_keep: of the flags of SOFT_FLAGS_KERNEL, those that SYSCALL does not clear
 * @cr3_user: the user view
 * @cr3_kernel: the kernel view
 * @cr4_user: CR4 for user code
 * @cr4_kernel: CR4 for translated code
 * @save_rax: the guest's RAX while the switcher uses it
 * @to_kernel: frame for IRETQ to the translation of the guest's LSTAR; C code has filled in
 *	RIP, CS and SS
 * @to_user: frame for IRETQ to user code; C code has filled in CS and SS
 * @kernel_fsbase: the real FS base of translated code
 * @user_fsbase: FS base to enter user code with; canonical
 * @host_gpr: where C code has the guest's registers
 * @save_rdi: the guest's RDI for a moment
 * @unused: room for the processor's stack
 * @vector: why the guest stopped: vector or SOFT_VEC_*
 * @error: error code, 0 without one
 * @rip: guest RIP
 * @cs: guest CS selector
 * @rflags: guest RFLAGS
 * @rsp: guest RSP
 * @ss: guest SS selector
 *
 * The vCPU's thread, between load() and put(); the switcher on its behalf.
 */
struct soft_frame {
	u64 host_rsp, host_cr3, im_cr3, guest_cr3;
	u64 hole_entry, host_resume, self;
	u64 host_fsbase, host_gsbase;
	struct soft_dtr host_gdtr, host_idtr, gdtr, idtr;
	u16 host_tr, host_ldt, host_ds, host_es, host_fs, host_gs;
	u16 ds, es, fs, gs;
	u8 nmi, mce;
	u16 pad;
	u64 cr3_keep;
	u64 fsbase, gsbase;
	u64 cr2;
	u64 fatal_vector, fatal_rip;
	u8 mode, moved, fast, pad2;
	u32 kernel_sel;
	u64 vflags;
	u64 syscall_keep;
	u64 cr3_user, cr3_kernel, cr4_user, cr4_kernel;
	u64 save_rax;
	struct soft_iret to_kernel, to_user;
	u64 kernel_fsbase, user_fsbase;
	u64 host_gpr, save_rdi;
	u8 unused[SF_VECTOR - SF_UNUSED];
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};

/* switch.S: the code that is copied into the hole, and where to enter it. */
extern const u8 umbra_soft_blob[], umbra_soft_blob_end[];
extern const u8 umbra_soft_blob_enter[], umbra_soft_blob_stubs[];
extern const u8 umbra_soft_blob_syscall[], umbra_soft_blob_syscall32[];
extern const u8 umbra_soft_blob_ist[];

/**
 * umbra_soft_switch() - to the guest and back
 * @frame: filled in
 * @gpr: the guest's registers, enum umbra_gpr, in and out
 *
 * Context: interrupts off; guest FPU state loaded; LSTAR, CSTAR and SYSENTER_CS are the engine's;
 * the intermediate address space.
 */
void umbra_soft_switch(struct soft_frame *frame, u64 *gpr);

/**
 * umbra_soft_away() - from the host's address space to the intermediate one
 * @frame: where to keep the host's
 *
 * It has the kernel's half and no user memory, see run.c.
 *
 * Context: interrupts off until umbra_soft_home().
 */
void umbra_soft_away(struct soft_frame *frame);

/**
 * umbra_soft_home() - back from umbra_soft_away()
 * @frame: likewise
 */
void umbra_soft_home(struct soft_frame *frame);

/* switch.S: where the way back goes on; never called. */
void umbra_soft_resume(void);

/**
 * umbra_soft_raise() - hand an interrupt that ended the guest's run to the host
 * @vector: 0..255
 *
 * Executes INT @vector.  Context: as the interrupt's handler expects.
 */
void umbra_soft_raise(u64 vector);

#endif
#endif
