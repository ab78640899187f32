# SPDX-License-Identifier: GPL-2.0
"""The second test bed: a stock Debian kernel under Bochs.

Bochs is slow, about 40 million instructions a second, and knows what QEMU's TCG does not:
PCIDs, IBT, LASS.  Its packages come from Debian trixie into the cache, with the libraries
that they want (kernels.py); nothing is installed.  There is no 9p: what the bed needs is in
its initramfs, and what it has to say comes over the serial line when it is through.

    run = Bed("arrow_lake", kernel, archive, append="...").run(timeout=300)
    run.text, run.late
"""

import os
import re
import signal
import struct
import subprocess
import tempfile
import time

import bedlib
import initramfs
import kernels

SUITE = "trixie"
# The program and what it is linked with; interfaces to users are plugins of their own.
PACKAGES = re.compile(r"bochsbios|(?!libwx|libsdl|libpulse|libasound)lib")

SECTOR = 512
CHUNK = 32              # bochs.S reads so many sectors a time
SETUP_ADDRESS = 0x90000
CMDLINE = 0x9000        # behind the kernel's setup
KERNEL_ADDRESS = 0x100000
INITRD_ADDRESS = 0x8000000
MEGABYTES = 512
# A cylinder of the geometry that every BIOS takes.
CYLINDER = 16 * 63 * SECTOR

CONFIG = """\
megs: {mem}
cpu: model={cpu}, count=1, ips=40000000, reset_on_triple_fault=0, ignore_bad_msrs=1
romimage: file={tree}/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file={tree}/usr/share/vgabios/vgabios.bin
plugin_ctrl: unmapped=1, biosdev=0, speaker=0, extfpuirq=0, parallel=0, iodebug=0
display_library: rfb, options="timeout=0"
ata0-master: type=disk, mode=flat, path={disk}, cylinders={cylinders}, heads=16, spt=63
boot: disk
com1: enabled=1, mode=file, dev={serial}
log: {log}
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
clock: sync=none, time0=1700000000
"""

APPEND = ("console=ttyS0,115200 loglevel=4 panic=0 oops=panic hpet=disable apparmor=0 audit=0 "
          "edd=off")


def tree():
    """Bochs unpacked: its folder."""
    path = os.path.join(bedlib.cache_dir(), "bochs")
    if not os.path.isdir(path):
        with kernels.Lock():
            if os.path.isdir(path):
                return path
            kernels.note(f"fetching the Bochs of {SUITE} and its libraries")
            apt = kernels.Apt(SUITE)
            apt.update()
            new = kernels.fresh_tree(path)
            apt.unpack(["bochs", "vgabios", *apt.closure("bochs", PACKAGES)], new)
            kernels.finish_tree(path)
    return path


def boot_sector(folder):
    """bochs.S, assembled."""
    source, out = os.path.join(bedlib.HERE, "bochs.S"), os.path.join(folder, "boot")
    kernels.call(["gcc", "-c", "-m32", "-o", out + ".o", source], "assembling bochs.S")
    kernels.call(["ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary",
                  "-o", out, out + ".o"], "linking bochs.S")
    with open(out, "rb") as file:
        return bytearray(file.read())


def setup_part(image, cmdline, initrd_size):
    """The real-mode part of a bzImage, its header filled in, and the rest.

    Documentation/arch/x86/boot.rst has the fields.
    """
    size = ((image[0x1f1] or 4) + 1) * SECTOR
    setup, rest = bytearray(image[:size]), image[size:]
    setup[0x210] = 0xff                     # type_of_loader
    setup[0x211] |= 0x80                    # CAN_USE_HEAP
    struct.pack_into("<I", setup, 0x218, INITRD_ADDRESS)
    struct.pack_into("<I", setup, 0x21c, initrd_size)
    struct.pack_into("<H", setup, 0x224, 0x8e00 - 0x200)
    struct.pack_into("<I", setup, 0x228, SETUP_ADDRESS + CMDLINE)
    return bytes(setup).ljust(CMDLINE, b"\0") + cmdline.encode() + b"\0", rest


