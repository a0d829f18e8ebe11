#!/bin/sh
# SPDX-License-Identifier: MIT
# Channels of two Linux guests, served by xenchanneld: through the guests' own side of
# ours, and through the kernel's driver. One line "ok NAME" or "FAIL NAME" a test.
# lab-run's commands stand in single quotes: none inside them.
XC=/payload/xenchan
D=/local/domain
export LAB_RUN_LIMIT=120

test_begin() {
	name=$*
	echo "# begin $name"
	rm -f /tmp/t.*
	started=$(cut -d. -f1 /proc/uptime)
}
test_end() { # test_end STATUS
	took=$(($(cut -d. -f1 /proc/uptime) - started))
	if [ "$1" = 0 ]; then
		echo "ok channels: $name ($took s)"
	else
		echo "FAIL channels: $name ($took s)"
		tail -n 5 /tmp/t.* 2>/dev/null | sed 's/^/  | /'
		$XC channel list 2>&1 | sed 's/^/  | /'
		tail -n 8 /out/daemon.log | sed 's/^/  | /'
		LAB_RUN_LIMIT=10 lab-run 2 "tail -n 8 /tmp/serve.log; ls /sys/bus/xen/drivers/xenconsole; /payload/xenchan channel names" 2>&1 | sed 's/^/  | /'
		failed=1
	fi
}
measured() { echo "$*" | tee -a /out/measured.txt; }

# within SECONDS COMMAND...: until it succeeds
within() {
	end=$(($(cut -d. -f1 /proc/uptime) + $1))
	shift
	until "$@"; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || return 1
		sleep 0.1
	done 2>/dev/null
}
absent() { ! xenstore-ls "$1" >/dev/null 2>&1; }
# shellcheck disable=SC2317 # called by within
is() { [ "$(xenstore-read "$1" 2>/dev/null)" = "$2" ]; }

# attach DOMID NAME [OPTION...]: a socket
attach() {
	d=$1 n=$2
	shift 2
	$XC channel attach -d "$d" "$n" --socket "/run/$d-$n" "$@" >>/tmp/t.attach 2>&1
}
detach() { $XC channel detach -d "$1" "$2" >>/tmp/t.detach 2>&1; }

# The guest's end is held by a process of ours for as long as the channel is there
opened() { # opened DOMID NAME
	LAB_RUN_LIMIT=900 lab-run "$1" "cd /payload; ./xenchan channel open -t 60 $2 --exec ./agent" >>/tmp/open.log 2>&1 &
}
ping() { # ping DOMID NAME BYTES [GREETING]
	./channel-peer ping "/run/$1-$2" "$3" ${4:+"$4"} >"/tmp/t.$1-$2" 2>&1
}
# Two at once
ping_both() { # ping_both NAME BYTES
	ping 1 "$1" "$2" &
	one=$!
	ping 2 "$1" "$2" &
	two=$!
	wait $one
	one=$?
	wait $two && [ $one = 0 ]
}

start_daemon() {
	./xenchanneld --keeper --debug 2>>/out/daemon.log &
	keeper=$!
	within 20 test -S /run/xenchanneld/control
}
served_by() { # the process that serves, below the keeper
	awk -v k=$keeper '$4 == k { print $1 }' /proc/[0-9]*/stat 2>/dev/null
}

before_boot() {
	test_begin "attached before the guest boots"
	start_daemon && attach 1 c.one && attach 2 c.one
	rc=$?
	for d in 1 2; do
		xenstore-read $D/$d/data/boot 2>/dev/null && echo "domain $d has booted already"
		lab-wait $d data/boot >/dev/null || exit 1
		within 20 is $D/0/backend/console/$d/1/state 4 || rc=1
	done
	test_end $rc
}

# Attached 1 and 2, detached 1, attached 3: hvc numbers are no use any more
each_name() {
	test_begin "each name reaches its own socket, through open and serve"
	LAB_RUN_LIMIT=900 lab-run 2 "mkdir /tmp/agents; for n in one two three; do cp /payload/agent /tmp/agents/c.\$n; done; cd /payload; exec ./xenchan channel serve --agents /tmp/agents 2>/tmp/serve.log" >/dev/null 2>&1 &
	rc=0
	for d in 1 2; do
		attach "$d" c.two --wait 30 && detach "$d" c.one &&
			attach "$d" c.three --wait 30 && attach "$d" c.four || rc=1
	done
	for n in c.two c.three; do opened 1 $n; done
	for n in c.two c.three; do
		for d in 1 2; do ping $d $n 20000 $n || rc=1; done
	done
	[ -S /run/1-c.one ] && rc=1
	$XC channel list
	test_end $rc
}

killed() {
	test_begin "the daemon killed six times in mid-transfer"
	ping_both c.two 400000 &
	p=$!
	kills=0
	rc=0
	for _ in 1 2 3 4 5 6; do
		sleep 1
		kill -0 $p 2>/dev/null && kill -9 "$(served_by)" && kills=$((kills + 1))
	done
	wait $p || rc=1
	cat /tmp/t.?-c.two
	measured "killed $kills times: $(cat /tmp/t.?-c.two | tr '\n' ';')"
	[ $kills -ge 3 ] || rc=1
	test_end $rc
}

paused() {
	test_begin "pause and unpause in traffic"
	ping_both c.two 100000 &
	p=$!
	rc=0
	for _ in 1 2 3; do
		sleep 0.5
		xl pause 1 && xl pause 2 || rc=1
		sleep 1
		xl unpause 1 && xl unpause 2 || rc=1
	done
	wait $p || rc=1
	test_end $rc
}

