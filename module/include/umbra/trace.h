/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: tracepoints
 *
 * Every event that the reading tour and `umbra` tell stories from: entries
 * and exits, faults with their verdict, shadow pages and entries, emulation,
 * injection, and the accesses that leave guest mode.  The freestanding parts
 * may call them as well: in a hosted build they are nothing.
 *
 * To watch: /sys/kernel/tracing/events/umbra/.
 */
#ifndef __KERNEL__

#ifndef UMBRA_TRACE_HOSTED_H
#define UMBRA_TRACE_HOSTED_H

#define trace_umbra_guest_fault(...)	do { } while (0)
#define trace_umbra_sp_new(...)		do { } while (0)
#define trace_umbra_sp_zap(...)		do { } while (0)
#define trace_umbra_spte_set(...)	do { } while (0)
#define trace_umbra_emulate(...)	do { } while (0)

#endif

#else

#undef TRACE_SYSTEM
#define TRACE_SYSTEM umbra

#if !defined(UMBRA_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define UMBRA_TRACE_H

#include <linux/tracepoint.h>

/* The guest is about to run at @rip. */
TRACE_EVENT(umbra_entry,
	TP_PROTO(u32 vcpu_id, u64 rip),
	TP_ARGS(vcpu_id, rip),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, rip)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->rip = rip;
	),
	TP_printk("vcpu %u rip 0x%llx", __entry->vcpu_id, __entry->rip)
);

/* The guest stopped at @rip; @reason is the neutral name, @hw_reason the processor's code. */
TRACE_EVENT(umbra_exit,
	TP_PROTO(u32 vcpu_id, u64 rip, const char *reason, u64 hw_reason),
	TP_ARGS(vcpu_id, rip, reason, hw_reason),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u64, rip)
		__field(u64, hw_reason)
		__array(char, reason, 16)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->rip = rip;
		__entry->hw_reason = hw_reason;
		strscpy(__entry->reason, reason, sizeof(__entry->reason));
	),
	TP_printk("vcpu %u rip 0x%llx reason %s hw 0x%llx", __entry->vcpu_id,
		  __entry->rip, __entry->reason, __entry->hw_reason)
);

/* KVM_RUN returns to userspace with kvm_run.exit_reason @reason, or with @error. */
TRACE_EVENT(umbra_user_exit,
	TP_PROTO(u32 vcpu_id, u32 reason, int error),
	TP_ARGS(vcpu_id, reason, error),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, reason)
		__field(int, error)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->reason = reason;
		__entry->error = error;
	),
	TP_printk("vcpu %u reason %u error %d", __entry->vcpu_id,
		  __entry->reason, __entry->error)
);

/*
 * Guest kernel code at @rip had no translation: @blocks of @insns instructions in
 * all were made, or none: the emulator has to do it.
 */
TRACE_EVENT(umbra_translate,
	TP_PROTO(u32 vcpu_id, u64 rip, u64 va, u32 blocks, u32 insns),
	TP_ARGS(vcpu_id, rip, va, blocks, insns),
	TP_STRUCT__entry(
		__field(u64, rip)
		__field(u64, va)
		__field(u32, vcpu_id)
		__field(u32, blocks)
		__field(u32, insns)
	),
	TP_fast_assign(
		__entry->rip = rip;
		__entry->va = va;
		__entry->vcpu_id = vcpu_id;
		__entry->blocks = blocks;
		__entry->insns = insns;
	),
	TP_printk("vcpu %u rip 0x%llx at 0x%llx blocks %u insns %u", __entry->vcpu_id,
		  __entry->rip, __entry->va, __entry->blocks, __entry->insns)
);

/* Triage of a page fault: @gpa is meaningful for the verdicts mmio and write. */
TRACE_EVENT(umbra_guest_fault,
	TP_PROTO(u64 gva, u32 error_code, u32 verdict, u64 gpa),
	TP_ARGS(gva, error_code, verdict, gpa),
	TP_STRUCT__entry(
		__field(u64, gva)
		__field(u64, gpa)
		__field(u32, error_code)
		__field(u32, verdict)
	),
	TP_fast_assign(
		__entry->gva = gva;
		__entry->gpa = gpa;
		__entry->error_code = error_code;
		__entry->verdict = verdict;
	),
	TP_printk("gva 0x%llx error 0x%x %s gpa 0x%llx", __entry->gva,
		  __entry->error_code,
		  /* As enum umbra_verdict in mmu.h. */
		  __print_symbolic(__entry->verdict,
				   { 0, "retry" }, { 1, "guest" }, { 2, "mmio" },
				   { 3, "write" }, { 4, "error" }),
		  __entry->gpa)
);

/* A shadow page for the guest table at @gfn, or (@direct) for plain frames from @gfn on. */
TRACE_EVENT(umbra_sp_new,
	TP_PROTO(u64 gfn, u32 role, bool direct),
	TP_ARGS(gfn, role, direct),
	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u32, role)
		__field(bool, direct)
	),
	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->role = role;
		__entry->direct = direct;
	),
	TP_printk("gfn 0x%llx role 0x%x%s", __entry->gfn, __entry->role,
		  __entry->direct ? " direct" : "")
);

