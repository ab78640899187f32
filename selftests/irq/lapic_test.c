// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: lapic_test
 *
 * The local APIC of one vCPU: state after reset and through KVM_GET_LAPIC and
 * KVM_SET_LAPIC, priorities, end of interrupt, software and hardware disable,
 * x2APIC mode and the ways into it.
 */
#include "irq_guest.h"

#include <string.h>
#include <sys/ioctl.h>

static uint32_t *reg_of(struct kvm_lapic_state *state, uint32_t reg)
{
	return (uint32_t *)(state->regs + reg);
}

static void get(struct ku_vcpu *vcpu, struct kvm_lapic_state *state)
{
	if (ioctl(vcpu->fd, KVM_GET_LAPIC, state))
		ktap_bail("KVM_GET_LAPIC: %m");
}

static void enable(struct ku_vcpu *vcpu)
{
	ig_apic_write(vcpu, APIC_SVR, SVR_ENABLE);
}

static void send_self(struct ku_vcpu *vcpu, uint32_t vector)
{
	ig_apic_write(vcpu, APIC_ICR, ICR_SELF | vector);
}

static bool vector_set(struct ku_vcpu *vcpu, uint32_t bitmap, uint32_t vector)
{
	return ig_apic_read(vcpu, bitmap + vector / 32 * 16) >> vector % 32 & 1;
}

static void test_reset(struct ku_vcpu *bsp, struct ku_vcpu *ap)
{
	struct kvm_lapic_state state;

	get(bsp, &state);
	ktap_ok(*reg_of(&state, APIC_ID) == 0 && (*reg_of(&state, APIC_VERSION) & 0xff) == 0x14,
		"reset: ID 0, version 14h");
	ktap_ok(*reg_of(&state, APIC_SVR) == 0xff && *reg_of(&state, APIC_DFR) == 0xffffffff &&
		!*reg_of(&state, APIC_LDR) && !*reg_of(&state, APIC_TPR),
		"reset: SVR FFh, DFR flat, LDR 0, TPR 0");
	ktap_ok(*reg_of(&state, APIC_LVTT) == LVT_MASKED &&
		*reg_of(&state, APIC_LVT1) == LVT_MASKED &&
		*reg_of(&state, APIC_LVTERR) == LVT_MASKED, "reset: local vectors masked");
	ktap_ok(*reg_of(&state, APIC_LVT0) == 0x700, "reset: LINT0 of the BSP takes the PIC");
	get(ap, &state);
	ktap_ok(*reg_of(&state, APIC_ID) == 1u << 24, "reset: ID of vCPU 1");
	ktap_ok(*reg_of(&state, APIC_LVT0) == LVT_MASKED, "reset: LINT0 of the other is masked");
}

static void test_state(struct ku_vcpu *vcpu)
{
	struct kvm_lapic_state state, again;

	enable(vcpu);
	ig_apic_write(vcpu, APIC_TPR, 0x20);
	ig_apic_write(vcpu, APIC_LDR, 0x81000000);
	ig_apic_write(vcpu, APIC_DFR, 0x0fffffff);
	ig_apic_write(vcpu, APIC_ICR2, 0x12000000);
	ig_apic_write(vcpu, APIC_LVT1, 0x400);
	ig_apic_write(vcpu, APIC_TDCR, 0xb);
	send_self(vcpu, 0x45);
	get(vcpu, &state);
	ktap_ok(*reg_of(&state, APIC_TPR) == 0x20 && *reg_of(&state, APIC_LDR) == 0x81000000 &&
		*reg_of(&state, APIC_DFR) == 0x0fffffff &&
		*reg_of(&state, APIC_ICR2) == 0x12000000 && *reg_of(&state, APIC_LVT1) == 0x400 &&
		*reg_of(&state, APIC_TDCR) == 0xb, "state: what the guest wrote");
	ktap_ok(*reg_of(&state, APIC_IRR + 0x20) == 1u << 5, "state: a pending interrupt");
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_LAPIC, &state), "state: KVM_SET_LAPIC");
	get(vcpu, &again);
	ktap_ok(!memcmp(&state, &again, sizeof(state)), "state: the same after a round trip");

	*reg_of(&state, APIC_IRR + 0x20) = 0;
	*reg_of(&state, APIC_IRR + 0x30) = 1u << 1;
	*reg_of(&state, APIC_TPR) = 0;
	ioctl(vcpu->fd, KVM_SET_LAPIC, &state);
	ig_log_clear(vcpu);
	ig_window(vcpu);
	ktap_ok(ig_log(vcpu)->count == 1 && ig_log(vcpu)->entry[0].vector == 0x61,
		"state: an interrupt that userspace put into IRR is taken");
	ktap_ok(vector_set(vcpu, APIC_ISR, 0x61), "state: and is in service");
	ig_apic_write(vcpu, APIC_EOI, 0);
}

