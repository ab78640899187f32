// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: memory slots
 *
 * KVM_SET_USER_MEMORY_REGION and the dirty log.  Readers see an immutable
 * sorted set under SRCU; a change builds the next set, publishes it and waits
 * until nobody uses the old one.
 *
 * A slot that only changes its flags stays the same object: its dirty bitmap
 * appears or goes, and after a grace period every page fault has seen it.
 *
 * Order of a change: publish, grace period, then tell the shadow MMU to drop
 * what was made from the old slot.  The MMU knows its slots by itself, so that
 * its notifier finds them in between.
 */
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "umbra/mmu.h"
#include "core_internal.h"
#include "ioctl_internal.h"

#define VALID_FLAGS	(KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY)

/* So many pages that their numbers, and a dirty bitmap, fit comfortably. */
#define MAX_PAGES	((1ull << 31) - 1)

static struct umbra_memslots *current_slots(struct umbra_vm *vm)
{
	return rcu_dereference_protected(vm->slots, lockdep_is_held(&vm->slots_lock) ||
					 !kref_read(&vm->ref));
}

static struct umbra_memslots *alloc_set(unsigned int count)
{
	struct umbra_memslots *set;

	set = kvzalloc(struct_size(set, slot, count), GFP_KERNEL_ACCOUNT);
	if (set)
		set->count = count;
	return set;
}

static int compare_base(const void *a, const void *b)
{
	const struct umbra_memslot *const *x = a, *const *y = b;

	return (*x)->base_gfn < (*y)->base_gfn ? -1 : 1;
}

/* The set that follows @old: without @gone and with @added, either may be NULL. */
static struct umbra_memslots *next_set(const struct umbra_memslots *old,
				       struct umbra_memslot *gone,
				       struct umbra_memslot *added)
{
	struct umbra_memslots *set;
	unsigned int i, n = 0;

	set = alloc_set(old->count - !!gone + !!added);
	if (!set)
		return NULL;
	for (i = 0; i < old->count; i++)
		if (old->slot[i] != gone)
			set->slot[n++] = old->slot[i];
	if (added)
		set->slot[n++] = added;
	sort(set->slot, n, sizeof(set->slot[0]), compare_base, NULL);
	set->generation = old->generation + 2;
	return set;
}

static void publish(struct umbra_vm *vm, struct umbra_memslots *set)
{
	struct umbra_memslots *old = current_slots(vm);

	rcu_assign_pointer(vm->slots, set);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(old);
}

/**
 * umbra_memslots_init() - an empty set for a new VM
 * @vm: the VM
 *
 * Return: 0 or -ENOMEM.
 */
int umbra_memslots_init(struct umbra_vm *vm)
{
	struct umbra_memslots *set = alloc_set(0);

	if (!set)
		return -ENOMEM;
	RCU_INIT_POINTER(vm->slots, set);
	return 0;
}

/*
 * Twice the size: the log, and where KVM_GET_DIRTY_LOG puts it aside, so that
 * reading it needs no memory.
 */
static size_t dirty_bytes(const struct umbra_memslot *slot)
{
	return BITS_TO_LONGS(slot->npages) * sizeof(long);
}

static unsigned long *alloc_dirty(const struct umbra_memslot *slot)
{
	return kvzalloc(2 * dirty_bytes(slot), GFP_KERNEL_ACCOUNT);
}

static void free_slot(struct umbra_vm *vm, struct umbra_memslot *slot)
{
	umbra_mmu_slot_free(vm->mmu, slot);
	kvfree(slot->dirty);
	kfree(slot);
}

/**
 * umbra_memslots_free() - the set and all slots of a VM that ends
 * @vm: no users; its MMU was stopped, or never had a slot
 */
void umbra_memslots_free(struct umbra_vm *vm)
{
	struct umbra_memslots *set = rcu_dereference_protected(vm->slots, true);
	unsigned int i;

	for (i = 0; i < set->count; i++)
		free_slot(vm, set->slot[i]);
	kvfree(set);
}

