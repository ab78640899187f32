// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fault_inject_test
 *
 * A VM's whole life, again and again: in the n-th round the n-th thing that can
 * fail in our calls does so once, be it an allocation, a copy from or to the
 * caller, or a look-up in the caller's memory: of a frame, of a word of a guest
 * table, of an address (umbra/fail.h).  The call says so or copes; the same call
 * once more succeeds, and the VM ends as usual.  It is over with the first round in
 * which nothing was left to fail.  Then kmemleak is asked whether that left anything
 * behind; whether the kernel warned of something, the bed sees in its log.
 *
 * The kernel's fault injection does it (its fault-injection.rst) by "fail-nth",
 * armed for the length of one call.  A debug kernel has that (make check-debug).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define KMEMLEAK	DEBUGFS "kmemleak"

/* The n-th round is the (n % WORKERS)-th process's. */
#define WORKERS		2
#define MAX_ROUNDS	5000
#define DONE_PORT	0x218
#define MMIO		0x40000000ull
#define BELL		0x40001000ull
#define WINDOW		0x8000000ull
#define EXTRA		0x10000000ull
#define EXTRA_SIZE	(16 * KU_PAGE)

/*
 * Touches fresh pages at rbx, maps one of them at rsi by the PTE at rdi, looks
 * through it, reloads CR3, then port, string and memory-mapped I/O.
 */
KU_CODE64(guest,
	  "mov %rbx, %rax\n"
	  "mov $8, %ecx\n"
	  "1: mov %rax, (%rax)\n"
	  "add $4096, %rax\n"
	  "dec %ecx\n"
	  "jnz 1b\n"
	  "lea 3(%rbx), %rax\n"
	  "mov %rax, (%rdi)\n"
	  "invlpg (%rsi)\n"
	  "mov (%rsi), %rax\n"
	  "addq $4096, (%rdi)\n"
	  "mov %cr3, %rax\n"
	  "mov %rax, %cr3\n"
	  "mov (%rsi), %rax\n"
	  "mov %eax, (%r9)\n"
	  "mov $0x217, %edx\n"
	  "out %al, %dx\n"
	  "mov %rbx, %rsi\n"
	  "mov $4, %ecx\n"
	  "rep outsb\n"
	  "mov %rax, (%r8)\n"
	  "mov (%r8), %rax\n"
	  "cpuid\n"
	  "mov $0x10, %ecx\n"
	  "rdmsr\n"
	  "mov $0x218, %edx\n"
	  "out %al, %dx\n");

static struct faults {
	int nth;		/* fail-nth of this thread */
	unsigned int left;	/* what may still succeed, and the one that will not */
	bool hit;		/* it happened in this round */
	unsigned int rounds;
	unsigned int coped;	/* failures that the call did not show */
	unsigned int told;	/* failures that it did */
	unsigned int odd;	/* of these, with an errno that names no lack */
	unsigned int broken;	/* calls that do not work any more, or never did */
} faults;

static void set_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	/* The write that disarms is a user copy that may fail itself, once. */
	if (pwrite(faults.nth, text, len, 0) != len && pwrite(faults.nth, text, len, 0) != len)
		ktap_bail("fail-nth: %s", strerror(errno));
}

static void arm(void)
{
	if (faults.left)
		set_nth(faults.left);
}

static void write_to(const char *path, const char *text)
{
	if (!ku_write_file(path, text))
		ktap_bail("%s: %s", path, strerror(errno));
}

/* Returns whether the fault came since arm(); errno stays. */
static bool disarm(void)
{
	int err = errno, was_hit = 0;
	char text[16] = "";

	if (!faults.left)
		return false;
	/* This read may be what fails: then one was left. */
	if (pread(faults.nth, text, sizeof(text) - 1, 0) < 0)
		faults.left = 1;
	else
		faults.left = atoi(text);
	set_nth(0);
	if (!faults.left)
		was_hit = faults.hit = true;
	errno = err;
	return was_hit;
}

/* Books what a call that met its failure came to. */
static void book(int ret, const char *name)
{
	if (ret >= 0) {
		faults.coped++;
		return;
	}
	faults.told++;
	if (errno != ENOMEM && errno != EFAULT && errno != EINTR && errno != EAGAIN) {
		faults.odd++;
		ktap_note("%s failed with %s", name, strerror(errno));
	}
}

