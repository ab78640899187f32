/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: translation cache
 *
 * Guest-kernel code (64-bit mode, CPL 0) rewritten to run at CPL 3.  One cache a
 * vCPU, used by that vCPU's own thread only, while the vCPU is not executing.
 * No function here sleeps, allocates (but for soft_tc_span) or takes a lock.
 *
 * A block is the translation of consecutive guest instructions of one page,
 * entered at its start, with all guest registers and flags in the real ones, and R11
 * in vdata.r11 as well: in there it is while a block does not use it.  The real one is
 * where a RET has its target then.  The block
 * goes past conditional branches that are not taken.  It leaves through a
 * jump to another block or through an exit: a HLT, which traps; the monitor
 * asks soft_tc_where() what it means.  The round of the monitor:
 *
 *   SOFT_CALLOUT  emulate the instruction at .rip, go on at the new RIP
 *   SOFT_CHAIN    go on at .target (a link appears by itself, see below)
 *   SOFT_MISS     rip = vdata.rip; soft_tc_expect(tc, rip); go on there
 *   go on at rip: va = soft_tc_lookup() or soft_tc_translate(); run at va
 *   after an event or a fault: soft_tc_resume() instead of soft_tc_lookup()
 *   -ENOSPC       soft_tc_flush(), translate again
 *   -EFAULT       the first instruction cannot be fetched: emulate it
 *
 * Direct branches are linked as soon as both ends exist, whichever came first;
 * so each block costs at most one SOFT_CHAIN.  Indirect branches, RET among
 * them, jump through a table.  Where a kernel has its text that has an entry for each RIP; else
 * it is targets[RIP & 0xffff], and leads to a prologue of the block, which
 * compares the whole RIP with its own and otherwise goes to the next block of
 * the same slot, at the end to the common SOFT_MISS.  The real FS base is theirs
 * (tc_slot.c), the guest's is in vdata.
 */
#ifndef UMBRA_SOFT_TC_H
#define UMBRA_SOFT_TC_H

#include "umbra/types.h"
#include "vdata.h"

struct soft_tc;

#define SOFT_TC_TARGETS		65536	/* entries of targets[] */
#define SOFT_TC_SPAN		512	/* entries of a span's table: RIPs, and a page */
#define SOFT_TC_NEAR		0x90000000ull	/* near RIPs */
#define SOFT_TC_NEAR_DISP	0x80000000ull	/* their place is so much in front of the window */

/* What grows with the code, in arrays of their own. */
enum soft_tc_records {
	SOFT_TC_BLOCKS,
	SOFT_TC_CHAINS,
	SOFT_TC_MARKS,
	SOFT_TC_NR_RECORDS,
};

/**
 * typedef soft_tc_span - the table of a span: SOFT_TC_SPAN consecutive RIPs
 * @ctx: the caller's
 * @rip: one of them, near (see soft_tc_config)
 * @fresh: set to whether it holds nothing yet
 *
 * From then on the guest sees the table at its place.  @fresh is set when it is new,
 * and has to be filled.  Once there is none more, there is none until the next flush.  May be
 * called with interrupts off.
 *
 * Return: the monitor's mapping; NULL: it stays what it was.
 */
typedef u64 *soft_tc_span(void *ctx, u64 rip, bool *fresh);

/**
 * typedef soft_tc_unspan - no span has a table any more
 * @ctx: the caller's
 */
typedef void soft_tc_unspan(void *ctx);

