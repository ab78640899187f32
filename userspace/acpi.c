// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ACPI tables, written by hand
 *
 * RSDP, RSDT and XSDT, FADT, FACS, MADT and a DSDT that holds one name, \_S5.
 * Offsets and meanings: ACPI specification 6.4, chapter 5.2.  The registers
 * that the FADT names live in acpi_pm.c and misc_ports.c.
 */
#include "acpi.h"

#include <string.h>

#include "acpi_pm.h"
#include "bytes.h"
#include "misc_ports.h"

#define HEADER_SIZE	36
#define RSDP_SIZE	36
#define FADT_SIZE	268
#define FACS_SIZE	64

/* FADT fields. */
#define FADT_FACS	36
#define FADT_DSDT	40
#define FADT_PROFILE	45
#define FADT_SCI_INT	46
#define FADT_PM1A_EVT	56
#define FADT_PM1A_CNT	64
#define FADT_PM_TMR	76
#define FADT_PM1_EVT_LEN 88
#define FADT_PM1_CNT_LEN 89
#define FADT_PM_TMR_LEN	91
#define FADT_C2_LATENCY	96
#define FADT_C3_LATENCY	98
#define FADT_CENTURY	108
#define FADT_BOOT_ARCH	109
#define FADT_FLAGS	112
#define FADT_RESET_REG	116
#define FADT_RESET_VALUE 128
#define FADT_X_FACS	132
#define FADT_X_DSDT	140
#define FADT_X_PM1A_EVT	148
#define FADT_X_PM1A_CNT	172
#define FADT_X_PM_TMR	208

/* WBINVD works, C1 works, no fixed RTC wake, 32-bit timer, reset register. */
#define FADT_FLAG_BITS	((1 << 0) | (1 << 2) | (1 << 5) | (1 << 6) | (1 << 8) | (1 << 10))
/* Legacy devices yes; no need to probe for VGA or a keyboard controller. */
#define FADT_ARCH_BITS	((1 << 0) | (1 << 2))
#define NO_C_STATE	0xffff
#define CMOS_CENTURY	0x32

#define GAS_IO		1

/* Name(\_S5, Package(4) { 5, 5, 0, 0 }): the sleep type that acpi_pm.c knows. */
static const uint8_t dsdt_code[] = {
	0x08, '_', 'S', '5', '_',
	0x12, 0x08, 4, 0x0a, ACPI_PM_SLEEP_TYPE_S5, 0x0a, ACPI_PM_SLEEP_TYPE_S5, 0x00, 0x00,
};

/* Where the next table goes. */
struct writer {
	uint8_t *base;
	uint32_t used;
};

static uint32_t gpa_of(const struct writer *writer, const uint8_t *table)
{
	return ACPI_TABLES_GPA + (table - writer->base);
}

static uint8_t *take(struct writer *writer, uint32_t size)
{
	uint8_t *table = writer->base + writer->used;

	/* 64-byte alignment suits all tables; the FACS needs it. */
	writer->used += (size + 63) & ~63u;
	return table;
}

static uint8_t checksum(const uint8_t *bytes, uint32_t size)
{
	uint8_t sum = 0;

	while (size--)
		sum += *bytes++;
	return -sum;
}

static void fill_header(uint8_t *table, const char *signature, uint8_t revision,
			uint32_t size)
{
	memcpy(table, signature, 4);
	put32(table + 4, size);
	table[8] = revision;
	memcpy(table + 10, "UMBRA ", 6);
	memcpy(table + 16, "UMBRAVM ", 8);
	put32(table + 24, 1);
	memcpy(table + 28, "UMBR", 4);
	put32(table + 32, 1);
	table[9] = checksum(table, size);
}

static uint8_t *write_dsdt(struct writer *writer)
{
	uint32_t size = HEADER_SIZE + sizeof(dsdt_code);
	uint8_t *dsdt = take(writer, size);

	memcpy(dsdt + HEADER_SIZE, dsdt_code, sizeof(dsdt_code));
	fill_header(dsdt, "DSDT", 2, size);
	return dsdt;
}

static uint8_t *write_facs(struct writer *writer)
{
	uint8_t *facs = take(writer, FACS_SIZE);

	memcpy(facs, "FACS", 4);
	put32(facs + 4, FACS_SIZE);
	facs[32] = 2;
	return facs;
}

/* Generic address structure of an I/O port register. */
static void put_gas(uint8_t *at, uint16_t port, uint8_t bits, uint8_t access)
{
	at[0] = GAS_IO;
	at[1] = bits;
	at[3] = access;
	put64(at + 4, port);
}

