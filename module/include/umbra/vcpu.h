/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a virtual CPU
 *
 * One vCPU is one fd and at most one running thread.  Everything here belongs
 * to the holder of vcpu->mutex (which KVM_RUN holds for its whole length)
 * unless a field says otherwise; other threads leave requests and kick.
 */
#ifndef UMBRA_VCPU_H
#define UMBRA_VCPU_H

#include <linux/atomic.h>
#include <linux/kvm.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rcuwait.h>
#include <linux/wait.h>

#include "umbra/emul.h"
#include "umbra/engine.h"
#include "umbra/mmu.h"
#include "umbra/regs.h"
#include "umbra/stat.h"
#include "umbra/vm.h"

struct umbra_vcpu;

/* Requests from any thread; bits of vcpu->requests. */
enum umbra_request {
	UMBRA_REQ_FLUSH_TLB,	/* drop all translations */
	UMBRA_REQ_LOAD_MMU,	/* umbra_mmu_load() again */
	UMBRA_REQ_EVENT,	/* look for interrupts */
	UMBRA_REQ_NMI,		/* vcpu->nmi_queued changed */
	UMBRA_REQ_SHUTDOWN,	/* triple fault */
	UMBRA_REQ_CLOCK,	/* update the kvmclock page */
	UMBRA_REQ_CONFIGURE,	/* what the engine intercepts has changed */
	UMBRA_REQ_LOOK,		/* a reader waits for a translation; core/look.c */
	UMBRA_REQ_DEAD,		/* umbra_vm_kill() */
};

/* Where the vCPU's thread is; only the thread leaves OUTSIDE and IN_GUEST. */
enum umbra_vcpu_mode { UMBRA_OUTSIDE, UMBRA_IN_GUEST, UMBRA_EXITING };

struct umbra_look;
struct umbra_soft_tlb;

#define UMBRA_IO_LOG		8
#define UMBRA_MAX_CPUID		128

/**
 * struct umbra_io_log - accesses of the instruction that waits for userspace
 * @rip: linear address of the instruction; a different one drops the log
 * @n: entries done
 * @pos: replay position
 * @pending: the last entry waits for userspace
 * @insn_len: length of an IN or OUT that needs no emulator
 * @user_sets: umbra_vcpu.user_sets when userspace was asked
 * @rflags: RFLAGS then
 * @e: kind of access, address, length, data, direction
 */
struct umbra_io_log {
	u64 rip;
	u8 n, pos;
	bool pending;
	u8 insn_len;
	u64 user_sets;
	u64 rflags;
	struct {
		bool mmio, write;
		u8 len;
		u64 addr;
		u8 data[8];
	} e[UMBRA_IO_LOG];
};

/**
 * struct umbra_insn - code bytes that the engine found at the guest's RIP
 * @gva: linear address of the first
 * @len: how many, 0 none
 * @bytes: the bytes; maybe more than the instruction has, maybe fewer
 *
 * Written by run(); good for one emulation after it.
 */
struct umbra_insn {
	u64 gva;
	u8 len;
	u8 bytes[UMBRA_INSN_MAX];
};

/**
 * struct umbra_hint - a translation that the triage of a page fault has found
 * @valid: good for the instruction at hand
 * @acc: UMBRA_ACC_WRITE and _USER that were checked
 * @gva: page
 * @gpa: page
 *
 * Spares the emulator the walk.  A TLB would keep it no shorter.
 */
struct umbra_hint {
	bool valid;
	unsigned int acc;
	gva_t gva;
	gpa_t gpa;
};

/**
 * struct umbra_pio_string - REP INS or REP OUTS on ports of userspace
 * @used: by the instruction that the emulator has just executed
 * @in: INS
 * @waiting: userspace is asked for @count elements
 * @taken: INS has taken an element in this go
 * @size: bytes of an element
 * @port: port
 * @count: elements in the shared page
 * @pos: how many of them INS has taken and stored
 * @rip: linear address of the instruction
 * @rcx: RCX when the last element was taken
 */
struct umbra_pio_string {
	bool used, in, waiting, taken;
	u8 size;
	u16 port;
	u16 count, pos;
	u64 rip, rcx;
};

/**
 * struct umbra_msr_user - RDMSR or WRMSR that userspace answers
 * @asked: kvm_run is filled
 * @answered: @data and @error are the answer to the access that is made again
 * @write: WRMSR
 * @error: #GP
 * @index: MSR
 * @rip: linear address of the instruction
 * @data: what RDMSR reads
 * @again: makes the access again
 */
struct umbra_msr_user {
	bool asked, answered;
	bool write;
	u8 error;
	u32 index;
	u64 rip;
	u64 data;
	int (*again)(struct umbra_vcpu *vcpu);
};

