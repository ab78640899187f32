# SPDX-License-Identifier: GPL-2.0
"""Stock QEMU, unchanged, with -accel kvm: firmware, machines, kernels.

QEMU knows one name, /dev/kvm; kvm_node=1 gives it to Umbra.  Each guest ends by
a write to port 0xf4, of which isa-debug-exit makes QEMU's status 2n + 1.
"""

import os

import guest
import kernels
from registry import case

OVMF = "/usr/share/OVMF/OVMF_CODE_4M.fd"
OVMF_VARS = "/usr/share/OVMF/OVMF_VARS_4M.fd"

# QEMU writes to /var/tmp, which is read-only in the bed (-snapshot, fd passing).
RUN = """
mount -t tmpfs tmpfs /var/tmp
exec timeout "$0" $QEMU -accel kvm -m 256 -nodefaults -display none -no-reboot \
    -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=1 "$@"
"""

# What a Linux guest says of itself, and all that it complains of.
COMMAND = ("uname -r; echo cpus: $(grep -c ^processor /proc/cpuinfo); "
           "dmesg | grep -E 'efi: EFI|Hypervisor detected'; "
           "dmesg -r | grep -E '^<[0-2]>|WARNING|unchecked MSR'; exit 9")
EXIT_9 = 2 * 9 + 1

MESSAGE = b"read by the BIOS in real mode"

# A boot sector that has the BIOS read the sector behind it (INT 13h) and prints
# that on COM1 and on the screen (INT 10h).
BOOT_SECTOR = (
    b"\x31\xc0\x8e\xd8\x8e\xc0"     # xor ax, ax; mov ds, ax; mov es, ax
    b"\xb8\x01\x02\xbb\x00\x7e"     # mov ax, 0x0201; mov bx, 0x7e00
    b"\xb9\x02\x00\xb6\x00"         # mov cx, 2; mov dh, 0; dl is the drive
    b"\xcd\x13\x72\xfe"             # int 0x13; jc .
    b"\xfc\xbe\x00\x7e"             # cld; mov si, 0x7e00
    b"\xac\x84\xc0\x74\x0c"         # next: lodsb; test al, al; jz done
    b"\xba\xf8\x03\xee"             # mov dx, 0x3f8; out dx, al
    b"\xb4\x0e\x31\xdb\xcd\x10"     # mov ah, 0x0e; xor bx, bx; int 0x10
    b"\xeb\xef"                     # jmp next
    b"\xba\xf4\x00\xb0\x09\xee\xf4" # done: mov dx, 0xf4; mov al, 9; out dx, al; hlt
)


def boot_disk(path):
    sectors = BOOT_SECTOR.ljust(510, b"\0") + b"\x55\xaa" + MESSAGE
    with open(path, "wb") as file:
        file.write(sectors.ljust(1 << 20, b"\0"))


def qemu(bed, *args, timeout=360, binary="qemu-system-x86_64"):
    """Run QEMU in the bed; its status and what came out."""
    result = bed.run(["sh", "-c", RUN, str(timeout), *args], timeout=timeout + 20,
                     env={"QEMU": binary})
    return result.status, result.output.decode(errors="replace")


def linux(t, series=None, append="console=ttyS0 quiet"):
    """QEMU's arguments for a Debian kernel that runs COMMAND."""
    initrd = os.path.join(t.scratch, "initrd")
    guest.make_initrd(initrd, COMMAND)
    return "-kernel", t.guest_image(series), "-initrd", initrd, "-append", append


def judge_linux(t, what, status, said, *words):
    good = status == EXIT_9 and all(word in said for word in words)
    t.check(good, f"{what}: boots to userland and ends there", f"status {status}\n{said[-3000:]}")
    if t.engine == "kvm":
        # TCG has no XSETBV intercept: stock KVM misses what the guest wrote to XCR0.
        return
    bad = [line for line in said.splitlines() if "WARNING" in line or "unchecked MSR" in line]
    t.check(not bad, f"{what}: warns of nothing", "\n".join(bad))
    # Paravirtual features that are not there; more processors than the bed has.
    known = ("CPUID.40000001H:EAX", "recommended cpus")
    bad = [line for line in said.splitlines()
           if line.startswith("qemu-system") and not any(word in line for word in known)]
    t.check(not bad, f"{what}: QEMU has no complaint", "\n".join(bad))


def node(t):
    return "kvm_node=1" if t.engine != "kvm" else ""


@case("qemu/bios", engines=("svm", "soft", "kvm"), weight=30)
def bios(t):
    "The default machine: SeaBIOS boots a disk in real mode."
    disk = os.path.join(t.scratch, "disk")
    boot_disk(disk)
    with t.bed(params=node(t), share=True) as bed:
        status, said = qemu(bed, "-vga", "std", "-drive", f"file={disk},format=raw,if=ide")
        t.check(status == EXIT_9 and MESSAGE.decode() in said,
                "a boot sector runs, by IDE", f"status {status}\n{said[-2000:]}")
        status, said = qemu(bed, "-drive", f"file={disk},format=raw,if=virtio")
        t.check(status == EXIT_9 and MESSAGE.decode() in said,
                "a boot sector runs, by virtio", f"status {status}\n{said[-2000:]}")


@case("qemu/pc", engines=("svm", "soft", "kvm"), weight=60)
def machine_pc(t):
    "The default machine: SeaBIOS, -kernel, two processors."
    with t.bed(params=node(t), share=True, cpus=2) as bed:
        status, said = qemu(bed, "-smp", "2", *linux(t))
    judge_linux(t, "pc", status, said, "cpus: 2", "KVM")


@case("qemu/backports", engines=("svm",), weight=60)
def backports(t):
    "The QEMU of bookworm-backports (10.x), four processors of the host's own model."
    try:
        with kernels.Lock():
            tree = kernels.qemu()
    except kernels.Unreachable as reason:
        t.skip(str(reason))
    share = os.path.join(tree, "usr/share")
    with t.bed(params=node(t), share=True, cpus=2) as bed:
        status, said = qemu(bed, "-L", share + "/qemu", "-L", share + "/seabios", "-smp", "4",
                            "-cpu", "host", *linux(t),
                            binary=os.path.join(tree, "usr/bin/qemu-system-x86_64"))
    judge_linux(t, "QEMU 10", status, said, "cpus: 4", "KVM")


@case("qemu/microvm", engines=("svm", "soft"), weight=50)
def machine_microvm(t):
    "The microvm machine: qboot, no PCI; the host's own CPU model."
    with t.bed(params=node(t), share=True) as bed:
        status, said = qemu(bed, "-M", "microvm", "-cpu", "host", *linux(t))
    judge_linux(t, "microvm", status, said, "cpus: 1", "KVM")


@case("qemu/q35-uefi", engines=("svm",), weight=90)
def machine_q35(t):
    "q35 with OVMF, which runs from flash and starts the kernel by its EFI entry."
    if not os.path.exists(OVMF):
        raise RuntimeError(f"{OVMF} is missing (make deps)")
    variables = os.path.join(t.scratch, "vars")
    with open(OVMF_VARS, "rb") as source, open(variables, "wb") as file:
        file.write(source.read())
    with t.bed(params=node(t), share=True) as bed:
        status, said = qemu(bed, "-M", "q35,smm=off", "-cpu", "host",
                            "-drive", f"if=pflash,format=raw,readonly=on,file={OVMF}",
                            "-drive", f"if=pflash,format=raw,file={variables}", *linux(t))
    judge_linux(t, "q35", status, said, "efi: EFI", "EDK II", "KVM")
