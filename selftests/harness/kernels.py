# SPDX-License-Identifier: GPL-2.0
"""Fetch other Debian kernels and their headers, unpacked into a cache.

Nothing is installed on this machine: packages come through a private apt
state from the mirrors that this machine's apt uses anyway, and are unpacked
under the cache ($UMBRA_CACHE, or umbra in $XDG_CACHE_HOME or ~/.cache).

  kernels list             kernels that `bed --kernel` can boot
  kernels fetch 6.12|7     image and modules of bookworm-backports' 6.12, sid's newest
  kernels build 6.1|6.12|7 build umbra.ko against that kernel's headers, print its path
  kernels source FILE      print the path of a file of Debian's linux-source
"""

import argparse
import fcntl
import filecmp
import glob
import os
import re
import shutil
import subprocess
import sys
import tarfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))
import bedlib

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
SUITES = {"6.12": "bookworm-backports", "7": "sid"}
# What one kernel's metapackages pull in that is the kernel itself.
IMAGE_PACKAGES = re.compile(r"linux-(image-|binary-|modules-|base-\d)")
QEMU_PACKAGES = ("qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios")
HEADER_PACKAGES = re.compile(r"linux-(headers|kbuild)-")


class Unreachable(Exception):
    """Not to be had here; str() is the true reason, in one line."""


def call(argv, what, **kwargs):
    """Run a program quietly; its last words become the exception."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
    if done.returncode:
        words = [line for line in (done.stderr + done.stdout).splitlines()
                 if line.strip()] or [f"status {done.returncode}"]
        errors = [line for line in words if re.match(r"(E|error):|.*\berror\b", line)]
        raise Unreachable(f"{what}: {(errors or words)[-1].strip()}")
    return done.stdout


def mirror():
    """The Debian archive that this machine's apt is configured for."""
    if not shutil.which("apt-get"):
        raise Unreachable("no apt here")
    out = call(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)",
                "Created-By: Packages"], "apt-get indextargets")
    for line in out.splitlines():
        uri, release = line.split()
        if not release.endswith(("-security", "-updates", "-backports")) \
                and "security" not in uri:
            return uri
    raise Unreachable("apt has no Debian archive among its sources")


