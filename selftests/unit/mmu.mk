# SPDX-License-Identifier: GPL-2.0
# The shadow MMU on a fake host.

MMU_DIR := ../../module/mmu
MMU_SRC := $(filter-out $(MMU_DIR)/host.c,$(wildcard $(MMU_DIR)/*.c))
MMU_LIB := test_mmu_fake.c test_mmu_gen.c test_mmu_model.c test_mmu_code.c test_mmu_cpu.c
MMU_TESTS := test_walk test_spte test_mmu test_mmu_cases
MMU_OBJS := $(patsubst $(MMU_DIR)/%.c,build/mmu/%.o,$(MMU_SRC)) \
	    $(patsubst %.c,build/mmu/%.o,$(MMU_LIB))

TEST_PROGS += $(addprefix build/,$(MMU_TESTS))

build/mmu/%.o: $(MMU_DIR)/%.c | build/mmu
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build/mmu/%.o: %.c | build/mmu
	$(CC) $(CFLAGS) -I$(MMU_DIR) -MMD -c -o $@ $<

$(addprefix build/,$(MMU_TESTS)): build/%: build/mmu/%.o $(MMU_OBJS)
	$(CC) $(CFLAGS) -o $@ $^

build/mmu:
	mkdir -p $@

-include $(wildcard build/mmu/*.d)
