// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: model-specific registers
 *
 * One table says which MSRs exist, who may read and write them, and which of
 * them make up the state that KVM_GET_MSR_INDEX_LIST names.  A row with a
 * field is storage; a row with functions has rules.  What is not in the table
 * is #GP for the guest and ends KVM_GET_MSRS and KVM_SET_MSRS.
 *
 * Machine checks are in mce.c, memory types in mtrr.c, clocks in clock.c.
 */
#include "msr_internal.h"

#include <linux/bsearch.h>
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/apicdef.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/mtrr.h>

#include "clock_internal.h"
#include "cpuid_internal.h"
#include "cr_internal.h"
#include "ioctl_internal.h"
#include "mce_internal.h"
#include "mtrr_internal.h"
#include "steal_internal.h"
#include "umbra/irqchip.h"
#include "umbra/trace.h"

/* Small MSRs that are storage or constants, in vcpu->msr_misc. */
enum {
	MISC_TSC_ADJUST,
	MISC_UCODE_REV,
	MISC_HWCR,
	MISC_OSVW_LENGTH,
	MISC_OSVW_STATUS,
	MISC_POWER_CTL,
	NR_MISC
};


struct msr_row;
typedef int (*msr_read_fn)(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			   u64 *val);
typedef int (*msr_write_fn)(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			    u64 val, bool host);

#define LISTED		BIT(0)	/* in KVM_GET_MSR_INDEX_LIST */
#define FEATURE		BIT(1)	/* in KVM_GET_MSR_FEATURE_INDEX_LIST */
#define HOST_WRITE	BIT(2)	/* only userspace may write */

/**
 * struct msr_row - an MSR, or several in a row that work alike
 * @first: lowest index
 * @count: how many
 * @flags: LISTED, FEATURE, HOST_WRITE
 * @read: NULL: reads are #GP
 * @write: NULL: writes are #GP
 * @arg: for the functions: an offset in struct umbra_vcpu, or a constant
 * @group: UMBRA_REGS_* group of a register field
 * @mask: bits that may be set, for storage
 */
struct msr_row {
	u32 first;
	u16 count;
	u8 flags;
	u8 group;
	msr_read_fn read;
	msr_write_fn write;
	u64 arg;
	u64 mask;
};

static u64 *field(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index)
{
	return (u64 *)((u8 *)vcpu + row->arg) + (index - row->first);
}

/* Plain storage. */
static int read_field(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	umbra_regs_get(vcpu, row->group);
	*val = *field(vcpu, row, index);
	return 0;
}

static int write_field(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		       bool host)
{
	if (val & ~row->mask)
		return -EINVAL;
	umbra_regs_mut(vcpu, row->group);
	*field(vcpu, row, index) = val;
	return 0;
}

/* Registers that hold a linear address: #GP unless canonical (SDM Vol. 2B, WRMSR). */
static bool is_canonical(u64 addr)
{
	return umbra_canonical(addr, 48);
}

static int write_linear(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			bool host)
{
	if (!is_canonical(val))
		return -EINVAL;
	return write_field(vcpu, row, index, val, host);
}

/* Reads as a constant; writes of anything are ignored. */
static int read_const(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = row->arg;
	return 0;
}

static int write_ignore(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			bool host)
{
	return 0;
}

/* Only the value that it reads as may be written. */
static int write_const(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		       bool host)
{
	return val == row->arg ? 0 : -EINVAL;
}

static int write_zero(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		      bool host)
{
	return val ? -EINVAL : 0;
}

/* Segment bases. */
static int read_segbase(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = umbra_regs_get(vcpu, UMBRA_REGS_SEG)->seg[row->arg].base;
	return 0;
}

static int write_segbase(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			 bool host)
{
	if (!is_canonical(val))
		return -EINVAL;
	umbra_regs_mut(vcpu, UMBRA_REGS_SEG)->seg[row->arg].base = val;
	return 0;
}

