/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a fake host for the shadow MMU
 *
 * Guest memory is an array of frames.  A "host physical address" is simply the
 * address of a frame or table in this process, so the tests can follow shadow
 * tables like the processor would.  The fake host can move a frame at any
 * time, as the kernel does behind a caller's mapping.
 */
#ifndef TEST_MMU_FAKE_H
#define TEST_MMU_FAKE_H

#include "../../module/mmu/mmu_internal.h"

#define FAKE_SMALL	96		/* guest frames 0 .. FAKE_SMALL - 1, each for itself */
#define FAKE_BIG	512		/* and 2 MiB from here on, one piece of memory */
#define FAKE_GFNS	1024
#define FAKE_HVA	0x7f0000000000ull

/* One page of the caller's memory. */
struct fake_page {
	u8 *frame;		/* 4096 bytes, aligned */
	bool host_ro;		/* copy-on-write: a write moves it */
	bool moves;		/* it will at the end of the invalidation */
};

struct fake {
	struct umbra_mmu *mmu;
	struct fake_page page[FAKE_GFNS];
	u8 *big;
	bool big_large;		/* the caller's tables map it by one entry */
	bool big_ro;		/* copy-on-write */
	struct umbra_memslots *slots;
	unsigned int remote_flushes, reloads;
	void (*on_flush)(void);		/* flush_remote */
	void (*on_unlocked)(void);	/* the MMU is between two steps, without lock */
	void (*on_dirty)(gfn_t gfn);
	void (*on_code_written)(gpa_t gpa, unsigned int len);
	void (*on_code_unmapped)(enum umbra_code_change what, gfn_t gfn);
	unsigned long page_limit;	/* for all VMs */
	int fail_alloc;			/* count down, then fail; < 0 never */
};

extern struct fake fake;

void fake_reset(void);
void fake_free(void);
extern const struct umbra_mmu_ops fake_ops;

/* Slots: [first, first + n), flags; publishes a new set. */
struct umbra_memslot *fake_add_slot(gfn_t first, u64 n, u32 flags);
void fake_del_slot(struct umbra_memslot *slot);
struct umbra_memslot *fake_slot(gfn_t gfn);

/* Guest memory as the guest's own physical view; NULL: no slot. */
u8 *fake_mem(gpa_t gpa);
bool fake_read(void *arg, u64 gpa, unsigned int size, u64 *val);
void fake_write(void *arg, u64 gpa, unsigned int size, u64 val);

/* The host moves the frame behind @gfn, with the notifier's protocol. */
void fake_move_begin(gfn_t gfn);
void fake_move_end(gfn_t gfn);
/* The host moves the 2 MiB, and maps them by one entry or by many. */
void fake_move_big(bool large);

/* Deterministic random numbers. */
u64 rnd(void);
static inline unsigned int below(unsigned int n)
{
	return rnd() % n;
}
static inline bool chance(unsigned int percent)
{
	return below(100) < percent;
}
extern u64 rnd_state;

#endif
