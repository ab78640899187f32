# SPDX-License-Identifier: GPL-2.0
"""Whole guests on the emulator alone: the module parameter force_emulation."""

import os
import subprocess

import bedlib
import initramfs
import kernels
import ktap
import tinykernel
from registry import case

TESTS = os.path.join(bedlib.ROOT, "selftests")
# What guests do; not how the engine counts it, nor what takes a fast guest.
PROGRAMS = ("vcpu/across_test", "vcpu/cpuid_test", "vcpu/debug_test", "vcpu/event_test",
            "vcpu/fpu_test", "vcpu/io_test", "vcpu/mode_test", "vcpu/msr_test",
            "vcpu/overwrite_test",
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


def tiny_guest(t):
    """Kernel and initramfs of a small Linux; its only process is guests/tiny.c."""
    try:
        image = tinykernel.image()
    except kernels.Unreachable as reason:
        t.skip(str(reason))
    program, initrd = os.path.join(t.scratch, "tiny"), os.path.join(t.scratch, "initrd")
    subprocess.run(["gcc", "-O2", "-static", "-o", program,
                    os.path.join(TESTS, "guests/tiny.c")], check=True)
    archive = initramfs.Archive()
    archive.mkdir("dev")
    archive.mknod("dev/console", 5, 1)
    archive.copy("init", program, 0o755)
    archive.write(initrd)
    return image, initrd


# -icount: the guest's ticks come by instructions then, however slow the machine is.
@case("emulate/linux", engines=("svm", "soft"), weight=90)
def forced_linux(t):
    "A small Linux boots and a program of the C library runs, every instruction emulated."
    image, initrd = tiny_guest(t)
    with t.bed(params="force_emulation=1", share=True, icount=True) as bed:
        result = bed.run(t.umbra_run("-m", "32M", "-k", image, "-i", initrd, "-a",
                                     "console=ttyS0 quiet tsc_early_khz=1000000"), timeout=400)
    said = result.output.decode(errors="replace")
    t.check("tiny: sum 5.187378 memory 1 child 1" in said, "its program computes, copies and forks",
            said[-1500:])
    t.check(result.status == 42, "the guest ends by itself", f"status {result.status}")
