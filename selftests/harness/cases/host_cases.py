# SPDX-License-Identifier: GPL-2.0
"""The module on other kernels than the one all other tests run on."""

import os

import bedlib
import ktap
from loaded import LoadedBed
from registry import case

SMOKE = os.path.join(bedlib.ROOT, "selftests/abi/smoke_test")


def smoke_on(series):
    def run(t):
        with t.bed(series=series, cpus=2) as bed:
            result = bed.run([SMOKE], timeout=60, env={"UMBRA_DEVICE": t.device})
            t.results += ktap.judge(result.output.decode(), result.status)
    run.__doc__ = f"umbra.ko loads on {series}, runs a guest and unloads."
    return run


for name in ("6.12", "7"):
    case(f"host/{name}", engines=("svm", "soft"), weight=55)(smoke_on(name))


def insmod(bed, params):
    """Load umbra.ko by hand; status and the kernel's words."""
    path = bedlib.umbra_ko(bed.bed.kernel.release)
    for line in bedlib.insmod_lines(path)[:-1]:
        bed.run(line, timeout=30)
    result = bed.run(["insmod", path, *params.split()], timeout=30)
    return result.status, " ".join(line for line in result.log if "umbra: " in line)


@case("host/refusals", weight=10)
def refusals(t):
    "What cannot work is refused when the module is loaded, with the reason."
    with LoadedBed(cpu="max,-svm") as bed:
        status, words = insmod(bed, "engine=svm")
        t.check(status and words, "no AMD-V: refused, and the log says why", words)
        status, words = insmod(bed, "engine=nonsense")
        t.check(status and words, "no such engine: refused, and the log says why", words)
        result = bed.run("ls /dev/umbra", timeout=30)
        t.check(result.status, "nothing is left of a refused module")
        t.check(not bed.reports, "without a report", "\n".join(bed.reports))


@case("host/soft", weight=20)
def soft_hosts(t):
    "The soft engine on processors that are not the newest, and its refusal of too old ones."
    # Ivy Bridge is the oldest; its kernel isolates page tables (and warns of RETBleed unless told not to).
    for cpu in ("max,la57=off", "IvyBridge-v1"):
        with LoadedBed(cpu=cpu, umbra="engine=soft", cpus=2, append="retbleed=off") as bed:
            result = bed.run([SMOKE], timeout=60)
            t.check(result.status == 0, f"guests run on {cpu}", result.output.decode())
            stuck = bed.unload()
        t.check(not bed.reports and not stuck, f"{cpu}: kernel log and unload are clean",
                "\n".join(bed.reports[:60] + [stuck]))
    with LoadedBed(cpu="qemu64") as bed:
        status, words = insmod(bed, "engine=soft")
        t.check(status and "FSGSBASE" in words, "no FSGSBASE: refused, and the log says why", words)


@case("host/kvm-node", engines=("svm",), weight=10)
def kvm_node(t):
    "kvm_node=1 gives /dev/kvm to clients that know no other name."
    with t.bed(params="kvm_node=1") as bed:
        result = bed.run([SMOKE], timeout=60, env={"UMBRA_DEVICE": "/dev/kvm"})
        t.results += ktap.judge(result.output.decode(), result.status)
    with t.bed() as bed:
        result = bed.run("ls /dev/kvm", timeout=30)
        t.check(result.status, "without it there is none")


@case("host/beside-kvm", engines=("svm", "soft"), weight=10)
def beside_kvm(t):
    "Stock KVM may be loaded beside it, and unloaded."
    with t.bed(cpu="max", params="" if t.engine == "svm" else "engine=soft") as bed:
        result = bed.run(f"modprobe kvm_amd npt=0 && {SMOKE} && "
                         f"UMBRA_DEVICE=/dev/kvm {SMOKE} && {SMOKE} && rmmod kvm_amd",
                         timeout=90)
        t.check(result.status == 0, "guests run on both in turn", result.output.decode())
