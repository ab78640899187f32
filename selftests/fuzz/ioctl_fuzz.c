// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ioctl_fuzz
 *
 * Several threads do to a few VMs whatever a process can do to them: every ioctl with arguments of
 * its type (valid, nearly valid, senseless, at the edge of a page, nowhere), in any order and all at
 * once, runs, closes, forks, and memory that goes away under a running guest.  The host must not
 * notice, and a proper guest must still run afterwards.
 *
 *   ioctl_fuzz [SECONDS [SEED [ACTIONS]]]
 *
 * It ends after so many actions of each thread, or when the time is over, if that is earlier.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/umbra.h>

#include "kvm_util.h"
#include "ktap.h"
#include "xorshift.h"

#define THREADS		4
#define VMS		3
#define VCPUS		3
#define MEMORY		(1u << 20)
#define ARG_ROOM	16384u	/* bytes, the largest argument and more */
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

enum level { DEVICE, VM, VCPU };

/* How an argument is filled before it is spoilt. */
enum kind {
	PLAIN,		/* a struct of the command's size */
	NUMBER,		/* no pointer */
	SLOT, DIRTY, MSRS, CPUID, ROUTES, MASK, FILTER, EVENT, LISTS,
};

struct command {
	unsigned long cmd;
	enum level level;
	enum kind kind;
	unsigned long get;	/* what reads a valid argument, or 0 */
};

