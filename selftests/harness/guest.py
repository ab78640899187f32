# SPDX-License-Identifier: GPL-2.0
"""Make the initramfs of a Linux guest: busybox, an init, perhaps a command.

The guest's init runs the command, or a shell on ttyS0, and then writes the
exit status to I/O port 0xf4, which `umbra run` takes as its own.
"""

import os

import bedlib
import initramfs


def make_initrd(path, command=None, files=()):
    """Write the initramfs to path.

    command: what the guest's shell runs; None for a shell on the console.
    files: (name in the guest, path here) pairs of programs to bring along.
    """
    busybox = initramfs.find_busybox()
    if not busybox:
        raise bedlib.BedError("no static busybox here; install busybox-static (make deps)")
    archive = initramfs.Archive()
    for folder in ("bin", "dev", "proc", "sys"):
        archive.mkdir(folder)
    archive.mknod("dev/console", 5, 1)
    archive.copy("bin/busybox", busybox, 0o755)
    archive.copy("init", os.path.join(bedlib.HERE, "guest-init.sh"), 0o755)
    if command is not None:
        archive.add("command", command + "\n", 0o755)
    for name, source in files:
        archive.copy(name, source, 0o755)
    archive.write(path)
