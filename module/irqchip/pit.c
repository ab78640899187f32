// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: i8254 interval timer in a VM
 *
 * Puts the timer of i8254.c at ports 40h-43h, with the speaker port 61h on
 * request, and lets channel 0 interrupt through GSI 0.
 *
 * An hrtimer marks channel 0's rising edges.  The n-th comes n periods after the
 * count was loaded, reckoned in clock pulses, so that rounding does not add up.
 *
 * A guest that counts ticks must get them all, also when the host was busy
 * (reinjection, KVM api.rst, KVM_REINJECT_CONTROL): a tick that finds the last
 * one not yet acknowledged waits in @pending, and the acknowledge sends it.
 */
#include "irqchip_internal.h"

#include <linux/hrtimer.h>
#include <linux/slab.h>

#include "i8254_internal.h"
#include "umbra/compat.h"
#include "umbra/vcpu.h"

#define PIT_BASE		0x40
#define SPEAKER_PORT		0x61
#define PIT_GSI			0
#define SPEAKER_CHANNEL		2

/* Port 61h. */
#define SPEAKER_GATE		0x01
#define SPEAKER_DATA		0x02
#define SPEAKER_REFRESH		0x10
#define SPEAKER_OUT		0x20

/* A guest cannot make the host take more interrupts than this from it. */
#define MIN_PERIOD_NS		200000ull
/* Ticks that a single delay of the host adds at most. */
#define MAX_BACKLOG		10000

/**
 * struct umbra_pit - the timer of a VM
 * @vm: whose
 * @lock: @chip, @flags, @speaker, starting and stopping of @hrtimer
 * @chip: the counters; time is ktime_get_ns()
 * @flags: KVM_PIT_FLAGS_* of KVM_SET_PIT2
 * @speaker: speaker data enable
 * @hrtimer: channel 0's next rising edge
 * @start: when channel 0's count was loaded, ns
 * @period: of channel 0 in pulses; constant while @hrtimer runs
 * @edges: rising edges since @start; the callback's
 * @periodic: channel 0 reloads itself; constant while @hrtimer runs
 * @reinject: no tick is to get lost
 * @pending: ticks that were not acknowledged
 * @acked: the last tick was acknowledged, the next may be sent
 * @dev: ports
 * @speaker_dev: port 61h; ops NULL without
 */
struct umbra_pit {
	struct umbra_vm *vm;
	struct mutex lock;
	struct umbra_i8254 chip;
	u32 flags;
	bool speaker;
	struct hrtimer hrtimer;
	u64 start;
	u32 period;
	u64 edges;
	bool periodic;
	bool reinject;
	atomic_t pending;
	atomic_t acked;
	struct umbra_iodev dev;
	struct umbra_iodev speaker_dev;
};

/* Output 0 pulses: GSI 0, and LINT0 of local APICs that want it as an NMI. */
static void pulse(struct umbra_pit *pit)
{
	struct umbra_vm *vm = pit->vm;
	struct umbra_vcpu *vcpu;
	unsigned long i;

	umbra_irq_set(vm, UMBRA_IRQ_SOURCE_PIT, PIT_GSI, 1);
	umbra_irq_set(vm, UMBRA_IRQ_SOURCE_PIT, PIT_GSI, 0);
	if (!atomic_read(&vm->irqchip->lvt0_nmi))
		return;
	umbra_for_each_vcpu(i, vcpu, vm)
		umbra_lapic_pit_tick(vcpu);
}

static void forget_ticks(struct umbra_pit *pit)
{
	atomic_set(&pit->pending, 0);
	atomic_set(&pit->acked, 1);
}

static void tick(struct umbra_pit *pit)
{
	if (!READ_ONCE(pit->reinject)) {
		pulse(pit);
		return;
	}
	atomic_inc(&pit->pending);
	if (atomic_xchg(&pit->acked, 0))
		pulse(pit);
}

/**
 * umbra_pit_acked() - the guest ended the service of GSI 0
 * @pit: the timer
 *
 * Context: any, no lock of a chip held.
 */
void umbra_pit_acked(struct umbra_pit *pit)
{
	if (!READ_ONCE(pit->reinject))
		return;
	atomic_set(&pit->acked, 1);
	/* A tick either sees @acked, or is counted in @pending here. */
	smp_mb__after_atomic();
	if (atomic_dec_if_positive(&pit->pending) > 0 && atomic_xchg(&pit->acked, 0))
		pulse(pit);
}

/**
 * umbra_pit_unmasked() - GSI 0 reaches the guest again
 * @pit: the timer
 *
 * A tick that met a mask will never be acknowledged; what it held back is old.
 * Context: any, no lock of a chip held.
 */
void umbra_pit_unmasked(struct umbra_pit *pit)
{
	forget_ticks(pit);
}

