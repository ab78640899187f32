// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: addresses of devices
 *
 * A page without a slot has no shadow entry, so each access to a device faults,
 * and the guest's tables would be walked each time.  The last few of them are
 * remembered, as a TLB would: until the guest flushes, or its paging or the
 * slots change.  What the walk has checked is part of the key.
 */
#include "mmu_internal.h"

static u64 generation(const struct umbra_mmu_ctx *ctx)
{
	return ctx->mmu->ops->slots(ctx->mmu->vm)->generation;
}

/**
 * umbra_device_fits() - is what is known of a page true for this access?
 * @ctx: the vCPU's
 * @d: about the page of @gva
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: result
 *
 * Context: as umbra_device_find().
 * Return: as umbra_device_find().
 */
bool umbra_device_fits(const struct umbra_mmu_ctx *ctx, const struct umbra_device *d, gva_t gva,
		       unsigned int acc, gpa_t *gpa)
{
	/* Who may write may read. */
	if ((acc != d->acc && acc != (d->acc & ~UMBRA_ACC_WRITE)) ||
	    d->generation != generation(ctx))
		return false;
	*gpa = d->gpa | (gva & ~UMBRA_PAGE_MASK);
	return true;
}

/**
 * umbra_device_note() - a walk has ended where there is no slot
 * @ctx: the vCPU's
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: where
 *
 * Context: as umbra_device_find(), in the same critical section as the walk.
 */
void umbra_device_note(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t gpa)
{
	*umbra_device_place(ctx, gva) = (struct umbra_device) {
		.acc = acc,
		.gva = gva & UMBRA_PAGE_MASK,
		.gpa = gpa & UMBRA_PAGE_MASK,
		.generation = generation(ctx),
	};
}

/**
 * umbra_device_forget() - the guest flushes, or changes its paging
 * @ctx: the vCPU's
 *
 * Context: the vCPU's thread.
 */
void umbra_device_forget(struct umbra_mmu_ctx *ctx)
{
	unsigned int i;

	for (i = 0; i < UMBRA_NR_DEVICES; i++)
		ctx->devices[i].gva = UMBRA_NO_DEVICE;
}
