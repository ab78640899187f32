/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: lists of counters
 *
 * Name and place of every counter of a VM and of a vCPU, for the statistics fd
 * and for debugfs.
 */
#ifndef UMBRA_STATS_INTERNAL_H
#define UMBRA_STATS_INTERNAL_H

#include "umbra/types.h"

/**
 * struct umbra_stat_item - one counter, a u64
 * @name: name
 * @offset: bytes from the start of its struct
 * @instant: it can fall
 */
struct umbra_stat_item {
	const char *name;
	u16 offset;
	bool instant;
};

/* In struct umbra_vcpu_stat. */
extern const struct umbra_stat_item umbra_vcpu_stat_items[];
extern const unsigned int umbra_nr_vcpu_stat_items;

/* In struct umbra_mmu_stats. */
extern const struct umbra_stat_item umbra_vm_stat_items[];
extern const unsigned int umbra_nr_vm_stat_items;

#endif
