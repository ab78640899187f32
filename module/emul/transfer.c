// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: far control transfer
 *
 * Far JMP, CALL and RET, and IRET, in all modes: through code segments, call
 * gates with and without a change of privilege, back to outer rings and to
 * virtual-8086 mode (SDM Vol. 3A 5.8; Vol. 2, CALL, JMP, RET, IRET).  Task
 * switches are not implemented: they stop the emulator.
 *
 * A far pointer goes where its descriptor says:
 *
 *   code segment      same privilege
 *   call gate         the gate's own target, maybe a more privileged stack
 *   TSS, task gate    task switch
 */
#include "emul_internal.h"

#define NO_TASKS	"hardware task switch"

static u32 err_of(u16 sel)
{
	return sel & ~3u;
}

/**
 * emul_cs_check() - may control go to this code segment?
 * @e: the emulation
 * @sel: selector; error code and RPL
 * @d: its descriptor
 * @cpl: privilege level to run at
 * @ret: a return: RPL is the new privilege level
 *
 * Return: OK, #GP(sel) or #NP(sel).
 */
int emul_cs_check(struct umbra_emul *e, u16 sel, const struct emul_desc *d,
		  unsigned int cpl, bool ret)
{
	unsigned int rpl = sel & 3, dpl;
	struct umbra_seg s;
	bool ok;

	emul_desc_to_seg(d, sel, &s);
	dpl = emul_seg_dpl(&s);
	if (!(s.attr & UMBRA_SEG_S) || !(s.attr & EMUL_TYPE_CODE))
		return emul_fault(e, EMUL_GP, err_of(sel));
	if (s.attr & EMUL_TYPE_CONFORMING)
		ok = dpl <= (ret ? rpl : cpl);
	else
		ok = ret ? dpl == rpl : rpl <= cpl && dpl == cpl;
	if (emul_lma(e) && (s.attr & UMBRA_SEG_L) && (s.attr & UMBRA_SEG_DB))
		ok = false;
	if (!ok)
		return emul_fault(e, EMUL_GP, err_of(sel));
	if (!(s.attr & UMBRA_SEG_P))
		return emul_fault(e, EMUL_NP, err_of(sel));
	return UMBRA_EMUL_OK;
}

/**
 * emul_cs_set() - load CS and the privilege level
 * @e: the emulation
 * @d: descriptor, judged
 * @sel: selector; its RPL becomes @cpl
 * @cpl: privilege level
 */
void emul_cs_set(struct umbra_emul *e, const struct emul_desc *d, u16 sel,
		 unsigned int cpl)
{
	struct umbra_seg s;

	emul_desc_to_seg(d, (sel & ~3u) | cpl, &s);
	/* outside long mode the L bit is ignored; keep it from misleading us */
	if (!emul_lma(e))
		s.attr &= ~UMBRA_SEG_L;
	e->r.cpl = cpl;
	emul_sreg_set(e, UMBRA_CS, &s);
}

/**
 * emul_tss_stack() - stack of an inner ring
 * @e: the emulation
 * @cpl: the ring, 0..2
 * @ss: result; null with RPL in long mode
 * @sp: result
 *
 *   16-bit TSS   SP at 2 + 4 n, SS at 4 + 4 n
 *   32-bit TSS   ESP at 4 + 8 n, SS at 8 + 8 n
 *   64-bit TSS   RSP at 4 + 8 n
 *
 * Return: OK, #TS(TR), or what reading the TSS returned.
 */
