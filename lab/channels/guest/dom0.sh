#!/bin/sh
# SPDX-License-Identifier: MIT
# Channels of Linux guests, served by xenchanneld: through the guests' own side of ours,
# and through the kernel's driver. One line "ok NAME" or "FAIL NAME" a test; the file
# "part" says which. lab-run's commands stand in single quotes: none inside them.
# shellcheck disable=SC2034,SC2119 # part is lib.sh's; test_end takes nothing, too
part=$(cat /payload/part)
# shellcheck source=lab/channels/lib.sh
. /payload/lib.sh

# shellcheck disable=SC2317 # called by test_end
autopsy() {
	tail -n 8 /out/daemon.log
	LAB_RUN_LIMIT=10 lab-run 2 "tail -n 8 /tmp/serve.log; ls /sys/bus/xen/drivers/xenconsole; /payload/xenchan channel names"
}
connected() { # connected DOMID DEVICE
	within 60 is "$D/0/backend/console/$1/$2/state" 4 &&
		within 60 is "$D/$1/device/console/$2/state" 4
}

# The channels' column of the list: 2 the device, 3 the name
column() { $XC channel list -d "$1" --tsv | tail -n +2 | cut -f "$2"; }
device() { $XC channel list -d "$1" --tsv | grep "	$2	" | cut -f 2; }

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
	within 60 test -S /run/xenchanneld/control
}
served_by() { # the process that serves, below the keeper
	awk -v k=$keeper '$4 == k { print $1 }' /proc/[0-9]*/stat 2>/dev/null
}

booted() {
	for d in 1 2; do lab-wait $d data/boot 200 >/dev/null || exit 1; done
}

before_boot() {
	test_begin "attached before the guest boots"
	start_daemon || bad "the daemon does not start"
	for d in 2 1; do
		xenstore-read $D/$d/data/boot 2>/dev/null && echo "domain $d has booted already"
		attach $d c.one || bad "attach to $d"
	done
	$XC channel events >/out/events.txt &
	booted
	for d in 1 2; do connected $d 1 || bad "not connected in $d"; done
	test_end
}

# The kernel's driver has the ring, and our front end takes it over from there
early_client() {
	test_begin "a client that comes before the guest's program"
	./channel-peer ping /run/1-c.one 20000 >/tmp/t.early 2>&1 &
	p=$!
	within 60 eval "$XC channel list -d 1 --tsv | cut -f 8 | grep -qx connected" || bad "no client"
	sleep 1
	LAB_RUN_LIMIT=900 lab-run 1 "cd /payload; ./xenchan channel open -t 60 c.one --exec cat" >>/tmp/open.log 2>&1 &
	wait $p || bad "bytes lost or wrong"
	test_end
}

attach_and_detach() {
	attach "$1" c.two --wait 60 || bad "attach c.two to $1"
	detach "$1" c.one || bad "detach c.one from $1"
	attach "$1" c.three --wait 60 || bad "attach c.three to $1"
	attach "$1" c.four || bad "attach c.four to $1"
}
both_names() {
	ping "$1" c.two 20000 c.two || bad "c.two of $1"
	ping "$1" c.three 20000 c.three || bad "c.three of $1"
}

# Attached 1 and 2, detached 1, attached 3: hvc numbers are no use any more. Domain 1 opens
# each by its name, in domain 2 the daemon of the guest's side does.
each_name() {
	test_begin "each name reaches its own socket, through open and serve"
	LAB_RUN_LIMIT=900 lab-run 2 "mkdir /tmp/agents; for n in one two three; do cp /payload/agent /tmp/agents/c.\$n; done; cd /payload; exec ./xenchan channel serve --agents /tmp/agents 2>/tmp/serve.log" >/dev/null 2>&1 &
	attach_and_detach 1 &
	one=$!
	attach_and_detach 2
	wait $one
	for n in c.two c.three; do opened 1 $n; done
	both_names 1 &
	one=$!
	both_names 2
	wait $one
	[ ! -S /run/1-c.one ] || bad "the socket of c.one is still there"
	$XC channel list
	for e in "1 c.two attach" "1 c.two state: connected" "1 c.two client-open" "1 c.two guest-open" \
		"1 c.one detach" "2 c.three client-close"; do
		# shellcheck disable=SC2086 # three words
		set -- $e
		within 20 grep -q "domain $1 channel [1-7] $2 ${e#"$1 $2 "}" /out/events.txt || bad "no event: $e"
	done
	test_end
}

