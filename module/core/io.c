// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: port and memory-mapped I/O
 *
 * An access goes to the module's own devices first and to userspace when none
 * of them answers.  Userspace answers between two KVM_RUNs, and may do anything
 * to the vCPU there.  When it has left the registers alone and the instruction
 * waits for nothing but this access, the emulator goes on with it; else the
 * instruction is executed again: a log holds the accesses that were already made,
 * and the second execution takes them from there instead of making them twice
 * (DOC block of emul.h).
 *
 * IN and OUT of a register need no emulator when the processor tells their
 * length.
 */
#include "io_internal.h"

#include "emulate_internal.h"
#include "event_internal.h"
#include "msr_user_internal.h"
#include "pio_string_internal.h"
#include "umbra/irqchip.h"
#include "umbra/trace.h"

static u64 to_u64(const void *data, unsigned int len)
{
	u64 val = 0;

	memcpy(&val, data, min(len, 8u));
	return val;
}

/* Not inline: tracing is off. */
static noinline void trace_access(struct umbra_vcpu *vcpu, bool mmio, bool write, u64 addr,
				  const void *data, unsigned int len, int err)
{
	if (mmio)
		trace_umbra_mmio(vcpu->id, write, addr, len, to_u64(data, len), err);
	else
		trace_umbra_pio(vcpu->id, !write, addr, len, to_u64(data, len), err);
}

/* A device of the module: 0, or -EOPNOTSUPP when it is userspace's. */
static int kernel_access(struct umbra_vcpu *vcpu, bool mmio, bool write, u64 addr, void *data,
			 unsigned int len)
{
	enum umbra_bus_kind bus = mmio ? UMBRA_BUS_MMIO : UMBRA_BUS_PIO;
	int err;

	/* An interrupt controller may be among the devices. */
	vcpu->look_again = true;
	if (mmio && vcpu->lapic && umbra_lapic_mmio(vcpu, addr, len, data, write))
		err = 0;
	else if (write)
		err = umbra_bus_write(vcpu, bus, addr, len, data);
	else
		err = umbra_bus_read(vcpu, bus, addr, len, data);

	if (trace_umbra_mmio_enabled() || trace_umbra_pio_enabled())
		trace_access(vcpu, mmio, write, addr, data, len, err);
	if (mmio)
		vcpu->stat.mmio_kernel += !err;
	else
		vcpu->stat.pio_kernel += !err;
	return err;
}

int umbra_io_kernel_port(struct umbra_vcpu *vcpu, bool write, u16 port, void *data,
			 unsigned int size)
{
	return kernel_access(vcpu, false, write, port, data, size);
}

/* True when the access is the next one in the log. */
static bool replay(struct umbra_io_log *log, bool mmio, bool write, u64 addr, void *data,
		   unsigned int len)
{
	unsigned int i = log->pos;

	if (i >= log->n)
		return false;
	if (log->e[i].mmio != mmio || log->e[i].write != write || log->e[i].addr != addr ||
	    log->e[i].len != len) {
		/* Another instruction than before: the rest was not its own. */
		log->n = i;
		return false;
	}
	if (!write)
		memcpy(data, log->e[i].data, len);
	log->pos++;
	return true;
}

bool umbra_io_replays(const struct umbra_vcpu *vcpu, bool write, gpa_t gpa, unsigned int len)
{
	const struct umbra_io_log *log = &vcpu->io;
	unsigned int i = log->pos;

	return i < log->n && log->e[i].mmio && log->e[i].write == write &&
	       log->e[i].addr == gpa && log->e[i].len == min(len, 8u);
}

int umbra_io_access(struct umbra_vcpu *vcpu, bool mmio, bool write, u64 addr, void *data,
		    unsigned int len)
{
	struct umbra_io_log *log = &vcpu->io;
	unsigned int i;
	int err;

	if (replay(log, mmio, write, addr, data, len))
		return UMBRA_EMUL_OK;
	/* Only a REP makes so many accesses; its earlier elements are done. */
	if (log->n == UMBRA_IO_LOG) {
		log->n = 0;
		log->pos = 0;
	}
	err = kernel_access(vcpu, mmio, write, addr, data, len);

	i = log->n++;
	log->e[i].mmio = mmio;
	log->e[i].write = write;
	log->e[i].addr = addr;
	log->e[i].len = len;
	if (!err || write)
		memcpy(log->e[i].data, data, len);
	if (err) {
		log->pending = true;
		return UMBRA_EMUL_IO;
	}
	log->pos++;
	return UMBRA_EMUL_OK;
}

/* The access that waits for userspace. */
static unsigned int last(const struct umbra_io_log *log)
{
	return log->n - 1;
}

void umbra_io_fill_ports(struct umbra_vcpu *vcpu, bool write, u16 port, unsigned int size,
			 unsigned int count)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_IO;
	run->io.direction = write ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	run->io.size = size;
	run->io.port = port;
	run->io.count = count;
	run->io.data_offset = KVM_PIO_PAGE_OFFSET * PAGE_SIZE;
	vcpu->stat.user_io++;
}

static void fill_pio(struct umbra_vcpu *vcpu, bool write, u16 port, const void *data,
		     unsigned int len)
{
	if (write)
		memcpy(vcpu->pio_page, data, len);
	umbra_io_fill_ports(vcpu, write, port, len, 1);
}

