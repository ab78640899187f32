// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: SSE
 *
 * Legacy SSE instructions, up to SSE4.1, and their MMX forms: operands are
 * fetched, the very instruction is executed on them (simd_stub.S) with all
 * floating-point exceptions masked, and what it raised is judged by the guest's
 * MXCSR.  Moves are in sse.c, what an immediate selects in lanes.c and elements.c,
 * VEX forms in vex.c.
 */
#include "simd_internal.h"

#define EMUL_XM			19
#define MXCSR_FLAGS		0x3fu
#define MXCSR_OF_OPERANDS	0x07u	/* invalid, denormal, division by zero */
#define MXCSR_UE		0x10u
#define MXCSR_MASKS		0x1f80u
#define MXCSR_ROUNDING		0x6000u
#define MXCSR_FTZ		0x8000u
#define MXCSR_AT		24	/* in the FXSAVE area */

/* What an instruction needs besides its stub. */
struct plan {
	const u8 *stub;
	u8 bytes;	/* of a memory operand */
	bool mmx;
	bool fp;	/* heeds MXCSR */
	bool flags;	/* writes RFLAGS */
	u64 feature;
};

static bool is_compare(const struct emul_insn *in)
{
	return in->map == 2 && (in->opcode == 0x2e || in->opcode == 0x2f);
}

static bool is_fp(u8 op)
{
	return (op >= 0x51 && op <= 0x53) || (op >= 0x58 && op <= 0x5f) || op == 0x2e ||
	       op == 0x2f || op == 0xc2 || op == 0xe6 || op == 0x7c || op == 0x7d ||
	       op == 0xd0;
}

/* Bytes of a memory operand in map 0F (SDM Vol. 2, each instruction's page). */
static u8 bytes_0f(u8 op, u8 pp)
{
	bool scalar = is_fp(op) && op != 0xe6 && op != 0x7c && op != 0x7d && op != 0xd0;

	if (is_fp(op) && (op == 0x2e || op == 0x2f))
		return pp == EMUL_PP_66 ? 8 : 4;
	if (op == 0x5b)
		return 16;
	if ((op == 0x5a && pp == EMUL_PP_NONE) || (op == 0xe6 && pp == EMUL_PP_F3) ||
	    (op == 0x12 && pp == EMUL_PP_F2))
		return 8;
	if (scalar && pp >= EMUL_PP_F3)
		return pp == EMUL_PP_F3 ? 4 : 8;
	return 16;
}

/* PMOVSX and PMOVZX read as much as they extend. */
static u8 bytes_38(u8 op)
{
	static const u8 extend[6] = { 8, 4, 2, 8, 4, 8 };

	return (op & 0xef) >= 0x20 && (op & 0xef) <= 0x25 ? extend[op & 7] : 16;
}

static bool in_0f(u8 op, u8 pp)
{
	if (op == 0x12)
		return pp >= EMUL_PP_F3;
	if (op == 0x16)
		return pp == EMUL_PP_F3;
	return op == 0x14 || op == 0x15 || op == 0x2e || op == 0x2f ||
	       (op >= 0x51 && op <= 0x6d) || (op >= 0x74 && op <= 0x76) || op == 0x7c ||
	       op == 0x7d || (op >= 0xd0 && op <= 0xfe && op != 0xd6 && op != 0xd7 &&
			      op != 0xe7 && op != 0xf0 && op != 0xf7);
}

static bool in_38(u8 op)
{
	return op <= 0x0b || op == 0x17 || (op >= 0x1c && op <= 0x1e) ||
	       (op >= 0x20 && op <= 0x25) || op == 0x28 || op == 0x29 || op == 0x2b ||
	       (op >= 0x30 && op <= 0x35) || (op >= 0x37 && op <= 0x41);
}

static bool plan_0f(const struct emul_insn *in, struct plan *p)
{
	u8 op = in->opcode;

	if (!in_0f(op, in->pp))
		return false;
	p->stub = emul_stubs_0f + (in->pp * 0xf0 + op - 0x10) * EMUL_STUB_SIZE;
	p->bytes = bytes_0f(op, in->pp);
	p->fp = is_fp(op);
	p->flags = is_compare(in);
	p->mmx = in->pp == EMUL_PP_NONE && op >= 0x60 && !p->fp;
	if (op == 0x12 || op == 0x16 || op == 0x7c || op == 0x7d || op == 0xd0)
		p->feature = UMBRA_EMUL_F_SSE3;
	return true;
}

