/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: types
 *
 * The kinds of addresses, and the few kernel words that the freestanding
 * parts (emulator, page-table walker, shadow-PTE code) need when they are
 * compiled for the build machine.  A variable of an address kind carries the
 * kind's name; only the helpers below convert.
 *
 *   gva  guest virtual (linear)      gpa/gfn  guest physical
 *   hva  the caller's virtual        hpa/pfn  host physical
 */
#ifndef UMBRA_TYPES_H
#define UMBRA_TYPES_H

#ifdef __KERNEL__
#include <linux/types.h>
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/string.h>

/*
 * The kernel has the same five names for KVM, two of them as unsigned long, and
 * from 6.12 on <linux/kvm.h> brings them along.  They are declared there first, and then
 * mean ours: one size and one printf format, in the kernel and outside.
 */
#include <linux/kvm_types.h>
#define gva_t umbra_gva_t
#define hva_t umbra_hva_t
#else
#include "umbra/hosted.h"
#endif

typedef u64 gva_t;
typedef u64 gpa_t;
typedef u64 gfn_t;
typedef u64 hva_t;
typedef u64 hpa_t;

#define UMBRA_PAGE_SHIFT	12
#define UMBRA_PAGE_SIZE		(1ull << UMBRA_PAGE_SHIFT)
#define UMBRA_PAGE_MASK		(~(UMBRA_PAGE_SIZE - 1))
#define UMBRA_INVALID_GPA	(~(gpa_t)0)
#define UMBRA_INVALID_HPA	(~(hpa_t)0)

static inline gfn_t gpa_to_gfn(gpa_t gpa)
{
	return gpa >> UMBRA_PAGE_SHIFT;
}

static inline gpa_t gfn_to_gpa(gfn_t gfn)
{
	return (gpa_t)gfn << UMBRA_PAGE_SHIFT;
}

/* Is @addr the sign extension of its lower @bits? */
static inline bool umbra_canonical(u64 addr, unsigned int bits)
{
	return (u64)((s64)(addr << (64 - bits)) >> (64 - bits)) == addr;
}

#endif
