// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: emulator, what user mode cannot show
 *
 * Real mode, protection, privileged instructions, far transfers, interrupt
 * delivery and the contract with the owner: hand-written cases, values from the
 * manuals.  Linear memory 0..0x3ffff, with GDT, IDT and TSS at fixed places.
 */
#include "test_emul_machine.h"

/* Real mode. */

static void real_segments(void)
{
	begin_real();
	v.regs.gpr[UMBRA_RAX] = 0x1234;
	EXPECT(RUN(0x8e, 0xd8) == UMBRA_EMUL_OK);	/* mov ds, ax */
	EXPECT(v.regs.seg[UMBRA_DS].base == 0x12340);
	EXPECT(v.regs.seg[UMBRA_DS].limit == 0xffff);
	EXPECT(v.regs.dirty & UMBRA_REGS_SEG);
	v.regs.seg[UMBRA_ES].limit = 0xffffffff;
	EXPECT(RUN(0x8e, 0xc0) == UMBRA_EMUL_OK);	/* mov es, ax */
	EXPECT(v.regs.seg[UMBRA_ES].limit == 0xffffffff);
	EXPECT(v.regs.rip == CODE + 4);
}

static void real_limit(void)
{
	begin_real();
	v.regs.gpr[UMBRA_RBX] = 0xffff;
	EXPECT(faulted(RUN(0x8b, 0x07), 13, 0));	/* mov ax, [bx] */
	EXPECT(!v.e.fault.has_error);
	v.regs.gpr[UMBRA_RBP] = 0xffff;
	EXPECT(faulted(RUN(0x8b, 0x46, 0x00), 12, 0));	/* mov ax, [bp] */
}

static void real_far_jump(void)
{
	begin_real();
	EXPECT(RUN(0xea, 0x34, 0x12, 0x00, 0x20) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == 0x1234);
	EXPECT(v.regs.seg[UMBRA_CS].sel == 0x2000);
	EXPECT(v.regs.seg[UMBRA_CS].base == 0x20000);
}

static void real_interrupt(void)
{
	begin_real();
	mem[0x21 * 4] = 0x78;
	mem[0x21 * 4 + 1] = 0x56;
	mem[0x21 * 4 + 3] = 0x10;
	v.regs.rflags |= X86_EFLAGS_IF | X86_EFLAGS_CF;
	EXPECT(RUN(0xcd, 0x21) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == 0x5678 && v.regs.seg[UMBRA_CS].base == 0x10000);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK - 6);
	EXPECT(get(STACK - 6, 2) == CODE + 2);
	EXPECT(get(STACK - 2, 2) == 0x203);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_IF));
	EXPECT(RUN(0xcf) == UMBRA_EMUL_OK);		/* iret */
	EXPECT(v.regs.rip == CODE + 2 && v.regs.rflags == 0x203);
	EXPECT(v.regs.seg[UMBRA_CS].sel == 0);
	v.regs.idtr.limit = 0x83;
	EXPECT(umbra_emul_interrupt(&v.e, 0x21, false, false, 0) ==
	       UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 13);
}

static void real_lgdt(void)
{
	begin_real();
	put64(DATA, 0x8877665544332211ull);
	v.regs.gpr[UMBRA_RBX] = DATA;
	EXPECT(RUN(0x0f, 0x01, 0x17) == UMBRA_EMUL_OK);	/* lgdt [bx] */
	EXPECT(v.regs.gdtr.limit == 0x2211);
	EXPECT(v.regs.gdtr.base == 0x554433);
	EXPECT(RUN(0x66, 0x0f, 0x01, 0x1f) == UMBRA_EMUL_OK);	/* lidt */
	EXPECT(v.regs.idtr.base == 0x66554433);
	EXPECT(v.regs.dirty & UMBRA_REGS_TABLE);
}

static void real_to_protected(void)
{
	begin_real();
	make_gdt();
	v.regs.gpr[UMBRA_RAX] = 0x11;
	EXPECT(RUN(0x0f, 0x22, 0xc0) == UMBRA_EMUL_OK);	/* mov cr0, eax */
	EXPECT(v.regs.cr0 == 0x11);
	/* jmp dword 08:00012345 */
	EXPECT(RUN(0x66, 0xea, 0x45, 0x23, 0x01, 0x00, 0x08, 0x00) ==
	       UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == 0x12345);
	EXPECT(v.regs.seg[UMBRA_CS].attr == 0xc9b);
	EXPECT(v.regs.seg[UMBRA_CS].limit == 0xffffffff);
	EXPECT(get(GDT + K_CODE32 + 5, 1) == 0x9b);
}

static void real_string(void)
{
	begin_real();
	v.regs.gpr[UMBRA_RSI] = DATA;
	v.regs.gpr[UMBRA_RDI] = 0xffff0100;
	v.regs.gpr[UMBRA_RCX] = 0x10003;
	put64(DATA, 0x1122334455667788ull);
	EXPECT(RUN(0xf3, 0xa5) == UMBRA_EMUL_OK);	/* rep movsw */
	EXPECT(get(0x100, 6) == 0x334455667788ull);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 0x10000);
	EXPECT(v.regs.gpr[UMBRA_RDI] == 0xffff0106);
}

static void too_long(void)
{
	begin_real();
	EXPECT(faulted(RUN(0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e,
			   0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x2e, 0x90),
		       13, 0));
}

static void lmsw_smsw(void)
{
	begin_real();
	v.regs.cr0 = X86_CR0_PE | X86_CR0_ET;
	EXPECT(RUN(0x0f, 0x01, 0xf0) == UMBRA_EMUL_OK);	/* lmsw ax, 0 */
	EXPECT(v.regs.cr0 == (X86_CR0_PE | X86_CR0_ET));
	v.regs.gpr[UMBRA_RAX] = 0xffff;
	EXPECT(RUN(0x0f, 0x01, 0xf0) == UMBRA_EMUL_OK);
	EXPECT(v.regs.cr0 == 0x1f);
	EXPECT(RUN(0x0f, 0x01, 0xe3) == UMBRA_EMUL_OK);	/* smsw bx */
	EXPECT((v.regs.gpr[UMBRA_RBX] & 0xffff) == 0x1f);
	EXPECT(RUN(0x0f, 0x06) == UMBRA_EMUL_OK);	/* clts */
	EXPECT(v.regs.cr0 == 0x17);
}

/* Virtual-8086 mode. */

static void v86_sensitive(void)
{
	begin_v86(0);
	EXPECT(faulted(RUN(0xfa), 13, 0));		/* cli */
	EXPECT(faulted(RUN(0x9c), 13, 0));		/* pushf */
	EXPECT(faulted(RUN(0xcf), 13, 0));		/* iret */
	EXPECT(faulted(RUN(0xcd, 0x10), 13, 0));	/* int */
	EXPECT(faulted(RUN(0x0f, 0x00, 0xc8), 6, 0));	/* str */
	EXPECT(faulted(RUN(0xc5, 0xf8, 0x77), 6, 0));	/* vzeroupper */
	begin_v86(3);
	EXPECT(RUN(0xfa) == UMBRA_EMUL_OK);
	v.regs.gpr[UMBRA_RAX] = 0x77;
	EXPECT(RUN(0x8e, 0xd8) == UMBRA_EMUL_OK);
	EXPECT(v.regs.seg[UMBRA_DS].base == 0x770);
	EXPECT(v.regs.seg[UMBRA_DS].attr == 0xf3);
}

