// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the host of the soft engine
 *
 * What the processor must have, and what of the host's state the engine
 * changes around a run beside what switch.S does: the SYSCALL and SYSENTER
 * targets (otherwise a guest's SYSCALL would enter the host's kernel with the
 * guest's address space), breakpoints and sampling buffers of the host, which
 * are linear addresses.  And the other direction: interrupts, NMIs and machine
 * checks that ended a run are raised again in the host.
 */
#define pr_fmt(fmt) "umbra: soft: " fmt

#include "soft_internal.h"

#include <linux/mem_encrypt.h>
#include <linux/smp.h>

#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor.h>
#include <asm/trapnr.h>

/* Vectors from here on are interrupts of the host's devices. */
#define FIRST_EXTERNAL	32

static inline u64 read_msr(u32 index)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(index));
	return lo | (u64)hi << 32;
}

static inline void write_msr(u32 index, u64 val)
{
	asm volatile("wrmsr" : : "c"(index), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

/* Features without which this engine does not run, and why. */
static const struct {
	u16 feature;
	const char *name;
} needed[] = {
	{ X86_FEATURE_SYSCALL, "SYSCALL" },
	{ X86_FEATURE_NX, "NX (it may be disabled in the firmware)" },
	{ X86_FEATURE_FSGSBASE, "FSGSBASE (or the host was booted with nofsgsbase)" },
};

/**
 * umbra_soft_probe() - can guests run here without hardware support
 *
 * Context: process context.
 * Return: 0 or -ENODEV with a line in the log that says why.
 */
int umbra_soft_probe(void)
{
	unsigned int i;

	if (cpu_feature_enabled(X86_FEATURE_XENPV)) {
		pr_info("not available in a Xen PV domain\n");
		return -ENODEV;
	}
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		if (boot_cpu_has(needed[i].feature))
			continue;
		pr_info("this processor lacks %s\n", needed[i].name);
		return -ENODEV;
	}
	if (__sme_set(0)) {
		pr_info("memory encryption (SME) is not supported, boot with mem_encrypt=off\n");
		return -ENODEV;
	}
	/* Guest kernel code could read the host's global translations by Meltdown. */
	if (boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN) && !boot_cpu_has(X86_FEATURE_PTI)) {
		pr_info("this processor needs page-table isolation, boot without pti=off\n");
		return -ENODEV;
	}
	return 0;
}

/**
 * umbra_soft_enable() - the first VM comes
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_soft_enable(void)
{
	return umbra_soft_blob_create();
}

/**
 * umbra_soft_disable() - the last VM is gone
 *
 * Context: may sleep.
 */
void umbra_soft_disable(void)
{
	umbra_soft_blob_destroy();
}

/* The host's descriptors for kernel code and data and its TSS, at their places. */
static void copy_gdt(struct soft_area *area)
{
	struct desc_ptr host;
	u64 *gdt = area->gdt;

	asm volatile("sgdt %0" : "=m"(host));
	memcpy(gdt, (void *)host.address, 4 * sizeof(u64));
	memcpy(gdt + (SOFT_SEL_HOST_TSS >> 3), (u64 *)host.address + (SOFT_SEL_HOST_TSS >> 3),
	       2 * sizeof(u64));
}

/**
 * umbra_soft_load() - the vCPU thread now runs on this CPU
 * @vcpu: the vCPU
 * @cpu: this CPU
 *
 * Context: preemption off.
 */
void umbra_soft_load(struct umbra_vcpu *vcpu, int cpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	if (soft->cpu != cpu) {
		copy_gdt(&soft->area);
		umbra_soft_area_refresh(&soft->area);
		soft->area.frame->cr3_keep =
			boot_cpu_has(X86_FEATURE_PCID) && (__read_cr4() & X86_CR4_PCIDE) ?
			BIT_ULL(63) : 0;
		soft->cpu = cpu;
	}
	soft->host_lstar = read_msr(MSR_LSTAR);
	soft->host_cstar = read_msr(MSR_CSTAR);
	soft->host_sysenter = read_msr(MSR_IA32_SYSENTER_CS);
	write_msr(MSR_LSTAR, SOFT_HOLE + (umbra_soft_blob_syscall - umbra_soft_blob));
	write_msr(MSR_CSTAR, SOFT_HOLE + (umbra_soft_blob_syscall32 - umbra_soft_blob));
	/* SYSENTER with a null selector is #GP (SDM Vol. 2B). */
	write_msr(MSR_IA32_SYSENTER_CS, 0);
	soft->loaded = true;
}

/**
 * umbra_soft_put() - it leaves this CPU, or the kernel
 * @vcpu: the vCPU
 *
 * Context: preemption off.
 */
void umbra_soft_put(struct umbra_vcpu *vcpu)
{
	struct soft_vcpu *soft = to_soft(vcpu);

	if (!soft->loaded)
		return;
	write_msr(MSR_LSTAR, soft->host_lstar);
	write_msr(MSR_CSTAR, soft->host_cstar);
	write_msr(MSR_IA32_SYSENTER_CS, soft->host_sysenter);
	soft->loaded = false;
}

/**
 * umbra_soft_no_syscall() - SYSCALL is #UD from now on
 *
 * For user code of a guest that has not set EFER.SCE: the switcher could not give RCX
 * and R11 back.
 * Context: interrupts off, around a switch to user code that does not end in translated code.
 * Return: for umbra_soft_syscall_again().
 */
u64 umbra_soft_no_syscall(void)
{
	u64 efer = read_msr(MSR_EFER);

	write_msr(MSR_EFER, efer & ~(u64)EFER_SCE);
	return efer;
}

/**
 * umbra_soft_syscall_again() - the end of umbra_soft_no_syscall()
 * @efer: what that returned
 *
 * Context: interrupts off.
 */
void umbra_soft_syscall_again(u64 efer)
{
	write_msr(MSR_EFER, efer);
}

/**
 * umbra_soft_handle_host_event() - what ended the guest's turn, to the host
 * @vcpu: the vCPU
 * @exit: the exit
 *
 * A device's interrupt is raised with interrupts on, as it would have been from
 * any code: handlers look at the interrupted RFLAGS.IF (HRTIMER_REARM_DEFERRED of
 * Linux 7.x).  It was accepted already, so its handler must run, whatever else
 * happened: the local APIC waits for its EOI.
 *
 * Context: interrupts off, preemption off.
 */
void umbra_soft_handle_host_event(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	struct soft_vcpu *soft = to_soft(vcpu);
	struct soft_frame *frame = soft->area.frame;
	u32 vector = soft->host_vector;

	soft->host_vector = 0;
	if (frame->nmi || vector == X86_TRAP_NMI) {
		frame->nmi = 0;
		umbra_soft_raise(X86_TRAP_NMI);
	}
	if (frame->mce || vector == X86_TRAP_MC) {
		frame->mce = 0;
		umbra_soft_raise(X86_TRAP_MC);
	}
	if (vector >= FIRST_EXTERNAL) {
		local_irq_enable();
		umbra_soft_raise(vector);
		local_irq_disable();
	}
}
