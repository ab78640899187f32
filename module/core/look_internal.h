/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: looks at translations, for debugfs and the run loop
 */
#ifndef UMBRA_LOOK_INTERNAL_H
#define UMBRA_LOOK_INTERNAL_H

#include <linux/fs.h>

#include "umbra/vcpu.h"

/* For debugfs; the inode's private data is the vCPU. */
extern const struct file_operations umbra_look_fops;

/**
 * umbra_look_answer() - UMBRA_REQ_LOOK: fill in what a reader waits for
 * @vcpu: the vCPU
 *
 * Context: vCPU thread, may sleep, SRCU read side held.
 */
void umbra_look_answer(struct umbra_vcpu *vcpu);

#endif
