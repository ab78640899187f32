// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the table of ioctls
 *
 * One row a command and level says all there is to know: who answers, what is
 * locked meanwhile, how the argument travels.  What has no row is -ENOTTY.
 *
 * A command of fixed size is copied in and out here, by the direction that its
 * number carries; a handler never sees userspace change its argument.
 */
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/umbra.h>

#include "ioctl_internal.h"

enum level { LEVEL_SYSTEM, LEVEL_VM, LEVEL_VCPU };

/* What the dispatcher holds while the handler runs. */
enum lock { LOCK_NONE, LOCK_VM, LOCK_SLOTS, LOCK_VCPU };

#define ROW_IN		BIT(0)	/* copy in */
#define ROW_OUT		BIT(1)	/* copy out after success */
#define ROW_IRQCHIP	BIT(2)	/* -ENXIO without in-kernel local APICs */
#define ROW_LAPIC	BIT(3)	/* -EINVAL without in-kernel local APICs */

/**
 * struct row - one ioctl command of one level
 * @cmd: command number
 * @level: enum level
 * @lock: enum lock
 * @flags: ROW_*
 * @system: handler at LEVEL_SYSTEM
 * @vm: handler at LEVEL_VM
 * @vcpu: handler at LEVEL_VCPU
 */
struct row {
	u32 cmd;
	u8 level;
	u8 lock;
	u8 flags;
	union {
		long (*system)(void *arg, void __user *uarg);
		long (*vm)(struct umbra_vm *vm, void *arg, void __user *uarg);
		long (*vcpu)(struct umbra_vcpu *vcpu, void *arg, void __user *uarg);
	};
};

