// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a machine on a KVM device
 *
 * One vCPU and one slot of memory, without interrupt controllers.  What userspace would
 * answer to port and memory accesses is a function of the address.
 */
#include "guest_fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

volatile unsigned long guest_pulse;
volatile bool guest_running, guest_stopped;

const uint32_t machine_msrs[] = {
	0x174, 0x175, 0x176,		/* SYSENTER_CS, ESP, EIP */
	0x277,				/* PAT */
	0xc0000080,			/* EFER */
	0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,	/* STAR, LSTAR, CSTAR, SFMASK */
	0xc0000100, 0xc0000101, 0xc0000102,		/* FS, GS, kernel GS base */
};

const unsigned int machine_msr_count = sizeof(machine_msrs) / sizeof(machine_msrs[0]);

struct msr_list {
	struct kvm_msrs head;
	struct kvm_msr_entry entry[16];
};

static long must(long ret, const char *device, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: %s: %s\n", device, what, strerror(errno));
		exit(1);
	}
	return ret;
}

void machine_open(struct machine *m, const char *device)
{
	m->device = device;
	m->dev = must(open(device, O_RDWR | O_CLOEXEC), device, "open");
	m->run_size = must(ioctl(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0ul), device, "mmap size");
}

static struct kvm_cpuid_entry2 *find(struct cpu_model *model, uint32_t function, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < model->list.nent; i++)
		if (model->entry[i].function == function && model->entry[i].index == index)
			return &model->entry[i];
	return NULL;
}

static void get_cpuid(struct machine *m, struct cpu_model *model)
{
	memset(model, 0, sizeof(*model));
	model->list.nent = CPUID_MAX;
	must(ioctl(m->dev, KVM_GET_SUPPORTED_CPUID, model), m->device, "CPUID");
}

/* The features that both have. */
static void take_common(struct cpu_model *model, struct cpu_model *other)
{
	static const uint32_t leaves[] = { 1, 7, 0x80000001, 0x80000007, 0x80000008 };
	unsigned int i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		struct kvm_cpuid_entry2 *x = find(model, leaves[i], 0), *y = find(other, leaves[i], 0);

		if (!x)
			continue;
		x->ebx &= y ? y->ebx : 0;
		x->ecx &= y ? y->ecx : 0;
		x->edx &= y ? y->edx : 0;
	}
}

/* The processor of all guests: what @m supports, as far as @other does, too (it may be NULL). */
void machine_cpuid(struct machine *m, struct machine *other, struct cpu_model *model)
{
	struct cpu_model theirs;

	get_cpuid(m, model);
	if (other) {
		get_cpuid(other, &theirs);
		take_common(model, &theirs);
	}
	/* The APIC id is the processor's to choose, OSXSAVE the guest's; no AVX, no XSAVE. */
	find(model, 1, 0)->ebx = 0x800;
	find(model, 1, 0)->ecx &= ~(1u << 26 | 1u << 27 | 1u << 28);
}

void machine_new(struct machine *m, const struct cpu_model *model, const uint8_t *image)
{
	struct kvm_userspace_memory_region region = { .memory_size = IMAGE_SIZE };
	struct kvm_run *run;

	m->mem = mmap(NULL, IMAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->mem == MAP_FAILED)
		must(-1, m->device, "mmap");
	memcpy(m->mem, image, IMAGE_SIZE);
	m->vm = must(ioctl(m->dev, KVM_CREATE_VM, 0ul), m->device, "KVM_CREATE_VM");
	region.userspace_addr = (uintptr_t)m->mem;
	must(ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region), m->device, "memory");
	m->vcpu = must(ioctl(m->vm, KVM_CREATE_VCPU, 0ul), m->device, "KVM_CREATE_VCPU");
	run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (run == MAP_FAILED)
		must(-1, m->device, "mmap of the vCPU");
	m->run = run;
	must(ioctl(m->vcpu, KVM_SET_CPUID2, model), m->device, "KVM_SET_CPUID2");
}

