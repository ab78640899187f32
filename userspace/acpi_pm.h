/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: ACPI fixed hardware: PM1a event and control registers, PM timer
 */
#ifndef UMBRA_TOOL_ACPI_PM_H
#define UMBRA_TOOL_ACPI_PM_H

#include <pthread.h>
#include <stdint.h>

#include "irq_line.h"
#include "ports.h"

#define ACPI_PM_EVENT_PORT	0x600
#define ACPI_PM_CONTROL_PORT	0x604
#define ACPI_PM_TIMER_PORT	0x608
#define ACPI_PM_PORTS		12

/* What \_S5 in the DSDT says. */
#define ACPI_PM_SLEEP_TYPE_S5	5

/**
 * struct acpi_pm - the registers
 * @lock: guards the fields below
 * @status: PM1 status
 * @enable: PM1 enable
 * @control: PM1 control
 * @sci: the interrupt
 * @power_off: called when the guest enters S5
 * @opaque: handed to @power_off
 */
struct acpi_pm {
	pthread_mutex_t lock;
	uint16_t status;
	uint16_t enable;
	uint16_t control;
	struct irq_line sci;
	void (*power_off)(void *opaque);
	void *opaque;
};

extern const struct port_ops acpi_pm_ports;

void acpi_pm_init(struct acpi_pm *pm);
void acpi_pm_press_button(struct acpi_pm *pm);

#endif
