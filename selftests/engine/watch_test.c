// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: watch_test
 *
 * A guest's breakpoint on data is hit by one instruction, and the #DB comes behind it: RIP is the
 * next one's, DR6 tells which breakpoint, and all that the instruction does is done.  So for each
 * way in which guest code reaches memory, at CPL 3 and at CPL 0, where an engine that translates
 * may have made several instructions of one; at low addresses, and at high ones, to which no
 * displacement leads from elsewhere.  Locked accesses are left out: with two processors QEMU's
 * TCG does not look for breakpoints there.
 */
#include <cpuid.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm_util.h"
#include "ktap.h"

#define DATA		0x6000u		/* DR0: 8 bytes, read or written */
#define DATA2		0x6010u		/* DR1 */
#define HIGH		0x10000000000ull
#define HANDLERS	0x10000
#define DR7		0xbb0005u	/* DR0 and DR1: 8 bytes, read or written, on */
#define DR6_CLEAR	0xffff0ff0u

/* What the data is before. */
enum before {
	IS_NOTHING,
	IS_END,			/* the address of the last instruction */
	IS_FLAGS,		/* RFLAGS, nothing in them */
	IS_FRAME,		/* what IRETQ takes, to the last instruction */
};

/**
 * struct piece - an instruction that meets the breakpoint
 * @name: for the report
 * @code: guest code: the data's address is in RBX, and in RSP eight more
 * @end: its end, a HLT before it: the #DB comes there
 * @before: see above
 * @dr6: low bits of DR6
 * @repeats: REP: the #DB comes in front of it, RCX tells where
 * @user: makes sense at CPL 3
 */
struct piece {
	const char *name, *code, *end;
	enum before before;
	uint32_t dr6;
	bool repeats, user;
};

#define CODE(name, text)	KU_CODE64(name, text "\nhlt\n")

CODE(a_load, "mov (%rbx), %rax");
CODE(a_store, "mov %rax, (%rbx)");
CODE(a_byte, "movb $1, 3(%rbx)");
CODE(a_straddle, "mov %rax, -4(%rbx)");
CODE(a_compare, "cmp %rax, (%rbx)");
CODE(an_sse, "movdqu (%rbx), %xmm0");
/* From RIP: the instruction is seven bytes at 0x8000. */
CODE(a_relative, "mov 0x6000 - 0x8007(%rip), %rax");
CODE(a_relative_store, "mov %rcx, 0x6000 - 0x8007(%rip)");
CODE(a_push, "push %rax");
CODE(a_push_imm, "push $0x12345");
CODE(a_push_mem, "mov $0x7000, %esp\n push (%rbx)");
CODE(a_pop, "mov %rbx, %rsp\n pop %rax");
CODE(a_pushf, "pushf");
CODE(a_popf, "mov %rbx, %rsp\n popf");
CODE(a_push_seg, "push %fs");
CODE(a_call, "call 1f\n 1:");
CODE(a_call_reg, "lea 1f(%rip), %rax\n call *%rax\n 1:");
CODE(a_call_mem, "mov $0x7000, %esp\n call *(%rbx)");
CODE(a_jmp_mem, "jmp *(%rbx)");
CODE(a_ret, "mov %rbx, %rsp\n ret");
CODE(a_ret_imm, "mov %rbx, %rsp\n ret $8");
CODE(an_iret, "mov %rbx, %rsp\n iretq");
CODE(an_sgdt, "sgdt (%rbx)");
CODE(second, "mov %rax, 0x10(%rbx)");
CODE(a_repeat, "lea -4(%rbx), %rdi\n mov $8, %ecx\n cld\n rep stosb");

#define PIECE(sym, before, dr6, repeats, user) \
	{ #sym, sym, sym##_end, before, dr6, repeats, user }

static const struct piece pieces[] = {
	PIECE(a_load, IS_NOTHING, 1, false, true), PIECE(a_store, IS_NOTHING, 1, false, true),
	PIECE(a_byte, IS_NOTHING, 1, false, true), PIECE(a_straddle, IS_NOTHING, 1, false, true),
	PIECE(a_compare, IS_NOTHING, 1, false, true), PIECE(an_sse, IS_NOTHING, 1, false, true),
	PIECE(a_relative, IS_NOTHING, 1, false, true),
	PIECE(a_relative_store, IS_NOTHING, 1, false, true),
	PIECE(a_push, IS_NOTHING, 1, false, true), PIECE(a_push_imm, IS_NOTHING, 1, false, true),
	PIECE(a_push_mem, IS_NOTHING, 1, false, true), PIECE(a_pop, IS_NOTHING, 1, false, true),
	PIECE(a_pushf, IS_NOTHING, 1, false, true), PIECE(a_popf, IS_FLAGS, 1, false, true),
	PIECE(a_push_seg, IS_NOTHING, 1, false, true), PIECE(a_call, IS_NOTHING, 1, false, true),
	PIECE(a_call_reg, IS_NOTHING, 1, false, true), PIECE(a_call_mem, IS_END, 1, false, true),
	PIECE(a_jmp_mem, IS_END, 1, false, true), PIECE(a_ret, IS_END, 1, false, true),
	PIECE(a_ret_imm, IS_END, 1, false, true), PIECE(an_iret, IS_FRAME, 3, false, true),
	PIECE(an_sgdt, IS_NOTHING, 1, false, false),
	PIECE(second, IS_NOTHING, 2, false, true), PIECE(a_repeat, IS_NOTHING, 1, true, true),
};

#define NR_PIECES	(sizeof(pieces) / sizeof(*pieces))

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

/* TCG arms no breakpoints at VMRUN; what runs without it has them. */
static bool breakpoints_work(void)
{
	uint32_t eax, ebx, ecx, edx;

	if (!ku_offers_smap(vm) || !__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 31))
		return true;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return memcmp(&ebx, "TCGT", 4);
}

