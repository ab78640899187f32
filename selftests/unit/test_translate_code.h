/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: code to translate
 *
 * Ordinary compiled C, built without sanitizers.  Each function is of the form
 * u64 f(u64 a, u64 b, u64 c) and depends on its arguments alone.
 */
#ifndef TEST_TRANSLATE_CODE_H
#define TEST_TRANSLATE_CODE_H

typedef unsigned long long code_fn(unsigned long long a, unsigned long long b,
				   unsigned long long c);

struct code {
	const char *name;
	code_fn *fn;
	unsigned long long arg;
};

extern const struct code codes[];

#endif
