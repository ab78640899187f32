// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: machine-check registers
 *
 * The guest sees the architectural banks (SDM Vol. 3B 15.3) and may program
 * them; nothing ever reports an error there unless userspace writes it.
 */
#include "mce_internal.h"

#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr-index.h>

#include "ioctl_internal.h"

/* Banks that a guest gets when userspace sets none up. */
#define DEFAULT_BANKS	10

#define MCG_CAP_SUPPORTED	(MCG_CTL_P | MCG_SER_P)

static unsigned int nr_banks(const struct umbra_vcpu *vcpu)
{
	return vcpu->mcg_cap & MCG_BANKCNT_MASK;
}

static u64 *bank_reg(struct umbra_vcpu *vcpu, u32 index)
{
	u32 n = index - MSR_IA32_MC0_CTL;

	return n < 4 * nr_banks(vcpu) ? &vcpu->mc[n] : NULL;
}

int umbra_mce_read(struct umbra_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	u64 *reg;

	switch (index) {
	case MSR_IA32_MCG_CAP:
		*val = vcpu->mcg_cap;
		return 0;
	case MSR_IA32_MCG_STATUS:
		*val = vcpu->mcg_status;
		return 0;
	case MSR_IA32_MCG_CTL:
		*val = vcpu->mcg_ctl;
		return 0;
	}
	reg = bank_reg(vcpu, index);
	if (!reg)
		return -EINVAL;
	*val = *reg;
	return 0;
}

static int write_bank(struct umbra_vcpu *vcpu, u32 index, u64 val, bool host)
{
	u32 kind = (index - MSR_IA32_MC0_CTL) & 3;
	u64 *reg = bank_reg(vcpu, index);

	if (!reg)
		return -EINVAL;
	/* Only 0 or all ones go into a control register; some guests clear bit 10. */
	if (kind == 0 && val && (val | BIT_ULL(10)) != ~0ull && (val | 1) != ~0ull)
		return -EINVAL;
	/* Software may only clear a status register (SDM Vol. 3B 15.3.2.2). */
	if (kind == 1 && val && !host)
		return -EINVAL;
	*reg = val;
	return 0;
}

int umbra_mce_write(struct umbra_vcpu *vcpu, u32 index, u64 val, bool host)
{
	switch (index) {
	case MSR_IA32_MCG_STATUS:
		vcpu->mcg_status = val;
		return 0;
	case MSR_IA32_MCG_CTL:
		if (!(vcpu->mcg_cap & MCG_CTL_P) && (val || !host))
			return -EINVAL;
		if (val && val != ~0ull)
			return -EINVAL;
		vcpu->mcg_ctl = val;
		return 0;
	}
	return write_bank(vcpu, index, val, host);
}

int umbra_mce_create(struct umbra_vcpu *vcpu)
{
	vcpu->mc = kcalloc(4 * UMBRA_MCE_BANKS, sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (!vcpu->mc)
		return -ENOMEM;
	vcpu->mcg_cap = DEFAULT_BANKS;
	return 0;
}

void umbra_mce_destroy(struct umbra_vcpu *vcpu)
{
	kfree(vcpu->mc);
	vcpu->mc = NULL;
}

UMBRA_SYSTEM_IOCTL(x86_get_mce_cap_supported)
{
	*(u64 *)arg = MCG_CAP_SUPPORTED | UMBRA_MCE_BANKS;
	return 0;
}

/* KVM_X86_SETUP_MCE: number of banks and capabilities. */
UMBRA_VCPU_IOCTL(x86_setup_mce)
{
	u64 cap = *(u64 *)arg;
	unsigned int i, banks = cap & MCG_BANKCNT_MASK;

	if (!banks || banks > UMBRA_MCE_BANKS)
		return -EINVAL;
	if (cap & ~(u64)(MCG_CAP_SUPPORTED | MCG_BANKCNT_MASK | 0xff0000))
		return -EINVAL;
	vcpu->mcg_cap = cap;
	vcpu->mcg_ctl = cap & MCG_CTL_P ? ~0ull : 0;
	for (i = 0; i < banks; i++)
		vcpu->mc[4 * i] = ~0ull;
	return 0;
}
