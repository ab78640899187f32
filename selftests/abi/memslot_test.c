// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: memslot_test
 *
 * KVM_SET_USER_MEMORY_REGION: good and bad regions, overlap, delete, move,
 * flags; and that a guest sees each change.
 */
#include "abi_check.h"

#define GPA	0x10000000ull
#define SIZE	(16 * KU_PAGE)

/* A region for slot 1; tests change one field. */
static struct kvm_userspace_memory_region region(void *mem)
{
	return (struct kvm_userspace_memory_region) {
		.slot = 1,
		.guest_phys_addr = GPA,
		.memory_size = SIZE,
		.userspace_addr = (uintptr_t)mem,
	};
}

static long set(struct ku_vm *vm, struct kvm_userspace_memory_region r)
{
	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
}

static void *memory(void)
{
	void *mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	return mem;
}

#define WITH(field, value) \
	({ struct kvm_userspace_memory_region r_ = region(mem); r_.field = (value); r_; })

static void test_bad(struct ku_vm *vm, void *mem)
{
	int slots = ioctl(vm->dev, KVM_CHECK_EXTENSION, (long)KVM_CAP_NR_MEMSLOTS);
	struct kvm_userspace_memory_region r;

	fails(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, BAD_POINTER), EFAULT, "bad pointer");
	fails(set(vm, WITH(flags, 0x80)), EINVAL, "unknown flag");
	fails(set(vm, WITH(guest_phys_addr, GPA + 1)), EINVAL, "guest address not aligned");
	fails(set(vm, WITH(memory_size, SIZE + 1)), EINVAL, "size not aligned");
	fails(set(vm, WITH(userspace_addr, (uintptr_t)mem + 1)), EINVAL,
	      "user address not aligned");
	fails(set(vm, WITH(userspace_addr, 0xffff800000000000ull)), EINVAL,
	      "user address of the kernel");
	fails(set(vm, WITH(slot, slots + 1000)), EINVAL, "slot number too large");
	fails(set(vm, WITH(slot, 0x00050001)), EINVAL, "another address space");
	fails(set(vm, WITH(guest_phys_addr, ~0ull << 12)), EINVAL, "guest address wraps");
	fails(set(vm, WITH(guest_phys_addr, 1ull << 60)), EINVAL,
	      "guest address beyond any processor");
	r = region(mem);
	r.memory_size = 1ull << 46;
	fails(set(vm, r), EINVAL, "more pages than a slot can have");
	fails(set(vm, WITH(memory_size, 0)), EINVAL, "deleting a slot that is not there");
}

static void test_life(struct ku_vm *vm, void *mem)
{
	struct kvm_userspace_memory_region other = region(mem);

	works(set(vm, region(mem)), "create");
	works(set(vm, region(mem)), "the same again");
	other.slot = 2;
	fails(set(vm, other), EEXIST, "the same place in another slot");
	other.guest_phys_addr = GPA + SIZE - KU_PAGE;
	fails(set(vm, other), EEXIST, "overlap of one page at the end");
	other.guest_phys_addr = GPA - SIZE + KU_PAGE;
	fails(set(vm, other), EEXIST, "overlap of one page at the start");
	other.guest_phys_addr = GPA + SIZE;
	works(set(vm, other), "adjacent above");
	fails(set(vm, WITH(memory_size, SIZE / 2)), EINVAL, "a slot cannot be resized");
	fails(set(vm, WITH(userspace_addr, (uintptr_t)mem + SIZE)), EINVAL,
	      "a slot cannot change its memory");
	fails(set(vm, WITH(flags, KVM_MEM_READONLY)), EINVAL,
	      "a slot cannot become read-only");
	fails(set(vm, WITH(guest_phys_addr, GPA + KU_PAGE)), EEXIST, "a move onto another");
	works(set(vm, WITH(guest_phys_addr, GPA - KU_PAGE)), "a move over its old place");
	works(set(vm, WITH(guest_phys_addr, GPA)), "and back");
	ku_slot_del(vm, 2);
	ku_slot_del(vm, 1);
	works(set(vm, other), "a deleted slot's number and place are free");
	ku_slot_del(vm, 2);
}

static void test_many(struct ku_vm *vm, void *mem)
{
	struct kvm_userspace_memory_region r = region(mem);
	unsigned int i, good = 0;

	r.memory_size = KU_PAGE;
	/* Downward, so that each goes before the others in order of address. */
	for (i = 0; i < 100; i++) {
		r.slot = 1 + i;
		r.guest_phys_addr = GPA + (200 - i) * 2 * KU_PAGE;
		good += set(vm, r) == 0;
	}
	ktap_ok(good == 100, "100 slots");
	for (i = 0; i < 100; i++)
		ku_slot_del(vm, 1 + (i * 37) % 100);
	ktap_ok(true, "deleted in another order");
}

