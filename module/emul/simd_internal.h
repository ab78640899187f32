/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: stubs of vector instructions
 *
 * Between simd.c and simd_stub.S.
 */
#ifndef UMBRA_EMUL_SIMD_INTERNAL_H
#define UMBRA_EMUL_SIMD_INTERNAL_H

#include "emul_internal.h"

/**
 * struct emul_simd - what a stub works on; simd_stub.h knows the layout
 * @a: xmm0, ymm0, zmm0 or mm0: first operand and result
 * @b: xmm1 or mm1: second operand; of VEX: VEX.vvvv
 * @c: ymm2: third operand of VEX and EVEX
 * @mxcsr: in and out
 * @flags: RFLAGS behind the instruction
 * @gpr: rax, in and out
 * @mask: k1
 * @result: k2
 * @rounding: EMUL_QUIET: no exceptions; EMUL_ROUND and a rounding mode, or 0: the guest's MXCSR tells
 */
struct emul_simd {
	u8 a[64];
	u8 b[64];
	u8 c[64];
	u32 mxcsr;
	u32 flags;
	u64 gpr;
	u64 mask;
	u64 result;
	u8 rounding;
};

#define EMUL_ROUND	4
#define EMUL_QUIET	8

static_assert(offsetof(struct emul_simd, mxcsr) == 192);
static_assert(offsetof(struct emul_simd, gpr) == 200);

#define EMUL_STUB_SIZE		16
#define EMUL_WIDE_STUB_SIZE	32

/* The register in VEX.vvvv; outside 64-bit mode its highest bit is ignored. */
static inline unsigned int emul_vvvv(const struct emul_insn *in)
{
	return in->mode == 64 ? in->vvvv : in->vvvv & 7;
}

/* The opcode map, as legacy encodings count it: VEX counts from 0F on. */
static inline unsigned int emul_vec_map(const struct emul_insn *in)
{
	return in->enc == EMUL_ENC_VEX ? in->map + 1 : in->map;
}

/* Is an operand in a general register one of 64 bits? */
static inline bool emul_vec_wide(const struct emul_insn *in)
{
	if (in->mode != 64)
		return false;
	return in->enc == EMUL_ENC_VEX ? in->vec_w : in->rex & EMUL_REX_W;
}

extern const u8 emul_stubs_0f[], emul_stubs_38[], emul_stubs_cmp[], emul_stubs_cvt[];
extern const u8 emul_stubs_round[], emul_stubs_pclmul[], emul_stubs_aes[];
extern const u8 emul_stubs_cvt_mmx[], emul_stubs_dot[], emul_stubs_sha[], emul_stubs_galois[], emul_stubs_3dnow[];

void emul_simd_run(const void *stub, struct emul_simd *s);
void emul_simd_run_mmx(const void *stub, struct emul_simd *s);

/* vex_stub.S */
extern const u8 emul_stubs_vex_0f[], emul_stubs_vex_38[], emul_stubs_vex_cmp[];
extern const u8 emul_stubs_vex_3a[];

void emul_vex_run(const void *stub, struct emul_simd *s);

/* evex_stub.S */
extern const u8 emul_stubs_evex[], emul_stubs_evex_cmp[];

void emul_evex_run(const void *stub, struct emul_simd *s);

/* evex.c */
emul_handler *emul_evex_handler(const struct emul_insn *in);
void emul_evex_scale(struct emul_insn *in, unsigned int unit);

/* evex_move.c */
emul_handler *emul_evex_move_handler(const struct emul_insn *in);
u64 emul_evex_ones(unsigned int n);
int emul_evex_load(struct umbra_emul *e, struct emul_insn *in, u8 *to, u64 mask, unsigned int n,
		   unsigned int size);
void emul_evex_merge(const struct emul_insn *in, u8 *result, const u8 *old, u64 mask,
		     unsigned int n, unsigned int size);

/* simd.c */
/* With which registers: emul_simd_run() and its relatives.  Direct calls: no ENDBR there. */
enum emul_simd_runner { EMUL_RUN_XMM, EMUL_RUN_MMX, EMUL_RUN_VEX, EMUL_RUN_EVEX };

int emul_simd_execute(struct umbra_emul *e, enum emul_simd_runner runner, const u8 *stub,
		      struct emul_simd *s, bool fp);
void emul_simd_flags(struct umbra_emul *e, const struct emul_simd *s);

/**
 * struct emul_lanes - operands that are worked on by lanes of 128 bits
 * @vex: VEX, not legacy
 * @len: bytes of a vector
 * @imm: the immediate
 * @a: first operand and result
 * @b: second operand
 */
struct emul_lanes {
	bool vex;
	unsigned int len;
	u8 imm;
	u8 a[32];
	u8 b[32];
};

/* lanes.c */
int emul_lanes_begin(struct umbra_emul *e, const struct emul_insn *in, struct emul_lanes *l,
		     u64 sse, u64 narrow, u64 wide);
emul_handler *emul_lanes_handler(const struct emul_insn *in);

/* opmask.c */
emul_handler *emul_opmask_handler(const struct emul_insn *in);
int emul_mask_get(struct umbra_emul *e, unsigned int reg, u64 *val);
int emul_mask_put(struct umbra_emul *e, unsigned int reg, u64 val);

/* mmx.c */
emul_handler *emul_mmx_handler(const struct emul_insn *in);

/* products.c */
emul_handler *emul_products_handler(const struct emul_insn *in);

/* gather.c */
emul_handler *emul_gather_handler(const struct emul_insn *in);

/* elements.c */
int emul_vec_store(struct umbra_emul *e, struct emul_insn *in, const u8 *vec, const u8 *mask,
		   unsigned int len, unsigned int size);
emul_handler *emul_elements_handler(const struct emul_insn *in);

/* text.c */
emul_handler *emul_text_handler(const struct emul_insn *in);

/* sse.c */
bool emul_vec_misaligned(struct umbra_emul *e, const struct emul_insn *in);
int emul_evex_check(struct umbra_emul *e, const struct emul_insn *in);
int emul_vec_check(struct umbra_emul *e, const struct emul_insn *in);
int emul_vec_source(struct umbra_emul *e, struct emul_insn *in, u8 *buf, unsigned int len);
int emul_vec_put(struct umbra_emul *e, const struct emul_insn *in, unsigned int reg, const u8 *vec,
		 unsigned int len);

#endif
