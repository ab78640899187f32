# SPDX-License-Identifier: GPL-2.0
# What the guest's kernel does to its own code while it runs, and its modules,
# each with a line "ok NAME" or "not ok NAME"; then a second kernel by kexec.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
tracing=/sys/kernel/tracing

say() { # status name [why]
	if [ "$1" = 0 ]; then echo "ok $2"; else echo "not ok $2: status $1 $3"; fi
}

stamp() {
	echo "== $1 $(cut -d' ' -f1 /proc/uptime)"
}

if grep -q secondkernel /proc/cmdline; then
	echo "ok the second kernel boots by kexec"
	exit 9
fi

mount -t tracefs t $tracing
sysctl -q -w net.core.bpf_jit_enable=1
for part in threads tlb fpu trace $(cat /parts) segments bpf clock; do
	stamp $part
	/probe $part
done
/ia32
say $? "32-bit program"

stamp jumplabels
# Static keys: each is code that is patched in many places.
for value in 1 0 1 0; do
	sysctl -q -w kernel.sched_schedstats=$value
done
sysctl -q -w kernel.sched_schedstats=1
[ "$(cat /proc/sys/kernel/sched_schedstats)" = 1 ]
say $? "static keys go on and off"

stamp tracepoints
echo 1 >$tracing/events/sched/sched_switch/enable
echo 1 >$tracing/events/syscalls/enable
sleep 0.1
echo 0 >$tracing/events/enable
grep -q 'sched_switch: prev_comm' $tracing/trace && grep -q 'sys_write' $tracing/trace
say $? "tracepoints"
echo >$tracing/trace

stamp kprobes
echo 'p:open do_sys_openat2 name=+0($arg2):string' >$tracing/kprobe_events
echo 'r:opened do_sys_openat2 ret=$retval' >>$tracing/kprobe_events
echo 'p:inside do_sys_openat2+7' >>$tracing/kprobe_events
echo 'p:page handle_mm_fault' >>$tracing/kprobe_events
echo 1 >$tracing/events/kprobes/enable
cat /etc/hello >/dev/null 2>&1
echo 0 >$tracing/events/kprobes/enable
grep -q 'open: (do_sys_openat2.*/etc/hello' $tracing/trace
say $? "kprobe" "$(tail -3 $tracing/trace)"
grep -q 'opened: (.*<- do_sys_openat2) ret=' $tracing/trace
say $? "kretprobe"
grep -q 'inside: (do_sys_openat2+' $tracing/trace && grep -q 'page: (handle_mm_fault' $tracing/trace
say $? "kprobes elsewhere"
echo >$tracing/kprobe_events
echo >$tracing/trace

stamp ftrace
echo $(cat /traced) >$tracing/set_ftrace_filter
echo function >$tracing/current_tracer
cat /etc/hello >/dev/null 2>&1
echo 0 >$tracing/tracing_on
grep -q 'vfs_open <-' $tracing/trace
say $? "function tracer, $(cat $tracing/set_ftrace_filter | wc -l) functions"
echo nop >$tracing/current_tracer
echo 1 >$tracing/tracing_on
echo 'vfs_* ksys_*' >$tracing/set_ftrace_filter
echo ksys_read >$tracing/set_graph_function
echo function_graph >$tracing/current_tracer
dd if=/etc/hello of=/dev/null 2>/dev/null
# Reading the trace would add to it.
echo 0 >$tracing/tracing_on
grep -q 'vfs_read()' $tracing/trace
say $? "function graph tracer" "$(tail -3 $tracing/trace)"
echo nop >$tracing/current_tracer

stamp modules
for file in /modules/*; do
	insmod $file >/dev/null 2>&1 || echo "not ok insmod $file: $(dmesg | tail -1)"
done
[ $(wc -l </proc/modules) -ge $(ls /modules | wc -l) ]
say $? "$(ls /modules | wc -l) modules"
for file in $(ls -r /modules); do
	name=${file#*-}
	rmmod ${name%.ko} 2>/dev/null
done
[ $(wc -l </proc/modules) -le 2 ]
say $? "and unloaded" "$(cat /proc/modules)"

bad=$(dmesg -r | grep -E '^<[0-2]>|WARNING|BUG|unchecked MSR')
[ -z "$bad" ]
say $? "the kernel warns of nothing" "$bad"

stamp kexec
/probe kexec /vmlinuz /second "console=ttyS0 quiet secondkernel $(cat /more)"
exit 8