def write_disk(path, folder, image, initrd, cmdline):
    """A disk that boots; its number of cylinders."""
    with open(image, "rb") as file:
        setup, rest = setup_part(file.read(), cmdline, os.path.getsize(initrd))
    with open(initrd, "rb") as file:
        parts = [(setup, SETUP_ADDRESS), (rest, KERNEL_ADDRESS), (file.read(), INITRD_ADDRESS)]
    sector = boot_sector(folder)
    lba, body = 1, []
    for index, (data, address) in enumerate(parts):
        data = data.ljust(-(-len(data) // (CHUNK * SECTOR)) * CHUNK * SECTOR, b"\0")
        struct.pack_into("<III", sector, 0x1c0 + 12 * index, len(data) // SECTOR, lba, address)
        body.append(data)
        lba += len(data) // SECTOR
    cylinders = -(-lba * SECTOR // CYLINDER)
    with open(path, "wb") as file:
        file.write(sector)
        for data in body:
            file.write(data)
        file.truncate(cylinders * CYLINDER)
    return cylinders


class Result:
    """What came over the serial line; late: Bochs had to be killed; log: its own words."""

    def __init__(self, text, late, log, seconds):
        self.text, self.late, self.log, self.seconds = text, late, log, seconds


class Bed:
    """One boot.  kernel: a bedlib.Kernel; archive: an initramfs.Archive whose /init ends
    with poweroff -f; append: more kernel command line."""

    def __init__(self, cpu, kernel, archive, append=""):
        self.cpu, self.kernel, self.archive, self.append = cpu, kernel, archive, append

    def run(self, timeout):
        """Boot, wait for the end, at most timeout seconds."""
        where = tree()
        with tempfile.TemporaryDirectory(prefix="umbra-bochs-") as folder:
            names = {name: os.path.join(folder, name)
                     for name in ("disk", "serial", "log", "initrd", "bochsrc")}
            self.archive.write(names["initrd"])
            names["cylinders"] = write_disk(names["disk"], folder, self.kernel.image,
                                            names["initrd"], f"{APPEND} {self.append}")
            with open(names["bochsrc"], "w") as file:
                file.write(CONFIG.format(tree=where, cpu=self.cpu, mem=MEGABYTES, **names))
            return self._run(where, names, timeout)

    def _run(self, where, names, timeout):
        libraries = os.path.join(where, "usr/lib/x86_64-linux-gnu")
        env = {**os.environ, "LTDL_LIBRARY_PATH": libraries + "/bochs/plugins",
               "BXSHARE": where + "/usr/share/bochs"}
        started = time.monotonic()
        said_name = os.path.join(os.path.dirname(names["log"]), "said")
        with open(said_name, "w") as said:
            bochs = subprocess.Popen(
                ["nice", where + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", libraries,
                 where + "/usr/bin/bochs-bin", "-q", "-f", names["bochsrc"]], env=env,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                preexec_fn=bedlib.die_with_parent)
            try:
                late = not wait(bochs, names["serial"], started + timeout)
            finally:
                if bochs.poll() is None:
                    os.killpg(bochs.pid, signal.SIGKILL)
                    bochs.wait()
        return Result(read(names["serial"]).replace("\r", ""), late,
                      read(names["log"]) + read(said_name), time.monotonic() - started)


def wait(bochs, serial, until):
    """Wait for the end of a bed or for its kernel's panic; whether either came in time."""
    while time.monotonic() < until:
        try:
            bochs.wait(1)
            return True
        except subprocess.TimeoutExpired:
            # It stays there (panic=0): Bochs would not take a reboot for an end.
            if "---[ end Kernel panic" in read(serial):
                return True
    return False


def read(path):
    """A text file, "" when it is not there."""
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""
