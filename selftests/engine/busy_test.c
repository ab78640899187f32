// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: busy_test
 *
 * Two monitors, one processor.  While a VM of one exists that uses hardware
 * virtualization, the other refuses to create one with EBUSY; when it is
 * gone, the other may.  An engine without hardware shares the machine.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/umbra.h>

#include "kvm_util.h"
#include "ktap.h"

#define UMBRA	"/dev/umbra"
#define KVM	"/dev/kvm"

static int create_vm(const char *path)
{
	int dev = open(path, O_RDWR | O_CLOEXEC);
	int vm;

	if (dev < 0)
		return -1;
	vm = ioctl(dev, KVM_CREATE_VM, 0ul);
	if (vm < 0) {
		int err = errno;

		close(dev);
		errno = err;
		return -1;
	}
	close(dev);
	return vm;
}

/* Retries: the last reference to a VM may go a little after its fd. */
static int create_vm_soon(const char *path)
{
	int i, vm = -1;

	for (i = 0; i < 50 && vm < 0; i++) {
		vm = create_vm(path);
		if (vm < 0)
			usleep(20000);
	}
	return vm;
}

/* Does the engine that new VMs get own the processor's virtualization? */
static bool uses_hardware(void)
{
	struct umbra_info info = { 0 };
	int dev = open(UMBRA, O_RDWR);
	bool hardware;

	hardware = dev >= 0 && !ioctl(dev, UMBRA_CHECK, &info) && strcmp(info.engine, "soft");
	close(dev);
	return hardware;
}

static void excludes(const char *first, const char *second)
{
	int a = create_vm_soon(first), b;

	if (a < 0)
		ktap_bail("%s: %s", first, strerror(errno));
	b = create_vm(second);
	ktap_ok(b < 0 && errno == EBUSY, "a VM of %s, then one of %s: %s", first, second,
		b < 0 ? strerror(errno) : "was created");
	if (b >= 0)
		close(b);
	close(a);
	b = create_vm_soon(second);
	ktap_ok(b >= 0, "and when it is gone: %s", b < 0 ? strerror(errno) : "created");
	close(b);
}

int main(void)
{
	bool loaded = !access(KVM, F_OK);

	if (access(UMBRA, F_OK))
		ktap_skip_all("no " UMBRA);
	if (!uses_hardware())
		ktap_skip_all("this engine leaves the processor's virtualization alone");
	if (!loaded && system("modprobe -q kvm_amd") | access(KVM, F_OK))
		ktap_skip_all("no other monitor here: kvm_amd does not load");
	/* Since Linux 6.12 KVM takes the processor when it is loaded, and keeps it. */
	if (!access("/sys/module/kvm/parameters/enable_virt_at_load", F_OK)) {
		int vm = create_vm(UMBRA);

		ktap_plan(1);
		ktap_ok(vm < 0 && errno == EBUSY, "KVM is loaded: %s",
			vm < 0 ? strerror(errno) : "a VM was created");
	} else {
		ktap_plan(4);
		excludes(UMBRA, KVM);
		excludes(KVM, UMBRA);
	}
	if (!loaded && system("rmmod kvm_amd kvm"))
		ktap_note("kvm_amd stays loaded");
	ktap_exit();
}