void machine_end(struct machine *m)
{
	struct kvm_run *run = m->run;

	/* The watchdog's signal handler looks at it. */
	m->run = NULL;
	munmap(run, m->run_size);
	close(m->vcpu);
	close(m->vm);
	munmap(m->mem, IMAGE_SIZE);
}

static void set_msrs(struct machine *m)
{
	/* The lower half is where SYSCALL goes outside long mode. */
	const uint64_t star = 8ull * GDT_CODE32 << 48 | 8ull * GDT_CODE64 << 32 |
			      (IMAGE_HANDLERS + HANDLER_CSTAR);
	struct msr_list list = { .entry = {
		{ .index = 0x174, .data = 8 * GDT_CODE64 },
		{ .index = 0x175, .data = IMAGE_STACK + 0xc00 },
		{ .index = 0x176, .data = IMAGE_HANDLERS + HANDLER_SYSENTER },
		{ .index = 0x277, .data = 0x0007040600070406 },
		{ .index = 0xc0000081, .data = star },
		{ .index = 0xc0000082, .data = IMAGE_HANDLERS + HANDLER_SYSCALL },
		{ .index = 0xc0000083, .data = IMAGE_HANDLERS + HANDLER_CSTAR },
		/* All that TCG forgets of RFLAGS at SYSCALL. */
		{ .index = 0xc0000084, .data = 0xdd5 },
		{ .index = 0xc0000102, .data = IMAGE_DATA },
	} };

	list.head.nmsrs = 9;
	must(ioctl(m->vcpu, KVM_SET_MSRS, &list) - 9, m->device, "KVM_SET_MSRS");
}

/* By the XSAVE area: KVM_SET_FPU of stock KVM leaves MXCSR and its own idea of what is initial. */
static void set_fpu(struct machine *m, const struct kvm_fpu *fpu)
{
	struct kvm_xsave area = { 0 };

	area.region[0] = fpu->fcw;
	area.region[6] = fpu->mxcsr;
	memcpy(&area.region[40], fpu->xmm, sizeof(fpu->xmm));
	area.region[128] = 3;	/* x87 and SSE are not in their initial state */
	must(ioctl(m->vcpu, KVM_SET_XSAVE, &area), m->device, "KVM_SET_XSAVE");
}

static void get_fpu(struct machine *m, struct kvm_fpu *fpu)
{
	struct kvm_xsave area = { 0 };

	must(ioctl(m->vcpu, KVM_GET_XSAVE, &area), m->device, "KVM_GET_XSAVE");
	fpu->mxcsr = area.region[6];
	memcpy(fpu->xmm, &area.region[40], sizeof(fpu->xmm));
}

/* All handlers are HLT still. */
static bool has_handlers(const struct machine *m)
{
	const uint8_t *page = m->mem + IMAGE_HANDLERS;

	return page[0] == 0xf4 && !memcmp(page, page + 1, 0xfff);
}

/* False: the device refuses the segments or control registers. */
bool machine_set(struct machine *m, const struct step *s)
{
	struct kvm_sregs sregs = s->sregs, old;
	struct kvm_vcpu_events events = { 0 };
	struct kvm_interrupt irq = { .irq = s->interrupt };

	must(ioctl(m->vcpu, KVM_GET_SREGS, &old), m->device, "KVM_GET_SREGS");
	sregs.apic_base = old.apic_base;
	if (ioctl(m->vcpu, KVM_SET_SREGS, &sregs) < 0)
		return false;
	must(ioctl(m->vcpu, KVM_SET_REGS, &s->regs), m->device, "KVM_SET_REGS");
	set_fpu(m, &s->fpu);
	must(ioctl(m->vcpu, KVM_SET_DEBUGREGS, &s->debug), m->device, "KVM_SET_DEBUGREGS");
	set_msrs(m);
	events.flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW;
	events.nmi.pending = s->nmi;
	must(ioctl(m->vcpu, KVM_SET_VCPU_EVENTS, &events), m->device, "KVM_SET_VCPU_EVENTS");
	if (s->interrupt >= 0)
		must(ioctl(m->vcpu, KVM_INTERRUPT, &irq), m->device, "KVM_INTERRUPT");
	memcpy(m->mem + s->code_gpa, s->code, CODE_MAX);
	/* Without vectors, random bytes would be real mode's handlers from the first time on that one was hit. */
	if (s->mode == MODE_REAL)
		image_vectors(m->mem);
	/* Nor would there be an exception whose frame is known once a step has written to their page. */
	if (!has_handlers(m))
		memset(m->mem + IMAGE_HANDLERS, 0xf4, 0x1000);
	m->step = s;
	return true;
}

