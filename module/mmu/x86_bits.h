/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: processor bits
 *
 * The few architectural bits that the shadow MMU reads: the kernel's own names,
 * from the kernel's headers where those are to be had.
 */
#ifndef UMBRA_MMU_X86_BITS_H
#define UMBRA_MMU_X86_BITS_H

#include "umbra/types.h"

#ifdef __KERNEL__
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#else
#define X86_CR0_WP		BIT_ULL(16)
#define X86_CR0_PG		BIT_ULL(31)
#define X86_CR4_PSE		BIT_ULL(4)
#define X86_CR4_PAE		BIT_ULL(5)
#define X86_CR4_LA57		BIT_ULL(12)
#define X86_CR4_SMEP		BIT_ULL(20)
#define X86_CR4_SMAP		BIT_ULL(21)
#define EFER_LMA		BIT_ULL(10)
#define EFER_NX			BIT_ULL(11)
#endif

/*
 * A paging-structure entry (SDM Vol. 3A, 4.5, table 4-20):
 *
 *   63  62..52  51 ........ 12  11..9  8   7   6  5   4    3   2  1  0
 *   NX  ignored   address        soft  G   PS  D  A  PCD  PWT  U  W  P
 */
#define PTE_P			BIT_ULL(0)
#define PTE_W			BIT_ULL(1)
#define PTE_U			BIT_ULL(2)
#define PTE_PWT			BIT_ULL(3)
#define PTE_PCD			BIT_ULL(4)
#define PTE_A			BIT_ULL(5)
#define PTE_D			BIT_ULL(6)
#define PTE_PS			BIT_ULL(7)
#define PTE_G			BIT_ULL(8)
#define PTE_NX			BIT_ULL(63)
#define PTE_ADDR		GENMASK_ULL(51, 12)

#define GP_VECTOR		13
#define PF_VECTOR		14

#endif
