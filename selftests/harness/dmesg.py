# SPDX-License-Identifier: GPL-2.0
"""Judge a kernel log: which lines are reports of a kernel that is unhappy.

The bed reads its kernel's log after every run and fails the run on any of
these, whatever the tests themselves said.  Lines that user programs cause
(a segfault notice, say) are not reports.
"""

import re

# One alternative a line; case counts, as the kernel's own texts are stable.
_REPORTS = re.compile("|".join((
    r"\bWARNING:",
    r"\bBUG:",
    r"\bBUG\b.*\bcorrupt",
    r"kernel BUG at",
    r"\bOops\b",
    r"Kernel panic",
    r"INFO: possible ",
    r"possible (circular|recursive|irq lock inversion)",
    r"(inconsistent lock state|suspicious RCU usage|DEBUG_LOCKS_WARN)",
    r"rcu.*\b(self-)?detected (expedited )?stall",
    r"Voluntary context switch within RCU",
    r"INFO: task .* blocked for more than",
    r"hung_task",
    r"(soft lockup|hard LOCKUP)",
    r"scheduling while atomic",
    r"(sleeping function called|Illegal context switch)",
    r"refcount_t:",
    r"(list_add|list_del) corruption",
    r"(Bad page (state|map)|Bad rss-counter|non-zero pgtables_bytes)",
    r"\b(KASAN|KCSAN|UBSAN|KMSAN|KFENCE)\b:",
    r"kmemleak: \d+ new suspected",
    r"ODEBUG:",
    r"general protection fault",
    r"(double fault|stack segment): ",
    r"unable to handle (kernel|page fault)",
    r"unchecked MSR access",
    r"Call Trace:",
    r"slab.*(Redzone|Poison|still has|Objects remaining)",
    r"kmem_cache_destroy .*: Slab cache still has objects",
    r"Unexpected (NMI|reschedule)",
    r"clocksource: timekeeping watchdog.*unstable",
)))

# What looks like a report and is none.
_INNOCENT = re.compile("|".join((
    # A user program's own fault, told by show_unhandled_signals.
    r"\btraps: \S+\[\d+\] ",
    # KFENCE and friends saying at boot that they are there.
    r"kfence: initialized",
    # Announcements of a debug kernel's boot-time self-tests.
    r"Lock dependency validator",
)))

_PREFIX = re.compile(r"^<\d+>")


def strip(line):
    """The line without the <level> that raw logs carry."""
    return _PREFIX.sub("", line)


def is_report(line):
    return bool(_REPORTS.search(line)) and not _INNOCENT.search(line)


def reports(lines, context=30):
    """Every report with the lines that follow it, as one list of lines.

    Overlapping reports share their lines; an empty list means a clean log.
    """
    out, until = [], -1
    for number, raw in enumerate(lines):
        line = strip(raw)
        if is_report(line):
            until = number + context
        if number <= until:
            out.append(line)
    return out
