// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the state that a step begins with
 *
 * A mode, a privilege level and everything that belongs to them, in the forms that both
 * KVM and the processor accept; the rest is random.
 */
#include "guest_fuzz.h"

#include <string.h>

#define CR0_PE		1u
#define CR0_MP		2u
#define CR0_EM		4u
#define CR0_TS		8u
#define CR0_ET		0x10u
#define CR0_NE		0x20u
#define CR0_WP		0x10000u
#define CR0_PG		0x80000000u
#define CR4_TSD		4u
#define CR4_DE		8u
#define CR4_PSE		0x10u
#define CR4_PAE		0x20u
#define CR4_MCE		0x40u
#define CR4_OSFXSR	0x200u
#define CR4_OSXMMEXCPT	0x400u
#define CR4_UMIP	0x800u
#define CR4_FSGSBASE	0x10000u
#define CR4_SMEP	0x100000u
#define EFER_SCE	1u
#define EFER_LME	0x100u
#define EFER_LMA	0x400u
#define EFER_NX		0x800u
#define FLAGS_VM	0x20000u

static const char *const mode_names[] = {
	[MODE_REAL] = "real", [MODE_V86] = "v86", [MODE_PROT16] = "prot16", [MODE_PROT32] = "prot32",
	[MODE_COMPAT16] = "compat16", [MODE_COMPAT32] = "compat32", [MODE_LONG] = "long",
};

const char *state_mode_name(const struct step *s)
{
	return mode_names[s->mode];
}

/*
 * Reserved bits in a PDPTE that is present (SDM Vol. 3A 4.4.1), where a guest has overwritten it: no processor
 * loads such, and with KVM_SET_SREGS stock KVM keeps those from before.  Or one that leads to no memory: stock KVM
 * ends the guest, used or not (mmu_check_root()).
 */
static bool has_bad_pdpte(const uint8_t *mem, uint64_t table)
{
	const uint64_t reserved = 0xfff00000000001e6;
	uint64_t entry[4];
	unsigned int i;

	memcpy(entry, mem + table, sizeof(entry));
	for (i = 0; i < 4; i++)
		if (entry[i] & 1 && (entry[i] & reserved || entry[i] >= IMAGE_SIZE))
			return true;
	return false;
}

static void choose_mode(struct rng *r, struct step *s, const uint8_t *mem)
{
	static const uint8_t modes[] = {
		MODE_REAL, MODE_REAL, MODE_V86, MODE_PROT16, MODE_PROT32, MODE_PROT32, MODE_PROT32,
		MODE_PROT32, MODE_COMPAT16, MODE_COMPAT32, MODE_COMPAT32, MODE_LONG, MODE_LONG, MODE_LONG,
		MODE_LONG, MODE_LONG, MODE_LONG, MODE_LONG, MODE_LONG, MODE_LONG,
	};

	s->mode = modes[below(r, sizeof(modes))];
	s->root = below(r, IMAGE_ROOTS);
	s->user = chance(r, 40);
	if (s->mode == MODE_REAL) {
		s->paging = PAGING_NONE;
		s->user = false;
	} else if (s->mode >= MODE_COMPAT16) {
		s->paging = PAGING_LONG;
	} else {
		s->paging = below(r, 3);
		if (s->paging == PAGING_PAE && has_bad_pdpte(mem, image_root(PAGING_PAE, s->root)))
			s->paging = PAGING_NONE;
	}
	if (s->mode == MODE_V86)
		s->user = true;
}

/* The segment that a descriptor of the image describes. */
static struct kvm_segment load(const uint8_t *mem, unsigned int index, unsigned int rpl)
{
	uint64_t d = image_descriptor(mem, index);
	uint32_t limit = (d & 0xffff) | (d >> 32 & 0xf0000);

	return (struct kvm_segment) {
		.base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000),
		.limit = d >> 55 & 1 ? limit << 12 | 0xfff : limit,
		.selector = 8 * index + rpl,
		.type = d >> 40 & 15,
		.s = d >> 44 & 1,
		.dpl = d >> 45 & 3,
		.present = d >> 47 & 1,
		.avl = d >> 52 & 1,
		.l = d >> 53 & 1,
		.db = d >> 54 & 1,
		.g = d >> 55 & 1,
	};
}

/*
 * The same for code and data, without a limit, whatever a guest has made of the descriptor: TCG does
 * not look at limits.
 */
static struct kvm_segment load_flat(const uint8_t *mem, unsigned int index, unsigned int rpl)
{
	struct kvm_segment segment = load(mem, index, rpl);

	segment.limit = ~0u;
	segment.g = 1;
	return segment;
}

/*
 * A segment of real or virtual-8086 mode, without a limit: the processor of the test bed, QEMU's
 * TCG, does not look at limits.
 */
