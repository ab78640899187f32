# SPDX-License-Identifier: GPL-2.0
# The chips that need no VM: i8259 pair and i8254.

IRQCHIP_DIR := ../../module/irqchip
IRQCHIP_TESTS := test_irqchip_i8259 test_irqchip_i8254

TEST_PROGS += $(addprefix build/,$(IRQCHIP_TESTS))

build/test_irqchip_%: test_irqchip_%.c $(IRQCHIP_DIR)/%.c $(IRQCHIP_DIR)/%_internal.h | build/irqchip
	$(CC) $(CFLAGS) -I$(IRQCHIP_DIR) -o $@ $(filter %.c,$^)

build/irqchip:
	mkdir -p $@