/* What a device says at an address: the same to everybody. */
uint8_t machine_device_says(uint64_t where)
{
	return (where + 1) * 0x9e3779b97f4a7c15ull;
}

/* One access: its data, or the answer to a read. */
static void note_access(struct outcome *o, uint32_t reason, uint64_t where, bool write,
			uint8_t *data, unsigned int len)
{
	struct seen_exit e = { .reason = reason, .write = write, .len = len, .where = where };
	unsigned int i;

	for (i = 0; i < len; i++) {
		if (!write)
			data[i] = machine_device_says(where + i);
		e.data = e.data * 257 + data[i];
	}
	if (o->exits < STEP_EXITS)
		o->exit[o->exits++] = e;
	o->cut = o->exits == STEP_EXITS;
}

/* How many elements of a string go to a port at once is nobody's promise: each is noted. */
static void note_exit(struct machine *m, struct outcome *o)
{
	struct kvm_run *run = m->run;
	unsigned int i;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		for (i = 0; i < run->io.count; i++)
			note_access(o, KVM_EXIT_IO, run->io.port,
				    run->io.direction == KVM_EXIT_IO_OUT,
				    (uint8_t *)run + run->io.data_offset + i * run->io.size,
				    run->io.size);
		break;
	case KVM_EXIT_MMIO:
		note_access(o, KVM_EXIT_MMIO, run->mmio.phys_addr, run->mmio.is_write,
			    run->mmio.data, run->mmio.len);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		note_access(o, KVM_EXIT_INTERNAL_ERROR, run->internal.suberror, true, NULL, 0);
		break;
	default:
		note_access(o, run->exit_reason, 0, true, NULL, 0);
		break;
	}
}

/* Also the large page at 0, without CR4.PSE. */
static bool is_table(unsigned int page)
{
	return !page || page >= IMAGE_TABLES / 4096;
}

/*
 * Each page of memory in a number.  Without @accessed the accessed bits of page tables do not
 * count: of an ADD that may not write, the processor (or TCG, which reads first) may have set them,
 * an emulator that looks first has not.
 */
static void sum_pages(const uint8_t *mem, struct outcome *o, bool accessed)
{
	const uint64_t *word = (const void *)mem;
	unsigned int i, k;

	for (i = 0; i < IMAGE_SIZE / 4096; i++, word += 512) {
		uint64_t sum = 0, plain = 0, clean = 0, bits = is_table(i);

		bits |= bits << 32;

		for (k = 0; k < 512; k++) {
			sum = sum * 0x9e3779b97f4a7c15ull + word[k];
			plain = plain * 0x9e3779b97f4a7c15ull + (word[k] & ~(bits << 5));
			clean = clean * 0x9e3779b97f4a7c15ull + (word[k] & ~(bits << 5) & ~(bits << 6));
		}
		o->page[i] = accessed ? sum : plain;
		o->plain[i] = plain;
		o->clean[i] = clean;
	}
}

