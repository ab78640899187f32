// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: interrupt delivery
 *
 * Through the vector table of real mode and the IDT of protected and long mode
 * (SDM Vol. 3A 6.10-6.14; 20.1.4 for real mode), with the stack switch to an
 * inner ring and the interrupt stack table.  What gets delivered, and what a
 * fault on the way turns into, is the owner's business; so is RFLAGS.RF, which
 * is pushed as it is found.  The plain case of long mode has a shorter way, event64.c.
 */
#include "emul_internal.h"

/**
 * struct delivery - one event on its way
 * @vector: 0..255
 * @soft: INT n: the gate's DPL counts
 * @has_error: @error_code is pushed
 * @error_code: error code
 * @ext: EXT bit of error codes of faults on the way
 * @n: size of what is pushed: 2, 4 or 8 bytes
 * @trap: trap gate: IF stays
 * @ist: interrupt stack table entry, 0 none
 * @sel: target code segment
 * @off: target offset
 */
struct delivery {
	u8 vector;
	bool soft;
	bool has_error;
	u32 error_code;
	u32 ext;
	unsigned int n;
	bool trap;
	unsigned int ist;
	u16 sel;
	u64 off;
};

static int deliver_real(struct umbra_emul *e, const struct delivery *v)
{
	u32 off = 4u * v->vector, entry;
	u16 frame[3];
	int ret;

	if (off + 3 > e->r.idtr.limit)
		return emul_gp(e);
	ret = emul_read_sys(e, e->r.idtr.base + off, &entry, 4, 0);
	if (ret)
		return ret;
	frame[0] = e->r.rip;
	frame[1] = e->r.seg[UMBRA_CS].sel;
	frame[2] = e->r.rflags;
	ret = emul_push_block(e, frame, 3, 2);
	if (ret)
		return ret;
	e->r.rflags &= ~(u64)(X86_EFLAGS_IF | X86_EFLAGS_TF | X86_EFLAGS_AC |
			      X86_EFLAGS_RF);
	emul_sreg_real(e, UMBRA_CS, entry >> 16);
	e->r.rip = entry & 0xffff;
	return UMBRA_EMUL_OK;
}

static u32 gate_err(const struct delivery *v)
{
	return v->vector * 8u | 2 | v->ext;
}

/*
 * Gate types (SDM Vol. 3A 6.11): 5 task, 6 and 7 16-bit, 14 and 15 32-bit; in
 * long mode 14 and 15 only, and they are 64-bit.
 */
static int judge_gate(struct umbra_emul *e, struct delivery *v, u64 lo)
{
	unsigned int type = lo >> 40 & 0x1f, dpl = lo >> 45 & 3;
	bool known = type == 14 || type == 15;

	if (!emul_lma(e))
		known |= type == 5 || type == 6 || type == 7;
	if (!known || (v->soft && dpl < e->r.cpl))
		return emul_fault(e, EMUL_GP, gate_err(v));
	if (!(lo >> 47 & 1))
		return emul_fault(e, EMUL_NP, gate_err(v));
	if (type == 5)
		return emul_unhandled(e, "task gate in the IDT");
	v->trap = type & 1;
	v->n = type >= 14 ? 4 : 2;
	return UMBRA_EMUL_OK;
}

/*
 *   127        96 95       64
 *   reserved      offset 63-32                              long mode only
 *   63       48 47  45 44 40 39 35 34 32 31       16 15        0
 *   offset 31-16 P DPL type         IST   selector    offset 15-0
 */
static int read_gate(struct umbra_emul *e, struct delivery *v)
{
	unsigned int size = emul_lma(e) ? 16 : 8;
	u32 off = size * v->vector;
	u64 g[2] = { 0 };
	int ret;

	if (off + size - 1 > e->r.idtr.limit)
		return emul_fault(e, EMUL_GP, gate_err(v));
	ret = emul_read_sys(e, e->r.idtr.base + off, g, size, 0);
	if (!ret)
		ret = judge_gate(e, v, g[0]);
	if (ret)
		return ret;
	v->sel = g[0] >> 16;
	v->off = g[0] & 0xffff;
	if (v->n == 4)
		v->off |= g[0] >> 32 & 0xffff0000;
	if (emul_lma(e)) {
		v->n = 8;
		v->off |= g[1] << 32;
		v->ist = g[0] >> 32 & 7;
	}
	return UMBRA_EMUL_OK;
}

