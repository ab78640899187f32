/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: abi_check
 *
 * One line a call: it works, or it fails with the errno that KVM's
 * documentation gives.  errno is taken first, so that nothing spoils it.
 */
#ifndef SELFTESTS_ABI_CHECK_H
#define SELFTESTS_ABI_CHECK_H

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

/* The call succeeded (any value >= 0). */
__attribute__((unused))
static bool works(long ret, const char *what)
{
	int err = errno;

	return ktap_ok(ret >= 0, "%s%s%s", what, ret < 0 ? ": " : "",
		       ret < 0 ? strerror(err) : "");
}

/* The call failed with @want. */
__attribute__((unused))
static bool fails(long ret, int want, const char *what)
{
	int err = errno;

	if (ret >= 0)
		return ktap_ok(false, "%s: %s (it returned %ld)", what, strerror(want), ret);
	if (err != want)
		return ktap_ok(false, "%s: %s (it was: %s)", what, strerror(want),
			       strerror(err));
	return ktap_ok(true, "%s: %s", what, strerror(want));
}

/* The call failed with one of two: stock KVM differs from its documentation. */
__attribute__((unused))
static bool fails_either(long ret, int want, int kvm, const char *what)
{
	int err = errno;

	return ktap_ok(ret < 0 && (err == want || err == kvm), "%s: %s", what,
		       strerror(ret < 0 ? err : 0));
}

/* An address where nothing can be. */
__attribute__((unused))
static void *bad_pointer(void)
{
	/* volatile: the compiler would find it out and complain. */
	static void *volatile nowhere = (void *)16;

	return nowhere;
}

#define BAD_POINTER	bad_pointer()

/* Is this Umbra?  Only for what KVM has not or has otherwise. */
__attribute__((unused))
static bool is_umbra(void)
{
	const char *path = ku_device();

	return !strstr(path, "kvm");
}

#endif
