// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: traps, the bodies
 */
#include <cpuid.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/umbra.h>

#include "traps.h"

static bool pushes_error(int vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

struct traps traps_new(void)
{
	struct traps t = { .vm = ku_vm_new(0) };
	int i;

	t.vcpu = ku_vcpu_new(t.vm, 0);
	ku_vcpu_cpuid(t.vcpu);
	for (i = 0; i < 256; i++) {
		memset(ku_ptr(t.vm, TRAPS + 16 * i), 0xf4, 16);
		ku_gate(t.vm, i, TRAPS + 16 * i, 0, 0);
	}
	ku_vcpu_long(t.vcpu, KU_CODE);
	return t;
}

void traps_free(struct traps *t)
{
	ku_vcpu_free(t->vcpu);
	ku_vm_free(t->vm);
}

void traps_code(struct traps *t, const char *code, const char *end)
{
	struct kvm_regs regs = ku_get_regs(t->vcpu);

	ku_load(t->vm, code, end - code);
	regs.rip = KU_CODE;
	regs.rsp = KU_STACK;
	regs.rflags = 2;
	ku_set_regs(t->vcpu, &regs);
}

int traps_which(struct traps *t, struct trap_frame *frame)
{
	struct kvm_regs regs = ku_get_regs(t->vcpu);
	uint64_t *stack;
	int vector;

	if (regs.rip <= TRAPS || regs.rip > TRAPS + 16 * 256)
		return TRAP_NONE;
	vector = (regs.rip - 1 - TRAPS) / 16;
	if (!frame)
		return vector;
	stack = ku_ptr(t->vm, regs.rsp);
	memset(frame, 0, sizeof(*frame));
	if (pushes_error(vector))
		frame->error = *stack++;
	frame->rip = stack[0];
	frame->cs = stack[1];
	frame->rflags = stack[2];
	frame->rsp = stack[3];
	frame->ss = stack[4];
	return vector;
}

int traps_run(struct traps *t, struct trap_frame *frame)
{
	ku_run_to(t->vcpu, KVM_EXIT_HLT);
	return traps_which(t, frame);
}

bool traps_on_tcg(void)
{
	uint32_t eax, ebx, ecx, edx;

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & 1u << 31))
		return false;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	return !memcmp(&ebx, "TCGT", 4);
}

bool traps_on_umbra(int dev)
{
	struct umbra_info info;

	return ioctl(dev, UMBRA_CHECK, &info) >= 0;
}
