// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one instruction, from fetch to commit
 *
 * umbra_emulate() works on a copy of the registers and copies back only when
 * all of an instruction's accesses have succeeded: decode, judge, load, execute,
 * store, commit.  A handler can fail at any point before and nothing is left to
 * undo but memory that was already written, which a restarted instruction
 * writes again.
 *
 * After a commit the single-step trap (RFLAGS.TF, SDM Vol. 3A 18.3.1.4) is
 * reported as a fault with vector 1; that is the one case besides INT3, INTO and
 * INT1 in which FAULT comes with a commit.
 */
#include "simd_internal.h"

/* How often a locked instruction retries before it gives way to the owner. */
#define LOCK_TRIES	64

/**
 * emul_begin() - take the working copy
 * @e: the emulation
 *
 * Return: OK.
 */
int emul_begin(struct umbra_emul *e)
{
	if (!e->keep || !e->in_step)
		e->r = *e->regs;
	e->in_step = false;
	e->r.dirty = 0;
	e->insn_len = 0;
	e->reason = NULL;
	e->error = 0;
	e->iret = false;
	e->halt = false;
	e->watched = 0;
	e->waiting = NULL;
	return UMBRA_EMUL_OK;
}

/**
 * emul_commit() - copy the changed groups back
 * @e: the emulation
 *
 * Groups that a callback changed are already in both copies.
 */
void emul_commit(struct umbra_emul *e)
{
	struct umbra_regs *g = e->regs;
	const struct umbra_regs *r = &e->r;

	memcpy(g->gpr, r->gpr, sizeof(g->gpr));
	g->rip = r->rip;
	g->rflags = r->rflags;
	g->int_shadow = r->int_shadow;
	g->dirty |= UMBRA_REGS_GPR | r->dirty;
	e->in_step = true;
	if (likely(!r->dirty))
		return;
	if (r->dirty & UMBRA_REGS_SEG) {
		memcpy(g->seg, r->seg, UMBRA_LDTR * sizeof(g->seg[0]));
		g->cpl = r->cpl;
	}
	if (r->dirty & UMBRA_REGS_TABLE) {
		g->seg[UMBRA_LDTR] = r->seg[UMBRA_LDTR];
		g->seg[UMBRA_TR] = r->seg[UMBRA_TR];
		g->gdtr = r->gdtr;
		g->idtr = r->idtr;
	}
	if (r->dirty & UMBRA_REGS_SYSCALL)
		g->kernel_gs_base = r->kernel_gs_base;
}

static unsigned int code_mode(const struct umbra_emul *e)
{
	if (emul_mode64(e))
		return 64;
	if (e->r.rflags & X86_EFLAGS_VM)
		return 16;
	return e->r.seg[UMBRA_CS].attr & UMBRA_SEG_DB ? 32 : 16;
}

/*
 * Linear address of code at offset @off, and how many of @n bytes are within
 * the segment.  The type of CS was checked when it was loaded.
 */
static int code_window(struct umbra_emul *e, u64 off, gva_t *gva,
		       unsigned int *n)
{
	const struct umbra_seg *cs = &e->r.seg[UMBRA_CS];

	if (emul_mode64(e)) {
		if (!emul_canonical(e, off))
			return emul_gp(e);
		*gva = off;
		return UMBRA_EMUL_OK;
	}
	if (off > cs->limit)
		return emul_gp(e);
	if (cs->limit - off < *n)
		*n = cs->limit - off + 1;
	*gva = (u32)(cs->base + off);
	return UMBRA_EMUL_OK;
}

static int fetch_more(struct umbra_emul *e, unsigned int have,
		      unsigned int *got)
{
	unsigned int n = UMBRA_INSN_MAX - have;
	gva_t gva = 0;
	int ret;

	ret = code_window(e, e->r.rip + have, &gva, &n);
	if (ret)
		return ret;
	ret = e->ops->fetch(e, gva, e->insn + have, n, got);
	if (!ret && WARN_ON_ONCE(!*got || *got > n)) {
		e->error = -EIO;
		return UMBRA_EMUL_ERROR;
	}
	return ret;
}

/*
 * Decoded instructions, found by RIP and good as long as the bytes there are
 * the same: code that changes needs no attention.
 */
struct cached {
	u64 word[2];
	u64 mask[2];
	struct emul_insn in;
};

/**
 * umbra_emul_cache_size() - bytes that umbra_emul.cache takes
 * @entries: how many instructions, a power of two
 */
