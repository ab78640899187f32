// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: lifetime_test
 *
 * VMs end in every way: fds closed in any order, the process killed in the
 * middle of anything, its memory gone before its fds.  Afterwards nothing is
 * left: processes end, pages come back, the module could go.
 */
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "abi_check.h"

/* Writes to all of 2 MiB from RBX up, tells, then does so for ever. */
KU_CODE64(busy,
	  "1: mov %rbx, %rdi\n"
	  "mov $512, %ecx\n"
	  "2: mov %rax, (%rdi)\n"
	  "add $4096, %rdi\n"
	  "dec %ecx\n"
	  "jnz 2b\n"
	  "mov $0x217, %edx\n"
	  "out %eax, %dx\n"
	  "3: add $1, %rax\n"
	  "jmp 3b\n");

KU_CODE64(halt, "hlt\n");

static void test_other_process(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	struct kvm_regs regs;
	int status;

	if (!fork()) {
		bool good = ioctl(vm->fd, KVM_CREATE_VCPU, 1ul) < 0 && errno == EIO;

		good &= ioctl(vcpu->fd, KVM_GET_REGS, &regs) < 0 && errno == EIO;
		good &= ioctl(vcpu->fd, KVM_RUN, 0) < 0 && errno == EIO;
		_exit(!good);
	}
	wait(&status);
	ktap_ok(!status, "another process gets EIO");
	works(ioctl(vcpu->fd, KVM_GET_REGS, &regs), "its own process does not");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
}

