// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: a look at a translation
 *
 * Only a vCPU's own thread touches its translations, and guest memory is its
 * process's. So the reader of a debugfs file leaves a wish with the vCPU, which
 * grants it on its way into the guest::
 *
 *	echo 0xffffffff81000000 1<>/sys/kernel/debug/umbra/<pid>-<fd>/vcpu<id>/translation
 *
 * and a read of the same open file gives the text that Documentation/engines/translator.rst
 * explains; "umbra block" disassembles it.
 */
#include "look_internal.h"

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "umbra/compat.h"

/* Text of the largest block: 8 KiB of code in hexadecimal, a line a mark. */
#define LOOK_SIZE	(128 << 10)

/* A vCPU that does not enter the guest for so long is not waited for. */
#define LOOK_PATIENCE	(10 * HZ)

/**
 * struct umbra_look - a wish
 * @rip: guest RIP
 * @here: where the vCPU is instead
 * @text: LOOK_SIZE bytes
 * @result: length of the text, or -errno
 * @done: the vCPU has answered
 */
struct umbra_look {
	u64 rip;
	bool here;
	char *text;
	int result;
	struct completion done;
};

/**
 * struct look_file - an open file
 * @vcpu: whose; it exists while debugfs lets a call in
 * @lock: of what follows
 * @look: the wish; @look.text: NULL until it is granted
 */
struct look_file {
	struct umbra_vcpu *vcpu;
	struct mutex lock;
	struct umbra_look look;
};

void umbra_look_answer(struct umbra_vcpu *vcpu)
{
	struct umbra_look *look;

	mutex_lock(&vcpu->look_lock);
	look = vcpu->look;
	if (look) {
		vcpu->look = NULL;
		look->result = vcpu->vm->engine->show(vcpu, look->here ? vcpu->regs.rip :
						      look->rip, look->text, LOOK_SIZE);
		complete(&look->done);
	}
	mutex_unlock(&vcpu->look_lock);
}

/* Take the wish back.  False: it has been granted meanwhile. */
static bool withdraw(struct umbra_vcpu *vcpu, struct umbra_look *look)
{
	bool waits;

	mutex_lock(&vcpu->look_lock);
	waits = vcpu->look == look;
	if (waits)
		vcpu->look = NULL;
	mutex_unlock(&vcpu->look_lock);
	return waits;
}

static int ask(struct umbra_vcpu *vcpu, struct umbra_look *look)
{
	bool busy;
	long left;

	init_completion(&look->done);
	mutex_lock(&vcpu->look_lock);
	busy = vcpu->look;
	if (!busy)
		vcpu->look = look;
	mutex_unlock(&vcpu->look_lock);
	if (busy)
		return -EBUSY;
	umbra_request(vcpu, UMBRA_REQ_LOOK);
	umbra_vcpu_kick(vcpu);
	left = wait_for_completion_interruptible_timeout(&look->done, LOOK_PATIENCE);
	if (withdraw(vcpu, look))
		return left < 0 ? -EINTR : -ETIMEDOUT;
	return look->result;
}

static int fill(struct look_file *l)
{
	int result;

	if (l->look.text)
		return 0;
	l->look.text = kvmalloc(LOOK_SIZE, GFP_KERNEL);
	if (!l->look.text)
		return -ENOMEM;
	result = ask(l->vcpu, &l->look);
	if (result >= 0)
		return 0;
	kvfree(l->look.text);
	l->look.text = NULL;
	return result;
}

static int look_open(struct inode *inode, struct file *file)
{
	struct look_file *l = kzalloc(sizeof(*l), GFP_KERNEL);

	if (!l)
		return -ENOMEM;
	l->vcpu = inode->i_private;
	l->look.here = true;
	mutex_init(&l->lock);
	file->private_data = l;
	return 0;
}

static int look_release(struct inode *inode, struct file *file)
{
	struct look_file *l = file->private_data;

	kvfree(l->look.text);
	kfree(l);
	return 0;
}

static ssize_t look_write(struct file *file, const char __user *buf, size_t size, loff_t *pos)
{
	struct look_file *l = file->private_data;
	u64 rip;
	int err;

	err = kstrtou64_from_user(buf, size, 0, &rip);
	if (err)
		return err;
	mutex_lock(&l->lock);
	l->look.rip = rip;
	l->look.here = false;
	kvfree(l->look.text);
	l->look.text = NULL;
	*pos = 0;
	mutex_unlock(&l->lock);
	return size;
}

static ssize_t look_read(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	struct look_file *l = file->private_data;
	ssize_t got;

	mutex_lock(&l->lock);
	got = fill(l);
	if (!got)
		got = simple_read_from_buffer(buf, size, pos, l->look.text, l->look.result);
	mutex_unlock(&l->lock);
	return got;
}

const struct file_operations umbra_look_fops = {
	.owner = THIS_MODULE,
	.open = look_open,
	.release = look_release,
	.read = look_read,
	.write = look_write,
	UMBRA_NO_LLSEEK
};
