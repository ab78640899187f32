// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: route_test
 *
 * From a line, an MSI or an irqfd to the guest: default routes, edge and level
 * pins of the I/O APIC with masks and end of interrupt, MSI routes, resampling
 * irqfds, and the state that KVM_GET_IRQCHIP shows.
 */
#include "irq_guest.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Ends with the first interrupt: as long as the slowest host may take. */
#define LATE_US		60000000ull

#define REDIR(pin)	(0x10 + 2 * (pin))
#define REDIR_LEVEL	0x8000
#define REDIR_REMOTE	0x4000
#define REDIR_MASKED	0x10000
#define REDIR_LOGICAL	0x800

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static struct ig_log *glog;

static uint32_t ioapic_read(uint32_t reg)
{
	ig_write(vcpu, IG_IOAPIC, reg);
	return ig_read(vcpu, IG_IOAPIC + 0x10);
}

static void ioapic_write(uint32_t reg, uint32_t val)
{
	ig_write(vcpu, IG_IOAPIC, reg);
	ig_write(vcpu, IG_IOAPIC + 0x10, val);
}

static void set_line(uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &line))
		ktap_bail("KVM_IRQ_LINE: %m");
}

static int line_status(uint32_t gsi, uint32_t level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE_STATUS, &line))
		ktap_bail("KVM_IRQ_LINE_STATUS: %m");
	return line.status;
}

static void pulse(uint32_t gsi)
{
	set_line(gsi, 1);
	set_line(gsi, 0);
}

/* How many interrupts are taken now, all of them @vector; or -1. */
static int taken(uint32_t vector)
{
	unsigned int i;

	ig_log_clear(vcpu);
	ig_window(vcpu);
	for (i = 0; i < glog->count && i < IG_LOG_MAX; i++)
		if (glog->entry[i].vector != vector)
			return -1;
	return glog->count;
}

/* The same for what comes by way of another thread: waits for the first. */
static int taken_soon(uint32_t vector)
{
	int before, after;

	ig_log_clear(vcpu);
	ig_wait(vcpu, 1, ig_ticks(vcpu, LATE_US));
	before = glog->count && glog->entry[0].vector == vector ? (int)glog->count : -1;
	after = taken(vector);
	return before < 0 || after < 0 ? -1 : before + after;
}

static void test_registers(void)
{
	ktap_ok((ioapic_read(1) & 0xff00ff) == 0x170011, "version 11h, 24 pins");
	ioapic_write(0, 0x0f000000);
	ktap_ok(ioapic_read(0) == 0x0f000000, "ID can be written");
	ktap_ok(ioapic_read(REDIR(3)) == REDIR_MASKED, "reset: masked");
	ioapic_write(REDIR(3), REDIR_MASKED | 0x5000 | 0x33);
	ktap_ok(ioapic_read(REDIR(3)) == (REDIR_MASKED | 0x33), "status bits are read-only");
	ioapic_write(REDIR(3) + 1, 0x12000000);
	ktap_ok(ioapic_read(REDIR(3) + 1) == 0x12000000, "destination");
	ioapic_write(REDIR(3) + 1, 0);
	ioapic_write(REDIR(3), REDIR_MASKED);
}

static void test_edge(void)
{
	ioapic_write(REDIR(5), 0x35);
	ktap_ok(line_status(5, 1) > 0, "edge: delivered");
	ktap_ok(taken(0x35) == 1, "edge: taken");
	ktap_ok(line_status(5, 1) == 0, "edge: high already, coalesced");
	ktap_ok(taken(0x35) == 0, "edge: no second one while high");
	set_line(5, 0);
	pulse(5);
	ktap_ok(taken(0x35) == 1, "edge: again after low");
	pulse(5);
	pulse(5);
	ktap_ok(taken(0x35) == 1, "edge: two before it is taken are one");
	ioapic_write(REDIR(5), REDIR_MASKED | 0x35);
	pulse(5);
	ioapic_write(REDIR(5), 0x35);
	ktap_ok(taken(0x35) == 0, "edge: lost while masked");
	ioapic_write(REDIR(5), REDIR_MASKED);
}

