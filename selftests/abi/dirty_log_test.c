// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: dirty_log_test
 *
 * KVM_GET_DIRTY_LOG and KVM_CLEAR_DIRTY_LOG: what is logged, when it is
 * forgotten, and what is refused.
 */
#include "abi_check.h"

#define GPA	0x10000000ull
#define PAGES	130		/* not a multiple of 64 */

/* Writes to the page at RBX, then says so. */
KU_CODE64(writer,
	  "mov $0x217, %edx\n"
	  "1: mov %eax, (%rbx)\n"
	  "out %eax, %dx\n"
	  "jmp 1b\n");

static uint64_t bitmap[(PAGES + 63) / 64];

static long get(struct ku_vm *vm, uint32_t slot, void *to)
{
	struct kvm_dirty_log log = { .slot = slot, .dirty_bitmap = to };

	return ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
}

static long clear(struct ku_vm *vm, uint64_t first, uint32_t count, void *from)
{
	struct kvm_clear_dirty_log log = {
		.slot = 1,
		.first_page = first,
		.num_pages = count,
		.dirty_bitmap = from,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log);
}

static void touch(struct ku_vcpu *vcpu, unsigned int page)
{
	struct kvm_regs regs = ku_get_regs(vcpu);

	regs.rbx = GPA + page * KU_PAGE;
	ku_set_regs(vcpu, &regs);
	ku_run_out(vcpu, 0x217);
}

/* Exactly the pages @a and @b (may be the same) are in the log. */
static bool only(unsigned int a, unsigned int b)
{
	unsigned int i, n = 0;

	for (i = 0; i < PAGES; i++)
		if (bitmap[i / 64] >> i % 64 & 1) {
			if (i != a && i != b)
				return false;
			n++;
		}
	return n == 1u + (a != b);
}

static bool none(void)
{
	return !bitmap[0] && !bitmap[1] && !bitmap[2];
}

static void set_flags(struct ku_vm *vm, void *mem, uint32_t flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = 1,
		.flags = flags,
		.guest_phys_addr = GPA,
		.memory_size = PAGES * KU_PAGE,
		.userspace_addr = (uintptr_t)mem,
	};

	works(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r),
	      flags ? "logging on" : "logging off");
}

static void test_refusals(struct ku_vm *vm)
{
	struct kvm_dirty_log log = { .slot = 0x7fffffff };

	fails(ioctl(vm->fd, KVM_GET_DIRTY_LOG, BAD_POINTER), EFAULT, "bad pointer");
	fails(ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log), EINVAL, "slot number too large");
	fails(get(vm, 0x50001, bitmap), EINVAL, "another address space");
	fails(get(vm, 7, bitmap), ENOENT, "no such slot");
	fails(get(vm, 1, bitmap), ENOENT, "a slot that is not logged");
}

static void test_log(struct ku_vm *vm, struct ku_vcpu *vcpu, void *mem)
{
	touch(vcpu, 5);
	set_flags(vm, mem, KVM_MEM_LOG_DIRTY_PAGES);
	works(get(vm, 1, bitmap), "KVM_GET_DIRTY_LOG");
	ktap_ok(none(), "nothing is logged at first");
	touch(vcpu, 5);
	touch(vcpu, 129);
	touch(vcpu, 5);
	get(vm, 1, bitmap);
	ktap_ok(only(5, 129), "two pages were written");
	get(vm, 1, bitmap);
	ktap_ok(none(), "reading the log empties it");
	touch(vcpu, 5);
	get(vm, 1, bitmap);
	ktap_ok(only(5, 5), "a page is logged again");
	touch(vcpu, 64);
	fails(get(vm, 1, BAD_POINTER), EFAULT, "bad pointer to the bitmap");
	set_flags(vm, mem, 0);
	fails(get(vm, 1, bitmap), ENOENT, "no log after it was switched off");
}

static void test_clear(struct ku_vm *vm, struct ku_vcpu *vcpu, void *mem)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args[0] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
	};
	uint64_t ones[3] = { ~0ull, ~0ull, ~0ull };

	works(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2");
	set_flags(vm, mem, KVM_MEM_LOG_DIRTY_PAGES);
	touch(vcpu, 3);
	touch(vcpu, 70);
	get(vm, 1, bitmap);
	get(vm, 1, bitmap);
	ktap_ok(only(3, 70), "reading the log does not empty it");
	fails(clear(vm, 1, 64, ones), EINVAL, "KVM_CLEAR_DIRTY_LOG not from a multiple of 64");
	fails(clear(vm, 0, 3, ones), EINVAL, "KVM_CLEAR_DIRTY_LOG of an odd count");
	fails(clear(vm, 192, 64, ones), EINVAL, "KVM_CLEAR_DIRTY_LOG behind the end");
	fails(clear(vm, 128, 64, ones), EINVAL, "KVM_CLEAR_DIRTY_LOG across the end");
	fails(clear(vm, 0, 64, BAD_POINTER), EFAULT, "KVM_CLEAR_DIRTY_LOG with a bad pointer");
	works(clear(vm, 64, 64, ones), "KVM_CLEAR_DIRTY_LOG of 64 pages");
	get(vm, 1, bitmap);
	ktap_ok(only(3, 3), "the others stay");
	touch(vcpu, 70);
	get(vm, 1, bitmap);
	ktap_ok(only(3, 70), "a cleared page is logged again");
	works(clear(vm, 128, 2, ones), "KVM_CLEAR_DIRTY_LOG of the odd end");
}

int main(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	void *mem = ku_slot_add(vm, 1, GPA, PAGES * KU_PAGE, 0);
	unsigned int i;

	ktap_plan(5 + 9 + 12);
	ku_load(vm, writer, writer_end - writer);
	ku_vcpu_long(vcpu, KU_CODE);
	for (i = 0; i < PAGES; i++)
		ku_map(vm, vm->cr3, GPA + i * KU_PAGE, GPA + i * KU_PAGE, KU_PTE_P | KU_PTE_W);
	test_refusals(vm);
	test_log(vm, vcpu, mem);
	test_clear(vm, vcpu, mem);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
