// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: parallel_test
 *
 * Several vCPUs change and use page tables at once.  Two of them share an address
 * space: one maps a window to ever other frames, executes INVLPG and looks whether it
 * reads and writes where it should; the other one reads through the same tables all the
 * time.  What that one fills in may be old, but never after the INVLPG.  The third
 * does what the first does in an address space of its own, with the same frames.  Meanwhile the
 * host forks, merges, logs, moves slots and asks for memory, and the shadow tables are audited.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define FRAMES_GPA	0x10000000ull
#define FRAMES		64u
#define FRAMES_SIZE	(FRAMES * 4096u)
#define OTHER_GPA	0x20000000ull
#define WINDOW		0x40000000ull
#define COUNTERS	0xe000u		/* 8 bytes of each vCPU: its rounds */
#define STOP		0xe100u
#define VCPUS		3u
#define ROUNDS		50u
#define HOST_ROUNDS	240u

/*
 * Page i of the window to frame (i + round) % 64, read-only, then writable.  Every frame begins with
 * its own address.  rdi the table, rsi window, r8 frames, r9 counter, r10 stop, r12 where in
 * a frame this vCPU writes, r13 CR3, which is loaded now and then.
 */
KU_CODE64(mapper,
	  "1: xor %ecx, %ecx\n"
	  "2: lea (%rbx,%rcx), %eax\n"
	  "and $63, %eax\n"
	  "shl $12, %eax\n"
	  "add %r8, %rax\n"
	  "mov %rcx, %r11\n"
	  "shl $12, %r11\n"
	  "add %rsi, %r11\n"
	  "mov %rax, %rdx\n"
	  "or $0x25, %rdx\n"
	  "mov %rdx, (%rdi,%rcx,8)\n"
	  "invlpg (%r11)\n"
	  "cmp %rax, (%r11)\n"
	  "jne 9f\n"
	  "or $0x42, %rdx\n"
	  "mov %rdx, (%rdi,%rcx,8)\n"
	  "invlpg (%r11)\n"
	  "lea (%rbx,%rcx), %r14\n"
	  "mov %r14, (%r11,%r12)\n"
	  "cmp %r14, (%rax,%r12)\n"
	  "jne 9f\n"
	  "inc %ecx\n"
	  "cmp $64, %ecx\n"
	  "jb 2b\n"
	  "inc %rbx\n"
	  "mov %rbx, (%r9)\n"
	  "test $7, %bl\n"
	  "jnz 3f\n"
	  "mov %r13, %cr3\n"
	  "3: cmpl $0, (%r10)\n"
	  "je 1b\n"
	  "4: xor %eax, %eax\n"
	  "out %eax, $0x10\n"
	  "jmp 4b\n"
	  "9: mov $1, %eax\n"
	  "out %eax, $0x10\n"
	  "jmp 9b\n");

/* Reads through the window: whatever page is there has to be one of the frames. */
KU_CODE64(toucher,
	  "1: xor %ecx, %ecx\n"
	  "2: mov %rcx, %r11\n"
	  "shl $12, %r11\n"
	  "add %rsi, %r11\n"
	  "mov (%r11), %rax\n"
	  "sub %r8, %rax\n"
	  "cmp $0x40000, %rax\n"
	  "jae 9f\n"
	  "test $3, %cl\n"
	  "jnz 3f\n"
	  "invlpg (%r11)\n"
	  "3: inc %ecx\n"
	  "cmp $64, %ecx\n"
	  "jb 2b\n"
	  "inc %rbx\n"
	  "mov %rbx, (%r9)\n"
	  "cmpl $0, (%r10)\n"
	  "je 1b\n"
	  "4: xor %eax, %eax\n"
	  "out %eax, $0x10\n"
	  "jmp 4b\n"
	  "9: mov $1, %eax\n"
	  "out %eax, $0x10\n"
	  "jmp 9b\n");

#define TOUCHER		(KU_CODE + 0x1000)

struct runner {
	struct ku_vcpu *vcpu;
	pthread_t thread;
	atomic_int ended;	/* exit reason; -1: still running */
};

static struct ku_vm *vm;
static uint8_t *frames;
static struct runner runner[VCPUS];
static unsigned int audits, broken;

/* An address space with the frames one to one, and in the window. */
static uint64_t new_space(void)
{
	uint64_t cr3 = ku_identity(vm), bits = KU_PTE_P | KU_PTE_W, i;

	for (i = 0; i < FRAMES; i++) {
		ku_map(vm, cr3, FRAMES_GPA + i * 4096, FRAMES_GPA + i * 4096, bits);
		ku_map(vm, cr3, WINDOW + i * 4096, FRAMES_GPA + i * 4096, bits);
	}
	return cr3;
}

static void prepare(unsigned int n, uint64_t cr3, uint64_t rip)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, n);
	uint64_t *table = ku_pte(vm, cr3, WINDOW, 1);
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	ku_vcpu_long(vcpu, rip);
	sregs = ku_get_sregs(vcpu);
	sregs.cr3 = cr3;
	ku_set_sregs(vcpu, &sregs);
	regs = ku_get_regs(vcpu);
	regs.rbx = 0;
	regs.rdi = (uintptr_t)table - (uintptr_t)vm->mem;
	regs.rsi = WINDOW;
	regs.r8 = FRAMES_GPA;
	regs.r9 = COUNTERS + 8 * n;
	regs.r10 = STOP;
	regs.r12 = 8 * (n + 1);
	regs.r13 = cr3;
	ku_set_regs(vcpu, &regs);
	runner[n].vcpu = vcpu;
	runner[n].ended = -1;
}

