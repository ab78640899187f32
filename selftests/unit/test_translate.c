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

int main(void)
{
	env_init(HOLE_TC_SIZE);
	ktap_plan(1);
	ktap_ok(functions(), "compiled functions");
	ktap_exit();
}
