# SPDX-License-Identifier: GPL-2.0
"""The test bed: a stock Debian kernel under QEMU's TCG on this root file system.

A Bed boots in a few seconds, runs any number of commands and is thrown away:
this machine's / is its root by 9p, read-only, under a tmpfs overlay, so that
every program, library and build result of this machine is there and nothing
that runs in the bed can change it.  Only the scratch folder is shared back.

    with Bed(cpus=2) as bed:
        result = bed.run(["modprobe", "kvm_amd", "npt=0"])
        result.status, result.output, result.reports

QEMU and the bed talk over three Unix sockets (console, control port, output
port); everything here waits for events, nothing polls.
"""

import base64
import ctypes
import glob
import os
import re
import secrets
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import time
import tty

import dmesg
import initramfs
import tsc

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# What the bed must load before it sees its root.
MODULES = ("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay")

# Kernel command line: quiet but for trouble, dead at once when dead.
CMDLINE = ("console=ttyS0,115200 loglevel=5 panic=-1 oops=panic tsc=reliable "
           "log_buf_len=2M random.trust_cpu=on apparmor=0 audit=0 edd=off")

BOOT_TIMEOUT = 120
ESCAPE = b"\x1d"


class BedError(Exception):
    """The bed itself failed; str() is one line, console the last of its log."""

    def __init__(self, reason, console=""):
        super().__init__(reason)
        self.console = console


class BedTimeout(BedError):
    """The time allowed for a command, or for the boot, ran out."""


class Result:
    """What a command in the bed came to."""

    def __init__(self, status, output, log, late, seconds):
        self.status = status
        self.output = output
        self.log = log
        self.late = late
        self.seconds = seconds
        self.reports = dmesg.reports(log)


def cache_dir():
    """Where downloads and built things that outlive a run are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.environ.get("UMBRA_CACHE") or os.path.join(base, "umbra")


def debug_dir():
    """Where debugkernel.py keeps the debug kernels."""
    return os.path.join(cache_dir(), "debug")


def _version_key(text):
    return [int(n) for n in re.findall(r"\d+", text)]


class Kernel:
    """A kernel to boot: its image, its release string, its module folder.

    patience multiplies every time-out of a bed with it; mem is what a bed has
    that is not told otherwise; append goes to the kernel's command line.
    """

    def __init__(self, image, release, modules):
        self.image, self.release, self.modules = image, release, modules
        self.patience, self.mem, self.append = 1, "1G", ""


def find_kernels(trees=None):
    """Every bootable kernel here: installed ones, then unpacked ones.

    Debug kernels are none of them: they are booted by name only.
    """
    found = []
    if trees is None:
        trees = ["/"] + sorted(glob.glob(os.path.join(cache_dir(), "kernels", "*")))
    for tree in trees:
        for modules in glob.glob(os.path.join(tree, "lib/modules/*")) + \
                glob.glob(os.path.join(tree, "usr/lib/modules/*")):
            # Where /lib is a link to /usr/lib, once is enough.
            if modules.startswith(os.path.join(tree, "usr")) and \
                    os.path.islink(os.path.join(tree, "lib")):
                continue
            release = os.path.basename(modules)
            for image in (os.path.join(tree, "boot/vmlinuz-" + release),
                          os.path.join(modules, "vmlinuz")):
                if os.path.exists(image) and \
                        os.path.exists(os.path.join(modules, "modules.dep")):
                    found.append(Kernel(image, release, modules))
                    break
    return found


def find_kernel(wanted=None):
    """The kernel for a version prefix, a path of an image, a debug kernel's
    name, or the default."""
    debug = wanted and find_kernels(glob.glob(os.path.join(debug_dir(), wanted, "tree")))
    if debug:
        debug[0].patience, debug[0].mem = 10, "3G"
        # no5lvl: while identify_cpu() looks at the processor, an interrupt finds no
        # LA57 in its features, and KASAN every address wild.  acpi=noirq: so slow,
        # ACPI's interpreter takes the loop in _PRT for endless; $PIR has no loop.
        debug[0].append = "no5lvl acpi=noirq"
        return debug[0]
    kernels = find_kernels()
    if wanted and os.path.sep in wanted:
        image = os.path.realpath(wanted)
        for kernel in kernels:
            if os.path.realpath(kernel.image) == image:
                return kernel
        raise BedError(f"{wanted}: no module folder is known for this kernel image")
    prefix = wanted or "6.1"
    fitting = [k for k in kernels
               if k.release == prefix or k.release.startswith(prefix + ".")
               or k.release.startswith(prefix + "-")]
    if not fitting and wanted:
        raise BedError(f"no kernel {wanted} here; installed or unpacked: "
                       + (" ".join(k.release for k in kernels) or "none")
                       + " (selftests/harness/kernels fetches others)")
    if not fitting:
        fitting = kernels
    if not fitting:
        raise BedError("no kernel image with modules in /boot and /lib/modules; "
                       "install linux-image-amd64 (make deps)")
    return max(fitting, key=lambda k: _version_key(k.release))


def umbra_ko(release=None):
    """The module for a kernel release: $UMBRA_KO, umbra.ko where `make` leaves
    it, or one that `kernels build` made."""
    if os.environ.get("UMBRA_KO"):
        return os.path.realpath(os.environ["UMBRA_KO"])
    there = [path for path in [os.path.join(ROOT, "umbra.ko")]
             + glob.glob(os.path.join(ROOT, "build/debug/*/umbra.ko"))
             + glob.glob(os.path.join(cache_dir(), "build/*/umbra.ko"))
             if os.path.exists(path)]
    for path in there:
        if release in (None, modinfo(path, "vermagic").split(" ")[0]):
            return os.path.realpath(path)
    raise BedError(f"no umbra.ko for {release or 'any kernel'} here; `make` or "
                   "`selftests/harness/kernels build` makes one")


def modinfo(path, field):
    """A field of a .ko's own description, "" when it has none."""
    with open(path, "rb") as file:
        found = re.search(rb"(?:^|\0)" + field.encode() + rb"=([^\0]*)\0", file.read())
    return found.group(1).decode() if found else ""


