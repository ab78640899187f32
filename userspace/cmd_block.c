// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: umbra block
 *
 * A block of guest kernel code beside what the soft engine made of it: each
 * guest instruction on the left, the code that runs in its place on the right.
 * The text comes from the vCPU's file "translation" in debugfs; its form is
 * described in module/engine/soft/show.c.
 */
#include <Zydis/Zydis.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "complaint.h"
#include "options.h"
#include "stat_tree.h"

#define TEXT_SIZE	(256 << 10)
#define MAX_CODE	16384
#define GUEST_WIDTH	52

struct block_options {
	const char *vm;
	const char *rip;
	uint64_t vcpu;
	bool att;
};

static const char help[] =
"usage: umbra block [OPTION]... [PID | PID-FD]\n"
"\n"
"Show a block of guest kernel code beside its translation by the soft engine.\n"
"\n"
"  -r, --rip=ADDRESS  the block with this guest address (default: where the\n"
"                     vCPU is now)\n"
"  -c, --vcpu=N       of this vCPU (0)\n"
"  -a, --att          AT&T syntax instead of the manuals'\n"
"  -h, --help         this text\n"
"\n"
"Exit status: 0; 1 there is nothing to show; 2 bad option, no such VM.\n";

/* A disassembler of 64-bit code. */
struct printer {
	ZydisDecoder decoder;
	ZydisFormatter formatter;
};

static void printer_init(struct printer *p, bool att)
{
	ZydisDecoderInit(&p->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	ZydisFormatterInit(&p->formatter,
			   att ? ZYDIS_FORMATTER_STYLE_ATT : ZYDIS_FORMATTER_STYLE_INTEL);
}

/* One instruction as text; its length, at least 1. */
static size_t disassemble(const struct printer *p, uint64_t at, const uint8_t *code, size_t len,
			  char *text, size_t size)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;

	if (ZYAN_SUCCESS(ZydisDecoderDecodeFull(&p->decoder, code, len, &insn, operands)) &&
	    ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&p->formatter, &insn, operands,
							 insn.operand_count_visible, text, size,
							 at, NULL)))
		return insn.length;
	snprintf(text, size, ".byte %#x", code[0]);
	return 1;
}

