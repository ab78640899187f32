// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: opcode tables, one-byte and 0F maps
 *
 * Facts of SDM Vol. 2D appendix A and APM Vol. 3 appendix A, one row an opcode.
 * How a row is written: rows_internal.h.
 */
#include "rows_internal.h"

/* The six forms of the classic two-operand arithmetic instructions. */
#define ALU(base, fn, fl, lk)						\
	[(base) + 0] = X(fn, M | (fl) | (lk), Eb, Gb),			\
	[(base) + 1] = X(fn, M | (fl) | (lk), Ev, Gv),			\
	[(base) + 2] = X(fn, M | (fl), Gb, Eb),				\
	[(base) + 3] = X(fn, M | (fl), Gv, Ev),				\
	[(base) + 4] = X(fn, fl, rAL, Ib),				\
	[(base) + 5] = X(fn, fl, rAX, Iz)

#define GRP1(fl, d, s) {						\
	X(add, M | RMW | LK | (fl), d, s),				\
	X(or, M | RMW | LK | (fl), d, s),				\
	X(adc, M | RMW | LK | (fl), d, s),				\
	X(sbb, M | RMW | LK | (fl), d, s),				\
	X(and, M | RMW | LK | (fl), d, s),				\
	X(sub, M | RMW | LK | (fl), d, s),				\
	X(xor, M | RMW | LK | (fl), d, s),				\
	X(cmp, M | LD | (fl), d, s),					\
}

#define GRP2(d, s) {							\
	X(rol, M | RMW, d, s), X(ror, M | RMW, d, s),			\
	X(rcl, M | RMW, d, s), X(rcr, M | RMW, d, s),			\
	X(shl, M | RMW, d, s), X(shr, M | RMW, d, s),			\
	X(shl, M | RMW, d, s), X(sar, M | RMW, d, s),			\
}

#define GRP3(d, s) {							\
	X(test, M | LD, d, s), X(test, M | LD, d, s),			\
	X(not, M | RMW | LK, d), X(neg, M | RMW | LK, d),		\
	X(mul, M | LD, d), X(imul1, M | LD, d),				\
	X(div, M | LD, d), X(idiv, M | LD, d),				\
}

static const struct emul_opcode grp1_80[8] = GRP1(0, Eb, Ib);
static const struct emul_opcode grp1_81[8] = GRP1(0, Ev, Iz);
static const struct emul_opcode grp1_82[8] = GRP1(NO64, Eb, Ib);
static const struct emul_opcode grp1_83[8] = GRP1(0, Ev, Isb);
static const struct emul_opcode grp2_c0[8] = GRP2(Eb, Ib);
static const struct emul_opcode grp2_c1[8] = GRP2(Ev, Ib);
static const struct emul_opcode grp2_d0[8] = GRP2(Eb, one);
static const struct emul_opcode grp2_d1[8] = GRP2(Ev, one);
static const struct emul_opcode grp2_d2[8] = GRP2(Eb, rCL);
static const struct emul_opcode grp2_d3[8] = GRP2(Ev, rCL);
static const struct emul_opcode grp3_f6[8] = GRP3(Eb, Ib);
static const struct emul_opcode grp3_f7[8] = GRP3(Ev, Iz);

static const struct emul_opcode grp1a[8] = {
	X(pop_mem, M | D64, Ev),
};

static const struct emul_opcode grp4[8] = {
	X(inc, M | RMW | LK, Eb), X(dec, M | RMW | LK, Eb),
};

static const struct emul_opcode grp5[8] = {
	X(inc, M | RMW | LK, Ev),
	X(dec, M | RMW | LK, Ev),
	X(call_ind, M | LD | F64, Ev),
	X(callf_mem, MEM, Mp),
	X(jmp_ind, M | LD | F64, Ev),
	X(jmpf_mem, MEM, Mp),
	X(push, M | LD | D64, Ev),
};