int emul_tss_stack(struct umbra_emul *e, unsigned int cpl, u16 *ss, u64 *sp)
{
	const struct umbra_seg *tr = &e->r.seg[UMBRA_TR];
	bool wide = tr->attr & 8;
	u32 off = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
	u8 buf[8] = { 0 };
	u32 esp = 0;
	int ret;

	if (off + (wide ? 7 : 3) > tr->limit)
		return emul_fault(e, EMUL_TS, err_of(tr->sel));
	ret = emul_read_sys(e, tr->base + off, buf, wide ? 8 : 4, 0);
	if (ret)
		return ret;
	if (emul_lma(e)) {
		memcpy(sp, buf, 8);
		*ss = cpl;
		return UMBRA_EMUL_OK;
	}
	memcpy(&esp, buf, wide ? 4 : 2);
	memcpy(ss, buf + (wide ? 4 : 2), 2);
	*sp = esp;
	return UMBRA_EMUL_OK;
}

static int set_ip(struct umbra_emul *e, u64 ip)
{
	return emul_jump(e, ip, 8);
}

static int push_far(struct umbra_emul *e, u16 cs, u64 ip, unsigned int n)
{
	u8 buf[16] = { 0 };

	memcpy(buf, &ip, n);
	memcpy(buf + n, &cs, 2);
	return emul_push_block(e, buf, 2, n);
}

static int far_real(struct umbra_emul *e, u16 sel, u64 off, unsigned int n,
		    bool call)
{
	u16 old_cs = e->r.seg[UMBRA_CS].sel;
	u64 old_ip = e->r.rip;
	int ret;

	if (off > e->r.seg[UMBRA_CS].limit)
		return emul_gp(e);
	if (call) {
		ret = push_far(e, old_cs, old_ip, n);
		if (ret)
			return ret;
	}
	emul_sreg_real(e, UMBRA_CS, sel);
	e->r.rip = off;
	return UMBRA_EMUL_OK;
}

static int far_code(struct umbra_emul *e, u16 sel, struct emul_desc *d, u64 off,
		    unsigned int n, bool call)
{
	u16 old_cs = e->r.seg[UMBRA_CS].sel;
	u64 old_ip = e->r.rip;
	int ret;

	ret = emul_cs_check(e, sel, d, e->r.cpl, false);
	if (!ret)
		ret = emul_desc_set_type(e, d, EMUL_TYPE_ACCESSED);
	if (ret)
		return ret;
	/* the stack is already that of the new mode */
	emul_cs_set(e, d, sel, e->r.cpl);
	if (call) {
		ret = push_far(e, old_cs, old_ip, n);
		if (ret)
			return ret;
	}
	return set_ip(e, off);
}

/**
 * struct gate - a call gate
 * @sel: target code segment
 * @off: target offset
 * @n: size of what is pushed: 2, 4 or 8 bytes
 * @params: parameters copied to an inner stack, in units of @n
 */
struct gate {
	u16 sel;
	u64 off;
	unsigned int n;
	unsigned int params;
};

/*
 *   63       48 47  45 44 40 39 37 36   32 31       16 15        0
 *   offset 31-16 P DPL type         params  selector    offset 15-0
 */
static void unpack_gate(struct umbra_emul *e, const struct emul_desc *d,
			struct gate *g)
{
	bool wide = d->lo >> 40 & 8;

	g->sel = d->lo >> 16;
	g->off = d->lo & 0xffff;
	if (wide)
		g->off |= d->lo >> 32 & 0xffff0000;
	g->params = d->lo >> 32 & 0x1f;
	g->n = wide ? 4 : 2;
	if (emul_lma(e)) {
		g->off |= d->hi << 32;
		g->params = 0;
		g->n = 8;
	}
}

/* Load the inner stack; @vector #TS faults name the new SS. */
static int switch_stack(struct umbra_emul *e, unsigned int cpl)
{
	struct umbra_seg ss;
	u16 sel;
	u64 sp;
	int ret;

	ret = emul_tss_stack(e, cpl, &sel, &sp);
	if (ret)
		return ret;
	if (emul_lma(e)) {
		ss = (struct umbra_seg){
			.sel = sel, .attr = cpl << UMBRA_SEG_DPL_SHIFT,
		};
	} else {
		ret = emul_sreg_check(e, UMBRA_SS, sel, cpl, EMUL_TS, 0, &ss);
		if (ret)
			return ret;
	}
	emul_sreg_set(e, UMBRA_SS, &ss);
	e->r.gpr[UMBRA_RSP] = sp;
	return UMBRA_EMUL_OK;
}

