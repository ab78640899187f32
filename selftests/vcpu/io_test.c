// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: io_test
 *
 * Port and memory-mapped I/O that userspace answers: every access is made once,
 * in order, with the right size, also where one instruction makes several.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "ktap.h"
#include "traps.h"

#define MMIO	0x40000000ull	/* mapped by the test, no memory behind */

struct access {
	bool mmio, write;
	uint64_t addr;
	unsigned int len;
	uint64_t data;		/* written, or the answer to a read */
};

KU_CODE64(ports,
	  "mov $0x11223344, %eax\n out %al, $0x42\n mov $0x300, %edx\n out %ax, %dx\n"
	  "out %eax, %dx\n mov $-1, %rax\n in %dx, %eax\n mov %rax, %rbx\n"
	  "mov $-1, %rax\n in $0x43, %al\n hlt\n");
KU_CODE64(outs, "mov $0x9000, %esi\n mov $3, %ecx\n mov $0x301, %edx\n cld\n rep outsb\n hlt\n");
KU_CODE64(ins, "mov $0x9000, %edi\n mov $3, %ecx\n mov $0x302, %edx\n cld\n rep insw\n hlt\n");
KU_CODE64(ins_mmio, "mov $0x40000010, %edi\n mov $0x302, %edx\n insl\n hlt\n");
KU_CODE64(rep_ins_mmio, "mov $0x40000010, %edi\n mov $0x302, %edx\n mov $40, %ecx\n rep insl\n hlt\n");
KU_CODE64(rep_ins_down, "mov $0x40000110, %edi\n mov $0x302, %edx\n mov $40, %ecx\n std\n rep insw\n hlt\n");
KU_CODE64(rep_ins_page, "mov $0x40000fe6, %edi\n mov $0x302, %edx\n mov $40, %ecx\n rep insl\n hlt\n");
KU_CODE64(long_ins, "mov $0x9000, %edi\n mov $2000, %ecx\n mov $0x302, %edx\n rep insb\n hlt\n");
KU_CODE64(short_ins, "mov $0x8000, %edi\n mov $3, %ecx\n mov $0x303, %edx\n rep insb\n hlt\n");
KU_CODE64(enter, "mov $0x40000100, %esp\n mov $0x1234, %ebp\n enter $0x20, $0\n hlt\n");
KU_CODE64(movs, "mov $0x40000000, %esi\n mov $0x40000010, %edi\n movsq\n hlt\n");
KU_CODE64(rmw, "mov $0x40000008, %edi\n mov $5, %eax\n add %eax, (%rdi)\n hlt\n");
KU_CODE64(xadd, "mov $0x40000008, %edi\n mov $5, %ecx\n lock xadd %ecx, (%rdi)\n hlt\n");
KU_CODE64(split, "mov $0x40000ffc, %edi\n mov $0x1122334455667788, %rax\n mov %rax, (%rdi)\n hlt\n");
KU_CODE64(xchg_split, "mov $0x40000ffc, %edi\n mov $0x1122334455667788, %rax\n xchg %rax, (%rdi)\n hlt\n");
KU_CODE64(load_split, "mov $0x40001ffc, %edi\n mov (%rdi), %rax\n hlt\n");
KU_CODE64(rmw_split, "mov $0x40002ffe, %edi\n mov $0x00030002, %eax\n add %eax, (%rdi)\n hlt\n");
KU_CODE64(sse, "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n"
	       "mov $0x40000020, %edi\n movdqu (%rdi), %xmm0\n movdqu %xmm0, 0x20(%rdi)\n hlt\n");
KU_CODE64(stos, "mov $0x40000000, %edi\n mov $2, %ecx\n mov $0x5a, %eax\n rep stosb\n hlt\n");
KU_CODE64(call, "mov $0x40000100, %edi\n call *(%rdi)\n hlt\n");
KU_CODE64(driver, "mov $0x40000000, %edi\n mov $2, %ecx\n"
		  "1: mov (%rdi), %eax\n movzbl 4(%rdi), %ebx\n movslq 8(%rdi), %rsi\n"
		  "cmp %eax, 12(%rdi)\n jne 2f\n mov %ebx, 16(%rdi)\n movb $0x77, 20(%rdi)\n"
		  "dec %ecx\n jnz 1b\n hlt\n 2: ud2\n");
