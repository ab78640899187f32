// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: emulator against the processor
 *
 * The same instruction, from the same state, natively (test_emul_cpu.c) and in
 * the emulator; registers, selectors, flags, memory, vector registers and faults
 * must come out the same.  Instructions are random bytes that decode to
 * something user mode may run; operands prefer the values where things go wrong.
 * 64-bit, 32-bit and 16-bit code, the latter two with segments that have bases,
 * limits and types.
 *
 *   test_emul_native [INSTRUCTIONS [SEED [BITS]]]
 *
 * What the manuals leave undefined is masked; undefined_flags() has the list.
 */
#include <asm/processor-flags.h>

#include "ktap.h"
#include "simd_internal.h"
#include "test_emul_cpu.h"
#include "test_emul_env.h"
#include "xorshift.h"

#define SHOWN	40

static u64 rng_state;

static u64 rng(void)
{
	rng_state = xorshift(rng_state);
	return rng_state;
}

static u64 below(u64 n)
{
	return rng() % n;
}

/* One kind of code. */
static const struct mode {
	unsigned int bits;
	u16 cs, ss;
	const char *name;
} code_modes[] = {
	{ 64, 0x33, 0x2b, "64-bit" },
	{ 32, 0x23, 0x2b, "32-bit flat" },
	{ 32, LDT_SEL(LDT_CODE32), LDT_SEL(LDT_DATA32), "32-bit segmented" },
	{ 16, LDT_SEL(LDT_CODE16), LDT_SEL(LDT_DATA32), "16-bit" },
	{ 16, LDT_SEL(LDT_CODE16), LDT_SEL(LDT_DATA16), "16-bit stack" },
};

static struct env machine;
static u8 *code_mem, *data_mem;
static const u64 *cpu_ldt_entry;

struct tally {
	unsigned long run, faults, skipped, unhandled, wrong;
};

/* Handlers whose instructions are not for this test, with the reason. */
static bool not_here(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;

	/* not executed by the emulator, or state that is not compared */
	if ((!f && !emul_simd_handler(in)) || f == emul_op_x87 || f == emul_op_fwait || f == emul_op_emms ||
	    f == emul_op_mmx_mov || in->dst.type == EMUL_OT_MMX ||
	    in->src.type == EMUL_OT_MMX || (!f && emul_mmx_handler(in)))
		return true;
	/* enter the kernel on purpose */
	if (f == emul_op_syscall || f == emul_op_sysenter || f == emul_op_int ||
	    f == emul_op_int3 || f == emul_op_int1 || f == emul_op_into ||
	    f == emul_op_vmmcall || f == emul_op_vmcall)
		return true;
	/* the answer depends on the machine, or the kernel gives it */
	if (f == emul_op_cpuid || f == emul_op_rdtsc || f == emul_op_rdtscp ||
	    f == emul_op_rdpid || f == emul_op_random || f == emul_op_rdpmc || f == emul_op_xgetbv ||
	    f == emul_op_sgdt || f == emul_op_sidt || f == emul_op_sldt ||
	    f == emul_op_str || f == emul_op_smsw || f == emul_op_rdfsbase ||
	    f == emul_op_rdgsbase || f == emul_op_fxsave ||
	    f == emul_op_fxrstor || f == emul_op_ldmxcsr ||
	    f == emul_op_stmxcsr || f == emul_op_xsave || f == emul_op_xsaveopt ||
	    f == emul_op_xsavec || f == emul_op_xrstor || f == emul_op_monitor)
		return true;
	/* would pull the rug from under this process */
	if (f == emul_op_wrfsbase || f == emul_op_wrgsbase ||
	    f == emul_op_lfar_fs || f == emul_op_lfar_ss ||
	    f == emul_op_pop_sreg || f == emul_op_mov_to_sreg)
		return in->op->op[0] == 0 || in->dst.type != EMUL_OT_SREG ||
		       in->dst.reg == UMBRA_FS || in->dst.reg == UMBRA_SS;
	/* IRET may clear TF, and then nothing brings us back */
	return f == emul_op_iret;
}

