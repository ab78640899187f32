#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# First process of the benchmark's bed: everything is in this initramfs, nothing
# comes from outside, so that under -icount every boot counts nearly the same.
#
# /bench/config: COLUMN, SETUP (shell commands that load modules), GUEST (command
# of the monitor, empty: run natively), LINES.  Output, on the console:
#
#   bench: column NAME
#   bench ...			the workload's, see selftests/bench/workload.c
#   bench: shadow PAGES		shadow pages at the end of a guest's workload
#   bench: audit N		what mmu_audit says then
#   bench: status N		the workload's or the monitor's
#   bench: log TEXT		the kernel log
/bin/busybox mkdir -p /dev /proc /sys /tmp /sbin /usr/bin /usr/sbin /var/tmp
/bin/busybox --install -s
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t debugfs debugfs /sys/kernel/debug
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /var/tmp
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
# What allocates and is not the workload, and what comes at odd times.
. /bench/config

at_end() {
	set -- /sys/kernel/debug/umbra/*/sp_pages
	if [ -e "$1" ]; then
		echo "bench: shadow $(cat "$1")"
		echo "bench: audit $(cat "${1%sp_pages}mmu_audit")"
		[ -z "$STATS" ] || grep -sv '^0$' "${1%sp_pages}"* "${1%sp_pages}"vcpu0/* |
			sed 's/.*\//bench: stat /'
	elif [ -e /dev/kvm ]; then
		while read -r name kb unit; do
			[ "$name" != SecPageTables: ] || echo "bench: shadow $((kb / 4))"
		done </proc/meminfo
		[ -z "$STATS" ] || grep -sv '^0$' /sys/kernel/debug/kvm/[!0-9]* |
			sed 's/.*\//bench: stat /'
	fi
}

watch() {
	while read -r line; do
		echo "$line"
		case $line in *"bench end 0 0"*) at_end ;; esac
	done
}

eval "$SETUP"
echo "bench: column $COLUMN"
if [ -z "$GUEST" ]; then
	/bench/workload $LINES
	echo "bench: status $?"
else
	{ eval "$GUEST"; echo "bench: status $?"; } </dev/null 2>&1 | watch
fi
dmesg -r | sed 's/^/bench: log /'
# The serial line has sent it all.
stty cs8 </dev/ttyS0 2>/dev/null
poweroff -f
