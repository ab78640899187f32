# SPDX-License-Identifier: GPL-2.0
"""Fuzzers, for a bounded time and from fixed seeds; `make fuzz` runs them longer."""

import os
import re
import subprocess

import bedlib
import ktap
from registry import case

FUZZ = os.path.join(bedlib.ROOT, "selftests/fuzz")
# Inputs of one run, so that it takes 10 to 20 s, and bytes of the largest.
TARGETS = {"decode": (150000, 20), "emulate": (50000, 64), "load": (30000, 64),
           "translate": (10000, 96)}
# Random guests of one run, and seconds after which a slow machine leaves the rest.
GUESTS, GUEST_SECONDS = {"svm": 20, "soft": 10}, 15
# Actions of each of the four threads, and seconds after which a slow machine leaves the rest.
IOCTL_ACTIONS, IOCTL_SECONDS = 2500, 20
NEEDS = ["build/fuzz"]


def fuzz_target(name, runs, size):
    def run(t):
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1", UBSAN_OPTIONS="print_stacktrace=1")
        done = subprocess.run(
            [os.path.join(FUZZ, f"build/fuzz_{name}"), f"-runs={runs}", f"-max_len={size}",
             "-len_control=0", "-seed=1", "-timeout=30"], cwd=t.scratch, env=env, timeout=600,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace")
        t.check(not done.returncode, f"{runs} inputs", done.stdout[-4000:])
        t.check(re.search(rf"^Done {runs} runs", done.stdout, re.M), "all of them",
                done.stdout[-400:])
    run.__doc__ = f"libFuzzer on selftests/fuzz/fuzz_{name}.c."
    return run


for target, (count, length) in TARGETS.items():
    case(f"fuzz/{target}", weight=40, needs=NEEDS)(fuzz_target(target, count, length))


@case("fuzz/ioctl", engines=("svm", "soft"), weight=40, needs=NEEDS)
def ioctls(t):
    "Threads race with ioctls that are right, nearly right and wrong; the host stays clean."
    with t.bed(cpus=2) as bed:
        result = bed.run([os.path.join(FUZZ, "ioctl_fuzz"), str(IOCTL_SECONDS), "1",
                          str(IOCTL_ACTIONS)], timeout=IOCTL_SECONDS + 240, env={"UMBRA_DEVICE": t.device})
        t.results += ktap.judge(result.output.decode(errors="replace"), result.status)


@case("fuzz/guest", engines=("svm", "soft"), weight=40, needs=NEEDS)
def guests(t):
    "Random guests come to the same on Umbra as on stock KVM (both on AMD-V, one after the other)."
    soft = t.engine == "soft"
    with t.bed(cpu="max", params="engine=soft" if soft else "") as bed:
        bed.run("modprobe kvm_amd npt=0", timeout=60)
        for what, args in (
                ("recorded", ["-w", "/tmp/record", "-s", "1", "-n", str(GUESTS[t.engine]), "-t",
                              str(GUEST_SECONDS), *["-x"] * soft, "/dev/kvm", "/dev/umbra"]),
                ("the same on Umbra", ["-r", "/tmp/record", "/dev/umbra"])):
            result = bed.run([os.path.join(FUZZ, "guest_fuzz"), *args],
                             timeout=GUEST_SECONDS + 240)
            t.check(not result.status, what, result.output.decode(errors="replace")[-6000:])
        bed.run("rmmod kvm_amd", timeout=60)
