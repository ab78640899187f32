# SPDX-License-Identifier: GPL-2.0
"""The `umbra` tool: bad input, image formats, console, ways to end, statistics."""

import lzma
import os
import re
import struct
import subprocess
import sys

import bedlib
import guest
from registry import TOOL, case

PTY = os.path.join(bedlib.HERE, "pty_session.py")


def image():
    return bedlib.find_kernel("6.1").image


# -- code for flat images ------------------------------------------------------

def out(port, byte, bits=16):
    """OUT of a byte to a port, for 16-bit code or for 32- and 64-bit code."""
    prefix = b"" if bits == 16 else b"\x66"
    return prefix + b"\xba" + struct.pack("<H", port) + bytes([0xb0, byte, 0xee])


def hello(text, status, bits=16):
    """Print text on COM1, then end with a status."""
    code = b"".join(out(0x3f8, byte, bits) for byte in text)
    return code + out(0xf4, status, bits) + b"\xf4"


FLAT = {
    "real": hello(b"hello from real mode", 42),
    "flat": hello(b"hello from flat code", 43, 32),
    # LIDT of an empty table, then UD2.
    "triple": b"\x0f\x01\x1e\x00\x10\x0f\x0b",
    "loop": b"\xeb\xfe",
    "halt": b"\xfa\xf4",
    "reset-kbd": out(0x64, 0xfe) + b"\xf4",
    "reset-cf9": out(0xcf9, 0x06) + b"\xf4",
    # OUTSB with REP: 5 bytes from 0000:7c20 to COM1; then status 0.
    "string": (b"\xfc\xbe\x20\x7c\xb9\x05\x00\xba\xf8\x03\xf3\x6e" + out(0xf4, 0)
               + b"\xf4").ljust(0x20, b"\0") + b"outsb",
    # Nobody is at port 0x1234: the status is what it reads.
    "ones": b"\xba\x34\x12\xec\xba\xf4\x00\xee\xf4",
}