KU_CODE64(twice, "mov $0x40000000, %edi\n mov (%rdi), %eax\n mov (%rdi), %edx\n hlt\n");
/* RSI: the page's entry in the guest's tables, RBX: its new value. */
KU_CODE64(remap, "mov $0x40000000, %edi\n mov (%rdi), %eax\n mov %rbx, (%rsi)\n"
		 "invlpg (%rdi)\n mov (%rdi), %edx\n hlt\n");
KU_CODE64(reload, "mov $0x40000000, %edi\n mov (%rdi), %eax\n mov %rbx, (%rsi)\n"
		  "mov %cr3, %rbx\n mov %rbx, %cr3\n mov (%rdi), %edx\n hlt\n");
KU_CODE64(spin, "1: jmp 1b\n");

static bool same(struct kvm_run *run, const struct access *a, uint64_t *got)
{
	*got = 0;
	if (run->exit_reason == KVM_EXIT_MMIO) {
		memcpy(got, run->mmio.data, run->mmio.len);
		return a->mmio && run->mmio.phys_addr == a->addr && run->mmio.len == a->len &&
		       run->mmio.is_write == a->write && (!a->write || *got == a->data);
	}
	if (run->exit_reason != KVM_EXIT_IO)
		return false;
	memcpy(got, (char *)run + run->io.data_offset, run->io.size);
	return !a->mmio && run->io.port == a->addr && run->io.size == a->len &&
	       (run->io.direction == KVM_EXIT_IO_OUT) == a->write &&
	       (!a->write || *got == a->data);
}

static void answer(struct kvm_run *run, const struct access *a)
{
	if (a->write)
		return;
	if (a->mmio)
		memcpy(run->mmio.data, &a->data, a->len);
	else
		memcpy((char *)run + run->io.data_offset, &a->data, a->len);
}

/*
 * One exit may carry several accesses of a string instruction (run->io.count):
 * stock KVM does that.  Cut it to one at a time for the comparison.
 */
static bool run_string(struct kvm_run *run, const struct access *a, unsigned int n)
{
	char *data = (char *)run + run->io.data_offset;
	unsigned int i;

	if (run->exit_reason != KVM_EXIT_IO || run->io.count != n)
		return false;
	for (i = 0; i < n; i++) {
		if (a[i].write && memcmp(data + i * run->io.size, &a[i].data, a[i].len))
			return false;
		if (!a[i].write)
			memcpy(data + i * run->io.size, &a[i].data, a[i].len);
	}
	return run->io.port == a->addr && run->io.size == a->len;
}

static bool run_accesses(struct traps *t, const struct access *a, unsigned int n)
{
	struct kvm_run *run = t->vcpu->run;
	unsigned int i;
	uint64_t got;

	for (i = 0; i < n; i++) {
		int reason = ku_run(t->vcpu);

		if (i == 0 && n > 1 && reason == KVM_EXIT_IO && run->io.count > 1)
			return run_string(run, a, n) && traps_run(t, NULL) == TRAP_NONE;
		if (!same(run, &a[i], &got)) {
			ktap_note("access %u: exit %s, data %#llx", i, ku_exit_name(reason),
				  (unsigned long long)got);
			return false;
		}
		answer(run, &a[i]);
	}
	return traps_run(t, NULL) == TRAP_NONE;
}

static struct traps start(const char *code, const char *end)
{
	struct traps t = traps_new();

	ku_map(t.vm, t.vm->cr3, MMIO, MMIO, KU_PTE_P | KU_PTE_W);
	ku_map(t.vm, t.vm->cr3, MMIO + KU_PAGE, MMIO + 5 * KU_PAGE, KU_PTE_P | KU_PTE_W);
	traps_code(&t, code, end);
	return t;
}

static void test_ports(void)
{
	static const struct access a[] = {
		{ false, true, 0x42, 1, 0x44 },
		{ false, true, 0x300, 2, 0x3344 },
		{ false, true, 0x300, 4, 0x11223344 },
		{ false, false, 0x300, 4, 0x80000001 },
		{ false, false, 0x43, 1, 0x99 },
	};
	struct traps t = start(ports, ports_end);

	ktap_ok(run_accesses(&t, a, 5), "IN and OUT of all sizes");
	ktap_ok(ku_get_regs(t.vcpu).rbx == 0x80000001, "a 32-bit IN clears the upper half");
	ktap_ok(ku_get_regs(t.vcpu).rax == 0xffffffffffffff99, "an 8-bit IN leaves the rest");
	traps_free(&t);
}

