// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: failures and delays on demand
 *
 * Built where the kernel has fault injection.
 */
#include "umbra/fail.h"

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/fault-inject.h>
#include <linux/ktime.h>

/* Longer than an interrupt takes to another processor of an emulated machine. */
#define LINGER_US	200

static DECLARE_FAULT_ATTR(fail_lookup);
static DECLARE_FAULT_ATTR(linger);

static struct dentry *dirs[2];

/**
 * umbra_fail_lookup() - shall this look-up in the caller's memory fail?
 *
 * Asked once in front of each.
 *
 * Context: any; does not sleep.
 * Return: true when it shall.
 */
bool umbra_fail_lookup(void)
{
	return should_fail(&fail_lookup, 1);
}

/**
 * umbra_linger() - hold this window open
 *
 * Between two steps that must be in order: gives others the time to come in between.
 *
 * Context: any but NMI; does not sleep.
 */
void umbra_linger(void)
{
	/* No failure: "fail-nth" does not count it. */
	if (READ_ONCE(linger.probability) && should_fail(&linger, 1))
		udelay((u32)ktime_get_ns() % LINGER_US);
}

/**
 * umbra_fail_init() - the directories in debugfs
 *
 * Context: may sleep.
 */
void umbra_fail_init(void)
{
	dirs[0] = fault_create_debugfs_attr("fail_umbra_lookup", NULL, &fail_lookup);
	dirs[1] = fault_create_debugfs_attr("linger_umbra", NULL, &linger);
}

/**
 * umbra_fail_exit() - their end
 *
 * Context: may sleep.
 */
void umbra_fail_exit(void)
{
	debugfs_remove(dirs[0]);
	debugfs_remove(dirs[1]);
	/* References for messages, which the kernel's own attributes never give back. */
	dput(fail_lookup.dname);
	dput(linger.dname);
}
