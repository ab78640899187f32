// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: umbra info
 *
 * What the device offers: versions, engines, limits, capabilities by name, and
 * the processor that guests see.
 */
#include <getopt.h>
#include <linux/kvm.h>
#include <linux/umbra.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cap_names.h"
#include "cmd.h"
#include "complaint.h"
#include "cpuid.h"
#include "vm.h"

enum { OPT_DEVICE = 256 };

enum cpuid_register { EAX, EBX, ECX, EDX };

/* One feature bit. */
struct feature {
	uint32_t function;
	uint32_t index;
	enum cpuid_register where;
	unsigned int bit;
	const char *name;
};

static const struct feature features[] = {
	{ 1, 0, EDX, 0, "fpu" }, { 1, 0, EDX, 3, "pse" }, { 1, 0, EDX, 4, "tsc" },
	{ 1, 0, EDX, 5, "msr" }, { 1, 0, EDX, 6, "pae" }, { 1, 0, EDX, 9, "apic" },
	{ 1, 0, EDX, 11, "sep" }, { 1, 0, EDX, 12, "mtrr" }, { 1, 0, EDX, 13, "pge" },
	{ 1, 0, EDX, 15, "cmov" }, { 1, 0, EDX, 16, "pat" }, { 1, 0, EDX, 17, "pse36" },
	{ 1, 0, EDX, 23, "mmx" }, { 1, 0, EDX, 24, "fxsr" }, { 1, 0, EDX, 25, "sse" },
	{ 1, 0, EDX, 26, "sse2" }, { 1, 0, ECX, 0, "sse3" }, { 1, 0, ECX, 1, "pclmul" },
	{ 1, 0, ECX, 9, "ssse3" }, { 1, 0, ECX, 12, "fma" }, { 1, 0, ECX, 13, "cx16" },
	{ 1, 0, ECX, 17, "pcid" }, { 1, 0, ECX, 19, "sse4.1" }, { 1, 0, ECX, 20, "sse4.2" },
	{ 1, 0, ECX, 21, "x2apic" }, { 1, 0, ECX, 22, "movbe" }, { 1, 0, ECX, 23, "popcnt" },
	{ 1, 0, ECX, 24, "tsc-deadline" }, { 1, 0, ECX, 25, "aes" }, { 1, 0, ECX, 26, "xsave" },
	{ 1, 0, ECX, 28, "avx" }, { 1, 0, ECX, 29, "f16c" }, { 1, 0, ECX, 30, "rdrand" },
	{ 7, 0, EBX, 0, "fsgsbase" }, { 7, 0, EBX, 3, "bmi1" }, { 7, 0, EBX, 5, "avx2" },
	{ 7, 0, EBX, 7, "smep" }, { 7, 0, EBX, 8, "bmi2" }, { 7, 0, EBX, 9, "erms" },
	{ 7, 0, EBX, 10, "invpcid" }, { 7, 0, EBX, 16, "avx512f" }, { 7, 0, EBX, 18, "rdseed" },
	{ 7, 0, EBX, 19, "adx" }, { 7, 0, EBX, 20, "smap" }, { 7, 0, EBX, 23, "clflushopt" },
	{ 7, 0, EBX, 24, "clwb" }, { 7, 0, EBX, 29, "sha" }, { 7, 0, ECX, 2, "umip" },
	{ 7, 0, ECX, 3, "pku" }, { 7, 0, ECX, 16, "la57" }, { 7, 0, ECX, 22, "rdpid" },
	{ 7, 0, EDX, 4, "fsrm" }, { 7, 0, EDX, 14, "serialize" },
	{ 0xd, 1, EAX, 0, "xsaveopt" }, { 0xd, 1, EAX, 3, "xsaves" },
	{ 0x80000001, 0, EDX, 11, "syscall" }, { 0x80000001, 0, EDX, 20, "nx" },
	{ 0x80000001, 0, EDX, 26, "1gib-pages" }, { 0x80000001, 0, EDX, 27, "rdtscp" },
	{ 0x80000001, 0, EDX, 29, "long-mode" }, { 0x80000001, 0, ECX, 0, "lahf" },
	{ 0x80000001, 0, ECX, 2, "svm" }, { 0x80000007, 0, EDX, 8, "invariant-tsc" },
};

static const char help[] =
"usage: umbra info [OPTION]...\n"
"\n"
"Show what the device offers.\n"
"\n"
"      --device PATH  device node that speaks the KVM ABI (/dev/umbra)\n"
"  -a, --all          also name the capabilities that are not offered\n"
"  -h, --help         this text\n"
"\n"
"Exit status: 0; 1 the device cannot be used; 2 bad option.\n";

static int check(int fd, unsigned int cap)
{
	int value = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return value < 0 ? 0 : value;
}

static void print_device(int fd, const char *path)
{
	struct umbra_info info;

	memset(&info, 0, sizeof(info));
	printf("%-14s %s\n", "device", path);
	printf("%-14s %d\n", "KVM API", ioctl(fd, KVM_GET_API_VERSION, 0));
	if (ioctl(fd, UMBRA_CHECK, &info)) {
		printf("%-14s %s\n", "Umbra", "no: this is another KVM");
	} else {
		printf("%-14s ABI version %u\n", "Umbra", info.version);
		printf("%-14s %.*s (can run here: %.*s)\n", "engine",
		       (int)sizeof(info.engine), info.engine,
		       (int)sizeof(info.engines), info.engines);
	}
	printf("%-14s %d advised, %d at most\n", "vCPUs", check(fd, KVM_CAP_NR_VCPUS),
	       check(fd, KVM_CAP_MAX_VCPUS));
	printf("%-14s %d\n", "memory slots", check(fd, KVM_CAP_NR_MEMSLOTS));
}

