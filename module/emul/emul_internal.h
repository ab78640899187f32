/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: emulator internals
 *
 * What the files of this folder share: the decoded instruction, the helpers
 * that reach memory and registers, and the table of handlers.  Nothing here is
 * seen outside module/emul/.
 *
 * One instruction goes through five steps, each in its own file:
 *
 *   fetch and decode   emulate.c, decode.c     bytes -> struct emul_insn
 *   judge              emulate.c               #UD, #GP, LOCK rules
 *   load operands      emulate.c, operand.c    memory and registers -> val
 *   execute            one file a family       val -> val, e->r
 *   store and commit   emulate.c               val -> memory, e->r -> regs
 *
 * A handler, emul_op_NAME(), works on in->dst.val, in->src.val, in->src2.val
 * (zero-extended) and on the working registers e->r, and returns an enum
 * umbra_emul_result.  Nothing it does to e->r lasts unless it returns OK, HALT
 * or AGAIN.  It marks the groups of e->r that it changed, except the general
 * registers, in e->r.dirty.
 */
#ifndef UMBRA_EMUL_INTERNAL_H
#define UMBRA_EMUL_INTERNAL_H

#include <asm/processor-flags.h>

#include "umbra/emul.h"

/* EFER (APM Vol. 2, 3.1.7); the kernel's names live in a header not for us. */
#define EMUL_EFER_SCE		BIT_ULL(0)
#define EMUL_EFER_LME		BIT_ULL(8)
#define EMUL_EFER_LMA		BIT_ULL(10)

#define EMUL_DR6_BS		BIT_ULL(14)
#define EMUL_DR6_BD		BIT_ULL(13)
#define EMUL_DR7_GD		BIT_ULL(13)

#define EMUL_FLAGS_STATUS	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | \
				 X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)

/*
 * Internal outcome: somebody else changed memory under a locked access or a
 * descriptor.  Nothing is committed; the owner sees UMBRA_EMUL_AGAIN.
 */
#define EMUL_RETRY		0x100

/* Likewise: emul_event64() does not do this one. */
#define EMUL_NOT_PLAIN		0x101

/* Exception vectors (SDM Vol. 3A, 6.3.1). */
enum emul_vector {
	EMUL_DE = 0, EMUL_DB = 1, EMUL_BP = 3, EMUL_OF = 4, EMUL_BR = 5,
	EMUL_UD = 6, EMUL_NM = 7, EMUL_DF = 8, EMUL_TS = 10, EMUL_NP = 11,
	EMUL_SS = 12, EMUL_GP = 13, EMUL_PF = 14, EMUL_MF = 16, EMUL_AC = 17,
};

/* Where an operand is, after decoding. */
enum emul_optype {
	EMUL_OT_NONE,
	EMUL_OT_GPR,
	EMUL_OT_GPR_HIGH,	/* AH, CH, DH, BH: reg 0..3 */
	EMUL_OT_MEM,		/* in->mem, loaded and stored by the generic code */
	EMUL_OT_ADDR,		/* in->mem, left to the handler */
	EMUL_OT_IMM,
	EMUL_OT_SREG,
	EMUL_OT_CR,
	EMUL_OT_DR,
	EMUL_OT_VEC,		/* XMM, YMM, ZMM; never loaded by the generic code */
	EMUL_OT_MMX,
};

/**
 * struct emul_operand - one operand
 * @type: where it is
 * @size: bytes
 * @reg: register number
 * @val: value, zero-extended; immediates are sign-extended to 64 bits
 */
struct emul_operand {
	u8 type;
	u8 size;
	u8 reg;
	u64 val;
};

#define EMUL_NO_REG	0xff
#define EMUL_RIP_REG	0xfe

/**
 * struct emul_mem - the memory operand, as encoded
 * @seg: segment, override applied
 * @base: register, EMUL_NO_REG or EMUL_RIP_REG
 * @index: register or EMUL_NO_REG
 * @scale: shift count of @index
 * @disp: displacement, sign-extended (absolute address for MOV moffs)
 * @ea: effective address (offset), after emul_effective_address()
 */
struct emul_mem {
	u8 seg;
	u8 base;
	u8 index;
	u8 scale;
	u64 disp;
	u64 ea;
};

