/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: memory_guest
 *
 * A guest that never stops looking at its memory, for tests that change that memory below it.
 * Two vCPUs with tables of their own go round all pages of a slot.  Each page has two words:
 *
 *   word 0   the host's: both vCPUs note what they see there
 *   word 1   the guest's: vCPU 0 writes the number of its round, after it has looked whether the
 *            last round's is there (if not, that is counted); vCPU 1 notes what it sees
 *
 * mg_agrees() waits until both have been everywhere, and compares what they saw with what the
 * host has.
 */
#ifndef SELFTESTS_MEMORY_GUEST_H
#define SELFTESTS_MEMORY_GUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

#define MG_ALIGN	0x200000ul	/* of the memory, in the host and in the guest */
#define MG_MAX_PAGES	4096u
#define MG_VCPUS	2u

/*
 * A VM with @pages pages, the first @written of which vCPU 0 writes to, and start it.  @large: the
 * tables of vCPU 0 map 2 MiB at once.  Small pages in the host; word 0 of page i is mg_mark(i, 0).
 */
void mg_start(unsigned int pages, unsigned int written, bool large);
void mg_finish(void);

/* A word that tells a page and a change of it from others. */
uint64_t mg_mark(unsigned int page, unsigned int change);

/* Page i in this process, and its words. */
void *mg_page(unsigned int page);
volatile uint64_t *mg_words(unsigned int page);

/* Wait until both vCPUs have looked at all pages after now.  Return: false: one has stopped. */
bool mg_settle(void);

/*
 * mg_settle(), and then: did both see the host's words, and do the host and vCPU 1 see what vCPU 0 has
 * written meanwhile?  Says what differs.
 */
bool mg_agrees(void);

/* How often a word of vCPU 0 was not there any more. */
uint64_t mg_lost(void);

/* Stop both at the end of a round; let who has stopped go on, also after a failed KVM_RUN. */
void mg_pause(void);
void mg_go(void);

/* Return: whether KVM_RUN of both fails with @err at one of these pages, sooner than they are round. */
bool mg_failed(int err, unsigned int first, unsigned int n);

/* Whether a KVM_RUN that fails with EFAULT is just tried again. */
void mg_persist(bool on);

#endif
