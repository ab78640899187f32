// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: control registers, MSRs and the processor itself
 *
 * CLI, STI, HLT, MOV CR, MOV DR, CLTS, LMSW, SMSW, RDMSR, WRMSR, XSETBV, CPUID,
 * RDTSC and so on.  Privilege is judged here; what a value means and whether it is
 * allowed is judged by the owner's callbacks, which hold the registers.
 */
#include "emul_internal.h"

static int missing(struct umbra_emul *e)
{
	return emul_unhandled(e, "the owner has no callback for it");
}

/* CLI and STI: CPL <= IOPL; virtual-8086 mode has CPL 3. */
static bool may_change_if(const struct umbra_emul *e)
{
	return !emul_prot(e) || (e->r.cpl <= emul_iopl(e));
}

int emul_op_cli(struct umbra_emul *e, struct emul_insn *in)
{
	if (!may_change_if(e))
		return emul_gp(e);
	e->r.rflags &= ~(u64)X86_EFLAGS_IF;
	return UMBRA_EMUL_OK;
}

/* Interrupts stay blocked for one more instruction if they were blocked. */
int emul_op_sti(struct umbra_emul *e, struct emul_insn *in)
{
	if (!may_change_if(e))
		return emul_gp(e);
	if (!(e->r.rflags & X86_EFLAGS_IF))
		in->shadow = UMBRA_SHADOW_STI;
	e->r.rflags |= X86_EFLAGS_IF;
	return UMBRA_EMUL_OK;
}

int emul_op_hlt(struct umbra_emul *e, struct emul_insn *in)
{
	e->halt = true;
	return UMBRA_EMUL_HALT;
}

int emul_op_mov_from_cr(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val = 0;
	int ret;

	if (!e->ops->read_cr)
		return missing(e);
	ret = e->ops->read_cr(e, in->src.reg, &val);
	if (!ret)
		emul_gpr_set(e, in->dst.reg, in->dst.size, val);
	return ret;
}

int emul_op_mov_to_cr(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->write_cr)
		return missing(e);
	return e->ops->write_cr(e, in->dst.reg, in->src.val);
}

/* DR4 and DR5 are DR6 and DR7, or nothing with CR4.DE (SDM Vol. 3B 18.2.2). */
static int dr_check(struct umbra_emul *e, unsigned int *dr)
{
	if (*dr == 4 || *dr == 5) {
		if (e->r.cr4 & X86_CR4_DE)
			return emul_ud(e);
		*dr += 2;
	}
	if (!(e->r.dr7 & EMUL_DR7_GD))
		return UMBRA_EMUL_OK;
	emul_fault_noerr(e, EMUL_DB);
	e->fault.addr = EMUL_DR6_BD;
	return UMBRA_EMUL_FAULT;
}

int emul_op_mov_from_dr(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int dr = in->src.reg;
	u64 val = 0;
	int ret;

	if (!e->ops->read_dr)
		return missing(e);
	ret = dr_check(e, &dr);
	if (!ret)
		ret = e->ops->read_dr(e, dr, &val);
	if (!ret)
		emul_gpr_set(e, in->dst.reg, in->dst.size, val);
	return ret;
}

int emul_op_mov_to_dr(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int dr = in->dst.reg;
	int ret;

	if (!e->ops->write_dr)
		return missing(e);
	ret = dr_check(e, &dr);
	if (ret)
		return ret;
	if (dr >= 6 && in->src.val >> 32)
		return emul_gp(e);
	return e->ops->write_dr(e, dr, in->src.val);
}

int emul_op_clts(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->write_cr)
		return missing(e);
	return e->ops->write_cr(e, 0, e->r.cr0 & ~(u64)X86_CR0_TS);
}

/* LMSW: PE can be set, not cleared. */
int emul_op_lmsw(struct umbra_emul *e, struct emul_insn *in)
{
	u64 low = X86_CR0_MP | X86_CR0_EM | X86_CR0_TS;

	if (!e->ops->write_cr)
		return missing(e);
	return e->ops->write_cr(e, 0, (e->r.cr0 & ~low) |
				(in->dst.val & (low | X86_CR0_PE)));
}

static bool umip(const struct umbra_emul *e)
{
	return (e->r.cr4 & X86_CR4_UMIP) && e->r.cpl && emul_prot(e);
}

int emul_op_smsw(struct umbra_emul *e, struct emul_insn *in)
{
	if (umip(e))
		return emul_gp(e);
	in->dst.val = e->r.cr0;
	return UMBRA_EMUL_OK;
}