static void test_strings(void)
{
	static const struct access out[] = {
		{ false, true, 0x301, 1, 'a' }, { false, true, 0x301, 1, 'b' },
		{ false, true, 0x301, 1, 'c' },
	};
	static const struct access in[] = {
		{ false, false, 0x302, 2, 0x1111 }, { false, false, 0x302, 2, 0x2222 },
		{ false, false, 0x302, 2, 0x3333 },
	};
	struct traps t = start(outs, outs_end);

	memcpy(ku_ptr(t.vm, 0x9000), "abc", 3);
	ktap_ok(run_accesses(&t, out, 3), "REP OUTSB");
	ktap_ok(ku_get_regs(t.vcpu).rcx == 0 && ku_get_regs(t.vcpu).rsi == 0x9003, "RCX, RSI");
	traps_free(&t);
	t = start(ins, ins_end);
	ktap_ok(run_accesses(&t, in, 3), "REP INSW");
	ktap_ok(!memcmp(ku_ptr(t.vm, 0x9000), "\x11\x11\x22\x22\x33\x33", 6), "data in memory");
	traps_free(&t);
}

static void check(const char *name, const char *code, const char *end, const struct access *a,
		  unsigned int n)
{
	struct traps t = start(code, end);

	ktap_ok(run_accesses(&t, a, n), "%s", name);
	traps_free(&t);
}

static void test_mmio(void)
{
	static const struct access m[] = {
		{ true, false, MMIO, 8, 0x1234567812345678 },
		{ true, true, MMIO + 16, 8, 0x1234567812345678 },
	};
	static const struct access r[] = {
		{ true, false, MMIO + 8, 4, 100 }, { true, true, MMIO + 8, 4, 105 },
	};
	static const struct access s[] = {
		{ true, true, MMIO + 0xffc, 4, 0x55667788 },
		{ true, true, MMIO + 5 * KU_PAGE, 4, 0x11223344 },
	};
	static const struct access v[] = {
		{ true, false, MMIO + 0x20, 8, 1 }, { true, false, MMIO + 0x28, 8, 2 },
		{ true, true, MMIO + 0x40, 8, 1 }, { true, true, MMIO + 0x48, 8, 2 },
	};
	static const struct access st[] = {
		{ true, true, MMIO, 1, 0x5a }, { true, true, MMIO + 1, 1, 0x5a },
	};
	static const struct access in[] = {
		{ false, false, 0x302, 4, 0x11223344 }, { true, true, MMIO + 16, 4, 0x11223344 },
	};
	static const struct access en[] = {
		{ true, true, MMIO + 0xf8, 8, 0x1234 },
	};
	static const struct access c[] = {
		{ true, false, MMIO + 0x100, 8, TRAPS + 16 * 100 },
	};
	struct traps t;

	check("MOVS from device to device", movs, movs_end, m, 2);
	check("INS from a port to a device, which is not read", ins_mmio, ins_mmio_end, in, 2);
	check("ENTER on a device, whose new top is not read", enter, enter_end, en, 1);
	check("ADD to a device", rmw, rmw_end, r, 2);
	t = start(xadd, xadd_end);
	ktap_ok(run_accesses(&t, r, 2) && ku_get_regs(t.vcpu).rcx == 100, "LOCK XADD to a device");
	traps_free(&t);
	check("a store across two pages", split, split_end, s, 2);
	check("SSE load and store", sse, sse_end, v, 4);
	check("REP STOSB", stos, stos_end, st, 2);
	t = start(call, call_end);
	ku_run(t.vcpu);
	answer(t.vcpu->run, c);
	ktap_ok(traps_run(&t, NULL) == 100, "CALL through a device's register");
	traps_free(&t);
}

/* Answer all of one exit's elements with the bytes that come next. */
static void give(struct kvm_run *run, uint8_t *next)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	unsigned int i;

	for (i = 0; i < run->io.count * run->io.size; i++)
		data[i] = (*next)++;
}

