# SPDX-License-Identifier: GPL-2.0
# What all engines share.

# Files, fds, memory, buses
core-y := engine.o device.o ioctl.o caps.o vm.o vm_irq.o vcpu.o
core-y += memslot.o guest_mem.o bus.o coalesced.o irqfd.o ioeventfd.o
core-y += stats.o debugfs.o trace.o