def insmod_lines(path, params=""):
    """Shell commands that load a .ko file after the modules it depends on."""
    needs = [name for name in modinfo(path, "depends").split(",") if name]
    lines = ["modprobe " + shlex.quote(name) for name in needs]
    return lines + [f"insmod {shlex.quote(path)} {params}".rstrip()]


def die_with_parent():
    """In the child: own session, and no life after the harness's."""
    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Bed:
    """One running bed.  Use as a context manager, or boot() and close()."""

    def __init__(self, cpus=1, mem=None, cpu="max", kernel=None, icount=False,
                 gdb=None, append="", qemu_args=(), qemu="qemu-system-x86_64",
                 scratch=None, console=None):
        self.kernel = kernel if isinstance(kernel, Kernel) else find_kernel(kernel)
        self.cpus, self.mem, self.cpu = cpus, mem or self.kernel.mem, cpu
        self.icount, self.gdb, self.append = icount, gdb, append
        self.qemu_args, self.qemu = list(qemu_args), qemu
        self.scratch = os.path.realpath(scratch) if scratch else None
        self.on_console = console
        self.log = []
        self.boot_seconds = None
        self._console = bytearray()
        self._control = bytearray()
        self._lines = []
        self._seq = 0
        self._mark = secrets.token_hex(8)
        self._qemu = None
        self._sockets = {}
        self._dir = None
        self._selector = selectors.DefaultSelector()

    # -- life --------------------------------------------------------------

    def __enter__(self):
        self.boot()
        return self

    def __exit__(self, *_):
        self.close()

    def boot(self, timeout=BOOT_TIMEOUT):
        """Start QEMU and wait for the agent; on failure nothing is left."""
        try:
            self._start()
            deadline = self._deadline(timeout * self.kernel.patience)
            self._wait(lambda: self._take("ready"), deadline, "booting")
        except BaseException:
            self.close()
            raise
        self.boot_seconds = time.monotonic() - self._started

    def close(self):
        """Kill QEMU with its whole process group and remove the traces."""
        if self._qemu:
            try:
                os.killpg(self._qemu.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self._qemu.wait()
            os.close(self._pidfd)
            self._qemu.stderr.close()
            self._qemu = None
        for sock in self._sockets.values():
            sock.close()
        self._sockets = {}
        self._selector.close()
        if self._dir:
            shutil.rmtree(self._dir, ignore_errors=True)
            self._dir = None

    # -- QEMU --------------------------------------------------------------

    def _write_initramfs(self, path):
        busybox = initramfs.find_busybox()
        if not busybox:
            raise BedError("no static busybox here; install busybox-static (make deps)")
        archive = initramfs.Archive()
        for folder in ("bin", "dev", "proc", "sys"):
            archive.mkdir(folder)
        archive.mknod("dev/console", 5, 1)
        archive.copy("bin/busybox", busybox, 0o755)
        archive.copy("init", os.path.join(HERE, "init.sh"), 0o755)
        archive.copy("bed/agent.sh", os.path.join(HERE, "agent.sh"))
        try:
            modules = initramfs.module_closure(self.kernel.modules, MODULES)
        except LookupError as error:
            raise BedError(str(error)) from None
        names = []
        for module in modules:
            name = os.path.basename(module).split(".ko")[0] + ".ko"
            archive.add("bed/modules/" + name, initramfs.read_module(module))
            names.append(name + "\n")
        archive.add("bed/modules.list", "".join(names))
        size = shutil.get_terminal_size((80, 24))
        config = {"SCRATCH": self.scratch or "", "MARK": self._mark,
                  "RELEASE": self.kernel.release, "MODULES": "",
                  "ROWS": size.lines, "COLS": size.columns}
        if not self.kernel.modules.startswith("/lib/modules/"):
            config["MODULES"] = self.kernel.modules
        archive.add("bed/config", "".join(
            f"{key}={shlex.quote(str(value))}\n" for key, value in config.items()))
        archive.write(path)

    def _command(self, initrd):
        append, cpu = CMDLINE, self.cpu
        # Without SVM, "max" forgets the CPUID leaf with the address widths, and
        # a kernel that runs with LA57 takes its own addresses for wrong ones.
        if cpu.startswith("max") and "xlevel" not in cpu:
            cpu += ",min-xlevel=0x80000008"
        append += f" {self.kernel.append} tsc_early_khz={1000000 if self.icount else tsc.khz()}"
        if self.icount or self.gdb:
            append += " nokaslr"
        args = [self.qemu, "-nodefaults", "-no-user-config", "-no-reboot",
                "-nographic", "-serial", "none", "-monitor", "none",
                "-machine", "pc", "-m", str(self.mem), "-smp", str(self.cpus),
                "-cpu", cpu,
                "-kernel", self.kernel.image, "-initrd", initrd,
                "-append", f"{append} {self.append}".strip(),
                "-fsdev", "local,id=root,path=/,security_model=none,"
                          "readonly=on,multidevs=remap",
                "-device", "virtio-9p-pci,fsdev=root,mount_tag=bedroot",
                "-device", "virtio-serial-pci"]
        if self.scratch:
            args += ["-fsdev", f"local,id=scratch,path={self.scratch},"
                               "security_model=none,multidevs=remap",
                     "-device", "virtio-9p-pci,fsdev=scratch,mount_tag=bedscratch"]
        devices = {"console": "isa-serial", "tty": "virtconsole,nr=0",
                   "control": "virtserialport,nr=1", "output": "virtserialport,nr=2"}
        for name, device in devices.items():
            path = os.path.join(self._dir, name)
            args += ["-chardev", f"socket,id={name},path={path}",
                     "-device", f"{device},chardev={name}"]
        if self.icount:
            args += ["-accel", "tcg,thread=single",
                     "-icount", "shift=0,sleep=off",
                     "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
        else:
            args += ["-accel", "tcg"]
        if self.gdb:
            args += ["-gdb", f"tcp:127.0.0.1:{self.gdb}"]
        return args + self.qemu_args

    def _start(self):
        if not shutil.which(self.qemu):
            raise BedError(f"no {self.qemu} here; install qemu-system-x86 (make deps)")
        if self.scratch and not os.path.isdir(self.scratch):
            raise BedError(f"{self.scratch}: no such folder to share with the bed")
        self._dir = tempfile.mkdtemp(prefix="umbra-bed-")
        initrd = os.path.join(self._dir, "initrd")
        self._write_initramfs(initrd)
        listeners = {}
        for name in ("console", "tty", "control", "output"):
            listeners[name] = socket.socket(socket.AF_UNIX)
            listeners[name].bind(os.path.join(self._dir, name))
            listeners[name].listen(1)
        self._started = time.monotonic()
        self._qemu = subprocess.Popen(
            self._command(initrd), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=die_with_parent)
        self._pidfd = os.pidfd_open(self._qemu.pid)
        with selectors.DefaultSelector() as selector:
            selector.register(self._pidfd, selectors.EVENT_READ)
            for name, listener in listeners.items():
                key = selector.register(listener, selectors.EVENT_READ)
                ready = [k.fd for k, _ in selector.select(30)]
                if key.fd not in ready:
                    raise self._dead("QEMU did not start")
                self._sockets[name] = listener.accept()[0]
                selector.unregister(listener)
                listener.close()
        for name, sock in self._sockets.items():
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ, name)
        self._selector.register(self._pidfd, selectors.EVENT_READ, "qemu")

    # -- events ------------------------------------------------------------

    def _deadline(self, timeout):
        if self.gdb or not timeout:
            return None
        return time.monotonic() + timeout

    def console_tail(self, lines=40):
        text = self._console.decode(errors="replace").replace("\r", "")
        return "\n".join(text.splitlines()[-lines:])

    def _dead(self, what):
        """The exception that says why QEMU is gone, in one line."""
        text = self._console.decode(errors="replace").replace("\r", "")
        panic = re.search(r"Kernel panic[^\n]*", text)
        own = re.findall(r"^bed: (.*)", text, re.M)
        if panic:
            reason = f"the bed's kernel panicked ({panic.group(0)})"
        elif own:
            reason = f"the bed did not come up: {own[-1]}"
        else:
            try:
                status = self._qemu.wait(10)
            except subprocess.TimeoutExpired:
                status = None
            said = self._qemu.stderr.read().decode(errors="replace").strip() \
                if status is not None else ""
            if status == 0:
                reason = f"{what}: the bed reset itself (triple fault?)"
            elif status is None:
                reason = what
            elif status < 0:
                reason = f"{what}: QEMU died of {signal.Signals(-status).name}"
            else:
                reason = f"{what}: QEMU exited with status {status}"
            if said:
                # In front of the registers that QEMU dumps when it aborts.
                fatal = [line for line in said.splitlines() if "fatal" in line]
                reason += ": " + (fatal or said.splitlines())[-1]
        return BedError(reason, self.console_tail())

    def _drain(self):
        """Read what is left on the console of a bed that has ended."""
        try:
            while data := self._sockets["console"].recv(65536):
                self._got_console(data)
        except OSError:
            pass

    def _got_console(self, data):
        self._console += data
        if self.on_console:
            self.on_console(data)

    def _take(self, verb):
        """Remove and return the first control line that starts with verb."""
        for index, line in enumerate(self._lines):
            if line.split(" ", 1)[0] == verb:
                del self._lines[index]
                return line.split()
        return None

    def _wait(self, done, deadline, what, extra=None):
        """Serve events until done() is true; extra maps names to readers."""
        while True:
            if (result := done()):
                return result
            left = None
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise BedTimeout(f"timed out while {what}", self.console_tail())
            for key, _ in self._selector.select(left):
                self._serve(key, what, extra or {})

    def _serve(self, key, what, extra):
        if key.data == "qemu":
            self._drain()
            raise self._dead(f"while {what}")
        try:
            data = os.read(key.fd, 65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if key.data in extra:
            extra[key.data](data)
        elif not data:
            self._selector.unregister(key.fileobj)
        elif key.data == "console":
            self._got_console(data)
        elif key.data == "control":
            self._control += data
            *lines, rest = bytes(self._control).split(b"\n")
            self._control = bytearray(rest)
            self._lines += [line.decode(errors="replace") for line in lines]

    # -- commands ----------------------------------------------------------

    def run(self, argv, cwd=None, env=None, timeout=None, out=None,
            interactive=False):
        """Run a program in the bed and wait for it and its leftovers.

        argv: program and arguments (a string goes to sh -c).
        timeout: seconds on a stock kernel, None for no limit; a late command
        is killed with its session, and if that takes long, so is the bed.
        out: called with every chunk of output, beside collecting it.
        Return: a Result.  Raises BedError when the bed died meanwhile.
        """
        if isinstance(argv, str):
            argv = ["/bin/sh", "-c", argv]
        timeout = timeout and timeout * self.kernel.patience
        script = "".join(f"export {key}={shlex.quote(value)}\n"
                         for key, value in (env or {}).items())
        script += f"cd {shlex.quote(cwd or '/')} || exit 125\n"
        script += "exec " + shlex.join(argv) + "\n"
        self._seq += 1
        started = time.monotonic()
        # Inside, time stands still or leaps with -icount: judge it outside.
        inner = int(timeout + 0.999) if timeout and not (self.icount or self.gdb) else 0
        mode = "tty" if interactive else "pipe"
        self._send(f"run {self._seq} {inner} {mode} "
                   f"{base64.b64encode(script.encode()).decode()}\n")
        deadline = self._deadline(timeout + 10 * self.kernel.patience if timeout and inner
                                  else timeout)
        sink = _Sink(b"" if interactive else b"\0", self._mark, out)
        what = f"running {argv[0]}"
        if interactive:
            self._interact(sink, deadline, what)
        else:
            self._wait(lambda: sink.closed, deadline, what, {"output": sink.feed})
        _, _, status, *late = self._wait(lambda: self._take("status"), deadline, what)
        self._wait(lambda: self._take("end"), deadline, what)
        log, self._lines = self._lines, []
        self.log += log
        return Result(int(status), bytes(sink.data), log, bool(late),
                      time.monotonic() - started)

    def _send(self, line):
        sock = self._sockets["control"]
        sock.setblocking(True)
        sock.sendall(line.encode())
        sock.setblocking(False)

    def _interact(self, sink, deadline, what):
        """Join this terminal to the bed's; the escape key ends it all."""
        terminal = self._sockets["tty"]
        stdin = sys.stdin.fileno()
        saved = termios.tcgetattr(stdin) if os.isatty(stdin) else None
        key = self._selector.register(stdin, selectors.EVENT_READ, "stdin")

        def typed(data):
            if not data:
                self._selector.unregister(stdin)
            elif saved and ESCAPE in data:
                raise KeyboardInterrupt
            else:
                terminal.setblocking(True)
                terminal.sendall(data)
                terminal.setblocking(False)

        try:
            if saved:
                tty.setraw(stdin)
            self._wait(lambda: sink.closed, deadline, what,
                       {"tty": sink.feed, "stdin": typed})
        finally:
            if key.fileobj in self._selector.get_map():
                self._selector.unregister(stdin)
            if saved:
                termios.tcsetattr(stdin, termios.TCSADRAIN, saved)


class _Sink:
    """Collects a command's output up to the mark that closes it."""

    def __init__(self, lead, mark, out):
        self._mark = lead + mark.encode()
        self._held = b""
        self._out = out
        self.data = bytearray()
        self.closed = False

    def _pass(self, data):
        if data:
            self.data += data
            if self._out:
                self._out(data)

    def feed(self, data):
        self._held += data
        index = self._held.find(self._mark)
        if index >= 0:
            self._pass(self._held[:index])
            self.closed = True
            return
        # Hold back only what may be the beginning of the mark.
        for keep in range(min(len(self._held), len(self._mark) - 1), -1, -1):
            if keep == 0 or self._mark.startswith(self._held[-keep:]):
                break
        cut = len(self._held) - keep
        self._pass(self._held[:cut])
        self._held = self._held[cut:]