/* Run on, and answer a port until something else comes. */
static void give_all(struct ku_vcpu *vcpu, uint8_t *next)
{
	while (ku_run(vcpu) == KVM_EXIT_IO)
		give(vcpu->run, next);
}

/* A port with the bytes 1, 2, 3, … goes to a device, each once, whatever one exit carries. */
static void check_ins(const char *name, const char *code, const char *end, unsigned int size,
		      unsigned int bytes)
{
	static uint8_t device[6 * KU_PAGE];
	struct traps t = start(code, end);
	struct kvm_run *run = t.vcpu->run;
	unsigned int stored = 0, i, at = 0;
	struct kvm_regs r;
	uint8_t next = 1;

	memset(device, 0, sizeof(device));
	for (;;) {
		int reason = ku_run(t.vcpu);

		if (reason == KVM_EXIT_IO && run->io.direction == KVM_EXIT_IO_IN && run->io.size == size) {
			give(run, &next);
		} else if (reason == KVM_EXIT_MMIO && run->mmio.is_write &&
			   run->mmio.phys_addr - MMIO < sizeof(device) - 8) {
			memcpy(device + (run->mmio.phys_addr - MMIO), run->mmio.data, run->mmio.len);
			stored += run->mmio.len;
		} else {
			break;
		}
	}
	r = ku_get_regs(t.vcpu);
	/* Upwards the bytes are in order where they are, downwards the elements are. */
	for (i = 0; i < sizeof(device) && at < bytes; i++)
		if (device[i] == (r.rflags & 1 << 10 ? (bytes / size - 1 - at / size) * size + at % size : at) + 1)
			at++;
	ktap_note("%u bytes stored, %u in order", stored, at);
	traps_ok_here(&t, run->exit_reason == KVM_EXIT_HLT && next == (uint8_t)(bytes + 1) &&
		      stored == bytes && at == bytes && !r.rcx, name,
		      "KVM reads ahead downwards, too, and forgets it for each");
	traps_free(&t);
}

/* A debugger steps from element to element, and none is lost. */
static void test_stepped_outs(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct traps t = start(outs, outs_end);
	struct kvm_run *run = t.vcpu->run;
	unsigned int n = 0, stops = 0;
	char got[8] = { 0 };
	int reason;

	memcpy(ku_ptr(t.vm, 0x9000), "abc", 3);
	ioctl(t.vcpu->fd, KVM_SET_GUEST_DEBUG, &dbg);
	while ((reason = ku_run(t.vcpu)) == KVM_EXIT_IO || reason == KVM_EXIT_DEBUG) {
		stops += reason == KVM_EXIT_DEBUG;
		if (reason == KVM_EXIT_IO && n + run->io.count < sizeof(got)) {
			memcpy(got + n, (char *)run + run->io.data_offset, run->io.count);
			n += run->io.count;
		}
	}
	ktap_ok(reason == KVM_EXIT_HLT && !strcmp(got, "abc"), "REP OUTSB by single steps: \"%s\", %u stops",
		got, stops);
	traps_free(&t);
}

/* Between the elements of one exit an interrupt's handler may read another port. */
static void test_interrupted_ins(void)
{
	struct traps t = start(long_ins, long_ins_end);
	struct kvm_run *run = t.vcpu->run;
	struct kvm_regs stopped, handler;
	struct trap_frame frame;
	uint8_t next = 0, other = 0xee;
	unsigned int i, same = 0;
	int vector;

	ku_load_at(t.vm, 0x7000, short_ins, short_ins_end - short_ins);
	ku_run(t.vcpu);
	give(run, &next);
	ioctl(t.vcpu->fd, KVM_NMI);
	give_all(t.vcpu, &next);
	vector = traps_which(&t, &frame);
	stopped = ku_get_regs(t.vcpu);
	handler = stopped;
	handler.rip = 0x7000;
	ku_set_regs(t.vcpu, &handler);
	give_all(t.vcpu, &other);
	stopped.rip = frame.rip;
	stopped.rsp = frame.rsp;
	ku_set_regs(t.vcpu, &stopped);
	give_all(t.vcpu, &next);
	for (i = 0; i < 2000; i++)
		same += *(uint8_t *)ku_ptr(t.vm, 0x9000 + i) == (uint8_t)i;
	ktap_ok(vector == 2 && run->exit_reason == KVM_EXIT_HLT && next == (uint8_t)2000 && same == 2000,
		"REP INS with an NMI in it, whose handler has another: %u bytes right", same);
	traps_free(&t);
}

