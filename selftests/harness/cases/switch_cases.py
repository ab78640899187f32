# SPDX-License-Identifier: GPL-2.0
"""The soft engine's switcher, one instruction after the other."""

import os
import re
import subprocess
import threading

import bedlib
import gdbstub
from registry import case

PROGRAMS = os.path.join(bedlib.ROOT, "selftests/engine")
ESCAPE = os.path.join(bedlib.ROOT, "selftests/hostile/escape_test")
SWITCH = os.path.join(bedlib.ROOT, "module/engine/soft/switch.o")
# soft_internal.h
HOLE = 0xffff800000000000
# How long to wait for one instruction, for the host's handler, and for any of those
# instructions that no one came to, in seconds.
SHORT, SURE, LONG = 0.2, 20, 90
# What fills up between functions is no instruction of theirs.  VERW is the alternative of a jump
# on processors that need it.
FILLERS = ("int3", "xchg", "nop", "nopw", "nopl", "data16", "verw")
# So many that are lost say that all are.
ENOUGH = 3

# An uncorrected error that does not need anything done, by the scrubber (SDM Vol. 3B, 17.9.3): VAL, UC, EN, S.
SCRUBBED = 1 << 63 | 1 << 61 | 1 << 60 | 1 << 56 | 0xc0
RIPV_MCIP = 5


class Part:
    """What stands behind one label of switch.S: offsets of its instructions from the first label."""

    def __init__(self, label, start):
        self.label, self.start, self.offsets = label, start, []


def parts(section, first, last):
    """The parts from one label to another, in the order of their addresses."""
    listing = subprocess.run(["objdump", "-D", "--no-show-raw-insn", "-j", section, SWITCH],
                             stdout=subprocess.PIPE, text=True, check=True).stdout
    found = []
    for line in listing.splitlines():
        label = re.match(r"([0-9a-f]+) <(.*)>:", line)
        if label and (found or label[2] == first):
            if label[2] == last:
                break
            found.append(Part(label[2], int(label[1], 16)))
        insn = re.match(r"\s+([0-9a-f]+):\t(\S+)", line)
        if insn and found and insn[2] not in FILLERS:
            found[-1].offsets.append(int(insn[1], 16) - found[0].start)
    return found


def symbols(bed):
    result = bed.run("grep -w -e umbra_soft_switch -e asm_exc_nmi -e asm_exc_machine_check "
                     "/proc/kallsyms", timeout=60)
    words = [line.split() for line in result.output.decode().splitlines()]
    return {word[2]: int(word[0], 16) for word in words}


class Walk(threading.Thread):
    """An event at each of the addresses, while the bed runs guests; each must reach the host's handler.

    addresses: in any order, each once.  inside: the instructions of the event's own handler in
    the switcher, which are come to only after an event.  first: where to send that.  again:
    there may be a second one, which the processor holds back until the IRETQ; the host gets one.
    """

    def __init__(self, folder, inject, handler, addresses, inside, first, again):
        super().__init__(daemon=True)
        self._stub = gdbstub.Stub(folder)
        self._inject, self._handler = inject, handler
        self._addresses, self._inside, self._first = addresses, inside, first
        self._again = again
        self.lost, self.missed, self.sent = [], set(), 0
        self.problem = None

    def _event(self, at):
        self._inject(self._stub)
        self._arrives(at)

    def _arrives(self, at):
        self.sent += 1
        if not self._stub.stop_at({self._handler}, SURE):
            self.lost.append(at)

    def _walk(self):
        """Each in turn if it is a busy one; the others by whichever comes first."""
        for address in self._addresses:
            if len(self.lost) > ENOUGH:
                break
            if self._stub.stop_at({address}, SHORT):
                self._event(address)
            else:
                self.missed.add(address)
        while self.missed:
            at = self._stub.stop_at(self.missed, LONG)
            if not at:
                break
            self.missed.remove(at)
            self._event(at)
        for address in self._inside:
            if not self._stub.stop_at({self._first}, LONG):
                self.missed.add(address)
                continue
            self._inject(self._stub)
            if not self._stub.stop_at({address}, LONG):
                self.missed.add(address)
            elif self._again:
                self._event(address)
            else:
                self._arrives(address)
        self._stub.go()

    def run(self):
        try:
            self._walk()
        except (gdbstub.Error, OSError) as error:
            self.problem = str(error)
        self._stub.close()


