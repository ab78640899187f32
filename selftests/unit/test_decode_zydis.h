/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: Zydis, the decoder's judge
 *
 * umbra_emul_insn_len() and Zydis, an independent decoder, look at the same byte
 * string.  Where the two may differ is listed in differs(), with the reason.  In 64-bit
 * mode umbra_insn_decode() has to find ModRM and displacement in the same places.
 */
#ifndef TEST_DECODE_ZYDIS_H
#define TEST_DECODE_ZYDIS_H

#include "umbra/types.h"

/* What came of strings: valid to Zydis, different for a reason, different without one. */
struct zydis_tally {
	unsigned long strings, valid, excused, wrong;
};

/* Sizes by index: 16, 32, 64. */
extern const unsigned int zydis_modes[3];

/* Once, before the first comparison. */
void zydis_setup(void);

/* Compare on a string of 15 bytes in mode zydis_modes[@m]; the first differences are shown. */
void zydis_compare(unsigned int m, const u8 *buf, struct zydis_tally *t);

#endif
