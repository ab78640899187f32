/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: inside the soft engine
 *
 * What the files of this folder share.  The layout of the hole, a slot of the
 * guest's linear address space that belongs to the engine:
 *
 *   0x0000000  switcher: code, frame, IDT, GDT, TSS, stacks	supervisor
 *   0x0100000  struct soft_vdata				guest kernel, RW
 *   0x0101000  struct soft_vif					guest kernel, RW or RO
 *   0x0200000  targets of indirect branches			guest kernel, RO
 *   0x0400000  translation cache				guest kernel, RX
 *   14 to 36 GiB  the targets, again and again, and tables of spans	guest kernel, RO
 *
 * "Guest kernel" is code at CPL 3 in the kernel view; the user view has the
 * switcher only.
 */
#ifndef UMBRA_SOFT_INTERNAL_H
#define UMBRA_SOFT_INTERNAL_H

#include <linux/spinlock.h>

#include "umbra/engine.h"
#include "umbra/vcpu.h"
#include "umbra/vm.h"

#include "switch.h"
#include "tc.h"
#include "vdata.h"

#define SOFT_HOLE_INDEX		256
#define SOFT_HOLE		0xffff800000000000ull
#define SOFT_VDATA_OFFSET	0x0100000
#define SOFT_VIF_OFFSET		0x0101000
#define SOFT_TARGETS_OFFSET	0x0200000
#define SOFT_TC_OFFSET		0x0400000
#define SOFT_TC_SIZE		0x0800000
#define SOFT_TC_STEP		0x0080000	/* how it grows */
/*
 * Translated code's FS base: see tc_slot.c.  Behind it is what 32 bits of address reach; in
 * front of it, 8 bytes each, the near RIPs: those of the top 2 GiB, and the lowest 256 MiB.
 */
#define SOFT_WINDOW_OFFSET	0x800000000ull
#define SOFT_WINDOW_SIZE	0x100000000ull
#define SOFT_NEAR		0xffffffff80000000ull
#define SOFT_NEAR_SIZE		(8 * SOFT_TC_NEAR)
/* Pages for tables of spans, and for what leads there. */
#define SOFT_SPAN_PAGES		8192

/* Guest addresses have so many bits; those of user code end in the middle. */
#define SOFT_VA_BITS		48
#define SOFT_USER_END		BIT_ULL(SOFT_VA_BITS - 1)

/* Page tables of the hole: a directory pointer, a directory, tables of 2 MiB. */
#define SOFT_NR_TABLES		((SOFT_TC_OFFSET + SOFT_TC_SIZE) >> 21)

/**
 * struct soft_memory - memory that grows, and keeps what is in it
 * @va: mapping of all of it; another one each time
 * @pages: its pages
 * @nr: how many
 */
struct soft_memory {
	void *va;
	struct page **pages;
	unsigned int nr;
};

/**
 * struct soft_area - a vCPU's part of the hole
 * @frame: the switcher's data page
 * @idt: 256 gates
 * @gdt: GDT and, behind it, the TSS
 * @stacks: #DF, NMI, #DB, #MC
 * @im_pgd: the intermediate address space, two pages (see area.c)
 * @im_p4d: its level-4 table where the host has five levels
 * @memory: how often memory had been added to the host when @im_pgd was made
 * @user: PDPT, PD, PT of the user view
 * @kernel: PDPT, PD of the kernel view
 * @kernel_pt: its page tables
 * @window: page directory of every GiB of the window
 * @nr_span_pages: pages that tables of spans take, see umbra_soft_area_span()
 * @spans_full: there will be no more of them
 * @spare_spans: pages that were such, a list by their first words
 * @vdata: for translated code
 * @vif: virtual RFLAGS.IF
 * @targets: where indirect branches go; like @meta NULL before the
 *	vCPU has something to translate
 * @code: translation cache
 * @records: its records
 * @room: bytes of it that there are
 * @meta: what finds the records
 *
 * Constant after creation but for the contents.
 */
struct soft_area {
	struct soft_frame *frame;
	void *idt;
	void *gdt;
	void *stacks[4];
	u64 *im_pgd;
	u64 *im_p4d;
	unsigned int memory;
	u64 *user[3];
	u64 *kernel[2];
	u64 *kernel_pt[SOFT_NR_TABLES];
	u64 *window;
	unsigned int nr_span_pages;
	bool spans_full;
	u64 *spare_spans;
	struct soft_vdata *vdata;
	struct soft_vif *vif;
	u64 *targets;
	struct soft_memory code;
	struct soft_memory records[SOFT_TC_NR_RECORDS];
	u32 room;
	void *meta;
};

/* Guest code pages with translations; with more the cache is flushed. */
#define SOFT_NR_PAGES		8192
#define SOFT_NO_PAGE		0xffff
#define SOFT_PAGE_BITS		10