/* Over the end of a page: the device is asked once, and not at all if the next page is missing. */
static void test_two_pages(void)
{
	static const struct access x[] = {
		{ true, false, MMIO + 0xffc, 4, 0x01020304 },
		{ true, false, MMIO + 5 * KU_PAGE, 4, 0x05060708 },
		{ true, true, MMIO + 0xffc, 4, 0x55667788 },
		{ true, true, MMIO + 5 * KU_PAGE, 4, 0x11223344 },
	};
	struct traps t = start(xchg_split, xchg_split_end);

	ktap_ok(run_accesses(&t, x, 4) && ku_get_regs(t.vcpu).rax == 0x0506070801020304,
		"XCHG across two pages of a device");
	traps_free(&t);
	t = start(load_split, load_split_end);
	ktap_ok(traps_run(&t, NULL) == 14, "a load that faults behind a device reads nothing");
	traps_free(&t);
}

/* ADD to the end of memory and the beginning of a device: each is changed once. */
static void test_half_a_device(void)
{
	static const struct access a[] = {
		{ true, false, MMIO + 3 * KU_PAGE, 2, 100 },
		{ true, true, MMIO + 3 * KU_PAGE, 2, 103 },
	};
	struct traps t = start(rmw_split, rmw_split_end);
	uint16_t half = 10;

	ku_map(t.vm, t.vm->cr3, MMIO + 2 * KU_PAGE, 0x9000, KU_PTE_P | KU_PTE_W);
	ku_map(t.vm, t.vm->cr3, MMIO + 3 * KU_PAGE, MMIO + 3 * KU_PAGE, KU_PTE_P | KU_PTE_W);
	memcpy((uint8_t *)t.vm->mem + 0x9ffe, &half, sizeof(half));
	ktap_ok(run_accesses(&t, a, 2), "ADD to memory and a device: the device");
	memcpy(&half, (uint8_t *)t.vm->mem + 0x9ffe, sizeof(half));
	ktap_ok(half == 12, "the memory (%u)", half);
	traps_free(&t);
}

/* What a driver does, again and again. */
static void test_driver(void)
{
	static const struct access once[] = {
		{ true, false, MMIO, 4, 0x80001234 }, { true, false, MMIO + 4, 1, 0xfe },
		{ true, false, MMIO + 8, 4, 0x80000000 }, { true, false, MMIO + 12, 4, 0x80001234 },
		{ true, true, MMIO + 16, 4, 0xfe }, { true, true, MMIO + 20, 1, 0x77 },
	};
	struct traps t = start(driver, driver_end);
	struct access a[12];
	struct kvm_regs r;

	memcpy(a, once, sizeof(once));
	memcpy(a + 6, once, sizeof(once));
	ktap_ok(run_accesses(&t, a, 12), "a driver's loop");
	r = ku_get_regs(t.vcpu);
	ktap_ok(r.rax == 0x80001234 && r.rbx == 0xfe && r.rsi == 0xffffffff80000000,
		"what it read: %#llx %#llx %#llx", r.rax, r.rbx, r.rsi);
	traps_free(&t);
}

/* Userspace may do anything while it answers. */
static void test_meddling(void)
{
	struct kvm_guest_debug dbg = { .control = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP };
	struct traps t = start(twice, twice_end);
	struct kvm_regs r;

	ku_run(t.vcpu);
	r = ku_get_regs(t.vcpu);
	ktap_ok(r.rip == KU_CODE + 5, "RIP is at the instruction while userspace answers");
	r.rbx = 0x1234;
	r.rax = 0xffffffffffffffff;
	ku_set_regs(t.vcpu, &r);
	*(uint32_t *)t.vcpu->run->mmio.data = 7;
	ku_run(t.vcpu);
	r = ku_get_regs(t.vcpu);
	traps_ok_here(&t, r.rax == 7 && r.rbx == 0x1234 && r.rip == KU_CODE + 7,
		      "registers that were set meanwhile last", "KVM has a copy of its own");
	/* In the second one. */
	ioctl(t.vcpu->fd, KVM_SET_GUEST_DEBUG, &dbg);
	*(uint32_t *)t.vcpu->run->mmio.data = 8;
	ktap_ok(ku_run(t.vcpu) == KVM_EXIT_DEBUG, "single-stepping from then on");
	r = ku_get_regs(t.vcpu);
	ktap_ok(r.rdx == 8 && r.rip == KU_CODE + 9, "behind the instruction");
	traps_free(&t);

	t = start(twice, twice_end);
	ku_run(t.vcpu);
	r = ku_get_regs(t.vcpu);
	r.rip = KU_CODE + 9;
	ku_set_regs(t.vcpu, &r);
	traps_ok_here(&t, ku_run(t.vcpu) == KVM_EXIT_HLT && ku_get_regs(t.vcpu).rax == r.rax,
		      "sent elsewhere, it does not finish the instruction",
		      "KVM has a copy of its own");
	traps_free(&t);
}