static int read_efer(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = umbra_regs_get(vcpu, UMBRA_REGS_CR)->efer;
	return 0;
}

static int write_efer(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		      bool host)
{
	return umbra_efer_write(vcpu, val);
}

/* Local APIC. */
static int read_apic_base(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = vcpu->lapic ? umbra_lapic_base(vcpu) : vcpu->apic_base;
	return 0;
}

static int write_apic_base(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			   bool host)
{
	int err = 0;

	if (vcpu->lapic)
		err = umbra_lapic_set_base(vcpu, val, host);
	else
		vcpu->apic_base = val;
	if (!err)
		umbra_cpuid_runtime(vcpu);
	return err;
}

static int read_x2apic(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	return vcpu->lapic ? umbra_lapic_msr_read(vcpu, index, val) : -EINVAL;
}

static int write_x2apic(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			bool host)
{
	return vcpu->lapic ? umbra_lapic_msr_write(vcpu, index, val) : -EINVAL;
}

static int read_deadline(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = vcpu->lapic ? umbra_lapic_deadline(vcpu) : 0;
	return 0;
}

static int write_deadline(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			  bool host)
{
	if (vcpu->lapic)
		umbra_lapic_set_deadline(vcpu, val);
	return 0;
}

/* Clocks. */
static int read_tsc(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	*val = umbra_guest_tsc(vcpu);
	return 0;
}

static int write_tsc(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		     bool host)
{
	/* The guest's WRMSR shows in TSC_ADJUST as well (SDM Vol. 3B 17.17.3). */
	if (!host)
		vcpu->msr_misc[MISC_TSC_ADJUST] += val - umbra_guest_tsc(vcpu);
	umbra_clock_set_tsc(vcpu, val, host);
	return 0;
}

static int write_tsc_adjust(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			    u64 val, bool host)
{
	u64 delta = val - vcpu->msr_misc[MISC_TSC_ADJUST];

	/* Userspace restores TSC itself; only the guest moves it by this. */
	if (!host)
		umbra_clock_set_tsc(vcpu, umbra_guest_tsc(vcpu) + delta, false);
	vcpu->msr_misc[MISC_TSC_ADJUST] = val;
	return 0;
}

static int write_clock_page(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			    u64 val, bool host)
{
	umbra_clock_set_page(vcpu, val);
	return 0;
}

static int write_wall_clock(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			    u64 val, bool host)
{
	umbra_clock_set_wall(vcpu, val);
	return 0;
}

static int write_steal_time(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			    u64 val, bool host)
{
	return umbra_steal_set(vcpu, val);
}

/* PAT: each byte a type that exists (SDM Vol. 3A 11.12.4). */
static int write_pat(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		     bool host)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		u8 type = val >> (i * 8);

		if (type > 7 || type == 2 || type == 3)
			return -EINVAL;
	}
	vcpu->pat = val;
	return 0;
}

static int read_mtrr(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	return umbra_mtrr_read(vcpu, index, val);
}

static int write_mtrr(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		      bool host)
{
	return umbra_mtrr_write(vcpu, index, val);
}

static int read_mce(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 *val)
{
	return umbra_mce_read(vcpu, index, val, false);
}

static int write_mce(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		     bool host)
{
	return umbra_mce_write(vcpu, index, val, host);
}

/* The upper half is not used (SDM Vol. 4, table 2-2), and not kept here. */
static int write_sysenter_cs(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			     u64 val, bool host)
{
	return write_field(vcpu, row, index, (u32)val, host);
}

/* Intel's processors refuse the upper half (SDM Vol. 4), AMD's do not keep it. */
static int write_tsc_aux(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
			 bool host)
{
	return write_field(vcpu, row, index, umbra_guest_is_amd(vcpu) ? (u32)val : val, host);
}

/* HWCR: Linux sets bits that ask for nothing here; McStatusWrEn is kept. */
static int write_hwcr(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index, u64 val,
		      bool host)
{
	val &= ~(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8));	/* TLBCACHEDIS, FFDIS, IGNNE */
	if (val & ~(BIT_ULL(18) | BIT_ULL(24)))
		return -EINVAL;
	vcpu->msr_misc[MISC_HWCR] = val;
	return 0;
}

