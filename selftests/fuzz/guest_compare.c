// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what must be equal
 *
 * Everything that a client or the guest can see of a step's end.  What of it may always differ is left
 * out here, with the reason; what a difference may come from otherwise is in guest_excuse.c.
 */
#include "guest_compare_internal.h"

#include <string.h>

bool compare_has_ended(const struct outcome *o, uint32_t reason)
{
	return o->exits && o->exit[o->exits - 1].reason == reason;
}

bool is_read(const struct seen_exit *e, uint32_t reason)
{
	return e->reason == reason && !e->write;
}

static bool is_write(const struct seen_exit *e, uint32_t reason)
{
	return e->reason == reason && e->write;
}

/* Behind an element that REP INS has stored to a device: the next of the same port. */
static bool is_next_element(const struct seen_exit *e, const struct seen_exit *list, unsigned int n)
{
	return n > 1 && is_read(e, KVM_EXIT_IO) && is_write(&list[n - 1], KVM_EXIT_MMIO) &&
	       is_read(&list[n - 2], KVM_EXIT_IO) && list[n - 2].where == e->where;
}

/*
 * Parts of a memory access that userspace sees one by one are put together: how many bytes go
 * at once is nobody's promise.  Nor is how many elements REP INS reads before it stores.
 */
static unsigned int join(const struct outcome *o, struct seen_exit *list)
{
	unsigned int i, n = 0;

	for (i = 0; i < o->exits; i++) {
		struct seen_exit e = o->exit[i], *last = n ? &list[n - 1] : NULL;

		if (e.reason == KVM_EXIT_MMIO && last && last->reason == KVM_EXIT_MMIO &&
		    last->write == e.write && last->where + last->len == e.where) {
			unsigned int k;

			for (k = 0; k < e.len; k++)
				last->data *= 257;
			last->data += e.data;
			last->len += e.len;
			continue;
		}
		if (is_next_element(&e, list, n)) {
			list[n] = *last;
			*last = e;
			n++;
			continue;
		}
		list[n++] = e;
	}
	return n;
}

bool same_exit(const struct seen_exit *a, const struct seen_exit *b)
{
	return a->reason == b->reason && a->write == b->write && a->len == b->len &&
	       a->where == b->where && a->data == b->data;
}

bool ended_in(const struct outcome *o, unsigned int vector)
{
	return compare_has_ended(o, KVM_EXIT_HLT) && o->vector == vector;
}

bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0x26 ||
	       byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65;
}

const uint8_t *behind_prefixes(const struct outcome *o)
{
	unsigned int i = 0;

	while (i < sizeof(o->culprit) - 2 && is_prefix(o->culprit[i]))
		i++;
	return o->culprit + i;
}

/*
 * CMPS reads its destination first, as the address of a page fault shows (an EPYC's as well as TCG's);
 * stock KVM's emulator the source.
 */
static bool is_cmps(const struct outcome *o)
{
	const uint8_t *code = behind_prefixes(o);

	if ((code[0] & 0xf0) == 0x40)	/* REX, or INC and DEC in 32-bit code */
		code++;
	return code[0] == 0xa6 || code[0] == 0xa7;
}

/* PUSH of a segment register: zeroes in the upper half, or nothing there (SDM Vol. 2B, PUSH). */
static bool is_short_push(const struct seen_exit *a, const struct seen_exit *b)
{
	return a->write && b->write && a->reason == KVM_EXIT_MMIO && b->reason == KVM_EXIT_MMIO &&
	       a->where == b->where && a->len == 4 && b->len == 2 && a->data == b->data * 257 * 257;
}

/* POP of one: the same (SDM Vol. 2B, POP). */
static bool is_short_pop(const struct seen_exit *a, const struct seen_exit *b)
{
	unsigned int more = a->len - b->len;
	uint64_t rest = more == 6 ? 257ull * 257 * 257 * 257 * 257 * 257 : 257 * 257;

	return is_read(a, KVM_EXIT_MMIO) && is_read(b, KVM_EXIT_MMIO) && a->where == b->where &&
	       a->len <= 8 && (more == 2 || more == 6) && a->data / rest == b->data;
}

