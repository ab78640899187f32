// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: observe_test
 *
 * A guest can be watched: tracepoints tell its exits, faults and emulations,
 * debugfs has the same counters as the statistics fd, for root alone.
 */
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "abi_check.h"

#define TRACING	"/sys/kernel/tracing"
#define DEBUGFS	"/sys/kernel/debug"
#define MMIO	0x20000000ull

/* CPUID, a write to a device, a write to fresh memory, a port. */
KU_CODE64(story,
	  "xor %eax, %eax\n"
	  "cpuid\n"
	  "mov $0x20000000, %ebx\n"
	  "movl $7, (%rbx)\n"
	  "movl $9, 0x300000\n"
	  "mov $0x217, %edx\n"
	  "out %eax, %dx\n"
	  "hlt\n");

static const char *const events[] = {
	"umbra_entry", "umbra_exit", "umbra_guest_fault", "umbra_sp_new", "umbra_spte_set",
	"umbra_emulate", "umbra_mmio", "umbra_pio",
};

#define NR_EVENTS	(sizeof(events) / sizeof(events[0]))

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return good;
}

static char *get(const char *path)
{
	static char text[1 << 20];
	int fd = open(path, O_RDONLY);
	ssize_t n, size = 0;

	while (fd >= 0 && size < (ssize_t)sizeof(text) - 1 &&
	       (n = read(fd, text + size, sizeof(text) - 1 - size)) > 0)
		size += n;
	close(fd);
	text[size] = '\0';
	return text;
}

static void prepare(void)
{
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	mount("debugfs", DEBUGFS, "debugfs", 0, NULL);
	if (access(TRACING "/events/umbra", F_OK) || access(DEBUGFS "/umbra", F_OK))
		ktap_skip_all("no tracefs, no debugfs, or not root");
}

static void test_tracepoints(const char *text)
{
	unsigned int i;
	char pattern[64];

	for (i = 0; i < NR_EVENTS; i++) {
		snprintf(pattern, sizeof(pattern), " %s: ", events[i]);
		ktap_ok(strstr(text, pattern), "%s is told", events[i]);
	}
	ktap_ok(strstr(text, "reason cpuid"), "exits have a name");
	ktap_ok(strstr(text, "write gpa 0x20000000 len 4 = 0x7"), "MMIO has address and value");
}

static void test_debugfs(struct ku_vm *vm)
{
	char path[128], file[192];
	struct stat st;

	snprintf(path, sizeof(path), DEBUGFS "/umbra/%d-%d", getpid(), vm->fd);
	ktap_ok(!stat(path, &st) && S_ISDIR(st.st_mode), "the VM has a directory");
	snprintf(file, sizeof(file), "%s/sp_new", path);
	ktap_ok(atol(get(file)) > 0, "shadow pages are counted");
	ktap_ok(!stat(file, &st) && (st.st_mode & 0777) == 0400 && !st.st_uid, "for root alone");
	snprintf(file, sizeof(file), "%s/vcpu0/exit_cpuid", path);
	ktap_ok(atol(get(file)) == 1, "one CPUID is counted");
	snprintf(file, sizeof(file), "%s/vcpu0/user_mmio", path);
	ktap_ok(atol(get(file)) == 1, "one access to userspace is counted");
}

int main(void)
{
	char path[128];
	struct ku_vm *vm;
	struct ku_vcpu *vcpu;

	if (!is_umbra())
		ktap_skip_all("KVM has other tracepoints and files");
	close(ku_open());
	prepare();
	ktap_plan(NR_EVENTS + 2 + 5 + 1);
	put(TRACING "/trace", "");
	put(TRACING "/events/umbra/enable", "1");
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, story, story_end - story);
	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, MMIO, MMIO, KU_PTE_P | KU_PTE_W);
	ku_run_to(vcpu, KVM_EXIT_MMIO);
	ku_run_out(vcpu, 0x217);
	put(TRACING "/events/umbra/enable", "0");
	test_tracepoints(get(TRACING "/trace"));
	test_debugfs(vm);
	snprintf(path, sizeof(path), DEBUGFS "/umbra/%d-%d", getpid(), vm->fd);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_ok(access(path, F_OK) < 0, "the directory goes with the VM");
	ktap_exit();
}