static const struct command commands[] = {
	{ UMBRA_CHECK, DEVICE, PLAIN, 0 },
	{ KVM_GET_API_VERSION, DEVICE, NUMBER, 0 },
	{ KVM_CHECK_EXTENSION, DEVICE, NUMBER, 0 },
	{ KVM_GET_VCPU_MMAP_SIZE, DEVICE, NUMBER, 0 },
	{ KVM_GET_SUPPORTED_CPUID, DEVICE, LISTS, 0 },
	{ KVM_GET_EMULATED_CPUID, DEVICE, LISTS, 0 },
	{ KVM_GET_MSR_INDEX_LIST, DEVICE, LISTS, 0 },
	{ KVM_GET_MSR_FEATURE_INDEX_LIST, DEVICE, LISTS, 0 },
	{ KVM_GET_MSRS, DEVICE, MSRS, 0 },
	{ KVM_X86_GET_MCE_CAP_SUPPORTED, DEVICE, PLAIN, 0 },
	{ KVM_CHECK_EXTENSION, VM, NUMBER, 0 },
	{ KVM_SET_USER_MEMORY_REGION, VM, SLOT, 0 },
	{ KVM_SET_USER_MEMORY_REGION, VM, SLOT, 0 },
	{ KVM_SET_USER_MEMORY_REGION, VM, SLOT, 0 },
	{ KVM_SET_NR_MMU_PAGES, VM, NUMBER, 0 },
	{ KVM_GET_NR_MMU_PAGES, VM, NUMBER, 0 },
	{ KVM_GET_DIRTY_LOG, VM, DIRTY, 0 },
	{ KVM_CLEAR_DIRTY_LOG, VM, DIRTY, 0 },
	{ KVM_SET_TSS_ADDR, VM, NUMBER, 0 },
	{ KVM_SET_IDENTITY_MAP_ADDR, VM, PLAIN, 0 },
	{ KVM_SET_BOOT_CPU_ID, VM, NUMBER, 0 },
	{ KVM_ENABLE_CAP, VM, PLAIN, 0 },
	{ KVM_X86_SET_MSR_FILTER, VM, FILTER, 0 },
	{ KVM_GET_STATS_FD, VM, NUMBER, 0 },
	{ KVM_REGISTER_COALESCED_MMIO, VM, PLAIN, 0 },
	{ KVM_UNREGISTER_COALESCED_MMIO, VM, PLAIN, 0 },
	{ KVM_CREATE_IRQCHIP, VM, NUMBER, 0 },
	{ KVM_SET_IRQCHIP, VM, PLAIN, KVM_GET_IRQCHIP },
	{ KVM_GET_IRQCHIP, VM, PLAIN, 0 },
	{ KVM_CREATE_PIT, VM, NUMBER, 0 },
	{ KVM_CREATE_PIT2, VM, PLAIN, 0 },
	{ KVM_GET_PIT, VM, PLAIN, 0 },
	{ KVM_SET_PIT, VM, PLAIN, KVM_GET_PIT },
	{ KVM_GET_PIT2, VM, PLAIN, 0 },
	{ KVM_SET_PIT2, VM, PLAIN, KVM_GET_PIT2 },
	{ KVM_REINJECT_CONTROL, VM, PLAIN, 0 },
	{ KVM_IRQ_LINE, VM, PLAIN, 0 },
	{ KVM_IRQ_LINE_STATUS, VM, PLAIN, 0 },
	{ KVM_SET_GSI_ROUTING, VM, ROUTES, 0 },
	{ KVM_SIGNAL_MSI, VM, PLAIN, 0 },
	{ KVM_IRQFD, VM, EVENT, 0 },
	{ KVM_IOEVENTFD, VM, EVENT, 0 },
	{ KVM_GET_CLOCK, VM, PLAIN, 0 },
	{ KVM_SET_CLOCK, VM, PLAIN, KVM_GET_CLOCK },
	{ KVM_GET_REGS, VCPU, PLAIN, 0 },
	{ KVM_SET_REGS, VCPU, PLAIN, KVM_GET_REGS },
	{ KVM_GET_SREGS, VCPU, PLAIN, 0 },
	{ KVM_SET_SREGS, VCPU, PLAIN, KVM_GET_SREGS },
	{ KVM_GET_SREGS2, VCPU, PLAIN, 0 },
	{ KVM_SET_SREGS2, VCPU, PLAIN, KVM_GET_SREGS2 },
	{ KVM_GET_FPU, VCPU, PLAIN, 0 },
	{ KVM_SET_FPU, VCPU, PLAIN, KVM_GET_FPU },
	{ KVM_GET_XSAVE, VCPU, PLAIN, 0 },
	{ KVM_GET_XSAVE2, VCPU, PLAIN, 0 },
	{ KVM_SET_XSAVE, VCPU, PLAIN, KVM_GET_XSAVE },
	{ KVM_GET_XCRS, VCPU, PLAIN, 0 },
	{ KVM_SET_XCRS, VCPU, PLAIN, KVM_GET_XCRS },
	{ KVM_GET_DEBUGREGS, VCPU, PLAIN, 0 },
	{ KVM_SET_DEBUGREGS, VCPU, PLAIN, KVM_GET_DEBUGREGS },
	{ KVM_GET_VCPU_EVENTS, VCPU, PLAIN, 0 },
	{ KVM_SET_VCPU_EVENTS, VCPU, PLAIN, KVM_GET_VCPU_EVENTS },
	{ KVM_GET_MP_STATE, VCPU, PLAIN, 0 },
	{ KVM_SET_MP_STATE, VCPU, PLAIN, KVM_GET_MP_STATE },
	{ KVM_GET_LAPIC, VCPU, PLAIN, 0 },
	{ KVM_SET_LAPIC, VCPU, PLAIN, KVM_GET_LAPIC },
	{ KVM_SET_VAPIC_ADDR, VCPU, PLAIN, 0 },
	{ KVM_GET_MSRS, VCPU, MSRS, 0 },
	{ KVM_SET_MSRS, VCPU, MSRS, 0 },
	{ KVM_SET_CPUID2, VCPU, CPUID, 0 },
	{ KVM_GET_CPUID2, VCPU, LISTS, 0 },
	{ KVM_SET_TSC_KHZ, VCPU, NUMBER, 0 },
	{ KVM_GET_TSC_KHZ, VCPU, NUMBER, 0 },
	{ KVM_TRANSLATE, VCPU, PLAIN, 0 },
	{ KVM_SET_GUEST_DEBUG, VCPU, PLAIN, 0 },
	{ KVM_INTERRUPT, VCPU, PLAIN, 0 },
	{ KVM_NMI, VCPU, NUMBER, 0 },
	{ KVM_SET_SIGNAL_MASK, VCPU, MASK, 0 },
	{ KVM_KVMCLOCK_CTRL, VCPU, NUMBER, 0 },
	{ KVM_X86_SETUP_MCE, VCPU, PLAIN, 0 },
	{ KVM_GET_STATS_FD, VCPU, NUMBER, 0 },
};

/* What all threads play with; a number may be closed or another file's by the time it is used. */
static int dev;
static int vm_fd[VMS] = { -1, -1, -1 };
static int vcpu_fd[VMS][VCPUS] = { { -1, -1, -1 }, { -1, -1, -1 }, { -1, -1, -1 } };
static uint8_t *memory;
/* Held where this program itself writes to memory, and where it cannot for a moment. */
static pthread_mutex_t memory_lock = PTHREAD_MUTEX_INITIALIZER;
static volatile bool stop;
static unsigned long most_actions = ~0ul;
static int run_size;

