// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: local APIC: registers
 *
 * The same registers twice: in the MMIO page (xAPIC, SDM Vol. 3A 11.4.1) and as
 * MSRs 800h-8FFh (x2APIC, 11.12).  What differs: in x2APIC mode ICR is one
 * 64-bit register, ID and LDR are read-only, DFR does not exist, SELF IPI does,
 * and an access to what does not exist is #GP instead of a note in ESR.
 */
#include "lapic_internal.h"

#include <linux/nospec.h>

#define MSR_X2APIC		0x800
#define ICR_BUSY		BIT(12)
#define X2APIC_ICR_RESERVED	(GENMASK_ULL(31, 20) | GENMASK_ULL(17, 16) | BIT_ULL(13))
#define SPIV_BITS		0x3ff
#define LVT_MODE_BITS		0x700

/* Writable bits of the local vector table, from LVTT on (SDM Vol. 3A, figure 11-8). */
static const u32 lvt_bits[LAPIC_NR_LVT] = {
	APIC_LVT_MASKED | APIC_VECTOR_MASK | APIC_LVT_TIMER_PERIODIC,
	APIC_LVT_MASKED | APIC_VECTOR_MASK | LVT_MODE_BITS,
	APIC_LVT_MASKED | APIC_VECTOR_MASK | LVT_MODE_BITS,
	APIC_LVT_MASKED | APIC_VECTOR_MASK | LVT_MODE_BITS |
		APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER,
	APIC_LVT_MASKED | APIC_VECTOR_MASK | LVT_MODE_BITS |
		APIC_INPUT_POLARITY | APIC_LVT_LEVEL_TRIGGER,
	APIC_LVT_MASKED | APIC_VECTOR_MASK,
};

static int lvt_index(unsigned int reg)
{
	if (reg < APIC_LVTT || reg > APIC_LVTERR)
		return -1;
	return array_index_nospec((reg - APIC_LVTT) >> 4, LAPIC_NR_LVT);
}

/* Does a read of @reg give something? ICR in x2APIC mode is handled elsewhere. */
static bool readable(const struct umbra_lapic *lapic, unsigned int reg)
{
	switch (reg) {
	case APIC_ID:
	case APIC_LVR:
	case APIC_TASKPRI:
	case APIC_PROCPRI:
	case APIC_LDR:
	case APIC_SPIV:
	case APIC_ISR ... APIC_ISR + 0x70:
	case APIC_TMR ... APIC_TMR + 0x70:
	case APIC_IRR ... APIC_IRR + 0x70:
	case APIC_ESR:
	case APIC_ICR:
	case APIC_LVTT ... APIC_LVTERR:
	case APIC_TMICT:
	case APIC_TMCCT:
	case APIC_TDCR:
		return true;
	case APIC_ARBPRI:
	case APIC_DFR:
	case APIC_ICR2:
		return !lapic_x2apic(lapic);
	default:
		return false;
	}
}

static u32 read_reg(const struct umbra_lapic *lapic, unsigned int reg)
{
	switch (reg) {
	case APIC_PROCPRI:
		return umbra_lapic_ppr(lapic);
	case APIC_TMCCT:
		return umbra_lapic_timer_count(lapic);
	case APIC_ARBPRI:
		return 0;
	default:
		return lapic_reg(lapic, reg);
	}
}

static void write_lvt(struct umbra_lapic *lapic, unsigned int reg, u32 val)
{
	int index = lvt_index(reg);
	u32 bits = lvt_bits[index];

	if (index == 0 && lapic->deadline_mode)
		bits |= APIC_LVT_TIMER_TSCDEADLINE;
	val &= bits;
	/* The mask bits cannot be cleared while the APIC is off (SDM Vol. 3A 11.4.7.2). */
	if (!lapic_sw_enabled(lapic))
		val |= APIC_LVT_MASKED;
	if (reg == APIC_LVTT)
		umbra_lapic_write_lvtt(lapic, val);
	else
		lapic_set_reg(lapic, reg, val);
	if (reg == APIC_LVT0)
		umbra_lapic_lvt0_changed(lapic);
}

static void write_spiv(struct umbra_lapic *lapic, u32 val)
{
	unsigned int i;

	val &= SPIV_BITS |
	       (lapic_reg(lapic, APIC_LVR) & APIC_LVR_DIRECTED_EOI ? APIC_SPIV_DIRECTED_EOI : 0);
	lapic_set_reg(lapic, APIC_SPIV, val);
	if (val & APIC_SPIV_APIC_ENABLED)
		return;
	for (i = 0; i < LAPIC_NR_LVT; i++)
		lapic_set_reg(lapic, LAPIC_LVT(i), lapic_reg(lapic, LAPIC_LVT(i)) |
			      APIC_LVT_MASKED);
	umbra_lapic_lvt0_changed(lapic);
}

/* Registers that only xAPIC mode can write. */
static int write_xapic_reg(struct umbra_lapic *lapic, unsigned int reg, u32 val)
{
	switch (reg) {
	case APIC_ID:
		lapic_set_reg(lapic, reg, val & 0xff000000);
		return 0;
	case APIC_LDR:
		lapic_set_reg(lapic, reg, val & 0xff000000);
		return 0;
	case APIC_DFR:
		lapic_set_reg(lapic, reg, val | 0x0fffffff);
		return 0;
	case APIC_ICR:
		val &= ~ICR_BUSY;
		lapic_set_reg(lapic, reg, val);
		umbra_lapic_send(lapic, val, lapic_reg(lapic, APIC_ICR2) >> 24);
		return 0;
	case APIC_ICR2:
		lapic_set_reg(lapic, reg, val & 0xff000000);
		return 0;
	default:
		return -EINVAL;
	}
}

