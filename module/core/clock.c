// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: the guest's clocks
 *
 * The guest's TSC is the host's plus an offset, at the host's rate: scaling is
 * refused.  kvmclock (Documentation/virt/kvm/x86/msr.rst) is a page a vCPU
 * that pairs a TSC value with nanoseconds since the VM began.
 */
#include "clock_internal.h"

#include <linux/kvm_para.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <asm/msr.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>

#include "ioctl_internal.h"

#define CLOCK_PAGE_ENABLE	BIT_ULL(0)
#define CLOCK_FLAGS		(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/* TSC. */

u64 umbra_guest_tsc(struct umbra_vcpu *vcpu)
{
	return rdtsc_ordered() + vcpu->tsc_offset;
}

static void set_offset(struct umbra_vcpu *vcpu, u64 offset)
{
	vcpu->tsc_offset = offset;
	vcpu->vm->engine->set_tsc_offset(vcpu, offset);
	if (vcpu->clock_msr)
		umbra_request(vcpu, UMBRA_REQ_CLOCK);
}

/*
 * Userspace that restores or starts several vCPUs writes nearly the same value
 * to each, or 0: such writes, less than a second off what the last one would
 * read now, mean "the same TSC".
 */
static u64 synchronized_offset(struct umbra_vm *vm, u64 tsc, u64 now)
{
	u64 expected, delta, second = (u64)tsc_khz * 1000;

	spin_lock(&vm->clock_lock);
	expected = vm->tsc_written + (now - vm->tsc_written_at);
	delta = tsc > expected ? tsc - expected : expected - tsc;
	if (!vm->tsc_written_at || (tsc && delta >= second)) {
		vm->tsc_offset = tsc - now;
		vm->tsc_written = tsc;
		vm->tsc_written_at = now;
	}
	tsc = vm->tsc_offset;
	spin_unlock(&vm->clock_lock);
	return tsc;
}

void umbra_clock_set_tsc(struct umbra_vcpu *vcpu, u64 tsc, bool host)
{
	u64 now = rdtsc_ordered();

	set_offset(vcpu, host ? synchronized_offset(vcpu->vm, tsc, now) : tsc - now);
}

void umbra_clock_reset(struct umbra_vcpu *vcpu)
{
	vcpu->tsc_khz = vcpu->vm->tsc_khz;
	set_offset(vcpu, synchronized_offset(vcpu->vm, 0, rdtsc_ordered()));
}

/* KVM_SET_TSC_KHZ: only the host's own rate, give or take what NTP calls noise (250 ppm). */
UMBRA_VCPU_IOCTL(set_tsc_khz)
{
	unsigned long khz = umbra_ioctl_value(uarg);
	unsigned long slack = tsc_khz / 4000;

	if (khz && (khz < tsc_khz - slack || khz > tsc_khz + slack))
		return -EINVAL;
	vcpu->tsc_khz = khz ?: tsc_khz;
	return 0;
}

UMBRA_VCPU_IOCTL(get_tsc_khz)
{
	return vcpu->tsc_khz;
}

/*
 * Attributes of a vCPU (KVM Documentation/virt/kvm/devices/vcpu.rst): only the
 * offset of its TSC, by which a client moves a guest without reading the clock.
 */
static bool is_tsc_offset(const struct kvm_device_attr *attr)
{
	return attr->group == KVM_VCPU_TSC_CTRL && attr->attr == KVM_VCPU_TSC_OFFSET;
}

/* KVM_HAS_DEVICE_ATTR */
UMBRA_VCPU_IOCTL(has_device_attr)
{
	return is_tsc_offset(arg) ? 0 : -ENXIO;
}

/* KVM_GET_DEVICE_ATTR */
UMBRA_VCPU_IOCTL(get_device_attr)
{
	const struct kvm_device_attr *attr = arg;

	if (!is_tsc_offset(attr))
		return -ENXIO;
	return put_user(vcpu->tsc_offset, (u64 __user *)u64_to_user_ptr(attr->addr));
}

/* KVM_SET_DEVICE_ATTR: later vCPUs and writes of the TSC go by this one's, as after KVM_SET_MSRS. */
UMBRA_VCPU_IOCTL(set_device_attr)
{
	const struct kvm_device_attr *attr = arg;
	struct umbra_vm *vm = vcpu->vm;
	u64 offset, now;

	if (!is_tsc_offset(attr))
		return -ENXIO;
	if (get_user(offset, (u64 __user *)u64_to_user_ptr(attr->addr)))
		return -EFAULT;
	spin_lock(&vm->clock_lock);
	now = rdtsc_ordered();
	vm->tsc_offset = offset;
	vm->tsc_written = now + offset;
	vm->tsc_written_at = now;
	spin_unlock(&vm->clock_lock);
	set_offset(vcpu, offset);
	return 0;
}

/* kvmclock. */

u32 umbra_clock_features(void)
{
	return BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
	       BIT(KVM_FEATURE_NOP_IO_DELAY);
}

static u64 vm_clock_ns(struct umbra_vm *vm)
{
	return ktime_get_boottime_ns() + READ_ONCE(vm->clock_offset);
}

