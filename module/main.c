// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the module
 *
 * Loading, unloading and parameters.  Loading only looks at the machine: the
 * processor's virtualization is taken when the first VM is made (core/engine.c)
 * and the module cannot go while an fd of it is open.
 */
#include <linux/init.h>
#include <linux/module.h>
#include <linux/processor.h>
#include <asm/special_insns.h>
#include <asm/tlbflush.h>
#include <xen/xen.h>

#include "core/core_internal.h"
#include "core/fpu_internal.h"
#include "umbra/engine.h"
#include "umbra/fail.h"
#include "umbra/mmu.h"

static char *engine = "auto";
module_param(engine, charp, 0444);
MODULE_PARM_DESC(engine, "CPU engine of new VMs: auto, svm or soft");

static bool kvm_node;
module_param(kvm_node, bool, 0444);
MODULE_PARM_DESC(kvm_node, "also make /dev/kvm, for clients that know no other name");

/* For debugging the emulator; see core/soft.c. */
bool umbra_force_emulation;
module_param_named(force_emulation, umbra_force_emulation, bool, 0644);
MODULE_PARM_DESC(force_emulation, "new VMs execute every instruction by the emulator (debug)");

/* CR4.FRED (Intel SDM Vol. 3A, chapter 8): older headers have no name for it. */
#define CR4_FRED	BIT_ULL(32)

/*
 * On a host with Flexible Return and Event Delivery interrupts do not go
 * through the IDT; no engine has been seen to work there yet.
 */
static int check_host(void)
{
	if (xen_pv_domain()) {
		pr_err("a Xen PV guest has no ring 0 of its own: not supported\n");
		return -ENODEV;
	}
	if (native_read_cr4() & CR4_FRED) {
		pr_err("this host runs with FRED: not supported yet, boot it with fred=off\n");
		return -ENODEV;
	}
	return 0;
}

static int __init umbra_init(void)
{
	int err;

	err = check_host();
	if (err)
		return err;
	err = umbra_fpu_init();
	if (err)
		return err;
	err = umbra_engine_init(engine);
	if (err)
		return err;
	err = umbra_kick_init();
	if (err)
		return err;
	err = umbra_mmu_init();
	if (err)
		goto free_kick;
	err = umbra_irqfd_init();
	if (err)
		goto free_mmu;
	umbra_debugfs_init();
	umbra_fail_init();
	err = umbra_device_init(kvm_node);
	if (err)
		goto free_debugfs;
	pr_info("engine %s\n", umbra_engine_current()->name);
	return 0;

free_debugfs:
	umbra_fail_exit();
	umbra_debugfs_exit();
	umbra_irqfd_exit();
free_mmu:
	umbra_mmu_exit();
free_kick:
	umbra_kick_exit();
	return err;
}

static void __exit umbra_exit(void)
{
	umbra_device_exit();
	umbra_fail_exit();
	umbra_debugfs_exit();
	umbra_irqfd_exit();
	umbra_mmu_exit();
	umbra_kick_exit();
}

module_init(umbra_init);
module_exit(umbra_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Trap-and-emulate virtual machines behind KVM's ABI");
MODULE_AUTHOR("The Umbra developers");
