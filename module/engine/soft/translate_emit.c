// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, host instructions and marks
 *
 * Bytes into the cache, and into the marks what the guest's state is there.
 */
#include "translate_internal.h"

/**
 * emit_rip() - emit an instruction with an operand in the hole
 * @b: the block
 * @op: its prefixes and opcode
 * @n: bytes of them
 * @reg: ModRM.reg, or its low bits
 * @va: address of the operand, within 2 GiB
 * @imm: bytes of immediate that the caller emits afterwards
 */
void emit_rip(struct tc_build *b, const void *op, unsigned int n, u8 reg, u64 va,
	      unsigned int imm)
{
	b->fixups++;
	emit_bytes(b, op, n);
	emit_u8(b, (reg & 7) << 3 | 5);
	emit_u32(b, va - tc_va(b->tc, b->pos + 4 + imm));
}

static u8 rex_w_reg(u8 reg)
{
	return 0x48 | (reg >= 8 ? UMBRA_REX_R : 0);
}

/**
 * emit_load() - emit MOV reg, [va]
 * @b: the block
 * @reg: 64-bit register
 * @va: address in the hole
 */
void emit_load(struct tc_build *b, u8 reg, u64 va)
{
	emit_rip(b, (u8 []){ rex_w_reg(reg), 0x8b }, 2, reg, va, 0);
}

/**
 * emit_store() - emit MOV [va], reg
 * @b: the block
 * @reg: 64-bit register
 * @va: address in the hole
 */
void emit_store(struct tc_build *b, u8 reg, u64 va)
{
	emit_rip(b, (u8 []){ rex_w_reg(reg), 0x89 }, 2, reg, va, 0);
}

/* Spill slots 0..3 are RAX, RCX, RDX, RSP; their numbers differ for the last. */
static u8 spill_reg(u8 spill)
{
	return spill == SOFT_SPILL_RSP ? UMBRA_RSP : spill;
}

/**
 * emit_spill() - emit the store of a register to its spill slot
 * @b: the block
 * @spill: enum soft_spill
 */
void emit_spill(struct tc_build *b, u8 spill)
{
	emit_store(b, spill_reg(spill), VDATA(b, spill) + 8 * spill);
}

/**
 * emit_reload() - emit the load of a register from its spill slot
 * @b: the block
 * @spill: enum soft_spill
 */
void emit_reload(struct tc_build *b, u8 spill)
{
	emit_load(b, spill_reg(spill), VDATA(b, spill) + 8 * spill);
}

/**
 * emit_mov_imm() - emit MOV reg, imm in the shortest form
 * @b: the block
 * @reg: 64-bit register
 * @imm: value
 */
void emit_mov_imm(struct tc_build *b, u8 reg, u64 imm)
{
	u8 rex_b = reg >= 8 ? UMBRA_REX_B : 0;

	if (imm <= 0xffffffff) {
		if (rex_b)
			emit_u8(b, 0x40 | rex_b);
		emit_u8(b, 0xb8 | (reg & 7));
		emit_u32(b, imm);
	} else if (tc_sext32(imm)) {
		emit_bytes(b, (u8 []){ 0x48 | rex_b, 0xc7, 0xc0 | (reg & 7) }, 3);
		emit_u32(b, imm);
	} else {
		emit_bytes(b, (u8 []){ 0x48 | rex_b, 0xb8 | (reg & 7) }, 2);
		emit_u64(b, imm);
	}
}

static void put_mark(struct tc_build *b, u32 len)
{
	u8 *at = b->tc->marks + b->tc->nr_marks;

	at[0] = b->mark[0] | len;
	at[1] = b->mark[1];
	b->tc->nr_marks += 2;
}

/**
 * emit_mark_run() - end the open mark, whose run has bytes
 * @b: the block
 */
void emit_mark_run(struct tc_build *b)
{
	u32 n = b->pos - b->run;

	/* What is too long for one goes on, with nothing new. */
	for (; unlikely(n > TC_MARK_LEN); n -= TC_MARK_LEN) {
		put_mark(b, TC_MARK_LEN);
		if (b->mark[1] & 0xf)
			b->mark[1] = 0;
	}
	put_mark(b, n);
	b->run = b->pos;
}

/**
 * emit_mark_nothing() - the instruction of the open mark takes no code
 * @b: the block
 */
void emit_mark_nothing(struct tc_build *b)
{
	u8 *at = b->tc->marks + b->tc->nr_marks;

	at[0] = b->mark[0];
	at[1] = b->mark[1];
	b->tc->nr_marks += 2;
}

/**
 * emit_mark_insn() - from here on it is the guest instruction at b->rip, not begun
 * @b: the block
 */
void emit_mark_insn(struct tc_build *b)
{
	emit_mark_close(b);
	b->mark[0] = b->home ? 0 : TC_MARK_R11;
	b->mark[1] = b->in.len | (b->after_sti ? TC_MARK_STI : 0);
	b->insn_mark = b->mark[1];
	b->after_sti = false;
}

/**
 * emit_mark() - from here on it is inside the guest instruction
 * @b: the block
 * @middle: TC_MARK_MIDDLE or 0
 * @spilled: bits of enum soft_spill
 */
void emit_mark(struct tc_build *b, u8 middle, u8 spilled)
{
	emit_mark_close(b);
	b->mark[0] = middle | (b->home ? 0 : TC_MARK_R11);
	b->mark[1] = spilled << 4;
}

/**
 * emit_r11_home() - the instruction has to do with R11: it comes into the register
 * @b: the block
 *
 * That it is there is said from the next mark on.
 */
void emit_r11_home(struct tc_build *b)
{
	if (!b->home)
		emit_load(b, UMBRA_R11, VDATA(b, r11));
	b->home = true;
}

/**
 * emit_r11_away() - the register is wanted for something else: R11 goes to vdata
 * @b: the block; a mark begins
 * @spilled: bits of enum soft_spill
 */
void emit_r11_away(struct tc_build *b, u8 spilled)
{
	if (!b->home)
		return;
	emit_store(b, UMBRA_R11, VDATA(b, r11));
	b->home = false;
	emit_mark(b, 0, spilled);
}

/**
 * tc_vdata() - address of a field of struct soft_vdata
 * @b: the block
 * @off: its offset
 *
 * Return: address for the guest.
 */
u64 tc_vdata(const struct tc_build *b, size_t off)
{
	return b->tc->c.vdata_va + off;
}
