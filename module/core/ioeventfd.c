// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ioeventfds
 *
 * A port or MMIO address whose writes signal an eventfd and never go to
 * userspace (KVM_IOEVENTFD).  Each is a device on the VM's bus; several may
 * share an address when they wait for different data.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "umbra/compat.h"
#include "core_internal.h"
#include "ioctl_internal.h"

#define VALID_FLAGS	(KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_PIO | \
			 KVM_IOEVENTFD_FLAG_DEASSIGN)

/**
 * struct ioeventfd - one ioeventfd
 * @dev: on the bus; @dev.len 0: writes of any length
 * @kind: which bus
 * @eventfd: what a write signals
 * @match_data: only writes of @data count
 * @data: see @match_data
 * @link: in vm->ioeventfds, under slots_lock
 */
struct ioeventfd {
	struct umbra_iodev dev;
	enum umbra_bus_kind kind;
	struct eventfd_ctx *eventfd;
	bool match_data;
	u64 data;
	struct list_head link;
};

static bool hit(const struct ioeventfd *p, gpa_t addr, unsigned int len, const void *data)
{
	u64 value = 0;

	if (addr != p->dev.base || (p->dev.len && len != p->dev.len))
		return false;
	if (!p->match_data)
		return true;
	memcpy(&value, data, len);
	return value == p->data;
}

static int ioeventfd_write(struct umbra_vcpu *vcpu, struct umbra_iodev *dev, gpa_t addr,
			   unsigned int len, const void *data)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);

	if (len > sizeof(u64) || !hit(p, addr, len, data))
		return -EOPNOTSUPP;
	umbra_eventfd_signal(p->eventfd);
	return 0;
}

static void ioeventfd_release(struct umbra_iodev *dev)
{
	struct ioeventfd *p = container_of(dev, struct ioeventfd, dev);

	eventfd_ctx_put(p->eventfd);
	list_del(&p->link);
	kfree(p);
}

static const struct umbra_iodev_ops ioeventfd_ops = {
	.write = ioeventfd_write,
	.release = ioeventfd_release,
};

static enum umbra_bus_kind kind_of(const struct kvm_ioeventfd *args)
{
	return args->flags & KVM_IOEVENTFD_FLAG_PIO ? UMBRA_BUS_PIO : UMBRA_BUS_MMIO;
}

static int check_args(const struct kvm_ioeventfd *args)
{
	if (args->flags & ~VALID_FLAGS)
		return -EINVAL;
	if (args->len > 8 || args->len & (args->len - 1))
		return -EINVAL;
	if (args->addr + args->len < args->addr)
		return -EINVAL;
	/* Data of no length match nothing. */
	if (!args->len && args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH)
		return -EINVAL;
	return 0;
}

/* Would some write signal both? */
static bool collides(struct umbra_vm *vm, const struct ioeventfd *p)
{
	struct ioeventfd *q;

	list_for_each_entry(q, &vm->ioeventfds, link) {
		if (q->kind != p->kind || q->dev.base != p->dev.base)
			continue;
		if (q->dev.len && p->dev.len && q->dev.len != p->dev.len)
			continue;
		if (!q->match_data || !p->match_data || q->data == p->data)
			return true;
	}
	return false;
}

static int assign(struct umbra_vm *vm, const struct kvm_ioeventfd *args,
		  struct eventfd_ctx *eventfd)
{
	struct ioeventfd *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	int err;

	if (!p)
		return -ENOMEM;
	p->dev.ops = &ioeventfd_ops;
	p->dev.base = args->addr;
	p->dev.len = args->len;
	p->kind = kind_of(args);
	p->eventfd = eventfd;
	p->match_data = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;
	p->data = args->datamatch;
	err = collides(vm, p) ? -EEXIST : umbra_bus_add(vm, p->kind, &p->dev);
	if (err) {
		kfree(p);
		return err;
	}
	list_add_tail(&p->link, &vm->ioeventfds);
	return 0;
}

static bool same(const struct ioeventfd *p, const struct kvm_ioeventfd *args,
		 const struct eventfd_ctx *eventfd)
{
	bool match = args->flags & KVM_IOEVENTFD_FLAG_DATAMATCH;

	return p->eventfd == eventfd && p->kind == kind_of(args) &&
	       p->dev.base == args->addr && p->dev.len == args->len &&
	       p->match_data == match && (!match || p->data == args->datamatch);
}

static int deassign(struct umbra_vm *vm, const struct kvm_ioeventfd *args,
		    const struct eventfd_ctx *eventfd)
{
	struct ioeventfd *p;

	list_for_each_entry(p, &vm->ioeventfds, link) {
		if (!same(p, args, eventfd))
			continue;
		umbra_bus_del(vm, p->kind, &p->dev);
		return 0;
	}
	return -ENOENT;
}

/* KVM_IOEVENTFD: slots_lock held. */
long umbra_ioctl_ioeventfd(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_ioeventfd *args = arg;
	struct eventfd_ctx *eventfd;
	int err;

	err = check_args(args);
	if (err)
		return err;
	eventfd = eventfd_ctx_fdget(args->fd);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (args->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) {
		err = deassign(vm, args, eventfd);
		eventfd_ctx_put(eventfd);
		return err;
	}
	err = assign(vm, args, eventfd);
	if (err)
		eventfd_ctx_put(eventfd);
	return err;
}
