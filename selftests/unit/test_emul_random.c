// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: emulator on nonsense
 *
 * Random instructions in random machine states: all modes, all rings, tables and
 * stacks full of rubbish.  Nothing is known about the right result, but some
 * things must hold whatever happens, and the sanitizers watch:
 *
 *   - a fault, I/O, an unhandled instruction leave the registers as they were,
 *     unless the fault is a trap;
 *   - RFLAGS keeps its fixed bits; CS and the privilege level agree;
 *   - the same call from the same state gives the same result.
 *
 *   test_emul_random [INSTRUCTIONS [SEED]]
 */
#include <asm/processor-flags.h>

#include "ktap.h"
#include "emul_internal.h"
#include "test_emul_env.h"
#include "xorshift.h"

#define MEM_SIZE	0x20000
#define RESERVED_FLAGS	(~0x3fffffull | 0x8028)

static struct env v;
static u8 *mem, *pristine;

static u64 rng_state;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static u64 below(u64 n)
{
	return rng() % n;
}

static u64 some_value(void)
{
	switch (below(4)) {
	case 0:
		return rng();
	case 1:
		return below(64);
	default:
		return below(MEM_SIZE);
	}
}

/* Descriptors that are mostly good, so that far transfers get somewhere. */
static void make_tables(void)
{
	unsigned int i;

	for (i = 0; i < 64; i++) {
		u64 d = 0x00cf92000000ffffull;

		d |= below(16) << 40 | below(4) << 45 | below(16) << 52;
		if (!below(4))
			d = rng();
		memcpy(mem + 0x2000 + 8 * i, &d, 8);
	}
	for (i = 0; i < 512; i++) {
		u64 g = below(0x8000) | below(512) << 16 | 0x8000ull << 32;

		g |= (below(2) ? 14 + below(2) : below(32)) << 40 |
		     below(4) << 45;
		memcpy(mem + 0x3000 + 8 * i, &g, 8);
	}
}

static void random_segments(void)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_SREG; i++) {
		struct umbra_seg *s = &v.regs.seg[i];

		if (below(4) || i == UMBRA_CS)
			continue;
		s->sel = rng();
		s->attr = rng() & 0xfff;
		s->limit = some_value();
		s->base = some_value();
	}
}

static void random_state(void)
{
	struct umbra_regs *r = &v.regs;
	unsigned int i, cpl = below(2) ? 0 : below(4);

	switch (below(4)) {
	case 0:
		env_real(&v);
		break;
	case 1:
		env_flat32(&v, cpl);
		if (below(2))
			r->seg[UMBRA_CS].attr &= ~UMBRA_SEG_DB;
		break;
	case 2:
		env_flat64(&v, cpl);
		if (!below(4))
			r->seg[UMBRA_CS].attr ^= UMBRA_SEG_L | UMBRA_SEG_DB;
		break;
	default:
		env_flat32(&v, 3);
		break;
	}
	for (i = 0; i < 16; i++)
		r->gpr[i] = some_value();
	r->rip = 0x1000 + below(0x100);
	r->rflags = (rng() & ~RESERVED_FLAGS & ~(u64)X86_EFLAGS_VM) | 2;
	if (below(8))
		r->rflags &= ~(u64)(X86_EFLAGS_TF | X86_EFLAGS_NT);
	if (r->cpl == 3 && !(r->efer & 0x400) && below(2))
		r->rflags |= X86_EFLAGS_VM;
	r->seg[UMBRA_CS].sel = (r->seg[UMBRA_CS].sel & ~3) | r->cpl;
	r->gdtr.base = 0x2000;
	r->gdtr.limit = 0x1ff;
	r->idtr.base = 0x3000;
	r->idtr.limit = 0xfff;
	r->seg[UMBRA_TR] = (struct umbra_seg){
		.sel = 0x40, .attr = UMBRA_SEG_P | (below(2) ? 11 : 3),
		.limit = 0x67 + below(0x2000), .base = 0x4000,
	};
	r->seg[UMBRA_LDTR] = (struct umbra_seg){
		.attr = below(2) ? 0x82 : 0, .limit = 0xff, .base = 0x2000,
	};
	random_segments();
	r->cr4 ^= rng() & (X86_CR4_UMIP | X86_CR4_TSD | X86_CR4_DE |
			   X86_CR4_OSFXSR | X86_CR4_LA57);
	r->dr7 = below(16) ? 0 : rng() & 0xffff00ff;
	for (i = 0; i < 4; i++)
		r->dr[i] = below(MEM_SIZE);
	r->star = rng();
	r->lstar = some_value();
	r->sysenter_cs = below(0x200);
	r->xcr0 = below(2) ? 7 : 0xe7;
	v.e.features = (below(2) ? ~0ull : rng()) & env_host_features();
	v.io_at = below(8) ? 0 : below(MEM_SIZE) & ~0xfffull;
	v.races = below(16) ? 0 : below(200);
}

