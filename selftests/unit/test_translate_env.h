/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a world for translated code, in one process
 *
 * A hole as the software engine has it, at an address of choice, and a monitor in
 * a signal handler: the exits of translated code are HLT, which is SIGSEGV in user
 * mode.  The same code runs natively, too, for comparison.  Guest code ends
 * with a HLT of its own, or with a fault.
 */
#ifndef TEST_TRANSLATE_ENV_H
#define TEST_TRANSLATE_ENV_H

#include "tc.h"

#define HOLE		0x500000000000ull
#define HOLE_VDATA	(HOLE + 0x100000)
#define HOLE_VIF	(HOLE + 0x101000)
#define HOLE_WINDOW	(HOLE + 0x100000000ull)
/* The places of near RIPs, which begin with 0 here; all of the window is among them. */
#define HOLE_NEAR	(HOLE_WINDOW - SOFT_TC_NEAR_DISP)
#define HOLE_NEAR_SIZE	(8 * SOFT_TC_NEAR)
#define HOLE_TC		(HOLE + 0x400000)
#define HOLE_TC_SIZE	(4u << 20)

/* What user code may change of RFLAGS, but for AC. */
#define GUEST_FLAGS	0xcd5ull

/* In the order of ModRM. */
struct guest {
	u64 gpr[16];
	u64 rip;
	u64 flags;
};

enum run_mode {
	RUN_NATIVE,
	RUN_TRANSLATED,
	RUN_NATIVE_STEPS,	/* with TF; on_step() at each instruction */
	RUN_STEPS,		/* with TF; on_host_step() at each host instruction */
};

/**
 * struct run - one run and what came of it
 * @g: registers before and after
 * @mode: enum run_mode
 * @on_step: the guest is at @g
 * @on_host_step: the processor is at @va with @g, not unspilled; true: @g was
 *	changed, go on there
 * @arg: for them
 * @signal: the fault that ended it, 0: HLT
 * @fault_addr: for SIGSEGV
 * @host_steps: host instructions counted
 * @guest_steps: guest instructions counted
 * @chains: exits by kind
 * @misses: exits by kind
 * @callouts: exits by kind
 * @strays: misses because the branch's address had no memory
 * @problem: what was wrong with the cache
 */
struct run {
	struct guest g;
	enum run_mode mode;
	void (*on_step)(struct run *run);
	bool (*on_host_step)(struct run *run, u64 va);
	void *arg;
	int signal;
	u64 fault_addr;
	u64 host_steps;
	u64 guest_steps;
	u64 chains;
	u64 misses;
	u64 callouts;
	u64 strays;
	const char *problem;
};

extern struct soft_tc *tc;
extern struct soft_vdata *vdata;
extern struct soft_vif *vif;
extern struct soft_tc_config tc_config;
extern bool no_expect;
extern bool no_spans;
extern unsigned int fetch_limit;

void env_init(u32 tc_size);
void env_new_cache(u32 tc_size);
void env_fresh(u64 code);
void *env_map(u64 addr, u64 len);
void env_run(struct run *run);
void env_unspill(struct guest *g, const struct soft_where *w);
u64 env_place(struct run *run, u64 rip);
int env_fetch(void *ctx, u64 gva, u8 *buf, unsigned int len);
u64 env_call(struct run *run, u64 fn, u64 a, u64 b, u64 c);
struct soft_tc_stats env_stats(void);

/* Code of the guest. */
#define PUT(at, ...) \
	memcpy((void *)(at), (u8 []){ __VA_ARGS__ }, sizeof((u8 []){ __VA_ARGS__ }))

/* For tests that go on: their variable good becomes false. */
#define CHECK(cond)							\
	do {								\
		if (!(cond)) {						\
			ktap_note("line %d: %s", __LINE__, #cond);	\
			good = false;					\
		}							\
	} while (0)

#endif
