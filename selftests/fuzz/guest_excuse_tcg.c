// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what QEMU's TCG does otherwise
 *
 * It is the processor of the bed, on which stock KVM's guests run.
 */
#include "guest_excuse_internal.h"

#include <string.h>

static bool overrides_cs(const struct outcome *o)
{
	return segment_prefix(o) == 0x2e;
}

/*
 * Conversions between MMX and SSE (CVTPI2PS, CVTTPS2PI, CVTPS2PI): #UD without CR4.OSFXSR or with CR0.EM, #NM with
 * CR0.TS (SDM Vol. 3A 23.25.3), which TCG looks at where no operand is MMX's.
 */
static bool is_mmx_conversion(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return ((ended_in(a, 6) && (!(a->sregs.cr4 & 0x200) || a->sregs.cr0 & 4)) ||
		(ended_in(a, 7) && a->sregs.cr0 & 8)) && !same_fault(a, b) && code[0] == 0x0f &&
	       (code[1] == 0x2a || code[1] == 0x2c || code[1] == 0x2d);
}

/* SSE with CR0.EM and CR0.TS: #UD (SDM Vol. 3A 13.1.2), but TCG looks at TS first. */
static bool is_sse_of_none(const struct outcome *a, const struct outcome *b)
{
	return ended_in(a, 6) && ended_in(b, 7) && a->fault_ip == b->fault_ip && is_sse(a) &&
	       (a->sregs.cr0 & 0xc) == 0xc;
}

/* EMMS: #UD with CR0.EM, #NM with CR0.TS (SDM Vol. 2A); TCG looks at neither. */
static bool is_emms(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return (ended_in(a, 6) || ended_in(a, 7)) && !same_fault(a, b) && a->sregs.cr0 & 0xc &&
	       code[0] == 0x0f && code[1] == 0x77;
}

/*
 * VMRUN, VMLOAD and VMSAVE, which code has made of itself: #UD without EFER.SVME (APM Vol. 3), which is set while a guest
 * of SVM runs: TCG looks at the address first, as processors do.
 */
static bool is_svm_address(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return ended_in(a, 6) && ended_in(b, 13) && code[0] == 0x0f && code[1] == 1 && code[2] >= 0xd8 &&
	       code[2] <= 0xdb && code[2] != 0xd9 && a->regs.rax & 0xfff;
}

/*
 * A #DB for a breakpoint, of which DR7 has none: TCG keeps some that a guest of its SVM once had, and lets later guests
 * meet them.
 */
static bool is_breakpoint_of_others(const struct outcome *b)
{
	return ended_in(b, 1) && b->debug.dr6 & 0xf && !(b->debug.dr6 & 0xe000) && !(b->debug.dr7 & 0xff);
}

/*
 * RETF, IRET and far CALL of user code: TCG uses the stack with the supervisor's rights, and where that cannot be read either,
 * the error code says so.
 */
static bool is_far_trouble(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);
	bool call = code[0] == 0x9a || (code[0] == 0xff && (code[1] >> 3 & 7) == 3);

	return ended_in(a, 14) && (call || code[0] == 0xca || code[0] == 0xcb || code[0] == 0xcf) &&
	       (!ended_in(b, 14) || a->sregs.cr2 != b->sregs.cr2 ||
		(a->fault_error & ~b->fault_error) == 4);
}

/*
 * IRET whose frame has VM: TCG goes to virtual-8086 mode, from user code and in long mode, too (SDM Vol. 2A, IRET: at
 * CPL 0 of legacy mode only).
 */
static bool is_virtual_return(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return code[0] == 0xcf && !a->fault_v86 && (b->fault_v86 || b->regs.rflags & 1 << 17);
}