static void fill_mmio(struct umbra_vcpu *vcpu, bool write, gpa_t gpa, const void *data,
		      unsigned int len)
{
	struct kvm_run *run = vcpu->run;

	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = write;
	if (write)
		memcpy(run->mmio.data, data, len);
	vcpu->stat.user_mmio++;
}

/* Does the emulator still hold the instruction as it was? */
static bool may_resume(const struct umbra_vcpu *vcpu)
{
	const struct umbra_io_log *log = &vcpu->io;
	unsigned int i = last(log);

	/* KVM_SET_GUEST_DEBUG may have set TF, or taken it away. */
	return log->user_sets == vcpu->user_sets && log->rflags == vcpu->regs.rflags &&
	       log->e[i].mmio && umbra_emul_can_resume(&vcpu->emul, log->e[i].write, log->e[i].len);
}

/* Userspace is back: its answer goes into the log, and the instruction goes on. */
static int complete_logged(struct umbra_vcpu *vcpu)
{
	struct umbra_io_log *log = &vcpu->io;
	unsigned int i;

	if (!log->pending || !log->n)
		return 1;
	log->pending = false;
	i = last(log);
	if (!log->e[i].write)
		memcpy(log->e[i].data, log->e[i].mmio ? vcpu->run->mmio.data : vcpu->pio_page,
		       log->e[i].len);
	/* Userspace may have moved the vCPU elsewhere meanwhile. */
	if (umbra_linear_rip(vcpu) != log->rip) {
		umbra_io_end(vcpu);
		return 1;
	}
	if (likely(may_resume(vcpu))) {
		log->pos = log->n;
		return umbra_emulate_resume(vcpu, to_u64(log->e[i].data, log->e[i].len));
	}
	return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
}

static int emulate_again(struct umbra_vcpu *vcpu)
{
	return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
}

int umbra_io_to_user(struct umbra_vcpu *vcpu)
{
	struct umbra_io_log *log = &vcpu->io;
	unsigned int i;

	if (umbra_msr_to_user(vcpu, emulate_again))
		return 0;
	if (!log->pending)
		return umbra_pio_string_to_user(vcpu);
	i = last(log);
	if (log->e[i].mmio)
		fill_mmio(vcpu, log->e[i].write, log->e[i].addr, log->e[i].data, log->e[i].len);
	else
		fill_pio(vcpu, log->e[i].write, log->e[i].addr, log->e[i].data, log->e[i].len);
	log->user_sets = vcpu->user_sets;
	log->rflags = vcpu->regs.rflags;
	vcpu->complete = complete_logged;
	return 0;
}

/* IN and OUT without the emulator. */

static void set_rax(struct umbra_vcpu *vcpu, const void *data, unsigned int len)
{
	u64 *rax = &umbra_regs_mut(vcpu, UMBRA_REGS_GPR)->gpr[UMBRA_RAX];

	/* 32-bit results clear the upper half, shorter ones leave the rest. */
	if (len == 4)
		*rax = 0;
	memcpy(rax, data, len);
}

static int complete_fast(struct umbra_vcpu *vcpu)
{
	struct umbra_io_log *log = &vcpu->io;

	log->pending = false;
	/* Userspace may have moved the vCPU elsewhere meanwhile. */
	if (vcpu->regs.rip != log->rip)
		return 1;
	if (!log->e[0].write)
		set_rax(vcpu, vcpu->pio_page, log->e[0].len);
	return umbra_skip_insn(vcpu, log->insn_len);
}

static int fast_to_user(struct umbra_vcpu *vcpu, const struct umbra_exit *exit, const void *data)
{
	struct umbra_io_log *log = &vcpu->io;

	/* Not linear: for that the segments would have to come from the engine, twice. */
	log->rip = vcpu->regs.rip;
	log->insn_len = exit->insn_len;
	log->n = 0;
	log->pending = true;
	log->e[0].write = !exit->io.in;
	log->e[0].len = exit->io.size;
	fill_pio(vcpu, !exit->io.in, exit->io.port, data, exit->io.size);
	vcpu->complete = complete_fast;
	return 0;
}

/* A port that no device of the module has; tracing wants to hear that from kernel_access(). */
static bool is_users(struct umbra_vcpu *vcpu, u16 port)
{
	return !umbra_bus_may_answer(vcpu->vm, UMBRA_BUS_PIO, port) && !trace_umbra_pio_enabled();
}

int umbra_io_exit(struct umbra_vcpu *vcpu, const struct umbra_exit *exit)
{
	u64 data = vcpu->regs.gpr[UMBRA_RAX];

	/* The processor checked the right to use the port before it exited (APM Vol. 2, 15.10). */
	if (exit->io.string || !exit->insn_len)
		return umbra_emulate_insn(vcpu, UMBRA_INVALID_GPA);
	if (is_users(vcpu, exit->io.port) ||
	    kernel_access(vcpu, false, !exit->io.in, exit->io.port, &data, exit->io.size))
		return fast_to_user(vcpu, exit, &data);
	if (exit->io.in)
		set_rax(vcpu, &data, exit->io.size);
	return umbra_skip_insn(vcpu, exit->insn_len);
}
