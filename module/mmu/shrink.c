// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: shadow pages of all VMs together
 *
 * Shadow pages are a cache: what is taken away is made again when the guest
 * uses it.  So the host may have them back when it is short of memory (its
 * shrinkers ask, host.c connects us), and all VMs together stay within a bound
 * that depends on the host's memory, however many VMs there are.  Each VM's own
 * bound is in zap.c.
 *
 * The list of VMs is under a mutex that is outermost here: no memory is
 * allocated with it held, because the shrinker may be called from any allocation.
 */
#include "mmu_internal.h"

static LIST_HEAD(all_mmus);
static DEFINE_MUTEX(all_mmus_lock);
static atomic_long_t total;

/**
 * umbra_shrink_add() - a VM's shadow pages may be asked for from now on
 * @mmu: the VM's
 *
 * Context: may sleep.
 */
void umbra_shrink_add(struct umbra_mmu *mmu)
{
	mutex_lock(&all_mmus_lock);
	list_add(&mmu->all_link, &all_mmus);
	mutex_unlock(&all_mmus_lock);
}

/**
 * umbra_shrink_remove() - undo umbra_shrink_add()
 * @mmu: the VM's
 *
 * Context: may sleep; no MMU lock held.
 */
void umbra_shrink_remove(struct umbra_mmu *mmu)
{
	mutex_lock(&all_mmus_lock);
	list_del_init(&mmu->all_link);
	mutex_unlock(&all_mmus_lock);
}

/**
 * umbra_shrink_made() - a shadow page exists more
 *
 * Context: any.
 */
void umbra_shrink_made(void)
{
	atomic_long_inc(&total);
}

/**
 * umbra_shrink_freed() - a shadow page exists less
 *
 * Context: any.
 */
void umbra_shrink_freed(void)
{
	atomic_long_dec(&total);
}

/**
 * umbra_shrink_total() - shadow pages of all VMs
 *
 * Context: any.
 * Return: how many there are.
 */
unsigned long umbra_shrink_total(void)
{
	return atomic_long_read(&total);
}

/* VMs take turns.  The mutex is held. */
static unsigned long shrink_all(unsigned long want)
{
	struct umbra_mmu *mmu;
	unsigned long done = 0, vms = 0;

	list_for_each_entry(mmu, &all_mmus, all_link)
		vms++;
	while (vms-- && done < want) {
		mmu = list_last_entry(&all_mmus, struct umbra_mmu, all_link);
		list_move(&mmu->all_link, &all_mmus);
		write_lock(&mmu->lock);
		done += umbra_zap_some(mmu, want - done);
		umbra_page_free_spares(mmu);
		write_unlock(&mmu->lock);
	}
	return done;
}

/**
 * umbra_shrink_some() - take shadow pages away, wherever they are
 * @want: how many
 *
 * Does nothing while somebody else is at it.
 *
 * Context: no MMU lock held; does not sleep.
 * Return: how many were taken.
 */
unsigned long umbra_shrink_some(unsigned long want)
{
	unsigned long done;

	if (!mutex_trylock(&all_mmus_lock))
		return 0;
	done = shrink_all(want);
	mutex_unlock(&all_mmus_lock);
	return done;
}

/**
 * umbra_shrink_to_limit() - keep all VMs together within their bound
 *
 * Called before shadow pages are made.
 *
 * Context: no MMU lock held.
 */
void umbra_shrink_to_limit(void)
{
	unsigned long have = umbra_shrink_total();
	unsigned long limit = umbra_host_page_limit();

	/* More than needed: one flush serves for many. */
	if (have > limit)
		umbra_shrink_some(have - limit + limit / 16);
}
