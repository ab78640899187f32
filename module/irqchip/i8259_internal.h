/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: i8259 model
 *
 * A pair of 8259A as wired in a PC, without locks, time or a vCPU: it compiles
 * for the build machine as well.  pic.c puts it into a VM.
 */
#ifndef UMBRA_I8259_INTERNAL_H
#define UMBRA_I8259_INTERNAL_H

#include <linux/kvm.h>
#include "umbra/types.h"

#define UMBRA_PIC_PINS		16

/**
 * struct umbra_i8259 - two chips, the slave's INT on the master's IR2
 * @pic: master, slave; the layout that KVM_GET_IRQCHIP shows
 * @output: the master's INT line
 * @rose: @output went high since the caller last cleared this
 * @acked: interrupts whose service ended since the caller last cleared this
 * @unmasked: pins whose mask bit fell since the caller last cleared this
 */
struct umbra_i8259 {
	struct kvm_pic_state pic[2];
	bool output;
	bool rose;
	u16 acked;
	u16 unmasked;
};

void umbra_i8259_reset(struct umbra_i8259 *p);
void umbra_i8259_update(struct umbra_i8259 *p);
int umbra_i8259_line(struct umbra_i8259 *p, unsigned int pin, bool level);
u8 umbra_i8259_ack(struct umbra_i8259 *p);
u8 umbra_i8259_read(struct umbra_i8259 *p, u16 port);
void umbra_i8259_write(struct umbra_i8259 *p, u16 port, u8 val);

#endif
