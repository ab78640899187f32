// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: taking and giving back AMD-V
 *
 * The engine owns the processors' SVM only while a VM exists: EFER.SVME and
 * MSR_VM_HSAVE_PA are set on every CPU when the first VM comes and restored
 * when the last one is gone.  Whoever sets EFER.SVME owns it: if it is set
 * already, somebody else (kvm_amd) does, and enable() refuses; kvm_amd looks at
 * the same bit.  CPUs that come online, suspend and reboot are followed.
 */
#define pr_fmt(fmt) "umbra: svm: " fmt

#include "svm_internal.h"

#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/smp.h>

#include <asm/cpufeature.h>
#include <asm/io.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include "umbra/compat.h"

DEFINE_PER_CPU(struct svm_cpu, umbra_svm_cpu);

struct svm_caps umbra_svm_caps;

/* State of the CPU hotplug callbacks, from enable() to disable(). */
static enum cpuhp_state hotplug_state;

/* The machine goes down: no VMRUN any more. */
static bool stopping;

/**
 * umbra_svm_probe() - can SVM run guests here
 *
 * Context: process context.
 * Return: 0 or -ENODEV with a line in the log that says why.
 */
int umbra_svm_probe(void)
{
	if (cpu_feature_enabled(X86_FEATURE_XENPV)) {
		pr_info("not available in a Xen PV domain\n");
		return -ENODEV;
	}
	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		pr_info("this processor has no AMD-V\n");
		return -ENODEV;
	}
	if (svm_rdmsr(MSR_VM_CR) & SVM_VM_CR_SVM_DIS_MASK) {
		pr_info("AMD-V is disabled by the firmware (VM_CR.SVMDIS)\n");
		return -ENODEV;
	}
	if (__sme_set(0)) {
		pr_info("memory encryption (SME) is not supported, boot with mem_encrypt=off\n");
		return -ENODEV;
	}
	return 0;
}

static u32 read_cpuid_ebx(u32 leaf)
{
	u32 ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(leaf), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return ebx;
}

/* CPUID Fn8000_000A: EBX number of ASIDs, EDX features. */
static void read_caps(void)
{
	struct svm_caps *caps = &umbra_svm_caps;

	caps->nr_asids = read_cpuid_ebx(SVM_CPUID_FUNC);
	caps->nrips = boot_cpu_has(X86_FEATURE_NRIPS);
	caps->flush_by_asid = boot_cpu_has(X86_FEATURE_FLUSHBYASID);
	caps->pause_filter = boot_cpu_has(X86_FEATURE_PAUSEFILTER);
	caps->tsc_aux = boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID);
}

static u64 read_cr4(void)
{
	u64 cr4;

	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	return cr4;
}

/* SVME on, with areas that are there already.  On that CPU, interrupts off. */
static void switch_on(void *unused)
{
	struct svm_cpu *cpu = this_cpu_ptr(&umbra_svm_cpu);

	svm_wrmsr(MSR_EFER, svm_rdmsr(MSR_EFER) | EFER_SVME);
	svm_wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(cpu->hsave));
	/* Guest and host count at the same rate, whatever an earlier owner wanted. */
	if (boot_cpu_has(X86_FEATURE_TSCRATEMSR))
		svm_wrmsr(MSR_AMD64_TSC_RATIO, SVM_TSC_RATIO_DEFAULT);
	cpu->cr4_mce = read_cr4() & X86_CR4_MCE;
	/* Whatever used the ASIDs before: the first VMRUN flushes them all. */
	cpu->asid_generation++;
	cpu->asid_next = umbra_svm_caps.nr_asids;
	cpu->on = true;
}

static void switch_off(void *unused)
{
	struct svm_cpu *cpu = this_cpu_ptr(&umbra_svm_cpu);

	if (!cpu->on)
		return;
	cpu->on = false;
	svm_wrmsr(MSR_VM_HSAVE_PA, 0);
	svm_wrmsr(MSR_EFER, svm_rdmsr(MSR_EFER) & ~EFER_SVME);
}

static int alloc_areas(struct svm_cpu *cpu)
{
	if (!cpu->hsave)
		cpu->hsave = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cpu->host)
		cpu->host = (void *)get_zeroed_page(GFP_KERNEL);
	if (!cpu->hsave || !cpu->host)
		return -ENOMEM;
	cpu->host_hpa = virt_to_phys(cpu->host);
	return 0;
}

static void free_areas(void)
{
	int nr;

	for_each_possible_cpu(nr) {
		struct svm_cpu *cpu = per_cpu_ptr(&umbra_svm_cpu, nr);

		free_page((unsigned long)cpu->hsave);
		free_page((unsigned long)cpu->host);
		cpu->hsave = NULL;
		cpu->host = NULL;
	}
}

/* Hotplug callbacks: run on @nr, in its own thread, before user tasks may. */
static int bring_online(unsigned int nr)
{
	unsigned long flags;
	int ret;

	if (svm_rdmsr(MSR_EFER) & EFER_SVME)
		return -EBUSY;
	ret = alloc_areas(this_cpu_ptr(&umbra_svm_cpu));
	if (ret)
		return ret;
	local_irq_save(flags);
	switch_on(NULL);
	local_irq_restore(flags);
	return 0;
}

static int take_offline(unsigned int nr)
{
	unsigned long flags;

	local_irq_save(flags);
	switch_off(NULL);
	local_irq_restore(flags);
	return 0;
}

/* Suspend to RAM and disk: the other CPUs are offline, this one is last. */
static int suspend(void)
{
	switch_off(NULL);
	return 0;
}

static void resume(void)
{
	switch_on(NULL);
}

/* Reboot and kexec: the next kernel shall find SVM as after power-on. */
static void shutdown(void)
{
	WRITE_ONCE(stopping, true);
	on_each_cpu(switch_off, NULL, 1);
}

UMBRA_DEFINE_SYSCORE(svm_syscore, suspend, resume, shutdown);

/**
 * umbra_svm_stopping() - the machine is going down
 *
 * Return: true when no VMRUN will ever succeed again.
 */
bool umbra_svm_stopping(void)
{
	return READ_ONCE(stopping);
}

/**
 * umbra_svm_enable() - the first VM takes SVM on all CPUs
 *
 * Context: process context, may sleep.
 * Return: 0; -EBUSY with one line in the log when someone else has it;
 * -ENOMEM; what the hotplug core returns.
 */
int umbra_svm_enable(void)
{
	int ret;

	read_caps();
	ret = umbra_svm_perm_create();
	if (ret)
		return ret;
	ret = cpuhp_setup_state(CPUHP_AP_ONLINE_DYN, "x86/umbra/svm:online",
				bring_online, take_offline);
	if (ret < 0)
		goto fail;
	hotplug_state = ret;
	umbra_register_syscore(&svm_syscore);
	return 0;
fail:
	if (ret == -EBUSY)
		pr_warn("AMD-V is in use by someone else: stop its VMs or unload kvm_amd\n");
	free_areas();
	umbra_svm_perm_destroy();
	return ret;
}

/**
 * umbra_svm_disable() - the last VM is gone: give SVM back
 *
 * Context: process context, may sleep; no vCPU of this engine exists.
 */
void umbra_svm_disable(void)
{
	umbra_unregister_syscore(&svm_syscore);
	cpuhp_remove_state(hotplug_state);
	free_areas();
	umbra_svm_perm_destroy();
}
