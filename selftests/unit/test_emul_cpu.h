/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: one instruction on the real processor
 *
 * The state that an instruction starts from and ends in, as far as user mode
 * can set and see it, and the call that runs one instruction natively.
 */
#ifndef TEST_EMUL_CPU_H
#define TEST_EMUL_CPU_H

#include "umbra/regs.h"

#define DATA_BASE	0x10000000ul
#define DATA_SIZE	0x10000ul
#define DATA_RO		0xe000ul	/* the last two pages cannot be written */
#define CODE_BASE	0x20000000ul
#define CODE_SIZE	0x10000ul
#define CODE_IP		0x800ul

/* LDT entries; selectors are entry * 8 + 7. */
enum ldt_entry {
	LDT_CODE16,		/* base CODE_BASE */
	LDT_DATA16,		/* base DATA_BASE, 64 KiB, 16-bit */
	LDT_DATA32,		/* base DATA_BASE, 64 KiB, 32-bit */
	LDT_DATA_RO,
	LDT_DATA_SHORT,		/* limit 0x7fff */
	LDT_DATA_DOWN,		/* expand-down, limit 0x3fff */
	LDT_CODE32,		/* base CODE_BASE, readable */
	LDT_CODE_XO,		/* execute-only */
	LDT_CODE_CONF,		/* conforming */
	LDT_ABSENT,
	LDT_DATA_FLAT,
	LDT_ENTRIES
};

#define LDT_SEL(n)	((n) * 8 + 7)

struct cpu_state {
	u64 gpr[16];
	u64 rip;
	u64 rflags;
	u16 sreg[6];
	u8 vec[16][32];
};

/**
 * struct cpu_outcome - what became of it
 * @after: state after the instruction or at the fault
 * @vector: 1 for a single-step trap, else the exception
 * @error: error code
 * @cr2: address of a page fault
 */
struct cpu_outcome {
	struct cpu_state after;
	unsigned int vector;
	u32 error;
	u64 cr2;
};

/* Map the areas, set up LDT and handlers.  False: not possible here. */
bool cpu_setup(void);

/* Make the last pages of the data read-only. */
void cpu_seal(void);

/* Run the instruction at s->rip with TF set. */
void cpu_run(const struct cpu_state *s, struct cpu_outcome *out);

/* The LDT as the processor has it: 8192 descriptors. */
const u64 *cpu_ldt(void);

/* Flags that a signal frame cannot change: ID, NT. */
u64 cpu_sticky_flags(void);

/* Is something of this process mapped at @addr, besides the areas above? */
bool cpu_mapped(u64 addr);

#endif