/* The handler's code segment and ring. */
static int handler_cs(struct umbra_emul *e, const struct delivery *v,
		      struct emul_desc *d, unsigned int *cpl)
{
	u32 err = (v->sel & ~3u) | v->ext;
	struct umbra_seg s;
	unsigned int dpl;
	bool ok;
	int ret;

	if (!(v->sel & ~3))
		return emul_fault(e, EMUL_GP, v->ext);
	ret = emul_desc_read(e, v->sel, d, EMUL_GP | v->ext << 8);
	if (ret)
		return ret;
	emul_desc_to_seg(d, v->sel, &s);
	dpl = emul_seg_dpl(&s);
	ok = (s.attr & UMBRA_SEG_S) && (s.attr & EMUL_TYPE_CODE) &&
	     dpl <= e->r.cpl;
	if (emul_lma(e) && (s.attr & (UMBRA_SEG_L | UMBRA_SEG_DB)) !=
	    UMBRA_SEG_L)
		ok = false;
	*cpl = s.attr & EMUL_TYPE_CONFORMING ? e->r.cpl : dpl;
	if (emul_v86(e) && *cpl)
		ok = false;
	if (!ok)
		return emul_fault(e, EMUL_GP, err);
	if (!(s.attr & UMBRA_SEG_P))
		return emul_fault(e, EMUL_NP, err);
	return emul_desc_set_type(e, d, EMUL_TYPE_ACCESSED);
}

static int read_ist(struct umbra_emul *e, const struct delivery *v, u64 *sp)
{
	const struct umbra_seg *tr = &e->r.seg[UMBRA_TR];
	u32 off = 0x24 + 8 * (v->ist - 1);

	if (off + 7 > tr->limit)
		return emul_fault(e, EMUL_TS, (tr->sel & ~3u) | v->ext);
	return emul_read_sys(e, tr->base + off, sp, 8, 0);
}

/* Long mode: null SS on a change of ring, stack aligned to 16 bytes. */
static int frame_long(struct umbra_emul *e, const struct delivery *v,
		      const struct emul_desc *d, unsigned int cpl)
{
	u64 sp = e->r.gpr[UMBRA_RSP], frame[6], *f = frame;
	bool inner = cpl != e->r.cpl;
	u16 ss;
	int ret = UMBRA_EMUL_OK;

	if (v->has_error)
		*f++ = v->error_code;
	f[0] = e->r.rip;
	f[1] = e->r.seg[UMBRA_CS].sel;
	f[2] = e->r.rflags;
	f[3] = sp;
	f[4] = e->r.seg[UMBRA_SS].sel;
	if (v->ist)
		ret = read_ist(e, v, &sp);
	else if (inner)
		ret = emul_tss_stack(e, cpl, &ss, &sp);
	if (ret)
		return ret;
	emul_cs_set(e, d, v->sel, cpl);
	if (inner) {
		struct umbra_seg null = {
			.sel = cpl, .attr = cpl << UMBRA_SEG_DPL_SHIFT,
		};

		emul_sreg_set(e, UMBRA_SS, &null);
	}
	e->r.gpr[UMBRA_RSP] = sp & ~15ull;
	return emul_push_block(e, frame, 5 + v->has_error, 8);
}

/* Items of a 16- or 32-bit frame, last pushed first. */
struct frame {
	u32 item[10];
	unsigned int count;
};

static int push_frame(struct umbra_emul *e, const struct frame *f,
		      unsigned int n)
{
	u8 buf[40];
	unsigned int i;

	for (i = 0; i < f->count; i++)
		memcpy(buf + i * n, &f->item[i], n);
	return emul_push_block(e, buf, f->count, n);
}

