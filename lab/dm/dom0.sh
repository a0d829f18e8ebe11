#!/bin/sh
# SPDX-License-Identifier: MIT
# xl.cfg's channels: served by QEMU, beside xenchanneld's on one guest; then by
# doc/migrating-from-qemu-channels.md without QEMU. One line "ok NAME" or "FAIL NAME" a
# test. Nothing with a single quote goes to lab-run.
# shellcheck disable=SC2317 # check and within call functions
D=/local/domain
XC=/payload/xenchan
DM='device_model_override="/usr/bin/xenchan-dm"'
export LAB_RUN_LIMIT=120

test_begin() {
	name=$*
	echo "# begin $name"
	rm -f /tmp/t.*
	rc=0
	started=$(cut -d. -f1 /proc/uptime)
}
check() { # check COMMAND...: the test fails if it does
	"$@" || {
		echo "failed: $*" >>/tmp/t.failed
		rc=1
	}
}
test_end() {
	took=$(($(cut -d. -f1 /proc/uptime) - started))
	if [ $rc = 0 ]; then
		echo "ok dm: $name ($took s)"
	else
		echo "FAIL dm: $name ($took s)"
		tail -n 12 /tmp/t.* /tmp/guest.log /out/daemon.log /var/log/xen/qemu-dm-*.log 2>/dev/null | sed 's/^/  | /'
		failed=1
	fi
}
# within SECONDS COMMAND...: until it succeeds
within() {
	end=$(($(cut -d. -f1 /proc/uptime) + $1))
	shift
	until "$@"; do
		[ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || return 1
		sleep 0.2
	done 2>/dev/null
}
node() { xenstore-read "$D/$1" 2>/dev/null; }
is() { [ "$(node "$1")" = "$2" ]; }
# running N NAME: so many processes of this name, of which Linux keeps 15 characters
running() { [ "$(cat /proc/[0-9]*/comm 2>/dev/null | grep -cx "$2")" = "$1" ]; }
QEMU=xen-qemu-system
channels() { # channels NAME: a lost first entry, a socket, a terminal
	printf 'channel=["name=lost,connection=pty","name=a.socket,connection=socket,path=/run/%s.sock","name=a.pty,connection=pty"]' "$1"
}
tty() { node "$1/device/console/$2/tty"; }

# The guest echoes on these channels, by "open", one process each; returns once it does
opening() { # opening DOMID NAME...
	d=$1
	shift
	lab-run "$d" "rm -f /tmp/ready-* /tmp/got-*" || return 1
	for n; do
		LAB_RUN_LIMIT=900 lab-run "$d" "cd /payload; ./xenchan channel open -t 60 $n --exec ./agent" >>/tmp/guest.log 2>&1 &
	done
	is_ready "$d" "$@"
}
# The same by "serve"
serving() { # serving DOMID NAME...
	d=$1
	shift
	lab-run "$d" "killall xenchan; rm -rf /tmp/ready-* /tmp/got-* /tmp/agents; mkdir /tmp/agents; for n in $*; do cp /payload/agent /tmp/agents/\$n; done" || return 1
	LAB_RUN_LIMIT=900 lab-run "$d" "/payload/xenchan channel serve --agents /tmp/agents" >>/tmp/guest.log 2>&1 &
	is_ready "$d" "$@"
}
is_ready() {
	d=$1
	shift
	lab-run "$d" "for n in $*; do until [ -e /tmp/ready-\$n ]; do sleep 0.2; done; done"
}
# echoed DOMID NAME PATH BYTES: and it was the agent of this name that did it
echoed() {
	./channel-peer ping "$3" "$4" >"/tmp/t.$2" 2>&1 || return 1
	sed "s/^/     $2: /" "/tmp/t.$2"
	[ "$(lab-run "$1" "wc -c </tmp/got-$2")" = "$4" ]
}
# Bytes on all three of web1 at once
all_echoed() {
	echoed "$web" a.socket /run/web1.sock 20000 &
	p1=$!
	echoed "$web" a.pty "$(tty "$web" 2)" 30000 &
	p2=$!
	echoed "$web" ours /run/ours.sock 40000 &
	p3=$!
	check wait $p1
	check wait $p2
	check wait $p3
}

step() { echo "     $(cat "admin/step-$1")"; sh -e "admin/step-$1"; }

beside_qemu() {
	test_begin "QEMU's channels and ours on one guest, at once, by open"
	web=$(lab-domu web1 "$(channels web1)") || exit 1
	lab-wait "$web" data/boot >/dev/null || exit 1
	check step 01
	check $XC channel attach -d web1 ours --socket /run/ours.sock --wait 60
	$XC channel list -d web1 >/tmp/t.list
	sed 's/^/     /' /tmp/t.list
	for n in a.socket a.pty ours; do check [ "$(grep -c " $n " /tmp/t.list)" = 1 ]; done
	check opening "$web" a.socket a.pty ours
	all_echoed
	check running 1 $QEMU
	test_end
}

served_beside_qemu() {
	test_begin "the same by serve: /dev/xen-channel/NAME"
	check serving "$web" a.socket a.pty ours
	all_echoed
	check [ "$(lab-run "$web" "readlink /dev/xen-channel/a.pty")" = /dev/hvc2 ]
	test_end
}

each_for_itself() {
	test_begin "ours is detached, the daemon killed: QEMU's live on"
	check $XC channel detach -d web1 ours
	kill -9 "$(awk -v k="$(cat /run/keeper.pid)" '$4 == k { print $1 }' /proc/[0-9]*/stat 2>/dev/null)"
	check ./channel-peer ping /run/web1.sock 5000 >/tmp/t.socket
	check ./channel-peer ping "$(tty "$web" 2)" 5000 >/tmp/t.pty
	check is "$web/device/console/1/state" 4
	check is "$web/device/console/2/state" 4
	check running 1 $QEMU
	test_end
}

migrated() {
	test_begin "the five commands of doc/migrating-from-qemu-channels.md"
	cp /run/web1.cfg /etc/xen/web1.cfg
	echo 'on_reboot="restart"' >>/etc/xen/web1.cfg
	# shellcheck disable=SC2016 # for the guest
	check lab-run "$web" "mkdir -p /sbin; echo \"exec /bin/poweroff -f\" >/tmp/off; { echo \"#!/bin/sh\"; cat /tmp/off; } >/sbin/poweroff; chmod +x /sbin/poweroff"
	for n in 02 03 04 05; do check step $n >/tmp/t.step-$n 2>&1; cat /tmp/t.step-$n; done
	web=$(xl domid web1)
	lab-wait "$web" data/boot >/dev/null || exit 1
	for n in a.socket a.pty; do check grep -q " $n " /tmp/t.step-05; done
	check running 0 $QEMU
	check running 1 xenchan-dm
	check is "0/device-model/$web/state" running
	grep -E 'Rss|Threads' "/proc/$(node "$web/image/device-model-pid")/status" | sed 's/^/     xenchan-dm: /'
	test_end
}

as_with_qemu() {
	test_begin "keys, channel-list and console as with QEMU; bytes both ways"
	check is "$web/device/console/1/output" chardev:libxl-channel1
	check is "$web/device/console/2/output" pty
	check test -c "$(tty "$web" 2)"
	xl channel-list web1 >/tmp/t.list 2>&1
	sed 's/^/     /' /tmp/t.list
	check grep -Eq "socket" /tmp/t.list
	check grep -Eq "pty +/dev/pts/" /tmp/t.list
	check opening "$web" a.socket a.pty
	check echoed "$web" a.socket /run/web1.sock 65536
	check echoed "$web" a.pty "$(tty "$web" 2)" 65536
	check console
	test_end
}
# On a terminal, as xenconsole takes no keys from anything else. Once the first line is in
# the guest that terminal is raw, and what is shown of the second comes from the guest.
console() {
	mkfifo /tmp/keys
	./script -qfc "xl console -t pv -n 2 web1" /dev/null </tmp/keys >/tmp/t.console 2>&1 &
	viewer=$!
	exec 9>/tmp/keys
	within 60 typed first && echo second >&9 && within 60 grep -q second /tmp/t.console
	seen=$?
	kill "$viewer"
	exec 9>&-
	rm /tmp/keys
	return "$seen"
}
typed() {
	echo "$1" >&9
	sleep 1
	lab-run "$web" "grep -q $1 /tmp/got-a.pty"
}

rebooted() {
	test_begin "the guest reboots, its channels are there again"
	old=$web
	lab-run "$web" "(sleep 1; reboot -f) &" >/tmp/t.reboot 2>&1
	within 120 new_domain || check false
	lab-wait "$web" data/boot >/dev/null || exit 1
	check running 1 xenchan-dm
	check opening "$web" a.socket a.pty
	check echoed "$web" a.socket /run/web1.sock 20000
	check echoed "$web" a.pty "$(tty "$web" 2)" 20000
	test_end
}
new_domain() {
	web=$(xl domid web1) && [ "$web" != "$old" ]
}

destroyed() {
	test_begin "destroyed: nothing is left of the guest"
	check xl destroy web1
	check within 60 running 0 xenchan-dm
	check within 60 sh -c '! test -e /run/web1.sock && ! ls /run/xen/qmp-* /var/run/xen/qmp-* 2>/dev/null | grep -q .'
	check within 60 sh -c "! xenstore-ls $D/0/backend/console/$web && ! xl domid web1"
	test_end
}

with_qemu() {
	ifconfig lo 127.0.0.1 up # for VNC
	test_begin "a guest with a screen gets QEMU for that, and its channels from xenchanneld"
	two=$(lab-domu two "$DM" "$(channels two)" 'vfb=["vnc=1,vncunused=1"]') || exit 1
	lab-wait "$two" data/boot >/dev/null || exit 1
	check running 1 $QEMU
	check opening "$two" a.socket a.pty
	check echoed "$two" a.socket /run/two.sock 20000
	check echoed "$two" a.pty "$(tty "$two" 2)" 20000
	check xl destroy two
	test_end
}

# A name that no guest had: its log is new
without_daemon() {
	test_begin "without xenchanneld xl create fails, and its log says why"
	kill "$(cat /run/keeper.pid)"
	within 60 running 0 xenchanneld || check false
	lab-domu four "$DM" "$(channels four)" >/tmp/t.xl 2>&1 && check false
	check grep -q "xenchanneld has to run" /var/log/xen/qemu-dm-four.log
	test_end
}

dmesg -n 1
cd /payload || exit
failed=0
: >/tmp/guest.log
mkdir -p /usr/bin
ln -s /payload/xenchan-dm /payload/xenchan /payload/systemctl /usr/bin/
beside_qemu
served_beside_qemu
each_for_itself
migrated
as_with_qemu
rebooted
destroyed
with_qemu
without_daemon
exit $failed
