/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: engine table
 *
 * A CPU engine runs guest code until something happens and says what, in
 * neutral words.  Policy (which MSR exists, what a CR0 write may change, what
 * a fault means) is core's; the engine moves state and events.  Adding an
 * engine means filling this table.
 */
#ifndef UMBRA_ENGINE_H
#define UMBRA_ENGINE_H

#include "umbra/types.h"
#include "umbra/mmu.h"

struct umbra_vm;
struct umbra_vcpu;

/**
 * enum umbra_exit_reason - why the guest stopped
 * @UMBRA_EXIT_NONE: nothing to do, enter again
 * @UMBRA_EXIT_INTR: a host interrupt (already handled when run() returns or
 *	handled as soon as interrupts are enabled)
 * @UMBRA_EXIT_NMI: a host NMI (already re-raised)
 * @UMBRA_EXIT_PAGE_FAULT: #PF; see umbra_exit.fault: addr and error_code
 * @UMBRA_EXIT_EXCEPTION: another intercepted exception, in umbra_exit.fault
 * @UMBRA_EXIT_IO: IN, OUT, INS, OUTS; umbra_exit.io
 * @UMBRA_EXIT_CPUID: CPUID
 * @UMBRA_EXIT_HLT: HLT
 * @UMBRA_EXIT_MSR: RDMSR or WRMSR; umbra_exit.msr_write
 * @UMBRA_EXIT_CR: access to a control register, CLTS, LMSW
 * @UMBRA_EXIT_DR: access to a debug register
 * @UMBRA_EXIT_INVLPG: INVLPG, INVLPGA, INVPCID
 * @UMBRA_EXIT_DESC: SGDT, LGDT, SIDT, LIDT, SLDT, LLDT, STR, LTR
 * @UMBRA_EXIT_INSN: any other privileged or intercepted instruction: emulate
 * @UMBRA_EXIT_JUDGE: an exception by which the engine may have noticed an
 *	instruction that the real processor refuses, or another one: emulate; if the
 *	emulator does not know the instruction, umbra_exit.fault is the guest's
 * @UMBRA_EXIT_HYPERCALL: VMCALL, VMMCALL
 * @UMBRA_EXIT_IRQ_WINDOW: an interrupt can be injected now
 * @UMBRA_EXIT_NMI_WINDOW: an NMI can be injected now (IRET done)
 * @UMBRA_EXIT_TASK_SWITCH: not supported: internal error
 * @UMBRA_EXIT_PAUSE: PAUSE in a loop
 * @UMBRA_EXIT_SHUTDOWN: triple fault
 * @UMBRA_EXIT_INVALID: the processor refused the state; umbra_exit.hw_reason
 * @UMBRA_EXIT_ERROR: engine failure; umbra_exit.hw_reason
 * @UMBRA_EXIT_UNKNOWN: an exit nobody asked for; umbra_exit.hw_reason
 * @UMBRA_NR_EXITS: how many reasons there are
 */
enum umbra_exit_reason {
	UMBRA_EXIT_NONE,
	UMBRA_EXIT_INTR,
	UMBRA_EXIT_NMI,
	UMBRA_EXIT_PAGE_FAULT,
	UMBRA_EXIT_EXCEPTION,
	UMBRA_EXIT_IO,
	UMBRA_EXIT_CPUID,
	UMBRA_EXIT_HLT,
	UMBRA_EXIT_MSR,
	UMBRA_EXIT_CR,
	UMBRA_EXIT_DR,
	UMBRA_EXIT_INVLPG,
	UMBRA_EXIT_DESC,
	UMBRA_EXIT_INSN,
	UMBRA_EXIT_JUDGE,
	UMBRA_EXIT_HYPERCALL,
	UMBRA_EXIT_IRQ_WINDOW,
	UMBRA_EXIT_NMI_WINDOW,
	UMBRA_EXIT_TASK_SWITCH,
	UMBRA_EXIT_PAUSE,
	UMBRA_EXIT_SHUTDOWN,
	UMBRA_EXIT_INVALID,
	UMBRA_EXIT_ERROR,
	UMBRA_EXIT_UNKNOWN,
	UMBRA_NR_EXITS
};

/**
 * struct umbra_exit - one exit
 * @reason: enum umbra_exit_reason
 * @hw_reason: the processor's own code, for traces and KVM_EXIT_UNKNOWN
 * @insn_len: length of the instruction at RIP when the hardware tells, else 0
 * @fault: PAGE_FAULT, EXCEPTION, JUDGE
 * @io: IO: port, size in bytes, direction, string and REP forms
 * @msr_write: MSR
 * @op: operands of INVLPG (gva: linear address) and of MOV to and from a control
 *	register (CR: cr, gpr, write) in 64-bit mode, when @op.known; @insn_len is
 *	set then, too
 */
