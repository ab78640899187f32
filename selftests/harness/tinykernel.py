# SPDX-License-Identifier: GPL-2.0
"""A Linux that is small enough to be emulated instruction by instruction.

tiny.config says what is in.  It is built once from Debian's linux-source, like the debug
kernels and with what they need (debugkernel.py), and kept in the cache.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time

import bedlib
import debugkernel
import kernels

CONFIG = os.path.join(bedlib.HERE, "tiny.config")


def _stamp():
    """What a finished build was made of."""
    with open(CONFIG) as file:
        made_of = file.read()
    for argv in (["dpkg-query", "-W", "linux-source-6.1"], ["gcc", "-dumpfullversion"]):
        made_of += kernels.call(argv, argv[0])
    return hashlib.sha256(made_of.encode()).hexdigest()[:16]


def _build(folder, image):
    missing = [tool for tool in ("bc", "bison", "flex") if not shutil.which(tool)]
    if missing:
        raise kernels.Unreachable(f"no {' '.join(missing)} here (selftests/harness/deps debug)")
    kernels.note("building a small kernel for guests (some minutes, once)")
    started = time.monotonic()
    build, log = os.path.join(folder, "build"), os.path.join(folder, "make.log")
    subprocess.run(["rm", "-rf", folder], check=True)
    os.makedirs(build)
    debugkernel.make(debugkernel.source(), log, f"O={build}", f"KCONFIG_ALLCONFIG={CONFIG}",
                     "allnoconfig")
    debugkernel.make(build, log, "vmlinux")
    kernels.call(["strip", "-o", image + ".new", os.path.join(build, "vmlinux")], "strip")
    os.rename(image + ".new", image)
    subprocess.run(["rm", "-rf", build], check=True)
    kernels.note(f"built in {time.monotonic() - started:.0f} s")


def image():
    """Path of the kernel's ELF image, built when it is not there yet."""
    folder = os.path.join(bedlib.cache_dir(), "tiny")
    path = os.path.join(folder, "vmlinux-" + _stamp())
    os.makedirs(debugkernel.folder(), exist_ok=True)
    # The debug kernels' lock: it is their source.
    with open(debugkernel.folder("lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not os.path.exists(path):
            _build(folder, path)
    return path