/* How the opcode was reached. */
enum emul_enc {
	EMUL_ENC_LEGACY,
	EMUL_ENC_VEX,
	EMUL_ENC_XOP,
	EMUL_ENC_EVEX,
};

/* Mandatory prefix, as VEX.pp counts them. */
enum emul_pp {
	EMUL_PP_NONE,
	EMUL_PP_66,
	EMUL_PP_F3,
	EMUL_PP_F2,
};

#define EMUL_REX_B	BIT(0)
#define EMUL_REX_X	BIT(1)
#define EMUL_REX_R	BIT(2)
#define EMUL_REX_W	BIT(3)

struct emul_opcode;

/**
 * struct emul_insn - a decoded instruction
 * @op: its row in the tables
 * @exec: handler that judge() has settled on
 * @mode: 16, 32 or 64
 * @amd: near branches take a 66 prefix in 64-bit mode
 * @enc: enum emul_enc
 * @map: 1 one-byte, 2 0F, 3 0F38, 4 0F3A; VEX, XOP, EVEX: mmmmm
 * @opcode: opcode byte
 * @len: length in bytes
 * @pp: enum emul_pp; F2 and F3 win over 66
 * @rep: 0, 0xf2 or 0xf3: the last one of the two
 * @osz: a 66 prefix is there
 * @asz: a 67 prefix is there
 * @lock: a LOCK prefix is there
 * @rex: EMUL_REX_* bits, from REX, VEX, XOP or EVEX
 * @vec_w: VEX.W in any mode, for vector instructions
 * @has_rex: a REX prefix is there (SPL instead of AH)
 * @seg: segment override or EMUL_NO_REG
 * @opsize: operand size in bytes: 2, 4 or 8
 * @adsize: address size in bytes: 2, 4 or 8
 * @modrm: ModRM byte
 * @modrm_off: its offset in the bytes
 * @mod: its mod field
 * @reg: its reg field, extended by REX.R
 * @rm: its rm field, extended by REX.B
 * @vl: vector length: 0 128, 1 256, 2 512 bits
 * @vvvv: the extra register, 0..31
 * @aaa: EVEX mask register
 * @evex_b: EVEX broadcast/rounding
 * @evex_z: EVEX zeroing
 * @evex_r: EVEX.R': register 16..31 in reg
 * @disp_off: offset of the displacement in the bytes, 0: none
 * @disp_len: its length
 * @imm_off: offset of the immediate in the bytes, 0: none
 * @mem: memory operand
 * @dst: first operand
 * @src: second operand
 * @src2: third operand
 * @shadow: UMBRA_SHADOW_* that the instruction leaves behind
 * @tf: a single-step trap follows the instruction
 * @keep_rf: RFLAGS.RF was loaded by the instruction
 * @no_store: the handler decided that the destination is not written
 */
struct emul_insn {
	const struct emul_opcode *op;
	int (*exec)(struct umbra_emul *e, struct emul_insn *in);
	u8 mode;
	bool amd;
	u8 enc;
	u8 map;
	u8 opcode;
	u8 len;
	u8 pp;
	u8 rep;
	bool osz;
	bool asz;
	bool lock;
	u8 rex;
	bool vec_w;
	bool has_rex;
	u8 seg;
	u8 opsize;
	u8 adsize;
	u8 modrm;
	u8 modrm_off;
	u8 mod;
	u8 reg;
	u8 rm;
	u8 vl;
	u8 vvvv;
	u8 aaa;
	bool evex_b;
	bool evex_z;
	bool evex_r;
	u8 disp_off;
	u8 disp_len;
	u8 imm_off;
	struct emul_mem mem;
	struct emul_operand dst;
	struct emul_operand src;
	struct emul_operand src2;
	u8 shadow;
	bool tf;
	bool keep_rf;
	bool no_store;
};

/**
 * typedef emul_handler - executes one instruction
 * @e: the emulation
 * @in: the decoded instruction, operands loaded
 *
 * Return: enum umbra_emul_result.
 */
typedef int emul_handler(struct umbra_emul *e, struct emul_insn *in);

/*
 * Operand kinds: where it is encoded (high nibble) and its size (low nibble),
 * after the letters of SDM Vol. 2D, appendix A.2.
 */
