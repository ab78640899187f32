// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: paging_random_test
 *
 * A guest in long mode edits random page tables, flushes as it has to, and
 * touches random addresses as supervisor and as user: every translation, every
 * page fault and its error code has to be that of a model of the manual's
 * rules.  CR0.WP, SMEP, SMAP and CR3 change all the time.
 *
 * The guest is an agent that executes one access per KVM_RUN.  It lives in
 * supervisor pages of PML4 entry 0, mapped one to one, through which it also
 * writes the tables; random tables hang below the other entries.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "test_mmu_model.h"
#include "kvm_util.h"
#include "ktap.h"

#define TABLES		12u	/* frames that hold tables; the first ROOTS are roots */
#define ROOTS		3u
#define DATA		40u	/* frames that hold data */
#define STEPS		30000u
#define USTUB		0x9000ull
#define CR0_BASE	0x80000033ull	/* PG NE ET MP PE */
#define CR0_WP		0x10000ull
#define CR4_BASE	0x620ull	/* PAE OSFXSR OSXMMEXCPT */
#define CR4_SMEP	(1ull << 20)
#define CR4_SMAP	(1ull << 21)

enum op { LOAD, STORE, FETCH, ULOAD, USTORE, UFETCH, INVLPG, SET_CR3, SET_CR0, SET_CR4 };

/* rsi = op, rdi = address, rax = value; ecx = 1 after a #PF, then edx and rbx. */
KU_CODE64(agent,
	  "cmp $1, %rsi\n jb 10f\n je 11f\n"
	  "cmp $3, %rsi\n jb 12f\n"
	  "cmp $6, %rsi\n jb 13f\n je 16f\n"
	  "cmp $8, %rsi\n jb 17f\n je 18f\n"
	  "mov %rax, %cr4\n jmp agent_done\n"
	  "10: mov (%rdi), %rax\n jmp agent_done\n"
	  "11: mov %rax, (%rdi)\n jmp agent_done\n"
	  "12: call *%rdi\n jmp agent_done\n"
	  "13: pushq $0x33\n pushq $0\n pushq $2\n pushq $0x3b\n pushq $0x9000\n iretq\n"
	  "16: invlpg (%rdi)\n jmp agent_done\n"
	  "17: mov %rax, %cr3\n jmp agent_done\n"
	  "18: mov %rax, %cr0\n"
	  "agent_done: xor %ecx, %ecx\n"
	  "out %eax, $0x10\n"
	  "agent_pf: mov (%rsp), %rdx\n"
	  "mov %cr2, %rbx\n"
	  "mov $1, %ecx\n"
	  "out %eax, $0x10\n");
extern const char agent_done[], agent_pf[];

/* At CPL 3; without a stack: UFETCH jumps, and the target is INT 0x80. */
KU_CODE64(ustub,
	  "cmp $4, %rsi\n jb 1f\n je 2f\n"
	  "jmp *%rdi\n"
	  "1: mov (%rdi), %rax\n int $0x80\n"
	  "2: mov %rax, (%rdi)\n int $0x80\n");

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static struct umbra_paging paging;
static bool smap;		/* offered */
static uint64_t table[TABLES], data[DATA];
static bool pending;
static uint64_t exact_gva;
static uint64_t seed = 0x5eed;
static unsigned int ok_count, fault_count, skipped;

static uint64_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (seed * 2685821657736338717ull) >> 20;
}

