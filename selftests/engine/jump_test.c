// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: jump_test
 *
 * An engine that runs guest code in an address space with things of its own in it must not
 * let the guest reach them.  Every kind of branch, entry and return that a guest has goes to
 * every such place: what the guest gets is its own page fault there, with the error code,
 * CR2 and RIP that a processor would have pushed.  And SYSRET, IRET and branches to no
 * address at all: #GP, of the kernel's instruction or of the user code's, as processors differ.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define HANDLERS	0x10000		/* 256 of them, 16 bytes each */
#define FIXUP		0x9000
#define ENTRY		0x9800

#define MSR_LSTAR	0xc0000082u
#define MSR_FS_BASE	0xc0000100u

#define HOLE		0xffff800000000000ull
/* What the guest's kernel may read of the soft engine's (errata.rst). */
#define SHOWN		(HOLE + 0x100000)
#define SHOWN_END	(HOLE + 0xc00000)
/* Kernel code runs here, too: the soft engine's branches differ in the top 2 GiB. */
#define TOP		0xffffffff80000000ull
/* An address at which they look for one of theirs where guest memory is. */
#define LIKE_MEMORY(gpa) (((gpa) - HOLE - 0x800000000ull) / 8)
/* The first address behind user memory: no address with four levels. */
#define NOWHERE		0x800000000000ull

#define PF		14
#define GP		13
#define PF_W		2
#define PF_U		4
#define PF_FETCH	0x10

/* Where a place gets to the guest, beside RBX. */
enum place {
	PLACE_RBX,		/* nowhere else */
	PLACE_LSTAR,		/* SYSCALL's target */
	PLACE_GATE,		/* the gates of #BP, #UD and of vector 0x80 */
	PLACE_FIXUP,		/* the page-fault handler returns there */
	PLACE_FS,		/* FS base */
	PLACE_RSP,		/* RSP, by the code itself: handlers have another stack */
};

/**
 * struct piece - a way to get to a place
 * @name: for the report
 * @code: guest code, with the place in RBX, KU_USER_CS in R8, KU_USER_SS in R9
 * @end: its end
 * @from: CPL of the code
 * @to: CPL at the place
 * @place: see above
 * @error: error code of the page fault without PF_U
 */
struct piece {
	const char *name, *code, *end;
	int from, to;
	enum place place;
	uint32_t error;
};

#define CODE(name, text)	KU_CODE64(name, text "\nhlt\n")

CODE(by_jmp, "jmp *%rbx");
CODE(by_call, "call *%rbx");
CODE(by_jmp_mem, "push %rbx\n jmp *(%rsp)");
/* Reads what LIKE_MEMORY() is about, so that it is surely there. */
CODE(by_ret, "mov 0x7000, %rax\n push %rbx\n ret");
CODE(by_ret_imm, "push %rbx\n ret $32");
CODE(by_lret, "push %r10\n push %rbx\n lretq");
CODE(by_iret, "mov %rsp, %rax\n push %r11\n push %rax\n push $2\n push %r10\n push %rbx\n iretq");
CODE(by_lret_out, "mov %rsp, %rax\n push %r9\n push %rax\n push %r8\n push %rbx\n lretq");
CODE(by_iret_out, "mov %rsp, %rax\n push %r9\n push %rax\n push $0x202\n push %r8\n push %rbx\n iretq");
CODE(by_sysret, "mov %rbx, %rcx\n mov $0x202, %r11d\n sysretq");
CODE(by_syscall, "syscall");
CODE(by_int3, "int3");
CODE(by_int80, "int $0x80");
CODE(by_ud, "ud2");
CODE(by_fixup, "xor %eax, %eax\n dec %rax\n shr $18, %rax\n mov (%rax), %rax");
CODE(by_read, "mov (%rbx), %rax");
CODE(by_write, "movb $1, (%rbx)");
CODE(by_fs, "mov %fs:0, %al");
CODE(by_fs_jmp, "jmp *%fs:0");
CODE(by_stack, "mov %rbx, %rsp\n pop %rax");

/* The page-fault handler of by_fixup: goes where RBX says, once. */
KU_CODE64(fixup,
	  "test %r15d, %r15d\n jz 1f\n xor %r15d, %r15d\n"
	  "mov %rbx, 8(%rsp)\n add $8, %rsp\n iretq\n"
	  "1: hlt\n");

KU_CODE64(entry, "sysretq\n");