static bool plan_38(const struct emul_insn *in, struct plan *p)
{
	u8 op = in->opcode;

	if (!in_38(op) || in->pp > EMUL_PP_66)
		return false;
	/* PCMPGTQ is SSE4.2's. */
	if (op == 0x37)
		p->feature = UMBRA_EMUL_F_SSE42;
	else
		p->feature = op < 0x10 || (op >= 0x1c && op <= 0x1e) ? UMBRA_EMUL_F_SSSE3 :
								       UMBRA_EMUL_F_SSE41;
	p->stub = emul_stubs_38 + (in->pp * 0x42 + op) * EMUL_STUB_SIZE;
	p->bytes = bytes_38(op);
	p->flags = op == 0x17;
	p->mmx = in->pp == EMUL_PP_NONE;
	return true;
}

static bool plan_cmp(const struct emul_insn *in, struct plan *p)
{
	/* Only three bits of the predicate count (SDM Vol. 2A, CMPPS). */
	p->stub = emul_stubs_cmp + (in->pp * 8 + (in->src2.val & 7)) * EMUL_STUB_SIZE;
	p->bytes = bytes_0f(0xc2, in->pp);
	p->fp = true;
	return true;
}

static bool make_plan(const struct emul_insn *in, struct plan *p)
{
	bool known;

	memset(p, 0, sizeof(*p));
	if (in->map == 2)
		known = in->opcode == 0xc2 ? plan_cmp(in, p) : plan_0f(in, p);
	else
		known = in->map == 3 && plan_38(in, p);
	if (p->mmx) {
		/* PUNPCKLBW and its two relatives read half a register. */
		p->bytes = in->map == 2 && in->opcode >= 0x60 && in->opcode <= 0x62 ? 4 : 8;
	}
	return known;
}

static int get_mxcsr(struct umbra_emul *e, u8 *fx, u32 *mxcsr)
{
	int ret = e->ops->fx(e, fx, false);

	memcpy(mxcsr, fx + MXCSR_AT, 4);
	return ret;
}

static void run(enum emul_simd_runner runner, const u8 *stub, struct emul_simd *s)
{
	switch (runner) {
	case EMUL_RUN_XMM:
		emul_simd_run(stub, s);
		break;
	case EMUL_RUN_MMX:
		emul_simd_run_mmx(stub, s);
		break;
	case EMUL_RUN_VEX:
		emul_vex_run(stub, s);
		break;
	case EMUL_RUN_EVEX:
		emul_evex_run(stub, s);
		break;
	}
}

/* As if all floating-point exceptions were masked: which are raised? */
static u32 run_masked(struct umbra_emul *e, enum emul_simd_runner runner, const u8 *stub,
		      struct emul_simd *s, u32 mxcsr)
{
	s->mxcsr = (mxcsr | MXCSR_MASKS) & ~MXCSR_FLAGS;
	if (s->rounding & EMUL_ROUND)
		s->mxcsr = (s->mxcsr & ~MXCSR_ROUNDING) | (s->rounding & 3) << 13;
	e->ops->fpu(e, true);
	run(runner, stub, s);
	e->ops->fpu(e, false);
	return s->mxcsr & MXCSR_FLAGS;
}

/*
 * What is not masked: an underflow is one, then, also where the result is exact, and
 * nothing is flushed to zero, which is how to find it (SDM Vol. 1, 4.9.1.5 and 10.2.3.3).
 */
static u32 run_unmasked(struct umbra_emul *e, enum emul_simd_runner runner, const u8 *stub,
			struct emul_simd *s, u32 mxcsr)
{
	struct emul_simd again = *s;
	u32 raised;

	if (mxcsr & MXCSR_UE << 7)
		return run_masked(e, runner, stub, s, mxcsr);
	raised = run_masked(e, runner, stub, s, mxcsr & ~MXCSR_FTZ);
	return raised | (run_masked(e, runner, stub, &again, mxcsr | MXCSR_FTZ) & MXCSR_UE);
}

