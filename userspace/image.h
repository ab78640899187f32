/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: an image file, whole in memory
 *
 * Read once: what the loaders judge is what they copy, whatever happens to
 * the file meanwhile.
 */
#ifndef UMBRA_TOOL_IMAGE_H
#define UMBRA_TOOL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "complaint.h"

/* Nothing that a guest boots from is larger. */
#define IMAGE_MAX_SIZE (4ull << 30)

/**
 * struct image - the bytes of a file
 * @name: as the user wrote it
 * @data: @size bytes, owned by the image
 * @size: in bytes, never 0 after image_read()
 */
struct image {
	const char *name;
	uint8_t *data;
	size_t size;
};

int image_read(struct image *image, const char *path, struct complaint *complaint);
void image_free(struct image *image);
bool image_has(const struct image *image, uint64_t offset, uint64_t size);

#endif
