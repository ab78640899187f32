// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a virtual processor: creation, entry state, run loop
 *
 * What an exit means is decided in exits.c; here is the loop around it, and how
 * another thread gets a vCPU out of it: SIGUSR1, whose handler sets
 * immediate_exit, so that the signal counts even when it comes just before
 * KVM_RUN.
 */
#include "vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "cpuid.h"
#include "exits.h"

#define KICK_SIGNAL	SIGUSR1
#define KICK_NS		50000000
#define KICK_TRIES	100

#define CR0_PE		(1u << 0)
#define CR0_ET		(1u << 4)
#define CR0_NE		(1u << 5)
#define CR0_WP		(1u << 16)
#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define EFER_LME	(1u << 8)
#define EFER_LMA	(1u << 10)
#define RFLAGS_FIXED	0x2

#define APIC_LVT0	0x350
#define APIC_LVT1	0x360
#define APIC_EXTINT	0x700
#define APIC_NMI	0x400

#define MSR_MTRR_DEFAULT 0x2ff
#define MTRR_ENABLE_WB	0x806	/* enabled, no ranges, write-back everywhere */
#define F1_EDX_MTRR	(1u << 12)

#define SEG_CODE	11	/* read, execute, accessed */
#define SEG_DATA	3	/* read, write, accessed */
#define SEG_TSS_BUSY	11
#define SEG_LDT		2

static _Thread_local struct kvm_run *running;

static int refuse(const struct vcpu *vcpu, const char *request, struct complaint *complaint)
{
	return complain(complaint, "%s: vCPU %u: %s: %s", vcpu->vm->device, vcpu->index,
			request, strerror(errno));
}

static int set_cpuid(struct vcpu *vcpu, const struct kvm_cpuid2 *supported,
		     struct complaint *complaint)
{
	struct kvm_cpuid2 *cpuid = cpuid_for_cpu(vcpu->vm, supported, vcpu->index);
	int result = 0;

	if (!cpuid)
		return complain(complaint, "no memory");
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid))
		result = refuse(vcpu, "KVM_SET_CPUID2", complaint);
	free(cpuid);
	return result;
}

/* As firmware leaves it: LINT0 from the 8259s on the first processor, LINT1 NMI. */
static int set_lapic(struct vcpu *vcpu, struct complaint *complaint)
{
	struct kvm_lapic_state lapic;
	uint32_t lvt = APIC_EXTINT;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic))
		return refuse(vcpu, "KVM_GET_LAPIC", complaint);
	if (vcpu->index == 0)
		memcpy(lapic.regs + APIC_LVT0, &lvt, sizeof(lvt));
	lvt = APIC_NMI;
	memcpy(lapic.regs + APIC_LVT1, &lvt, sizeof(lvt));
	if (ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic))
		return refuse(vcpu, "KVM_SET_LAPIC", complaint);
	return 0;
}

/* As firmware leaves it: all memory is write-back. */
static int set_msrs(struct vcpu *vcpu, const struct kvm_cpuid2 *supported,
		    struct complaint *complaint)
{
	const struct kvm_cpuid_entry2 *features = cpuid_find(supported, 1, 0);
	struct kvm_msrs *msrs;
	int done;

	if (!features || !(features->edx & F1_EDX_MTRR))
		return 0;
	msrs = calloc(1, sizeof(*msrs) + sizeof(msrs->entries[0]));
	if (!msrs)
		return complain(complaint, "no memory");
	msrs->nmsrs = 1;
	msrs->entries[0].index = MSR_MTRR_DEFAULT;
	msrs->entries[0].data = MTRR_ENABLE_WB;
	done = ioctl(vcpu->fd, KVM_SET_MSRS, msrs);
	free(msrs);
	if (done != 1)
		return complain(complaint, "%s: vCPU %u: KVM_SET_MSRS: MSR %#x is refused, although CPUID offers it",
				vcpu->vm->device, vcpu->index, MSR_MTRR_DEFAULT);
	return 0;
}

