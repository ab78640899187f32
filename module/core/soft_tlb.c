// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translations for emulated accesses
 *
 * Guest memory stays user memory of the VM's process and is reached by user
 * accesses: what the caller does to its mapping needs no attention here.  Slots
 * cannot go while SRCU is held; their generation is compared whenever it has been
 * taken.  What invalidates a processor's TLB - INVLPG, loads of control registers -
 * comes to core whoever executes the guest's code, for all guests are shadowed; so
 * what was true when the guest was entered is true afterwards.  What the shadow tables
 * lose or forbid for the monitor's own reasons is none of that: a write here is
 * reported like any other (umbra_guest_wrote()).
 */
#include "soft_tlb_internal.h"

#include <linux/mm.h>
#include <linux/uaccess.h>

#include "core_internal.h"

#define TAG_ACC		(UMBRA_ACC_USER | UMBRA_ACC_IMPLICIT | UMBRA_ACC_AC)

int umbra_soft_tlb_create(struct umbra_vcpu *vcpu)
{
	const struct umbra_vm *vm = vcpu->vm;

	if (!vm->force_emulation && !vm->engine->must_emulate)
		return 0;
	vcpu->soft_tlb = kvzalloc(sizeof(*vcpu->soft_tlb), GFP_KERNEL_ACCOUNT);
	if (!vcpu->soft_tlb)
		return -ENOMEM;
	/* Entries of zeros are of no epoch. */
	umbra_soft_tlb_flush(vcpu);
	return 0;
}

void umbra_soft_tlb_destroy(struct umbra_vcpu *vcpu)
{
	kvfree(vcpu->soft_tlb);
	vcpu->soft_tlb = NULL;
}

void umbra_soft_tlb_check(struct umbra_vcpu *vcpu)
{
	const struct umbra_memslots *slots = srcu_dereference(vcpu->vm->slots, &vcpu->vm->srcu);
	struct umbra_soft_tlb *tlb = vcpu->soft_tlb;

	if (likely(tlb->generation == slots->generation))
		return;
	umbra_soft_tlb_flush(vcpu);
	tlb->generation = slots->generation;
}

static enum soft_tlb_kind kind_of(unsigned int acc)
{
	if (acc & UMBRA_ACC_FETCH)
		return SOFT_TLB_FETCH;
	return acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW) ? SOFT_TLB_WRITE : SOFT_TLB_READ;
}

static struct umbra_soft_entry *slot_of(struct umbra_soft_tlb *tlb, gva_t gva,
					enum soft_tlb_kind kind)
{
	return &tlb->e[kind][(gva >> UMBRA_PAGE_SHIFT) % SOFT_TLB_ENTRIES];
}

void umbra_soft_tlb_fill(struct umbra_vcpu *vcpu, gva_t gva, unsigned int acc, gpa_t gpa)
{
	struct umbra_soft_tlb *tlb = vcpu->soft_tlb;
	enum soft_tlb_kind kind = kind_of(acc);
	struct umbra_soft_entry *entry;
	struct umbra_memslot *slot;

	if (!tlb)
		return;
	slot = umbra_vm_slot(vcpu->vm, gpa_to_gfn(gpa));
	if (!slot || (kind == SOFT_TLB_WRITE && (slot->flags & KVM_MEM_READONLY)))
		return;
	entry = slot_of(tlb, gva, kind);
	*entry = (struct umbra_soft_entry){
		.tag = (gva & UMBRA_PAGE_MASK) | (acc & TAG_ACC),
		.epoch = tlb->epoch[gva >> 63],
		.gpa = gpa & UMBRA_PAGE_MASK,
		.hva = umbra_memslot_hva(slot, gpa_to_gfn(gpa)),
		.slot = slot,
	};
}