/* The guest may clear this by writing 0 before CPUID(1), the way Intel asks for. */
static int write_ucode_rev(struct umbra_vcpu *vcpu, const struct msr_row *row, u32 index,
			   u64 val, bool host)
{
	if (host)
		vcpu->msr_misc[MISC_UCODE_REV] = val;
	return 0;
}

#define FIELD(member)	offsetof(struct umbra_vcpu, member)
#define MISC(n)		(FIELD(msr_misc) + 8 * (n))

#define ROW(i, n, fl, r, w, a, m)					\
	{ .first = (i), .count = (n), .flags = (fl), .read = (r), .write = (w), \
	  .arg = (a), .mask = (m) }
/* A field of struct umbra_vcpu; a register in struct umbra_regs; zero on reading, ignored on writing. */
#define STORE(i, fl, a, m)	ROW(i, 1, fl, read_field, write_field, a, m)
#define REG(i, w, member, m)						\
	{ .first = (i), .count = 1, .flags = LISTED, .group = UMBRA_REGS_SYSCALL, \
	  .read = read_field, .write = (w), .arg = FIELD(regs.member), .mask = (m) }
#define IGNORED(i, n)		ROW(i, n, 0, read_const, write_ignore, 0, 0)

/* Sorted by index, without overlaps. */
static const struct msr_row rows[] = {
	ROW(MSR_IA32_P5_MC_ADDR, 2, 0, read_const, NULL, 0, 0),
	ROW(MSR_IA32_TSC, 1, LISTED, read_tsc, write_tsc, 0, 0),
	ROW(MSR_IA32_PLATFORM_ID, 1, 0, read_const, NULL, 0, 0),
	ROW(MSR_IA32_APICBASE, 1, 0, read_apic_base, write_apic_base, 0, 0),
	ROW(MSR_EBC_FREQUENCY_ID, 1, 0, read_const, NULL, 0, 0),
	ROW(MSR_IA32_TSC_ADJUST, 1, LISTED, read_field, write_tsc_adjust, MISC(MISC_TSC_ADJUST), 0),
	ROW(MSR_IA32_UCODE_WRITE, 1, 0, NULL, write_ignore, 0, 0),
	ROW(MSR_IA32_UCODE_REV, 1, FEATURE, read_field, write_ucode_rev, MISC(MISC_UCODE_REV), 0),
	ROW(MSR_FSB_FREQ, 1, 0, read_const, NULL, 3, 0),
	ROW(MSR_MTRRcap, 1, 0, read_mtrr, write_mtrr, 0, 0),
	REG(MSR_IA32_SYSENTER_CS, write_sysenter_cs, sysenter_cs, ~0u),
	REG(MSR_IA32_SYSENTER_ESP, write_linear, sysenter_esp, ~0ull),
	REG(MSR_IA32_SYSENTER_EIP, write_linear, sysenter_eip, ~0ull),
	ROW(MSR_IA32_MCG_CAP, 1, 0, read_mce, NULL, 0, 0),
	ROW(MSR_IA32_MCG_STATUS, 1, LISTED, read_mce, write_mce, 0, 0),
	ROW(MSR_IA32_MCG_CTL, 1, LISTED, read_mce, write_mce, 0, 0),
	ROW(MSR_IA32_PERF_STATUS, 1, 0, read_const, write_const, 1000ull | 4ull << 40, 0),
	STORE(MSR_IA32_MISC_ENABLE, LISTED, FIELD(misc_enable), ~0ull),
	ROW(MSR_IA32_DEBUGCTLMSR, 1, 0, read_const, write_zero, 0, 0),
	ROW(MSR_IA32_LASTBRANCHFROMIP, 4, 0, read_const, NULL, 0, 0),
	STORE(MSR_IA32_POWER_CTL, LISTED, MISC(MISC_POWER_CTL), ~0ull),
	ROW(0x200, 16, LISTED, read_mtrr, write_mtrr, 0, 0),
	ROW(MSR_MTRRfix64K_00000, 1, LISTED, read_mtrr, write_mtrr, 0, 0),
	ROW(MSR_MTRRfix16K_80000, 2, LISTED, read_mtrr, write_mtrr, 0, 0),
	ROW(MSR_MTRRfix4K_C0000, 8, LISTED, read_mtrr, write_mtrr, 0, 0),
	ROW(MSR_IA32_CR_PAT, 1, LISTED, read_field, write_pat, FIELD(pat), 0),
	ROW(MSR_MTRRdefType, 1, LISTED, read_mtrr, write_mtrr, 0, 0),
	ROW(MSR_IA32_MC0_CTL, 4 * UMBRA_MCE_BANKS, 0, read_mce, write_mce, 0, 0),
	ROW(MSR_IA32_TSC_DEADLINE, 1, LISTED, read_deadline, write_deadline, 0, 0),
	ROW(APIC_BASE_MSR, 0x100, 0, read_x2apic, write_x2apic, 0, 0),
	ROW(MSR_KVM_WALL_CLOCK_NEW, 1, LISTED, read_field, write_wall_clock, FIELD(wall_msr), 0),
	ROW(MSR_KVM_SYSTEM_TIME_NEW, 1, LISTED, read_field, write_clock_page, FIELD(clock_msr), 0),
	ROW(MSR_KVM_STEAL_TIME, 1, LISTED, read_field, write_steal_time, FIELD(steal_msr), 0),
	ROW(MSR_EFER, 1, 0, read_efer, write_efer, 0, 0),
	REG(MSR_STAR, write_field, star, ~0ull),
	REG(MSR_LSTAR, write_linear, lstar, ~0ull),
	REG(MSR_CSTAR, write_linear, cstar, ~0ull),
	REG(MSR_SYSCALL_MASK, write_field, sfmask, ~0ull),
	ROW(MSR_FS_BASE, 1, 0, read_segbase, write_segbase, UMBRA_FS, 0),
	ROW(MSR_GS_BASE, 1, 0, read_segbase, write_segbase, UMBRA_GS, 0),
	REG(MSR_KERNEL_GS_BASE, write_linear, kernel_gs_base, ~0ull),
	ROW(MSR_TSC_AUX, 1, LISTED, read_field, write_tsc_aux, FIELD(tsc_aux), ~0u),
	IGNORED(MSR_AMD64_SYSCFG, 1),
	ROW(MSR_K7_HWCR, 1, LISTED, read_field, write_hwcr, MISC(MISC_HWCR), 0),
	IGNORED(MSR_K8_TOP_MEM1, 1),
	IGNORED(MSR_K8_TOP_MEM2, 1),
	IGNORED(MSR_AMD64_NB_CFG, 1),
	ROW(MSR_AMD64_PATCH_LOADER, 1, 0, NULL, write_ignore, 0, 0),
	ROW(MSR_K8_INT_PENDING_MSG, 1, 0, read_const, write_zero, 0, 0),
	ROW(MSR_FAM10H_MMIO_CONF_BASE, 1, 0, read_const, write_zero, 0, 0),
	IGNORED(MSR_VM_CR, 1),
	IGNORED(MSR_VM_HSAVE_PA, 1),
	STORE(MSR_AMD64_OSVW_ID_LENGTH, 0, MISC(MISC_OSVW_LENGTH), ~0ull),
	STORE(MSR_AMD64_OSVW_STATUS, 0, MISC(MISC_OSVW_STATUS), ~0ull),
	IGNORED(MSR_AMD64_LS_CFG, 1),
	IGNORED(MSR_AMD64_DC_CFG, 1),
	IGNORED(MSR_AMD64_TW_CFG, 1),
	/* LFENCE is serializing on every host that has been seen; says so. */
	ROW(MSR_AMD64_DE_CFG, 1, FEATURE, read_const, write_ignore, 2, 0),
	IGNORED(MSR_AMD64_BU_CFG2, 1),
};

