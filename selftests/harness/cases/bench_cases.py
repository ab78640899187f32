# SPDX-License-Identifier: GPL-2.0
"""The benchmark's machinery; what it measures is nobody's test."""

import os
import subprocess

import bedlib
import benchbed
from registry import case


@case("bench/smoke", weight=10)
def smoke(t):
    "One line, counted, natively: a number comes out."
    subprocess.run(["make", "-s", "-C", os.path.join(bedlib.ROOT, "selftests/bench")], check=True,
                   stdin=subprocess.DEVNULL)
    outcome = benchbed.run(benchbed.COLUMNS["native"], ["getppid"], True, 240)
    t.check(not outcome.problem(), "the bed comes to its end", outcome.problem() + outcome.text[-2000:])
    t.check(outcome.lines.get("getppid", 0) > 1, "getppid() has a cost", str(outcome.lines))
    t.check(list(outcome.lines) == ["getppid"], "nothing else was asked for", str(outcome.lines))
