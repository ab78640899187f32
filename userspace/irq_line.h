/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: an interrupt line
 *
 * What a device holds instead of the VM: a function to call and its argument.
 * The line remembers its level, so that only changes become ioctls.
 */
#ifndef UMBRA_TOOL_IRQ_LINE_H
#define UMBRA_TOOL_IRQ_LINE_H

#include <stdbool.h>

/**
 * struct irq_line - a wire to the interrupt controllers
 * @set: called on a change of level
 * @opaque: handed to @set
 * @gsi: number of the line
 * @level: present level; guarded by the device's lock
 */
struct irq_line {
	void (*set)(void *opaque, unsigned int gsi, bool level);
	void *opaque;
	unsigned int gsi;
	bool level;
};

/**
 * irq_line_set() - drive the line
 * @line: the line
 * @level: new level
 *
 * Context: under the device's lock.
 */
static inline void irq_line_set(struct irq_line *line, bool level)
{
	if (line->level == level)
		return;
	line->level = level;
	line->set(line->opaque, line->gsi, level);
}

#endif
