// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: emulator, what whole guests need of it
 *
 * Decoded instructions that are kept, strings by blocks, SSE arithmetic: cases
 * by hand, values from the manuals.
 */
#include "test_emul_machine.h"

/* The frame's first push faults: CR2 is its address, not the frame's. */
static void frame_fault(void)
{
	begin64(0);
	put64(IDT + 16 * 0x20, 0x00008e0000105000ull);
	v.regs.gpr[UMBRA_RSP] = MEM_SIZE + 0x100;
	EXPECT(umbra_emul_interrupt(&v.e, 0x20, false, false, 0) ==
	       UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 14 && v.e.fault.addr == MEM_SIZE + 0xf8);
	v.regs.gpr[UMBRA_RSP] = MEM_SIZE + 0x10;
	EXPECT(umbra_emul_interrupt(&v.e, 0x20, false, false, 0) ==
	       UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.addr == MEM_SIZE + 8);
	EXPECT(v.regs.gpr[UMBRA_RSP] == MEM_SIZE + 0x10);
}

/* MOVS and STOS by blocks have the results of going by elements. */
static void string_blocks(void)
{
	unsigned int i;

	begin64(0);
	v.blocks = true;
	for (i = 0; i < 0x1000; i++)
		mem[0x10000 + i] = i * 7;
	v.regs.gpr[UMBRA_RSI] = 0x10001;
	v.regs.gpr[UMBRA_RDI] = 0x20803;
	v.regs.gpr[UMBRA_RCX] = 0x203;
	EXPECT(RUN(0xf3, 0xa4) == UMBRA_EMUL_OK);
	EXPECT(v.writes == 9 && v.regs.gpr[UMBRA_RCX] == 0);
	EXPECT(!memcmp(mem + 0x20803, mem + 0x10001, 0x203));
	EXPECT(v.regs.gpr[UMBRA_RSI] == 0x10204 && !mem[0x20a06]);
	/* an overlap repeats its beginning */
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RSI] = 0x10000;
	v.regs.gpr[UMBRA_RDI] = 0x10003;
	v.regs.gpr[UMBRA_RCX] = 60;
	EXPECT(RUN(0xf3, 0xa4) == UMBRA_EMUL_OK);
	EXPECT(mem[0x1003e] == mem[0x10002] && mem[0x10004] == mem[0x10001]);
	/* the last page ends: blocks up to there, then the fault */
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RAX] = 0x1122334455667788ull;
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE - 44;
	v.regs.gpr[UMBRA_RCX] = 10;
	EXPECT(RUN(0xf3, 0x48, 0xab) == UMBRA_EMUL_AGAIN);
	EXPECT(v.regs.gpr[UMBRA_RCX] == 5);
	EXPECT(get(MEM_SIZE - 12, 8) == 0x1122334455667788ull);
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 14 && v.regs.gpr[UMBRA_RCX] == 5);
	/* without a source nothing gets dirty */
	v.block_writes = 0;
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RSI] = MEM_SIZE;
	v.regs.gpr[UMBRA_RDI] = 0x20000;
	EXPECT(RUN(0xf3, 0xa4) == UMBRA_EMUL_FAULT);
	EXPECT(v.e.fault.vector == 14 && !v.block_writes);
}

/* A decoded instruction is good for the same bytes only, and for their mode. */
static void decoded(void)
{
	begin64(0);
	v.e.cache_entries = 1024;
	v.e.cache = calloc(1, umbra_emul_cache_size(v.e.cache_entries));
	EXPECT(RUN(0xb8, 1, 0, 0, 0) == UMBRA_EMUL_OK);
	v.regs.rip = CODE;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 1 && v.regs.rip == CODE + 5);
	v.regs.rip = CODE;
	mem[CODE + 4] = 2;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x02000001);
	v.regs.rip = CODE;
	mem[CODE] = 0x40;	/* REX; INC EAX in 32-bit mode */
	mem[CODE + 1] = 0x90;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK && v.regs.rip == CODE + 2);
	env_flat32(&v, 0);
	v.regs.rip = CODE;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK && v.regs.rip == CODE + 1);
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0x02000002);
	/* registers are copied again unless the owner says that they are the same */
	v.e.keep = true;
	v.regs.rip = CODE;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK && v.regs.rip == CODE + 2);
	v.e.keep = false;
	v.regs.rip = CODE;
	EXPECT(umbra_emulate(&v.e) == UMBRA_EMUL_OK && v.regs.rip == CODE + 1);
	free(v.e.cache);
	v.e.cache = NULL;
}

