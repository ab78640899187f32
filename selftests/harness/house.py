# SPDX-License-Identifier: GPL-2.0
"""House checks: what the sources must look like, whatever they do.

Each function takes a Context and is one case; see cases/house.py's names in
`make check` output.  They read files or run the kernel's own checkers.
"""

import glob
import os
import re
import subprocess
import tempfile

import bedlib
import kernels
import tour as reading_tour

ROOT = bedlib.ROOT

# Everything that may stand in the top folder.
TOP_LEVEL = {
    ".ci", ".git", ".gitignore", "COPYING", "Documentation", "Kbuild", "Makefile",
    "README.rst", "dkms.conf", "module", "selftests", "uapi", "udev", "userspace",
}

MAX_LINES = 1200

# Not headers but bodies that one .c file compiles several times.
BODIES = {"module/mmu/walk_width.h"}

# checkpatch types that do not fit this tree, and why.
CHECKPATCH_IGNORE = {
    "FILE_PATH_CHANGES": "asks for MAINTAINERS, which the kernel tree has",
    "LINUX_VERSION_CODE": "compat.h is where it belongs; a rule below holds it there",
    "CONSTANT_COMPARISON": "takes LINUX_VERSION_CODE and MSR ranges for the wrong way round",
    "TRAILING_SEMICOLON": "so that a list of X(...) rows can declare fields",
    "COMPLEX_MACRO": "lists of X(...) rows cannot stand in parentheses",
}

# Outside the kernel (hosted builds, tool, tests) these do not apply either.
CHECKPATCH_IGNORE_USER = {
    "ARRAY_SIZE": "a kernel macro",
    "PREFER_KERNEL_TYPES": "user programs use <stdint.h>",
    "STRCPY": "the kernel's string functions are not libc's",
    "STRNCPY": "the kernel's string functions are not libc's",
    "STRLCPY": "the kernel's string functions are not libc's",
    "NAKED_SSCANF": "kstrto* is the kernel's",
    "PREFER_FALLTHROUGH": "a kernel macro",
    "PREFER_DEFINED_ATTRIBUTE_MACRO": "kernel macros",
    "CONST_STRUCT": "kernel structures",
    "VOLATILE": "hosted code has to make its own READ_ONCE",
    "MEMORY_BARRIER": "hosted stand-ins for barriers are no barriers",
    "NEW_TYPEDEFS": "hosted stand-ins for the kernel's types",
    "EMBEDDED_FUNCTION_NAME": "no pr_fmt here, and tests are named by plain words",
    "AVOID_EXTERNS": "labels of assembly in a test's C file have no header",
}


def sources(*folders, ends=(".c", ".h", ".S")):
    """Project files below the folders, by path from the top."""
    found = []
    for folder in folders:
        for path, dirs, names in os.walk(os.path.join(ROOT, folder)):
            dirs[:] = [d for d in dirs if d not in ("build", "__pycache__", ".tmp_versions")]
            found += [os.path.relpath(os.path.join(path, name), ROOT) for name in names
                      if name.endswith(ends) and not name.endswith(".mod.c")]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as file:
        return file.read()


def is_hosted(path):
    """A header that stands in for the kernel's in hosted builds."""
    return os.path.basename(path).startswith("hosted")


def judge(t, problems, what):
    """One result out of a list of problems, shown when there are any."""
    shown = problems[:60]
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} more")
    t.check(not problems, what, "\n".join(shown))


# -- the kernel's checkers ---------------------------------------------------