static void collect(struct machine *m, struct outcome *o)
{
	struct msr_list list = { 0 };
	unsigned int i;

	must(ioctl(m->vcpu, KVM_GET_REGS, &o->regs), m->device, "KVM_GET_REGS");
	must(ioctl(m->vcpu, KVM_GET_SREGS, &o->sregs), m->device, "KVM_GET_SREGS");
	get_fpu(m, &o->fpu);
	must(ioctl(m->vcpu, KVM_GET_DEBUGREGS, &o->debug), m->device, "KVM_GET_DEBUGREGS");
	must(ioctl(m->vcpu, KVM_GET_VCPU_EVENTS, &o->events), m->device, "KVM_GET_VCPU_EVENTS");
	list.head.nmsrs = machine_msr_count;
	for (i = 0; i < machine_msr_count; i++)
		list.entry[i].index = machine_msrs[i];
	must(ioctl(m->vcpu, KVM_GET_MSRS, &list), m->device, "KVM_GET_MSRS");
	for (i = 0; i < machine_msr_count; i++)
		o->msr[i] = list.entry[i].data;
}

static bool is_wide(const struct outcome *o)
{
	return o->sregs.efer & 0x400;
}

/* An entry of a table in the image; 0: there is none. */
static uint64_t table_entry(const struct machine *m, uint64_t table, uint64_t index, bool wide)
{
	unsigned int size = wide ? 8 : 4;
	uint64_t entry = 0;

	table = (table & 0xffffffffff000) + index * size;
	if (table <= IMAGE_SIZE - size)
		memcpy(&entry, m->mem + table, size);
	return entry & 1 ? entry : 0;
}

/* What the page tables make of a linear address, whatever they permit. */
struct way {
	uint64_t at;		/* ~0: it is nowhere */
	bool nx;		/* an entry has bit 63 */
	bool reserved;		/* PS where there is none, or bits within a large page */
};

/* By the tables as they are.  Not by KVM_TRANSLATE: stock KVM's sets accessed bits, also of code that nobody has fetched. */
static struct way walk(const struct machine *m, const struct kvm_sregs *sr, uint64_t linear)
{
	bool wide = sr->cr4 & 0x20, long_mode = sr->efer & 0x400;
	unsigned int bits = wide ? 9 : 10, level = long_mode ? 4 : wide ? 3 : 2;
	struct way way = { .at = ~0ull };
	uint64_t entry = sr->cr3;

	if (!(sr->cr0 & 1u << 31)) {
		way.at = linear;
		return way;
	}
	if (level == 3)		/* PDPTEs: 32 bytes, anywhere */
		entry = table_entry(m, entry, (entry & 0xfe0) / 8 + (linear >> 30 & 3), true), level--;
	for (; entry && level; level--) {
		unsigned int shift = 12 + bits * (level - 1);

		entry = table_entry(m, entry, linear >> shift & ((1u << bits) - 1), wide);
		way.nx |= entry >> 63;
		way.reserved |= level > 2 && entry & 0x80;
		if (level == 2 && entry & 0x80 && wide) {
			way.reserved |= !!(entry & 0x1fe000);
			way.at = (entry & 0xfffffffe00000) | (linear & 0x1fffff);
			return way;
		}
		/* PSE-36: bits 32 to 39 of the address are there, too. */
		if (level == 2 && entry & 0x80 && sr->cr4 & 0x10) {
			way.at = (entry & 0xffc00000) | (entry & 0x1fe000) << 19 | (linear & 0x3fffff);
			return way;
		}
	}
	if (entry)
		way.at = (entry & 0xffffffffff000) | (linear & 0xfff);
	return way;
}

static uint64_t physical(const struct machine *m, const struct kvm_sregs *sr, uint64_t linear)
{
	return walk(m, sr, linear).at;
}

/* Does the walk to where the last page fault was meet bit 63, which is reserved while EFER.NXE is 0? */
static bool meets_reserved_nx(const struct machine *m, const struct kvm_sregs *sr)
{
	return !(sr->efer & 0x800) && walk(m, sr, sr->cr2).nx;
}

/* Is there a PS that means nothing on the way to where the last page fault was? */
static bool meets_ignored_ps(const struct machine *m, const struct kvm_sregs *sr)
{
	return sr->cr0 >> 31 && !(sr->cr4 & 0x30) &&
	       table_entry(m, sr->cr3, sr->cr2 >> 22 & 0x3ff, false) & 0x80;
}

