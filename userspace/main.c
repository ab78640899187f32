// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: umbra, the tool: run and inspect virtual machines
 *
 * A table of commands; each is a file.  The device is reached by KVM's ABI
 * only, so that every command also works on stock KVM.
 */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "complaint.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ "run", cmd_run, "boot a kernel in a new VM, its serial console on this terminal" },
	{ "info", cmd_info, "show what the device offers" },
	{ "stat", cmd_stat, "show exits and MMU events of running VMs" },
	{ "block", cmd_block, "show guest kernel code beside its translation" },
};

static void print_usage(FILE *out)
{
	unsigned int i;

	fputs("usage: umbra COMMAND [OPTION]...\n\n", out);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-6s %s\n", commands[i].name, commands[i].what);
	fputs("\n'umbra COMMAND --help' tells more, 'man umbra' tells all.\n", out);
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (argc < 2) {
		print_usage(stderr);
		return TOOL_BAD_INPUT;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_usage(stdout);
		return TOOL_OK;
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	say("unknown command '%s'; there are run, info, stat and block", argv[1]);
	return TOOL_BAD_INPUT;
}
