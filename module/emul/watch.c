// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: breakpoint registers
 *
 * DR0..DR3 against what an instruction fetches, reads, writes and does to ports
 * (SDM Vol. 3B 18.2.4-18.2.5, 18.3.1).  A code breakpoint is a fault before the
 * instruction, the others trap after it; emulate.c reports them together with the
 * single-step trap.
 *
 *   DR7   31..16: LEN3 RW3 LEN2 RW2 LEN1 RW1 LEN0 RW0     7..0: G3 L3 … G0 L0
 */
#include "emul_internal.h"

enum {
	RW_CODE, RW_WRITE, RW_PORT, RW_DATA,
};

static bool enabled(u64 dr7, unsigned int n)
{
	return dr7 >> (2 * n) & 3;
}

static unsigned int kind(u64 dr7, unsigned int n)
{
	return dr7 >> (16 + 4 * n) & 3;
}

static unsigned int length(u64 dr7, unsigned int n)
{
	static const u8 len[4] = { 1, 2, 8, 4 };

	return len[dr7 >> (18 + 4 * n) & 3];
}

/* The register's low bits are ignored according to its length. */
static bool overlaps(const struct umbra_emul *e, unsigned int n, u64 addr,
		     unsigned int len)
{
	unsigned int span = length(e->r.dr7, n);
	u64 from = e->r.dr[n] & ~(u64)(span - 1);

	return addr <= from + span - 1 && from <= addr + len - 1;
}

/**
 * emul_watch_code() - is there a breakpoint at CS:RIP?
 * @e: the emulation, at its start; some breakpoint is enabled
 *
 * Return: OK, or #DB, which RFLAGS.RF holds back.
 */
int emul_watch_code(struct umbra_emul *e)
{
	u64 addr = e->r.rip;
	unsigned int n;
	u64 bits = 0;

	if (e->r.rflags & X86_EFLAGS_RF)
		return UMBRA_EMUL_OK;
	if (!emul_mode64(e))
		addr = (u32)(addr + e->r.seg[UMBRA_CS].base);
	for (n = 0; n < 4; n++)
		if (enabled(e->r.dr7, n) && kind(e->r.dr7, n) == RW_CODE &&
		    e->r.dr[n] == addr)
			bits |= BIT(n);
	if (!bits)
		return UMBRA_EMUL_OK;
	emul_fault_noerr(e, EMUL_DB);
	e->fault.addr = bits;
	return UMBRA_EMUL_FAULT;
}

/**
 * emul_watch_data() - note a data access
 * @e: the emulation; some breakpoint is enabled
 * @gva: linear address
 * @len: bytes
 * @write: a write
 */
void emul_watch_data(struct umbra_emul *e, gva_t gva, unsigned int len,
		     bool write)
{
	unsigned int n, rw;

	for (n = 0; n < 4; n++) {
		rw = kind(e->r.dr7, n);
		if (enabled(e->r.dr7, n) &&
		    (rw == RW_DATA || (write && rw == RW_WRITE)) &&
		    overlaps(e, n, gva, len))
			e->watched |= BIT(n);
	}
}

/**
 * emul_watch_port() - note a port access
 * @e: the emulation; some breakpoint is enabled
 * @port: first port
 * @size: ports
 *
 * I/O breakpoints exist with CR4.DE only.
 */
void emul_watch_port(struct umbra_emul *e, u16 port, unsigned int size)
{
	unsigned int n;

	if (!(e->r.cr4 & X86_CR4_DE))
		return;
	for (n = 0; n < 4; n++)
		if (enabled(e->r.dr7, n) && kind(e->r.dr7, n) == RW_PORT &&
		    overlaps(e, n, port, size))
			e->watched |= BIT(n);
}