struct umbra_exit {
	u16 reason;
	u8 insn_len;
	bool msr_write;
	u64 hw_reason;
	struct umbra_fault fault;
	struct {
		u16 port;
		u8 size;
		bool in, string, rep;
	} io;
	struct {
		bool known, write;
		u8 cr, gpr;
		u64 gva;
	} op;
};

/* Kinds of an event to inject. */
enum umbra_event_kind {
	UMBRA_EVENT_NONE,
	UMBRA_EVENT_INTR,	/* external interrupt */
	UMBRA_EVENT_NMI,
	UMBRA_EVENT_EXCEPTION,
	UMBRA_EVENT_SOFT,	/* INT n: insn_len says how far RIP moves */
};

/**
 * struct umbra_event - an event on its way into the guest
 * @kind: enum umbra_event_kind
 * @vector: 0..255
 * @has_error: push @error_code
 * @insn_len: SOFT: length of the INT instruction, 0 when RIP already moved
 * @moved: EXCEPTION of INT1, INT3, INTO: how far RIP moved already; core's own
 * @error_code: error code
 */
struct umbra_event {
	u8 kind;
	u8 vector;
	bool has_error;
	u8 insn_len;
	u8 moved;
	u32 error_code;
};

/* What may be entered in the current state, for .can_take. */
#define UMBRA_TAKE_INTR		BIT(0)
#define UMBRA_TAKE_NMI		BIT(1)

/**
 * struct umbra_engine - a CPU engine
 * @name: "svm", "soft", …
 * @guests_at_cpl3: guest kernels run at CPL 3: no SMAP; SERIALIZE is emulated
 * @delivers_events: inject() and its relatives exist.  When false core delivers
 *	events in software before each entry (soft.h), and inject, cancel_event,
 *	can_take and nmi_masked are not called; want_window is
 * @probe: can it run here?  0 or -errno with a pr_info that says why not.
 *	Changes nothing
 * @enable: take the hardware on all CPUs (first VM is created); -EBUSY when
 *	someone else has it; also arranges for CPUs that come online
 * @disable: give it back (last VM is gone)
 * @can_disable: KVM_X86_DISABLE_EXITS_* that it can do without; vm->disabled_exits is fixed
 *	before the first vcpu_create
 * @vm_create: engine data of a VM in vm->engine_data; fills @config
 * @vm_destroy: its end
 * @vcpu_create: engine data in vcpu->engine_data; registers as after reset are
 *	pushed by core
 * @vcpu_destroy: its end
 * @load: the vCPU thread now runs on this CPU (preemption off)
 * @put: it leaves this CPU (preemption off)
 * @pull: make the UMBRA_REGS_* groups in @mask available in vcpu->regs
 * @push: write dirty groups of vcpu->regs to where run() takes them from
 * @set_root: shadow root for the next entry; @flush: drop its translations
 * @flush_tlb: drop all translations of this vCPU before the next entry
 * @flush_gva: drop the translation of one linear address
 * @inject: deliver @event at the next entry; only after can_take for INTR and
 *	NMI; exceptions always.  At most one a entry
 * @cancel_event: takes back what could not be delivered (entry or delivery was
 *	interrupted, or entry did not happen): returns it in @event, kind NONE if there was none.
 *	Called after exits when vcpu->in_flight, which run() sets where a delivery was interrupted
 * @can_take: which UMBRA_TAKE_* the guest's state allows now (IF, shadows, NMI blocking)
 * @want_window: exit as soon as the UMBRA_TAKE_* in @mask become possible
 * @nmi_masked: get (@set < 0) or set NMI blocking (KVM_SET_VCPU_EVENTS)
 * @configure: intercepts changed: vcpu->intercept_* (exceptions for
 *	guest debug, debug registers, MSR pass-through, CPUID)
 * @set_tsc_offset: guest TSC = host TSC + @offset
 * @prepare: NULL, or: decide what the next run() does and get ready for it, in a
 *	context that may sleep, SRCU read side held; 1: enter the guest; 0: the engine
 *	cannot run this, emulate; negative errno.  Called right before each entry
 * @run: enter the guest and come back.  Interrupts are off on entry and on
 *	return; guest FPU state is loaded.  Fills @exit
 * @code_changed: NULL, or: a frame that the engine protected with
 *	umbra_mmu_code_protect() was written, or mappings of such frames may have
 *	changed; @gpa and @len, within a frame, with BYTES, the frame's with LEAF; any context, MMU
 *	lock may be held
 * @handle_host_event: with preemption still off, after run(): host interrupts are enabled by core just after; here NMI/MCE work
 * @must_emulate: NULL, or: does core have to emulate the code at RIP?  Asked
 *	before each entry and between emulated instructions, with all registers
 *	available when it was true before
 * @show: NULL, or: write the translation of the code at a guest RIP as text; its length,
 *	-ENOENT: there is none, -ENOSPC: @size is too small.  vCPU thread, SRCU read
 *	side held, may sleep
 */