killed() {
	test_begin "the daemon killed six times in mid-transfer"
	ping_both c.two 1500000 &
	p=$!
	kills=0
	while [ $kills -lt 6 ] && kill -0 $p 2>/dev/null; do
		sleep 0.4
		child=$(served_by)
		[ -z "$child" ] || ! kill -9 "$child" || kills=$((kills + 1))
	done
	wait $p || bad "bytes lost or wrong"
	measured "killed $kills times: $(cat /tmp/t.?-c.two | tr '\n' ';')"
	[ $kills -ge 3 ] || bad "killed $kills times only"
	test_end
}

paused() {
	test_begin "pause and unpause in traffic"
	ping_both c.two 600000 &
	p=$!
	for _ in 1 2 3; do
		sleep 0.5
		for d in 1 2; do xl pause $d || bad "xl pause $d"; done
		sleep 1
		for d in 1 2; do xl unpause $d || bad "xl unpause $d"; done
	done
	wait $p || bad "bytes lost or wrong"
	test_end
}

layout() {
	test_begin "xenstore-ls shows libxl's layout and permissions"
	$XC channel attach -d 1 l.pty --pty --wait 60 >/tmp/t.attach 2>&1 || bad "attach"
	connected 1 "$(device 1 l.pty)" || bad "not connected"
	./layout.sh 1 >/out/layout.txt
	diff -u layout.txt /out/layout.txt >/tmp/t.layout || bad "differences"
	test_end
}

detach_all() {
	for n in $(column "$1" 3); do detach "$1" "$n" || bad "detach $n from $1"; done
	[ -z "$(column "$1" 3)" ] || bad "channels of $1 are still there"
	absent "$D/0/backend/console/$1/2" || bad "nodes of $1 are still there"
	# The pages that were rings are used for something else now
	lab-run "$1" "dd if=/dev/zero of=/tmp/x bs=1M count=20 && rm /tmp/x" >"/tmp/t.alive-$1" 2>&1 || bad "$1 does not live"
}
detached() {
	test_begin "detached in traffic, the guests live on"
	for d in 1 2; do
		./channel-peer ping /run/$d-c.two 100000000 >/tmp/t.detached-$d 2>&1 &
	done
	detach_all 1 &
	one=$!
	detach_all 2
	wait $one
	test_end
}

