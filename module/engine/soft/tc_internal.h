/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: translation cache internals
 *
 * The records behind the cache, all in arrays that are sized when it is made:
 *
 *   block   one translation; found by guest RIP (hash), by guest page (list),
 *           by cache address (the array is sorted by it)
 *   chain   one direct branch out of a block: linked to a block, or waiting for
 *           its target to be translated
 *   mark    two bytes for a run of host code: its length, what the guest's
 *           state is in it
 *   page    the blocks with bytes in one guest page
 *
 * Space is given out upward and reused only by soft_tc_flush().
 *
 * A block is made outside of the cache and gets there when it is done, by aligned stores
 * of eight bytes: a store into a page of code that was run is dear, on real processors (which look
 * for it in what they have decoded) and more so on simulated ones.
 */
#ifndef UMBRA_SOFT_TC_INTERNAL_H
#define UMBRA_SOFT_TC_INTERNAL_H

#include "tc.h"

#define TC_NONE		0xffffffffu
#define TC_CUT		0xfffffffeu	/* tc_chain.to: its block was dropped */
#define TC_AFTER_STI	0xfffffffdu	/* tc_chain.to: always exits, after STI */

/* What one block may take at most; less than that left is -ENOSPC. */
#define TC_BLOCK_INSNS	64
#define TC_BLOCK_BYTES	8192
#define TC_BLOCK_CHAINS	(TC_BLOCK_INSNS + 4)
#define TC_BLOCK_MARKS	2560

/* What blocks that lead to each other take at most, and of that the exits of their Jcc. */
#define TC_TRACE_BYTES	(2 * TC_BLOCK_BYTES)
#define TC_TRACE_EXITS	1024

/* They, the eight bytes that they begin in, and what is written behind an instruction. */
#define TC_SCRATCH_BYTES (TC_TRACE_BYTES + 32)

/* Blocks in a slot of targets[]; the oldest goes when there are more. */
#define TC_SLOT_MAX	8

#define TC_EXPECT_BITS	20

/* So many bytes of the cache, a power of two, have an entry in soft_tc.starts. */
#define TC_START_BITS	10

/* RIPs inside blocks that are gone on at, hashed; how often before they get a block. */
#define TC_RESUMES	1024
#define TC_RESUME_MAX	4
#define TC_RESUME_PERIOD 8192	/* calls, after which the counts begin anew */

/* Where the displacement of a prologue's jump to the next one is. */
#define TC_PROLOGUE_JMP		24
#define TC_PROLOGUE_LONG_JMP	31

#define TC_BLOCK_DROPPED	BIT(0)
#define TC_BLOCK_THUNK		BIT(1)	/* a prologue alone, or the exits of a trace */
#define TC_BLOCK_PROLOGUE	BIT(2)	/* starts with a prologue */
#define TC_BLOCK_LONG		BIT(3)	/* with that for any RIP */
#define TC_BLOCK_SLOT		BIT(4)	/* in the list of its slot of targets[] */
#define TC_BLOCK_CALLOUT	BIT(5)	/* ends with SOFT_CALLOUT */
#define TC_BLOCK_SPAN		BIT(6)	/* its prologue compares nothing: for its span's table */
#define TC_BLOCK_GOES_ON	BIT(7)	/* its last chain is where it leads for sure */
#define TC_BLOCK_PLAIN		BIT(8)	/* can be copied: nothing but @ret is relative */
#define TC_BLOCK_COPY		BIT(9)	/* reached from the block in front of it alone */
#define TC_BLOCK_HOME		BIT(10)	/* entered with R11 in the register, not in vdata */

