// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: race_test
 *
 * Everything at once, for a few seconds: a guest runs on two vCPUs while other
 * threads change its slots, read its log and its statistics, add and remove
 * eventfds, make vCPUs and throw commands with senseless arguments at every fd.  What counts is that all of it
 * ends, and that the kernel log stays empty, which the test bed looks at.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>

#include "abi_check.h"
#include "xorshift.h"

#define SECONDS	3
#define GPA	0x10000000ull
#define SIZE	(64 * KU_PAGE)

/* Walks over the pages at GPA, in memory or not. */
KU_CODE64(walker,
	  "1: mov $0x10000000, %edi\n"
	  "mov $64, %ecx\n"
	  "2: mov %rax, (%rdi)\n"
	  "add (%rdi), %rax\n"
	  "add $4096, %rdi\n"
	  "dec %ecx\n"
	  "jnz 2b\n"
	  "jmp 1b\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpus[2];
static int stats[2];
static void *memory;
static volatile bool stop;
static unsigned long runs[2], changes, logs, events, commands, reads;

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

static void run_vcpu(unsigned int i)
{
	while (!stop) {
		int reason = ku_run(vcpus[i]);

		if (reason == KVM_EXIT_MMIO || reason == -EINTR || reason == -EFAULT ||
		    reason == -EAGAIN) {
			runs[i]++;
			continue;
		}
		if (stop)
			break;
		ktap_note("exit %d", reason);
		break;
	}
}

static void *runner(void *unused __attribute__((unused)))
{
	run_vcpu(0);
	return NULL;
}

static void *second_runner(void *unused __attribute__((unused)))
{
	run_vcpu(1);
	return NULL;
}

/* All counters of the VM and of a vCPU that runs. */
static void *stats_reader(void *unused __attribute__((unused)))
{
	char buf[16384];

	for (; !stop; reads++)
		if (pread(stats[reads % 2], buf, sizeof(buf), 0) <= 0)
			break;
	return NULL;
}

static void *slot_changer(void *unused __attribute__((unused)))
{
	struct kvm_userspace_memory_region r = {
		.slot = 1,
		.guest_phys_addr = GPA,
		.userspace_addr = (uintptr_t)memory,
	};

	for (; !stop; changes++) {
		r.flags = 0;
		r.memory_size = SIZE;
		r.guest_phys_addr = GPA;
		ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
		r.flags = KVM_MEM_LOG_DIRTY_PAGES;
		ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
		r.guest_phys_addr = GPA + 4 * KU_PAGE;
		ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
		if (changes & 1) {
			r.memory_size = 0;
			ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r);
		}
		if (!(changes & 7))
			madvise(memory, SIZE, MADV_DONTNEED);
	}
	return NULL;
}

static void *log_reader(void *unused __attribute__((unused)))
{
	uint64_t bitmap;
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = &bitmap };

	for (; !stop; logs++)
		ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log);
	return NULL;
}

static void *eventfd_changer(void *unused __attribute__((unused)))
{
	uint64_t one = 1;

	for (; !stop; events++) {
		int fd = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
		struct kvm_irqfd irq = { .fd = fd, .gsi = events % 24 };
		struct kvm_ioeventfd io = { .fd = fd, .addr = GPA + 8 * (events % 16), .len = 8 };

		if (events & 1) {
			irq.flags = KVM_IRQFD_FLAG_RESAMPLE;
			irq.resamplefd = resample;
		}
		ioctl(vm->fd, KVM_IRQFD, &irq);
		if (write(fd, &one, sizeof(one)) < 0)
			continue;
		ioctl(vm->fd, KVM_IOEVENTFD, &io);
		if (events & 2) {
			irq.flags = KVM_IRQFD_FLAG_DEASSIGN;
			ioctl(vm->fd, KVM_IRQFD, &irq);
		}
		io.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
		ioctl(vm->fd, KVM_IOEVENTFD, &io);
		close(fd);
		close(resample);
	}
	return NULL;
}

static uint64_t random_number(uint64_t *state)
{
	*state = xorshift(*state);
	return *state;
}

/* Not KVM_RUN: a senseless command may well start a senseless guest for ever. */
static bool harmless(unsigned long cmd)
{
	return (cmd & 0xff) != 0x80 && (cmd & 0xff) != 0x01;
}

static void *thrower(void *seed)
{
	static const unsigned int dirs[] = { _IOC_NONE, _IOC_READ, _IOC_WRITE,
					     _IOC_READ | _IOC_WRITE };
	static const unsigned int sizes[] = { 0, 4, 8, 16, 24, 32, 64, 80, 104, 128, 144, 312, 392,
					      416, 520, 1024, 4096, 1 };
	uint64_t state = (uintptr_t)seed;
	unsigned char buf[8192];
	unsigned int i;
	int fds[4] = { vm->dev, vm->fd, -1, -1 };

	/* A victim of its own, so that the running guest stays a guest. */
	fds[2] = ioctl(vm->dev, KVM_CREATE_VM, 0ul);
	fds[3] = ioctl(fds[2], KVM_CREATE_VCPU, 0ul);
	for (; !stop; commands++) {
		uint64_t r = random_number(&state);
		unsigned long cmd = _IOC(dirs[r & 3], KVMIO, r >> 8 & 0xff,
					 sizes[(r >> 16) % (sizeof(sizes) / sizeof(sizes[0]))]);
		int fd = fds[(r >> 2 & 3) == 1 ? 2 : r >> 2 & 3];

		if (!harmless(cmd))
			continue;
		for (i = 0; i < sizeof(buf); i += 8) {
			uint64_t v = random_number(&state);

			/* Mostly small numbers, which pass the first checks. */
			v &= r & 1 << 30 ? ~0ull : 0x0000000700000003ull;
			memcpy(buf + i, &v, 8);
		}
		ioctl(fd, cmd, r & 1 << 29 ? (unsigned long)buf : (r >> 40 & 0xff));
	}
	return NULL;
}