/* #UD for us means not offered; the processor may offer it. */
static bool real_ud(const struct emul_insn *in)
{
	return in->map == 2 && (in->opcode == 0x0b || in->opcode == 0xb9 ||
				in->opcode == 0xff);
}

/* Reserved: this processor takes the prefix for a condition. */
static bool rep_loop(const struct emul_insn *in)
{
	return in->rep && (in->op->exec == emul_op_loope ||
			   in->op->exec == emul_op_loopne);
}

static bool looks_up(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;

	return f == emul_op_lar || f == emul_op_lsl || f == emul_op_verr ||
	       f == emul_op_verw;
}

static bool is_sp(const struct emul_operand *o)
{
	return o->type == EMUL_OT_GPR && o->reg == UMBRA_RSP;
}

/*
 * Going to a 16-bit stack leaves the upper half of ESP what it happens to be
 * (SDM Vol. 3A 6.14, IRET); then nothing may look at it.
 */
static bool sees_esp(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;

	return in->mem.base == UMBRA_RSP || is_sp(&in->dst) ||
	       is_sp(&in->src) || is_sp(&in->src2) ||
	       f == emul_op_pusha || f == emul_op_enter ||
	       f == emul_op_callf || f == emul_op_callf_mem;
}

static bool usable(const struct mode *m, const struct emul_insn *in)
{
	if (m->ss == LDT_SEL(LDT_DATA16) && sees_esp(in))
		return false;
	if (rep_loop(in) || (looks_up(in) && in->mod != 3))
		return false;
	if (in->seg == UMBRA_FS || not_here(in))
		return false;
	if (in->op->exec == emul_op_ud && !real_ud(in))
		return false;
	return in->enc != EMUL_ENC_EVEX && in->enc != EMUL_ENC_XOP;
}

static u64 interesting(void)
{
	static const u64 some[] = {
		0, 1, 2, 7, 8, 0x0f, 0x10, 0x7f, 0x80, 0xff, 0x100, 0x7fff,
		0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 0x7fffffffffff, 0x800000000000, ~0ull, ~0ull << 63,
		~0ull >> 1,
	};

	return some[below(ARRAY_SIZE(some))];
}

static u64 data_offset(void)
{
	switch (below(8)) {
	case 0:
		return DATA_RO - below(64);
	case 1:
		return DATA_SIZE - below(64);
	case 2:
		return below(16) * 0x1000 - below(16) + 16;
	case 3:
		return 0x8000 - below(32);
	default:
		return below(DATA_SIZE / 16) * 16;
	}
}

/* A value for a register: small, odd, huge, or a pointer into the data. */
static u64 some_value(const struct mode *m)
{
	u64 base = m->ss == 0x2b ? DATA_BASE : 0;

	switch (below(8)) {
	case 0:
		return interesting();
	case 1:
		return rng() & 0x3f;
	case 2:
	case 3:
		return rng() >> below(64);
	default:
		return base + data_offset();
	}
}

static u16 some_selector(void)
{
	return below(8) ? LDT_SEL(below(LDT_ENTRIES)) - below(4) : below(8);
}

static u16 some_data_sel(const struct mode *m)
{
	static const u16 segmented[] = {
		LDT_SEL(LDT_DATA16), LDT_SEL(LDT_DATA32), LDT_SEL(LDT_DATA32),
		LDT_SEL(LDT_DATA_RO), LDT_SEL(LDT_DATA_SHORT),
		LDT_SEL(LDT_DATA_DOWN), LDT_SEL(LDT_CODE32), 0,
	};

	if (m->ss == 0x2b)
		return 0x2b;
	return segmented[below(ARRAY_SIZE(segmented))];
}

