/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the host's work for a thread in KVM_RUN
 */
#ifndef UMBRA_WORK_INTERNAL_H
#define UMBRA_WORK_INTERNAL_H

#include <linux/types.h>

/* Rescheduling, signals or task work wait for this thread. */
bool umbra_work_pending(void);

/**
 * umbra_work_handle() - do it, as a return to user mode would
 *
 * Context: may sleep; no SRCU read side held.
 * Return: 0, or -EINTR: a signal is pending.
 */
int umbra_work_handle(void);

#endif