TRACE_EVENT(umbra_sp_zap,
	TP_PROTO(u64 gfn, u32 role),
	TP_ARGS(gfn, role),
	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u32, role)
	),
	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->role = role;
	),
	TP_printk("gfn 0x%llx role 0x%x", __entry->gfn, __entry->role)
);

/* A shadow entry at @level that maps @gfn becomes @spte. */
TRACE_EVENT(umbra_spte_set,
	TP_PROTO(u64 gfn, u32 level, u64 spte),
	TP_ARGS(gfn, level, spte),
	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u64, spte)
		__field(u32, level)
	),
	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->spte = spte;
		__entry->level = level;
	),
	TP_printk("gfn 0x%llx level %u spte 0x%llx", __entry->gfn,
		  __entry->level, __entry->spte)
);

/* One emulation: the @len bytes at @bytes are the instruction. */
TRACE_EVENT(umbra_emulate,
	TP_PROTO(u64 rip, u32 len, const u8 *bytes, u32 result),
	TP_ARGS(rip, len, bytes, result),
	TP_STRUCT__entry(
		__field(u64, rip)
		__field(u32, len)
		__field(u32, result)
		__array(u8, bytes, 15)
	),
	TP_fast_assign(
		__entry->rip = rip;
		__entry->len = min(len, 15u);
		__entry->result = result;
		memcpy(__entry->bytes, bytes, 15);
	),
	TP_printk("rip 0x%llx [%s] %s", __entry->rip,
		  __print_hex(__entry->bytes, __entry->len),
		  /* As enum umbra_emul_result in emul.h. */
		  __print_symbolic(__entry->result,
				   { 0, "ok" }, { 1, "fault" }, { 2, "io" },
				   { 3, "again" }, { 4, "unhandled" }, { 5, "error" },
				   { 6, "halt" }, { 7, "shutdown" }))
);

/* An event goes into the guest at the next entry. */
TRACE_EVENT(umbra_inject,
	TP_PROTO(u32 vcpu_id, u32 kind, u32 vector, u32 error_code),
	TP_ARGS(vcpu_id, kind, vector, error_code),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, kind)
		__field(u32, vector)
		__field(u32, error_code)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->kind = kind;
		__entry->vector = vector;
		__entry->error_code = error_code;
	),
	TP_printk("vcpu %u %s vector %u error 0x%x", __entry->vcpu_id,
		  /* As enum umbra_event_kind in engine.h. */
		  __print_symbolic(__entry->kind,
				   { 0, "none" }, { 1, "intr" }, { 2, "nmi" },
				   { 3, "exception" }, { 4, "soft" }),
		  __entry->vector, __entry->error_code)
);

/* RDMSR or WRMSR by the guest; @fault: it took #GP. */
TRACE_EVENT(umbra_msr,
	TP_PROTO(u32 vcpu_id, bool write, u32 index, u64 data, bool fault),
	TP_ARGS(vcpu_id, write, index, data, fault),
	TP_STRUCT__entry(
		__field(u64, data)
		__field(u32, vcpu_id)
		__field(u32, index)
		__field(bool, write)
		__field(bool, fault)
	),
	TP_fast_assign(
		__entry->data = data;
		__entry->vcpu_id = vcpu_id;
		__entry->index = index;
		__entry->write = write;
		__entry->fault = fault;
	),
	TP_printk("vcpu %u %s 0x%x = 0x%llx%s", __entry->vcpu_id,
		  __entry->write ? "write" : "read", __entry->index,
		  __entry->data, __entry->fault ? " #GP" : "")
);

TRACE_EVENT(umbra_cr,
	TP_PROTO(u32 vcpu_id, bool write, u32 cr, u64 value),
	TP_ARGS(vcpu_id, write, cr, value),
	TP_STRUCT__entry(
		__field(u64, value)
		__field(u32, vcpu_id)
		__field(u32, cr)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->value = value;
		__entry->vcpu_id = vcpu_id;
		__entry->cr = cr;
		__entry->write = write;
	),
	TP_printk("vcpu %u %s cr%u = 0x%llx", __entry->vcpu_id,
		  __entry->write ? "write" : "read", __entry->cr, __entry->value)
);

TRACE_EVENT(umbra_cpuid,
	TP_PROTO(u32 vcpu_id, u32 function, u32 index, const u32 *reg),
	TP_ARGS(vcpu_id, function, index, reg),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, function)
		__field(u32, index)
		__array(u32, reg, 4)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->function = function;
		__entry->index = index;
		memcpy(__entry->reg, reg, sizeof(__entry->reg));
	),
	TP_printk("vcpu %u %x:%x = %x %x %x %x", __entry->vcpu_id,
		  __entry->function, __entry->index, __entry->reg[0],
		  __entry->reg[1], __entry->reg[2], __entry->reg[3])
);

