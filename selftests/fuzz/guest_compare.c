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

/* Both ended by the same exception of the same instruction. */
static bool same_fault(const struct outcome *a, const struct outcome *b)
{
	unsigned int vector = a->regs.rip - 1 - IMAGE_HANDLERS;

	return vector < 32 && ended_in(a, vector) && ended_in(b, vector) &&
	       a->fault_ip == b->fault_ip;
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
	return segment_prefix(o) == 0x2e;
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
	if (same_fault(a, b))
		return false;
	if (ended_in(b, 6) && (has_mmio(a, 0, ~0ull) || is_sse(behind_prefixes(b)) ||
			       is_x87(behind_prefixes(b))))
		return true;
	return (ended_in(a, 13) || compare_has_ended(a, KVM_EXIT_SHUTDOWN)) &&
	       is_sse(behind_prefixes(a));
}

/*
 * Conversions between MMX and SSE (CVTPI2PS, CVTTPS2PI, CVTPS2PI): #UD without CR4.OSFXSR (SDM Vol. 3A 23.25.3), which
 * TCG looks at where no operand is MMX's.
 */
static bool is_mmx_conversion(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(a);

	if ((code[0] & 0xf0) == 0x40)
		code++;
	return ended_in(a, 6) && !ended_in(b, 6) && !(a->sregs.cr4 & 0x200) && code[0] == 0x0f &&
	       (code[1] == 0x2a || code[1] == 0x2c || code[1] == 0x2d);
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

/*
 * A single step of REP INS ends with one element (SDM Vol. 3B 17.3.1.4); stock KVM has read as many as
 * the page takes by then.
 */
static bool stepped_ins(const struct outcome *a, const struct outcome *b)
{
	const struct seen_exit *last = &a->exit[a->exits - 2];

	return ended_in(a, 1) && a->debug.dr6 & 1 << 14 && a->exits > 1 &&
	       is_read(last, KVM_EXIT_IO) && b->exits > a->exits &&
	       is_read(&b->exit[a->exits - 1], KVM_EXIT_IO) && b->exit[a->exits - 1].where == last->where;
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

/* Data to be read and written, up to the limit. */
static bool is_plain_data(const struct kvm_segment *s)
{
	return !s->unusable && (s->type & 0xe) == 2;
}

/*
 * A data segment that is null, read-only, execute-only or expands down, in code that is not of 64 bits: TCG looks
 * at none of it when memory is accessed (SDM Vol. 3A 5.5: #GP).  The handler has the segments still.
 */
static bool is_segment_trouble(const struct outcome *a, const struct outcome *b)
{
	const struct kvm_sregs *sr = &a->sregs;
	uint8_t prefix = segment_prefix(a);
	const struct kvm_segment *used = prefix == 0x26 ? &sr->es : prefix == 0x64 ? &sr->fs :
					 prefix == 0x65 ? &sr->gs : &sr->ds;
	uint8_t op = *behind_prefixes(a);
	bool string = (op & 0xf4) == 0xa4 || (op & 0xfe) == 0x6c;

	if (!ended_in(a, 13) || a->fault_v86 || prefix == 0x36 ||
	    (is_long(a) && (a->fault_cs / 8 == GDT_CODE64 || a->fault_cs / 8 == GDT_UCODE64)))
		return false;
	if (same_fault(a, b))
		return false;
	return !is_plain_data(used) || (string && !is_plain_data(&sr->es));
}

/* LTR of a null selector: #GP (SDM Vol. 2A), but TCG has no TSS then. */
static bool is_null_tss(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *code = behind_prefixes(a);

	if ((code[0] & 0xf0) == 0x40)
		code++;
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
 * does not know of the first.  #DF it is when the first is TCG's own, and on processors (SDM Vol. 3A 6.15).
 */
static bool is_single_fault(const struct outcome *a, const struct outcome *b)
{
	return ended_in(a, 8) && (ended_in(b, 10) || ended_in(b, 11) || ended_in(b, 12) ||
				  ended_in(b, 13));
}

/* An interrupt or NMI whose delivery faulted is lost; stock KVM delivers it afterwards (errata.rst). */
static bool is_lost_event(const struct outcome *a, const struct outcome *b)
{
	unsigned int vector = b->regs.rip - 1 - IMAGE_HANDLERS;

	if (!a->event || a->events.interrupt.injected || a->events.nmi.injected ||
	    a->events.nmi.pending)
		return false;
	if (!ended_in(a, 8) && !ended_in(a, 10) && !ended_in(a, 11) && !ended_in(a, 12) &&
	    !ended_in(a, 13) && !ended_in(a, 14))
		return false;
	return b->events.interrupt.injected || b->events.nmi.injected || b->events.nmi.pending ||
	       vector == 2 || (vector >= 32 && vector < 256);
}

/*
 * Bit 63 of an entry is reserved while EFER.NXE is 0 (SDM Vol. 3A 4.5.5).  Stock KVM with npt=0 has one shadow for
 * both values (kvm_init_shadow_mmu(): "efer_nx = true") and finds what another step has put there.
 */
static bool is_reserved_nx(const struct outcome *a)
{
	return ended_in(a, 14) && a->fault_error & 8 && !(a->sregs.efer & 0x800);
}

/* Virtual-8086 code beyond 64 KiB: #GP (SDM Vol. 3B 21.3.4); TCG does not look at limits. */
static bool is_beyond_v86(const struct outcome *a)
{
	return ended_in(a, 13) && a->fault_v86 && a->fault_ip - 16 * a->fault_cs > 0xffff;
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
	/* Handlers of random bytes: they use undefined flags, and forget() finds no frames. */
	if (a->moved && b->moved)
		return true;
	if (is_sse_trouble(a, b) || is_mmx_conversion(a, b))
		return true;
	if (stepped_from_device(a) || stepped_ins(a, b))
		return true;
	/* INT1, in the middle of something: QEMU's TCG leaves it to a debugger. */
	if (ended_in(a, 1) && a->culprit[0] == 0xf1 && !ended_in(b, 1))
		return true;
	/* LOCK where it may not stand, in the middle of something: QEMU's TCG ignores it. */
	if (ended_in(a, 6) && *behind_prefixes(a) == 0xf0 && !same_fault(a, b))
		return true;
	/* An access that goes on behind 4 GiB: "may or may not" fault (SDM Vol. 3A, 5.3). */
	if (has_mmio(b, 0xfffffff0, 0xffffffff) ||
	    ((ended_in(a, 12) || ended_in(a, 13)) && ended_in(b, 14) && b->sregs.cr2 - 0xfffffff0 < 16) ||
	    (ended_in(a, 13) && has_small_addresses(a) && !same_fault(a, b)))
		return true;
	/* So many reads of a port before its destination's fault that they were cut. */
	if (b->cut && is_read(&b->exit[STEP_EXITS - 1], KVM_EXIT_IO) &&
	    (ended_in(a, 8) || ended_in(a, 12) || ended_in(a, 13) || ended_in(a, 14) ||
	     compare_has_ended(a, KVM_EXIT_SHUTDOWN)))
		return true;
	if (ins_to_mmio(a))
		return true;
	/* A guest that has overwritten its descriptors until the processor refuses them. */
	if (compare_has_ended(a, KVM_EXIT_FAIL_ENTRY) && compare_has_ended(b, KVM_EXIT_FAIL_ENTRY))
		return true;
	/* A write to the code segment: TCG does not look what a segment is for. */
	if (ended_in(a, 13) && overrides_cs(a) && !same_fault(a, b))
		return true;
	/* An address on the stack that is not canonical: #GP to TCG, #SS to processors. */
	if (ended_in(a, 12) && ended_in(b, 13))
		return true;
	/* 16-bit code that runs beyond 64 KiB: TCG begins again at 0. */
	if (!a->sregs.cs.db && !a->sregs.cs.l && a->regs.rip > 0xffff)
		return true;
	if (is_far_trouble(a, b) || is_near_trouble(a, b) || is_int_trouble(a, b) ||
	    is_segment_trouble(a, b) || is_null_tss(a, b) || is_pusha(a, b) ||
	    is_single_fault(a, b) || is_lost_event(a, b) || is_beyond_v86(a) ||
	    is_reserved_nx(a))
		return true;
	/* A handler's stack that is nowhere: where VMRUN injects a fault, TCG makes #GP of it, not #DF. */
	if (compare_has_ended(a, KVM_EXIT_SHUTDOWN) && !compare_has_ended(b, KVM_EXIT_SHUTDOWN) &&
	    is_long(a) && !is_canonical(a->regs.rsp))
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
 * An ADD at the end of a page, whose second half is in a device and may be read only: stock KVM's
 * emulator has written the first half when it finds out.  Processors write all or nothing.
 */
static bool half_written(const struct outcome *b)
{
	return ended_in(b, 14) && b->exits > 1 && is_read(&b->exit[b->exits - 2], KVM_EXIT_MMIO) &&
	       !(b->exit[b->exits - 2].where & 0xfff);
}

/*
 * What differs between Umbra (@a) and stock KVM, or NULL.  @ends: the machines cannot go on together.
 *
 * Of a page fault, also one that became #DF, two things are open: whether the entries of the walk were accessed
 * (SDM Vol. 3A 4.8; where a delivery meets one, stock KVM walks once more, as for a read), and whether an
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
		if ((ended_in(b, 14) || ended_in(b, 8)) && !memcmp(a->plain, b->plain, sizeof(a->plain)))
			return NULL;
		if (half_written(b))
			return NULL;
		what = "memory";
	}
	*ends = what || !compare_has_ended(a, KVM_EXIT_HLT);
	return what;
}
