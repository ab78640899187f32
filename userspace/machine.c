// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: devices on their ports, and the main thread's loop
 *
 * vCPU threads run guest and devices; the main thread waits for the terminal,
 * for signals, for the time limit and for the VM's end.  All signals but the
 * one that kicks vCPUs are taken by the main thread through a signalfd.
 */
#include "machine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "acpi.h"
#include "pci_none.h"
#include "vcpu.h"

enum { POLL_STOP, POLL_SIGNAL, POLL_TIMER, POLL_WAKE, POLL_INPUT, NR_POLL };

static void on_power_off(void *opaque)
{
	vm_stop(opaque, -1, TOOL_OK, true, "the guest powered off");
}

static void on_reset(void *opaque, const char *by)
{
	vm_stop(opaque, -1, TOOL_OK, true, "the guest asked for a reset by %s", by);
}

static void on_exit_status(void *opaque, uint8_t status)
{
	vm_stop(opaque, -1, status, true, "the guest ended with status %u", status);
}

static void on_send(void *opaque, uint8_t byte)
{
	(void)opaque;
	console_write(&byte, 1);
}

static void on_room(void *opaque)
{
	struct machine *machine = opaque;
	uint64_t one = 1;

	/* Fails only when the counter is full: then it is readable anyway. */
	if (write(machine->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static struct irq_line line_to(struct machine *machine, unsigned int gsi)
{
	return (struct irq_line){ .set = vm_set_irq, .opaque = &machine->vm, .gsi = gsi };
}

static void connect(struct machine *machine)
{
	struct vm *vm = &machine->vm;

	machine->serial.irq = line_to(machine, SERIAL_COM1_IRQ);
	machine->serial.send = on_send;
	machine->serial.room = on_room;
	machine->serial.opaque = machine;
	machine->i8042.irq = line_to(machine, I8042_IRQ);
	machine->i8042.reset = on_reset;
	machine->i8042.opaque = vm;
	machine->acpi_pm.sci = line_to(machine, ACPI_SCI_IRQ);
	machine->acpi_pm.power_off = on_power_off;
	machine->acpi_pm.opaque = vm;
	machine->misc.exit = on_exit_status;
	machine->misc.reset = on_reset;
	machine->misc.opaque = vm;
}

static void plug(struct machine *machine)
{
	const struct port_range table[] = {
		{ I8042_DATA_PORT, 1, &i8042_ports, &machine->i8042 },
		{ I8042_COMMAND_PORT, 1, &i8042_ports, &machine->i8042 },
		{ RTC_PORT, RTC_PORTS, &rtc_ports, &machine->rtc },
		{ DELAY_PORT, 1, &delay_port, NULL },
		{ SYSTEM_PORT_A, 1, &system_port, &machine->misc },
		{ STATUS_PORT, 1, &status_port, &machine->misc },
		{ SERIAL_COM1_PORT, SERIAL_PORTS, &serial_ports, &machine->serial },
		{ ACPI_PM_EVENT_PORT, ACPI_PM_PORTS, &acpi_pm_ports, &machine->acpi_pm },
		/* The reset register lies inside PCI's address port. */
		{ RESET_PORT, 1, &reset_port, &machine->misc },
		{ PCI_ADDRESS_PORT, PCI_PORTS, &pci_none_ports, NULL },
	};
	unsigned int i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		ports_add(&machine->vm.ports, table[i].first, table[i].count, table[i].ops,
			  table[i].device);
}

/**
 * machine_init() - put the devices on the board
 * @machine: zeroed but for its VM, which is created
 * @memory_size: bytes of guest memory, which the CMOS tells
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint.
 */
int machine_init(struct machine *machine, uint64_t memory_size,
		 struct complaint *complaint)
{
	machine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->wake_fd < 0)
		return complain(complaint, "eventfd: %s", strerror(errno));
	connect(machine);
	serial_init(&machine->serial);
	rtc_init(&machine->rtc, memory_size);
	i8042_init(&machine->i8042);
	acpi_pm_init(&machine->acpi_pm);
	plug(machine);
	return 0;
}

static int block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int start_timer(unsigned int seconds)
{
	struct itimerspec limit = { .it_value.tv_sec = seconds };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

	if (fd >= 0 && seconds)
		timerfd_settime(fd, 0, &limit, NULL);
	return fd;
}

static void take_signal(struct machine *machine, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return;
	vm_stop(&machine->vm, -1, 128 + info.ssi_signo, false, "killed by SIG%s",
		sigabbrev_np(info.ssi_signo));
}

static void take_action(struct machine *machine, enum console_action action)
{
	switch (action) {
	case CONSOLE_QUIT:
		vm_stop(&machine->vm, -1, TOOL_OK, true, "ended from the console");
		break;
	case CONSOLE_BREAK:
		serial_break(&machine->serial);
		break;
	case CONSOLE_BUTTON:
		acpi_pm_press_button(&machine->acpi_pm);
		break;
	case CONSOLE_HELP:
		/* The terminal is raw: lines need their carriage returns. */
		fputs("\r\n", stderr);
		for (const char *at = console_help(); *at; at++)
			fputs(*at == '\n' ? "\r\n" : (char[]){ *at, 0 }, stderr);
		break;
	case CONSOLE_NONE:
		break;
	}
}

/*
 * Hand on what has room.  Ends only when all is handed on or the port has no
 * room: then, and only then, it says so when there is room again.
 */
static void feed_serial(struct machine *machine)
{
	size_t count;

	while (machine->nr_input) {
		count = serial_room(&machine->serial);
		if (!count)
			return;
		if (count > machine->nr_input)
			count = machine->nr_input;
		serial_receive(&machine->serial, machine->input, count);
		machine->nr_input -= count;
		memmove(machine->input, machine->input + count, machine->nr_input);
	}
}

static void take_input(struct machine *machine)
{
	size_t room = MACHINE_INPUT_SIZE - machine->nr_input;
	enum console_action action;
	uint8_t lost;

	/*
	 * A terminal is read also when the guest takes nothing any more: the
	 * escape key must work then.
	 */
	if (room)
		machine->nr_input += console_read(&machine->console,
						  machine->input + machine->nr_input,
						  room, &action);
	else
		console_read(&machine->console, &lost, 1, &action);
	take_action(machine, action);
}

static bool wants_input(struct machine *machine)
{
	if (machine->console.at_end)
		return false;
	return machine->console.is_terminal || machine->nr_input < MACHINE_INPUT_SIZE;
}

static void wait_for_end(struct machine *machine, struct pollfd *fds)
{
	uint64_t count;

	while (!vm_stopped(&machine->vm)) {
		feed_serial(machine);
		fds[POLL_INPUT].fd = wants_input(machine) ? STDIN_FILENO : -1;
		if (poll(fds, NR_POLL, -1) < 0)
			continue;
		if (fds[POLL_SIGNAL].revents)
			take_signal(machine, fds[POLL_SIGNAL].fd);
		if (fds[POLL_TIMER].revents)
			vm_stop(&machine->vm, -1, TOOL_TIMEOUT, false, "time is up (--timeout)");
		if (fds[POLL_WAKE].revents && read(machine->wake_fd, &count, sizeof(count)) < 0)
			continue;
		if (fds[POLL_INPUT].revents)
			take_input(machine);
	}
}

static int start_vcpus(struct machine *machine, struct complaint *complaint)
{
	unsigned int i;

	for (i = 0; i < machine->vm.nr_vcpus; i++)
		if (vcpu_start(&machine->vm.vcpu[i], complaint))
			return -1;
	return 0;
}

/**
 * machine_run() - run the VM until something stops it
 * @machine: complete, its vCPUs too
 * @timeout: seconds until it is stopped, 0 for no limit
 * @complaint: says why it did not start
 *
 * Context: the main thread.
 * Return: 0 with the VM's stop reason filled in, -1 with a complaint.
 */
int machine_run(struct machine *machine, unsigned int timeout,
		struct complaint *complaint)
{
	struct pollfd fds[NR_POLL] = {
		[POLL_STOP] = { .fd = machine->vm.stop_fd, .events = POLLIN },
		[POLL_SIGNAL] = { .fd = block_signals(), .events = POLLIN },
		[POLL_TIMER] = { .fd = start_timer(timeout), .events = POLLIN },
		[POLL_WAKE] = { .fd = machine->wake_fd, .events = POLLIN },
		[POLL_INPUT] = { .fd = -1, .events = POLLIN },
	};
	int result;
	unsigned int i;

	if (fds[POLL_SIGNAL].fd < 0 || fds[POLL_TIMER].fd < 0)
		return complain(complaint, "signalfd, timerfd: %s", strerror(errno));
	console_open(&machine->console);
	result = start_vcpus(machine, complaint);
	if (result)
		vm_stop(&machine->vm, -1, TOOL_DEVICE, false, "%s", complaint->text);
	wait_for_end(machine, fds);
	console_abandon();
	for (i = 0; i < machine->vm.nr_vcpus; i++)
		vcpu_join(&machine->vm.vcpu[i]);
	console_close();
	console_end_line();
	return result;
}
