// SPDX-License-Identifier: GPL-2.0
/*
 * DOC: tracepoints, the bodies
 *
 * The one place where the events of umbra/trace.h are made; everybody else
 * only calls them.
 */
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include "umbra/trace.h"