static void gather_frame(struct umbra_emul *e, const struct delivery *v,
			 struct frame *f, bool inner)
{
	f->count = 0;
	if (v->has_error)
		f->item[f->count++] = v->error_code;
	f->item[f->count++] = e->r.rip;
	f->item[f->count++] = e->r.seg[UMBRA_CS].sel;
	f->item[f->count++] = e->r.rflags;
	if (!inner)
		return;
	f->item[f->count++] = e->r.gpr[UMBRA_RSP];
	f->item[f->count++] = e->r.seg[UMBRA_SS].sel;
	if (!emul_v86(e))
		return;
	f->item[f->count++] = e->r.seg[UMBRA_ES].sel;
	f->item[f->count++] = e->r.seg[UMBRA_DS].sel;
	f->item[f->count++] = e->r.seg[UMBRA_FS].sel;
	f->item[f->count++] = e->r.seg[UMBRA_GS].sel;
}

/* Virtual-8086 mode left its data segments on the stack; they are null now. */
static void leave_v86(struct umbra_emul *e)
{
	static const struct umbra_seg null;

	emul_sreg_set(e, UMBRA_ES, &null);
	emul_sreg_set(e, UMBRA_DS, &null);
	emul_sreg_set(e, UMBRA_FS, &null);
	emul_sreg_set(e, UMBRA_GS, &null);
	e->r.rflags &= ~(u64)X86_EFLAGS_VM;
}

static int frame_legacy(struct umbra_emul *e, const struct delivery *v,
			const struct emul_desc *d, unsigned int cpl)
{
	bool inner = cpl != e->r.cpl;
	struct umbra_seg ss;
	struct frame f;
	u16 sel;
	u64 sp;
	int ret;

	gather_frame(e, v, &f, inner);
	if (inner) {
		ret = emul_tss_stack(e, cpl, &sel, &sp);
		if (ret) {
			e->fault.error_code |= v->ext;
			return ret;
		}
		ret = emul_sreg_check(e, UMBRA_SS, sel, cpl, EMUL_TS, v->ext,
				      &ss);
		if (ret)
			return ret;
		if (emul_v86(e))
			leave_v86(e);
		emul_sreg_set(e, UMBRA_SS, &ss);
		e->r.gpr[UMBRA_RSP] = sp;
	}
	emul_cs_set(e, d, v->sel, cpl);
	return push_frame(e, &f, v->n);
}

static int deliver_prot(struct umbra_emul *e, struct delivery *v)
{
	struct emul_desc d;
	unsigned int cpl;
	int ret;

	ret = read_gate(e, v);
	if (!ret)
		ret = handler_cs(e, v, &d, &cpl);
	if (ret)
		return ret;
	if (emul_lma(e))
		ret = frame_long(e, v, &d, cpl);
	else
		ret = frame_legacy(e, v, &d, cpl);
	if (ret)
		return ret;
	e->r.rflags &= ~(u64)(X86_EFLAGS_TF | X86_EFLAGS_NT | X86_EFLAGS_RF |
			      X86_EFLAGS_VM);
	if (!v->trap)
		e->r.rflags &= ~(u64)X86_EFLAGS_IF;
	return emul_jump(e, v->off, 8);
}

/**
 * emul_deliver() - deliver an event on the working registers
 * @e: the emulation; the working RIP is what is pushed
 * @vector: 0..255
 * @soft: INT n: gate DPL is checked, EXT is clear
 * @has_error: push @error_code
 * @error_code: error code
 */
int emul_deliver(struct umbra_emul *e, u8 vector, bool soft, bool has_error,
		 u32 error_code)
{
	struct delivery v = {
		.vector = vector,
		.soft = soft,
		.has_error = has_error,
		.error_code = error_code,
		.ext = !soft,
	};

	return emul_prot(e) ? deliver_prot(e, &v) : deliver_real(e, &v);
}

