// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what must be equal
 *
 * Everything that a client or the guest can see of a step's end.  What may differ is left
 * out here, with the reason.
 */
#include "guest_fuzz.h"

#include <string.h>

bool compare_has_ended(const struct outcome *o, uint32_t reason)
{
	return o->exits && o->exit[o->exits - 1].reason == reason;
}

/*
 * Parts of a memory access that userspace sees one by one are put together: how many bytes go
 * at once is nobody's promise.
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
		list[n++] = e;
	}
	return n;
}

static bool same_exit(const struct seen_exit *a, const struct seen_exit *b)
{
	return a->reason == b->reason && a->write == b->write && a->len == b->len &&
	       a->where == b->where && a->data == b->data;
}

/* The step ended in the handler of an exception. */
static bool ended_in(const struct outcome *o, unsigned int vector)
{
	return compare_has_ended(o, KVM_EXIT_HLT) && o->regs.rip == IMAGE_HANDLERS + vector + 1;
}

static bool is_read(const struct seen_exit *e, uint32_t reason)
{
	return e->reason == reason && !e->write;
}

static bool is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0x67 || byte == 0xf2 || byte == 0xf3 || byte == 0x26 ||
	       byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 || byte == 0x65;
}

static const uint8_t *behind_prefixes(const struct outcome *o)
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

static bool swapped(const struct seen_exit *a, const struct seen_exit *b)
{
	return is_read(&a[0], KVM_EXIT_MMIO) && is_read(&a[1], KVM_EXIT_MMIO) &&
	       same_exit(&a[0], &b[1]) && same_exit(&a[1], &b[0]);
}

/*
 * @b is stock KVM's.  It may have read a port or a device before it found that the destination
 * of an INS or an ADD cannot be written (#PF, #GP); Umbra, as processors do, looks first.
 */
static bool same_exits(const struct outcome *a, const struct outcome *b)
{
	bool fault = ended_in(b, 13) || ended_in(b, 14);
	struct seen_exit la[STEP_EXITS], lb[STEP_EXITS];
	unsigned int na = join(a, la), nb = join(b, lb), i = 0, k = 0;

	while (i < na && k < nb) {
		if (same_exit(&la[i], &lb[k]) || is_short_push(&la[i], &lb[k])) {
			i++;
			k++;
		} else if (i + 1 < na && k + 1 < nb && swapped(&la[i], &lb[k])) {
			i += 2;
			k += 2;
		} else if (fault && is_read(&la[i], KVM_EXIT_MMIO) && is_cmps(a)) {
			i++;
		} else if (fault && (is_read(&lb[k], KVM_EXIT_IO) || is_read(&lb[k], KVM_EXIT_MMIO))) {
			k++;
		} else {
			return false;
		}
	}
	return i == na && k == nb;
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
	const uint8_t *code = o->culprit;

	while (code < behind_prefixes(o) && *code != 0x2e)
		code++;
	return *code == 0x2e;
}

static bool is_sse(const uint8_t *code)
{
	if ((code[0] & 0xf0) == 0x40)	/* REX */
		code++;
	return code[0] == 0x0f && (code[1] >> 4 == 1 || code[1] >> 4 == 2 ||
				   (code[1] >= 0x50 && code[1] < 0x80) ||
				   (code[1] >= 0xc2 && code[1] <= 0xc6) || code[1] >= 0xd0);
}

static bool is_x87(const uint8_t *code)
{
	return (code[(code[0] & 0xf0) == 0x40] & 0xf8) == 0xd8;
}

/*
 * Stock KVM's emulator, which accesses to MMIO need, knows few x87, MMX and SSE instructions; the
 * others are #UD in user mode.  And QEMU's TCG does not mind a misaligned operand.
 */
static bool is_sse_trouble(const struct outcome *a, const struct outcome *b)
{
	if (ended_in(b, 6) && (has_mmio(a, 0, ~0ull) || is_sse(behind_prefixes(b)) ||
			       is_x87(behind_prefixes(b))))
		return true;
	return ended_in(a, 13) && is_sse(behind_prefixes(a)) &&
	       (!ended_in(b, 13) || memcmp(a->culprit, b->culprit, sizeof(a->culprit)));
}

/*
 * MMX instructions that Umbra's emulator has not (errata.rst): conversions from and to SSE, MASKMOVQ, shifts and
 * shuffles by an immediate.  In user mode they are #UD.
 */
static bool is_left_out(const struct outcome *a)
{
	const uint8_t *code = behind_prefixes(a);

	if ((code[0] & 0xf0) == 0x40)
		code++;
	return code[0] == 0x0f && (code[1] == 0x2a || code[1] == 0x2c || code[1] == 0x2d || code[1] == 0xf7 ||
				   (code[1] >= 0x70 && code[1] < 0x74) || code[1] == 0xc4 ||
				   code[1] == 0xc5);
}

static bool has_small_addresses(const struct outcome *o)
{
	const uint8_t *code = o->culprit;

	while (code < behind_prefixes(o) && *code != 0x67)
		code++;
	return *code == 0x67;
}

/* INS to MMIO: Umbra reads the destination first (errata.rst), KVM writes elements together. */
static bool ins_to_mmio(const struct outcome *o)
{
	unsigned int i;

	for (i = 0; i + 2 < o->exits; i++)
		if (is_read(&o->exit[i], KVM_EXIT_MMIO) && is_read(&o->exit[i + 1], KVM_EXIT_IO) &&
		    o->exit[i + 2].reason == KVM_EXIT_MMIO &&
		    o->exit[i + 2].where == o->exit[i].where)
			return true;
	return false;
}

