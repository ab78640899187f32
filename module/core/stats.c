// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: statistics fds
 *
 * KVM_GET_STATS_FD: a file with a header, an id string, a descriptor for each
 * counter and the counters (KVM api.rst 4.133).  The image is small and is made
 * anew for each read, from the lists in stat.h.
 *
 *   0         24            72                        72 + 64 n
 *   | header  | id, 48 bytes | n descriptors of 64 | n u64 |
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "umbra/mmu.h"
#include "umbra/stat.h"
#include "core_internal.h"
#include "ioctl_internal.h"
#include "stats_internal.h"

#define NAME_SIZE	48

/* struct kvm_stats_desc with room for the name. */
struct desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};

static_assert(offsetof(struct desc, name) == offsetof(struct kvm_stats_desc, name));
static_assert(sizeof(struct desc) % sizeof(u64) == 0);

const struct umbra_stat_item umbra_vcpu_stat_items[] = {
#define X(n) { #n, offsetof(struct umbra_vcpu_stat, n), false },
	UMBRA_VCPU_STATS(X)
#undef X
};

const unsigned int umbra_nr_vcpu_stat_items = ARRAY_SIZE(umbra_vcpu_stat_items);

#define CUMULATIVE(n)	{ #n, offsetof(struct umbra_mmu_stats, n), false }
#define INSTANT(n)	{ #n, offsetof(struct umbra_mmu_stats, n), true }

const struct umbra_stat_item umbra_vm_stat_items[] = {
	CUMULATIVE(pf_taken),
	CUMULATIVE(pf_fixed),
	CUMULATIVE(pf_guest),
	CUMULATIVE(pf_mmio),
	CUMULATIVE(pf_write),
	CUMULATIVE(pf_spurious),
	CUMULATIVE(sp_new),
	CUMULATIVE(sp_zapped),
	INSTANT(sp_pages),
	CUMULATIVE(pte_write),
	CUMULATIVE(pte_write_updated),
	CUMULATIVE(flood),
	CUMULATIVE(unsync),
	CUMULATIVE(root_hit),
	CUMULATIVE(root_miss),
	CUMULATIVE(invlpg),
	CUMULATIVE(remote_flush),
	CUMULATIVE(notifier_zap),
	CUMULATIVE(spte_set),
	CUMULATIVE(code_written),
	CUMULATIVE(code_unmapped),
	CUMULATIVE(spte_large),
};

const unsigned int umbra_nr_vm_stat_items = ARRAY_SIZE(umbra_vm_stat_items);

/* A counter that is not listed would be invisible. */
static_assert(sizeof(struct umbra_mmu_stats) == ARRAY_SIZE(umbra_vm_stat_items) * sizeof(u64));

/**
 * struct image - what a statistics file shows
 * @vm: the VM, a reference
 * @items: which counters
 * @nr: how many
 * @values: where they are
 * @id: id string
 */
struct image {
	struct umbra_vm *vm;
	const struct umbra_stat_item *items;
	unsigned int nr;
	const void *values;
	char id[NAME_SIZE];
};

static size_t desc_offset(void)
{
	return sizeof(struct kvm_stats_header) + NAME_SIZE;
}

static size_t data_offset(const struct image *image)
{
	return desc_offset() + image->nr * sizeof(struct desc);
}

static size_t image_size(const struct image *image)
{
	return data_offset(image) + image->nr * sizeof(u64);
}

static void fill_image(const struct image *image, void *buf)
{
	struct kvm_stats_header *header = buf;
	struct desc *desc = buf + desc_offset();
	u64 *data = buf + data_offset(image);
	unsigned int i;

	header->name_size = NAME_SIZE;
	header->num_desc = image->nr;
	header->id_offset = sizeof(*header);
	header->desc_offset = desc_offset();
	header->data_offset = data_offset(image);
	memcpy(buf + header->id_offset, image->id, NAME_SIZE);
	for (i = 0; i < image->nr; i++) {
		const struct umbra_stat_item *item = &image->items[i];

		desc[i].flags = item->instant ? KVM_STATS_TYPE_INSTANT : KVM_STATS_TYPE_CUMULATIVE;
		desc[i].size = 1;
		desc[i].offset = i * sizeof(u64);
		strscpy(desc[i].name, item->name, NAME_SIZE);
		/* Its owner counts on meanwhile; a word of eight bytes is never half new. */
		data[i] = data_race(READ_ONCE(*(u64 *)(image->values + item->offset)));
	}
}

static ssize_t stats_read(struct file *file, char __user *user, size_t count, loff_t *pos)
{
	const struct image *image = file->private_data;
	size_t size = image_size(image);
	void *buf = kvzalloc(size, GFP_KERNEL);
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	fill_image(image, buf);
	ret = simple_read_from_buffer(user, count, pos, buf, size);
	kvfree(buf);
	return ret;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct image *image = file->private_data;

	umbra_vm_put(image->vm);
	kfree(image);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = no_seek_end_llseek,
};

/* Makes the fd; takes a reference to the VM and owns @image. */
static int stats_fd(struct image *image)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto free;
	file = anon_inode_getfile("umbra-stats", &stats_fops, image, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		fd = PTR_ERR(file);
		goto free;
	}
	file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	umbra_vm_get(image->vm);
	fd_install(fd, file);
	return fd;
free:
	kfree(image);
	return fd;
}

/* KVM_GET_STATS_FD on a VM: no lock held. */
long umbra_ioctl_vm_get_stats_fd(struct umbra_vm *vm, void *arg, void __user *uarg)
{
	struct image *image = kzalloc(sizeof(*image), GFP_KERNEL_ACCOUNT);

	if (!image)
		return -ENOMEM;
	image->vm = vm;
	image->items = umbra_vm_stat_items;
	image->nr = umbra_nr_vm_stat_items;
	image->values = umbra_mmu_stats(vm->mmu);
	snprintf(image->id, NAME_SIZE, "kvm-%d", vm->pid);
	return stats_fd(image);
}

/* KVM_GET_STATS_FD on a vCPU: vcpu->mutex held. */
long umbra_ioctl_vcpu_get_stats_fd(struct umbra_vcpu *vcpu, void *arg, void __user *uarg)
{
	struct image *image = kzalloc(sizeof(*image), GFP_KERNEL_ACCOUNT);

	if (!image)
		return -ENOMEM;
	image->vm = vcpu->vm;
	image->items = umbra_vcpu_stat_items;
	image->nr = umbra_nr_vcpu_stat_items;
	image->values = &vcpu->stat;
	snprintf(image->id, NAME_SIZE, "kvm-%d/vcpu-%u", vcpu->vm->pid, vcpu->id);
	return stats_fd(image);
}
