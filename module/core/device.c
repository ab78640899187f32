// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the device
 *
 * /dev/umbra, where every client starts, and on request /dev/kvm for clients
 * that know no other name.  The fd has no state: its ioctls ask what there is
 * and make VMs.
 */
#define pr_fmt(fmt) "umbra: " fmt

#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/umbra.h>

#include "umbra/compat.h"
#include "umbra/engine.h"
#include "core_internal.h"
#include "ioctl_internal.h"

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = umbra_device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	UMBRA_NO_LLSEEK
};

static struct miscdevice umbra_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "umbra",
	.fops = &device_fops,
};

/* KVM's own minor: whoever registers second is refused, without a word from sysfs. */
static struct miscdevice kvm_misc = {
	.minor = KVM_MINOR,
	.name = "kvm",
	.fops = &device_fops,
};

static bool kvm_registered;

/* KVM_GET_API_VERSION */
long umbra_ioctl_get_api_version(void *arg, void __user *uarg)
{
	if (umbra_ioctl_value(uarg))
		return -EINVAL;
	return KVM_API_VERSION;
}

/* KVM_GET_VCPU_MMAP_SIZE: bytes */
long umbra_ioctl_get_vcpu_mmap_size(void *arg, void __user *uarg)
{
	if (umbra_ioctl_value(uarg))
		return -EINVAL;
	return UMBRA_MMAP_PAGES * PAGE_SIZE;
}

/* KVM_CREATE_VM: 0 is the only machine type. */
long umbra_ioctl_create_vm(void *arg, void __user *uarg)
{
	if (umbra_ioctl_value(uarg))
		return -EINVAL;
	return umbra_vm_create_fd();
}

/* KVM_CHECK_EXTENSION on the device */
long umbra_ioctl_sys_check_extension(void *arg, void __user *uarg)
{
	return umbra_cap_check(NULL, umbra_ioctl_value(uarg));
}

/* UMBRA_CHECK */
long umbra_ioctl_check(void *arg, void __user *uarg)
{
	struct umbra_info *info = arg;

	info->version = UMBRA_ABI_VERSION;
	strscpy(info->engine, umbra_engine_current()->name, sizeof(info->engine));
	umbra_engine_list(info->engines, sizeof(info->engines));
	return 0;
}

/**
 * umbra_device_init() - make the device nodes
 * @kvm_node: /dev/kvm, too; its absence is no failure
 *
 * Return: 0 or the error of misc_register().
 */
int umbra_device_init(bool kvm_node)
{
	int err = misc_register(&umbra_misc);

	if (err || !kvm_node)
		return err;
	kvm_registered = !misc_register(&kvm_misc);
	if (!kvm_registered)
		pr_info("no /dev/kvm: another monitor has it\n");
	return 0;
}

/**
 * umbra_device_exit() - remove the device nodes
 */
void umbra_device_exit(void)
{
	if (kvm_registered)
		misc_deregister(&kvm_misc);
	misc_deregister(&umbra_misc);
}
