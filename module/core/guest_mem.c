// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: access to guest memory
 *
 * Guest memory is user memory of the VM's process, reached by the ordinary user
 * access functions: swap, copy-on-write and friends work as for any program.  A
 * write tells the dirty log and the shadow MMU.
 *
 * Accesses may cross pages; each page finds its own slot.
 */
#include <linux/highmem.h>
#include <linux/kvm.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>

#include "umbra/compat.h"
#include "umbra/fail.h"
#include "umbra/mmu.h"
#include "core_internal.h"

static unsigned int left_in_page(gpa_t gpa, unsigned int len)
{
	return min_t(unsigned int, len, UMBRA_PAGE_SIZE - (gpa & ~UMBRA_PAGE_MASK));
}

static void __user *slot_address(const struct umbra_memslot *slot, gpa_t gpa)
{
	return (void __user *)(unsigned long)(umbra_memslot_hva(slot, gpa_to_gfn(gpa)) +
					      (gpa & ~UMBRA_PAGE_MASK));
}

/* Where a byte of guest memory is in the caller's; ERR_PTR as the callers return it. */
static void __user *read_address(struct umbra_vm *vm, gpa_t gpa)
{
	struct umbra_memslot *slot;

	if (WARN_ON_ONCE(current->mm != vm->mm) || umbra_fail_lookup())
		return (void __force __user *)ERR_PTR(-EFAULT);
	slot = umbra_vm_slot(vm, gpa_to_gfn(gpa));
	if (!slot)
		return (void __force __user *)ERR_PTR(-EFAULT);
	return slot_address(slot, gpa);
}

static void __user *write_address(struct umbra_vm *vm, gpa_t gpa, struct umbra_memslot **slot)
{
	if (WARN_ON_ONCE(current->mm != vm->mm) || umbra_fail_lookup())
		return (void __force __user *)ERR_PTR(-EFAULT);
	*slot = umbra_vm_slot(vm, gpa_to_gfn(gpa));
	if (!*slot)
		return (void __force __user *)ERR_PTR(-EFAULT);
	if ((*slot)->flags & KVM_MEM_READONLY)
		return (void __force __user *)ERR_PTR(-EROFS);
	return slot_address(*slot, gpa);
}

#define IS_USER_ERR(p)	IS_ERR((void __force *)(p))
#define USER_ERR(p)	PTR_ERR((void __force *)(p))

/**
 * umbra_guest_wrote() - bytes of guest memory have changed
 * @vm: the VM
 * @slot: the slot of @gpa
 * @gpa: first byte
 * @len: bytes, within a page
 *
 * Context: SRCU read side held.
 */
void umbra_guest_wrote(struct umbra_vm *vm, struct umbra_memslot *slot, gpa_t gpa,
		       unsigned int len)
{
	umbra_memslot_mark_dirty(slot, gpa_to_gfn(gpa));
	umbra_mmu_wrote(vm->mmu, gpa, len);
}