static void test_priority(struct ku_vcpu *vcpu)
{
	struct ig_log *log = ig_log(vcpu);

	ig_log_clear(vcpu);
	send_self(vcpu, 0x31);
	send_self(vcpu, 0x52);
	send_self(vcpu, 0x41);
	ktap_ok(vector_set(vcpu, APIC_IRR, 0x31) && vector_set(vcpu, APIC_IRR, 0x52) &&
		vector_set(vcpu, APIC_IRR, 0x41) && !log->count, "three requests wait in IRR");
	ig_window(vcpu);
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x52, "the highest comes first, alone");
	ktap_ok(ig_apic_read(vcpu, APIC_PPR) == 0x50, "PPR is the class in service");
	ig_window(vcpu);
	ktap_ok(log->count == 1, "lower ones wait for its end");
	send_self(vcpu, 0x63);
	ig_window(vcpu);
	ktap_ok(log->count == 2 && log->entry[1].vector == 0x63, "a higher one nests");
	ig_apic_write(vcpu, APIC_EOI, 0);
	ktap_ok(!vector_set(vcpu, APIC_ISR, 0x63) && vector_set(vcpu, APIC_ISR, 0x52),
		"EOI ends the highest");
	ig_apic_write(vcpu, APIC_EOI, 0);
	ig_window(vcpu);
	ig_apic_write(vcpu, APIC_EOI, 0);
	ig_window(vcpu);
	ig_apic_write(vcpu, APIC_EOI, 0);
	ktap_ok(log->count == 4 && log->entry[2].vector == 0x41 && log->entry[3].vector == 0x31,
		"then the others in order");
	ktap_ok(ig_apic_read(vcpu, APIC_PPR) == 0, "PPR is 0 again");
	ig_apic_write(vcpu, APIC_EOI, 0);
	ktap_ok(ig_apic_read(vcpu, APIC_PPR) == 0, "an EOI too many does nothing");
}

static void test_tpr(struct ku_vcpu *vcpu)
{
	struct ig_log *log = ig_log(vcpu);

	log->eoi = IG_EOI_APIC;
	ig_log_clear(vcpu);
	ig_apic_write(vcpu, APIC_TPR, 0x5a);
	ktap_ok(ig_read_cr8(vcpu) == 5, "CR8 is the TPR's class");
	/* AMD processors hand KVM back CR8, which has no lower half. */
	ktap_ok(ig_apic_read(vcpu, APIC_PPR) >> 4 == 5, "PPR follows TPR");
	send_self(vcpu, 0x5f);
	send_self(vcpu, 0x60);
	ig_window(vcpu);
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x60, "TPR holds its own class back");
	ig_write_cr8(vcpu, 4);
	ktap_ok(ig_apic_read(vcpu, APIC_TPR) == 0x40, "TPR is CR8's class");
	ig_window(vcpu);
	ktap_ok(log->count == 2 && log->entry[1].vector == 0x5f, "lower CR8 lets it through");
	ig_write_cr8(vcpu, 0);
}

static void test_coalesce(struct ku_vcpu *vcpu)
{
	ig_log_clear(vcpu);
	send_self(vcpu, 0x77);
	send_self(vcpu, 0x77);
	ig_window(vcpu);
	ig_window(vcpu);
	ktap_ok(ig_log(vcpu)->count == 1, "a vector is requested once");
}