static bool swapped(const struct seen_exit *a, const struct seen_exit *b)
{
	return is_read(&a[0], KVM_EXIT_MMIO) && is_read(&a[1], KVM_EXIT_MMIO) &&
	       same_exit(&a[0], &b[1]) && same_exit(&a[1], &b[0]);
}

/* SLDT and STR to a device: stock KVM's emulator reads there first.  @b: its read and its write. */
static bool stores_selector(const struct outcome *o, const struct seen_exit *a,
			    const struct seen_exit *b)
{
	const uint16_t sel[] = { o->sregs.ldt.selector, o->sregs.tr.selector };
	unsigned int i;

	if (!is_write(a, KVM_EXIT_MMIO) || a->len != 2 || !is_read(&b[0], KVM_EXIT_MMIO) ||
	    b[0].where != a->where || !same_exit(a, &b[1]))
		return false;
	for (i = 0; i < 2; i++)
		if (a->data == 257ull * (sel[i] & 0xff) + (sel[i] >> 8))
			return true;
	return false;
}

/*
 * PUSHA, or a far CALL, to a device: of the words stock KVM's emulator, which keeps one access, lets the last go.  The other
 * word of a CALL is a selector, with zeroes.
 */
static bool is_last_push(const struct seen_exit *a, const struct seen_exit *b)
{
	uint64_t other = a->data - b->data * 257 * 257;

	if (!is_write(a, KVM_EXIT_MMIO) || !is_write(b, KVM_EXIT_MMIO) || a->where != b->where ||
	    (b->len != 2 && b->len != 4))
		return false;
	if (b->len == 4)
		other = (a->data - b->data * (257ull * 257 * 257 * 257)) / (257 * 257);
	return a->len == 8 * b->len || (a->len == 2 * b->len && other < 257 * 256);
}

/*
 * @b is stock KVM's.  It may have read a port or a device before it found that the destination
 * of an INS or an ADD cannot be written (#PF, #GP); Umbra, as processors do, looks first.
 */
static bool same_exits(const struct outcome *a, const struct outcome *b)
{
	bool fault = ended_in(b, 8) || ended_in(b, 13) || ended_in(b, 14) ||
		     compare_has_ended(b, KVM_EXIT_SHUTDOWN);
	struct seen_exit la[STEP_EXITS], lb[STEP_EXITS];
	unsigned int na = join(a, la), nb = join(b, lb), i = 0, k = 0;

	while (i < na && k < nb) {
		if (same_exit(&la[i], &lb[k]) || is_short_push(&la[i], &lb[k]) ||
		    is_short_pop(&la[i], &lb[k]) ||
		    is_last_push(&la[i], &lb[k])) {
			i++;
			k++;
		} else if (k + 1 < nb && stores_selector(a, &la[i], &lb[k])) {
			i++;
			k += 2;
		} else if (i + 1 < na && k + 1 < nb && swapped(&la[i], &lb[k])) {
			i += 2;
			k += 2;
		} else if (fault && is_read(&la[i], KVM_EXIT_MMIO) && (is_cmps(a) || ended_in(a, 8))) {
			i++;
		} else if (fault && is_read(&la[i], KVM_EXIT_MMIO) && is_read(&lb[k], KVM_EXIT_MMIO) &&
			   la[i].where == lb[k].where && la[i].len < lb[k].len) {
			/* The read in vain begins where the last one ended: join() has made one of them. */
			i++;
			k++;
		} else if (fault && (is_read(&lb[k], KVM_EXIT_IO) || is_read(&lb[k], KVM_EXIT_MMIO))) {
			k++;
		} else {
			return false;
		}
	}
	return i == na && k == nb;
}

