/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: translator internals
 *
 * A block under construction, and the few host instructions that translations
 * are made of.  None of them but those that the guest's instruction is changes
 * a flag.
 */
#ifndef UMBRA_SOFT_TRANSLATE_INTERNAL_H
#define UMBRA_SOFT_TRANSLATE_INTERNAL_H

#include "umbra/decode.h"
#include "umbra/regs.h"
#include "tc_internal.h"

#define SPILL(r)	BIT(SOFT_SPILL_##r)

/* Guest code is fetched by so many bytes. */
#define SOURCE_BYTES	128

/* Blocks translated in one go, at most. */
#define FOLLOW_MAX	5

/* Instructions are copied by so many bytes at a time: no less than the longest has. */
#define SOURCE_PAD	16

/**
 * struct source - guest code as it is fetched
 * @fetch: how
 * @ctx: for @fetch
 * @gva: address of buf[0]
 * @len: bytes there
 * @buf: a piece of one page, and of the next one if an instruction goes on there; what
 *	emit_code() reads behind it comes last
 */
struct source {
	soft_tc_fetch *fetch;
	void *ctx;
	u64 gva;
	unsigned int len;
	u8 buf[SOURCE_BYTES + SOURCE_PAD];
};

/* What an instruction has to do with R11: it may overwrite all of it, unread. */
enum tc_r11 {
	TC_R11_NOT,
	TC_R11_USED,
	TC_R11_SET,
};

/**
 * struct tc_build - a block under construction
 * @tc: the cache
 * @block: index of its record
 * @first: index of the first block of its trace
 * @out: where offset 0 of the cache would be, if all of it were in the making
 * @pos: offset in the cache where the next byte goes
 * @run: offset where the open mark's run began
 * @mark: the open mark
 * @insn_mark: the second byte of the one that the instruction began with
 * @rip: guest RIP of the instruction being translated
 * @code: its bytes
 * @in: its shape
 * @r11: what it has to do with R11; known where nothing else is but its length
 * @slow_rip: where the last one was that tc_quick_copy() does not know
 * @insns: instructions translated
 * @fixups: operands in the hole, which are relative to where the code is
 * @home: the guest's R11 is in the register, and not in vdata
 * @after_sti: the instruction before was STI
 * @goes_on: behind the block is @next, by an exit, a jump, or nothing at all
 * @next: guest RIP
 * @follow: guest RIPs that are run next, almost for sure
 * @follow_home: with R11 in the register, a bit each
 * @nr_follow: how many
 */
struct tc_build {
	struct soft_tc *tc;
	u8 *out;
	u32 block;
	u32 first;
	u32 pos;
	u32 run;
	u8 mark[2];
	u8 insn_mark;
	u64 rip;
	const u8 *code;
	struct umbra_insn in;
	enum tc_r11 r11;
	u64 slow_rip;
	unsigned int insns;
	unsigned int fixups;
	bool home;
	bool after_sti;
	bool goes_on;
	u64 next;
	u64 follow[FOLLOW_MAX];
	u32 follow_home;
	unsigned int nr_follow;
};

/*
 * Bytes for the cache.  In line: what is emitted is a constant nearly everywhere, and a call
 * for each of them is what a translation would mostly consist of.
 */

/**
 * emit_bytes() - emit bytes
 * @b: the block
 * @bytes: what
 * @n: how many
 */
static inline void emit_bytes(struct tc_build *b, const void *bytes, unsigned int n)
{
	memcpy(b->out + b->pos, bytes, n);
	b->pos += n;
}

/**
 * emit_u8() - emit a byte
 * @b: the block
 * @v: value
 */
static inline void emit_u8(struct tc_build *b, u8 v)
{
	b->out[b->pos++] = v;
}

/**
 * emit_u16() - emit two bytes
 * @b: the block
 * @v: value
 */
static inline void emit_u16(struct tc_build *b, u16 v)
{
	emit_bytes(b, &v, sizeof(v));
}

/**
 * emit_u32() - emit four bytes
 * @b: the block
 * @v: value
 */
static inline void emit_u32(struct tc_build *b, u32 v)
{
	emit_bytes(b, &v, sizeof(v));
}

/**
 * emit_u64() - emit eight bytes
 * @b: the block
 * @v: value
 */
static inline void emit_u64(struct tc_build *b, u64 v)
{
	emit_bytes(b, &v, sizeof(v));
}

/**
 * emit_code() - emit the guest's instruction as it is
 * @b: the block; SOURCE_PAD bytes can be read behind the instruction's first
 */