# A client that does not read: socket and spool take some 280 KB, then the guest waits. With
# our front end a program sleeps. With the kernel's driver a vCPU spins with interrupts off.
# On clocks that count instructions: how late a timer is does not depend on how busy the
# machine is that emulates all this. The timer runs longer than the client waits.
STALL=30
WATCHED=$((STALL + 4))
stalled() {
	test_begin "a client that does not read for $STALL s while the guest writes 1 MiB"
	measured "at rest: $(lab-run 1 "cd /payload; ./channel-peer ticks 5")"
	attach 1 s.ours --limit 64K --wait 60 || bad "attach"
	./channel-peer drain /run/1-s.ours $STALL 1048576 >/tmp/t.ours 2>&1 &
	reader=$!
	LAB_RUN_LIMIT=400 lab-run 1 "cd /payload; ./channel-peer pour 1048576 | ./xenchan channel open s.ours >/dev/null" >/tmp/t.open 2>&1 &
	writer=$!
	lab-run 1 "cd /payload; ./channel-peer ticks $WATCHED" >/tmp/t.ticks-ours 2>&1
	measured "no reader for $STALL s, our front end: $(cat /tmp/t.ticks-ours)"
	wait $reader || bad "bytes lost or wrong, our front end"
	wait $writer || bad "the guest's end"
	measured "all 1 MiB after the stall: $(cat /tmp/t.ours)"
	late=$(sed -n 's/.*worst \([0-9]*\) ms.*/\1/p' /tmp/t.ticks-ours)
	[ "${late:-99999}" -lt 20 ] || bad "the guest's timer was late"
	stalled_kernel
	test_end
}
stalled_kernel() {
	attach 2 s.kernel --limit 64K --wait 60 || bad "attach to the kernel's driver"
	./channel-peer drain /run/2-s.kernel $STALL 1048576 >/tmp/t.kernel 2>&1 &
	kernel=$!
	# The guest's only channel: the kernel's second terminal
	LAB_RUN_LIMIT=400 lab-run 2 "cd /payload; ./channel-peer ticks $WATCHED >/tmp/ticks & { stty raw -echo; ./channel-peer pour 1048576; sleep 3; } <>/dev/hvc1 >&0; wait; cat /tmp/ticks" >/tmp/t.ticks 2>&1
	measured "no reader for $STALL s, the kernel's driver: $(cat /tmp/t.ticks)"
	wait $kernel || bad "bytes lost or wrong, the kernel's driver"
	# The remedy that the manual names
	attach 2 s.drops --limit 4K --overflow drop-newest --wait 60 || bad "attach"
	lab-run 2 "cd /payload; ./channel-peer ticks 8 >/tmp/ticks & { stty raw -echo; ./channel-peer pour 65536; } <>/dev/hvc2 >&0; wait; cat /tmp/ticks" >/tmp/t.ticks 2>&1
	measured "no client, drop-newest, the kernel's driver: $(cat /tmp/t.ticks)"
	[ "$($XC channel list -d 2 --json | tr ',' '\n' | grep -c '"dropped": *[1-9]')" = 1 ] || bad "nothing was dropped"
}

console() {
	test_begin "xl console is unharmed"
	for d in 1 2; do
		mkfifo /tmp/keys-$d
		# As xl console does; it takes no keys from what is no terminal unless told to
		xenconsole $d --num 0 --type pv --interactive </tmp/keys-$d >/tmp/t.console-$d 2>&1 &
		viewer=$!
		exec 9>/tmp/keys-$d
		lab-run $d "echo said-by-the-guest >/dev/hvc0"
		within 60 grep -q said-by-the-guest /tmp/t.console-$d || bad "$d is not heard"
		lab-run $d "timeout 60 head -n 1 </dev/hvc0" >/tmp/t.typed-$d 2>&1 &
		reader=$!
		while kill -0 $reader 2>/dev/null; do
			echo "typed-$d" >&9
			sleep 1
		done
		grep -q "typed-$d" /tmp/t.typed-$d || bad "$d does not hear"
		exec 9>&-
		kill $viewer
		wait $viewer
	done 2>/dev/null
	test_end
}

# Those of an xl.cfg, which QEMU serves, are shown and left alone
of_xl() {
	test_begin "channels that xl made are listed, and are QEMU's"
	other=$(lab-domu other 'channel=["name=lost,connection=pty","name=x.socket,connection=socket,path=/run/x.sock","name=x.pty,connection=pty"]')
	$XC channel list -d other --tsv | tail -n +2 | cut -f 1-3 >/tmp/t.list
	for n in socket pty; do
		grep -q "	x.$n$" /tmp/t.list || bad "x.$n is not in the list"
		! detach other "x.$n" || bad "x.$n could be detached"
		grep "x.$n" /tmp/t.detach
	done
	attach other ours || bad "attach"
	lab-wait "$other" data/boot 200 >/dev/null || bad "no boot"
	connected "$other" "$(device other ours)" || bad "ours is not connected"
	$XC channel list -d other --json | tr '{' '\n' | grep '"name": *"x.socket"' | grep -q '"server": *"qemu"' || bad "its server"
	xl destroy other
	within 60 absent "$D/0/backend/console/$other" || bad "nodes are still there"
	test_end
}

