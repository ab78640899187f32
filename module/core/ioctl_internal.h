/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ioctl handlers
 *
 * One handler a command, named after it: KVM_GET_REGS is umbra_ioctl_get_regs().
 * The table in ioctl.c holds level, locks and copying of each; a handler is
 * called with the row's lock held and judges only its argument.
 *
 *   @arg   fixed-size commands: a kernel buffer of _IOC_SIZE bytes, filled
 *	    from userspace when the command writes (_IOC_WRITE), zeroed else, and
 *	    copied out after a return value >= 0 when it reads (_IOC_READ);
 *	    other commands: NULL
 *   @uarg  the raw argument: a user pointer for variable-size commands, or the
 *	    value itself for commands without a struct (umbra_ioctl_value())
 *
 * A handler returns >= 0 or a negative errno; -ENOTTY and -EFAULT for the
 * fixed part are given by the table.
 */
#ifndef UMBRA_IOCTL_INTERNAL_H
#define UMBRA_IOCTL_INTERNAL_H

#include "umbra/vcpu.h"
#include "umbra/vm.h"

struct file;

#define UMBRA_SYSTEM_IOCTL(name) long umbra_ioctl_##name(void *arg, void __user *uarg)
#define UMBRA_VM_IOCTL(name) \
	long umbra_ioctl_##name(struct umbra_vm *vm, void *arg, void __user *uarg)
#define UMBRA_VCPU_IOCTL(name) \
	long umbra_ioctl_##name(struct umbra_vcpu *vcpu, void *arg, void __user *uarg)

/* The argument of a command that takes a plain number. */
static inline unsigned long umbra_ioctl_value(void __user *uarg)
{
	return (__force unsigned long)uarg;
}

/* System level. */
UMBRA_SYSTEM_IOCTL(check);
UMBRA_SYSTEM_IOCTL(get_api_version);
UMBRA_SYSTEM_IOCTL(create_vm);
UMBRA_SYSTEM_IOCTL(sys_check_extension);
UMBRA_SYSTEM_IOCTL(get_vcpu_mmap_size);
UMBRA_SYSTEM_IOCTL(get_supported_cpuid);
UMBRA_SYSTEM_IOCTL(get_emulated_cpuid);
UMBRA_SYSTEM_IOCTL(get_msr_index_list);
UMBRA_SYSTEM_IOCTL(get_msr_feature_index_list);
UMBRA_SYSTEM_IOCTL(sys_get_msrs);
UMBRA_SYSTEM_IOCTL(x86_get_mce_cap_supported);

/* VM level: life, memory. */
UMBRA_VM_IOCTL(check_extension);
UMBRA_VM_IOCTL(create_vcpu);
UMBRA_VM_IOCTL(set_user_memory_region);
UMBRA_VM_IOCTL(set_nr_mmu_pages);
UMBRA_VM_IOCTL(get_nr_mmu_pages);
UMBRA_VM_IOCTL(get_dirty_log);
UMBRA_VM_IOCTL(clear_dirty_log);
UMBRA_VM_IOCTL(set_tss_addr);
UMBRA_VM_IOCTL(set_identity_map_addr);
UMBRA_VM_IOCTL(set_boot_cpu_id);
UMBRA_VM_IOCTL(enable_cap);
UMBRA_VM_IOCTL(x86_set_msr_filter);
UMBRA_VM_IOCTL(vm_get_stats_fd);
UMBRA_VM_IOCTL(register_coalesced_mmio);
UMBRA_VM_IOCTL(unregister_coalesced_mmio);

/* VM level: interrupts. */
UMBRA_VM_IOCTL(create_irqchip);
UMBRA_VM_IOCTL(get_irqchip);
UMBRA_VM_IOCTL(set_irqchip);
UMBRA_VM_IOCTL(create_pit);
UMBRA_VM_IOCTL(create_pit2);
UMBRA_VM_IOCTL(get_pit);
UMBRA_VM_IOCTL(set_pit);
UMBRA_VM_IOCTL(get_pit2);
UMBRA_VM_IOCTL(set_pit2);
UMBRA_VM_IOCTL(reinject_control);
UMBRA_VM_IOCTL(irq_line);
UMBRA_VM_IOCTL(irq_line_status);
UMBRA_VM_IOCTL(set_gsi_routing);
UMBRA_VM_IOCTL(signal_msi);
UMBRA_VM_IOCTL(irqfd);
UMBRA_VM_IOCTL(ioeventfd);

