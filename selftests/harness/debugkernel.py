#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Debug kernels for the bed, built from Debian's linux-source.

Two of them, as KASAN and KCSAN exclude each other; debug/*.config says what is
in.  Each is built once and kept in the cache: the unpacked source, a build
folder (the KDIR of modules) and a tree with image and modules.  A change of the
configuration, of the source package or of the compiler builds it anew.

  debugkernel.py [--module] [kasan|kcsan]   build, print the image's path
"""

import argparse
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import bedlib
import kernels

# File systems, network and drivers serve the bed alone: the module calls nothing
# there, and without KASAN they are built and run in half the time.  KCSAN looks at
# the module alone: the kernel has many races, and its findings are not ours.  In the
# environment, so that what a Makefile of the kernel sets stands.
UNCHECKED = "fs/% net/% drivers/% block/% crypto/% sound/% security/%"
ENVIRON = dict(os.environ, KASAN_SANITIZE=f"$(if $(filter {UNCHECKED},$(obj)/),n)",
               KCSAN_SANITIZE="$(if $(KBUILD_EXTMOD),,n)")

CONFIGS = os.path.join(bedlib.HERE, "debug")
VARIANTS = ("kasan", "kcsan")


def folder(*names):
    return os.path.join(bedlib.debug_dir(), *names)


def tarball():
    """Debian's kernel source for the bed's default kernel."""
    found = glob.glob("/usr/src/linux-source-6.1.tar.xz")
    if not found:
        raise kernels.Unreachable("no linux-source-6.1 here (make deps)")
    return found[0]


def config_text(variant):
    text = ""
    for name in ("base", variant):
        with open(os.path.join(CONFIGS, name + ".config")) as file:
            text += file.read()
    return text


def stamp(variant):
    """What a finished build was made of."""
    made_of = "\n".join(sorted(line for line in config_text(variant).splitlines()
                               if "CONFIG_" in line))
    for argv in (["dpkg-query", "-W", "linux-source-6.1"], ["gcc", "-dumpfullversion"]):
        made_of += kernels.call(argv, argv[0])
    return hashlib.sha256(made_of.encode()).hexdigest()


def source():
    """The unpacked source of the package version that is installed here."""
    version = kernels.call(["dpkg-query", "-W", "-f", "${Version}", "linux-source-6.1"],
                           "dpkg-query")
    target = folder("source-" + version)
    if not os.path.isdir(target):
        kernels.note("unpacking the kernel's source")
        new = kernels.fresh_tree(target)
        kernels.call(["tar", "-C", new, "--strip-components=1", "-xf", tarball()], "tar")
        kernels.finish_tree(target)
    return target


def make(build, log, *args):
    with open(log, "a") as file:
        done = subprocess.run(["nice", "-n", "10", "make", "-C", build, "-j2", *args],
                              stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=ENVIRON)
    if done.returncode:
        with open(log) as file:
            lines = file.read().splitlines()
        errors = [line for line in lines if "rror" in line or "***" in line]
        raise RuntimeError(f"building the debug kernel: see {log}\n"
                           + "\n".join(errors[:15] or lines[-5:]))


def configure(variant, build, log):
    """Write .config; refuses one that kconfig did not take as it stands."""
    text = config_text(variant)
    wanted = os.path.join(build, "wanted.config")
    with open(wanted, "w") as file:
        file.write(text)
    make(source(), log, f"O={build}", f"KCONFIG_ALLCONFIG={wanted}", "allnoconfig")
    with open(os.path.join(build, ".config")) as file:
        got = set(file.read().splitlines())
    lost = [line for line in text.splitlines()
            if line.startswith("CONFIG_") and line not in got]
    if lost:
        raise RuntimeError("kconfig did not take " + " ".join(lost))


def is_built(variant):
    try:
        with open(folder(variant, "stamp")) as file:
            return file.read() == stamp(variant)
    except OSError:
        return False


def build_kernel(variant):
    """Build image and modules of a variant."""
    done, made_of = folder(variant, "stamp"), stamp(variant)
    missing = [tool for tool in ("bc", "bison", "flex") if not shutil.which(tool)]
    if missing:
        raise kernels.Unreachable(f"no {' '.join(missing)} here (selftests/harness/deps debug)")
    kernels.note(f"building the debug kernel {variant} (some minutes, once)")
    started = time.monotonic()
    build, tree = folder(variant, "build"), folder(variant, "tree")
    for path in (done, tree):
        subprocess.run(["rm", "-rf", path], check=True)
    os.makedirs(build, exist_ok=True)
    log = folder(variant, "make.log")
    open(log, "w").close()
    configure(variant, build, log)
    make(build, log, "bzImage", "modules")
    make(build, log, f"INSTALL_MOD_PATH={tree}", "modules_install")
    release = os.path.basename(glob.glob(os.path.join(tree, "lib/modules/*"))[0])
    os.makedirs(os.path.join(tree, "boot"))
    shutil.copy(os.path.join(build, "arch/x86/boot/bzImage"),
                os.path.join(tree, "boot/vmlinuz-" + release))
    with open(done, "w") as file:
        file.write(made_of)
    kernels.note(f"built in {time.monotonic() - started:.0f} s")


def kernel(variant):
    """The bootable kernel of a variant, built when it is not there yet."""
    os.makedirs(folder(), exist_ok=True)
    # A lock of its own: others want the cache during the minutes that this takes,
    # and the other debug kernel may run meanwhile.
    if not is_built(variant):
        with open(folder("lock"), "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not is_built(variant):
                build_kernel(variant)
    return bedlib.find_kernel(variant)


def module(variant):
    """Build this checkout's umbra.ko for a variant; its path.

    The build stays in the checkout: gcov's data names its folder.
    """
    target = os.path.join(bedlib.ROOT, "build/debug", variant)
    kernels.copy_sources(target)
    log = os.path.join(target, "make.log")
    open(log, "w").close()
    make(folder(variant, "build"), log, f"M={target}", "GCOV_PROFILE=y",
         "UBSAN_SANITIZE=y", "modules")
    return os.path.join(target, "umbra.ko")


def main():
    parser = argparse.ArgumentParser(
        prog="debugkernel", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variant", nargs="*", default=list(VARIANTS), choices=VARIANTS)
    parser.add_argument("--module", action="store_true", help="build umbra.ko as well")
    args = parser.parse_args()
    try:
        for variant in args.variant:
            print(kernel(variant).image)
            if args.module:
                print(module(variant))
    except (kernels.Unreachable, RuntimeError, bedlib.BedError) as error:
        kernels.note(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
