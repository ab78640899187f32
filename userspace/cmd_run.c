// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: umbra run
 *
 * Options and files are judged first, then memory is filled, and only then is
 * the device opened: bad input starts nothing.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "complaint.h"
#include "cpuid.h"
#include "firmware.h"
#include "image.h"
#include "loader.h"
#include "machine.h"
#include "memory.h"
#include "options.h"
#include "vcpu.h"
#include "vm.h"

#define MAX_MODULES	16
#define MAX_CMDLINE	4096
#define MAX_TIMEOUT	(7 * 24 * 3600)
#define DEFAULT_MEMORY	(256ull << 20)

enum {
	OPT_DEVICE = 256, OPT_ENGINE, OPT_FORMAT, OPT_FLAT, OPT_ENTRY, OPT_MODE,
	OPT_TIMEOUT, OPT_NOGRAPHIC,
};

struct run_options {
	const char *kernel;
	const char *module[MAX_MODULES];
	unsigned int nr_modules;
	char cmdline[MAX_CMDLINE];
	bool has_cmdline;
	uint64_t memory;
	uint64_t cpus;
	const char *device;
	const char *engine;
	const char *format;
	bool is_flat, has_entry, has_mode;
	uint64_t flat_gpa, flat_entry;
	enum entry_mode flat_mode;
	uint64_t timeout;
	bool verbose;
	bool help;
};

static const struct option long_options[] = {
	{ "kernel", required_argument, NULL, 'k' },
	{ "initrd", required_argument, NULL, 'i' },
	{ "mem", required_argument, NULL, 'm' },
	{ "append", required_argument, NULL, 'a' },
	{ "cpus", required_argument, NULL, 'c' },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "flat", required_argument, NULL, OPT_FLAT },
	{ "entry", required_argument, NULL, OPT_ENTRY },
	{ "mode", required_argument, NULL, OPT_MODE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "nographic", no_argument, NULL, OPT_NOGRAPHIC },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_head[] =
"usage: umbra run -k KERNEL [OPTION]...\n"
"\n"
"Boot a kernel in a new VM. COM1 of the guest is this terminal.\n"
"\n"
"  -k, --kernel FILE     image: Linux bzImage, PVH or plain ELF, Multiboot 1;\n"
"                        raw binary with --flat\n"
"  -i, --initrd FILE     initial RAM disk; for PVH and Multiboot a module,\n"
"                        then more than one may be given\n"
"  -m, --mem SIZE        memory, suffix K, M (default), G (256M)\n"
"  -a, --append TEXT     kernel command line; repeated ones are joined by\n"
"                        blanks (console=ttyS0,115200 when there is none)\n"
"  -c, --cpus N          virtual processors (1)\n"
"      --device PATH     device node that speaks the KVM ABI (/dev/umbra)\n"
"      --engine NAME     refuse to start on another engine than this\n"
"      --format NAME     do not guess: bzimage, pvh, multiboot, elf, flat\n"
"      --flat ADDRESS    load KERNEL as a raw binary at this physical address\n"
"      --entry ADDRESS   where a raw binary starts (its first byte)\n"
"      --mode MODE       how it starts: real (default), protected, long\n"
"      --timeout SECONDS stop the VM after this time, with status 124\n"
"      --nographic       accepted: there are no graphics anyway\n"
"  -q, --quiet           do not say why the VM stopped when all is well\n"
"  -v, --verbose         say what is loaded; print registers at the end\n"
"  -h, --help            this text\n"
"\n"
"Keys, when standard input is a terminal:\n";

static const char help_tail[] =
"\n"
"Exit status: 0 after power-off or reset by the guest; N when the guest writes\n"
"the byte N to port 0xf4; 1 the device refused something; 2 bad input, nothing\n"
"was started; 3 triple fault; 4 the guest cannot be run any further; 124 time is\n"
"up; 128+N killed by signal N.\n"
"\n"
"Examples:\n"
"  umbra run -k /boot/vmlinuz -i initrd.img -m 512M -c 2 -a console=ttyS0\n"
"  umbra run -k /boot/vmlinuz --device /dev/kvm\n"
"  umbra run -k boot.bin --flat 0x7c00\n";