/*
 * A single step over an instruction that has written to a device: on the way from userspace stock KVM's
 * emulator forgets the trap (x86_emulate_instruction(): "FIXME: return into emulator if
 * single-stepping"), and the next instruction runs as well.
 */
static bool stepped_from_device(const struct outcome *o)
{
	return ended_in(o, 1) && o->debug.dr6 & 1 << 14 && o->exits > 1 && o->exit[o->exits - 2].write;
}

static bool is_long(const struct outcome *o)
{
	return o->sregs.efer & 0x400;
}

static bool is_canonical(uint64_t address)
{
	return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

/* RETF and IRET of user code: TCG reads their frame with the supervisor's rights. */
static bool is_far_trouble(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(a);

	if ((code[0] & 0xf0) == 0x40)
		code++;
	return ended_in(a, 14) && (code[0] == 0xca || code[0] == 0xcb || code[0] == 0xcf) &&
	       (!ended_in(b, 14) || a->sregs.cr2 != b->sregs.cr2);
}

/* A near return or jump to no address: #GP before it (APM Vol. 3, RET), to TCG behind it. */
static bool is_near_trouble(const struct outcome *a, const struct outcome *b)
{
	static const uint8_t nowhere[sizeof(b->culprit)];
	const uint8_t *code = behind_prefixes(a);

	if ((code[0] & 0xf0) == 0x40)
		code++;
	return ended_in(a, 13) && ended_in(b, 13) && !memcmp(b->culprit, nowhere, sizeof(nowhere)) &&
	       (code[0] == 0xc2 || code[0] == 0xc3 || code[0] == 0xff);
}

/* INT3 or INTO whose delivery faults: stock KVM is behind it, see forget_frame(). */
static bool is_int_trouble(const struct outcome *a, const struct outcome *b)
{
	return (a->culprit[0] == 0xcc || a->culprit[0] == 0xce) &&
	       !memcmp(a->culprit + 1, b->culprit, sizeof(a->culprit) - 1);
}

/* Where stock KVM (@b) or the processor it runs on cannot be asked, and the guest ends. */
static bool is_incomparable(const struct outcome *a, const struct outcome *b)
{
	if (a->cut && b->cut)
		return true;
	if (is_sse_trouble(a, b))
		return true;
	if (stepped_from_device(a))
		return true;
	if (ended_in(a, 6) && !ended_in(b, 6) && is_left_out(a))
		return true;
	/* INT1, in the middle of something: QEMU's TCG leaves it to a debugger. */
	if (ended_in(a, 1) && a->culprit[0] == 0xf1)
		return true;
	/* LOCK where it may not stand, in the middle of something: QEMU's TCG ignores it. */
	if (ended_in(a, 6) && *behind_prefixes(a) == 0xf0)
		return true;
	/* An access that goes on behind 4 GiB: "may or may not" fault (SDM Vol. 3A, 5.3). */
	if (has_mmio(b, 0xfffffff0, 0xffffffff) ||
	    ((ended_in(a, 12) || ended_in(a, 13)) && ended_in(b, 14) && b->sregs.cr2 - 0xfffffff0 < 16) ||
	    (ended_in(a, 13) && !ended_in(b, 13) && has_small_addresses(a)))
		return true;
	/* So many reads of a port before its destination's fault that they were cut. */
	if (b->cut && is_read(&b->exit[STEP_EXITS - 1], KVM_EXIT_IO) &&
	    (ended_in(a, 13) || ended_in(a, 14)))
		return true;
	if (ins_to_mmio(a))
		return true;
	/* A guest that has overwritten its descriptors until the processor refuses them. */
	if (compare_has_ended(a, KVM_EXIT_FAIL_ENTRY) && compare_has_ended(b, KVM_EXIT_FAIL_ENTRY))
		return true;
	/* A write to the code segment: TCG does not look what a segment is for. */
	if (ended_in(a, 13) && overrides_cs(a))
		return true;
	/* An address on the stack that is not canonical: #GP to TCG, #SS to processors. */
	if (ended_in(a, 12) && ended_in(b, 13))
		return true;
	/* 16-bit code that runs beyond 64 KiB: TCG begins again at 0. */
	if (!a->sregs.cs.db && !a->sregs.cs.l && a->regs.rip > 0xffff)
		return true;
	if (is_far_trouble(a, b) || is_near_trouble(a, b) || is_int_trouble(a, b))
		return true;
	/* A handler's stack that is nowhere: where VMRUN injects a fault, TCG makes #GP of it, not #DF. */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && is_long(a) && !is_canonical(a->regs.rsp))
		return true;
	/* A single step over HLT: stock KVM ends its run with HLT, and then has #DB pending. */
	return compare_has_ended(b, KVM_EXIT_HLT) && b->regs.rflags & 0x100 &&
	       (compare_has_ended(a, KVM_EXIT_SHUTDOWN) || a->regs.rip != b->regs.rip);
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

	/* In real mode no type counts, and processors differ in what they leave there. */
	if (!(a->cr0 & 1))
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
	if (!compare_segment(a->ldt, b->ldt, false, false))
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
	if (a->debug.dr6 != b->debug.dr6)
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
 * What differs between Umbra (@a) and stock KVM, or NULL.  @ends: the machines cannot go on together.
 *
 * Of a page fault two things are open: whether the upper entries of the walk were accessed, and whether an
 * ADD that could not even read was a write; it is one to stock KVM's emulator.
 */
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
	if (is_incomparable(a, b))
		return NULL;
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
		if (ended_in(b, 14) && !memcmp(a->plain, b->plain, sizeof(a->plain)))
			return NULL;
		what = "memory";
	}
	*ends = what || !compare_has_ended(a, KVM_EXIT_HLT);
	return what;
}