enum {
	OPK_NONE = 0x00,
	OPK_G = 0x10,		/* ModRM.reg, general register */
	OPK_E = 0x20,		/* ModRM.rm, general register or memory */
	OPK_M = 0x30,		/* ModRM.rm, memory only; address, not loaded */
	OPK_I = 0x40,		/* immediate */
	OPK_A = 0x50,		/* accumulator */
	OPK_Z = 0x60,		/* low bits of the opcode */
	OPK_J = 0x70,		/* relative branch target */
	OPK_O = 0x80,		/* absolute offset, no ModRM */
	OPK_S = 0x90,		/* segment register: ModRM.reg, or fixed */
	OPK_C = 0xa0,		/* control register */
	OPK_D = 0xb0,		/* debug register */
	OPK_X = 0xc0,		/* fixed: CL, DX, 1 */
	OPK_V = 0xd0,		/* ModRM.reg, vector register */
	OPK_W = 0xe0,		/* ModRM.rm, vector register or memory */
	OPK_B = 0xf0,		/* VEX.vvvv, general register */

	OPZ_B = 1,		/* byte */
	OPZ_W = 2,		/* word */
	OPZ_D = 3,		/* doubleword */
	OPZ_Q = 4,		/* quadword */
	OPZ_V = 5,		/* operand size */
	OPZ_Z = 6,		/* 2 or 4 by operand size */
	OPZ_Y = 7,		/* 4, or 8 with REX.W */
	OPZ_DQ = 8,		/* 16 bytes */
	OPZ_SB = 9,		/* byte, sign-extended to the operand size */
	OPZ_N = 10,		/* native: 8 in 64-bit mode, else 4 */
	OPZ_X = 11,		/* vector length */
	OPZ_P = 12,		/* far pointer: offset and selector */
	OPZ_MW = 13,		/* register: operand size; memory: word */
	OPZ_MM = 14,		/* MMX register or 8 bytes of memory */
};

/* Rows' flags. */
#define OPF_MODRM	BIT(0)
#define OPF_STORE	BIT(1)	/* first operand is written */
#define OPF_LOAD	BIT(2)	/* first operand is read */
#define OPF_RMW		(OPF_LOAD | OPF_STORE)
#define OPF_LOCK	BIT(3)	/* LOCK allowed with a memory destination */
#define OPF_NO64	BIT(4)	/* invalid in 64-bit mode */
#define OPF_ONLY64	BIT(5)	/* valid in 64-bit mode only */
#define OPF_D64		BIT(6)	/* operand size 64 by default in 64-bit mode */
#define OPF_F64		BIT(7)	/* operand size forced to 64 in 64-bit mode */
#define OPF_PRIV	BIT(8)	/* CPL 0, else #GP(0) */
#define OPF_PROT	BIT(9)	/* #UD in real and virtual-8086 mode */
#define OPF_SUB_REG	(1u << 10)	/* sub-table by ModRM.reg */
#define OPF_SUB_PP	(2u << 10)	/* sub-table by mandatory prefix */
#define OPF_SUB_MOD	(3u << 10)	/* sub-table: memory, register */
#define OPF_SUB_RM	(4u << 10)	/* sub-table by ModRM.rm */
#define OPF_SUB_MODE	(5u << 10)	/* sub-table: legacy, 64-bit */
#define OPF_SUB_W	(6u << 10)	/* sub-table by REX.W */
#define OPF_SUB		(7u << 10)
#define OPF_PP		BIT(13)	/* only the mandatory prefixes below */
#define OPF_MEM		BIT(14)	/* ModRM.mod must not be 3 */
#define OPF_REG		BIT(15)	/* ModRM.mod must be 3 */
#define OPF_NP		(BIT(16) | OPF_PP)
#define OPF_66		(BIT(17) | OPF_PP)
#define OPF_F3		(BIT(18) | OPF_PP)
#define OPF_F2		(BIT(19) | OPF_PP)
#define OPF_PP_SHIFT	16
#define OPF_XLOCK	BIT(20)	/* locked without the prefix (XCHG) */
#define OPF_L0		BIT(21)	/* VEX.L must be 0 */
#define OPF_L1		BIT(22)	/* VEX.L must be 1 */
#define OPF_W0		BIT(23)	/* VEX.W must be 0 */
#define OPF_W1		BIT(24)	/* VEX.W must be 1 */
#define OPF_VVVV	BIT(25)	/* VEX.vvvv is an operand (else must be 1111) */
#define OPF_VSIB	BIT(26)	/* SIB with vector index */
#define OPF_VALID	BIT(27)	/* a row (a zero row is invalid) */
#define OPF_MODFREE	BIT(28)	/* ModRM.mod is ignored: always a register */
#define OPF_BITS	BIT(29)	/* a memory operand is a bit string (BT r/m, r) */
#define OPF_SRC2	BIT(30)	/* second operand is written, too */
#define OPF_CHECK	BIT(31)	/* x87, 3DNow!: emul_row_exists() has the rest */