/* XABORT and XBEGIN: no transactional memory is ever offered. */
static const struct emul_opcode c6_7_rm[8] = { X(ud, REG, Ib) };
static const struct emul_opcode c7_7_rm[8] = { X(ud, REG, Jz) };
static const struct emul_opcode c6_7_mod[2] = { [1] = T(RM, c6_7_rm) };
static const struct emul_opcode c7_7_mod[2] = { [1] = T(RM, c7_7_rm) };

static const struct emul_opcode grp11_c6[8] = {
	X(mov, M | ST, Eb, Ib), [7] = T(MOD, c6_7_mod),
};

static const struct emul_opcode grp11_c7[8] = {
	X(mov, M | ST, Ev, Iz), [7] = T(MOD, c7_7_mod),
};

static const struct emul_opcode op_63[2] = {
	X(arpl, M | LD | PROT, Ew, Gw), X(movsx, M | ST, Gv, Ed),
};

const struct emul_opcode emul_map_1[256] = {
	ALU(0x00, add, RMW, LK),
	[0x06] = X(push, LD | NO64, SR(ES)),
	[0x07] = X(pop_sreg, NO64, SR(ES)),
	ALU(0x08, or, RMW, LK),
	[0x0e] = X(push, LD | NO64, SR(CS)),
	ALU(0x10, adc, RMW, LK),
	[0x16] = X(push, LD | NO64, SR(SS)),
	[0x17] = X(pop_sreg, NO64, SR(SS)),
	ALU(0x18, sbb, RMW, LK),
	[0x1e] = X(push, LD | NO64, SR(DS)),
	[0x1f] = X(pop_sreg, NO64, SR(DS)),
	ALU(0x20, and, RMW, LK),
	[0x27] = X(daa, NO64),
	ALU(0x28, sub, RMW, LK),
	[0x2f] = X(das, NO64),
	ALU(0x30, xor, RMW, LK),
	[0x37] = X(aaa, NO64),
	ALU(0x38, cmp, LD, 0),
	[0x3f] = X(aas, NO64),
	[0x40 ... 0x47] = X(inc, RMW | NO64, Zv),
	[0x48 ... 0x4f] = X(dec, RMW | NO64, Zv),
	[0x50 ... 0x57] = X(push, LD | D64, Zv),
	[0x58 ... 0x5f] = X(pop, ST | D64, Zv),
	[0x60] = X(pusha, NO64),
	[0x61] = X(popa, NO64),
	[0x62] = X(bound, MEM | NO64, Gv, Mm),
	[0x63] = T(MODE, op_63),
	[0x68] = X(push, LD | D64, Iz),
	[0x69] = X(imul2, M | ST, Gv, Ev, Iz),
	[0x6a] = X(push, LD | D64, Isb),
	[0x6b] = X(imul2, M | ST, Gv, Ev, Isb),
	[0x6c] = X(ins, 0, rAL),
	[0x6d] = X(ins, 0, rAXz),
	[0x6e] = X(outs, 0, rAL),
	[0x6f] = X(outs, 0, rAXz),
	[0x70 ... 0x7f] = X(jcc, F64, Jb),
	[0x80] = T(REG, grp1_80),
	[0x81] = T(REG, grp1_81),
	[0x82] = T(REG, grp1_82),
	[0x83] = T(REG, grp1_83),
	[0x84] = X(test, M | LD, Eb, Gb),
	[0x85] = X(test, M | LD, Ev, Gv),
	[0x86] = X(xchg, M | RMW | LK | OPF_XLOCK | OPF_SRC2, Eb, Gb),
	[0x87] = X(xchg, M | RMW | LK | OPF_XLOCK | OPF_SRC2, Ev, Gv),
	[0x88] = X(mov, M | ST, Eb, Gb),
	[0x89] = X(mov, M | ST, Ev, Gv),
	[0x8a] = X(mov, M | ST, Gb, Eb),
	[0x8b] = X(mov, M | ST, Gv, Ev),
	[0x8c] = X(mov, M | ST, Emw, Sw),
	[0x8d] = X(lea, MEM | ST, Gv, Mm),
	[0x8e] = X(mov_to_sreg, M, Sw, Ew),
	[0x8f] = T(REG, grp1a),
	[0x90] = X(nop90, 0),
	[0x91 ... 0x97] = X(xchg, RMW | OPF_SRC2, Zv, rAX),
	[0x98] = X(cbw, 0, rAX),
	[0x99] = X(cwd, 0, rAX),
	[0x9a] = X(callf, NO64, Ap),
	[0x9b] = X(fwait, 0),
	[0x9c] = X(pushf, D64),
	[0x9d] = X(popf, D64),
	[0x9e] = X(sahf, 0),
	[0x9f] = X(lahf, 0),
	[0xa0] = X(mov, ST, rAL, Ob),
	[0xa1] = X(mov, ST, rAX, Ov),
	[0xa2] = X(mov, ST, Ob, rAL),
	[0xa3] = X(mov, ST, Ov, rAX),
	[0xa4] = X(movs, 0, rAL),
	[0xa5] = X(movs, 0, rAX),
	[0xa6] = X(cmps, 0, rAL),
	[0xa7] = X(cmps, 0, rAX),
	[0xa8] = X(test, LD, rAL, Ib),
	[0xa9] = X(test, LD, rAX, Iz),
	[0xaa] = X(stos, LD, rAL),
	[0xab] = X(stos, LD, rAX),
	[0xac] = X(lods, 0, rAL),
	[0xad] = X(lods, 0, rAX),
	[0xae] = X(scas, LD, rAL),
	[0xaf] = X(scas, LD, rAX),
	[0xb0 ... 0xb7] = X(mov, ST, Zb, Ib),
	[0xb8 ... 0xbf] = X(mov, ST, Zv, Iv),
	[0xc0] = T(REG, grp2_c0),
	[0xc1] = T(REG, grp2_c1),
	[0xc2] = X(ret, F64, Iw),
	[0xc3] = X(ret, F64),
	[0xc4] = X(lfar_es, MEM | NO64, Gv, Mp),
	[0xc5] = X(lfar_ds, MEM | NO64, Gv, Mp),
	[0xc6] = T(REG, grp11_c6),
	[0xc7] = T(REG, grp11_c7),
	[0xc8] = X(enter, D64, Iw, Ib),
	[0xc9] = X(leave, D64),
	[0xca] = X(retf, 0, Iw),
	[0xcb] = X(retf, 0),
	[0xcc] = X(int3, 0),
	[0xcd] = X(int, 0, Ib),
	[0xce] = X(into, NO64),
	[0xcf] = X(iret, 0),
	[0xd0] = T(REG, grp2_d0),
	[0xd1] = T(REG, grp2_d1),
	[0xd2] = T(REG, grp2_d2),
	[0xd3] = T(REG, grp2_d3),
	[0xd4] = X(aam, NO64, Ib),
	[0xd5] = X(aad, NO64, Ib),
	[0xd6] = X(salc, NO64),
	[0xd7] = X(xlat, 0),
	[0xd8 ... 0xdf] = X(x87, M | OPF_CHECK, Mm),
	[0xe0] = X(loopne, F64, Jb),
	[0xe1] = X(loope, F64, Jb),
	[0xe2] = X(loop, F64, Jb),
	[0xe3] = X(jcxz, F64, Jb),
	[0xe4] = X(in, 0, rAL, Ib),
	[0xe5] = X(in, 0, rAXz, Ib),
	[0xe6] = X(out, LD, rAL, Ib),
	[0xe7] = X(out, LD, rAXz, Ib),
	[0xe8] = X(call, F64, Jz),
	[0xe9] = X(jmp, F64, Jz),
	[0xea] = X(jmpf, NO64, Ap),
	[0xeb] = X(jmp, F64, Jb),
	[0xec] = X(in, 0, rAL, rDX),
	[0xed] = X(in, 0, rAXz, rDX),
	[0xee] = X(out, LD, rAL, rDX),
	[0xef] = X(out, LD, rAXz, rDX),
	[0xf1] = X(int1, 0),
	[0xf4] = X(hlt, PRIV),
	[0xf5] = X(cmc, 0),
	[0xf6] = T(REG, grp3_f6),
	[0xf7] = T(REG, grp3_f7),
	[0xf8] = X(clc, 0),
	[0xf9] = X(stc, 0),
	[0xfa] = X(cli, 0),
	[0xfb] = X(sti, 0),
	[0xfc] = X(cld, 0),
	[0xfd] = X(std, 0),
	[0xfe] = T(REG, grp4),
	[0xff] = T(REG, grp5),
};