/* VM level: clocks. */
UMBRA_VM_IOCTL(get_clock);
UMBRA_VM_IOCTL(set_clock);

/* vCPU level. */
UMBRA_VCPU_IOCTL(run);
UMBRA_VCPU_IOCTL(get_regs);
UMBRA_VCPU_IOCTL(set_regs);
UMBRA_VCPU_IOCTL(get_sregs);
UMBRA_VCPU_IOCTL(set_sregs);
UMBRA_VCPU_IOCTL(get_sregs2);
UMBRA_VCPU_IOCTL(set_sregs2);
UMBRA_VCPU_IOCTL(get_fpu);
UMBRA_VCPU_IOCTL(set_fpu);
UMBRA_VCPU_IOCTL(get_xsave);
UMBRA_VCPU_IOCTL(get_xsave2);
UMBRA_VCPU_IOCTL(set_xsave);
UMBRA_VCPU_IOCTL(get_xcrs);
UMBRA_VCPU_IOCTL(set_xcrs);
UMBRA_VCPU_IOCTL(get_debugregs);
UMBRA_VCPU_IOCTL(set_debugregs);
UMBRA_VCPU_IOCTL(get_vcpu_events);
UMBRA_VCPU_IOCTL(set_vcpu_events);
UMBRA_VCPU_IOCTL(get_mp_state);
UMBRA_VCPU_IOCTL(set_mp_state);
UMBRA_VCPU_IOCTL(get_lapic);
UMBRA_VCPU_IOCTL(set_lapic);
UMBRA_VCPU_IOCTL(set_vapic_addr);
UMBRA_VCPU_IOCTL(get_msrs);
UMBRA_VCPU_IOCTL(set_msrs);
UMBRA_VCPU_IOCTL(set_cpuid);
UMBRA_VCPU_IOCTL(set_cpuid2);
UMBRA_VCPU_IOCTL(get_cpuid2);
UMBRA_VCPU_IOCTL(set_tsc_khz);
UMBRA_VCPU_IOCTL(get_tsc_khz);
UMBRA_VCPU_IOCTL(vcpu_enable_cap);
UMBRA_VCPU_IOCTL(has_device_attr);
UMBRA_VCPU_IOCTL(get_device_attr);
UMBRA_VCPU_IOCTL(set_device_attr);
UMBRA_VCPU_IOCTL(translate);
UMBRA_VCPU_IOCTL(set_guest_debug);
UMBRA_VCPU_IOCTL(interrupt);
UMBRA_VCPU_IOCTL(nmi);
UMBRA_VCPU_IOCTL(set_signal_mask);
UMBRA_VCPU_IOCTL(kvmclock_ctrl);
UMBRA_VCPU_IOCTL(x86_setup_mce);
UMBRA_VCPU_IOCTL(set_vapic_addr);
UMBRA_VCPU_IOCTL(vcpu_get_stats_fd);

/**
 * umbra_vcpu_arch_create() - processor state of a new vCPU
 * @vcpu: zeroed but for vm, id, index, mutex, run, pio_page, wait, cpu
 *
 * Calls the engine's vcpu_create, makes the MMU context, the local APIC and
 * the FPU image, and resets them all.  Undoes its own work on failure.
 * Context: vm->lock held, may sleep.
 * Return: 0 or -errno.
 */
int umbra_vcpu_arch_create(struct umbra_vcpu *vcpu);

/**
 * umbra_vcpu_arch_destroy() - the end of what umbra_vcpu_arch_create() made
 * @vcpu: no fd, no thread
 *
 * Context: last reference to the VM is gone, may sleep.
 */
void umbra_vcpu_arch_destroy(struct umbra_vcpu *vcpu);

/**
 * umbra_vm_arch_create() - processor-related defaults of a new VM
 * @vm: engine and MMU exist, no vCPU
 *
 * Return: 0 or -errno.
 */
int umbra_vm_arch_create(struct umbra_vm *vm);
void umbra_vm_arch_destroy(struct umbra_vm *vm);

/* Dispatch, ioctl.c: the .unlocked_ioctl of each kind of fd. */
long umbra_device_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long umbra_vm_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long umbra_vcpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

#endif
