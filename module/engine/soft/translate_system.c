// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator, sensitive instructions in line
 *
 * Instructions that work on virtual state without leaving the cache.  The rule
 * for all of them: what may fault comes before anything that the guest can
 * see, and no flag is touched (MOV, LEA, MOVZX, JRCXZ leave them alone).
 */
#include "switch.h"
#include "translate_internal.h"

#define IF_ON	0x200

/* CLI, STI: one store.  STI's traps while an interrupt waits for it. */
static void emit_set_iff(struct tc_build *b, u16 iff)
{
	emit_rip(b, (u8 []){ 0x66, 0xc7 }, 2, 0, b->tc->c.vif_va, 2);
	emit_u16(b, iff);
}

/*
 * The real IF is always set.  While the virtual one is, PUSHF is itself;
 * else the flags are pushed into vdata, and from there, without IF, to the guest.
 *
 * The direct PUSHF of this sequence shows TF when it is single-stepped.  The
 * monitor never steps over it to finish an instruction: up to its end
 * nothing has been done.
 */
static void emit_pushf(struct tc_build *b)
{
	u64 image = VDATA(b, flags);
	u32 off, end;

	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	emit_rip(b, (u8 []){ 0x0f, 0xb7 }, 2, UMBRA_RCX, b->tc->c.vif_va, 0);
	emit_bytes(b, (u8 []){ 0xe3, 0 }, 2);
	off = b->pos;
	emit_reload(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, 0);
	emit_u8(b, 0x9c);
	emit_mark(b, TC_MARK_MIDDLE, 0);
	emit_bytes(b, (u8 []){ 0xeb, 0 }, 2);
	end = b->pos;

	b->out[off - 1] = b->pos - off;
	emit_mark(b, 0, SPILL(RCX));
	emit_spill(b, SOFT_SPILL_RSP);
	emit_mark(b, 0, SPILL(RCX) | SPILL(RSP));
	emit_rip(b, (u8 []){ 0x48, 0x8d }, 2, UMBRA_RSP, image + 8, 0);
	emit_u8(b, 0x9c);
	emit_reload(b, SOFT_SPILL_RSP);
	emit_mark(b, 0, SPILL(RCX));
	emit_rip(b, (u8 []){ 0x0f, 0xb6 }, 2, UMBRA_RCX, image + 1, 0);
	emit_bytes(b, (u8 []){ 0x8d, 0x49, (u8)-(IF_ON >> 8) }, 3);
	emit_rip(b, (u8 []){ 0x88 }, 1, UMBRA_RCX, image + 1, 0);
	emit_reload(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, 0);
	emit_rip(b, (u8 []){ 0xff }, 1, 6, image, 0);
	b->out[end - 1] = b->pos - end;
}

/* WRGSBASE cannot fault: the monitor keeps kernel_gs_base canonical. */
static void emit_swapgs(struct tc_build *b)
{
	emit_spill(b, SOFT_SPILL_RCX);
	emit_spill(b, SOFT_SPILL_RAX);
	emit_mark(b, 0, SPILL(RAX) | SPILL(RCX));
	emit_bytes(b, (u8 []){ 0xf3, 0x48, 0x0f, 0xae, 0xc9 }, 5);
	emit_load(b, UMBRA_RAX, VDATA(b, kernel_gs_base));
	emit_bytes(b, (u8 []){ 0xf3, 0x48, 0x0f, 0xae, 0xd8 }, 5);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RAX) | SPILL(RCX));
	emit_store(b, UMBRA_RCX, VDATA(b, kernel_gs_base));
	emit_reload(b, SOFT_SPILL_RAX);
	emit_reload(b, SOFT_SPILL_RCX);
}

/*
 * EDX:EAX to memory and back is how 32 and 32 bits become 64 without a shift,
 * and LEA adds.  RDTSCP waits for the instructions before it (SDM Vol. 2B).
 */
static void emit_rdtsc(struct tc_build *b, bool rdtscp)
{
	u64 low = VDATA(b, scratch), high = low + 4;

	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	if (rdtscp)
		emit_bytes(b, (u8 []){ 0x0f, 0xae, 0xe8 }, 3);
	emit_bytes(b, (u8 []){ 0x0f, 0x31 }, 2);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_rip(b, (u8 []){ 0x89 }, 1, UMBRA_RAX, low, 0);
	emit_rip(b, (u8 []){ 0x89 }, 1, UMBRA_RDX, high, 0);
	emit_load(b, UMBRA_RAX, low);
	emit_load(b, UMBRA_RCX, VDATA(b, tsc_offset));
	emit_bytes(b, (u8 []){ 0x48, 0x8d, 0x04, 0x08 }, 4);
	emit_store(b, UMBRA_RAX, low);
	emit_rip(b, (u8 []){ 0x8b }, 1, UMBRA_RAX, low, 0);
	emit_rip(b, (u8 []){ 0x8b }, 1, UMBRA_RDX, high, 0);
	if (rdtscp)
		emit_rip(b, (u8 []){ 0x8b }, 1, UMBRA_RCX, VDATA(b, tsc_aux), 0);
	else
		emit_reload(b, SOFT_SPILL_RCX);
}

static u8 rex_r(u8 reg)
{
	return 0x40 | (reg >= 8 ? UMBRA_REX_R : 0);
}

static void emit_rdfsbase(struct tc_build *b)
{
	u64 base = VDATA(b, fs_base);

	if (b->in.rex & UMBRA_REX_W)
		emit_load(b, b->in.rm, base);
	else
		emit_rip(b, (u8 []){ rex_r(b->in.rm), 0x8b }, 2, b->in.rm, base, 0);
}

