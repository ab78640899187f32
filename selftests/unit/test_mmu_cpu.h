/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: simulated processors for the shadow MMU
 *
 * Three vCPUs walk shadow tables as the processor would, each with a TLB that
 * forgets only what it must, and with two views each with a root a view.
 */
#ifndef TEST_MMU_CPU_H
#define TEST_MMU_CPU_H

#include "ktap.h"
#include "test_mmu_fake.h"
#include "test_mmu_model.h"
#include "x86_bits.h"

#define NVCPUS		3
#define NTLB		24
#define MAX_PAGES	90

struct tlb_entry {
	bool valid, w, u, x;
	enum umbra_view view;
	u64 page;	/* gva >> 12 */
	u64 hpa;
};

struct vcpu {
	struct umbra_mmu_ctx *ctx;
	struct umbra_paging paging;
	struct tlb_entry tlb[NTLB];
	bool reload[UMBRA_NR_VIEWS], busy;
	hpa_t root[UMBRA_NR_VIEWS];
};

extern struct vcpu vcpus[NVCPUS];
extern struct umbra_mmu_config config;
extern u8 guest_maxphyaddr;		/* all processors have the same CPUID */
extern u32 guest_features;
extern unsigned int moving[4], nmoving;	/* frames that the host is moving */
extern bool logged[FAKE_GFNS];
extern struct umbra_memslot *moody;	/* the slot that comes and goes */
extern struct umbra_memslot *big;	/* the slot that can be mapped by one entry */
extern const char *failure;

#define FAIL(...)							\
	do {								\
		if (!failure) {						\
			failure = "x";					\
			ktap_note(__VA_ARGS__);				\
		}							\
	} while (0)

extern const struct umbra_mmu_config pae_roots, four_levels, five_levels, two_views, two_views_five;

void clear_tlb(struct vcpu *v);
void clear_all_tlbs(void);
int frame_gfn(u64 hpa);
/* Are some writes to the frame emulated? */
bool shadowed(gfn_t gfn);
/* Shadowed, and in step: writes must be noticed. */
bool guarded(gfn_t gfn);
bool smap(const struct vcpu *v);
bool long_mode(const struct vcpu *v);
/* For whom an access is made: with two views the guest's supervisor has its own. */
enum umbra_view view_of(struct model_access a);
/* CR0.WP = 1 and EFER.NXE = 1 always; with two views always at CPL 3. */
bool permits(const struct vcpu *v, const struct tlb_entry *t, struct model_access a);
/* Walks the shadow tables; false: not present. */
bool shadow_walk(struct vcpu *v, u64 gva, enum umbra_view view, struct tlb_entry *t);
struct tlb_entry *tlb_find(struct vcpu *v, u64 gva, enum umbra_view view);
void must_reload(struct vcpu *v);
void load(struct vcpu *v, enum umbra_view view);
void check_all(void);
void settle_moves(void);
void set_paging(struct vcpu *v, const struct umbra_paging *p);
/* A load of CR3 as with interrupts off; false: it needs set_paging(), nothing has happened. */
bool switch_now(struct vcpu *v, u64 cr3);
void start(struct umbra_mmu_config how);
void stop(void);
void put_entry(unsigned int table, unsigned int index, u64 entry);
/* The frame that the shadow gives for @gva, after as many faults as it takes; -1: none. */
int frame_for(struct vcpu *v, u64 gva, bool write);

/* An entry of a guest table, with all that makes a page usable. */
#define PTE_ALL		(PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)

#endif
