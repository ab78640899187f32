// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the interval timer against a clock
 *
 * i8254.c works out what a counter holds at any time; here a counter is clocked
 * pulse by pulse, as the data sheet draws it, and must agree.  Then the port
 * protocol: access modes, latches, read-back.
 */
#include "i8254_internal.h"
#include "ktap.h"

/* A counter that is clocked. */
struct clocked {
	u32 mode, n, value;
	bool out, gate, started;
	u32 modulus;
};

static void clocked_load(struct clocked *c, u32 mode, u32 n, bool bcd)
{
	*c = (struct clocked){
		.mode = mode, .n = n, .gate = true, .modulus = bcd ? 10000 : 65536,
		.value = mode == 3 ? n & ~1u : n,
		.out = mode != 0, .started = mode != 1 && mode != 5,
	};
}

static void clocked_gate(struct clocked *c, bool gate)
{
	bool rose = gate && !c->gate;

	c->gate = gate;
	if (c->mode == 2 || c->mode == 3) {
		c->out = true;
		c->value = c->mode == 3 ? c->n & ~1u : c->n;
	} else if (rose && (c->mode == 1 || c->mode == 5)) {
		c->started = true;
		c->value = c->n;
		c->out = c->mode == 5;
	}
}

static void clock_mode3(struct clocked *c)
{
	/* An odd count's high half is one pulse longer: it counts through 0. */
	u32 end = c->out && c->n & 1 ? 0 : 2;

	if (c->value > end || (end == 0 && c->value)) {
		c->value -= 2;
		return;
	}
	c->out = !c->out;
	c->value = c->n & ~1u;
}

static void clock_once(struct clocked *c)
{
	bool triggered = c->mode == 1 || c->mode == 5;

	if (!c->started || (!c->gate && !triggered))
		return;
	if (c->mode == 3) {
		clock_mode3(c);
		return;
	}
	if (c->mode == 2) {
		c->value = c->value == 1 ? c->n : c->value - 1;
		c->out = c->value != 1;
		return;
	}
	c->value = (c->value + c->modulus - 1) % c->modulus;
	if (c->mode == 4 || c->mode == 5)
		c->out = c->value != 0;
	else if (!c->value)
		c->out = true;
}

static u16 bcd_of(u32 value)
{
	return value / 1000 % 10 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 |
	       value % 10;
}

/* Time of pulse @tick, ns; the clock does not start at 0. */
static s64 at(u64 tick)
{
	return 5000000000ll + umbra_i8254_ns(tick);
}

/* And the middle of it: where to look, so that a rounded ns does not matter. */
static s64 within(u64 tick)
{
	return at(tick) + 400;
}

static void program(struct umbra_i8254 *pit, u8 control, u16 count, s64 now)
{
	umbra_i8254_write(pit, 3, control, now);
	umbra_i8254_write(pit, control >> 6, count, now);
	umbra_i8254_write(pit, control >> 6, count >> 8, now);
}

static u16 read_word(struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	u16 low = umbra_i8254_read(pit, channel, now);

	return low | umbra_i8254_read(pit, channel, now) << 8;
}

/* Channel 2 in @mode with count @n for a few periods; gate falls and rises on the way. */
static bool same_as_clocked(u32 mode, u32 n, bool bcd, bool gates)
{
	u32 length = n * 3 + 20, fall = n / 2 + 3, rise = n + 5, tick;
	struct umbra_i8254 pit;
	struct clocked c;

	umbra_i8254_reset(&pit);
	umbra_i8254_gate(&pit, 2, true, at(0));
	program(&pit, 0xb0 | mode << 1 | bcd, bcd ? bcd_of(n) : n, at(0));
	clocked_load(&c, mode, n == 0 ? (bcd ? 10000 : 65536) : n, bcd);
	if (mode == 1 || mode == 5)
		gates = true;
	for (tick = 0; tick < length; tick++) {
		u16 want;

		if (gates && (tick == fall || tick == rise)) {
			umbra_i8254_gate(&pit, 2, tick == rise, at(tick));
			clocked_gate(&c, tick == rise);
		}
		want = bcd ? bcd_of(c.value) : c.value;
		if (umbra_i8254_out(&pit, 2, within(tick)) != c.out) {
			ktap_note("mode %u count %u pulse %u: out is not %d", mode, n, tick, c.out);
			return false;
		}
		if (c.started && read_word(&pit, 2, within(tick)) != want) {
			ktap_note("mode %u count %u pulse %u: count is not %u", mode, n, tick, want);
			return false;
		}
		clock_once(&c);
	}
	return true;
}

static void test_modes(void)
{
	static const u32 counts[] = { 2, 3, 4, 5, 10, 99, 100, 255, 256, 999, 1000, 4773 };
	u32 mode;

	for (mode = 0; mode < 6; mode++) {
		bool good = true;
		unsigned int i;

		for (i = 0; i < ARRAY_SIZE(counts) && good; i++)
			good = same_as_clocked(mode, counts[i], false, false) &&
			       same_as_clocked(mode, counts[i], true, false) &&
			       same_as_clocked(mode, counts[i], false, true);
		ktap_ok(good, "mode %u counts as drawn", mode);
	}
}

