// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: reading the statistics tree
 *
 * Names are taken as they come: a counter that a module adds shows up without
 * a change here.  Counters that exist only per vCPU are added up.
 */
#include "stat_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug"

static const char *const roots[] = { DEBUGFS "/umbra", DEBUGFS "/kvm" };

/* Files of a vCPU that are no counters. */
static const char *const not_counters[] = {
	"pid", "guest_mode", "tsc-offset", "tsc-scaling-ratio",
	"tsc-scaling-ratio-frac-bits", "lapic_timer_advance_ns", "translation",
};

static void read_comm(struct stat_vm *vm)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", vm->pid);
	strcpy(vm->comm, "?");
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(vm->comm, sizeof(vm->comm), file))
		vm->comm[strcspn(vm->comm, "\n")] = '\0';
	fclose(file);
}

static bool parse_vm(const char *root, const char *name, struct stat_vm *vm)
{
	unsigned int fd;
	int end = 0;

	if (strlen(name) >= sizeof(vm->id) ||
	    sscanf(name, "%d-%u%n", &vm->pid, &fd, &end) != 2 || name[end])
		return false;
	strcpy(vm->id, name);
	vm->root = root;
	read_comm(vm);
	return true;
}

/**
 * stat_find_vms() - list the running VMs
 * @vms: room for STAT_MAX_VMS
 * @complaint: says why there is nothing to list
 *
 * Return: how many, or -1 with a complaint when no statistics can be read.
 */
int stat_find_vms(struct stat_vm *vms, struct complaint *complaint)
{
	int count = 0, opened = 0, error = ENOENT;
	unsigned int i;

	for (i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		DIR *dir = opendir(roots[i]);
		struct dirent *entry;

		if (!dir) {
			error = errno == ENOENT ? error : errno;
			continue;
		}
		opened++;
		while (count < STAT_MAX_VMS && (entry = readdir(dir)))
			if (parse_vm(roots[i], entry->d_name, &vms[count]))
				count++;
		closedir(dir);
	}
	if (!opened)
		return complain(complaint, DEBUGFS "/umbra: %s%s", strerror(error),
				error == ENOENT ? " (module loaded? debugfs mounted?)" :
				" (root may read it)");
	return count;
}

static bool names_vm(const struct stat_vm *vm, const char *text)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", vm->pid);
	return !strcmp(text, vm->id) || !strcmp(text, pid);
}

/**
 * stat_choose() - the one VM that is meant
 * @vms: of stat_find_vms()
 * @count: how many
 * @text: PID or PID-FD, or NULL for the only one
 * @complaint: says why there is no answer
 *
 * Return: one of @vms, or NULL with a complaint.
 */
const struct stat_vm *stat_choose(const struct stat_vm *vms, int count, const char *text,
				  struct complaint *complaint)
{
	const struct stat_vm *chosen = NULL;
	int i;

	for (i = 0; i < count; i++) {
		if (text && !names_vm(&vms[i], text))
			continue;
		if (chosen) {
			complain(complaint, "%s%s; name one as %s", text ? text : "",
				 text ? ": has several VMs" : "several VMs are running", chosen->id);
			return NULL;
		}
		chosen = &vms[i];
	}
	if (!chosen)
		complain(complaint, text ? "%s: no such VM (umbra stat lists them)" :
			 "no VM is running", text);
	return chosen;
}

static bool read_number(int dir, const char *name, uint64_t *value)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	char text[64], *end;
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	*value = strtoull(text, &end, 0);
	/* Histograms hold more than one number. */
	return end != text && (!*end || !strcmp(end, "\n"));
}

static bool is_counter(const char *name)
{
	unsigned int i;

	for (i = 0; i < sizeof(not_counters) / sizeof(not_counters[0]); i++)
		if (!strcmp(name, not_counters[i]))
			return false;
	return name[0] != '.';
}

static void add(struct stat_values *values, const char *name, uint64_t number,
		bool from_vcpu)
{
	struct stat_value *value = (struct stat_value *)stat_find(values, name);

	if (value) {
		/* What the VM says counts; vCPUs add up among themselves. */
		if (from_vcpu && value->from_vcpu)
			value->value += number;
		return;
	}
	if (values->count == STAT_MAX_VALUES || strlen(name) >= STAT_NAME_SIZE)
		return;
	value = &values->value[values->count++];
	strcpy(value->name, name);
	value->value = number;
	value->from_vcpu = from_vcpu;
}

static bool read_folder(const char *path, struct stat_values *values, bool of_vcpu)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	uint64_t number;

	if (!dir)
		return false;
	while ((entry = readdir(dir)))
		if (is_counter(entry->d_name) && entry->d_type != DT_DIR &&
		    read_number(dirfd(dir), entry->d_name, &number))
			add(values, entry->d_name, number, of_vcpu);
	closedir(dir);
	return true;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/**
 * stat_read() - read all counters of a VM
 * @vm: from stat_find_vms()
 * @values: filled in
 *
 * Return: false when the VM is gone.
 */
bool stat_read(const struct stat_vm *vm, struct stat_values *values)
{
	char path[160];
	unsigned int i;

	memset(values, 0, sizeof(*values));
	values->ns = now_ns();
	snprintf(path, sizeof(path), "%s/%s", vm->root, vm->id);
	if (!read_folder(path, values, false))
		return false;
	for (i = 0; ; i++) {
		snprintf(path, sizeof(path), "%s/%s/vcpu%u", vm->root, vm->id, i);
		if (!read_folder(path, values, true))
			return true;
	}
}

/**
 * stat_find() - look up a counter
 * @values: read
 * @name: any string
 *
 * Return: the counter, or NULL.
 */
const struct stat_value *stat_find(const struct stat_values *values, const char *name)
{
	unsigned int i;

	for (i = 0; i < values->count; i++)
		if (!strcmp(values->value[i].name, name))
			return &values->value[i];
	return NULL;
}