static void test_software_disable(struct ku_vcpu *vcpu)
{
	ig_log_clear(vcpu);
	ig_apic_write(vcpu, APIC_LVTT, 0x55);
	ig_apic_write(vcpu, APIC_SVR, 0xff);
	ktap_ok(ig_apic_read(vcpu, APIC_LVTT) == (LVT_MASKED | 0x55),
		"software disable masks the local vectors");
	ig_apic_write(vcpu, APIC_LVTT, 0x55);
	ktap_ok(ig_apic_read(vcpu, APIC_LVTT) == (LVT_MASKED | 0x55), "and keeps them masked");
	send_self(vcpu, 0x45);
	enable(vcpu);
	ig_window(vcpu);
	ktap_ok(!ig_log(vcpu)->count, "no interrupt is accepted meanwhile");
	ktap_ok(ig_apic_read(vcpu, APIC_LVTT) == (LVT_MASKED | 0x55), "nor unmasked by enabling");
}

static void test_hardware_disable(struct ku_vcpu *vcpu)
{
	uint64_t base = ig_rdmsr(vcpu, MSR_APIC_BASE);

	ktap_ok(base == (IG_APIC | APIC_BASE_BSP | APIC_BASE_ON), "IA32_APIC_BASE after reset");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_APIC_BASE, base | 1), "#GP for a reserved bit");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_APIC_BASE, base | 1ull << 62), "#GP for an address");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_APIC_BASE, (base & ~APIC_BASE_ON) | APIC_BASE_X2),
		"#GP for x2APIC without enable");
	ig_wrmsr(vcpu, MSR_APIC_BASE, base & ~APIC_BASE_ON);
	ktap_ok(ig_apic_read(vcpu, APIC_ID) == 0xffffffff, "disabled: the page is a hole");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_APIC_BASE, base | APIC_BASE_X2),
		"#GP from disabled to x2APIC");
	ig_wrmsr(vcpu, MSR_APIC_BASE, base);
	ktap_ok(ig_apic_read(vcpu, APIC_ID) == 0, "enabled again");
	enable(vcpu);
}

/* Deviations of stock KVM from the manual that Umbra does not share. */
static void test_errors(struct ku_vcpu *vcpu)
{
	bool umbra = !strstr(ku_device(), "kvm");

	if (!umbra) {
		ktap_skip("ESR: illegal vector sent", "KVM does not report errors");
		ktap_skip("ESR: error interrupt", "KVM does not report errors");
		return;
	}
	ig_log_clear(vcpu);
	ig_apic_write(vcpu, APIC_LVTERR, 0x99);
	ig_apic_write(vcpu, APIC_ESR, 0);
	send_self(vcpu, 5);
	ig_apic_write(vcpu, APIC_ESR, 0);
	ktap_ok(ig_apic_read(vcpu, APIC_ESR) == 0x20, "ESR: illegal vector sent");
	ig_window(vcpu);
	ktap_ok(ig_log(vcpu)->count == 1 && ig_log(vcpu)->entry[0].vector == 0x99,
		"ESR: error interrupt");
	ig_apic_write(vcpu, APIC_ESR, 0);
	ig_apic_write(vcpu, APIC_LVTERR, LVT_MASKED);
}