static u64 next_edge(const struct umbra_pit *pit)
{
	return pit->start + umbra_i8254_ns((pit->edges + 1) * pit->period);
}

/* The host was late: edges up to now that nobody saw. */
static void catch_up(struct umbra_pit *pit)
{
	u64 due = div_u64(umbra_i8254_ticks(ktime_get_ns() - pit->start), pit->period);

	if (due <= pit->edges)
		return;
	if (READ_ONCE(pit->reinject))
		atomic_add(min_t(u64, due - pit->edges, MAX_BACKLOG), &pit->pending);
	pit->edges = due;
}

static enum hrtimer_restart expire(struct hrtimer *hrtimer)
{
	struct umbra_pit *pit = container_of(hrtimer, struct umbra_pit, hrtimer);

	tick(pit);
	pit->edges++;
	if (!pit->periodic)
		return HRTIMER_NORESTART;
	catch_up(pit);
	hrtimer_set_expires(hrtimer, ns_to_ktime(next_edge(pit)));
	return HRTIMER_RESTART;
}

/* Channel 0 got a new mode, count or gate; pit->lock held. */
static void restart(struct umbra_pit *pit)
{
	hrtimer_cancel(&pit->hrtimer);
	if (pit->flags & KVM_PIT_FLAGS_HPET_LEGACY || !umbra_i8254_fires(&pit->chip, 0))
		return;
	pit->start = pit->chip.ch[0].count_load_time;
	pit->period = umbra_i8254_period(&pit->chip, 0);
	pit->periodic = umbra_i8254_periodic(&pit->chip, 0);
	pit->edges = 0;
	if (pit->periodic)
		pit->period = max_t(u32, pit->period, umbra_i8254_ticks(MIN_PERIOD_NS));
	forget_ticks(pit);
	hrtimer_start(&pit->hrtimer, ns_to_ktime(next_edge(pit)), HRTIMER_MODE_ABS_HARD);
}

/* After each access to the chip; pit->lock held. */
static void settle(struct umbra_pit *pit)
{
	if (pit->chip.loaded & BIT(0))
		restart(pit);
	pit->chip.loaded = 0;
}

/* The chip is 8 bits wide. */
static int pit_read(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		    unsigned int len, void *data)
{
	struct umbra_pit *pit = container_of(dev, struct umbra_pit, dev);

	memset(data, 0xff, len);
	if (len != 1)
		return 0;
	mutex_lock(&pit->lock);
	*(u8 *)data = umbra_i8254_read(&pit->chip, addr - PIT_BASE, ktime_get_ns());
	mutex_unlock(&pit->lock);
	return 0;
}

static int pit_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		     unsigned int len, const void *data)
{
	struct umbra_pit *pit = container_of(dev, struct umbra_pit, dev);

	if (len != 1)
		return 0;
	mutex_lock(&pit->lock);
	umbra_i8254_write(&pit->chip, addr - PIT_BASE, *(const u8 *)data, ktime_get_ns());
	settle(pit);
	mutex_unlock(&pit->lock);
	return 0;
}

static const struct umbra_iodev_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
};

static int speaker_read(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
			unsigned int len, void *data)
{
	struct umbra_pit *pit = container_of(dev, struct umbra_pit, speaker_dev);
	u64 now = ktime_get_ns();
	u8 val = 0;

	memset(data, 0xff, len);
	if (len != 1)
		return 0;
	mutex_lock(&pit->lock);
	if (pit->chip.ch[SPEAKER_CHANNEL].gate)
		val |= SPEAKER_GATE;
	if (pit->speaker)
		val |= SPEAKER_DATA;
	if (umbra_i8254_out(&pit->chip, SPEAKER_CHANNEL, now))
		val |= SPEAKER_OUT;
	mutex_unlock(&pit->lock);
	/* Memory refresh toggles every 15 us: old delay loops wait for that. */
	if (now >> 14 & 1)
		val |= SPEAKER_REFRESH;
	*(u8 *)data = val;
	return 0;
}

static int speaker_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
			 unsigned int len, const void *data)
{
	struct umbra_pit *pit = container_of(dev, struct umbra_pit, speaker_dev);
	u8 val = *(const u8 *)data;

	if (len != 1)
		return 0;
	mutex_lock(&pit->lock);
	pit->speaker = val & SPEAKER_DATA;
	umbra_i8254_gate(&pit->chip, SPEAKER_CHANNEL, val & SPEAKER_GATE, ktime_get_ns());
	settle(pit);
	mutex_unlock(&pit->lock);
	return 0;
}

static const struct umbra_iodev_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
};

/**
 * umbra_pit_get() - KVM_GET_PIT2
 * @vm: with a PIT
 * @state: result
 *
 * Return: 0.
 */