bool compare_segment(struct kvm_segment a, struct kvm_segment b, bool long_mode, bool fsgs)
{
	if (a.unusable != b.unusable)
		return false;
	/* The soft engine forgets the RPL of a null selector (errata.rst). */
	if (a.selector != b.selector && (!a.unusable || a.selector > 3 || b.selector > 3))
		return false;
	/* Of a null selector the base may stay, by the processor's maker. */
	if (a.unusable)
		return true;
	/* Real and virtual-8086 mode: what state_make() sets has no limit, TCG's MOV leaves it so. */
	if (a.base == 16u * a.selector && (a.limit | b.limit) == ~0u && (a.limit & b.limit) == 0xffff)
		a.limit = b.limit;
	/* KVM reports each segment as accessed, and G from the limit. */
	a.type |= 1;
	b.type |= 1;
	a.g = a.limit > 0xfffff;
	b.g = b.limit > 0xfffff;
	a.padding = 0;
	b.padding = 0;
	/* In 64-bit mode all that counts of data segments are the bases of FS and GS. */
	if (long_mode && !fsgs)
		a.base = b.base;
	return !memcmp(&a, &b, sizeof(a));
}

static const char *compare_sregs(const struct kvm_sregs *a, const struct kvm_sregs *b,
				 bool double_fault)
{
	bool lm = a->efer & 0x400 && a->cs.l;
	struct kvm_segment cs = a->cs, ss = a->ss, tr = a->tr;

	/* In real mode no type counts, and processors differ in what they leave there, also for a start of protected mode. */
	if (!(a->cr0 & 1) || (cs.base == 16u * cs.selector && !cs.dpl))
		cs.type = b->cs.type;
	/* A gate with IST: the processor clears SS when the privilege level changes, TCG always. */
	if (lm && !(a->cs.dpl) && (!ss.selector || !b->ss.selector))
		ss = b->ss;
	/* L means nothing in legacy mode. */
	if (!(a->efer & 0x400))
		cs.l = b->cs.l;
	if (!compare_segment(cs, b->cs, lm, false))
		return "CS";
	if (!compare_segment(ss, b->ss, lm, false))
		return "SS";
	if (!compare_segment(a->ds, b->ds, lm, false))
		return "DS";
	if (!compare_segment(a->es, b->es, lm, false))
		return "ES";
	if (!compare_segment(a->fs, b->fs, lm, true))
		return "FS";
	if (!compare_segment(a->gs, b->gs, lm, true))
		return "GS";
	/* Which is not busy at first (guest_state.c); KVM says that it is. */
	tr.type |= 2;
	if (!compare_segment(tr, b->tr, false, false))
		return "TR";
	/* LLDT of a null selector: to TCG it is present, with a limit of 0. */
	if (a->ldt.selector > 3 && !compare_segment(a->ldt, b->ldt, false, false))
		return "LDTR";
	if (a->ldt.selector != b->ldt.selector)
		return "LDTR";
	if (a->gdt.base != b->gdt.base || a->gdt.limit != b->gdt.limit)
		return "GDTR";
	if (a->idt.base != b->idt.base || a->idt.limit != b->idt.limit)
		return "IDTR";
	if (a->cr0 != b->cr0)
		return "CR0";
	/* Stock KVM forgets the address of a page fault from which it makes a double fault. */
	if (a->cr2 != b->cr2 && !double_fault)
		return "CR2";
	if (a->cr3 != b->cr3)
		return "CR3";
	if (a->cr4 != b->cr4)
		return "CR4";
	if (a->cr8 != b->cr8)
		return "CR8";
	if (a->efer != b->efer)
		return "EFER";
	return NULL;
}

/*
 * B0 to B3 of breakpoints that are not enabled "may or may not be set" (SDM Vol. 3B 17.2.3): with a single step TCG
 * sets them where the address is that of the next instruction.
 */
static uint64_t status_bits(const struct outcome *o)
{
	uint64_t dr6 = o->debug.dr6;
	unsigned int i;

	for (i = 0; i < 4; i++)
		if (!(o->debug.dr7 >> 2 * i & 3))
			dr6 &= ~(1ull << i);
	return dr6;
}

static const char *compare_events(const struct outcome *a, const struct outcome *b)
{
	if (a->events.nmi.masked != b->events.nmi.masked)
		return "NMI mask";
	if (a->events.nmi.pending != b->events.nmi.pending)
		return "pending NMI";
	if (a->events.interrupt.injected != b->events.interrupt.injected)
		return "pending interrupt";
	if (!a->events.interrupt.shadow != !b->events.interrupt.shadow)
		return "interrupt shadow";
	if (status_bits(a) != status_bits(b))
		return "DR6";
	if (a->debug.dr7 != b->debug.dr7)
		return "DR7";
	if (memcmp(a->debug.db, b->debug.db, sizeof(a->debug.db)))
		return "DR0..3";
	if (memcmp(a->fpu.xmm, b->fpu.xmm, sizeof(a->fpu.xmm)))
		return "XMM";
	if (a->fpu.mxcsr != b->fpu.mxcsr)
		return "MXCSR";
	if (memcmp(a->msr, b->msr, sizeof(a->msr)))
		return "MSRs";
	return NULL;
}