/* May LOCK stand before it? (SDM Vol. 2A, LOCK) */
static bool is_lockable(unsigned int op, uint8_t modrm)
{
	unsigned int reg = modrm >> 3 & 7;

	if (modrm >= 0xc0)
		return false;
	switch (op) {
	case 0x80 ... 0x83:
		return reg != 7;
	case 0x86 ... 0x87:
	case 0x1b0 ... 0x1b1:
	case 0x1c0 ... 0x1c1:
	case 0x1ab: case 0x1b3: case 0x1bb:
		return true;
	case 0xf6 ... 0xf7:
		return reg == 2 || reg == 3;
	case 0xfe ... 0xff:
		return reg < 2;
	case 0x1ba:
		return reg > 4;
	case 0x1c7:
		return reg == 1;
	default:
		return op < 0x38 && (op & 7) < 2;
	}
}

/* LOCK where it may not stand, in the middle of something: #UD, but QEMU's TCG ignores it. */
static bool is_lock_of_none(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(a), *modrm;
	unsigned int op;

	if (!ended_in(a, 6) || *code != 0xf0 || same_fault(a, b))
		return false;
	while (code < a->culprit + sizeof(a->culprit) - 4 && (is_prefix(*code) || *code == 0xf0))
		code++;
	code += (*code & 0xf0) == 0x40;
	op = opcode_at(code, &modrm);
	return !is_lockable(op, *modrm);
}

/* Of groups 1A, 5, 8 and 11 what does not exist; TCG looks at the operand first, or makes POP and MOV of it. */
static bool is_undefined_group(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *modrm;
	unsigned int op = opcode_of(a, &modrm), reg = *modrm >> 3 & 7;

	if (!ended_in(a, 6) || same_fault(a, b))
		return false;
	return ((op == 0x8f || op == 0xc6 || op == 0xc7) && reg) || (op == 0xff && reg == 7) ||
	       (op == 0x1ba && reg < 4);
}

/* RETF and IRET of four bytes in 64-bit code: RSP counts in full (APM Vol. 3), but TCG takes its lower half. */
static bool is_far_return_below(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(b);

	return ended_in(b, 14) && in_64_bits(b) && (code[0] == 0xca || code[0] == 0xcb || code[0] == 0xcf) &&
	       b->sregs.cr2 >> 31 == 1 && a->sregs.cr2 != b->sregs.cr2;
}

/* LGDT and LIDT of a base that is not canonical: #GP (APM Vol. 3), but not to TCG. */
static bool is_table_nowhere(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *modrm;
	unsigned int op = opcode_of(a, &modrm);

	return ended_in(a, 13) && in_64_bits(a) && op == 0x101 && *modrm < 0xc0 &&
	       (*modrm >> 4 & 3) == 1 && !same_fault(a, b);
}

/* A single step of STI, which keeps interrupts away only (SDM Vol. 2B, STI): TCG has it after one more instruction. */
static bool is_step_of_sti(const struct outcome *a, const struct outcome *b)
{
	return ended_in(a, 1) && a->debug.dr6 & 1 << 14 && a->culprit[0] == 0xfb &&
	       (!ended_in(b, 1) || b->fault_ip >= a->fault_ip);
}

/* The same after LSS, which keeps nothing away: #DB comes behind it (SDM Vol. 3A 6.8.3 names MOV and POP alone). */
static bool is_step_of_lss(const struct outcome *a, const struct outcome *b)
{
	return a->has_lss && ended_in(a, 1) && a->debug.dr6 & 1 << 14 && !(b->debug.dr6 & 1 << 14);
}

/* A null selector in SS whose RPL is not the CPL: #GP(0) (SDM Vol. 2B, MOV; Vol. 2A, LSS), but not to TCG. */
static bool is_null_stack(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *modrm;
	unsigned int op = opcode_of(a, &modrm);

	return ended_in(a, 13) && in_64_bits(a) && !a->fault_error && !same_fault(a, b) &&
	       (op == 0x1b2 || (op == 0x8e && (*modrm >> 3 & 7) == 2));
}

/* A near return or jump to no address: #GP before it (APM Vol. 3, RET), to TCG behind it. */
static bool is_near_trouble(const struct outcome *a, const struct outcome *b)
{
	static const uint8_t nowhere[sizeof(b->culprit)];
	const uint8_t *code = bare(a);
	bool there = (ended_in(b, 13) && !memcmp(b->culprit, nowhere, sizeof(nowhere))) ||
		     (ended_in(b, 1) && !is_canonical(b->fault_ip));

	return ended_in(a, 13) && there && (code[0] == 0xc2 || code[0] == 0xc3 || code[0] == 0xff);
}

