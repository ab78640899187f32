# SPDX-License-Identifier: GPL-2.0
"""The suite's run on a debug kernel: what differs from one on a stock kernel.

A Flavour makes the kernel and the module for it, and does what only a
debug kernel can: ask kmemleak when the tests are through, and bring gcov's
counters home before the bed ends.
"""

import os
import shutil
import sys

import bedlib
import coverage
import debugkernel

# Of the Python cases, those that run on a debug kernel too.
CASES = ("guest/debian-6.1-1cpu",)

# kmemleak takes what is younger than 5 s for alive.  Two scans: a pointer that
# moved during the first is found by the second.
SCAN = """
cd /sys/kernel/debug || exit
[ -e kmemleak ] || exit 0
sleep 6
echo scan >kmemleak; echo scan >kmemleak
cat kmemleak
"""

CLEAR = """
[ -e /sys/kernel/debug/kmemleak ] || exit 0
echo scan >/sys/kernel/debug/kmemleak
echo clear >/sys/kernel/debug/kmemleak
"""

# gcov's files report no size, and programs start slowly there: one reads them all.
# Names hold the build's folder.
COLLECT = """
import os, sys
top = "/sys/kernel/debug/gcov"
for folder, _, names in os.walk(top):
    for name in names:
        if name.endswith(".gcda"):
            with open(os.path.join(folder, name), "rb") as file:
                counters = file.read()
            target = sys.argv[1] + folder[len(top):]
            os.makedirs(target, exist_ok=True)
            with open(os.path.join(target, name), "wb") as file:
                file.write(counters)
"""


class Flavour:
    """A debug kernel for the runner; made once for all its jobs."""

    def __init__(self, variant):
        self.name = variant
        kernel = debugkernel.kernel(variant)
        self.ko = debugkernel.module(variant)
        self.beds = 0
        self.gcda = os.path.join(os.path.dirname(self.ko), "gcda")
        shutil.rmtree(self.gcda, ignore_errors=True)
        os.makedirs(self.gcda)
        self.bed = {"kernel": kernel, "ko": self.ko, "scratch": self.gcda}

    def started(self, bed):
        """The bed has booted and holds the module: forget what was before."""
        if bed.run("nproc", timeout=60).output.split()[-1:] != [b"2"]:
            raise bedlib.BedError("the debug kernel does not run on two processors")
        bed.run(CLEAR, timeout=60)

    def ended(self, bed):
        """All tests are through, the module is still there; what leaked, as text."""
        left = self._leaks(bed)
        self.collect(bed)
        return left

    def unloaded(self, bed):
        """The module is gone, and with it all that only it knew of; what leaked, as text."""
        return self._leaks(bed)

    def _leaks(self, bed):
        return bed.run(SCAN, timeout=60).output.decode(errors="replace").strip()

    def collect(self, bed):
        """gcov's counters, to a folder of this bed's own."""
        self.beds += 1
        folder = os.path.join(self.gcda, str(self.beds))
        bed.run([sys.executable, "-c", COLLECT, folder], timeout=60)

    def summary(self, whole):
        """What to print after all: the coverage; of the whole suite with the unit tests."""
        if "CONFIG_GCOV_KERNEL=y" not in debugkernel.config_text(self.name):
            return "no coverage: this kernel does not count"
        return coverage.table(os.path.dirname(self.ko), self.gcda, units=whole)
