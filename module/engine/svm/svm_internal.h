/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the SVM engine's own declarations
 *
 * What the files of this folder share and nobody else sees: the engine's part
 * of a vCPU, of a host CPU, and the few words for getting at a VMCB.  Layout
 * and constants of the VMCB come from the kernel's <asm/svm.h>; "APM" is the
 * AMD64 Architecture Programmer's Manual, volume 2.
 */
#ifndef UMBRA_SVM_INTERNAL_H
#define UMBRA_SVM_INTERNAL_H

#include <linux/bitops.h>
#include <linux/percpu-defs.h>

#include <asm/page_types.h>	/* <asm/svm.h> wants PAGE_SIZE */
#include <asm/svm.h>

#include "umbra/engine.h"
#include "umbra/vcpu.h"

/*
 * VMCB clean bits (APM 15.15.3): a set bit promises that software did not
 * change the fields of that group since this processor last saved the VMCB.
 */
#define SVM_CLEAN_INTERCEPTS	BIT(0)	/* intercepts, TSC offset */
#define SVM_CLEAN_PERM		BIT(1)	/* permission maps */
#define SVM_CLEAN_ASID		BIT(2)
#define SVM_CLEAN_INTR		BIT(3)	/* int_ctl, int_vector */
#define SVM_CLEAN_CR		BIT(5)	/* CR0, CR3, CR4, EFER */
#define SVM_CLEAN_DR		BIT(6)	/* DR6, DR7 */
#define SVM_CLEAN_DT		BIT(7)	/* GDTR, IDTR */
#define SVM_CLEAN_SEG		BIT(8)	/* CS, DS, SS, ES, CPL */
#define SVM_CLEAN_CR2		BIT(9)
#define SVM_CLEAN_ALL		GENMASK(9, 0)

/**
 * struct svm_caps - what this machine's AMD-V can do (CPUID Fn8000_000A)
 * @nr_asids: ASIDs 1..@nr_asids-1 are for guests
 * @nrips: the processor saves the RIP of the next instruction on exits
 * @flush_by_asid: TLB_CONTROL can flush one ASID
 * @pause_filter: PAUSE can be counted before it exits
 * @tsc_aux: MSR_TSC_AUX exists and the guest can read it
 *
 * Filled by enable(), constant while a VM exists.
 */
struct svm_caps {
	u32 nr_asids;
	bool nrips;
	bool flush_by_asid;
	bool pause_filter;
	bool tsc_aux;
};

extern struct svm_caps umbra_svm_caps;

/**
 * struct svm_cpu - the engine's part of a host CPU
 * @on: EFER.SVME is set and the areas are in place.  Written on this CPU with
 *	interrupts off, read there by run()
 * @hsave: host save area of VMRUN (MSR_VM_HSAVE_PA), one page
 * @host: VMCB page that holds what VMSAVE keeps of the host, one page
 * @host_hpa: its address
 * @cr4_mce: host CR4.MCE, or 0
 * @asid_next: next ASID to give out
 * @asid_generation: counts wrap-arounds of @asid_next; never 0
 */
struct svm_cpu {
	bool on;
	void *hsave;
	void *host;
	hpa_t host_hpa;
	u64 cr4_mce;
	u32 asid_next;
	u64 asid_generation;
};

DECLARE_PER_CPU(struct svm_cpu, umbra_svm_cpu);

/**
 * struct svm_vcpu - the engine's part of a vCPU
 * @vmcb: control block, one page
 * @vmcb_hpa: its address
 * @cpu: host CPU of the last VMRUN, -1 none
 * @asid_generation: svm_cpu.asid_generation that our ASID belongs to; 0: get a
 *	new ASID before the next VMRUN
 * @flush_asid: flush our ASID at the next VMRUN
 * @bad_state: the registers cannot be entered (APM 15.5.1)
 * @cr0: as the guest sees it
 * @cr4: as the guest sees it
 * @efer: as the guest sees it
 * @dr7_live: breakpoints are armed in the VMCB: DR0..3 must be switched
 * @dr: DR0..3 for the guest's run when @dr7_live
 * @aux_loaded: MSR_TSC_AUX holds @aux_guest and not the host's value
 * @aux_guest: what was loaded
 * @aux_host: the host's value on this CPU
 * @pending: event in EVENTINJ, not yet entered
 * @interrupted: event whose delivery the last exit interrupted
 * @nmi_masked: the guest is in its NMI handler
 * @iret_wait: the IRET that ends it is about to execute
 * @iret_rip: where it is
 * @step: single-step the next instruction to find an NMI window
 * @step_tf: RFLAGS.TF that the guest itself had
 * @step_rip: RIP when the step began
 * @step_dr6: DR6 when the step began
 *
 * Guarded by vcpu->mutex.
 */
struct svm_vcpu {
	struct vmcb *vmcb;
	hpa_t vmcb_hpa;
	int cpu;
	u64 asid_generation;
	bool flush_asid;
	bool bad_state;
	u64 cr0, cr4, efer;
	bool dr7_live;
	u64 dr[4];
	bool aux_loaded;
	u64 aux_guest, aux_host;
	struct umbra_event pending;
	struct umbra_event interrupted;
	bool nmi_masked;
	bool iret_wait;
	u64 iret_rip;
	bool step;
	bool step_tf;
	u64 step_rip;
	u64 step_dr6;
};

