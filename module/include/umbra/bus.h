/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: in-kernel I/O buses
 *
 * Port and MMIO ranges that the module answers itself: interrupt
 * controllers, PIT, ioeventfds.  What no device takes goes to userspace.
 */
#ifndef UMBRA_BUS_H
#define UMBRA_BUS_H

#include <linux/list.h>
#include "umbra/types.h"

struct umbra_vm;
struct umbra_vcpu;
struct umbra_iodev;

enum umbra_bus_kind { UMBRA_BUS_PIO, UMBRA_BUS_MMIO, UMBRA_NR_BUSES };

/**
 * struct umbra_iodev_ops - an in-kernel device
 * @read: @len bytes at @addr into @data; 0, or -EOPNOTSUPP: not mine
 * @write: likewise
 * @release: last reference is gone; may free the device
 *
 * Context: vCPU thread, SRCU read side of vm->srcu held, may sleep unless the
 * device says otherwise.
 */
struct umbra_iodev_ops {
	int (*read)(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		    unsigned int len, void *data);
	int (*write)(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
		     unsigned int len, const void *data);
	void (*release)(struct umbra_iodev *dev);
};

struct umbra_iodev {
	const struct umbra_iodev_ops *ops;
	gpa_t base;
	u64 len;
};

/* Add and remove; vm->slots_lock held.  -ENOSPC, -ENOMEM.  Ranges may overlap (ioeventfd): each is asked in turn. */
int umbra_bus_add(struct umbra_vm *vm, enum umbra_bus_kind kind, struct umbra_iodev *dev);
void umbra_bus_del(struct umbra_vm *vm, enum umbra_bus_kind kind, struct umbra_iodev *dev);

/* False: no device has an access that begins there. */
bool umbra_bus_may_answer(struct umbra_vm *vm, enum umbra_bus_kind kind, gpa_t addr);

/* 0 when a device answered, -EOPNOTSUPP otherwise. */
int umbra_bus_read(struct umbra_vcpu *vcpu, enum umbra_bus_kind kind, gpa_t addr,
		   unsigned int len, void *data);
int umbra_bus_write(struct umbra_vcpu *vcpu, enum umbra_bus_kind kind, gpa_t addr,
		    unsigned int len, const void *data);

#endif
