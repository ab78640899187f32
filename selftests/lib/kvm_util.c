// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: kvm_util
 *
 * Implementation of the tests' small VM; see kvm_util.h.  Everything here
 * goes by the documented ioctls only.
 */
#include "kvm_util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "ktap.h"

/* Control register and EFER bits that the modes below take. */
#define CR0_PE		(1u << 0)
#define CR0_MP		(1u << 1)
#define CR0_ET		(1u << 4)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define CR4_OSFXSR	(1u << 9)
#define CR4_OSXMMEXCPT	(1u << 10)
#define EFER_SCE	(1u << 0)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define EFER_NX		(1u << 11)

static int must(int ret, const char *what)
{
	if (ret < 0)
		ktap_bail("%s: %s", what, strerror(errno));
	return ret;
}

const char *ku_device(void)
{
	const char *path = getenv("UMBRA_DEVICE");

	return path && *path ? path : "/dev/umbra";
}

int ku_open(void)
{
	int fd = open(ku_device(), O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENODEV))
		ktap_skip_all("%s: %s", ku_device(), strerror(errno));
	return must(fd, ku_device());
}

int ku_check(int dev, int cap)
{
	return ioctl(dev, KVM_CHECK_EXTENSION, (long)cap);
}

static void *get_memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		ktap_bail("mmap of %zu bytes: %s", size, strerror(errno));
	return mem;
}

void *ku_slot_add(struct ku_vm *vm, uint32_t slot, uint64_t gpa, size_t size,
		  uint32_t flags)
{
	void *mem = get_memory(size);
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
	     "KVM_SET_USER_MEMORY_REGION");
	return mem;
}

void ku_slot_del(struct ku_vm *vm, uint32_t slot)
{
	struct kvm_userspace_memory_region region = { .slot = slot };

	must(ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region),
	     "KVM_SET_USER_MEMORY_REGION to delete");
}

/* An 8-byte descriptor, flat where it matters; see the SDM, vol. 3A, 3.4.5. */
static uint64_t flat_descriptor(uint8_t type, uint8_t flags)
{
	return 0xffffull | (uint64_t)type << 40 |
	       (uint64_t)(flags << 4 | 0xf) << 48;
}

/* GDT and TSS as the map in kvm_util.h has them. */
static void make_tables(struct ku_vm *vm)
{
	uint64_t *gdt = ku_ptr(vm, KU_GDT);
	uint8_t *tss = ku_ptr(vm, KU_TSS);
	uint64_t stack = KU_STACK - 0x1000;
	int offset;

	gdt[KU_CS64 / 8] = flat_descriptor(0x9b, 0xa);
	gdt[KU_DS / 8] = flat_descriptor(0x93, 0xc);
	gdt[KU_CS32 / 8] = flat_descriptor(0x9b, 0xc);
	gdt[KU_TR / 8] = 0x67ull | (uint64_t)KU_TSS << 16 | 0x8bull << 40;
	gdt[KU_TR / 8 + 1] = 0;
	/* RSP0..2 at 4, IST1..7 at 0x24 */
	for (offset = 4; offset < 0x1c; offset += 8)
		memcpy(tss + offset, &stack, 8);
	for (offset = 0x24; offset < 0x5c; offset += 8)
		memcpy(tss + offset, &stack, 8);
}

struct ku_vm *ku_vm_new(size_t mem)
{
	struct ku_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		ktap_bail("out of memory");
	vm->dev = ku_open();
	vm->fd = must(ioctl(vm->dev, KVM_CREATE_VM, 0ul), "KVM_CREATE_VM");
	vm->run_size = must(ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0ul),
			    "KVM_GET_VCPU_MMAP_SIZE");
	vm->mem_size = mem ? mem : KU_MEM;
	vm->mem = ku_slot_add(vm, 0, 0, vm->mem_size, 0);
	vm->next_page = KU_POOL;
	/* Intel hosts need these before the first real-mode guest runs. */
	ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	make_tables(vm);
	return vm;
}

struct ku_vm *ku_vm_new_irqchip(size_t mem)
{
	struct kvm_pit_config pit = { 0 };
	struct ku_vm *vm = ku_vm_new(mem);

	must(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0ul), "KVM_CREATE_IRQCHIP");
	must(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	return vm;
}

void ku_vm_free(struct ku_vm *vm)
{
	close(vm->fd);
	close(vm->dev);
	munmap(vm->mem, vm->mem_size);
	free(vm);
}

void *ku_ptr(struct ku_vm *vm, uint64_t gpa)
{
	if (gpa >= vm->mem_size)
		ktap_bail("gpa %#llx is outside the test's memory",
			  (unsigned long long)gpa);
	return (char *)vm->mem + gpa;
}