/* @len is 8 or more.  By words: the kernel's copy goes by bytes, and is long to begin. */
static int load_words(void *buf, const void __user *from, unsigned int len)
{
	u64 word;

	if (!user_access_begin(from, len))
		return -EFAULT;
	for (; len > sizeof(word); len -= sizeof(word)) {
		unsafe_get_user(word, (const u64 __user *)from, fault);
		put_unaligned(word, (u64 *)buf);
		from += sizeof(word);
		buf += sizeof(word);
	}
	/* The last eight bytes, some of which may be there already. */
	unsafe_get_user(word, (const u64 __user *)(from + len - sizeof(word)), fault);
	put_unaligned(word, (u64 *)(buf + len - sizeof(word)));
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/*
 * Descriptors, gates and code are a word or two, and two words that overlap are anything
 * between: a tenth of what a copy of any length takes.
 */
static int load_user(void *buf, const void __user *from, unsigned int len)
{
	u64 first, last;

	if (len < sizeof(first))
		return copy_from_user(buf, from, len) ? -EFAULT : 0;
	if (len > 2 * sizeof(first))
		return load_words(buf, from, len);
	if (get_user(first, (const u64 __user *)from) ||
	    get_user(last, (const u64 __user *)(from + len - sizeof(last))))
		return -EFAULT;
	memcpy(buf, &first, sizeof(first));
	memcpy(buf + len - sizeof(last), &last, sizeof(last));
	return 0;
}

/**
 * umbra_guest_read() - copy from guest memory
 * @vm: the VM; current->mm is its mm
 * @gpa: first byte
 * @buf: destination
 * @len: bytes
 *
 * Context: SRCU read side held; may sleep.
 * Return: 0 or -EFAULT: no slot, or the caller's mapping is gone.
 */
int umbra_guest_read(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len)
{
	while (len) {
		unsigned int n = left_in_page(gpa, len);
		void __user *from = read_address(vm, gpa);

		if (IS_USER_ERR(from) || load_user(buf, from, n))
			return -EFAULT;
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/**
 * umbra_guest_read_mmu() - copy from guest memory for page walks
 * @vm: the VM
 * @gpa: first byte
 * @buf: destination
 * @len: bytes, within a page
 * @atomic: may not sleep: -EFAULT also when the page is not present
 *
 * An aligned word of 4 or 8 bytes is read in one access: page table entries
 * change under our eyes.
 * Return: 0 or -EFAULT.
 */
int umbra_guest_read_mmu(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len,
			 bool atomic)
{
	int err;

	if (!atomic)
		return umbra_guest_read_atomic(vm, gpa, buf, len);
	pagefault_disable();
	err = umbra_guest_read_atomic(vm, gpa, buf, len);
	pagefault_enable();
	return err;
}

/**
 * umbra_guest_read_atomic() - read that another processor cannot tear
 * @vm: the VM; current->mm is its mm
 * @gpa: first byte
 * @buf: destination
 * @len: bytes; one access where naturally aligned and 1, 2, 4 or 8, else a plain copy
 *
 * Context: SRCU read side held; may sleep, but not with page faults disabled.
 * Return: 0 or -EFAULT.
 */
int umbra_guest_read_atomic(struct umbra_vm *vm, gpa_t gpa, void *buf, unsigned int len)
{
	void __user *from;

	if (gpa & (len - 1) || len > sizeof(u64))
		return umbra_guest_read(vm, gpa, buf, len);
	from = read_address(vm, gpa);
	if (IS_USER_ERR(from))
		return -EFAULT;
	switch (len) {
	case 1:
		return get_user(*(u8 *)buf, (u8 __user *)from);
	case 2:
		return get_user(*(u16 *)buf, (u16 __user *)from);
	case 4:
		return get_user(*(u32 *)buf, (u32 __user *)from);
	case 8:
		return get_user(*(u64 *)buf, (u64 __user *)from);
	default:
		return umbra_guest_read(vm, gpa, buf, len);
	}
}

/* The frame of an event. */
static int store_words(void __user *to, const void *buf, unsigned int len)
{
	u64 word;

	for (; len; len -= sizeof(word), to += sizeof(word), buf += sizeof(word)) {
		memcpy(&word, buf, sizeof(word));
		if (put_user(word, (u64 __user *)to))
			return -EFAULT;
	}
	return 0;
}

/* One store for what the hardware would do in one store. */
static int store_user(void __user *to, const void *buf, unsigned int len)
{
	if (len > sizeof(u64) && len <= 64 && !(((unsigned long)to | len) & 7))
		return store_words(to, buf, len);
	if (!((unsigned long)to & (len - 1))) {
		switch (len) {
		case 2:
			return put_user(*(u16 *)buf, (u16 __user *)to);
		case 4:
			return put_user(*(u32 *)buf, (u32 __user *)to);
		case 8:
			return put_user(*(u64 *)buf, (u64 __user *)to);
		}
	}
	return copy_to_user(to, buf, len) ? -EFAULT : 0;
}

/**
 * umbra_guest_write() - copy to guest memory
 * @vm: the VM; current->mm is its mm
 * @gpa: first byte
 * @buf: source
 * @len: bytes
 *
 * Context: SRCU read side held; may sleep.
 * Return: 0; -EROFS for a read-only slot; -EFAULT: no slot, or the caller's
 * mapping is gone.  Pages before the failing one are written.
 */
int umbra_guest_write(struct umbra_vm *vm, gpa_t gpa, const void *buf, unsigned int len)
{
	while (len) {
		unsigned int n = left_in_page(gpa, len);
		struct umbra_memslot *slot;
		void __user *to = write_address(vm, gpa, &slot);

		if (IS_USER_ERR(to))
			return USER_ERR(to);
		if (store_user(to, buf, n))
			return -EFAULT;
		umbra_guest_wrote(vm, slot, gpa, n);
		gpa += n;
		buf += n;
		len -= n;
	}
	return 0;
}

/* Compare and exchange of one naturally aligned word: 0 swapped, 1 not, -EFAULT. */

static int cmpxchg_user(void __user *p, const void *old, const void *new_val, unsigned int len)
{
	u64 expected = 0, value = 0;

	memcpy(&expected, old, len);
	memcpy(&value, new_val, len);
	switch (len) {
	case 1: {
		u8 o = expected;

		return __try_cmpxchg_user((u8 __user *)p, &o, (u8)value, fault1);
	}
	case 2: {
		u16 o = expected;

		return __try_cmpxchg_user((u16 __user *)p, &o, (u16)value, fault2);
	}
	case 4: {
		u32 o = expected;

		return __try_cmpxchg_user((u32 __user *)p, &o, (u32)value, fault4);
	}
	default: {
		u64 o = expected;

		return __try_cmpxchg_user((u64 __user *)p, &o, value, fault8);
	}
	}
}

static bool cmpxchg16(void *p, const u64 old[2], const u64 new_val[2])
{
	u64 lo = old[0], hi = old[1];
	bool done;

	asm volatile("lock cmpxchg16b %1"
		     : "=@ccz" (done), "+m" (*(u64 (*)[2])p), "+a" (lo), "+d" (hi)
		     : "b" (new_val[0]), "c" (new_val[1])
		     : "memory");
	return done;
}

/* There is no user access of 16 bytes: through the kernel's own mapping of the page. */
static int cmpxchg16_user(void __user *p, const void *old, const void *new_val)
{
	unsigned long address = (unsigned long)p;
	struct page *page;
	void *map;
	bool done;

	if (umbra_fail_lookup() ||
	    pin_user_pages_fast(address & PAGE_MASK, 1, FOLL_WRITE, &page) != 1)
		return -EFAULT;
	map = kmap_local_page(page);
	done = cmpxchg16(map + offset_in_page(address), old, new_val);
	kunmap_local(map);
	unpin_user_pages_dirty_lock(&page, 1, done);
	return !done;
}

/* Where no locked instruction reaches without a split lock: compare, then write. */
static int cmpxchg_plain(struct umbra_vm *vm, gpa_t gpa, const void *old, const void *new_val,
			 unsigned int len, bool *swapped)
{
	u8 now[16];
	int err;

	err = umbra_guest_read(vm, gpa, now, len);
	if (err)
		return err;
	*swapped = !memcmp(now, old, len);
	return *swapped ? umbra_guest_write(vm, gpa, new_val, len) : 0;
}

/**
 * umbra_guest_cmpxchg() - compare and exchange in guest memory
 * @vm: the VM; current->mm is its mm
 * @gpa: first byte
 * @old: expected bytes
 * @new_val: bytes to store
 * @len: 1, 2, 4, 8 or 16
 * @swapped: result: the memory held @old and now holds @new_val
 *
 * Atomic when naturally aligned, which is all that a locked instruction of a
 * sane guest does; else a comparison and a write.
 * Context: SRCU read side held; may sleep.
 * Return: 0, -EROFS, -EFAULT as umbra_guest_write(), -EINVAL for another @len.
 */
int umbra_guest_cmpxchg(struct umbra_vm *vm, gpa_t gpa, const void *old, const void *new_val,
			unsigned int len, bool *swapped)
{
	struct umbra_memslot *slot;
	void __user *p;
	int ret;

	*swapped = false;
	if (!len || len > 16 || len & (len - 1))
		return -EINVAL;
	p = write_address(vm, gpa, &slot);
	if (IS_USER_ERR(p))
		return USER_ERR(p);
	if (gpa & (len - 1) || (len == 16 && !boot_cpu_has(X86_FEATURE_CX16)))
		return cmpxchg_plain(vm, gpa, old, new_val, len, swapped);
	ret = len == 16 ? cmpxchg16_user(p, old, new_val) : cmpxchg_user(p, old, new_val, len);
	if (ret < 0)
		return ret;
	*swapped = !ret;
	if (*swapped)
		umbra_guest_wrote(vm, slot, gpa, len);
	return 0;
}
