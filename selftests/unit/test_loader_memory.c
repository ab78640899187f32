// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the tool's guest memory, firmware tables, files and option values
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "acpi.h"
#include "bytes.h"
#include "firmware.h"
#include "image.h"
#include "ktap.h"
#include "memory.h"
#include "options.h"

static struct complaint complaint;

static void test_sizes(void)
{
	struct memory memory;

	ktap_ok(memory_create(&memory, 0, &complaint), "no memory is refused");
	ktap_ok(memory_create(&memory, (2ull << 40), &complaint), "too much is refused");
	ktap_ok(memory_create(&memory, (1 << 20) + 1, &complaint), "half pages are refused");
	ktap_ok(!memory_create(&memory, 5ull << 30, &complaint) && memory.nr_blocks == 2 &&
		memory_low_end(&memory) == MEMORY_HOLE &&
		memory.block[1].gpa == MEMORY_ABOVE_HOLE && memory.block[1].size == 2ull << 30,
		"memory beyond 3 GiB goes above 4 GiB");
	ktap_ok(!memory_at(&memory, MEMORY_HOLE, 1) && !memory_at(&memory, MEMORY_HOLE - 1, 2) &&
		memory_at(&memory, MEMORY_ABOVE_HOLE, 1) &&
		!memory_at(&memory, MEMORY_ABOVE_HOLE + (2ull << 30), 1) &&
		!memory_at(&memory, 0, UINT64_MAX) && !memory_at(&memory, UINT64_MAX, 2),
		"nothing beyond its blocks is handed out");
	memory_destroy(&memory);
}

static void test_claims(void)
{
	struct memory memory;
	uint64_t gpa;

	memory_create(&memory, 16 << 20, &complaint);
	ktap_ok(!memory_claim(&memory, 0x100000, 0x1000, "a", &complaint), "RAM can be claimed");
	ktap_ok(memory_claim(&memory, 0x100fff, 1, "b", &complaint) &&
		strstr(complaint.text, "overlaps a"), "not twice");
	ktap_ok(memory_claim(&memory, 0x9f000, 0x1000, "b", &complaint), "not across the EBDA");
	ktap_ok(memory_claim(&memory, 0xfff000, 0x1001, "b", &complaint), "not across the end");
	ktap_ok(memory_claim(&memory, UINT64_MAX - 1, 4, "b", &complaint) &&
		memory_claim(&memory, 0x200000, UINT64_MAX, "b", &complaint),
		"not around the end of the address space");
	ktap_ok(!memory_find(&memory, 0x1000, 0x1000, UINT64_MAX, "c", &gpa, &complaint) &&
		gpa == 0xfff000, "the highest place is found");
	ktap_ok(!memory_find(&memory, 0x1000, 0x1000, UINT64_MAX, "d", &gpa, &complaint) &&
		gpa == 0xffe000, "then the next");
	ktap_ok(!memory_find(&memory, 0x800, 0x1000, 0x102000, "e", &gpa, &complaint) &&
		gpa == 0x101000, "a limit is kept");
	ktap_ok(memory_find(&memory, 32 << 20, 1, UINT64_MAX, "f", &gpa, &complaint),
		"what does not fit is refused");
	memory_destroy(&memory);
}

static uint8_t sum(const uint8_t *bytes, uint32_t size)
{
	uint8_t total = 0;

	while (size--)
		total += *bytes++;
	return total;
}

static const uint8_t *table(const struct memory *memory, uint64_t gpa, const char *signature)
{
	const uint8_t *header = memory_at(memory, gpa, 36);

	if (!header || memcmp(header, signature, 4) || sum(header, get32(header + 4)))
		return NULL;
	return header;
}