/* An ioctl in danger; when it fails for that, it is done again and must work. */
static int call(int fd, unsigned long cmd, void *arg, const char *name)
{
	bool was_hit;
	int ret;

	arm();
	ret = ioctl(fd, cmd, arg);
	was_hit = disarm();
	if (was_hit)
		book(ret, name);
	if (ret < 0 && was_hit)
		ret = ioctl(fd, cmd, arg);
	if (ret < 0) {
		ktap_note("%s%s: %s", name, faults.hit ? " after a failure" : "", strerror(errno));
		faults.broken++;
	}
	return ret;
}

#define CALL(fd, cmd, arg) call(fd, cmd, (void *)(uintptr_t)(arg), #cmd)

static void read_all(int fd)
{
	char buf[4096];

	arm();
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	disarm();
	close(fd);
}

static bool is_done(const struct kvm_run *run)
{
	return run->exit_reason == KVM_EXIT_IO && run->io.port == DONE_PORT;
}

/* Runs to the guest's end; one that the failure hits here may end otherwise. */
static void run(struct ku_vcpu *vcpu)
{
	bool was_hit, hit_before = faults.hit;
	unsigned int i;
	int ret;

	for (i = 0; i < 200; i++) {
		arm();
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
		was_hit = disarm();
		if (was_hit)
			book(ret, "KVM_RUN");
		if (ret < 0 && (was_hit || errno == EINTR))
			continue;
		if (ret < 0 || is_done(vcpu->run))
			break;
		if (vcpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR && was_hit)
			continue;
		if (vcpu->run->exit_reason != KVM_EXIT_IO &&
		    vcpu->run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	if (ret < 0 || !is_done(vcpu->run)) {
		ktap_note("KVM_RUN%s: %s", faults.hit ? " after a failure" : "",
			  ret < 0 ? strerror(errno) : ku_exit_name(vcpu->run->exit_reason));
		faults.broken += faults.hit == hit_before;
	}
}

static void slot(struct ku_vm *vm, uint32_t nr, uint64_t gpa, size_t size, void *mem,
		 uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = nr,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)mem,
	};

	CALL(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void *memory(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	return mem;
}

/* Interrupts and doorbells. */
static void wire(struct ku_vm *vm, int fds[2])
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} routes = {
		.head.nr = 2,
		.entry = {
			{ .gsi = 5, .type = KVM_IRQ_ROUTING_IRQCHIP,
			  .u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 5 } },
			{ .gsi = 40, .type = KVM_IRQ_ROUTING_MSI,
			  .u.msi = { .address_lo = 0xfee00000, .data = 0x40 } },
		},
	};
	struct kvm_irqfd irq = { .gsi = 5, .flags = KVM_IRQFD_FLAG_RESAMPLE };
	struct kvm_ioeventfd bell = { .addr = BELL, .len = 4 };
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO + 0x100, .size = 8 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40 };

	CALL(vm->fd, KVM_SET_GSI_ROUTING, &routes);
	irq.fd = fds[0];
	irq.resamplefd = fds[1];
	CALL(vm->fd, KVM_IRQFD, &irq);
	bell.fd = fds[1];
	CALL(vm->fd, KVM_IOEVENTFD, &bell);
	CALL(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone);
	CALL(vm->fd, KVM_SIGNAL_MSI, &msi);
	irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
	CALL(vm->fd, KVM_IRQFD, &irq);
	bell.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	CALL(vm->fd, KVM_IOEVENTFD, &bell);
	bell.flags = 0;
	CALL(vm->fd, KVM_IOEVENTFD, &bell);
	CALL(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone);
}

/* Every state there is, out and in again. */
static void state(struct ku_vcpu *vcpu)
{
	static char buf[16384];
	static const struct {
		unsigned long get, set;
		const char *name;
	} both[] = {
		{ KVM_GET_REGS, KVM_SET_REGS, "REGS" },
		{ KVM_GET_SREGS, KVM_SET_SREGS, "SREGS" },
		{ KVM_GET_FPU, KVM_SET_FPU, "FPU" },
		{ KVM_GET_XSAVE, KVM_SET_XSAVE, "XSAVE" },
		{ KVM_GET_XCRS, KVM_SET_XCRS, "XCRS" },
		{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, "DEBUGREGS" },
		{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, "VCPU_EVENTS" },
		{ KVM_GET_LAPIC, KVM_SET_LAPIC, "LAPIC" },
	};
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} msrs = {
		.head.nmsrs = 2,
		.entry = { { .index = 0x10 }, { .index = 0x277 } },
	};
	unsigned int i;

	for (i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		call(vcpu->fd, both[i].get, buf, both[i].name);
		call(vcpu->fd, both[i].set, buf, both[i].name);
	}
	CALL(vcpu->fd, KVM_GET_MSRS, &msrs);
	CALL(vcpu->fd, KVM_SET_MSRS, &msrs);
}

