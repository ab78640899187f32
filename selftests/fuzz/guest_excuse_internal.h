/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: what excuses ask of an outcome
 *
 * @a is Umbra's throughout, @b stock KVM's.
 */
#ifndef GUEST_EXCUSE_INTERNAL_H
#define GUEST_EXCUSE_INTERNAL_H

#include "guest_compare_internal.h"

/* Both ended by the same exception of the same instruction. */
bool same_fault(const struct outcome *a, const struct outcome *b);

/* The last segment prefix of the culprit; 0: it has none. */
uint8_t segment_prefix(const struct outcome *o);

bool has_mmio(const struct outcome *o, uint64_t from, uint64_t to);

/* The culprit behind its prefixes and a REX, which is INC or DEC in 32-bit code. */
const uint8_t *bare(const struct outcome *o);

bool is_sse(const struct outcome *o);

bool has_address_prefix(const struct outcome *o);

bool is_long(const struct outcome *o);

bool is_canonical(uint64_t address);

bool in_64_bits(const struct outcome *o);

bool in_16_bits(const struct outcome *o);

/* An opcode behind its prefixes; of two-byte ones 0x100 and the second, and a pointer to what follows. */
unsigned int opcode_at(const uint8_t *code, const uint8_t **modrm);

/* The culprit's. */
unsigned int opcode_of(const struct outcome *o, const uint8_t **modrm);

/* Do all registers agree but for the arithmetic flags? */
bool same_but_flags(const struct outcome *a, const struct outcome *b);

/*
 * Do all registers agree but for one, of which @mask says what does?  Memory is not looked at, nor the frame of what
 * comes later.
 */
bool differ_in_part(const struct outcome *a, const struct outcome *b, uint64_t mask);

/* What stock KVM's emulator, or its way of shadowing, makes otherwise than the manuals have it. */
bool is_stock_kvms(const struct outcome *a, const struct outcome *b);

/* What the processor of the bed, QEMU's TCG, makes otherwise. */
bool is_tcgs(const struct outcome *a, const struct outcome *b);

#endif
