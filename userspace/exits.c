// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: what to do when KVM_RUN returns
 *
 * One table from exit reason to handler.  A handler either completes the exit,
 * so that the vCPU runs on, or stops the VM with a reason.
 */
#include "exits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bytes.h"
#include "vcpu.h"

static uint64_t rip_of(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	return ioctl(vcpu->fd, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

static uint32_t get_value(const uint8_t *at, unsigned int size)
{
	return size == 1 ? *at : size == 2 ? get16(at) : get32(at);
}

static void put_value(uint8_t *at, unsigned int size, uint32_t value)
{
	if (size == 1)
		*at = value;
	else if (size == 2)
		put16(at, value);
	else
		put32(at, value);
}

/* IN and OUT, with all repetitions of INS and OUTS at once. */
static void handle_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_IN)
			put_value(data, run->io.size,
				  ports_read(&vcpu->vm->ports, run->io.port, run->io.size));
		else
			ports_write(&vcpu->vm->ports, run->io.port, run->io.size,
				    get_value(data, run->io.size));
	}
}

/* No device of this machine has memory: the bus floats. */
static void handle_mmio(struct vcpu *vcpu)
{
	if (!vcpu->run->mmio.is_write)
		memset(vcpu->run->mmio.data, 0xff, sizeof(vcpu->run->mmio.data));
}

static void handle_nothing(struct vcpu *vcpu)
{
	(void)vcpu;
}

static void handle_hlt(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, vcpu->index, TOOL_STUCK, false,
		"vCPU %u halted at rip %#" PRIx64 ", and the device does not wait for interrupts",
		vcpu->index, rip_of(vcpu));
}

static void handle_shutdown(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, vcpu->index, TOOL_TRIPLE_FAULT, false,
		"vCPU %u: triple fault, rip %#" PRIx64, vcpu->index, rip_of(vcpu));
}

static void handle_fail_entry(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, vcpu->index, TOOL_STUCK, false,
		"vCPU %u: the processor refuses to enter the guest, reason %#" PRIx64
		", rip %#" PRIx64, vcpu->index,
		(uint64_t)vcpu->run->fail_entry.hardware_entry_failure_reason,
		rip_of(vcpu));
}

static const char *suberror_name(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "emulation failed";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "exception while delivering an exception";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "event delivery failed";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "unexpected exit of the processor";
	default:
		return "unknown suberror";
	}
}

/* " instruction 0f 0b ..." or " data 1 2 3", whatever the device tells. */
static void format_details(const struct kvm_run *run, char *text, size_t size)
{
	const struct kvm_run *r = run;
	size_t used = 0;
	uint32_t i;

	text[0] = '\0';
	if (r->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && r->internal.ndata >= 1 &&
	    r->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) {
		used = snprintf(text, size, ", instruction");
		for (i = 0; i < r->emulation_failure.insn_size && i < 15; i++)
			used += snprintf(text + used, size - used, " %02x",
					 r->emulation_failure.insn_bytes[i]);
		return;
	}
	for (i = 0; i < r->internal.ndata && i < 4; i++)
		used += snprintf(text + used, size - used, "%s %#" PRIx64,
				 i ? "" : ", data", (uint64_t)r->internal.data[i]);
}

static void handle_internal_error(struct vcpu *vcpu)
{
	uint32_t suberror = vcpu->run->internal.suberror;
	char details[128];

	format_details(vcpu->run, details, sizeof(details));
	vm_stop(vcpu->vm, vcpu->index, TOOL_STUCK, false,
		"vCPU %u: internal error %u (%s), rip %#" PRIx64 "%s", vcpu->index,
		suberror, suberror_name(suberror), rip_of(vcpu), details);
}

static void handle_system_event(struct vcpu *vcpu)
{
	uint32_t type = vcpu->run->system_event.type;

	switch (type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vm_stop(vcpu->vm, vcpu->index, TOOL_OK, true, "the guest shut down");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		vm_stop(vcpu->vm, vcpu->index, TOOL_OK, true, "the guest asked for a reset");
		break;
	default:
		vm_stop(vcpu->vm, vcpu->index, TOOL_STUCK, false,
			"vCPU %u: system event %u, rip %#" PRIx64, vcpu->index, type,
			rip_of(vcpu));
	}
}

static void handle_unexpected(struct vcpu *vcpu)
{
	vm_stop(vcpu->vm, vcpu->index, TOOL_STUCK, false,
		"vCPU %u: unexpected exit %u, rip %#" PRIx64, vcpu->index,
		vcpu->run->exit_reason, rip_of(vcpu));
}

static void (*const handlers[])(struct vcpu *vcpu) = {
	[KVM_EXIT_IO] = handle_io,
	[KVM_EXIT_MMIO] = handle_mmio,
	[KVM_EXIT_INTR] = handle_nothing,
	[KVM_EXIT_IRQ_WINDOW_OPEN] = handle_nothing,
	[KVM_EXIT_HLT] = handle_hlt,
	[KVM_EXIT_SHUTDOWN] = handle_shutdown,
	[KVM_EXIT_FAIL_ENTRY] = handle_fail_entry,
	[KVM_EXIT_INTERNAL_ERROR] = handle_internal_error,
	[KVM_EXIT_SYSTEM_EVENT] = handle_system_event,
};

/**
 * exits_handle() - handle the exit that KVM_RUN returned with
 * @vcpu: the vCPU
 *
 * Context: the vCPU's thread.
 */
void exits_handle(struct vcpu *vcpu)
{
	uint32_t reason = vcpu->run->exit_reason;

	if (reason < sizeof(handlers) / sizeof(handlers[0]) && handlers[reason])
		handlers[reason](vcpu);
	else
		handle_unexpected(vcpu);
}