/* The commands that exist, with senseless structs. */
static void *senseless(void *seed)
{
	static const unsigned long cmds[] = {
		KVM_SET_REGS, KVM_SET_SREGS, KVM_SET_FPU, KVM_SET_XSAVE, KVM_SET_XCRS,
		KVM_SET_DEBUGREGS, KVM_SET_VCPU_EVENTS, KVM_SET_MP_STATE, KVM_SET_LAPIC,
		KVM_SET_MSRS, KVM_SET_CPUID2, KVM_SET_GUEST_DEBUG, KVM_INTERRUPT, KVM_NMI,
		KVM_TRANSLATE, KVM_GET_REGS, KVM_GET_SREGS, KVM_GET_MSRS, KVM_GET_VCPU_EVENTS,
		KVM_X86_SETUP_MCE, KVM_SET_TSC_KHZ, KVM_KVMCLOCK_CTRL, KVM_RUN,
	};
	static const unsigned long vm_cmds[] = {
		KVM_IRQ_LINE, KVM_SET_IRQCHIP, KVM_SET_PIT2, KVM_SET_GSI_ROUTING, KVM_SIGNAL_MSI,
		KVM_SET_CLOCK, KVM_ENABLE_CAP, KVM_IRQFD, KVM_IOEVENTFD,
		KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_REINJECT_CONTROL,
		KVM_REGISTER_COALESCED_MMIO, KVM_UNREGISTER_COALESCED_MMIO, KVM_CLEAR_DIRTY_LOG,
	};
	uint64_t state = (uintptr_t)seed;
	struct ku_vm *mine = ku_vm_new_irqchip(0);
	struct ku_vcpu *cpu = ku_vcpu_new(mine, 0);
	uint64_t buf[1024];
	unsigned int i;

	for (; !stop; commands++) {
		uint64_t r = random_number(&state);

		for (i = 0; i < 1024; i++)
			buf[i] = random_number(&state) &
				 (r & 1 << 30 ? ~0ull : r & 1 << 29 ? 0x3ull : 0xfff00000ffull);
		if (r & 1) {
			ioctl(mine->fd, vm_cmds[(r >> 8) % (sizeof(vm_cmds) / 8)], buf);
			continue;
		}
		/* Whatever it does, it comes back at once. */
		cpu->run->immediate_exit = 1;
		ioctl(cpu->fd, cmds[(r >> 8) % (sizeof(cmds) / 8)], buf);
		if (ioctl(cpu->fd, KVM_RUN, 0) < 0 && errno == EIO)
			break;
	}
	ku_vcpu_free(cpu);
	ku_vm_free(mine);
	return NULL;
}

int main(void)
{
	void *(*const jobs[])(void *) = {
		runner, second_runner, slot_changer, log_reader, eventfd_changer, stats_reader,
		thrower, senseless,
	};
	pthread_t threads[sizeof(jobs) / sizeof(jobs[0])];
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	unsigned int i, n = sizeof(jobs) / sizeof(jobs[0]);

	close(ku_open());
	ktap_plan(8);
	catch_signals();
	vm = ku_vm_new_irqchip(0);
	vcpus[0] = ku_vcpu_new(vm, 0);
	vcpus[1] = ku_vcpu_new(vm, 1);
	stats[0] = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	stats[1] = ioctl(vcpus[1]->fd, KVM_GET_STATS_FD, 0);
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ku_load(vm, walker, walker_end - walker);
	ku_vcpu_long(vcpus[0], KU_CODE);
	ku_vcpu_long(vcpus[1], KU_CODE);
	if (ioctl(vcpus[1]->fd, KVM_SET_MP_STATE, &runnable))
		ktap_bail("KVM_SET_MP_STATE: %s", strerror(errno));
	for (i = 0; i < 64; i++)
		ku_map(vm, vm->cr3, GPA + i * KU_PAGE, GPA + i * KU_PAGE, KU_PTE_P | KU_PTE_W);
	for (i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, jobs[i], (void *)(0x9e3779b9ul * (i + 1)));
	for (i = 0; i < SECONDS * 10; i++) {
		usleep(100000);
		pthread_kill(threads[i % 2], SIGUSR1);
	}
	stop = true;
	for (i = 0; i < 2; i++) {
		vcpus[i]->run->immediate_exit = 1;
		pthread_kill(threads[i], SIGUSR1);
	}
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	ktap_ok(true, "all threads came back");
	ktap_ok(runs[0], "the guest left %lu times", runs[0]);
	ktap_ok(runs[1], "its second vCPU %lu times", runs[1]);
	ktap_ok(changes, "slots changed %lu times", changes);
	ktap_ok(logs, "the log was read %lu times", logs);
	ktap_ok(reads, "the statistics were read %lu times", reads);
	ktap_ok(events, "eventfds came and went %lu times", events);
	ktap_ok(commands, "%lu senseless commands", commands);
	close(stats[0]);
	close(stats[1]);
	ku_vcpu_free(vcpus[0]);
	ku_vcpu_free(vcpus[1]);
	ku_vm_free(vm);
	ktap_exit();
}
