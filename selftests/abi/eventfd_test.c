// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: eventfd_test
 *
 * KVM_IOEVENTFD, KVM_IRQFD and coalesced writes: what a guest's accesses do, and
 * what is refused.
 */
#include <stdint.h>
#include <sys/eventfd.h>

#include "abi_check.h"

#define MMIO	0x20000000ull
#define PORT	0x410

/* Writes EAX to MMIO at RBX in 1, 2, 4 and 8 bytes, then to port PORT, then tells. */
KU_CODE64(writes,
	  "1: mov %al, (%rbx)\n"
	  "mov %ax, (%rbx)\n"
	  "mov %eax, (%rbx)\n"
	  "mov %rax, (%rbx)\n"
	  "mov $0x410, %edx\n"
	  "out %eax, %dx\n"
	  "mov $0x217, %edx\n"
	  "out %eax, %dx\n"
	  "jmp 1b\n");

static long ioevent(struct ku_vm *vm, int fd, uint64_t addr, uint32_t len, uint32_t flags,
		    uint64_t data)
{
	struct kvm_ioeventfd args = {
		.datamatch = data,
		.addr = addr,
		.len = len,
		.fd = fd,
		.flags = flags,
	};

	return ioctl(vm->fd, KVM_IOEVENTFD, &args);
}

/* How often an eventfd was signalled since the last look. */
static uint64_t taken(int fd)
{
	uint64_t n;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_ioeventfd_args(struct ku_vm *vm, int fd)
{
	const uint32_t match = KVM_IOEVENTFD_FLAG_DATAMATCH;

	fails(ioctl(vm->fd, KVM_IOEVENTFD, BAD_POINTER), EFAULT, "ioeventfd: bad pointer");
	fails(ioevent(vm, fd, MMIO, 4, 0x100, 0), EINVAL, "ioeventfd: unknown flag");
	fails(ioevent(vm, fd, MMIO, 3, 0, 0), EINVAL, "ioeventfd: length 3");
	fails(ioevent(vm, fd, MMIO, 16, 0, 0), EINVAL, "ioeventfd: length 16");
	fails(ioevent(vm, fd, ~0ull, 4, 0, 0), EINVAL, "ioeventfd: address wraps");
	fails(ioevent(vm, fd, MMIO, 0, match, 0), EINVAL, "ioeventfd: data of no length");
	fails(ioevent(vm, vm->fd, MMIO, 4, 0, 0), EINVAL, "ioeventfd: not an eventfd");
	fails(ioevent(vm, 9999, MMIO, 4, 0, 0), EBADF, "ioeventfd: not an fd");
	works(ioevent(vm, fd, MMIO, 4, match, 7), "ioeventfd: assign");
	fails(ioevent(vm, fd, MMIO, 4, match, 7), EEXIST, "ioeventfd: the same again");
	fails(ioevent(vm, fd, MMIO, 4, 0, 0), EEXIST, "ioeventfd: any data where some is");
	works(ioevent(vm, fd, MMIO, 4, match, 8), "ioeventfd: other data");
	works(ioevent(vm, fd, MMIO, 4, KVM_IOEVENTFD_FLAG_PIO, 0), "ioeventfd: a port");
	fails(ioevent(vm, fd, MMIO, 2, KVM_IOEVENTFD_FLAG_DEASSIGN, 0), ENOENT,
	      "ioeventfd: deassign what is not there");
	works(ioevent(vm, fd, MMIO, 4, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 7),
	      "ioeventfd: deassign");
	works(ioevent(vm, fd, MMIO, 4, match | KVM_IOEVENTFD_FLAG_DEASSIGN, 8),
	      "ioeventfd: deassign the other");
	works(ioevent(vm, fd, MMIO, 4, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN, 0),
	      "ioeventfd: deassign the port");
}

/* Runs the loop once; how many of its writes came to userspace. */
static unsigned int loop(struct ku_vcpu *vcpu)
{
	unsigned int n = 0;
	int reason;

	for (;;) {
		reason = ku_run(vcpu);
		if (reason == KVM_EXIT_IO && vcpu->run->io.port == 0x217)
			return n;
		if (reason != KVM_EXIT_MMIO && reason != KVM_EXIT_IO)
			ktap_bail("exit %s", ku_exit_name(reason));
		n++;
	}
}

static void test_ioeventfd_guest(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	int any = eventfd(0, EFD_NONBLOCK), four = eventfd(0, EFD_NONBLOCK);
	int match = eventfd(0, EFD_NONBLOCK), port = eventfd(0, EFD_NONBLOCK);

	ktap_ok(loop(vcpu) == 5, "all writes go to userspace");
	works(ioevent(vm, four, MMIO, 4, 0, 0), "an ioeventfd of 4 bytes");
	ktap_ok(loop(vcpu) == 4 && taken(four) == 1, "takes the write of 4 bytes");
	ioevent(vm, four, MMIO, 4, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	works(ioevent(vm, any, MMIO, 0, 0, 0), "an ioeventfd of any length");
	ktap_ok(loop(vcpu) == 1 && taken(any) == 4, "takes all of them");
	ioevent(vm, any, MMIO, 0, KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	ioevent(vm, match, MMIO, 2, KVM_IOEVENTFD_FLAG_DATAMATCH, 0x1234);
	ioevent(vm, any, MMIO, 2, KVM_IOEVENTFD_FLAG_DATAMATCH, 0x9999);
	ktap_ok(loop(vcpu) == 4 && taken(match) == 1 && !taken(any), "data are compared");
	works(ioevent(vm, port, PORT, 4, KVM_IOEVENTFD_FLAG_PIO, 0), "an ioeventfd on a port");
	ktap_ok(loop(vcpu) == 3 && taken(port) == 1, "takes the OUT");
	ioevent(vm, match, MMIO, 2, KVM_IOEVENTFD_FLAG_DATAMATCH | KVM_IOEVENTFD_FLAG_DEASSIGN,
		0x1234);
	ioevent(vm, port, PORT, 4, KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DEASSIGN, 0);
	ktap_ok(loop(vcpu) == 5, "deassigned ones take nothing");
	/* The last one stays assigned: the VM's end takes it. */
	close(any);
	close(four);
	close(match);
	close(port);
}

static void test_coalesced(struct ku_vm *vm, struct ku_vcpu *vcpu)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = MMIO, .size = 8 };
	struct kvm_coalesced_mmio_ring *ring;
	struct kvm_coalesced_mmio *entry;

	ring = (void *)((char *)vcpu->run +
			ku_check(vm->dev, KVM_CAP_COALESCED_MMIO) * KU_PAGE);
	fails(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, BAD_POINTER), EFAULT,
	      "coalesced: bad pointer");
	zone.pio = 2;
	fails(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone), EINVAL,
	      "coalesced: neither memory nor port");
	zone.pio = 0;
	works(ioctl(vm->fd, KVM_REGISTER_COALESCED_MMIO, &zone), "coalesced: register");
	ring->first = ring->last;
	ktap_ok(loop(vcpu) == 1, "coalesced writes do not go to userspace");
	entry = &ring->coalesced_mmio[ring->first];
	ktap_ok(ring->last - ring->first == 4 && entry[3].phys_addr == MMIO && entry[3].len == 8 &&
		!memcmp(entry[3].data, "\x34\x12\0\0\0\0\0\0", 8),
		"they are in the ring");
	ring->last = 0xffffffff;
	ktap_ok(loop(vcpu) == 5, "a ring that userspace destroyed is not used");
	ring->first = ring->last = 0;
	works(ioctl(vm->fd, KVM_UNREGISTER_COALESCED_MMIO, &zone), "coalesced: unregister");
	ktap_ok(loop(vcpu) == 5, "then writes go to userspace again");
}