/* CALL through a gate to an inner ring: old stack and parameters go along. */
static int call_inner(struct umbra_emul *e, const struct gate *g,
		      struct emul_desc *d, unsigned int cpl)
{
	u16 old_cs = e->r.seg[UMBRA_CS].sel, old_ss = e->r.seg[UMBRA_SS].sel;
	u64 old_ip = e->r.rip, old_sp = e->r.gpr[UMBRA_RSP];
	u8 params[32 * 4];
	unsigned int i;
	int ret;

	for (i = 0; i < g->params; i++) {
		ret = emul_peek(e, i * g->n, params + i * g->n, 1, g->n);
		if (ret)
			return ret;
	}
	/* judged with the old CS: a null SS is the 64-bit target's */
	ret = switch_stack(e, cpl);
	if (ret)
		return ret;
	emul_cs_set(e, d, g->sel, cpl);
	ret = push_far(e, old_ss, old_sp, g->n);
	for (i = g->params; i && !ret; i--)
		ret = emul_push_block(e, params + (i - 1) * g->n, 1, g->n);
	if (!ret)
		ret = push_far(e, old_cs, old_ip, g->n);
	return ret ? ret : set_ip(e, g->off);
}

/* A gate may lead inwards only by CALL and to non-conforming code. */
static int gate_target(struct umbra_emul *e, const struct gate *g,
		       struct emul_desc *d, bool call, unsigned int *cpl)
{
	struct umbra_seg s;
	unsigned int dpl;
	int ret;

	if (!(g->sel & ~3))
		return emul_gp(e);
	ret = emul_desc_read(e, g->sel, d, EMUL_GP);
	if (ret)
		return ret;
	emul_desc_to_seg(d, g->sel, &s);
	dpl = emul_seg_dpl(&s);
	*cpl = e->r.cpl;
	if (!(s.attr & UMBRA_SEG_S) || !(s.attr & EMUL_TYPE_CODE) ||
	    dpl > e->r.cpl)
		return emul_fault(e, EMUL_GP, err_of(g->sel));
	if (emul_lma(e) && (s.attr & (UMBRA_SEG_L | UMBRA_SEG_DB)) !=
	    UMBRA_SEG_L)
		return emul_fault(e, EMUL_GP, err_of(g->sel));
	if (!(s.attr & UMBRA_SEG_P))
		return emul_fault(e, EMUL_NP, err_of(g->sel));
	if (s.attr & EMUL_TYPE_CONFORMING || dpl == e->r.cpl)
		return emul_desc_set_type(e, d, EMUL_TYPE_ACCESSED);
	if (!call)
		return emul_fault(e, EMUL_GP, err_of(g->sel));
	*cpl = dpl;
	return emul_desc_set_type(e, d, EMUL_TYPE_ACCESSED);
}

static int far_gate(struct umbra_emul *e, u16 sel, const struct emul_desc *gd,
		    bool call)
{
	unsigned int dpl = gd->lo >> 45 & 3, cpl;
	u16 old_cs = e->r.seg[UMBRA_CS].sel;
	u64 old_ip = e->r.rip;
	struct emul_desc d;
	struct gate g;
	int ret;

	if (dpl < e->r.cpl || dpl < (sel & 3))
		return emul_fault(e, EMUL_GP, err_of(sel));
	if (emul_lma(e) && (gd->hi >> 40 & 0x1f))
		return emul_fault(e, EMUL_GP, err_of(sel));
	if (!(gd->lo >> 47 & 1))
		return emul_fault(e, EMUL_NP, err_of(sel));
	unpack_gate(e, gd, &g);
	ret = gate_target(e, &g, &d, call, &cpl);
	if (ret)
		return ret;
	if (cpl != e->r.cpl)
		return call_inner(e, &g, &d, cpl);
	emul_cs_set(e, &d, g.sel, cpl);
	if (call) {
		ret = push_far(e, old_cs, old_ip, g.n);
		if (ret)
			return ret;
	}
	return set_ip(e, g.off);
}

