// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: complaints and messages
 *
 * Messages go to standard error, one line each, behind the tool's name.
 * Standard output belongs to the guest's console.
 */
#include "complaint.h"

#include <stdarg.h>
#include <stdio.h>

static bool quiet_notices;

/**
 * complain() - note what is wrong
 * @complaint: where
 * @format: printf format of one line
 *
 * Return: -1, so that a check can say "return complain(...)".
 */
int complain(struct complaint *complaint, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(complaint->text, sizeof(complaint->text), format, args);
	va_end(args);
	return -1;
}

static void print_line(const char *format, va_list args)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, args);
	/* One write, so that lines of several threads do not mix. */
	fprintf(stderr, "umbra: %s\n", line);
}

/**
 * say() - one line that is always printed
 * @format: printf format, without newline
 */
void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_line(format, args);
	va_end(args);
}

/**
 * say_quietly() - choose whether notice() prints (--quiet)
 * @quiet: true to suppress notices
 */
void say_quietly(bool quiet)
{
	quiet_notices = quiet;
}

/**
 * notice() - one line about the ordinary course of things
 * @format: printf format, without newline
 */
void notice(const char *format, ...)
{
	va_list args;

	if (quiet_notices)
		return;
	va_start(args, format);
	print_line(format, args);
	va_end(args);
}