int emul_op_rdmsr(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val = 0;
	int ret;

	if (!e->ops->read_msr)
		return missing(e);
	ret = e->ops->read_msr(e, e->r.gpr[UMBRA_RCX], &val);
	if (ret)
		return ret;
	emul_gpr_set(e, UMBRA_RAX, 4, val);
	emul_gpr_set(e, UMBRA_RDX, 4, val >> 32);
	return UMBRA_EMUL_OK;
}

static u64 edx_eax(const struct umbra_emul *e)
{
	return emul_gpr(e, UMBRA_RDX, 4) << 32 | emul_gpr(e, UMBRA_RAX, 4);
}

int emul_op_wrmsr(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->write_msr)
		return missing(e);
	return e->ops->write_msr(e, e->r.gpr[UMBRA_RCX], edx_eax(e));
}

/*
 * ECX 1 asks which of the state components are in use; all of XCR0 is an answer
 * that is never wrong (SDM Vol. 1, 13.3).
 */
int emul_op_xgetbv(struct umbra_emul *e, struct emul_insn *in)
{
	u32 index = e->r.gpr[UMBRA_RCX];

	if (!(e->r.cr4 & X86_CR4_OSXSAVE))
		return emul_ud(e);
	if (index > 1 || (index && !(e->features & UMBRA_EMUL_F_XGETBV1)))
		return emul_gp(e);
	emul_gpr_set(e, UMBRA_RAX, 4, e->r.xcr0);
	emul_gpr_set(e, UMBRA_RDX, 4, e->r.xcr0 >> 32);
	return UMBRA_EMUL_OK;
}

int emul_op_xsetbv(struct umbra_emul *e, struct emul_insn *in)
{
	if (!(e->r.cr4 & X86_CR4_OSXSAVE))
		return emul_ud(e);
	if (e->r.cpl)
		return emul_gp(e);
	if (!e->ops->write_xcr)
		return missing(e);
	return e->ops->write_xcr(e, e->r.gpr[UMBRA_RCX], edx_eax(e));
}

int emul_op_cpuid(struct umbra_emul *e, struct emul_insn *in)
{
	u32 reg[4] = {
		e->r.gpr[UMBRA_RAX], e->r.gpr[UMBRA_RBX],
		e->r.gpr[UMBRA_RCX], e->r.gpr[UMBRA_RDX],
	};
	int ret;

	if (!e->ops->cpuid)
		return missing(e);
	ret = e->ops->cpuid(e, reg);
	if (ret)
		return ret;
	emul_gpr_set(e, UMBRA_RAX, 4, reg[0]);
	emul_gpr_set(e, UMBRA_RBX, 4, reg[1]);
	emul_gpr_set(e, UMBRA_RCX, 4, reg[2]);
	emul_gpr_set(e, UMBRA_RDX, 4, reg[3]);
	return UMBRA_EMUL_OK;
}

static int read_tsc(struct umbra_emul *e, u32 *aux)
{
	u64 tsc = 0;
	int ret;

	if (!e->ops->rdtsc)
		return missing(e);
	if ((e->r.cr4 & X86_CR4_TSD) && e->r.cpl && emul_prot(e))
		return emul_gp(e);
	ret = e->ops->rdtsc(e, &tsc, aux);
	if (ret)
		return ret;
	emul_gpr_set(e, UMBRA_RAX, 4, tsc);
	emul_gpr_set(e, UMBRA_RDX, 4, tsc >> 32);
	return UMBRA_EMUL_OK;
}

int emul_op_rdtsc(struct umbra_emul *e, struct emul_insn *in)
{
	u32 aux = 0;

	return read_tsc(e, &aux);
}

int emul_op_rdtscp(struct umbra_emul *e, struct emul_insn *in)
{
	u32 aux = 0;
	int ret;

	ret = read_tsc(e, &aux);
	if (!ret)
		emul_gpr_set(e, UMBRA_RCX, 4, aux);
	return ret;
}

int emul_op_rdpid(struct umbra_emul *e, struct emul_insn *in)
{
	u64 tsc;
	u32 aux = 0;
	int ret;

	if (!e->ops->rdtsc)
		return missing(e);
	ret = e->ops->rdtsc(e, &tsc, &aux);
	in->dst.val = aux;
	return ret;
}

/* RDRAND (/6) and RDSEED (/7): CF says that there is a number. */
int emul_op_random(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val = 0;
	int ret;

	if (!e->ops->random)
		return missing(e);
	ret = e->ops->random(e, (in->reg & 7) == 7, &val);
	if (ret)
		return ret;
	in->dst.val = val & emul_mask(in->dst.size);
	emul_logic(e, 1, 8);
	e->r.rflags &= ~(u64)X86_EFLAGS_PF;
	e->r.rflags |= X86_EFLAGS_CF;
	return UMBRA_EMUL_OK;
}

