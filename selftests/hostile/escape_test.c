// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: escape_test
 *
 * A guest that knows where an engine which runs guest kernels at CPL 3 keeps
 * its own things, and what its world switch does not like: stores to its data,
 * jumps into its code, its selectors, odd stacks and bases at every kind of
 * entry, code that overwrites itself.  Short pieces of such code run one after
 * the other, with registers drawn from a pool of bad values, at CPL 0 and at
 * CPL 3.  Whatever comes of a piece, KVM_RUN ends in one of the defined ways;
 * when all are through, the vCPU runs sound code, and the host is well.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "kvm_util.h"
#include "ktap.h"
#include "xorshift.h"

#define SLOT		64		/* bytes for a piece of code */
#define ROUNDS		6		/* each piece with other registers */
#define HANDLER		(KU_CODE - 0x1000)
#define SOUND		(KU_CODE - 0x800)
#define GDT		(KU_CODE - 0x3000)
#define PORT		0x217
#define ACCESSED_DIRTY	0x60ull

#define UCODE		(0x28 | 3)
#define UDATA		(0x30 | 3)
/* What an engine may use: it must not be the guest's. */
#define HOLE		0xffff800000000000ull

/* A piece of code, up to the HLT that ends it. */
#define PIECE(text)	".balign 64, 0xf4\n" text "\nhlt\n"

