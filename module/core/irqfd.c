// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: irqfds
 *
 * An eventfd that raises a GSI (KVM_IRQFD), from the writer's context and
 * without userspace of the VM.  A plain irqfd is an edge.  A resampling one sets
 * the level and keeps it until the guest's EOI; then the level drops and a
 * second eventfd tells the device model to look again.
 *
 * An irqfd hangs in its eventfd's wait queue.  It is deactivated once (under the
 * list's lock) by deassignment, by the eventfd's end or by the VM fd's release,
 * and freed by work that has first taken it off the wait queue.
 */
#include <linux/err.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "umbra/compat.h"
#include "umbra/irqchip.h"
#include "core_internal.h"
#include "ioctl_internal.h"

/* Frees irqfds; flushed when a VM fd is released. */
static struct workqueue_struct *cleanup_wq;

/**
 * struct umbra_irqfds - the irqfds of a VM
 * @lock: guards @list and each irqfd's @link; taken in wait queue callbacks
 * @list: active irqfds
 * @resamplers: one for each GSI with resampling irqfds; read under vm->srcu,
 *	changed under vm->irq_lock
 */
struct umbra_irqfds {
	spinlock_t lock;
	struct list_head list;
	struct list_head resamplers;
};

/**
 * struct resampler - irqfds that share a level
 * @gsi: the line
 * @irqfds: read under vm->srcu, changed under vm->irq_lock
 * @link: in umbra_irqfds.resamplers
 */
struct resampler {
	u32 gsi;
	struct list_head irqfds;
	struct list_head link;
};

/**
 * struct irqfd - one irqfd
 * @vm: the VM; its fd is open as long as this is active
 * @gsi: the line
 * @eventfd: what raises it
 * @resamplefd: whom the EOI tells, or NULL
 * @resampler: of @gsi, or NULL
 * @resample_link: in resampler.irqfds
 * @wait: in the eventfd's wait queue
 * @poll: puts it there
 * @link: in umbra_irqfds.list; empty once deactivated
 * @shutdown: frees it
 */
struct irqfd {
	struct umbra_vm *vm;
	u32 gsi;
	struct eventfd_ctx *eventfd;
	struct eventfd_ctx *resamplefd;
	struct resampler *resampler;
	struct list_head resample_link;
	wait_queue_entry_t wait;
	poll_table poll;
	struct list_head link;
	struct work_struct shutdown;
};

/**
 * umbra_irqfd_init() - the work queue
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_irqfd_init(void)
{
	cleanup_wq = alloc_workqueue("umbra-irqfd", WQ_UNBOUND, 0);
	return cleanup_wq ? 0 : -ENOMEM;
}

/**
 * umbra_irqfd_exit() - its end
 */
void umbra_irqfd_exit(void)
{
	destroy_workqueue(cleanup_wq);
}

/**
 * umbra_irqfds_create() - no irqfds yet
 * @vm: new VM
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_irqfds_create(struct umbra_vm *vm)
{
	struct umbra_irqfds *irqfds = kzalloc(sizeof(*irqfds), GFP_KERNEL_ACCOUNT);

	if (!irqfds)
		return -ENOMEM;
	spin_lock_init(&irqfds->lock);
	INIT_LIST_HEAD(&irqfds->list);
	INIT_LIST_HEAD(&irqfds->resamplers);
	vm->irqfds = irqfds;
	return 0;
}

/**
 * umbra_irqfds_free() - end of what umbra_irqfds_create() made
 * @vm: all irqfds were released
 */
void umbra_irqfds_free(struct umbra_vm *vm)
{
	kfree(vm->irqfds);
}

/* Injection. */

static void inject(struct irqfd *irqfd)
{
	struct umbra_vm *vm = irqfd->vm;
	int idx = srcu_read_lock(&vm->srcu);

	if (irqfd->resampler) {
		umbra_irq_set(vm, UMBRA_IRQ_SOURCE_FD, irqfd->gsi, 1);
	} else {
		umbra_irq_set(vm, UMBRA_IRQ_SOURCE_USER, irqfd->gsi, 1);
		umbra_irq_set(vm, UMBRA_IRQ_SOURCE_USER, irqfd->gsi, 0);
	}
	srcu_read_unlock(&vm->srcu, idx);
}

/**
 * umbra_irq_ack_notify() - EOI of a GSI: resample
 * @vm: the VM
 * @gsi: the line
 *
 * Context: any, no lock of the interrupt controllers held.
 */
