// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: x87 arithmetic
 *
 * The guest's FPU state is loaded, the very instruction is executed
 * (x87_stub.S), the state is saved again. It runs with the guest's own FCW: an
 * unmasked exception gives its own results (nothing is popped or stored, or the
 * exponent is wrapped) and is only signalled by the next waiting instruction
 * (SDM Vol. 1, 8.7), before which FNINIT of the stub clears it.
 */
#include "x87_internal.h"

/* Bytes of the memory operand, by opcode and ModRM.reg; 0: no arithmetic */
static const u8 mem_bytes[8][8] = {
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 0, 4, 4, 0, 0, 0, 0 },
	{ 4, 4, 4, 4, 4, 4, 4, 4 },
	{ 4, 4, 4, 4, 0, 10, 0, 10 },
	{ 8, 8, 8, 8, 8, 8, 8, 8 },
	{ 8, 8, 8, 8, 0, 0, 0, 0 },
	{ 2, 2, 2, 2, 2, 2, 2, 2 },
	{ 2, 2, 2, 2, 10, 8, 10, 8 },
};

/* Which ModRM.reg of a memory form store */
static const u8 mem_stores[8] = { 0, 0x0c, 0, 0x8e, 0, 0x0e, 0, 0xce };

/*
 * The processor's pointers would be those of the stub. Offsets alone, as on
 * processors whose FCS and FDS are always 0 (CPUID.7.EBX[13]).
 */
static void set_pointers(struct umbra_emul *e, const struct emul_insn *in, u8 *fx, u64 fdp)
{
	u64 fip = (e->r.rip - e->insn_len) & (in->mode == 64 ? ~0ull : 0xffffffffull);

	fx_put_u16(fx, FX_FOP, (in->opcode & 7) << 8 | in->modrm);
	memcpy(fx + FX_FIP, &fip, 8);
	memcpy(fx + FX_FDP, &fdp, 8);
}

static void execute(struct umbra_emul *e, const u8 *stub, u8 *fx, u8 *mem)
{
	u64 flags = e->r.rflags & EMUL_FLAGS_STATUS;

	e->ops->fpu(e, true);
	emul_x87_run(stub, fx, mem, &flags);
	e->ops->fpu(e, false);
	/* FCOMI and its kind; all others leave them alone */
	e->r.rflags &= ~(u64)EMUL_FLAGS_STATUS;
	e->r.rflags |= flags & EMUL_FLAGS_STATUS;
}

static int arith_mem(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	unsigned int row = in->opcode & 7, reg = (in->modrm >> 3) & 7;
	unsigned int bytes = mem_bytes[row][reg];
	bool store = mem_stores[row] >> reg & 1;
	u8 mem[16] __aligned(16) = { 0 };
	int ret;

	if (!bytes)
		return emul_unhandled(e, "x87 instruction");
	if (!store) {
		ret = emul_read(e, in->mem.seg, in->mem.ea, mem, bytes, 0);
		if (ret)
			return ret;
	}
	execute(e, emul_x87_stubs_mem + (row * 8 + reg) * EMUL_X87_STUB_SIZE, fx, mem);
	set_pointers(e, in, fx, in->mem.ea);
	/* Of unmasked exceptions only that of precision stores (SDM Vol. 1, 8.5). */
	if (store && !(fx_unmasked(fx) & ~FSW_PE)) {
		ret = emul_write(e, in->mem.seg, in->mem.ea, mem, bytes);
		if (ret)
			return ret;
	}
	return e->ops->fx(e, fx, true);
}

/**
 * emul_x87_arith() - execute an x87 instruction that is no control instruction
 * @e: the emulation
 * @in: an existing encoding of D8..DF
 * @fx: the guest's FXSAVE area, 16-byte aligned, no exception pending
 *
 * Return: an enum umbra_emul_result.
 */
int emul_x87_arith(struct umbra_emul *e, struct emul_insn *in, u8 *fx)
{
	u64 fdp;

	if (!e->ops->fpu)
		return emul_unhandled(e, "x87 instruction");
	if (in->mod != 3)
		return arith_mem(e, in, fx);
	memcpy(&fdp, fx + FX_FDP, 8);
	execute(e, emul_x87_stubs_reg + ((in->opcode & 7) * 64 + (in->modrm & 63)) *
		EMUL_X87_STUB_SIZE, fx, NULL);
	set_pointers(e, in, fx, fdp);
	return e->ops->fx(e, fx, true);
}
