/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: kernel versions
 *
 * The only place that asks which kernel this is.  Umbra is written for the
 * newest API that it knows; here stands what older kernels, down to 6.1, call
 * differently.  Each block names the release that changed it.
 */
#ifndef UMBRA_COMPAT_H
#define UMBRA_COMPAT_H

#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "Umbra needs Linux 6.1 or newer"
#endif

/* 6.4: smp_send_reschedule() became a macro with a tracepoint that its header lacks. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#include <trace/events/ipi.h>
#endif

/* 6.16: cpuid_count() and its like moved out of asm/processor.h. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
#include <asm/cpuid/api.h>
#endif

/* 6.12: it moved. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/* How long this thread has waited for CPUs since it began, ns. */
static inline u64 umbra_run_delay(void)
{
#ifdef CONFIG_SCHED_INFO
	return current->sched_info.run_delay;
#else
	return 0;
#endif
}

/* 6.8: eventfd_signal() adds one and takes no count. */
static inline void umbra_eventfd_signal(struct eventfd_ctx *ctx)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	eventfd_signal(ctx);
#else
	eventfd_signal(ctx, 1);
#endif
}

/* 6.11: the caller may change kvm_run at any time, and this field's name now says so. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define umbra_immediate_exit(kvm_run)	READ_ONCE((kvm_run)->immediate_exit__unsafe)
#else
#define umbra_immediate_exit(kvm_run)	READ_ONCE((kvm_run)->immediate_exit)
#endif

/* 6.12: struct fd became opaque. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) && !defined(fd_file)
#define fd_file(f)	((f).file)
#endif

/* 6.12: no_llseek went; files without .llseek refuse to seek by themselves. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#define UMBRA_NO_LLSEEK	.llseek = no_llseek,
#else
#define UMBRA_NO_LLSEEK
#endif

/* 6.13/6.15: hrtimer_setup() takes the function, hrtimer_init() went. */
static inline void umbra_hrtimer_setup(struct hrtimer *timer,
				       enum hrtimer_restart (*fn)(struct hrtimer *),
				       clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, fn, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
#endif
}

/* 6.3: vm_flags became read-only, changed by helpers. */
static inline void umbra_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

/* 6.15: del_timer() went; 6.16: from_timer() went (timer_container_of). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define timer_delete_sync(t)	del_timer_sync(t)
#endif

/*
 * 6.19: syscore callbacks are told whose they are, and are registered with
 * another function.  UMBRA_DEFINE_SYSCORE() takes functions without arguments.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define UMBRA_DEFINE_SYSCORE(name, suspend_fn, resume_fn, shutdown_fn)			\
static int name##_suspend(void *data) { return suspend_fn(); }				\
static void name##_resume(void *data) { resume_fn(); }					\
static void name##_shutdown(void *data) { shutdown_fn(); }				\
static const struct syscore_ops name##_ops = {						\
	.suspend = name##_suspend, .resume = name##_resume, .shutdown = name##_shutdown,\
};											\
static struct syscore name = { .ops = &name##_ops }
#define umbra_register_syscore(s)	register_syscore(s)
#define umbra_unregister_syscore(s)	unregister_syscore(s)
#else
#define UMBRA_DEFINE_SYSCORE(name, suspend_fn, resume_fn, shutdown_fn)			\
static struct syscore_ops name = {							\
	.suspend = suspend_fn, .resume = resume_fn, .shutdown = shutdown_fn,		\
}
#define umbra_register_syscore(s)	register_syscore_ops(s)
#define umbra_unregister_syscore(s)	unregister_syscore_ops(s)
#endif

/* 6.18: the work before guest mode is not KVM's alone; it lost its vcpu argument. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#include <linux/entry-virt.h>
#define umbra_xfer_work(kvm_vcpu)	xfer_to_guest_mode_handle_work()
#else
#include <linux/entry-kvm.h>
#define umbra_xfer_work(kvm_vcpu)	xfer_to_guest_mode_handle_work(kvm_vcpu)
#endif

/* 6.7: shrinkers are allocated by their own function. */
static inline struct shrinker *
umbra_shrinker_new(const char *name,
		   unsigned long (*count)(struct shrinker *s, struct shrink_control *sc),
		   unsigned long (*scan)(struct shrinker *s, struct shrink_control *sc))
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	struct shrinker *shrinker = shrinker_alloc(0, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker_register(shrinker);
	return shrinker;
#else
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = DEFAULT_SEEKS;
	if (!register_shrinker(shrinker, "%s", name))
		return shrinker;
	kfree(shrinker);
	return NULL;
#endif
}

static inline void umbra_shrinker_free(struct shrinker *shrinker)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

/* 7.x: the notifier's questions after young pages are answered with bool, not int. */
#define umbra_young_t \
	__typeof__(((struct mmu_notifier_ops *)NULL)->clear_young(NULL, NULL, 0, 0))

/*
 * Debug register @n, a number as such.  get_debugreg() of 6.1 is asm that is not volatile: a compiler
 * may read once what is read in a loop, or behind a write.
 */
#define umbra_read_dr(n)	({						\
	unsigned long dr_;							\
	asm volatile("mov %%db" #n ", %0" : "=r"(dr_));				\
	dr_;									\
})

#endif
