# SPDX-License-Identifier: GPL-2.0
"""Whole guests on the emulator alone: the module parameter force_emulation."""

import os

import bedlib
import ktap
from registry import case

TESTS = os.path.join(bedlib.ROOT, "selftests")
# What guests do; not how the engine counts it, nor what takes a fast guest.
PROGRAMS = ("vcpu/cpuid_test", "vcpu/debug_test", "vcpu/event_test",
            "vcpu/fpu_test", "vcpu/io_test", "vcpu/mode_test", "vcpu/msr_test",
            "irq/ipi_test", "irq/lapic_test", "irq/pic_test", "irq/startup_test",
            "irq/wakeup_test",
            "mmu/paging_random_test", "hostile/guest_test", "abi/lifetime_test")


@case("emulate/tests", engines=("svm",), weight=60)
def forced_tests(t):
    "The tests of what guests see have the same results when every instruction is emulated."
    with t.bed(params="force_emulation=1", cpus=2) as bed:
        for name in PROGRAMS:
            result = bed.run([os.path.join(TESTS, name)], timeout=90,
                             env={"UMBRA_DEVICE": t.device})
            t.results += ktap.judge(result.output.decode(), result.status)


# Firmware without a disk, until it finds that there is none.
FIRMWARE = """
qemu-system-x86_64 -accel kvm -M pc -m 32M -nodefaults -display none -no-reboot \\
	-debugcon file:/tmp/log -global isa-debugcon.iobase=0x402 & vm=$!
while kill -0 $vm 2>/dev/null && ! grep -aq 'No bootable device' /tmp/log; do sleep 0.5; done
kill $vm 2>/dev/null
cat /tmp/log
"""


@case("emulate/seabios", engines=("svm",), weight=60)
def forced_firmware(t):
    "SeaBIOS runs to its end in stock QEMU, real mode to protected mode and back, by the emulator."
    with t.bed(params="force_emulation=1 kvm_node=1", cpus=2) as bed:
        result = bed.run(["sh", "-c", FIRMWARE], timeout=150)
    said = result.output.decode(errors="replace")
    t.check("Booting from" in said, "SeaBIOS comes to the boot devices", said[-1500:])
    t.check("No bootable device" in said, "and finds none", said[-500:])
