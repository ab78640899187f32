// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: mode_test
 *
 * What a guest may write to its control registers, and a walk through all
 * modes of the processor: real, protected, PAE, long, compatibility and back.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ktap.h"
#include "traps.h"

#define PG	0x80000000u
#define CD	0x40000000u
#define SMEP	(1ull << 20)
#define NW	0x20000000u
#define WP	0x10000u
#define PE	1u

KU_CODE64(cr0, "mov %rax, %cr0\n hlt\n");
KU_CODE64(cr3, "mov %rax, %cr3\n hlt\n");
KU_CODE64(cr4, "mov %rax, %cr4\n hlt\n");
KU_CODE64(cr8, "mov %rax, %cr8\n hlt\n");
KU_CODE64(xcr0, "mov %cr4, %rbx\n bts $18, %rbx\n mov %rbx, %cr4\n"
		"xor %edx, %edx\n xor %ecx, %ecx\n xsetbv\n hlt\n");
KU_CODE64(clts, "mov %cr0, %rax\n or $8, %eax\n mov %rax, %cr0\n clts\n mov %cr0, %rax\n hlt\n");
KU_CODE64(lmsw, "mov $0xb, %eax\n lmsw %ax\n mov %cr0, %rax\n hlt\n");

/*
 * Real mode at 0:8000h.  The tables of ku_vcpu_long() are there; the GDT gets
 * 16-bit descriptors of its own at 0x700.  Says its place on port 0x217.
 */
KU_CODE16(walk,
	  "xor %ax, %ax\n mov %ax, %ds\n mov %ax, %ss\n mov $0x7000, %sp\n"
	  "mov $0x217, %dx\n"
	  "mov $0x16, %al\n out %al, %dx\n"			/* real mode */
	  "lgdtl 0x7f0\n"
	  "mov %cr0, %eax\n or $1, %eax\n mov %eax, %cr0\n"
	  "ljmpl $0x18, $1f - walk + 0x8000\n"
	  ".code32\n"
	  "1: mov $0x10, %eax\n mov %eax, %ds\n mov %eax, %es\n mov %eax, %ss\n"
	  "mov $0x217, %edx\n"
	  "mov $0x32, %al\n out %al, %dx\n"			/* protected, unpaged */
	  "mov %cr4, %eax\n or $0x20, %eax\n mov %eax, %cr4\n"
	  "mov 0x7e0, %eax\n mov %eax, %cr3\n"			/* PAE pointers */
	  "mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
	  "mov $0x36, %al\n out %al, %dx\n"			/* PAE */
	  "mov %cr0, %eax\n and $0x7fffffff, %eax\n mov %eax, %cr0\n"
	  "mov 0x7e8, %eax\n mov %eax, %cr3\n"			/* 4-level tables */
	  "mov $0xc0000080, %ecx\n rdmsr\n or $0x100, %eax\n wrmsr\n"
	  "mov %cr0, %eax\n or $0x80000000, %eax\n mov %eax, %cr0\n"
	  "mov $0x217, %edx\n"
	  "mov $0x33, %al\n out %al, %dx\n"			/* compatibility mode */
	  "ljmp $8, $2f - walk + 0x8000\n"
	  ".code64\n"
	  "2: mov $0x217, %edx\n"
	  "mov $0x64, %al\n out %al, %dx\n"			/* 64-bit */
	  "push $0x18\n lea 3f(%rip), %rax\n push %rax\n lretq\n"
	  ".code32\n"
	  "3: mov %cr0, %eax\n and $0x7fffffff, %eax\n mov %eax, %cr0\n"
	  "mov $0xc0000080, %ecx\n rdmsr\n and $0xfffffeff, %eax\n wrmsr\n"
	  "mov $0x217, %edx\n"
	  "mov $0x35, %al\n out %al, %dx\n"			/* protected again */
	  "ljmp $0x28, $4f - walk + 0x8000\n"
	  ".code16\n"
	  "4: mov $0x30, %ax\n mov %ax, %ds\n mov %ax, %ss\n"
	  "mov %cr0, %eax\n and $0xfe, %al\n mov %eax, %cr0\n"
	  "ljmp $0, $5f - walk + 0x8000\n"
	  "5: xor %ax, %ax\n mov %ax, %ds\n mov $0x217, %dx\n"
	  "mov $0x17, %al\n out %al, %dx\n"			/* real again */
	  "hlt\n");

struct rule {
	const char *name, *code, *end;
	uint64_t set, clear;	/* changes to the register's value, or the value for @whole */
	bool whole, good;
	int cr;
};

