# SPDX-License-Identifier: MIT
# shellcheck shell=dash disable=SC2153,SC2154 # libraries' variables
# Channels served by QEMU, beside xenchanneld's on one guest; then by
# doc/migrating-from-qemu-channels.md without QEMU, through that guest's life.

step() {
	echo "     $(cat "admin/step-$1")"
	sh -e "admin/step-$1" >"/tmp/t.step-$1" 2>&1 || bad "step $1"
	cat "/tmp/t.step-$1"
}

beside_qemu() {
	test_begin "QEMU's channels and ours on one guest, at once, by open"
	web=$(lab-domu web1 "$(channels web1)") || exit 1
	booted "$web"
	step 01
	check attach web1 ours.socket --wait 60
	check "$XC" channel attach -d web1 ours.pty --pty --wait 60 >/tmp/t.attach
	$XC channel list -d web1 >/tmp/t.list
	sed 's/^/     /' /tmp/t.list
	for n in a.socket a.pty; do check [ "$(server $n web1)" = qemu ]; done
	served_by_us web1 ours.socket ours.pty
	check opening "$web" a.socket a.pty ours.socket ours.pty
	all_four
	check running 1 "$QEMU"
	test_end
}
all_four() {
	all "echoed $web a.socket /run/web1.sock 20000" "echoed $web a.pty $(tty "$web" 2) 20000" \
		"echoed $web ours.socket /run/web1-ours.socket 20000" "echoed $web ours.pty $(tty "$web" 4) 20000"
}

served_beside_qemu() {
	test_begin "the same by serve: /dev/xen-channel/NAME"
	check serving "$web" a.socket a.pty ours.socket ours.pty
	all_four
	check [ "$(lab-run "$web" "readlink /dev/xen-channel/a.pty")" = /dev/hvc2 ]
	test_end
}

each_for_itself() {
	test_begin "in traffic: ours is detached, the daemon killed: QEMU's live on"
	ping /run/web1.sock "$LONG" &
	p1=$!
	ping "$(tty "$web" 2)" "$LONG" &
	p2=$!
	ping /run/web1-ours.socket 100000000 &
	ours=$!
	begun $p1 $p2 $ours
	check detach web1 ours.socket
	wait $ours && bad "a detached channel goes on"
	kill_daemon
	check wait $p1
	check wait $p2
	check echoed "$web" ours.pty "$(tty "$web" 4)" 5000
	for k in 1 2; do check state "$web/device/console/$k" 4; done
	check running 1 "$QEMU"
	test_end
}
# It is not noticed by the guest until its ring is full, which then waits for ever
without_qemu() {
	test_begin "in traffic: QEMU is killed: ours lives on"
	check attach web1 ours.socket --wait 60
	check serving "$web" ours.socket ours.pty
	ping /run/web1-ours.socket "$LONG" &
	p1=$!
	ping "$(tty "$web" 4)" "$LONG" &
	p2=$!
	begun $p1 $p2
	kill -9 "$(model "$web")"
	check wait $p1
	check wait $p2
	check running 0 "$QEMU"
	for k in 1 2; do check state "$web/device/console/$k" 4; done
	qemus_guest
	test_end
}
# What the kernel's driver does then is shown, not judged
qemus_guest() {
	lab-run "$web" "stty raw -echo </dev/hvc2 && echo short >/dev/hvc2 && timeout 2 head -n 1 </dev/hvc2; echo read: \$?" >/tmp/t.after 2>&1
	xenstore-write "$D/$web/data/run/1" "head -c 4096 /dev/zero >/dev/hvc2"
	lab-wait "$web" data/done/1 5 >/dev/null 2>&1 && long=returned || long="did not return"
	xenstore-write "$D/$web/data/run/2" true
	lab-wait "$web" data/done/2 5 >/dev/null 2>&1 && guest=answers || guest="does not answer"
	measured "QEMU dead, the kernel's driver: of 6 bytes: $(tr '\n' ' ' </tmp/t.after); a write of 4096 $long within 5 s, the guest $guest"
}

