// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: reading an image file
 *
 * Leaves to the loaders what the bytes mean.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(const char *path, const struct stat *st, struct complaint *complaint)
{
	if (S_ISDIR(st->st_mode))
		return complain(complaint, "%s: is a directory", path);
	if (!S_ISREG(st->st_mode))
		return complain(complaint, "%s: not a regular file", path);
	if (st->st_size == 0)
		return complain(complaint, "%s: the file is empty", path);
	if ((uint64_t)st->st_size > IMAGE_MAX_SIZE)
		return complain(complaint, "%s: larger than 4 GiB", path);
	return 0;
}

static int read_all(int fd, struct image *image, struct complaint *complaint)
{
	size_t done = 0;

	while (done < image->size) {
		ssize_t got = read(fd, image->data + done, image->size - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return complain(complaint, "%s: %s", image->name, strerror(errno));
		if (got == 0)
			return complain(complaint, "%s: the file shrank while it was read",
					image->name);
		done += got;
	}
	return 0;
}

/**
 * image_read() - read a file whole
 * @image: filled in; image_free() it after success
 * @path: of a regular file, kept as the image's name
 * @complaint: says why not
 *
 * Return: 0, or -1 with a complaint and nothing to free.
 */
int image_read(struct image *image, const char *path, struct complaint *complaint)
{
	struct stat st;
	int result = -1;
	int fd;

	*image = (struct image){ .name = path };
	/* O_NONBLOCK: a FIFO must be refused, not waited for. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return complain(complaint, "%s: %s", path, strerror(errno));
	if (fstat(fd, &st))
		complain(complaint, "%s: %s", path, strerror(errno));
	else
		result = check_file(path, &st, complaint);
	if (!result) {
		image->size = st.st_size;
		image->data = malloc(image->size);
		if (!image->data)
			result = complain(complaint, "%s: no memory to read %zu bytes",
					  path, image->size);
		else
			result = read_all(fd, image, complaint);
	}
	close(fd);
	if (result)
		image_free(image);
	return result;
}

/**
 * image_free() - forget an image's bytes
 * @image: read or zeroed
 */
void image_free(struct image *image)
{
	free(image->data);
	image->data = NULL;
	image->size = 0;
}

/**
 * image_has() - does the file reach this far?
 * @image: the image
 * @offset: in bytes, any value
 * @size: in bytes, any value
 *
 * Return: true when all of [@offset, @offset + @size) is in the file.
 */
bool image_has(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && size <= image->size - offset;
}