static uint64_t cr_of(struct ku_vcpu *vcpu, int cr)
{
	struct kvm_sregs s = ku_get_sregs(vcpu);

	return cr == 0 ? s.cr0 : cr == 3 ? s.cr3 : s.cr4;
}

static const struct rule rules[] = {
	{ "CR0.WP set", cr0, cr0_end, WP, 0, false, true, 0 },
	{ "CR0.WP cleared", cr0, cr0_end, 0, WP, false, true, 0 },
	{ "CR0.NW without CD", cr0, cr0_end, NW, CD, false, false, 0 },
	{ "CR0.CD and NW", cr0, cr0_end, CD | NW, 0, false, true, 0 },
	{ "CR0.PG without PE", cr0, cr0_end, 0, PE, false, false, 0 },
	{ "CR0.PG cleared in 64-bit mode", cr0, cr0_end, 0, PG, false, false, 0 },
	{ "CR0 above 32 bits", cr0, cr0_end, 1ull << 32, 0, false, false, 0 },
	{ "CR3 again", cr3, cr3_end, 0, 0, false, true, 3 },
	{ "CR3 beyond the physical width", cr3, cr3_end, 1ull << 62, 0, false, false, 3 },
	{ "CR4.PGE", cr4, cr4_end, 0x80, 0, false, true, 4 },
	{ "CR4.PAE cleared in long mode", cr4, cr4_end, 0, 0x20, false, false, 4 },
	{ "CR4 with a reserved bit", cr4, cr4_end, 1u << 15, 0, false, false, 4 },
	{ "CR4.VMXE", cr4, cr4_end, 1u << 13, 0, false, false, 4 },
	{ "CR8 = 15", cr8, cr8_end, 15, 0, true, true, 0 },
	{ "CR8 = 16", cr8, cr8_end, 16, 0, true, false, 0 },
	{ "XCR0 = 3", xcr0, xcr0_end, 3, 0, true, true, 0 },
	{ "XCR0 without x87", xcr0, xcr0_end, 2, 0, true, false, 0 },
	{ "XCR0 with AVX and no SSE", xcr0, xcr0_end, 5, 0, true, false, 0 },
};

static void test_rules(void)
{
	unsigned int i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *r = &rules[i];
		struct traps t = traps_new();
		struct kvm_regs regs;
		int vector;

		traps_code(&t, r->code, r->end);
		regs = ku_get_regs(t.vcpu);
		regs.rax = r->whole ? r->set : (cr_of(t.vcpu, r->cr) & ~r->clear) | r->set;
		ku_set_regs(t.vcpu, &regs);
		vector = traps_run(&t, NULL);
		if (vector != (r->good ? TRAP_NONE : 13))
			ktap_note("%s: vector %d", r->name, vector);
		traps_ok_here(&t, vector == (r->good ? TRAP_NONE : 13), r->name,
			      "KVM does not see the upper half in QEMU's TCG");
		traps_free(&t);
	}
}

static void test_small(void)
{
	struct traps t = traps_new();

	traps_code(&t, clts, clts_end);
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE && !(ku_get_regs(t.vcpu).rax & 8), "CLTS");
	traps_code(&t, lmsw, lmsw_end);
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE && (ku_get_regs(t.vcpu).rax & 0xf) == 0xb,
		"LMSW sets MP and TS");
	traps_free(&t);
}

static void put64(struct ku_vm *vm, uint64_t gpa, uint64_t val)
{
	memcpy(ku_ptr(vm, gpa), &val, 8);
}

