# SPDX-License-Identifier: GPL-2.0
"""Test cases in Python: how to write one down, and what it may use.

    from registry import case

    @case("guests/debian-6.1", engines=("svm", "kvm"), timeout=180)
    def boots_debian(t):
        "Debian's 6.1 kernel reaches a shell."
        initrd = os.path.join(t.scratch, "initrd")
        guest.make_initrd(initrd, "uname -a")
        with t.bed(share=True) as bed:
            result = bed.run(t.umbra_run("-k", t.guest_image(), "-i", initrd), timeout=120)
            t.check(result.status == 0, "umbra run exits 0")
            t.check(b"Linux guest 6.1" in result.output, "the guest says its name")

A case lives in cases/*.py and is found there by itself.  With engines given
it runs once for each (its name then starts with the engine's); without, it
runs on the build machine.  Each t.check() is one result.  t.bed() is a
LoadedBed with the engine's module in it; leaving it unloads the module and
counts its results for a clean kernel log and unload.
"""

import contextlib
import importlib
import os
import shutil
import sys
import tempfile

import bedlib
import kernels
import ktap
from loaded import LoadedBed

TOOL = os.path.join(bedlib.ROOT, "userspace/umbra")

# What each engine's bed loads, its processor, and the node that its tests open.
ENGINES = {
    "svm": {"load": {"umbra": "engine=svm"}, "bed": {}, "device": "/dev/umbra"},
    "soft": {"load": {"umbra": "engine=auto"}, "bed": {"cpu": "max,-svm"},
             "device": "/dev/umbra"},
    "kvm": {"load": {"kvm": "npt=0"}, "bed": {}, "device": "/dev/kvm"},
}

CASES = []


def is_reference(engine):
    """Stock KVM: when its bed dies, that is nothing of ours, and tried once more."""
    return engine == "kvm"


class Skip(Exception):
    """Raised by Context.skip()."""


class Case:
    def __init__(self, name, run, engine, weight, needs):
        self.name, self.run, self.engine, self.weight = name, run, engine, weight
        self.needs = frozenset(needs)
        if engine:
            self.needs |= {"build/module", "build/tool", "build/selftests"}


def case(name, engines=(), weight=0, needs=()):
    """Register a function of one Context; weight orders long ones first.

    needs: build steps of `check`, beside those that any bed needs.
    """
    def register(function):
        for engine in engines or (None,):
            full = f"{engine}/{name}" if engine else name
            CASES.append(Case(full, function, engine, weight, needs))
        return function
    return register


def load_cases():
    folder = os.path.join(bedlib.HERE, "cases")
    sys.path.insert(0, folder)
    for entry in sorted(os.listdir(folder)):
        if entry.endswith(".py"):
            importlib.import_module(entry[:-3])


class Context:
    """What a running case sees of the runner, and its results."""

    def __init__(self, name, engine=None, flavour=None):
        self.name, self.engine, self.flavour = name, engine, flavour
        self.results = []
        self.notes = []
        self._scratch = None

    @property
    def device(self):
        return ENGINES[self.engine]["device"]

    @property
    def scratch(self):
        """A folder of the case's own; the bed sees it at the same path."""
        if not self._scratch:
            self._scratch = tempfile.mkdtemp(
                prefix="umbra-check-", dir=self.flavour.gcda if self.flavour else None)
        return self._scratch

    def check(self, good, what, detail=""):
        """One result; detail is shown when it is a failure."""
        self.results.append((ktap.PASS if good else ktap.FAIL, what, detail))
        return bool(good)

    def fail(self, what, detail=""):
        self.check(False, what, detail)

    def skip(self, reason):
        """Leave the case: it cannot be tested here, for this true reason."""
        raise Skip(reason)

    def note(self, text):
        self.notes.append(text)

    def umbra_run(self, *args):
        """Command line of `umbra run` on this engine's device."""
        return [TOOL, "run", "--device", self.device, *args]

    @contextlib.contextmanager
    def bed(self, params="", share=False, series=None, **kwargs):
        """A LoadedBed for the case's engine; judged when it is left.

        params: more module parameters.  share: give it the scratch folder.
        series: the bed's kernel, "6.12" or "7", with the module built for it.
        Everything else is as in bedlib.Bed.
        """
        if series:
            kwargs.update(self._other_kernel(series))
        load = {key: f"{value} {params}".strip()
                for key, value in ENGINES[self.engine]["load"].items()} \
            if self.engine else {}
        if self.engine:
            kwargs = {**ENGINES[self.engine]["bed"], **kwargs}
        if share:
            kwargs["scratch"] = self.scratch
        if self.flavour:
            # Its shared folder holds the case's.
            kwargs.update(self.flavour.bed)
        with LoadedBed(**load, **kwargs) as bed:
            if self.flavour:
                self.flavour.started(bed)
            yield bed
            self.results += bed.end(self.flavour)

    def _other_kernel(self, series):
        """The parts of a bed on another kernel; skips where not to be had."""
        try:
            with kernels.Lock():
                parts = {"kernel": kernels.fetch(series)}
                if self.engine and "umbra" in ENGINES[self.engine]["load"]:
                    parts["ko"] = kernels.build(series)
        except kernels.Unreachable as reason:
            self.skip(str(reason))
        except RuntimeError as error:
            raise bedlib.BedError(str(error)) from None
        return parts

    def guest_image(self, series=None):
        """The image of Debian's kernel of a series, to run as a guest."""
        try:
            with kernels.Lock():
                return kernels.fetch(series).image if series else \
                    bedlib.find_kernel().image
        except kernels.Unreachable as reason:
            self.skip(str(reason))

    def finish(self):
        if self._scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)