def run_checkpatch(script, files, ignore):
    out = subprocess.run(
        ["perl", script, "--no-tree", "--terse", "--show-types", "--no-summary", "-q",
         "--max-line-length=100", "--ignore", ",".join(sorted(ignore)), "--file", *files],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return [line for line in out.splitlines()
            if re.search(r": (ERROR|WARNING|CHECK):", line) or "rror" in line]


def checkpatch(t):
    """checkpatch.pl has nothing to say."""
    try:
        with kernels.Lock():
            script = kernels.source("scripts/checkpatch.pl")
    except kernels.Unreachable as reason:
        t.skip(str(reason))
    kernel = [f for f in sources("module", "uapi") if not is_hosted(f)]
    user = [f for f in sources("module") if is_hosted(f)] + sources("userspace", "selftests")
    judge(t, run_checkpatch(script, kernel, CHECKPATCH_IGNORE), "module and uapi")
    judge(t, run_checkpatch(script, user, CHECKPATCH_IGNORE | CHECKPATCH_IGNORE_USER),
          "userspace and selftests")


def kbuild(target, *args):
    """Kbuild in a folder, for the bed's default kernel; its output's lines."""
    kdir = bedlib.find_kernel().modules + "/build"
    if not os.path.exists(kdir):
        raise kernels.Unreachable(f"no headers at {kdir} (make deps)")
    done = subprocess.run(["make", "-j2", "-k", "-C", kdir, f"M={target}", *args, "modules"],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout.splitlines()


def sparse(t):
    """sparse has nothing to say about the module."""
    target = os.path.join(bedlib.cache_dir(), "build", "sparse")
    with kernels.Lock():
        kernels.copy_sources(target)
    status, lines = kbuild(target, "C=2", "CF=-D__CHECK_ENDIAN__")
    ours = re.compile(re.escape(target) + r"/\S+:\d+(:\d+)?: (warning|error)|^(module|uapi)/\S+:\d+:")
    problems = [line for line in lines if ours.search(line)]
    if status and not problems:
        problems = lines[-15:]
    judge(t, problems, "C=2 build")


def kernel_doc(t):
    """kernel-doc reads every comment without a warning."""
    script = next(iter(sorted(glob.glob("/usr/lib/linux-kbuild-*/scripts/kernel-doc"))), None)
    if not script:
        t.skip("no kernel-doc here (linux-kbuild)")
    out = subprocess.run([script, "-none", *sources("module", "uapi")], cwd=ROOT,
                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True).stderr
    # DOC: blocks and files without kernel-doc at all are no complaint.
    judge(t, [line for line in out.splitlines()
              if "warning:" in line and "no structured comments" not in line
              or "error:" in line], "module and uapi")


def headers_alone(t):
    """Every header of the module compiles alone, and twice."""
    headers = [h for h in sources("module", ends=(".h",)) if h not in BODIES]
    hosted = [h for h in headers if is_hosted(h)]
    with tempfile.TemporaryDirectory(prefix="umbra-headers-") as folder:
        names = []
        for index, header in enumerate(h for h in headers if h not in hosted):
            name = f"h{index}"
            names.append(name)
            with open(os.path.join(folder, name + ".c"), "w") as file:
                line = f'#include "{os.path.join(ROOT, header)}"\n'
                file.write(f"/* {header} */\n" + line * 2)
        with open(os.path.join(folder, "Kbuild"), "w") as file:
            file.write("obj-m := headers.o\nheaders-y := "
                       + " ".join(name + ".o" for name in names)
                       + f"\nccflags-y := -I{ROOT}/module/include -I{ROOT}/uapi "
                         "-Wno-missing-prototypes\n")
        # Only compiled: linking them would need everything they name.
        status, lines = kbuild(folder, "KBUILD_MODPOST_WARN=1", "KBUILD_MODPOST_NOFINAL=1")
    judge(t, [line for line in lines if re.search(r"(error|warning):", line)
              and "MODULE_LICENSE" not in line and "modpost" not in line],
          f"{len(names)} headers in the kernel")
    problems = []
    for header in hosted + sources("uapi", "userspace", "selftests/lib", ends=(".h",)):
        problems += compile_hosted(header)
    judge(t, problems, "hosted, uapi and userspace headers")


def compile_hosted(header):
    """What gcc says of a header as an ordinary program's only include."""
    text = f'#include "{os.path.join(ROOT, header)}"\n' * 2
    done = subprocess.run(
        ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
         "-fsyntax-only", f"-I{ROOT}/module/include", f"-I{ROOT}/uapi",
         f"-I{ROOT}/selftests/lib", "-x", "c", "-"],
        input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [f"{header}: {line}" for line in done.stdout.splitlines() if "error" in line]


# -- who includes whom ---------------------------------------------------------

_INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)

# What the freestanding emulator may see of the module.
EMUL_HEADERS = {"umbra/emul.h", "umbra/decode.h", "umbra/types.h", "umbra/hosted.h",
                "umbra/compat.h", "umbra/regs.h", "umbra/stub.h",
                "asm/processor-flags.h"}


def resolve(path, name):
    """The project file that an include names, or None."""
    for base in (os.path.dirname(path), "module/include", "uapi", "."):
        full = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(ROOT, full)):
            return full
    return None


def layer(path):
    """The folder that owns a file: module/emul, module/engine/svm, ..."""
    parts = path.split("/")
    if parts[:2] == ["module", "engine"]:
        return "/".join(parts[:3])
    return "/".join(parts[:2])


def include_problem(path, name, target):
    """Why this include breaks the house rules, or None."""
    own = layer(path)
    if own.startswith("userspace"):
        if target and target.startswith("module/"):
            return "the tool sees only uapi"
        return None
    if own == "module/emul":
        if target and layer(target) == own or name in EMUL_HEADERS:
            return None
        if name in ("stdio.h", "stdlib.h", "string.h", "errno.h", "stdbool.h",
                    "stddef.h", "stdint.h", "assert.h"):
            return None
        return "the emulator sees no vCPU and no kernel API"
    if own == "module/mmu" and name in ("umbra/engine.h", "umbra/emul.h"):
        return "the MMU knows no engine and no emulator"
    if not target or not target.startswith("module/") or "/include/" in target:
        return None
    there = layer(target)
    if there == own:
        return None
    # main.c starts core; core's engine.c is the one place that knows engines.
    if path == "module/main.c" and there == "module/core":
        return None
    if path == "module/core/engine.c" and there.startswith("module/engine/"):
        return None
    return f"{target} is private to {there}"