static const struct emul_opcode grp6[8] = {
	X(sldt, M | ST | PROT, Emw),
	X(str, M | ST | PROT, Emw),
	X(lldt, M | LD | PROT | PRIV, Ew),
	X(ltr, M | LD | PROT | PRIV, Ew),
	X(verr, M | LD | PROT, Ew),
	X(verw, M | LD | PROT, Ew),
};

/* 0F 01 with a register ModRM: a map of its own. */
static const struct emul_opcode grp7_0_rm[8] = {
	X(ud, REG | PN), X(vmcall, REG | PN), X(ud, REG | PN),
	X(ud, REG | PN), X(ud, REG | PN), X(ud, REG | PN),
};

static const struct emul_opcode op_0f01cf[4] = {
	X(ud, REG), X(ud, REG | O64),
};

static const struct emul_opcode grp7_1_rm[8] = {
	X(monitor, REG | PN | PRIV), X(monitor, REG | PN | PRIV),
	XF(clac, SMAP, REG | PN), XF(stac, SMAP, REG | PN),
	X(ud, REG | P6), X(ud, REG | P6 | O64), X(ud, REG | P6 | O64),
	T(PP, op_0f01cf),
};

static const struct emul_opcode grp7_2_rm[8] = {
	X(xgetbv, REG | PN), X(xsetbv, REG | PN),
	[4] = X(ud, REG | PN), [5] = X(ud, REG | PN),
	[6] = X(ud, REG | PN), [7] = X(ud, REG | PN),
};

