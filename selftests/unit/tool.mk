# SPDX-License-Identifier: GPL-2.0
# The tool's image loaders, guest memory, boot tables and devices, without a VM.

TOOL_DIR := ../../userspace
TOOL_SRC := complaint image memory bytes linux_boot elf_image loader loader_bzimage \
	    loader_pvh loader_multiboot loader_elf loader_flat acpi firmware options \
	    ports serial rtc i8042 acpi_pm misc_ports pci_none
TOOL_LIB := test_loader_build
TOOL_TESTS := test_loader test_loader_memory test_loader_devices
TOOL_OBJS := $(patsubst %,build/tool/%.o,$(TOOL_SRC) $(TOOL_LIB))

TEST_PROGS += $(addprefix build/,$(TOOL_TESTS))

build/tool/%.o: $(TOOL_DIR)/%.c | build/tool
	$(CC) $(CFLAGS) -D_FILE_OFFSET_BITS=64 -MMD -c -o $@ $<

build/tool/%.o: %.c | build/tool
	$(CC) $(CFLAGS) -I$(TOOL_DIR) -MMD -c -o $@ $<

$(addprefix build/,$(TOOL_TESTS)): build/%: build/tool/%.o $(TOOL_OBJS)
	$(CC) $(CFLAGS) -pthread -o $@ $^

build/tool:
	mkdir -p $@

-include $(wildcard build/tool/*.d)
