/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: complaints
 *
 * How the parts of the tool say what went wrong.  What judges input (loaders,
 * memory, options) writes one line into a struct complaint and fails; only the
 * command prints it and ends.  So the same code runs in unit tests, and an
 * error is always one line.
 */
#ifndef UMBRA_TOOL_COMPLAINT_H
#define UMBRA_TOOL_COMPLAINT_H

#include <stdbool.h>

/* Exit statuses of the tool; umbra.1 lists them. */
enum tool_status {
	TOOL_OK = 0,		/* guest powered off or asked for a reset */
	TOOL_DEVICE = 1,	/* the device or the host refused something */
	TOOL_BAD_INPUT = 2,	/* options or files; nothing was started */
	TOOL_TRIPLE_FAULT = 3,	/* the guest shut down by a triple fault */
	TOOL_STUCK = 4,		/* the monitor cannot run the guest any further */
	TOOL_TIMEOUT = 124,	/* --timeout */
};

/**
 * struct complaint - one line about what is wrong, and with what
 * @text: the line, without newline; empty when nothing is wrong
 */
struct complaint {
	char text[400];
};

int complain(struct complaint *complaint, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_quietly(bool quiet);
void notice(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