void ku_load_at(struct ku_vm *vm, uint64_t gpa, const void *code, size_t size)
{
	ku_ptr(vm, gpa + size);
	memcpy(ku_ptr(vm, gpa), code, size);
}

void ku_load(struct ku_vm *vm, const void *code, size_t size)
{
	ku_load_at(vm, KU_CODE, code, size);
}

uint64_t ku_page(struct ku_vm *vm)
{
	uint64_t gpa = vm->next_page;

	memset(ku_ptr(vm, gpa), 0, KU_PAGE);
	vm->next_page += KU_PAGE;
	return gpa;
}

#define PTE_ADDR	0x000ffffffffff000ull

static uint64_t *entry_of(struct ku_vm *vm, uint64_t table, uint64_t gva,
			  int level)
{
	return (uint64_t *)ku_ptr(vm, table & PTE_ADDR) +
	       (gva >> (3 + 9 * level) & 511);
}

void ku_map(struct ku_vm *vm, uint64_t cr3, uint64_t gva, uint64_t gpa,
	    uint64_t pte)
{
	uint64_t table = cr3, *entry;
	int level;

	for (level = 4; level > 1; level--) {
		entry = entry_of(vm, table, gva, level);
		if (!(*entry & KU_PTE_P))
			*entry = ku_page(vm) | KU_PTE_P | KU_PTE_W | KU_PTE_U;
		table = *entry;
	}
	*entry_of(vm, table, gva, 1) = gpa | pte;
}

uint64_t *ku_pte(struct ku_vm *vm, uint64_t cr3, uint64_t gva, int level)
{
	uint64_t table = cr3, *entry;
	int at;

	for (at = 4; ; at--) {
		entry = entry_of(vm, table, gva, at);
		if (at == level)
			return entry;
		if (!(*entry & KU_PTE_P) || (at < 4 && *entry & KU_PTE_PS))
			return NULL;
		table = *entry;
	}
}

uint64_t ku_identity(struct ku_vm *vm)
{
	uint64_t cr3 = ku_page(vm), gpa;

	for (gpa = 0; gpa < vm->mem_size; gpa += KU_PAGE)
		ku_map(vm, cr3, gpa, gpa, KU_PTE_P | KU_PTE_W | KU_PTE_U);
	return cr3;
}

void ku_gate(struct ku_vm *vm, int vector, uint64_t rip, int ist, int dpl)
{
	uint64_t *gate = (uint64_t *)ku_ptr(vm, KU_IDT) + 2 * vector;

	gate[0] = (rip & 0xffff) | (uint64_t)KU_CS64 << 16 |
		  (uint64_t)ist << 32 | (uint64_t)(0x8e | dpl << 5) << 40 |
		  (rip >> 16 & 0xffff) << 48;
	gate[1] = rip >> 32;
}

struct ku_vcpu *ku_vcpu_new(struct ku_vm *vm, unsigned long id)
{
	struct ku_vcpu *vcpu = calloc(1, sizeof(*vcpu));

	if (!vcpu)
		ktap_bail("out of memory");
	vcpu->vm = vm;
	vcpu->fd = must(ioctl(vm->fd, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		ktap_bail("mmap of struct kvm_run: %s", strerror(errno));
	ku_vcpu_cpuid(vcpu);
	return vcpu;
}

void ku_vcpu_free(struct ku_vcpu *vcpu)
{
	munmap(vcpu->run, vcpu->vm->run_size);
	close(vcpu->fd);
	free(vcpu);
}

static struct kvm_cpuid2 *supported_cpuid(struct ku_vm *vm)
{
	const int count = 256;
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + count * sizeof(cpuid->entries[0]));

	if (!cpuid)
		ktap_bail("out of memory");
	cpuid->nent = count;
	must(ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	return cpuid;
}

bool ku_offers_smap(struct ku_vm *vm)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(vm);
	uint32_t ebx = 0;
	unsigned int i;

	for (i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == 7 && !cpuid->entries[i].index)
			ebx = cpuid->entries[i].ebx;
	free(cpuid);
	return ebx & 1u << 20;
}

void ku_vcpu_cpuid(struct ku_vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = supported_cpuid(vcpu->vm);

	must(ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

struct kvm_regs ku_get_regs(struct ku_vcpu *vcpu)
{
	struct kvm_regs regs;

	must(ioctl(vcpu->fd, KVM_GET_REGS, &regs), "KVM_GET_REGS");
	return regs;
}

void ku_set_regs(struct ku_vcpu *vcpu, const struct kvm_regs *regs)
{
	must(ioctl(vcpu->fd, KVM_SET_REGS, regs), "KVM_SET_REGS");
}

struct kvm_sregs ku_get_sregs(struct ku_vcpu *vcpu)
{
	struct kvm_sregs sregs;

	must(ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	return sregs;
}

void ku_set_sregs(struct ku_vcpu *vcpu, const struct kvm_sregs *sregs)
{
	must(ioctl(vcpu->fd, KVM_SET_SREGS, sregs), "KVM_SET_SREGS");
}

void ku_set_msr(struct ku_vcpu *vcpu, uint32_t index, uint64_t data)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = index, .data = data } };

	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) != 1)
		ktap_bail("MSR %#x refused", index);
}

