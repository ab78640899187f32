/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the machine around the VM: devices, console, running to the end
 */
#ifndef UMBRA_TOOL_MACHINE_H
#define UMBRA_TOOL_MACHINE_H

#include "acpi_pm.h"
#include "console.h"
#include "i8042.h"
#include "misc_ports.h"
#include "rtc.h"
#include "serial.h"
#include "vm.h"

#define MACHINE_INPUT_SIZE 4096

/**
 * struct machine - all there is on the board
 * @vm: the VM
 * @console: this terminal
 * @serial: COM1, on the console
 * @rtc: clock
 * @i8042: keyboard controller
 * @acpi_pm: power management
 * @misc: delay, status, reset ports
 * @wake_fd: eventfd that tells the main thread that COM1 has room
 * @input: what was typed and had no room yet; only the main thread touches it
 * @nr_input: bytes in @input
 */
struct machine {
	struct vm vm;
	struct console console;
	struct serial serial;
	struct rtc rtc;
	struct i8042 i8042;
	struct acpi_pm acpi_pm;
	struct misc_ports misc;
	int wake_fd;
	uint8_t input[MACHINE_INPUT_SIZE];
	size_t nr_input;
};

int machine_init(struct machine *machine, uint64_t memory_size,
		 struct complaint *complaint);
int machine_run(struct machine *machine, unsigned int timeout,
		struct complaint *complaint);

#endif