KU_CODE64(pieces,
	  /* The engine's data, if it is there: filled with rax, then used. */
	  PIECE("mov %rbx, %rdi\n mov $512, %ecx\n rep stosq\n call 1f\n 1: ret\n")
	  PIECE("mov %rax, (%rbx)\n swapgs\n rdtsc\n pushf\n popf\n swapgs\n")
	  PIECE("mov %rax, 0x28(%rbx)\n swapgs\n mov %rax, 0x28(%rbx)\n swapgs\n swapgs\n")
	  PIECE("mov %ax, 0x1000(%rbx)\n sti\n pushf\n pop %rax\n cli\n mov %ax, (%rbx)\n sti\n nop\n cli\n")
	  PIECE("movw $0xffff, (%rbx)\n pushf\n popf\n cli\n pushf\n popf\n")
	  PIECE("mov %rax, 0xe8(%rbx)\n lea 1f(%rip), %rcx\n mov $0x202, %r11d\n sysretq\n 1: syscall\n")
	  PIECE("mov %ds, %eax\n mov %ax, 0x50(%rbx)\n mov %ss, %ecx\n mov %cx, %ss\n")
	  /* Its translations, its switcher. */
	  PIECE("jmp *%rbx")
	  PIECE("call *%rbx")
	  PIECE("push %rbx\n ret\n")
	  PIECE("mov (%rbx), %rax")
	  PIECE("mov %rax, (%rbx)")
	  PIECE("lock xadd %rax, (%rbx)")
	  PIECE("mov %rbx, %rsp\n push %rax\n call 1f\n 1: pop %rax\n ret\n")
	  PIECE("mov %rbx, %rsp\n pushf\n popf\n ret $8\n")
	  PIECE("invlpg (%rbx)\n mov (%rbx), %rax\n")
	  /* Returns of every kind to whatever it is. */
	  PIECE("push %r8\n push %r9\n push %r10\n push %r11\n push %rbx\n iretq\n")
	  PIECE("mov %rbx, %rsp\n iretq\n")
	  PIECE("push %r11\n push %rbx\n lretq\n")
	  PIECE("push %r11\n push %rbx\n mov %rsp, %rsi\n rex.w ljmp *(%rsi)\n")
	  PIECE("push %r11\n push %rbx\n mov %rsp, %rsi\n lcall *(%rsi)\n")
	  PIECE("mov %rbx, %rcx\n mov %r10, %r11\n sysretq\n")
	  PIECE("mov %rbx, %rcx\n sysretl\n")
	  PIECE("mov %rbx, %rcx\n mov %r9, %rdx\n sysexitq\n")
	  PIECE("syscall")
	  PIECE("mov %r9, %rsp\n syscall\n")
	  PIECE("mov %r9, %rsp\n int3\n")
	  PIECE("mov %r9, %rsp\n int $0x80\n")
	  PIECE("mov %r9, %rsp\n ud2\n")
	  PIECE("mov %r9, %rsp\n xor %ecx, %ecx\n div %ecx\n")
	  /* Between MOV SS and what follows nothing may come. */
	  PIECE("mov %ss, %eax\n mov %eax, %ss\n syscall\n")
	  PIECE("mov %ss, %eax\n mov %eax, %ss\n int3\n")
	  PIECE("mov %ss, %eax\n pushf\n orl $0x100, (%rsp)\n popf\n mov %eax, %ss\n syscall\n")
	  PIECE("mov %ss, %eax\n pushf\n orl $0x100, (%rsp)\n popf\n mov %eax, %ss\n int $3\n")
	  PIECE("mov %ss, %eax\n pushf\n orl $0x100, (%rsp)\n popf\n mov %eax, %ss\n iretq\n")
	  PIECE("pushf\n orl $0x47100, (%rsp)\n popf\n nop\n syscall\n")
	  /* Selectors. */
	  PIECE("mov %r8d, %ds\n mov %r8d, %es\n mov (%rdi), %al\n")
	  PIECE("mov %r8d, %fs\n mov %fs:0, %rax\n")
	  PIECE("mov %r8d, %gs\n swapgs\n mov %gs:0, %rax\n")
	  PIECE("mov %r8d, %ss\n push %rax\n")
	  PIECE("lldt %r8w\n mov $7, %eax\n mov %eax, %ds\n")
	  PIECE("ltr %r8w\n int3\n")
	  PIECE("push %rbx\n push %rbx\n mov %rsp, %rsi\n lgdt 6(%rsi)\n mov %r8d, %ds\n int3\n")
	  PIECE("push %rbx\n push %rbx\n mov %rsp, %rsi\n lidt 6(%rsi)\n int3\n")
	  PIECE("sgdt -16(%rsp)\n sidt -32(%rsp)\n sldt %eax\n str %ecx\n smsw %edx\n")
	  PIECE("lar %r8d, %eax\n lsl %r8d, %ecx\n verr %r8w\n verw %r8w\n")
	  /* Bases and roots. */
	  PIECE("wrfsbase %rbx\n wrgsbase %rbx\n mov %gs:0, %rax\n")
	  PIECE("mov $0xc0000101, %ecx\n mov %rbx, %rdx\n mov %ebx, %eax\n shr $32, %rdx\n wrmsr\n swapgs\n")
	  PIECE("mov $0xc0000102, %ecx\n mov %rbx, %rdx\n mov %ebx, %eax\n shr $32, %rdx\n wrmsr\n swapgs\n")
	  PIECE("mov $0xc0000082, %ecx\n mov %rbx, %rdx\n mov %ebx, %eax\n shr $32, %rdx\n wrmsr\n syscall\n")
	  PIECE("mov %cr3, %rax\n mov %rbx, %cr3\n mov %rax, %cr3\n")
	  /* Code that changes under itself. */
	  PIECE("lea 1f(%rip), %rsi\n movb $0x90, (%rsi)\n 1: hlt\n movb $0xf4, (%rsi)\n jmp 1b\n")
	  PIECE("lea 1f(%rip), %rdi\n mov $8, %ecx\n mov $0x90, %al\n rep stosb\n 1: jmp 1b\n .skip 6, 0xcc\n")
	  PIECE("lea 1f(%rip), %rsi\n mov $99, %ecx\n 1: incb 2f(%rip)\n dec %ecx\n jnz 1b\n 2: nop\n")
	  /* The level-4 entry of the hole made the guest's own, and taken away. */
	  PIECE("mov %cr3, %rsi\n mov (%rsi), %rax\n mov %rax, 0x800(%rsi)\n mov %rsi, %cr3\n"
		" mov (%rbx), %rcx\n movq $0, 0x800(%rsi)\n mov %rsi, %cr3\n")
	  PIECE("mov %cr3, %rsi\n mov (%rsi), %rax\n mov %rax, 0x800(%rsi)\n mov %rsi, %cr3\n"
		" add %r12, %rdi\n jmp *%rdi\n"));