void ku_user_segments(struct ku_vm *vm)
{
	uint64_t *gdt = ku_ptr(vm, KU_GDT);

	gdt[KU_USER_SS >> 3] = 0x00cff3000000ffff;
	gdt[KU_USER_CS >> 3] = 0x00affb000000ffff;
}

void ku_vcpu_user_gdt(struct ku_vcpu *vcpu)
{
	struct kvm_sregs sregs = ku_get_sregs(vcpu);

	sregs.gdt.limit = KU_USER_LIMIT;
	ku_set_sregs(vcpu, &sregs);
}

void ku_vcpu_user(struct ku_vcpu *vcpu)
{
	struct kvm_sregs sregs = ku_get_sregs(vcpu);

	sregs.cs.selector = KU_USER_CS;
	sregs.ss.selector = KU_USER_SS;
	sregs.cs.dpl = 3;
	sregs.ss.dpl = 3;
	ku_set_sregs(vcpu, &sregs);
}

void ku_vcpu_syscall(struct ku_vcpu *vcpu, uint64_t entry, uint64_t mask)
{
	const uint32_t star = 0xc0000081, lstar = 0xc0000082, sfmask = 0xc0000084;

	/* SYSRET adds 8 and 16 (SDM Vol. 2B, SYSRET). */
	ku_set_msr(vcpu, star, (uint64_t)(KU_USER_SS - 8 - 3) << 48 | (uint64_t)KU_CS64 << 32);
	ku_set_msr(vcpu, lstar, entry);
	ku_set_msr(vcpu, sfmask, mask);
}

static void set_start(struct ku_vcpu *vcpu, uint64_t rip)
{
	struct kvm_regs regs = {
		.rip = rip,
		.rsp = KU_STACK - 0x10,
		.rflags = 2,
	};

	ku_set_regs(vcpu, &regs);
}

void ku_vcpu_real(struct ku_vcpu *vcpu, uint16_t ip)
{
	struct kvm_sregs sregs = ku_get_sregs(vcpu);
	struct kvm_segment *data[] = { &sregs.ds, &sregs.es, &sregs.fs,
				       &sregs.gs, &sregs.ss };
	struct kvm_regs regs = { .rip = ip, .rsp = 0x7ff0, .rflags = 2 };
	unsigned int i;

	sregs.cs.selector = 0;
	sregs.cs.base = 0;
	for (i = 0; i < sizeof(data) / sizeof(data[0]); i++) {
		data[i]->selector = 0;
		data[i]->base = 0;
	}
	ku_set_sregs(vcpu, &sregs);
	ku_set_regs(vcpu, &regs);
}

static struct kvm_segment flat_segment(uint16_t selector, bool code, bool l)
{
	return (struct kvm_segment) {
		.limit = 0xffffffff,
		.selector = selector,
		.type = code ? 11 : 3,
		.present = 1,
		.db = !l,
		.s = 1,
		.l = l,
		.g = 1,
	};
}

static void set_tables(struct kvm_sregs *sregs)
{
	sregs->gdt.base = KU_GDT;
	sregs->gdt.limit = KU_TR + 15;
	sregs->idt.base = KU_IDT;
	sregs->idt.limit = 256 * 16 - 1;
	sregs->tr = (struct kvm_segment) {
		.base = KU_TSS,
		.limit = 0x67,
		.selector = KU_TR,
		.type = 11,
		.present = 1,
	};
	sregs->ds = flat_segment(KU_DS, false, false);
	sregs->es = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->ss = sregs->ds;
}

void ku_vcpu_prot(struct ku_vcpu *vcpu, uint32_t eip)
{
	struct kvm_sregs sregs = ku_get_sregs(vcpu);

	set_tables(&sregs);
	sregs.cs = flat_segment(KU_CS32, true, false);
	sregs.cr0 = CR0_PE | CR0_ET | CR0_NE;
	ku_set_sregs(vcpu, &sregs);
	set_start(vcpu, eip);
}

