# SPDX-License-Identifier: GPL-2.0
# The translator of the software engine.  What it translates is built twice:
# near (as in a kernel: in the low 2 GiB) and without sanitizers.

SOFT_DIR := ../../module/engine/soft
SOFT_SRC := $(wildcard $(SOFT_DIR)/tc*.c $(SOFT_DIR)/translate*.c)
SOFT_TESTS := test_translate test_translate_cache test_translate_copy test_translate_random test_translate_system \
	      test_translate_quick test_translate_trace test_translate_r11
SOFT_OBJS := $(patsubst $(SOFT_DIR)/%.c,build/soft/%.o,$(SOFT_SRC)) \
	     build/soft/test_translate_env.o build/soft/test_translate_code.o

TEST_PROGS += $(addprefix build/,$(SOFT_TESTS))

build/soft/%.o: $(SOFT_DIR)/%.c | build/soft
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build/soft/%.o: %.c | build/soft
	$(CC) $(CFLAGS) -fno-pie -I$(SOFT_DIR) -MMD -c -o $@ $<

build/soft/test_translate_code.o: test_translate_code.c | build/soft
	$(CC) -std=gnu11 -O2 -fno-pie -Wall -MMD -c -o $@ $<

$(addprefix build/,$(SOFT_TESTS)): build/%: build/soft/%.o $(SOFT_OBJS) $(EMUL_OBJS)
	$(CC) $(CFLAGS) -no-pie -o $@ $^ -lZydis

build/soft:
	mkdir -p $@

-include $(wildcard build/soft/*.d)

build/test_translate_random build/test_translate_cache build/test_translate_copy: build/soft/test_translate_gen.o
