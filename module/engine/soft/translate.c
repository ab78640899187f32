// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator
 *
 * Guest code to blocks of the cache, one instruction after the other: fetch,
 * decode, classify, emit.  A block ends where the guest's control goes
 * elsewhere for sure, at an exit, at a page's end, or when it is long enough.
 * It goes on after a conditional branch: not taken, that costs nothing then.
 * What comes behind it is translate_trace.c.
 */
#include "translate_internal.h"

/* A block is not continued after a Jcc beyond this many instructions. */
#define INSNS_WITH_JCC	40

static unsigned int left_in_page(u64 gva)
{
	return UMBRA_PAGE_SIZE - (gva & (UMBRA_PAGE_SIZE - 1));
}

/* Bytes at @gva in the buffer, up to the page's end; fetched as needed. */
static unsigned int source_at(struct source *s, u64 gva, const u8 **bytes)
{
	u64 off = gva - s->gva;
	unsigned int want;
	int got;

	if (likely(off < s->len && s->len - off >= 15)) {
		*bytes = s->buf + off;
		return s->len - off;
	}
	want = left_in_page(gva);
	if (off >= s->len || s->len - off < min_t(unsigned int, want, 15)) {
		want = min_t(unsigned int, want, SOURCE_BYTES);
		got = s->fetch(s->ctx, gva, s->buf, want);
		s->gva = gva;
		s->len = got > 0 ? min_t(unsigned int, got, want) : 0;
		off = 0;
	}
	*bytes = s->buf + off;
	return s->len - off;
}

/*
 * An instruction that goes on in the next page, after @have bytes: the buffer
 * gets the rest of what it may be.  Return: all bytes, or 0: cannot be fetched.
 */
static unsigned int source_cross(struct source *s, u64 gva, unsigned int have)
{
	int got;

	memmove(s->buf, s->buf + s->len - have, have);
	s->gva = gva;
	s->len = have;
	got = s->fetch(s->ctx, gva + have, s->buf + have, 15 - have);
	if (got <= 0)
		return 0;
	s->len = min_t(unsigned int, have + got, 15);
	return s->len;
}

/**
 * source_insn() - decode the instruction at b->rip
 * @b: the block
 * @s: guest code
 *
 * Return: 0; 1: it is copied as it is, and nothing but its length is known; -EINVAL: it has to be
 * emulated; -ENODATA: it cannot be fetched, or not in this block.
 */
int source_insn(struct tc_build *b, struct source *s)
{
	unsigned int n = source_at(s, b->rip, &b->code);
	int ret;

	if (!n)
		return -ENODATA;
	if (likely(n >= 15) && b->rip != b->slow_rip) {
		b->in.len = tc_quick_copy(b->code, &b->r11);
		if (b->in.len)
			return 1;
	}
	ret = umbra_insn_decode(&b->in, b->code, n);
	if (ret == -ENODATA && n == left_in_page(b->rip) && !b->insns) {
		n = source_cross(s, b->rip, n);
		if (!n)
			return -ENODATA;
		b->code = s->buf;
		ret = umbra_insn_decode(&b->in, b->code, n);
		if (ret == -ENODATA)
			return ret;
	}
	if (ret && ret != -ENODATA) {
		/* whatever was looked at: changed, it may be valid */
		memset(&b->in, 0, sizeof(b->in));
		b->in.len = min_t(unsigned int, n, 15);
		return -EINVAL;
	}
	return ret;
}

/* Instructions that run in line with the registers that they name. */
static bool takes_r11(u8 action)
{
	switch (action) {
	case TC_COPY:
	case TC_LEA:
	case TC_RDPID:
	case TC_RDFSBASE:
	case TC_WRFSBASE:
	case TC_MOV_SREG:
	case TC_MOV_FROM_CR:
	case TC_INVLPG:
		return true;
	}
	return false;
}

/* Translate the instruction. Return: true: the block ends here. */
static bool emit_insn(struct tc_build *b)
{
	u8 op, action = tc_classify(b->tc, &b->in, &op);

	emit_mark_insn(b);
	if (takes_r11(action) && tc_uses_r11(&b->in, b->code))
		emit_r11_home(b);
	if (likely(action == TC_COPY)) {
		if (!emit_copy(b))
			return false;
		op = SOFT_OP_OTHER;
		action = TC_CALLOUT;
	}
	switch (action) {
	case TC_CALLOUT:
		emit_callout(b, op, tc_callout_arg(&b->in, op));
		return true;
	case TC_INVLPG:
		emit_invlpg(b);
		return true;
	case TC_JMP:
		/* The mark has the instruction; its code is what leads on, if anything does. */
		b->goes_on = true;
		b->next = b->rip + b->in.len + b->in.imm;
		return true;
	case TC_JCC:
		emit_jcc(b);
		return false;
	case TC_LOOP:
		emit_loop(b);
		return false;
	case TC_CALL:
		emit_call(b);
		return true;
	case TC_RET:
		emit_ret(b);
		return true;
	case TC_JMP_IND:
	case TC_CALL_IND:
		emit_indirect(b, action == TC_CALL_IND);
		return true;
	case TC_LEA:
		emit_lea(b);
		return false;
	case TC_SYSRET:
	case TC_IRET:
		emit_service(b, action);
		return true;
	}
	emit_system(b, action);
	b->after_sti = action == TC_STI;
	return false;
}

/* How many instructions may still come.  STI wants one behind it. */
static unsigned int left_in_block(const struct tc_build *b)
{
	unsigned int max = TC_BLOCK_INSNS;

	if (!b->after_sti)
		max = b->tc->blocks[b->block].nr_chains ? INSNS_WITH_JCC : TC_BLOCK_INSNS - 1;
	return b->insns < max ? max - b->insns : 0;
}

/**
 * emit_insns() - translate instructions up to the end of the block
 * @b: the block
 * @s: guest code
 * @first: what source_insn() said of the first one, which can be fetched
 */
void emit_insns(struct tc_build *b, struct source *s, int first)
{
	u64 page = b->rip >> UMBRA_PAGE_SHIFT;
	int ret = first;
	bool ends;

	do {
		if (likely(ret > 0)) {
			emit_mark_insn(b);
			if (unlikely(b->r11 == TC_R11_USED))
				emit_r11_home(b);
			else if (unlikely(b->r11 == TC_R11_SET))
				b->home = true;
			emit_code(b);
			ends = false;
		} else if (ret) {
			emit_mark_insn(b);
			emit_callout(b, SOFT_OP_UNDECODED, 0);
			ends = true;
		} else {
			ends = emit_insn(b);
		}
		b->insns++;
		b->rip += b->in.len;
		if (ends)
			return;
		if (!b->after_sti)
			tc_quick_run(b, s, left_in_block(b));
		if ((b->rip >> UMBRA_PAGE_SHIFT) != page || !left_in_block(b))
			break;
		ret = source_insn(b, s);
	} while (ret != -ENODATA);
	emit_mark(b, 0, 0);
	if (b->after_sti) {
		emit_follow(b, b->rip, b->home);
		emit_chain(b, b->rip, false);
		return;
	}
	b->goes_on = true;
	b->next = b->rip;
}
