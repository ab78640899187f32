/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what firmware leaves in memory
 */
#ifndef UMBRA_TOOL_FIRMWARE_H
#define UMBRA_TOOL_FIRMWARE_H

#include <stdint.h>

#include "memory.h"

/* ACPI tables and the APIC bus set the number of processors. */
#define FIRMWARE_MAX_CPUS 254

int firmware_write(struct memory *memory, unsigned int nr_cpus, uint64_t *rsdp,
		   struct complaint *complaint);

#endif