/**
 * emul_simd_execute() - run a stub
 * @e: the emulation
 * @runner: with which registers
 * @stub: what
 * @s: operands and result
 * @fp: the instruction heeds MXCSR
 *
 * Of floating-point exceptions that the guest has not masked the flags are set and
 * #XM comes instead of the result: those of the operands, if one of them is not masked, else
 * those of the result as well (SDM Vol. 1, 11.5.2 and 11.5.3).
 *
 * Return: OK or FAULT.
 */
int emul_simd_execute(struct umbra_emul *e, enum emul_simd_runner runner, const u8 *stub,
		      struct emul_simd *s, bool fp)
{
	u32 mxcsr, raised, unmasked;
	u8 fx[512];
	int ret;

	if (!fp) {
		run_masked(e, runner, stub, s, 0);
		return UMBRA_EMUL_OK;
	}
	ret = get_mxcsr(e, fx, &mxcsr);
	if (ret)
		return ret;
	if (s->rounding & EMUL_QUIET) {
		run_masked(e, runner, stub, s, mxcsr);
		return UMBRA_EMUL_OK;
	}
	raised = run_unmasked(e, runner, stub, s, mxcsr);
	unmasked = raised & ~(mxcsr >> 7);
	if (unmasked & MXCSR_OF_OPERANDS)
		raised &= MXCSR_OF_OPERANDS;
	if ((mxcsr & raised) != raised) {
		mxcsr |= raised;
		memcpy(fx + MXCSR_AT, &mxcsr, 4);
		ret = e->ops->fx(e, fx, true);
		if (ret)
			return ret;
	}
	if (unmasked)
		return emul_fault_noerr(e, e->r.cr4 & X86_CR4_OSXMMEXCPT ? EMUL_XM : EMUL_UD);
	return UMBRA_EMUL_OK;
}

static int load_vec(struct umbra_emul *e, struct emul_insn *in, const struct emul_operand *op,
		    u8 *buf, unsigned int bytes)
{
	if (op->type != EMUL_OT_ADDR)
		return e->ops->xmm(e, op->reg, buf, 16, false);
	if (bytes == 16 && emul_vec_misaligned(e, in))
		return emul_gp(e);
	return emul_read(e, in->mem.seg, in->mem.ea, buf, bytes, 0);
}

static int load_mmx(struct umbra_emul *e, struct emul_insn *in, const struct emul_operand *op,
		    u8 *buf, unsigned int bytes)
{
	u64 val = 0;
	int ret;

	if (op->type == EMUL_OT_ADDR)
		return emul_read(e, in->mem.seg, in->mem.ea, buf, bytes, 0);
	ret = emul_mmx_get(e, op->reg & 7, &val);
	memcpy(buf, &val, 8);
	return ret;
}

static int check(struct umbra_emul *e, bool mmx)
{
	if (!e->ops->fpu || !e->ops->xmm || !e->ops->fx)
		return emul_unhandled(e, "vector arithmetic");
	if (!mmx)
		return emul_fpu_check(e, true);
	if (e->r.cr0 & X86_CR0_EM)
		return emul_ud(e);
	return emul_fpu_check(e, false);
}

/**
 * emul_simd_flags() - what a comparison leaves in RFLAGS
 * @e: the emulation
 * @s: the stub has run
 */
void emul_simd_flags(struct umbra_emul *e, const struct emul_simd *s)
{
	const u64 written = X86_EFLAGS_ZF | X86_EFLAGS_PF | X86_EFLAGS_CF;

	e->r.rflags &= ~(u64)EMUL_FLAGS_STATUS;
	e->r.rflags |= s->flags & written;
}

static int run_mmx(struct umbra_emul *e, struct emul_insn *in, const struct plan *p)
{
	struct emul_simd s = { .gpr = 0 };
	u64 val;
	int ret;

	ret = load_mmx(e, in, &in->src, s.b, p->bytes);
	if (!ret)
		ret = emul_mmx_get(e, in->dst.reg & 7, &val);
	if (ret)
		return ret;
	memcpy(s.a, &val, 8);
	ret = emul_simd_execute(e, EMUL_RUN_MMX, p->stub, &s, false);
	if (ret)
		return ret;
	memcpy(&val, s.a, 8);
	return emul_mmx_put(e, in->dst.reg & 7, val);
}

