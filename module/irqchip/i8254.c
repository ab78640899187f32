// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: i8254 interval timer, the chip
 *
 * Three 16-bit down counters at 1.193182 MHz (Intel 8254 data sheet, order
 * number 231164).  Nothing here ticks: count and output are worked out from the
 * time since the count was loaded, when somebody asks.
 *
 * Where this is simpler than the chip: a new count takes effect when its last
 * byte is written, also in modes 2 and 3, where the chip finishes the period
 * first; and the one clock pulse between writing and loading is not waited for.
 */
#include "i8254_internal.h"

#define NS_PER_SEC		1000000000ull

/* Control word: SC1 SC0 RW1 RW0 M2 M1 M0 BCD. */
#define CONTROL_PORT		3
#define READ_BACK		3	/* SC */
#define RB_NO_COUNT		0x20
#define RB_NO_STATUS		0x10
#define STATUS_OUT		0x80

/* Access modes (RW), and where a two-byte access stands. */
enum { LATCH, LSB, MSB, WORD };
enum { STATE_LSB = 1, STATE_MSB, STATE_WORD0, STATE_WORD1 };

/**
 * umbra_i8254_ticks() - time to clock pulses
 * @ns: nanoseconds
 *
 * Return: whole pulses.
 */
u64 umbra_i8254_ticks(u64 ns)
{
	return ns / NS_PER_SEC * UMBRA_PIT_HZ + ns % NS_PER_SEC * UMBRA_PIT_HZ / NS_PER_SEC;
}

/**
 * umbra_i8254_ns() - clock pulses to time
 * @ticks: pulses
 *
 * Return: nanoseconds after which that many pulses have passed.
 */
u64 umbra_i8254_ns(u64 ticks)
{
	return ticks / UMBRA_PIT_HZ * NS_PER_SEC +
	       (ticks % UMBRA_PIT_HZ * NS_PER_SEC + UMBRA_PIT_HZ - 1) / UMBRA_PIT_HZ;
}

static u32 from_bcd(u32 val)
{
	return (val >> 12 & 0xf) * 1000 + (val >> 8 & 0xf) * 100 + (val >> 4 & 0xf) * 10 +
	       (val & 0xf);
}

static u16 to_bcd(u32 val)
{
	return val / 1000 % 10 << 12 | val / 100 % 10 << 8 | val / 10 % 10 << 4 | val % 10;
}

/* How far a counter counts when it wraps. */
static u32 modulus(const struct kvm_pit_channel_state *c)
{
	return c->bcd ? 10000 : 0x10000;
}

/**
 * umbra_i8254_period() - pulses from load to terminal count
 * @pit: the timer
 * @channel: 0..2
 *
 * Return: 1..65536; a count of 0 is the largest.
 */
u32 umbra_i8254_period(const struct umbra_i8254 *pit, unsigned int channel)
{
	const struct kvm_pit_channel_state *c = &pit->ch[channel];
	u32 count = c->count & 0xffff;

	if (c->bcd)
		count = from_bcd(count);
	return count ?: modulus(c);
}

/**
 * umbra_i8254_periodic() - does the counter reload itself?
 * @pit: the timer
 * @channel: 0..2
 *
 * Return: true in modes 2 and 3.
 */
bool umbra_i8254_periodic(const struct umbra_i8254 *pit, unsigned int channel)
{
	return pit->ch[channel].mode == 2 || pit->ch[channel].mode == 3;
}

/* Modes that a rising gate starts; without one they wait. */
static bool gate_triggered(const struct kvm_pit_channel_state *c)
{
	return c->mode == 1 || c->mode == 5;
}

/* Modes in which a low gate stops the count where it is. */
static bool gate_holds(const struct kvm_pit_channel_state *c)
{
	return c->mode == 0 || c->mode == 4;
}

/**
 * umbra_i8254_fires() - will the output rise by itself?
 * @pit: the timer
 * @channel: 0..2
 *
 * Return: true when the counter runs towards a rising edge.
 */
