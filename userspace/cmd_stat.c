// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: umbra stat
 *
 * Exits by reason and MMU events of a running VM, once or live with rates.
 * Which group a counter belongs to is told by its name.
 */
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "complaint.h"
#include "options.h"
#include "stat_tree.h"

enum group { TOTALS, EXITS, USER, MMU, TRANSLATION, EMULATION, EVENTS, OTHER, NR_GROUPS };

static const char *const titles[NR_GROUPS] = {
	[TOTALS] = "totals",
	[EXITS] = "exits by reason",
	[USER] = "exits to userspace",
	[MMU] = "MMU",
	[TRANSLATION] = "translation",
	[EMULATION] = "emulation",
	[EVENTS] = "events",
	[OTHER] = "other",
};

/* The first pattern that fits decides. */
static const struct {
	const char *pattern;
	enum group group;
} patterns[] = {
	{ "exits", TOTALS }, { "entries", TOTALS }, { "world_switches", TOTALS },
	{ "tc_*", TRANSLATION },
	{ "user_*", USER }, { "signal_exits", USER },
	{ "exit_*", EXITS }, { "*_exits", EXITS },
	{ "mmu_*", MMU }, { "max_mmu_*", MMU }, { "pf_*", MMU }, { "sp_*", MMU },
	{ "spte*", MMU }, { "pages_*", MMU }, { "*tlb*", MMU }, { "invlpg", MMU },
	{ "nx_lpage*", MMU }, { "shadow*", MMU }, { "zap*", MMU }, { "rmap*", MMU },
	{ "root*", MMU }, { "walk*", MMU }, { "pte_*", MMU }, { "*sync*", MMU },
	{ "flood*", MMU }, { "*flush*", MMU }, { "notifier_*", MMU }, { "prefetch*", MMU },
	{ "large*", MMU }, { "reclaim*", MMU },
	{ "emul*", EMULATION }, { "insn_emul*", EMULATION }, { "*_kernel", EMULATION },
	{ "inject_*", EVENTS }, { "*_injections", EVENTS }, { "halt_*", EVENTS },
	{ "irq*", EVENTS }, { "nmi*", EVENTS }, { "preemption*", EVENTS },
	{ "req_event", EVENTS }, { "*", OTHER },
};

struct stat_options {
	const char *vm;
	uint64_t interval;
	uint64_t count;
	bool live;
	bool all;
};

static const char help[] =
"usage: umbra stat [OPTION]... [PID | PID-FD]\n"
"\n"
"Show exits by reason and MMU events of a running VM, of Umbra or stock KVM.\n"
"Without an argument: of the only one, or a list of all.\n"
"\n"
"  -l, --live[=SECONDS]  again and again, with rates (every second)\n"
"  -n, --count N         so many times, then end (with --live)\n"
"  -a, --all             also counters that are zero\n"
"  -h, --help            this text\n"
"\n"
"Exit status: 0; 1 no statistics can be read; 2 bad option, no such VM.\n";

static enum group group_of(const char *name)
{
	unsigned int i = 0;

	while (fnmatch(patterns[i].pattern, name, 0))
		i++;
	return patterns[i].group;
}

/* A counter with its growth since the last reading. */
struct row {
	const char *name;
	uint64_t value;
	double rate;
};

static int compare_rows(const void *a, const void *b)
{
	const struct row *left = a, *right = b;

	if (left->rate != right->rate)
		return left->rate < right->rate ? 1 : -1;
	if (left->value != right->value)
		return left->value < right->value ? 1 : -1;
	return strcmp(left->name, right->name);
}

static unsigned int collect(const struct stat_values *now, const struct stat_values *before,
			    enum group group, bool all, struct row *rows)
{
	unsigned int i, count = 0;

	for (i = 0; i < now->count; i++) {
		const struct stat_value *value = &now->value[i], *old = NULL;
		double seconds = before ? (now->ns - before->ns) / 1e9 : 0;

		if (group_of(value->name) != group || (!value->value && !all))
			continue;
		rows[count] = (struct row){ .name = value->name, .value = value->value };
		if (before)
			old = stat_find(before, value->name);
		if (old && value->value >= old->value && seconds > 0)
			rows[count].rate = (value->value - old->value) / seconds;
		count++;
	}
	qsort(rows, count, sizeof(*rows), compare_rows);
	return count;
}