/* The operand of an instruction that waits for a device comes by the owner. */
static void resumed(void)
{
	begin64(0);
	v.io_at = DATA;
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0x8b, 0x07) == UMBRA_EMUL_IO);		/* mov eax, [rdi] */
	EXPECT(!umbra_emul_can_resume(&v.e, false, 4));		/* it was not kept */
	v.e.cache_entries = 8;
	v.e.cache = calloc(1, umbra_emul_cache_size(v.e.cache_entries));
	v.regs.gpr[UMBRA_RAX] = ~0ull;
	v.regs.rip = CODE;
	EXPECT(RUN(0x8b, 0x07) == UMBRA_EMUL_IO);
	EXPECT(umbra_emul_can_resume(&v.e, false, 4));
	EXPECT(!umbra_emul_can_resume(&v.e, true, 4) && !umbra_emul_can_resume(&v.e, false, 2));
	EXPECT(v.regs.rip == CODE && v.regs.gpr[UMBRA_RAX] == ~0ull);
	EXPECT(umbra_emul_resume(&v.e, 0x80000000) == UMBRA_EMUL_OK);
	EXPECT(v.regs.rip == CODE + 2 && v.regs.gpr[UMBRA_RAX] == 0x80000000);
	EXPECT(!umbra_emul_can_resume(&v.e, false, 4));
	v.regs.rip = CODE;
	EXPECT(RUN(0x48, 0x0f, 0xbe, 0x07) == UMBRA_EMUL_IO);	/* movsx rax, byte [rdi] */
	EXPECT(umbra_emul_can_resume(&v.e, false, 1));
	EXPECT(umbra_emul_resume(&v.e, 0x80) == UMBRA_EMUL_OK && v.regs.gpr[UMBRA_RAX] == -128ull);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RSP] = DATA - 8;
	EXPECT(RUN(0xff, 0x37) == UMBRA_EMUL_IO);		/* push [rdi] */
	EXPECT(umbra_emul_resume(&v.e, 0x1122334455667788ull) == UMBRA_EMUL_OK);
	EXPECT(get(DATA - 16, 8) == 0x1122334455667788ull && v.regs.gpr[UMBRA_RSP] == DATA - 16);
	v.regs.rip = CODE;
	EXPECT(RUN(0x89, 0x07) == UMBRA_EMUL_IO);		/* mov [rdi], eax */
	EXPECT(umbra_emul_can_resume(&v.e, true, 4) && !umbra_emul_can_resume(&v.e, false, 4));
	EXPECT(umbra_emul_resume(&v.e, 0) == UMBRA_EMUL_OK && v.regs.rip == CODE + 2);
	v.regs.rip = CODE;
	v.regs.gpr[UMBRA_RAX] = 5;
	EXPECT(RUN(0x01, 0x07) == UMBRA_EMUL_IO);		/* add [rdi], eax: two accesses */
	EXPECT(umbra_emul_can_resume(&v.e, false, 4) && !umbra_emul_can_resume(&v.e, true, 4));
	EXPECT(umbra_emul_resume(&v.e, -5u) == UMBRA_EMUL_IO && v.regs.rip == CODE);
	EXPECT(umbra_emul_can_resume(&v.e, true, 4) && !(v.regs.rflags & X86_EFLAGS_ZF));
	EXPECT(umbra_emul_resume(&v.e, 0) == UMBRA_EMUL_OK && (v.regs.rflags & X86_EFLAGS_ZF));
	v.regs.rip = CODE;
	EXPECT(RUN(0xf0, 0x01, 0x07) == UMBRA_EMUL_IO);		/* the same with LOCK: again */
	EXPECT(!umbra_emul_can_resume(&v.e, false, 4) && !umbra_emul_can_resume(&v.e, true, 4));
	v.regs.gpr[UMBRA_RAX] = 0xffffff80;
	v.regs.rip = CODE;
	v.regs.rflags |= X86_EFLAGS_TF;
	EXPECT(RUN(0x3b, 0x07) == UMBRA_EMUL_IO);		/* cmp eax, [rdi], stepped */
	EXPECT(umbra_emul_resume(&v.e, 0xffffff80) == UMBRA_EMUL_FAULT && v.e.fault.vector == 1);
	EXPECT((v.regs.rflags & X86_EFLAGS_ZF) && v.regs.rip == CODE + 2);
	free(v.e.cache);
	v.e.cache = NULL;
	v.io_at = 0;
}