/*
 * An ADD or INS at the end of a page, whose second half is in a device and may be read only, or where nothing may be
 * written: stock KVM's emulator has written the first half when it finds out.  Processors write all or nothing.
 */
static bool half_written(const struct outcome *b)
{
	const struct seen_exit *last = &b->exit[b->exits - 2];

	if (!ended_in(b, 14) || b->exits < 2)
		return false;
	return (is_read(last, KVM_EXIT_MMIO) && !(last->where & 0xfff)) ||
	       (is_read(last, KVM_EXIT_IO) && !(b->sregs.cr2 & 0xfff));
}

/*
 * A frame that does not fit on its stack: TCG has pushed a part of it in front of the page fault, Umbra, which looks first,
 * nothing.  Below the lowest stack are pages of data that may not be there.
 */
static bool half_pushed(const struct outcome *a, const struct outcome *b)
{
	const unsigned int stack = IMAGE_STACK / 4096;
	unsigned int i;

	for (i = 0; i < IMAGE_SIZE / 4096; i++)
		if (i != stack && a->plain[i] != b->plain[i])
			return false;
	return ended_in(a, 14) && ended_in(b, 14) && (a->sregs.cr2 & 0xfff) >= 0x1000 - 48;
}

/*
 * Of a page fault, also one that became #DF, two things are open: whether the entries of the walk were accessed
 * (SDM Vol. 3A 4.8; where a delivery meets one, stock KVM walks once more, as for a read), and whether an
 * ADD that could not even read was a write; it is one to stock KVM's emulator.
 */
static const char *compare_state(const struct outcome *a, const struct outcome *b, bool *ends)
{
	const char *what;

	if (!same_exits(a, b))
		return "exits";
	/* Where registers are after a triple fault is nobody's promise (errata.rst). */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN))
		return NULL;
	if (memcmp(&a->regs, &b->regs, sizeof(a->regs)))
		return "registers";
	what = compare_sregs(&a->sregs, &b->sregs, ended_in(b, 8));
	if (!what)
		what = compare_events(a, b);
	if (!what && a->fault_write && !b->fault_write)
		what = "error code";
	if (!what && memcmp(a->page, b->page, sizeof(a->page))) {
		*ends = true;
		if ((ended_in(b, 14) || ended_in(b, 8)) && !memcmp(a->plain, b->plain, sizeof(a->plain)))
			return NULL;
		/* A write that faults on its second page: shadow paging has made the first dirty (errata.rst). */
		if (ended_in(b, 14) && !(b->sregs.cr2 & 0xfff) && !memcmp(a->clean, b->clean, sizeof(a->clean)))
			return NULL;
		return half_written(b) || half_pushed(a, b) ? NULL : "memory";
	}
	return what;
}

/* What differs between Umbra (@a) and stock KVM, or NULL.  @ends: the machines cannot go on together. */
const char *compare(const struct outcome *a, const struct outcome *b, bool *ends)
{
	const char *what;

	*ends = true;
	/* An instruction that one of the emulators does not have: their documents say so. */
	if (compare_has_ended(a, KVM_EXIT_INTERNAL_ERROR) || compare_has_ended(b, KVM_EXIT_INTERNAL_ERROR))
		return NULL;
	/* The record's may have been too slow only; on this side patience is long enough to tell. */
	if (b->endless)
		return NULL;
	if (a->endless)
		return "it does not end";
	if (a->cut && b->cut)
		return NULL;
	*ends = !compare_has_ended(a, KVM_EXIT_HLT);
	what = compare_state(a, b, ends);
	*ends |= what != NULL;
	return what && is_incomparable(a, b) ? NULL : what;
}