static int far_system(struct umbra_emul *e, u16 sel, const struct emul_desc *d,
		      bool call)
{
	switch (d->lo >> 40 & 0xf) {
	case 4:
		if (emul_lma(e))
			break;
		fallthrough;
	case 12:
		return far_gate(e, sel, d, call);
	case 1: case 5: case 9:
		if (!emul_lma(e))
			return emul_unhandled(e, NO_TASKS);
		break;
	}
	return emul_fault(e, EMUL_GP, err_of(sel));
}

static int go_far(struct umbra_emul *e, u16 sel, u64 off, unsigned int n,
		  bool call)
{
	struct emul_desc d;
	int ret;

	if (emul_real_or_v86(e))
		return far_real(e, sel, off, n, call);
	if (!(sel & ~3))
		return emul_gp(e);
	ret = emul_desc_read(e, sel, &d, EMUL_GP);
	if (ret)
		return ret;
	if (d.lo >> 44 & 1)
		return far_code(e, sel, &d, off, n, call);
	return far_system(e, sel, &d, call);
}

/* The pointer in the instruction: the selector is the third operand. */
int emul_op_jmpf(struct umbra_emul *e, struct emul_insn *in)
{
	return go_far(e, in->src2.val, in->dst.val & emul_mask(in->opsize),
		      in->opsize, false);
}

int emul_op_callf(struct umbra_emul *e, struct emul_insn *in)
{
	return go_far(e, in->src2.val, in->dst.val & emul_mask(in->opsize),
		      in->opsize, true);
}

/* A 64-bit far pointer has a 64-bit offset with REX.W on Intel only. */
static int far_mem(struct umbra_emul *e, struct emul_insn *in, bool call)
{
	unsigned int n = in->opsize;
	u64 off;
	u16 sel;
	int ret;

	if (n == 8 && (e->features & UMBRA_EMUL_F_AMD))
		n = 4;
	ret = emul_read_far(e, in, n, &off, &sel);
	if (ret)
		return ret;
	return go_far(e, sel, off, in->opsize, call);
}

int emul_op_jmpf_mem(struct umbra_emul *e, struct emul_insn *in)
{
	return far_mem(e, in, false);
}

int emul_op_callf_mem(struct umbra_emul *e, struct emul_insn *in)
{
	return far_mem(e, in, true);
}

/**
 * struct far_frame - what a far return or IRET takes from the stack
 * @n: size of an item, bytes
 * @skip: bytes between CS and the outer stack pointer (RET imm16)
 * @used: bytes taken when the ring stays the same
 * @ip: return address
 * @cs: code segment
 * @flags: IRET: flags image
 * @iret: IRET
 */
struct far_frame {
	unsigned int n;
	unsigned int skip;
	unsigned int used;
	u64 ip;
	u16 cs;
	u64 flags;
	bool iret;
};

static int read_frame(struct umbra_emul *e, struct far_frame *f)
{
	unsigned int items = f->iret ? 3 : 2;
	u8 buf[24];
	u64 cs = 0;
	int ret;

	ret = emul_peek(e, 0, buf, items, f->n);
	if (ret)
		return ret;
	memcpy(&f->ip, buf, f->n);
	memcpy(&cs, buf + f->n, 2);
	f->cs = cs;
	if (f->iret)
		memcpy(&f->flags, buf + 2 * f->n, f->n);
	f->used = items * f->n;
	return UMBRA_EMUL_OK;
}

/*
 * Flags that IRET takes from its image.  IF and IOPL depend on the ring that
 * executes it (SDM Vol. 2A, IRET).
 */
