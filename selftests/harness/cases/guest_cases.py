# SPDX-License-Identifier: GPL-2.0
"""Real guests, as others built them: each reaches output that identifies it."""

import gzip
import os
import shlex

import guest
import kernels
from registry import case

MEMTEST64 = "/boot/memtest86+x64.bin"
MACH = "/boot/gnumach-1.8-486.gz"

# Runs the guest until it has said $1 or is gone; prints what it said.
UNTIL = """
"$@" >"$0/out" 2>&1 & vm=$!
while kill -0 $vm 2>/dev/null && ! grep -aq "$words" "$0/out"; do sleep 0.5; done
kill $vm 2>/dev/null
wait $vm
cat "$0/out"
"""


def debian(series, cpus):
    """The case that boots Debian's kernel image of a series to its shell."""
    def run(t):
        try:
            with kernels.Lock():
                kernel = kernels.fetch(series)
        except kernels.Unreachable as reason:
            t.skip(str(reason))
        initrd = os.path.join(t.scratch, "initrd")
        guest.make_initrd(initrd, "uname -r; grep -c ^processor /proc/cpuinfo; "
                          "dmesg -r | grep -E '^<[0-3]>|WARNING|unchecked MSR'; exit 9")
        with t.bed(share=True, cpus=2) as bed:
            result = bed.run(t.umbra_run("-k", kernel.image, "-i", initrd, "-q", "-c", str(cpus),
                                         "-a", "console=ttyS0 quiet"), timeout=240)
        said = result.output.decode(errors="replace")
        t.check(result.status == 9, "boots to its shell, ends with the status", said[-3000:])
        t.check(kernel.release in said, "says its name", said[-500:])
        t.check(f"\n{cpus}\r" in said, f"has {cpus} CPUs", said[-500:])
        if t.engine == "kvm":
            # TCG has no XSETBV intercept: stock KVM misses what the guest wrote to XCR0.
            return
        bad = [line for line in said.splitlines()
               if "WARNING" in line or "unchecked MSR" in line]
        t.check(not bad, "warns of nothing", "\n".join(bad))
    run.__doc__ = f"Debian's kernel {series}, {cpus} vCPUs."
    return run


for name, count in (("6.1", 1), ("6.1", 2), ("6.12", 1), ("7", 1)):
    case(f"guest/debian-{name}-{count}cpu", engines=("svm", "soft"), weight=50)(debian(name, count))
case("guest/debian-6.1-1cpu", engines=("kvm",), weight=50)(debian("6.1", 1))


def installed(t, path):
    """An image of a Debian package, unpacked when it is a gzip file."""
    if not os.path.exists(path):
        raise RuntimeError(f"{path} is missing (make deps)")
    if not path.endswith(".gz"):
        return path
    plain = os.path.join(t.scratch, "image")
    with gzip.open(path) as packed, open(plain, "wb") as file:
        file.write(packed.read())
    return plain


def until(t, words, *args):
    """Boot something that never ends by itself, until it says these words."""
    with t.bed(share=True) as bed:
        script = f"words={shlex.quote(words)}\n" + UNTIL
        result = bed.run(["sh", "-c", script, t.scratch, *t.umbra_run(*args, "--timeout", "100")],
                         timeout=130)
    said = result.output.decode(errors="replace")
    t.check(words in said, f"says '{words}'", said[-1500:])


@case("guest/memtest64", engines=("svm", "soft", "kvm"), weight=30)
def memtest64(t):
    "memtest86+, 64-bit, tests memory and finds none broken."
    until(t, "Moving inversions", "-k", installed(t, MEMTEST64), "-m", "32M", "-a", "console=ttyS0,115200")


@case("guest/mach", engines=("svm", "soft", "kvm"), weight=15)
def mach(t):
    "GNU Mach by Multiboot; without modules it says so."
    until(t, "No bootstrap code", "-k", installed(t, MACH), "-m", "128M", "-a", "console=com0")
