# SPDX-License-Identifier: GPL-2.0
# Umbra's front door: the module, the tool, the tests, the demo.
# Kbuild describes the module to the kernel's build; this file never does.

KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) \
	$(shell ls -d /lib/modules/*/build 2>/dev/null | sort -rV | head -n 1))
PREFIX ?= /usr/local
ENGINE ?= auto
DEVICE ?= /dev/umbra
HARNESS := selftests/harness
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
DKMS_SRC := $(DESTDIR)/usr/src/umbra-$(VERSION)

all: module userspace

help:
	@echo 'make              build ./umbra.ko and userspace/umbra'
	@echo '  KDIR=DIR        headers or tree of the kernel to build for'
	@echo '  C=2             check the module with sparse'
	@echo 'make demo         boot a Debian kernel as a guest of Umbra in the test bed'
	@echo '  CMD="..."       run this in the guest instead of a shell'
	@echo '  ENGINE=NAME     auto, svm, soft'
	@echo '  DEVICE=/dev/kvm the same on stock KVM (npt=0), for comparison'
	@echo '  KERNEL=VERSION  the kernel to run as a guest: 6.1, 6.12, 7 or an image'
	@echo '  TRACE="..."     trace events of Umbra while the guest'"'"'s program "one" is at it'
	@echo '  HOST="..."      run this beside the guest'
	@echo 'make tour         the reading tour as one text, in build/tour'
	@echo 'make run          the same on this machine'"'"'s own kernel'
	@echo 'make check        run all tests; T=PATTERN runs those that match'
	@echo 'make check-debug  the compiled tests on a debug kernel (KASAN, lockdep...); T=PATTERN'
	@echo '  KCSAN=1         on the one that looks for data races'
	@echo 'make check-bochs  some tests of the soft engine under Bochs: hosts with PCIDs, IBT, LASS'
	@echo 'make fuzz         run the fuzzers for longer; TARGET=decode|emulate|load|translate|ioctl|guest (all), TIME=SECONDS (600, each)'
	@echo 'make bench        the same workload on all engines, stock KVM and TCG; bench.json'
	@echo '  ENGINE="NAME..." of: native svm soft npt0 npt1 tcg (all)'
	@echo '  LINE="NAME..."  of its lines (all)'
	@echo '  BENCH=MODE      counted (instructions), timed, both'
	@echo 'make deps         install the packages that building and testing take'
	@echo 'make install      module (DKMS), tool, manual page, udev rule; DESTDIR, PREFIX'
	@echo 'make uninstall    remove them again'
	@echo 'make clean        remove what was built'

module:
	@[ -n "$(KDIR)" ] || { echo 'no kernel headers here: install linux-headers-amd64 (make deps) or give KDIR=' >&2; exit 2; }
	@[ -e "$(KDIR)/Makefile" ] || { echo '$(KDIR): no kernel headers there' >&2; exit 2; }
	@mkdir -p build
	+flock build/.lock $(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(C),C=$(C)) modules

userspace:
	$(MAKE) -C userspace

clean:
	[ ! -e "$(KDIR)/Makefile" ] || $(MAKE) -C $(KDIR) M=$(CURDIR) clean
	$(MAKE) -C userspace clean
	$(MAKE) -C selftests clean

check:
	@$(HARNESS)/check $(if $(T),-t '$(T)')

check-debug:
	@$(HARNESS)/deps debug
	@$(HARNESS)/check --debug $(if $(KCSAN),kcsan,kasan) $(if $(T),-t '$(T)')

check-bochs: all
	@$(HARNESS)/deps
	$(MAKE) -s -C selftests
	@$(HARNESS)/bochs

fuzz: module
	@$(HARNESS)/deps
	@$(HARNESS)/fuzz --time '$(or $(TIME),600)' $(TARGET)

demo:
	@$(HARNESS)/deps demo
	@$(HARNESS)/demo --engine '$(ENGINE)' --device '$(DEVICE)' \
		$(if $(KERNEL),--kernel '$(KERNEL)') $(if $(value CMD),--command-from CMD) \
		$(if $(TRACE),--trace '$(TRACE)') $(if $(value HOST),--host-from HOST)
run:
	@$(HARNESS)/deps demo
	@$(HARNESS)/demo --here --engine '$(ENGINE)' --device '$(DEVICE)' \
		$(if $(KERNEL),--kernel '$(KERNEL)') $(if $(value CMD),--command-from CMD)
# The guest's command goes by the environment: make must not expand its $.
demo run: override export CMD := $(value CMD)
demo: override export HOST := $(value HOST)

tour:
	@$(HARNESS)/tour.py

bench:
	@$(HARNESS)/deps demo
	@$(HARNESS)/bench --columns '$(filter-out auto,$(ENGINE))' --lines '$(LINE)' \
		--mode '$(or $(BENCH),both)'

deps:
	@$(HARNESS)/deps

install: userspace
	install -d $(DKMS_SRC)
	cp -r Kbuild COPYING dkms.conf module uapi $(DKMS_SRC)/
	find $(DKMS_SRC) \( -name '*.o' -o -name '.*.cmd' -o -name '*.ko' \) -delete
	$(MAKE) -C userspace install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	install -D -m 0644 udev/60-umbra.rules $(DESTDIR)/usr/lib/udev/rules.d/60-umbra.rules
	[ -n "$(DESTDIR)" ] || $(HARNESS)/dkms-install install $(VERSION)

uninstall:
	[ -n "$(DESTDIR)" ] || $(HARNESS)/dkms-install remove $(VERSION)
	rm -rf $(DKMS_SRC)
	$(MAKE) -C userspace uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	rm -f $(DESTDIR)/usr/lib/udev/rules.d/60-umbra.rules

.PHONY: all help module userspace clean check check-debug check-bochs demo run tour deps install uninstall fuzz bench
