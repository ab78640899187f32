// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: one instruction on the real processor
 *
 * A signal handler is a door to all user-visible registers.  UD2 enters it; it
 * keeps the caller's context, puts the wanted state into the signal frame, with
 * TF set, and returns to it.  One instruction later, or at its fault, the next
 * signal brings the state after, and the caller's context is put back.  The LDT
 * gives 16-bit and segmented code.
 */
#include "test_emul_cpu.h"

#include <asm/ldt.h>
#include <asm/processor-flags.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static const int gpr_index[16] = {
	REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
	REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
};

static struct {
	bool inside;
	mcontext_t home;
	u8 home_fp[4096];
	const struct cpu_state *start;
	struct cpu_outcome *out;
} door;

static const struct user_desc ldt[LDT_ENTRIES] = {
	[LDT_CODE16] = { .base_addr = CODE_BASE, .limit = 0xffff,
			 .contents = 2 },
	[LDT_DATA16] = { .base_addr = DATA_BASE, .limit = 0xffff },
	[LDT_DATA32] = { .base_addr = DATA_BASE, .limit = 0xffff,
			 .seg_32bit = 1 },
	[LDT_DATA_RO] = { .base_addr = DATA_BASE, .limit = 0xffff,
			  .seg_32bit = 1, .read_exec_only = 1 },
	[LDT_DATA_SHORT] = { .base_addr = DATA_BASE, .limit = 0x7fff,
			     .seg_32bit = 1 },
	[LDT_DATA_DOWN] = { .base_addr = DATA_BASE, .limit = 0x3fff,
			    .contents = 1 },
	[LDT_CODE32] = { .base_addr = CODE_BASE, .limit = 0xffff,
			 .seg_32bit = 1, .contents = 2 },
	[LDT_CODE_XO] = { .base_addr = CODE_BASE, .limit = 0xffff,
			  .seg_32bit = 1, .contents = 2, .read_exec_only = 1 },
	[LDT_CODE_CONF] = { .base_addr = CODE_BASE, .limit = 0xffff,
			    .seg_32bit = 1, .contents = 3,
			    .seg_not_present = 1 },
	[LDT_ABSENT] = { .base_addr = DATA_BASE, .limit = 0xffff,
			 .seg_32bit = 1, .seg_not_present = 1 },
	[LDT_DATA_FLAT] = { .limit = 0xfffff, .seg_32bit = 1,
			    .limit_in_pages = 1 },
};

const u64 *cpu_ldt(void)
{
	static u64 table[8192];

	if (syscall(SYS_modify_ldt, 0, table, sizeof(table)) != sizeof(table))
		return NULL;
	return table;
}

u64 cpu_sticky_flags(void)
{
	u64 f;

	__asm__ volatile("pushfq; popq %0" : "=r"(f));
	return f & (X86_EFLAGS_ID | X86_EFLAGS_NT);
}

static struct {
	u64 from, to;
} maps[4096];

static unsigned int nr_maps;

static void read_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512];

	while (f && nr_maps < ARRAY_SIZE(maps) && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llx-%llx", &maps[nr_maps].from,
			   &maps[nr_maps].to) == 2)
			nr_maps++;
	if (f)
		fclose(f);
}

bool cpu_mapped(u64 addr)
{
	unsigned int i;

	if (addr - DATA_BASE < DATA_SIZE || addr - CODE_BASE < CODE_SIZE)
		return false;
	for (i = 0; i < nr_maps; i++)
		if (addr >= maps[i].from && addr < maps[i].to)
			return true;
	return false;
}

static void load_data_segs(u16 es, u16 ds, u16 gs)
{
	__asm__ volatile("mov %0, %%es; mov %1, %%ds; mov %2, %%gs"
			 : : "r"(es), "r"(ds), "r"(gs));
}

static void save_data_segs(u16 *es, u16 *ds, u16 *gs)
{
	__asm__ volatile("mov %%es, %0; mov %%ds, %1; mov %%gs, %2"
			 : "=r"(*es), "=r"(*ds), "=r"(*gs));
}

static size_t fp_size(const void *fp)
{
	u32 size;

	/* software-reserved bytes of the frame: total size of the state */
	memcpy(&size, (const u8 *)fp + 464 + 16, 4);
	return size >= 832 && size <= 4096 ? size : 832;
}

/* SSE halves in the legacy area, AVX halves at 576 of the XSAVE area. */
static void put_vec(u8 *fp, const struct cpu_state *s)
{
	u64 bv;
	int i;

	for (i = 0; i < 16; i++) {
		memcpy(fp + 160 + 16 * i, s->vec[i], 16);
		memcpy(fp + 576 + 16 * i, s->vec[i] + 16, 16);
	}
	memcpy(&bv, fp + 512, 8);
	bv |= 7;
	memcpy(fp + 512, &bv, 8);
}

