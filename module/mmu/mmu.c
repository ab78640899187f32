// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: life of a VM's shadow MMU
 *
 * Created with the VM, stopped when no vCPU runs any more, destroyed after the
 * last slot and the last vCPU are gone.
 */
#include "mmu_internal.h"

static int refuse(const struct umbra_mmu_config *config)
{
	if (config->levels != 4 && config->levels != 5)
		return -EINVAL;
	if (config->two_views && config->hole >= UMBRA_SPT_ENTRIES)
		return -EINVAL;
	return umbra_host_check(config->pae_roots);
}

static void free_mmu(struct umbra_mmu *mmu)
{
	if (mmu->hash)
		umbra_host_free_array(mmu->hash);
	if (mmu->code)
		umbra_host_free_array(mmu->code);
	umbra_host_free(mmu);
}

/**
 * umbra_mmu_create() - the shadow MMU of a VM
 * @vm: passed back to @ops
 * @ops: upcalls
 * @config: what the engine demands
 *
 * Context: process context of the caller whose memory the guest gets, may sleep.
 * Return: the MMU or ERR_PTR(): -ENOMEM, -EINTR; -EINVAL for a @config that makes no
 * sense, -EOPNOTSUPP for one that cannot be here.
 */
struct umbra_mmu *umbra_mmu_create(void *vm, const struct umbra_mmu_ops *ops,
				   const struct umbra_mmu_config *config)
{
	struct umbra_mmu *mmu;
	int ret = refuse(config);

	if (ret)
		return ERR_PTR(ret);
	mmu = umbra_host_alloc(sizeof(*mmu));
	if (!mmu)
		return ERR_PTR(-ENOMEM);
	mmu->vm = vm;
	mmu->ops = ops;
	mmu->config = *config;
	mmu->encryption_mask = umbra_host_encryption_mask();
	mmu->max_pages = 1024;
	rwlock_init(&mmu->lock);
	umbra_rmap_init(mmu);
	INIT_LIST_HEAD(&mmu->ctxs);
	INIT_LIST_HEAD(&mmu->pages);
	INIT_LIST_HEAD(&mmu->unsync);
	INIT_LIST_HEAD(&mmu->restless);
	INIT_LIST_HEAD(&mmu->spares);
	INIT_LIST_HEAD(&mmu->slots);
	mmu->hash = umbra_host_alloc_array(1u << UMBRA_HASH_BITS, sizeof(*mmu->hash));
	mmu->code = umbra_host_alloc_array(BIT(UMBRA_CODE_BITS), sizeof(*mmu->code));
	ret = mmu->hash && mmu->code ? umbra_host_watch(mmu) : -ENOMEM;
	if (ret) {
		free_mmu(mmu);
		return ERR_PTR(ret);
	}
	umbra_shrink_add(mmu);
	return mmu;
}

/**
 * umbra_mmu_stop() - unregister the notifier and zap everything
 * @mmu: the MMU; no vCPU runs any more
 *
 * Slots and vCPUs may go in any order after it, then umbra_mmu_destroy().
 *
 * Context: process context, may sleep.
 */
void umbra_mmu_stop(struct umbra_mmu *mmu)
{
	umbra_shrink_remove(mmu);
	umbra_host_unwatch(mmu);
	write_lock(&mmu->lock);
	umbra_zap_all(mmu);
	write_unlock(&mmu->lock);
}

/**
 * umbra_mmu_destroy() - free the shadow MMU
 * @mmu: stopped; its slots and contexts are gone
 *
 * Context: process context.
 */
void umbra_mmu_destroy(struct umbra_mmu *mmu)
{
	WARN_ON_ONCE(mmu->nr_pages || !list_empty(&mmu->slots));
	umbra_code_forget_all(mmu);
	umbra_page_free_spares(mmu);
	free_mmu(mmu);
}

/**
 * umbra_mmu_stats() - counters
 * @mmu: the VM's
 *
 * Context: any; read without locks.
 * Return: the counters.
 */
const struct umbra_mmu_stats *umbra_mmu_stats(struct umbra_mmu *mmu)
{
	return &mmu->stats;
}