/*
 * Is the kernel's code at a linear address still what may be fetched, by the page tables as they are: the step's, no
 * execute-disable bit, and nothing reserved?
 */
static bool is_code_there(const struct machine *m, const struct kvm_sregs *sr, uint64_t linear)
{
	struct way way = walk(m, sr, linear);

	return way.at >= m->step->code_gpa && way.at <= m->step->code_gpa + CODE_MAX && !way.nx &&
	       !way.reserved;
}

/* Memory at a linear address, up to the end of the page; NULL: it is nowhere. */
static uint8_t *at_linear(struct machine *m, const struct outcome *o, uint64_t linear)
{
	uint64_t at = physical(m, &o->sregs, linear);

	return at <= IMAGE_SIZE - 8 ? m->mem + at : NULL;
}

/* A word of the stack, counted from the top. */
static uint8_t *stack_word(struct machine *m, const struct outcome *o, unsigned int word)
{
	uint64_t offset = o->regs.rsp + word * (is_wide(o) ? 8 : 4);
	uint64_t linear = o->sregs.ss.base + (o->sregs.ss.db || is_wide(o) ? offset : offset & 0xffff);

	return at_linear(m, o, is_wide(o) ? linear : (uint32_t)linear);
}

static bool has_error_code(unsigned int vector)
{
	return vector < 32 && 0x27d00 >> vector & 1;
}

/* The frame on top of a handler's is INT n's, which has no error code. */
static bool is_software(struct machine *m, const struct outcome *o, unsigned int vector, unsigned int word)
{
	const uint8_t *rip = stack_word(m, o, word), *code;
	uint32_t was = 0;

	if (rip)
		memcpy(&was, rip, 4);
	code = was > 1 ? at_linear(m, o, was - 2) : NULL;
	return code && code[0] == 0xcd && code[1] == vector;
}

/*
 * Some things in an exception's frame, @word words from the top of the stack, are not compared;
 * both machines forget them.
 *
 * RFLAGS.RF: QEMU's TCG, which is the processor of most runs, does not set it, and does not clear it where a
 * step began with it.
 *
 * EIP and the error code of a fault for an IDT entry that INT n may not use: stock KVM without next-RIP
 * save has EIP behind the INT already if its delivery met a page that was not shadowed yet; TCG has
 * sixteen times the vector in long mode, and no EXT where VMRUN injects an interrupt.
 *
 * Whether a page fault was a write is noted, with @lim->write_faults, apart: TCG reads what an ADD is to change
 * before it finds that it cannot be written; emulated, such an access is a write from the start.
 *
 * Return: where it was, linear.
 */
static uint64_t forget_frame(struct machine *m, struct outcome *o, unsigned int vector,
			     unsigned int word, const struct limits *lim)
{
	bool error = has_error_code(vector) && !is_software(m, o, vector, word);
	uint8_t *flags = stack_word(m, o, word + error + 2), *rip = stack_word(m, o, word + error);
	uint8_t *code = stack_word(m, o, word);
	uint64_t was = 0;

	if (flags)
		flags[2] &= ~1;
	if (rip)
		memcpy(&was, rip, is_wide(o) ? 8 : 4);
	if (code && error && !word)
		memcpy(&o->fault_error, code, 2);
	if (rip && flags && !word) {
		memcpy(&o->fault_cs, rip + (is_wide(o) ? 8 : 4), 2);
		o->fault_v86 = flags[2] & 2;
		o->fault_nt = flags[1] & 0x40;
		o->fault_64 = is_wide(o) && (o->fault_cs / 8 == m->step->sregs.cs.selector / 8 ?
					     m->step->sregs.cs.l : o->fault_cs / 8 == GDT_CODE64 ||
					     o->fault_cs / 8 == GDT_UCODE64);
	}
	/* In virtual-8086 mode CS is a number of paragraphs. */
	if (rip && flags && flags[2] & 2)
		was += 16 * (rip[4] + 0x100 * rip[5]);
	if (!word)
		o->fault_ip = was;
	if (code && vector == 14) {
		o->fault_write = lim->write_faults && !word && code[0] & 2;
		code[0] &= ~2;
	}
	if (error && vector != 14 && code && code[0] & 2) {
		code[0] = 2;
		code[1] = 0;
		if (rip)
			memset(rip, 0, 4);
	}
	return was;
}