/* Data to be read and written, without a limit: none that a guest has made of its descriptors. */
static bool is_plain_data(const struct kvm_segment *s)
{
	return !s->unusable && s->s && (s->type & 0xe) == 2 && s->limit == ~0u;
}

/*
 * A data segment that is null, limited, read-only, execute-only or expands down, in code that is not of 64 bits: TCG looks
 * at none of it when memory is accessed (SDM Vol. 3A 5.5: #GP, and #PF or the end where there is no stack for that, or such a one).  The
 * handler has the segments still.
 */
static bool is_segment_trouble(const struct outcome *a, const struct outcome *b)
{
	const struct kvm_sregs *sr = &a->sregs;
	uint8_t prefix = segment_prefix(a);
	const struct kvm_segment *used = prefix == 0x26 ? &sr->es : prefix == 0x64 ? &sr->fs :
					 prefix == 0x65 ? &sr->gs : &sr->ds;
	uint8_t op = *behind_prefixes(a);
	/* MOVS, CMPS; STOS, SCAS; INS */
	bool string = (op & 0xfc) == 0xa4 || (op & 0xfa) == 0xaa || (op & 0xfe) == 0x6c;

	if ((!ended_in(a, 13) && !ended_in(a, 14) && !compare_has_ended(a, KVM_EXIT_SHUTDOWN)) ||
	    a->fault_v86 || in_64_bits(a))
		return false;
	/* HLT, which uses none. */
	if (same_fault(a, b) || op == 0xf4)
		return false;
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && !is_plain_data(&sr->ss))
		return true;
	return (prefix != 0x36 && !is_plain_data(used)) || (string && !is_plain_data(&sr->es));
}

/* LTR of a null selector: #GP (SDM Vol. 2A), but TCG has no TSS then. */
static bool is_null_tss(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return ended_in(a, 13) && code[0] == 0x0f && code[1] == 0 && (code[2] >> 3 & 7) == 3 &&
	       b->sregs.tr.selector < 4;
}

/*
 * PUSHA whose stack ends in the middle: the first of its words is at the top (SDM Vol. 2B,
 * PUSHA), to TCG at the bottom.
 */
static bool is_pusha(const struct outcome *a, const struct outcome *b)
{
	return ended_in(a, 14) && ended_in(b, 14) && *behind_prefixes(a) == 0x60 &&
	       a->fault_ip == b->fault_ip && a->sregs.cr2 - b->sregs.cr2 < 32;
}

/*
 * An exception injected by VMRUN whose delivery meets a contributory one: TCG delivers the second, for it
 * does not know of the first.  #DF it is when the first is TCG's own, and on processors (SDM Vol. 3A 6.15); with the
 * same selector in its gate that is the end.
 */
static bool is_single_fault(const struct outcome *a, const struct outcome *b)
{
	bool second = ended_in(b, 10) || ended_in(b, 11) || ended_in(b, 12) || ended_in(b, 13);

	return second && (ended_in(a, 8) ||
			  (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && b->fault_error & ~7 &&
			   !memcmp(a->culprit, b->culprit, sizeof(a->culprit))));
}

/* Virtual-8086 code beyond 64 KiB: #GP (SDM Vol. 3B 21.3.4); TCG does not look at limits. */
static bool is_beyond_v86(const struct outcome *a)
{
	return ended_in(a, 13) && a->fault_v86 && a->fault_ip - 16 * a->fault_cs > 0xffff;
}

/* An access that begins below where canonical ends and goes on behind it: #GP or #SS (APM Vol. 2, 5.3.1), to TCG a page fault below. */
static bool is_beyond_canonical(const struct outcome *a, const struct outcome *b)
{
	return (ended_in(a, 12) || ended_in(a, 13)) && (ended_in(b, 8) || ended_in(b, 14)) &&
	       b->sregs.cr2 >> 4 == 0x7ffffffffff && a->fault_ip == b->fault_ip;
}

