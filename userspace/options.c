// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: numbers, sizes and VMs as people write them
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

static int parse(const char *text, uint64_t *value, const char **end)
{
	char *after;

	/* strtoull() would take signs and blanks. */
	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	*value = strtoull(text, &after, 0);
	*end = after;
	return errno ? -1 : 0;
}

/**
 * options_number() - a number within bounds
 * @option: as the user wrote it, for the message
 * @text: its argument: decimal, 0x... or 0...
 * @min: smallest
 * @max: largest
 * @value: set
 * @complaint: says what is wrong
 *
 * Return: 0, or -1 with a complaint.
 */
int options_number(const char *option, const char *text, uint64_t min, uint64_t max,
		   uint64_t *value, struct complaint *complaint)
{
	const char *end;

	if (parse(text, value, &end) || *end)
		return complain(complaint, "%s: '%s' is not a number", option, text);
	if (*value < min || *value > max)
		return complain(complaint, "%s: %s is not between %" PRIu64 " and %" PRIu64,
				option, text, min, max);
	return 0;
}

static int shift_of(char suffix)
{
	switch (toupper((unsigned char)suffix)) {
	case 'K':
		return 10;
	case 'M':
	case '\0':
		return 20;
	case 'G':
		return 30;
	case 'T':
		return 40;
	default:
		return -1;
	}
}

/**
 * options_size() - a size with suffix K, M, G or T; without one, MiB
 * @option: as the user wrote it, for the message
 * @text: its argument
 * @bytes: set
 * @complaint: says what is wrong
 *
 * Return: 0, or -1 with a complaint.
 */
int options_size(const char *option, const char *text, uint64_t *bytes,
		 struct complaint *complaint)
{
	const char *end;
	uint64_t value;
	int shift;

	if (parse(text, &value, &end))
		return complain(complaint, "%s: '%s' is not a size (256M, 2G, ...)", option, text);
	shift = shift_of(*end);
	if (shift < 0 || (*end && end[1]))
		return complain(complaint, "%s: '%s' is not a size (256M, 2G, ...)", option, text);
	if (value > UINT64_MAX >> shift)
		return complain(complaint, "%s: %s is too large", option, text);
	*bytes = value << shift;
	return 0;
}

/**
 * options_vm() - the VM that may be named behind the options
 * @argc: of @argv
 * @argv: getopt_long() is through with it
 * @vm: set; NULL: none is named
 * @complaint: says what is wrong
 *
 * Return: 0, or -1 with a complaint.
 */
int options_vm(int argc, char **argv, const char **vm, struct complaint *complaint)
{
	if (optind + 1 < argc)
		return complain(complaint, "%s: one VM at a time", argv[optind + 1]);
	*vm = argv[optind];
	return 0;
}
