# SPDX-License-Identifier: GPL-2.0
"""The bed of the benchmark: one boot, one column of the table.

Like the test bed it is Debian's stock kernel under TCG, but all that runs in it
is in its initramfs and nothing comes from outside: with -icount two boots are
nearly the same.  bench-init.sh is its first process.
"""

import os
import re
import shlex
import shutil
import subprocess
import tempfile

import bedlib
import dmesg
import initramfs
import tsc

WORKLOAD = os.path.join(bedlib.ROOT, "selftests/bench/workload")
TOOL = os.path.join(bedlib.ROOT, "userspace/umbra")
QEMU = "qemu-system-x86_64"
# What QEMU loads by itself, for the accelerator.
QEMU_MODULE = "/usr/lib/x86_64-linux-gnu/qemu/accel-tcg-x86_64.so"
FIRMWARE = ("seabios/bios-256k.bin", "qemu/kvmvapic.bin", "qemu/linuxboot_dma.bin")

# Nothing at random, so that both beds and guests lay their memory out the same way.
FIXED = "nokaslr norandmaps"
GUEST_APPEND = f"console=ttyS0 quiet {FIXED}"

UMBRA_GUEST = "/bench/umbra run --device {device} -q -k /bench/vmlinuz -i /bench/initrd -m 256M"
TCG_GUEST = (f"QEMU_MODULE_DIR={os.path.dirname(QEMU_MODULE)} /bench/{QEMU} "
             "-accel tcg -cpu max,la57=off,-svm -m 256 -nodefaults -display none "
             "-no-reboot -serial stdio -L /bench/firmware "
             "-device isa-debug-exit,iobase=0xf4,iosize=1 "
             "-kernel /bench/vmlinuz -initrd /bench/initrd")


class Column:
    """One machine that the workload runs on.

    modules: stock modules to load; setup: shell commands after that; guest: the
    monitor's command, None: natively; cpu: the bed's processor.
    """

    def __init__(self, name, modules=(), setup="", guest=None, cpu="max", cost=1):
        self.name, self.modules, self.setup, self.guest = name, modules, setup, guest
        self.cpu, self.cost = cpu, cost


def umbra(name, cpu):
    return Column(name, setup=f"insmod /bench/umbra.ko engine={name}", cpu=cpu,
                  guest=UMBRA_GUEST.format(device="/dev/umbra"))


def kvm(name, params):
    return Column(name, modules=(("kvm_amd", params),),
                  guest=UMBRA_GUEST.format(device="/dev/kvm"))


COLUMNS = {column.name: column for column in (
    Column("native"),
    umbra("svm", "max"),
    umbra("soft", "max,-svm,min-xlevel=0x80000008"),
    kvm("npt0", "npt=0"),
    kvm("npt1", "npt=1"),
    Column("tcg", guest=TCG_GUEST, cost=12),
)}


class Outcome:
    """What a boot gave: results by line, in ticks for one repetition."""

    def __init__(self, text):
        self.text = text
        self.lines, self.refused, self.stats = {}, [], {}
        self.shadow = self.audit = self.status = None
        self.ended = False
        self.log = []
        for line in text.replace("\r", "").splitlines():
            self._take(line)
        self.reports = dmesg.reports(self.log)

    def _take(self, line):
        if (found := re.search(r"bench (\w+) (\d+) (\d+)$", line)):
            name, count, ticks = found[1], int(found[2]), int(found[3])
            self.ended |= name == "end"
            if count:
                self.lines[name] = ticks / count
        elif (found := re.search(r"bench (\w+) cannot", line)):
            self.refused.append(found[1])
        elif (found := re.search(r"bench: (shadow|audit|status) (\d+)$", line)):
            setattr(self, found[1], int(found[2]))
        elif (found := re.search(r"bench: stat (\S+):(\d+)$", line)):
            self.stats[found[1]] = int(found[2])
        elif line.startswith("bench: log "):
            self.log.append(line[len("bench: log "):])

    def problem(self):
        """Why it cannot be believed, or ""."""
        if self.status is None:
            return "it did not come to its end"
        if self.reports:
            return "the bed's kernel log holds a report"
        if self.status:
            return f"status {self.status}"
        # QEMU that fails ends as one whose guest has ended well.
        if not self.ended:
            return "the workload did not come to its end"
        if self.audit:
            return f"the shadow tables break invariant {self.audit}"
        return f"cannot be prepared: {' '.join(self.refused)}" if self.refused else ""


def libraries(program):
    """The shared libraries of a program, by the paths under which it looks for them."""
    out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True).stdout
    return re.findall(r"(/\S+) \(0x", out)


def add_program(archive, name, path):
    archive.copy(name, path, 0o755)
    for library in libraries(path):
        if library not in archive.libraries:
            archive.libraries.add(library)
            archive.copy(library, os.path.realpath(library), 0o755)


