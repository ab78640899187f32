#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run a program on a terminal of its own and talk to it.

    pty_session.py [--seconds N] STEP... -- COMMAND...

A step is send:TEXT, wait:TEXT or kill:SIGNAL; TEXT takes Python's backslash
escapes. What the program prints is passed on; the last two lines are its exit
status and whether the terminal's settings are what they were.
"""

import os
import select
import signal
import subprocess
import sys
import termios
import time


class Session:
    def __init__(self, argv, seconds):
        self.end = time.monotonic() + seconds
        self.master, slave = os.openpty()
        self.slave = slave
        self.before = termios.tcgetattr(slave)
        self.seen = b""
        self.child = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave,
                                      start_new_session=True, preexec_fn=self._own)

    def _own(self):
        # Opening makes it the controlling terminal of the new session.
        os.close(os.open(os.ttyname(0), os.O_RDWR))

    def _read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
            self.seen += data

    def wait(self, text):
        while text not in self.seen:
            if time.monotonic() > self.end or self.child.poll() is not None:
                print(f"\npty_session: no {text!r}")
                self.child.kill()
                return False
            self._read(0.2)
        self.seen = self.seen[self.seen.index(text) + len(text):]
        return True

    def step(self, step):
        verb, _, text = step.partition(":")
        text = text.encode().decode("unicode_escape").encode("latin-1")
        if verb == "send":
            os.write(self.master, text)
        elif verb == "wait":
            return self.wait(text)
        elif verb == "kill":
            self.child.send_signal(getattr(signal, "SIG" + text.decode()))
        else:
            sys.exit(f"pty_session: {step}: no such step")
        return True

    def finish(self):
        while self.child.poll() is None:
            if time.monotonic() > self.end:
                print("\npty_session: no end")
                self.child.kill()
            self._read(0.2)
        self._read(0.2)
        same = termios.tcgetattr(self.slave) == self.before
        print(f"\nstatus {self.child.returncode}")
        print("terminal restored" if same else "terminal left changed")


def main():
    args = sys.argv[1:]
    seconds = 120.0
    if args[:1] == ["--seconds"]:
        seconds, args = float(args[1]), args[2:]
    middle = args.index("--")
    session = Session(args[middle + 1:], seconds)
    for step in args[:middle]:
        if not session.step(step):
            break
    session.finish()


if __name__ == "__main__":
    main()