static const struct emul_opcode grp7_3_rm[8] = {
	X(ud, REG), X(vmmcall, REG), X(ud, REG), X(ud, REG),
	X(ud, REG), X(ud, REG), X(ud, REG), X(ud, REG),
};

static const struct emul_opcode op_0f01e8[4] = {
	XF(serialize, SERIALIZE, REG), [2] = X(ud, REG), [3] = X(ud, REG),
};

static const struct emul_opcode op_0f01ee[4] = {
	X(ud, REG), [2] = X(ud, REG | O64),
};

static const struct emul_opcode op_0f01fe[4] = {
	X(ud, REG), [2] = X(ud, REG | O64), [3] = X(ud, REG | O64),
};

static const struct emul_opcode op_0f01ff[4] = {
	X(ud, REG), [2] = X(ud, REG | O64), [3] = X(ud, REG),
};

static const struct emul_opcode grp7_5_rm[8] = {
	T(PP, op_0f01e8), X(ud, REG | P2),
	[2] = X(ud, REG | P3),
	[4] = X(ud, REG | P3 | O64), [5] = X(ud, REG | P3 | O64),
	[6] = T(PP, op_0f01ee), [7] = T(PP, op_0f01ee),
};

static const struct emul_opcode grp7_7_rm[8] = {
	X(swapgs, REG | PRIV | O64), XF(rdtscp, RDTSCP, REG),
	X(ud, REG | PN | P3), X(ud, REG | PN),
	X(clzero, REG), X(ud, REG),
	T(PP, op_0f01fe), T(PP, op_0f01ff),
};

static const struct emul_opcode grp7_0[2] = {
	X(sgdt, MEM, Mm), T(RM, grp7_0_rm),
};

static const struct emul_opcode grp7_1[2] = {
	X(sidt, MEM, Mm), T(RM, grp7_1_rm),
};

static const struct emul_opcode grp7_2[2] = {
	X(lgdt, MEM | PRIV, Mm), T(RM, grp7_2_rm),
};

static const struct emul_opcode grp7_3[2] = {
	X(lidt, MEM | PRIV, Mm), T(RM, grp7_3_rm),
};

static const struct emul_opcode grp7_5[2] = {
	X(ud, MEM | P3, Mm), T(RM, grp7_5_rm),
};

