// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: pic_test
 *
 * The i8259 pair by its ports and by KVM_IRQ_LINE, as a guest in virtual wire
 * mode sees it: initialization, priorities, masks, all kinds of end of
 * interrupt, rotation, special mask mode, polling, cascade, spurious interrupts
 * and level-triggered lines.
 */
#include "irq_guest.h"

#include <string.h>
#include <sys/ioctl.h>

#define M0	0x20
#define M1	0x21
#define S0	0xa0
#define S1	0xa1
#define ELCR1	0x4d0
#define ELCR2	0x4d1

#define MASTER	0x20	/* vectors */
#define SLAVE	0x28

static struct ku_vm *vm;
static struct ku_vcpu *vcpu;
static struct ig_log *glog;

static void set_line(uint32_t irq, uint32_t level)
{
	struct kvm_irq_level line = { .irq = irq, .level = level };

	if (ioctl(vm->fd, KVM_IRQ_LINE, &line))
		ktap_bail("KVM_IRQ_LINE: %m");
}

static void pulse(uint32_t irq)
{
	set_line(irq, 1);
	set_line(irq, 0);
}

static uint8_t read_isr(uint16_t port)
{
	ig_out(vcpu, port, 0x0b);
	return ig_in(vcpu, port);
}

static uint8_t read_irr(uint16_t port)
{
	ig_out(vcpu, port, 0x0a);
	return ig_in(vcpu, port);
}

/* ICW1-4, all masks open; @icw4 for both. */
static void init(uint8_t icw4)
{
	ig_out(vcpu, M0, 0x11);
	ig_out(vcpu, M1, MASTER);
	ig_out(vcpu, M1, 4);
	ig_out(vcpu, M1, icw4);
	ig_out(vcpu, S0, 0x11);
	ig_out(vcpu, S1, SLAVE);
	ig_out(vcpu, S1, 2);
	ig_out(vcpu, S1, icw4);
}

/* Takes what comes; true when it is exactly these vectors, ending with 0. */
static bool take(const uint8_t *vectors)
{
	unsigned int i;

	ig_log_clear(vcpu);
	ig_window(vcpu);
	for (i = 0; vectors[i]; i++)
		if (i >= glog->count || glog->entry[i].vector != vectors[i])
			return false;
	return glog->count == i;
}

#define TAKE(...) take((const uint8_t[]){ __VA_ARGS__, 0 })
#define TAKE_NONE() take((const uint8_t[]){ 0 })

static void eoi_both(void)
{
	ig_out(vcpu, S0, 0x20);
	ig_out(vcpu, M0, 0x20);
}

static void test_basic(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	init(1);
	ktap_ok(!ig_in(vcpu, M1) && !ig_in(vcpu, S1), "ICW1 opens all masks");
	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip))
		ktap_bail("KVM_GET_IRQCHIP: %m");
	ktap_ok(chip.chip.pic.irq_base == MASTER && !chip.chip.pic.init_state &&
		chip.chip.pic.elcr_mask == 0xf8, "KVM_GET_IRQCHIP: base, ready");
	pulse(4);
	ktap_ok(read_irr(M0) == 0x10, "a request in IRR");
	ktap_ok(TAKE(MASTER + 4), "its vector");
	ktap_ok(read_isr(M0) == 0x10 && read_irr(M0) == 0, "in service");
	pulse(6);
	ktap_ok(TAKE_NONE(), "a lower one waits");
	pulse(3);
	ktap_ok(TAKE(MASTER + 3), "a higher one nests");
	ktap_ok(read_isr(M0) == 0x18, "both in service");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(read_isr(M0) == 0x10, "EOI ends the highest");
	ig_out(vcpu, M0, 0x64);
	ktap_ok(read_isr(M0) == 0 && TAKE(MASTER + 6), "specific EOI; the lower one comes");
	ig_out(vcpu, M0, 0x20);
	ig_out(vcpu, M1, 0x20);
	pulse(5);
	ktap_ok(TAKE_NONE() && ig_in(vcpu, M1) == 0x20, "masked");
	ig_out(vcpu, M1, 0);
	ktap_ok(TAKE(MASTER + 5), "an edge waits in IRR behind the mask");
	ig_out(vcpu, M0, 0x20);
}

static void test_cascade(void)
{
	pulse(12);
	ktap_ok(TAKE(SLAVE + 4), "slave: vector");
	ktap_ok(read_isr(M0) == 4 && read_isr(S0) == 0x10, "slave: in service in both");
	pulse(14);
	pulse(9);
	ktap_ok(TAKE_NONE(), "slave: the master's IR2 blocks it");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(TAKE(SLAVE + 1), "slave: a higher one after the master's EOI");
	eoi_both();
	ktap_ok(TAKE_NONE(), "slave: a lower one waits for the slave's EOI");
	ig_out(vcpu, S0, 0x20);
	ktap_ok(TAKE(SLAVE + 6), "slave: and comes then");
	eoi_both();
	pulse(8);
	pulse(1);
	pulse(7);
	ktap_ok(TAKE(MASTER + 1), "priority: 1 before the slave");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(TAKE(SLAVE), "priority: 8 before 7");
	eoi_both();
	ktap_ok(TAKE(MASTER + 7), "priority: 7 last");
	ig_out(vcpu, M0, 0x20);
}

