// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: ACPI fixed hardware
 *
 * ACPI specification 6.4, 4.8.3: power button, sleep control, and the timer
 * that counts 3.579545 MHz in 32 bits.  There is no SMI command: the machine
 * is in ACPI mode from the start.
 */
#include "acpi_pm.h"

#include <time.h>

#define STATUS_BUTTON	0x0100
#define CONTROL_SCI_EN	0x0001
#define CONTROL_SLP_EN	0x2000
#define CONTROL_TYPE(c)	((c) >> 10 & 7)

#define TIMER_HZ	3579545ull

/**
 * acpi_pm_init() - power-on state
 * @pm: with interrupt line and callback filled in
 */
void acpi_pm_init(struct acpi_pm *pm)
{
	pthread_mutex_init(&pm->lock, NULL);
	pm->control = CONTROL_SCI_EN;
}

static uint32_t timer_value(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * TIMER_HZ + now.tv_nsec * TIMER_HZ / 1000000000;
}

static void update_sci(struct acpi_pm *pm)
{
	irq_line_set(&pm->sci, pm->status & pm->enable & STATUS_BUTTON);
}

/**
 * acpi_pm_press_button() - press the power button
 * @pm: the registers
 *
 * Context: any thread.
 */
void acpi_pm_press_button(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->status |= STATUS_BUTTON;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

/* The registers as one array of bytes, as the guest may read any part. */
static uint32_t register_at(const struct acpi_pm *pm, uint16_t port)
{
	switch (port & ~3) {
	case ACPI_PM_EVENT_PORT:
		return pm->status | (uint32_t)pm->enable << 16;
	case ACPI_PM_CONTROL_PORT:
		return pm->control;
	default:
		return timer_value();
	}
}

static uint32_t pm_read(void *device, uint16_t port, unsigned int size)
{
	struct acpi_pm *pm = device;
	uint32_t value;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	value = register_at(pm, port) >> (8 * (port & 3));
	pthread_mutex_unlock(&pm->lock);
	return value;
}

/* Sleep is S5 or nothing: no other state is offered. */
static void write_control(struct acpi_pm *pm, uint16_t value)
{
	pm->control = (value & ~CONTROL_SLP_EN) | CONTROL_SCI_EN;
	if (value & CONTROL_SLP_EN && CONTROL_TYPE(value) == ACPI_PM_SLEEP_TYPE_S5)
		pm->power_off(pm->opaque);
}

static void write_byte(struct acpi_pm *pm, uint16_t port, uint8_t value)
{
	switch (port) {
	case ACPI_PM_EVENT_PORT:		/* write 1 to clear */
		pm->status &= ~value;
		break;
	case ACPI_PM_EVENT_PORT + 1:
		pm->status &= ~(value << 8);
		break;
	case ACPI_PM_EVENT_PORT + 2:
		pm->enable = (pm->enable & 0xff00) | value;
		break;
	case ACPI_PM_EVENT_PORT + 3:
		pm->enable = (pm->enable & 0x00ff) | value << 8;
		break;
	case ACPI_PM_CONTROL_PORT:
		write_control(pm, (pm->control & 0xff00) | value);
		break;
	case ACPI_PM_CONTROL_PORT + 1:
		write_control(pm, (pm->control & 0x00ff) | value << 8);
		break;
	}
}

static void pm_write(void *device, uint16_t port, unsigned int size, uint32_t value)
{
	struct acpi_pm *pm = device;
	unsigned int i;

	pthread_mutex_lock(&pm->lock);
	for (i = 0; i < size; i++)
		write_byte(pm, port + i, value >> (8 * i));
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}

const struct port_ops acpi_pm_ports = {
	.width = 4,
	.read = pm_read,
	.write = pm_write,
};