/**
 * vcpu_create() - create a virtual processor as it is after reset
 * @vm: with room for it in its array
 * @index: 0 ...
 * @supported: what the device supports
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int vcpu_create(struct vm *vm, unsigned int index, const struct kvm_cpuid2 *supported,
		struct complaint *complaint)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return refuse(vcpu, "KVM_CREATE_VCPU", complaint);
	vcpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		return refuse(vcpu, "mmap", complaint);
	if (set_cpuid(vcpu, supported, complaint) || set_lapic(vcpu, complaint) ||
	    set_msrs(vcpu, supported, complaint))
		return -1;
	return 0;
}

static void flat_segment(struct kvm_segment *segment, uint16_t selector, uint8_t type)
{
	*segment = (struct kvm_segment){
		.selector = selector,
		.limit = 0xffffffff,
		.type = type,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
}

static void enter_flat(struct kvm_sregs *sregs, const struct entry *entry)
{
	flat_segment(&sregs->cs, LOADER_CS, SEG_CODE);
	flat_segment(&sregs->ds, LOADER_DS, SEG_DATA);
	sregs->es = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->ss = sregs->ds;
	sregs->tr = (struct kvm_segment){
		.selector = LOADER_TR, .limit = 0x67, .type = SEG_TSS_BUSY, .present = 1,
	};
	sregs->ldt = (struct kvm_segment){ .type = SEG_LDT, .unusable = 1 };
	sregs->gdt.base = entry->gdt;
	sregs->gdt.limit = LOADER_GDT_SIZE - 1;
	sregs->idt.base = 0;
	sregs->idt.limit = 0;
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE;
}

static void enter_long(struct kvm_sregs *sregs, const struct entry *entry)
{
	enter_flat(sregs, entry);
	sregs->cs.l = 1;
	sregs->cs.db = 0;
	sregs->cr3 = entry->cr3;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	sregs->cr0 |= CR0_WP | CR0_PG;
}

/* CS takes the upper four bits of the address, IP the lower sixteen. */
static void enter_real(struct kvm_sregs *sregs, const struct entry *entry)
{
	uint16_t selector = entry->rip >> 4 & 0xf000;

	sregs->cs.selector = selector;
	sregs->cs.base = (uint64_t)selector << 4;
	sregs->ss.selector = selector;
	sregs->ss.base = (uint64_t)selector << 4;
	sregs->idt.base = 0;
	sregs->idt.limit = 0x3ff;
}

/**
 * vcpu_set_entry() - put a vCPU where the loader wants it
 * @vcpu: just created
 * @entry: from the loader
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int vcpu_set_entry(struct vcpu *vcpu, const struct entry *entry,
		   struct complaint *complaint)
{
	struct kvm_regs regs = {
		.rax = entry->rax,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rsp = entry->rsp,
		.rip = entry->rip,
		.rflags = RFLAGS_FIXED,
	};
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return refuse(vcpu, "KVM_GET_SREGS", complaint);
	switch (entry->mode) {
	case ENTRY_REAL:
		enter_real(&sregs, entry);
		regs.rip = entry->rip & 0xffff;
		regs.rsp = entry->rsp & 0xffff;
		break;
	case ENTRY_PROTECTED:
		enter_flat(&sregs, entry);
		break;
	case ENTRY_LONG:
		enter_long(&sregs, entry);
		break;
	}
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs))
		return refuse(vcpu, "KVM_SET_SREGS", complaint);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return refuse(vcpu, "KVM_SET_REGS", complaint);
	return 0;
}

static void kick(int signal)
{
	(void)signal;
	if (running)
		running->immediate_exit = 1;
}

static void run_failed(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, vcpu->index, TOOL_DEVICE, false, "vCPU %u: KVM_RUN: %s",
		vcpu->index, strerror(errno));
}

static void *run_thread(void *argument)
{
	struct vcpu *vcpu = argument;

	running = vcpu->run;
	while (!vm_stopped(vcpu->vm)) {
		if (!ioctl(vcpu->fd, KVM_RUN, 0)) {
			exits_handle(vcpu);
			continue;
		}
		/* EAGAIN: a processor that waits for its start was woken. */
		if (errno != EINTR && errno != EAGAIN) {
			run_failed(vcpu);
			break;
		}
		vcpu->run->immediate_exit = 0;
	}
	running = NULL;
	return NULL;
}

/**
 * vcpu_start() - let its thread run it
 * @vcpu: created
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int vcpu_start(struct vcpu *vcpu, struct complaint *complaint)
{
	struct sigaction action = { .sa_handler = kick };
	int error;

	sigaction(KICK_SIGNAL, &action, NULL);
	error = pthread_create(&vcpu->thread, NULL, run_thread, vcpu);
	if (error)
		return complain(complaint, "vCPU %u: no thread: %s", vcpu->index,
				strerror(error));
	vcpu->started = true;
	return 0;
}

/**
 * vcpu_join() - wait for a vCPU's thread, after vm_stop()
 * @vcpu: started or not
 *
 * Kicks until it comes.  A thread that does not come within five seconds is left
 * behind; the end of the process takes it along.
 */
