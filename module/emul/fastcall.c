// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: fast system calls and segment bases
 *
 * SYSCALL, SYSRET, SYSENTER, SYSEXIT, SWAPGS, RD/WRFSBASE, RD/WRGSBASE.  Vendors
 * differ: AMD has no SYSENTER in long mode, Intel has SYSCALL in 64-bit mode
 * only (APM Vol. 3, SYSCALL, SYSENTER; SDM Vol. 2B).
 */
#include "emul_internal.h"

static bool amd(const struct umbra_emul *e)
{
	return e->features & UMBRA_EMUL_F_AMD;
}

static void set_cs_ss(struct umbra_emul *e, u16 cs, u16 ss, unsigned int cpl,
		      bool code64)
{
	struct umbra_seg code = umbra_seg_flat(cs, cpl, code64 ? UMBRA_SEG_CODE64 :
								 UMBRA_SEG_CODE32);
	struct umbra_seg stack = umbra_seg_flat(ss, cpl, UMBRA_SEG_DATA32);

	e->r.cpl = cpl;
	emul_sreg_set(e, UMBRA_CS, &code);
	emul_sreg_set(e, UMBRA_SS, &stack);
}

int emul_op_syscall(struct umbra_emul *e, struct emul_insn *in)
{
	u16 cs = e->r.star >> 32 & 0xfffc;
	bool from64 = emul_mode64(e);

	/* AMD's goes from real and virtual-8086 mode, too */
	if (!(e->r.efer & EMUL_EFER_SCE) || (!from64 && !amd(e)))
		return emul_ud(e);
	e->r.gpr[UMBRA_RCX] = e->r.rip;
	if (emul_lma(e)) {
		e->r.gpr[UMBRA_R11] = e->r.rflags & ~(u64)X86_EFLAGS_RF;
		e->r.rip = from64 ? e->r.lstar : e->r.cstar;
		e->r.rflags &= ~(e->r.sfmask | X86_EFLAGS_RF);
		e->r.rflags |= X86_EFLAGS_FIXED;
		set_cs_ss(e, cs, cs + 8, 0, true);
	} else {
		e->r.rip = (u32)e->r.star;
		e->r.rflags &= ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_IF |
				      X86_EFLAGS_RF);
		set_cs_ss(e, cs, cs + 8, 0, false);
	}
	/* the mask may clear TF, and then there is no trap */
	in->tf = e->r.rflags & X86_EFLAGS_TF;
	return UMBRA_EMUL_OK;
}

#define SYSRET_FLAGS	0x3c7fd7

int emul_op_sysret(struct umbra_emul *e, struct emul_insn *in)
{
	bool to64 = in->opsize == 8;
	u16 cs = e->r.star >> 48;
	u64 rip = e->r.gpr[UMBRA_RCX];

	if (!(e->r.efer & EMUL_EFER_SCE) || (!emul_mode64(e) && !amd(e)))
		return emul_ud(e);
	/* behind #UD, so that OPF_PRIV does not do */
	if (e->r.cpl || !emul_prot(e))
		return emul_gp(e);
	/* Intel faults before the ring changes, AMD after */
	if (to64 && !amd(e) && !emul_canonical(e, rip))
		return emul_gp(e);
	if (emul_lma(e))
		e->r.rflags = (e->r.gpr[UMBRA_R11] & SYSRET_FLAGS) |
			      X86_EFLAGS_FIXED;
	else
		e->r.rflags |= X86_EFLAGS_IF;
	e->r.rip = to64 ? rip : (u32)rip;
	set_cs_ss(e, (to64 ? cs + 16 : cs) | 3, (cs + 8) | 3, 3, to64);
	/* unlike IRET's and POPF's, a TF that it sets traps at once */
	in->tf = e->r.rflags & X86_EFLAGS_TF;
	return UMBRA_EMUL_OK;
}

int emul_op_sysenter(struct umbra_emul *e, struct emul_insn *in)
{
	u16 cs = e->r.sysenter_cs & 0xfffc;
	bool lma = emul_lma(e);

	if (lma && amd(e))
		return emul_ud(e);
	if (!emul_prot(e) || !cs)
		return emul_gp(e);
	e->r.rflags &= ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_IF | X86_EFLAGS_RF);
	e->r.rip = lma ? e->r.sysenter_eip : (u32)e->r.sysenter_eip;
	e->r.gpr[UMBRA_RSP] = lma ? e->r.sysenter_esp :
				    (u32)e->r.sysenter_esp;
	set_cs_ss(e, cs, cs + 8, 0, lma);
	return UMBRA_EMUL_OK;
}

int emul_op_sysexit(struct umbra_emul *e, struct emul_insn *in)
{
	u64 rip = e->r.gpr[UMBRA_RDX], rsp = e->r.gpr[UMBRA_RCX];
	u16 cs = e->r.sysenter_cs & 0xfffc;
	bool to64 = in->opsize == 8;

	if (emul_lma(e) && amd(e))
		return emul_ud(e);
	if (!emul_prot(e) || !cs)
		return emul_gp(e);
	if (to64 && (!emul_canonical(e, rip) || !emul_canonical(e, rsp)))
		return emul_gp(e);
	cs += to64 ? 32 : 16;
	e->r.rip = to64 ? rip : (u32)rip;
	e->r.gpr[UMBRA_RSP] = to64 ? rsp : (u32)rsp;
	set_cs_ss(e, cs | 3, (cs + 8) | 3, 3, to64);
	return UMBRA_EMUL_OK;
}

int emul_op_swapgs(struct umbra_emul *e, struct emul_insn *in)
{
	u64 base = e->r.seg[UMBRA_GS].base;

	e->r.seg[UMBRA_GS].base = e->r.kernel_gs_base;
	e->r.kernel_gs_base = base;
	e->r.dirty |= UMBRA_REGS_SEG | UMBRA_REGS_SYSCALL;
	return UMBRA_EMUL_OK;
}

static int read_base(struct umbra_emul *e, struct emul_insn *in,
		     unsigned int sreg)
{
	if (!(e->r.cr4 & X86_CR4_FSGSBASE))
		return emul_ud(e);
	in->dst.val = e->r.seg[sreg].base;
	return UMBRA_EMUL_OK;
}

static int write_base(struct umbra_emul *e, struct emul_insn *in,
		      unsigned int sreg)
{
	if (!(e->r.cr4 & X86_CR4_FSGSBASE))
		return emul_ud(e);
	if (!emul_canonical(e, in->dst.val))
		return emul_gp(e);
	e->r.seg[sreg].base = in->dst.val;
	e->r.dirty |= UMBRA_REGS_SEG;
	return UMBRA_EMUL_OK;
}

int emul_op_rdfsbase(struct umbra_emul *e, struct emul_insn *in)
{
	return read_base(e, in, UMBRA_FS);
}

int emul_op_rdgsbase(struct umbra_emul *e, struct emul_insn *in)
{
	return read_base(e, in, UMBRA_GS);
}

int emul_op_wrfsbase(struct umbra_emul *e, struct emul_insn *in)
{
	return write_base(e, in, UMBRA_FS);
}

int emul_op_wrgsbase(struct umbra_emul *e, struct emul_insn *in)
{
	return write_base(e, in, UMBRA_GS);
}
