# SPDX-License-Identifier: GPL-2.0
# Decoder and emulator.  Zydis (libzydis-dev) is the second opinion.

EMUL_DIR := ../../module/emul
EMUL_SRC := $(wildcard $(EMUL_DIR)/*.c)
EMUL_TESTS := test_decode test_emul_native test_emul_system test_emul_whole test_emul_event test_emul_random test_emul_evex test_emul_gather test_emul_offer test_emul_sse test_emul_vex test_emul_x87 test_emul_xsave
EMUL_OBJS := $(patsubst $(EMUL_DIR)/%.c,build/emul/%.o,$(EMUL_SRC)) $(patsubst $(EMUL_DIR)/%.S,build/emul/%.o,$(wildcard $(EMUL_DIR)/*.S))

TEST_PROGS += $(addprefix build/,$(EMUL_TESTS))

build/emul/%.o: $(EMUL_DIR)/%.c | build/emul
	$(CC) $(CFLAGS) -MMD -c -o $@ $<

build/emul/%.o: $(EMUL_DIR)/%.S $(EMUL_DIR)/simd_stub.h | build/emul
	$(CC) -g -D__ASSEMBLY__ -I../../module/include -c -o $@ $<

build/emul/%.o: %.c | build/emul
	$(CC) $(CFLAGS) -I$(EMUL_DIR) -MMD -c -o $@ $<

$(addprefix build/,$(EMUL_TESTS)): build/%: build/emul/%.o $(EMUL_OBJS)
	$(CC) $(CFLAGS) -o $@ $^ -lZydis

build/emul/test_emul_offer.o: CFLAGS += -DMODULE_DIR='"$(abspath ../../module)"'

build/test_decode: build/emul/test_decode_zydis.o
build/test_emul_native: build/emul/test_emul_cpu.o build/emul/test_emul_env.o
build/test_emul_evex build/test_emul_gather build/test_emul_offer build/test_emul_sse build/test_emul_vex: build/emul/test_emul_page.o
build/test_emul_system build/test_emul_whole build/test_emul_event build/test_emul_random build/test_emul_evex build/test_emul_gather build/test_emul_offer build/test_emul_sse build/test_emul_vex build/test_emul_x87 build/test_emul_xsave: build/emul/test_emul_env.o

build/emul:
	mkdir -p $@

-include $(wildcard build/emul/*.d)
