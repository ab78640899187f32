/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: one vector instruction in a page of code
 *
 * The emulator against the processor: all registers are loaded by code in a page, the
 * instruction runs, all registers are stored.  A fault goes on behind the
 * instruction, so that what it left is seen, too.  The memory operand lies before
 * the end of what is mapped.
 */
#ifndef TEST_EMUL_PAGE_H
#define TEST_EMUL_PAGE_H

#include "test_emul_env.h"

#define PAGE_DATA_SIZE	512
#define PAGE_OPERAND	128	/* where RSI points to, usually */

/**
 * struct page_regs - at fixed offsets from RBP
 * @vec: vector registers; the upper 16 and the upper halves with AVX-512 only
 * @mask: opmask registers, likewise
 * @flags: RFLAGS
 * @gpr: RAX, RCX, RDX, RBX
 * @unused: alignment
 * @fx: FXSAVE area: MXCSR, MMX registers
 */
struct page_regs {
	u8 vec[32][64];
	u64 mask[8];
	u64 flags;
	u64 gpr[4];
	u64 unused[3];
	u8 fx[512] __aligned(64);
};

/**
 * struct page_count - what became of the instructions
 * @run: the emulator and the processor did the same
 * @absent: both faulted alike
 * @missing: the processor did it, the emulator does not know it
 * @wrong: anything else
 */
struct page_count {
	unsigned long run, absent, missing, wrong;
};

/**
 * struct page_test - the machine
 * @v: the emulator's
 * @cpu: the processor's registers
 * @data: the processor's memory, PAGE_DATA_SIZE bytes
 * @operand: offset in it for RSI and RDI
 * @avx512: there are opmasks and ZMM registers
 * @unmask: floating-point exceptions may be unmasked
 * @prepare: changes what was made up for the next instruction, or NULL
 */
struct page_test {
	struct env v;
	struct page_regs cpu;
	u8 *data;
	unsigned int operand;
	bool avx512;
	bool unmask;
	void (*prepare)(struct page_test *t);
};

u64 page_features(void);
void page_setup(struct page_test *t, u64 seed);
void page_cleanup(struct page_test *t);
u64 page_rng(void);
u64 page_below(u64 n);
u8 *page_memory(struct page_test *t);
void page_one(struct page_test *t, const u8 *insn, unsigned int len, struct page_count *c);

/* An opcode of the maps 0F, 0F38, 0F3A (1 to 3) */
bool page_has_imm(unsigned int map, u8 op);

/* What came of @opcode for each opcode of a map for which @wanted, @rounds times. */
struct page_count page_map(unsigned int map, unsigned long rounds,
			   bool (*wanted)(unsigned int map, u8 op),
			   void (*opcode)(unsigned int map, u8 op, struct page_count *c));

#endif
