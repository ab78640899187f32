// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: memory type range registers
 *
 * Kept for the guest to read back (SDM Vol. 3A 11.11).  Guest memory is the
 * host's ordinary memory and stays write-back whatever they say.
 */
#include "mtrr_internal.h"

#include <asm/msr-index.h>
#include <asm/mtrr.h>

/* Eight variable ranges, fixed ranges, write-combining. */
#define MTRR_CAP	(8 | BIT(8) | BIT(10))

/* vcpu->mtrr: variable ranges 0..15, then the eleven fixed ones. */
#define FIXED_64K	16
#define FIXED_16K	17
#define FIXED_4K	19

static u64 *find(struct umbra_vcpu *vcpu, u32 index)
{
	switch (index) {
	case MSR_MTRRdefType:
		return &vcpu->mtrr_def;
	case 0x200 ... 0x20f:
		return &vcpu->mtrr[index - 0x200];
	case MSR_MTRRfix64K_00000:
		return &vcpu->mtrr[FIXED_64K];
	case MSR_MTRRfix16K_80000 ... MSR_MTRRfix16K_A0000:
		return &vcpu->mtrr[FIXED_16K + index - MSR_MTRRfix16K_80000];
	case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
		return &vcpu->mtrr[FIXED_4K + index - MSR_MTRRfix4K_C0000];
	}
	return NULL;
}

static bool type_valid(u8 type)
{
	return type == 0 || type == 1 || type == 4 || type == 5 || type == 6;
}

static bool value_valid(const struct umbra_vcpu *vcpu, u32 index, u64 val)
{
	unsigned int i;

	if (index == MSR_MTRRdefType)
		return !(val & ~0xcffull) && type_valid(val & 0xff);
	if (index < 0x210) {
		if (val & GENMASK_ULL(63, vcpu->maxphyaddr))
			return false;
		if (index & 1)
			return !(val & 0x7ff);
		return !(val & 0xf00) && type_valid(val & 0xff);
	}
	for (i = 0; i < 8; i++)
		if (!type_valid(val >> (8 * i)))
			return false;
	return true;
}

int umbra_mtrr_read(struct umbra_vcpu *vcpu, u32 index, u64 *val)
{
	u64 *reg = find(vcpu, index);

	if (index == MSR_MTRRcap) {
		*val = MTRR_CAP;
		return 0;
	}
	if (!reg)
		return -EINVAL;
	*val = *reg;
	return 0;
}

int umbra_mtrr_write(struct umbra_vcpu *vcpu, u32 index, u64 val)
{
	u64 *reg = find(vcpu, index);

	if (!reg || !value_valid(vcpu, index, val))
		return -EINVAL;
	*reg = val;
	return 0;
}
