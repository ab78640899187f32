/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ports without much behind them: delay, status of the VM, reset
 */
#ifndef UMBRA_TOOL_MISC_PORTS_H
#define UMBRA_TOOL_MISC_PORTS_H

#include <stdint.h>

#include "ports.h"

#define DELAY_PORT	0x80	/* POST codes; kernels write here to wait */
#define SYSTEM_PORT_A	0x92	/* A20, fast reset */
#define STATUS_PORT	0xf4	/* the byte written ends the VM with this status */
#define RESET_PORT	0xcf9
#define RESET_VALUE	0x06	/* full reset: system and processor */

/**
 * struct misc_ports - what these ports cause
 * @exit: end the VM with a status
 * @reset: the guest asked for a reset, by what
 * @opaque: handed to both
 */
struct misc_ports {
	void (*exit)(void *opaque, uint8_t status);
	void (*reset)(void *opaque, const char *by);
	void *opaque;
};

extern const struct port_ops status_port;
extern const struct port_ops reset_port;
extern const struct port_ops system_port;
extern const struct port_ops delay_port;

#endif