# The guest of the page is a new one, made as it was: step 03 ends it in an orderly way
migrated() {
	test_begin "the five commands of doc/migrating-from-qemu-channels.md"
	check [ "$(echo admin/*)" = "admin/step-01 admin/step-02 admin/step-03 admin/step-04 admin/step-05" ]
	xl destroy web1
	cp /run/web1.cfg /etc/xen/web1.cfg
	printf 'on_reboot="restart"\non_crash="restart"\n' >>/etc/xen/web1.cfg
	xl create -q /etc/xen/web1.cfg </dev/null >/tmp/t.create 2>&1 || exit 1
	web=$(xl domid web1)
	booted "$web"
	./channel-peer drain /run/web1.sock 60 1 >/tmp/t.first 2>&1 &
	first=$!
	check second_client_waits
	kill $first
	# shellcheck disable=SC2016 # for the guest
	check lab-run "$web" "mkdir -p /sbin; echo \"exec /bin/poweroff -f\" >/tmp/off; { echo \"#!/bin/sh\"; cat /tmp/off; } >/sbin/poweroff; chmod +x /sbin/poweroff"
	for n in 02 03 04 05; do step $n; done
	for n in a.socket a.pty; do
		check grep -Eq " $n +(socket|pty) +(initialising|initialised|connected) +(init-wait|connected) " /tmp/t.step-05
	done
	web=$(xl domid web1)
	check running 0 "$QEMU"
	check running 1 xenchan-dm
	check is "$D/0/device-model/$web/state" running
	served_by_us web1 a.socket a.pty
	booted "$web"
	grep -E 'Rss|Threads' "/proc/$(model "$web")/status" | sed 's/^/     xenchan-dm: /'
	test_end
}
# refused prints nothing and ends with 1 if it waits
second_client_waits() { ! ./channel-peer refused /run/web1.sock; }

as_with_qemu() {
	test_begin "keys, channel-list and console as with QEMU; bytes both ways"
	for k in 1 2; do check state "$web/device/console/$k" 4; done
	check is "$D/$web/device/console/1/output" chardev:libxl-channel1
	check is "$D/$web/device/console/2/output" pty
	check test -c "$(tty "$web" 2)"
	xl channel-list web1 >/tmp/t.list 2>&1
	sed 's/^/     /' /tmp/t.list
	check grep -Eq "socket" /tmp/t.list
	check grep -Eq "pty +/dev/pts/" /tmp/t.list
	check opening "$web" a.socket a.pty
	check [ "$(stat -c %a /run/web1.sock)" = 600 ]
	both_echo "$web" web1 65536
	./channel-peer drain /run/web1.sock 60 1 >/tmp/t.first 2>&1 &
	first=$!
	within 60 eval "$XC channel list -d web1 --tsv | grep a.socket | cut -f 8 | grep -qx connected" || bad "no first client"
	check ./channel-peer refused /run/web1.sock
	kill $first
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

daemon_killed() {
	test_begin "the daemon is killed in mid-transfer, xenchan-dm or not"
	ping /run/web1.sock "$LONG" &
	p1=$!
	ping "$(tty "$web" 2)" "$LONG" &
	p2=$!
	begun $p1 $p2
	kill_daemon
	check wait $p1
	check wait $p2
	check running 1 xenchan-dm
	test_end
}

# Both xl's and the persistent one, which is not to be where xl's are to go
there_again() { # there_again OLD
	web=$(new_domain web1 "$1") || { bad "no new domain"; return; }
	booted "$web"
	check running 1 xenchan-dm
	alive
}
alive() {
	served_by_us web1 a.socket a.pty p.one
	check opening "$web" a.socket a.pty p.one
	all "echoed $web a.socket /run/web1.sock 20000" "echoed $web a.pty $(tty "$web" 2) 20000" \
		"echoed $web p.one /run/web1-p.one 20000"
}
rebooted() {
	test_begin "the guest reboots, its channels are there again, a persistent one beside them"
	check attach web1 p.one --persist --wait 60
	lab-run "$web" "(sleep 1; reboot -f) &" >/tmp/t.reboot 2>&1
	there_again "$web"
	test_end
}
panicked() {
	test_begin "the guest panics, its channels are there again"
	lab-run "$web" "(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &"
	there_again "$web"
	test_end
}
saved() {
	test_begin "saved and restored: its channels are there again"
	old=$web
	check xl save web1 /tmp/saved >/tmp/t.save 2>&1
	within 60 running 0 xenchan-dm || bad "xenchan-dm goes on"
	check xl restore /tmp/saved >/tmp/t.restore 2>&1
	rm -f /tmp/saved
	web=$(new_domain web1 "$old") || bad "not restored"
	check running 1 xenchan-dm
	# Their programs went on in the guest, without their channels
	lab-run "$web" "killall xenchan agent tee" >/tmp/t.killall 2>&1
	alive
	test_end
}

destroyed() {
	test_begin "destroyed: nothing is left of the guest"
	check xl destroy web1
	check within 60 running 0 xenchan-dm
	# shellcheck disable=SC2016
	within 60 eval '! test -e /run/web1.sock && ! ls /run/xen/qmp-* 2>/dev/null | grep -q .' || bad "sockets are still there"
	check within 60 absent "$D/0/backend/console/$web"
	test_end
}

beside_qemu
served_beside_qemu
each_for_itself
without_qemu
migrated
as_with_qemu
daemon_killed
rebooted
panicked
saved
destroyed