/**
 * struct emul_opcode - a row of the opcode tables
 * @exec: handler, NULL: decoded only
 * @sub: sub-table when OPF_SUB is set
 * @flags: OPF_* bits
 * @op: operand kinds, OPK_* | OPZ_*
 * @feat: 1 + number of the UMBRA_EMUL_F_* bit that offers it; 0 always there
 */
struct emul_opcode {
	union {
		emul_handler *exec;
		const struct emul_opcode *sub;
	};
	u32 flags;
	u8 op[3];
	u8 feat;
};

extern const struct emul_opcode emul_map_1[256];
extern const struct emul_opcode emul_map_0f[256];
extern const struct emul_opcode emul_map_0f38[256];
extern const struct emul_opcode emul_map_0f3a[256];

/* decode.c */
#define EMUL_DECODE_AMD		BIT(0)

int emul_decode(struct emul_insn *in, const u8 *buf, unsigned int len,
		unsigned int mode, unsigned int flags);

/* decode_ext.c */
const struct emul_opcode *emul_ext_row(const struct emul_insn *in);
bool emul_row_exists(const struct emul_insn *in);

/* operand.c */
u64 emul_effective_address(struct umbra_emul *e, struct emul_insn *in);
bool emul_misaligned(const struct umbra_emul *e, const struct emul_insn *in,
		     unsigned int len);
int emul_linear(struct umbra_emul *e, unsigned int seg, u64 off,
		unsigned int len, unsigned int acc, gva_t *gva);
int emul_read_unit(struct umbra_emul *e, unsigned int seg, u64 off, void *buf,
		   unsigned int len, unsigned int acc, unsigned int unit);
int emul_write_unit(struct umbra_emul *e, unsigned int seg, u64 off,
		    const void *buf, unsigned int len, unsigned int unit);
int emul_read(struct umbra_emul *e, unsigned int seg, u64 off, void *buf,
	      unsigned int len, unsigned int acc);
int emul_write(struct umbra_emul *e, unsigned int seg, u64 off,
	       const void *buf, unsigned int len);
int emul_probe(struct umbra_emul *e, unsigned int seg, u64 off, unsigned int len);
int emul_read_sys(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		  unsigned int acc);
int emul_write_sys(struct umbra_emul *e, gva_t gva, const void *buf,
		   unsigned int len);
int emul_read_far(struct umbra_emul *e, struct emul_insn *in, unsigned int n,
		  u64 *off, u16 *sel);
int emul_load_operand(struct umbra_emul *e, struct emul_insn *in,
		      struct emul_operand *op, unsigned int acc);
int emul_store_operand(struct umbra_emul *e, struct emul_insn *in,
		       const struct emul_operand *op);
int emul_cmpxchg_mem(struct umbra_emul *e, struct emul_insn *in,
		     const void *old, const void *new_val, unsigned int len,
		     bool *swapped);

/* emulate.c */
int emul_begin(struct umbra_emul *e);
void emul_commit(struct umbra_emul *e);

/* alu.c */
u64 emul_add(struct umbra_emul *e, u64 a, u64 b, unsigned int carry,
	     unsigned int size);
u64 emul_sub(struct umbra_emul *e, u64 a, u64 b, unsigned int borrow,
	     unsigned int size);
void emul_set_szp(struct umbra_emul *e, u64 res, unsigned int size);
u64 emul_logic(struct umbra_emul *e, u64 res, unsigned int size);

