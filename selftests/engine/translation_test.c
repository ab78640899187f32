// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: translation_test
 *
 * The file "translation" of a vCPU in debugfs: a running guest's blocks are told
 * with the guest's own bytes, their translations without gaps, every address in
 * a block leads to it, and what is not translated has no answer.  Engines that do not
 * translate have no such file.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"

#define TESTS	12
#define MAX	65536

/* One block that goes on for ever, PUSHF in it: no plain copy.  It stops when [0x7000] is set. */
KU_CODE64(loop,
	  "1: pushf\n pop %rax\n lea 1(%rbx), %rbx\n"
	  "cmpb $0, 0x7000\n je 1b\n"
	  "hlt\n");

static char text[MAX];
static struct ku_vm *vm;
static struct ku_vcpu *vcpu;

static void *run(void *arg)
{
	ku_run_to(arg, KVM_EXIT_HLT);
	return NULL;
}

static int look_open(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/debug/umbra/%d-%d/vcpu0/translation", getpid(),
		 vm->fd);
	return open(path, O_RDWR);
}

/* The text for an address, in @text; its length or -errno. */
static int look(int fd, uint64_t rip)
{
	char number[32];
	ssize_t got = 0, n;

	snprintf(number, sizeof(number), "%#llx", (unsigned long long)rip);
	if (write(fd, number, strlen(number)) < 0)
		return -errno;
	while ((n = read(fd, text + got, sizeof(text) - 1 - got)) > 0)
		got += n;
	text[got] = '\0';
	return n < 0 ? -errno : got;
}

/* The guest has to come by first. */
static int look_soon(int fd, uint64_t rip)
{
	int i, got = -ENOENT;

	for (i = 0; i < 600 && got == -ENOENT; i++) {
		got = look(fd, rip);
		if (got == -ENOENT)
			usleep(100000);
	}
	return got;
}

/* All insn lines: the guest's code, one behind the other. */
static size_t guest_code(uint8_t *code, size_t size, uint64_t start)
{
	unsigned long long at;
	unsigned int byte;
	size_t n = 0;
	char *row, *hex;
	int skip;

	for (row = strstr(text, "\ninsn "); row; row = strstr(row + 1, "\ninsn ")) {
		if (sscanf(row, "\ninsn %llx %n", &at, &skip) != 1 || at != start + n)
			return 0;
		for (hex = row + skip; n < size && *hex != '\n' &&
		     sscanf(hex, "%2x", &byte) == 1; hex += 2)
			code[n++] = byte;
	}
	return n;
}

/* All code, data and exit lines: bytes in a row, or 0 where there is a gap. */
static uint64_t host_code(uint64_t start)
{
	unsigned long long at;
	char *row, state[16];
	uint64_t n = 0;
	int from, to;

	for (row = text; row; row = strchr(row, '\n')) {
		row += *row == '\n';
		if (strncmp(row, "code ", 5) && strncmp(row, "data ", 5) && strncmp(row, "exit ", 5))
			continue;
		if (sscanf(row, "%*s %llx %n%*[0-9a-f]%n %15s", &at, &from, &to, state) != 2 ||
		    at != start + n)
			return 0;
		n += (to - from) / 2;
	}
	return n;
}

static void test_block(int fd)
{
	unsigned long long rip = 0, len = 0, va = 0, host = 0;
	uint8_t code[256];
	char first[MAX];
	size_t n;

	ktap_ok(look_soon(fd, KU_CODE) > 0, "the loop is translated");
	ktap_ok(sscanf(text, "block %llx %llx %llx %llx\n", &rip, &len, &va, &host) == 4 &&
		rip == KU_CODE, "the block starts there");
	n = guest_code(code, sizeof(code), rip);
	ktap_ok(n && n == len && !memcmp(code, loop, n), "the instructions are the guest's");
	ktap_ok(host_code(va) == host && host > len, "the translation has no gap: %llu bytes", host);
	ktap_ok(strstr(text, "\nlink ") != NULL, "the branch is told");
	strcpy(first, text);
	ktap_ok(look(fd, KU_CODE + 1) > 0 && !strncmp(text, first, 40),
		"an address inside leads to the block");
	ktap_ok(look(fd, 0x123456) == -ENOENT, "what is not translated: ENOENT");
}

static void test_here(void)
{
	int fd = look_open();
	ssize_t got = read(fd, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	ktap_ok(!strncmp(text, "block ", 6), "unasked: where the vCPU is");
	close(fd);
}

static void test_bad(int fd)
{
	ktap_ok(write(fd, "words", 5) < 0 && errno == EINVAL, "words: EINVAL");
}

int main(void)
{
	const char *engine = getenv("UMBRA_ENGINE");
	bool translates = engine && !strcmp(engine, "soft");
	pthread_t thread;
	int fd;

	ku_open();
	ktap_plan(translates ? TESTS : 1);
	vm = ku_vm_new(0);
	vcpu = ku_vcpu_new(vm, 0);
	fd = look_open();
	if (!translates) {
		ktap_ok(fd < 0 && errno == ENOENT, "no such file without translations");
		ktap_exit();
	}
	ktap_ok(fd >= 0, "the file is there");
	ku_load(vm, loop, loop_end - loop);
	ku_vcpu_long(vcpu, KU_CODE);
	ktap_ok(look(fd, KU_CODE) == -ETIMEDOUT, "a vCPU that does not run: ETIMEDOUT");
	pthread_create(&thread, NULL, run, vcpu);
	test_block(fd);
	test_here();
	test_bad(fd);
	*(volatile char *)ku_ptr(vm, 0x7000) = 1;
	pthread_join(thread, NULL);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	ktap_ok(read(fd, text, 1) < 0 && errno == EIO, "the VM is gone: EIO");
	ktap_exit();
}