static struct worker {
	pthread_t thread;
	uint64_t rng;
	uint8_t *arg;		/* ARG_ROOM bytes, nothing behind them */
	bool joined;
	unsigned long actions, calls, good, runs;
} workers[THREADS];

static uint64_t rng(struct worker *w)
{
	w->rng = xorshift(w->rng);
	return w->rng;
}

static uint64_t below(struct worker *w, uint64_t n)
{
	return (rng(w) >> 16) % n;
}

static uint64_t some_number(struct worker *w)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 8, 24, 64, 255, 256, 0xfff, 0x1000, 0x1001, 0xffff, 0x10000,
		0xfee00000, 0xfec00000, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 52,
		0x7fffffffffff, 1ull << 63, ~0ull, 0xfffffffffffff000,
	};

	switch (below(w, 4)) {
	case 0:
		return edges[below(w, COUNT(edges))];
	case 1:
		return rng(w);
	default:
		return below(w, 40);
	}
}

/* A struct of @size bytes at the very end of the room, mostly. */
static void *place(struct worker *w, unsigned int size)
{
	if (size > ARG_ROOM)
		size = ARG_ROOM;
	return w->arg + ARG_ROOM - size;
}

static void fill_numbers(struct worker *w, uint8_t *at, unsigned int size)
{
	unsigned int i;

	for (i = 0; i + 4 <= size; i += 4) {
		uint32_t val = some_number(w);

		memcpy(at + i, &val, 4);
	}
}

static void *fill_slot(struct worker *w)
{
	struct kvm_userspace_memory_region *r = place(w, sizeof(*r));
	unsigned int pages = MEMORY / 4096;

	r->slot = below(w, 4);
	r->flags = below(w, 4);
	r->guest_phys_addr = 4096 * below(w, 64);
	r->memory_size = below(w, 3) ? 4096 * below(w, pages) : 0;
	r->userspace_addr = (uintptr_t)memory + 4096 * below(w, pages);
	return r;
}

static void *fill_dirty(struct worker *w)
{
	struct kvm_clear_dirty_log *log = place(w, sizeof(*log));

	log->slot = below(w, 5);
	log->num_pages = below(w, 6) * 64;
	log->first_page = below(w, 4) * 64;
	log->dirty_bitmap = w->arg;
	return log;
}

static void *fill_msrs(struct worker *w)
{
	static const uint32_t msrs[] = {
		0x10, 0x1b, 0x3a, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x1a0, 0x200, 0x20f,
		0x250, 0x277, 0x2ff, 0x400, 0x403, 0x6e0, 0x800, 0x80b, 0x830, 0x11, 0x12, 0x4b564d00,
		0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103, 0xc0010015,
		0xc001001f, 0xc0010117,
	};
	unsigned int i, n = below(w, 20);
	struct kvm_msrs *list = place(w, sizeof(*list) + n * sizeof(list->entries[0]));

	list->nmsrs = n;
	for (i = 0; i < n; i++)
		list->entries[i] = (struct kvm_msr_entry){
			.index = below(w, 8) ? msrs[below(w, COUNT(msrs))] : rng(w),
			.data = some_number(w),
		};
	return list;
}

static void *fill_cpuid(struct worker *w)
{
	unsigned int n = below(w, 120), i;
	struct kvm_cpuid2 *list = place(w, sizeof(*list) + n * sizeof(list->entries[0]));

	list->nent = n;
	if (below(w, 2) && ioctl(dev, KVM_GET_SUPPORTED_CPUID, list) < 0)
		list->nent = n;
	for (i = 0; i < n && !below(w, 2); i++) {
		struct kvm_cpuid_entry2 *e = &list->entries[below(w, n)];

		fill_numbers(w, (uint8_t *)e, sizeof(*e));
	}
	return list;
}

static void *fill_routes(struct worker *w)
{
	unsigned int n = below(w, 40), i;
	struct kvm_irq_routing *list = place(w, sizeof(*list) + n * sizeof(list->entries[0]));

	list->nr = n;
	list->flags = !below(w, 10);
	for (i = 0; i < n; i++) {
		struct kvm_irq_routing_entry *e = &list->entries[i];

		memset(e, 0, sizeof(*e));
		e->gsi = below(w, 30);
		e->type = 1 + below(w, 2) + !below(w, 20);
		e->u.irqchip.irqchip = below(w, 4);
		e->u.irqchip.pin = below(w, 26);
		if (e->type == 2)
			e->u.msi.data = below(w, 0x1000);
	}
	return list;
}