static void v86_interrupt(void)
{
	begin_v86(3);
	gate32(0x20, K_CODE32, 0x7000, 14, 3);
	EXPECT(RUN(0xcd, 0x20) == UMBRA_EMUL_OK);
	EXPECT(v.regs.cpl == 0 && v.regs.rip == 0x7000);
	EXPECT(!(v.regs.rflags & (X86_EFLAGS_VM | X86_EFLAGS_IF)));
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK0 - 36);
	EXPECT(get(STACK0 - 4, 2) == 0x50);		/* GS */
	EXPECT(get(STACK0 - 20, 2) == 0x20);		/* SS */
	EXPECT(get(STACK0 - 28, 4) & X86_EFLAGS_VM);
	EXPECT(v.regs.seg[UMBRA_DS].sel == 0 && !v.regs.seg[UMBRA_DS].attr);
	EXPECT(RUN(0xcf) == UMBRA_EMUL_OK);		/* and back */
	EXPECT(v.regs.cpl == 3 && (v.regs.rflags & X86_EFLAGS_VM));
	EXPECT(v.regs.rip == CODE + 2);
	EXPECT(v.regs.seg[UMBRA_GS].base == 0x500);
	EXPECT(v.regs.seg[UMBRA_DS].attr == 0xf3);
}

/* Protected mode. */

static void segment_faults(void)
{
	begin32(0);
	v.regs.gpr[UMBRA_RAX] = ABSENT;
	EXPECT(faulted(RUN(0x8e, 0xd8), 11, ABSENT));
	EXPECT(faulted(RUN(0x8e, 0xd0), 12, ABSENT));	/* ss */
	v.regs.gpr[UMBRA_RAX] = 0x1f8;
	EXPECT(faulted(RUN(0x8e, 0xd8), 13, 0x1f8));	/* beyond the GDT */
	v.regs.gpr[UMBRA_RAX] = 0;
	EXPECT(faulted(RUN(0x8e, 0xd0), 13, 0));	/* null SS */
	v.regs.gpr[UMBRA_RAX] = DATA_RO;
	EXPECT(faulted(RUN(0x8e, 0xd0), 13, DATA_RO));	/* SS read-only */
	v.regs.gpr[UMBRA_RAX] = U_DATA;
	EXPECT(faulted(RUN(0x8e, 0xd0), 13, U_DATA & ~3));
	v.regs.gpr[UMBRA_RAX] = K_DATA;
	EXPECT(RUN(0x8e, 0xd0) == UMBRA_EMUL_OK);
	EXPECT(v.regs.int_shadow == UMBRA_SHADOW_MOV_SS);
	EXPECT(get(GDT + K_DATA + 5, 1) == 0x93);
	begin32(3);
	v.regs.gpr[UMBRA_RAX] = K_DATA;
	EXPECT(faulted(RUN(0x8e, 0xd8), 13, K_DATA));
	v.regs.gpr[UMBRA_RAX] = 3;
	EXPECT(RUN(0x8e, 0xd8) == UMBRA_EMUL_OK);	/* null DS */
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0xa1, 0, 0xa0, 0, 0), 13, 0));
}

static void read_only_code(void)
{
	begin32(0);
	v.regs.seg[UMBRA_DS].attr = 0xc99;	/* execute-only code */
	EXPECT(faulted(RUN(0xa1, 0, 0xa0, 0, 0), 13, 0));
	v.regs.seg[UMBRA_DS].attr = 0xc9b;	/* readable code */
	EXPECT(faulted(RUN(0xa3, 0, 0xa0, 0, 0), 13, 0));
	EXPECT(RUN(0xa1, 0, 0xa0, 0, 0) == UMBRA_EMUL_OK);
	v.regs.rip = CODE;
	v.regs.seg[UMBRA_DS].attr = 0xc97;	/* expand-down */
	v.regs.seg[UMBRA_DS].limit = DATA;
	EXPECT(faulted(RUN(0xa1, 0, 0xa0, 0, 0), 13, 0));
	EXPECT(RUN(0xa1, 1, 0xa0, 0, 0) == UMBRA_EMUL_OK);
}

static void call_gate(void)
{
	begin32(3);
	/* two parameters, target 08:00007000, DPL 3 */
	put64(GDT + GATE, 0x0000ec0200087000ull);
	put64(STACK, 0x2222222211111111ull);
	EXPECT(RUN(0x9a, 0, 0, 0, 0, GATE, 0) == UMBRA_EMUL_OK);
	EXPECT(v.regs.cpl == 0 && v.regs.rip == 0x7000);
	EXPECT(v.regs.seg[UMBRA_CS].sel == K_CODE32);
	EXPECT(v.regs.seg[UMBRA_SS].sel == K_DATA);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK0 - 24);
	EXPECT(get(STACK0 - 4, 4) == U_DATA);
	EXPECT(get(STACK0 - 8, 4) == STACK);
	EXPECT(get(STACK0 - 12, 4) == 0x22222222);
	EXPECT(get(STACK0 - 16, 4) == 0x11111111);
	EXPECT(get(STACK0 - 20, 4) == U_CODE32);
	EXPECT(get(STACK0 - 24, 4) == CODE + 7);
	v.regs.seg[UMBRA_DS].attr = 0xc93;	/* a ring 0 segment */
	EXPECT(RUN(0xca, 8, 0) == UMBRA_EMUL_OK);	/* retf 8 */
	EXPECT(v.regs.cpl == 3 && v.regs.rip == CODE + 7);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK + 8);
	EXPECT(v.regs.seg[UMBRA_SS].sel == U_DATA);
	EXPECT(v.regs.seg[UMBRA_DS].sel == 0);
	v.regs.rip = CODE;
	/* JMP through the gate may not change the ring */
	EXPECT(faulted(RUN(0xea, 0, 0, 0, 0, GATE, 0), 13, K_CODE32));
	put64(GDT + GATE, 0x00008c0200087000ull);	/* DPL 0 */
	EXPECT(faulted(RUN(0x9a, 0, 0, 0, 0, GATE, 0), 13, GATE));
}

static void interrupt32(void)
{
	begin32(3);
	gate32(0x30, K_CODE32, 0x7000, 14, 0);
	EXPECT(faulted(RUN(0xcd, 0x30), 13, 0x30 * 8 + 2));
	v.regs.rflags |= X86_EFLAGS_IF;
	EXPECT(umbra_emul_interrupt(&v.e, 0x30, false, true, 0x77) ==
	       UMBRA_EMUL_OK);
	EXPECT(v.regs.cpl == 0 && v.regs.gpr[UMBRA_RSP] == STACK0 - 24);
	EXPECT(get(STACK0 - 24, 4) == 0x77);
	EXPECT(get(STACK0 - 20, 4) == CODE);
	EXPECT(get(STACK0 - 16, 4) == U_CODE32);
	EXPECT(get(STACK0 - 12, 4) == 0x202);
	v.regs.gpr[UMBRA_RSP] += 4;
	EXPECT(RUN(0xcf) == UMBRA_EMUL_OK);
	EXPECT(v.regs.cpl == 3 && v.regs.rip == CODE);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK);
	EXPECT(v.regs.rflags == 0x202);
	gate32(0x31, K_CODE32, 0x7000, 15, 3);		/* trap gate keeps IF */
	EXPECT(RUN(0xcd, 0x31) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rflags & X86_EFLAGS_IF);
	gate32(0x32, 0x40, 0, 5, 3);
	EXPECT(umbra_emul_interrupt(&v.e, 0x32, false, false, 0) ==
	       UMBRA_EMUL_UNHANDLED);
	gate32(0x33, ABSENT, 0, 14, 3);
	EXPECT(umbra_emul_interrupt(&v.e, 0x33, false, false, 0) ==
	       UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 13 && v.e.fault.error_code == (ABSENT | 1));
}