void umbra_irq_ack_notify(struct umbra_vm *vm, u32 gsi)
{
	struct resampler *resampler;
	struct irqfd *irqfd;
	int idx = srcu_read_lock(&vm->srcu);

	list_for_each_entry_srcu(resampler, &vm->irqfds->resamplers, link,
				 srcu_read_lock_held(&vm->srcu)) {
		if (resampler->gsi != gsi)
			continue;
		umbra_irq_set(vm, UMBRA_IRQ_SOURCE_FD, gsi, 0);
		list_for_each_entry_srcu(irqfd, &resampler->irqfds, resample_link,
					 srcu_read_lock_held(&vm->srcu))
			umbra_eventfd_signal(irqfd->resamplefd);
	}
	srcu_read_unlock(&vm->srcu, idx);
}

/* Resamplers: vm->irq_lock held. */

static struct resampler *find_resampler(struct umbra_vm *vm, u32 gsi)
{
	struct resampler *resampler;

	list_for_each_entry(resampler, &vm->irqfds->resamplers, link)
		if (resampler->gsi == gsi)
			return resampler;
	return NULL;
}

static int join_resampler(struct irqfd *irqfd)
{
	struct umbra_vm *vm = irqfd->vm;
	struct resampler *resampler = find_resampler(vm, irqfd->gsi);

	if (!resampler) {
		resampler = kzalloc(sizeof(*resampler), GFP_KERNEL_ACCOUNT);
		if (!resampler)
			return -ENOMEM;
		resampler->gsi = irqfd->gsi;
		INIT_LIST_HEAD(&resampler->irqfds);
		list_add_rcu(&resampler->link, &vm->irqfds->resamplers);
	}
	irqfd->resampler = resampler;
	list_add_rcu(&irqfd->resample_link, &resampler->irqfds);
	return 0;
}

static void leave_resampler(struct irqfd *irqfd)
{
	struct resampler *resampler = irqfd->resampler;
	struct umbra_vm *vm = irqfd->vm;
	bool last;

	list_del_rcu(&irqfd->resample_link);
	last = list_empty(&resampler->irqfds);
	if (last)
		list_del_rcu(&resampler->link);
	synchronize_srcu_expedited(&vm->srcu);
	if (last) {
		/* Nobody is left to lower it. */
		umbra_irq_set(vm, UMBRA_IRQ_SOURCE_FD, resampler->gsi, 0);
		kfree(resampler);
	}
}

/* Life of an irqfd. */

/* vm->irq_lock held; not in a wait queue. */
static void free_irqfd(struct irqfd *irqfd)
{
	if (irqfd->resampler)
		leave_resampler(irqfd);
	if (irqfd->resamplefd)
		eventfd_ctx_put(irqfd->resamplefd);
	if (irqfd->eventfd)
		eventfd_ctx_put(irqfd->eventfd);
	kfree(irqfd);
}

static void shutdown(struct work_struct *work)
{
	struct irqfd *irqfd = container_of(work, struct irqfd, shutdown);
	struct umbra_vm *vm = irqfd->vm;
	u64 count;

	/* After this no callback runs any more. */
	eventfd_ctx_remove_wait_queue(irqfd->eventfd, &irqfd->wait, &count);
	mutex_lock(&vm->irq_lock);
	free_irqfd(irqfd);
	mutex_unlock(&vm->irq_lock);
}

/* irqfds->lock held.  Whoever takes it off the list queues its end, once. */
static void deactivate(struct irqfd *irqfd)
{
	if (list_empty(&irqfd->link))
		return;
	list_del_init(&irqfd->link);
	queue_work(cleanup_wq, &irqfd->shutdown);
}

static int wakeup(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	struct umbra_irqfds *irqfds = irqfd->vm->irqfds;
	__poll_t events = key_to_poll(key);
	unsigned long flags;
	u64 count;

	if (events & EPOLLIN) {
		/* The wait queue's lock is held: the counter is ours to take. */
		eventfd_ctx_do_read(irqfd->eventfd, &count);
		inject(irqfd);
	}
	if (events & EPOLLHUP) {
		spin_lock_irqsave(&irqfds->lock, flags);
		deactivate(irqfd);
		spin_unlock_irqrestore(&irqfds->lock, flags);
	}
	return 0;
}

static void queue_on(struct file *file, wait_queue_head_t *head, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	add_wait_queue(head, &irqfd->wait);
}

static struct irqfd *alloc_irqfd(struct umbra_vm *vm, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);

	if (!irqfd)
		return NULL;
	irqfd->vm = vm;
	irqfd->gsi = args->gsi;
	INIT_LIST_HEAD(&irqfd->link);
	INIT_WORK(&irqfd->shutdown, shutdown);
	init_waitqueue_func_entry(&irqfd->wait, wakeup);
	init_poll_funcptr(&irqfd->poll, queue_on);
	return irqfd;
}

