// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: string instructions
 *
 * MOVS, STOS, LODS, SCAS, CMPS, INS, OUTS, with REP.  One element reads and
 * writes memory and only then moves its pointers, so that a fault leaves the
 * registers as if the element had not begun.  A REP runs a bounded number of
 * elements; when it stops before the end, whatever the cause, it has committed
 * the elements that are done and says AGAIN; the cause comes up again with the
 * next call, at the first element then.
 */
#include "emul_internal.h"

#define REP_BATCH	256
/* Bytes that go at once where both sides are memory; a callback takes no more. */
#define BLOCK		64
/* Blocks in one call. */
#define BLOCK_BATCH	(UMBRA_PAGE_SIZE / BLOCK)

static unsigned int source_seg(const struct emul_insn *in)
{
	return in->seg != EMUL_NO_REG ? in->seg : UMBRA_DS;
}

static void advance(struct umbra_emul *e, const struct emul_insn *in,
		    unsigned int reg)
{
	u64 step = in->dst.size;

	if (e->r.rflags & X86_EFLAGS_DF)
		step = -step;
	emul_gpr_set(e, reg, in->adsize, e->r.gpr[reg] + step);
}

static int read_si(struct umbra_emul *e, struct emul_insn *in, u64 *val)
{
	*val = 0;
	return emul_read(e, source_seg(in), emul_gpr(e, UMBRA_RSI, in->adsize),
			 val, in->dst.size, 0);
}

static int read_di(struct umbra_emul *e, struct emul_insn *in, u64 *val)
{
	*val = 0;
	return emul_read(e, UMBRA_ES, emul_gpr(e, UMBRA_RDI, in->adsize), val,
			 in->dst.size, 0);
}

static int write_di(struct umbra_emul *e, struct emul_insn *in, u64 val)
{
	return emul_write(e, UMBRA_ES, emul_gpr(e, UMBRA_RDI, in->adsize), &val,
			  in->dst.size);
}

static int movs_one(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val;
	int ret;

	ret = read_si(e, in, &val);
	if (!ret)
		ret = write_di(e, in, val);
	if (ret)
		return ret;
	advance(e, in, UMBRA_RSI);
	advance(e, in, UMBRA_RDI);
	return UMBRA_EMUL_OK;
}

static int stos_one(struct umbra_emul *e, struct emul_insn *in)
{
	int ret;

	ret = write_di(e, in, in->dst.val);
	if (!ret)
		advance(e, in, UMBRA_RDI);
	return ret;
}

static int lods_one(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val;
	int ret;

	ret = read_si(e, in, &val);
	if (ret)
		return ret;
	emul_gpr_set(e, UMBRA_RAX, in->dst.size, val);
	advance(e, in, UMBRA_RSI);
	return UMBRA_EMUL_OK;
}

static int scas_one(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val;
	int ret;

	ret = read_di(e, in, &val);
	if (ret)
		return ret;
	emul_sub(e, in->dst.val, val, 0, in->dst.size);
	advance(e, in, UMBRA_RDI);
	return UMBRA_EMUL_OK;
}

static int cmps_one(struct umbra_emul *e, struct emul_insn *in)
{
	u64 a, b;
	int ret;

	/* the order shows in the page fault that comes first */
	ret = read_di(e, in, &b);
	if (!ret)
		ret = read_si(e, in, &a);
	if (ret)
		return ret;
	emul_sub(e, a, b, 0, in->dst.size);
	advance(e, in, UMBRA_RSI);
	advance(e, in, UMBRA_RDI);
	return UMBRA_EMUL_OK;
}

static bool goes_on(const struct emul_insn *in)
{
	return in->rep && !in->tf;
}

/* The destination is probed first: a port read cannot be taken back. */
static int ins_one(struct umbra_emul *e, struct emul_insn *in)
{
	u16 port = e->r.gpr[UMBRA_RDX];
	u32 val = 0;
	int ret;

	ret = emul_probe(e, UMBRA_ES, emul_gpr(e, UMBRA_RDI, in->adsize), in->dst.size);
	if (emul_watching(e))
		emul_watch_port(e, port, in->dst.size);
	if (!ret)
		ret = e->ops->pio(e, port, in->dst.size, true, goes_on(in), &val);
	if (!ret)
		ret = write_di(e, in, val);
	if (!ret)
		advance(e, in, UMBRA_RDI);
	return ret;
}

static int outs_one(struct umbra_emul *e, struct emul_insn *in)
{
	u16 port = e->r.gpr[UMBRA_RDX];
	u32 val;
	u64 v;
	int ret;

	ret = read_si(e, in, &v);
	if (ret)
		return ret;
	val = v;
	if (emul_watching(e))
		emul_watch_port(e, port, in->dst.size);
	ret = e->ops->pio(e, port, in->dst.size, false, goes_on(in), &val);
	if (!ret)
		advance(e, in, UMBRA_RSI);
	return ret;
}

/* REPE goes on while ZF is set, REPNE while it is clear. */
static bool keeps_on(const struct umbra_emul *e, const struct emul_insn *in)
{
	bool zf = e->r.rflags & X86_EFLAGS_ZF;

	return in->rep == 0xf3 ? zf : !zf;
}

/**
 * repeat() - run elements until done, bounded, faulting or told to stop
 * @e: the emulation
 * @in: the instruction
 * @one: one element
 * @compare: CMPS and SCAS also end by ZF
 *
 * Single-stepping traps after each element, breakpoints after the one that
 * meets them.  Else a comparison that is not through has not set flags yet: a fault of its next
 * element finds them as they were before the instruction (SDM Vol. 2B, REP).
 */