static void popf_iret_flags(void)
{
	begin32(3);
	put64(STACK, 0xffffffff);
	EXPECT(RUN(0x9d) == UMBRA_EMUL_OK);		/* popf, CPL 3, IOPL 0 */
	EXPECT(v.regs.rflags == 0x244dd7);
	begin32(0);
	put64(STACK, 0xffffffff);
	EXPECT(RUN(0x9d) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rflags == 0x247fd7);
}

static void ltr_lldt(void)
{
	begin32(0);
	v.regs.gpr[UMBRA_RAX] = K_TSS;
	EXPECT(RUN(0x0f, 0x00, 0xd8) == UMBRA_EMUL_OK);	/* ltr ax */
	EXPECT(v.regs.seg[UMBRA_TR].base == TSS);
	EXPECT(get(GDT + K_TSS + 5, 1) == 0x8b);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x0f, 0x00, 0xd8), 13, K_TSS));	/* busy */
	v.regs.gpr[UMBRA_RAX] = LDT;
	EXPECT(RUN(0x0f, 0x00, 0xd0) == UMBRA_EMUL_OK);	/* lldt ax */
	EXPECT(v.regs.seg[UMBRA_LDTR].base == 0x5000);
	EXPECT(v.regs.dirty & UMBRA_REGS_TABLE);
	begin32(3);
	EXPECT(faulted(RUN(0x0f, 0x00, 0xd8), 13, 0));
	begin64(0);
	put64(GDT + K_TSS + 8, 0xffffc900);	/* upper half of the base */
	v.regs.gpr[UMBRA_RAX] = K_TSS;
	EXPECT(RUN(0x0f, 0x00, 0xd8) == UMBRA_EMUL_OK);
	EXPECT(v.regs.seg[UMBRA_TR].base == 0xffffc90000004000ull);
}

static void lar_lsl(void)
{
	begin32(3);
	v.regs.gpr[UMBRA_RCX] = U_DATA;
	EXPECT(RUN(0x0f, 0x02, 0xc1) == UMBRA_EMUL_OK);	/* lar eax, ecx */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0xcff200);
	EXPECT(v.regs.rflags & X86_EFLAGS_ZF);
	EXPECT(RUN(0x0f, 0x03, 0xc1) == UMBRA_EMUL_OK);	/* lsl */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0xffffffff);
	v.regs.gpr[UMBRA_RCX] = K_DATA;
	EXPECT(RUN(0x0f, 0x03, 0xc1) == UMBRA_EMUL_OK);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_ZF));
	v.regs.gpr[UMBRA_RCX] = DATA_RO | 3;
	EXPECT(RUN(0x0f, 0x00, 0xe1) == UMBRA_EMUL_OK);	/* verr */
	EXPECT(v.regs.rflags & X86_EFLAGS_ZF);
	EXPECT(RUN(0x0f, 0x00, 0xe9) == UMBRA_EMUL_OK);	/* verw */
	EXPECT(!(v.regs.rflags & X86_EFLAGS_ZF));
}

static void port_rights(void)
{
	begin32(3);
	mem[TSS + 102] = 0x68;
	mem[TSS + 0x68 + 0x60 / 8] = 0x0e;	/* 60 allowed, 61..63 not */
	v.port_val = 0xab;
	EXPECT(RUN(0xe4, 0x60) == UMBRA_EMUL_OK);	/* in al, 60 */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0xab && v.port == 0x60);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x66, 0xe5, 0x60), 13, 0));	/* in ax, 60 */
	EXPECT(faulted(RUN(0xe6, 0x61), 13, 0));
	v.regs.gpr[UMBRA_RDX] = 0x61;
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE;
	EXPECT(faulted(RUN(0x6c), 13, 0));		/* insb: not a page fault */
	v.regs.rflags |= X86_EFLAGS_IOPL;
	v.regs.gpr[UMBRA_RAX] = 0x11223344;
	v.regs.gpr[UMBRA_RDX] = 0xcf8;
	EXPECT(RUN(0xef) == UMBRA_EMUL_OK);		/* out dx, eax */
	EXPECT(v.port_out == 0x11223344 && v.port_size == 4);
	v.regs.rip = CODE;
	v.regs.rflags &= ~(u64)X86_EFLAGS_IOPL;
	v.regs.seg[UMBRA_TR].limit = 0x67;	/* no map */
	EXPECT(faulted(RUN(0xe4, 0x60), 13, 0));
}

static void string_io(void)
{
	begin32(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RCX] = 3;
	v.regs.gpr[UMBRA_RDX] = 0x1f0;
	v.port_val = 0x1234;
	EXPECT(RUN(0x66, 0xf3, 0x6d) == UMBRA_EMUL_OK);	/* rep insw */
	EXPECT(get(DATA, 6) == 0x123412341234ull && v.ports == 3);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RCX] = 3;
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE;	/* no port read before the fault */
	EXPECT(faulted(RUN(0x66, 0xf3, 0x6d), 14, 2) && v.ports == 3);
}

/* Long mode. */

static void enter_long_mode(void)
{
	begin32(0);
	v.regs.efer = 0xd01;
	EXPECT(RUN(0xea, 0x00, 0x70, 0, 0, K_CODE64, 0) == UMBRA_EMUL_OK);
	EXPECT(v.regs.seg[UMBRA_CS].attr & UMBRA_SEG_L);
	EXPECT(v.regs.rip == 0x7000);
	v.regs.gpr[UMBRA_R15] = 1;
	EXPECT(RUN(0x49, 0xff, 0xc7) == UMBRA_EMUL_OK);	/* inc r15 */
	EXPECT(v.regs.gpr[UMBRA_R15] == 2);
	/* back to compatibility mode: push 08; push; retfq */
	put64(STACK, 0x7100);
	put64(STACK + 8, K_CODE32);
	EXPECT(RUN(0x48, 0xcb) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == 0x7100 && v.regs.seg[UMBRA_CS].sel == K_CODE32);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK + 16);
	put64(GDT + CODE16, 0x00ef9a000000ffffull);	/* L and D */
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0xea, 0x00, 0x70, 0, 0, CODE16, 0), 13, CODE16));
}

