// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: debug registers
 *
 * The guest's own DR0..DR7 (SDM Vol. 3B 17.2).  Breakpoints that userspace sets
 * in the guest are in guest_debug.c; which set the processor gets is the
 * engine's question.
 */
#include "dr_internal.h"

#include "ioctl_internal.h"

/* Bits that software may change; the rest reads as fixed. */
#define DR6_WRITABLE	0x0000e00full
#define DR6_FIXED	0xffff0ff0ull
#define DR7_WRITABLE	0xffff2bffull
#define DR7_FIXED	0x00000400ull

u64 umbra_dr_read(struct umbra_vcpu *vcpu, unsigned int dr)
{
	const struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_DR);

	switch (dr) {
	case 0 ... 3:
		return regs->dr[dr];
	case 4:
	case 6:
		return regs->dr6;
	default:
		return regs->dr7;
	}
}

int umbra_dr_write(struct umbra_vcpu *vcpu, unsigned int dr, u64 val)
{
	struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_DR);

	if (dr > 3 && val >> 32)
		return -EINVAL;
	umbra_regs_mut(vcpu, UMBRA_REGS_DR);
	switch (dr) {
	case 0 ... 3:
		regs->dr[dr] = val;
		break;
	case 4:
	case 6:
		regs->dr6 = (val & DR6_WRITABLE) | DR6_FIXED;
		break;
	default:
		regs->dr7 = (val & DR7_WRITABLE) | DR7_FIXED;
		vcpu->vm->engine->configure(vcpu);
		break;
	}
	return 0;
}

UMBRA_VCPU_IOCTL(get_debugregs)
{
	const struct umbra_regs *regs = umbra_regs_get(vcpu, UMBRA_REGS_DR);
	struct kvm_debugregs *dbg = arg;

	memset(dbg, 0, sizeof(*dbg));
	memcpy(dbg->db, regs->dr, sizeof(dbg->db));
	dbg->dr6 = regs->dr6;
	dbg->dr7 = regs->dr7;
	return 0;
}

UMBRA_VCPU_IOCTL(set_debugregs)
{
	const struct kvm_debugregs *dbg = arg;
	unsigned int i;

	if (dbg->flags || dbg->dr6 >> 32 || dbg->dr7 >> 32)
		return -EINVAL;
	for (i = 0; i < 4; i++)
		umbra_dr_write(vcpu, i, dbg->db[i]);
	umbra_dr_write(vcpu, 6, dbg->dr6);
	umbra_dr_write(vcpu, 7, dbg->dr7);
	return 0;
}
