// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the vCPU's use of the emulator
 *
 * The emulator knows no vCPU (emul.h); here are the callbacks by which it
 * reaches one, and what follows from each of its results.  Linear addresses
 * become guest physical ones by the guest's own page tables, a page at a time,
 * and then are memory, or a device (io.c).
 */
#include "emulate_internal.h"

#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/kvm.h>
#include <asm/msr.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>

#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/random.h>

#include "cpuid_internal.h"
#include "cr_internal.h"
#include "dr_internal.h"
#include "event_internal.h"
#include "exit_internal.h"
#include "fpu_internal.h"
#include "guest_debug_internal.h"
#include "io_internal.h"
#include "msr_user_internal.h"
#include "pio_string_internal.h"
#include "soft_tlb_internal.h"
#include "umbra/trace.h"

static struct umbra_vcpu *to_vcpu(struct umbra_emul *e)
{
	return e->owner;
}

static int fail(struct umbra_emul *e, int err)
{
	e->error = err;
	return UMBRA_EMUL_ERROR;
}

static int fault(struct umbra_emul *e, u8 vector)
{
	e->fault = (struct umbra_fault){ .vector = vector, .has_error = vector == GP_VECTOR };
	return UMBRA_EMUL_FAULT;
}

/* 0 and -EINVAL (#GP) of the register writers. */
static int gp_result(struct umbra_emul *e, int err)
{
	if (!err)
		return UMBRA_EMUL_OK;
	return err == -EINVAL ? fault(e, GP_VECTOR) : fail(e, err);
}

/* What a callback changed in vcpu->regs shows in the working copy, too. */
static void sync_copy(struct umbra_emul *e)
{
	const struct umbra_regs *g = e->regs;
	struct umbra_regs *r = &e->r;

	r->cr0 = g->cr0;
	r->cr3 = g->cr3;
	r->cr4 = g->cr4;
	r->cr2 = g->cr2;
	r->cr8 = g->cr8;
	r->efer = g->efer;
	r->xcr0 = g->xcr0;
	memcpy(r->dr, g->dr, sizeof(r->dr));
	r->dr6 = g->dr6;
	r->dr7 = g->dr7;
}

static void sync_msrs(struct umbra_emul *e)
{
	const struct umbra_regs *g = e->regs;
	struct umbra_regs *r = &e->r;

	sync_copy(e);
	r->seg[UMBRA_FS].base = g->seg[UMBRA_FS].base;
	r->seg[UMBRA_GS].base = g->seg[UMBRA_GS].base;
	r->star = g->star;
	r->lstar = g->lstar;
	r->cstar = g->cstar;
	r->sfmask = g->sfmask;
	r->kernel_gs_base = g->kernel_gs_base;
	r->sysenter_cs = g->sysenter_cs;
	r->sysenter_esp = g->sysenter_esp;
	r->sysenter_eip = g->sysenter_eip;
}

/* Memory. */

/* The same page, and nothing asked for that was not checked. */
static bool hint_fits(const struct umbra_hint *hint, gva_t gva, unsigned int acc)
{
	const unsigned int strict = UMBRA_ACC_FETCH | UMBRA_ACC_IMPLICIT;

	return hint->valid && hint->gva == (gva & UMBRA_PAGE_MASK) && !(acc & strict) &&
	       !((acc ^ hint->acc) & UMBRA_ACC_USER) &&
	       !(acc & ~hint->acc & UMBRA_ACC_WRITE);
}

static int translate(struct umbra_emul *e, gva_t gva, unsigned int acc, gpa_t *gpa)
{
	int err;

	/* A read-modify-write is checked as a write from the start (SDM Vol. 3A 4.7). */
	if (acc & UMBRA_ACC_RMW)
		acc |= UMBRA_ACC_WRITE;
	if (hint_fits(&to_vcpu(e)->hint, gva, acc)) {
		*gpa = to_vcpu(e)->hint.gpa | (gva & ~UMBRA_PAGE_MASK);
		return UMBRA_EMUL_OK;
	}
	err = umbra_mmu_translate(to_vcpu(e)->mmu, gva, acc, gpa, &e->fault);
	if (!err) {
		if (!(acc & UMBRA_ACC_PROBE))
			umbra_soft_tlb_fill(to_vcpu(e), gva, acc, *gpa);
		return UMBRA_EMUL_OK;
	}
	if (err == -EFAULT)
		return UMBRA_EMUL_FAULT;
	/* The caller's memory is gone; KVM_RUN says so by -EFAULT. */
	return fail(e, err == -EIO ? -EFAULT : err);
}

