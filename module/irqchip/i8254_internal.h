/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: i8254 model
 *
 * The interval timer as a state machine over time that the caller tells it.
 * It compiles for the build machine as well; pit.c puts it into a VM.
 */
#ifndef UMBRA_I8254_INTERNAL_H
#define UMBRA_I8254_INTERNAL_H

#include <linux/kvm.h>
#include "umbra/types.h"

#define UMBRA_PIT_HZ		1193182ull
#define UMBRA_PIT_CHANNELS	3
#define UMBRA_PIT_MODE_NONE	0xff	/* no control word was written yet */

/**
 * struct umbra_i8254 - the three counters
 * @ch: the layout that KVM_GET_PIT2 shows; count_load_time in ns of the
 *	caller's clock, 0: modes 1 and 5 that no gate has triggered
 * @held: ns that a counter had run when its gate went low (modes 0 and 4)
 * @loaded: channels that got a new count or mode since the caller cleared this
 */
struct umbra_i8254 {
	struct kvm_pit_channel_state ch[UMBRA_PIT_CHANNELS];
	s64 held[UMBRA_PIT_CHANNELS];
	u8 loaded;
};

u64 umbra_i8254_ticks(u64 ns);
u64 umbra_i8254_ns(u64 ticks);
void umbra_i8254_reset(struct umbra_i8254 *pit);
void umbra_i8254_restart(struct umbra_i8254 *pit, unsigned int channel, s64 now);
bool umbra_i8254_out(const struct umbra_i8254 *pit, unsigned int channel, s64 now);
u32 umbra_i8254_period(const struct umbra_i8254 *pit, unsigned int channel);
bool umbra_i8254_periodic(const struct umbra_i8254 *pit, unsigned int channel);
bool umbra_i8254_fires(const struct umbra_i8254 *pit, unsigned int channel);
void umbra_i8254_gate(struct umbra_i8254 *pit, unsigned int channel, bool level, s64 now);
u8 umbra_i8254_read(struct umbra_i8254 *pit, unsigned int port, s64 now);
void umbra_i8254_write(struct umbra_i8254 *pit, unsigned int port, u8 val, s64 now);

#endif