static const struct emul_opcode grp7_7[2] = {
	X(invlpg, MEM | PRIV, Mm), T(RM, grp7_7_rm),
};

static const struct emul_opcode grp7[8] = {
	T(MOD, grp7_0), T(MOD, grp7_1), T(MOD, grp7_2), T(MOD, grp7_3),
	X(smsw, M | ST, Emw), T(MOD, grp7_5),
	X(lmsw, M | LD | PRIV, Ew), T(MOD, grp7_7),
};

static const struct emul_opcode grp8[8] = {
	[4] = X(bt, M | LD, Ev, Ib),
	[5] = X(bts, M | RMW | LK, Ev, Ib),
	[6] = X(btr, M | RMW | LK, Ev, Ib),
	[7] = X(btc, M | RMW | LK, Ev, Ib),
};

static const struct emul_opcode c7_6_mem[4] = {
	X(ud, MEM, Mm), X(ud, MEM, Mm), X(ud, MEM, Mm),
};

static const struct emul_opcode c7_6_reg[4] = {
	XF(random, RDRAND, REG | ST, Ev), XF(random, RDRAND, REG | ST, Ev),
	X(ud, REG | O64, Ev),
};

static const struct emul_opcode c7_7_reg[4] = {
	XF(random, RDSEED, REG | ST, Ev), XF(random, RDSEED, REG | ST, Ev),
	XF(rdpid, RDPID, REG | ST, En),
};

static const struct emul_opcode c7_6[2] = { T(PP, c7_6_mem), T(PP, c7_6_reg) };

static const struct emul_opcode c7_7[2] = {
	X(ud, MEM | PN, Mm), T(PP, c7_7_reg),
};

static const struct emul_opcode grp9[8] = {
	[1] = X(cmpxchg8b, MEM | LK, Mm),
	[3] = X(ud, MEM | PN, Mm), [4] = XF(xsavec, XSAVEC, MEM | PN, Mm),
	[5] = X(ud, MEM | PN, Mm),
	[6] = T(MOD, c7_6), [7] = T(MOD, c7_7),
};

/* 0F AE */
static const struct emul_opcode ae_mem_np[8] = {
	X(fxsave, MEM, Mm), X(fxrstor, MEM, Mm),
	X(ldmxcsr, MEM, Ed), X(stmxcsr, MEM | ST, Ed),
	X(xsave, MEM, Mm), X(xrstor, MEM, Mm), XF(xsaveopt, XSAVEOPT, MEM, Mm),
	X(clflush, MEM, Mb),
};

static const struct emul_opcode ae_mem_66[8] = {
	[6] = X(clflush, MEM, Mb), [7] = X(clflush, MEM, Mb),
};

static const struct emul_opcode ae_mem_f3[8] = {
	[4] = X(ud, MEM, Ey), [6] = X(ud, MEM, Mm),
};

static const struct emul_opcode ae_reg_np[8] = {
	[5] = X(nop, REG), [6] = X(nop, REG), [7] = X(nop, REG),
};

static const struct emul_opcode ae_reg_66[8] = {
	[6] = X(ud, REG),
};

static const struct emul_opcode ae_reg_f3[8] = {
	XF(rdfsbase, FSGSBASE, REG | ST | O64, Ey),
	XF(rdgsbase, FSGSBASE, REG | ST | O64, Ey),
	XF(wrfsbase, FSGSBASE, REG | LD | O64, Ey),
	XF(wrgsbase, FSGSBASE, REG | LD | O64, Ey),
	X(ud, REG), X(ud, REG), X(ud, REG),
};

static const struct emul_opcode ae_reg_f2[8] = {
	[6] = X(ud, REG),
};

static const struct emul_opcode ae_mem[4] = {
	T(REG, ae_mem_np), T(REG, ae_mem_66), T(REG, ae_mem_f3),
};

static const struct emul_opcode ae_reg[4] = {
	T(REG, ae_reg_np), T(REG, ae_reg_66), T(REG, ae_reg_f3),
	T(REG, ae_reg_f2),
};

static const struct emul_opcode op_0fae[2] = { T(PP, ae_mem), T(PP, ae_reg) };

