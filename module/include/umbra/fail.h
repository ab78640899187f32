/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what is made to happen on demand
 *
 * A page of the caller's that is not there, or a word of a guest table that cannot be
 * read, is rare and hard to bring about; so is another processor that comes just
 * between two instructions.  On a kernel with fault injection there are two more
 * attributes (the kernel's fault-injection.rst), in debugfs:
 *
 *   fail_umbra_lookup	a look-up in the caller's memory fails, as an allocation
 *			does with failslab; also by "fail-nth"
 *			(selftests/hostile/fault_inject_test.c)
 *   linger_umbra	a processor lingers between two steps whose order is all that
 *			keeps an interrupt from being lost (selftests/irq/wakeup_test.c)
 *
 * Elsewhere nothing of this is built.
 */
#ifndef UMBRA_FAIL_H
#define UMBRA_FAIL_H

#include "umbra/types.h"

#ifdef CONFIG_FAULT_INJECTION
bool umbra_fail_lookup(void);
void umbra_linger(void);
void umbra_fail_init(void);
void umbra_fail_exit(void);
#else
static inline bool umbra_fail_lookup(void)
{
	return false;
}

static inline void umbra_linger(void)
{
}

static inline void umbra_fail_init(void)
{
}

static inline void umbra_fail_exit(void)
{
}
#endif

#endif