/*
 * CMPS or SCAS that a page fault ends in the middle of its repetitions: RFLAGS are "restored to the state prior to the
 * execution" (SDM Vol. 2B, REP); TCG leaves what the last comparison said.
 */
static bool is_comparison_cut(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *end = bare(a), *code;
	bool rep = false;

	for (code = a->culprit; code < end; code++)
		rep |= (*code & 0xfe) == 0xf2;
	return rep && same_fault(a, b) && ended_in(a, 14) &&
	       ((*end & 0xfe) == 0xa6 || (*end & 0xfe) == 0xae) &&
	       same_but_flags(a, b);
}

/*
 * An ADD across two pages, of which the first cannot be written and the second not read: a write from the start, and so the first's
 * fault; TCG reads first (forget_frame()).
 */
static bool is_change_of_two(const struct outcome *a, const struct outcome *b)
{
	return same_fault(a, b) && ended_in(a, 14) && a->fault_error & 2 && !(b->fault_error & 2) &&
	       b->sregs.cr2 == (a->sregs.cr2 | 0xfff) + 1 && (a->sregs.cr2 & 0xfff) > 0xff0;
}

/*
 * ADD and its like that change their own code: a guest of TCG's SVM does it twice, under Umbra, too; other code of TCG once.
 * With nested paging TCG goes on with the code as it was.
 */
static bool is_changed_twice(const struct outcome *a, const struct outcome *b)
{
	unsigned int page = a->code_gpa / 4096, last = (a->code_gpa + CODE_MAX - 1) / 4096;

	return a->changed && b->changed &&
	       (b->nested || a->plain[page] != b->plain[page] || a->plain[last] != b->plain[last]);
}

/* ENTER of four bytes on a stack of 16 bits, from 0 downwards: the frame is at ESP, of which SP has changed, to TCG all. */
static bool is_enter_around(const struct outcome *a, const struct outcome *b)
{
	return a->has_enter && a->regs.rbp != b->regs.rbp && differ_in_part(a, b, 0xffff);
}

/* A string's element of real or virtual-8086 mode that goes on behind 64 KiB: #GP (SDM Vol. 3B 21.1.1), but TCG minds no limit. */
static bool is_string_around(const struct outcome *a, const struct outcome *b)
{
	uint8_t op = *bare(a) & 0xfe;
	bool string = (op >= 0xa4 && op <= 0xa6) || (op >= 0xaa && op <= 0xae) || (op >= 0x6c && op <= 0x6e);

	return ended_in(a, 13) && (a->fault_v86 || !(a->sregs.cr0 & 1)) && string && !same_fault(a, b) &&
	       ((a->regs.rsi & 0xffff) > 0xfffc || (a->regs.rdi & 0xffff) > 0xfffc);
}

/* WRMSR of an address that is not canonical, where stock KVM leaves it to TCG (errata.rst). */
static bool is_wrmsr_of_nowhere(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return ended_in(a, 13) && !same_fault(a, b) && code[0] == 0x0f && code[1] == 0x30 &&
	       !is_canonical((uint32_t)a->regs.rax | a->regs.rdx << 32);
}

/* SYSRET in real mode and without EFER.SCE: #UD (SDM Vol. 2B); TCG looks at the mode first. */
static bool is_real_sysret(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(a);

	return ended_in(a, 6) && ended_in(b, 13) && code[0] == 0x0f && code[1] == 7 &&
	       !(a->sregs.cr0 & 1) && !(a->sregs.efer & 1);
}

/* MOV to CR0, CR3 or CR4 that loads PDPTEs, in which TCG has set what is reserved (forget_pdptes()): #GP. */
static bool is_pdpte_refused(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = bare(b);

	return b->pdpte_accessed && ended_in(b, 13) && !ended_in(a, 13) && code[0] == 0x0f && code[1] == 0x22;
}

/*
 * Real mode with a stack segment of 32 bits, which protected mode has left: an interrupt's frame goes where all pushes go
 * (SDM Vol. 2A, INT n); TCG takes 16 bits of ESP for it.
 */