static unsigned int rest_of_page(gva_t gva, unsigned int len)
{
	return min_t(u64, len, UMBRA_PAGE_SIZE - (gva & ~UMBRA_PAGE_MASK));
}

/*
 * Both parts of an access across two pages, before the first byte is read or written: it may be a
 * device's.  A fault of the second leaves the first clean, for it was not written (SDM Vol. 3A 4.8).
 */
static int translate_both(struct umbra_emul *e, gva_t gva, gva_t gva2, unsigned int acc,
			  gpa_t *gpa, gpa_t *gpa2)
{
	int ret = translate(e, gva, acc | UMBRA_ACC_PROBE, gpa);

	if (!ret)
		ret = translate(e, gva2, acc, gpa2);
	if (!ret && acc & (UMBRA_ACC_WRITE | UMBRA_ACC_RMW))
		ret = translate(e, gva, acc, gpa);
	return ret;
}

/* What the engine has already seen at @gva; 0 when it has not. */
static unsigned int seen_code(const struct umbra_vcpu *vcpu, gva_t gva, void *buf,
			      unsigned int len)
{
	const struct umbra_insn *insn = &vcpu->insn;

	if (!insn->len || insn->gva != gva)
		return 0;
	len = min_t(unsigned int, len, insn->len);
	memcpy(buf, insn->bytes, len);
	return len;
}

static noinline int fetch_slowly(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
				 unsigned int acc, unsigned int *got)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);
	gpa_t gpa;
	int ret;

	*got = seen_code(vcpu, gva, buf, len);
	if (*got)
		return UMBRA_EMUL_OK;
	len = rest_of_page(gva, len);
	ret = translate(e, gva, acc, &gpa);
	if (ret)
		return ret;
	if (umbra_guest_read(vcpu->vm, gpa, buf, len)) {
		e->reason = "code outside guest memory";
		return UMBRA_EMUL_UNHANDLED;
	}
	*got = len;
	return UMBRA_EMUL_OK;
}

static int emul_fetch(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		      unsigned int *got)
{
	unsigned int acc = UMBRA_ACC_FETCH;

	if (e->r.cpl == 3)
		acc |= UMBRA_ACC_USER;
	*got = len;
	if (likely(umbra_soft_fetch(to_vcpu(e), gva, buf, len, acc)))
		return UMBRA_EMUL_OK;
	return fetch_slowly(e, gva, buf, len, acc, got);
}

/* Devices see at most eight bytes at a time. */
static int device_access(struct umbra_vcpu *vcpu, bool write, gpa_t gpa, void *data,
			 unsigned int len)
{
	int ret;

	while (len) {
		unsigned int n = min(len, 8u);

		ret = umbra_io_access(vcpu, true, write, gpa, data, n);
		if (ret)
			return ret;
		gpa += n;
		data += n;
		len -= n;
	}
	return UMBRA_EMUL_OK;
}

static int read_phys(struct umbra_emul *e, gpa_t gpa, void *buf, unsigned int len)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);

	if (!umbra_vm_slot(vcpu->vm, gpa_to_gfn(gpa)) || umbra_io_replays(vcpu, false, gpa, len))
		return device_access(vcpu, false, gpa, buf, len);
	return umbra_guest_read(vcpu->vm, gpa, buf, len) ? fail(e, -EFAULT) : UMBRA_EMUL_OK;
}