static void test_walk(void)
{
	static const struct { uint8_t place; const char *name; } places[] = {
		{ 0x16, "real mode" }, { 0x32, "protected mode" }, { 0x36, "PAE paging" },
		{ 0x33, "compatibility mode" }, { 0x64, "64-bit mode" },
		{ 0x35, "back in protected mode" }, { 0x17, "back in real mode" },
	};
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	uint64_t cr3 = ku_identity(vm);
	uint64_t pdpt;
	unsigned int i;

	ku_vcpu_cpuid(vcpu);
	/* GDT: 08 64-bit code, 10 data, 18 32-bit code, 28 16-bit code, 30 16-bit data. */
	put64(vm, 0x700 + 0x08, 0x00209b0000000000);
	put64(vm, 0x700 + 0x10, 0x00cf93000000ffff);
	put64(vm, 0x700 + 0x18, 0x00cf9b000000ffff);
	put64(vm, 0x700 + 0x28, 0x00009b000000ffff);
	put64(vm, 0x700 + 0x30, 0x000093000000ffff);
	*(uint16_t *)ku_ptr(vm, 0x7f0) = 0x37;
	*(uint32_t *)ku_ptr(vm, 0x7f2) = 0x700;
	/* The first PDPT of the 4-level tables, without W and U, is a PAE pointer table. */
	pdpt = ku_page(vm);
	put64(vm, pdpt, (*ku_pte(vm, cr3, 0, 3) & ~0xfffull & ((1ull << 52) - 1)) | 1);
	put64(vm, 0x7e0, pdpt);
	put64(vm, 0x7e8, cr3);
	ku_load(vm, walk, walk_end - walk);
	ku_vcpu_real(vcpu, KU_CODE);
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int reason = ku_run(vcpu);
		uint8_t place = 0;

		if (reason == KVM_EXIT_IO)
			place = *((uint8_t *)vcpu->run + vcpu->run->io.data_offset);
		if (!ktap_ok(place == places[i].place, "%s", places[i].name))
			ktap_bail("exit %s, place %#x, rip %#llx", ku_exit_name(reason), place,
				  (unsigned long long)ku_get_regs(vcpu).rip);
	}
	ktap_ok(ku_run(vcpu) == KVM_EXIT_HLT && !(ku_get_sregs(vcpu).efer & 0x500) &&
		!(ku_get_sregs(vcpu).cr0 & 1), "HLT there, EFER.LMA and LME clear");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

/* What KVM_SET_SREGS refuses. */
static void test_sregs(void)
{
	struct traps t = traps_new();
	struct kvm_sregs good = ku_get_sregs(t.vcpu), bad;

	bad = good;
	bad.efer &= ~0x400ull;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_SREGS, &bad) && errno == EINVAL,
		"LME and PG without LMA: EINVAL");
	bad = good;
	bad.cr4 &= ~0x20ull;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_SREGS, &bad) && errno == EINVAL,
		"long mode without PAE: EINVAL");
	bad = good;
	bad.cr4 |= 1ull << 40;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_SREGS, &bad) && errno == EINVAL,
		"reserved bit of CR4: EINVAL");
	bad = good;
	bad.cr0 &= ~(1ull << 31);
	bad.efer &= ~0x500ull;
	ktap_ok(ioctl(t.vcpu->fd, KVM_SET_SREGS, &bad) && errno == EINVAL,
		"CS.L outside long mode: EINVAL");
	ktap_ok(!ioctl(t.vcpu->fd, KVM_SET_SREGS, &good), "the old ones again");
	traps_free(&t);
}

/* A kernel on a page of user code, which loads CR4 and goes on. */
KU_CODE64(set_cr4, "mov %cr4, %rax\n or %rbx, %rax\n mov %rax, %cr4\n nop\n hlt\n");

static int with_cr4(struct traps *t, uint64_t bits, struct trap_frame *frame)
{
	struct kvm_regs regs;

	traps_code(t, set_cr4, set_cr4_end);
	regs = ku_get_regs(t->vcpu);
	regs.rbx = bits;
	ku_set_regs(t->vcpu, &regs);
	return traps_run(t, frame);
}

/* Code that ran before must not run any more once it may not be fetched. */
static void test_smep(void)
{
	struct traps t = traps_new();
	struct trap_frame frame = { 0 };
	struct kvm_sregs sregs;

	/* All the rest is user memory. */
	*ku_pte(t.vm, t.vm->cr3, TRAPS, 1) &= ~KU_PTE_U;
	ktap_ok(with_cr4(&t, 0, NULL) == TRAP_NONE, "a kernel may run user code without SMEP");
	ktap_ok(with_cr4(&t, SMEP, &frame) == 14 && frame.error == 0x11 &&
		frame.rip == (uint64_t)(KU_CODE + (set_cr4_end - set_cr4) - 2),
		"and not behind the MOV to CR4");
	sregs = ku_get_sregs(t.vcpu);
	sregs.cr4 &= ~SMEP;
	ku_set_sregs(t.vcpu, &sregs);
	ktap_ok(with_cr4(&t, 0, NULL) == TRAP_NONE, "again without SMEP");
	sregs.cr4 |= SMEP;
	ku_set_sregs(t.vcpu, &sregs);
	ktap_ok(with_cr4(&t, 0, &frame) == 14 && frame.error == 0x11 && frame.rip == KU_CODE,
		"KVM_SET_SREGS with SMEP");
	traps_free(&t);
}

int main(void)
{
	ktap_plan(sizeof(rules) / sizeof(rules[0]) + 2 + 8 + 5 + 4);
	test_rules();
	test_small();
	test_walk();
	test_sregs();
	test_smep();
	ktap_exit();
}
