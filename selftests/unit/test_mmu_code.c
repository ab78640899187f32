// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a translator, as far as the shadow MMU can tell: implementation
 */
#include "test_mmu_code.h"
#include "test_mmu_model.h"

struct copy {
	struct umbra_mmu_ctx *ctx;	/* NULL: free */
	struct umbra_paging paging;
	u64 gva;
	gfn_t gfn;
	u64 top;			/* level-4 entry, if there is one */
	bool has_top;
	u8 bytes[4096];
};

static struct copy copies[12];
static bool unmapped, top_changed, leaf_gone, gone[FAKE_GFNS], written[FAKE_GFNS];
unsigned long code_made, code_stood;

static void on_written(gpa_t gpa, unsigned int len)
{
	assert(fake.mmu->lock.held && code_holds(gpa_to_gfn(gpa)));
	written[gpa_to_gfn(gpa)] = true;
}

static void on_unmapped(enum umbra_code_change what, gfn_t gfn)
{
	assert(fake.mmu->lock.held);
	switch (what) {
	case UMBRA_CODE_LEAF:
		leaf_gone = true;
		gone[gfn] = true;
		break;
	case UMBRA_CODE_TOP:
		top_changed = true;
		break;
	default:
		unmapped = true;
	}
}

void code_start(void)
{
	memset(copies, 0, sizeof(copies));
	memset(written, 0, sizeof(written));
	memset(gone, 0, sizeof(gone));
	leaf_gone = false;
	unmapped = false;
	top_changed = false;
	code_made = 0;
	code_stood = 0;
	fake.on_code_written = on_written;
	fake.on_code_unmapped = on_unmapped;
}

static void drop(struct copy *c)
{
	c->ctx = NULL;
	umbra_mmu_code_release(fake.mmu, c->gfn);
}

void code_translate(struct umbra_mmu_ctx *ctx, const struct umbra_paging *paging, u64 gva)
{
	struct copy *c = &copies[below(ARRAY_SIZE(copies))];
	struct umbra_fault fault;
	gpa_t gpa;

	if (c->ctx)
		drop(c);
	if (umbra_mmu_code_map(ctx, gva, &gpa, &fault))
		return;
	if (umbra_mmu_code_protect(fake.mmu, gpa_to_gfn(gpa)))
		return;
	/* Others may have used the place meanwhile. */
	if (c->ctx)
		drop(c);
	c->gva = gva;
	c->gfn = gpa_to_gfn(gpa);
	c->paging = *paging;
	c->has_top = umbra_mmu_top_entry(ctx, gva >> 39 & 511, &c->top);
	c->ctx = ctx;
	memcpy(c->bytes, fake.page[c->gfn].frame, 4096);
	code_made++;
}

void code_forget(struct umbra_mmu_ctx *ctx)
{
	for (struct copy *c = copies; c < copies + ARRAY_SIZE(copies); c++)
		if (c->ctx == ctx)
			drop(c);
}

/* By the protocol: the same frame, or out. */
static void verify(struct copy *c)
{
	struct umbra_fault fault;
	gpa_t gpa;

	if (umbra_mmu_code_stands(c->ctx, c->gva, c->gfn)) {
		code_stood++;
		return;
	}
	if (umbra_mmu_code_map(c->ctx, c->gva, &gpa, &fault) || gpa_to_gfn(gpa) != c->gfn)
		drop(c);
}

/* Of a level-4 table that changed only this entry matters. */
static bool same_top(struct copy *c)
{
	bool has_top;
	u64 top;

	has_top = umbra_mmu_top_entry(c->ctx, c->gva >> 39 & 511, &top);
	if (has_top == c->has_top && (!has_top || top == c->top))
		return true;
	c->has_top = has_top;
	c->top = top;
	return false;
}

static void obey(void)
{
	bool look = unmapped, compare = top_changed, leaf[FAKE_GFNS], told[FAKE_GFNS];

	/* What is told while we look is for the next time. */
	memcpy(leaf, gone, sizeof(leaf));
	memset(gone, 0, sizeof(gone));
	leaf_gone = false;
	memcpy(told, written, sizeof(told));
	memset(written, 0, sizeof(written));
	unmapped = false;
	top_changed = false;
	for (struct copy *c = copies; c < copies + ARRAY_SIZE(copies); c++) {
		if (c->ctx && told[c->gfn])
			drop(c);
		if (c->ctx && (look || leaf[c->gfn] || (compare && !same_top(c))))
			verify(c);
	}
}

static const char *wrong(const struct copy *c)
{
	struct model_access a = { .fetch = true };
	struct model_mem mem = { fake_read, fake_write, NULL };
	struct model_result r;

	if (memcmp(c->bytes, fake.page[c->gfn].frame, 4096))
		return "translated code was changed unnoticed";
	model_translate(&c->paging, &mem, c->gva, a, &r);
	if (!r.ok || gpa_to_gfn(r.gpa) != c->gfn)
		return "translated code was remapped unnoticed";
	return NULL;
}

const char *code_check(void)
{
	void (*others)(void) = fake.on_unlocked;
	const char *what = NULL;

	fake.on_unlocked = NULL;
	for (int i = 0; i < 8 && (code_told_unmapped() || !i); i++)
		obey();
	for (struct copy *c = copies; c < copies + ARRAY_SIZE(copies); c++)
		if (c->ctx && !what && !written[c->gfn])
			what = wrong(c);
	fake.on_unlocked = others;
	return what;
}

bool code_holds(gfn_t gfn)
{
	return umbra_code_frame(fake.mmu, gfn);
}

bool code_told_unmapped(void)
{
	return unmapped || leaf_gone || top_changed;
}

bool code_told_written(gfn_t gfn)
{
	return written[gfn];
}

unsigned int code_copies(void)
{
	unsigned int n = 0;

	for (struct copy *c = copies; c < copies + ARRAY_SIZE(copies); c++)
		n += !!c->ctx;
	return n;
}
