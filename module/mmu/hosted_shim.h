/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: hosted shim of the shadow MMU
 *
 * Lists, locks that only check their own use, and atomic exchange, for the
 * build of the shadow MMU as ordinary user code.  Never seen by the module.
 */
#ifndef UMBRA_MMU_HOSTED_SHIM_H
#define UMBRA_MMU_HOSTED_SHIM_H

#include <assert.h>
#include "umbra/types.h"

struct list_head {
	struct list_head *next, *prev;
};

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

#define LIST_HEAD(name) struct list_head name = { &(name), &(name) }

static inline void list_add(struct list_head *item, struct list_head *head)
{
	item->prev = head;
	item->next = head->next;
	head->next->prev = item;
	head->next = item;
}

static inline void list_add_tail(struct list_head *item, struct list_head *head)
{
	list_add(item, head->prev);
}

static inline void list_del_init(struct list_head *item)
{
	item->next->prev = item->prev;
	item->prev->next = item->next;
	INIT_LIST_HEAD(item);
}

static inline void list_move(struct list_head *item, struct list_head *head)
{
	list_del_init(item);
	list_add(item, head);
}

static inline void list_move_tail(struct list_head *item, struct list_head *head)
{
	list_del_init(item);
	list_add_tail(item, head);
}

static inline int list_empty(const struct list_head *head)
{
	return head->next == head;
}

#define list_entry(p, type, member)	container_of(p, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_for_each_entry(pos, head, member)				\
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head);					\
	     (pos) = list_entry((pos)->member.next, __typeof__(*(pos)), member))
#define list_for_each_entry_safe(pos, tmp, head, member)		\
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member), \
	     (tmp) = list_entry((pos)->member.next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head);					\
	     (pos) = (tmp),						\
	     (tmp) = list_entry((tmp)->member.next, __typeof__(*(pos)), member))

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	if (node->next)
		node->next->pprev = &node->next;
	head->first = node;
	node->pprev = &head->first;
}

static inline void hlist_del_init(struct hlist_node *node)
{
	if (!node->pprev)
		return;
	*node->pprev = node->next;
	if (node->next)
		node->next->pprev = node->pprev;
	node->next = NULL;
	node->pprev = NULL;
}

#define hlist_entry_safe_(p, type, member)				\
	({								\
		struct hlist_node *node_ = (p);				\
		node_ ? container_of(node_, type, member) : NULL;	\
	})
#define hlist_for_each_entry(pos, head, member)				\
	for ((pos) = hlist_entry_safe_((head)->first, __typeof__(*(pos)), member); \
	     (pos);							\
	     (pos) = hlist_entry_safe_((pos)->member.next, __typeof__(*(pos)), member))
#define hlist_for_each_entry_safe(pos, tmp, head, member)		\
	for ((pos) = hlist_entry_safe_((head)->first, __typeof__(*(pos)), member); \
	     (pos) && ({ (tmp) = (pos)->member.next; 1; });		\
	     (pos) = hlist_entry_safe_((tmp), __typeof__(*(pos)), member))

typedef struct {
	int held;
} spinlock_t;

static inline void spin_lock_init(spinlock_t *lock)
{
	lock->held = 0;
}

static inline void spin_lock(spinlock_t *lock)
{
	assert(!lock->held);
	lock->held = 1;
}

static inline void spin_unlock(spinlock_t *lock)
{
	assert(lock->held);
	lock->held = 0;
}

/* @held: 1: for writing, 2: for reading.  No test has two readers. */
typedef struct {
	int held;
} rwlock_t;

static inline void rwlock_init(rwlock_t *lock)
{
	lock->held = 0;
}

static inline void write_lock(rwlock_t *lock)
{
	assert(!lock->held);
	lock->held = 1;
}

static inline void write_unlock(rwlock_t *lock)
{
	assert(lock->held == 1);
	lock->held = 0;
}

static inline void read_lock(rwlock_t *lock)
{
	assert(!lock->held);
	lock->held = 2;
}

static inline bool read_trylock(rwlock_t *lock)
{
	if (lock->held)
		return false;
	lock->held = 2;
	return true;
}

static inline bool write_trylock(rwlock_t *lock)
{
	if (lock->held)
		return false;
	lock->held = 1;
	return true;
}

static inline void read_unlock(rwlock_t *lock)
{
	assert(lock->held == 2);
	lock->held = 0;
}

struct mutex {
	int held;
};

#define DEFINE_MUTEX(name) struct mutex name

static inline int mutex_trylock(struct mutex *mutex)
{
	return mutex->held ? 0 : ++mutex->held;
}

static inline void mutex_lock(struct mutex *mutex)
{
	assert(!mutex->held);
	mutex->held = 1;
}

static inline void mutex_unlock(struct mutex *mutex)
{
	assert(mutex->held);
	mutex->held = 0;
}

typedef struct {
	long counter;
} atomic_long_t;

#define atomic_long_inc(v)	((void)__atomic_add_fetch(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_long_dec(v)	((void)__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_long_read(v)	__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)

typedef struct {
	int counter;
} atomic_t;

#define atomic_inc(v)	((void)__atomic_add_fetch(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_dec(v)	((void)__atomic_sub_fetch(&(v)->counter, 1, __ATOMIC_RELAXED))
#define atomic_read(v)	__atomic_load_n(&(v)->counter, __ATOMIC_RELAXED)

#define __releases(lock)

#define lockdep_assert(cond)			assert(cond)
#define lockdep_is_held(lock)			((lock)->held)
#define lockdep_is_held_type(lock, read)	((lock)->held == 1 + (read))
#define lockdep_assert_held(lock)		assert((lock)->held)
#define lockdep_assert_held_write(lock)		assert((lock)->held == 1)
#define lockdep_assert_held_read(lock)		assert((lock)->held == 2)
#define cond_resched_rwlock_write(lock)		assert((lock)->held == 1)

#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define cmpxchg64(p, o, n)						\
	({								\
		__typeof__(*(p)) old_ = (o);				\
		__atomic_compare_exchange_n(p, &old_, n, 0, __ATOMIC_SEQ_CST, \
					    __ATOMIC_SEQ_CST);		\
		old_;							\
	})
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)

#define ERR_PTR(e)		((void *)(long)(e))
#define IS_ERR(p)		((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p)		((long)(p))

struct mmu_notifier {
	int unused;
};

struct page;

#endif