static void interrupt64(void)
{
	begin64(3);
	gate64(0x80, K_CODE64, 0x7000, 14, 3, 0);
	gate64(14, K_CODE64, 0x7000, 14, 0, 1);
	EXPECT(RUN(0xcd, 0x80) == UMBRA_EMUL_OK);
	EXPECT(v.regs.cpl == 0 && v.regs.rip == 0x7000);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK0 - 40);
	EXPECT(get(STACK0 - 40, 8) == CODE + 2);
	EXPECT(get(STACK0 - 32, 8) == U_CODE64);
	EXPECT(get(STACK0 - 16, 8) == STACK);
	EXPECT(get(STACK0 - 8, 8) == U_DATA);
	EXPECT(v.regs.seg[UMBRA_SS].sel == 0);
	/* nested, by IST, from a stack that is not aligned */
	v.regs.gpr[UMBRA_RSP] = STACK - 4;
	EXPECT(umbra_emul_interrupt(&v.e, 14, false, true, 5) ==
	       UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK0 - 0x800 - 48);
	EXPECT(get(STACK0 - 0x800 - 48, 8) == 5);
	EXPECT(get(STACK0 - 0x800 - 16, 8) == STACK - 4);
	v.regs.gpr[UMBRA_RSP] += 8;
	EXPECT(RUN(0x48, 0xcf) == UMBRA_EMUL_OK);	/* iretq, same ring */
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK - 4 && v.regs.rip == 0x7000);
	v.regs.gpr[UMBRA_RSP] = STACK0 - 40;
	EXPECT(RUN(0x48, 0xcf) == UMBRA_EMUL_OK);	/* to ring 3 */
	EXPECT(v.regs.cpl == 3 && v.regs.rip == CODE + 2);
	EXPECT(v.regs.gpr[UMBRA_RSP] == STACK);
	EXPECT(v.regs.seg[UMBRA_SS].sel == U_DATA);
	gate64(0x81, K_CODE32, 0x7000, 14, 3, 0);	/* not 64-bit code */
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0xcd, 0x81), 13, K_CODE32));
}

static void iret_faults(void)
{
	begin64(0);
	put64(STACK, 0x800000000000ull);
	put64(STACK + 8, K_CODE64);
	put64(STACK + 16, 2);
	put64(STACK + 24, STACK);
	put64(STACK + 32, 0);
	EXPECT(faulted(RUN(0x48, 0xcf), 13, 0));	/* not canonical */
	put64(STACK, CODE);
	put64(STACK + 32, U_DATA);
	EXPECT(faulted(RUN(0x48, 0xcf), 13, U_DATA & ~3));
	put64(STACK + 8, 0);
	EXPECT(faulted(RUN(0x48, 0xcf), 13, 0));
	v.regs.rflags |= X86_EFLAGS_NT;
	EXPECT(faulted(RUN(0x48, 0xcf), 13, 0));
}

static void syscall_sysret(void)
{
	begin64(3);
	v.regs.star = 0x0023001000000000ull;
	v.regs.lstar = 0xffffffff81000000ull;
	v.regs.sfmask = X86_EFLAGS_IF | X86_EFLAGS_TF;
	v.regs.rflags |= X86_EFLAGS_IF | X86_EFLAGS_CF;
	EXPECT(RUN(0x0f, 0x05) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == v.regs.lstar && v.regs.cpl == 0);
	EXPECT(v.regs.gpr[UMBRA_RCX] == CODE + 2);
	EXPECT(v.regs.gpr[UMBRA_R11] == 0x203 && v.regs.rflags == 3);
	EXPECT(v.regs.seg[UMBRA_CS].sel == 0x10 &&
	       v.regs.seg[UMBRA_SS].sel == 0x18);
	EXPECT(v.regs.seg[UMBRA_CS].attr == 0xa9b);
	v.regs.rip = CODE;
	EXPECT(RUN(0x48, 0x0f, 0x07) == UMBRA_EMUL_OK);	/* sysretq */
	EXPECT(v.regs.cpl == 3 && v.regs.rip == CODE + 2);
	EXPECT(v.regs.seg[UMBRA_CS].sel == 0x33 &&
	       v.regs.seg[UMBRA_SS].sel == 0x2b);
	EXPECT(v.regs.rflags == 0x203);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x0f, 0x07), 13, 0));
	/* TF from R11 traps at once (Linux's entry_64.S says so of the makers' processors) */
	v.regs.cpl = 0;
	v.regs.gpr[UMBRA_RCX] = CODE + 2;
	v.regs.gpr[UMBRA_R11] = X86_EFLAGS_TF;
	EXPECT(RUN(0x48, 0x0f, 0x07) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 1 && v.e.fault.addr == 0x4000);
	EXPECT(v.regs.cpl == 3 && v.regs.rip == CODE + 2);
	v.regs.rflags = X86_EFLAGS_FIXED;
	v.regs.rip = CODE;
	v.regs.efer &= ~1ull;
	EXPECT(faulted(RUN(0x0f, 0x05), 6, 0));
	/* without SCE there is no such instruction, whoever tries it (APM Vol. 3, SYSRET) */
	EXPECT(faulted(RUN(0x0f, 0x07), 6, 0));
	begin64(0);
	v.e.features &= ~UMBRA_EMUL_F_AMD;
	v.regs.star = 0x0023001000000000ull;
	v.regs.gpr[UMBRA_RCX] = 1ull << 63;
	EXPECT(faulted(RUN(0x48, 0x0f, 0x07), 13, 0));
}

/* AMD's SYSCALL has no mode, its SYSRET is protected mode's (APM Vol. 3); Intel's are 64-bit mode's. */
static void syscall_real_v86(void)
{
	unsigned int v86;

	for (v86 = 0; v86 < 2; v86++) {
		if (v86)
			begin_v86(0);
		else
			begin_real();
		v.e.features |= UMBRA_EMUL_F_AMD;
		v.regs.efer |= 1;
		v.regs.star = 0x0023001000007000ull;
		v.regs.rflags |= X86_EFLAGS_IF;
		EXPECT(faulted(RUN(0x0f, 0x07), 13, 0));
		EXPECT(RUN(0x0f, 0x05) == UMBRA_EMUL_OK);
		EXPECT(v.regs.rip == 0x7000 && v.regs.cpl == 0);
		EXPECT(v.regs.gpr[UMBRA_RCX] == CODE + 2);
		EXPECT(!(v.regs.rflags & (X86_EFLAGS_VM | X86_EFLAGS_IF)));
		EXPECT(v.regs.seg[UMBRA_CS].sel == 0x10 && !v.regs.seg[UMBRA_CS].base);
		v.regs.rip = CODE;
		v.regs.efer &= ~1ull;
		EXPECT(faulted(RUN(0x0f, 0x05), 6, 0));
		if (v86)
			begin_v86(0);
		else
			begin_real();
		v.e.features &= ~UMBRA_EMUL_F_AMD;
		v.regs.efer |= 1;
		EXPECT(faulted(RUN(0x0f, 0x05), 6, 0));
		EXPECT(faulted(RUN(0x0f, 0x07), 6, 0));
	}
}

static void sysenter_sysexit(void)
{
	begin32(3);
	EXPECT(faulted(RUN(0x0f, 0x34), 13, 0));
	v.regs.sysenter_cs = 0x08;
	v.regs.sysenter_eip = 0x7000;
	v.regs.sysenter_esp = STACK0;
	EXPECT(RUN(0x0f, 0x34) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == 0x7000 && v.regs.gpr[UMBRA_RSP] == STACK0);
	EXPECT(v.regs.seg[UMBRA_SS].sel == 0x10 && v.regs.cpl == 0);
	v.regs.gpr[UMBRA_RDX] = CODE;
	v.regs.gpr[UMBRA_RCX] = STACK;
	EXPECT(RUN(0x0f, 0x35) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == CODE && v.regs.seg[UMBRA_CS].sel == 0x1b);
	begin64(3);
	v.regs.sysenter_cs = 0x08;
	EXPECT(faulted(RUN(0x0f, 0x34), 6, 0));		/* AMD, long mode */
	v.e.features &= ~UMBRA_EMUL_F_AMD;
	EXPECT(RUN(0x0f, 0x34) == UMBRA_EMUL_OK);
	EXPECT(v.regs.seg[UMBRA_CS].attr & UMBRA_SEG_L);
}

