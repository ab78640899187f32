/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: tracepoints of the shadow MMU
 *
 * umbra/trace.h has the events; a hosted build gets empty ones.  Kept apart
 * so that a file that traces includes one private header, not the tracing
 * machinery's conventions.
 */
#ifndef UMBRA_MMU_TRACE_H
#define UMBRA_MMU_TRACE_H

#include "umbra/trace.h"

#endif
