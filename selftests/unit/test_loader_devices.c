// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the tool's devices, by their ports
 *
 * Ports of the bus, the serial port's registers and interrupts, clock, keyboard
 * controller, power management.
 */
#include <string.h>
#include <time.h>

#include "acpi_pm.h"
#include "i8042.h"
#include "ktap.h"
#include "misc_ports.h"
#include "pci_none.h"
#include "ports.h"
#include "rtc.h"
#include "serial.h"

/* What the devices did to the world. */
static struct {
	bool line[16];
	unsigned int edges[16];
	char sent[64];
	unsigned int nr_sent;
	unsigned int room;
	unsigned int resets;
	unsigned int offs;
	int status;
} world;

static struct ports ports;
static struct serial serial;
static struct rtc rtc;
static struct i8042 i8042;
static struct acpi_pm pm;
static struct misc_ports misc;

static void set_line(void *opaque, unsigned int gsi, bool level)
{
	(void)opaque;
	world.line[gsi] = level;
	world.edges[gsi] += level;
}

static void on_send(void *opaque, uint8_t byte)
{
	(void)opaque;
	world.sent[world.nr_sent++ % sizeof(world.sent)] = byte;
}

static void on_room(void *opaque)
{
	(void)opaque;
	world.room++;
}

static void on_reset(void *opaque, const char *by)
{
	(void)opaque;
	(void)by;
	world.resets++;
}

static void on_off(void *opaque)
{
	(void)opaque;
	world.offs++;
}

static void on_exit_status(void *opaque, uint8_t status)
{
	(void)opaque;
	world.status = status;
}

static void set_up(void)
{
	serial = (struct serial){ .irq = { set_line, NULL, 4, false }, .send = on_send,
				  .room = on_room };
	i8042 = (struct i8042){ .irq = { set_line, NULL, 1, false }, .reset = on_reset };
	pm = (struct acpi_pm){ .sci = { set_line, NULL, 9, false }, .power_off = on_off };
	misc = (struct misc_ports){ .exit = on_exit_status, .reset = on_reset };
	serial_init(&serial);
	i8042_init(&i8042);
	acpi_pm_init(&pm);
	rtc_init(&rtc, 512ull << 20);
	ports_add(&ports, 0x3f8, 8, &serial_ports, &serial);
	ports_add(&ports, 0x60, 1, &i8042_ports, &i8042);
	ports_add(&ports, 0x64, 1, &i8042_ports, &i8042);
	ports_add(&ports, 0x70, 2, &rtc_ports, &rtc);
	ports_add(&ports, 0x600, 12, &acpi_pm_ports, &pm);
	ports_add(&ports, 0xcf9, 1, &reset_port, &misc);
	ports_add(&ports, 0xcf8, 8, &pci_none_ports, NULL);
	ports_add(&ports, 0xf4, 1, &status_port, &misc);
}

static uint32_t in(uint16_t port)
{
	return ports_read(&ports, port, 1);
}

static void out(uint16_t port, uint8_t value)
{
	ports_write(&ports, port, 1, value);
}

static void test_bus(void)
{
	ktap_ok(in(0x1234) == 0xff && ports_read(&ports, 0x1234, 2) == 0xffff &&
		ports_read(&ports, 0x1234, 4) == 0xffffffff, "nobody answers: all ones");
	ports_write(&ports, 0xcf8, 4, 0x80000000);
	ktap_ok(ports_read(&ports, 0xcf8, 4) == 0xffffffff && !world.resets, "there is no PCI");
	ports_write(&ports, 0x3fe, 2, 0x5a00);
	ktap_ok(ports_read(&ports, 0x3fe, 2) >> 8 == 0x5a, "wide accesses are split");
	ktap_ok((ports_read(&ports, 0xffff, 4) & 0xff) == 0xff, "the last port wraps harmlessly");
	out(0xf4, 77);
	ktap_ok(world.status == 77, "port 0xf4 has the status");
	out(0xcf9, 2);
	out(0xcf9, 6);
	ktap_ok(world.resets == 1, "port 0xcf9 resets by bit 2");
}

static void test_serial_lines(void)
{
	out(0x3fb, 0x83);
	out(0x3f8, 0x0c);
	ktap_ok(in(0x3f8) == 0x0c, "the divisor can be read back");
	out(0x3fb, 0x03);
	out(0x3fa, 0x01);
	ktap_ok((in(0x3fa) & 0xc0) == 0xc0, "FIFOs are told");
	out(0x3fc, 0x1b);
	ktap_ok((in(0x3fe) & 0xf0) == 0xb0, "loopback of the modem lines");
	out(0x3f8, 'L');
	ktap_ok(!world.nr_sent && in(0x3f8) == 'L', "loopback of data");
	out(0x3fc, 0x0b);
	out(0x3f8, 'x');
	ktap_ok(world.nr_sent == 1 && world.sent[0] == 'x' && (in(0x3fd) & 0x60) == 0x60,
		"a byte leaves at once");
}

