// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the hole
 *
 * Memory and page tables of a vCPU's hole, made once with the vCPU.  Three
 * address spaces lead there, by one entry of their level-4 tables each:
 *
 *   intermediate  --->  user tree:    switcher		supervisor only
 *   user view     --->  user tree
 *   kernel view   --->  kernel tree:  switcher, translated code and its data
 *
 * No module may get executable memory from the kernel; here the engine's own
 * page tables make pages executable, and the kernel's mapping of them stays as
 * it is.  The host's tables are never touched.  The intermediate address space
 * is a copy of the host's top-level table: below it all is shared, so that
 * whatever the host maps later is there as well.  In the kernel half top-level
 * entries come with hot-plugged memory only, and stay; then the copy is made again.
 *
 * On hosts with five levels the hole's level-4 entry is in a table that the
 * host uses itself (for the top 256 TiB, where the kernel's text is); the
 * intermediate space has a copy of that, too.
 */
#define pr_fmt(fmt) "umbra: soft: " fmt

#include "soft_internal.h"

#include <linux/gfp.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/vmalloc.h>

#include <asm/desc.h>
#include <asm/io.h>
#include <asm/processor.h>
#include <asm/special_insns.h>
#include <asm/trapnr.h>

#define PTE_P		BIT_ULL(0)
#define PTE_W		BIT_ULL(1)
#define PTE_U		BIT_ULL(2)
#define PTE_A		BIT_ULL(5)
#define PTE_D		BIT_ULL(6)
#define PTE_OWN		BIT_ULL(9)	/* ignored by the processor: an entry made by own() */
#define PTE_NX		BIT_ULL(63)
#define PTE_ADDR	0x000ffffffffff000ull

#define RX		(PTE_P | PTE_A)
#define RO		(PTE_P | PTE_A | PTE_NX)
#define RW		(PTE_P | PTE_W | PTE_A | PTE_D | PTE_NX)
#define LINK		(PTE_P | PTE_W | PTE_A)

#define ENTRIES		512

/* Where the window of near RIPs begins, in the hole. */
#define NEAR_OFFSET	(SOFT_WINDOW_OFFSET - SOFT_NEAR_SIZE)

/* The switcher's code, the same for every vCPU; exists while the engine has users. */
static void *blob;

/* How often memory was added to the host. */
static unsigned int memory_added;

static void no_action(void *unused)
{
}

/*
 * Nobody has the new memory yet.  Who is in an intermediate address space leaves it for the
 * interrupt, and looks before he comes back.
 */
static int memory_event(struct notifier_block *nb, unsigned long event, void *arg)
{
	if (event != MEM_GOING_ONLINE)
		return NOTIFY_OK;
	WRITE_ONCE(memory_added, memory_added + 1);
	on_each_cpu(no_action, NULL, 1);
	return NOTIFY_OK;
}

static struct notifier_block memory_block = { .notifier_call = memory_event };

/**
 * umbra_soft_blob_create() - the switcher's code, in memory of its own
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_soft_blob_create(void)
{
	size_t size = umbra_soft_blob_end - umbra_soft_blob;

	if (WARN_ON_ONCE(size > SOFT_CODE_PAGES * PAGE_SIZE))
		return -ENOMEM;
	blob = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO,
					get_order(SOFT_CODE_PAGES * PAGE_SIZE));
	if (!blob)
		return -ENOMEM;
	memcpy(blob, umbra_soft_blob, size);
	register_memory_notifier(&memory_block);
	return 0;
}

/**
 * umbra_soft_blob_destroy() - free it
 *
 * Context: no vCPU exists.
 */
void umbra_soft_blob_destroy(void)
{
	unregister_memory_notifier(&memory_block);
	free_pages((unsigned long)blob, get_order(SOFT_CODE_PAGES * PAGE_SIZE));
	blob = NULL;
}

static void *new_page(void)
{
	return (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

/* Addresses in the hole. */

static u64 blob_va(const u8 *label)
{
	return SOFT_HOLE + (label - umbra_soft_blob);
}

static void map(u64 *pt, u64 offset, void *page, u64 bits)
{
	pt[(offset >> PAGE_SHIFT) & (ENTRIES - 1)] = virt_to_phys(page) | bits;
}

static void map_vmalloc(struct soft_area *area, u64 offset, const void *mem, u64 size, u64 bits)
{
	u64 at;

	for (at = 0; at < size; at += PAGE_SIZE) {
		u64 *pt = area->kernel_pt[(offset + at) >> 21];
		u64 pfn = vmalloc_to_pfn(mem + at);

		pt[((offset + at) >> PAGE_SHIFT) & (ENTRIES - 1)] = pfn << PAGE_SHIFT | bits;
	}
}

/* The switcher, in the first table of a tree. */
static void map_switcher(const struct soft_area *area, u64 *pt)
{
	unsigned int i;

	for (i = 0; i < SOFT_CODE_PAGES; i++)
		map(pt, SOFT_CODE_OFFSET + i * PAGE_SIZE, blob + i * PAGE_SIZE, RX);
	map(pt, SOFT_FRAME_OFFSET, area->frame, RW);
	map(pt, SOFT_IDT_OFFSET, area->idt, RO);
	map(pt, SOFT_GDT_OFFSET, area->gdt, RW);
	for (i = 0; i < ARRAY_SIZE(area->stacks); i++)
		map(pt, SOFT_STACKS_OFFSET + i * PAGE_SIZE, area->stacks[i], RW);
	map(pt, SOFT_OWN_VDATA_OFFSET, area->vdata, RW);
	map(pt, SOFT_OWN_VIF_OFFSET, area->vif, RW);
}

static void build_trees(struct soft_area *area)
{
	unsigned int i;

	area->user[0][0] = virt_to_phys(area->user[1]) | LINK;
	area->user[1][0] = virt_to_phys(area->user[2]) | LINK;
	map_switcher(area, area->user[2]);

	area->kernel[0][0] = virt_to_phys(area->kernel[1]) | LINK | PTE_U;
	for (i = 0; i < SOFT_NR_TABLES; i++)
		area->kernel[1][i] = virt_to_phys(area->kernel_pt[i]) | LINK | PTE_U;
	map_switcher(area, area->kernel_pt[0]);
	map(area->kernel_pt[0], SOFT_VDATA_OFFSET, area->vdata, RW | PTE_U);
	map(area->kernel_pt[0], SOFT_VIF_OFFSET, area->vif, RW | PTE_U);

	for (i = 0; i < ENTRIES; i++)
		area->window[i] = area->kernel[1][SOFT_TARGETS_OFFSET >> 21];
	for (i = 0; i < (SOFT_NEAR_SIZE + SOFT_WINDOW_SIZE) >> 30; i++)
		area->kernel[0][NEAR_OFFSET / SZ_1G + i] =
			virt_to_phys(area->window) | LINK | PTE_U;
}

/**
 * umbra_soft_area_entry() - what a level-4 table has at SOFT_HOLE_INDEX
 * @area: the vCPU's
 * @kernel: in the kernel view
 *
 * Return: the entry.
 */
u64 umbra_soft_area_entry(const struct soft_area *area, bool kernel)
{
	if (kernel)
		return virt_to_phys(area->kernel[0]) | LINK | PTE_U;
	return virt_to_phys(area->user[0]) | LINK;
}

/**
 * umbra_soft_area_vif() - let stores to soft_vif pass, or not
 * @area: the vCPU's
 * @writable: they pass
 *
 * Context: the vCPU is out of the guest; the next entry loads CR3, which drops
 * the old translation.
 */
void umbra_soft_area_vif(struct soft_area *area, bool writable)
{
	map(area->kernel_pt[0], SOFT_VIF_OFFSET, area->vif, (writable ? RW : RO) | PTE_U);
}

/*
 * DOC: spans
 *
 * The window of near RIPs consists of targets[], over and over, by page tables that are few and
 * shared.  A span whose table the translator asks for gets it as its own, with its own
 * copy of what leads there.  A TLB that knows the old page finds other prologues, and no wrong
 * ones.
 */

/* What @entry leads to, for this place alone: a copy of @shared, or a page as it comes. */
static u64 *own(struct soft_area *area, u64 *entry, const u64 *shared, u64 bits)
{
	const gfp_t gfp = GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN;
	u64 *page = area->spare_spans;

	if (*entry & PTE_OWN)
		return __va(*entry & PTE_ADDR);
	if (page)
		area->spare_spans = (u64 *)*page;
	else if (!area->spans_full && area->nr_span_pages < SOFT_SPAN_PAGES)
		page = (u64 *)__get_free_page(gfp);
	if (!page) {
		area->spans_full = true;
		return NULL;
	}
	area->nr_span_pages++;
	if (shared)
		memcpy(page, shared, PAGE_SIZE);
	WRITE_ONCE(*entry, virt_to_phys(page) | bits | PTE_OWN);
	return page;
}

/**
 * umbra_soft_area_span() - the table of a span
 * @ctx: struct soft_area, with umbra_soft_area_cache() done
 * @rip: near RIP
 * @fresh: set to whether the caller has to fill it, before the vCPU runs
 *
 * Context: the vCPU is out of the guest; any.
 * Return: the table; NULL: there is no memory for more.
 */
u64 *umbra_soft_area_span(void *ctx, u64 rip, bool *fresh)
{
	struct soft_area *area = ctx;
	u64 at = NEAR_OFFSET + 8 * (rip - SOFT_NEAR);
	u64 *table;

	table = own(area, &area->kernel[0][at / SZ_1G], area->window, LINK | PTE_U);
	if (table)
		table = own(area, &table[at / PMD_SIZE % ENTRIES],
			    area->kernel_pt[SOFT_TARGETS_OFFSET / PMD_SIZE], LINK | PTE_U);
	if (!table)
		return NULL;
	table += at / PAGE_SIZE % ENTRIES;
	*fresh = !(*table & PTE_OWN);
	return own(area, table, NULL, RO | PTE_U);
}

/* Take back what own() made, in a table @levels above the pages: the next spans get it. */
static void disown(struct soft_area *area, u64 *table, unsigned int levels)
{
	unsigned int i;

	for (i = 0; levels && i < ENTRIES; i++)
		if (table[i] & PTE_OWN)
			disown(area, __va(table[i] & PTE_ADDR), levels - 1);
	*table = (u64)area->spare_spans;
	area->spare_spans = table;
}

/**
 * umbra_soft_area_unspan() - take back the tables of all spans
 * @ctx: struct soft_area
 *
 * Context: the vCPU is out of the guest; its next entry loads CR3, which drops what TLBs know.
 */
void umbra_soft_area_unspan(void *ctx)
{
	struct soft_area *area = ctx;
	u64 *first = &area->kernel[0][NEAR_OFFSET / SZ_1G];
	unsigned int i;

	for (i = 0; area->nr_span_pages && i < SOFT_NEAR_SIZE / SZ_1G; i++) {
		if (!(first[i] & PTE_OWN))
			continue;
		disown(area, __va(first[i] & PTE_ADDR), 2);
		first[i] = virt_to_phys(area->window) | LINK | PTE_U;
	}
	area->nr_span_pages = 0;
	area->spans_full = false;
}

/* Vectors with a stack of their own; the numbers are the host's, see switch.S. */
static unsigned int ist_of(unsigned int vector)
{
	switch (vector) {
	case X86_TRAP_DF:
		return 1;
	case X86_TRAP_NMI:
		return 2;
	case X86_TRAP_DB:
		return 3;
	case X86_TRAP_MC:
		return 4;
	default:
		return 0;
	}
}

/*
 * Gates (SDM Vol. 3A 6.14.1).  DPL 0: INT n of guest code is #GP, and with it
 * for the emulator to judge.
 */
static void build_idt(struct soft_area *area)
{
	gate_desc *idt = area->idt;
	unsigned int i;

	for (i = 0; i < 256; i++) {
		u64 va = blob_va(umbra_soft_blob_stubs) + i * SOFT_STUB_SIZE;

		idt[i] = (gate_desc){
			.offset_low = (u16)va,
			.offset_middle = (u16)(va >> 16),
			.offset_high = (u32)(va >> 32),
			.segment = __KERNEL_CS,
			.bits = { .ist = ist_of(i), .type = GATE_INTERRUPT, .p = 1 },
		};
	}
}

static void build_gdt(struct soft_area *area)
{
	u64 *gdt = area->gdt;
	u64 tss = SOFT_HOLE + SOFT_TSS_OFFSET;
	struct x86_hw_tss *hw = area->gdt + (SOFT_TSS_OFFSET - SOFT_GDT_OFFSET);
	unsigned int i;

	/* Available 64-bit TSS, DPL 0 (SDM Vol. 3A 7.2.3). */
	gdt[SOFT_SEL_TSS >> 3] = (sizeof(*hw) - 1) | (tss & 0xffffff) << 16 | 0x89ull << 40 |
				 ((tss >> 24) & 0xff) << 56;
	gdt[(SOFT_SEL_TSS >> 3) + 1] = tss >> 32;

	hw->sp0 = SOFT_HOLE + SOFT_FRAME_OFFSET + SF_TOP;
	for (i = 0; i < ARRAY_SIZE(area->stacks); i++)
		hw->ist[i] = SOFT_HOLE + SOFT_STACKS_OFFSET + (i + 1) * PAGE_SIZE;
	/* Beyond the limit: no port is allowed. */
	hw->io_bitmap_base = sizeof(*hw);
}

static void build_frame(struct soft_area *area)
{
	struct soft_frame *frame = area->frame;

	frame->im_cr3 = virt_to_phys(area->im_pgd);
	frame->hole_entry = blob_va(umbra_soft_blob_enter);
	frame->host_resume = (u64)umbra_soft_resume;
	frame->kernel_fsbase = SOFT_HOLE + SOFT_WINDOW_OFFSET;
	frame->self = (u64)frame;
	frame->gdtr.limit = SOFT_GDT_ENTRIES * 8 - 1;
	frame->gdtr.base = SOFT_HOLE + SOFT_GDT_OFFSET;
	frame->idtr.limit = 256 * sizeof(gate_desc) - 1;
	frame->idtr.base = SOFT_HOLE + SOFT_IDT_OFFSET;
}

/**
 * umbra_soft_area_refresh() - copy the host's top-level table
 * @area: the vCPU's
 *
 * Context: the thread that will enter; preemption off.
 */
void umbra_soft_area_refresh(struct soft_area *area)
{
	const u64 *pgd = __va(read_cr3_pa());
	const u64 *p4d;

	area->memory = READ_ONCE(memory_added);
	memcpy(area->im_pgd + ENTRIES / 2, pgd + ENTRIES / 2, PAGE_SIZE / 2);
	if (!area->im_p4d) {
		area->im_pgd[SOFT_HOLE_INDEX] = umbra_soft_area_entry(area, false);
		return;
	}
	p4d = __va(pgd[ENTRIES - 1] & PTE_ADDR);
	memcpy(area->im_p4d, p4d, PAGE_SIZE);
	area->im_p4d[SOFT_HOLE_INDEX] = umbra_soft_area_entry(area, false);
	area->im_pgd[ENTRIES - 1] = virt_to_phys(area->im_p4d) | (pgd[ENTRIES - 1] & ~PTE_ADDR);
}

/**
 * umbra_soft_area_follow() - umbra_soft_area_refresh(), if the host has more memory now
 * @area: the vCPU's
 *
 * Context: the thread that will enter; interrupts off.
 */
void umbra_soft_area_follow(struct soft_area *area)
{
	if (unlikely(area->memory != READ_ONCE(memory_added)))
		umbra_soft_area_refresh(area);
}

static bool alloc_tables(struct soft_area *area)
{
	unsigned int i;
	bool ok = true;

	for (i = 0; i < ARRAY_SIZE(area->user); i++)
		ok &= !!(area->user[i] = new_page());
	for (i = 0; i < ARRAY_SIZE(area->kernel); i++)
		ok &= !!(area->kernel[i] = new_page());
	for (i = 0; i < SOFT_NR_TABLES; i++)
		ok &= !!(area->kernel_pt[i] = new_page());
	ok &= !!(area->window = new_page());
	/*
	 * With page-table isolation the host takes a CR3 with bit 12 set for one
	 * of user mode.
	 */
	area->im_pgd = (u64 *)__get_free_pages(GFP_KERNEL_ACCOUNT | __GFP_ZERO, 1);
	ok &= !!area->im_pgd;
	if (pgtable_l5_enabled())
		ok &= !!(area->im_p4d = new_page());
	return ok;
}

static bool alloc_pages_of(struct soft_area *area)
{
	unsigned int i;
	bool ok = true;

	ok &= !!(area->frame = new_page());
	ok &= !!(area->idt = new_page());
	ok &= !!(area->gdt = new_page());
	for (i = 0; i < ARRAY_SIZE(area->stacks); i++)
		ok &= !!(area->stacks[i] = new_page());
	ok &= !!(area->vdata = new_page());
	ok &= !!(area->vif = new_page());
	return ok;
}

/**
 * umbra_soft_area_create() - memory and tables of a vCPU's hole
 * @area: zeroed
 *
 * Context: may sleep; the switcher's code exists.
 * Return: 0; -ENOMEM; -EBUSY when the host uses the hole itself.
 */
int umbra_soft_area_create(struct soft_area *area)
{
	BUILD_BUG_ON(sizeof(struct x86_hw_tss) > PAGE_SIZE - (SOFT_TSS_OFFSET - SOFT_GDT_OFFSET));
	BUILD_BUG_ON(offsetof(struct soft_frame, host_gpr) != SF_HOST_GPR);
	BUILD_BUG_ON(offsetof(struct soft_frame, vector) != SF_VECTOR);
	/* switch.S knows their numbers. */
	BUILD_BUG_ON(UMBRA_RSP != 4 || UMBRA_RSI != 6 || UMBRA_RDI != 7 || UMBRA_R15 != 15);
	BUILD_BUG_ON(offsetof(struct soft_frame, ss) != SF_SS);
	BUILD_BUG_ON(offsetof(struct soft_frame, nmi) != SF_NMI);
	BUILD_BUG_ON(offsetof(struct soft_frame, gdtr) != SF_GDTR);
	BUILD_BUG_ON(offsetof(struct soft_frame, cr2) != SF_CR2);
	BUILD_BUG_ON(offsetof(struct soft_frame, host_tr) != SF_HOST_TR);
	BUILD_BUG_ON(offsetof(struct soft_frame, cr3_keep) != SF_CR3_KEEP);
	BUILD_BUG_ON(offsetof(struct soft_frame, mode) != SF_MODE);
	BUILD_BUG_ON(offsetof(struct soft_frame, fast) != SF_FAST);
	BUILD_BUG_ON(offsetof(struct soft_frame, kernel_sel) != SF_KERNEL_SEL);
	BUILD_BUG_ON(offsetof(struct soft_frame, to_kernel) != SF_TO_KERNEL);
	BUILD_BUG_ON(offsetof(struct soft_frame, to_user) != SF_TO_USER);
	BUILD_BUG_ON(offsetof(struct soft_frame, user_fsbase) != SF_USER_FSBASE);
	BUILD_BUG_ON(offsetof(struct soft_vdata, spill[SOFT_SPILL_RCX]) != VD_SPILL_RCX);
	BUILD_BUG_ON(offsetof(struct soft_vdata, sel[UMBRA_ES]) != VD_SEL_ES);
	BUILD_BUG_ON(offsetof(struct soft_vdata, sel[UMBRA_CS]) != VD_SEL_CS);
	BUILD_BUG_ON(offsetof(struct soft_vdata, sel[UMBRA_SS]) != VD_SEL_CS + 2);
	BUILD_BUG_ON(offsetof(struct soft_vdata, sel[UMBRA_DS]) != VD_SEL_DS);
	BUILD_BUG_ON(offsetof(struct soft_vdata, sel[UMBRA_GS]) != VD_SEL_GS);
	BUILD_BUG_ON(offsetof(struct soft_vdata, r11) != VD_R11);
	BUILD_BUG_ON(offsetof(struct soft_vdata, iret) != VD_IRET);
	BUILD_BUG_ON(offsetof(struct soft_vdata, desc) != VD_DESC);
	BUILD_BUG_ON(offsetof(struct soft_vdata, fs_base) != VD_FS_BASE);
	BUILD_BUG_ON(SF_TOP % 16);

	if (!alloc_tables(area) || !alloc_pages_of(area)) {
		umbra_soft_area_destroy(area);
		return -ENOMEM;
	}
	build_trees(area);
	build_idt(area);
	build_gdt(area);
	build_frame(area);
	return 0;
}

static void free_memory(struct soft_memory *mem)
{
	vunmap(mem->va);
	while (mem->nr)
		__free_page(mem->pages[--mem->nr]);
	kvfree(mem->pages);
	*mem = (struct soft_memory){ };
}

/* What it does not get now it may get another time; what it has stays. */
static bool grow_memory(struct soft_memory *mem, size_t size, size_t max, gfp_t zero)
{
	/* A caller at the limit of its memory cgroup is told, the log is not. */
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	unsigned int nr = DIV_ROUND_UP(size, PAGE_SIZE);
	void *va;

	if (!mem->pages)
		mem->pages = kvcalloc(DIV_ROUND_UP(max, PAGE_SIZE), sizeof(*mem->pages), gfp);
	if (!mem->pages)
		return false;
	for (; mem->nr < nr; mem->nr++) {
		mem->pages[mem->nr] = alloc_page(gfp | zero);
		if (!mem->pages[mem->nr])
			return false;
	}
	va = vmap(mem->pages, nr, VM_MAP, PAGE_KERNEL);
	if (!va)
		return false;
	vunmap(mem->va);
	mem->va = va;
	return true;
}

static void free_cache(struct soft_area *area)
{
	unsigned int i;

	vfree(area->targets);
	vfree(area->meta);
	area->targets = NULL;
	area->meta = NULL;
	area->room = 0;
	free_memory(&area->code);
	for (i = 0; i < ARRAY_SIZE(area->records); i++)
		free_memory(&area->records[i]);
}

/**
 * umbra_soft_area_grow() - room for more translations
 * @area: the vCPU's
 *
 * What is there moves, for the engine; for the guest it stays where it is.
 *
 * Context: may sleep; the vCPU is out of the guest.
 * Return: 0; -ENOSPC: it is as large as it gets; -ENOMEM: then, too, it may have moved.
 */
int umbra_soft_area_grow(struct soft_area *area)
{
	u32 room = area->room + SOFT_TC_STEP;
	unsigned int i;
	bool ok;

	if (room > SOFT_TC_SIZE)
		return -ENOSPC;
	/* The guest can read all of its code. */
	ok = grow_memory(&area->code, room, SOFT_TC_SIZE, __GFP_ZERO);
	for (i = 0; ok && i < ARRAY_SIZE(area->records); i++)
		ok = grow_memory(&area->records[i], soft_tc_records_size(room, i),
				 soft_tc_records_size(SOFT_TC_SIZE, i), 0);
	if (!ok)
		return -ENOMEM;
	map_vmalloc(area, SOFT_TC_OFFSET + area->room, area->code.va + area->room, SOFT_TC_STEP,
		    RX | PTE_U);
	area->room = room;
	return 0;
}

/**
 * umbra_soft_area_room() - the memory for translations
 * @area: the vCPU's
 * @config: its @buf, @records and @room are set
 */
void umbra_soft_area_room(const struct soft_area *area, struct soft_tc_config *config)
{
	unsigned int i;

	config->buf = area->code.va;
	config->room = area->room;
	for (i = 0; i < ARRAY_SIZE(area->records); i++)
		config->records[i] = area->records[i].va;
}

/**
 * umbra_soft_area_cache() - memory for translations
 * @area: the vCPU's
 *
 * Not before the vCPU has something to translate: it is much.
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_soft_area_cache(struct soft_area *area)
{
	/* A caller at the limit of its memory cgroup is told, the log is not. */
	const gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;
	u64 at;

	area->targets = __vmalloc(SOFT_TC_TARGETS * 8, gfp | __GFP_ZERO);
	area->meta = __vmalloc(soft_tc_meta_size(SOFT_TC_SIZE), gfp);
	if (!area->targets || !area->meta || umbra_soft_area_grow(area)) {
		free_cache(area);
		return -ENOMEM;
	}
	/* All of its page table, which the window is made of. */
	for (at = 0; at < PMD_SIZE; at += SOFT_TC_TARGETS * 8)
		map_vmalloc(area, SOFT_TARGETS_OFFSET + at, area->targets, SOFT_TC_TARGETS * 8,
			    RO | PTE_U);
	return 0;
}

static void free_one(void *page)
{
	free_page((unsigned long)page);
}

/**
 * umbra_soft_area_destroy() - free all of it
 * @area: complete or not
 *
 * Context: the vCPU does not run any more.
 */
void umbra_soft_area_destroy(struct soft_area *area)
{
	unsigned int i;
	u64 *page;

	umbra_soft_area_unspan(area);
	while ((page = area->spare_spans)) {
		area->spare_spans = (u64 *)*page;
		free_one(page);
	}
	for (i = 0; i < ARRAY_SIZE(area->user); i++)
		free_one(area->user[i]);
	for (i = 0; i < ARRAY_SIZE(area->kernel); i++)
		free_one(area->kernel[i]);
	for (i = 0; i < SOFT_NR_TABLES; i++)
		free_one(area->kernel_pt[i]);
	free_one(area->window);
	for (i = 0; i < ARRAY_SIZE(area->stacks); i++)
		free_one(area->stacks[i]);
	free_pages((unsigned long)area->im_pgd, 1);
	free_one(area->im_p4d);
	free_one(area->frame);
	free_one(area->idt);
	free_one(area->gdt);
	free_one(area->vdata);
	free_one(area->vif);
	free_cache(area);
	memset(area, 0, sizeof(*area));
}