static int write_phys(struct umbra_emul *e, gpa_t gpa, const void *buf, unsigned int len)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);
	int err;

	if (!umbra_vm_slot(vcpu->vm, gpa_to_gfn(gpa)) || umbra_io_replays(vcpu, true, gpa, len))
		return device_access(vcpu, true, gpa, (void *)buf, len);
	err = umbra_guest_write(vcpu->vm, gpa, buf, len);
	if (!err)
		return UMBRA_EMUL_OK;
	/* Writes to a read-only slot are userspace's (KVM api.rst 4.35). */
	if (err == -EROFS)
		return device_access(vcpu, true, gpa, (void *)buf, len);
	return fail(e, err);
}

static int emul_read(struct umbra_emul *e, gva_t gva, void *buf, unsigned int len,
		     unsigned int acc)
{
	unsigned int first = rest_of_page(gva, len);
	gpa_t gpa, gpa2 = 0;
	int ret;

	if (umbra_soft_read(to_vcpu(e), gva, buf, len, acc))
		return UMBRA_EMUL_OK;
	acc &= ~UMBRA_ACC_WRITE;
	if (first == len)
		ret = translate(e, gva, acc, &gpa);
	else
		ret = translate_both(e, gva, gva + first, acc, &gpa, &gpa2);
	if (!ret)
		ret = read_phys(e, gpa, buf, first);
	if (!ret && first != len)
		ret = read_phys(e, gpa2, buf + first, len - first);
	return ret;
}

static int emul_probe(struct umbra_emul *e, gva_t gva, unsigned int len, unsigned int acc)
{
	unsigned int first = rest_of_page(gva, len);
	gpa_t gpa, gpa2;

	acc |= UMBRA_ACC_WRITE;
	if (umbra_soft_tlb_has(to_vcpu(e), gva, len, acc))
		return UMBRA_EMUL_OK;
	acc |= UMBRA_ACC_PROBE;
	if (first == len)
		return translate(e, gva, acc, &gpa);
	return translate_both(e, gva, gva + first, acc, &gpa, &gpa2);
}

/* Memory that is written at once, not by userspace. */
static bool takes_writes(const struct umbra_vcpu *vcpu, gpa_t gpa)
{
	const struct umbra_memslot *slot = umbra_vm_slot(vcpu->vm, gpa_to_gfn(gpa));

	return slot && !(slot->flags & KVM_MEM_READONLY);
}

/*
 * Of a write to memory and to a device the device's part goes first: when userspace has done
 * it, the instruction runs again, and what it changes (ADD, XADD) must still be what it was.
 */
static int emul_write(struct umbra_emul *e, gva_t gva, const void *buf, unsigned int len,
		      unsigned int acc)
{
	unsigned int first = rest_of_page(gva, len);
	gpa_t gpa, gpa2 = 0;
	int ret;

	acc |= UMBRA_ACC_WRITE;
	if (umbra_soft_write(to_vcpu(e), gva, buf, len, acc))
		return UMBRA_EMUL_OK;
	if (first == len) {
		ret = translate(e, gva, acc, &gpa);
		return ret ? ret : write_phys(e, gpa, buf, first);
	}
	ret = translate_both(e, gva, gva + first, acc, &gpa, &gpa2);
	if (ret)
		return ret;
	if (takes_writes(to_vcpu(e), gpa) && !takes_writes(to_vcpu(e), gpa2)) {
		ret = write_phys(e, gpa2, buf + first, len - first);
		return ret ? ret : write_phys(e, gpa, buf, first);
	}
	ret = write_phys(e, gpa, buf, first);
	return ret ? ret : write_phys(e, gpa2, buf + first, len - first);
}

/* Is all of an operand in memory that can be written? */
static int look_at_operand(struct umbra_emul *e, gva_t gva, unsigned int len, unsigned int acc,
			   bool *memory)
{
	gpa_t first, last;
	int ret;

	ret = translate_both(e, gva, gva + len - 1, acc | UMBRA_ACC_WRITE, &first, &last);
	if (!ret)
		*memory = takes_writes(to_vcpu(e), first) && takes_writes(to_vcpu(e), last);
	return ret;
}

