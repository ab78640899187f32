# SPDX-License-Identifier: GPL-2.0
"""The module builds for every kernel that it claims to, without a warning."""

import os

import kernels
from registry import case


def build_for(series):
    def run(t):
        try:
            with kernels.Lock():
                warnings = []
                path = kernels.build(series, warnings)
        except kernels.Unreachable as reason:
            t.skip(str(reason))
        except RuntimeError as error:
            t.fail(f"builds for {series}", str(error))
            return
        t.check(os.path.exists(path), f"builds for {series}")
        t.check(not warnings, "without a warning", "\n".join(warnings[:30]))
    run.__doc__ = f"make KDIR= with the headers of {series}."
    return run


case("build/6.12", weight=60)(build_for("6.12"))
case("build/7", weight=70)(build_for("7"))