size_t umbra_emul_cache_size(unsigned int entries)
{
	return entries * sizeof(struct cached);
}

static struct cached *cache_entry(const struct umbra_emul *e)
{
	struct cached *cache = e->cache;
	u64 rip = e->r.rip;

	return &cache[(rip ^ rip >> 10) & (e->cache_entries - 1)];
}

/*
 * It is executed where it lies: what handlers change in it besides values of
 * operands is put back here, and nothing else may depend on the last time.
 */
static bool find_decoded(struct umbra_emul *e, struct cached *c,
			 unsigned int have, unsigned int mode)
{
	u64 word[2];

	if (c->in.mode != mode || have < c->in.len)
		return false;
	memcpy(word, e->insn, sizeof(word));
	if (((word[0] ^ c->word[0]) & c->mask[0]) |
	    ((word[1] ^ c->word[1]) & c->mask[1]))
		return false;
	c->in.shadow = 0;
	c->in.keep_rf = false;
	c->in.no_store = false;
	return true;
}

static void keep_decoded(struct umbra_emul *e, struct cached *c)
{
	unsigned int len = c->in.len;

	memcpy(c->word, e->insn, sizeof(c->word));
	c->mask[0] = len < 8 ? (1ull << 8 * len) - 1 : ~0ull;
	c->mask[1] = len > 8 ? (1ull << 8 * (len - 8)) - 1 : 0;
}

/* Bytes after a page end are fetched only when the instruction needs them. */
static int fetch_decode(struct umbra_emul *e, struct emul_insn *in, struct cached *c)
{
	unsigned int mode = code_mode(e);
	unsigned int flags = e->features & UMBRA_EMUL_F_AMD ?
			     EMUL_DECODE_AMD : 0;
	unsigned int have = 0, got = 0;
	int ret;

	do {
		ret = fetch_more(e, have, &got);
		if (ret)
			return ret;
		have += got;
		e->insn_len = have;
		if (c && find_decoded(e, c, have, mode))
			goto decoded;
		ret = emul_decode(in, e->insn, have, mode, flags);
		/* Half an instruction must not be found there. */
		if (ret)
			in->mode = 0;
	} while (ret == -ENODATA);
	if (ret == -E2BIG)
		return emul_gp(e);
	if (ret)
		return emul_ud(e);
	if (c)
		keep_decoded(e, c);
decoded:
	e->insn_len = in->len;
	e->r.rip += in->len;
	if (mode != 64)
		e->r.rip = (u32)e->r.rip;
	return UMBRA_EMUL_OK;
}

/* LOCK belongs to some instructions with a memory destination only. */
static bool lock_ok(const struct emul_insn *in)
{
	if (in->op->flags & OPF_LOCK)
		return in->mod != 3;
	/* AMD: LOCK MOV CR0 means CR8 */
	return (in->dst.type == EMUL_OT_CR && in->dst.reg == 8) ||
	       (in->src.type == EMUL_OT_CR && in->src.reg == 8);
}

/*
 * MOVD and MOVQ to a vector or MMX register load their operand as others do: #UD and #NM come
 * before its faults (SDM Vol. 3A 6.9, table 6-2).
 */
static int judge_vector(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val;

	if (in->dst.type == EMUL_OT_VEC)
		return emul_vec_check(e, in);
	return emul_mmx_peek(e, in->dst.reg, &val);
}

static int judge(struct umbra_emul *e, struct emul_insn *in)
{
	const struct emul_opcode *op = in->op;

	if (in->lock && !lock_ok(in))
		return emul_ud(e);
	if (op->feat && !(e->features & BIT_ULL(op->feat - 1)))
		return emul_ud(e);
	if ((op->flags & OPF_PROT || in->enc != EMUL_ENC_LEGACY) &&
	    emul_real_or_v86(e))
		return emul_ud(e);
	if ((op->flags & OPF_PRIV) && e->r.cpl)
		return emul_gp(e);
	in->exec = op->exec ? op->exec : emul_simd_handler(in);
	if (!in->exec)
		return emul_unhandled(e, in->enc == EMUL_ENC_LEGACY ?
				      "SSE or MMX instruction" :
				      "AVX instruction");
	if (unlikely(in->src.type == EMUL_OT_MEM && in->dst.type >= EMUL_OT_VEC))
		return judge_vector(e, in);
	return UMBRA_EMUL_OK;
}

/*
 * BT and its relatives with a register bit offset address a string of bits
 * around the memory operand (SDM Vol. 2A, 3.1.1.9).
 */