static void iret_flags(struct umbra_emul *e, const struct far_frame *f,
		       unsigned int cpl, unsigned int iopl)
{
	u64 change = EMUL_FLAGS_STATUS | X86_EFLAGS_TF | X86_EFLAGS_DF |
		     X86_EFLAGS_NT | X86_EFLAGS_RF | X86_EFLAGS_AC |
		     X86_EFLAGS_ID;

	if (cpl <= iopl)
		change |= X86_EFLAGS_IF;
	if (!cpl)
		change |= X86_EFLAGS_IOPL | X86_EFLAGS_VIF | X86_EFLAGS_VIP;
	if (f->n == 2)
		change &= 0xffff;
	e->r.rflags = (e->r.rflags & ~change) | (f->flags & change);
}

static int return_real(struct umbra_emul *e, const struct far_frame *f)
{
	if (f->ip > e->r.seg[UMBRA_CS].limit)
		return emul_gp(e);
	emul_sp_set(e, e->r.gpr[UMBRA_RSP] + f->used + f->skip);
	emul_sreg_real(e, UMBRA_CS, f->cs);
	e->r.rip = f->ip;
	return UMBRA_EMUL_OK;
}

/*
 * Data segments that the outer ring may not use become null; those that are
 * null lose their RPL, but not the base that an MSR may have given them.
 */
static void drop_inner_segs(struct umbra_emul *e)
{
	static const u8 data[] = { UMBRA_ES, UMBRA_DS, UMBRA_FS, UMBRA_GS };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(data); i++) {
		struct umbra_seg *s = &e->r.seg[data[i]];
		bool conforming = (s->attr & EMUL_TYPE_CODE) &&
				  (s->attr & EMUL_TYPE_CONFORMING);

		if (!(s->attr & UMBRA_SEG_P))
			s->sel = 0;
		else if (!conforming && emul_seg_dpl(s) < e->r.cpl)
			*s = (struct umbra_seg){ 0 };
	}
}

/* SP and SS lie above the frame, and above the parameters of RET imm16. */
static int return_outer(struct umbra_emul *e, const struct far_frame *f,
			struct emul_desc *d)
{
	unsigned int rpl = f->cs & 3, old_cpl = e->r.cpl;
	struct umbra_seg ss, old_cs;
	u8 buf[16];
	u64 sp = 0;
	u16 sel;
	int ret;

	ret = emul_peek(e, f->used + f->skip, buf, 2, f->n);
	if (ret)
		return ret;
	memcpy(&sp, buf, f->n);
	memcpy(&sel, buf + f->n, 2);
	/* whether a null SS is legal depends on the mode returned to */
	old_cs = e->r.seg[UMBRA_CS];
	emul_cs_set(e, d, f->cs, rpl);
	ret = emul_sreg_check(e, UMBRA_SS, sel, rpl, EMUL_GP, 0, &ss);
	if (ret) {
		emul_sreg_set(e, UMBRA_CS, &old_cs);
		e->r.cpl = old_cpl;
		return ret;
	}
	emul_sreg_set(e, UMBRA_SS, &ss);
	/* a 16-bit stack leaves the upper half of ESP as it was */
	emul_gpr_set(e, UMBRA_RSP, f->n == 8 ? 8 : emul_stack_size(e),
		     sp + f->skip);
	if (rpl > old_cpl)
		drop_inner_segs(e);
	return set_ip(e, f->ip);
}

