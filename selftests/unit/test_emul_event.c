// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: events of 64-bit guests, two ways
 *
 * The short way of event64.c and the general one of interrupt.c must leave the same
 * machine behind: random gates, segments, stacks and registers, each event delivered
 * by both.  The short way may decline, but then nothing has changed, and it must not
 * decline what is plain.
 *
 *   test_emul_event [EVENTS [SEED]]
 */
#include "emul_internal.h"
#include "test_emul_machine.h"
#include "xorshift.h"

static u64 rng_state;

static u64 below(u64 n)
{
	rng_state = xorshift(rng_state);
	return rng_state % n;
}

/* Mostly where there is memory; now and then at its end, across pages, nowhere. */
static u64 some_stack(void)
{
	switch (below(16)) {
	case 0:
		return MEM_SIZE + below(64);
	case 1:
		return 0x0000800000000000ull + below(64);
	case 2:
		return DATA + below(64);
	default:
		return STACK0 + 0x100 + below(0x800);
	}
}

static u16 some_selector(void)
{
	static const u16 sel[] = {
		K_CODE32, K_DATA, U_CODE64, ABSENT, GATE, CODE16, 0, 3, K_CODE64 | 4, 0x1f8,
	};

	return below(4) ? K_CODE64 | below(4) : sel[below(ARRAY_SIZE(sel))];
}

static void random_tables(u8 vector)
{
	u64 off = below(8) ? 0xffffffff81000000ull + below(0x1000000) : below(1ull << 62) << 2;
	u8 type = below(8) ? 14 + below(2) : below(16);

	put64(GDT + K_CODE64, 0x00af9b000000ffffull);
	if (!below(8))
		mem[GDT + K_CODE64 + 5 + below(2)] ^= 1 << below(8);
	gate64(vector, some_selector(), off, type, below(4), below(2) ? 0 : below(8));
	if (!below(16))
		mem[IDT + 16 * vector + 5] ^= 0x80;
	put64(TSS + 4, some_stack());
	put64(TSS + 0x24 + 8 * below(7), some_stack());
}

static void random_registers(void)
{
	struct umbra_regs *r = &v.regs;

	r->gpr[UMBRA_RSP] = some_stack();
	r->rflags = (below(1 << 22) & ~0x28ull & ~(u64)X86_EFLAGS_VM) | X86_EFLAGS_FIXED;
	r->int_shadow = below(2);
	if (r->cpl == 3 && !below(4))
		r->seg[UMBRA_CS].attr ^= UMBRA_SEG_L | UMBRA_SEG_DB;
	if (!below(16))
		r->idtr.limit = below(0x1000);
	if (!below(16))
		r->gdtr.limit = below(0x100);
	if (!below(16))
		r->seg[UMBRA_TR].limit = below(0x68);
	if (!below(16))
		r->seg[UMBRA_TR].attr = UMBRA_SEG_P | 3;
	if (!below(16))
		r->dr7 = 1;
	if (!below(16))
		r->cr4 |= X86_CR4_LA57;
	if (!below(32))
		v.io_at = below(MEM_SIZE) & UMBRA_PAGE_MASK;
}

/**
 * struct outcome - what an event left behind
 * @ret: result of the delivery
 * @fault: if that is FAULT
 * @regs: registers
 * @mem: memory
 */
struct outcome {
	int ret;
	struct umbra_fault fault;
	struct umbra_regs regs;
	u8 mem[MEM_SIZE];
};

static void look(struct outcome *o, int ret)
{
	o->ret = ret;
	o->fault = v.e.fault;
	o->regs = v.regs;
	memcpy(o->mem, mem, MEM_SIZE);
}

static bool same_state(const struct outcome *a, const struct outcome *b)
{
	return !memcmp(&a->regs, &b->regs, sizeof(a->regs)) &&
	       !memcmp(a->mem, b->mem, sizeof(a->mem));
}

static bool same_result(const struct outcome *a, const struct outcome *b)
{
	if (a->ret != b->ret || !same_state(a, b))
		return false;
	return a->ret != UMBRA_EMUL_FAULT ||
	       (a->fault.vector == b->fault.vector && a->fault.addr == b->fault.addr &&
		a->fault.error_code == b->fault.error_code);
}

static int general(u8 vector, bool has_error, u32 error)
{
	int ret;

	emul_begin(&v.e);
	ret = emul_deliver(&v.e, vector, false, has_error, error);
	if (ret == UMBRA_EMUL_OK) {
		v.e.r.int_shadow = 0;
		emul_commit(&v.e);
	}
	return ret;
}

static struct outcome before, quick, slow;

static void restore(const struct outcome *o)
{
	v.regs = o->regs;
	memcpy(mem, o->mem, MEM_SIZE);
}

/* Both ways from the same state; @done: the short one did not decline. */
static bool is_wrong(u8 vector, bool has_error, u32 error, bool *done)
{
	look(&before, 0);
	look(&quick, emul_event64(&v.e, vector, has_error, error));
	restore(&before);
	*done = quick.ret != EMUL_NOT_PLAIN;
	if (!*done)
		return !same_state(&quick, &before);
	look(&slow, general(vector, has_error, error));
	return !same_result(&quick, &slow);
}

/* Return: how many went wrong. */
static unsigned long compare(unsigned long n, unsigned long *done, unsigned long *delivered)
{
	unsigned long wrong = 0;

	while (n--) {
		u8 vector = below(256);
		bool has_error = below(2), quickly;
		u32 error = below(65536);

		begin64(below(2) ? 3 : 0);
		random_tables(vector);
		random_registers();
		if (is_wrong(vector, has_error, error, &quickly) && wrong++ < 20)
			printf("# vector %u: %x, not %x; CPL %u, gate %llx\n", vector, quick.ret,
			       slow.ret, before.regs.cpl, get(IDT + 16 * vector, 8));
		*done += quickly;
		*delivered += quick.ret == UMBRA_EMUL_OK;
	}
	return wrong;
}

/* What a kernel lives on: the short way has to do it. */
static void plain_ones(void)
{
	unsigned int cpl, has_error, ist;

	for (cpl = 0; cpl < 4; cpl += 3)
		for (has_error = 0; has_error < 2; has_error++)
			for (ist = 0; ist < 2; ist++) {
				begin64(cpl);
				put64(GDT + K_CODE64, 0x00af9b000000ffffull);
				gate64(14, K_CODE64, 0x7000, 14, 0, ist);
				if (emul_event64(&v.e, 14, has_error, 6) != UMBRA_EMUL_OK)
					good = false;
			}
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 5000;
	unsigned long done = 0, delivered = 0, wrong;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	ktap_plan(2);
	wrong = compare(n, &done, &delivered);
	ktap_ok(!wrong && delivered > n / 8,
		"%lu events, %lu of them quickly, %lu arrived: %lu wrong", n, done, delivered,
		wrong);
	good = true;
	plain_ones();
	ktap_ok(good, "plain events take the short way");
	env_init(&v);
	ktap_exit();
}