static void test_time(void)
{
	bool good = true;
	u64 tick;

	for (tick = 0; tick < 5000000 && good; tick += 1 + tick / 3)
		good = umbra_i8254_ticks(umbra_i8254_ns(tick)) == tick &&
		       (!tick || umbra_i8254_ticks(umbra_i8254_ns(tick) - 1) == tick - 1);
	ktap_ok(good, "pulses and time convert exactly");
	ktap_ok(umbra_i8254_ticks(1000000000ull * 86400 * 3650) == UMBRA_PIT_HZ * 86400 * 3650,
		"also after ten years");
}

static void test_largest(void)
{
	struct umbra_i8254 pit;

	umbra_i8254_reset(&pit);
	program(&pit, 0x34, 0, at(0));
	ktap_ok(umbra_i8254_period(&pit, 0) == 65536 && read_word(&pit, 0, at(1)) == 65535,
		"a count of 0 is 65536");
	program(&pit, 0x35, 0, at(0));
	ktap_ok(umbra_i8254_period(&pit, 0) == 10000 && read_word(&pit, 0, at(1)) == 0x9999,
		"and 10000 in BCD");
}

static void test_access(void)
{
	struct umbra_i8254 pit;

	umbra_i8254_reset(&pit);
	umbra_i8254_write(&pit, 3, 0x14, at(0));
	umbra_i8254_write(&pit, 0, 0x80, at(0));
	ktap_ok(umbra_i8254_period(&pit, 0) == 0x80 && umbra_i8254_read(&pit, 0, at(0)) == 0x80,
		"LSB only");
	umbra_i8254_write(&pit, 3, 0x24, at(0));
	umbra_i8254_write(&pit, 0, 0x80, at(0));
	ktap_ok(umbra_i8254_period(&pit, 0) == 0x8000 && umbra_i8254_read(&pit, 0, at(0)) == 0x80,
		"MSB only");
	umbra_i8254_write(&pit, 3, 0x34, at(0));
	umbra_i8254_write(&pit, 0, 0x34, at(0));
	ktap_ok(!umbra_i8254_fires(&pit, 0), "half a word counts nothing");
	umbra_i8254_write(&pit, 0, 0x12, at(0));
	ktap_ok(umbra_i8254_fires(&pit, 0) && umbra_i8254_period(&pit, 0) == 0x1234, "a word");
}

static void test_latch(void)
{
	struct umbra_i8254 pit;

	umbra_i8254_reset(&pit);
	program(&pit, 0x34, 10000, at(0));
	umbra_i8254_write(&pit, 3, 0x00, at(100));
	umbra_i8254_write(&pit, 3, 0x00, at(200));
	ktap_ok(read_word(&pit, 0, at(300)) == 9900, "the first latch counts");
	ktap_ok(read_word(&pit, 0, at(400)) == 9600, "and is gone after it was read");
	program(&pit, 0x76, 500, at(0));
	umbra_i8254_write(&pit, 3, 0xc6, at(10));
	ktap_ok((umbra_i8254_read(&pit, 0, at(20)) & 0xbf) == 0xb4 &&
		read_word(&pit, 0, at(30)) == 9990 &&
		(umbra_i8254_read(&pit, 1, at(20)) & 0xbf) == 0xb6 &&
		read_word(&pit, 1, at(30)) == 480, "read-back: status, then count, of two");
	ktap_ok(umbra_i8254_read(&pit, 3, at(0)) == 0xff, "the control port reads nothing");
}

/* Userspace may restore any state: nothing of it may do harm. */
static void test_any_state(void)
{
	struct umbra_i8254 pit;
	unsigned int i, k;

	srandom(1);
	for (i = 0; i < 20000; i++) {
		umbra_i8254_reset(&pit);
		for (k = 0; k < sizeof(pit.ch); k++)
			((u8 *)pit.ch)[k] = random();
		for (k = 0; k < 3; k++)
			pit.ch[k].count_load_time = (u64)random() << 8;
		for (k = 0; k < 20; k++) {
			s64 now = (s64)random() << 10;

			umbra_i8254_write(&pit, random() & 3, random(), now);
			umbra_i8254_read(&pit, random() & 3, now);
			umbra_i8254_gate(&pit, 2, random() & 1, now);
			umbra_i8254_out(&pit, random() % 3, now);
			umbra_i8254_period(&pit, random() % 3);
		}
	}
	ktap_ok(true, "any state, any access");
}

int main(void)
{
	ktap_plan(19);
	test_modes();
	test_time();
	test_largest();
	test_access();
	test_latch();
	test_any_state();
	ktap_exit();
}
