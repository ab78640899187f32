# SPDX-License-Identifier: GPL-2.0
"""Linux's own KVM selftests on Umbra (linuxtests.py).

testing.rst says which of the others do not apply, and why.
"""

import kernels
import linuxtests
from registry import case

# Programs and their arguments; the kernel's own defaults are sized for real machines.
PROGRAMS = (
    "kvm_binary_stats_test",
    "kvm_create_max_vcpus",
    "set_memory_region_test",
    "demand_paging_test -b 32M",
    "dirty_log_perf_test -b 16M -v 2",
    "kvm_page_table_test -b 16M",
    "memslot_modification_stress_test -v 2 -b 16M -i 50",
    "steal_time",
    "system_counter_offset_test",
    "x86_64/cpuid_test",
    "x86_64/cr4_cpuid_sync_test",
    "x86_64/get_msr_index_features",
    "x86_64/kvm_clock_test",
    "x86_64/max_vcpuid_cap_test",
    "x86_64/set_boot_cpu_id",
    "x86_64/set_sregs_test",
    "x86_64/state_test",
    "x86_64/sync_regs_test",
    "x86_64/tsc_msrs_test",
    "x86_64/userspace_io_test",
    "x86_64/userspace_msr_exit_test",
    "x86_64/xapic_ipi_test",
    "x86_64/xapic_state_test",
)
SKIPPED = 4


@case("linux/kvm-selftests", engines=("svm",), weight=70)
def kvm_selftests(t):
    "The kernel's own tests of KVM's ABI."
    with kernels.Lock():
        folder = linuxtests.build([line.split()[0] for line in PROGRAMS])
    with t.bed(params="kvm_node=1", cpus=2, mem="2G") as bed:
        for line in PROGRAMS:
            result = bed.run("./" + line, cwd=folder, timeout=120)
            said = result.output.decode(errors="replace")
            name = line.split()[0]
            if result.status == SKIPPED:
                t.fail(name, "it has been skipped: " + said[-300:])
            else:
                t.check(result.status == 0, name, f"status {result.status}\n{said[-1500:]}")