static void test_level(void)
{
	ioapic_write(REDIR(10), REDIR_LEVEL | 0x3a);
	glog->eoi = IG_EOI_NONE;
	set_line(10, 1);
	ktap_ok(ioapic_read(REDIR(10)) & REDIR_REMOTE, "level: remote IRR");
	ktap_ok(taken(0x3a) == 1, "level: taken");
	ktap_ok(ig_apic_read(vcpu, APIC_TMR + 0x10) >> 26 & 1, "level: TMR");
	ktap_ok(taken(0x3a) == 0, "level: not again before EOI");
	ig_apic_write(vcpu, APIC_EOI, 0);
	ktap_ok(taken(0x3a) == 1, "level: again after EOI while high");
	set_line(10, 0);
	ig_apic_write(vcpu, APIC_EOI, 0);
	ktap_ok(taken(0x3a) == 0 && !(ioapic_read(REDIR(10)) & REDIR_REMOTE),
		"level: over after EOI when low");
	ioapic_write(REDIR(10), REDIR_MASKED | REDIR_LEVEL | 0x3a);
	set_line(10, 1);
	ktap_ok(taken(0x3a) == 0, "level: masked");
	ioapic_write(REDIR(10), REDIR_LEVEL | 0x3a);
	ktap_ok(taken(0x3a) == 1, "level: comes when unmasked");
	ioapic_write(REDIR(10), REDIR_MASKED | 0x3a);
	ktap_ok(!(ioapic_read(REDIR(10)) & REDIR_REMOTE), "level: edge mode clears remote IRR");
	set_line(10, 0);
	ig_apic_write(vcpu, APIC_EOI, 0);
	glog->eoi = IG_EOI_APIC;
}

static void test_state(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC }, again;

	ioapic_write(REDIR(20) + 1, 0);
	ioapic_write(REDIR(20), REDIR_LEVEL | 0x44);
	set_line(20, 1);
	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip))
		ktap_bail("KVM_GET_IRQCHIP: %m");
	ktap_ok(chip.chip.ioapic.redirtbl[20].bits == (REDIR_LEVEL | REDIR_REMOTE | 0x44) &&
		chip.chip.ioapic.irr == 1u << 20 &&
		chip.chip.ioapic.base_address == IG_IOAPIC, "KVM_GET_IRQCHIP: pin and entry");
	ktap_ok(taken(0x44) >= 1, "a level that nobody lowers leaves the guest time to go on");
	set_line(20, 0);
	/* The handler's EOI cleared remote IRR; restored, it waits for an EOI that comes. */
	again = chip;
	again.chip.ioapic.redirtbl[20].fields.remote_irr = 0;
	ktap_ok(!ioctl(vm->fd, KVM_SET_IRQCHIP, &again) && taken(0x44) >= 1,
		"KVM_SET_IRQCHIP: a pin that was high interrupts");
	again.chip.ioapic.irr = 0;
	again.chip.ioapic.redirtbl[20].bits = REDIR_MASKED;
	ioctl(vm->fd, KVM_SET_IRQCHIP, &again);
	taken(0x44);
	ktap_ok(ioapic_read(REDIR(20)) == REDIR_MASKED, "KVM_SET_IRQCHIP: entry");
}

static int signal_msi(uint32_t address_lo, uint32_t address_hi, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = address_lo, .address_hi = address_hi, .data = data,
	};

	return ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static void test_msi(void)
{
	ktap_ok(signal_msi(0xfee00000, 0, 0x50) == 1 && taken(0x50) == 1, "MSI: physical");
	ktap_ok(signal_msi(0xfeeff000, 0, 0x51) == 1 && taken(0x51) == 1, "MSI: broadcast");
	ktap_ok(signal_msi(0xfee07000, 0, 0x52) <= 0 && taken(0x52) == 0, "MSI: to nobody");
	ig_apic_write(vcpu, APIC_LDR, 0x04000000);
	ktap_ok(signal_msi(0xfee06004, 0, 0x53) == 1 && taken(0x53) == 1, "MSI: logical");
	ktap_ok(signal_msi(0xfee0400c, 0, 0x154) == 1 && taken(0x54) == 1,
		"MSI: lowest priority with redirection hint");
	ig_apic_write(vcpu, APIC_SVR, 0xff);
	ktap_ok(signal_msi(0xfee00000, 0, 0x55) == 0, "MSI: blocked by the guest");
	ig_apic_write(vcpu, APIC_SVR, SVR_ENABLE);
	ig_log_clear(vcpu);
	ktap_ok(signal_msi(0xfee00000, 0, 0x400) == 1, "MSI: NMI");
	ig_rdtsc(vcpu);
	ktap_ok(glog->count == 1 && glog->entry[0].vector == 2, "MSI: NMI arrives");
}

