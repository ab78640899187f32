/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: guest fuzzer
 *
 * Random guests that run on one KVM device after the other (Umbra and stock KVM): what comes of
 * them on the first is written down and compared with what comes of the same on the second.
 *
 * A guest is a memory full of random descriptors and page tables, and a row of steps.  A step is a
 * complete random state (mode, privilege, control and segment registers, events) and a few random
 * instructions.  It ends at the first HLT, which is also what all handlers of exceptions and
 * system calls consist of.  Then all visible state is compared, and the next step begins on the
 * memory that the last one left.
 *
 *   guest_gen.c      random code, of what the next four make
 *   guest_operand.c    prefixes and operands
 *   guest_opcode.c     instructions
 *   guest_system.c     the system's registers and tables
 *   guest_flow.c       far transfers, system calls, jumps
 *   guest_image.c    the memory that a guest begins with
 *   guest_state.c    the state that a step begins with
 *   guest_machine.c  a machine on a KVM device
 *   guest_compare.c  what must be equal
 *   guest_excuse.c   what may differ for which reason: ..._kvm.c stock KVM, ..._tcg.c its processor
 *   guest_show.c     a difference, for the reader
 *   guest_fuzz.c     the program
 *
 * Guest physical memory (linear is physical below IMAGE_ALIASED in all page tables;
 * pages of data have random permissions and targets):
 *
 *   0x00000  interrupt vectors of real mode
 *   0x02000  IDT of protected mode      0x03000  IDT of long mode
 *   0x04000  GDT                        0x05000  LDT
 *   0x06000  TSS, long mode             0x06800  TSS, protected mode
 *   0x07000  a page of HLT: all handlers
 *   0x08000  code, 4 pages
 *   0x10000  data, 16 pages
 *   0x20000  stacks, 4 pages
 *   0x30000  page tables (IMAGE_TABLES)
 */
#ifndef GUEST_FUZZ_H
#define GUEST_FUZZ_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define IMAGE_SIZE	0x80000u
#define IMAGE_IDT32	0x2000u
#define IMAGE_IDT64	0x3000u
#define IMAGE_GDT	0x4000u
#define IMAGE_LDT	0x5000u
#define IMAGE_TSS64	0x6000u
#define IMAGE_TSS32	0x6800u
#define IMAGE_HANDLERS	0x7000u
#define IMAGE_CODE	0x8000u
#define IMAGE_CODE_SIZE	0x4000u
#define IMAGE_DATA	0x10000u
#define IMAGE_DATA_SIZE	0x10000u
#define IMAGE_STACK	0x20000u
#define IMAGE_STACK_SIZE 0x4000u
#define IMAGE_TABLES	0x30000u
#define IMAGE_NOWHERE	0x200000u	/* no memory from here on */

/* Handlers that are not of an exception: offsets in IMAGE_HANDLERS. */
#define HANDLER_SYSCALL	0x200u
#define HANDLER_CSTAR	0x210u
#define HANDLER_SYSENTER 0x220u

#define IMAGE_LANDING	64u	/* data at multiples of it begins with HLT */
#define IMAGE_ROOTS	3	/* page tables of each kind */
#define CODE_MAX	96	/* bytes of a step's code */
#define STEP_EXITS	160	/* exits to userspace that a step may have */

/* Indexes in the GDT. */
enum {
	GDT_CODE64 = 1, GDT_DATA, GDT_CODE32, GDT_UCODE32, GDT_UDATA, GDT_UCODE64,
	GDT_CODE16, GDT_UCODE16, GDT_DATA16, GDT_UDATA16, GDT_TSS64, GDT_TSS64_HIGH,
	GDT_TSS32, GDT_LDT, GDT_LDT_HIGH, GDT_CONFORMING, GDT_ABSENT, GDT_GATE, GDT_GATE_HIGH,
	GDT_RODATA, GDT_EXECONLY, GDT_RANDOM,
	GDT_COUNT = 32,
};

enum mode {
	MODE_REAL, MODE_V86, MODE_PROT16, MODE_PROT32, MODE_COMPAT16, MODE_COMPAT32, MODE_LONG,
	MODES,
};

enum paging {
	PAGING_NONE, PAGING_32, PAGING_PAE, PAGING_LONG,
};

/* What the fuzzer is told not to do, where an engine's errata say so. */
struct limits {
	bool user_answers;	/* CPUID, LSL and their like tell user code of the guest */
	bool x87;		/* x87 and MMX arithmetic may be missing */
	bool accessed;		/* the accessed bits of page tables are compared */
	bool write_faults;	/* a page fault says whether it was a write */
	bool nested;		/* the tables are walked by a processor: the bed's, QEMU's TCG */
	bool osfxsr;		/* without CR4.OSFXSR SSE is #UD */
};

struct rng {
	uint64_t state;
};

/* A step: everything that is set before it, and its code. */
struct step {
	enum mode mode;
	enum paging paging;
	unsigned int root;
	bool user;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debug;
	uint8_t code[CODE_MAX];
	unsigned int code_len;
	uint64_t code_gpa;
	int interrupt;		/* vector for KVM_INTERRUPT, or -1 */
	bool nmi;
};