static bool is_big_real_stack(const struct outcome *a, const struct outcome *b)
{
	return !(a->sregs.cr0 & 1) && a->sregs.ss.db && (a->regs.rsp > 0xffff || b->regs.rsp > 0xffff);
}

/* A page fault by a reserved bit: P is set (SDM Vol. 3A 4.7), but not by TCG's walk, which is nested paging's. */
static bool is_reserved_code(const struct outcome *a, const struct outcome *b)
{
	return same_fault(a, b) && ended_in(a, 14) && a->fault_error & 8 &&
	       (a->fault_error & ~b->fault_error & ~2) == 1;
}

/* RET imm16, which random bytes have large: what it releases is unsigned (SDM Vol. 2B), but not to TCG. */
static bool is_signed_return(const struct outcome *a, const struct outcome *b)
{
	return a->releases_much && a->regs.rsp - b->regs.rsp == 0x10000;
}

bool is_tcgs(const struct outcome *a, const struct outcome *b)
{
	/* INT1, in the middle of something: #UD to TCG. */
	if (ended_in(a, 1) && a->culprit[0] == 0xf1 && !ended_in(b, 1))
		return true;
	/* 16-bit code with addresses of 32 bits beyond the limit: TCG does not look at limits. */
	if ((ended_in(a, 12) || ended_in(a, 13)) && in_16_bits(a) && has_address_prefix(a) && !same_fault(a, b))
		return true;
	/*
	 * A write to the code segment: TCG does not look what a segment is for.  Stock KVM's emulator does, where it is a page
	 * table, but by then that is dirty.
	 */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && overrides_cs(a) && !compare_has_ended(b, KVM_EXIT_SHUTDOWN))
		return true;
	if (ended_in(a, 8) && !ended_in(b, 8) && a->has_cs_prefix)
		return true;
	if (ended_in(a, 13) && overrides_cs(a) &&
	    (!same_fault(a, b) || (!memcmp(&a->regs, &b->regs, sizeof(a->regs)) &&
				   !memcmp(a->clean, b->clean, sizeof(a->clean)))))
		return true;
	/* An address on the stack that is not canonical: #GP to TCG, which may have no stack either, #SS to processors. */
	if (ended_in(a, 12) && (ended_in(b, 13) || (in_64_bits(a) && (ended_in(b, 8) ||
								  compare_has_ended(b, KVM_EXIT_SHUTDOWN)))))
		return true;
	/* A handler's stack that is nowhere: where VMRUN injects a fault, TCG makes #GP of it, not #DF. */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && !compare_has_ended(b, KVM_EXIT_SHUTDOWN) &&
	    is_long(a) && !is_canonical(a->regs.rsp))
		return true;
	/* 16-bit code that runs beyond 64 KiB: TCG begins again at 0. */
	if (!a->sregs.cs.db && !a->sregs.cs.l && a->regs.rip > 0xffff)
		return true;
	return is_mmx_conversion(a, b) || is_sse_of_none(a, b) || is_emms(a, b) || is_svm_address(a, b) ||
	       is_breakpoint_of_others(b) || is_lock_of_none(a, b) || is_undefined_group(a, b) ||
	       is_table_nowhere(a, b) || is_step_of_sti(a, b) || is_step_of_lss(a, b) ||
	       is_far_trouble(a, b) || is_far_return_below(a, b) || is_virtual_return(a, b) ||
	       is_null_stack(a, b) || is_near_trouble(a, b) || is_segment_trouble(a, b) ||
	       is_null_tss(a, b) || is_pusha(a, b) || is_single_fault(a, b) || is_beyond_v86(a) ||
	       is_beyond_canonical(a, b) || is_comparison_cut(a, b) || is_change_of_two(a, b) ||
	       is_changed_twice(a, b) || is_enter_around(a, b) || is_string_around(a, b) ||
	       is_wrmsr_of_nowhere(a, b) || is_real_sysret(a, b) || is_pdpte_refused(a, b) ||
	       is_big_real_stack(a, b) || is_reserved_code(a, b) || is_signed_return(a, b);
}
