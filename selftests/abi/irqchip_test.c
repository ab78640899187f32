// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: irqchip_test
 *
 * VM ioctls of interrupt controllers, PIT and the settings that come before the
 * first vCPU: the right order works, every wrong one has its errno.
 */
#include "abi_check.h"

static int new_vm(int dev)
{
	int vm = ioctl(dev, KVM_CREATE_VM, 0ul);

	if (vm < 0)
		ktap_bail("KVM_CREATE_VM: %s", strerror(errno));
	return vm;
}

static void test_without(int vm)
{
	struct kvm_irq_level line = { .irq = 1, .level = 1 };
	struct kvm_irqchip chip = { .chip_id = 0 };
	struct kvm_pit_state2 pit = {};
	struct kvm_msi msi = { .address_lo = 0xfee00000 };
	struct kvm_irq_routing routing = {};
	struct kvm_reinject_control control = {};

	fails(ioctl(vm, KVM_IRQ_LINE, &line), ENXIO, "KVM_IRQ_LINE without an irqchip");
	fails(ioctl(vm, KVM_IRQ_LINE_STATUS, &line), ENXIO,
	      "KVM_IRQ_LINE_STATUS without an irqchip");
	fails(ioctl(vm, KVM_GET_IRQCHIP, &chip), ENXIO, "KVM_GET_IRQCHIP without an irqchip");
	fails(ioctl(vm, KVM_SET_IRQCHIP, &chip), ENXIO, "KVM_SET_IRQCHIP without an irqchip");
	fails(ioctl(vm, KVM_GET_PIT2, &pit), ENXIO, "KVM_GET_PIT2 without a PIT");
	fails(ioctl(vm, KVM_SET_PIT2, &pit), ENXIO, "KVM_SET_PIT2 without a PIT");
	fails(ioctl(vm, KVM_SIGNAL_MSI, &msi), EINVAL, "KVM_SIGNAL_MSI without an irqchip");
	fails(ioctl(vm, KVM_SET_GSI_ROUTING, &routing), EINVAL,
	      "KVM_SET_GSI_ROUTING without an irqchip");
	fails(ioctl(vm, KVM_REINJECT_CONTROL, &control), ENXIO,
	      "KVM_REINJECT_CONTROL without a PIT");
}

static void test_order(int dev)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	uint64_t identity = 0xfffbc000;
	int vm = new_vm(dev);

	works(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	fails(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffff000ul), EINVAL, "KVM_SET_TSS_ADDR too high");
	works(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity), "KVM_SET_IDENTITY_MAP_ADDR");
	fails(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, BAD_POINTER), EFAULT,
	      "KVM_SET_IDENTITY_MAP_ADDR with a bad pointer");
	works(ioctl(vm, KVM_SET_BOOT_CPU_ID, 0ul), "KVM_SET_BOOT_CPU_ID");
	works(ioctl(vm, KVM_CREATE_VCPU, 0ul), "a vCPU");
	fails(ioctl(vm, KVM_CREATE_IRQCHIP, 0ul), EINVAL, "KVM_CREATE_IRQCHIP after a vCPU");
	fails(ioctl(vm, KVM_ENABLE_CAP, &split), EEXIST, "KVM_CAP_SPLIT_IRQCHIP after a vCPU");
	fails(ioctl(vm, KVM_SET_BOOT_CPU_ID, 0ul), EBUSY, "KVM_SET_BOOT_CPU_ID after a vCPU");
	fails(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity), EINVAL,
	      "KVM_SET_IDENTITY_MAP_ADDR after a vCPU");
	close(vm);
}