/*
 * The same for a frame that was begun and not finished, for the stack ended in it: the page fault which says so, by IST, is
 * what is compared.
 */
static void forget_half_frame(struct machine *m, const struct outcome *o)
{
	const uint8_t *frame_rsp = stack_word(m, o, 4);
	uint8_t *flags;
	uint64_t top;

	if (!frame_rsp)
		return;
	memcpy(&top, frame_rsp, 8);
	top &= ~15ull;
	flags = at_linear(m, o, top - 24);
	if (flags && top - o->sregs.cr2 > 24 && top - o->sregs.cr2 <= 56)
		flags[2] &= ~1;
}

/* The code of a fault, or what stands before a #DB: compare() knows some that mean nothing. */
static void note_code(struct machine *m, struct outcome *o, unsigned int vector, uint64_t linear)
{
	const uint8_t *code;

	if (vector != 1 && vector != 6 && vector != 7 && (vector < 10 || vector > 14))
		return;
	code = at_linear(m, o, linear - (vector == 1));
	if ((int64_t)(linear << 16) >> 16 != (int64_t)linear)
		code = NULL;
	if (code && code < m->mem + IMAGE_SIZE - 16)
		memcpy(o->culprit, code, sizeof(o->culprit));
}

/*
 * Whose handler begins at this offset of their page.  A guest that has left long mode with its IDT there reads each gate
 * of it as two.
 */
static unsigned int vector_of(const struct outcome *o, unsigned int offset)
{
	return o->sregs.idt.base == IMAGE_IDT64 && !is_wide(o) ? 2 * offset : offset;
}

/* Accessed bits of PDPTEs: no processor sets them, they are reserved (SDM Vol. 3A 4.4.1), but TCG's walk does.  True: it has. */
static bool forget_pdptes(uint8_t *mem)
{
	unsigned int i, k;
	bool found = false;

	for (i = 0; i < IMAGE_ROOTS; i++)
		for (k = 0; k < 4; k++) {
			uint8_t *pdpte = mem + image_root(PAGING_PAE, i) + 8 * k;

			found |= *pdpte & 0x20;
			*pdpte &= ~0x20;
		}
	return found;
}

/* The frame of the exception that ended the step, and those of handlers that it interrupted. */
static void forget(struct machine *m, struct outcome *o, const struct limits *lim)
{
	unsigned int vector = vector_of(o, o->regs.rip - 1 - IMAGE_HANDLERS), word = 0, i;
	unsigned int last = o->exits ? o->exit[o->exits - 1].reason : 0;

	o->vector = vector;
	/* After a triple fault RIP is the first fault's. */
	if (last == KVM_EXIT_SHUTDOWN)
		note_code(m, o, 13, o->sregs.cs.base + o->regs.rip);
	if (vector < 32 && !(o->sregs.cr0 & 1)) {
		const uint8_t *frame = stack_word(m, o, 0);

		if (!frame)
			return;
		o->fault_cs = frame[2] + 0x100 * frame[3];
		o->fault_ip = frame[0] + 0x100 * frame[1] + 16 * o->fault_cs;
		note_code(m, o, vector, o->fault_ip);
		return;
	}
	if (vector == 14 && is_wide(o))
		forget_half_frame(m, o);
	for (i = 0; i < 8 && vector < 256; i++) {
		uint64_t rip = forget_frame(m, o, vector, word, lim);

		if (!i)
			note_code(m, o, vector, rip);
		word += has_error_code(vector) + (is_wide(o) ? 5 : 3);
		/* Of the offset only what no gate that was overwritten changes. */
		vector = vector_of(o, (uint16_t)(rip - IMAGE_HANDLERS));
	}
}

