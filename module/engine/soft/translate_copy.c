// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, copied instructions
 *
 * Most instructions are copied byte by byte.  A RIP-relative operand is the one
 * thing that cannot be: the code is elsewhere, too far for 32 bits.  It
 * becomes an absolute address where that sign-extends from 32 bits (a SIB byte
 * without base and index, SDM Vol. 2A, table 2-3), as it does in the top 2 GiB, where
 * Linux has its kernel and its modules; else it goes through a register that
 * the instruction does not use:
 *
 *   [prefixes] [REX] opcode 00.reg.101 disp32            [imm]
 *   [prefixes] [REX] opcode 00.reg.100 00.100.101 disp32 [imm]
 *   [prefixes] [REX] opcode 00.reg.scratch               [imm]
 */
#include "translate_internal.h"

#define NO_SCRATCH	0xff

/* The address of a RIP-relative operand. */
static u64 operand_address(const struct tc_build *b)
{
	u64 addr = b->rip + b->in.len + b->in.disp;

	return b->in.asz ? addr & 0xffffffff : addr;
}

/* With a 67 prefix a disp32 is zero-extended in the end. */
static bool is_near(const struct tc_build *b, u64 addr)
{
	return b->in.asz || tc_sext32(addr);
}

/* RAX, RCX, RDX where an instruction uses them without saying so in ModRM. */
static u8 implicit_regs(const struct umbra_insn *in)
{
	const u8 a = SPILL(RAX), c = SPILL(RCX), d = SPILL(RDX);

	if (in->enc == UMBRA_ENC_VEX && in->map == 2 && in->opcode == 0xf6)
		return d;				/* MULX */
	if (in->map == (in->enc == UMBRA_ENC_LEGACY ? 4 : 3) &&
	    in->opcode >= 0x60 && in->opcode <= 0x63)
		return a | c | d;			/* PCMPxSTRx */
	if (in->enc != UMBRA_ENC_LEGACY)
		return 0;
	if (in->map == 1 && (in->opcode == 0xf6 || in->opcode == 0xf7))
		return a | d;				/* MUL, DIV */
	if (in->map == 1 && (in->opcode == 0xd2 || in->opcode == 0xd3))
		return c;				/* shifts by CL */
	if (in->map != 2)
		return 0;
	switch (in->opcode) {
	case 0xa5:
	case 0xad:					/* SHLD, SHRD by CL */
		return c;
	case 0xb0:
	case 0xb1:					/* CMPXCHG */
		return a;
	case 0xae:					/* XSAVE, XRSTOR */
		return a | d;
	case 0xc7:					/* CMPXCHG8B, XSAVEC */
		return a | c | d;
	}
	return 0;
}

/* Is ModRM.reg a part of the opcode? */
static bool reg_is_opcode(const struct umbra_insn *in)
{
	u8 op = in->opcode;

	if (in->enc != UMBRA_ENC_LEGACY)
		return false;
	if (in->map == 2)
		return op == 0xae || op == 0xba || (op >= 0x18 && op <= 0x1f);
	if (in->map != 1)
		return false;
	return (op >= 0x80 && op <= 0x83) || op == 0x8f || op >= 0xc0;
}

/* The register in ModRM.reg; 4..7 may be AH, CH, DH, BH as well. */
static u32 reg_bits(const struct umbra_insn *in)
{
	u32 bits = 1u << in->reg;

	if (in->enc == UMBRA_ENC_LEGACY && in->reg >= 4 && in->reg < 8)
		bits |= 1u << (in->reg - 4);
	return bits;
}

static u8 pick_scratch(const struct umbra_insn *in)
{
	u32 used = implicit_regs(in);
	u8 i;

	if (!reg_is_opcode(in))
		used |= reg_bits(in);
	if (in->enc != UMBRA_ENC_LEGACY)
		used |= 1u << in->vvvv;
	for (i = SOFT_SPILL_RAX; i <= SOFT_SPILL_RDX; i++)
		if (!(used & 1u << i))
			return i;
	return NO_SCRATCH;
}

/*
 * The bytes in front of ModRM, without the index and base bits that the new
 * operand has no use for: in REX they are the low two, in VEX, XOP and EVEX bits
 * 6 and 5 of the first byte after the escape, inverted.  C5 has neither.
 */
static void emit_head(struct tc_build *b)
{
	const struct umbra_insn *in = &b->in;
	u8 *head = b->out + b->pos;
	unsigned int op = in->modrm_off - 1;

	emit_bytes(b, b->code, in->modrm_off);
	if (in->enc == UMBRA_ENC_EVEX)
		head[op - 3] |= 0x60;
	else if (in->enc == UMBRA_ENC_XOP)
		head[op - 2] |= 0x60;
	else if (in->enc == UMBRA_ENC_VEX && op >= 3 && head[op - 3] == 0xc4)
		head[op - 2] |= 0x60;
	else if (in->enc == UMBRA_ENC_LEGACY && in->rex & (UMBRA_REX_X | UMBRA_REX_B))
		head[op - in->map + (in->map == 4)] &= ~(UMBRA_REX_X | UMBRA_REX_B);
}

