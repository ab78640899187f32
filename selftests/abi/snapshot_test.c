// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: snapshot_test
 *
 * A guest that lives on timer interrupts and vector registers is stopped, all
 * of its state is read, put into a new VM, and goes on there: in the order of
 * ioctls that Firecracker takes, with all interrupt controllers in the kernel,
 * and in cloud-hypervisor's, with the local APICs only and the TSC deadline.
 */
#include <stdlib.h>

#include "abi_check.h"

#define COUNTER		0x9000u
#define TICKS		0x9008u
#define HANDLER		0x10000u
#define VECTOR		0x40
#define APIC		0xfee00000ull
#define PORT		0x10
#define MSR_TSC		0x10u
#define MSR_DEADLINE	0x6e0u
#define MSR_CLOCK	0x4b564d01u
#define CLOCK_PAGE	0xa001u
#define MAX_MSRS	256

/* EDI: 1 for the deadline timer.  XMM1 is 1; XMM0 and [9000h] count alike, or else #UD. */
KU_CODE64(guest,
	  "mov $0xfee00000, %r15d\n"
	  "mov $1, %eax\n movq %rax, %xmm1\n pxor %xmm0, %xmm0\n"
	  "movl $0x1ff, 0xf0(%r15)\n"		/* SVR: enable */
	  "movl $0xb, 0x3e0(%r15)\n"		/* TDCR: by 1 */
	  "mov $0x4b564d01, %ecx\n mov $0xa001, %eax\n xor %edx, %edx\n wrmsr\n"
	  "test %edi, %edi\n jnz 1f\n"
	  "movl $0x20040, 0x320(%r15)\n"		/* LVTT: periodic, vector 40h */
	  "movl $1000000, 0x380(%r15)\n"		/* TMICT */
	  "jmp 2f\n"
	  "1: movl $0x40040, 0x320(%r15)\n"	/* LVTT: deadline */
	  "mfence\n"
	  "mov $0x6e0, %ecx\n rdtsc\n add $1000000, %eax\n adc $0, %edx\n wrmsr\n"
	  "2: sti\n hlt\n cli\n"
	  "paddq %xmm1, %xmm0\n incq 0x9000\n"
	  "movq %xmm0, %rax\n cmp %rax, 0x9000\n je 3f\n ud2\n"
	  "3: out %al, $0x10\n"
	  "jmp 2b\n");
KU_CODE64(handler,
	  "push %rax\n push %rcx\n push %rdx\n"
	  "incq 0x9008\n"
	  "movl $0, 0xb0(%r15)\n"		/* EOI */
	  "test %edi, %edi\n jz 1f\n"
	  "mov $0x6e0, %ecx\n rdtsc\n add $1000000, %eax\n adc $0, %edx\n wrmsr\n"
	  "1: pop %rdx\n pop %rcx\n pop %rax\n iretq\n");

struct msrs {
	struct kvm_msrs head;
	struct kvm_msr_entry e[MAX_MSRS];
};

/* All that a client saves. */
struct state {
	struct kvm_mp_state mp;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_fpu fpu;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debug;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct msrs msrs;
	long tsc_khz;
	struct kvm_pit_state2 pit;
	struct kvm_clock_data clock;
	struct kvm_irqchip chip[3];
};

static void must(long ret, const char *what)
{
	if (ret < 0)
		ktap_bail("%s: %s", what, strerror(errno));
}

#define GET(fd, name, to) must(ioctl(fd, KVM_GET_##name, to), "KVM_GET_" #name)
#define SET(fd, name, from) must(ioctl(fd, KVM_SET_##name, from), "KVM_SET_" #name)

static struct ku_vm *new_vm(bool split)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	struct ku_vm *vm = ku_vm_new(0);

	must(ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000ul), "KVM_SET_TSS_ADDR");
	if (split) {
		must(ioctl(vm->fd, KVM_ENABLE_CAP, &cap), "KVM_CAP_SPLIT_IRQCHIP");
	} else {
		must(ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0ul), "KVM_CREATE_IRQCHIP");
		must(ioctl(vm->fd, KVM_CREATE_PIT2, &pit), "KVM_CREATE_PIT2");
	}
	return vm;
}

static void list_msrs(int dev, struct msrs *msrs)
{
	struct {
		struct kvm_msr_list head;
		uint32_t index[MAX_MSRS];
	} list = { .head.nmsrs = MAX_MSRS };
	unsigned int i;

	must(ioctl(dev, KVM_GET_MSR_INDEX_LIST, &list), "KVM_GET_MSR_INDEX_LIST");
	msrs->head.nmsrs = list.head.nmsrs;
	for (i = 0; i < list.head.nmsrs; i++)
		msrs->e[i].index = list.index[i];
}