static struct kvm_segment real_segment(uint16_t selector, bool v86)
{
	return (struct kvm_segment) {
		.base = 16ull * selector,
		.limit = 0xffffffff,
		.g = 1,
		.selector = selector,
		.type = 3,
		.s = 1,
		.dpl = v86 ? 3 : 0,
		.present = 1,
	};
}

static void make_segments(struct rng *r, struct step *s, const uint8_t *mem)
{
	static const uint8_t codes[MODES][2] = {
		[MODE_PROT16] = { GDT_CODE16, GDT_UCODE16 },
		[MODE_PROT32] = { GDT_CODE32, GDT_UCODE32 },
		[MODE_COMPAT16] = { GDT_CODE16, GDT_UCODE16 },
		[MODE_COMPAT32] = { GDT_CODE32, GDT_UCODE32 },
		[MODE_LONG] = { GDT_CODE64, GDT_UCODE64 },
	};
	struct kvm_sregs *sr = &s->sregs;
	struct kvm_segment *data[] = { &sr->ds, &sr->es, &sr->fs, &sr->gs };
	unsigned int i, rpl = s->user ? 3 : 0;

	if (s->mode == MODE_REAL || s->mode == MODE_V86) {
		for (i = 0; i < 4; i++)
			*data[i] = real_segment(0x1000 + below(r, 16), s->mode == MODE_V86);
		sr->cs = real_segment(below(r, 0x800), s->mode == MODE_V86);
		sr->ss = real_segment(IMAGE_STACK >> 4, s->mode == MODE_V86);
		if (s->mode == MODE_REAL)
			sr->cs.type = 11;
	} else {
		/*
		 * The kernel has the user's data segments.  Its own would become null on the way to user
		 * mode, and TCG does not look whether a segment can be used.
		 */
		bool narrow = s->mode == MODE_PROT16 || s->mode == MODE_COMPAT16;

		for (i = 0; i < 4; i++)
			*data[i] = load_flat(mem, GDT_UDATA, 3);
		sr->cs = load_flat(mem, codes[s->mode][s->user], rpl);
		/*
		 * Nor whether it fetches from code at all, where stock KVM's emulator does.  No processor has
		 * anything else in CS.
		 */
		if (!sr->cs.present || !sr->cs.s || !(sr->cs.type & 8)) {
			sr->cs.present = 1;
			sr->cs.s = 1;
			sr->cs.type = 11;
		}
		/* Where a guest has set it: stock KVM refuses L outside of long mode, where it means nothing. */
		sr->cs.l &= s->mode >= MODE_COMPAT16;
		sr->ss = load_flat(mem, s->user ? (narrow ? GDT_UDATA16 : GDT_UDATA) :
			      narrow ? GDT_DATA16 : GDT_DATA, rpl);
		if (s->mode == MODE_LONG && chance(r, 50)) {
			sr->fs.base = image_pointer(r, s->mode, s->paging);
			sr->gs.base = image_pointer(r, s->mode, s->paging);
		}
	}
	sr->tr = load(mem, s->mode >= MODE_COMPAT16 ? GDT_TSS64 : GDT_TSS32, 0);
	/*
	 * Not busy, as LTR leaves it in QEMU's TCG: when protected mode changes the privilege level
	 * with a busy TSS in TR, which is what the processor has, TCG ends with "invalid tss type".
	 */
	sr->tr.type = 9;
	sr->ldt = load(mem, GDT_LDT, 0);
}

static void make_control(struct rng *r, struct step *s, const struct limits *lim)
{
	static const uint32_t cr4_bits[] = { CR4_TSD, CR4_DE, CR4_PSE, CR4_MCE, CR4_UMIP,
					     CR4_FSGSBASE, CR4_OSFXSR, CR4_OSFXSR, CR4_OSXMMEXCPT };
	struct kvm_sregs *sr = &s->sregs;
	unsigned int i;

	sr->cr0 = CR0_ET | (chance(r, 80) ? CR0_NE : 0) | (chance(r, 70) ? CR0_WP : 0) |
		  (chance(r, 70) ? CR0_MP : 0);
	/* Not both: an MMX instruction is #UD then, but #NM to TCG. */
	if (chance(r, 5))
		sr->cr0 |= below(r, 3) << 2;
	sr->cr4 = 0;
	for (i = 0; i < sizeof(cr4_bits) / 4; i++)
		if (chance(r, 50))
			sr->cr4 |= cr4_bits[i];
	if (!lim->osfxsr)
		sr->cr4 |= CR4_OSFXSR;
	sr->efer = chance(r, 70) ? EFER_SCE : 0;
	if (s->paging >= PAGING_PAE && chance(r, 70))
		sr->efer |= EFER_NX;
	if (s->mode != MODE_REAL)
		sr->cr0 |= CR0_PE;
	if (s->paging != PAGING_NONE) {
		sr->cr0 |= CR0_PG;
		if (chance(r, 20))
			sr->cr4 |= CR4_SMEP;
	}
	if (s->paging >= PAGING_PAE)
		sr->cr4 |= CR4_PAE;
	if (s->paging == PAGING_32 && chance(r, 80))
		sr->cr4 |= CR4_PSE;
	if (s->paging == PAGING_LONG)
		sr->efer |= EFER_LME | EFER_LMA;
	sr->cr3 = image_root(s->paging == PAGING_NONE ? PAGING_32 : s->paging, s->root);
	sr->cr2 = rng_next(r) >> 32;
	sr->cr8 = chance(r, 50) ? 0 : below(r, 16);
	sr->gdt.base = IMAGE_GDT;
	sr->gdt.limit = 8 * GDT_COUNT - 1;
	sr->idt.base = s->mode == MODE_REAL ? 0 :
		       s->mode >= MODE_COMPAT16 ? IMAGE_IDT64 : IMAGE_IDT32;
	sr->idt.limit = s->mode == MODE_REAL ? 0x3ff : s->mode >= MODE_COMPAT16 ? 0xfff : 0x7ff;
}

