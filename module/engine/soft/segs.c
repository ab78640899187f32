// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: segments of the guest
 *
 * Guest user code has its own selectors in the real registers, because it can
 * read and load them without a trap.  What stands in the real descriptor table
 * is rebuilt from the hidden parts that the guest loaded, never copied: a
 * code or data segment of DPL 3, or nothing.  A selector that the guest loads
 * and that is not there yet is #GP or #NP on the real processor, and the
 * emulator's to judge by the guest's own tables; after that it is there.
 *
 *   0x08..0x18	host kernel (the switcher's)	0x60..0x78  guest user
 *   0x20..0x38	guest user			0x80..0x88  the engine's TSS
 *   0x40..0x48	host TSS			0x90, 0x98  translated kernel code
 *   0x50..0x58	never				0xa0..0xf8  guest user
 *
 * Guest kernel code runs with the engine's selectors and reads its own from
 * memory.
 */
#include "soft_internal.h"

#include <asm/segment.h>

#define SEL_RPL		3
#define SEL_TI		4

#define DESC_TYPE_CODE	0x8
#define DESC_TYPE_EXPAND_DOWN 0x4
#define DESC_TYPE_CONFORMING 0x4
#define DESC_TYPE_ACCESSED 0x1

/* Flat, DPL 3, accessed: 64-bit code; writable data. */
#define SOFT_DESC_KCODE	0x00affb000000ffffull
#define SOFT_DESC_KDATA	0x00cff3000000ffffull

/* Slots of the real table that guest user selectors may name. */
#define USER_SLOTS	(0x000000f0u | 0x0000f000u | 0xfff00000u)

static bool is_null(u16 sel)
{
	return !(sel & ~SEL_RPL);
}

static bool slot_fits(u16 sel)
{
	return !(sel & SEL_TI) && (sel >> 3) < SOFT_GDT_ENTRIES &&
	       (USER_SLOTS & BIT(sel >> 3));
}

/* A segment that user code of this selector may have in a data register. */
static bool seg_fits(const struct umbra_seg *seg)
{
	if (is_null(seg->sel))
		return true;
	if (!slot_fits(seg->sel))
		return false;
	return !(seg->attr & UMBRA_SEG_P) || (seg->attr & UMBRA_SEG_S);
}

/**
 * umbra_soft_segs_fit() - can the real processor have these segments in user mode
 * @regs: guest registers, CPL 3
 *
 * Return: false: LDT, a selector in a slot that is taken, or an odd state that
 * only userspace can have made: the emulator runs it.
 */
bool umbra_soft_segs_fit(const struct umbra_regs *regs)
{
	const struct umbra_seg *cs = &regs->seg[UMBRA_CS];
	const struct umbra_seg *ss = &regs->seg[UMBRA_SS];

	if (is_null(cs->sel) || !slot_fits(cs->sel) || (cs->sel & SEL_RPL) != 3)
		return false;
	if (!(cs->attr & UMBRA_SEG_P) || !(cs->attr & DESC_TYPE_CODE))
		return false;
	if (is_null(ss->sel) || !slot_fits(ss->sel) || (ss->sel & SEL_RPL) != 3)
		return false;
	if (!(ss->attr & UMBRA_SEG_P) || (ss->attr & DESC_TYPE_CODE))
		return false;
	if (cs->sel >> 3 == ss->sel >> 3)
		return false;
	return seg_fits(&regs->seg[UMBRA_DS]) && seg_fits(&regs->seg[UMBRA_ES]) &&
	       seg_fits(&regs->seg[UMBRA_FS]) && seg_fits(&regs->seg[UMBRA_GS]);
}

/* A descriptor of DPL 3 made from a hidden part (SDM Vol. 3A 3.4.5). */
static u64 make_desc(const struct umbra_seg *seg)
{
	u32 limit = seg->attr & UMBRA_SEG_G ? seg->limit >> 12 : seg->limit;
	u64 attr = seg->attr | UMBRA_SEG_S | UMBRA_SEG_P | UMBRA_SEG_DPL | DESC_TYPE_ACCESSED;
	u64 base = (u32)seg->base;

	/* L and D together are reserved. */
	if ((attr & UMBRA_SEG_L) && (attr & DESC_TYPE_CODE))
		attr &= ~(u64)UMBRA_SEG_DB;
	return (limit & 0xffff) | (u64)((limit >> 16) & 0xf) << 48 |
	       (base & 0xffffff) << 16 | (base >> 24) << 56 |
	       (attr & 0xff) << 40 | ((attr >> 8) & 0xf) << 52;
}

static void clear_slots(u64 *gdt)
{
	unsigned int i;

	for (i = 4; i < SOFT_GDT_ENTRIES; i++)
		if (USER_SLOTS & BIT(i))
			gdt[i] = 0;
}

/* FS and GS keep a base of 64 bits beside the descriptor; the table has what fits. */
static u16 put_seg(u64 *gdt, const struct umbra_seg *seg)
{
	if (is_null(seg->sel) || !(seg->attr & UMBRA_SEG_P))
		return is_null(seg->sel) ? seg->sel : 0;
	gdt[seg->sel >> 3] = make_desc(seg);
	return seg->sel;
}

/**
 * umbra_soft_segs_user() - the guest's own segments for its user code
 * @soft: the vCPU
 * @regs: guest registers; umbra_soft_segs_fit()
 *
 * CS and SS last: should two selectors of one slot disagree, they win.
 */
void umbra_soft_segs_user(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct soft_frame *frame = soft->area.frame;
	u64 *gdt = soft->area.gdt;

	clear_slots(gdt);
	gdt[SOFT_SEL_KCODE >> 3] = 0;
	gdt[SOFT_SEL_KDATA >> 3] = 0;
	frame->ds = put_seg(gdt, &regs->seg[UMBRA_DS]);
	frame->es = put_seg(gdt, &regs->seg[UMBRA_ES]);
	frame->fs = put_seg(gdt, &regs->seg[UMBRA_FS]);
	frame->gs = put_seg(gdt, &regs->seg[UMBRA_GS]);
	frame->ss = put_seg(gdt, &regs->seg[UMBRA_SS]);
	frame->cs = put_seg(gdt, &regs->seg[UMBRA_CS]);
	frame->fsbase = regs->seg[UMBRA_FS].base;
	frame->gsbase = regs->seg[UMBRA_GS].base;
}

/**
 * umbra_soft_segs_kernel() - the engine's descriptors for translated code, the guest's bases
 * @soft: the vCPU
 * @regs: guest registers
 *
 * The selectors are set at each entry: an exit leaves others in the frame.
 */
void umbra_soft_segs_kernel(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct soft_frame *frame = soft->area.frame;
	struct soft_vdata *vdata = soft->area.vdata;
	u64 *gdt = soft->area.gdt;
	unsigned int i;

	clear_slots(gdt);
	gdt[SOFT_SEL_KCODE >> 3] = SOFT_DESC_KCODE;
	gdt[SOFT_SEL_KDATA >> 3] = SOFT_DESC_KDATA;
	frame->fsbase = regs->seg[UMBRA_FS].base;
	frame->gsbase = regs->seg[UMBRA_GS].base;
	for (i = UMBRA_ES; i <= UMBRA_GS; i++)
		vdata->sel[i] = regs->seg[i].sel;
}

/* A selector that user code loaded by itself: the hidden part is that of the slot. */
static void take_seg(const struct soft_vcpu *soft, struct umbra_seg *seg, u16 sel)
{
	const u64 *gdt = soft->area.gdt;
	u64 desc;

	if (sel == seg->sel)
		return;
	seg->sel = sel;
	if (is_null(sel)) {
		seg->attr = 0;
		seg->limit = 0;
		seg->base = 0;
		return;
	}
	/* It was loaded, so the slot is one of ours and present. */
	desc = gdt[(sel >> 3) % SOFT_GDT_ENTRIES];
	seg->attr = ((desc >> 40) & 0xff) | ((desc >> 52) & 0xf) << 8;
	seg->limit = (desc & 0xffff) | ((desc >> 48) & 0xf) << 16;
	if (seg->attr & UMBRA_SEG_G)
		seg->limit = seg->limit << 12 | 0xfff;
	seg->base = ((desc >> 16) & 0xffffff) | (desc >> 56) << 24;
}

/**
 * umbra_soft_segs_back() - what user code did to its segments
 * @soft: the vCPU
 * @regs: guest registers
 */
void umbra_soft_segs_back(struct soft_vcpu *soft, struct umbra_regs *regs)
{
	const struct soft_frame *frame = soft->area.frame;

	take_seg(soft, &regs->seg[UMBRA_DS], frame->ds);
	take_seg(soft, &regs->seg[UMBRA_ES], frame->es);
	take_seg(soft, &regs->seg[UMBRA_FS], frame->fs);
	take_seg(soft, &regs->seg[UMBRA_GS], frame->gs);
	regs->seg[UMBRA_FS].base = frame->fsbase;
	regs->seg[UMBRA_GS].base = frame->gsbase;
	if (frame->vector == SOFT_VEC_SYSCALL || frame->vector == SOFT_VEC_SYSCALL32)
		return;
	take_seg(soft, &regs->seg[UMBRA_CS], frame->cs);
	take_seg(soft, &regs->seg[UMBRA_SS], frame->ss);
}