static uint8_t *write_fadt(struct writer *writer)
{
	uint32_t facs = gpa_of(writer, write_facs(writer));
	uint32_t dsdt = gpa_of(writer, write_dsdt(writer));
	uint8_t *fadt = take(writer, FADT_SIZE);

	put32(fadt + FADT_FACS, facs);
	put32(fadt + FADT_DSDT, dsdt);
	put64(fadt + FADT_X_DSDT, dsdt);
	put16(fadt + FADT_SCI_INT, ACPI_SCI_IRQ);
	put32(fadt + FADT_PM1A_EVT, ACPI_PM_EVENT_PORT);
	put32(fadt + FADT_PM1A_CNT, ACPI_PM_CONTROL_PORT);
	put32(fadt + FADT_PM_TMR, ACPI_PM_TIMER_PORT);
	fadt[FADT_PM1_EVT_LEN] = 4;
	fadt[FADT_PM1_CNT_LEN] = 2;
	fadt[FADT_PM_TMR_LEN] = 4;
	put16(fadt + FADT_C2_LATENCY, NO_C_STATE);
	put16(fadt + FADT_C3_LATENCY, NO_C_STATE);
	fadt[FADT_CENTURY] = CMOS_CENTURY;
	put16(fadt + FADT_BOOT_ARCH, FADT_ARCH_BITS);
	put32(fadt + FADT_FLAGS, FADT_FLAG_BITS);
	put_gas(fadt + FADT_RESET_REG, RESET_PORT, 8, 1);
	fadt[FADT_RESET_VALUE] = RESET_VALUE;
	put_gas(fadt + FADT_X_PM1A_EVT, ACPI_PM_EVENT_PORT, 32, 2);
	put_gas(fadt + FADT_X_PM1A_CNT, ACPI_PM_CONTROL_PORT, 16, 2);
	put_gas(fadt + FADT_X_PM_TMR, ACPI_PM_TIMER_PORT, 32, 3);
	fill_header(fadt, "FACP", 5, FADT_SIZE);
	return fadt;
}

/* MADT entries: local APICs, one I/O APIC, the SCI's override, LINT1 as NMI. */
#define MADT_FIXED		44
#define MADT_LAPIC_SIZE		8
#define MADT_IOAPIC_SIZE	12
#define MADT_OVERRIDE_SIZE	10
#define MADT_NMI_SIZE		6

static uint8_t *put_entry(uint8_t **at, uint8_t type, uint8_t size)
{
	uint8_t *entry = *at;

	entry[0] = type;
	entry[1] = size;
	*at += size;
	return entry;
}

static uint8_t *write_madt(struct writer *writer, unsigned int nr_cpus)
{
	uint32_t size = MADT_FIXED + nr_cpus * MADT_LAPIC_SIZE + MADT_IOAPIC_SIZE +
			MADT_OVERRIDE_SIZE + MADT_NMI_SIZE;
	uint8_t *madt = take(writer, size), *at = madt + MADT_FIXED, *entry;
	unsigned int i;

	put32(madt + 36, ACPI_LAPIC_GPA);
	put32(madt + 40, 1);			/* there are 8259s as well */
	for (i = 0; i < nr_cpus; i++) {
		entry = put_entry(&at, 0, MADT_LAPIC_SIZE);
		entry[2] = i;
		entry[3] = i;
		put32(entry + 4, 1);		/* enabled */
	}
	entry = put_entry(&at, 1, MADT_IOAPIC_SIZE);
	put32(entry + 4, ACPI_IOAPIC_GPA);
	entry = put_entry(&at, 2, MADT_OVERRIDE_SIZE);
	entry[3] = ACPI_SCI_IRQ;
	put32(entry + 4, ACPI_SCI_IRQ);
	put16(entry + 8, 0x000d);		/* active high, level */
	entry = put_entry(&at, 4, MADT_NMI_SIZE);
	entry[2] = 0xff;			/* all processors */
	entry[5] = 1;
	fill_header(madt, "APIC", 3, size);
	return madt;
}

static uint8_t *write_root(struct writer *writer, const char *signature, uint32_t entry_size,
			   const uint8_t *fadt, const uint8_t *madt)
{
	uint32_t size = HEADER_SIZE + 2 * entry_size;
	uint8_t *root = take(writer, size);

	put32(root + HEADER_SIZE, gpa_of(writer, fadt));
	put32(root + HEADER_SIZE + entry_size, gpa_of(writer, madt));
	fill_header(root, signature, 1, size);
	return root;
}

/**
 * acpi_write() - write all tables
 * @tables: host address of ACPI_TABLES_GPA, ACPI_TABLES_SIZE zeroed bytes
 * @nr_cpus: number of processors; APIC ids are 0 ... @nr_cpus - 1
 *
 * Return: gpa of the root pointer.
 */
uint64_t acpi_write(uint8_t *tables, unsigned int nr_cpus)
{
	struct writer writer = { .base = tables };
	uint8_t *rsdp = take(&writer, RSDP_SIZE);
	uint8_t *fadt = write_fadt(&writer);
	uint8_t *madt = write_madt(&writer, nr_cpus);
	uint8_t *rsdt = write_root(&writer, "RSDT", 4, fadt, madt);
	uint8_t *xsdt = write_root(&writer, "XSDT", 8, fadt, madt);

	memcpy(rsdp, "RSD PTR ", 8);
	memcpy(rsdp + 9, "UMBRA ", 6);
	rsdp[15] = 2;
	put32(rsdp + 16, gpa_of(&writer, rsdt));
	put32(rsdp + 20, RSDP_SIZE);
	put64(rsdp + 24, gpa_of(&writer, xsdt));
	rsdp[8] = checksum(rsdp, 20);
	rsdp[32] = checksum(rsdp, RSDP_SIZE);
	return gpa_of(&writer, rsdp);
}
