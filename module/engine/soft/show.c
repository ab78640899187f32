// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a block as text
 *
 * One guest block and its translation, from the records of the cache. A line is
 * a word and hexadecimal numbers; code is in bytes, as it lies in memory::
 *
 *   block RIP LENGTH VA LENGTH   the guest's code; its translation
 *   insn RIP CODE                the code lines that follow are for this one
 *   code VA CODE STATE           STATE: boundary or middle (tc.h), in front of
 *                                the first insn the prologue for indirect branches
 *   data VA BYTES                behind the exit to the monitor: the number of the block
 *   exit VA CODE                 behind all: where the block is left
 *   link VA RIP STATE            a direct branch, and its exit; linked: it jumps to the
 *                                other block itself, or that one is there, else it exits
 *
 * The guest's code is as it is now.  If that is not what was translated, the
 * block is dropped before it runs again.
 */
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "soft_internal.h"
#include "tc_internal.h"

/**
 * struct show_text - text being written
 * @buf: memory
 * @size: of it
 * @len: bytes written
 * @full: something did not fit
 */
struct show_text {
	char *buf;
	size_t size;
	size_t len;
	bool full;
};

static __printf(2, 3) void say(struct show_text *t, const char *format, ...)
{
	size_t left = t->size - t->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->buf + t->len, left, format, args);
	va_end(args);
	if (n < left)
		t->len += n;
	else
		t->full = true;
}

/* %ph takes up to 64 bytes. */
static void say_bytes(struct show_text *t, const u8 *bytes, u32 n)
{
	u32 part;

	for (; n; n -= part, bytes += part) {
		part = min_t(u32, n, 64);
		say(t, "%*phN", (int)part, bytes);
	}
}

/* Guest code, up to where its mapping ends. */
static u32 read_guest(struct umbra_vcpu *vcpu, u64 rip, u8 *bytes, u32 len)
{
	bool writable, user;
	u32 done = 0, n;
	gpa_t gpa;

	while (done < len) {
		n = min_t(u32, len - done, PAGE_SIZE - offset_in_page(rip + done));
		gpa = umbra_mmu_peek(vcpu->mmu, rip + done, &writable, &user);
		if (gpa == UMBRA_INVALID_GPA || umbra_guest_read(vcpu->vm, gpa, bytes + done, n))
			break;
		done += n;
	}
	return done;
}

static void say_insn(struct umbra_vcpu *vcpu, struct show_text *t, u64 rip, u32 len)
{
	u8 bytes[UMBRA_INSN_MAX];

	say(t, "insn %llx ", rip);
	say_bytes(t, bytes, read_guest(vcpu, rip, bytes, min_t(u32, len, sizeof(bytes))));
	say(t, "\n");
}

static void say_code(struct show_text *t, const struct soft_tc *tc, const char *word, u32 off,
		     u32 end, const char *state)
{
	say(t, "%s %llx ", word, tc_va(tc, off));
	say_bytes(t, tc->c.buf + off, end - off);
	say(t, " %s\n", state);
}

/* A run of host code, in which the block's exit to the monitor may be. */
static void say_run(struct show_text *t, const struct soft_tc *tc, const struct tc_block *b,
		    u32 off, u32 end, const char *state)
{
	u32 data;

	if (!(b->flags & TC_BLOCK_CALLOUT) || b->callout < off || b->callout >= end) {
		say_code(t, tc, "code", off, end, state);
		return;
	}
	/* HLT or SYSCALL, then the block's number (tc_where.c). */
	data = min_t(u32, end, b->callout + (tc->c.buf[b->callout] == 0xf4 ? 1 : 2));
	say_code(t, tc, "code", off, data, state);
	if (data < end)
		say_code(t, tc, "data", data, end, state);
}

/* The marks in order; the offset behind the last one's code. */
static u32 say_marks(struct umbra_vcpu *vcpu, struct show_text *t, const struct soft_tc *tc,
		     const struct tc_block *b)
{
	const u8 *m = tc->marks + b->marks, *end = m + b->nr_marks;
	u32 off = b->start, len = 0, n;
	u64 rip = b->rip;

	for (; m < end; m += 2) {
		if (m[1] & 0xf) {
			rip += len;
			len = m[1] & 0xf;
			say_insn(vcpu, t, rip, len);
		}
		n = m[0] & TC_MARK_LEN;
		if (n)
			say_run(t, tc, b, off, off + n,
				m[0] & TC_MARK_MIDDLE ? "middle" : "boundary");
		off += n;
	}
	return off;
}

static void say_links(struct show_text *t, const struct soft_tc *tc, const struct tc_block *b)
{
	const struct tc_chain *c;
	u32 i;

	for (i = b->chains; i < b->chains + b->nr_chains; i++) {
		c = &tc->chains[i];
		say(t, "link %llx %llx %s\n", tc_va(tc, c->stub), c->target,
		    c->to < tc->nr_blocks ? "linked" : "exits");
	}
}

/* The block that starts at @rip, or one that has it inside. */
static const struct tc_block *find_block(struct soft_tc *tc, u64 rip)
{
	const struct tc_block *b;
	u32 i = tc_find_any(tc, rip);

	if (i != TC_NONE)
		return &tc->blocks[i];
	for (i = tc->nr_blocks; i--;) {
		b = &tc->blocks[i];
		if (!(b->flags & (TC_BLOCK_DROPPED | TC_BLOCK_THUNK)) &&
		    rip - b->rip < b->guest_len)
			return b;
	}
	return NULL;
}

/**
 * umbra_soft_show() - a guest block and its translation as text
 * @vcpu: the vCPU
 * @rip: guest RIP anywhere in the block
 * @buf: for the text
 * @size: bytes of @buf
 *
 * Context: the vCPU's thread, outside the guest; SRCU read side held, may sleep.
 * Return: length of the text; -ENOENT: no translation; -ENOSPC: too long.
 */
int umbra_soft_show(struct umbra_vcpu *vcpu, u64 rip, char *buf, size_t size)
{
	struct soft_tc *tc = to_soft(vcpu)->tc;
	struct show_text t = { .buf = buf, .size = size };
	const struct tc_block *b;
	u32 off;

	b = tc ? find_block(tc, rip) : NULL;
	if (!b)
		return -ENOENT;
	say(&t, "block %llx %x %llx %x\n", b->rip, b->guest_len, tc_va(tc, b->start),
	    b->end - b->start);
	off = say_marks(vcpu, &t, tc, b);
	if (off < b->end)
		say_code(&t, tc, "exit", off, b->end, "boundary");
	say_links(&t, tc, b);
	return t.full ? -ENOSPC : t.len;
}