/* Returns 0, or -EINVAL: no such register, or reserved bits of x2APIC mode. */
static int write_reg(struct umbra_lapic *lapic, unsigned int reg, u32 val)
{
	bool x2apic = lapic_x2apic(lapic);

	switch (reg) {
	case APIC_TASKPRI:
		if (x2apic && val > 0xff)
			return -EINVAL;
		lapic_set_reg(lapic, reg, val & 0xff);
		return 0;
	case APIC_EOI:
		if (x2apic && val)
			return -EINVAL;
		umbra_lapic_eoi(lapic);
		return 0;
	case APIC_SPIV:
		write_spiv(lapic, val);
		return 0;
	case APIC_ESR:
		if (x2apic && val)
			return -EINVAL;
		lapic_set_reg(lapic, reg, atomic_xchg(&lapic->esr, 0));
		return 0;
	case APIC_LVTT ... APIC_LVTERR:
		write_lvt(lapic, reg, val);
		return 0;
	case APIC_TMICT:
		umbra_lapic_write_tmict(lapic, val);
		return 0;
	case APIC_TDCR:
		umbra_lapic_write_tdcr(lapic, val);
		return 0;
	case APIC_SELF_IPI:
		if (!x2apic || val > 0xff)
			return -EINVAL;
		umbra_lapic_send(lapic, val | APIC_DEST_SELF, 0);
		return 0;
	default:
		return x2apic ? -EINVAL : write_xapic_reg(lapic, reg, val);
	}
}

/**
 * umbra_lapic_msr_read() - RDMSR 800h-8FFh
 * @vcpu: the vCPU
 * @msr: index
 * @val: result
 *
 * Context: vCPU thread.
 * Return: 0, or -EINVAL: #GP.
 */
int umbra_lapic_msr_read(struct umbra_vcpu *vcpu, u32 msr, u64 *val)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	unsigned int reg = (msr - MSR_X2APIC) << 4;

	if (!lapic_x2apic(lapic) || !readable(lapic, reg))
		return -EINVAL;
	*val = read_reg(lapic, reg);
	if (reg == APIC_ICR)
		*val |= (u64)lapic_reg(lapic, APIC_ICR2) << 32;
	return 0;
}

static int write_x2apic_icr(struct umbra_lapic *lapic, u64 val)
{
	if (val & X2APIC_ICR_RESERVED)
		return -EINVAL;
	val &= ~(u64)ICR_BUSY;
	lapic_set_reg(lapic, APIC_ICR, val);
	lapic_set_reg(lapic, APIC_ICR2, val >> 32);
	umbra_lapic_send(lapic, val, val >> 32);
	return 0;
}

/**
 * umbra_lapic_msr_write() - WRMSR 800h-8FFh
 * @vcpu: the vCPU
 * @msr: index
 * @val: value
 *
 * Context: vCPU thread.
 * Return: 0, or -EINVAL: #GP.
 */
int umbra_lapic_msr_write(struct umbra_vcpu *vcpu, u32 msr, u64 val)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	unsigned int reg = (msr - MSR_X2APIC) << 4;

	if (!lapic_x2apic(lapic))
		return -EINVAL;
	if (reg == APIC_ICR)
		return write_x2apic_icr(lapic, val);
	if (val >> 32)
		return -EINVAL;
	return write_reg(lapic, reg, val);
}

/* 32-bit registers at 16-byte steps; loads may be narrower (SDM Vol. 3A 11.4.1). */
static void mmio_read(struct umbra_lapic *lapic, unsigned int offset, unsigned int len,
		      void *data)
{
	unsigned int reg = offset & ~0xfu, skip = offset & 0xf;
	u32 val;

	memset(data, 0, len);
	if (skip + len > sizeof(val))
		return;
	if (!readable(lapic, reg)) {
		umbra_lapic_error(lapic, ESR_ILLEGAL_REG);
		return;
	}
	val = read_reg(lapic, reg);
	memcpy(data, (u8 *)&val + skip, len);
}

static void mmio_write(struct umbra_lapic *lapic, unsigned int offset, unsigned int len,
		       const void *data)
{
	u32 val;

	if (len != sizeof(val) || offset & 0xf)
		return;
	memcpy(&val, data, sizeof(val));
	if (write_reg(lapic, offset, val) && !readable(lapic, offset))
		umbra_lapic_error(lapic, ESR_ILLEGAL_REG);
}

/**
 * umbra_lapic_mmio() - access to the page at the APIC base
 * @vcpu: the vCPU
 * @gpa: address
 * @len: bytes
 * @data: to or from here
 * @write: direction
 *
 * While the APIC is off or in x2APIC mode the page is a hole that reads ones and
 * ignores writes, as with KVM (KVM_X86_QUIRK_LAPIC_MMIO_HOLE).
 * Context: vCPU thread.
 * Return: true when @gpa is in the page.
 */
bool umbra_lapic_mmio(struct umbra_vcpu *vcpu, gpa_t gpa, unsigned int len, void *data,
		      bool write)
{
	struct umbra_lapic *lapic = vcpu->lapic;
	gpa_t page = lapic->base & MSR_IA32_APICBASE_BASE;

	if (gpa < page || gpa >= page + LAPIC_PAGE)
		return false;
	if (!lapic_enabled(lapic) || lapic_x2apic(lapic)) {
		if (!write)
			memset(data, 0xff, len);
	} else if (write) {
		mmio_write(lapic, gpa - page, len, data);
	} else {
		mmio_read(lapic, gpa - page, len, data);
	}
	return true;
}