static const struct emul_opcode op_0fb8[4] = {
	[2] = XF(popcnt, POPCNT, M | ST, Gv, Ev),
};

/* F3 BSF and BSR are TZCNT and LZCNT where those are offered. */
static const struct emul_opcode op_0fbc[4] = {
	X(bsf, M | RMW, Gv, Ev), X(bsf, M | RMW, Gv, Ev),
	X(tzcnt, M | RMW, Gv, Ev), X(bsf, M | RMW, Gv, Ev),
};

static const struct emul_opcode op_0fbd[4] = {
	X(bsr, M | RMW, Gv, Ev), X(bsr, M | RMW, Gv, Ev),
	X(lzcnt, M | RMW, Gv, Ev), X(bsr, M | RMW, Gv, Ev),
};

/* SSE moves, by mandatory prefix; the rest is decoded only. */
static const struct emul_opcode op_0f10[4] = {
	X(vmov, M, Vx, Wx), X(vmov, M, Vx, Wx),
	X(vmov_low, M, Vss, Wss), X(vmov_low, M, Vq, Wq),
};

static const struct emul_opcode op_0f11[4] = {
	X(vmov, M, Wx, Vx), X(vmov, M, Wx, Vx),
	X(vmov_low, M, Wss, Vss), X(vmov_low, M, Wq, Vq),
};

static const struct emul_opcode op_0f12_mod_np[2] = {
	X(vmov_half, M, Vq, Wq), X(vmov_half, M, Vq, Wq),
};

static const struct emul_opcode op_0f12_mod_66[2] = {
	X(vmov_half, M, Vq, Wq),
};

static const struct emul_opcode op_0f12[4] = {
	T(MOD, op_0f12_mod_np), T(MOD, op_0f12_mod_66),
	N(M, Vx, Wx), N(M, Vx, Wq),
};

static const struct emul_opcode op_0f13[4] = {
	X(vmov_half, MEM, Wq, Vq), X(vmov_half, MEM, Wq, Vq),
};

static const struct emul_opcode op_0f16[4] = {
	T(MOD, op_0f12_mod_np), T(MOD, op_0f12_mod_66), N(M, Vx, Wx),
};

static const struct emul_opcode op_0f28[4] = {
	X(vmova, M, Vx, Wx), X(vmova, M, Vx, Wx),
};

static const struct emul_opcode op_0f29[4] = {
	X(vmova, M, Wx, Vx), X(vmova, M, Wx, Vx),
};

static const struct emul_opcode op_0f2b[4] = {
	X(vmova, MEM, Wx, Vx), X(vmova, MEM, Wx, Vx),
	X(vmov_low, MEM, Wss, Vss), X(vmov_low, MEM, Wq, Vq),
};

static const struct emul_opcode op_0f6e[4] = {
	X(movd_to, M, Pq, Ey), X(movd_to, M, Vx, Ey),
};

static const struct emul_opcode op_0f7e[4] = {
	X(movd_from, M, Ey, Pq), X(movd_from, M, Ey, Vx),
	X(vmovq, M, Vq, Wq),
};

static const struct emul_opcode op_0f6f[4] = {
	X(mmx_mov, M, Pq, Qq), X(vmova, M, Vx, Wx), X(vmov, M, Vx, Wx),
};

static const struct emul_opcode op_0f7f[4] = {
	X(mmx_mov, M, Qq, Pq), X(vmova, M, Wx, Vx), X(vmov, M, Wx, Vx),
};

static const struct emul_opcode op_0fe7[4] = {
	X(mmx_mov, MEM, Qq, Pq), X(vmova, MEM, Wx, Vx),
};

static const struct emul_opcode op_0fd6[4] = {
	[1] = X(vmovq, M, Wq, Vq), [2] = N(REG, Vq, Qq), [3] = N(REG, Pq, Wq),
};

static const struct emul_opcode grp12[8] = {
	[2] = N(REG | PN | P6, Wx, Ib), [4] = N(REG | PN | P6, Wx, Ib),
	[6] = N(REG | PN | P6, Wx, Ib),
};