#define SYS(c, name, fl)						\
	{ .cmd = (c), .level = LEVEL_SYSTEM, .flags = (fl),		\
	  .system = umbra_ioctl_##name }
#define VM(c, name, lk, fl)						\
	{ .cmd = (c), .level = LEVEL_VM, .lock = LOCK_##lk,		\
	  .flags = (fl), .vm = umbra_ioctl_##name }
#define VCPU(c, name, fl)						\
	{ .cmd = (c), .level = LEVEL_VCPU, .lock = LOCK_VCPU,		\
	  .flags = (fl), .vcpu = umbra_ioctl_##name }

/* Short forms of the flags: direction as in the command; a plain number or a raw pointer. */
#define IN	ROW_IN
#define OUT	ROW_OUT
#define INOUT	(ROW_IN | ROW_OUT)
#define RAW	0
#define CHIP	ROW_IRQCHIP
#define APIC	ROW_LAPIC

static const struct row rows[] = {
	/* First, because it is the one that counts. */
	VCPU(KVM_RUN, run, RAW),

	SYS(UMBRA_CHECK, check, OUT),
	SYS(KVM_GET_API_VERSION, get_api_version, RAW),
	SYS(KVM_CREATE_VM, create_vm, RAW),
	SYS(KVM_CHECK_EXTENSION, sys_check_extension, RAW),
	SYS(KVM_GET_VCPU_MMAP_SIZE, get_vcpu_mmap_size, RAW),
	SYS(KVM_GET_SUPPORTED_CPUID, get_supported_cpuid, RAW),
	SYS(KVM_GET_EMULATED_CPUID, get_emulated_cpuid, RAW),
	SYS(KVM_GET_MSR_INDEX_LIST, get_msr_index_list, RAW),
	SYS(KVM_GET_MSR_FEATURE_INDEX_LIST, get_msr_feature_index_list, RAW),
	SYS(KVM_GET_MSRS, sys_get_msrs, RAW),
	SYS(KVM_X86_GET_MCE_CAP_SUPPORTED, x86_get_mce_cap_supported, OUT),

	VM(KVM_CHECK_EXTENSION, check_extension, NONE, RAW),
	VM(KVM_CREATE_VCPU, create_vcpu, VM, RAW),
	VM(KVM_SET_USER_MEMORY_REGION, set_user_memory_region, SLOTS, IN),
	VM(KVM_SET_NR_MMU_PAGES, set_nr_mmu_pages, SLOTS, RAW),
	VM(KVM_GET_NR_MMU_PAGES, get_nr_mmu_pages, NONE, RAW),
	VM(KVM_GET_DIRTY_LOG, get_dirty_log, SLOTS, IN),
	VM(KVM_CLEAR_DIRTY_LOG, clear_dirty_log, SLOTS, IN),
	VM(KVM_SET_TSS_ADDR, set_tss_addr, VM, RAW),
	VM(KVM_SET_IDENTITY_MAP_ADDR, set_identity_map_addr, VM, IN),
	VM(KVM_SET_BOOT_CPU_ID, set_boot_cpu_id, VM, RAW),
	VM(KVM_ENABLE_CAP, enable_cap, VM, IN),
	VM(KVM_X86_SET_MSR_FILTER, x86_set_msr_filter, VM, IN),
	VM(KVM_GET_STATS_FD, vm_get_stats_fd, NONE, RAW),
	VM(KVM_REGISTER_COALESCED_MMIO, register_coalesced_mmio, SLOTS, IN),
	VM(KVM_UNREGISTER_COALESCED_MMIO, unregister_coalesced_mmio, SLOTS, IN),

	VM(KVM_CREATE_IRQCHIP, create_irqchip, VM, RAW),
	/* The number says "out", the handler takes it in: an old slip in the ABI. */
	VM(KVM_SET_IRQCHIP, set_irqchip, VM, IN),
	VM(KVM_GET_IRQCHIP, get_irqchip, VM, INOUT),
	VM(KVM_CREATE_PIT, create_pit, VM, RAW),
	VM(KVM_CREATE_PIT2, create_pit2, VM, IN),
	VM(KVM_GET_PIT, get_pit, VM, OUT),
	VM(KVM_SET_PIT, set_pit, VM, IN),
	VM(KVM_GET_PIT2, get_pit2, VM, OUT),
	VM(KVM_SET_PIT2, set_pit2, VM, IN),
	VM(KVM_REINJECT_CONTROL, reinject_control, VM, RAW),
	VM(KVM_IRQ_LINE, irq_line, NONE, IN | CHIP),
	VM(KVM_IRQ_LINE_STATUS, irq_line_status, NONE, INOUT | CHIP),
	VM(KVM_SET_GSI_ROUTING, set_gsi_routing, NONE, RAW | APIC),
	VM(KVM_SIGNAL_MSI, signal_msi, NONE, IN | APIC),
	VM(KVM_IRQFD, irqfd, NONE, IN),
	VM(KVM_IOEVENTFD, ioeventfd, SLOTS, IN),

	VM(KVM_GET_CLOCK, get_clock, VM, OUT),
	VM(KVM_SET_CLOCK, set_clock, VM, IN),

	VCPU(KVM_GET_REGS, get_regs, OUT),
	VCPU(KVM_SET_REGS, set_regs, IN),
	VCPU(KVM_GET_SREGS, get_sregs, OUT),
	VCPU(KVM_SET_SREGS, set_sregs, IN),
	VCPU(KVM_GET_SREGS2, get_sregs2, OUT),
	VCPU(KVM_SET_SREGS2, set_sregs2, IN),
	VCPU(KVM_GET_FPU, get_fpu, OUT),
	VCPU(KVM_SET_FPU, set_fpu, IN),
	VCPU(KVM_GET_XSAVE, get_xsave, OUT),
	VCPU(KVM_GET_XSAVE2, get_xsave2, RAW),
	VCPU(KVM_SET_XSAVE, set_xsave, IN),
	VCPU(KVM_GET_XCRS, get_xcrs, OUT),
	VCPU(KVM_SET_XCRS, set_xcrs, IN),
	VCPU(KVM_GET_DEBUGREGS, get_debugregs, OUT),
	VCPU(KVM_SET_DEBUGREGS, set_debugregs, IN),
	VCPU(KVM_GET_VCPU_EVENTS, get_vcpu_events, OUT),
	VCPU(KVM_SET_VCPU_EVENTS, set_vcpu_events, IN),
	VCPU(KVM_GET_MP_STATE, get_mp_state, OUT),
	VCPU(KVM_SET_MP_STATE, set_mp_state, IN),
	VCPU(KVM_GET_LAPIC, get_lapic, OUT | APIC),
	VCPU(KVM_SET_LAPIC, set_lapic, IN | APIC),
	VCPU(KVM_SET_VAPIC_ADDR, set_vapic_addr, IN | APIC),
	VCPU(KVM_GET_MSRS, get_msrs, RAW),
	VCPU(KVM_SET_MSRS, set_msrs, RAW),
	VCPU(KVM_SET_CPUID, set_cpuid, RAW),
	VCPU(KVM_SET_CPUID2, set_cpuid2, RAW),
	VCPU(KVM_GET_CPUID2, get_cpuid2, RAW),
	VCPU(KVM_SET_TSC_KHZ, set_tsc_khz, RAW),
	VCPU(KVM_GET_TSC_KHZ, get_tsc_khz, RAW),
	VCPU(KVM_ENABLE_CAP, vcpu_enable_cap, IN),
	VCPU(KVM_HAS_DEVICE_ATTR, has_device_attr, IN),
	VCPU(KVM_GET_DEVICE_ATTR, get_device_attr, IN),
	VCPU(KVM_SET_DEVICE_ATTR, set_device_attr, IN),
	VCPU(KVM_TRANSLATE, translate, INOUT),
	VCPU(KVM_SET_GUEST_DEBUG, set_guest_debug, IN),
	VCPU(KVM_INTERRUPT, interrupt, IN),
	VCPU(KVM_NMI, nmi, RAW),
	VCPU(KVM_SET_SIGNAL_MASK, set_signal_mask, RAW),
	VCPU(KVM_KVMCLOCK_CTRL, kvmclock_ctrl, RAW),
	VCPU(KVM_X86_SETUP_MCE, x86_setup_mce, IN),
	VCPU(KVM_GET_STATS_FD, vcpu_get_stats_fd, RAW),
};

static const struct row *find_row(enum level level, unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].cmd == cmd && rows[i].level == level)
			return &rows[i];
	return NULL;
}

static int lock_row(const struct row *row, struct umbra_vm *vm, struct umbra_vcpu *vcpu)
{
	switch (row->lock) {
	case LOCK_VM:
		return mutex_lock_killable(&vm->lock);
	case LOCK_SLOTS:
		return mutex_lock_killable(&vm->slots_lock);
	case LOCK_VCPU:
		return mutex_lock_killable(&vcpu->mutex);
	default:
		return 0;
	}
}

static void unlock_row(const struct row *row, struct umbra_vm *vm, struct umbra_vcpu *vcpu)
{
	switch (row->lock) {
	case LOCK_VM:
		mutex_unlock(&vm->lock);
		break;
	case LOCK_SLOTS:
		mutex_unlock(&vm->slots_lock);
		break;
	case LOCK_VCPU:
		mutex_unlock(&vcpu->mutex);
		break;
	}
}

static long call_row(const struct row *row, struct umbra_vm *vm, struct umbra_vcpu *vcpu,
		     void *arg, void __user *uarg)
{
	switch (row->level) {
	case LEVEL_SYSTEM:
		return row->system(arg, uarg);
	case LEVEL_VM:
		return row->vm(vm, arg, uarg);
	default:
		return row->vcpu(vcpu, arg, uarg);
	}
}

static long locked_call(const struct row *row, struct umbra_vm *vm, struct umbra_vcpu *vcpu,
			void *arg, void __user *uarg)
{
	long ret;

	if (lock_row(row, vm, vcpu))
		return -EINTR;
	/* What another holder of the lock may have changed is looked at under it. */
	if (row->flags & ROW_IRQCHIP && !umbra_has_lapic(vm))
		ret = -ENXIO;
	else if (row->flags & ROW_LAPIC && !umbra_has_lapic(vm))
		ret = -EINVAL;
	else
		ret = call_row(row, vm, vcpu, arg, uarg);
	unlock_row(row, vm, vcpu);
	return ret;
}

/*
 * A vCPU's or VM's memory is that of the process that made it; nobody else
 * can do anything with it (KVM api.rst, section 2).
 */
static bool vm_usable(const struct umbra_vm *vm)
{
	return vm->mm == current->mm && !READ_ONCE(vm->dead);
}

/* Not inline: KVM_RUN has no use for the frame, which the compiler may clear. */
static noinline long call_with_copy(const struct row *row, struct umbra_vm *vm,
				    struct umbra_vcpu *vcpu, void __user *uarg)
{
	unsigned int size = _IOC_SIZE(row->cmd);
	u64 small[32];
	void *arg = small;
	long ret;

	if (size > sizeof(small)) {
		arg = kzalloc(size, GFP_KERNEL);
		if (!arg)
			return -ENOMEM;
	} else {
		memset(small, 0, sizeof(small));
	}
	ret = -EFAULT;
	if (row->flags & ROW_IN && copy_from_user(arg, uarg, size))
		goto out;
	ret = locked_call(row, vm, vcpu, arg, uarg);
	if (ret >= 0 && row->flags & ROW_OUT && copy_to_user(uarg, arg, size))
		ret = -EFAULT;
out:
	if (arg != small)
		kfree(arg);
	return ret;
}

static long dispatch(enum level level, unsigned int cmd, unsigned long value,
		     struct umbra_vm *vm, struct umbra_vcpu *vcpu)
{
	void __user *uarg = (void __user *)value;
	const struct row *row;

	if (vm && !vm_usable(vm))
		return -EIO;
	row = find_row(level, cmd);
	if (!row)
		return -ENOTTY;
	if (row->flags & (ROW_IN | ROW_OUT))
		return call_with_copy(row, vm, vcpu, uarg);
	return locked_call(row, vm, vcpu, NULL, uarg);
}

/**
 * umbra_device_ioctl() - ioctls of /dev/umbra
 * @file: the device fd
 * @cmd: command
 * @arg: argument
 *
 * Return: >= 0 or -errno; -ENOTTY for what is not there.
 */
long umbra_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(LEVEL_SYSTEM, cmd, arg, NULL, NULL);
}

/**
 * umbra_vm_ioctl() - ioctls of a VM fd
 * @file: the VM fd
 * @cmd: command
 * @arg: argument
 *
 * Return: >= 0 or -errno; -EIO from another process and on a dead VM.
 */
long umbra_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return dispatch(LEVEL_VM, cmd, arg, file->private_data, NULL);
}

/**
 * umbra_vcpu_ioctl() - ioctls of a vCPU fd
 * @file: the vCPU fd
 * @cmd: command
 * @arg: argument
 *
 * Return: >= 0 or -errno; -EIO from another process and on a dead VM, -EINTR
 * when killed while another thread runs the vCPU.
 */
long umbra_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct umbra_vcpu *vcpu = file->private_data;
	long ret;

	if (cmd != KVM_RUN || !vm_usable(vcpu->vm))
		return dispatch(LEVEL_VCPU, cmd, arg, vcpu->vm, vcpu);
	/* The one that counts, as its row says. */
	if (mutex_lock_killable(&vcpu->mutex))
		return -EINTR;
	ret = umbra_ioctl_run(vcpu, NULL, (void __user *)arg);
	mutex_unlock(&vcpu->mutex);
	return ret;
}