#define PIECE(sym, from, to, place, error) \
	{ #sym, sym, sym##_end, from, to, place, error }

static const struct piece jumps[] = {
	PIECE(by_jmp, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_jmp, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_call, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_call, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_jmp_mem, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_jmp_mem, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_ret, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_ret, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_ret_imm, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_ret_imm, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_lret, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_lret, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_iret, 3, 3, PLACE_RBX, PF_FETCH), PIECE(by_iret, 0, 0, PLACE_RBX, PF_FETCH),
	PIECE(by_lret_out, 0, 3, PLACE_RBX, PF_FETCH), PIECE(by_iret_out, 0, 3, PLACE_RBX, PF_FETCH),
	PIECE(by_sysret, 0, 3, PLACE_RBX, PF_FETCH),
	PIECE(by_syscall, 3, 0, PLACE_LSTAR, PF_FETCH), PIECE(by_syscall, 0, 0, PLACE_LSTAR, PF_FETCH),
	PIECE(by_int3, 3, 0, PLACE_GATE, PF_FETCH), PIECE(by_int3, 0, 0, PLACE_GATE, PF_FETCH),
	PIECE(by_int80, 3, 0, PLACE_GATE, PF_FETCH), PIECE(by_int80, 0, 0, PLACE_GATE, PF_FETCH),
	PIECE(by_ud, 3, 0, PLACE_GATE, PF_FETCH), PIECE(by_ud, 0, 0, PLACE_GATE, PF_FETCH),
	PIECE(by_fixup, 3, 3, PLACE_FIXUP, PF_FETCH), PIECE(by_fixup, 0, 0, PLACE_FIXUP, PF_FETCH),
};

static const struct piece accesses[] = {
	PIECE(by_read, 3, 3, PLACE_RBX, 0), PIECE(by_read, 0, 0, PLACE_RBX, 0),
	PIECE(by_write, 3, 3, PLACE_RBX, PF_W), PIECE(by_write, 0, 0, PLACE_RBX, PF_W),
	PIECE(by_fs, 3, 3, PLACE_FS, 0), PIECE(by_fs, 0, 0, PLACE_FS, 0),
	PIECE(by_fs_jmp, 3, 3, PLACE_FS, 0), PIECE(by_fs_jmp, 0, 0, PLACE_FS, 0),
	PIECE(by_stack, 3, 3, PLACE_RSP, 0), PIECE(by_stack, 0, 0, PLACE_RSP, 0),
};

static const struct piece nowhere[] = {
	PIECE(by_sysret, 0, 3, PLACE_RBX, 0), PIECE(by_iret_out, 0, 3, PLACE_RBX, 0),
	PIECE(by_iret, 0, 0, PLACE_RBX, 0), PIECE(by_iret, 3, 3, PLACE_RBX, 0),
	PIECE(by_lret_out, 0, 3, PLACE_RBX, 0),
	PIECE(by_jmp, 3, 3, PLACE_RBX, 0), PIECE(by_jmp, 0, 0, PLACE_RBX, 0),
	PIECE(by_call, 3, 3, PLACE_RBX, 0), PIECE(by_call, 0, 0, PLACE_RBX, 0),
	PIECE(by_ret, 3, 3, PLACE_RBX, 0), PIECE(by_ret, 0, 0, PLACE_RBX, 0),
};

static const uint64_t places[] = {
	HOLE, HOLE + 0x10, HOLE + 0x4000, HOLE + 0x4488, HOLE + 0x5000, HOLE + 0x6000,
	HOLE + 0x7ff8, HOLE + 0xb000, HOLE + 0xc000, HOLE + 0xd000, HOLE + 0x100000,
	HOLE + 0x100060, HOLE + 0x101000, HOLE + 0x200000, HOLE + 0x27fff8, HOLE + 0x400000,
	HOLE + 0x400001, HOLE + 0x400040, HOLE + 0x400100, HOLE + 0x4001c7, HOLE + 0xbffff0,
	HOLE + 0xc00000, HOLE + 0x7ffffffff0, 0xffff888000001000ull, 0xffffc90000000000ull,
	0xfffffe0000000000ull, 0xfffffe0000001000ull, 0xffffffff81000000ull, 0xffffffff81000001ull,
	0xffffffffc0000000ull, 0xffffffffff600000ull, 0xfffffffffffff000ull,
	LIKE_MEMORY(0x7000), LIKE_MEMORY(0x7008), LIKE_MEMORY(0x7010), LIKE_MEMORY(0x7018),
};

static const uint64_t no_places[] = {
	NOWHERE, NOWHERE + 0x1000, 0xffff7fffffffffffull, 1ull << 63, 1ull << 48, 0x7fffffffffffffffull,
};

/* At LIKE_MEMORY(): code of the guest, no memory, no address, the engine's own code. */
static const uint64_t numbers[] = { KU_CODE, 0x600000000000, NOWHERE, HOLE + 0x10 };

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static bool soft;

static void setup(void)
{
	int i;

	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	for (i = 0; i < 256; i++)
		memset(ku_ptr(vm, HANDLERS + 16 * i), 0xf4, 16);
	ku_load_at(vm, FIXUP, fixup, fixup_end - fixup);
	ku_load_at(vm, ENTRY, entry, entry_end - entry);
	ku_vcpu_syscall(vcpu, ENTRY, 0x47700);
	ku_map(vm, vm->cr3, TOP + KU_CODE, KU_CODE, KU_PTE_P | KU_PTE_W);
	memcpy(ku_ptr(vm, 0x7000), numbers, sizeof(numbers));
}

static void set_gates(const struct piece *p, uint64_t to)
{
	int i;

	for (i = 0; i < 256; i++)
		ku_gate(vm, i, HANDLERS + 16 * i, p->place == PLACE_RSP, 3);
	if (p->place == PLACE_FIXUP)
		ku_gate(vm, PF, FIXUP, 0, 0);
	if (p->place == PLACE_GATE) {
		ku_gate(vm, 3, to, 0, 3);
		ku_gate(vm, 6, to, 0, 3);
		ku_gate(vm, 0x80, to, 0, 3);
	}
}

/* The vCPU at the piece, which is to get to @to. */
static void start(const struct piece *p, uint64_t to, uint64_t rip)
{
	bool user = p->from == 3;
	struct kvm_regs regs = {
		.rip = rip, .rflags = 2, .rsp = KU_STACK, .rbx = to, .r8 = KU_USER_CS, .r9 = KU_USER_SS,
		.r10 = user ? KU_USER_CS : KU_CS64, .r11 = user ? KU_USER_SS : KU_DS,
		.r15 = p->place == PLACE_FIXUP,
	};
	struct kvm_sregs sregs;

	ku_vcpu_long(vcpu, rip);
	ku_vcpu_user_gdt(vcpu);
	if (user)
		ku_vcpu_user(vcpu);
	sregs = ku_get_sregs(vcpu);
	sregs.fs.base = p->place == PLACE_FS ? to : 0;
	ku_set_sregs(vcpu, &sregs);
	ku_set_msr(vcpu, MSR_LSTAR, p->place == PLACE_LSTAR ? to : ENTRY);
	set_gates(p, to);
	ku_load(vm, p->code, p->end - p->code);
	ku_set_regs(vcpu, &regs);
}

/**
 * struct trap - what a handler was entered with
 * @vector: its vector, -1 when the guest stopped elsewhere
 * @rip: pushed RIP, or where it stopped
 * @cs: pushed
 * @error: pushed
 * @cr2: CR2
 */
struct trap {
	int vector;
	uint64_t rip, cs, error, cr2;
};

static struct trap run(void)
{
	struct trap trap = { .vector = -1 };
	struct kvm_regs regs;
	uint64_t *stack;
	int got = ku_run(vcpu);

	regs = ku_get_regs(vcpu);
	trap.rip = regs.rip;
	if (got != KVM_EXIT_HLT) {
		ktap_note("exit was %s at %#llx", ku_exit_name(got), regs.rip);
		trap.vector = -2;
		return trap;
	}
	if (regs.rip == FIXUP + (uint64_t)(fixup_end - fixup))
		trap.vector = PF;
	else if (regs.rip > HANDLERS && regs.rip < HANDLERS + 256 * 16)
		trap.vector = (regs.rip - HANDLERS) / 16;
	else
		return trap;
	stack = ku_ptr(vm, regs.rsp);
	if (trap.vector == PF || trap.vector == GP || trap.vector == 12)
		trap.error = *stack++;
	trap.rip = stack[0];
	trap.cs = stack[1];
	trap.cr2 = ku_get_sregs(vcpu).cr2;
	return trap;
}

static void tell(const struct piece *p, uint64_t to, const struct trap *t)
{
	ktap_note("%s from CPL %d to %#llx: vector %d, error %#llx, CS:RIP %#llx:%#llx, CR2 %#llx",
		  p->name, p->from, (unsigned long long)to, t->vector,
		  (unsigned long long)t->error, (unsigned long long)t->cs,
		  (unsigned long long)t->rip, (unsigned long long)t->cr2);
}

static bool own_fault(const struct piece *p, uint64_t to, uint64_t rip, uint64_t from)
{
	struct trap t;
	bool good;

	start(p, to, from);
	t = run();
	good = t.vector == PF && t.cr2 == to && t.error == (p->error | (p->to == 3 ? PF_U : 0)) &&
	       (t.cs & 3) == (uint64_t)p->to && (!rip || t.rip == rip);
	/* The engine's data may show, but nothing else happens. */
	if (!good && soft && !(p->error & PF_FETCH) && p->from == 0 && to >= SHOWN && to < SHOWN_END)
		good = t.vector != -2;
	if (!good)
		tell(p, to, &t);
	return good;
}

static void test_jumps(void)
{
	const struct piece *p;
	unsigned int i;
	bool good;

	for (p = jumps; p < jumps + sizeof(jumps) / sizeof(*jumps); p++) {
		good = true;
		for (i = 0; i < sizeof(places) / sizeof(*places); i++)
			good &= own_fault(p, places[i], places[i], KU_CODE);
		for (i = 0; p->from == 0 && i < sizeof(places) / sizeof(*places); i++)
			good &= own_fault(p, places[i], places[i], TOP + KU_CODE);
		ktap_ok(good, "%s from CPL %d: the fault is at CPL %d", p->name, p->from, p->to);
	}
}

static void test_accesses(void)
{
	const struct piece *p;
	unsigned int i;
	bool good;

	for (p = accesses; p < accesses + sizeof(accesses) / sizeof(*accesses); p++) {
		good = true;
		for (i = 0; i < sizeof(places) / sizeof(*places); i++)
			good &= own_fault(p, places[i], 0, KU_CODE);
		ktap_ok(good, "%s at CPL %d", p->name, p->from);
	}
}

/* Of the instruction, by its CPL, or at the target, by that one's. */
static bool is_gp(const struct piece *p, uint64_t to, uint64_t rip, uint64_t end)
{
	struct trap t = run();
	bool good;

	good = t.vector == GP && !t.error &&
	       ((t.rip == to && (t.cs & 3) == (uint64_t)p->to) ||
		(t.rip >= rip && t.rip < end && (t.cs & 3) == (uint64_t)p->from));
	if (!good)
		tell(p, to, &t);
	return good;
}

static void test_nowhere(void)
{
	const struct piece *p;
	unsigned int i;
	bool good;

	for (p = nowhere; p < nowhere + sizeof(nowhere) / sizeof(*nowhere); p++) {
		good = true;
		for (i = 0; i < sizeof(no_places) / sizeof(*no_places); i++) {
			start(p, no_places[i], KU_CODE);
			good &= is_gp(p, no_places[i], KU_CODE, KU_CODE + (p->end - p->code));
		}
		for (i = 0; p->from == 0 && i < sizeof(no_places) / sizeof(*no_places); i++) {
			start(p, no_places[i], TOP + KU_CODE);
			good &= is_gp(p, no_places[i], TOP + KU_CODE,
				      TOP + KU_CODE + (p->end - p->code));
		}
		ktap_ok(good, "%s from CPL %d to no address: #GP", p->name, p->from);
	}
}

/* SYSCALL is the last instruction of user memory: SYSRET would go to no address. */
static void test_last(void)
{
	struct piece p = PIECE(by_syscall, 3, 3, PLACE_RBX, 0);
	uint64_t page = ku_page(vm);
	struct trap t;

	ku_map(vm, vm->cr3, NOWHERE - KU_PAGE, page, KU_PTE_P | KU_PTE_W | KU_PTE_U);
	memcpy((char *)ku_ptr(vm, page) + KU_PAGE - 2, "\x0f\x05", 2);
	start(&p, 0, NOWHERE - 2);
	t = run();
	/* With a second look at the way back: it must not depend on what is prepared. */
	if (!ktap_ok(t.vector == GP && !t.error &&
		     (t.cs & 3 ? t.rip == NOWHERE : t.rip >= ENTRY && t.rip < ENTRY + 3),
		     "SYSCALL at the end of user memory: #GP on the way back"))
		tell(&p, NOWHERE, &t);
}

int main(void)
{
	const char *engine = getenv("UMBRA_ENGINE");

	soft = engine && !strcmp(engine, "soft");
	ku_open();
	ktap_plan((sizeof(jumps) + sizeof(accesses) + sizeof(nowhere)) / sizeof(*jumps) + 1);
	setup();
	test_jumps();
	test_accesses();
	test_nowhere();
	test_last();
	ktap_exit();
}