/**
 * struct umbra_vcpu - a virtual CPU
 * @vm: its VM; holds a reference
 * @id: vCPU id given by userspace, initial APIC id
 * @index: dense number
 * @mutex: serializes vCPU ioctls
 * @run: the page shared with userspace
 * @pio_page: second mmap'ed page: data of port I/O
 * @regs: architectural registers
 * @mmu: translation state
 * @emul: emulator state
 * @engine_data: the engine's
 * @insn: the instruction at the last exit
 * @lapic: local APIC or NULL
 * @fpu: guest FPU/XSAVE image, standard format, 64-byte aligned; core/fpu.c
 * @requests: bits of enum umbra_request; set_bit by anyone
 * @mode: enum umbra_vcpu_mode
 * @cpu: CPU it is loaded on, -1 none
 * @wait: where a halted vCPU sleeps
 * @thread: last thread in KVM_RUN, under RCU
 * @mp_state: KVM_MP_STATE_*
 * @init_pending: bit 0: INIT, bit 1: SIPI; set by anyone
 * @sipi_vector: of the last SIPI
 * @sigset: KVM_SET_SIGNAL_MASK
 * @sigset_active: @sigset is in force during KVM_RUN
 * @exception: pending exception, not yet injected; kind NONE or EXCEPTION
 * @exception_addr: CR2 or DR6 payload of @exception
 * @exception_payload: @exception_addr is not in CR2 or DR6 yet
 * @event: event whose delivery was interrupted: re-injected first
 * @nmi_queued: NMIs to deliver, 0..2; atomic
 * @nmi_masked: until IRET, where core delivers events (soft.h)
 * @in_flight: an event was injected, or its delivery was interrupted: there may be
 *	something for engine->cancel_event()
 * @want: UMBRA_TAKE_* that wait until the guest can take them
 * @look_again: the emulator may have changed what decides on events
 * @irq_queued: KVM_INTERRUPT vector without an irqchip, -1 none
 * @smi_pending: never set; SMM is not offered
 * @intercept_exceptions: bitmap of exception vectors that must exit
 * @guest_debug: KVM_GUESTDBG_* flags of KVM_SET_GUEST_DEBUG
 * @debug_dr: debug registers of KVM_GUESTDBG_USE_HW_BP
 * @debug_dr7: likewise
 * @singlestep_rip: linear RIP where userspace's single step began
 * @cpuid: KVM_SET_CPUID2 table
 * @nr_cpuid: entries in @cpuid
 * @emul_features: UMBRA_EMUL_F_* from @cpuid
 * @pv_enforced: KVM_CAP_ENFORCE_PV_FEATURE_CPUID: KVM's MSRs need their CPUID bits
 * @cr4_reserved: CR4 bits that #GP, from @cpuid
 * @efer_allowed: EFER bits that may be set, from @cpuid
 * @xcr0_allowed: XCR0 bits that may be set
 * @maxphyaddr: guest physical address width
 * @paging_features: UMBRA_PAGING_* from @cpuid
 * @ran: KVM_RUN was called: CPUID is fixed
 * @pdptr: PAE pointers as loaded
 * @fault_rip: where the last page fault was taken
 * @fault_gva: its address
 * @fault_repeat: how often in a row it came back; guards against endless faults
 * @mmio_rip: where the last access to a device faulted
 * @missed: a page that umbra_fault_now() did not find; its address, 0 none
 * @missed_write: it was to be written to
 * @tsc_offset: guest TSC - host TSC
 * @tsc_khz: guest TSC frequency
 * @tsc_aux: MSR_TSC_AUX
 * @pat: MSR_IA32_CR_PAT
 * @apic_base: MSR_IA32_APICBASE without a local APIC in the module
 * @misc_enable: MSR_IA32_MISC_ENABLE
 * @mtrr_def: MTRRdefType and the other MTRRs, kept for readback
 * @mtrr: fixed and variable MTRRs
 * @mcg_cap: KVM_X86_SETUP_MCE
 * @mcg_status: MSR
 * @mcg_ctl: MSR
 * @mc: MCi_CTL/STATUS/ADDR/MISC of each bank
 * @msr_misc: small MSRs without a field of their own; core/msr.c
 * @user_sets: how often userspace set registers; it may have written guest code before
 * @otherwise: the guest's exception if the emulator does not know the instruction
 * @io: log of accesses for the instruction in flight
 * @hint: of the page fault that is being emulated
 * @soft_tlb: of core/soft_tlb.c, or NULL
 * @string: REP INS or REP OUTS in flight; core/pio_string.c
 * @msr_user: RDMSR or WRMSR in flight; core/msr_user.c
 * @complete: what to do when userspace comes back, or NULL
 * @stat: counters
 * @preempted_in_kernel: unused hint
 * @clock_msr: MSR_KVM_SYSTEM_TIME_NEW, 0 off
 * @wall_msr: MSR_KVM_WALL_CLOCK_NEW
 * @steal_msr: MSR_KVM_STEAL_TIME
 * @steal_seen: how long the thread had waited for CPUs when the guest was told
 * @steal_due: tell it also if it did not wait since
 * @clock_stopped: KVM_KVMCLOCK_CTRL: tell the guest once
 * @debugfs: directory
 * @look: wish of a reader of translations, or NULL; core/look.c
 * @look_lock: of @look and what it points to
 */