static struct ku_vcpu *make_vcpu(struct ku_vm *vm)
{
	static struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entry[256];
	} cpuid;
	struct ku_vcpu *vcpu = calloc(1, sizeof(*vcpu));

	vcpu->vm = vm;
	vcpu->fd = CALL(vm->fd, KVM_CREATE_VCPU, 0);
	if (vcpu->fd < 0) {
		free(vcpu);
		return NULL;
	}
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		ktap_bail("mmap of kvm_run: %s", strerror(errno));
	cpuid.head.nent = 256;
	CALL(vm->dev, KVM_GET_SUPPORTED_CPUID, &cpuid);
	CALL(vcpu->fd, KVM_SET_CPUID2, &cpuid);
	return vcpu;
}

static void start(struct ku_vcpu *vcpu)
{
	struct ku_vm *vm = vcpu->vm;
	struct kvm_regs regs;

	ku_load(vm, guest, guest_end - guest);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, MMIO, MMIO, KU_PTE_P | KU_PTE_W);
	ku_map(vm, vm->cr3, BELL, BELL, KU_PTE_P | KU_PTE_W);
	ku_map(vm, vm->cr3, WINDOW, 0, 0);
	regs = ku_get_regs(vcpu);
	regs.rbx = 0x300000;
	regs.rsi = WINDOW;
	/* Tables are mapped to themselves below KU_MEM. */
	regs.rdi = (char *)ku_pte(vm, vm->cr3, WINDOW, 1) - (char *)vm->mem;
	regs.r8 = MMIO;
	regs.r9 = BELL;
	ku_set_regs(vcpu, &regs);
}

static void stats(int fd, unsigned long cmd, const char *name)
{
	int stats_fd = call(fd, cmd, NULL, name);

	if (stats_fd >= 0)
		read_all(stats_fd);
}

static void round_of(struct ku_vm *vm, int fds[2])
{
	struct kvm_pit_config pit = { 0 };
	struct kvm_dirty_log log = { .slot = 1 };
	uint64_t bitmap[1];
	void *extra = memory(EXTRA_SIZE);
	struct ku_vcpu *vcpu;

	CALL(vm->fd, KVM_CREATE_PIT2, &pit);
	slot(vm, 0, 0, vm->mem_size, vm->mem, 0);
	slot(vm, 1, EXTRA, EXTRA_SIZE, extra, 0);
	slot(vm, 1, EXTRA, EXTRA_SIZE, extra, KVM_MEM_LOG_DIRTY_PAGES);
	vcpu = make_vcpu(vm);
	if (vcpu) {
		start(vcpu);
		run(vcpu);
		/* The host takes the guest's memory away; it starts again. */
		madvise((char *)vm->mem + 0x300000, 0x20000, MADV_DONTNEED);
		start(vcpu);
		run(vcpu);
		state(vcpu);
		stats(vcpu->fd, KVM_GET_STATS_FD, "KVM_GET_STATS_FD");
	}
	wire(vm, fds);
	log.dirty_bitmap = bitmap;
	CALL(vm->fd, KVM_GET_DIRTY_LOG, &log);
	slot(vm, 1, EXTRA + EXTRA_SIZE, EXTRA_SIZE, extra, KVM_MEM_LOG_DIRTY_PAGES);
	slot(vm, 1, 0, 0, NULL, 0);
	stats(vm->fd, KVM_GET_STATS_FD, "KVM_GET_STATS_FD");
	if (vcpu)
		ku_vcpu_free(vcpu);
	munmap(extra, EXTRA_SIZE);
}

/* One life; false when nothing failed any more. */
static bool live(unsigned int nth)
{
	struct ku_vm *vm = calloc(1, sizeof(*vm));
	int fds[2] = { eventfd(0, 0), eventfd(0, 0) };

	faults.left = nth;
	faults.hit = false;
	vm->dev = ku_open();
	vm->run_size = ioctl(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0ul);
	vm->mem_size = KU_MEM;
	vm->mem = memory(KU_MEM);
	vm->next_page = KU_POOL;
	vm->fd = CALL(vm->dev, KVM_CREATE_VM, 0);
	if (vm->fd >= 0) {
		CALL(vm->fd, KVM_CREATE_IRQCHIP, 0);
		round_of(vm, fds);
	}
	arm();
	ku_vm_free(vm);
	disarm();
	close(fds[0]);
	close(fds[1]);
	return faults.hit;
}

