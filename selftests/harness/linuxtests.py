# SPDX-License-Identifier: GPL-2.0
"""The KVM selftests of Linux itself, from Debian's linux-source package.

They are clients of the ABI that others wrote.  Only what the chosen programs
need is unpacked and compiled, once, into the cache.
"""

import glob
import hashlib
import os
import shutil
import subprocess
import tarfile

import bedlib
import kernels

FOLDERS = ("tools/testing/selftests/kvm/", "tools/testing/selftests/rseq/", "tools/include/",
           "tools/arch/x86/include/")
FILES = ("tools/testing/selftests/kselftest.h", "tools/testing/selftests/kselftest_harness.h",
         "tools/lib/rbtree.c")
TESTS = "tools/testing/selftests/kvm"

LIBRARY = ("assert", "elf", "guest_modes", "io", "kvm_util", "perf_test_util", "rbtree",
           "sparsebit", "test_util", "x86_64/apic", "x86_64/handlers",
           "x86_64/perf_test_util", "x86_64/processor", "x86_64/svm", "x86_64/ucall",
           "x86_64/vmx", "string_override")

FLAGS = ["-O2", "-g", "-w", "-std=gnu99", "-U_FORTIFY_SOURCE", "-fno-stack-protector",
         "-fno-PIE", "-pthread", "-include", "/usr/include/linux/stddef.h",
         "-I../../../include", "-I../../../arch/x86/include", "-Iinclude", "-I.",
         "-Iinclude/x86_64", "-I../rseq", "-I.."]


def _unpack(tarball, tree):
    """What the tests need of the source, below tree."""
    with tarfile.open(tarball, "r|xz") as tar:
        for member in tar:
            name = member.name.split("/", 1)[-1]
            if member.isfile() and (name.startswith(FOLDERS) or name in FILES):
                member.name = name
                tar.extract(member, tree)


def _run(argv, folder):
    done = subprocess.run(argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv[-3:])}: {done.stdout[-2000:]}")


def _build(tree, programs):
    folder = os.path.join(tree, TESTS)
    objects = []
    for name in LIBRARY:
        source = next(path for path in (f"lib/{name}.c", f"lib/{name}.S")
                      if os.path.exists(os.path.join(folder, path)))
        objects.append(f"lib/{name}.o")
        # The compiler must not make a call of memcmp() of the loop in memcmp().
        more = ["-ffreestanding"] if name == "string_override" else []
        _run(["gcc", *FLAGS, *more, "-c", source, "-o", objects[-1]], folder)
    for name in programs:
        _run(["gcc", *FLAGS, f"{name}.c", *objects, "-no-pie", "-ldl", "-o", name], folder)


def build(programs):
    """Compile these programs; the folder that holds them.  Call under kernels.Lock."""
    tarballs = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
    if not tarballs:
        raise RuntimeError("no linux-source package here (make deps)")
    version = os.stat(tarballs[-1])
    key = repr((tarballs[-1], version.st_size, int(version.st_mtime), sorted(programs),
                LIBRARY, FLAGS))
    tree = os.path.join(bedlib.cache_dir(), "kvm-selftests",
                        hashlib.sha256(key.encode()).hexdigest()[:16])
    if not os.path.isdir(tree):
        # One version at a time is enough.
        shutil.rmtree(os.path.dirname(tree), ignore_errors=True)
        new = kernels.fresh_tree(tree)
        _unpack(tarballs[-1], new)
        _build(new, programs)
        kernels.finish_tree(tree)
    return os.path.join(tree, TESTS)