/**
 * umbra_vm_slot() - the slot of a guest frame
 * @vm: the VM
 * @gfn: guest frame number
 *
 * Context: SRCU read side of vm->srcu or slots_lock held, which also keeps the
 * slot alive.
 * Return: the slot or NULL.
 */
struct umbra_memslot *umbra_vm_slot(struct umbra_vm *vm, gfn_t gfn)
{
	struct umbra_memslots *set;

	set = srcu_dereference_check(vm->slots, &vm->srcu, lockdep_is_held(&vm->slots_lock));
	return umbra_memslots_find(set, gfn);
}

/**
 * umbra_memslot_mark_dirty() - log a write
 * @slot: the slot that holds @gfn
 * @gfn: guest frame number
 *
 * Context: any; SRCU read side held.
 */
void umbra_memslot_mark_dirty(struct umbra_memslot *slot, gfn_t gfn)
{
	unsigned long *dirty = READ_ONCE(slot->dirty);

	if (dirty)
		set_bit(gfn - slot->base_gfn, dirty);
}

/* KVM_SET_USER_MEMORY_REGION */

static struct umbra_memslot *find_id(struct umbra_vm *vm, u16 id)
{
	struct umbra_memslots *set = current_slots(vm);
	unsigned int i;

	for (i = 0; i < set->count; i++)
		if (set->slot[i]->id == id)
			return set->slot[i];
	return NULL;
}

/* One address space: bits 16..31 of a slot number must be 0. */
static bool valid_slot_number(u32 slot)
{
	return slot < UMBRA_MAX_SLOTS;
}

static int check_region(const struct kvm_userspace_memory_region *r)
{
	if (r->flags & ~VALID_FLAGS)
		return -EINVAL;
	if (!PAGE_ALIGNED(r->memory_size) || !PAGE_ALIGNED(r->guest_phys_addr) ||
	    !PAGE_ALIGNED(r->userspace_addr))
		return -EINVAL;
	if (!access_ok((void __user *)(unsigned long)r->userspace_addr, r->memory_size))
		return -EINVAL;
	if (!valid_slot_number(r->slot))
		return -EINVAL;
	if (r->guest_phys_addr + r->memory_size < r->guest_phys_addr)
		return -EINVAL;
	if (gpa_to_gfn(r->memory_size) > MAX_PAGES)
		return -EINVAL;
	if (r->memory_size && gpa_to_gfn(r->guest_phys_addr + r->memory_size - 1) > UMBRA_MAX_GFN)
		return -EINVAL;
	return 0;
}

static bool overlaps(struct umbra_vm *vm, const struct umbra_memslot *slot,
		     const struct umbra_memslot *except)
{
	struct umbra_memslots *set = current_slots(vm);
	unsigned int i;

	for (i = 0; i < set->count; i++) {
		const struct umbra_memslot *other = set->slot[i];

		if (other != except &&
		    slot->base_gfn < other->base_gfn + other->npages &&
		    other->base_gfn < slot->base_gfn + slot->npages)
			return true;
	}
	return false;
}

static struct umbra_memslot *alloc_slot(struct umbra_vm *vm,
					const struct kvm_userspace_memory_region *r)
{
	struct umbra_memslot *slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);

	if (!slot)
		return NULL;
	slot->base_gfn = gpa_to_gfn(r->guest_phys_addr);
	slot->npages = gpa_to_gfn(r->memory_size);
	slot->hva = r->userspace_addr;
	slot->flags = r->flags;
	slot->id = r->slot;
	if (r->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		slot->dirty = alloc_dirty(slot);
		if (!slot->dirty)
			goto free;
	}
	if (umbra_mmu_slot_init(vm->mmu, slot))
		goto free;
	return slot;

free:
	kvfree(slot->dirty);
	kfree(slot);
	return NULL;
}