static inline void emit_code(struct tc_build *b)
{
	/* More than its bytes: there is room, and what follows is overwritten. */
	memcpy(b->out + b->pos, b->code, SOURCE_PAD);
	b->pos += b->in.len;
}

/* What becomes of an instruction. */
enum tc_action {
	TC_COPY,
	TC_CALLOUT,
	TC_JMP,
	TC_JCC,
	TC_LOOP,
	TC_CALL,
	TC_RET,
	TC_JMP_IND,
	TC_CALL_IND,
	TC_LEA,
	TC_CLI,
	TC_STI,
	TC_PUSHF,
	TC_SWAPGS,
	TC_RDTSC,
	TC_RDTSCP,
	TC_RDPID,
	TC_RDFSBASE,
	TC_WRFSBASE,
	TC_MOV_SREG,
	TC_MOV_FROM_CR,
	TC_INVLPG,
	TC_SERIALIZE,
	TC_SYSRET,
	TC_IRET,
};

/* translate.c */
int source_insn(struct tc_build *b, struct source *s);
void emit_insns(struct tc_build *b, struct source *s, int first);

/* translate_quick.c */
unsigned int tc_quick_copy(const u8 *code, enum tc_r11 *r11);
void tc_quick_run(struct tc_build *b, const struct source *s, unsigned int max);

/* Is R11 the operand that ModRM's r/m names, or in the address of one in @memory? */
static inline bool tc_rm_is_r11(u8 rex, const u8 *modrm, bool memory)
{
	bool sib = memory && (modrm[0] & 7) == 4;

	if (rex & UMBRA_REX_B && (modrm[sib] & 7) == 3)
		return true;
	return sib && rex & UMBRA_REX_X && (modrm[1] >> 3 & 7) == 3;
}

/* translate_class.c */
u8 tc_classify(const struct soft_tc *tc, const struct umbra_insn *in, u8 *op);
u16 tc_callout_arg(const struct umbra_insn *in, u8 op);
bool tc_uses_r11(const struct umbra_insn *in, const u8 *code);

/* translate_emit.c */
void emit_rip(struct tc_build *b, const void *op, unsigned int n, u8 reg, u64 va,
	      unsigned int imm);
void emit_load(struct tc_build *b, u8 reg, u64 va);
void emit_store(struct tc_build *b, u8 reg, u64 va);
void emit_spill(struct tc_build *b, u8 spill);
void emit_reload(struct tc_build *b, u8 spill);
void emit_mov_imm(struct tc_build *b, u8 reg, u64 imm);
void emit_mark_insn(struct tc_build *b);
void emit_mark(struct tc_build *b, u8 middle, u8 spilled);
void emit_mark_run(struct tc_build *b);

/* End the open mark, if its run has any bytes: half of them have none. */
static inline void emit_mark_close(struct tc_build *b)
{
	if (b->pos != b->run)
		emit_mark_run(b);
}

void emit_mark_nothing(struct tc_build *b);
void emit_r11_home(struct tc_build *b);
void emit_r11_away(struct tc_build *b, u8 spilled);
u64 tc_vdata(const struct tc_build *b, size_t off);

#define VDATA(b, field)	tc_vdata(b, offsetof(struct soft_vdata, field))

/* translate_copy.c */
int emit_copy(struct tc_build *b);
void emit_lea(struct tc_build *b);
void emit_load_operand(struct tc_build *b);
void emit_lea_operand(struct tc_build *b, u8 reg);

/* translate_flow.c */
void emit_chain(struct tc_build *b, u64 target, bool link);
void emit_follow(struct tc_build *b, u64 rip, bool home);
struct tc_chain *tc_new_chain(struct tc_build *b, u64 target);
void emit_jcc(struct tc_build *b);
void emit_loop(struct tc_build *b);
void emit_call(struct tc_build *b);
void emit_ret(struct tc_build *b);
void emit_indirect(struct tc_build *b, bool call);
void emit_callout(struct tc_build *b, u8 op, u16 arg);
void emit_service_exit(struct tc_build *b, u8 op);
void emit_prologue(struct tc_build *b, struct tc_block *block, bool compare);
void emit_late_exits(struct tc_build *b, u32 first, u32 nr);

/* translate_system.c */
void emit_service(struct tc_build *b, u8 action);
void emit_invlpg(struct tc_build *b);
void emit_system(struct tc_build *b, u8 action);

#endif