# A client that does not read: socket and spool take some 280 KB, then the guest waits. With
# our front end a program sleeps. With the kernel's driver, and no client at all for 15 s, a
# vCPU spins with interrupts off.
stalled() {
	test_begin "a client that does not read for 30 s while the guest writes 1 MiB"
	rc=0
	measured "at rest: $(lab-run 1 "cd /payload; ./channel-peer ticks 3")"
	attach 1 s.ours --limit 64K --wait 30 || rc=1
	./channel-peer drain /run/1-s.ours 30 1048576 >/tmp/t.ours 2>&1 &
	reader=$!
	lab-run 1 "cd /payload; ./channel-peer pour 1048576 | ./xenchan channel open s.ours >/dev/null" >/tmp/t.open 2>&1 &
	writer=$!
	measured "no reader, our front end: $(lab-run 1 "cd /payload; ./channel-peer ticks 28")"
	stalled_kernel || rc=1
	wait $reader || rc=1
	wait $writer || rc=1
	test_end $rc
}
stalled_kernel() {
	lab-run 2 "killall xenchan; true" >/dev/null
	attach 2 s.kernel --limit 4K --wait 30 || return 1
	hvc=$(lab-run 2 "for i in 1 2 3 4 5 6 7; do (: <>/dev/hvc\$i) 2>/dev/null && echo hvc\$i; done | tail -n 1")
	{ sleep 15; exec ./channel-peer drain /run/2-s.kernel 0 131072; } >/tmp/t.kernel 2>&1 &
	lab-run 2 "cd /payload; ./channel-peer ticks 16 >/tmp/ticks & { stty raw -echo; ./channel-peer pour 131072; sleep 3; } <>/dev/$hvc >&0; wait; cat /tmp/ticks" >/tmp/t.ticks 2>&1
	measured "no reader, the kernel's driver: $(cat /tmp/t.ticks)"
	wait $!
}

console() {
	test_begin "xl console is unharmed"
	rc=0
	for d in 1 2; do
		{ sleep 4; echo "typed-$d"; sleep 4; } | timeout 12 xl console $d >/tmp/t.console-$d 2>&1 &
		LAB_RUN_LIMIT=12 lab-run $d "(sleep 2; echo said-by-the-guest >/dev/hvc0) & head -n 1 </dev/hvc0" >/tmp/t.typed-$d 2>&1 || rc=1
		wait $!
		grep -q said-by-the-guest /tmp/t.console-$d || rc=1
		grep -q "typed-$d" /tmp/t.typed-$d || rc=1
	done
	test_end $rc
}

layout() {
	test_begin "xenstore-ls shows libxl's layout and permissions"
	rc=0
	attach_pty 1 l.pty || rc=1
	./layout.sh 1 >/out/layout.txt
	diff -u layout.txt /out/layout.txt >/tmp/t.layout || rc=1
	test_end $rc
}
attach_pty() {
	$XC channel attach -d "$1" "$2" --pty --wait 30 >>/tmp/t.attach 2>&1
	k=$($XC channel list -d "$1" --tsv | grep "$2" | cut -f 2)
	within 20 is "$D/0/backend/console/$1/$k/state" 4 &&
		within 20 is "$D/$1/device/console/$k/state" 4
}

detached() {
	test_begin "detached in traffic, the guests live on"
	rc=0
	for n in $($XC channel list -d 1 --tsv | tail -n +2 | cut -f 3); do detach 1 "$n" || rc=1; done
	[ -z "$($XC channel list -d 1 --tsv | tail -n +2)" ] || rc=1
	absent $D/0/backend/console/1/1 || rc=1
	lab-run 1 "dd if=/dev/zero of=/tmp/x bs=1M count=20 && rm /tmp/x" >/tmp/t.alive 2>&1 || rc=1
	test_end $rc
}

rebooted() {
	test_begin "a persistent channel is there again after a reboot"
	old=$(lab-domu rebooter 'on_reboot="restart"')
	attach "$old" p.one --persist && lab-wait "$old" data/boot >/dev/null
	rc=$?
	lab-run "$old" "(sleep 1; reboot -f) &" >/tmp/t.reboot 2>&1
	within 60 eval "xl domid rebooter | grep -vqx $old"
	new=$(xl domid rebooter)
	opened "$new" p.one
	lab-wait "$new" data/boot >/dev/null || rc=1
	opened "$new" p.one
	./channel-peer ping "/run/$old-p.one" 20000 p.one >/tmp/t.rebooted 2>&1 || rc=1
	absent "$D/0/backend/console/$old" || rc=1
	test_end $rc
}

destroyed() {
	test_begin "domains destroyed in mid-transfer leave nothing behind"
	rc=0
	./channel-peer ping "/run/$old-p.one" 100000000 >/tmp/t.destroyed 2>&1 &
	sleep 3
	for d in 1 2 "$new"; do xl destroy "$d" || rc=1; done
	for d in 1 2 "$new"; do
		within 20 absent "$D/0/backend/console/$d" || rc=1
		within 20 absent "/libxl/$d" || rc=1
	done
	# shellcheck disable=SC2016
	within 20 eval '[ "$(xl list | wc -l)" = 2 ]' || { rc=1; xl list >/tmp/t.zombies; }
	within 20 eval '! ls /run/[1-9]*-* 2>/dev/null' || rc=1
	wait $!
	kill $keeper
	wait $keeper || rc=1
	test_end $rc
}

dmesg -n 1
cd /payload || exit
failed=0
before_boot
each_name
killed
paused
stalled
console
layout
detached
rebooted
destroyed
cp /tmp/open.log /out/
exit $failed
