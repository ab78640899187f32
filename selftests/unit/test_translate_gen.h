/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: random programs for the translator
 *
 * A program is a few functions; each one calls only later ones and jumps only
 * forward, so that it ends.  R15 points at the data, RSP at the stack.
 */
#ifndef TEST_TRANSLATE_GEN_H
#define TEST_TRANSLATE_GEN_H

#include "umbra/types.h"

#define GEN_CODE_SIZE	0x4000
#define GEN_DATA	0x10000		/* from the code */
#define GEN_DATA_SIZE	0x1000
#define GEN_STACK	0x20000
#define GEN_STACK_SIZE	0x2000

u64 gen_random(void);
u64 gen_below(u64 n);
void gen_seed(u64 seed);
void gen_program(u64 base, unsigned int offset, bool with_popf);

#endif