static void setup(void)
{
	uint64_t gpa;
	int i;

	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	for (i = 0; i < 256; i++) {
		memset(ku_ptr(vm, HANDLERS + 16 * i), 0xf4, 16);
		ku_gate(vm, i, HANDLERS + 16 * i, 1, 3);
	}
	for (gpa = 0; gpa < KU_STACK; gpa += KU_PAGE)
		ku_map(vm, vm->cr3, HIGH + gpa, gpa, KU_PTE_P | KU_PTE_W | KU_PTE_U);
}

static uint64_t end_of(const struct piece *p, uint64_t base)
{
	return base + KU_CODE + (p->end - p->code) - 1;
}

static void put_data(const struct piece *p, uint64_t base, bool user)
{
	uint64_t *data = ku_ptr(vm, DATA);

	memset(ku_ptr(vm, DATA - 0x100), 0, 0x200);
	if (p->before == IS_END || p->before == IS_FRAME)
		data[0] = end_of(p, base);
	if (p->before == IS_FLAGS)
		data[0] = 2;
	if (p->before == IS_FRAME) {
		data[1] = user ? KU_USER_CS : KU_CS64;
		data[2] = 2;
		data[3] = base + KU_STACK - 0x100;
		data[4] = user ? KU_USER_SS : KU_DS;
	}
}

static void start(const struct piece *p, uint64_t base, bool user)
{
	struct kvm_debugregs dr = {
		.db = { base + DATA, base + DATA2 }, .dr6 = DR6_CLEAR, .dr7 = DR7 | 0x400,
	};
	struct kvm_regs regs = {
		.rip = base + KU_CODE, .rflags = 2, .rsp = base + DATA + 8, .rbx = base + DATA,
	};

	ku_vcpu_long(vcpu, regs.rip);
	ku_vcpu_user_gdt(vcpu);
	if (user)
		ku_vcpu_user(vcpu);
	ku_load(vm, p->code, p->end - p->code);
	put_data(p, base, user);
	if (ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &dr))
		ktap_bail("KVM_SET_DEBUGREGS");
	ku_set_regs(vcpu, &regs);
}

/* What is left undone of a piece would be seen in one of these. */
static bool is_done(const struct piece *p, uint64_t base, const struct kvm_regs *regs)
{
	const uint64_t *data = ku_ptr(vm, DATA);

	if (p->code == a_push_imm)
		return data[0] == 0x12345;
	if (p->code == a_call || p->code == a_call_reg)
		return data[0] == end_of(p, base);
	if (p->code == a_pushf)
		return data[0] == 2;
	return p->code != a_repeat || regs->rcx == 3;
}

static void test(const struct piece *p, uint64_t base, bool user)
{
	uint64_t rip = end_of(p, base) - (p->repeats ? 2 : 0);
	struct kvm_debugregs dr;
	struct kvm_regs regs;
	uint64_t *stack;
	int got;

	start(p, base, user);
	got = ku_run(vcpu);
	regs = ku_get_regs(vcpu);
	stack = ku_ptr(vm, regs.rsp & (HIGH - 1));
	if (ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &dr))
		ktap_bail("KVM_GET_DEBUGREGS");
	if (ktap_ok(got == KVM_EXIT_HLT && regs.rip == HANDLERS + 17 && stack[0] == rip &&
		    dr.dr6 == (DR6_CLEAR | p->dr6) && is_done(p, base, &regs),
		    "%s at CPL %d, %s", p->name, user ? 3 : 0, base ? "high" : "low"))
		return;
	ktap_note("exit %s at %#llx, RIP pushed %#llx, not %#llx; DR6 %#llx, RCX %#llx, data %#llx",
		  ku_exit_name(got), regs.rip, (unsigned long long)stack[0], (unsigned long long)rip,
		  dr.dr6, regs.rcx, *(unsigned long long *)ku_ptr(vm, DATA));
}

int main(void)
{
	const struct piece *p;
	unsigned int plan = 0;

	ku_open();
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	if (!breakpoints_work())
		ktap_skip_all("QEMU's TCG arms no breakpoints at VMRUN");
	for (p = pieces; p < pieces + NR_PIECES; p++)
		plan += 2 + 2 * p->user;
	ktap_plan(plan);
	setup();
	for (p = pieces; p < pieces + NR_PIECES; p++) {
		test(p, 0, false);
		test(p, HIGH, false);
		if (p->user) {
			test(p, 0, true);
			test(p, HIGH, true);
		}
	}
	ktap_exit();
}
