// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: memory_test
 *
 * The host gets more memory while there is a vCPU that has run: what is at once used for the
 * guest's page tables is reached wherever the monitor reads them.  The memory is plugged in from
 * outside (harness/cases/engine_cases.py), as high as no memory was before.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define PORT		0x217
#define PF		14
#define ON_PF		0x9000
#define ROUNDS		500
#define PATIENCE	120		/* seconds */
#define BLOCKS		"/sys/devices/system/memory"

/* The guest's new memory; its first page is a page table, its second one is mapped by that. */
#define SLOT		0x10000000u
#define SLOT_SIZE	0x200000u
#define VIRT		0xffff900000000000ull
#define TABLE_VIRT	0xffff900040000000ull
#define PTE		(KU_PTE_P | KU_PTE_W | KU_PTE_A | KU_PTE_D)
/* Above that is new. */
#define NEW		(1ull << 39)

KU_CODE64(hello, "mov $0x217, %edx\n out %eax, %dx\n hlt\n");

/* R12 counts faults; the entry at R8 becomes R9. */
KU_CODE64(on_pf, "inc %r12d\n add $8, %rsp\n mov %r9, (%r8)\n iretq\n");

/* RDI: a page, which is absent RCX times.  RBX counts what is not so. */
KU_CODE64(touch,
	  "xor %ebx, %ebx\n xor %r12d, %r12d\n"
	  "1: movq $0, (%r8)\n invlpg (%rdi)\n mov %rcx, (%rdi)\n cmp %rcx, (%rdi)\n je 2f\n"
	  "inc %ebx\n 2: dec %ecx\n jnz 1b\n"
	  "mov $0x217, %edx\n mov %ebx, %eax\n out %eax, %dx\n mov %r12d, %eax\n out %eax, %dx\n"
	  "hlt\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

/* Blocks that are there and not used yet are given to what can be moved: a process's memory. */
static int online_all(void)
{
	DIR *dir = opendir(BLOCKS);
	struct dirent *entry;
	int done = 0;

	while (dir && (entry = readdir(dir))) {
		char path[600], state[16] = "";
		int fd;

		if (strncmp(entry->d_name, "memory", 6))
			continue;
		snprintf(path, sizeof(path), BLOCKS "/%s/state", entry->d_name);
		fd = open(path, O_RDWR);
		if (fd >= 0 && read(fd, state, sizeof(state) - 1) > 0 && !strncmp(state, "off", 3))
			done += write(fd, "online_movable", 14) == 14;
		close(fd);
	}
	closedir(dir);
	return done;
}

static int wait_for_memory(const char *ready)
{
	int i, got = 0;

	close(open(ready, O_CREAT | O_WRONLY, 0644));
	for (i = 0; i < PATIENCE * 10 && !got; i++) {
		usleep(100000);
		got = online_all();
	}
	return got;
}

/* Where a page of this process is. */
static uint64_t where(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (fd < 0 || pread(fd, &entry, 8, (uintptr_t)page / 4096 * 8) != 8)
		ktap_bail("pagemap: %s", strerror(errno));
	close(fd);
	return (entry & ((1ull << 55) - 1)) << 12;
}

static void start(void)
{
	struct kvm_regs regs;
	char *mem;

	mem = ku_slot_add(vm, 1, SLOT, SLOT_SIZE, 0);
	memset(mem, 0, SLOT_SIZE);
	ktap_ok(where(mem) >= NEW, "the guest's page table is in it, at %#llx",
		(unsigned long long)where(mem));
	ku_map(vm, vm->cr3, TABLE_VIRT, SLOT, PTE);
	ku_map(vm, vm->cr3, VIRT, SLOT, PTE);
	*ku_pte(vm, vm->cr3, VIRT, 2) = SLOT | KU_PTE_P | KU_PTE_W | KU_PTE_A;
	ku_load(vm, touch, touch_end - touch);
	ku_load_at(vm, ON_PF, on_pf, on_pf_end - on_pf);
	ku_gate(vm, PF, ON_PF, 0, 0);
	regs = ku_get_regs(vcpu);
	regs.rip = KU_CODE;
	regs.rdi = VIRT;
	regs.r8 = TABLE_VIRT;
	regs.r9 = (SLOT + 4096) | PTE;
	regs.rcx = ROUNDS;
	ku_set_regs(vcpu, &regs);
}

int main(void)
{
	const char *ready = getenv("MEMORY_READY");

	ku_open();
	if (!ready)
		ktap_skip_all("nobody plugs memory in");
	ktap_plan(5);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_load(vm, hello, hello_end - hello);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_run_out(vcpu, PORT);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(wait_for_memory(ready), "the host has more memory");
	start();
	ktap_ok(ku_run_out(vcpu, PORT) == 0, "every store arrives");
	ktap_ok(ku_run_out(vcpu, PORT) == ROUNDS, "%d faults, one each", ROUNDS);
	ku_run_to(vcpu, KVM_EXIT_HLT);
	ktap_ok(true, "the host is there");
	ktap_exit();
}