static size_t parse_code(const char *hex, size_t digits, uint8_t *code, size_t size)
{
	unsigned int byte;
	size_t n = 0;

	for (; n < size && 2 * n + 1 < digits && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		code[n++] = byte;
	return n;
}

/* What stands on the left of the next line: printed once. */
struct left {
	char text[256];
};

static void print_line(struct left *left, const char *right)
{
	printf("%-*s %s\n", GUEST_WIDTH, left->text, right);
	left->text[0] = '\0';
}

static void print_code(const struct printer *p, struct left *left, uint64_t at, const uint8_t *code,
		       size_t len, const char *state)
{
	char text[160], line[224];
	size_t done, n;

	for (done = 0; done < len; done += n) {
		n = disassemble(p, at + done, code + done, len - done, text, sizeof(text));
		snprintf(line, sizeof(line), "%" PRIx64 " %c %s", at + done,
			 *state == 'm' ? '|' : ' ', text);
		print_line(left, line);
	}
}

static void set_left(const struct printer *p, struct left *left, uint64_t at, const uint8_t *code,
		     size_t len)
{
	char text[160] = "(not readable)";

	if (left->text[0])
		print_line(left, "");
	if (len)
		disassemble(p, at, code, len, text, sizeof(text));
	snprintf(left->text, sizeof(left->text), "%" PRIx64 "  %s", at, text);
}

static void print_row(const struct printer *p, struct left *left, const char *row)
{
	static uint8_t code[MAX_CODE];
	uint64_t at, to, guest, host;
	char state[16] = "";
	int start = 0, end = 0;
	size_t len;

	if (sscanf(row, "block %" SCNx64 " %" SCNx64 " %*x %" SCNx64, &at, &guest, &host) == 3) {
		printf("%" PRIu64 " bytes at %" PRIx64 ", translated to %" PRIu64 "\n\n", guest, at, host);
		return;
	}
	if (sscanf(row, "link %" SCNx64 " %" SCNx64 " %15s", &at, &to, state) == 3) {
		snprintf(left->text, sizeof(left->text), "to %" PRIx64, to);
		snprintf((char *)code, sizeof(code), "%" PRIx64 "   %s", at,
			 *state == 'l' ? "jumps to the block there" : "exits: no block there yet");
		print_line(left, (char *)code);
		return;
	}
	if (sscanf(row, "%*s %" SCNx64 " %n%*[0-9a-f]%n %15s", &at, &start, &end, state) < 1 || !start)
		return;
	len = parse_code(row + start, end - start, code, sizeof(code));
	if (!strncmp(row, "insn", 4))
		set_left(p, left, at, code, len);
	else if (strncmp(row, "data", 4))
		print_code(p, left, at, code, len, state);
}

static void print_block(char *text, bool att)
{
	struct left left = { "" };
	struct printer printer;
	char *row, *next;

	printer_init(&printer, att);
	for (row = text; *row; row = next) {
		next = strchr(row, '\n');
		if (!next)
			break;
		*next++ = '\0';
		print_row(&printer, &left, row);
	}
	if (left.text[0])
		print_line(&left, "");
}

static const char *why(int error)
{
	switch (error) {
	case ENOENT:
		return "no block with this code has been translated, or it was dropped";
	case ETIMEDOUT:
		return "the vCPU does not run";
	case EBUSY:
		return "somebody else is looking";
	}
	return strerror(error);
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while ((n = read(fd, text + got, size - 1 - got)) > 0)
		got += n;
	text[got] = '\0';
	return n < 0 ? -1 : (ssize_t)got;
}

static int look(const struct stat_vm *vm, const struct block_options *options)
{
	static char text[TEXT_SIZE];
	char path[128];
	int fd, status = TOOL_DEVICE;

	snprintf(path, sizeof(path), "%s/%s/vcpu%" PRIu64 "/translation", vm->root, vm->id,
		 options->vcpu);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		say("%s: %s%s", path, strerror(errno),
		    errno == ENOENT ? " (only the soft engine translates)" : "");
		return TOOL_DEVICE;
	}
	if (options->rip && write(fd, options->rip, strlen(options->rip)) < 0) {
		say("%s: not an address", options->rip);
		status = TOOL_BAD_INPUT;
	} else if (read_all(fd, text, sizeof(text)) < 0) {
		say("%s: %s", options->rip ? options->rip : "where the vCPU is", why(errno));
	} else {
		print_block(text, options->att);
		status = TOOL_OK;
	}
	close(fd);
	return status;
}

static int show(const struct block_options *options)
{
	static struct stat_vm vms[STAT_MAX_VMS];
	struct complaint complaint = { "" };
	const struct stat_vm *vm;
	int count = stat_find_vms(vms, &complaint);

	if (count < 0) {
		say("%s", complaint.text);
		return TOOL_DEVICE;
	}
	vm = stat_choose(vms, count, options->vm, &complaint);
	if (!vm) {
		say("%s", complaint.text);
		return TOOL_BAD_INPUT;
	}
	return look(vm, options);
}

/**
 * cmd_block() - umbra block
 * @argc: of @argv
 * @argv: "block" and its options
 *
 * Return: exit status.
 */
int cmd_block(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "rip", required_argument, NULL, 'r' },
		{ "vcpu", required_argument, NULL, 'c' },
		{ "att", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct block_options options = { .vcpu = 0 };
	struct complaint complaint = { "" };
	int option, bad = 0;

	opterr = 0;
	while ((option = getopt_long(argc, argv, ":r:c:ah", long_options, NULL)) >= 0 && !bad) {
		switch (option) {
		case 'r':
			options.rip = optarg;
			break;
		case 'c':
			bad = options_number("-c", optarg, 0, 4095, &options.vcpu, &complaint);
			break;
		case 'a':
			options.att = true;
			break;
		case 'h':
			fputs(help, stdout);
			return TOOL_OK;
		default:
			bad = complain(&complaint, "%s: no such option, or its argument is missing (umbra block --help)",
				       argv[optind - 1]);
		}
	}
	if (bad || options_vm(argc, argv, &options.vm, &complaint)) {
		say("%s", complaint.text);
		return TOOL_BAD_INPUT;
	}
	return show(&options);
}
