/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a translator, as far as the shadow MMU can tell
 *
 * Keeps copies of guest code pages under the protocol of umbra/mmu.h and drops or
 * verifies them when it is told to.  Whenever it was not, a copy must be what
 * is in guest memory, and its address must lead to the same frame.
 */
#ifndef TEST_MMU_CODE_H
#define TEST_MMU_CODE_H

#include "test_mmu_fake.h"

void code_start(void);

/* Translate the page at @gva, as the supervisor of @paging.  Context: no MMU lock. */
void code_translate(struct umbra_mmu_ctx *ctx, const struct umbra_paging *paging, u64 gva);

/* @ctx has other paging from now on. */
void code_forget(struct umbra_mmu_ctx *ctx);

/* Do what was asked for, then look at all copies.  Return: what is wrong, or NULL. */
const char *code_check(void);

/* Is the frame under protection? */
bool code_holds(gfn_t gfn);

/* Was this called for, since the last code_check()? */
bool code_told_unmapped(void);
bool code_told_written(gfn_t gfn);

/* How many copies there are, how many were made, and how often one had certainly not moved. */
unsigned int code_copies(void);
extern unsigned long code_made, code_stood;

#endif