static void test_chips(int vm)
{
	struct kvm_irqchip chip, again;
	unsigned int id;

	works(ioctl(vm, KVM_CREATE_IRQCHIP, 0ul), "KVM_CREATE_IRQCHIP");
	fails(ioctl(vm, KVM_CREATE_IRQCHIP, 0ul), EEXIST, "KVM_CREATE_IRQCHIP twice");
	for (id = 0; id < 3; id++) {
		memset(&chip, 0, sizeof(chip));
		memset(&again, 0, sizeof(again));
		chip.chip_id = again.chip_id = id;
		ktap_ok(!ioctl(vm, KVM_GET_IRQCHIP, &chip) && !ioctl(vm, KVM_SET_IRQCHIP, &chip) &&
			!ioctl(vm, KVM_GET_IRQCHIP, &again) && !memcmp(&chip, &again, sizeof(chip)),
			"chip %u: read, written, read the same", id);
	}
	chip.chip_id = 3;
	fails(ioctl(vm, KVM_GET_IRQCHIP, &chip), EINVAL, "KVM_GET_IRQCHIP of an unknown chip");
	fails(ioctl(vm, KVM_SET_IRQCHIP, &chip), EINVAL, "KVM_SET_IRQCHIP of an unknown chip");
	fails(ioctl(vm, KVM_GET_IRQCHIP, BAD_POINTER), EFAULT, "KVM_GET_IRQCHIP, bad pointer");
	fails(ioctl(vm, KVM_SET_IRQCHIP, BAD_POINTER), EFAULT, "KVM_SET_IRQCHIP, bad pointer");
}

static void test_pit(int vm)
{
	struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct kvm_reinject_control control = {};
	struct kvm_pit_state2 pit;

	fails(ioctl(vm, KVM_CREATE_PIT2, BAD_POINTER), EFAULT, "KVM_CREATE_PIT2, bad pointer");
	works(ioctl(vm, KVM_CREATE_PIT2, &config), "KVM_CREATE_PIT2");
	fails(ioctl(vm, KVM_CREATE_PIT2, &config), EEXIST, "KVM_CREATE_PIT2 twice");
	works(ioctl(vm, KVM_GET_PIT2, &pit), "KVM_GET_PIT2");
	works(ioctl(vm, KVM_SET_PIT2, &pit), "KVM_SET_PIT2");
	fails(ioctl(vm, KVM_SET_PIT2, BAD_POINTER), EFAULT, "KVM_SET_PIT2, bad pointer");
	works(ioctl(vm, KVM_REINJECT_CONTROL, &control), "KVM_REINJECT_CONTROL");
	fails(ioctl(vm, KVM_REINJECT_CONTROL, BAD_POINTER), EFAULT,
	      "KVM_REINJECT_CONTROL, bad pointer");
}

static long set_route(int vm, unsigned int nr, unsigned int flags,
		      struct kvm_irq_routing_entry entry)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[2];
	} table = {
		.head = { .nr = nr, .flags = flags },
		.entry = { entry, entry },
	};

	return ioctl(vm, KVM_SET_GSI_ROUTING, &table);
}

static void test_routing(int vm)
{
	struct kvm_irq_routing_entry pin = {
		.gsi = 5,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 5 },
	};
	struct kvm_irq_routing_entry msi = {
		.gsi = 30,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = 0x40 },
	};
	struct kvm_irq_routing_entry bad = pin;

	works(set_route(vm, 1, 0, pin), "KVM_SET_GSI_ROUTING of a pin");
	works(set_route(vm, 1, 0, msi), "KVM_SET_GSI_ROUTING of an MSI");
	works(set_route(vm, 0, 0, pin), "KVM_SET_GSI_ROUTING of nothing");
	fails(set_route(vm, 1, 1, pin), EINVAL, "KVM_SET_GSI_ROUTING with a flag");
	fails(set_route(vm, 1000000, 0, pin), EINVAL, "KVM_SET_GSI_ROUTING of too many");
	fails(set_route(vm, 2, 0, pin), EINVAL, "KVM_SET_GSI_ROUTING of the same twice");
	bad.type = 77;
	fails(set_route(vm, 1, 0, bad), EINVAL, "KVM_SET_GSI_ROUTING of an unknown type");
	bad = pin;
	bad.u.irqchip.pin = 24;
	fails(set_route(vm, 1, 0, bad), EINVAL, "KVM_SET_GSI_ROUTING of a pin too many");
	bad = pin;
	bad.u.irqchip.irqchip = 9;
	fails(set_route(vm, 1, 0, bad), EINVAL, "KVM_SET_GSI_ROUTING to an unknown chip");
	bad = pin;
	bad.gsi = 1000000;
	fails(set_route(vm, 1, 0, bad), EINVAL, "KVM_SET_GSI_ROUTING of a GSI out of range");
	fails(ioctl(vm, KVM_SET_GSI_ROUTING, BAD_POINTER), EFAULT,
	      "KVM_SET_GSI_ROUTING, bad pointer");
}

