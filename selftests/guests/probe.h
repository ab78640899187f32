/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: probe
 *
 * What the parts of the probe share.  The probe is a static program that runs
 * inside a Linux guest and uses what only a whole processor gives: signals,
 * the FPU of many tasks, ptrace, segments, JITs.  Each part prints a line for
 * each thing that it looked at, "ok NAME" or "not ok NAME: WHY", which the test
 * runner counts.
 */
#ifndef SELFTESTS_PROBE_H
#define SELFTESTS_PROBE_H

#include <stdbool.h>

/* Print a result; the text after the name is shown when it is bad. */
void probe_say(bool good, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void probe_threads(void);
void probe_tlb(void);
void probe_fpu(void);
void probe_trace(bool watch);
void probe_segments(void);
void probe_bpf(void);
void probe_clock(void);
void probe_kexec(char **argv);

#endif
