/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: MC146818 real-time clock and CMOS memory
 */
#ifndef UMBRA_TOOL_RTC_H
#define UMBRA_TOOL_RTC_H

#include <pthread.h>
#include <stdint.h>

#include "ports.h"

#define RTC_PORT	0x70
#define RTC_PORTS	2
#define RTC_CMOS_SIZE	128

/**
 * struct rtc - the clock
 * @lock: guards everything below
 * @index: selected register
 * @cmos: registers; those of the time are made when read
 * @offset: seconds that the guest set its clock ahead of the host's
 * @update_seen: second in which register C was last read
 * @period_seen: periods elapsed when register C was last read
 */
struct rtc {
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t cmos[RTC_CMOS_SIZE];
	int64_t offset;
	int64_t update_seen;
	uint64_t period_seen;
};

extern const struct port_ops rtc_ports;

void rtc_init(struct rtc *rtc, uint64_t memory_size);

#endif