static bool is_trap(void)
{
	return v.e.fault.soft || (v.e.fault.vector == 1 && v.e.fault.addr);
}

/* Callbacks change control registers even when the instruction then fails. */
static bool same_regs(const struct umbra_regs *a, const struct umbra_regs *b)
{
	return !memcmp(a->gpr, b->gpr, sizeof(a->gpr)) && a->rip == b->rip &&
	       a->rflags == b->rflags && a->cpl == b->cpl &&
	       !memcmp(a->seg, b->seg, sizeof(a->seg)) &&
	       a->int_shadow == b->int_shadow;
}

static const char *judge(int ret, const struct umbra_regs *old)
{
	const struct umbra_regs *r = &v.regs;

	if (ret < UMBRA_EMUL_OK || ret > UMBRA_EMUL_SHUTDOWN)
		return "result out of range";
	if (ret == UMBRA_EMUL_ERROR || ret == UMBRA_EMUL_SHUTDOWN)
		return "no callback said so";
	if (ret == UMBRA_EMUL_UNHANDLED && !v.e.reason)
		return "no reason";
	if ((ret == UMBRA_EMUL_IO || ret == UMBRA_EMUL_UNHANDLED ||
	     (ret == UMBRA_EMUL_FAULT && !is_trap())) && !same_regs(r, old))
		return "registers changed";
	if (ret == UMBRA_EMUL_FAULT && v.e.fault.vector > 31)
		return "vector";
	if ((r->rflags & RESERVED_FLAGS) || !(r->rflags & 2))
		return "reserved flags";
	if (r->cpl > 3)
		return "privilege level";
	/* LMSW and MOV CR0 change the mode, not yet CS */
	if ((r->cr0 & 1) && (old->cr0 & 1) && !(r->rflags & X86_EFLAGS_VM) &&
	    (r->seg[UMBRA_CS].sel & 3) != r->cpl)
		return "RPL of CS";
	return NULL;
}

static void show(const char *why, int ret, const struct umbra_regs *old)
{
	unsigned int i;

	printf("# %s: result %d vector %u, CS attr %x, CR0 %llx, flags %llx -> %llx:",
	       why, ret, v.e.fault.vector, old->seg[UMBRA_CS].attr, old->cr0,
	       old->rflags, v.regs.rflags);
	for (i = 0; i < v.e.insn_len; i++)
		printf(" %02x", v.e.insn[i]);
	printf("\n");
}

static int one(bool event)
{
	if (event)
		return umbra_emul_interrupt(&v.e, below(256), below(2),
					    below(2), below(65536));
	return umbra_emulate(&v.e);
}

static unsigned long run(unsigned long n, bool event, unsigned long *count)
{
	unsigned long wrong = 0;
	struct umbra_regs old;
	const char *why;
	unsigned int i;
	int ret;

	while (n--) {
		if (n % 64 == 0) {
			memcpy(mem, pristine, MEM_SIZE);
			make_tables();
		}
		random_state();
		for (i = 0; i < 16; i++)
			mem[v.regs.rip + i] = rng();
		if (!below(3))
			mem[v.regs.rip] = 0x0f;
		old = v.regs;
		ret = one(event);
		count[ret & 7]++;
		why = judge(ret, &old);
		if (why && wrong++ < 20)
			show(why, ret, &old);
	}
	return wrong;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000000;
	unsigned long c[8] = { 0 }, d[8] = { 0 }, wrong;
	unsigned int i;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	env_init(&v);
	mem = env_map(&v, 0, MEM_SIZE);
	pristine = malloc(MEM_SIZE);
	for (i = 0; i < MEM_SIZE; i++)
		pristine[i] = rng();
	ktap_plan(2);
	wrong = run(n, false, c);
	ktap_ok(!wrong, "instructions: %lu ok, %lu faults, %lu I/O, %lu again, %lu unhandled, %lu wrong",
		c[0], c[1], c[2], c[3], c[4], wrong);
	wrong = run(n / 4, true, d);
	ktap_ok(!wrong, "events: %lu ok, %lu faults, %lu I/O, %lu unhandled, %lu wrong",
		d[0], d[1], d[2], d[4], wrong);
	free(pristine);
	env_init(&v);
	ktap_exit();
}
