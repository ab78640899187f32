// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: port I/O
 *
 * IN and OUT, and the right to use them: CPL <= IOPL, else the bit map in the
 * TSS (SDM Vol. 1, 19.5).
 */
#include "emul_internal.h"

#define TSS_IOMAP_BASE	102	/* 32- and 64-bit TSS: offset of the map */
#define TSS_MIN_LIMIT	103

/* Every port of the access must have its bit clear. */
static int bitmap_check(struct umbra_emul *e, u16 port, unsigned int size)
{
	const struct umbra_seg *tr = &e->r.seg[UMBRA_TR];
	u16 at, bits;
	u32 off;
	int ret;

	if (!(tr->attr & UMBRA_SEG_P) || !(tr->attr & 8) ||
	    tr->limit < TSS_MIN_LIMIT)
		return emul_gp(e);
	ret = emul_read_sys(e, tr->base + TSS_IOMAP_BASE, &at, 2, 0);
	if (ret)
		return ret;
	off = at + port / 8;
	if (off + 1 > tr->limit)
		return emul_gp(e);
	ret = emul_read_sys(e, tr->base + off, &bits, 2, 0);
	if (ret)
		return ret;
	if (bits >> (port & 7) & ((1u << size) - 1))
		return emul_gp(e);
	return UMBRA_EMUL_OK;
}

/**
 * emul_io_check() - may the guest touch the ports?
 * @e: the emulation
 * @port: first port
 * @size: 1, 2 or 4 ports
 *
 * Return: OK, #GP(0), or what reading the TSS returned.
 */
int emul_io_check(struct umbra_emul *e, u16 port, unsigned int size)
{
	if (!emul_prot(e))
		return UMBRA_EMUL_OK;
	if (!emul_v86(e) && e->r.cpl <= emul_iopl(e))
		return UMBRA_EMUL_OK;
	return bitmap_check(e, port, size);
}

static int access_port(struct umbra_emul *e, struct emul_insn *in, bool in_dir,
		       u32 *val)
{
	u16 port = in->src.val;
	int ret;

	if (in->src.type == EMUL_OT_IMM)
		port &= 0xff;
	if (!e->ops->pio)
		return emul_unhandled(e, "IN or OUT without port access");
	ret = emul_io_check(e, port, in->dst.size);
	if (ret)
		return ret;
	if (emul_watching(e))
		emul_watch_port(e, port, in->dst.size);
	return e->ops->pio(e, port, in->dst.size, in_dir, false, val);
}

int emul_op_in(struct umbra_emul *e, struct emul_insn *in)
{
	u32 val = 0;
	int ret;

	ret = access_port(e, in, true, &val);
	if (!ret)
		emul_gpr_set(e, UMBRA_RAX, in->dst.size, val);
	return ret;
}

int emul_op_out(struct umbra_emul *e, struct emul_insn *in)
{
	u32 val = in->dst.val;

	return access_port(e, in, false, &val);
}