/* stack.c */
unsigned int emul_stack_size(const struct umbra_emul *e);
void emul_sp_set(struct umbra_emul *e, u64 sp);
int emul_push_block(struct umbra_emul *e, const void *buf, unsigned int count,
		    unsigned int n);
int emul_push(struct umbra_emul *e, u64 val, unsigned int size);
int emul_peek(struct umbra_emul *e, unsigned int at, void *buf,
	      unsigned int count, unsigned int n);
int emul_pop(struct umbra_emul *e, u64 *val, unsigned int size);

/* flow.c */
int emul_jump(struct umbra_emul *e, u64 target, unsigned int opsize);
bool emul_condition(const struct umbra_emul *e, unsigned int cc);

/* segload.c */
/**
 * struct emul_desc - a descriptor as read from a table
 * @lo: bytes 0..7
 * @hi: bytes 8..15 (long-mode system descriptors), else 0
 * @gva: linear address where it was read
 */
struct emul_desc {
	u64 lo;
	u64 hi;
	gva_t gva;
};

#define EMUL_TYPE_ACCESSED	BIT(0)
#define EMUL_TYPE_WRITE		BIT(1)	/* data: writable; code: readable */
#define EMUL_TYPE_CONFORMING	BIT(2)
#define EMUL_TYPE_CODE		BIT(3)

void emul_sreg_real(struct umbra_emul *e, unsigned int sreg, u16 sel);
int emul_desc_read(struct umbra_emul *e, u16 sel, struct emul_desc *d,
		   unsigned int vector);
int emul_desc_set_type(struct umbra_emul *e, struct emul_desc *d, u8 bits);
void emul_desc_to_seg(const struct emul_desc *d, u16 sel, struct umbra_seg *s);
int emul_sreg_load(struct umbra_emul *e, unsigned int sreg, u16 sel);
int emul_sreg_check(struct umbra_emul *e, unsigned int sreg, u16 sel,
		    unsigned int cpl, unsigned int vector, u32 ext,
		    struct umbra_seg *out);
void emul_sreg_set(struct umbra_emul *e, unsigned int sreg,
		   const struct umbra_seg *s);

/* transfer.c */
int emul_cs_check(struct umbra_emul *e, u16 sel, const struct emul_desc *d,
		  unsigned int cpl, bool ret);
void emul_cs_set(struct umbra_emul *e, const struct emul_desc *d, u16 sel,
		 unsigned int cpl);
int emul_tss_stack(struct umbra_emul *e, unsigned int cpl, u16 *ss, u64 *sp);

/* event64.c */
int emul_event64(struct umbra_emul *e, u8 vector, bool has_error, u32 error_code);

/* interrupt.c */
int emul_deliver(struct umbra_emul *e, u8 vector, bool soft, bool has_error,
		 u32 error_code);

/* watch.c */
int emul_watch_code(struct umbra_emul *e);
void emul_watch_data(struct umbra_emul *e, gva_t gva, unsigned int len,
		     bool write);
void emul_watch_port(struct umbra_emul *e, u16 port, unsigned int size);

/* io.c */
int emul_io_check(struct umbra_emul *e, u16 port, unsigned int size);

/* simd.c */
emul_handler *emul_simd_handler(const struct emul_insn *in);

/* vex.c */
emul_handler *emul_vex_handler(const struct emul_insn *in);

/* x87.c */
int emul_fpu_check(struct umbra_emul *e, bool sse);
int emul_mmx_peek(struct umbra_emul *e, unsigned int reg, u64 *val);
int emul_mmx_get(struct umbra_emul *e, unsigned int reg, u64 *val);
int emul_mmx_put(struct umbra_emul *e, unsigned int reg, u64 val);

/**
 * emul_mask() - all ones in @size bytes
 * @size: 1, 2, 4 or 8
 */
static inline u64 emul_mask(unsigned int size)
{
	return ~0ull >> (64 - 8 * size);
}

/**
 * emul_sign() - the sign bit of an operand of @size bytes
 * @size: 1, 2, 4 or 8
 */
static inline u64 emul_sign(unsigned int size)
{
	return 1ull << (8 * size - 1);
}

/**
 * emul_sext() - sign-extend from @size bytes
 * @val: value; bits above @size bytes are ignored
 * @size: 1, 2, 4 or 8
 */