static void vec64(unsigned int reg, u64 lo, u64 hi)
{
	memcpy(v.vec[reg], &lo, 8);
	memcpy(v.vec[reg] + 8, &hi, 8);
}

static bool vec_is(unsigned int reg, u64 lo, u64 hi)
{
	return !memcmp(v.vec[reg], &lo, 8) && !memcmp(v.vec[reg] + 8, &hi, 8);
}

static u32 mxcsr(u32 val)
{
	u32 old;

	memcpy(&old, v.fx + 24, 4);
	memcpy(v.fx + 24, &val, 4);
	return old;
}

static void vector_integers(void)
{
	begin64(0);
	vec64(1, 0x0000000100000002ull, 0xffffffff7fffffffull);
	vec64(2, 0x1000000010000000ull, 0x0000000100000001ull);
	EXPECT(RUN(0x66, 0x0f, 0xfe, 0xca) == UMBRA_EMUL_OK);	/* paddd */
	EXPECT(vec_is(1, 0x1000000110000002ull, 0x0000000080000000ull));
	v.regs.gpr[UMBRA_RDI] = DATA;
	put64(DATA, 0xff00ff00ff00ff00ull);
	EXPECT(RUN(0x66, 0x0f, 0xef, 0x0f) == UMBRA_EMUL_OK);	/* pxor mem */
	EXPECT(vec_is(1, 0xef00ff01ef00ff02ull, 0x0000000080000000ull));
	v.regs.gpr[UMBRA_RDI]++;
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x66, 0x0f, 0xef, 0x0f), 13, 0));
	vec64(3, 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull);
	EXPECT(RUN(0x66, 0x0f, 0x70, 0xe3, 0x1b) == UMBRA_EMUL_OK);	/* pshufd */
	EXPECT(vec_is(4, 0x0b0a09080f0e0d0cull, 0x0302010007060504ull));
	EXPECT(RUN(0x66, 0x0f, 0x73, 0xdb, 0x03) == UMBRA_EMUL_OK);	/* psrldq */
	EXPECT(vec_is(3, 0x0a09080706050403ull, 0x0000000f0e0d0c0bull));
	EXPECT(RUN(0x66, 0x0f, 0x73, 0xfb, 0x03) == UMBRA_EMUL_OK);	/* pslldq */
	EXPECT(vec_is(3, 0x0706050403000000ull, 0x0f0e0d0c0b0a0908ull));
	EXPECT(RUN(0x66, 0x0f, 0x72, 0xf3, 0x04) == UMBRA_EMUL_OK);	/* pslld */
	EXPECT(vec_is(3, 0x7060504030000000ull, 0xf0e0d0c0b0a09080ull));
	EXPECT(RUN(0x66, 0x0f, 0xd7, 0xc3) == UMBRA_EMUL_OK);	/* pmovmskb */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0xff00);
	EXPECT(RUN(0x66, 0x0f, 0xc5, 0xc3, 0x07) == UMBRA_EMUL_OK);	/* pextrw */
	EXPECT(v.regs.gpr[UMBRA_RAX] == 0xf0e0);
	EXPECT(RUN(0x66, 0x0f, 0x38, 0x17, 0xdb) == UMBRA_EMUL_OK);	/* ptest */
	EXPECT(!(v.regs.rflags & X86_EFLAGS_ZF) && (v.regs.rflags & X86_EFLAGS_CF));
	v.e.features &= ~UMBRA_EMUL_F_SSE41;
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0x66, 0x0f, 0x38, 0x17, 0xdb), 6, 0));
	v.regs.cr0 |= X86_CR0_TS;
	EXPECT(faulted(RUN(0x66, 0x0f, 0xfe, 0xca), 7, 0));
}