/* A slot appears; @old (or NULL) is the one that moves there. */
static int replace_slot(struct umbra_vm *vm, struct umbra_memslot *old,
			const struct kvm_userspace_memory_region *r)
{
	struct umbra_memslot probe = {
		.base_gfn = gpa_to_gfn(r->guest_phys_addr),
		.npages = gpa_to_gfn(r->memory_size),
	};
	struct umbra_memslots *set;
	struct umbra_memslot *slot;

	if (overlaps(vm, &probe, old))
		return -EEXIST;
	slot = alloc_slot(vm, r);
	if (!slot)
		return -ENOMEM;
	set = next_set(current_slots(vm), old, slot);
	if (!set) {
		free_slot(vm, slot);
		return -ENOMEM;
	}
	publish(vm, set);
	if (old) {
		umbra_mmu_slot_gone(vm->mmu, old);
		free_slot(vm, old);
	}
	umbra_mmu_slot_new(vm->mmu, slot);
	return 0;
}

static int delete_slot(struct umbra_vm *vm, struct umbra_memslot *old)
{
	struct umbra_memslots *set = next_set(current_slots(vm), old, NULL);

	if (!set)
		return -ENOMEM;
	publish(vm, set);
	umbra_mmu_slot_gone(vm->mmu, old);
	free_slot(vm, old);
	return 0;
}

static void protect_slot(struct umbra_vm *vm, struct umbra_memslot *slot)
{
	bool changed = false;
	u64 first;

	for (first = 0; first < slot->npages; first += BITS_PER_LONG) {
		u64 left = slot->npages - first;
		u64 mask = left < BITS_PER_LONG ? BIT_ULL(left) - 1 : ~0ull;

		changed |= umbra_mmu_write_protect(vm->mmu, slot, first, mask);
		cond_resched();
	}
	if (changed)
		umbra_vm_request(vm, UMBRA_REQ_FLUSH_TLB, true);
}

/* Page faults that began before the bitmap was there are over when entries are protected. */
static int start_log(struct umbra_vm *vm, struct umbra_memslot *slot)
{
	unsigned long *dirty = alloc_dirty(slot);

	if (!dirty)
		return -ENOMEM;
	WRITE_ONCE(slot->flags, slot->flags | KVM_MEM_LOG_DIRTY_PAGES);
	/* Whoever sees the bitmap sees it zeroed; the grace period follows for the rest. */
	smp_store_release(&slot->dirty, dirty);
	synchronize_srcu_expedited(&vm->srcu);
	protect_slot(vm, slot);
	return 0;
}

static void stop_log(struct umbra_vm *vm, struct umbra_memslot *slot)
{
	unsigned long *dirty = slot->dirty;

	WRITE_ONCE(slot->flags, slot->flags & ~KVM_MEM_LOG_DIRTY_PAGES);
	WRITE_ONCE(slot->dirty, NULL);
	synchronize_srcu_expedited(&vm->srcu);
	kvfree(dirty);
}

static int change_flags(struct umbra_vm *vm, struct umbra_memslot *slot, u32 flags)
{
	if (flags & KVM_MEM_LOG_DIRTY_PAGES)
		return start_log(vm, slot);
	stop_log(vm, slot);
	return 0;
}

static int change_slot(struct umbra_vm *vm, struct umbra_memslot *old,
		       const struct kvm_userspace_memory_region *r)
{
	if (r->userspace_addr != old->hva || gpa_to_gfn(r->memory_size) != old->npages ||
	    (r->flags ^ old->flags) & KVM_MEM_READONLY)
		return -EINVAL;
	if (gpa_to_gfn(r->guest_phys_addr) != old->base_gfn)
		return replace_slot(vm, old, r);
	if (r->flags != old->flags)
		return change_flags(vm, old, r->flags);
	return 0;
}

/* KVM_SET_USER_MEMORY_REGION: slots_lock held. */
long umbra_ioctl_set_user_memory_region(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_userspace_memory_region *r = arg;
	struct umbra_memslot *old;
	int err;

	err = check_region(r);
	if (err)
		return err;
	old = find_id(vm, r->slot);
	if (!r->memory_size)
		return old ? delete_slot(vm, old) : -EINVAL;
	if (!old)
		return replace_slot(vm, NULL, r);
	return change_slot(vm, old, r);
}

/* KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG: slots_lock held. */

static struct umbra_memslot *logged_slot(struct umbra_vm *vm, u32 number)
{
	struct umbra_memslot *slot;

	if (!valid_slot_number(number))
		return ERR_PTR(-EINVAL);
	slot = find_id(vm, number);
	if (!slot || !slot->dirty)
		return ERR_PTR(-ENOENT);
	return slot;
}

/* Moves the log into @copy and arms it again.  A page is logged before it is made writable. */
static void take_log(struct umbra_vm *vm, struct umbra_memslot *slot, unsigned long *copy)
{
	size_t i, n = BITS_TO_LONGS(slot->npages);
	bool changed = false;

	for (i = 0; i < n; i++) {
		copy[i] = 0;
		if (!READ_ONCE(slot->dirty[i]))
			continue;
		copy[i] = xchg(&slot->dirty[i], 0);
		changed |= umbra_mmu_write_protect(vm->mmu, slot, i * BITS_PER_LONG, copy[i]);
		cond_resched();
	}
	if (changed)
		umbra_vm_request(vm, UMBRA_REQ_FLUSH_TLB, true);
}

/* KVM_GET_DIRTY_LOG */
long umbra_ioctl_get_dirty_log(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_dirty_log *log = arg;
	struct umbra_memslot *slot = logged_slot(vm, log->slot);
	unsigned long *copy;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	copy = slot->dirty;
	if (!vm->manual_dirty) {
		copy += BITS_TO_LONGS(slot->npages);
		take_log(vm, slot, copy);
	}
	return copy_to_user(log->dirty_bitmap, copy, dirty_bytes(slot)) ? -EFAULT : 0;
}

static bool valid_clear_range(const struct kvm_clear_dirty_log *log,
			      const struct umbra_memslot *slot)
{
	if (log->first_page & 63 || log->first_page > slot->npages ||
	    log->num_pages > slot->npages - log->first_page)
		return false;
	return !(log->num_pages & 63) || log->num_pages == slot->npages - log->first_page;
}

/* KVM_CLEAR_DIRTY_LOG */
long umbra_ioctl_clear_dirty_log(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	const struct kvm_clear_dirty_log *log = arg;
	struct umbra_memslot *slot = logged_slot(vm, log->slot);
	size_t i, n = BITS_TO_LONGS(log->num_pages), base = log->first_page / BITS_PER_LONG;
	unsigned long *copy;
	bool changed = false;

	if (IS_ERR(slot))
		return PTR_ERR(slot);
	if (!valid_clear_range(log, slot))
		return -EINVAL;
	copy = slot->dirty + BITS_TO_LONGS(slot->npages);
	if (copy_from_user(copy, log->dirty_bitmap, n * sizeof(long)))
		return -EFAULT;
	for (i = 0; i < n; i++) {
		unsigned long was = atomic_long_fetch_andnot(copy[i], (atomic_long_t *)
							     &slot->dirty[base + i]);

		if (was & copy[i])
			changed |= umbra_mmu_write_protect(vm->mmu, slot,
							   (base + i) * BITS_PER_LONG,
							   was & copy[i]);
		cond_resched();
	}
	if (changed)
		umbra_vm_request(vm, UMBRA_REQ_FLUSH_TLB, true);
	return 0;
}

/* As KVM, which wants room for the roots of some vCPUs at least. */
#define MIN_MMU_PAGES	64

/* KVM_SET_NR_MMU_PAGES: how many shadow pages; vm->slots_lock held. */
long umbra_ioctl_set_nr_mmu_pages(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	u32 pages = umbra_ioctl_value(uarg);

	if (pages < MIN_MMU_PAGES)
		return -EINVAL;
	umbra_mmu_set_limit(vm->mmu, pages);
	return 0;
}

/* KVM_GET_NR_MMU_PAGES */
long umbra_ioctl_get_nr_mmu_pages(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	return umbra_mmu_get_limit(vm->mmu);
}