/**
 * struct tc_block - a translation
 * @rip: guest RIP of its start
 * @start: offset in the cache; a prologue comes first
 * @entry: offset of the body
 * @end: offset of its end
 * @callout: offset of the SOFT_CALLOUT exit; the index of the block follows the instruction there
 * @marks: offset of its first mark
 * @nr_marks: bytes of marks
 * @guest_len: bytes of guest code that the translation depends on
 * @nr_chains: direct branches out of it
 * @chains: index of the first, the others follow
 * @in: first chain that is linked to this block
 * @hash_next: next block in the hash
 * @page_next: next block of the page of @rip, and of the page after it
 * @slot_next: next block with a prologue in the slot of targets[]
 * @thunk: block with the prologue made later
 * @glue: chain of the block in front of it that leads to this one without a jump
 * @flags: TC_BLOCK_* bits
 * @body_marks: of the marks, those up to the end of @body
 * @body: bytes of code from @entry on without what leads on, and without exits
 * @ret: a RET's operand in the hole, in bytes from @entry; 0: none
 * @op: enum soft_op of the exit
 * @arg: SOFT_ARG_* of it
 * @out_rip: its instruction, in bytes from @rip
 * @out_mark: that instruction's mark: length, TC_MARK_STI
 * @out_spilled: registers that are spilled at the exit
 * @out_r11: R11 is in vdata there
 */
struct tc_block {
	u64 rip;
	u32 start;
	u32 entry;
	u32 end;
	u32 callout;
	u32 marks;
	u16 nr_marks;
	u16 guest_len;
	u32 nr_chains;
	u32 chains;
	u32 in;
	u32 hash_next;
	u32 page_next[2];
	u32 slot_next;
	u32 thunk;
	u32 glue;
	u16 flags;
	u16 body_marks;
	u16 body;
	u16 ret;
	u8 op;
	u16 arg;
	u16 out_rip;
	u8 out_mark;
	u8 out_spilled;
	bool out_r11;
};

static inline bool tc_is_home(const struct tc_block *block)
{
	return block->flags & TC_BLOCK_HOME;
}

/**
 * struct tc_chain - a direct branch out of a block
 * @target: guest RIP
 * @patch: offset of the displacement that leads there
 * @stub: offset of the exit; @patch - 1 when the exit itself becomes the jump
 * @to: block it is linked to; TC_NONE: waits; TC_CUT and TC_AFTER_STI: in no list
 * @next: next in the list of @to, or of those that wait in the same hash bucket
 * @prev: the one before, TC_NONE: the head
 * @home: R11 is in the register there: it leads to a block that is entered so
 */
struct tc_chain {
	u64 target;
	u32 patch;
	u32 stub;
	u32 to;
	u32 next;
	u32 prev;
	bool home;
};

/**
 * struct tc_page - a guest page with blocks
 * @gfn: linear address >> 12
 * @blocks: first block
 * @next: next page in the hash
 */
struct tc_page {
	u64 gfn;
	u32 blocks;
	u32 next;
};

/*
 * A mark is two bytes:
 *
 *     7     6     5..0        7..4      3..0
 *   middle R11  length     spilled   insn length
 *
 * The length counts host bytes.  With an instruction length (1..15) it is the
 * start of a guest instruction, and TC_MARK_STI stands where the spilled
 * registers would.  With 0 it continues the instruction before.  R11: it is in vdata.
 */
#define TC_MARK_MIDDLE	0x80
#define TC_MARK_R11	0x40
#define TC_MARK_LEN	0x3f
#define TC_MARK_STI	0x10

/**
 * struct soft_tc - a translation cache
 * @c: as configured
 * @blocks: records
 * @chains: records
 * @marks: bytes
 * @pages: records
 * @hash: heads of blocks by RIP
 * @wait: heads of waiting chains by target
 * @page_hash: heads of pages by number
 * @expect: bit map by hashed RIP: an indirect branch leads there
 * @nr_blocks: blocks in use
 * @max_blocks: blocks there are
 * @nr_chains: chains in use
 * @max_chains: chains there are
 * @nr_marks: bytes of marks in use
 * @max_marks: bytes of marks there are
 * @nr_pages: pages in use
 * @max_pages: pages there are
 * @resumes: times that soft_tc_resume() gave an address inside a block, by hashed RIP
 * @nr_resumes: calls since these counts began
 * @hash_mask: size of @hash and @wait, less 1
 * @page_mask: size of @page_hash, less 1
 * @used: bytes of the cache in use
 * @starts: the first block that begins in each piece of the cache, or behind it
 * @nr_starts: pieces that have an entry
 * @nr_started: blocks that were looked at for that
 * @scratch: what comes behind @used while a block is made, from the eight bytes that @used is in
 * @fixed: of these, the common code in front
 * @miss: offset of the common SOFT_MISS code
 * @miss_hlt: offset of its HLT
 * @span_rip: first RIP of the span that was last asked for
 * @span_table: its table, or NULL
 * @chain_rip: where the last SOFT_CHAIN or SOFT_MISS leads
 * @chain_home: to a block that is entered with R11 in the register
 * @stats: counters
 */