static void test_serial_irqs(void)
{
	unsigned int edges;

	out(0x3f9, 0x02);
	ktap_ok(world.line[4] && (in(0x3fa) & 0x0f) == 0x02 && !world.line[4],
		"transmitter empty: raised by enabling, cleared by reading IIR");
	edges = world.edges[4];
	out(0x3f8, 'y');
	ktap_ok(world.edges[4] == edges + 1, "and one edge for each byte");
	out(0x3f9, 0x01);
	serial_receive(&serial, (const uint8_t *)"ab", 2);
	ktap_ok(world.line[4] && (in(0x3fa) & 0x0f) == 0x04, "received data raises");
	ktap_ok(in(0x3f8) == 'a' && world.line[4] && in(0x3f8) == 'b' && !world.line[4] &&
		!(in(0x3fd) & 1), "until all is read");
	out(0x3f9, 0x05);
	serial_break(&serial);
	ktap_ok((in(0x3fa) & 0x0f) == 0x06 && in(0x3fd) & 0x10 && !(in(0x3fd) & 0x10),
		"a break is a line status, told once");
	in(0x3f8);
}

static void test_serial_room(void)
{
	static const uint8_t bytes[20];
	unsigned int room = world.room;

	ktap_ok(serial_room(&serial) == 16, "room for 16 bytes");
	serial_receive(&serial, bytes, 16);
	ktap_ok(serial_room(&serial) == 0 && world.room == room, "then for none");
	in(0x3f8);
	ktap_ok(world.room == room + 1 && serial_room(&serial) == 1, "reading says so");
	serial_receive(&serial, bytes, 2);
	ktap_ok(in(0x3fd) & 0x02, "too much is an overrun");
	out(0x3fa, 0x03);
	ktap_ok(serial_room(&serial) == 16, "clearing the FIFO empties it");
}

static uint8_t cmos(uint8_t index)
{
	out(0x70, index);
	return in(0x71);
}

static void set_cmos(uint8_t index, uint8_t value)
{
	out(0x70, index);
	out(0x71, value);
}

static unsigned int bcd(uint8_t value)
{
	return (value >> 4) * 10 + (value & 15);
}

static time_t guest_time(void)
{
	struct tm tm;
	time_t first, second;

	/* Until the same twice, as a guest would. */
	do {
		tm = (struct tm){
			.tm_sec = bcd(cmos(0)), .tm_min = bcd(cmos(2)), .tm_hour = bcd(cmos(4)),
			.tm_mday = bcd(cmos(7)), .tm_mon = bcd(cmos(8)) - 1,
			.tm_year = bcd(cmos(0x32)) * 100 + bcd(cmos(9)) - 1900,
		};
		first = timegm(&tm);
		second = first + (bcd(cmos(0)) != (unsigned int)(first % 60));
	} while (first != second);
	return first;
}

static void test_rtc(void)
{
	time_t now;

	ktap_ok(guest_time() - time(NULL) <= 1 && time(NULL) - guest_time() <= 1,
		"the clock has the host's time");
	set_cmos(0x0b, 0x82);
	set_cmos(9, 0x42);
	set_cmos(0x0b, 0x02);
	now = guest_time();
	ktap_ok(gmtime(&now)->tm_year == 142, "the guest can set it");
	set_cmos(0x0b, 0x06);
	ktap_ok(cmos(9) == 42, "binary mode");
	set_cmos(0x0b, 0x04);
	ktap_ok((cmos(4) & 0x7f) >= 1 && (cmos(4) & 0x7f) <= 12, "12-hour mode");
	ktap_ok(cmos(0x0d) == 0x80, "time and memory are valid");
	ktap_ok((cmos(0x34) | cmos(0x35) << 8) == (512 - 16) * 16, "memory above 16 MiB");
	set_cmos(0x40, 0xa5);
	ktap_ok(cmos(0x40) == 0xa5, "CMOS remembers");
}

static void test_i8042(void)
{
	unsigned int resets = world.resets;

	out(0x64, 0xaa);
	ktap_ok(in(0x64) & 1 && in(0x60) == 0x55 && !(in(0x64) & 1), "controller test");
	out(0x60, 0xff);
	ktap_ok(world.line[1] && in(0x60) == 0xfa && in(0x60) == 0xaa && !world.line[1],
		"keyboard reset answers, with interrupts");
	out(0x64, 0x60);
	out(0x60, 0x00);
	out(0x64, 0x20);
	ktap_ok(in(0x60) == 0x00, "command byte");
	out(0x64, 0xfe);
	ktap_ok(world.resets == resets + 1, "0xfe resets");
}

static void test_pm(void)
{
	uint32_t timer = ports_read(&ports, 0x608, 4);

	ktap_ok(ports_read(&ports, 0x604, 2) == 1, "ACPI mode is on");
	ports_write(&ports, 0x602, 2, 0x0100);
	acpi_pm_press_button(&pm);
	ktap_ok(world.line[9] && ports_read(&ports, 0x600, 2) == 0x0100, "power button");
	ports_write(&ports, 0x600, 2, 0x0100);
	ktap_ok(!world.line[9] && !ports_read(&ports, 0x600, 2), "write one to clear");
	ktap_ok(ports_read(&ports, 0x608, 4) - timer < 0x80000000, "the timer runs forward");
	ports_write(&ports, 0x604, 2, 3 << 10 | 0x2000);
	ktap_ok(!world.offs, "other sleep types are none");
	ports_write(&ports, 0x604, 2, 5 << 10 | 0x2000);
	ktap_ok(world.offs == 1, "S5 is off");
}

int main(void)
{
	ktap_plan(6 + 5 + 5 + 5 + 7 + 4 + 6);
	set_up();
	test_bus();
	test_serial_lines();
	test_serial_irqs();
	test_serial_room();
	test_rtc();
	test_i8042();
	test_pm();
	ktap_exit();
}
