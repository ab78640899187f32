// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: starting and stopping processors
 *
 * The multiprocessor states of KVM_GET_MP_STATE, and the INIT, SIPI and NMI that
 * other processors and interrupt controllers send (SDM Vol. 3A 8.4).  Senders
 * leave a bit and kick; the vCPU's own thread acts on it.
 */
#include "mp_internal.h"

#include "ioctl_internal.h"
#include "reset_internal.h"
#include "umbra/irqchip.h"

#define PENDING_INIT	0
#define PENDING_SIPI	1

void umbra_vcpu_nmi(struct umbra_vcpu *vcpu)
{
	/* One is delivered, one more may wait behind it (SDM Vol. 3A 6.7.1). */
	atomic_add_unless(&vcpu->nmi_queued, 1, 2);
	umbra_request(vcpu, UMBRA_REQ_NMI);
	umbra_vcpu_kick(vcpu);
}

void umbra_vcpu_init(struct umbra_vcpu *vcpu)
{
	/* A SIPI from before has lost its meaning. */
	clear_bit(PENDING_SIPI, &vcpu->init_pending);
	set_bit(PENDING_INIT, &vcpu->init_pending);
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	umbra_vcpu_kick(vcpu);
}

void umbra_vcpu_sipi(struct umbra_vcpu *vcpu, u8 vector)
{
	vcpu->sipi_vector = vector;
	/* The vector is there before the bit. */
	smp_wmb();
	set_bit(PENDING_SIPI, &vcpu->init_pending);
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	umbra_vcpu_kick(vcpu);
}

/* Real mode at vector:0000 (SDM Vol. 3A 8.4.4). */
static void start_at(struct umbra_vcpu *vcpu, u8 vector)
{
	struct umbra_regs *regs = umbra_regs_mut(vcpu, UMBRA_REGS_GPR | UMBRA_REGS_SEG);

	regs->seg[UMBRA_CS].sel = vector << 8;
	regs->seg[UMBRA_CS].base = vector << 12;
	regs->rip = 0;
	vcpu->mp_state = KVM_MP_STATE_RUNNABLE;
}

void umbra_mp_accept(struct umbra_vcpu *vcpu)
{
	if (test_and_clear_bit(PENDING_INIT, &vcpu->init_pending)) {
		umbra_vcpu_reset(vcpu, true);
		vcpu->mp_state = umbra_is_bsp(vcpu) ? KVM_MP_STATE_RUNNABLE :
						      KVM_MP_STATE_INIT_RECEIVED;
	}
	if (test_and_clear_bit(PENDING_SIPI, &vcpu->init_pending)) {
		/* Pairs with umbra_vcpu_sipi(). */
		smp_rmb();
		if (vcpu->mp_state == KVM_MP_STATE_INIT_RECEIVED)
			start_at(vcpu, READ_ONCE(vcpu->sipi_vector));
	}
}

UMBRA_VCPU_IOCTL(get_mp_state)
{
	struct kvm_mp_state *state = arg;

	umbra_mp_accept(vcpu);
	state->mp_state = vcpu->mp_state;
	return 0;
}

UMBRA_VCPU_IOCTL(set_mp_state)
{
	const struct kvm_mp_state *state = arg;

	switch (state->mp_state) {
	case KVM_MP_STATE_RUNNABLE:
		break;
	case KVM_MP_STATE_UNINITIALIZED:
	case KVM_MP_STATE_INIT_RECEIVED:
	case KVM_MP_STATE_HALTED:
		/* Without local APICs nothing here could ever end these. */
		if (!umbra_has_lapic(vcpu->vm))
			return -EINVAL;
		break;
	case KVM_MP_STATE_SIPI_RECEIVED:
		if (!umbra_has_lapic(vcpu->vm))
			return -EINVAL;
		vcpu->mp_state = KVM_MP_STATE_INIT_RECEIVED;
		set_bit(PENDING_SIPI, &vcpu->init_pending);
		return 0;
	default:
		return -EINVAL;
	}
	vcpu->mp_state = state->mp_state;
	umbra_request(vcpu, UMBRA_REQ_EVENT);
	return 0;
}
