/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a virtual machine
 *
 * What the vCPUs of one VM share.  Lock order, outermost first:
 *
 *   vm->lock > vcpu->mutex > vm->slots_lock > vm->irq_lock > MMU lock
 *
 * SRCU (vm->srcu) protects readers of slots, buses and routes.
 */
#ifndef UMBRA_VM_H
#define UMBRA_VM_H

#include <linux/kref.h>
#include <linux/kvm.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/xarray.h>

#include "umbra/bus.h"
#include "umbra/memslot.h"

#define UMBRA_MAX_VCPUS		64
#define UMBRA_MAX_VCPU_ID	255

struct dentry;
struct umbra_engine;
struct umbra_irqchip;
struct umbra_mmu;
struct umbra_pit;
struct umbra_bus;
struct umbra_coalesced;
struct umbra_irqfds;
struct umbra_msr_filter;

/**
 * struct umbra_vm - a virtual machine
 * @ref: one for the VM fd, one for each vCPU and statistics fd
 * @mm: the creator's address space (mmgrab'ed); ioctls from another get -EIO
 * @engine: CPU engine, fixed at creation
 * @engine_data: the engine's
 * @mmu: shadow MMU
 * @lock: creation of vCPUs, irqchip and PIT; once-only settings
 * @slots_lock: changes of slots and buses
 * @irq_lock: changes of GSI routes and irqfds
 * @srcu: readers of @slots, @bus and routes
 * @slots: current set, under @srcu
 * @bus: port and MMIO devices, under @srcu
 * @vcpus: by index 0..@nr_vcpus-1; entries only added while the VM lives
 * @nr_vcpus: written under @lock, read anywhere after smp_load_acquire()
 * @irqchip: interrupt controllers or NULL; set once under @lock (release)
 * @split_irqchip: only local APICs are in the module
 * @pit: i8254 or NULL; set once under @lock
 * @routes: GSI routing table of irqchip/routing.c, under @srcu
 * @irqfds: irqfd list, core/irqfd.c
 * @ioeventfds: list of core/ioeventfd.c, under @slots_lock
 * @coalesced: ring of core/coalesced.c; set once under @slots_lock
 * @bsp_id: vCPU id of the boot processor (KVM_SET_BOOT_CPU_ID)
 * @tsc_khz: default guest TSC frequency
 * @clock_lock: guards @tsc_offset, @tsc_written and @tsc_written_at
 * @tsc_offset: TSC offset that new and synchronized vCPUs get
 * @tsc_written: guest TSC that userspace wrote last
 * @tsc_written_at: host TSC at that moment
 * @clock_offset: kvmclock = boottime ns + offset (KVM_SET_CLOCK)
 * @tss_addr: KVM_SET_TSS_ADDR; kept, unused
 * @identity_map_addr: KVM_SET_IDENTITY_MAP_ADDR; kept, unused
 * @x2apic_flags: KVM_CAP_X2APIC_API bits
 * @disabled_exits: KVM_CAP_X86_DISABLE_EXITS bits
 * @msr_filter: KVM_X86_SET_MSR_FILTER or NULL, under @srcu; replaced under @lock
 * @msr_user_reasons: KVM_MSR_EXIT_REASON_* that go to userspace
 * @exception_payload: KVM_CAP_EXCEPTION_PAYLOAD enabled
 * @two_views: the engine wants umbra_mmu_set_view() to follow the CPL
 * @force_emulation: core emulates everything; fixed at creation
 * @triple_fault_event: KVM_CAP_X86_TRIPLE_FAULT_EVENT enabled
 * @max_vcpu_id: KVM_CAP_MAX_VCPU_ID: ids end here, 0: not said; under @lock
 * @manual_dirty: KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 enabled; under @slots_lock
 * @dead: a bug of ours hit this VM: every ioctl returns -EIO
 * @apic_base_changed: some APIC was moved; unused fast path hint
 * @debugfs: directory
 * @pid: creator, names the debugfs directory
 */