static void *fill_mask(struct worker *w)
{
	struct kvm_signal_mask *mask = place(w, sizeof(*mask) + 8);
	uint64_t set = below(w, 4) ? 0 : rng(w) & ~(1ull << (SIGUSR1 - 1));

	mask->len = below(w, 8) ? 8 : below(w, 20);
	memcpy(mask->sigset, &set, 8);
	return mask;
}

static void *fill_filter(struct worker *w)
{
	struct kvm_msr_filter *filter = place(w, sizeof(*filter));
	unsigned int i;

	memset(filter, 0, sizeof(*filter));
	filter->flags = below(w, 3);
	for (i = 0; i < below(w, 17); i++)
		filter->ranges[i] = (struct kvm_msr_filter_range){
			.flags = 1 + below(w, 3),
			.nmsrs = below(w, 3000),
			.base = below(w, 2) ? 0xc0000000 : some_number(w),
			.bitmap = below(w, 20) ? w->arg : NULL,
		};
	return filter;
}

/* An eventfd that is closed behind the ioctl, or at once. */
static void *fill_event(struct worker *w, unsigned long cmd, int *fd)
{
	*fd = eventfd(0, EFD_NONBLOCK);
	if (cmd == KVM_IRQFD) {
		struct kvm_irqfd *irq = place(w, sizeof(*irq));

		memset(irq, 0, sizeof(*irq));
		irq->fd = below(w, 20) ? *fd : dev;
		irq->gsi = below(w, 30);
		irq->flags = below(w, 4);
		irq->resamplefd = *fd;
		return irq;
	}
	{
		struct kvm_ioeventfd *io = place(w, sizeof(*io));

		memset(io, 0, sizeof(*io));
		io->fd = below(w, 20) ? *fd : dev;
		io->addr = below(w, 2) ? 0x80 : below(w, 0x100000);
		io->len = 1u << below(w, 4);
		io->datamatch = below(w, 4);
		io->flags = below(w, 16);
		return io;
	}
}

static void *fill_list(struct worker *w)
{
	uint32_t *list = place(w, below(w, ARG_ROOM / 4 - 2) * 4 + 8);

	memset(list, 0, 8);
	list[0] = below(w, 4) ? below(w, 300) : some_number(w);
	return list;
}

static void *fill_plain(struct worker *w, const struct command *c, int fd)
{
	unsigned int size = _IOC_SIZE(c->cmd), n;
	uint8_t *at = place(w, size);

	if (!c->get || below(w, 4) == 0 || ioctl(fd, c->get, at) < 0)
		fill_numbers(w, at, size);
	if (c->cmd == KVM_ENABLE_CAP)
		((struct kvm_enable_cap *)at)->cap = below(w, 240);
	/* Valid but for a few words. */
	for (n = below(w, 4); n && size >= 8; n--) {
		uint64_t val = some_number(w);

		memcpy(at + below(w, size / 8) * 8, &val, 1ul << below(w, 4));
	}
	return at;
}

static unsigned long fill(struct worker *w, const struct command *c, int fd, int *event)
{
	void *arg;

	switch (c->kind) {
	case NUMBER:
		return some_number(w);
	case SLOT:
		arg = fill_slot(w);
		break;
	case DIRTY:
		arg = fill_dirty(w);
		break;
	case MSRS:
		arg = fill_msrs(w);
		break;
	case CPUID:
		arg = fill_cpuid(w);
		break;
	case ROUTES:
		arg = fill_routes(w);
		break;
	case MASK:
		arg = fill_mask(w);
		break;
	case FILTER:
		arg = fill_filter(w);
		break;
	case EVENT:
		arg = fill_event(w, c->cmd, event);
		break;
	case LISTS:
		arg = fill_list(w);
		break;
	default:
		arg = fill_plain(w, c, fd);
		break;
	}
	switch (below(w, 40)) {
	case 0:
		return some_number(w);		/* nowhere */
	case 1:
		return (unsigned long)arg + 8;	/* ends beyond the room */
	case 2:
		return (unsigned long)arg - 1;	/* not aligned */
	}
	return (unsigned long)arg;
}

static int any_fd(struct worker *w, enum level level)
{
	unsigned int vm = below(w, VMS);

	if (!below(w, 50))
		level = below(w, 3);
	return level == DEVICE ? dev : level == VM ? vm_fd[vm] : vcpu_fd[vm][below(w, VCPUS)];
}