static void save(struct ku_vm *vm, struct ku_vcpu *vcpu, bool split, struct state *s)
{
	int i, n;

	/* KVM_GET_MP_STATE first: it may have INIT and SIPI take effect. */
	GET(vcpu->fd, MP_STATE, &s->mp);
	GET(vcpu->fd, REGS, &s->regs);
	GET(vcpu->fd, SREGS, &s->sregs);
	GET(vcpu->fd, XSAVE, &s->xsave);
	GET(vcpu->fd, FPU, &s->fpu);
	GET(vcpu->fd, XCRS, &s->xcrs);
	GET(vcpu->fd, DEBUGREGS, &s->debug);
	GET(vcpu->fd, LAPIC, &s->lapic);
	s->tsc_khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0ul);
	list_msrs(vm->dev, &s->msrs);
	n = ioctl(vcpu->fd, KVM_GET_MSRS, &s->msrs);
	if (n != (int)s->msrs.head.nmsrs)
		ktap_bail("KVM_GET_MSRS: %d of %u", n, s->msrs.head.nmsrs);
	GET(vcpu->fd, VCPU_EVENTS, &s->events);
	GET(vm->fd, CLOCK, &s->clock);
	if (split)
		return;
	GET(vm->fd, PIT2, &s->pit);
	for (i = 0; i < 3; i++) {
		s->chip[i].chip_id = i;
		GET(vm->fd, IRQCHIP, &s->chip[i]);
	}
}

/* KVM lists MSRs that it does not take back. */
static void set_msrs(struct ku_vcpu *vcpu, struct state *s)
{
	struct msrs one = { .head.nmsrs = 1 };
	unsigned int i;

	if (is_umbra()) {
		ktap_ok(ioctl(vcpu->fd, KVM_SET_MSRS, &s->msrs) == (int)s->msrs.head.nmsrs,
			"all %u MSRs are taken back", s->msrs.head.nmsrs);
		return;
	}
	for (i = 0; i < s->msrs.head.nmsrs; i++) {
		one.e[0] = s->msrs.e[i];
		ioctl(vcpu->fd, KVM_SET_MSRS, &one);
	}
	ktap_skip("all MSRs are taken back", "KVM lists more than it takes");
}

static void restore(struct ku_vm *vm, struct ku_vcpu *vcpu, bool split, struct state *s)
{
	int i;

	SET(vcpu->fd, MP_STATE, &s->mp);
	SET(vcpu->fd, REGS, &s->regs);
	SET(vcpu->fd, SREGS, &s->sregs);
	SET(vcpu->fd, XSAVE, &s->xsave);
	SET(vcpu->fd, XCRS, &s->xcrs);
	if (split) {
		SET(vcpu->fd, LAPIC, &s->lapic);
		SET(vcpu->fd, FPU, &s->fpu);
		must(ioctl(vcpu->fd, KVM_SET_TSC_KHZ, s->tsc_khz), "KVM_SET_TSC_KHZ");
	} else {
		SET(vcpu->fd, DEBUGREGS, &s->debug);
		SET(vcpu->fd, LAPIC, &s->lapic);
	}
	set_msrs(vcpu, s);
	SET(vcpu->fd, VCPU_EVENTS, &s->events);
	s->clock.flags &= ~KVM_CLOCK_TSC_STABLE;
	SET(vm->fd, CLOCK, &s->clock);
	if (split)
		return;
	SET(vm->fd, PIT2, &s->pit);
	for (i = 0; i < 3; i++)
		SET(vm->fd, IRQCHIP, &s->chip[i]);
}

/* What runs by itself is left out of the comparison. */
static void still(struct state *s)
{
	unsigned int i;

	memset(s->lapic.regs + 0x390, 0, 4);		/* the timer's current count */
	s->lapic.regs[0x200 + VECTOR / 32 * 16] &= ~1;	/* IRR: its interrupt */
	memset(&s->clock, 0, sizeof(s->clock));
	for (i = 0; i < 3; i++)
		s->pit.channels[i].count_load_time = 0;
	for (i = 0; i < s->msrs.head.nmsrs; i++)
		if (s->msrs.e[i].index == MSR_TSC || s->msrs.e[i].index == MSR_DEADLINE)
			s->msrs.e[i].data = 0;
}

static uint64_t msr(const struct state *s, uint32_t index)
{
	unsigned int i;

	for (i = 0; i < s->msrs.head.nmsrs; i++)
		if (s->msrs.e[i].index == index)
			return s->msrs.e[i].data;
	return 0;
}