static void canonical(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RAX] = 0x800000000000ull;
	EXPECT(faulted(RUN(0x8b, 0x00), 13, 0));
	v.regs.gpr[UMBRA_RBP] = 0x7ffffffffffdull;
	EXPECT(faulted(RUN(0x8b, 0x45, 0x00), 12, 0));	/* last byte */
	v.regs.gpr[UMBRA_RSP] = 1ull << 63;
	EXPECT(faulted(RUN(0x50), 12, 0));
	v.regs.cr4 |= X86_CR4_LA57;
	EXPECT(faulted(RUN(0x8b, 0x00), 14, 0));
	EXPECT(v.e.fault.addr == 0x800000000000ull);
	v.regs.rip = 1ull << 63;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 13);
}

static void control_registers(void)
{
	begin64(0);
	v.regs.cr3 = 0x123000;
	EXPECT(RUN(0x0f, 0x20, 0xd8) == UMBRA_EMUL_OK);	/* mov rax, cr3 */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x123000);
	v.regs.gpr[UMBRA_RAX] = 9;
	EXPECT(RUN(0x44, 0x0f, 0x22, 0xc0) == UMBRA_EMUL_OK);	/* cr8 */
	EXPECT(v.regs.cr8 == 9);
	EXPECT(RUN(0xf0, 0x0f, 0x20, 0xc3) == UMBRA_EMUL_OK);	/* lock cr0 */
	EXPECT(v.regs.gpr[UMBRA_RBX] == 9);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x0f, 0x20, 0xc8), 6, 0));	/* cr1 */
	EXPECT(faulted(RUN(0xf0, 0x0f, 0x20, 0xd8), 6, 0));
	begin64(3);
	EXPECT(faulted(RUN(0x0f, 0x20, 0xd8), 13, 0));
	EXPECT(faulted(RUN(0x0f, 0x06), 13, 0));
	EXPECT(faulted(RUN(0xf4), 13, 0));
	EXPECT(faulted(RUN(0x0f, 0x32), 13, 0));
	EXPECT(faulted(RUN(0xfa), 13, 0));
}

static void debug_registers(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RAX] = 0x1000;
	EXPECT(RUN(0x0f, 0x23, 0xd0) == UMBRA_EMUL_OK);	/* mov dr2, rax */
	EXPECT(v.regs.dr[2] == 0x1000);
	EXPECT(RUN(0x0f, 0x23, 0xe8) == UMBRA_EMUL_OK);	/* dr5 is dr7 */
	EXPECT(v.regs.dr7 == 0x1000);
	v.regs.rip = CODE;
	v.regs.cr4 |= X86_CR4_DE;
	EXPECT(faulted(RUN(0x0f, 0x23, 0xe8), 6, 0));
	v.regs.gpr[UMBRA_RAX] = 1ull << 32;
	EXPECT(faulted(RUN(0x0f, 0x23, 0xf8), 13, 0));
	v.regs.dr7 = 1 << 13;				/* GD */
	EXPECT(faulted(RUN(0x0f, 0x21, 0xc0), 1, 0));
	EXPECT(v.e.fault.addr == 1 << 13);
}

static void msr_cpuid_tsc(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RAX] = 0xffffffff00000001ull;
	v.regs.gpr[UMBRA_RDX] = 2;
	v.regs.gpr[UMBRA_RCX] = 0xc0000080;
	EXPECT(RUN(0x0f, 0x30) == UMBRA_EMUL_OK);	/* wrmsr */
	EXPECT(v.msr_index == 0xc0000080 && v.msr == 0x200000001ull);
	v.msr = 0x8877665544332211ull;
	EXPECT(RUN(0x0f, 0x32) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x44332211);
	EXPECT(v.regs.gpr[UMBRA_RDX] == 0x88776655);
	v.regs.gpr[UMBRA_RAX] = 0xffffffff00000000ull;
	EXPECT(RUN(0x0f, 0xa2) == UMBRA_EMUL_OK);	/* cpuid */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 1);
	EXPECT(v.regs.gpr[UMBRA_RDX] == 0xffffffff);
	EXPECT(RUN(0x0f, 0x01, 0xf9) == UMBRA_EMUL_OK);	/* rdtscp */
	EXPECT(v.regs.gpr[UMBRA_RDX] == 0x12345678);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 7);
	begin64(3);
	v.regs.cr4 |= X86_CR4_TSD;
	EXPECT(faulted(RUN(0x0f, 0x31), 13, 0));
}

static void xsetbv(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RAX] = 3;
	EXPECT(RUN(0x0f, 0x01, 0xd1) == UMBRA_EMUL_OK);
	EXPECT(v.regs.xcr0 == 3);
	EXPECT(RUN(0x0f, 0x01, 0xd0) == UMBRA_EMUL_OK);	/* xgetbv */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 3);
	v.regs.rip = CODE;
	v.regs.cr4 &= ~(u64)X86_CR4_OSXSAVE;
	EXPECT(faulted(RUN(0x0f, 0x01, 0xd0), 6, 0));
}

static void tlb_instructions(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RAX] = 0xffff800000001000ull;
	EXPECT(RUN(0x0f, 0x01, 0x38) == UMBRA_EMUL_OK);	/* invlpg */
	EXPECT(v.invlpg == 0xffff800000001000ull);
	v.regs.gpr[UMBRA_RAX] = 0x800000000000ull;
	EXPECT(RUN(0x0f, 0x01, 0x38) == UMBRA_EMUL_OK);	/* nothing */
	EXPECT(v.invlpg == 0xffff800000001000ull);
	EXPECT(RUN(0x0f, 0x09) == UMBRA_EMUL_OK);	/* wbinvd */
	EXPECT(RUN(0x66, 0x0f, 0x38, 0x82, 0x03) == UMBRA_EMUL_UNHANDLED);
}

static void umip(void)
{
	begin64(3);
	v.regs.gpr[UMBRA_RAX] = DATA;
	EXPECT(RUN(0x0f, 0x01, 0x00) == UMBRA_EMUL_OK);	/* sgdt */
	EXPECT(get(DATA, 2) == 0xff && get(DATA + 2, 8) == GDT);
	v.regs.rip = CODE;
	v.regs.cr4 |= X86_CR4_UMIP;
	EXPECT(faulted(RUN(0x0f, 0x01, 0x00), 13, 0));
	EXPECT(faulted(RUN(0x0f, 0x01, 0xe0), 13, 0));	/* smsw */
	EXPECT(faulted(RUN(0x0f, 0x00, 0xc8), 13, 0));	/* str */
}

static void gs_and_bases(void)
{
	begin64(0);
	v.regs.seg[UMBRA_GS].base = 1;
	v.regs.kernel_gs_base = 0xffff888000000000ull;
	EXPECT(RUN(0x0f, 0x01, 0xf8) == UMBRA_EMUL_OK);	/* swapgs */
	EXPECT(v.regs.seg[UMBRA_GS].base == 0xffff888000000000ull);
	EXPECT(v.regs.kernel_gs_base == 1);
	v.regs.gpr[UMBRA_RAX] = 0x5000;
	EXPECT(RUN(0xf3, 0x48, 0x0f, 0xae, 0xd0) == UMBRA_EMUL_OK);
	EXPECT(v.regs.seg[UMBRA_FS].base == 0x5000);	/* wrfsbase */
	EXPECT(RUN(0x64, 0x8b, 0x04, 0x25, 0, 0x50, 0, 0) == UMBRA_EMUL_OK);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RAX] = 1ull << 63;
	EXPECT(faulted(RUN(0xf3, 0x48, 0x0f, 0xae, 0xd0), 13, 0));
	v.regs.cr4 &= ~(u64)X86_CR4_FSGSBASE;
	EXPECT(faulted(RUN(0xf3, 0x48, 0x0f, 0xae, 0xc0), 6, 0));
}