/* The fds go on in a child while the memory's process is gone. */
static void test_orphan(void)
{
	int pipefd[2], status = -1;
	char answer = 1;

	if (pipe(pipefd))
		ktap_bail("pipe: %s", strerror(errno));
	if (!fork()) {
		struct ku_vm *vm = ku_vm_new(0);
		struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
		struct kvm_regs regs = { .rbx = 0x200000 };

		ku_load(vm, busy, busy_end - busy);
		ku_vcpu_long(vcpu, KU_CODE);
		regs = ku_get_regs(vcpu);
		regs.rbx = 0x200000;
		ku_set_regs(vcpu, &regs);
		ku_run_out(vcpu, 0x217);
		if (!fork()) {
			usleep(300000);
			answer = !(ioctl(vcpu->fd, KVM_RUN, 0) < 0 && errno == EIO);
			answer |= !(ioctl(vm->fd, KVM_CREATE_VCPU, 1ul) < 0 && errno == EIO);
			close(vm->fd);
			close(vcpu->fd);
			if (write(pipefd[1], &answer, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	wait(&status);
	if (read(pipefd[0], &answer, 1) != 1)
		answer = 1;
	ktap_ok(!answer, "fds outlive their memory, and say EIO");
	close(pipefd[0]);
	close(pipefd[1]);
}

static void test_orders(void)
{
	struct kvm_regs regs;
	int dev = ku_open();
	int vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0ul);
	int stats = ioctl(vcpu, KVM_GET_STATS_FD, 0);
	void *run = mmap(NULL, KU_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	char byte;

	close(dev);
	works(ioctl(vcpu, KVM_GET_REGS, &regs), "a vCPU outlives the device fd");
	close(vm);
	works(ioctl(vcpu, KVM_GET_REGS, &regs), "a vCPU outlives the VM fd");
	close(vcpu);
	ktap_ok(*(volatile char *)run == 0, "the mapping outlives the vCPU fd");
	munmap(run, KU_PAGE);
	ktap_ok(pread(stats, &byte, 1, 0) == 1, "the statistics outlive all");
	close(stats);
}

static void test_unload(void)
{
	int dev, vm;

	if (!is_umbra()) {
		ktap_skip("rmmod is refused", "this is KVM");
		return;
	}
	dev = ku_open();
	vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	close(dev);
	fails(syscall(SYS_delete_module, "umbra", O_NONBLOCK), EWOULDBLOCK,
	      "rmmod while a VM is there");
	close(vm);
}

/* Death in the middle of things. */

struct guest {
	struct ku_vm *vm;
	struct ku_vcpu *vcpu;
};

static struct guest start_busy(void)
{
	struct guest g = { .vm = ku_vm_new_irqchip(0) };
	struct kvm_regs regs;

	g.vcpu = ku_vcpu_new(g.vm, 0);
	ku_load(g.vm, busy, busy_end - busy);
	ku_vcpu_long(g.vcpu, KU_CODE);
	regs = ku_get_regs(g.vcpu);
	regs.rbx = 0x200000;
	ku_set_regs(g.vcpu, &regs);
	ku_run_out(g.vcpu, 0x217);
	return g;
}

static void die_running(void)
{
	struct guest g = start_busy();

	ku_run(g.vcpu);
}

static void die_halted(void)
{
	struct ku_vm *vm = ku_vm_new_irqchip(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);

	ku_load(vm, halt, halt_end - halt);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_run(vcpu);
}

static void die_waiting(void)
{
	struct ku_vm *vm = ku_vm_new_irqchip(0);

	ku_vcpu_new(vm, 0);
	/* An application processor waits for its INIT. */
	ku_run(ku_vcpu_new(vm, 1));
}

static void die_with_eventfds(void)
{
	struct ku_vm *vm = ku_vm_new_irqchip(0);
	unsigned int i;

	for (i = 0; i < 20; i++) {
		struct kvm_irqfd irq = { .fd = eventfd(0, 0), .gsi = i };
		struct kvm_ioeventfd io = {
			.fd = eventfd(0, 0),
			.addr = 0x20000000 + 8 * i,
			.len = 4,
		};

		if (i & 1) {
			irq.flags = KVM_IRQFD_FLAG_RESAMPLE;
			irq.resamplefd = eventfd(0, 0);
		}
		ioctl(vm->fd, KVM_IRQFD, &irq);
		ioctl(vm->fd, KVM_IOEVENTFD, &io);
	}
	pause();
}

static void die_mapping(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	unsigned int i;

	for (i = 1;; i++) {
		ku_slot_add(vm, 1 + i % 8, 0x10000000 + (i % 8) * 0x100000, 16 * KU_PAGE,
			    i & 8 ? KVM_MEM_LOG_DIRTY_PAGES : 0);
		if (i >= 8)
			break;
	}
	for (i = 0;; i++) {
		ku_slot_del(vm, 1 + i % 8);
		ku_slot_add(vm, 1 + i % 8, 0x10000000 + (i % 8) * 0x100000, 16 * KU_PAGE, 0);
	}
}

/* Does a child that does @what die when killed after @ms? */
static bool kill_child(void (*what)(void), unsigned int ms)
{
	struct timespec tick = { .tv_nsec = 10000000 };
	unsigned int i;
	pid_t pid = fork();

	if (!pid) {
		what();
		_exit(0);
	}
	usleep(ms * 1000);
	kill(pid, SIGKILL);
	for (i = 0; i < 1000; i++) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return true;
		nanosleep(&tick, NULL);
	}
	return false;
}

static void test_kill(void)
{
	ktap_ok(kill_child(die_running, 200), "killed while the guest runs");
	ktap_ok(kill_child(die_halted, 200), "killed while the guest sleeps in HLT");
	ktap_ok(kill_child(die_waiting, 200), "killed while a vCPU waits for INIT");
	ktap_ok(kill_child(die_with_eventfds, 200), "killed with eventfds");
	ktap_ok(kill_child(die_mapping, 200), "killed while slots come and go");
}

static void *run_thread(void *arg)
{
	struct ku_vcpu *vcpu = arg;

	return (void *)(long)ku_run(vcpu);
}

static void on_signal(int sig)
{
	(void)sig;
}

/* System calls end with EINTR. */
static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
}

/* The guest's memory goes under the running guest. */
static void test_memory_gone(void)
{
	struct guest g = start_busy();
	pthread_t thread;
	void *ret;

	catch_signals();
	pthread_create(&thread, NULL, run_thread, g.vcpu);
	usleep(100000);
	munmap(g.vm->mem, g.vm->mem_size);
	g.vm->mem = NULL;
	usleep(100000);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, &ret);
	ktap_ok((long)ret == -EFAULT || (long)ret == KVM_EXIT_INTERNAL_ERROR ||
		(long)ret == KVM_EXIT_SHUTDOWN || (long)ret == KVM_EXIT_MMIO,
		"memory unmapped under a running guest: %s",
		(long)ret < 0 ? strerror(-(long)ret) : ku_exit_name((long)ret));
	close(g.vcpu->fd);
	close(g.vm->fd);
}

/* debug/kasan.config names it so. */
static bool is_kasan(void)
{
	struct utsname kernel;

	return !uname(&kernel) && strstr(kernel.release, "-kasan");
}

/*
 * A kernel with KASAN keeps freed objects in quarantine, some hundredths of the
 * memory, until the caches are shrunk.  On others that would only make the first
 * count lower: full caches belong to a running system.
 */
static void shrink_caches(void)
{
	glob_t caches;
	size_t i;
	FILE *f;

	if (!is_kasan())
		return;
	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		return;
	for (i = 0; i < caches.gl_pathc; i++) {
		f = fopen(caches.gl_pathv[i], "w");
		if (!f)
			continue;
		fputs("1", f);
		fclose(f);
	}
	globfree(&caches);
}

/* On the processors' own lists, in pages: not free, says /proc/meminfo. */
static long pages_at_hand(void)
{
	char line[128];
	long sum = 0, n;
	FILE *f;

	f = fopen("/proc/zoneinfo", "r");
	if (!f)
		ktap_bail("/proc/zoneinfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %ld", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

static long free_pages(void)
{
	char line[128];
	long sum = 0, kb;
	FILE *f;

	shrink_caches();
	f = fopen("/proc/meminfo", "r");
	if (!f)
		ktap_bail("/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemFree: %ld", &kb) == 1 || sscanf(line, "Cached: %ld", &kb) == 1 ||
		    sscanf(line, "Buffers: %ld", &kb) == 1 ||
		    sscanf(line, "SReclaimable: %ld", &kb) == 1)
			sum += kb;
	fclose(f);
	return sum / 4 + pages_at_hand();
}

static void run_and_kill(unsigned int n)
{
	while (n--)
		kill_child(die_running, 60);
}

/*
 * 512 pages of guest memory and a dozen shadow pages a VM, of which none may be lost.  Others use memory,
 * too: a real loss shows three times.  KASAN's shadow of what was vfree()d comes back in
 * lumps, every few hundred VMs: there, it takes longer to tell.
 */
static void test_leak(void)
{
	const unsigned int rounds = 60, tries = is_kasan() ? 8 : 3;
	const long per_guest = is_kasan() ? 8 : 1;
	long before, lost = 0;
	unsigned int i;

	run_and_kill(10);
	for (i = 0; i < tries; i++) {
		usleep(500000);
		before = free_pages();
		run_and_kill(rounds);
		usleep(500000);
		lost = before - free_pages();
		if (lost < per_guest * rounds)
			break;
	}
	ktap_ok(i < tries, "%u killed guests leave %ld pages", rounds, lost);
}

int main(void)
{
	close(ku_open());
	ktap_plan(2 + 1 + 4 + 1 + 5 + 1 + 1);
	test_other_process();
	test_orphan();
	test_orders();
	test_unload();
	test_kill();
	test_memory_gone();
	test_leak();
	ktap_exit();
}