#define SAME(a, b, field) \
	ktap_ok(!memcmp(&(a)->field, &(b)->field, sizeof((a)->field)), #field " read back the same")

static void compare(struct state *a, struct state *b)
{
	still(a);
	still(b);
	SAME(a, b, mp);
	SAME(a, b, regs);
	SAME(a, b, sregs);
	SAME(a, b, xsave);
	SAME(a, b, xcrs);
	SAME(a, b, debug);
	SAME(a, b, lapic);
	SAME(a, b, events);
	if (is_umbra())
		SAME(a, b, msrs);
	else
		ktap_skip("msrs read back the same", "KVM lists more than it takes");
	SAME(a, b, pit);
	SAME(a, b, chip);
}

/* Some turns of the guest's loop; the last OUT is complete then. */
static bool turns(struct ku_vm *vm, struct ku_vcpu *vcpu, unsigned int n)
{
	volatile uint64_t *counter = ku_ptr(vm, COUNTER), first = *counter;
	unsigned int i;

	for (i = 1; i <= n; i++)
		if (ku_run_out(vcpu, PORT) != ((first + i) & 0xff))
			return false;
	vcpu->run->immediate_exit = 1;
	ioctl(vcpu->fd, KVM_RUN, 0ul);
	vcpu->run->immediate_exit = 0;
	return *counter == first + n;
}

/* With the TSC deadline, which a client adds by itself when the capability is there. */
static struct ku_vcpu *new_vcpu(struct ku_vm *vm)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 e[256];
	} table = { .head.nent = 256 };
	struct ku_vcpu *vcpu = ku_vcpu_new(vm, 0);
	unsigned int i;

	must(ioctl(vm->dev, KVM_GET_SUPPORTED_CPUID, &table), "KVM_GET_SUPPORTED_CPUID");
	for (i = 0; i < table.head.nent; i++)
		if (table.e[i].function == 1)
			table.e[i].ecx |= 1 << 24;
	must(ioctl(vcpu->fd, KVM_SET_CPUID2, &table), "KVM_SET_CPUID2");
	return vcpu;
}

static struct ku_vcpu *start(struct ku_vm *vm, bool split)
{
	struct ku_vcpu *vcpu = new_vcpu(vm);
	struct kvm_regs regs;

	ku_load(vm, guest, guest_end - guest);
	ku_load_at(vm, HANDLER, handler, handler_end - handler);
	ku_vcpu_long(vcpu, KU_CODE);
	ku_map(vm, vm->cr3, APIC, APIC, KU_PTE_P | KU_PTE_W);
	ku_gate(vm, VECTOR, HANDLER, 0, 0);
	regs = ku_get_regs(vcpu);
	regs.rdi = split;
	ku_set_regs(vcpu, &regs);
	return vcpu;
}

static void test_move(bool split)
{
	struct state *before = calloc(1, sizeof(*before)), *after = calloc(1, sizeof(*after));
	struct ku_vm *from = new_vm(split), *to = new_vm(split);
	/* The first of both: a TSC within a second of a vCPU's own is that one (kvm_synchronize_tsc()), which shall not be behind. */
	struct ku_vcpu *moved = new_vcpu(to), *vcpu = start(from, split);
	uint64_t ticks, tsc, clock;

	if (!before || !after)
		ktap_bail("out of memory");
	ktap_ok(turns(from, vcpu, 5), "the guest counts its interrupts");
	save(from, vcpu, split, before);
	memcpy(to->mem, from->mem, from->mem_size);
	ku_vcpu_free(vcpu);
	ku_vm_free(from);

	tsc = msr(before, MSR_TSC);
	clock = before->clock.clock;
	restore(to, moved, split, before);
	save(to, moved, split, after);
	ktap_ok(msr(after, MSR_TSC) >= tsc, "the TSC goes on");
	ktap_ok(after->clock.clock >= clock, "so does kvmclock");
	compare(before, after);

	ticks = *(uint64_t *)ku_ptr(to, TICKS);
	ktap_ok(turns(to, moved, 5), "the guest goes on counting");
	ktap_ok(*(uint64_t *)ku_ptr(to, TICKS) >= ticks + 5, "its timer goes on");
	free(before);
	free(after);
	ku_vcpu_free(moved);
	ku_vm_free(to);
}

int main(void)
{
	ktap_plan(2 * 17);
	ktap_note("as Firecracker does it");
	test_move(false);
	ktap_note("as cloud-hypervisor does it");
	test_move(true);
	ktap_exit();
}
