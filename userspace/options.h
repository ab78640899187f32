/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: values of options
 */
#ifndef UMBRA_TOOL_OPTIONS_H
#define UMBRA_TOOL_OPTIONS_H

#include <stdint.h>

#include "complaint.h"

int options_number(const char *option, const char *text, uint64_t min, uint64_t max,
		   uint64_t *value, struct complaint *complaint);
int options_size(const char *option, const char *text, uint64_t *bytes,
		 struct complaint *complaint);
int options_vm(int argc, char **argv, const char **vm, struct complaint *complaint);

#endif
