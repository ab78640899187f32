// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what firmware leaves in memory
 *
 * There is no BIOS, only its traces: the real-mode interrupt table with every
 * vector at an IRET, a few words of the BIOS data area, and ACPI tables.
 */
#include "firmware.h"

#include <string.h>

#include "acpi.h"
#include "bytes.h"

#define IVT_SIZE	0x400
#define BDA_END		0x500
#define BDA_COM1	0x400
#define BDA_EBDA	0x40e
#define BDA_LOW_KIB	0x413
#define BDA_COLUMNS	0x44a

/* By custom a BIOS's dummy handler lies here. */
#define IRET_SEGMENT	0xf000
#define IRET_OFFSET	0xff53
#define IRET_GPA	0xfff53
#define IRET_OPCODE	0xcf

static void write_low(uint8_t *low)
{
	unsigned int vector;

	for (vector = 0; vector < IVT_SIZE / 4; vector++) {
		put16(low + 4 * vector, IRET_OFFSET);
		put16(low + 4 * vector + 2, IRET_SEGMENT);
	}
	put16(low + BDA_COM1, 0x3f8);
	put16(low + BDA_EBDA, MEMORY_EBDA >> 4);
	put16(low + BDA_LOW_KIB, MEMORY_EBDA >> 10);
	put16(low + BDA_COLUMNS, 80);
}

/**
 * firmware_write() - claim and fill firmware's places
 * @memory: the guest's, fresh
 * @nr_cpus: 1 ... FIRMWARE_MAX_CPUS
 * @rsdp: set to the gpa of the ACPI root pointer
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int firmware_write(struct memory *memory, unsigned int nr_cpus, uint64_t *rsdp,
		   struct complaint *complaint)
{
	uint8_t *ebda;

	if (memory_claim(memory, 0, BDA_END, "BIOS data", complaint) ||
	    memory_claim_firmware(memory, ACPI_TABLES_GPA, ACPI_TABLES_SIZE, "ACPI tables",
				  complaint) ||
	    memory_claim_firmware(memory, IRET_GPA, 1, "interrupt handler", complaint))
		return -1;
	write_low(memory_at(memory, 0, BDA_END));
	/* Its first byte is its size in KiB. */
	ebda = memory_at(memory, MEMORY_EBDA, 1);
	*ebda = (MEMORY_LOW_END - MEMORY_EBDA) >> 10;
	*(uint8_t *)memory_at(memory, IRET_GPA, 1) = IRET_OPCODE;
	*rsdp = acpi_write(memory_at(memory, ACPI_TABLES_GPA, ACPI_TABLES_SIZE), nr_cpus);
	return 0;
}