struct umbra_vm {
	struct kref ref;
	struct mm_struct *mm;
	const struct umbra_engine *engine;
	void *engine_data;
	struct umbra_mmu *mmu;
	struct mutex lock;
	struct mutex slots_lock;
	struct mutex irq_lock;
	struct srcu_struct srcu;
	struct umbra_memslots __rcu *slots;
	struct umbra_bus __rcu *bus[UMBRA_NR_BUSES];
	struct xarray vcpus;
	unsigned int nr_vcpus;
	struct umbra_irqchip *irqchip;
	bool split_irqchip;
	struct umbra_pit *pit;
	void __rcu *routes;
	struct umbra_irqfds *irqfds;
	struct list_head ioeventfds;
	struct umbra_coalesced *coalesced;
	u32 bsp_id;
	u32 tsc_khz;
	spinlock_t clock_lock;
	u64 tsc_offset, tsc_written, tsc_written_at;
	s64 clock_offset;
	u64 tss_addr;
	u64 identity_map_addr;
	u64 x2apic_flags;
	u64 disabled_exits;
	struct umbra_msr_filter __rcu *msr_filter;
	u32 msr_user_reasons;
	bool exception_payload;
	bool two_views;
	bool triple_fault_event;
	u32 max_vcpu_id;
	bool manual_dirty;
	bool force_emulation;
	bool dead;
	struct dentry *debugfs;
	pid_t pid;
};

static inline struct umbra_vcpu *umbra_vcpu_at(struct umbra_vm *vm, unsigned long idx)
{
	/* Pairs with the release in publish(): whom it counts is found. */
	return idx < smp_load_acquire(&vm->nr_vcpus) ? xa_load(&vm->vcpus, idx) : NULL;
}

/* xa_for_each() would look at all the slots behind the last one, at each flush of all vCPUs. */
#define umbra_for_each_vcpu(idx, vcpu, vm) \
	for ((idx) = 0; ((vcpu) = umbra_vcpu_at(vm, idx)); (idx)++)

/* In-kernel local APICs (full or split irqchip). */
static inline bool umbra_has_lapic(const struct umbra_vm *vm)
{
	/* Pairs with the release that publishes a complete irqchip. */
	return smp_load_acquire(&vm->irqchip) != NULL;
}

void umbra_vm_get(struct umbra_vm *vm);
void umbra_vm_put(struct umbra_vm *vm);

/**
 * umbra_vm_kill() - our bug hit this VM: stop it, host and others go on
 * @vm: the VM
 *
 * Context: any.
 */
void umbra_vm_kill(struct umbra_vm *vm);

/**
 * umbra_vm_request() - leave a request with every vCPU and make it look
 * @vm: the VM
 * @req: enum umbra_request
 * @wait: return only when each vCPU that was in guest mode has left it; the
 *	ones that sleep or run in the kernel are not waited for
 *
 * Context: preemptible or under spinlocks, interrupts on when @wait.
 */
void umbra_vm_request(struct umbra_vm *vm, unsigned int req, bool wait);

/* Guest physical memory, core/guest_mem.c.  SRCU read side held, current->mm == vm->mm; may sleep. 0 or -EFAULT. */
int umbra_guest_read(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len);
/* Also tells the MMU (umbra_mmu_wrote) and the dirty log; read-only slot: -EROFS; no slot: -EFAULT. */
int umbra_guest_write(struct umbra_vm *vm, gpa_t gpa, const void *buf, unsigned int len);
int umbra_guest_cmpxchg(struct umbra_vm *vm, gpa_t gpa, const void *old, const void *new_val,
			unsigned int len, bool *swapped);
int umbra_guest_read_atomic(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len);

/* The slot of @gfn in the current set; SRCU read side or slots_lock held. */
struct umbra_memslot *umbra_vm_slot(struct umbra_vm *vm, gfn_t gfn);

#endif
