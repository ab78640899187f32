/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: exits to userspace
 */
#ifndef UMBRA_TOOL_EXITS_H
#define UMBRA_TOOL_EXITS_H

struct vcpu;

void exits_handle(struct vcpu *vcpu);

#endif
