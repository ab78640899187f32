# SPDX-License-Identifier: GPL-2.0
# Interrupt controllers and the interval timer.

irqchip-y := irqchip.o routing.o
irqchip-y += i8259.o pic.o
irqchip-y += ioapic.o
irqchip-y += lapic.o lapic_prio.o lapic_reg.o lapic_msg.o lapic_timer.o
irqchip-y += i8254.o pit.o