/**
 * struct soft_code_page - a page of guest code that has translations
 * @gva: linear address
 * @gfn: frame, protected with umbra_mmu_code_protect()
 * @hash: of the frame's bytes when the first translation was made
 * @hashed: there is one
 * @writes: how often it was written since then
 * @next: next record with that hash of @gva, or SOFT_NO_PAGE
 * @next_gfn: the same of @gfn
 */
struct soft_code_page {
	u64 gva;
	gfn_t gfn;
	u32 hash;
	bool hashed;
	u8 writes;
	u16 next;
	u16 next_gfn;
};

#define SOFT_NR_TOPS		8

/**
 * struct soft_top - an entry of the guest's level-4 table
 * @index: which
 * @pages: how many pages with translations are below it
 * @entry: what it was, accessed bit aside
 */
struct soft_top {
	u16 index;
	u16 pages;
	u64 entry;
};

#define SOFT_LOG		64

/**
 * struct soft_change - bytes of a frame, or all of it
 * @gpa: the first
 * @len: how many
 */
struct soft_change {
	gpa_t gpa;
	unsigned int len;
};

/**
 * struct soft_vm - the engine's part of a VM
 * @lock: guards the logs
 * @head: writes so far
 * @written: bytes of translated code that were written, by number modulo SOFT_LOG
 * @leaf_head: mappings of single frames that went so far
 * @leaf: those frames
 * @maps: how often other mappings of translated code changed; read without the lock
 * @tops: likewise entries of level-4 tables
 * @changes: all of these together; read without the lock
 */
struct soft_vm {
	spinlock_t lock;	/* head, written, leaf_head, leaf */
	u64 head;
	struct soft_change written[SOFT_LOG];
	u64 leaf_head;
	struct soft_change leaf[SOFT_LOG];
	u64 maps, tops;
	u64 changes;
};

/* What runs on the processor next. */
enum soft_mode {
	SOFT_NOTHING,					/* core emulates */
	SOFT_USER = SOFT_MODE_USER,			/* guest user code, as it is */
	SOFT_KERNEL = SOFT_MODE_KERNEL,			/* translated guest kernel code */
};

/**
 * struct soft_vcpu - the engine's part of a vCPU
 * @area: memory in the hole
 * @tc: translations
 * @mode: prepare()'s decision for the next run(); during it, what runs
 * @va: SOFT_KERNEL: where in the translation cache
 * @rip: SOFT_KERNEL: the guest RIP that @va stands for
 * @root: shadow root for the mode that core loaded it for
 * @other_root: that of the other view, if @both
 * @both: the guest may change to the other mode during the next run(), if that is simple
 * @fast: SOFT_FAST_*: changes of mode that need no exit during the next run()
 * @syscall_va: translation of LSTAR
 * @user_cs: selectors to enter user code with
 * @user_ss: likewise
 * @live: the data segments are in the real registers
 * @can_return: the real table has what SYSRET loads
 * @descs_found: find_descs() in run.c
 * @segs_mode: the mode that the real table is for
 * @segs_stale: groups of registers that it is made from have changed
 * @data: DS, ES, FS, GS that it was made from
 * @data_live: both modes can have them
 * @segs_star: STAR that the table was made from
 * @segs_gdtr: likewise the guest's GDTR
 * @vif_armed: the page of soft_vif is read-only
 * @asked: what must_emulate() was asked about last, see umbra_soft_prepare(): RIP
 * @asked_cpl: likewise CPL
 * @cpu: where the host's GDT was copied from, -1 nowhere
 * @host_vector: the interrupt that ended the run, 0 none
 * @loaded: the CPU's MSRs are the engine's
 * @host_lstar: the host's MSRs
 * @host_cstar: likewise
 * @host_sysenter: likewise
 * @host_dr: the host's DR0..3, while the guest's are loaded
 * @dr6: causes of a #DB
 * @watched: breakpoints that translated code met
 * @awaits: user code comes back from a page fault that was delivered to its kernel, at
 * @awaited_gva: an address
 * @awaited_error: with an error code
 * @awaited_cr3: in an address space
 * @step: instructions single-stepped to reach a boundary, 0 not stepping
 * @pages: guest code pages that have translations
 * @nr_pages: how many
 * @page_hash: their first records by hashed @gva
 * @gfn_hash: likewise by hashed @gfn
 * @copy: a page while it is hashed
 * @tops: guest level-4 entries that lead to them
 * @nr_tops: how many
 * @cr3: guest CR3 when they were checked last
 * @user_sets: vcpu->user_sets when translations were compared for it
 * @hashing: userspace has set registers while there were translations
 * @hole_taken: the guest's own tables lead into the hole: its kernel is emulated
 * @seen: writes of soft_vm that this vCPU has dealt with
 * @seen_leaf: likewise mappings of single frames
 * @seen_maps: likewise changes of other mappings
 * @seen_tops: likewise changes of level-4 tables
 * @seen_changes: all of these together
 * @features: what of CR4, EFER and CPUID the translations were made for
 */
