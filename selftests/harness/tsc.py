# SPDX-License-Identifier: GPL-2.0
"""The frequency of this machine's time stamp counter.

TCG hands the guest this machine's TSC.  The bed's kernel would calibrate it
against a timer that a busy machine serves late, and then run its clock several
times too fast; so it is told.
"""

import ctypes
import functools
import mmap
import time

RDTSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")  # rdtsc; shl $32,%rdx; or %rdx,%rax; ret


def sample(read):
    """(ns, ticks) at one moment: the tightest of several readings."""
    best = None
    for _ in range(50):
        before = time.monotonic_ns()
        ticks = read()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, (before + after) // 2, ticks
    return best[1:]


@functools.cache
def khz():
    """Frequency in kHz, measured for a tenth of a second."""
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(RDTSC)
    code = ctypes.c_char.from_buffer(page)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(code))
    start_ns, start = sample(read)
    time.sleep(0.1)
    end_ns, end = sample(read)
    return (end - start) * 1000000 // (end_ns - start_ns)