static unsigned int below(unsigned int n)
{
	return rnd() % n;
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

static bool mem_read(void *arg, u64 gpa, unsigned int size, u64 *val)
{
	*val = 0;
	if (gpa + size > vm->mem_size)
		return false;
	memcpy(val, ku_ptr(vm, gpa), size);
	return true;
}

static void mem_write(void *arg, u64 gpa, unsigned int size, u64 val)
{
}

static const struct model_mem mem = { mem_read, mem_write, NULL };

struct outcome {
	bool fault;
	uint32_t error_code;
	uint64_t cr2, value;
};

static bool run_op(enum op op, uint64_t gva, uint64_t value, bool ac, struct outcome *out)
{
	struct kvm_regs regs = ku_get_regs(vcpu);

	regs.rip = KU_CODE;
	regs.rsp = KU_STACK - 0x3000;
	regs.rflags = 2 | (ac ? 1 << 18 : 0);
	regs.rsi = op;
	regs.rdi = gva;
	regs.rax = value;
	ku_set_regs(vcpu, &regs);
	if (ku_run(vcpu) != KVM_EXIT_IO) {
		ktap_note("op %d gva %llx value %llx: exit %s", op, (unsigned long long)gva,
			  (unsigned long long)value, ku_exit_name(vcpu->run->exit_reason));
		return false;
	}
	regs = ku_get_regs(vcpu);
	*out = (struct outcome){ regs.rcx & 1, regs.rdx, regs.rbx, regs.rax };
	return true;
}

/*
 * An entry for table @t.  Mostly, tables 3 to 5 are of level 3, 6 to 8 of level
 * 2, 9 to 11 of level 1; a table may also be data, data a table, or a table its
 * own child.  Nothing leads to a root: through its entry 0 the agent's own
 * tables would be in reach.
 */
static uint64_t random_entry(unsigned int t)
{
	unsigned int next = (t / ROOTS + 1) * ROOTS;
	uint64_t e = next < TABLES ? table[next + below(ROOTS)] : data[below(DATA)];

	if (chance(8))
		e = chance(60) ? table[ROOTS + below(TABLES - ROOTS)] : data[below(DATA)];
	e |= chance(96) | chance(85) << 1 | chance(85) << 2 | chance(50) << 5 | chance(50) << 6;
	e |= (uint64_t)below(8) << 9;
	if (chance(7))
		e |= 1ull << 63;
	if (chance(1))
		e |= 1ull << 50;
	return e;
}

static const unsigned int used[] = { 0, 1, 2, 255, 256, 511 };

static unsigned int random_index(void)
{
	return used[below(6)];
}

/* Not PML4 entry 0, where the agent lives. */
static uint64_t random_gva(void)
{
	uint64_t gva = (uint64_t)used[1 + below(5)] << 39 | (uint64_t)random_index() << 30 |
		       (uint64_t)random_index() << 21 | (uint64_t)random_index() << 12 |
		       random_index() * 8;

	return gva & 1ull << 47 ? gva | 0xffff000000000000ull : gva;
}

static uint64_t hot_gva(void)
{
	static uint64_t hot[24];
	uint64_t *gva = &hot[below(24)];
	struct model_access a = { .ac = true };
	struct model_result r = { .ok = false };
	int i;

	if (*gva && !chance(4))
		return *gva;
	for (i = 0; i < 12 && !r.ok; i++) {
		*gva = random_gva();
		model_translate(&paging, &mem, *gva, a, &r);
	}
	return *gva;
}

/* Which table a physical address is in, 0: none (or the first root). */
static unsigned int table_of(uint64_t gpa)
{
	unsigned int i;

	for (i = 1; i < TABLES; i++)
		if ((gpa & ~4095ull) == table[i])
			return i;
	return 0;
}

/* A word of data begins with INT 0x80, for fetches by the user. */
static uint64_t data_value(void)
{
	return rnd() << 16 | 0x80cd;
}

static bool flush(void)
{
	struct outcome out;

	pending = false;
	return run_op(SET_CR3, 0, paging.cr3, false, &out) && !out.fault;
}

static bool edit(void)
{
	unsigned int t = below(TABLES);
	unsigned int index = t < ROOTS ? used[1 + below(5)] : random_index();
	struct outcome out;
	bool good;

	good = run_op(STORE, table[t] + index * 8, random_entry(t), true, &out) && !out.fault;
	pending = true;
	return good && (chance(40) || flush());
}

static bool change_state(void)
{
	struct outcome out;
	bool good = true;

	switch (below(3)) {
	case 0:
		paging.cr3 = table[below(ROOTS)];
		return flush();
	case 1:
		paging.cr0 ^= CR0_WP;
		good = run_op(SET_CR0, 0, paging.cr0, false, &out) && !out.fault;
		break;
	case 2:
		paging.cr4 ^= chance(50) || !smap ? CR4_SMEP : CR4_SMAP;
		good = run_op(SET_CR4, 0, paging.cr4, false, &out) && !out.fault;
		break;
	}
	return good && flush();
}

static bool expect(uint64_t gva, enum op op, const struct model_result *r, const struct outcome *out,
		   uint64_t value)
{
	u64 now;

	if (out->fault != !r->ok)
		return false;
	if (out->fault)
		return out->error_code == r->error_code && out->cr2 == gva;
	mem_read(NULL, r->gpa, 8, &now);
	if (op == LOAD || op == ULOAD)
		return out->value == now;
	return op == FETCH || op == UFETCH || now == value;
}

/*
 * Where an engine that runs guest kernels at CPL 3 (and has no SMAP to offer) keeps
 * what translated code needs: a guest kernel finds that instead of a page fault, unless
 * it maps the range itself (Documentation/errata.rst).
 */
static bool engines_own(uint64_t gva)
{
	return !smap && gva >= 0xffff800000100000ull && gva < 0xffff800000c00000ull;
}

static bool access_once(uint64_t gva)
{
	enum op op = below(6);
	bool user = op >= ULOAD;
	struct model_access a = {
		.user = user, .write = op == STORE || op == USTORE,
		.fetch = op == FETCH || op == UFETCH, .ac = !user && chance(50),
	};
	struct model_result before, after;
	bool exact = !pending || gva == exact_gva;
	struct outcome out;
	uint64_t value;
	u64 code = 0;

	model_translate(&paging, &mem, gva, a, &before);
	if (!user && !before.ok && engines_own(gva))
		return true;
	/* A stale translation may lead a fetch anywhere; the supervisor's go nowhere. */
	if (before.ok)
		mem_read(NULL, before.gpa, 8, &code);
	if (a.fetch && (!exact || (before.ok && (op == FETCH || (code & 0xffff) != 0x80cd))))
		return true;
	/* The one deviation: with CR0.WP = 0, SMAP may miss pages the supervisor wrote. */
	if (!(paging.cr0 & CR0_WP) && (paging.cr4 & CR4_SMAP) && !user)
		exact = false;
	value = before.ok && table_of(before.gpa) ? random_entry(table_of(before.gpa)) :
		data_value();
	if (!exact && a.write)
		return true;
	if (!run_op(op, gva, value, a.ac, &out))
		return false;
	if (!exact) {
		skipped++;
		return true;
	}
	ok_count += !out.fault;
	fault_count += out.fault;
	if (!expect(gva, op, &before, &out, value)) {
		ktap_note("gva %llx op %d cr0 %llx cr4 %llx: model ok=%d err=%x gpa=%llx; guest fault=%d err=%x cr2=%llx value=%llx",
			  (unsigned long long)gva, op, paging.cr0, paging.cr4, before.ok,
			  before.error_code, before.gpa, out.fault, out.error_code,
			  (unsigned long long)out.cr2, (unsigned long long)out.value);
		return false;
	}
	if (a.write && before.ok && table_of(before.gpa))
		pending = true;
	else if (a.write && before.ok) {
		model_translate(&paging, &mem, gva, a, &after);
		if (!after.dirty) {
			ktap_note("gva %llx written, but not dirty", (unsigned long long)gva);
			return false;
		}
	}
	return true;
}

/* Change what maps an address, INVLPG, and look at that address. */
static bool edit_and_invlpg(void)
{
	uint64_t gva = hot_gva(), at = paging.cr3;
	u64 entry = 0;
	struct outcome out;
	int shift;

	if (pending)
		return true;
	for (shift = 39; shift >= 12; shift -= 9) {
		at = (at & 0xffffffffff000ull) + (gva >> shift & 511) * 8;
		if (!mem_read(NULL, at, 8, &entry) || !(entry & 1) || entry & 1ull << 50)
			return true;
		if (shift > 12)
			at = entry;
	}
	if (!run_op(STORE, at, chance(50) ? random_entry(TABLES - 1) :
		    entry ^ 1ull << below(3), true, &out) ||
	    !run_op(INVLPG, gva, 0, false, &out))
		return false;
	pending = true;
	exact_gva = gva;
	if (!access_once(gva))
		return false;
	exact_gva = 0;
	return chance(50) || flush();
}

static void build(void)
{
	struct kvm_sregs sregs;
	unsigned int i, k;
	uint64_t gpa, *entry;

	vm = ku_vm_new(0);
	smap = ku_offers_smap(vm);
	ku_load(vm, agent, agent_end - agent);
	ku_load_at(vm, USTUB, ustub, ustub_end - ustub);
	vcpu = ku_vcpu_new(vm, 0);
	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, KU_CODE);
	for (gpa = 0; gpa < vm->mem_size; gpa += 4096) {
		entry = ku_pte(vm, vm->cr3, gpa, 1);
		if (gpa != USTUB)
			*entry &= ~KU_PTE_U;
		*entry |= KU_PTE_A | KU_PTE_D;
	}
	for (i = 0; i < TABLES; i++)
		table[i] = ku_page(vm);
	for (i = 0; i < DATA; i++) {
		data[i] = ku_page(vm);
		for (k = 0; k < 512; k++)
			((uint64_t *)ku_ptr(vm, data[i]))[k] = data_value();
	}
	for (i = 0; i < TABLES; i++)
		for (k = 0; k < 6; k++)
			((uint64_t *)ku_ptr(vm, table[i]))[used[k]] =
				random_entry(i);
	for (i = 0; i < ROOTS; i++)
		*(uint64_t *)ku_ptr(vm, table[i]) = *(uint64_t *)ku_ptr(vm, vm->cr3);
	/* User segments behind the TSS's descriptor. */
	((uint64_t *)ku_ptr(vm, KU_GDT))[6] = 0x00cff3000000ffffull;
	((uint64_t *)ku_ptr(vm, KU_GDT))[7] = 0x00affb000000ffffull;
	ku_gate(vm, 14, KU_CODE + (agent_pf - agent), 0, 0);
	ku_gate(vm, 0x80, KU_CODE + (agent_done - agent), 0, 3);
	sregs = ku_get_sregs(vcpu);
	sregs.gdt.limit = 8 * 8 - 1;
	sregs.cr0 = CR0_BASE | CR0_WP;
	sregs.cr4 = CR4_BASE;
	sregs.cr3 = table[0];
	ku_set_sregs(vcpu, &sregs);
	paging = (struct umbra_paging){ .cr0 = sregs.cr0, .cr3 = sregs.cr3, .cr4 = sregs.cr4,
					.efer = sregs.efer, .maxphyaddr = 40 };
}

int main(void)
{
	unsigned int i;
	bool good = true;

	ku_open();
	ktap_plan(2);
	build();
	for (i = 0; i < STEPS && good; i++) {
		unsigned int what = below(100);

		if (what < 70)
			good = access_once(hot_gva());
		else if (what < 80)
			good = edit_and_invlpg();
		else if (what < 94)
			good = edit();
		else
			good = change_state();
	}
	ktap_note("%u steps: %u accesses, %u faults, %u not judged", i, ok_count, fault_count, skipped);
	if (!good)
		ktap_note("the last exit was %s", ku_exit_name(vcpu->run->exit_reason));
	ktap_ok(good, "as the model");
	ktap_ok(ok_count > 500 && fault_count > 500, "both outcomes were seen often");
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