static int take_eventfds(struct irqfd *irqfd, struct file *file, const struct kvm_irqfd *args)
{
	struct eventfd_ctx *ctx = eventfd_ctx_fileget(file);

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->eventfd = ctx;
	if (!(args->flags & KVM_IRQFD_FLAG_RESAMPLE))
		return 0;
	ctx = eventfd_ctx_fdget(args->resamplefd);
	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	irqfd->resamplefd = ctx;
	return join_resampler(irqfd);
}

/* One eventfd raises one GSI of a VM: a second would get no events. */
static bool busy(struct umbra_irqfds *irqfds, const struct eventfd_ctx *eventfd)
{
	struct irqfd *other;
	bool found = false;

	spin_lock_irq(&irqfds->lock);
	list_for_each_entry(other, &irqfds->list, link)
		found |= other->eventfd == eventfd;
	spin_unlock_irq(&irqfds->lock);
	return found;
}

/*
 * vm->irq_lock held, so that no second assignment of the eventfd passes busy().
 * While @file is held there is no EPOLLHUP; once on the list, the irqfd belongs
 * to whoever deactivates it.
 */
static int activate(struct irqfd *irqfd, struct file *file)
{
	struct umbra_irqfds *irqfds = irqfd->vm->irqfds;

	if (busy(irqfds, irqfd->eventfd))
		return -EBUSY;
	/* What was signalled before is an interrupt, too. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		inject(irqfd);
	spin_lock_irq(&irqfds->lock);
	list_add_tail(&irqfd->link, &irqfds->list);
	spin_unlock_irq(&irqfds->lock);
	return 0;
}

static int assign_file(struct umbra_vm *vm, struct file *file, const struct kvm_irqfd *args)
{
	struct irqfd *irqfd = alloc_irqfd(vm, args);
	int err;

	if (!irqfd)
		return -ENOMEM;
	mutex_lock(&vm->irq_lock);
	err = take_eventfds(irqfd, file, args);
	if (!err)
		err = activate(irqfd, file);
	if (err)
		free_irqfd(irqfd);
	mutex_unlock(&vm->irq_lock);
	return err;
}

static int assign(struct umbra_vm *vm, const struct kvm_irqfd *args)
{
	struct file *file;
	int err;

	if (!umbra_has_lapic(vm))
		return -EINVAL;
	/* Resampling needs the EOI of an I/O APIC or PIC in the module. */
	if (args->flags & KVM_IRQFD_FLAG_RESAMPLE && vm->split_irqchip)
		return -EINVAL;
	if (args->gsi >= UMBRA_MAX_GSI)
		return -EINVAL;
	file = eventfd_fget(args->fd);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = assign_file(vm, file, args);
	fput(file);
	return err;
}

static int deassign(struct umbra_vm *vm, const struct kvm_irqfd *args)
{
	struct umbra_irqfds *irqfds = vm->irqfds;
	struct eventfd_ctx *ctx = eventfd_ctx_fdget(args->fd);
	struct irqfd *irqfd, *next;

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	spin_lock_irq(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->list, link)
		if (irqfd->eventfd == ctx && irqfd->gsi == args->gsi)
			deactivate(irqfd);
	spin_unlock_irq(&irqfds->lock);
	eventfd_ctx_put(ctx);
	/* On return the eventfd raises nothing any more. */
	flush_workqueue(cleanup_wq);
	return 0;
}

/* KVM_IRQFD: no lock held. */
long umbra_ioctl_irqfd(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_irqfd *args = arg;

	if (args->flags & ~(KVM_IRQFD_FLAG_DEASSIGN | KVM_IRQFD_FLAG_RESAMPLE))
		return -EINVAL;
	if (args->flags & KVM_IRQFD_FLAG_DEASSIGN)
		return deassign(vm, args);
	return assign(vm, args);
}

/**
 * umbra_irqfds_release() - the VM fd is closed: no eventfd reaches this VM any more
 * @vm: the VM
 *
 * Context: may sleep.
 */
void umbra_irqfds_release(struct umbra_vm *vm)
{
	struct umbra_irqfds *irqfds = vm->irqfds;
	struct irqfd *irqfd, *next;

	spin_lock_irq(&irqfds->lock);
	list_for_each_entry_safe(irqfd, next, &irqfds->list, link)
		deactivate(irqfd);
	spin_unlock_irq(&irqfds->lock);
	flush_workqueue(cleanup_wq);
}