/* A store under a mask touches what the mask takes, all of it or nothing. */
static void masked_moves(void)
{
	begin64(0);
	v.regs.xcr0 = 7;
	v.regs.cr4 |= X86_CR4_OSXSAVE;
	vec64(1, 0x8000000000000000ull, 0x0000000080000000ull);	/* elements 1 and 2 */
	vec64(2, 0x1111111122222222ull, 0x3333333344444444ull);
	put64(DATA, 0);
	put64(DATA + 8, 0);
	v.regs.gpr[UMBRA_RDI] = DATA;
	EXPECT(RUN(0xc4, 0xe2, 0x71, 0x2e, 0x17) == UMBRA_EMUL_OK);	/* vmaskmovps */
	EXPECT(get(DATA, 8) == 0x1111111100000000ull && get(DATA + 8, 8) == 0x44444444);
	/* the last page ends behind element 1 */
	v.regs.gpr[UMBRA_RDI] = MEM_SIZE - 8;
	put64(MEM_SIZE - 8, 7);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0xc4, 0xe2, 0x71, 0x2e, 0x17), 14, 2) && v.e.fault.addr == MEM_SIZE);
	EXPECT(get(MEM_SIZE - 8, 8) == 7);
	vec64(1, 0x8000000000000000ull, 0);
	EXPECT(RUN(0xc4, 0xe2, 0x71, 0x2e, 0x17) == UMBRA_EMUL_OK);
	EXPECT(get(MEM_SIZE - 8, 8) == 0x1111111100000007ull);
	EXPECT(RUN(0xc4, 0xe2, 0x71, 0x2c, 0x1f) == UMBRA_EMUL_OK);
	EXPECT(vec_is(3, 0x1111111100000000ull, 0));
}

static void vector_floats(void)
{
	begin64(0);
	mxcsr(0x1f80);
	v.regs.cr4 |= X86_CR4_OSXMMEXCPT;
	vec64(1, 0x3ff8000000000000ull, 7);			/* 1.5 */
	vec64(2, 0x4000000000000000ull, 8);			/* 2.0 */
	EXPECT(RUN(0xf2, 0x0f, 0x59, 0xca) == UMBRA_EMUL_OK);	/* mulsd */
	EXPECT(vec_is(1, 0x4008000000000000ull, 7));
	v.regs.gpr[UMBRA_RCX] = -3;
	EXPECT(RUN(0xf2, 0x48, 0x0f, 0x2a, 0xd9) == UMBRA_EMUL_OK);
	EXPECT(vec_is(3, 0xc008000000000000ull, 0));		/* cvtsi2sd */
	EXPECT(RUN(0xf2, 0x48, 0x0f, 0x2c, 0xc3) == UMBRA_EMUL_OK);
	EXPECT(v.regs.gpr[UMBRA_RAX] == -3ull);			/* cvttsd2si */
	EXPECT(RUN(0x66, 0x0f, 0x2f, 0xcb) == UMBRA_EMUL_OK);	/* comisd */
	EXPECT(!(v.regs.rflags & (X86_EFLAGS_ZF | X86_EFLAGS_CF)));
	EXPECT(RUN(0xf2, 0x0f, 0xc2, 0xd9, 0x01) == UMBRA_EMUL_OK);	/* cmpltsd */
	EXPECT(vec_is(3, ~0ull, 0));
	/* a division by zero that is masked, and one that is not */
	vec64(4, 0, 0);
	EXPECT(RUN(0xf2, 0x0f, 0x5e, 0xcc) == UMBRA_EMUL_OK);	/* divsd */
	EXPECT(vec_is(1, 0x7ff0000000000000ull, 7));
	EXPECT(mxcsr(0x1d80) == 0x1f84);
	vec64(1, 0x3ff8000000000000ull, 7);
	v.regs.rip = CODE;
	EXPECT(faulted(RUN(0xf2, 0x0f, 0x5e, 0xcc), 19, 0));
	EXPECT(vec_is(1, 0x3ff8000000000000ull, 7) && mxcsr(0x1f80) == 0x1d84);
	/* a flag from before raises nothing */
	mxcsr(0x1d84);
	EXPECT(RUN(0xf2, 0x0f, 0x58, 0xca) == UMBRA_EMUL_OK);	/* addsd */
	EXPECT(vec_is(1, 0x400c000000000000ull, 7));
}

static const struct machine_case cases[] = {
	{ "page fault in an interrupt's frame", frame_fault },
	{ "strings by blocks", string_blocks },
	{ "decoded instructions are kept", decoded },
	{ "one that waited goes on", resumed },
	{ "SSE integers", vector_integers },
	{ "moves under a mask", masked_moves },
	{ "SSE floats and their exceptions", vector_floats },
};

int main(void)
{
	run_cases(cases, ARRAY_SIZE(cases));
	ktap_exit();
}