void vcpu_join(struct vcpu *vcpu)
{
	struct timespec until;
	unsigned int tries;

	if (!vcpu->started)
		return;
	for (tries = 0; tries < KICK_TRIES; tries++) {
		pthread_kill(vcpu->thread, KICK_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += KICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_nsec -= 1000000000;
			until.tv_sec++;
		}
		if (!pthread_timedjoin_np(vcpu->thread, NULL, &until)) {
			vcpu->started = false;
			return;
		}
	}
	say("vCPU %u: does not leave the guest", vcpu->index);
}

static void dump_segment(const char *name, const struct kvm_segment *segment)
{
	fprintf(stderr, "%-4s %04x base %016" PRIx64 " limit %08x type %x s%u dpl%u p%u l%u db%u g%u%s\n",
		name, segment->selector, (uint64_t)segment->base, segment->limit,
		segment->type, segment->s, segment->dpl, segment->present, segment->l,
		segment->db, segment->g, segment->unusable ? " unusable" : "");
}

static void dump_sregs(const struct kvm_sregs *sregs)
{
	dump_segment("CS", &sregs->cs);
	dump_segment("SS", &sregs->ss);
	dump_segment("DS", &sregs->ds);
	dump_segment("ES", &sregs->es);
	dump_segment("FS", &sregs->fs);
	dump_segment("GS", &sregs->gs);
	dump_segment("TR", &sregs->tr);
	dump_segment("LDT", &sregs->ldt);
	fprintf(stderr, "GDT  %016" PRIx64 " %04x  IDT %016" PRIx64 " %04x\n",
		(uint64_t)sregs->gdt.base, sregs->gdt.limit, (uint64_t)sregs->idt.base,
		sregs->idt.limit);
	fprintf(stderr, "CR0  %016" PRIx64 " CR2  %016" PRIx64 " CR3 %016" PRIx64
		" CR4 %016" PRIx64 "\n", (uint64_t)sregs->cr0, (uint64_t)sregs->cr2,
		(uint64_t)sregs->cr3, (uint64_t)sregs->cr4);
	fprintf(stderr, "CR8  %016" PRIx64 " EFER %016" PRIx64 " APIC %016" PRIx64 "\n",
		(uint64_t)sregs->cr8, (uint64_t)sregs->efer, (uint64_t)sregs->apic_base);
}

static void dump_row(const char *names[4], const uint64_t *a, const uint64_t *b,
		     const uint64_t *c, const uint64_t *d)
{
	fprintf(stderr, "%-4s %016" PRIx64 " %-4s %016" PRIx64 " %-4s %016" PRIx64
		" %-4s %016" PRIx64 "\n", names[0], *a, names[1], *b, names[2], *c,
		names[3], *d);
}

/**
 * vcpu_dump() - print a vCPU's registers on standard error
 * @vcpu: its thread has ended
 */
void vcpu_dump(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs) || ioctl(vcpu->fd, KVM_GET_SREGS, &sregs)) {
		say("vCPU %u: no registers: %s", vcpu->index, strerror(errno));
		return;
	}
	fprintf(stderr, "vCPU %u\n", vcpu->index);
#define ROW(n1, f1, n2, f2, n3, f3, n4, f4)					\
	dump_row((const char *[]){ n1, n2, n3, n4 }, (uint64_t *)&regs.f1,	\
		 (uint64_t *)&regs.f2, (uint64_t *)&regs.f3, (uint64_t *)&regs.f4)
	ROW("RAX", rax, "RBX", rbx, "RCX", rcx, "RDX", rdx);
	ROW("RSI", rsi, "RDI", rdi, "RBP", rbp, "RSP", rsp);
	ROW("R8", r8, "R9", r9, "R10", r10, "R11", r11);
	ROW("R12", r12, "R13", r13, "R14", r14, "R15", r15);
#undef ROW
	fprintf(stderr, "RIP  %016" PRIx64 " RFL  %016" PRIx64 "\n", (uint64_t)regs.rip,
		(uint64_t)regs.rflags);
	dump_sregs(&sregs);
}