static void test_x2apic(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	struct kvm_enable_cap wide = {
		.cap = KVM_CAP_X2APIC_API, .args[0] = KVM_X2APIC_API_USE_32BIT_IDS,
	};
	uint64_t base = ig_rdmsr(vcpu, MSR_APIC_BASE);
	struct kvm_lapic_state state;
	struct ig_log *log = ig_log(vcpu);

	ktap_ok(ig_rdmsr_faults(vcpu, MSR_X2APIC(APIC_ID)), "#GP for x2APIC MSRs in xAPIC mode");
	ig_wrmsr(vcpu, MSR_APIC_BASE, base | APIC_BASE_X2);
	ktap_ok(ig_rdmsr(vcpu, MSR_X2APIC(APIC_ID)) == 1, "x2APIC: ID");
	ktap_ok(ig_rdmsr(vcpu, MSR_X2APIC(APIC_LDR)) == 2, "x2APIC: LDR follows from the ID");
	ktap_ok(ig_apic_read(vcpu, APIC_ID) == 0xffffffff, "x2APIC: the page is a hole");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_ID), 5) &&
		ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_LDR), 5) &&
		ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_DFR), 0) &&
		ig_rdmsr_faults(vcpu, MSR_X2APIC(APIC_DFR)) &&
		ig_rdmsr_faults(vcpu, MSR_X2APIC(APIC_ICR2)) &&
		ig_rdmsr_faults(vcpu, MSR_X2APIC(APIC_EOI)), "x2APIC: #GP where nothing is");
	ktap_ok(ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_ICR), 1 << 20) &&
		ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_SVR), 1ull << 32) &&
		ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_ESR), 1) &&
		ig_wrmsr_faults(vcpu, MSR_X2APIC(APIC_SELF_IPI), 0x100),
		"x2APIC: #GP for reserved bits");

	log->eoi = IG_EOI_X2APIC;
	ig_log_clear(vcpu);
	ig_wrmsr(vcpu, MSR_X2APIC(APIC_SVR), SVR_ENABLE);
	ig_wrmsr(vcpu, MSR_X2APIC(APIC_SELF_IPI), 0x66);
	ig_window(vcpu);
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x66, "x2APIC: self IPI");
	ig_wrmsr(vcpu, MSR_X2APIC(APIC_ICR), 1ull << 32 | 0x67);
	ig_window(vcpu);
	ktap_ok(log->count == 2 && log->entry[1].vector == 0x67, "x2APIC: ICR to the own ID");
	ig_wrmsr(vcpu, MSR_X2APIC(APIC_ICR), 2ull << 32 | ICR_LOGICAL | 0x68);
	ig_window(vcpu);
	ktap_ok(log->count == 3 && log->entry[2].vector == 0x68, "x2APIC: ICR to the logical ID");
	ig_wrmsr(vcpu, MSR_X2APIC(APIC_ICR), 0xffffffffull << 32 | 0x69);
	ig_window(vcpu);
	ktap_ok(log->count == 4 && log->entry[3].vector == 0x69, "x2APIC: broadcast");
	ktap_ok(ig_rdmsr(vcpu, MSR_X2APIC(APIC_ICR)) == (0xffffffffull << 32 | 0x69),
		"x2APIC: ICR reads 64 bits");

	get(vcpu, &state);
	ktap_ok(*reg_of(&state, APIC_ID) == 1u << 24, "x2APIC: ID in xAPIC format");
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_LAPIC, &state), "x2APIC: KVM_SET_LAPIC");
	ktap_ok(!ioctl(vm->fd, KVM_ENABLE_CAP, &wide), "x2APIC: KVM_CAP_X2APIC_API");
	get(vcpu, &state);
	ktap_ok(*reg_of(&state, APIC_ID) == 1, "x2APIC: ID in 32-bit format");
	*reg_of(&state, APIC_ID) = 7;
	ktap_ok(ioctl(vcpu->fd, KVM_SET_LAPIC, &state) < 0, "x2APIC: KVM_SET_LAPIC of another ID");
	*reg_of(&state, APIC_ID) = 1;
	ktap_ok(!ioctl(vcpu->fd, KVM_SET_LAPIC, &state), "x2APIC: KVM_SET_LAPIC of the same");

	ktap_ok(ig_wrmsr_faults(vcpu, MSR_APIC_BASE, base), "#GP from x2APIC to xAPIC");
	ig_wrmsr(vcpu, MSR_APIC_BASE, base & ~APIC_BASE_ON);
	ig_wrmsr(vcpu, MSR_APIC_BASE, base);
	ktap_ok(ig_apic_read(vcpu, APIC_ID) == 1u << 24, "by way of disabled to xAPIC");
}

int main(void)
{
	struct ku_vcpu *bsp, *ap;
	struct ku_vm *vm;

	vm = ig_vm_new();
	ktap_plan(59);
	ig_timeout();
	bsp = ig_vcpu_new(vm, 0);
	ap = ig_vcpu_new(vm, 1);
	test_reset(bsp, ap);
	test_state(bsp);
	test_priority(bsp);
	test_tpr(bsp);
	test_coalesce(bsp);
	test_software_disable(bsp);
	test_hardware_disable(bsp);
	test_errors(bsp);
	test_x2apic(vm, ap);
	ku_vm_free(vm);
	ktap_exit();
}
