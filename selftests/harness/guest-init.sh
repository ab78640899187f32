#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
# First process of the demo's guest: run /command, or a shell on the serial
# console; hand the exit status to the monitor by port 0xf4; power off.
/bin/busybox mkdir -p /dev /proc /sys /tmp /sbin /usr/bin /usr/sbin
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM=${TERM:-linux}
mount -t devtmpfs dev /dev 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
hostname guest
ifconfig lo 127.0.0.1 up 2>/dev/null
if [ -e /command ]; then
	dmesg -n 1
	sh /command
else
	echo
	echo "This is a guest of $(uname -s) $(uname -r). 'exit' powers it off."
	PS1='guest# ' setsid -c sh </dev/ttyS0 >/dev/ttyS0 2>&1
fi
status=$?
# Waits until the line has sent all that was written (TCSADRAIN); the port below ends it at once.
stty cs8 </dev/ttyS0 2>/dev/null
printf "\\$(printf %03o $status)" |
	dd of=/dev/port bs=1 seek=244 conv=notrunc 2>/dev/null
poweroff -f