static void test_rotation(void)
{
	ig_out(vcpu, M0, 0xc3);
	pulse(3);
	pulse(4);
	ktap_ok(TAKE(MASTER + 4), "set priority: 4 is the highest, 3 the lowest");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(TAKE(MASTER + 3), "set priority: then 3");
	ig_out(vcpu, M0, 0xa0);
	pulse(5);
	pulse(4);
	ktap_ok(TAKE(MASTER + 4), "rotate on EOI: 4 is the highest again");
	ig_out(vcpu, M0, 0xe4);
	ktap_ok(TAKE(MASTER + 5), "rotate on specific EOI");
	ig_out(vcpu, M0, 0x20);
	ig_out(vcpu, M0, 0xc7);
}

static void test_special_mask(void)
{
	if (strstr(ku_device(), "kvm")) {
		ktap_skip("special mask: 3 in service", "KVM has no special mask mode");
		ktap_skip("special mask: a lower one comes", "KVM has no special mask mode");
		ktap_skip("special mask: all ended", "KVM has no special mask mode");
		return;
	}
	pulse(3);
	ktap_ok(TAKE(MASTER + 3), "special mask: 3 in service");
	ig_out(vcpu, M1, 8);
	ig_out(vcpu, M0, 0x68);
	pulse(6);
	ktap_ok(TAKE(MASTER + 6), "special mask: a lower one comes");
	ig_out(vcpu, M0, 0x66);
	ig_out(vcpu, M0, 0x48);
	ig_out(vcpu, M0, 0x63);
	ig_out(vcpu, M1, 0);
	ktap_ok(read_isr(M0) == 0, "special mask: all ended");
}

static void test_poll(void)
{
	if (strstr(ku_device(), "kvm")) {
		ktap_skip("poll: nothing", "KVM's poll mode is not the data sheet's");
		ktap_skip("poll: 5", "KVM's poll mode is not the data sheet's");
		ktap_skip("poll: acknowledged by that", "KVM's poll mode is not the data sheet's");
		return;
	}
	ig_out(vcpu, M0, 0x0c);
	ktap_ok(!(ig_in(vcpu, M0) & 0x80), "poll: nothing");
	pulse(5);
	ig_out(vcpu, M0, 0x0c);
	ktap_ok(ig_in(vcpu, M0) == 0x85, "poll: 5");
	ktap_ok(read_isr(M0) == 0x20 && TAKE_NONE(), "poll: acknowledged by that");
	ig_out(vcpu, M0, 0x20);
}

static void test_auto_eoi(void)
{
	init(3);
	pulse(4);
	ktap_ok(TAKE(MASTER + 4) && read_isr(M0) == 0, "automatic EOI");
	pulse(10);
	ktap_ok(TAKE(SLAVE + 2) && read_isr(M0) == 0 && read_isr(S0) == 0,
		"automatic EOI of both");
	init(1);
}

static void test_level(void)
{
	ig_out(vcpu, ELCR1, 0xff);
	ig_out(vcpu, ELCR2, 0xff);
	ktap_ok(ig_in(vcpu, ELCR1) == 0xf8 && ig_in(vcpu, ELCR2) == 0xde,
		"ELCR: some lines stay edge triggered");
	set_line(5, 1);
	ktap_ok(TAKE(MASTER + 5), "level: taken");
	ktap_ok(read_irr(M0) & 0x20, "level: still requested");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(TAKE(MASTER + 5), "level: again after EOI");
	set_line(5, 0);
	ktap_ok(!(read_irr(M0) & 0x20), "level: no request when low");
	ig_out(vcpu, M0, 0x20);
	ktap_ok(TAKE_NONE(), "level: over");
	set_line(6, 1);
	set_line(6, 0);
	ktap_ok(TAKE_NONE(), "level: one that went away is none");
	ig_out(vcpu, ELCR1, 0);
	ig_out(vcpu, ELCR2, 0);
}

static void test_state(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };
	struct kvm_irqchip again = { .chip_id = KVM_IRQCHIP_PIC_SLAVE };

	ig_out(vcpu, S1, 0x81);
	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip))
		ktap_bail("KVM_GET_IRQCHIP: %m");
	ktap_ok(chip.chip.pic.imr == 0x81 && chip.chip.pic.irq_base == SLAVE, "state: IMR, base");
	chip.chip.pic.irr = 0x10;
	chip.chip.pic.irq_base = 0x58;
	ktap_ok(!ioctl(vm->fd, KVM_SET_IRQCHIP, &chip) && !ioctl(vm->fd, KVM_GET_IRQCHIP, &again) &&
		!memcmp(&chip, &again, sizeof(chip)), "state: the same after a round trip");
	/* Userspace restores both chips; the master comes last here. */
	chip.chip_id = KVM_IRQCHIP_PIC_MASTER;
	if (ioctl(vm->fd, KVM_GET_IRQCHIP, &chip) || ioctl(vm->fd, KVM_SET_IRQCHIP, &chip))
		ktap_bail("the master: %m");
	ktap_ok(TAKE(0x5c), "state: a request that userspace put there is taken");
	eoi_both();
}

int main(void)
{
	vm = ig_vm_new();
	ktap_plan(43);
	ig_timeout();
	vcpu = ig_vcpu_new(vm, 0);
	glog = ig_log(vcpu);
	test_basic();
	test_cascade();
	test_rotation();
	test_special_mask();
	test_poll();
	test_auto_eoi();
	test_level();
	test_state();
	ku_vm_free(vm);
	ktap_exit();
}