static void print_help(void)
{
	fputs(help_head, stdout);
	fputs(console_help(), stdout);
	fputs(help_tail, stdout);
}

static int add_cmdline(struct run_options *options, const char *text,
		       struct complaint *complaint)
{
	size_t used = strlen(options->cmdline);
	int more;

	more = snprintf(options->cmdline + used, sizeof(options->cmdline) - used, "%s%s",
			options->has_cmdline && used ? " " : "", text);
	if (used + more >= sizeof(options->cmdline))
		return complain(complaint, "-a: more than %d characters", MAX_CMDLINE - 1);
	options->has_cmdline = true;
	return 0;
}

static int add_module(struct run_options *options, const char *path,
		      struct complaint *complaint)
{
	if (options->nr_modules == MAX_MODULES)
		return complain(complaint, "-i: more than %d files", MAX_MODULES);
	options->module[options->nr_modules++] = path;
	return 0;
}

static int set_mode(struct run_options *options, const char *text,
		    struct complaint *complaint)
{
	static const char *const names[] = {
		[ENTRY_REAL] = "real", [ENTRY_PROTECTED] = "protected", [ENTRY_LONG] = "long",
	};
	unsigned int i;

	options->has_mode = true;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			options->flat_mode = i;
			return 0;
		}
	return complain(complaint, "--mode: '%s' is not real, protected or long", text);
}

static int set_format(struct run_options *options, const char *text,
		      struct complaint *complaint)
{
	options->format = text;
	if (!loader_by_name(text))
		return complain(complaint, "--format: '%s' is not one of %s", text,
				loader_names());
	return 0;
}

static int set_option(struct run_options *options, int option, struct complaint *complaint)
{
	switch (option) {
	case 'k':
		if (options->kernel)
			return complain(complaint, "-k: given twice");
		options->kernel = optarg;
		return 0;
	case 'i':
		return add_module(options, optarg, complaint);
	case 'm':
		return options_size("-m", optarg, &options->memory, complaint);
	case 'a':
		return add_cmdline(options, optarg, complaint);
	case 'c':
		return options_number("-c", optarg, 1, FIRMWARE_MAX_CPUS, &options->cpus,
				      complaint);
	case OPT_DEVICE:
		options->device = optarg;
		return 0;
	case OPT_ENGINE:
		options->engine = optarg;
		return 0;
	case OPT_FORMAT:
		return set_format(options, optarg, complaint);
	case OPT_FLAT:
		options->is_flat = true;
		return options_number("--flat", optarg, 0, UINT32_MAX, &options->flat_gpa,
				      complaint);
	case OPT_ENTRY:
		options->has_entry = true;
		return options_number("--entry", optarg, 0, UINT32_MAX, &options->flat_entry,
				      complaint);
	case OPT_MODE:
		return set_mode(options, optarg, complaint);
	case OPT_TIMEOUT:
		return options_number("--timeout", optarg, 1, MAX_TIMEOUT, &options->timeout,
				      complaint);
	case OPT_NOGRAPHIC:
		return 0;
	case 'q':
		say_quietly(true);
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case 'h':
		options->help = true;
		return 0;
	default:
		return -1;
	}
}

/* getopt_long() tells only where it is: the word itself names the culprit. */
static int complain_word(const char *word, int option, struct complaint *complaint)
{
	if (option == ':')
		return complain(complaint, "%s: needs an argument (umbra run --help)", word);
	return complain(complaint, "%s: no such option, or it takes no argument (umbra run --help)",
			word);
}

