// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: little-endian fields, the one place that knows the host's order
 */
#include "bytes.h"

#include <endian.h>
#include <string.h>

/** get16() - 16-bit field at @at */
uint16_t get16(const void *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

/** get32() - 32-bit field at @at */
uint32_t get32(const void *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

/** get64() - 64-bit field at @at */
uint64_t get64(const void *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/** put16() - store @value at @at */
void put16(void *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

/** put32() - store @value at @at */
void put32(void *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

/** put64() - store @value at @at */
void put64(void *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}
