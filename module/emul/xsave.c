// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: XSAVE and its relatives
 *
 * XSAVE, XSAVEOPT, XSAVEC and XRSTOR (SDM Vol. 1, chapter 13) between memory and
 * the owner's image of the guest's state.  The image is plain: it holds every
 * component, also one in its initial configuration; which ones are in use is found
 * by looking.  A processor may call more components used than that.
 */
#include "x87_internal.h"

#define XS_LEGACY	512
#define XS_HEADER	64
#define XS_COMPACT	BIT_ULL(63)
#define XS_X87		BIT_ULL(0)
#define XS_SSE		BIT_ULL(1)
#define XS_AVX		BIT_ULL(2)
#define XS_COMPONENTS	63

/* The legacy area: x87, MXCSR, x87 again, XMM. */
#define XS_X87_END	24
#define XS_ST		32
#define XS_XMM		160

/* Header words. */
enum { XS_BV, XS_COMP_BV };

static int begin(struct umbra_emul *e, struct emul_insn *in, struct umbra_xstate *x, u64 *rfbm)
{
	int ret;

	if (!(e->r.cr4 & X86_CR4_OSXSAVE))
		return emul_ud(e);
	if (e->r.cr0 & X86_CR0_TS)
		return emul_fault_noerr(e, EMUL_NM);
	if (!e->ops->xstate)
		return emul_unhandled(e, "XSAVE instruction");
	if (emul_misaligned(e, in, 64))
		return emul_gp(e);
	*rfbm = (u32)e->r.gpr[UMBRA_RAX] | e->r.gpr[UMBRA_RDX] << 32;
	*rfbm &= e->r.xcr0;
	ret = e->ops->xstate(e, x);
	if (!ret && *rfbm & ~x->features)
		return emul_unhandled(e, "state component out of reach");
	return ret;
}

static int put(struct umbra_emul *e, struct emul_insn *in, unsigned int at, const void *buf,
	       unsigned int len)
{
	unsigned int n;
	int ret = UMBRA_EMUL_OK;

	for (; len && !ret; len -= n, at += n, buf += n) {
		n = min(len, 64u);
		ret = emul_write(e, in->mem.seg, in->mem.ea + at, buf, n);
	}
	return ret;
}

static int get(struct umbra_emul *e, struct emul_insn *in, unsigned int at, void *buf,
	       unsigned int len)
{
	unsigned int n;
	int ret = UMBRA_EMUL_OK;

	for (; len && !ret; len -= n, at += n, buf += n) {
		n = min(len, 64u);
		ret = emul_read(e, in->mem.seg, in->mem.ea + at, buf, n, 0);
	}
	return ret;
}

/* Outside 64-bit mode half of the registers is not there (SDM Vol. 1, 13.5). */
static unsigned int reach(const struct emul_insn *in, const struct umbra_xstate *x, unsigned int i)
{
	unsigned int size = x->component[i].size;

	if (in->mode == 64)
		return size;
	if (i == 7)
		return 0;
	return i == 2 || i == 6 ? size / 2 : size;
}

static unsigned int xmm_end(const struct emul_insn *in)
{
	return in->mode == 64 ? 416 : 288;
}

static bool zero(const u8 *mem, unsigned int len)
{
	while (len && !*mem) {
		mem++;
		len--;
	}
	return !len;
}

static bool x87_initial(const u8 *fx)
{
	return fx_u16(fx, FX_FCW) == FCW_INIT && zero(fx + FX_FSW, XS_X87_END - FX_FSW) &&
	       zero(fx + XS_ST, XS_XMM - XS_ST);
}

static u32 mxcsr_of(const u8 *fx)
{
	u32 mxcsr;

	memcpy(&mxcsr, fx + FX_MXCSR, 4);
	return mxcsr;
}