int emul_op_rdpmc(struct umbra_emul *e, struct emul_insn *in)
{
	u64 val = 0;
	int ret;

	if (!e->ops->rdpmc)
		return missing(e);
	if (!(e->r.cr4 & X86_CR4_PCE) && e->r.cpl && emul_prot(e))
		return emul_gp(e);
	/* in parentheses: the kernel has a macro of that name */
	ret = (e->ops->rdpmc)(e, e->r.gpr[UMBRA_RCX], &val);
	if (ret)
		return ret;
	emul_gpr_set(e, UMBRA_RAX, 4, val);
	emul_gpr_set(e, UMBRA_RDX, 4, val >> 32);
	return UMBRA_EMUL_OK;
}

/* A non-canonical address makes INVLPG do nothing (SDM Vol. 2A, INVLPG). */
int emul_op_invlpg(struct umbra_emul *e, struct emul_insn *in)
{
	const struct umbra_seg *s = &e->r.seg[in->mem.seg];
	u64 gva = in->mem.ea;

	if (!e->ops->invlpg)
		return missing(e);
	if (!emul_mode64(e))
		gva = (u32)(s->base + gva);
	else if (in->mem.seg >= UMBRA_FS)
		gva += s->base;
	return emul_canonical(e, gva) ? e->ops->invlpg(e, gva) : UMBRA_EMUL_OK;
}

/* Descriptor: PCID in the low 12 bits, then the linear address. */
int emul_op_invpcid(struct umbra_emul *e, struct emul_insn *in)
{
	u64 type = emul_gpr(e, in->dst.reg, in->dst.size);
	u64 d[2];
	int ret;

	if (!e->ops->invpcid)
		return missing(e);
	ret = emul_read(e, in->mem.seg, in->mem.ea, d, 16, 0);
	if (ret)
		return ret;
	if (type > 3 || (d[0] >> 12 && type < 2) ||
	    (type == 0 && !emul_canonical(e, d[1])))
		return emul_gp(e);
	if (type < 2 && d[0] && !(e->r.cr4 & X86_CR4_PCIDE))
		return emul_gp(e);
	return e->ops->invpcid(e, type, d[0], d[1]);
}

/* INVD, WBINVD, WBNOINVD */
int emul_op_invd(struct umbra_emul *e, struct emul_insn *in)
{
	return e->ops->cache ? e->ops->cache(e) : UMBRA_EMUL_OK;
}

/* CLFLUSH and its relatives read one byte, as far as faults go. */
int emul_op_clflush(struct umbra_emul *e, struct emul_insn *in)
{
	gva_t gva;
	u8 b;
	int ret;

	ret = emul_linear(e, in->mem.seg, in->mem.ea, 1, 0, &gva);
	if (!ret)
		ret = emul_read(e, in->mem.seg, in->mem.ea, &b, 1, 0);
	if (ret)
		return ret;
	return emul_op_invd(e, in);
}

/* CLZERO: 64 zero bytes at the line that rAX points to; AMD. */
int emul_op_clzero(struct umbra_emul *e, struct emul_insn *in)
{
	unsigned int seg = in->seg != EMUL_NO_REG ? in->seg : UMBRA_DS;
	u64 off = emul_gpr(e, UMBRA_RAX, in->adsize) & ~63ull;
	static const u8 zero[64];

	if (!(e->features & UMBRA_EMUL_F_AMD))
		return emul_ud(e);
	return emul_write(e, seg, off, zero, sizeof(zero));
}

int emul_op_serialize(struct umbra_emul *e, struct emul_insn *in)
{
	return UMBRA_EMUL_OK;
}

/* CLAC and STAC are #UD outside ring 0, not #GP. */
static int set_ac(struct umbra_emul *e, bool on)
{
	if (e->r.cpl)
		return emul_ud(e);
	emul_flag_put(e, X86_EFLAGS_AC, on);
	return UMBRA_EMUL_OK;
}

int emul_op_clac(struct umbra_emul *e, struct emul_insn *in)
{
	return set_ac(e, false);
}

int emul_op_stac(struct umbra_emul *e, struct emul_insn *in)
{
	return set_ac(e, true);
}

int emul_op_monitor(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->monitor)
		return missing(e);
	return e->ops->monitor(e);
}

int emul_op_vmcall(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->hypercall)
		return missing(e);
	return e->ops->hypercall(e);
}

int emul_op_vmmcall(struct umbra_emul *e, struct emul_insn *in)
{
	if (!e->ops->hypercall)
		return missing(e);
	return e->ops->hypercall(e);
}