/**
 * umbra_emul_event_plain() - deliver a fault through the IDT, if that is simple
 * @e: as for umbra_emulate()
 * @vector: 0..255, with an error code
 * @error_code: error code
 *
 * Calls read() of the tables, then write() of the frame, and nothing else.
 *
 * Return: OK (committed); else nothing has happened.
 */
int umbra_emul_event_plain(struct umbra_emul *e, u8 vector, u32 error_code)
{
	return emul_event64(e, vector, true, error_code);
}

/**
 * umbra_emul_interrupt() - deliver an interrupt or exception through the IDT
 * @e: as for umbra_emulate()
 * @vector: 0..255
 * @soft: INT n, INT3, INTO: gate DPL is checked, EXT is clear
 * @has_error: push @error_code
 * @error_code: error code
 *
 * Return: OK (committed), FAULT, IO, ERROR, UNHANDLED (task gate).
 */
int umbra_emul_interrupt(struct umbra_emul *e, u8 vector, bool soft,
			 bool has_error, u32 error_code)
{
	int ret = soft ? EMUL_NOT_PLAIN : emul_event64(e, vector, has_error, error_code);
	unsigned int tries;

	if (likely(ret != EMUL_NOT_PLAIN))
		return ret;
	ret = EMUL_RETRY;
	/* another vCPU may be at the same descriptors */
	for (tries = 0; ret == EMUL_RETRY && tries < 16; tries++) {
		emul_begin(e);
		ret = emul_deliver(e, vector, soft, has_error, error_code);
	}
	if (ret == EMUL_RETRY)
		return emul_unhandled(e, "descriptor under attack");
	if (ret)
		return ret;
	e->r.int_shadow = 0;
	emul_commit(e);
	return UMBRA_EMUL_OK;
}

/* Virtual-8086 mode without VME: INT n traps unless IOPL is 3. */
int emul_op_int(struct umbra_emul *e, struct emul_insn *in)
{
	if (emul_v86(e) && emul_iopl(e) < 3)
		return emul_gp(e);
	in->tf = false;
	return emul_deliver(e, in->dst.val, true, false, 0);
}

/* INT3, INTO and INT1 are reported: the owner may want to see them first. */
static int trap_after(struct umbra_emul *e, u8 vector)
{
	e->r.rflags &= ~(u64)X86_EFLAGS_RF;
	e->r.int_shadow = 0;
	emul_commit(e);
	emul_fault_noerr(e, vector);
	e->fault.soft = true;
	return UMBRA_EMUL_FAULT;
}

int emul_op_int3(struct umbra_emul *e, struct emul_insn *in)
{
	return trap_after(e, EMUL_BP);
}

int emul_op_int1(struct umbra_emul *e, struct emul_insn *in)
{
	return trap_after(e, EMUL_DB);
}

int emul_op_into(struct umbra_emul *e, struct emul_insn *in)
{
	if (!(e->r.rflags & X86_EFLAGS_OF))
		return UMBRA_EMUL_OK;
	return trap_after(e, EMUL_OF);
}

/* BOUND: a signed index against a pair of bounds; #BR is a fault. */
int emul_op_bound(struct umbra_emul *e, struct emul_insn *in)
{
	u64 ea = in->mem.ea, lo = 0, hi = 0;
	unsigned int n = in->opsize;
	s64 idx = emul_sext(emul_gpr(e, in->dst.reg, n), n);
	int ret;

	ret = emul_read(e, in->mem.seg, ea, &lo, n, 0);
	if (ret)
		return ret;
	ea = (ea + n) & emul_mask(in->adsize);
	ret = emul_read(e, in->mem.seg, ea, &hi, n, 0);
	if (ret)
		return ret;
	if (idx < (s64)emul_sext(lo, n) || idx > (s64)emul_sext(hi, n))
		return emul_fault_noerr(e, EMUL_BR);
	return UMBRA_EMUL_OK;
}