static int repeat(struct umbra_emul *e, struct emul_insn *in,
		  emul_handler *one, bool compare)
{
	unsigned int i, batch = in->tf ? 1 : REP_BATCH;
	u64 flags = e->r.rflags;
	u64 left;
	int ret;

	if (!in->rep)
		return one(e, in);
	left = emul_gpr(e, UMBRA_RCX, in->adsize);
	for (i = 0; left && i < batch; i++) {
		ret = one(e, in);
		if (ret && !i)
			return ret;
		if (ret)
			break;
		left--;
		emul_gpr_set(e, UMBRA_RCX, in->adsize, left);
		if (compare && !keeps_on(e, in))
			return UMBRA_EMUL_OK;
		if (unlikely(e->watched))
			break;
	}
	if (!left)
		return UMBRA_EMUL_OK;
	if (compare && !in->tf && !e->watched)
		e->r.rflags = flags;
	return UMBRA_EMUL_AGAIN;
}

/*
 * Linear address of what a string register points at, when @len bytes from there
 * are in one page of memory; an access that would fault is left to the element.
 */
static bool block_at(struct umbra_emul *e, const struct emul_insn *in,
		     unsigned int seg, unsigned int reg, unsigned int acc,
		     unsigned int *len, gva_t *gva)
{
	u64 off = emul_gpr(e, reg, in->adsize);
	unsigned int rest;

	if (off + *len - 1 > emul_mask(in->adsize) || off + *len < off ||
	    emul_linear(e, seg, off, *len, acc, gva))
		return false;
	rest = UMBRA_PAGE_SIZE - (*gva & ~UMBRA_PAGE_MASK);
	if (rest < *len)
		*len = rest & ~(in->dst.size - 1u);
	if (e->r.cpl == 3)
		acc |= UMBRA_ACC_USER;
	if (e->r.rflags & X86_EFLAGS_AC)
		acc |= UMBRA_ACC_AC;
	return *len && e->ops->is_memory(e, *gva, *len, acc);
}

/* One block of MOVS (@src) or STOS; the bytes done, 0: go by elements. */
static unsigned int one_block(struct umbra_emul *e, struct emul_insn *in, bool src)
{
	u64 left = emul_gpr(e, UMBRA_RCX, in->adsize);
	unsigned int size = in->dst.size, i;
	unsigned int len = left < BLOCK / size ? left * size : BLOCK;
	gva_t from = 0, to = 0;
	u8 buf[BLOCK];

	/* The destination becomes dirty by being looked at: not before the source is known to be there. */
	if (len < 2 * size ||
	    (src && !block_at(e, in, source_seg(in), UMBRA_RSI, 0, &len, &from)) ||
	    !block_at(e, in, UMBRA_ES, UMBRA_RDI, UMBRA_ACC_WRITE, &len, &to))
		return 0;
	/* What is written within the block is not read in it (pages may be aliases). */
	if (src && ((to - from - 1) & ~UMBRA_PAGE_MASK) < len - 1)
		return 0;
	if (src) {
		if (emul_read(e, source_seg(in), emul_gpr(e, UMBRA_RSI, in->adsize),
			      buf, len, 0))
			return 0;
	} else {
		for (i = 0; i < len; i += size)
			memcpy(buf + i, &in->dst.val, size);
	}
	if (emul_write(e, UMBRA_ES, emul_gpr(e, UMBRA_RDI, in->adsize), buf, len))
		return 0;
	if (src)
		emul_gpr_set(e, UMBRA_RSI, in->adsize, e->r.gpr[UMBRA_RSI] + len);
	emul_gpr_set(e, UMBRA_RDI, in->adsize, e->r.gpr[UMBRA_RDI] + len);
	emul_gpr_set(e, UMBRA_RCX, in->adsize, left - len / size);
	return len;
}

/* Nothing that looks at each element is in the way. */
static bool by_blocks(const struct umbra_emul *e, const struct emul_insn *in)
{
	return in->rep && e->ops->is_memory && !in->tf && !emul_watching(e) &&
	       !(e->r.rflags & X86_EFLAGS_DF) &&
	       !((e->r.rflags & X86_EFLAGS_AC) && e->r.cpl == 3);
}

static int repeat_blocks(struct umbra_emul *e, struct emul_insn *in,
			 emul_handler *one, bool src)
{
	unsigned int i;

	if (!by_blocks(e, in))
		return repeat(e, in, one, false);
	for (i = 0; i < BLOCK_BATCH && one_block(e, in, src); i++)
		;
	if (!i)
		return repeat(e, in, one, false);
	return emul_gpr(e, UMBRA_RCX, in->adsize) ? UMBRA_EMUL_AGAIN :
						    UMBRA_EMUL_OK;
}

int emul_op_movs(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat_blocks(e, in, movs_one, true);
}

int emul_op_stos(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat_blocks(e, in, stos_one, false);
}

int emul_op_lods(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat(e, in, lods_one, false);
}

int emul_op_scas(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat(e, in, scas_one, true);
}

int emul_op_cmps(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat(e, in, cmps_one, true);
}

/* The right to the port is judged first, even with a count of 0. */
static int repeat_io(struct umbra_emul *e, struct emul_insn *in,
		     emul_handler *one)
{
	int ret;

	if (!e->ops->pio)
		return emul_unhandled(e, "INS or OUTS without port access");
	ret = emul_io_check(e, e->r.gpr[UMBRA_RDX], in->dst.size);
	return ret ? ret : repeat(e, in, one, false);
}

int emul_op_ins(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat_io(e, in, ins_one);
}

int emul_op_outs(struct umbra_emul *e, struct emul_insn *in)
{
	return repeat_io(e, in, outs_one);
}
