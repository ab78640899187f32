// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: i8259 interrupt controllers in a VM
 *
 * Puts the chips of i8259.c on the port bus, gives them a lock, and carries
 * their output to the vCPU whose local APIC passes it on (LVT0 in ExtINT mode:
 * "virtual wire", MultiProcessor Specification 3.6.2.2).
 */
#include "irqchip_internal.h"

#include "umbra/vcpu.h"

/**
 * umbra_pic_pending() - is the INT line high?
 * @irqchip: full
 *
 * Context: any; a hint unless the caller is the one who acknowledges.
 * Return: the level.
 */
bool umbra_pic_pending(struct umbra_irqchip *irqchip)
{
	const struct umbra_pic *pic = &irqchip->pic;

	return READ_ONCE(pic->chip.output);
}

/* The INT line rose: wake the vCPU that it reaches. */
static void signal_output(struct umbra_vm *vm)
{
	struct umbra_vcpu *vcpu;
	unsigned long i;

	umbra_for_each_vcpu(i, vcpu, vm) {
		if (!umbra_lapic_takes_pic(vcpu))
			continue;
		umbra_request(vcpu, UMBRA_REQ_EVENT);
		umbra_vcpu_kick(vcpu);
		return;
	}
}

/**
 * struct news - what others must hear when the lock is free again
 * @rose: the INT line went high
 * @acked: pins whose service ended
 * @unmasked: pins that were unmasked
 */
struct news {
	bool rose;
	u16 acked;
	u16 unmasked;
};

/* Under the lock, after any change. */
static struct news collect(struct umbra_i8259 *chip)
{
	struct news news = {
		.rose = chip->rose, .acked = chip->acked, .unmasked = chip->unmasked,
	};

	chip->rose = false;
	chip->acked = 0;
	chip->unmasked = 0;
	return news;
}

/* Without the lock. */
static void tell(struct umbra_vm *vm, const struct news *news)
{
	if (news->rose)
		signal_output(vm);
	if (news->unmasked & 0xff)
		umbra_irqchip_unmasked(vm, KVM_IRQCHIP_PIC_MASTER, news->unmasked & 0xff);
	if (news->unmasked >> 8)
		umbra_irqchip_unmasked(vm, KVM_IRQCHIP_PIC_SLAVE, news->unmasked >> 8);
	if (news->acked & 0xff)
		umbra_irqchip_acked(vm, KVM_IRQCHIP_PIC_MASTER, news->acked & 0xff);
	if (news->acked >> 8)
		umbra_irqchip_acked(vm, KVM_IRQCHIP_PIC_SLAVE, news->acked >> 8);
}

/**
 * umbra_pic_set() - a source drives a pin
 * @irqchip: full
 * @source: UMBRA_IRQ_SOURCE_*
 * @pin: 0..15
 * @level: 1 or 0; the pin is high while any source holds it so
 *
 * Context: any.
 * Return: 1 taken, 0 already requested, -1 masked.
 */
int umbra_pic_set(struct umbra_irqchip *irqchip, unsigned int source, unsigned int pin,
		  int level)
{
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;
	struct news news;
	int ret;

	raw_spin_lock_irqsave(&pic->lock, flags);
	__assign_bit(source, &pic->source[pin], level);
	ret = umbra_i8259_line(&pic->chip, pin, pic->source[pin]);
	news = collect(&pic->chip);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	tell(irqchip->vm, &news);
	return ret;
}

/**
 * umbra_pic_ack() - INTA cycles
 * @irqchip: full
 *
 * Context: vCPU thread.
 * Return: the vector.
 */
int umbra_pic_ack(struct umbra_irqchip *irqchip)
{
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;
	struct news news;
	u8 vector;

	raw_spin_lock_irqsave(&pic->lock, flags);
	vector = umbra_i8259_ack(&pic->chip);
	news = collect(&pic->chip);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	tell(irqchip->vm, &news);
	return vector;
}

/* The chips are 8 bits wide; a wider access is one that a PC does not decode. */
static int pic_read(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		    unsigned int len, void *data)
{
	struct umbra_irqchip *irqchip = vcpu->vm->irqchip;
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;
	struct news news;

	memset(data, 0xff, len);
	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&pic->lock, flags);
	*(u8 *)data = umbra_i8259_read(&pic->chip, addr);
	news = collect(&pic->chip);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	tell(irqchip->vm, &news);
	return 0;
}

static int pic_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		     unsigned int len, const void *data)
{
	struct umbra_irqchip *irqchip = vcpu->vm->irqchip;
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;
	struct news news;

	if (len != 1)
		return 0;
	raw_spin_lock_irqsave(&pic->lock, flags);
	umbra_i8259_write(&pic->chip, addr, *(const u8 *)data);
	news = collect(&pic->chip);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	tell(irqchip->vm, &news);
	return 0;
}

static const struct umbra_iodev_ops pic_ops = {
	.read = pic_read,
	.write = pic_write,
};

/**
 * umbra_pic_get_state() - one chip of KVM_GET_IRQCHIP
 * @irqchip: full
 * @which: 0 master, 1 slave
 * @state: result
 */
void umbra_pic_get_state(struct umbra_irqchip *irqchip, unsigned int which,
			 struct kvm_pic_state *state)
{
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;

	raw_spin_lock_irqsave(&pic->lock, flags);
	*state = pic->chip.pic[which];
	raw_spin_unlock_irqrestore(&pic->lock, flags);
}

/**
 * umbra_pic_set_state() - one chip of KVM_SET_IRQCHIP
 * @irqchip: full
 * @which: 0 master, 1 slave
 * @state: any contents are safe
 */
void umbra_pic_set_state(struct umbra_irqchip *irqchip, unsigned int which,
			 const struct kvm_pic_state *state)
{
	struct umbra_pic *pic = &irqchip->pic;
	unsigned long flags;
	struct news news;

	raw_spin_lock_irqsave(&pic->lock, flags);
	pic->chip.pic[which] = *state;
	umbra_i8259_update(&pic->chip);
	news = collect(&pic->chip);
	raw_spin_unlock_irqrestore(&pic->lock, flags);
	tell(irqchip->vm, &news);
}

static const u16 ports[] = { 0x20, 0xa0, 0x4d0 };

/**
 * umbra_pic_init() - power on, answer the ports
 * @irqchip: zeroed
 *
 * Context: vm->slots_lock held.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int umbra_pic_init(struct umbra_irqchip *irqchip)
{
	struct umbra_pic *pic = &irqchip->pic;
	unsigned int i;
	int err;

	raw_spin_lock_init(&pic->lock);
	umbra_i8259_reset(&pic->chip);
	for (i = 0; i < ARRAY_SIZE(ports); i++) {
		pic->dev[i] = (struct umbra_iodev){
			.ops = &pic_ops, .base = ports[i], .len = 2,
		};
		err = umbra_bus_add(irqchip->vm, UMBRA_BUS_PIO, &pic->dev[i]);
		if (err) {
			umbra_pic_exit(irqchip);
			return err;
		}
	}
	return 0;
}

/**
 * umbra_pic_exit() - answer no more
 * @irqchip: whose PIC was or was not on the bus
 *
 * Context: vm->slots_lock held.
 */
void umbra_pic_exit(struct umbra_irqchip *irqchip)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ports); i++)
		umbra_bus_del(irqchip->vm, UMBRA_BUS_PIO, &irqchip->pic.dev[i]);
}