struct umbra_vcpu {
	struct umbra_vm *vm;
	u32 id;
	u32 index;
	struct mutex mutex;
	struct kvm_run *run;
	void *pio_page;
	struct umbra_regs regs;
	struct umbra_mmu_ctx *mmu;
	struct umbra_emul emul;
	void *engine_data;
	struct umbra_insn insn;
	struct umbra_lapic *lapic;
	void *fpu;
	unsigned long requests;
	int mode;
	int cpu;
	struct rcuwait wait;
	struct pid __rcu *thread;
	u32 mp_state;
	unsigned long init_pending;
	u8 sipi_vector;
	sigset_t sigset;
	bool sigset_active;
	struct umbra_event exception;
	u64 exception_addr;
	bool exception_payload;
	struct umbra_event event;
	atomic_t nmi_queued;
	bool nmi_masked;
	u32 want;
	bool in_flight;
	bool look_again;
	int irq_queued;
	u32 intercept_exceptions;
	u32 guest_debug;
	u64 debug_dr[4], debug_dr7;
	u64 singlestep_rip;
	struct kvm_cpuid_entry2 *cpuid;
	u32 nr_cpuid;
	u64 emul_features;
	bool pv_enforced;
	u64 cr4_reserved;
	u64 efer_allowed;
	u64 xcr0_allowed;
	u8 maxphyaddr;
	u32 paging_features;
	bool ran;
	u64 pdptr[4];
	u64 fault_rip, fault_gva;
	u32 fault_repeat;
	u64 mmio_rip;
	gva_t missed;
	bool missed_write;
	u64 tsc_offset;
	u32 tsc_khz;
	u64 tsc_aux;
	u64 pat;
	u64 apic_base;
	u64 misc_enable;
	u64 mtrr_def;
	u64 mtrr[32];
	u64 mcg_cap, mcg_status, mcg_ctl;
	u64 *mc;
	u64 msr_misc[16];
	u64 user_sets;
	const struct umbra_fault *otherwise;
	struct umbra_io_log io;
	struct umbra_hint hint;
	struct umbra_soft_tlb *soft_tlb;
	struct umbra_pio_string string;
	struct umbra_msr_user msr_user;
	int (*complete)(struct umbra_vcpu *vcpu);
	struct umbra_vcpu_stat stat;
	u64 clock_msr, wall_msr;
	u64 steal_msr, steal_seen;
	bool steal_due;
	bool clock_stopped;
	struct dentry *debugfs;
	struct umbra_look *look;
	struct mutex look_lock;
};

static inline void umbra_request(struct umbra_vcpu *vcpu, enum umbra_request req)
{
	/* Whoever sees the bit sees what was written before it. */
	smp_mb__before_atomic();
	set_bit(req, &vcpu->requests);
}

static inline bool umbra_take_request(struct umbra_vcpu *vcpu, enum umbra_request req)
{
	if (!test_bit(req, &vcpu->requests))
		return false;
	clear_bit(req, &vcpu->requests);
	/* Pairs with umbra_request(): what was asked for is read after this. */
	smp_mb__after_atomic();
	return true;
}

/**
 * umbra_vcpu_kick() - make the vCPU look at its requests
 * @vcpu: the vCPU
 *
 * Wakes it when it sleeps, forces an exit when it runs guest code.
 * Context: any, also hard interrupt.
 */
void umbra_vcpu_kick(struct umbra_vcpu *vcpu);

/* From interrupt controllers, any context: queue and kick. */
void umbra_vcpu_nmi(struct umbra_vcpu *vcpu);
void umbra_vcpu_init(struct umbra_vcpu *vcpu);
void umbra_vcpu_sipi(struct umbra_vcpu *vcpu, u8 vector);

/* Queue an exception for the next entry, merging to #DF or shutdown as SDM Vol. 3A 6.15 says. */
void umbra_queue_fault(struct umbra_vcpu *vcpu, const struct umbra_fault *fault);

/* Guest TSC now, in guest cycles. */
u64 umbra_guest_tsc(struct umbra_vcpu *vcpu);

/* Registers: pull what is missing, mark what will change. */
static inline struct umbra_regs *umbra_regs_get(struct umbra_vcpu *vcpu, u32 mask)
{
	u32 missing = mask & ~vcpu->regs.avail;

	if (missing)
		vcpu->vm->engine->pull(vcpu, missing);
	return &vcpu->regs;
}

static inline struct umbra_regs *umbra_regs_mut(struct umbra_vcpu *vcpu, u32 mask)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, mask);

	regs->dirty |= mask;
	return regs;
}

/* CPUID of this guest, core/cpuid.c: NULL when absent. */
const struct kvm_cpuid_entry2 *umbra_cpuid_find(const struct umbra_vcpu *vcpu, u32 function,
						u32 index);

#endif