static int run_xmm(struct umbra_emul *e, struct emul_insn *in, const struct plan *p)
{
	struct emul_simd s = { .gpr = 0 };
	int ret;

	ret = load_vec(e, in, &in->src, s.b, p->bytes);
	if (!ret)
		ret = e->ops->xmm(e, in->dst.reg, s.a, 16, false);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_XMM, p->stub, &s, p->fp);
	if (ret)
		return ret;
	if (!p->flags)
		return e->ops->xmm(e, in->dst.reg, s.a, 16, true);
	emul_simd_flags(e, &s);
	return UMBRA_EMUL_OK;
}

/* An operand of a conversion: a register of either kind, or memory. */
static int load_number(struct umbra_emul *e, struct emul_insn *in, struct emul_simd *s)
{
	bool to_vec = in->opcode == 0x2a;
	void *buf = to_vec ? (void *)&s->gpr : s->b;
	unsigned int size = to_vec ? in->rex & EMUL_REX_W : in->pp == EMUL_PP_F2;

	if (in->mod != 3)
		return emul_read(e, in->mem.seg, in->mem.ea, buf, size ? 8 : 4, 0);
	if (!to_vec)
		return e->ops->xmm(e, in->rm, buf, 16, false);
	s->gpr = e->r.gpr[in->rm];
	return UMBRA_EMUL_OK;
}

/*
 * CVTSI2SS, CVTSI2SD, and back, also of VEX: there the rest of the destination comes from
 * VEX.vvvv.  The MMX forms are in mmx.c.
 */
static int convert(struct umbra_emul *e, struct emul_insn *in)
{
	bool wide = in->rex & EMUL_REX_W, to_vec = in->opcode == 0x2a;
	bool vex = in->enc == EMUL_ENC_VEX;
	unsigned int which = (in->pp == EMUL_PP_F2) * 3 + (to_vec ? 0 : in->opcode - 0x2b);
	struct emul_simd s = { .gpr = 0 };
	u8 result[64] = { 0 };
	int ret;

	ret = check(e, false);
	if (!ret)
		ret = emul_vec_check(e, in);
	if (!ret && vex && !to_vec && in->vvvv)
		ret = emul_ud(e);
	if (!ret)
		ret = load_number(e, in, &s);
	if (!ret && to_vec)
		ret = e->ops->xmm(e, vex ? emul_vvvv(in) : in->reg, s.a, 16, false);
	if (!ret)
		ret = emul_simd_execute(e, EMUL_RUN_XMM,
					emul_stubs_cvt + (which * 2 + wide) * EMUL_STUB_SIZE, &s,
					true);
	if (ret)
		return ret;
	if (!to_vec) {
		emul_gpr_set(e, in->reg, wide ? 8 : 4, s.gpr);
		return UMBRA_EMUL_OK;
	}
	memcpy(result, s.a, 16);
	return e->ops->xmm(e, in->reg, result, vex ? 64 : 16, true);
}

static int vector_handler(struct umbra_emul *e, struct emul_insn *in)
{
	struct plan p;
	int ret;

	make_plan(in, &p);
	if (p.feature && !(e->features & p.feature))
		return emul_ud(e);
	ret = check(e, p.mmx);
	if (ret)
		return ret;
	return p.mmx ? run_mmx(e, in, &p) : run_xmm(e, in, &p);
}

/**
 * emul_simd_handler() - who executes a row without a handler
 * @in: the instruction
 *
 * Return: the handler, or NULL when nobody does.
 */
emul_handler *emul_simd_handler(const struct emul_insn *in)
{
	bool vex = in->enc == EMUL_ENC_VEX;
	emul_handler *fn;
	struct plan p;

	if (in->enc == EMUL_ENC_EVEX)
		return emul_evex_handler(in);
	if (!vex && in->enc != EMUL_ENC_LEGACY)
		return NULL;
	if (in->map == (vex ? 1 : 2) && in->pp >= EMUL_PP_F3 &&
	    (in->opcode == 0x2a || in->opcode == 0x2c || in->opcode == 0x2d))
		return convert;
	fn = emul_lanes_handler(in) ?: emul_elements_handler(in) ?: emul_text_handler(in) ?:
	     emul_mmx_handler(in) ?: emul_products_handler(in) ?: emul_gather_handler(in) ?:
	     emul_opmask_handler(in);
	if (fn)
		return fn;
	if (vex)
		return emul_vex_handler(in);
	return make_plan(in, &p) ? vector_handler : NULL;
}