static void print_group(const struct stat_values *now, const struct stat_values *before,
			enum group group, bool all)
{
	struct row rows[STAT_MAX_VALUES];
	unsigned int i, count = collect(now, before, group, all, rows);

	if (!count)
		return;
	printf("\n%-32s %16s%s\n", titles[group], "total", before ? "     per second" : "");
	for (i = 0; i < count; i++) {
		printf("  %-30s %16" PRIu64, rows[i].name, rows[i].value);
		if (before)
			printf(" %14.0f", rows[i].rate);
		putchar('\n');
	}
}

static void print_vm(const struct stat_vm *vm, const struct stat_values *now,
		     const struct stat_values *before, bool all)
{
	enum group group;

	printf("VM %s of %s, in %s\n", vm->id, vm->comm, vm->root);
	for (group = 0; group < NR_GROUPS; group++)
		print_group(now, before, group, all);
	fflush(stdout);
}

static void print_list(const struct stat_vm *vms, int count)
{
	static struct stat_values values;
	int i;

	printf("%-16s %-16s %-24s %16s\n", "VM", "command", "module", "exits");
	for (i = 0; i < count; i++) {
		const struct stat_value *exits;

		if (!stat_read(&vms[i], &values))
			continue;
		exits = stat_find(&values, "exits");
		printf("%-16s %-16s %-24s %16" PRIu64 "\n", vms[i].id, vms[i].comm,
		       vms[i].root, exits ? exits->value : 0);
	}
}

static void sleep_seconds(uint64_t seconds)
{
	struct timespec left = { .tv_sec = seconds };

	while (nanosleep(&left, &left))
		;
}

static int show_live(const struct stat_vm *vm, const struct stat_options *options)
{
	static struct stat_values values[2];
	bool clear = isatty(STDOUT_FILENO);
	uint64_t round;

	if (!stat_read(vm, &values[0]))
		goto gone;
	for (round = 1; !options->count || round <= options->count; round++) {
		sleep_seconds(options->interval);
		if (!stat_read(vm, &values[round % 2]))
			goto gone;
		if (clear)
			fputs("\033[H\033[J", stdout);
		print_vm(vm, &values[round % 2], &values[(round + 1) % 2], options->all);
		if (!clear)
			putchar('\n');
	}
	return TOOL_OK;
gone:
	notice("VM %s has ended", vm->id);
	return TOOL_OK;
}

static int show(const struct stat_options *options)
{
	static struct stat_vm vms[STAT_MAX_VMS];
	static struct stat_values values;
	struct complaint complaint = { "" };
	const struct stat_vm *vm;
	int count = stat_find_vms(vms, &complaint);

	if (count < 0) {
		say("%s", complaint.text);
		return TOOL_DEVICE;
	}
	if (!options->vm && count == 0) {
		notice("no VM is running");
		return TOOL_OK;
	}
	if (!options->vm && count > 1) {
		print_list(vms, count);
		return TOOL_OK;
	}
	vm = stat_choose(vms, count, options->vm, &complaint);
	if (!vm) {
		say("%s", complaint.text);
		return TOOL_BAD_INPUT;
	}
	if (options->live)
		return show_live(vm, options);
	if (stat_read(vm, &values))
		print_vm(vm, &values, NULL, options->all);
	return TOOL_OK;
}

/**
 * cmd_stat() - umbra stat
 * @argc: of @argv
 * @argv: "stat" and its options
 *
 * Return: exit status.
 */
int cmd_stat(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "live", optional_argument, NULL, 'l' },
		{ "count", required_argument, NULL, 'n' },
		{ "all", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct stat_options options = { .interval = 1 };
	struct complaint complaint = { "" };
	int option, bad = 0;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":ln:ah", long_options, NULL)) >= 0 && !bad) {
		switch (option) {
		case 'l':
			options.live = true;
			if (optarg)
				bad = options_number("--live", optarg, 1, 3600,
						     &options.interval, &complaint);
			break;
		case 'n':
			bad = options_number("-n", optarg, 1, UINT32_MAX, &options.count,
					     &complaint);
			break;
		case 'a':
			options.all = true;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			bad = complain(&complaint, "%s: no such option, or its argument is wrong (umbra stat --help)",
				       argv[optind - 1]);
		}
	}
	if (bad || options_vm(argc, argv, &options.vm, &complaint)) {
		say("%s", complaint.text);
		return TOOL_BAD_INPUT;
	}
	return show(&options);
}