static void set_routes(unsigned int nr, const struct kvm_irq_routing_entry *entries)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[8];
	} table = { .head = { .nr = nr } };

	memcpy(table.entry, entries, nr * sizeof(*entries));
	if (ioctl(vm->fd, KVM_SET_GSI_ROUTING, &table))
		ktap_bail("KVM_SET_GSI_ROUTING: %m");
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		ktap_bail("eventfd: %m");
}

static void test_routes(void)
{
	static const struct kvm_irq_routing_entry routes[] = {
		{
			.gsi = 24, .type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = 0x60 },
		}, {
			.gsi = 0, .type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 2 },
		}, {
			.gsi = 11, .type = KVM_IRQ_ROUTING_IRQCHIP,
			.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = 11 },
		},
	};
	struct kvm_irqfd irqfd = { .fd = eventfd(0, 0), .gsi = 24 };
	struct kvm_irqfd level = {
		.fd = eventfd(0, 0), .gsi = 11, .flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = eventfd(0, EFD_NONBLOCK),
	};
	uint64_t count;

	set_routes(3, routes);
	ktap_ok(line_status(24, 1) == 1 && taken(0x60) == 1, "route: GSI 24 is an MSI");
	ktap_ok(line_status(24, 0) < 0 && taken(0x60) == 0, "route: an MSI has no low");
	ioapic_write(REDIR(2), 0x61);
	set_line(0, 1);
	ktap_ok(taken(0x61) == 1, "route: GSI 0 goes to pin 2");
	set_line(0, 0);
	ioapic_write(REDIR(2), REDIR_MASKED);
	ktap_ok(line_status(5, 1) < 0, "route: GSI 5 is gone");

	ktap_ok(!ioctl(vm->fd, KVM_IRQFD, &irqfd), "irqfd: MSI");
	signal_fd(irqfd.fd);
	ktap_ok(taken_soon(0x60) == 1, "irqfd: MSI arrives");
	irqfd.flags = KVM_IRQFD_FLAG_DEASSIGN;
	ktap_ok(!ioctl(vm->fd, KVM_IRQFD, &irqfd), "irqfd: deassigned");
	signal_fd(irqfd.fd);
	ktap_ok(taken(0x60) == 0, "irqfd: and silent");

	ioapic_write(REDIR(11), REDIR_LEVEL | 0x62);
	ktap_ok(!ioctl(vm->fd, KVM_IRQFD, &level), "irqfd: resampling");
	signal_fd(level.fd);
	ktap_ok(taken_soon(0x62) == 1, "irqfd: level interrupt, lowered by its EOI");
	ktap_ok(read(level.resamplefd, &count, sizeof(count)) == sizeof(count) && count == 1,
		"irqfd: EOI tells the device");
	ktap_ok(taken(0x62) == 0, "irqfd: not again by itself");
	signal_fd(level.fd);
	ktap_ok(taken_soon(0x62) == 1, "irqfd: again when signalled again");
}

int main(void)
{
	vm = ig_vm_new();
	ktap_plan(46);
	ig_timeout();
	vcpu = ig_vcpu_new(vm, 0);
	glog = ig_log(vcpu);
	glog->eoi = IG_EOI_APIC;
	ig_apic_write(vcpu, APIC_SVR, SVR_ENABLE);
	ig_apic_write(vcpu, APIC_LVT0, LVT_MASKED);
	ig_out(vcpu, 0x21, 0xff);
	ig_out(vcpu, 0xa1, 0xff);
	test_registers();
	test_edge();
	test_level();
	test_state();
	test_msi();
	test_routes();
	ku_vm_free(vm);
	ktap_exit();
}