int umbra_pit_get(struct umbra_vm *vm, struct kvm_pit_state2 *state)
{
	struct umbra_pit *pit = vm->pit;

	memset(state, 0, sizeof(*state));
	mutex_lock(&pit->lock);
	memcpy(state->channels, pit->chip.ch, sizeof(state->channels));
	state->flags = pit->flags;
	if (pit->speaker)
		state->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * umbra_pit_set() - KVM_SET_PIT2
 * @vm: with a PIT
 * @state: any contents are safe
 *
 * All channels begin their count anew: the load times are another host's.
 * Return: 0.
 */
int umbra_pit_set(struct umbra_vm *vm, const struct kvm_pit_state2 *state)
{
	struct umbra_pit *pit = vm->pit;
	u64 now = ktime_get_ns();
	unsigned int i;

	mutex_lock(&pit->lock);
	memcpy(pit->chip.ch, state->channels, sizeof(pit->chip.ch));
	pit->flags = state->flags & ~KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	pit->speaker = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	for (i = 0; i < UMBRA_PIT_CHANNELS; i++) {
		pit->chip.ch[i].gate = !!pit->chip.ch[i].gate;
		pit->chip.ch[i].bcd = !!pit->chip.ch[i].bcd;
		umbra_i8254_restart(&pit->chip, i, now);
	}
	settle(pit);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * umbra_pit_reinject() - KVM_REINJECT_CONTROL
 * @vm: with a PIT
 * @reinject: ticks that were missed are sent later
 *
 * Return: 0.
 */
int umbra_pit_reinject(struct umbra_vm *vm, bool reinject)
{
	struct umbra_pit *pit = vm->pit;

	mutex_lock(&pit->lock);
	if (reinject && !pit->reinject)
		forget_ticks(pit);
	WRITE_ONCE(pit->reinject, reinject);
	mutex_unlock(&pit->lock);
	return 0;
}

/**
 * umbra_pit_get_reinject() - the setting of umbra_pit_reinject()
 * @vm: with a PIT
 *
 * Return: the setting.
 */
bool umbra_pit_get_reinject(struct umbra_vm *vm)
{
	return READ_ONCE(vm->pit->reinject);
}

static int add_ports(struct umbra_pit *pit, bool speaker)
{
	struct umbra_vm *vm = pit->vm;
	int err;

	pit->dev = (struct umbra_iodev){ .ops = &pit_ops, .base = PIT_BASE, .len = 4 };
	pit->speaker_dev = (struct umbra_iodev){
		.ops = &speaker_ops, .base = SPEAKER_PORT, .len = 1,
	};
	mutex_lock(&vm->slots_lock);
	err = umbra_bus_add(vm, UMBRA_BUS_PIO, &pit->dev);
	if (!err && speaker) {
		err = umbra_bus_add(vm, UMBRA_BUS_PIO, &pit->speaker_dev);
		if (err)
			umbra_bus_del(vm, UMBRA_BUS_PIO, &pit->dev);
	}
	mutex_unlock(&vm->slots_lock);
	return err;
}

/**
 * umbra_pit_create() - KVM_CREATE_PIT2
 * @vm: with a full irqchip and no PIT
 * @flags: KVM_PIT_SPEAKER_DUMMY: port 61h as well
 *
 * Context: vm->lock held.
 * Return: 0, -ENOMEM, -ENOSPC.
 */
int umbra_pit_create(struct umbra_vm *vm, u32 flags)
{
	struct umbra_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	int err;

	if (!pit)
		return -ENOMEM;
	pit->vm = vm;
	mutex_init(&pit->lock);
	umbra_i8254_reset(&pit->chip);
	umbra_hrtimer_setup(&pit->hrtimer, expire, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	pit->reinject = true;
	forget_ticks(pit);
	err = add_ports(pit, flags & KVM_PIT_SPEAKER_DUMMY);
	if (err) {
		hrtimer_cancel(&pit->hrtimer);
		kfree(pit);
		return err;
	}
	smp_store_release(&vm->pit, pit); /* umbra_irqchip_acked() */
	return 0;
}

/**
 * umbra_pit_destroy() - its end
 * @vm: with a PIT and without running vCPUs
 *
 * Context: may sleep.
 */
void umbra_pit_destroy(struct umbra_vm *vm)
{
	struct umbra_pit *pit = vm->pit;

	mutex_lock(&vm->slots_lock);
	umbra_bus_del(vm, UMBRA_BUS_PIO, &pit->dev);
	umbra_bus_del(vm, UMBRA_BUS_PIO, &pit->speaker_dev);
	mutex_unlock(&vm->slots_lock);
	hrtimer_cancel(&pit->hrtimer);
	vm->pit = NULL;
	kfree(pit);
}