/*
 * An operand across two pages: compared and exchanged, but not in one go; not compared where a
 * device has a part of it, see emul_cmpxchg().
 */
static int cmpxchg_split(struct umbra_emul *e, gva_t gva, const void *old, const void *new_val,
			 unsigned int len, unsigned int acc, bool *swapped)
{
	bool memory;
	u8 now[16];
	int ret;

	*swapped = true;
	ret = look_at_operand(e, gva, len, acc, &memory);
	if (ret)
		return ret;
	if (!memory)
		return emul_write(e, gva, new_val, len, acc);
	ret = emul_read(e, gva, now, len, acc | UMBRA_ACC_RMW);
	if (ret)
		return ret;
	*swapped = !memcmp(now, old, len);
	return *swapped ? emul_write(e, gva, new_val, len, acc) : UMBRA_EMUL_OK;
}

/*
 * Memory in one piece is exchanged atomically.  A device is only written: the
 * emulator has read it just before, and a second read may have effects.
 */
static int emul_cmpxchg(struct umbra_emul *e, gva_t gva, const void *old, const void *new_val,
			unsigned int len, unsigned int acc, bool *swapped)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);
	gpa_t gpa;
	int ret, err;

	if (rest_of_page(gva, len) != len)
		return cmpxchg_split(e, gva, old, new_val, len, acc, swapped);
	ret = translate(e, gva, acc | UMBRA_ACC_WRITE, &gpa);
	if (ret)
		return ret;
	*swapped = true;
	if (!umbra_vm_slot(vcpu->vm, gpa_to_gfn(gpa)) || umbra_io_replays(vcpu, true, gpa, len))
		return device_access(vcpu, true, gpa, (void *)new_val, len);
	err = umbra_guest_cmpxchg(vcpu->vm, gpa, old, new_val, len, swapped);
	if (err == -EROFS)
		return device_access(vcpu, true, gpa, (void *)new_val, len);
	if (err == -EINVAL)
		return cmpxchg_split(e, gva, old, new_val, len, acc, swapped);
	return err ? fail(e, err) : UMBRA_EMUL_OK;
}

/* Memory that is known already, or will be after a walk. */
static bool emul_is_memory(struct umbra_emul *e, gva_t gva, unsigned int len, unsigned int acc)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);
	gpa_t gpa;

	if (!vcpu->soft_tlb)
		return false;
	return umbra_soft_tlb_has(vcpu, gva, len, acc) ||
	       (translate(e, gva, acc, &gpa) == UMBRA_EMUL_OK &&
		umbra_soft_tlb_has(vcpu, gva, len, acc));
}

static int emul_pio(struct umbra_emul *e, u16 port, unsigned int size, bool in, bool rep,
		    u32 *val)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);

	if (rep)
		return in ? umbra_pio_string_in(vcpu, port, size, val) :
			    umbra_pio_string_out(vcpu, port, size, val);
	return umbra_io_access(vcpu, false, !in, port, val, size);
}

/* Registers. */

static int emul_read_cr(struct umbra_emul *e, unsigned int cr, u64 *val)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);

	switch (cr) {
	case 0:
		*val = vcpu->regs.cr0;
		break;
	case 2:
		*val = vcpu->regs.cr2;
		break;
	case 3:
		*val = vcpu->regs.cr3;
		break;
	case 4:
		*val = vcpu->regs.cr4;
		break;
	case 8:
		*val = umbra_cr8_read(vcpu);
		break;
	default:
		return fault(e, UD_VECTOR);
	}
	trace_umbra_cr(vcpu->id, false, cr, *val);
	return UMBRA_EMUL_OK;
}

static int emul_write_cr(struct umbra_emul *e, unsigned int cr, u64 val)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);
	int err = 0;

	trace_umbra_cr(vcpu->id, true, cr, val);
	vcpu->look_again = true;
	switch (cr) {
	case 0:
		err = umbra_cr0_write(vcpu, val);
		break;
	case 2:
		umbra_regs_mut(vcpu, UMBRA_REGS_CR)->cr2 = val;
		break;
	case 3:
		err = umbra_cr3_write(vcpu, val);
		break;
	case 4:
		err = umbra_cr4_write(vcpu, val);
		break;
	case 8:
		err = umbra_cr8_write(vcpu, val);
		break;
	default:
		return fault(e, UD_VECTOR);
	}
	sync_copy(e);
	return gp_result(e, err);
}