static inline u64 emul_sext(u64 val, unsigned int size)
{
	unsigned int sh = 64 - 8 * size;

	return (u64)((s64)(val << sh) >> sh);
}

static inline u64 emul_gpr(const struct umbra_emul *e, unsigned int reg,
			   unsigned int size)
{
	return e->r.gpr[reg] & emul_mask(size);
}

/**
 * emul_gpr_set() - write a general register as the processor does
 * @e: the emulation
 * @reg: enum umbra_gpr
 * @size: bytes; 4 clears the upper half, 1 and 2 keep the rest
 * @val: value
 */
static inline void emul_gpr_set(struct umbra_emul *e, unsigned int reg,
				unsigned int size, u64 val)
{
	u64 m = emul_mask(size);

	if (size >= 4)
		e->r.gpr[reg] = val & m;
	else
		e->r.gpr[reg] = (e->r.gpr[reg] & ~m) | (val & m);
}

static inline bool emul_prot(const struct umbra_emul *e)
{
	return e->r.cr0 & X86_CR0_PE;
}

/**
 * emul_fault() - record an exception with an error code
 * @e: the emulation
 * @vector: exception
 * @error_code: pushed in protected mode; real mode pushes none
 *
 * Return: UMBRA_EMUL_FAULT.
 */
static inline int emul_fault(struct umbra_emul *e, u8 vector, u32 error_code)
{
	e->fault = (struct umbra_fault){
		.vector = vector,
		.has_error = emul_prot(e),
		.error_code = error_code,
	};
	return UMBRA_EMUL_FAULT;
}

/**
 * emul_fault_noerr() - record an exception without an error code
 * @e: the emulation
 * @vector: exception
 *
 * Return: UMBRA_EMUL_FAULT.
 */
static inline int emul_fault_noerr(struct umbra_emul *e, u8 vector)
{
	e->fault = (struct umbra_fault){ .vector = vector };
	return UMBRA_EMUL_FAULT;
}

/**
 * emul_unhandled() - stop at something that is not implemented
 * @e: the emulation
 * @reason: static string
 *
 * Return: UMBRA_EMUL_UNHANDLED.
 */
static inline int emul_unhandled(struct umbra_emul *e, const char *reason)
{
	e->reason = reason;
	return UMBRA_EMUL_UNHANDLED;
}

static inline bool emul_v86(const struct umbra_emul *e)
{
	return emul_prot(e) && (e->r.rflags & X86_EFLAGS_VM);
}

/* Real mode or virtual-8086 mode: selectors are paragraphs. */
static inline bool emul_real_or_v86(const struct umbra_emul *e)
{
	return !emul_prot(e) || (e->r.rflags & X86_EFLAGS_VM);
}

/* Is the linear address canonical?  CR4.LA57 decides the width. */
static inline bool emul_canonical(const struct umbra_emul *e, u64 addr)
{
	return umbra_canonical(addr, unlikely(e->r.cr4 & X86_CR4_LA57) ? 57 : 48);
}

static inline bool emul_lma(const struct umbra_emul *e)
{
	return e->r.efer & EMUL_EFER_LMA;
}

static inline bool emul_mode64(const struct umbra_emul *e)
{
	return emul_lma(e) && (e->r.seg[UMBRA_CS].attr & UMBRA_SEG_L);
}

static inline unsigned int emul_iopl(const struct umbra_emul *e)
{
	return (e->r.rflags >> X86_EFLAGS_IOPL_BIT) & 3;
}

static inline unsigned int emul_seg_dpl(const struct umbra_seg *s)
{
	return (s->attr & UMBRA_SEG_DPL) >> UMBRA_SEG_DPL_SHIFT;
}

static inline void emul_flag_put(struct umbra_emul *e, u64 flag, bool on)
{
	if (on)
		e->r.rflags |= flag;
	else
		e->r.rflags &= ~flag;
}

/* Is any breakpoint enabled? */
static inline bool emul_watching(const struct umbra_emul *e)
{
	return unlikely(e->r.dr7 & 0xff);
}

static inline int emul_gp(struct umbra_emul *e)
{
	return emul_fault(e, EMUL_GP, 0);
}

static inline int emul_ud(struct umbra_emul *e)
{
	return emul_fault_noerr(e, EMUL_UD);
}

#include "handlers_internal.h"

#endif
