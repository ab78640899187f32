# SPDX-License-Identifier: GPL-2.0
# What all engines share.

# Files, fds, memory, buses
core-y := engine.o device.o ioctl.o caps.o vm.o vm_irq.o vcpu.o
core-y += memslot.o guest_mem.o bus.o coalesced.o irqfd.o ioeventfd.o
core-y += stats.o debugfs.o look.o trace.o

# The processor
core-y += run.o work.o exit.o halt.o event.o mp.o reset.o
core-y += regs.o sync_regs.o cr.o dr.o fpu.o msr.o msr_user.o mce.o mtrr.o cpuid.o clock.o steal.o
core-y += emulate.o soft.o soft_tlb.o io.o pio_string.o guest_debug.o
