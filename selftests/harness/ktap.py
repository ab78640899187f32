# SPDX-License-Identifier: GPL-2.0
"""Read KTAP, the kernel's test protocol, from a program's output."""

import re

_RESULT = re.compile(r"^(not )?ok (\d+)(?:\s+-)?\s*(.*?)"
                     r"(?:\s+#\s*(SKIP|TODO|XFAIL)\b\s*(.*))?$", re.I)
_PLAN = re.compile(r"^1\.\.(\d+)(?:\s+#\s*SKIP\s*(.*))?$", re.I)

PASS, FAIL, SKIP = "pass", "fail", "skip"


def parse(text):
    """The results in a program's output: (verdict, name, detail) triples.

    Nested results (indented) belong to the line that sums them up and are
    left to it.  Also returns complaints: a plan that does not hold, a bail-out.
    """
    results, complaints, planned = [], [], None
    for line in text.splitlines():
        if (plan := _PLAN.match(line)):
            planned = int(plan.group(1))
            if planned == 0:
                results.append((SKIP, "", plan.group(2) or "no reason given"))
        elif (found := _RESULT.match(line)):
            failed, _, name, directive, detail = found.groups()
            verdict = FAIL if failed else PASS
            if directive and not (directive.upper() == "XFAIL" and not failed):
                verdict = SKIP
            results.append((verdict, name, detail or ""))
        elif line.startswith("Bail out!"):
            complaints.append(line)
    if planned is None:
        complaints.append("no plan in the output")
    elif planned and planned != len(results):
        complaints.append(f"planned {planned} results, had {len(results)}")
    return results, complaints


def judge(text, status):
    """Verdicts of a whole program, its exit status included.

    0 says all good, 4 all skipped, 1 that some result failed; any other
    status, or one that the lines do not bear out, is one more failure.
    """
    results, complaints = parse(text)
    failed = any(verdict == FAIL for verdict, _, _ in results)
    if status == 4 and complaints == ["no plan in the output"]:
        words = [line for line in text.splitlines() if line.strip()]
        return [(SKIP, "", words[-1] if words else "no reason given")]
    for complaint in complaints:
        results.append((FAIL, "", complaint))
    if status not in (0, 4) and not failed and not complaints:
        results.append((FAIL, "", f"exit status {status}"))
    if status == 0 and failed:
        results.append((FAIL, "", "exit status 0 in spite of failures"))
    return results
