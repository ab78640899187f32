// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: failures on demand
 *
 * Built where the kernel has fault injection.
 */
#include "umbra/fail.h"

#include <linux/dcache.h>
#include <linux/debugfs.h>
#include <linux/fault-inject.h>

static DECLARE_FAULT_ATTR(fail_lookup);
static struct dentry *dir;

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
 * umbra_fail_init() - the directory in debugfs
 *
 * Context: may sleep.
 */
void umbra_fail_init(void)
{
	dir = fault_create_debugfs_attr("fail_umbra_lookup", NULL, &fail_lookup);
}

/**
 * umbra_fail_exit() - its end
 *
 * Context: may sleep.
 */
void umbra_fail_exit(void)
{
	debugfs_remove(dir);
	/* A reference for messages, which the kernel's own attributes never give back. */
	dput(fail_lookup.dname);
}
