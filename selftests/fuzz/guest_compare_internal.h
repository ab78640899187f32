/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what comparing and excusing have in common
 */
#ifndef GUEST_COMPARE_INTERNAL_H
#define GUEST_COMPARE_INTERNAL_H

#include "guest_fuzz.h"

/* The step ended in the handler of an exception. */
bool ended_in(const struct outcome *o, unsigned int vector);
bool same_exit(const struct seen_exit *a, const struct seen_exit *b);
bool is_read(const struct seen_exit *e, uint32_t reason);
/* Of operand, address, segment or repetition. */
bool is_prefix(uint8_t byte);
/* The code of the fault that was the end, or before a #DB. */
const uint8_t *behind_prefixes(const struct outcome *o);

/*
 * Where stock KVM (@b) or the processor it runs on cannot be asked: a difference from Umbra
 * (@a) means nothing.
 */
bool is_incomparable(const struct outcome *a, const struct outcome *b);

#endif