static void bit_address(struct umbra_emul *e, struct emul_insn *in)
{
	s64 bit = emul_sext(e->r.gpr[in->src.reg], in->opsize);
	u64 byte = (u64)(bit >> 3) & ~(u64)(in->opsize - 1);

	in->mem.ea = (in->mem.ea + byte) & emul_mask(in->adsize);
}

/* Most operands are registers or nothing to load. */
static inline int load(struct umbra_emul *e, struct emul_insn *in,
		       struct emul_operand *op, unsigned int acc)
{
	if (op->type == EMUL_OT_GPR) {
		op->val = emul_gpr(e, op->reg, op->size);
		return UMBRA_EMUL_OK;
	}
	if (op->type == EMUL_OT_NONE || op->type == EMUL_OT_IMM)
		return UMBRA_EMUL_OK;
	return emul_load_operand(e, in, op, acc);
}

static inline int store(struct umbra_emul *e, struct emul_insn *in,
			const struct emul_operand *op)
{
	if (op->type == EMUL_OT_GPR) {
		emul_gpr_set(e, op->reg, op->size, op->val);
		return UMBRA_EMUL_OK;
	}
	return emul_store_operand(e, in, op);
}

/* The access that an instruction may stop at and go on from. */
enum wait { WAIT_SRC, WAIT_DST, WAIT_STORE };

static struct emul_operand *waits_for(struct emul_insn *in, enum wait wait)
{
	return wait == WAIT_SRC ? &in->src : &in->dst;
}

/*
 * The access needs the owner, who may come back by umbra_emul_resume(): then the
 * decoded instruction has to be there still.
 */
static int wait_for(struct umbra_emul *e, struct emul_insn *in, enum wait wait, int ret)
{
	if (ret == UMBRA_EMUL_IO && e->cache && waits_for(in, wait)->type == EMUL_OT_MEM) {
		e->waiting = in;
		e->waits_for = wait;
	}
	return ret;
}

static int load_dst(struct umbra_emul *e, struct emul_insn *in)
{
	u32 f = in->op->flags;

	if (!(f & OPF_LOAD))
		return UMBRA_EMUL_OK;
	return load(e, in, &in->dst, f & OPF_STORE ? UMBRA_ACC_RMW : 0);
}

static int store_src(struct umbra_emul *e, struct emul_insn *in)
{
	return in->op->flags & OPF_SRC2 ? store(e, in, &in->src) : UMBRA_EMUL_OK;
}

static int store_results(struct umbra_emul *e, struct emul_insn *in)
{
	int ret;

	if ((in->op->flags & OPF_STORE) && !in->no_store) {
		ret = store(e, in, &in->dst);
		if (unlikely(ret))
			return wait_for(e, in, WAIT_STORE, ret);
	}
	return store_src(e, in);
}

/*
 * Read, compute, compare-and-exchange until nobody came between.  The handler
 * may run more than once; what it changed besides its operands is put back.
 */
static int run_locked(struct umbra_emul *e, struct emul_insn *in)
{
	u64 flags = e->r.rflags, rax = e->r.gpr[UMBRA_RAX];
	u64 src = in->src.val;
	unsigned int i;
	bool swapped;
	u64 old;
	int ret;

	for (i = 0; i < LOCK_TRIES; i++) {
		ret = load_dst(e, in);
		if (ret)
			return ret;
		old = in->dst.val;
		ret = in->exec(e, in);
		if (ret || in->no_store)
			return ret;
		ret = emul_cmpxchg_mem(e, in, &old, &in->dst.val, in->dst.size,
				       &swapped);
		if (ret)
			return ret;
		if (swapped) {
			if (in->op->flags & OPF_SRC2)
				return emul_store_operand(e, in, &in->src);
			return UMBRA_EMUL_OK;
		}
		e->r.rflags = flags;
		e->r.gpr[UMBRA_RAX] = rax;
		in->src.val = src;
	}
	return EMUL_RETRY;
}

/* All operands are loaded. */
static int run_loaded(struct umbra_emul *e, struct emul_insn *in)
{
	int ret = in->exec(e, in);

	return ret ? ret : store_results(e, in);
}

/* @in->src is loaded. */
static int run_sourced(struct umbra_emul *e, struct emul_insn *in)
{
	u32 f = in->op->flags;
	int ret;

	ret = load(e, in, &in->src2, 0);
	if (ret)
		return ret;
	if ((in->lock || (f & OPF_XLOCK)) && (f & OPF_STORE) &&
	    in->dst.type == EMUL_OT_MEM)
		return run_locked(e, in);
	ret = load_dst(e, in);
	if (unlikely(ret))
		return wait_for(e, in, WAIT_DST, ret);
	return run_loaded(e, in);
}

