// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: memory_guest
 *
 * The guest that looks at its memory, and the threads that run it; see memory_guest.h.
 */
#include "memory_guest.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define MEMORY_GPA	0x10000000ull
#define SLOT		1
/* In slot 0, where the guest leaves what it has to say; of vCPU n at n * 8 behind them. */
#define ROUNDS		0xe000u
#define LOST		0xe010u
#define PAUSE		0xe020u
#define READER		(KU_CODE + 0x1000)
/* Arrays with a word for each page. */
#define SEEN(n)		(0x20000u + (n) * MG_MAX_PAGES * 8)
#define SEEN_WRITTEN	SEEN(MG_VCPUS)
#define ARRAYS_END	SEEN(MG_VCPUS + 1)

_Static_assert(ARRAYS_END <= KU_POOL, "the arrays lie below the pool");

/* To the next page, 2, or round again, 1. */
#define ROUND_END		\
	"add $4096, %rcx\n"	\
	"cmp %rsi, %rcx\n"	\
	"jb 2b\n"		\
	"mov %rbx, (%r9)\n"	\
	"inc %rbx\n"		\
	"cmpl $0, (%r10)\n"	\
	"je 1b\n"		\
	"out %eax, $0x10\n"	\
	"jmp 1b\n"

/*
 * rdi first page, rsi end, r14 where writing ends, r8 array, r9 rounds, r10 pause, r11 lost, rbx round.
 * A round's number is published when it is over.
 */
KU_CODE64(writer,
	  "1: mov %rdi, %rcx\n"
	  "mov %r8, %rdx\n"
	  "2: mov (%rcx), %rax\n"
	  "mov %rax, (%rdx)\n"
	  "cmp %r14, %rcx\n"
	  "jae 4f\n"
	  "lea -1(%rbx), %rax\n"
	  "cmp %rax, 8(%rcx)\n"
	  "je 3f\n"
	  "incq (%r11)\n"
	  "3: mov %rbx, 8(%rcx)\n"
	  "4: add $8, %rdx\n"
	  ROUND_END);

/* The same without writing; r11 is the array for the writer's words. */
KU_CODE64(reader,
	  "1: mov %rdi, %rcx\n"
	  "mov %r8, %rdx\n"
	  "mov %r11, %r12\n"
	  "2: mov (%rcx), %rax\n"
	  "mov %rax, (%rdx)\n"
	  "mov 8(%rcx), %rax\n"
	  "mov %rax, (%r12)\n"
	  "add $8, %rdx\n"
	  "add $8, %r12\n"
	  ROUND_END);

struct runner {
	struct ku_vcpu *vcpu;
	pthread_t thread;
	sem_t go;
	int result;		/* of KVM_RUN; valid while stopped */
	atomic_bool stopped;
};

static struct ku_vm *vm;
static struct runner runner[MG_VCPUS];
static uint8_t *memory, *mapping;
static unsigned int pages, written;
static atomic_bool leaving, persisting;

uint64_t mg_mark(unsigned int page, unsigned int change)
{
	return 0x5a5a000000000000ull | (uint64_t)change << 16 | page;
}

void *mg_page(unsigned int page)
{
	return memory + page * KU_PAGE;
}

volatile uint64_t *mg_words(unsigned int page)
{
	return mg_page(page);
}

static uint64_t word_of(unsigned int gpa, unsigned int index)
{
	return ((volatile uint64_t *)ku_ptr(vm, gpa))[index];
}

uint64_t mg_lost(void)
{
	return word_of(LOST, 0);
}

void mg_persist(bool on)
{
	persisting = on;
}

static void *run(void *arg)
{
	struct runner *r = arg;

	for (;;) {
		r->result = ku_run(r->vcpu);
		if (r->result == -EFAULT && persisting)
			continue;
		r->stopped = true;
		while (sem_wait(&r->go))
			continue;
		if (leaving)
			return NULL;
	}
}

static size_t mapping_size(void)
{
	return pages * KU_PAGE + MG_ALIGN;
}