/* ns = ((ticks << shift) * mul) >> 32, with mul as large as fits (pvclock ABI). */
static void set_scale(struct pvclock_vcpu_time_info *t, u64 hz)
{
	u64 ns = NSEC_PER_SEC;
	s8 shift = 0;

	while (hz > ns * 2) {
		hz >>= 1;
		shift--;
	}
	while (hz <= ns) {
		hz <<= 1;
		shift++;
	}
	/* Now ns < hz <= 2 * ns, so the quotient has 32 bits. */
	t->tsc_shift = shift;
	t->tsc_to_system_mul = div64_u64(ns << 32, hz);
}

int umbra_pv_write(struct umbra_vm *vm, gpa_t gpa, void *area, unsigned int len, u32 *version)
{
	gpa_t at = gpa + ((u8 *)version - (u8 *)area);

	/* Odd versions tell readers that the fields change under them. */
	*version = (*version | 1) + (*version & 1 ? 2 : 0);
	if (umbra_guest_write(vm, at, version, sizeof(*version)))
		return -EFAULT;
	/* Odd version, contents, even version: the guest reads in the same order. */
	smp_wmb();
	umbra_guest_write(vm, gpa, area, len);
	/* As above. */
	smp_wmb();
	++*version;
	return umbra_guest_write(vm, at, version, sizeof(*version));
}

static void write_page(struct umbra_vcpu *vcpu, struct pvclock_vcpu_time_info *t)
{
	gpa_t gpa = vcpu->clock_msr & ~CLOCK_PAGE_ENABLE;
	struct umbra_vm *vm = vcpu->vm;

	if ((gpa & ~UMBRA_PAGE_MASK) + sizeof(*t) > UMBRA_PAGE_SIZE)
		return;
	if (!umbra_guest_read(vm, gpa, &t->version, sizeof(t->version)))
		umbra_pv_write(vm, gpa, t, sizeof(*t), &t->version);
}

void umbra_clock_update(struct umbra_vcpu *vcpu)
{
	struct pvclock_vcpu_time_info t = {};
	unsigned long flags;

	if (!(vcpu->clock_msr & CLOCK_PAGE_ENABLE))
		return;
	/* The two readings belong together. */
	local_irq_save(flags);
	t.tsc_timestamp = umbra_guest_tsc(vcpu);
	t.system_time = vm_clock_ns(vcpu->vm);
	local_irq_restore(flags);
	set_scale(&t, (u64)vcpu->tsc_khz * 1000);
	if (vcpu->clock_stopped) {
		t.flags |= PVCLOCK_GUEST_STOPPED;
		vcpu->clock_stopped = false;
	}
	write_page(vcpu, &t);
}

void umbra_clock_set_page(struct umbra_vcpu *vcpu, u64 val)
{
	vcpu->clock_msr = val;
	umbra_request(vcpu, UMBRA_REQ_CLOCK);
}

void umbra_clock_set_wall(struct umbra_vcpu *vcpu, u64 val)
{
	struct umbra_vm *vm = vcpu->vm;
	struct pvclock_wall_clock wc = {};
	u64 ns;

	vcpu->wall_msr = val;
	if (!val || umbra_guest_read(vm, val, &wc.version, sizeof(wc.version)))
		return;
	/* Wall time at the moment when kvmclock was 0. */
	ns = ktime_get_real_ns() - vm_clock_ns(vm);
	wc.sec = div_u64_rem(ns, NSEC_PER_SEC, &wc.nsec);
	umbra_pv_write(vm, val, &wc, sizeof(wc), &wc.version);
}

/* KVM_KVMCLOCK_CTRL: the guest was stopped by the host; its watchdogs shall know. */
UMBRA_VCPU_IOCTL(kvmclock_ctrl)
{
	if (!(vcpu->clock_msr & CLOCK_PAGE_ENABLE))
		return -EINVAL;
	vcpu->clock_stopped = true;
	umbra_request(vcpu, UMBRA_REQ_CLOCK);
	return 0;
}

/* KVM_GET_CLOCK */
UMBRA_VM_IOCTL(get_clock)
{
	struct kvm_clock_data *clock = arg;
	unsigned long flags;

	memset(clock, 0, sizeof(*clock));
	local_irq_save(flags);
	clock->clock = vm_clock_ns(vm);
	clock->realtime = ktime_get_real_ns();
	clock->host_tsc = rdtsc_ordered();
	local_irq_restore(flags);
	clock->flags = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	return 0;
}

/* KVM_SET_CLOCK: with KVM_CLOCK_REALTIME time goes on since the snapshot was taken. */
UMBRA_VM_IOCTL(set_clock)
{
	const struct kvm_clock_data *clock = arg;
	u64 ns = clock->clock, now = ktime_get_real_ns();

	if (clock->flags & ~CLOCK_FLAGS)
		return -EINVAL;
	if ((clock->flags & KVM_CLOCK_REALTIME) && now > clock->realtime)
		ns += now - clock->realtime;
	WRITE_ONCE(vm->clock_offset, ns - ktime_get_boottime_ns());
	umbra_vm_request(vm, UMBRA_REQ_CLOCK, false);
	return 0;
}