struct umbra_engine {
	const char *name;
	bool guests_at_cpl3;
	bool delivers_events;
	int (*probe)(void);
	int (*enable)(void);
	void (*disable)(void);
	u32 (*can_disable)(void);
	int (*vm_create)(struct umbra_vm *vm, struct umbra_mmu_config *config);
	void (*vm_destroy)(struct umbra_vm *vm);
	int (*vcpu_create)(struct umbra_vcpu *vcpu);
	void (*vcpu_destroy)(struct umbra_vcpu *vcpu);
	void (*load)(struct umbra_vcpu *vcpu, int cpu);
	void (*put)(struct umbra_vcpu *vcpu);
	void (*pull)(struct umbra_vcpu *vcpu, u32 mask);
	void (*push)(struct umbra_vcpu *vcpu);
	void (*set_root)(struct umbra_vcpu *vcpu, hpa_t root, bool flush);
	void (*flush_tlb)(struct umbra_vcpu *vcpu);
	void (*flush_gva)(struct umbra_vcpu *vcpu, gva_t gva);
	void (*inject)(struct umbra_vcpu *vcpu, const struct umbra_event *event);
	void (*cancel_event)(struct umbra_vcpu *vcpu, struct umbra_event *event);
	u32 (*can_take)(struct umbra_vcpu *vcpu);
	void (*want_window)(struct umbra_vcpu *vcpu, u32 mask);
	bool (*nmi_masked)(struct umbra_vcpu *vcpu, int set);
	void (*configure)(struct umbra_vcpu *vcpu);
	void (*set_tsc_offset)(struct umbra_vcpu *vcpu, u64 offset);
	int (*prepare)(struct umbra_vcpu *vcpu);
	void (*run)(struct umbra_vcpu *vcpu, struct umbra_exit *exit);
	void (*code_changed)(struct umbra_vm *vm, enum umbra_code_change what, gpa_t gpa,
			     unsigned int len);
	void (*handle_host_event)(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);
	bool (*must_emulate)(struct umbra_vcpu *vcpu);
	int (*show)(struct umbra_vcpu *vcpu, u64 rip, char *buf, size_t size);
};

/**
 * umbra_exit_inside() - what core can do about an exit within run()
 * @vcpu: the vCPU; registers are back
 * @exit: the exit, INVLPG, CR or PAGE_FAULT; reason NONE when it was dealt with
 *
 * For engines, when no event is being delivered and nothing of their own has to be done
 * first.  After CR, which was a load of CR3 then, the engine takes the new roots from
 * umbra_mmu_loaded_root().  After PAGE_FAULT the guest may be in its handler, or the exception
 * may be injected (umbra_engine.inject).  The caller's memory is not touched.  Context: as run().
 * Return: true: enter again at RIP, and call umbra_entry_note() before.
 */
bool umbra_exit_inside(struct umbra_vcpu *vcpu, struct umbra_exit *exit);

/**
 * umbra_exit_foresee() - have a page filled that the guest is about to touch
 * @vcpu: the vCPU; in the view of the access to come
 * @exit: the exit for the instruction; reason NONE afterwards
 * @gva: where
 * @error_code: of the page fault that it would be
 *
 * For engines that have executed an instruction of the guest themselves, as umbra_exit_inside()
 * would.  Nothing comes of it where the guest would have the fault, or it is not simple.
 *
 * Context: as umbra_exit_inside().
 * Return: as umbra_exit_inside().
 */
bool umbra_exit_foresee(struct umbra_vcpu *vcpu, struct umbra_exit *exit, u64 gva, u32 error_code);

/* Count and trace an entry: core for the first of a run(), the engine for more. */
void umbra_entry_note(struct umbra_vcpu *vcpu);

/* The engines that are built in; named only here and in core/engine.c. */
extern const struct umbra_engine umbra_engine_svm;
extern const struct umbra_engine umbra_engine_soft;

/**
 * umbra_engine_select() - choose the engine by the module parameter
 * @name: "auto" or an engine's name
 *
 * Return: the engine or ERR_PTR(-EINVAL: no such name; -ENODEV: cannot run here).
 */
const struct umbra_engine *umbra_engine_select(const char *name);

/* The first VM takes the engine, the last one gives it back. */
int umbra_engine_get(const struct umbra_engine *engine);
void umbra_engine_put(const struct umbra_engine *engine);

#endif