bool umbra_i8254_fires(const struct umbra_i8254 *pit, unsigned int channel)
{
	const struct kvm_pit_channel_state *c = &pit->ch[channel];

	if (c->mode > 5 || !c->count)
		return false;
	if (gate_triggered(c))
		return c->count_load_time;
	return c->gate;
}

static u64 elapsed(const struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	const struct kvm_pit_channel_state *c = &pit->ch[channel];
	s64 ns = now - c->count_load_time;

	if (!c->gate && gate_holds(c))
		ns = pit->held[channel];
	else if (!c->gate && umbra_i8254_periodic(pit, channel))
		ns = 0;
	else if (gate_triggered(c) && !c->count_load_time)
		ns = 0;
	return umbra_i8254_ticks(ns > 0 ? ns : 0);
}

/* Value of the counting element. */
static u16 current_count(const struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	const struct kvm_pit_channel_state *c = &pit->ch[channel];
	u64 ticks = elapsed(pit, channel, now);
	u32 n = umbra_i8254_period(pit, channel), count;

	switch (c->mode) {
	case 2:
		count = n - ticks % n;
		break;
	case 3:
		/* Two at a time, twice a period, from the even value below n. */
		count = ticks % n;
		if (count >= (n + 1) / 2)
			count -= (n + 1) / 2;
		count = (n & ~1u) - 2 * count;
		break;
	default:
		count = (n + modulus(c) - ticks % modulus(c)) % modulus(c);
	}
	return c->bcd ? to_bcd(count) : count;
}

/**
 * umbra_i8254_out() - level of an output
 * @pit: the timer
 * @channel: 0..2
 * @now: ns
 *
 * Return: high or low.
 */
bool umbra_i8254_out(const struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	const struct kvm_pit_channel_state *c = &pit->ch[channel];
	u64 ticks = elapsed(pit, channel, now);
	u32 n = umbra_i8254_period(pit, channel);

	switch (c->mode) {
	case 0:
		return c->count && ticks >= n;
	case 1:
		return !c->count_load_time || ticks >= n;
	case 2:
		return !c->gate || ticks % n != n - 1;
	case 3:
		return !c->gate || ticks % n < (n + 1) / 2;
	case 4:
	case 5:
		return !c->count || ticks != n;
	default:
		return true;
	}
}

/**
 * umbra_i8254_restart() - begin counting from the count register
 * @pit: the timer
 * @channel: 0..2
 * @now: ns
 */
void umbra_i8254_restart(struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];

	c->count_load_time = gate_triggered(c) ? 0 : now;
	pit->held[channel] = 0;
	pit->loaded |= BIT(channel);
}

/**
 * umbra_i8254_gate() - drive a gate input
 * @pit: the timer
 * @channel: 0..2; in a PC only that of channel 2 is not tied high
 * @level: high or low
 * @now: ns
 */
void umbra_i8254_gate(struct umbra_i8254 *pit, unsigned int channel, bool level, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];

	if (c->gate == level)
		return;
	if (gate_holds(c)) {
		if (level)
			c->count_load_time = now - pit->held[channel];
		else
			pit->held[channel] = now - c->count_load_time;
	} else if (level) {
		c->count_load_time = now;
	}
	c->gate = level;
	pit->loaded |= BIT(channel);
}

static void load(struct umbra_i8254 *pit, unsigned int channel, u32 count, s64 now)
{
	pit->ch[channel].count = count ?: 0x10000;
	umbra_i8254_restart(pit, channel, now);
}

static void latch_count(struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];

	if (c->count_latched)
		return;
	c->latched_count = current_count(pit, channel, now);
	c->count_latched = c->rw_mode;
}

static void latch_status(struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];

	if (c->status_latched)
		return;
	c->status = c->rw_mode << 4 | (c->mode & 7) << 1 | c->bcd;
	if (umbra_i8254_out(pit, channel, now))
		c->status |= STATUS_OUT;
	c->status_latched = 1;
}