static inline struct svm_vcpu *to_svm(struct umbra_vcpu *vcpu)
{
	return vcpu->engine_data;
}

/* Software changed fields of these SVM_CLEAN_* groups. */
static inline void svm_changed(struct svm_vcpu *svm, u32 groups)
{
	svm->vmcb->control.clean &= ~groups;
}

static inline void svm_intercept(struct svm_vcpu *svm, unsigned int bit, bool on)
{
	u32 *word = &svm->vmcb->control.intercepts[bit / 32];
	u32 mask = BIT(bit % 32);

	if (!!(*word & mask) == on)
		return;
	*word ^= mask;
	svm_changed(svm, SVM_CLEAN_INTERCEPTS);
}

/*
 * Offset 70h of the VMCB as one number: kernels before 6.19 declare it as two
 * words, newer ones as a u64.
 */
static inline u64 svm_exit_code(const struct vmcb *vmcb)
{
	u64 code;

	memcpy(&code, (const u8 *)&vmcb->control + 0x70, sizeof(code));
	return code;
}

/* The kernel's own accessors change names between releases; these do not. */
static inline u64 svm_rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}

static inline void svm_wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"(lower_32_bits(val)), "d"(upper_32_bits(val)) :
		     "memory");
}

/* hw.c: the processors. */
int umbra_svm_probe(void);
int umbra_svm_enable(void);
void umbra_svm_disable(void);
bool umbra_svm_stopping(void);

/* perm.c: permission maps. */
int umbra_svm_perm_create(void);
void umbra_svm_perm_destroy(void);
hpa_t umbra_svm_iopm_hpa(void);
hpa_t umbra_svm_msrpm_hpa(bool all);

/* vmcb.c: the control block. */
void umbra_svm_vmcb_init(struct umbra_vcpu *vcpu);
void umbra_svm_configure(struct umbra_vcpu *vcpu);
void umbra_svm_pull(struct umbra_vcpu *vcpu, u32 mask);
void umbra_svm_push(struct umbra_vcpu *vcpu);

/* enter.S: the world switch.  Interrupts off. */
asmlinkage void umbra_svm_enter(u64 *gpr, hpa_t vmcb_hpa, hpa_t host_hpa);

/* run.c: one entry and exit. */
void umbra_svm_load(struct umbra_vcpu *vcpu, int cpu);
void umbra_svm_put(struct umbra_vcpu *vcpu);
void umbra_svm_run(struct umbra_vcpu *vcpu, struct umbra_exit *exit);

/* exits.c: exit codes. */
void umbra_svm_decode_exit(struct umbra_vcpu *vcpu, struct umbra_exit *exit);
void umbra_svm_handle_host_event(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

/* insn.c: what the guest executed. */
void umbra_svm_fetch_insn(struct umbra_vcpu *vcpu, struct umbra_exit *exit);

/* events.c: injection. */
void umbra_svm_inject(struct umbra_vcpu *vcpu, const struct umbra_event *event);
void umbra_svm_cancel_event(struct umbra_vcpu *vcpu, struct umbra_event *event);
u32 umbra_svm_can_take(struct umbra_vcpu *vcpu);
void umbra_svm_want_window(struct umbra_vcpu *vcpu, u32 mask);
void umbra_svm_prepare_event(struct umbra_vcpu *vcpu);
void umbra_svm_complete_event(struct umbra_vcpu *vcpu);
void umbra_svm_clear_irq_window(struct svm_vcpu *svm);

/* nmi.c: NMI blocking. */
bool umbra_svm_nmi_masked(struct umbra_vcpu *vcpu, int set);
void umbra_svm_mask_nmi(struct svm_vcpu *svm, bool masked);
void umbra_svm_want_nmi(struct umbra_vcpu *vcpu, bool want);
void umbra_svm_iret(struct umbra_vcpu *vcpu);
void umbra_svm_step_begin(struct umbra_vcpu *vcpu);
bool umbra_svm_step_end(struct umbra_vcpu *vcpu);

/* tlb.c: address-space numbers. */
void umbra_svm_tlb_prepare(struct svm_vcpu *svm, struct svm_cpu *cpu, int cpu_nr);
void umbra_svm_set_root(struct umbra_vcpu *vcpu, hpa_t root, bool flush);
void umbra_svm_flush_tlb(struct umbra_vcpu *vcpu);
void umbra_svm_flush_gva(struct umbra_vcpu *vcpu, gva_t gva);

/* debug.c: debug registers. */
void umbra_svm_push_dr(struct umbra_vcpu *vcpu);
void umbra_svm_pull_dr(struct umbra_vcpu *vcpu);
void umbra_svm_debug_enter(struct svm_vcpu *svm, u64 host[4]);
void umbra_svm_debug_leave(struct svm_vcpu *svm, const u64 host[4]);

#endif
