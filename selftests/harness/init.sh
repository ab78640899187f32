#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# The bed's first process, in the initramfs: reach this machine's root by 9p,
# lay a throw-away tmpfs over it, and hand over to the agent there.
bb=/bin/busybox
die() { echo "bed: $*" >/dev/console; $bb poweroff -f; }

$bb mkdir -p /dev /proc /sys /ovl /new
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
$bb mount -t sysfs sys /sys
while read -r module; do
	$bb insmod "/bed/modules/$module" || die "insmod $module failed"
done </bed/modules.list

$bb mount -t tmpfs -o size=80% tmpfs /ovl
$bb mkdir /ovl/lower /ovl/upper /ovl/work
$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro \
	bedroot /ovl/lower || die "mounting / by 9p failed"
$bb mount -t overlay -o lowerdir=/ovl/lower,upperdir=/ovl/upper,workdir=/ovl/work \
	overlay /new || die "overlay on / failed"

$bb mount --move /dev /new/dev
$bb mount --move /proc /new/proc
$bb mount --move /sys /new/sys
$bb mount -t tmpfs tmpfs /new/run
$bb mkdir -p /new/dev/pts /new/dev/shm /new/run/bed /new/run/lock
$bb mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /new/dev/pts
$bb mount -t tmpfs tmpfs /new/dev/shm
$bb mount -t debugfs debugfs /new/sys/kernel/debug
$bb mount -t tracefs tracefs /new/sys/kernel/tracing
$bb mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
$bb ln -s /proc/self/fd /new/dev/fd
$bb ln -s /proc/self/fd/0 /new/dev/stdin
$bb ln -s /proc/self/fd/1 /new/dev/stdout
$bb ln -s /proc/self/fd/2 /new/dev/stderr

. /bed/config
# The scratch folder is the same path inside and outside, and writable.
if [ -n "$SCRATCH" ]; then
	$bb mkdir -p "/new$SCRATCH"
	$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none \
		bedscratch "/new$SCRATCH" || die "mounting the scratch folder failed"
fi
# A kernel from elsewhere brings its modules along.
if [ -n "$MODULES" ]; then
	$bb mkdir -p "/new/lib/modules/$RELEASE"
	$bb mount --bind "/new$MODULES" "/new/lib/modules/$RELEASE"
fi
$bb cp /bin/busybox /bed/agent.sh /bed/config /new/run/bed/
exec $bb switch_root /new /run/bed/busybox sh /run/bed/agent.sh
