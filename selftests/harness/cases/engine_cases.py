# SPDX-License-Identifier: GPL-2.0
"""What only a look from outside the bed can do to a host that runs guests."""

import json
import os
import socket
import threading
import time

import bedlib
from registry import case

PROGRAMS = os.path.join(bedlib.ROOT, "selftests/engine")
# Pause between two NMIs in seconds, and the least number that proves anything.
PAUSE = 0.005
ENOUGH = 100


class Monitor:
    """QEMU's machine protocol, on the socket that qemu_args(path) makes."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.command("qmp_capabilities")

    @staticmethod
    def qemu_args(path):
        return ["-qmp", f"unix:{path},server=on,wait=off"]

    def command(self, name, **arguments):
        """Returns None, or what QEMU has against it."""
        self._file.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
        self._file.flush()
        answer = {}
        while "return" not in answer and "error" not in answer:
            answer = json.loads(self._file.readline())
        return answer.get("error")


class Flood(threading.Thread):
    """Non-maskable interrupts for the bed's boot CPU, one after the other."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.sent = 0
        self._halt = threading.Event()
        self._monitor = Monitor(path)

    def run(self):
        while not self._halt.is_set():
            self._monitor.command("inject-nmi")
            self.sent += 1
            time.sleep(PAUSE)

    def stop(self):
        self._halt.set()
        self.join(10)


def nmis_seen(bed):
    result = bed.run("grep NMI: /proc/interrupts", timeout=60)
    return int(result.output.split()[1])


def run_program(t, bed, name, how):
    result = bed.run([os.path.join(PROGRAMS, name)], timeout=100,
                     env={"UMBRA_DEVICE": t.device})
    t.check(result.status == 0, f"{name} {how}", result.output.decode(errors="replace"))


@case("engine/nmi-flood", engines=("svm", "soft"), weight=30)
def nmi_flood(t):
    "NMIs hit the host at every point of the world switch; guests do not notice."
    path = os.path.join(t.scratch, "qmp")
    with t.bed(cpus=2, qemu_args=Monitor.qemu_args(path)) as bed:
        before = nmis_seen(bed)
        flood = Flood(path)
        flood.start()
        # The last is about ways from user to kernel that only soft has without an exit.
        for name in ("migrate_test", "window_test") + ("fast_test",) * (t.engine == "soft"):
            run_program(t, bed, name, "under NMIs")
        flood.stop()
        seen = nmis_seen(bed) - before
        t.check(seen >= ENOUGH, f"the host took {seen} NMIs of {flood.sent}")


def plug_memory(monitor, ready, problems):
    """256 MiB at 512 GiB, where they need an entry of their own in the uppermost table."""
    while not os.path.exists(ready):
        time.sleep(0.1)
    steps = (("object-add", {"qom-type": "memory-backend-ram", "id": "more", "size": 256 << 20}),
             ("device_add", {"driver": "pc-dimm", "id": "dimm", "memdev": "more",
                             "addr": 512 << 30}))
    problems += filter(None, (monitor.command(name, **what) for name, what in steps))


@case("engine/memory", engines=("svm", "soft"), weight=30)
def memory(t):
    "Memory that the host gets while a vCPU exists is the guest's like any other."
    path, ready = os.path.join(t.scratch, "qmp"), os.path.join(t.scratch, "ready")
    problems = []
    # With five levels the uppermost table has an entry for all memory there can be.
    cpu = "max,-la57,-svm" if t.engine == "soft" else "max,-la57"
    with t.bed(share=True, cpu=cpu, mem="512,slots=1,maxmem=900G",
               qemu_args=Monitor.qemu_args(path)) as bed:
        threading.Thread(target=plug_memory, args=(Monitor(path), ready, problems),
                         daemon=True).start()
        result = bed.run([os.path.join(PROGRAMS, "memory_test")], timeout=300,
                         env={"UMBRA_DEVICE": t.device, "MEMORY_READY": ready})
        t.check(result.status == 0 and not problems, "page tables in new memory",
                result.output.decode(errors="replace") + str(problems))


@case("engine/beside-kvm", engines=("soft",), weight=30)
def beside_kvm(t):
    "Guests of kvm_amd and of the soft engine at once, on the same CPUs."
    both = ('for i in 1 2 3; do UMBRA_DEVICE=/dev/kvm "$0/window_test" || exit 1; done & '
            'for i in 1 2 3; do "$0/syscall_test" && "$0/migrate_test" || exit 2; done; '
            'ours=$?; wait $!; echo "status $ours $?"')
    with t.bed(params="engine=soft", cpu="max", cpus=2, kvm="npt=0") as bed:
        result = bed.run(["sh", "-c", both, PROGRAMS], timeout=300,
                         env={"UMBRA_DEVICE": t.device, "UMBRA_ENGINE": "soft"})
        said = result.output.decode(errors="replace")
        t.check("status 0 0" in said, "both work", said)