struct soft_vcpu {
	struct soft_area area;
	struct soft_tc *tc;
	enum soft_mode mode;
	u64 va;
	u64 rip;
	hpa_t root, other_root;
	bool both;
	u8 fast;
	u64 syscall_va;
	u16 user_cs, user_ss;
	bool live, can_return, descs_found;
	enum soft_mode segs_mode;
	bool segs_stale;
	struct umbra_seg data[4];
	bool data_live;
	u64 segs_star;
	struct umbra_dtr segs_gdtr;
	bool vif_armed;
	u64 asked;
	u8 asked_cpl;
	int cpu;
	u32 host_vector;
	bool loaded;
	u64 host_lstar, host_cstar, host_sysenter;
	unsigned long host_dr[4];
	u64 dr6;
	u64 watched;
	bool awaits;
	u64 awaited_gva;
	u32 awaited_error;
	u64 awaited_cr3;
	unsigned int step;
	struct soft_code_page *pages;
	unsigned int nr_pages;
	u16 page_hash[1 << SOFT_PAGE_BITS];
	u16 gfn_hash[1 << SOFT_PAGE_BITS];
	void *copy;
	struct soft_top tops[SOFT_NR_TOPS];
	unsigned int nr_tops;
	u64 cr3;
	u64 user_sets;
	bool hashing;
	bool hole_taken;
	u64 seen, seen_leaf;
	u64 seen_maps, seen_tops;
	u64 seen_changes;
	u64 features;
};

static inline struct soft_vcpu *to_soft(struct umbra_vcpu *vcpu)
{
	return vcpu->engine_data;
}

/* area.c */
int umbra_soft_blob_create(void);
void umbra_soft_blob_destroy(void);
int umbra_soft_area_create(struct soft_area *area);
int umbra_soft_area_cache(struct soft_area *area);
int umbra_soft_area_grow(struct soft_area *area);
void umbra_soft_area_room(const struct soft_area *area, struct soft_tc_config *config);
void umbra_soft_area_destroy(struct soft_area *area);
void umbra_soft_area_refresh(struct soft_area *area);
void umbra_soft_area_follow(struct soft_area *area);
void umbra_soft_area_vif(struct soft_area *area, bool writable);
u64 *umbra_soft_area_span(void *ctx, u64 rip, bool *fresh);
void umbra_soft_area_unspan(void *ctx);
u64 umbra_soft_area_entry(const struct soft_area *area, bool kernel);

/* host.c */
int umbra_soft_probe(void);
int umbra_soft_enable(void);
void umbra_soft_disable(void);
void umbra_soft_load(struct umbra_vcpu *vcpu, int cpu);
void umbra_soft_put(struct umbra_vcpu *vcpu);
u64 umbra_soft_no_syscall(void);
void umbra_soft_syscall_again(u64 efer);
void umbra_soft_handle_host_event(struct umbra_vcpu *vcpu, const struct umbra_exit *exit);

/* segs.c */
bool umbra_soft_segs_fit(const struct umbra_regs *regs);
void umbra_soft_segs_in(struct soft_vcpu *soft, const struct umbra_regs *regs);
bool umbra_soft_segs_turn(struct soft_vcpu *soft, const struct umbra_regs *regs);
void umbra_soft_segs_moved(struct umbra_regs *regs, bool user);
void umbra_soft_segs_back(struct soft_vcpu *soft, struct umbra_regs *regs);

/* run.c */
void umbra_soft_run(struct umbra_vcpu *vcpu, struct umbra_exit *exit);

/* exits.c */
void umbra_soft_exit_user(struct umbra_vcpu *vcpu, struct umbra_exit *exit);
bool umbra_soft_exit_kernel(struct umbra_vcpu *vcpu, struct umbra_exit *exit);

/* code.c */
bool umbra_soft_same_space(struct umbra_vcpu *vcpu);
bool umbra_soft_must_emulate(struct umbra_vcpu *vcpu);
int umbra_soft_prepare(struct umbra_vcpu *vcpu);
void umbra_soft_code_destroy(struct umbra_vcpu *vcpu);
void umbra_soft_code_changed(struct umbra_vm *vm, enum umbra_code_change what, gpa_t gpa,
			     unsigned int len);

/* show.c */
int umbra_soft_show(struct umbra_vcpu *vcpu, u64 rip, char *buf, size_t size);

#endif