static u64 in_use(const struct umbra_xstate *x, u64 rfbm)
{
	const u8 *fx = x->image;
	unsigned int i;
	u64 used = 0;

	if (!x87_initial(fx))
		used |= XS_X87;
	if (mxcsr_of(fx) != MXCSR_INIT || !zero(fx + XS_XMM, 256))
		used |= XS_SSE;
	for (i = 2; i < XS_COMPONENTS; i++)
		if (rfbm >> i & 1 && !zero(fx + x->component[i].offset, x->component[i].size))
			used |= BIT_ULL(i);
	return used & rfbm;
}

/* Offset of component @i in an area; in a compacted one those in @comp_bv come before it. */
static unsigned int place(const struct umbra_xstate *x, unsigned int i, u64 comp_bv)
{
	unsigned int at = XS_LEGACY + XS_HEADER, n;

	if (!(comp_bv & XS_COMPACT))
		return x->component[i].offset;
	for (n = 2; n <= i; n++) {
		if (!(comp_bv >> n & 1))
			continue;
		if (x->component[n].aligned)
			at = (at + 63) & ~63u;
		if (n < i)
			at += x->component[n].size;
	}
	return at;
}

/* Write the components of @which; @mxcsr on its own, for it belongs to two of them. */
static int save(struct umbra_emul *e, struct emul_insn *in, const struct umbra_xstate *x,
		u64 which, bool mxcsr, u64 comp_bv)
{
	const u8 *fx = x->image;
	u32 control[2] = { mxcsr_of(fx), x->mxcsr_mask };
	unsigned int i;
	int ret = UMBRA_EMUL_OK;

	if (which & XS_X87) {
		ret = put(e, in, 0, fx, XS_X87_END);
		if (!ret)
			ret = put(e, in, XS_ST, fx + XS_ST, XS_XMM - XS_ST);
	}
	if (!ret && mxcsr)
		ret = put(e, in, FX_MXCSR, control, 8);
	if (!ret && which & XS_SSE)
		ret = put(e, in, XS_XMM, fx + XS_XMM, xmm_end(in) - XS_XMM);
	for (i = 2; i < XS_COMPONENTS && !ret; i++)
		if (which >> i & 1)
			ret = put(e, in, place(x, i, comp_bv), fx + x->component[i].offset,
				  reach(in, x, i));
	return ret;
}

/* Standard format; @optimize: what is in its initial configuration is not written. */
static int save_standard(struct umbra_emul *e, struct emul_insn *in, bool optimize)
{
	struct umbra_xstate x;
	u64 rfbm, used, bv;
	int ret;

	ret = begin(e, in, &x, &rfbm);
	if (ret)
		return ret;
	used = in_use(&x, rfbm);
	ret = save(e, in, &x, optimize ? used : rfbm, rfbm & (XS_SSE | XS_AVX), 0);
	if (!ret)
		ret = get(e, in, XS_LEGACY, &bv, 8);
	if (ret)
		return ret;
	bv = (bv & ~rfbm) | used;
	return put(e, in, XS_LEGACY, &bv, 8);
}

int emul_op_xsave(struct umbra_emul *e, struct emul_insn *in)
{
	return save_standard(e, in, false);
}

int emul_op_xsaveopt(struct umbra_emul *e, struct emul_insn *in)
{
	return save_standard(e, in, true);
}

int emul_op_xsavec(struct umbra_emul *e, struct emul_insn *in)
{
	struct umbra_xstate x;
	u64 rfbm, header[2];
	int ret;

	ret = begin(e, in, &x, &rfbm);
	if (ret)
		return ret;
	header[XS_BV] = in_use(&x, rfbm);
	header[XS_COMP_BV] = rfbm | XS_COMPACT;
	ret = save(e, in, &x, header[XS_BV], header[XS_BV] & XS_SSE, header[XS_COMP_BV]);
	return ret ? ret : put(e, in, XS_LEGACY, header, sizeof(header));
}