static int check_options(struct run_options *options, struct complaint *complaint)
{
	bool flat = options->is_flat;

	if (!options->kernel)
		return complain(complaint, "-k: no kernel image given (umbra run --help)");
	if (options->format && !strcmp(options->format, "flat") != flat)
		return complain(complaint, flat ? "--flat: contradicts --format %s" :
				"--format: %s needs --flat ADDRESS", options->format);
	if (!flat && options->has_entry)
		return complain(complaint, "--entry: only for raw binaries (--flat)");
	if (!flat && options->has_mode)
		return complain(complaint, "--mode: only for raw binaries (--flat)");
	if (!options->has_entry)
		options->flat_entry = options->flat_gpa;
	return 0;
}

static int parse(struct run_options *options, int argc, char **argv,
		 struct complaint *complaint)
{
	int option;

	*options = (struct run_options){
		.memory = DEFAULT_MEMORY, .cpus = 1, .device = VM_DEFAULT_DEVICE,
	};
	opterr = 0;
	for (;;) {
		/* The word that is looked at next. */
		const char *word = optind < argc ? argv[optind] : "";

		option = getopt_long(argc, argv, "+:k:i:m:a:c:qvh", long_options, NULL);
		if (option < 0)
			break;
		if (option == '?' || option == ':')
			return complain_word(word, option, complaint);
		if (set_option(options, option, complaint))
			return -1;
		if (options->help)
			return 0;
	}
	if (optind < argc)
		return complain(complaint, "%s: what is this for? (umbra run --help)", argv[optind]);
	return check_options(options, complaint);
}

/* Files that a VM starts from. */
struct files {
	struct image kernel;
	struct image module[MAX_MODULES];
};

static int read_files(const struct run_options *options, struct files *files,
		      struct complaint *complaint)
{
	unsigned int i;

	if (image_read(&files->kernel, options->kernel, complaint))
		return -1;
	for (i = 0; i < options->nr_modules; i++)
		if (image_read(&files->module[i], options->module[i], complaint))
			return -1;
	return 0;
}

static void free_files(struct files *files)
{
	unsigned int i;

	image_free(&files->kernel);
	for (i = 0; i < MAX_MODULES; i++)
		image_free(&files->module[i]);
}

static void print_claims(const struct memory *memory)
{
	unsigned int i;

	for (i = 0; i < memory->nr_claims; i++)
		fprintf(stderr, "%#12llx %10llu bytes  %s\n",
			(unsigned long long)memory->claim[i].gpa,
			(unsigned long long)memory->claim[i].size, memory->claim[i].what);
}

static int load_files(const struct run_options *options, const struct files *files,
		      struct memory *memory, struct entry *entry,
		      struct complaint *complaint)
{
	struct load load = {
		.kernel = &files->kernel,
		.module = files->module,
		.nr_modules = options->nr_modules,
		.cmdline = options->has_cmdline ? options->cmdline : NULL,
		.flat_gpa = options->flat_gpa,
		.flat_entry = options->flat_entry,
		.flat_mode = options->flat_mode,
		.memory = memory,
	};
	const struct loader *loader;

	if (options->format)
		loader = loader_by_name(options->format);
	else if (options->is_flat)
		loader = &loader_flat;
	else
		loader = loader_for(&files->kernel, complaint);
	if (!loader)
		return -1;
	if (firmware_write(memory, options->cpus, &load.rsdp, complaint))
		return -1;
	if (loader->load(&load)) {
		*complaint = load.complaint;
		return -1;
	}
	if (options->verbose) {
		say("%s: %s, entry %#llx", options->kernel, loader->what,
		    (unsigned long long)load.entry.rip);
		print_claims(memory);
	}
	*entry = load.entry;
	return 0;
}

/* All that can be wrong with the input is found here. */
static int prepare(const struct run_options *options, struct memory *memory,
		   struct entry *entry, struct complaint *complaint)
{
	struct files files = { 0 };
	int result = -1;

	if (!read_files(options, &files, complaint) &&
	    !memory_create(memory, options->memory, complaint))
		result = load_files(options, &files, memory, entry, complaint);
	free_files(&files);
	return result;
}

