// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what stock KVM does otherwise
 *
 * Mostly its emulator, which is asked for accesses to devices and to page tables.
 */
#include "guest_excuse_internal.h"

#include <string.h>

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

/* Large pages of 32-bit paging: bits 32 to 39 of the address are AMD's (APM Vol. 2, 5.2.2), stock KVM knows four of them. */
static bool is_wide_pse(const struct outcome *a, const struct outcome *b)
{
	return ended_in(b, 14) && b->fault_error & 8 && !same_fault(a, b) && (b->sregs.cr4 & 0x30) == 0x10;
}

/* REP INS to MMIO, downwards: stock KVM's emulator reads many elements from the port for each that it stores. */
static bool ins_downwards(const struct outcome *a, const struct outcome *b)
{
	unsigned int i;

	for (i = 1; i + 2 < a->exits && i < b->exits; i++)
		if (is_read(&a->exit[i - 1], KVM_EXIT_IO) && is_read(&b->exit[i - 1], KVM_EXIT_IO) &&
		    a->exit[i].reason == KVM_EXIT_MMIO && a->exit[i].write &&
		    a->exit[i + 2].where == a->exit[i].where - a->exit[i].len &&
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

/* REX.R is ignored where a segment register is meant (SDM Vol. 2A 2.2.1.2); stock KVM's emulator finds none of that number. */
static bool is_segment_of_rex(const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(b);

	return ended_in(b, 6) && in_64_bits(b) && (code[0] & 0xf4) == 0x44 && (code[1] == 0x8c || code[1] == 0x8e);
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
 * Where an event is delivered onto a page table, stock KVM's emulator is asked for the write, and executes the instruction behind
 * it, which had not begun (the event is delivered after it).  Real mode: the stack is where it says.
 */
static bool is_frame_on_table(const struct outcome *a, const struct outcome *b)
{
	uint64_t sp = a->sregs.ss.base + (a->regs.rsp & 0xffff);

	return !(a->sregs.cr0 & 1) && same_fault(a, b) && sp + 6 > IMAGE_TABLES && sp < IMAGE_SIZE;
}

bool is_stock_kvms(const struct outcome *a, const struct outcome *b)
{
	/* So many reads of a port before its destination's fault that they were cut. */
	if (b->cut && is_read(&b->exit[STEP_EXITS - 1], KVM_EXIT_IO) &&
	    (ended_in(a, 8) || ended_in(a, 12) || ended_in(a, 13) || ended_in(a, 14) ||
	     compare_has_ended(a, KVM_EXIT_SHUTDOWN)))
		return true;
	/* A single step over HLT: stock KVM ends its run with HLT, and then has #DB pending. */
	if (compare_has_ended(b, KVM_EXIT_HLT) && b->regs.rflags & 0x100 &&
	    (compare_has_ended(a, KVM_EXIT_SHUTDOWN) || a->regs.rip != b->regs.rip))
		return true;
	return is_sse_trouble(a, b) || is_wide_pse(a, b) || ins_downwards(a, b) || is_enter_unknown(b) ||
	       stepped_from_device(a, b) || stepped_ins(a, b) || is_segment_of_rex(b) ||
	       is_lost_event(a, b) || is_reserved_nx(a) || is_ignored_prefix(a, b) || is_int_trouble(a, b) ||
	       is_pop_of_device(a, b) || is_same_for_ever(a, b) || is_written_anyway(a, b) ||
	       is_lax_load(a, b) || is_ins_begun_again(a, b) || is_frame_on_device(a, b) ||
	       is_frame_on_table(a, b);
}
