// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fuzz_emulate
 *
 * libFuzzer on whole emulated instructions.  The input is a mode, some registers and the
 * bytes at CS:RIP; memory is full of numbers that do for descriptors, too.  Whatever
 * happens: no undefined behaviour, registers as they were unless the instruction was done,
 * no outcome that nobody asked for, and the same again from the decoded instruction.
 */
#include <stdlib.h>
#include <string.h>

#include "test_emul_env.h"
#include "xorshift.h"

#define MEM_SIZE	0x8000u
#define CODE		0x1000u
#define ROUNDS		300u	/* calls that one instruction may take */

struct input {
	u8 mode, cpl, io, flags_high;
	u16 flags;
	u16 gpr[8];
	u16 seg[6];
	u8 code[16];
};

static struct env v;
static u8 *mem, *pristine;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_memory(void)
{
	u64 state = 0x9e3779b97f4a7c15ull;
	unsigned int i;

	env_init(&v);
	mem = env_map(&v, 0, MEM_SIZE);
	pristine = malloc(MEM_SIZE);
	for (i = 0; i < MEM_SIZE; i += 8) {
		state = xorshift(state);
		memcpy(pristine + i, &state, 8);
	}
	/* A descriptor table of all types, and gates. */
	for (i = 0; i < 128; i++) {
		u64 d = 0x00cf80000000ffffull | (u64)(i & 31) << 40 | (u64)(i >> 5) << 45;

		memcpy(pristine + 0x2000 + 8 * i, &d, 8);
	}
	for (i = 0; i < 256; i++) {
		u64 g = 0x8e0000080000ull << 0 | (u64)(i & 15) << 40;

		memcpy(pristine + 0x3000 + 16 * i, &g, 8);
	}
	v.e.cache_entries = 1024;
	v.e.cache = calloc(1, umbra_emul_cache_size(v.e.cache_entries));
}

static void set_state(const struct input *in)
{
	struct umbra_regs *r = &v.regs;
	unsigned int i;

	memset(r, 0, sizeof(*r));
	r->avail = UMBRA_REGS_ALL;
	if (in->mode % 4 == 0)
		env_real(&v);
	else if (in->mode % 4 == 1)
		env_flat32(&v, in->cpl & 3);
	else
		env_flat64(&v, in->cpl & 3);
	if (in->mode & 0x10)
		r->seg[UMBRA_CS].attr &= ~UMBRA_SEG_DB;
	for (i = 0; i < 16; i++)
		r->gpr[i] = in->gpr[i & 7] & 0x8000 && in->cpl & 0x80 ?
			    (u64)(s64)(s16)in->gpr[i & 7] : in->gpr[i & 7] & 0x7fff;
	r->rip = CODE;
	r->rflags = (in->flags & 0x7fd5) | 2 | (u64)(in->flags_high & 0x24) << 16;
	if (r->cpl == 3 && in->mode % 4 == 1 && in->flags_high & 1)
		r->rflags |= 1 << 17;
	r->seg[UMBRA_CS].sel = (r->seg[UMBRA_CS].sel & ~3) | r->cpl;
	for (i = 0; i < 6; i++)
		if (i != UMBRA_CS && in->seg[i] & 1) {
			r->seg[i].base = in->seg[i] & 0x7ff0;
			r->seg[i].limit = in->seg[i] & 2 ? 0xffff : 0x3ff;
		}
	r->gdtr.base = 0x2000;
	r->gdtr.limit = 0x3ff;
	r->idtr.base = 0x3000;
	r->idtr.limit = 0xfff;
	r->seg[UMBRA_TR] = (struct umbra_seg){ .sel = 0x40, .attr = UMBRA_SEG_P | 11,
					       .limit = 0x2067, .base = 0x4000 };
	v.io_at = in->io & 1 ? (in->io & 0x7eu) << 8 & ~0xfffull : 0;
	v.races = in->io >> 6;
	v.blocks = in->io & 0x20;
}

static bool same_regs(const struct umbra_regs *a, const struct umbra_regs *b)
{
	return !memcmp(a->gpr, b->gpr, sizeof(a->gpr)) && a->rip == b->rip &&
	       a->rflags == b->rflags && a->cpl == b->cpl &&
	       !memcmp(a->seg, b->seg, sizeof(a->seg)) && a->int_shadow == b->int_shadow;
}

static void demand(bool good)
{
	if (!good)
		abort();
}

static void judge(int ret, const struct umbra_regs *old)
{
	const struct umbra_emul *e = &v.e;
	bool trap = e->fault.soft || (e->fault.vector == 1 && e->fault.addr);

	demand(ret >= UMBRA_EMUL_OK && ret < UMBRA_EMUL_SHUTDOWN && ret != UMBRA_EMUL_ERROR);
	demand(ret != UMBRA_EMUL_UNHANDLED || e->reason);
	demand(ret != UMBRA_EMUL_FAULT || e->fault.vector < 32);
	if (ret == UMBRA_EMUL_IO || ret == UMBRA_EMUL_UNHANDLED ||
	    (ret == UMBRA_EMUL_FAULT && !trap))
		demand(same_regs(&v.regs, old));
	demand((v.regs.rflags & (~0x3fffffull | 0x802a)) == 2);
	demand(v.regs.cpl <= 3);
}

/* One instruction to its end; bounded, as long as REP makes progress. */
static int run(const struct input *in, struct umbra_regs *end)
{
	unsigned int round = 0;
	int ret;

	v.e.features = env_host_features();
	memset(v.vec, 0x5a, sizeof(v.vec));
	memset(v.fx, 0, sizeof(v.fx));
	v.msr = 0;
	memcpy(mem, pristine, MEM_SIZE);
	memcpy(mem + CODE, in->code, sizeof(in->code));
	set_state(in);
	do {
		struct umbra_regs old = v.regs;

		memset(&v.e.fault, 0, sizeof(v.e.fault));
		ret = umbra_emulate(&v.e);
		judge(ret, &old);
		demand(++round < ROUNDS);
	} while (ret == UMBRA_EMUL_AGAIN);
	*end = v.regs;
	return ret;
}

static void run_twice(const struct input *in)
{
	struct umbra_regs first, second;
	int ret = run(in, &first);

	demand(run(in, &second) == ret);
	demand(same_regs(&first, &second));
}

/* What was found once is tried in every run. */
static const struct input past[] = {
	{ .mode = 2, .code = { 0x0f, 0xfe, 0xd7 } },	/* an MMX stack that is turned */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { 0 };
	unsigned int i;

	if (!mem) {
		make_memory();
		for (i = 0; i < ARRAY_SIZE(past); i++)
			run_twice(&past[i]);
	}
	memcpy(&in, data, size < sizeof(in) ? size : sizeof(in));
	run_twice(&in);
	return 0;
}
