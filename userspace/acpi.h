/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ACPI tables
 *
 * As few as an operating system needs to find processors and the I/O APIC, to
 * power off and to reset.
 */
#ifndef UMBRA_TOOL_ACPI_H
#define UMBRA_TOOL_ACPI_H

#include <stddef.h>
#include <stdint.h>

#define ACPI_TABLES_GPA		0xe0000u
#define ACPI_TABLES_SIZE	0x2000u

#define ACPI_IOAPIC_GPA		0xfec00000u
#define ACPI_LAPIC_GPA		0xfee00000u
#define ACPI_SCI_IRQ		9

uint64_t acpi_write(uint8_t *tables, unsigned int nr_cpus);

#endif