/**
 * struct soft_tc_config - a cache's memory and its guest's features
 * @buf: the monitor's mapping of the cache
 * @records: soft_tc_records_size(@room, ...) bytes each, aligned to 8, any content
 * @room: bytes of @buf that there are, multiple of 64 KiB; soft_tc_grow() adds more
 * @size: bytes of it at most, multiple of 64 KiB, at most 1 GiB
 * @va: where the guest executes it
 * @vdata_va: struct soft_vdata for the guest, within 2 GiB of @va
 * @vif_va: struct soft_vif for the guest, within 2 GiB of @va
 * @targets: the monitor's mapping of targets[SOFT_TC_TARGETS]
 * @window_va: the same for the guest, over and over in 4 GiB from here on; the real FS
 *	base while translations run; aligned to 512 KiB
 * @near: first of SOFT_TC_NEAR RIPs, the near ones: what the guest sees at their place, which is
 *	@window_va + 8 * RIP - SOFT_TC_NEAR_DISP, is targets[] again, or the table of a span
 * @span: gives a span its table; NULL: none has one
 * @unspan: takes them back
 * @span_ctx: for both
 * @meta: soft_tc_meta_size(@size) bytes for what finds records, aligned to 8, any content
 * @fsgsbase: RD/WR{FS,GS}BASE in line (guest CR4.FSGSBASE is set)
 * @swapgs: SWAPGS in line: the real CR4.FSGSBASE is set
 * @rdtsc: RDTSC in line
 * @rdtscp: RDTSCP in line (the guest has it)
 * @rdpid: RDPID in line (the guest has it)
 * @serialize: SERIALIZE in line, by fences (the guest has it)
 * @services: IRETQ and 64-bit SYSRET exit by a SYSCALL, which the switcher may
 *	answer without an exit
 * @single: translate the block that is asked for and nothing else
 */
struct soft_tc_config {
	u8 *buf;
	void *records[SOFT_TC_NR_RECORDS];
	u32 room;
	u32 size;
	u64 va;
	u64 vdata_va;
	u64 vif_va;
	u64 *targets;
	u64 window_va;
	u64 near;
	soft_tc_span *span;
	soft_tc_unspan *unspan;
	void *span_ctx;
	void *meta;
	bool fsgsbase;
	bool swapgs;
	bool rdtsc;
	bool rdtscp;
	bool rdpid;
	bool serialize;
	bool services;
	bool single;
};

/**
 * enum soft_exit - what the guest's state is at an address of the cache
 * @SOFT_BOUNDARY: the guest is in front of the instruction at .rip, and
 *	nothing of that instruction has happened: take events, report faults of
 *	the instruction here, after reloading the .spilled registers and R11.  The same
 *	address may be gone on at, if nothing is spilled, and .begun and .r11 are not both set
 * @SOFT_MIDDLE: the instruction at .rip has changed the guest's state and is
 *	not complete: single-step until something else; no guest access is left
 *	that may fault.  What does fault is a branch to where no table is: SOFT_MISS, and the
 *	real R11 has the RIP
 * @SOFT_CALLOUT: exit: emulate the instruction at .rip; .kind says what it is.  With
 *	services RCX may be spilled
 * @SOFT_CHAIN: exit: go on at .target, which is .rip, too
 * @SOFT_MISS: exit: go on at vdata.rip; .rip is not set
 *
 * The three exits are boundaries, too, with nothing spilled but what is said.
 *
 * A PUSHF that is single-stepped shows TF.  The monitor has no reason to: it steps
 * only out of SOFT_MIDDLE, and up to its end PUSHF is SOFT_BOUNDARY.  Who steps the
 * guest's instructions for their own sake emulates them.
 */
enum soft_exit {
	SOFT_BOUNDARY,
	SOFT_MIDDLE,
	SOFT_CALLOUT,
	SOFT_CHAIN,
	SOFT_MISS,
};

/* What a SOFT_CALLOUT instruction is; the rest is SOFT_OP_OTHER. */
enum soft_op {
	SOFT_OP_OTHER,
	SOFT_OP_CPUID,
	SOFT_OP_HLT,
	SOFT_OP_RDMSR,
	SOFT_OP_WRMSR,
	SOFT_OP_MOV_CR,
	SOFT_OP_MOV_DR,
	SOFT_OP_IO,		/* IN, OUT, INS, OUTS */
	SOFT_OP_INVLPG,
	SOFT_OP_IRET,
	SOFT_OP_SYSRET,
	SOFT_OP_POPF,
	SOFT_OP_MOV_SREG,	/* MOV or POP to a segment register */
	SOFT_OP_UNDECODED,	/* no such encoding, or cut off by a fault */
};