static long irq(int vm, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd args = {
		.fd = fd,
		.gsi = gsi,
		.flags = flags,
		.resamplefd = resample,
	};

	return ioctl(vm, KVM_IRQFD, &args);
}

static void test_irqfd_args(int dev)
{
	int fd = eventfd(0, EFD_NONBLOCK), resample = eventfd(0, EFD_NONBLOCK);
	int vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	uint64_t one = 1;

	fails(irq(vm, fd, 5, 0, 0), EINVAL, "irqfd: no irqchip");
	ioctl(vm, KVM_CREATE_IRQCHIP, 0ul);
	fails(ioctl(vm, KVM_IRQFD, BAD_POINTER), EFAULT, "irqfd: bad pointer");
	fails(irq(vm, fd, 5, 0x80, 0), EINVAL, "irqfd: unknown flag");
	fails(irq(vm, vm, 5, 0, 0), EINVAL, "irqfd: not an eventfd");
	fails(irq(vm, 9999, 5, 0, 0), EBADF, "irqfd: not an fd");
	works(irq(vm, fd, 5, 0, 0), "irqfd: assign");
	fails(irq(vm, fd, 6, 0, 0), EBUSY, "irqfd: an eventfd with two GSIs");
	ktap_ok(write(fd, &one, 8) == 8 && !taken(fd), "irqfd: takes the event");
	works(irq(vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0), "irqfd: deassign");
	ktap_ok(write(fd, &one, 8) == 8 && taken(fd) == 1, "irqfd: takes no event any more");
	works(irq(vm, fd, 5, KVM_IRQFD_FLAG_DEASSIGN, 0), "irqfd: deassign what is not there");
	fails(irq(vm, fd, 5, KVM_IRQFD_FLAG_RESAMPLE, 9999), EBADF, "irqfd: no resample fd");
	works(irq(vm, fd, 5, KVM_IRQFD_FLAG_RESAMPLE, resample), "irqfd: with a resample fd");
	ktap_ok(write(fd, &one, 8) == 8 && !taken(resample), "irqfd: no EOI, no resample");
	close(fd);
	close(resample);
	ktap_ok(true, "irqfd: closing its eventfd ends it");
	fd = eventfd(3, EFD_NONBLOCK);
	works(irq(vm, fd, 5, 0, 0), "irqfd: assign a signalled eventfd");
	close(vm);
	ktap_ok(write(fd, &one, 8) == 8, "irqfd: the VM goes before the eventfd");
	close(fd);
}

int main(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	struct kvm_regs regs;
	int fd = eventfd(0, EFD_NONBLOCK);

	ktap_plan(17 + 9 + 8 + 17);
	test_ioeventfd_args(vm, fd);
	ku_load(vm, writes, writes_end - writes);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, MMIO, MMIO, KU_PTE_P | KU_PTE_W);
	regs = ku_get_regs(vcpu);
	regs.rax = 0x1234;
	regs.rbx = MMIO;
	ku_set_regs(vcpu, &regs);
	test_ioeventfd_guest(vm, vcpu);
	test_coalesced(vm, vcpu);
	test_irqfd_args(vm->dev);
	ku_vcpu_free(vcpu);
	ku_vm_free(vm);
	close(fd);
	ktap_exit();
}