static int emul_read_dr(struct umbra_emul *e, unsigned int dr, u64 *val)
{
	*val = umbra_dr_read(to_vcpu(e), dr);
	return UMBRA_EMUL_OK;
}

static int emul_write_dr(struct umbra_emul *e, unsigned int dr, u64 val)
{
	int err = umbra_dr_write(to_vcpu(e), dr, val);

	sync_copy(e);
	return gp_result(e, err);
}

static int emul_read_msr(struct umbra_emul *e, u32 index, u64 *val)
{
	int err = umbra_msr_guest_read(to_vcpu(e), index, val);

	return err == UMBRA_MSR_ASKED ? UMBRA_EMUL_IO : gp_result(e, err);
}

static int emul_write_msr(struct umbra_emul *e, u32 index, u64 val)
{
	int err = umbra_msr_guest_write(to_vcpu(e), index, val);

	to_vcpu(e)->look_again = true;
	sync_msrs(e);
	return err == UMBRA_MSR_ASKED ? UMBRA_EMUL_IO : gp_result(e, err);
}

static int emul_write_xcr(struct umbra_emul *e, u32 index, u64 val)
{
	int err = index ? -EINVAL : umbra_xcr0_write(to_vcpu(e), val);

	sync_copy(e);
	return gp_result(e, err);
}

static int emul_cpuid(struct umbra_emul *e, u32 reg[4])
{
	umbra_cpuid_read(to_vcpu(e), reg);
	return UMBRA_EMUL_OK;
}

static int emul_rdtsc(struct umbra_emul *e, u64 *tsc, u32 *aux)
{
	*tsc = umbra_guest_tsc(to_vcpu(e));
	if (aux)
		*aux = to_vcpu(e)->tsc_aux;
	return UMBRA_EMUL_OK;
}

/* There are no counters. */
static int emul_rdpmc(struct umbra_emul *e, u32 index, u64 *val)
{
	return fault(e, GP_VECTOR);
}

static int emul_invlpg(struct umbra_emul *e, gva_t gva)
{
	struct umbra_vcpu *vcpu = to_vcpu(e);

	umbra_mmu_invlpg(vcpu->mmu, gva);
	umbra_soft_tlb_flush_gva(vcpu, gva);
	vcpu->vm->engine->flush_gva(vcpu, gva);
	return UMBRA_EMUL_OK;
}

/* Not offered in CPUID; should it be executed all the same, everything goes. */
static int emul_invpcid(struct umbra_emul *e, u64 type, u64 pcid, gva_t gva)
{
	umbra_flush_all(to_vcpu(e));
	return UMBRA_EMUL_OK;
}

/* Guest memory is coherent, so caches need no attention. */
static int emul_nothing(struct umbra_emul *e)
{
	return UMBRA_EMUL_OK;
}

static int emul_hypercall(struct umbra_emul *e)
{
	/* No hypercall is offered (Documentation/virt/kvm/x86/hypercalls.rst). */
	e->r.gpr[UMBRA_RAX] = e->r.cpl ? -KVM_EPERM : -KVM_ENOSYS;
	return UMBRA_EMUL_OK;
}

static int emul_xmm(struct umbra_emul *e, unsigned int reg, void *buf, unsigned int len,
		    bool write)
{
	if (!umbra_fpu_vector(to_vcpu(e), reg, buf, len, write))
		return UMBRA_EMUL_OK;
	e->reason = "vector register out of reach";
	return UMBRA_EMUL_UNHANDLED;
}

static int emul_fx(struct umbra_emul *e, void *area, bool write)
{
	return gp_result(e, umbra_fpu_legacy(to_vcpu(e), area, write));
}

