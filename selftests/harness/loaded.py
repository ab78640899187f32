# SPDX-License-Identifier: GPL-2.0
"""A bed with the modules under test loaded, judged from boot to unload.

LoadedBed is what the `bed` tool, the demo and the test runner have in
common: load modules, run commands, unload, and collect every report that the
kernel log held on the way.
"""

import os
import shlex

import bedlib
import dmesg
import ktap


def insmod_lines(specs):
    """Shell commands for MODULE[=PARAMS] items: names or .ko files."""
    lines = []
    for item in specs:
        name, _, params = item.partition("=")
        if name.endswith(".ko"):
            lines += bedlib.insmod_lines(os.path.realpath(name), params)
        else:
            lines.append(f"modprobe {shlex.quote(name)} {params}".rstrip())
    return lines


def leaks(found, when):
    """The result for what kmemleak found."""
    return ktap.FAIL if found else ktap.PASS, f"nothing leaked, {when}", found


class LoadedBed:
    """A booted bed with modules loaded; use as a context manager.

    insmod: MODULE[=PARAMS] items; kvm: kvm_amd's parameters or None; umbra:
    umbra.ko's parameters or None; ko: another umbra.ko than the project's.
    on_report is called with the lines of each report as it is found.
    """

    def __init__(self, insmod=(), kvm=None, umbra=None, ko=None, unload=True,
                 on_report=None, **bed):
        self.bed = bedlib.Bed(**bed)
        self.reports = []
        self._on_report = on_report
        self._unload = unload and umbra is not None
        self._lines = insmod_lines(insmod)
        if kvm is not None:
            self._lines.append(f"modprobe kvm_amd {kvm}".rstrip())
        if umbra is not None:
            self._lines += bedlib.insmod_lines(ko or bedlib.umbra_ko(self.bed.kernel.release), umbra)

    def __enter__(self):
        self.bed.boot()
        try:
            self.run("true", timeout=60)  # judges the boot itself
            for line in self._lines:
                self._load(line)
        except BaseException:
            self.bed.close()
            raise
        return self

    def __exit__(self, kind, *_):
        self.bed.close()

    def run(self, *args, **kwargs):
        """As Bed.run; keeps the reports of the run as well."""
        result = self.bed.run(*args, **kwargs)
        if result.reports:
            self.reports += result.reports
            if self._on_report:
                self._on_report(result.reports)
        return result

    def _load(self, line):
        result = self.run(line, timeout=60)
        if result.status:
            said = result.output.decode(errors="replace").strip()
            log = "\n".join(dmesg.strip(text) for text in result.log[-8:])
            raise bedlib.BedError(f"{line}: {said} (status {result.status})", log)

    def unload(self):
        """Unload umbra.ko; returns why that failed, or ""."""
        if not self._unload:
            return ""
        result = self.run("if grep -q '^umbra ' /proc/modules; then rmmod umbra; fi",
                          timeout=30)
        if not result.status:
            return ""
        return "umbra.ko does not unload: " + \
            result.output.decode(errors="replace").strip()

    def end(self, flavour=None):
        """Unload; results for that and for the kernel log.

        A flavour (debugrun.py) looks for leaks before and after.
        """
        results = [leaks(flavour.ended(self), "before the module goes")] if flavour else []
        stuck = self.unload()
        if flavour:
            results.append(leaks(flavour.unloaded(self), "after it has gone"))
        problems = [stuck] * bool(stuck) + self.reports[:80]
        return results + [(ktap.FAIL if problems else ktap.PASS,
                           "modules unload, kernel log is clean", "\n".join(problems))]
