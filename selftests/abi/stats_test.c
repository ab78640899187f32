// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: stats_test
 *
 * KVM_GET_STATS_FD: the file has the layout of KVM's documentation, counters
 * move when the guest does something, and the file outlives its VM.
 */
#include "abi_check.h"

#define MAX_SIZE	(64 * 1024)

KU_CODE64(cpuids,
	  "mov $100, %esi\n"
	  "1: xor %eax, %eax\n"
	  "cpuid\n"
	  "dec %esi\n"
	  "jnz 1b\n"
	  "mov $0x217, %edx\n"
	  "out %eax, %dx\n"
	  "hlt\n");

struct stats {
	int fd;
	struct kvm_stats_header header;
	char image[MAX_SIZE];
	ssize_t size;
};

static struct kvm_stats_desc *desc(struct stats *s, unsigned int i)
{
	size_t one = sizeof(struct kvm_stats_desc) + s->header.name_size;

	return (void *)(s->image + s->header.desc_offset + i * one);
}

static bool in_file(const struct stats *s, size_t offset, size_t size)
{
	return !(offset % 8) && offset + size <= (size_t)s->size;
}

static bool sound(struct stats *s)
{
	unsigned int i;

	if (s->size < (ssize_t)sizeof(s->header) || s->header.flags || !s->header.name_size ||
	    !s->header.num_desc || !in_file(s, s->header.id_offset, s->header.name_size) ||
	    !memchr(s->image + s->header.id_offset, 0, s->header.name_size))
		return false;
	for (i = 0; i < s->header.num_desc; i++) {
		struct kvm_stats_desc *d = desc(s, i);

		if (!in_file(s, s->header.desc_offset, (char *)(d + 1) - (char *)d) ||
		    !memchr(d->name, 0, s->header.name_size) || !d->name[0] ||
		    !in_file(s, s->header.data_offset + d->offset, d->size * 8ul))
			return false;
	}
	return true;
}

static void take(struct stats *s)
{
	s->size = pread(s->fd, s->image, sizeof(s->image), 0);
	memcpy(&s->header, s->image, sizeof(s->header));
}

static uint64_t value(struct stats *s, const char *name)
{
	unsigned int i;

	for (i = 0; i < s->header.num_desc; i++)
		if (!strcmp(desc(s, i)->name, name))
			return *(uint64_t *)(s->image + s->header.data_offset + desc(s, i)->offset);
	return ~0ull;
}

static void test_fd(int fd, const char *what)
{
	static struct stats s;
	char part[8];

	ktap_ok(fd >= 0, "KVM_GET_STATS_FD on a %s", what);
	s.fd = fd;
	take(&s);
	ktap_ok(sound(&s), "%s: %u counters, all within the file", what, s.header.num_desc);
	ktap_ok(pread(fd, part, 8, 8) == 8 && !memcmp(part, s.image + 8, 8),
		"%s: a part of it can be read", what);
	ktap_ok(pread(fd, part, 8, s.size) == 0, "%s: it has an end", what);
	ktap_ok(write(fd, part, 8) < 0, "%s: it cannot be written", what);
	fails(pread(fd, BAD_POINTER, 8, 0), EFAULT, "bad pointer");
}

static void test_counting(struct ku_vm *vm)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	static struct stats a, b;

	ku_vcpu_cpuid(vcpu);
	ku_load(vm, cpuids, cpuids_end - cpuids);
	ku_vcpu_long(vcpu, KU_CODE);
	a.fd = b.fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, 0);
	test_fd(a.fd, "vCPU");
	take(&a);
	ku_run_out(vcpu, 0x217);
	take(&b);
	ktap_ok(value(&b, "exits") - value(&a, "exits") >= 100, "exits are counted");
	if (is_umbra())
		ktap_ok(value(&b, "exit_cpuid") - value(&a, "exit_cpuid") == 100,
			"exits are counted by reason");
	else
		ktap_skip("exits are counted by reason", "KVM has other counters");
	ku_vcpu_free(vcpu);
	take(&b);
	ktap_ok(sound(&b), "the file outlives the vCPU's fd");
	close(a.fd);
}

int main(void)
{
	struct ku_vm *vm = ku_vm_new(0);
	static struct stats s;

	ktap_plan(6 + 6 + 3 + 1);
	s.fd = ioctl(vm->fd, KVM_GET_STATS_FD, 0);
	test_fd(s.fd, "VM");
	test_counting(vm);
	ku_vm_free(vm);
	take(&s);
	ktap_ok(sound(&s), "the file outlives the VM's fd");
	close(s.fd);
	ktap_exit();
}
