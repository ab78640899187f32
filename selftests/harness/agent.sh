# SPDX-License-Identifier: GPL-2.0
# The bed's process 1 on the real root: runs what the harness asks for.
#
# The control port speaks lines.  In:  run SEQ SECONDS pipe|tty BASE64-SCRIPT
#                                      quit
#                                Out:  ready UPTIME
#                                      status SEQ EXIT-STATUS [timeout]
#                                      <N>kernel log since the last command
#                                      end SEQ
# What the command prints goes to the output port, closed by a mark.
bb=/run/bed/busybox
. /run/bed/config
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Port names hold the number of the virtio device; the ports come one by one.
tries=0
while ! [ -c "$(echo /dev/vport*p2)" ] && [ $tries -lt 500 ]; do
	$bb usleep 10000
	tries=$((tries + 1))
done
set -- /dev/vport*p1 /dev/vport*p2
exec 8<>"$1" 9>"$2"
$bb ip link set lo up 2>/dev/null || $bb ifconfig lo 127.0.0.1 up
$bb hostname bed
# From here on the console shows everything, so that a hang leaves a trail.
echo 8 >/proc/sys/kernel/printk

start() { # mode
	if [ "$1" = tty ]; then
		exec </dev/hvc0 >/dev/hvc0 2>&1 8>&- 9>&-
		$bb stty sane rows $ROWS cols $COLS
		exec $bb setsid -c /bin/sh /run/bed/command
	fi
	exec $bb setsid /bin/sh /run/bed/command </dev/null >/run/bed/fifo 2>&1 8>&- 9>&-
}

kill_leftovers() {
	for stat in /proc/[0-9]*/stat; do
		read -r line <"$stat" || continue
		# After the name in parentheses: state, parent, group, session.
		set -- ${line##*) }
		[ "$4" = 0 ] || kill -9 ${line%% *}
	done 2>/dev/null
}

run() { # seq seconds mode script
	echo "$4" | $bb base64 -d >/run/bed/command
	$bb rm -f /run/bed/fifo /run/bed/late
	$bb mkfifo /run/bed/fifo
	reader=
	if [ "$3" = pipe ]; then
		$bb cat </run/bed/fifo >&9 &
		reader=$!
	fi
	(start "$3") &
	child=$!
	guard=
	if [ "$2" -gt 0 ]; then
		(
			$bb sleep "$2"
			: >/run/bed/late
			kill -9 -$child 2>/dev/null || kill -9 $child
		) 8>&- 9>&- &
		guard=$!
	fi
	wait $child
	status=$?
	[ -n "$guard" ] && kill $guard 2>/dev/null
	# Whatever the command left behind goes too; this session stays.
	kill_leftovers
	[ -n "$reader" ] && wait $reader
	if [ "$3" = tty ]; then
		printf '%s' "$MARK" >/dev/hvc0
	else
		printf '\0%s' "$MARK" >&9
	fi
	late=
	[ -e /run/bed/late ] && late=timeout
	{
		echo "status $1 $status $late"
		$bb dmesg -r -c
		echo "end $1"
	} >&8
}

read -r uptime rest </proc/uptime
echo "ready $uptime" >&8
while read -r verb seq seconds mode script <&8; do
	case $verb in
	run) run "$seq" "$seconds" "$mode" "$script" ;;
	quit) break ;;
	esac
done
$bb sync
$bb poweroff -f