static void make_state(const struct mode *m, struct cpu_state *s)
{
	u64 status = EMUL_FLAGS_STATUS | X86_EFLAGS_DF;
	unsigned int i, n = m->bits == 64 ? 16 : 8;

	memset(s, 0, sizeof(*s));
	for (i = 0; i < n; i++) {
		s->gpr[i] = some_value(m);
		if (m->bits != 64)
			s->gpr[i] = (u32)s->gpr[i];
	}
	if (below(4))
		s->gpr[UMBRA_RCX] &= 0xff0f;
	s->gpr[UMBRA_RSP] = (m->ss == 0x2b ? DATA_BASE : 0) + data_offset();
	if (below(8))
		s->gpr[UMBRA_RSP] &= ~7ull;
	s->rip = m->cs == 0x33 || m->cs == 0x23 ? CODE_BASE + CODE_IP : CODE_IP;
	s->rflags = X86_EFLAGS_FIXED | X86_EFLAGS_IF | (rng() & status) |
		    cpu_sticky_flags();
	if (!below(8))
		s->rflags |= X86_EFLAGS_AC;
	if (below(4))
		s->rflags &= ~(u64)X86_EFLAGS_DF;
	s->sreg[UMBRA_CS] = m->cs;
	s->sreg[UMBRA_SS] = m->ss;
	s->sreg[UMBRA_DS] = some_data_sel(m);
	s->sreg[UMBRA_ES] = some_data_sel(m);
	s->sreg[UMBRA_GS] = m->bits == 64 ? LDT_SEL(LDT_DATA32) :
					    some_data_sel(m);
	for (i = 0; i < 16; i++) {
		u64 v = rng();

		memcpy(&s->vec[i][8 * below(4)], &v, 8);
	}
}

/* Far pointers and far return frames that have a chance to be good. */
static void season_memory(const struct cpu_state *s, const struct mode *m)
{
	u64 off = s->gpr[UMBRA_RSP] - (m->ss == 0x2b ? DATA_BASE : 0);
	unsigned int n = 2 << below(3);
	u16 sel = below(2) ? some_selector() : below(2) ? m->cs : 0x33;
	u64 ip = below(2) ? CODE_IP : CODE_BASE + CODE_IP;

	if (off > DATA_RO - 64)
		return;
	memcpy((void *)(DATA_BASE + off), &ip, n);
	memcpy((void *)(DATA_BASE + off + n), &sel, 2);
	memcpy(data_mem + off, (void *)(DATA_BASE + off), 64);
}

/* The descriptor that the kernel has for @sel, as far as we know. */
static void seg_of(u16 sel, struct umbra_seg *seg)
{
	struct emul_desc d = { 0 };

	if (sel == 0x33)
		d.lo = 0x00affb000000ffffull;
	else if (sel == 0x23)
		d.lo = 0x00cffb000000ffffull;
	else if (sel == 0x2b)
		d.lo = 0x00cff3000000ffffull;
	else if (sel & 4)
		d.lo = cpu_ldt_entry[sel >> 3];
	emul_desc_to_seg(&d, sel, seg);
}

static void load_env(const struct cpu_state *s)
{
	struct umbra_regs *r = &machine.regs;
	unsigned int i;

	env_flat64(&machine, 3);
	for (i = 0; i < 6; i++)
		seg_of(s->sreg[i], &r->seg[i]);
	memcpy(r->gpr, s->gpr, sizeof(r->gpr));
	r->rip = s->rip;
	r->rflags = s->rflags | X86_EFLAGS_TF;
	r->int_shadow = 0;
	r->gdtr.base = 0xffffc90000000000ull;
	r->gdtr.limit = 127;
	r->seg[UMBRA_LDTR] = (struct umbra_seg){
		.sel = 0x50, .attr = UMBRA_SEG_P | 2,
		.limit = 0xffff, .base = 0xffffc90000001000ull,
	};
	r->seg[UMBRA_TR] = (struct umbra_seg){
		.sel = 0x40, .attr = UMBRA_SEG_P | 11, .limit = 0x67,
		.base = 0xffffc90000011000ull,
	};
	for (i = 0; i < 16; i++) {
		memset(machine.vec[i], 0, 64);
		memcpy(machine.vec[i], s->vec[i], 32);
	}
}

