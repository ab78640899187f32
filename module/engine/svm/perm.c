// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: permission maps
 *
 * Which ports and MSRs a guest may touch without an exit.  Policy is core's,
 * and it wants to see every port; of the MSRs only those pass that the
 * processor switches with the guest (VMLOAD/VMSAVE, APM 15.5.2), where a
 * trap would only cost time.  So one pair of maps serves all VMs.
 */
#include "svm_internal.h"

#include <linux/gfp.h>

#include <asm/io.h>
#include <asm/msr-index.h>

/* One bit a port, 64 Ki ports and 3 bits behind the end (APM 15.10.1). */
#define IOPM_ORDER	2
#define IOPM_SIZE	(PAGE_SIZE << IOPM_ORDER)

/*
 * Two bits an MSR, even: read, odd: write, set: exit (APM 15.11).
 *
 *   000h  MSRs 0000_0000..0000_1FFF
 *   800h  MSRs C000_0000..C000_1FFF
 *   1000h MSRs C001_0000..C001_1FFF
 */
#define MSRPM_ORDER	1
#define MSRPM_SIZE	(PAGE_SIZE << MSRPM_ORDER)

static void *iopm, *msrpm;

static const u32 passed_msrs[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
	MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

static void pass_msr(u32 msr)
{
	unsigned int bit = (msr & 0x1fff) * 2 + (msr >= 0xc0000000 ? 0x800 * 8 : 0);

	__clear_bit(bit, msrpm);
	__clear_bit(bit + 1, msrpm);
}

/**
 * umbra_svm_perm_create() - allocate and fill both maps
 *
 * Context: process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_svm_perm_create(void)
{
	unsigned int i;

	iopm = (void *)__get_free_pages(GFP_KERNEL, IOPM_ORDER);
	msrpm = (void *)__get_free_pages(GFP_KERNEL, MSRPM_ORDER);
	if (!iopm || !msrpm) {
		umbra_svm_perm_destroy();
		return -ENOMEM;
	}
	memset(iopm, 0xff, IOPM_SIZE);
	memset(msrpm, 0xff, MSRPM_SIZE);
	for (i = 0; i < ARRAY_SIZE(passed_msrs); i++)
		pass_msr(passed_msrs[i]);
	return 0;
}

/**
 * umbra_svm_perm_destroy() - free the maps; no VMCB uses them any more
 */
void umbra_svm_perm_destroy(void)
{
	free_pages((unsigned long)iopm, IOPM_ORDER);
	free_pages((unsigned long)msrpm, MSRPM_ORDER);
	iopm = NULL;
	msrpm = NULL;
}

/**
 * umbra_svm_iopm_hpa() - the I/O permission map
 *
 * Return: host physical address for the VMCB.
 */
hpa_t umbra_svm_iopm_hpa(void)
{
	return virt_to_phys(iopm);
}

/**
 * umbra_svm_msrpm_hpa() - the MSR permission map
 * @all: every access exits
 *
 * Return: host physical address for the VMCB.
 */
hpa_t umbra_svm_msrpm_hpa(bool all)
{
	/* The map of ports is all ones, and longer. */
	BUILD_BUG_ON(IOPM_SIZE < MSRPM_SIZE);
	return virt_to_phys(all ? iopm : msrpm);
}
