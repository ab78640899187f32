// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: irq_guest
 *
 * See irq_guest.h.  A vCPU keeps the address of its log in R15 throughout.
 */
#include "irq_guest.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DONE_PORT	0xe0
#define TIMEOUT		240	/* seconds; the settings file has more */

bool (*ig_on_exit)(struct ku_vcpu *vcpu, int reason);

/* One entry point an operation; all end in the OUT at done. */
KU_CODE64(ops,
	"ig_read_mem:	mov (%rbx), %eax\n"
	"		jmp done\n"
	"ig_write_mem:	mov %eax, (%rbx)\n"
	"		jmp done\n"
	"ig_do_rdmsr:	rdmsr\n"
	"		jmp done\n"
	"ig_do_wrmsr:	wrmsr\n"
	"		jmp done\n"
	"ig_do_in:	in %dx, %al\n"
	"		jmp done\n"
	"ig_do_out:	out %al, %dx\n"
	"		jmp done\n"
	"ig_do_rdtsc:	rdtsc\n"
	"		jmp done\n"
	"ig_get_cr8:	mov %cr8, %rax\n"
	"		jmp done\n"
	"ig_set_cr8:	mov %rax, %cr8\n"
	"		jmp done\n"
	"ig_do_window:	sti\n"
	"		nop\n"
	"		nop\n"
	"		nop\n"
	"		cli\n"
	"		jmp done\n"
	"ig_do_wait:	sti\n"
	"1:		cmp %ecx, (%r15)\n"
	"		jae 2f\n"
	"		pause\n"
	"		rdtsc\n"
	"		shl $32, %rdx\n"
	"		or %rdx, %rax\n"
	"		cmp %rbx, %rax\n"
	"		jb 1b\n"
	"2:		cli\n"
	"		jmp done\n"
	"ig_do_halt:	sti\n"
	"		hlt\n"
	"		cli\n"
	"done:		out %al, $0xe0\n"
	"ig_fault:	movl $1, 8(%r15)\n"
	"		add $8, %rsp\n"
	"		movq $0x8000 + done - ops, (%rsp)\n"
	"		iretq\n");

/* 256 entries of 16 bytes, then what they share. */
KU_CODE64(handlers,
	"vector = 0\n"
	".rept 256\n"
	"		.org handlers + 16 * vector\n"
	"		pushq $vector\n"
	"		jmp handle\n"
	"vector = vector + 1\n"
	".endr\n"
	"handle:	push %rax\n"
	"		push %rcx\n"
	"		push %rdx\n"
	"		mov (%r15), %ecx\n"
	"		cmp $64, %ecx\n"
	"		jae 1f\n"
	"		shl $4, %ecx\n"
	"		rdtsc\n"
	"		mov %eax, 24(%r15, %rcx)\n"
	"		mov %edx, 28(%r15, %rcx)\n"
	"		mov 24(%rsp), %rax\n"
	"		mov %rax, 16(%r15, %rcx)\n"
	"1:		incl (%r15)\n"
	"		cmpl $1, 4(%r15)\n"
	"		jb 3f\n"
	"		ja 2f\n"
	"		mov $0xfee000b0, %ecx\n"
	"		movl $0, (%rcx)\n"
	"		jmp 3f\n"
	"2:		mov $0x80b, %ecx\n"
	"		xor %eax, %eax\n"
	"		xor %edx, %edx\n"
	"		wrmsr\n"
	"3:		pop %rdx\n"
	"		pop %rcx\n"
	"		pop %rax\n"
	"		add $8, %rsp\n"
	"		iretq\n");

extern const char ig_read_mem[], ig_write_mem[], ig_do_rdmsr[], ig_do_wrmsr[], ig_do_in[],
	ig_do_out[], ig_do_rdtsc[], ig_get_cr8[], ig_set_cr8[], ig_do_window[], ig_do_wait[],
	ig_do_halt[], ig_fault[];

static uint64_t op_address(const char *op)
{
	return KU_CODE + (op - ops);
}

static void expired(int sig)
{
	static const char text[] = "Bail out! the guest hangs: an interrupt did not come\n";

	(void)sig;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0)
		_exit(KTAP_SKIP);
	_exit(KTAP_FAIL);
}

void ig_timeout(void)
{
	const char *patience = getenv("UMBRA_PATIENCE");

	signal(SIGALRM, expired);
	alarm(TIMEOUT * (patience ? atoi(patience) : 1));
}

struct ku_vm *ig_vm_new(void)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct ku_vm *vm = ku_vm_new(0);

	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0ul) || ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		ktap_bail("irqchip and PIT: %m");
	ig_vm_load(vm);
	return vm;
}

void ig_vm_load(struct ku_vm *vm)
{
	int vector;

	ku_load(vm, ops, ops_end - ops);
	ku_load_at(vm, IG_HANDLERS, handlers, handlers_end - handlers);
	for (vector = 0; vector < 256; vector++)
		ku_gate(vm, vector, IG_HANDLERS + 16 * vector, 0, 0);
	ku_gate(vm, 13, op_address(ig_fault), 0, 0);
}

struct ku_vcpu *ig_vcpu_new(struct ku_vm *vm, unsigned long id)
{
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, id);
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_regs regs;

	ku_vcpu_cpuid(vcpu);
	ku_vcpu_long(vcpu, KU_CODE);
	if (!ku_pte(vm, vm->cr3, IG_APIC, 1)) {
		ku_map(vm, vm->cr3, IG_APIC, IG_APIC, KU_PTE_P | KU_PTE_W);
		ku_map(vm, vm->cr3, IG_IOAPIC, IG_IOAPIC, KU_PTE_P | KU_PTE_W);
	}
	if (ioctl(vcpu->fd, KVM_SET_MP_STATE, &state))
		ktap_bail("KVM_SET_MP_STATE: %m");
	regs = ku_get_regs(vcpu);
	regs.rsp = KU_STACK - 0x2000 - 0x1000 * id;
	regs.r15 = IG_LOG + KU_PAGE * id;
	ku_set_regs(vcpu, &regs);
	return vcpu;
}

