#!/bin/sh
# SPDX-License-Identifier: MIT
# A driver domain, domU 1, serves the channels of domU 2 and of a domain that xl gave
# channels; and guests that are not as Linux, imitated in the latter, whose kernel has
# no driver of consoles.
# shellcheck disable=SC2034 # part: lib.sh's
part=others
# shellcheck source=lab/channels/lib.sh
. /payload/lib.sh

autopsy() {
	tail -n 8 /out/daemon.log
	LAB_RUN_LIMIT=20 lab-run 1 "tail -n 8 /tmp/daemon.log; ls -l /run"
	tail -n 5 /tmp/open.log
}
ping_from() { # ping_from DOMID SOCKET BYTES [GREETING]
	lab-run "$1" "cd /payload; ./channel-peer ping $2 $3 $4" >"/tmp/t.$(basename "$2")" 2>&1
}

ours() {
	test_begin "attach --backend: a driver domain serves another guest"
	for d in 1 2; do lab-wait $d data/boot >/dev/null || exit 1; done
	lab-run 1 /payload/start-daemon >/tmp/t.start
	attach 2 d.ours --backend domu1 --wait 60
	rc=$?
	opened 2 d.ours
	ping_from 1 /run/2-d.ours 50000 d.ours || rc=1
	cat /tmp/t.2-d.ours
	[ ! -e /run/2-d.ours ] && absent $D/0/backend/console/2/1 || rc=1
	test_end $rc
}

killed() {
	test_begin "its daemon killed three times in mid-transfer, then restarted"
	ping_from 1 /run/2-d.ours 300000 &
	p=$!
	rc=0
	for _ in 1 2 3; do
		sleep 1
		lab-run 1 /payload/kill-served >/tmp/t.kill 2>&1 || rc=1
	done
	wait $p || rc=1
	cat /tmp/t.2-d.ours
	lab-run 1 "/payload/end-daemon; /payload/start-daemon" >/tmp/t.start || rc=1
	ping_from 1 /run/2-d.ours 20000 || rc=1
	test_end $rc
}

xls() {
	test_begin "backend= in xl.cfg: a socket and a terminal in the driver domain, no QEMU"
	three=$(lab-domu three 'extra="console=hvc0 quiet cryptomgr.notests rodata=off mitigations=off initcall_blacklist=xen_hvc_init"' \
		'channel=["name=unused,connection=pty,backend=domu1", "name=x.one,connection=socket,path=/run/x.one,backend=domu1", "name=x.two,connection=pty,backend=domu1"]')
	lab-wait "$three" data/boot >/dev/null
	rc=$?
	for n in x.one x.two; do opened "$three" $n; done
	within 60 is "$D/1/backend/console/$three/2/state" 4 || rc=1
	ping_from 1 /run/x.one 20000 x.one || rc=1
	tty=$(xenstore-read "$D/$three/device/console/2/tty")
	ping_from 1 "$tty" 20000 x.two || rc=1
	xl channel-list "$three" | grep -q "$tty" || rc=1
	pidof qemu-system-i386 xen-qemu-system-i386 && rc=1
	test_end $rc
}

# front NAME OPTION...: a guest's end with Xen's libraries alone, in the third domain
front() {
	n=$1
	shift
	LAB_RUN_LIMIT=600 lab-run "$three" "cd /payload; ./channel-front --named --straight --echo $* $n" >>/tmp/open.log 2>&1 &
}
other_guests() {
	test_begin "guests that find their channel in the backend and go to 4; one never sends an event"
	./xenchanneld --keeper --debug 2>>/out/daemon.log &
	keeper=$!
	within 60 test -S /run/xenchanneld/control
	rc=0
	for n in o.early o.eager o.silent; do attach "$three" $n || rc=1; done
	front o.eager
	front o.silent --silent
	for n in o.eager o.silent; do
		timeout 200 ./channel-peer ping "/run/$three-$n" 20000 >/tmp/t.$n 2>&1 || rc=1
		measured "$n: $(cat /tmp/t.$n)"
	done
	for n in o.early o.eager o.silent; do detach "$three" $n || rc=1; done
	kill $keeper
	wait $keeper || rc=1
	test_end $rc
}

driver_domain_dies() {
	test_begin "the driver domain dies: its channels can be detached, the guests live on"
	rc=0
	xl destroy 1
	within 60 absent $D/1 || rc=1
	$XC channel list
	$XC channel list -d 2 --tsv | grep -q "d.ours.*its backend domain 1 is gone" || rc=1
	detach 2 d.ours && absent $D/2/device/console/1 && absent /libxl/2/device/console/1 || rc=1
	xl destroy "$three" && within 60 absent "/libxl/$three" || rc=1
	lab-run 2 "dd if=/dev/zero of=/tmp/x bs=1M count=8 && rm /tmp/x" >/tmp/t.alive 2>&1 || rc=1
	# shellcheck disable=SC2016
	within 60 eval '[ "$(xl list | wc -l)" = 3 ]' || rc=1
	test_end $rc
}

dmesg -n 1
cd /payload || exit
ours
killed
xls
other_guests
driver_domain_dies
cp /tmp/open.log /out/
exit $failed