/* SDM Vol. 1, 13.8: what XRSTOR does not take. */
static bool header_ok(const struct umbra_emul *e, const u64 *header)
{
	if (header[XS_BV] & ~e->r.xcr0)
		return false;
	if (!(header[XS_COMP_BV] & XS_COMPACT))
		return !header[XS_COMP_BV] && !header[2];
	return !(header[XS_COMP_BV] & ~XS_COMPACT & ~e->r.xcr0) &&
	       !(header[XS_BV] & ~header[XS_COMP_BV]) &&
	       zero((const u8 *)(header + 2), XS_HEADER - 16);
}

/* Initial values for the components of @which. */
static void initialize(const struct emul_insn *in, struct umbra_xstate *x, u64 which)
{
	u8 *fx = x->image;
	unsigned int i;

	if (which & XS_X87) {
		memset(fx, 0, XS_X87_END);
		memset(fx + XS_ST, 0, XS_XMM - XS_ST);
		fx_put_u16(fx, FX_FCW, FCW_INIT);
	}
	if (which & XS_SSE)
		memset(fx + XS_XMM, 0, xmm_end(in) - XS_XMM);
	for (i = 2; i < XS_COMPONENTS; i++)
		if (which >> i & 1)
			memset(fx + x->component[i].offset, 0, reach(in, x, i));
}

/* Read the components of @which into the image; @head: the first XS_X87_END bytes, read already. */
static int restore(struct umbra_emul *e, struct emul_insn *in, struct umbra_xstate *x,
		   u64 which, u64 comp_bv, const u8 *head)
{
	u8 *fx = x->image;
	unsigned int i;
	int ret = UMBRA_EMUL_OK;

	if (which & XS_X87) {
		memcpy(fx, head, XS_X87_END);
		ret = get(e, in, XS_ST, fx + XS_ST, XS_XMM - XS_ST);
		/* ES and B are no state: they follow from the rest. */
		emul_fx_control(fx, fx_u16(fx, FX_FCW), fx_u16(fx, FX_FSW));
	}
	if (!ret && which & XS_SSE)
		ret = get(e, in, XS_XMM, fx + XS_XMM, xmm_end(in) - XS_XMM);
	for (i = 2; i < XS_COMPONENTS && !ret; i++)
		if (which >> i & 1)
			ret = get(e, in, place(x, i, comp_bv), fx + x->component[i].offset,
				  reach(in, x, i));
	return ret;
}

/*
 * A fault on the way may leave some components loaded, as on a processor.  The area's beginning is read first, also
 * where its header says that it holds no x87 state: an area that is not there is a page fault at its own
 * address (an EPYC's CR2).
 */
int emul_op_xrstor(struct umbra_emul *e, struct emul_insn *in)
{
	u64 rfbm, header[XS_HEADER / 8], with_mxcsr = XS_SSE;
	u32 mxcsr = MXCSR_INIT;
	struct umbra_xstate x;
	u8 head[XS_X87_END];
	int ret;

	ret = begin(e, in, &x, &rfbm);
	if (!ret && rfbm & XS_X87)
		ret = get(e, in, 0, head, sizeof(head));
	if (!ret)
		ret = get(e, in, XS_LEGACY, header, sizeof(header));
	if (ret)
		return ret;
	if (!header_ok(e, header))
		return emul_gp(e);
	/* The standard form has MXCSR also where SSE is initial, and AVX is enough for it. */
	if (!(header[XS_COMP_BV] & XS_COMPACT))
		with_mxcsr = XS_SSE | XS_AVX;
	if (with_mxcsr == XS_SSE ? rfbm & header[XS_BV] & XS_SSE : rfbm & with_mxcsr)
		ret = get(e, in, FX_MXCSR, &mxcsr, 4);
	if (ret)
		return ret;
	if (mxcsr & ~x.mxcsr_mask)
		return emul_gp(e);
	ret = restore(e, in, &x, rfbm & header[XS_BV], header[XS_COMP_BV], head);
	if (ret)
		return ret;
	initialize(in, &x, rfbm & ~header[XS_BV]);
	if (rfbm & with_mxcsr)
		memcpy(x.image + FX_MXCSR, &mxcsr, 4);
	return UMBRA_EMUL_OK;
}
