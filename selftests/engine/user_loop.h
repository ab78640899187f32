/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: a guest that goes to user code and back
 *
 * Its kernel goes to user code by IRET, that comes back by #UD, and so on until it
 * is told to stop; for tests of what the host does meanwhile.  What happens on the
 * way is the test's.
 */
#ifndef ENGINE_USER_LOOP_H
#define ENGINE_USER_LOOP_H

#include <errno.h>

#include "kvm_util.h"

#define UL_STOP		0x7000	/* a byte that ends it when it is not 0 */
#define UL_ENTRY	0x9000	/* where #UD comes to */
#define UL_USER		0xa000

#define UL_TO_USER	"push $0x6b\n push $0x60000\n push $2\n push $0x73\n push $0xa000\n iretq\n"

/* The end of the code at UL_ENTRY. */
#define UL_AGAIN	"cmpb $0, 0x7000\n jne 9f\n" UL_TO_USER "9: hlt\n"

KU_CODE64(ul_start, UL_TO_USER);

/* A VM of one vCPU; @entry begins with a stack of its own and ends with UL_AGAIN, @user with UD2. */
static struct ku_vcpu *ul_new(const char *entry, size_t entry_size, const char *user,
			      size_t user_size)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);

	ku_load(vm, ul_start, ul_start_end - ul_start);
	ku_load_at(vm, UL_ENTRY, entry, entry_size);
	ku_load_at(vm, UL_USER, user, user_size);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_user_segments(vm);
	ku_gate(vm, 6, UL_ENTRY, 0, 0);
	ku_vcpu_user_gdt(vcpu);
	return vcpu;
}

/* A thread's function: runs the vCPU @arg until it was stopped; then @arg, else NULL. */
static void *ul_run(void *arg)
{
	int got;

	do
		got = ku_run(arg);
	while (got == -EINTR);
	return got == KVM_EXIT_HLT ? arg : NULL;
}

static void ul_stop(struct ku_vcpu *vcpu)
{
	*(volatile char *)ku_ptr(vcpu->vm, UL_STOP) = 1;
}

#endif
