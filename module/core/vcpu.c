// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: vCPU fds, kicks and requests
 *
 * Makes vCPUs and their fds, maps the pages that they share with userspace,
 * and interrupts them.  What a vCPU does when it runs, and all its state, is
 * the processor's half of core.
 *
 * A request is a bit in vcpu->requests.  Its sender sets the bit, then looks at
 * vcpu->mode; the vCPU's thread sets the mode to IN_GUEST (interrupts off), then
 * looks at the bits.  With a full barrier between both pairs, one of them sees
 * the other: the thread stays out, or the sender sends an IPI which takes the
 * processor out of the guest.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "umbra/compat.h"
#include "umbra/fail.h"
#include "core_internal.h"
#include "ioctl_internal.h"

/* Scratch mask of umbra_vm_request(), used with preemption off, never by interrupts. */
static struct cpumask __percpu *kick_mask;

/**
 * umbra_kick_init() - memory for umbra_vm_request()
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_kick_init(void)
{
	kick_mask = alloc_percpu(struct cpumask);
	return kick_mask ? 0 : -ENOMEM;
}

/**
 * umbra_kick_exit() - its end
 */
void umbra_kick_exit(void)
{
	free_percpu(kick_mask);
}

/**
 * umbra_vcpu_kick() - make the vCPU look at its requests
 * @vcpu: the vCPU
 *
 * Context: any, also hard interrupt.
 */
void umbra_vcpu_kick(struct umbra_vcpu *vcpu)
{
	int me, cpu;

	umbra_linger();
	rcuwait_wake_up(&vcpu->wait);
	umbra_linger();

	me = get_cpu();
	/* On its own processor we already are the interrupt that it needs. */
	if (cmpxchg(&vcpu->mode, UMBRA_IN_GUEST, UMBRA_EXITING) == UMBRA_IN_GUEST) {
		umbra_linger();
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && (unsigned int)cpu < nr_cpu_ids && cpu_online(cpu))
			smp_send_reschedule(cpu);
	}
	put_cpu();
}

/* Its arrival is all that is wanted. */
static void acknowledge(void *unused)
{
}

/**
 * umbra_vm_request() - leave a request with every vCPU and make it look
 * @vm: the VM
 * @req: enum umbra_request
 * @wait: return only when each vCPU that was in guest mode has left it
 *
 * A vCPU that another kicker already made EXITING may still be in guest mode:
 * it is waited for as well.
 * Context: preemptible or under spinlocks; interrupts on.
 */
void umbra_vm_request(struct umbra_vm *vm, unsigned int req, bool wait)
{
	struct umbra_vcpu *vcpu;
	struct cpumask *mask;
	unsigned long i;
	int me, cpu;

	me = get_cpu();
	mask = this_cpu_ptr(kick_mask);
	cpumask_clear(mask);
	umbra_for_each_vcpu(i, vcpu, vm) {
		umbra_request(vcpu, req);
		if (!wait) {
			umbra_vcpu_kick(vcpu);
			continue;
		}
		/* A full barrier: orders the bit before the look at the mode. */
		if (cmpxchg(&vcpu->mode, UMBRA_IN_GUEST, UMBRA_EXITING) == UMBRA_OUTSIDE)
			continue;
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != me && (unsigned int)cpu < nr_cpu_ids)
			__cpumask_set_cpu(cpu, mask);
	}
	if (!cpumask_empty(mask))
		smp_call_function_many(mask, acknowledge, NULL, true);
	put_cpu();
}

/* The fd. */

static vm_fault_t vcpu_fault(struct vm_fault *vmf)
{
	struct umbra_vcpu *vcpu = vmf->vma->vm_file->private_data;
	struct page *page = NULL;

	switch (vmf->pgoff) {
	case UMBRA_MMAP_RUN:
		page = virt_to_page(vcpu->run);
		break;
	case UMBRA_MMAP_PIO:
		page = virt_to_page(vcpu->pio_page);
		break;
	case UMBRA_MMAP_COALESCED:
		page = umbra_coalesced_page(vcpu->vm);
		break;
	}
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct vcpu_vm_ops = {
	.fault = vcpu_fault,
};

static int vcpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	vma->vm_ops = &vcpu_vm_ops;
	return 0;
}

