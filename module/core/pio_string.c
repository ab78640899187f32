// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: REP INS and REP OUTS on userspace's ports
 *
 * One exit for many elements: disks in PIO mode and firmware consoles move
 * kilobytes that way.  What REP OUTS stores is gathered in the shared page
 * while the emulator goes on, and leaves in one exit behind it.  For REP INS as
 * many elements are asked for as the instruction is sure to take - not beyond
 * the page that it stores to, where it might fault - and handed out one by one.
 * The guest does not run again before they are all stored: an interrupt's handler may have
 * a REP INS of its own.
 */
#include "pio_string_internal.h"

#include <asm/processor-flags.h>

#include "cr_internal.h"
#include "emulate_internal.h"
#include "io_internal.h"

/* Address size in bytes: the code segment's default, or the other one by prefix 67. */
static unsigned int address_size(const struct umbra_emul *e)
{
	bool other = false;
	unsigned int i;

	for (i = 0; i < e->insn_len && e->insn[i] != 0x6c && e->insn[i] != 0x6d; i++)
		other |= e->insn[i] == 0x67;
	if (umbra_in_64bit(&e->r))
		return other ? 4 : 8;
	if (e->r.seg[UMBRA_CS].attr & UMBRA_SEG_DB)
		return other ? 2 : 4;
	return other ? 4 : 2;
}

/* Elements that REP INS takes without leaving the page of its destination. */
static unsigned int elements_ahead(const struct umbra_emul *e, unsigned int size)
{
	unsigned int asize = address_size(e);
	u64 mask = asize == 8 ? ~0ull : BIT_ULL(8 * asize) - 1;
	u64 dest = e->r.gpr[UMBRA_RDI] & mask;
	u64 n = e->r.gpr[UMBRA_RCX] & mask;

	if (!umbra_in_64bit(&e->r))
		dest += e->r.seg[UMBRA_ES].base;
	if (e->r.rflags & X86_EFLAGS_DF)
		return 1;
	n = min_t(u64, n, (UMBRA_PAGE_SIZE - (dest & ~UMBRA_PAGE_MASK)) / size);
	return max_t(u64, n, 1);
}

static void *element(struct umbra_vcpu *vcpu, unsigned int i)
{
	return vcpu->pio_page + i * vcpu->string.size;
}

static bool take(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val)
{
	struct umbra_pio_string *s = &vcpu->string;

	if (s->pos >= s->count || s->waiting || s->port != port || s->size != size)
		return false;
	*val = 0;
	memcpy(val, element(vcpu, s->pos++), size);
	s->taken = true;
	s->rcx = vcpu->emul.r.gpr[UMBRA_RCX];
	return true;
}

/* What is left from another instruction, or another direction, is nobody's. */
static void begin(struct umbra_vcpu *vcpu, bool in)
{
	struct umbra_pio_string *s = &vcpu->string;

	if (!s->used) {
		s->used = true;
		s->taken = false;
		/* OUTS gathers anew. */
		s->count = in ? s->count : 0;
	}
	if (s->in == in && s->rip == vcpu->io.rip)
		return;
	s->rip = vcpu->io.rip;
	s->in = in;
	s->waiting = false;
	s->count = 0;
	s->pos = 0;
}

int umbra_pio_string_in(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val)
{
	struct umbra_pio_string *s = &vcpu->string;

	begin(vcpu, true);
	if (take(vcpu, port, size, val))
		return UMBRA_EMUL_OK;
	s->port = port;
	s->size = size;
	s->pos = 0;
	s->waiting = umbra_io_kernel_port(vcpu, false, port, val, size);
	if (s->waiting) {
		s->count = elements_ahead(&vcpu->emul, size);
		return UMBRA_EMUL_IO;
	}
	/* Also to be kept until it is stored. */
	s->count = 1;
	memcpy(element(vcpu, 0), val, size);
	take(vcpu, port, size, val);
	return UMBRA_EMUL_OK;
}

int umbra_pio_string_out(struct umbra_vcpu *vcpu, u16 port, unsigned int size, u32 *val)
{
	struct umbra_pio_string *s = &vcpu->string;

	begin(vcpu, false);
	if (!s->count) {
		if (!umbra_io_kernel_port(vcpu, true, port, val, size))
			return UMBRA_EMUL_OK;
		s->port = port;
		s->size = size;
	}
	/* The emulator does at most 256 elements of 4 bytes at a time. */
	if (WARN_ON_ONCE((s->count + 1) * size > PAGE_SIZE))
		return UMBRA_EMUL_UNHANDLED;
	memcpy(element(vcpu, s->count++), val, size);
	return UMBRA_EMUL_OK;
}

/* Userspace has filled the page: go on with the instruction. */
static int complete_in(struct umbra_vcpu *vcpu)
{
	struct umbra_pio_string *s = &vcpu->string;

	s->waiting = false;
	if (umbra_linear_rip(vcpu) == s->rip)
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	s->count = 0;
	return 1;
}

int umbra_pio_string_to_user(struct umbra_vcpu *vcpu)
{
	struct umbra_pio_string *s = &vcpu->string;

	umbra_io_fill_ports(vcpu, !s->in, s->port, s->size, s->count);
	/* Of OUTS all was done before the exit. */
	if (s->in)
		vcpu->complete = complete_in;
	return 0;
}

bool umbra_pio_string_goes_on(struct umbra_vcpu *vcpu, int *ret)
{
	struct umbra_pio_string *s = &vcpu->string;

	s->used = false;
	if (!s->in) {
		if (s->count && *ret > 0)
			*ret = umbra_pio_string_to_user(vcpu);
		return false;
	}
	/* Done, maybe with fewer elements than asked for: userspace can change RCX. */
	if (umbra_linear_rip(vcpu) != s->rip) {
		s->count = 0;
		return false;
	}
	/* Taken, but not stored: its page is gone, or it waits for userspace (MMIO). */
	if (s->taken && vcpu->regs.gpr[UMBRA_RCX] == s->rcx)
		s->pos--;
	/* Elements before this one were committed first: it is asked for next time. */
	if (s->waiting && *ret)
		s->count = 0;
	return *ret > 0 && s->taken && s->pos < s->count && !vcpu->exception.kind;
}
