// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: remap_test
 *
 * The host moves, replaces, discards and collapses guest memory while two vCPUs go round it
 * without a pause (memory_guest.h).  The host need not stop a guest for that: whatever is
 * behind the addresses of the slot is the guest's memory from then on, for both vCPUs, and where
 * nothing is, KVM_RUN says EFAULT and can be called again later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_util.h"
#include "ktap.h"
#include "memory_guest.h"

#define PAGES		64u
#define WRITTEN		48u	/* the others vCPUs only read */
#define SOME		8u
#define SOME_SIZE	(SOME * KU_PAGE)
#define LARGE_PAGES	512u
#define STORM		400u

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

static unsigned int change;

/* Memory of the host's that is no guest's. */
static uint64_t *elsewhere(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		ktap_bail("no memory");
	madvise(mem, size, MADV_NOHUGEPAGE);
	return mem;
}

static uint64_t *word(uint64_t *mem, unsigned int page)
{
	return mem + page * KU_PAGE / 8;
}

/* Give pages from @first on, at @mem, new marks. */
static void mark(void *mem, unsigned int first, unsigned int n)
{
	unsigned int i;

	change++;
	for (i = 0; i < n; i++)
		*(volatile uint64_t *)word(mem, i) = mg_mark(first + i, change);
}

/*
 * Are the words of @n pages lost, by @changes of the host's?  A change that comes between the guest's
 * look at a page and its write is not noticed.
 */
static bool lost_since(uint64_t lost, unsigned int n, unsigned int changes)
{
	uint64_t more = mg_lost() - lost;

	if (more <= n && more + changes >= n)
		return true;
	ktap_note("%llu words are lost, not %u", (unsigned long long)more, n);
	return false;
}

static bool move(void *from, void *to, int flags)
{
	return mremap(from, SOME_SIZE, SOME_SIZE, MREMAP_MAYMOVE | MREMAP_FIXED | flags, to) == to;
}

/* Away: nothing is there.  Then the same frames come back, with what the host wrote meanwhile. */
static void test_away(void)
{
	uint64_t *away = elsewhere(SOME_SIZE), lost = mg_lost();
	bool good;

	good = mg_agrees();
	if (!move(mg_page(8), away, 0))
		ktap_bail("mremap: %s", strerror(errno));
	good &= mg_failed(EFAULT, 8, SOME);
	mark(away, 8, SOME);
	if (!move(away, mg_page(8), 0))
		ktap_bail("mremap back: %s", strerror(errno));
	mg_go();
	ktap_ok(good && mg_agrees() && mg_lost() == lost,
		"mremap away: EFAULT for both vCPUs, until the pages are back");
}

/* Other memory comes to lie where the guest is looking: never is nothing there. */
static void test_over(void)
{
	uint64_t *other = elsewhere(SOME_SIZE), lost = mg_lost();
	bool good;

	mark(other, 16, SOME);
	good = move(other, mg_page(16), 0) && mg_agrees();
	ktap_ok(good && lost_since(lost, SOME, 1), "mremap of other pages over the slot's");
}

/* The frames go and the mapping stays, empty: zeroes are there, and nobody writes to the frames. */
static void test_left_behind(void)
{
	uint64_t *away = elsewhere(SOME_SIZE), lost = mg_lost(), before;
	const char *name = "MREMAP_DONTUNMAP leaves fresh pages, and the old ones alone";
	bool good = mg_agrees();

	if (!move(mg_page(24), away, MREMAP_DONTUNMAP)) {
		ktap_skip(name, "MREMAP_DONTUNMAP: %s", strerror(errno));
		munmap(away, SOME_SIZE);
		return;
	}
	before = word(away, 3)[1];
	good = good && mg_agrees() && !*mg_words(24) && !*mg_words(24 + SOME - 1);
	good = good && lost_since(lost, SOME, 1) && ((volatile uint64_t *)word(away, 3))[1] == before;
	ktap_ok(good && *away == mg_mark(24, 0), "%s", name);
	mark(away, 24, SOME);
	good = move(away, mg_page(24), 0);
	ktap_ok(good && mg_agrees() && lost_since(lost, 2 * SOME, 2), "and these come back over them");
}

static void test_discard(void)
{
	bool good = mg_agrees();
	uint64_t lost = mg_lost();
	unsigned int i, first, n, gone = 0;

	for (i = 0; i < 10 && good; i++) {
		first = i * 7 % (PAGES - SOME);
		n = 1 + i % SOME;
		good = !madvise(mg_page(first), n * KU_PAGE, MADV_DONTNEED) && mg_agrees();
		good = good && !*mg_words(first) && !*mg_words(first + n - 1);
		gone += first >= WRITTEN ? 0 : first + n <= WRITTEN ? n : WRITTEN - first;
		mark(mg_page(first), first, n);
		good = good && mg_agrees();
	}
	ktap_ok(good && lost_since(lost, gone, i), "MADV_DONTNEED");
}

