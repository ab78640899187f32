// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: code that the guest's kernel makes
 *
 * BPF programs, compiled by the kernel's JIT and run: as a socket's filter, as
 * a seccomp filter, and by BPF_PROG_TEST_RUN.  Many are made and thrown
 * away, so that memory which had code has other code next.
 */
#include "probe.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROGRAMS	40

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* A program that returns @value by way of a loop of @value steps. */
static int load(uint32_t value)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 0, .imm = 1 },
		{ .code = BPF_JMP | BPF_JLT | BPF_K, .dst_reg = 0, .imm = value, .off = -2 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uintptr_t)insns, .insn_cnt = 4, .license = (uintptr_t)"GPL",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static uint32_t jited_len(int fd)
{
	struct bpf_prog_info info = { 0 };
	union bpf_attr attr = {
		.info = { .bpf_fd = fd, .info_len = sizeof(info), .info = (uintptr_t)&info },
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) ? 0 : info.jited_prog_len;
}

static void run_many(void)
{
	uint8_t packet[64] = { 0 };
	int i, fd, good = 0, jited = 0;

	for (i = 0; i < PROGRAMS; i++) {
		union bpf_attr attr = { 0 };

		fd = load(i + 1);
		if (fd < 0)
			break;
		jited += jited_len(fd) > 0;
		attr.test.prog_fd = fd;
		attr.test.data_in = (uintptr_t)packet;
		attr.test.data_size_in = sizeof(packet);
		attr.test.repeat = 3;
		if (!bpf(BPF_PROG_TEST_RUN, &attr) && attr.test.retval == (uint32_t)i + 1)
			good++;
		close(fd);
	}
	probe_say(jited == PROGRAMS, "BPF programs are compiled", "%d, errno %d", jited, errno);
	probe_say(good == PROGRAMS, "and run", "%d", good);
}

/* Datagrams whose first byte is odd pass. */
static void socket_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };
	int pair[2], i, passed = 0, wrong = 0;
	char byte;

	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
	if (setsockopt(pair[1], SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog))) {
		probe_say(false, "socket filter", "errno %d", errno);
		return;
	}
	for (i = 0; i < 50; i++) {
		byte = i;
		send(pair[0], &byte, 1, 0);
		while (recv(pair[1], &byte, 1, 0) == 1) {
			passed++;
			wrong += !(byte & 1);
		}
	}
	probe_say(passed == 25 && !wrong, "socket filter", "%d, wrong %d", passed, wrong);
}

/* getppid() becomes EUCLEAN. */
static void seccomp_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EUCLEAN),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };
	int i, good = 0;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
	for (i = 0; i < 20; i++) {
		errno = 0;
		good += syscall(SYS_getppid) == -1 && errno == EUCLEAN && getpid() > 0;
	}
	probe_say(good == 20, "seccomp filter", "%d", good);
}

void probe_bpf(void)
{
	run_many();
	socket_filter();
	seccomp_filter();
}
