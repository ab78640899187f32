/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the handlers
 *
 * One line a file, in the order of that file.  All share the contract of
 * emul_handler, see emul_internal.h, which includes this header.
 */
#ifndef UMBRA_EMUL_HANDLERS_INTERNAL_H
#define UMBRA_EMUL_HANDLERS_INTERNAL_H

#include "emul_internal.h"

/* alu.c */
emul_handler emul_op_add, emul_op_adc, emul_op_sub, emul_op_sbb, emul_op_cmp,
	emul_op_and, emul_op_or, emul_op_xor, emul_op_test, emul_op_inc,
	emul_op_dec, emul_op_neg, emul_op_not, emul_op_adcx, emul_op_adox,
	emul_op_clc, emul_op_stc, emul_op_cmc, emul_op_cld, emul_op_std;

/* atomic.c */
emul_handler emul_op_xchg, emul_op_xadd, emul_op_cmpxchg, emul_op_cmpxchg8b;

/* bcd.c */
emul_handler emul_op_daa, emul_op_das, emul_op_aaa, emul_op_aas, emul_op_aam,
	emul_op_aad, emul_op_salc;

/* bit.c */
emul_handler emul_op_bt, emul_op_bts, emul_op_btr, emul_op_btc, emul_op_bsf,
	emul_op_bsr, emul_op_tzcnt, emul_op_lzcnt, emul_op_popcnt,
	emul_op_bswap, emul_op_movbe, emul_op_crc32, emul_op_andn,
	emul_op_bextr, emul_op_blsr, emul_op_blsmsk, emul_op_blsi,
	emul_op_bzhi, emul_op_pext, emul_op_pdep;

/* control.c */
emul_handler emul_op_cli, emul_op_sti, emul_op_hlt, emul_op_mov_from_cr,
	emul_op_mov_to_cr, emul_op_mov_from_dr, emul_op_mov_to_dr,
	emul_op_clts, emul_op_lmsw, emul_op_smsw, emul_op_rdmsr, emul_op_wrmsr,
	emul_op_xgetbv, emul_op_xsetbv, emul_op_cpuid, emul_op_rdtsc,
	emul_op_rdtscp, emul_op_rdpid, emul_op_random, emul_op_rdpmc,
	emul_op_invlpg, emul_op_invpcid, emul_op_invd, emul_op_clflush,
	emul_op_clzero, emul_op_serialize, emul_op_clac, emul_op_stac,
	emul_op_monitor, emul_op_vmcall, emul_op_vmmcall;

/* fastcall.c */
emul_handler emul_op_syscall, emul_op_sysret, emul_op_sysenter,
	emul_op_sysexit, emul_op_swapgs, emul_op_rdfsbase, emul_op_rdgsbase,
	emul_op_wrfsbase, emul_op_wrgsbase;

/* flow.c */
emul_handler emul_op_jcc, emul_op_jmp, emul_op_jmp_ind, emul_op_call,
	emul_op_call_ind, emul_op_ret, emul_op_loop, emul_op_loope,
	emul_op_loopne, emul_op_jcxz;

/* interrupt.c */
emul_handler emul_op_int, emul_op_int3, emul_op_int1, emul_op_into,
	emul_op_bound;

/* io.c */
emul_handler emul_op_in, emul_op_out;

/* mov.c */
emul_handler emul_op_mov, emul_op_movsx, emul_op_lea, emul_op_movdir64b,
	emul_op_nop, emul_op_prefetch, emul_op_ud, emul_op_nop90, emul_op_cmov,
	emul_op_setcc, emul_op_cbw, emul_op_cwd, emul_op_sahf, emul_op_lahf,
	emul_op_xlat;

/* muldiv.c */
emul_handler emul_op_mul, emul_op_imul1, emul_op_imul, emul_op_imul2,
	emul_op_mulx, emul_op_div, emul_op_idiv;

/* segload.c */
emul_handler emul_op_mov_to_sreg, emul_op_lfar_es, emul_op_lfar_ds,
	emul_op_lfar_ss, emul_op_lfar_fs, emul_op_lfar_gs, emul_op_lldt,
	emul_op_ltr;

/* shift.c */
emul_handler emul_op_rol, emul_op_ror, emul_op_rcl, emul_op_rcr, emul_op_shl,
	emul_op_shr, emul_op_sar, emul_op_shld, emul_op_shrd, emul_op_shlx,
	emul_op_shrx, emul_op_sarx, emul_op_rorx;

/* sse.c */
emul_handler emul_op_vmov, emul_op_vmova, emul_op_vmov_low, emul_op_vmovq,
	emul_op_vmov_half, emul_op_movd_to, emul_op_movd_from, emul_op_mmx_mov;

/* stack.c */
emul_handler emul_op_push, emul_op_pop, emul_op_pop_mem, emul_op_pop_sreg,
	emul_op_pusha, emul_op_popa, emul_op_pushf, emul_op_popf,
	emul_op_enter, emul_op_leave;

/* string.c */
emul_handler emul_op_movs, emul_op_stos, emul_op_lods, emul_op_scas,
	emul_op_cmps, emul_op_ins, emul_op_outs;

/* system.c */
emul_handler emul_op_sgdt, emul_op_sidt, emul_op_lgdt, emul_op_lidt,
	emul_op_sldt, emul_op_str, emul_op_lar, emul_op_lsl, emul_op_verr,
	emul_op_verw, emul_op_arpl;

/* transfer.c */
emul_handler emul_op_jmpf, emul_op_callf, emul_op_jmpf_mem, emul_op_callf_mem,
	emul_op_retf, emul_op_iret;

/* x87.c */
emul_handler emul_op_x87, emul_op_fwait, emul_op_emms, emul_op_fxsave,
	emul_op_fxrstor, emul_op_ldmxcsr, emul_op_stmxcsr;

/* xsave.c */
emul_handler emul_op_xsave, emul_op_xsaveopt, emul_op_xsavec, emul_op_xrstor;

#endif