def write(t, name, data):
    path = os.path.join(t.scratch, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


# -- bad input -------------------------------------------------------------------

def refused(t, what, args, *words):
    """The tool ends with 2 and one line that has these words."""
    done = subprocess.run([TOOL, "run", *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    good = (done.returncode == 2 and done.stdout == ""
            and done.stderr.count("\n") == 1 and done.stderr.startswith("umbra: ")
            and all(word in done.stderr for word in words))
    t.check(good, what, f"{args}: status {done.returncode}: {done.stderr}{done.stdout}")


@case("tool/bad-input")
def bad_input(t):
    "One line with the reason and the name, status 2, nothing started."
    if not os.path.exists(TOOL):
        t.skip("userspace/umbra is not built")
    kernel = image()
    with open(kernel, "rb") as file:
        data = file.read()
    short = write(t, "short", data[:len(data) // 2])
    junk = write(t, "junk", b"junk" * 1000)
    empty = write(t, "empty", b"")
    flat = write(t, "flat", FLAT["real"])
    big = os.path.join(t.scratch, "big")
    with open(big, "wb") as file:
        file.truncate(400 << 20)
    secret = os.path.join(t.scratch, "folder")
    os.mkdir(secret)

    refused(t, "no kernel", [], "-k")
    refused(t, "an unknown option", ["--bogus"], "--bogus")
    refused(t, "an unknown letter", ["-Z"], "-Z")
    refused(t, "a missing argument", ["-k"], "-k")
    refused(t, "a stray word", ["-k", kernel, "stray"], "stray")
    refused(t, "a missing kernel", ["-k", "/nonexistent"], "/nonexistent")
    refused(t, "a folder", ["-k", secret], secret)
    refused(t, "a device", ["-k", "/dev/zero"], "/dev/zero")
    refused(t, "an empty file", ["-k", empty], empty)
    refused(t, "a truncated bzImage", ["-k", short], short, "truncated")
    refused(t, "no image at all", ["-k", junk], junk)
    refused(t, "a missing initrd", ["-k", kernel, "-i", "/nonexistent"], "/nonexistent")
    refused(t, "an initrd that does not fit", ["-k", kernel, "-i", big], big)
    refused(t, "too little memory", ["-k", kernel, "-m", "24M"], kernel, "-m")
    for size in ("0", "-1", "1k", "1027k", "x", "1.5G", "99999999999999999999", "2000G"):
        refused(t, f"memory of {size}", ["-k", kernel, "-m", size], "-m")
    for cpus in ("0", "-1", "100000", "two"):
        refused(t, f"{cpus} processors", ["-k", kernel, "-c", cpus], "-c")
    refused(t, "a command line that is too long", ["-k", kernel, "-a", "x" * 3000], "-a")
    refused(t, "two initrds", ["-k", kernel, "-i", flat, "-i", flat], flat)
    refused(t, "an unknown format", ["-k", kernel, "--format", "pe"], "pe")
    refused(t, "an unknown mode", ["-k", flat, "--flat", "0x7c00", "--mode", "vm86"], "vm86")
    refused(t, "a flat image outside RAM", ["-k", flat, "--flat", "0xa0000"], flat)
    refused(t, "an entry outside the image",
            ["-k", flat, "--flat", "0x7c00", "--entry", "0x100"], "--entry")


# -- images and ways to end --------------------------------------------------------

def flat_run(t, bed, name, *args, address="0x7c00", timeout=30):
    path = os.path.join(t.scratch, name)
    return bed.run(t.umbra_run("-k", path, "--flat", address, *args), timeout=timeout)


def ends(t, result, status, *words, what=""):
    text = result.output.decode(errors="replace")
    t.check(result.status == status and all(word in text for word in words),
            what, f"status {result.status}, output: {text[-800:]}")


@case("tool/ends", engines=("svm", "kvm"), weight=15)
def ways_to_end(t):
    "Flat images in every mode, and every way in which a VM can end."
    for name, code in FLAT.items():
        write(t, name, code)
    with t.bed(share=True) as bed:
        ends(t, flat_run(t, bed, "real"), 42, "hello from real mode", "status 42",
             what="real mode, status by port 0xf4")
        ends(t, flat_run(t, bed, "flat", "--mode", "protected", address="0x100000"), 43,
             "hello from flat code", what="protected mode")
        ends(t, flat_run(t, bed, "flat", "--mode", "long", address="0x100000"), 43,
             "hello from flat code", what="long mode")
        ends(t, flat_run(t, bed, "string"), 0, "outsb", what="string output")
        ends(t, flat_run(t, bed, "ones"), 255, what="nobody's port reads as all ones")
        ends(t, flat_run(t, bed, "reset-kbd"), 0, "reset", what="reset by the i8042")
        ends(t, flat_run(t, bed, "reset-cf9"), 0, "reset", what="reset by port 0xcf9")
        ends(t, flat_run(t, bed, "triple"), 3, "triple fault", what="triple fault")
        ends(t, flat_run(t, bed, "triple", "-v"), 3, "RIP", "CR3",
             what="registers with --verbose")
        ends(t, flat_run(t, bed, "loop", "--timeout", "1"), 124, "time is up",
             what="time limit while running")
        ends(t, flat_run(t, bed, "halt", "--timeout", "1"), 124, "time is up",
             what="time limit while halted")
        ends(t, flat_run(t, bed, "loop", "-c", "4", "--timeout", "1"), 124,
             what="four processors, three never started")
        ends(t, bed.run(" ".join(["timeout 2"] + t.umbra_run(
            "-k", os.path.join(t.scratch, "loop"), "--flat", "0x7c00")), timeout=30),
            124, "killed by SIGTERM", what="SIGTERM")
        result = flat_run(t, bed, "real", "-q")
        t.check(result.output == b"hello from real mode", "--quiet",
                repr(result.output[-200:]))
        result = flat_run(t, bed, "loop", "-m", "2000G")
        ends(t, result, 2, "-m", what="more memory than addresses")
        result = flat_run(t, bed, "real", "-m", "5G")
        ends(t, result, 42, what="memory above 4 GiB, not reserved")


def extract_vmlinux(path):
    """The ELF file inside a bzImage, when it is packed with xz."""
    with open(path, "rb") as file:
        data = file.read()
    setup = (data[0x1f1] + 1) * 512
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[setup + offset:setup + offset + length]
    if payload[:6] != b"\xfd7zXZ\0":
        return None
    # Behind the stream comes its size.
    return lzma.LZMADecompressor().decompress(payload)


@case("tool/pvh", engines=("svm", "kvm"), weight=40)
def pvh(t):
    "Debian's vmlinux boots by its PVH note, with an initrd."
    vmlinux = extract_vmlinux(image())
    if not vmlinux:
        t.skip("this kernel image is not packed with xz")
    path = write(t, "vmlinux", vmlinux)
    initrd = os.path.join(t.scratch, "initrd")
    guest.make_initrd(initrd, "uname -a; exit 7")
    with t.bed(share=True) as bed:
        result = bed.run(t.umbra_run("-k", path, "-i", initrd, "-v",
                                     "-a", "console=ttyS0", "-a", "quiet"), timeout=120)
        ends(t, result, 7, "PVH", "Linux guest", what="boots, ends with its status")


# -- console ----------------------------------------------------------------------

def on_terminal(t, bed, steps, *args, timeout=150):
    argv = [sys.executable, PTY, *steps, "--", *t.umbra_run(*args)]
    return bed.run(argv, timeout=timeout, env={"PYTHONDONTWRITEBYTECODE": "1"})


@case("tool/console", engines=("svm", "kvm"), weight=60)
def console(t):
    "A shell on a terminal: typing, escape keys, and the terminal afterwards."
    initrd = os.path.join(t.scratch, "initrd")
    guest.make_initrd(initrd)
    linux = ("-k", image(), "-i", initrd, "-a", "console=ttyS0 quiet")
    loop = ("-k", write(t, "loop", FLAT["loop"]), "--flat", "0x7c00")
    with t.bed(share=True) as bed:
        result = on_terminal(t, bed, [
            "wait:guest# ", "send:echo $((6*7))\\n", "wait:\\n42",
            # 400 characters at once, over and over the size of the FIFO.
            "send:echo " + "x" * 400 + " | wc -c; echo d''one\\n", "wait:401", "wait:done",
            "send:head -n1 | cat -v; echo d''one\\n", "wait:\\n",
            "send:a\\x01\\x01b\\n", "wait:a^Ab\\r\\ndone", "send:exit 5\\n", "wait:status 5"],
            *linux)
        ends(t, result, 0, "status 5\n", "terminal restored", what="typing, and exit 5")
        result = on_terminal(t, bed, ["send:\\x01h", "wait:this list", "send:\\x01x",
                                      "wait:ended from the console"], *loop)
        ends(t, result, 0, "status 0\n", "terminal restored", what="Ctrl-A h, Ctrl-A x")
        for name, number in ("TERM", 143), ("HUP", 129), ("SEGV", -11), ("QUIT", -3):
            # The help shows that the terminal is in raw mode already.
            result = on_terminal(t, bed, ["send:\\x01h", "wait:this list",
                                          "kill:" + name], *loop)
            ends(t, result, 0, f"status {number}\n", "terminal restored",
                 what=f"SIG{name} restores the terminal")


# -- info and stat ------------------------------------------------------------------

@case("tool/inspect", engines=("svm", "kvm"), weight=10)
def inspect(t):
    "umbra info and umbra stat."
    loop = write(t, "loop", FLAT["loop"])
    start = " ".join(t.umbra_run("-k", loop, "--flat", "0x7c00", "--timeout", "20")) + \
        " & vm=$!; sleep 2; "
    stop = "; status=$?; kill $vm; wait $vm; exit $status"
    with t.bed(share=True) as bed:
        result = bed.run([TOOL, "info", "--device", t.device], timeout=30)
        ends(t, result, 0, "KVM API        12", "USER_MEMORY", "vendor", "features",
             what="info")
        ends(t, bed.run([TOOL, "info", "--device", "/dev/null"], timeout=30), 1,
             "/dev/null", what="info on something else")
        ends(t, bed.run([TOOL, "stat"], timeout=30), 0, "no VM", what="stat of no VM")
        result = bed.run(start + TOOL + " stat" + stop, timeout=60)
        ends(t, result, 0, "exits by reason", "MMU", what="stat of the only VM")
        result = bed.run(start + TOOL + " stat --live -n 2 $vm" + stop, timeout=60)
        ends(t, result, 0, "per second", what="stat --live")
        t.check(result.output.count(b"VM ") == 2, "twice", result.output.decode()[-500:])
        result = bed.run(start + TOOL + " stat 1" + stop, timeout=60)
        ends(t, result, 2, "1: no such VM", what="stat of another process")
        ends(t, bed.run([TOOL, "block"], timeout=30), 2, "no VM", what="block of no VM")
        if t.device == "/dev/umbra":
            result = bed.run(start + TOOL + " block" + stop, timeout=60)
            ends(t, result, 1, "only the soft engine translates", what="block of another engine")


@case("tool/block", engines=("soft",), weight=20)
def block(t):
    "umbra block shows kernel code beside its translation."
    initrd, log = os.path.join(t.scratch, "initrd"), os.path.join(t.scratch, "log")
    guest.make_initrd(initrd, "echo here; exec sleep 1000")
    run = " ".join(t.umbra_run("-k", t.guest_image(), "-i", initrd, "-q", "-a", "console=ttyS0"))
    # The guest sleeps in the kernel, but now and then a timer's softirq or a thread runs.
    script = (f"{run} >{log} 2>&1 & vm=$!; until grep -q ^here {log}; do sleep 1; done; "
              f"for i in 1 2 3 4 5; do {TOOL} block $vm; {TOOL} block -a $vm; done; "
              f"{TOOL} block -r word; {TOOL} block -r 0x10; {TOOL} block -c 7; kill $vm; wait $vm")
    with t.bed(share=True) as bed:
        said = bed.run(script, timeout=180).output.decode(errors="replace")
    t.check(re.search(r"^\d+ bytes at ffffffff[0-9a-f]{8}, translated to \d+$", said, re.M),
            "a block of the kernel", said)
    t.check(re.search(r"^ffffffff[0-9a-f]{8}  [a-z].* ffff8[0-9a-f]{11}   [a-z]", said, re.M),
            "guest instruction and translation side by side", said)
    t.check(".byte" not in said, "all code decodes", said)
    t.check("word: not an address" in said, "no address", said)
    t.check("0x10: no block" in said, "no translation", said)
    t.check("vcpu7" in said, "no such vCPU", said)
