// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, which instructions are sensitive
 *
 * The one list of instructions that may not run at CPL 3 as they are, because
 * they trap there or because they do something else than at CPL 0.  What is
 * not in it is copied.  VEX and EVEX have none; SDM Vol. 2D, appendix A.
 */
#include "translate_internal.h"

/* A row is an action, or the enum soft_op of a callout. */
#define OUT(kind)	(0x80 | SOFT_OP_##kind)

static const u8 map_1[256] = {
	[0x6c ... 0x6f] = OUT(IO),
	[0x70 ... 0x7f] = TC_JCC,
	[0x8c] = TC_MOV_SREG,
	[0x8d] = TC_LEA,
	[0x8e] = OUT(MOV_SREG),
	[0x9c] = TC_PUSHF,
	[0x9d] = OUT(POPF),
	[0xc2] = TC_RET,
	[0xc3] = TC_RET,
	[0xca ... 0xcb] = OUT(OTHER),		/* RETF */
	[0xcc ... 0xce] = OUT(OTHER),		/* INT3, INT n, INTO */
	[0xcf] = OUT(IRET),
	[0xe0 ... 0xe3] = TC_LOOP,
	[0xe4 ... 0xe7] = OUT(IO),
	[0xe8] = TC_CALL,
	[0xe9] = TC_JMP,
	[0xeb] = TC_JMP,
	[0xec ... 0xef] = OUT(IO),
	[0xf1] = OUT(OTHER),			/* INT1 */
	[0xf4] = OUT(HLT),
	[0xfa] = TC_CLI,
	[0xfb] = TC_STI,
};

static const u8 map_0f[256] = {
	[0x00] = OUT(OTHER),			/* SLDT ... VERW */
	[0x02 ... 0x03] = OUT(OTHER),		/* LAR, LSL */
	[0x05] = OUT(OTHER),			/* SYSCALL */
	[0x06] = OUT(OTHER),			/* CLTS */
	[0x07] = OUT(SYSRET),
	[0x08 ... 0x0b] = OUT(OTHER),		/* INVD, WBINVD, UD2 */
	[0x20] = TC_MOV_FROM_CR,
	[0x21] = OUT(MOV_DR),
	[0x22] = OUT(MOV_CR),
	[0x23] = OUT(MOV_DR),
	[0x30] = OUT(WRMSR),
	[0x31] = TC_RDTSC,
	[0x32] = OUT(RDMSR),
	[0x33 ... 0x35] = OUT(OTHER),		/* RDPMC, SYSENTER, SYSEXIT */
	[0x37] = OUT(OTHER),			/* GETSEC */
	[0x80 ... 0x8f] = TC_JCC,
	[0xa0] = OUT(OTHER),			/* PUSH FS */
	[0xa1] = OUT(MOV_SREG),
	[0xa2] = OUT(CPUID),
	[0xa8] = OUT(OTHER),			/* PUSH GS */
	[0xa9] = OUT(MOV_SREG),
	[0xaa] = OUT(OTHER),			/* RSM */
	[0xb2] = OUT(MOV_SREG),			/* LSS, LFS, LGS */
	[0xb4 ... 0xb5] = OUT(MOV_SREG),
};

/* 0F 01: SGDT ... INVLPG with memory, a crowd with registers. */
static u8 group_7(const struct soft_tc *tc, const struct umbra_insn *in)
{
	if (in->mod != 3)
		return (in->modrm >> 3 & 7) == 7 ? TC_INVLPG : OUT(OTHER);
	switch (in->modrm) {
	case 0xd0:	/* XGETBV */
		return TC_COPY;
	case 0xe8:
		return tc->c.serialize ? TC_SERIALIZE : OUT(OTHER);
	case 0xf8:
		return tc->c.swapgs ? TC_SWAPGS : OUT(OTHER);
	case 0xf9:
		return tc->c.rdtscp ? TC_RDTSCP : OUT(OTHER);
	}
	return OUT(OTHER);
}

/* 0F AE: RDFSBASE and its kind; the rest is for everybody.  GS has the guest's base. */
static u8 group_15(const struct soft_tc *tc, const struct umbra_insn *in)
{
	if (in->mod != 3 || in->rep != 0xf3)
		return TC_COPY;
	if (!tc->c.fsgsbase)
		return OUT(OTHER);
	switch (in->modrm >> 3 & 7) {
	case 0:
		return TC_RDFSBASE;
	case 2:
		return TC_WRFSBASE;
	}
	return TC_COPY;
}

/* 0F C7: CMPXCHG8B, XSAVEC, RDRAND, RDSEED; XSAVES and VMX; RDPID. */
static u8 group_9(const struct soft_tc *tc, const struct umbra_insn *in)
{
	u8 reg = in->modrm >> 3 & 7;

	if (in->mod == 3 && in->rep == 0xf3)
		return tc->c.rdpid && reg == 7 ? TC_RDPID : OUT(OTHER);
	if (in->mod != 3 && reg != 1 && reg != 4)
		return OUT(OTHER);
	return TC_COPY;
}

static u8 legacy_row(const struct soft_tc *tc, const struct umbra_insn *in)
{
	u8 reg = in->modrm >> 3 & 7;

	if (in->map == 1) {
		if (in->opcode == 0xff && (reg == 2 || reg == 4))
			return reg == 2 ? TC_CALL_IND : TC_JMP_IND;
		if (in->opcode == 0xff && (reg == 3 || reg == 5))
			return OUT(OTHER);
		return map_1[in->opcode];
	}
	if (in->map != 2)
		return TC_COPY;
	switch (in->opcode) {
	case 0x01:
		return group_7(tc, in);
	case 0xae:
		return group_15(tc, in);
	case 0xc7:
		return group_9(tc, in);
	}
	return map_0f[in->opcode];
}