/* Reads a dword at RBX, says it, writes RCX there, says it again. */
KU_CODE64(probe,
	  "mov $0x217, %edx\n"
	  "1: mov (%rbx), %eax\n"
	  "out %eax, %dx\n"
	  "mov %ecx, (%rbx)\n"
	  "mov (%rbx), %eax\n"
	  "out %eax, %dx\n"
	  "jmp 1b\n");

static void point(struct ku_vcpu *vcpu, uint64_t gva, uint32_t value)
{
	struct kvm_regs regs = ku_get_regs(vcpu);

	regs.rbx = gva;
	regs.rcx = value;
	ku_set_regs(vcpu, &regs);
}

static void expect_mmio(struct ku_vcpu *vcpu, bool write, const char *what)
{
	int reason = ku_run(vcpu);
	struct kvm_run *run = vcpu->run;

	ktap_ok(reason == KVM_EXIT_MMIO && run->mmio.phys_addr == GPA && run->mmio.len == 4 &&
		run->mmio.is_write == write, "%s (%s)", what, ku_exit_name(reason));
}

static void test_guest(struct ku_vm *vm, uint32_t *mem)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	uint32_t answer = 0x51515151;

	ku_load(vm, probe, probe_end - probe);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, GPA, GPA, KU_PTE_P | KU_PTE_W);
	point(vcpu, GPA, 0x11111111);

	expect_mmio(vcpu, false, "a read where no slot is goes to userspace");
	memcpy(vcpu->run->mmio.data, &answer, 4);
	ktap_ok(ku_run_out(vcpu, 0x217) == answer, "the guest gets userspace's answer");
	expect_mmio(vcpu, true, "so does a write");
	ktap_ok(!memcmp(vcpu->run->mmio.data, "\x11\x11\x11\x11", 4), "with its data");

	/* The slot appears before the write's second read. */
	mem[0] = 0x22222222;
	works(set(vm, region(mem)), "a slot appears");
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x22222222, "the guest reads it");
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x22222222, "and again");
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x11111111 && mem[0] == 0x11111111,
		"the guest writes it");

	ku_slot_del(vm, 1);
	expect_mmio(vcpu, false, "a deleted slot is MMIO again");
	memcpy(vcpu->run->mmio.data, &answer, 4);
	ktap_ok(ku_run_out(vcpu, 0x217) == answer, "with userspace's answer");
	mem[0] = 0x33333333;
	works(set(vm, WITH(flags, KVM_MEM_READONLY)), "a read-only slot");
	expect_mmio(vcpu, true, "a write to it goes to userspace");
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x33333333 && mem[0] == 0x33333333,
		"a read does not");
	ku_slot_del(vm, 1);
	ku_vcpu_free(vcpu);
}

/* The host takes pages away and gives others: the guest sees it at once. */
static void test_host_changes(struct ku_vm *vm, uint32_t *mem)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 1);
	void *other;

	ku_load(vm, probe, probe_end - probe);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, GPA, GPA, KU_PTE_P | KU_PTE_W);
	point(vcpu, GPA, 0x44444444);
	set(vm, region(mem));
	mem[0] = 1;
	ktap_ok(ku_run_out(vcpu, 0x217) == 1, "memory as it was");
	madvise(mem, SIZE, MADV_DONTNEED);
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x44444444, "a write after MADV_DONTNEED");
	madvise(mem, SIZE, MADV_DONTNEED);
	ktap_ok(ku_run_out(vcpu, 0x217) == 0, "zeros after MADV_DONTNEED");
	other = mmap(mem, SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (other != mem)
		ktap_bail("mmap: %s", strerror(errno));
	ku_run_out(vcpu, 0x217);
	mem[0] = 0x55555555;
	ktap_ok(ku_run_out(vcpu, 0x217) == 0x55555555, "new memory after mmap over it");
	ku_slot_del(vm, 1);
	ku_vcpu_free(vcpu);
}

int main(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	void *mem = memory();

	ktap_plan(12 + 13 + 2 + 13 + 4);
	test_bad(vm, mem);
	test_life(vm, mem);
	test_many(vm, mem);
	test_guest(vm, mem);
	test_host_changes(vm, mem);
	ku_vm_free(vm);
	ktap_exit();
}