/* The second access is to memory: @code says so to its TLB, or the slots do. */
static void check_change(const char *name, const char *code, const char *end, bool slot)
{
	struct traps t = start(code, end);
	struct kvm_regs r = ku_get_regs(t.vcpu);
	uint32_t word = 0xabcd;

	memcpy((uint8_t *)t.vm->mem + 0x9000, &word, sizeof(word));
	r.rsi = (uint8_t *)ku_pte(t.vm, t.vm->cr3, MMIO, 1) - (uint8_t *)t.vm->mem;
	r.rbx = 0x9000 | KU_PTE_P | KU_PTE_W;
	ku_set_regs(t.vcpu, &r);
	ku_run(t.vcpu);
	*(uint32_t *)t.vcpu->run->mmio.data = 1;
	if (slot)
		memcpy(ku_slot_add(t.vm, 7, MMIO, KU_PAGE, 0), &word, sizeof(word));
	ktap_ok(traps_run(&t, NULL) == TRAP_NONE && ku_get_regs(t.vcpu).rax == 1 &&
		ku_get_regs(t.vcpu).rdx == word, "%s", name);
	traps_free(&t);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_leaving(void)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval soon = { .it_value.tv_usec = 20000 };
	struct traps t = start(spin, spin_end);

	t.vcpu->run->immediate_exit = 1;
	ktap_ok(ku_run(t.vcpu) == -EINTR, "immediate_exit: EINTR");
	t.vcpu->run->immediate_exit = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	ktap_ok(ku_run(t.vcpu) == -EINTR && t.vcpu->run->exit_reason == KVM_EXIT_INTR,
		"a signal: EINTR, KVM_EXIT_INTR");
	traps_free(&t);

	/* An access that is answered is finished even then. */
	t = start(rmw, rmw_end);
	ku_run(t.vcpu);
	*(uint32_t *)t.vcpu->run->mmio.data = 7;
	t.vcpu->run->immediate_exit = 1;
	ku_run(t.vcpu);
	ktap_ok(t.vcpu->run->exit_reason == KVM_EXIT_MMIO && t.vcpu->run->mmio.is_write &&
		*(uint32_t *)t.vcpu->run->mmio.data == 12, "a read is finished, the write follows");
	ktap_ok(ku_run(t.vcpu) == -EINTR && ku_get_regs(t.vcpu).rip == KU_CODE + 12,
		"the write is finished: EINTR behind the instruction");
	traps_free(&t);
}

int main(void)
{
	ktap_plan(3 + 4 + 9 + 5 + 2 + 2 + 2 + 5 + 3 + 4);
	test_ports();
	test_strings();
	test_mmio();
	check_ins("REP INSD to a device", rep_ins_mmio, rep_ins_mmio_end, 4, 160);
	check_ins("REP INSW to a device, downwards", rep_ins_down, rep_ins_down_end, 2, 80);
	check_ins("REP INSD to a device, over the end of a page", rep_ins_page, rep_ins_page_end, 4, 160);
	test_stepped_outs();
	test_interrupted_ins();
	test_two_pages();
	test_half_a_device();
	test_driver();
	test_meddling();
	check_change("memory in a device's place: a slot", twice, twice_end, true);
	check_change("memory in a device's place: INVLPG", remap, remap_end, false);
	check_change("memory in a device's place: a CR3 load", reload, reload_end, false);
	test_leaving();
	ktap_exit();
}