class Lock:
    """One process at a time works in the cache."""

    def __enter__(self):
        os.makedirs(bedlib.cache_dir(), exist_ok=True)
        self._file = open(os.path.join(bedlib.cache_dir(), "lock"), "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self._file.close()


class Apt:
    """apt with a state of its own for one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.dir = os.path.join(bedlib.cache_dir(), "apt", suite)
        for sub in ("lists/partial", "archives/partial", "download"):
            os.makedirs(os.path.join(self.dir, sub), exist_ok=True)
        signed = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
        sources = os.path.join(self.dir, "sources.list")
        with open(sources, "w") as file:
            file.write(f"deb {signed}{mirror()} {suite} main\n")
        status = os.path.join(self.dir, "status")
        open(status, "a").close()
        self.options = []
        for option in (f"Dir::State={self.dir}", f"Dir::State::status={status}",
                       f"Dir::State::lists={self.dir}/lists",
                       f"Dir::Cache={self.dir}",
                       # Containers turn them off; without them each call reads all lists.
                       "Dir::Cache::pkgcache=pkgcache.bin",
                       "Dir::Cache::srcpkgcache=srcpkgcache.bin",
                       f"Dir::Etc::sourcelist={sources}",
                       "Dir::Etc::sourceparts=/dev/null",
                       "Dir::Etc::preferencesparts=/dev/null",
                       "APT::Sandbox::User=root", "Acquire::Languages=none",
                       "APT::Architecture=amd64"):
            self.options += ["-o", option]

    def update(self):
        call(["apt-get", *self.options, "-q", "update"], f"apt-get update of {self.suite}")

    def closure(self, start, pattern):
        """Names of start's dependencies that match, through all levels."""
        seen, todo = [], [start]
        while todo:
            package = todo.pop()
            out = call(["apt-cache", *self.options, "depends", "--no-recommends",
                        "--no-suggests", "--no-conflicts", "--no-breaks",
                        "--no-replaces", "--no-enhances", package],
                       f"{self.suite} has no {package}")
            for name in re.findall(r"Depends: (\S+)", out):
                if pattern.match(name) and name not in seen:
                    seen.append(name)
                    todo.append(name)
        if not seen:
            raise Unreachable(f"{self.suite}: {start} depends on no kernel package")
        return seen

    def unpack(self, packages, tree):
        """Download packages and unpack them into the folder tree."""
        folder = os.path.join(self.dir, "download")
        for package in packages:
            call(["apt-get", *self.options, "-q", "download", package],
                 f"downloading {package}", cwd=folder)
            for deb in glob.glob(os.path.join(folder, "*.deb")):
                call(["dpkg-deb", "-x", deb, tree], f"unpacking {package}")
                os.unlink(deb)


def note(text):
    print(f"kernels: {text}", file=sys.stderr, flush=True)


def tree_dir(series):
    return os.path.join(bedlib.cache_dir(), "kernels", series)


def fresh_tree(path):
    """An empty folder beside path, to be renamed to it when complete."""
    shutil.rmtree(path + ".new", ignore_errors=True)
    os.makedirs(path + ".new")
    return path + ".new"


def finish_tree(path):
    shutil.rmtree(path, ignore_errors=True)
    os.rename(path + ".new", path)


def fetch(series):
    """Image and modules of a series; a bedlib.Kernel."""
    if series not in SUITES:
        return bedlib.find_kernel(series)
    tree = tree_dir(series)
    if not os.path.isdir(tree):
        note(f"fetching the kernel of {SUITES[series]}")
        apt = Apt(SUITES[series])
        apt.update()
        new = fresh_tree(tree)
        apt.unpack(apt.closure("linux-image-amd64", IMAGE_PACKAGES), new)
        if not os.path.exists(os.path.join(new, "lib")):
            os.symlink("usr/lib", os.path.join(new, "lib"))
        for modules in glob.glob(os.path.join(new, "lib/modules/*")):
            call(["/sbin/depmod", "-b", new, os.path.basename(modules)], "depmod")
        finish_tree(tree)
    return bedlib.find_kernel(series)


def qemu():
    """The QEMU of bookworm-backports, unpacked: the folder, to be run in place."""
    tree = os.path.join(bedlib.cache_dir(), "qemu-backports")
    if not os.path.isdir(tree):
        note("fetching the QEMU of bookworm-backports")
        apt = Apt("bookworm-backports")
        apt.update()
        new = fresh_tree(tree)
        apt.unpack(QEMU_PACKAGES, new)
        finish_tree(tree)
    missing = re.findall(r"(\S+) => not found",
                         call(["ldd", os.path.join(tree, "usr/bin/qemu-system-x86_64")], "ldd"))
    if missing:
        raise Unreachable("the QEMU of bookworm-backports needs " + " ".join(missing))
    return tree


def headers(series):
    """The headers of a series unpacked here; the folder to pass as KDIR."""
    tree = tree_dir(series) + "-headers"
    if not os.path.isdir(tree):
        note(f"fetching the headers of {SUITES[series]}")
        apt = Apt(SUITES[series])
        apt.update()
        new = fresh_tree(tree)
        apt.unpack(apt.closure("linux-headers-amd64", HEADER_PACKAGES), new)
        # The small Makefile names the common part by its installed path.
        for makefile in glob.glob(os.path.join(new, "usr/src/*-amd64/Makefile")):
            with open(makefile) as file:
                text = file.read()
            with open(makefile, "w") as file:
                file.write(text.replace("/usr/src/", tree + "/usr/src/"))
        finish_tree(tree)
    found = glob.glob(os.path.join(tree, "usr/src/*-amd64"))
    if not found:
        raise Unreachable(f"{tree} holds no headers; remove it to try again")
    return found[0]


def chroot_sid():
    """A minimal sid with a compiler and the headers; its folder."""
    chroot = os.path.join(bedlib.cache_dir(), "sid")
    if os.path.isdir(chroot):
        return chroot
    if os.getuid() != 0:
        raise Unreachable("only root can make the sid chroot that holds the compiler")
    if not shutil.which("debootstrap"):
        raise Unreachable("no debootstrap here (make deps)")
    note("making a sid chroot with the compiler of its kernel (some minutes)")
    new = fresh_tree(chroot)
    call(["debootstrap", "--variant=minbase", f"--keyring={KEYRING}",
          "--include=make,linux-headers-amd64", "sid", new, mirror()], "debootstrap of sid")
    shutil.rmtree(os.path.join(new, "var/cache/apt/archives"), ignore_errors=True)
    finish_tree(chroot)
    return chroot


def copy_sources(target):
    """The module's sources at target; what changed is new there, the rest keeps its time."""
    os.makedirs(target, exist_ok=True)
    keep = set()
    for item in ("Kbuild", "module", "uapi"):
        source = os.path.join(bedlib.ROOT, item)
        files = [source] if os.path.isfile(source) else [
            os.path.join(folder, name) for folder, _, names in os.walk(source)
            for name in names
            if name.endswith((".c", ".h", ".S", ".mk", "Kbuild"))
            and not name.endswith(".mod.c")]
        for path in files:
            copy = os.path.join(target, os.path.relpath(path, bedlib.ROOT))
            keep.add(copy)
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            # By content: another checkout's files may be older than the objects here.
            if not os.path.exists(copy) or not filecmp.cmp(path, copy, shallow=False):
                shutil.copyfile(path, copy)
    for folder, _, names in os.walk(target):
        for name in names:
            path = os.path.join(folder, name)
            if name.endswith((".c", ".h", ".S")) and path not in keep \
                    and not name.endswith(".mod.c"):
                os.unlink(path)


def run_make(argv, log):
    with open(log, "w") as file:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    with open(log) as file:
        text = file.read()
    return done.returncode, text


def build(series, warnings=None):
    """Build umbra.ko for a series; its path.  warnings collects lines."""
    target = os.path.join(bedlib.cache_dir(), "build", series)
    copy_sources(target)
    log = os.path.join(target, "make.log")
    if SUITES.get(series) == "sid":
        chroot = chroot_sid()
        inside = os.path.join(chroot, "src")
        os.makedirs(inside, exist_ok=True)
        # In a mount namespace of its own: nothing stays mounted.
        script = ('set -e; mount --bind "$1" "$2/src"; mount -t proc proc "$2/proc"; '
                  'exec chroot "$2" sh -c "exec make -j2 -C /lib/modules/*/build '
                  'M=/src modules"')
        status, text = run_make(["unshare", "-m", "sh", "-c", script, "sh",
                                 target, chroot], log)
    else:
        if series in SUITES:
            kdir = headers(series)
        else:
            kdir = bedlib.find_kernel(series).modules + "/build"
        # BTF takes a pahole as new as the kernel, and no test reads it.
        status, text = run_make(["make", "-j2", "-C", kdir, f"M={target}",
                                 "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"], log)
    found = [line for line in text.splitlines()
             if re.search(r"\bwarning:|\bWARNING:", line)
             and "vmlinux is missing" not in line and "compiler differs" not in line]
    if warnings is not None:
        warnings += found
    if found:
        # make would not say it again: the next build begins anew
        for path in glob.glob(os.path.join(target, "**/*.o"), recursive=True):
            os.unlink(path)
    if status:
        errors = [line for line in text.splitlines() if "rror" in line or "***" in line]
        raise RuntimeError(f"building for {series}: see {log}\n"
                           + "\n".join(errors[:15] or text.splitlines()[-5:]))
    return os.path.join(target, "umbra.ko")


def source(name):
    """A file of Debian's linux-source package, unpacked into the cache."""
    path = os.path.join(bedlib.cache_dir(), "linux-source", name)
    if os.path.exists(path):
        return path
    tarballs = sorted(glob.glob("/usr/src/linux-source-*.tar.xz"))
    if not tarballs:
        raise Unreachable("no linux-source package here (make deps)")
    with tarfile.open(tarballs[-1], "r|xz") as tar:
        wanted = {name, "scripts/checkpatch.pl", "scripts/spelling.txt",
                  "scripts/const_structs.checkpatch", "scripts/kernel-doc"}
        for member in tar:
            short = member.name.split("/", 1)[-1]
            if short in wanted and member.isfile():
                copy = os.path.join(bedlib.cache_dir(), "linux-source", short)
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                with open(copy + ".new", "wb") as file:
                    shutil.copyfileobj(tar.extractfile(member), file)
                os.chmod(copy + ".new", member.mode)
                os.rename(copy + ".new", copy)
                wanted.discard(short)
            if not wanted:
                break
    if not os.path.exists(path):
        raise Unreachable(f"{tarballs[-1]} has no {name}")
    return path


def main():
    parser = argparse.ArgumentParser(
        prog="kernels", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("list", "fetch", "build", "source"))
    parser.add_argument("what", nargs="*")
    args = parser.parse_args()
    if args.verb == "list":
        for kernel in bedlib.find_kernels():
            print(kernel.release, kernel.image)
        return 0
    try:
        with Lock():
            for what in args.what:
                if args.verb == "fetch":
                    print(fetch(what).image)
                elif args.verb == "build":
                    warnings = []
                    print(build(what, warnings))
                    print("\n".join(warnings), file=sys.stderr)
                else:
                    print(source(what))
    except (Unreachable, RuntimeError, bedlib.BedError) as error:
        note(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