static int compare(const void *key, const void *elt)
{
	u32 index = *(const u32 *)key;
	const struct msr_row *row = elt;

	if (index < row->first)
		return -1;
	return index - row->first >= row->count;
}

static const struct msr_row *find_row(u32 index)
{
	/* The old numbers of the two clock MSRs are the same registers. */
	if (index == MSR_KVM_WALL_CLOCK)
		index = MSR_KVM_WALL_CLOCK_NEW;
	else if (index == MSR_KVM_SYSTEM_TIME)
		index = MSR_KVM_SYSTEM_TIME_NEW;
	return bsearch(&index, rows, ARRAY_SIZE(rows), sizeof(rows[0]), compare);
}

/* With KVM_CAP_ENFORCE_PV_FEATURE_CPUID KVM's own MSRs are there as far as CPUID says so. */
static bool pv_hidden(const struct umbra_vcpu *vcpu, u32 index)
{
	if (likely(!vcpu->pv_enforced))
		return false;
	switch (index) {
	case MSR_KVM_WALL_CLOCK:
	case MSR_KVM_SYSTEM_TIME:
		return !umbra_guest_has_pv(vcpu, BIT(KVM_FEATURE_CLOCKSOURCE));
	case MSR_KVM_WALL_CLOCK_NEW:
	case MSR_KVM_SYSTEM_TIME_NEW:
		return !umbra_guest_has_pv(vcpu, BIT(KVM_FEATURE_CLOCKSOURCE2));
	case MSR_KVM_STEAL_TIME:
		return !umbra_guest_has_pv(vcpu, BIT(KVM_FEATURE_STEAL_TIME));
	default:
		return false;
	}
}

