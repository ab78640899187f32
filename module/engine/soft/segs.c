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
 * Guest kernel code runs with the engine's CS and SS and reads its own selectors
 * from memory.
 */
#include "soft_internal.h"

#include <asm/segment.h>

#define SEL_RPL		3
#define SEL_TI		4

#define DESC_TYPE_CODE	0x8
#define DESC_TYPE_EXPAND_DOWN 0x4
#define DESC_TYPE_CONFORMING 0x4
#define DESC_TYPE_ACCESSED 0x1

#define DESC_ACCESS	(0xffull << (8 * SOFT_DESC_ACCESS))

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

static bool same_seg(const struct umbra_seg *a, const struct umbra_seg *b)
{
	return a->sel == b->sel && a->attr == b->attr && a->limit == b->limit &&
	       a->base == b->base;
}

/* The same to put_seg(): a null selector has no descriptor. */
static bool same_desc(const struct umbra_seg *a, const struct umbra_seg *b)
{
	return a->sel == b->sel && (is_null(a->sel) || same_seg(a, b));
}

/* What SYSCALL and SYSRET load (SDM Vol. 2B). */
static u16 syscall_cs(const struct umbra_regs *regs)
{
	return regs->star >> 32 & 0xfffc;
}

static struct umbra_seg return_cs(const struct umbra_regs *regs)
{
	return umbra_seg_flat(((regs->star >> 48) + 16) | 3, 3, UMBRA_SEG_CODE64);
}

static struct umbra_seg return_ss(const struct umbra_regs *regs)
{
	return umbra_seg_flat(((regs->star >> 48) + 8) | 3, 3, UMBRA_SEG_DATA32);
}

/* The data segments, in the frame and the real table. */
static void put_data(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct soft_frame *frame = soft->area.frame;
	u64 *gdt = soft->area.gdt;

	frame->ds = put_seg(gdt, &regs->seg[UMBRA_DS]);
	frame->es = put_seg(gdt, &regs->seg[UMBRA_ES]);
	frame->fs = put_seg(gdt, &regs->seg[UMBRA_FS]);
	frame->gs = put_seg(gdt, &regs->seg[UMBRA_GS]);
}

/* Real registers can have it in both modes, and a return to user code leaves it alone. */
static bool is_live(const struct umbra_seg *seg)
{
	if (is_null(seg->sel))
		return true;
	return seg_fits(seg) && (seg->attr & UMBRA_SEG_P) &&
	       (seg->attr & UMBRA_SEG_DPL) == UMBRA_SEG_DPL;
}

static bool data_is_live(const struct umbra_regs *regs)
{
	return is_live(&regs->seg[UMBRA_DS]) && is_live(&regs->seg[UMBRA_ES]) &&
	       is_live(&regs->seg[UMBRA_FS]) && is_live(&regs->seg[UMBRA_GS]);
}

/* CS and SS last: should two selectors of one slot disagree, they win. */
static void segs_user(struct soft_vcpu *soft, const struct umbra_regs *regs,
		      const struct umbra_seg *cs, const struct umbra_seg *ss)
{
	u64 *gdt = soft->area.gdt;

	/* Not to be loaded; the switcher changes that byte alone. */
	gdt[SOFT_SEL_KCODE >> 3] = SOFT_DESC_CODE & ~DESC_ACCESS;
	gdt[SOFT_SEL_KDATA >> 3] = SOFT_DESC_DATA & ~DESC_ACCESS;
	put_data(soft, regs);
	soft->user_ss = put_seg(gdt, &regs->seg[UMBRA_SS]);
	soft->user_cs = put_seg(gdt, &regs->seg[UMBRA_CS]);
	soft->live = true;
	soft->can_return = same_seg(cs, &regs->seg[UMBRA_CS]) &&
			   same_seg(ss, &regs->seg[UMBRA_SS]);
}