static void get_vec(const u8 *fp, struct cpu_state *s)
{
	u64 bv;
	int i;

	memcpy(&bv, fp + 512, 8);
	for (i = 0; i < 16; i++) {
		memset(s->vec[i], 0, 32);
		if (bv & 2)
			memcpy(s->vec[i], fp + 160 + 16 * i, 16);
		if (bv & 4)
			memcpy(s->vec[i] + 16, fp + 576 + 16 * i, 16);
	}
}

static void enter(mcontext_t *m)
{
	const struct cpu_state *s = door.start;
	u64 segs = m->gregs[REG_CSGSFS];
	int i;

	door.home = *m;
	memcpy(door.home_fp, m->fpregs, fp_size(m->fpregs));
	for (i = 0; i < 16; i++)
		m->gregs[gpr_index[i]] = s->gpr[i];
	m->gregs[REG_RIP] = s->rip;
	m->gregs[REG_EFL] = s->rflags | X86_EFLAGS_TF;
	segs &= 0x0000ffffffff0000ull;
	segs |= s->sreg[UMBRA_CS] | (u64)s->sreg[UMBRA_SS] << 48;
	m->gregs[REG_CSGSFS] = segs;
	put_vec((u8 *)m->fpregs, s);
	load_data_segs(s->sreg[UMBRA_ES], s->sreg[UMBRA_DS],
		       s->sreg[UMBRA_GS]);
	door.inside = true;
}

static void leave(mcontext_t *m)
{
	struct cpu_outcome *o = door.out;
	void *fp = m->fpregs;
	u64 segs;
	int i;

	save_data_segs(&o->after.sreg[UMBRA_ES], &o->after.sreg[UMBRA_DS],
		       &o->after.sreg[UMBRA_GS]);
	load_data_segs(0, 0, 0);
	for (i = 0; i < 16; i++)
		o->after.gpr[i] = m->gregs[gpr_index[i]];
	o->after.rip = m->gregs[REG_RIP];
	o->after.rflags = m->gregs[REG_EFL];
	segs = m->gregs[REG_CSGSFS];
	o->after.sreg[UMBRA_CS] = segs;
	o->after.sreg[UMBRA_SS] = segs >> 48;
	get_vec(fp, &o->after);
	o->vector = m->gregs[REG_TRAPNO];
	o->error = m->gregs[REG_ERR];
	o->cr2 = m->gregs[REG_CR2];
	*m = door.home;
	m->fpregs = fp;
	memcpy(fp, door.home_fp, fp_size(door.home_fp));
	m->gregs[REG_RIP] += 2;		/* over the UD2 */
	door.inside = false;
}

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	mcontext_t *m = &((ucontext_t *)uc)->uc_mcontext;

	/* the kernel leaves RFLAGS.AC to the handler */
	__asm__ volatile("pushfq; andq $~0x40000, (%%rsp); popfq"
			 : : : "memory", "cc");
	if (door.inside) {
		leave(m);
		return;
	}
	if (sig == SIGILL && door.start) {
		enter(m);
		return;
	}
	signal(sig, SIG_DFL);
}

void cpu_run(const struct cpu_state *s, struct cpu_outcome *out)
{
	door.start = s;
	door.out = out;
	__asm__ volatile("ud2" : : : "memory");
	door.start = NULL;
}

void cpu_seal(void)
{
	mprotect((void *)(DATA_BASE + DATA_RO), DATA_SIZE - DATA_RO, PROT_READ);
}

static bool map_areas(void)
{
	void *d, *c;

	d = mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	c = mmap((void *)CODE_BASE, CODE_SIZE,
		 PROT_READ | PROT_WRITE | PROT_EXEC,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	read_maps();
	return d == (void *)DATA_BASE && c == (void *)CODE_BASE;
}

bool cpu_setup(void)
{
	static const int sigs[] = {
		SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE,
	};
	struct sigaction sa = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
	};
	stack_t ss = { .ss_size = 256 * 1024 };
	unsigned int i;

	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ss.ss_sp == MAP_FAILED || sigaltstack(&ss, NULL) || !map_areas())
		return false;
	for (i = 0; i < ARRAY_SIZE(sigs); i++)
		if (sigaction(sigs[i], &sa, NULL))
			return false;
	for (i = 0; i < LDT_ENTRIES; i++) {
		struct user_desc d = ldt[i];

		d.entry_number = i;
		if (syscall(SYS_modify_ldt, 0x11, &d, sizeof(d)))
			return false;
	}
	return true;
}