# What doc/admin-channels.md says of other commands than ours
# shellcheck disable=SC2317 # called by the document's commands
systemctl() {
	case $* in
	"enable --now xenchanneld") kill -0 "$keeper" ;;
	"reload xenchanneld") kill -HUP "$(served_by)" ;;
	*) false ;;
	esac
}
# shellcheck disable=SC2317
xenchan() { $XC "$@"; }
# shellcheck disable=SC2317
modprobe() { true; }
# step NUMBER: one block of the document, here
step() {
	# shellcheck disable=SC1090
	. "./admin/step-0$1" >>/tmp/t.step 2>&1 || bad "step $1"
}

administered() {
	test_begin "doc/admin-channels.md, step by step; a reboot"
	mkdir -p /var/log
	old=$(lab-domu web1 'on_reboot="restart"')
	# shellcheck disable=SC2119
	step 1
	step 2
	attach "$old" p.one --persist || bad "attach p.one"
	lab-wait "$old" data/boot 200 >/dev/null || bad "no boot"
	LAB_RUN_LIMIT=900 lab-run "$old" "mkdir -p /usr/libexec; cp /payload/agent /usr/libexec/agent; xenchan() { /payload/xenchan \"\$@\"; }; modprobe() { true; }; . /payload/admin/step-03" >>/out/open.log 2>&1 &
	step 4 &
	events=$!
	./channel-peer ping /run/web1-agent.sock 5000 org.example.agent >/tmp/t.agent 2>&1 || bad "no agent"
	$XC channel log -d web1 org.example.agent --to /var/log/web1-agent.log
	within 60 test -e /var/log/web1-agent.log || bad "no log"
	mv /var/log/web1-agent.log /var/log/web1-agent.log.1
	step 5
	within 60 test -e /var/log/web1-agent.log || bad "no new log"
	step 6
	within 60 grep -q detach /tmp/t.step || bad "no event of the detaching"
	kill $events
	[ "$(column web1 3)" = p.one ] || bad "the agent's channel is still there"
	rebooted
	test_end
}
rebooted() {
	lab-run "$old" "(sleep 1; reboot -f) &" >/tmp/t.reboot 2>&1
	within 120 eval "xl domid web1 | grep -vqx $old" || bad "no new domain"
	new=$(xl domid web1)
	lab-wait "$new" data/boot 200 >/dev/null || bad "no boot"
	opened "$new" p.one
	./channel-peer ping "/run/$old-p.one" 20000 p.one >/tmp/t.rebooted 2>&1 || bad "p.one after the reboot"
	within 60 absent "$D/0/backend/console/$old" || bad "nodes of $old are still there"
}

destroyed() {
	test_begin "domains destroyed in mid-transfer leave nothing behind"
	for d in 1 2; do
		attach $d d.one && opened "$d" d.one
		ping "$d" d.one 100000000 d.one &
	done
	for d in 1 2; do
		within 60 eval "$XC channel list -d $d --tsv | grep d.one | grep -q connected.*open.*connected" || bad "no traffic in $d"
	done
	all="1 2 $(xl domid web1)"
	for d in $all; do xl destroy "$d" || bad "xl destroy"; done
	for d in $all; do
		within 60 absent "$D/0/backend/console/$d" || bad "its backend is still there"
		within 60 absent "/libxl/$d" || bad "libxl's nodes are still there"
	done
	# shellcheck disable=SC2016
	within 60 eval '[ "$(xl list | wc -l)" = 2 ]' || bad "zombies: $(xl list)"
	within 60 eval '! ls /run/*-*.* 2>/dev/null' || bad "sockets are still there"
	kill $keeper
	wait $keeper || bad "the daemon's end"
	test_end
}

dmesg -n 1
cd /payload || exit
keeper=
case $part in
channels)
	before_boot
	early_client
	each_name
	killed
	paused
	layout
	detached
	;;
channel-stall)
	start_daemon
	booted
	stalled
	kill $keeper
	;;
channel-ends)
	start_daemon
	booted
	console
	of_xl
	administered
	destroyed
	;;
esac
exit $failed