static int create_vcpus(struct vm *vm, const struct entry *entry,
			const struct kvm_cpuid2 *supported, struct complaint *complaint)
{
	unsigned int i;
	int result = 0;

	vm->vcpu = calloc(vm->nr_vcpus, sizeof(*vm->vcpu));
	if (!vm->vcpu)
		result = complain(complaint, "no memory for %u vCPUs", vm->nr_vcpus);
	for (i = 0; !result && i < vm->nr_vcpus; i++)
		result = vcpu_create(vm, i, supported, complaint);
	return result ? result : vcpu_set_entry(&vm->vcpu[0], entry, complaint);
}

/* What only the device can say about the input. */
static int check_limits(const struct vm *vm, const struct memory *memory,
			const struct kvm_cpuid2 *supported, struct complaint *complaint)
{
	const struct kvm_cpuid_entry2 *sizes = cpuid_find(supported, 0x80000008, 0);
	const struct memory_block *last = &memory->block[memory->nr_blocks - 1];
	unsigned int bits = sizes ? sizes->eax & 0xff : 36;
	int most = vm_has(vm, KVM_CAP_MAX_VCPUS);

	if (!most)
		most = vm_has(vm, KVM_CAP_NR_VCPUS);
	if (most && vm->nr_vcpus > (unsigned int)most)
		return complain(complaint, "-c: %s offers %d vCPUs, not %u", vm->device, most,
				vm->nr_vcpus);
	if (bits < 64 && (last->gpa + last->size - 1) >> bits)
		return complain(complaint, "-m: physical addresses on %s have %u bits, too few for this",
				vm->device, bits);
	return 0;
}

static int report(struct machine *machine, bool verbose)
{
	struct vm_stop *stop = &machine->vm.stop;
	unsigned int i;

	if (stop->normal)
		notice("%s", stop->reason);
	else
		say("%s", stop->reason);
	if (verbose)
		for (i = 0; i < machine->vm.nr_vcpus; i++)
			if (!machine->vm.vcpu[i].started)
				vcpu_dump(&machine->vm.vcpu[i]);
	return stop->status;
}

/* Input is good: create the VM, run it, say how it ended. */
static int run(const struct run_options *options, const struct memory *memory,
	       const struct entry *entry, struct complaint *complaint)
{
	static struct machine machine;
	struct vm *vm = &machine.vm;
	struct kvm_cpuid2 *supported;
	int failed;

	if (vm_create(vm, options->device, options->engine, complaint))
		return TOOL_DEVICE;
	vm->nr_vcpus = options->cpus;
	supported = cpuid_supported(vm->device_fd, vm->device, complaint);
	if (!supported)
		return TOOL_DEVICE;
	if (check_limits(vm, memory, supported, complaint)) {
		free(supported);
		return TOOL_BAD_INPUT;
	}
	failed = vm_add_memory(vm, memory, complaint) ||
		 machine_init(&machine, options->memory, complaint) ||
		 create_vcpus(vm, entry, supported, complaint);
	free(supported);
	if (failed || machine_run(&machine, options->timeout, complaint))
		return TOOL_DEVICE;
	return report(&machine, options->verbose);
}

/**
 * cmd_run() - umbra run
 * @argc: of @argv
 * @argv: "run" and its options
 *
 * Return: exit status.
 */
int cmd_run(int argc, char **argv)
{
	struct complaint complaint = { "" };
	int status = TOOL_BAD_INPUT;
	struct run_options options;
	struct memory memory;
	struct entry entry;

	if (parse(&options, argc, argv, &complaint)) {
		say("%s", complaint.text);
		return status;
	}
	if (options.help) {
		print_help();
		return TOOL_OK;
	}
	if (!prepare(&options, &memory, &entry, &complaint))
		status = run(&options, &memory, &entry, &complaint);
	if (complaint.text[0])
		say("%s", complaint.text);
	return status;
}
