// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: split_test
 *
 * A split irqchip: local APICs in the kernel, PIC and I/O APIC in userspace.
 * Pins are MSI routes; the end of a level-triggered one comes back as
 * KVM_EXIT_IOAPIC_EOI; the PIC's vector goes in by KVM_INTERRUPT.
 */
#include "irq_guest.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PINS		24
#define MSI_LEVEL	0x8000

static unsigned int eois;
static uint8_t eoi_vector;

/* The end of an interrupt on its way to userspace's I/O APIC; the guest goes on. */
static bool note_eoi(struct ku_vcpu *vcpu, int reason)
{
	if (reason != KVM_EXIT_IOAPIC_EOI)
		return false;
	eois++;
	eoi_vector = vcpu->run->eoi.vector;
	return true;
}

static struct kvm_irq_routing_entry msi(uint32_t gsi, uint32_t data)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi, .type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = data },
	};
}

static int set_routes(struct ku_vm *vm, unsigned int nr, struct kvm_irq_routing_entry a,
		      struct kvm_irq_routing_entry b, struct kvm_irq_routing_entry c)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[3];
	} table = { .head = { .nr = nr }, .entry = { a, b, c } };

	return ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table);
}

static void raise(struct ku_vm *vm, uint32_t gsi)
{
	struct kvm_irq_level line = { .irq = gsi, .level = 1 };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &line))
		ktap_bail("KVM_IRQ_LINE: %m");
}

static bool taken(struct ku_vcpu *vcpu, uint32_t vector)
{
	struct ig_log *log = ig_log(vcpu);

	ig_log_clear(vcpu);
	eois = 0;
	ig_window(vcpu);
	return log->count == 1 && log->entry[0].vector == vector;
}

static void test_routes(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	struct kvm_irq_routing_entry pin = {
		.gsi = 3, .type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 3 },
	};
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 30 };
	uint64_t one = 1;

	ktap_ok(set_routes(vm, 1, pin, pin, pin) < 0 && errno == EINVAL,
		"a route to a chip that is not here: EINVAL");
	ktap_ok(!set_routes(vm, 3, msi(4, MSI_LEVEL | 0x44), msi(5, 0x45),
			    msi(30, MSI_LEVEL | 0x4a)), "routes of MSIs");
	raise(vm, 4);
	ktap_ok(taken(vcpu, 0x44), "a level pin");
	ktap_ok(eois == 1 && eoi_vector == 0x44, "its end comes to userspace");
	raise(vm, 5);
	ktap_ok(taken(vcpu, 0x45) && eois == 0, "an edge pin, whose end does not");
	if (ioctl(vm->fd, KVM_IRQFD, &irqfd) || write(irqfd.fd, &one, 8) != 8)
		ktap_bail("irqfd: %m");
	ktap_ok(taken(vcpu, 0x4a) && eois == 0, "a level MSI that is no pin: nor does its");
}

static void test_pic(struct ku_vcpu *vcpu)
{
	struct kvm_interrupt irq = { .irq = 0x33 };
	struct ig_log *log = ig_log(vcpu);

	ig_log_clear(vcpu);
	ktap_ok(vcpu->run->ready_for_interrupt_injection == 0, "not ready: interrupts are off");
	ktap_ok(!ioctl(vcpu->fd, KVM_INTERRUPT, &irq), "KVM_INTERRUPT");
	ig_window(vcpu);
	ktap_ok(log->count == 1 && log->entry[0].vector == 0x33, "taken when interrupts are on");
	ktap_ok(ig_apic_read(vcpu, APIC_ISR + 0x10) == 0, "past the local APIC");
}

int main(void)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args[0] = PINS };
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu;

	ktap_plan(11);
	ig_timeout();
	ktap_ok(!ioctl(vm->fd, KVM_ENABLE_CAP, &split), "KVM_CAP_SPLIT_IRQCHIP");
	ig_vm_load(vm);
	vcpu = ig_vcpu_new(vm, 0);
	ig_on_exit = note_eoi;
	ig_log(vcpu)->eoi = IG_EOI_APIC;
	ig_apic_write(vcpu, APIC_SVR, SVR_ENABLE);
	test_routes(vm, vcpu);
	test_pic(vcpu);
	ku_vm_free(vm);
	ktap_exit();
}
