// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: real-time clock
 *
 * The guest's clock is the host's, in UTC, plus what the guest set it ahead.
 * Nothing ticks: registers, the update-in-progress bit and the flags of register
 * C are worked out from the host's clock when they are read (Motorola MC146818A
 * data sheet).  Its interrupt is not connected.
 */
#include "rtc.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
	SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9,
	REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13,
	EQUIPMENT = 0x14, BASE_LOW = 0x15, EXT_LOW = 0x17, EXT2_LOW = 0x30,
	CENTURY = 0x32, ABOVE_16M_LOW = 0x34,
};

#define A_UPDATE	0x80
#define A_DEFAULT	0x26	/* 32768 Hz, periodic rate 1024 Hz */
#define A_RATE		0x0f
#define B_HOURS24	0x02
#define B_BINARY	0x04
#define B_SET		0x80
#define C_UPDATE	0x10
#define C_PERIODIC	0x40
#define D_VALID		0x80
#define HOURS_PM	0x80

/* UIP rises 244 us before the 1984 us of an update. */
#define UPDATE_NS	2228000

static void put_kib(struct rtc *rtc, unsigned int index, uint64_t units)
{
	if (units > 0xffff)
		units = 0xffff;
	rtc->cmos[index] = units;
	rtc->cmos[index + 1] = units >> 8;
}

/**
 * rtc_init() - power-on state, with the memory size where a BIOS leaves it
 * @rtc: the clock
 * @memory_size: bytes
 */
void rtc_init(struct rtc *rtc, uint64_t memory_size)
{
	const uint64_t low = 16ull << 20;

	memset(rtc, 0, sizeof(*rtc));
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->cmos[REG_A] = A_DEFAULT;
	rtc->cmos[REG_B] = B_HOURS24;
	put_kib(rtc, BASE_LOW, 640);
	put_kib(rtc, EXT_LOW, (memory_size >> 10) - 1024);
	put_kib(rtc, EXT2_LOW, (memory_size >> 10) - 1024);
	put_kib(rtc, ABOVE_16M_LOW, memory_size > low ? (memory_size - low) >> 16 : 0);
}

static struct timespec host_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now;
}

static void guest_time(const struct rtc *rtc, struct tm *tm)
{
	time_t seconds = host_now().tv_sec + rtc->offset;

	gmtime_r(&seconds, tm);
}

static uint8_t encode(const struct rtc *rtc, unsigned int value)
{
	if (rtc->cmos[REG_B] & B_BINARY)
		return value;
	return value / 10 << 4 | value % 10;
}

static unsigned int decode(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[REG_B] & B_BINARY)
		return value;
	return (value >> 4) * 10 + (value & 0x0f);
}

static uint8_t encode_hours(const struct rtc *rtc, unsigned int hour)
{
	if (rtc->cmos[REG_B] & B_HOURS24)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned int decode_hours(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[REG_B] & B_HOURS24)
		return decode(rtc, value);
	return decode(rtc, value & ~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

static uint8_t read_time(const struct rtc *rtc, unsigned int index)
{
	struct tm tm;

	guest_time(rtc, &tm);
	switch (index) {
	case SECONDS:
		return encode(rtc, tm.tm_sec);
	case MINUTES:
		return encode(rtc, tm.tm_min);
	case HOURS:
		return encode_hours(rtc, tm.tm_hour);
	case WEEKDAY:
		return encode(rtc, tm.tm_wday + 1);
	case DAY:
		return encode(rtc, tm.tm_mday);
	case MONTH:
		return encode(rtc, tm.tm_mon + 1);
	case YEAR:
		return encode(rtc, tm.tm_year % 100);
	default:
		return encode(rtc, (tm.tm_year + 1900) / 100);
	}
}

/* Change one field and see how far the whole moved. */
static void write_time(struct rtc *rtc, unsigned int index, uint8_t value)
{
	unsigned int number = decode(rtc, value);
	struct tm tm;

	guest_time(rtc, &tm);
	switch (index) {
	case SECONDS:
		tm.tm_sec = number;
		break;
	case MINUTES:
		tm.tm_min = number;
		break;
	case HOURS:
		tm.tm_hour = decode_hours(rtc, value);
		break;
	case DAY:
		tm.tm_mday = number;
		break;
	case MONTH:
		tm.tm_mon = (int)number - 1;
		break;
	case YEAR:
		tm.tm_year = tm.tm_year / 100 * 100 + number;
		break;
	case CENTURY:
		tm.tm_year = (int)number * 100 - 1900 + tm.tm_year % 100;
		break;
	default:		/* the weekday follows from the date */
		return;
	}
	rtc->offset = timegm(&tm) - host_now().tv_sec;
}

static uint8_t read_a(const struct rtc *rtc)
{
	bool updating = host_now().tv_nsec >= 1000000000 - UPDATE_NS;

	/* While SET holds the clock, there are no updates. */
	if (updating && !(rtc->cmos[REG_B] & B_SET))
		return rtc->cmos[REG_A] | A_UPDATE;
	return rtc->cmos[REG_A];
}

static uint64_t periods(const struct rtc *rtc, const struct timespec *now)
{
	unsigned int rate = rtc->cmos[REG_A] & A_RATE;
	uint64_t ticks = now->tv_sec * 32768ull + now->tv_nsec * 32768ull / 1000000000;

	/* Rates 1 and 2 mean those of 8 and 9 (data sheet, table 5). */
	if (rate == 1 || rate == 2)
		rate += 7;
	return rate ? ticks >> (rate - 1) : 0;
}

/* Flags say what happened since the last reading, and reading clears them. */
static uint8_t read_c(struct rtc *rtc)
{
	struct timespec now = host_now();
	uint64_t period = periods(rtc, &now);
	uint8_t flags = 0;

	if (now.tv_sec != rtc->update_seen)
		flags |= C_UPDATE;
	if (period != rtc->period_seen)
		flags |= C_PERIODIC;
	rtc->update_seen = now.tv_sec;
	rtc->period_seen = period;
	return flags;
}

static uint32_t rtc_read(void *device, uint16_t port, unsigned int size)
{
	struct rtc *rtc = device;
	uint8_t value;

	(void)size;
	/* The index register is write-only. */
	if (port == RTC_PORT)
		return 0xff;
	pthread_mutex_lock(&rtc->lock);
	switch (rtc->index) {
	case SECONDS: case MINUTES: case HOURS:
	case WEEKDAY ... YEAR:
	case CENTURY:
		value = read_time(rtc, rtc->index);
		break;
	case REG_A:
		value = read_a(rtc);
		break;
	case REG_C:
		value = read_c(rtc);
		break;
	case REG_D:
		value = D_VALID;
		break;
	default:
		value = rtc->cmos[rtc->index];
	}
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void rtc_write(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct rtc *rtc = device;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (port == RTC_PORT) {
		/* Bit 7 masks NMIs, of which there are none. */
		rtc->index = value & 0x7f;
		goto out;
	}
	switch (rtc->index) {
	case SECONDS: case MINUTES: case HOURS:
	case WEEKDAY ... YEAR:
	case CENTURY:
		write_time(rtc, rtc->index, value);
		break;
	case REG_A:
		rtc->cmos[REG_A] = value & ~A_UPDATE;
		break;
	case REG_C: case REG_D:
		break;
	default:
		rtc->cmos[rtc->index] = value;
	}
out:
	pthread_mutex_unlock(&rtc->lock);
}

const struct port_ops rtc_ports = {
	.width = 1,
	.read = rtc_read,
	.write = rtc_write,
};