static void make_machine(void)
{
	u64 *tab;

	env_init(&machine);
	/* floating-point exceptions are masked, as in this process */
	memcpy(machine.fx + 24, &(u32){ 0x1f80 }, 4);
	data_mem = env_map(&machine, DATA_BASE, DATA_RO);
	machine.region[0].size = DATA_RO;
	free(data_mem);
	data_mem = calloc(1, DATA_SIZE);
	machine.region[0].mem = data_mem;
	machine.region[1] = (struct env_region){
		.base = DATA_BASE + DATA_RO, .size = DATA_SIZE - DATA_RO,
		.mem = data_mem + DATA_RO, .ro = true,
	};
	machine.regions = 2;
	code_mem = env_map(&machine, CODE_BASE, CODE_SIZE);
	tab = (u64 *)env_map(&machine, 0xffffc90000000000ull, 0x12000);
	tab[0x08 / 8] = 0x00cf9b000000ffffull;
	tab[0x10 / 8] = 0x00af9b000000ffffull;
	tab[0x18 / 8] = 0x00cf93000000ffffull;
	tab[0x20 / 8] = 0x00cffb000000ffffull;
	tab[0x28 / 8] = 0x00cff3000000ffffull;
	tab[0x30 / 8] = 0x00affb000000ffffull;
	tab[0x78 / 8] = 0x0040f5000000ffffull;
	memcpy(tab + 0x200, cpu_ldt_entry, 0x10000);
	machine.region[3].super = true;
	/* an I/O map beyond the limit: no port is allowed */
	((u8 *)tab)[0x11000 + 102] = 0xff;
	((u8 *)tab)[0x11000 + 103] = 0xff;
}

/*
 * On AMD's processors the emulator follows what those do with undefined flags;
 * on others, what the manuals leave undefined is not compared.
 */
static bool on_amd;

static bool cpu_is_amd(void)
{
	u32 a = 0, b, c = 0, d;

	__asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return c == 0x444d4163;
}

static u64 undefined_elsewhere(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;
	u64 zf = X86_EFLAGS_ZF, cf = X86_EFLAGS_CF, of = X86_EFLAGS_OF;

	if (f == emul_op_bsf || f == emul_op_bsr)
		return EMUL_FLAGS_STATUS & ~zf;
	if (f == emul_op_tzcnt || f == emul_op_lzcnt)
		return EMUL_FLAGS_STATUS & ~(zf | cf);
	if (f == emul_op_shl || f == emul_op_shr || f == emul_op_sar ||
	    f == emul_op_shld || f == emul_op_shrd)
		return X86_EFLAGS_AF | of | (in->dst.size < 4 ? cf : 0);
	if (f == emul_op_rol || f == emul_op_ror || f == emul_op_rcl ||
	    f == emul_op_rcr)
		return of;
	if (f == emul_op_mul || f == emul_op_imul1 || f == emul_op_imul ||
	    f == emul_op_imul2)
		return EMUL_FLAGS_STATUS & ~(cf | of);
	if (f == emul_op_bt || f == emul_op_bts || f == emul_op_btr ||
	    f == emul_op_btc)
		return EMUL_FLAGS_STATUS & ~(zf | cf);
	return X86_EFLAGS_AF;
}

