/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: xorshift
 *
 * Numbers at random that are the same each time: Marsaglia's xorshift64 with
 * shifts 13, 7, 17.
 */
#ifndef SELFTESTS_XORSHIFT_H
#define SELFTESTS_XORSHIFT_H

#include <stdint.h>

/* The number after @x, never 0 unless @x is. */
static inline uint64_t xorshift(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

#endif
