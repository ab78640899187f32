/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: names of KVM's capabilities
 */
#ifndef UMBRA_TOOL_CAP_NAMES_H
#define UMBRA_TOOL_CAP_NAMES_H

/**
 * struct cap_name - a capability
 * @cap: number
 * @name: without KVM_CAP_
 */
struct cap_name {
	unsigned int cap;
	const char *name;
};

extern const struct cap_name cap_names[];
extern const unsigned int nr_cap_names;

#endif