static void print_caps(int fd, bool all)
{
	unsigned int i, offered = 0;

	printf("\ncapabilities\n");
	for (i = 0; i < nr_cap_names; i++) {
		int value = check(fd, cap_names[i].cap);

		offered += value > 0;
		if (value == 1)
			printf("  %s\n", cap_names[i].name);
		else if (value || all)
			printf("  %-34s %d\n", cap_names[i].name, value);
	}
	printf("  (%u of the %u known here)\n", offered, nr_cap_names);
}

static uint32_t register_of(const struct kvm_cpuid_entry2 *entry, enum cpuid_register where)
{
	switch (where) {
	case EAX:
		return entry->eax;
	case EBX:
		return entry->ebx;
	case ECX:
		return entry->ecx;
	default:
		return entry->edx;
	}
}

static void print_text(const char *what, const uint32_t *words, unsigned int count)
{
	char text[49] = "";

	memcpy(text, words, count * sizeof(*words));
	printf("  %-12s %s\n", what, text);
}

static void print_brand(const struct kvm_cpuid2 *cpuid)
{
	uint32_t words[12];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0x80000002 + i, 0);

		if (!entry)
			return;
		words[4 * i] = entry->eax;
		words[4 * i + 1] = entry->ebx;
		words[4 * i + 2] = entry->ecx;
		words[4 * i + 3] = entry->edx;
	}
	print_text("name", words, 12);
}

/* Family and model with their extensions (SDM volume 2, CPUID, figure 3-6). */
static void print_version(uint32_t eax)
{
	unsigned int family = eax >> 8 & 0xf, model = eax >> 4 & 0xf;

	if (family == 6 || family == 15)
		model |= (eax >> 16 & 0xf) << 4;
	if (family == 15)
		family += eax >> 20 & 0xff;
	printf("  %-12s family %u model %u stepping %u\n", "version", family, model, eax & 0xf);
}

static void print_features(const struct kvm_cpuid2 *cpuid)
{
	unsigned int i, column = 0;

	printf("  %-12s", "features");
	for (i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *feature = &features[i];
		const struct kvm_cpuid_entry2 *entry;

		entry = cpuid_find(cpuid, feature->function, feature->index);
		if (!entry || !(register_of(entry, feature->where) >> feature->bit & 1))
			continue;
		if (column > 56) {
			printf("\n  %-12s", "");
			column = 0;
		}
		column += printf(" %s", feature->name);
	}
	putchar('\n');
}

static void print_cpuid(const struct kvm_cpuid2 *cpuid)
{
	const struct kvm_cpuid_entry2 *entry = cpuid_find(cpuid, 0, 0);

	printf("\nprocessor (%u CPUID entries)\n", cpuid->nent);
	if (entry)
		print_text("vendor", (uint32_t[]){ entry->ebx, entry->edx, entry->ecx }, 3);
	print_brand(cpuid);
	entry = cpuid_find(cpuid, 1, 0);
	if (entry)
		print_version(entry->eax);
	entry = cpuid_find(cpuid, 0x80000008, 0);
	if (entry)
		printf("  %-12s %u bits physical, %u bits linear\n", "addresses",
		       entry->eax & 0xff, entry->eax >> 8 & 0xff);
	entry = cpuid_find(cpuid, 0x40000000, 0);
	if (entry)
		print_text("hypervisor", (uint32_t[]){ entry->ebx, entry->ecx, entry->edx }, 3);
	print_features(cpuid);
}

static int show(const char *path, bool all)
{
	struct complaint complaint = { "" };
	int fd = vm_open_device(path, &complaint);
	struct kvm_cpuid2 *cpuid;

	if (fd < 0) {
		say("%s", complaint.text);
		return TOOL_DEVICE;
	}
	print_device(fd, path);
	print_caps(fd, all);
	cpuid = cpuid_supported(fd, path, &complaint);
	if (cpuid)
		print_cpuid(cpuid);
	else
		say("%s", complaint.text);
	close(fd);
	free(cpuid);
	return cpuid ? TOOL_OK : TOOL_DEVICE;
}

/**
 * cmd_info() - umbra info
 * @argc: of @argv
 * @argv: "info" and its options
 *
 * Return: exit status.
 */
int cmd_info(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "device", required_argument, NULL, OPT_DEVICE },
		{ "all", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *path = VM_DEFAULT_DEVICE;
	bool all = false;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:ah", long_options, NULL)) >= 0) {
		switch (option) {
		case OPT_DEVICE:
			path = optarg;
			break;
		case 'a':
			all = true;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			say("%s: no such option, or its argument is wrong (umbra info --help)",
			    argv[optind - 1]);
			return TOOL_BAD_INPUT;
		}
	}
	if (optind < argc) {
		say("%s: what is this for? (umbra info --help)", argv[optind]);
		return TOOL_BAD_INPUT;
	}
	return show(path, all);
}
