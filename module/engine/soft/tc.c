// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation cache, its blocks
 *
 * Memory, the ways to find a block (by guest RIP, by guest page, by address in
 * the cache) and to be rid of blocks.  Branches between blocks are tc_chain.c
 * and tc_slot.c; what an address means is tc_where.c; making blocks is
 * translate.c.
 */
#include "tc_internal.h"

/*
 * Array sizes by the size of the cache.  A sweep over a Linux kernel's text gives
 * 45 bytes of host code to a block, 1.7 chains, 16 bytes of marks.
 */
struct tc_layout {
	u32 blocks, chains, marks, pages, hash, page_hash, starts;
};

static u32 pow2_below(u32 n)
{
	u32 p = 16;

	while (p <= n / 2)
		p *= 2;
	return p;
}

static struct tc_layout layout_of(u32 size)
{
	struct tc_layout l = {
		.blocks = size / 48,
		.chains = size / 30,
		.marks = size / 5 * 2,
		.pages = size / 1024,
		.starts = size >> TC_START_BITS,
	};

	l.hash = pow2_below(l.blocks);
	l.page_hash = pow2_below(l.pages);
	return l;
}

static size_t round8(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

/**
 * soft_tc_meta_size() - memory for a cache, besides code and records
 * @size: bytes of the cache at most
 *
 * Return: bytes for soft_tc_config.meta, a sixth of @size.
 */
size_t soft_tc_meta_size(u32 size)
{
	struct tc_layout l = layout_of(size);

	return round8(sizeof(struct soft_tc)) +
	       round8(l.pages * sizeof(struct tc_page)) +
	       round8(l.page_hash * sizeof(u32)) +
	       2 * round8(l.hash * sizeof(u32)) + round8(l.starts * sizeof(u32)) +
	       (1 << TC_EXPECT_BITS) / 8 + TC_SCRATCH_BYTES;
}

/**
 * soft_tc_records_size() - memory for a cache's records
 * @room: bytes of code
 * @which: which of them
 *
 * Return: bytes for soft_tc_config.records[@which]; all together about 3 times @room.
 */
size_t soft_tc_records_size(u32 room, enum soft_tc_records which)
{
	struct tc_layout l = layout_of(room);

	switch (which) {
	case SOFT_TC_BLOCKS:
		return l.blocks * sizeof(struct tc_block);
	case SOFT_TC_CHAINS:
		return l.chains * sizeof(struct tc_chain);
	default:
		return l.marks;
	}
}

static void *carve(u8 **p, size_t bytes)
{
	void *at = *p;

	*p += round8(bytes);
	return at;
}

static void place(struct soft_tc *tc)
{
	struct tc_layout l = layout_of(tc->c.size);
	u8 *p = tc->c.meta;

	carve(&p, sizeof(*tc));
	tc->pages = carve(&p, l.pages * sizeof(struct tc_page));
	tc->hash = carve(&p, l.hash * sizeof(u32));
	tc->wait = carve(&p, l.hash * sizeof(u32));
	tc->page_hash = carve(&p, l.page_hash * sizeof(u32));
	tc->starts = carve(&p, l.starts * sizeof(u32));
	tc->expect = carve(&p, (1 << TC_EXPECT_BITS) / 8);
	tc->scratch = carve(&p, TC_SCRATCH_BYTES);
	tc->max_pages = l.pages;
	tc->hash_mask = l.hash - 1;
	tc->page_mask = l.page_hash - 1;
}

/**
 * soft_tc_grow() - room for more code
 * @tc: the cache
 * @room: see soft_tc_config, which names its limits; not less than before
 * @buf: the same
 * @records: the same; like @buf with what was in the old ones, which are not used any more
 */
void soft_tc_grow(struct soft_tc *tc, u32 room, u8 *buf, void *const *records)
{
	struct tc_layout l = layout_of(room);

	tc->c.room = room;
	tc->c.buf = buf;
	tc->blocks = records[SOFT_TC_BLOCKS];
	tc->chains = records[SOFT_TC_CHAINS];
	tc->marks = records[SOFT_TC_MARKS];
	tc->max_blocks = l.blocks;
	tc->max_chains = l.chains;
	tc->max_marks = l.marks;
}

static bool in_reach(u64 a, u64 b, u32 size)
{
	return tc_sext32(a - b) && tc_sext32(a - b - size);
}

/* A few blocks in a large cache: only the lists that they are in. */
static void empty_few(struct soft_tc *tc)
{
	u32 i;

	for (i = 0; i < tc->nr_blocks; i++)
		tc->hash[tc_rip_hash(tc->blocks[i].rip) & tc->hash_mask] = TC_NONE;
	for (i = 0; i < tc->nr_chains; i++)
		tc->wait[tc_rip_hash(tc->chains[i].target) & tc->hash_mask] = TC_NONE;
}

static void empty_all(struct soft_tc *tc)
{
	memset(tc->hash, 0xff, (tc->hash_mask + 1) * sizeof(u32));
	memset(tc->wait, 0xff, (tc->hash_mask + 1) * sizeof(u32));
}

static void clear(struct soft_tc *tc)
{
	tc->nr_blocks = 0;
	tc->nr_chains = 0;
	tc->nr_marks = 0;
	tc->nr_pages = 0;
	tc->nr_starts = 0;
	tc->nr_started = 0;
	tc->used = tc->fixed;
	tc->span_table = NULL;
	memset(tc->page_hash, 0xff, (tc->page_mask + 1) * sizeof(u32));
	tc->nr_resumes = 0;
	memset(tc->resumes, 0, sizeof(tc->resumes));
	if (tc->c.unspan)
		tc->c.unspan(tc->c.span_ctx);
	tc_slot_clear(tc);
	tc->stats.blocks = 0;
}

/**
 * soft_tc_create() - make an empty cache
 * @config: memory and features; copied
 * @out: the cache, inside @config->meta; it needs no destruction
 *
 * Return: 0; -EINVAL: sizes, alignment or distances do not fit.
 */
int soft_tc_create(const struct soft_tc_config *config, struct soft_tc **out)
{
	struct soft_tc *tc = config->meta;

	if (!config->size || config->size & 0xffff || config->size > 1u << 30 ||
	    !config->room || config->room & 0xffff || config->room > config->size ||
	    config->window_va & (SOFT_TC_TARGETS * sizeof(u64) - 1) ||
	    !in_reach(config->vdata_va, config->va, config->size) ||
	    !in_reach(config->vif_va, config->va, config->size))
		return -EINVAL;
	memset(tc, 0, sizeof(*tc));
	tc->c = *config;
	place(tc);
	soft_tc_grow(tc, config->room, config->buf, config->records);
	memset(tc->expect, 0, (1 << TC_EXPECT_BITS) / 8);
	memset(tc->scratch, 0, TC_SCRATCH_BYTES);
	tc_emit_common(tc);
	empty_all(tc);
	clear(tc);
	*out = tc;
	return 0;
}

/**
 * soft_tc_features() - change what runs in line
 * @tc: the cache; flushed when something changed
 * @config: its bools are taken
 */
void soft_tc_features(struct soft_tc *tc, const struct soft_tc_config *config)
{
	struct soft_tc_config new_config = tc->c;

	new_config.fsgsbase = config->fsgsbase;
	new_config.swapgs = config->swapgs;
	new_config.rdtsc = config->rdtsc;
	new_config.rdtscp = config->rdtscp;
	new_config.rdpid = config->rdpid;
	new_config.serialize = config->serialize;
	if (new_config.fsgsbase == tc->c.fsgsbase &&
	    new_config.swapgs == tc->c.swapgs &&
	    new_config.rdtsc == tc->c.rdtsc &&
	    new_config.rdtscp == tc->c.rdtscp &&
	    new_config.rdpid == tc->c.rdpid &&
	    new_config.serialize == tc->c.serialize)
		return;
	tc->c = new_config;
	soft_tc_flush(tc);
}

/**
 * soft_tc_flush() - drop everything and reuse the space
 * @tc: the cache
 *
 * No address of the cache that was given out before means anything afterwards.
 */
void soft_tc_flush(struct soft_tc *tc)
{
	/* All heads of lists are a megabyte. */
	if (tc->nr_chains < tc->hash_mask / 4)
		empty_few(tc);
	else
		empty_all(tc);
	clear(tc);
	tc->stats.flushes++;
}

/**
 * tc_find() - find the block that starts at a guest RIP
 * @tc: the cache
 * @rip: guest RIP
 * @home: the one that is entered with R11 in the register
 *
 * Return: index of the block, or TC_NONE.
 */
u32 tc_find(struct soft_tc *tc, u64 rip, bool home)
{
	u32 i = tc->hash[tc_rip_hash(rip) & tc->hash_mask];

	while (i != TC_NONE && (tc->blocks[i].rip != rip || tc_is_home(&tc->blocks[i]) != home))
		i = tc->blocks[i].hash_next;
	return i;
}

/**
 * tc_find_any() - find a block for who has R11 in both places
 * @tc: the cache
 * @rip: guest RIP
 *
 * Where a branch came out of the cache, it wants the one block that it can be linked to.
 *
 * Return: index of the block, or TC_NONE.
 */
u32 tc_find_any(struct soft_tc *tc, u64 rip)
{
	u32 i;

	if (rip == tc->chain_rip)
		return tc_find(tc, rip, tc->chain_home);
	i = tc_find(tc, rip, false);
	return i == TC_NONE ? tc_find(tc, rip, true) : i;
}

/**
 * soft_tc_lookup() - where to run a guest RIP
 * @tc: the cache
 * @rip: guest RIP
 *
 * Return: address for the guest, or 0: not translated.
 */
u64 soft_tc_lookup(struct soft_tc *tc, u64 rip)
{
	u32 i = tc_find_any(tc, rip);

	return i == TC_NONE ? 0 : tc_va(tc, tc->blocks[i].entry);
}

static struct tc_page *find_page(struct soft_tc *tc, u64 gfn)
{
	u32 i = tc->page_hash[tc_rip_hash(gfn) & tc->page_mask];

	while (i != TC_NONE && tc->pages[i].gfn != gfn)
		i = tc->pages[i].next;
	return i == TC_NONE ? NULL : &tc->pages[i];
}

static u64 first_gfn(const struct tc_block *b)
{
	return b->rip >> UMBRA_PAGE_SHIFT;
}

static u64 last_gfn(const struct tc_block *b)
{
	return (b->rip + b->guest_len - 1) >> UMBRA_PAGE_SHIFT;
}

/* Which link of block @b is in the list of page @gfn. */
static u32 *page_link(struct tc_block *b, u64 gfn)
{
	return &b->page_next[first_gfn(b) != gfn];
}

/* Where the instruction at @rip begins inside a block, or 0. */
static u64 inside(struct soft_tc *tc, const struct tc_block *b, u64 rip)
{
	const u8 *m = tc->marks + b->marks, *end = m + b->nr_marks;
	u32 pos = b->start;
	u64 at = b->rip;
	u8 len = 0;

	for (; m < end; m += 2) {
		if (m[1] & 0xf) {
			at += len;
			len = m[1] & 0xf;
			/* after STI the address itself blocks interrupts */
			if (at == rip && !(m[1] & TC_MARK_STI))
				return tc_va(tc, pos);
		}
		pos += m[0] & TC_MARK_LEN;
	}
	return 0;
}

/* Branches want a block to lead to; and what comes back often gets one. */
static bool wants_block(struct soft_tc *tc, u64 rip)
{
	u8 *n = &tc->resumes[tc_rip_hash(rip) % TC_RESUMES];

	if (tc_expected(tc, rip) || tc_is_awaited(tc, rip))
		return true;
	if (++tc->nr_resumes == TC_RESUME_PERIOD) {
		tc->nr_resumes = 0;
		memset(tc->resumes, 0, sizeof(tc->resumes));
	}
	return *n == TC_RESUME_MAX || ++*n == TC_RESUME_MAX;
}

/**
 * soft_tc_resume() - where to run a guest RIP, in a block or at its start
 * @tc: the cache
 * @rip: guest RIP
 *
 * For going on where an event or a fault had stopped the guest: most such RIPs
 * are inside a block, and come back once.  One that a branch leads to, or that
 * comes back more often, is worth a block of its own: 0.
 *
 * Return: address for the guest, or 0: translate.
 */
u64 soft_tc_resume(struct soft_tc *tc, u64 rip)
{
	u64 va = soft_tc_lookup(tc, rip);
	struct tc_page *page;
	struct tc_block *b;
	u32 i;

	if (va)
		return va;
	page = find_page(tc, rip >> UMBRA_PAGE_SHIFT);
	if (!page || wants_block(tc, rip))
		return 0;
	for (i = page->blocks; i != TC_NONE; i = *page_link(b, page->gfn)) {
		b = &tc->blocks[i];
		if (rip - b->rip >= b->guest_len)
			continue;
		va = inside(tc, b, rip);
		if (va)
			return va;
	}
	return 0;
}

/* Blocks are made one behind the other: what was said of a piece stays true. */
static void note_starts(struct soft_tc *tc)
{
	for (; tc->nr_started < tc->nr_blocks; tc->nr_started++)
		while (tc->nr_starts <= tc->blocks[tc->nr_started].start >> TC_START_BITS)
			tc->starts[tc->nr_starts++] = tc->nr_started;
}

/**
 * tc_block_at() - find the block with an address of the cache
 * @tc: the cache
 * @va: address for the guest
 *
 * Return: index of the block, dropped or not, or TC_NONE.
 */
u32 tc_block_at(struct soft_tc *tc, u64 va)
{
	u64 off = va - tc->c.va, piece = off >> TC_START_BITS;
	u32 lo, hi, mid;

	if (off >= tc->used)
		return TC_NONE;
	note_starts(tc);
	lo = piece < tc->nr_starts ? tc->starts[piece] : tc->nr_blocks;
	hi = piece + 1 < tc->nr_starts ? tc->starts[piece + 1] : tc->nr_blocks;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (tc->blocks[mid].start <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || off >= tc->blocks[lo - 1].end)
		return TC_NONE;
	return lo - 1;
}

/**
 * tc_commit() - put the code of a finished block into the cache
 * @tc: the cache
 * @end: offset of its end; what is behind it up to the next eight bytes is no matter
 */
void tc_commit(struct soft_tc *tc, u32 end)
{
	u64 *to = (u64 *)(tc->c.buf + (tc->used & ~7u));
	const u64 *from = (u64 *)tc->scratch;
	u32 i, n = end - (tc->used & ~7u);

	/* The end of the block before, which may have been linked to this one meanwhile. */
	memcpy(tc->scratch, to, tc->used & 7);
	/* One by one: memcpy() is a string instruction, which would go by bytes. */
	for (i = 0; i < n; i += 8)
		WRITE_ONCE(*to++, *from++);
	tc->used = end;
}

/**
 * tc_has_room() - is there room for one more block
 * @tc: the cache
 *
 * Return: yes: of any shape, with its two pages, and for what a trace ends with.
 */
bool tc_has_room(const struct soft_tc *tc)
{
	return tc->c.room - tc->used >= TC_TRACE_BYTES &&
	       tc->max_blocks - tc->nr_blocks >= 3 &&
	       tc->max_chains - tc->nr_chains >= TC_BLOCK_CHAINS &&
	       tc->max_marks - tc->nr_marks >= TC_BLOCK_MARKS &&
	       tc->max_pages - tc->nr_pages >= 2;
}

static struct tc_page *get_page(struct soft_tc *tc, u64 gfn)
{
	struct tc_page *page = find_page(tc, gfn);
	u32 *head = &tc->page_hash[tc_rip_hash(gfn) & tc->page_mask];

	if (page)
		return page;
	page = &tc->pages[tc->nr_pages];
	*page = (struct tc_page){ .gfn = gfn, .blocks = TC_NONE, .next = *head };
	*head = tc->nr_pages++;
	return page;
}

/**
 * tc_add_block() - make a finished block findable
 * @tc: the cache
 * @index: the block
 *
 * All branches that wait for it are linked to it.  A copy is found by its page alone.
 */
void tc_add_block(struct soft_tc *tc, u32 index)
{
	struct tc_block *b = &tc->blocks[index];
	u32 *head = &tc->hash[tc_rip_hash(b->rip) & tc->hash_mask];
	struct tc_page *page;

	page = get_page(tc, first_gfn(b));
	b->page_next[0] = page->blocks;
	page->blocks = index;
	b->page_next[1] = TC_NONE;
	if (last_gfn(b) != first_gfn(b)) {
		page = get_page(tc, last_gfn(b));
		b->page_next[1] = page->blocks;
		page->blocks = index;
	}
	if (b->flags & TC_BLOCK_COPY)
		return;
	b->hash_next = *head;
	*head = index;
	tc_link_waiting(tc, index);
	if (b->flags & TC_BLOCK_PROLOGUE)
		tc_slot_add(tc, index);
	tc->stats.blocks++;
}

static void unhash(struct soft_tc *tc, u32 index)
{
	struct tc_block *b = &tc->blocks[index];
	u32 *at = &tc->hash[tc_rip_hash(b->rip) & tc->hash_mask];

	while (*at != index)
		at = &tc->blocks[*at].hash_next;
	*at = b->hash_next;
}

static void unpage(struct soft_tc *tc, u32 index, u64 gfn)
{
	struct tc_page *page = find_page(tc, gfn);
	u32 *at = &page->blocks;

	while (*at != index)
		at = page_link(&tc->blocks[*at], gfn);
	*at = *page_link(&tc->blocks[index], gfn);
}

static void drop_block(struct soft_tc *tc, u32 index)
{
	struct tc_block *b = &tc->blocks[index];
	u32 i;

	tc_unlink_all(tc, index);
	for (i = 0; i < b->nr_chains; i++)
		tc_chain_cut(tc, b->chains + i);
	if (b->thunk != TC_NONE) {
		tc_slot_remove(tc, b->thunk);
		tc->blocks[b->thunk].flags |= TC_BLOCK_DROPPED;
	}
	tc_slot_remove(tc, index);
	unpage(tc, index, first_gfn(b));
	if (last_gfn(b) != first_gfn(b))
		unpage(tc, index, last_gfn(b));
	b->flags |= TC_BLOCK_DROPPED;
	if (b->flags & TC_BLOCK_COPY)
		return;
	unhash(tc, index);
	tc->stats.blocks--;
	tc->stats.drops++;
}

/* Drop the blocks of a page that touch [gva, last]. */
static unsigned int drop_page(struct soft_tc *tc, struct tc_page *page, u64 gva,
			      u64 last)
{
	unsigned int n = 0;
	u64 gfn = page->gfn;
	u32 i, next;

	for (i = page->blocks; i != TC_NONE; i = next) {
		struct tc_block *b = &tc->blocks[i];

		next = *page_link(b, gfn);
		if (b->rip > last || b->rip + b->guest_len - 1 < gva)
			continue;
		n += !(b->flags & TC_BLOCK_COPY);
		drop_block(tc, i);
	}
	return n;
}

/**
 * soft_tc_drop() - drop the blocks made of some guest code
 * @tc: the cache
 * @gva: first linear address
 * @len: bytes; up to the end of the address space at most
 *
 * Branches that lead to the blocks become exits again.  The code of the blocks
 * stays until the next flush, so that an address in them can be asked for.
 *
 * Return: blocks dropped.
 */
unsigned int soft_tc_drop(struct soft_tc *tc, u64 gva, u64 len)
{
	u64 last = gva + len - 1;
	u64 gfn = gva >> UMBRA_PAGE_SHIFT, end = last >> UMBRA_PAGE_SHIFT;
	struct tc_page *page;
	unsigned int n = 0;
	u32 i;

	if (!len)
		return 0;
	if (last < gva) {
		last = ~0ull;
		end = last >> UMBRA_PAGE_SHIFT;
	}
	if (end - gfn >= tc->nr_pages) {
		for (i = 0; i < tc->nr_pages; i++)
			if (tc->pages[i].gfn >= gfn && tc->pages[i].gfn <= end)
				n += drop_page(tc, &tc->pages[i], gva, last);
		return n;
	}
	for (; gfn <= end; gfn++) {
		page = find_page(tc, gfn);
		if (page)
			n += drop_page(tc, page, gva, last);
	}
	return n;
}

/**
 * soft_tc_visit_pages() - visit the guest pages with translations
 * @tc: the cache
 * @fn: gets the linear address of the page; may drop blocks, not flush
 * @arg: for @fn
 */
void soft_tc_visit_pages(struct soft_tc *tc, soft_tc_visit *fn, void *arg)
{
	u32 i;

	for (i = 0; i < tc->nr_pages; i++)
		if (tc->pages[i].blocks != TC_NONE)
			fn(arg, tc->pages[i].gfn << UMBRA_PAGE_SHIFT);
}

/**
 * soft_tc_stats() - counters
 * @tc: the cache
 * @stats: result
 */
void soft_tc_stats(const struct soft_tc *tc, struct soft_tc_stats *stats)
{
	*stats = tc->stats;
	stats->bytes = tc->used;
}

static u32 expect_bit(u64 rip)
{
	return (rip ^ (rip >> TC_EXPECT_BITS)) & ((1u << TC_EXPECT_BITS) - 1);
}

/**
 * tc_set_expected() - note that an indirect branch probably leads somewhere
 * @tc: the cache
 * @rip: guest RIP
 */
void tc_set_expected(struct soft_tc *tc, u64 rip)
{
	u32 bit = expect_bit(rip);

	tc->expect[bit / 8] |= 1 << (bit % 8);
}

/**
 * tc_expected() - does an indirect branch probably lead somewhere
 * @tc: the cache
 * @rip: guest RIP
 *
 * Return: yes; sometimes wrongly, which costs a prologue.
 */
bool tc_expected(const struct soft_tc *tc, u64 rip)
{
	u32 bit = expect_bit(rip);

	return tc->expect[bit / 8] >> (bit % 8) & 1;
}

/**
 * soft_tc_expect() - an indirect branch leads somewhere
 * @tc: the cache
 * @rip: guest RIP where it goes
 *
 * Lets the next indirect branch find the block of @rip by itself, be it there
 * already or be it translated later.  To be called at each SOFT_MISS.
 *
 * Return: 0, or -ENOSPC: flush.
 */
int soft_tc_expect(struct soft_tc *tc, u64 rip)
{
	u32 i = tc_find(tc, rip, false), thunk;
	u16 flags;

	tc->chain_rip = rip;
	tc->chain_home = false;
	tc_set_expected(tc, rip);
	if (i == TC_NONE)
		return 0;
	/* For its span it needs no code. */
	if (!(tc->blocks[i].flags & TC_BLOCK_PROLOGUE) && tc_span_entry(tc, rip))
		tc->blocks[i].flags |= TC_BLOCK_PROLOGUE | TC_BLOCK_SPAN;
	flags = tc->blocks[i].flags;
	/* A branch in code that is not near does not look into the tables of spans. */
	if ((flags & TC_BLOCK_PROLOGUE) &&
	    (flags & (TC_BLOCK_SPAN | TC_BLOCK_SLOT)) != (TC_BLOCK_SPAN | TC_BLOCK_SLOT)) {
		tc_slot_add(tc, i);
		return 0;
	}
	if (tc->blocks[i].thunk == TC_NONE) {
		if (!tc_has_room(tc))
			return -ENOSPC;
		thunk = tc_emit_thunk(tc, i);
		tc->blocks[i].thunk = thunk;
	}
	tc_slot_add(tc, tc->blocks[i].thunk);
	return 0;
}