static void emit_tail(struct tc_build *b)
{
	unsigned int at = b->in.disp_off + b->in.disp_len;

	emit_bytes(b, b->code + at, b->in.len - at);
}

static void emit_absolute(struct tc_build *b, u64 addr)
{
	emit_head(b);
	emit_u8(b, (b->in.modrm & 0x38) | 4);
	emit_u8(b, 0x25);
	emit_u32(b, addr);
	emit_tail(b);
}

static void emit_through(struct tc_build *b, u64 addr, u8 scratch)
{
	emit_spill(b, scratch);
	emit_mark(b, 0, BIT(scratch));
	emit_mov_imm(b, scratch, addr);
	emit_head(b);
	emit_u8(b, (b->in.modrm & 0x38) | scratch);
	emit_tail(b);
	emit_mark(b, TC_MARK_MIDDLE, BIT(scratch));
	emit_reload(b, scratch);
}

/**
 * emit_copy() - copy an instruction
 * @b: the block
 *
 * Return: 0; -EINVAL: no register is free for a far address.
 */
int emit_copy(struct tc_build *b)
{
	u64 addr;
	u8 scratch;

	if (!b->in.rip_relative) {
		emit_code(b);
		return 0;
	}
	addr = operand_address(b);
	if (is_near(b, addr) && b->in.len < 15) {
		emit_absolute(b, addr);
		return 0;
	}
	scratch = pick_scratch(&b->in);
	if (scratch == NO_SCRATCH)
		return -EINVAL;
	emit_through(b, addr, scratch);
	return 0;
}

/**
 * emit_lea() - translate LEA: of a RIP-relative address it is a constant
 * @b: the block
 */
void emit_lea(struct tc_build *b)
{
	u64 addr;

	if (!b->in.rip_relative) {
		emit_code(b);
		return;
	}
	addr = operand_address(b);
	if (b->in.opsize == 2) {
		emit_u8(b, 0x66);
		if (b->in.reg >= 8)
			emit_u8(b, 0x40 | UMBRA_REX_B);
		emit_u8(b, 0xb8 | (b->in.reg & 7));
		emit_u16(b, addr);
		return;
	}
	emit_mov_imm(b, b->in.reg, b->in.opsize == 4 ? addr & 0xffffffff : addr);
}

/* An instruction with the guest's own ModRM, but for the register, and what follows it. */
static void emit_with_operand(struct tc_build *b, u8 opcode, u8 reg)
{
	const struct umbra_insn *in = &b->in;

	emit_u8(b, 0x48 | (in->rex & (UMBRA_REX_X | UMBRA_REX_B)) |
		   (reg >= 8 ? UMBRA_REX_R : 0));
	emit_u8(b, opcode);
	emit_u8(b, (in->modrm & 0xc7) | (reg & 7) << 3);
	emit_bytes(b, b->code + in->modrm_off + 1, in->len - in->modrm_off - 1);
}

/**
 * emit_lea_operand() - emit the load of the address of the instruction's memory operand
 * @b: the block; the instruction has no immediate
 * @reg: register 0..7, which may be used for the address, too
 */
void emit_lea_operand(struct tc_build *b, u8 reg)
{
	if (b->in.rip_relative) {
		emit_mov_imm(b, reg, operand_address(b));
		return;
	}
	if (b->in.asz)
		emit_u8(b, 0x67);
	emit_with_operand(b, 0x8d, reg);
}

/**
 * emit_load_operand() - emit MOV R11, the memory operand of the instruction
 * @b: the block
 *
 * R11 may be used for the address, too.
 */
void emit_load_operand(struct tc_build *b)
{
	const struct umbra_insn *in = &b->in;
	u64 addr = in->rip_relative ? operand_address(b) : 0;
	bool far = in->rip_relative && !is_near(b, addr);

	if (far)
		emit_mov_imm(b, UMBRA_R11, addr);
	if (in->seg != UMBRA_NO_SEG)
		emit_u8(b, in->seg == UMBRA_FS ? 0x64 : 0x65);
	if (in->asz && !far)
		emit_u8(b, 0x67);
	if (far) {
		/* MOV R11, [R11] */
		emit_bytes(b, (u8 []){ 0x4d, 0x8b, 0x1b }, 3);
	} else if (in->rip_relative) {
		emit_bytes(b, (u8 []){ 0x4c, 0x8b, 0x1c, 0x25 }, 4);
		emit_u32(b, addr);
	} else {
		emit_with_operand(b, 0x8b, UMBRA_R11);
	}
}