/* One exit to userspace of a step. */
struct seen_exit {
	uint32_t reason;
	uint8_t write;
	uint16_t len;
	uint64_t where;
	uint64_t data;
};

/* What came of a step. */
struct outcome {
	unsigned int exits;
	struct seen_exit exit[STEP_EXITS];
	bool endless;		/* it had to be stopped */
	bool cut;		/* STEP_EXITS were not enough */
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_fpu fpu;
	struct kvm_debugregs debug;
	struct kvm_vcpu_events events;
	uint64_t msr[16];
	unsigned int vector;	/* whose handler was the end; else 256 or more */
	uint8_t culprit[16];	/* the code of the fault, or before the #DB, or at the shutdown, that was the end */
	bool fault_write;	/* the page fault that was the end was a write */
	bool event;		/* the step began with an interrupt or an NMI */
	bool moved;		/* the page of handlers is another by now, or others are in it */
	bool overwritten;	/* a repeated string instruction of the step's code was */
	bool changed;		/* the step's code was */
	bool nested;		/* of struct limits */
	bool stepping;		/* the step began with RFLAGS.TF */
	bool pdpte_accessed;	/* nested: TCG has set accessed bits in PDPTEs, which are reserved there */
	bool has_cs_prefix;	/* the step's code may have a prefix of CS */
	bool starts_far;	/* the step's code begins with a far CALL or JMP */
	bool releases_much;	/* the step's code may have RET imm16 with bit 15 of it */
	bool code_gone;		/* by the tables of now what ran last cannot be fetched */
	bool reserved_nx;	/* the way to CR2 has NX, and EFER.NXE is 0 */
	bool ps_ignored;	/* its directory entry has PS, and CR4.PSE is 0 */
	bool fault_v86;		/* of the frame that was the end: in virtual-8086 mode */
	uint16_t fault_cs;	/* its CS */
	bool fault_64;		/* which is of 64 bits: as the step began, or else by the image */
	bool fault_nt;		/* and RFLAGS.NT */
	bool has_lss, has_bsf, has_enter;	/* the step's code may have LSS; BSF or BSR; ENTER */
	uint16_t fault_error;	/* and error code, if there is one */
	uint64_t fault_ip;	/* and its RIP, linear in real and virtual-8086 mode */
	uint64_t code_gpa;	/* the step's */
	uint64_t page[IMAGE_SIZE / 4096];	/* sums of memory's pages */
	uint64_t plain[IMAGE_SIZE / 4096];	/* the same without accessed bits of page tables */
	uint64_t clean[IMAGE_SIZE / 4096];	/* and without dirty bits */
};

/* What a guest's CPUID answers; laid out as the ioctls want it. */
#define CPUID_MAX	256
struct cpu_model {
	struct kvm_cpuid2 list;
	struct kvm_cpuid_entry2 entry[CPUID_MAX];
};

struct machine {
	const char *device;
	int dev, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	uint8_t *mem;
	const struct step *step;	/* what was set last */
};

/*
 * Counts the steps of the machine that runs; the watchdog looks at it.  Other calls than KVM_RUN it
 * leaves alone: KVM_CREATE_VM fails when a signal comes.
 */
extern volatile unsigned long guest_pulse;
extern volatile bool guest_running, guest_stopped;

/* guest_gen.c */
uint64_t rng_next(struct rng *r);
uint64_t below(struct rng *r, uint64_t n);
bool chance(struct rng *r, unsigned int percent);
void gen_code(struct rng *r, struct step *s, const struct limits *lim);

/* guest_image.c */
void image_make(struct rng *r, uint8_t *mem);
void image_vectors(uint8_t *mem);
uint64_t image_root(enum paging paging, unsigned int root);
uint64_t image_pointer(struct rng *r, enum mode in, enum paging paging);
uint64_t image_entry(struct rng *r, uint64_t gpa, bool wide, bool leaf);
uint64_t image_descriptor(const uint8_t *mem, unsigned int index);

/* guest_state.c */
void state_make(struct rng *r, struct step *s, const uint8_t *mem, const struct limits *lim);
const char *state_mode_name(const struct step *s);

/* guest_machine.c */
void machine_open(struct machine *m, const char *device);
void machine_cpuid(struct machine *m, struct machine *other, struct cpu_model *model);
void machine_new(struct machine *m, const struct cpu_model *model, const uint8_t *image);
void machine_end(struct machine *m);
bool machine_set(struct machine *m, const struct step *s);
void machine_run(struct machine *m, struct outcome *o, const struct limits *lim);
uint8_t machine_device_says(uint64_t where);
extern const uint32_t machine_msrs[];
extern const unsigned int machine_msr_count;

/* guest_compare.c */
const char *compare(const struct outcome *a, const struct outcome *b, bool *ends);
bool compare_has_ended(const struct outcome *o, uint32_t reason);
bool compare_segment(struct kvm_segment a, struct kvm_segment b, bool long_mode, bool fsgs);

/* guest_show.c */
void show_step(const struct step *s);
void show(const struct step *s, const char *name_a, const struct outcome *a,
	  const char *name_b, const struct outcome *b);
void show_stack(const char *name, const struct outcome *o, const uint8_t *mem);
void show_walk(const char *name, const struct outcome *o, const uint8_t *mem);
void show_memory(const uint8_t *a, const uint8_t *b);

#endif