static const struct emul_opcode grp14[8] = {
	[2] = N(REG | PN | P6, Wx, Ib), [3] = N(REG | P6, Wx, Ib),
	[6] = N(REG | PN | P6, Wx, Ib), [7] = N(REG | P6, Wx, Ib),
};

static const struct emul_opcode op_0f78_66[8] = { N(REG, Ib, Ib) };

static const struct emul_opcode op_0f78[4] = {
	X(ud, M, En, Gv), T(REG, op_0f78_66), [3] = N(REG, Ib, Ib),
};

static const struct emul_opcode op_0f79[4] = {
	X(ud, M, Gv, En), N(REG), [3] = N(REG),
};

/* Decoded only: ModRM with some mandatory prefixes, with or without an Ib. */
#define S(pp)	N(M | (pp), Vx, Wx)
#define SI(pp)	N(M | (pp), Vx, Wx, Ib)

const struct emul_opcode emul_map_0f[256] = {
	[0x00] = T(REG, grp6),
	[0x01] = T(REG, grp7),
	[0x02] = X(lar, M | RMW | PROT, Gv, Emw),
	[0x03] = X(lsl, M | RMW | PROT, Gv, Emw),
	[0x05] = XF(syscall, SYSCALL, 0),
	[0x06] = X(clts, PRIV),
	[0x07] = XF(sysret, SYSCALL, 0),
	[0x08] = X(invd, PRIV),
	[0x09] = X(invd, PRIV),
	[0x0b] = X(ud, 0),
	[0x0d] = X(prefetch, M, Mm),
	[0x0e] = X(emms, 0),
	[0x0f] = N(M | OPF_CHECK, Pq, Qq, Ib),
	[0x10] = T(PP, op_0f10),
	[0x11] = T(PP, op_0f11),
	[0x12] = T(PP, op_0f12),
	[0x13] = T(PP, op_0f13),
	[0x14] = S(PN | P6),
	[0x15] = S(PN | P6),
	[0x16] = T(PP, op_0f16),
	[0x17] = T(PP, op_0f13),
	[0x18 ... 0x1f] = X(nop, M, Mm),
	[0x20] = X(mov_from_cr, M | OPF_MODFREE | PRIV, En, Cn),
	[0x21] = X(mov_from_dr, M | OPF_MODFREE | PRIV, En, Dn),
	[0x22] = X(mov_to_cr, M | OPF_MODFREE | PRIV, Cn, En),
	[0x23] = X(mov_to_dr, M | OPF_MODFREE | PRIV, Dn, En),
	[0x28] = T(PP, op_0f28),
	[0x29] = T(PP, op_0f29),
	[0x2a] = S(PALL),
	[0x2b] = T(PP, op_0f2b),
	[0x2c] = S(PALL),
	[0x2d] = S(PALL),
	[0x2e] = S(PN | P6),
	[0x2f] = S(PN | P6),
	[0x30] = X(wrmsr, PRIV),
	[0x31] = X(rdtsc, 0),
	[0x32] = X(rdmsr, PRIV),
	[0x33] = X(rdpmc, 0),
	[0x34] = X(sysenter, 0),
	[0x35] = X(sysexit, PRIV),
	[0x37] = X(ud, PN),
	[0x40 ... 0x4f] = X(cmov, M | RMW, Gv, Ev),
	[0x50] = N(REG | PN | P6, Gv, Wx),
	[0x51] = S(PALL),
	[0x52] = S(PN | P3),
	[0x53] = S(PN | P3),
	[0x54 ... 0x57] = S(PN | P6),
	[0x58 ... 0x5a] = S(PALL),
	[0x5b] = S(PN | P6 | P3),
	[0x5c ... 0x5f] = S(PALL),
	[0x60 ... 0x6b] = S(PN | P6),
	[0x6c] = S(P6),
	[0x6d] = S(P6),
	[0x6e] = T(PP, op_0f6e),
	[0x6f] = T(PP, op_0f6f),
	[0x70] = SI(PALL),
	[0x71] = T(REG, grp12),
	[0x72] = T(REG, grp12),
	[0x73] = T(REG, grp14),
	[0x74 ... 0x76] = S(PN | P6),
	[0x77] = X(emms, PN),
	[0x78] = T(PP, op_0f78),
	[0x79] = T(PP, op_0f79),
	[0x7c] = S(P6 | P2),
	[0x7d] = S(P6 | P2),
	[0x7e] = T(PP, op_0f7e),
	[0x7f] = T(PP, op_0f7f),
	[0x80 ... 0x8f] = X(jcc, F64, Jz),
	[0x90 ... 0x9f] = X(setcc, M | ST, Eb),
	[0xa0] = X(push, LD | D64, SR(FS)),
	[0xa1] = X(pop_sreg, D64, SR(FS)),
	[0xa2] = X(cpuid, 0),
	[0xa3] = X(bt, M | LD | OPF_BITS, Ev, Gv),
	[0xa4] = X(shld, M | RMW, Ev, Gv, Ib),
	[0xa5] = X(shld, M | RMW, Ev, Gv, rCL),
	[0xa8] = X(push, LD | D64, SR(GS)),
	[0xa9] = X(pop_sreg, D64, SR(GS)),
	[0xaa] = X(ud, 0),
	[0xab] = X(bts, M | RMW | LK | OPF_BITS, Ev, Gv),
	[0xac] = X(shrd, M | RMW, Ev, Gv, Ib),
	[0xad] = X(shrd, M | RMW, Ev, Gv, rCL),
	[0xae] = T(MOD, op_0fae),
	[0xaf] = X(imul, M | RMW, Gv, Ev),
	[0xb0] = X(cmpxchg, M | RMW | LK, Eb, Gb),
	[0xb1] = X(cmpxchg, M | RMW | LK, Ev, Gv),
	[0xb2] = X(lfar_ss, MEM, Gv, Mp),
	[0xb3] = X(btr, M | RMW | LK | OPF_BITS, Ev, Gv),
	[0xb4] = X(lfar_fs, MEM, Gv, Mp),
	[0xb5] = X(lfar_gs, MEM, Gv, Mp),
	[0xb6] = X(mov, M | ST, Gv, Eb),
	[0xb7] = X(mov, M | ST, Gv, Ew),
	[0xb8] = T(PP, op_0fb8),
	[0xb9] = X(ud, M, Mm),
	[0xba] = T(REG, grp8),
	[0xbb] = X(btc, M | RMW | LK | OPF_BITS, Ev, Gv),
	[0xbc] = T(PP, op_0fbc),
	[0xbd] = T(PP, op_0fbd),
	[0xbe] = X(movsx, M | ST, Gv, Eb),
	[0xbf] = X(movsx, M | ST, Gv, Ew),
	[0xc0] = X(xadd, M | RMW | LK | OPF_SRC2, Eb, Gb),
	[0xc1] = X(xadd, M | RMW | LK | OPF_SRC2, Ev, Gv),
	[0xc2] = SI(PALL),
	[0xc3] = X(mov, MEM | ST | PN, Ey, Gy),
	[0xc4] = SI(PN | P6),
	[0xc5] = N(REG | PN | P6, Gd, Wx, Ib),
	[0xc6] = SI(PN | P6),
	[0xc7] = T(REG, grp9),
	[0xc8 ... 0xcf] = X(bswap, RMW, Zy),
	[0xd0] = S(P6 | P2),
	[0xd1 ... 0xd5] = S(PN | P6),
	[0xd6] = T(PP, op_0fd6),
	[0xd7] = N(REG | PN | P6, Gd, Wx),
	[0xd8 ... 0xe5] = S(PN | P6),
	[0xe6] = S(P6 | P3 | P2),
	[0xe7] = T(PP, op_0fe7),
	[0xe8 ... 0xef] = S(PN | P6),
	[0xf0] = X(vmov, MEM | P2, Vx, Wx),
	[0xf1 ... 0xf6] = S(PN | P6),
	[0xf7] = N(REG | PN | P6, Vx, Wx),
	[0xf8 ... 0xfe] = S(PN | P6),
	[0xff] = X(ud, M, Mm),
};