def include_rules(t):
    """Who may include whom (Documentation/architecture.rst)."""
    problems = []
    for path in sources("module", "userspace"):
        for _, name in _INCLUDE.findall(read(path)):
            why = include_problem(path, name, resolve(path, name))
            if why:
                problems.append(f"{path}: includes {name}: {why}")
    judge(t, problems, "includes")


def conditionals(t):
    """No #if in the module's .c files; versions only in compat.h."""
    problems = []
    for path in sources("module"):
        for number, line in enumerate(read(path).splitlines(), 1):
            if path.endswith(".c") and re.match(r"\s*#\s*(if|ifdef|ifndef|elif)\b", line):
                problems.append(f"{path}:{number}: {line.strip()}")
            if "LINUX_VERSION_CODE" in line and not path.endswith("/compat.h"):
                problems.append(f"{path}:{number}: a version test outside compat.h")
    judge(t, problems, "conditional compilation")


# -- form ------------------------------------------------------------------------

def tracked():
    """Files that git knows or would take; all files without git."""
    done = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return [f for f in done.stdout.splitlines() if os.path.exists(os.path.join(ROOT, f))]


def form(t):
    """Top folder, file sizes, licence lines."""
    files = tracked()
    if not files:
        t.skip("not a git work tree")
    judge(t, sorted({f.split("/")[0] for f in files} - TOP_LEVEL),
          "nothing stray in the top folder")
    long, bare = [], []
    for path in files:
        text = read(path)
        lines = text.count("\n")
        if lines > MAX_LINES and path.endswith((".c", ".h", ".S", ".py")) \
                and "table" not in os.path.basename(path):
            long.append(f"{path}: {lines} lines")
        if os.path.basename(path) not in ("COPYING", ".gitignore") and \
                "SPDX-License-Identifier: GPL-2.0" not in "\n".join(text.splitlines()[:2]):
            bare.append(path)
    judge(t, long, f"no file over {MAX_LINES} lines")
    judge(t, bare, "every file has its SPDX line")


def doc_block(t):
    """Every C file opens with a DOC: block."""
    judge(t, [path for path in sources("module", "userspace", "selftests")
              if "DOC:" not in "\n".join(read(path).splitlines()[:8])], "DOC: blocks")


def documentation(t):
    """The documentation is valid reStructuredText and its file names exist."""
    problems = []
    for path in sources("Documentation", ends=(".rst",)) + ["README.rst"]:
        # The tour's directives are known to its own check only.
        if not path.startswith(reading_tour.TOUR):
            done = subprocess.run(["rst2pseudoxml", "--report=2", "--halt=5", path, os.devnull],
                                  cwd=ROOT, stderr=subprocess.PIPE, text=True)
            problems += done.stderr.splitlines()
        for name in re.findall(r"``((?:Documentation|selftests|module|userspace|uapi)/"
                               r"[\w./-]+)``", read(path)):
            if not os.path.exists(os.path.join(ROOT, name)) and not re.search("[A-Z]{3}", name):
                problems.append(f"{path}: {name} does not exist")
    judge(t, problems, "Documentation and README")


def tour(t):
    """Each DOC: block is in one chapter of the tour, each that is named exists, all of it is valid."""
    judge(t, reading_tour.problems(), "blocks and chapters")
    judge(t, reading_tour.html_problems(reading_tour.whole()), "the whole text")


def tour_self_test(t):
    """The tour's check notices what it is for: a block in no chapter, in two, or that is not there."""
    block = reading_tour.Block("module/x.c", "x", 3, "text", "", 5)
    there = {("module/x.c", "x"): block}
    name = ("a.rst", "module/x.c", "x")
    judge(t, reading_tour.misplaced(there, [name]), "a block in its chapter")
    for what, blocks, named in (("in no chapter", there, []), ("in two", there, [name, name]),
                                ("that does not exist", {}, [name])):
        t.check(len(reading_tour.misplaced(blocks, named)) == 1, f"a block {what}")


def packages():
    return read("selftests/harness/packages.txt").split("\n")


def apt_line(t):
    """README's apt line names the packages of packages.txt."""
    wanted = {p.strip() for p in packages() if p.strip() and not p.startswith("#")}
    found = re.search(r"apt(?:-get)? install ((?:[^\n\\]|\\\n)+)", read("README.rst"))
    if not t.check(found, "README has an apt line"):
        return
    named = {w for w in found.group(1).replace("\\\n", " ").split()
             if not w.startswith("-")}
    judge(t, [f"only in packages.txt: {p}" for p in sorted(wanted - named)]
          + [f"only in README.rst: {p}" for p in sorted(named - wanted)],
          "it equals packages.txt")