static void read_back(struct umbra_i8254 *pit, u8 val, s64 now)
{
	unsigned int i;

	for (i = 0; i < UMBRA_PIT_CHANNELS; i++) {
		if (!(val & BIT(i + 1)))
			continue;
		if (!(val & RB_NO_COUNT))
			latch_count(pit, i, now);
		if (!(val & RB_NO_STATUS))
			latch_status(pit, i, now);
	}
}

static void write_control(struct umbra_i8254 *pit, u8 val, s64 now)
{
	unsigned int channel = val >> 6;
	struct kvm_pit_channel_state *c;
	u8 rw = val >> 4 & 3;

	if (channel == READ_BACK) {
		read_back(pit, val, now);
		return;
	}
	if (rw == LATCH) {
		latch_count(pit, channel, now);
		return;
	}
	c = &pit->ch[channel];
	c->rw_mode = rw;
	c->read_state = rw;
	c->write_state = rw;
	c->mode = val >> 1 & 7;
	/* Modes 2 and 3 have a don't-care bit. */
	if (c->mode > 5)
		c->mode -= 4;
	c->bcd = val & 1;
	c->count_latched = 0;
	c->status_latched = 0;
	/* Stopped until a count is written. */
	c->count = 0;
	umbra_i8254_restart(pit, channel, now);
}

static void write_count(struct umbra_i8254 *pit, unsigned int channel, u8 val, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];

	switch (c->write_state) {
	case STATE_LSB:
		load(pit, channel, val, now);
		break;
	case STATE_MSB:
		load(pit, channel, val << 8, now);
		break;
	case STATE_WORD0:
		c->write_latch = val;
		c->write_state = STATE_WORD1;
		break;
	case STATE_WORD1:
		load(pit, channel, c->write_latch | val << 8, now);
		c->write_state = STATE_WORD0;
		break;
	}
}

static u8 read_latched(struct kvm_pit_channel_state *c)
{
	switch (c->count_latched) {
	case LSB:
		c->count_latched = 0;
		return c->latched_count;
	case WORD:
		c->count_latched = MSB;
		return c->latched_count;
	default:
		c->count_latched = 0;
		return c->latched_count >> 8;
	}
}

static u8 read_count(struct umbra_i8254 *pit, unsigned int channel, s64 now)
{
	struct kvm_pit_channel_state *c = &pit->ch[channel];
	u16 count;

	if (c->status_latched) {
		c->status_latched = 0;
		return c->status;
	}
	if (c->count_latched)
		return read_latched(c);
	count = current_count(pit, channel, now);
	switch (c->read_state) {
	case STATE_MSB:
		return count >> 8;
	case STATE_WORD0:
		c->read_state = STATE_WORD1;
		return count;
	case STATE_WORD1:
		c->read_state = STATE_WORD0;
		return count >> 8;
	default:
		return count;
	}
}

/**
 * umbra_i8254_read() - IN from 40h..43h
 * @pit: the timer
 * @port: 0..3
 * @now: ns
 *
 * Return: the byte; the control port cannot be read.
 */
u8 umbra_i8254_read(struct umbra_i8254 *pit, unsigned int port, s64 now)
{
	return port == CONTROL_PORT ? 0xff : read_count(pit, port, now);
}

/**
 * umbra_i8254_write() - OUT to 40h..43h
 * @pit: the timer
 * @port: 0..3
 * @val: the byte
 * @now: ns
 */
void umbra_i8254_write(struct umbra_i8254 *pit, unsigned int port, u8 val, s64 now)
{
	if (port == CONTROL_PORT)
		write_control(pit, val, now);
	else
		write_count(pit, port, val, now);
}

/**
 * umbra_i8254_reset() - power-on: no mode, gates as a PC ties them
 * @pit: the timer
 */
void umbra_i8254_reset(struct umbra_i8254 *pit)
{
	unsigned int i;

	memset(pit, 0, sizeof(*pit));
	for (i = 0; i < UMBRA_PIT_CHANNELS; i++) {
		pit->ch[i].mode = UMBRA_PIT_MODE_NONE;
		pit->ch[i].gate = i != 2;
		pit->ch[i].count = 0x10000;
	}
}