static void *run(void *arg)
{
	struct runner *r = arg;

	r->ended = ku_run(r->vcpu);
	return NULL;
}

/* By the module's own judgement; a module without one is not asked. */
static void audit(void)
{
	char path[80], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/debug/umbra/%d-%d/mmu_audit", getpid(), vm->fd);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	if (read(fd, text, sizeof(text) - 1) > 0) {
		audits++;
		if (atoi(text))
			broken = atoi(text);
	}
	close(fd);
}

static void set_log(bool on)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = on ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = FRAMES_GPA,
		.memory_size = FRAMES_SIZE,
		.userspace_addr = (uintptr_t)frames,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		ktap_bail("the log cannot be switched");
}

static void use_log(void)
{
	uint64_t bits = 0;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bits };

	set_log(true);
	usleep(2000);
	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		ktap_bail("no dirty log");
	set_log(false);
}

static void move_slot(void)
{
	static void *memory;

	if (memory) {
		ku_slot_del(vm, 2);
		munmap(memory, FRAMES_SIZE);
	}
	memory = ku_slot_add(vm, 2, OTHER_GPA, FRAMES_SIZE, 0);
}

static void fork_once(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void disturb(unsigned int round)
{
	unsigned int first = (round * 37) % FRAMES;

	switch (round % 8) {
	case 0:
		fork_once();
		break;
	case 1:
		audit();
		break;
	case 2:
		use_log();
		break;
	case 3:
		mprotect(frames + first * 4096, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
		break;
	case 4:
		madvise(frames, FRAMES_SIZE, round & 8 ? MADV_MERGEABLE : MADV_UNMERGEABLE);
		break;
	case 5:
		move_slot();
		break;
	case 6:
		if (round % 32 == 6)
			ku_write_file("/proc/sys/vm/drop_caches", "2");
		break;
	case 7:
		if (round % 64 == 7)
			ku_write_file("/proc/sys/vm/compact_memory", "1");
		break;
	}
	usleep(1000);
}

static uint64_t rounds(unsigned int n)
{
	return *(volatile uint64_t *)ku_ptr(vm, COUNTERS + 8 * n);
}

static bool get_on(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		if (rounds(i) < ROUNDS)
			return false;
	return true;
}

static bool someone_ended(void)
{
	unsigned int i;

	for (i = 0; i < VCPUS; i++)
		if (runner[i].ended != -1)
			return true;
	return false;
}

static void start(void)
{
	uint64_t shared, own;
	unsigned int i;

	vm = ku_vm_new(0);
	frames = ku_slot_add(vm, 1, FRAMES_GPA, FRAMES_SIZE, 0);
	for (i = 0; i < FRAMES; i++)
		*(uint64_t *)(frames + i * 4096) = FRAMES_GPA + i * 4096;
	ku_load(vm, mapper, mapper_end - mapper);
	ku_load_at(vm, TOUCHER, toucher, toucher_end - toucher);
	shared = new_space();
	own = new_space();
	prepare(0, shared, KU_CODE);
	prepare(1, shared, TOUCHER);
	prepare(2, own, KU_CODE);
	for (i = 0; i < VCPUS; i++)
		pthread_create(&runner[i].thread, NULL, run, &runner[i]);
}

/* Return: the value of its last OUT, or -1. */
static int result(const struct runner *r)
{
	if (r->ended != KVM_EXIT_IO)
		return -1;
	return *(uint32_t *)((uint8_t *)r->vcpu->run + r->vcpu->run->io.data_offset);
}

int main(void)
{
	static const char *const what[VCPUS] = {
		"maps what another vCPU uses", "uses what another vCPU maps", "maps the same frames",
	};
	unsigned int round, i;

	ku_open();
	ktap_plan(VCPUS + 1);
	ku_write_file("/sys/kernel/mm/ksm/run", "1");
	start();
	/* No limit of time: the runner's patience decides. */
	for (round = 0; (round < HOST_ROUNDS || !get_on()) && !someone_ended(); round++)
		disturb(round);
	*(volatile uint32_t *)ku_ptr(vm, STOP) = 1;
	for (i = 0; i < VCPUS; i++)
		pthread_join(runner[i].thread, NULL);
	ku_write_file("/sys/kernel/mm/ksm/run", "2");
	audit();
	for (i = 0; i < VCPUS; i++)
		ktap_ok(!result(&runner[i]), "vCPU %u %s (%s)", i, what[i],
			ku_exit_name(runner[i].ended));
	ktap_note("rounds: %llu, %llu, %llu; %u of the host", (unsigned long long)rounds(0),
		  (unsigned long long)rounds(1), (unsigned long long)rounds(2), round);
	ktap_ok(!broken, "no audit of %u found a broken invariant (%u)", audits, broken);
	for (i = 0; i < VCPUS; i++)
		ku_vcpu_free(runner[i].vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