/* What can fail.  Each counts its failures down from here. */
#define TIMES	1000000

static const char *const kinds[] = {
	"failslab", "fail_page_alloc", "fail_usercopy", "fail_umbra_lookup",
};

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

static void set_kind(const char *kind, const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, name);
	write_to(path, text);
}

/* How often this kind failed since set_up(). */
static unsigned int failures(const char *kind)
{
	char path[128], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), DEBUGFS "%s/times", kind);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		ktap_bail("%s: %s", path, strerror(errno));
	close(fd);
	return TIMES - atoi(text);
}

/* All that sleeps may fail, down to single pages, silently. */
static void set_up(void)
{
	char times[16];
	unsigned int i;

	snprintf(times, sizeof(times), "%u", TIMES);
	for (i = 0; i < NR_KINDS; i++) {
		set_kind(kinds[i], "verbose", "0");
		set_kind(kinds[i], "times", times);
	}
	set_kind("failslab", "ignore-gfp-wait", "N");
	set_kind("fail_page_alloc", "ignore-gfp-wait", "N");
	set_kind("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_kind("fail_page_alloc", "min-order", "0");
}

/*
 * The length of kmemleak's report.  It takes what is younger than 5 s for alive, and a
 * pointer that moved during the first look is found by the second.
 */
static size_t leaks(void)
{
	char text[4096];
	size_t sum = 0;
	ssize_t got;
	int fd;

	sleep(6);
	write_to(KMEMLEAK, "scan");
	write_to(KMEMLEAK, "scan");
	fd = open(KMEMLEAK, O_RDONLY);
	if (fd < 0)
		ktap_bail(KMEMLEAK ": %s", strerror(errno));
	while ((got = read(fd, text, sizeof(text))) > 0)
		sum += got;
	close(fd);
	return sum;
}

/* Round after round until nothing fails any more, from @n on. */
static void rounds(unsigned int n, unsigned int step)
{
	faults.nth = open("/proc/thread-self/fail-nth", O_RDWR);
	if (faults.nth < 0)
		ktap_bail("fail-nth: %s", strerror(errno));
	do {
		live(n);
		faults.rounds++;
		n += step;
	} while (faults.hit && n < MAX_ROUNDS && faults.broken < 20);
	close(faults.nth);
}

static void test(void)
{
	struct faults *all = mmap(NULL, KU_PAGE, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct faults sum = { .hit = false };
	unsigned int i;

	if (all == MAP_FAILED)
		ktap_bail("mmap: %s", strerror(errno));
	for (i = 0; i < WORKERS; i++) {
		all[i].broken = 1;	/* if it does not come to its end */
		if (fork())
			continue;
		rounds(i + 1, WORKERS);
		all[i] = faults;
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	for (i = 0; i < WORKERS; i++) {
		sum.hit |= all[i].hit;
		sum.rounds += all[i].rounds;
		sum.told += all[i].told;
		sum.coped += all[i].coped;
		sum.odd += all[i].odd;
		sum.broken += all[i].broken;
	}
	munmap(all, KU_PAGE);
	ktap_note("%u failures, %u told, %u coped with", sum.rounds - WORKERS, sum.told, sum.coped);
	ktap_ok(!sum.hit && sum.rounds > WORKERS, "everything failed once");
	for (i = 0; i < NR_KINDS; i++)
		ktap_ok(failures(kinds[i]), "%s: %u times", kinds[i], failures(kinds[i]));
	ktap_ok(!sum.odd, "the errno said so");
	ktap_ok(!sum.broken, "the same once more worked");
}

int main(void)
{
	bool asks = !access(KMEMLEAK, F_OK);
	size_t before = 0;

	close(ku_open());
	if (access("/proc/thread-self/fail-nth", F_OK) || access(DEBUGFS "fail_usercopy", F_OK))
		ktap_skip_all("this kernel has no fault injection (make check-debug has)");
	ktap_plan(6 + NR_KINDS);
	set_up();
	ktap_ok(!live(0) && !faults.broken, "without a failure everything works");
	if (asks)
		before = leaks();
	test();
	ktap_ok(!live(0) && !faults.broken, "afterwards everything works");
	if (asks)
		ktap_ok(leaks() == before, "nothing leaked");
	else
		ktap_skip("nothing leaked", "this kernel has no kmemleak");
	ktap_exit();
}
