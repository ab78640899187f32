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

static struct umbra_device *place(struct umbra_mmu_ctx *ctx, gva_t gva)
{
	return &ctx->devices[(gva >> UMBRA_PAGE_SHIFT) % UMBRA_NR_DEVICES];
}

static u64 generation(const struct umbra_mmu_ctx *ctx)
{
	return ctx->mmu->ops->slots(ctx->mmu->vm)->generation;
}

/**
 * umbra_device_find() - is it known to be a device's?
 * @ctx: the vCPU's
 * @gva: linear address
 * @acc: UMBRA_ACC_*
 * @gpa: result
 *
 * Context: the vCPU's thread; SRCU read side of the slots held.
 * Return: true: a walk would end at @gpa, where there is no slot.
 */
bool umbra_device_find(struct umbra_mmu_ctx *ctx, gva_t gva, unsigned int acc, gpa_t *gpa)
{
	const struct umbra_device *d = place(ctx, gva);

	if (d->gva != (gva & UMBRA_PAGE_MASK) || !d->valid)
		return false;
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
	*place(ctx, gva) = (struct umbra_device) {
		.valid = !(acc & UMBRA_ACC_FETCH),
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
		ctx->devices[i].valid = false;
}
