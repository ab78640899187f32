/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DOC: the absence of PCI
 */
#ifndef UMBRA_TOOL_PCI_NONE_H
#define UMBRA_TOOL_PCI_NONE_H

#include "ports.h"

#define PCI_ADDRESS_PORT	0xcf8
#define PCI_PORTS		8

extern const struct port_ops pci_none_ports;

#endif