/* A memory operand, as far as an encoding says so, with FS: its real base is the engine's. */
static bool by_fs(const struct umbra_insn *in)
{
	return in->seg == UMBRA_FS && !(in->has_modrm && in->mod == 3);
}

/* Forms for which an action has no code. */
static bool action_takes(const struct soft_tc *tc, const struct umbra_insn *in,
			 u8 action)
{
	switch (action) {
	case TC_COPY:
		return !by_fs(in);
	case TC_LEA:
		return !in->lock;
	case TC_JMP_IND:
	case TC_CALL_IND:
		return !in->lock && !in->osz && !by_fs(in);
	case TC_MOV_SREG:
		return !in->lock && in->mod == 3;
	case TC_MOV_FROM_CR:
		/* CR8 is the local APIC's. */
		return !in->lock && in->mod == 3 && in->reg <= 4 && in->reg != 1;
	case TC_INVLPG:
		/* FS and GS have bases. */
		return !in->lock && in->seg != UMBRA_FS && in->seg != UMBRA_GS;
	case TC_RDTSC:
		return !in->lock && tc->c.rdtsc;
	case TC_RDPID:
	case TC_RDFSBASE:
	case TC_WRFSBASE:
	case TC_SERIALIZE:
	case TC_SWAPGS:
	case TC_RDTSCP:
	case TC_CLI:
	case TC_STI:
		return !in->lock;
	}
	/* branches and PUSHF: what a 66 prefix does to them depends on the maker */
	return !in->lock && !in->osz;
}

/* Exits that the switcher may answer: returns to 64-bit code. */
static u8 service(const struct soft_tc *tc, const struct umbra_insn *in, u8 op)
{
	if (!tc->c.services || in->opsize != 8 || in->lock)
		return TC_CALLOUT;
	if (op == SOFT_OP_SYSRET)
		return TC_SYSRET;
	return op == SOFT_OP_IRET ? TC_IRET : TC_CALLOUT;
}

/* Most instructions: of the one-byte map, in no list, and with nothing odd about them. */
static bool plain_copy(const struct umbra_insn *in)
{
	return in->map == 1 && map_1[in->opcode] == TC_COPY && in->opcode != 0xff &&
	       in->enc == UMBRA_ENC_LEGACY && in->seg != UMBRA_FS &&
	       !in->undefined && !in->privileged;
}

/**
 * tc_uses_r11() - does an instruction name R11
 * @in: the instruction
 * @code: its bytes
 *
 * Return: yes; also where the field is no general register.
 */
bool tc_uses_r11(const struct umbra_insn *in, const u8 *code)
{
	if (in->enc != UMBRA_ENC_LEGACY && (in->vvvv & 15) == UMBRA_R11)
		return true;
	if (!in->has_modrm)
		return in->rex & UMBRA_REX_B && (in->opcode & 7) == (UMBRA_R11 & 7);
	return (in->reg & 15) == UMBRA_R11 ||
	       tc_rm_is_r11(in->rex, code + in->modrm_off, in->mod != 3);
}

/**
 * tc_classify() - what becomes of an instruction
 * @tc: for the features
 * @in: the instruction
 * @op: enum soft_op, for a callout
 *
 * Return: enum tc_action.
 */
u8 tc_classify(const struct soft_tc *tc, const struct umbra_insn *in, u8 *op)
{
	u8 row;

	*op = SOFT_OP_OTHER;
	if (plain_copy(in))
		return TC_COPY;
	if (in->undefined)
		return TC_CALLOUT;
	/* XOP 09 12: LLWPCB, SLWPCB */
	if (in->enc != UMBRA_ENC_LEGACY)
		return by_fs(in) || (in->enc == UMBRA_ENC_XOP && in->opcode == 0x12) ?
		       TC_CALLOUT : TC_COPY;
	row = legacy_row(tc, in);
	if (row & 0x80) {
		*op = row & 0x7f;
		return service(tc, in, *op);
	}
	if (in->privileged && row == TC_COPY)
		return TC_CALLOUT;
	if (action_takes(tc, in, row))
		return row;
	if (row == TC_MOV_FROM_CR)
		*op = SOFT_OP_MOV_CR;
	else if (row == TC_INVLPG)
		*op = SOFT_OP_INVLPG;
	return TC_CALLOUT;
}

/* IN and OUT of a register; those with REX.W are seldom and odd. */
static u16 io_arg(const struct umbra_insn *in)
{
	u16 arg;

	if (in->opcode < 0xe4 || in->rex & UMBRA_REX_W)
		return 0;
	arg = in->opcode & 1 ? in->opsize : 1;
	if (!(in->opcode & 2))
		arg |= SOFT_ARG_IO_IN;
	if (in->opcode >= 0xec)
		return arg | SOFT_ARG_IO_DX;
	return arg | (in->imm & 0xff) << SOFT_ARG_IO_PORT;
}

/**
 * tc_callout_arg() - operands that spare the emulator
 * @in: an instruction that exits
 * @op: enum soft_op
 *
 * Return: SOFT_ARG_*, or 0.
 */
u16 tc_callout_arg(const struct umbra_insn *in, u8 op)
{
	if (in->lock || in->undefined)
		return 0;
	if (op == SOFT_OP_IO)
		return io_arg(in);
	if (op == SOFT_OP_MOV_CR && in->opcode == 0x22 && in->mod == 3 && in->reg == 3)
		return SOFT_ARG_CR3 | in->rm;
	return 0;
}