/* The contract with the owner. */

static void shadows(void)
{
	begin64(0);
	EXPECT(RUN(0xfb) == UMBRA_EMUL_OK);		/* sti */
	EXPECT(v.regs.int_shadow == UMBRA_SHADOW_STI);
	EXPECT(RUN(0xfb) == UMBRA_EMUL_OK);		/* IF was set already */
	EXPECT(!v.regs.int_shadow);
	EXPECT(RUN(0xf4) == UMBRA_EMUL_HALT);
	EXPECT(v.regs.rip == CODE + 3);
}

static void single_step(void)
{
	begin32(0);
	v.regs.rflags |= X86_EFLAGS_TF | X86_EFLAGS_RF;
	EXPECT(RUN(0x40) == UMBRA_EMUL_FAULT);		/* inc eax */
	EXPECT(v.e.fault.vector == 1 && v.e.fault.addr == 1 << 14);
	EXPECT(v.regs.rip == CODE + 1 && v.regs.gpr[UMBRA_RAX] == 1);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_RF));
	v.regs.gpr[UMBRA_RAX] = K_DATA;
	EXPECT(RUN(0x8e, 0xd0) == UMBRA_EMUL_OK);	/* mov ss: no trap */
	v.regs.gpr[UMBRA_RCX] = 5;
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0xf3, 0xaa) == UMBRA_EMUL_FAULT);	/* one element */
	EXPECT(v.regs.gpr[UMBRA_RCX] == 4 && v.regs.rip == CODE + 3);
}

static void soft_traps(void)
{
	begin64(3);
	EXPECT(RUN(0xcc) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 3 && v.e.fault.soft);
	EXPECT(v.regs.rip == CODE + 1);
	EXPECT(RUN(0xf1) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 1 && v.e.fault.soft);
	begin32(3);
	EXPECT(RUN(0xce) == UMBRA_EMUL_OK);		/* into, OF clear */
	v.regs.rflags |= X86_EFLAGS_OF;
	EXPECT(RUN(0xce) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 4 && v.regs.rip == CODE + 2);
}

static void io_replay(void)
{
	begin64(0);
	v.io_at = DATA;
	v.regs.gpr[UMBRA_RAX] = DATA;
	v.regs.gpr[UMBRA_RCX] = 1;
	EXPECT(RUN(0x01, 0x08) == UMBRA_EMUL_IO);	/* add [rax], ecx */
	EXPECT(v.regs.rip == CODE && v.regs.rflags == 2);
	/* a copy that runs into the device after two elements */
	v.regs.gpr[UMBRA_RSI] = DATA - 16;
	v.regs.gpr[UMBRA_RDI] = DATA - 0x800;
	v.regs.gpr[UMBRA_RCX] = 4;
	EXPECT(RUN(0xf3, 0x48, 0xa5) == UMBRA_EMUL_AGAIN);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 2 && v.regs.gpr[UMBRA_RSI] == DATA);
	EXPECT(v.regs.rip == CODE);
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_IO);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 2);
}

/* What only asks whether a write would fault is not seen by a device. */
static void probes(void)
{
	begin64(0);
	v.io_at = DATA;
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RDX] = 0x300;
	v.ports = 0;
	EXPECT(RUN(0x6d) == UMBRA_EMUL_IO && v.ports == 1);	/* insd: by the write */
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RSP] = DATA + 0x1020;
	EXPECT(RUN(0xc8, 0x80, 0, 0) == UMBRA_EMUL_OK);		/* enter 128, 0 */
	EXPECT(v.regs.gpr[UMBRA_RBP] == DATA + 0x1018 && v.regs.gpr[UMBRA_RSP] == DATA + 0xf98);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RAX] = 1ull << 63;
	EXPECT(RUN(0xff, 0xd0) == UMBRA_EMUL_FAULT);		/* call rax, to nowhere */
	EXPECT(v.e.fault.vector == 13 && v.regs.gpr[UMBRA_RSP] == DATA + 0xf98);
	/* the fault is found all the same */
	v.io_at = 0;
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE - 2;
	v.ports = 0;
	EXPECT(RUN(0x6d) == UMBRA_EMUL_FAULT && !v.ports);
	EXPECT(v.e.fault.vector == 14 && v.e.fault.addr == MEM_SIZE && v.e.fault.error_code == 2);
}

static void rep_batches(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RCX] = 512;
	v.regs.gpr[UMBRA_RAX] = ~0ull;
	EXPECT(RUN(0xf3, 0x48, 0xab) == UMBRA_EMUL_AGAIN);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 256);
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RDI] == DATA + 4096);
	EXPECT(get(DATA + 4088, 8) == ~0ull && v.regs.rip == CODE + 3);
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE - 16;
	v.regs.gpr[UMBRA_RCX] = 512;
	v.regs.rip = CODE;
	EXPECT(RUN(0xf3, 0x48, 0xab) == UMBRA_EMUL_AGAIN);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 510);
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.addr == MEM_SIZE && v.regs.gpr[UMBRA_RCX] == 510);
}

/* Of a comparison that faults no flags are seen, however many elements it has done. */
static void rep_compare_faults(void)
{
	begin64(0);
	v.regs.rflags = 0x2 | 0x8d5;
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE - 16;
	v.regs.gpr[UMBRA_RCX] = 4;
	v.regs.gpr[UMBRA_RAX] = 0;
	EXPECT(RUN(0xf3, 0x48, 0xaf) == UMBRA_EMUL_AGAIN);	/* repe scasq */
	EXPECT(v.regs.gpr[UMBRA_RCX] == 2 && v.regs.rflags == (0x2 | 0x8d5));
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_FAULT && v.regs.rflags == (0x2 | 0x8d5));
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RCX] = 2;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK && v.regs.rflags == (0x2 | 0x44));
}

static void locked(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.races = 3;
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xba, 0x2f, 0x05) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 0x23);			/* lock bts [rdi], 5 */
	EXPECT(!(v.regs.rflags & X86_EFLAGS_CF));
	v.regs.gpr[UMBRA_RAX] = 0x1000;
	EXPECT(RUN(0x48, 0x87, 0x07) == UMBRA_EMUL_OK);	/* xchg */
	EXPECT(get(DATA, 8) == 0x1000 && v.regs.gpr[UMBRA_RAX] == 0x23);
	v.races = 2;
	v.writes = 0;
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xb1, 0x0f) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x1002);	/* cmpxchg fails, and writes */
	EXPECT(v.writes == 1 && get(DATA, 8) == 0x1002);
	v.regs.gpr[UMBRA_RCX] = 7;
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xb1, 0x0f) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 7 && (v.regs.rflags & X86_EFLAGS_ZF));
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xc1, 0x0f) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 14 && v.regs.gpr[UMBRA_RCX] == 7);
	v.regs.rip = CODE;
	v.races = 1000;
	EXPECT(RUN(0xf0, 0x48, 0xff, 0x07) == UMBRA_EMUL_AGAIN);
	EXPECT(v.regs.rip == CODE);
	EXPECT(faulted(RUN(0xf0, 0x48, 0x89, 0x07), 6, 0));	/* mov */
	EXPECT(faulted(RUN(0xf0, 0x48, 0xff, 0xc7), 6, 0));	/* inc rdi */
}