/* Flags that the manuals leave undefined, by instruction. */
static u64 undefined_flags(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;

	if (f == emul_op_div || f == emul_op_idiv)
		return EMUL_FLAGS_STATUS;
	if (!on_amd)
		return undefined_elsewhere(in);
	if ((f == emul_op_shld || f == emul_op_shrd) && in->opsize == 2)
		return X86_EFLAGS_CF | X86_EFLAGS_OF;
	if (f == emul_op_aaa || f == emul_op_aas)
		return EMUL_FLAGS_STATUS & ~(X86_EFLAGS_AF | X86_EFLAGS_CF);
	if (f == emul_op_daa || f == emul_op_das)
		return X86_EFLAGS_OF;
	if (f == emul_op_bextr)
		return X86_EFLAGS_AF | X86_EFLAGS_SF | X86_EFLAGS_PF;
	return 0;
}

static void print_state(const char *what, const struct cpu_state *s)
{
	unsigned int i;

	printf("#   %s rip %llx flags %llx sel", what, s->rip, s->rflags);
	for (i = 0; i < 6; i++)
		printf(" %x", s->sreg[i]);
	printf("\n#    ");
	for (i = 0; i < 16; i++)
		printf(" %llx", s->gpr[i]);
	printf("\n");
}

static void show(const struct mode *m, const u8 *insn, unsigned int len,
		 const char *why, const struct cpu_state *s,
		 const struct cpu_outcome *native,
		 const struct cpu_outcome *ours)
{
	unsigned int i;

	printf("# %s: %s:", m->name, why);
	for (i = 0; i < len; i++)
		printf(" %02x", insn[i]);
	printf("\n#   native vector %u error %x cr2 %llx; emulator vector %u error %x cr2 %llx\n",
	       native->vector, native->error, native->cr2, ours->vector,
	       ours->error, ours->cr2);
	print_state("start ", s);
	print_state("native", &native->after);
	print_state("ours  ", &ours->after);
}