/* @user: no device of the module answered, userspace is asked. */
TRACE_EVENT(umbra_mmio,
	TP_PROTO(u32 vcpu_id, bool write, u64 gpa, u32 len, u64 value, bool user),
	TP_ARGS(vcpu_id, write, gpa, len, value, user),
	TP_STRUCT__entry(
		__field(u64, gpa)
		__field(u64, value)
		__field(u32, vcpu_id)
		__field(u32, len)
		__field(bool, write)
		__field(bool, user)
	),
	TP_fast_assign(
		__entry->gpa = gpa;
		__entry->value = value;
		__entry->vcpu_id = vcpu_id;
		__entry->len = len;
		__entry->write = write;
		__entry->user = user;
	),
	TP_printk("vcpu %u %s gpa 0x%llx len %u = 0x%llx%s", __entry->vcpu_id,
		  __entry->write ? "write" : "read", __entry->gpa, __entry->len,
		  __entry->value, __entry->user ? " user" : "")
);

TRACE_EVENT(umbra_pio,
	TP_PROTO(u32 vcpu_id, bool in, u32 port, u32 size, u32 value, bool user),
	TP_ARGS(vcpu_id, in, port, size, value, user),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, port)
		__field(u32, size)
		__field(u32, value)
		__field(bool, in)
		__field(bool, user)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->port = port;
		__entry->size = size;
		__entry->value = value;
		__entry->in = in;
		__entry->user = user;
	),
	TP_printk("vcpu %u %s port 0x%x size %u = 0x%x%s", __entry->vcpu_id,
		  __entry->in ? "in" : "out", __entry->port, __entry->size,
		  __entry->value, __entry->user ? " user" : "")
);

/* Register access of the local APIC; @reg is the offset in the MMIO page. */
TRACE_EVENT(umbra_apic,
	TP_PROTO(u32 vcpu_id, bool write, u32 reg, u64 value),
	TP_ARGS(vcpu_id, write, reg, value),
	TP_STRUCT__entry(
		__field(u64, value)
		__field(u32, vcpu_id)
		__field(u32, reg)
		__field(bool, write)
	),
	TP_fast_assign(
		__entry->value = value;
		__entry->vcpu_id = vcpu_id;
		__entry->reg = reg;
		__entry->write = write;
	),
	TP_printk("vcpu %u %s reg 0x%x = 0x%llx", __entry->vcpu_id,
		  __entry->write ? "write" : "read", __entry->reg, __entry->value)
);

/* A local APIC accepted a message. */
TRACE_EVENT(umbra_apic_accept,
	TP_PROTO(u32 vcpu_id, u32 mode, u32 vector, bool level),
	TP_ARGS(vcpu_id, mode, vector, level),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, mode)
		__field(u32, vector)
		__field(bool, level)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->mode = mode;
		__entry->vector = vector;
		__entry->level = level;
	),
	TP_printk("vcpu %u %s vector %u %s", __entry->vcpu_id,
		  /* Delivery modes (SDM Vol. 3A 10.6.1). */
		  __print_symbolic(__entry->mode,
				   { 0, "fixed" }, { 1, "lowest" }, { 2, "smi" },
				   { 4, "nmi" }, { 5, "init" }, { 6, "sipi" },
				   { 7, "extint" }),
		  __entry->vector, __entry->level ? "level" : "edge")
);

TRACE_EVENT(umbra_eoi,
	TP_PROTO(u32 vcpu_id, u32 vector),
	TP_ARGS(vcpu_id, vector),
	TP_STRUCT__entry(
		__field(u32, vcpu_id)
		__field(u32, vector)
	),
	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->vector = vector;
	),
	TP_printk("vcpu %u vector %u", __entry->vcpu_id, __entry->vector)
);

/* The level of a GSI changes at @source (UMBRA_IRQ_SOURCE_*). */
TRACE_EVENT(umbra_irq_line,
	TP_PROTO(u32 source, u32 gsi, int level),
	TP_ARGS(source, gsi, level),
	TP_STRUCT__entry(
		__field(u32, source)
		__field(u32, gsi)
		__field(int, level)
	),
	TP_fast_assign(
		__entry->source = source;
		__entry->gsi = gsi;
		__entry->level = level;
	),
	TP_printk("gsi %u level %d source %u", __entry->gsi, __entry->level,
		  __entry->source)
);

TRACE_EVENT(umbra_msi,
	TP_PROTO(u64 address, u32 data),
	TP_ARGS(address, data),
	TP_STRUCT__entry(
		__field(u64, address)
		__field(u32, data)
	),
	TP_fast_assign(
		__entry->address = address;
		__entry->data = data;
	),
	TP_printk("address 0x%llx data 0x%x", __entry->address, __entry->data)
);

/* A halted vCPU slept for @ns nanoseconds. */
TRACE_EVENT(umbra_halt,
	TP_PROTO(u32 vcpu_id, u64 ns),
	TP_ARGS(vcpu_id, ns),
	TP_STRUCT__entry(
		__field(u64, ns)
		__field(u32, vcpu_id)
	),
	TP_fast_assign(
		__entry->ns = ns;
		__entry->vcpu_id = vcpu_id;
	),
	TP_printk("vcpu %u ns %llu", __entry->vcpu_id, __entry->ns)
);

#endif

/* Found through the include path of the build, from any folder. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH umbra
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

#endif