void ku_vcpu_long(struct ku_vcpu *vcpu, uint64_t rip)
{
	struct kvm_sregs sregs = ku_get_sregs(vcpu);
	struct ku_vm *vm = vcpu->vm;

	if (!vm->cr3)
		vm->cr3 = ku_identity(vm);
	set_tables(&sregs);
	sregs.cs = flat_segment(KU_CS64, true, true);
	sregs.cr0 = CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG;
	sregs.cr3 = vm->cr3;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	sregs.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX;
	ku_set_sregs(vcpu, &sregs);
	set_start(vcpu, rip);
}

int ku_run(struct ku_vcpu *vcpu)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0ul) < 0)
		return -errno;
	return vcpu->run->exit_reason;
}

const char *ku_exit_name(int reason)
{
	static const char * const names[] = {
		[KVM_EXIT_UNKNOWN] = "UNKNOWN",
		[KVM_EXIT_EXCEPTION] = "EXCEPTION",
		[KVM_EXIT_IO] = "IO",
		[KVM_EXIT_HYPERCALL] = "HYPERCALL",
		[KVM_EXIT_DEBUG] = "DEBUG",
		[KVM_EXIT_HLT] = "HLT",
		[KVM_EXIT_MMIO] = "MMIO",
		[KVM_EXIT_IRQ_WINDOW_OPEN] = "IRQ_WINDOW_OPEN",
		[KVM_EXIT_SHUTDOWN] = "SHUTDOWN",
		[KVM_EXIT_FAIL_ENTRY] = "FAIL_ENTRY",
		[KVM_EXIT_INTR] = "INTR",
		[KVM_EXIT_SET_TPR] = "SET_TPR",
		[KVM_EXIT_TPR_ACCESS] = "TPR_ACCESS",
		[KVM_EXIT_INTERNAL_ERROR] = "INTERNAL_ERROR",
		[KVM_EXIT_SYSTEM_EVENT] = "SYSTEM_EVENT",
	};

	if (reason < 0)
		return strerror(-reason);
	if ((size_t)reason < sizeof(names) / sizeof(names[0]) && names[reason])
		return names[reason];
	return "(no name)";
}

static void bail_exit(struct ku_vcpu *vcpu, int got, const char *wanted)
{
	struct kvm_regs regs = ku_get_regs(vcpu);

	if (got == KVM_EXIT_INTERNAL_ERROR)
		ktap_note("internal error, suberror %u",
			  vcpu->run->internal.suberror);
	if (got == KVM_EXIT_IO)
		ktap_note("I/O at port %#x", vcpu->run->io.port);
	if (got == KVM_EXIT_MMIO)
		ktap_note("MMIO at %#llx", vcpu->run->mmio.phys_addr);
	ktap_bail("exit %s (%d) where %s was due, rip %#llx",
		  ku_exit_name(got), got, wanted, regs.rip);
}

void ku_run_to(struct ku_vcpu *vcpu, int reason)
{
	int got = ku_run(vcpu);

	if (got != reason)
		bail_exit(vcpu, got, ku_exit_name(reason));
}

uint32_t ku_run_out(struct ku_vcpu *vcpu, uint16_t port)
{
	struct kvm_run *run = vcpu->run;
	uint32_t value = 0;
	int got = ku_run(vcpu);

	if (got != KVM_EXIT_IO || run->io.port != port ||
	    run->io.direction != KVM_EXIT_IO_OUT)
		bail_exit(vcpu, got, "an OUT");
	memcpy(&value, (char *)run + run->io.data_offset, run->io.size);
	return value;
}

static void on_alarm(int sig)
{
	(void)sig;
}

int ku_run_signalled(struct ku_vcpu *vcpu)
{
	struct itimerval every = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };
	struct sigaction act = { .sa_handler = on_alarm };
	int err;

	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	err = ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? errno : 0;
	setitimer(ITIMER_REAL, &never, NULL);
	return err;
}

bool ku_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY), err;
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	err = errno;
	close(fd);
	errno = err;
	return n == (ssize_t)strlen(text);
}

uint64_t ku_counter(int fd, const char *name)
{
	int file = ioctl(fd, KVM_GET_STATS_FD, 0);
	static char image[64 * 1024];
	const struct kvm_stats_header *head = (void *)image;
	uint64_t val = 0;
	uint32_t i;

	if (file < 0 || pread(file, image, sizeof(image), 0) < (ssize_t)sizeof(*head))
		ktap_bail("no counters");
	for (i = 0; i < head->num_desc; i++) {
		const struct kvm_stats_desc *d = (void *)(image + head->desc_offset +
				i * (sizeof(*d) + head->name_size));

		if (!strcmp(d->name, name))
			memcpy(&val, image + head->data_offset + d->offset, sizeof(val));
	}
	close(file);
	return val;
}