static void add_memory(void)
{
	struct kvm_userspace_memory_region region = { .slot = SLOT, .guest_phys_addr = MEMORY_GPA };
	unsigned int i;

	mapping = mmap(NULL, mapping_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (mapping == MAP_FAILED)
		ktap_bail("no memory");
	memory = (uint8_t *)(((uintptr_t)mapping + MG_ALIGN - 1) & ~(MG_ALIGN - 1));
	madvise(mapping, mapping_size(), MADV_NOHUGEPAGE);
	for (i = 0; i < pages; i++)
		*mg_words(i) = mg_mark(i, 0);
	region.memory_size = pages * KU_PAGE;
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		ktap_bail("no slot");
}

static uint64_t new_space(bool large)
{
	uint64_t cr3 = ku_identity(vm), gpa, end = MEMORY_GPA + pages * KU_PAGE;

	for (gpa = MEMORY_GPA; gpa < end; gpa += large ? MG_ALIGN : KU_PAGE) {
		ku_map(vm, cr3, gpa, gpa, KU_PTE_P | KU_PTE_W);
		if (large)
			*ku_pte(vm, cr3, gpa, 2) = gpa | KU_PTE_P | KU_PTE_W | KU_PTE_PS;
	}
	return cr3;
}

static void add_vcpu(unsigned int n, uint64_t rip, bool large)
{
	struct runner *r = &runner[n];
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	r->vcpu = ku_vcpu_new(vm, n);
	ku_vcpu_long(r->vcpu, rip);
	sregs = ku_get_sregs(r->vcpu);
	sregs.cr3 = new_space(large);
	ku_set_sregs(r->vcpu, &sregs);
	regs = ku_get_regs(r->vcpu);
	regs.rbx = 1;
	regs.rdi = MEMORY_GPA;
	regs.rsi = MEMORY_GPA + pages * KU_PAGE;
	regs.r14 = MEMORY_GPA + written * KU_PAGE;
	regs.r8 = SEEN(n);
	regs.r9 = ROUNDS + 8 * n;
	regs.r10 = PAUSE;
	regs.r11 = n ? SEEN_WRITTEN : LOST;
	ku_set_regs(r->vcpu, &regs);
	r->stopped = false;
	sem_init(&r->go, 0, 0);
}

void mg_start(unsigned int all, unsigned int some, bool large)
{
	unsigned int i;

	pages = all;
	written = some;
	leaving = false;
	vm = ku_vm_new(0);
	add_memory();
	ku_load(vm, writer, writer_end - writer);
	ku_load_at(vm, READER, reader, reader_end - reader);
	add_vcpu(0, KU_CODE, large);
	add_vcpu(1, READER, false);
	for (i = 0; i < MG_VCPUS; i++)
		pthread_create(&runner[i].thread, NULL, run, &runner[i]);
}

static void wait_stopped(void)
{
	unsigned int i;

	for (i = 0; i < MG_VCPUS; i++)
		while (!runner[i].stopped)
			usleep(1000);
}

static void set_pause(bool on)
{
	*(volatile uint32_t *)ku_ptr(vm, PAUSE) = on;
}

void mg_pause(void)
{
	unsigned int i;

	set_pause(true);
	wait_stopped();
	for (i = 0; i < MG_VCPUS; i++)
		if (runner[i].result != KVM_EXIT_IO)
			ktap_bail("vCPU %u: KVM_RUN ends with %d (%s), at %#llx", i, runner[i].result,
				  runner[i].result < 0 ? strerror(-runner[i].result) :
				  ku_exit_name(runner[i].result),
				  (unsigned long long)ku_get_regs(runner[i].vcpu).rcx);
}

void mg_go(void)
{
	unsigned int i;

	set_pause(false);
	for (i = 0; i < MG_VCPUS; i++) {
		if (!runner[i].stopped)
			continue;
		runner[i].stopped = false;
		sem_post(&runner[i].go);
	}
}

void mg_finish(void)
{
	unsigned int i;

	mg_pause();
	leaving = true;
	mg_go();
	for (i = 0; i < MG_VCPUS; i++) {
		pthread_join(runner[i].thread, NULL);
		ku_vcpu_free(runner[i].vcpu);
		sem_destroy(&runner[i].go);
	}
	munmap(mapping, mapping_size());
	ku_vm_free(vm);
}

/* Return: false: the vCPU has stopped before it was everywhere. */
static bool goes_round(unsigned int n)
{
	/* The round under way has begun before; the next one is looked for when it is over. */
	uint64_t until = word_of(ROUNDS, n) + 2;

	while (!runner[n].stopped && word_of(ROUNDS, n) < until)
		usleep(1000);
	return word_of(ROUNDS, n) >= until;
}

bool mg_settle(void)
{
	unsigned int i;

	for (i = 0; i < MG_VCPUS; i++)
		if (!goes_round(i)) {
			ktap_note("vCPU %u has stopped with %d", i, runner[i].result);
			return false;
		}
	return true;
}

static bool stops_with(unsigned int n, int result, unsigned int first, unsigned int count)
{
	uint64_t start = MEMORY_GPA + first * KU_PAGE, end = start + count * KU_PAGE, at;

	if (goes_round(n)) {
		ktap_note("vCPU %u goes on", n);
		return false;
	}
	at = ku_get_regs(runner[n].vcpu).rcx;
	if (runner[n].result == result && at >= start && at < end)
		return true;
	ktap_note("vCPU %u: KVM_RUN gave %d at %#llx", n, runner[n].result, (unsigned long long)at);
	return false;
}

bool mg_failed(int err, unsigned int first, unsigned int n)
{
	bool good = true;
	unsigned int i;

	for (i = 0; i < MG_VCPUS; i++)
		good &= stops_with(i, -err, first, n);
	return good;
}

static bool differs(const char *what, unsigned int page, uint64_t is, uint64_t wanted)
{
	ktap_note("page %u: %s %#llx, not %#llx", page, what, (unsigned long long)is,
		  (unsigned long long)wanted);
	return false;
}

static bool page_agrees(unsigned int page, uint64_t round)
{
	uint64_t mark = mg_words(page)[0];
	unsigned int i;

	for (i = 0; i < MG_VCPUS; i++)
		if (word_of(SEEN(i), page) != mark)
			return differs(i ? "vCPU 1 sees" : "vCPU 0 sees", page, word_of(SEEN(i), page),
				       mark);
	if (page >= written)
		return true;
	if (mg_words(page)[1] < round)
		return differs("the host sees round", page, mg_words(page)[1], round);
	if (word_of(SEEN_WRITTEN, page) < round)
		return differs("vCPU 1 sees round", page, word_of(SEEN_WRITTEN, page), round);
	return true;
}

bool mg_agrees(void)
{
	/* The round under way may have written to a page just before the host changed it; the next has not. */
	uint64_t round = word_of(ROUNDS, 0) + 2;
	unsigned int i;

	/* vCPU 1 has to go round again after vCPU 0 has. */
	if (!mg_settle())
		return false;
	for (i = 0; i < pages; i++)
		if (!page_agrees(i, round))
			return false;
	return true;
}
