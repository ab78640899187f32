# SPDX-License-Identifier: GPL-2.0
"""What Debian's kernel and programs do beyond booting, on each engine.

The guest's part is in selftests/guests/: a shell script, a static program (the
probe) and a 32-bit one.  What they print, "ok NAME" or "not ok NAME", is counted
here line by line.
"""

import os
import re
import subprocess

import bedlib
import guest
import initramfs
from registry import case

GUESTS = os.path.join(bedlib.ROOT, "selftests/guests")
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-static")
# For a processor without its own C library here: no package is needed.
FLAGS_32 = ("-m32", "-ffreestanding", "-fno-pie", "-no-pie", "-fno-stack-protector", "-nostdlib",
            "-I/usr/include/x86_64-linux-gnu")

MODULES = ("brd", "ext4", "loop", "dm-mod", "xor", "sha512-ssse3", "tun", "bridge")
# Functions that the tracer traces: about a hundred call sites are patched.
TRACED = "vfs_* tcp_v4_*"


def compile_guest(t, name, *flags):
    """A program of selftests/guests for the guest; its path."""
    path = os.path.join(t.scratch, name)
    sources = sorted(entry for entry in os.listdir(GUESTS)
                     if re.fullmatch(name + r"(_\w+)?\.c", entry))
    done = subprocess.run(["gcc", *FLAGS, *flags, "-o", path, *sources], cwd=GUESTS,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    t.check(not done.stdout, f"{name} compiles without a warning", done.stdout[-2000:])
    return path


def files(t, parts):
    """What the guest brings along: (name, path) pairs."""
    second = os.path.join(t.scratch, "second")
    script = os.path.join(GUESTS, "userland.sh")
    with open(script) as file:
        text = file.read()
    guest.make_initrd(second, text)
    inside = [("probe", compile_guest(t, "probe", "-pthread")),
              ("ia32", compile_guest(t, "ia32", *FLAGS_32)),
              ("second", second), ("vmlinuz", t.guest_image())]
    texts = {"parts": parts, "traced": TRACED, "more": "", "etc/hello": "hello\n"}
    tree = bedlib.find_kernel().modules
    for number, path in enumerate(initramfs.module_closure(tree, MODULES)):
        name = os.path.basename(path).split(".ko")[0].replace("-", "_")
        texts[f"modules/{number:02}-{name}.ko"] = initramfs.read_module(path)
    for name, data in texts.items():
        path = os.path.join(t.scratch, name.replace("/", "."))
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        inside.append((name, path))
    return text, inside


def count(t, said):
    """The guest's lines as results."""
    for line in said.splitlines():
        found = re.fullmatch(r"(not )?ok (.*?)\r?", line)
        if found:
            name, _, why = found.group(2).partition(": ")
            t.check(not found.group(1), f"guest: {name}", why)


@case("guest/userland", engines=("svm", "soft"), weight=90)
def userland(t):
    "Threads, FPU, ptrace, segments, JITs, kprobes, tracers, modules, kexec in a Debian guest."
    initrd = os.path.join(t.scratch, "initrd")
    # VMRUN under TCG does not arm debug registers (errata.rst).
    text, inside = files(t, "watch" if t.engine == "soft" else "")
    guest.make_initrd(initrd, text, inside)
    with t.bed(share=True, cpus=2) as bed:
        result = bed.run(t.umbra_run("-k", t.guest_image(), "-i", initrd, "-q", "-m", "384M", "-a",
                                     "console=ttyS0 quiet vsyscall=emulate"), timeout=400)
    said = result.output.decode(errors="replace")
    count(t, said)
    stamps = re.findall(r"== (\w+) ([\d.]+)", said)
    t.note("guest's seconds: " + " ".join(f"{name} {at}" for name, at in stamps))
    t.check(result.status == 9, "ends with the second kernel's status", said[-3000:])


@case("guest/eight-cpus", engines=("svm", "soft"), weight=80)
def eight(t):
    "Debian's kernel on eight virtual processors; threads, remote TLB flushes."
    initrd = os.path.join(t.scratch, "initrd")
    guest.make_initrd(initrd, "echo cpus: $(grep -c ^processor /proc/cpuinfo); /probe threads tlb; "
                      "dmesg -r | grep -E '^<[0-2]>|WARNING|BUG|unchecked MSR'; exit 9",
                      [("probe", compile_guest(t, "probe", "-pthread"))])
    with t.bed(share=True, cpus=2) as bed:
        result = bed.run(t.umbra_run("-k", t.guest_image(), "-i", initrd, "-q", "-c", "8", "-a",
                                     "console=ttyS0 quiet"), timeout=400)
    said = result.output.decode(errors="replace")
    count(t, said)
    t.check("cpus: 8\r" in said, "has eight processors", said[-3000:])
    t.check(result.status == 9, "ends with the status", said[-3000:])
    bad = [line for line in said.splitlines() if re.search("WARNING|BUG|unchecked MSR", line)]
    t.check(not bad, "warns of nothing", "\n".join(bad))
