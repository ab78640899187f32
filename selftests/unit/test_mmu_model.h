/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a model of x86 address translation
 *
 * Written from SDM Vol. 3A chapter 4 as one loop over a description of the
 * mode, to have something that shares no thought with the walker under test.
 * Memory is reached by two functions, so that the model can run on a copy.
 */
#ifndef TEST_MMU_MODEL_H
#define TEST_MMU_MODEL_H

#include "umbra/mmu.h"

struct model_mem {
	/* false: nothing there */
	bool (*read)(void *arg, u64 gpa, unsigned int size, u64 *val);
	/* may do nothing: read-only memory */
	void (*write)(void *arg, u64 gpa, unsigned int size, u64 val);
	void *arg;
};

struct model_access {
	bool write, user, fetch;
	bool ac;	/* SMAP does not apply */
	bool effects;	/* set A and D */
};

struct model_result {
	bool ok;
	u32 error_code;
	u64 gpa;
	bool w, u, x;	/* over all levels; x only where NX exists */
	bool dirty;
	bool accessed;	/* on all levels */
};

void model_translate(const struct umbra_paging *p, const struct model_mem *mem, u64 gva,
		     struct model_access acc, struct model_result *res);

#endif