static void test_lines(int vm)
{
	struct kvm_irq_level line = { .irq = 5, .level = 1 };
	struct kvm_msi msi = { .address_lo = 0xfee00000, .data = 0x40, .flags = 0x80 };

	works(ioctl(vm, KVM_IRQ_LINE, &line), "KVM_IRQ_LINE");
	line.irq = 1u << 30;
	ioctl(vm, KVM_IRQ_LINE, &line);
	ktap_ok(true, "KVM_IRQ_LINE of a GSI that is not routed harms nobody");
	line.irq = 5;
	line.level = 0;
	works(ioctl(vm, KVM_IRQ_LINE_STATUS, &line), "KVM_IRQ_LINE_STATUS");
	fails(ioctl(vm, KVM_IRQ_LINE, BAD_POINTER), EFAULT, "KVM_IRQ_LINE, bad pointer");
	fails(ioctl(vm, KVM_SIGNAL_MSI, &msi), EINVAL, "KVM_SIGNAL_MSI with an unknown flag");
	fails(ioctl(vm, KVM_SIGNAL_MSI, BAD_POINTER), EFAULT, "KVM_SIGNAL_MSI, bad pointer");
}

static void test_split(int dev)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = 24 };
	struct kvm_enable_cap bad = { .cap = 0x7fff };
	struct kvm_irqchip chip = {};
	struct kvm_lapic_state lapic;
	int vm = new_vm(dev), vcpu;

	fails(ioctl(vm, KVM_ENABLE_CAP, &bad), EINVAL, "KVM_ENABLE_CAP of an unknown one");
	bad = split;
	bad.flags = 1;
	fails(ioctl(vm, KVM_ENABLE_CAP, &bad), EINVAL, "KVM_ENABLE_CAP with a flag");
	bad = split;
	bad.args[0] = 1000000;
	fails(ioctl(vm, KVM_ENABLE_CAP, &bad), EINVAL, "KVM_CAP_SPLIT_IRQCHIP of too many pins");
	fails(ioctl(vm, KVM_ENABLE_CAP, BAD_POINTER), EFAULT, "KVM_ENABLE_CAP, bad pointer");
	works(ioctl(vm, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	fails(ioctl(vm, KVM_ENABLE_CAP, &split), EEXIST, "KVM_CAP_SPLIT_IRQCHIP twice");
	fails(ioctl(vm, KVM_CREATE_IRQCHIP, 0ul), EEXIST,
	      "KVM_CREATE_IRQCHIP after KVM_CAP_SPLIT_IRQCHIP");
	fails(ioctl(vm, KVM_GET_IRQCHIP, &chip), ENXIO, "KVM_GET_IRQCHIP of a split one");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0ul);
	works(ioctl(vcpu, KVM_GET_LAPIC, &lapic), "KVM_GET_LAPIC with a split irqchip");
	close(vcpu);
	close(vm);
}

int main(void)
{
	int dev = ku_open();
	int vm;

	ktap_plan(9 + 10 + 9 + 8 + 11 + 6 + 9);
	vm = new_vm(dev);
	test_without(vm);
	test_order(dev);
	test_chips(vm);
	test_pit(vm);
	test_routing(vm);
	test_lines(vm);
	test_split(dev);
	close(vm);
	ktap_exit();
}