struct soft_tc {
	struct soft_tc_config c;
	struct tc_block *blocks;
	struct tc_chain *chains;
	u8 *marks;
	struct tc_page *pages;
	u32 *hash;
	u32 *wait;
	u32 *page_hash;
	u8 *expect;
	u8 *scratch;
	u32 *starts;
	u32 nr_starts, nr_started;
	u8 resumes[TC_RESUMES];
	u32 nr_resumes;
	u32 nr_blocks, max_blocks;
	u32 nr_chains, max_chains;
	u32 nr_marks, max_marks;
	u32 nr_pages, max_pages;
	u32 hash_mask;
	u32 page_mask;
	u32 used;
	u32 fixed;
	u32 miss;
	u32 miss_hlt;
	u64 span_rip;
	u64 *span_table;
	u64 chain_rip;
	bool chain_home;
	struct soft_tc_stats stats;
};

static inline u64 tc_va(const struct soft_tc *tc, u32 off)
{
	return tc->c.va + off;
}

/* Where the code at an offset is written: what is not in use yet is in the making. */
static inline u8 *tc_code(const struct soft_tc *tc, u32 off)
{
	return off >= tc->used ? tc->scratch + (off - (tc->used & ~7u)) : tc->c.buf + off;
}

static inline u32 tc_rip_hash(u64 rip)
{
	return (rip ^ (rip >> 17)) * 0x9e3779b1u >> 7;
}

static inline bool tc_sext32(u64 v)
{
	return (u64)(s64)(s32)v == v;
}

/* RIPs with a place of their own in the window. */
static inline bool tc_is_near(const struct soft_tc *tc, u64 rip)
{
	return rip - tc->c.near < SOFT_TC_NEAR;
}

/* tc.c */
u32 tc_find(struct soft_tc *tc, u64 rip, bool home);
u32 tc_find_any(struct soft_tc *tc, u64 rip);
u32 tc_block_at(struct soft_tc *tc, u64 va);
void tc_commit(struct soft_tc *tc, u32 end);
bool tc_has_room(const struct soft_tc *tc);
void tc_add_block(struct soft_tc *tc, u32 index);
void tc_set_expected(struct soft_tc *tc, u64 rip);
bool tc_expected(const struct soft_tc *tc, u64 rip);

/* tc_chain.c */
void tc_chain_wait(struct soft_tc *tc, u32 chain);
void tc_chain_cut(struct soft_tc *tc, u32 chain);
void tc_chain_link(struct soft_tc *tc, u32 chain, u32 block);
bool tc_is_awaited(struct soft_tc *tc, u64 rip);
void tc_link_waiting(struct soft_tc *tc, u32 block);
void tc_unlink_all(struct soft_tc *tc, u32 block);
void tc_chain_glue(struct soft_tc *tc, u32 chain, u32 block);

/* tc_slot.c */
u64 *tc_span_entry(struct soft_tc *tc, u64 rip);
void tc_slot_add(struct soft_tc *tc, u32 block);
void tc_slot_remove(struct soft_tc *tc, u32 block);
void tc_slot_clear(struct soft_tc *tc);

/* translate_trace.c */
void tc_emit_common(struct soft_tc *tc);
u32 tc_emit_thunk(struct soft_tc *tc, u32 block);

#endif
