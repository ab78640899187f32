/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: statistics
 *
 * Counters of a VM and of a vCPU.  One list each; the binary statistics fd
 * (KVM api.rst, KVM_GET_STATS_FD) and debugfs are generated from it.  Each
 * counter is written by one thread only and read without locks.
 */
#ifndef UMBRA_STAT_H
#define UMBRA_STAT_H

#include "umbra/types.h"

/* X(name) */
#define UMBRA_VCPU_STATS(X)						\
	X(exits) X(entries) X(exit_intr) X(exit_nmi) X(exit_page_fault)	\
	X(exit_exception) X(exit_io) X(exit_cpuid) X(exit_hlt) X(exit_msr)	\
	X(exit_cr) X(exit_dr) X(exit_invlpg) X(exit_desc) X(exit_insn)	\
	X(exit_hypercall) X(exit_irq_window) X(exit_nmi_window)		\
	X(exit_pause) X(exit_other)					\
	X(user_exits) X(user_io) X(user_mmio) X(mmio_kernel) X(pio_kernel)	\
	X(emulated) X(emul_failed) X(inject_irq) X(inject_nmi)		\
	X(inject_exception) X(tlb_flush) X(halt_wakeup) X(halt_polls)	\
	X(pf_guest) X(pf_retry) X(pf_mmio) X(pf_write) X(signal_exits)		\
	/* The soft engine: what it does within an entry, and its translations. */	\
	X(world_switches) X(tc_chain) X(tc_miss) X(tc_hit) X(tc_callout) X(tc_step)	\
	X(tc_blocks) X(tc_insns) X(tc_links) X(tc_drops) X(tc_flushes)

struct umbra_vcpu_stat {
#define UMBRA_COUNTER(name) u64 name;
	UMBRA_VCPU_STATS(UMBRA_COUNTER)
#undef UMBRA_COUNTER
};

#endif
