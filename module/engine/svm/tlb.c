// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: address-space numbers
 *
 * The processor tags translations with the ASID of the VMCB (APM 15.16).  Each
 * CPU gives its ASIDs out one after the other; when they are used up, the TLB
 * is flushed whole, and a new generation begins.  A vCPU keeps its ASID while it
 * stays on one CPU and in one generation.  "Flush" means a new ASID, or
 * TLB_CONTROL where the processor can flush by ASID.
 */
#include "svm_internal.h"

#include <linux/preempt.h>
#include <linux/smp.h>

static void new_asid(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
	struct vmcb_control_area *control = &svm->vmcb->control;

	if (cpu->asid_next >= umbra_svm_caps.nr_asids) {
		cpu->asid_generation++;
		cpu->asid_next = 1;
		control->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	}
	control->asid = cpu->asid_next++;
	svm->asid_generation = cpu->asid_generation;
	svm_changed(svm, SVM_CLEAN_ASID);
}

/**
 * umbra_svm_tlb_prepare() - an ASID for this entry
 * @svm: the vCPU's engine data
 * @cpu: this CPU
 * @cpu_nr: its number
 *
 * On a new CPU nothing that this or an earlier stay left in its TLB may be
 * used, and nothing is cached of the VMCB.
 * Context: interrupts off.  tlb_ctl is 0 on entry.
 */
void umbra_svm_tlb_prepare(struct svm_vcpu *svm, struct svm_cpu *cpu, int cpu_nr)
{
	if (unlikely(svm->cpu != cpu_nr)) {
		svm->cpu = cpu_nr;
		svm->asid_generation = 0;
		svm_changed(svm, SVM_CLEAN_ALL);
	}
	if (unlikely(svm->asid_generation != cpu->asid_generation))
		new_asid(svm, cpu);
	else if (svm->flush_asid)
		svm->vmcb->control.tlb_ctl = TLB_CONTROL_FLUSH_ASID;
	svm->flush_asid = false;
}

static void flush(struct svm_vcpu *svm)
{
	if (umbra_svm_caps.flush_by_asid)
		svm->flush_asid = true;
	else
		svm->asid_generation = 0;
}

/**
 * umbra_svm_flush_tlb() - drop all translations before the next entry
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread.
 */
void umbra_svm_flush_tlb(struct umbra_vcpu *vcpu)
{
	flush(to_svm(vcpu));
}

/**
 * umbra_svm_set_root() - shadow root for the next entry
 * @vcpu: the vCPU
 * @root: host physical address of the root table
 * @flush_root: drop translations that were made from it earlier
 *
 * One ASID serves all roots of a vCPU, so another root always flushes.
 * Context: the vCPU's thread.
 */
void umbra_svm_set_root(struct umbra_vcpu *vcpu, hpa_t root, bool flush_root)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	if (svm->vmcb->save.cr3 != root) {
		svm->vmcb->save.cr3 = root;
		svm_changed(svm, SVM_CLEAN_CR);
		flush_root = true;
	}
	if (flush_root)
		flush(svm);
}

/**
 * umbra_svm_flush_gva() - drop the translation of one linear address
 * @vcpu: the vCPU
 * @gva: linear address
 *
 * INVLPGA where the ASID lives.  If the thread has left that CPU, it may come
 * back to it without an entry elsewhere, so the whole ASID goes.
 * Context: the vCPU's thread.
 */
void umbra_svm_flush_gva(struct umbra_vcpu *vcpu, gva_t gva)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	preempt_disable();
	if (svm->cpu == smp_processor_id() && svm->asid_generation &&
	    this_cpu_read(umbra_svm_cpu.on))
		asm volatile("invlpga %%rax, %%ecx"
			     : : "a"(gva), "c"(svm->vmcb->control.asid) : "memory");
	else
		flush(svm);
	preempt_enable();
}
