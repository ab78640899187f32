/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: kvm_util
 *
 * The smallest VM that a test can ask for, by the plain KVM ABI: the same
 * binary tests Umbra and stock KVM.  The device is $UMBRA_DEVICE, by default
 * /dev/umbra; a test is skipped where that node is missing.  Calls that a
 * test does not test itself end the program with the reason when they fail.
 *
 * Guest physical memory of a new VM (slot 0, from 0 up):
 *
 *   0x00000500  GDT        selectors KU_CS64, KU_DS, KU_CS32
 *   0x00000600  TSS        (64-bit; all stacks at KU_STACK - 0x1000)
 *   0x00001000  IDT        256 gates of 16 bytes, empty
 *   0x00008000  KU_CODE    where ku_load() puts the guest's code
 *   0x00080000  KU_STACK   top of the guest's stack
 *   0x00100000  KU_POOL    pages that ku_page() hands out, page tables first
 */
#ifndef SELFTESTS_KVM_UTIL_H
#define SELFTESTS_KVM_UTIL_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KU_GDT		0x500u
#define KU_TSS		0x600u
#define KU_IDT		0x1000u
#define KU_CODE		0x8000u
#define KU_STACK	0x80000u
#define KU_POOL		0x100000u
#define KU_MEM		0x400000u	/* memory of ku_vm_new(0), bytes */

#define KU_CS64		0x08
#define KU_DS		0x10
#define KU_CS32		0x18
#define KU_TR		0x20

#define KU_PAGE		4096ull
#define KU_PTE_P	(1ull << 0)
#define KU_PTE_W	(1ull << 1)
#define KU_PTE_U	(1ull << 2)
#define KU_PTE_A	(1ull << 5)
#define KU_PTE_D	(1ull << 6)
#define KU_PTE_PS	(1ull << 7)
#define KU_PTE_NX	(1ull << 63)

/*
 * Guest code as assembler text: KU_CODE64(name, "mov $1, %eax", "hlt")
 * defines name[] and name_end[]; ku_load(vm, name, name_end - name).
 */
