// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: clocks, and a second kernel
 *
 * The clocks by vDSO, by system call and by the vsyscall page agree and never
 * run back; and kexec, after which nothing of this guest is left.
 */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VSYSCALL_TIME	0xffffffffff600400ul
#define SECOND		1000000000ll

static int64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * SECOND + ts->tv_nsec;
}

void probe_clock(void)
{
	time_t (*vsyscall_time)(time_t *) = (void *)VSYSCALL_TIME;
	struct timespec a = { 0 }, b, s;
	int i, back = 0, apart = 0;
	time_t t;

	for (i = 0; i < 3000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &b);
		back += ns(&b) < ns(&a);
		a = b;
		if (i % 10)
			continue;
		syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &s);
		apart += ns(&s) < ns(&a) || ns(&s) > ns(&a) + 2 * SECOND;
		a = s;
	}
	probe_say(!back, "the clock does not run back", "%d", back);
	probe_say(!apart, "vDSO and system call agree", "%d", apart);
	t = time(NULL);
	b.tv_sec = vsyscall_time(NULL);
	probe_say(b.tv_sec >= t && b.tv_sec <= t + 3, "vsyscall page", "%ld %ld",
		  (long)b.tv_sec, (long)t);
}

/* argv: kernel, initrd, command line.  Returns if it cannot be. */
void probe_kexec(char **argv)
{
	int kernel = open(argv[0], O_RDONLY), initrd = open(argv[1], O_RDONLY);

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(argv[2]) + 1, argv[2], 0)) {
		probe_say(false, "kexec_file_load", "errno %d", errno);
		return;
	}
	probe_say(true, "kexec_file_load", " ");
	sync();
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC, 0);
	probe_say(false, "kexec", "errno %d", errno);
}