/* Both kinds of return in protected and long mode, CS first. */
static int return_prot(struct umbra_emul *e, struct far_frame *f)
{
	unsigned int old_cpl = e->r.cpl, old_iopl = emul_iopl(e);
	bool from64 = emul_mode64(e);
	struct emul_desc d;
	int ret;

	if (!(f->cs & ~3))
		return emul_gp(e);
	ret = emul_desc_read(e, f->cs, &d, EMUL_GP);
	if (ret)
		return ret;
	if ((f->cs & 3) < e->r.cpl)
		return emul_fault(e, EMUL_GP, err_of(f->cs));
	ret = emul_cs_check(e, f->cs, &d, e->r.cpl, true);
	if (!ret)
		ret = emul_desc_set_type(e, &d, EMUL_TYPE_ACCESSED);
	if (ret)
		return ret;
	/* IRET from 64-bit mode always takes SS:RSP */
	if ((f->cs & 3) != old_cpl || (f->iret && from64)) {
		ret = return_outer(e, f, &d);
	} else {
		emul_sp_set(e, e->r.gpr[UMBRA_RSP] + f->used + f->skip);
		emul_cs_set(e, &d, f->cs, old_cpl);
		ret = set_ip(e, f->ip);
	}
	if (!ret && f->iret)
		iret_flags(e, f, old_cpl, old_iopl);
	return ret;
}

int emul_op_retf(struct umbra_emul *e, struct emul_insn *in)
{
	struct far_frame f = { .n = in->opsize };
	int ret;

	if (in->dst.type == EMUL_OT_IMM)
		f.skip = in->dst.val & 0xffff;
	ret = read_frame(e, &f);
	if (ret)
		return ret;
	if (emul_real_or_v86(e))
		return return_real(e, &f);
	return return_prot(e, &f);
}

/* IRET from ring 0 to virtual-8086 mode: SP, SS, ES, DS, FS, GS follow. */
static int iret_v86(struct umbra_emul *e, const struct far_frame *f)
{
	static const u8 order[] = {
		UMBRA_SS, UMBRA_ES, UMBRA_DS, UMBRA_FS, UMBRA_GS,
	};
	unsigned int i;
	u32 buf[6];
	int ret;

	ret = emul_peek(e, f->used, buf, ARRAY_SIZE(buf), 4);
	if (ret)
		return ret;
	e->r.rflags = (f->flags & 0x3f7fd7) | X86_EFLAGS_FIXED |
		      X86_EFLAGS_VM;
	e->r.cpl = 3;
	emul_sreg_real(e, UMBRA_CS, f->cs);
	for (i = 0; i < ARRAY_SIZE(order); i++)
		emul_sreg_real(e, order[i], buf[1 + i]);
	e->r.gpr[UMBRA_RSP] = buf[0];
	e->r.rip = f->ip & 0xffff;
	return UMBRA_EMUL_OK;
}

static int iret_real(struct umbra_emul *e, const struct far_frame *f)
{
	u64 keep = e->r.rflags & (X86_EFLAGS_VM | X86_EFLAGS_VIF |
				  X86_EFLAGS_VIP);
	bool v86 = emul_v86(e);
	int ret;

	ret = return_real(e, f);
	if (ret)
		return ret;
	/* in virtual-8086 mode IOPL, which is 3 here, stays */
	iret_flags(e, f, v86 ? 3 : 0, 3);
	e->r.rflags = (e->r.rflags & ~(u64)(X86_EFLAGS_VM | X86_EFLAGS_VIF |
					    X86_EFLAGS_VIP)) | keep;
	return UMBRA_EMUL_OK;
}

int emul_op_iret(struct umbra_emul *e, struct emul_insn *in)
{
	struct far_frame f = { .n = in->opsize, .iret = true };
	int ret;

	in->keep_rf = true;
	if (emul_v86(e) && emul_iopl(e) < 3)
		return emul_gp(e);
	e->iret = true;
	if (emul_prot(e) && !emul_v86(e) && (e->r.rflags & X86_EFLAGS_NT)) {
		if (emul_lma(e))
			return emul_gp(e);
		return emul_unhandled(e, NO_TASKS);
	}
	ret = read_frame(e, &f);
	if (ret)
		return ret;
	if (emul_real_or_v86(e))
		return iret_real(e, &f);
	if (!emul_lma(e) && f.n == 4 && (f.flags & X86_EFLAGS_VM) && !e->r.cpl)
		return iret_v86(e, &f);
	return return_prot(e, &f);
}
