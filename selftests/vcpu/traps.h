/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: traps
 *
 * A guest in long mode whose every exception ends in a HLT of its own: the
 * test reads from RIP which one it was, and from the stack what was pushed.
 */
#ifndef SELFTESTS_VCPU_TRAPS_H
#define SELFTESTS_VCPU_TRAPS_H

#include "kvm_util.h"

#define TRAPS		0x10000u	/* 256 stubs of 16 bytes */
#define TRAP_NONE	(-1)

/* What an exception pushed (SDM Vol. 3A 6.14.2). */
struct trap_frame {
	uint64_t error, rip, cs, rflags, rsp, ss;
};

struct traps {
	struct ku_vm *vm;
	struct ku_vcpu *vcpu;
};

/* A VM without irqchip, one vCPU in long mode at KU_CODE, all gates set. */
struct traps traps_new(void);
void traps_free(struct traps *t);

/* Load code, start it at its beginning. */
void traps_code(struct traps *t, const char *code, const char *end);

/*
 * Behind a HLT: the vector whose handler it belongs to, or TRAP_NONE for a HLT
 * elsewhere; @frame may be NULL.
 */
int traps_which(struct traps *t, struct trap_frame *frame);

/* Run to the next HLT; result as traps_which(). */
int traps_run(struct traps *t, struct trap_frame *frame);

/* The host is itself emulated, by an emulator that takes short cuts. */
bool traps_on_tcg(void);

/* The device under test is Umbra's. */
bool traps_on_umbra(int dev);

/*
 * A result that stock KVM does not share, at least not in the test bed: there
 * it may be bad, and is then skipped with the reason @why.
 */
#define traps_ok_here(t, good, name, why)				\
	do {								\
		bool good_ = (good);					\
									\
		if (good_ || traps_on_umbra((t)->vm->dev))		\
			ktap_ok(good_, "%s", name);			\
		else							\
			ktap_skip(name, "%s", why);			\
	} while (0)

#endif