static uint64_t some_value(struct rng *r, const struct step *s)
{
	static const uint64_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff,
					  0x80000000, 0xffffffff, ~0ull, 1ull << 63, 1ull << 47 };
	switch (below(r, 10)) {
	case 0:
		return rng_next(r);
	case 1:
		return edges[below(r, sizeof(edges) / sizeof(edges[0]))];
	case 2:
	case 3:
		return below(r, 64);
	default:
		return image_pointer(r, s->mode, s->paging);
	}
}

static void make_registers(struct rng *r, struct step *s)
{
	uint64_t *gpr = (uint64_t *)&s->regs;
	unsigned int i, count = s->mode == MODE_LONG ? 16 : 8;
	uint64_t flags = rng_next(r) & 0xcd5;

	for (i = 0; i < 16; i++) {
		gpr[i] = i < count ? some_value(r, s) : 0;
		/* The upper halves outside long mode are undefined after a switch. */
		if (s->mode != MODE_LONG)
			gpr[i] = (uint32_t)gpr[i];
	}
	if (chance(r, 80))
		s->regs.rcx &= 0x3f;
	/* For SYSRET: TCG takes no VIF and VIP from it, but RF and VM (not so SDM Vol. 2B and APM Vol. 3). */
	s->regs.r11 &= ~0x1b0000ull;
	s->regs.rsp = IMAGE_STACK + 0x1000 + 0x1000 * s->user + 8 * below(r, 0x200);
	if (s->mode < MODE_PROT32 || s->mode == MODE_COMPAT16)
		s->regs.rsp &= 0xffff;
	if (chance(r, 2))
		s->regs.rsp = image_pointer(r, s->mode, s->paging);
	s->regs.rip = s->code_gpa - s->sregs.cs.base;
	if (s->mode != MODE_LONG)
		s->regs.rip = (uint32_t)s->regs.rip;
	if (chance(r, 40))
		flags |= 1 << 9;
	if (chance(r, 20))
		flags |= below(r, 4) << 12;
	if (chance(r, 4))
		flags |= 1 << 8;
	if (chance(r, 2))
		flags |= 1 << 16;
	if (s->mode == MODE_V86)
		flags |= FLAGS_VM | (chance(r, 50) ? 3 << 12 : 0);
	s->regs.rflags = flags | 2;
}

static void make_fpu(struct rng *r, struct step *s)
{
	unsigned int i, j;

	s->fpu.fcw = 0x37f;
	s->fpu.mxcsr = 0x1f80;
	for (i = 0; i < 16; i++)
		for (j = 0; j < 16; j++)
			s->fpu.xmm[i][j] = rng_next(r);
	/* In 32-bit modes the upper eight are not there to be lost. */
}

/* What the page tables or the stack do with it is none of our business: it is taken or not. */
static void make_events(struct rng *r, struct step *s)
{
	s->interrupt = -1;
	s->nmi = chance(r, 2);
	if (!s->nmi && s->regs.rflags & 1 << 9 && chance(r, 5))
		s->interrupt = 32 + below(r, 224);
}

void state_make(struct rng *r, struct step *s, const uint8_t *mem, const struct limits *lim)
{
	memset(s, 0, sizeof(*s));
	choose_mode(r, s, mem);
	make_segments(r, s, mem);
	make_control(r, s, lim);
	/* Real mode's code is above its CS, and mostly within 64 KiB anyhow. */
	s->code_gpa = IMAGE_CODE + (below(r, IMAGE_CODE_SIZE - CODE_MAX) & ~7ull);
	if (chance(r, 10))
		s->code_gpa = IMAGE_CODE + 0x1000 * (1 + below(r, 3)) - below(r, 48);
	make_registers(r, s);
	make_fpu(r, s);
	s->debug.dr6 = 0xffff0ff0;
	s->debug.dr7 = 0x400;
	make_events(r, s);
	gen_code(r, s, lim);
}