static void cmpxchg16b(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	put64(DATA, 1);
	put64(DATA + 8, 2);
	v.regs.gpr[UMBRA_RAX] = 1;
	v.regs.gpr[UMBRA_RDX] = 2;
	v.regs.gpr[UMBRA_RBX] = 3;
	v.regs.gpr[UMBRA_RCX] = 4;
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xc7, 0x0f) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 3 && get(DATA + 8, 8) == 4);
	v.races = 1;
	v.writes = 0;
	EXPECT(RUN(0xf0, 0x48, 0x0f, 0xc7, 0x0f) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 4 && v.regs.gpr[UMBRA_RDX] == 4);
	EXPECT(v.writes == 1 && get(DATA, 8) == 4 && get(DATA + 8, 8) == 4);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_ZF));
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RDI] = DATA + 8;
	EXPECT(faulted(RUN(0xf0, 0x48, 0x0f, 0xc7, 0x0f), 13, 0));
	v.e.features &= ~UMBRA_EMUL_F_CX16;
	EXPECT(faulted(RUN(0xf0, 0x48, 0x0f, 0xc7, 0x0f), 6, 0));
}

static void fetch_across_pages(void)
{
	begin64(0);
	v.regs.rip = 0x1ffe;
	memcpy(mem + 0x1ffe, "\x48\xb8\x88\x77\x66\x55\x44\x33\x22\x11", 10);
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x1122334455667788ull);
	v.regs.rip = MEM_SIZE - 1;
	mem[MEM_SIZE - 1] = 0x90;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK);	/* needs no more */
	v.regs.rip = MEM_SIZE - 1;
	mem[MEM_SIZE - 1] = 0xb8;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 14 && v.e.fault.addr == MEM_SIZE);
	EXPECT(v.e.fault.error_code == 0x10);
}

static void vector_moves(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	memset(v.vec[1], 0x5a, 64);
	EXPECT(RUN(0x66, 0x0f, 0x7f, 0x0f) == UMBRA_EMUL_OK);	/* movdqa */
	EXPECT(get(DATA + 8, 8) == 0x5a5a5a5a5a5a5a5aull);
	EXPECT(!get(DATA + 16, 8));
	EXPECT(RUN(0xc5, 0xfe, 0x7f, 0x0f) == UMBRA_EMUL_OK);	/* vmovdqu */
	EXPECT(get(DATA + 24, 8) == 0x5a5a5a5a5a5a5a5aull);
	memset(v.vec[2], 0xff, 64);
	EXPECT(RUN(0xc5, 0xfa, 0x6f, 0x17) == UMBRA_EMUL_OK);	/* load 128 */
	EXPECT(v.vec[2][15] == 0x5a && !v.vec[2][16] && !v.vec[2][63]);
	EXPECT(RUN(0x0f, 0x16, 0x57, 0x20) == UMBRA_EMUL_OK);	/* movhps */
	EXPECT(v.vec[2][7] == 0x5a && !v.vec[2][8]);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RDI] = DATA + 1;
	EXPECT(faulted(RUN(0x66, 0x0f, 0x7f, 0x0f), 13, 0));
	v.regs.cr0 |= X86_CR0_TS;
	EXPECT(faulted(RUN(0xf3, 0x0f, 0x7f, 0x0f), 7, 0));
	/* #NM comes before what the memory of MOVD and MOVQ has to say */
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE;
	EXPECT(faulted(RUN(0x0f, 0x6f, 0x0f), 7, 0));
	EXPECT(faulted(RUN(0x0f, 0x6e, 0x0f), 7, 0));
	EXPECT(faulted(RUN(0x66, 0x0f, 0x6e, 0x0f), 7, 0));
	v.regs.cr0 |= X86_CR0_EM;
	EXPECT(faulted(RUN(0xf3, 0x0f, 0x7f, 0x0f), 6, 0));
	EXPECT(faulted(RUN(0x9b), 7, 0));
	v.regs.cr0 &= ~(u64)(X86_CR0_TS | X86_CR0_EM);
	v.regs.xcr0 = 1;
	EXPECT(faulted(RUN(0xc5, 0xfe, 0x7f, 0x0f), 6, 0));
}

static void fpu_control(void)
{
	begin64(0);
	memset(v.fx, 0xff, 24);
	EXPECT(RUN(0xdb, 0xe3) == UMBRA_EMUL_OK);	/* fninit */
	EXPECT(v.fx[0] == 0x7f && v.fx[1] == 3 && !v.fx[2] && !v.fx[4]);
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0xd9, 0x3f) == UMBRA_EMUL_OK);	/* fnstcw [rdi] */
	EXPECT(get(DATA, 2) == 0x37f);
	v.fx[3] = 0x38;
	EXPECT(RUN(0xdf, 0xe0) == UMBRA_EMUL_OK);	/* fnstsw ax */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x3800);
	EXPECT(RUN(0x0f, 0xae, 0x07) == UMBRA_EMUL_OK);	/* fxsave */
	EXPECT(get(DATA, 4) == 0x3800037f);
	EXPECT(RUN(0xc5, 0xfc, 0x43, 0xc1) == UMBRA_EMUL_UNHANDLED);	/* no such one */
	EXPECT(v.e.reason && v.e.insn[0] == 0xc5 && v.e.insn_len == 4);
	v.regs.rip = CODE;
	v.regs.cr0 |= X86_CR0_TS;
	EXPECT(faulted(RUN(0xdb, 0xe3), 7, 0));
}

static void features(void)
{
	begin64(0);
	v.e.features = UMBRA_EMUL_F_LM;
	EXPECT(faulted(RUN(0x0f, 0x01, 0xcb), 6, 0));	/* stac */
	EXPECT(faulted(RUN(0xf3, 0x0f, 0xb8, 0xc0), 6, 0));	/* popcnt */
	EXPECT(faulted(RUN(0xc4, 0xe2, 0xf8, 0xf2, 0xc0), 6, 0));	/* andn */
	v.regs.gpr[UMBRA_RCX] = 8;
	EXPECT(RUN(0xf3, 0x0f, 0xbc, 0xc1) == UMBRA_EMUL_OK);	/* as bsf */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 3);
	v.e.features = env_host_features();
	EXPECT(RUN(0x0f, 0x01, 0xcb) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rflags & X86_EFLAGS_AC);
	EXPECT(RUN(0x0f, 0x01, 0xca) == UMBRA_EMUL_OK);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_AC));
	v.regs.cpl = 3;
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x0f, 0x01, 0xcb), 6, 0));
}

static void page_table_writes(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RAX] = 0x8000000012345067ull;
	EXPECT(RUN(0x48, 0x89, 0x07) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 0x8000000012345067ull && v.writes == 1);
	EXPECT(RUN(0x48, 0x0f, 0xc3, 0x47, 0x08) == UMBRA_EMUL_OK);
	EXPECT(get(DATA + 8, 8) == 0x8000000012345067ull);	/* movnti */
	EXPECT(RUN(0xf0, 0x80, 0x27, 0xdf) == UMBRA_EMUL_OK);	/* and byte */
	EXPECT(get(DATA, 8) == 0x8000000012345047ull);
	EXPECT(RUN(0x48, 0xc7, 0x07, 0, 0, 0, 0) == UMBRA_EMUL_OK);
	EXPECT(!get(DATA, 8));
	EXPECT(RUN(0x48, 0x0f, 0x38, 0xf1, 0x07) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 0x6750341200000080ull);		/* movbe */
}