/*
 * What a SOFT_CALLOUT instruction has for operands, where the emulator need not be asked; 0:
 * it has to.  IN and OUT: bytes, direction, port in DX or in the upper byte; INVLPG: vdata.gva has
 * the address; MOV to CR3: the register.
 */
#define SOFT_ARG_IO_SIZE	0x07
#define SOFT_ARG_IO_IN		0x08
#define SOFT_ARG_IO_DX		0x10
#define SOFT_ARG_IO_PORT	8	/* shift */
#define SOFT_ARG_GVA		0x01
#define SOFT_ARG_CR3		0x10
#define SOFT_ARG_GPR		0x0f

/**
 * struct soft_where - the answer of soft_tc_where()
 * @exit: enum soft_exit
 * @op: enum soft_op of a SOFT_CALLOUT
 * @len: bytes of the guest instruction at @rip; 0: not known
 * @arg: SOFT_ARG_* of a SOFT_CALLOUT
 * @spilled: bit SOFT_SPILL_x: the guest's register is in vdata.spill[x]
 * @r11: the guest's R11 is in vdata.r11, and not in the register
 * @after_sti: interrupts are blocked until the instruction at @rip has run
 * @begun: not the first host instruction of the guest instruction at @rip
 * @dropped: the block was dropped: look @rip up before going on
 * @rip: guest RIP
 * @target: guest RIP where a SOFT_CHAIN goes
 */
struct soft_where {
	u8 exit;
	u8 op;
	u8 len;
	u8 spilled;
	bool r11;
	bool after_sti;
	bool begun;
	bool dropped;
	u16 arg;
	u64 rip;
	u64 target;
};

/**
 * struct soft_tc_stats - counters since creation, and what is there now
 * @blocks: blocks alive now
 * @bytes: bytes of the cache in use now
 * @translations: blocks translated
 * @insns: guest instructions in them
 * @links: jumps patched
 * @drops: blocks dropped
 * @flushes: flushes
 */
struct soft_tc_stats {
	u64 blocks;
	u64 bytes;
	u64 translations;
	u64 insns;
	u64 links;
	u64 drops;
	u64 flushes;
};

/**
 * typedef soft_tc_fetch - read guest code
 * @ctx: the caller's
 * @gva: linear address
 * @buf: for the bytes
 * @len: how many at most; never more than up to the end of @gva's page
 *
 * Return: bytes read, or <= 0 when the first of them cannot be fetched.
 */
typedef int soft_tc_fetch(void *ctx, u64 gva, u8 *buf, unsigned int len);

/**
 * typedef soft_tc_visit - visit a guest page
 * @arg: the caller's
 * @gva: linear address of the page
 */
typedef void soft_tc_visit(void *arg, u64 gva);

size_t soft_tc_meta_size(u32 size);
size_t soft_tc_records_size(u32 room, enum soft_tc_records which);
int soft_tc_create(const struct soft_tc_config *config, struct soft_tc **tc);
void soft_tc_features(struct soft_tc *tc, const struct soft_tc_config *config);
void soft_tc_grow(struct soft_tc *tc, u32 room, u8 *buf, void *const *records);
void soft_tc_flush(struct soft_tc *tc);
u64 soft_tc_lookup(struct soft_tc *tc, u64 rip);
u64 soft_tc_resume(struct soft_tc *tc, u64 rip);
int soft_tc_translate(struct soft_tc *tc, u64 rip, soft_tc_fetch *fetch,
		      void *ctx, u64 *va);
int soft_tc_expect(struct soft_tc *tc, u64 rip);
int soft_tc_where(struct soft_tc *tc, u64 va, struct soft_where *w);
void soft_tc_link(struct soft_tc *tc, u64 chain_va, u64 target_va);
unsigned int soft_tc_drop(struct soft_tc *tc, u64 gva, u64 len);
void soft_tc_visit_pages(struct soft_tc *tc, soft_tc_visit *fn, void *arg);
void soft_tc_stats(const struct soft_tc *tc, struct soft_tc_stats *stats);

#endif