static int vcpu_release(struct inode *inode, struct file *file)
{
	struct umbra_vcpu *vcpu = file->private_data;

	umbra_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations vcpu_fops = {
	.owner = THIS_MODULE,
	.release = vcpu_release,
	.unlocked_ioctl = umbra_vcpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vcpu_mmap,
	UMBRA_NO_LLSEEK
};

/* Creation. */

/**
 * umbra_vcpu_free() - memory of a vCPU
 * @vcpu: umbra_vcpu_arch_destroy()ed or never created there
 *
 * Context: nobody finds it any more; may sleep.
 */
void umbra_vcpu_free(struct umbra_vcpu *vcpu)
{
	put_pid(rcu_dereference_protected(vcpu->thread, true));
	free_page((unsigned long)vcpu->pio_page);
	free_page((unsigned long)vcpu->run);
	kvfree(vcpu);
}

static struct umbra_vcpu *alloc_vcpu(struct umbra_vm *vm, u32 id)
{
	struct umbra_vcpu *vcpu = kvzalloc(sizeof(*vcpu), GFP_KERNEL_ACCOUNT);

	if (!vcpu)
		return NULL;
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->index = vm->nr_vcpus;
	vcpu->cpu = -1;
	vcpu->mode = UMBRA_OUTSIDE;
	vcpu->irq_queued = -1;
	mutex_init(&vcpu->mutex);
	mutex_init(&vcpu->look_lock);
	rcuwait_init(&vcpu->wait);
	vcpu->run = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	vcpu->pio_page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (vcpu->run && vcpu->pio_page)
		return vcpu;
	umbra_vcpu_free(vcpu);
	return NULL;
}

static int check_vcpu_id(struct umbra_vm *vm, unsigned long id)
{
	struct umbra_vcpu *vcpu;
	unsigned long i;

	if (vm->max_vcpu_id && id >= vm->max_vcpu_id)
		return -EINVAL;
	if (id >= UMBRA_MAX_VCPU_ID || vm->nr_vcpus >= UMBRA_MAX_VCPUS)
		return -EINVAL;
	umbra_for_each_vcpu(i, vcpu, vm)
		if (vcpu->id == id)
			return -EEXIST;
	return 0;
}

/* From here on others see the vCPU.  The entry is reserved: nothing is allocated. */
static void publish(struct umbra_vm *vm, struct umbra_vcpu *vcpu)
{
	void *old = xa_store(&vm->vcpus, vcpu->index, vcpu, GFP_KERNEL_ACCOUNT);

	WARN_ON_ONCE(old);
	/* Pairs with readers of nr_vcpus: whom they count they find. */
	smp_store_release(&vm->nr_vcpus, vm->nr_vcpus + 1);
}

/* Makes the fd and publishes the vCPU, or neither. */
static int install_vcpu(struct umbra_vm *vm, struct umbra_vcpu *vcpu)
{
	struct file *file;
	int fd, err;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	err = xa_reserve(&vm->vcpus, vcpu->index, GFP_KERNEL_ACCOUNT);
	if (err)
		goto put_fd;
	file = anon_inode_getfile("umbra-vcpu", &vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto release;
	}
	umbra_vm_get(vm);
	publish(vm, vcpu);
	umbra_debugfs_vcpu(vcpu);
	fd_install(fd, file);
	return fd;

release:
	xa_release(&vm->vcpus, vcpu->index);
put_fd:
	put_unused_fd(fd);
	return err;
}

/* KVM_CREATE_VCPU: @uarg is the vCPU id; vm->lock held. */
long umbra_ioctl_create_vcpu(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct umbra_vcpu *vcpu;
	int err;

	err = check_vcpu_id(vm, umbra_ioctl_value(uarg));
	if (err)
		return err;
	vcpu = alloc_vcpu(vm, umbra_ioctl_value(uarg));
	if (!vcpu)
		return -ENOMEM;
	err = umbra_vcpu_arch_create(vcpu);
	if (err)
		goto free;
	err = install_vcpu(vm, vcpu);
	if (err >= 0)
		return err;
	umbra_vcpu_arch_destroy(vcpu);
free:
	umbra_vcpu_free(vcpu);
	return err;
}