static int emul_xstate(struct umbra_emul *e, struct umbra_xstate *x)
{
	umbra_fpu_xstate(to_vcpu(e), x);
	return UMBRA_EMUL_OK;
}

static void emul_fpu(struct umbra_emul *e, bool begin)
{
	if (begin)
		kernel_fpu_begin();
	else
		kernel_fpu_end();
}

static int emul_random(struct umbra_emul *e, bool seed, u64 *val)
{
	get_random_bytes(val, sizeof(*val));
	return UMBRA_EMUL_OK;
}

static const struct umbra_emul_ops emul_ops = {
	.fetch = emul_fetch,
	.read = emul_read,
	.write = emul_write,
	.probe = emul_probe,
	.cmpxchg = emul_cmpxchg,
	.is_memory = emul_is_memory,
	.pio = emul_pio,
	.read_cr = emul_read_cr,
	.write_cr = emul_write_cr,
	.read_dr = emul_read_dr,
	.write_dr = emul_write_dr,
	.read_msr = emul_read_msr,
	.write_msr = emul_write_msr,
	.write_xcr = emul_write_xcr,
	.cpuid = emul_cpuid,
	.rdtsc = emul_rdtsc,
	.rdpmc = emul_rdpmc,
	.invlpg = emul_invlpg,
	.invpcid = emul_invpcid,
	.cache = emul_nothing,
	.hypercall = emul_hypercall,
	.xmm = emul_xmm,
	.fx = emul_fx,
	.xstate = emul_xstate,
	.fpu = emul_fpu,
	.monitor = emul_nothing,
	.random = emul_random,
};

/* Decoded instructions to keep: of whole programs, or of a few drivers' loops. */
#define CACHE_ALL	1024
#define CACHE_SOME	64

int umbra_emulate_create(struct umbra_vcpu *vcpu)
{
	const struct umbra_vm *vm = vcpu->vm;
	struct umbra_emul *e = &vcpu->emul;

	e->ops = &emul_ops;
	e->owner = vcpu;
	e->regs = &vcpu->regs;
	e->cache_entries = vm->force_emulation || vm->engine->must_emulate ? CACHE_ALL : CACHE_SOME;
	e->cache = kvzalloc(umbra_emul_cache_size(e->cache_entries), GFP_KERNEL_ACCOUNT);
	return e->cache ? 0 : -ENOMEM;
}

void umbra_emulate_destroy(struct umbra_vcpu *vcpu)
{
	kvfree(vcpu->emul.cache);
	vcpu->emul.cache = NULL;
}

unsigned int umbra_fetch(struct umbra_vcpu *vcpu, void *buf, unsigned int len)
{
	unsigned int acc = UMBRA_ACC_FETCH;
	u64 gva = umbra_linear_rip(vcpu);
	struct umbra_fault fault;
	gpa_t gpa;

	if (vcpu->regs.cpl == 3)
		acc |= UMBRA_ACC_USER;
	if (umbra_mmu_translate(vcpu->mmu, gva, acc, &gpa, &fault))
		return 0;
	len = rest_of_page(gva, len);
	return umbra_guest_read(vcpu->vm, gpa, buf, len) ? 0 : len;
}

/* Results. */

static int unhandled(struct umbra_vcpu *vcpu, gpa_t written)
{
	struct umbra_fault ud = { .vector = UD_VECTOR };

	vcpu->stat.emul_failed++;
	if (written != UMBRA_INVALID_GPA &&
	    umbra_mmu_unprotect(vcpu->vm->mmu, gpa_to_gfn(written)))
		return 1;
	if (vcpu->otherwise) {
		umbra_queue_fault(vcpu, vcpu->otherwise);
		return 1;
	}
	/* A guest's user program must not be able to stop its machine... */
	if (vcpu->regs.cpl == 3 && !vcpu->vm->force_emulation) {
		umbra_queue_fault(vcpu, &ud);
		return 1;
	}
	/* ...but who forces emulation wants to know what is missing. */
	pr_debug("umbra: cannot emulate %*ph: %s\n", vcpu->emul.insn_len, vcpu->emul.insn,
		 vcpu->emul.reason ?: "?");
	return umbra_exit_emulation(vcpu, vcpu->emul.insn, vcpu->emul.insn_len);
}

