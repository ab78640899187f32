/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: little-endian fields at any alignment
 *
 * Images and boot tables are byte strings: fields are read and written by
 * offset, never by laying a struct over foreign data.
 */
#ifndef UMBRA_TOOL_BYTES_H
#define UMBRA_TOOL_BYTES_H

#include <stdint.h>

uint16_t get16(const void *at);
uint32_t get32(const void *at);
uint64_t get64(const void *at);
void put16(void *at, uint16_t value);
void put32(void *at, uint32_t value);
void put64(void *at, uint64_t value);

#endif