static int run(struct umbra_emul *e, struct emul_insn *in)
{
	int ret;

	if (in->mod != 3) {
		emul_effective_address(e, in);
		if (in->op->flags & OPF_BITS)
			bit_address(e, in);
	}
	ret = load(e, in, &in->src, 0);
	if (unlikely(ret))
		return wait_for(e, in, WAIT_SRC, ret);
	return run_sourced(e, in);
}

/* After OK, HALT or AGAIN: settle RIP, RF, shadow and what traps now. */
static int finish(struct umbra_emul *e, struct emul_insn *in, int ret)
{
	u64 bits;

	if (ret == UMBRA_EMUL_AGAIN)
		e->r.rip = e->regs->rip;
	if (!in->keep_rf)
		e->r.rflags &= ~(u64)X86_EFLAGS_RF;
	e->r.int_shadow = in->shadow;
	emul_commit(e);
	bits = e->watched;
	if (in->tf && !(in->shadow & UMBRA_SHADOW_MOV_SS))
		bits |= EMUL_DR6_BS;
	if (likely(!bits))
		return ret;
	emul_fault_noerr(e, EMUL_DB);
	e->fault.addr = bits;
	return UMBRA_EMUL_FAULT;
}

/* What run() gave, in the owner's words. */
static int end(struct umbra_emul *e, struct emul_insn *in, int ret)
{
	if (ret == UMBRA_EMUL_OK || ret == UMBRA_EMUL_HALT ||
	    ret == UMBRA_EMUL_AGAIN)
		return finish(e, in, ret);
	return ret == EMUL_RETRY ? UMBRA_EMUL_AGAIN : ret;
}

static int emulate(struct umbra_emul *e, struct emul_insn *in, struct cached *c)
{
	int ret;

	if (emul_watching(e)) {
		ret = emul_watch_code(e);
		if (ret)
			return ret;
	}
	ret = fetch_decode(e, in, c);
	if (ret)
		return ret;
	in->tf = e->r.rflags & X86_EFLAGS_TF;
	ret = judge(e, in);
	if (ret)
		return ret;
	return end(e, in, run(e, in));
}

static noinline int emulate_uncached(struct umbra_emul *e)
{
	struct emul_insn in;

	emul_begin(e);
	return emulate(e, &in, NULL);
}

/**
 * umbra_emulate() - execute the instruction at CS:RIP
 * @e: @ops, @owner, @regs and @features set
 *
 * Does one instruction, or a bounded number of elements of a REP instruction.
 *
 * Context: that of the callbacks.
 * Return: enum umbra_emul_result.
 */
int umbra_emulate(struct umbra_emul *e)
{
	struct cached *c;

	if (!e->cache)
		return emulate_uncached(e);
	emul_begin(e);
	c = cache_entry(e);
	return emulate(e, &c->in, c);
}

/**
 * umbra_emul_can_resume() - is one access all that the instruction waits for?
 * @e: after UMBRA_EMUL_IO
 * @write: the access that the owner has completed was a write
 * @len: its length, bytes
 *
 * An operand of which the access is only a part is not complete yet.
 *
 * Context: any.
 * Return: true when umbra_emul_resume() can take the place of umbra_emulate().
 */
bool umbra_emul_can_resume(const struct umbra_emul *e, bool write, unsigned int len)
{
	struct emul_insn *in = e->waiting;

	return in && write == (e->waits_for == WAIT_STORE) &&
	       waits_for(in, e->waits_for)->size == len;
}

/**
 * umbra_emul_resume() - go on with the instruction that returned UMBRA_EMUL_IO
 * @e: umbra_emul_can_resume()
 * @val: what was read, zero-extended
 *
 * Context: that of the callbacks.
 * Return: enum umbra_emul_result.
 */
int umbra_emul_resume(struct umbra_emul *e, u64 val)
{
	struct emul_insn *in = e->waiting;
	enum wait wait = e->waits_for;

	e->waiting = NULL;
	if (wait == WAIT_STORE)
		return end(e, in, store_src(e, in));
	waits_for(in, wait)->val = val;
	return end(e, in, wait == WAIT_SRC ? run_sourced(e, in) : run_loaded(e, in));
}