static int deliver_fault(struct umbra_vcpu *vcpu)
{
	const struct umbra_fault *f = &vcpu->emul.fault;

	/* As an intercepted #BP: RIP is at the instruction. */
	if (f->vector == BP_VECTOR && f->soft && (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)) {
		vcpu->regs.rip -= vcpu->emul.insn_len;
		return umbra_debug_exit(vcpu, BP_VECTOR, 0);
	}
	/* The single-step trap after a committed instruction (emulate.c of emul). */
	if (f->vector == DB_VECTOR && (f->addr & DR_STEP) && umbra_debug_stepping(vcpu)) {
		/* A debugger's step does not end a HLT, as the guest's own would. */
		if (vcpu->emul.halt && !umbra_exit_halt(vcpu))
			return 0;
		return umbra_debug_exit(vcpu, DB_VECTOR, DR_STEP);
	}
	if (f->soft)
		umbra_queue_trap(vcpu, f, vcpu->emul.insn_len);
	else
		umbra_queue_fault(vcpu, f);
	return 1;
}

static void keep_insn(struct umbra_vcpu *vcpu, u64 rip)
{
	vcpu->insn.gva = rip;
	vcpu->insn.len = vcpu->emul.insn_len;
	memcpy(vcpu->insn.bytes, vcpu->emul.insn, vcpu->emul.insn_len);
}

/* What is to be done when it was not simply done. */
static noinline int settle(struct umbra_vcpu *vcpu, u64 rip, gpa_t written, int ret)
{
	struct umbra_emul *e = &vcpu->emul;

	/* Also one that faults (SDM Vol. 3A 6.7.1). */
	if (e->iret && ret != UMBRA_EMUL_IO)
		vcpu->nmi_masked = false;

	if (ret == UMBRA_EMUL_IO) {
		/* Come back to this very instruction. */
		keep_insn(vcpu, rip);
		return umbra_io_to_user(vcpu);
	}
	umbra_io_end(vcpu);
	switch (ret) {
	case UMBRA_EMUL_OK:
	case UMBRA_EMUL_AGAIN:
		return 1;
	case UMBRA_EMUL_FAULT:
		return deliver_fault(vcpu);
	case UMBRA_EMUL_HALT:
		return umbra_exit_halt(vcpu);
	case UMBRA_EMUL_SHUTDOWN:
		return umbra_exit_shutdown(vcpu);
	case UMBRA_EMUL_ERROR:
		/* The guest's tables change under our eyes. */
		return e->error == -EAGAIN ? 1 : e->error;
	default:
		return unhandled(vcpu, written);
	}
}

static inline int conclude(struct umbra_vcpu *vcpu, u64 rip, gpa_t written, int ret)
{
	const struct umbra_emul *e = &vcpu->emul;

	trace_umbra_emulate(rip, e->insn_len, e->insn, ret);
	if (unlikely(ret || e->iret))
		return settle(vcpu, rip, written, ret);
	umbra_io_end(vcpu);
	return 1;
}

int umbra_emulate_insn(struct umbra_vcpu *vcpu, gpa_t written)
{
	struct umbra_emul *e = &vcpu->emul;
	u64 rip;
	int ret;

	umbra_regs_get(vcpu, UMBRA_REGS_ALL);
	rip = umbra_linear_rip(vcpu);
	e->features = vcpu->emul_features;
	do {
		umbra_io_begin(vcpu, rip);
		ret = umbra_emulate(e);
		vcpu->stat.emulated++;
		ret = conclude(vcpu, rip, written, ret);
	} while (unlikely(vcpu->string.used) && umbra_pio_string_goes_on(vcpu, &ret));
	return ret;
}

int umbra_emulate_resume(struct umbra_vcpu *vcpu, u64 val)
{
	return conclude(vcpu, vcpu->io.rip, UMBRA_INVALID_GPA,
			umbra_emul_resume(&vcpu->emul, val));
}
