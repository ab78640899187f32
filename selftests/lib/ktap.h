/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ktap
 *
 * Speaking KTAP, the kernel's test protocol, from a C program: a plan, one
 * line a result, exit status 0 (all good), 1 (something failed) or 4 (the
 * whole program was skipped, for a reason that is true).  Header only, so
 * that a test is one file; it leaves all knowledge of KVM to kvm_util.h.
 */
#ifndef SELFTESTS_KTAP_H
#define SELFTESTS_KTAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define KTAP_PASS	0
#define KTAP_FAIL	1
#define KTAP_SKIP	4

static struct {
	unsigned int planned, run, failed;
} ktap __attribute__((unused));

#define KTAP_PRINTF(fmt, args) \
	__attribute__((format(printf, fmt, args), unused))

/* A remark; each call is one line. */
KTAP_PRINTF(1, 2)
static void ktap_note(const char *fmt, ...)
{
	va_list args;

	printf("# ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

/* First of all: how many results will follow. */
__attribute__((unused))
static void ktap_plan(unsigned int count)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%u\n", count);
	ktap.planned = count;
}

/* Instead of a plan: nothing here can be tested, and why. */
__attribute__((noreturn)) KTAP_PRINTF(1, 2)
static void ktap_skip_all(const char *fmt, ...)
{
	va_list args;

	printf("KTAP version 1\n1..0 # SKIP ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(KTAP_SKIP);
}

/* One result; returns @good so that a test can go on depending on it. */
KTAP_PRINTF(2, 3)
static bool ktap_ok(bool good, const char *fmt, ...)
{
	va_list args;

	ktap.failed += !good;
	printf("%sok %u - ", good ? "" : "not ", ++ktap.run);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return good;
}

/* One result left out: @name, and the reason. */
KTAP_PRINTF(2, 3)
static void ktap_skip(const char *name, const char *fmt, ...)
{
	va_list args;

	printf("ok %u - %s # SKIP ", ++ktap.run, name);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
}

/* Going on makes no sense: end the program as failed. */
__attribute__((noreturn)) KTAP_PRINTF(1, 2)
static void ktap_bail(const char *fmt, ...)
{
	va_list args;

	printf("Bail out! ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	exit(KTAP_FAIL);
}

/* Last of all: the program's exit status; a broken plan is a failure. */
__attribute__((noreturn, unused))
static void ktap_exit(void)
{
	bool complete = ktap.run == ktap.planned;

	if (!complete)
		ktap_note("planned %u results, had %u", ktap.planned, ktap.run);
	fflush(stdout);
	exit(complete && !ktap.failed ? KTAP_PASS : KTAP_FAIL);
}

#endif