struct ig_log *ig_log(struct ku_vcpu *vcpu)
{
	return ku_ptr(vcpu->vm, ku_get_regs(vcpu).r15);
}

void ig_log_clear(struct ku_vcpu *vcpu)
{
	struct ig_log *log = ig_log(vcpu);
	uint32_t eoi = log->eoi;

	memset(log, 0, sizeof(*log));
	log->eoi = eoi;
}

static void run_to_done(struct ku_vcpu *vcpu)
{
	int reason;

	do {
		reason = ku_run(vcpu);
	} while (ig_on_exit && ig_on_exit(vcpu, reason));
	if (reason != KVM_EXIT_IO || vcpu->run->io.port != DONE_PORT)
		ktap_bail("the guest ended with %s at %#llx", ku_exit_name(reason),
			  (unsigned long long)ku_get_regs(vcpu).rip);
}

/* Runs one operation; the caller's registers in, the guest's out. */
static struct kvm_regs run_op(struct ku_vcpu *vcpu, const char *op, uint64_t rax, uint64_t rbx,
			      uint64_t rcx, uint64_t rdx)
{
	struct kvm_regs regs = ku_get_regs(vcpu);

	regs.rax = rax;
	regs.rbx = rbx;
	regs.rcx = rcx;
	regs.rdx = rdx;
	regs.rip = op_address(op);
	regs.rflags = 2;
	ku_set_regs(vcpu, &regs);
	ig_log(vcpu)->faulted = 0;
	run_to_done(vcpu);
	return ku_get_regs(vcpu);
}

/* An operation that must not fault. */
static struct kvm_regs run_good(struct ku_vcpu *vcpu, const char *op, uint64_t rax, uint64_t rbx,
				uint64_t rcx, uint64_t rdx)
{
	struct kvm_regs regs = run_op(vcpu, op, rax, rbx, rcx, rdx);

	if (ig_log(vcpu)->faulted)
		ktap_bail("the guest took #GP (rax %#llx rbx %#llx rcx %#llx)",
			  (unsigned long long)rax, (unsigned long long)rbx,
			  (unsigned long long)rcx);
	return regs;
}

uint32_t ig_read(struct ku_vcpu *vcpu, uint64_t gpa)
{
	return run_good(vcpu, ig_read_mem, 0, gpa, 0, 0).rax;
}

void ig_write(struct ku_vcpu *vcpu, uint64_t gpa, uint32_t val)
{
	run_good(vcpu, ig_write_mem, val, gpa, 0, 0);
}

uint64_t ig_rdmsr(struct ku_vcpu *vcpu, uint32_t msr)
{
	struct kvm_regs regs = run_good(vcpu, ig_do_rdmsr, 0, 0, msr, 0);

	return (uint32_t)regs.rax | regs.rdx << 32;
}

void ig_wrmsr(struct ku_vcpu *vcpu, uint32_t msr, uint64_t val)
{
	run_good(vcpu, ig_do_wrmsr, (uint32_t)val, 0, msr, val >> 32);
}

bool ig_rdmsr_faults(struct ku_vcpu *vcpu, uint32_t msr)
{
	run_op(vcpu, ig_do_rdmsr, 0, 0, msr, 0);
	return ig_log(vcpu)->faulted;
}

bool ig_wrmsr_faults(struct ku_vcpu *vcpu, uint32_t msr, uint64_t val)
{
	run_op(vcpu, ig_do_wrmsr, (uint32_t)val, 0, msr, val >> 32);
	return ig_log(vcpu)->faulted;
}

uint8_t ig_in(struct ku_vcpu *vcpu, uint16_t port)
{
	return run_good(vcpu, ig_do_in, 0, 0, 0, port).rax;
}

void ig_out(struct ku_vcpu *vcpu, uint16_t port, uint8_t val)
{
	run_good(vcpu, ig_do_out, val, 0, 0, port);
}

uint64_t ig_rdtsc(struct ku_vcpu *vcpu)
{
	struct kvm_regs regs = run_good(vcpu, ig_do_rdtsc, 0, 0, 0, 0);

	return (uint32_t)regs.rax | regs.rdx << 32;
}

uint64_t ig_read_cr8(struct ku_vcpu *vcpu)
{
	return run_good(vcpu, ig_get_cr8, 0, 0, 0, 0).rax;
}

void ig_write_cr8(struct ku_vcpu *vcpu, uint64_t val)
{
	run_good(vcpu, ig_set_cr8, val, 0, 0, 0);
}

void ig_window(struct ku_vcpu *vcpu)
{
	run_good(vcpu, ig_do_window, 0, 0, 0, 0);
}

uint32_t ig_wait(struct ku_vcpu *vcpu, uint32_t count, uint64_t ticks)
{
	run_good(vcpu, ig_do_wait, 0, ig_rdtsc(vcpu) + ticks, count, 0);
	return ig_log(vcpu)->count;
}

void ig_halt(struct ku_vcpu *vcpu)
{
	run_good(vcpu, ig_do_halt, 0, 0, 0, 0);
}

uint64_t ig_ticks(struct ku_vcpu *vcpu, uint64_t us)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0ul);

	if (khz <= 0)
		ktap_bail("KVM_GET_TSC_KHZ: %m");
	return us * khz / 1000;
}