KU_CODE64(handler, "hlt\n");

/* Says 1 to 10 added up, by calls. */
KU_CODE64(sound,
	  "xor %eax, %eax\n mov $10, %ecx\n"
	  "1: call 2f\n dec %ecx\n jnz 1b\n"
	  "mov $0x217, %edx\n out %eax, %dx\n hlt\n"
	  "2: add %ecx, %eax\n ret\n");

static uint64_t state = 88172645463325252ull;

static uint64_t draw(void)
{
	state = xorshift(state);
	return state;
}

static uint64_t bad_address(void)
{
	static const uint64_t pool[] = {
		HOLE, HOLE + 0x4000, HOLE + 0x4498, HOLE + 0x5000, HOLE + 0x6080, HOLE + 0x7ff8,
		HOLE + 0x100000, HOLE + 0x100020, HOLE + 0x100028, HOLE + 0x100ff8, HOLE + 0x101000,
		HOLE + 0x200000, HOLE + 0x200008, HOLE + 0x400000, HOLE + 0x400007, HOLE + 0x400123,
		HOLE + 0xbffff8, HOLE + 0xc00000, HOLE + 0x100000000, HOLE + 0x1fffffff8,
		0x800000000000ull, 0x7fffffffffffull,
		0x7ffffffffff8ull, 0xffff7fffffffffffull, 0x8000000000000000ull, ~0ull, ~7ull,
		0xffffffff81000000ull, 0xfffffe0000000000ull, 0, 8, KU_CODE, KU_STACK - 64, KU_STACK,
	};

	return pool[draw() % (sizeof(pool) / sizeof(*pool))];
}

static uint64_t bad_selector(void)
{
	static const uint16_t pool[] = {
		0, 1, 3, 4, 7, 8, 0x0b, 0x10, 0x13, 0x18, 0x1b, 0x20, 0x23, 0x2b, 0x33, 0x38, 0x3b,
		0x40, 0x43, 0x48, 0x50, 0x53, 0x78, 0x7b, 0x80, 0x83, 0x88, 0x90, 0x93, 0x98, 0x9b,
		0xa3, 0xf8, 0xfb, 0xff, 0x103, 0xfff8, 0xffff,
	};

	return pool[draw() % (sizeof(pool) / sizeof(*pool))];
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void alarm_on(void)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } };

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
}

/* The page tables as they were made, without level-4 entry 256. */
static uint64_t tables[8 * 512];

static void new_tables(struct ku_vm *vm)
{
	uint64_t first = vm->next_page;

	vm->cr3 = ku_identity(vm);
	if (vm->next_page - first > sizeof(tables))
		ktap_bail("page tables are larger than they were");
	memset(tables, 0, sizeof(tables));
	memcpy(tables, ku_ptr(vm, vm->cr3), vm->next_page - first);
}

/*
 * A piece that goes astray may run through all of memory, and change the tables it runs by, if
 * the machine is slow and the alarm late.  Others then: nobody sees what userspace writes
 * to tables that are in use.
 */
static void check_tables(struct ku_vm *vm)
{
	const uint64_t *now = ku_ptr(vm, vm->cr3);
	unsigned int i;

	for (i = 0; i < sizeof(tables) / 8; i++)
		if (tables[i] && ((tables[i] ^ now[i]) & ~ACCESSED_DIRTY))
			break;
	if (i < sizeof(tables) / 8)
		new_tables(vm);
}

/* GDT with segments for CPL 3, tables, gates: all that the pieces may spoil. */
static void restore_memory(struct ku_vm *vm)
{
	uint64_t *gdt = ku_ptr(vm, GDT), *top = ku_ptr(vm, vm->cr3);
	int i;

	memcpy(gdt, ku_ptr(vm, KU_GDT), 0x28);
	gdt[0x28 / 8] = 0x00affb000000ffffull;
	gdt[0x30 / 8] = 0x00cff3000000ffffull;
	gdt[0x40 / 8] = 0x0000890000000067ull | (uint64_t)KU_TSS << 16;
	gdt[0x48 / 8] = 0;
	top[256] = 0;
	check_tables(vm);
	ku_load(vm, pieces, pieces_end - pieces);
	ku_load_at(vm, HANDLER, handler, handler_end - handler);
	ku_load_at(vm, SOUND, sound, sound_end - sound);
	for (i = 0; i < 256; i++)
		ku_gate(vm, i, HANDLER, 0, i & 1 ? 3 : 0);
}