def names(addresses, where):
    return ", ".join(where[address] for address in sorted(addresses))


def walk(t, bed, folder, inject, handler, own, again):
    """Walk over all of switch.S, but for what no event of this kind leads to.

    own: the label of what the switcher does about it, and which of the comparisons before that
    lead there.  again: as for Walk.
    """
    where = {}
    known = symbols(bed)
    code = [(known["umbra_soft_switch"], part)
            for part in parts(".text", "umbra_soft_switch", "umbra_soft_raise")]
    code += [(HOLE, part) for part in
             parts(".rodata", "umbra_soft_blob", "umbra_soft_blob_stubs")]
    for base, part in code:
        for offset in part.offsets:
            where[base + offset] = f"{part.label}+{base + offset - base - part.offsets[0]:#x}"
    by_label = {part.label: [base + offset for offset in part.offsets] for base, part in code}
    apart = {f"umbra_soft_blob_{name}" for name in ("switcher", "db", "nmi", "mce", "fatal")}
    label, comparisons = own
    inside = by_label["umbra_soft_blob_switcher"][:2 * comparisons] + by_label[label]
    plain = [address for label, some in by_label.items() if label not in apart
             for address in some]
    # The second instruction in the hole loads the engine's IDT.
    first = by_label["umbra_soft_blob"][2]
    thread = Walk(folder, inject, known[handler], plain, inside, first, again)
    thread.start()
    guests = " && ".join(f"{PROGRAMS}/{name}" for name in
                         ("fast_test 20000", "syscall_test", "window_test", "watch_test"))
    stop = os.path.join(t.scratch, "stop")
    threading.Thread(target=lambda: (thread.join(), open(stop, "w").close())).start()
    result = bed.run(["sh", "-c", f"while [ ! -e {stop} ]; do {guests} && {ESCAPE} || exit 1; done"],
                     timeout=900, env={"UMBRA_DEVICE": t.device, "UMBRA_ENGINE": "soft"})
    t.check(result.status == 0, "guests do not notice", result.output.decode(errors="replace")[-4000:])
    t.check(not thread.problem, "every stop is made", thread.problem or "")
    t.check(not thread.lost, "none is lost", names(thread.lost, where))
    return thread, names(thread.missed, where)


@case("engine/nmi-everywhere", engines=("soft",), weight=100)
def nmi_everywhere(t):
    "An NMI before every single instruction of the switcher reaches the host, once."
    folder = t.scratch
    with t.bed(share=True, qemu_args=gdbstub.arguments(folder)) as bed:
        count = "awk '/NMI:/ { print $2 }' /proc/interrupts"
        before = int(bed.run(count, timeout=60).output)
        thread, missed = walk(t, bed, folder, gdbstub.Stub.inject_nmi, "asm_exc_nmi",
                              ("umbra_soft_blob_nmi", 1), True)
        seen = int(bed.run(count, timeout=60).output) - before
        t.check(seen == thread.sent, f"{seen} NMIs of {thread.sent}, none twice")
        t.check(not missed, "all of the switcher was come to", missed)


@case("engine/mce-everywhere", engines=("soft",), weight=100)
def mce_everywhere(t):
    "So does a machine check."
    folder = t.scratch

    def inject(stub):
        stub.inject_mce(9, SCRUBBED, RIPV_MCIP)

    # Linux takes every machine check in its own code for the end on AMD's processors; and one
    # while MCIP is set is a shutdown.
    with t.bed(share=True, cpu="max,-svm,vendor=GenuineIntel",
               qemu_args=gdbstub.arguments(folder)) as bed:
        _, missed = walk(t, bed, folder, inject, "asm_exc_machine_check", ("umbra_soft_blob_mce", 2), False)
        t.check(not missed, "all of the switcher was come to", missed)
