# SPDX-License-Identifier: GPL-2.0
"""The front door: make demo, make run, make install, as a user types them."""

import os
import platform
import re
import subprocess
import sys
import tempfile

import bedlib
from registry import case


def make(*args, timeout=400):
    done = subprocess.run(["make", "--no-print-directory", "-C", bedlib.ROOT, *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=timeout)
    return done.returncode, done.stdout, done.stderr


def demo(t, *args):
    status, out, err = make("demo", "CMD=uname -a; echo $((6 * 7)); cat /proc/cmdline", *args)
    t.check(status == 0, "succeeds when the command does", err)
    t.check("Linux guest 6.1" in out, "the guest says its name", out)
    t.check("\n42" in out.replace("\r", ""), "make leaves the command's $ alone", out)
    status, out, err = make("demo", "CMD=exit 42", *args)
    t.check(status != 0, "fails when the command does", err)
    t.check("status 42" in err, "and names the status", err)


@case("demo/umbra", weight=65)
def demo_umbra(t):
    "make demo CMD=... on Umbra."
    demo(t)


@case("demo/kvm", weight=65)
def demo_kvm(t):
    "make demo CMD=... DEVICE=/dev/kvm, for comparison."
    demo(t, "DEVICE=/dev/kvm")


@case("demo/trace", weight=65)
def demo_trace(t):
    "make demo TRACE=... HOST=...: the story of one page fault, and the host's word on it."
    status, out, err = make("demo", "CMD=one table; one wait", "HOST=umbra stat",
                            "TRACE=entry exit guest_fault spte_set emulate")
    t.check(status == 0, "succeeds", err)
    t.check(re.search(r"guest_fault: gva (\S+) error 0x6 guest .*"
                      r"guest_fault: gva \S+ error 0x3 write .*emulate: .* ok\n.*"
                      r"guest_fault: gva \1 error 0x6 retry", out, re.S),
            "the guest's own fault, its write to a table, and the shadow's fault", out[-4000:])
    t.check("exits by reason" in out, "umbra stat ran beside the guest", out[:3000])
    _, out, err = make("demo", "ENGINE=soft", "CMD=one wait", "HOST=umbra stat", "TRACE=translate")
    counters = dict(re.findall(r"^  (\w+) +(\d+)", out.replace("\r", ""), re.M))
    there = [n for n in ("world_switches", "tc_chain", "tc_miss", "tc_hit", "tc_callout",
                         "tc_blocks", "tc_links") if int(counters.get(n, 0))]
    t.check(len(there) == 7, "translations are counted", out[-4000:] + err)
    t.check(int(counters.get("tc_insns", 0)) > int(counters.get("tc_blocks", 0)),
            "more instructions than blocks", str(counters))
    t.check("translate: vcpu 0 rip 0xffff" in out, "and traced", out[-2000:])
    status, _, err = make("demo", "CMD=true", "TRACE=bogus")
    t.check(status != 0 and "bogus" in err, "refuses an event that is not there", err)


@case("demo/terminal", weight=60)
def demo_terminal(t):
    "make demo on a terminal gives a shell that can be typed to."
    done = subprocess.run(
        [sys.executable, os.path.join(bedlib.HERE, "pty_session.py"), "--seconds", "400",
         "wait:guest# ", "send:echo $((40+2)) $(tty)\\n", "wait:42 /dev/ttyS0",
         "send:exit 3\\n", "--", "make", "--no-print-directory", "-C", bedlib.ROOT, "demo"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = done.stdout.decode(errors="replace")
    t.check("42 /dev/ttyS0" in said, "the shell on the guest's console answers", said[-3000:])
    t.check("Run /init as init process" in said, "after the guest kernel's own log")
    t.check("ended with status 3" in said, "the shell's status is named", said[-500:])
    t.check("terminal restored" in said, "the terminal is as it was", said[-500:])


@case("demo/run")
def run_here(t):
    "make run works here, or says in one line why not."
    status, out, err = make("run", "CMD=true")
    lines = [line for line in err.splitlines() if line.startswith("demo: ")]
    if status == 0:
        t.check(True, "ran")
        return
    t.check(len(lines) == 1 and out == "", "one line", out + err)
    t.note(lines[0] if lines else platform.release())


@case("demo/install")
def install(t):
    "make install puts everything below DESTDIR, and DKMS can build from it."
    with tempfile.TemporaryDirectory(prefix="umbra-install-") as folder:
        status, _, err = make("install", f"DESTDIR={folder}", "PREFIX=/usr")
        if not t.check(status == 0, "make install", err):
            return
        files = [os.path.relpath(os.path.join(path, name), folder)
                 for path, _, names in os.walk(folder) for name in names]
        for wanted in ("usr/bin/umbra", "usr/share/man/man1/umbra.1",
                       "usr/lib/udev/rules.d/60-umbra.rules"):
            t.check(wanted in files, wanted)
        tree = [os.path.dirname(f) for f in files if f.endswith("/dkms.conf")]
        if not t.check(len(tree) == 1, "one DKMS source tree"):
            return
        stray = [f for f in files if f.endswith((".o", ".ko", ".cmd", ".mod.c"))]
        t.check(not stray, "no build results in it", " ".join(stray))
        build_as_dkms(t, os.path.join(folder, tree[0]))


def build_as_dkms(t, tree):
    """Run dkms.conf's own MAKE line as DKMS would."""
    kdir = bedlib.find_kernel().modules + "/build"
    work = os.path.join(os.path.dirname(tree), "dkms")
    script = ('. "$1/dkms.conf"; module=$PACKAGE_NAME module_version=$PACKAGE_VERSION; '
              'dkms_tree=$2 kernel_source_dir=$3; mkdir -p "$2/$module/$module_version"; '
              'cp -r "$1" "$2/$module/$module_version/build"; . "$1/dkms.conf"; '
              'eval "${MAKE[0]} -j2" && ls "$2/$module/$module_version/build/umbra.ko"')
    done = subprocess.run(["bash", "-c", script, "bash", tree, work, kdir],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    t.check(done.returncode == 0, "dkms.conf's MAKE line builds umbra.ko",
            done.stdout[-2000:])