/* Rows of one register are asked by its own number. */
static u32 row_index(const struct msr_row *row, u32 index)
{
	return row->count == 1 ? row->first : index;
}

bool umbra_msr_exists(u32 index, bool write)
{
	const struct msr_row *row = find_row(index);

	return row && (write ? row->write && !(row->flags & HOST_WRITE) : !!row->read);
}

int umbra_msr_read(struct umbra_vcpu *vcpu, u32 index, u64 *val, bool host)
{
	const struct msr_row *row = find_row(index);
	int err = -EINVAL;

	*val = 0;
	if (row && row->read && !pv_hidden(vcpu, index))
		err = row->read(vcpu, row, row_index(row, index), val);
	if (!host)
		trace_umbra_msr(vcpu->id, false, index, *val, err);
	return err;
}

int umbra_msr_write(struct umbra_vcpu *vcpu, u32 index, u64 val, bool host)
{
	const struct msr_row *row = find_row(index);
	int err = -EINVAL;

	if (row && row->write && (host || !(row->flags & HOST_WRITE)) && !pv_hidden(vcpu, index))
		err = row->write(vcpu, row, row_index(row, index), val, host);
	if (!host)
		trace_umbra_msr(vcpu->id, true, index, val, err);
	return err;
}

void umbra_msr_reset(struct umbra_vcpu *vcpu)
{
	/* Power-on values, SDM Vol. 3A table 9-1. */
	vcpu->pat = 0x0007040600070406ull;
	vcpu->misc_enable = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL |
			    MSR_IA32_MISC_ENABLE_FAST_STRING;
	vcpu->mtrr_def = 0;
	memset(vcpu->mtrr, 0, sizeof(vcpu->mtrr));
	vcpu->tsc_aux = 0;
	vcpu->clock_msr = 0;
	vcpu->wall_msr = 0;
	umbra_steal_set(vcpu, 0);
	BUILD_BUG_ON(NR_MISC > ARRAY_SIZE(vcpu->msr_misc));
	memset(vcpu->msr_misc, 0, sizeof(vcpu->msr_misc));
	vcpu->msr_misc[MISC_UCODE_REV] = umbra_guest_is_amd(vcpu) ? 0x01000065 : 0x100000000ull;
}