/* How many of all pages the host has dropped. */
static unsigned int absent(void)
{
	unsigned char there[PAGES];
	unsigned int i, n = 0;

	if (mincore(mg_page(0), PAGES * KU_PAGE, there))
		ktap_bail("mincore: %s", strerror(errno));
	for (i = 0; i < PAGES; i++)
		n += !(there[i] & 1);
	return n;
}

/*
 * What is free may be dropped until somebody writes to it again.  The guest did, each round; the
 * host has to know that when it looks for pages to drop.
 */
static void test_free(void)
{
	bool good = mg_agrees() && !madvise(mg_page(0), PAGES * KU_PAGE, MADV_FREE) && mg_agrees();
	uint64_t lost = mg_lost();
	unsigned int i;

	mg_pause();
	/* The first one notes who used the page lately. */
	for (i = 0; i < 4; i++)
		madvise(mg_page(0), PAGES * KU_PAGE, MADV_PAGEOUT);
	ktap_note("dropped: %u of %u pages", absent(), PAGES);
	mg_go();
	ktap_ok(good && mg_agrees() && mg_lost() == lost,
		"MADV_FREE drops nothing that the guest wrote to after it");
	mark(mg_page(0), 0, PAGES);
	ktap_ok(mg_agrees(), "and the host's words are seen again");
}

static void replace(unsigned int first)
{
	void *other = elsewhere(SOME_SIZE);

	mark(other, first, SOME);
	if (!move(other, mg_page(first), 0))
		ktap_bail("mremap: %s", strerror(errno));
}

static void there_and_back(void *away, unsigned int first)
{
	if (!move(mg_page(first), away, 0) || !move(away, mg_page(first), 0))
		ktap_bail("mremap: %s", strerror(errno));
	if (mmap(away, SOME_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) == MAP_FAILED)
		ktap_bail("no memory");
}

/* Without waiting in between: the guest's faults meet the changes half-way. */
static void test_storm(void)
{
	void *away = elsewhere(SOME_SIZE);
	unsigned int i, first, n;
	bool good = true;

	mg_persist(true);
	for (i = 0; i < STORM && good; i++) {
		/* Never across two mappings: mremap() does not like that. */
		first = i * 37 % (PAGES / SOME) * SOME;
		n = 1 + i % SOME;
		switch (i % 4) {
		case 0:
			there_and_back(away, first);
			break;
		case 1:
			replace(first);
			break;
		case 2:
			madvise(mg_page(first), n * KU_PAGE, MADV_DONTNEED);
			break;
		case 3:
			madvise(mg_page(first), n * KU_PAGE, MADV_FREE);
			break;
		}
		mark(mg_page(first), first, n);
		if (i % 50 == 49)
			good = mg_agrees();
	}
	mg_pause();
	mg_persist(false);
	mg_go();
	ktap_ok(good && mg_agrees(), "all of them without a pause");
	munmap(away, SOME_SIZE);
}

/* 512 small pages become a large one, to which they are copied; then a part of that is discarded. */
static void test_collapse(void)
{
	const char *name = "MADV_COLLAPSE: the guest goes on in the large page";
	uint64_t lost = mg_lost();
	bool good = mg_agrees();
	unsigned int tries = 0;
	int ret;

	madvise(mg_page(0), LARGE_PAGES * KU_PAGE, MADV_HUGEPAGE);
	do
		ret = madvise(mg_page(0), LARGE_PAGES * KU_PAGE, MADV_COLLAPSE);
	while (ret && errno == EAGAIN && ++tries < 20);
	if (ret) {
		ktap_skip(name, "MADV_COLLAPSE: %s", strerror(errno));
		ktap_skip("a part of the large page", "there is none");
		return;
	}
	ktap_ok(good && mg_agrees() && mg_lost() == lost, "%s", name);
	madvise(mg_page(9), SOME_SIZE, MADV_DONTNEED);
	good = mg_agrees() && !*mg_words(9) && lost_since(lost, SOME, 1);
	mark(mg_page(9), 9, SOME);
	ktap_ok(good && mg_agrees(), "a part of the large page is discarded");
}

int main(void)
{
	ku_open();
	ktap_plan(10);
	mg_start(PAGES, WRITTEN, false);
	test_away();
	test_over();
	test_left_behind();
	test_discard();
	test_free();
	test_storm();
	mg_finish();
	mg_start(LARGE_PAGES, LARGE_PAGES, true);
	test_collapse();
	mg_finish();
	ktap_exit();
}
