#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Line coverage of the module: gcov's counts from the bed and from unit tests.

A line counts when the module's own build has code for it; it is covered when
it ran in the bed, or in a unit test of the freestanding parts.

  coverage    the table of the last run of make check-debug
"""

import collections
import glob
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import bedlib
import kernels

# Folders that have a goal, in percent.
GOAL = 85
GOAL_FOLDERS = ("module/mmu", "module/emul", "module/engine", "module/irqchip")


def counts(pairs):
    """Executions by (file below the top, line) from (.gcno, .gcda) pairs."""
    lines = collections.Counter()
    for gcno, gcda in pairs:
        folder = os.path.dirname(gcda)
        # gcov looks for the notes beside the data.
        here = os.path.join(folder, os.path.basename(gcno))
        if not os.path.exists(here):
            shutil.copyfile(gcno, here)
        done = subprocess.run(["gcov", "--json-format", "--stdout", gcda], cwd=folder,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for text in done.stdout.splitlines():
            for file in json.loads(text)["files"]:
                name = file["file"]
                at = name.rfind("module/")
                if at < 0:
                    continue
                for line in file["lines"]:
                    lines[name[at:], line["line_number"]] += line["count"]
    return lines


def bed_counts(build, gcda):
    """From the files that each bed left in a folder of gcda, notes under build."""
    lines = collections.Counter()
    for bed in glob.glob(os.path.join(gcda, "*")):
        top = bed + build
        lines.update(counts(
            (os.path.join(build, os.path.relpath(data, top))[:-4] + "gcno", data)
            for data in glob.glob(top + "/**/*.gcda", recursive=True)))
    return lines


def unit_counts():
    """Build the unit tests once more with counters, run them, read those."""
    tree = os.path.join(bedlib.ROOT, "build/debug/unit")
    shutil.rmtree(tree, ignore_errors=True)
    for folder in ("module", "uapi", "userspace", "selftests/unit", "selftests/lib"):
        shutil.copytree(os.path.join(bedlib.ROOT, folder), os.path.join(tree, folder),
                        ignore=shutil.ignore_patterns("*.o", ".*.cmd", "build", "*.ko"))
    unit = os.path.join(tree, "selftests/unit")
    kernels.call(["nice", "-n", "10", "make", "-j2", "-C", unit], "unit tests with counters",
                 env=dict(os.environ, CFLAGS="--coverage"))
    for program in sorted(glob.glob(os.path.join(unit, "build/test_*"))):
        if os.access(program, os.X_OK):
            subprocess.run([program], cwd=unit, stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return counts((data[:-4] + "gcno", data) for data in glob.glob(
        os.path.join(unit, "build/**/*.gcda"), recursive=True))


def percent(covered, total):
    return 100 * covered / total if total else 100


def table(build, gcda, units=True, missing=None):
    """The table as text; with missing (a file's end) its uncovered lines too.

    units: run the unit tests as well, and add what they cover.
    """
    bed = bed_counts(build, gcda)
    unit = unit_counts() if units and bed else collections.Counter()
    if not bed:
        return "no coverage: the bed left no counters"
    files, folders = {}, {}
    for (name, line), count in bed.items():
        row = files.setdefault(name, [0, 0, 0, []])
        row[0] += 1
        row[1] += bool(count)
        row[2] += bool(count or unit[name, line])
        if not count and not unit[name, line]:
            row[3].append(line)
    text = [f"{'lines':>6} {'bed':>6} {'all':>6}  coverage of the module in percent"]
    for name in sorted(files):
        total, in_bed, covered, lost = files[name]
        text.append(f"{total:6} {percent(in_bed, total):6.1f} {percent(covered, total):6.1f}  {name}")
        if missing and name.endswith(missing):
            text.append("        not run: " + " ".join(map(str, sorted(lost))))
        parts = name.split("/")
        if name.endswith(".c") and len(parts) > 2:
            row = folders.setdefault("/".join(parts[:2]), [0, 0, 0])
            for column in range(3):
                row[column] += files[name][column]
    for name, (total, in_bed, covered) in sorted(folders.items()):
        goal = ""
        if name in GOAL_FOLDERS:
            goal = "" if percent(covered, total) >= GOAL else f"  (below the goal of {GOAL})"
        text.append(f"{total:6} {percent(in_bed, total):6.1f} {percent(covered, total):6.1f}  "
                    f"{name}/{goal}")
    return "\n".join(text)


if __name__ == "__main__":
    BUILD = os.path.join(bedlib.ROOT, "build/debug/kasan")
    print(table(BUILD, os.path.join(BUILD, "gcda"),
                missing=sys.argv[1] if sys.argv[1:] else None))