static void start(struct ku_vcpu *vcpu, uint64_t rip, bool user)
{
	struct kvm_vcpu_events events = { 0 };
	struct kvm_regs regs = { .rip = rip, .rflags = 2, .rsp = KU_STACK };
	struct kvm_sregs sregs;
	__u64 *gpr = &regs.r8;
	int i;

	ku_vcpu_long(vcpu, rip);
	sregs = ku_get_sregs(vcpu);
	sregs.gdt.base = GDT;
	sregs.gdt.limit = 0x4f;
	sregs.tr.base = KU_TSS;
	sregs.tr.selector = 0x40;
	sregs.cr4 |= 1 << 16;
	if (user) {
		sregs.cs.selector = UCODE;
		sregs.ss.selector = UDATA;
		sregs.cs.dpl = 3;
		sregs.ss.dpl = 3;
	}
	ku_set_sregs(vcpu, &sregs);
	ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &events);
	regs.rax = bad_address();
	regs.rbx = bad_address();
	regs.rdi = draw() & 1 ? KU_STACK - 256 : bad_address();
	for (i = 0; i < 8; i++)
		gpr[i] = bad_address();
	regs.r8 = bad_selector();
	regs.r10 = draw() & 0x3fffff;
	regs.r11 = draw() & 1 ? bad_selector() : UCODE;
	regs.r12 = HOLE;
	ku_set_regs(vcpu, &regs);
}

/* True: what the piece came to is one of the ways a run may end. */
static bool defined(struct ku_vcpu *vcpu, uint64_t rip)
{
	int got = ku_run(vcpu);

	switch (got) {
	case KVM_EXIT_HLT:
	case KVM_EXIT_SHUTDOWN:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_IO:
	case KVM_EXIT_INTERNAL_ERROR:
	case -EINTR:
		return true;
	}
	ktap_note("piece at %#llx: exit was %s", (unsigned long long)rip, ku_exit_name(got));
	return false;
}

static bool is_sound(struct ku_vcpu *vcpu)
{
	int got;

	start(vcpu, SOUND, false);
	do
		got = ku_run(vcpu);
	while (got == -EINTR);
	if (got == KVM_EXIT_IO)
		return *(uint32_t *)((char *)vcpu->run + vcpu->run->io.data_offset) == 55;
	ktap_note("exit was %s, rip %#llx", ku_exit_name(got), ku_get_regs(vcpu).rip);
	return false;
}

static void run_pieces(struct ku_vm *vm, struct ku_vcpu *vcpu, bool user)
{
	uint64_t end = KU_CODE + (pieces_end - pieces), rip;
	bool good = true, sound_again = true;
	int round;

	for (round = 0; round < ROUNDS; round++) {
		for (rip = KU_CODE; rip < end; rip += SLOT) {
			restore_memory(vm);
			start(vcpu, rip, user);
			good &= defined(vcpu, rip);
			/* A half-done exit is completed before other registers are set. */
			vcpu->run->immediate_exit = 1;
			ku_run(vcpu);
			vcpu->run->immediate_exit = 0;
		}
		restore_memory(vm);
		sound_again &= is_sound(vcpu);
	}
	ktap_ok(good, "CPL %d: each piece ends in a defined way", user ? 3 : 0);
	ktap_ok(sound_again, "CPL %d: and then the vCPU runs sound code", user ? 3 : 0);
}

int main(void)
{
	struct ku_vcpu *vcpu;
	struct ku_vm *vm;

	ktap_plan(4);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	new_tables(vm);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_vcpu_cpuid(vcpu);
	alarm_on();
	run_pieces(vm, vcpu, false);
	run_pieces(vm, vcpu, true);
	ktap_exit();
}