static void any_ioctl(struct worker *w)
{
	const struct command *c = &commands[below(w, COUNT(commands))];
	int fd = any_fd(w, c->level), event = -1, ret;

	ret = ioctl(fd, c->cmd, fill(w, c, fd, &event));
	w->calls++;
	w->good += ret >= 0;
	/* These made a new file. */
	if (c->cmd == KVM_GET_STATS_FD && ret > 2) {
		if (read(ret, w->arg, below(w, ARG_ROOM)) < 0)
			w->calls++;
		close(ret);
	}
	if (event >= 0) {
		uint64_t one = 1;

		if (below(w, 2) && write(event, &one, sizeof(one)) < 0)
			w->calls++;
		close(event);
	}
}

/* One of the VMs goes, whoever is using it, and a new one comes. */
static void new_vm(struct worker *w)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY,
		.userspace_addr = (uintptr_t)memory,
	};
	unsigned int vm = below(w, VMS), i;
	int old = vm_fd[vm], fd = ioctl(dev, KVM_CREATE_VM, 0ul);

	if (fd < 0)
		return;
	if (below(w, 2))
		ioctl(fd, KVM_CREATE_IRQCHIP, 0ul);
	if (below(w, 4))
		ioctl(fd, KVM_SET_USER_MEMORY_REGION, &region);
	vm_fd[vm] = fd;
	for (i = 0; i < VCPUS; i++) {
		int was = vcpu_fd[vm][i];

		vcpu_fd[vm][i] = ioctl(fd, KVM_CREATE_VCPU, below(w, 10) ? (uint64_t)i :
					some_number(w));
		if (was >= 0)
			close(was);
	}
	if (old >= 0)
		close(old);
}

static void new_vcpu(struct worker *w)
{
	unsigned int vm = below(w, VMS), i = below(w, VCPUS);
	int fd = ioctl(vm_fd[vm], KVM_CREATE_VCPU, below(w, 70));

	if (fd < 0)
		return;
	if (vcpu_fd[vm][i] >= 0)
		close(vcpu_fd[vm][i]);
	vcpu_fd[vm][i] = fd;
}

/* What the guest finds where its registers point to. */
static void scribble(struct worker *w)
{
	static const uint8_t code[] = {
		0x90, 0xf4, 0xe6, 0xe4, 0x0f, 0x20, 0x22, 0x30, 0x32, 0xcd, 0xeb, 0xfe, 0x88, 0xa2,
		0x01, 0xcf, 0xfa, 0xfb, 0xf3, 0xa4, 0x0b,
	};
	unsigned int at = below(w, MEMORY - 64), i;

	pthread_mutex_lock(&memory_lock);
	for (i = 0; i < 64; i++)
		memory[at + i] = below(w, 4) ? code[below(w, sizeof(code))] : rng(w);
	pthread_mutex_unlock(&memory_lock);
}

static void run_guest(struct worker *w)
{
	struct kvm_regs regs = { .rflags = 2, .rip = below(w, 0xfff0), .rsp = below(w, 0x10000) };
	struct kvm_sregs sregs;
	int fd = any_fd(w, VCPU), n;

	if (below(w, 2) && !ioctl(fd, KVM_GET_SREGS, &sregs)) {
		sregs.cs.base = 0;
		sregs.cs.selector = 0;
		ioctl(fd, KVM_SET_SREGS, &sregs);
		ioctl(fd, KVM_SET_REGS, &regs);
	}
	for (n = below(w, 20); n > 0; n--) {
		w->runs++;
		if (ioctl(fd, KVM_RUN, 0ul) < 0)
			break;
	}
}

static void play_with_memory(struct worker *w)
{
	uint8_t *at = memory + 4096 * below(w, MEMORY / 4096 - 16);
	size_t size = 4096 * (1 + below(w, 16));

	switch (below(w, 4)) {
	case 0:
		madvise(at, size, MADV_DONTNEED);
		break;
	case 1:
		pthread_mutex_lock(&memory_lock);
		mprotect(at, size, PROT_READ);
		mprotect(at, size, PROT_READ | PROT_WRITE);
		pthread_mutex_unlock(&memory_lock);
		break;
	case 2:
		/* A hole under a running guest for a moment, then other memory. */
		mmap(at, size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		break;
	default:
		madvise(at, size, below(w, 2) ? MADV_MERGEABLE : MADV_HUGEPAGE);
		break;
	}
}

/* struct kvm_run in all states of being mapped. */
static void play_with_run(struct worker *w)
{
	size_t size = below(w, 4) ? (size_t)run_size : 4096 * (1 + below(w, 8));
	int fd = any_fd(w, VCPU);
	struct kvm_run *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				   4096 * below(w, 2));

	if (run == MAP_FAILED)
		return;
	run->immediate_exit = below(w, 2);
	run->request_interrupt_window = below(w, 2);
	run->kvm_valid_regs = below(w, 8);
	run->kvm_dirty_regs = below(w, 8);
	run->cr8 = below(w, 20);
	ioctl(fd, KVM_RUN, 0ul);
	w->runs++;
	/* In two parts.  All of it: what is left would keep the VM until the process ends. */
	munmap(run, 4096);
	munmap((uint8_t *)run + 4096, size - 4096);
}