/* Within one known page; accesses that userspace answered are left alone. */
static struct umbra_soft_entry *find(struct umbra_vcpu *vcpu, gva_t gva, unsigned int len,
				     unsigned int acc, enum soft_tlb_kind kind)
{
	struct umbra_soft_tlb *tlb = vcpu->soft_tlb;
	struct umbra_soft_entry *entry;

	if (!tlb || vcpu->io.n)
		return NULL;
	entry = slot_of(tlb, gva, kind);
	if (entry->tag != ((gva & UMBRA_PAGE_MASK) | (acc & TAG_ACC)) ||
	    entry->epoch != tlb->epoch[gva >> 63] ||
	    (gva & ~UMBRA_PAGE_MASK) + len > UMBRA_PAGE_SIZE)
		return NULL;
	return entry;
}

static void __user *address(const struct umbra_soft_entry *entry, gva_t gva)
{
	return (void __user *)(unsigned long)(entry->hva + (gva & ~UMBRA_PAGE_MASK));
}

bool umbra_soft_tlb_has(struct umbra_vcpu *vcpu, gva_t gva, unsigned int len, unsigned int acc)
{
	return find(vcpu, gva, len, acc, kind_of(acc));
}

static bool load(const void __user *from, void *buf, unsigned int len)
{
	const u64 __user *word = from;
	u64 *to = buf;

	switch (len) {
	case 1:
		return !get_user(*(u8 *)buf, (const u8 __user *)from);
	case 2:
		return !get_user(*(u16 *)buf, (const u16 __user *)from);
	case 4:
		return !get_user(*(u32 *)buf, (const u32 __user *)from);
	case 8:
		return !get_user(*to, word);
	case 16:
		/* A gate of the IDT. */
		return !get_user(to[0], word) && !get_user(to[1], word + 1);
	default:
		return !copy_from_user(buf, from, len);
	}
}

static bool store(void __user *to, const void *buf, unsigned int len)
{
	switch (len) {
	case 1:
		return !put_user(*(const u8 *)buf, (u8 __user *)to);
	case 2:
		return !put_user(*(const u16 *)buf, (u16 __user *)to);
	case 4:
		return !put_user(*(const u32 *)buf, (u32 __user *)to);
	case 8:
		return !put_user(*(const u64 *)buf, (u64 __user *)to);
	default:
		return !copy_to_user(to, buf, len);
	}
}

bool umbra_soft_fetch(struct umbra_vcpu *vcpu, gva_t gva, void *buf, unsigned int len,
		      unsigned int acc)
{
	struct umbra_soft_entry *entry = find(vcpu, gva, len, acc, SOFT_TLB_FETCH);
	const u8 __user *from;
	u8 *to = buf;

	if (!entry || len < 8 || len > 16)
		return false;
	/* Two words that overlap are faster than any loop. */
	from = address(entry, gva);
	if (!user_read_access_begin(from, len))
		return false;
	unsafe_get_user(*(u64 *)to, (const u64 __user *)from, failed);
	unsafe_get_user(*(u64 *)(to + len - 8), (const u64 __user *)(from + len - 8), failed);
	user_read_access_end();
	return true;
failed:
	user_read_access_end();
	return false;
}

bool umbra_soft_read(struct umbra_vcpu *vcpu, gva_t gva, void *buf, unsigned int len,
		     unsigned int acc)
{
	struct umbra_soft_entry *entry = find(vcpu, gva, len, acc, kind_of(acc));

	return entry && load(address(entry, gva), buf, len);
}

bool umbra_soft_write(struct umbra_vcpu *vcpu, gva_t gva, const void *buf, unsigned int len,
		      unsigned int acc)
{
	struct umbra_soft_entry *entry = find(vcpu, gva, len, acc, SOFT_TLB_WRITE);

	if (!entry || !store(address(entry, gva), buf, len))
		return false;
	umbra_guest_wrote(vcpu->vm, entry->slot, entry->gpa | (gva & ~UMBRA_PAGE_MASK), len);
	return true;
}
