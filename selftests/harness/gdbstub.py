# SPDX-License-Identifier: GPL-2.0
"""Stop the bed's processor at chosen addresses: QEMU's gdb stub and its QMP.

    with Bed(qemu_args=gdbstub.arguments(folder)) as bed:
        stub = gdbstub.Stub(folder)
        stub.stop_at({address}, 1)      # the processor is there, and stands
        stub.inject_nmi()               # taken at exactly that boundary
        stub.go()

The stub's protocol is described in gdb's manual, appendix "Remote Serial
Protocol".  Only beds with one processor: a stop is everybody's.
"""

import json
import os
import socket


def arguments(folder):
    """QEMU's arguments for a Stub on the same folder."""
    return ["-gdb", f"unix:{folder}/gdb,server=on,wait=off",
            "-qmp", f"unix:{folder}/qmp,server=on,wait=off"]


class Error(Exception):
    """The stub or the monitor said no."""


class Qmp:
    """QEMU's monitor, one command after the other."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        self._file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            answer = json.loads(self._file.readline())
            if "error" in answer:
                raise Error(answer["error"]["desc"])
            if "return" in answer:
                return answer["return"]

    def close(self):
        self._file.close()
        self._socket.close()


class Stub:
    """A connection to the gdb stub; the bed stands when it is made, until go()."""

    def __init__(self, folder):
        self.qmp = Qmp(os.path.join(folder, "qmp"))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(os.path.join(folder, "gdb"))
        self._data = b""
        self._running = False
        self._ask("?", "TS")

    def close(self):
        self._socket.close()
        self.qmp.close()

    def _send(self, text):
        self._socket.sendall(b"$%s#%02x" % (text.encode(), sum(text.encode()) & 255))

    def _receive(self, kind, timeout=20):
        """The next packet that begins as kind says, or None when there was none in time."""
        while True:
            start, end = self._data.find(b"$"), self._data.find(b"#")
            if 0 <= start < end <= len(self._data) - 3:
                packet, self._data = self._data[start + 1:end], self._data[end + 3:]
                self._socket.sendall(b"+")
                if packet[:1].decode() in kind:
                    return packet.decode()
                continue
            self._socket.settimeout(timeout)
            try:
                data = self._socket.recv(4096)
            except TimeoutError:
                return None
            if not data:
                raise Error("the gdb stub has gone")
            self._data += data

    def _ask(self, text, kind="OE"):
        self._send(text)
        answer = self._receive(kind)
        if answer is None or answer.startswith("E"):
            raise Error(f"the gdb stub answers {answer} to {text}")
        return answer

    def go(self):
        """Let the bed run."""
        self._send("c")
        self._running = True

    def _stopped(self, timeout):
        if self._receive("TSWX", timeout) is None:
            return False
        self._running = False
        return True

    def stop(self):
        """Let the bed stand where it is."""
        if self._running:
            self._socket.sendall(b"\x03")
            if not self._stopped(20):
                raise Error("the bed does not stop")

    def stop_at(self, addresses, timeout):
        """Run until the processor is about to execute one of the addresses; which one.

        None: it did not come there in timeout seconds, and stands somewhere.
        """
        self.stop()
        for address in addresses:
            self._ask(f"Z1,{address:x},1")
        self.go()
        if not self._stopped(timeout):
            self.stop()
        for address in addresses:
            self._ask(f"z1,{address:x},1")
        at = self.rip()
        return at if at in addresses else None

    def rip(self):
        """The address of the next instruction; the bed stands."""
        registers = bytes.fromhex(self._ask("g", "0123456789abcdef"))
        return int.from_bytes(registers[16 * 8:17 * 8], "little")

    def inject_nmi(self):
        """An NMI for the processor that stands: it takes it before the next instruction."""
        self.qmp.command("inject-nmi")

    def inject_mce(self, bank, status, mcg_status):
        """As inject_nmi(), a machine check with this in its bank's MSR and in MCG_STATUS."""
        self.qmp.command("human-monitor-command", **{
            "command-line": f"mce 0 {bank} {status:#x} {mcg_status:#x} 0 0"})
