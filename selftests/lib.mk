# SPDX-License-Identifier: GPL-2.0
# Shared rules of the areas' Makefiles, which set TEST_GEN_PROGS and include
# this.  Inside a kernel tree (tools/testing/selftests/umbra/) kselftest's own
# lib.mk does the work; here the few rules below do.

umbra_mk := $(lastword $(MAKEFILE_LIST))
umbra_dir := $(dir $(umbra_mk))
KSFT_LIB_MK := $(wildcard $(umbra_dir)../lib.mk)

CFLAGS += -std=gnu11 -O2 -g -Wall -Wextra -D_GNU_SOURCE
CFLAGS += -I$(umbra_dir)lib -I$(umbra_dir)../uapi -I$(umbra_dir)uapi
LDFLAGS += -static -pthread
LIB_SOURCES := $(wildcard $(umbra_dir)lib/*.c)
LIB_HEADERS := $(wildcard $(umbra_dir)lib/*.h)

ifneq ($(KSFT_LIB_MK),)
# kselftest looks for its own folder by the name lib.mk: hide this one.
MAKEFILE_LIST := $(filter-out $(umbra_mk),$(MAKEFILE_LIST))
LOCAL_HDRS += $(LIB_HEADERS) $(wildcard *.h)
include $(KSFT_LIB_MK)
else

OUTPUT ?= .
TEST_GEN_PROGS := $(addprefix $(OUTPUT)/,$(TEST_GEN_PROGS))
TEST_GEN_FILES := $(addprefix $(OUTPUT)/,$(TEST_GEN_FILES))

all: $(TEST_GEN_PROGS) $(TEST_GEN_FILES)

$(OUTPUT)/%: %.c
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.c %.S %.o %.a,$^) $(LDLIBS)

# 0 and 4 (skipped) are fine; anything else ends with an error after all ran.
run_tests: all
	@bad=0; for test in $(TEST_GEN_PROGS) $(TEST_PROGS); do \
		echo "# selftests: $(notdir $(CURDIR)): $$(basename $$test)"; \
		$$test; s=$$?; [ $$s = 0 ] || [ $$s = 4 ] || bad=1; \
	done; exit $$bad

clean:
	rm -f $(TEST_GEN_PROGS) $(TEST_GEN_FILES) $(EXTRA_CLEAN)

.PHONY: all run_tests clean
endif

$(TEST_GEN_PROGS): $(LIB_SOURCES) $(LIB_HEADERS)
