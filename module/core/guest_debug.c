// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debugging the guest from userspace
 *
 * KVM_SET_GUEST_DEBUG (KVM api.rst 4.87): single steps by RFLAGS.TF, software
 * breakpoints by intercepting #BP, hardware breakpoints by the processor's
 * debug registers, which then are userspace's and not the guest's.
 */
#include "guest_debug_internal.h"

#include <asm/debugreg.h>
#include <asm/kvm.h>
#include <asm/processor-flags.h>

#include "dr_internal.h"
#include "emulate_internal.h"
#include "event_internal.h"
#include "ioctl_internal.h"

#define DR7_FIXED	0x400ull	/* bit 10 reads as one */

#define SUPPORTED	(KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP |	\
			 KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_USE_HW_BP |	\
			 KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP |	\
			 KVM_GUESTDBG_BLOCKIRQ)

int umbra_debug_exit(struct umbra_vcpu *vcpu, u8 vector, u64 dr6)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_DEBUG;
	run->debug.arch.exception = vector;
	run->debug.arch.pc = umbra_linear_rip(vcpu);
	run->debug.arch.dr6 = dr6 | DR6_RESERVED;
	run->debug.arch.dr7 = vcpu->guest_debug & KVM_GUESTDBG_USE_HW_BP ?
			      vcpu->debug_dr7 : umbra_dr_read(vcpu, 7);
	return 0;
}

int umbra_debug_exception(struct umbra_vcpu *vcpu, const struct umbra_fault *fault)
{
	u32 mine = fault->vector == BP_VECTOR ? KVM_GUESTDBG_USE_SW_BP :
		   KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP;

	if (!(vcpu->guest_debug & mine))
		return 1;
	return umbra_debug_exit(vcpu, fault->vector, fault->addr);
}

static void set_stepping(struct umbra_vcpu *vcpu, bool was)
{
	struct umbra_regs *regs;

	if (umbra_debug_stepping(vcpu)) {
		regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
		regs->rflags |= X86_EFLAGS_TF;
		vcpu->singlestep_rip = umbra_linear_rip(vcpu);
	} else if (was) {
		regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR);
		regs->rflags &= ~(u64)X86_EFLAGS_TF;
	}
}

static void set_intercepts(struct umbra_vcpu *vcpu)
{
	vcpu->intercept_exceptions &= ~(BIT(DB_VECTOR) | BIT(BP_VECTOR));
	if (vcpu->guest_debug & (KVM_GUESTDBG_SINGLESTEP | KVM_GUESTDBG_USE_HW_BP))
		vcpu->intercept_exceptions |= BIT(DB_VECTOR);
	if (vcpu->guest_debug & KVM_GUESTDBG_USE_SW_BP)
		vcpu->intercept_exceptions |= BIT(BP_VECTOR);
	umbra_regs_mut(vcpu, UMBRA_REGS_DR);
	vcpu->vm->engine->configure(vcpu);
}

static int inject(struct umbra_vcpu *vcpu, u32 control)
{
	struct umbra_fault bp = { .vector = BP_VECTOR, .soft = true };
	struct umbra_event waits = vcpu->event;

	if (vcpu->exception.kind)
		return -EBUSY;
	/* Its delivery has not met this exception, which goes first. */
	vcpu->event.kind = UMBRA_EVENT_NONE;
	if (control & KVM_GUESTDBG_INJECT_DB)
		umbra_queue_db(vcpu, 0);
	else
		umbra_queue_fault(vcpu, &bp);
	vcpu->event = waits;
	return 0;
}

UMBRA_VCPU_IOCTL(set_guest_debug)
{
	const struct kvm_guest_debug *dbg = arg;
	bool stepping = umbra_debug_stepping(vcpu);
	unsigned int i;
	int err;

	if (dbg->control & ~(u32)SUPPORTED)
		return -EINVAL;
	if (dbg->control & (KVM_GUESTDBG_INJECT_DB | KVM_GUESTDBG_INJECT_BP)) {
		err = inject(vcpu, dbg->control);
		if (err)
			return err;
	}

	vcpu->guest_debug = dbg->control & KVM_GUESTDBG_ENABLE ? dbg->control : 0;
	for (i = 0; i < 4; i++)
		vcpu->debug_dr[i] = dbg->arch.debugreg[i];
	/* GD and reserved bits are not userspace's to set on this processor. */
	vcpu->debug_dr7 = (dbg->arch.debugreg[7] & 0xffff03ffull) | DR7_FIXED;
	set_stepping(vcpu, stepping);
	set_intercepts(vcpu);
	return 0;
}
