// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: differences that mean nothing
 *
 * What stock KVM's emulator or QEMU's TCG does otherwise than the manuals say, told by the instruction and the exception
 * that a step ended with.
 */
#include "guest_compare_internal.h"

#include <string.h>

/* Both ended by the same exception of the same instruction. */
static bool same_fault(const struct outcome *a, const struct outcome *b)
{
	return a->vector < 32 && ended_in(a, a->vector) && ended_in(b, a->vector) &&
	       a->fault_ip == b->fault_ip;
}

/* The last segment prefix of the culprit; 0: it has none. */
static uint8_t segment_prefix(const struct outcome *o)
{
	const uint8_t *code = o->culprit, *end = behind_prefixes(o);
	uint8_t found = 0;

	for (; code < end; code++)
		if ((*code & 0xe7) == 0x26 || (*code & 0xfe) == 0x64)
			found = *code;
	return found;
}

static bool has_mmio(const struct outcome *o, uint64_t from, uint64_t to)
{
	unsigned int i;

	for (i = 0; i < o->exits; i++)
		if (o->exit[i].reason == KVM_EXIT_MMIO && o->exit[i].where >= from &&
		    o->exit[i].where <= to)
			return true;
	return false;
}

static bool overrides_cs(const struct outcome *o)
{
	return segment_prefix(o) == 0x2e;
}

/* The culprit behind its prefixes and a REX, which is INC or DEC in 32-bit code. */
static const uint8_t *bare(const struct outcome *o)
{
	const uint8_t *code = behind_prefixes(o);

	return code + ((code[0] & 0xf0) == 0x40);
}

static bool is_sse(const struct outcome *o)
{
	const uint8_t *code = bare(o);

	return code[0] == 0x0f && (code[1] >> 4 == 1 || code[1] >> 4 == 2 ||
				   (code[1] >= 0x50 && code[1] < 0x80) ||
				   (code[1] >= 0xc2 && code[1] <= 0xc6) || code[1] >= 0xd0);
}

static bool is_x87(const struct outcome *o)
{
	return (bare(o)[0] & 0xf8) == 0xd8;
}

/*
 * Stock KVM's emulator, which accesses to MMIO need, knows few x87, MMX and SSE instructions; the
 * others are #UD in user mode, or the end where a handler's stack is nowhere.  And QEMU's TCG does not mind a
 * misaligned operand.
 */
static bool is_sse_trouble(const struct outcome *a, const struct outcome *b)
{
	if (same_fault(a, b))
		return false;
	if (ended_in(b, 6) && (has_mmio(a, 0, ~0ull) || is_sse(b) ||
			       is_x87(b)))
		return true;
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && compare_has_ended(b, KVM_EXIT_SHUTDOWN) &&
	    b->exits == 1 && has_mmio(a, 0, ~0ull))
		return true;
	return (ended_in(a, 13) || compare_has_ended(a, KVM_EXIT_SHUTDOWN)) &&
	       is_sse(a);
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

static bool has_address_prefix(const struct outcome *o)
{
	const uint8_t *code = o->culprit;

	while (code < behind_prefixes(o) && *code != 0x67)
		code++;
	return *code == 0x67;
}

/* REP INS to MMIO, downwards: stock KVM's emulator reads many elements from the port for each that it stores. */
static bool ins_downwards(const struct outcome *a, const struct outcome *b)
{
	unsigned int i;

	for (i = 1; a->regs.rflags & 1 << 10 && i < a->exits && i < b->exits; i++)
		if (is_read(&a->exit[i - 1], KVM_EXIT_IO) && is_read(&b->exit[i - 1], KVM_EXIT_IO) &&
		    a->exit[i].reason == KVM_EXIT_MMIO && a->exit[i].write &&
		    is_read(&b->exit[i], KVM_EXIT_IO) && b->exit[i].where == b->exit[i - 1].where)
			return true;
	return false;
}