/* The guest's own WRFSBASE judges the value; what it wrote is kept, and ours comes back. */
static void emit_wrfsbase(struct tc_build *b)
{
	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	emit_code(b);
	emit_mark(b, TC_MARK_MIDDLE, SPILL(RCX));
	emit_bytes(b, (u8 []){ 0xf3, 0x48, 0x0f, 0xae, 0xc1 }, 5);
	emit_store(b, UMBRA_RCX, VDATA(b, fs_base));
	emit_mov_imm(b, UMBRA_RCX, b->tc->c.window_va);
	emit_bytes(b, (u8 []){ 0xf3, 0x48, 0x0f, 0xae, 0xd1 }, 5);
	emit_reload(b, SOFT_SPILL_RCX);
}

/* MOV reg, Sreg: zero-extended, or 16 bits alone (SDM Vol. 2B, MOV). */
static void emit_mov_sreg(struct tc_build *b)
{
	u64 sel = VDATA(b, sel) + 2 * (b->in.reg & 7);
	u8 reg = b->in.rm;

	if (b->in.opsize == 2)
		emit_rip(b, (u8 []){ 0x66, rex_r(reg), 0x8b }, 3, reg, sel, 0);
	else
		emit_rip(b, (u8 []){ rex_r(reg), 0x0f, 0xb7 }, 3, reg, sel, 0);
}

/* Copy what is at [RSP + @at] or at [[@at]] to @va, by RCX, which is spilled. */
static void emit_from_stack(struct tc_build *b, u8 at, u64 va)
{
	emit_bytes(b, (u8 []){ 0x48, 0x8b, 0x4c, 0x24, at }, 5);
	emit_store(b, UMBRA_RCX, va);
}

static void emit_from_pointer(struct tc_build *b, u64 at, u64 va)
{
	emit_load(b, UMBRA_RCX, at);
	emit_bytes(b, (u8 []){ 0x48, 0x8b, 0x09 }, 3);
	emit_store(b, UMBRA_RCX, va);
}

/*
 * All that the switcher will look at is read here, where a fault is the guest's:
 * the frame of IRETQ and the two descriptors that it should load.
 */
static void emit_iret_frame(struct tc_build *b)
{
	unsigned int i;

	for (i = 0; i < 5; i++)
		emit_from_stack(b, 8 * i, VDATA(b, iret) + 8 * i);
	for (i = 0; i < 2; i++)
		emit_from_pointer(b, VDATA(b, gdt) + 8 * i, VDATA(b, desc) + 8 * i);
}

/*
 * DOC: translator, the way to user code
 *
 * IRETQ and SYSRET become a SYSCALL of their own, which is the cheapest way from
 * CPL 3 into the switcher.  It overwrites RCX and R11: they are in vdata before.
 */

/**
 * emit_service() - translate IRETQ or SYSRET: the switcher may do it
 * @b: the block
 * @action: TC_IRET or TC_SYSRET
 */
void emit_service(struct tc_build *b, u8 action)
{
	bool iret = action == TC_IRET;

	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	if (iret)
		emit_iret_frame(b);
	emit_r11_away(b, SPILL(RCX));
	emit_rip(b, (u8 []){ 0xc6 }, 1, 0, VDATA(b, service), 1);
	emit_u8(b, iret ? SOFT_SERVICE_IRET : SOFT_SERVICE_SYSRET);
	emit_service_exit(b, iret ? SOFT_OP_IRET : SOFT_OP_SYSRET);
}

/**
 * emit_invlpg() - translate INVLPG: an exit that has the address
 * @b: the block
 */
void emit_invlpg(struct tc_build *b)
{
	emit_spill(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, SPILL(RCX));
	emit_lea_operand(b, UMBRA_RCX);
	emit_store(b, UMBRA_RCX, VDATA(b, gva));
	emit_reload(b, SOFT_SPILL_RCX);
	emit_mark(b, 0, 0);
	emit_callout(b, SOFT_OP_INVLPG, SOFT_ARG_GVA);
}

/**
 * emit_system() - translate a sensitive instruction that runs in line
 * @b: the block
 * @action: enum tc_action
 */
void emit_system(struct tc_build *b, u8 action)
{
	switch (action) {
	case TC_CLI:
		emit_set_iff(b, 0);
		break;
	case TC_STI:
		emit_set_iff(b, IF_ON);
		break;
	case TC_PUSHF:
		emit_pushf(b);
		break;
	case TC_SWAPGS:
		emit_swapgs(b);
		break;
	case TC_RDTSC:
	case TC_RDTSCP:
		emit_rdtsc(b, action == TC_RDTSCP);
		break;
	case TC_RDPID:
		emit_rip(b, (u8 []){ rex_r(b->in.rm), 0x8b }, 2, b->in.rm,
			 VDATA(b, tsc_aux), 0);
		break;
	case TC_RDFSBASE:
		emit_rdfsbase(b);
		break;
	case TC_WRFSBASE:
		emit_wrfsbase(b);
		break;
	case TC_MOV_SREG:
		emit_mov_sreg(b);
		break;
	case TC_MOV_FROM_CR:
		emit_load(b, b->in.rm, VDATA(b, cr) + 8 * b->in.reg);
		break;
	case TC_SERIALIZE:
		/* MFENCE, LFENCE: changed code is noticed elsewhere */
		emit_bytes(b, (u8 []){ 0x0f, 0xae, 0xf0, 0x0f, 0xae, 0xe8 }, 6);
		break;
	}
}
