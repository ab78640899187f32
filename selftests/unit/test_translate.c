// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translator against the processor: whole functions
 *
 * Compiled functions natively and translated: the same results; and what the
 * cache promises about links, drops and being full.
 */
#include "ktap.h"
#include "test_translate_code.h"
#include "test_translate_env.h"

static bool same_result(const struct code *c, const char *how)
{
	struct run run = { .mode = RUN_TRANSLATED };
	u64 want = c->fn(c->arg, 3, 5);
	u64 got = env_call(&run, (u64)c->fn, c->arg, 3, 5);

	if (run.problem || run.signal || got != want) {
		ktap_note("%s, %s: %llx, not %llx; signal %d at %llx, %s", c->name, how,
			  got, want, run.signal, run.g.rip, run.problem ?: "");
		return false;
	}
	return true;
}

static bool functions(void)
{
	const struct code *c;
	bool good = true;

	for (c = codes; c->name; c++)
		good = same_result(c, "cold") && same_result(c, "warm") && good;
	return good;
}

/* Host instructions for each guest instruction, when all is translated. */
static bool cost(void)
{
	u64 guest = 0, host = 0;
	const struct code *c;

	for (c = codes; c->name; c++) {
		struct run n = { .mode = RUN_NATIVE_STEPS };
		struct run t = { .mode = RUN_STEPS };

		same_result(c, "cost");
		env_call(&n, (u64)c->fn, c->arg / 4, 3, 5);
		env_call(&t, (u64)c->fn, c->arg / 4, 3, 5);
		ktap_note("%s: %llu host instructions for %llu: %.2f; exits %llu %llu",
			  c->name, t.host_steps, n.guest_steps,
			  (double)t.host_steps / n.guest_steps, t.chains, t.misses);
		guest += n.guest_steps;
		host += t.host_steps;
	}
	ktap_note("all: %.3f", (double)host / guest);
	return host * 10 <= guest * 15;
}

int main(void)
{
	env_init(HOLE_TC_SIZE);
	ktap_plan(2);
	ktap_ok(functions(), "compiled functions");
	ktap_ok(cost(), "at most 1.5 host instructions for each one of the guest");
	ktap_exit();
}
