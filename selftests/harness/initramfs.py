# SPDX-License-Identifier: GPL-2.0
"""Write an initramfs (cpio "newc" archive) without cpio or a staging folder.

Only what the bed and its guests need: directories, files, symbolic links
and device nodes, all owned by root.
"""

import lzma
import os
import re
import stat
import subprocess


class Archive:
    """A cpio archive that grows in memory, file by file."""

    def __init__(self):
        self._parts = []
        self._ino = 0
        self._dirs = {""}

    def _entry(self, name, mode, data=b"", rdev=(0, 0)):
        self._ino += 1
        path = name.encode() + b"\0"
        fields = (self._ino, mode, 0, 0, 1, 0, len(data), 0, 0,
                  rdev[0], rdev[1], len(path), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + path
        self._parts.append(head + b"\0" * (-len(head) % 4))
        self._parts.append(data + b"\0" * (-len(data) % 4))

    def _parents(self, name):
        folder = os.path.dirname(name)
        if folder not in self._dirs:
            self.mkdir(folder)

    def mkdir(self, name, mode=0o755):
        name = name.strip("/")
        if name in self._dirs:
            return
        self._parents(name)
        self._dirs.add(name)
        self._entry(name, stat.S_IFDIR | mode)

    def add(self, name, data, mode=0o644):
        name = name.strip("/")
        self._parents(name)
        if isinstance(data, str):
            data = data.encode()
        self._entry(name, stat.S_IFREG | mode, data)

    def copy(self, name, source, mode=None):
        with open(source, "rb") as file:
            data = file.read()
        self.add(name, data, mode or stat.S_IMODE(os.stat(source).st_mode))

    def symlink(self, name, target):
        name = name.strip("/")
        self._parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def mknod(self, name, major, minor, mode=0o600):
        name = name.strip("/")
        self._parents(name)
        self._entry(name, stat.S_IFCHR | mode, rdev=(major, minor))

    def write(self, path):
        self._entry("TRAILER!!!", 0)
        with open(path, "wb") as file:
            for part in self._parts:
                file.write(part)


def find_busybox():
    """The statically linked busybox of this machine, or None."""
    for path in ("/usr/bin/busybox", "/bin/busybox"):
        try:
            with open(path, "rb") as file:
                head = file.read(4096)
        except OSError:
            continue
        # A dynamic executable names its interpreter in the first page.
        if b"ld-linux" not in head:
            return path
    return None


def read_module(path):
    """A module's plain ELF bytes, whatever it is compressed with."""
    if path.endswith(".xz"):
        with lzma.open(path) as file:
            return file.read()
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], check=True,
                              stdout=subprocess.PIPE).stdout
    with open(path, "rb") as file:
        return file.read()


def _canonical(path):
    name = os.path.basename(path)
    return re.sub(r"\.ko(\.\w+)?$", "", name).replace("-", "_")


def module_closure(tree, wanted):
    """Paths of the wanted modules and what they need, in loading order.

    tree is a /lib/modules/VERSION folder.  Modules that are built into the
    kernel are left out; one that is nowhere raises LookupError.
    """
    depends, where = {}, {}
    with open(os.path.join(tree, "modules.dep")) as file:
        for line in file:
            path, needs = line.split(":")
            where[_canonical(path)] = path
            depends[path] = needs.split()
    with open(os.path.join(tree, "modules.builtin")) as file:
        builtin = {_canonical(line.strip()) for line in file}

    order = []

    def visit(path):
        if path in order:
            return
        for need in depends[path]:
            visit(need)
        order.append(path)

    for name in wanted:
        name = name.replace("-", "_")
        if name in where:
            visit(where[name])
        elif name not in builtin:
            raise LookupError(f"{tree} has no module {name}")
    return [os.path.join(tree, path) for path in order]
