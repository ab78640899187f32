#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The reading tour: Documentation/tour/, with the text of its DOC: blocks and their code.

A chapter names blocks as the kernel's documentation does::

    .. kernel-doc:: module/mmu/fault.c
       :doc: one page fault

Here each directive becomes the block's text and, where code follows the
block directly, that code.  `make tour` writes all chapters as one text, plain
and as HTML; the check is that every block is in one chapter.
"""

import collections
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
TOUR = "Documentation/tour"

# Where blocks are collected; tests have them as well, but no place in the tour.
FOLDERS = ("module", "uapi", "userspace")

_BLOCK = re.compile(r"^/\*\*?\n \* DOC: (?P<title>.*)\n(?P<text>(?: \*(?!/).*\n)*) \*/\n", re.M)
_DIRECTIVE = re.compile(r"^\.\. kernel-doc:: (?P<path>\S+)\n +:doc: (?P<title>.*)\n", re.M)
_CHAPTER = re.compile(r"^   (\w[\w-]*)$", re.M)
# What may follow a block without being the code that it explains.
_NO_CODE = re.compile(r"#\s*(include|if|ifndef|ifdef|undef|define pr_fmt)|$")

Block = collections.namedtuple("Block", "path title line text code code_line")


def read(path):
    with open(os.path.join(ROOT, path), errors="replace") as file:
        return file.read()


def code_after(text, at):
    """The definition that begins right at an offset: up to its closing brace, or a blank line."""
    lines = text[at:].split("\n")
    if _NO_CODE.match(lines[0]):
        return ""
    brace = None
    for index, line in enumerate(lines):
        if line.endswith("{") and brace is None:
            brace = index
        if brace is None and not line.strip():
            return "\n".join(lines[:index])
        if brace is not None and re.match(r"\}", line):
            return "\n".join(lines[:index + 1])
    return "\n".join(lines)


def blocks():
    """All blocks of the tree, by (path, title)."""
    found = {}
    for folder in FOLDERS:
        for path, dirs, names in os.walk(os.path.join(ROOT, folder)):
            for name in names:
                if name.endswith((".c", ".h", ".S")) and not name.endswith(".mod.c"):
                    for block in blocks_of(os.path.relpath(os.path.join(path, name), ROOT)):
                        found[block.path, block.title] = block
    return found


def blocks_of(path):
    text = read(path)
    for match in _BLOCK.finditer(text):
        line = text.count("\n", 0, match.start("title")) + 1
        body = re.sub(r"^ \* ?", "", match["text"], flags=re.M).strip("\n")
        code = code_after(text, match.end())
        yield Block(path, match["title"], line, body, code,
                    text.count("\n", 0, match.end()) + 1)


def chapters():
    """Paths of the chapters in reading order, the index first."""
    names = _CHAPTER.findall(read(f"{TOUR}/index.rst").split("toctree::")[1])
    return [f"{TOUR}/index.rst"] + [f"{TOUR}/{name}.rst" for name in names]


def named():
    """(chapter, path, title) of every directive, in order."""
    return [(chapter, match["path"], match["title"]) for chapter in chapters()
            for match in _DIRECTIVE.finditer(read(chapter))]


def misplaced(there, directives):
    """Blocks that are in no chapter or in two, directives without a block; a line each."""
    seen, wrong = {}, []
    for chapter, path, title in directives:
        if (path, title) not in there:
            wrong.append(f"{chapter}: {path} has no block 'DOC: {title}'")
        elif (path, title) in seen:
            wrong.append(f"{chapter}: 'DOC: {title}' of {path} is in {seen[path, title]} already")
        seen.setdefault((path, title), chapter)
    return wrong + [f"{path}:{block.line}: 'DOC: {title}' is in no chapter of {TOUR} (else: rest.rst)"
                    for (path, title), block in sorted(there.items()) if (path, title) not in seen]


def problems():
    """What is wrong with the tour, a line each."""
    wrong = misplaced(blocks(), named())
    listed = set(chapters())
    return wrong + [f"{TOUR}/{name}: not in index.rst"
                    for name in sorted(os.listdir(os.path.join(ROOT, TOUR)))
                    if name.endswith(".rst") and f"{TOUR}/{name}" not in listed]


def literal(text):
    """As a literal block; tabs as wide as the kernel's."""
    return "::\n\n" + "".join(f"    {line}".rstrip() + "\n" for line in text.expandtabs(8).split("\n"))


def render_block(block):
    """A block as reStructuredText: where it is, what it says, the code beside it."""
    parts = [f"**{block.title}** ({block.path}:{block.line})\n"]
    if block.text:
        parts.append(literal(block.text))
    if block.code:
        parts.append(f"*{block.path}:{block.code_line}*\n")
        parts.append(literal(block.code))
    return "\n".join(parts)


def expand(chapter, there):
    """A chapter with its blocks in the place of their directives."""
    def replace(match):
        block = there.get((match["path"], match["title"]))
        return render_block(block) if block else match.group()
    text = _DIRECTIVE.sub(replace, read(chapter))
    text = re.sub(r"^\.\. SPDX.*\n+", "", text)
    # The chapters follow anyway.
    return re.sub(r"^\.\. toctree::\n(?:   .*\n|\n)*", "", text, flags=re.M)


def whole():
    """All chapters as one text."""
    there = blocks()
    return "\n\n".join(expand(chapter, there).strip("\n") + "\n" for chapter in chapters())


def html_problems(text, path=os.devnull):
    """Write a text as HTML; docutils' complaints."""
    done = subprocess.run(["rst2html", "--report=2", "--halt=5", "--initial-header-level=1",
                           "--no-doc-title", "-", path],
                          input=text, stderr=subprocess.PIPE, text=True)
    return done.stderr.splitlines()


def main():
    wrong = problems()
    folder = os.path.join(ROOT, "build", "tour")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "tour.txt"), "w") as file:
        file.write(whole())
    made = ["build/tour/tour.txt"]
    try:
        wrong += html_problems(whole(), os.path.join(folder, "tour.html"))
        made.append("build/tour/tour.html")
    except FileNotFoundError:
        print("tour: no HTML: python3-docutils is not installed", file=sys.stderr)
    for line in wrong:
        print(f"tour: {line}", file=sys.stderr)
    print("\n".join(made))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