static void breakpoints(void)
{
	begin64(0);
	v.regs.dr[0] = CODE;
	v.regs.dr[1] = DATA + 4;
	v.regs.dr7 = 0x00d00401 | 4;	/* 0: code; 1: write, 4 bytes */
	EXPECT(faulted(RUN(0x90), 1, 0) && v.e.fault.addr == 1);
	v.regs.rflags |= X86_EFLAGS_RF;
	EXPECT(RUN(0x90) == UMBRA_EMUL_OK);
	EXPECT(!(v.regs.rflags & X86_EFLAGS_RF));
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0x89, 0x07) == UMBRA_EMUL_OK);	/* beside it */
	EXPECT(RUN(0x48, 0x8b, 0x07) == UMBRA_EMUL_OK);	/* a read */
	EXPECT(RUN(0x48, 0x89, 0x07) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 1 && v.e.fault.addr == 2);
	EXPECT(v.regs.rip == CODE + 9);			/* a trap */
	v.regs.gpr[UMBRA_RCX] = 4;
	EXPECT(RUN(0xf3, 0xab) == UMBRA_EMUL_FAULT);	/* rep stosd */
	EXPECT(v.regs.gpr[UMBRA_RCX] == 2 && v.regs.rip == CODE + 9);
	v.regs.dr[2] = 0x60;
	v.regs.dr7 = 2 << 24 | 0x20;			/* 2: port */
	EXPECT(RUN(0xe4, 0x60) == UMBRA_EMUL_OK);
	v.regs.cr4 |= X86_CR4_DE;
	EXPECT(RUN(0xe4, 0x60) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.addr == 4);
}

static void mmx_moves(void)
{
	begin64(0);
	v.fx[3] = 0x38;				/* TOP 7 */
	memset(v.fx + 32 + 16 * 1, 0x77, 8);	/* ST1 is R0 */
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0x0f, 0x7f, 0x07) == UMBRA_EMUL_OK);	/* movq [rdi], mm0 */
	EXPECT(get(DATA, 8) == 0x7777777777777777ull);
	EXPECT(!v.fx[3] && v.fx[4] == 0xff);
	put64(DATA, 0x123456789abcdef0ull);
	EXPECT(RUN(0x0f, 0x6f, 0x1f) == UMBRA_EMUL_OK);	/* movq mm3, [rdi] */
	EXPECT(RUN(0x48, 0x0f, 0x7e, 0xd8) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x123456789abcdef0ull);
	EXPECT(v.fx[32 + 48 + 8] == 0xff);
	EXPECT(RUN(0x0f, 0x77) == UMBRA_EMUL_OK);	/* emms */
	EXPECT(!v.fx[4]);
}

static void direct_stores(void)
{
	begin64(0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	v.regs.gpr[UMBRA_RSI] = DATA + 0x100;
	v.regs.gpr[UMBRA_RAX] = 0x55;
	put64(DATA + 0x138, 0x66);
	EXPECT(RUN(0x48, 0x0f, 0x38, 0xf9, 0x07) == UMBRA_EMUL_OK);
	EXPECT(get(DATA, 8) == 0x55 && v.writes == 1);	/* movdiri */
	EXPECT(RUN(0x66, 0x0f, 0x38, 0xf8, 0x3e) == UMBRA_EMUL_OK);
	EXPECT(get(DATA + 0x38, 8) == 0x66 && v.writes == 2);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RDI]++;
	EXPECT(faulted(RUN(0x66, 0x0f, 0x38, 0xf8, 0x3e), 13, 0));
	EXPECT(RUN(0x0f, 0xc7, 0xf0) == UMBRA_EMUL_UNHANDLED);	/* rdrand */
	v.e.features = UMBRA_EMUL_F_LM;
	EXPECT(faulted(RUN(0x0f, 0xc7, 0xf0), 6, 0));
	v.vec[1][3] = 9;
	v.e.features = env_host_features();
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0xc5, 0xfa, 0x11, 0x0f) == UMBRA_EMUL_OK);	/* vmovss */
	EXPECT(get(DATA, 8) == 0x09000000);
}

static const struct machine_case cases[] = {
	{ "real mode: segment loads", real_segments },
	{ "real mode: limits", real_limit },
	{ "real mode: far jump", real_far_jump },
	{ "real mode: INT, IRET", real_interrupt },
	{ "real mode: LGDT, LIDT", real_lgdt },
	{ "real mode: to protected mode", real_to_protected },
	{ "real mode: REP MOVSW", real_string },
	{ "real mode: LMSW, SMSW, CLTS", lmsw_smsw },
	{ "16 bytes are too many", too_long },
	{ "virtual-8086: sensitive instructions", v86_sensitive },
	{ "virtual-8086: INT to ring 0 and IRET", v86_interrupt },
	{ "protected: faults of segment loads", segment_faults },
	{ "protected: segment types and limits", read_only_code },
	{ "protected: call gate and RETF", call_gate },
	{ "protected: interrupts", interrupt32 },
	{ "protected: POPF", popf_iret_flags },
	{ "LTR, LLDT", ltr_lldt },
	{ "LAR, LSL, VERR, VERW", lar_lsl },
	{ "I/O permission", port_rights },
	{ "string I/O", string_io },
	{ "long mode: far jumps in and out", enter_long_mode },
	{ "long mode: interrupts, IST, IRETQ", interrupt64 },
	{ "long mode: IRETQ faults", iret_faults },
	{ "SYSCALL, SYSRET", syscall_sysret },
	{ "SYSCALL, SYSRET outside protected mode", syscall_real_v86 },
	{ "SYSENTER, SYSEXIT", sysenter_sysexit },
	{ "canonical addresses", canonical },
	{ "MOV CR", control_registers },
	{ "MOV DR", debug_registers },
	{ "MSRs, CPUID, RDTSCP", msr_cpuid_tsc },
	{ "XSETBV, XGETBV", xsetbv },
	{ "INVLPG, WBINVD, INVPCID", tlb_instructions },
	{ "UMIP", umip },
	{ "SWAPGS, FSGSBASE", gs_and_bases },
	{ "interrupt shadow, HLT", shadows },
	{ "single step", single_step },
	{ "INT3, INT1, INTO", soft_traps },
	{ "I/O and replay", io_replay },
	{ "probes of a device", probes },
	{ "REP in batches, faults on the way", rep_batches },
	{ "REP in batches, a comparison that faults", rep_compare_faults },
	{ "LOCK and races", locked },
	{ "CMPXCHG16B", cmpxchg16b },
	{ "fetch across pages", fetch_across_pages },
	{ "vector moves", vector_moves },
	{ "FPU control", fpu_control },
	{ "CPUID features", features },
	{ "page-table writes", page_table_writes },
	{ "breakpoint registers", breakpoints },
	{ "MMX moves", mmx_moves },
	{ "MOVDIRI, MOVDIR64B, VMOVSS", direct_stores },
};

int main(void)
{
	run_cases(cases, ARRAY_SIZE(cases));
	ktap_exit();
}