def add_modules(archive, kernel, column):
    """Stock modules, in loading order; the shell commands that load them."""
    commands = []
    wanted = [name for name, _ in column.modules]
    if "umbra.ko" in column.setup:
        ko = bedlib.umbra_ko(kernel.release)
        archive.copy("bench/umbra.ko", ko)
        wanted += [name for name in bedlib.modinfo(ko, "depends").split(",") if name]
    params = dict(column.modules)
    for path in initramfs.module_closure(kernel.modules, wanted):
        name = os.path.basename(path).split(".ko")[0]
        archive.add(f"bench/{name}.ko", initramfs.read_module(path))
        commands.append(f"insmod /bench/{name}.ko {params.get(name.replace('-', '_'), '')}")
    return commands + [column.setup]


def write_initramfs(path, kernel, column, folder, lines, stats):
    busybox = initramfs.find_busybox()
    if not busybox:
        raise bedlib.BedError("no static busybox here; install busybox-static (make deps)")
    archive = initramfs.Archive()
    archive.libraries = set()
    for name in ("bin", "dev", "proc", "sys", "tmp", "bench"):
        archive.mkdir(name)
    archive.mknod("dev/console", 5, 1)
    archive.copy("bin/busybox", busybox, 0o755)
    archive.copy("init", os.path.join(bedlib.HERE, "bench-init.sh"), 0o755)
    archive.copy("bench/workload", WORKLOAD, 0o755)
    setup = add_modules(archive, kernel, column)
    run = ""
    if column.guest:
        inner = os.path.join(folder, "guest-initrd")
        write_guest(inner)
        archive.copy("bench/initrd", inner)
        archive.copy("bench/vmlinuz", kernel.image)
        append = f"{GUEST_APPEND} -- {' '.join(lines)}".strip()
        run = f"{column.guest} {'-append' if column.name == 'tcg' else '-a'} {shlex.quote(append)}"
        if column.name == "tcg":
            # isa-debug-exit makes status 1 of the guest's 0.
            run += "; test $? = 1"
            add_program(archive, f"bench/{QEMU}", shutil.which(QEMU))
            add_program(archive, QEMU_MODULE, QEMU_MODULE)
            for name in FIRMWARE:
                archive.copy("bench/firmware/" + os.path.basename(name), "/usr/share/" + name)
        else:
            add_program(archive, "bench/umbra", TOOL)
    archive.add("bench/config", "".join(
        f"{key}={shlex.quote(value)}\n" for key, value in (
            ("COLUMN", column.name), ("SETUP", "\n".join(setup)), ("GUEST", run),
            ("LINES", " ".join(lines)), ("STATS", "y" if stats else ""))))
    archive.write(path)


def write_guest(path):
    """The guest's initramfs: the workload, which is /init."""
    archive = initramfs.Archive()
    archive.mkdir("dev")
    archive.mknod("dev/console", 5, 1)
    archive.copy("init", WORKLOAD, 0o755)
    archive.write(path)


def qemu_command(kernel, column, initrd, counted, extra):
    append = (f"console=ttyS0,115200 quiet loglevel=0 panic=-1 oops=panic tsc=reliable "
              f"random.trust_cpu=on apparmor=0 audit=0 edd=off {FIXED} "
              f"tsc_early_khz={1000000 if counted else tsc.khz()}")
    args = [QEMU, "-nodefaults", "-no-user-config", "-no-reboot", "-nographic",
            "-serial", "stdio", "-monitor", "none", "-machine", "pc", "-m", "1G", "-smp", "1",
            "-cpu", column.cpu, "-kernel", kernel.image, "-initrd", initrd,
            "-append", append, "-seed", "1"]
    if counted:
        args += ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
                 "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
    else:
        args += ["-accel", "tcg"]
    return args + list(extra)


def run(column, lines, counted, timeout, stats=False, extra=()):
    """Boot the bed for one column; its Outcome."""
    kernel = bedlib.find_kernel()
    words = list(lines) + ([] if counted else ["timed"])
    folder = tempfile.mkdtemp(prefix="umbra-bench-")
    try:
        initrd = os.path.join(folder, "initrd")
        write_initramfs(initrd, kernel, column, folder, words, stats)
        argv = qemu_command(kernel, column, initrd, counted, extra)
        with open(os.path.join(folder, "out"), "w+b") as out:
            qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                    stderr=subprocess.STDOUT,
                                    preexec_fn=bedlib.die_with_parent)
            try:
                qemu.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
            finally:
                qemu.kill()
                qemu.wait()
            out.seek(0)
            return Outcome(out.read().decode(errors="replace"))
    finally:
        shutil.rmtree(folder)
