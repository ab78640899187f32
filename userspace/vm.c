// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: creating a VM
 *
 * Plain KVM ABI, so that the same code drives /dev/umbra and stock /dev/kvm.
 * Every refusal names the device and the request.
 */
#include "vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/umbra.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Three pages and one that VT-x needs in real mode; below the I/O APIC. */
#define IDENTITY_MAP_GPA	0xfeffc000ull
#define TSS_GPA			0xfeffd000ull

/* What the tool cannot do without. */
static const struct {
	unsigned int cap;
	const char *name;
} needed_caps[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static const char *hint(int error)
{
	switch (error) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return " (is the module loaded?)";
	case EACCES:
	case EPERM:
		return " (group kvm, or root?)";
	default:
		return "";
	}
}

/**
 * vm_open_device() - open the device node and make sure that it speaks KVM
 * @path: of the node
 * @complaint: says why not
 *
 * Return: file descriptor, or -1 with a complaint.
 */
int vm_open_device(const char *path, struct complaint *complaint)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0)
		return complain(complaint, "%s: %s%s", path, strerror(errno), hint(errno));
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version == KVM_API_VERSION)
		return fd;
	if (version < 0)
		complain(complaint, "%s: not a KVM device (KVM_GET_API_VERSION: %s)",
			 path, strerror(errno));
	else
		complain(complaint, "%s: KVM API version %d, not %d", path, version,
			 KVM_API_VERSION);
	close(fd);
	return -1;
}

static int check_engine(const struct vm *vm, const char *engine,
			struct complaint *complaint)
{
	struct umbra_info info;

	if (!engine)
		return 0;
	memset(&info, 0, sizeof(info));
	if (ioctl(vm->device_fd, UMBRA_CHECK, &info))
		return complain(complaint, "--engine: %s is not Umbra and has no engines",
				vm->device);
	info.engine[sizeof(info.engine) - 1] = '\0';
	if (strcmp(info.engine, engine))
		return complain(complaint, "--engine: %s gives new VMs the engine %s, not %s (module parameter engine=)",
				vm->device, info.engine, engine);
	return 0;
}

static int check_caps(const struct vm *vm, struct complaint *complaint)
{
	unsigned int i;

	for (i = 0; i < sizeof(needed_caps) / sizeof(needed_caps[0]); i++)
		if (ioctl(vm->device_fd, KVM_CHECK_EXTENSION, needed_caps[i].cap) <= 0)
			return complain(complaint, "%s: does not offer %s", vm->device,
					needed_caps[i].name);
	return 0;
}

static int refuse(const struct vm *vm, const char *request, struct complaint *complaint)
{
	return complain(complaint, "%s: %s: %s", vm->device, request, strerror(errno));
}

static int create_fd(struct vm *vm, struct complaint *complaint)
{
	int run_size = ioctl(vm->device_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (run_size < (int)sizeof(struct kvm_run))
		return refuse(vm, "KVM_GET_VCPU_MMAP_SIZE", complaint);
	vm->run_size = run_size;
	vm->fd = ioctl(vm->device_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return refuse(vm, "KVM_CREATE_VM", complaint);
	return 0;
}

static int create_chips(struct vm *vm, struct complaint *complaint)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	__u64 identity_map = IDENTITY_MAP_GPA;

	if (vm_has(vm, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return refuse(vm, "KVM_SET_IDENTITY_MAP_ADDR", complaint);
	if (vm_has(vm, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)TSS_GPA))
		return refuse(vm, "KVM_SET_TSS_ADDR", complaint);
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		return refuse(vm, "KVM_CREATE_IRQCHIP", complaint);
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		return refuse(vm, "KVM_CREATE_PIT2", complaint);
	return 0;
}

/**
 * vm_create() - open the device, create a VM with its interrupt controllers
 * @vm: filled in
 * @device: path of the node
 * @engine: the engine that it must have, or NULL
 * @complaint: says why not
 *
 * What was opened stays open until the process ends, also after a failure.
 *
 * Return: 0, or -1 with a complaint.
 */
int vm_create(struct vm *vm, const char *device, const char *engine,
	      struct complaint *complaint)
{
	memset(vm, 0, sizeof(*vm));
	vm->device = device;
	vm->stop.cpu = -1;
	pthread_mutex_init(&vm->stop.lock, NULL);
	vm->device_fd = vm_open_device(device, complaint);
	if (vm->device_fd < 0)
		return -1;
	vm->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (vm->stop_fd < 0)
		return complain(complaint, "eventfd: %s", strerror(errno));
	if (check_engine(vm, engine, complaint) || check_caps(vm, complaint) ||
	    create_fd(vm, complaint) || create_chips(vm, complaint))
		return -1;
	return 0;
}

/**
 * vm_add_memory() - give the VM its memory
 * @vm: created
 * @memory: lives as long as the VM
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int vm_add_memory(struct vm *vm, const struct memory *memory, struct complaint *complaint)
{
	unsigned int i;

	for (i = 0; i < memory->nr_blocks; i++) {
		const struct memory_block *block = &memory->block[i];
		struct kvm_userspace_memory_region region = {
			.slot = i,
			.guest_phys_addr = block->gpa,
			.memory_size = block->size,
			.userspace_addr = (uintptr_t)block->host,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
			return refuse(vm, "KVM_SET_USER_MEMORY_REGION", complaint);
	}
	return 0;
}

/**
 * vm_has() - value of a capability
 * @vm: with an open device
 * @cap: KVM_CAP_...
 *
 * Return: 0 when it is not offered.
 */
int vm_has(const struct vm *vm, unsigned int cap)
{
	int value = ioctl(vm->device_fd, KVM_CHECK_EXTENSION, cap);

	return value < 0 ? 0 : value;
}

/**
 * vm_set_irq() - drive a line of the interrupt controllers
 * @vm: a struct vm, as a device's irq_line has it
 * @gsi: line
 * @level: new level
 *
 * Context: any thread.
 */
void vm_set_irq(void *vm, unsigned int gsi, bool level)
{
	struct kvm_irq_level line = { .irq = gsi, .level = level };

	if (ioctl(((struct vm *)vm)->fd, KVM_IRQ_LINE, &line))
		vm_stop(vm, -1, TOOL_DEVICE, false, "KVM_IRQ_LINE %u: %s", gsi,
			strerror(errno));
}

/**
 * vm_stop() - stop all vCPUs; the first reason counts
 * @vm: the VM
 * @cpu: index of the vCPU that causes it, -1 for none
 * @status: exit status of the tool
 * @normal: the guest or the user wanted it
 * @format: printf format of the reason, one line
 *
 * Context: any thread; does not wait.
 */
void vm_stop(struct vm *vm, int cpu, int status, bool normal, const char *format, ...)
{
	struct vm_stop *stop = &vm->stop;
	uint64_t one = 1;
	va_list args;

	pthread_mutex_lock(&stop->lock);
	if (!stop->happened) {
		va_start(args, format);
		vsnprintf(stop->reason, sizeof(stop->reason), format, args);
		va_end(args);
		stop->cpu = cpu;
		stop->status = status;
		stop->normal = normal;
		stop->happened = true;
		if (write(vm->stop_fd, &one, sizeof(one)) < 0)
			say("eventfd: %s", strerror(errno));
	}
	pthread_mutex_unlock(&stop->lock);
}

/**
 * vm_stopped() - has somebody stopped the VM?
 * @vm: the VM
 *
 * Context: any thread.
 * Return: true once vm_stop() was called.
 */
bool vm_stopped(const struct vm *vm)
{
	return atomic_load(&vm->stop.happened);
}