static void segs_kernel(struct soft_vcpu *soft, const struct umbra_regs *regs,
			const struct umbra_seg *cs, const struct umbra_seg *ss)
{
	struct soft_frame *frame = soft->area.frame;
	u64 *gdt = soft->area.gdt;

	gdt[SOFT_SEL_KCODE >> 3] = SOFT_DESC_CODE;
	gdt[SOFT_SEL_KDATA >> 3] = SOFT_DESC_DATA;
	frame->ds = 0;
	frame->es = 0;
	frame->fs = 0;
	frame->gs = 0;
	soft->can_return = false;
	soft->live = data_is_live(regs);
	if (!soft->live)
		return;
	put_data(soft, regs);
	if (!slot_fits(cs->sel) || !slot_fits(ss->sel))
		return;
	put_seg(gdt, ss);
	put_seg(gdt, cs);
	soft->can_return = true;
}

/* The data segments are those of the last umbra_soft_segs_in(). */
static bool same_data(const struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	return same_desc(&soft->data[0], &regs->seg[UMBRA_DS]) &&
	       same_desc(&soft->data[1], &regs->seg[UMBRA_ES]) &&
	       same_desc(&soft->data[2], &regs->seg[UMBRA_FS]) &&
	       same_desc(&soft->data[3], &regs->seg[UMBRA_GS]);
}

/* CS and SS are those that the switcher would have come to the mode with. */
static bool same_ring(const struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct umbra_seg cs, ss;

	if (regs->cpl == 0)
		return regs->seg[UMBRA_CS].sel == syscall_cs(regs);
	cs = return_cs(regs);
	ss = return_ss(regs);
	return same_seg(&cs, &regs->seg[UMBRA_CS]) && same_seg(&ss, &regs->seg[UMBRA_SS]);
}

static void put_selectors(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct soft_frame *frame = soft->area.frame;
	u16 *sel = soft->area.vdata->sel;
	unsigned int i;

	frame->fsbase = regs->seg[UMBRA_FS].base;
	frame->gsbase = regs->seg[UMBRA_GS].base;
	for (i = UMBRA_ES; i <= UMBRA_GS; i++)
		sel[i] = regs->seg[i].sel;
}

/**
 * umbra_soft_segs_turn() - as umbra_soft_segs_in(), if only the mode is another one
 * @soft: the vCPU; segs_mode is that of the last entry
 * @regs: guest registers
 *
 * The delivery of an event, or an IRET in C code.  The real table has all that both modes
 * need, but for the access bytes that the switcher would have changed.
 *
 * Return: false: more than that has changed.
 */
bool umbra_soft_segs_turn(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	u64 *gdt = soft->area.gdt;
	bool user = regs->cpl == 3;

	if (!soft->can_return || !soft->data_live || soft->segs_star != regs->star ||
	    soft->segs_gdtr.base != regs->gdtr.base ||
	    soft->segs_gdtr.limit != regs->gdtr.limit ||
	    !same_data(soft, regs) || !same_ring(soft, regs))
		return false;
	gdt[SOFT_SEL_KCODE >> 3] = user ? SOFT_DESC_CODE & ~DESC_ACCESS : SOFT_DESC_CODE;
	gdt[SOFT_SEL_KDATA >> 3] = user ? SOFT_DESC_DATA & ~DESC_ACCESS : SOFT_DESC_DATA;
	if (user) {
		soft->user_cs = regs->seg[UMBRA_CS].sel;
		soft->user_ss = regs->seg[UMBRA_SS].sel;
	}
	put_selectors(soft, regs);
	return true;
}

static void remember(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	soft->data[0] = regs->seg[UMBRA_DS];
	soft->data[1] = regs->seg[UMBRA_ES];
	soft->data[2] = regs->seg[UMBRA_FS];
	soft->data[3] = regs->seg[UMBRA_GS];
	soft->data_live = data_is_live(regs);
	soft->segs_star = regs->star;
	soft->segs_gdtr = regs->gdtr;
}

/**
 * umbra_soft_segs_in() - descriptors and selectors for the next entry
 * @soft: the vCPU
 * @regs: guest registers; for user code umbra_soft_segs_fit()
 *
 * User code has the guest's own segments.  Translated code has the engine's CS and SS; the
 * data segments stay the guest's if they can, so that the switcher need not change them
 * between the two.  soft_vcpu.can_return: the table has the segments that SYSRET loads.
 */
