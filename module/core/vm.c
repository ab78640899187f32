// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: life of a virtual machine
 *
 * Creation, the VM fd, references and the end.  The VM fd, each vCPU fd and
 * each statistics fd hold one reference, in any order of closing; with the
 * last one everything goes.  While the caller's address space dies first, the
 * shadow MMU's notifier has already dropped every translation.
 */
#define pr_fmt(fmt) "umbra: " fmt

#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "umbra/compat.h"
#include "umbra/engine.h"
#include "umbra/irqchip.h"
#include "umbra/mmu.h"
#include "core_internal.h"
#include "ioctl_internal.h"

/* Upcalls of the shadow MMU. */

static struct umbra_memslots *mmu_slots(void *vm)
{
	struct umbra_vm *v = vm;

	/* Without users left (creation, end) nobody changes the slots. */
	return rcu_dereference_check(v->slots, srcu_read_lock_held(&v->srcu) ||
				     lockdep_is_held(&v->slots_lock) ||
				     !kref_read(&v->ref));
}

static int mmu_read_guest(void *vm, gpa_t gpa, void *buf, unsigned int len, bool atomic)
{
	return umbra_guest_read_mmu(vm, gpa, buf, len, atomic);
}

static void mmu_flush_remote(void *vm)
{
	umbra_vm_request(vm, UMBRA_REQ_FLUSH_TLB, true);
}

static void mmu_reload_roots(void *vm)
{
	umbra_vm_request(vm, UMBRA_REQ_LOAD_MMU, false);
}

static void mmu_mark_dirty(void *vm, struct umbra_memslot *slot, gfn_t gfn)
{
	umbra_memslot_mark_dirty(slot, gfn);
}

static void mmu_code_written(void *opaque, gpa_t gpa, unsigned int len)
{
	struct umbra_vm *vm = opaque;

	if (vm->engine->code_changed)
		vm->engine->code_changed(vm, UMBRA_CODE_BYTES, gpa, len);
}

static void mmu_code_unmapped(void *opaque, enum umbra_code_change what, gfn_t gfn)
{
	struct umbra_vm *vm = opaque;

	if (vm->engine->code_changed)
		vm->engine->code_changed(vm, what, gfn_to_gpa(gfn), UMBRA_PAGE_SIZE);
}

static const struct umbra_mmu_ops mmu_ops = {
	.slots = mmu_slots,
	.read_guest = mmu_read_guest,
	.flush_remote = mmu_flush_remote,
	.reload_roots = mmu_reload_roots,
	.mark_dirty = mmu_mark_dirty,
	.code_written = mmu_code_written,
	.code_unmapped = mmu_code_unmapped,
};

/* Creation, in the order in which free_vm() goes backward. */

static struct umbra_vm *alloc_vm(void)
{
	struct umbra_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	if (init_srcu_struct(&vm->srcu)) {
		kfree(vm);
		return NULL;
	}
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	mutex_init(&vm->slots_lock);
	mutex_init(&vm->irq_lock);
	xa_init(&vm->vcpus);
	INIT_LIST_HEAD(&vm->ioeventfds);
	vm->engine = umbra_engine_current();
	vm->force_emulation = READ_ONCE(umbra_force_emulation);
	vm->pid = task_pid_nr(current);
	vm->mm = current->mm;
	mmgrab(vm->mm);
	return vm;
}

static void drop_vm(struct umbra_vm *vm)
{
	mmdrop(vm->mm);
	xa_destroy(&vm->vcpus);
	cleanup_srcu_struct(&vm->srcu);
	kfree(vm);
}

static int create_tables(struct umbra_vm *vm)
{
	int err;

	err = umbra_memslots_init(vm);
	if (err)
		return err;
	err = umbra_bus_init(vm);
	if (err)
		goto free_slots;
	err = umbra_irqfds_create(vm);
	if (err)
		goto free_bus;
	return 0;

free_bus:
	umbra_bus_free(vm);
free_slots:
	umbra_memslots_free(vm);
	return err;
}

static void free_tables(struct umbra_vm *vm)
{
	umbra_irqfds_free(vm);
	umbra_bus_free(vm);
	umbra_coalesced_free(vm);
	umbra_memslots_free(vm);
}