/* KVM_GET_MSR_INDEX_LIST and KVM_GET_MSR_FEATURE_INDEX_LIST. */

static u32 count_rows(u8 flag)
{
	u32 i, n = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].flags & flag)
			n += rows[i].count;
	return n;
}

static long put_rows(u32 __user *to, u8 flag)
{
	u32 i, j, n = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!(rows[i].flags & flag))
			continue;
		for (j = 0; j < rows[i].count; j++)
			if (put_user(rows[i].first + j, &to[n++]))
				return -EFAULT;
	}
	return 0;
}

/* The count is told even when the caller's array is too small. */
static long put_index_list(struct kvm_msr_list __user *user, u8 flag)
{
	u32 room, n = count_rows(flag);

	if (get_user(room, &user->nmsrs))
		return -EFAULT;
	if (put_user(n, &user->nmsrs))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return put_rows(user->indices, flag);
}

UMBRA_SYSTEM_IOCTL(get_msr_index_list)
{
	return put_index_list(uarg, LISTED);
}

UMBRA_SYSTEM_IOCTL(get_msr_feature_index_list)
{
	return put_index_list(uarg, FEATURE);
}

/* KVM_GET_MSRS, KVM_SET_MSRS: stop at the first that fails, return how many went well. */

#define MAX_MSRS	256

static int do_feature_msr(struct umbra_vcpu *unused, struct kvm_msr_entry *e)
{
	const struct msr_row *row = find_row(e->index);

	if (!row || !(row->flags & FEATURE))
		return -EINVAL;
	e->data = row->first == MSR_IA32_UCODE_REV ? 0x100000000ull : row->arg;
	return 0;
}

static int do_get_msr(struct umbra_vcpu *vcpu, struct kvm_msr_entry *e)
{
	return umbra_msr_read(vcpu, e->index, &e->data, true);
}

static int do_set_msr(struct umbra_vcpu *vcpu, struct kvm_msr_entry *e)
{
	return umbra_msr_write(vcpu, e->index, e->data, true);
}

/**
 * struct msr_pass - what one of these ioctls does
 * @fn: with each entry
 * @out: the entries are copied back
 */
struct msr_pass {
	int (*fn)(struct umbra_vcpu *vcpu, struct kvm_msr_entry *e);
	bool out;
};

static const struct msr_pass feature_pass = { .fn = do_feature_msr, .out = true };
static const struct msr_pass get_pass = { .fn = do_get_msr, .out = true };
static const struct msr_pass set_pass = { .fn = do_set_msr, .out = false };

static long walk_msrs(struct umbra_vcpu *vcpu, struct kvm_msrs __user *user,
			 const struct msr_pass *pass)
{
	struct kvm_msr_entry *e;
	struct kvm_msrs head;
	u32 i;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= MAX_MSRS)
		return -E2BIG;
	e = memdup_user(user->entries, array_size(head.nmsrs, sizeof(*e)));
	if (IS_ERR(e))
		return PTR_ERR(e);
	for (i = 0; i < head.nmsrs; i++)
		if (pass->fn(vcpu, &e[i]))
			break;
	if (pass->out && copy_to_user(user->entries, e, head.nmsrs * sizeof(*e))) {
		kfree(e);
		return -EFAULT;
	}
	kfree(e);
	return i;
}

UMBRA_SYSTEM_IOCTL(sys_get_msrs)
{
	return walk_msrs(NULL, uarg, &feature_pass);
}

UMBRA_VCPU_IOCTL(get_msrs)
{
	return walk_msrs(vcpu, uarg, &get_pass);
}

UMBRA_VCPU_IOCTL(set_msrs)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	long ret;

	vcpu->user_sets++;
	ret = walk_msrs(vcpu, uarg, &set_pass);
	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return ret;
}