void umbra_soft_segs_in(struct soft_vcpu *soft, const struct umbra_regs *regs)
{
	struct soft_frame *frame = soft->area.frame;
	struct umbra_seg cs = return_cs(regs), ss = return_ss(regs);
	u16 kernel_cs = syscall_cs(regs);

	clear_slots(soft->area.gdt);
	if (regs->cpl == 3)
		segs_user(soft, regs, &cs, &ss);
	else
		segs_kernel(soft, regs, &cs, &ss);
	frame->to_user.cs = cs.sel;
	frame->to_user.ss = ss.sel;
	frame->kernel_sel = kernel_cs | (u32)(kernel_cs + 8) << 16;
	put_selectors(soft, regs);
	remember(soft, regs);
}

/**
 * umbra_soft_segs_moved() - the switcher went to the other mode by itself
 * @regs: guest registers
 * @user: it is user code now
 */
void umbra_soft_segs_moved(struct umbra_regs *regs, bool user)
{
	u16 cs = syscall_cs(regs);

	regs->cpl = user ? 3 : 0;
	regs->seg[UMBRA_CS] = user ? return_cs(regs) : umbra_seg_flat(cs, 0, UMBRA_SEG_CODE64);
	regs->seg[UMBRA_SS] = user ? return_ss(regs) : umbra_seg_flat(cs + 8, 0, UMBRA_SEG_DATA32);
}

/* A selector that user code loaded by itself: the hidden part is that of the slot. */
static void take_seg(struct soft_vcpu *soft, struct umbra_seg *seg, u16 sel)
{
	const u64 *gdt = soft->area.gdt;
	u64 desc;

	if (sel == seg->sel)
		return;
	soft->segs_stale = true;
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

/* Not inline: code that loads segments is rare. */
static noinline void take_data(struct soft_vcpu *soft, struct umbra_regs *regs)
{
	const struct soft_frame *frame = soft->area.frame;

	take_seg(soft, &regs->seg[UMBRA_DS], frame->ds);
	take_seg(soft, &regs->seg[UMBRA_ES], frame->es);
	take_seg(soft, &regs->seg[UMBRA_FS], frame->fs);
	take_seg(soft, &regs->seg[UMBRA_GS], frame->gs);
}

static bool same_selectors(const struct soft_frame *frame, const struct umbra_regs *regs)
{
	return !((frame->ds ^ regs->seg[UMBRA_DS].sel) | (frame->es ^ regs->seg[UMBRA_ES].sel) |
		 (frame->fs ^ regs->seg[UMBRA_FS].sel) | (frame->gs ^ regs->seg[UMBRA_GS].sel));
}

/**
 * umbra_soft_segs_back() - what user code did to its segments
 * @soft: the vCPU
 * @regs: guest registers
 */
void umbra_soft_segs_back(struct soft_vcpu *soft, struct umbra_regs *regs)
{
	const struct soft_frame *frame = soft->area.frame;
	/* The page is the guest's to write. */
	u64 fs_base = READ_ONCE(soft->area.vdata->fs_base);

	if (soft->live && unlikely(!same_selectors(frame, regs)))
		take_data(soft, regs);
	/* Behind the selectors, which bring bases of their own. */
	if (regs->cpl)
		regs->seg[UMBRA_FS].base = frame->fsbase;
	else if (umbra_canonical(fs_base, SOFT_VA_BITS))
		regs->seg[UMBRA_FS].base = fs_base;
	regs->seg[UMBRA_GS].base = frame->gsbase;
	/* Without live segments it was kernel code, and stayed that. */
	if (regs->cpl == 0 || frame->vector == SOFT_VEC_SYSCALL ||
	    frame->vector == SOFT_VEC_SYSCALL32)
		return;
	take_seg(soft, &regs->seg[UMBRA_CS], frame->cs);
	take_seg(soft, &regs->seg[UMBRA_SS], frame->ss);
}
