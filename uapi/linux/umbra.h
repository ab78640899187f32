/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * DOC: Umbra's own part of the ABI
 *
 * Everything else on /dev/umbra is KVM's (<linux/kvm.h>).  A client finds out
 * whether it talks to Umbra by UMBRA_CHECK, which KVM refuses with -ENOTTY.
 */
#ifndef _UAPI_LINUX_UMBRA_H
#define _UAPI_LINUX_UMBRA_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define UMBRA_ABI_VERSION	1

/* A letter of its own: KVM's is 0xae. */
#define UMBRA_IOC		0xb8

#define UMBRA_ENGINE_NAME	16

/**
 * struct umbra_info - answer of UMBRA_CHECK
 * @version: UMBRA_ABI_VERSION
 * @flags: 0
 * @engine: name of the engine that new VMs get, NUL-terminated
 * @engines: names of all engines that can run here, separated by spaces
 */
struct umbra_info {
	__u32 version;
	__u32 flags;
	char engine[UMBRA_ENGINE_NAME];
	char engines[64];
};

/* On the device fd. */
#define UMBRA_CHECK		_IOR(UMBRA_IOC, 0x00, struct umbra_info)

#endif
