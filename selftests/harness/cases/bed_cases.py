# SPDX-License-Identifier: GPL-2.0
"""The test bed tested: statuses, time-outs, reports, panics are told apart."""

import contextlib
import io
import os
import subprocess
import sys

import bedlib
import ktap
import reporter
from loaded import LoadedBed
from registry import case

BED = os.path.join(bedlib.HERE, "bed")


def bed(*argv):
    done = subprocess.run([sys.executable, BED, *argv], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=180)
    return done.returncode, done.stdout, done.stderr


@case("bed/basics", weight=10)
def basics(t):
    "One boot, many commands: status, output, leftovers, reports."
    with LoadedBed() as loaded:
        result = loaded.run(["sh", "-c", "printf 'a\\0b'; exit 37"], timeout=30)
        t.check(result.status == 37, "the exit status is the command's")
        t.check(result.output == b"a\0b", "so is the output, byte for byte")
        result = loaded.run("kill -SEGV $$", timeout=30)
        t.check(result.status == 139, "a signal is told as the shell tells it")
        result = loaded.run("setsid sleep 1000 & sleep 500 & echo gone", timeout=30)
        t.check(result.seconds < 20, "leftovers are not waited for")
        result = loaded.run("grep -lx sleep /proc/[0-9]*/comm", timeout=30)
        t.check(result.status != 0, "leftovers are killed", result.output.decode())
        result = loaded.run("sleep 60", timeout=2)
        t.check(result.late, "a late command is killed and called late")
        result = loaded.run("echo 'umbra: all is well' >/dev/kmsg", timeout=30)
        t.check(not result.reports, "ordinary messages are no report")
        result = loaded.run("echo '<4>WARNING: CPU: 0 PID: 1' >/dev/kmsg", timeout=30)
        t.check(result.reports, "a WARNING is a report")
        result = loaded.run("true", timeout=30)
        t.check(not result.reports, "and told once")
        result = loaded.run("touch /etc/umbra-was-here", timeout=30)
        t.check(result.status == 0 and not os.path.exists("/etc/umbra-was-here"),
                "what the bed writes stays there")


@case("bed/panic", weight=5)
def panic(t):
    "A panic ends the run at once, with the console's tail."
    status, _, err = bed("--", "sh", "-c", "echo c >/proc/sysrq-trigger; sleep 60")
    t.check(status == 251, "exit status 251", str(status))
    t.check("the bed's kernel panicked" in err.splitlines()[0], "the first line says why", err)
    t.check("sysrq triggered crash" in err, "the console's tail is shown", err)


@case("bed/report", weight=5)
def report(t):
    "A report in the log fails a run that said 0."
    status, out, err = bed("--", "sh", "-c", "echo hi; echo '<4>BUG: x' >/dev/kmsg")
    t.check((status, out) == (250, "hi\n"), "exit status 250", f"{status} {err}")
    t.check("BUG: x" in err, "the report is shown", err)


@case("bed/unsteady")
def unsteady(t):
    "What fails once is run once more; what the kernel reported is not."
    good, bad = [(ktap.PASS, "works", "")], [(ktap.FAIL, "works", "late")]
    oops = [(ktap.FAIL, "clean kernel log", "[    1.0] BUG: unable to handle page fault")]

    def run(first, second):
        runner = reporter.Reporter()
        with contextlib.redirect_stdout(io.StringIO()) as out:
            runner.report("other", good, 0)
            runner.report("it", first, 0, again=second and (
                lambda r: r.report("it", second, 0)))
            runner.repeat()
            status = runner.end()
        return status, out.getvalue().splitlines()[-2:]

    for first, second, want, last in (
            (bad, good, 0, ["unsteady: it", "2 passed, 0 failed, 0 skipped"]),
            (bad, bad, 1, ["failed: it", "1 passed, 1 failed, 0 skipped"]),
            (bad, None, 1, ["failed: it", "1 passed, 1 failed, 0 skipped"]),
            (oops, good, 1, ["failed: it", "1 passed, 1 failed, 0 skipped"])):
        status, lines = run(first, second)
        t.check((status, lines) == (want, last), f"{first[0][1]}, then {second}", "\n".join(lines))


@case("bed/kernels", weight=20)
def kernels_boot(t):
    "The other kernels boot in the bed, and stock KVM loads there."
    import kernels
    for series in ("6.12", "7"):
        try:
            with kernels.Lock():
                kernel = kernels.fetch(series)
        except kernels.Unreachable as reason:
            t.results.append((ktap.SKIP, series, str(reason)))
            continue
        with LoadedBed(kernel=kernel, kvm="npt=0") as loaded:
            result = loaded.run("uname -r; ls /dev/kvm", timeout=30)
            t.check(result.output.decode() == f"{kernel.release}\n/dev/kvm\n",
                    f"{series} boots", result.output.decode())
