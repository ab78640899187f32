// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: pools
 *
 * The MMU lock is a spinlock, so what a fault may need under it is allocated
 * before: each vCPU has small pools, topped up at the start of every fault and
 * every root load to what one of them can use at most.  What is left over
 * waits for the next fault.
 */
#include "mmu_internal.h"

/*
 * One fault makes at most one page per level below the root, one root load at
 * most UMBRA_NR_LEGACY_ROOTS pages; each has a table and maybe its gptes, and one
 * link; a fault also has one leaf and its neighbours.
 */
#define NEED_SP		UMBRA_NR_LEGACY_ROOTS
#define NEED_TABLE	(2 * NEED_SP)
#define NEED_BLOCK	(NEED_SP + UMBRA_PREFETCH)

static void *new_table(size_t size)
{
	return umbra_host_alloc_table(false);
}

static void free_table(void *table)
{
	umbra_host_free_table(table);
}

static int fill(struct umbra_pool *pool, unsigned int need, void *(*alloc)(size_t), size_t size)
{
	while (pool->n < need) {
		void *obj = alloc(size);

		if (!obj)
			return -ENOMEM;
		pool->obj[pool->n++] = obj;
	}
	return 0;
}

static void drain(struct umbra_pool *pool, void (*release)(void *))
{
	while (pool->n)
		release(pool->obj[--pool->n]);
}

/**
 * umbra_pools_fill() - make sure that one fault or root load cannot run dry
 * @pools: a vCPU's
 *
 * Context: that vCPU's thread, may sleep.
 * Return: 0 or -ENOMEM.
 */
int umbra_pools_fill(struct umbra_pools *pools)
{
	int ret;

	ret = fill(&pools->sp, NEED_SP, umbra_host_alloc, sizeof(struct umbra_sp));
	if (!ret)
		ret = fill(&pools->table, NEED_TABLE, new_table, 0);
	if (!ret)
		ret = fill(&pools->block, NEED_BLOCK, umbra_host_alloc,
			   sizeof(struct umbra_chain_block));
	return ret;
}

/**
 * umbra_pools_drain() - free what the pools hold
 * @pools: a vCPU's
 *
 * Context: any.
 */
void umbra_pools_drain(struct umbra_pools *pools)
{
	drain(&pools->sp, umbra_host_free);
	drain(&pools->table, free_table);
	drain(&pools->block, umbra_host_free);
}

/**
 * umbra_pool_take() - one object
 * @pool: filled by umbra_pools_fill() before the lock was taken
 *
 * Context: MMU lock held.
 * Return: a zeroed object; NULL would be a bug of the sums above.
 */
void *umbra_pool_take(struct umbra_pool *pool)
{
	if (WARN_ON_ONCE(!pool->n))
		return NULL;
	return pool->obj[--pool->n];
}