/* A child has the files, but not the memory. */
static void fork_child(struct worker *w)
{
	int status, fd = any_fd(w, below(w, 3));
	pid_t pid = fork();

	if (!pid) {
		ioctl(fd, KVM_RUN, 0ul);
		ioctl(fd, KVM_GET_CLOCK, w->arg);
		_exit(0);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (!stop && w->actions < most_actions) {
		unsigned int what = below(w, 1000);

		w->actions++;
		if (what < 800)
			any_ioctl(w);
		else if (what < 870)
			run_guest(w);
		else if (what < 900)
			play_with_run(w);
		else if (what < 930)
			play_with_memory(w);
		else if (what < 970)
			scribble(w);
		else if (what < 985)
			new_vm(w);
		else if (what < 998)
			new_vcpu(w);
		else
			fork_child(w);
	}
	return NULL;
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *room(size_t size)
{
	uint8_t *at = mmap(NULL, size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + size, 4096, PROT_NONE))
		ktap_bail("no memory");
	return at;
}

static void start_workers(uint64_t seed)
{
	unsigned int i;

	for (i = 0; i < THREADS; i++) {
		workers[i].rng = (seed * THREADS + i + 1) * 0x9e3779b97f4a7c15ull;
		workers[i].arg = room(ARG_ROOM);
		pthread_create(&workers[i].thread, NULL, work, &workers[i]);
	}
}

/*
 * Interrupt all that run: guests are mostly loops.  All of them, always: who waits for a vCPU that
 * another thread runs ends only after that one.  Return: how many are left.
 */
static unsigned int kick_workers(void)
{
	unsigned int i, left = 0;

	for (i = 0; i < THREADS; i++) {
		struct worker *w = &workers[i];

		if (w->joined)
			continue;
		w->joined = !pthread_tryjoin_np(w->thread, NULL);
		if (w->joined)
			continue;
		pthread_kill(w->thread, SIGUSR1);
		left++;
	}
	return left;
}

KU_CODE64(do_out, "mov $0x55, %al\n out %al, $0x10\n");

/* After all that: does a guest still run? */
static bool works(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	bool good;

	ku_load(vm, do_out, do_out_end - do_out);
	ku_vcpu_long(vcpu, KU_CODE);
	good = ku_run_out(vcpu, 0x10) == 0x55;
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	return good;
}

int main(int argc, char **argv)
{
	unsigned int seconds = argc > 1 ? strtoul(argv[1], NULL, 0) : 15, i, j;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	struct sigaction action = { .sa_handler = on_signal };
	unsigned long calls = 0, good = 0, runs = 0;
	time_t end = time(NULL) + seconds;

	if (argc > 3)
		most_actions = strtoul(argv[3], NULL, 0);
	dev = ku_open();
	ktap_plan(3);
	run_size = ioctl(dev, KVM_GET_VCPU_MMAP_SIZE, 0ul);
	memory = room(MEMORY);
	sigaction(SIGUSR1, &action, NULL);
	start_workers(seed);
	while (kick_workers()) {
		stop = time(NULL) >= end;
		usleep(2000);
	}
	for (i = 0; i < THREADS; i++) {
		calls += workers[i].calls;
		good += workers[i].good;
		runs += workers[i].runs;
	}
	for (i = 0; i < VMS; i++) {
		for (j = 0; j < VCPUS; j++)
			close(vcpu_fd[i][j]);
		close(vm_fd[i]);
	}
	ktap_ok(good && good < calls, "%lu ioctls, %lu of them accepted", calls, good);
	ktap_ok(runs, "%lu runs", runs);
	ktap_ok(works(), "a guest still runs");
	ktap_exit();
}
