// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: differences that mean nothing
 *
 * What the manuals leave open, told by the instruction and the exception that a step ended with.  What stock
 * KVM and TCG do otherwise than they say is in guest_excuse_kvm.c and guest_excuse_tcg.c.
 */
#include "guest_excuse_internal.h"

#include <string.h>

bool same_fault(const struct outcome *a, const struct outcome *b)
{
	return a->vector < 32 && ended_in(a, a->vector) && ended_in(b, a->vector) &&
	       a->fault_ip == b->fault_ip;
}

uint8_t segment_prefix(const struct outcome *o)
{
	const uint8_t *code = o->culprit, *end = behind_prefixes(o);
	uint8_t found = 0;

	for (; code < end; code++)
		if ((*code & 0xe7) == 0x26 || (*code & 0xfe) == 0x64)
			found = *code;
	return found;
}

bool has_mmio(const struct outcome *o, uint64_t from, uint64_t to)
{
	unsigned int i;

	for (i = 0; i < o->exits; i++)
		if (o->exit[i].reason == KVM_EXIT_MMIO && o->exit[i].where >= from &&
		    o->exit[i].where <= to)
			return true;
	return false;
}

const uint8_t *bare(const struct outcome *o)
{
	const uint8_t *code = behind_prefixes(o);

	return code + ((code[0] & 0xf0) == 0x40);
}

bool is_sse(const struct outcome *o)
{
	const uint8_t *code = bare(o);

	return code[0] == 0x0f && (code[1] >> 4 == 1 || code[1] >> 4 == 2 ||
				   (code[1] >= 0x50 && code[1] < 0x80) ||
				   (code[1] >= 0xc2 && code[1] <= 0xc6) || code[1] >= 0xd0);
}

bool has_address_prefix(const struct outcome *o)
{
	const uint8_t *code = o->culprit;

	while (code < behind_prefixes(o) && *code != 0x67)
		code++;
	return *code == 0x67;
}

bool is_long(const struct outcome *o)
{
	return o->sregs.efer & 0x400;
}

bool is_canonical(uint64_t address)
{
	return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

bool in_64_bits(const struct outcome *o)
{
	return is_long(o) && o->fault_64;
}

bool in_16_bits(const struct outcome *o)
{
	return o->fault_v86 || !(o->sregs.cr0 & 1) || o->fault_cs / 8 == GDT_CODE16 ||
	       o->fault_cs / 8 == GDT_UCODE16;
}

unsigned int opcode_at(const uint8_t *code, const uint8_t **modrm)
{
	*modrm = code + 1 + (code[0] == 0x0f);
	return code[0] == 0x0f ? 0x100 | code[1] : code[0];
}

unsigned int opcode_of(const struct outcome *o, const uint8_t **modrm)
{
	return opcode_at(bare(o), modrm);
}

bool same_but_flags(const struct outcome *a, const struct outcome *b)
{
	struct kvm_regs regs = b->regs;

	regs.rflags ^= (regs.rflags ^ a->regs.rflags) & 0x8d5;
	return !memcmp(&regs, &a->regs, sizeof(regs));
}

/* IRET with NT returns to another task: Umbra has none (errata.rst), for user code it is #UD. */
static bool is_task_return(const struct outcome *a)
{
	return ended_in(a, 6) && bare(a)[0] == 0xcf && a->fault_nt && !is_long(a);
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

bool differ_in_part(const struct outcome *a, const struct outcome *b, uint64_t mask)
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

/*
 * BOUND, LES, LDS and their like of 16-bit addresses, at the end of 64 KiB: the second word is at the beginning again, or
 * behind it, as with TCG.  With the limit that segments of 16-bit code have it would be #GP.
 */
static bool is_pair_around(const struct outcome *a, const struct outcome *b)
{
	const uint8_t *modrm;
	unsigned int op = opcode_of(a, &modrm);

	return ended_in(a, 14) && !same_fault(a, b) && in_16_bits(a) &&
	       (op == 0x62 || op == 0xc4 || op == 0xc5 || op == 0x1b2 || op == 0x1b4 || op == 0x1b5 ||
		(op == 0xff && ((*modrm & 0x38) == 0x18 || (*modrm & 0x38) == 0x28)));
}

/* Code that a step has got into, or made of its own, may leave flags undefined; nothing but them differs, in frames, too. */
static bool is_random_code(const struct outcome *a, const struct outcome *b)
{
	uint64_t end = same_fault(a, b) ? a->fault_ip : a->sregs.cs.base + a->regs.rip - 1;

	if (!same_fault(a, b) && (!compare_has_ended(a, KVM_EXIT_HLT) || !compare_has_ended(b, KVM_EXIT_HLT)))
		return false;
	if (((end - a->code_gpa) & 0xfff) < CODE_MAX && !a->starts_far && !a->changed)
		return false;
	return a->regs.rflags != b->regs.rflags && same_but_flags(a, b);
}

/* CMPS of two devices: which is read first is nobody's promise, and all else is the same. */
static bool is_read_in_turn(const struct outcome *a, const struct outcome *b)
{
	unsigned int i = 0;

	if (a->exits != b->exits || memcmp(&a->regs, &b->regs, sizeof(a->regs)))
		return false;
	while (i < a->exits) {
		const struct seen_exit *x = &a->exit[i], *y = &b->exit[i];

		if (same_exit(x, y))
			i++;
		else if (i + 1 < a->exits && same_exit(x, y + 1) && same_exit(x + 1, y) &&
			 is_read(x, KVM_EXIT_MMIO) && is_read(y, KVM_EXIT_MMIO))
			i += 2;
		else
			return false;
	}
	return true;
}

/*
 * Code that makes its own page go away and goes on without telling the TLB: until the next flush both are right
 * (SDM Vol. 3A 4.10.4.3).  The one that noticed it ended with a fetch, or was reset by stock KVM at the shutdown.
 */
static bool is_code_gone(const struct outcome *a, const struct outcome *b)
{
	bool shutdown = compare_has_ended(b, KVM_EXIT_SHUTDOWN);

	if (!a->code_gone)
		return false;
	if (shutdown && (b->sregs.cr2 == b->sregs.cs.base + b->regs.rip || b->regs.rip == 0xfff0))
		return true;
	return (shutdown || ended_in(b, 8) || ended_in(b, 14)) &&
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
	/* An access, of PUSHA as well, that goes on behind 4 GiB: "may or may not" fault (SDM Vol. 3A, 5.3). */
	if (has_mmio(a, 0xffffffc0, 0xffffffff) || has_mmio(b, 0xffffffc0, 0xffffffff) ||
	    ((ended_in(a, 12) || ended_in(a, 13)) &&
	     (ended_in(b, 14) || ended_in(b, 8) || compare_has_ended(b, KVM_EXIT_SHUTDOWN)) &&
	     b->sregs.cr2 - 0xfffffff0 < 16))
		return true;
	/* A guest that has overwritten its descriptors until the processor refuses them. */
	if (compare_has_ended(a, KVM_EXIT_FAIL_ENTRY) && compare_has_ended(b, KVM_EXIT_FAIL_ENTRY))
		return true;
	return is_pair_around(a, b) || is_random_code(a, b) || is_undefined_step(a, b) ||
	       is_task_return(a) || is_nothing_scanned(a, b) || is_read_in_turn(a, b) || is_code_gone(a, b) ||
	       is_stock_kvms(a, b) || is_tcgs(a, b);
}
