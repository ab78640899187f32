# SPDX-License-Identifier: GPL-2.0
"""Results of the tests: printed as they come, counted, summed up at the end."""

import threading

import dmesg
import ktap

SLOW = 10


def kernel_complains(results):
    """Whether a failure shows a report of the bed's kernel."""
    return any(dmesg.is_report(line) for verdict, _, detail in results
               if verdict == ktap.FAIL for line in detail.splitlines())


class Reporter:
    """Prints results as they come, from several threads, and counts them.

    What fails in a bed and can be repeated is run once more when all else has
    ended, alone on the machine.  If it passes then, that is what counts, and
    the last lines name it as unsteady: a defect to be looked for, in the test,
    in the bed or in Umbra.  A report of the bed's kernel gets no second run.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self.counts = {ktap.PASS: 0, ktap.FAIL: 0, ktap.SKIP: 0}
        self.times = []
        self.failed = []
        self.unsteady = []
        self._repeats = []

    def report(self, name, results, seconds, output="", notes=(), again=None):
        """One test's results: (verdict, what, detail) triples.

        again: a function that runs the test once more and reports it; None if
        its failure is final.
        """
        count = {v: sum(r[0] == v for r in results) for v in self.counts}
        repeat = again and count[ktap.FAIL] and not kernel_complains(results)
        verdict = "again" if repeat else \
            "FAIL" if count[ktap.FAIL] else "ok" if count[ktap.PASS] else "skip"
        words = ", ".join(f"{count[v]} {w}" for v, w in (
            (ktap.PASS, "passed"), (ktap.FAIL, "failed"), (ktap.SKIP, "skipped"))
            if count[v])
        lines = [f"{verdict:4} {seconds:6.1f} s  {name}: {words or 'no result'}"]
        for result, what, detail in results:
            if result == ktap.FAIL:
                lines.append(f"       not ok: {what}".rstrip())
                lines += ["       | " + line for line in detail.splitlines()]
            elif result == ktap.SKIP:
                lines.append("       skipped: " + ": ".join(filter(None, (what, detail))))
        if count[ktap.FAIL] and output:
            lines += ["       > " + line for line in output.splitlines()[-40:]]
        lines += ["       " + note for note in notes]
        with self._lock:
            print("\n".join(lines), flush=True)
            self.times.append((seconds, name))
            if repeat:
                self._repeats.append((name, again))
                return
            if count[ktap.FAIL]:
                self.failed.append(name)
            for key, value in count.items():
                self.counts[key] += value

    def repeat(self):
        """The second runs, one at a time."""
        for name, again in self._repeats:
            print(f"once more: {name}", flush=True)
            again(self)
            if name not in self.failed:
                self.unsteady.append(name)

    def end(self):
        slow = [f"{seconds:.0f} s {name}" for seconds, name in
                sorted(self.times, reverse=True)[:10] if seconds >= SLOW]
        if slow:
            print("slowest: " + ", ".join(slow))
        if self.unsteady:
            print("unsteady: " + " ".join(self.unsteady))
        if self.failed:
            print("failed: " + " ".join(self.failed))
        print(f"{self.counts[ktap.PASS]} passed, {self.counts[ktap.FAIL]} failed, "
              f"{self.counts[ktap.SKIP]} skipped", flush=True)
        return 1 if self.counts[ktap.FAIL] or not self.counts[ktap.PASS] else 0