static int create_processor(struct umbra_vm *vm)
{
	struct umbra_mmu_config config = {};
	int err;

	err = umbra_engine_get(vm->engine);
	if (err)
		return err;
	err = vm->engine->vm_create(vm, &config);
	if (err)
		goto put_engine;
	vm->two_views = config.two_views;
	vm->mmu = umbra_mmu_create(vm, &mmu_ops, &config);
	if (IS_ERR(vm->mmu)) {
		err = PTR_ERR(vm->mmu);
		goto destroy_engine_vm;
	}
	err = umbra_vm_arch_create(vm);
	if (err)
		goto destroy_mmu;
	return 0;

destroy_mmu:
	umbra_mmu_stop(vm->mmu);
	umbra_mmu_destroy(vm->mmu);
	vm->mmu = NULL;
destroy_engine_vm:
	vm->engine->vm_destroy(vm);
put_engine:
	umbra_engine_put(vm->engine);
	return err;
}

static struct umbra_vm *create_vm(void)
{
	struct umbra_vm *vm = alloc_vm();
	int err;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	err = create_tables(vm);
	if (err)
		goto drop;
	err = create_processor(vm);
	if (err)
		goto free;
	return vm;

free:
	free_tables(vm);
drop:
	drop_vm(vm);
	return ERR_PTR(err);
}

static void free_vcpus(struct umbra_vm *vm)
{
	struct umbra_vcpu *vcpu;
	unsigned long i;

	umbra_for_each_vcpu(i, vcpu, vm) {
		umbra_vcpu_arch_destroy(vcpu);
		umbra_vcpu_free(vcpu);
	}
}

/*
 * The end.  Timers go before what they interrupt, translations before the
 * slots that they point into, devices after everybody who calls them.
 */
static void free_vm(struct kref *ref)
{
	struct umbra_vm *vm = container_of(ref, struct umbra_vm, ref);

	umbra_debugfs_free(vm);
	if (vm->pit)
		umbra_pit_destroy(vm);
	umbra_mmu_stop(vm->mmu);
	free_vcpus(vm);
	umbra_vm_arch_destroy(vm);
	if (vm->irqchip)
		umbra_irqchip_destroy(vm);
	free_tables(vm);
	umbra_mmu_destroy(vm->mmu);
	vm->engine->vm_destroy(vm);
	umbra_engine_put(vm->engine);
	drop_vm(vm);
}

/**
 * umbra_vm_get() - one more reference
 * @vm: the VM, of which the caller already has a reference
 */
void umbra_vm_get(struct umbra_vm *vm)
{
	kref_get(&vm->ref);
}

/**
 * umbra_vm_put() - one reference less
 * @vm: the VM; gone with the last reference
 *
 * Context: may sleep; no lock of the VM held.
 */
void umbra_vm_put(struct umbra_vm *vm)
{
	kref_put(&vm->ref, free_vm);
}

/**
 * umbra_vm_kill() - a bug of ours hit this VM: stop it, host and others go on
 * @vm: the VM
 *
 * Every vCPU leaves KVM_RUN with -EIO, and so does every later ioctl.
 * Context: any.
 */
void umbra_vm_kill(struct umbra_vm *vm)
{
	struct umbra_vcpu *vcpu;
	unsigned long i;

	WRITE_ONCE(vm->dead, true);
	umbra_for_each_vcpu(i, vcpu, vm) {
		umbra_request(vcpu, UMBRA_REQ_DEAD);
		umbra_vcpu_kick(vcpu);
	}
}

static int vm_release(struct inode *inode, struct file *file)
{
	struct umbra_vm *vm = file->private_data;

	umbra_irqfds_release(vm);
	umbra_vm_put(vm);
	return 0;
}

static const struct file_operations vm_fops = {
	.owner = THIS_MODULE,
	.release = vm_release,
	.unlocked_ioctl = umbra_vm_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	UMBRA_NO_LLSEEK
};

/**
 * umbra_vm_create_fd() - KVM_CREATE_VM
 *
 * Context: process context.
 * Return: the VM fd or -errno: -ENOMEM, -EMFILE, -EBUSY (the processor's
 * virtualization is taken), what the engine says.
 */
int umbra_vm_create_fd(void)
{
	struct umbra_vm *vm;
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = create_vm();
	if (IS_ERR(vm)) {
		put_unused_fd(fd);
		return PTR_ERR(vm);
	}
	file = anon_inode_getfile("umbra-vm", &vm_fops, vm, O_RDWR);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		umbra_vm_put(vm);
		return PTR_ERR(file);
	}
	umbra_debugfs_vm(vm, fd);
	fd_install(fd, file);
	return fd;
}