static void test_firmware(void)
{
	const uint8_t *rsdp, *xsdt, *rsdt, *fadt, *madt, *dsdt;
	struct memory memory;
	uint64_t gpa;

	memory_create(&memory, 16 << 20, &complaint);
	ktap_ok(!firmware_write(&memory, FIRMWARE_MAX_CPUS, &gpa, &complaint),
		"tables for the most processors fit");
	rsdp = memory_at(&memory, gpa, 36);
	ktap_ok(!memcmp(rsdp, "RSD PTR ", 8) && !sum(rsdp, 20) && !sum(rsdp, 36) && gpa % 16 == 0,
		"root pointer");
	rsdt = table(&memory, get32(rsdp + 16), "RSDT");
	xsdt = table(&memory, get64(rsdp + 24), "XSDT");
	ktap_ok(rsdt && xsdt && get32(rsdt + 36) == get64(xsdt + 36) &&
		get32(rsdt + 40) == get64(xsdt + 44), "both root tables agree");
	fadt = table(&memory, get64(xsdt + 36), "FACP");
	madt = table(&memory, get64(xsdt + 44), "APIC");
	dsdt = fadt ? table(&memory, get64(fadt + 140), "DSDT") : NULL;
	ktap_ok(fadt && madt && dsdt && get32(fadt + 40) == get64(fadt + 140),
		"FADT, MADT, DSDT");
	ktap_ok(get32(madt + 4) == 44 + 8 * FIRMWARE_MAX_CPUS + 12 + 10 + 6,
		"the MADT has every processor");
	memory_destroy(&memory);
}

static void test_numbers(void)
{
	uint64_t value;

	ktap_ok(!options_size("-m", "64", &value, &complaint) && value == 64 << 20, "64 is MiB");
	ktap_ok(!options_size("-m", "4096k", &value, &complaint) && value == 4 << 20, "4096k");
	ktap_ok(!options_size("-m", "3G", &value, &complaint) && value == 3ull << 30, "3G");
	ktap_ok(options_size("-m", "", &value, &complaint) &&
		options_size("-m", "M", &value, &complaint) &&
		options_size("-m", "-1", &value, &complaint) &&
		options_size("-m", " 1", &value, &complaint) &&
		options_size("-m", "1MB", &value, &complaint) &&
		options_size("-m", "1.5G", &value, &complaint) &&
		options_size("-m", "99999999999999999999", &value, &complaint) &&
		options_size("-m", "99999999999T", &value, &complaint), "what is no size");
	ktap_ok(!options_number("-c", "0x10", 1, 16, &value, &complaint) && value == 16, "0x10");
	ktap_ok(options_number("-c", "0", 1, 16, &value, &complaint) &&
		options_number("-c", "17", 1, 16, &value, &complaint) &&
		options_number("-c", "1x", 1, 16, &value, &complaint), "what is no such number");
}

static void test_files(void)
{
	char path[] = "/tmp/test_loader_XXXXXX";
	int fd = mkstemp(path);
	struct image image;

	ktap_ok(image_read(&image, path, &complaint) && strstr(complaint.text, "empty"),
		"an empty file is refused");
	ktap_ok(write(fd, "abc", 3) == 3 && !image_read(&image, path, &complaint) &&
		image.size == 3 && !memcmp(image.data, "abc", 3), "a file is read");
	ktap_ok(image_has(&image, 3, 0) && image_has(&image, 0, 3) && !image_has(&image, 1, 3) &&
		!image_has(&image, 4, 0) && !image_has(&image, UINT64_MAX, 2), "image_has()");
	image_free(&image);
	close(fd);
	unlink(path);
	ktap_ok(image_read(&image, path, &complaint) && strstr(complaint.text, path),
		"a missing file is named");
	ktap_ok(image_read(&image, "/", &complaint) && strstr(complaint.text, "directory"),
		"a directory is refused");
	ktap_ok(image_read(&image, "/dev/zero", &complaint), "a device is refused");
}

int main(void)
{
	ktap_plan(5 + 9 + 5 + 6 + 6);
	test_sizes();
	test_claims();
	test_firmware();
	test_numbers();
	test_files();
	ktap_exit();
}