/* ENTER with a level, whose frames are in a device: stock KVM's emulator does not know it, which is #UD for a user. */
static bool is_enter_unknown(const struct outcome *b)
{
	const uint8_t *code = bare(b);

	return ended_in(b, 6) && code[0] == 0xc8 && code[3] & 31;
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
 * A single step over an instruction that has written to a device: on the way from userspace stock KVM's
 * emulator forgets the trap (x86_emulate_instruction(): "FIXME: return into emulator if
 * single-stepping"), and the next instruction runs as well.  The trap's delivery may have faulted.
 */
static bool stepped_from_device(const struct outcome *a, const struct outcome *b)
{
	return a->debug.dr6 & 1 << 14 && a->exits > 1 && a->exit[a->exits - 2].write &&
	       (ended_in(a, 1) || !(b->debug.dr6 & 1 << 14));
}

/*
 * A single step of REP INS, LODS and their like ends with one element (SDM Vol. 3B 17.3.1.4); stock KVM has read as many
 * as the page takes by then, or goes on with the next behind each read.
 */
static bool stepped_ins(const struct outcome *a, const struct outcome *b)
{
	const struct seen_exit *last, *more;

	if (!ended_in(a, 1) || !(a->debug.dr6 & 1 << 14) || a->exits < 2 || b->exits <= a->exits)
		return false;
	last = &a->exit[a->exits - 2];
	more = &b->exit[a->exits - 1];
	return (is_read(last, KVM_EXIT_IO) && is_read(more, KVM_EXIT_IO) && more->where == last->where) ||
	       (is_read(last, KVM_EXIT_MMIO) && is_read(more, KVM_EXIT_MMIO) &&
		(more->where - last->where == last->len || last->where - more->where == last->len));
}

/*
 * A #DB for a breakpoint, of which DR7 has none: TCG keeps some that a guest of its SVM once had, and lets later guests
 * meet them.
 */
static bool is_breakpoint_of_others(const struct outcome *b)
{
	return ended_in(b, 1) && b->debug.dr6 & 0xf && !(b->debug.dr6 & 0xe000) && !(b->debug.dr7 & 0xff);
}

static bool is_long(const struct outcome *o)
{
	return o->sregs.efer & 0x400;
}

static bool is_canonical(uint64_t address)
{
	return (int64_t)(address << 16) >> 16 == (int64_t)address;
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

static bool in_64_bits(const struct outcome *o)
{
	return is_long(o) && o->fault_64;
}

static bool in_16_bits(const struct outcome *o)
{
	return o->fault_v86 || !(o->sregs.cr0 & 1) || o->fault_cs / 8 == GDT_CODE16 ||
	       o->fault_cs / 8 == GDT_UCODE16;
}

/* The culprit's opcode; of two-byte ones 0x100 and the second, and a pointer to what follows. */
static unsigned int opcode_of(const struct outcome *o, const uint8_t **modrm)
{
	const uint8_t *code = bare(o);

	*modrm = code + 1 + (code[0] == 0x0f);
	return code[0] == 0x0f ? 0x100 | code[1] : code[0];
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
	const uint8_t *code = behind_prefixes(a);
	unsigned int op;

	if (!ended_in(a, 6) || *code != 0xf0 || same_fault(a, b))
		return false;
	while (code < a->culprit + sizeof(a->culprit) - 4 && (is_prefix(*code) || *code == 0xf0))
		code++;
	code += (*code & 0xf0) == 0x40;
	op = *code == 0x0f ? 0x100 | code[1] : *code;
	return !is_lockable(op, code[1 + (*code == 0x0f)]);
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
	const uint8_t *code = bare(a);

	return in_64_bits(a) && (code[0] == 0xca || code[0] == 0xcb || code[0] == 0xcf) && ended_in(b, 14) &&
	       a->fault_ip == b->fault_ip && !(b->sregs.cr2 >> 32) && a->regs.rsp >> 32 &&
	       b->sregs.cr2 - (uint32_t)a->regs.rsp < 96;
}

/* REX.R is ignored where a segment register is meant (SDM Vol. 2A 2.2.1.2); stock KVM's emulator finds none of that number. */
static bool is_segment_of_rex(const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(b);

	return ended_in(b, 6) && in_64_bits(b) && (code[0] & 0xf4) == 0x44 && (code[1] == 0x8c || code[1] == 0x8e);
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
	       (!ended_in(b, 1) || b->fault_ip > a->fault_ip);
}

/* The same after LSS, which keeps nothing away: #DB comes behind it (SDM Vol. 3A 6.8.3 names MOV and POP alone). */
static bool is_step_of_lss(const struct outcome *a, const struct outcome *b)
{
	return a->has_lss && ended_in(a, 1) && a->debug.dr6 & 1 << 14 && !(b->debug.dr6 & 1 << 14);
}

/* IRET with NT returns to another task: Umbra has none (errata.rst), for user code it is #UD. */
static bool is_task_return(const struct outcome *a)
{
	return ended_in(a, 6) && bare(a)[0] == 0xcf && a->fault_nt && !is_long(a);
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

/* An interrupt or NMI whose delivery faulted is lost; stock KVM delivers it afterwards (errata.rst). */
static bool is_lost_event(const struct outcome *a, const struct outcome *b)
{
	if (!a->event || a->events.interrupt.injected || a->events.nmi.injected ||
	    a->events.nmi.pending)
		return false;
	if (!ended_in(a, 8) && !ended_in(a, 10) && !ended_in(a, 11) && !ended_in(a, 12) &&
	    !ended_in(a, 13) && !ended_in(a, 14))
		return false;
	return b->events.interrupt.injected || b->events.nmi.injected || b->events.nmi.pending ||
	       b->vector == 2 || (b->vector >= 32 && b->vector < 256);
}

/*
 * Bit 63 of an entry is reserved while EFER.NXE is 0 (SDM Vol. 3A 4.5.5).  Stock KVM with npt=0 has one shadow for
 * both values (kvm_init_shadow_mmu(): "efer_nx = true") and finds what another step has put there.  The same for PS in an
 * entry of a directory of 32-bit paging, which means nothing without CR4.PSE (4.3).
 */
static bool is_reserved_nx(const struct outcome *a)
{
	return (a->reserved_nx || a->ps_ignored) && (ended_in(a, 8) || ended_in(a, 14) ||
				  compare_has_ended(a, KVM_EXIT_SHUTDOWN));
}

/* Virtual-8086 code beyond 64 KiB: #GP (SDM Vol. 3B 21.3.4); TCG does not look at limits. */
static bool is_beyond_v86(const struct outcome *a)
{
	return ended_in(a, 13) && a->fault_v86 && a->fault_ip - 16 * a->fault_cs > 0xffff;
}

/* An SS prefix in 64-bit code, which counts for nothing: #GP (an EPYC's, too), but #SS in stock KVM's emulator. */
static bool is_ignored_prefix(const struct outcome *a, const struct outcome *b)
{
	return ended_in(a, 13) && ended_in(b, 12) && a->fault_ip == b->fault_ip && in_64_bits(a) &&
	       segment_prefix(a) == 0x36;
}

/* INT3, INTO or INT n whose delivery faults: stock KVM is behind it, see forget_frame(). */
static bool is_int_trouble(const struct outcome *a, const struct outcome *b)
{
	if (a->culprit[0] == 0xcd && b->fault_ip == a->fault_ip + 2)
		return a->vector < 32 && ended_in(a, a->vector) && ended_in(b, a->vector);
	return (a->culprit[0] == 0xcc || a->culprit[0] == 0xce) &&
	       !memcmp(a->culprit + 1, b->culprit, sizeof(a->culprit) - 1);
}

/*
 * A pop of more than one word from a device, which Umbra reads at once: stock KVM's emulator asks userspace for each, and
 * begins again with what it has added to (E)SP by then.
 */
static bool is_pop_of_device(const struct outcome *a, const struct outcome *b)
{
	unsigned int i, k;

	for (i = 0; i < a->exits; i++) {
		const struct seen_exit *x = &a->exit[i];

		for (k = 0; k + 1 < b->exits && is_read(x, KVM_EXIT_MMIO); k++) {
			const struct seen_exit *y = &b->exit[k];

			if (is_read(&y[0], KVM_EXIT_MMIO) && is_read(&y[1], KVM_EXIT_MMIO) &&
			    x->where == y[0].where && x->len > y[0].len && !(x->len % y[0].len) &&
			    y[1].len == y[0].len && y[1].where == y[0].where + y[0].len)
				return true;
		}
	}
	return false;
}

/* An access that begins below where canonical ends and goes on behind it: #GP or #SS (APM Vol. 2, 5.3.1), to TCG a page fault below. */
static bool is_beyond_canonical(const struct outcome *a, const struct outcome *b)
{
	return (ended_in(a, 12) || ended_in(a, 13)) && (ended_in(b, 8) || ended_in(b, 14)) &&
	       b->sregs.cr2 >> 4 == 0x7ffffffffff && a->fault_ip == b->fault_ip;
}

/*
 * Where stock KVM's emulator begins again with the same access to a device, for ever: an exception whose delivery faults on a
 * stack there, for it takes the push for the instruction's access, an event of real mode on such a stack, and LGDT and
 * LIDT, which cannot be finished.
 */
static bool is_same_for_ever(const struct outcome *a, const struct outcome *b)
{
	const struct seen_exit *last = &b->exit[STEP_EXITS - 1];
	unsigned int i;

	if (!b->cut || a->cut)
		return false;
	for (i = STEP_EXITS / 2; i < STEP_EXITS; i++)
		if (b->exit[i].where != last->where || b->exit[i].reason != KVM_EXIT_MMIO ||
		    b->exit[i].write != last->write)
			return false;
	return true;
}

/*
 * A single step that POPF or IRET began, of an instruction that leaves flags undefined: no compare of flags follows it as
 * one does elsewhere (define_flags()), and the trap's frame has them.
 */
static bool is_undefined_step(const struct outcome *a, const struct outcome *b)
{
	return !a->stepping && same_fault(a, b) && ended_in(a, 1) && a->debug.dr6 & b->debug.dr6 & 1 << 14 &&
	       a->regs.rflags != b->regs.rflags && !((a->regs.rflags ^ b->regs.rflags) & ~0x8d5ull);
}

/*
 * CMPS or SCAS that a page fault ends in the middle of its repetitions: RFLAGS are "restored to the state prior to the
 * execution" (SDM Vol. 2B, REP); TCG leaves what the last comparison said.
 */
static bool is_comparison_cut(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *end = bare(a), *code;
	struct kvm_regs regs = b->regs;
	bool rep = false;

	for (code = a->culprit; code < end; code++)
		rep |= (*code & 0xfe) == 0xf2;
	regs.rflags ^= (regs.rflags ^ a->regs.rflags) & 0x8d5;
	return rep && same_fault(a, b) && ended_in(a, 14) &&
	       ((*end & 0xfe) == 0xa6 || (*end & 0xfe) == 0xae) &&
	       !memcmp(&regs, &a->regs, sizeof(regs));
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

/*
 * A change of a device, by an address that is not to be written (CR0.WP): with nested paging stock KVM's emulator, which is asked
 * for the read, takes the nested fault's address for the write, and looks at no right.
 */
static bool is_written_anyway(const struct outcome *a, const struct outcome *b)
{
	unsigned int i;

	for (i = 0; b->nested && ended_in(a, 14) && a->fault_error & 1 && i + 1 < b->exits; i++)
		if (is_read(&b->exit[i], KVM_EXIT_MMIO) && b->exit[i + 1].reason == KVM_EXIT_MMIO &&
		    b->exit[i + 1].write && b->exit[i + 1].where == b->exit[i].where &&
		    !((b->exit[i].where ^ a->sregs.cr2) & 0xfff))
			return true;
	return false;
}

/*
 * A selector read from a device: stock KVM's emulator refuses a segment whose DPL is less than both RPL and CPL, processors
 * one where it is less than either (SDM Vol. 2B, MOV).
 */
static bool is_lax_load(const struct outcome *a, const struct outcome *b)
{
	const struct seen_exit *read;
	unsigned int selector;

	if (!ended_in(a, 13) || same_fault(a, b) || a->exits < 2 || b->exits < a->exits)
		return false;
	read = &a->exit[a->exits - 2];
	selector = machine_device_says(read->where) | machine_device_says(read->where + 1) << 8;
	return is_read(read, KVM_EXIT_MMIO) && read->len == 2 && selector & 3 &&
	       a->fault_error == (selector & 0xfffc) && is_read(&b->exit[a->exits - 2], KVM_EXIT_MMIO);
}

/*
 * REP INS that a page fault ends: its elements before that are done (SDM Vol. 2B, REP); stock KVM reads all from the port
 * first that the page's rest might take, and none is.
 */
static bool is_ins_begun_again(const struct outcome *a, const struct outcome *b)
{
	return same_fault(a, b) && ended_in(a, 14) && (*bare(a) & 0xfe) == 0x6c && a->exits &&
	       b->exits > a->exits && is_read(&b->exit[a->exits - 1], KVM_EXIT_IO);
}

/* The frame of real mode's INT on a device: of stock KVM's emulator one of its three words arrives. */
static bool is_frame_on_device(const struct outcome *a, const struct outcome *b)
{
	const struct seen_exit *mine, *other;

	if (a->sregs.cr0 & 1 || a->exits < 2 || a->exits != b->exits)
		return false;
	mine = &a->exit[a->exits - 2];
	other = &b->exit[b->exits - 2];
	return mine->reason == KVM_EXIT_MMIO && mine->write && mine->len == 6 &&
	       other->reason == KVM_EXIT_MMIO && other->write && other->len == 2 &&
	       other->where == mine->where;
}

/*
 * Do all registers agree but for one, of which @mask says what does?  Memory is not looked at, nor the frame of what
 * comes later.
 */
static bool differ_in_part(const struct outcome *a, const struct outcome *b, uint64_t mask)
{
	const uint64_t *x = (const uint64_t *)&a->regs, *y = (const uint64_t *)&b->regs;
	unsigned int i, differ = 0;

	for (i = 0; i < sizeof(a->regs) / 8; i++) {
		if ((x[i] ^ y[i]) & mask)
			return false;
		differ += x[i] != y[i];
	}
	return differ == 1;
}

/* BSF and BSR of nothing: the destination is undefined (SDM Vol. 2A), with AMD as it was; to TCG its upper half is 0. */
static bool is_nothing_scanned(const struct outcome *a, const struct outcome *b)
{
	return a->has_bsf && is_long(a) && differ_in_part(a, b, 0xffffffff);
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

/*
 * BOUND, LES, LDS and their like of 16-bit addresses, at the end of 64 KiB: the second word is at the beginning again, or
 * behind it, as with TCG.  With the limit that segments of 16-bit code have it would be #GP.
 */
static bool is_pair_around(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *modrm;
	unsigned int op = opcode_of(a, &modrm);

	return ended_in(a, 14) && !same_fault(a, b) && (a->fault_v86 || in_16_bits(a) || !(a->sregs.cr0 & 1)) &&
	       (op == 0x62 || op == 0xc4 || op == 0xc5 || op == 0x1b2 || op == 0x1b4 || op == 0x1b5 ||
		(op == 0xff && ((*modrm & 0x38) == 0x18 || (*modrm & 0x38) == 0x28)));
}

/* Code that a step has got into, not its own, may leave flags undefined; nothing but them differs, in frames, too. */
static bool is_random_code(const struct outcome *a, const struct outcome *b)
{
	const uint64_t *x = (const uint64_t *)&a->regs, *y = (const uint64_t *)&b->regs;
	unsigned int i;

	uint64_t end = same_fault(a, b) ? a->fault_ip : a->sregs.cs.base + a->regs.rip - 1;

	if (!same_fault(a, b) && (!compare_has_ended(a, KVM_EXIT_HLT) || !compare_has_ended(b, KVM_EXIT_HLT)))
		return false;
	if (((end - a->code_gpa) & 0xfff) < CODE_MAX && !a->starts_far)
		return false;
	for (i = 0; i < sizeof(a->regs) / 8; i++)
		if (x[i] != y[i] && &a->regs.rflags != (const void *)&x[i])
			return false;
	return a->regs.rflags != b->regs.rflags && !((a->regs.rflags ^ b->regs.rflags) & ~0x8d5ull);
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

static bool is_same_exit(const struct seen_exit *a, const struct seen_exit *b)
{
	return a->reason == b->reason && a->write == b->write && a->len == b->len &&
	       a->where == b->where && a->data == b->data;
}

/* CMPS of two devices: which is read first is nobody's promise, and all else is the same. */
static bool is_read_in_turn(const struct outcome *a, const struct outcome *b)
{
	unsigned int i = 0;

	if (a->exits != b->exits || memcmp(&a->regs, &b->regs, sizeof(a->regs)))
		return false;
	while (i < a->exits) {
		const struct seen_exit *x = &a->exit[i], *y = &b->exit[i];

		if (is_same_exit(x, y))
			i++;
		else if (i + 1 < a->exits && is_same_exit(x, y + 1) && is_same_exit(x + 1, y) &&
			 is_read(x, KVM_EXIT_MMIO) && is_read(y, KVM_EXIT_MMIO))
			i += 2;
		else
			return false;
	}
	return true;
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

/*
 * Where an event is delivered onto a page table, stock KVM's emulator is asked for the write, and executes the instruction behind
 * it, which had not begun (the event is delivered after it).  Real mode: the stack is where it says.
 */
static bool is_frame_on_table(const struct outcome *a, const struct outcome *b)
{
	uint64_t sp = a->sregs.ss.base + (a->regs.rsp & 0xffff);

	return !(a->sregs.cr0 & 1) && same_fault(a, b) && sp + 6 > IMAGE_TABLES && sp < IMAGE_SIZE;
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

/*
 * Code that makes its own page go away and goes on without telling the TLB: until the next flush both are right
 * (SDM Vol. 3A 4.10.4.3).
 */
static bool is_code_gone(const struct outcome *a, const struct outcome *b)
{
	return a->code_gone && (compare_has_ended(b, KVM_EXIT_SHUTDOWN) || ended_in(b, 8) || ended_in(b, 14)) &&
	       compare_has_ended(a, KVM_EXIT_HLT) && a->sregs.cr2 != b->sregs.cr2 &&
	       b->sregs.cr2 == a->sregs.cs.base + a->regs.rip - 1;
}

bool is_incomparable(const struct outcome *a, const struct outcome *b)
{
	/*
	 * A string instruction that has overwritten itself goes on, or is another from the next element on: nobody
	 * says (SDM Vol. 3A 12.1.3 asks for a jump or more before code that was written).
	 */
	if (a->overwritten || b->overwritten)
		return true;
	/* Handlers of random bytes: they use undefined flags, and forget() finds no frames. */
	if (a->moved && b->moved)
		return true;
	if (is_sse_of_none(a, b) || is_pair_around(a, b) || is_random_code(a, b) || is_segment_of_rex(b))
		return true;
	if (is_sse_trouble(a, b) || is_mmx_conversion(a, b) || is_emms(a, b))
		return true;
	if (stepped_from_device(a, b) || stepped_ins(a, b) || is_breakpoint_of_others(b))
		return true;
	/* INT1, in the middle of something: #UD to TCG. */
	if (ended_in(a, 1) && a->culprit[0] == 0xf1 && !ended_in(b, 1))
		return true;
	if (is_lock_of_none(a, b))
		return true;
	/* An access, of PUSHA as well, that goes on behind 4 GiB: "may or may not" fault (SDM Vol. 3A, 5.3). */
	if (has_mmio(a, 0xffffffc0, 0xffffffff) || has_mmio(b, 0xffffffc0, 0xffffffff) ||
	    ((ended_in(a, 12) || ended_in(a, 13)) &&
	     (ended_in(b, 14) || ended_in(b, 8) || compare_has_ended(b, KVM_EXIT_SHUTDOWN)) &&
	     b->sregs.cr2 - 0xfffffff0 < 16))
		return true;
	/* 16-bit code with addresses of 32 bits beyond the limit: TCG does not look at limits. */
	if ((ended_in(a, 12) || ended_in(a, 13)) && in_16_bits(a) && has_address_prefix(a) && !same_fault(a, b))
		return true;
	/* So many reads of a port before its destination's fault that they were cut. */
	if (b->cut && is_read(&b->exit[STEP_EXITS - 1], KVM_EXIT_IO) &&
	    (ended_in(a, 8) || ended_in(a, 12) || ended_in(a, 13) || ended_in(a, 14) ||
	     compare_has_ended(a, KVM_EXIT_SHUTDOWN)))
		return true;
	if (ins_downwards(a, b) || is_enter_unknown(b) || is_svm_address(a, b))
		return true;
	/* A guest that has overwritten its descriptors until the processor refuses them. */
	if (compare_has_ended(a, KVM_EXIT_FAIL_ENTRY) && compare_has_ended(b, KVM_EXIT_FAIL_ENTRY))
		return true;
	/*
	 * A write to the code segment: TCG does not look what a segment is for.  Stock KVM's emulator does, where it is a page
	 * table, but by then that is dirty.
	 */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && overrides_cs(a) && !compare_has_ended(b, KVM_EXIT_SHUTDOWN))
		return true;
	if (ended_in(a, 13) && overrides_cs(a) &&
	    (!same_fault(a, b) || (!memcmp(&a->regs, &b->regs, sizeof(a->regs)) &&
				   !memcmp(a->clean, b->clean, sizeof(a->clean)))))
		return true;
	/* An address on the stack that is not canonical: #GP to TCG, which may have no stack either, #SS to processors. */
	if (ended_in(a, 12) && (ended_in(b, 13) || (in_64_bits(a) && (ended_in(b, 8) ||
								  compare_has_ended(b, KVM_EXIT_SHUTDOWN)))))
		return true;
	/* 16-bit code that runs beyond 64 KiB: TCG begins again at 0. */
	if (!a->sregs.cs.db && !a->sregs.cs.l && a->regs.rip > 0xffff)
		return true;
	if (is_undefined_group(a, b) || is_table_nowhere(a, b) || is_step_of_sti(a, b) ||
	    is_step_of_lss(a, b) || is_task_return(a))
		return true;
	if (is_far_trouble(a, b) || is_far_return_below(a, b) || is_virtual_return(a, b) || is_null_stack(a, b) ||
	    is_near_trouble(a, b) || is_int_trouble(a, b) ||
	    is_segment_trouble(a, b) || is_null_tss(a, b) || is_pusha(a, b) ||
	    is_single_fault(a, b) || is_lost_event(a, b) || is_beyond_v86(a) ||
	    is_reserved_nx(a) || is_pop_of_device(a, b) || is_beyond_canonical(a, b) ||
	    is_same_for_ever(a, b) || is_comparison_cut(a, b) || is_change_of_two(a, b) ||
	    is_changed_twice(a, b) || is_big_real_stack(a, b) || is_frame_on_table(a, b) || is_reserved_code(a, b) ||
	    is_ignored_prefix(a, b) || is_signed_return(a, b) || is_code_gone(a, b) ||
	    is_written_anyway(a, b) || is_pdpte_refused(a, b) || is_undefined_step(a, b) ||
	    is_lax_load(a, b) || is_read_in_turn(a, b) || is_ins_begun_again(a, b) ||
	    is_real_sysret(a, b) || is_frame_on_device(a, b) || is_nothing_scanned(a, b) || is_enter_around(a, b) ||
	    is_string_around(a, b) || is_wrmsr_of_nowhere(a, b))
		return true;
	/* A handler's stack that is nowhere: where VMRUN injects a fault, TCG makes #GP of it, not #DF. */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && !compare_has_ended(b, KVM_EXIT_SHUTDOWN) &&
	    is_long(a) && !is_canonical(a->regs.rsp))
		return true;
	/* A single step over HLT: stock KVM ends its run with HLT, and then has #DB pending. */
	return compare_has_ended(b, KVM_EXIT_HLT) && b->regs.rflags & 0x100 &&
	       (compare_has_ended(a, KVM_EXIT_SHUTDOWN) || a->regs.rip != b->regs.rip);
}