static bool is_string_store(uint8_t op)
{
	return (op & 0xfe) == 0xa4 || (op & 0xfe) == 0xaa || (op & 0xfe) == 0x6c;
}

/* Has a repeated MOVS, STOS or INS of the step's code, or its prefixes, changed? */
static bool has_overwritten_itself(const struct machine *m)
{
	const uint8_t *was = m->step->code, *now = m->mem + m->step->code_gpa;
	unsigned int i, k;

	for (i = 0; i < CODE_MAX - 16; i++) {
		if ((was[i] & 0xfe) != 0xf2)
			continue;
		/* More prefixes, a REX or two. */
		for (k = i + 1; k < i + 8 && !is_string_store(was[k]); k++)
			;
		if (is_string_store(was[k]) && memcmp(was + i, now + i, k + 1 - i))
			return true;
	}
	return false;
}

/* Do two bytes, but for the bits that @mask leaves out of the second, stand in the step's code? */
static bool has_bytes(const uint8_t *code, uint8_t first, uint8_t second, uint8_t mask)
{
	unsigned int i;

	for (i = 0; i + 1 < CODE_MAX; i++)
		if (code[i] == first && (code[i + 1] & mask) == second)
			return true;
	return false;
}

static bool has_large_release(const uint8_t *code)
{
	unsigned int i;

	for (i = 0; i + 2 < CODE_MAX; i++)
		if ((code[i] & 0xf7) == 0xc2 && code[i + 2] & 0x80)
			return true;
	return false;
}

void machine_run(struct machine *m, struct outcome *o, const struct limits *lim)
{
	memset(o, 0, sizeof(*o));
	guest_stopped = false;
	guest_pulse++;
	guest_running = true;
	while (!o->endless && !o->cut) {
		m->run->immediate_exit = 0;
		if (ioctl(m->vcpu, KVM_RUN, 0ul) < 0) {
			if (errno == EINTR || errno == EAGAIN) {
				o->endless = guest_stopped;
				continue;
			}
			note_access(o, 1000 + errno, 0, true, NULL, 0);
			break;
		}
		note_exit(m, o);
		if (m->run->exit_reason != KVM_EXIT_IO && m->run->exit_reason != KVM_EXIT_MMIO)
			break;
	}
	guest_running = false;
	/* An access that was answered last is still to be finished. */
	if (o->cut) {
		m->run->immediate_exit = 1;
		ioctl(m->vcpu, KVM_RUN, 0ul);
	}
	collect(m, o);
	o->moved = physical(m, &o->sregs, IMAGE_HANDLERS) != IMAGE_HANDLERS || !has_handlers(m);
	o->overwritten = has_overwritten_itself(m);
	o->code_gpa = m->step->code_gpa;
	o->changed = memcmp(m->step->code, m->mem + o->code_gpa, CODE_MAX);
	o->has_lss = has_bytes(m->step->code, 0x0f, 0xb2, 0xff);
	o->has_bsf = has_bytes(m->step->code, 0x0f, 0xbc, 0xfe);
	o->has_enter = memchr(m->step->code, 0xc8, CODE_MAX);
	o->has_cs_prefix = memchr(m->step->code, 0x2e, CODE_MAX);
	o->starts_far = m->step->code[0] == 0x9a || m->step->code[0] == 0xea;
	o->releases_much = has_large_release(m->step->code);
	o->code_gone = !is_code_there(m, &o->sregs, o->sregs.cs.base + o->regs.rip - 1);
	o->reserved_nx = meets_reserved_nx(m, &o->sregs);
	o->ps_ignored = meets_ignored_ps(m, &o->sregs);
	forget(m, o, lim);
	o->stepping = m->step->regs.rflags & 0x100;
	o->nested = lim->nested;
	if (o->nested)
		o->pdpte_accessed = forget_pdptes(m->mem);
	sum_pages(m->mem, o, lim->accessed);
}