static bool has_error(unsigned int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

static bool both_fault(const struct cpu_outcome *a, const struct cpu_outcome *b)
{
	return a->vector >= 11 && b->vector >= 11;
}

/*
 * Which of several accesses comes first, and so faults, is the processor's
 * choice; POPA also keeps what it has already popped.
 */
static bool several_accesses(const struct emul_insn *in)
{
	emul_handler *f = in->op->exec;

	return f == emul_op_retf || f == emul_op_pusha || f == emul_op_popa ||
	       f == emul_op_cmps || f == emul_op_enter ||
	       f == emul_op_callf || f == emul_op_callf_mem;
}

/*
 * Whether an unaligned move of 32 bytes checks alignment at all is the
 * processor's choice (SDM Vol. 2, table of class 4 exceptions); ours here does
 * for some addresses only.
 */
static bool may_check_alignment(const struct emul_insn *in)
{
	return in->op->exec == emul_op_vmov && in->vl;
}

/* Does the outcome differ?  Return what, or NULL. */
static const char *difference(const struct emul_insn *in,
			      struct cpu_outcome *a,
			      struct cpu_outcome *b)
{
	u64 flags = EMUL_FLAGS_STATUS | X86_EFLAGS_DF | X86_EFLAGS_AC |
		    X86_EFLAGS_ID | X86_EFLAGS_NT | X86_EFLAGS_IF;
	/* the kernel does not tell user mode which of its pages are there */
	u32 hidden = a->vector == 14 && a->cr2 >= 0x7ffffffff000ull ? 1 : 0;

	if (both_fault(a, b) && several_accesses(in)) {
		memcpy(data_mem, (void *)DATA_BASE, DATA_SIZE);
		return NULL;
	}
	if (a->vector == 17 && b->vector != 17 && may_check_alignment(in)) {
		memcpy(data_mem, (void *)DATA_BASE, DATA_SIZE);
		return NULL;
	}
	if (a->vector != b->vector)
		return "vector";
	if (has_error(a->vector) && (a->error ^ b->error) & ~hidden)
		return "error code";
	if (a->vector == 14 && a->cr2 != b->cr2)
		return "CR2";
	if (a->after.sreg[UMBRA_SS] == LDT_SEL(LDT_DATA16)) {
		a->after.gpr[UMBRA_RSP] &= 0xffff;
		b->after.gpr[UMBRA_RSP] &= 0xffff;
	}
	if (memcmp(a->after.gpr, b->after.gpr, sizeof(a->after.gpr)))
		return "registers";
	if (a->after.rip != b->after.rip)
		return "RIP";
	if (memcmp(a->after.sreg, b->after.sreg, sizeof(a->after.sreg)))
		return "selectors";
	if ((a->after.rflags ^ b->after.rflags) & flags & ~undefined_flags(in))
		return "flags";
	if (memcmp(a->after.vec, b->after.vec, sizeof(a->after.vec)))
		return "vector registers";
	if (memcmp((void *)DATA_BASE, data_mem, DATA_SIZE))
		return "memory";
	return NULL;
}

/* The way through the kernel takes the RPL from a null selector. */
static u16 plain_null(u16 sel)
{
	return sel & ~3 ? sel : 0;
}

static int emulate(const struct cpu_state *s, struct cpu_outcome *o)
{
	unsigned int i;
	int ret;

	load_env(s);
	machine.e.features &= ~(UMBRA_EMUL_F_SERIALIZE | UMBRA_EMUL_F_MOVDIR);
	if (!on_amd)
		machine.e.features &= ~UMBRA_EMUL_F_AMD;
	ret = umbra_emulate(&machine.e);
	o->vector = 255;
	if (ret == UMBRA_EMUL_FAULT) {
		o->vector = machine.e.fault.vector;
		o->error = machine.e.fault.has_error ?
			   machine.e.fault.error_code : 0;
		o->cr2 = machine.e.fault.addr;
	}
	memcpy(o->after.gpr, machine.regs.gpr, sizeof(o->after.gpr));
	o->after.rip = machine.regs.rip;
	o->after.rflags = machine.regs.rflags;
	for (i = 0; i < 6; i++)
		o->after.sreg[i] = plain_null(machine.regs.seg[i].sel);
	for (i = 0; i < 16; i++)
		memcpy(o->after.vec[i], machine.vec[i], 32);
	return ret;
}

/* Displacements near, immediates and far pointers as they come. */
static void tame(const struct emul_insn *in, const struct mode *m, u8 *insn)
{
	u64 disp = below(4) ? below(64) - 32 : rng();
	u64 ptr;

	if (in->disp_len > 1 || (in->disp_len && below(2))) {
		if (in->mem.base == EMUL_NO_REG && below(8))
			disp = (m->ss == 0x2b ? DATA_BASE : 0) + data_offset();
		if (in->mem.base == EMUL_RIP_REG && below(8))
			disp = DATA_BASE + data_offset() - CODE_BASE - CODE_IP;
		memcpy(insn + in->disp_off, &disp, in->disp_len);
	}
	if (in->src2.type == EMUL_OT_IMM && in->op->exec == emul_op_jmpf) {
		ptr = CODE_IP + below(16);
		memcpy(insn + in->imm_off, &ptr, in->opsize);
		insn[in->len - 2] = some_selector();
		insn[in->len - 1] = 0;
	}
}

static unsigned int make_insn(const struct mode *m, u8 *insn,
			      struct emul_insn *in)
{
	static const u8 pfx[] = { 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x2e, 0x36,
				  0x3e, 0x26, 0x65, 0x48, 0x41, 0x4d };
	unsigned int n, at;
	u64 r[2];

	for (;;) {
		r[0] = rng();
		r[1] = rng();
		memcpy(insn, r, UMBRA_INSN_MAX);
		at = 0;
		for (n = below(3); n; n--)
			insn[at++] = pfx[below(ARRAY_SIZE(pfx))];
		switch (below(8)) {
		case 0:
		case 1:
			insn[at++] = 0x0f;
			break;
		case 2:
			if (!below(4)) {
				insn[0] = 0xc4;
				insn[1] = (insn[1] & 0xe0) | (1 + below(3));
				insn[2] &= 0xfb;
				insn[3] = below(2) ? 0xf0 + below(8) : insn[3];
			}
			break;
		}
		if (emul_decode(in, insn, UMBRA_INSN_MAX, m->bits,
				on_amd ? EMUL_DECODE_AMD : 0))
			continue;
		if (!usable(m, in))
			continue;
		tame(in, m, insn);
		return in->len;
	}
}

/* One sample of each kind of failure of each instruction is enough. */
static bool news(emul_handler *exec, const char *why)
{
	static struct {
		emul_handler *exec;
		const char *why;
	} seen[SHOWN];
	static unsigned int n;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (seen[i].exec == exec && seen[i].why == why)
			return false;
	if (n == SHOWN)
		return false;
	seen[n].exec = exec;
	seen[n++].why = why;
	return true;
}

static void one(const struct mode *m, struct tally *t)
{
	struct cpu_outcome native, ours;
	u8 insn[UMBRA_INSN_MAX + 1];
	struct cpu_state s;
	struct emul_insn in;
	const char *why;
	unsigned int len;
	int ret;

	len = make_insn(m, insn, &in);
	make_state(m, &s);
	/* some of the GDT's descriptors are not known to us */
	if (looks_up(&in))
		s.gpr[in.rm] = some_selector();
	season_memory(&s, m);
	memcpy(code_mem + CODE_IP, insn, UMBRA_INSN_MAX);
	memcpy((void *)(CODE_BASE + CODE_IP), insn, UMBRA_INSN_MAX);
	memset(&native, 0, sizeof(native));
	memset(&ours, 0, sizeof(ours));

	ret = emulate(&s, &ours);
	if (ret == UMBRA_EMUL_UNHANDLED) {
		t->unhandled++;
		return;
	}
	/* the processor would find this process's own memory there */
	if (ours.vector == 14 && cpu_mapped(ours.cr2)) {
		t->skipped++;
		memcpy(data_mem, (void *)DATA_BASE, DATA_SIZE);
		return;
	}
	native.after = s;
	cpu_run(&s, &native);
	t->run++;
	t->faults += native.vector != 1;
	why = difference(&in, &native, &ours);
	if (!why)
		return;
	t->wrong++;
	if (news(in.op->exec, why))
		show(m, insn, len, why, &s, &native, &ours);
	memcpy(data_mem, (void *)DATA_BASE, DATA_SIZE);
}

static void run_mode(const struct mode *m, unsigned long n)
{
	struct tally t = { 0 };

	while (n--)
		one(m, &t);
	ktap_ok(!t.wrong, "%s: %lu run, %lu faults, %lu skipped, %lu unhandled, %lu wrong",
		m->name, t.run, t.faults, t.skipped, t.unhandled, t.wrong);
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 0) : 50000;
	unsigned int only = argc > 3 ? strtoul(argv[3], NULL, 0) : 99;
	unsigned int i;

	rng_state = argc > 2 ? strtoull(argv[2], NULL, 0) : 0x9e3779b97f4a7c15ull;
	if (cpu_setup())
		cpu_ldt_entry = cpu_ldt();
	if (!cpu_ldt_entry)
		ktap_skip_all("no single-stepping or no LDT on this kernel");
	on_amd = cpu_is_amd();
	make_machine();
	for (i = 0; i < DATA_SIZE; i += 8)
		*(u64 *)(DATA_BASE + i) = rng();
	memcpy(data_mem, (void *)DATA_BASE, DATA_SIZE);
	cpu_seal();
	ktap_plan(ARRAY_SIZE(code_modes));
	for (i = 0; i < ARRAY_SIZE(code_modes); i++)
		if (only == 99 || i == only)
			run_mode(&code_modes[i], n);
		else
			ktap_ok(true, "%s: not asked for", code_modes[i].name);
	ktap_exit();
}