#define KU_ASM(name, bits, text)					\
	extern const char name[], name##_end[];				\
	asm(".pushsection .rodata\n.code" #bits "\n" #name ":\n"	\
	    text "\n" #name "_end:\n.code64\n.popsection\n")
#define KU_CODE16(name, text)	KU_ASM(name, 16, text)
#define KU_CODE32(name, text)	KU_ASM(name, 32, text)
#define KU_CODE64(name, text)	KU_ASM(name, 64, text)

struct ku_vm {
	int dev;		/* the device, /dev/umbra or another */
	int fd;			/* the VM */
	void *mem;		/* slot 0, guest physical 0 */
	size_t mem_size;	/* bytes */
	uint64_t next_page;	/* gpa that ku_page() gives next */
	uint64_t cr3;		/* identity map, 0 until ku_vcpu_long() */
	size_t run_size;	/* bytes of struct kvm_run's mapping */
};

struct ku_vcpu {
	struct ku_vm *vm;
	int fd;
	struct kvm_run *run;
};

/* Path of the device under test. */
const char *ku_device(void);

/* Open the device; skips the whole test where there is none. */
int ku_open(void);

/* KVM_CHECK_EXTENSION on the device. */
int ku_check(int dev, int cap);

/* A VM with @mem bytes at guest physical 0 (0: KU_MEM), nothing else. */
struct ku_vm *ku_vm_new(size_t mem);

/* The same with the irqchip and the PIT in the kernel. */
struct ku_vm *ku_vm_new_irqchip(size_t mem);

/* Close everything of the VM; its vCPUs first. */
void ku_vm_free(struct ku_vm *vm);

/* Anonymous memory of @size bytes as slot @slot at @gpa; returns where. */
void *ku_slot_add(struct ku_vm *vm, uint32_t slot, uint64_t gpa, size_t size,
		  uint32_t flags);

/* Delete a slot; the memory stays mapped in the test. */
void ku_slot_del(struct ku_vm *vm, uint32_t slot);

/* Where the guest's physical address is in this process (slot 0). */
void *ku_ptr(struct ku_vm *vm, uint64_t gpa);

/* Copy guest code to KU_CODE, or to @gpa. */
void ku_load(struct ku_vm *vm, const void *code, size_t size);
void ku_load_at(struct ku_vm *vm, uint64_t gpa, const void *code, size_t size);

/* A zeroed page of guest memory that nobody else has; its gpa. */
uint64_t ku_page(struct ku_vm *vm);

/* Map a page of 4 KiB in the 4-level tables at @cr3, with the bits of @pte. */
void ku_map(struct ku_vm *vm, uint64_t cr3, uint64_t gva, uint64_t gpa,
	    uint64_t pte);

/* The entry that maps @gva at @level (1 is the PTE), NULL if not there. */
uint64_t *ku_pte(struct ku_vm *vm, uint64_t cr3, uint64_t gva, int level);

/* New 4-level tables that map all of slot 0 to itself by 4 KiB pages, user. */
uint64_t ku_identity(struct ku_vm *vm);

/* Point a 64-bit interrupt gate of the IDT at @rip; @ist 0 or 1..7. */
void ku_gate(struct ku_vm *vm, int vector, uint64_t rip, int ist, int dpl);

struct ku_vcpu *ku_vcpu_new(struct ku_vm *vm, unsigned long id);
void ku_vcpu_free(struct ku_vcpu *vcpu);

/* CPUID of the vCPU: all that the device supports. */
void ku_vcpu_cpuid(struct ku_vcpu *vcpu);

/* Engines that run guest kernels at CPL 3 have no SMAP to offer. */
bool ku_offers_smap(struct ku_vm *vm);

/* Real mode, all segments with base 0, at cs:ip 0:@ip. */
void ku_vcpu_real(struct ku_vcpu *vcpu, uint16_t ip);

/* Protected mode without paging, flat 32-bit segments. */
void ku_vcpu_prot(struct ku_vcpu *vcpu, uint32_t eip);

/* Long mode at CPL 0 on the identity map, interrupts off. */
void ku_vcpu_long(struct ku_vcpu *vcpu, uint64_t rip);

struct kvm_regs ku_get_regs(struct ku_vcpu *vcpu);
void ku_set_regs(struct ku_vcpu *vcpu, const struct kvm_regs *regs);
struct kvm_sregs ku_get_sregs(struct ku_vcpu *vcpu);
void ku_set_sregs(struct ku_vcpu *vcpu, const struct kvm_sregs *sregs);

/* KVM_SET_MSRS of one; ends the test when it is refused. */
void ku_set_msr(struct ku_vcpu *vcpu, uint32_t index, uint64_t data);

/*
 * Flat user segments KU_USER_SS and KU_USER_CS in the GDT, whose limit ku_vcpu_user_gdt()
 * sets after each ku_vcpu_long().
 */
#define KU_USER_SS	0x6b
#define KU_USER_CS	0x73
#define KU_USER_LIMIT	0x7f

void ku_user_segments(struct ku_vm *vm);
void ku_vcpu_user_gdt(struct ku_vcpu *vcpu);

/* CPL 3, with these segments. */
void ku_vcpu_user(struct ku_vcpu *vcpu);

/* SYSCALL goes to @entry and clears @mask of RFLAGS; SYSRET comes back to these segments. */
void ku_vcpu_syscall(struct ku_vcpu *vcpu, uint64_t entry, uint64_t mask);

/* KVM_RUN once; the exit reason, or -errno. */
int ku_run(struct ku_vcpu *vcpu);

/* KVM_RUN until an exit of this reason; any other ends the test. */
void ku_run_to(struct ku_vcpu *vcpu, int reason);

/* The value of an OUT exit: ends the test unless it is one to @port. */
uint32_t ku_run_out(struct ku_vcpu *vcpu, uint16_t port);

/* KVM_RUN while a signal comes every 50 ms.  Return: its errno, 0 if it was no error. */
int ku_run_signalled(struct ku_vcpu *vcpu);

/* A name for an exit reason. */
const char *ku_exit_name(int reason);

/* Write a text to a file of the kernel's.  Return: false: errno says why not. */
bool ku_write_file(const char *path, const char *text);

/* A counter of a VM or vCPU by its name (KVM_GET_STATS_FD of @fd); 0 if there is none. */
uint64_t ku_counter(int fd, const char *name);

#endif
